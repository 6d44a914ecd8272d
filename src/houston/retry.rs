//! Repeats requests where that is safe.
//!
//! Main type: [`Retrying`]. Reads are repeated after every transient fault; writes only where
//! it is certain that nothing was done. It never looks inside a request, and every repeat passes
//! the transport below, so that the pace holds for repeats too.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use super::answer::fault_in;
use super::fault::{Effect, Fault, UnsentCause};
use super::transport::{Answer, Budget, Failure, Kind, Request, Transport};
use crate::time::{Cancel, Clock, Waited};

/// The longest wait before the first repeat; it doubles with each.
pub const BASE: Duration = Duration::from_millis(250);
/// The longest wait before any repeat, unless the other side asks for more.
pub const CAP: Duration = Duration::from_secs(10);

/// An unresolved name is asked for again this often: resolvers hiccup, typing errors do not.
const NAME_RETRIES: u32 = 1;

/// How often and how patiently a request is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Repeats of one request.
    pub retries: u32,
    /// The longest `Retry-After` that is obeyed; a longer one is given back at once.
    pub max_wait: Duration,
}

/// Repeats the requests of a transport.
pub struct Retrying<T> {
    inner: T,
    policy: RetryPolicy,
    budget: Arc<RetryBudget>,
    clock: Arc<dyn Clock>,
    cancel: Cancel,
    observer: Option<Arc<Observer>>,
}

/// Hears of every try that failed, from any thread.
pub type Observer = dyn Fn(&FailedAttempt<'_>) + Send + Sync;

/// One try of a request that failed.
#[derive(Debug, Clone, Copy)]
pub struct FailedAttempt<'a> {
    /// The operation.
    pub operation: &'static str,
    /// Which try, from 1.
    pub number: u32,
    /// What went wrong.
    pub fault: &'a Fault,
    /// After which time it is sent again; none if it is not.
    pub again_in: Option<Duration>,
}

impl<T: std::fmt::Debug> std::fmt::Debug for Retrying<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Retrying")
            .field("inner", &self.inner)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// What all repeats together may cost: every request pays in half a repeat, up to a limit. A server
/// where less than a third of the requests fail never empties it; a dying one gets one and a half
/// times its requests, not five times.
#[derive(Debug)]
pub struct RetryBudget {
    /// In halves of a repeat.
    tokens: AtomicI64,
    repeats: AtomicU64,
    refused: AtomicU64,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { tokens: AtomicI64::new(Self::START), repeats: AtomicU64::new(0), refused: AtomicU64::new(0) }
    }
}

impl RetryBudget {
    const START: i64 = 64;
    const MOST: i64 = 256;
    const PRICE: i64 = 2;

    /// Requests that were sent again so far, also those that cost nothing.
    pub fn repeats(&self) -> u64 {
        self.repeats.load(Ordering::Relaxed)
    }

    /// Repeats that were not made since there was nothing left to pay them with.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Whether it has less than the price of a repeat.
    pub fn is_empty(&self) -> bool {
        self.tokens.load(Ordering::Relaxed) < Self::PRICE
    }

