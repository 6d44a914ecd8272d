//! The engine: applies a plan, once and safely.
//!
//! Main type: [`Engine`]. One dispatcher on the calling thread owns the run; workers in a rayon
//! pool of their own call Houston; two bounded channels join them. The engine knows no terminal
//! and no file but the journal.

mod admins;
mod answers;
pub mod batch;
mod books;
mod breakers;
mod channels;
mod dispatcher;
pub mod lane;
mod lanes;
pub mod open;
mod outcomes;
mod people;
pub mod refusals;
mod replacing;
mod same_person;
mod state;
mod unfinished;
pub mod verdict;
pub mod verify;
pub mod worker;

use std::sync::Arc;
use std::time::Duration;

use rayon::ThreadPool;

use self::batch::Batch;
use self::books::Books;
pub use self::books::{close, pause};
use self::channels::Channels;
use self::dispatcher::Dispatcher;
use self::worker::Worker;
use crate::event::{Event, RunEnd, StopReason};
use crate::houston::{Houston, Mail, Pace, Repeats};
use crate::outcome::Tally;
use crate::present::members::PageSize;
use crate::record::journal::Journal;
use crate::time::{Cancel, Clock};

/// When so many rows have failed that the run ends.
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
    /// How long to wait for a write without an answer.
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
    /// What the server does with a repeated add, as far as its version shows.
    pub repeats: Repeats,
}

/// What to apply, and with what.
pub struct Run<'r> {
    /// The mutations.
    pub batch: &'r Batch,
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

/// Carries plans out.
#[derive(Debug)]
pub struct Engine<'e> {
    /// Its workers' pool, with as many threads as requests may be in flight.
    pub pool: &'e ThreadPool,
    /// How.
    pub settings: &'e Settings,
}

impl Engine<'_> {
    /// Carries out `run` and closes its books.
    pub fn run(
        &self,
        run: &Run<'_>,
        journal: &mut Journal,
        tally: Tally,
        announce: &mut dyn FnMut(&Event<'_>),
    ) -> RunEnd {
        let end = self.carry_out(run, journal, tally, announce);
        close(end, journal, run.pace, run.clock.now(), announce)
    }

    /// Applies `run`, noting everything in `journal` and reporting it to `announce`; the books stay
    /// open for what follows. `tally` has the rows that have their end already.
    pub fn carry_out(
        &self,
        run: &Run<'_>,
        journal: &mut Journal,
        tally: Tally,
        announce: &mut dyn FnMut(&Event<'_>),
    ) -> RunEnd {
        let (channels, waiting) = Channels::open(self.settings.concurrency);
        for _ in 0..self.settings.concurrency {
            let worker = Worker {
                houston: run.houston.clone(),
                reader: run.houston.for_verification(),
                operations: Arc::clone(&run.batch.operations),
                emails: Arc::clone(&run.batch.emails),
                subjects: Arc::clone(&run.batch.subjects),
                pages: Arc::clone(run.pages),
                mail: self.settings.mail,
                stopping: channels.stopping(),
                clock: Arc::clone(run.clock),
            };
            let waiting = waiting.clone();
            self.pool.spawn(move || worker.work(&waiting));
        }
        drop(waiting);
        let books = Books::new(journal, announce, tally);
        Dispatcher::new(run, self.settings, channels, books).run()
    }
}

#[cfg(test)]
mod tests;
