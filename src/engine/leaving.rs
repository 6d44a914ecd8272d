//! Who is still to be taken away in a run, once its rows have come to their end, and what a
//! membership that is read now means for it.
//!
//! Main type: [`Leaving`]. It reads the files of the run; others read Houston and send. The first leg
//! of a run and every later one come through here: nobody is taken away who was not looked at again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::leftover::Earlier;
use super::part::{Part, Subject, Subjects};
use crate::model::{Emails, ItemId, Level, Scope, WorkspaceId};
use crate::outcome::{Cause, Code, Outcome, Status, StatusKind};
use crate::plan::finding::{gone, wanted_after_all};
use crate::plan::guard::{Bars, Caps, Excess, OnGuard, Refusal, excess, hold_last_admins, removal};
use crate::plan::protect::Protect;
use crate::plan::{Account, Action, Decision, Guard, Membership, Operation, Reason, Workspace};
use crate::present::members::Reading;
use crate::record::folder::RunFolder;
use crate::record::journal::{History, JournalError, PlanLine, RowHistory, plan_lines};

/// The removals that are still to be done in a run.
#[derive(Debug, Default)]
pub struct Leaving {
    /// What is carried out.
    pub part: Part,
    shares: Vec<Vec<Leaver>>,
}

/// Somebody who is to be taken away.
#[derive(Debug, Clone)]
struct Leaver {
    item: ItemId,
    account: Account,
    /// The role that the plan saw.
    role: Option<Level>,
    earlier: Option<Earlier>,
    /// What a read has shown now.
    seen: Membership,
}

/// Who is never removed, as of now.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'k> {
    /// The ids of the token's own user; several if the token was replaced.
    pub callers: &'k [String],
    /// The patterns of `--protect`.
    pub protect: &'k Protect,
}

/// What a run may remove in all.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many.
    pub caps: Caps,
    /// What happens if there are more.
    pub on_guard: OnGuard,
}

/// What becomes of the removals of a workspace in which rows failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spoiled {
    /// Rows are left that a later try can settle.
    ForNow,
    /// Rows have failed for good.
    ForGood,
}

impl Leaving {
    /// Finds the removals in the files of a run. Where a row failed or is left, nobody is removed.
    ///
    /// # Errors
    /// If the files cannot be read.
    pub fn collect(folder: &RunFolder, history: &History) -> Result<Self, JournalError> {
        let mut leaving = Self::default();
        let rows = history.first_extra();
        let (mut names, mut behind) = (Emails::default(), Vec::new());
        (0..rows).for_each(|_| names.push(""));
        let mut places: HashMap<WorkspaceId, usize> = HashMap::new();
        let spoiled = spoiled(history);
        for line in plan_lines(folder)?.skip(rows) {
            let line = line?;
            names.push(&line.email);
            // A line without them names nobody who could be sent.
            let account = line.accounts.first().cloned().unwrap_or_else(|| Account::User(String::new()));
            behind.push(Subject::Leaver(account.clone()));
            let (Some(leaver), Some(id)) = (Leaver::of(&line, account, history), &line.workspace) else {
                continue;
            };
            if let Some(&spoiled) = spoiled.get(id) {
                leaving.cancel(&leaver, spoiled);
                continue;
            }
            let place = *places.entry(id.clone()).or_insert_with(|| {
                leaving.part.workspaces.push(Workspace { id: id.clone(), label: None });
                leaving.shares.push(Vec::new());
                leaving.shares.len() - 1
            });
            leaving.shares[place].push(leaver);
        }
        leaving.part.names = Arc::new(names);
        leaving.part.subjects = Arc::new(Subjects { first: rows, behind, ..Subjects::default() });
        Ok(leaving)
    }

    /// What is to be read: each workspace, and who is looked for.
    pub fn tasks(&self) -> Vec<(&WorkspaceId, Vec<&Account>)> {
        let pairs = self.part.workspaces.iter().zip(&self.shares);
        pairs
            .map(|(place, share)| (&place.id, share.iter().map(|leaver| &leaver.account).collect()))
            .collect()
    }

