//! HTTP to Houston, blocking.
//!
//! Main type: [`Http`]. It sends each request once, follows no redirect, and tells apart what was
//! certainly not sent, what may have been done, and what somebody in front of Houston answered. It
//! does not wait between requests and does not repeat them.

use std::error::Error;
use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use reqwest::blocking::{Client, Response};
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER,
};
use reqwest::{Certificate, Url, redirect};

use super::answer::is_graphql;
use super::catalogue::{classify_http, retry_after};
use super::checkup::ServerTime;
use super::credential::Credential;
use super::fault::{Fault, NoAnswerCause, UnsentCause};
use super::target::Target;
use super::transport::{Answer, Failure, Kind, Request, Transport};

/// The longest answer to a read, in bytes after decompression.
pub const MAX_READ_ANSWER: u64 = 64 * 1024 * 1024;
/// The longest answer to a write, in bytes after decompression.
pub const MAX_WRITE_ANSWER: u64 = 1024 * 1024;
/// The longest request: the body parser of Houston refuses 100 kB (houston.md 1.7).
pub const MAX_REQUEST: usize = 90_000;

/// What some programs put before a text in UTF-8; no part of JSON.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// An idle connection is given up before a gateway would: nginx closes after 75 s.
const IDLE: Duration = Duration::from_secs(30);
/// A connection that takes longer will not come.
const CONNECT: Duration = Duration::from_secs(10);

const USER_AGENT: &str = concat!("houston-onboard/", env!("CARGO_PKG_VERSION"));

/// How to talk to a target.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// How many requests are in flight at most: so many connections are kept.
    pub concurrency: usize,
    /// How long one request may take, connection included.
    pub timeout: Duration,
    /// Certificate authorities to trust beside those of the system, as PEM.
    pub ca_file: Option<PathBuf>,
    /// Trust any certificate.
    pub insecure: bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self { concurrency: 8, timeout: Duration::from_secs(30), ca_file: None, insecure: false }
    }
}

