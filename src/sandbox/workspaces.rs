//! Workspaces as a whole: made, renamed, deleted.
//!
//! Main functions: [`create`], [`update`], [`delete`].

use super::access::Caller;
use super::mutations::{Answer, Done};
use super::queries::named_workspace;
use super::refused::{INTERNAL, Operation, Refused};
use super::resolve::{Args, Context};
use super::state::Role;
use super::world::Scope;

/// `createWorkspace`.
pub(super) fn create(context: &Context<'_>, args: Args<'_>) -> Result<Done, Refused> {
    let mut world = context.lock();
    let rights = context.rights(&world);
    rights.need(rights.is_authenticated())?;
    // The caller is connected as a user, so a service account breaks the connection.
    let user = match context.caller {
        Caller::User(user) => user,
        Caller::Account { id, .. } => {
            return Err(context.rules.database.unconnected(Operation::CreateWorkspace, "User", id));
        }
        Caller::Nobody => return Err(Refused::not_found()),
    };
    let label = args.text("label").unwrap_or_default().to_owned();
    let at = world.push_workspace(label, args.text("description").map(str::to_owned));
    world.bind(*user, Role::WorkspaceAdmin, Scope::Workspace(at));
    Ok(Done::new(Answer::Workspace(at), "workspace"))
}

/// `updateWorkspace`: of the payload, the label and the description count.
pub(super) fn update(context: &Context<'_>, args: Args<'_>) -> Result<Done, Refused> {
    let mut world = context.lock();
    let workspace = named_workspace(&world, args);
    let rights = context.rights(&world);
    rights.need(rights.changes_workspace(workspace))?;
    let at = workspace.ok_or_else(Refused::not_found)?;
    let payload = args.object("payload");
    let given = |name: &str| payload.and_then(|payload| payload.text(name)).map(str::to_owned);
    let (label, description) = (given("label"), given("description"));
    let workspace = &mut world.workspaces[at];
    workspace.label = label.or(workspace.label.take());
    workspace.description = description.or(workspace.description.take());
    Ok(Done::new(Answer::Workspace(at), "workspace changed"))
}

/// `deleteWorkspace`.
pub(super) fn delete(context: &Context<'_>, args: Args<'_>) -> Result<Done, Refused> {
    let mut world = context.lock();
    let workspace = named_workspace(&world, args);
    let rights = context.rights(&world);
    rights.need(rights.changes_members(workspace))?;
    let at = workspace.ok_or_else(Refused::not_found)?;
    if world.deployments.iter().any(|deployment| deployment.workspace == at) {
        let text = "You must first deprovision all deployments before you can delete your workspace.";
        return Err(Refused::new(INTERNAL, text));
    }
    world.delete_workspace(at);
    Ok(Done::new(Answer::Workspace(at), "workspace deleted"))
}
