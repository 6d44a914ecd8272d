//! What readings make of items, without a Houston.

use std::time::Duration;

use super::item::Planned;
use super::*;
use crate::engine::batch::{Earlier, InDoubt};
use crate::model::{Level, Scope};
use crate::outcome::Code;
use crate::plan::{Account, Action, Holder, RolePolicy, Standing};
use crate::present::members::Reading;

use Level::{Admin, Editor, Viewer};

impl Pending {
    /// Judges rows by what these reads show; no one is kept.
    pub fn judge_rows(&mut self, read: impl Fn(&WorkspaceId, &[&str]) -> Reading) {
        for at in 0..self.shares.len() {
            let Share { workspace, ids, .. } = &self.shares[at];
            let emails: Vec<&str> = ids.iter().map(|&item| self.emails.get(item)).collect();
            let reading = read(workspace, &emails);
            let doubt = reading.cause_of_doubt();
            let items = reading.memberships.into_iter().map(sight).collect();
            self.judge(at, Sights { items, shared: Vec::new(), doubt, people: None });
        }
    }
}

fn sight(seen: Membership) -> Sight {
    Sight { seen, bars: Bars::default(), user: None }
}

pub(super) fn member(role: Level) -> Membership {
    Membership::Member { role, bindings: 1, standing: Standing::Active }
}

fn twice(role: Level) -> Membership {
    Membership::Member { role, bindings: 2, standing: Standing::Active }
}

fn set_role(from: Level, to: Level) -> Action {
    Action::SetRole { from, to, holder: Holder::Member }
}

/// How far an earlier leg came with an item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Before {
    NothingSent,
    GaveUp,
    InDoubt,
}

impl Before {
    fn earlier(self, is_removed: bool) -> Option<Earlier> {
        let doubt = (self == Self::InDoubt).then_some(InDoubt::NotSeen);
        let cause = Cause::new(Code::Timeout, "no answer");
        (self != Self::NothingSent).then_some(Earlier {
            attempts: 1,
            elapsed: Duration::ZERO,
            cause,
            doubt,
            is_removed,
        })
    }
}

fn item(at: usize, about: About, planned: Planned, before: Before) -> PendingItem {
    PendingItem { item: ItemId::from_index(at), about, planned, earlier: before.earlier(false) }
}

pub(super) fn row(action: Action, before: Before) -> PendingItem {
    item(0, About::Row, Planned::Change(action), before)
}

pub(super) fn removal(at: usize, id: &str, level: Level, before: Before) -> PendingItem {
    let account = Account::User(id.to_owned());
    item(at, About::Extra(account), Planned::Change(Action::Remove(Some(level))), before)
}

/// The status of what is done; none for what is missing.
fn status(next: &Next) -> Option<Status> {
    match next {
        Next::Done(status, _) => Some(*status),
        Next::Missing(_) => None,
    }
}

#[test]
fn a_person_who_is_there_after_a_send_was_added_and_without_one_is_unchanged() {
    use Before::{GaveUp, InDoubt, NothingSent};
    let invited = Membership::Invited { role: Some(Editor), invites: 1 };
    let table = [
        (NothingSent, member(Editor), Some(Status::Unchanged)),
        (NothingSent, member(Admin), Some(Status::RoleKept)),
        (NothingSent, Membership::Absent, None),
        (GaveUp, member(Editor), Some(Status::Added)),
        (GaveUp, member(Admin), Some(Status::RoleKept)),
        (GaveUp, Membership::Absent, None),
        (InDoubt, member(Editor), Some(Status::Added)),
        (InDoubt, Membership::Absent, None),
        (InDoubt, invited, Some(Status::Invited)),
        (InDoubt, twice(Editor), Some(Status::Rejected)),
    ];
    for (before, seen, expected) in table {
        let next = row(Action::Add(Editor), before).next(seen);
        assert_eq!(status(&next), expected, "{before:?}, {seen:?}");
    }
}

#[test]
fn a_role_that_was_to_be_changed_is_changed_as_planned_or_not_at_all() {
    use Before::{GaveUp, InDoubt, NothingSent};
    let table = [
        (NothingSent, member(Editor), Some(Status::Unchanged)),
        (NothingSent, member(Viewer), None),
        (NothingSent, member(Admin), Some(Status::RoleKept)),
        (NothingSent, Membership::Absent, Some(Status::Rejected)),
        (NothingSent, twice(Admin), Some(Status::Rejected)),
        (InDoubt, member(Editor), Some(Status::RoleUpdated)),
        (InDoubt, member(Viewer), None),
        (InDoubt, Membership::Absent, Some(Status::Rejected)),
        (GaveUp, member(Editor), Some(Status::RoleUpdated)),
        (GaveUp, member(Admin), Some(Status::RoleKept)),
        (GaveUp, member(Viewer), None),
    ];
    for (before, seen, expected) in table {
        let next = row(set_role(Viewer, Editor), before).next(seen);
        assert_eq!(status(&next), expected, "{before:?}, {seen:?}");
        assert!(expected.is_some() || next == Next::Missing(set_role(Viewer, Editor)), "{next:?}");
    }
}

