//! Lets reads wait while Houston is down.
//!
//! Main types: [`OutageWait`], which lets reads wait until Houston answers, and [`Waiting`], which
//! shows others that they do. Writes are never held here: they are the engine's concern. While many
//! requests go unanswered, the pace below holds them all and probes with one.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::contact::Contact;
use super::fault::{Fault, UnsentCause};
use super::pacer::are_you_there;
use super::transport::{Answer, Failure, Kind, Request, Transport};
use crate::time::{Cancel, Clock, Waited};

/// The first pause; each further one is twice as long, up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LAST_PAUSE: Duration = Duration::from_secs(10);
/// A request that goes unanswered although others are answered is given back after this many
/// returns.
const MOST_RETURNS: u32 = 2;

/// Whether, since when and why reads wait. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Waiting {
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<Option<(Instant, String)>>>,
}

impl Waiting {
    /// Nothing waits.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Arc::default() }
    }

    /// How long the reads have waited, and what the last try met; `None` while none waits.
    pub fn now(&self) -> Option<(Duration, String)> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state
            .as_ref()
            .map(|(since, fault)| (self.clock.now().saturating_duration_since(*since), fault.clone()))
    }

    fn begins(&self, fault: &Fault) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let since = state.as_ref().map_or_else(|| self.clock.now(), |(since, _)| *since);
        *state = Some((since, why(fault)));
    }

    fn ends(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Waiting").field(&self.now()).finish()
    }
}

/// Lets reads wait for a Houston that is away.
pub struct OutageWait<T> {
    inner: T,
    max_wait: Duration,
    /// Whether Houston has answered at all; before that it is waited for less long.
    contact: Option<Contact>,
    waiting: Waiting,
    clock: Arc<dyn Clock>,
    cancel: Cancel,
}

impl<T: fmt::Debug> fmt::Debug for OutageWait<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutageWait")
            .field("inner", &self.inner)
            .field("max_wait", &self.max_wait)
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}

impl<T: Transport> OutageWait<T> {
    /// Waits up to `max_wait`, and says so in `waiting`.
    pub fn new(
        inner: T,
        max_wait: Duration,
        waiting: Waiting,
        clock: Arc<dyn Clock>,
        cancel: Cancel,
    ) -> Self {
        Self { inner, max_wait, contact: None, waiting, clock, cancel }
    }

    /// Waits no longer than this allows for a Houston that has never answered.
    #[must_use]
    pub fn with_contact(mut self, contact: Contact) -> Self {
        self.contact = Some(contact);
        self
    }

    /// Whether this may pass by waiting: a typing error in the name, or in that of a proxy, does
    /// not.
    fn is_absence(&self, fault: &Fault) -> bool {
        fault.is_absence()
            && !matches!(fault, Fault::Unsent { cause: UnsentCause::Name | UnsentCause::Proxy, .. })
            && fault.retry_after().is_none_or(|wait| wait <= self.max_wait)
    }

    /// Waits until anything is answered.
    fn await_return(&self, mut fault: Fault) -> Result<(), Fault> {
        let start = self.clock.now();
        let mut pause = FIRST_PAUSE;
        loop {
            self.waiting.begins(&fault);
            let left = self.max_wait.saturating_sub(self.clock.now().saturating_duration_since(start));
            let first = self.contact.as_ref().and_then(Contact::left);
            let left = first.map_or(left, |first| left.min(first));
            if left.is_zero() {
                let tried = self.clock.now().saturating_duration_since(start);
                return Err(Fault::away(&why(&fault), tried));
            }
            if self.clock.wait(pause.min(left), &self.cancel) == Waited::CutShort {
                return Err(Fault::cancelled());
            }
            pause = (pause * 2).min(LAST_PAUSE);
            match self.inner.send(&are_you_there()) {
                Err(failure) if self.is_absence(&failure.fault) => fault = failure.fault,
                Err(Failure { fault: Fault::Unsent { cause: UnsentCause::Away, .. }, .. }) => {
                    let tried = self.clock.now().saturating_duration_since(start);
                    return Err(Fault::away(&why(&fault), tried));
                }
                Ok(_) | Err(_) => return Ok(()),
            }
        }
    }
}

impl<T: Transport> Transport for OutageWait<T> {
    fn send(&self, request: &Request) -> Result<Answer, Failure> {
        if request.kind != Kind::Read {
            return self.inner.send(request);
        }
        let (mut attempts, mut returns) = (0, 0);
        loop {
            let mut result = self.inner.send(request);
            let (Ok(Answer { attempts: sent, .. }) | Err(Failure { attempts: sent, .. })) = &mut result;
            attempts += *sent;
            *sent = attempts;
            let absent = result.as_ref().err().filter(|failure| self.is_absence(&failure.fault));
            let Some(Failure { fault, .. }) = absent.filter(|_| returns < MOST_RETURNS) else {
                return result;
            };
            let returned = self.await_return(fault.clone());
            self.waiting.ends();
            returned.map_err(|fault| Failure { fault, attempts })?;
            returns += 1;
        }
    }
}

