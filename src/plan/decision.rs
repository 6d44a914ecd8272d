//! The change to one person in one workspace or deployment, or why there is none.
//!
//! Main types: [`Decision`], made by [`decide`] from a wish and a [`Membership`], and [`Action`], the one
//! change that it may lead to. Pure; [`super::guard`] holds back what must not be done.

use std::mem::size_of;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Membership, RolePolicy, Standing};
use crate::model::{Level, RowNumber, Scope};
use crate::outcome::{Cause, Code, Status};

/// One change to one person, in a workspace or in a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Gives a role to a person who has none: one mutation.
    Add(Level),
    /// Changes the role of a person who has one: one mutation.
    SetRole {
        /// The role that they have.
        from: Level,
        /// The role that they get; another one.
        to: Level,
        /// What has the role.
        holder: Holder,
    },
    /// Removes a person and adds them again, because Houston lists them twice, or to renew their invitation.
    Replace {
        /// The role that they get.
        to: Level,
        /// What is removed.
        holder: Holder,
    },
    /// Removes a person who has this role, if it is known: one mutation.
    Remove(Option<Level>),
}

/// The two writes of a replacement, in their order. The second is sent once a read has proved the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReplaceStep {
    /// Removes the accounts that the plan names.
    Remove,
    /// Adds the person.
    Add,
}

/// What has a role that is changed, or what is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Holder {
    /// A member, also one who has never signed in.
    Member,
    /// A pending invitation: the person gets the role on signing up.
    Invitation,
}

impl Action {
    /// Its word in plans. A replacement is named after its result, which is what readers of a plan look for.
    pub fn word(self) -> &'static str {
        match self {
            Self::Add(_) | Self::Replace { .. } => "add",
            Self::SetRole { .. } => "update_role",
            Self::Remove(_) => "remove",
        }
    }

    /// The role that the person has afterwards.
    pub fn level(self) -> Option<Level> {
        match self {
            Self::Add(level) => Some(level),
            Self::SetRole { to, .. } | Self::Replace { to, .. } => Some(to),
            Self::Remove(_) => None,
        }
    }

    /// The role of a person who is added, if it adds one.
    pub fn added(self) -> Option<Level> {
        match self {
            Self::Add(level) => Some(level),
            Self::SetRole { .. } | Self::Replace { .. } | Self::Remove(_) => None,
        }
    }

    /// The role and what has it of a person who is removed and added again, if it replaces one.
    pub fn replaced(self) -> Option<(Level, Holder)> {
        match self {
            Self::Replace { to, holder } => Some((to, holder)),
            Self::Add(_) | Self::SetRole { .. } | Self::Remove(_) => None,
        }
    }

    /// What has a role that is changed, if it changes one.
    pub fn holder(self) -> Option<Holder> {
        match self {
            Self::SetRole { holder, .. } => Some(holder),
            Self::Add(_) | Self::Replace { .. } | Self::Remove(_) => None,
        }
    }

    /// Whether it may make an admin of the person: adding them may turn out as an invitation.
    pub fn makes_an_admin(self) -> bool {
        match self {
            Self::Add(level) => level == Level::Admin,
            Self::SetRole { to, holder, .. } => to == Level::Admin && holder == Holder::Member,
            Self::Replace { .. } | Self::Remove(_) => false,
        }
    }

    /// The role that the person loses, if it is known.
    pub fn from(self) -> Option<Level> {
        match self {
            Self::SetRole { from, .. } => Some(from),
            Self::Remove(level) => level,
            Self::Add(_) | Self::Replace { .. } => None,
        }
    }

    /// Whether it removes rights, if only for a moment.
    pub fn takes_away(self) -> bool {
        match self {
            Self::Add(_) => false,
            Self::SetRole { from, to, .. } => to < from,
            Self::Replace { .. } | Self::Remove(_) => true,
        }
    }

    /// Whether this leaves the workspace with one admin fewer, given what Houston has of the person, if only
    /// for a moment. An invitation, or a user who has never signed in, is no admin yet.
    pub fn takes_an_admin(self, seen: Membership) -> bool {
        match self {
            Self::Add(_) | Self::SetRole { .. } => self.demotes_an_admin(),
            Self::Replace { .. } | Self::Remove(_) => seen.is_active_admin(),
        }
    }

    /// Whether this demotes an admin, who stays a member.
    pub fn demotes_an_admin(self) -> bool {
        match self {
            Self::SetRole { from, holder, .. } => {
                from == Level::Admin && self.takes_away() && holder == Holder::Member
            }
            Self::Add(_) | Self::Replace { .. } | Self::Remove(_) => false,
        }
    }

    /// When it is sent.
    pub fn stage(self) -> Stage {
        match self {
            Self::Add(_) => Stage::Adds,
            Self::SetRole { .. } if self.takes_away() => Stage::Demotions,
            Self::SetRole { .. } | Self::Replace { .. } => Stage::Promotions,
            Self::Remove(_) => Stage::Removals,
        }
    }
}

