//! What stops a workspace or a run: refusals that are about the installation, too many errors, pages of
//! something that is not Houston, a dead token, a signal, the time.
//!
//! Main type: [`Breakers`]. Pure: it counts, and says when to stop and how; [`super::outcomes`] does it.
//! The canary, which closes one workspace only, belongs to its lane.

use std::time::{Duration, Instant};

use super::lane::Purpose;
use super::refusals::Refusals;
use super::verdict::cause;
use super::{MaxErrors, Settings};
use crate::event::StopReason;
use crate::houston::{AlreadyKind, Caller, Failure, Fault, Repeats};
use crate::outcome::Cause;

/// So many pages in a row from something that is not Houston end the run.
const PAGES_IN_A_ROW: u32 = 10;
/// `--max-errors P%` counts from so many finished rows on.
const PERCENT_FROM: u64 = 100;

/// A mutation that Houston denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Index of the operation.
    pub operation: usize,
    /// What Houston said.
    pub cause: Cause,
}

/// A read of a workspace that Houston denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeniedRead {
    /// Index of the lane.
    pub lane: usize,
    /// What was to be read.
    pub purpose: Purpose,
    /// What Houston said.
    pub fault: Fault,
}

/// What the probe says about a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probed {
    /// The token is valid: it has no access to the workspace.
    WorkspaceClosed,
    /// The token is dead.
    TokenDead,
    /// The probe failed for another reason.
    Unclear,
}

/// The count behind `--max-errors`.
#[derive(Debug)]
struct Errors {
    limit: MaxErrors,
    finished: u64,
    bad: u64,
    bad_in_a_row: u64,
}

/// What may stop a run, and whether it did.
#[derive(Debug)]
pub struct Breakers {
    refusals: Refusals,
    errors: Errors,
    pages_in_a_row: u32,
    /// Denied mutations that wait for the answer of the probe.
    denied: Vec<Denied>,
    /// Denied reads that wait for it, too.
    denied_reads: Vec<DeniedRead>,
    /// Whether the last probe failed without saying whether the token lives.
    is_token_in_doubt: bool,
    /// What the server does with a repeated add, as far as it has shown.
    repeats: Repeats,
    /// When `--max-duration` is reached.
    ends_at: Option<Instant>,
    grace: Duration,
    /// When a signal's grace is over.
    deadline: Option<Instant>,
    stopped: Option<(StopReason, Option<Cause>)>,
}

impl Errors {
    /// Counts a finished row. True once there are too many.
    fn count(&mut self, bad: bool) -> bool {
        self.finished += 1;
        self.bad += u64::from(bad);
        self.bad_in_a_row = if bad { self.bad_in_a_row + 1 } else { 0 };
        bad && self.are_too_many()
    }

    #[expect(clippy::cast_precision_loss, reason = "a share, not a count")]
    fn are_too_many(&self) -> bool {
        match self.limit {
            MaxErrors::InARow(limit) => self.bad_in_a_row >= limit,
            MaxErrors::Percent(limit) => {
                self.finished >= PERCENT_FROM && self.bad as f64 * 100.0 >= limit * self.finished as f64
            }
        }
    }
}

impl Breakers {
    /// Those of a run that begins now.
    pub fn new(settings: &Settings, refusals: Refusals, now: Instant) -> Self {
        Self {
            refusals,
            errors: Errors { limit: settings.max_errors, finished: 0, bad: 0, bad_in_a_row: 0 },
            pages_in_a_row: 0,
            denied: Vec::new(),
            denied_reads: Vec::new(),
            is_token_in_doubt: false,
            repeats: settings.repeats,
            ends_at: settings.max_duration.and_then(|limit| now.checked_add(limit)),
            grace: settings.grace,
            deadline: None,
            stopped: None,
        }
    }

    /// Houston acknowledged a mutation.
    pub fn acknowledged(&mut self) {
        self.pages_in_a_row = 0;
        self.accepted();
    }

    /// Houston accepted a write, or showed that it would.
    pub fn accepted(&mut self) {
        self.refusals.accepted();
    }

    /// A row is finished. True once too many have failed.
    pub fn count(&mut self, bad: bool) -> bool {
        self.errors.count(bad)
    }

    /// What a fault says about the server. Gives the cause to end the run for, once there is one.
    pub fn learn(&mut self, fault: &Fault) -> Option<Cause> {
        if let Fault::Already { kind: AlreadyKind::Bound, .. } = fault {
            self.repeats = Repeats::Refused;
        }
        let is_page = matches!(fault, Fault::Proxy { .. });
        self.pages_in_a_row = if is_page { self.pages_in_a_row + 1 } else { 0 };
        (self.pages_in_a_row >= PAGES_IN_A_ROW).then(|| cause(fault))
    }

