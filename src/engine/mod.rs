//! The doing: carries a plan out, once, safely.
//!
//! Main type: [`Engine`]. One dispatcher on the calling thread owns the run; workers in a rayon
//! pool of their own call Houston; two bounded channels join them. The engine knows no terminal
//! and no file but the journal.

mod answers;
mod dispatcher;
pub mod event;
pub mod journal;
pub mod leftover;
pub mod open;
mod outcomes;
pub mod refusals;
pub mod run_folder;
pub mod saved_plan;
pub mod verdict;
pub mod verify;
pub mod worker;
pub mod workspace;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rayon::ThreadPool;

use self::dispatcher::Dispatcher;
use self::event::{Event, Pause, RunEnd, StopReason, Tally};
use self::journal::Journal;
use self::leftover::Earlier;
use self::worker::Worker;
use crate::houston::{Houston, Mail, Pace, Repeats};
use crate::model::Emails;
use crate::plan::{Operation, Workspace};
use crate::present::members::PageSize;
use crate::time::{Cancel, Clock};

/// When so many rows failed that the run is to end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxErrors {
    /// So many in a row.
    InARow(u64),
    /// This share of the finished rows, in per cent.
    Percent(f64),
}

/// How a run is carried out.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Requests in flight at most.
    pub concurrency: usize,
    /// Whether Houston mails invitations.
    pub mail: Mail,
    /// How often a mutation that turned out not to have taken effect is sent again.
    pub retries: u32,
    /// How long a write without an answer is waited for.
    pub settle: Duration,
    /// The longest pause that Houston may ask for.
    pub max_wait: Duration,
    /// When to stop for errors.
    pub max_errors: MaxErrors,
    /// When to stop taking rows.
    pub max_duration: Option<Duration>,
    /// How long a signal waits for requests in flight.
    pub grace: Duration,
    /// First rows of a workspace that are read back before the rest is sent.
    pub canary: u32,
    /// What the server does with a repeated add, as far as its version tells.
    pub repeats: Repeats,
}

/// What is to be carried out, and with what.
pub struct Run<'r> {
    /// The workspaces of the plan.
    pub workspaces: &'r [Workspace],
    /// The mutations, workspace by workspace.
    pub operations: &'r [Operation],
    /// What an earlier leg of the run did about some of them, by their index.
    pub earlier: &'r HashMap<usize, Earlier>,
    /// The addresses of all rows.
    pub emails: &'r Arc<Emails>,
    /// Who is to carry them out.
    pub houston: &'r Houston,
    /// The pace of its transport.
    pub pace: &'r Pace,
    /// What is known of the server's pages.
    pub pages: &'r Arc<PageSize>,
    /// Ends every wait below, at the end of a signal's grace.
    pub cancel: &'r Cancel,
    /// Whether the outside wants the run to end: a signal.
    pub stop: &'r dyn Fn() -> Option<StopReason>,
    /// The time.
    pub clock: &'r Arc<dyn Clock>,
}

/// Why nothing is sent at the moment, if nothing is.
pub fn pause(pace: &Pace) -> Option<Pause> {
    pace.away_for().map(Pause::Away).or_else(|| pace.held_for().map(Pause::Asked))
}

/// Carries plans out.
#[derive(Debug)]
pub struct Engine<'e> {
    /// Its workers' pool, with as many threads as requests may be in flight.
    pub pool: &'e ThreadPool,
    /// How.
    pub settings: &'e Settings,
}

impl Engine<'_> {
    /// Carries out `run`, noting everything in `journal` and telling it to `announce`. `tally` has
    /// the rows that need no mutation.
    pub fn run(
        &self,
        run: &Run<'_>,
        journal: &mut Journal,
        tally: Tally,
        announce: &mut dyn FnMut(&Event<'_>),
    ) -> RunEnd {
        // The window, and one for the probe.
        let room = 2 * self.settings.concurrency + 1;
        let (tickets, waiting) = crossbeam_channel::bounded(room);
        let signals = crossbeam_channel::bounded(room);
        let stopping = Arc::new(AtomicBool::new(false));
        for _ in 0..self.settings.concurrency {
            let worker = Worker {
                houston: run.houston.clone(),
                reader: run.houston.for_verification(),
                emails: Arc::clone(run.emails),
                pages: Arc::clone(run.pages),
                mail: self.settings.mail,
                stopping: Arc::clone(&stopping),
                clock: Arc::clone(run.clock),
            };
            let waiting = waiting.clone();
            self.pool.spawn(move || worker.work(&waiting));
        }
        drop(waiting);
        Dispatcher::new(run, self.settings, journal, announce, tickets, signals, stopping, tally).run()
    }
}

#[cfg(test)]
mod tests;
