//! The lanes of all workspaces, in turn: which one is asked next, and when one that waits is due.
//!
//! Main type: [`Lanes`]. Pure: it decides about turns and timers; what a workspace does in its turn is
//! for its [`Lane`].

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::ops::{Index, IndexMut};
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;

use super::lane::{AdminCheck, Lane, Step};
use crate::plan::{Operation, Stage};

/// One lane, and its turn.
#[derive(Debug)]
struct Slot {
    lane: Lane,
    workspace: u32,
    in_ring: bool,
    /// When it wants to be asked again.
    timer: Option<Instant>,
}

/// The lanes of a run. An index gives the [`Lane`] itself.
#[derive(Debug)]
pub struct Lanes {
    slots: Vec<Slot>,
    by_workspace: HashMap<u32, usize, FixedState>,
    /// Lanes that may have something to do now, in turn.
    ring: VecDeque<usize>,
    /// When lanes are due; an entry that is no longer the lane's own is stale.
    timers: BinaryHeap<Reverse<(Instant, usize)>>,
}

impl Lanes {
    /// A lane for each workspace of these operations, all of them due. What is `in_doubt` is not sent
    /// before it has been read; each is sent in its `stage`; before any that `demotes_an_admin`, the admins of
    /// its workspace are counted. See [`Lane::new`] for `canary` and `settle`.
    pub fn new(
        operations: &[Operation],
        in_doubt: impl Fn(usize) -> bool,
        stage: impl Fn(usize) -> Stage,
        demotes_an_admin: impl Fn(usize) -> bool,
        canary: u32,
        settle: Duration,
    ) -> Self {
        let mut slots = Vec::new();
        let mut by_workspace = HashMap::default();
        let mut first = 0;
        for chunk in operations.chunk_by(|a, b| a.workspace == b.workspace) {
            let workspace = chunk[0].workspace;
            by_workspace.insert(workspace, slots.len());
            let to_send = (first..first + chunk.len()).filter(|&operation| !in_doubt(operation));
            let to_send = to_send.map(|operation| (operation, stage(operation)));
            let demotes = (first..first + chunk.len()).any(&demotes_an_admin);
            let admins = if demotes { AdminCheck::Due } else { AdminCheck::Over };
            let lane = Lane::new(to_send, canary, settle, admins);
            slots.push(Slot { lane, workspace, in_ring: true, timer: None });
            first += chunk.len();
        }
        Self { ring: (0..slots.len()).collect(), slots, by_workspace, timers: BinaryHeap::new() }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// The lane of a workspace that has one.
    pub fn of_workspace(&self, workspace: u32) -> usize {
        self.by_workspace[&workspace]
    }

    /// The workspace of a lane.
    pub fn workspace(&self, lane: usize) -> u32 {
        self.slots[lane].workspace
    }

    /// Whether no lane has, or will have, anything to do on its own.
    pub fn are_idle(&self) -> bool {
        self.ring.is_empty() && self.slots.iter().all(|slot| slot.timer.is_none())
    }

    /// The first moment at which a lane is due, if one waits.
    pub fn next_due(&self) -> Option<Instant> {
        self.timers.peek().map(|Reverse((at, _))| *at)
    }

    /// The lane takes its turn behind those that may have something to do now.
    pub fn wake(&mut self, lane: usize) {
        if !std::mem::replace(&mut self.slots[lane].in_ring, true) {
            self.ring.push_back(lane);
        }
    }

    /// Wakes the lanes that are due.
    pub fn wake_due(&mut self, now: Instant) {
        while let Some(&Reverse((at, lane))) = self.timers.peek() {
            if at > now {
                return;
            }
            self.timers.pop();
            if self.slots[lane].timer == Some(at) {
                self.slots[lane].timer = None;
                self.wake(lane);
            }
        }
    }

    /// Asks the next lane in turn what may be done now; none if no lane has a turn.
    pub fn next(&mut self, now: Instant) -> Option<(usize, Step)> {
        let lane = self.ring.pop_front()?;
        self.slots[lane].in_ring = false;
        let step = self.slots[lane].lane.next(now);
        self.set_timer(lane, &step);
        Some((lane, step))
    }

    /// A lane has one timer at most: the one of its last step.
    fn set_timer(&mut self, lane: usize, step: &Step) {
        let at = match step {
            Step::Later(at) => Some(*at),
            Step::Send(_)
            | Step::Read(_)
            | Step::CountAdmins(_)
            | Step::GiveUp(_)
            | Step::Idle
            | Step::Done => None,
        };
        if self.slots[lane].timer != at {
            self.timers.extend(at.map(|at| Reverse((at, lane))));
            self.slots[lane].timer = at;
        }
    }
}

impl Index<usize> for Lanes {
    type Output = Lane;

    fn index(&self, lane: usize) -> &Lane {
        &self.slots[lane].lane
    }
}

impl IndexMut<usize> for Lanes {
    fn index_mut(&mut self, lane: usize) -> &mut Lane {
        &mut self.slots[lane].lane
    }
}

#[cfg(test)]
mod tests {
    use super::super::verdict::Doubt;
    use super::*;
    use crate::model::{ItemId, Level};
    use crate::outcome::{Cause, Code};
    use crate::plan::Action;

    const SETTLE: Duration = Duration::from_secs(16);

    /// So many workspaces with two operations each.
    fn lanes(workspaces: u32) -> Lanes {
        let action = Action::Add(Level::Editor);
        let operations: Vec<Operation> = (0..2 * workspaces)
            .map(|place| Operation { item: ItemId::from_index(place as usize), workspace: place / 2, action })
            .collect();
        Lanes::new(&operations, |_| false, |_| Stage::Adds, |_| false, 0, SETTLE)
    }

    #[test]
    fn workspaces_take_turns() {
        let (mut lanes, now) = (lanes(3), Instant::now());
        let mut sent = Vec::new();
        while let Some((lane, step)) = lanes.next(now) {
            if let Step::Send(operation) = step {
                sent.push(operation);
                lanes.wake(lane);
            }
        }
        assert_eq!(sent, [0, 2, 4, 1, 3, 5]);
        assert!(lanes.are_idle(), "until something comes back");
    }

    #[test]
    fn a_lane_that_waits_is_asked_when_it_is_due_and_not_for_a_timer_that_is_no_longer_its_own() {
        let (mut lanes, now) = (lanes(1), Instant::now());
        let cause = || Cause::new(Code::Timeout, "no answer");
        for operation in [0, 1] {
            assert_eq!(lanes.next(now), Some((0, Step::Send(operation))));
            lanes.wake(0);
        }
        lanes[0].came_back();
        let doubt_at = |lanes: &mut Lanes, at| lanes[0].doubts().push(0, 1, Doubt::Effect, cause(), at);
        doubt_at(&mut lanes, now);
        let stale = now + SETTLE / 16;
        assert_eq!(lanes.next(now), Some((0, Step::Later(stale))));
        lanes[0].doubts().drain();
        doubt_at(&mut lanes, now + SETTLE);
        lanes.wake(0);
        let due = stale + SETTLE;
        assert_eq!(lanes.next(now), Some((0, Step::Later(due))));
        lanes.wake_due(stale);
        assert_eq!(lanes.next(stale), None);
        assert_eq!((lanes.next_due(), lanes.are_idle()), (Some(due), false));
        lanes.wake_due(due);
        assert_eq!(lanes.next(due), Some((0, Step::Read(vec![0]))));
        lanes.wake(0);
        assert_eq!(lanes.next(due), Some((0, Step::Idle)));
        assert!(lanes.are_idle());
    }
}
