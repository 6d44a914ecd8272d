//! The change: what must be done so that Houston has what the roster wants. Pure: no files, no
//! network, no threads.
//!
//! Main type: [`Plan`], made of one [`Decision`] per row by [`decide`] from a wish and a
//! [`Membership`]; [`compare::Comparison`] finds the membership of many people in one pass over
//! what Houston has, and [`guard`] holds back what must not be done. Nothing here may know where
//! wishes or memberships come from.

pub mod compare;
mod decision;
pub mod extra;
pub mod finding;
pub mod grant;
pub mod guard;
mod membership;
pub mod protect;

use std::collections::BTreeMap;
use std::fmt;
use std::mem::size_of;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::decision::{Action, Decision, Guard, Holder, Reason, ReplaceStep, Stage, decide, other_role};
use self::extra::{Account, Extra};
use self::grant::Grant;
use self::guard::{Limit, Refusal};
pub use self::membership::{Membership, Standing};
use crate::model::{ItemId, RowNumber, Scope, WorkspaceId};

/// What is done about members who have another role than the roster wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolePolicy {
    /// They keep it.
    #[default]
    Keep,
    /// They get the role of the roster.
    Update,
}

/// A workspace that rows name, under the one id it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// Its label, if it has one.
    pub label: Option<String>,
}

impl fmt::Display for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.label {
            Some(label) => write!(f, "{} ({})", crate::model::printable(label), self.id),
            None => self.id.fmt(f),
        }
    }
}

/// One mutation to perform. Small, so that a million of them fit: the address is looked up by row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// The item that it is for.
    pub item: ItemId,
    /// Index into [`Plan::workspaces`].
    pub workspace: u32,
    /// What to do.
    pub action: Action,
}

impl Operation {
    /// The name of this operation: made from its content, so that it is the same in every run.
    pub fn id(&self, scope: Scope, workspace: &WorkspaceId, email: &str) -> OperationId {
        let what = match self.action {
            Action::Add(_) => "add",
            Action::SetRole { .. } => "set_role",
            Action::Replace(_) => "renew",
            Action::Remove(_) => "remove",
        };
        let role = self.action.level().map_or("", |level| scope.role(level).name());
        let mut hash = Sha256::new();
        for part in [what, workspace.as_str(), email, role] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let digest = hash.finalize();
        let mut short = [0; 8];
        short.copy_from_slice(&digest[..8]);
        OperationId(u64::from_be_bytes(short))
    }
}

/// The name of an operation in the journal: 16 hexadecimal digits. It tells people which lines
/// belong together; rows, not these names, identify operations within a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OperationId(u64);

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl From<OperationId> for String {
    fn from(id: OperationId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for OperationId {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(Self)
    }
}

/// What was found and decided for one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowPlan {
    /// Index into [`Plan::workspaces`]; none for rows that were never resolved.
    pub workspace: Option<u32>,
    /// What Houston had; none if it was not looked at.
    pub seen: Option<Membership>,
    /// What follows.
    pub decision: Decision,
}

const _: () = assert!(size_of::<RowPlan>() == 32, "there is one per row of a roster");

/// The whole change: a decision for every row, and the mutations that follow from them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The workspaces that rows name.
    pub workspaces: Vec<Workspace>,
    /// One entry per row of the roster, in its order.
    pub rows: Vec<RowPlan>,
    /// Indices into [`Plan::workspaces`] of those that do not exist yet: they have a label, and no
    /// id before they are created.
    pub to_create: Vec<u32>,
    /// Of the people who are taken away and added again, what Houston knows them by.
    pub replacements: BTreeMap<RowNumber, Vec<Account>>,
    /// Roles in deployments that rows want, workspace by workspace and in the order of the rows.
    pub grants: Vec<Grant>,
    /// Who is in these workspaces without being in the roster, workspace by workspace and in the
    /// order of their names; empty unless removals were asked for.
    pub extras: Vec<Extra>,
    /// The limits that the removals do not keep to.
    pub refusals: Vec<Refusal>,
    /// The limits that would let everybody be removed who is held back by one that is too low.
    pub limits_needed: Vec<Limit>,
}

