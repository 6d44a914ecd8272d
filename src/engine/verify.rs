//! The doubtful writes of one workspace: mutations whose answer did not come or did not say
//! enough. One shared read answers many of them; a write that is absent may still land, and is
//! sent again only when that is safe.
//!
//! Main type: [`Doubts`]. Pure: it says what is due when, and what a membership means; others
//! read, wait and send.

use std::time::{Duration, Instant};

use super::verdict::Doubt;
use crate::houston::Repeats;
use crate::model::Scope;
use crate::outcome::{Cause, Code, Status};
use crate::plan::finding::{Ground, finding};
use crate::plan::{Action, Membership};

/// A doubtful write is read at first this part of the settle time after its answer failed, so
/// that one read can answer several.
const FIRST_READ: u32 = 16;
/// It is read once more in between, in case it lands early.
const SECOND_READ: u32 = 4;
/// A server that refuses repeats gets the second try after this time, each further one after twice
/// the time before.
const BACK_OFF: Duration = Duration::from_millis(100);
/// Reads of a workspace that may fail in a row before its doubtful writes stay in doubt.
pub const FAILED_READS: u32 = 3;

/// One doubtful write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubtful {
    /// Index of the operation.
    pub operation: usize,
    /// What is not known.
    pub doubt: Doubt,
    /// Why, for the report.
    pub cause: Cause,
    /// When its answer failed.
    since: Instant,
    /// When to read it next.
    due: Instant,
    /// How often it has been read and not found.
    reads: u32,
    /// How often it has been sent.
    sends: u32,
}

/// What a read says about a doubtful write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The row has its end.
    Done(Status, Option<Cause>),
    /// It had no effect, and it is safe to send it again.
    SendAgain,
    /// It is not there yet: read again later.
    Wait,
    /// The removal of a person who is replaced is proved: the add is next.
    Removed,
}

/// What is known of a doubtful write besides what a read shows.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// What its role is about.
    pub scope: Scope,
    /// What it was to do.
    pub action: Action,
    /// How long to wait for a write without an answer.
    pub settle: Duration,
    /// What the server does with a repeat of it.
    pub repeats: Repeats,
    /// Whether a mutation of this run may have made it so.
    pub ours: bool,
    /// What a read shows of the accounts that a replacement removes, while that is its step.
    pub accounts: Option<Accounts>,
}

/// What a read shows of the accounts that a replacement removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accounts {
    /// One of them is still there.
    There,
    /// None of them has taken effect.
    Gone,
}

/// The doubtful writes of one workspace.
#[derive(Debug)]
pub struct Doubts {
    queue: Vec<Doubtful>,
    failed_reads: u32,
    settle: Duration,
}

