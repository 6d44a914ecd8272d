//! What became of the roles in deployments that rows want, and what that means for the rows: a row has
//! one end, which is never better than that of any of its roles.
//!
//! Main type: [`DeploymentRole`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::PlanLine;
use super::history::{History, ItemEnd};
use crate::model::{Role, RowNumber};
use crate::outcome::{Cause, Code, Status, StatusKind};
use crate::plan::{Deployment, role_name};

/// A role in a deployment that a row wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentRole {
    /// The row that wants it.
    pub of: RowNumber,
    /// The address of its person.
    pub email: String,
    /// In which deployment.
    pub deployment: Deployment,
    /// The wanted role; none to remove the existing one.
    pub role: Option<Role>,
    /// The role that Houston had.
    pub from_role: Option<Role>,
    /// The role that the person has in the workspace once the row has succeeded.
    pub workspace_role: Option<Role>,
}

impl History {
    /// Gives every row that came to a good end of its own what became of its roles in deployments.
    pub(super) fn fold_grants(&mut self) {
        let mut by_row: BTreeMap<RowNumber, Vec<usize>> = BTreeMap::new();
        for (at, grant) in self.grants.iter().enumerate() {
            by_row.entry(grant.of).or_default().push(at);
        }
        for (row, grants) in by_row {
            let own = &self.items[row.index()];
            let folded = match own.status.kind() {
                StatusKind::Changed | StatusKind::AsItWas => self.folded(own, &grants),
                // The roles wait for their row, or have failed with it.
                StatusKind::Failed | StatusKind::Unresolved | StatusKind::NotTried => continue,
            };
            if folded != *own {
                self.folded.insert(row, folded);
            }
        }
    }

    /// The end of a row that ended like this itself and wants these roles.
    fn folded(&self, own: &ItemEnd, grants: &[usize]) -> ItemEnd {
        let mut folded = own.clone();
        let mut texts: Vec<String> = own.cause.iter().map(|cause| cause.text.clone()).collect();
        let mut code = own.cause.as_ref().map(|cause| cause.code.clone());
        for (grant, end) in grants.iter().map(|&at| (&self.grants[at], &self.items[self.row_count() + at])) {
            folded.attempts = folded.attempts.saturating_add(end.attempts);
            folded.elapsed_ms = folded.elapsed_ms.saturating_add(end.elapsed_ms);
            let status = worse(folded.status, end.status);
            if status != folded.status && status.kind() != StatusKind::Changed {
                code = end.cause.as_ref().map(|cause| cause.code.clone()).or(code);
            }
            folded.status = status;
            texts.extend(grant.detail(end));
        }
        if texts.len() > usize::from(own.cause.is_some()) {
            let code = code.unwrap_or(Code::DeploymentRoles);
            folded.cause = Some(Arc::new(Cause { code, text: texts.join("; ") }));
        }
        folded
    }
}

impl DeploymentRole {
    /// The role that a line of the plan is about.
    pub(super) fn of(row: RowNumber, line: &PlanLine, deployment: &Deployment) -> Self {
        Self {
            of: row,
            email: line.email.clone(),
            deployment: deployment.clone(),
            role: line.role,
            from_role: line.from_role(),
            workspace_role: line.workspace_role,
        }
    }

    /// Its part of the row's detail.
    fn detail(&self, end: &ItemEnd) -> Option<String> {
        let Self { deployment, role, from_role, .. } = self;
        let (name, role) = (&deployment.name, role_name(*role));
        let why = end.cause.as_ref().map_or_else(String::new, |cause| cause.text.clone());
        Some(match end.status {
            Status::Unchanged if !deployment.is_there() => {
                format!("{name}: {role} skipped, no such deployment")
            }
            Status::Unchanged | Status::Merged | Status::Invalid => return None,
            Status::Removed => format!("{name}: {} removed", role_name(*from_role)),
            Status::Added => format!("{name}: {role} granted"),
            Status::RoleUpdated => {
                format!("{name}: {} -> {role}", role_name(*from_role))
            }
            Status::Invited | Status::AlreadyInvited => {
                format!("{name}: Houston does not show whether the invitation carries {role}")
            }
            Status::RoleKept => format!("{name}: {why}"),
            status @ (Status::Rejected | Status::GaveUp | Status::InDoubt | Status::NotRun) => {
                let why = if why.is_empty() { String::new() } else { format!(": {why}") };
                format!("{name}: {role} {status}{why}")
            }
        })
    }
}

/// The end of a row with this status and a role in a deployment with that one: what is left for a later
/// leg counts most, then what failed, then what was changed.
fn worse(row: Status, grant: Status) -> Status {
    let rank = |status: Status| match status {
        Status::InDoubt => 5,
        Status::GaveUp => 4,
        Status::NotRun => 3,
        Status::Rejected | Status::Invalid => 2,
        // A role that a guard holds back is always reported, whatever else was set.
        Status::Added | Status::Invited | Status::RoleUpdated | Status::Removed | Status::RoleKept => 1,
        Status::Unchanged | Status::AlreadyInvited | Status::Merged => 0,
    };
    if rank(grant) <= rank(row) {
        return row;
    }
    match grant {
        Status::Added | Status::Invited | Status::Removed => Status::RoleUpdated,
        // What was never tried is a role; something was done about the row.
        Status::NotRun if row.kind() == StatusKind::Changed => Status::GaveUp,
        Status::RoleKept
        | Status::RoleUpdated
        | Status::Rejected
        | Status::GaveUp
        | Status::InDoubt
        | Status::NotRun
        | Status::Unchanged
        | Status::AlreadyInvited
        | Status::Merged
        | Status::Invalid => grant,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_never_better_than_its_roles_in_deployments() {
        use Status::{
            Added, AlreadyInvited, GaveUp, InDoubt, Invited, NotRun, Rejected, RoleKept, RoleUpdated,
            Unchanged,
        };
        let table = [
            (Unchanged, Unchanged, Unchanged),
            (Unchanged, Added, RoleUpdated),
            (Unchanged, RoleKept, RoleKept),
            (Unchanged, AlreadyInvited, Unchanged),
            (Added, Added, Added),
            (Added, RoleKept, Added),
            (Invited, Invited, Invited),
            (AlreadyInvited, AlreadyInvited, AlreadyInvited),
            (RoleKept, Added, RoleKept),
            (RoleUpdated, Rejected, Rejected),
            (Added, Rejected, Rejected),
            (Unchanged, NotRun, NotRun),
            (Added, NotRun, GaveUp),
            (Added, GaveUp, GaveUp),
            (GaveUp, InDoubt, InDoubt),
        ];
        for (row, grant, end) in table {
            assert_eq!(worse(row, grant), end, "{row} with {grant}");
        }
    }
}
