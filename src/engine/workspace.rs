//! The lane of one workspace: canary, adds, promotions, demotions, verification, proof. Its breaker,
//! its canary and its proof live here and nowhere else.
//!
//! Main type: [`Lane`]. Pure: it says what may be done next and takes note of what became of it;
//! the dispatcher sends, reads and waits.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::open::{Acknowledged, Exhausted, Open};
use super::verify::{Doubtful, Doubts, FAILED_READS};
use crate::outcome::Cause;
use crate::plan::Stage;

/// Without a canary if no more rows than this would follow it: the proof comes soon enough.
const NO_CANARY_BEFORE: usize = 3;
/// How often the proof looks again for a write that Houston acknowledged and does not show.
const PROOFS: u32 = 3;

/// What may be done next in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this operation.
    Send(usize),
    /// Read the workspace for these operations.
    Read(Vec<usize>),
    /// Nothing before this moment.
    Later(Instant),
    /// Nothing before something that is under way has ended.
    Idle,
    /// Put these operations, which had used up their tries, to their end.
    GiveUp(Vec<Exhausted>),
    /// Nothing any more.
    Done,
}

/// The first rows of a workspace go one by one and are read back before the rest is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Canary {
    /// So many are still to be sent before the read-back.
    Pending(u32),
    /// A row was seen in the read-back, or there is no canary.
    Passed,
}

/// How much of a workspace's lane is still wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    /// Everything.
    Full,
    /// No new mutations: verification and proof only.
    Drain,
    /// One more read for what is open, no waiting.
    Hurry,
}

/// One workspace in the engine.
#[derive(Debug)]
pub struct Lane {
    /// What is to be sent now.
    to_send: VecDeque<usize>,
    /// What comes in each stage after it; those that have begun are empty.
    later: [VecDeque<usize>; Stage::COUNT],
    /// The place of the stage that has begun.
    stage: usize,
    /// Operations that wait for another operation of the same person.
    parked: usize,
    sending: usize,
    reading: Option<Purpose>,
    canary: Canary,
    lost_a_canary: bool,
    doubts: Doubts,
    unproven: Vec<Acknowledged>,
    prove_at: Option<Instant>,
    proofs: u32,
    failed_proofs: u32,
    given_up: Vec<Exhausted>,
    swept: bool,
    successes: u64,
    paused: bool,
    closed: Option<Cause>,
    mode: Mode,
    settle: Duration,
}

/// Why a workspace is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// For the doubtful writes.
    Verify,
    /// For the acknowledged ones.
    Prove,
}

/// What a failed or fruitless proof means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Look again later.
    Again,
    /// These acknowledged writes stay unproven.
    Missing(Vec<Acknowledged>),
}

impl Lane {
    /// The lane of a workspace with these operations. `canary` rows go first; `settle` is how
    /// long a write without an answer is waited for.
    pub fn new(operations: impl IntoIterator<Item = (usize, Stage)>, canary: u32, settle: Duration) -> Self {
        let mut later: [VecDeque<usize>; Stage::COUNT] = Default::default();
        for (operation, stage) in operations {
            later[stage as usize].push_back(operation);
        }
        let to_send = std::mem::take(&mut later[0]);
        let waiting: usize = later.iter().map(VecDeque::len).sum();
        let alone = to_send.len() + waiting <= canary as usize + NO_CANARY_BEFORE;
        let canary = if canary == 0 || alone { Canary::Passed } else { Canary::Pending(canary) };
        Self {
            to_send,
            later,
            stage: 0,
            parked: 0,
            sending: 0,
            reading: None,
            canary,
            lost_a_canary: false,
            doubts: Doubts::default(),
            unproven: Vec::new(),
            prove_at: None,
            proofs: 0,
            failed_proofs: 0,
            given_up: Vec::new(),
            swept: false,
            successes: 0,
            paused: false,
            closed: None,
            mode: Mode::Full,
            settle,
        }
    }

    /// What may be done now. A step that is returned counts as begun.
    pub fn next(&mut self, now: Instant) -> Step {
        if self.paused {
            return Step::Idle;
        }
        if let Some(read) = self.next_read(now) {
            return read;
        }
        if let Some(operation) = self.next_send() {
            self.sending += 1;
            return Step::Send(operation);
        }
        if let Some(at) = self.due() {
            return Step::Later(at);
        }
        if self.is_busy() || self.parked > 0 {
            return Step::Idle;
        }
        self.sweep()
    }

