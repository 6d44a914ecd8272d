//! The first rows of a workspace are sent one by one and read back before the rest is sent.
//!
//! Main type: [`Canary`]. Pure: it counts; the lane sends and reads.

/// Without a canary if no more rows than this would follow it: the proof comes soon enough.
const NO_CANARY_BEFORE: usize = 3;

/// Where a workspace is with its first rows.
#[derive(Debug)]
pub enum Canary {
    /// No row has been seen in a read-back.
    Pending {
        /// So many rows are still to be sent before the read-back.
        left: u32,
        /// Whether one of them exhausted its tries and was forgiven.
        lost_one: bool,
    },
    /// A row was seen in the read-back, or there is no canary.
    Passed,
}

impl Canary {
    /// The first `canary` of so many operations.
    pub fn new(canary: u32, operations: usize) -> Self {
        let alone = operations <= canary as usize + NO_CANARY_BEFORE;
        if canary == 0 || alone { Self::Passed } else { Self::Pending { left: canary, lost_one: false } }
    }

    /// Whether the rest may be sent.
    pub fn has_passed(&self) -> bool {
        matches!(self, Self::Passed)
    }

    /// Whether all first rows were sent and none has been seen.
    pub fn waits_for_proof(&self) -> bool {
        matches!(self, Self::Pending { left: 0, .. })
    }

    /// Whether one more row may be sent; counts it as sent. `quiet` is a workspace in which nothing is
    /// in flight, `unproven` whether one of its writes can be read back.
    pub fn admit(&mut self, quiet: bool, unproven: bool) -> bool {
        match self {
            Self::Passed => true,
            // None of them led to anything that could be read back: one more.
            Self::Pending { left: 0, .. } => quiet && !unproven,
            Self::Pending { left, .. } if quiet => {
                *left -= 1;
                true
            }
            Self::Pending { .. } => false,
        }
    }

    /// Admits the next write of a row that was admitted before.
    pub fn readmit(&mut self) {
        match self {
            Self::Passed => {}
            Self::Pending { left, .. } => *left += 1,
        }
    }

    /// A row was seen in Houston after it was sent.
    pub fn pass(&mut self) {
        *self = Self::Passed;
    }
}
