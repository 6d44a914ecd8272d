//! Joining, changing and leaving: the mutations on members of workspaces and deployments.
//!
//! Main functions: [`add`], [`update_role`], [`upsert_role`], [`remove`]. They do what the server
//! does, its oddities included; where that is not known the comment says "assumed".

use super::mutations::{Answer, Done, role};
use super::profile::Model;
use super::queries::named_workspace;
use super::refused::{INTERNAL, Operation, Refused};
use super::resolve::{Args, Context};
use super::state::{Role, Status};
use super::world::{Binding, DeploymentAt, Invite, Scope, User, UserAt, WorkspaceAt, World};

/// The address, checked where the version checks, in lower case.
pub(super) fn checked_email(context: &Context<'_>, args: Args<'_>) -> Result<String, Refused> {
    let email = args.text("email").unwrap_or_default();
    if context.rules.checks_emails() && !is_address(email) {
        return Err(Refused::bad_input("Invalid email address. Please check the address and try again"));
    }
    Ok(email.to_lowercase())
}

/// The server's own pattern is not known; this one is assumed: something, `@`, a name with a dot.
fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '@' | ',' | ';' | '<' | '>');
    !local.is_empty()
        && local.chars().all(plain)
        && domain.chars().all(plain)
        && domain.split('.').count() > 1
        && domain.split('.').all(|part| !part.is_empty())
}

/// Text and code are assumed.
pub(super) fn check_user_management(context: &Context<'_>) -> Result<(), Refused> {
    if context.rules.switches.user_management {
        return Ok(());
    }
    Err(Refused::bad_input("User management is disabled"))
}

/// Text and code are assumed; that only new users are refused, too.
pub(super) fn check_scim(context: &Context<'_>) -> Result<(), Refused> {
    if context.rules.switches.scim {
        return Err(Refused::bad_input("Users are managed by SCIM and cannot be added here"));
    }
    Ok(())
}

pub(super) fn push_pending_user(world: &mut World, email: &str) -> UserAt {
    let user = User {
        id: world.new_id(),
        username: email.to_owned(),
        full_name: None,
        status: Status::Pending,
        emails: vec![email.to_owned()],
        created_at: world.now(),
        bindings: Vec::new(),
    };
    world.push_user(user)
}

fn duplicate() -> Refused {
    Refused::bad_input("A duplicate role binding already exists")
}

/// The gap between looking and writing, in which others get in.
fn gap(context: &Context<'_>) {
    let gap = context.rules.switches.check_window;
    if !gap.is_zero() {
        // With a gap, requests are executed on threads that may block.
        tokio::runtime::Handle::current().block_on(tokio::time::sleep(gap));
    }
}

