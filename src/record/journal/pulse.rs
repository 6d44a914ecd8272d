//! How busy a run kept Houston, over its time: what a leg writes every few seconds, and what is kept of it
//! when the journal is read.
//!
//! Main types: [`Pulse`], an entry of the journal; [`Beat`], when the next one is due; [`Pulses`], all of
//! them in bounded memory.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::event::Pause;
use crate::model::{LimitedBy, Load};

/// When the first pulse of a leg is due.
const FIRST: Duration = Duration::from_secs(1);
/// The time between two pulses.
const PERIOD: Duration = Duration::from_secs(5);

/// How busy a leg of a run keeps Houston. Counts are totals of the leg, of requests of every kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Pulse {
    /// Requests, repeats included.
    pub requests: u64,
    /// How many of them were repeats.
    pub retries: u64,
    /// How many were refused for being too many, or not answered in time.
    pub throttled: u64,
    /// How many may be in flight now.
    pub window: u32,
    /// How many are.
    pub in_flight: u32,
    /// What keeps the leg from going faster.
    pub limited_by: LimitedBy,
    /// What the leg waits for, if it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// How long the leg has waited so far; left out if it has not, and by older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited: Option<Waited>,
    /// Answers since the last pulse by how long they took: below 1 ms, below 2, below 4, and so on
    /// ([`Load::latency`]); zeros at the end are left out.
    pub latency: Vec<u64>,
    /// Milliseconds since the run began.
    pub at_ms: u64,
}

/// What a run waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Paused {
    /// Why.
    pub why: WhyPaused,
    /// How long still, if Houston asked for it; how long so far, if Houston is away.
    pub ms: u64,
}

/// How long a leg has waited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Waited {
    /// Milliseconds because Houston asked for it.
    pub asked_ms: u64,
    /// Milliseconds because Houston was away.
    pub away_ms: u64,
}

impl Waited {
    fn of(load: &Load) -> Self {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self { asked_ms: ms(load.asked), away_ms: ms(load.away) }
    }

    /// What has come since this earlier moment.
    fn since(self, before: Self) -> Self {
        Self {
            asked_ms: self.asked_ms.saturating_sub(before.asked_ms),
            away_ms: self.away_ms.saturating_sub(before.away_ms),
        }
    }

    fn plus(self, more: Self) -> Self {
        Self {
            asked_ms: self.asked_ms.saturating_add(more.asked_ms),
            away_ms: self.away_ms.saturating_add(more.away_ms),
        }
    }

    /// How long for this reason.
    pub fn ms(self, why: WhyPaused) -> u64 {
        match why {
            WhyPaused::Asked => self.asked_ms,
            WhyPaused::Away => self.away_ms,
        }
    }
}

/// Why a run waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum WhyPaused {
    /// Houston asked for a pause.
    Asked,
    /// Houston is away.
    Away,
}

impl From<Pause> for Paused {
    fn from(pause: Pause) -> Self {
        let (why, time) = match pause {
            Pause::Asked(left) => (WhyPaused::Asked, left),
            Pause::Away(so_far) => (WhyPaused::Away, so_far),
        };
        Self { why, ms: u64::try_from(time.as_millis()).unwrap_or(u64::MAX) }
    }
}

/// When pulses of a leg are due, and what the last one had counted.
#[derive(Debug)]
pub(super) struct Beat {
    due: Instant,
    counted: [u64; Load::BUCKETS],
    /// What had been waited before the leg.
    before: Waited,
}

impl Beat {
    /// The beat of a leg that begins now.
    pub(super) fn new(start: Instant) -> Self {
        Self { due: start + FIRST, counted: [0; Load::BUCKETS], before: Waited::default() }
    }

    /// The leg begins to send; what was waited before is not its own.
    pub(super) fn begin(&mut self, load: &Load) {
        self.before = Waited::of(load);
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.due
    }

    /// A pulse, which may come before it is due.
    pub(super) fn pulse(&mut self, load: &Load, pause: Option<Pause>, at_ms: u64, now: Instant) -> Pulse {
        self.due = now + PERIOD;
        let since = load.latency.iter().zip(&self.counted);
        let mut latency: Vec<u64> = since.map(|(all, before)| all.saturating_sub(*before)).collect();
        latency.truncate(latency.iter().rposition(|&count| count > 0).map_or(0, |last| last + 1));
        self.counted = load.latency;
        let waited = Waited::of(load).since(self.before);
        Pulse {
            requests: load.requests,
            retries: load.retries,
            throttled: load.throttled,
            window: load.window,
            in_flight: load.in_flight,
            limited_by: load.limited_by,
            paused: pause.map(Paused::from),
            waited: (pause.is_some() || waited != Waited::default()).then_some(waited),
            latency,
            at_ms,
        }
    }
}

