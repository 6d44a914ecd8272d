//! A connection to one Houston, checked before anything depends on it: who answers, which version,
//! whose token.
//!
//! Main type: [`Session`], made by [`Session::open`].

pub mod identity;
pub mod pace;
pub mod target;
pub mod token_life;
pub mod waiting;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::event::{Event, Pause};
use crate::houston::context;
use crate::houston::profile::DEPLOYMENT_ROLES_SINCE;
use crate::houston::{
    Caller, Contact, Credential, FailedAttempt, Fault, FirstContact, Houston, Installation, Mail, Observer,
    OutageWait, Pace, Paced, ReadOnly, Renewing, Retrying, Speed, Support, Target, Token, TokenError,
    Transport, UnsentCause, Waiting,
};
use crate::model::{Emails, Shard, email_key, normalize_email};
use crate::ops::environment::Environment;
use crate::ops::failure::Failure;
use crate::ops::notices::Notices;
use crate::ops::session::identity::Identity;
use crate::ops::session::pace::PaceSettings;
#[cfg(feature = "sandbox")]
use crate::ops::session::target::Choice;
use crate::ops::session::target::{DestinationError, Resolved, TargetSettings};
use crate::ops::session::token_life::{TokenInForce, TokenLife, exposed, time_for};
use crate::ops::session::waiting::{LongestWait, announcing_waits};
use crate::outcome::ExitStatus;
use crate::outcome::Tally;
use crate::present::members::{Care, PageSize, Reading};
use crate::present::survey::Survey;
use crate::record::journal::RunSettings;
use crate::report::Reporter;
use crate::report::notices::{AttemptNotice, Notice};
use crate::time::{Cancel, Clock};

/// Whether Houston may mail invitations.
pub fn mail(settings: &RunSettings) -> Mail {
    if settings.send_invites { Mail::Send } else { Mail::Bypass }
}

/// Whether a session may change anything. A read-only one refuses mutations at its lowest layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Mutations do not get through.
    ReadOnly,
    /// Everything does.
    ReadWrite,
}

/// Where to go, found out before anything is sent.
#[derive(Debug)]
pub struct Destination {
    /// Which Houston.
    pub target: TargetSettings,
    /// How fast.
    pub pace: PaceSettings,
    resolved: Option<Resolved>,
}

/// A Houston that has an address, and maybe a token; a sandbox has been started.
pub struct Reached {
    /// The address.
    pub address: Target,
    /// The token, or why there is none.
    pub token: Result<Token, DestinationError>,
    /// Which Houston, and how it is reached.
    pub target: TargetSettings,
    /// How fast.
    pub pace: PaceSettings,
    #[cfg(feature = "sandbox")]
    _sandbox: Option<crate::sandbox::Sandbox>,
}

impl Destination {
    /// A destination whose token has not been looked for.
    pub fn new(target: TargetSettings, pace: PaceSettings) -> Self {
        Self { target, pace, resolved: None }
    }

    /// The same at the pace of a shard.
    #[must_use]
    pub fn in_shard(self, shard: Option<Shard>) -> Self {
        Self { pace: shard.map_or(self.pace, |shard| self.pace.in_shard(shard)), ..self }
    }

    /// Finds the token.
    ///
    /// # Errors
    /// No usable token (4), or an address of no use (2).
    pub fn with_token(self) -> Result<Self, Failure> {
        self.with_token_of(Token::from_environment)
    }

    /// Finds the token; `variable` is the one in the environment.
    ///
    /// # Errors
    /// As [`Self::with_token`].
    pub fn with_token_of(
        mut self,
        variable: impl FnOnce() -> Option<Result<Token, TokenError>>,
    ) -> Result<Self, Failure> {
        self.resolved = self.target.resolve_with(variable)?;
        Ok(self)
    }

    /// The URL of Houston, once the token has been found; none for a sandbox, which is still to be
    /// started.
    pub fn url(&self) -> Option<String> {
        self.resolved.as_ref().map(|resolved| resolved.target.url().to_string())
    }

