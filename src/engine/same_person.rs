//! Rows that turn out to be about one person only when Houston shows the person whom one of them has added.
//!
//! These are the methods of [`State`] that recognise the second row. It merges or fails; it never changes a
//! role.

use super::state::State;
use crate::model::{ItemId, Level, Scope};
use crate::outcome::{Cause, Code, Status};
use crate::present::members::Reading;

impl State<'_> {
    /// How an add ends if another row of this run adds the same person under another address; `status` is
    /// what the membership alone means.
    pub fn as_second_row(
        &self,
        operation: usize,
        reading: &Reading,
        status: Status,
    ) -> Option<(Status, Option<Cause>)> {
        let wanted = self.added_as(operation)?;
        let is_met = match status {
            Status::Unchanged | Status::RoleKept | Status::Added => true,
            Status::Invited
            | Status::AlreadyInvited
            | Status::RoleUpdated
            | Status::Removed
            | Status::Rejected
            | Status::GaveUp
            | Status::InDoubt
            | Status::NotRun
            | Status::Invalid
            | Status::Merged => false,
        };
        let first = self.first_row(operation, reading).filter(|_| is_met)?;
        let role = self.added_as(first)?;
        if role == wanted {
            let text = format!("merged into row {}", self.item_of(first).row());
            return Some((Status::Merged, Some(Cause::new(Code::Merged, text))));
        }
        let (first, role) = (self.email_of(first), Scope::Workspace.role(role));
        let text = format!("is one user of Houston with {first}, whom this run adds as {role}");
        Some((Status::Rejected, Some(Cause::new(Code::Conflict, text))))
    }

    /// The operation that adds the same person: the one that Houston acknowledged, else the earlier one.
    fn first_row(&self, operation: usize, reading: &Reading) -> Option<usize> {
        let own = self.email_of(operation);
        let names = reading.aliases.iter().find(|names| names.iter().any(|name| name == own))?;
        let (lane, workspace) = (self.lane_of(operation), self.planned(operation).workspace);
        let all = &self.run.batch.operations;
        let begin = all.partition_point(|one| one.workspace < workspace);
        let end = all.partition_point(|one| one.workspace <= workspace);
        (begin..end).find(|&other| {
            let is_first = || {
                let rows: [ItemId; 2] = [other, operation].map(|one| self.item_of(one));
                self.lanes[lane].is_acknowledged(other) || rows[0] < rows[1]
            };
            let email = self.email_of(other);
            email != own && names.iter().any(|name| name == email) && is_first()
        })
    }

    /// The role that an operation adds a person with, if it does.
    fn added_as(&self, operation: usize) -> Option<Level> {
        let added = self.planned(operation).action.added();
        added.filter(|_| self.scope_of(operation) == Scope::Workspace)
    }
}
