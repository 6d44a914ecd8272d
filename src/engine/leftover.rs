//! What an earlier leg of a run left, and what a membership that is read now means for it.
//!
//! Main types: [`Leftover`] and [`Next`]. Pure: others read, and send what is still missing.

use std::sync::Arc;
use std::time::Duration;

use super::event::{Cause, Status, StatusKind, settled_by_plan};
use super::journal::RowHistory;
use super::verify::{Finding, landed};
use crate::model::{RowNumber, WorkspaceRole};
use crate::plan::{Membership, decide};

/// A row that a later leg can settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The row.
    pub row: RowNumber,
    /// The wanted role.
    pub role: WorkspaceRole,
    /// How it stands.
    pub status: Status,
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
        Some(Self { row, role, status: history.status, earlier })
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

    /// What becomes of it where its workspace cannot be read, for this reason. `None` leaves it as
    /// it is: what was sent may be there, whatever the workspace says now.
    pub fn unreadable(&self, status: Status, cause: &Arc<Cause>) -> Option<(Status, Cause)> {
        self.earlier.is_none().then(|| (status, Cause::clone(cause)))
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

    #[test]
    fn what_was_sent_stays_in_doubt_where_nothing_can_be_read() {
        let cause = Arc::new(Cause::new("unreadable", "the workspace cannot be read"));
        let end = |status, attempts| leftover(status, attempts)?.unreadable(Status::GaveUp, &cause);
        assert_eq!(end(Status::NotRun, 0).map(|(status, _)| status), Some(Status::GaveUp));
        assert_eq!(end(Status::InDoubt, 1), None);
    }
}
