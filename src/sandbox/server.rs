//! HTTP: accepts requests, has them carried out, answers or fails to.
//!
//! Main type: [`Shared`], all that requests share. A request that has arrived completely is
//! carried out in a task of its own, so that a disconnecting client stops nothing.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, Version};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::access::{Caller, Credential};
use super::audit::{InFlight, Recorder, locked};
use super::engine::{self, Engine, Prepared, Reply};
use super::faults::{Dice, Fault};
use super::limits::Admitted;
use super::pages::{Cut, Delivery, Page, Payload};
use super::profile::Style;
use super::refused::BAD_USER_INPUT;
use super::resolve::Context;
use super::switches::Behaviour;
use super::world::World;

/// What all requests share.
pub(super) struct Shared {
    pub(super) rules: Behaviour,
    pub(super) engine: Engine,
    pub(super) world: Mutex<World>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) dice: Dice,
    pub(super) latency: Duration,
    /// How many requests are worked on at once, if that is limited.
    pub(super) permits: Option<Semaphore>,
}

/// Accepts connections until the runtime ends.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file handles, mostly: others may be closed in a moment.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        // Without it small answers may wait for an acknowledgement; nothing else depends on it.
        let _ = stream.set_nodelay(true);
        shared.recorder.connection();
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(|request| respond(Arc::clone(&shared), request));
            // An error here is a client that went away or a connection cut on purpose.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn respond(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Payload>, Cut> {
    if !is_for_this_machine(&request) {
        return Ok(Page::misdirected().into_response(false));
    }
    let page = match request.uri().path() {
        "/v1" => return graphql(shared, request).await,
        "/v1/healthz" => Page::json(200, b"{}".to_vec()),
        "/audit" => {
            let entries = request.uri().query() != Some("entries=0");
            let audit = shared.recorder.audit(&locked(&shared.world), entries);
            Page::json(200, serde_json::to_vec_pretty(&audit).map_err(|_| Cut)?)
        }
        "/state" => {
            let state = locked(&shared.world).to_state();
            Page::json(200, serde_json::to_vec_pretty(&state).map_err(|_| Cut)?)
        }
        _ => Page::not_found(),
    };
    Ok(page.into_response(false))
}

/// Whether the `Host` of a request names this machine. This keeps out web pages that make their own
/// name resolve to it (DNS rebinding).
fn is_for_this_machine<T>(request: &Request<T>) -> bool {
    let named: Vec<&[u8]> = request.headers().get_all(HOST).iter().map(HeaderValue::as_bytes).collect();
    let is_old = matches!(request.version(), Version::HTTP_09 | Version::HTTP_10);
    let in_line = request.uri().authority().map(|authority| authority.as_str().as_bytes());
    (is_old || !named.is_empty()) && named.into_iter().chain(in_line).all(is_loopback)
}

/// Whether a host, with or without a port, is `localhost` or a loopback address.
fn is_loopback(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else { return false };
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').unwrap_or((rest, "none")),
        None => host.find(':').map_or((host, ""), |at| host.split_at(at)),
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        && (name.trim_end_matches('.').eq_ignore_ascii_case("localhost")
            || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}

/// A body this much above the limit is not even read.
const HOPELESS: usize = 16 * 1024 * 1024;

/// The body, or `None` above the limit. The excess is read and dropped, so that the client stays
/// connected and reads the answer.
async fn read_body(mut body: Incoming, limit: usize) -> Result<Option<Bytes>, Cut> {
    let mut bytes = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Cut)?.into_data() else { continue };
        length += data.len();
        if length > HOPELESS {
            return Err(Cut);
        }
        if length <= limit {
            bytes.extend_from_slice(&data);
        }
    }
    Ok((length <= limit).then(|| bytes.into()))
}

