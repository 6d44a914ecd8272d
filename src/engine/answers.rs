//! What signals mean for the run: a mutation that came back, a read, the word about the caller.
//!
//! These are the methods of [`State`] that process what workers report. They send nothing but the probe.

use std::time::{Duration, Instant};

use super::breakers::{Denied, DeniedRead, Probed, judge_probe};
use super::lane::{Proof, Purpose};
use super::open::Acknowledged;
use super::state::State;
use super::verdict::{Doubt, Verdict, cause, judge};
use super::verify::{Context, Doubtful, Finding};
use super::worker::{Answer, Job, Shown, Signal};
use crate::event::StopReason;
use crate::houston::{Failure, Fault};
use crate::outcome::{Cause, Code, Status, StatusKind};
use crate::plan::finding::{Ground, finding, gone};
use crate::plan::{Action, ReplaceStep};
use crate::present::members::{InvitesSeen, Reading};

impl State<'_> {
    /// Takes in what a worker reports.
    pub fn handle(&mut self, signal: Signal) {
        match signal {
            Signal::Answered { operation, result, elapsed } => self.answered(operation, result, elapsed),
            Signal::Released { operation } => self.hand_back(operation),
            Signal::Read { lane, operations, result, began } => {
                self.was_read(lane, &operations, result, began);
            }
            Signal::Probed(result) => self.probed(judge_probe(&result)),
            Signal::Lost(job) => self.lost(&job),
        }
    }

    fn answered(&mut self, operation: usize, result: Result<Answer, Failure>, elapsed: Duration) {
        let lane = self.lane_of(operation);
        self.lanes[lane].came_back();
        self.lanes.wake(lane);
        let attempts = match &result {
            Ok(Answer::Done { attempts } | Answer::NothingThere { attempts }) => *attempts,
            Err(failure) => failure.attempts,
        };
        self.unfinished.came_back(operation, attempts, elapsed);
        match result {
            Ok(Answer::Done { .. }) if self.step_of(operation) == Some(ReplaceStep::Remove) => {
                self.prove_removal(lane, operation);
            }
            Ok(Answer::Done { .. }) => self.acknowledged(lane, operation),
            Ok(Answer::NothingThere { .. }) => self.doubt(lane, operation, Doubt::Gone, gone()),
            Err(failure) => self.failed(lane, operation, &failure.fault),
        }
    }

    /// Houston acknowledged the removal of a person whom the run adds again. A read must show it first.
    fn prove_removal(&mut self, lane: usize, operation: usize) {
        let cause = Cause::new(
            Code::NotReadBack,
            "Houston acknowledged the removal, but the member list still shows the person",
        );
        let now = self.now();
        let sends = self.unfinished.doubt(operation, true, &cause);
        self.books.tally.doubtful += 1;
        self.lanes[lane].doubts().push(operation, sends, Doubt::Unproved, cause, now);
    }

    fn acknowledged(&mut self, lane: usize, operation: usize) {
        let row = self.item_of(operation);
        self.books.acknowledged(row, self.now());
        let sends = self.unfinished.remove(operation);
        let (attempts, elapsed) =
            sends.map_or((1, Duration::ZERO), |sends| (sends.attempts, sends.elapsed.unwrap_or_default()));
        self.lanes[lane].acknowledged(Acknowledged::new(operation, attempts, elapsed));
        self.release_person(operation);
        self.breakers.acknowledged();
        self.books.tally.unproven += 1;
        self.count_error(false);
        self.books.announce_acknowledged(row);
    }

    fn failed(&mut self, lane: usize, operation: usize, fault: &Fault) {
        if let Some(cause) = self.breakers.learn(fault) {
            self.stop(StopReason::TargetUnusable, Some(cause));
        }
        let cause = cause(fault);
        let is_removing = self.step_of(operation) == Some(ReplaceStep::Remove);
        match judge(fault, self.settings.max_wait) {
            // A server may say anything about an account that is already gone.
            Verdict::End(Status::Rejected) if is_removing => {
                self.doubt(lane, operation, Doubt::Refused, cause);
            }
            Verdict::CloseWorkspace if is_removing => self.doubt(lane, operation, Doubt::Denied, cause),
            Verdict::Verify(doubt) => self.doubt(lane, operation, doubt, cause),
            Verdict::Release => self.take_back(operation),
            Verdict::End(Status::GaveUp) => self.exhausted(lane, operation, &cause),
            Verdict::End(status) => {
                if !self.doubt_refusal(lane, operation, &cause) {
                    self.conclude(operation, status, Some(cause));
                }
            }
            Verdict::CloseWorkspace => self.denied(lane, operation, cause),
            Verdict::StopRun(reason) => {
                self.take_back(operation);
                self.stop(reason, Some(cause));
            }
        }
        if let Some(cause) = self.breakers.refused(fault, lane, self.email_of(operation)) {
            self.stop(StopReason::TargetUnusable, Some(cause));
        }
    }

    /// Houston denied a mutation: nothing is begun in its workspace before the caller is known.
    fn denied(&mut self, lane: usize, operation: usize, cause: Cause) {
        self.lanes[lane].pause();
        if self.breakers.deny(operation, cause) {
            self.channels.give(Job::Probe);
        }
    }

    fn doubt(&mut self, lane: usize, operation: usize, doubt: Doubt, cause: Cause) {
        let now = self.now();
        let sends = self.unfinished.doubt(operation, doubt == Doubt::Effect, &cause);
        self.books.doubtful(self.item_of(operation), &cause);
        self.lanes[lane].doubts().push(operation, sends, doubt, cause, now);
    }

    /// A permanent refusal says nothing about an earlier try without an answer: the run keeps looking for
    /// that one as long as it may take effect. False if there was none.
    pub fn doubt_refusal(&mut self, lane: usize, operation: usize, cause: &Cause) -> bool {
        let ours = self.unfinished.is_ours(operation);
        if ours {
            self.doubt(lane, operation, Doubt::Refused, cause.clone());
        }
        ours
    }

    /// A row that exhausted its tries: it ends here, or waits for a last chance.
    fn exhausted(&mut self, lane: usize, operation: usize, cause: &Cause) {
        let is_alive = self.is_alive();
        if self.breakers.are_tripped() {
            // Nothing was done, and nothing more is tried: a later run continues.
            self.take_back(operation);
        } else if self.lanes[lane].exhausted(operation, cause, is_alive) {
            // The last chance is a second allowance: with 30 % of the writes failing, one of
            // two hundred rows would still be lost after the first.
            self.unfinished.allow_more(operation, cause);
            self.release_person(operation);
            self.count_error(true);
        } else {
            self.conclude(operation, Status::GaveUp, Some(cause.clone()));
            self.canary_failed(lane, cause);
        }
    }

    /// Whether Houston has accepted anything in this run.
    fn is_alive(&self) -> bool {
        self.books.tally.unproven > 0 || self.books.tally.of_kind(StatusKind::Changed) > 0
    }

    fn was_read(
        &mut self,
        lane: usize,
        operations: &[u32],
        result: Result<Box<Shown>, Fault>,
        began: Instant,
    ) {
        let purpose = self.lanes[lane].read_came_back();
        self.lanes.wake(lane);
        match (result, purpose) {
            (Ok(shown), Some(Purpose::Verify)) => self.verified(lane, operations, &shown, began),
            (Ok(shown), Some(Purpose::Prove)) => self.proved(lane, &shown.reading),
            (Ok(shown), Some(Purpose::CountAdmins)) => {
                self.proved(lane, &shown.reading);
                self.judge_demotions(lane, shown.reading.admins.as_ref());
            }
            (Err(fault), Some(purpose)) => self.could_not_read(lane, &fault, purpose),
            (_, None) => {}
        }
    }

    fn verified(&mut self, lane: usize, operations: &[u32], shown: &Shown, began: Instant) {
        let operations = operations.iter().map(|&operation| operation as usize);
        for (operation, &seen) in operations.zip(&shown.reading.memberships) {
            let Some(doubtful) = self.lanes[lane].resolve(operation) else { continue };
            self.books.tally.doubtful -= 1;
            let context = self.context_of(operation, shown);
            let repeats = context.repeats;
            match doubtful.judge(seen, began, context) {
                Finding::Removed => self.add_again(lane, operation),
                Finding::Done(Status::Rejected, Some(cause)) if doubtful.doubt == Doubt::Denied => {
                    self.denied(lane, operation, cause);
                }
                Finding::Done(status, cause) => {
                    self.lanes[lane].seen();
                    let end = self.as_second_row(operation, &shown.reading, status);
                    let (status, cause) = end.unwrap_or((status, cause));
                    self.conclude(operation, status, cause);
                }
                Finding::SendAgain => self.send_again(lane, operation, doubtful),
                Finding::Wait => {
                    self.books.tally.doubtful += 1;
                    self.lanes[lane].doubts().put_back(doubtful, began, repeats);
                }
            }
        }
    }

    fn context_of(&self, operation: usize, shown: &Shown) -> Context {
        let is_removed = self.unfinished.is_removed(operation);
        Context {
            scope: self.scope_of(operation),
            action: self.planned(operation).action,
            settle: self.settings.settle,
            repeats: self.repeats_of(operation),
            // If a person is back after this run removed them, this run added them, as far as it can know.
            ours: is_removed || self.unfinished.is_ours(operation),
            accounts: shown.accounts.get(&self.item_of(operation)).copied(),
        }
    }

    /// The accounts of a person who is replaced are gone: the person is added, before anything else is sent.
    fn add_again(&mut self, lane: usize, operation: usize) {
        self.unfinished.removed(operation);
        if self.breakers.are_tripped() {
            self.leave(operation);
            self.release_person(operation);
        } else {
            let stage = self.stage_of(operation);
            self.lanes[lane].send_next(operation, stage);
        }
    }

    /// Sends a write that took no effect again, as often as `--retries` allows.
    fn send_again(&mut self, lane: usize, operation: usize, doubtful: Doubtful) {
        let (sends, attempts) =
            self.unfinished.get(operation).map_or((0, 0), |sends| (sends.tries, sends.of_this_write()));
        if self.breakers.are_tripped() {
            self.conclude(operation, Status::GaveUp, Some(doubtful.cause));
        } else if sends > self.settings.retries {
            let times = if attempts == 1 { "once".to_owned() } else { format!("{attempts} times") };
            let text = format!("sent {times} without effect; last error: {}", doubtful.cause.text);
            self.exhausted(lane, operation, &Cause { code: doubtful.cause.code, text });
        } else {
            let stage = self.stage_of(operation);
            if self.lanes[lane].send_again(operation, stage) {
                return;
            }
            // An earlier leg sent it and its turn has not come yet: nothing waits for it.
            self.release_person(operation);
        }
    }

    fn proved(&mut self, lane: usize, reading: &Reading) {
        let mut unproven = self.lanes[lane].unproven();
        // Nothing is acknowledged while a proof is read; if it were, the next proof would show it.
        let mut missing = unproven.split_off(unproven.len().min(reading.memberships.len()));
        for (acknowledged, &seen) in unproven.into_iter().zip(&reading.memberships) {
            let action = self.planned(acknowledged.operation()).action;
            let is_add = matches!(action, Action::Add(_));
            match finding(self.scope_of(acknowledged.operation()), action, seen, Ground::Ours).end() {
                Some((status, cause)) => {
                    self.lanes[lane].seen();
                    self.prove(&acknowledged, status, cause);
                }
                None if is_add && reading.invites == InvitesSeen::Refused => {
                    self.lanes[lane].seen();
                    let cause = Cause::new(
                        Code::InvitesUnseen,
                        "Houston acknowledged the add, but the person is not a member; this token cannot see invitations",
                    );
                    self.prove(&acknowledged, Status::Invited, Some(cause));
                }
                None => missing.push(acknowledged),
            }
        }
        let now = self.now();
        if let Proof::Missing(missing) = self.lanes[lane].proof_missed(missing, now) {
            let cause = Cause::new(
                Code::NotThere,
                "Houston acknowledged the change, but the member list does not show it",
            );
            self.unproven(lane, missing, &cause);
        }
    }

    /// An acknowledged write was read back, with the expected result or another one.
    fn prove(&mut self, acknowledged: &Acknowledged, status: Status, cause: Option<Cause>) {
        self.books.tally.unproven -= 1;
        self.finish_acknowledged(acknowledged, status, cause);
    }

    fn could_not_read(&mut self, lane: usize, fault: &Fault, purpose: Purpose) {
        if fault.bars_all() {
            self.stop(StopReason::TargetUnusable, Some(cause(fault)));
        }
        match fault {
            Fault::Expired { .. } => self.stop(StopReason::TokenDead, Some(cause(fault))),
            Fault::Denied { .. } if !self.breakers.are_tripped() => {
                return self.denied_read(DeniedRead { lane, purpose, fault: fault.clone() });
            }
            Fault::Denied { .. }
            | Fault::Unsent { .. }
            | Fault::NoAnswer { .. }
            | Fault::Proxy { .. }
            | Fault::Throttled { .. }
            | Fault::Rejected { .. }
            | Fault::Already { .. }
            | Fault::Schema { .. }
            | Fault::Internal { .. }
            | Fault::Malformed { .. } => {}
        }
        self.stays_unread(lane, fault, purpose);
    }

    /// Houston denied a read: what was to be read waits until the caller is known.
    fn denied_read(&mut self, read: DeniedRead) {
        self.lanes[read.lane].pause();
        if self.breakers.deny_read(read) {
            self.channels.give(Job::Probe);
        }
    }

    /// A workspace could not be read, and that is not the token's fault.
    fn stays_unread(&mut self, lane: usize, fault: &Fault, purpose: Purpose) {
        let now = self.now();
        match purpose {
            Purpose::Verify => {
                if self.lanes[lane].doubts().read_failed(now) {
                    return;
                }
                for doubtful in self.lanes[lane].doubts().drain() {
                    self.books.tally.doubtful -= 1;
                    let text = format!("{}; and the workspace cannot be read: {fault}", doubtful.cause.text);
                    let cause = Cause::new(Code::Unreadable, text);
                    self.conclude(doubtful.operation, Status::InDoubt, Some(cause.clone()));
                    self.canary_failed(lane, &cause);
                }
            }
            Purpose::Prove | Purpose::CountAdmins => {
                if let Proof::Missing(missing) = self.lanes[lane].proof_failed(now) {
                    let text = format!("acknowledged by Houston, but the workspace cannot be read: {fault}");
                    self.unproven(lane, missing, &Cause::new(Code::NotReadBack, text));
                    if purpose == Purpose::CountAdmins {
                        self.leave_admins(lane, fault);
                    }
                }
            }
        }
    }

    /// Acknowledged writes remain unproven. If they were the canary, the rest is not sent.
    fn unproven(&mut self, lane: usize, writes: Vec<Acknowledged>, cause: &Cause) {
        for acknowledged in writes {
            self.books.tally.unproven -= 1;
            self.finish_acknowledged(&acknowledged, Status::InDoubt, Some(cause.clone()));
            self.count_error(true);
        }
        self.canary_failed(lane, cause);
    }

    /// A first row of a workspace failed: the others are not sent.
    fn canary_failed(&mut self, lane: usize, cause: &Cause) {
        if self.lanes[lane].is_canary_out() {
            let text = format!("not sent because the first row failed: {}", cause.text);
            self.close_workspace(lane, &Cause::new(Code::CanaryFailed, text));
        }
    }

    /// The probe for the caller has ended, so the denied mutations can be interpreted.
    fn probed(&mut self, probed: Probed) {
        self.breakers.note_probe(probed);
        for DeniedRead { lane, purpose, fault } in self.breakers.take_denied_reads() {
            self.lanes[lane].go_on();
            self.lanes.wake(lane);
            match probed {
                Probed::TokenDead => self.stop(StopReason::TokenDead, Some(cause(&fault))),
                Probed::WorkspaceClosed | Probed::Unclear => self.stays_unread(lane, &fault, purpose),
            }
        }
        for Denied { operation, cause: denial } in self.breakers.take_denied() {
            let lane = self.lane_of(operation);
            self.lanes[lane].go_on();
            self.lanes.wake(lane);
            match probed {
                Probed::WorkspaceClosed => {
                    let cause = Cause::new(Code::WorkspaceDenied, denial.text);
                    self.conclude_unsent(operation, cause.clone());
                    if self.lanes[lane].closed().is_none() {
                        self.close_workspace(lane, &cause);
                    }
                }
                Probed::TokenDead => {
                    self.take_back(operation);
                    self.stop(StopReason::TokenDead, Some(denial));
                }
                Probed::Unclear => self.conclude(operation, Status::GaveUp, Some(denial)),
            }
        }
    }

    /// Nothing more is sent to this workspace.
    fn close_workspace(&mut self, lane: usize, cause: &Cause) {
        let rows = self.lanes[lane].close(cause.clone());
        self.books.workspace_closed(self.workspace_of(lane), cause, rows.len());
        for operation in rows {
            self.conclude_unsent(operation, cause.clone());
        }
    }

    /// A worker died over this job.
    fn lost(&mut self, job: &Job) {
        let cause = Cause::new(Code::WorkerLost, "internal error while waiting for the answer");
        match *job {
            Job::Send { operation, .. } => {
                let lane = self.lane_of(operation);
                self.lanes[lane].came_back();
                self.lanes.wake(lane);
                self.doubt(lane, operation, Doubt::Effect, cause);
            }
            Job::Read { lane, .. } => {
                if let Some(purpose) = self.lanes[lane].read_came_back() {
                    let fault = Fault::Malformed { text: cause.text };
                    self.could_not_read(lane, &fault, purpose);
                }
                self.lanes.wake(lane);
            }
            Job::Probe => self.probed(Probed::Unclear),
        }
    }
}
