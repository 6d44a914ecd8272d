//! One item of a plan, as every format shows it.
//!
//! Main type: `PlannedItem`. It shows; it decides nothing.

use serde::Serialize;

use super::PlanReport;
use crate::model::{ItemId, Scope};
use crate::outcome::Status;
use crate::plan::{Account, Action, Decision, Item, Membership, Origin, Phase, Plan, Reason, Standing};
use crate::roster::Roster;

/// An item, for machines. What only some items have is left out of the others.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct PlannedItem<'l> {
    /// Of a row, and of a role in a deployment that it wants.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) line: Option<u32>,
    pub(super) email: &'l str,
    pub(super) workspace: Option<&'l str>,
    pub(super) workspace_id: Option<&'l str>,
    /// The release name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deployment: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment_id: Option<&'l str>,
    /// Of a person who is not in the roster: `member`, `pending` or `invitation`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<&'static str>,
    pub(super) action: &'static str,
    pub(super) from_role: Option<&'static str>,
    #[serde(skip_serializing_if = "ToRole::is_of_nobody")]
    pub(super) to_role: ToRole,
    pub(super) reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invite_id: Option<&'l str>,
}

/// The role that the roster wants.
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub(super) enum ToRole {
    /// This one; none for an invalid row, and to remove a role.
    Wanted(Option<&'static str>),
    /// The roster does not name the person.
    OfNobody,
}

impl ToRole {
    fn is_of_nobody(&self) -> bool {
        matches!(self, Self::OfNobody)
    }

    /// For a cell of a table.
    pub(super) fn cell(self) -> &'static str {
        match self {
            Self::Wanted(role) => role.unwrap_or_default(),
            Self::OfNobody => "",
        }
    }
}

impl PlanReport<'_> {
    /// The items of a phase.
    pub(super) fn planned(&self, phase: Phase) -> impl Iterator<Item = PlannedItem<'_>> {
        let items = self.plan.numbered().filter(move |(_, item)| item.phase() == phase);
        items.map(|(id, _)| self.item(id))
    }

    pub(super) fn item(&self, id: ItemId) -> PlannedItem<'_> {
        let item = &self.plan.items[id.index()];
        let phase = item.phase();
        let role = |level| item.scope().role(level).name();
        let workspace = self.plan.workspace(item);
        let exists = item.workspace().is_some_and(|place| !self.plan.is_to_be_created(place));
        let deployment = self.plan.deployment(item);
        let wish = item.row().filter(|_| phase == Phase::Members).and_then(|row| self.roster.assignment(row));
        let text = wish.map(|wish| self.roster.workspaces()[wish.workspace as usize].as_str());
        let account = self.plan.accounts.get(&id).filter(|_| phase == Phase::Removals);
        let (user_id, invite_id) = match account.and_then(|accounts| accounts.first()) {
            Some(Account::User(id)) => (Some(id.as_str()), None),
            Some(Account::Invite(id)) => (None, Some(id.as_str())),
            None => (None, None),
        };
        PlannedItem {
            line: item.row().map(|row| self.roster.line(row)),
            email: self.email(id),
            workspace: workspace.and_then(|workspace| workspace.label.as_deref()).or(text),
            workspace_id: workspace
                .filter(|_| exists || phase == Phase::Deployments)
                .map(|workspace| workspace.id.as_str()),
            deployment: deployment.map(|deployment| deployment.name.as_str()),
            deployment_id: deployment.map(|deployment| deployment.id.as_str()),
            kind: (phase == Phase::Removals).then(|| kind(item.seen).0),
            action: item.decision.word(),
            from_role: item.from().map(role),
            to_role: match item.origin {
                Origin::Row(_) => {
                    let level = item.decision.action().and_then(Action::level).or(item.wanted);
                    ToRole::Wanted(level.map(role))
                }
                Origin::Extra => ToRole::OfNobody,
            },
            reason: reason(self.plan, item, self.roster),
            user_id,
            invite_id,
        }
    }

    /// The address of the person, or another name.
    pub(super) fn email(&self, id: ItemId) -> &str {
        match self.plan.items[id.index()].origin {
            Origin::Row(row) => self.roster.emails().spelled(row),
            Origin::Extra => &self.plan.people[&id],
        }
    }

    /// `+` is added, `~` changes, `-` is removed, `=` is kept although the roster differs, `!` cannot be done.
    pub(super) fn mark(&self, item: &Item) -> Option<&'static str> {
        let is_of_deployment = item.scope() == Scope::Deployment;
        match &item.decision {
            Decision::Change(Action::Add(_)) => Some("+"),
            Decision::Change(Action::SetRole { .. } | Action::Replace { .. }) => Some("~"),
            Decision::Change(Action::Remove(_)) => Some("-"),
            Decision::Keep(
                Reason::RoleKept(_)
                | Reason::HeldBack(..)
                | Reason::Protected(_)
                | Reason::ViaTeam
                | Reason::RolesHidden
                | Reason::UnsureRoster,
            ) => Some("="),
            Decision::Keep(
                Reason::LockedOut(_) | Reason::Rejected(_) | Reason::Unreadable(_) | Reason::Invalid(_),
            ) => Some("!"),
            Decision::Keep(Reason::Unchanged) if is_left_out(self.plan, item) => Some("="),
            Decision::Keep(Reason::AlreadyInvited(_)) if is_of_deployment => Some("="),
            Decision::Keep(
                Reason::Unchanged | Reason::AlreadyInvited(_) | Reason::Merged { .. } | Reason::LeftOut,
            ) => None,
        }
    }
}