/// `workspaceAddUser`.
pub(super) fn add(context: &Context<'_>, args: Args<'_>) -> Result<Done, Refused> {
    let world = context.lock();
    let workspace = named_workspace(&world, args);
    let rights = context.rights(&world);
    rights.need(rights.changes_members(workspace))?;
    let email = checked_email(context, args)?;
    check_user_management(context)?;
    let role = role(args)?;
    if !role.is_workspace() {
        return Err(Refused::bad_input("invalid workspace role"));
    }
    let user = context.user_by_email(&world, &email);
    let workspace = workspace.ok_or_else(|| no_workspace(context, args, user))?;
    let deployment_roles = deployment_roles(context, &world, workspace, args)?;

    // Looking.
    match (context.rules.model, user) {
        (Model::Legacy, Some(_)) => {}
        (Model::Legacy, None) => {
            if !world.invites_for(Some(workspace), &email).is_empty() {
                return Err(Refused::new("USER_ALREADY_INVITED", "User already invited"));
            }
            check_scim(context)?;
        }
        (Model::Modern, Some(user)) => {
            if world.roles_in(user, workspace).next().is_some() {
                return Err(duplicate());
            }
        }
        (Model::Modern, None) => check_scim(context)?,
    }
    drop(world);
    gap(context);

    // Writing.
    let mut world = context.lock();
    let answer = Answer::Workspace(workspace);
    if let Some(user) = user {
        let again = world.roles_in(user, workspace).next().is_some();
        world.bind(user, role, Scope::Workspace(workspace));
        bind_deployments(&mut world, user, &deployment_roles);
        return Ok(Done::new(answer, if again { "second binding" } else { "binding" }));
    }
    let (user, detail) = match context.rules.model {
        Model::Legacy => (None, "invite"),
        Model::Modern => {
            // Addresses are unique in the database, so of two that race one fails there.
            if context.user_by_email(&world, &email).is_some() {
                return Err(Refused::new(INTERNAL, "Unique constraint failed on the fields: (`address`)"));
            }
            let user = push_pending_user(&mut world, &email);
            world.bind(user, role, Scope::Workspace(workspace));
            bind_deployments(&mut world, user, &deployment_roles);
            (Some(user), "pending user")
        }
    };
    let invite = Invite {
        id: world.new_id(),
        email,
        workspace: Some(workspace),
        role,
        user,
        deployment_roles: if user.is_none() { deployment_roles } else { Vec::new() },
        created_at: world.now(),
    };
    world.push_invite(invite);
    // Left out or null means false (assumed).
    let mails = context.rules.people.smtp && args.flag("bypassInvite") != Some(true);
    world.mails += u64::from(mails);
    Ok(Done::new(answer, detail))
}

/// What the database says when the new binding or the new token is to be connected with no workspace.
fn no_workspace(context: &Context<'_>, args: Args<'_>, user: Option<UserAt>) -> Refused {
    let operation = if user.is_some() { Operation::CreateRoleBinding } else { Operation::CreateInviteToken };
    match args.text("workspaceUuid") {
        Some(id) => context.rules.database.unconnected(operation, "Workspace", id),
        None => context.rules.database.unselected(operation, "Workspace"),
    }
}

/// The deployments and roles of `deploymentRoles`. All texts are assumed.
fn deployment_roles(
    context: &Context<'_>,
    world: &World,
    workspace: WorkspaceAt,
    args: Args<'_>,
) -> Result<Vec<(DeploymentAt, Role)>, Refused> {
    let wishes = args.list("deploymentRoles").iter().filter_map(|wish| wish.as_object().map(Args));
    wishes
        .map(|wish| {
            let id = wish.text("deploymentId").unwrap_or_default();
            let found = world.deployment(id).filter(|at| world.deployments[*at].workspace == workspace);
            let deployment = found.ok_or_else(|| no_deployment(context, id))?;
            let role = role(wish)?;
            if !role.is_deployment() {
                return Err(Refused::bad_input("invalid deployment role"));
            }
            Ok((deployment, role))
        })
        .collect()
}

fn no_deployment(context: &Context<'_>, id: &str) -> Refused {
    context.rules.database.unconnected(Operation::CreateRoleBinding, "Deployment", id)
}

fn bind_deployments(world: &mut World, user: UserAt, roles: &[(DeploymentAt, Role)]) {
    for (deployment, role) in roles {
        if !world.users[user].bindings.iter().any(|b| b.scope == Scope::Deployment(*deployment)) {
            world.bind(user, *role, Scope::Deployment(*deployment));
        }
    }
}

/// What the two mutations that set a role have in common: rights and role. The address is taken
/// as it is given, not lower-cased.
fn target<'a>(
    context: &Context<'_>,
    world: &World,
    args: Args<'a>,
) -> Result<(WorkspaceAt, &'a str, Role), Refused> {
    let workspace = named_workspace(world, args);
    let rights = context.rights(world);
    rights.need(rights.changes_members(workspace))?;
    let role = role(args)?;
    if !role.is_workspace() {
        return Err(Refused::bad_input("invalid workspace role"));
    }
    check_user_management(context)?;
    let workspace = workspace.ok_or_else(Refused::not_found)?;
    Ok((workspace, args.text("email").unwrap_or_default(), role))
}

