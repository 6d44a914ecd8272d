//! `apply`: carries a roster out: plan, confirmation, run, proof, reports.
//!
//! Main type: [`ApplyArgs`].

use std::io::{self, BufRead as _, IsTerminal, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use sha2::{Digest, Sha256};

use super::plan::{Drawn, Input, Settled, ShowArgs, show};
use super::session::{Access, Destination, SafetyArgs, Session, WorkArgs};
use super::signals::Signals;
use super::target_args::MaxErrors as MaxErrorsFlag;
use super::{ExitStatus, Failure, GlobalArgs, print, tell};
use crate::engine::event::{Event, RunEnd, Status, StatusKind, StopReason, Tally, settled_by_plan};
use crate::engine::journal::{
    FORMAT, Header, History, Journal, PlanLine, RunSettings, hexadecimal, write_plan,
};
use crate::engine::run_folder::{LockError, RunFolder, TargetLock};
use crate::engine::{Engine, MaxErrors, Run, Settings};
use crate::model::{RowNumber, printable};
use crate::report::closing::{Paint, render};
use crate::report::summary::Summary;
use crate::report::terminal::Progress;
use crate::report::{RosterAgain, write_files};
use crate::roster::rows;

/// Carry a roster out
#[derive(Debug, Clone, Args)]
pub struct ApplyArgs {
    /// Roster, target, pace and safety
    #[command(flatten)]
    pub work: WorkArgs,

    /// How the plan is shown
    #[command(flatten)]
    pub show: ShowArgs,

    /// Do it without asking; needed where there is no terminal
    #[arg(short, long, value_parser = clap::builder::FalseyValueParser::new(), env = "HOUSTON_ONBOARD_YES", hide_env_values = true, help_heading = "Safety")]
    pub yes: bool,

    /// Show the plan and do nothing: the same as `plan`
    #[arg(short = 'n', long, value_parser = clap::builder::FalseyValueParser::new(), env = "HOUSTON_ONBOARD_DRY_RUN", hide_env_values = true, help_heading = "Safety")]
    pub dry_run: bool,

    /// How many rows of each workspace go first, one by one, and are read back before the rest is
    /// sent; 0 for none
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(..=1000), env = "HOUSTON_ONBOARD_CANARY", hide_env_values = true, help_heading = "Safety")]
    pub canary: u32,

    /// Where the folders of runs are kept; one folder per run
    #[arg(
        long,
        value_name = "DIR",
        default_value = "onboard-runs",
        env = "HOUSTON_ONBOARD_RUNS_DIR",
        hide_env_values = true,
        help_heading = "Output"
    )]
    pub runs_dir: PathBuf,
}

/// Carries the roster out.
///
/// # Errors
/// Whatever keeps the run from beginning; what happens in it is in the reports and in the status.
pub fn run(args: &ApplyArgs, global: &GlobalArgs) -> Result<ExitStatus, Failure> {
    let destination = Destination::new(&args.work.target, &args.work.pace)?;
    let input = Input::read(&args.work)?;
    let destination = destination.with_token(&args.work.target)?;
    if args.dry_run {
        let session = Session::open(destination, &args.work.target, Access::ReadOnly)?;
        return show(input, &args.work, &args.show, false, &session, global);
    }
    let confirmation = Confirmation::needed(args)?;
    let signals = Signals::listen().context("cannot listen for signals")?;
    RunFolder::check(&args.runs_dir).map_err(|error| {
        Failure::new(ExitStatus::Internal, error).hint("choose another folder with --runs-dir")
    })?;
    let session = Session::open(destination, &args.work.target, Access::ReadWrite)?;
    let _lock = TargetLock::take(&args.runs_dir, &session.url).map_err(|error| match error {
        LockError::Held { .. } => Failure::new(ExitStatus::Locked, error)
            .hint("wait until it has ended; `plan` may be used meanwhile"),
        LockError::Folder(error) => Failure::new(ExitStatus::Internal, error),
    })?;
    let mut input = input.settle(&session)?;
    let mut progress = input.progress(global);
    let drawn = Drawn::draw(&mut input, &args.work, &session, &mut progress)?;
    if confirmation == Confirmation::Ask && !drawn.operations.is_empty() {
        let text = drawn.render(&input, &session, &args.show)?;
        if !confirm(&text, drawn.operations.len(), &session.url)? {
            tell("not confirmed: nothing was sent");
            return Ok(ExitStatus::Usage);
        }
    }
    Applying { args, input: &input, session: &session, drawn, signals: &signals }.run(global, progress)
}

