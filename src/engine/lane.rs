//! The lane of one workspace: canary, adds, promotions, demotions, verification, proof. What closes it
//! to new mutations, its canary and its proof live here and nowhere else.
//!
//! Main type: [`Lane`]. Pure: it says what may be done next and takes note of what became of it;
//! the dispatcher sends, reads and waits.

mod canary;
mod proofs;
mod stages;

use std::time::{Duration, Instant};

use self::canary::Canary;
pub use self::proofs::Proof;
use self::proofs::Proofs;
use self::stages::Stages;
use super::open::{Acknowledged, Exhausted, Open};
use super::verify::{Doubtful, Doubts};
use crate::outcome::Cause;
use crate::plan::Stage;

/// What may be done next in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this operation.
    Send(usize),
    /// Read the workspace for these operations.
    Read(Vec<usize>),
    /// Read the workspace for these operations, and count its admins.
    CountAdmins(Vec<usize>),
    /// Nothing before this moment.
    Later(Instant),
    /// Nothing until what is in flight has ended.
    Idle,
    /// End these operations, which had exhausted their tries.
    GiveUp(Vec<Exhausted>),
    /// Nothing more.
    Done,
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

/// Rows that used up their tries are sent once more when nothing else of their stage is open: where
/// Houston answers others, they were probably unlucky.
#[derive(Debug, Default)]
struct LastChance {
    rows: Vec<Exhausted>,
    /// Whether this stage had its last chance.
    is_over: bool,
    /// Whether Houston accepted a row of this workspace.
    has_hope: bool,
}

/// No workspace loses its last admin: before admins are demoted, those who are there are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminCheck {
    /// They still have to be counted.
    Due,
    /// No admin is demoted, or they were counted.
    Over,
}

/// One workspace in the engine.
#[derive(Debug)]
pub struct Lane {
    /// What is not sent.
    stages: Stages,
    /// Mutations in flight.
    sending: usize,
    /// What the read in flight is for, if there is one.
    reading: Option<Purpose>,
    canary: Canary,
    doubts: Doubts,
    proofs: Proofs,
    last_chance: LastChance,
    /// Whether the admins have to be counted before the demotions.
    admins: AdminCheck,
    /// Nothing is begun until the denial of a write is understood.
    paused: bool,
    closed: Option<Cause>,
    mode: Mode,
}

/// Why a workspace is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// For the doubtful writes.
    Verify,
    /// For the acknowledged ones.
    Prove,
    /// For the acknowledged ones, and for the admins: some are demoted next.
    CountAdmins,
}