    /// Finds address and token; a token that is missing or of no use is no failure yet.
    ///
    /// # Errors
    /// An address of no use (2), a login whose token is of no use (4), or a sandbox that does not
    /// start.
    pub fn reach(self, notices: &Notices) -> Result<Reached, Failure> {
        let Self { target, pace, .. } = self;
        #[cfg(feature = "sandbox")]
        if let Choice::Sandbox(choice) = &target.choice {
            let (sandbox, Resolved { target: address, token, .. }) = start_sandbox(choice)?;
            return Ok(Reached { address, token: Ok(token), target, pace, _sandbox: Some(sandbox) });
        }
        let no_token = || DestinationError::NoToken { logged_out: false };
        warn_if_exposed(&target, target.token_file.as_deref(), notices);
        let (address, token) = match target.resolve() {
            Ok(Some(Resolved { target, token, .. })) => (target, Ok(token)),
            Ok(None) => return Err(no_token().into()),
            Err(error) if error.is_about_token() => (target.address()?.ok_or_else(no_token)?, Err(error)),
            Err(error) => return Err(error.into()),
        };
        Ok(Reached {
            address,
            token,
            target,
            pace,
            #[cfg(feature = "sandbox")]
            _sandbox: None,
        })
    }
}

/// One Houston, ready to be asked.
pub struct Session {
    /// Its calls.
    pub houston: Houston,
    /// The pace of all requests.
    pub pace: Arc<Pace>,
    /// How fast, how patiently, and when to stop.
    pub settings: PaceSettings,
    /// What is known of its pages.
    pub pages: Arc<PageSize>,
    /// As many threads as requests may be in flight.
    pub pool: ThreadPool,
    /// Ends every wait.
    pub cancel: Cancel,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where notices go.
    pub notices: Notices,
    /// Its URL.
    pub url: String,
    /// Which Houston was meant, and how it is reached.
    pub target: TargetSettings,
    /// What it reports about itself.
    pub installation: Installation,
    /// Who we are to it.
    pub caller: Option<Caller>,
    /// Whose token it was when the session began.
    pub identity: Identity,
    /// Whether a read waits for an unavailable Houston.
    pub waiting: Waiting,
    /// How long one answer took.
    latency: Duration,
    token: TokenInForce,
    #[cfg(feature = "sandbox")]
    _sandbox: Option<crate::sandbox::Sandbox>,
}