impl Doubts {
    /// None yet. `settle` is how long to wait for a write without an answer.
    pub fn new(settle: Duration) -> Self {
        Self { queue: Vec::new(), failed_reads: 0, settle }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Takes in a write that has been sent `sends` times.
    pub fn push(&mut self, operation: usize, sends: u32, doubt: Doubt, cause: Cause, now: Instant) {
        let due = now + self.settle / FIRST_READ;
        self.queue.push(Doubtful { operation, doubt, cause, since: now, due, reads: 0, sends });
    }

    /// Takes in a write of an earlier leg of the run that has just been looked for and not found:
    /// it is looked for again once nothing of that leg can still take effect.
    pub fn recall(&mut self, operation: usize, cause: Cause, now: Instant, repeats: Repeats) {
        let (doubt, sends, reads) = (Doubt::Effect, 1, 1);
        let mut doubtful = Doubtful { operation, doubt, cause, since: now, due: now, reads, sends };
        doubtful.due = now + doubtful.patience(self.settle, repeats);
        self.queue.push(doubtful);
    }

    /// When the next read is due.
    pub fn due(&self) -> Option<Instant> {
        self.queue.iter().map(|doubtful| doubtful.due).min()
    }

    /// Whether some write has never been read: with nothing else to do, there is no point in
    /// waiting for company.
    pub fn has_unread(&self) -> bool {
        self.queue.iter().any(|doubtful| doubtful.reads == 0)
    }

    /// The doubtful operations, in the order in which they came.
    pub fn operations(&self) -> impl Iterator<Item = usize> {
        self.queue.iter().map(|doubtful| doubtful.operation)
    }

    /// Takes a write out.
    pub fn remove(&mut self, operation: usize) -> Option<Doubtful> {
        let place = self.queue.iter().position(|doubtful| doubtful.operation == operation)?;
        self.failed_reads = 0;
        Some(self.queue.remove(place))
    }

    /// Takes every write out.
    pub fn drain(&mut self) -> Vec<Doubtful> {
        std::mem::take(&mut self.queue)
    }

    /// A read that began at `read_at` did not show this write: it comes back into the queue, to be
    /// looked for again later.
    pub fn put_back(&mut self, mut doubtful: Doubtful, read_at: Instant, repeats: Repeats) {
        doubtful.reads += 1;
        let patience = doubtful.patience(self.settle, repeats);
        let early = doubtful.since + patience / SECOND_READ;
        let end = doubtful.since + patience;
        doubtful.due = if doubtful.reads == 1 && read_at < early { early } else { end };
        self.queue.push(doubtful);
    }

    /// A read failed: puts off the next one. False when so many failed that nothing can be
    /// verified.
    pub fn read_failed(&mut self, now: Instant) -> bool {
        self.failed_reads += 1;
        for doubtful in &mut self.queue {
            doubtful.due = doubtful.due.max(now + self.settle / SECOND_READ);
            doubtful.reads = doubtful.reads.max(1);
        }
        self.failed_reads < FAILED_READS
    }
}

impl Doubtful {
    /// How long it may still land before it is sent again. A server that refuses repeats is not
    /// waited for, only spared: a little longer after each try.
    fn patience(&self, settle: Duration, repeats: Repeats) -> Duration {
        match repeats {
            // Nothing is sent again that would show what became of it.
            _ if self.doubt == Doubt::Refused => settle,
            Repeats::Refused => settle.min(BACK_OFF * (1 << self.sends.saturating_sub(1).min(6))),
            Repeats::Doubled | Repeats::Unknown => settle,
        }
    }

    /// What a membership, read by a read that began at `read_at`, means for this write.
    pub fn judge(&self, seen: Membership, read_at: Instant, context: Context) -> Finding {
        let Context { scope, action, settle, repeats, ours, accounts } = context;
        match accounts {
            Some(Accounts::There) => return self.judge_removal(read_at, context),
            Some(Accounts::Gone) if seen == Membership::Absent => return Finding::Removed,
            Some(Accounts::Gone) | None => {}
        }
        // During its removal a replacement has added no one: a person who is there was added by others.
        let may_be_ours = ours && accounts.is_none();
        let ground = if may_be_ours { Ground::MaybeOurs } else { Ground::NothingSent };
        match shown(scope, seen, action, ground) {
            done @ Finding::Done(..) => done,
            Finding::SendAgain | Finding::Wait | Finding::Removed => {
                let is_late = read_at >= self.since + self.patience(settle, repeats);
                self.judge_missing(action, is_late, ours)
            }
        }
    }

    /// What follows for a write that a read does not show. `is_late` if it can land no more. Setting a role
    /// or removing a person twice does no harm: unless Houston has refused it for good, it is sent again.
    fn judge_missing(&self, action: Action, is_late: bool, ours: bool) -> Finding {
        let is_add = matches!(action, Action::Add(_) | Action::Replace { .. });
        match self.doubt {
            Doubt::Invited if is_add => Finding::Done(
                if ours { Status::Invited } else { Status::AlreadyInvited },
                Some(Cause::new(
                    Code::RoleUnknown,
                    "Houston reports an invitation, but this token cannot see it",
                )),
            ),
            Doubt::Member | Doubt::Gone | Doubt::Unproved | Doubt::Denied if is_add => {
                let said = &self.cause.text;
                let text =
                    format!("Houston reports \"{said}\", but the member list shows no role for the person");
                Finding::Done(Status::InDoubt, Some(Cause::new(Code::MemberNotSeen, text)))
            }
            Doubt::Refused if is_late => Finding::Done(Status::Rejected, Some(self.cause.clone())),
            Doubt::Effect
            | Doubt::Invited
            | Doubt::Member
            | Doubt::Gone
            | Doubt::Unproved
            | Doubt::Denied
                if is_late =>
            {
                Finding::SendAgain
            }
            Doubt::Effect
            | Doubt::Refused
            | Doubt::Invited
            | Doubt::Member
            | Doubt::Gone
            | Doubt::Unproved
            | Doubt::Denied => Finding::Wait,
        }
    }