/// What happened between two moments of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    /// Its beginning, in milliseconds since the run began.
    pub from_ms: u64,
    /// Its end.
    pub until_ms: u64,
    /// Requests in it, repeats included.
    pub requests: u64,
    /// How many of them were repeats.
    pub retries: u64,
    /// How many were refused for being too many, or not answered in time.
    pub throttled: u64,
    /// The fewest that were allowed in flight.
    pub window: u32,
    /// The most that were in flight at a pulse.
    pub in_flight: u32,
    /// What kept the run from going faster, at its end.
    pub limited_by: LimitedBy,
    /// What the run waited for, if it did at a pulse.
    pub paused: Option<Paused>,
    /// How long the run waited in it, if that is known.
    pub waited: Option<Waited>,
    /// Answers by how long they took, as [`Load::latency`].
    pub latency: [u64; Load::BUCKETS],
}

impl Interval {
    /// Takes in the one that follows.
    fn extend(&mut self, next: &Self) {
        self.until_ms = next.until_ms;
        self.requests = self.requests.saturating_add(next.requests);
        self.retries = self.retries.saturating_add(next.retries);
        self.throttled = self.throttled.saturating_add(next.throttled);
        self.window = self.window.min(next.window);
        self.in_flight = self.in_flight.max(next.in_flight);
        self.limited_by = next.limited_by;
        self.paused = next.paused.or(self.paused);
        self.waited = match (self.waited, next.waited) {
            (Some(one), Some(other)) => Some(one.plus(other)),
            (one, other) => one.or(other),
        };
        for (sum, count) in self.latency.iter_mut().zip(&next.latency) {
            *sum = sum.saturating_add(*count);
        }
    }
}

/// What a leg had sent at its last pulse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Requests, repeats included.
    pub requests: u64,
    /// How many of them were repeats.
    pub retries: u64,
}

/// The pulses of a run as intervals, in their order. Of a long run neighbours are merged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pulses {
    intervals: Vec<Interval>,
    /// Requests, retries and throttled ones of the leg, as the last pulse counted them.
    counted: [u64; 3],
    waited: Waited,
    /// When the last one was, or a leg began.
    at_ms: u64,
}

impl Pulses {
    /// No pulses has more intervals.
    pub const MOST: usize = 2048;

    /// The intervals.
    pub fn intervals(&self) -> &[Interval] {
        &self.intervals
    }

    /// Requests and retries of the leg, as its last pulse counted them.
    pub(super) fn of_leg(&self) -> Counted {
        let [requests, retries, _] = self.counted;
        Counted { requests, retries }
    }

    /// Another leg begins, and counts from 0.
    pub(super) fn begin_leg(&mut self, at_ms: u64) {
        (self.counted, self.waited) = ([0; 3], Waited::default());
        self.at_ms = self.at_ms.max(at_ms);
    }

    pub(super) fn take(&mut self, pulse: &Pulse) {
        let totals = [pulse.requests, pulse.retries, pulse.throttled];
        let [requests, retries, throttled] =
            [0, 1, 2].map(|which| totals[which].saturating_sub(self.counted[which]));
        let mut latency = [0_u64; Load::BUCKETS];
        for (place, count) in pulse.latency.iter().enumerate() {
            let sum = &mut latency[place.min(Load::BUCKETS - 1)];
            *sum = sum.saturating_add(*count);
        }
        let until_ms = pulse.at_ms.max(self.at_ms);
        let Pulse { window, in_flight, limited_by, paused, .. } = *pulse;
        let waited = pulse.waited.map(|waited| waited.since(self.waited));
        self.waited = pulse.waited.unwrap_or(self.waited);
        let from_ms = self.at_ms;
        (self.counted, self.at_ms) = (totals, until_ms);
        if self.intervals.len() == Self::MOST {
            self.halve();
        }
        self.intervals.push(Interval {
            from_ms,
            until_ms,
            requests,
            retries,
            throttled,
            window,
            in_flight,
            limited_by,
            paused,
            waited,
            latency,
        });
    }

