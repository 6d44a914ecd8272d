//! `resume`: finishes an interrupted run from its own files. Finished items keep their outcome, doubtful ones
//! are checked, missing ones are sent.
//!
//! Main types, in the order in which one makes the next: [`Interrupted`], [`Taken`], [`Resuming`] and
//! [`Finished`]. Between them the caller may show what is about to happen, and ask.

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;

use super::actor::actor;
use super::audit::{admit, check_journal};
use super::environment::Environment;
use super::failure::Failure;
use super::finish::{Finished, broken, finish, status, write_reports};
use super::limits::Limits;
use super::notices::Notices;
use super::pending::{Kept, Pending};
use super::phases::{Phases, engine_settings};
use super::planning::prepared::{requests, takes_away};
use super::planning::roster::line_of_removal;
use super::runs::{RUNS, locked, unsafe_runs};
use super::session::{Access, Destination, Session};
use super::signals::Signals;
use super::trust::Origin;
use super::unfinished::unfinished;
use crate::engine::batch::Batch;
use crate::event::Event;
use crate::houston::{Repeats, Version};
use crate::model::target_key::is_same_target;
use crate::model::{ItemId, Strain, printable};
use crate::outcome::{ExitStatus, Outcome, Tally};
use crate::plan::protect::Protect;
use crate::plan::{Action, Operation, Phase, RolePolicy};
use crate::record::folder::{RunFolder, Runs, TargetLock};
use crate::record::journal::{AuditKey, Counted, Entry, Header, History, Journal, JournalError};
use crate::report::Reporter;
use crate::report::closing::resume_command;
use crate::report::notices::Notice;
use crate::report::summary::Summary;

/// What a run turns out to be.
pub enum Found<T> {
    /// Something is left of it.
    Left(T),
    /// All of it has been done.
    Complete(Box<Complete>),
}

/// A run of which nothing is left.
pub struct Complete {
    folder: RunFolder,
    /// All that is known of it.
    pub history: History,
    /// What it ended with.
    pub status: ExitStatus,
    origin: Origin,
}

impl Complete {
    fn new(folder: RunFolder, history: History, origin: Origin) -> Self {
        let status = status(&history);
        Self { folder, history, status, origin }
    }

    /// Mentions the unfinished runs in the folder of the runs.
    pub fn mention_others(runs_dir: &Path, notices: &Notices) {
        let listed = Runs::open(runs_dir).ok().and_then(|runs| runs.list().ok());
        let others = unfinished(listed.unwrap_or_default(), |_| true);
        if !others.is_empty() {
            notices.give(&Notice::Unfinished(&others));
        }
    }

    /// Writes its reports, and sums it up; nothing is written into a folder that may be another user's, or over
    /// the record of a journal that is not as it was written.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn write_reports(&self) -> Result<Summary, Failure> {
        let (folder, history) = (&self.folder, &self.history);
        if self.origin == Origin::Own && check_journal(folder).is_ok() {
            return write_reports(folder, history, Some(self.status));
        }
        Ok(Summary::new(history, folder.path(), Some(self.status.code())))
    }
}

/// A run that did not come to its end.
pub struct Interrupted {
    /// Its folder.
    pub folder: RunFolder,
    /// All that is known of it.
    pub history: History,
    /// Who wrote that.
    pub origin: Origin,
}

impl Interrupted {
    /// Reads the files of a run.
    ///
    /// # Errors
    /// They make no sense (3), or its Houston is gone (2).
    pub fn read(folder: RunFolder, origin: Origin) -> Result<Found<Self>, Failure> {
        let history = read(&folder)?;
        refuse_contradiction(&history)?;
        if history.is_concluded() && history.closed {
            return Ok(Found::Complete(Box::new(Complete::new(folder, history, origin))));
        }
        refuse_sandbox(&history.header)?;
        Ok(Found::Left(Self { folder, history, origin }))
    }

    /// How many items are left of it.
    pub fn left(&self) -> usize {
        left(&self.history).iter().map(Vec::len).sum()
    }

