//! `resume`: finishes an interrupted run from its own files: what has an end keeps it, what is in
//! doubt is looked for, what is missing is sent.
//!
//! Main type: [`ResumeArgs`].

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;

use super::apply::{engine_settings, finish};
use super::confirm::Confirmation;
use super::prune_args::LimitArgs;
use super::target_args::{PaceArgs, TargetArgs};
use super::trust::Origin;
use super::{GlobalArgs, tell};
use crate::cli::work_args::SafetyArgs;
use crate::engine::granting::along;
use crate::engine::leftover::Leg;
use crate::engine::{Engine, Run, close};
use crate::event::Event;
use crate::houston::{Fault, Repeats, Version};
use crate::model::target_key::is_same_target;
use crate::model::{ItemId, Strain, printable};
use crate::ops::failure::Failure;
use crate::ops::finish::{broken, open_run, status, write_reports};
use crate::ops::phases::{Left, Parts};
use crate::ops::planning::prepared::{requests, takes_away};
use crate::ops::planning::roster::line_of_removal;
use crate::ops::planning::unreadable;
use crate::ops::runs::{RUNS, locked, unsafe_runs};
use crate::ops::session::{Access, Destination, Session};
use crate::ops::signals::Signals;
use crate::outcome::ExitStatus;
use crate::plan::protect::Protect;
use crate::plan::{Action, Operation, RolePolicy};
use crate::present::members::Reading;
use crate::present::survey::{Progress as Step, Task};
use crate::record::folder::{RunFolder, TargetLock};
use crate::record::journal::{Entry, Header, History, Journal, JournalError, Reach};
use crate::report::closing::resume_command;
use crate::report::terminal::{Progress, ProgressMode};

/// Finish an interrupted run
#[derive(Debug, Clone, Args)]
pub struct ResumeArgs {
    /// The run: its id, the beginning of it, its folder, or `latest`
    #[arg(value_name = "RUN", default_value = "latest")]
    pub run: String,

    /// What to reach it with; where it is comes from the run
    #[command(flatten)]
    pub target: TargetArgs,

    /// How fast
    #[command(flatten)]
    pub pace: PaceArgs,

    /// The limits of removals. Stricter ones than those of the run count; they are never relaxed
    #[command(flatten)]
    pub limits: LimitArgs,

    /// Do it without asking; needed where there is no terminal
    #[arg(short, long, help_heading = "Safety")]
    pub yes: bool,

    /// Resume a folder that is not your own, or that others can change: what it wants is shown first.
    /// It can remove anyone; the token file, CA file and --insecure that it names are not used
    #[arg(long, help_heading = "Safety")]
    pub trust_folder: bool,

    /// Where the folders of runs are kept
    #[arg(long, value_name = "DIR", default_value = "onboard-runs", help_heading = "Output")]
    pub runs_dir: PathBuf,
}

/// Finishes the run.
///
/// # Errors
/// Whatever keeps it from going on; what happens in it is in the reports and in the status.
pub fn run(args: &ResumeArgs, global: &GlobalArgs) -> Result<ExitStatus, Failure> {
    let folder = open_run(&args.runs_dir, &args.run)?;
    let origin = Origin::of(&folder, args)?;
    let folder = if origin == Origin::Own { folder } else { folder.trusted() };
    resume_run(args, &folder, origin, global)
}

