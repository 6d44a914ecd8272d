//! The one limit on how fast requests leave this process.
//!
//! Main types: [`Pace`], shared by all senders, and [`Paced`], which sends every request of a
//! transport through it. It never looks at what a request is for, and it never repeats one. How many
//! requests may be in flight is decided in [`super::window`].

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::contact::Contact;
use super::fault::{Fault, UnsentCause};
use super::gate::{Gate, Slot};
use super::retry::RetryBudget;
use super::transport::{Answer, Budget, Failure, Kind, Request, Transport};
use super::window::Window;
use crate::model::{LimitedBy, Load, Strain};
use crate::time::{Cancel, Clock, Waited};

/// How many requests may be sent in a unit of time: `20/s`, `300/m`, `1000/h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    count: NonZeroU32,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Unit {
    Second,
    Minute,
    Hour,
}

impl Unit {
    fn length(self) -> Duration {
        match self {
            Self::Second => Duration::from_secs(1),
            Self::Minute => Duration::from_secs(60),
            Self::Hour => Duration::from_secs(3600),
        }
    }

    fn letter(self) -> char {
        match self {
            Self::Second => 's',
            Self::Minute => 'm',
            Self::Hour => 'h',
        }
    }
}

/// A text that is not a rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a rate is a whole number per unit of time, such as 20/s, 300/m or 1000/h, at most {}/s", Rate::MOST)]
pub struct NotARate;

impl Rate {
    /// The highest rate per second.
    pub const MOST: u32 = 100_000;

    /// This many a second; `None` for 0 and for more than [`Rate::MOST`].
    pub fn per_second(count: u32) -> Option<Self> {
        let count = NonZeroU32::new(count).filter(|count| count.get() <= Self::MOST)?;
        Some(Self { count, unit: Unit::Second })
    }

    /// The rate with this time from one request to the next, as near as whole numbers per hour come.
    pub fn with_period(period: Duration) -> Option<Self> {
        let per_hour = Unit::Hour.length().as_nanos().checked_div(period.as_nanos())?;
        let (count, unit) = match u32::try_from(per_hour).ok()? {
            per_hour if per_hour >= 3600 && per_hour % 3600 == 0 => (per_hour / 3600, Unit::Second),
            per_hour => (per_hour, Unit::Hour),
        };
        let rate = Self { count: NonZeroU32::new(count)?, unit };
        (rate.period() >= Duration::from_secs(1) / Self::MOST).then_some(rate)
    }

    /// The time from one request to the next.
    pub fn period(self) -> Duration {
        self.unit.length() / self.count.get()
    }

    /// The time between permits: half a per cent more than the period, since requests that left in
    /// time can arrive closer together, and the promise is counted where they arrive.
    fn spacing(self) -> Duration {
        self.period() + self.period() / 200
    }

    /// How many requests may leave at once after a pause: ten milliseconds' worth, at least one.
    /// Fewer would lose throughput to the timer, more would break the promise of the rate.
    pub fn burst(self) -> NonZeroU32 {
        let burst = Duration::from_millis(10).as_nanos() / self.period().as_nanos().max(1);
        u32::try_from(burst).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN)
    }
}

impl FromStr for Rate {
    type Err = NotARate;

    fn from_str(text: &str) -> Result<Self, NotARate> {
        let (count, unit) = text.trim().split_once('/').ok_or(NotARate)?;
        let count = count.trim().parse().map_err(|_| NotARate)?;
        let unit = match unit.trim() {
            "s" | "sec" | "second" => Unit::Second,
            "m" | "min" | "minute" => Unit::Minute,
            "h" | "hour" => Unit::Hour,
            _ => return Err(NotARate),
        };
        let rate = Self { count, unit };
        if rate.period() < Duration::from_secs(1) / Self::MOST { Err(NotARate) } else { Ok(rate) }
    }
}

/// How fast requests may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Speed {
    /// As fast as Houston bears: the window of requests in flight follows latency.
    #[default]
    Auto,
    /// At this rate at most.
    Limited(Rate),
    /// As fast as the requests in flight are answered.
    Unlimited,
}

impl Speed {
    /// The rate, if there is one.
    pub fn rate(self) -> Option<Rate> {
        match self {
            Self::Limited(rate) => Some(rate),
            Self::Auto | Self::Unlimited => None,
        }
    }
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::Unlimited),
            text => text.parse().map(Self::Limited).map_err(|error| format!("{error}, or auto, or none")),
        }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Limited(rate) => rate.fmt(f),
            Self::Unlimited => f.write_str("none"),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.unit.letter())
    }
}