#[test]
fn a_write_in_doubt_that_another_change_has_overtaken_is_waited_for() {
    for action in [Action::Add(Editor), set_role(Viewer, Editor), Action::Remove(Some(Viewer))] {
        let mut item = row(action, Before::InDoubt);
        assert_eq!(item.next(member(Admin)), Next::Missing(action));
        assert_eq!(item.earlier.and_then(|earlier| earlier.doubt), Some(InDoubt::Overtaken), "{action:?}");
        let settled = row(action, Before::GaveUp).next(member(Admin));
        assert_eq!(status(&settled), Some(Status::RoleKept), "{action:?}");
    }
}

#[test]
fn a_replacement_goes_on_where_its_journal_and_a_read_leave_it() {
    use Before::{GaveUp, InDoubt, NothingSent};
    let invited = Membership::Invited { role: Some(Editor), invites: 1 };
    // The end, or else whether only the add is missing, and whether something may still land.
    let both = Err((false, true));
    let table = [
        (NothingSent, false, twice(Editor), Err((false, false))),
        (NothingSent, false, member(Editor), Ok(Status::Unchanged)),
        (InDoubt, false, Membership::Absent, Err((true, false))),
        (InDoubt, false, twice(Editor), both),
        (InDoubt, false, invited, both),
        (InDoubt, false, member(Editor), both),
        (GaveUp, false, twice(Editor), Err((false, false))),
        (GaveUp, false, member(Editor), Ok(Status::Unchanged)),
        (InDoubt, true, Membership::Absent, Err((true, true))),
        (InDoubt, true, member(Editor), Ok(Status::RoleUpdated)),
        (InDoubt, true, invited, Ok(Status::Invited)),
        (InDoubt, true, twice(Editor), Ok(Status::Rejected)),
        (GaveUp, true, Membership::Absent, Err((true, false))),
    ];
    for (before, is_removed, seen, expected) in table {
        let action = Action::Replace { to: Editor, holder: Holder::Member };
        let mut item = PendingItem { earlier: before.earlier(is_removed), ..row(action, before) };
        let found = match item.next(seen) {
            Next::Done(status, _) => Ok(status),
            Next::Missing(missing) => {
                assert_eq!(missing, action);
                Err(item.earlier.map_or((false, false), |one| (one.is_removed, one.doubt.is_some())))
            }
        };
        assert_eq!(found, expected, "{before:?}, removed: {is_removed}, {seen:?}");
    }
}

#[test]
fn an_item_that_was_never_decided_is_decided_as_the_run_began() {
    let undecided = |wanted, roles, before, seen| {
        let about = About::Deployment { id: "d".to_owned(), name: "d".to_owned(), row: Status::Unchanged };
        item(0, about, Planned::Undecided { wanted, roles }, before).next(seen)
    };
    let (keep, update) = (RolePolicy::Keep, RolePolicy::Update);
    let table = [
        (Some(Editor), keep, Before::NothingSent, member(Viewer), Ok(Status::RoleKept)),
        (Some(Editor), update, Before::NothingSent, member(Viewer), Err(set_role(Viewer, Editor))),
        (Some(Editor), update, Before::InDoubt, member(Viewer), Err(set_role(Viewer, Editor))),
        (Some(Editor), keep, Before::InDoubt, member(Editor), Ok(Status::Added)),
        (Some(Editor), keep, Before::InDoubt, Membership::Absent, Err(Action::Add(Editor))),
        (None, update, Before::NothingSent, member(Viewer), Err(Action::Remove(Some(Viewer)))),
        (None, keep, Before::NothingSent, member(Viewer), Ok(Status::RoleKept)),
        (None, update, Before::NothingSent, Membership::Absent, Ok(Status::Unchanged)),
        (None, update, Before::InDoubt, Membership::Absent, Ok(Status::Removed)),
    ];
    for (wanted, roles, before, seen, expected) in table {
        let found = match undecided(wanted, roles, before, seen) {
            Next::Done(status, _) => Ok(status),
            Next::Missing(action) => Err(action),
        };
        assert_eq!(found, expected, "{wanted:?} {roles:?} {before:?} {seen:?}");
    }
}

