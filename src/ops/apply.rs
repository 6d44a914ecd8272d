//! `apply`: a roster, or a saved plan, becomes a run.
//!
//! Main types, in the order in which one makes the next: [`Connected`], [`Ready`] and
//! [`Finished`]. Between them the caller may show what is about to happen, and ask.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::actor::actor;
use super::environment::Environment;
use super::failure::Failure;
use super::finish::{Finished, finish};
use super::last_run::last_run;
use super::limits::Limits;
use super::phases::{Phases, engine_settings};
use super::planning::prepared::{Look, PreparedPlan};
use super::planning::roster::{Input, ResolvedInput};
use super::runs::{RUNS, locked, unsafe_runs};
use super::saved::Saved;
use super::session::{Access, Destination, Session};
use super::signals::Signals;
use super::unanswered::{Unanswered, left_unanswered};
use super::unfinished::unfinished;
use crate::engine::batch::{Batch, Earlier, InDoubt};
use crate::event::Event;
use crate::model::target_key::is_same_target;
use crate::model::{Emails, ItemId, Scope};
use crate::outcome::{Cause, Code, ExitStatus, Tally};
use crate::plan::{Phase, Plan};
use crate::record::folder::{ROSTER, RunFolder, Runs, TargetLock};
use crate::record::journal::{
    AuditKey, ChainKind, Entry, FORMAT, Hashing, Header, Journal, RunSettings, WorkspaceBefore, write_plan,
};
use crate::report::Reporter;
use crate::report::closing::resume_command;
use crate::report::notices::Notice;
use crate::report::plan::{Detail, PlanFormat};

/// Gateways in front of Houston hold a request for so long.
const LONGEST_GATEWAY: Duration = Duration::from_secs(600);

/// The run in the folder of the runs that carries this plan out already. Only the user's own count.
///
/// # Errors
/// The folder cannot be read (1).
pub fn earlier_run(saved: &Saved, runs_dir: &Path) -> Result<Option<RunFolder>, Failure> {
    let listed = match Runs::open(runs_dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        opened => opened.and_then(|runs| runs.list()),
    };
    let mut runs = listed.map_err(|error| Failure::new(ExitStatus::Internal, error).about(&RUNS))?;
    runs.retain(|folder| folder.distrust().is_none());
    Ok(saved.run_among(runs))
}

/// A roster whose workspaces are known, on a Houston that no other run may change at the same time.
pub struct Connected {
    input: ResolvedInput,
    session: Session,
    runs: Runs,
    signals: Signals,
    lock: TargetLock,
}

impl Connected {
    /// Takes the lock of the target, and finds the workspaces of the roster.
    ///
    /// # Errors
    /// The folder of the runs (1, 2), the target (5), the token (4) or the roster (3) cannot be used, or
    /// another run has the lock (11).
    pub fn open(
        input: Input,
        destination: Destination,
        runs_dir: &Path,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let signals = environment.signals().context("cannot listen for signals")?;
        let runs = Runs::prepare(runs_dir).map_err(unsafe_runs)?;
        runs.warning().iter().for_each(|words| environment.notices.give(&Notice::RunsFolder(words)));
        let session = Session::open(destination, Access::ReadWrite, environment)?;
        let lock = TargetLock::take(&runs, &session.url, input.shard).map_err(locked)?;
        let input = input.resolve(&session)?;
        let earlier =
            unfinished(runs.list().unwrap_or_default(), |run| is_same_target(&run.target, &session.url));
        let is_undo = input.expected.as_ref().is_some_and(|expected| expected.undo);
        // An undo takes an unfinished run back: to resume that run is not the advice.
        if !earlier.is_empty() && !is_undo {
            environment.notices.give(&Notice::Unfinished(&earlier));
        }
        Ok(Self { input, session, runs, signals, lock })
    }

    /// What the rows of the plan are called in messages.
    pub fn row_names(&self) -> impl Fn(ItemId) -> String + use<> {
        self.input.row_names()
    }

    /// Makes the plan.
    ///
    /// # Errors
    /// As [`PreparedPlan::prepare`], or more would be removed than is allowed (7).
    pub fn prepare(
        mut self,
        settings: RunSettings,
        provenance: Provenance,
        progress: &mut dyn Reporter,
    ) -> Result<Ready, Failure> {
        let plan = PreparedPlan::prepare(&mut self.input, &settings, &self.session, progress)?;
        plan.announce_excess(&settings, &self.session.notices);
        plan.refuse(&settings)?;
        Ok(Ready { connected: self, plan, settings, provenance })
    }
}