/// The clock of the program in the form that governor asks for.
struct GovernorClock(Arc<dyn Clock>);

impl governor::clock::Clock for GovernorClock {
    type Instant = Instant;

    fn now(&self) -> Instant {
        self.0.now()
    }
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, GovernorClock, NoOpMiddleware<Instant>>;

/// The pace of the whole process: a rate, a window of requests in flight, a hold while the other
/// side asks to be left alone, and a budget for repeats.
pub struct Pace {
    clock: Arc<dyn Clock>,
    cancel: Cancel,
    start: Instant,
    limiter: Option<Limiter>,
    gate: Gate,
    /// One request waits for a slot and the next permit, the others queue; otherwise all would wake
    /// for the same one. Holds when the next request is due, if they keep a gap.
    turnstile: Mutex<Option<Instant>>,
    budget: Arc<RetryBudget>,
    /// Nanoseconds after `start`; 0 for no hold.
    hold_until: AtomicU64,
    max_wait: Duration,
    /// Whether Houston has answered at all; before that it is waited for less long.
    contact: Option<Contact>,
    requests: AtomicU64,
    throttled: AtomicU64,
    latencies: Latencies,
    absence: Absence,
}

/// How long answers took.
#[derive(Debug, Default)]
struct Latencies {
    answers: AtomicU64,
    microseconds: AtomicU64,
    /// The recent mean, in microseconds.
    recent: AtomicU64,
    buckets: [AtomicU64; Load::BUCKETS],
}

impl Latencies {
    fn note(&self, latency: Duration) {
        let microseconds = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
        let bucket = Load::bucket(latency);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        // One of two answers at the same moment may be lost: it is a figure for people.
        let recent = self.recent.load(Ordering::Relaxed);
        let now = if recent == 0 { microseconds } else { recent - recent / 16 + microseconds / 16 };
        self.recent.store(now, Ordering::Relaxed);
    }
}

/// Outages of Houston: nothing listens, or the gateway in front finds no backend. A few such
/// answers in a row count as one; then all requests wait, and one probes whether Houston is back.
#[derive(Debug, Default)]
struct Absence {
    in_a_row: AtomicU32,
    /// Nanoseconds after the start of the pace; 0 while Houston is up.
    since: AtomicU64,
    /// The holder probes; the others wait for it.
    probe: Mutex<()>,
}

/// This many unanswered requests in a row mean that Houston is down.
const AWAY_AFTER: u32 = 6;
/// The first probe comes after this time, each further one after twice as long, up to the last.
const FIRST_PROBE: Duration = Duration::from_millis(250);
const LAST_PROBE: Duration = Duration::from_secs(10);

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pace")
            .field("limited", &self.limiter.is_some())
            .field("held_for", &self.held_for())
            .field("max_wait", &self.max_wait)
            .field("requests", &self.requests())
            .finish_non_exhaustive()
    }
}

impl Pace {
    /// A pace of this rate, unlimited without one. A hold of more than `max_wait` is not waited for.
    pub fn new(rate: Option<Rate>, max_wait: Duration, clock: Arc<dyn Clock>, cancel: Cancel) -> Self {
        let quota = rate.and_then(|rate| Some(Quota::with_period(rate.spacing())?.allow_burst(rate.burst())));
        let limiter =
            quota.map(|quota| RateLimiter::direct_with_clock(quota, GovernorClock(Arc::clone(&clock))));
        Self {
            start: clock.now(),
            clock,
            limiter,
            gate: Gate::new(Window::new(None), &cancel),
            cancel,
            turnstile: Mutex::default(),
            budget: Arc::default(),
            hold_until: AtomicU64::new(0),
            max_wait,
            contact: None,
            requests: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
            latencies: Latencies::default(),
            absence: Absence::default(),
        }
    }

    /// Caps the requests in flight, and lowers the cap while Houston throttles us.
    #[must_use]
    pub fn with_window(mut self, window: Window) -> Self {
        self.gate = Gate::new(window, &self.cancel);
        self
    }