impl Session {
    /// Connects, and asks who answers and who we are. Waits for an unavailable Houston.
    ///
    /// # Errors
    /// The target cannot be used (5), or the token is dead (4).
    pub fn open(
        destination: Destination,
        access: Access,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let Environment { clock, notices, connect, verbose, listen: _ } = environment.clone();
        let Destination { target: wanted, pace: settings, resolved } = destination;
        if wanted.insecure {
            notices.give(&Notice::Insecure);
        }
        #[cfg(feature = "sandbox")]
        let (resolved, sandbox) = match (&wanted.choice, resolved) {
            (Choice::Sandbox(choice), _) => {
                let (sandbox, resolved) = start_sandbox(choice)?;
                (Some(resolved), Some(sandbox))
            }
            (_, resolved) => (resolved, None),
        };
        let Some(Resolved { target, token, token_file }) = resolved else {
            return Err(Failure::new(ExitStatus::Token, DestinationError::NoToken { logged_out: false }));
        };
        warn_if_exposed(&wanted, token_file.as_deref(), &notices);
        let cancel = Cancel::new();
        let PaceSettings { speed, concurrency, max_wait, .. } = settings;
        let pace = Pace::of_run(speed, concurrency, max_wait, Arc::clone(&clock), cancel.clone());
        let contact = Contact::new(settings.max_wait, Arc::clone(&clock));
        let pace = Arc::new(pace.with_contact(contact.clone()));
        let url = target.url().to_string();
        let credential = Credential::new(token);
        let token = TokenInForce::new(credential.clone(), token_file);
        let waiting = Waiting::new(Arc::clone(&clock));
        let time = || Arc::clone(&clock);
        let way = connect(&target, credential.clone(), wanted.http(&settings));
        let transport = Paced::new(FirstContact::new(way, contact.clone()), Arc::clone(&pace));
        let transport = Renewing::new(transport, credential, token.file.clone(), time(), cancel.clone());
        let transport = Retrying::new(transport, settings.retry(), time(), cancel.clone())
            .with_budget(pace.budget())
            .observed(verbose.then(|| announcing_attempts(&notices)));
        let transport =
            OutageWait::new(transport, settings.max_wait, waiting.clone(), time(), cancel.clone())
                .with_contact(contact.clone());
        let transport: Arc<dyn Transport> = match access {
            Access::ReadOnly => Arc::new(ReadOnly::new(transport)),
            Access::ReadWrite => Arc::new(transport),
        };
        let houston = Houston::new(transport);
        let pool = ThreadPoolBuilder::new()
            .num_threads(settings.concurrency)
            .thread_name(|place| format!("worker-{place}"))
            .build()
            .map_err(|error| Failure::new(ExitStatus::Internal, error))?;
        if let life @ TokenLife::Over { .. } = token.life(Duration::ZERO) {
            token.notice(life).iter().for_each(|notice| notices.give(&Notice::Token(*notice)));
        }
        let (installation, caller, latency) =
            announcing_waits(&waiting, &notices, &url, first_wait(&contact, &settings), || {
                introduce(&houston, &pace, &*clock)
            })
            .map_err(|fault| unusable(&fault, &url))?;
        let identity = Identity::of(caller.as_ref(), &token.credential);
        Ok(Self {
            houston,
            pace,
            settings,
            pages: Arc::default(),
            pool,
            cancel,
            clock,
            notices,
            url,
            target: wanted,
            installation,
            caller,
            identity,
            waiting,
            latency,
            token,
            #[cfg(feature = "sandbox")]
            _sandbox: sandbox,
        })
    }

    /// Warns if the token ends before a run of so many requests does, which take as long as the
    /// rate and Houston's own speed let them.
    pub fn warn_of_token(&self, requests: u64) {
        let PaceSettings { speed, concurrency, .. } = self.settings;
        let life = self.token.life(time_for(requests, speed.rate(), self.latency, concurrency));
        if let TokenLife::TooShort { .. } = life {
            self.token.notice(life).iter().for_each(|notice| self.notices.give(&Notice::Token(*notice)));
        }
    }

    /// How many seconds so many requests take, at least and at most: at the rate, or as long as the
    /// answers took so far, if all that may be in flight are or only two; 0 if that is not known.
    pub fn time_for(&self, requests: u64) -> (u64, u64) {
        let PaceSettings { speed, concurrency, .. } = self.settings;
        let latency = Duration::from_millis(self.pace.strain().latency_ms().unwrap_or(0));
        let seconds = |in_flight| time_for(requests, speed.rate(), latency, in_flight).as_secs();
        match speed {
            Speed::Auto => (seconds(concurrency), seconds(concurrency.min(2))),
            Speed::Limited(_) => (seconds(concurrency), seconds(concurrency)),
            Speed::Unlimited => (0, 0),
        }
    }

    /// How long the token is still valid by this machine's clock, if it states its expiry.
    pub fn token_left(&self) -> Option<Duration> {
        self.token.credential.expires().map(|end| end.duration_since(SystemTime::now()).unwrap_or_default())
    }

    /// Why nothing is sent at the moment, if nothing is.
    pub fn pause(&self) -> Option<Pause> {
        let waiting = || self.waiting.now().map(|(so_far, _)| Pause::Away(so_far));
        crate::engine::pause(&self.pace).or_else(waiting)
    }

    /// Shows an event, and before it a notice of the session itself if a new token is in use.
    pub fn show(&self, event: &Event<'_>, progress: &mut dyn Reporter) {
        if let Some(file) = self.token.replaced() {
            progress.event(&Event::TokenReplaced { file });
        }
        progress.event(event);
    }

