//! What a plan must not do, whatever the roster says: the caller is never demoted or removed, no
//! workspace loses its last admin, and not more people are removed than the limits allow. Pure, and
//! the same in whatever order the rows come.
//!
//! Main functions: [`barred`]; [`hold_last_admins`], where [`Decision::takes_an_admin`] says that the
//! others have to be counted; [`removal`] and [`excess`] for removals. A row that is held back keeps its
//! role; the others are applied.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Action, Decision, Guard, Item, Membership, Reason};
use crate::model::Level;

/// A workspace with fewer people has no percentage of its own.
const PERCENT_FROM: u64 = 10;

/// What the limits of removals say about a whole plan. What guards hold back one by one is counted in
/// [`super::Counts::held_back`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum GuardVerdict {
    /// The removals keep to the limits, or there are none.
    Passed,
    /// They do not, and are left out: `--on-guard skip-removals`.
    RemovalsSkipped,
    /// They do not, and nothing is sent.
    Refused,
}

/// Holds back every change that takes an admin from one workspace unless an admin remains. It is not for the
/// tool to choose which of several admins stays, so none of these changes is made. Each decision comes with
/// what Houston has of its person.
pub fn hold_last_admins<'d>(
    decisions: impl IntoIterator<Item = (&'d mut Decision, Membership)>,
    admins: AdminCount,
) {
    let takes = |(decision, seen): (&'d mut Decision, Membership)| {
        let action = decision.action().filter(|action| action.takes_an_admin(seen))?;
        Some((decision, action))
    };
    let taking: Vec<(&mut Decision, Action)> = decisions.into_iter().filter_map(takes).collect();
    let leaving = taking.iter().filter(|(_, action)| matches!(action, Action::Remove(_))).count();
    for (decision, action) in taking {
        // A replacement is sent before the new admins are proved.
        let coming = if action.replaced().is_some() { 0 } else { admins.coming };
        let left = admins.others + coming;
        if left <= leaving {
            *decision = Decision::Keep(Reason::HeldBack(Guard::LastAdmin, action));
        }
    }
}

/// The admins of a workspace besides those whom decisions demote or replace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AdminCount {
    /// Those on the complete member list, also if they are removed.
    pub others: usize,
    /// People with an account who become admins in the same plan. The others are demoted and removed once
    /// Houston shows these as admins, so that nothing is lost if that fails.
    pub coming: usize,
}

impl AdminCount {
    /// This many on the member list, and no new one.
    pub fn now(others: usize) -> Self {
        Self { others, coming: 0 }
    }
}

/// What may bar a change to one person, regardless of the limits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bars {
    /// `--protect` covers them.
    pub is_protected: bool,
    /// They are the token's own user.
    pub is_caller: bool,
    /// Some people in the workspace could not be read.
    pub is_incomplete: bool,
}

/// The decision about removing one person, who has this role.
pub fn removal(level: Option<Level>, bars: Bars) -> Decision {
    barred(Action::Remove(level), bars)
}

/// The decision about a change that these facts may bar. The user's own wish comes first: no guard has to
/// step in.
pub fn barred(action: Action, bars: Bars) -> Decision {
    let Bars { is_protected, is_caller, is_incomplete } = bars;
    if !action.takes_away() {
        Decision::Change(action)
    } else if is_protected {
        Decision::Keep(Reason::Protected(action))
    } else if is_caller {
        Decision::Keep(Reason::HeldBack(Guard::Caller, action))
    } else if is_incomplete {
        Decision::Keep(Reason::HeldBack(Guard::Incomplete, action))
    } else {
        Decision::Change(action)
    }
}

impl Decision {
    /// The same, unless these facts bar it.
    #[must_use]
    pub fn barred(self, bars: Bars) -> Self {
        match self {
            Self::Change(action) => barred(action, bars),
            Self::Keep(_) => self,
        }
    }
}

/// How many people may be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Caps {
    /// So many in all.
    pub people: u64,
    /// This share of the people there are, in per cent: in all, and of every workspace that has ten
    /// of them or more. One removal is always allowed, unless this is 0.
    pub percent: u8,
}

