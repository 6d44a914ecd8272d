//! The one limit on how fast requests leave this process.
//!
//! Main types: [`Pace`], shared by all senders, and [`Paced`], which sends every request of a
//! transport through it. It never looks at what a request is for, and it never repeats one. How many
//! requests may be in flight is decided in [`super::window`].

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::contact::Contact;
use super::fault::{Fault, UnsentCause};
use super::gate::{Gate, Slot};
use super::rate::{Rate, Speed};
use super::retry::RetryBudget;
use super::transport::{Answer, Budget, Failure, Kind, Request, Transport};
use super::window::Window;
use crate::model::{LimitedBy, Load, Strain};
use crate::time::{Cancel, Clock, Waited};

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
    /// Whether a write that has not left yet must not leave.
    writes_are_over: AtomicBool,
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
    waits: Mutex<Waits>,
}

/// How long requests have waited, in times after the start of the pace.
#[derive(Debug, Default)]
struct Waits {
    /// Holds that are over.
    asked: Duration,
    /// When the latest hold began, if it was not over at the last look, and when it is.
    hold: Option<(Duration, Duration)>,
    /// Outages that are over.
    away: Duration,
}

impl Waits {
    /// A hold begins, or goes on for longer.
    fn hold(&mut self, now: Duration, until: Duration) {
        self.hold = match self.hold {
            Some((since, end)) if end >= now => Some((since, end.max(until))),
            Some((since, end)) => {
                self.asked += end.saturating_sub(since);
                Some((now, until))
            }
            None => Some((now, until)),
        };
    }

    /// The time of all holds so far.
    fn asked(&self, now: Duration) -> Duration {
        self.asked + self.hold.map_or(Duration::ZERO, |(since, end)| end.min(now).saturating_sub(since))
    }
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
/// A write that waits for its turn looks this often whether writes are over.
const GLANCE: Duration = Duration::from_millis(100);

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
            writes_are_over: AtomicBool::new(false),
            budget: Arc::default(),
            hold_until: AtomicU64::new(0),
            max_wait,
            contact: None,
            requests: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
            latencies: Latencies::default(),
            absence: Absence::default(),
            waits: Mutex::default(),
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
                window_mean: window.average().unwrap_or_else(|| window.slots()),
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
        let (waits, away) = (self.waits(), self.away_for().unwrap_or_default());
        Load {
            requests: self.requests(),
            retries: self.budget.repeats(),
            throttled: self.throttled.load(Ordering::Relaxed),
            window,
            in_flight: self.gate.in_flight(),
            limited_by: self.limited_by(limited_by),
            latency: std::array::from_fn(|place| buckets[place].load(Ordering::Relaxed)),
            asked: waits.asked(self.passed()),
            away: waits.away + away,
        }
    }

    fn limited_by(&self, window: LimitedBy) -> LimitedBy {
        match window {
            LimitedBy::Concurrency if self.limiter.is_some() => LimitedBy::Rate,
            LimitedBy::Concurrency | LimitedBy::Rate | LimitedBy::Latency | LimitedBy::Refusals => window,
        }
    }

    fn waits(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
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
                let since = absence.since.swap(0, Ordering::Relaxed);
                if since > 0 {
                    self.waits().away += self.passed().saturating_sub(Duration::from_nanos(since));
                }
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
        let now = self.passed();
        let until = now.saturating_add(wait);
        self.waits().hold(now, until);
        let until = u64::try_from(until.as_nanos()).unwrap_or(u64::MAX);
        self.hold_until.fetch_max(until.max(1), Ordering::Relaxed);
    }

    /// From now on no write leaves: those that wait for their turn are given back unsent. Reads go on.
    pub fn end_writes(&self) {
        self.writes_are_over.store(true, Ordering::Release);
    }

    /// Requests that have left and have no answer yet.
    pub fn in_flight(&self) -> u32 {
        self.gate.in_flight()
    }

    /// Waits until one request may leave. It is in flight until what this gives is dropped.
    ///
    /// # Errors
    /// [`Fault::Throttled`] where the hold is longer than the longest wait that is obeyed,
    /// [`UnsentCause::Cancelled`] where the wait was cut short, or where writes are over.
    pub fn acquire(&self, kind: Kind) -> Result<Pass<'_>, Fault> {
        let mut slot = match self.slot_at_once()? {
            Some(slot) => slot,
            None => self.slot_in_turn(kind)?,
        };
        self.refuse_late(kind)?;
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

    /// Gives a write back that comes too late.
    fn refuse_late(&self, kind: Kind) -> Result<(), Fault> {
        match kind {
            Kind::Write | Kind::Once if self.writes_are_over.load(Ordering::Acquire) => Err(cancelled()),
            Kind::Read | Kind::Write | Kind::Once => Ok(()),
        }
    }

    fn slot_in_turn(&self, kind: Kind) -> Result<Slot<'_>, Fault> {
        let mut due = self.turnstile.lock().unwrap_or_else(PoisonError::into_inner);
        self.refuse_late(kind)?;
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
                Some(Err(not_until)) => {
                    let wait = not_until.wait_time_from(self.clock.now());
                    self.wait(if kind == Kind::Read { wait } else { wait.min(GLANCE) })?;
                    self.refuse_late(kind)?;
                }
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
        let pass = self.pace.acquire(request.kind).map_err(|fault| Failure { fault, attempts: 0 })?;
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
mod tests;
