//! The roles of Houston, by what they are about and how much they allow.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a role is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A workspace.
    Workspace,
    /// A deployment of a workspace.
    Deployment,
}

/// How much a role allows, weakest first, so that the order is the order of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// May look.
    Viewer,
    /// May change what is in it.
    Editor,
    /// May also change it, delete it, and say who may use it.
    Admin,
}

impl Level {
    /// All levels, weakest first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Editor, Self::Admin];

    /// The short name that rosters may use: `viewer`, `editor`, `admin`.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }
}

/// A role of Houston. Files and requests have its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "&'static str")]
pub struct Role {
    /// What it is about.
    pub scope: Scope,
    /// How much it allows.
    pub level: Level,
}

/// A text that names no role of a workspace or a deployment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a role")]
pub struct NotARole(String);

impl Role {
    /// The names in Houston's `Role` enum, by scope and level.
    const NAMES: [[&'static str; 3]; 2] = [
        ["WORKSPACE_VIEWER", "WORKSPACE_EDITOR", "WORKSPACE_ADMIN"],
        ["DEPLOYMENT_VIEWER", "DEPLOYMENT_EDITOR", "DEPLOYMENT_ADMIN"],
    ];

    /// The role of a workspace at this level.
    pub fn workspace(level: Level) -> Self {
        Self { scope: Scope::Workspace, level }
    }

    /// The role of a deployment at this level.
    pub fn deployment(level: Level) -> Self {
        Self { scope: Scope::Deployment, level }
    }

    /// The roles of this scope, weakest first.
    pub fn all(scope: Scope) -> [Self; 3] {
        Level::ALL.map(|level| Self { scope, level })
    }

    /// The name in Houston's `Role` enum.
    pub fn name(self) -> &'static str {
        Self::NAMES[self.scope as usize][self.level as usize]
    }

    /// The role with this name in Houston's enum, in exactly that spelling.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut all = [Scope::Workspace, Scope::Deployment].into_iter().flat_map(Self::all);
        all.find(|role| role.name() == name)
    }
}

impl Scope {
    /// The role at this level.
    pub fn role(self, level: Level) -> Role {
        Role { scope: self, level }
    }

    /// The level of the role with this name, in exactly Houston's spelling; none for a role of the
    /// other scope.
    pub fn level_of(self, name: &str) -> Option<Level> {
        Role::from_name(name).filter(|role| role.scope == self).map(|role| role.level)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Workspace => "workspace",
            Self::Deployment => "deployment",
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<Role> for &'static str {
    fn from(role: Role) -> Self {
        role.name()
    }
}

impl TryFrom<String> for Role {
    type Error = NotARole;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::from_name(&name).ok_or(NotARole(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_by_rights_and_named_as_houston_names_them() {
        assert!(Level::Viewer < Level::Editor);
        assert!(Level::Editor < Level::Admin);
        for scope in [Scope::Workspace, Scope::Deployment] {
            for role in Role::all(scope) {
                let name = role.name();
                assert_eq!(Role::from_name(name), Some(role));
                assert_eq!(name.to_lowercase(), format!("{scope}_{}", role.level.short_name()));
                assert_eq!(serde_json::to_value(role).unwrap(), name);
                assert_eq!(serde_json::from_value::<Role>(name.into()).unwrap(), role);
                assert_eq!(scope.level_of(name), Some(role.level));
            }
        }
        assert_eq!(Role::from_name("workspace_admin"), None);
        assert_eq!(Scope::Workspace.level_of("DEPLOYMENT_ADMIN"), None);
    }
}