    /// Refuses what the installation's policy would turn into trouble: unwanted emails, or people who
    /// could never log in.
    ///
    /// # Errors
    /// The policy refuses (5).
    pub fn check_policy(&self, settings: &RunSettings) -> Result<(), Failure> {
        let refuse = |text: String| Failure::new(ExitStatus::Target, anyhow::anyhow!(text));
        match mail(settings) {
            Mail::Bypass if self.installation.bypass_invite == Support::No => {
                let version = self.version().map_or_else(String::new, |version| format!(" {version}"));
                Err(refuse(format!(
                    "Houston{version} cannot add people without emailing them: it has no `bypassInvite` (0.25.3 and later have it)"
                ))
                .hint("to allow the emails, pass --send-invites"))
            }
            Mail::Bypass if self.is_local_only() && !settings.bypass_local => Err(refuse(
                "this installation supports local passwords only: new people added without an invitation email could never log in"
                    .to_owned(),
            )
            .hint("pass --send-invites to have Houston email them, or --bypass-local if everyone already has an account")),
            Mail::Bypass | Mail::Send => Ok(()),
        }
    }

    /// Whether people can log in with local passwords, and in no other way.
    fn is_local_only(&self) -> bool {
        self.installation.local_passwords == Some(true) && self.installation.sso_providers.unwrap_or(0) == 0
    }

    /// A reader of many workspaces.
    pub fn survey<'s>(&'s self, emails: &'s Emails) -> Survey<'s> {
        Survey {
            houston: &self.houston,
            pool: &self.pool,
            emails,
            cancel: &self.cancel,
            pages: &self.pages,
            care: Care { caller: self.identity.user_id(), ..Care::default() },
        }
    }

    /// Whose token it is now: a token file may have been replaced by another user's.
    ///
    /// # Errors
    /// Houston does not answer.
    pub fn identity_now(&self) -> Result<Identity, Fault> {
        let credential = &self.token.credential;
        if credential.renewals() == 0 {
            return Ok(self.identity.clone());
        }
        match self.houston.caller() {
            Ok(caller) => Ok(Identity::of(Some(&caller), credential)),
            Err(failure) if matches!(failure.fault, Fault::Malformed { .. } | Fault::Schema { .. }) => {
                Ok(Identity::of(None, credential))
            }
            Err(failure) => Err(failure.fault),
        }
    }

    /// What the caller may be called in a workspace that was read, as addresses are compared.
    pub fn caller_names(&self, reading: &Reading) -> Vec<String> {
        let username = self.caller.as_ref().and_then(|caller| caller.username.as_deref());
        let username = username.map(normalize_email);
        let names = reading.caller.iter().map(String::as_str).chain(username.as_deref());
        names.map(|name| email_key(name).into_owned()).collect()
    }

    /// That time passes while something is read.
    pub fn tick(&self) -> Event<'static> {
        Event::Tick { tally: Tally::default(), pause: self.pause() }
    }

    /// Whether there are roles in deployments at all; a version that is not known may have them.
    pub fn knows_deployment_roles(&self) -> bool {
        self.installation.version.is_none_or(|version| version >= DEPLOYMENT_ROLES_SINCE)
    }

    /// The version of Houston, if it reports it.
    pub fn version(&self) -> Option<String> {
        self.installation.version.as_ref().map(ToString::to_string)
    }
}

/// Gives notice of every request that failed.
fn announcing_attempts(notices: &Notices) -> Arc<Observer> {
    let notices = notices.clone();
    Arc::new(move |attempt: &FailedAttempt<'_>| {
        let FailedAttempt { operation, number, fault, again_in } = *attempt;
        let why = fault.to_string();
        notices.give(&Notice::Attempt(AttemptNotice { operation, number, why: &why, again_in }));
    })
}