/// The stages of a workspace's life in which operations are sent, in their order: each begins when
/// the one before it has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Who is missing comes in.
    Adds,
    /// Who gets more rights gets them.
    Promotions,
    /// Demotions, once the workspace has enough other admins.
    Demotions,
    /// Removes a person who is not in the roster.
    Removals,
}

impl Stage {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::Adds, Self::Promotions, Self::Demotions, Self::Removals];
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();
}

/// What to do about one row, one role in a deployment, or one person who is not in the roster. Small,
/// since there is one per row: causes are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// This is done.
    Change(Action),
    /// No change.
    Keep(Reason),
}

const _: () = assert!(size_of::<Decision>() == 16, "a million rows are a million decisions");

/// Why nothing is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A member with the wanted role.
    Unchanged,
    /// A member with this other role, and changing it was not asked for.
    RoleKept(Level),
    /// A pending invitation; its role, if Houston gives it.
    AlreadyInvited(Option<Level>),
    /// A pending invitation, with its role if Houston gives it, to a person who has an account: the invitation
    /// gives it no access (houston.md 3.2).
    LockedOut(Option<Level>),
    /// A guard prevents this: the run ends with 7.
    HeldBack(Guard, Action),
    /// `--protect` covers the person, at the user's own request.
    Protected(Action),
    /// Not in the roster, and a member through a Team or a custom role, which removing a member does not revoke.
    ViaTeam,
    /// Not in the roster, and Houston does not show the roles of this member.
    RolesHidden,
    /// Not in the roster, which has an invalid row for this workspace: it may be meant for them.
    UnsureRoster,
    /// This row says the same as an earlier one, or lost a conflict against it.
    Merged {
        /// The row that speaks for both.
        into: RowNumber,
    },
    /// The row is not valid and was left out on request.
    Invalid(Arc<Cause>),
    /// Outside of `--only` or `--limit`.
    LeftOut,
    /// It cannot be done: the workspace is unknown, or the caller has no access.
    Rejected(Arc<Cause>),
    /// Houston's state could not be read. A later try can settle it.
    Unreadable(Arc<Cause>),
}

/// What holds a change back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// It would remove rights from the token's own user.
    Caller,
    /// It would leave the workspace without an admin.
    LastAdmin,
    /// More would be removed than the limits allow.
    TooMany,
    /// The workspace could not be read completely.
    Incomplete,
}

impl Guard {
    const ALL: [Self; 4] = [Self::Caller, Self::LastAdmin, Self::TooMany, Self::Incomplete];

    /// The guard of this code; none for every other code.
    pub fn of(code: &Code) -> Option<Self> {
        Self::ALL.into_iter().find(|guard| guard.code() == *code)
    }

    fn code(self) -> Code {
        match self {
            Self::Caller => Code::GuardSelf,
            Self::LastAdmin => Code::GuardLastAdmin,
            Self::TooMany => Code::GuardMaxRemove,
            Self::Incomplete => Code::GuardIncomplete,
        }
    }

    /// Why it holds this back, for people.
    fn why(self, action: Action) -> &'static str {
        let demotes = matches!(action, Action::SetRole { .. });
        match self {
            Self::Caller if demotes => "the token's own user is never demoted",
            Self::Caller => "the token's own user is never removed",
            Self::LastAdmin if demotes => "demoting them would leave the workspace without an admin",
            Self::LastAdmin => "removing them would leave the workspace without an admin",
            Self::TooMany => "more people would be removed than --max-remove and --max-remove-percent allow",
            Self::Incomplete => "the workspace could not be read completely, so no one is removed there",
        }
    }
}

impl Decision {
    /// The change that follows, if one does.
    pub fn action(&self) -> Option<Action> {
        match self {
            Self::Change(action) => Some(*action),
            Self::Keep(_) => None,
        }
    }

