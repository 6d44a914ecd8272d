//! What a run really changed, as far as it can be undone: `undo.csv` and `undo.json` are made
//! from the same answer.
//!
//! Main type: [`Undone`]. It reads nothing and writes nothing.

use super::{History, PlanLine};
use crate::model::{Role, WorkspaceId};
use crate::outcome::{Effect, Status};
use crate::plan::{Action, Holder};

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
        let replaced = line.decision.action().and_then(Action::replaced);
        let replaced = replaced.map(|(to, holder)| (Role::workspace(to), holder));
        let status = history.item(line.item)?.status;
        // The account had no access; its invitation cannot be restored.
        if let (Status::Added, Some((_, Holder::Invitation))) = (status, replaced) {
            return Some(Undoing::TakenAway);
        }
        let is_replaced = replaced.is_some();
        let from_role = line.from_role();
        if replaced.is_some_and(|(to, _)| from_role.is_none_or(|from| from == to)) {
            return None;
        }
        match status.effect()? {
            Effect::Removed | Effect::RoleUpdated => self.put_back(line),
            Effect::Added | Effect::Invited if is_replaced => self.put_back(line),
            Effect::Added | Effect::Invited => Some(Undoing::TakenAway),
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
