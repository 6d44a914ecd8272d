//! No workspace loses its last admin: before admins are demoted, the admins whom the workspace has then
//! are counted.
//!
//! These are the methods of [`State`] that hold demotions back. They send nothing.

use super::state::{State, demotes_an_admin};
use crate::houston::Fault;
use crate::model::Scope;
use crate::outcome::{Cause, Code, Status};
use crate::plan::{Guard, Reason};
use crate::present::members::Admins;

impl State<'_> {
    /// Holds the demotions of a workspace back if no other admin is there. It is not for the tool to choose
    /// which of several admins stays.
    pub fn judge_demotions(&mut self, lane: usize, admins: Option<&Admins>) {
        let Some(demoted) = self.demoted(lane) else { return };
        let addresses = demoted.iter().map(|&operation| self.email_of(operation));
        let others = admins.map_or(0, |admins| admins.other_than(addresses));
        let held = if others > 0 { Vec::new() } else { demoted };
        self.lanes[lane].admins_counted(&held);
        for operation in held {
            let reason = Reason::HeldBack(Guard::LastAdmin, self.planned(operation).action);
            let (status, cause) = reason.end(Scope::Workspace, None);
            self.hold(operation, status, cause);
        }
    }

    /// The admins of a workspace cannot be counted: none of them is demoted.
    pub fn leave_admins(&mut self, lane: usize, fault: &Fault) {
        let Some(demoted) = self.demoted(lane) else { return };
        self.lanes[lane].admins_counted(&demoted);
        let text = format!("not demoted because the admins of the workspace cannot be read: {fault}");
        for operation in demoted {
            self.hold(operation, Status::GaveUp, Some(Cause::new(Code::Unreadable, text.clone())));
        }
    }

    /// The admins to demote next in a workspace, once everything before that is proved.
    fn demoted(&self, lane: usize) -> Option<Vec<usize>> {
        let demotions = self.lanes[lane].demotions()?;
        Some(demotions.filter(|&operation| demotes_an_admin(self.run, operation)).collect())
    }
}