/// Whether somebody is asked before anything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Confirmation {
    Given,
    Ask,
}

impl Confirmation {
    fn needed(args: &ApplyArgs) -> Result<Self, Failure> {
        let can_ask =
            io::stdin().is_terminal() && io::stderr().is_terminal() && args.work.roster != Path::new("-");
        match (args.yes, can_ask) {
            (true, _) => Ok(Self::Given),
            (false, true) => Ok(Self::Ask),
            (false, false) => Err(Failure::new(
                ExitStatus::Usage,
                anyhow::anyhow!("nobody can be asked for a confirmation here; nothing was sent"),
            )
            .hint("look at it with `plan`, then give --yes")),
        }
    }
}

/// Asks with a whole line for an answer: the terminal stays as it is, also if a signal ends the
/// wait. Everything but a yes is a no.
fn confirm(plan: &str, changes: usize, url: &str) -> Result<bool, Failure> {
    print(plan)?;
    let people = if changes == 1 { "1 change".to_owned() } else { format!("{changes} changes") };
    let failed = |error| Failure::new(ExitStatus::Usage, anyhow::Error::new(error).context("no answer"));
    // Not locked while the answer is awaited: a signal has its word to say.
    write!(anstream::stderr(), "Carry out {people}? ({}) [y/N] ", printable(url)).map_err(failed)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// A run about to begin.
struct Applying<'a> {
    args: &'a ApplyArgs,
    input: &'a Settled,
    session: &'a Session,
    drawn: Drawn,
    signals: &'a Signals,
}

impl Applying<'_> {
    fn run(mut self, global: &GlobalArgs, mut progress: Progress) -> Result<ExitStatus, Failure> {
        let (folder, mut journal) = self.begin().map_err(|error| {
            Failure::new(ExitStatus::Internal, error.context("the run cannot be recorded; nothing was sent"))
        })?;
        let tally = self.tally();
        // The file of the plan has the decisions now; a million of them take room.
        self.drawn.plan.rows = Vec::new();
        let settings = self.settings();
        let run = Run {
            workspaces: &self.drawn.plan.workspaces,
            operations: &self.drawn.operations,
            emails: self.input.roster.emails(),
            houston: &self.session.houston,
            pace: &self.session.pace,
            pages: &self.session.pages,
            cancel: &self.session.cancel,
            stop: &|| self.signals.stop(),
            clock: &self.session.clock,
        };
        self.signals.sending_begins();
        let engine = Engine { pool: &self.session.pool, settings: &settings };
        let announce = &mut |event: &Event<'_>| self.session.show(event, &mut progress);
        let end = engine.run(&run, &mut journal, tally, announce);
        drop(progress);
        self.drawn.operations = Vec::new();
        let (summary, status) = self.report(&folder, &end)?;
        if !global.quiet
            && let Err(error) = print(&render(&summary, Paint::Coloured))
        {
            // The run is what it is; its reports are in its folder.
            tell(&format!("warning: the closing summary cannot be written: {error}"));
        }
        Ok(status)
    }

    /// Everything that must be on the disk before the first mutation.
    fn begin(&self) -> anyhow::Result<(RunFolder, Journal)> {
        let roster = &self.input.roster;
        let now = jiff::Timestamp::now();
        let start = self.session.clock.now();
        let folder = RunFolder::create(&self.args.runs_dir, now)?;
        let mut copy = Hashing::new(RunFolder::new_file(&folder.roster())?);
        roster.copy_to(&mut copy).context("cannot copy the roster")?;
        let roster_sha256 = copy.finish().context("cannot copy the roster")?;
        let lines = (0..roster.len()).map(RowNumber::from_index).map(|row| {
            PlanLine::new(&self.drawn.plan, row, roster.line(row), roster.assignment(row).as_ref())
        });
        let plan_sha256 = write_plan(&folder, lines)?;
        let header = Header {
            format: FORMAT,
            run: folder.id().to_owned(),
            started_at: now,
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            target: self.session.url.clone(),
            sandbox: self.session.is_sandbox,
            houston_version: self.session.version(),
            caller: self.session.caller.as_ref().and_then(|caller| caller.user_id.clone()),
            roster: self.input.name.clone(),
            roster_sha256,
            plan_sha256,
            rows: roster.len() as u64,
            dialect: serde_json::to_value(roster.dialect())?,
            settings: RunSettings {
                send_invites: self.args.work.safety.send_invites,
                canary: self.args.canary,
            },
        };
        let journal = Journal::create(&folder, header, start)?;
        Ok((folder, journal))
    }

    fn settings(&self) -> Settings {
        let pace = &self.session.settings;
        Settings {
            concurrency: pace.concurrency,
            mail: self.args.work.safety.mail(),
            retries: pace.retries,
            settle: pace.settle,
            max_wait: pace.max_wait,
            max_errors: match pace.max_errors {
                MaxErrorsFlag::InARow(rows) => MaxErrors::InARow(u64::from(rows.get())),
                MaxErrorsFlag::PerCent(share) => MaxErrors::Percent(f64::from(share)),
            },
            max_duration: pace.max_duration,
            grace: pace.grace,
            canary: self.args.canary,
            repeats: self.session.installation.repeats,
        }
    }

    /// The rows that need no mutation.
    fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for (index, planned) in self.drawn.plan.rows.iter().enumerate() {
            let role = self.input.roster.assignment(RowNumber::from_index(index)).map(|wish| wish.role);
            if let Some((status, _)) = settled_by_plan(&planned.decision, role) {
                tally.count(status);
            }
        }
        tally
    }

    /// The reports, made from the files of the run alone.
    fn report(&self, folder: &RunFolder, end: &RunEnd) -> Result<(Summary, ExitStatus), Failure> {
        let mut history = History::read(folder).map_err(|error| Failure::new(ExitStatus::Internal, error))?;
        history.ended(end);
        let status = status(&history, end, &self.args.work.safety);
        let dialect = self.input.roster.dialect().context("the roster has no header")?;
        let header = csv::ByteRecord::from(dialect.headers.clone());
        let again =
            rows(&folder.roster(), dialect).map_err(|error| Failure::new(ExitStatus::Internal, error))?;
        let again = RosterAgain {
            header: &header,
            delimiter: dialect.delimiter,
            rows: again.map(|row| row.map(|row| row.record)),
        };
        let summary = write_files(folder, &history, Some(status.code()), again).map_err(|error| {
            let status = if status == ExitStatus::Done { ExitStatus::Internal } else { status };
            Failure::new(status, anyhow::Error::new(error).context("the reports cannot be written"))
                .hint(format!("the journal of the run is in {}", folder.path().display()))
        })?;
        Ok((summary, status))
    }
}