async fn graphql(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Payload>, Cut> {
    let open = shared.recorder.request();
    let (parts, body) = request.into_parts();
    let body = read_body(body, shared.rules.switches.body_limit).await?;
    let Some(body) = body else {
        shared.recorder.status(413);
        return Ok(Page::too_large().into_response(false));
    };
    let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let job = Job {
        asked: decode(&shared, &parts.method, parts.uri.query(), &parts.headers, &body),
        is_get: parts.method == Method::GET,
        authorization: header.map(str::to_owned),
        body,
        open,
    };
    // A task of its own: it continues when this one is dropped with the connection.
    let task = tokio::spawn(job.carry_out(Arc::clone(&shared)));
    let Answer { page, manner, open, admitted } = task.await.map_err(|_| Cut)?;
    let (page, truncated) = match manner {
        Manner::Send => (page, false),
        Manner::Truncate => (page, true),
        Manner::Close => return Err(Cut),
        Manner::After(wait) => {
            tokio::time::sleep(wait).await;
            (page, false)
        }
    };
    shared.recorder.status(page.status);
    drop((open, admitted));
    Ok(page.into_response(truncated))
}

/// Carries out a request of JSON that comes over no connection; `None` where the connection would be
/// closed in place of an answer.
pub(super) async fn post(shared: Arc<Shared>, authorization: String, body: Bytes) -> Option<Delivery> {
    let open = shared.recorder.request();
    if body.len() > shared.rules.switches.body_limit {
        shared.recorder.status(413);
        return Some(Page::too_large().into_delivery(false, Duration::ZERO));
    }
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let asked = decode(&shared, &Method::POST, None, &headers, &body);
    let job = Job { asked, is_get: false, authorization: Some(authorization), body, open };
    let Answer { page, manner, open: _open, admitted: _admitted } = job.carry_out(Arc::clone(&shared)).await;
    let (truncated, after) = match manner {
        Manner::Send => (false, Duration::ZERO),
        Manner::Truncate => (true, Duration::ZERO),
        Manner::Close => return None,
        Manner::After(wait) => (false, wait),
    };
    shared.recorder.status(page.status);
    Some(page.into_delivery(truncated, after))
}

/// What a request asks for.
enum Asked {
    One(engine::Request),
    Batch(Vec<engine::Request>),
    /// Nothing that can be carried out; this is the answer.
    Nothing(Page),
}

fn decode(shared: &Shared, method: &Method, query: Option<&str>, headers: &HeaderMap, body: &[u8]) -> Asked {
    let style = shared.rules.style;
    let rejected = |text: &str| {
        let reply = shared.engine.rejection(400, "BAD_REQUEST", vec![engine::plain(text)]);
        Page::json(reply.status, reply.body)
    };
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if *method == Method::GET {
        if style == Style::As4 && !content_type.starts_with("application/json") {
            let text = "This operation has been blocked as a potential Cross-Site Request Forgery (CSRF).";
            return Asked::Nothing(rejected(text));
        }
        return match query.and_then(request_of_query) {
            Some(request) => Asked::One(request),
            None => Asked::Nothing(Page::text(400, "GET query missing.")),
        };
    }
    if *method != Method::POST {
        return Asked::Nothing(Page::only_post());
    }
    let is_json = content_type.split(';').next().is_some_and(|kind| kind.trim() == "application/json");
    // The oldest one looks for keys, too.
    let is_bare = style == Style::As2 && body.iter().filter(|byte| !byte.is_ascii_whitespace()).eq(b"{}");
    if body.is_empty() || is_bare || !is_json {
        return Asked::Nothing(match style {
            Style::As2 => Page::bodyless(),
            Style::As3 => {
                Page::text(400, "POST body missing, invalid Content-Type, or JSON object has no keys.")
            }
            Style::As4 => rejected("POST body missing, invalid Content-Type, or JSON object has no keys."),
        });
    }
    let wrong = |error: &serde_json::Error| {
        if error.is_data() {
            rejected("The request's keys have values of the wrong type.")
        } else {
            Page::bad_json()
        }
    };
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => match serde_json::from_slice(body) {
            Ok(request) => Asked::One(request),
            Err(error) => Asked::Nothing(wrong(&error)),
        },
        Some(b'[') => match serde_json::from_slice(body) {
            Err(error) => Asked::Nothing(wrong(&error)),
            Ok(requests) if shared.rules.batch => Asked::Batch(requests),
            Ok(_) => Asked::Nothing(rejected("Operation batching disabled.")),
        },
        Some(_) | None => Asked::Nothing(Page::bad_json()),
    }
}