#[test]
fn a_role_that_was_bundled_with_an_add_is_reported_as_given_and_the_rest_is_sent() {
    let update = set_role(Viewer, Editor);
    let add = Action::Add(Editor);
    let open = |row, action| {
        let about = About::Deployment { id: "d".to_owned(), name: "d".to_owned(), row };
        item(1, about, Planned::Change(action), Before::NothingSent)
    };
    let invited = open(Status::Invited, add).unlisted();
    let table = [
        (Status::Added, add, member(Editor), Some(Status::Added)),
        (Status::Added, add, Membership::Absent, None),
        (Status::Added, add, member(Admin), Some(Status::RoleKept)),
        (Status::Added, add, twice(Editor), Some(Status::Rejected)),
        (Status::Invited, add, invited, Some(Status::Invited)),
        (Status::Unchanged, add, member(Editor), Some(Status::Unchanged)),
        (Status::Unchanged, add, Membership::Absent, None),
        (Status::Unchanged, update, member(Viewer), None),
        (Status::Unchanged, update, member(Editor), Some(Status::Unchanged)),
        (Status::Unchanged, update, member(Admin), Some(Status::RoleKept)),
    ];
    for (row, planned, seen, end) in table {
        assert_eq!(status(&open(row, planned).next(seen)), end, "{row} {planned:?} {seen:?}");
    }
    assert_eq!(open(Status::Added, add).unlisted(), Membership::Absent);
    assert_eq!(open(Status::Added, add).scope(), Scope::Deployment);
}

/// One workspace with these items in it.
pub(super) fn pending(phase: Phase, items: Vec<PendingItem>) -> Pending {
    let mut emails = Emails::default();
    items.iter().for_each(|item| emails.push(&format!("{}@example.com", item.item.index())));
    let mut share = Share::new(WorkspaceId::new("ck1").expect("valid"));
    share.ids = items.iter().map(|item| item.item).collect();
    share.items = items;
    let (emails, subjects) = (Arc::new(emails), Subjects::default());
    Pending { phase, concluded: Vec::new(), emails, subjects, shares: vec![share] }
}

pub(super) fn sights(seen: &[Membership], bars: &[Bars]) -> Sights {
    let bars = bars.iter().copied().chain(std::iter::repeat(Bars::default()));
    let items = seen.iter().zip(bars).map(|(&seen, bars)| Sight { seen, bars, user: None }).collect();
    Sights { items, shared: Vec::new(), doubt: None, people: Some(10) }
}

/// How each item ended, in their order; none for those that are sent.
pub(super) fn ends(pending: Pending, items: usize) -> Vec<Option<(Status, Option<Code>)>> {
    let (batch, concluded) = pending.batch();
    assert_eq!(batch.operations.len() + concluded.len(), items, "every item, each once");
    let end = |at: usize| {
        let (_, outcome) = concluded.iter().find(|(item, _)| item.index() == at)?;
        Some((outcome.status, outcome.cause.as_ref().map(|cause| cause.code.clone())))
    };
    (0..items).map(end).collect()
}

const PROTECTED: Bars = Bars { is_protected: true, is_caller: false, is_incomplete: false };
const CALLER: Bars = Bars { is_protected: false, is_caller: true, is_incomplete: false };
const INCOMPLETE: Bars = Bars { is_protected: false, is_caller: false, is_incomplete: true };

#[test]
fn a_later_leg_replaces_nobody_who_must_stay() {
    let judged = |seen: Membership, bars: Bars, others: Option<usize>| {
        let replace = Action::Replace { to: seen.role().unwrap_or(Editor), holder: Holder::Member };
        let mut rows = pending(Phase::Members, vec![row(replace, Before::NothingSent)]);
        rows.judge(0, sights(&[seen], &[bars]));
        assert_eq!(rows.shares[0].demoted().len(), usize::from(others.is_some()), "{seen:?}");
        if let Some(others) = others {
            rows.hold_last_admins(0, others);
        }
        ends(rows, 1).remove(0).and_then(|(_, code)| code)
    };
    let free = Bars::default();
    assert_eq!(judged(twice(Editor), free, None), None);
    assert_eq!(judged(twice(Admin), free, Some(1)), None);
    assert_eq!(judged(twice(Admin), free, Some(0)), Some(Code::GuardLastAdmin));
    let invited = Membership::Invited { role: Some(Admin), invites: 1 };
    assert_eq!(judged(invited, free, None), None, "an invitation is no admin");
    assert_eq!(judged(twice(Editor), CALLER, None), Some(Code::GuardSelf));
    assert_eq!(judged(twice(Editor), PROTECTED, None), Some(Code::Protected));
    let both = Bars { is_caller: true, ..PROTECTED };
    assert_eq!(judged(Membership::Absent, both, None), None, "who was removed has to come back");
}

