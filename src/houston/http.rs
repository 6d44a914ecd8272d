//! HTTP to Houston, blocking.
//!
//! Main type: [`Http`]. It sends each request once, follows no redirect, and separates what was
//! certainly not sent, what may have been done, and what something in front of Houston answered. It
//! does not wait between requests and does not repeat them.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use reqwest::blocking::Client;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use reqwest::{Url, redirect};
use url::Host;

use super::answer::is_graphql;
use super::authorities;
use super::body::{MAX_READ_ANSWER, MAX_WRITE_ANSWER, Memory};
use super::catalogue::{classify_http, foreign_challenge, retry_after};
use super::causes::{chain, root_cause, unanswered};
use super::checkup::ServerTime;
use super::credential::Credential;
use super::fault::{Fault, UnsentCause};
use super::proxy::{Route, Via, route};
use super::target::Target;
use super::transport::{Answer, Failure, Kind, Request, Transport};
use crate::model::without_os_number;

/// The longest request: the body parser of Houston refuses 100 kB (houston.md 1.7).
pub const MAX_REQUEST: usize = 90_000;

/// An idle connection is given up before a gateway would: nginx closes after 75 s.
const IDLE: Duration = Duration::from_secs(30);
/// A connection that takes longer will not come.
const CONNECT: Duration = Duration::from_secs(10);

const USER_AGENT: &str = concat!("houston-onboard/", env!("CARGO_PKG_VERSION"));

/// How to talk to a target.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// The most requests in flight, and so the most connections kept.
    pub concurrency: usize,
    /// How long one request may take, connection included.
    pub timeout: Duration,
    /// Certificate authorities to trust in addition to those of the system, as PEM.
    pub ca_file: Option<PathBuf>,
    /// Trust any certificate.
    pub insecure: bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self { concurrency: 8, timeout: Duration::from_secs(30), ca_file: None, insecure: false }
    }
}

/// Requests over HTTP/1.1. The inner client is built with the first request.
pub struct Http {
    url: Url,
    is_loopback: bool,
    credential: Option<Credential>,
    settings: HttpSettings,
    client: OnceLock<Result<Connected, Fault>>,
    time: Option<ServerTime>,
    /// Why no request gets through; further ones are not tried.
    barred: OnceLock<Fault>,
    memory: Memory,
}

/// What requests are sent with.
struct Connected {
    client: Client,
    proxy: Option<Via>,
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
    /// Requests to this target; without a credential, only for what Houston shows to anyone.
    pub fn new(target: &Target, credential: Option<Credential>, settings: HttpSettings) -> Self {
        Self {
            url: target.url().clone(),
            is_loopback: target.is_loopback(),
            credential,
            settings,
            client: OnceLock::new(),
            time: None,
            barred: OnceLock::new(),
            memory: Memory::default(),
        }
    }

    /// The same, noting what time the other side has.
    #[must_use]
    pub fn noting(mut self, time: ServerTime) -> Self {
        self.time = Some(time);
        self
    }

    fn connected(&self) -> Result<&Connected, Fault> {
        self.client.get_or_init(|| self.build()).as_ref().map_err(Clone::clone)
    }