/// Finishes the run in this folder.
///
/// # Errors
/// As [`run`].
pub(super) fn resume_run(
    args: &ResumeArgs,
    folder: &RunFolder,
    origin: Origin,
    global: &GlobalArgs,
) -> Result<ExitStatus, Failure> {
    let history = read(folder)?;
    refuse_contradiction(&history)?;
    if history.is_concluded() && history.closed {
        return say_finished(folder, &history, origin, global);
    }
    refuse_sandbox(&history.header)?;
    let consent = origin.consent(args)?;
    let (destination, target) = destination(args, &history.header, &origin.reach(&history.header))?;
    if !origin.confirm(consent, (folder, &history), &target, global.quiet)? {
        return Ok(ExitStatus::Usage);
    }
    let confirmation = Confirmation::needed(args.yes, false)?;
    let signals = Signals::listen().context("cannot listen for signals")?;
    let runs = folder.runs().map_err(|error| Failure::new(ExitStatus::Internal, error).about(&RUNS))?;
    runs.check().map_err(unsafe_runs)?;
    let mut lock = TargetLock::take(&runs, &history.header.target).map_err(locked)?;
    lock.name(folder.id()).map_err(|error| Failure::new(ExitStatus::Internal, error))?;
    // What was read before may have moved on until the lock was ours, but not to another run.
    let (promised, header) = (left(&history), history.header);
    let history = read(folder)?;
    let changed = history.header != header || (origin != Origin::Own && left(&history) != promised);
    if changed {
        let error = anyhow::anyhow!(
            "the journal of run {} was changed since it was read; nothing was sent",
            printable(folder.id())
        );
        return Err(
            Failure::new(ExitStatus::BadInput, error).hint("look at it with `report`, then resume again")
        );
    }
    if history.is_concluded() {
        if !history.closed {
            close_books(folder, &history)?;
        }
        return say_finished(folder, &read(folder)?, origin, global);
    }
    history.check_files(folder).map_err(|error| broken(folder, error))?;
    folder.check_writable().map_err(|error| {
        Failure::new(ExitStatus::Internal, anyhow::Error::new(error).context("nothing was sent"))
    })?;
    let session = Session::open(destination, &target, Access::ReadWrite)?;
    let mut progress = progress(&history, global);
    let limits = LimitArgs::from(&history.header.settings).stricter(&args.limits);
    let resuming = Resuming::prepare(folder, &history, &session, &signals, &limits, &mut progress)?;
    if resuming.takes_away() {
        session.identity.check(&session.url)?;
    }
    let behind = history.left_grants().len() + history.left_extras().len();
    let operations = resuming.leg.operations.len() + behind;
    if resuming
        .leg
        .operations
        .iter()
        .any(|operation| matches!(operation.action, Action::Add(_) | Action::Replace(_)))
    {
        session.check_policy(&SafetyArgs::from(&history.header.settings))?;
    }
    if operations > 0 {
        session.warn_of_token(requests(&resuming.leg.operations));
    }
    if !confirmation.obtain(operations, &session.url, || Ok(resuming.shown()))? {
        return Ok(ExitStatus::Usage);
    }
    resuming.run(progress, global)
}

fn read(folder: &RunFolder) -> Result<History, Failure> {
    History::read(folder).map_err(|error| broken(folder, error))
}

/// What is left of a run.
fn left(history: &History) -> [Vec<ItemId>; 3] {
    [history.left(), history.left_grants(), history.left_extras()]
}

/// Nothing is written into a folder that may be another user's.
fn say_finished(
    folder: &RunFolder,
    history: &History,
    origin: Origin,
    global: &GlobalArgs,
) -> Result<ExitStatus, Failure> {
    let status = status(history);
    if !global.quiet {
        tell(&format!(
            "run {} is complete (exit status {}); nothing to resume, and nothing was sent",
            printable(&history.header.run),
            status.code()
        ));
        if history.header.saved_plan.is_some() {
            tell("to make the changes of its plan again, make a new plan");
        }
        if history.header.sandbox {
            tell("it was a --sandbox rehearsal, which cannot be resumed");
        }
    }
    if origin == Origin::Own {
        write_reports(folder, history, Some(status))?;
    }
    Ok(status)
}

/// A run that was killed after its last row had its end: only the books are to be closed.
fn close_books(folder: &RunFolder, history: &History) -> Result<(), Failure> {
    let failed = |error| Failure::new(ExitStatus::Internal, error);
    let mut journal = Journal::append(folder, history, Instant::now()).map_err(failed)?;
    let at_ms = journal.at_ms(Instant::now());
    journal.note(&Entry::Closed {
        stopped: None,
        code: None,
        detail: None,
        requests: 0,
        strain: Strain::default(),
        at_ms,
    });
    journal.commit().map_err(failed)
}

/// A run without `--prune` has no removals: its files do not belong together.
fn refuse_contradiction(history: &History) -> Result<(), Failure> {
    if history.header.settings.prune.is_some() || history.extras.is_empty() {
        return Ok(());
    }
    let error = anyhow::anyhow!(
        "run {}: its plan removes people, but its journal says that it removes no one; nothing was sent",
        printable(&history.header.run)
    );
    Err(Failure::new(ExitStatus::BadInput, error).hint("apply the roster again"))
}

/// The Houston of such a run is gone.
fn refuse_sandbox(header: &Header) -> Result<(), Failure> {
    if !header.sandbox {
        return Ok(());
    }
    let error = anyhow::anyhow!(
        "run {} cannot be resumed: it was a rehearsal with --sandbox, whose Houston ended with it",
        printable(&header.run)
    );
    Err(Failure::new(ExitStatus::Usage, error)
        .hint("apply the roster again, or rehearse against a standing one: `houston-onboard sandbox`"))
}

