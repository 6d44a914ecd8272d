//! Asks a target everything that `doctor` wants to know, each question for itself.
//!
//! Main types: [`Asking`], and [`Facts`], what came back. Once nobody answers any more, the rest is
//! not asked. Nothing is judged here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::houston::{
    Answer, Contact, Credential, Failure, Fault, FirstContact, Houston, Http, Installation, Listing, Pace,
    Paced, ReadOnly, Request, RetryPolicy, Retrying, Rights, Scope, ServerTime, Skew, Surface, TokenKind,
    Transport,
};
use crate::model::WorkspaceId;
use crate::ops::session::Reached;
use crate::present::names::Likeness;
use crate::present::resolve::{Resolution, resolve};
use crate::roster::Roster;
use crate::time::{Cancel, Clock, SystemClock};

/// The longest wait that a checkup obeys: people sit before it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of a question; `None` where it was not asked.
pub(crate) type Asked<T> = Option<Result<T, Fault>>;

/// All that was found out about a target.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The URL.
    pub(crate) url: String,
    /// The host, as in the URL.
    pub(crate) host: String,
    /// Whether the host is a number and no name.
    pub(crate) is_address: bool,
    /// Whether TLS protects the way.
    pub(crate) is_encrypted: bool,
    /// Whether any certificate is trusted.
    pub(crate) insecure: bool,
    /// The file of certificate authorities, if there is one.
    pub(crate) ca_file: Option<String>,
    /// What the token looks like and when it says that it ends; or why there is none.
    pub(crate) token: Result<(TokenKind, Option<SystemTime>), String>,
    /// What the installation tells anybody.
    pub(crate) installation: Asked<Installation>,
    /// Who calls and what they may do.
    pub(crate) rights: Asked<Rights>,
    /// What the schema offers.
    pub(crate) surface: Asked<Option<Surface>>,
    /// Whether mail goes out.
    pub(crate) mail: Asked<Option<bool>>,
    /// The roster, if there is one.
    pub(crate) roster: Option<RosterFacts>,
    /// How this machine's clock compares.
    pub(crate) skew: Option<Skew>,
    /// How long each answer took, the first one with its connection.
    pub(crate) latencies: Vec<Duration>,
}

/// What was found out about a roster.
#[derive(Debug)]
pub(crate) struct RosterFacts {
    /// How many problems the file has.
    pub(crate) problems: u64,
    /// Whether it can be used nevertheless.
    pub(crate) is_usable: bool,
    /// How many rows are good.
    pub(crate) rows: usize,
    /// How many workspaces they name.
    pub(crate) count: usize,
    /// What became of each of them.
    pub(crate) workspaces: Asked<Vec<Place>>,
}

/// A workspace that a roster names.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// As the roster names it.
    pub(crate) text: String,
    /// What it turned out to be.
    pub(crate) found: Found,
}

/// What a workspace of a roster turned out to be.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// It is there.
    Here {
        /// Its id.
        id: WorkspaceId,
        /// Whether its invitations can be read, which takes an admin from 0.25 on; asked only where
        /// nothing else tells.
        invites: Asked<()>,
    },
    /// There is none, or none that the caller sees.
    Nowhere {
        /// Whether the caller sees all workspaces.
        scope: Scope,
        /// What it has to do with names that there are.
        near: Likeness,
    },
    /// Several have this label.
    Ambiguous(Vec<WorkspaceId>),
    /// Nobody can say.
    Unclear(Fault),
}

/// A target that is being asked.
pub(crate) struct Asking<'a> {
    reached: &'a Reached,
    houston: Houston,
    time: ServerTime,
    watch: Watch,
    is_gone: bool,
}

impl<'a> Asking<'a> {
    /// Gets ready; nothing is sent yet.
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
        let pace = Pace::new(settings.rate, max_wait, Arc::clone(&clock), cancel.clone());
        let pace = pace.with_contact(contact.clone());
        let paced = Paced::new(FirstContact::new(timed, contact), Arc::new(pace));
        let policy = RetryPolicy { max_wait, ..settings.retry() };
        let transport = ReadOnly::new(Retrying::new(paced, policy, clock, cancel));
        Self { reached, houston: Houston::new(Arc::new(transport)), time, watch, is_gone: false }
    }

    /// Asks everything that can be asked.
    pub(crate) fn facts(mut self, roster: Option<&Roster>) -> Facts {
        let installation = self.ask(Houston::installation);
        let has_token = self.reached.token.is_ok();
        let rights = if has_token { self.ask(Houston::rights) } else { None };
        let surface = self.ask(Houston::surface);
        let mail = self.ask(Houston::sends_mail);
        let living = rights.as_ref().and_then(|rights| rights.as_ref().ok());
        let roster = roster.map(|roster| self.roster(roster, living));
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
                Err(error) => Err(chain(error)),
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

    /// One question, unless nobody is there to answer it.
    fn ask<T>(&mut self, question: impl FnOnce(&Houston) -> Result<T, Failure>) -> Asked<T> {
        if self.is_gone {
            return None;
        }
        let answer = question(&self.houston).map_err(|failure| failure.fault);
        self.is_gone = answer.as_ref().is_err_and(is_silence);
        Some(answer)
    }

    fn roster(&mut self, roster: &Roster, rights: Option<&Rights>) -> RosterFacts {
        let mut used = vec![false; roster.workspaces().len()];
        roster.wanted().for_each(|wish| used[wish.workspace as usize] = true);
        let texts =
            roster.workspaces().iter().zip(used).filter(|(_, used)| *used).map(|(text, _)| text.as_str());
        let texts: Vec<&str> = texts.collect();
        let workspaces = rights.and_then(|rights| {
            let listing = match self.ask(Houston::workspaces)? {
                Ok(listing) => listing,
                Err(fault) => return Some(Err(fault)),
            };
            let resolutions = resolve(&listing, texts.iter().copied());
            let places = texts.iter().zip(resolutions).map(|(text, resolution)| Place {
                text: (*text).to_owned(),
                found: self.find(&listing, resolution, rights),
            });
            Some(Ok(places.collect()))
        });
        let (problems, rows) = (roster.issues().total(), roster.wanted_len());
        RosterFacts { problems, is_usable: roster.is_usable(), rows, count: texts.len(), workspaces }
    }

    fn find(&mut self, listing: &Listing, resolution: Resolution, rights: &Rights) -> Found {
        match resolution {
            Resolution::Found(place) => self.look_at(listing.workspaces[place].id.clone(), rights),
            Resolution::Invisible(id) => match self.ask(|houston| houston.workspace(&id)) {
                Some(Ok(Some(workspace))) => self.look_at(workspace.id, rights),
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

    /// Reads the invitations where the caller's own bindings do not tell whether they are an admin.
    fn look_at(&mut self, id: WorkspaceId, rights: &Rights) -> Found {
        let is_known = rights.is_everywhere() == Some(true)
            || rights.admin_of.as_ref().is_some_and(|admin_of| admin_of.contains(&id));
        let invites = if is_known { None } else { self.ask(|houston| houston.invites(&id).map(|_| ())) };
        Found::Here { id, invites }
    }
}

/// Whether a fault says that asking on makes no sense: nobody is there, or somebody else is.
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

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// How long requests took. Cheap to clone: clones are one.
#[derive(Debug, Clone, Default)]
struct Watch(Arc<Mutex<Vec<Duration>>>);

impl Watch {
    fn latencies(&self) -> Vec<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Takes the time of every request that was answered.
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
