//! `report --merge`: the runs of all shards of a roster, reported as one. It reads the files of the runs and
//! writes only its own, into another folder.
//!
//! Main type: [`Merged`].

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::Path;

use serde::Deserialize;

use super::audit::check_journal;
use super::failure::Failure;
use super::finish::{self, RosterCopy, broken, open_run, status};
use super::notices::Notices;
use crate::model::target_key::is_same_target;
use crate::model::{LineNumbers, Shard, printable};
use crate::outcome::ExitStatus;
use crate::plan::RolePolicy;
use crate::record::folder::{RunFolder, RunsError};
use crate::record::journal::{Hashing, Header, History, JournalError, Union};
use crate::record::undo;
use crate::report::notices::{Notice, ReportNotice};
use crate::report::results::ResultsError;
use crate::report::run::{RunFormat, write};
use crate::report::summary::{FILE, LIMIT, Summary};
use crate::report::{write_files, write_page};

/// A run of a shard, as its files show it at the moment.
struct Part {
    folder: RunFolder,
    history: History,
    shard: Shard,
    /// Whether some process is carrying it out.
    is_held: bool,
}

/// The report of a whole roster.
pub struct Merged {
    union: Union,
    /// A run that has the roster.
    source: RunFolder,
    copy: RosterCopy,
    summary: Summary,
    /// What all runs together end with.
    pub status: ExitStatus,
}

impl Merged {
    /// Joins the runs of all shards and writes the reports of the whole into a folder.
    ///
    /// # Errors
    /// They are not the runs of all shards of one roster, or the folder cannot be used (2); their files are
    /// broken (3), or the reports cannot be written (1).
    pub fn write_to(
        out: &Path,
        runs: &[String],
        runs_dir: &Path,
        notices: &Notices,
    ) -> Result<Self, Failure> {
        let mut parts =
            runs.iter().map(|run| Part::open(runs_dir, run, notices)).collect::<Result<Vec<_>, _>>()?;
        parts.sort_by_key(|part| part.shard);
        check(&parts)?;
        parts.iter().try_for_each(|part| check_journal(&part.folder))?;
        let folder = out_folder(out)?;
        let merged = Self::join(parts, &folder)?;
        finish::warn_of_renamed(&merged.union.history, notices);
        merged.write_reports(&folder)
    }

    fn join(parts: Vec<Part>, folder: &RunFolder) -> Result<Self, Failure> {
        let bad = |error: anyhow::Error| Failure::new(ExitStatus::BadInput, error);
        let worst = ExitStatus::worst(parts.iter().map(Part::status)).unwrap_or(ExitStatus::Done);
        // What stopped the run that ended worst stands for all.
        let stopped = parts.iter().find(|part| part.status() == worst);
        let stopped = stopped.and_then(|part| part.history.stopped.clone());
        let is_held = parts.iter().any(|part| part.is_held);
        let is_left = |part: &&Part| !part.history.closed || !part.history.is_concluded();
        let unfinished = parts.iter().filter(is_left).map(|part| part.folder.path().to_owned()).collect();
        let ids: Vec<String> = parts.iter().map(|part| part.history.header.run.clone()).collect();
        let plans: Vec<&str> = parts.iter().map(|part| &*part.history.header.plan_sha256).collect();
        let plan_sha256 = digest(&plans.join("\n"));
        let source = parts[0].folder.clone();
        let lines = lines_of(&source, &parts[0].history)?;
        let runs = parts.into_iter().map(|part| (part.folder, part.history)).collect();
        let mut union = Union::new(runs, lines).map_err(|error| {
            Failure::new(ExitStatus::Usage, error).hint(
                "a workspace was renamed or replaced between the runs: look at that row in both reports",
            )
        })?;
        let header = &mut union.history.header;
        header.run = name_of(folder);
        header.plan_sha256 = plan_sha256;
        let by_rows = status(&union.history);
        union.history.stopped = stopped;
        let status = ExitStatus::worst([worst, by_rows]).unwrap_or(by_rows);
        let copy = RosterCopy::of(&union.history).map_err(bad)?;
        let mut summary = Summary::new(&union.history, folder.path(), Some(status.code()));
        summary = if is_held { summary.going() } else { summary };
        (summary.runs, summary.unfinished) = (ids, unfinished);
        Ok(Self { union, source, copy, summary, status })
    }

