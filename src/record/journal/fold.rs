//! What became of the roles in deployments that rows want, and what that means for the rows: a row has
//! one end, which is never better than that of any of its roles.
//!
//! Main type: [`GrantHistory`].

use std::collections::BTreeMap;

use super::history::{History, RowHistory};
use crate::model::{Role, RowNumber};
use crate::outcome::{Cause, Code, Status, StatusKind};
use crate::plan::{Deployment, role_name};

/// What is known of a role in a deployment after a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantHistory {
    /// The row that wants it.
    pub of: RowNumber,
    /// The address of its person.
    pub email: String,
    /// In which deployment.
    pub deployment: Deployment,
    /// The wanted role; none if one that is there is to be removed.
    pub role: Option<Role>,
    /// The role that Houston had.
    pub from_role: Option<Role>,
    /// The role that the person has in the workspace once the row has succeeded.
    pub workspace_role: Option<Role>,
    /// What became of it.
    pub end: RowHistory,
}

impl History {
    /// Gives every row that came to a good end of its own what became of its roles in deployments.
    pub(super) fn fold_grants(&mut self) {
        let mut by_row: BTreeMap<RowNumber, Vec<usize>> = BTreeMap::new();
        for (place, grant) in self.grants.iter().enumerate() {
            by_row.entry(grant.of).or_default().push(place);
        }
        for (row, places) in by_row {
            let alone = &self.rows[row.index()];
            match alone.status.kind() {
                StatusKind::Changed | StatusKind::AsItWas => {}
                // The roles wait for their row, or have failed with it.
                StatusKind::Failed | StatusKind::Unresolved | StatusKind::NotTried => continue,
            }
            let mut folded = alone.clone();
            let mut texts: Vec<String> = alone.cause.iter().map(|cause| cause.text.clone()).collect();
            let mut code = alone.cause.as_ref().map(|cause| cause.code.clone());
            for grant in places.iter().map(|&place| &self.grants[place]) {
                folded.attempts = folded.attempts.saturating_add(grant.end.attempts);
                folded.elapsed_ms = folded.elapsed_ms.saturating_add(grant.end.elapsed_ms);
                let status = worse(folded.status, grant.end.status);
                if status != folded.status && status.kind() != StatusKind::Changed {
                    code = grant.end.cause.as_ref().map(|cause| cause.code.clone()).or(code);
                }
                folded.status = status;
                texts.extend(grant.told());
            }
            if texts.len() > usize::from(alone.cause.is_some()) {
                let code = code.unwrap_or(Code::DeploymentRoles);
                folded.cause = Some(self.causes.share(Cause { code, text: texts.join("; ") }));
            }
            if folded != self.rows[row.index()] {
                let alone = std::mem::replace(&mut self.rows[row.index()], folded);
                self.alone.insert(row.into(), alone);
            }
        }
    }
}

impl GrantHistory {
    /// What is to be said of it in the row's detail.
    fn told(&self) -> Option<String> {
        let Self { deployment, role, from_role, .. } = self;
        let (name, role) = (&deployment.name, role_name(*role));
        let why = self.end.cause.as_ref().map_or_else(String::new, |cause| cause.text.clone());
        Some(match self.end.status {
            Status::Unchanged if !deployment.is_there() => {
                format!("{name}: {role} is left out, there is no such deployment")
            }
            Status::Unchanged | Status::Merged | Status::Invalid => return None,
            Status::Removed => format!("{name}: {} taken away", role_name(*from_role)),
            Status::Added => format!("{name}: {role} given"),
            Status::RoleUpdated => {
                format!("{name}: {} -> {role}", role_name(*from_role))
            }
            Status::Invited | Status::AlreadyInvited => {
                format!("{name}: whether the invitation brings {role} along cannot be seen")
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
        // Whoever keeps a role that a guard holds is told so, whatever else was given.
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
