//! The books of a run: its journal, its totals, and what it announces. Intents are noted before sends,
//! outcomes after; every fact is announced with the totals as they are then.
//!
//! Main type: [`Books`]. It writes down what others have decided, and decides nothing.

use std::time::Instant;

use crate::event::{Event, Pause, RunEnd, StopReason};
use crate::houston::Pace;
use crate::model::{ItemId, in_words};
use crate::outcome::{Cause, Code, Outcome, Status, Tally};
use crate::plan::{Operation, OperationId, ReplaceStep, Workspace};
use crate::record::journal::{Entry, Journal, JournalError};

/// Where a run is written down.
pub struct Books<'r> {
    journal: &'r mut Journal,
    announce: &'r mut dyn FnMut(&Event<'_>),
    /// The totals.
    pub tally: Tally,
    /// The journal can no longer be written, so nothing new begins.
    journal_is_lost: bool,
}

impl<'r> Books<'r> {
    /// Opens the books. `tally` has the rows that need no mutation.
    pub fn new(journal: &'r mut Journal, announce: &'r mut dyn FnMut(&Event<'_>), tally: Tally) -> Self {
        Self { journal, announce, tally, journal_is_lost: false }
    }

    /// The run begins.
    pub fn start(&mut self) {
        (self.announce)(&Event::Started { tally: self.tally });
    }

    /// An operation is about to be sent.
    pub fn intent(
        &mut self,
        planned: &Operation,
        op: OperationId,
        attempt: u32,
        step: Option<ReplaceStep>,
        now: Instant,
    ) {
        let (item, at_ms) = (planned.item, self.journal.at_ms(now));
        self.journal.note(&Entry::Intent { item, op, attempt, step, at_ms });
    }

    /// An intent whose mutation was certainly not sent.
    pub fn released(&mut self, item: ItemId, now: Instant) {
        self.journal.note(&Entry::Released { item, at_ms: self.journal.at_ms(now) });
    }

    /// Houston acknowledged a mutation.
    pub fn acknowledged(&mut self, item: ItemId, now: Instant) {
        self.journal.note(&Entry::Acknowledged { item, at_ms: self.journal.at_ms(now) });
    }

    /// Announces that Houston acknowledged a mutation, once everything that follows from it is done.
    pub fn announce_acknowledged(&mut self, item: ItemId) {
        (self.announce)(&Event::Acknowledged { item, tally: self.tally });
    }

    /// The effect of a mutation is unknown.
    pub fn doubtful(&mut self, item: ItemId, cause: &Cause) {
        self.tally.doubtful += 1;
        (self.announce)(&Event::Doubtful { item, cause, tally: self.tally });
    }

    /// A row has its end.
    pub fn conclude(&mut self, item: ItemId, outcome: &Outcome, now: Instant) {
        self.journal.note_outcome(item, outcome, now);
        self.tally.count(outcome.status);
        self.tally.concluded += 1;
        (self.announce)(&Event::Concluded { item, outcome, tally: self.tally });
    }

    /// A workspace is closed; so many of its rows are not sent.
    pub fn workspace_closed(&mut self, workspace: &Workspace, cause: &Cause, rows: usize) {
        (self.announce)(&Event::WorkspaceClosed { workspace, cause, rows: rows as u64 });
    }

    /// The run ends early, while so many requests are in flight.
    pub fn stopping(&mut self, reason: StopReason, cause: Option<&Cause>, in_flight: usize) {
        (self.announce)(&Event::Stopping { reason, cause, in_flight });
    }

    /// Time went by.
    pub fn tick(&mut self, pause: Option<Pause>) {
        (self.announce)(&Event::Tick { tally: self.tally, pause });
    }

    /// Takes over the counts of the transport.
    pub fn count_requests(&mut self, pace: &Pace) {
        self.tally.requests = pace.requests();
        self.tally.strain = pace.strain();
    }

    /// Notes how busy the run keeps Houston, if it is time to.
    pub fn pulse(&mut self, pace: &Pace, now: Instant) {
        if self.journal.is_pulse_due(now) {
            self.journal.note_pulse(&pace.load(), pause(pace), now);
        }
    }

    /// Every operation without an outcome was not run.
    pub fn count_the_rest(&mut self) {
        for _ in self.tally.concluded..self.tally.operations {
            self.tally.count(Status::NotRun);
        }
    }

    /// Whether the journal can no longer be written.
    pub fn are_lost(&self) -> bool {
        self.journal_is_lost
    }

    /// Syncs what was noted.
    ///
    /// # Errors
    /// Why the journal can no longer be written.
    pub fn commit(&mut self) -> Result<(), Cause> {
        let result = self.journal.commit();
        self.check(result)
    }

    /// Hands what was noted to the operating system.
    ///
    /// # Errors
    /// Why the journal can no longer be written.
    pub fn flush(&mut self) -> Result<(), Cause> {
        let result = self.journal.flush();
        self.check(result)
    }

    fn check(&mut self, result: Result<(), JournalError>) -> Result<(), Cause> {
        self.journal_is_lost |= result.is_err();
        result.map_err(|error| journal_lost(&error))
    }
}

/// Closes the books of a run, or of a leg of it, that ended like this.
pub fn close(
    mut end: RunEnd,
    journal: &mut Journal,
    pace: &Pace,
    now: Instant,
    announce: &mut dyn FnMut(&Event<'_>),
) -> RunEnd {
    let stopped = end.stopped.as_ref();
    let cause = stopped.and_then(|(_, cause)| cause.as_ref());
    journal.note_pulse(&pace.load(), pause(pace), now);
    journal.note(&Entry::Closed {
        stopped: stopped.map(|(reason, _)| *reason),
        code: cause.map(|cause| cause.code.clone()),
        detail: cause.map(|cause| cause.text.clone()),
        requests: end.tally.requests,
        at_least: false,
        strain: end.tally.strain,
        at_ms: journal.at_ms(now),
    });
    let is_mild = stopped.is_none_or(|(reason, _)| *reason < StopReason::JournalLost);
    if let Err(error) = journal.commit()
        && is_mild
    {
        let (reason, cause) = (StopReason::JournalLost, journal_lost(&error));
        announce(&Event::Stopping { reason, cause: Some(&cause), in_flight: 0 });
        end.stopped = Some((reason, Some(cause)));
    }
    announce(&Event::Finished { tally: end.tally });
    end
}

/// Why nothing is sent at the moment, if nothing is.
pub fn pause(pace: &Pace) -> Option<Pause> {
    pace.away_for().map(Pause::Away).or_else(|| pace.held_for().map(Pause::Asked))
}

/// Why the journal can no longer be written.
fn journal_lost(error: &JournalError) -> Cause {
    Cause::new(Code::JournalLost, in_words(error))
}
