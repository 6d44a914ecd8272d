//! From the form of a file into the world and back.
//!
//! Main functions: [`World::load`] and [`World::to_state`].

use jiff::Timestamp;

use super::super::profile::Model;
use super::super::state::{
    State, StateAccount, StateBinding, StateDeployment, StateError, StateInvite, StateUser, StateWorkspace,
    Status,
};
use super::{Account, Deployment, Invite, Scope, User, Workspace, WorkspaceAt, World};

/// When things of a state without a date were made: 1 January 2026.
const LONG_AGO: i64 = 1_767_225_600;

impl World {
    /// Takes a state in; the world must be empty.
    pub(super) fn load(&mut self, state: &State, model: Model) -> Result<(), StateError> {
        let wrong = |what: &str, id: &str| StateError::Inconsistent(format!("{what} {id:?}"));
        let long_ago = Timestamp::from_second(LONG_AGO).expect("a date of our own");
        for StateWorkspace { id, label, description, created_at } in &state.workspaces {
            let workspace = Workspace {
                id: id.clone(),
                label: label.clone(),
                description: description.clone(),
                created_at: created_at.unwrap_or(long_ago),
                members: Vec::new(),
                is_deleted: false,
            };
            if self.workspaces_by_id.insert(id.clone(), self.workspaces.len()).is_some() {
                return Err(wrong("two workspaces have the id", id));
            }
            self.workspaces.push(workspace);
        }
        for StateDeployment { id, label, release_name, workspace } in &state.deployments {
            let at = self.workspace(workspace).ok_or_else(|| wrong("no workspace has the id", workspace))?;
            self.deployments_by_id.insert(id.clone(), self.deployments.len());
            let (id, label, release_name) = (id.clone(), label.clone(), release_name.clone());
            let created_at = long_ago;
            self.deployments.push(Deployment { id, label, release_name, workspace: at, created_at });
        }
        // The legacy model has no pending users: of those with a token only the token stays.
        let is_token_only = |user: &StateUser| {
            model == Model::Legacy
                && user.status == Status::Pending
                && state.invites.iter().any(|invite| invite.user.as_ref() == Some(&user.id))
        };
        let mut dropped = Vec::new();
        for user in &state.users {
            if is_token_only(user) {
                dropped.push(&user.id);
                continue;
            }
            if self.users_by_id.contains_key(&user.id) {
                return Err(wrong("two users have the id", &user.id));
            }
            if let Some(email) = user.emails.iter().find(|email| self.users_by_email.contains_key(*email)) {
                return Err(wrong("two users have the address", email));
            }
            let StateUser { id, username, full_name, status, emails, created_at } = user.clone();
            let created_at = created_at.unwrap_or(long_ago);
            self.push_user(User { id, username, full_name, status, emails, created_at, bindings: vec![] });
        }
        for StateBinding { id, role, user, workspace, deployment } in &state.bindings {
            if dropped.contains(&user) {
                continue;
            }
            let at = self.user(user).ok_or_else(|| wrong("no user has the id", user))?;
            let scope = self.scope(workspace.as_ref(), deployment.as_ref())?;
            self.bind_as(id.clone(), at, *role, scope);
        }
        for StateInvite { id, email, workspace, role, user, deployment_roles, created_at } in &state.invites {
            let at = |id: &String| self.workspace(id).ok_or_else(|| wrong("no workspace has the id", id));
            let workspace = workspace.as_ref().map(at).transpose()?;
            let deployment_roles = deployment_roles
                .iter()
                .map(|(id, role)| {
                    let at = self.deployment(id).ok_or_else(|| wrong("no deployment has the id", id))?;
                    Ok((at, *role))
                })
                .collect::<Result<_, StateError>>()?;
            self.push_invite(Invite {
                id: id.clone(),
                email: email.clone(),
                workspace,
                role: *role,
                user: user.as_ref().and_then(|id| self.user(id)),
                deployment_roles,
                created_at: created_at.unwrap_or(long_ago),
            });
        }
        for account in &state.service_accounts {
            let scope = self.scope(account.workspace.as_ref(), account.deployment.as_ref())?;
            let StateAccount { id, label, category, api_key, role, created_at, .. } = account.clone();
            let created_at = created_at.unwrap_or(long_ago);
            self.accounts.push(Account { id, label, category, api_key, role, scope, created_at });
        }
        Ok(())
    }

