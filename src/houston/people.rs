//! The people of a workspace as Houston reports them.
//!
//! Main types: [`Person`] and [`Invite`]. Bindings of other workspaces and of deployments, which
//! old servers mix in, are left out here, so that no caller has to know about them.

use super::fault::Fault;
use super::operations::{self, members};
use crate::model::{Level, Scope, WorkspaceId, email_key, normalize_email};

/// A user as seen from one workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The user's id, which is what removals name.
    pub id: String,
    /// All addresses, in lower case.
    pub addresses: Vec<String>,
    /// The user name, in lower case; often the address.
    pub username: Option<String>,
    /// Whether they can sign in.
    pub status: UserStatus,
    /// Whether the server hid some of their addresses: the person may be anyone.
    pub hides_addresses: bool,
    /// The `WORKSPACE_` roles in the workspace that was asked for, in the server's order; more than
    /// one is a fault of old servers.
    pub bindings: Vec<Level>,
    /// Roles in deployments of that workspace, sorted; `None` if they were not asked for, or are
    /// unknown.
    pub deployment_roles: Option<Vec<InDeployment>>,
    /// Whether the server kept the bindings to itself: then nothing is known of the roles.
    pub hides_roles: bool,
    /// Whether they have a role there that is none of ours, such as a custom one.
    pub other_roles: bool,
    /// The addresses that the server does not spell in lower case, in its spelling; mostly none.
    pub spellings: Vec<String>,
}

/// Whether a user can sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UserStatus {
    /// They can; also if the server reports no status.
    Active,
    /// Invited, but never logged in.
    Pending,
    /// Banned, inactive, or of another status.
    Disabled,
}

impl UserStatus {
    pub(super) fn of(text: Option<&str>) -> Self {
        match text.map(str::trim).unwrap_or_default().to_ascii_lowercase().as_str() {
            "" | "active" => Self::Active,
            "pending" => Self::Pending,
            _ => Self::Disabled,
        }
    }
}

/// What makes a person on the list of members a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grounds {
    /// Roles of their own that we know, and nothing else that can be seen. A Team may give them
    /// access besides: no list shows that.
    OwnRole,
    /// Something else too, or only: a Team, or a custom role. Such people must not be "removed".
    Elsewhere,
    /// Not reported by the server.
    Hidden,
}

impl Person {
    /// What makes them a member. Only of people from a list of members: a read of one person may
    /// find people of other workspaces.
    pub fn grounds(&self) -> Grounds {
        match (self.hides_roles, self.bindings.is_empty() || self.other_roles) {
            (true, _) => Grounds::Hidden,
            (false, true) => Grounds::Elsewhere,
            (false, false) => Grounds::OwnRole,
        }
    }

    /// How the server spells the address that this one, in lower case, means; for mutations that compare it
    /// exactly. A user name serves as the person's first address.
    pub fn spelled<'a>(&'a self, email: &'a str) -> &'a str {
        let known = self.addresses.iter().find(|address| email_key(address) == email_key(email));
        let address = known.or(self.addresses.first()).map_or(email, String::as_str);
        let spelling = self.spellings.iter().find(|spelling| normalize_email(spelling) == address);
        spelling.map_or(address, String::as_str)
    }

    /// Whether this address, in lower case, is the person's, or their user name.
    pub fn answers_to(&self, email: &str) -> bool {
        let key = email_key(email);
        self.addresses.iter().chain(&self.username).any(|name| email_key(name) == key)
    }
}

/// A role in a deployment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InDeployment {
    /// The release name of the deployment.
    pub release_name: String,
    /// The name of the role, as the server has it.
    pub role: String,
}

/// A pending invitation to a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// The id of the invitation; later it may be the id of the user.
    pub id: String,
    /// Its address, in lower case; `None` if the server hides it: it may be for anyone.
    pub email: Option<String>,
    /// The role it promises; `None` for one that is not a workspace role.
    pub role: Option<Level>,
    /// When it was made; `None` if that was not asked for or is not reported.
    pub created_at: Option<jiff::Timestamp>,
}

/// The fields of a user, whichever document asked for them.
pub(super) struct RawPerson {
    id: Option<String>,
    username: Option<String>,
    status: Option<String>,
    addresses: Vec<String>,
    /// Whether the list of addresses is missing, or one of them.
    hides_addresses: bool,
    bindings: Option<Vec<RawBinding>>,
}

/// A role of a user.
pub(super) struct RawBinding {
    role: Option<String>,
    /// The workspace; a list that is narrowed to one workspace may leave it out.
    workspace: Option<String>,
    deployment: Option<RawDeployment>,
}

/// The deployment of a role.
pub(super) struct RawDeployment {
    release_name: Option<String>,
    workspace: Option<String>,
}

/// The fields of an invitation.
pub(super) struct RawInvite {
    id: Option<String>,
    email: Option<String>,
    role: Option<String>,
    created_at: Option<String>,
}

impl From<members::Person> for RawPerson {
    fn from(person: members::Person) -> Self {
        let known = |address: &Option<String>| address.as_deref().is_some_and(is_reported);
        let addresses: Option<Vec<Option<String>>> = person
            .emails
            .map(|emails| emails.into_iter().map(|email| email.and_then(|email| email.address)).collect());
        Self {
            id: person.id,
            username: person.username,
            status: person.status,
            hides_addresses: addresses.as_ref().is_none_or(|all| !all.iter().all(known)),
            addresses: addresses.into_iter().flatten().filter(known).flatten().collect(),
            bindings: person
                .role_bindings
                .map(|bindings| bindings.into_iter().flatten().map(RawBinding::from).collect()),
        }
    }
}