/// Sets the role of the only invite for an address; says whether there was exactly one. Invites are
/// stored in lower case, so an address in capitals finds one only where case does not matter.
fn set_invite_role(
    context: &Context<'_>,
    world: &mut World,
    workspace: WorkspaceAt,
    email: &str,
    role: Role,
) -> bool {
    let email = if context.rules.switches.any_case { &email.to_lowercase() } else { email };
    let &[age] = world.invites_for(Some(workspace), email) else { return false };
    if let Some(invite) = world.invites.get_mut(&age) {
        invite.role = role;
    }
    true
}

/// Sets the only role of a member. The token of a pending user goes with it, the invitation beside an
/// account does not.
fn set_only_role(world: &mut World, user: UserAt, workspace: WorkspaceAt, role: Role) {
    world.set_roles_in(user, workspace, role);
    let theirs = |invite: &&mut Invite| invite.user == Some(user) && invite.workspace == Some(workspace);
    world.invites.values_mut().filter(theirs).for_each(|invite| invite.role = role);
}

/// `workspaceUpdateUserRole`: of exactly one binding, else of exactly one invite, also if there are
/// several bindings.
pub(super) fn update_role(context: &Context<'_>, args: Args<'_>) -> Result<Done, Refused> {
    let mut world = context.lock();
    let (workspace, email, role) = target(context, &world, args)?;
    let user = context.user_by_email(&world, email);
    let only = user.filter(|user| world.roles_in(*user, workspace).count() == 1);
    if let Some(user) = only {
        set_only_role(&mut world, user, workspace, role);
        return Ok(Done::new(Answer::Role(role), "role"));
    }
    if set_invite_role(context, &mut world, workspace, email, role) {
        return Ok(Done::new(Answer::Role(role), "role of the invite"));
    }
    Err(Refused::not_found())
}

/// `workspaceUpsertUserRole`: also gives a role to a user without one there. An unknown address is
/// an error (assumed).
pub(super) fn upsert_role(context: &Context<'_>, args: Args<'_>) -> Result<Done, Refused> {
    let mut world = context.lock();
    let (workspace, email, role) = target(context, &world, args)?;
    let Some(user) = context.user_by_email(&world, email) else {
        if set_invite_role(context, &mut world, workspace, email, role) {
            return Ok(Done::new(Answer::Role(role), "role of the invite"));
        }
        return Err(Refused::not_found());
    };
    match world.roles_in(user, workspace).count() {
        0 => {
            world.bind(user, role, Scope::Workspace(workspace));
            Ok(Done::new(Answer::Role(role), "binding"))
        }
        1 => {
            set_only_role(&mut world, user, workspace, role);
            Ok(Done::new(Answer::Role(role), "role"))
        }
        // Known oddity: it is done, and the answer is null.
        _ => {
            world.set_roles_in(user, workspace, role);
            Ok(Done::new(Answer::Null, "role of several bindings"))
        }
    }
}

/// `workspaceRemoveUser`.
pub(super) fn remove(context: &Context<'_>, args: Args<'_>) -> Result<Done, Refused> {
    let mut world = context.lock();
    let workspace = named_workspace(&world, args);
    let rights = context.rights(&world);
    rights.need(rights.changes_members(workspace))?;
    let Some(workspace) = workspace else {
        return match context.rules.model {
            Model::Legacy => Ok(Done::new(Answer::Null, "no workspace")),
            Model::Modern => Err(Refused::not_found()),
        };
    };
    let user = args.text("userUuid").and_then(|id| world.user(id));
    let member = user.filter(|user| world.roles_in(*user, workspace).next().is_some());
    let Some(user) = member else {
        return match context.rules.model {
            Model::Legacy => Ok(Done::new(Answer::Workspace(workspace), "no one to remove")),
            Model::Modern => Err(Refused::bad_input("The role binding does not exist for this user")),
        };
    };
    let is_admin = |user: UserAt| world.roles_in(user, workspace).any(|role| role == Role::WorkspaceAdmin);
    let others = &world.workspaces[workspace].members;
    let last = is_admin(user) && !others.iter().any(|other| *other != user && is_admin(*other));
    if last && context.rules.protects_last_admin() {
        // Text and code are assumed, after those of the last system admin.
        let text =
            "There are no other workspace administrators. Please assign another before removing this user.";
        return Err(Refused::new(INTERNAL, text));
    }
    world.unbind(user, workspace);
    // A pending user's token for this workspace no longer opens anything.
    let stale = |invite: &&Invite| invite.user == Some(user) && invite.workspace == Some(workspace);
    let stale = world.invites.values().filter(stale).map(|invite| invite.id.clone()).collect::<Vec<_>>();
    for id in stale {
        world.remove_invite(&id);
    }
    Ok(Done::new(Answer::Workspace(workspace), "removed"))
}