    fn build(&self) -> Result<Connected, Fault> {
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
            // spare, a request sent in that moment finds one instead of opening another.
            .pool_max_idle_per_host(self.settings.concurrency + self.settings.concurrency / 4)
            .pool_idle_timeout(IDLE)
            .timeout(self.settings.timeout)
            // Shorter than the whole: what ran out before there was a connection was not sent.
            .connect_timeout(self.connect_timeout());
        let mut proxy = None;
        match self.route()? {
            Route::Direct => builder = builder.no_proxy(),
            Route::System => {}
            Route::Via(via) => {
                builder = builder.proxy(via.proxy().map_err(|error| environment(&root_cause(&error)))?);
                proxy = Some(via);
            }
        }
        if let Some(addresses) = self.local_addresses()? {
            builder = builder.resolve_to_addrs("localhost", &addresses);
            builder = builder.resolve_to_addrs("localhost.", &addresses);
        }
        let refused = |text: &str| Fault::unsent(UnsentCause::Authorities, text);
        let mut has_own = false;
        if self.url.scheme() == "http" {
            // Spares reading the trust store, which may be missing.
            builder = builder.tls_certs_only([]);
        } else {
            if let Some(path) = &self.settings.ca_file {
                builder = builder.tls_certs_merge(authorities::read(path).map_err(|text| refused(&text))?);
                has_own = true;
            }
            if let Some(text) = authorities::endless_store() {
                return Err(refused(&text));
            }
        }
        if self.settings.insecure {
            builder = builder.tls_danger_accept_invalid_certs(true);
        }
        let client = builder.build().map_err(|error| match &self.settings.ca_file {
            Some(path) if has_own => {
                refused(&format!("{}: a certificate in this file is damaged", path.display()))
            }
            Some(_) | None if self.url.scheme() == "https" => refused(&authorities::no_store()),
            Some(_) | None => Fault::unsent(UnsentCause::Tls, &root_cause(&error)),
        })?;
        Ok(Connected { client, proxy })
    }

    /// The way to the target; this machine is reached without a proxy.
    fn route(&self) -> Result<Route, Fault> {
        if self.is_loopback {
            return Ok(Route::Direct);
        }
        route(&self.url, |name| std::env::var_os(name)).map_err(|error| environment(&error.to_string()))
    }

    /// The addresses of a `localhost` that is spoken to without TLS, which must be this machine.
    /// They are kept, so that what was looked at is what is connected to.
    fn local_addresses(&self) -> Result<Option<Vec<SocketAddr>>, Fault> {
        let (Some(Host::Domain(name)), "http") = (self.url.host(), self.url.scheme()) else {
            return Ok(None);
        };
        let port = self.url.port_or_known_default().unwrap_or(80);
        let found = (name, port).to_socket_addrs();
        let found: Vec<SocketAddr> = found
            .map_err(|error| Fault::unsent(UnsentCause::Name, without_os_number(&error.to_string())))?
            .collect();
        only_here(name, &found)?;
        Ok(Some(found))
    }

    /// The header of the token in force; `None` without a token.
    fn authorization(&self) -> Result<Option<HeaderValue>, Fault> {
        let Some(token) = self.credential.as_ref().and_then(Credential::token) else { return Ok(None) };
        let unfit = || Fault::unsent(UnsentCause::Body, "the token does not fit into a header");
        token.header().ok_or_else(unfit).map(Some)
    }

    fn exchange(&self, request: &Request) -> Result<Answer, Fault> {
        let Connected { client, proxy } = self.connected()?;
        let proxy = proxy.as_ref();
        let mut post = client
            .post(self.url.clone())
            .timeout(request.timeout.map_or(self.settings.timeout, |most| most.min(self.settings.timeout)))
            .body(request.body.clone());
        if let Some(header) = self.authorization()? {
            post = post.header(AUTHORIZATION, header);
        }
        if let Some(via) = proxy
            && let Some(status) = via.refusal(&self.url, self.connect_timeout())
        {
            return Err(proxy_refused(via, status));
        }
        let response = post.send().map_err(|error| self.unanswered(proxy, &error))?;
        let status = response.status().as_u16();
        let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        if let Some(time) = &self.time {
            time.note(header(DATE), SystemTime::now());
        }
        let wait = header(RETRY_AFTER).and_then(|value| retry_after(value, SystemTime::now()));
        let location = header(LOCATION).map(|to| self.scrubbed(to.as_bytes().to_vec()));
        let challenge = (status == 401).then(|| {
            let all = response.headers().get_all(WWW_AUTHENTICATE);
            all.iter().filter_map(|value| value.to_str().ok()).find_map(foreign_challenge)
        });
        let limit = match request.kind {
            Kind::Read => MAX_READ_ANSWER,
            Kind::Write | Kind::Once => MAX_WRITE_ANSWER,
        };
        let body = self.memory.read(response, limit);
        // The end of a body is seen a moment before its connection can be used again: whoever sends the
        // next request in that moment opens another one.
        std::thread::yield_now();
        match body {
            // A gateway may dress its 429 as GraphQL; Houston itself sends none.
            Ok((body, held)) if status != 429 && is_graphql(&body) => {
                Ok(Answer { body: self.scrubbed(body), status, attempts: 1, held })
            }
            // Not the token is wrong: something in front of Houston wants credentials of its own.
            Ok(_) | Err(_) if challenge.flatten().is_some() => {
                let scheme = challenge.flatten().unwrap_or_default();
                let text = format!("something in front of Houston asks for {scheme} credentials");
                Err(Fault::Proxy { status, text })
            }
            Ok((body, _)) => {
                let location = location.as_deref().map(String::from_utf8_lossy);
                Err(classify_http(status, wait, location.as_deref(), &self.scrubbed(body)))
            }
            // The status alone says enough where it is not a success.
            Err(_) if !(200..300).contains(&status) => Err(classify_http(status, wait, None, b"")),
            Err(fault) => Err(fault),
        }
    }

