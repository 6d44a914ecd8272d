//! The single owner of a run's state: hands out tickets, journals intents before and outcomes
//! after, announces what happened, and says when the run is over.
//!
//! Main type: [`Dispatcher`]. It runs on the calling thread and is the only one to touch the
//! journal, the totals and the reporters; it never calls Houston itself.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use foldhash::fast::FixedState;

use super::open::Exhausted;
use super::part::Subject;
use super::refusals::Refusals;
use super::worker::{Job, Signal, Ticket};
use super::workspace::{Lane, Step};
use super::{Run, Settings, pause};
use crate::event::{Event, RunEnd, StopReason};
use crate::houston::Repeats;
use crate::outcome::{Cause, Status, Tally};
use crate::plan::{OperationKind, Workspace};
use crate::record::journal::{Entry, Journal};
use crate::time::Waited;

/// How often bars are redrawn and the outside is looked at.
const TICK: Duration = Duration::from_millis(100);

/// An operation that has been sent and has no outcome yet.
#[derive(Debug)]
pub(super) struct Active {
    /// Sends since its last allowance of tries began.
    pub(super) sends: u32,
    /// Requests sent for it in all.
    pub(super) attempts: u32,
    pub(super) first_sent: Instant,
    /// From the first request to the answer that counts.
    pub(super) elapsed: Option<Duration>,
    /// Whether an earlier send may have taken effect.
    pub(super) ours: bool,
    /// Why its last send failed.
    pub(super) last: Option<Cause>,
}

/// A person with a mutation in flight or in doubt.
#[derive(Debug)]
struct Busy {
    operation: usize,
    /// Operations of the same person that wait for it.
    waiting: Vec<usize>,
}

/// The state of a run.
pub(super) struct Dispatcher<'r> {
    pub(super) run: &'r Run<'r>,
    pub(super) settings: &'r Settings,
    pub(super) journal: &'r mut Journal,
    pub(super) announce: &'r mut dyn FnMut(&Event<'_>),
    tickets: Sender<Ticket>,
    /// Cloned into every ticket.
    answers: Sender<Signal>,
    signals: Receiver<Signal>,
    pub(super) stopping: Arc<AtomicBool>,

    pub(super) lanes: Vec<Lane>,
    /// The workspace of each lane.
    workspaces: Vec<u32>,
    /// The lane of each workspace of the plan that has one.
    life_of: HashMap<u32, usize, FixedState>,
    /// Lives that may have something to do now, in turn.
    ring: VecDeque<usize>,
    in_ring: Vec<bool>,
    /// When lanes want to be asked again; an entry that is not the lane's own any more is stale.
    timers: BinaryHeap<Reverse<(Instant, usize)>>,
    timer_of: Vec<Option<Instant>>,
    pub(super) active: HashMap<usize, Active, FixedState>,
    /// People with a mutation in flight or in doubt.
    busy: HashMap<&'r str, Busy, FixedState>,
    pub(super) in_flight: usize,
    /// Denied mutations that wait for the answer of the probe.
    pub(super) denied: Vec<(usize, Cause)>,
    pub(super) repeats: Repeats,

    pub(super) tally: Tally,
    pub(super) bad_in_a_row: u64,
    pub(super) bad: u64,
    pub(super) finished: u64,
    pub(super) pages_in_a_row: u32,
    pub(super) refusals: Refusals,
    /// Nothing can be noted any more, so nothing is begun.
    pub(super) journal_is_lost: bool,
    pub(super) stopped: Option<(StopReason, Option<Cause>)>,
    /// When a signal's grace is over.
    pub(super) deadline: Option<Instant>,
    began: Instant,
    next_tick: Instant,
}

/// The two ends through which workers answer.
pub(super) type Answers = (Sender<Signal>, Receiver<Signal>);

