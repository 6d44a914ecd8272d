//! The phases of a run: the rows of the roster, then roles in deployments, then the removal of people who
//! are not in the roster. Each begins when the one before has ended.
//!
//! Main function: [`Phases::carry_out`], the same for a run's first leg and for later ones.

use std::time::{Duration, Instant};

use super::failure::Failure;
use super::pending::{Kept, Pending, RemovalLimits};
use super::planning::unreadable;
use super::session::Session;
use super::signals::Signals;
use crate::engine::batch::Batch;
use crate::engine::{Engine, Run, Settings, close};
use crate::event::{Event, RunEnd, StopReason};
use crate::model::{ItemId, WorkspaceId, in_words};
use crate::ops::limits::Limits;
use crate::ops::session::identity::Identity;
use crate::ops::session::mail;
use crate::outcome::{Cause, Code, ExitStatus, Outcome, StatusKind, Tally};
use crate::plan::Phase;
use crate::plan::guard::Extent;
use crate::plan::protect::Protect;
use crate::record::folder::RunFolder;
use crate::record::journal::{History, Journal, JournalError, RunSettings};
use crate::report::notices::Notice;

/// What the phases of a run need.
pub struct Phases<'a> {
    /// Its folder.
    pub folder: &'a RunFolder,
    /// Its Houston.
    pub session: &'a Session,
    /// What may end it early.
    pub signals: &'a Signals,
    /// How it is carried out.
    pub settings: &'a Settings,
    /// How many people may be removed, and who never is.
    pub limits: &'a Limits,
    /// When its present leg began.
    pub began: Instant,
}