/// Gives notice if other users of this machine can get at the file that the token came from.
fn warn_if_exposed(target: &TargetSettings, token_file: Option<&Path>, notices: &Notices) {
    let login = target.context().and_then(|_| context::path().ok());
    if let Some(notice) = token_file.or(login.as_deref()).and_then(exposed) {
        notices.give(&Notice::Token(notice));
    }
}

/// Asks who answers and who we are, and takes the time of one answer.
fn introduce(
    houston: &Houston,
    pace: &Pace,
    clock: &dyn Clock,
) -> Result<(Installation, Option<Caller>, Duration), Fault> {
    let installation = houston.installation().map_err(|failure| failure.fault)?;
    let (start, before) = (clock.now(), pace.requests());
    let caller = match houston.caller() {
        Ok(caller) => Some(caller),
        // It answered, but not in a known way: the writes will show.
        Err(failure) if matches!(failure.fault, Fault::Malformed { .. } | Fault::Schema { .. }) => None,
        Err(failure) => return Err(failure.fault),
    };
    let requests = u32::try_from(pace.requests() - before).unwrap_or(u32::MAX).max(1);
    Ok((installation, caller, clock.now().saturating_duration_since(start) / requests))
}

#[cfg(feature = "sandbox")]
fn start_sandbox(choice: &target::SandboxChoice) -> Result<(crate::sandbox::Sandbox, Resolved), Failure> {
    use crate::sandbox::{Options, Sandbox};
    let usage = |error: anyhow::Error| Failure::new(ExitStatus::Usage, error);
    let mut options = Options { state: choice.state.clone(), ..Options::default() };
    if let Some(profile) = &choice.profile {
        options.profile = profile.parse().map_err(|error| {
            usage(anyhow::Error::new(error).context("--sandbox-profile")).about(&["sandbox-profile"])
        })?;
    }
    if let Some(faults) = &choice.faults {
        options.faults = faults
            .parse()
            .map_err(|error| usage(anyhow::Error::new(error).context("--faults")).about(&["faults"]))?;
    }
    options.seed = choice.seed.unwrap_or_default();
    let sandbox = Sandbox::start(options).map_err(|error| {
        let status = if choice.state.is_some() { ExitStatus::BadInput } else { ExitStatus::Internal };
        Failure::new(status, anyhow::Error::new(error).context("the sandbox cannot start"))
            .about(&["sandbox-state"])
    })?;
    let target =
        Target::from_url(sandbox.url()).map_err(|error| Failure::new(ExitStatus::Internal, error))?;
    let token = Token::new(sandbox.token(), "the sandbox")
        .map_err(|error| Failure::new(ExitStatus::Internal, error))?;
    Ok((sandbox, Resolved { target, token, token_file: None }))
}

/// How long a Houston is waited for that has never answered.
fn first_wait(contact: &Contact, settings: &PaceSettings) -> LongestWait {
    LongestWait { most: contact.limit(), by_flag: contact.limit() == settings.max_wait }
}

const CHECK_THE_WAY: &str =
    "check the address and its port, the network and, for a private certificate authority, --ca-file";

/// The flags that say how Houston is reached.
pub(crate) const WAY: [&str; 4] = ["url", "domain", "context", "ca-file"];

/// What helps where a proxy opens no way to Houston. The error names the proxy and its variable.
pub(crate) fn proxy_hint(cause: UnsentCause) -> &'static str {
    match cause {
        UnsentCause::ProxyCredentials => {
            "not retried, because repeated wrong passwords lock accounts: check the proxy's user and password; NO_PROXY lists hosts to reach without the proxy"
        }
        UnsentCause::ProxyRefused => {
            "the proxy does not open a connection to Houston: check its address, its rules and whether it wants a login in a browser; NO_PROXY lists hosts to reach without the proxy"
        }
        UnsentCause::Name
        | UnsentCause::Connect
        | UnsentCause::Tls
        | UnsentCause::Proxy
        | UnsentCause::Environment
        | UnsentCause::Authorities
        | UnsentCause::Away
        | UnsentCause::Cancelled
        | UnsentCause::Body
        | UnsentCause::ReadOnly => {
            "check the proxy's address; NO_PROXY lists hosts to reach without the proxy"
        }
    }
}

