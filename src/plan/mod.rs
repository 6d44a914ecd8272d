//! The change: what must be done so that Houston has what the roster wants. Pure: no files, no
//! network, no threads.
//!
//! Main type: [`Plan`], made of one [`Decision`] per row by [`decide`] from a wish and a
//! [`Membership`]; [`compare::Comparison`] finds the membership of many people in one pass over
//! what Houston has, and [`guard`] holds back what must not be done. Nothing here may know where
//! wishes or memberships come from.

pub mod compare;
pub mod extra;
pub mod grant;
pub mod guard;
pub mod protect;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use self::extra::{Account, Extra, Stay};
use self::grant::Grant;
use self::guard::{Guard, Limit, Refusal};
use crate::model::{Level, RowNumber, Scope, WorkspaceId};
use crate::outcome::{Cause, Status};

/// What Houston has of one person in one workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Membership {
    /// A direct role binding in the workspace.
    Member {
        /// The role of the binding that Houston lists first: the one that counts on old servers.
        role: Level,
        /// How many direct bindings there are; more than one is a defect of old servers.
        bindings: u8,
        /// Whether the user has never signed in: an invitation in the newer model of Houston.
        standing: Standing,
    },
    /// A pending invitation, with its role if Houston tells it.
    Invited {
        /// The role the person gets on signing up.
        role: Option<Level>,
        /// How many invitations there are; more than one is a defect.
        invites: u8,
    },
    /// Neither: proved by the complete list of members, and of invitations where readable.
    Absent,
}

/// Whether a member has ever signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A user who has signed in.
    Active,
    /// A user whose first sign-in is awaited.
    Pending,
    /// A user who is banned or inactive: a member who cannot sign in.
    Disabled,
}

impl Membership {
    /// Whether Houston holds the same person twice, which no retry can mend.
    pub fn is_doubled(self) -> bool {
        match self {
            Self::Member { bindings, .. } => bindings > 1,
            Self::Invited { invites, .. } => invites > 1,
            Self::Absent => false,
        }
    }
}

impl Membership {
    /// What is to be said about somebody whom Houston holds twice.
    pub fn doubled(self, scope: Scope) -> Option<Cause> {
        let text = match self {
            Self::Member { bindings, .. } => format!("has {bindings} role bindings in the {scope}"),
            Self::Invited { invites, .. } => format!("has {invites} invitations to the workspace"),
            Self::Absent => return None,
        };
        self.is_doubled().then(|| Cause::new("duplicate_binding", text))
    }
}

impl Membership {
    /// In words, for people and for `plan.jsonl`.
    pub fn described(self, scope: Scope) -> String {
        let name = |level| scope.role(level).name();
        match self {
            Self::Member { role, standing: Standing::Active, .. } => format!("member as {}", name(role)),
            Self::Member { role, standing: Standing::Pending, .. } => format!("pending as {}", name(role)),
            Self::Member { role, standing: Standing::Disabled, .. } => {
                format!("member as {}, cannot sign in", name(role))
            }
            Self::Invited { role: Some(role), .. } => format!("invited as {}", name(role)),
            Self::Invited { role: None, .. } => "invited".to_owned(),
            Self::Absent => "absent".to_owned(),
        }
    }
}

/// What to do about one row, and why. Small, since there is one per row: causes are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Add the person: one mutation.
    Add,
    /// Change the role of a member: one mutation.
    UpdateRole(RoleChange),
    /// Take the person away and add them again, since Houston has them twice, or to renew their
    /// invitation; the role that they have, if it is known.
    Replace(Option<Level>),
    /// Take this role in a deployment away: one mutation.
    Take(Level),
    /// Nothing: a member with the wanted role.
    Unchanged,
    /// Nothing: a member with another role, and changing it was not asked for.
    RoleKept(Level),
    /// Nothing: a member whose role was to be changed, which a guard does not let happen.
    HeldBack(RoleChange, Guard),
    /// Nothing: a pending invitation; its role, if Houston tells it.
    AlreadyInvited(Option<Level>),
    /// Nothing: this row says the same as an earlier one, or lost a conflict against it.
    Merged {
        /// The row that speaks for both.
        into: RowNumber,
    },
    /// Nothing: the row is not valid and was left out on request.
    Invalid(Arc<Cause>),
    /// Nothing: outside of `--only` or `--limit`.
    LeftOut,
    /// Nothing can be done, for good: the workspace is unknown or closed to the caller.
    Rejected(Arc<Cause>),
    /// Nothing is sent now: what Houston has could not be read. A later try can settle it.
    GaveUp(Arc<Cause>),
}