impl<'r> Dispatcher<'r> {
    /// A run that has not begun. `tally` has the rows that need no mutation.
    #[expect(clippy::too_many_arguments, reason = "each is one part of the run's state, given once")]
    pub(super) fn new(
        run: &'r Run<'r>,
        settings: &'r Settings,
        journal: &'r mut Journal,
        announce: &'r mut dyn FnMut(&Event<'_>),
        tickets: Sender<Ticket>,
        (answers, signals): Answers,
        stopping: Arc<AtomicBool>,
        mut tally: Tally,
    ) -> Self {
        tally.operations += run.operations.len() as u64;
        let mut lanes = Vec::new();
        let mut workspaces = Vec::new();
        let mut life_of = HashMap::default();
        let mut first = 0;
        for chunk in run.operations.chunk_by(|a, b| a.workspace == b.workspace) {
            life_of.insert(chunk[0].workspace, lanes.len());
            workspaces.push(chunk[0].workspace);
            let in_doubt = |place: &usize| run.earlier.get(place).is_some_and(|earlier| earlier.in_doubt);
            let to_send = (first..first + chunk.len()).filter(|place| !in_doubt(place));
            let to_send = to_send.map(|place| (place, run.operations[place].kind.stage()));
            lanes.push(Lane::new(to_send, settings.canary, settings.settle));
            first += chunk.len();
        }
        let verb = match run.subjects.behind.first() {
            None => "added",
            Some(Subject::Deployment(_)) => "given a role in a deployment",
            Some(Subject::Leaver(_)) => "removed",
        };
        let refusals = Refusals::new(lanes.len(), run.operations.len(), settings.retries).of(verb);
        let now = run.clock.now();
        let mut dispatcher = Self {
            run,
            settings,
            journal,
            announce,
            tickets,
            answers,
            signals,
            stopping,
            ring: (0..lanes.len()).collect(),
            in_ring: vec![true; lanes.len()],
            timer_of: vec![None; lanes.len()],
            lanes,
            workspaces,
            life_of,
            timers: BinaryHeap::new(),
            active: HashMap::default(),
            busy: HashMap::default(),
            in_flight: 0,
            denied: Vec::new(),
            repeats: settings.repeats,
            tally,
            bad_in_a_row: 0,
            bad: 0,
            finished: 0,
            pages_in_a_row: 0,
            refusals,
            journal_is_lost: false,
            stopped: None,
            deadline: None,
            began: now,
            next_tick: now + TICK,
        };
        dispatcher.recall(now);
        dispatcher
    }

    /// Takes up what an earlier leg of the run has sent. What is in doubt may take effect until the
    /// settle time is over, from now on: nobody knows when a killed process sent its last request.
    fn recall(&mut self, now: Instant) {
        for (&operation, earlier) in self.run.earlier {
            let cause = earlier.cause.clone();
            let active = Active {
                sends: 0,
                attempts: earlier.attempts,
                first_sent: now,
                elapsed: Some(earlier.elapsed),
                ours: true,
                last: Some(cause.clone()),
            };
            self.active.insert(operation, active);
            if earlier.in_doubt {
                let email = self.run.emails.get(self.run.operations[operation].row);
                self.busy.entry(email).or_insert(Busy { operation, waiting: Vec::new() });
                let lane = self.life_of(operation);
                let (settle, repeats) = (self.settings.settle, self.repeats_of(operation));
                self.lanes[lane].doubts().recall(operation, cause, now, settle, repeats);
                self.tally.doubtful += 1;
            }
        }
    }

    /// Runs to the end.
    pub(super) fn run(mut self) -> RunEnd {
        (self.announce)(&Event::Started { tally: self.tally });
        loop {
            self.poll_stop_conditions();
            self.hand_out();
            if self.is_over() {
                break;
            }
            self.await_signals();
        }
        self.close()
    }

    pub(super) fn now(&self) -> Instant {
        self.run.clock.now()
    }

    fn is_over(&self) -> bool {
        let grace_is_over = self.deadline.is_some_and(|deadline| self.now() >= deadline);
        let is_waiting = self.timer_of.iter().any(Option::is_some);
        let is_idle = self.journal_is_lost || (self.ring.is_empty() && !is_waiting);
        grace_is_over || (self.in_flight == 0 && is_idle)
    }

    /// Redraws, and looks whether the outside, or the time, wants the run to end.
    fn poll_stop_conditions(&mut self) {
        let now = self.now();
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + TICK;
        self.tally.requests = self.run.pace.requests();
        self.tally.strain = self.run.pace.strain();
        self.flush_journal();
        (self.announce)(&Event::Tick { tally: self.tally, pause: pause(self.run.pace) });
        if let Some(reason) = (self.run.stop)() {
            self.stop(reason, None);
        }
        self.skip_grace_if_paused();
        if self.settings.max_duration.is_some_and(|limit| now - self.began >= limit) {
            self.stop(StopReason::MaxDuration, None);
        }
    }

    /// Fills the window. It is refilled from half on, so that intents come in batches: one sync
    /// of the journal serves many of them.
    fn hand_out(&mut self) {
        let window = 2 * self.settings.concurrency;
        // While a probe asks whether the token lanes, nothing new is begun.
        if self.in_flight > window * 3 / 4 || !self.denied.is_empty() || self.journal_is_lost {
            return;
        }
        let now = self.now();
        self.wake_due(now);
        let mut jobs = Vec::new();
        let mut intents = false;
        while self.in_flight + jobs.len() < window {
            let Some(job) = self.next_job(now) else { break };
            if let Job::Send { operation, .. } = job {
                self.note_intent(operation, now);
                intents = true;
            }
            jobs.push(job);
        }
        if intents && let Err(error) = self.journal.commit() {
            self.lose_journal(&error);
            jobs.retain(|job| match job {
                Job::Send { operation, .. } => {
                    let lane = self.life_of(*operation);
                    self.lanes[lane].came_back();
                    self.take_back(*operation);
                    false
                }
                Job::Read { .. } | Job::Probe => true,
            });
        }
        for job in jobs {
            self.give(job);
        }
    }

    /// Gives a job to the workers. The channel has room: the window is as large as the channel.
    pub(super) fn give(&mut self, job: Job) {
        self.in_flight += 1;
        if self.tickets.send(Ticket::new(job, self.answers.clone())).is_err() {
            // All workers are gone; the ticket that was dropped has reported itself lost.
        }
    }

    fn next_job(&mut self, now: Instant) -> Option<Job> {
        while let Some(lane) = self.ring.pop_front() {
            self.in_ring[lane] = false;
            let step = self.lanes[lane].next(now);
            self.set_timer(lane, &step);
            match step {
                Step::Send(operation) => {
                    self.wake(lane);
                    if let Some(job) = self.send(lane, operation) {
                        return Some(job);
                    }
                }
                Step::Read(operations) => {
                    self.wake(lane);
                    return Some(self.read(lane, operations));
                }
                Step::GiveUp(rows) => {
                    for Exhausted { operation, cause } in rows {
                        self.conclude(operation, Status::GaveUp, Some(cause));
                    }
                    self.wake(lane);
                }
                Step::Later(_) | Step::Idle | Step::Done => {}
            }
        }
        None
    }

    /// A lane has one timer at most: the one of its last step.
    fn set_timer(&mut self, lane: usize, step: &Step) {
        let at = match step {
            Step::Later(at) => Some(*at),
            Step::Send(_) | Step::Read(_) | Step::GiveUp(_) | Step::Idle | Step::Done => None,
        };
        if self.timer_of[lane] != at {
            self.timers.extend(at.map(|at| Reverse((at, lane))));
            self.timer_of[lane] = at;
        }
    }

    /// The job of an operation; none if another operation of the same person comes first.
    fn send(&mut self, lane: usize, operation: usize) -> Option<Job> {
        let planned = self.run.operations[operation];
        let email = self.run.emails.get(planned.row);
        let busy = self.busy.entry(email).or_insert(Busy { operation, waiting: Vec::new() });
        if busy.operation != operation {
            busy.waiting.push(operation);
            self.lanes[lane].park();
            return None;
        }
        let workspace = self.run.workspaces[planned.workspace as usize].id.clone();
        Some(Job::Send { operation, row: planned.row, workspace, kind: planned.kind })
    }

    /// Whether an operation may be sent again before it is certain that it will not take effect any
    /// more. To set a role twice is the same as to set it once, and nobody leaves twice.
    pub(super) fn repeats_of(&self, operation: usize) -> Repeats {
        match self.run.operations[operation].kind {
            OperationKind::Add(_) => self.repeats,
            // A removal that lands after the add would undo it: it is waited for.
            OperationKind::Replace(_) => Repeats::Unknown,
            OperationKind::SetRole(_) | OperationKind::Remove(_) => Repeats::Refused,
        }
    }

    fn read(&self, lane: usize, operations: Vec<usize>) -> Job {
        let rows = operations.iter().map(|&operation| self.run.operations[operation].row).collect();
        let workspace = self.workspace_of(lane).id.clone();
        Job::Read { lane, workspace, operations, rows }
    }

    fn note_intent(&mut self, operation: usize, now: Instant) {
        let planned = self.run.operations[operation];
        let fresh = Active { sends: 0, attempts: 0, first_sent: now, elapsed: None, ours: false, last: None };
        let active = self.active.entry(operation).or_insert(fresh);
        active.sends += 1;
        let workspace = &self.run.workspaces[planned.workspace as usize].id;
        let entry = Entry::Intent {
            row: planned.row,
            op: planned.id(workspace, self.run.emails.get(planned.row)),
            attempt: active.attempts + 1,
            at_ms: self.journal.at_ms(now),
        };
        self.journal.note(&entry);
    }

    /// Waits for workers, or for the next moment at which something is due.
    fn await_signals(&mut self) {
        if self.in_flight == 0 {
            let now = self.now();
            let due = self.timers.peek().map_or(TICK, |Reverse((at, _))| at.saturating_duration_since(now));
            match self.run.clock.wait(due.min(TICK), self.run.cancel) {
                Waited::Fully | Waited::CutShort => return,
            }
        }
        match self.signals.recv_timeout(TICK) {
            Ok(signal) => self.took(signal),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        }
        while let Ok(signal) = self.signals.try_recv() {
            self.took(signal);
        }
    }

    fn took(&mut self, signal: Signal) {
        self.in_flight -= 1;
        self.handle(signal);
    }

    pub(super) fn life_of(&self, operation: usize) -> usize {
        self.life_of[&self.run.operations[operation].workspace]
    }

    pub(super) fn workspace_of(&self, lane: usize) -> &'r Workspace {
        &self.run.workspaces[self.workspaces[lane] as usize]
    }

    pub(super) fn wake(&mut self, lane: usize) {
        if !std::mem::replace(&mut self.in_ring[lane], true) {
            self.ring.push_back(lane);
        }
    }

    fn wake_due(&mut self, now: Instant) {
        while let Some(&Reverse((at, lane))) = self.timers.peek() {
            if at > now {
                return;
            }
            self.timers.pop();
            if self.timer_of[lane] == Some(at) {
                self.timer_of[lane] = None;
                self.wake(lane);
            }
        }
    }

    /// The person of an operation may have another mutation now.
    pub(super) fn release_person(&mut self, operation: usize) {
        let email = self.run.emails.get(self.run.operations[operation].row);
        if self.busy.get(email).is_none_or(|busy| busy.operation != operation) {
            return;
        }
        let waiting = self.busy.remove(email).map_or_else(Vec::new, |busy| busy.waiting);
        for operation in waiting {
            let lane = self.life_of(operation);
            if !self.lanes[lane].unpark(operation) {
                match self.lanes[lane].closed().cloned() {
                    Some(cause) => self.conclude_unsent(operation, cause),
                    None => self.leave(operation),
                }
            }
            self.wake(lane);
        }
    }
}