#[test]
fn what_houston_has_now_decides_about_every_removal() {
    let before = |at| if at == 1 { Before::InDoubt } else { Before::NothingSent };
    let people = (0..7).map(|at| removal(at, "x", Viewer, before(at))).collect();
    let mut removals = pending(Phase::Removals, people);
    let absent = Membership::Absent;
    let seen =
        [absent, absent, member(Admin), member(Viewer), member(Viewer), member(Viewer), member(Viewer)];
    let free = Bars::default();
    removals.judge(0, sights(&seen, &[free, free, free, free, CALLER, PROTECTED, INCOMPLETE]));
    let end = |status, code: Code| Some((status, Some(code)));
    assert_eq!(
        ends(removals, 7),
        [
            end(Status::Unchanged, Code::GoneAlready),
            Some((Status::Removed, None)),
            end(Status::RoleKept, Code::OtherRole),
            None,
            end(Status::Unchanged, Code::GuardSelf),
            end(Status::Unchanged, Code::Protected),
            end(Status::Unchanged, Code::GuardIncomplete),
        ]
    );
}

#[test]
fn admins_are_removed_only_where_one_remains_now() {
    for (admins, is_removed) in [(0, false), (1, false), (2, true)] {
        let people =
            vec![removal(0, "a", Admin, Before::NothingSent), removal(1, "b", Viewer, Before::NothingSent)];
        let mut removals = pending(Phase::Removals, people);
        removals.judge(0, sights(&[member(Admin), member(Viewer)], &[]));
        assert_eq!(removals.shares[0].demoted(), [], "who is removed counts among the admins");
        removals.hold_last_admins(0, admins);
        let held = Some((Status::Unchanged, Some(Code::GuardLastAdmin)));
        assert_eq!(ends(removals, 2), [held.filter(|_| !is_removed), None], "{admins}");
    }
}

#[test]
fn where_admins_cannot_be_counted_no_one_is_removed_and_no_admin_is_changed() {
    let cause = Arc::new(Cause::new(Code::Unreadable, "not now"));
    let end = Some((Status::GaveUp, Some(Code::Unreadable)));
    let seen = sights(&[member(Admin), member(Viewer)], &[]);
    let people =
        vec![removal(0, "a", Admin, Before::NothingSent), removal(1, "b", Viewer, Before::NothingSent)];
    let mut removals = pending(Phase::Removals, people);
    removals.judge(0, seen);
    removals.leave_admins(0, &cause);
    assert_eq!(ends(removals, 2), [end.clone(), end.clone()]);
    let change =
        |at, from| item(at, About::Row, Planned::Change(set_role(from, Editor)), Before::NothingSent);
    let mut rows = pending(Phase::Members, vec![change(0, Admin), change(1, Viewer)]);
    rows.judge(0, sights(&[member(Admin), member(Viewer)], &[]));
    rows.leave_admins(0, &cause);
    assert_eq!(ends(rows, 2), [end, None]);
}

#[test]
fn what_may_still_take_effect_stays_in_doubt() {
    let people =
        || vec![removal(0, "a", Viewer, Before::InDoubt), removal(1, "b", Viewer, Before::NothingSent)];
    let mut unread = pending(Phase::Removals, people());
    unread.give_up(0, Status::GaveUp, &Cause::new(Code::Unreadable, "not now"));
    let end = |status, code: Code| Some((status, Some(code)));
    assert_eq!(
        ends(unread, 2),
        [end(Status::InDoubt, Code::Unreadable), end(Status::GaveUp, Code::Unreadable)]
    );
    let mut barred = pending(Phase::Removals, people());
    barred.judge(0, sights(&[member(Viewer); 2], &[PROTECTED, PROTECTED]));
    assert_eq!(
        ends(barred, 2),
        [end(Status::InDoubt, Code::Protected), end(Status::Unchanged, Code::Protected)]
    );
}

#[test]
fn what_was_said_of_an_unreadable_workspace_is_not_said_twice() {
    let item = row(Action::Add(Editor), Before::InDoubt);
    let cause = Cause::new(Code::Unreadable, "page 2 is missing");
    let (status, first) = item.unread(Status::GaveUp, &cause);
    assert_eq!(status, Status::InDoubt);
    assert_eq!(first.text, "no answer; now the workspace cannot be read: page 2 is missing");
    let earlier = item.earlier.map(|earlier| Earlier { cause: first.clone(), ..earlier });
    let again = PendingItem { earlier, ..row(Action::Add(Editor), Before::InDoubt) };
    assert_eq!(again.unread(Status::GaveUp, &cause).1, first);
}
