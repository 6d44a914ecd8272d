//! How things end: rows, runs and the program.
//!
//! Main types: [`Status`] of a row with its [`Cause`], which has a [`Code`], both in an [`Outcome`]; the
//! [`Tally`] of a run; the [`ExitStatus`] of the program. Plain data; what a run announces on its way is
//! in [`crate::event`].

mod code;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::code::Code;
use crate::model::Strain;

/// Why something ended as it did, for people and for machines. The text comes from outside and is
/// cleaned ([`crate::model::printable`]) and short; no fault or secret travels in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Cause {
    /// In a word, for `error_code` columns and for grouping.
    pub code: Code,
    /// One sentence fragment.
    pub text: String,
}

impl Cause {
    /// A cause with its text.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// How a row ended: the `status` column of `results.csv`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A new member, seen in the member list afterwards.
    Added,
    /// A new pending invitation, or a new user who has not signed in yet.
    Invited,
    /// Already a member with the wanted role.
    Unchanged,
    /// Already invited.
    AlreadyInvited,
    /// A member whose role was changed.
    RoleUpdated,
    /// A member with another role; changing it was not asked for.
    RoleKept,
    /// A member who was removed.
    Removed,
    /// Houston refuses permanently.
    Rejected,
    /// The retries are used up; a later try can settle it.
    GaveUp,
    /// Whether it took effect could not be verified.
    InDoubt,
    /// Never tried.
    NotRun,
    /// Not a valid row.
    Invalid,
    /// Same as an earlier row.
    Merged,
}

impl Status {
    /// Every status, in the order in which counts are shown.
    pub const ALL: [Self; 13] = [
        Self::Added,
        Self::Invited,
        Self::Unchanged,
        Self::AlreadyInvited,
        Self::RoleUpdated,
        Self::RoleKept,
        Self::Removed,
        Self::Rejected,
        Self::GaveUp,
        Self::InDoubt,
        Self::NotRun,
        Self::Invalid,
        Self::Merged,
    ];

    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Invited => "invited",
            Self::Unchanged => "unchanged",
            Self::AlreadyInvited => "already_invited",
            Self::RoleUpdated => "role_updated",
            Self::RoleKept => "role_kept",
            Self::Removed => "removed",
            Self::Rejected => "rejected",
            Self::GaveUp => "gave_up",
            Self::InDoubt => "in_doubt",
            Self::NotRun => "not_run",
            Self::Invalid => "invalid",
            Self::Merged => "merged",
        }
    }

    /// What this status means for the run.
    pub fn kind(self) -> StatusKind {
        match self {
            Self::Added | Self::Invited | Self::RoleUpdated | Self::Removed => StatusKind::Changed,
            Self::Unchanged | Self::AlreadyInvited | Self::RoleKept | Self::Merged => StatusKind::AsItWas,
            Self::Rejected | Self::Invalid => StatusKind::Failed,
            Self::GaveUp | Self::InDoubt => StatusKind::Unresolved,
            Self::NotRun => StatusKind::NotTried,
        }
    }
}

/// What a run has changed in Houston about a person or a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It is there now.
    Added,
    /// A person is invited now.
    Invited,
    /// The role is another one.
    RoleUpdated,
    /// It is gone.
    Removed,
}

impl Status {
    /// What was changed, if anything was: for every status that is [`StatusKind::Changed`].
    pub fn effect(self) -> Option<Effect> {
        match self {
            Self::Added => Some(Effect::Added),
            Self::Invited => Some(Effect::Invited),
            Self::RoleUpdated => Some(Effect::RoleUpdated),
            Self::Removed => Some(Effect::Removed),
            Self::Unchanged
            | Self::AlreadyInvited
            | Self::RoleKept
            | Self::Rejected
            | Self::GaveUp
            | Self::InDoubt
            | Self::NotRun
            | Self::Invalid
            | Self::Merged => None,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// The ways in which a row can end. The first two are successes; `errors.csv` has the failed and the
/// unresolved rows, `unprocessed.csv` those that were not tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatusKind {
    /// Houston was changed as wished.
    Changed,
    /// Nothing had to be changed.
    AsItWas,
    /// Failed for good.
    Failed,
    /// A later try can settle it.
    Unresolved,
    /// Never tried.
    NotTried,
}

/// The end of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub status: Status,
    /// Why, where that is not plain from the status.
    pub cause: Option<Cause>,
    /// Mutations sent for it.
    pub attempts: u32,
    /// From the first request to the end.
    pub elapsed: Duration,
}

/// Counts of a run, and what they mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    counts: [u64; Status::ALL.len()],
    /// Mutations acknowledged by Houston and not yet seen by a read.
    pub unproven: u64,
    /// Mutations whose answer did not come, not yet verified.
    pub doubtful: u64,
    /// Operations that the run has to settle.
    pub operations: u64,
    /// Operations that have an outcome.
    pub concluded: u64,
    /// Requests sent so far, of every kind.
    pub requests: u64,
    /// Throttling and retries so far.
    pub strain: Strain,
}

impl Tally {
    /// Counts one row.
    pub fn count(&mut self, status: Status) {
        self.counts[status as usize] += 1;
    }

    /// How many rows have this status.
    pub fn of(&self, status: Status) -> u64 {
        self.counts[status as usize]
    }

    /// How many rows ended in this way.
    pub fn of_kind(&self, kind: StatusKind) -> u64 {
        Status::ALL.iter().filter(|status| status.kind() == kind).map(|&status| self.of(status)).sum()
    }