/// A plan that may be carried out.
pub struct Ready {
    connected: Connected,
    plan: PreparedPlan,
    settings: RunSettings,
    provenance: Provenance,
}

/// What the record of a run says about where it comes from.
#[derive(Debug, Default)]
pub struct Provenance {
    /// The digest of the saved plan, if it carries one out.
    pub saved_plan: Option<String>,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// The key that seals its journal, if one does.
    pub key: Option<AuditKey>,
}

impl Ready {
    /// How many changes it makes.
    pub fn changes(&self) -> usize {
        self.plan.changes() + self.plan.plan.to_create.len()
    }

    /// How many of them remove people from workspaces.
    pub fn removals(&self) -> usize {
        self.plan.removals()
    }

    /// The URL of Houston.
    pub fn url(&self) -> &str {
        &self.connected.session.url
    }

    /// The plan in a format.
    ///
    /// # Errors
    /// If it cannot be written in that format.
    pub fn render(&self, format: PlanFormat, detail: Detail) -> Result<String, Failure> {
        let Connected { input, session, .. } = &self.connected;
        let look = Look { format, detail, stale: None, digest: self.provenance.saved_plan.as_deref() };
        self.plan.render(input, session, &self.settings, look)
    }

    /// Carries the plan out, and writes the reports.
    ///
    /// # Errors
    /// What keeps the run from beginning; what happens in it is in the reports and in the status.
    pub fn carry_out(self, mut progress: impl Reporter) -> Result<Finished, Failure> {
        let Self { connected, mut plan, settings, provenance } = self;
        let Connected { input, session, runs, signals, lock } = connected;
        plan.create_missing(&input, settings.roles, &session, &mut progress)?;
        let earlier = unanswered(&runs, &input, &session, &plan);
        let settings = RunSettings {
            pace: Some(session.settings.remembered()),
            allow_odd_addresses: input.settings.allow_odd_addresses,
            shard: input.shard,
            ..settings
        };
        let applying =
            Applying { runs, input, session: &session, plan, settings, signals, lock, earlier, provenance };
        applying.run(progress)
    }
}

/// Writes that a recent run against this Houston left unanswered: they may still take effect, so this run
/// first checks for those that it would send, over the settle time.
fn unanswered(
    runs: &Runs,
    input: &ResolvedInput,
    session: &Session,
    prepared: &PreparedPlan,
) -> HashMap<ItemId, Earlier> {
    let recent = session.settings.settle + LONGEST_GATEWAY;
    let Unanswered { writes, older } = left_unanswered(runs, &session.url, recent);
    older.iter().for_each(|run| session.notices.give(&Notice::OlderRun(run)));
    let mut earlier = HashMap::new();
    if writes.is_empty() {
        return earlier;
    }
    let changed = prepared.plan.in_phase(Phase::Members).iter().filter(|item| item.decision.is_change());
    for item in changed {
        let (Some(row), Some(workspace)) = (item.row(), prepared.plan.workspace(item)) else { continue };
        let email = input.roster.emails().get(row);
        if let Some(run) = writes.get(&(email.to_owned(), workspace.id.clone())) {
            let text = format!("run {run} sent it and got no answer");
            let cause = Cause::new(Code::NoOutcome, text);
            let doubt = Some(InDoubt::NotSeen);
            let sent = Earlier { attempts: 0, elapsed: Duration::ZERO, cause, doubt, is_removed: false };
            earlier.insert(row.into(), sent);
        }
    }
    if !earlier.is_empty() {
        session.notices.give(&Notice::UnderWay(earlier.len()));
    }
    earlier
}

/// The rows that are sent, with what other runs sent for some of them.
fn batch(emails: Arc<Emails>, plan: PreparedPlan, mut earlier: HashMap<ItemId, Earlier>) -> Batch {
    let subjects = Arc::new(plan.subjects());
    let (workspaces, operations) = plan.plan.into_operations(Phase::Members);
    let sent = operations.iter().enumerate();
    let earlier = sent.filter_map(|(at, one)| Some((at, earlier.remove(&one.item)?))).collect();
    Batch { workspaces, operations: Arc::new(operations), earlier, emails, subjects }
}

/// A run about to begin.
struct Applying<'a> {
    runs: Runs,
    input: ResolvedInput,
    session: &'a Session,
    plan: PreparedPlan,
    settings: RunSettings,
    signals: Signals,
    lock: TargetLock,
    /// Writes that other runs left without an answer.
    earlier: HashMap<ItemId, Earlier>,
    /// Where it comes from.
    provenance: Provenance,
}

