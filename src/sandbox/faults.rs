//! Faults on demand: what fails, how often, and for which requests.
//!
//! Main type: [`Faults`], read from a text like `timeout=2%,reset=1%,429=5%:2s,slow=p95:3s`.
//! This module decides; `server` and `engine` do the damage. [`FAULTS_HELP`] lists the names.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::audit::locked;
use super::limits::{Admitted, Limit, Meter};
use super::switches::duration;

/// The grammar and every name, for help texts.
pub const FAULTS_HELP: &str = "\
Comma-separated rules: [read:|write:|all:]NAME=WHEN[:DURATION]
WHEN is a share (2%), a request number counted from 1 (#7, #7-12), or a
text the body must contain (@ana@example.com).
A rule is for all requests, those marked (writes) for mutations only,
unless a prefix says otherwise.
Before anything is applied:
  429           too many requests, Retry-After in seconds (default 1s)
  429-date      the same, Retry-After as an HTTP date
  502 503 504   a gateway's HTML page
  html          an HTML page with status 200, as of a login proxy
  foreign       JSON with status 200 that is not GraphQL
  ise           INTERNAL_SERVER_ERROR as a GraphQL error
  reset-before  the connection is closed
After the mutation was applied:
  timeout       no answer; 504 after the gateway's patience (default 10m)
  late          (writes) applied at once, answered later (default 2s)
  reset         the connection is closed
  truncated     the answer breaks off half way
  502-after     (writes) a gateway's HTML page
  503-after     (writes) the same
  504-after     (writes) the same
  ise-after     (writes) INTERNAL_SERVER_ERROR as a GraphQL error
Neither:
  lag           (writes) applied and answered later (default 2s)
  lie           (writes) success is answered, nothing is applied
  slow          slow=p95:3s: exponential latency with this percentile;
                all requests, unless there is a prefix
  limit         an unannounced limit: limit=12 requests in flight, or
                limit=50/s or 300/m (at once: a tenth of a second's
                worth). Above it, a 429 at once, without Retry-After
                unless limit=12:2s
  token-dies    token-dies=500: the tokens of users are dead after so
                many requests with one; token-dies=30s: after that time";

/// A fault text that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// No `=`.
    #[error("{0:?} is not a fault: name=when expected, for example reset=1%")]
    Form(String),
    /// No such name.
    #[error("there is no fault {0:?}; known are {KNOWN}")]
    Name(String),
    /// A share that is none.
    #[error(
        "fault {name}: {given:?} is not a share from 0% to 100%, a request number like #7 or a text like @ana"
    )]
    When {
        /// The fault.
        name: String,
        /// What was given.
        given: String,
    },
    /// A duration that is none, or where none belongs.
    #[error("fault {name}: {given:?} is not a duration that fits here, for example 1500ms or 2s")]
    Duration {
        /// The fault.
        name: String,
        /// What was given.
        given: String,
    },
    /// A latency distribution that is none.
    #[error("fault slow: {0:?} is not a percentile with a duration, for example p95:3s")]
    Slow(String),
    /// An end of a token that is none.
    #[error("fault token-dies: {0:?} is not a number of requests or a duration, for example 500 or 30s")]
    Count(String),
    /// A limit that is none.
    #[error("fault limit: {0:?} is not a number of requests in flight or per second, for example 12 or 50/s")]
    Limit(String),
    /// A fault that has no kinds of requests to choose from.
    #[error("fault {0} takes no prefix")]
    Prefix(String),
}

const KNOWN: &str = "429, 429-date, 502, 503, 504, html, foreign, ise, reset-before, timeout, late, reset, \
truncated, 502-after, 503-after, 504-after, ise-after, lag, lie, slow, limit, token-dies";

/// How one request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    TooMany {
        wait: Duration,
        as_date: bool,
    },
    /// Above a limit.
    Limited {
        wait: Option<Duration>,
    },
    Gateway {
        status: u16,
        after: bool,
    },
    Html,
    Foreign,
    Internal {
        after: bool,
    },
    Reset {
        after: bool,
    },
    Timeout(Duration),
    Late(Duration),
    Lag(Duration),
    Truncated,
    Lie,
}