    fn connect_timeout(&self) -> Duration {
        CONNECT.min(self.settings.timeout.mul_f64(0.75))
    }

    /// Why a request got no answer, and whether it can have been written.
    fn unanswered(&self, proxy: Option<&Via>, error: &reqwest::Error) -> Fault {
        let Some(via) = proxy else { return unanswered(error, self.url.scheme()) };
        let says = |words: &str| chain(error).any(|cause| cause.to_string() == words);
        if says("tunnel error: proxy authorization required") {
            return proxy_refused(via, 407);
        }
        if says("tunnel error: unsuccessful") {
            via.forget();
            if let Some(status) = via.refusal(&self.url, self.connect_timeout()) {
                return proxy_refused(via, status);
            }
        }
        let fault = unanswered(error, self.url.scheme());
        if let Fault::Unsent { cause: cause @ UnsentCause::Proxy, text } = &fault {
            return Fault::unsent(*cause, &format!("{via}: {text}"));
        }
        fault
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
            let text = format!("{} bytes are more than Houston accepts", request.body.len());
            return Err(Failure { fault: Fault::unsent(UnsentCause::Body, &text), attempts: 0 });
        }
        if let Some(fault) = self.barred.get() {
            return Err(Failure { fault: fault.clone(), attempts: 0 });
        }
        self.exchange(request).map_err(|fault| {
            if fault.bars_all() {
                // The first one wins.
                let _ = self.barred.set(fault.clone());
            }
            Failure { fault, attempts: 1 }
        })
    }
}

/// The fault of a proxy that opens no tunnel: what may pass, and what must not be tried again.
fn proxy_refused(via: &Via, status: u16) -> Fault {
    match status {
        407 => {
            let text = format!("{via} rejected its credentials (HTTP 407)");
            Fault::unsent(UnsentCause::ProxyCredentials, &text)
        }
        408 | 425 | 429 | 500..=510 | 512.. => {
            Fault::unsent(UnsentCause::Proxy, &format!("{via} answers HTTP {status}"))
        }
        _ => Fault::unsent(UnsentCause::ProxyRefused, &format!("{via} answers HTTP {status}")),
    }
}

fn environment(text: &str) -> Fault {
    Fault::unsent(UnsentCause::Environment, text)
}

/// Refuses a name for this machine that is another one, or several of which one is.
fn only_here(name: &str, addresses: &[SocketAddr]) -> Result<(), Fault> {
    let elsewhere = addresses.iter().find(|address| !address.ip().is_loopback());
    match elsewhere {
        None if addresses.is_empty() => Err(Fault::unsent(UnsentCause::Name, "it has no address")),
        None => Ok(()),
        Some(address) => {
            let text = format!(
                "{name} resolves to {} here, not to this machine: plain http:// would expose the token",
                address.ip()
            );
            Err(environment(&text))
        }
    }
}

#[cfg(test)]
mod tests;
