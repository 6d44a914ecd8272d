//! What a workspace has not sent yet, stage by stage.
//!
//! Main type: [`Stages`]. It holds the operations in their order, as small numbers, since there may be a
//! million; whether one may go now is for the lane to say.

use std::collections::VecDeque;

use super::super::open::small;
use crate::plan::Stage;

/// The operations of a workspace that are not sent yet, or must be sent again.
#[derive(Debug)]
pub struct Stages {
    /// The operations to send now.
    to_send: VecDeque<u32>,
    /// What comes in each stage after it; those that have begun are empty.
    later: [VecDeque<u32>; Stage::COUNT],
    /// The index of the stage that has begun.
    begun: usize,
    /// Operations that wait for another operation of the same person.
    parked: usize,
}

impl Stages {
    /// These operations, each in its stage.
    pub fn new(operations: impl IntoIterator<Item = (usize, Stage)>) -> Self {
        let mut later: [VecDeque<u32>; Stage::COUNT] = Default::default();
        for (operation, stage) in operations {
            later[stage as usize].push_back(small(operation));
        }
        later.iter_mut().for_each(VecDeque::shrink_to_fit);
        let to_send = std::mem::take(&mut later[0]);
        Self { to_send, later, begun: 0, parked: 0 }
    }

    /// How many operations are not sent.
    pub fn len(&self) -> usize {
        self.to_send.len() + self.later.iter().map(VecDeque::len).sum::<usize>()
    }

    /// Whether the stage that has begun has something to send now.
    pub fn has_some_now(&self) -> bool {
        !self.to_send.is_empty()
    }

    /// Whether a later stage has something to send.
    pub fn has_later(&self) -> bool {
        self.next().is_some()
    }

    /// The stage that begins next, if one has something to send.
    pub fn next(&self) -> Option<Stage> {
        Stage::ALL.into_iter().find(|stage| !self.later[*stage as usize].is_empty())
    }

    /// What is sent in a stage that has not begun.
    pub fn later(&self, stage: Stage) -> impl Iterator<Item = usize> {
        self.later[stage as usize].iter().map(|&operation| operation as usize)
    }

    /// Takes these operations out of a stage that has not begun.
    pub fn withdraw(&mut self, stage: Stage, operations: &[usize]) {
        self.later[stage as usize].retain(|&operation| !operations.contains(&(operation as usize)));
    }

    /// Whether an operation waits for another one of the same person.
    pub fn has_parked(&self) -> bool {
        self.parked > 0
    }

    /// Whether everything of every stage was sent.
    pub fn are_over(&self) -> bool {
        !self.has_some_now() && !self.has_parked() && !self.has_later()
    }

    /// Takes the next operation.
    pub fn pop(&mut self) -> Option<usize> {
        let next = self.to_send.pop_front();
        if self.to_send.is_empty() {
            // A workspace may have had a million of them.
            self.to_send.shrink_to_fit();
        }
        next.map(|operation| operation as usize)
    }

    /// Takes these operations in, behind all others of the stage that has begun.
    pub fn extend(&mut self, operations: impl Iterator<Item = usize>) {
        self.to_send.extend(operations.map(small));
    }

    /// An operation that was taken cannot be sent yet, since the same person has a mutation in flight.
    pub fn park(&mut self) {
        self.parked += 1;
    }

    /// A parked operation no longer waits. It is sent first, if it `may_go` at all.
    pub fn unpark(&mut self, operation: usize, may_go: bool) {
        self.parked -= 1;
        if may_go {
            self.to_send.push_front(small(operation));
        }
    }

    /// Takes an operation in again. False if its stage has not begun: then it waits for it.
    pub fn send_again(&mut self, operation: usize, stage: Stage) -> bool {
        let has_begun = stage as usize <= self.begun;
        // First in line, so that the lane hears about a canary before others follow it.
        let line = if has_begun { &mut self.to_send } else { &mut self.later[stage as usize] };
        line.push_front(small(operation));
        has_begun
    }

    /// Begins the next stage that has operations. There must be one.
    pub fn begin_next(&mut self) {
        while self.to_send.is_empty() {
            self.begun += 1;
            self.to_send = std::mem::take(&mut self.later[self.begun]);
        }
    }

    /// Takes everything out that has not been sent.
    pub fn drain(&mut self) -> Vec<usize> {
        let later = self.later.iter_mut().flat_map(|line| line.drain(..));
        self.to_send.drain(..).chain(later).map(|operation| operation as usize).collect()
    }
}