impl Fault {
    /// The name in the fault text.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::TooMany { as_date: false, .. } => "429",
            Self::TooMany { as_date: true, .. } => "429-date",
            Self::Limited { .. } => "limit",
            Self::Gateway { status: 502, after: false } => "502",
            Self::Gateway { status: 502, after: true } => "502-after",
            Self::Gateway { status: 503, after: false } => "503",
            Self::Gateway { status: 503, after: true } => "503-after",
            Self::Gateway { after: false, .. } => "504",
            Self::Gateway { after: true, .. } => "504-after",
            Self::Html => "html",
            Self::Foreign => "foreign",
            Self::Internal { after: false } => "ise",
            Self::Internal { after: true } => "ise-after",
            Self::Reset { after: false } => "reset-before",
            Self::Reset { after: true } => "reset",
            Self::Timeout(_) => "timeout",
            Self::Late(_) => "late",
            Self::Lag(_) => "lag",
            Self::Truncated => "truncated",
            Self::Lie => "lie",
        }
    }

    /// The fault of this name with its usual duration, and what it hits without a prefix.
    fn named(name: &str) -> Option<(Self, Scope)> {
        let seconds = Duration::from_secs;
        Some(match name {
            "429" => (Self::TooMany { wait: seconds(1), as_date: false }, Scope::All),
            "429-date" => (Self::TooMany { wait: seconds(1), as_date: true }, Scope::All),
            "502" => (Self::Gateway { status: 502, after: false }, Scope::All),
            "503" => (Self::Gateway { status: 503, after: false }, Scope::All),
            "504" => (Self::Gateway { status: 504, after: false }, Scope::All),
            "502-after" => (Self::Gateway { status: 502, after: true }, Scope::Write),
            "503-after" => (Self::Gateway { status: 503, after: true }, Scope::Write),
            "504-after" => (Self::Gateway { status: 504, after: true }, Scope::Write),
            "html" => (Self::Html, Scope::All),
            "foreign" => (Self::Foreign, Scope::All),
            "ise" => (Self::Internal { after: false }, Scope::All),
            "ise-after" => (Self::Internal { after: true }, Scope::Write),
            "reset-before" => (Self::Reset { after: false }, Scope::All),
            "reset" => (Self::Reset { after: true }, Scope::All),
            "timeout" => (Self::Timeout(seconds(600)), Scope::All),
            "late" => (Self::Late(seconds(2)), Scope::Write),
            "lag" => (Self::Lag(seconds(2)), Scope::Write),
            "truncated" => (Self::Truncated, Scope::All),
            "lie" => (Self::Lie, Scope::Write),
            _ => return None,
        })
    }

    fn with_duration(self, duration: Duration) -> Option<Self> {
        match self {
            Self::TooMany { as_date, .. } => Some(Self::TooMany { wait: duration, as_date }),
            Self::Timeout(_) => Some(Self::Timeout(duration)),
            Self::Late(_) => Some(Self::Late(duration)),
            Self::Lag(_) => Some(Self::Lag(duration)),
            Self::Limited { .. }
            | Self::Gateway { .. }
            | Self::Html
            | Self::Foreign
            | Self::Internal { .. }
            | Self::Reset { .. }
            | Self::Truncated
            | Self::Lie => None,
        }
    }
}

/// Which requests a rule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    All,
    Read,
    Write,
}

impl Scope {
    fn covers(self, is_write: bool) -> bool {
        match self {
            Self::All => true,
            Self::Read => !is_write,
            Self::Write => is_write,
        }
    }
}

/// When a rule strikes.
#[derive(Debug, Clone, PartialEq)]
enum When {
    /// With this probability.
    Share(f64),
    /// At these requests of its scope, counted from 1.
    Numbers(u64, u64),
    /// Where the body contains this text.
    Text(String),
}

#[derive(Debug, Clone, PartialEq)]
struct Rule {
    fault: Fault,
    scope: Scope,
    when: When,
}

/// When the tokens of users die.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Death {
    Uses(u64),
    After(Duration),
}