impl Lane {
    /// The lane of a workspace with these operations. `canary` rows go first; `settle` is how
    /// long a write without an answer is waited for, and `admins` whether the admins are counted.
    pub fn new(
        operations: impl IntoIterator<Item = (usize, Stage)>,
        canary: u32,
        settle: Duration,
        admins: AdminCheck,
    ) -> Self {
        let stages = Stages::new(operations);
        Self {
            canary: Canary::new(canary, stages.len()),
            proofs: Proofs::new(settle, stages.len()),
            stages,
            sending: 0,
            reading: None,
            doubts: Doubts::new(settle),
            last_chance: LastChance::default(),
            admins,
            paused: false,
            closed: None,
            mode: Mode::Full,
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
        if self.is_busy() || self.stages.has_parked() {
            return Step::Idle;
        }
        self.sweep()
    }

    fn next_read(&mut self, now: Instant) -> Option<Step> {
        if self.reading.is_some() {
            return None;
        }
        let alone = self.sending == 0 && !(self.stages.has_some_now() && self.canary.has_passed());
        let unread = self.doubts.has_unread() && (alone || self.is_hurried());
        let due = !self.is_hurried() && self.doubts.due().is_some_and(|due| due <= now);
        if unread || due {
            self.reading = Some(Purpose::Verify);
            return Some(Step::Read(self.doubts.operations().collect()));
        }
        let is_time = self.proofs.due().is_none_or(|at| at <= now);
        if self.is_to_be_proved() && is_time {
            let operations = self.proofs.operations().collect();
            let (purpose, step) = if self.waits_for_admins() {
                (Purpose::CountAdmins, Step::CountAdmins(operations))
            } else {
                (Purpose::Prove, Step::Read(operations))
            };
            self.reading = Some(purpose);
            return Some(step);
        }
        None
    }

    /// The proof comes when nothing is open: at the end, after the canary, and before admins are demoted.
    fn is_to_be_proved(&self) -> bool {
        let exhausted = self.is_hurried() && self.proofs.have_looked();
        let quiet = self.sending == 0 && (self.doubts.is_empty() || self.is_hurried());
        let is_time = self.stages.are_over() || self.canary.waits_for_proof() || self.mode != Mode::Full;
        quiet && ((!exhausted && !self.proofs.is_empty() && is_time) || self.waits_for_admins())
    }

    /// Whether everything before the demotions has ended, and the admins are not counted.
    fn waits_for_admins(&self) -> bool {
        self.admins == AdminCheck::Due
            && self.mode == Mode::Full
            && self.stages.next() == Some(Stage::Demotions)
            && !self.stages.has_some_now()
            && !self.stages.has_parked()
            && self.last_chance.rows.is_empty()
    }

    /// What is demoted once the admins are counted; nothing while acknowledged writes before it are
    /// unproven, which may make the difference.
    pub fn demotions(&self) -> Option<impl Iterator<Item = usize>> {
        let is_next = self.proofs.is_empty() && self.admins == AdminCheck::Due;
        is_next.then(|| self.stages.later(Stage::Demotions))
    }

    /// The admins were counted, or cannot be: these demotions are not sent.
    pub fn admins_counted(&mut self, held: &[usize]) {
        self.admins = AdminCheck::Over;
        self.stages.withdraw(Stage::Demotions, held);
    }

    fn next_send(&mut self) -> Option<usize> {
        // Where there is nothing to send, no canary is used up: the next stage may need it.
        if self.mode != Mode::Full || !self.stages.has_some_now() {
            return None;
        }
        let quiet = !self.is_busy();
        if self.canary.admit(quiet, !self.proofs.is_empty()) { self.stages.pop() } else { None }
    }

    fn is_hurried(&self) -> bool {
        self.mode == Mode::Hurry
    }

    fn is_busy(&self) -> bool {
        let doubts = !self.doubts.is_empty() && !self.is_hurried();
        self.sending > 0 || self.reading.is_some() || doubts
    }

    /// When the next timed step is due.
    fn due(&self) -> Option<Instant> {
        if self.reading.is_some() || self.is_hurried() {
            return None;
        }
        let prove_at = if self.is_to_be_proved() { self.proofs.due() } else { None };
        [self.doubts.due(), prove_at].into_iter().flatten().min()
    }

    /// Rows that exhausted their tries get one more chance at the end, if Houston answered others.
    fn sweep(&mut self) -> Step {
        if self.last_chance.rows.is_empty() {
            return self.next_stage();
        }
        let rows = std::mem::take(&mut self.last_chance.rows);
        if self.last_chance.is_over || self.mode != Mode::Full {
            return Step::GiveUp(rows);
        }
        self.last_chance.is_over = true;
        self.stages.extend(rows.into_iter().map(|row| row.operation));
        self.begin_sending()
    }

    /// Everything in this stage is closed: the next one begins.
    fn next_stage(&mut self) -> Step {
        if self.mode != Mode::Full || !self.stages.has_later() {
            return Step::Done;
        }
        self.stages.begin_next();
        self.last_chance.is_over = false;
        self.begin_sending()
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
        self.stages.park();
    }

    /// A parked operation may be sent; it is sent first. False if the workspace is closed.
    pub fn unpark(&mut self, operation: usize) -> bool {
        let open = self.mode == Mode::Full && self.closed.is_none();
        self.stages.unpark(operation, open);
        open
    }

    /// A mutation that was sent has come back, with whatever result.
    pub fn came_back(&mut self) {
        self.sending -= 1;
    }

    /// Houston acknowledged it.
    pub fn acknowledged(&mut self, acknowledged: Acknowledged) {
        self.proofs.push(acknowledged);
        self.succeeded();
    }

    /// Queues the next write of an operation whose first write was sent, in a stage that has begun. It does
    /// not count as another canary.
    pub fn send_next(&mut self, operation: usize, stage: Stage) {
        self.canary.readmit();
        self.stages.send_again(operation, stage);
    }

    /// Queues an operation again. False if its stage has not begun: the operation then waits for that stage.
    pub fn send_again(&mut self, operation: usize, stage: Stage) -> bool {
        self.stages.send_again(operation, stage)
    }

    /// It exhausted its tries. True if it is kept for a last chance at the end: where Houston
    /// accepted others of this workspace, or, for one canary, of another (`is_alive`), so that bad
    /// luck with one row does not close a workspace.
    pub fn exhausted(&mut self, operation: usize, cause: &Cause, is_alive: bool) -> bool {
        let has_hope = match &mut self.canary {
            Canary::Passed => self.last_chance.has_hope,
            Canary::Pending { lost_one, .. } => is_alive && !std::mem::replace(lost_one, true),
        };
        let keep = has_hope && !self.last_chance.is_over && self.mode == Mode::Full;
        if keep {
            self.last_chance.rows.push(Exhausted { operation, cause: cause.clone() });
        }
        keep
    }

    /// A row ended well.
    pub fn succeeded(&mut self) {
        self.last_chance.has_hope = true;
    }

    /// A row was seen in Houston after it was sent.
    pub fn seen(&mut self) {
        self.canary.pass();
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

    /// Whether Houston acknowledged this operation, and no read has shown it yet.
    pub fn is_acknowledged(&self, operation: usize) -> bool {
        self.proofs.has(operation)
    }

    /// The acknowledged writes that a proof is to show, in the order of its read.
    pub fn unproven(&mut self) -> Vec<Acknowledged> {
        self.proofs.take()
    }

    /// All acknowledged writes of a proof were seen, but for those that are left.
    pub fn proof_missed(&mut self, missing: Vec<Acknowledged>, now: Instant) -> Proof {
        let hurry = self.is_hurried();
        self.proofs.missed(missing, now, hurry)
    }

    /// The workspace could not be read for the proof.
    pub fn proof_failed(&mut self, now: Instant) -> Proof {
        let hurry = self.is_hurried();
        self.proofs.failed(now, hurry)
    }

    /// Whether the canary is still out: what it shows decides about the rest.
    pub fn is_canary_out(&self) -> bool {
        !self.canary.has_passed()
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
        let mut rows = self.stages.drain();
        rows.extend(self.last_chance.rows.drain(..).map(|row| row.operation));
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
        self.stages.drain()
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
            unproven: self.proofs.take(),
            exhausted: std::mem::take(&mut self.last_chance.rows),
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
        let mut lane =
            Lane::new(stages.into_iter().enumerate(), 2, Duration::from_secs(10), AdminCheck::Over);
        for operation in [0, 1] {
            assert_eq!(lane.next(now), Step::Send(operation));
            lane.came_back();
            lane.acknowledged(Acknowledged::new(operation, 1, Duration::ZERO));
        }
        assert_eq!(lane.next(now), Step::Read(vec![0, 1]));
    }

    #[test]
    fn the_admins_are_counted_when_all_before_the_demotions_is_over_and_read_again_until_it_is_proved() {
        let now = Instant::now();
        let stages = [Stage::Promotions, Stage::Demotions, Stage::Demotions];
        let settle = Duration::from_secs(16);
        let mut lane = Lane::new(stages.into_iter().enumerate(), 1, settle, AdminCheck::Due);
        assert_eq!(lane.next(now), Step::Send(0));
        assert_eq!(lane.next(now), Step::Idle, "no demotion while the promotion is in flight");
        lane.came_back();
        let acknowledged = Acknowledged::new(0, 1, Duration::ZERO);
        lane.acknowledged(acknowledged);
        assert_eq!(lane.next(now), Step::CountAdmins(vec![0]));
        assert_eq!(lane.read_came_back(), Some(Purpose::CountAdmins));
        let unproven = lane.unproven();
        assert_eq!(lane.proof_missed(unproven, now), Proof::Again);
        assert!(lane.demotions().is_none(), "the promotion may still be seen");
        let later = now + settle / 4;
        assert_eq!(lane.next(now), Step::Later(later));
        assert_eq!(lane.next(later), Step::CountAdmins(vec![0]));
        assert_eq!(lane.read_came_back(), Some(Purpose::CountAdmins));
        drop(lane.unproven());
        assert_eq!(lane.proof_missed(Vec::new(), later), Proof::Again);
        let demotions: Vec<usize> = lane.demotions().expect("everything is proved").collect();
        assert_eq!(demotions, [1, 2]);
        lane.admins_counted(&[1]);
        assert_eq!(lane.next(later), Step::Send(2), "what is held back is not sent");
    }
}