/// Where the run went, reached as it was reached then unless flags say otherwise.
fn destination(
    args: &ResumeArgs,
    header: &Header,
    reach: &Reach,
) -> Result<(Destination, TargetArgs), Failure> {
    let (mut target, mut pace) = (args.target.clone(), args.pace);
    target.default_to(&header.target, reach);
    header.settings.pace.iter().for_each(|then| pace.default_to(then));
    let destination = Destination::new(&target, &pace)?.with_token(&target)?;
    let url = destination.url().unwrap_or_else(|| "a sandbox".to_owned());
    if is_same_target(&url, &header.target) {
        return Ok((destination, target));
    }
    let [run, then, now] = [&header.run, &header.target, &url].map(|text| printable(text));
    let error = anyhow::anyhow!("run {run} is about {then}, not about {now}");
    Err(Failure::new(ExitStatus::Usage, error)
        .hint("a run goes on where it began: leave --url, --domain, --context and --sandbox out, also in the environment (HOUSTON_ONBOARD_URL) and in a --config file"))
}

fn progress(history: &History, global: &GlobalArgs) -> Progress {
    let mode = if global.quiet { ProgressMode::None } else { global.progress };
    let rows = history.rows.iter().map(|row| row.line);
    let grants = history.grants.iter().map(|grant| history.rows[grant.of.index()].line);
    let lines: Vec<u32> = rows.chain(grants).collect();
    let name = history.header.roster.clone();
    let progress =
        Progress::on_stderr(mode, Instant::now).with_places(move |item| match lines.get(item.index()) {
            Some(line) => format!("{name}:{line}"),
            None => line_of_removal(item.index() - lines.len()),
        });
    if global.verbose { progress.verbose() } else { progress }
}

/// What the server does with repeats, if writes that went to another version of it may still land:
/// that one may have doubled them.
fn careful(now: Repeats, then: Option<&str>) -> Repeats {
    if Repeats::of(then.and_then(Version::parse)) == Repeats::Refused { now } else { Repeats::Unknown }
}

/// A later leg of a run, about to begin.
struct Resuming<'a> {
    folder: &'a RunFolder,
    history: &'a History,
    session: &'a Session,
    signals: &'a Signals,
    limits: &'a LimitArgs,
    leg: Leg,
}

impl<'a> Resuming<'a> {
    /// Reads the plan of the run and what Houston has now.
    fn prepare(
        folder: &'a RunFolder,
        history: &'a History,
        session: &'a Session,
        signals: &'a Signals,
        limits: &'a LimitArgs,
        progress: &mut Progress,
    ) -> Result<Self, Failure> {
        let mut leg = Leg::collect(folder, history).map_err(|error| broken(folder, error))?;
        let protect = Protect::new(&limits.protect);
        for (place, reading) in survey(&leg, session, &protect, progress).into_iter().enumerate() {
            match reading {
                Ok(reading) => {
                    leg.judge(place, &reading, &session.caller_names(&reading), &protect);
                }
                Err(fault) => {
                    let (status, cause) = unreadable(&fault, session)?;
                    leg.give_up(place, status, &cause);
                }
            }
        }
        count_admins(&mut leg, session)?;
        leg.assemble();
        Ok(Self { folder, history, session, signals, limits, leg })
    }

    /// Whether anybody may be removed or demoted in this leg.
    fn takes_away(&self) -> bool {
        let may_take_roles = self.history.header.settings.roles == RolePolicy::Update;
        takes_away(&self.leg.operations)
            || !self.history.left_extras().is_empty()
            || (may_take_roles && !self.history.left_grants().is_empty())
    }

    /// What is about to be done, for the question.
    fn shown(&self) -> String {
        let Leg { operations, concluded, .. } = &self.leg;
        let header = &self.history.header;
        let rows = self.history.rows.len();
        let (done, found) = (rows - operations.len() - concluded.len(), concluded.len());
        let mut first = 0;
        let line = |share: &[Operation]| {
            let in_doubt = (first..first + share.len()).filter(|place| self.leg.is_in_doubt(*place)).count();
            first += share.len();
            let id = printable(self.leg.workspaces[share[0].workspace as usize].id.as_str());
            format!("{id}: {} to send, {in_doubt} to look for first\n", share.len() - in_doubt)
        };
        let lines: String = operations.chunk_by(|a, b| a.workspace == b.workspace).map(line).collect();
        let (run, roster) = (printable(&header.run), printable(&header.roster));
        let grants = match self.history.left_grants().len() {
            0 => String::new(),
            1 => "1 role in a deployment is left to be given.\n".to_owned(),
            left => format!("{left} roles in deployments are left to be given.\n"),
        };
        let removals = match self.history.left_extras().len() {
            0 => String::new(),
            1 => "1 person who is not in the roster is left to be removed.\n".to_owned(),
            left => format!("{left} people who are not in the roster are left to be removed.\n"),
        };
        format!(
            "Run {run} of {roster}\n\n{lines}{grants}{removals}\nOf {rows} rows {done} have their end, {found} more turn out to be settled.\n"
        )
    }