    /// Takes in what was read of one workspace, in the order of its task.
    pub fn judge(&mut self, place: usize, reading: &Reading, kept: Kept<'_>) {
        let share = std::mem::take(&mut self.shares[place]);
        let unnamed = Vec::new();
        for (at, mut leaver) in share.into_iter().enumerate() {
            let seen = reading.memberships[at];
            let names = reading.names.get(at).unwrap_or(&unnamed).iter().map(String::as_str);
            let planned = self.part.names.get(leaver.item).to_lowercase();
            let bars = Bars {
                is_protected: kept.protect.covers(names.chain([planned.as_str()])),
                is_caller: matches!(&leaver.account, Account::User(id) if kept.callers.contains(id)),
                is_incomplete: reading.hidden > 0,
            };
            leaver.seen = seen;
            let was_sent = leaver.earlier.is_some();
            if seen == Membership::Absent {
                let (status, cause) =
                    if was_sent { (Status::Removed, None) } else { (Status::Unchanged, Some(gone())) };
                self.conclude(&leaver, status, cause);
            } else if seen.role() != leaver.role {
                let cause = wanted_after_all(Scope::Workspace, seen, leaver.role);
                self.hold(&leaver, Status::RoleKept, Some(cause));
            } else {
                self.settle(place, leaver, &removal(seen.role(), bars));
            }
        }
    }

    /// Takes in what is decided about a removal that is due.
    fn settle(&mut self, place: usize, leaver: Leaver, decision: &Decision) {
        match decision {
            Decision::Change(_) => self.shares[place].push(leaver),
            Decision::Keep(reason) => {
                let (status, cause) = reason.end(Scope::Workspace, None);
                self.hold(&leaver, status, cause);
            }
        }
    }

    /// The workspaces that lose an admin: their admins are to be counted.
    pub fn admins_taken(&self) -> Vec<usize> {
        (0..self.shares.len())
            .filter(|&place| self.shares[place].iter().any(Leaver::takes_an_admin))
            .collect()
    }

    /// Takes in how many admins a workspace has now. Unless one remains, no admin leaves.
    pub fn count_admins(&mut self, place: usize, admins: usize) {
        let share = std::mem::take(&mut self.shares[place]);
        let mut decisions: Vec<Decision> = share.iter().map(Leaver::decision).collect();
        hold_last_admins(decisions.iter_mut().zip(share.iter().map(|leaver| leaver.seen)), admins);
        for (leaver, decision) in share.into_iter().zip(&decisions) {
            self.settle(place, leaver, decision);
        }
    }

    /// Holds the removals of the whole run against its limits: those that it has made already, and those
    /// that are due now. `people` are the workspaces of the run; a number that is too low makes the
    /// limits stricter. What does not keep to them is held back, or all of it, unless only removals that
    /// are too many are to be left out.
    pub fn hold_too_many(&mut self, limits: Limits, people: &BTreeMap<WorkspaceId, People>) -> Vec<Refusal> {
        let Excess { refusals, held } = self.excess(limits, people);
        if refusals.is_empty() {
            return refusals;
        }
        let places = places(people);
        for place in 0..self.shares.len() {
            let is_held = held[places[&self.part.workspaces[place].id]];
            if is_held || limits.on_guard == OnGuard::Stop {
                for leaver in std::mem::take(&mut self.shares[place]) {
                    let reason = Reason::HeldBack(Guard::TooMany, Action::Remove(leaver.role));
                    self.settle(place, leaver, &Decision::Keep(reason));
                }
            }
        }
        refusals
    }

    /// What would be refused, of the workspaces of the run in their order.
    pub fn excess(&self, limits: Limits, people: &BTreeMap<WorkspaceId, People>) -> Excess {
        let mut leaving: Vec<u64> = people.values().map(|people| people.removed).collect();
        let places = places(people);
        for (workspace, share) in self.part.workspaces.iter().zip(&self.shares) {
            leaving[places[&workspace.id]] += share.len() as u64;
        }
        let in_all: Vec<u64> = people.values().map(|people| people.in_all).collect();
        excess(&leaving, &in_all, limits.caps, limits.on_guard)
    }

    /// A workspace cannot be read now: a later leg may.
    pub fn give_up(&mut self, place: usize, cause: &Cause) {
        for leaver in std::mem::take(&mut self.shares[place]) {
            self.hold(&leaver, Status::GaveUp, Some(cause.clone()));
        }
    }

    /// Puts the operations together, once every workspace has been judged.
    pub fn assemble(mut self) -> Part {
        for (place, share) in (0..).zip(std::mem::take(&mut self.shares)) {
            for leaver in share {
                let action = Action::Remove(leaver.role);
                if let Some(earlier) = leaver.earlier {
                    self.part.earlier.insert(self.part.operations.len(), earlier);
                }
                self.part.operations.push(Operation { item: leaver.item, workspace: place, action });
            }
        }
        self.part
    }