/// How many rows ended in which decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// To be added.
    pub add: u64,
    /// Members who get another role.
    pub update_role: u64,
    /// To be taken away and added again.
    pub renew: u64,
    /// Roles in deployments to be given or changed.
    pub deployment_roles: u64,
    /// Members and invitations that go.
    pub remove: u64,
    /// Members with the wanted role.
    pub unchanged: u64,
    /// Members with another role, which they keep.
    pub role_kept: u64,
    /// Members whose role a guard does not let be changed, or whom one does not let go.
    pub held_back: u64,
    /// Members who are not in the roster and stay for a reason that is no guard's.
    pub extra_kept: u64,
    /// Pending invitations.
    pub already_invited: u64,
    /// Same as an earlier row.
    pub merged: u64,
    /// Not valid, left out.
    pub invalid: u64,
    /// Outside of the selection.
    pub left_out: u64,
    /// Refused before anything is sent.
    pub rejected: u64,
    /// Not readable now.
    pub gave_up: u64,
}

impl Counts {
    /// Counts one more decision.
    pub fn count(&mut self, decision: &Decision) {
        let counter = match decision {
            Decision::Change(Action::Add(_)) => &mut self.add,
            Decision::Change(Action::SetRole { .. }) => &mut self.update_role,
            Decision::Change(Action::Replace(_)) => &mut self.renew,
            Decision::Change(Action::Remove(_)) => &mut self.remove,
            Decision::Keep(Reason::HeldBack(..)) => &mut self.held_back,
            Decision::Keep(Reason::ViaTeam | Reason::RolesHidden | Reason::UnsureRoster) => {
                &mut self.extra_kept
            }
            Decision::Keep(Reason::Unchanged) => &mut self.unchanged,
            Decision::Keep(Reason::RoleKept(_) | Reason::Protected(_)) => &mut self.role_kept,
            Decision::Keep(Reason::AlreadyInvited(_)) => &mut self.already_invited,
            Decision::Keep(Reason::Merged { .. }) => &mut self.merged,
            Decision::Keep(Reason::Invalid(_)) => &mut self.invalid,
            Decision::Keep(Reason::LeftOut) => &mut self.left_out,
            Decision::Keep(Reason::Rejected(_)) => &mut self.rejected,
            Decision::Keep(Reason::Unreadable(_)) => &mut self.gave_up,
        };
        *counter += 1;
    }

    /// Counts one more person who is not in the roster.
    pub fn count_extra(&mut self, extra: &Extra) {
        match &extra.decision {
            Decision::Keep(Reason::Protected(_)) => self.extra_kept += 1,
            decision @ (Decision::Change(_) | Decision::Keep(_)) => self.count(decision),
        }
    }
}

impl Counts {
    /// Counts one more role in a deployment.
    pub fn count_grant(&mut self, grant: &Grant) {
        match &grant.decision {
            Decision::Change(_) => self.deployment_roles += 1,
            Decision::Keep(Reason::HeldBack(..)) => self.role_kept += 1,
            // What is as it should be counts with its row.
            Decision::Keep(reason) if reason.is_settled() => {}
            decision @ Decision::Keep(_) => self.count(decision),
        }
    }
}

impl Plan {
    /// Whether the workspace at this place does not exist yet.
    pub fn is_to_be_created(&self, place: u32) -> bool {
        self.to_create.contains(&place)
    }

    /// How many rows ended in which decision.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.rows.iter().for_each(|row| counts.count(&row.decision));
        self.extras.iter().for_each(|extra| counts.count_extra(extra));
        self.grants.iter().for_each(|grant| counts.count_grant(grant));
        counts
    }

    /// Who is to be taken away.
    pub fn leavers(&self) -> impl Iterator<Item = &Extra> {
        self.extras.iter().filter(|extra| extra.leaves())
    }

    /// The mutations, workspace by workspace, within one stage by stage in the order of the rows.
    pub fn operations(&self) -> Vec<Operation> {
        let mut operations: Vec<Operation> = self
            .rows
            .iter()
            .enumerate()
            .filter_map(|(index, planned)| {
                let item = ItemId::from_index(index);
                Some(Operation { item, workspace: planned.workspace?, action: planned.decision.action()? })
            })
            .collect();
        sort(&mut operations);
        operations
    }
}

