//! Roles in deployments that rows of the roster want beside their role in the workspace.
//!
//! Main type: [`Grant`]. Pure. The three roles of deployments are a ladder like those of workspaces, so
//! that the same [`super::decide`] serves both: it speaks of [`rung`]s, and [`in_deployment`] turns what
//! it says about them back.

use serde::{Deserialize, Serialize};

use super::{Decision, Membership, Operation, RolePolicy};
use crate::model::{DeploymentRole, RowNumber, WorkspaceRole};
use crate::outcome::Cause;

/// A deployment of a workspace, as a plan knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Deployment {
    /// Its id; empty where there is none of this name, or nobody can tell.
    pub id: String,
    /// Its release name; its id where it has none.
    pub name: String,
}

impl Deployment {
    /// Whether it is known; the name alone gives no role in it.
    pub fn is_there(&self) -> bool {
        !self.id.is_empty()
    }
}

/// One role in one deployment that a row wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The row.
    pub row: RowNumber,
    /// Index into [`super::Plan::workspaces`].
    pub workspace: u32,
    /// In which deployment.
    pub deployment: Deployment,
    /// Which role; none if one that is there is to be taken away.
    pub role: Option<DeploymentRole>,
    /// The id of the user and their address in the server's spelling, once they have been read.
    pub user: Option<(String, String)>,
    /// What Houston has, in rungs; none if it was not looked at.
    pub seen: Option<Membership>,
    /// What follows, in rungs.
    pub decision: Decision,
}

impl Grant {
    /// The mutation that follows, if one does; `row` is the place of the grant behind the roster.
    pub fn operation(&self, row: RowNumber) -> Option<Operation> {
        let kind = self.decision.operation(|| self.role.map(rung))?;
        Some(Operation { row, workspace: self.workspace, kind })
    }

    /// The role that Houston has, if there is one.
    pub fn from(&self) -> Option<DeploymentRole> {
        self.seen.and_then(Membership::role).map(role_of)
    }
}

/// The decision for one wish.
pub fn decide(wanted: Option<DeploymentRole>, present: Membership, roles: RolePolicy) -> Decision {
    match (wanted, present, roles) {
        (Some(wanted), present, roles) => super::decide(rung(wanted), present, roles),
        (None, Membership::Absent, _) => Decision::Unchanged,
        (None, Membership::Invited { role, .. }, _) => Decision::AlreadyInvited(role),
        (None, Membership::Member { role, .. }, RolePolicy::Update) => Decision::Take(role),
        (None, Membership::Member { role, .. }, RolePolicy::Keep) => Decision::RoleKept(role),
    }
}

/// What a role is called; also that there is to be none.
pub fn name(role: Option<DeploymentRole>) -> &'static str {
    role.map_or("no role", DeploymentRole::name)
}

/// The role of workspaces that stands at the same height.
pub fn rung(role: DeploymentRole) -> WorkspaceRole {
    match role {
        DeploymentRole::Viewer => WorkspaceRole::Viewer,
        DeploymentRole::Editor => WorkspaceRole::Editor,
        DeploymentRole::Admin => WorkspaceRole::Admin,
    }
}

/// The role of deployments that stands at the same height.
pub fn role_of(rung: WorkspaceRole) -> DeploymentRole {
    match rung {
        WorkspaceRole::Viewer => DeploymentRole::Viewer,
        WorkspaceRole::Editor => DeploymentRole::Editor,
        WorkspaceRole::Admin => DeploymentRole::Admin,
    }
}

/// What was said in rungs, said of the role in a deployment.
pub fn in_deployment(text: &str) -> String {
    let mut text = text.replace("bindings in the workspace", "bindings in the deployment");
    for role in DeploymentRole::ALL {
        text = text.replace(rung(role).name(), role.name());
    }
    text
}

/// The same of a reason.
pub fn cause_in_deployment(cause: Cause) -> Cause {
    Cause { text: in_deployment(&cause.text), ..cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_ladders_have_the_same_rungs() {
        for role in DeploymentRole::ALL {
            assert_eq!(role_of(rung(role)), role);
            let same = |a: DeploymentRole, b: DeploymentRole| (a < b) == (rung(a) < rung(b));
            assert!(DeploymentRole::ALL.into_iter().all(|other| same(role, other)));
        }
        assert_eq!(in_deployment("is WORKSPACE_ADMIN and stays it"), "is DEPLOYMENT_ADMIN and stays it");
    }
}
