//! What is open in a workspace: writes that were sent and have no outcome yet.
//!
//! Main types: [`Acknowledged`], [`Exhausted`] and, at the end, [`Open`]. Plain data.

use std::time::Duration;

use super::verify::Doubtful;
use crate::outcome::Cause;

/// The index of an operation where there may be a million of them.
pub fn small(operation: usize) -> u32 {
    u32::try_from(operation).expect("there are fewer operations than rows")
}

/// A write that Houston acknowledged and no read has shown yet. Small, since a workspace may have a
/// million of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    operation: u32,
    /// Requests sent for it.
    pub attempts: u32,
    elapsed_ms: u32,
}

impl Acknowledged {
    /// A write that took so many requests and so long.
    pub fn new(operation: usize, attempts: u32, elapsed: Duration) -> Self {
        Self {
            operation: small(operation),
            attempts,
            elapsed_ms: u32::try_from(elapsed.as_millis()).unwrap_or(u32::MAX),
        }
    }

    /// Index of the operation.
    pub fn operation(&self) -> usize {
        self.operation as usize
    }

    /// From the first request to the answer.
    pub fn elapsed(&self) -> Duration {
        Duration::from_millis(u64::from(self.elapsed_ms))
    }
}

/// A write that used up its tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exhausted {
    /// Index of the operation.
    pub operation: usize,
    /// Why its last try failed.
    pub cause: Cause,
}

/// What a lane leaves open at its end.
#[derive(Debug, Default)]
pub struct Open {
    /// Writes whose effect is not known.
    pub doubtful: Vec<Doubtful>,
    /// Acknowledged writes that were not read back.
    pub unproven: Vec<Acknowledged>,
    /// Writes that used up their tries.
    pub exhausted: Vec<Exhausted>,
}
