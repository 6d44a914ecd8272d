//! `report`: what became of a run, told from its folder alone, at any time and in any format. It
//! asks nobody, needs no token, and changes nothing but reports that are missing or out of date.
//!
//! Main function: [`run`].

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::{UNWRITTEN, data_out, print, print_data, tell};
use crate::model::printable;
use crate::ops::failure::Failure;
use crate::ops::finish;
use crate::ops::finish::{RosterCopy, open_run, write_reports};
use crate::outcome::ExitStatus;
use crate::record::folder::{JOURNAL, LATEST, RunFolder, Runs};
use crate::record::journal::{History, JournalError};
use crate::record::undo;
use crate::report::list::{self, Listed};
use crate::report::removals;
use crate::report::results::{ERRORS, RESULTS, ResultsError, UNPROCESSED};
use crate::report::run::{RunFormat, write};
use crate::report::summary::{self, Summary};

/// Print the report of a run, also of one that is still going
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// Which run: its id, the beginning of its id, its folder, or latest
    #[arg(value_name = "RUN", default_value = LATEST)]
    pub run: String,

    /// List the runs instead, the newest first
    #[arg(long, conflicts_with = "run")]
    pub list: bool,

    /// How the report is written; --list knows human and json
    #[arg(long, value_enum, default_value_t)]
    pub format: RunFormat,

    /// Where the folders of runs are kept
    #[arg(long, value_name = "DIR", default_value = "onboard-runs")]
    pub runs_dir: PathBuf,
}

/// Prints the report of a run, or the list of runs.
///
/// # Errors
/// No such run (2), its files are broken (3), or standard output cannot be written (1).
pub fn run(args: &ReportArgs) -> Result<ExitStatus, Failure> {
    if args.list {
        return list_runs(&args.runs_dir, args.format);
    }
    let folder = open_run(&args.runs_dir, &args.run)?;
    if let Some(why) = folder.distrust() {
        tell(&printable(&format!("note: run {}: {why}; nothing is written to its folder", folder.id())));
    }
    let broken = |error| finish::broken(&folder, error);
    let mut told = Told::read(&folder).map_err(broken)?;
    finish::check_plan(&folder, &told.history)?;
    told.summary.undo = removals::count(&folder, &told.history).map_err(broken)?;
    told.rebuild(&folder);
    if args.format == RunFormat::Csv {
        finish::tell_renamed(&told.history);
    }
    told.write(&folder, args.format)?;
    Ok(ExitStatus::Done)
}

/// A run as its files tell it at the moment.
struct Told {
    history: History,
    is_held: bool,
    status: Option<ExitStatus>,
    summary: Summary,
}

impl Told {
    fn read(folder: &RunFolder) -> Result<Self, JournalError> {
        // In this order: a run that ends in between has then closed its journal.
        let is_held = folder.is_held();
        let history = History::read(folder)?;
        let status = history.closed.then(|| finish::status(&history));
        let summary = Summary::new(&history, folder.path(), status.map(ExitStatus::code));
        let summary = if is_held { summary.going() } else { summary };
        Ok(Self { history, is_held, status, summary })
    }

    /// Makes the files of the run again, if nobody else is about to and they are not as new as the
    /// journal. That this cannot be done does not keep anybody from reading.
    fn rebuild(&self, folder: &RunFolder) {
        let mut files = vec![RESULTS, ERRORS, UNPROCESSED, summary::FILE, undo::UNDO];
        files.extend(removals::files(&self.history.header.settings));
        let journal = folder.modified(JOURNAL);
        let is_ours = folder.distrust().is_none() && !self.is_held;
        if !is_ours || files.iter().all(|name| folder.modified(name) >= journal) {
            return;
        }
        let written = finish::check_roster(folder, &self.history)
            .and_then(|()| write_reports(folder, &self.history, self.status));
        let place = folder.path().display().to_string();
        match written {
            Ok(_) => {
                tell(&printable(&format!("made again from the journal: {} in {place}", files.join(", "))));
            }
            Err(failure) => {
                tell(&printable(&format!(
                    "warning: the files in {place} are not up to date: {:#}",
                    failure.error
                )));
            }
        }
    }

    fn write(&self, folder: &RunFolder, format: RunFormat) -> Result<(), Failure> {
        let copy = if format.has_rows() {
            finish::check_roster(folder, &self.history)?;
            Some(RosterCopy::of(&self.history).map_err(|error| Failure::new(ExitStatus::BadInput, error))?)
        } else {
            None
        };
        let again = || {
            let copy = copy.as_ref().ok_or(ResultsError::NoHeader)?;
            copy.read(folder).map_err(|error| ResultsError::Roster(error.into()))
        };
        let mut out = io::BufWriter::new(data_out());
        let written = if format == RunFormat::Human {
            let mut text = Vec::new();
            write(format, &self.summary, &self.history, again, &mut text).and_then(|()| {
                print(&String::from_utf8_lossy(&text))
                    .map_err(|error| ResultsError::Out(io::Error::other(error)))
            })
        } else {
            write(format, &self.summary, &self.history, again, &mut out).and_then(|()| Ok(out.flush()?))
        };
        match written {
            Err(ResultsError::Out(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(ResultsError::Out(error)) => {
                Err(Failure::new(ExitStatus::Internal, anyhow::Error::new(error).context(UNWRITTEN)))
            }
            Err(error) => Err(Failure::new(ExitStatus::BadInput, error)),
            Ok(()) => Ok(()),
        }
    }
}

fn list_runs(runs_dir: &Path, format: RunFormat) -> Result<ExitStatus, Failure> {
    let listed = match Runs::open(runs_dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        opened => opened.and_then(|runs| runs.list()),
    };
    let folders = listed.map_err(|error| {
        Failure::new(ExitStatus::Usage, error)
            .about(&["runs-dir"])
            .hint("name the folder of the runs with --runs-dir")
    })?;
    let listed: Vec<Listed> = folders
        .iter()
        .map(|folder| {
            let name = folder.path().file_name().unwrap_or_default().to_string_lossy();
            match Told::read(folder) {
                Ok(told) => Listed {
                    note: folder.distrust().map(|why| why.to_string()),
                    ..Listed::new(&name, &told.summary)
                },
                Err(_) if folder.distrust().is_none() && !folder.is_run() => {
                    Listed::unreadable(&name, "not the folder of a run")
                }
                Err(JournalError::Older { format, .. }) => Listed::older(&name, format),
                Err(error) => Listed::unreadable(&name, &format!("{:#}", anyhow::Error::new(error))),
            }
        })
        .collect();
    match format {
        RunFormat::Human if listed.is_empty() => {
            tell(&printable(&format!("there are no runs in {}", runs_dir.display())));
        }
        RunFormat::Human => print(&list::table(&listed))?,
        RunFormat::Json => print_data(&list::json(&listed).context("cannot write the list")?)?,
        RunFormat::Jsonl | RunFormat::Csv | RunFormat::Md | RunFormat::Junit => {
            let error = anyhow::anyhow!("--list knows the formats human and json");
            return Err(Failure::new(ExitStatus::Usage, error));
        }
    }
    Ok(ExitStatus::Done)
}
