//! The last part of a run: who is not in the roster is taken away, after everything else has come to
//! its end.
//!
//! Main function: [`Removing::carry_out`], the same for a run's first leg and for later ones.

use std::time::{Duration, Instant};

use super::ExitStatus;
use super::planning::unreadable;
use super::session::Session;
use super::signals::Signals;
use crate::engine::event::{Cause, Event, RunEnd, StopReason, Tally};
use crate::engine::journal::{History, Journal, JournalError};
use crate::engine::leaving::Leaving;
use crate::engine::run_folder::RunFolder;
use crate::engine::{Engine, Run, Settings};
use crate::houston::Fault;
use crate::present::survey::{Progress, Task};

/// What the removals of a run need.
pub struct Removing<'a> {
    /// Its folder.
    pub folder: &'a RunFolder,
    /// Its Houston.
    pub session: &'a Session,
    /// What may end it early.
    pub signals: &'a Signals,
    /// How it is carried out.
    pub settings: &'a Settings,
    /// When this leg began.
    pub began: Instant,
}

/// Where everything is told.
type Announce<'a> = &'a mut dyn FnMut(&Event<'_>);

impl Removing<'_> {
    /// Takes away whom the plan of the run takes away, if the rows of the roster came to this end and
    /// nothing stopped the run. What keeps the removals from beginning ends the run early; they are
    /// left for another leg then.
    pub fn carry_out(&self, end: RunEnd, journal: &mut Journal, announce: Announce<'_>) -> RunEnd {
        if end.stopped.is_some() {
            return end;
        }
        let begun = self.begin(journal, announce).map_err(|(reason, cause)| (reason, Some(cause)));
        // Whoever wants the run to end while everybody is looked at again sees nobody removed.
        let stop = || self.signals.stop().or_else(|| self.time_is_over().then_some(StopReason::MaxDuration));
        let begun = begun.and_then(|leaving| match leaving.as_ref().and_then(|_| stop()) {
            Some(reason) => Err((reason, None)),
            None => Ok(leaving),
        });
        match begun {
            Ok(Some(leaving)) => self.send(&leaving, end.tally, journal, announce),
            Ok(None) => end,
            Err((reason, cause)) => {
                announce(&Event::Stopping { reason, cause: cause.as_ref(), in_flight: 0 });
                RunEnd { stopped: Some((reason, cause)), ..end }
            }
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

    /// Who is to go, as Houston has them now; what reading has settled is in the journal then.
    fn begin(
        &self,
        journal: &mut Journal,
        announce: Announce<'_>,
    ) -> Result<Option<Leaving>, (StopReason, Cause)> {
        let lost = |error: JournalError| {
            let text = format!("nobody was removed: {:#}", anyhow::Error::new(error));
            (StopReason::JournalLost, Cause::new("journal_lost", text))
        };
        journal.commit().map_err(lost)?;
        let history = History::read(self.folder).map_err(lost)?;
        if history.left_extras().is_empty() {
            return Ok(None);
        }
        let mut leaving = Leaving::collect(self.folder, &history).map_err(lost)?;
        drop(history);
        self.look_again(&mut leaving, announce)?;
        self.count_admins(&mut leaving)?;
        leaving.assemble();
        let now = self.session.clock.now();
        leaving.settled.iter().for_each(|(row, outcome)| journal.note_outcome(*row, outcome, now));
        journal.commit().map_err(lost)?;
        Ok(Some(leaving))
    }

    fn look_again(&self, leaving: &mut Leaving, announce: Announce<'_>) -> Result<(), (StopReason, Cause)> {
        let session = self.session;
        let tasks = leaving.tasks();
        let workspaces = tasks.len() as u64;
        announce(&Event::ReadingStarted { workspaces });
        let readings = session.survey(&leaving.names).read_handles(&tasks, |step| {
            announce(&match step {
                Progress::Read(done) => Event::WorkspaceRead { done: done as u64, workspaces },
                Progress::Tick => Event::Tick { tally: Tally::default(), pause: session.pause() },
            });
        });
        announce(&Event::ReadingFinished);
        let caller = session.caller.as_ref().and_then(|caller| caller.user_id.as_deref());
        for (place, reading) in readings.into_iter().enumerate() {
            match reading {
                Ok(reading) => leaving.judge(place, &reading.memberships, caller),
                Err(fault) => leaving.give_up(place, &self.cause(&fault)?),
            }
        }
        Ok(())
    }

    fn count_admins(&self, leaving: &mut Leaving) -> Result<(), (StopReason, Cause)> {
        let places = leaving.admins_taken();
        let task = |&place: &usize| Task { workspace: &leaving.workspaces[place].id, rows: &[] };
        let tasks: Vec<Task<'_>> = places.iter().map(task).collect();
        let counts = self.session.survey(&leaving.names).other_admins(&tasks, |_| {});
        for (&place, admins) in places.iter().zip(counts) {
            match admins {
                Ok(admins) => leaving.count_admins(place, admins),
                Err(fault) => leaving.give_up(place, &self.cause(&fault)?),
            }
        }
        Ok(())
    }

    /// Why a workspace cannot be read, unless it is the token that is dead.
    fn cause(&self, fault: &Fault) -> Result<Cause, (StopReason, Cause)> {
        match unreadable(fault, self.session) {
            Ok((_, cause)) => Ok(cause.as_ref().clone()),
            Err(failure) => {
                let reason = if failure.status == ExitStatus::Token {
                    StopReason::TokenDead
                } else {
                    StopReason::TargetUnusable
                };
                Err((reason, Cause::new("unreadable", format!("{:#}", failure.error))))
            }
        }
    }

    fn send(&self, leaving: &Leaving, tally: Tally, journal: &mut Journal, announce: Announce<'_>) -> RunEnd {
        let Self { session, signals, .. } = self;
        let settings = Settings { max_duration: self.time_left(), ..self.settings.clone() };
        let run = Run {
            workspaces: &leaving.workspaces,
            operations: &leaving.operations,
            earlier: &leaving.earlier,
            emails: &leaving.names,
            leavers: &leaving.leavers,
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