/// Requests over HTTP/1.1. The client behind it is built with the first request.
pub struct Http {
    url: Url,
    is_loopback: bool,
    credential: Option<Credential>,
    settings: HttpSettings,
    client: OnceLock<Result<Client, Fault>>,
    time: Option<ServerTime>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("url", &self.url.as_str())
            .field("credential", &self.credential)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Http {
    /// Requests to this target; without a credential only what Houston tells anybody.
    pub fn new(target: &Target, credential: Option<Credential>, settings: HttpSettings) -> Self {
        Self {
            url: target.url().clone(),
            is_loopback: target.is_loopback(),
            credential,
            settings,
            client: OnceLock::new(),
            time: None,
        }
    }

    /// The same, noting what time the other side has.
    #[must_use]
    pub fn noting(mut self, time: ServerTime) -> Self {
        self.time = Some(time);
        self
    }

    fn client(&self) -> Result<&Client, Fault> {
        self.client.get_or_init(|| self.build()).as_ref().map_err(Clone::clone)
    }

    fn build(&self) -> Result<Client, Fault> {
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/json");
        headers.insert(CONTENT_TYPE, json.clone());
        headers.insert(ACCEPT, json);
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .default_headers(headers)
            .http1_only()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            // A connection is back in the pool a moment after its answer is read. With a few to
            // spare, whoever asks in that moment finds one, instead of opening another.
            .pool_max_idle_per_host(self.settings.concurrency + self.settings.concurrency / 4)
            .pool_idle_timeout(IDLE)
            .timeout(self.settings.timeout)
            // Shorter than the whole: what ran out before there was a connection was not sent.
            .connect_timeout(CONNECT.min(self.settings.timeout.mul_f64(0.75)));
        if self.is_loopback {
            builder = builder.no_proxy();
        }
        if self.url.scheme() == "http" {
            // Spares reading the trust store, which may be missing.
            builder = builder.tls_certs_only([]);
        } else if let Some(path) = &self.settings.ca_file {
            let failed = |text: &str| Fault::unsent(UnsentCause::Tls, &format!("{}: {text}", path.display()));
            let pem = std::fs::read(path).map_err(|error| failed(&error.to_string()))?;
            let certificates =
                Certificate::from_pem_bundle(&pem).map_err(|error| failed(&root_cause(&error)))?;
            if certificates.is_empty() {
                return Err(failed("no certificate in this file"));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        if self.settings.insecure {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        builder.build().map_err(|error| Fault::unsent(UnsentCause::Tls, &root_cause(&error)))
    }

    /// The header of the token in force; `None` without a token.
    fn authorization(&self) -> Result<Option<HeaderValue>, Fault> {
        let Some(token) = self.credential.as_ref().and_then(Credential::token) else { return Ok(None) };
        let unfit = || Fault::unsent(UnsentCause::Body, "the token fits no header");
        token.header().ok_or_else(unfit).map(Some)
    }

    fn exchange(&self, request: &Request) -> Result<Answer, Fault> {
        let mut post = self
            .client()?
            .post(self.url.clone())
            .timeout(request.timeout.unwrap_or(self.settings.timeout))
            .body(request.body.clone());
        if let Some(header) = self.authorization()? {
            post = post.header(AUTHORIZATION, header);
        }
        let response = post.send().map_err(|error| unanswered(&error))?;
        let status = response.status().as_u16();
        let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        if let Some(time) = &self.time {
            time.note(header(DATE), SystemTime::now());
        }
        let wait = header(RETRY_AFTER).and_then(|value| retry_after(value, SystemTime::now()));
        let location = header(LOCATION).map(|to| self.scrubbed(to.as_bytes().to_vec()));
        let limit = match request.kind {
            Kind::Read => MAX_READ_ANSWER,
            Kind::Write | Kind::Once => MAX_WRITE_ANSWER,
        };
        match read(response, limit) {
            // A gateway may dress its 429 as GraphQL; Houston itself sends none.
            Ok(body) if status != 429 && is_graphql(&body) => {
                Ok(Answer { body: self.scrubbed(body), status, attempts: 1 })
            }
            Ok(body) => {
                let location = location.as_deref().map(String::from_utf8_lossy);
                Err(classify_http(status, wait, location.as_deref(), &self.scrubbed(body)))
            }
            // The status alone says enough where it is not a success.
            Err(_) if !(200..300).contains(&status) => Err(classify_http(status, wait, None, b"")),
            Err(fault) => Err(fault),
        }
    }

    fn scrubbed(&self, body: Vec<u8>) -> Vec<u8> {
        match &self.credential {
            Some(credential) => credential.scrub(body),
            None => body,
        }
    }
}

impl Transport for Http {
    fn send(&self, request: &Request) -> Result<Answer, Failure> {
        if request.body.len() > MAX_REQUEST {
            let text = format!("{} bytes are more than Houston takes", request.body.len());
            return Err(Failure { fault: Fault::unsent(UnsentCause::Body, &text), attempts: 0 });
        }
        self.exchange(request).map_err(|fault| Failure { fault, attempts: 1 })
    }
}

/// Reads a body that may be compressed, up to a limit on what comes out.
fn read(response: Response, limit: u64) -> Result<Vec<u8>, Fault> {
    let hint = response.content_length().unwrap_or(0).min(limit);
    let mut body = Vec::with_capacity(usize::try_from(hint).unwrap_or_default());
    match response.take(limit + 1).read_to_end(&mut body) {
        Ok(_) if body.len() as u64 > limit => Err(Fault::malformed(&format!("longer than {limit} bytes"))),
        Ok(_) => {
            // Some proxy may have written the page again, with the mark of a text file.
            if body.starts_with(BOM) {
                body.drain(..BOM.len());
            }
            Ok(body)
        }
        Err(error) => {
            let cause = if is_timeout(&error) { NoAnswerCause::Timeout } else { NoAnswerCause::Truncated };
            Err(Fault::no_answer(cause, &root_cause(&error)))
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<reqwest::Error>());
    error.kind() == io::ErrorKind::TimedOut || inner.is_some_and(reqwest::Error::is_timeout)
}

/// Why a request got no answer, and whether it can have been written.
fn unanswered(error: &reqwest::Error) -> Fault {
    let text = root_cause(error);
    if error.is_builder() {
        return Fault::unsent(UnsentCause::Body, &text);
    }
    if error.is_connect() {
        return Fault::unsent(connect_cause(error), &text);
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

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| next(*error))
}

fn next<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    // An `io::Error` gives the source of what it wraps, not what it wraps.
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

fn root_cause(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests;
