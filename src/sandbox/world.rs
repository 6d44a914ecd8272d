//! The state while the server runs: indexed, behind one lock.
//!
//! Main type: [`World`]. It keeps the relations whole and answers look-ups; what is allowed and
//! what a mutation means is not decided here.

mod files;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use super::profile::Model;
use super::state::{Role, State, StateError, Status};

/// The index of a user in [`World::users`]. Users, workspaces and deployments are never removed, so that
/// an index stays what it is; a deleted workspace is only marked.
pub(super) type UserAt = usize;
/// The index of a workspace in [`World::workspaces`].
pub(super) type WorkspaceAt = usize;
/// The index of a deployment in [`World::deployments`].
pub(super) type DeploymentAt = usize;

/// Where a role holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    System,
    Workspace(WorkspaceAt),
    Deployment(DeploymentAt),
}

#[derive(Debug, Clone)]
pub(super) struct Binding {
    pub(super) id: String,
    pub(super) age: u64,
    pub(super) role: Role,
    pub(super) scope: Scope,
}

#[derive(Debug, Clone)]
pub(super) struct User {
    pub(super) id: String,
    pub(super) username: String,
    pub(super) full_name: Option<String>,
    pub(super) status: Status,
    pub(super) emails: Vec<String>,
    pub(super) created_at: Timestamp,
    /// Oldest first.
    pub(super) bindings: Vec<Binding>,
}

#[derive(Debug, Clone)]
pub(super) struct Workspace {
    pub(super) id: String,
    pub(super) label: Option<String>,
    pub(super) description: Option<String>,
    pub(super) created_at: Timestamp,
    /// Users with at least one direct role in it, in the order of joining.
    pub(super) members: Vec<UserAt>,
    pub(super) is_deleted: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Deployment {
    pub(super) id: String,
    pub(super) label: String,
    pub(super) release_name: String,
    pub(super) workspace: WorkspaceAt,
    pub(super) created_at: Timestamp,
}

#[derive(Debug, Clone)]
pub(super) struct Invite {
    pub(super) id: String,
    pub(super) email: String,
    pub(super) workspace: Option<WorkspaceAt>,
    pub(super) role: Role,
    pub(super) user: Option<UserAt>,
    pub(super) deployment_roles: Vec<(DeploymentAt, Role)>,
    pub(super) created_at: Timestamp,
}

#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) label: String,
    pub(super) category: Option<String>,
    pub(super) api_key: String,
    pub(super) role: Role,
    pub(super) scope: Scope,
    pub(super) created_at: Timestamp,
}

/// A person with several workspace roles in one workspace.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DuplicateBinding {
    /// Their address.
    pub email: String,
    /// The workspace's id.
    pub workspace: String,
    /// The roles, oldest first.
    pub roles: Vec<Role>,
}

/// An address with several invite tokens for one workspace.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct DuplicateInvite {
    /// The address.
    pub email: String,
    /// The workspace's id; none for the platform.
    pub workspace: Option<String>,
    /// How many tokens.
    pub count: usize,
}

#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) users: Vec<User>,
    pub(super) workspaces: Vec<Workspace>,
    pub(super) deployments: Vec<Deployment>,
    pub(super) accounts: Vec<Account>,
    /// By age.
    pub(super) invites: BTreeMap<u64, Invite>,
    /// Mails that went out.
    pub(super) mails: u64,
    users_by_id: HashMap<String, UserAt>,
    users_by_email: HashMap<String, UserAt>,
    users_by_folded_email: HashMap<String, UserAt>,
    workspaces_by_id: HashMap<String, WorkspaceAt>,
    deployments_by_id: HashMap<String, DeploymentAt>,
    invites_by_target: HashMap<(Option<WorkspaceAt>, String), Vec<u64>>,
    age: u64,
    ids: fastrand::Rng,
    fixed_now: Option<Timestamp>,
}

impl World {
    pub(super) fn new(
        state: &State,
        model: Model,
        seed: u64,
        fixed_now: Option<Timestamp>,
    ) -> Result<Self, StateError> {
        let mut world = Self {
            users: Vec::new(),
            workspaces: Vec::new(),
            deployments: Vec::new(),
            accounts: Vec::new(),
            invites: BTreeMap::new(),
            mails: 0,
            users_by_id: HashMap::new(),
            users_by_email: HashMap::new(),
            users_by_folded_email: HashMap::new(),
            workspaces_by_id: HashMap::new(),
            deployments_by_id: HashMap::new(),
            invites_by_target: HashMap::new(),
            age: 0,
            ids: fastrand::Rng::with_seed(seed),
            fixed_now,
        };
        world.load(state, model)?;
        Ok(world)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.fixed_now.unwrap_or_else(Timestamp::now)
    }