/// One role in the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleChange {
    /// The role that the member has.
    pub from: Level,
    /// The role that the member gets; another one.
    pub to: Level,
    /// Whose role it is.
    pub whose: Whose,
}

/// Whose role is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// A member's, also of one who has never signed in.
    Members,
    /// A pending invitation's: the role that the person gets on signing up.
    Invitations,
}

impl RoleChange {
    /// Whether it takes rights away.
    pub fn is_demotion(self) -> bool {
        self.to < self.from
    }

    /// Whether the workspace has one admin less afterwards.
    pub fn takes_an_admin(self) -> bool {
        self.from == Level::Admin && self.is_demotion() && self.whose == Whose::Members
    }
}

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

impl Decision {
    /// Whether this decision leads to a mutation.
    pub fn is_change(&self) -> bool {
        match self {
            Self::Add | Self::UpdateRole(_) | Self::Replace(_) | Self::Take(_) => true,
            Self::Unchanged
            | Self::RoleKept(_)
            | Self::HeldBack(..)
            | Self::AlreadyInvited(_)
            | Self::Merged { .. }
            | Self::Invalid(_)
            | Self::LeftOut
            | Self::Rejected(_)
            | Self::GaveUp(_) => false,
        }
    }

    /// The mutation that follows, if one does. `role` tells the wanted role.
    pub fn operation(&self, role: impl FnOnce() -> Option<Level>) -> Option<OperationKind> {
        match self {
            Self::Add => role().map(OperationKind::Add),
            Self::UpdateRole(change) => Some(OperationKind::SetRole(*change)),
            Self::Replace(_) => role().map(OperationKind::Replace),
            Self::Take(role) => Some(OperationKind::Remove(Some(*role))),
            Self::Unchanged
            | Self::RoleKept(_)
            | Self::HeldBack(..)
            | Self::AlreadyInvited(_)
            | Self::Merged { .. }
            | Self::Invalid(_)
            | Self::LeftOut
            | Self::Rejected(_)
            | Self::GaveUp(_) => None,
        }
    }
}

/// The decision for one wish. Whoever is there in any way is never added; with
/// [`RolePolicy::Keep`] they are left as they are. Of somebody with several bindings or invitations
/// nobody knows what a change would do.
pub fn decide(scope: Scope, wanted: Level, present: Membership, roles: RolePolicy) -> Decision {
    match (present, roles) {
        (Membership::Absent, _) => Decision::Add,
        (Membership::Invited { role: Some(role), invites: 1 }, RolePolicy::Update) if role != wanted => {
            Decision::UpdateRole(RoleChange { from: role, to: wanted, whose: Whose::Invitations })
        }
        (Membership::Invited { role, .. }, _) => Decision::AlreadyInvited(role),
        (Membership::Member { role, .. }, RolePolicy::Update) if role != wanted => {
            if let Some(cause) = present.doubled(scope) {
                return Decision::Rejected(Arc::new(cause));
            }
            Decision::UpdateRole(RoleChange { from: role, to: wanted, whose: Whose::Members })
        }
        (Membership::Member { role, standing: Standing::Pending, .. }, _) => {
            Decision::AlreadyInvited(Some(role))
        }
        (Membership::Member { role, .. }, _) if role == wanted => Decision::Unchanged,
        (Membership::Member { role, .. }, _) => Decision::RoleKept(role),
    }
}

