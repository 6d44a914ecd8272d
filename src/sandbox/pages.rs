//! Answers that are not GraphQL: what proxies, gateways and the web framework send.
//!
//! Main types: [`Page`], an answer to send, [`Payload`], the body that hyper sends, and [`Delivery`], an
//! answer that needs no connection.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};

/// The connection closes, answered or not.
#[derive(Debug)]
pub(super) struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is cut on purpose")
    }
}

impl std::error::Error for Cut {}

impl From<Infallible> for Cut {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// What a client gets that asks without a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// How long it is held back.
    pub after: Duration,
    /// The HTTP status.
    pub status: u16,
    /// The header `Retry-After`.
    pub retry_after: Option<String>,
    /// The body, as far as it arrives.
    pub body: Vec<u8>,
    /// Whether the body arrives whole; else the connection breaks.
    pub is_whole: bool,
}

/// An answer to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    header: Option<(HeaderName, String)>,
}

pub(super) const JSON: &str = "application/json; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

impl Page {
    pub(super) fn json(status: u16, body: Vec<u8>) -> Self {
        Self { status, content_type: JSON, body, header: None }
    }

    pub(super) fn text(status: u16, body: &str) -> Self {
        Self { status, content_type: TEXT, body: body.as_bytes().to_vec(), header: None }
    }

    /// What Apollo Server 2 says where there is nothing to carry out.
    pub(super) fn bodyless() -> Self {
        let text = "POST body missing. Did you forget use body-parser middleware?";
        Self { content_type: HTML, ..Self::text(500, text) }
    }

    fn html(status: u16, title: &str, text: &str) -> Self {
        let body = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
             <body><h1>{title}</h1><p>{text}</p></body>\n</html>\n"
        );
        Self { status, content_type: HTML, body: body.into_bytes(), header: None }
    }

    /// A gateway's page for 502, 503 and 504.
    pub(super) fn gateway(status: u16) -> Self {
        let title = match status {
            502 => "502 Bad Gateway",
            503 => "503 Service Temporarily Unavailable",
            _ => "504 Gateway Time-out",
        };
        Self::html(status, title, "nginx")
    }

    /// A login page where an answer should be.
    pub(super) fn login() -> Self {
        Self::html(200, "Sign in", "Your session has ended. Please sign in again.")
    }

    /// The default backend's page, which replaces every 404.
    pub(super) fn not_found() -> Self {
        Self::html(404, "Page not found", "There is nothing here.")
    }

    /// For a request that names another machine.
    pub(super) fn misdirected() -> Self {
        let text = "This sandbox answers only requests for localhost or a loopback address: the Host header \
                    names another machine, or is missing.\n";
        Self::text(421, text)
    }

    pub(super) fn too_large() -> Self {
        Self::html(413, "Error", "PayloadTooLargeError: request entity too large")
    }

    pub(super) fn bad_json() -> Self {
        Self::html(400, "Error", "SyntaxError: Unexpected token in JSON")
    }

    /// JSON of another program.
    pub(super) fn foreign() -> Self {
        Self::json(200, br#"{"status":"ok","service":"not-houston"}"#.to_vec())
    }

    /// Above a limit, with a `Retry-After` if a time is known.
    pub(super) fn limited(wait: Option<Duration>) -> Self {
        let page = wait.map(|wait| Self::too_many(wait, false));
        page.unwrap_or_else(|| Self::html(429, "429 Too Many Requests", "Slow down."))
    }

    pub(super) fn too_many(wait: Duration, as_date: bool) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let value = if as_date {
            // A date has no fractions: rounded up, so that it is never too early.
            httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(seconds + 1))
        } else {
            seconds.to_string()
        };
        let page = Self::html(429, "429 Too Many Requests", "Slow down.");
        Self { header: Some((RETRY_AFTER, value)), ..page }
    }

    pub(super) fn only_post() -> Self {
        let page = Self::text(405, "GET supports only query operation");
        Self { header: Some((ALLOW, "POST".to_owned())), ..page }
    }

    /// The same answer without a connection.
    pub(super) fn into_delivery(mut self, truncated: bool, after: Duration) -> Delivery {
        if truncated {
            self.body.truncate(self.body.len() / 2);
        }
        let retry_after = self.header.filter(|(name, _)| *name == RETRY_AFTER).map(|(_, value)| value);
        Delivery { after, status: self.status, retry_after, body: self.body, is_whole: !truncated }
    }

    /// The whole answer, or its first half before the connection breaks.
    pub(super) fn into_response(self, truncated: bool) -> Response<Payload> {
        let full = self.body.len() as u64;
        let mut bytes = Bytes::from(self.body);
        if truncated {
            bytes.truncate(bytes.len() / 2);
        }
        let mut response = Response::new(Payload { bytes: Some(bytes), full, truncated, flushed: false });
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        if let Some((name, value)) = self.header
            && let Ok(value) = HeaderValue::from_str(&value)
        {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// A body: all of it, or a beginning that promises more than follows.
pub(super) struct Payload {
    bytes: Option<Bytes>,
    full: u64,
    truncated: bool,
    flushed: bool,
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(bytes) = self.bytes.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if !self.truncated {
            return Poll::Ready(None);
        }
        if self.flushed {
            return Poll::Ready(Some(Err(Cut)));
        }
        // One turn to flush what was written before the connection breaks.
        self.flushed = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none() && !self.truncated
    }

    fn size_hint(&self) -> SizeHint {
        match &self.bytes {
            Some(_) => SizeHint::with_exact(self.full),
            None => SizeHint::default(),
        }
    }
}
