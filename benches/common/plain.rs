//! The plain server: the least that can pass for a Houston. hyper on one thread, a few bytes per answer,
//! an exact count of what arrived and when.
//!
//! Every answer takes the same time. The server works on any number of requests at once, or, with a number
//! of workers, on as many, and the others wait in the order in which they came.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderValue;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::server::{announce, until_unwanted, workspace_id};

/// The token of the plain server, which takes any.
pub const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// How many people are in a page.
const PAGE: usize = 100;

/// What a server counted since it was last asked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Count {
    /// Connections that were opened.
    pub connections: u64,
    /// Requests.
    pub requests: u64,
    /// Mutations.
    pub writes: u64,
    /// The most requests in any second, wherever it begins.
    pub most_in_a_second: usize,
    /// Seconds from the first request to the last.
    pub seconds: f64,
}

/// What is in the server at a moment.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Sample {
    /// Seconds since the server began.
    pub at: f64,
    /// Requests that wait or are worked on.
    pub inside: usize,
    /// Requests that were answered so far.
    pub answered: u64,
}

/// The time from one sample to the next.
pub const SAMPLED: Duration = Duration::from_millis(50);

/// Is the server: this time for every answer, so many workspaces, so many requests at once.
pub fn serve(latency: Duration, workspaces: usize, workers: Option<usize>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        announce(listener.local_addr()?.port(), TOKEN)?;
        std::thread::spawn(|| {
            until_unwanted();
            std::process::abort();
        });
        let shared = Shared::new(workspaces, workers);
        if workers.is_some() {
            tokio::spawn(shared.clone().sample());
        }
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let shared = shared.clone();
            shared.plain().count.connections += 1;
            tokio::spawn(async move {
                let service = service_fn(move |request| shared.clone().answer(request, latency));
                let connection = hyper::server::conn::http1::Builder::new();
                // An error is a client that has gone.
                let _ = connection.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    })
}

/// What all connections share.
#[derive(Clone)]
struct Shared {
    plain: Arc<Mutex<Plain>>,
    hall: Arc<Mutex<Hall>>,
}

impl Shared {
    fn new(workspaces: usize, workers: Option<usize>) -> Self {
        Self {
            plain: Arc::new(Mutex::new(Plain::new(workspaces))),
            hall: Arc::new(Mutex::new(Hall::new(workers.unwrap_or(usize::MAX)))),
        }
    }

    fn plain(&self) -> MutexGuard<'_, Plain> {
        self.plain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hall(&self) -> MutexGuard<'_, Hall> {
        self.hall.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn sample(self) {
        let mut ticks = tokio::time::interval(SAMPLED);
        loop {
            ticks.tick().await;
            let mut hall = self.hall();
            let sample = hall.sample();
            hall.samples.push(sample);
        }
    }

    async fn answer(
        self,
        request: Request<Incoming>,
        latency: Duration,
    ) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await?.to_bytes();
        let text = if let Some(text) = self.control(&path) {
            text
        } else {
            let text = self.plain().answer(&body);
            self.work(latency).await;
            text
        };
        let mut response = Response::new(Full::new(Bytes::from(text)));
        response
            .headers_mut()
            .insert("content-type", HeaderValue::from_static("application/json; charset=utf-8"));
        Ok(response)
    }

    /// What a bench asks of the server itself.
    fn control(&self, path: &str) -> Option<String> {
        let json = match path.trim_start_matches('/').split_once('/') {
            None if path == "/count" => serde_json::to_string(&self.plain().report()),
            None if path == "/samples" => serde_json::to_string(&std::mem::take(&mut self.hall().samples)),
            Some(("workers", count)) => {
                let mut hall = self.hall();
                hall.hire(count.parse().unwrap_or(1));
                serde_json::to_string(&hall.sample())
            }
            None | Some(_) => return None,
        };
        json.ok()
    }

    /// Waits for a worker, and for the end of the work.
    async fn work(&self, latency: Duration) {
        let turn = self.hall().enter();
        let start = match turn {
            Turn::Now(start) => start,
            Turn::Later(start) => start.await.unwrap_or_else(|_| Instant::now()),
        };
        if !latency.is_zero() {
            tokio::time::sleep_until((start + latency).into()).await;
        }
        self.hall().leave(start + latency);
    }
}

/// Workers, and before them a queue without an end.
struct Hall {
    workers: usize,
    busy: usize,
    /// Told when their work begins.
    queue: VecDeque<oneshot::Sender<Instant>>,
    answered: u64,
    start: Instant,
    samples: Vec<Sample>,
}

/// When the work for a request begins.
enum Turn {
    Now(Instant),
    Later(oneshot::Receiver<Instant>),
}

impl Hall {
    fn new(workers: usize) -> Self {
        let start = Instant::now();
        Self { workers, busy: 0, queue: VecDeque::new(), answered: 0, start, samples: Vec::new() }
    }

    fn enter(&mut self) -> Turn {
        if self.busy < self.workers {
            self.busy += 1;
            return Turn::Now(Instant::now());
        }
        let (sender, receiver) = oneshot::channel();
        self.queue.push_back(sender);
        Turn::Later(receiver)
    }

    /// A worker is done at this time, and begins the next work then: the timer's delay is not work.
    fn leave(&mut self, end: Instant) {
        self.busy -= 1;
        self.answered += 1;
        self.begin(end);
    }

    /// From now on there are so many workers. Those who are too many finish what they do.
    fn hire(&mut self, workers: usize) {
        self.workers = workers;
        self.begin(Instant::now());
    }

