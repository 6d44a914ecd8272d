//! The sandbox's own types for roles and for the status of a person.
//!
//! Main type: [`Role`]. What a role may do is decided in `access`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Houston's `Role` enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are Houston's own and say it all")]
pub enum Role {
    SystemAdmin,
    SystemEditor,
    SystemViewer,
    WorkspaceAdmin,
    WorkspaceEditor,
    WorkspaceViewer,
    DeploymentAdmin,
    DeploymentEditor,
    DeploymentViewer,
    User,
}

impl Role {
    /// Every role, in the order of the schema.
    pub const ALL: [Self; 10] = [
        Self::SystemAdmin,
        Self::SystemEditor,
        Self::SystemViewer,
        Self::WorkspaceAdmin,
        Self::WorkspaceEditor,
        Self::WorkspaceViewer,
        Self::DeploymentAdmin,
        Self::DeploymentEditor,
        Self::DeploymentViewer,
        Self::User,
    ];

    /// The name in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::SystemAdmin => "SYSTEM_ADMIN",
            Self::SystemEditor => "SYSTEM_EDITOR",
            Self::SystemViewer => "SYSTEM_VIEWER",
            Self::WorkspaceAdmin => "WORKSPACE_ADMIN",
            Self::WorkspaceEditor => "WORKSPACE_EDITOR",
            Self::WorkspaceViewer => "WORKSPACE_VIEWER",
            Self::DeploymentAdmin => "DEPLOYMENT_ADMIN",
            Self::DeploymentEditor => "DEPLOYMENT_EDITOR",
            Self::DeploymentViewer => "DEPLOYMENT_VIEWER",
            Self::User => "USER",
        }
    }

    /// The role with this name in the schema.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// Whether it is given in a workspace.
    pub fn is_workspace(self) -> bool {
        self.name().starts_with("WORKSPACE_")
    }

    /// Whether it is given in a deployment.
    pub fn is_deployment(self) -> bool {
        self.name().starts_with("DEPLOYMENT_")
    }

    /// Whether it is given on the whole platform.
    pub fn is_system(self) -> bool {
        self.name().starts_with("SYSTEM_")
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Where a person stands. Houston knows two more states (banned, inactive) that mean "not active".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Has signed in.
    #[default]
    Active,
    /// Was added or invited and has not signed in.
    Pending,
    /// Locked out.
    Banned,
    /// Gone.
    Inactive,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Banned => "banned",
            Self::Inactive => "inactive",
        }
    }
}