/// A set of faults; the default has none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Faults {
    text: String,
    rules: Vec<Rule>,
    /// Mean of the exponential latency, and for which requests.
    slow: Option<(Scope, Duration)>,
    token_dies: Option<Death>,
    limits: Vec<Limit>,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for Faults {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let mut faults = Self { text: text.trim().to_owned(), ..Self::default() };
        for rule in text.split(',').map(str::trim).filter(|rule| !rule.is_empty()) {
            let (name, when) = rule.split_once('=').ok_or_else(|| FaultError::Form(rule.to_owned()))?;
            let (scope, name) = match name.trim().split_once(':') {
                Some(("read", name)) => (Some(Scope::Read), name),
                Some(("write", name)) => (Some(Scope::Write), name),
                Some(("all", name)) => (Some(Scope::All), name),
                Some(_) => return Err(FaultError::Name(name.to_owned())),
                None => (None, name.trim()),
            };
            match name {
                "slow" => {
                    let mean = mean_of(when).ok_or_else(|| FaultError::Slow(when.to_owned()))?;
                    faults.slow = Some((scope.unwrap_or(Scope::All), mean));
                }
                "token-dies" | "limit" if scope.is_some() => return Err(FaultError::Prefix(name.to_owned())),
                "token-dies" => {
                    let uses = when.trim().parse().ok().map(Death::Uses);
                    let death = uses.or_else(|| duration(when.trim()).map(Death::After));
                    faults.token_dies = Some(death.ok_or_else(|| FaultError::Count(when.to_owned()))?);
                }
                "limit" => {
                    let limit = Limit::read(when.trim());
                    faults.limits.push(limit.ok_or_else(|| FaultError::Limit(when.to_owned()))?);
                }
                _ => faults.rules.push(Rule::read(name, scope, when.trim())?),
            }
        }
        Ok(faults)
    }
}

impl Faults {
    fn meters(&self) -> Vec<Meter> {
        self.limits.iter().map(|limit| Meter::new(*limit, Instant::now())).collect()
    }
}

impl Rule {
    fn read(name: &str, scope: Option<Scope>, text: &str) -> Result<Self, FaultError> {
        let (mut fault, usual) = Fault::named(name).ok_or_else(|| FaultError::Name(name.to_owned()))?;
        let (when, wait) = text.split_once(':').map_or((text, None), |(when, wait)| (when, Some(wait)));
        if let Some(wait) = wait {
            let bad = || FaultError::Duration { name: name.to_owned(), given: wait.to_owned() };
            fault = duration(wait).and_then(|wait| fault.with_duration(wait)).ok_or_else(bad)?;
        }
        let bad = || FaultError::When { name: name.to_owned(), given: when.to_owned() };
        let when = if let Some(share) = when.strip_suffix('%') {
            let share = share.trim().parse::<f64>().map_err(|_| bad())?;
            if !(0.0..=100.0).contains(&share) {
                return Err(bad());
            }
            When::Share(share / 100.0)
        } else if let Some(numbers) = when.strip_prefix('#') {
            let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
            let (first, last) = (first.parse().map_err(|_| bad())?, last.parse().map_err(|_| bad())?);
            if first == 0 || first > last {
                return Err(bad());
            }
            When::Numbers(first, last)
        } else {
            let text = when.strip_prefix('@').filter(|text| !text.is_empty()).ok_or_else(bad)?;
            When::Text(text.to_owned())
        };
        Ok(Self { fault, scope: scope.unwrap_or(usual), when })
    }
}

/// The mean of the exponential distribution that has this percentile: `p95:3s`.
fn mean_of(text: &str) -> Option<Duration> {
    let (percentile, time) = text.trim().strip_prefix('p')?.split_once(':')?;
    let percentile = percentile.parse::<f64>().ok().filter(|p| (1.0..=99.9).contains(p))?;
    Some(duration(time)?.div_f64(-(1.0 - percentile / 100.0).ln()))
}

/// What was decided about one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) fault: Option<Fault>,
    pub(super) slow: Duration,
}

/// The seeded decisions. Every request draws the same numbers whatever it is, so that the n-th
/// request meets the same fate in every run (as far as the rule's scope covers it).
pub(super) struct Dice(Mutex<Inner>);

struct Inner {
    faults: Faults,
    seed: u64,
    rng: fastrand::Rng,
    /// Requests seen per rule.
    counts: Vec<u64>,
    token_uses: u64,
    since: Instant,
    limits: Vec<Meter>,
}

