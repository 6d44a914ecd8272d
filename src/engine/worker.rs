//! One request at a time: takes a ticket, calls Houston, says what came back. It decides nothing.
//!
//! Main types: [`Ticket`] and [`Signal`]. Every ticket is answered by exactly one signal, also if
//! a worker panics or a ticket is dropped: nothing can hang the run.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

use crate::houston::{Caller, Failure, Fault, Houston, Mail, Sent};
use crate::model::{Emails, RowNumber, WorkspaceId};
use crate::plan::OperationKind;
use crate::present::members::{self, PageSize, Reading};
use crate::time::Clock;

/// What to do.
#[derive(Debug, Clone)]
pub enum Job {
    /// Change something for the person of this row.
    Send {
        /// Index of the operation.
        operation: usize,
        /// Whose.
        row: RowNumber,
        /// Where.
        workspace: WorkspaceId,
        /// What.
        kind: OperationKind,
    },
    /// Read a workspace for the people of these rows.
    Read {
        /// Index of the life that asked.
        life: usize,
        /// Which.
        workspace: WorkspaceId,
        /// Indices of the operations, in the order of the rows.
        operations: Vec<usize>,
        /// Whose.
        rows: Vec<RowNumber>,
    },
    /// Ask who the caller is: tells a dead token from a missing right.
    Probe,
}

/// What came of it.
#[derive(Debug)]
pub enum Signal {
    /// A mutation was answered, or was not.
    Answered {
        /// Index of the operation.
        operation: usize,
        /// What came back.
        result: Result<Sent, Failure>,
        /// How long it took, its transport's retries included.
        elapsed: Duration,
    },
    /// A mutation was handed back unsent, because the run is stopping.
    Released {
        /// Index of the operation.
        operation: usize,
    },
    /// A workspace was read, or could not be.
    Read {
        /// Index of the life that asked.
        life: usize,
        /// Indices of the operations, in the order of the memberships.
        operations: Vec<usize>,
        /// What was found.
        result: Result<Reading, Fault>,
        /// When the read began.
        began: Instant,
    },
    /// The caller answered, or not.
    Probed(Result<Caller, Failure>),
    /// A job ended without an answer: its worker panicked.
    Lost(Job),
}

/// A job with the duty to answer: dropping it unanswered reports it lost.
#[derive(Debug)]
pub struct Ticket {
    job: Option<Job>,
    signals: Sender<Signal>,
}

impl Ticket {
    /// A ticket whose answer goes to `signals`.
    pub fn new(job: Job, signals: Sender<Signal>) -> Self {
        Self { job: Some(job), signals }
    }

    fn answer(mut self, signal: Signal) {
        self.job = None;
        // The dispatcher may have left already, at the end of a signal's grace.
        let _ = self.signals.send(signal);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            let _ = self.signals.send(Signal::Lost(job));
        }
    }
}

/// What a worker needs besides its tickets.
pub struct Worker {
    /// Who carries mutations out.
    pub houston: Houston,
    /// The same for reads, whose repeats are not charged to the retry budget.
    pub reader: Houston,
    /// The addresses of all rows.
    pub emails: Arc<Emails>,
    /// What is known of the server's pages.
    pub pages: Arc<PageSize>,
    /// Whether invitations are mailed.
    pub mail: Mail,
    /// Set when nothing new may be sent.
    pub stopping: Arc<AtomicBool>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Worker {
    /// Works until there are no more tickets.
    pub fn work(&self, tickets: &Receiver<Ticket>) {
        for ticket in tickets {
            // A panic drops the ticket, which reports itself; the worker goes on.
            let _ = catch_unwind(AssertUnwindSafe(|| self.perform(ticket)));
        }
    }

    fn perform(&self, ticket: Ticket) {
        let Some(job) = &ticket.job else { return };
        let began = self.clock.now();
        let signal = match *job {
            Job::Send { operation, .. } if self.stopping.load(Ordering::Acquire) => {
                Signal::Released { operation }
            }
            Job::Send { operation, row, ref workspace, kind } => {
                let result = self.mutate(workspace, self.emails.get(row), kind);
                Signal::Answered { operation, result, elapsed: self.clock.now() - began }
            }
            Job::Read { life, ref workspace, ref operations, ref rows } => {
                let wanted = rows.iter().map(|&row| self.emails.get(row));
                let result = members::read(&self.reader, workspace, wanted, &self.pages);
                Signal::Read { life, operations: operations.clone(), result, began }
            }
            Job::Probe => Signal::Probed(self.reader.caller()),
        };
        ticket.answer(signal);
    }

    fn mutate(&self, workspace: &WorkspaceId, email: &str, kind: OperationKind) -> Result<Sent, Failure> {
        match kind {
            OperationKind::Add(role) => self.houston.add_member(workspace, email, role, self.mail),
            OperationKind::SetRole(change) => self.houston.set_role(workspace, email, change.to),
        }
    }
}
