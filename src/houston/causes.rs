//! Why a request got no answer, as reported by the HTTP client.
//!
//! Main function: [`unanswered`]. It reads the chain of causes of an error, and nothing else.

use std::error::Error;
use std::io;

use super::fault::{Fault, NoAnswerCause, UnsentCause};
use crate::model::without_os_number;

/// Whether reading ended because the time was over.
pub(super) fn is_timeout(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<reqwest::Error>());
    error.kind() == io::ErrorKind::TimedOut || inner.is_some_and(reqwest::Error::is_timeout)
}

/// Why a request got no answer, and whether it can have been written.
pub(super) fn unanswered(error: &reqwest::Error, scheme: &str) -> Fault {
    let text = root_cause(error);
    if error.is_builder() {
        return Fault::unsent(UnsentCause::Body, &text);
    }
    if error.is_connect() {
        // What TLS says of bytes that are not TLS.
        if text.contains("InvalidContentType") {
            let text = "the port speaks plain http, not https";
            return Fault::unsent(UnsentCause::Tls, text);
        }
        return Fault::unsent(connect_cause(error), &text);
    }
    // What the parser of HTTP says of bytes that are not HTTP, such as an alert of TLS.
    if scheme == "http" && text.starts_with("invalid HTTP version") {
        let text = "the port answers, but not in HTTP: it may want https, not plain http";
        return Fault::no_answer(NoAnswerCause::Reset, text);
    }
    let cause = if error.is_timeout() { NoAnswerCause::Timeout } else { NoAnswerCause::Reset };
    Fault::no_answer(cause, &text)
}

fn connect_cause(error: &reqwest::Error) -> UnsentCause {
    if chain(error).any(|cause| cause.to_string().starts_with("tunnel error")) {
        return UnsentCause::Proxy;
    }
    // The second is what TLS says of a name that no resolver would take.
    if error.is_dns() || chain(error).any(|cause| cause.to_string() == "invalid dns name") {
        return UnsentCause::Name;
    }
    // rustls reports what it does not trust or understand as invalid data.
    let is_invalid = |cause: &(dyn Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::InvalidData)
    };
    if chain(error).any(is_invalid) { UnsentCause::Tls } else { UnsentCause::Connect }
}

/// An error and its causes, the last one deepest.
pub(super) fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| next(*error))
}

fn next<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    // An `io::Error` gives the source of what it wraps, not what it wraps.
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// What the deepest cause says, without the number of the system's error.
pub(super) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let text = chain(error).last().map(ToString::to_string).unwrap_or_default();
    without_os_number(&text).to_owned()
}