    /// A write for this person was refused. Gives the cause to end the run for, once there is one.
    pub fn refused(&mut self, fault: &Fault, lane: usize, email: &str) -> Option<Cause> {
        self.refusals.refused(fault, lane, email)
    }

    /// What the server does with a repeated add, as far as it has shown.
    pub fn repeats(&self) -> Repeats {
        self.repeats
    }

    /// Houston denied a mutation. True if a probe is needed; one answers for all that wait.
    pub fn deny(&mut self, operation: usize, cause: Cause) -> bool {
        let is_first = !self.are_probing();
        self.denied.push(Denied { operation, cause });
        is_first
    }

    /// Houston denied a read. True if a probe is needed.
    pub fn deny_read(&mut self, read: DeniedRead) -> bool {
        let is_first = !self.are_probing();
        self.denied_reads.push(read);
        is_first
    }

    /// Whether a probe is in flight.
    pub fn are_probing(&self) -> bool {
        !self.denied.is_empty() || !self.denied_reads.is_empty()
    }

    /// The probe is over: takes the denied mutations out.
    pub fn take_denied(&mut self) -> Vec<Denied> {
        std::mem::take(&mut self.denied)
    }

    /// The same for denied reads.
    pub fn take_denied_reads(&mut self) -> Vec<DeniedRead> {
        std::mem::take(&mut self.denied_reads)
    }

    /// What the probe showed. Until another one shows more, people are not removed with a token that may
    /// be dead: Houston may do that and refuse to add them again.
    pub fn note_probe(&mut self, probed: Probed) {
        self.is_token_in_doubt = probed != Probed::WorkspaceClosed;
    }

    /// Whether no one may be removed any longer.
    pub fn is_token_in_doubt(&self) -> bool {
        self.is_token_in_doubt
    }

    /// Ends the run early. False if it already ends for a reason at least as serious.
    pub fn trip(&mut self, reason: StopReason, cause: Option<Cause>, now: Instant) -> bool {
        if self.stopped.as_ref().is_some_and(|(known, _)| *known >= reason) {
            return false;
        }
        self.stopped = Some((reason, cause));
        if has_grace(reason) {
            self.deadline = Some(now + self.grace);
        }
        true
    }

    /// Why the run is to end early, if it is.
    pub fn stopped(&self) -> Option<&(StopReason, Option<Cause>)> {
        self.stopped.as_ref()
    }

    /// Whether the run is to end early.
    pub fn are_tripped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Whether a signal ends the run.
    pub fn are_signalled(&self) -> bool {
        self.stopped.as_ref().is_some_and(|(reason, _)| is_signal(*reason))
    }

    /// Whether `--max-duration` was reached.
    pub fn is_time_over(&self, now: Instant) -> bool {
        self.ends_at.is_some_and(|end| now >= end)
    }

    /// Whether the grace for what is in flight is over.
    pub fn is_grace_over(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| now >= deadline)
    }

    /// Why the run ended early, if it did.
    pub fn into_stopped(self) -> Option<(StopReason, Option<Cause>)> {
        self.stopped
    }
}

/// What the answer about the caller says about a denial.
pub fn judge_probe(result: &Result<Caller, Failure>) -> Probed {
    match result {
        Ok(_) => Probed::WorkspaceClosed,
        Err(failure) => match failure.fault {
            Fault::Denied { .. } | Fault::Expired { .. } => Probed::TokenDead,
            Fault::Unsent { .. }
            | Fault::NoAnswer { .. }
            | Fault::Proxy { .. }
            | Fault::Throttled { .. }
            | Fault::Rejected { .. }
            | Fault::Already { .. }
            | Fault::Schema { .. }
            | Fault::Internal { .. }
            | Fault::Malformed { .. } => Probed::Unclear,
        },
    }
}

/// Whether a run that ends for this reason neither waits nor reads more than once; otherwise what is
/// open is verified and proved as ever.
pub fn hurries(reason: StopReason) -> bool {
    match reason {
        StopReason::MaxDuration | StopReason::MaxErrors => false,
        StopReason::MaxWait
        | StopReason::Away
        | StopReason::JournalLost
        | StopReason::TargetUnusable
        | StopReason::TokenDead
        | StopReason::Terminated
        | StopReason::Interrupted => true,
    }
}

/// Whether requests in flight are abandoned after the grace. Without a journal, answers can
/// hardly be noted; even so it is not abandoned at once.
fn has_grace(reason: StopReason) -> bool {
    is_signal(reason) || reason == StopReason::JournalLost
}

