//! What a run really changed, as far as it can be undone: `undo.csv` and `undo.json` are made
//! from the same answer.
//!
//! Main type: [`Undone`]. It reads nothing and writes nothing.

use super::{History, LineDecision, PlanLine};
use crate::model::WorkspaceId;
use crate::outcome::Status;
use crate::plan::Action;

/// How to undo a line of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undoing {
    /// Add them again, or restore their former role.
    PutBack,
    /// They should come back, but no row could say so: they have no address, or had no known role.
    LeftOut,
    /// Remove them.
    TakenAway,
}

/// Looks at the lines of a plan in their order.
#[derive(Debug, Default)]
pub struct Undone {
    /// The person whom the line before restores.
    last: Option<(Option<WorkspaceId>, String)>,
}

impl Undone {
    /// How to undo a line; none if nothing was changed, for deployment roles, and where the line before
    /// restores the same person: Houston may have both a pending user and their invitation.
    pub fn of(&mut self, line: &PlanLine, history: &History) -> Option<Undoing> {
        if line.deployment.is_some() {
            return None;
        }
        // A person who was removed and added again was there before, perhaps with another role.
        let is_replaced = matches!(line.decision, LineDecision::Change(Action::Replace(_)));
        let from_role = line.from_role();
        if is_replaced && (from_role.is_none() || from_role == line.role) {
            return None;
        }
        match history.item(line.item)?.status {
            Status::Removed | Status::RoleUpdated => self.put_back(line),
            Status::Added | Status::Invited if is_replaced => self.put_back(line),
            Status::Added | Status::Invited => Some(Undoing::TakenAway),
            Status::Unchanged
            | Status::AlreadyInvited
            | Status::RoleKept
            | Status::Rejected
            | Status::GaveUp
            | Status::InDoubt
            | Status::NotRun
            | Status::Invalid
            | Status::Merged => None,
        }
    }

    fn put_back(&mut self, line: &PlanLine) -> Option<Undoing> {
        if line.from_role().is_none() || line.workspace.is_none() || !line.email.contains('@') {
            return Some(Undoing::LeftOut);
        }
        let person = Some((line.workspace.clone(), line.email.clone()));
        if self.last == person {
            return None;
        }
        self.last = person;
        Some(Undoing::PutBack)
    }
}
