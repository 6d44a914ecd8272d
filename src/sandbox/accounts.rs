//! Service accounts: of the system, of a workspace, of a deployment.
//!
//! Main functions: [`create`] and [`delete`] for each kind, [`list`], and [`field`], the fields of the type
//! `ServiceAccount`. What an account may do is decided in `access`.

use apollo_compiler::resolvers::ResolvedValue;

use super::access::Rights;
use super::mutations::{Answer, Done, role};
use super::refused::{BAD_USER_INPUT, Operation, Refused};
use super::resolve::{Args, Context, Node, Thing, date, unexpected};
use super::state::Role;
use super::world::{Account, Scope, World};

/// How long a key is shown in full: `serviceAccounts.showFor`, 10 minutes.
const SHOWN_FOR: i64 = 600;

/// The kind of entity that an account belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    System,
    Workspace,
    Deployment,
}

/// What a role may do with the accounts of its entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Read,
    Change,
}

impl Kind {
    /// The scope that the arguments name, if it exists.
    fn scope(self, world: &World, args: Args<'_>) -> Option<Scope> {
        match self {
            Self::System => Some(Scope::System),
            Self::Workspace => {
                args.text("workspaceUuid").and_then(|id| world.workspace(id)).map(Scope::Workspace)
            }
            Self::Deployment => {
                args.text("deploymentUuid").and_then(|id| world.deployment(id)).map(Scope::Deployment)
            }
        }
    }

    fn fits(self, role: Role) -> bool {
        match self {
            Self::System => role.is_system(),
            Self::Workspace => role.is_workspace(),
            Self::Deployment => role.is_deployment(),
        }
    }

    fn need(self, rights: Rights<'_>, scope: Option<Scope>, deed: Deed) -> Result<(), Refused> {
        let role = scope.and_then(|scope| rights.role_in(scope));
        let reads = match self {
            Self::System => false,
            Self::Workspace | Self::Deployment => role.is_some() || rights.reads_system(),
        };
        let changes = match role {
            Some(
                Role::WorkspaceAdmin | Role::WorkspaceEditor | Role::DeploymentAdmin | Role::DeploymentEditor,
            ) => self != Self::System,
            Some(
                Role::WorkspaceViewer
                | Role::DeploymentViewer
                | Role::SystemAdmin
                | Role::SystemEditor
                | Role::SystemViewer
                | Role::User,
            )
            | None => false,
        };
        rights.need(match deed {
            Deed::Read => reads,
            Deed::Change => changes || rights.is_system_admin(),
        })
    }
}

/// `createSystemServiceAccount` and its siblings.
pub(super) fn create(context: &Context<'_>, kind: Kind, args: Args<'_>) -> Result<Done, Refused> {
    let mut world = context.lock();
    let scope = kind.scope(&world, args);
    kind.need(context.rights(&world), scope, Deed::Change)?;
    let role = role(args)?;
    if !kind.fits(role) {
        return Err(Refused::bad_input("Invalid role"));
    }
    let scope = scope.ok_or_else(Refused::not_found)?;
    let label = args.text("label").unwrap_or_default();
    // Of those of the system, several may share a label.
    let is_taken = |account: &Account| account.scope == scope && account.label == label;
    if kind != Kind::System && world.accounts.iter().any(is_taken) {
        let text = format!("Service Account already exists with the name {label}");
        return Err(Refused::new(BAD_USER_INPUT, text));
    }
    let account = Account {
        id: world.new_id(),
        label: label.to_owned(),
        category: args.text("category").map(str::to_owned),
        api_key: world.new_key(),
        role,
        scope,
        created_at: world.now(),
    };
    world.accounts.push(account.clone());
    Ok(Done::new(Answer::Thing(Thing::Account(Box::new(account))), "service account"))
}

/// `deleteWorkspaceServiceAccount` and its sibling.
pub(super) fn delete(context: &Context<'_>, kind: Kind, args: Args<'_>) -> Result<Done, Refused> {
    let mut world = context.lock();
    let scope = kind.scope(&world, args);
    kind.need(context.rights(&world), scope, Deed::Change)?;
    let id = args.text("serviceAccountUuid").unwrap_or_default();
    let wanted = |account: &Account| account.id == id && Some(account.scope) == scope;
    let Some(at) = world.accounts.iter().position(wanted) else {
        return Err(context.rules.database.gone(Operation::DeleteServiceAccount, "ServiceAccount", id));
    };
    let account = world.accounts.remove(at);
    Ok(Done::new(Answer::Thing(Thing::Account(Box::new(account))), "service account removed"))
}

/// `workspaceServiceAccounts` and its sibling.
pub(super) fn list<'c>(
    context: &'c Context<'c>,
    kind: Kind,
    args: Args<'_>,
) -> Result<ResolvedValue<'c>, Refused> {
    let world = context.lock();
    let scope = kind.scope(&world, args);
    kind.need(context.rights(&world), scope, Deed::Read)?;
    let wanted = |account: &&Account| Some(account.scope) == scope;
    let found = world.accounts.iter().filter(wanted).cloned();
    Ok(Node::objects(context, found.map(|account| Thing::Account(Box::new(account)))))
}

/// A field of `ServiceAccount`.
pub(super) fn field<'c>(
    context: &'c Context<'c>,
    account: &Account,
    field: &str,
) -> Result<ResolvedValue<'c>, Refused> {
    let world = context.lock();
    let (workspace, deployment) = match account.scope {
        Scope::System => (None, None),
        Scope::Workspace(at) => (Some(world.workspaces[at].id.clone()), None),
        Scope::Deployment(at) => (None, Some(world.deployments[at].id.clone())),
    };
    Ok(match field {
        "id" => ResolvedValue::leaf(account.id.as_str()),
        "label" => ResolvedValue::leaf(account.label.as_str()),
        "category" => ResolvedValue::leaf(account.category.clone()),
        "apiKey" => ResolvedValue::leaf(shown_key(account, &world)),
        "entityType" => ResolvedValue::leaf(match account.scope {
            Scope::System => "SYSTEM",
            Scope::Workspace(_) => "WORKSPACE",
            Scope::Deployment(_) => "DEPLOYMENT",
        }),
        "entityUuid" => ResolvedValue::leaf(workspace.or(deployment)),
        "workspaceUuid" => ResolvedValue::leaf(workspace),
        "deploymentUuid" => ResolvedValue::leaf(deployment),
        "active" => ResolvedValue::leaf(true),
        "lastUsedAt" => ResolvedValue::null(),
        "createdAt" | "updatedAt" => date(account.created_at),
        _ => return Err(unexpected(field)),
    })
}

/// The key, of which only the beginning is left some minutes after it was made.
fn shown_key(account: &Account, world: &World) -> String {
    let age = world.now().as_second() - account.created_at.as_second();
    if age <= SHOWN_FOR {
        return account.api_key.clone();
    }
    account.api_key.chars().take(6).chain(['*']).collect()
}
