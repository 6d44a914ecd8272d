//! `apply`: carries a roster out: plan, confirmation, run, proof, reports.
//!
//! Main type: [`ApplyArgs`].

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use super::confirm::Confirmation;
use super::plan::{After, ShowArgs, show};
use super::resume::{ResumeArgs, resume_run};
use super::saved_plan_args::SavedPlanArgs;
use super::target_args::MaxErrors as MaxErrorsFlag;
use super::trust::Origin;
use super::{GlobalArgs, print, tell};
use crate::cli::work_args::WorkArgs;
use crate::engine::leftover::{Earlier, left_unanswered};
use crate::engine::{Engine, MaxErrors, Run, Settings, close};
use crate::event::{Event, RunEnd, StopReason};
use crate::houston::Mail;
use crate::model::{RowNumber, Scope, printable};
use crate::ops::failure::Failure;
use crate::ops::finish::{held_words, status, tell_renamed, write_reports};
use crate::ops::phases::{Left, Parts};
use crate::ops::planning::prepared::PreparedPlan;
use crate::ops::planning::roster::{Input, ResolvedInput};
use crate::ops::runs::{RUNS, locked, unsafe_runs};
use crate::ops::saved::Saved;
use crate::ops::session::{Access, Destination, Session};
use crate::ops::signals::Signals;
use crate::outcome::ExitStatus;
use crate::outcome::{Cause, Code};
use crate::outcome::{StatusKind, Tally};
use crate::record::folder::{ROSTER, RunFolder, Runs, TargetLock};
use crate::record::journal::{
    FORMAT, Hashing, Header, History, Journal, JournalError, RunSettings, write_plan,
};
use crate::report::closing::{Paint, render, resume_command};
use crate::report::results::ERRORS;
use crate::report::terminal::Progress;
use crate::roster::spool_instead_in;

/// Gateways in front of Houston hold a request for so long.
const LONGEST_GATEWAY: Duration = Duration::from_secs(600);

/// Carry a roster out
#[derive(Debug, Clone, Args)]
#[command(mut_arg("roster", |roster| roster.required(false).required_unless_present("plan")))]
pub struct ApplyArgs {
    /// A plan that was saved. It comes first: it looks at what else was typed
    #[command(flatten)]
    pub saved: SavedPlanArgs,

    /// Roster, target, pace and safety
    #[command(flatten)]
    pub work: WorkArgs,

    /// How the plan is shown
    #[command(flatten)]
    pub show: ShowArgs,

    /// Do it without asking; needed where there is no terminal
    #[arg(short, long, help_heading = "Safety")]
    pub yes: bool,

    /// Show the plan and do nothing: the same as `plan`
    #[arg(short = 'n', long, help_heading = "Safety")]
    pub dry_run: bool,

    /// How many rows of each workspace go first, one by one, and are read back before the rest is
    /// sent; 0 for none
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(..=1000), help_heading = "Safety")]
    pub canary: u32,

    /// Where the folders of runs are kept; one folder per run
    #[arg(long, value_name = "DIR", default_value = "onboard-runs", help_heading = "Output")]
    pub runs_dir: PathBuf,
}

/// Carries the roster out.
///
/// # Errors
/// Whatever keeps the run from beginning; what happens in it is in the reports and in the status.
pub fn run(args: &ApplyArgs, global: &GlobalArgs) -> Result<ExitStatus, Failure> {
    let saved = args.saved.open()?;
    let mut args = args.clone();
    if let Some(saved) = &saved {
        args.work.safety = saved.safety(&args.work.safety);
    }
    let args = &args;
    let destination = Destination::new(&args.work.target, &args.work.pace)?;
    spool_instead_in(&args.runs_dir);
    let input = match &saved {
        Some(saved) => saved.input()?,
        None => Input::read(&args.work)?,
    };
    let destination = destination.with_token(&args.work.target)?;
    if let Some(saved) = &saved {
        saved.check_target(destination.url().as_deref())?;
    }
    let plan_digest = saved.as_ref().map(|saved| saved.digest().to_owned());
    let known =
        saved.filter(|_| !args.dry_run).map(|saved| earlier_run(&saved, &args.runs_dir)).transpose()?;
    if let Some(run) = known.flatten() {
        return take_up(args, &run, global);
    }
    if args.dry_run {
        let session = Session::open(destination, &args.work.target, Access::ReadOnly)?;
        return show(input, &args.work, &args.show, &After::default(), &session, global);
    }
    let confirmation = Confirmation::needed(args.yes, args.work.roster.as_deref() == Some(Path::new("-")))?;
    let signals = Signals::listen().context("cannot listen for signals")?;
    let runs = Runs::prepare(&args.runs_dir).map_err(unsafe_runs)?;
    runs.warning().iter().for_each(|words| tell(&format!("warning: {}", printable(words))));
    let session = Session::open(destination, &args.work.target, Access::ReadWrite)?;
    let lock = TargetLock::take(&runs, &session.url).map_err(locked)?;
    let mut input = input.resolve(&session)?;
    let mut progress = input.progress(global);
    let mut prepared = PreparedPlan::prepare(&mut input, &args.work, &session, &mut progress)?;
    prepared.refuse(&args.work.safety)?;
    let shown = || prepared.render(&input, &session, &args.show, None);
    let changes = prepared.changes() + prepared.plan.to_create.len();
    if !confirmation.obtain(changes, &session.url, shown)? {
        return Ok(ExitStatus::Usage);
    }
    prepared.create_missing(&input, &args.work, &session, &mut progress)?;
    let earlier = unanswered(&runs, &input, &session, &prepared);
    let session = &session;
    Applying {
        args,
        runs: &runs,
        input: &input,
        session,
        prepared,
        signals: &signals,
        lock,
        earlier,
        plan_digest,
    }
    .run(global, progress)
}

