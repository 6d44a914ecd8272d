//! The part of a plan about deployment roles.
//!
//! Main type: `GrantRow`. It shows; it decides nothing.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Detail, PlanReport, SHOWN};
use crate::model::{Role, Scope, printable};
use crate::outcome::Status;
use crate::plan::grant::{Grant, name};
use crate::plan::{Action, Decision, Reason, Workspace};

/// A role in a deployment, for machines.
#[derive(Debug, Serialize)]
pub(super) struct GrantRow<'l> {
    pub(super) line: u32,
    pub(super) email: &'l str,
    pub(super) workspace: Option<&'l str>,
    pub(super) workspace_id: &'l str,
    /// The release name.
    pub(super) deployment: &'l str,
    deployment_id: &'l str,
    pub(super) action: &'static str,
    pub(super) from_role: Option<&'static str>,
    pub(super) to_role: Option<&'static str>,
    pub(super) reason: String,
}

impl PlanReport<'_> {
    pub(super) fn grants(&self) -> impl Iterator<Item = GrantRow<'_>> {
        self.plan.grants.iter().map(|grant| self.grant(grant))
    }

    pub(super) fn grants_of(&self, workspace: usize) -> Vec<&Grant> {
        // They come workspace by workspace.
        let from = self.plan.grants.partition_point(|grant| (grant.workspace as usize) < workspace);
        self.plan.grants[from..].iter().take_while(|grant| grant.workspace as usize == workspace).collect()
    }

    pub(super) fn grant<'l>(&'l self, grant: &'l Grant) -> GrantRow<'l> {
        let Workspace { id, label } = &self.plan.workspaces[grant.workspace as usize];
        GrantRow {
            line: self.roster.line(grant.row),
            email: self.roster.emails().spelled(grant.row),
            workspace: label.as_deref(),
            workspace_id: id.as_str(),
            deployment: &grant.deployment.name,
            deployment_id: &grant.deployment.id,
            action: grant.decision.word(),
            from_role: grant.from().map(|level| Role::deployment(level).name()),
            to_role: grant.role.map(|level| Role::deployment(level).name()),
            reason: reason(grant),
        }
    }

    /// The deployment roles of a workspace with something to do or to report.
    pub(super) fn deployments(
        &self,
        text: &mut String,
        grants: &[&Grant],
        detail: Detail,
    ) -> std::fmt::Result {
        let shown = || grants.iter().filter(|grant| mark(grant).is_some());
        let limit = if detail == Detail::All { grants.len() } else { SHOWN };
        for grant in shown().take(limit) {
            let email = printable(self.roster.emails().spelled(grant.row));
            let at = format!("{}:{}", printable(self.name), self.roster.line(grant.row));
            let what = match &grant.decision {
                Decision::Change(Action::Add(_)) => name(grant.role.map(Role::deployment)).to_owned(),
                Decision::Change(action @ (Action::SetRole { .. } | Action::Remove(_))) => {
                    let from = name(action.from().map(Role::deployment));
                    format!("{from} -> {}", name(grant.role.map(Role::deployment)))
                }
                Decision::Change(Action::Replace(_)) | Decision::Keep(_) => {
                    printable(&why(grant)).into_owned()
                }
            };
            let deployment = printable(&grant.deployment.name);
            writeln!(text, "  {} {email}  in {deployment}: {what}  ({at})", mark(grant).unwrap_or(" "))?;
        }
        match shown().count().saturating_sub(limit) {
            0 => Ok(()),
            more => writeln!(text, "  and {more} more deployment roles (--all shows them)"),
        }
    }
}

/// As for rows: `+` is given, `~` gets another one, `=` stays, `!` cannot be done.
pub(super) fn mark(grant: &Grant) -> Option<&'static str> {
    match &grant.decision {
        Decision::Change(action) => Some(super::mark(*action)),
        Decision::Keep(Reason::Unchanged) if !grant.deployment.is_there() => Some("="),
        Decision::Keep(Reason::AlreadyInvited(_)) => Some("="),
        Decision::Keep(reason) => super::mark_kept(reason),
    }
}

/// Why nothing, or what, is done, and in which deployment.
pub fn reason(grant: &Grant) -> String {
    format!("in {}: {}", grant.deployment.name, why(grant))
}

fn why(grant: &Grant) -> String {
    let reason = match &grant.decision {
        Decision::Change(Action::SetRole { .. }) => return "different role".to_owned(),
        Decision::Change(Action::Remove(_)) => return "the roster says NONE".to_owned(),
        Decision::Change(Action::Add(_) | Action::Replace(_)) => return "no role there".to_owned(),
        Decision::Keep(reason) => reason,
    };
    match reason.end(Scope::Deployment, grant.role) {
        (_, Some(cause)) => cause.text,
        (Status::AlreadyInvited, None) => {
            "is invited; Houston does not show the deployment roles of an invitation".to_owned()
        }
        (_, None) if !grant.deployment.is_there() => "no such deployment, skipped".to_owned(),
        (status, None) => status.word().replace('_', " "),
    }
}
