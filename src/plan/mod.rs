//! The change: what must be done so that Houston has what the roster wants. Pure: no files, no
//! network, no threads.
//!
//! Main type: [`Plan`], made of an [`Item`] per row, per role in a deployment and per person who is not in
//! the roster, each with a [`Decision`] by [`decide`] from a wish and a [`Membership`];
//! [`compare::Comparison`] finds the membership of many people in one pass over what Houston has, and
//! [`guard`] holds back what must not be done. Nothing here may know where wishes or memberships come from.

pub mod census;
pub mod compare;
mod decision;
pub mod finding;
pub mod guard;
mod item;
mod membership;
pub mod protect;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use self::census::Census;
pub use self::decision::{
    Action, Decision, Guard, Holder, Reason, ReplaceStep, Stage, decide, decide_in_deployment, other_role,
};
use self::guard::{Limit, Refusal};
pub use self::item::{Account, Deployment, Item, Origin, Phase, Subject, role_name};
pub use self::membership::{Membership, Standing};
use crate::model::{ItemId, Role, RowNumber, Scope, WorkspaceId};

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
            Action::Replace { .. } => "renew",
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

/// The name of an operation in the journal: 16 hexadecimal digits. It shows people which lines
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

/// The whole change: a decision for every item, and the mutations that follow from them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The workspaces that rows name.
    pub workspaces: Vec<Workspace>,
    /// The deployments that rows name.
    pub deployments: Vec<Deployment>,
    /// Indices into [`Plan::workspaces`] of those that do not exist yet: they have a label, and no
    /// id before they are created.
    pub to_create: Vec<u32>,
    /// One item per row of the roster, in its order; then the deployment roles that rows want, workspace by
    /// workspace and in the order of the rows; then, if removals were asked for, the people who are in these
    /// workspaces but not in the roster, workspace by workspace and in the order of their names.
    pub items: Vec<Item>,
    /// The accounts of the people who are removed, or removed and added again.
    pub accounts: BTreeMap<ItemId, Vec<Account>>,
    /// The names of the people who are not in the roster: the first address, else the user name, else the id.
    pub people: BTreeMap<ItemId, String>,
    /// Their deployment roles, which they lose too, by release name.
    pub deployment_roles: BTreeMap<ItemId, Vec<(String, Role)>>,
    /// For deployment roles, the id of the user and their address in the server's spelling, once they have
    /// been read.
    pub users: BTreeMap<ItemId, (String, String)>,
    /// The limits that the removals exceed.
    pub refusals: Vec<Refusal>,
    /// The limits that would allow all the removals that are held back by a lower one.
    pub limits_needed: Vec<Limit>,
    /// Who was in each workspace when it was read, by index; none where nothing was read.
    pub census: Vec<Option<Census>>,
}