    /// Its word in plans.
    pub fn word(&self) -> &'static str {
        self.action().map_or("none", Action::word)
    }

    /// Why nothing is done, if nothing is.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Change(_) => None,
            Self::Keep(reason) => Some(reason),
        }
    }

    /// Whether this decision leads to a mutation.
    pub fn is_change(&self) -> bool {
        self.action().is_some()
    }

    /// Whether this leaves the workspace with one admin fewer, given what Houston has of the person.
    pub fn takes_an_admin(&self, seen: Membership) -> bool {
        self.action().is_some_and(|action| action.takes_an_admin(seen))
    }

    /// Whether this adds the person.
    pub fn is_add(&self) -> bool {
        matches!(self, Self::Change(Action::Add(_)))
    }

    /// The status and the cause of an item that needs no mutation; none for one that does.
    pub fn end(&self, scope: Scope, wanted: Option<Level>) -> Option<(Status, Option<Cause>)> {
        self.reason().map(|reason| reason.end(scope, wanted))
    }
}

impl Reason {
    /// The status and the cause that an item ends with. `wanted` is the role that the roster wants.
    pub fn end(&self, scope: Scope, wanted: Option<Level>) -> (Status, Option<Cause>) {
        match self {
            Self::Unchanged => (Status::Unchanged, None),
            Self::RoleKept(level) => (Status::RoleKept, Some(other_role(scope, *level))),
            Self::AlreadyInvited(level) => (Status::AlreadyInvited, invited_otherwise(scope, *level, wanted)),
            Self::LockedOut(_) => {
                let why = "is locked out: has an account, but the old invitation gives no access";
                (Status::AlreadyInvited, Some(Cause::new(Code::LockedOut, why)))
            }
            Self::HeldBack(guard, action) => {
                (held_status(*guard, *action), Some(held(scope, *action, guard.code(), guard.why(*action))))
            }
            Self::Protected(action) => {
                let cause = held(scope, *action, Code::Protected, "covered by --protect");
                (protected_status(scope, *action), Some(cause))
            }
            Self::ViaTeam => {
                let why = "has access through a Team or custom role, which removing a member does not revoke";
                (Status::Unchanged, Some(Cause::new(Code::TeamOrCustomRole, why)))
            }
            Self::RolesHidden => {
                let why = "Houston does not show the roles of this member";
                (Status::Unchanged, Some(Cause::new(Code::RolesHidden, why)))
            }
            Self::UnsureRoster => {
                let why = "a row for this workspace is invalid, so no one is removed there";
                (Status::Unchanged, Some(Cause::new(Code::InvalidRow, why)))
            }
            Self::Merged { into } => {
                (Status::Merged, Some(Cause::new(Code::Merged, format!("merged into row {into}"))))
            }
            Self::Invalid(cause) => (Status::Invalid, Some(cause.as_ref().clone())),
            Self::LeftOut => {
                (Status::NotRun, Some(Cause::new(Code::LeftOut, "excluded by --only or --limit")))
            }
            Self::Rejected(cause) => (Status::Rejected, Some(cause.as_ref().clone())),
            Self::Unreadable(cause) => (Status::GaveUp, Some(cause.as_ref().clone())),
        }
    }

    /// The other role than the wanted one that a member keeps.
    pub fn level_kept(&self) -> Option<Level> {
        match self {
            Self::RoleKept(level) => Some(*level),
            Self::HeldBack(_, action) | Self::Protected(action) => action.from(),
            Self::Unchanged
            | Self::AlreadyInvited(_)
            | Self::LockedOut(_)
            | Self::ViaTeam
            | Self::RolesHidden
            | Self::UnsureRoster
            | Self::Merged { .. }
            | Self::Invalid(_)
            | Self::LeftOut
            | Self::Rejected(_)
            | Self::Unreadable(_) => None,
        }
    }

    /// The row that speaks for this one too.
    pub fn merged_into(&self) -> Option<RowNumber> {
        match self {
            Self::Merged { into } => Some(*into),
            Self::Unchanged
            | Self::RoleKept(_)
            | Self::AlreadyInvited(_)
            | Self::LockedOut(_)
            | Self::HeldBack(..)
            | Self::Protected(_)
            | Self::ViaTeam
            | Self::RolesHidden
            | Self::UnsureRoster
            | Self::Invalid(_)
            | Self::LeftOut
            | Self::Rejected(_)
            | Self::Unreadable(_) => None,
        }
    }

    /// Whether there is nothing to do or to find out, also because another row or the selection covers it.
    pub fn is_settled(&self) -> bool {
        match self {
            Self::Unchanged
            | Self::AlreadyInvited(_)
            | Self::LockedOut(_)
            | Self::Merged { .. }
            | Self::Invalid(_)
            | Self::LeftOut => true,
            Self::RoleKept(_)
            | Self::HeldBack(..)
            | Self::Protected(_)
            | Self::ViaTeam
            | Self::RolesHidden
            | Self::UnsureRoster
            | Self::Rejected(_)
            | Self::Unreadable(_) => false,
        }
    }