/// What came instead of an answer, as text that fits into a longer sentence.
fn why(fault: &Fault) -> String {
    if let Fault::Unsent { cause, text } = fault { format!("{cause}: {text}") } else { fault.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::houston::fault::NoAnswerCause;
    use crate::houston::scripted::{Scripted, request};
    use crate::outcome::Code;
    use crate::time::ManualClock;

    const LONG: Duration = Duration::from_secs(300);

    fn patient(inner: Scripted) -> (OutageWait<Scripted>, ManualClock) {
        let clock = ManualClock::default();
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let waiting = Waiting::new(Arc::clone(&shared));
        (OutageWait::new(inner, LONG, waiting, shared, Cancel::new()), clock)
    }

    fn refused() -> Fault {
        Fault::unsent(UnsentCause::Connect, "refused")
    }

    #[test]
    fn a_read_waits_until_houston_answers_and_is_sent_again() {
        for fault in [refused(), Fault::no_answer(NoAnswerCause::BadGateway, "")] {
            let (transport, clock) = patient(Scripted::new(move |number, _| {
                if number < 20 { Err(fault.clone()) } else { Ok((200, r#"{"data":{}}"#.to_owned())) }
            }));
            let start = clock.now();
            assert_eq!(transport.send(&request(Kind::Read)).unwrap().attempts, 2);
            let names = transport.inner.names();
            assert_eq!(
                (names.len(), names[1].as_str(), names[20].as_str()),
                (22, "AreYouThere", "AreYouThere")
            );
            let waited = clock.now() - start;
            assert!(waited > Duration::from_secs(60) && waited < LONG, "{waited:?}");
            assert_eq!(transport.waiting.now(), None);
        }
    }

    #[test]
    fn it_waits_no_longer_than_it_may_and_tells_why() {
        let (transport, clock) = patient(Scripted::new(|_, _| Err(refused())));
        let start = clock.now();
        let failure = transport.send(&request(Kind::Read)).unwrap_err();
        assert_eq!(clock.now() - start, LONG);
        assert_eq!(failure.fault.code(), Code::Away);
        let why = "no connection: refused (tried for 5m)";
        assert_eq!(failure.to_string(), format!("not sent: Houston is unavailable: {why}"));
        assert_eq!(failure.attempts, 1);
    }

    #[test]
    fn what_does_not_pass_by_waiting_is_given_back_at_once() {
        let busy = |seconds| NoAnswerCause::Busy(Duration::from_secs(seconds));
        for (kind, fault) in [
            (Kind::Write, refused()),
            (Kind::Once, refused()),
            (Kind::Read, Fault::unsent(UnsentCause::Name, "")),
            (Kind::Read, Fault::unsent(UnsentCause::Tls, "")),
            (Kind::Read, Fault::Proxy { status: 404, text: String::new() }),
            (Kind::Read, Fault::Proxy { status: 200, text: String::new() }),
            (Kind::Read, Fault::no_answer(NoAnswerCause::Timeout, "")),
            (Kind::Read, Fault::no_answer(busy(301), "")),
        ] {
            let answer = fault.clone();
            let (transport, clock) = patient(Scripted::new(move |_, _| Err(answer.clone())));
            let start = clock.now();
            assert_eq!(transport.send(&request(kind)).unwrap_err().fault, fault);
            assert_eq!((transport.inner.sent(), clock.now()), (1, start), "{fault:?}");
        }
    }

    #[test]
    fn a_request_that_alone_goes_unanswered_is_given_back() {
        let (transport, clock) = patient(Scripted::new(|_, body| match body["operationName"].as_str() {
            Some("AreYouThere") => Ok((200, r#"{"data":{}}"#.to_owned())),
            Some(_) | None => Err(Fault::no_answer(NoAnswerCause::GatewayTimeout, "")),
        }));
        let start = clock.now();
        let failure = transport.send(&request(Kind::Read)).unwrap_err();
        assert_eq!((failure.fault.code(), failure.attempts), (Code::GatewayTimeout, 1 + MOST_RETURNS));
        assert!(clock.now() - start < Duration::from_secs(2));
    }

    #[test]
    fn a_pulled_cancel_ends_the_wait() {
        let (transport, clock) = patient(Scripted::new(|_, _| Err(refused())));
        transport.cancel.pull();
        let start = clock.now();
        assert_eq!(transport.send(&request(Kind::Read)).unwrap_err().fault.code(), Code::Cancelled);
        assert_eq!((transport.inner.sent(), clock.now()), (1, start));
    }

    #[test]
    fn others_see_that_a_read_waits_and_what_for() {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::default());
        let waiting = Waiting::new(Arc::clone(&clock));
        let seen = waiting.clone();
        let inner = Scripted::new(move |number, _| match number {
            0..3 => {
                let expected = (number > 0).then(|| "no connection: refused".to_owned());
                assert_eq!(seen.now().map(|(_, why)| why), expected);
                Err(refused())
            }
            _ => Ok((200, r#"{"data":{}}"#.to_owned())),
        });
        let transport = OutageWait::new(inner, LONG, waiting.clone(), clock, Cancel::new());
        assert!(transport.send(&request(Kind::Read)).is_ok());
        assert_eq!(waiting.now(), None);
    }
}
