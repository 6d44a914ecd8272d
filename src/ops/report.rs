//! `report`: what became of a run, from its folder alone, at any time. It sends nothing, needs no token,
//! and changes only reports that are missing or out of date.
//!
//! Main type: [`RunReport`]; main function: [`list`].

use std::io::{self, Write};
use std::path::Path;

use super::audit::check_journal;
use super::failure::Failure;
use super::finish::{self, RosterCopy, write_reports};
use super::notices::Notices;
use crate::model::in_words;
use crate::outcome::ExitStatus;
use crate::record::folder::{JOURNAL, RunFolder, Runs};
use crate::record::journal::{History, JournalError};
use crate::record::undo;
use crate::report::html;
use crate::report::list::Listed;
use crate::report::notices::{Notice, ReportNotice};
use crate::report::removals;
use crate::report::results::{ERRORS, RESULTS, ResultsError, UNPROCESSED};
use crate::report::run::{RunFormat, write};
use crate::report::summary::{self, Summary};

/// A run as its files show it at the moment.
pub struct RunReport {
    folder: RunFolder,
    history: History,
    is_held: bool,
    status: Option<ExitStatus>,
    summary: Summary,
}

impl RunReport {
    /// Reads a run, and makes its files again that are missing or out of date.
    ///
    /// # Errors
    /// Its files are broken (3).
    pub fn of(folder: &RunFolder, notices: &Notices) -> Result<Self, Failure> {
        if let Some(why) = folder.distrust() {
            let (run, why) = (folder.id(), why.to_string());
            notices.give(&Notice::Report(ReportNotice::Distrusted { run, why }));
        }
        let broken = |error| finish::broken(folder, error);
        let mut report = Self::read(folder).map_err(broken)?;
        finish::check_plan(folder, &report.history)?;
        report.summary = report.summary.beside_last_run(folder, &report.history.header);
        report.summary.undo = removals::count(&report.history, folder).map_err(broken)?;
        match check_journal(folder) {
            Ok(()) => report.rebuild(notices),
            // What was recorded of its end must not be replaced by what it says now.
            Err(failure) => {
                let (run, why) = (folder.id(), failure.error.to_string());
                notices.give(&Notice::Report(ReportNotice::Doubtful { run, why }));
            }
        }
        Ok(report)
    }

    fn read(folder: &RunFolder) -> Result<Self, JournalError> {
        // In this order: a run that ends in between has then closed its journal.
        let is_held = folder.is_held();
        let history = History::read(folder)?;
        let status = history.closed.then(|| finish::status(&history));
        let summary = Summary::new(&history, folder.path(), status.map(ExitStatus::code));
        let summary = if is_held { summary.going() } else { summary };
        let folder = folder.clone();
        Ok(Self { folder, history, is_held, status, summary })
    }

    /// Writes the files of the run again, if no other process will and they are older than the journal.
    /// If that fails, the run can still be read.
    fn rebuild(&self, notices: &Notices) {
        let folder = &self.folder;
        let mut files = vec![RESULTS, ERRORS, UNPROCESSED, summary::FILE, undo::UNDO, html::FILE];
        files.extend(removals::files(&self.history.header.settings));
        let journal = folder.modified(JOURNAL);
        let is_ours = folder.distrust().is_none() && !self.is_held;
        if !is_ours || files.iter().all(|name| folder.modified(name) >= journal) {
            return;
        }
        let written = finish::check_roster(folder, &self.history)
            .and_then(|()| write_reports(folder, &self.history, self.status));
        let folder = folder.path();
        notices.give(&Notice::Report(match written {
            Ok(_) => ReportNotice::Rebuilt { folder, files: &files },
            Err(failure) => ReportNotice::NotRebuilt { folder, why: in_words(failure.error.as_ref()) },
        }));
    }

    /// Writes the report in a format; what becomes of writing to `out` is the result.
    ///
    /// # Errors
    /// The files of the run do not fit together (3).
    pub fn write(
        &self,
        format: RunFormat,
        out: &mut dyn Write,
        notices: &Notices,
    ) -> Result<io::Result<()>, Failure> {
        if format == RunFormat::Csv {
            finish::warn_of_renamed(&self.history, notices);
        }
        let copy = if format.has_rows() {
            finish::check_roster(&self.folder, &self.history)?;
            Some(RosterCopy::of(&self.history).map_err(|error| Failure::new(ExitStatus::BadInput, error))?)
        } else {
            None
        };
        let again = || {
            let copy = copy.as_ref().ok_or(ResultsError::NoHeader)?;
            copy.read(&self.folder).map_err(|error| ResultsError::Roster(error.into()))
        };
        match write(format, &self.folder, &self.summary, &self.history, again, out) {
            Ok(()) => Ok(Ok(())),
            Err(ResultsError::Out(error)) => Ok(Err(error)),
            Err(error) => Err(Failure::new(ExitStatus::BadInput, error)),
        }
    }
}

/// The runs in a folder, the newest first.
///
/// # Errors
/// The folder cannot be read (2).
pub fn list(runs_dir: &Path) -> Result<Vec<Listed>, Failure> {
    let listed = match Runs::open(runs_dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        opened => opened.and_then(|runs| runs.list()),
    };
    let folders = listed.map_err(|error| {
        Failure::new(ExitStatus::Usage, error)
            .about(&["runs-dir"])
            .hint("pass the folder of the runs with --runs-dir")
    })?;
    Ok(folders.iter().map(listed_run).collect())
}

fn listed_run(folder: &RunFolder) -> Listed {
    let name = folder.path().file_name().unwrap_or_default().to_string_lossy();
    match RunReport::read(folder) {
        Ok(report) => Listed {
            note: folder.distrust().map(|why| why.to_string()),
            ..Listed::new(&name, &report.summary)
        },
        Err(_) if folder.distrust().is_none() && !folder.is_run() => {
            Listed::unreadable(&name, "not a run folder")
        }
        Err(JournalError::Older { format, .. }) => Listed::older(&name, format),
        Err(error) => Listed::unreadable(&name, &in_words(&error)),
    }
}
