//! `plan.jsonl`: what was decided per row, complete and on the disk before the first mutation.
//!
//! Main type: [`PlanLine`]. What became of the rows is the journal's.

use std::io::{BufWriter, Write};

use serde::{Deserialize, Serialize};

use super::{Hashing, JournalError};
use crate::model::{Assignment, Role, RowNumber, Scope, WorkspaceId, escaped_json};
use crate::outcome::{Cause, Code, Status};
use crate::plan::extra::{Account, Extra};
use crate::plan::grant::{Deployment, Grant};
use crate::plan::{Action, Decision, Holder, Membership, Plan, Reason};
use crate::record::folder::{PLAN, RunFolder};

/// What was decided about one row: a line of `plan.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanLine {
    /// The row.
    pub row: RowNumber,
    /// Its physical line.
    pub line: u32,
    /// The address as compared; empty for an invalid row.
    pub email: String,
    /// The wanted role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The workspace it resolved to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceId>,
    /// The role that is to be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_role: Option<Role>,
    /// What Houston had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// What follows.
    pub action: PlannedAction,
    /// The status of a row that needs no mutation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// For a merged row: the row that speaks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<RowNumber>,
    /// For somebody who is not in the roster: what Houston knows them by.
    #[serde(rename = "handle", default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
    /// For somebody who is not in the roster: their roles in deployments, by release name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deployment_roles: Vec<(String, Role)>,
    /// For somebody who is taken away and added again: what Houston knows them by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub renews: Vec<Account>,
    /// For a role in a deployment: which, and the row that wants it. `role` and `from_role` are none then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantLine>,
    /// Why, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// Why, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// The part of a line that is about a role in a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantLine {
    /// The row that wants it.
    pub of: RowNumber,
    /// In which deployment.
    pub deployment: Deployment,
    /// The wanted role; none if one that is there is to be taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The role that Houston has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_role: Option<Role>,
    /// The role that the person has in the workspace once the row has come to a good end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_role: Option<Role>,
}

/// The actions of a plan, under the names of `plan --format csv`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedAction {
    /// One mutation: the person is absent.
    Add,
    /// One mutation: the person is a member with another role.
    UpdateRole,
    /// Two mutations: the person is taken away and added again.
    #[serde(rename = "renew")]
    Replace,
    /// One mutation: the person is there and not in the roster.
    Remove,
    /// No mutation.
    None,
}

impl PlannedAction {
    /// The action of a decision.
    pub fn of(decision: &Decision) -> Self {
        match decision {
            Decision::Change(Action::Add(_)) => Self::Add,
            Decision::Change(Action::SetRole { .. }) => Self::UpdateRole,
            Decision::Change(Action::Replace(_)) => Self::Replace,
            Decision::Change(Action::Remove(_)) => Self::Remove,
            Decision::Keep(_) => Self::None,
        }
    }

    /// Its word in plans.
    pub fn word(self) -> &'static str {
        match self {
            // Who looks at plans meets the word for what is there in the end.
            Self::Add | Self::Replace => "add",
            Self::UpdateRole => "update_role",
            Self::Remove => "remove",
            Self::None => "none",
        }
    }
}

impl PlanLine {
    /// The line for a row. `assignment` is absent for rows that are not valid.
    pub fn new(plan: &Plan, row: RowNumber, line: u32, assignment: Option<&Assignment<'_>>) -> Self {
        let planned = &plan.rows[row.index()];
        let role = assignment.map(|assignment| assignment.role);
        let concluded = planned.decision.end(Scope::Workspace, role);
        let (status, cause) = concluded.map_or((None, None), |(status, cause)| (Some(status), cause));
        let doubled = planned.seen.filter(|seen| seen.is_doubled());
        let cause = cause.or(doubled.map(|seen| {
            Cause::new(
                Code::DuplicateBinding,
                format!("is there more than once: {} first", seen.described(Scope::Workspace)),
            )
        }));
        let into = planned.decision.reason().and_then(Reason::merged_into);
        let from_role = match planned.decision.action() {
            Some(Action::Replace(_)) => planned.seen.and_then(Membership::role),
            action => action.and_then(Action::from),
        };
        Self {
            row,
            line,
            email: assignment.map_or_else(String::new, |assignment| assignment.email.to_owned()),
            role: role.map(Role::workspace),
            workspace: planned.workspace.map(|place| plan.workspaces[place as usize].id.clone()),
            seen: planned.seen.map(|seen| seen.described(Scope::Workspace)),
            from_role: from_role.map(Role::workspace),
            action: PlannedAction::of(&planned.decision),
            status,
            into,
            account: None,
            deployment_roles: Vec::new(),
            renews: plan.replacements.get(&row).cloned().unwrap_or_default(),
            grant: None,
            code: cause.as_ref().map(|cause| cause.code.clone()),
            why: cause.map(|cause| cause.text),
        }
    }
}