    /// The run in at most so many intervals.
    pub fn in_at_most(&self, most: usize) -> Vec<Interval> {
        self.merged(self.intervals.len().div_ceil(most.max(1)).max(1))
    }

    /// Merges each interval with its neighbour.
    fn halve(&mut self) {
        self.intervals = self.merged(2);
    }

    /// So many neighbours become one.
    fn merged(&self, together: usize) -> Vec<Interval> {
        let merge = |neighbours: &[Interval]| {
            let mut merged = neighbours[0].clone();
            neighbours[1..].iter().for_each(|next| merged.extend(next));
            merged
        };
        self.intervals.chunks(together).map(merge).collect()
    }
}

#[cfg(test)]
impl Pulses {
    /// Those of one leg.
    pub fn of(pulses: &[Pulse]) -> Self {
        let mut all = Self::default();
        pulses.iter().for_each(|pulse| all.take(pulse));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(requests: u64, below_4_ms: u64) -> Load {
        let mut latency = [0; Load::BUCKETS];
        latency[2] = below_4_ms;
        Load { requests, window: 8, in_flight: 3, latency, ..Load::default() }
    }

    #[test]
    fn a_pulse_is_due_after_a_second_and_then_every_five() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut beat = Beat::new(start);
        assert!(!beat.is_due(start) && beat.is_due(at(1)));
        let first = beat.pulse(&load(10, 7), None, 1_000, at(1));
        assert_eq!(first.latency, [0, 0, 7]);
        assert!(!beat.is_due(at(5)) && beat.is_due(at(6)));
        let second = beat.pulse(&load(20, 7), Some(Pause::Away(Duration::from_secs(2))), 6_000, at(6));
        assert_eq!((second.requests, second.latency.len()), (20, 0), "no answer since");
        let json = serde_json::to_string(&second).expect("JSON");
        assert_eq!(
            json,
            r#"{"requests":20,"retries":0,"throttled":0,"window":8,"in_flight":3,"limited_by":"concurrency","paused":{"why":"away","ms":2000},"waited":{"asked_ms":0,"away_ms":0},"latency":[],"at_ms":6000}"#
        );
    }

    #[test]
    fn pulses_count_per_interval_over_all_legs() {
        let start = Instant::now();
        let mut pulses = Pulses::default();
        let mut leg = |began: u64, beats: &[(u64, u64)]| {
            let mut beat = Beat::new(start);
            pulses.begin_leg(began);
            for &(at_ms, requests) in beats {
                pulses.take(&beat.pulse(&load(requests, requests), None, at_ms, start));
            }
        };
        leg(0, &[(1_000, 10), (6_000, 60)]);
        leg(6_500, &[(7_500, 5)]);
        let found =
            pulses.intervals().iter().map(|one| (one.from_ms, one.until_ms, one.requests, one.latency[2]));
        assert_eq!(
            found.collect::<Vec<_>>(),
            [(0, 1_000, 10, 10), (1_000, 6_000, 50, 50), (6_500, 7_500, 5, 5)]
        );
    }

    #[test]
    fn the_pulses_of_a_long_run_are_bounded_and_lose_no_request() {
        let start = Instant::now();
        let (mut pulses, mut beat) = (Pulses::default(), Beat::new(start));
        let beats = 10 * Pulses::MOST as u64;
        for number in 1..=beats {
            let pulse = Pulse {
                window: 2 + u32::from(number != 77),
                ..beat.pulse(&load(number, number), None, number * 5_000, start)
            };
            pulses.take(&pulse);
        }
        let intervals = pulses.intervals();
        assert!(intervals.len() <= Pulses::MOST, "{}", intervals.len());
        assert_eq!(intervals.iter().map(|one| one.requests).sum::<u64>(), beats);
        assert_eq!(intervals.iter().map(|one| one.latency[2]).sum::<u64>(), beats);
        assert_eq!(intervals.iter().map(|one| one.window).min(), Some(2), "the fewest are kept");
        assert!(intervals.windows(2).all(|pair| pair[0].until_ms == pair[1].from_ms));
        let few = pulses.in_at_most(100);
        assert!(few.len() <= 100 && few.iter().map(|one| one.requests).sum::<u64>() == beats);
        let mut odd = beat.pulse(&load(0, 0), None, 3, start);
        odd.latency = vec![u64::MAX; 100];
        pulses.take(&odd);
        assert_eq!(
            pulses.intervals().last().map(|one| one.requests),
            Some(0),
            "totals that fall count nothing"
        );
    }
}