/// The run in the folder of the runs that carries this plan out already. Only the user's own count.
fn earlier_run(saved: &Saved, runs_dir: &Path) -> Result<Option<RunFolder>, Failure> {
    let listed = match Runs::open(runs_dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        opened => opened.and_then(|runs| runs.list()),
    };
    let mut runs = listed.map_err(|error| Failure::new(ExitStatus::Internal, error).about(&RUNS))?;
    runs.retain(|folder| folder.distrust().is_none());
    Ok(saved.run_among(runs))
}

/// Goes on with the run that carries the plan out, or gives the status that it ended with.
fn take_up(args: &ApplyArgs, run: &RunFolder, global: &GlobalArgs) -> Result<ExitStatus, Failure> {
    tell(&format!("run {} carries out this plan; continuing with that run", printable(run.id())));
    let resuming = ResumeArgs {
        run: run.path().display().to_string(),
        target: args.work.target.clone(),
        pace: args.work.pace,
        limits: args.work.safety.prune.limits.clone(),
        yes: args.yes,
        trust_folder: false,
        runs_dir: args.runs_dir.clone(),
    };
    resume_run(&resuming, run, Origin::Own, global)
}

/// Writes that a recent run against this Houston left without an answer: they may still land, so
/// those of them that this run is to send are looked for over the settle time first.
fn unanswered(
    runs: &Runs,
    input: &ResolvedInput,
    session: &Session,
    prepared: &PreparedPlan,
) -> HashMap<usize, Earlier> {
    let recent = session.settings.settle + LONGEST_GATEWAY;
    let open = left_unanswered(runs, &session.url, recent);
    let mut earlier = HashMap::new();
    for (place, operation) in prepared.operations.iter().enumerate() {
        let email = input.roster.emails().get(operation.row);
        let workspace = &prepared.plan.workspaces[operation.workspace as usize].id;
        if let Some(run) = open.get(&(email.to_owned(), workspace.clone())) {
            let text = format!("run {run} sent it and has no answer");
            let cause = Cause::new(Code::NoOutcome, text);
            let in_doubt =
                Earlier { attempts: 0, elapsed: Duration::ZERO, cause, in_doubt: true, is_removed: false };
            earlier.insert(place, in_doubt);
        }
    }
    if !earlier.is_empty() {
        tell(&format!(
            "{} of the writes may still be under way from an earlier run: they are looked for before they are sent (--settle)",
            earlier.len()
        ));
    }
    earlier
}

/// A run about to begin.
struct Applying<'a> {
    args: &'a ApplyArgs,
    runs: &'a Runs,
    input: &'a ResolvedInput,
    session: &'a Session,
    prepared: PreparedPlan,
    signals: &'a Signals,
    lock: TargetLock,
    /// Writes that other runs left without an answer.
    earlier: HashMap<usize, Earlier>,
    /// The digest of the saved plan, if it is one.
    plan_digest: Option<String>,
}