/// What helps where a request was not sent.
fn unreached(cause: UnsentCause, error: anyhow::Error) -> Failure {
    let failure = Failure::new(ExitStatus::Target, error);
    match cause {
        UnsentCause::Proxy | UnsentCause::ProxyRefused | UnsentCause::ProxyCredentials => {
            failure.hint(proxy_hint(cause))
        }
        UnsentCause::Environment => failure.hint(
            "fix the variable (for localhost: /etc/hosts); NO_PROXY lists hosts to reach without a proxy",
        ),
        UnsentCause::Authorities => failure
            .about(&["ca-file"])
            .hint("name a file of PEM certificates with --ca-file, or install the package ca-certificates"),
        UnsentCause::Name
        | UnsentCause::Connect
        | UnsentCause::Tls
        | UnsentCause::Away
        | UnsentCause::Cancelled
        | UnsentCause::Body
        | UnsentCause::ReadOnly => failure.about(&WAY).hint(CHECK_THE_WAY),
    }
}

/// A target that cannot be used, in plain words.
pub fn unusable(fault: &Fault, url: &str) -> Failure {
    let error = if let Fault::Unsent { cause: UnsentCause::Away, text } = fault {
        let why = text.strip_prefix("no connection: ").unwrap_or(text).to_owned();
        anyhow::anyhow!(why).context(format!("cannot reach {url}"))
    } else {
        anyhow::anyhow!("{fault}").context(format!("cannot use {url}"))
    };
    match fault {
        Fault::Denied { .. } | Fault::Expired { .. } => Failure::new(
            ExitStatus::Token,
            anyhow::anyhow!("{fault}").context(format!("{url} does not accept the token")),
        )
        .hint("get a new token: log in again, copy one from https://app.<your domain>/token, or use a service account's key"),
        Fault::Throttled { .. } => Failure::new(ExitStatus::Unresolved, error).hint("try again later, or wait longer with --max-wait"),
        Fault::Unsent { cause, .. } => unreached(*cause, error),
        Fault::NoAnswer { .. } => Failure::new(ExitStatus::Target, error).about(&WAY).hint(CHECK_THE_WAY),
        Fault::Proxy { status: 401 | 407 | 511, .. } => Failure::new(ExitStatus::Target, error)
            .hint("a proxy or gateway in front of Houston asks for credentials of its own; the token was not checked"),
        Fault::Proxy { .. } => Failure::new(ExitStatus::Target, error)
            .hint("something in front of Houston answers, or this is not Houston: the URL ends in /v1, as in https://houston.example.com/v1"),
        Fault::Rejected { .. }
        | Fault::Already { .. }
        | Fault::Schema { .. }
        | Fault::Internal { .. }
        | Fault::Malformed { .. } => Failure::new(ExitStatus::Target, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unsent(cause: UnsentCause) -> Failure {
        unusable(&Fault::Unsent { cause, text: String::new() }, "https://houston.example.com/v1")
    }

    #[test]
    fn what_helps_with_a_proxy_fits_what_it_answered() {
        let hint = |cause| unsent(cause).hint.unwrap();
        assert!(hint(UnsentCause::ProxyCredentials).contains("password"));
        for cause in [UnsentCause::Proxy, UnsentCause::ProxyRefused, UnsentCause::ProxyCredentials] {
            let hint = hint(cause);
            assert!(hint.contains("NO_PROXY") && !hint.contains("HTTPS_PROXY"), "{hint}");
            assert_eq!(hint.contains("password"), cause == UnsentCause::ProxyCredentials, "{hint}");
        }
    }

    #[test]
    fn a_file_of_authorities_is_what_such_a_failure_is_about() {
        assert_eq!(unsent(UnsentCause::Authorities).about, ["ca-file"]);
        assert_eq!(unsent(UnsentCause::Tls).about, WAY);
    }
}