impl Dice {
    pub(super) fn new(faults: Faults, seed: u64) -> Self {
        let rng = fastrand::Rng::with_seed(seed);
        let counts = vec![0; faults.rules.len()];
        let limits = faults.meters();
        Self(Mutex::new(Inner { faults, seed, rng, counts, token_uses: 0, since: Instant::now(), limits }))
    }

    /// Restarts with other faults, numbers and counts included.
    pub(super) fn set(&self, faults: Faults) {
        let mut inner = locked(&self.0);
        let seed = inner.seed;
        inner.rng = fastrand::Rng::with_seed(seed);
        inner.counts = vec![0; faults.rules.len()];
        inner.token_uses = 0;
        inner.since = Instant::now();
        inner.limits = faults.meters();
        inner.faults = faults;
    }

    /// Lets a request in, or refuses it as being above a limit.
    pub(super) fn admit(&self) -> Result<Vec<Admitted>, Fault> {
        let limits = &mut locked(&self.0).limits;
        let now = Instant::now();
        for limit in limits.iter_mut() {
            if !limit.has_room(now) {
                return Err(Fault::Limited { wait: limit.wait() });
            }
        }
        Ok(limits.iter_mut().map(Meter::admit).collect())
    }

    /// What happens to a request. Where several rules strike, the first of the text wins.
    pub(super) fn decide(&self, is_write: bool, body: &[u8]) -> Decision {
        let mut inner = locked(&self.0);
        let Inner { faults, rng, counts, .. } = &mut *inner;
        let mut decision = Decision { fault: None, slow: Duration::ZERO };
        for (rule, count) in faults.rules.iter().zip(counts) {
            let covers = rule.scope.covers(is_write);
            *count += u64::from(covers);
            let strikes = match &rule.when {
                When::Share(share) => rng.f64() < *share,
                When::Numbers(first, last) => (*first..=*last).contains(count),
                When::Text(text) => body.windows(text.len()).any(|part| part == text.as_bytes()),
            };
            if covers && strikes && decision.fault.is_none() {
                decision.fault = Some(rule.fault);
            }
        }
        if let Some((scope, mean)) = faults.slow {
            let draw = -(1.0 - rng.f64()).ln();
            if scope.covers(is_write) {
                decision.slow = mean.mul_f64(draw);
            }
        }
        decision
    }

