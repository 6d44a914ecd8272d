//! How rows, and the run, come to their end: outcomes, the limit of errors, stopping, and closing
//! the books.
//!
//! It is the third part of [`Dispatcher`], beside handing out and taking in.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::dispatcher::Dispatcher;
use super::open::{Acknowledged, Exhausted};
use super::{MaxErrors, journal_lost, pause};
use crate::event::{Event, RunEnd, StopReason};
use crate::outcome::{Cause, Code, Outcome, Status, StatusKind};
use crate::record::journal::{Entry, JournalError};

/// `--max-errors P%` counts from so many finished rows on.
const PERCENT_FROM: u64 = 100;

impl Dispatcher<'_> {
    /// An intent whose mutation was certainly not sent.
    pub(super) fn take_back(&mut self, operation: usize) {
        let row = self.run.operations[operation].row;
        let at_ms = self.journal.at_ms(self.now());
        self.journal.note(&Entry::Released { row, at_ms });
        let lane = self.life_of(operation);
        match self.active.get_mut(&operation).and_then(|active| active.last.take()) {
            // It was sent before; that it is not there has been read since.
            Some(cause) => self.finish(operation, Status::GaveUp, Some(cause)),
            None => drop(self.active.remove(&operation)),
        }
        self.release_person(operation);
        self.wake(lane);
    }

    /// Ends the run early, for the most serious reason that there is.
    pub(super) fn stop(&mut self, reason: StopReason, cause: Option<Cause>) {
        if self.stopped.as_ref().is_some_and(|(known, _)| *known >= reason) {
            return;
        }
        (self.announce)(&Event::Stopping { reason, cause: cause.as_ref(), in_flight: self.in_flight });
        self.stopped = Some((reason, cause));
        self.stopping.store(true, Ordering::Release);
        let hurry = match reason {
            StopReason::Terminated | StopReason::Interrupted => {
                self.deadline = Some(self.now() + self.settings.grace);
                self.skip_grace_if_paused();
                true
            }
            StopReason::TokenDead | StopReason::TargetUnusable | StopReason::MaxWait | StopReason::Away => {
                true
            }
            StopReason::JournalLost => {
                // What comes back can hardly be noted; what is in flight is not abandoned at once.
                self.deadline = Some(self.now() + self.settings.grace);
                true
            }
            StopReason::MaxDuration | StopReason::MaxErrors => false,
        };
        for lane in 0..self.lanes.len() {
            let unsent = if hurry { self.lanes[lane].hurry() } else { self.lanes[lane].drain() };
            self.wake(lane);
            for operation in unsent {
                self.leave(operation);
            }
        }
    }

    /// Where Houston wants to be left alone, or is away, waiting in a signal's grace brings nothing. It
    /// may turn out to be so after the signal came.
    pub(super) fn skip_grace_if_paused(&self) {
        let signalled = self.stopped.as_ref().is_some_and(|(reason, _)| match reason {
            StopReason::Terminated | StopReason::Interrupted => true,
            StopReason::MaxDuration
            | StopReason::MaxErrors
            | StopReason::MaxWait
            | StopReason::Away
            | StopReason::JournalLost
            | StopReason::TargetUnusable
            | StopReason::TokenDead => false,
        });
        if signalled && pause(self.run.pace).is_some() {
            self.run.cancel.pull();
        }
    }

    /// An operation that will not be sent (again) in this run. What was sent before has been read
    /// since and is not there.
    pub(super) fn leave(&mut self, operation: usize) {
        if let Some(cause) = self.active.get_mut(&operation).and_then(|active| active.last.take()) {
            self.finish(operation, Status::GaveUp, Some(cause));
        }
    }

    /// Nothing can be noted any more: nothing is begun any more, verification included.
    pub(super) fn lose_journal(&mut self, error: &JournalError) {
        self.journal_is_lost = true;
        self.stop(StopReason::JournalLost, Some(journal_lost(error)));
    }

    pub(super) fn flush_journal(&mut self) {
        if let Err(error) = self.journal.flush() {
            self.lose_journal(&error);
        }
    }

    /// Gives a row its end.
    pub(super) fn conclude(&mut self, operation: usize, status: Status, cause: Option<Cause>) {
        self.finish(operation, status, cause);
        let counts_as_error = match status.kind() {
            StatusKind::Changed | StatusKind::AsItWas => false,
            StatusKind::Failed | StatusKind::Unresolved | StatusKind::NotTried => true,
        };
        self.count_error(counts_as_error);
        if !counts_as_error {
            let lane = self.life_of(operation);
            self.lanes[lane].succeeded();
            self.refusals.accepted();
        }
        self.release_person(operation);
    }

    /// The end of a row that was not sent, because its workspace takes no more. It does not count
    /// as an error of its own.
    pub(super) fn conclude_unsent(&mut self, operation: usize, cause: Cause) {
        let lane = self.life_of(operation);
        if cause.code == Code::WorkspaceDenied && self.doubt_refusal(lane, operation, &cause) {
            self.wake(lane);
            return;
        }
        let last = self.active.get_mut(&operation).and_then(|active| active.last.take());
        let (status, cause) = match last {
            _ if cause.code == Code::WorkspaceDenied => (Status::Rejected, cause),
            // It was sent before, and has been read since: it is not there.
            Some(last) => (Status::GaveUp, last),
            None => (Status::NotRun, cause),
        };
        self.finish(operation, status, Some(cause));
        self.release_person(operation);
    }

    /// Gives a row its end whose write Houston acknowledged.
    pub(super) fn finish_acknowledged(
        &mut self,
        acknowledged: &Acknowledged,
        status: Status,
        cause: Option<Cause>,
    ) {
        let (attempts, elapsed) = (acknowledged.attempts, acknowledged.elapsed());
        self.write_down(acknowledged.operation(), &Outcome { status, cause, attempts, elapsed });
    }

    fn finish(&mut self, operation: usize, status: Status, cause: Option<Cause>) {
        let now = self.now();
        let (attempts, elapsed) = self.active.remove(&operation).map_or((0, Duration::ZERO), |active| {
            (active.attempts, active.elapsed.unwrap_or_else(|| now - active.first_sent))
        });
        self.write_down(operation, &Outcome { status, cause, attempts, elapsed });
    }

    fn write_down(&mut self, operation: usize, outcome: &Outcome) {
        let row = self.run.operations[operation].row;
        self.journal.note_outcome(row, outcome, self.now());
        self.tally.count(outcome.status);
        self.tally.concluded += 1;
        (self.announce)(&Event::Concluded { row, outcome, tally: self.tally });
    }

    /// Counts towards `--max-errors`.
    pub(super) fn count_error(&mut self, bad: bool) {
        self.finished += 1;
        self.bad += u64::from(bad);
        self.bad_in_a_row = if bad { self.bad_in_a_row + 1 } else { 0 };
        #[expect(clippy::cast_precision_loss, reason = "a share, not a count")]
        let too_many = match self.settings.max_errors {
            MaxErrors::InARow(limit) => self.bad_in_a_row >= limit,
            MaxErrors::Percent(limit) => {
                self.finished >= PERCENT_FROM && self.bad as f64 * 100.0 >= limit * self.finished as f64
            }
        };
        if bad && too_many {
            self.stop(StopReason::MaxErrors, None);
        }
    }

    /// Writes down what is open, and ends the run.
    pub(super) fn close(mut self) -> RunEnd {
        if self.in_flight > 0 {
            self.run.cancel.pull();
        }
        for lane in 0..self.lanes.len() {
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
        let active: Vec<(usize, u32)> =
            self.active.iter().map(|(&place, active)| (place, active.sends)).collect();
        for (operation, sends) in active {
            if sends == 0 {
                // An earlier leg sent it, this one has not come to it.
                self.leave(operation);
            } else {
                let cause = Cause::new(Code::NoOutcome, "the run ended before the answer came");
                self.finish(operation, Status::InDoubt, Some(cause));
            }
        }
        self.tally.requests = self.run.pace.requests();
        self.tally.strain = self.run.pace.strain();
        for _ in self.tally.concluded..self.tally.operations {
            self.tally.count(Status::NotRun);
        }
        if let Err(error) = self.journal.commit() {
            self.lose_journal(&error);
        }
        RunEnd { tally: self.tally, stopped: self.stopped }
    }
}
