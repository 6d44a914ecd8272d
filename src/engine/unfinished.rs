//! Operations that were sent and have no outcome yet: how often, since when, and why the last send
//! failed.
//!
//! Main type: [`Unfinished`]. Plain data.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;

use super::batch::Earlier;
use crate::outcome::{Cause, Code};

/// What was sent for one operation.
#[derive(Debug)]
pub struct Sends {
    /// Sends since its last allowance of tries began.
    pub tries: u32,
    /// Requests sent for it in all.
    pub attempts: u32,
    first_sent: Instant,
    /// From the first request to the answer that counts.
    pub elapsed: Option<Duration>,
    /// Whether an earlier send may have taken effect.
    ours: bool,
    /// Why its last send failed.
    last: Option<Cause>,
    /// Whether it replaces a person who has been removed and must be added again.
    pub is_removed: bool,
    /// Requests sent for it before the write that it is about now.
    before: u32,
}

impl Sends {
    /// Requests sent for the write that it is about now.
    pub fn of_this_write(&self) -> u32 {
        self.attempts - self.before
    }

    /// From the first request to the answer that counts, or to now if none came.
    pub fn elapsed_by(&self, now: Instant) -> Duration {
        self.elapsed.unwrap_or_else(|| now - self.first_sent)
    }
}

/// Why a row has no end whose person has been removed.
fn not_added_again() -> Cause {
    Cause::new(Code::NotAddedAgain, "the run ended first")
}

/// The operations that were sent and have no outcome yet.
#[derive(Debug, Default)]
pub struct Unfinished {
    by_operation: HashMap<usize, Sends, FixedState>,
}

impl Unfinished {
    /// Takes up what an earlier leg of the run has sent. Gives why its last send failed.
    pub fn recall(&mut self, operation: usize, earlier: &Earlier, now: Instant) -> Cause {
        let cause = if earlier.is_removed { not_added_again() } else { earlier.cause.clone() };
        let sends = Sends {
            tries: 0,
            attempts: earlier.attempts,
            first_sent: now,
            elapsed: Some(earlier.elapsed),
            ours: true,
            last: Some(cause.clone()),
            is_removed: earlier.is_removed,
            before: 0,
        };
        self.by_operation.insert(operation, sends);
        cause
    }

    /// An operation is about to be sent. Gives the number of the request.
    pub fn begin(&mut self, operation: usize, now: Instant) -> u32 {
        let fresh = Sends {
            tries: 0,
            attempts: 0,
            first_sent: now,
            elapsed: None,
            ours: false,
            last: None,
            is_removed: false,
            before: 0,
        };
        let sends = self.by_operation.entry(operation).or_insert(fresh);
        sends.tries += 1;
        sends.attempts + 1
    }

    /// It came back after so many requests and so long.
    pub fn came_back(&mut self, operation: usize, attempts: u32, elapsed: Duration) {
        if let Some(sends) = self.by_operation.get_mut(&operation) {
            sends.attempts += attempts;
            sends.elapsed = Some(sends.elapsed.unwrap_or_default() + elapsed);
        }
    }

    /// What became of the last send is not known; `may_land` if it may have taken effect. Gives how
    /// often it was sent.
    pub fn doubt(&mut self, operation: usize, may_land: bool, cause: &Cause) -> u32 {
        self.by_operation.get_mut(&operation).map_or(1, |sends| {
            sends.ours |= may_land;
            sends.last = Some(cause.clone());
            sends.tries
        })
    }

    /// It used up its tries and gets as many again.
    pub fn allow_more(&mut self, operation: usize, cause: &Cause) {
        if let Some(sends) = self.by_operation.get_mut(&operation) {
            sends.tries = 0;
            sends.last = Some(cause.clone());
        }
    }

    /// A read has proved the removal of a person who is replaced: what is sent from now on is the add, of
    /// which nothing has been tried.
    pub fn removed(&mut self, operation: usize) {
        if let Some(sends) = self.by_operation.get_mut(&operation) {
            sends.is_removed = true;
            sends.tries = 0;
            sends.before = sends.attempts;
            sends.ours = false;
            sends.last = Some(not_added_again());
        }
    }

    /// Whether it replaces a person who has been removed and must be added again.
    pub fn is_removed(&self, operation: usize) -> bool {
        self.by_operation.get(&operation).is_some_and(|sends| sends.is_removed)
    }

    /// Whether a send may have taken effect.
    pub fn is_ours(&self, operation: usize) -> bool {
        self.by_operation.get(&operation).is_some_and(|sends| sends.ours)
    }

    /// What was sent for an operation.
    pub fn get(&self, operation: usize) -> Option<&Sends> {
        self.by_operation.get(&operation)
    }

    /// Takes out why the last send failed, if the operation was sent before.
    pub fn take_last(&mut self, operation: usize) -> Option<Cause> {
        self.by_operation.get_mut(&operation).and_then(|sends| sends.last.take())
    }

    /// Takes out an operation that has its outcome, or was not sent after all.
    pub fn remove(&mut self, operation: usize) -> Option<Sends> {
        self.by_operation.remove(&operation)
    }

    /// All of them, each with its tries.
    pub fn list(&self) -> Vec<(usize, u32)> {
        self.by_operation.iter().map(|(&operation, sends)| (operation, sends.tries)).collect()
    }
}
