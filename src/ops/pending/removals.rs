//! What holds removals back beyond the person: failed rows of the workspace, and the limits of the run.
//!
//! Main function: [`Pending::hold_too_many`]. It counts what earlier legs have removed, too.

use std::collections::{BTreeMap, HashMap};

use super::item::PendingItem;
use super::{Due, Pending};
use crate::model::{ItemId, WorkspaceId};
use crate::outcome::{Cause, Code, Outcome, Status, StatusKind};
use crate::plan::guard::{Caps, Excess, Extent, Limit, OnGuard, Refusal, excess};
use crate::plan::{Decision, Guard, Reason};
use crate::record::journal::{History, ItemEnd};

/// What a run may remove in all.
#[derive(Debug, Clone, Copy)]
pub struct RemovalLimits {
    /// How many.
    pub caps: Caps,
    /// What happens if there are more.
    pub on_guard: OnGuard,
    /// Whether the run is one of several shards.
    pub extent: Extent,
}

/// What becomes of the removals of a workspace in which rows failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoiled {
    /// Rows are left that a later try can settle.
    ForNow,
    /// Rows have failed for good.
    ForGood,
}

impl PendingItem {
    /// How a removal ends where a row of its workspace failed. What may still take effect stays in doubt.
    pub(super) fn held_after_failure(&self, spoiled: Spoiled) -> (Status, Cause) {
        let status = match spoiled {
            _ if self.is_in_doubt() => Status::InDoubt,
            Spoiled::ForNow => Status::NotRun,
            Spoiled::ForGood => Status::Unchanged,
        };
        (
            status,
            Cause::new(Code::NotRemovedAfterFailure, "not removed because a row of this workspace failed"),
        )
    }
}

/// The workspaces in which rows of the roster failed or have no end yet.
pub(super) fn spoiled(history: &History) -> HashMap<WorkspaceId, Spoiled> {
    let mut spoiled = HashMap::new();
    for row in history.rows() {
        let how = match row.status.kind() {
            StatusKind::Changed | StatusKind::AsItWas => continue,
            StatusKind::NotTried if row.is_left_out() => continue,
            StatusKind::NotTried | StatusKind::Unresolved => Spoiled::ForNow,
            StatusKind::Failed => Spoiled::ForGood,
        };
        let Some(at) = row.workspace else { continue };
        let entry = spoiled.entry(history.workspaces[at as usize].clone()).or_insert(how);
        if how == Spoiled::ForNow {
            *entry = how;
        }
    }
    spoiled
}

impl Pending {
    /// The workspaces of the run whose people have to be counted, besides those that were read: the share of
    /// all people exceeds its limit by what is known so far.
    pub fn uncounted<'h>(&self, limits: RemovalLimits, history: &'h History) -> Vec<&'h WorkspaceId> {
        let is_share_of_all = |refusal: &Refusal| match refusal.limit {
            Limit::Percent(_) => refusal.workspace.is_none(),
            Limit::People(_) => false,
        };
        let counted = self.people();
        let Excess { refusals, .. } = self.excess(limits, &self.before(history, &counted));
        if !refusals.iter().any(is_share_of_all) {
            return Vec::new();
        }
        history.workspaces.iter().filter(|id| !counted.contains_key(*id)).collect()
    }

    /// How many people the workspaces have that were read.
    fn people(&self) -> HashMap<WorkspaceId, u64> {
        let people = self.shares.iter().map(|share| Some((share.workspace.clone(), share.people?)));
        people.flatten().collect()
    }

    /// Compares the removals of the whole run with its limits: those that it has already made, and those that
    /// are due now. `others` are the people of workspaces where no removal is due; a missing one makes the
    /// limits stricter. Excess removals are held back, or all removals, unless only the excess may be
    /// skipped. Gives each refusal with the workspace that it is about.
    pub fn hold_too_many(
        &mut self,
        limits: RemovalLimits,
        history: &History,
        others: HashMap<WorkspaceId, u64>,
    ) -> Vec<(Option<WorkspaceId>, Refusal)> {
        let mut counted = self.people();
        counted.extend(others);
        self.hold_what_exceeds(limits, &self.before(history, &counted))
    }

    fn hold_what_exceeds(
        &mut self,
        limits: RemovalLimits,
        people: &BTreeMap<WorkspaceId, People>,
    ) -> Vec<(Option<WorkspaceId>, Refusal)> {
        let Excess { refusals, held } = self.excess(limits, people);
        if refusals.is_empty() {
            return Vec::new();
        }
        let at = positions(people);
        for share in 0..self.shares.len() {
            if held[at[&self.shares[share].workspace]] || limits.on_guard == OnGuard::Stop {
                self.shares[share].due.iter_mut().for_each(Due::hold_too_many);
                self.settle(share);
            }
        }
        let ids: Vec<&WorkspaceId> = people.keys().collect();
        let id = |at: u32| ids[at as usize].clone();
        refusals.into_iter().map(|refusal| (refusal.workspace.map(id), refusal)).collect()
    }

    /// What exceeds the limits, of the workspaces of the run in their order.
    fn excess(&self, limits: RemovalLimits, people: &BTreeMap<WorkspaceId, People>) -> Excess {
        let mut leaving: Vec<u64> = people.values().map(|people| people.removed).collect();
        let at = positions(people);
        for share in &self.shares {
            leaving[at[&share.workspace]] += share.due.len() as u64;
        }
        let in_all: Vec<u64> = people.values().map(|people| people.in_all).collect();
        excess(&leaving, &in_all, limits.caps, limits.on_guard, limits.extent)
    }

    /// How many people the workspaces of the run had before it, where `counted` is how many some of them have
    /// now. A person in doubt may be gone: that person counts as removed, but not as an additional member.
    fn before(
        &self,
        history: &History,
        counted: &HashMap<WorkspaceId, u64>,
    ) -> BTreeMap<WorkspaceId, People> {
        let in_all = |id: &WorkspaceId| counted.get(id).copied().unwrap_or_default();
        let start = |id: &WorkspaceId| (id.clone(), People { in_all: in_all(id), removed: 0 });
        let mut all: BTreeMap<WorkspaceId, People> = history.workspaces.iter().map(start).collect();
        let of = |row: &ItemEnd| row.workspace.map(|at| &history.workspaces[at as usize]);
        let status = |(item, outcome): &(ItemId, Outcome)| (*item, outcome.status);
        let concluded: HashMap<ItemId, Status> = self.concluded.iter().map(status).collect();
        for (item, extra) in (history.first_extra()..).map(ItemId::from_index).zip(history.extras()) {
            let lost = People::lost(extra.status, concluded.get(&item).copied());
            if let Some(people) = of(extra).and_then(|id| all.get_mut(id)) {
                people.in_all += lost.in_all;
                people.removed += lost.removed;
            }
        }
        let rows = (0..history.row_count()).map(ItemId::from_index);
        for added in rows.filter_map(|row| history.item(row)).filter(|row| is_new(row)) {
            if let Some(people) = of(added).and_then(|id| all.get_mut(id)) {
                people.in_all = people.in_all.saturating_sub(1);
            }
        }
        all
    }
}

