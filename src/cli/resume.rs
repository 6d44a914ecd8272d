//! `resume`: finishes an interrupted run from its own files: what has an end keeps it, what is in
//! doubt is looked for, what is missing is sent.
//!
//! Main type: [`ResumeArgs`].

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;

use super::apply::{Confirmation, engine_settings, finish, locked};
use super::ending::{status, write_reports};
use super::planning::unreadable;
use super::session::{Access, Destination, SafetyArgs, Session};
use super::signals::Signals;
use super::target_args::{PaceArgs, TargetArgs};
use super::{ExitStatus, Failure, GlobalArgs, tell};
use crate::engine::event::{Event, Outcome, Status, Tally};
use crate::engine::journal::{Entry, Header, History, Journal, JournalError, plan_lines};
use crate::engine::leftover::{Earlier, Leftover, Next};
use crate::engine::run_folder::{FindError, RunFolder, TargetLock, find};
use crate::engine::{Engine, Run, pause};
use crate::model::{Cause, Emails, RowNumber, Strain, WorkspaceId, printable};
use crate::plan::{Operation, OperationKind, Workspace};
use crate::present::survey::{Progress as Reading, Survey, Task};
use crate::report::Reporter as _;
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

    /// Do it without asking; needed where there is no terminal
    #[arg(short, long, value_parser = clap::builder::FalseyValueParser::new(), env = "HOUSTON_ONBOARD_YES", hide_env_values = true, help_heading = "Safety")]
    pub yes: bool,

    /// Where the folders of runs are kept
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

/// Finishes the run.
///
/// # Errors
/// Whatever keeps it from going on; what happens in it is in the reports and in the status.
pub fn run(args: &ResumeArgs, global: &GlobalArgs) -> Result<ExitStatus, Failure> {
    let folder = find(&args.runs_dir, &args.run).map_err(not_found)?;
    let history = read(&folder)?;
    if history.left().is_empty() && history.closed {
        return say_finished(&folder, &history, global);
    }
    refuse_sandbox(&history.header)?;
    let (destination, target) = destination(args, &history.header)?;
    let confirmation = Confirmation::needed(args.yes, false)?;
    let signals = Signals::listen().context("cannot listen for signals")?;
    let runs_dir = folder.path().parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut lock =
        TargetLock::take(runs_dir.unwrap_or(Path::new(".")), &history.header.target).map_err(locked)?;
    lock.name(folder.id()).map_err(|error| Failure::new(ExitStatus::Internal, error))?;
    // What was read before may have moved on until the lock was ours.
    let history = read(&folder)?;
    let left = history.left();
    if left.is_empty() {
        if !history.closed {
            close(&folder, &history)?;
        }
        return say_finished(&folder, &read(&folder)?, global);
    }
    history.check_files(&folder).map_err(bad_run)?;
    let session = Session::open(destination, &target, Access::ReadWrite)?;
    let mut progress = progress(&history, global);
    let leg = Leg::draw(&folder, &history, &left, &session, &mut progress)?;
    if !leg.operations.is_empty() {
        session.check_policy(&safety(&history.header))?;
    }
    if !confirmation.obtain(leg.operations.len(), &session.url, || Ok(leg.shown(&history)))? {
        return Ok(ExitStatus::Usage);
    }
    leg.run(&folder, &history, &session, &signals, progress, global)
}

fn not_found(error: FindError) -> Failure {
    Failure::new(ExitStatus::Usage, error)
}

fn read(folder: &RunFolder) -> Result<History, Failure> {
    History::read(folder).map_err(|error| match error {
        JournalError::NoHeader { .. } => Failure::new(
            ExitStatus::BadInput,
            anyhow::Error::new(error).context("there is nothing to resume"),
        )
        .hint(format!("apply the roster again; the copy in {} may be incomplete", folder.path().display())),
        other => bad_run(other),
    })
}

fn say_finished(folder: &RunFolder, history: &History, global: &GlobalArgs) -> Result<ExitStatus, Failure> {
    let status = status(history);
    if !global.quiet {
        tell(&format!(
            "run {} is finished: no row is left to settle; it ended with status {}",
            printable(&history.header.run),
            status.code()
        ));
        if history.header.sandbox {
            tell(
                "it was a rehearsal with --sandbox, which could not be resumed anyway: its Houston ended with it",
            );
        }
    }
    write_reports(folder, history, Some(status))?;
    Ok(status)
}

