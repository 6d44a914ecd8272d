//! What happens in a run, one JSON object per line: `--log-format json`.
//!
//! Main types: [`LogLine`] and [`LogEvent`]. Every line has `schema_version`, `time`, `level`, `text` (what a
//! person would read) and `event`, which says what else it has.

use std::io::Write;

use jiff::Timestamp;
use serde::Serialize;

use super::escape::json_line;
use super::summary::Summary;
use crate::event::StopReason;
use crate::outcome::Status;
use crate::plan::Counts;
use crate::plan::guard::GuardVerdict;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Only with `--verbose`.
    Debug,
    /// All is well.
    Info,
    /// Something that the user should look at.
    Warning,
    /// The command fails.
    Error,
}

/// One line.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LogLine<'l> {
    /// Version of this object: 1. Fields and events may be added under the same version.
    schema_version: u32,
    /// RFC 3339.
    #[cfg_attr(test, schemars(with = "String"))]
    time: Timestamp,
    level: Level,
    /// What a person would read.
    text: &'l str,
    #[serde(flatten)]
    event: LogEvent<'l>,
}

/// What a line is about.
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum LogEvent<'l> {
    /// A notice or a warning: all there is is its text.
    Message,
    /// The command failed.
    Error {
        /// What the program ends with.
        exit_status: u8,
        /// What to do next.
        hint: Option<&'l str>,
    },
    /// The plan is made.
    Planned {
        /// How many rows were decided in which way.
        counts: Counts,
        /// How many changes it makes.
        changes: u64,
        /// What the limits of removals say about it.
        guard: GuardVerdict,
    },
    /// How far a phase is.
    Progress {
        /// `reading`, `members`, `deployments` or `removals`.
        phase: &'static str,
        /// Pieces of work done.
        done: u64,
        /// Of how many.
        total: u64,
        /// Requests of every kind so far.
        requests: u64,
        /// Estimated time to the end.
        seconds_left: Option<u64>,
    },
    /// A phase is over.
    PhaseFinished {
        /// `reading`, `members`, `deployments` or `removals`.
        phase: &'static str,
        /// Pieces of work done.
        done: u64,
        /// Of how many.
        total: u64,
        /// How long it took.
        elapsed_ms: u64,
    },
    /// A row, or a person to remove, has its end.
    Row {
        /// Where it is in the roster.
        position: &'l str,
        /// How it ended.
        status: Status,
        /// Why, in a word.
        code: Option<&'l str>,
        /// Why, in a sentence.
        detail: Option<&'l str>,
        /// Mutations sent for it.
        attempts: u32,
        /// From its first request to its end.
        elapsed_ms: u64,
    },
    /// The answer to a change is missing, and Houston will be read.
    Doubtful {
        /// Where the row is in the roster.
        position: &'l str,
        /// Why, in a word.
        code: &'l str,
    },
    /// The run ends early.
    Stopping {
        /// Why.
        reason: StopReason,
        /// Requests that still wait for their answer.
        in_flight: usize,
    },
    /// The reports of the run are written.
    ReportsWritten {
        /// Their folder.
        folder: &'l str,
        /// How long it took.
        elapsed_ms: u64,
    },
    /// The run is over.
    Summary {
        /// What `summary.json` has.
        summary: &'l Summary,
    },
}

impl<'l> LogLine<'l> {
    /// A line about what happens now.
    pub fn new(level: Level, text: &'l str, event: LogEvent<'l>) -> Self {
        Self { schema_version: 1, time: Timestamp::now(), level, text, event }
    }

    /// Writes it in one piece.
    pub fn write(&self, out: &mut dyn Write) {
        let mut line = Vec::new();
        // Memory takes every line, and nothing can be done about a reader that is gone.
        let _ = json_line(&mut line, self).and_then(|()| out.write_all(&line)).and_then(|()| out.flush());
    }
}
