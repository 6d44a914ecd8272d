//! How fast a run goes, and what keeps it from going faster.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How fast a run went, and what it met with because it asked for too much at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Strain {
    /// Requests that could be in flight at most: `--concurrency`.
    pub concurrency: u32,
    /// How many of them were allowed in the end.
    pub window_end: u32,
    /// The fewest that were allowed, the slow start aside if the run was longer than that.
    pub window_min: u32,
    /// How many were allowed on average.
    pub window_mean: u32,
    /// What kept it from going faster, for most of the answers.
    pub limited_by: LimitedBy,
    /// Answers of Houston.
    pub answers: u64,
    /// How long all of them took together, in microseconds.
    pub answers_us: u64,
    /// How long the latest ones took, in microseconds.
    #[serde(skip)]
    pub recent_us: u64,
    /// How often the number was cut, because Houston asked to slow down or did not answer in time.
    pub congestion_events: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// Requests that were not sent again because the retry budget was used up.
    pub retries_refused: u64,
    /// Whether it is used up now.
    #[serde(skip)]
    pub budget_is_empty: bool,
}

impl Strain {
    /// Adds what a later leg of the same run met with.
    pub fn add(&mut self, later: Self) {
        self.congestion_events += later.congestion_events;
        self.retries += later.retries;
        self.retries_refused += later.retries_refused;
        // A leg without a window has nothing to say about it.
        if later.concurrency > 0 {
            if later.answers >= self.answers {
                self.limited_by = later.limited_by;
                self.window_mean = later.window_mean;
            }
            let fewest = if self.concurrency > 0 { self.window_min } else { later.window_min };
            self.window_min = fewest.min(later.window_min);
            self.window_end = later.window_end;
            self.concurrency = self.concurrency.max(later.concurrency);
        }
        self.answers += later.answers;
        self.answers_us += later.answers_us;
    }

    /// How long an answer took on average, in milliseconds, rounded up; none without answers.
    pub fn latency_ms(&self) -> Option<u64> {
        self.answers_us.checked_div(self.answers).map(|mean| mean.div_ceil(1000))
    }
}

/// How busy a run keeps Houston, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Requests of every kind so far, repeats included.
    pub requests: u64,
    /// How many of them were repeats.
    pub retries: u64,
    /// How many were refused because Houston is asked for too much, or were not answered in time.
    pub throttled: u64,
    /// How many may be in flight.
    pub window: u32,
    /// How many are.
    pub in_flight: u32,
    /// What keeps the run from going faster.
    pub limited_by: LimitedBy,
    /// Answers so far by how long they took: below 1 ms, below 2, below 4, and so on; the last
    /// number is of all longer ones.
    pub latency: [u64; Load::BUCKETS],
    /// How long requests have waited so far because Houston asked for it.
    pub asked: Duration,
    /// How long Houston has been away so far.
    pub away: Duration,
}

impl Load {
    /// How many numbers `latency` has: the last but one is of answers below 262 s.
    pub const BUCKETS: usize = 20;

    /// Which number counts an answer that took so long.
    pub fn bucket(latency: Duration) -> usize {
        let milliseconds = latency.as_millis().checked_ilog2().map_or(0, |power| power as usize + 1);
        milliseconds.min(Self::BUCKETS - 1)
    }
}

/// What keeps a run from going faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum LimitedBy {
    /// `--concurrency`.
    #[default]
    Concurrency,
    /// `--rate`.
    Rate,
    /// Houston answers more slowly the more it is asked.
    Latency,
    /// Houston refuses what is too much.
    Refusals,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strain_of_a_run_is_that_of_all_its_legs() {
        let leg = |window_min, window_end, events| Strain {
            concurrency: 16,
            window_end,
            window_min,
            congestion_events: events,
            retries: 5,
            retries_refused: 1,
            ..Strain::default()
        };
        let mut all = Strain::default();
        for later in [leg(9, 12, 2), leg(6, 7, 3), Strain::default(), leg(16, 16, 0)] {
            all.add(later);
        }
        assert_eq!(all, Strain { retries: 15, retries_refused: 3, ..leg(6, 16, 5) });
    }

    #[test]
    fn the_longer_leg_says_what_limited_the_run() {
        let leg = |answers, limited_by, window_mean, latency_ms| Strain {
            concurrency: 8,
            limited_by,
            window_mean,
            answers,
            answers_us: answers * latency_ms * 1000,
            ..Strain::default()
        };
        let mut all = Strain::default();
        assert_eq!(all.latency_ms(), None);
        all.add(leg(100, LimitedBy::Latency, 5, 20));
        all.add(leg(50, LimitedBy::Concurrency, 8, 80));
        assert_eq!((all.limited_by, all.window_mean, all.latency_ms()), (LimitedBy::Latency, 5, Some(40)));
    }

    #[test]
    fn the_average_of_all_legs_lies_between_the_fewest_and_the_most() {
        let leg = |concurrency, window_mean, answers| Strain {
            concurrency,
            window_min: window_mean,
            window_mean,
            answers,
            ..Strain::default()
        };
        let mut all = Strain::default();
        for later in [leg(16, 16, 100), leg(4, 4, 10), leg(8, 2, 1)] {
            all.add(later);
            assert!((all.window_min..=all.concurrency).contains(&all.window_mean), "{all:?}");
        }
    }

    #[test]
    fn latencies_are_counted_by_powers_of_two() {
        let bucket = |ms| Load::bucket(Duration::from_micros(ms));
        assert_eq!([bucket(0), bucket(999), bucket(1000), bucket(1999), bucket(2000)], [0, 0, 1, 1, 2]);
        assert_eq!([bucket(262_143_000), bucket(262_144_000), bucket(u64::MAX)], [18, 19, 19]);
    }
}