    /// A permanent failure, or a state that could not be read.
    pub fn failed(status: Status, cause: Arc<Cause>) -> Self {
        if status == Status::Rejected { Self::Rejected(cause) } else { Self::Unreadable(cause) }
    }
}

/// The status of a change that a guard holds back. A later try can replace the last admin.
fn held_status(guard: Guard, action: Action) -> Status {
    match (guard, action) {
        (_, Action::Remove(_)) => Status::Unchanged,
        (Guard::LastAdmin, Action::Replace { .. }) => Status::GaveUp,
        (_, Action::Add(_) | Action::SetRole { .. } | Action::Replace { .. }) => Status::RoleKept,
    }
}

/// The status of a change to a protected person, which is not made.
fn protected_status(scope: Scope, action: Action) -> Status {
    match (scope, action) {
        (Scope::Workspace, Action::Remove(_)) => Status::Unchanged,
        (Scope::Workspace | Scope::Deployment, _) => Status::RoleKept,
    }
}

/// The cause of a change that is held back.
fn held(scope: Scope, action: Action, code: Code, why: &str) -> Cause {
    let text = match action {
        Action::SetRole { from, to, .. } => {
            format!("keeps {} instead of {}: {why}", scope.role(from), scope.role(to))
        }
        Action::Add(_) | Action::Replace { .. } | Action::Remove(_) => why.to_owned(),
    };
    Cause::new(code, text)
}

/// Why a member with a different role is left as they are.
pub fn other_role(scope: Scope, level: Level) -> Cause {
    Cause::new(Code::OtherRole, format!("keeps {}", scope.role(level)))
}

/// The remark for an invitation with a different role.
fn invited_otherwise(scope: Scope, level: Option<Level>, wanted: Option<Level>) -> Option<Cause> {
    let (level, wanted) = (level?, wanted?);
    let text = || format!("is invited as {}, but the roster wants {}", scope.role(level), scope.role(wanted));
    (level != wanted).then(|| Cause::new(Code::OtherRole, text()))
}

/// The decision for one wish. A person who is in the workspace in any way is never added; with
/// [`RolePolicy::Keep`] they are left as they are. People with several bindings or invitations are not
/// changed, since the effect would be unknown.
pub fn decide(scope: Scope, wanted: Level, present: Membership, roles: RolePolicy) -> Decision {
    match (present, roles) {
        (Membership::Absent, _) => Decision::Change(Action::Add(wanted)),
        (Membership::Invited { role: Some(role), invites: 1 }, RolePolicy::Update) if role != wanted => {
            Decision::Change(Action::SetRole { from: role, to: wanted, holder: Holder::Invitation })
        }
        (Membership::Invited { role, .. }, _) => Decision::Keep(Reason::AlreadyInvited(role)),
        (Membership::Member { role, .. }, RolePolicy::Update) if role != wanted => {
            if let Some(cause) = present.doubled(scope) {
                return Decision::Keep(Reason::Rejected(Arc::new(cause)));
            }
            Decision::Change(Action::SetRole { from: role, to: wanted, holder: Holder::Member })
        }
        (Membership::Member { role, standing: Standing::Pending, .. }, _) => {
            Decision::Keep(Reason::AlreadyInvited(Some(role)))
        }
        (Membership::Member { role, .. }, _) if role == wanted => Decision::Keep(Reason::Unchanged),
        (Membership::Member { role, .. }, _) => Decision::Keep(Reason::RoleKept(role)),
    }
}

/// The decision for one wish in a deployment; the wish may be that there is no role.
pub fn decide_in_deployment(wanted: Option<Level>, present: Membership, roles: RolePolicy) -> Decision {
    match (wanted, present, roles) {
        (Some(wanted), present, roles) => decide(Scope::Deployment, wanted, present, roles),
        (None, Membership::Absent, _) => Decision::Keep(Reason::Unchanged),
        (None, Membership::Invited { role, .. }, _) => Decision::Keep(Reason::AlreadyInvited(role)),
        (None, Membership::Member { role, .. }, RolePolicy::Update) => {
            Decision::Change(Action::Remove(Some(role)))
        }
        (None, Membership::Member { role, .. }, RolePolicy::Keep) => Decision::Keep(Reason::RoleKept(role)),
    }
}