    /// A new id of the form Houston's have.
    pub(super) fn new_id(&mut self) -> String {
        let mut id = String::with_capacity(25);
        id.push_str("csb");
        id.extend((0..22).map(|_| {
            let digit = self.ids.u32(0..36);
            char::from_digit(digit, 36).expect("the digit is below the base")
        }));
        id
    }

    /// A new service-account key: 32 hexadecimal characters.
    pub(super) fn new_key(&mut self) -> String {
        format!("{:016x}{:016x}", self.ids.u64(..), self.ids.u64(..))
    }

    pub(super) fn user(&self, id: &str) -> Option<UserAt> {
        self.users_by_id.get(id).copied()
    }

    /// The user with exactly this address.
    pub(super) fn user_by_email(&self, email: &str) -> Option<UserAt> {
        self.users_by_email.get(email).copied()
    }

    /// The oldest user with this address, however it is spelled.
    pub(super) fn user_by_email_in_any_case(&self, email: &str) -> Option<UserAt> {
        self.users_by_folded_email.get(&email.to_lowercase()).copied()
    }

    pub(super) fn workspace(&self, id: &str) -> Option<WorkspaceAt> {
        self.workspaces_by_id.get(id).copied()
    }

    pub(super) fn deployment(&self, id: &str) -> Option<DeploymentAt> {
        self.deployments_by_id.get(id).copied()
    }

    pub(super) fn push_user(&mut self, user: User) -> UserAt {
        let at = self.users.len();
        self.users_by_id.insert(user.id.clone(), at);
        for email in &user.emails {
            self.users_by_email.insert(email.clone(), at);
            self.users_by_folded_email.entry(email.to_lowercase()).or_insert(at);
        }
        self.users.push(user);
        at
    }

    pub(super) fn push_workspace(&mut self, label: String, description: Option<String>) -> WorkspaceAt {
        let (id, created_at, at) = (self.new_id(), self.now(), self.workspaces.len());
        self.workspaces_by_id.insert(id.clone(), at);
        let (label, members) = (Some(label), Vec::new());
        self.workspaces.push(Workspace { id, label, description, created_at, members, is_deleted: false });
        at
    }

    /// The workspaces that are not deleted.
    pub(super) fn all_workspaces(&self) -> impl Iterator<Item = WorkspaceAt> {
        (0..self.workspaces.len()).filter(|at| !self.workspaces[*at].is_deleted)
    }

    /// Deletes a workspace that has no deployments, with everything that hangs on it.
    pub(super) fn delete_workspace(&mut self, at: WorkspaceAt) {
        for member in self.workspaces[at].members.clone() {
            self.unbind(member, at);
        }
        let here = |invite: &&Invite| invite.workspace == Some(at);
        let ids: Vec<_> = self.invites.values().filter(here).map(|invite| invite.id.clone()).collect();
        for id in ids {
            self.remove_invite(&id);
        }
        self.accounts.retain(|account| account.scope != Scope::Workspace(at));
        self.workspaces_by_id.remove(&self.workspaces[at].id);
        self.workspaces[at].is_deleted = true;
    }

    /// Gives a role, without looking at existing ones.
    pub(super) fn bind(&mut self, user: UserAt, role: Role, scope: Scope) -> Binding {
        let id = self.new_id();
        self.bind_as(id, user, role, scope)
    }

    fn bind_as(&mut self, id: String, user: UserAt, role: Role, scope: Scope) -> Binding {
        if let Scope::Workspace(at) = scope
            && self.roles_in(user, at).next().is_none()
        {
            self.workspaces[at].members.push(user);
        }
        self.age += 1;
        let binding = Binding { id, age: self.age, role, scope };
        self.users[user].bindings.push(binding.clone());
        binding
    }

    /// The direct roles of a user in a workspace, oldest first.
    pub(super) fn roles_in(&self, user: UserAt, workspace: WorkspaceAt) -> impl Iterator<Item = Role> {
        let wanted = Scope::Workspace(workspace);
        self.users[user].bindings.iter().filter(move |b| b.scope == wanted).map(|b| b.role)
    }

    /// Sets every direct role of a user in a workspace.
    pub(super) fn set_roles_in(&mut self, user: UserAt, workspace: WorkspaceAt, role: Role) {
        let wanted = Scope::Workspace(workspace);
        let bindings = self.users[user].bindings.iter_mut().filter(|b| b.scope == wanted);
        bindings.for_each(|binding| binding.role = role);
    }