    /// A run resumes on its own target.
    ///
    /// # Errors
    /// This is another target (2).
    pub fn check_target(&self, destination: &Destination) -> Result<(), Failure> {
        let header = &self.history.header;
        let url = destination.url().unwrap_or_else(|| "a sandbox".to_owned());
        if is_same_target(&url, &header.target) {
            return Ok(());
        }
        let [run, then, now] = [&header.run, &header.target, &url].map(|text| printable(text));
        let error = anyhow::anyhow!("run {run} targets {then}, not {now}");
        Err(Failure::new(ExitStatus::Usage, error)
            .hint("a run resumes on its own target: drop --url, --domain, --context and --sandbox, also from the environment (HOUSTON_ONBOARD_URL) and from a --config file"))
    }

    /// Takes the lock of the target, and reads the files once more. `key` seals the journal, if the run began
    /// with one.
    ///
    /// # Errors
    /// Another run has the lock (11), the files are not as they were written (3), or it is not the key (2, 3).
    pub fn take(self, environment: &Environment, key: Option<AuditKey>) -> Result<Found<Taken>, Failure> {
        let Self { folder, history, origin } = self;
        let signals = environment.signals().context("cannot listen for signals")?;
        let runs = folder.runs().map_err(|error| Failure::new(ExitStatus::Internal, error).about(&RUNS))?;
        runs.check().map_err(unsafe_runs)?;
        let mut lock =
            TargetLock::take(&runs, &history.header.target, history.header.settings.shard).map_err(locked)?;
        lock.name(folder.id()).map_err(|error| Failure::new(ExitStatus::Internal, error))?;
        // What was read before may have moved on until the lock was ours, but not to another run.
        let (promised, header) = (left(&history), history.header);
        let history = read(&folder)?;
        let changed = history.header != header || (origin != Origin::Own && left(&history) != promised);
        if changed {
            let error = anyhow::anyhow!(
                "the journal of run {} was changed since it was read; nothing was sent",
                printable(folder.id())
            );
            return Err(
                Failure::new(ExitStatus::BadInput, error).hint("review it with `report`, then resume again")
            );
        }
        admit(&folder, &history, key.as_ref(), &environment.notices)?;
        let history = read(&folder)?;
        if history.is_concluded() {
            if !history.closed {
                close_books(&folder, &history, key)?;
            }
            let history = read(&folder)?;
            return Ok(Found::Complete(Box::new(Complete::new(folder, history, origin))));
        }
        folder.check_writable().map_err(|error| {
            Failure::new(ExitStatus::Internal, anyhow::Error::new(error).context("nothing was sent"))
        })?;
        Ok(Found::Left(Taken { folder, history, signals, lock, key }))
    }
}

/// An interrupted run that no other process can change.
pub struct Taken {
    folder: RunFolder,
    history: History,
    signals: Signals,
    lock: TargetLock,
    key: Option<AuditKey>,
}

impl Taken {
    /// What the rows of the plan are called in messages.
    pub fn row_names(&self) -> impl Fn(ItemId) -> String + use<> {
        let history = &self.history;
        let rows = history.rows().map(|row| row.line);
        let grants = history.grants().filter_map(|(grant, _)| Some(history.row(grant.of)?.line));
        let lines: Vec<u32> = rows.chain(grants).collect();
        let name = history.header.roster.clone();
        move |item| match lines.get(item.index()) {
            Some(line) => format!("{name}:{line}"),
            None => line_of_removal(item.index() - lines.len()),
        }
    }

    /// Reads the plan of the run and what Houston has now. The stricter of the limits hold.
    ///
    /// # Errors
    /// The target (5) or the token (4) cannot be used, or the files make no sense (3).
    pub fn prepare(
        self,
        destination: Destination,
        limits: &Limits,
        environment: &Environment,
        progress: &mut dyn Reporter,
    ) -> Result<Resuming, Failure> {
        let Self { folder, history, signals, lock, key } = self;
        let session = Session::open(destination, Access::ReadWrite, environment)?;
        let limits = Limits::from(&history.header.settings).stricter(limits);
        let pending = collect(&folder, &history, &session, &limits, progress)?;
        let tally = pending.tally(&history);
        let (rows, concluded) = pending.batch();
        let approved_by = None;
        let resuming = Resuming {
            folder,
            history,
            session,
            signals,
            limits,
            rows,
            concluded,
            tally,
            key,
            approved_by,
            _lock: lock,
        };
        resuming.check()?;
        Ok(resuming)
    }
}