    fn write_reports(mut self, folder: &RunFolder) -> Result<Self, Failure> {
        let Self { union, source, copy, summary, .. } = &self;
        let written = || -> anyhow::Result<Summary> {
            let written = write_files(folder, &union.history, union, summary.clone(), copy.read(source)?)?;
            undo::write(folder, &union.history, union)?;
            let again = || copy.read(source).map_err(|error| ResultsError::Roster(error.into()));
            write_page(folder, union, &union.history, &written, again)?;
            Ok(written)
        };
        let failed = |error: anyhow::Error| {
            Failure::new(ExitStatus::Internal, error.context("the reports cannot be written"))
        };
        self.summary = written().map_err(failed)?;
        Ok(self)
    }

    /// Writes the report in a format; what becomes of writing to `out` is the result.
    ///
    /// # Errors
    /// The files of the runs do not fit together (3).
    pub fn write(&self, format: RunFormat, out: &mut dyn Write) -> Result<io::Result<()>, Failure> {
        let again = || self.copy.read(&self.source).map_err(|error| ResultsError::Roster(error.into()));
        match write(format, &self.union, &self.summary, &self.union.history, again, out) {
            Ok(()) => Ok(Ok(())),
            Err(ResultsError::Out(error)) => Ok(Err(error)),
            Err(error) => Err(Failure::new(ExitStatus::BadInput, error)),
        }
    }
}

impl Part {
    /// Reads the run of a shard.
    fn open(runs_dir: &Path, run: &str, notices: &Notices) -> Result<Self, Failure> {
        let folder = open_run(runs_dir, run)?;
        if let Some(why) = folder.distrust() {
            let (run, why) = (folder.id(), why.to_string());
            notices.give(&Notice::Report(ReportNotice::Distrusted { run, why }));
        }
        // In this order: a run that ends in between has then closed its journal.
        let is_held = folder.is_held();
        let history = History::read(&folder).map_err(|error| unreadable(&folder, error))?;
        finish::check_plan(&folder, &history)?;
        let Some(shard) = history.header.settings.shard else {
            let error = anyhow::anyhow!("run {} is not one of several shards", printable(folder.id()));
            return Err(Failure::new(ExitStatus::Usage, error)
                .hint("its own report is complete: `houston-onboard report`"));
        };
        Ok(Self { folder, history, shard, is_held })
    }

    fn id(&self) -> std::borrow::Cow<'_, str> {
        printable(&self.history.header.run)
    }

    /// What it ended with; a run without an end can go on.
    fn status(&self) -> ExitStatus {
        if self.history.closed { status(&self.history) } else { ExitStatus::Unresolved }
    }
}

/// A run of another format is not one of these.
fn unreadable(folder: &RunFolder, error: JournalError) -> Failure {
    let is_other = matches!(error, JournalError::Older { .. } | JournalError::Newer { .. });
    let failure = broken(folder, error);
    if is_other { Failure { status: ExitStatus::Usage, ..failure } } else { failure }
}

/// Whether these are the runs of all shards of one roster, one of each.
fn check(parts: &[Part]) -> Result<(), Failure> {
    let usage = |text: String, hint: &str| {
        Err(Failure::new(ExitStatus::Usage, anyhow::Error::msg(text)).about(&["merge"]).hint(hint))
    };
    let Some(first) = parts.first() else {
        return usage("no runs to merge".to_owned(), "pass the run of every shard");
    };
    let header = &first.history.header;
    let differs = |what: &str, part: &Part, one: &str, other: &str| {
        let (one, other) = (printable(one), printable(other));
        let text = format!("runs {} and {} have different {what}: {one} and {other}", first.id(), part.id());
        usage(text, "merge the runs of one roster, number of shards, target and meaning")
    };
    for part in parts {
        let other = &part.history.header;
        if part.shard.of() != first.shard.of() {
            let [one, other] = [first, part].map(|part| part.shard.to_string());
            return differs("numbers of shards", part, &one, &other);
        }
        if other.roster_sha256 != header.roster_sha256 {
            let [one, other] =
                [header, other].map(|header| header.roster_sha256.get(..12).unwrap_or_default());
            return differs("rosters (SHA-256)", part, one, other);
        }
        if other.dialect != header.dialect {
            return differs("ways of reading the roster", part, &header.roster, &other.roster);
        }
        if meaning(other) != meaning(header) {
            let [one, other] = [header, other].map(|header| meaning(header).join(" "));
            return differs("settings", part, &one, &other);
        }
        if !is_same_target(&other.target, &header.target) {
            return differs("targets", part, &header.target, &other.target);
        }
    }
    let mut of: BTreeMap<u32, &Part> = BTreeMap::new();
    for part in parts {
        if let Some(earlier) = of.insert(part.shard.number(), part) {
            let text =
                format!("shard {} is given twice: runs {} and {}", part.shard, earlier.id(), part.id());
            return usage(text, "pass one run of each shard, the one that finished it");
        }
    }
    let missing: Vec<String> = (1..=first.shard.of())
        .filter(|shard| !of.contains_key(shard))
        .map(|shard| shard.to_string())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let (what, verb) = if missing.len() == 1 { ("shard", "is") } else { ("shards", "are") };
    usage(
        format!("{what} {} of {} {verb} missing", missing.join(", "), first.shard.of()),
        "pass the run of every shard; `report --list` shows them",
    )
}