    /// What follows for the removal of a replacement while one of its accounts is still there. A refusal
    /// is final once no earlier try can still take effect.
    fn judge_removal(&self, read_at: Instant, context: Context) -> Finding {
        let Context { settle, repeats, ours, .. } = context;
        let is_late = read_at >= self.since + self.patience(settle, repeats);
        match self.doubt {
            Doubt::Refused | Doubt::Denied if is_late || !ours => {
                Finding::Done(Status::Rejected, Some(self.cause.clone()))
            }
            Doubt::Effect | Doubt::Unproved | Doubt::Gone | Doubt::Member | Doubt::Invited if is_late => {
                Finding::SendAgain
            }
            Doubt::Refused
            | Doubt::Denied
            | Doubt::Effect
            | Doubt::Unproved
            | Doubt::Gone
            | Doubt::Member
            | Doubt::Invited => Finding::Wait,
        }
    }
}

/// The end of a row whose mutation of this run is, or may be, what a read shows.
pub fn landed(scope: Scope, seen: Membership, action: Action) -> Finding {
    shown(scope, seen, action, Ground::MaybeOurs)
}

/// What a read shows of a change.
fn shown(scope: Scope, seen: Membership, action: Action, ground: Ground) -> Finding {
    let end = finding(scope, action, seen, ground).end();
    end.map_or(Finding::Wait, |(status, cause)| Finding::Done(status, cause))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Level;
    use crate::plan::{Holder, Standing};
    use Level::{Admin, Editor};

    const SETTLE: Duration = Duration::from_secs(16);

    fn member(role: Level, standing: Standing, bindings: u8) -> Membership {
        Membership::Member { role, bindings, standing }
    }

    fn doubt(doubt: Doubt) -> (Doubts, Instant) {
        let now = Instant::now();
        let mut doubts = Doubts::new(SETTLE);
        doubts.push(0, 1, doubt, Cause::new(Code::Timeout, "no answer"), now);
        (doubts, now)
    }

    fn finding(what: Doubt, seen: Membership, after: Duration, repeats: Repeats, ours: bool) -> Finding {
        let (doubts, now) = doubt(what);
        let (scope, action) = (Scope::Workspace, Action::Add(Editor));
        let context = Context { scope, action, settle: SETTLE, repeats, ours, accounts: None };
        doubts.queue[0].judge(seen, now + after, context)
    }

    #[test]
    fn an_absent_write_is_sent_again_only_when_that_is_safe() {
        let table = [
            (Repeats::Refused, Duration::ZERO, Finding::Wait),
            (Repeats::Refused, BACK_OFF, Finding::SendAgain),
            (Repeats::Doubled, Duration::ZERO, Finding::Wait),
            (Repeats::Unknown, Duration::ZERO, Finding::Wait),
            (Repeats::Doubled, SETTLE * 99 / 100, Finding::Wait),
            (Repeats::Doubled, SETTLE, Finding::SendAgain),
            (Repeats::Unknown, SETTLE, Finding::SendAgain),
        ];
        for (repeats, after, expected) in table {
            let found = finding(Doubt::Effect, Membership::Absent, after, repeats, true);
            assert_eq!(found, expected, "{repeats:?} after {after:?}");
        }
    }

    #[test]
    fn a_refusal_after_an_unanswered_try_holds_when_that_can_land_no_more() {
        for repeats in [Repeats::Refused, Repeats::Doubled] {
            let early = finding(Doubt::Refused, Membership::Absent, SETTLE * 99 / 100, repeats, true);
            assert_eq!(early, Finding::Wait, "{repeats:?}");
            let late = finding(Doubt::Refused, Membership::Absent, SETTLE, repeats, true);
            assert!(matches!(late, Finding::Done(Status::Rejected, _)), "{late:?}");
            let there =
                finding(Doubt::Refused, member(Editor, Standing::Active, 1), Duration::ZERO, repeats, true);
            assert_eq!(there, Finding::Done(Status::Added, None));
        }
    }

    #[test]
    fn what_is_found_settles_the_row() {
        let table = [
            (member(Editor, Standing::Active, 1), true, Status::Added),
            (member(Editor, Standing::Pending, 1), true, Status::Invited),
            (member(Editor, Standing::Active, 1), false, Status::Unchanged),
            (member(Admin, Standing::Active, 1), true, Status::RoleKept),
            (member(Admin, Standing::Active, 1), false, Status::RoleKept),
            (member(Editor, Standing::Active, 2), true, Status::Rejected),
            (Membership::Invited { role: Some(Editor), invites: 1 }, true, Status::Invited),
            (Membership::Invited { role: None, invites: 1 }, true, Status::Invited),
            (Membership::Invited { role: Some(Editor), invites: 1 }, false, Status::AlreadyInvited),
            (Membership::Invited { role: Some(Admin), invites: 1 }, true, Status::AlreadyInvited),
            (Membership::Invited { role: Some(Editor), invites: 2 }, true, Status::Rejected),
        ];
        for (seen, ours, status) in table {
            let found = finding(Doubt::Effect, seen, Duration::ZERO, Repeats::Unknown, ours);
            assert!(matches!(found, Finding::Done(s, _) if s == status), "{seen:?} {ours}: {found:?}");
        }
    }

    #[test]
    fn a_role_is_set_again_while_the_old_one_is_seen_and_nobody_is_added_or_overruled() {
        let member = |role| member(role, Standing::Active, 1);
        let settled = Some;
        let table = [
            (member(Editor), Duration::ZERO, settled(Status::RoleUpdated)),
            (member(Level::Viewer), BACK_OFF, None),
            (member(Admin), Duration::ZERO, settled(Status::RoleKept)),
            (Membership::Absent, SETTLE, settled(Status::Rejected)),
            (
                Membership::Member { role: Editor, bindings: 2, standing: Standing::Active },
                SETTLE,
                settled(Status::Rejected),
            ),
        ];
        let action = Action::SetRole { from: Level::Viewer, to: Editor, holder: Holder::Member };
        let (scope, repeats) = (Scope::Workspace, Repeats::Refused);
        let context = Context { scope, action, settle: SETTLE, repeats, ours: true, accounts: None };
        let (doubts, now) = doubt(Doubt::Effect);
        let judge = |seen, after| doubts.queue[0].judge(seen, now + after, context);
        for (seen, after, expected) in table {
            match judge(seen, after) {
                Finding::Done(status, _) => assert_eq!(Some(status), expected, "{seen:?} after {after:?}"),
                found @ (Finding::SendAgain | Finding::Wait | Finding::Removed) => {
                    assert_eq!((found, expected), (Finding::SendAgain, None), "{seen:?} after {after:?}");
                }
            }
        }
        assert_eq!(judge(member(Level::Viewer), Duration::ZERO), Finding::Wait);
        // A refusal after an unanswered try holds when that can land no more, and is not overruled.
        let (refused, now) = doubt(Doubt::Refused);
        let judge = |seen, after| refused.queue[0].judge(seen, now + after, context);
        assert_eq!(judge(member(Level::Viewer), SETTLE * 99 / 100), Finding::Wait);
        let late = judge(member(Level::Viewer), SETTLE);
        assert!(matches!(late, Finding::Done(Status::Rejected, _)), "{late:?}");
        assert_eq!(judge(member(Editor), Duration::ZERO), Finding::Done(Status::RoleUpdated, None));
    }

    #[test]
    fn the_removal_of_a_replacement_is_proved_by_its_accounts_whatever_houston_said() {
        use Doubt::{Denied, Effect, Gone, Refused, Unproved};
        let there = Membership::Member { role: Editor, bindings: 2, standing: Standing::Active };
        let judge = |what, seen, accounts, after, ours| {
            let (doubts, now) = doubt(what);
            let action = Action::Replace { to: Editor, holder: Holder::Member };
            let (scope, repeats) = (Scope::Workspace, Repeats::Unknown);
            let accounts = Some(accounts);
            let context = Context { scope, action, settle: SETTLE, repeats, ours, accounts };
            doubts.queue[0].judge(seen, now + after, context)
        };
        let is_rejected = |found: &Finding| matches!(found, Finding::Done(Status::Rejected, _));
        for what in [Effect, Refused, Gone, Unproved, Denied] {
            let gone = |seen| judge(what, seen, Accounts::Gone, Duration::ZERO, true);
            assert_eq!(gone(Membership::Absent), Finding::Removed, "{what:?}");
            // Added by another than this run, so that nothing is added twice.
            let by_another = gone(member(Editor, Standing::Active, 1));
            assert!(matches!(by_another, Finding::Done(Status::Unchanged, _)), "{what:?}: {by_another:?}");
            let early = judge(what, there, Accounts::There, Duration::ZERO, true);
            assert_eq!(early, Finding::Wait, "{what:?}");
            let late = judge(what, there, Accounts::There, SETTLE, true);
            let unlisted = judge(what, Membership::Absent, Accounts::There, SETTLE, true);
            assert_eq!(late, unlisted, "{what:?}: what counts is the account");
            let is_refusal = matches!(what, Refused | Denied);
            assert_eq!(is_rejected(&late), is_refusal, "{what:?}: {late:?}");
            assert_eq!(late == Finding::SendAgain, !is_refusal, "{what:?}: {late:?}");
            let first = judge(what, there, Accounts::There, Duration::ZERO, false);
            assert_eq!(is_rejected(&first), is_refusal, "{what:?}: no earlier try can land");
        }
    }

    #[test]
    fn who_is_there_after_the_add_of_a_replacement_was_replaced_once() {
        let replace = Action::Replace { to: Editor, holder: Holder::Member };
        let there = |seen| landed(Scope::Workspace, seen, replace);
        let end = |finding| match finding {
            Finding::Done(status, cause) => Some((status, cause.map(|cause: Cause| cause.code))),
            Finding::SendAgain | Finding::Wait | Finding::Removed => None,
        };
        let table = [
            (Membership::Absent, None),
            (member(Editor, Standing::Active, 1), Some((Status::RoleUpdated, Some(Code::Repaired)))),
            (
                Membership::Invited { role: Some(Editor), invites: 1 },
                Some((Status::Invited, Some(Code::Renewed))),
            ),
            (member(Editor, Standing::Active, 2), Some((Status::Rejected, Some(Code::DuplicateBinding)))),
            (member(Admin, Standing::Active, 1), Some((Status::RoleKept, Some(Code::OtherRole)))),
        ];
        for (seen, expected) in table {
            assert_eq!(end(there(seen)), expected, "{seen:?}");
        }
    }

    #[test]
    fn a_refusal_for_being_there_already_is_never_sent_again() {
        for what in [Doubt::Member, Doubt::Invited] {
            let found = finding(what, Membership::Absent, SETTLE, Repeats::Refused, false);
            assert!(matches!(found, Finding::Done(..)), "{what:?}: {found:?}");
        }
    }

    #[test]
    fn an_absent_write_is_read_three_times_over_the_settle_time() {
        let (mut doubts, now) = doubt(Doubt::Effect);
        let mut due = Vec::new();
        for _ in 0..3 {
            let at = doubts.due().expect("in doubt");
            due.push(at - now);
            let doubtful = doubts.remove(0).expect("in doubt");
            doubts.put_back(doubtful, at, Repeats::Unknown);
        }
        assert_eq!(due, [SETTLE / 16, SETTLE / 4, SETTLE]);
    }

    #[test]
    fn reads_that_fail_again_and_again_are_given_up() {
        let (mut doubts, now) = doubt(Doubt::Effect);
        assert!(doubts.read_failed(now));
        assert_eq!(doubts.due(), Some(now + SETTLE / 4));
        assert!(doubts.read_failed(now));
        assert!(!doubts.read_failed(now));
    }
}
