//! What the rest of the program may know about a run: facts, in the order in which the dispatcher
//! saw them, and the totals that ride along with them.
//!
//! Main types: [`Event`], [`Outcome`] and [`Tally`]. No fault, no request and no credential
//! appears here.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::ItemId;
use crate::outcome::{Cause, Outcome, Tally};
use crate::plan::guard::GuardVerdict;
use crate::plan::{Counts, Phase, Workspace};

/// Why a run ended before all of its rows were tried, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// `--max-duration` was reached.
    MaxDuration,
    /// `--max-errors` was reached.
    MaxErrors,
    /// Houston asks for a longer pause than `--max-wait`.
    MaxWait,
    /// Houston was unavailable for longer than `--max-wait`.
    Away,
    /// The journal can no longer be written.
    JournalLost,
    /// The target is not usable: something else answers, or it does not understand us.
    TargetUnusable,
    /// The token is not, or no longer, valid.
    TokenDead,
    /// SIGTERM.
    Terminated,
    /// SIGINT.
    Interrupted,
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MaxDuration => "--max-duration reached",
            Self::MaxErrors => "too many rows failed (--max-errors)",
            Self::MaxWait => "Houston asks for a longer pause than --max-wait",
            Self::Away => "Houston was unavailable for longer than --max-wait",
            Self::JournalLost => "the run's journal can no longer be written",
            Self::TargetUnusable => "the target cannot be used",
            Self::TokenDead => "the token is no longer valid",
            Self::Terminated => "terminated",
            Self::Interrupted => "interrupted",
        })
    }
}

/// One fact about a run.
#[derive(Debug)]
pub enum Event<'a> {
    /// Reading what Houston has begins.
    ReadingStarted {
        /// How many workspaces there are to read.
        workspaces: u64,
    },
    /// One more workspace has been read.
    WorkspaceRead {
        /// How many are done.
        done: u64,
        /// Of how many.
        workspaces: u64,
    },
    /// All reading is done.
    ReadingFinished,
    /// The plan is made.
    Planned {
        /// How many rows were decided in which way.
        counts: Counts,
        /// How many changes it makes.
        changes: u64,
        /// What the limits of removals say about it.
        guard: GuardVerdict,
    },
    /// The run has a folder; from now on it can be resumed.
    Recorded {
        /// Its id.
        run: &'a str,
        /// Its folder.
        folder: &'a Path,
        /// The command that finishes it.
        resume: &'a str,
    },
    /// A phase of the run begins; `Started` follows.
    PhaseBegins(Phase),
    /// Sending begins.
    Started {
        /// The totals, of the rows that needed no mutation.
        tally: Tally,
    },
    /// Houston acknowledged a mutation; the read-back comes later.
    Acknowledged {
        /// The item.
        item: ItemId,
        /// The totals.
        tally: Tally,
    },
    /// A mutation has no clear answer and will be verified.
    Doubtful {
        /// The item.
        item: ItemId,
        /// What happened.
        cause: &'a Cause,
        /// The totals.
        tally: Tally,
    },
    /// An operation has its outcome.
    Concluded {
        /// The item.
        item: ItemId,
        /// Its end.
        outcome: &'a Outcome,
        /// The totals.
        tally: Tally,
    },
    /// The caller has no access to a workspace; its other rows are skipped.
    WorkspaceClosed {
        /// Which one.
        workspace: &'a Workspace,
        /// Why.
        cause: &'a Cause,
        /// How many of its rows are rejected as a result.
        rows: u64,
    },
    /// Time has passed: redraw.
    Tick {
        /// The totals.
        tally: Tally,
        /// Why nothing is sent at the moment, if nothing is.
        pause: Option<Pause>,
    },
    /// Houston no longer accepts the token; the run now uses the new one from this file.
    TokenReplaced {
        /// The file.
        file: &'a Path,
    },
    /// The run will end early: nothing new begins.
    Stopping {
        /// Why.
        reason: StopReason,
        /// More about it, if there is more.
        cause: Option<&'a Cause>,
        /// Requests that still wait for their answer.
        in_flight: usize,
    },
    /// The run is over.
    Finished {
        /// The totals.
        tally: Tally,
    },
    /// Its reports are being written.
    ReportsBegin,
    /// Its reports are written.
    ReportsWritten {
        /// Their folder.
        folder: &'a Path,
    },
}

/// Why nothing is sent for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Houston asks for a pause of this length from now.
    Asked(Duration),
    /// Houston has been unavailable for this long.
    Away(Duration),
}

/// How a run of the engine ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// The totals.
    pub tally: Tally,
    /// Why it ended early, if it did.
    pub stopped: Option<(StopReason, Option<Cause>)>,
}
