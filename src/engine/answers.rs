//! What answers mean for the run: a mutation that came back, a read, the word about the caller.
//!
//! It is the second half of [`Dispatcher`]: that one hands out, this one takes in.

use std::time::{Duration, Instant};

use super::dispatcher::Dispatcher;
use super::open::Acknowledged;
use super::verdict::{Doubt, Verdict, cause, judge};
use super::verify::{Doubtful, Finding, gone, landed};
use super::worker::{Answer, Job, Signal};
use super::workspace::{Proof, Purpose};
use crate::event::{Event, StopReason};
use crate::houston::{AlreadyKind, Caller, Failure, Fault, Repeats};
use crate::outcome::{Cause, Code, Status, StatusKind};
use crate::plan::{Membership, OperationKind};
use crate::present::members::{InvitesSeen, Reading};
use crate::record::journal::Entry;

/// So many pages in a row from something that is not Houston end the run.
const PAGES_IN_A_ROW: u32 = 10;

impl Dispatcher<'_> {
    pub(super) fn handle(&mut self, signal: Signal) {
        match signal {
            Signal::Answered { operation, result, elapsed } => self.answered(operation, result, elapsed),
            Signal::Released { operation } => self.was_released(operation),
            Signal::Read { lane, operations, result, began } => {
                self.was_read(lane, &operations, result, began);
            }
            Signal::Probed(result) => self.probed(&result),
            Signal::Lost(job) => self.lost(&job),
        }
    }

    fn was_released(&mut self, operation: usize) {
        let lane = self.life_of(operation);
        self.lanes[lane].came_back();
        self.take_back(operation);
    }

    fn answered(&mut self, operation: usize, result: Result<Answer, Failure>, elapsed: Duration) {
        let lane = self.life_of(operation);
        self.lanes[lane].came_back();
        self.wake(lane);
        let attempts = match &result {
            Ok(Answer::Done { attempts } | Answer::NothingThere { attempts }) => *attempts,
            Err(failure) => failure.attempts,
        };
        if let Some(active) = self.active.get_mut(&operation) {
            active.attempts += attempts;
            active.elapsed = Some(active.elapsed.unwrap_or_default() + elapsed);
        }
        match result {
            Ok(Answer::Done { .. }) => self.acknowledged(lane, operation),
            Ok(Answer::NothingThere { .. }) => self.doubt(lane, operation, Doubt::Gone, gone()),
            Err(failure) => self.failed(lane, operation, &failure.fault),
        }
    }

    fn acknowledged(&mut self, lane: usize, operation: usize) {
        let row = self.run.operations[operation].row;
        self.pages_in_a_row = 0;
        let at_ms = self.journal.at_ms(self.now());
        self.journal.note(&Entry::Acknowledged { row, at_ms });
        let active = self.active.remove(&operation);
        let (attempts, elapsed) = active
            .map_or((1, Duration::ZERO), |active| (active.attempts, active.elapsed.unwrap_or_default()));
        self.lanes[lane].acknowledged(Acknowledged::new(operation, attempts, elapsed));
        self.release_person(operation);
        self.refusals.accepted();
        self.tally.unproven += 1;
        self.count_error(false);
        (self.announce)(&Event::Acknowledged { row, tally: self.tally });
    }

    fn failed(&mut self, lane: usize, operation: usize, fault: &Fault) {
        self.learn(fault);
        let cause = cause(fault);
        match judge(fault, self.settings.max_wait) {
            Verdict::Verify(doubt) => self.doubt(lane, operation, doubt, cause),
            Verdict::Release => self.take_back(operation),
            Verdict::End(Status::GaveUp) => self.exhausted(lane, operation, &cause),
            Verdict::End(status) => {
                if !self.doubt_refusal(lane, operation, &cause) {
                    self.conclude(operation, status, Some(cause));
                }
            }
            Verdict::CloseWorkspace => {
                self.lanes[lane].pause();
                self.denied.push((operation, cause));
                if self.denied.len() == 1 {
                    self.give(Job::Probe);
                }
            }
            Verdict::StopRun(reason) => {
                self.take_back(operation);
                self.stop(reason, Some(cause));
            }
        }
        let email = self.run.emails.get(self.run.operations[operation].row);
        if let Some(cause) = self.refusals.refused(fault, lane, email) {
            self.stop(StopReason::TargetUnusable, Some(cause));
        }
    }

    /// What a fault tells about the server.
    fn learn(&mut self, fault: &Fault) {
        if let Fault::Already { kind: AlreadyKind::Bound, .. } = fault {
            self.repeats = Repeats::Refused;
        }
        if let Fault::Proxy { .. } = fault {
            self.pages_in_a_row += 1;
            if self.pages_in_a_row >= PAGES_IN_A_ROW {
                self.stop(StopReason::TargetUnusable, Some(cause(fault)));
            }
        } else {
            self.pages_in_a_row = 0;
        }
    }

    fn doubt(&mut self, lane: usize, operation: usize, doubt: Doubt, cause: Cause) {
        let now = self.now();
        let mut sends = 1;
        if let Some(active) = self.active.get_mut(&operation) {
            active.ours |= doubt == Doubt::Effect;
            active.last = Some(cause.clone());
            sends = active.sends;
        }
        let row = self.run.operations[operation].row;
        self.tally.doubtful += 1;
        (self.announce)(&Event::Doubtful { row, cause: &cause, tally: self.tally });
        let settle = self.settings.settle;
        self.lanes[lane].doubts().push(operation, sends, doubt, cause, now, settle);
    }

    /// A refusal for good says nothing about an earlier try without an answer: that is looked for as
    /// long as it may land. False if there was none.
    pub(super) fn doubt_refusal(&mut self, lane: usize, operation: usize, cause: &Cause) -> bool {
        let ours = self.active.get(&operation).is_some_and(|active| active.ours);
        if ours {
            self.doubt(lane, operation, Doubt::Refused, cause.clone());
        }
        ours
    }

    /// A row that used up its tries: it ends here, or waits for a last chance.
    fn exhausted(&mut self, lane: usize, operation: usize, cause: &Cause) {
        let is_alive = self.is_alive();
        if self.stopped.is_some() {
            // Nothing was done, and no more is tried: a later run takes it up.
            self.take_back(operation);
        } else if self.lanes[lane].exhausted(operation, cause, is_alive) {
            if let Some(active) = self.active.get_mut(&operation) {
                // The last chance is a second allowance: with 30 % of the writes failing, one of
                // two hundred rows would still be lost after the first.
                active.sends = 0;
                active.last = Some(cause.clone());
            }
            self.release_person(operation);
            self.count_error(true);
        } else {
            self.conclude(operation, Status::GaveUp, Some(cause.clone()));
            self.canary_failed(lane, cause);
        }
    }

    /// Whether Houston has accepted anything in this run.
    fn is_alive(&self) -> bool {
        self.tally.unproven > 0 || self.tally.of_kind(StatusKind::Changed) > 0
    }

    fn was_read(
        &mut self,
        lane: usize,
        operations: &[usize],
        result: Result<Reading, Fault>,
        began: Instant,
    ) {
        let purpose = self.lanes[lane].read_came_back();
        self.wake(lane);
        match (result, purpose) {
            (Ok(reading), Some(Purpose::Verify)) => self.verified(lane, operations, &reading, began),
            (Ok(reading), Some(Purpose::Prove)) => self.proved(lane, &reading),
            (Err(fault), Some(purpose)) => self.could_not_read(lane, &fault, purpose),
            (_, None) => {}
        }
    }

    fn verified(&mut self, lane: usize, operations: &[usize], reading: &Reading, began: Instant) {
        for (&operation, &seen) in operations.iter().zip(&reading.memberships) {
            let Some(doubtful) = self.lanes[lane].resolve(operation) else { continue };
            self.tally.doubtful -= 1;
            let ours = self.active.get(&operation).is_some_and(|active| active.ours);
            let kind = self.run.operations[operation].kind;
            let (settle, repeats) = (self.settings.settle, self.repeats_of(operation));
            match doubtful.judge(seen, kind, began, settle, repeats, ours) {
                Finding::Done(status, cause) => {
                    self.lanes[lane].seen();
                    self.conclude(operation, status, cause);
                }
                Finding::SendAgain => self.send_again(lane, operation, doubtful),
                Finding::Wait => {
                    self.tally.doubtful += 1;
                    self.lanes[lane].doubts().put_back(doubtful, began, settle, repeats);
                }
            }
        }
    }

    /// A write that is not there goes out again, as often as `--retries` allows.
    fn send_again(&mut self, lane: usize, operation: usize, doubtful: Doubtful) {
        let (sends, attempts) =
            self.active.get(&operation).map_or((0, 0), |active| (active.sends, active.attempts));
        if self.stopped.is_some() {
            self.conclude(operation, Status::GaveUp, Some(doubtful.cause));
        } else if sends > self.settings.retries {
            let text = format!(
                "sent {attempts} times, and it never took effect; the last time: {}",
                doubtful.cause.text
            );
            self.exhausted(lane, operation, &Cause { code: doubtful.cause.code, text });
        } else {
            let stage = self.run.operations[operation].kind.stage();
            if self.lanes[lane].send_again(operation, stage) {
                return;
            }
            // An earlier leg sent it, and its turn has not come: nothing waits for it meanwhile.
            self.release_person(operation);
        }
    }

    fn proved(&mut self, lane: usize, reading: &Reading) {
        let mut unproven = self.lanes[lane].unproven();
        // Nothing is acknowledged while a proof is read; if it were, the next proof would show it.
        let mut missing = unproven.split_off(unproven.len().min(reading.memberships.len()));
        for (acknowledged, &seen) in unproven.into_iter().zip(&reading.memberships) {
            let kind = self.run.operations[acknowledged.operation()].kind;
            let is_add = matches!(kind, OperationKind::Add(_));
            match landed(seen, kind) {
                Finding::Done(status, cause) => {
                    self.lanes[lane].seen();
                    self.prove(&acknowledged, status, cause, seen);
                }
                Finding::Wait | Finding::SendAgain if is_add && reading.invites == InvitesSeen::Refused => {
                    self.lanes[lane].seen();
                    let cause = Cause::new(
                        Code::InvitesUnseen,
                        "Houston acknowledged it, and the person is no member; this token may not see invitations",
                    );
                    self.prove(&acknowledged, Status::Invited, Some(cause), seen);
                }
                Finding::Wait | Finding::SendAgain => missing.push(acknowledged),
            }
        }
        let now = self.now();
        if let Proof::Missing(missing) = self.lanes[lane].proof_missed(missing, now) {
            let cause =
                Cause::new(Code::NotThere, "Houston acknowledged it, but the member list does not show it");
            self.unproven(lane, missing, &cause);
        }
    }

    /// An acknowledged write was read back, as it should be or otherwise.
    fn prove(&mut self, acknowledged: &Acknowledged, status: Status, cause: Option<Cause>, seen: Membership) {
        self.tally.unproven -= 1;
        match status {
            Status::RoleKept | Status::AlreadyInvited => {
                let text = format!("Houston acknowledged it, but the person is {seen}");
                let cause = Some(Cause::new(Code::OtherRole, text));
                self.finish_acknowledged(acknowledged, Status::InDoubt, cause);
            }
            Status::Added
            | Status::Invited
            | Status::Unchanged
            | Status::RoleUpdated
            | Status::Removed
            | Status::Rejected
            | Status::GaveUp
            | Status::InDoubt
            | Status::NotRun
            | Status::Invalid
            | Status::Merged => self.finish_acknowledged(acknowledged, status, cause),
        }
    }

    fn could_not_read(&mut self, lane: usize, fault: &Fault, purpose: Purpose) {
        if fault.bars_all() {
            self.stop(StopReason::TargetUnusable, Some(cause(fault)));
        }
        let now = self.now();
        match purpose {
            Purpose::Verify => {
                let settle = self.settings.settle;
                if self.lanes[lane].doubts().read_failed(now, settle) {
                    return;
                }
                for doubtful in self.lanes[lane].doubts().drain() {
                    self.tally.doubtful -= 1;
                    let text = format!("{}; and the workspace cannot be read: {fault}", doubtful.cause.text);
                    let cause = Cause::new(Code::Unreadable, text);
                    self.conclude(doubtful.operation, Status::InDoubt, Some(cause.clone()));
                    self.canary_failed(lane, &cause);
                }
            }
            Purpose::Prove => {
                if let Proof::Missing(missing) = self.lanes[lane].proof_failed(now) {
                    let text = format!("acknowledged by Houston, but the workspace cannot be read: {fault}");
                    self.unproven(lane, missing, &Cause::new(Code::NotReadBack, text));
                }
            }
        }
    }

    /// Acknowledged writes stay without proof. If they were the canary, the rest is not sent.
    fn unproven(&mut self, lane: usize, writes: Vec<Acknowledged>, cause: &Cause) {
        for acknowledged in writes {
            self.tally.unproven -= 1;
            self.finish_acknowledged(&acknowledged, Status::InDoubt, Some(cause.clone()));
            self.count_error(true);
        }
        self.canary_failed(lane, cause);
    }

    /// A first row of a workspace came to nothing: the others are not sent.
    fn canary_failed(&mut self, lane: usize, cause: &Cause) {
        if self.lanes[lane].is_canary_out() {
            let text = format!("not sent, since the first row failed: {}", cause.text);
            self.close_workspace(lane, &Cause::new(Code::CanaryFailed, text));
        }
    }

    /// The caller answered whether the token lanes: then it is the workspace that is closed.
    fn probed(&mut self, result: &Result<Caller, Failure>) {
        let denied = std::mem::take(&mut self.denied);
        let dead = match result {
            Ok(_) => false,
            Err(failure) => match failure.fault {
                Fault::Denied { .. } | Fault::Expired { .. } => true,
                Fault::Unsent { .. }
                | Fault::NoAnswer { .. }
                | Fault::Proxy { .. }
                | Fault::Throttled { .. }
                | Fault::Rejected { .. }
                | Fault::Already { .. }
                | Fault::Schema { .. }
                | Fault::Internal { .. }
                | Fault::Malformed { .. } => false,
            },
        };
        for (operation, denial) in denied {
            let lane = self.life_of(operation);
            self.lanes[lane].go_on();
            self.wake(lane);
            match result {
                Ok(_) => {
                    let cause = Cause::new(Code::WorkspaceDenied, denial.text);
                    self.conclude_unsent(operation, cause.clone());
                    if self.lanes[lane].closed().is_none() {
                        self.close_workspace(lane, &cause);
                    }
                }
                Err(_) if dead => {
                    self.take_back(operation);
                    self.stop(StopReason::TokenDead, Some(denial));
                }
                Err(_) => self.conclude(operation, Status::GaveUp, Some(denial)),
            }
        }
    }

    /// Nothing more is sent to this workspace.
    fn close_workspace(&mut self, lane: usize, cause: &Cause) {
        let rows = self.lanes[lane].close(cause.clone());
        let workspace = self.workspace_of(lane);
        (self.announce)(&Event::WorkspaceClosed { workspace, cause, rows: rows.len() as u64 });
        for operation in rows {
            self.conclude_unsent(operation, cause.clone());
        }
    }

    /// A worker died over this job.
    fn lost(&mut self, job: &Job) {
        let cause = Cause::new(Code::WorkerLost, "this program failed while it waited for the answer");
        match *job {
            Job::Send { operation, .. } => {
                let lane = self.life_of(operation);
                self.lanes[lane].came_back();
                self.wake(lane);
                self.doubt(lane, operation, Doubt::Effect, cause);
            }
            Job::Read { lane, .. } => {
                if let Some(purpose) = self.lanes[lane].read_came_back() {
                    let fault = Fault::Malformed { text: cause.text };
                    self.could_not_read(lane, &fault, purpose);
                }
                self.wake(lane);
            }
            Job::Probe => {
                for (operation, denial) in std::mem::take(&mut self.denied) {
                    let lane = self.life_of(operation);
                    self.lanes[lane].go_on();
                    self.wake(lane);
                    self.conclude(operation, Status::GaveUp, Some(denial));
                }
            }
        }
    }
}
