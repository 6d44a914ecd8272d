//! People whom Houston has in a workspace and the roster does not name there, and whether to remove
//! them.
//!
//! Main type: [`Extra`]. Pure; other modules find out who is extra, and [`super::guard`] compares
//! the number of removals with its limits.

use serde::{Deserialize, Serialize};

use super::{Decision, Guard, Membership, Reason};
use crate::model::{Level, Role};

/// What identifies a person to remove in Houston: an address may belong to another person tomorrow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Account {
    /// A user, active or pending, by the id of the user.
    User(String),
    /// A pending invitation, by its own id.
    Invite(String),
}

/// A person who is in a workspace and whom the roster does not name there.
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
    /// Their deployment roles, which they lose too, by release name.
    pub deployment_roles: Vec<(String, Role)>,
    /// Whether they are removed, or why not.
    pub decision: Decision,
}

impl Extra {
    /// Whether they are removed.
    pub fn leaves(&self) -> bool {
        self.decision.is_change()
    }

    /// Whether this removes an active admin of the workspace; a person who has never signed in does not
    /// count as one.
    pub fn takes_an_admin(&self) -> bool {
        self.decision.takes_an_admin(self.seen)
    }

    /// Holds the removal back, if there is one.
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

impl Membership {
    /// Whether this is an admin who has signed in.
    pub fn is_active_admin(self) -> bool {
        match self {
            Self::Member { role, standing: super::Standing::Active, .. } => role == Level::Admin,
            Self::Member { .. } | Self::Invited { .. } | Self::Absent => false,
        }
    }

    /// The role, if they have one and Houston reports it.
    pub fn role(self) -> Option<Level> {
        match self {
            Self::Member { role, .. } => Some(role),
            Self::Invited { role, .. } => role,
            Self::Absent => None,
        }
    }
}