/// How many rows ended in which decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// To be added.
    pub add: u64,
    /// Members who get another role.
    pub update_role: u64,
    /// To be removed and added again.
    pub renew: u64,
    /// Deployment roles to set.
    pub deployment_roles: u64,
    /// Members and invitations to remove.
    pub remove: u64,
    /// Members with the wanted role.
    pub unchanged: u64,
    /// Members with another role, which they keep.
    pub role_kept: u64,
    /// Role changes and removals that a guard holds back.
    pub held_back: u64,
    /// Members who are not in the roster and stay, but not because of a guard.
    pub extra_kept: u64,
    /// Pending invitations.
    pub already_invited: u64,
    /// Accounts that have only an old invitation, which gives them no access.
    pub locked_out: u64,
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
    /// Counts one more item.
    pub fn count(&mut self, item: &Item) {
        let counter = match (&item.decision, item.phase()) {
            (Decision::Change(_), Phase::Deployments) => &mut self.deployment_roles,
            // A role that needs no change counts with its row.
            (Decision::Keep(reason), Phase::Deployments) if reason.is_settled() => return,
            (Decision::Keep(Reason::HeldBack(..)), Phase::Deployments) => &mut self.role_kept,
            (Decision::Keep(Reason::Protected(_)), Phase::Removals) => &mut self.extra_kept,
            (Decision::Change(Action::Add(_)), _) => &mut self.add,
            (Decision::Change(Action::SetRole { .. }), _) => &mut self.update_role,
            (Decision::Change(Action::Replace { .. }), _) => &mut self.renew,
            (Decision::Change(Action::Remove(_)), _) => &mut self.remove,
            (Decision::Keep(Reason::HeldBack(..)), _) => &mut self.held_back,
            (Decision::Keep(Reason::ViaTeam | Reason::RolesHidden | Reason::UnsureRoster), _) => {
                &mut self.extra_kept
            }
            (Decision::Keep(Reason::Unchanged), _) => &mut self.unchanged,
            (Decision::Keep(Reason::RoleKept(_) | Reason::Protected(_)), _) => &mut self.role_kept,
            (Decision::Keep(Reason::AlreadyInvited(_)), _) => &mut self.already_invited,
            (Decision::Keep(Reason::LockedOut(_)), _) => &mut self.locked_out,
            (Decision::Keep(Reason::Merged { .. }), _) => &mut self.merged,
            (Decision::Keep(Reason::Invalid(_)), _) => &mut self.invalid,
            (Decision::Keep(Reason::LeftOut), _) => &mut self.left_out,
            (Decision::Keep(Reason::Rejected(_)), _) => &mut self.rejected,
            (Decision::Keep(Reason::Unreadable(_)), _) => &mut self.gave_up,
        };
        *counter += 1;
    }

    /// The sum of these items.
    pub fn of<'i>(items: impl IntoIterator<Item = &'i Item>) -> Self {
        let mut counts = Self::default();
        items.into_iter().for_each(|item| counts.count(item));
        counts
    }
}

impl Plan {
    /// Whether the workspace at this index does not exist yet.
    pub fn is_to_be_created(&self, place: u32) -> bool {
        self.to_create.contains(&place)
    }

    /// The workspace of an item.
    pub fn workspace(&self, item: &Item) -> Option<&Workspace> {
        item.workspace().map(|place| &self.workspaces[place as usize])
    }

    /// The deployment of an item.
    pub fn deployment(&self, item: &Item) -> Option<&Deployment> {
        item.deployment().map(|place| &self.deployments[place as usize])
    }

    /// All items with their numbers.
    pub fn numbered(&self) -> impl Iterator<Item = (ItemId, &Item)> {
        self.items.iter().enumerate().map(|(index, item)| (ItemId::from_index(index), item))
    }

    /// The item of a row.
    pub fn of_row(&self, row: RowNumber) -> &Item {
        &self.items[row.index()]
    }

    /// The items of a phase.
    pub fn in_phase(&self, phase: Phase) -> &[Item] {
        let from = self.items.partition_point(|item| item.phase() < phase);
        let to = self.items.partition_point(|item| item.phase() <= phase);
        &self.items[from..to]
    }

    /// Whether a phase changes anything.
    pub fn has_changes(&self, phase: Phase) -> bool {
        self.in_phase(phase).iter().any(|item| item.decision.is_change())
    }

    /// The mutations of a phase, workspace by workspace, within one stage by stage in the order of the items.
    pub fn operations(&self, phase: Phase) -> Vec<Operation> {
        let operation = |(id, item): (ItemId, &Item)| {
            let action = item.decision.action().filter(|_| item.phase() == phase)?;
            Some(Operation { item: id, workspace: item.workspace()?, action })
        };
        // A million of them are not to be copied as the list grows.
        let changes = self.in_phase(phase).iter().filter(|item| item.decision.is_change()).count();
        let mut operations = Vec::with_capacity(changes);
        operations.extend(self.numbered().filter_map(operation));
        sort(&mut operations);
        operations
    }
}

/// These of some items, whose numbers come in their order.
pub fn pick<'i>(items: &'i mut [Item], ids: &[ItemId]) -> impl Iterator<Item = &'i mut Item> {
    let (mut rest, mut next) = (items.iter_mut(), 0);
    ids.iter().filter_map(move |id| {
        let skipped = id.index() - next;
        next = id.index() + 1;
        rest.nth(skipped)
    })
}

