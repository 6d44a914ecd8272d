//! How rows and the run end: outcomes, stopping, and what is still open at the end.
//!
//! These are the methods of [`State`] that end something. They begin nothing.

use std::time::Duration;

use super::breakers::hurries;
use super::open::{Acknowledged, Exhausted};
use super::pause;
use super::state::State;
use crate::event::{RunEnd, StopReason};
use crate::outcome::{Cause, Code, Outcome, Status, StatusKind};
use crate::plan::ReplaceStep;

impl State<'_> {
    /// A ticket was not executed: its mutation was certainly not sent.
    pub fn hand_back(&mut self, operation: usize) {
        let lane = self.lane_of(operation);
        self.lanes[lane].came_back();
        self.take_back(operation);
    }

    /// No one is removed with a token that may be dead: it might not be able to add them again.
    pub fn hold_back(&mut self, lane: usize, operation: usize) {
        self.lanes[lane].came_back();
        let text = "not sent: Houston does not say whether the token is still valid";
        self.conclude_unsent(operation, Cause::new(Code::Denied, text));
    }

    /// An intent whose mutation was certainly not sent.
    pub fn take_back(&mut self, operation: usize) {
        self.books.released(self.item_of(operation), self.now());
        match self.unfinished.take_last(operation) {
            // It was sent before; a later read showed that it had no effect.
            Some(cause) => self.finish(operation, Status::GaveUp, Some(cause)),
            None => drop(self.unfinished.remove(operation)),
        }
        self.release_person(operation);
        self.lanes.wake(self.lane_of(operation));
    }

    /// The person of an operation may have another mutation now.
    pub fn release_person(&mut self, operation: usize) {
        for operation in self.people.release(self.email_of(operation), operation) {
            self.unpark(operation);
        }
        if self.replacing.end(operation) {
            while let Some(operation) = self.replacing.next_waiting() {
                if self.unpark(operation) {
                    self.replacing.begin(operation);
                }
            }
        }
    }

    /// Sends an operation that has waited, or ends it if nothing more is sent.
    fn unpark(&mut self, operation: usize) -> bool {
        let lane = self.lane_of(operation);
        let may_go = self.lanes[lane].unpark(operation);
        if !may_go {
            match self.lanes[lane].closed().cloned() {
                Some(cause) => self.conclude_unsent(operation, cause),
                None => self.leave(operation),
            }
        }
        self.lanes.wake(lane);
        may_go
    }

    /// Ends the run early, for the most serious reason so far.
    pub fn stop(&mut self, reason: StopReason, cause: Option<Cause>) {
        if !self.breakers.trip(reason, cause, self.now()) {
            return;
        }
        self.channels.stop();
        self.run.pace.end_writes();
        let cause = self.breakers.stopped().and_then(|(_, cause)| cause.as_ref());
        let left = usize::try_from(self.run.pace.in_flight()).unwrap_or(usize::MAX);
        self.books.stopping(reason, cause, left.min(self.channels.in_flight()));
        self.skip_grace_if_paused();
        for lane in 0..self.lanes.len() {
            let unsent = if hurries(reason) { self.lanes[lane].hurry() } else { self.lanes[lane].drain() };
            self.lanes.wake(lane);
            for operation in unsent {
                self.leave(operation);
            }
        }
    }

    /// Where Houston asks for a pause, or is unavailable, waiting in a signal's grace is useless. It may turn
    /// out to be so after the signal came.
    pub fn skip_grace_if_paused(&self) {
        if self.breakers.are_signalled() && pause(self.run.pace).is_some() {
            self.run.cancel.pull();
        }
    }

    /// An operation that will not be sent (again) in this run. What was sent before has been read
    /// since and is not there.
    pub fn leave(&mut self, operation: usize) {
        if let Some(cause) = self.unfinished.take_last(operation) {
            self.finish(operation, Status::GaveUp, Some(cause));
        }
    }

    /// Hands what was noted to the operating system. If the journal can no longer be written, nothing new
    /// begins, not even verification.
    pub fn flush_journal(&mut self) {
        if let Err(cause) = self.books.flush() {
            self.stop(StopReason::JournalLost, Some(cause));
        }
    }

    /// Syncs what was noted. False if that fails; then nothing new begins.
    pub fn commit_journal(&mut self) -> bool {
        let committed = self.books.commit();
        let is_safe = committed.is_ok();
        if let Err(cause) = committed {
            self.stop(StopReason::JournalLost, Some(cause));
        }
        is_safe
    }

    /// Gives a row its end.
    pub fn conclude(&mut self, operation: usize, status: Status, cause: Option<Cause>) {
        self.finish(operation, status, cause);
        let counts_as_error = match status.kind() {
            StatusKind::Changed | StatusKind::AsItWas => false,
            StatusKind::Failed | StatusKind::Unresolved | StatusKind::NotTried => true,
        };
        self.count_error(counts_as_error);
        if !counts_as_error {
            let lane = self.lane_of(operation);
            self.lanes[lane].succeeded();
            self.breakers.accepted();
        }
        self.release_person(operation);
    }

    /// The end of a row that was never sent in this leg, because its workspace would lose its last admin, or
    /// because the admins cannot be counted.
    pub fn hold(&mut self, operation: usize, status: Status, cause: Option<Cause>) {
        self.finish(operation, status, cause);
        self.release_person(operation);
    }

    /// The end of a row that was not sent, because its workspace is closed. It does not count
    /// as an error of its own.
    pub fn conclude_unsent(&mut self, operation: usize, cause: Cause) {
        let lane = self.lane_of(operation);
        if cause.code == Code::WorkspaceDenied && self.doubt_refusal(lane, operation, &cause) {
            self.lanes.wake(lane);
            return;
        }
        let last = self.unfinished.take_last(operation);
        let (status, cause) = match last {
            _ if cause.code == Code::WorkspaceDenied => (Status::Rejected, cause),
            // It was sent before, and has been read since: it is not there.
            Some(last) => (Status::GaveUp, last),
            None => (Status::NotRun, cause),
        };
        self.finish(operation, status, Some(cause));
        self.release_person(operation);
    }

    /// Ends a row whose write Houston acknowledged.
    pub fn finish_acknowledged(&mut self, acknowledged: &Acknowledged, status: Status, cause: Option<Cause>) {
        let (attempts, elapsed) = (acknowledged.attempts, acknowledged.elapsed());
        let operation = acknowledged.operation();
        let step = self.planned(operation).action.replaced().map(|_| ReplaceStep::Add);
        let cause = cause.map(|cause| half_done(step, status, cause));
        self.write_down(operation, &Outcome { status, cause, attempts, elapsed });
    }

    fn finish(&mut self, operation: usize, status: Status, cause: Option<Cause>) {
        let now = self.now();
        let step = self.step_of(operation);
        let cause = cause.map(|cause| half_done(step, status, cause));
        let sends = self.unfinished.remove(operation);
        let (attempts, elapsed) =
            sends.map_or((0, Duration::ZERO), |sends| (sends.attempts, sends.elapsed_by(now)));
        self.write_down(operation, &Outcome { status, cause, attempts, elapsed });
    }

    fn write_down(&mut self, operation: usize, outcome: &Outcome) {
        self.books.conclude(self.item_of(operation), outcome, self.now());
    }

    /// Counts towards `--max-errors`.
    pub fn count_error(&mut self, bad: bool) {
        if self.breakers.count(bad) {
            self.stop(StopReason::MaxErrors, None);
        }
    }

    /// Records what is open, and ends the run.
    pub fn close(mut self) -> RunEnd {
        if self.channels.in_flight() > 0 {
            self.run.cancel.pull();
        }
        for lane in 0..self.lanes.len() {
            self.close_lane(lane);
        }
        for (operation, sends) in self.unfinished.list() {
            if sends == 0 {
                // An earlier leg sent it; this leg has not reached it.
                self.leave(operation);
            } else {
                let cause = Cause::new(Code::NoOutcome, "the run ended before the answer arrived");
                self.finish(operation, Status::InDoubt, Some(cause));
            }
        }
        self.books.count_requests(self.run.pace);
        self.books.count_the_rest();
        self.commit_journal();
        RunEnd { tally: self.books.tally, stopped: self.breakers.into_stopped() }
    }

    fn close_lane(&mut self, lane: usize) {
        let open = self.lanes[lane].open();
        for doubtful in open.doubtful {
            self.finish(doubtful.operation, Status::InDoubt, Some(doubtful.cause));
        }
        for acknowledged in open.unproven {
            let cause = Cause::new(Code::NotReadBack, "acknowledged by Houston, not read back");
            self.finish_acknowledged(&acknowledged, Status::InDoubt, Some(cause));
        }
        for Exhausted { operation, cause } in open.exhausted {
            self.finish(operation, Status::GaveUp, Some(cause));
        }
    }
}

/// The cause of a row of which only this step of a replacement was reached, in words that say where the
/// person is left.
fn half_done(step: Option<ReplaceStep>, status: Status, cause: Cause) -> Cause {
    let is_doubled = cause.code == Code::DuplicateBinding;
    let what = match (step, status) {
        (Some(ReplaceStep::Remove), Status::InDoubt) => "may have been removed and is not added again yet",
        (Some(ReplaceStep::Add), Status::InDoubt) => "was removed and may not have been added again",
        (Some(ReplaceStep::Add), Status::Rejected) if !is_doubled => {
            "was removed and could not be added again"
        }
        (Some(ReplaceStep::Add), Status::GaveUp | Status::NotRun) => "was removed and is not added again yet",
        (Some(ReplaceStep::Remove | ReplaceStep::Add) | None, _) => return cause,
    };
    Cause { code: cause.code, text: format!("{what}: {}", cause.text) }
}