    fn next_read(&mut self, now: Instant) -> Option<Step> {
        if self.reading.is_some() {
            return None;
        }
        let alone = self.sending == 0 && (self.to_send.is_empty() || self.canary != Canary::Passed);
        let unread = self.doubts.has_unread() && (alone || self.mode == Mode::Hurry);
        let due = self.mode != Mode::Hurry && self.doubts.due().is_some_and(|due| due <= now);
        if unread || due {
            self.reading = Some(Purpose::Verify);
            return Some(Step::Read(self.doubts.operations().collect()));
        }
        let is_time = self.prove_at.is_none_or(|at| at <= now);
        if self.is_to_be_proved() && is_time {
            self.reading = Some(Purpose::Prove);
            return Some(Step::Read(self.unproven.iter().map(Acknowledged::operation).collect()));
        }
        None
    }

    /// The proof comes when nothing is open: at the end, and after the canary.
    fn is_to_be_proved(&self) -> bool {
        let exhausted = self.mode == Mode::Hurry && self.proofs + self.failed_proofs > 0;
        let quiet = self.sending == 0 && (self.doubts.is_empty() || self.mode == Mode::Hurry);
        let at_end = self.to_send.is_empty() && self.parked == 0 && !self.has_later();
        let at_canary = self.canary == Canary::Pending(0);
        quiet && !exhausted && !self.unproven.is_empty() && (at_end || at_canary || self.mode != Mode::Full)
    }

    fn next_send(&mut self) -> Option<usize> {
        // Where nothing is to be sent, no canary is used up: the next stage may need it.
        if self.mode != Mode::Full || self.to_send.is_empty() {
            return None;
        }
        let quiet = !self.is_busy();
        match &mut self.canary {
            Canary::Passed => self.to_send.pop_front(),
            // None of them came to anything that could be read back: one more.
            Canary::Pending(0) if quiet && self.unproven.is_empty() => self.to_send.pop_front(),
            Canary::Pending(0) => None,
            Canary::Pending(left) if quiet => {
                *left -= 1;
                self.to_send.pop_front()
            }
            Canary::Pending(_) => None,
        }
    }

    fn is_busy(&self) -> bool {
        let doubts = !self.doubts.is_empty() && self.mode != Mode::Hurry;
        self.sending > 0 || self.reading.is_some() || doubts
    }

    /// The moment at which something is due that only time brings.
    fn due(&self) -> Option<Instant> {
        if self.reading.is_some() || self.mode == Mode::Hurry {
            return None;
        }
        let prove_at = if self.is_to_be_proved() { self.prove_at } else { None };
        [self.doubts.due(), prove_at].into_iter().flatten().min()
    }

    /// Rows that used up their tries get one more chance at the end, if Houston answered others.
    fn sweep(&mut self) -> Step {
        if self.given_up.is_empty() {
            return self.next_stage();
        }
        let rows = std::mem::take(&mut self.given_up);
        if self.swept || self.mode != Mode::Full {
            return Step::GiveUp(rows);
        }
        self.swept = true;
        self.to_send.extend(rows.into_iter().map(|row| row.operation));
        self.begin_sending()
    }

    /// Nothing of this stage is open any more: the next one begins.
    fn next_stage(&mut self) -> Step {
        if self.mode != Mode::Full || !self.has_later() {
            return Step::Done;
        }
        while self.to_send.is_empty() {
            self.stage += 1;
            self.to_send = std::mem::take(&mut self.later[self.stage]);
        }
        self.swept = false;
        self.begin_sending()
    }

    fn has_later(&self) -> bool {
        self.later.iter().any(|operations| !operations.is_empty())
    }

    fn begin_sending(&mut self) -> Step {
        self.next_send().map_or(Step::Idle, |operation| {
            self.sending += 1;
            Step::Send(operation)
        })
    }

    /// A step to send could not be taken, since the same person has a mutation in flight.
    pub fn park(&mut self) {
        self.sending -= 1;
        self.parked += 1;
    }

    /// A parked operation may go; it goes first. False if the workspace takes no more.
    pub fn unpark(&mut self, operation: usize) -> bool {
        self.parked -= 1;
        let open = self.mode == Mode::Full && self.closed.is_none();
        if open {
            self.to_send.push_front(operation);
        }
        open
    }

    /// A mutation that was sent has come back, in whatever way.
    pub fn came_back(&mut self) {
        self.sending -= 1;
    }

    /// Houston acknowledged it.
    pub fn acknowledged(&mut self, acknowledged: Acknowledged) {
        self.unproven.push(acknowledged);
        self.proofs = 0;
        self.successes += 1;
    }

    /// It is to be sent again. False if its stage has not begun: then it waits for it.
    pub fn send_again(&mut self, operation: usize, stage: Stage) -> bool {
        let has_begun = stage as usize <= self.stage;
        // First in line, so that a canary is heard out before others follow it.
        let line = if has_begun { &mut self.to_send } else { &mut self.later[stage as usize] };
        line.push_front(operation);
        has_begun
    }

    /// Everything that has not been sent.
    fn unsent(&mut self) -> Vec<usize> {
        let later = self.later.iter_mut().flat_map(|line| line.drain(..));
        self.to_send.drain(..).chain(later).collect()
    }

