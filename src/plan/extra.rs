//! People whom Houston has in a workspace and the roster does not name there, and whether they are
//! to be taken away.
//!
//! Main type: [`Extra`]. Pure; who is extra is found out elsewhere, and
//! [`super::guard`] holds the number of removals against its limits.

use serde::{Deserialize, Serialize};

use super::{Decision, Guard, Membership, Reason};
use crate::model::Role;

/// What Houston knows somebody by who is to be taken away: an address may belong to somebody else
/// tomorrow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    /// A user, active or pending, by the id of the user.
    User(String),
    /// A pending invitation, by its own id.
    Invite(String),
}

/// Somebody who is in a workspace and whom the roster does not name there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// Index into [`super::Plan::workspaces`].
    pub workspace: u32,
    /// Their first address, else the user name, else the id.
    pub name: String,
    /// What Houston knows them by.
    pub account: Account,
    /// What Houston has of them.
    pub seen: Membership,
    /// Their roles in deployments, which go with them, by release name.
    pub deployment_roles: Vec<(String, Role)>,
    /// Whether they are removed, or why not.
    pub decision: Decision,
}

impl Extra {
    /// Whether they are to be taken away.
    pub fn leaves(&self) -> bool {
        self.decision.is_change()
    }

    /// Whether they are taken away, and an admin of the workspace whose going matters: who has never
    /// signed in is none.
    pub fn takes_an_admin(&self) -> bool {
        self.decision.takes_an_admin(self.seen)
    }

    /// They stay, if they were to be removed.
    pub fn hold(&mut self, guard: Guard) {
        if let Decision::Change(action) = self.decision {
            self.decision = Decision::Keep(Reason::HeldBack(guard, action));
        }
    }

    /// As a guard looks at them.
    pub fn to_judge(&mut self) -> (&mut Decision, Membership) {
        (&mut self.decision, self.seen)
    }
}