    fn run(&self, mut progress: Progress, global: &GlobalArgs) -> Result<ExitStatus, Failure> {
        let Self { folder, history, session, signals, limits, leg } = self;
        let mut journal = self.begin().map_err(|error| {
            let error = anyhow::Error::new(error).context("the run cannot be recorded; nothing was sent");
            Failure::new(ExitStatus::Internal, error)
        })?;
        let subjects = Arc::new(along(folder, history).map_err(|error| broken(folder, error))?);
        let mut settings = engine_settings(session, &history.header.settings);
        settings.repeats = careful(settings.repeats, history.header.houston_version.as_deref());
        let run = Run {
            workspaces: &leg.workspaces,
            operations: &leg.operations,
            earlier: &leg.earlier,
            emails: &leg.emails,
            subjects: &subjects,
            houston: &session.houston,
            pace: &session.pace,
            pages: &session.pages,
            cancel: &session.cancel,
            stop: &|| signals.stop(),
            clock: &session.clock,
        };
        signals.sending_begins(resume_command(folder.path(), history.header.settings.unattended));
        let engine = Engine { pool: &session.pool, settings: &settings };
        let announce = &mut |event: &Event<'_>| session.show(event, &mut progress);
        let began = session.clock.now();
        let end = engine.carry_out(&run, &mut journal, leg.tally(history), announce);
        let parts = Parts { folder, session, signals, settings: &settings, limits, began };
        let left = Left { grants: !history.grants.is_empty(), removals: !history.left_extras().is_empty() };
        let end = parts.carry_out(left, end, &mut journal, announce);
        let end = close(end, &mut journal, session.clock.now(), announce);
        signals.reporting_begins();
        drop(progress);
        finish(folder, &end, global)
    }

    /// The journal, with what reading has settled.
    fn begin(&self) -> Result<Journal, JournalError> {
        let now = self.session.clock.now();
        let mut journal = Journal::append(self.folder, self.history, now)?;
        journal.note(&Entry::Resumed {
            leg: self.history.legs + 1,
            at: jiff::Timestamp::now(),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            houston_version: self.session.version(),
            caller: self.session.identity.user_id().map(str::to_owned),
            at_ms: journal.at_ms(now),
        });
        for (row, outcome) in &self.leg.concluded {
            journal.note_outcome(*row, outcome, now);
        }
        journal.commit()?;
        Ok(journal)
    }
}

/// Reads the workspaces of a leg.
fn survey(
    leg: &Leg,
    session: &Session,
    protect: &Protect,
    progress: &mut Progress,
) -> Vec<Result<Reading, Fault>> {
    let tasks: Vec<Task<'_>> = leg.tasks().map(|(workspace, rows)| Task::new(workspace, rows)).collect();
    let workspaces = tasks.len() as u64;
    session.show(&Event::ReadingStarted { workspaces }, progress);
    let readings = session.survey(&leg.emails).protecting(protect).read(&tasks, |step| {
        let event = match step {
            Step::Read(done) => Event::WorkspaceRead { done: done as u64, workspaces },
            Step::Tick => session.tick(),
        };
        session.show(&event, progress);
    });
    session.show(&Event::ReadingFinished, progress);
    readings
}

/// Where somebody is to be demoted, the other admins are counted.
fn count_admins(leg: &mut Leg, session: &Session) -> Result<(), Failure> {
    let demoted: Vec<(usize, Vec<ItemId>)> = (0..leg.workspaces.len())
        .map(|place| (place, leg.admins_taken(place)))
        .filter(|(_, rows)| !rows.is_empty())
        .collect();
    let tasks: Vec<Task<'_>> =
        demoted.iter().map(|(place, rows)| Task::new(&leg.workspaces[*place].id, rows)).collect();
    let counts = session.survey(&leg.emails).other_admins(&tasks, |_| {});
    for ((place, _), others) in demoted.iter().zip(counts) {
        match others {
            Ok(others) => leg.count_admins(*place, Ok(others)),
            Err(fault) => leg.count_admins(*place, Err(&*unreadable(&fault, session)?.1)),
        }
    }
    Ok(())
}
