//! Queries a target for everything that `doctor` wants to know, one query at a time.
//!
//! Main types: [`Asking`], and [`Facts`], the answers. Once the target stops answering, the remaining
//! queries are skipped. Nothing is judged here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::houston::{
    Answer, Contact, Credential, Failure, Fault, FirstContact, Houston, Http, Installation, Listing, Pace,
    Paced, Parts, ReadOnly, Request, RetryPolicy, Retrying, Rights, Scope, ServerTime, Skew, Surface,
    TokenKind, Transport, Version,
};
use crate::model::{WorkspaceId, in_words};
use crate::ops::session::Reached;
use crate::present::names::Likeness;
use crate::present::resolve::{Resolution, resolve};
use crate::roster::Roster;
use crate::time::{Cancel, Clock, SystemClock};

/// The longest wait that a checkup accepts: a person is watching it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The answer to a query; `None` if it was not sent.
pub(crate) type Asked<T> = Option<Result<T, Fault>>;

/// Everything that is known about a target.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The URL.
    pub(crate) url: String,
    /// The host, as in the URL.
    pub(crate) host: String,
    /// Whether the host is an IP address rather than a name.
    pub(crate) is_address: bool,
    /// Whether the connection uses TLS.
    pub(crate) is_encrypted: bool,
    /// Whether any certificate is trusted.
    pub(crate) insecure: bool,
    /// The file of certificate authorities, if there is one.
    pub(crate) ca_file: Option<String>,
    /// The kind of token and the expiry time that it states; or why there is no token.
    pub(crate) token: Result<(TokenKind, Option<SystemTime>), String>,
    /// What the installation reports without a token.
    pub(crate) installation: Asked<Installation>,
    /// Who the caller is and what they may do.
    pub(crate) rights: Asked<Rights>,
    /// What the schema offers.
    pub(crate) surface: Asked<Option<Surface>>,
    /// Whether Houston can send email.
    pub(crate) mail: Asked<Option<bool>>,
    /// The roster, if there is one.
    pub(crate) roster: Option<RosterFacts>,
    /// How far this machine's clock is off.
    pub(crate) skew: Option<Skew>,
    /// How long each answer took; the first one includes the connection.
    pub(crate) latencies: Vec<Duration>,
}

/// What is known about a roster.
#[derive(Debug)]
pub(crate) struct RosterFacts {
    /// How many problems the file has.
    pub(crate) problems: u64,
    /// Whether it can be used despite them.
    pub(crate) is_usable: bool,
    /// How many rows are valid.
    pub(crate) rows: usize,
    /// How many workspaces they name.
    pub(crate) count: usize,
    /// What Houston has for each of them.
    pub(crate) workspaces: Asked<Vec<RosterWorkspace>>,
}

/// A workspace that a roster names.
#[derive(Debug, Clone)]
pub(crate) struct RosterWorkspace {
    /// As the roster names it.
    pub(crate) text: String,
    /// What Houston has under this name.
    pub(crate) found: Found,
}

/// What Houston has for a workspace of a roster.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// It exists.
    Here {
        /// Its id.
        id: WorkspaceId,
        /// Whether the caller can list its members, without which nothing is changed there.
        members: Asked<()>,
        /// Whether the caller can read its invitations, which takes an admin from 0.25 on; queried
        /// only if nothing else shows it.
        invites: Asked<()>,
        /// Whose workspaces the caller was shown: all of them take a role on the platform, which may open
        /// the invitations, too.
        scope: Scope,
    },
    /// It does not exist, or the caller cannot see it.
    Nowhere {
        /// Whether the caller sees all workspaces.
        scope: Scope,
        /// How it resembles existing names.
        near: Likeness,
    },
    /// Several have this label.
    Ambiguous(Vec<WorkspaceId>),
    /// Houston did not give a usable answer.
    Unclear(Fault),
}

/// A target that is being queried.
pub(crate) struct Asking<'a> {
    reached: &'a Reached,
    houston: Houston,
    time: ServerTime,
    watch: Watch,
    is_gone: bool,
}

impl<'a> Asking<'a> {
    /// Prepares the client; sends nothing.
    pub(crate) fn new(reached: &'a Reached) -> Self {
        let (time, watch) = (ServerTime::default(), Watch::default());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let cancel = Cancel::new();
        let settings = reached.pace;
        let max_wait = settings.max_wait.min(PATIENCE);
        let credential = reached.token.as_ref().ok().cloned().map(Credential::new);
        let http =
            Http::new(&reached.address, credential, reached.target.http(&settings)).noting(time.clone());
        let timed = Timed { inner: http, watch: watch.clone() };
        let contact = Contact::new(settings.max_wait, Arc::clone(&clock));
        let pace = Pace::new(settings.speed.rate(), max_wait, Arc::clone(&clock), cancel.clone());
        let pace = pace.with_contact(contact.clone());
        let paced = Paced::new(FirstContact::new(timed, contact), Arc::new(pace));
        let policy = RetryPolicy { max_wait, ..settings.retry() };
        let transport = ReadOnly::new(Retrying::new(paced, policy, clock, cancel));
        Self { reached, houston: Houston::new(Arc::new(transport)), time, watch, is_gone: false }
    }

