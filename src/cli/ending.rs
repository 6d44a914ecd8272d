//! How a run ended, told from its files alone: the exit status and the reports, the same for the
//! command that carried it out and for one that looks at it a year later.
//!
//! Main functions: [`status`] and [`write_reports`].

use std::io;

use anyhow::Context as _;
use csv::ByteRecord;
use serde::Deserialize as _;

use super::{ExitStatus, Failure};
use crate::engine::event::{Status, StatusKind, StopReason};
use crate::engine::journal::History;
use crate::engine::run_folder::RunFolder;
use crate::report::summary::Summary;
use crate::report::{RosterAgain, shell_word, write_files};
use crate::roster::{Dialect, rows};

/// What a run ends with. Where several hold: a signal, the token, the target, rows that are left,
/// rows that failed.
pub fn status(history: &History) -> ExitStatus {
    match history.stopped.as_ref().map(|(reason, _)| *reason) {
        Some(StopReason::Interrupted) => ExitStatus::Interrupted,
        Some(StopReason::Terminated) => ExitStatus::Terminated,
        Some(StopReason::TokenDead) => ExitStatus::Token,
        Some(StopReason::TargetUnusable) => ExitStatus::Target,
        Some(StopReason::JournalLost) => ExitStatus::Unsettled,
        Some(StopReason::MaxDuration | StopReason::MaxErrors | StopReason::MaxWait | StopReason::Away)
        | None => by_rows(history),
    }
}

fn by_rows(history: &History) -> ExitStatus {
    let tally = history.tally();
    let left_out =
        history.rows.iter().filter(|row| row.status == Status::NotRun && row.is_left_out()).count();
    let left = tally.of_kind(StatusKind::Unsettled) + tally.of(Status::NotRun) - left_out as u64;
    if left > 0 {
        ExitStatus::Unsettled
    } else if tally.of_kind(StatusKind::Failed) > 0 {
        ExitStatus::RowsFailed
    } else {
        let changed = tally.of_kind(StatusKind::Changed) > 0;
        ExitStatus::good(changed, history.header.settings.exit_code_unchanged)
    }
}

/// The copy of the roster in a run's folder, with what is needed to read it: the input itself may
/// have moved.
#[derive(Debug)]
pub struct RosterCopy {
    dialect: Dialect,
    header: ByteRecord,
}

impl RosterCopy {
    /// Takes from the journal how the roster is read.
    ///
    /// # Errors
    /// If the journal does not say so.
    pub fn of(history: &History) -> anyhow::Result<Self> {
        let dialect = Dialect::deserialize(&history.header.dialect)
            .context("the journal does not say how the roster of the run is read")?;
        let header = ByteRecord::from(dialect.headers.clone());
        Ok(Self { dialect, header })
    }

    /// The rows from the beginning.
    ///
    /// # Errors
    /// If the copy cannot be opened; a row that cannot be read is an error in its place.
    pub fn read(
        &self,
        folder: &RunFolder,
    ) -> anyhow::Result<RosterAgain<'_, impl Iterator<Item = io::Result<ByteRecord>> + use<>>> {
        let rows = rows(&folder.roster(), &self.dialect)
            .with_context(|| format!("cannot read {}", folder.roster().display()))?;
        Ok(RosterAgain {
            header: &self.header,
            delimiter: self.dialect.delimiter,
            rows: rows.map(|row| row.map(|row| row.record)),
        })
    }
}

/// Writes the reports of a run from the files in its folder. `status` is what the program ends
/// with, if the run is over.
///
/// # Errors
/// If they cannot be written, with `status`, or internal (1) where that would be a success.
pub fn write_reports(
    folder: &RunFolder,
    history: &History,
    status: Option<ExitStatus>,
) -> Result<Summary, Failure> {
    let written = || -> anyhow::Result<Summary> {
        let copy = RosterCopy::of(history)?;
        Ok(write_files(folder, history, status.map(ExitStatus::code), copy.read(folder)?)?)
    };
    written().map_err(|error| {
        let bad = status.filter(|status| !matches!(status, ExitStatus::Done | ExitStatus::Unchanged(_)));
        Failure::new(bad.unwrap_or(ExitStatus::Internal), error.context("the reports cannot be written"))
            .hint(format!(
                "nothing is lost, the run is in its journal: once there is room, `houston-onboard report {}` makes them",
                shell_word(folder.path())
            ))
    })
}
