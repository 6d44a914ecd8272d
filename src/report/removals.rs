//! Who was not in the roster, the outcome for each, and how to undo it: `removals.csv` and
//! `undo.csv`.
//!
//! Main function: [`write()`]. It streams, and both files are made from the run's plan and journal
//! alone.

use std::borrow::Cow;

use csv::ByteRecord;
use serde::Serialize;

use super::csv_file::CsvForm;
use super::results::{ResultsError, Table};
use crate::model::{ItemId, Role, printable};
use crate::outcome::{Code, Status, StatusKind};
use crate::plan::{Account, Membership, RolePolicy, Standing};
use crate::record::folder::RunFolder;
use crate::record::journal::{
    History, ItemEnd, JournalError, PlanLine, PlanSource, RunSettings, Undoing, Undone,
};

/// The name of the file with a line for everyone who was not in the roster.
pub const REMOVALS: &str = "removals.csv";
/// The name of the roster that takes removals and changes of roles back.
pub const UNDO: &str = "undo.csv";

/// The columns of `removals.csv`.
pub const COLUMNS: [&str; 10] = [
    "email",
    "role",
    "kind",
    "id",
    "workspace_id",
    "status",
    "detail",
    "attempts",
    "elapsed_ms",
    "error_code",
];

/// The outcome for a person who was not in the roster: the `status` column of `removals.csv`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Removed, and verified absent.
    Removed,
    /// Absent already, not removed by this run.
    GoneAlready,
    /// A guard holds the removal back.
    HeldBack,
    /// They stay, by request or because they cannot be removed.
    Kept,
    /// They stay, because a row of their workspace failed.
    NotRemoved,
    /// The same words as in `results.csv`.
    Other(Status),
}

impl End {
    /// The end of one of [`History::extras`].
    pub fn of(extra: &ItemEnd) -> Self {
        match (extra.status, extra.cause.as_ref().map(|cause| &cause.code)) {
            (Status::Removed, _) => Self::Removed,
            (Status::Unchanged, Some(Code::GoneAlready)) => Self::GoneAlready,
            (Status::Unchanged | Status::NotRun, Some(Code::NotRemovedAfterFailure)) => Self::NotRemoved,
            (Status::Unchanged, Some(code)) if code.is_guard() => Self::HeldBack,
            (Status::Unchanged | Status::RoleKept, _) => Self::Kept,
            (status, _) => Self::Other(status),
        }
    }

    /// The word in the file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::GoneAlready => "gone_already",
            Self::HeldBack => "held_back",
            Self::Kept => "kept",
            Self::NotRemoved => "not_removed",
            Self::Other(status) => status.word(),
        }
    }
}

/// How the removals of people who were not in the roster ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RemovalCounts {
    /// Who was not in the roster, in all.
    pub extra: u64,
    /// Removed.
    pub removed: u64,
    /// Held back by a guard.
    pub held_back: u64,
    /// Stay, or were gone, for another reason.
    pub kept: u64,
    /// Could not be removed, for good.
    pub failed: u64,
    /// Not settled: a later try can.
    pub unsettled: u64,
    /// Not tried.
    pub not_run: u64,
}

impl RemovalCounts {
    /// The counts of a run, if it had people to remove.
    pub fn of(history: &History) -> Option<Self> {
        history.header.settings.prune.as_ref()?;
        let mut counts = Self { extra: history.extras().len() as u64, ..Self::default() };
        for extra in history.extras() {
            let counter = match (End::of(extra), extra.status.kind()) {
                (End::Removed, _) => &mut counts.removed,
                (End::HeldBack, _) => &mut counts.held_back,
                (End::GoneAlready | End::Kept, _) | (End::NotRemoved, StatusKind::AsItWas) => {
                    &mut counts.kept
                }
                (_, StatusKind::Failed) => &mut counts.failed,
                (_, StatusKind::Unresolved) => &mut counts.unsettled,
                (_, StatusKind::NotTried | StatusKind::Changed | StatusKind::AsItWas) => &mut counts.not_run,
            };
            *counter += 1;
        }
        Some(counts)
    }
}

/// Which of the two files a run has.
pub fn files(settings: &RunSettings) -> impl Iterator<Item = &'static str> {
    let removes = settings.prune.is_some();
    let undoes = removes || settings.roles == RolePolicy::Update;
    removes.then_some(REMOVALS).into_iter().chain(undoes.then_some(UNDO))
}

/// Writes `removals.csv` of a run with `--prune`, and `undo.csv` of one that could remove people or
/// change roles, in the form of the roster. Gives how many people `undo.csv` restores.
///
/// # Errors
/// If the plan cannot be read or a file not be written; then neither is changed, unless a rename
/// itself fails.
pub fn write(
    folder: &RunFolder,
    history: &History,
    plan: &dyn PlanSource,
    form: CsvForm,
) -> Result<Undo, ResultsError> {
    let (mut undone, mut counts) = (Undone::default(), Undo::default());
    let settings = &history.header.settings;
    if !files(settings).any(|name| name == UNDO) {
        return Ok(counts);
    }
    let mut removals = match settings.prune {
        Some(_) => Some(Table::create(folder, REMOVALS, form)?),
        None => None,
    };
    let mut undo = Table::create(folder, UNDO, form)?;
    let with_deployments = history.extras_have_deployments;
    let header = ["email", "role", "workspace", "deployment_roles"];
    undo.put(&ByteRecord::from(header[..3 + usize::from(with_deployments)].to_vec()))?;
    if let Some(removals) = &mut removals {
        removals.put(&ByteRecord::from(COLUMNS.to_vec()))?;
    }
    for line in plan.lines()? {
        let line = line?;
        let Some(end) = history.item(line.item) else { break };
        if let Some(removals) = removals.as_mut().filter(|_| is_extra(history, line.item)) {
            removals.put(&record(&line, end))?;
        }
        let undoing = undone.of(&line, history);
        counts.count(undoing);
        if undoing == Some(Undoing::PutBack) {
            undo.put(&put_back(&line, with_deployments))?;
        }
    }
    let files = [removals, Some(undo)].map(|file| file.map(Table::finish).transpose());
    for file in files {
        if let Some(file) = file? {
            file.commit()?;
        }
    }
    Ok(counts)
}

