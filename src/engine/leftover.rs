//! What earlier legs of a run left, and what a membership that is read now means for it.
//!
//! Main types: [`Leg`], made of one [`Leftover`] per row that is left. It reads the files of the
//! run; others read Houston, and send what is still missing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::event::{Cause, Outcome, Status, StatusKind, Tally, settled_by_plan};
use super::journal::{History, JournalError, RowHistory, plan_lines};
use super::run_folder::RunFolder;
use super::verify::{Finding, landed};
use crate::model::{Emails, RowNumber, WorkspaceId, WorkspaceRole};
use crate::plan::{Membership, Operation, OperationKind, Workspace, decide};

/// Between what happened to a write and what its workspace says later.
const NOW: &str = "; now the workspace cannot be read: ";

/// What is still to be done in a run.
#[derive(Debug, Default)]
pub struct Leg {
    /// The workspaces of the rows that are left.
    pub workspaces: Vec<Workspace>,
    /// The addresses of the rows that are left, and an empty text for every other row.
    pub emails: Arc<Emails>,
    /// The mutations that are missing, workspace by workspace.
    pub operations: Vec<Operation>,
    /// What earlier legs did about some of them, by their index.
    pub earlier: HashMap<usize, Earlier>,
    /// Rows that reading alone has settled.
    pub settled: Vec<(RowNumber, Outcome)>,
    /// The leftovers of each workspace that have not been judged yet.
    shares: Vec<Share>,
}

/// The leftovers of one workspace.
#[derive(Debug, Default)]
struct Share {
    rows: Vec<RowNumber>,
    leftovers: Vec<Leftover>,
}

impl Leg {
    /// Finds what is left in the files of a run.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn collect(folder: &RunFolder, history: &History) -> Result<Self, JournalError> {
        let mut left = history.left().into_iter().peekable();
        let mut leg = Self::default();
        let mut emails = Emails::default();
        let mut places: HashMap<WorkspaceId, usize> = HashMap::new();
        for line in plan_lines(folder)? {
            let line = line?;
            if left.next_if_eq(&line.row).is_none() {
                emails.push("");
                continue;
            }
            emails.push(&line.email);
            let (Some(id), Some(role)) = (line.workspace, line.role) else { continue };
            let Some(leftover) = Leftover::new(line.row, role, &history.rows[line.row.index()]) else {
                continue;
            };
            let place = *places.entry(id.clone()).or_insert_with(|| {
                leg.workspaces.push(Workspace { id, label: None });
                leg.shares.push(Share::default());
                leg.shares.len() - 1
            });
            leg.shares[place].rows.push(line.row);
            leg.shares[place].leftovers.push(leftover);
        }
        leg.emails = Arc::new(emails);
        Ok(leg)
    }

    /// What is to be read: each workspace, and the rows whose people are looked for.
    pub fn tasks(&self) -> impl Iterator<Item = (&WorkspaceId, &[RowNumber])> {
        self.workspaces.iter().zip(&self.shares).map(|(workspace, share)| (&workspace.id, &share.rows[..]))
    }

    /// Takes in what was read of one workspace, in the order of its rows. Workspaces are judged in
    /// their order, each once.
    pub fn judge(&mut self, place: usize, memberships: &[Membership]) {
        let leftovers = std::mem::take(&mut self.shares[place].leftovers);
        for (leftover, &seen) in leftovers.into_iter().zip(memberships) {
            match leftover.next(seen) {
                Next::Settled(status, cause) => self.settle(&leftover, status, cause),
                Next::Missing => self.put(leftover, place),
            }
        }
    }

    /// A workspace cannot be read. What was sent there stays unsettled: it may have taken effect,
    /// whatever the workspace says now.
    pub fn give_up(&mut self, place: usize, status: Status, cause: &Cause) {
        for leftover in std::mem::take(&mut self.shares[place].leftovers) {
            match &leftover.earlier {
                None => self.settle(&leftover, status, Some(cause.clone())),
                Some(earlier) => {
                    let status = if earlier.in_doubt { Status::InDoubt } else { Status::GaveUp };
                    // What an earlier leg said of the workspace is not said again.
                    let then = earlier.cause.text.split(NOW).next().unwrap_or_default();
                    let text = format!("{then}{NOW}{}", cause.text);
                    self.settle(&leftover, status, Some(Cause { code: cause.code.clone(), text }));
                }
            }
        }
    }

    /// Whether the operation at this place is looked for over the settle time before it may be sent
    /// again.
    pub fn is_in_doubt(&self, place: usize) -> bool {
        self.earlier.get(&place).is_some_and(|earlier| earlier.in_doubt)
    }

    /// The rows of the run that have no operation in this leg.
    pub fn tally(&self, history: &History) -> Tally {
        let mut rows: Vec<Option<Status>> = history.rows.iter().map(|row| Some(row.status)).collect();
        self.settled.iter().for_each(|(row, outcome)| rows[row.index()] = Some(outcome.status));
        self.operations.iter().for_each(|operation| rows[operation.row.index()] = None);
        let mut tally = Tally::default();
        rows.into_iter().flatten().for_each(|status| tally.count(status));
        tally
    }

    fn settle(&mut self, leftover: &Leftover, status: Status, cause: Option<Cause>) {
        let earlier = leftover.earlier.as_ref();
        let (attempts, elapsed) =
            earlier.map_or((0, Duration::ZERO), |earlier| (earlier.attempts, earlier.elapsed));
        self.settled.push((leftover.row, Outcome { status, cause, attempts, elapsed }));
    }

    fn put(&mut self, leftover: Leftover, place: usize) {
        if let Some(earlier) = leftover.earlier {
            self.earlier.insert(self.operations.len(), earlier);
        }
        let workspace = u32::try_from(place).expect("fewer workspaces than rows");
        let kind = OperationKind::Add(leftover.role);
        self.operations.push(Operation { row: leftover.row, workspace, kind });
    }
}