    /// Where a role of the state holds.
    fn scope(&self, workspace: Option<&String>, deployment: Option<&String>) -> Result<Scope, StateError> {
        let wrong = |what: &str, id: &str| StateError::Inconsistent(format!("no {what} has the id {id:?}"));
        Ok(match (workspace, deployment) {
            (_, Some(id)) => Scope::Deployment(self.deployment(id).ok_or_else(|| wrong("deployment", id))?),
            (Some(id), None) => Scope::Workspace(self.workspace(id).ok_or_else(|| wrong("workspace", id))?),
            (None, None) => Scope::System,
        })
    }

    /// The state as a file would have it.
    pub(in crate::sandbox) fn to_state(&self) -> State {
        let mut bindings = Vec::new();
        for user in &self.users {
            for binding in &user.bindings {
                let (workspace, deployment) = match binding.scope {
                    Scope::System => (None, None),
                    Scope::Workspace(at) => (Some(self.workspaces[at].id.clone()), None),
                    Scope::Deployment(at) => (None, Some(self.deployments[at].id.clone())),
                };
                let (id, user) = (binding.id.clone(), user.id.clone());
                let entry = StateBinding { id, role: binding.role, user, workspace, deployment };
                bindings.push((binding.age, entry));
            }
        }
        bindings.sort_unstable_by_key(|(age, _)| *age);
        let workspace_id = |at: WorkspaceAt| self.workspaces[at].id.clone();
        State {
            format: 1,
            workspaces: self.all_workspaces().map(|at| self.workspaces[at].to_state()).collect(),
            deployments: self
                .deployments
                .iter()
                .map(|deployment| StateDeployment {
                    id: deployment.id.clone(),
                    label: deployment.label.clone(),
                    release_name: deployment.release_name.clone(),
                    workspace: workspace_id(deployment.workspace),
                })
                .collect(),
            users: self.users.iter().map(User::to_state).collect(),
            bindings: bindings.into_iter().map(|(_, binding)| binding).collect(),
            invites: self
                .invites
                .values()
                .map(|invite| StateInvite {
                    id: invite.id.clone(),
                    email: invite.email.clone(),
                    workspace: invite.workspace.map(workspace_id),
                    role: invite.role,
                    user: invite.user.map(|at| self.users[at].id.clone()),
                    deployment_roles: invite
                        .deployment_roles
                        .iter()
                        .map(|(at, role)| (self.deployments[*at].id.clone(), *role))
                        .collect(),
                    created_at: Some(invite.created_at),
                })
                .collect(),
            service_accounts: self
                .accounts
                .iter()
                .map(|account| StateAccount {
                    id: account.id.clone(),
                    label: account.label.clone(),
                    category: account.category.clone(),
                    api_key: account.api_key.clone(),
                    role: account.role,
                    workspace: match account.scope {
                        Scope::Workspace(at) => Some(workspace_id(at)),
                        Scope::System | Scope::Deployment(_) => None,
                    },
                    deployment: match account.scope {
                        Scope::Deployment(at) => Some(self.deployments[at].id.clone()),
                        Scope::System | Scope::Workspace(_) => None,
                    },
                    created_at: Some(account.created_at),
                })
                .collect(),
        }
    }
}

impl User {
    fn to_state(&self) -> StateUser {
        StateUser {
            id: self.id.clone(),
            username: self.username.clone(),
            full_name: self.full_name.clone(),
            status: self.status,
            emails: self.emails.clone(),
            created_at: Some(self.created_at),
        }
    }
}

impl Workspace {
    fn to_state(&self) -> StateWorkspace {
        StateWorkspace {
            id: self.id.clone(),
            label: self.label.clone(),
            description: self.description.clone(),
            created_at: Some(self.created_at),
        }
    }
}