    fn pay_in(&self) {
        if self.tokens.load(Ordering::Relaxed) < Self::MOST {
            self.tokens.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn pay(&self) -> bool {
        let take = |tokens| (tokens >= Self::PRICE).then(|| tokens - Self::PRICE);
        let is_paid = self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
        self.refused.fetch_add(u64::from(!is_paid), Ordering::Relaxed);
        is_paid
    }
}

impl<T> Retrying<T> {
    /// Repeats by this policy, waiting on this clock until `cancel` is pulled.
    pub fn new(inner: T, policy: RetryPolicy, clock: Arc<dyn Clock>, cancel: Cancel) -> Self {
        Self { inner, policy, budget: Arc::default(), clock, cancel, observer: None }
    }

    /// Takes the price of repeats out of this budget instead of one of its own.
    #[must_use]
    pub fn with_budget(mut self, budget: Arc<RetryBudget>) -> Self {
        self.budget = budget;
        self
    }

    /// Lets this observer hear of every try that failed.
    #[must_use]
    pub fn observed(mut self, observer: Option<Arc<Observer>>) -> Self {
        self.observer = observer;
        self
    }

    fn observe(&self, request: &Request, repeat: u32, fault: &Fault, again_in: Option<Duration>) {
        let attempt = FailedAttempt { operation: request.operation, number: repeat + 1, fault, again_in };
        self.observer.iter().for_each(|observer| observer(&attempt));
    }

    /// How long to wait before this repeat (the first is 0); `None` where it must not be made.
    fn wait_before(&self, request: &Request, fault: &Fault, repeat: u32) -> Option<Duration> {
        if repeat >= self.policy.retries.min(most_repeats(fault)) || !may_repeat(request.kind, fault) {
            return None;
        }
        let asked = fault.retry_after().unwrap_or_default();
        if asked > self.policy.max_wait {
            return None;
        }
        if request.budget == Budget::Shared && !self.budget.pay() {
            return None;
        }
        let ceiling = CAP.min(BASE.saturating_mul(1 << repeat.min(16)));
        Some(asked + ceiling.mul_f64(fastrand::f64()))
    }
}

impl<T: Transport> Transport for Retrying<T> {
    fn send(&self, request: &Request) -> Result<Answer, Failure> {
        self.budget.pay_in();
        let mut attempts = 0;
        let mut repeat = 0;
        loop {
            let result = self.inner.send(request);
            let (fault, result) = match result {
                Ok(answer) => {
                    attempts += answer.attempts;
                    let fault = fault_in(&answer.body, answer.status);
                    (fault, Ok(Answer { attempts, ..answer }))
                }
                Err(failure) => {
                    attempts += failure.attempts;
                    (Some(failure.fault.clone()), Err(Failure { attempts, ..failure }))
                }
            };
            let Some(fault) = fault else { return result };
            let wait = self.wait_before(request, &fault, repeat);
            self.observe(request, repeat, &fault, wait);
            let Some(wait) = wait else { return result };
            if self.clock.wait(wait, &self.cancel) == Waited::CutShort {
                return result;
            }
            self.budget.repeats.fetch_add(1, Ordering::Relaxed);
            repeat += 1;
        }
    }
}

/// Whether the same request may be sent again after this fault.
fn may_repeat(kind: Kind, fault: &Fault) -> bool {
    match kind {
        Kind::Write => fault.effect() == Effect::None && is_passing(fault),
        Kind::Read => is_passing(fault),
        Kind::Once => false,
    }
}

/// Whether a fault may be temporary.
fn is_passing(fault: &Fault) -> bool {
    match fault {
        Fault::Unsent { cause, .. } => match cause {
            UnsentCause::Name | UnsentCause::Connect | UnsentCause::Proxy => true,
            UnsentCause::Tls
            | UnsentCause::ProxyRefused
            | UnsentCause::ProxyCredentials
            | UnsentCause::Environment
            | UnsentCause::Authorities
            | UnsentCause::Away
            | UnsentCause::Cancelled
            | UnsentCause::Body
            | UnsentCause::ReadOnly => false,
        },
        Fault::NoAnswer { .. } | Fault::Throttled { .. } | Fault::Internal { .. } => true,
        // A 403 may come after the work was done, but it says the same when it is asked for again.
        Fault::Proxy { status, .. } => {
            *status != 403 && fault.effect() == Effect::Unknown && !fault.bars_all()
        }
        Fault::Denied { .. }
        | Fault::Expired { .. }
        | Fault::Rejected { .. }
        | Fault::Already { .. }
        | Fault::Schema { .. }
        | Fault::Malformed { .. } => false,
    }
}

fn most_repeats(fault: &Fault) -> u32 {
    if matches!(fault, Fault::Unsent { cause: UnsentCause::Name, .. }) { NAME_RETRIES } else { u32::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::houston::fault::{AlreadyKind, NoAnswerCause, RejectedKind};
    use crate::houston::scripted::{Scripted, request};
    use crate::outcome::Code;
    use crate::time::ManualClock;

    const POLICY: RetryPolicy = RetryPolicy { retries: 4, max_wait: Duration::from_secs(300) };

    fn retrying(fault: Fault) -> (Retrying<Scripted>, ManualClock) {
        let clock = ManualClock::default();
        let inner = Scripted::new(move |_, _| Err(fault.clone()));
        (Retrying::new(inner, POLICY, Arc::new(clock.clone()), Cancel::new()), clock)
    }

    fn text() -> String {
        String::new()
    }

    #[test]
    fn what_is_repeated_depends_on_the_fault_and_on_whether_it_is_a_write() {
        let no_answer = |cause| Fault::no_answer(cause, "");
        let rows = [
            (Fault::unsent(UnsentCause::Connect, ""), 5, 5),
            (Fault::unsent(UnsentCause::Proxy, ""), 5, 5),
            (Fault::unsent(UnsentCause::Name, ""), 2, 2),
            (Fault::unsent(UnsentCause::Tls, ""), 1, 1),
            (Fault::unsent(UnsentCause::ProxyRefused, ""), 1, 1),
            (Fault::unsent(UnsentCause::ProxyCredentials, ""), 1, 1),
            (Fault::unsent(UnsentCause::Environment, ""), 1, 1),
            (Fault::Proxy { status: 401, text: String::new() }, 1, 1),
            (Fault::Proxy { status: 403, text: String::new() }, 1, 1),
            (Fault::Proxy { status: 407, text: String::new() }, 1, 1),
            (Fault::unsent(UnsentCause::Cancelled, ""), 1, 1),
            (Fault::unsent(UnsentCause::Body, ""), 1, 1),
            (Fault::Throttled { retry_after: None }, 5, 5),
            (no_answer(NoAnswerCause::Timeout), 5, 1),
            (no_answer(NoAnswerCause::Reset), 5, 1),
            (no_answer(NoAnswerCause::BadGateway), 5, 1),
            (no_answer(NoAnswerCause::Unavailable), 5, 1),
            (no_answer(NoAnswerCause::Busy(Duration::from_secs(1))), 5, 1),
            (no_answer(NoAnswerCause::GatewayTimeout), 5, 1),
            (no_answer(NoAnswerCause::Truncated), 5, 1),
            (no_answer(NoAnswerCause::OtherStatus(520)), 5, 1),
            (Fault::Internal { text: text() }, 5, 1),
            (Fault::Proxy { status: 200, text: text() }, 5, 1),
            (Fault::Proxy { status: 302, text: text() }, 1, 1),
            (Fault::Proxy { status: 404, text: text() }, 1, 1),
            (Fault::Proxy { status: 413, text: text() }, 1, 1),
            (Fault::Denied { text: text() }, 1, 1),
            (Fault::Expired { text: text() }, 1, 1),
            (Fault::Schema { subject: None, text: text() }, 1, 1),
            (Fault::Malformed { text: text() }, 1, 1),
            (Fault::Rejected { kind: RejectedKind::Other, text: text() }, 1, 1),
            (Fault::Already { kind: AlreadyKind::Bound, text: text() }, 1, 1),
        ];
        for (fault, reads, writes) in rows {
            for (kind, expected) in [(Kind::Read, reads), (Kind::Write, writes), (Kind::Once, 1)] {
                let (transport, _) = retrying(fault.clone());
                let failure = transport.send(&request(kind)).unwrap_err();
                assert_eq!(failure.attempts, expected, "{kind:?} {fault:?}");
                assert_eq!(transport.inner.sent(), expected as usize);
                assert_eq!(failure.fault, fault);
            }
        }
    }

    #[test]
    fn a_read_that_ends_in_an_internal_error_is_repeated_and_the_last_answer_is_given() {
        let body =
            r#"{"data":null,"errors":[{"message":"x","extensions":{"code":"INTERNAL_SERVER_ERROR"}}]}"#;
        let inner = Scripted::in_turn(&[body, body, r#"{"data":{"a":1}}"#]);
        let transport = Retrying::new(inner, POLICY, Arc::new(ManualClock::default()), Cancel::new());
        let answer = transport.send(&request(Kind::Read)).unwrap();
        assert_eq!((answer.attempts, answer.body.as_slice()), (3, &br#"{"data":{"a":1}}"#[..]));
        let inner = Scripted::answering(body);
        let transport = Retrying::new(inner, POLICY, Arc::new(ManualClock::default()), Cancel::new());
        assert_eq!(transport.send(&request(Kind::Read)).unwrap().attempts, 5);
        assert_eq!(transport.send(&request(Kind::Write)).unwrap().attempts, 1);
    }

    #[test]
    fn waits_are_jittered_and_bounded() {
        let (transport, _) = retrying(Fault::Throttled { retry_after: None });
        let fault = Fault::Throttled { retry_after: None };
        let exempt = Request { budget: Budget::Exempt, ..request(Kind::Read) };
        let patient = Retrying { policy: RetryPolicy { retries: 100, ..POLICY }, ..transport };
        for repeat in [0, 1, 2, 5, 6, 40, 99] {
            let ceiling = CAP.min(BASE.saturating_mul(1 << repeat.min(16)));
            let waits: Vec<_> =
                (0..200).map(|_| patient.wait_before(&exempt, &fault, repeat).unwrap()).collect();
            assert!(waits.iter().all(|wait| *wait <= ceiling), "{repeat}");
            let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
            assert!(*least < ceiling / 4 && *most > ceiling / 4 * 3, "{repeat}: {least:?} to {most:?}");
        }
    }

    #[test]
    fn a_retry_after_is_never_undercut_and_a_too_long_one_is_given_back_at_once() {
        let (transport, clock) = retrying(Fault::Throttled { retry_after: Some(Duration::from_secs(60)) });
        let start = clock.now();
        assert_eq!(transport.send(&request(Kind::Write)).unwrap_err().attempts, 5);
        assert!(clock.now() - start >= Duration::from_secs(240));
        let (transport, clock) = retrying(Fault::Throttled { retry_after: Some(Duration::from_secs(301)) });
        let start = clock.now();
        assert_eq!(transport.send(&request(Kind::Read)).unwrap_err().attempts, 1);
        assert_eq!(clock.now(), start);
    }

    #[test]
    fn a_pulled_cancel_gives_the_fault_back() {
        let cancel = Cancel::new();
        let inner = Scripted::new(|_, _| Err(Fault::no_answer(NoAnswerCause::Reset, "")));
        let transport = Retrying::new(inner, POLICY, Arc::new(ManualClock::default()), cancel.clone());
        cancel.pull();
        let failure = transport.send(&request(Kind::Read)).unwrap_err();
        assert_eq!((failure.fault.code(), failure.attempts), (Code::ConnectionBroken, 1));
    }

    #[test]
    fn a_dying_server_is_not_hammered_but_verification_goes_on() {
        let (transport, _) = retrying(Fault::no_answer(NoAnswerCause::BadGateway, ""));
        for _ in 0..1000 {
            assert!(transport.send(&request(Kind::Read)).is_err());
        }
        assert!((1450..1600).contains(&transport.inner.sent()), "{}", transport.inner.sent());
        let budget = Arc::clone(&transport.budget);
        assert_eq!(budget.repeats(), transport.inner.sent() as u64 - 1000);
        assert!(budget.is_empty() && budget.refused() > 900, "{budget:?}");
        let exempt = Request { budget: Budget::Exempt, ..request(Kind::Read) };
        let before = (budget.repeats(), budget.refused());
        assert_eq!(transport.send(&exempt).unwrap_err().attempts, 5);
        assert_eq!((budget.repeats(), budget.refused()), (before.0 + 4, before.1));
    }

    #[test]
    fn with_three_of_ten_requests_failing_nearly_everything_ends_well() {
        let random = std::sync::Mutex::new(fastrand::Rng::with_seed(7));
        let inner = Scripted::new(move |_, _| {
            let fails = random.lock().unwrap().f64() < 0.3;
            if fails {
                Err(Fault::no_answer(NoAnswerCause::Reset, ""))
            } else {
                Ok((200, r#"{"data":{}}"#.into()))
            }
        });
        let transport = Retrying::new(inner, POLICY, Arc::new(ManualClock::default()), Cancel::new());
        let failed = (0..2000).filter(|_| transport.send(&request(Kind::Read)).is_err()).count();
        // 0.3 to the fifth is 2.4 in a thousand.
        assert!(failed < 15, "{failed}");
    }
}