    /// Nobody is removed where something failed.
    fn cancel(&mut self, leaver: &Leaver, spoiled: Spoiled) {
        let text = "not removed, since a row of this workspace failed";
        let status = match spoiled {
            Spoiled::ForNow => Status::NotRun,
            Spoiled::ForGood => Status::Unchanged,
        };
        self.hold(leaver, status, Some(Cause::new(Code::NotRemovedAfterFailure, text)));
    }

    /// The end of somebody who is not taken away. What may still take effect stays in doubt.
    fn hold(&mut self, leaver: &Leaver, status: Status, cause: Option<Cause>) {
        let in_doubt = leaver.earlier.as_ref().is_some_and(|earlier| earlier.in_doubt);
        self.conclude(leaver, if in_doubt { Status::InDoubt } else { status }, cause);
    }

    fn conclude(&mut self, leaver: &Leaver, status: Status, cause: Option<Cause>) {
        let earlier = leaver.earlier.as_ref();
        let (attempts, elapsed) =
            earlier.map_or((0, Duration::ZERO), |earlier| (earlier.attempts, earlier.elapsed));
        self.part.concluded.push((leaver.item, Outcome { status, cause, attempts, elapsed }));
    }
}

impl Leaver {
    /// The removal of a line of the plan, if it has no end yet.
    fn of(line: &PlanLine, account: Account, history: &History) -> Option<Self> {
        let done = history.item(line.item)?;
        let is_open = match done.status.kind() {
            StatusKind::Unresolved | StatusKind::NotTried => {
                matches!(line.decision.action(), Some(Action::Remove(_)))
            }
            StatusKind::Changed | StatusKind::AsItWas | StatusKind::Failed => false,
        };
        let in_doubt = done.status == Status::InDoubt;
        let earlier =
            (in_doubt || done.attempts > 0).then(|| Earlier {
                attempts: done.attempts,
                elapsed: Duration::from_millis(u64::from(done.elapsed_ms)),
                cause: done.cause.as_deref().cloned().unwrap_or_else(|| {
                    Cause::new(Code::NoOutcome, "sent, and the run ended before its answer")
                }),
                in_doubt,
                is_removed: false,
            });
        let role = line.from_role().map(|role| role.level);
        let (item, seen) = (line.item, Membership::Absent);
        is_open.then_some(Self { item, account, role, earlier, seen })
    }

    fn decision(&self) -> Decision {
        Decision::Change(Action::Remove(self.role))
    }

    fn takes_an_admin(&self) -> bool {
        self.decision().takes_an_admin(self.seen)
    }
}

/// How many people a workspace had before the run, and how many of them it has removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct People {
    /// Members and pending invitations before the run.
    pub in_all: u64,
    /// Removed by the run.
    pub removed: u64,
}

impl People {
    /// How many people the workspaces of a run had before it, where `now` says how many some of them have
    /// and `concluded` what reading has concluded since the history was written. A person in doubt may be
    /// gone: that person counts as removed, but not as an additional member.
    pub fn before(
        history: &History,
        now: &HashMap<WorkspaceId, u64>,
        concluded: &[(ItemId, Outcome)],
    ) -> BTreeMap<WorkspaceId, Self> {
        let in_all = |id: &WorkspaceId| now.get(id).copied().unwrap_or_default();
        let start = |id: &WorkspaceId| (id.clone(), Self { in_all: in_all(id), removed: 0 });
        let mut all: BTreeMap<WorkspaceId, Self> = history.workspaces.iter().map(start).collect();
        let place = |row: &RowHistory| row.workspace.map(|place| &history.workspaces[place as usize]);
        let concluded: HashMap<ItemId, Status> =
            concluded.iter().map(|(row, outcome)| (*row, outcome.status)).collect();
        for (row, extra) in (history.first_extra()..).map(ItemId::from_index).zip(&history.extras) {
            let lost = Self::lost(extra.status, concluded.get(&row).copied());
            if let Some(people) = place(extra).and_then(|id| all.get_mut(id)) {
                people.in_all += lost.in_all;
                people.removed += lost.removed;
            }
        }
        let rows = (0..history.rows.len()).map(ItemId::from_index);
        for added in rows.filter_map(|row| history.alone(row)).filter(|row| is_new(row)) {
            if let Some(people) = place(added).and_then(|id| all.get_mut(id)) {
                people.in_all = people.in_all.saturating_sub(1);
            }
        }
        all
    }

    /// What one removal adds, by its status in the history and the one that reading has given it since.
    /// One in doubt that reading has left is due and counts there.
    fn lost(before: Status, now: Option<Status>) -> Self {
        let is_gone = now.unwrap_or(before) == Status::Removed;
        let may_be_gone = now == Some(Status::InDoubt);
        Self { in_all: is_gone.into(), removed: (is_gone || may_be_gone).into() }
    }
}