    /// The pace of a run at this speed with at most so many requests in flight.
    pub fn of_run(
        speed: Speed,
        concurrency: usize,
        max_wait: Duration,
        clock: Arc<dyn Clock>,
        cancel: Cancel,
    ) -> Self {
        let most = u32::try_from(concurrency).unwrap_or(u32::MAX);
        let window = match speed {
            Speed::Auto => Window::following_latency(most),
            Speed::Limited(_) | Speed::Unlimited => Window::new(Some(most)),
        };
        Self::new(speed.rate(), max_wait, clock, cancel).with_window(window)
    }

    /// Waits no longer than this allows for a Houston that has never answered.
    #[must_use]
    pub fn with_contact(mut self, contact: Contact) -> Self {
        self.contact = Some(contact);
        self
    }

    /// How much longer a Houston is waited for that is away.
    fn patience(&self, away: Duration) -> Duration {
        let left = self.max_wait.saturating_sub(away);
        self.contact.as_ref().and_then(Contact::left).map_or(left, |first| left.min(first))
    }

    /// What pays for the repeats of all requests.
    pub fn budget(&self) -> Arc<RetryBudget> {
        Arc::clone(&self.budget)
    }

    /// How fast it went so far, and what was met with by asking for too much.
    pub fn strain(&self) -> Strain {
        let Latencies { answers, microseconds, recent, .. } = &self.latencies;
        let strain = Strain {
            retries: self.budget.repeats(),
            retries_refused: self.budget.refused(),
            budget_is_empty: self.budget.is_empty(),
            answers: answers.load(Ordering::Relaxed),
            answers_us: microseconds.load(Ordering::Relaxed),
            recent_us: recent.load(Ordering::Relaxed),
            ..Strain::default()
        };
        self.gate.with(|window| match window.most() {
            None => strain,
            Some(concurrency) => Strain {
                concurrency,
                window_end: window_shown(window, concurrency),
                window_min: window.fewest(),
                window_mean: window.average().unwrap_or(concurrency),
                limited_by: self.limited_by(window.mostly_limited_by()),
                congestion_events: window.cuts(),
                ..strain
            },
        })
    }

    /// How busy it keeps Houston now.
    pub fn load(&self) -> Load {
        let buckets = &self.latencies.buckets;
        let (window, limited_by) = self.gate.with(|window| (window.slots(), window.limited_by()));
        Load {
            requests: self.requests(),
            retries: self.budget.repeats(),
            throttled: self.throttled.load(Ordering::Relaxed),
            window,
            in_flight: self.gate.in_flight(),
            limited_by: self.limited_by(limited_by),
            latency: std::array::from_fn(|place| buckets[place].load(Ordering::Relaxed)),
        }
    }

    fn limited_by(&self, window: LimitedBy) -> LimitedBy {
        match window {
            LimitedBy::Concurrency if self.limiter.is_some() => LimitedBy::Rate,
            LimitedBy::Concurrency | LimitedBy::Rate | LimitedBy::Latency | LimitedBy::Refusals => window,
        }
    }

