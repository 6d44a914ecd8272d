//! The loop of a run: it hands out tickets, takes in signals, polls what may stop the run, and says when
//! the run is over.
//!
//! Main type: [`Dispatcher`]. It runs on the calling thread and owns the [`State`] of the run. It decides
//! by asking the parts of that state, and never calls Houston itself.

use std::time::{Duration, Instant};

use super::books::Books;
use super::channels::Channels;
use super::lane::Step;
use super::open::{Exhausted, small};
use super::state::State;
use super::worker::{Admins, Job};
use super::{Run, Settings, pause};
use crate::event::{RunEnd, StopReason};
use crate::outcome::Status;
use crate::plan::ReplaceStep;
use crate::time::Waited;

/// How often bars are redrawn and stop conditions are polled.
const TICK: Duration = Duration::from_millis(100);

/// Carries out one run.
pub struct Dispatcher<'r> {
    state: State<'r>,
    next_tick: Instant,
}

impl<'r> Dispatcher<'r> {
    /// A run that has not begun.
    pub fn new(run: &'r Run<'r>, settings: &'r Settings, channels: Channels, books: Books<'r>) -> Self {
        let state = State::new(run, settings, channels, books);
        Self { next_tick: state.now() + TICK, state }
    }

    /// Runs to the end.
    pub fn run(mut self) -> RunEnd {
        // What was read before the run does not count towards its rate.
        self.state.books.count_requests(self.state.run.pace);
        self.state.books.start();
        loop {
            self.poll_stop_conditions();
            self.hand_out();
            if self.is_over() {
                break;
            }
            self.await_signals();
        }
        self.state.close()
    }

    fn is_over(&self) -> bool {
        let state = &self.state;
        let is_idle = || state.books.are_lost() || state.lanes.are_idle();
        state.breakers.is_grace_over(state.now()) || (state.channels.in_flight() == 0 && is_idle())
    }

    /// Redraws, and checks whether a signal or a time limit ends the run.
    fn poll_stop_conditions(&mut self) {
        let state = &mut self.state;
        let now = state.now();
        if now < self.next_tick {
            return;
        }
        self.next_tick = now + TICK;
        state.books.count_requests(state.run.pace);
        state.books.pulse(state.run.pace, now);
        state.flush_journal();
        state.books.tick(pause(state.run.pace));
        if let Some(reason) = (state.run.stop)() {
            state.stop(reason, None);
        }
        state.skip_grace_if_paused();
        if state.breakers.is_time_over(now) {
            state.stop(StopReason::MaxDuration, None);
        }
    }

    /// Fills the window.
    fn hand_out(&mut self) {
        let room = self.state.channels.room();
        // While a probe checks whether the token is valid, nothing new begins.
        if room == 0 || self.state.breakers.are_probing() || self.state.books.are_lost() {
            return;
        }
        let now = self.state.now();
        self.state.lanes.wake_due(now);
        let mut jobs = Vec::new();
        while jobs.len() < room
            && let Some(job) = self.next_job(now)
        {
            self.note_intent(&job, now);
            jobs.push(job);
        }
        for job in self.with_synced_intents(jobs) {
            self.state.channels.give(job);
        }
    }

    /// The jobs that may be sent now: none is sent whose intent is not on disk.
    fn with_synced_intents(&mut self, jobs: Vec<Job>) -> Vec<Job> {
        if !jobs.iter().any(|job| sent_by(job).is_some()) || self.state.commit_journal() {
            return jobs;
        }
        let (sends, others): (Vec<Job>, Vec<Job>) = jobs.into_iter().partition(|job| sent_by(job).is_some());
        for operation in sends.iter().filter_map(sent_by) {
            self.state.hand_back(operation);
        }
        others
    }

    fn note_intent(&mut self, job: &Job, now: Instant) {
        let Some(operation) = sent_by(job) else { return };
        let state = &mut self.state;
        let attempt = state.unfinished.begin(operation, now);
        let planned = state.planned(operation);
        let workspace = &state.run.batch.workspaces[planned.workspace as usize].id;
        let id = planned.id(state.scope_of(operation), workspace, state.email_of(operation));
        state.books.intent(planned, id, attempt, state.step_of(operation), now);
    }

    fn next_job(&mut self, now: Instant) -> Option<Job> {
        while let Some((lane, step)) = self.state.lanes.next(now) {
            match step {
                Step::Send(operation) => {
                    self.state.lanes.wake(lane);
                    if let Some(job) = self.send(lane, operation) {
                        return Some(job);
                    }
                }
                Step::Read(operations) => {
                    self.state.lanes.wake(lane);
                    return Some(self.read(lane, operations, Admins::Unasked));
                }
                Step::CountAdmins(operations) => {
                    self.state.lanes.wake(lane);
                    return Some(self.read(lane, operations, Admins::Counted));
                }
                Step::GiveUp(rows) => {
                    for Exhausted { operation, cause } in rows {
                        self.state.conclude(operation, Status::GaveUp, Some(cause));
                    }
                    self.state.lanes.wake(lane);
                }
                Step::Later(_) | Step::Idle | Step::Done => {}
            }
        }
        None
    }

    /// The job of an operation; none if another operation of the same person comes first, or too many
    /// people are being replaced.
    fn send(&mut self, lane: usize, operation: usize) -> Option<Job> {
        let planned = self.state.planned(operation);
        let is_removal = self.state.step_of(operation) == Some(ReplaceStep::Remove);
        if is_removal && self.state.breakers.is_token_in_doubt() {
            self.state.hold_back(lane, operation);
            return None;
        }
        let is_free = self.state.people.claim(self.state.email_of(operation), operation);
        if !is_free || (is_removal && !self.state.replacing.claim(operation)) {
            self.state.lanes[lane].park();
            return None;
        }
        let workspace = self.state.workspace_of(lane).id.clone();
        Some(Job::Send { operation, row: planned.item, workspace, action: self.state.write_of(operation) })
    }

    fn read(&self, lane: usize, operations: Vec<usize>, admins: Admins) -> Job {
        let is_removing = |&&operation: &&usize| {
            let is_open = self.state.unfinished.get(operation).is_some();
            is_open && self.state.step_of(operation) == Some(ReplaceStep::Remove)
        };
        let removing = operations.iter().filter(is_removing);
        let removing = removing.map(|&operation| self.state.item_of(operation)).collect();
        let workspace = self.state.workspace_of(lane).id.clone();
        Job::Read {
            lane,
            workspace,
            operations: operations.into_iter().map(small).collect(),
            removing,
            admins,
        }
    }

    /// Waits for workers, or for the next moment at which something is due.
    fn await_signals(&mut self) {
        let state = &mut self.state;
        if state.channels.in_flight() == 0 {
            let now = state.now();
            let due = state.lanes.next_due().map_or(TICK, |at| at.saturating_duration_since(now));
            match state.run.clock.wait(due.min(TICK), state.run.cancel) {
                Waited::Fully | Waited::CutShort => return,
            }
        }
        let mut signal = state.channels.wait(TICK);
        let slack = state.channels.slack();
        if !slack.is_zero() {
            state.run.clock.wait(slack, state.run.cancel);
        }
        while let Some(one) = signal {
            state.handle(one);
            signal = state.channels.next_signal();
        }
    }
}

/// The operation that a job sends, if it sends one.
fn sent_by(job: &Job) -> Option<usize> {
    match *job {
        Job::Send { operation, .. } => Some(operation),
        Job::Read { .. } | Job::Probe => None,
    }
}