/// Puts operations into the order in which they are sent.
pub fn sort(operations: &mut [Operation]) {
    operations
        .sort_unstable_by_key(|operation| (operation.workspace, operation.action.stage(), operation.item));
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

    fn plan(rows: impl IntoIterator<Item = (u32, Decision)>) -> Plan {
        let row = |(index, (workspace, decision))| Item {
            origin: Origin::Row(RowNumber::from_index(index)),
            subject: Some(Subject::new(workspace, None)),
            wanted: None,
            seen: None,
            decision,
        };
        Plan { items: rows.into_iter().enumerate().map(row).collect(), ..Plan::default() }
    }

    #[test]
    fn operations_come_stage_by_stage() {
        let change = |from, to| set(from, to, Holder::Member);
        let decisions = [change(Admin, Viewer), change(Viewer, Admin), add(Viewer), change(Editor, Admin)];
        let plan = plan(decisions.map(|decision| (0, decision)));
        let order: Vec<_> = plan.operations(Phase::Members).iter().map(|op| op.item.get()).collect();
        assert_eq!(order, [3, 2, 4, 1]);
        assert_eq!(Counts::of(&plan.items), Counts { add: 1, update_role: 3, ..Counts::default() });
    }

    #[test]
    fn operations_come_workspace_by_workspace() {
        let rows =
            [(1, add(Viewer)), (0, add(Viewer)), (0, Decision::Keep(Reason::Unchanged)), (1, add(Viewer))];
        let plan = plan(rows);
        let operations = plan.operations(Phase::Members);
        let order: Vec<_> = operations.iter().map(|op| (op.workspace, op.item.get())).collect();
        assert_eq!(order, [(0, 2), (1, 1), (1, 4)]);
        assert_eq!(Counts::of(&plan.items), Counts { add: 3, unchanged: 1, ..Counts::default() });
    }

    #[test]
    fn every_item_has_one_phase_and_counts_in_it() {
        let row = Origin::Row(RowNumber::from_index(0));
        let item = |origin, deployment, decision| Item {
            origin,
            subject: Some(Subject::new(0, deployment)),
            wanted: None,
            seen: None,
            decision,
        };
        let remove = Action::Remove(Some(Viewer));
        let held = |guard| Decision::Keep(Reason::HeldBack(guard, remove));
        let items = vec![
            item(row, None, add(Viewer)),
            item(row, None, held(Guard::Caller)),
            item(row, None, Decision::Keep(Reason::Protected(remove))),
            item(row, Some(0), add(Viewer)),
            item(row, Some(1), Decision::Change(remove)),
            item(row, Some(2), held(Guard::Caller)),
            item(row, Some(3), Decision::Keep(Reason::Unchanged)),
            item(Origin::Extra, None, Decision::Change(remove)),
            item(Origin::Extra, None, Decision::Keep(Reason::Protected(remove))),
        ];
        let plan = Plan { items, ..Plan::default() };
        let phases = [Phase::Members, Phase::Deployments, Phase::Removals];
        assert_eq!(phases.map(|phase| plan.in_phase(phase).len()), [3, 4, 2]);
        let numbers = |phase| plan.operations(phase).iter().map(|op| op.item.get()).collect::<Vec<_>>();
        assert_eq!(phases.map(numbers), [vec![1], vec![4, 5], vec![8]]);
        let counts = Counts {
            add: 1,
            held_back: 1,
            role_kept: 2,
            deployment_roles: 2,
            remove: 1,
            extra_kept: 1,
            ..Counts::default()
        };
        assert_eq!(Counts::of(&plan.items), counts);
    }

    #[test]
    fn items_are_picked_by_their_numbers() {
        let mut plan = plan([0, 1, 2, 3, 4].map(|workspace| (workspace, add(Viewer))));
        for places in [&[][..], &[0], &[4], &[1, 2], &[0, 3, 4], &[0, 1, 2, 3, 4]] {
            let ids: Vec<ItemId> = places.iter().map(|&place| RowNumber::from_index(place).into()).collect();
            let picked = pick(&mut plan.items, &ids).filter_map(|item| item.row());
            assert_eq!(picked.map(ItemId::from).collect::<Vec<_>>(), ids);
        }
    }
}