    fn passed(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.start)
    }

    /// How long Houston has been down; `None` while it is up.
    pub fn away_for(&self) -> Option<Duration> {
        match self.absence.since.load(Ordering::Relaxed) {
            0 => None,
            since => Some(self.passed().saturating_sub(Duration::from_nanos(since))),
        }
    }

    /// Records whether Houston answered.
    fn note(&self, is_absent: bool) {
        let absence = &self.absence;
        if !is_absent {
            if absence.in_a_row.load(Ordering::Relaxed) > 0 {
                absence.in_a_row.store(0, Ordering::Relaxed);
                absence.since.store(0, Ordering::Relaxed);
            }
        } else if absence.in_a_row.fetch_add(1, Ordering::Relaxed) + 1 == AWAY_AFTER {
            let now = u64::try_from(self.passed().as_nanos()).unwrap_or(u64::MAX);
            absence.since.store(now.max(1), Ordering::Relaxed);
        }
    }

    /// What the end of a request says about the window. While Houston is away it says nothing: the
    /// run waits anyway.
    fn learn(&self, pass: &Pass<'_>, kind: &'static str, result: Result<&Answer, &Fault>) {
        match result.map_err(|fault| (fault.congestion(), fault.retry_after())) {
            Ok(_) => {
                let now = self.clock.now();
                let latency = now.saturating_duration_since(pass.left);
                self.latencies.note(latency);
                pass.slot.answered(kind, latency, now.saturating_duration_since(self.start));
            }
            Err((Some(why), pause)) if self.away_for().is_none() => {
                self.throttled.fetch_add(1, Ordering::Relaxed);
                pass.slot.refused(why, pause);
            }
            Err(_) => {}
        }
    }

    /// How many requests have been let through, repeats included.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// How much longer all requests must hold; `None` without a hold.
    pub fn held_for(&self) -> Option<Duration> {
        match self.hold_until.load(Ordering::Relaxed) {
            0 => None,
            until => Duration::from_nanos(until).checked_sub(self.passed()).filter(|rest| !rest.is_zero()),
        }
    }

    /// Holds all requests for this long from now; a longer hold in force stays.
    pub fn hold(&self, wait: Duration) {
        let until = self.passed().saturating_add(wait);
        let until = u64::try_from(until.as_nanos()).unwrap_or(u64::MAX);
        self.hold_until.fetch_max(until.max(1), Ordering::Relaxed);
    }

    /// Waits until one request may leave. It is in flight until what this gives is dropped.
    ///
    /// # Errors
    /// [`Fault::Throttled`] where the hold is longer than the longest wait that is obeyed,
    /// [`UnsentCause::Cancelled`] where the wait was cut short.
    pub fn acquire(&self) -> Result<Pass<'_>, Fault> {
        let mut slot = match self.slot_at_once()? {
            Some(slot) => slot,
            None => self.slot_in_turn()?,
        };
        slot.leave();
        self.requests.fetch_add(1, Ordering::Relaxed);
        Ok(Pass { slot, left: self.clock.now() })
    }

    /// Without a limit, no request queues.
    fn slot_at_once(&self) -> Result<Option<Slot<'_>>, Fault> {
        if self.limiter.is_some() || !self.gate.is_open() {
            return Ok(None);
        }
        self.sit_out_hold()?;
        Ok(self.gate.try_enter())
    }

    fn slot_in_turn(&self) -> Result<Slot<'_>, Fault> {
        let mut due = self.turnstile.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = self.gate.enter(&self.cancel).ok_or_else(cancelled)?;
        if let Some(rest) = due.and_then(|due| due.checked_duration_since(self.clock.now())) {
            self.wait(rest)?;
        }
        loop {
            self.sit_out_hold()?;
            match self.limiter.as_ref().map(RateLimiter::check) {
                // A hold that came in between voids the permit, which is older.
                None | Some(Ok(())) if self.held_for().is_some() => {}
                None | Some(Ok(())) => break,
                Some(Err(not_until)) => self.wait(not_until.wait_time_from(self.clock.now()))?,
            }
        }
        *due = self.gate.next_due(*due, self.clock.now());
        Ok(slot)
    }

    fn sit_out_hold(&self) -> Result<(), Fault> {
        while let Some(rest) = self.held_for() {
            if rest > self.max_wait {
                return Err(Fault::Throttled { retry_after: Some(rest) });
            }
            self.wait(rest)?;
        }
        Ok(())
    }

    fn wait(&self, duration: Duration) -> Result<(), Fault> {
        match self.clock.wait(duration, &self.cancel) {
            Waited::Fully => Ok(()),
            Waited::CutShort => Err(cancelled()),
        }
    }
}

/// A window that nothing limits is only on its way up.
fn window_shown(window: &Window, concurrency: u32) -> u32 {
    match window.limited_by() {
        LimitedBy::Concurrency => concurrency,
        LimitedBy::Rate | LimitedBy::Latency | LimitedBy::Refusals => window.slots(),
    }
}

fn cancelled() -> Fault {
    Fault::unsent(UnsentCause::Cancelled, "")
}

/// The right of one request to be in flight, until it is dropped.
#[derive(Debug)]
pub struct Pass<'p> {
    slot: Slot<'p>,
    left: Instant,
}

/// Sends every request at the shared pace.
#[derive(Debug)]
pub struct Paced<T> {
    inner: T,
    pace: Arc<Pace>,
}

impl<T> Paced<T> {
    /// Wraps a transport in a pace.
    pub fn new(inner: T, pace: Arc<Pace>) -> Self {
        Self { inner, pace }
    }
}

