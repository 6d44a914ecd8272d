//! What Houston has of a person in a workspace or in a deployment.
//!
//! Main type: [`Membership`]. Pure.

use serde::{Deserialize, Serialize};

use crate::model::{Level, Scope};
use crate::outcome::{Cause, Code};

/// What Houston has of one person in one workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Membership {
    /// A direct role binding in the workspace.
    Member {
        /// The role of the binding that Houston lists first: the one that counts on old servers.
        #[serde(rename = "level")]
        role: Level,
        /// How many direct bindings there are; more than one is a defect of old servers.
        bindings: u8,
        /// Whether the user has never signed in: an invitation in the newer model of Houston.
        standing: Standing,
    },
    /// A pending invitation, with its role if Houston reports it.
    Invited {
        /// The role the person gets on signing up.
        #[serde(rename = "level")]
        role: Option<Level>,
        /// How many invitations there are; more than one is a defect.
        invites: u8,
    },
    /// Neither: proved by the complete list of members, and of invitations where readable.
    Absent,
}

/// Whether a member has ever signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// A user who has signed in.
    Active,
    /// A user whose first sign-in is awaited.
    Pending,
    /// A user who is banned or inactive: a member who cannot sign in.
    Disabled,
}

impl Membership {
    /// Whether this is an admin who has signed in.
    pub fn is_active_admin(self) -> bool {
        match self {
            Self::Member { role, standing: Standing::Active, .. } => role == Level::Admin,
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

    /// Whether Houston lists the same person twice, which no retry can fix.
    pub fn is_doubled(self) -> bool {
        match self {
            Self::Member { bindings, .. } => bindings > 1,
            Self::Invited { invites, .. } => invites > 1,
            Self::Absent => false,
        }
    }

    /// The cause for a person whom Houston lists twice.
    pub fn doubled(self, scope: Scope) -> Option<Cause> {
        let text = match self {
            Self::Member { bindings, .. } => format!("has {bindings} role bindings in the {scope}"),
            Self::Invited { invites, .. } => format!("has {invites} invitations to the workspace"),
            Self::Absent => return None,
        };
        self.is_doubled().then(|| Cause::new(Code::DuplicateBinding, text))
    }

    /// In words, for people.
    pub fn described(self, scope: Scope) -> String {
        let name = |level| scope.role(level).name();
        match self {
            Self::Member { role, standing: Standing::Active, .. } => format!("member as {}", name(role)),
            Self::Member { role, standing: Standing::Pending, .. } => format!("pending as {}", name(role)),
            Self::Member { role, standing: Standing::Disabled, .. } => {
                format!("member as {}, cannot sign in", name(role))
            }
            Self::Invited { role: Some(role), .. } => format!("invited as {}", name(role)),
            Self::Invited { role: None, .. } => "invited".to_owned(),
            Self::Absent => "absent".to_owned(),
        }
    }
}
