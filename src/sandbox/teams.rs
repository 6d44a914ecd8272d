//! Teams, of which an installation of the sandbox has none: lists are empty, and what names a team does
//! not find it.
//!
//! Main functions: [`query`] and [`change`]. Texts about a team that does not exist are assumed.

use apollo_compiler::resolvers::ResolvedValue;

use super::mutations::{Answer, Done};
use super::queries::named_workspace;
use super::refused::{Operation, Refused};
use super::resolve::{Args, Context, Node, Thing, unexpected};

/// The fields of `Query` about teams.
pub(super) fn query<'c>(
    context: &'c Context<'c>,
    field: &str,
    args: Args<'_>,
) -> Result<ResolvedValue<'c>, Refused> {
    let world = context.lock();
    let rights = context.rights(&world);
    match field {
        "workspaceTeams" => {
            rights.need(rights.reads_members(named_workspace(&world, args)))?;
            Ok(Node::objects(context, [].into_iter()))
        }
        "paginatedTeams" => {
            let workspace = named_workspace(&world, args);
            rights.need(rights.reads_system() || workspace.is_some() && rights.reads_members(workspace))?;
            Ok(Node::object(context, Thing::TeamPage))
        }
        "team" | "teamUsers" => {
            rights.need_caller()?;
            Err(Refused::not_found())
        }
        _ => Err(unexpected(field)),
    }
}

/// The fields of `Mutation` about teams.
pub(super) fn change(context: &Context<'_>, field: &str, args: Args<'_>) -> Result<Done, Refused> {
    let world = context.lock();
    let workspace = named_workspace(&world, args);
    let rights = context.rights(&world);
    rights.need(rights.changes_members(workspace))?;
    let workspace = workspace.ok_or_else(Refused::not_found)?;
    let id = args.text("teamUuid").unwrap_or_default();
    match field {
        "workspaceAddTeam" => {
            Err(context.rules.database.unconnected(Operation::CreateRoleBinding, "Team", id))
        }
        // Silent, as for a team of another workspace.
        "workspaceRemoveTeam" => Ok(Done::new(Answer::Workspace(workspace), "no team to remove")),
        "workspaceUpdateTeamRole" => Err(Refused::not_found()),
        _ => Err(unexpected(field)),
    }
}

/// A field of a page of teams.
pub(super) fn page<'c>(context: &'c Context<'c>, field: &str) -> Result<ResolvedValue<'c>, Refused> {
    match field {
        "count" => Ok(ResolvedValue::leaf(0)),
        "teams" => Ok(Node::objects(context, [].into_iter())),
        _ => Err(unexpected(field)),
    }
}
