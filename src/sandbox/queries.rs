//! The fields of `Query`.
//!
//! Main function: [`resolve`]. Nothing here changes the state.

use apollo_compiler::resolvers::ResolvedValue;

use super::faults::Fault;
use super::profile::Model;
use super::refused::{INTERNAL, Refused};
use super::resolve::{Args, Context, Node, Thing, unexpected};
use super::state::Status;
use super::world::{Invite, UserAt, WorkspaceAt, World};
use super::{accounts, deployments, teams};

type Answer<'c> = Result<ResolvedValue<'c>, Refused>;

/// What a database in trouble says (assumed wording).
pub(super) const DATABASE_TROUBLE: &str = "Timed out fetching a new connection from the connection pool.";

/// Resolves a field of `Query`.
pub(super) fn resolve<'c>(context: &'c Context<'c>, field: &str, args: Args<'_>) -> Answer<'c> {
    context.recorder.read(field);
    if matches!(context.fault, Some(Fault::Internal { .. })) {
        return Err(Refused::new(INTERNAL, DATABASE_TROUBLE));
    }
    answer(context, field, args)
}

fn answer<'c>(context: &'c Context<'c>, field: &str, args: Args<'_>) -> Answer<'c> {
    match field {
        "appConfig" => Ok(Node::object(context, Thing::AppConfig)),
        "authConfig" => Ok(Node::object(context, Thing::AuthConfig)),
        "self" => me(context),
        "workspace" => workspace(context, args),
        "workspaces" => workspaces(context, args),
        "sysWorkspaces" => sys_workspaces(context),
        "paginatedWorkspaces" => paginated_workspaces(context, args),
        "workspaceUser" => workspace_user(context, args),
        "workspaceUsers" => workspace_users(context, args),
        "paginatedWorkspaceUsers" => paginated_workspace_users(context, args),
        "workspaceInvites" => workspace_invites(context, args),
        "workspaceDeployments" => deployments::of_workspace(context, args),
        "paginatedDeployments" => deployments::page(context, args),
        "deploymentUsers" => deployments::users(context, args),
        "workspaceServiceAccounts" => accounts::list(context, accounts::Kind::Workspace, args),
        "deploymentServiceAccounts" => accounts::list(context, accounts::Kind::Deployment, args),
        "workspaceTeams" | "paginatedTeams" | "team" | "teamUsers" => teams::query(context, field, args),
        "users" => users(context, args),
        "invites" => invites(context, args),
        _ => Err(unexpected(field)),
    }
}

fn me<'c>(context: &'c Context<'c>) -> Answer<'c> {
    let world = context.lock();
    let rights = context.rights(&world);
    rights.need_caller()?;
    Ok(Node::object(context, Thing::AuthUser(context.caller.clone())))
}

/// The workspace an argument names, if it exists.
pub(super) fn named_workspace(world: &World, args: Args<'_>) -> Option<WorkspaceAt> {
    args.text("workspaceUuid").and_then(|id| world.workspace(id))
}

fn workspace<'c>(context: &'c Context<'c>, args: Args<'_>) -> Answer<'c> {
    let world = context.lock();
    let workspace = named_workspace(&world, args);
    let rights = context.rights(&world);
    rights.need(rights.reads_workspace(workspace))?;
    Ok(workspace.map_or_else(ResolvedValue::null, |at| Node::object(context, Thing::Workspace(at))))
}

fn workspaces<'c>(context: &'c Context<'c>, args: Args<'_>) -> Answer<'c> {
    let world = context.lock();
    let rights = context.rights(&world);
    rights.need_caller()?;
    let wanted = |at: &WorkspaceAt| {
        let workspace = &world.workspaces[*at];
        args.text("label").is_none_or(|label| workspace.label.as_deref() == Some(label))
            && args.text("workspaceUuid").is_none_or(|id| workspace.id == id)
    };
    let own = rights.own_workspaces().into_iter().filter(wanted);
    Ok(Node::objects(context, own.map(Thing::Workspace)))
}

fn sys_workspaces<'c>(context: &'c Context<'c>) -> Answer<'c> {
    let world = context.lock();
    let rights = context.rights(&world);
    rights.need(rights.reads_system())?;
    Ok(Node::objects(context, world.all_workspaces().map(Thing::Workspace)))
}

/// How many a page may have: `take`, cut or refused above the maximum. Which of the two the real
/// server does is not known.
pub(super) fn page_size(context: &Context<'_>, take: Option<i64>) -> Result<i64, Refused> {
    let max = context.rules.switches.max_take;
    let take = take.unwrap_or(max);
    if take.abs() > max && context.rules.switches.max_take_error {
        return Err(Refused::bad_input(&format!("take must not be greater than {max}")));
    }
    Ok(take.clamp(-max, max))
}

fn paginated_workspaces<'c>(context: &'c Context<'c>, args: Args<'_>) -> Answer<'c> {
    let world = context.lock();
    let rights = context.rights(&world);
    rights.need_caller()?;
    let size = usize::try_from(page_size(context, args.number("take"))?).unwrap_or(0);
    // Where pages count from 1, page 0 is page 1.
    let page = (args.number("pageNumber").unwrap_or(0) - context.rules.first_page).max(0);
    let skip = usize::try_from(page).unwrap_or(usize::MAX).saturating_mul(size);
    let page = rights.own_workspaces().into_iter().skip(skip).take(size);
    Ok(Node::objects(context, page.map(Thing::Workspace)))
}

