//! One person, one request at a time: who has a mutation in flight or in doubt, and which operations
//! wait for it.
//!
//! Main type: [`People`]. Pure: it says whose operation may be sent, and which has waited; it sends nothing and knows no
//! workspace.

use std::collections::HashMap;

use foldhash::fast::FixedState;

/// A person with a mutation in flight or in doubt.
#[derive(Debug)]
struct Busy {
    operation: usize,
    /// Operations of the same person that wait for it.
    waiting: Vec<usize>,
}

/// The people with a mutation in flight or in doubt, by their address.
#[derive(Debug, Default)]
pub struct People<'r> {
    busy: HashMap<&'r str, Busy, FixedState>,
}

impl<'r> People<'r> {
    /// Keeps a person for this operation, unless another one has them already.
    pub fn hold(&mut self, email: &'r str, operation: usize) {
        self.busy.entry(email).or_insert(Busy { operation, waiting: Vec::new() });
    }

    /// Whether this operation may be sent for its person now. If not, it waits for the one that is open.
    pub fn claim(&mut self, email: &'r str, operation: usize) -> bool {
        let busy = self.busy.entry(email).or_insert(Busy { operation, waiting: Vec::new() });
        let is_free = busy.operation == operation;
        if !is_free {
            busy.waiting.push(operation);
        }
        is_free
    }

    /// This operation is over for its person: gives those that have waited for it, in their order.
    pub fn release(&mut self, email: &str, operation: usize) -> Vec<usize> {
        if self.busy.get(email).is_none_or(|busy| busy.operation != operation) {
            return Vec::new();
        }
        self.busy.remove(email).map_or_else(Vec::new, |busy| busy.waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operations_of_a_person_wait_for_the_one_that_is_open() {
        let mut people = People::default();
        assert!(people.claim("ana@example.com", 1));
        assert!(people.claim("ben@example.com", 2), "another person");
        assert!(!people.claim("ana@example.com", 3));
        assert!(!people.claim("ana@example.com", 4));
        assert!(people.claim("ana@example.com", 1), "it is sent again");
        assert!(people.release("ana@example.com", 3).is_empty(), "it is not the one that is open");
        assert_eq!(people.release("ana@example.com", 1), [3, 4]);
        assert!(people.claim("ana@example.com", 4));
    }

    #[test]
    fn of_two_held_operations_of_a_person_the_first_counts() {
        let mut people = People::default();
        people.hold("ana@example.com", 1);
        people.hold("ana@example.com", 2);
        assert!(!people.claim("ana@example.com", 3));
        assert!(people.release("ana@example.com", 2).is_empty());
        assert_eq!(people.release("ana@example.com", 1), [3]);
    }
}