fn request_of_query(query: &str) -> Option<engine::Request> {
    let mut request = engine::Request::default();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "query" => request.query = Some(value.into_owned()),
            "operationName" => request.operation_name = Some(value.into_owned()),
            "variables" => request.variables = serde_json::from_str(&value).ok(),
            _ => {}
        }
    }
    request.query.is_some().then_some(request)
}

/// How an answer leaves.
enum Manner {
    Send,
    Truncate,
    Close,
    After(Duration),
}

struct Answer {
    page: Page,
    manner: Manner,
    open: InFlight,
    admitted: Vec<Admitted>,
}

/// One request on its way through.
struct Job {
    asked: Asked,
    is_get: bool,
    authorization: Option<String>,
    body: Bytes,
    open: InFlight,
}

/// What is left to do after preparation.
enum Work {
    One(Prepared),
    Batch(Vec<Result<Prepared, Reply>>),
    Answer(Page),
}

impl Work {
    fn mutations(&self) -> usize {
        match self {
            Self::One(prepared) => prepared.mutations,
            Self::Batch(all) => all.iter().flatten().map(|prepared| prepared.mutations).sum(),
            Self::Answer(_) => 0,
        }
    }
}

impl Job {
    async fn carry_out(self, shared: Arc<Shared>) -> Answer {
        let Self { asked, is_get, authorization, body, open } = self;
        let mut work = match asked {
            Asked::Nothing(page) => Work::Answer(page),
            Asked::One(request) => match shared.prepare(request) {
                Ok(prepared) => Work::One(prepared),
                Err(reply) => Work::Answer(Page::json(reply.status, reply.body)),
            },
            Asked::Batch(requests) => {
                Work::Batch(requests.into_iter().map(|request| shared.prepare(request)).collect())
            }
        };
        let mutations = work.mutations();
        if is_get && mutations > 0 {
            work = Work::Answer(refuse_by_get(&shared));
        } else {
            shared.recorder.received(mutations);
        }
        let mut decision = shared.dice.decide(mutations > 0, &body);
        drop(body);
        let admitted = shared.dice.admit().unwrap_or_else(|refusal| {
            decision.fault = Some(refusal);
            Vec::new()
        });
        if let Some(fault) = decision.fault {
            shared.recorder.fault(fault.name());
            if let Some((page, manner)) = instead(fault) {
                return Answer { page, manner, open, admitted };
            }
        }
        let page = shared.in_turn(work, authorization, decision.fault, decision.slow).await;
        let (page, manner) = afterwards(decision.fault, page);
        Answer { page, manner, open, admitted }
    }
}

fn refuse_by_get(shared: &Shared) -> Page {
    match shared.rules.style {
        Style::As2 | Style::As3 => Page::only_post(),
        Style::As4 => {
            let text = "GET requests only support query operations, not mutation operations";
            let reply = shared.engine.rejection(400, BAD_USER_INPUT, vec![engine::plain(text)]);
            Page::json(reply.status, reply.body)
        }
    }
}

