//! What a call would send, without sending it.
//!
//! Main function: [`Houston::rehearse`]. The call itself makes the request, so that what is shown
//! is what is sent.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::Houston;
use super::fault::{Fault, UnsentCause};
use super::transport::{Answer, Failure, Request, Transport};

/// A request that a call would send first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsed {
    /// The name of the operation.
    pub operation: &'static str,
    /// The GraphQL document.
    pub document: String,
    /// Its variables.
    pub variables: Value,
}

/// Takes requests and sends none.
#[derive(Debug, Default)]
struct Recorder(Mutex<Option<Request>>);

impl Transport for Recorder {
    fn send(&self, request: &Request) -> Result<Answer, Failure> {
        let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| request.clone());
        Err(Failure { fault: Fault::unsent(UnsentCause::Cancelled, "only shown"), attempts: 0 })
    }
}

impl Houston {
    /// The first request that `call` would send to this server, as far as it is known by now; `None`
    /// if it would send none.
    pub fn rehearse<T>(&self, call: impl FnOnce(&Self) -> T) -> Option<Rehearsed> {
        let recorder = Arc::new(Recorder::default());
        call(&Self { transport: Arc::clone(&recorder) as Arc<dyn Transport>, ..self.clone() });
        let request = recorder.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let mut body: Value = serde_json::from_slice(&request.body).ok()?;
        let document = body["query"].as_str()?.trim_end().to_owned();
        Some(Rehearsed { operation: request.operation, document, variables: body["variables"].take() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::scripted::Scripted;
    use super::*;

    #[test]
    fn what_is_shown_is_what_would_be_sent_and_nothing_is() {
        let server = Arc::new(Scripted::answering("{}"));
        let houston = Houston::new(Arc::clone(&server) as Arc<dyn Transport>);
        let shown =
            houston.rehearse(|houston| houston.remove_member(&"ck1".to_owned().try_into().unwrap(), "ckann"));
        let shown = shown.unwrap();
        assert_eq!(shown.operation, "RemoveMember");
        assert!(shown.document.contains("workspaceRemoveUser"), "{}", shown.document);
        assert_eq!(shown.variables["userUuid"], "ckann");
        assert_eq!(server.sent(), 0);
    }
}