/// Whether a row has brought one more person in; an invitation that was made again has not.
fn is_new(row: &RowHistory) -> bool {
    let is_replaced = row.cause.as_ref().is_some_and(|cause| cause.code == Code::Renewed);
    matches!(row.status, Status::Added | Status::Invited) && !is_replaced
}

/// Where each workspace of the run stands among all of them.
fn places(people: &BTreeMap<WorkspaceId, People>) -> HashMap<&WorkspaceId, usize> {
    people.keys().zip(0..).collect()
}

/// The workspaces in which rows of the roster failed or have no end yet.
fn spoiled(history: &History) -> HashMap<WorkspaceId, Spoiled> {
    let mut spoiled = HashMap::new();
    for row in &history.rows {
        let how = match row.status.kind() {
            StatusKind::Changed | StatusKind::AsItWas => continue,
            StatusKind::NotTried if row.is_left_out() => continue,
            StatusKind::NotTried | StatusKind::Unresolved => Spoiled::ForNow,
            StatusKind::Failed => Spoiled::ForGood,
        };
        let Some(place) = row.workspace else { continue };
        let entry = spoiled.entry(history.workspaces[place as usize].clone()).or_insert(how);
        if how == Spoiled::ForNow {
            *entry = how;
        }
    }
    spoiled
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::plan::Standing;

    const VIEWER: Membership =
        Membership::Member { role: Level::Viewer, bindings: 1, standing: Standing::Active };
    const ADMIN: Membership =
        Membership::Member { role: Level::Admin, bindings: 1, standing: Standing::Active };

    fn leaver(place: usize, id: &str, role: Level, in_doubt: Option<bool>) -> Leaver {
        let cause = Cause::new(Code::Timeout, "no answer");
        let earlier = in_doubt.map(|in_doubt| Earlier {
            attempts: 1,
            elapsed: Duration::ZERO,
            cause,
            in_doubt,
            is_removed: false,
        });
        let (item, account) = (ItemId::from_index(place), Account::User(id.to_owned()));
        Leaver { item, account, role: Some(role), earlier, seen: Membership::Absent }
    }

    const NOBODY: Kept<'static> = Kept { callers: &[], protect: &Protect::NONE };

    /// One workspace with these people in it.
    fn leaving(leavers: Vec<Leaver>) -> Leaving {
        let id = WorkspaceId::new("ck1").expect("valid");
        let mut names = Emails::default();
        leavers.iter().for_each(|leaver| names.push(&format!("{:?}@example.com", leaver.item.index())));
        let workspaces = vec![Workspace { id, label: None }];
        Leaving {
            part: Part { workspaces, names: Arc::new(names), ..Part::default() },
            shares: vec![leavers],
        }
    }

    /// How each removal ended, by its row; none for those that are sent.
    fn ends(leaving: Leaving, rows: usize) -> Vec<Option<(Status, Option<Code>)>> {
        let part = leaving.assemble();
        assert_eq!(part.operations.len() + part.concluded.len(), rows, "everybody, each once");
        let end = |place: usize| {
            let (_, outcome) = part.concluded.iter().find(|(row, _)| row.index() == place)?;
            Some((outcome.status, outcome.cause.as_ref().map(|cause| cause.code.clone())))
        };
        (0..rows).map(end).collect()
    }

    /// How the removal of a person with this role ends; none if it is sent.
    pub fn end(
        role: Option<Level>,
        in_doubt: Option<bool>,
        seen: Membership,
    ) -> Option<(Status, Option<Cause>)> {
        let mut leaving = leaving(vec![Leaver { role, ..leaver(0, "a", Level::Viewer, in_doubt) }]);
        leaving.judge(0, &Reading::of(vec![seen]), NOBODY);
        let (_, outcome) = leaving.assemble().concluded.pop()?;
        Some((outcome.status, outcome.cause))
    }

    #[test]
    fn what_houston_has_now_decides_about_everybody_who_was_to_go() {
        use Level::Viewer;
        let leavers = ["a", "b", "c", "d", "me"].into_iter().enumerate();
        let mut leaving = leaving(
            leavers.map(|(place, id)| leaver(place, id, Viewer, (place == 1).then_some(true))).collect(),
        );
        let seen = vec![Membership::Absent, Membership::Absent, ADMIN, VIEWER, VIEWER];
        let kept = Kept { callers: &["me".to_owned()], protect: &Protect::default() };
        leaving.judge(0, &Reading::of(seen), kept);
        let end = |status, code: Code| Some((status, Some(code)));
        assert_eq!(
            ends(leaving, 5),
            [
                end(Status::Unchanged, Code::GoneAlready),
                Some((Status::Removed, None)),
                end(Status::RoleKept, Code::OtherRole),
                None,
                end(Status::Unchanged, Code::GuardSelf),
            ]
        );
    }

    #[test]
    fn admins_leave_only_where_one_remains_now() {
        for (admins, leaves) in [(0, false), (1, false), (2, true)] {
            let mut leaving =
                leaving(vec![leaver(0, "a", Level::Admin, None), leaver(1, "b", Level::Viewer, None)]);
            leaving.judge(0, &Reading::of(vec![ADMIN, VIEWER]), NOBODY);
            assert_eq!(leaving.admins_taken(), [0]);
            leaving.count_admins(0, admins);
            let held = Some((Status::Unchanged, Some(Code::GuardLastAdmin)));
            assert_eq!(ends(leaving, 2), [held.filter(|_| !leaves), None], "{admins}");
        }
    }

    #[test]
    fn protection_and_a_complete_list_are_asked_for_when_removals_are_due() {
        let three = || (0..3).map(|place| leaver(place, "x", Level::Viewer, None)).collect();
        let held = |code: Code| Some((Status::Unchanged, Some(code)));
        let protect = Protect::new(&["0@EXAMPLE.com".to_owned(), "alias*".to_owned()]);
        let mut names = vec![vec![]; 3];
        names[1] = vec!["b@example.com".to_owned(), "alias@example.com".to_owned()];
        let reading = Reading { names, ..Reading::of(vec![VIEWER; 3]) };
        let mut some = leaving(three());
        some.judge(0, &reading, Kept { callers: &[], protect: &protect });
        assert_eq!(ends(some, 3), [held(Code::Protected), held(Code::Protected), None]);
        let mut hidden = leaving(three());
        hidden.judge(0, &Reading { hidden: 1, ..Reading::of(vec![VIEWER; 3]) }, NOBODY);
        assert_eq!(ends(hidden, 3), [(); 3].map(|()| held(Code::GuardIncomplete)));
    }

    #[test]
    fn the_limits_count_what_earlier_legs_have_removed() {
        let due = || {
            let mut leaving = leaving((0..3).map(|place| leaver(place, "x", Level::Viewer, None)).collect());
            leaving.judge(0, &Reading::of(vec![VIEWER; 3]), NOBODY);
            leaving
        };
        let people = |in_all, removed| {
            BTreeMap::from([(WorkspaceId::new("ck1").expect("valid"), People { in_all, removed })])
        };
        for (removed, caps, held) in [
            (0, Caps { people: 3, percent: 100 }, false),
            (1, Caps { people: 3, percent: 100 }, true),
            (1, Caps { people: 4, percent: 40 }, false),
            (1, Caps { people: 4, percent: 39 }, true),
        ] {
            for on_guard in [OnGuard::Stop, OnGuard::SkipRemovals] {
                let mut leaving = due();
                let refusals = leaving.hold_too_many(Limits { caps, on_guard }, &people(10, removed));
                assert_eq!(!refusals.is_empty(), held, "{removed} {caps:?}");
                let end = held.then_some((Status::Unchanged, Some(Code::GuardMaxRemove)));
                assert_eq!(ends(leaving, 3), [(); 3].map(|()| end.clone()), "{removed} {caps:?}");
            }
        }
    }

    #[test]
    fn the_limits_count_what_reading_has_shown_to_be_removed_or_left_in_doubt() {
        let people = |in_all, removed| People { in_all, removed };
        for (before, now, expected) in [
            (Status::Removed, None, people(1, 1)),
            (Status::InDoubt, Some(Status::Removed), people(1, 1)),
            (Status::InDoubt, Some(Status::InDoubt), people(0, 1)),
            (Status::InDoubt, None, people(0, 0)),
            (Status::GaveUp, Some(Status::GaveUp), people(0, 0)),
            (Status::NotRun, Some(Status::Unchanged), people(0, 0)),
        ] {
            assert_eq!(People::lost(before, now), expected, "{before:?} {now:?}");
        }
    }

    #[test]
    fn what_may_still_take_effect_stays_in_doubt() {
        let mut leaving =
            leaving(vec![leaver(0, "a", Level::Viewer, Some(true)), leaver(1, "b", Level::Viewer, None)]);
        leaving.give_up(0, &Cause::new(Code::Unreadable, "not now"));
        let end = |status| Some((status, Some(Code::Unreadable)));
        assert_eq!(ends(leaving, 2), [end(Status::InDoubt), end(Status::GaveUp)]);
    }
}
