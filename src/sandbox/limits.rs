//! Limits that a server does not announce: requests above them get a 429.
//!
//! Main types: [`Limit`], one rule of the fault text, and [`Meter`], which compares requests with it. What is
//! refused costs the server nothing and does not count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::switches::duration;

/// How much is too much, and the answer to what exceeds it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limit {
    most: Most,
    /// The `Retry-After`, if any.
    pub(super) wait: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Most {
    /// Requests in flight.
    InFlight(u64),
    /// Requests a second: a bucket that holds a tenth of that, at least one.
    PerSecond(f64),
}

impl Limit {
    /// Reads `12`, `50/s` or `300/m`, with `:2s` for a `Retry-After`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (most, wait) = text.split_once(':').map_or((text, None), |(most, wait)| (most, Some(wait)));
        let wait = match wait {
            Some(wait) => Some(duration(wait.trim())?),
            None => None,
        };
        let count = |text: &str| text.trim().parse::<u32>().ok().filter(|count| *count > 0);
        let most = match most.split_once('/') {
            None => Most::InFlight(u64::from(count(most)?)),
            Some((most, unit)) => {
                let seconds = match unit.trim() {
                    "s" => 1.0,
                    "m" => 60.0,
                    _ => return None,
                };
                Most::PerSecond(f64::from(count(most)?) / seconds)
            }
        };
        Some(Self { most, wait })
    }
}

/// Compares requests with a limit.
#[derive(Debug)]
pub(super) struct Meter {
    limit: Limit,
    in_flight: Arc<AtomicU64>,
    /// What is in the bucket.
    left: f64,
    filled: Instant,
}

/// A request that was let in and is worked on until this is dropped.
#[derive(Debug)]
pub(super) struct Admitted(Arc<AtomicU64>);

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Meter {
    pub(super) fn new(limit: Limit, now: Instant) -> Self {
        Self { limit, in_flight: Arc::default(), left: limit.burst(), filled: now }
    }

    /// Whether one more fits.
    pub(super) fn has_room(&mut self, now: Instant) -> bool {
        match self.limit.most {
            Most::InFlight(most) => self.in_flight.load(Ordering::Relaxed) < most,
            Most::PerSecond(rate) => {
                let passed = now.saturating_duration_since(self.filled).as_secs_f64();
                self.left = (self.left + passed * rate).min(self.limit.burst());
                self.filled = now;
                self.left >= 1.0
            }
        }
    }

    /// Lets one in.
    pub(super) fn admit(&mut self) -> Admitted {
        self.left -= 1.0;
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Admitted(Arc::clone(&self.in_flight))
    }

    /// The answer to refused requests.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.limit.wait
    }
}

impl Limit {
    fn burst(self) -> f64 {
        match self.most {
            Most::InFlight(_) => 0.0,
            Most::PerSecond(rate) => (rate / 10.0).max(1.0),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_in_flight_than_the_limit_says() {
        let now = Instant::now();
        let mut meter = Meter::new(Limit::read("2").unwrap(), now);
        let (one, _two) = (meter.admit(), meter.admit());
        assert!(!meter.has_room(now));
        drop(one);
        assert!(meter.has_room(now));
        assert_eq!(meter.wait(), None);
    }

    #[test]
    fn no_more_come_in_a_second_than_the_limit_says() {
        let start = Instant::now();
        let mut meter = Meter::new(Limit::read("50/s:2s").unwrap(), start);
        let mut at_once = 0;
        while meter.has_room(start) {
            drop(meter.admit());
            at_once += 1;
        }
        assert_eq!((at_once, meter.wait()), (5, Some(Duration::from_secs(2))));
        let let_in = (1..=10_000).filter(|tenth_ms| {
            let now = start + Duration::from_micros(tenth_ms * 100);
            let has_room = meter.has_room(now);
            if has_room {
                drop(meter.admit());
            }
            has_room
        });
        assert!((49..=50).contains(&let_in.count()));
        let minute = Limit::read("300/m").unwrap();
        assert_eq!(minute.most, Limit::read("5/s").unwrap().most);
    }

    #[test]
    fn what_is_no_limit_is_not_read() {
        for text in ["", "0", "-1", "x", "5/h", "0/s", "1.5/s", "5:", "5:-1s", "5:soon", "5%"] {
            assert_eq!(Limit::read(text), None, "{text}");
        }
    }
}