/// The status and the reason of a row that needs no mutation; none for a row that does.
pub fn concluded_by_plan(
    scope: Scope,
    decision: &Decision,
    wanted: Option<Level>,
) -> Option<(Status, Option<Cause>)> {
    Some(match decision {
        Decision::Add | Decision::UpdateRole(_) | Decision::Replace(_) | Decision::Take(_) => return None,
        Decision::HeldBack(change, guard) => (Status::RoleKept, Some(guard.cause(scope, *change))),
        Decision::Unchanged => (Status::Unchanged, None),
        Decision::RoleKept(role) => (Status::RoleKept, Some(role_kept(scope, *role))),
        Decision::AlreadyInvited(role) => (Status::AlreadyInvited, invited_otherwise(scope, *role, wanted)),
        Decision::Merged { into } => {
            (Status::Merged, Some(Cause::new("merged", format!("says the same as row {into}"))))
        }
        Decision::Invalid(cause) => (Status::Invalid, Some(cause.as_ref().clone())),
        Decision::LeftOut => (Status::NotRun, Some(Cause::new("left_out", "outside of --only or --limit"))),
        Decision::Rejected(cause) => (Status::Rejected, Some(cause.as_ref().clone())),
        Decision::GaveUp(cause) => (Status::GaveUp, Some(cause.as_ref().clone())),
    })
}

/// Why a member with another role than the wanted one is left as they are.
pub fn role_kept(scope: Scope, level: Level) -> Cause {
    Cause::new("other_role", format!("is {} and stays it", scope.role(level)))
}

/// The remark for an invitation whose role is not the wanted one.
pub fn invited_otherwise(scope: Scope, role: Option<Level>, wanted: Option<Level>) -> Option<Cause> {
    let (role, wanted) = (role?, wanted?);
    let text = || format!("is invited as {}, the roster wants {}", scope.role(role), scope.role(wanted));
    (role != wanted).then(|| Cause::new("other_role", text()))
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
    /// The row that asks for it.
    pub row: RowNumber,
    /// Index into [`Plan::workspaces`].
    pub workspace: u32,
    /// What to do.
    pub kind: OperationKind,
}

/// The mutations there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationKind {
    /// Give somebody who is absent this role.
    Add(Level),
    /// Give a member another role.
    SetRole(RoleChange),
    /// Take somebody away, and add them again with this role.
    Replace(Level),
    /// Take somebody away who has this role, if it is known.
    Remove(Option<Level>),
}

/// The stages of a workspace's life in which operations are sent, in their order: each begins when
/// the one before it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Who is missing comes in.
    Adds,
    /// Who gets more rights gets them.
    Promotions,
    /// Who gets fewer rights loses the others, when there are enough who have them.
    Demotions,
    /// Who is not in the roster goes.
    Removals,
}

impl Stage {
    /// How many there are.
    pub const COUNT: usize = 4;
}

impl OperationKind {
    /// The role that the person has afterwards.
    pub fn role(self) -> Option<Level> {
        match self {
            Self::Add(role) | Self::Replace(role) => Some(role),
            Self::SetRole(change) => Some(change.to),
            Self::Remove(_) => None,
        }
    }

    /// Whether it takes rights away from somebody, if only for a moment.
    pub fn takes_away(self) -> bool {
        match self {
            Self::Add(_) => false,
            Self::SetRole(change) => change.is_demotion(),
            Self::Replace(_) | Self::Remove(_) => true,
        }
    }

    /// When it is sent.
    pub fn stage(self) -> Stage {
        match self {
            Self::Add(_) => Stage::Adds,
            Self::SetRole(change) if change.is_demotion() => Stage::Demotions,
            Self::SetRole(_) | Self::Replace(_) => Stage::Promotions,
            Self::Remove(_) => Stage::Removals,
        }
    }
}