    /// Sends every query that can be sent.
    pub(crate) fn facts(mut self, roster: Option<&Roster>) -> Facts {
        let installation = self.ask(Houston::installation);
        let version = installation.as_ref().and_then(|found| found.as_ref().ok()?.version);
        let has_token = self.reached.token.is_ok();
        let rights = if has_token { self.ask(Houston::rights) } else { None };
        let surface = self.ask(Houston::surface);
        let mail = self.ask(Houston::sends_mail);
        let living = rights.as_ref().and_then(|rights| rights.as_ref().ok());
        let roster = roster.map(|roster| self.roster(roster, living.map(|rights| (rights, version))));
        let target = &self.reached.address;
        let url = target.url();
        Facts {
            url: url.to_string(),
            host: url.host_str().unwrap_or_default().to_owned(),
            is_address: matches!(url.host(), Some(url::Host::Ipv4(_) | url::Host::Ipv6(_))),
            is_encrypted: target.is_encrypted(),
            insecure: self.reached.target.insecure,
            ca_file: self.reached.target.ca_file.as_ref().map(|path| path.display().to_string()),
            token: match &self.reached.token {
                Ok(token) => Ok((token.kind(), token.expires())),
                Err(error) => Err(in_words(error)),
            },
            installation,
            rights,
            surface,
            mail,
            roster,
            skew: self.time.skew(),
            latencies: self.watch.latencies(),
        }
    }

    /// Sends one query, unless the target has stopped answering.
    fn ask<T>(&mut self, question: impl FnOnce(&Houston) -> Result<T, Failure>) -> Asked<T> {
        if self.is_gone {
            return None;
        }
        let answer = question(&self.houston).map_err(|failure| failure.fault);
        self.is_gone = answer.as_ref().is_err_and(is_silence);
        Some(answer)
    }

    fn roster(&mut self, roster: &Roster, rights: Option<(&Rights, Option<Version>)>) -> RosterFacts {
        let mut used = vec![false; roster.workspaces().len()];
        roster.wanted().for_each(|wish| used[wish.workspace as usize] = true);
        let texts =
            roster.workspaces().iter().zip(used).filter(|(_, used)| *used).map(|(text, _)| text.as_str());
        let texts: Vec<&str> = texts.collect();
        let workspaces = rights.and_then(|(rights, version)| {
            let listing = match self.ask(Houston::workspaces)? {
                Ok(listing) => listing,
                Err(fault) => return Some(Err(fault)),
            };
            let resolutions = resolve(&listing, texts.iter().copied());
            let found = texts.iter().zip(resolutions).map(|(text, resolution)| RosterWorkspace {
                text: (*text).to_owned(),
                found: self.find(&listing, resolution, rights, version),
            });
            Some(Ok(found.collect()))
        });
        let (problems, rows) = (roster.issues().total(), roster.wanted_len());
        RosterFacts { problems, is_usable: roster.is_usable(), rows, count: texts.len(), workspaces }
    }

    fn find(
        &mut self,
        listing: &Listing,
        resolution: Resolution,
        rights: &Rights,
        version: Option<Version>,
    ) -> Found {
        let scope = listing.scope;
        match resolution {
            Resolution::Found(index) => {
                self.look_at(listing.workspaces[index].id.clone(), scope, rights, version)
            }
            Resolution::Invisible(id) => match self.ask(|houston| houston.workspace(&id)) {
                Some(Ok(Some(workspace))) => self.look_at(workspace.id, scope, rights, version),
                Some(Ok(None) | Err(Fault::Denied { .. } | Fault::Rejected { .. })) => {
                    Found::Nowhere { scope: listing.scope, near: Likeness::Nothing }
                }
                Some(Err(fault)) => Found::Unclear(fault),
                None => Found::Unclear(gone()),
            },
            Resolution::Unknown { near } => Found::Nowhere { scope: listing.scope, near },
            Resolution::Ambiguous { ids } => Found::Ambiguous(ids),
        }
    }

    /// Reads the members, and the invitations if the caller's bindings do not show whether they are an
    /// admin.
    fn look_at(&mut self, id: WorkspaceId, scope: Scope, rights: &Rights, version: Option<Version>) -> Found {
        let is_known = rights.adds_everywhere(version) == Some(true) || rights.administers(&id);
        let parts = Parts { invites: !is_known, ..Parts::default() };
        let page = self.ask(|houston| houston.member_page(&id, None, parts));
        let (members, invites) = match page {
            Some(Ok(page)) => (Some(Ok(())), page.invites.map(|invites| invites.map(|_| ()))),
            Some(Err(fault)) => (Some(Err(fault)), None),
            None => (None, None),
        };
        Found::Here { id, members, invites, scope }
    }
}

/// Whether a fault makes further queries pointless: nothing answers, or something other than Houston.
fn is_silence(fault: &Fault) -> bool {
    match fault {
        Fault::Unsent { .. } | Fault::NoAnswer { .. } | Fault::Proxy { .. } | Fault::Throttled { .. } => true,
        Fault::Denied { .. }
        | Fault::Expired { .. }
        | Fault::Rejected { .. }
        | Fault::Already { .. }
        | Fault::Schema { .. }
        | Fault::Internal { .. }
        | Fault::Malformed { .. } => false,
    }
}

fn gone() -> Fault {
    Fault::NoAnswer {
        cause: crate::houston::NoAnswerCause::Timeout,
        text: "an earlier request got no answer".to_owned(),
    }
}

/// How long requests took. Cheap to clone: clones share the list.
#[derive(Debug, Clone, Default)]
struct Watch(Arc<Mutex<Vec<Duration>>>);

impl Watch {
    fn latencies(&self) -> Vec<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Measures the time of every request that was answered.
struct Timed<T> {
    inner: T,
    watch: Watch,
}

impl<T: Transport> Transport for Timed<T> {
    fn send(&self, request: &Request) -> Result<Answer, Failure> {
        let start = Instant::now();
        let answer = self.inner.send(request)?;
        self.watch.0.lock().unwrap_or_else(PoisonError::into_inner).push(start.elapsed());
        Ok(answer)
    }
}