/// What a run ends with. Where several hold: a signal, the token, the target, rows that are left,
/// rows that failed.
fn status(history: &History, end: &RunEnd, safety: &SafetyArgs) -> ExitStatus {
    let tally = history.tally();
    let left_out =
        history.rows.iter().filter(|row| row.status == Status::NotRun && row.is_left_out()).count();
    let left = tally.of_kind(StatusKind::Unsettled) + tally.of(Status::NotRun) - left_out as u64;
    let by_rows = if left > 0 {
        ExitStatus::Unsettled
    } else if tally.of_kind(StatusKind::Failed) > 0 {
        ExitStatus::RowsFailed
    } else {
        safety.good(tally.of_kind(StatusKind::Changed) > 0)
    };
    match end.stopped.as_ref().map(|(reason, _)| *reason) {
        Some(StopReason::Interrupted) => ExitStatus::Interrupted,
        Some(StopReason::Terminated) => ExitStatus::Terminated,
        Some(StopReason::TokenDead) => ExitStatus::Token,
        Some(StopReason::TargetUnusable) => ExitStatus::Target,
        Some(StopReason::JournalLost) => ExitStatus::Unsettled,
        Some(StopReason::MaxDuration | StopReason::MaxErrors | StopReason::MaxWait | StopReason::Away)
        | None => by_rows,
    }
}

/// A file with the digest of what is written to it.
struct Hashing {
    file: std::fs::File,
    hash: Sha256,
}

impl Hashing {
    fn new(file: std::fs::File) -> Self {
        Self { file, hash: Sha256::new() }
    }

    fn finish(self) -> io::Result<String> {
        self.file.sync_all()?;
        Ok(hexadecimal(&self.hash.finalize()))
    }
}

impl io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
