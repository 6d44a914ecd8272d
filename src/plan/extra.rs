//! People whom Houston has in a workspace and the roster does not name there, and whether they are
//! to be taken away.
//!
//! Main types: [`Extra`] and [`Stay`]. Pure; who is extra is found out elsewhere, and
//! [`super::guard`] holds the number of removals against its limits.

use serde::{Deserialize, Serialize};

use super::Membership;
use crate::model::{Level, Role};
use crate::outcome::Cause;

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
    /// Why they stay; `None` for somebody who is to be taken away.
    pub stay: Option<Stay>,
}

impl Extra {
    /// Whether they are to be taken away.
    pub fn leaves(&self) -> bool {
        self.stay.is_none()
    }

    /// Whether they are taken away, and an admin of the workspace whose going matters: who has never
    /// signed in is none.
    pub fn takes_an_admin(&self) -> bool {
        self.leaves() && self.seen.is_active_admin()
    }
}

impl Membership {
    /// Whether this is somebody who has signed in and is admin.
    pub fn is_active_admin(self) -> bool {
        match self {
            Self::Member { role, standing: super::Standing::Active, .. } => role == Level::Admin,
            Self::Member { .. } | Self::Invited { .. } | Self::Absent => false,
        }
    }

    /// The role, if there is one and Houston tells it.
    pub fn role(self) -> Option<Level> {
        match self {
            Self::Member { role, .. } => Some(role),
            Self::Invited { role, .. } => role,
            Self::Absent => None,
        }
    }
}

/// Why somebody stays whom the roster does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// The token's own user.
    Caller,
    /// The workspace would have no admin any more.
    LastAdmin,
    /// More would be taken away than the limits allow.
    TooMany,
    /// What the workspace has could not be read completely.
    Incomplete,
    /// `--protect` names them.
    Protected,
    /// They are there through a Team or a custom role, which a removal does not take away.
    Elsewhere,
    /// Houston does not show their roles.
    Hidden,
    /// The roster has a row about this workspace that is not valid: it may be meant for them.
    BadRow,
}

impl Stay {
    const ALL: [Self; 8] = [
        Self::Caller,
        Self::LastAdmin,
        Self::TooMany,
        Self::Incomplete,
        Self::Protected,
        Self::Elsewhere,
        Self::Hidden,
        Self::BadRow,
    ];

    fn code(self) -> &'static str {
        match self {
            Self::Caller => "guard_self",
            Self::LastAdmin => "guard_last_admin",
            Self::TooMany => "guard_max_remove",
            Self::Incomplete => "guard_incomplete",
            Self::Protected => "protected",
            Self::Elsewhere => "team_or_custom_role",
            Self::Hidden => "roles_hidden",
            Self::BadRow => "invalid_row",
        }
    }

    /// The reason for people, and its code.
    pub fn cause(self) -> Cause {
        let why = match self {
            Self::Caller => "this is the token's own user, who is never removed",
            Self::LastAdmin => "without those who are to go the workspace would have no admin",
            Self::TooMany => "more would be removed than --max-remove and --max-remove-percent allow",
            Self::Incomplete => "the workspace could not be read completely: nobody is removed there",
            Self::Protected => "--protect names them",
            Self::Elsewhere => "is there through a Team or a custom role, which no removal takes away",
            Self::Hidden => "Houston does not show the roles of this member",
            Self::BadRow => "a row about this workspace is not valid: nobody is removed there",
        };
        Cause::new(self.code(), why)
    }

    /// Whether a guard holds them, rather than a wish or a fact: the run ends with 7 then.
    pub fn is_guard(self) -> bool {
        match self {
            Self::Caller | Self::LastAdmin | Self::TooMany | Self::Incomplete => true,
            Self::Protected | Self::Elsewhere | Self::Hidden | Self::BadRow => false,
        }
    }

    /// Whether a cause is that of somebody whom a guard holds.
    pub fn is_guard_cause(cause: &Cause) -> bool {
        Self::ALL.iter().any(|stay| stay.is_guard() && stay.code() == cause.code)
    }
}
