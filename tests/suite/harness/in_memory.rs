//! The way to a sandbox in this process: [`InMemory`] hands over the body of a request and makes of the
//! answer what the HTTP transport makes of it. Neither side knows of it: it is the only place that
//! knows both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use houston_onboard::houston::answer::is_graphql;
use houston_onboard::houston::catalogue::{classify_http, retry_after};
use houston_onboard::houston::transport::Held;
use houston_onboard::houston::{
    Answer, Budget, Credential, Failure, Fault, Http, HttpSettings, Kind, NoAnswerCause, Request, Target,
    Token, Transport,
};
use houston_onboard::ops::notices::Notices;
use houston_onboard::ops::signals::Signals;
use houston_onboard::sandbox::{self, Delivery};
use houston_onboard::time::ManualClock;

use super::{Sandbox, faulty};

/// A signal, and when it comes: with the first request for which this is true.
#[derive(Clone)]
pub struct Incoming {
    pub signal: i32,
    pub is_time: Arc<dyn Fn(&sandbox::Sandbox) -> bool + Send + Sync>,
}

/// What happens on the way to a sandbox.
#[derive(Clone)]
pub struct Way {
    pub clock: ManualClock,
    /// How long an answer takes by that clock.
    pub answer: Duration,
    pub signals: Signals,
    pub notices: Notices,
    pub incoming: Option<Incoming>,
}

/// Asks a sandbox without a connection.
pub struct InMemory {
    sandbox: Arc<sandbox::Sandbox>,
    token: String,
    timeout: Duration,
    way: Way,
    /// Whether the signal has come.
    has_come: AtomicBool,
}

impl InMemory {
    pub fn new(sandbox: &Arc<sandbox::Sandbox>, token: &str, timeout: Duration, way: Way) -> Self {
        let (sandbox, token) = (Arc::clone(sandbox), token.to_owned());
        Self { sandbox, token, timeout, way, has_come: AtomicBool::new(false) }
    }

    /// What came back, if it came in time.
    fn received(&self, delivery: Option<Delivery>, timeout: Duration) -> Result<Answer, Fault> {
        let lost = |cause| Fault::NoAnswer { cause, text: String::new() };
        let delivery = delivery.ok_or(lost(NoAnswerCause::Reset))?;
        self.way.clock.advance(delivery.after.min(timeout));
        if delivery.after >= timeout {
            return Err(lost(NoAnswerCause::Timeout));
        }
        let Delivery { status, retry_after: header, body, is_whole, .. } = delivery;
        if !is_whole {
            return Err(lost(NoAnswerCause::Truncated));
        }
        if status != 429 && is_graphql(&body) {
            return Ok(Answer { body, status, attempts: 1, held: Held::default() });
        }
        let wait = header.and_then(|value| retry_after(&value, SystemTime::now()));
        Err(classify_http(status, wait, None, &body))
    }
}

impl Transport for InMemory {
    fn send(&self, request: &Request) -> Result<Answer, Failure> {
        let Way { clock, answer, signals, notices, incoming } = &self.way;
        if let Some(Incoming { signal, is_time }) = incoming
            && is_time(&self.sandbox)
            && !self.has_come.swap(true, Ordering::Relaxed)
        {
            signals.receive(*signal, notices, |status| panic!("{status:?}: nothing was being sent"));
        }
        clock.advance(*answer);
        let timeout = request.timeout.map_or(self.timeout, |timeout| timeout.min(self.timeout));
        let delivery = self.sandbox.post(&self.token, &request.body);
        self.received(delivery, timeout).map_err(|fault| Failure { fault, attempts: 1 })
    }
}

/// The same request to the same sandbox, over HTTP and without a connection.
#[test]
fn a_fault_of_the_sandbox_is_the_same_with_and_without_a_connection() {
    let timeout = Duration::from_millis(500);
    let way = || Way {
        clock: ManualClock::default(),
        answer: Duration::ZERO,
        signals: Signals::default(),
        notices: Notices::new(|_| {}),
        incoming: None,
    };
    let body = br#"{"query":"query Self { self { user { id } } }","operationName":"Self"}"#;
    for faults in [
        "",
        "429=100%:7s",
        "502=100%",
        "503=100%",
        "504=100%",
        "html=100%",
        "foreign=100%",
        "ise=100%",
        "reset-before=100%",
        "reset=100%",
        "truncated=100%",
        "timeout=100%:600s",
        "limit=1/m:3s,limit=1",
        "token-dies=0",
    ] {
        let ends = [true, false].map(|is_in_memory| {
            let sandbox = Sandbox::with(faulty(faults));
            let transport: Arc<dyn Transport> = if is_in_memory {
                Arc::new(InMemory::new(&sandbox.0, sandbox.token(), timeout, way()))
            } else {
                let target = Target::from_url(sandbox.url()).unwrap();
                let credential = Credential::new(Token::new(sandbox.token(), "the test").unwrap());
                let settings = HttpSettings { timeout, ..HttpSettings::default() };
                Arc::new(Http::new(&target, Some(credential), settings))
            };
            let request = Request {
                operation: "Self",
                kind: Kind::Read,
                body: body.to_vec(),
                timeout: None,
                budget: Budget::Shared,
            };
            let all = (0..2).map(|_| transport.send(&request)).collect::<Vec<_>>();
            assert_eq!(sandbox.audit().connections == 0, is_in_memory, "{faults}");
            assert_eq!(sandbox.audit().requests, 2, "{faults}");
            all.into_iter()
                .map(|end| match end {
                    Ok(answer) => (answer.status, String::from_utf8(answer.body).unwrap(), None),
                    Err(failure) => (0, failure.fault.code().to_string(), failure.fault.retry_after()),
                })
                .collect::<Vec<_>>()
        });
        assert_eq!(ends[0], ends[1], "{faults}");
    }
}