/// Receives what is announced.
type Announce<'a> = &'a mut dyn FnMut(&Event<'_>);

/// Why a phase did not begin.
type Ended = (StopReason, Option<Cause>);

/// How the engine carries a run out, in its first leg and in later ones.
pub fn engine_settings(session: &Session, run: &RunSettings) -> Settings {
    let pace = &session.settings;
    Settings {
        concurrency: pace.concurrency,
        mail: mail(run),
        retries: pace.retries,
        settle: pace.settle,
        max_wait: pace.max_wait,
        max_errors: pace.max_errors,
        max_duration: pace.max_duration,
        grace: pace.grace,
        canary: run.canary,
        repeats: session.installation.repeats,
    }
}

impl Phases<'_> {
    /// Sends the rows, then what is left of these later phases, and closes the books. `tally` has the rows
    /// that need no mutation.
    pub fn carry_out(
        &self,
        rows: &Batch,
        later: &[Phase],
        tally: Tally,
        journal: &mut Journal,
        announce: Announce<'_>,
    ) -> RunEnd {
        journal.begin_pulses(&self.session.pace.load());
        announce(&Event::PhaseBegins(Phase::Members));
        let left_out = tally.of_kind(StatusKind::NotTried);
        let mut end = self.send(rows, tally, journal, announce);
        let mut not_begun = 0;
        for &phase in later {
            if end.stopped.is_some() {
                not_begun += 1;
                continue;
            }
            end = match self.begin(phase, journal, announce) {
                Ok(Some(batch)) => {
                    announce(&Event::PhaseBegins(phase));
                    self.send(&batch, end.tally, journal, announce)
                }
                Ok(None) => end,
                Err((reason, cause)) => {
                    announce(&Event::Stopping { reason, cause: cause.as_ref(), in_flight: 0 });
                    not_begun += 1;
                    RunEnd { stopped: Some((reason, cause)), ..end }
                }
            };
        }
        if not_begun == 0 {
            end = in_time(end, left_out);
        }
        close(end, journal, &self.session.pace, self.session.clock.now(), announce)
    }

    /// What a phase has to send; the journal then has what reading has settled. Whatever keeps the phase from
    /// beginning ends the run early and leaves the phase for another leg.
    fn begin(
        &self,
        phase: Phase,
        journal: &mut Journal,
        announce: Announce<'_>,
    ) -> Result<Option<Batch>, Ended> {
        journal.commit().map_err(|error| lost(&error))?;
        let history = History::read(self.folder).map_err(|error| lost(&error))?;
        if phase.left(&history).is_empty() {
            return Ok(None);
        }
        let (batch, concluded) = self.collect(phase, &history, announce)?;
        drop(history);
        self.note(&concluded, journal).map_err(|error| lost(&error))?;
        // If the run is to end while Houston is read, nothing has been changed yet.
        let stop = self.signals.stop().or_else(|| self.time_is_over().then_some(StopReason::MaxDuration));
        stop.map_or(Ok(Some(batch)), |reason| Err((reason, None)))
    }

    /// The items of a phase that are left, as Houston has them now.
    fn collect(
        &self,
        phase: Phase,
        history: &History,
        announce: Announce<'_>,
    ) -> Result<(Batch, Vec<(ItemId, Outcome)>), Ended> {
        let mut pending = Pending::collect(phase, self.folder, history).map_err(|error| lost(&error))?;
        let protect = Protect::new(&self.limits.protect);
        let callers = if phase == Phase::Removals { self.callers()? } else { Vec::new() };
        let kept = Kept { callers: &callers, protect: &protect };
        pending.read(&kept, self.session, announce).map_err(|failure| ended(&failure))?;
        if phase == Phase::Removals {
            self.hold_too_many(&mut pending, history, announce);
        }
        Ok(pending.batch())
    }

    fn note(&self, concluded: &[(ItemId, Outcome)], journal: &mut Journal) -> Result<(), JournalError> {
        let now = self.session.clock.now();
        concluded.iter().for_each(|(item, outcome)| journal.note_outcome(*item, outcome, now));
        journal.commit()
    }

    /// The ids of the token's own user, who is never removed: also of the user of a token that has replaced
    /// the first one.
    fn callers(&self) -> Result<Vec<String>, Ended> {
        let now = match self.session.identity_now() {
            Ok(now) => now,
            Err(fault) => {
                let cause = match unreadable(&fault, self.session) {
                    Ok((_, cause)) => cause.as_ref().clone(),
                    Err(failure) => return Err(ended(&failure)),
                };
                return Err((StopReason::TargetUnusable, Some(cause)));
            }
        };
        if now == Identity::Unknown {
            let text = "the owner of the token is unknown, so the run removes no one";
            return Err((StopReason::TargetUnusable, Some(Cause::new(Code::CallerUnknown, text))));
        }
        let ids = [self.session.identity.user_id(), now.user_id()];
        Ok(ids.into_iter().flatten().map(str::to_owned).collect())
    }

    /// Compares the removals of the run with the limits once more: what Houston has now counts, and what
    /// earlier legs have removed. The other workspaces of the run are read only where their people are needed
    /// to keep to the percentage.
    fn hold_too_many(&self, pending: &mut Pending, history: &History, announce: Announce<'_>) {
        let extent = if history.header.settings.shard.is_some() { Extent::Shard } else { Extent::Whole };
        let (caps, on_guard) = (self.limits.caps(), self.limits.on_guard());
        let limits = RemovalLimits { caps, on_guard, extent };
        let uncounted = pending.uncounted(limits, history);
        let others = pending.count_people(&uncounted, self.session, announce);
        for (workspace, refusal) in pending.hold_too_many(limits, history, others) {
            let workspace = workspace.as_ref().map(WorkspaceId::as_str);
            self.session.notices.give(&Notice::Guard { workspace, refusal: &refusal });
        }
    }

    /// What is left of `--max-duration`.
    fn time_left(&self) -> Option<Duration> {
        let spent = self.session.clock.now() - self.began;
        self.settings.max_duration.map(|limit| limit.saturating_sub(spent))
    }

    fn time_is_over(&self) -> bool {
        self.time_left().is_some_and(|left| left.is_zero())
    }

    fn send(&self, batch: &Batch, tally: Tally, journal: &mut Journal, announce: Announce<'_>) -> RunEnd {
        let Self { session, signals, settings, .. } = self;
        let settings = Settings { max_duration: self.time_left(), ..(*settings).clone() };
        let run = Run {
            batch,
            houston: &session.houston,
            pace: &session.pace,
            pages: &session.pages,
            cancel: &session.cancel,
            stop: &|| signals.stop(),
            clock: &session.clock,
        };
        Engine { pool: &session.pool, settings: &settings }.carry_out(&run, journal, tally, announce)
    }
}

/// A run whose time was over only after its last row had ended was not stopped. So many rows were not meant to
/// be tried.
fn in_time(end: RunEnd, left_out: u64) -> RunEnd {
    let tally = &end.tally;
    let left = tally.of_kind(StatusKind::Unresolved) + tally.of_kind(StatusKind::NotTried) - left_out;
    match end.stopped {
        Some((StopReason::MaxDuration, _)) if left == 0 => RunEnd { stopped: None, ..end },
        stopped => RunEnd { stopped, ..end },
    }
}

/// Why a run ends that cannot read Houston.
fn ended(failure: &Failure) -> Ended {
    let reason =
        if failure.status == ExitStatus::Token { StopReason::TokenDead } else { StopReason::TargetUnusable };
    (reason, Some(Cause::new(Code::Unreadable, in_words(failure.error.as_ref()))))
}

/// The files of the run can no longer be read or written.
fn lost(error: &JournalError) -> Ended {
    let text = format!("the run cannot continue: {}", in_words(error));
    (StopReason::JournalLost, Some(Cause::new(Code::JournalLost, text)))
}