    /// All rows that have a status.
    pub fn rows(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// The exit status of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// Done; nothing failed.
    Done,
    /// Internal error, or the run folder cannot be written at the start.
    Internal,
    /// Usage, or a confirmation was needed and could not be given.
    Usage,
    /// The roster, or another input file, is bad.
    BadInput,
    /// The token is missing or invalid, or became invalid during the run.
    Token,
    /// The target is unusable, or its policy refuses.
    Target,
    /// Some rows failed for good.
    RowsFailed,
    /// A guard refused.
    Guard,
    /// Stopped early, or rows are left that a later try can settle.
    Unresolved,
    /// The saved plan is out of date.
    Outdated,
    /// `plan --detailed-exitcode`: changes are pending.
    ChangesPending,
    /// Another `apply` changes this target from the same folder of runs.
    Locked,
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// `--exit-code-unchanged`: nothing had to be changed.
    Unchanged(u8),
}

impl ExitStatus {
    /// What each status means, for help and manual pages.
    pub const MEANINGS: [(&str, &str); 13] = [
        ("0", "done; nothing failed"),
        ("1", "internal error, or an output cannot be written (a run's closing summary aside)"),
        ("2", "usage error, or a required confirmation is missing"),
        ("3", "the roster or another input file is invalid (nothing was sent)"),
        ("4", "the token is missing or invalid, or became invalid during the run"),
        ("5", "the target cannot be used, or its policy refuses the changes"),
        ("6", "some rows failed permanently"),
        ("7", "a guard refused or held back removals or demotions"),
        ("8", "stopped early, or rows remain that a retry can settle"),
        ("9", "the saved plan is out of date (nothing was sent)"),
        ("10", "plan --detailed-exitcode: changes are pending"),
        ("11", "another run is changing this target (nothing was sent)"),
        ("130, 143", "stopped by SIGINT; by SIGTERM or SIGHUP"),
    ];
    /// Which status is used if several apply.
    pub const ORDER: &str = "If several apply, the first of these is used: 130/143, 4, 5, 8, 7, 6, 10.";

    /// The status of a run in which nothing went wrong; `unchanged` replaces 0 where nothing had to
    /// be changed.
    pub fn good(changed: bool, unchanged: Option<u8>) -> Self {
        unchanged.filter(|_| !changed).map_or(Self::Done, Self::Unchanged)
    }

    /// Of several, the one that counts: a signal, the token, the target, rows that are left, a guard, rows that
    /// failed, pending changes.
    pub fn worst(statuses: impl IntoIterator<Item = Self>) -> Option<Self> {
        // Of two signals the first one counts.
        statuses.into_iter().min_by_key(|status| status.precedence())
    }

    /// The place in the order of [`Self::ORDER`]; what keeps a command from beginning comes before all.
    fn precedence(self) -> u8 {
        match self {
            Self::Internal | Self::Usage | Self::BadInput | Self::Outdated | Self::Locked => 0,
            Self::Interrupted | Self::Terminated => 1,
            Self::Token => 2,
            Self::Target => 3,
            Self::Unresolved => 4,
            Self::Guard => 5,
            Self::RowsFailed => 6,
            Self::ChangesPending => 7,
            Self::Done => 8,
            Self::Unchanged(_) => 9,
        }
    }

    /// What a status means, in the words of `--help`.
    pub fn meaning(code: u8) -> Option<&'static str> {
        let means = |numbers: &str| numbers.split(", ").any(|number| number == code.to_string());
        Self::MEANINGS.iter().find(|(numbers, _)| means(numbers)).map(|(_, words)| *words)
    }

    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Internal => 1,
            Self::Usage => 2,
            Self::BadInput => 3,
            Self::Token => 4,
            Self::Target => 5,
            Self::RowsFailed => 6,
            Self::Guard => 7,
            Self::Unresolved => 8,
            Self::Outdated => 9,
            Self::ChangesPending => 10,
            Self::Locked => 11,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::Unchanged(code) => code,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_one_position_and_one_word() {
        for (place, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(status as usize, place);
            let json = serde_json::to_string(&status).expect("serialises");
            assert_eq!(json, format!("\"{}\"", status.word()));
        }
    }

    #[test]
    fn the_worst_status_is_the_first_in_the_order_of_the_help() {
        use ExitStatus::{
            ChangesPending, Done, Guard, Interrupted, RowsFailed, Target, Terminated, Token, Unchanged,
            Unresolved,
        };
        let order =
            [Interrupted, Token, Target, Unresolved, Guard, RowsFailed, ChangesPending, Done, Unchanged(99)];
        for (at, worse) in order.iter().enumerate() {
            for better in &order[at..] {
                assert_eq!(ExitStatus::worst([*better, *worse]), Some(*worse), "{better:?} {worse:?}");
            }
        }
        assert_eq!(ExitStatus::worst([Terminated, Interrupted]), Some(Terminated));
        let codes: Vec<String> = order[1..7].iter().map(|status| status.code().to_string()).collect();
        assert!(ExitStatus::ORDER.ends_with(&format!("130/143, {}.", codes.join(", "))));
    }

    #[test]
    fn every_exit_status_has_a_meaning() {
        for code in (0..=11).chain([130, 143]) {
            assert!(ExitStatus::meaning(code).is_some(), "{code}");
        }
        assert_eq!(ExitStatus::meaning(6), Some("some rows failed permanently"));
        assert_eq!(ExitStatus::meaning(99), None);
    }

    #[test]
    fn the_kinds_partition_the_rows() {
        let mut tally = Tally::default();
        Status::ALL.into_iter().for_each(|status| tally.count(status));
        let kinds = [
            StatusKind::Changed,
            StatusKind::AsItWas,
            StatusKind::Failed,
            StatusKind::Unresolved,
            StatusKind::NotTried,
        ];
        assert_eq!(kinds.into_iter().map(|kind| tally.of_kind(kind)).sum::<u64>(), tally.rows());
    }
}
