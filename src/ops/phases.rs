//! The later parts of a run, each of which begins when the one before has come to its end: roles in
//! deployments are given, then who is not in the roster is taken away.
//!
//! Main function: [`Parts::carry_out`], the same for a run's first leg and for later ones.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::planning::unreadable;
use super::session::Session;
use super::signals::Signals;
use crate::cli::prune_args::LimitArgs;
use crate::cli::tell;
use crate::engine::granting::Granting;
use crate::engine::leaving::{Kept, Leaving, Limits, People};
use crate::engine::part::Part;
use crate::engine::{Engine, Run, Settings};
use crate::event::{Event, RunEnd, StopReason};
use crate::houston::Fault;
use crate::model::{WorkspaceId, printable};
use crate::ops::session::identity::Identity;
use crate::outcome::{Cause, Tally};
use crate::outcome::{Code, ExitStatus};
use crate::plan::extra::Account;
use crate::plan::guard::{Excess, Limit, Refusal};
use crate::plan::protect::Protect;
use crate::present::survey::{Progress, Task};
use crate::record::folder::RunFolder;
use crate::record::journal::{History, Journal, JournalError};

/// What the later parts of a run need.
pub struct Parts<'a> {
    /// Its folder.
    pub folder: &'a RunFolder,
    /// Its Houston.
    pub session: &'a Session,
    /// What may end it early.
    pub signals: &'a Signals,
    /// How it is carried out.
    pub settings: &'a Settings,
    /// How many people may be removed, and who never is.
    pub limits: &'a LimitArgs,
    /// When this leg began.
    pub began: Instant,
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

impl Parts<'_> {
    /// Gives roles in deployments and takes away whom the plan of the run takes away, if the rows of the
    /// roster came to this end. What keeps a part from beginning ends the run early; it is left for
    /// another leg then.
    pub fn carry_out(
        &self,
        left: Left,
        end: RunEnd,
        journal: &mut Journal,
        announce: Announce<'_>,
    ) -> RunEnd {
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
            Ok(Some(part)) => self.send(&part, end.tally, journal, announce),
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
        let history = History::read(self.folder).map_err(lost)?;
        let Some(part) = collect(self, &history, announce)? else { return Ok(None) };
        drop(history);
        let now = self.session.clock.now();
        part.concluded.iter().for_each(|(row, outcome)| journal.note_outcome(*row, outcome, now));
        journal.commit().map_err(lost)?;
        // Whoever wants the run to end while everybody is looked at again sees nothing changed.
        let stop = self.signals.stop().or_else(|| self.time_is_over().then_some(StopReason::MaxDuration));
        stop.map_or(Ok(Some(part)), |reason| Err((reason, None)))
    }

    /// The roles in deployments that are still to be given, as Houston has them now.
    fn grants(&self, history: &History, announce: Announce<'_>) -> Result<Option<Part>, Ended> {
        if history.left_grants().is_empty() {
            return Ok(None);
        }
        let protect = Protect::new(&self.limits.protect);
        let mut granting = Granting::collect(self.folder, history).map_err(lost)?;
        let names = Arc::clone(&granting.part.names);
        let readings = self.reading(announce, granting.part.workspaces.len(), |progress| {
            self.session.survey(&names).read_grants(&granting.tasks(), progress)
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
        let mut leaving = Leaving::collect(self.folder, history).map_err(lost)?;
        let names = Arc::clone(&leaving.part.names);
        let readings = self.reading(announce, leaving.part.workspaces.len(), |progress| {
            self.session.survey(&names).read_accounts(&leaving.tasks(), progress)
        });
        let (callers, protect) = (self.callers()?, Protect::new(&self.limits.protect));
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
        let now = match self.session.identity_now() {
            Ok(now) => now,
            Err(fault) => return Err((StopReason::TargetUnusable, Some(self.cause(&fault)?))),
        };
        if now == Identity::Unknown {
            let text = "cannot tell whose token this is, so the run removes no one";
            return Err((StopReason::TargetUnusable, Some(Cause::new(Code::CallerUnknown, text))));
        }
        let ids = [self.session.identity.user_id(), now.user_id()];
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
        let limits = Limits { caps: self.limits.caps(), on_guard: self.limits.on_guard() };
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
                self.session.survey(&leaving.part.names).read_accounts(&tasks, progress)
            });
            let read = others.into_iter().zip(readings);
            now.extend(read.filter_map(|(id, read)| Some((id.clone(), read.ok()?.strangers.in_all))));
        }
        let people = People::before(history, &now, &leaving.part.concluded);
        let ids: Vec<&WorkspaceId> = people.keys().collect();
        for refusal in leaving.hold_too_many(limits, &people) {
            let place = refusal.workspace.map_or("in all", |place| ids[place as usize].as_str());
            tell(&format!("guard: {}: {refusal}", printable(place)));
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
                Progress::Tick => self.session.tick(),
            });
        });
        announce(&Event::ReadingFinished);
        read
    }

    /// What is left of `--max-duration`.
    fn time_left(&self) -> Option<Duration> {
        let spent = self.session.clock.now() - self.began;
        self.settings.max_duration.map(|limit| limit.saturating_sub(spent))
    }

    fn time_is_over(&self) -> bool {
        self.time_left().is_some_and(|left| left.is_zero())
    }

    fn count_admins(&self, leaving: &mut Leaving) -> Result<(), Ended> {
        let places = leaving.admins_taken();
        let task = |&place: &usize| Task::new(&leaving.part.workspaces[place].id, &[]);
        let tasks: Vec<Task<'_>> = places.iter().map(task).collect();
        let counts = self.session.survey(&leaving.part.names).other_admins(&tasks, |_| {});
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
        match unreadable(fault, self.session) {
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

    fn send(&self, part: &Part, tally: Tally, journal: &mut Journal, announce: Announce<'_>) -> RunEnd {
        let Self { session, signals, .. } = self;
        let settings = Settings { max_duration: self.time_left(), ..self.settings.clone() };
        let run = Run {
            workspaces: &part.workspaces,
            operations: &part.operations,
            earlier: &part.earlier,
            emails: &part.names,
            subjects: &part.subjects,
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