impl<T: Transport> Paced<T> {
    fn send_now(&self, request: &Request) -> Result<Answer, Failure> {
        let pass = self.pace.acquire().map_err(|fault| Failure { fault, attempts: 0 })?;
        let result = self.inner.send(request);
        if let Err(failure) = &result
            && let Some(wait) = failure.fault.retry_after()
        {
            self.pace.hold(wait);
        }
        self.pace.note(result.as_ref().is_err_and(|failure| failure.fault.is_absence()));
        self.pace.learn(&pass, request.operation, result.as_ref().map_err(|failure| &failure.fault));
        result
    }

    /// Waits until Houston is back. One asks, with a question that changes nothing; the others wait
    /// for that one.
    fn sit_out_absence(&self) -> Result<(), Fault> {
        let _turn = self.pace.absence.probe.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pause = FIRST_PROBE;
        while let Some(away) = self.pace.away_for() {
            let patience = self.pace.patience(away);
            if patience.is_zero() {
                return Err(Fault::unsent(UnsentCause::Away, "no answer"));
            }
            self.pace.wait(pause.min(patience))?;
            pause = (pause * 2).min(LAST_PROBE);
            if let Err(Failure {
                fault: fault @ Fault::Unsent { cause: UnsentCause::Cancelled | UnsentCause::Away, .. },
                ..
            }) = self.send_now(&are_you_there())
            {
                return Err(fault);
            }
        }
        Ok(())
    }
}

/// The least that every GraphQL server answers.
pub(super) fn are_you_there() -> Request {
    let body = br#"{"operationName":"AreYouThere","query":"query AreYouThere { __typename }"}"#;
    Request {
        operation: "AreYouThere",
        kind: Kind::Read,
        body: body.to_vec(),
        timeout: None,
        budget: Budget::Exempt,
    }
}

impl<T: Transport> Transport for Paced<T> {
    fn send(&self, request: &Request) -> Result<Answer, Failure> {
        if self.pace.away_for().is_some() {
            self.sit_out_absence().map_err(|fault| Failure { fault, attempts: 0 })?;
        }
        self.send_now(request)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::thread;

    use proptest::prelude::*;

    use super::*;
    use crate::houston::fault::NoAnswerCause;
    use crate::houston::scripted::{Scripted, request};
    use crate::houston::transport::Kind;
    use crate::outcome::Code;
    use crate::time::ManualClock;

    const LONG: Duration = Duration::from_secs(300);

    fn pace(rate: Option<Rate>) -> (Arc<Pace>, ManualClock, Cancel) {
        let (clock, cancel) = (ManualClock::default(), Cancel::new());
        let pace = Pace::new(rate, LONG, Arc::new(clock.clone()), cancel.clone());
        (Arc::new(pace), clock, cancel)
    }

    #[test]
    fn a_rate_is_read_and_shown() {
        for (text, period) in [
            ("20/s", Duration::from_millis(50)),
            (" 300 / m ", Duration::from_millis(200)),
            ("1/h", Duration::from_secs(3600)),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate.period(), period, "{text}");
            assert_eq!(rate.to_string().parse(), Ok(rate));
        }
        for bad in ["", "20", "0/s", "-1/s", "1.5/s", "20/d", "none", "100001/s"] {
            assert_eq!(bad.parse::<Rate>(), Err(NotARate), "{bad}");
        }
    }

    #[test]
    fn a_rate_is_known_by_its_period() {
        for text in ["20/s", "300/m", "10/h", "2000/s", "1/s"] {
            let rate: Rate = text.parse().unwrap();
            let again = Rate::with_period(rate.period()).unwrap();
            assert_eq!(again.period(), rate.period(), "{text}: {again}");
        }
        assert_eq!(Rate::with_period(Duration::ZERO), None);
    }

    #[test]
    fn a_burst_is_ten_milliseconds_worth() {
        let burst = |text: &str| text.parse::<Rate>().unwrap().burst().get();
        assert_eq!([burst("1/h"), burst("20/s"), burst("100/s"), burst("2000/s")], [1, 1, 1, 20]);
    }