impl Applying<'_> {
    fn run(mut self, mut progress: impl Reporter) -> Result<Finished, Failure> {
        let unrecorded = |error: anyhow::Error| {
            Failure::new(ExitStatus::Internal, error.context("the run cannot be recorded; nothing was sent"))
                .about(&RUNS)
        };
        let (folder, mut journal) = self.begin().map_err(unrecorded)?;
        self.lock.name(folder.id()).map_err(|error| unrecorded(error.into()))?;
        let tally = self.tally();
        let phases = Phase::LATER.into_iter().filter(|phase| self.plan.plan.has_changes(*phase));
        let later: Vec<Phase> = phases.collect();
        // The files of the run have the roster and the decisions now; a million of them take memory.
        let Self { input, session, plan, settings, signals, lock: _lock, earlier, .. } = self;
        let emails = Arc::clone(input.roster.emails());
        drop(input);
        let rows = batch(emails, plan, earlier);
        let (limits, unattended) = (Limits::from(&settings), settings.unattended);
        let (folder, began) = (&folder, session.clock.now());
        let (signals, settings) = (&signals, &engine_settings(session, &settings));
        let phases = Phases { folder, session, signals, settings, limits: &limits, began };
        let resume = resume_command(folder.path(), unattended);
        progress.event(&Event::Recorded { run: folder.id(), folder: folder.path(), resume: &resume });
        signals.sending_begins(resume);
        let announce = &mut |event: &Event<'_>| session.show(event, &mut progress);
        let end = phases.carry_out(&rows, &later, tally, &mut journal, announce);
        signals.reporting_begins();
        drop(rows);
        finish(folder, &end, &session.notices, &mut progress)
    }

    /// Everything that must be on the disk before the first mutation; nothing, if not all of it.
    fn begin(&self) -> anyhow::Result<(RunFolder, Journal)> {
        let now = jiff::Timestamp::now();
        let folder = self.runs.create(now)?;
        match self.record(&folder, now) {
            Ok(journal) => Ok((folder, journal)),
            Err(error) => {
                folder.discard();
                Err(error)
            }
        }
    }

    fn record(&self, folder: &RunFolder, now: jiff::Timestamp) -> anyhow::Result<Journal> {
        let roster = &self.input.roster;
        let start = self.session.clock.now();
        let mut copy = Hashing::new(folder.new_file(ROSTER)?);
        let failed = || format!("cannot copy the roster to {}", folder.roster().display());
        roster.copy_to(&mut copy).with_context(failed)?;
        let (copy, roster_sha256) = copy.finish();
        copy.sync_all().with_context(failed)?;
        let plan_sha256 = write_plan(folder, self.plan.lines(roster))?;
        let header = Header {
            format: FORMAT,
            run: folder.id().to_owned(),
            started_at: now,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            target: self.session.url.clone(),
            sandbox: self.session.target.is_sandbox(),
            houston_version: self.session.version(),
            actor: actor(self.session),
            approved_by: self.provenance.approved_by.clone(),
            roster: self.input.name.clone(),
            roster_sha256,
            plan_sha256,
            rows: roster.len() as u64,
            grants: self.plan.plan.in_phase(Phase::Deployments).len() as u64,
            extras: self.plan.plan.in_phase(Phase::Removals).len() as u64,
            dialect: serde_json::to_value(roster.dialect())?,
            settings: self.settings.clone(),
            reach: self.session.target.reach().context("cannot find the working directory")?,
            saved_plan: self.provenance.saved_plan.clone(),
            last_run: self.last_run(),
            chained_by: ChainKind::Sha256,
        };
        let mut journal = Journal::create_with(self.provenance.key.clone(), folder, header, start)?;
        self.workspaces_before().for_each(|before| journal.note(&Entry::Workspace(Box::new(before))));
        journal.commit()?;
        Ok(journal)
    }

    /// The run that this one is compared with.
    fn last_run(&self) -> Option<String> {
        let session = self.session;
        let is_compared = !session.target.is_sandbox();
        is_compared.then(|| last_run(&self.runs, &session.url, self.settings.shard)).flatten()
    }

    /// Who was in the workspaces of the plan.
    fn workspaces_before(&self) -> impl Iterator<Item = WorkspaceBefore> {
        let Plan { workspaces, census, .. } = &self.plan.plan;
        workspaces.iter().zip(census).filter_map(|(workspace, census)| {
            let (id, label) = (workspace.id.clone(), workspace.label.clone());
            Some(WorkspaceBefore { id, label, seen: census.clone()? })
        })
    }

    /// The rows that need no mutation.
    fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for item in self.plan.plan.in_phase(Phase::Members) {
            if let Some((status, _)) = item.decision.end(Scope::Workspace, item.wanted) {
                tally.count(status);
            }
        }
        tally
    }
}