impl Due {
    fn hold_too_many(&mut self) {
        if let Decision::Change(action) = self.decision {
            self.decision = Decision::Keep(Reason::HeldBack(Guard::TooMany, action));
        }
    }
}

/// How many people a workspace had before the run, and how many of them it has removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct People {
    /// Members and pending invitations before the run.
    in_all: u64,
    /// Removed by the run.
    removed: u64,
}

impl People {
    /// What one removal adds, by its status in the history and the one that reading has given it since.
    /// One in doubt that reading has left is due and counts there.
    fn lost(before: Status, now: Option<Status>) -> Self {
        let is_gone = now.unwrap_or(before) == Status::Removed;
        let may_be_gone = now == Some(Status::InDoubt);
        Self { in_all: is_gone.into(), removed: (is_gone || may_be_gone).into() }
    }
}

/// Whether a row has brought one more person in; an invitation that was made again has not.
fn is_new(row: &ItemEnd) -> bool {
    let is_replaced = row.cause.as_ref().is_some_and(|cause| cause.code == Code::Renewed);
    matches!(row.status, Status::Added | Status::Invited) && !is_replaced
}

/// Where each workspace of the run stands among all of them.
fn positions(people: &BTreeMap<WorkspaceId, People>) -> HashMap<&WorkspaceId, usize> {
    people.keys().zip(0..).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Phase;
    use super::super::tests::{Before, ends, member, pending, removal, sights};
    use super::*;
    use crate::model::Level;

    #[test]
    fn the_limits_count_what_earlier_legs_have_removed() {
        for (removed, caps, held) in [
            (0, Caps { people: 3, percent: 100 }, false),
            (1, Caps { people: 3, percent: 100 }, true),
            (1, Caps { people: 4, percent: 40 }, false),
            (1, Caps { people: 4, percent: 39 }, true),
        ] {
            for on_guard in [OnGuard::Stop, OnGuard::SkipRemovals] {
                let people = (0..3).map(|at| removal(at, "x", Level::Viewer, Before::NothingSent)).collect();
                let mut removals = pending(Phase::Removals, people);
                removals.judge(0, sights(&[member(Level::Viewer); 3], &[]));
                let id = removals.shares[0].workspace.clone();
                let counted = BTreeMap::from([(id.clone(), People { in_all: 10, removed })]);
                let limits = RemovalLimits { caps, on_guard, extent: Extent::Whole };
                let refusals = removals.hold_what_exceeds(limits, &counted);
                assert_eq!(!refusals.is_empty(), held, "{removed} {caps:?}");
                let end = held.then_some((Status::Unchanged, Some(Code::GuardMaxRemove)));
                assert_eq!(ends(removals, 3), [(); 3].map(|()| end.clone()), "{removed} {caps:?}");
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
}
