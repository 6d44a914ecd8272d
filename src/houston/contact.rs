//! How long to wait for a target that has never answered this process.
//!
//! Main types: [`Contact`], which remembers whether anything was answered, and [`FirstContact`],
//! the lowest transport but one, which ends the tries when the time is over. This reports a
//! mistyped address soon, while the wait for a Houston that becomes unavailable later is longer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::fault::{Fault, NoAnswerCause, UnsentCause};
use super::transport::{Answer, Failure, Request, Transport};
use crate::time::Clock;

/// The longest wait for a target that has never answered.
pub const LONGEST: Duration = Duration::from_secs(30);

/// Whether a target has answered this process. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Contact(Arc<State>);

struct State {
    clock: Arc<dyn Clock>,
    limit: Duration,
    has_answered: AtomicBool,
    tries: Mutex<Tries>,
}

/// What is known before the first answer.
#[derive(Default)]
struct Tries {
    since: Option<Instant>,
    last: Option<Fault>,
}

impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contact").field("left", &self.left()).finish_non_exhaustive()
    }
}

impl Contact {
    /// None yet; it is tried for `max_wait`, at most [`LONGEST`], from the first request on.
    pub fn new(max_wait: Duration, clock: Arc<dyn Clock>) -> Self {
        let limit = max_wait.min(LONGEST);
        let has_answered = AtomicBool::new(false);
        Self(Arc::new(State { clock, limit, has_answered, tries: Mutex::default() }))
    }

    /// How long it is tried in all.
    pub fn limit(&self) -> Duration {
        self.0.limit
    }

    /// How much longer it is tried; `None` once something has answered.
    pub fn left(&self) -> Option<Duration> {
        if self.0.has_answered.load(Ordering::Relaxed) {
            return None;
        }
        let tries = self.0.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = tries.since.map(|since| self.0.clock.now().saturating_duration_since(since));
        Some(self.0.limit.saturating_sub(passed.unwrap_or_default()))
    }

    /// How long the next try may take; `None` where there must be none. The first one may always
    /// take as long as any: a Houston that is slow is not away.
    fn next_try(&self) -> Option<Duration> {
        let mut tries = self.0.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.0.clock.now();
        let is_first = tries.last.is_none();
        let passed = now.saturating_duration_since(*tries.since.get_or_insert(now));
        (is_first || passed < self.0.limit).then(|| LONGEST.saturating_sub(passed))
    }

    fn note(&self, result: &Result<Answer, Failure>) {
        match result.as_ref().map_err(|failure| &failure.fault) {
            Err(fault @ (Fault::Unsent { .. } | Fault::NoAnswer { .. })) => {
                let mut tries = self.0.tries.lock().unwrap_or_else(PoisonError::into_inner);
                // A try that the deadline cut short says less than the one before.
                let is_cut = matches!(fault, Fault::NoAnswer { cause: NoAnswerCause::Timeout, .. });
                if !is_cut || tries.last.is_none() {
                    tries.last = Some(fault.clone());
                }
            }
            Ok(_) | Err(_) => self.0.has_answered.store(true, Ordering::Relaxed),
        }
    }

    /// Why tries have stopped.
    fn over(&self) -> Fault {
        let tries = self.0.tries.lock().unwrap_or_else(PoisonError::into_inner);
        match &tries.last {
            Some(Fault::Unsent { cause: cause @ UnsentCause::Connect, text }) => {
                let passed = tries.since.map(|since| self.0.clock.now().saturating_duration_since(since));
                let why = format!("{cause}: {text}");
                Fault::away(&why, passed.unwrap_or_default())
            }
            Some(fault) => fault.clone(),
            None => Fault::unsent(UnsentCause::Away, "no answer yet"),
        }
    }
}

/// Ends the tries of a transport that has never got an answer.
pub struct FirstContact<T> {
    inner: T,
    contact: Contact,
}

impl<T> FirstContact<T> {
    /// Wraps a transport.
    pub fn new(inner: T, contact: Contact) -> Self {
        Self { inner, contact }
    }
}

