//! Bytes out, bytes in: what the typed client needs from a transport.
//!
//! Main type: [`Transport`]. The real one is [`Http`](super::http::Http); [`ReadOnly`],
//! [`Paced`](super::pacer::Paced), [`Renewing`](super::credential::Renewing),
//! [`Retrying`](super::retry::Retrying) and [`OutageWait`](super::outage_wait::OutageWait) wrap another one.
//! Nothing here knows what a request asks for.

use std::sync::Arc;
use std::time::Duration;

use super::fault::{Fault, UnsentCause};

/// Whether a request may change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A query.
    Read,
    /// A mutation.
    Write,
    /// A mutation that no layer sends a second time, whatever became of the first.
    Once,
}

/// Whether the repeats of a request are charged to the shared retry budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Budget {
    /// They are.
    #[default]
    Shared,
    /// They are not: the read settles the outcome of a write.
    Exempt,
}

/// One GraphQL request, ready to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    /// The name of the operation, as in the body.
    pub operation: &'static str,
    /// Whether it may change something.
    pub kind: Kind,
    /// The JSON body: query, variables, operation name.
    pub body: Vec<u8>,
    /// How long the answer may take, where that is less than the transport's own limit.
    pub timeout: Option<Duration>,
    /// Who pays for repeats.
    pub budget: Budget,
}

/// A part of the memory that all answers in flight may take together; given back when the last clone is
/// dropped.
#[derive(Debug, Clone, Default)]
pub struct Held(
    #[expect(dead_code, reason = "held for its end")] Option<Arc<dyn std::any::Any + Send + Sync>>,
);

impl Held {
    /// Holds this until it is dropped.
    pub fn new(share: Arc<dyn std::any::Any + Send + Sync>) -> Self {
        Self(Some(share))
    }
}

/// What came back: a JSON object with `data` or `errors`, at whatever status.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The decompressed body.
    pub body: Vec<u8>,
    /// The HTTP status.
    pub status: u16,
    /// How many requests were really sent for this call.
    pub attempts: u32,
    /// The memory that the body takes.
    pub held: Held,
}

/// No answer, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct Failure {
    /// Why the last request gave no data.
    #[source]
    pub fault: Fault,
    /// How many requests were tried for this call, those that could not be sent included.
    pub attempts: u32,
}

/// Sends one request and returns its answer.
pub trait Transport: Send + Sync {
    /// Sends the request and waits for the answer. An answer of Houston is `Ok` also where it
    /// reports errors; whatever else comes, or does not come, is a [`Failure`].
    fn send(&self, request: &Request) -> Result<Answer, Failure>;
}

impl<T: Transport + ?Sized> Transport for Arc<T> {
    fn send(&self, request: &Request) -> Result<Answer, Failure> {
        (**self).send(request)
    }
}

/// Refuses every mutation, so that a command that promises to read only cannot write.
#[derive(Debug)]
pub struct ReadOnly<T>(T);

impl<T> ReadOnly<T> {
    /// Wraps a transport.
    pub fn new(inner: T) -> Self {
        Self(inner)
    }
}

impl<T: Transport> Transport for ReadOnly<T> {
    fn send(&self, request: &Request) -> Result<Answer, Failure> {
        match request.kind {
            Kind::Read => self.0.send(request),
            Kind::Write | Kind::Once => {
                let fault = Fault::unsent(UnsentCause::ReadOnly, request.operation);
                Err(Failure { fault, attempts: 0 })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::houston::scripted::{Scripted, request};
    use crate::outcome::Code;

    #[test]
    fn a_read_only_transport_lets_no_mutation_through() {
        let inner = Arc::new(Scripted::answering(r#"{"data":{}}"#));
        let transport = ReadOnly::new(Arc::clone(&inner));
        assert!(transport.send(&request(Kind::Read)).is_ok());
        for kind in [Kind::Write, Kind::Once] {
            let failure = transport.send(&request(kind)).unwrap_err();
            assert_eq!(failure.fault.code(), Code::ReadOnly);
        }
        assert_eq!(inner.sent(), 1);
    }
}