impl Caps {
    /// Whether so many are a larger share of the people than is allowed.
    fn exceeds_percent(self, leaving: u64, people: u64) -> bool {
        let always = u64::from(self.percent > 0);
        leaving > always && share(leaving, people) > self.percent
    }
}

impl Default for Caps {
    fn default() -> Self {
        Self { people: 10, percent: 10 }
    }
}

/// What becomes of a plan with too many removals, the strictest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OnGuard {
    /// Nothing of it is carried out.
    #[default]
    Stop,
    /// Everything except the excess removals.
    SkipRemovals,
}

/// A limit that removals do not keep to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// So many people.
    People(u64),
    /// This share of them, in per cent.
    Percent(u8),
}

/// Why removals are refused, with the numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Index into [`super::Plan::workspaces`]; `None` if it is about all of them together.
    pub workspace: Option<u32>,
    /// How many would go.
    pub leaving: u64,
    /// How many members and pending invitations there are.
    pub people: u64,
    /// What they do not keep to.
    pub limit: Limit,
}

impl Refusal {
    /// The lowest limit that would allow it.
    pub fn needed(&self) -> Limit {
        match self.limit {
            Limit::People(_) => Limit::People(self.leaving),
            Limit::Percent(_) => Limit::Percent(share(self.leaving, self.people)),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { leaving, people, limit, .. } = self;
        match limit {
            Limit::People(most) => {
                write!(f, "{leaving} of {people} people would be removed; --max-remove is {most}")
            }
            Limit::Percent(most) => write!(
                f,
                "{leaving} of {people} people would be removed, {} per cent; --max-remove-percent is {most}",
                share(*leaving, *people)
            ),
        }
    }
}

impl fmt::Display for Limit {
    /// As the flag that sets it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::People(most) => write!(f, "--max-remove {most}"),
            Self::Percent(most) => write!(f, "--max-remove-percent {most}"),
        }
    }
}

/// The share in whole per cent, rounded up.
fn share(leaving: u64, people: u64) -> u8 {
    let share = (leaving.saturating_mul(100)).div_ceil(people.max(1));
    u8::try_from(share.min(100)).unwrap_or(100)
}

/// How much of all that is removed is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// The workspaces of one shard. Their share of all people says nothing: that of the whole plan has been
    /// judged.
    Shard,
}

/// What the limits say about some removals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excess {
    /// The limits that they do not keep to.
    pub refusals: Vec<Refusal>,
    /// Of each workspace, whether its removals are held back: with [`OnGuard::SkipRemovals`] only.
    pub held: Vec<bool>,
}

/// Compares the number of removals in each workspace with the limits. `people` counts its members and
/// pending invitations. With [`OnGuard::SkipRemovals`] a workspace that loses too many of its people
/// keeps them all; if what is left is still too much, no one is removed.
pub fn excess(leaving: &[u64], people: &[u64], caps: Caps, on_guard: OnGuard, extent: Extent) -> Excess {
    let mut refusals = Vec::new();
    let mut leaving = leaving.to_vec();
    let mut held = vec![false; people.len()];
    for (workspace, (leaving, &people)) in (0..).zip(leaving.iter_mut().zip(people)) {
        if people >= PERCENT_FROM && caps.exceeds_percent(*leaving, people) {
            let limit = Limit::Percent(caps.percent);
            refusals.push(Refusal { workspace: Some(workspace), leaving: *leaving, people, limit });
            if on_guard == OnGuard::SkipRemovals {
                held[workspace as usize] = true;
                *leaving = 0;
            }
        }
    }
    let (leaving, people) = (leaving.iter().sum(), people.iter().sum());
    let in_all = |limit| Refusal { workspace: None, leaving, people, limit };
    let before = refusals.len();
    if leaving > caps.people {
        refusals.push(in_all(Limit::People(caps.people)));
    }
    if extent == Extent::Whole && caps.exceeds_percent(leaving, people) {
        refusals.push(in_all(Limit::Percent(caps.percent)));
    }
    if refusals.len() > before && on_guard == OnGuard::SkipRemovals {
        held.fill(true);
    }
    Excess { refusals, held }
}