/// What `undo.csv` of a run restores, without writing it.
///
/// # Errors
/// If the plan of the run cannot be read.
pub fn count(history: &History, plan: &dyn PlanSource) -> Result<Undo, JournalError> {
    let (mut undone, mut counts) = (Undone::default(), Undo::default());
    if !files(&history.header.settings).any(|name| name == UNDO) {
        return Ok(counts);
    }
    for line in plan.lines()? {
        let line = line?;
        counts.count(undone.of(&line, history));
    }
    Ok(counts)
}

/// What `undo.csv` restores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Undo {
    /// Removals and changes of roles in it.
    pub rows: u64,
    /// People who were removed and cannot be restored by it: they have no address, or an invitation
    /// without a known role.
    pub left_out: u64,
}

impl Undo {
    fn count(&mut self, undoing: Option<Undoing>) {
        match undoing {
            Some(Undoing::PutBack) => self.rows += 1,
            Some(Undoing::LeftOut) => self.left_out += 1,
            Some(Undoing::TakenAway) | None => {}
        }
    }
}

fn is_extra(history: &History, item: ItemId) -> bool {
    item.index() >= history.first_extra()
}

fn record(line: &PlanLine, end: &ItemEnd) -> ByteRecord {
    let (kind, id) = match line.accounts.first() {
        Some(Account::Invite(id)) => ("invitation", id.as_str()),
        Some(Account::User(id)) if is_pending(line) => ("pending", id.as_str()),
        Some(Account::User(id)) => ("member", id.as_str()),
        None => ("", ""),
    };
    let (code, detail) = end.cause.as_ref().map_or(("", ""), |cause| (cause.code.word(), &*cause.text));
    let cells: [Cow<'_, str>; 10] = [
        line.email.as_str().into(),
        line.from_role().map_or("", Role::name).into(),
        kind.into(),
        id.into(),
        line.workspace.as_ref().map_or("", |id| id.as_str()).into(),
        End::of(end).word().into(),
        printable(detail),
        end.attempts.to_string().into(),
        end.elapsed_ms.to_string().into(),
        printable(code),
    ];
    cells.iter().map(|cell| cell.as_bytes()).collect()
}

fn is_pending(line: &PlanLine) -> bool {
    matches!(line.seen, Some(Membership::Member { standing: Standing::Pending, .. }))
}

/// The row that undoes a line of the plan.
fn put_back(line: &PlanLine, with_deployments: bool) -> ByteRecord {
    let role = line.from_role().map_or("", Role::name);
    let workspace = line.workspace.as_ref().map_or("", |id| id.as_str());
    let deployments = line.deployment_cell();
    let cells =
        [line.email.as_str(), role, workspace].into_iter().chain(with_deployments.then_some(&*deployments));
    cells.map(str::as_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Scope;
    use crate::outcome::Cause;
    use crate::plan::{Action, Guard, Reason};
    use std::sync::Arc;

    fn extra(status: Status, cause: Option<Cause>) -> ItemEnd {
        ItemEnd {
            status,
            cause: cause.map(Arc::new),
            workspace: None,
            attempts: 0,
            elapsed_ms: 0,
            step: None,
            roles: crate::record::journal::Roles::default(),
        }
    }

    #[test]
    fn everyone_who_is_not_in_the_roster_gets_a_status() {
        let code = |code| Some(Cause::new(code, "why"));
        let removal = Action::Remove(None);
        let ended = |reason: Reason, word| {
            let (status, cause) = reason.end(Scope::Workspace, None);
            (status, cause, word)
        };
        let table = [
            (Status::Removed, None, "removed"),
            (Status::Unchanged, code(Code::GoneAlready), "gone_already"),
            ended(Reason::HeldBack(Guard::Caller, removal), "held_back"),
            ended(Reason::HeldBack(Guard::LastAdmin, removal), "held_back"),
            ended(Reason::HeldBack(Guard::TooMany, removal), "held_back"),
            ended(Reason::HeldBack(Guard::Incomplete, removal), "held_back"),
            ended(Reason::Protected(removal), "kept"),
            ended(Reason::ViaTeam, "kept"),
            (Status::RoleKept, code(Code::OtherRole), "kept"),
            (Status::NotRun, code(Code::NotRemovedAfterFailure), "not_removed"),
            (Status::Rejected, code(Code::Denied), "rejected"),
            (Status::GaveUp, None, "gave_up"),
            (Status::InDoubt, None, "in_doubt"),
            (Status::NotRun, None, "not_run"),
        ];
        for (status, cause, word) in table {
            assert_eq!(End::of(&extra(status, cause)).word(), word, "{status}");
        }
    }
}
