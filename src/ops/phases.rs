//! The phases of a run, each of which begins when the one before has come to its end: the rows of the
//! roster, then roles in deployments, then the removal of people who are not in the roster.
//!
//! Main function: [`Phases::carry_out`], the same for a run's first leg and for later ones.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::planning::unreadable;
use super::session::Session;
use super::signals::Signals;
use crate::engine::granting::Granting;
use crate::engine::leaving::{self, Kept, Leaving, People};
use crate::engine::leftover::Earlier;
use crate::engine::part::{Part, Subjects};
use crate::engine::{Engine, Run, Settings, close};
use crate::event::{Event, RunEnd, StopReason};
use crate::houston::Fault;
use crate::model::{Emails, WorkspaceId};
use crate::ops::limits::Limits;
use crate::ops::session::identity::Identity;
use crate::ops::session::mail;
use crate::outcome::{Cause, Tally};
use crate::outcome::{Code, ExitStatus};
use crate::plan::guard::{Excess, Limit, Refusal};
use crate::plan::protect::Protect;
use crate::plan::{Account, Operation, Workspace};
use crate::present::survey::{Progress, Task};
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
}

/// What is sent in one phase.
pub struct Batch<'a> {
    /// The workspaces.
    pub workspaces: &'a [Workspace],
    /// The mutations, workspace by workspace.
    pub operations: &'a [Operation],
    /// What earlier legs and runs did about some of them, by their index.
    pub earlier: &'a HashMap<usize, Earlier>,
    /// The addresses of all rows.
    pub emails: &'a Arc<Emails>,
    /// What they are about beside a person in a workspace.
    pub subjects: &'a Arc<Subjects>,
}

/// Which later parts a run has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Roles in deployments are to be given.
    pub grants: bool,
    /// People are to be taken away.
    pub removals: bool,
}

/// Where everything is told.
type Announce<'a> = &'a mut dyn FnMut(&Event<'_>);

/// Why a part did not begin.
type Ended = (StopReason, Option<Cause>);

/// A leg of a run that goes on.
struct Leg<'a> {
    phases: &'a Phases<'a>,
    /// When it began.
    began: Instant,
}

impl Phases<'_> {
    /// Sends the rows, then what is left of the later phases, and closes the books. `tally` has the rows
    /// that need no mutation.
    pub fn carry_out(
        &self,
        rows: &Batch<'_>,
        left: Left,
        tally: Tally,
        journal: &mut Journal,
        announce: Announce<'_>,
    ) -> RunEnd {
        let leg = Leg { phases: self, began: self.session.clock.now() };
        let end = leg.send(rows, tally, journal, announce);
        let end = leg.later_phases(left, end, journal, announce);
        close(end, journal, self.session.clock.now(), announce)
    }
}

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