/// Compares the removals of a plan with the limits.
pub fn hold_too_many(extras: &mut [Item], people: &[u64], caps: Caps, on_guard: OnGuard) -> Vec<Refusal> {
    let leaving = leaving(extras, people.len());
    let Excess { refusals, held } = excess(&leaving, people, caps, on_guard, Extent::Whole);
    let is_held = |extra: &&mut Item| extra.workspace().is_some_and(|place| held[place as usize]);
    extras.iter_mut().filter(is_held).for_each(|extra| extra.hold(Guard::TooMany));
    refusals
}

/// The lowest limits under which all of these people could be removed, each that is too low now.
pub fn limits_needed(extras: &[Item], people: &[u64], caps: Caps) -> Vec<Limit> {
    let leaving = leaving(extras, people.len());
    let refusals = excess(&leaving, people, caps, OnGuard::Stop, Extent::Whole).refusals;
    let needed = || refusals.iter().map(Refusal::needed);
    let number = needed().filter(|limit| matches!(limit, Limit::People(_))).max();
    let share = needed().filter(|limit| matches!(limit, Limit::Percent(_))).max();
    number.into_iter().chain(share).collect()
}

/// How many are removed from each workspace.
fn leaving(extras: &[Item], workspaces: usize) -> Vec<u64> {
    let mut leaving = vec![0; workspaces];
    let leavers = extras.iter().filter(|extra| extra.decision.is_change());
    leavers.filter_map(Item::workspace).for_each(|place| leaving[place as usize] += 1);
    leaving
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Holder, Origin, RolePolicy, Standing, Subject, decide};
    use super::*;
    use crate::model::Level::{Admin, Editor, Viewer};
    use crate::model::Scope;

    fn seen(role: Level) -> Membership {
        Membership::Member { role, bindings: 1, standing: Standing::Active }
    }

    /// Decides every wish (member role, wanted role) in a workspace that has so many admins
    /// besides; `caller` is the index of the caller.
    fn guarded(
        people: &[(Level, Level)],
        besides: usize,
        caller: Option<usize>,
        policy: RolePolicy,
    ) -> Vec<Decision> {
        let decide = |(place, &(has, wants)): (usize, &(Level, Level))| {
            let bars = Bars { is_caller: Some(place) == caller, ..Bars::default() };
            decide(Scope::Workspace, wants, seen(has), policy).barred(bars)
        };
        let mut decisions: Vec<Decision> = people.iter().enumerate().map(decide).collect();
        let stay = |(&(has, _), decision): (&(Level, _), &Decision)| {
            has == Admin && !decision.takes_an_admin(seen(has))
        };
        let others = besides + people.iter().zip(&decisions).filter(|&pair| stay(pair)).count();
        hold_last_admins(
            decisions.iter_mut().zip(people.iter().map(|&(has, _)| seen(has))),
            AdminCount::now(others),
        );
        decisions
    }

    fn role() -> impl Strategy<Value = Level> {
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
            let certain = |(&(has, _), decision): (&(Level, _), &Decision)| has == Admin && !decision.takes_an_admin(seen(has));
            let left = besides + people.iter().zip(&decisions).filter(|&pair| certain(pair)).count();
            prop_assert!(admins == 0 || left > 0, "{:?}", decisions);
            for (place, (&(has, wants), decision)) in people.iter().zip(&decisions).enumerate() {
                let demoted = decision.action().is_some_and(Action::takes_away);
                prop_assert!(!(demoted && Some(place) == caller));
                // Nothing is held back without need.
                let held = matches!(decision, Decision::Keep(Reason::HeldBack(..)));
                prop_assert!(!held || Some(place) == caller || (has == Admin && left == admins), "{:?}", decisions);
                prop_assert_eq!(wants > has, decision.action().is_some_and(|action| !action.takes_away()));
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
        let action = Action::SetRole { from: Admin, to: Viewer, holder: Holder::Member };
        let cause = |reason: Reason| reason.end(Scope::Workspace, None).1.expect("a cause");
        for guard in [Guard::Caller, Guard::LastAdmin, Guard::TooMany, Guard::Incomplete] {
            assert!(cause(Reason::HeldBack(guard, action)).code.is_guard(), "{guard:?}");
        }
        assert!(!cause(Reason::Protected(action)).code.is_guard(), "a wish is no guard");
    }

    fn extra(workspace: u32, role: Level) -> Item {
        Item {
            origin: Origin::Extra,
            subject: Some(Subject::new(workspace, None)),
            wanted: None,
            seen: Some(seen(role)),
            decision: Decision::Change(Action::Remove(Some(role))),
        }
    }

    fn extras(workspace: u32, count: usize) -> Vec<Item> {
        vec![extra(workspace, Editor); count]
    }

    #[test]
    fn removals_keep_to_the_number_and_to_the_share_in_all_and_of_every_larger_workspace() {
        let caps = Caps { people: 10, percent: 10 };
        let refused = |leaving: [usize; 2], people: [u64; 2]| {
            let mut all = extras(0, leaving[0]);
            all.extend(extras(1, leaving[1]));
            let refusals = hold_too_many(&mut all, &people, caps, OnGuard::Stop);
            assert!(
                all.iter().all(|extra| extra.decision.is_change()),
                "no one is marked where all of it stops"
            );
            refusals.into_iter().map(|refusal| (refusal.workspace, refusal.limit)).collect::<Vec<_>>()
        };
        let (number, share) = (Limit::People(10), Limit::Percent(10));
        assert_eq!(refused([10, 0], [100, 0]), []);
        assert_eq!(refused([0, 0], [0, 0]), []);
        assert_eq!(refused([11, 0], [200, 0]), [(None, number)]);
        assert_eq!(refused([2, 0], [10, 90]), [(Some(0), share)]);
        assert_eq!(refused([2, 0], [9, 90]), [], "a small workspace has no share of its own");
        assert_eq!(refused([1, 0], [5, 0]), [], "one may always be removed");
        assert_eq!(refused([1, 0], [9, 0]), []);
        assert_eq!(refused([2, 0], [5, 0]), [(None, share)], "the share in all counts from the second");
        assert_eq!(refused([1, 1], [5, 5]), [(None, share)]);
        assert_eq!(refused([11, 1], [100, 5]), [(Some(0), share), (None, number), (None, share)]);
    }

    #[test]
    fn one_may_be_removed_unless_a_limit_is_0() {
        let refused = |people, percent| {
            let refusals = hold_too_many(&mut extras(0, 1), &[20], Caps { people, percent }, OnGuard::Stop);
            refusals.into_iter().map(|refusal| refusal.needed().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(refused(10, 1), Vec::<String>::new());
        assert_eq!(refused(10, 0), ["--max-remove-percent 5", "--max-remove-percent 5"]);
        assert_eq!(refused(0, 10), ["--max-remove 1"]);
    }

    #[test]
    fn the_limits_that_are_needed_let_everybody_go_who_was_held() {
        for (leaving, people) in
            [([5, 6], [20, 100]), ([5, 3], [20, 4]), ([11, 1], [100, 5]), ([2, 0], [5, 0])]
        {
            let caps = Caps { people: 10, percent: 10 };
            let all = || {
                let mut all = extras(0, leaving[0]);
                all.extend(extras(1, leaving[1]));
                all
            };
            assert!(!hold_too_many(&mut all(), &people, caps, OnGuard::SkipRemovals).is_empty());
            let mut raised = caps;
            for limit in limits_needed(&all(), &people, caps) {
                match limit {
                    Limit::People(people) => raised.people = people,
                    Limit::Percent(percent) => raised.percent = percent,
                }
            }
            assert_eq!(hold_too_many(&mut all(), &people, raised, OnGuard::SkipRemovals), []);
        }
    }

    #[test]
    fn a_workspace_that_loses_too_many_keeps_them_and_the_others_lose_theirs() {
        let caps = Caps { people: 10, percent: 10 };
        let mut all = extras(0, 5);
        all.extend(extras(1, 3));
        let refusals = hold_too_many(&mut all, &[20, 100], caps, OnGuard::SkipRemovals);
        assert_eq!(refusals.len(), 1);
        assert_eq!(
            refusals[0].to_string(),
            "5 of 20 people would be removed, 25 per cent; --max-remove-percent is 10"
        );
        assert_eq!(refusals[0].needed().to_string(), "--max-remove-percent 25");
        let held =
            |extra: &Item| matches!(extra.decision, Decision::Keep(Reason::HeldBack(Guard::TooMany, _)));
        assert!(all.iter().all(|extra| held(extra) == (extra.workspace() == Some(0))));

        let mut all = extras(0, 11);
        let refusals = hold_too_many(&mut all, &[1000], caps, OnGuard::SkipRemovals);
        assert_eq!(refusals[0].needed().to_string(), "--max-remove 11");
        assert!(all.iter().all(held));
    }

    #[test]
    fn the_last_admins_are_neither_demoted_nor_removed_together() {
        let demotion = Decision::Change(Action::SetRole { from: Admin, to: Viewer, holder: Holder::Member });
        for (others, stays) in [(2, false), (1, true), (0, true)] {
            let mut decisions = [demotion.clone()];
            let mut leavers = [extra(0, Admin), extra(0, Viewer)];
            let demoted = (&mut decisions[0], seen(Admin));
            let leaving = leavers.iter_mut().filter_map(Item::to_judge);
            hold_last_admins([demoted].into_iter().chain(leaving), AdminCount::now(others));
            let held = |decision: &Decision| {
                matches!(decision, Decision::Keep(Reason::HeldBack(Guard::LastAdmin, _)))
            };
            assert_eq!(held(&decisions[0]), stays, "{others}");
            assert_eq!(held(&leavers[0].decision), stays, "{others}");
            assert!(leavers[1].decision.is_change(), "a viewer is no admin");
        }
    }

    #[test]
    fn people_who_become_admins_count_for_all_who_leave_after_them() {
        let demotion = Decision::Change(Action::SetRole { from: Admin, to: Viewer, holder: Holder::Member });
        let (removal, replacement) =
            (Action::Remove(Some(Admin)), Action::Replace { to: Admin, holder: Holder::Member });
        for (others, coming, stay) in [(0, 1, [false, true]), (0, 0, [true, true]), (1, 0, [false, false])] {
            let mut decisions = [demotion.clone(), Decision::Change(replacement)];
            let admins = AdminCount { others, coming };
            hold_last_admins(decisions.iter_mut().map(|decision| (decision, seen(Admin))), admins);
            let held = decisions.map(|decision| !decision.is_change());
            assert_eq!(held, stay, "{others} {coming}: a replacement is sent before new admins are proved");
        }
        for (others, coming, stays) in [(1, 1, false), (1, 0, true), (0, 1, true)] {
            let mut decision = Decision::Change(removal);
            hold_last_admins([(&mut decision, seen(Admin))], AdminCount { others, coming });
            assert_eq!(!decision.is_change(), stays, "{others} {coming}: the person is among the others");
        }
    }

    #[test]
    fn limits_are_the_same_in_any_order_of_people() {
        let caps = Caps { people: 4, percent: 50 };
        let mut all: Vec<Item> = (0..6).map(|place| extra(place % 2, Editor)).collect();
        let mut turned = all.clone();
        turned.reverse();
        let people = [10, 10];
        assert_eq!(
            hold_too_many(&mut all, &people, caps, OnGuard::SkipRemovals),
            hold_too_many(&mut turned, &people, caps, OnGuard::SkipRemovals)
        );
        turned.reverse();
        assert_eq!(all, turned);
    }
}