    fn begin(&mut self, at: Instant) {
        while self.busy < self.workers
            && let Some(next) = self.queue.pop_front()
        {
            // One whose client has gone takes no worker.
            self.busy += usize::from(next.send(at).is_ok());
        }
    }

    fn sample(&self) -> Sample {
        let inside = self.busy + self.queue.len();
        Sample { at: self.start.elapsed().as_secs_f64(), inside, answered: self.answered }
    }
}

/// The state of the plain server.
struct Plain {
    /// Members of each workspace: address and role, in the order in which they came.
    members: Vec<Vec<(Box<str>, Box<str>)>>,
    count: Count,
    first: Option<Instant>,
    last: Option<Instant>,
    /// Arrivals within the last second.
    recent: VecDeque<Instant>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked<'a> {
    operation_name: &'a str,
    /// A document without variables has `null` here.
    #[serde(borrow)]
    variables: Option<Variables<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Variables<'a> {
    workspace_uuid: Option<&'a str>,
    email: Option<&'a str>,
    role: Option<&'a str>,
    cursor: Option<&'a str>,
}

impl Plain {
    fn new(workspaces: usize) -> Self {
        Self {
            members: vec![Vec::new(); workspaces],
            count: Count::default(),
            first: None,
            last: None,
            recent: VecDeque::new(),
        }
    }

    fn report(&mut self) -> Count {
        let mut count = std::mem::take(&mut self.count);
        if let (Some(first), Some(last)) = (self.first.take(), self.last.take()) {
            count.seconds = (last - first).as_secs_f64();
        }
        self.recent.clear();
        count
    }

    fn arrived(&mut self) {
        let now = Instant::now();
        self.first.get_or_insert(now);
        self.last = Some(now);
        self.count.requests += 1;
        self.recent.push_back(now);
        while self.recent.front().is_some_and(|first| now - *first >= Duration::from_secs(1)) {
            self.recent.pop_front();
        }
        self.count.most_in_a_second = self.count.most_in_a_second.max(self.recent.len());
    }

    fn answer(&mut self, body: &[u8]) -> String {
        self.arrived();
        let Ok(asked) = serde_json::from_slice::<Asked<'_>>(body) else {
            return r#"{"errors":[{"message":"not understood"}]}"#.to_owned();
        };
        let variables = asked.variables.unwrap_or_default();
        let place = variables.workspace_uuid.and_then(|id| id.get(21..)?.parse().ok()).unwrap_or(0);
        match asked.operation_name {
            "AddMember" => {
                self.count.writes += 1;
                let (email, role) = (variables.email, variables.role);
                let member = (email.unwrap_or_default().into(), role.unwrap_or_default().into());
                if let Some(members) = self.members.get_mut(place) {
                    members.push(member);
                }
                r#"{"data":{"workspaceAddUser":{"id":"ck35y9uf44y8l0a19cmwd1x8x"}}}"#.to_owned()
            }
            "MemberPage" | "MemberPageWithInvites" => {
                self.page(place, variables.cursor.unwrap_or_default())
            }
            "OneMember" => self.person(place, variables.email.unwrap_or_default()),
            "SysWorkspaces" => self.workspaces(),
            "Installation" => {
                r#"{"data":{"appConfig":{"version":"2.0.0"},"authConfig":{"localEnabled":false,"providers":[{"name":"okta"}]}}}"#.to_owned()
            }
            "Caller" => {
                r#"{"data":{"self":{"user":{"id":"ckadmin","username":"admin@example.com"},"isAdmin":true}}}"#.to_owned()
            }
            _ => r#"{"errors":[{"message":"not played here"}]}"#.to_owned(),
        }
    }

    fn workspaces(&self) -> String {
        let list: Vec<_> = (0..self.members.len())
            .map(|place| serde_json::json!({ "id": workspace_id(place), "label": format!("Team {place}") }))
            .collect();
        serde_json::json!({ "data": { "sysWorkspaces": list } }).to_string()
    }

    /// A page of members; a person's id is their place in the list.
    fn page(&self, place: usize, cursor: &str) -> String {
        let start = cursor.parse::<usize>().map_or(0, |last| last + 1);
        let members = self.members.get(place).map_or(&[][..], |members| members.get(start..).unwrap_or(&[]));
        let mut text = String::with_capacity(256 + PAGE * 256);
        text.push_str(r#"{"data":{"paginatedWorkspaceUsers":["#);
        for (offset, member) in members.iter().take(PAGE).enumerate() {
            if offset > 0 {
                text.push(',');
            }
            push_person(&mut text, place, start + offset, member);
        }
        text.push_str(r#"],"workspaceInvites":[]}}"#);
        text
    }

    fn person(&self, place: usize, email: &str) -> String {
        let mut text = r#"{"data":{"workspaceUser":"#.to_owned();
        let members = self.members.get(place).map_or(&[][..], Vec::as_slice);
        match members.iter().position(|(address, _)| &**address == email) {
            Some(index) => push_person(&mut text, place, index, &members[index]),
            None => text.push_str("null"),
        }
        text.push_str("}}");
        text
    }
}

fn push_person(text: &mut String, place: usize, index: usize, (email, role): &(Box<str>, Box<str>)) {
    let id = workspace_id(place);
    // Memory takes every text.
    let _ = write!(
        text,
        r#"{{"id":"{index}","username":"{email}","status":"active","emails":[{{"address":"{email}"}}],"roleBindings":[{{"role":"{role}","workspace":{{"id":"{id}"}}}}]}}"#,
    );
}
