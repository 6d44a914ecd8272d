//! Deployment roles that rows of the roster want besides their workspace role.
//!
//! Main type: [`Grant`]. Pure. Deployments have the same levels as workspaces, so that the same
//! [`super::decide`] serves both.

use serde::{Deserialize, Serialize};

use super::{Action, Decision, Membership, Operation, Reason, RolePolicy};
use crate::model::{ItemId, Level, Role, RowNumber, Scope};

/// A deployment of a workspace, as a plan knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Deployment {
    /// Its id; empty if none has this name, or if that is unknown.
    pub id: String,
    /// Its release name; its id where it has none.
    pub name: String,
}

impl Deployment {
    /// Whether it is known; the name alone gives no role in it.
    pub fn is_there(&self) -> bool {
        !self.id.is_empty()
    }
}

/// One role in one deployment that a row wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The row.
    pub row: RowNumber,
    /// Index into [`super::Plan::workspaces`].
    pub workspace: u32,
    /// In which deployment.
    pub deployment: Deployment,
    /// Which role; none to remove the existing one.
    pub role: Option<Level>,
    /// The id of the user and their address in the server's spelling, once they have been read.
    pub user: Option<(String, String)>,
    /// What Houston has; none if it was not read.
    pub seen: Option<Membership>,
    /// What follows.
    pub decision: Decision,
}

impl Grant {
    /// The mutation that follows, if one does; the item comes behind the rows of the roster.
    pub fn operation(&self, item: ItemId) -> Option<Operation> {
        Some(Operation { item, workspace: self.workspace, action: self.decision.action()? })
    }

    /// The role that Houston has, if there is one.
    pub fn from(&self) -> Option<Level> {
        self.seen.and_then(Membership::role)
    }
}

/// The decision for one wish.
pub fn decide(wanted: Option<Level>, present: Membership, roles: RolePolicy) -> Decision {
    match (wanted, present, roles) {
        (Some(wanted), present, roles) => super::decide(Scope::Deployment, wanted, present, roles),
        (None, Membership::Absent, _) => Decision::Keep(Reason::Unchanged),
        (None, Membership::Invited { role, .. }, _) => Decision::Keep(Reason::AlreadyInvited(role)),
        (None, Membership::Member { role, .. }, RolePolicy::Update) => {
            Decision::Change(Action::Remove(Some(role)))
        }
        (None, Membership::Member { role, .. }, RolePolicy::Keep) => Decision::Keep(Reason::RoleKept(role)),
    }
}

/// The name of a role, or of having none.
pub fn name(role: Option<Role>) -> &'static str {
    role.map_or("no role", Role::name)
}
