//! A transport for tests that answers from a list and remembers what it was asked.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::fault::Fault;
use super::transport::{Answer, Budget, Failure, Held, Kind, Request, Transport};

type Reply = dyn Fn(usize, &Value) -> Result<(u16, String), Fault> + Send + Sync;

/// Answers each request by a function of its number (from 0) and its body.
pub struct Scripted {
    reply: Box<Reply>,
    sent: AtomicUsize,
    log: Mutex<Vec<Value>>,
}

impl Scripted {
    pub fn new(
        reply: impl Fn(usize, &Value) -> Result<(u16, String), Fault> + Send + Sync + 'static,
    ) -> Self {
        Self { reply: Box::new(reply), sent: AtomicUsize::new(0), log: Mutex::default() }
    }

    /// Always the same body, with status 200.
    pub fn answering(body: &'static str) -> Self {
        Self::new(move |_, _| Ok((200, body.to_owned())))
    }

    /// These bodies, one after the other; then the last again.
    pub fn in_turn(bodies: &[&'static str]) -> Self {
        let bodies = bodies.to_vec();
        Self::new(move |number, _| Ok((200, bodies[number.min(bodies.len() - 1)].to_owned())))
    }

    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }

    /// The bodies of all requests so far.
    pub fn log(&self) -> Vec<Value> {
        self.log.lock().unwrap().clone()
    }

    /// The names of the operations so far.
    pub fn names(&self) -> Vec<String> {
        self.log().iter().map(|body| body["operationName"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

impl Transport for Scripted {
    fn send(&self, request: &Request) -> Result<Answer, Failure> {
        let number = self.sent.fetch_add(1, Ordering::SeqCst);
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let reply = (self.reply)(number, &body);
        self.log.lock().unwrap().push(body);
        match reply {
            Ok((status, body)) => {
                Ok(Answer { body: body.into_bytes(), status, attempts: 1, held: Held::default() })
            }
            Err(fault) => Err(Failure { fault, attempts: 1 }),
        }
    }
}

pub fn request(kind: Kind) -> Request {
    Request { operation: "Test", kind, body: b"{}".to_vec(), timeout: None, budget: Budget::Shared }
}
