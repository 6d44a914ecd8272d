//! `plan.jsonl`: what was decided per item, complete and on the disk before the first mutation.
//!
//! Main type: [`PlanLine`]. What became of the items is the journal's.

use std::io::{BufWriter, Write};

use serde::{Deserialize, Serialize};

use super::{Hashing, JournalError};
use crate::model::{ItemId, Level, Role, RowNumber, Scope, WorkspaceId, escaped_json};
use crate::outcome::{Cause, Code, Status};
use crate::plan::{Account, Action, Decision, Deployment, Item, Membership, Phase, Plan, Reason};
use crate::record::folder::{PLAN, RunFolder};

/// What was decided about one item of a plan: a line of `plan.jsonl`. A row of the roster, a role in a
/// deployment and a person who is not in the roster have the same shape.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlanLine {
    /// The number of the line, from 1.
    pub item: ItemId,
    /// What asks for it.
    pub origin: Origin,
    /// The address as compared, or another name of a person who has none; empty for an invalid row.
    pub email: String,
    /// The role that the roster wants; none for an extra, and to remove a deployment role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The workspace it resolved to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceId>,
    /// The deployment of that workspace that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Deployment>,
    /// For a role in a deployment: the role that the person has in the workspace once the row has
    /// succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_role: Option<Role>,
    /// What Houston knows a person by who is removed, or removed and added again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Account>,
    /// The roles in deployments of an extra, by release name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deployment_roles: Vec<(String, Role)>,
    /// What Houston had; none if it was not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Membership>,
    /// What follows.
    pub decision: LineDecision,
    /// Why nothing follows, in a sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What an item of a plan comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A row of the roster wants it.
    Row {
        /// The row.
        number: RowNumber,
        /// Its physical line.
        line: u32,
    },
    /// A person is in a workspace of the roster, and not in the roster.
    Extra,
}

/// What follows from a line: the part of a [`Decision`] that outlives the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LineDecision {
    /// This is done.
    Change(Action),
    /// Nothing is done.
    Keep(Kept),
}

/// Why nothing is done, in words for machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Kept {
    /// The status that the item ends with, unless it is decided again.
    pub status: Status,
    /// For a merged row: the row that speaks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<RowNumber>,
    /// The code of the cause, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
}

impl LineDecision {
    /// Nothing is done, with this status and without a cause.
    pub fn keep(status: Status) -> Self {
        Self::Keep(Kept { status, into: None, code: None })
    }

    /// The change, if one follows.
    pub fn action(&self) -> Option<Action> {
        match self {
            Self::Change(action) => Some(*action),
            Self::Keep(_) => None,
        }
    }

    /// Why nothing is done, if nothing is.
    pub fn kept(&self) -> Option<&Kept> {
        match self {
            Self::Change(_) => None,
            Self::Keep(kept) => Some(kept),
        }
    }

    /// The line's part of what is decided about an item, and its sentence for people. Of a row it is
    /// mentioned if the person was seen twice.
    fn of(item: &Item) -> (Self, Option<String>) {
        let reason = match &item.decision {
            Decision::Change(action) => return (Self::Change(*action), None),
            Decision::Keep(reason) => reason,
        };
        let (status, cause) = reason.end(item.scope(), item.wanted);
        let doubled = || {
            let seen = item.seen.filter(|seen| seen.is_doubled() && item.phase() == Phase::Members)?;
            let text = format!("is in the workspace more than once: {} first", seen.described(item.scope()));
            Some(Cause::new(Code::DuplicateBinding, text))
        };
        let cause = cause.or_else(doubled);
        let (code, why) = cause.map(|cause| (cause.code, cause.text)).unzip();
        (Self::Keep(Kept { status, into: reason.merged_into(), code }), why)
    }
}

/// The role that the person of a row has in the workspace once the row has succeeded.
fn level_afterwards(row: &Item) -> Option<Level> {
    match &row.decision {
        Decision::Change(action) => action.level(),
        Decision::Keep(Reason::AlreadyInvited(level) | Reason::LockedOut(level)) => *level,
        Decision::Keep(reason) => reason.level_kept().or(row.wanted),
    }
}

impl PlanLine {
    /// The line for an item of a plan. `email` is empty for a row that is not valid.
    pub fn of(plan: &Plan, id: ItemId, origin: Origin, email: String) -> Self {
        let item = &plan.items[id.index()];
        let scope = item.scope();
        let (decision, why) = LineDecision::of(item);
        let of_row = item.row().filter(|_| scope == Scope::Deployment).map(|row| plan.of_row(row));
        Self {
            item: id,
            origin,
            email,
            role: item.wanted.map(|level| scope.role(level)),
            workspace: plan.workspace(item).map(|workspace| workspace.id.clone()),
            deployment: plan.deployment(item).cloned(),
            workspace_role: of_row.and_then(level_afterwards).map(Role::workspace),
            accounts: plan.accounts.get(&id).cloned().unwrap_or_default(),
            deployment_roles: plan.deployment_roles.get(&id).cloned().unwrap_or_default(),
            seen: item.seen,
            decision,
            why,
        }
    }

    /// Gives it, and the rows that it names, other numbers; a row without one keeps its number.
    pub fn renumber(&mut self, item: ItemId, row: impl Fn(RowNumber) -> Option<RowNumber>) {
        self.item = item;
        match &mut self.origin {
            Origin::Row { number, .. } => *number = row(*number).unwrap_or(*number),
            Origin::Extra => {}
        }
        match &mut self.decision {
            LineDecision::Keep(Kept { into: Some(into), .. }) => *into = row(*into).unwrap_or(*into),
            LineDecision::Keep(Kept { into: None, .. }) | LineDecision::Change(_) => {}
        }
    }

    /// Whether it is about a role in a workspace or in a deployment.
    pub fn scope(&self) -> Scope {
        if self.deployment.is_some() { Scope::Deployment } else { Scope::Workspace }
    }

    /// Whether it is about a row of the roster, or about something behind the rows.
    pub fn is_row(&self) -> bool {
        matches!(self.origin, Origin::Row { .. }) && self.deployment.is_none()
    }

    /// The role that the person has: of a row only one that is changed.
    pub fn from_role(&self) -> Option<Role> {
        let seen = || self.seen.and_then(Membership::role);
        let level = match &self.decision {
            LineDecision::Change(action) if action.replaced().is_some() => seen(),
            LineDecision::Change(action) => action.from(),
            LineDecision::Keep(_) if self.is_row() => None,
            LineDecision::Keep(_) => seen(),
        };
        level.map(|level| self.scope().role(level))
    }

    /// The roles in deployments of an extra, as a roster has them.
    pub fn deployment_cell(&self) -> String {
        let part = |(name, role): &(String, Role)| format!("{name}={}", role.name());
        self.deployment_roles.iter().map(part).collect::<Vec<_>>().join(";")
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