    /// Counts a request with a user's token; says whether such tokens have died.
    pub(super) fn token_has_died(&self) -> bool {
        let mut inner = locked(&self.0);
        inner.token_uses += 1;
        match inner.faults.token_dies {
            None => false,
            Some(Death::Uses(uses)) => inner.token_uses > uses,
            Some(Death::After(time)) => inner.since.elapsed() >= time,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn fates(text: &str, seed: u64, count: usize) -> Vec<Option<Fault>> {
        let dice = Dice::new(text.parse().unwrap(), seed);
        (0..count).map(|_| dice.decide(true, b"").fault).collect()
    }

    #[test]
    fn every_name_of_the_help_is_read_and_printed_back() {
        for name in KNOWN.split(", ") {
            let when = match name {
                "slow" => "p95:3s",
                "limit" => "12",
                "token-dies" => "500",
                _ => "1%",
            };
            let text = format!("{name}={when}");
            assert_eq!(text.parse::<Faults>().unwrap().to_string(), text);
            assert!(FAULTS_HELP.contains(name), "{name} is not in the help");
            if let Some((fault, _)) = Fault::named(name) {
                assert_eq!(fault.name(), name);
            }
        }
        let contract = "timeout=2%,reset=1%,429=5%,503=1%,html=1%,slow=p95:3s";
        assert_eq!(contract.parse::<Faults>().unwrap().rules.len(), 5);
    }

    #[test]
    fn a_wrong_text_says_what_is_wrong() {
        for (text, part) in [
            ("reset", "is not a fault: name=when"),
            ("restart=1%", "there is no fault \"restart\"; known are 429"),
            ("often:reset=1%", "there is no fault"),
            ("reset=1", "is not a share"),
            ("reset=-1%", "is not a share"),
            ("reset=101%", "is not a share"),
            ("reset=NaN%", "is not a share"),
            ("reset=#0", "is not a share"),
            ("reset=#5-2", "is not a share"),
            ("reset=@", "is not a share"),
            ("late=1%:-5s", "is not a duration"),
            ("late=1%:90", "is not a duration"),
            ("reset=1%:5s", "is not a duration that fits here"),
            ("slow=3s", "is not a percentile"),
            ("slow=p100:3s", "is not a percentile"),
            ("token-dies=soon", "is not a number of requests"),
            ("write:token-dies=5", "takes no prefix"),
            ("limit=5/h", "is not a number of requests in flight"),
            ("read:limit=5", "takes no prefix"),
        ] {
            let error = text.parse::<Faults>().expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_fates_and_another_seed_others() {
        let text = "timeout=10%,reset=10%,429=20%:3s";
        assert_eq!(fates(text, 7, 500), fates(text, 7, 500));
        assert_ne!(fates(text, 7, 500), fates(text, 8, 500));
    }

    #[test]
    fn a_share_is_about_what_it_says() {
        let hits = fates("reset=5%", 1, 10_000).into_iter().flatten().count();
        assert!((400..600).contains(&hits), "{hits}");
        assert_eq!(fates("reset=0%", 1, 1000).into_iter().flatten().count(), 0);
        assert_eq!(fates("reset=100%", 1, 1000).into_iter().flatten().count(), 1000);
    }

    #[test]
    fn numbers_and_texts_pick_single_requests() {
        let hits = fates("503=#2-3", 1, 5).iter().map(Option::is_some).collect::<Vec<_>>();
        assert_eq!(hits, [false, true, true, false, false]);
        let dice = Dice::new("reset=@ana@example.com".parse().unwrap(), 1);
        assert!(dice.decide(true, b"{\"email\":\"ana@example.com\"}").fault.is_some());
        assert!(dice.decide(true, b"{\"email\":\"ben@example.com\"}").fault.is_none());
    }

    #[test]
    fn a_prefix_says_which_requests_are_hit() {
        for (text, read, write) in [
            ("reset=100%", true, true),
            ("lie=100%", false, true),
            ("read:503=100%", true, false),
            ("write:503=100%", false, true),
            ("all:502-after=100%", true, true),
        ] {
            let dice = Dice::new(text.parse().unwrap(), 1);
            assert_eq!(dice.decide(false, b"").fault.is_some(), read, "{text}");
            assert_eq!(dice.decide(true, b"").fault.is_some(), write, "{text}");
        }
    }

    #[test]
    fn slow_has_the_percentile_asked_for() {
        let dice = Dice::new("slow=p95:3s".parse().unwrap(), 1);
        let slower = (0..10_000).filter(|_| dice.decide(false, b"").slow > Duration::from_secs(3)).count();
        assert!((400..600).contains(&slower), "{slower}");
    }

    #[test]
    fn a_request_has_to_keep_to_every_limit() {
        let dice = Dice::new("limit=2:3s,limit=600/m".parse().unwrap(), 1);
        let first = dice.admit().unwrap();
        assert_eq!(dice.admit().unwrap_err(), Fault::Limited { wait: None }, "one in a tenth of a second");
        dice.set("limit=2:3s,limit=6000/m".parse().unwrap());
        let (_one, _two) = (dice.admit().unwrap(), dice.admit().unwrap());
        let wait = Some(Duration::from_secs(3));
        assert_eq!(dice.admit().unwrap_err(), Fault::Limited { wait });
        drop(first);
        assert_eq!(dice.admit().unwrap_err(), Fault::Limited { wait }, "that one was of the time before");
    }

    #[test]
    fn a_token_dies_after_so_many_uses() {
        let dice = Dice::new("token-dies=2".parse().unwrap(), 1);
        assert_eq!(
            [dice.token_has_died(), dice.token_has_died(), dice.token_has_died()],
            [false, false, true]
        );
        dice.set(Faults::default());
        assert!(!dice.token_has_died());
        dice.set("token-dies=0s".parse().unwrap());
        assert!(dice.token_has_died());
        dice.set("token-dies=1h".parse().unwrap());
        assert!(!dice.token_has_died());
    }
}
