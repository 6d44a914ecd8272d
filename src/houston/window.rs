//! How many requests may be in flight, adjusted by answers and refusals.
//!
//! Main type: [`Window`]: what refusals allow (`refusals`) and, if it follows latency, what latency
//! allows ([`latency`]), whichever is less. Pure: it knows neither clocks nor threads; the gate
//! applies it.

pub mod latency;
mod refusals;
mod sample;

use std::time::Duration;

use self::latency::{ByLatency, Sighting};
use self::refusals::ByRefusals;
pub use self::refusals::Congestion;
use crate::model::LimitedBy;

/// The window of requests in flight.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    refusals: ByRefusals,
    latency: Option<ByLatency>,
    usage: Usage,
}

/// What a request remembers of the window at the moment when it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Departure {
    /// How often refusals had cut the window.
    pub cuts: u64,
    /// How many sizes latency had given it.
    pub sizes: u64,
}

/// An answer.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// The name of the operation: latencies of one kind are comparable.
    pub kind: &'static str,
    /// How the window was when the request left.
    pub departure: Departure,
    /// How long the answer took.
    pub latency: Duration,
    /// Requests in flight when it came, itself included.
    pub in_flight: u32,
    /// The time since the start of the run.
    pub at: Duration,
}

/// How the window was while answers came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Usage {
    answers: u64,
    /// The sum of its sizes.
    slots: u64,
    /// The smallest of them.
    least: u32,
    by_latency: u64,
    by_refusals: u64,
}

impl Window {
    /// A window of at most this many requests, at least one; always open without a number.
    pub fn new(most: Option<u32>) -> Self {
        Self { refusals: ByRefusals::new(most), latency: None, usage: Usage::default() }
    }

    /// A window that follows latency too.
    pub fn following_latency(most: u32) -> Self {
        Self { latency: Some(ByLatency::new(most)), ..Self::new(Some(most)) }
    }

    /// The most requests that may ever be in flight; none where that is not limited.
    pub fn most(&self) -> Option<u32> {
        self.refusals.most()
    }

    /// Whether it is as large as it may be, and no answer makes it smaller.
    pub fn is_open(&self) -> bool {
        self.latency.is_none() && self.refusals.is_open()
    }

    /// How many requests may be in flight: at least one.
    pub fn slots(&self) -> u32 {
        let by_latency = self.latency.as_ref().map_or(u32::MAX, ByLatency::slots);
        self.refusals.slots().min(by_latency)
    }

    /// The fewest that were allowed since the beginning, the slow start aside; but what was hardly more than a
    /// slow start had its size.
    pub fn fewest(&self) -> u32 {
        let by_latency = self.latency.as_ref().map_or(u32::MAX, ByLatency::fewest);
        let fewest = self.refusals.fewest().min(by_latency);
        match self.average() {
            Some(average) if average < fewest => self.usage.least,
            Some(_) => fewest,
            None => fewest.min(self.slots()),
        }
    }

    /// How many were allowed on average while answers came; none before the first one.
    pub fn average(&self) -> Option<u32> {
        let Usage { answers, slots, .. } = self.usage;
        let average = (slots + answers / 2).checked_div(answers)?;
        u32::try_from(average).ok()
    }

    /// The least time from one request to the next.
    pub fn gap(&self) -> Duration {
        let by_latency = self.latency.as_ref().map_or(Duration::ZERO, ByLatency::gap);
        self.refusals.gap().max(by_latency)
    }

    /// What a request that leaves now has to remember.
    pub fn departure(&self) -> Departure {
        let sizes = self.latency.as_ref().map_or(0, ByLatency::sizes);
        Departure { cuts: self.refusals.cuts(), sizes }
    }

    /// How often refusals have cut it.
    pub fn cuts(&self) -> u64 {
        self.refusals.cuts()
    }

    /// What limits it now.
    pub fn limited_by(&self) -> LimitedBy {
        let by_latency = self.latency.as_ref().filter(|latency| latency.is_limiting());
        match by_latency.map(ByLatency::slots) {
            Some(slots) if slots <= self.refusals.slots() => LimitedBy::Latency,
            None if self.refusals.is_open() || self.refusals.cuts() == 0 => LimitedBy::Concurrency,
            Some(_) | None => LimitedBy::Refusals,
        }
    }