    /// Takes a user out of a workspace and of its deployments; says whether they were in it.
    pub(super) fn unbind(&mut self, user: UserAt, workspace: WorkspaceAt) -> bool {
        let was_member = self.roles_in(user, workspace).next().is_some();
        let deployments = &self.deployments;
        self.users[user].bindings.retain(|binding| match binding.scope {
            Scope::System => true,
            Scope::Workspace(at) => at != workspace,
            Scope::Deployment(at) => deployments[at].workspace != workspace,
        });
        self.workspaces[workspace].members.retain(|member| *member != user);
        was_member
    }

    /// The workspace a binding has to do with: its own, or its deployment's.
    pub(super) fn workspace_of(&self, binding: &Binding) -> Option<WorkspaceAt> {
        match binding.scope {
            Scope::System => None,
            Scope::Workspace(at) => Some(at),
            Scope::Deployment(at) => Some(self.deployments[at].workspace),
        }
    }

    pub(super) fn push_invite(&mut self, invite: Invite) {
        self.age += 1;
        let target = (invite.workspace, invite.email.clone());
        self.invites_by_target.entry(target).or_default().push(self.age);
        self.invites.insert(self.age, invite);
    }

    /// The tokens for this address in this workspace (none: the platform).
    pub(super) fn invites_for(&self, workspace: Option<WorkspaceAt>, email: &str) -> &[u64] {
        self.invites_by_target.get(&(workspace, email.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// Whether this address has a token, for whatever workspace.
    pub(super) fn is_invited_anywhere(&self, email: &str) -> bool {
        self.invites.values().any(|invite| invite.email == email)
    }

    pub(super) fn remove_invite(&mut self, id: &str) -> Option<Invite> {
        let age = *self.invites.iter().find(|(_, invite)| invite.id == id)?.0;
        let invite = self.invites.remove(&age)?;
        if let Some(ages) = self.invites_by_target.get_mut(&(invite.workspace, invite.email.clone())) {
            ages.retain(|other| *other != age);
        }
        Some(invite)
    }

    pub(super) fn duplicate_bindings(&self) -> Vec<DuplicateBinding> {
        let mut found = Vec::new();
        for workspace in 0..self.workspaces.len() {
            for user in &self.workspaces[workspace].members {
                let roles = self.roles_in(*user, workspace).collect::<Vec<_>>();
                if roles.len() > 1 {
                    let email = self.users[*user].emails.first().unwrap_or(&self.users[*user].username);
                    let workspace = self.workspaces[workspace].id.clone();
                    found.push(DuplicateBinding { email: email.clone(), workspace, roles });
                }
            }
        }
        found
    }

    pub(super) fn duplicate_invites(&self) -> Vec<DuplicateInvite> {
        let mut found = Vec::new();
        for ((workspace, email), ages) in &self.invites_by_target {
            if ages.len() > 1 {
                let workspace = workspace.map(|at| self.workspaces[at].id.clone());
                found.push(DuplicateInvite { email: email.clone(), workspace, count: ages.len() });
            }
        }
        found.sort_unstable_by(|a, b| (&a.workspace, &a.email).cmp(&(&b.workspace, &b.email)));
        found
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn world(model: Model) -> World {
        World::new(&State::default(), model, 1, None).unwrap()
    }

    #[test]
    fn the_state_goes_in_and_comes_out_again() {
        let once = world(Model::Modern).to_state();
        let again = World::new(&once, Model::Modern, 2, None).unwrap().to_state();
        assert_eq!(once, again);
        assert_eq!(once.bindings, State::default().bindings);
    }

    #[test]
    fn legacy_keeps_only_the_tokens_of_pending_people() {
        let world = world(Model::Legacy);
        assert_eq!(world.users.len(), 160);
        assert_eq!(world.invites.len(), 2);
        assert!(world.invites.values().all(|invite| invite.user.is_none()));
    }

    #[test]
    fn a_state_that_points_nowhere_is_refused() {
        let mut state = State::default();
        state.bindings[0].user = "nobody".to_owned();
        let error = World::new(&state, Model::Modern, 1, None).unwrap_err();
        assert_eq!(error.to_string(), "no user has the id \"nobody\"");
    }

    #[test]
    fn new_ids_look_like_the_old_ones_and_repeat_with_the_seed() {
        let (mut one, mut two) = (world(Model::Modern), world(Model::Legacy));
        let id = one.new_id();
        assert_eq!(id.len(), 25);
        assert_eq!(id, two.new_id());
        assert_ne!(id, one.new_id());
        assert_eq!(one.new_key().len(), 32);
    }
}