/// Faults that come instead of the work.
fn instead(fault: Fault) -> Option<(Page, Manner)> {
    match fault {
        Fault::Limited { wait } => Some((Page::limited(wait), Manner::Send)),
        Fault::TooMany { wait, as_date } => Some((Page::too_many(wait, as_date), Manner::Send)),
        Fault::Gateway { status, after: false } => Some((Page::gateway(status), Manner::Send)),
        Fault::Html => Some((Page::login(), Manner::Send)),
        Fault::Foreign => Some((Page::foreign(), Manner::Send)),
        Fault::Reset { after: false } => Some((Page::not_found(), Manner::Close)),
        Fault::Gateway { after: true, .. }
        | Fault::Reset { after: true }
        | Fault::Internal { .. }
        | Fault::Timeout(_)
        | Fault::Late(_)
        | Fault::Lag(_)
        | Fault::Truncated
        | Fault::Lie => None,
    }
}

/// Faults that spoil the answer to work that was done.
fn afterwards(fault: Option<Fault>, page: Page) -> (Page, Manner) {
    let Some(fault) = fault else { return (page, Manner::Send) };
    match fault {
        Fault::Gateway { status, .. } => (Page::gateway(status), Manner::Send),
        Fault::Reset { .. } => (page, Manner::Close),
        Fault::Truncated => (page, Manner::Truncate),
        Fault::Timeout(patience) => (Page::gateway(504), Manner::After(patience)),
        Fault::Late(wait) => (page, Manner::After(wait)),
        Fault::TooMany { .. }
        | Fault::Limited { .. }
        | Fault::Html
        | Fault::Foreign
        | Fault::Internal { .. }
        | Fault::Lag(_)
        | Fault::Lie => (page, Manner::Send),
    }
}

impl Shared {
    /// Everything up to execution; what does not fit is counted.
    fn prepare(&self, request: engine::Request) -> Result<Prepared, Reply> {
        let name = request.operation_name.clone().unwrap_or_default();
        self.engine.prepare(request).inspect_err(|_| self.recorder.unfit(&name))
    }

    /// Waits for a turn and for the latency, then does the work.
    async fn in_turn(
        self: &Arc<Self>,
        work: Work,
        authorization: Option<String>,
        fault: Option<Fault>,
        slow: Duration,
    ) -> Page {
        let _permit = match &self.permits {
            // The semaphore is never closed.
            Some(permits) => permits.acquire().await.ok(),
            None => None,
        };
        let lag = if let Some(Fault::Lag(lag)) = fault { lag } else { Duration::ZERO };
        let wait = self.latency + slow + lag;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let may_block = !self.rules.switches.check_window.is_zero();
        let shared = Arc::clone(self);
        let run = move || shared.run(work, authorization.as_deref(), fault);
        if may_block {
            tokio::task::spawn_blocking(run).await.unwrap_or_else(|_| Page::gateway(502))
        } else {
            run()
        }
    }

    fn run(&self, work: Work, authorization: Option<&str>, fault: Option<Fault>) -> Page {
        let credential = Credential::of(authorization);
        let died = matches!(credential, Credential::Token(_)) && self.dice.token_has_died();
        // The work of a lie is done on a copy.
        let copy = (fault == Some(Fault::Lie)).then(|| Mutex::new(locked(&self.world).clone()));
        let world = copy.as_ref().unwrap_or(&self.world);
        let caller = Caller::of(credential, &locked(world), died);
        let context = Context {
            world,
            rules: &self.rules,
            caller: &caller,
            recorder: &self.recorder,
            operation_name: None,
            fault,
        };
        match work {
            Work::Answer(page) => page,
            Work::One(prepared) => {
                let reply = self.engine.execute(&prepared, context);
                Page::json(reply.status, reply.body)
            }
            Work::Batch(all) => {
                let mut body = b"[".to_vec();
                for (index, prepared) in all.into_iter().enumerate() {
                    let reply = prepared
                        .map_or_else(|reply| reply, |prepared| self.engine.execute(&prepared, context));
                    if index > 0 {
                        body.push(b',');
                    }
                    body.extend_from_slice(&reply.body);
                }
                body.push(b']');
                Page::json(200, body)
            }
        }
    }
}