    /// What limited it for most of the answers.
    pub fn mostly_limited_by(&self) -> LimitedBy {
        let Usage { answers, by_latency, by_refusals, .. } = self.usage;
        if by_latency.max(by_refusals) * 2 <= answers {
            LimitedBy::Concurrency
        } else if by_latency >= by_refusals {
            LimitedBy::Latency
        } else {
            LimitedBy::Refusals
        }
    }

    /// An answer came.
    pub fn answered(&mut self, answer: Arrival) {
        let Arrival { kind, departure, latency, in_flight, at } = answer;
        let slots = self.slots();
        self.usage.least = if self.usage.answers == 0 { slots } else { self.usage.least.min(slots) };
        self.usage.answers += 1;
        self.usage.slots += u64::from(slots);
        match self.limited_by() {
            LimitedBy::Latency => self.usage.by_latency += 1,
            LimitedBy::Refusals => self.usage.by_refusals += 1,
            LimitedBy::Concurrency | LimitedBy::Rate => {}
        }
        if !self.refusals.is_open() {
            self.refusals.answered(latency, in_flight);
        }
        if let Some(by_latency) = &mut self.latency {
            by_latency.answered(Sighting { kind, latency, sizes: departure.sizes, in_flight, at });
        }
    }

    /// A request was refused, with the pause that the server asked for, if any. Refusals of requests
    /// that left before the last cut belong to that one.
    pub fn refused(&mut self, why: Congestion, pause: Option<Duration>, departure: Departure) {
        self.refusals.refused(why, pause, departure.cuts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    /// An answer after so many milliseconds, or a refusal.
    fn ends() -> impl Strategy<Value = Vec<Option<u32>>> {
        prop::collection::vec(prop::option::weighted(0.95, 1..400_u32), 0..300)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_average_lies_between_the_fewest_and_the_most(
            ends in ends(),
            most in 1..65_u32,
            follows_latency in any::<bool>(),
        ) {
            let mut window =
                if follows_latency { Window::following_latency(most) } else { Window::new(Some(most)) };
            let mut at = Duration::ZERO;
            for end in ends {
                match end {
                    Some(ms) => answer(&mut window, ms * MS, &mut at),
                    None => window.refused(Congestion::TooMany, None, window.departure()),
                }
                let average = window.average().unwrap_or_else(|| window.slots());
                prop_assert!((1..=average).contains(&window.fewest()), "{} {average}", window.fewest());
                prop_assert!(average <= most, "{average} {most}");
            }
        }
    }

    fn answer(window: &mut Window, latency: Duration, at: &mut Duration) {
        *at += latency / window.slots();
        let (departure, in_flight) = (window.departure(), window.slots());
        window.answered(Arrival { kind: "add", departure, latency, in_flight, at: *at });
    }

    #[test]
    fn the_smaller_window_counts_and_is_named() {
        let (mut window, mut at) = (Window::following_latency(8), Duration::ZERO);
        assert_eq!((window.slots(), window.is_open()), (4, false), "a slow start");
        assert_eq!(window.limited_by(), LimitedBy::Concurrency);
        (0..200).for_each(|_| answer(&mut window, 20 * MS, &mut at));
        assert_eq!((window.slots(), window.fewest(), window.gap()), (8, 8, Duration::ZERO));
        let departure = window.departure();
        window.refused(Congestion::TooMany, None, departure);
        assert_eq!((window.slots(), window.limited_by()), (7, LimitedBy::Refusals));
        (0..40).for_each(|_| answer(&mut window, 80 * MS, &mut at));
        assert!(window.slots() < 4, "{window:?}");
        assert_eq!(window.limited_by(), LimitedBy::Latency);
        assert!(window.gap() > Duration::ZERO);
        assert_eq!(window.mostly_limited_by(), LimitedBy::Concurrency);
        assert_eq!(window.average(), Some(7));
    }

    #[test]
    fn a_window_that_does_not_follow_latency_is_open_until_it_is_refused() {
        let (mut window, mut at) = (Window::new(Some(8)), Duration::ZERO);
        assert!(window.is_open() && Window::new(None).is_open());
        (0..100).for_each(|_| answer(&mut window, 20 * MS, &mut at));
        (0..100).for_each(|_| answer(&mut window, 2000 * MS, &mut at));
        assert_eq!((window.slots(), window.limited_by()), (8, LimitedBy::Concurrency));
        assert_eq!(Window::new(None).average(), None);
    }
}