    #[test]
    fn many_threads_never_get_more_than_the_rate_and_a_burst() {
        for text in ["20/s", "2000/s", "300/m"] {
            let rate: Rate = text.parse().unwrap();
            let (pace, clock, _) = pace(Some(rate));
            let start = clock.now();
            let times = Mutex::new(Vec::new());
            thread::scope(|scope| {
                for _ in 0..16 {
                    scope.spawn(|| {
                        for _ in 0..20 {
                            pace.acquire().unwrap();
                            times.lock().unwrap().push(clock.now() - start);
                        }
                    });
                }
            });
            let allowed = |elapsed: Duration| {
                elapsed.as_nanos() / rate.period().as_nanos() + u128::from(rate.burst().get())
            };
            let times = times.into_inner().unwrap();
            assert_eq!(pace.requests(), 320);
            let elapsed = times.iter().max().copied().unwrap();
            assert!(320 <= allowed(elapsed), "{text}: 320 in {elapsed:?}");
            // Hardly anything is given away either: half a per cent of 320 are two.
            assert!(allowed(elapsed) <= 322 + u128::from(rate.burst().get()), "{text}: {elapsed:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn no_window_of_time_has_more_permits_than_rate_and_burst(
            per_second in 1u32..5000,
            pauses in proptest::collection::vec(0u64..400, 1..200),
        ) {
            let rate = Rate::per_second(per_second).unwrap();
            let (pace, clock, _) = pace(Some(rate));
            let window = Duration::from_secs(1);
            let most = per_second as usize + rate.burst().get() as usize;
            let mut recent = VecDeque::new();
            for pause in pauses {
                clock.advance(Duration::from_millis(pause));
                pace.acquire().unwrap();
                let now = clock.now();
                recent.push_back(now);
                while recent.front().is_some_and(|first| now - *first >= window) {
                    recent.pop_front();
                }
                prop_assert!(recent.len() <= most);
            }
        }
    }

    #[test]
    fn without_a_rate_no_request_waits() {
        let (pace, clock, _) = pace(None);
        let start = clock.now();
        for _ in 0..1000 {
            pace.acquire().unwrap();
        }
        assert_eq!(clock.now(), start);
    }

    #[test]
    fn a_retry_after_holds_all_requests() {
        let (pace, clock, _) = pace(None);
        for fault in [
            Fault::Throttled { retry_after: Some(Duration::from_secs(7)) },
            Fault::no_answer(NoAnswerCause::Busy(Duration::from_secs(7)), ""),
        ] {
            let transport = Paced::new(Scripted::new(move |_, _| Err(fault.clone())), Arc::clone(&pace));
            assert!(transport.send(&request(Kind::Read)).is_err());
            assert_eq!(pace.held_for(), Some(Duration::from_secs(7)));
            let before = clock.now();
            pace.acquire().unwrap();
            assert_eq!(clock.now() - before, Duration::from_secs(7));
            assert_eq!(pace.held_for(), None);
        }
    }

    #[test]
    fn a_shorter_hold_does_not_end_a_longer_one() {
        let (pace, ..) = pace(None);
        pace.hold(Duration::from_secs(9));
        pace.hold(Duration::from_secs(3));
        assert_eq!(pace.held_for(), Some(Duration::from_secs(9)));
    }

    #[test]
    fn a_hold_that_is_too_long_is_given_back_at_once() {
        let (pace, clock, _) = pace(None);
        let transport = Paced::new(Scripted::answering(r#"{"data":{}}"#), Arc::clone(&pace));
        pace.hold(LONG + Duration::from_secs(1));
        let before = clock.now();
        let failure = transport.send(&request(Kind::Read)).unwrap_err();
        assert_eq!(
            failure,
            Failure {
                fault: Fault::Throttled { retry_after: Some(LONG + Duration::from_secs(1)) },
                attempts: 0
            }
        );
        assert_eq!(clock.now(), before);
        assert_eq!(pace.requests(), 0);
    }

    #[test]
    fn a_pulled_cancel_ends_a_wait_and_nothing_is_sent() {
        let (pace, _, cancel) = pace(Rate::per_second(1));
        let transport = Paced::new(Scripted::answering(r#"{"data":{}}"#), Arc::clone(&pace));
        assert!(transport.send(&request(Kind::Read)).is_ok());
        cancel.pull();
        let failure = transport.send(&request(Kind::Read)).unwrap_err();
        assert_eq!((failure.fault.code(), failure.attempts), (Code::Cancelled, 0));
        assert_eq!(transport.inner.sent(), 1);
    }

    /// A pace with a window, around a transport that counts the most requests it held at once.
    fn windowed(
        most: u32,
        answer: impl Fn(usize) -> Result<(u16, String), Fault> + Send + Sync + 'static,
    ) -> (Paced<Scripted>, ManualClock, Cancel) {
        let (clock, cancel) = (ManualClock::default(), Cancel::new());
        let pace = Pace::new(None, LONG, Arc::new(clock.clone()), cancel.clone())
            .with_window(Window::new(Some(most)));
        (Paced::new(Scripted::new(move |number, _| answer(number)), Arc::new(pace)), clock, cancel)
    }

    fn well() -> (u16, String) {
        (200, r#"{"data":{}}"#.to_owned())
    }

    #[test]
    fn many_threads_never_have_more_in_flight_than_the_window() {
        let inside = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
        let counted = Arc::clone(&inside);
        let (transport, ..) = windowed(3, move |number| {
            let (now, most) = &*counted;
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::yield_now();
            now.fetch_sub(1, Ordering::SeqCst);
            let fault = Fault::Throttled { retry_after: None };
            if number % 50 == 7 { Err(fault) } else { Ok(well()) }
        });
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| (0..100).for_each(|_| drop(transport.send(&request(Kind::Read)))));
            }
        });
        assert_eq!(transport.inner.sent(), 1600, "no request waits for ever");
        let most = inside.1.load(Ordering::SeqCst);
        assert!((1..=3).contains(&most), "{most}");
        let strain = transport.pace.strain();
        assert!((10..=32).contains(&strain.congestion_events), "{strain:?}");
        assert_eq!((strain.concurrency, strain.window_min), (3, 1));
    }

    #[test]
    fn a_pulled_cancel_ends_the_wait_for_a_slot() {
        let (entered, has_entered) = crossbeam_channel::bounded(0);
        let (finish, may_finish) = crossbeam_channel::bounded(0);
        let (transport, _, cancel) = windowed(1, move |_| {
            entered.send(()).unwrap();
            may_finish.recv().unwrap();
            Ok(well())
        });
        thread::scope(|scope| {
            let first = scope.spawn(|| transport.send(&request(Kind::Read)));
            has_entered.recv().unwrap();
            let others = [(); 3].map(|()| scope.spawn(|| transport.send(&request(Kind::Read))));
            cancel.pull();
            for other in others {
                assert_eq!(other.join().unwrap().unwrap_err().fault.code(), Code::Cancelled);
            }
            finish.send(()).unwrap();
            assert!(first.join().unwrap().is_ok(), "what is in flight is not cut short");
        });
        assert_eq!(transport.inner.sent(), 1);
    }

    #[test]
    fn a_panic_in_flight_frees_the_slot() {
        let (transport, ..) =
            windowed(1, |number| if number == 0 { panic!("on purpose") } else { Ok(well()) });
        let broken = || transport.send(&request(Kind::Read));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(broken)).is_err());
        assert!(transport.send(&request(Kind::Read)).is_ok());
    }

