//! The proof of a workspace: acknowledged writes are read back, repeatedly if necessary.
//!
//! Main types: [`Proofs`] and [`Proof`]. Pure: it says when to look and when to give up; the lane
//! says whether it is time for a proof at all.

use std::time::{Duration, Instant};

use super::super::open::Acknowledged;
use super::super::verify::FAILED_READS;

/// How often the proof looks again for a write that Houston acknowledged and does not show.
const PROOFS: u32 = 3;

/// The acknowledged writes of a workspace, and the proofs that looked for them.
#[derive(Debug)]
pub struct Proofs {
    /// What Houston acknowledged and no read has shown yet.
    unproven: Vec<Acknowledged>,
    /// How many there may be: the lists of a million writes are not to grow by doubling.
    most: usize,
    /// Not before this moment.
    at: Option<Instant>,
    /// Proofs that missed some since the last acknowledgement.
    fruitless: u32,
    /// Proofs for which the workspace could not be read.
    failed: u32,
    settle: Duration,
}

/// What a failed or fruitless proof means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Look again later.
    Again,
    /// These acknowledged writes stay unproven.
    Missing(Vec<Acknowledged>),
}

impl Proofs {
    /// Nothing to prove. `settle` is how long to wait for a write without an answer; `most` is how many
    /// writes there may be.
    pub fn new(settle: Duration, most: usize) -> Self {
        Self { unproven: Vec::new(), most, at: None, fruitless: 0, failed: 0, settle }
    }

    /// Takes in a write that Houston acknowledged.
    pub fn push(&mut self, acknowledged: Acknowledged) {
        if self.unproven.is_empty() {
            self.unproven.reserve_exact(self.most);
        }
        self.unproven.push(acknowledged);
        self.fruitless = 0;
    }

    /// Whether there is nothing to prove.
    pub fn is_empty(&self) -> bool {
        self.unproven.is_empty()
    }

    /// Whether a proof looked for what is still unproven.
    pub fn have_looked(&self) -> bool {
        self.fruitless + self.failed > 0
    }

    /// The moment before which no proof is read, if there is one.
    pub fn due(&self) -> Option<Instant> {
        self.at
    }

    /// The operations of the unproven writes, in their order.
    pub fn operations(&self) -> impl Iterator<Item = usize> {
        self.unproven.iter().map(Acknowledged::operation)
    }

    /// Whether Houston acknowledged this operation, and no read has shown it yet.
    pub fn has(&self, operation: usize) -> bool {
        self.operations().any(|one| one == operation)
    }

    /// Takes all unproven writes out.
    pub fn take(&mut self) -> Vec<Acknowledged> {
        std::mem::take(&mut self.unproven)
    }

    /// A proof showed all writes but these. In a `hurry` it was the last one.
    pub fn missed(&mut self, missing: Vec<Acknowledged>, now: Instant, hurry: bool) -> Proof {
        self.unproven = missing;
        self.fruitless += 1;
        if self.unproven.is_empty() {
            self.at = None;
            return Proof::Again;
        }
        self.at = Some(now + self.settle / 4 * (self.fruitless * self.fruitless));
        self.look_again(self.fruitless < PROOFS && !hurry)
    }

    /// The workspace could not be read for the proof. In a `hurry` it was the last one.
    pub fn failed(&mut self, now: Instant, hurry: bool) -> Proof {
        self.failed += 1;
        self.at = Some(now + self.settle / 4);
        self.look_again(self.failed < FAILED_READS && !hurry)
    }

    fn look_again(&mut self, again: bool) -> Proof {
        if again {
            return Proof::Again;
        }
        self.at = None;
        Proof::Missing(self.take())
    }
}