impl Operation {
    /// The name of this operation: made from its content, so that it is the same in every run.
    pub fn id(&self, scope: Scope, workspace: &WorkspaceId, email: &str) -> OperationId {
        let what = match self.kind {
            OperationKind::Add(_) => "add",
            OperationKind::SetRole(_) => "set_role",
            OperationKind::Replace(_) => "renew",
            OperationKind::Remove(_) => "remove",
        };
        let role = self.kind.role().map_or("", |level| scope.role(level).name());
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
            Decision::Add => &mut self.add,
            Decision::UpdateRole(_) => &mut self.update_role,
            Decision::Replace(_) => &mut self.renew,
            Decision::Take(_) => &mut self.deployment_roles,
            Decision::HeldBack(_, guard) if guard.is_guard() => &mut self.held_back,
            Decision::Unchanged => &mut self.unchanged,
            Decision::RoleKept(_) | Decision::HeldBack(..) => &mut self.role_kept,
            Decision::AlreadyInvited(_) => &mut self.already_invited,
            Decision::Merged { .. } => &mut self.merged,
            Decision::Invalid(_) => &mut self.invalid,
            Decision::LeftOut => &mut self.left_out,
            Decision::Rejected(_) => &mut self.rejected,
            Decision::GaveUp(_) => &mut self.gave_up,
        };
        *counter += 1;
    }

    /// Counts one more person who is not in the roster.
    pub fn count_extra(&mut self, stay: Option<Stay>) {
        let counter = match stay {
            None => &mut self.remove,
            Some(stay) if stay.is_guard() => &mut self.held_back,
            Some(_) => &mut self.extra_kept,
        };
        *counter += 1;
    }
}

impl Counts {
    /// Counts one more role in a deployment.
    pub fn count_grant(&mut self, grant: &Grant) {
        let counter = match grant.decision {
            Decision::Add | Decision::UpdateRole(_) | Decision::Replace(_) | Decision::Take(_) => {
                &mut self.deployment_roles
            }
            Decision::RoleKept(_) | Decision::HeldBack(..) => &mut self.role_kept,
            Decision::Rejected(_) => &mut self.rejected,
            Decision::GaveUp(_) => &mut self.gave_up,
            Decision::Unchanged
            | Decision::AlreadyInvited(_)
            | Decision::Merged { .. }
            | Decision::Invalid(_)
            | Decision::LeftOut => return,
        };
        *counter += 1;
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
        self.extras.iter().for_each(|extra| counts.count_extra(extra.stay));
        self.grants.iter().for_each(|grant| counts.count_grant(grant));
        counts
    }

    /// Who is to be taken away.
    pub fn leavers(&self) -> impl Iterator<Item = &Extra> {
        self.extras.iter().filter(|extra| extra.leaves())
    }

    /// The mutations, workspace by workspace, within one stage by stage in the order of the rows.
    /// `role` tells the wanted role of a row.
    pub fn operations(&self, role: impl Fn(RowNumber) -> Option<Level>) -> Vec<Operation> {
        let mut operations: Vec<Operation> = self
            .rows
            .iter()
            .enumerate()
            .filter_map(|(index, planned)| {
                let row = RowNumber::from_index(index);
                let kind = planned.decision.operation(|| role(row))?;
                Some(Operation { row, workspace: planned.workspace?, kind })
            })
            .collect();
        sort(&mut operations);
        operations
    }
}

/// Puts operations into the order in which they are sent.
pub fn sort(operations: &mut [Operation]) {
    operations.sort_by_key(|operation| (operation.workspace, operation.kind.stage(), operation.row));
}

#[cfg(test)]
mod tests {
    use super::*;
    use Level::{Admin, Editor, Viewer};

    fn member(role: Level, standing: Standing) -> Membership {
        Membership::Member { role, bindings: 1, standing }
    }