/// Puts operations into the order in which they are sent.
pub fn sort(operations: &mut [Operation]) {
    operations.sort_by_key(|operation| (operation.workspace, operation.action.stage(), operation.item));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Level;
    use crate::outcome::Code;
    use Level::{Admin, Editor, Viewer};

    fn add(level: Level) -> Decision {
        Decision::Change(Action::Add(level))
    }

    fn set(from: Level, to: Level, holder: Holder) -> Decision {
        Decision::Change(Action::SetRole { from, to, holder })
    }

    fn invited(level: Option<Level>) -> Decision {
        Decision::Keep(Reason::AlreadyInvited(level))
    }

    fn member(role: Level, standing: Standing) -> Membership {
        Membership::Member { role, bindings: 1, standing }
    }

    #[test]
    fn only_who_is_absent_is_added() {
        let table = [
            (Membership::Absent, add(Editor)),
            (member(Editor, Standing::Active), Decision::Keep(Reason::Unchanged)),
            (member(Admin, Standing::Active), Decision::Keep(Reason::RoleKept(Admin))),
            (member(Viewer, Standing::Active), Decision::Keep(Reason::RoleKept(Viewer))),
            (member(Editor, Standing::Pending), invited(Some(Editor))),
            (Membership::Invited { role: Some(Viewer), invites: 1 }, invited(Some(Viewer))),
            (Membership::Invited { role: None, invites: 1 }, invited(None)),
        ];
        for (present, decision) in table {
            assert_eq!(decide(Scope::Workspace, Editor, present, RolePolicy::Keep), decision, "{present:?}");
        }
    }

    #[test]
    fn members_get_the_role_of_the_roster_only_where_that_was_asked_for() {
        let update = |from| set(from, Editor, Holder::Member);
        let invitation = set(Viewer, Editor, Holder::Invitation);
        let twice = Membership::Member { role: Admin, bindings: 2, standing: Standing::Active };
        let table = [
            (Membership::Absent, add(Editor)),
            (member(Editor, Standing::Active), Decision::Keep(Reason::Unchanged)),
            (member(Admin, Standing::Active), update(Admin)),
            (member(Viewer, Standing::Active), update(Viewer)),
            (member(Editor, Standing::Pending), invited(Some(Editor))),
            (member(Viewer, Standing::Pending), update(Viewer)),
            (Membership::Invited { role: Some(Viewer), invites: 1 }, invitation),
            (Membership::Invited { role: Some(Viewer), invites: 2 }, invited(Some(Viewer))),
            (Membership::Invited { role: Some(Editor), invites: 1 }, invited(Some(Editor))),
            (Membership::Invited { role: None, invites: 1 }, invited(None)),
        ];
        for (present, decision) in table {
            assert_eq!(
                decide(Scope::Workspace, Editor, present, RolePolicy::Update),
                decision,
                "{present:?}"
            );
        }
        assert!(
            matches!(decide(Scope::Workspace, Editor, twice, RolePolicy::Update), Decision::Keep(Reason::Rejected(c)) if c.code == Code::DuplicateBinding)
        );
        assert_eq!(
            decide(Scope::Workspace, Editor, twice, RolePolicy::Keep),
            Decision::Keep(Reason::RoleKept(Admin))
        );
    }

    #[test]
    fn an_operation_is_named_after_its_content() {
        let workspace = WorkspaceId::new("ck1").expect("valid");
        let operation =
            |row, role| Operation { item: ItemId::from_index(row), workspace: 0, action: Action::Add(role) };
        let id = operation(0, Editor).id(Scope::Workspace, &workspace, "a@example.com");
        assert_eq!(
            id,
            operation(7, Editor).id(Scope::Workspace, &workspace, "a@example.com"),
            "the row does not matter"
        );
        assert_ne!(id, operation(0, Admin).id(Scope::Workspace, &workspace, "a@example.com"));
        assert_ne!(id, operation(0, Editor).id(Scope::Workspace, &workspace, "b@example.com"));
        assert_eq!(OperationId::try_from(id.to_string()), Ok(id));
    }

    #[test]
    fn operations_come_stage_by_stage() {
        let change = |from, to| set(from, to, Holder::Member);
        let decisions = [change(Admin, Viewer), change(Viewer, Admin), add(Viewer), change(Editor, Admin)];
        let row = |decision| RowPlan { workspace: Some(0), seen: None, decision };
        let plan = Plan { rows: decisions.map(row).into(), ..Plan::default() };
        let order: Vec<_> = plan.operations().iter().map(|op| op.item.get()).collect();
        assert_eq!(order, [3, 2, 4, 1]);
        assert_eq!(plan.counts(), Counts { add: 1, update_role: 3, ..Counts::default() });
    }

    #[test]
    fn operations_come_workspace_by_workspace() {
        let row = |workspace, decision| RowPlan { workspace: Some(workspace), seen: None, decision };
        let plan = Plan {
            rows: vec![
                row(1, add(Viewer)),
                row(0, add(Viewer)),
                row(0, Decision::Keep(Reason::Unchanged)),
                row(1, add(Viewer)),
            ],
            ..Plan::default()
        };
        let order: Vec<_> = plan.operations().iter().map(|op| (op.workspace, op.item.get())).collect();
        assert_eq!(order, [(0, 2), (1, 1), (1, 4)]);
        assert_eq!(plan.counts(), Counts { add: 3, unchanged: 1, ..Counts::default() });
    }
}