/// Whether it is a role in a deployment that does not exist.
fn is_left_out(plan: &Plan, item: &Item) -> bool {
    plan.deployment(item).is_some_and(|deployment| !deployment.is_there())
}

/// Why a change is made or not, and in which deployment.
pub fn reason(plan: &Plan, item: &Item, roster: &Roster) -> String {
    let why = why(plan, item, roster);
    plan.deployment(item).map(|deployment| format!("in {}: {why}", deployment.name)).unwrap_or(why)
}

pub(super) fn why(plan: &Plan, item: &Item, roster: &Roster) -> String {
    let reason = match &item.decision {
        Decision::Change(action) => return why_changed(*action, item).to_owned(),
        Decision::Keep(reason) => reason,
    };
    if let Some(into) = reason.merged_into() {
        return format!("the same as line {}", roster.line(into));
    }
    match (reason.end(item.scope(), item.wanted), item.scope()) {
        ((_, Some(cause)), _) => cause.text,
        ((Status::AlreadyInvited, None), Scope::Deployment) => {
            "is invited; Houston does not show the deployment roles of an invitation".to_owned()
        }
        ((_, None), _) if is_left_out(plan, item) => "no such deployment, skipped".to_owned(),
        ((status, None), _) => status.word().replace('_', " "),
    }
}

fn why_changed(action: Action, item: &Item) -> &'static str {
    match (action, item.phase()) {
        (Action::SetRole { .. }, _) => "different role",
        (Action::Replace { .. }, _) => "removed and added again",
        (Action::Add(_), Phase::Members | Phase::Removals) => "absent",
        (Action::Add(_), Phase::Deployments) => "no role there",
        (Action::Remove(_), Phase::Deployments) => "the roster says NONE",
        (Action::Remove(_), Phase::Members | Phase::Removals) => kind(item.seen).1,
    }
}

/// What a person is who is not in the roster, in a word, and why they are removed.
fn kind(seen: Option<Membership>) -> (&'static str, &'static str) {
    match seen {
        Some(Membership::Member { standing: Standing::Pending, .. }) => {
            ("pending", "not in the roster: has never signed in")
        }
        Some(Membership::Invited { .. }) => ("invitation", "not in the roster: pending invitation"),
        Some(Membership::Member { .. } | Membership::Absent) | None => ("member", "not in the roster"),
    }
}