fn is_signal(reason: StopReason) -> bool {
    match reason {
        StopReason::Terminated | StopReason::Interrupted => true,
        StopReason::MaxDuration
        | StopReason::MaxErrors
        | StopReason::MaxWait
        | StopReason::Away
        | StopReason::JournalLost
        | StopReason::TargetUnusable
        | StopReason::TokenDead => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Code;

    fn errors(limit: MaxErrors) -> Errors {
        Errors { limit, finished: 0, bad: 0, bad_in_a_row: 0 }
    }

    #[test]
    fn errors_in_a_row_are_counted_from_the_last_success() {
        let mut errors = errors(MaxErrors::InARow(2));
        let counted = [true, false, true, true].map(|bad| errors.count(bad));
        assert_eq!(counted, [false, false, false, true]);
    }

    #[test]
    fn a_share_of_errors_counts_from_a_hundred_rows_on_and_at_an_error_only() {
        let mut errors = errors(MaxErrors::Percent(50.0));
        assert!((1..PERCENT_FROM).all(|_| !errors.count(true)), "too few rows to speak of a share");
        assert!(!errors.count(false), "a row that ended well stops nothing");
        assert!(errors.count(true));
    }

    fn breakers(now: Instant) -> Breakers {
        Breakers {
            refusals: Refusals::new(1, 1, 0),
            errors: errors(MaxErrors::InARow(1)),
            pages_in_a_row: 0,
            denied: Vec::new(),
            denied_reads: Vec::new(),
            is_token_in_doubt: false,
            repeats: Repeats::Unknown,
            ends_at: Some(now + Duration::from_secs(60)),
            grace: Duration::from_secs(5),
            deadline: None,
            stopped: None,
        }
    }

    #[test]
    fn only_a_more_serious_reason_replaces_one_and_only_some_end_the_requests_in_flight() {
        let now = Instant::now();
        let later = now + Duration::from_secs(5);
        let mut breakers = breakers(now);
        assert!(breakers.trip(StopReason::MaxErrors, None, now));
        assert!(!breakers.is_grace_over(later), "what is in flight may take its time");
        assert!(!breakers.trip(StopReason::MaxDuration, None, now));
        assert!(!breakers.trip(StopReason::MaxErrors, None, now));
        assert!(breakers.trip(StopReason::Interrupted, None, now));
        assert!(breakers.are_signalled() && breakers.is_grace_over(later));
        assert_eq!(breakers.into_stopped(), Some((StopReason::Interrupted, None)));
    }

    #[test]
    fn ten_pages_in_a_row_are_enough_and_one_answer_of_houston_in_between_is_not() {
        let mut breakers = breakers(Instant::now());
        let page = Fault::Proxy { status: 502, text: String::new() };
        let ends = |breakers: &mut Breakers, times| (0..times).any(|_| breakers.learn(&page).is_some());
        assert!(!ends(&mut breakers, PAGES_IN_A_ROW - 1));
        breakers.acknowledged();
        assert!(!ends(&mut breakers, PAGES_IN_A_ROW - 1));
        assert!(ends(&mut breakers, 1));
    }

    #[test]
    fn one_probe_answers_for_all_denials() {
        let mut breakers = breakers(Instant::now());
        let denial = || Cause::new(Code::Denied, "no");
        assert!(breakers.deny(1, denial()));
        assert!(!breakers.deny(2, denial()));
        assert!(breakers.are_probing());
        let operations: Vec<usize> = breakers.take_denied().iter().map(|denied| denied.operation).collect();
        assert_eq!(operations, [1, 2]);
        assert!(!breakers.are_probing());
        assert!(breakers.deny(3, denial()), "the next denial asks again");
        let fault = Fault::Denied { text: String::new() };
        let read = || DeniedRead { lane: 0, purpose: Purpose::Verify, fault: fault.clone() };
        assert!(!breakers.deny_read(read()), "the answer is awaited already");
        assert_eq!((breakers.take_denied().len(), breakers.take_denied_reads().len()), (1, 1));
        assert!(breakers.deny_read(read()) && breakers.are_probing());
    }

    #[test]
    fn a_probe_that_fails_without_a_word_about_the_token_leaves_it_in_doubt_until_another_one() {
        let mut breakers = breakers(Instant::now());
        assert!(!breakers.is_token_in_doubt());
        for (probed, is_in_doubt) in
            [(Probed::Unclear, true), (Probed::WorkspaceClosed, false), (Probed::TokenDead, true)]
        {
            breakers.note_probe(probed);
            assert_eq!(breakers.is_token_in_doubt(), is_in_doubt, "{probed:?}");
        }
    }
}
