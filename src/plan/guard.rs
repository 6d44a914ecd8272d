//! What a plan must not do, whatever the roster says: the caller is never demoted, and no workspace
//! loses its last admin. Pure, and the same in whatever order the rows come.
//!
//! Main functions: [`hold_caller`] and, where [`takes_admin`] says that somebody has to count,
//! [`hold_last_admins`]. A row that is held back keeps its role; the others are carried out.

use super::{Decision, RoleChange};
use crate::model::Cause;

/// Why a change is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// It would take rights away from whoever asks for it.
    Caller,
    /// The workspace would have no admin any more.
    LastAdmin,
}

impl Guard {
    const ALL: [Self; 2] = [Self::Caller, Self::LastAdmin];

    fn code(self) -> &'static str {
        match self {
            Self::Caller => "guard_self",
            Self::LastAdmin => "guard_last_admin",
        }
    }

    /// The reason for people, and its code.
    pub fn cause(self, change: RoleChange) -> Cause {
        let RoleChange { from, to } = change;
        let why = match self {
            Self::Caller => "this is the token's own user, who is never demoted",
            Self::LastAdmin => "without those who are to be demoted the workspace would have no admin",
        };
        Cause::new(self.code(), format!("is {from} and stays it, not {to}: {why}"))
    }

    /// Whether a row with this cause was held back by a guard.
    pub fn is_cause(cause: &Cause) -> bool {
        Self::ALL.iter().any(|guard| guard.code() == cause.code)
    }
}

/// Holds back what would demote the caller. `is_caller` tells of each decision, by its place,
/// whether it is about them.
pub fn hold_caller(decisions: &mut [Decision], is_caller: impl Fn(usize) -> bool) {
    for (place, decision) in decisions.iter_mut().enumerate() {
        if let Decision::UpdateRole(change) = *decision
            && change.is_demotion()
            && is_caller(place)
        {
            *decision = Decision::HeldBack(change, Guard::Caller);
        }
    }
}

/// Whether a decision takes an admin from its workspace.
pub fn takes_admin(decision: &Decision) -> bool {
    matches!(decision, Decision::UpdateRole(change) if change.takes_an_admin())
}

/// Holds back every demotion of an admin of one workspace unless an admin remains. Whom of several
/// to keep is not ours to choose, so none of them is demoted.
///
/// `others` counts the admins of the complete member list whom the plan does not demote. Whoever is
/// to become admin in the same plan does not count: nobody knows yet whether that will succeed.
pub fn hold_last_admins(decisions: &mut [Decision], others: usize) {
    if others > 0 {
        return;
    }
    for decision in decisions {
        if let Decision::UpdateRole(change) = *decision
            && change.takes_an_admin()
        {
            *decision = Decision::HeldBack(change, Guard::LastAdmin);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Membership, RolePolicy, Standing, decide};
    use super::*;
    use crate::model::WorkspaceRole::{self, Admin, Editor, Viewer};

    /// Decides everybody's wish (member role, wanted role) in a workspace that has so many admins
    /// besides; `caller` is the place of the caller.
    fn guarded(
        people: &[(WorkspaceRole, WorkspaceRole)],
        besides: usize,
        caller: Option<usize>,
        policy: RolePolicy,
    ) -> Vec<Decision> {
        let seen = |role| Membership::Member { role, bindings: 1, standing: Standing::Active };
        let mut decisions: Vec<Decision> =
            people.iter().map(|&(has, wants)| decide(wants, seen(has), policy)).collect();
        hold_caller(&mut decisions, |place| Some(place) == caller);
        let stay =
            |(&(has, _), decision): (&(WorkspaceRole, _), &Decision)| has == Admin && !takes_admin(decision);
        let others = besides + people.iter().zip(&decisions).filter(|&pair| stay(pair)).count();
        hold_last_admins(&mut decisions, others);
        decisions
    }

    fn role() -> impl Strategy<Value = WorkspaceRole> {
        prop_oneof![Just(Admin), Just(Editor), Just(Viewer)]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_admin_remains_and_the_caller_keeps_their_rights_in_any_order_of_rows(
            people in prop::collection::vec((role(), role()), 1..8),
            besides in 0_usize..2,
            caller in prop::option::of(0_usize..8),
            turn in 0_usize..8,
        ) {
            let decisions = guarded(&people, besides, caller, RolePolicy::Update);
            let admins = besides + people.iter().filter(|(has, _)| *has == Admin).count();
            let certain = |(&(has, _), decision): (&(WorkspaceRole, _), &Decision)| has == Admin && !takes_admin(decision);
            let left = besides + people.iter().zip(&decisions).filter(|&pair| certain(pair)).count();
            prop_assert!(admins == 0 || left > 0, "{:?}", decisions);
            for (place, (&(has, wants), decision)) in people.iter().zip(&decisions).enumerate() {
                let demoted = matches!(decision, Decision::UpdateRole(change) if change.is_demotion());
                prop_assert!(!(demoted && Some(place) == caller));
                // Nobody is held back without need.
                let held = matches!(decision, Decision::HeldBack(..));
                prop_assert!(!held || Some(place) == caller || (has == Admin && left == admins), "{:?}", decisions);
                prop_assert_eq!(wants > has, matches!(decision, Decision::UpdateRole(c) if !c.is_demotion()));
            }
            let turn = turn % people.len();
            let mut turned = people.clone();
            turned.rotate_left(turn);
            let caller = caller.filter(|place| *place < people.len());
            let caller = caller.map(|place| (place + people.len() - turn) % people.len());
            let mut expected = decisions;
            expected.rotate_left(turn);
            prop_assert_eq!(guarded(&turned, besides, caller, RolePolicy::Update), expected);
        }

        #[test]
        fn without_being_asked_for_no_role_is_changed(
            people in prop::collection::vec((role(), role()), 1..8),
            besides in 0_usize..2,
        ) {
            let decisions = guarded(&people, besides, None, RolePolicy::Keep);
            prop_assert!(!decisions.iter().any(Decision::is_change));
        }
    }

    #[test]
    fn the_reason_is_recognised_by_its_code() {
        for guard in Guard::ALL {
            assert!(Guard::is_cause(&guard.cause(RoleChange { from: Admin, to: Viewer })));
        }
        assert!(!Guard::is_cause(&Cause::new("other_role", "")));
    }
}