/// The rows that are left of a run, as Houston has them now.
fn collect(
    folder: &RunFolder,
    history: &History,
    session: &Session,
    limits: &Limits,
    progress: &mut dyn Reporter,
) -> Result<Pending, Failure> {
    let mut pending =
        Pending::collect(Phase::Members, folder, history).map_err(|error| broken(folder, error))?;
    let protect = Protect::new(&limits.protect);
    let kept = Kept { callers: &[], protect: &protect };
    pending.read(&kept, session, &mut |event: &Event<'_>| session.show(event, progress))?;
    Ok(pending)
}

/// A later leg of a run, about to begin.
pub struct Resuming {
    folder: RunFolder,
    history: History,
    session: Session,
    signals: Signals,
    limits: Limits,
    /// The rows that are sent.
    rows: Batch,
    /// The rows that reading alone has settled.
    concluded: Vec<(ItemId, Outcome)>,
    /// The rows that have their end.
    tally: Tally,
    /// What seals the journal, if a key does.
    key: Option<AuditKey>,
    /// Who approved this leg.
    approved_by: Option<String>,
    /// Held until the run is over.
    _lock: TargetLock,
}

impl Resuming {
    /// Refuses what the caller or the policy of the installation would turn into trouble.
    fn check(&self) -> Result<(), Failure> {
        let (session, operations) = (&self.session, &self.rows.operations);
        if self.takes_away() {
            session.identity.check(&session.url)?;
        }
        let adds =
            |operation: &Operation| matches!(operation.action, Action::Add(_) | Action::Replace { .. });
        if operations.iter().any(adds) {
            session.check_policy(&self.history.header.settings)?;
        }
        if self.changes() > 0 {
            session.warn_of_token(requests(operations));
        }
        Ok(())
    }

    /// The same, approved by this person.
    #[must_use]
    pub fn approved_by(self, name: Option<String>) -> Self {
        Self { approved_by: name, ..self }
    }

    /// How many changes it makes.
    pub fn changes(&self) -> usize {
        self.rows.operations.len() + self.history.left_grants().len() + self.history.left_extras().len()
    }

    /// How many of them remove people from workspaces.
    pub fn removals(&self) -> usize {
        let removes = |operation: &&Operation| matches!(operation.action, Action::Remove(_));
        self.rows.operations.iter().filter(removes).count() + self.history.left_extras().len()
    }

    /// The URL of Houston.
    pub fn url(&self) -> &str {
        &self.session.url
    }

    /// Whether people may be removed or demoted in this leg.
    fn takes_away(&self) -> bool {
        let may_take_roles = self.history.header.settings.roles == RolePolicy::Update;
        takes_away(&self.rows.operations)
            || !self.history.left_extras().is_empty()
            || (may_take_roles && !self.history.left_grants().is_empty())
    }

    /// What is about to be done, for the question.
    pub fn shown(&self) -> String {
        let Self { rows: Batch { workspaces, operations, .. }, concluded, .. } = self;
        let header = &self.history.header;
        let rows = self.history.row_count();
        let (done, found) = (rows - operations.len() - concluded.len(), concluded.len());
        let mut first = 0;
        let line = |share: &[Operation]| {
            let in_doubt = (first..first + share.len()).filter(|place| self.rows.is_in_doubt(*place)).count();
            first += share.len();
            let id = printable(workspaces[share[0].workspace as usize].id.as_str());
            let parts = [(share.len() - in_doubt, "to send"), (in_doubt, "to check first")];
            let parts = parts.into_iter().filter(|(count, _)| *count > 0);
            let parts: Vec<_> = parts.map(|(count, what)| format!("{count} {what}")).collect();
            format!("{id}: {}\n", parts.join(", "))
        };
        let lines: String = operations.chunk_by(|a, b| a.workspace == b.workspace).map(line).collect();
        let (run, roster) = (printable(&header.run), printable(&header.roster));
        let grants = match self.history.left_grants().len() {
            0 => String::new(),
            1 => "1 deployment role is left to set.\n".to_owned(),
            left => format!("{left} deployment roles are left to set.\n"),
        };
        let removals = match self.history.left_extras().len() {
            0 => String::new(),
            1 => "1 person who is not in the roster is left to remove.\n".to_owned(),
            left => format!("{left} people who are not in the roster are left to remove.\n"),
        };
        let found = match found {
            0 => String::new(),
            1 => ", and 1 more needs nothing after all".to_owned(),
            more => format!(", and {more} more need nothing after all"),
        };
        format!(
            "Run {run} of {roster}\n\n{lines}{grants}{removals}\n{done} of {rows} rows are finished{found}.\n"
        )
    }

    /// Carries the rest of the run out, and writes the reports.
    ///
    /// # Errors
    /// What keeps it from going on; what happens in it is in the reports and in the status.
    pub fn carry_out(self, mut progress: impl Reporter) -> Result<Finished, Failure> {
        let mut journal = self.begin().map_err(|error| {
            let error = anyhow::Error::new(error).context("the run cannot be recorded; nothing was sent");
            Failure::new(ExitStatus::Internal, error)
        })?;
        let Self { folder, history, session, signals, limits, rows, .. } = &self;
        let mut settings = engine_settings(session, &history.header.settings);
        settings.repeats = careful(settings.repeats, history.header.houston_version.as_deref());
        let began = session.clock.now();
        let phases = Phases { folder, session, signals, settings: &settings, limits, began };
        let resume = resume_command(folder.path(), history.header.settings.unattended);
        progress.event(&Event::Recorded { run: folder.id(), folder: folder.path(), resume: &resume });
        signals.sending_begins(resume);
        let announce = &mut |event: &Event<'_>| session.show(event, &mut progress);
        let end = phases.carry_out(rows, &Phase::LATER, self.tally, &mut journal, announce);
        signals.reporting_begins();
        finish(folder, &end, &session.notices, &mut progress)
    }

    /// The journal, with what reading has settled.
    fn begin(&self) -> Result<Journal, JournalError> {
        let now = self.session.clock.now();
        let mut journal = Journal::append_with(self.key.clone(), &self.folder, &self.history, now)?;
        journal.note(&Entry::Resumed {
            leg: self.history.legs + 1,
            at: jiff::Timestamp::now(),
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            houston_version: self.session.version(),
            actor: actor(&self.session),
            approved_by: self.approved_by.clone(),
            at_ms: journal.at_ms(now),
        });
        for (row, outcome) in &self.concluded {
            journal.note_outcome(*row, outcome, now);
        }
        journal.commit()?;
        Ok(journal)
    }
}

fn read(folder: &RunFolder) -> Result<History, Failure> {
    History::read(folder).map_err(|error| broken(folder, error))
}

/// What is left of a run.
fn left(history: &History) -> [Vec<ItemId>; 3] {
    [Phase::Members, Phase::Deployments, Phase::Removals].map(|phase| phase.left(history))
}

/// A run that was killed after its last row had ended: only its books must be closed.
fn close_books(folder: &RunFolder, history: &History, key: Option<AuditKey>) -> Result<(), Failure> {
    let failed = |error| Failure::new(ExitStatus::Internal, error);
    let mut journal = Journal::append_with(key, folder, history, Instant::now()).map_err(failed)?;
    let at_ms = journal.at_ms(Instant::now());
    let Counted { requests, retries } = history.open_leg();
    journal.note(&Entry::Closed {
        stopped: None,
        code: None,
        detail: None,
        requests,
        strain: Strain { retries, ..Strain::default() },
        at_least: true,
        at_ms,
    });
    journal.commit().map_err(failed)
}

/// A run without `--prune` has no removals: its files do not belong together.
fn refuse_contradiction(history: &History) -> Result<(), Failure> {
    if history.header.settings.prune.is_some() || history.extras().is_empty() {
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
        "run {} cannot be resumed: it was a --sandbox rehearsal, whose Houston ended with it",
        printable(&header.run)
    );
    Err(Failure::new(ExitStatus::Usage, error).hint(
        "apply the roster again, or rehearse with a sandbox that keeps running: `houston-onboard sandbox`",
    ))
}

/// What the server does with repeats, if writes to another version of it may still take effect: that version
/// may have doubled them.
fn careful(now: Repeats, then: Option<&str>) -> Repeats {
    if Repeats::of(then.and_then(Version::parse)) == Repeats::Refused { now } else { Repeats::Unknown }
}