impl<T: Transport> Transport for FirstContact<T> {
    fn send(&self, request: &Request) -> Result<Answer, Failure> {
        if self.contact.left().is_none() {
            return self.inner.send(request);
        }
        let Some(most) = self.contact.next_try() else {
            return Err(Failure { fault: self.contact.over(), attempts: 0 });
        };
        let timeout = request.timeout.map_or(most, |timeout| timeout.min(most));
        let result = self.inner.send(&Request { timeout: Some(timeout), ..request.clone() });
        self.contact.note(&result);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::houston::scripted::{Scripted, request};
    use crate::houston::transport::Kind;
    use crate::outcome::Code;
    use crate::time::{Cancel, ManualClock};

    fn contact(max_wait: u64) -> (Contact, ManualClock) {
        let clock = ManualClock::default();
        (Contact::new(Duration::from_secs(max_wait), Arc::new(clock.clone())), clock)
    }

    fn pass(clock: &ManualClock, seconds: u64) {
        clock.wait(Duration::from_secs(seconds), &Cancel::new());
    }

    #[test]
    fn who_never_answered_is_tried_for_half_a_minute() {
        for (max_wait, limit) in [(300, 30), (30, 30), (7, 7)] {
            for (fault, code) in [
                (Fault::unsent(UnsentCause::Connect, "refused"), Code::Away),
                (Fault::unsent(UnsentCause::Name, ""), Code::NameNotResolved),
                (Fault::no_answer(NoAnswerCause::BadGateway, ""), Code::BadGateway),
                (Fault::no_answer(NoAnswerCause::Timeout, ""), Code::Timeout),
            ] {
                let (contact, clock) = contact(max_wait);
                let transport =
                    FirstContact::new(Scripted::new(move |_, _| Err(fault.clone())), contact.clone());
                pass(&clock, 1000);
                assert_eq!(contact.left(), Some(Duration::from_secs(limit)), "it begins with a request");
                assert_eq!(transport.send(&request(Kind::Read)).unwrap_err().attempts, 1);
                pass(&clock, limit - 1);
                assert_eq!(transport.send(&request(Kind::Read)).unwrap_err().attempts, 1);
                pass(&clock, 1);
                let failure = transport.send(&request(Kind::Read)).unwrap_err();
                assert_eq!((failure.fault.code(), failure.attempts), (code, 0));
                assert_eq!(transport.inner.sent(), 2);
            }
        }
    }

    #[test]
    fn a_slow_target_is_not_taken_for_one_that_is_away() {
        for max_wait in [0, 1] {
            let (contact, _) = contact(max_wait);
            assert_eq!(contact.next_try(), Some(LONGEST));
            let transport = FirstContact::new(Scripted::answering(r#"{"data":{}}"#), contact);
            assert!(transport.send(&request(Kind::Read)).is_ok());
        }
        let (contact, clock) = contact(2);
        contact.note(&Err(Failure { fault: Fault::unsent(UnsentCause::Connect, ""), attempts: 1 }));
        assert_eq!(contact.next_try(), Some(LONGEST));
        pass(&clock, 1);
        assert_eq!(contact.next_try(), Some(Duration::from_secs(29)));
        pass(&clock, 1);
        assert_eq!(contact.next_try(), None);
    }

    #[test]
    fn who_answered_once_has_no_limit() {
        let (contact, clock) = contact(300);
        let inner = Scripted::new(|number, _| match number {
            1 => Ok((200, r#"{"data":{}}"#.to_owned())),
            _ => Err(Fault::unsent(UnsentCause::Connect, "refused")),
        });
        let transport = FirstContact::new(inner, contact.clone());
        for number in 0..20 {
            assert_eq!(transport.send(&request(Kind::Read)).is_ok(), number == 1);
            assert_eq!(contact.left().is_none(), number > 0);
            pass(&clock, 20);
        }
        assert_eq!(transport.inner.sent(), 20);
    }
}