impl From<members::PersonRoleBindings> for RawBinding {
    fn from(binding: members::PersonRoleBindings) -> Self {
        Self {
            role: binding.role,
            workspace: binding.workspace.and_then(|workspace| workspace.id),
            deployment: binding.deployment.map(|deployment| RawDeployment {
                release_name: deployment.release_name,
                workspace: deployment.workspace.and_then(|workspace| workspace.id),
            }),
        }
    }
}

macro_rules! raw_invite {
    ($($module:ident::$name:ident),+ $(,)?) => { $(
        impl From<operations::$module::$name> for RawInvite {
            fn from(invite: operations::$module::$name) -> Self {
                Self { id: invite.id, email: invite.email, role: invite.role, created_at: None }
            }
        }
    )+ };
}

raw_invite! {
    members::MembersWorkspaceInvites,
    invites::InvitesWorkspaceInvites,
}

impl From<operations::dated_invites::DatedInvitesWorkspaceInvites> for RawInvite {
    fn from(invite: operations::dated_invites::DatedInvitesWorkspaceInvites) -> Self {
        Self { id: invite.id, email: invite.email, role: invite.role, created_at: invite.created_at }
    }
}

impl RawBinding {
    /// Whether it may be about this workspace.
    fn is_in(&self, workspace: &WorkspaceId) -> bool {
        self.workspace.as_deref().is_none_or(|own| own == workspace.as_str())
    }

    fn workspace_role(&self) -> Option<Level> {
        self.role.as_deref().and_then(|name| Scope::Workspace.level_of(name))
    }

    /// Whether it is neither a role of workspaces that we know nor one of something else.
    fn is_strange(&self) -> bool {
        let is_elsewhere = |role: &str| {
            role == "USER" || ["SYSTEM_", "DEPLOYMENT_"].iter().any(|start| role.starts_with(start))
        };
        let is_known = |role: &str| Scope::Workspace.level_of(role).is_some() || is_elsewhere(role);
        self.deployment.is_none() && !self.role.as_deref().is_some_and(is_known)
    }
}

/// Whether a text that should name a person does.
fn is_reported(text: &str) -> bool {
    !text.trim().is_empty()
}

impl RawPerson {
    /// Whether some addresses of this person are unknown. A user name that is an address counts as
    /// one.
    fn may_have_other_addresses(&self) -> bool {
        let has_name = self.username.as_deref().is_some_and(|name| name.contains('@'));
        self.hides_addresses || (self.addresses.is_empty() && !has_name)
    }

    /// The person as seen from one workspace; `with_deployments` if the deployments of roles were asked
    /// for.
    pub(super) fn of(self, workspace: &WorkspaceId, with_deployments: bool) -> Result<Person, Fault> {
        let deployment_roles = with_deployments.then(|| self.deployment_roles(workspace)).flatten();
        let all = self.bindings.as_deref().unwrap_or_default();
        let here = || all.iter().filter(|binding| binding.is_in(workspace));
        let is_odd = |address: &&String| normalize_email(address) != address.as_str();
        let hides_addresses = self.may_have_other_addresses();
        let id = self.id.filter(|id| !id.is_empty());
        Ok(Person {
            id: id.ok_or_else(|| Fault::malformed("a member without an id"))?,
            addresses: self.addresses.iter().map(|address| normalize_email(address).into_owned()).collect(),
            username: self
                .username
                .filter(|name| is_reported(name))
                .map(|name| normalize_email(&name).into_owned()),
            status: UserStatus::of(self.status.as_deref()),
            hides_addresses,
            hides_roles: self.bindings.is_none(),
            bindings: here().filter_map(RawBinding::workspace_role).collect(),
            other_roles: here().any(RawBinding::is_strange),
            spellings: self.addresses.iter().filter(is_odd).cloned().collect(),
            deployment_roles,
        })
    }

    /// The roles in deployments of one workspace. One role without a reported deployment makes all
    /// of them unknown: it may be in this workspace.
    fn deployment_roles(&self, workspace: &WorkspaceId) -> Option<Vec<InDeployment>> {
        let bindings = self.bindings.as_ref()?;
        let mut roles = Vec::new();
        for binding in bindings {
            let Some(role) = binding.role.as_ref().filter(|role| role.starts_with("DEPLOYMENT_")) else {
                continue;
            };
            let deployment = binding.deployment.as_ref()?;
            let own = deployment.workspace.as_ref().or(binding.workspace.as_ref())?;
            if own == workspace.as_str() {
                let release_name = deployment.release_name.clone()?;
                roles.push(InDeployment { release_name, role: role.clone() });
            }
        }
        roles.sort_unstable();
        Some(roles)
    }
}

/// The invitations of a list.
///
/// # Errors
/// One of them has no id, so it cannot be identified.
pub(super) fn invites<R: Into<RawInvite>>(list: Vec<Option<R>>) -> Result<Vec<Invite>, Fault> {
    let known = |raw: RawInvite| {
        Some(Invite {
            id: raw.id?,
            email: raw
                .email
                .filter(|email| is_reported(email))
                .map(|email| normalize_email(&email).into_owned()),
            role: raw.role.as_deref().and_then(|name| Scope::Workspace.level_of(name)),
            created_at: raw.created_at.and_then(|at| at.parse().ok()),
        })
    };
    let invite = |raw: Option<R>| raw.and_then(|raw| known(raw.into()));
    let all: Option<Vec<Invite>> = list.into_iter().map(invite).collect();
    all.ok_or_else(|| Fault::malformed("an invitation without an id"))
}