/// The users that fit a search. Of several criteria the first of id, address, user name and full
/// name counts; the last two match parts.
pub(super) fn search(
    context: &Context<'_>,
    world: &World,
    users: Vec<UserAt>,
    search: Option<Args<'_>>,
) -> Vec<UserAt> {
    let Some(search) = search else { return users };
    let kept = |wanted: &dyn Fn(UserAt) -> bool| users.iter().copied().filter(|at| wanted(*at)).collect();
    if let Some(id) = search.text("userUuid") {
        kept(&|at| world.users[at].id == id)
    } else if let Some(email) = search.text("email") {
        let found = context.user_by_email(world, &email.to_lowercase());
        kept(&|at| Some(at) == found)
    } else if let Some(part) = search.text("username") {
        kept(&|at| world.users[at].username.contains(part))
    } else if let Some(part) = search.text("fullName") {
        kept(&|at| world.users[at].full_name.as_deref().is_some_and(|name| name.contains(part)))
    } else {
        users
    }
}

fn workspace_user<'c>(context: &'c Context<'c>, args: Args<'_>) -> Answer<'c> {
    let world = context.lock();
    let workspace = named_workspace(&world, args);
    let rights = context.rights(&world);
    rights.need(rights.reads_members(workspace))?;
    let at = workspace.ok_or_else(Refused::not_found)?;
    let user = match context.rules.model {
        Model::Legacy => {
            match search(context, &world, context.visible_members(&world, at), args.object("user")).as_slice()
            {
                [] => return Err(Refused::not_found()),
                [one] => *one,
                [_, _, ..] => {
                    let text = "workspaceUser query unexpectedly returned more than a single user!";
                    return Err(Refused::new(INTERNAL, text));
                }
            }
        }
        // Every active user, member of this workspace or not; pending people are not found.
        Model::Modern => {
            let active = (0..world.users.len()).filter(|at| world.users[*at].status == Status::Active);
            let found = search(context, &world, active.collect(), args.object("user"));
            *found.first().ok_or_else(Refused::not_found)?
        }
    };
    Ok(Node::object(context, Thing::User { at: user, only: context.rules.narrow.then_some(at) }))
}

fn workspace_users<'c>(context: &'c Context<'c>, args: Args<'_>) -> Answer<'c> {
    let world = context.lock();
    let workspace = named_workspace(&world, args);
    let rights = context.rights(&world);
    rights.need(rights.reads_members(workspace))?;
    let members = workspace.map(|at| context.visible_members(&world, at)).unwrap_or_default();
    let found = search(context, &world, members, args.object("user"));
    let only = workspace.filter(|_| context.rules.narrow);
    Ok(Node::objects(context, found.into_iter().map(|at| Thing::User { at, only })))
}

fn paginated_workspace_users<'c>(context: &'c Context<'c>, args: Args<'_>) -> Answer<'c> {
    let world = context.lock();
    let workspace = named_workspace(&world, args);
    let rights = context.rights(&world);
    rights.need(rights.reads_members(workspace))?;
    let take = page_size(context, args.number("take"))?;
    // The real order is not known; by id it is one that no client should count on.
    let mut members = workspace.map(|at| context.visible_members(&world, at)).unwrap_or_default();
    members.sort_unstable_by(|a, b| world.users[*a].id.cmp(&world.users[*b].id));
    let backwards = take < 0;
    if backwards {
        members.reverse();
    }
    let skip = match args.text("cursor").filter(|cursor| !cursor.is_empty()) {
        None => 0,
        Some(cursor) => members
            .iter()
            .position(|at| world.users[*at].id == cursor)
            .map_or(members.len(), |index| index + usize::from(!context.rules.switches.cursor_inclusive)),
    };
    let count = usize::try_from(take.unsigned_abs()).unwrap_or(usize::MAX);
    let mut page = members.into_iter().skip(skip).take(count).collect::<Vec<_>>();
    if backwards {
        page.reverse();
    }
    let only = workspace.filter(|_| context.rules.narrow);
    Ok(Node::objects(context, page.into_iter().map(|at| Thing::User { at, only })))
}

/// Whether a token fits a search: by id, or by a part of the address.
fn invite_fits(invite: &Invite, search: Option<Args<'_>>) -> bool {
    let Some(search) = search else { return true };
    match (search.text("inviteUuid"), search.text("email")) {
        (Some(id), _) => invite.id == id,
        (None, Some(part)) => invite.email.contains(&part.to_lowercase()),
        (None, None) => true,
    }
}

fn workspace_invites<'c>(context: &'c Context<'c>, args: Args<'_>) -> Answer<'c> {
    let world = context.lock();
    let workspace = named_workspace(&world, args);
    let rights = context.rights(&world);
    rights.need(rights.reads_invites(workspace))?;
    let search = args.object("invite");
    let wanted = |invite: &&Invite| {
        workspace.is_some()
            && invite.workspace == workspace
            && context.shows_invite(invite)
            && invite_fits(invite, search)
    };
    let found = world.invites.values().filter(wanted).cloned();
    Ok(Node::objects(context, found.map(|invite| Thing::Invite(Box::new(invite)))))
}

fn users<'c>(context: &'c Context<'c>, args: Args<'_>) -> Answer<'c> {
    let world = context.lock();
    let rights = context.rights(&world);
    rights.need(rights.reads_system())?;
    let found = search(context, &world, (0..world.users.len()).collect(), args.object("user"));
    Ok(Node::objects(context, found.into_iter().map(|at| Thing::User { at, only: None })))
}

fn invites<'c>(context: &'c Context<'c>, args: Args<'_>) -> Answer<'c> {
    let world = context.lock();
    let rights = context.rights(&world);
    rights.need(rights.reads_all_invites())?;
    let search = args.object("invite");
    let wanted = |invite: &&Invite| context.shows_invite(invite) && invite_fits(invite, search);
    let found = world.invites.values().filter(wanted).cloned();
    Ok(Node::objects(context, found.map(|invite| Thing::Invite(Box::new(invite)))))
}
