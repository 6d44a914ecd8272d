//! What the rest of the program may know about a run: facts, in the order in which the dispatcher
//! saw them, and the totals that ride along with them.
//!
//! Main types: [`Event`], [`Outcome`] and [`Tally`]. No fault, no request and no credential
//! appears here.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use crate::model::{Cause, Strain};
use crate::model::{RowNumber, WorkspaceRole};
use crate::plan::{Decision, Workspace};

/// How a row ended: the `status` column of `results.csv`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// A member who was taken away.
    Removed,
    /// Houston refuses for good.
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

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// The kinds of ends a row can come to. The first two are successes; `errors.csv` has the failed
/// and the unsettled, `unprocessed.csv` the ones that were not tried.
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

/// The status and the reason of a row that needs no mutation; none for a row that does.
pub fn concluded_by_plan(
    decision: &Decision,
    wanted: Option<WorkspaceRole>,
) -> Option<(Status, Option<Cause>)> {
    Some(match decision {
        Decision::Add | Decision::UpdateRole(_) | Decision::Replace(_) | Decision::Take(_) => return None,
        Decision::HeldBack(change, guard) => (Status::RoleKept, Some(guard.cause(*change))),
        Decision::Unchanged => (Status::Unchanged, None),
        Decision::RoleKept(role) => {
            (Status::RoleKept, Some(Cause::new("other_role", format!("is {role} and stays it"))))
        }
        Decision::AlreadyInvited(role) => (Status::AlreadyInvited, invited_otherwise(*role, wanted)),
        Decision::Merged { into } => {
            (Status::Merged, Some(Cause::new("merged", format!("says the same as row {into}"))))
        }
        Decision::Invalid(cause) => (Status::Invalid, Some(cause.as_ref().clone())),
        Decision::LeftOut => (Status::NotRun, Some(Cause::new("left_out", "outside of --only or --limit"))),
        Decision::Rejected(cause) => (Status::Rejected, Some(cause.as_ref().clone())),
        Decision::GaveUp(cause) => (Status::GaveUp, Some(cause.as_ref().clone())),
    })
}

/// The remark for an invitation whose role is not the wanted one.
pub fn invited_otherwise(role: Option<WorkspaceRole>, wanted: Option<WorkspaceRole>) -> Option<Cause> {
    let (role, wanted) = (role?, wanted?);
    (role != wanted)
        .then(|| Cause::new("other_role", format!("is invited as {role}, the roster wants {wanted}")))
}

/// Why a run ended before all of its rows were tried, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// `--max-duration` is over.
    MaxDuration,
    /// `--max-errors` was reached.
    MaxErrors,
    /// Houston asks for a longer pause than `--max-wait`.
    MaxWait,
    /// Houston was away for longer than `--max-wait`.
    Away,
    /// The journal cannot be written any more.
    JournalLost,
    /// The target is not usable: something else answers, or it does not understand us.
    TargetUnusable,
    /// The token is not, or no longer, valid.
    TokenDead,
    /// SIGTERM.
    Terminated,
    /// SIGINT.
    Interrupted,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MaxDuration => "the time of --max-duration is over",
            Self::MaxErrors => "too many rows failed (--max-errors)",
            Self::MaxWait => "Houston asks for a longer pause than --max-wait",
            Self::Away => "Houston was away for longer than --max-wait",
            Self::JournalLost => "the journal of the run cannot be written any more",
            Self::TargetUnusable => "the target cannot be used",
            Self::TokenDead => "the token is not valid any more",
            Self::Terminated => "terminated",
            Self::Interrupted => "interrupted",
        })
    }
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
    /// What was met with by asking for too much.
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

    /// How many rows came to this kind of end.
    pub fn of_kind(&self, kind: StatusKind) -> u64 {
        Status::ALL.iter().filter(|status| status.kind() == kind).map(|&status| self.of(status)).sum()
    }

    /// All rows that have a status.
    pub fn rows(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// One fact about a run.
#[derive(Debug)]
pub enum Event<'a> {
    /// Reading what Houston has begins.
    ReadingStarted {
        /// How many workspaces are to be read.
        workspaces: u64,
    },
    /// One more workspace has been read.
    WorkspaceRead {
        /// How many are done.
        done: u64,
        /// Of how many.
        workspaces: u64,
    },
    /// All reading is done.
    ReadingFinished,
    /// Sending begins.
    Started {
        /// The totals, of the rows that needed no mutation.
        tally: Tally,
    },
    /// Houston acknowledged a mutation; the read-back comes later.
    Acknowledged {
        /// The row.
        row: RowNumber,
        /// The totals.
        tally: Tally,
    },
    /// A mutation has no clear answer and will be verified.
    Doubtful {
        /// The row.
        row: RowNumber,
        /// What happened.
        cause: &'a Cause,
        /// The totals.
        tally: Tally,
    },
    /// An operation has its outcome.
    Concluded {
        /// The row.
        row: RowNumber,
        /// Its end.
        outcome: &'a Outcome,
        /// The totals.
        tally: Tally,
    },
    /// A workspace does not let the caller in; its other rows are not tried.
    WorkspaceClosed {
        /// Which one.
        workspace: &'a Workspace,
        /// Why.
        cause: &'a Cause,
        /// How many of its rows are thereby rejected.
        rows: u64,
    },
    /// Time went by: redraw.
    Tick {
        /// The totals.
        tally: Tally,
        /// Why nothing is sent at the moment, if nothing is.
        pause: Option<Pause>,
    },
    /// The run will end early: nothing new is begun.
    Stopping {
        /// Why.
        reason: StopReason,
        /// More about it, if there is more.
        cause: Option<&'a Cause>,
        /// Requests whose answer is still awaited.
        in_flight: usize,
    },
    /// The run is over.
    Finished {
        /// The totals.
        tally: Tally,
    },
}

/// Why nothing is sent for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Houston asks to be left alone for this long from now.
    Asked(Duration),
    /// Houston has been away for this long.
    Away(Duration),
}

/// What a run of the engine came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// The totals.
    pub tally: Tally,
    /// Why it ended early, if it did.
    pub stopped: Option<(StopReason, Option<Cause>)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_one_place_and_one_word() {
        for (place, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(status as usize, place);
            let json = serde_json::to_string(&status).expect("serialises");
            assert_eq!(json, format!("\"{}\"", status.word()));
        }
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
