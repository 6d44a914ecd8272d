//! Who calls, and what they may do.
//!
//! Main type: [`Caller`]. The rights follow the published role tables of 0.35; an installation
//! can change them. This module only answers yes or no: it changes nothing.

use super::profile::{DeadToken, Profile, Refusal};
use super::refused::{INTERNAL, Refused};
use super::state::Role;
use super::switches::Behaviour;
use super::tokens;
use super::world::{DeploymentAt, Scope, UserAt, WorkspaceAt, World};

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Caller {
    /// No token, a wrong one, an expired one, or one of no user. The status of a user does not matter.
    Nobody,
    /// A user.
    User(UserAt),
    /// A service account: one role, where it holds, its id and label.
    Account { role: Role, scope: Scope, id: String, label: String },
}

/// What the sandbox makes of an `Authorization` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credential<'a> {
    /// None given.
    None,
    /// A service-account key: exactly 32 characters without a dot.
    Key(&'a str),
    /// Anything else.
    Token(&'a str),
}

impl<'a> Credential<'a> {
    /// Takes the header's value: `Bearer ` in exactly that spelling is cut off once.
    pub(super) fn of(header: Option<&'a str>) -> Self {
        let Some(value) = header else { return Self::None };
        let value = value.strip_prefix("Bearer ").unwrap_or(value);
        match value {
            "" => Self::None,
            key if key.len() == 32 && !key.contains('.') => Self::Key(key),
            token => Self::Token(token),
        }
    }
}

impl Caller {
    /// Looks the credential up. `died`: the tokens that users have had so far have died (a fault).
    pub(super) fn of(credential: Credential<'_>, world: &World, died: bool) -> Self {
        match credential {
            Credential::None => Self::Nobody,
            Credential::Key(key) => {
                world.accounts.iter().find(|account| account.api_key == key).map_or(Self::Nobody, |account| {
                    Self::Account {
                        role: account.role,
                        scope: account.scope,
                        id: account.id.clone(),
                        label: account.label.clone(),
                    }
                })
            }
            Credential::Token(token) => {
                let has_died = |claims: &tokens::Claims| died && tokens::is_of_old(claims);
                let alive =
                    |claims: &tokens::Claims| !has_died(claims) && claims.exp > world.now().as_second();
                tokens::read(token)
                    .filter(alive)
                    .and_then(|claims| world.user(&claims.uuid))
                    .map_or(Self::Nobody, Self::User)
            }
        }
    }

    /// A name for the audit.
    pub(super) fn name(&self, world: &World) -> String {
        match self {
            Self::Nobody => "nobody".to_owned(),
            Self::User(at) => world.users[*at].username.clone(),
            Self::Account { label, .. } => format!("service account {label:?}"),
        }
    }

    /// The role that counts in a scope: the binding found first, as the server's own look-up does.
    fn role_in(&self, world: &World, wanted: Scope) -> Option<Role> {
        match self {
            Self::Nobody => None,
            Self::User(at) => {
                let binding = world.users[*at].bindings.iter().find(|binding| binding.scope == wanted);
                binding.map(|binding| binding.role)
            }
            Self::Account { role, scope, .. } => (*scope == wanted).then_some(*role),
        }
    }

    fn has_system(&self, world: &World, wanted: &[Role]) -> bool {
        match self {
            Self::Nobody => false,
            Self::User(at) => world.users[*at].bindings.iter().any(|b| wanted.contains(&b.role)),
            Self::Account { role, .. } => wanted.contains(role),
        }
    }
}

/// The rights of one caller.
#[derive(Clone, Copy)]
pub(super) struct Rights<'a> {
    pub(super) caller: &'a Caller,
    pub(super) world: &'a World,
    pub(super) rules: &'a Behaviour,
}

