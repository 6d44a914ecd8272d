//! Deployments of a workspace and who may do what in them.
//!
//! Main functions: [`Houston::deployments`], [`Houston::add_member_with`],
//! [`Houston::add_deployment_role`]. Servers before 0.23 know no roles in deployments and answer
//! [`Fault::Schema`]; nothing is left out silently.

use super::call::{Call, acknowledged, required};
use super::checkup::ask_surface;
use super::fault::{DEPLOYMENT_ROLES, Fault};
use super::operations::{self as ops, add_member_with_deployments, add_member_with_deployments_and_mail};
use super::transport::Failure;
use super::{ADD, BYPASS, Houston, Mail, Removal, Sent, Support, would_mail};
use crate::model::{Level, Role, WorkspaceId};

/// A deployment of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Its id.
    pub id: String,
    /// Its label, unique in its workspace.
    pub label: Option<String>,
    /// Its release name, unique in the installation.
    pub release_name: Option<String>,
}

/// A role in a deployment that comes with an add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentGrant {
    /// The id of the deployment.
    pub deployment: String,
    /// The role.
    pub role: Level,
}

/// Whose role in a deployment is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeploymentUser<'a> {
    /// The user's id, where it is known: it counts more than the address.
    pub id: Option<&'a str>,
    /// The address.
    pub email: &'a str,
}

impl Houston {
    /// All deployments of a workspace, in the server's order.
    pub fn deployments(&self, workspace: &WorkspaceId) -> Result<Vec<Deployment>, Failure> {
        self.counted(|call| {
            let workspace_uuid = workspace.as_str().to_owned();
            let decoded = call.ask::<ops::Deployments>(ops::deployments::Variables { workspace_uuid })?;
            let data: ops::deployments::ResponseData = required(decoded, "workspaceDeployments")?;
            let list = data.workspace_deployments.into_iter().flatten().flatten();
            let known = list.map(|found| {
                let id = found.id.filter(|id| !id.is_empty());
                let id = id.ok_or_else(|| Fault::malformed("a deployment without an id"))?;
                Ok(Deployment { id, label: found.label, release_name: found.release_name })
            });
            known.collect()
        })
    }

    /// Whether an add can carry deployment roles, by introspection; a known no is remembered.
    /// Unknown where introspection is off.
    pub fn adds_deployment_roles(&self) -> Result<Support, Failure> {
        self.counted(|call| {
            if self.profile.deploymentless.is_on() {
                return Ok(Support::No);
            }
            let Some(surface) = ask_surface(call)? else { return Ok(Support::Unknown) };
            self.profile.fit_surface(surface);
            Ok(if surface.deployment_roles { Support::Yes } else { Support::No })
        })
    }

    /// Adds a person to a workspace and to deployments of it. Like
    /// [`add_member`](Self::add_member): never repeated here, and never sent in a weaker form than
    /// was asked for. A server that knows no `deploymentRoles` here gets nothing at all, and the
    /// fault is [`Fault::Schema`] about `deploymentRoles`; the caller may then add the person alone
    /// and [give the roles](Self::add_deployment_role) afterwards.
    pub fn add_member_with(
        &self,
        workspace: &WorkspaceId,
        email: &str,
        role: Level,
        mail: Mail,
        grants: &[DeploymentGrant],
    ) -> Result<Sent, Failure> {
        if grants.is_empty() {
            return self.add_member(workspace, email, role, mail);
        }
        self.counted(|call| {
            call.add_with(workspace, email, role, mail, grants)?;
            Ok(Sent { attempts: call.attempts })
        })
    }

    /// Gives a member of the workspace a role in one of its deployments. A person who already has
    /// one, whatever role, is [`Fault::Already`]; a person who is not a member of the workspace
    /// is [`RejectedKind::NotInWorkspace`](super::RejectedKind::NotInWorkspace). A null without an
    /// error has to be looked at.
    pub fn add_deployment_role(
        &self,
        deployment: &str,
        user: DeploymentUser<'_>,
        role: Level,
    ) -> Result<Sent, Failure> {
        self.counted(|call| {
            let (user_id, email, deployment_id) = user.variables(deployment);
            let role = ops::role(Role::deployment(role));
            let variables = ops::add_deployment_role::Variables { user_id, email, deployment_id, role };
            acknowledged(&call.ask::<ops::AddDeploymentRole>(variables)?, "deploymentAddUserRole")?;
            Ok(Sent { attempts: call.attempts })
        })
    }