/// A run that was killed after its last row had its end: only the books are to be closed.
fn close(folder: &RunFolder, history: &History) -> Result<(), Failure> {
    let failed = |error| Failure::new(ExitStatus::Internal, error);
    let mut journal = Journal::append(folder, history, Instant::now()).map_err(failed)?;
    let at_ms = journal.at_ms(Instant::now());
    journal.note(&Entry::Closed {
        stopped: None,
        detail: None,
        requests: 0,
        strain: Strain::default(),
        at_ms,
    });
    journal.commit().map_err(failed)
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
fn destination(args: &ResumeArgs, header: &Header) -> Result<(Destination, TargetArgs), Failure> {
    let mut target = args.target.clone();
    target.default_to(&header.target, &header.reach);
    let destination = Destination::new(&target, &args.pace)?.with_token(&target)?;
    let url = destination.url().unwrap_or_else(|| "a sandbox".to_owned());
    if url == header.target {
        return Ok((destination, target));
    }
    let [run, then, now] = [&header.run, &header.target, &url].map(|text| printable(text));
    let error = anyhow::anyhow!("run {run} is about {then}, not about {now}");
    Err(Failure::new(ExitStatus::Usage, error)
        .hint("a run goes on where it began: leave --url, --domain, --context and --sandbox out"))
}

fn safety(header: &Header) -> SafetyArgs {
    SafetyArgs {
        send_invites: header.settings.send_invites,
        bypass_local: header.settings.bypass_local,
        exit_code_unchanged: header.settings.exit_code_unchanged,
    }
}

fn progress(history: &History, global: &GlobalArgs) -> Progress {
    let mode = if global.quiet { ProgressMode::None } else { global.progress };
    let lines: Vec<u32> = history.rows.iter().map(|row| row.line).collect();
    let name = history.header.roster.clone();
    let progress = Progress::on_stderr(mode, Instant::now)
        .with_places(move |row| format!("{name}:{}", lines.get(row.index()).copied().unwrap_or_default()));
    if global.verbose { progress.verbose() } else { progress }
}

/// A row that reading alone has settled.
struct Settled {
    row: RowNumber,
    outcome: Outcome,
}

/// Files of a run that do not belong together, or that this version cannot read.
fn bad_run(error: JournalError) -> Failure {
    Failure::new(ExitStatus::BadInput, error)
}

/// What is still to be done in a run.
struct Leg {
    workspaces: Vec<Workspace>,
    emails: Arc<Emails>,
    operations: Vec<Operation>,
    /// What earlier legs did about the operations.
    earlier: HashMap<usize, Earlier>,
    settled: Vec<Settled>,
}

/// The leftovers of one workspace, and what is known of each.
#[derive(Default)]
struct Share {
    rows: Vec<RowNumber>,
    leftovers: Vec<Leftover>,
}

impl Leg {
    /// Reads the plan of the run and what Houston has now.
    fn draw(
        folder: &RunFolder,
        history: &History,
        left: &[RowNumber],
        session: &Session,
        progress: &mut Progress,
    ) -> Result<Self, Failure> {
        let mut leg = Self {
            workspaces: Vec::new(),
            emails: Arc::default(),
            operations: Vec::new(),
            earlier: HashMap::new(),
            settled: Vec::new(),
        };
        let shares = leg.collect(folder, history, left).map_err(bad_run)?;
        let readings = leg.survey(&shares, session, progress);
        for (place, (share, reading)) in shares.into_iter().zip(readings).enumerate() {
            let place = u32::try_from(place).expect("fewer workspaces than rows");
            match reading {
                Ok(reading) => {
                    for (leftover, seen) in share.leftovers.into_iter().zip(reading.memberships) {
                        match leftover.next(seen) {
                            Next::Settled(status, cause) => leg.settle(&leftover, status, cause),
                            Next::Missing => leg.put(leftover, place),
                        }
                    }
                }
                Err(fault) => {
                    let (status, cause) = unreadable(&fault, session)?;
                    for leftover in share.leftovers {
                        if let Some((status, cause)) = leftover.unreadable(status, &cause) {
                            leg.settle(&leftover, status, Some(cause));
                        }
                    }
                }
            }
        }
        Ok(leg)
    }

    /// The rows that are left, by workspace.
    fn collect(
        &mut self,
        folder: &RunFolder,
        history: &History,
        left: &[RowNumber],
    ) -> Result<Vec<Share>, JournalError> {
        let mut left = left.iter().copied().peekable();
        let mut emails = Emails::default();
        let mut places: HashMap<WorkspaceId, usize> = HashMap::new();
        let mut shares: Vec<Share> = Vec::new();
        for line in plan_lines(folder)? {
            let line = line?;
            if left.next_if_eq(&line.row).is_none() {
                emails.push("");
                continue;
            }
            emails.push(&line.email);
            let (Some(id), Some(role)) = (line.workspace, line.role) else { continue };
            let Some(leftover) = Leftover::new(line.row, role, &history.rows[line.row.index()]) else {
                continue;
            };
            let place = *places.entry(id.clone()).or_insert_with(|| {
                self.workspaces.push(Workspace { id, label: None });
                shares.push(Share::default());
                shares.len() - 1
            });
            shares[place].rows.push(line.row);
            shares[place].leftovers.push(leftover);
        }
        self.emails = Arc::new(emails);
        Ok(shares)
    }

    fn survey(
        &self,
        shares: &[Share],
        session: &Session,
        progress: &mut Progress,
    ) -> Vec<Result<crate::present::members::Reading, crate::houston::Fault>> {
        let task = |(workspace, share)| {
            let (workspace, share): (&Workspace, &Share) = (workspace, share);
            Task { workspace: &workspace.id, rows: &share.rows }
        };
        let tasks: Vec<Task<'_>> = self.workspaces.iter().zip(shares).map(task).collect();
        let workspaces = tasks.len() as u64;
        progress.event(&Event::ReadingStarted { workspaces });
        let survey = Survey {
            houston: &session.houston,
            pool: &session.pool,
            emails: &self.emails,
            cancel: &session.cancel,
            pages: &session.pages,
        };
        let readings = survey.read(&tasks, |reading| {
            progress.event(&match reading {
                Reading::Read(done) => Event::WorkspaceRead { done: done as u64, workspaces },
                Reading::Tick => Event::Tick { tally: Tally::default(), pause: pause(&session.pace) },
            });
        });
        progress.event(&Event::ReadingFinished);
        readings
    }

    fn settle(&mut self, leftover: &Leftover, status: Status, cause: Option<Cause>) {
        let (attempts, elapsed) = leftover
            .earlier
            .as_ref()
            .map_or_else(Default::default, |earlier| (earlier.attempts, earlier.elapsed));
        let outcome = Outcome { status, cause, attempts, elapsed };
        self.settled.push(Settled { row: leftover.row, outcome });
    }

    fn put(&mut self, leftover: Leftover, workspace: u32) {
        if let Some(earlier) = leftover.earlier {
            self.earlier.insert(self.operations.len(), earlier);
        }
        let kind = OperationKind::Add(leftover.role);
        self.operations.push(Operation { row: leftover.row, workspace, kind });
    }

    /// What is about to be done, for the question.
    fn shown(&self, history: &History) -> String {
        let in_doubt = self.earlier.values().filter(|earlier| earlier.in_doubt).count();
        let to_send = self.operations.len() - in_doubt;
        let all = history.rows.len();
        format!(
            "run {} of {}: {all} rows, {} have their end, {} more turned out to be settled,\n{to_send} are missing and will be sent, {in_doubt} are in doubt and will be looked for again before they are\n",
            printable(&history.header.run),
            printable(&history.header.roster),
            all - self.operations.len() - self.settled.len(),
            self.settled.len(),
        )
    }

    fn run(
        mut self,
        folder: &RunFolder,
        history: &History,
        session: &Session,
        signals: &Signals,
        mut progress: Progress,
        global: &GlobalArgs,
    ) -> Result<ExitStatus, Failure> {
        let mut journal = self.begin(folder, history, session).map_err(|error| {
            let error = anyhow::Error::new(error).context("the run cannot be recorded; nothing was sent");
            Failure::new(ExitStatus::Internal, error)
        })?;
        let tally = self.tally(history);
        let settings = engine_settings(session, &history.header.settings);
        let run = Run {
            workspaces: &self.workspaces,
            operations: &self.operations,
            earlier: &self.earlier,
            emails: &self.emails,
            houston: &session.houston,
            pace: &session.pace,
            pages: &session.pages,
            cancel: &session.cancel,
            stop: &|| signals.stop(),
            clock: &session.clock,
        };
        signals.sending_begins();
        let engine = Engine { pool: &session.pool, settings: &settings };
        let announce = &mut |event: &Event<'_>| progress.event(event);
        let end = engine.run(&run, &mut journal, tally, announce);
        drop(progress);
        finish(folder, &end, global)
    }

    /// The journal, with what reading has settled.
    fn begin(
        &mut self,
        folder: &RunFolder,
        history: &History,
        session: &Session,
    ) -> Result<Journal, JournalError> {
        let now = session.clock.now();
        let mut journal = Journal::append(folder, history, now)?;
        journal.note(&Entry::Resumed {
            leg: history.legs + 1,
            at: jiff::Timestamp::now(),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            houston_version: session.version(),
            caller: session.caller.as_ref().and_then(|caller| caller.user_id.clone()),
            at_ms: journal.at_ms(now),
        });
        for Settled { row, outcome } in &self.settled {
            journal.note_outcome(*row, outcome, now);
        }
        journal.commit()?;
        Ok(journal)
    }

    /// The rows that have their end, those that keep an unsettled one included.
    fn tally(&self, history: &History) -> Tally {
        let mut rows: Vec<Status> = history.rows.iter().map(|row| row.status).collect();
        for Settled { row, outcome } in &self.settled {
            rows[row.index()] = outcome.status;
        }
        let mut counts = vec![true; rows.len()];
        self.operations.iter().for_each(|operation| counts[operation.row.index()] = false);
        let mut tally = Tally::default();
        rows.into_iter()
            .zip(counts)
            .filter(|(_, counts)| *counts)
            .for_each(|(status, _)| tally.count(status));
        tally
    }
}