impl Leg<'_> {
    /// Gives roles in deployments and takes away whom the plan of the run takes away, if the rows of the
    /// roster came to this end. What keeps a phase from beginning ends the run early; it is left for
    /// another leg then.
    fn later_phases(&self, left: Left, end: RunEnd, journal: &mut Journal, announce: Announce<'_>) -> RunEnd {
        let end = if left.grants { self.part(end, journal, announce, Self::grants) } else { end };
        if left.removals { self.part(end, journal, announce, Self::removals) } else { end }
    }

    /// Carries one part out, unless the run has been stopped.
    fn part(
        &self,
        end: RunEnd,
        journal: &mut Journal,
        announce: Announce<'_>,
        collect: impl Fn(&Self, &History, Announce<'_>) -> Result<Option<Part>, Ended>,
    ) -> RunEnd {
        if end.stopped.is_some() {
            return end;
        }
        match self.begin(journal, announce, collect) {
            Ok(Some(part)) => {
                let batch = Batch {
                    workspaces: &part.workspaces,
                    operations: &part.operations,
                    earlier: &part.earlier,
                    emails: &part.names,
                    subjects: &part.subjects,
                };
                self.send(&batch, end.tally, journal, announce)
            }
            Ok(None) => end,
            Err((reason, cause)) => {
                announce(&Event::Stopping { reason, cause: cause.as_ref(), in_flight: 0 });
                RunEnd { stopped: Some((reason, cause)), ..end }
            }
        }
    }

    /// What is to be sent; what reading has settled is in the journal then.
    fn begin(
        &self,
        journal: &mut Journal,
        announce: Announce<'_>,
        collect: impl Fn(&Self, &History, Announce<'_>) -> Result<Option<Part>, Ended>,
    ) -> Result<Option<Part>, Ended> {
        journal.commit().map_err(lost)?;
        let history = History::read(self.phases.folder).map_err(lost)?;
        let Some(part) = collect(self, &history, announce)? else { return Ok(None) };
        drop(history);
        let now = self.phases.session.clock.now();
        part.concluded.iter().for_each(|(row, outcome)| journal.note_outcome(*row, outcome, now));
        journal.commit().map_err(lost)?;
        // Whoever wants the run to end while everybody is looked at again sees nothing changed.
        let stop =
            self.phases.signals.stop().or_else(|| self.time_is_over().then_some(StopReason::MaxDuration));
        stop.map_or(Ok(Some(part)), |reason| Err((reason, None)))
    }

    /// The roles in deployments that are still to be given, as Houston has them now.
    fn grants(&self, history: &History, announce: Announce<'_>) -> Result<Option<Part>, Ended> {
        if history.left_grants().is_empty() {
            return Ok(None);
        }
        let protect = Protect::new(&self.phases.limits.protect);
        let mut granting = Granting::collect(self.phases.folder, history).map_err(lost)?;
        let names = Arc::clone(&granting.part.names);
        let readings = self.reading(announce, granting.part.workspaces.len(), |progress| {
            self.phases.session.survey(&names).read_grants(&granting.tasks(), progress)
        });
        for (place, reading) in readings.into_iter().enumerate() {
            match reading {
                Ok(found) => granting.judge(place, found, &protect),
                Err(fault) => granting.give_up(place, &self.cause(&fault)?),
            }
        }
        Ok(Some(granting.assemble()))
    }

    /// Who is to go, as Houston has them now.
    fn removals(&self, history: &History, announce: Announce<'_>) -> Result<Option<Part>, Ended> {
        if history.left_extras().is_empty() {
            return Ok(None);
        }
        let mut leaving = Leaving::collect(self.phases.folder, history).map_err(lost)?;
        let names = Arc::clone(&leaving.part.names);
        let readings = self.reading(announce, leaving.part.workspaces.len(), |progress| {
            self.phases.session.survey(&names).read_accounts(&leaving.tasks(), progress)
        });
        let (callers, protect) = (self.callers()?, Protect::new(&self.phases.limits.protect));
        let kept = Kept { callers: &callers, protect: &protect };
        let mut people = HashMap::new();
        for (place, reading) in readings.into_iter().enumerate() {
            match reading {
                Ok(reading) => {
                    people.insert(leaving.part.workspaces[place].id.clone(), reading.strangers.in_all);
                    leaving.judge(place, &reading, kept);
                }
                Err(fault) => leaving.give_up(place, &self.cause(&fault)?),
            }
        }
        self.count_admins(&mut leaving)?;
        self.hold_too_many(&mut leaving, history, people, announce);
        Ok(Some(leaving.assemble()))
    }

    /// The ids of the token's own user, who is never removed: also of the user of a token that has taken
    /// the place of the first one.
    fn callers(&self) -> Result<Vec<String>, Ended> {
        let now = match self.phases.session.identity_now() {
            Ok(now) => now,
            Err(fault) => return Err((StopReason::TargetUnusable, Some(self.cause(&fault)?))),
        };
        if now == Identity::Unknown {
            let text = "cannot tell whose token this is, so the run removes no one";
            return Err((StopReason::TargetUnusable, Some(Cause::new(Code::CallerUnknown, text))));
        }
        let ids = [self.phases.session.identity.user_id(), now.user_id()];
        Ok(ids.into_iter().flatten().map(str::to_owned).collect())
    }

    /// Holds the removals of the run against the limits once more: what Houston has now counts, and what
    /// earlier legs have removed. The other workspaces of the run are read only where their people are
    /// needed to keep to the percentage.
    fn hold_too_many(
        &self,
        leaving: &mut Leaving,
        history: &History,
        mut now: HashMap<WorkspaceId, u64>,
        announce: Announce<'_>,
    ) {
        let limits =
            leaving::Limits { caps: self.phases.limits.caps(), on_guard: self.phases.limits.on_guard() };
        let is_share_of_all = |refusal: &Refusal| match refusal.limit {
            Limit::Percent(_) => refusal.workspace.is_none(),
            Limit::People(_) => false,
        };
        let Excess { refusals, .. } =
            leaving.excess(limits, &People::before(history, &now, &leaving.part.concluded));
        if refusals.iter().any(is_share_of_all) {
            let others: Vec<&WorkspaceId> =
                history.workspaces.iter().filter(|id| !now.contains_key(*id)).collect();
            let tasks: Vec<(&WorkspaceId, Vec<&Account>)> =
                others.iter().map(|&id| (id, Vec::new())).collect();
            let readings = self.reading(announce, tasks.len(), |progress| {
                self.phases.session.survey(&leaving.part.names).read_accounts(&tasks, progress)
            });
            let read = others.into_iter().zip(readings);
            now.extend(read.filter_map(|(id, read)| Some((id.clone(), read.ok()?.strangers.in_all))));
        }
        let people = People::before(history, &now, &leaving.part.concluded);
        let ids: Vec<&WorkspaceId> = people.keys().collect();
        for refusal in leaving.hold_too_many(limits, &people) {
            let workspace = refusal.workspace.map(|place| ids[place as usize].as_str());
            self.phases.session.notices.give(&Notice::Guard { workspace, refusal: &refusal });
        }
    }

    /// Reads so many workspaces, and tells how far that has come.
    fn reading<T>(
        &self,
        announce: Announce<'_>,
        workspaces: usize,
        read: impl FnOnce(&mut dyn FnMut(Progress)) -> T,
    ) -> T {
        let workspaces = workspaces as u64;
        announce(&Event::ReadingStarted { workspaces });
        let read = read(&mut |step| {
            announce(&match step {
                Progress::Read(done) => Event::WorkspaceRead { done: done as u64, workspaces },
                Progress::Tick => self.phases.session.tick(),
            });
        });
        announce(&Event::ReadingFinished);
        read
    }

    /// What is left of `--max-duration`.
    fn time_left(&self) -> Option<Duration> {
        let spent = self.phases.session.clock.now() - self.began;
        self.phases.settings.max_duration.map(|limit| limit.saturating_sub(spent))
    }

    fn time_is_over(&self) -> bool {
        self.time_left().is_some_and(|left| left.is_zero())
    }

    fn count_admins(&self, leaving: &mut Leaving) -> Result<(), Ended> {
        let places = leaving.admins_taken();
        let task = |&place: &usize| Task::new(&leaving.part.workspaces[place].id, &[]);
        let tasks: Vec<Task<'_>> = places.iter().map(task).collect();
        let counts = self.phases.session.survey(&leaving.part.names).other_admins(&tasks, |_| {});
        for (&place, admins) in places.iter().zip(counts) {
            match admins {
                Ok(admins) => leaving.count_admins(place, admins),
                Err(fault) => leaving.give_up(place, &self.cause(&fault)?),
            }
        }
        Ok(())
    }

    /// Why a workspace cannot be read, unless it is the token that is dead.
    fn cause(&self, fault: &Fault) -> Result<Cause, Ended> {
        match unreadable(fault, self.phases.session) {
            Ok((_, cause)) => Ok(cause.as_ref().clone()),
            Err(failure) => {
                let reason = if failure.status == ExitStatus::Token {
                    StopReason::TokenDead
                } else {
                    StopReason::TargetUnusable
                };
                Err((reason, Some(Cause::new(Code::Unreadable, format!("{:#}", failure.error)))))
            }
        }
    }

    fn send(&self, batch: &Batch<'_>, tally: Tally, journal: &mut Journal, announce: Announce<'_>) -> RunEnd {
        let Phases { session, signals, settings, .. } = self.phases;
        let settings = Settings { max_duration: self.time_left(), ..(*settings).clone() };
        let run = Run {
            workspaces: batch.workspaces,
            operations: batch.operations,
            earlier: batch.earlier,
            emails: batch.emails,
            subjects: batch.subjects,
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

/// The files of the run cannot be read or written any more.
fn lost(error: JournalError) -> Ended {
    let text = format!("the run cannot go on: {:#}", anyhow::Error::new(error));
    (StopReason::JournalLost, Some(Cause::new(Code::JournalLost, text)))
}
