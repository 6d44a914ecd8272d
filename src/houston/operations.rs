//! The documents that are sent to Houston, one operation per file, and the types that
//! `graphql_client` generates from them against our own loose schema.
//!
//! Main trait: `Operation`. Values travel as variables only, so that every request of a kind
//! carries the same text; `token`, `Invite.token` and `Workspace.users` are never asked for. The query for
//! members is a template; [`super::members_query`] renders it.

use graphql_client::GraphQLQuery;
use serde::Serialize;

use super::transport::Kind;
use crate::model::Role;

// A change of the schema alone would not make the compiler look again.
const _: &str = include_str!("operations/schema.graphql");

/// The scalars of the schema.
mod scalars {
    /// An id; Houston checks nothing about it.
    pub(super) type Uuid = String;
    /// An id in operations on deployments; Houston checks nothing about it either.
    pub(super) type Id = String;
    /// A moment, as the server writes it.
    pub(super) type DateTime = String;
    /// A role, as text: a server may know more of them than we do.
    pub(super) type Role = String;
}

/// A document with its variables and the shape of its data.
pub(super) trait Operation: GraphQLQuery<Variables: Serialize> {
    /// Its name, as in the document.
    const NAME: &'static str;
    /// Whether it may change something.
    const KIND: Kind;
}

macro_rules! operations {
    ($($name:ident $kind:ident $path:tt),+ $(,)?) => {
        $(
            #[derive(GraphQLQuery)]
            #[graphql(
                schema_path = "src/houston/operations/schema.graphql",
                query_path = $path,
                custom_scalars_module = "crate::houston::operations::scalars",
                response_derives = "Debug"
            )]
            pub(super) struct $name;

            impl Operation for $name {
                const NAME: &'static str = stringify!($name);
                const KIND: Kind = Kind::$kind;
            }
        )+

        /// The documents that are files, by the names of their operations.
        pub(super) const FILES: &[(&str, &str)] = &[$((stringify!($name), include_str!(concat!("../../", $path)))),+];
    };
}

operations! {
    Installation Read "src/houston/operations/installation.graphql",
    AppVersion Read "src/houston/operations/app_version.graphql",
    Surface Read "src/houston/operations/surface.graphql",
    Mail Read "src/houston/operations/mail.graphql",
    Caller Read "src/houston/operations/caller.graphql",
    Rights Read "src/houston/operations/rights.graphql",
    RightsByBindings Read "src/houston/operations/rights_by_bindings.graphql",
    SysWorkspaces Read "src/houston/operations/sys_workspaces.graphql",
    Workspaces Read "src/houston/operations/workspaces.graphql",
    PaginatedWorkspaces Read "src/houston/operations/paginated_workspaces.graphql",
    Workspace Read "src/houston/operations/workspace.graphql",
    Accounts Read "src/houston/operations/accounts.graphql",
    Invites Read "src/houston/operations/invites.graphql",
    AddMember Write "src/houston/operations/add_member.graphql",
    AddMemberWithMail Write "src/houston/operations/add_member_with_mail.graphql",
    UpsertRole Write "src/houston/operations/upsert_role.graphql",
    UpdateRole Write "src/houston/operations/update_role.graphql",
    RemoveMember Write "src/houston/operations/remove_member.graphql",
    DeleteInvite Write "src/houston/operations/delete_invite.graphql",
    CreateWorkspace Once "src/houston/operations/create_workspace.graphql",
    Deployments Read "src/houston/operations/deployments.graphql",
    AddDeploymentRole Write "src/houston/operations/add_deployment_role.graphql",
    UpdateDeploymentRole Write "src/houston/operations/update_deployment_role.graphql",
    RemoveDeploymentRole Write "src/houston/operations/remove_deployment_role.graphql",
    AddMemberWithDeployments Write "src/houston/operations/add_member_with_deployments.graphql",
    AddMemberWithDeploymentsAndMail Write "src/houston/operations/add_member_with_deployments_and_mail.graphql",
    DatedInvites Read "src/houston/operations/dated_invites.graphql",
}

/// The template of the queries for members, and the shape of their data.
#[derive(GraphQLQuery)]
#[graphql(
    schema_path = "src/houston/operations/schema.graphql",
    query_path = "src/houston/operations/members.graphql",
    custom_scalars_module = "crate::houston::operations::scalars",
    response_derives = "Debug"
)]
pub(super) struct Members;

/// The data of an answer to a query for members; what was not asked for counts as null.
pub(super) type MembersData = <Members as GraphQLQuery>::ResponseData;

/// The JSON body of an operation.
pub(super) fn body<O: Operation>(variables: O::Variables) -> Vec<u8> {
    serde_json::to_vec(&O::build_query(variables)).expect("strings and numbers become JSON")
}

/// A role as a variable.
pub(super) fn role(role: Role) -> scalars::Role {
    role.name().to_owned()
}
