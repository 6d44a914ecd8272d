//! Deployments: their lists and the fields of the type `Deployment`. The roles in them are given and
//! taken in `membership`.
//!
//! Main functions: [`of_workspace`], [`page`], [`users`], [`field`], [`info`].

use apollo_compiler::resolvers::ResolvedValue;

use super::queries::{named_workspace, page_size, search};
use super::refused::Refused;
use super::resolve::{Args, Context, Node, Thing, date, unexpected};
use super::world::{DeploymentAt, Scope};

type Answer<'c> = Result<ResolvedValue<'c>, Refused>;

/// What every deployment of a sandbox runs.
const AIRFLOW: &str = "2.9.3";
const RUNTIME: &str = "11.20.0";

/// `workspaceDeployments`.
pub(super) fn of_workspace<'c>(context: &'c Context<'c>, args: Args<'_>) -> Answer<'c> {
    let world = context.lock();
    let workspace = named_workspace(&world, args);
    let rights = context.rights(&world);
    rights.need(rights.reads_workspace(workspace))?;
    let wanted = |at: &DeploymentAt| {
        let deployment = &world.deployments[*at];
        Some(deployment.workspace) == workspace
            && args.text("releaseName").is_none_or(|name| deployment.release_name == name)
    };
    let found = (0..world.deployments.len()).filter(wanted);
    Ok(Node::objects(context, found.map(Thing::Deployment)))
}

/// `paginatedDeployments`: of the workspaces that the caller may see. The order and what the name is
/// compared with are assumed.
pub(super) fn page<'c>(context: &'c Context<'c>, args: Args<'_>) -> Answer<'c> {
    let world = context.lock();
    let rights = context.rights(&world);
    rights.need_caller()?;
    let size = usize::try_from(page_size(context, args.number("take"))?).unwrap_or(0);
    let wanted = |at: &DeploymentAt| {
        let deployment = &world.deployments[*at];
        rights.reads_workspace(Some(deployment.workspace))
            && args.text("clusterId").is_none_or(str::is_empty)
            && args
                .text("name")
                .is_none_or(|part| deployment.release_name.contains(part) || deployment.label.contains(part))
    };
    let found: Vec<_> = (0..world.deployments.len()).filter(wanted).collect();
    let behind = args.text("cursor").filter(|cursor| !cursor.is_empty()).map_or(0, |cursor| {
        let at = found.iter().position(|at| world.deployments[*at].id == cursor);
        at.map_or(found.len(), |at| at + usize::from(!context.rules.switches.cursor_inclusive))
    });
    let number = (args.number("pageNumber").unwrap_or(0) - context.rules.first_page).max(0);
    let skip = usize::try_from(number).unwrap_or(usize::MAX).saturating_mul(size);
    let page = found.into_iter().skip(behind.saturating_add(skip)).take(size);
    Ok(Node::objects(context, page.map(Thing::Deployment)))
}

/// `deploymentUsers`: who has a role in it (that others of the workspace are left out is assumed).
pub(super) fn users<'c>(context: &'c Context<'c>, args: Args<'_>) -> Answer<'c> {
    let world = context.lock();
    let deployment = args.text("deploymentId").and_then(|id| world.deployment(id));
    let rights = context.rights(&world);
    let role = deployment.and_then(|at| rights.role_in(Scope::Deployment(at)));
    rights.need(role.is_some() || rights.reads_system())?;
    let wanted = deployment.map(Scope::Deployment);
    let has_role = |at: &usize| world.users[*at].bindings.iter().any(|b| Some(b.scope) == wanted);
    let people = (0..world.users.len()).filter(has_role).collect();
    let found = search(context, &world, people, args.object("user"));
    Ok(Node::objects(context, found.into_iter().map(|at| Thing::User { at, only: None })))
}

/// A field of `Deployment`.
pub(super) fn field<'c>(context: &'c Context<'c>, at: DeploymentAt, field: &str) -> Answer<'c> {
    let world = context.lock();
    let deployment = &world.deployments[at];
    Ok(match field {
        "id" => ResolvedValue::leaf(deployment.id.as_str()),
        "type" => ResolvedValue::leaf("airflow"),
        "label" => ResolvedValue::leaf(deployment.label.as_str()),
        "releaseName" => ResolvedValue::leaf(deployment.release_name.as_str()),
        "workspace" => Node::object(context, Thing::Workspace(deployment.workspace)),
        "deployInfo" => Node::object(context, Thing::DeployInfo),
        "version" => ResolvedValue::leaf(context.rules.profile.version()),
        "airflowVersion" => ResolvedValue::leaf(AIRFLOW),
        "runtimeVersion" => ResolvedValue::leaf(RUNTIME),
        // There is one cluster, and it has no name.
        "clusterId" => ResolvedValue::null(),
        "createdAt" | "updatedAt" => date(deployment.created_at),
        _ => return Err(unexpected(field)),
    })
}

/// A field of `DeployInfo`: nothing was ever deployed.
pub(super) fn info<'c>(field: &str) -> Answer<'c> {
    Ok(match field {
        "nextCli" => ResolvedValue::leaf("deploy-1"),
        "current" => ResolvedValue::null(),
        _ => return Err(unexpected(field)),
    })
}