    /// It used up its tries. True if it is kept for a last chance at the end: where Houston
    /// accepted others of this workspace, or, for one canary, of another (`is_alive`), so that bad
    /// luck with one row does not close a workspace.
    pub fn exhausted(&mut self, operation: usize, cause: &Cause, is_alive: bool) -> bool {
        let has_hope = match self.canary {
            Canary::Passed => self.successes > 0,
            Canary::Pending(_) => is_alive && !std::mem::replace(&mut self.lost_a_canary, true),
        };
        let keep = has_hope && !self.swept && self.mode == Mode::Full;
        if keep {
            self.given_up.push(Exhausted { operation, cause: cause.clone() });
        }
        keep
    }

    /// A row ended well.
    pub fn succeeded(&mut self) {
        self.successes += 1;
    }

    /// A row was seen in Houston after it was sent.
    pub fn seen(&mut self) {
        self.canary = Canary::Passed;
    }

    /// The doubtful writes.
    pub fn doubts(&mut self) -> &mut Doubts {
        &mut self.doubts
    }

    /// Takes a doubtful write out of the queue.
    pub fn resolve(&mut self, operation: usize) -> Option<Doubtful> {
        self.doubts.remove(operation)
    }

    /// A read has come back; says what it was for.
    pub fn read_came_back(&mut self) -> Option<Purpose> {
        self.reading.take()
    }

    /// The acknowledged writes that a proof is to show, in the order of its read.
    pub fn unproven(&mut self) -> Vec<Acknowledged> {
        std::mem::take(&mut self.unproven)
    }

    /// All acknowledged writes of a proof were seen, but for those that are left.
    pub fn proof_missed(&mut self, missing: Vec<Acknowledged>, now: Instant) -> Proof {
        self.unproven = missing;
        self.proofs += 1;
        if self.unproven.is_empty() {
            self.prove_at = None;
            return Proof::Again;
        }
        self.prove_at = Some(now + self.settle / 4 * (self.proofs * self.proofs));
        self.look_again(self.proofs)
    }

    /// The workspace could not be read for the proof.
    pub fn proof_failed(&mut self, now: Instant) -> Proof {
        self.failed_proofs += 1;
        self.prove_at = Some(now + self.settle / 4);
        self.look_again(if self.failed_proofs < FAILED_READS { 0 } else { PROOFS })
    }

    fn look_again(&mut self, proofs: u32) -> Proof {
        if proofs < PROOFS && self.mode != Mode::Hurry {
            return Proof::Again;
        }
        self.prove_at = None;
        Proof::Missing(std::mem::take(&mut self.unproven))
    }

    /// Whether the canary is still out: what it shows decides about the rest.
    pub fn is_canary_out(&self) -> bool {
        self.canary != Canary::Passed
    }

    /// Nothing is begun until [`Lane::go_on`].
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// Ends a pause.
    pub fn go_on(&mut self) {
        self.paused = false;
    }

    /// Closes the workspace to new mutations for this cause; gives the operations that will not
    /// be sent.
    pub fn close(&mut self, cause: Cause) -> Vec<usize> {
        self.paused = false;
        self.closed.get_or_insert(cause);
        let mut rows = self.unsent();
        rows.extend(self.given_up.drain(..).map(|row| row.operation));
        rows
    }

    /// Why the workspace is closed, if it is.
    pub fn closed(&self) -> Option<&Cause> {
        self.closed.as_ref()
    }

    /// No new mutations: what is open is verified and proved. Gives the operations that will not
    /// be sent (again).
    pub fn drain(&mut self) -> Vec<usize> {
        self.mode = self.mode.max(Mode::Drain);
        self.paused = false;
        self.unsent()
    }

    /// No waiting either: one more read for what is open.
    pub fn hurry(&mut self) -> Vec<usize> {
        self.mode = Mode::Hurry;
        self.drain()
    }

    /// Everything that was sent and has no outcome: doubtful, acknowledged, or out of tries.
    pub fn open(&mut self) -> Open {
        Open {
            doubtful: self.doubts.drain(),
            unproven: std::mem::take(&mut self.unproven),
            exhausted: std::mem::take(&mut self.given_up),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_that_is_too_short_for_its_canaries_leaves_them_to_the_next_one() {
        let now = Instant::now();
        let stages = [
            Stage::Adds,
            Stage::Promotions,
            Stage::Promotions,
            Stage::Promotions,
            Stage::Promotions,
            Stage::Demotions,
        ];
        let mut lane = Lane::new(stages.into_iter().enumerate(), 2, Duration::from_secs(10));
        for operation in [0, 1] {
            assert_eq!(lane.next(now), Step::Send(operation));
            lane.came_back();
            lane.acknowledged(Acknowledged::new(operation, 1, Duration::ZERO));
        }
        assert_eq!(lane.next(now), Step::Read(vec![0, 1]));
    }
}