    #[test]
    fn only_who_is_absent_is_added() {
        let table = [
            (Membership::Absent, Decision::Add),
            (member(Editor, Standing::Active), Decision::Unchanged),
            (member(Admin, Standing::Active), Decision::RoleKept(Admin)),
            (member(Viewer, Standing::Active), Decision::RoleKept(Viewer)),
            (member(Editor, Standing::Pending), Decision::AlreadyInvited(Some(Editor))),
            (Membership::Invited { role: Some(Viewer), invites: 1 }, Decision::AlreadyInvited(Some(Viewer))),
            (Membership::Invited { role: None, invites: 1 }, Decision::AlreadyInvited(None)),
        ];
        for (present, decision) in table {
            assert_eq!(decide(Scope::Workspace, Editor, present, RolePolicy::Keep), decision, "{present:?}");
        }
    }

    #[test]
    fn members_get_the_role_of_the_roster_only_where_that_was_asked_for() {
        let update = |from| Decision::UpdateRole(RoleChange { from, to: Editor, whose: Whose::Members });
        let invitation =
            Decision::UpdateRole(RoleChange { from: Viewer, to: Editor, whose: Whose::Invitations });
        let twice = Membership::Member { role: Admin, bindings: 2, standing: Standing::Active };
        let table = [
            (Membership::Absent, Decision::Add),
            (member(Editor, Standing::Active), Decision::Unchanged),
            (member(Admin, Standing::Active), update(Admin)),
            (member(Viewer, Standing::Active), update(Viewer)),
            (member(Editor, Standing::Pending), Decision::AlreadyInvited(Some(Editor))),
            (member(Viewer, Standing::Pending), update(Viewer)),
            (Membership::Invited { role: Some(Viewer), invites: 1 }, invitation),
            (Membership::Invited { role: Some(Viewer), invites: 2 }, Decision::AlreadyInvited(Some(Viewer))),
            (Membership::Invited { role: Some(Editor), invites: 1 }, Decision::AlreadyInvited(Some(Editor))),
            (Membership::Invited { role: None, invites: 1 }, Decision::AlreadyInvited(None)),
        ];
        for (present, decision) in table {
            assert_eq!(
                decide(Scope::Workspace, Editor, present, RolePolicy::Update),
                decision,
                "{present:?}"
            );
        }
        assert!(
            matches!(decide(Scope::Workspace, Editor, twice, RolePolicy::Update), Decision::Rejected(c) if c.code == "duplicate_binding")
        );
        assert_eq!(decide(Scope::Workspace, Editor, twice, RolePolicy::Keep), Decision::RoleKept(Admin));
    }

    #[test]
    fn an_operation_is_named_after_its_content() {
        let workspace = WorkspaceId::new("ck1").expect("valid");
        let operation = |row, role| Operation {
            row: RowNumber::from_index(row),
            workspace: 0,
            kind: OperationKind::Add(role),
        };
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
        let change = |from, to| Decision::UpdateRole(RoleChange { from, to, whose: Whose::Members });
        let decisions = [change(Admin, Viewer), change(Viewer, Admin), Decision::Add, change(Editor, Admin)];
        let row = |decision| RowPlan { workspace: Some(0), seen: None, decision };
        let plan = Plan { rows: decisions.map(row).into(), ..Plan::default() };
        let order: Vec<_> = plan.operations(|_| Some(Viewer)).iter().map(|op| op.row.get()).collect();
        assert_eq!(order, [3, 2, 4, 1]);
        assert_eq!(plan.counts(), Counts { add: 1, update_role: 3, ..Counts::default() });
    }

    #[test]
    fn operations_come_workspace_by_workspace() {
        let row = |workspace, decision| RowPlan { workspace: Some(workspace), seen: None, decision };
        let plan = Plan {
            rows: vec![
                row(1, Decision::Add),
                row(0, Decision::Add),
                row(0, Decision::Unchanged),
                row(1, Decision::Add),
            ],
            ..Plan::default()
        };
        let order: Vec<_> =
            plan.operations(|_| Some(Viewer)).iter().map(|op| (op.workspace, op.row.get())).collect();
        assert_eq!(order, [(0, 2), (1, 1), (1, 4)]);
        assert_eq!(plan.counts(), Counts { add: 3, unchanged: 1, ..Counts::default() });
    }
}