/// What the deployment mutations have in common: the user, the deployment, the binding there.
fn deployment_target(
    context: &Context<'_>,
    world: &World,
    args: Args<'_>,
) -> Result<(UserAt, DeploymentAt, Option<Binding>), Refused> {
    let id = args.text("deploymentId").unwrap_or_default();
    let deployment = world.deployment(id);
    let rights = context.rights(world);
    rights.need(rights.changes_deployment(deployment))?;
    let deployment = deployment.ok_or_else(|| no_deployment(context, id))?;
    let email = checked_email(context, args)?;
    let by_id = args.text("userId").filter(|id| !id.is_empty()).and_then(|id| world.user(id));
    let user = by_id.or_else(|| context.user_by_email(world, &email)).ok_or_else(Refused::not_found)?;
    let wanted = Scope::Deployment(deployment);
    let binding = world.users[user].bindings.iter().find(|binding| binding.scope == wanted).cloned();
    Ok((user, deployment, binding))
}

fn deployment_role(args: Args<'_>) -> Result<Role, Refused> {
    role(args).and_then(|role| {
        if role.is_deployment() { Ok(role) } else { Err(Refused::bad_input("invalid deployment role")) }
    })
}

fn missing() -> Refused {
    Refused::bad_input("The role binding does not exist for this user")
}

/// `deploymentAddUserRole`.
pub(super) fn add_deployment_role(context: &Context<'_>, args: Args<'_>) -> Result<Done, Refused> {
    let mut world = context.lock();
    let (user, deployment, binding) = deployment_target(context, &world, args)?;
    let role = deployment_role(args)?;
    let workspace = world.deployments[deployment].workspace;
    if world.roles_in(user, workspace).next().is_none() {
        return Err(Refused::bad_input(
            "This user does not belong to the workspace. Please add the user to the workspace and try again",
        ));
    }
    if binding.is_some() {
        return Err(duplicate());
    }
    let binding = world.bind(user, role, Scope::Deployment(deployment));
    Ok(Done::new(Answer::Binding(binding, user), "binding"))
}

/// `deploymentUpdateUserRole`.
pub(super) fn update_deployment_role(context: &Context<'_>, args: Args<'_>) -> Result<Done, Refused> {
    let mut world = context.lock();
    let (user, _, binding) = deployment_target(context, &world, args)?;
    let role = deployment_role(args)?;
    let mut binding = binding.ok_or_else(missing)?;
    binding.role = role;
    let kept = world.users[user].bindings.iter_mut().find(|kept| kept.id == binding.id);
    if let Some(kept) = kept {
        kept.role = role;
    }
    Ok(Done::new(Answer::Binding(binding, user), "role"))
}

/// `deploymentRemoveUserRole`.
pub(super) fn remove_deployment_role(context: &Context<'_>, args: Args<'_>) -> Result<Done, Refused> {
    let mut world = context.lock();
    let (user, _, binding) = deployment_target(context, &world, args)?;
    let binding = binding.ok_or_else(missing)?;
    world.users[user].bindings.retain(|kept| kept.id != binding.id);
    Ok(Done::new(Answer::Binding(binding, user), "removed"))
}