    #[test]
    fn a_server_that_counts_requests_gets_them_an_even_gap_apart() {
        let clock = ManualClock::default();
        let server = clock.clone();
        let pace =
            Pace::new(None, LONG, Arc::new(clock.clone()), Cancel::new()).with_window(Window::new(Some(8)));
        let inner = Scripted::new(move |number, _| {
            server.advance(Duration::from_millis(20));
            if (1..100).contains(&number) { Err(Fault::Throttled { retry_after: None }) } else { Ok(well()) }
        });
        let transport = Paced::new(inner, Arc::new(pace));
        for _ in 0..102 {
            drop(transport.send(&request(Kind::Read)));
        }
        let before = clock.now();
        for _ in 0..10 {
            transport.send(&request(Kind::Read)).unwrap();
        }
        // An eighth of the time one request is in flight.
        let each = (clock.now() - before) / 10;
        assert!((150..=165).contains(&each.as_millis()), "{each:?}");
        assert_eq!(transport.pace.strain().congestion_events, 99);
    }

    #[test]
    fn what_says_that_houston_is_away_does_not_say_that_it_is_too_much() {
        for (cause, events) in [
            (NoAnswerCause::BadGateway, 0),
            (NoAnswerCause::GatewayTimeout, 0),
            (NoAnswerCause::Reset, 0),
            (NoAnswerCause::Timeout, 9),
            // The sixth in a row means that Houston is down, and so do all that follow.
            (NoAnswerCause::Unavailable, 5),
        ] {
            let (transport, ..) = windowed(8, move |_| Err(Fault::no_answer(cause, "")));
            for _ in 0..9 {
                drop(transport.send_now(&request(Kind::Read)));
            }
            assert_eq!(transport.pace.strain().congestion_events, events, "{cause:?}");
        }
    }
}