/// A row that a later leg can settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The row.
    pub row: RowNumber,
    /// The wanted role.
    pub role: WorkspaceRole,
    /// What was done about it; none if nothing was ever sent.
    pub earlier: Option<Earlier>,
}

/// What an earlier leg of the run did about an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Mutations sent for it.
    pub attempts: u32,
    /// From its first request to the end of that leg.
    pub elapsed: Duration,
    /// What was the matter.
    pub cause: Cause,
    /// Whether the last one may still take effect: it is looked for over the settle time before
    /// anything is sent again.
    pub in_doubt: bool,
}

/// What is to be done about a leftover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it has its end.
    Settled(Status, Option<Cause>),
    /// It is not there: send it, or wait for it first if it is in doubt.
    Missing,
}

impl Leftover {
    /// The leftover of a row with this history; `None` for a row with an end of its own.
    pub fn new(row: RowNumber, role: WorkspaceRole, history: &RowHistory) -> Option<Self> {
        let in_doubt = history.status == Status::InDoubt;
        match history.status.kind() {
            StatusKind::Unsettled | StatusKind::NotTried => {}
            StatusKind::Changed | StatusKind::AsItWas | StatusKind::Failed => return None,
        }
        let cause = || history.cause.as_ref().map_or_else(unknown, |cause| Cause::clone(cause));
        let earlier = (in_doubt || history.attempts > 0).then(|| Earlier {
            attempts: history.attempts,
            elapsed: Duration::from_millis(u64::from(history.elapsed_ms)),
            cause: cause(),
            in_doubt,
        });
        Some(Self { row, role, earlier })
    }

    /// What a membership means for it. Whoever is there after this run has sent for them is there
    /// through this run, as far as anybody can tell.
    pub fn next(&self, seen: Membership) -> Next {
        if self.earlier.is_none() {
            let decision = decide(self.role, seen);
            return settled_by_plan(&decision, Some(self.role))
                .map_or(Next::Missing, |(status, cause)| Next::Settled(status, cause));
        }
        match (seen, landed(seen, self.role)) {
            (Membership::Absent, _) | (_, Finding::SendAgain | Finding::Wait) => Next::Missing,
            (_, Finding::Settled(status, cause)) => Next::Settled(status, cause),
        }
    }
}

fn unknown() -> Cause {
    Cause::new("no_outcome", "sent, and the run ended before its answer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Standing;

    const EDITOR: WorkspaceRole = WorkspaceRole::Editor;

    fn leftover(status: Status, attempts: u32) -> Option<Leftover> {
        let history =
            RowHistory { line: 2, status, cause: None, workspace: Some(0), attempts, elapsed_ms: 5 };
        Leftover::new(RowNumber::from_index(0), EDITOR, &history)
    }

    fn member(role: WorkspaceRole) -> Membership {
        Membership::Member { role, bindings: 1, standing: Standing::Active }
    }

    #[test]
    fn only_rows_without_an_end_are_left() {
        for status in Status::ALL {
            let expected = [Status::GaveUp, Status::InDoubt, Status::NotRun].contains(&status);
            assert_eq!(leftover(status, 1).is_some(), expected, "{status}");
        }
    }

    #[test]
    fn who_is_there_after_a_send_was_added_and_who_was_there_without_one_is_unchanged() {
        use Status::{Added, GaveUp, InDoubt, NotRun, RoleKept, Unchanged};
        let table = [
            (NotRun, 0, member(EDITOR), Some(Unchanged)),
            (GaveUp, 0, member(EDITOR), Some(Unchanged)),
            (NotRun, 0, member(WorkspaceRole::Admin), Some(RoleKept)),
            (NotRun, 0, Membership::Absent, None),
            (GaveUp, 2, member(EDITOR), Some(Added)),
            (GaveUp, 2, Membership::Absent, None),
            (InDoubt, 1, member(EDITOR), Some(Added)),
            (InDoubt, 0, member(EDITOR), Some(Added)),
            (InDoubt, 1, Membership::Absent, None),
            (InDoubt, 1, Membership::Invited { role: Some(EDITOR), invites: 1 }, Some(Status::Invited)),
            (
                InDoubt,
                1,
                Membership::Member { role: EDITOR, bindings: 2, standing: Standing::Active },
                Some(Status::Rejected),
            ),
        ];
        for (status, attempts, seen, expected) in table {
            let next = leftover(status, attempts).map(|leftover| leftover.next(seen));
            let found = match next {
                Some(Next::Settled(status, _)) => Some(status),
                Some(Next::Missing) | None => None,
            };
            assert_eq!(found, expected, "{status} after {attempts} sends, {seen}");
        }
    }
}