impl PlanLine {
    /// The roles in deployments of somebody who is not in the roster, as a roster has them.
    pub fn deployment_cell(&self) -> String {
        let part = |(name, role): &(String, Role)| format!("{name}={}", role.name());
        self.deployment_roles.iter().map(part).collect::<Vec<_>>().join(";")
    }

    /// What has the role that a line changes.
    pub fn holder(&self) -> Holder {
        let invited = self.seen.as_ref().is_some_and(|seen| seen.starts_with("invited"));
        if invited { Holder::Invitation } else { Holder::Member }
    }

    /// The line for a role in a deployment that the person of this wish gets: `row` comes behind the rows
    /// of the roster.
    pub fn of_grant(plan: &Plan, grant: &Grant, wish: &Assignment<'_>, row: RowNumber) -> Self {
        let email = wish.email;
        let workspace_role = match plan.rows[grant.row.index()].decision.reason() {
            Some(Reason::AlreadyInvited(level)) => *level,
            reason => reason.and_then(Reason::level_kept).or(Some(wish.role)),
        };
        let concluded = grant.decision.end(Scope::Deployment, grant.role);
        let (status, cause) = concluded.map_or((None, None), |(status, cause)| (Some(status), cause));
        Self {
            row,
            line: 0,
            email: email.to_owned(),
            role: None,
            workspace: Some(plan.workspaces[grant.workspace as usize].id.clone()),
            from_role: None,
            seen: grant.seen.map(|seen| seen.described(Scope::Deployment)),
            action: PlannedAction::of(&grant.decision),
            status,
            into: None,
            account: None,
            deployment_roles: Vec::new(),
            renews: Vec::new(),
            grant: Some(GrantLine {
                of: grant.row,
                deployment: grant.deployment.clone(),
                role: grant.role.map(Role::deployment),
                from_role: grant.from().map(Role::deployment),
                workspace_role: workspace_role.map(Role::workspace),
            }),
            code: cause.as_ref().map(|cause| cause.code.clone()),
            why: cause.map(|cause| cause.text),
        }
    }

    /// The line for somebody who is not in the roster: `row` comes behind its rows.
    pub fn of_extra(plan: &Plan, extra: &Extra, row: RowNumber) -> Self {
        let concluded = extra.decision.end(Scope::Workspace, None);
        let (status, cause) = concluded.map_or((None, None), |(status, cause)| (Some(status), cause));
        Self {
            row,
            line: 0,
            email: extra.name.clone(),
            role: None,
            workspace: Some(plan.workspaces[extra.workspace as usize].id.clone()),
            from_role: extra.seen.role().map(Role::workspace),
            seen: Some(extra.seen.described(Scope::Workspace)),
            action: PlannedAction::of(&extra.decision),
            status,
            into: None,
            account: Some(extra.account.clone()),
            deployment_roles: extra.deployment_roles.clone(),
            renews: Vec::new(),
            grant: None,
            code: cause.as_ref().map(|cause| cause.code.clone()),
            why: cause.map(|cause| cause.text),
        }
    }
}

/// Writes `plan.jsonl`, complete and synced; gives its SHA-256.
pub fn write_plan(folder: &RunFolder, lines: impl Iterator<Item = PlanLine>) -> Result<String, JournalError> {
    let path = folder.plan();
    let failed = |source| JournalError::Write { path: path.clone(), source };
    let hashing = Hashing::new(folder.new_file(PLAN)?);
    let mut file = BufWriter::with_capacity(1 << 16, hashing);
    for line in lines {
        let json = serde_json::to_string(&line).map_err(|error| failed(error.into()))?;
        file.write_all(escaped_json(&json).as_bytes()).map_err(failed)?;
        file.write_all(b"\n").map_err(failed)?;
    }
    let (file, digest) = file.into_inner().map_err(|error| failed(error.into_error()))?.finish();
    file.sync_all().map_err(failed)?;
    Ok(digest)
}