/// The flags that decide what a run may change.
fn meaning(header: &Header) -> Vec<&'static str> {
    let settings = &header.settings;
    let flags = [
        ("--update-roles", settings.roles == RolePolicy::Update),
        ("--prune", settings.prune.is_some()),
        ("--send-invites", settings.send_invites),
        ("--repair-duplicates", settings.repair_duplicates),
        ("--reinvite", settings.reinvite),
    ];
    let given: Vec<_> = flags.into_iter().filter(|(_, is_given)| *is_given).map(|(flag, _)| flag).collect();
    if given.is_empty() { vec!["no flag"] } else { given }
}

/// The name of a folder, also if it was given as `.`.
fn name_of(folder: &RunFolder) -> String {
    let real = folder.path().canonicalize();
    let path = real.as_deref().unwrap_or(folder.path());
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The SHA-256 of a text.
fn digest(text: &str) -> String {
    let mut hash = Hashing::new(io::sink());
    hash.write_all(text.as_bytes()).expect("a sink takes everything");
    hash.finish().1
}

/// The physical lines of all rows of the roster of a run.
fn lines_of(folder: &RunFolder, history: &History) -> Result<LineNumbers, Failure> {
    finish::check_roster(folder, history)?;
    let lines = RosterCopy::of(history).and_then(|copy| copy.lines(folder));
    lines.map_err(|error| Failure::new(ExitStatus::BadInput, error))
}

/// The runs whose joint report this folder has; none if it has no such report.
pub fn joined_in(folder: &Path) -> Vec<String> {
    #[derive(Deserialize)]
    struct Joint {
        #[serde(default)]
        runs: Vec<String>,
    }
    let is_file = || folder.join(FILE).symlink_metadata().is_ok_and(|file| file.is_file());
    let mut text = String::new();
    if !is_file() {
        return Vec::new();
    }
    let read =
        File::open(folder.join(FILE)).and_then(|file| file.take(LIMIT as u64).read_to_string(&mut text));
    let joint = read.ok().and_then(|_| serde_json::from_str::<Joint>(&text).ok());
    joint.map(|joint| joint.runs).unwrap_or_default()
}

/// The folder that the reports are written into.
fn out_folder(out: &Path) -> Result<RunFolder, Failure> {
    let has_files = out.read_dir().is_ok_and(|mut entries| entries.next().is_some());
    let folder = RunFolder::for_reports(out).map_err(|error| match error {
        RunsError::Distrusted { .. } => Failure::new(ExitStatus::Usage, error),
        RunsError::Folder(error) => Failure::new(ExitStatus::Internal, error),
    });
    let folder =
        folder.map_err(|failure| failure.about(&["out"]).hint("choose another folder with --out"))?;
    if folder.is_run() {
        let error = anyhow::anyhow!("{} is the folder of a run", out.display());
        return Err(Failure::new(ExitStatus::Usage, error)
            .about(&["out"])
            .hint("choose another folder with --out"));
    }
    if has_files && joined_in(out).is_empty() {
        let error = anyhow::anyhow!(
            "{} is not empty and has no joint report, so its files could be replaced",
            out.display()
        );
        return Err(Failure::new(ExitStatus::Usage, error)
            .about(&["out"])
            .hint("choose a new or empty folder with --out"));
    }
    Ok(folder)
}