impl Rights<'_> {
    /// Passes, or refuses in the wording that is due.
    pub(super) fn need(self, allowed: bool) -> Result<(), Refused> {
        if allowed {
            return Ok(());
        }
        Err(match (self.caller, self.rules.refusal) {
            (Caller::Nobody, _) => self.not_logged_in(),
            (Caller::User(_) | Caller::Account { .. }, Refusal::Forbidden) => Refused::forbidden(),
            (Caller::User(_) | Caller::Account { .. }, Refusal::Shield) => Refused::shielded(),
        })
    }

    fn not_logged_in(self) -> Refused {
        match self.rules.dead_token {
            DeadToken::Forbidden => Refused::forbidden(),
            DeadToken::Inside => Refused::shielded(),
            DeadToken::Refresh => Refused::refresh_failed(),
        }
    }

    /// Passes where there is a caller. The rule of the first servers with the shield compares with null
    /// and lets a missing caller through; what then asks who calls fails inside.
    pub(super) fn need_caller(self) -> Result<(), Refused> {
        self.need_login()?;
        if self.is_authenticated() {
            return Ok(());
        }
        Err(Refused::new(INTERNAL, "Cannot read properties of undefined (reading 'id')"))
    }

    /// The rule for what asks only for a login.
    pub(super) fn need_login(self) -> Result<(), Refused> {
        if self.is_authenticated() || self.rules.dead_token == DeadToken::Inside {
            return Ok(());
        }
        Err(self.not_logged_in())
    }

    pub(super) fn is_authenticated(self) -> bool {
        *self.caller != Caller::Nobody
    }

    /// Any system role: `system.*.get`.
    pub(super) fn reads_system(self) -> bool {
        self.caller.has_system(self.world, &[Role::SystemAdmin, Role::SystemEditor, Role::SystemViewer])
    }

    pub(super) fn is_system_admin(self) -> bool {
        self.caller.has_system(self.world, &[Role::SystemAdmin])
    }

    /// `system.iam.update`: editors had it up to 0.29.
    fn changes_system(self) -> bool {
        let editors_too = self.rules.profile < Profile::V0_30;
        self.is_system_admin() || editors_too && self.caller.has_system(self.world, &[Role::SystemEditor])
    }

    /// The caller's role in a scope.
    pub(super) fn role_in(self, scope: Scope) -> Option<Role> {
        self.caller.role_in(self.world, scope)
    }

    fn workspace_role(self, workspace: Option<WorkspaceAt>) -> Option<Role> {
        workspace.and_then(|at| self.role_in(Scope::Workspace(at)))
    }

    /// `workspace.config.update`, or the system's.
    pub(super) fn changes_workspace(self, workspace: Option<WorkspaceAt>) -> bool {
        let role = self.workspace_role(workspace);
        self.is_system_admin() || matches!(role, Some(Role::WorkspaceAdmin | Role::WorkspaceEditor))
    }

    /// `workspace.iam.update` or `system.iam.update`.
    pub(super) fn changes_members(self, workspace: Option<WorkspaceAt>) -> bool {
        self.changes_system() || self.workspace_role(workspace) == Some(Role::WorkspaceAdmin)
    }

    /// `workspace.config.get` and the like, or the system's.
    pub(super) fn reads_workspace(self, workspace: Option<WorkspaceAt>) -> bool {
        self.reads_system() || self.workspace_role(workspace).is_some()
    }

    /// `workspace.users.get`, or the system's.
    pub(super) fn reads_members(self, workspace: Option<WorkspaceAt>) -> bool {
        let readers = self.rules.switches.readers;
        readers.has_system() && self.reads_system()
            || readers.has_members() && self.workspace_role(workspace).is_some()
    }

    /// `workspace.invites.get` (every member up to 0.23, admins after), or `system.invites.get`.
    pub(super) fn reads_invites(self, workspace: Option<WorkspaceAt>) -> bool {
        let readers = self.rules.switches.readers;
        let role = self.workspace_role(workspace);
        let all_members = self.rules.profile <= Profile::V0_23;
        readers.has_system() && self.reads_all_invites()
            || readers.has_members() && (role == Some(Role::WorkspaceAdmin) || all_members && role.is_some())
    }

    /// `system.invites.get`.
    pub(super) fn reads_all_invites(self) -> bool {
        self.is_system_admin() || self.rules.system_reads_invites && self.reads_system()
    }

    /// `deployment.userRoles.update`.
    pub(super) fn changes_deployment(self, deployment: Option<DeploymentAt>) -> bool {
        let role = deployment.and_then(|at| self.role_in(Scope::Deployment(at)));
        self.is_system_admin() || role == Some(Role::DeploymentAdmin)
    }

    /// The workspaces `workspaces` lists: the caller's own; from 0.29 on all for system admins.
    pub(super) fn own_workspaces(self) -> Vec<WorkspaceAt> {
        let all = self.is_system_admin() && self.rules.profile >= Profile::V0_30;
        self.world.all_workspaces().filter(|at| all || self.workspace_role(Some(*at)).is_some()).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_key_only_at_32_characters_without_a_dot() {
        let key = "5a0db0c5000000000000000000000001";
        let bearer = format!("Bearer {key}");
        assert_eq!(Credential::of(Some(key)), Credential::Key(key));
        assert_eq!(Credential::of(Some(&bearer)), Credential::Key(key));
        assert_eq!(Credential::of(Some("a.b.c")), Credential::Token("a.b.c"));
        assert_eq!(Credential::of(Some("bearer a.b.c")), Credential::Token("bearer a.b.c"));
        assert_eq!(Credential::of(Some("")), Credential::None);
        assert_eq!(Credential::of(None), Credential::None);
    }
}