    /// Changes a person's role in a deployment. A person without one is
    /// [`AlreadyKind::Unbound`](super::AlreadyKind::Unbound): then nothing was changed.
    pub fn set_deployment_role(
        &self,
        deployment: &str,
        user: DeploymentUser<'_>,
        role: Level,
    ) -> Result<Sent, Failure> {
        self.counted(|call| {
            let (user_id, email, deployment_id) = user.variables(deployment);
            let role = ops::role(Role::deployment(role));
            let variables = ops::update_deployment_role::Variables { user_id, email, deployment_id, role };
            acknowledged(&call.ask::<ops::UpdateDeploymentRole>(variables)?, "deploymentUpdateUserRole")?;
            Ok(Sent { attempts: call.attempts })
        })
    }

    /// Removes a person's role in a deployment; their role in the workspace stays.
    pub fn remove_deployment_role(
        &self,
        deployment: &str,
        user: DeploymentUser<'_>,
    ) -> Result<Removal, Failure> {
        self.counted(|call| {
            let (user_id, email, deployment_id) = user.variables(deployment);
            let variables = ops::remove_deployment_role::Variables { user_id, email, deployment_id };
            let decoded = call.ask::<ops::RemoveDeploymentRole>(variables)?;
            call.removal(&decoded, "deploymentRemoveUserRole")
        })
    }
}

impl DeploymentUser<'_> {
    fn variables(self, deployment: &str) -> (Option<String>, String, String) {
        (self.id.map(str::to_owned), self.email.to_owned(), deployment.to_owned())
    }
}

impl Call<'_> {
    fn add_with(
        &mut self,
        workspace: &WorkspaceId,
        email: &str,
        role: Level,
        mail: Mail,
        grants: &[DeploymentGrant],
    ) -> Result<(), Fault> {
        let profile = self.profile();
        if mail == Mail::Bypass && profile.bypassless.is_on() {
            return Err(would_mail());
        }
        if profile.deploymentless.is_on() {
            return Err(would_leave_out());
        }
        let (workspace_uuid, email) = (workspace.as_str().to_owned(), email.to_owned());
        let role = ops::role(Role::workspace(role));
        let each =
            || grants.iter().map(|grant| (grant.deployment.clone(), ops::role(Role::deployment(grant.role))));
        let decoded = match mail {
            Mail::Bypass => {
                use add_member_with_deployments::{DeploymentRoles, Variables};
                let deployment_roles =
                    each().map(|(deployment_id, role)| DeploymentRoles { deployment_id, role }).collect();
                let variables =
                    Variables { workspace_uuid, email, role, bypass_invite: true, deployment_roles };
                self.ask::<ops::AddMemberWithDeployments>(variables)?
            }
            Mail::Send => {
                use add_member_with_deployments_and_mail::{DeploymentRoles, Variables};
                let deployment_roles =
                    each().map(|(deployment_id, role)| DeploymentRoles { deployment_id, role }).collect();
                let variables = Variables { workspace_uuid, email, role, deployment_roles };
                self.ask::<ops::AddMemberWithDeploymentsAndMail>(variables)?
            }
        };
        let lacks_roles =
            [DEPLOYMENT_ROLES, "DeploymentRoles"].iter().any(|name| decoded.does_not_know(name));
        if lacks_roles {
            profile.deploymentless.turn_on();
        }
        if decoded.does_not_know(BYPASS) {
            profile.bypassless.turn_on();
            return Err(would_mail());
        }
        if lacks_roles {
            return Err(would_leave_out());
        }
        acknowledged(&decoded, ADD)
    }
}

/// The refusal to add a person without the deployment roles that were asked for.
fn would_leave_out() -> Fault {
    let text = "this server cannot set deployment roles in the request that adds a person".to_owned();
    Fault::Schema { subject: Some(DEPLOYMENT_ROLES.to_owned()), text }
}