impl Applying<'_> {
    fn run(mut self, global: &GlobalArgs, mut progress: Progress) -> Result<ExitStatus, Failure> {
        let unrecorded = |error: anyhow::Error| {
            Failure::new(ExitStatus::Internal, error.context("the run cannot be recorded; nothing was sent"))
                .about(&RUNS)
        };
        let (folder, mut journal) = self.begin().map_err(unrecorded)?;
        self.lock.name(folder.id()).map_err(|error| unrecorded(error.into()))?;
        let tally = self.tally();
        // The file of the plan has the decisions now; a million of them take room.
        self.prepared.plan.rows = Vec::new();
        let plan = &self.prepared.plan;
        let grants = plan.grants.iter().any(|grant| grant.decision.is_change());
        let left = Left { grants, removals: plan.leavers().next().is_some() };
        let subjects = Arc::new(self.prepared.along());
        let settings = engine_settings(self.session, &self.run_settings());
        let run = Run {
            workspaces: &self.prepared.plan.workspaces,
            operations: &self.prepared.operations,
            earlier: &self.earlier,
            emails: self.input.roster.emails(),
            subjects: &subjects,
            houston: &self.session.houston,
            pace: &self.session.pace,
            pages: &self.session.pages,
            cancel: &self.session.cancel,
            stop: &|| self.signals.stop(),
            clock: &self.session.clock,
        };
        self.signals.sending_begins(resume_command(folder.path(), self.args.yes));
        let engine = Engine { pool: &self.session.pool, settings: &settings };
        let announce = &mut |event: &Event<'_>| self.session.show(event, &mut progress);
        let began = self.session.clock.now();
        let end = engine.carry_out(&run, &mut journal, tally, announce);
        let (session, signals) = (self.session, self.signals);
        let limits = &self.args.work.safety.prune.limits;
        let parts = Parts { folder: &folder, session, signals, settings: &settings, limits, began };
        let end = parts.carry_out(left, end, &mut journal, announce);
        let end = close(end, &mut journal, self.session.clock.now(), announce);
        self.signals.reporting_begins();
        drop(progress);
        self.prepared.operations = Vec::new();
        finish(&folder, &end, global)
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
        let plan_sha256 = write_plan(folder, self.prepared.lines(roster))?;
        let header = Header {
            format: FORMAT,
            run: folder.id().to_owned(),
            started_at: now,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            target: self.session.url.clone(),
            sandbox: self.session.is_sandbox,
            houston_version: self.session.version(),
            caller: self.session.identity.user_id().map(str::to_owned),
            roster: self.input.name.clone(),
            roster_sha256,
            plan_sha256,
            rows: roster.len() as u64,
            grants: self.prepared.plan.grants.len() as u64,
            extras: self.prepared.plan.extras.len() as u64,
            dialect: serde_json::to_value(roster.dialect())?,
            settings: self.run_settings(),
            reach: self.args.work.target.reach().context("cannot tell the working directory")?,
            saved_plan: self.plan_digest.clone(),
        };
        Ok(Journal::create(folder, header, start)?)
    }

    fn run_settings(&self) -> RunSettings {
        RunSettings {
            canary: self.args.canary,
            unattended: self.args.yes,
            pace: Some(self.session.settings.remembered()),
            allow_odd_addresses: self.input.settings.allow_odd_addresses,
            ..self.args.work.safety.remembered()
        }
    }

    /// The rows that need no mutation.
    fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for (index, planned) in self.prepared.plan.rows.iter().enumerate() {
            let role = self.input.roster.assignment(RowNumber::from_index(index)).map(|wish| wish.role);
            if let Some((status, _)) = planned.decision.end(Scope::Workspace, role) {
                tally.count(status);
            }
        }
        tally
    }
}

/// How the engine carries a run out, in its first leg and in later ones.
pub(super) fn engine_settings(session: &Session, run: &RunSettings) -> Settings {
    let pace = &session.settings;
    Settings {
        concurrency: pace.concurrency,
        mail: if run.send_invites { Mail::Send } else { Mail::Bypass },
        retries: pace.retries,
        settle: pace.settle,
        max_wait: pace.max_wait,
        max_errors: match pace.max_errors {
            MaxErrorsFlag::InARow(rows) => MaxErrors::InARow(u64::from(rows.get())),
            MaxErrorsFlag::PerCent(share) => MaxErrors::Percent(f64::from(share)),
        },
        max_duration: pace.max_duration,
        grace: pace.grace,
        canary: run.canary,
        repeats: session.installation.repeats,
    }
}

/// The files of a run cannot be read at its end. What was sent is known to this process alone then.
fn unreadable(error: JournalError, end: &RunEnd) -> Failure {
    let is_lost = matches!(end.stopped, Some((StopReason::JournalLost, _)));
    let status = if is_lost { ExitStatus::Unresolved } else { ExitStatus::Internal };
    let changed = end.tally.of_kind(StatusKind::Changed);
    let words = match end.tally.requests {
        0 => "nothing was sent".to_owned(),
        _ => format!("{changed} changes were confirmed before the run stopped; there is no report of them"),
    };
    Failure::new(status, anyhow::Error::new(error).context(words))
        .hint("apply the roster again: what Houston already has is not sent twice")
}

/// The reports of a run that has just ended, and its last words.
pub(super) fn finish(folder: &RunFolder, end: &RunEnd, global: &GlobalArgs) -> Result<ExitStatus, Failure> {
    let mut history = History::read(folder).map_err(|error| unreadable(error, end))?;
    history.ended(end);
    let status = status(&history);
    let summary = write_reports(folder, &history, Some(status))?;
    tell_renamed(&history);
    if let Some(words) = held_words(&history) {
        tell(&words);
    }
    if !global.quiet
        && let Err(error) = print(&render(&summary, Paint::Coloured))
    {
        // The run is what it is; its reports are in its folder.
        tell(&format!("warning: the closing summary cannot be written: {error}"));
    }
    if summary.removals.is_some() && summary.counts.of_kind(StatusKind::Failed) > 0 {
        for note in global.origins.notes(&["prune"]) {
            tell(&format!("note: {}; unset it before you apply {ERRORS}", printable(&note)));
        }
    }
    Ok(status)
}
