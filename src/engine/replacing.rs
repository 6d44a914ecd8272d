//! Limits how many people may be between the two writes of their replacement at a time: a run that ends
//! early leaves no more of them removed.
//!
//! Main type: [`Replacing`]. Pure: it says whose turn it is; it sends nothing and knows no workspace.

use std::collections::{HashSet, VecDeque};

use foldhash::fast::FixedState;

/// So many people at a time. One read of a workspace proves the removals of all of them.
const AT_A_TIME: usize = 16;

/// The replacements that have begun, and those that wait for their turn.
#[derive(Debug, Default)]
pub struct Replacing {
    begun: HashSet<usize, FixedState>,
    waiting: VecDeque<usize>,
}

impl Replacing {
    /// Whether this replacement may be begun, or has been. If not, it waits.
    pub fn claim(&mut self, operation: usize) -> bool {
        let may_go = self.begun.contains(&operation) || self.begun.len() < AT_A_TIME;
        if may_go {
            self.begin(operation);
        } else {
            self.waiting.push_back(operation);
        }
        may_go
    }

    /// This replacement has begun.
    pub fn begin(&mut self, operation: usize) {
        self.begun.insert(operation);
    }

    /// This replacement is over. False if it had not begun.
    pub fn end(&mut self, operation: usize) -> bool {
        self.begun.remove(&operation)
    }

    /// Takes out the next waiting one that may begin.
    pub fn next_waiting(&mut self) -> Option<usize> {
        if self.begun.len() < AT_A_TIME { self.waiting.pop_front() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_take_turns_in_their_order() {
        let mut replacing = Replacing::default();
        assert!((0..AT_A_TIME).all(|operation| replacing.claim(operation)));
        assert!(replacing.claim(0), "it has begun");
        assert!(!replacing.claim(100) && !replacing.claim(101));
        assert_eq!(replacing.next_waiting(), None);
        assert!(!replacing.end(100), "it waits");
        assert!(replacing.end(3));
        assert_eq!(replacing.next_waiting(), Some(100));
        replacing.begin(100);
        assert_eq!(replacing.next_waiting(), None);
    }
}
