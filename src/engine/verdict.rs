//! What to do about the fault of a mutation. Pure: it neither waits nor asks.
//!
//! Main type: [`Verdict`], given by [`judge`]. The transport has used up its retries by then: it
//! retries only what certainly had no effect.

use std::time::Duration;

use crate::event::StopReason;
use crate::houston::{AlreadyKind, Effect, Fault, UnsentCause};
use crate::outcome::{Cause, Status};

/// What follows from a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// This is the row's end.
    End(Status),
    /// The mutation was certainly not applied, and the row is not at fault: it is handed back as not tried.
    Release,
    /// Only Houston knows: read before anything else is done for this person.
    Verify(Doubt),
    /// The workspace may be closed to the caller, or the token dead: asking who the caller is
    /// distinguishes the two.
    CloseWorkspace,
    /// Nothing else can succeed: end the run. The row was not tried.
    StopRun(StopReason),
}

/// What is not known of a mutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// Whether it took effect, and whether it still will.
    Effect,
    /// Which role a person has who is already a member, according to Houston.
    Member,
    /// Which role a person has who is already invited, according to Houston.
    Invited,
    /// Whether an earlier try took effect, or still will: this one was refused permanently.
    Refused,
    /// Whether the person to remove is really absent, as Houston says.
    Gone,
    /// Whether the accounts of a person who is replaced really are gone, as Houston says.
    Unproved,
    /// Whether they are gone already: Houston denied the removal.
    Denied,
}

/// Judges the fault of a mutation. `max_wait` is the longest pause that Houston may ask for.
pub fn judge(fault: &Fault, max_wait: Duration) -> Verdict {
    match fault {
        Fault::Unsent { cause: UnsentCause::Cancelled, .. } => Verdict::Release,
        Fault::Unsent { cause: UnsentCause::Away, .. } => Verdict::StopRun(StopReason::Away),
        Fault::Throttled { retry_after: Some(pause) } if *pause > max_wait => {
            Verdict::StopRun(StopReason::MaxWait)
        }
        Fault::Unsent { .. } if fault.bars_all() => Verdict::StopRun(StopReason::TargetUnusable),
        Fault::Unsent { .. } | Fault::Throttled { .. } => Verdict::End(Status::GaveUp),
        Fault::Proxy { .. } if fault.effect() == Effect::Refused => {
            Verdict::StopRun(StopReason::TargetUnusable)
        }
        Fault::NoAnswer { .. } | Fault::Proxy { .. } | Fault::Internal { .. } | Fault::Malformed { .. } => {
            Verdict::Verify(Doubt::Effect)
        }
        Fault::Already { kind: AlreadyKind::Invited, .. } => Verdict::Verify(Doubt::Invited),
        Fault::Already { .. } => Verdict::Verify(Doubt::Member),
        Fault::Rejected { .. } => Verdict::End(Status::Rejected),
        Fault::Denied { .. } => Verdict::CloseWorkspace,
        Fault::Expired { .. } => Verdict::StopRun(StopReason::TokenDead),
        Fault::Schema { .. } => Verdict::StopRun(StopReason::TargetUnusable),
    }
}

/// A fault as reports may know it.
pub fn cause(fault: &Fault) -> Cause {
    Cause::new(fault.code(), fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::houston::{NoAnswerCause, RejectedKind};

    #[test]
    fn every_fault_of_a_mutation_has_its_verdict() {
        let text = || "as the server put it".to_owned();
        let max_wait = Duration::from_secs(300);
        let throttled =
            |seconds: Option<u64>| Fault::Throttled { retry_after: seconds.map(Duration::from_secs) };
        let no_answer = |cause| Fault::NoAnswer { cause, text: text() };
        let verify = Verdict::Verify(Doubt::Effect);
        let table = [
            (Fault::cancelled(), Verdict::Release),
            (Fault::Unsent { cause: UnsentCause::Name, text: text() }, Verdict::End(Status::GaveUp)),
            (Fault::Unsent { cause: UnsentCause::Connect, text: text() }, Verdict::End(Status::GaveUp)),
            (Fault::Unsent { cause: UnsentCause::Tls, text: text() }, Verdict::End(Status::GaveUp)),
            (throttled(None), Verdict::End(Status::GaveUp)),
            (throttled(Some(300)), Verdict::End(Status::GaveUp)),
            (throttled(Some(301)), Verdict::StopRun(StopReason::MaxWait)),
            (no_answer(NoAnswerCause::Timeout), verify),
            (no_answer(NoAnswerCause::Reset), verify),
            (no_answer(NoAnswerCause::BadGateway), verify),
            (no_answer(NoAnswerCause::Unavailable), verify),
            (no_answer(NoAnswerCause::GatewayTimeout), verify),
            (no_answer(NoAnswerCause::Truncated), verify),
            (Fault::Proxy { status: 200, text: text() }, verify),
            (
                Fault::Unsent { cause: UnsentCause::ProxyRefused, text: text() },
                Verdict::StopRun(StopReason::TargetUnusable),
            ),
            (
                Fault::Unsent { cause: UnsentCause::ProxyCredentials, text: text() },
                Verdict::StopRun(StopReason::TargetUnusable),
            ),
            (Fault::Proxy { status: 401, text: text() }, verify),
            (Fault::Proxy { status: 403, text: text() }, verify),
            (Fault::Proxy { status: 407, text: text() }, verify),
            (Fault::Proxy { status: 302, text: text() }, Verdict::StopRun(StopReason::TargetUnusable)),
            (Fault::Proxy { status: 404, text: text() }, Verdict::StopRun(StopReason::TargetUnusable)),
            (Fault::Proxy { status: 413, text: text() }, Verdict::StopRun(StopReason::TargetUnusable)),
            (Fault::Unsent { cause: UnsentCause::Away, text: text() }, Verdict::StopRun(StopReason::Away)),
            (Fault::Internal { text: text() }, verify),
            (Fault::Malformed { text: text() }, verify),
            (Fault::Already { kind: AlreadyKind::Invited, text: text() }, Verdict::Verify(Doubt::Invited)),
            (Fault::Already { kind: AlreadyKind::Bound, text: text() }, Verdict::Verify(Doubt::Member)),
            (Fault::Rejected { kind: RejectedKind::BadEmail, text: text() }, Verdict::End(Status::Rejected)),
            (Fault::Rejected { kind: RejectedKind::Other, text: text() }, Verdict::End(Status::Rejected)),
            (Fault::Denied { text: text() }, Verdict::CloseWorkspace),
            (Fault::Expired { text: text() }, Verdict::StopRun(StopReason::TokenDead)),
            (
                Fault::Schema { subject: Some("bypassInvite".to_owned()), text: text() },
                Verdict::StopRun(StopReason::TargetUnusable),
            ),
        ];
        for (fault, verdict) in table {
            assert_eq!(judge(&fault, max_wait), verdict, "{fault:?}");
        }
    }
}
