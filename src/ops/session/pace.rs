//! How fast and how patiently a Houston is asked, and when to stop.
//!
//! Main type: [`PaceSettings`].

use std::num::NonZeroU32;
use std::time::Duration;

use crate::engine::MaxErrors;
use crate::houston::{Rate, RetryPolicy, Speed};
use crate::model::Shard;
use crate::record::journal::RunPace;

/// How fast, how patiently, and when to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaceSettings {
    /// Requests in flight at once.
    pub concurrency: usize,
    /// How fast the whole process may go.
    pub speed: Speed,
    /// Repeats of one request.
    pub retries: u32,
    /// How long one request may take.
    pub timeout: Duration,
    /// How long a doubtful write is waited for.
    pub settle: Duration,
    /// The longest wait that is obeyed.
    pub max_wait: Duration,
    /// When too much went wrong.
    pub max_errors: MaxErrors,
    /// When no more rows are taken.
    pub max_duration: Option<Duration>,
    /// How long a signal waits.
    pub grace: Duration,
}

impl PaceSettings {
    /// The share of a shard: all shards together keep to this pace.
    #[must_use]
    pub fn in_shard(self, shard: Shard) -> Self {
        let concurrency = share_of_concurrency(self.concurrency, shard);
        Self { concurrency, speed: share_of_speed(self.speed, shard), ..self }
    }

    /// What later legs of a run keep.
    pub fn remembered(&self) -> RunPace {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        RunPace {
            concurrency: self.concurrency,
            period_us: self
                .speed
                .rate()
                .map(|rate| u64::try_from(rate.period().as_micros()).unwrap_or(u64::MAX)),
            auto: self.speed == Speed::Auto,
            retries: self.retries,
            timeout_ms: ms(self.timeout),
            settle_ms: ms(self.settle),
        }
    }

    /// How to set up the retrying transport.
    pub fn retry(&self) -> RetryPolicy {
        RetryPolicy { retries: self.retries, max_wait: self.max_wait }
    }
}

/// The requests in flight of one shard: at least one.
pub fn share_of_concurrency(concurrency: usize, shard: Shard) -> usize {
    (concurrency / shard.of() as usize).max(1)
}

/// The speed of one shard: at least one request per unit; what follows Houston's latency needs no share.
pub fn share_of_speed(speed: Speed, shard: Shard) -> Speed {
    let divided = |rate: Rate| NonZeroU32::new(shard.of()).map_or(rate, |shards| rate.shared_by(shards));
    match speed {
        Speed::Limited(rate) => Speed::Limited(divided(rate)),
        Speed::Auto | Speed::Unlimited => speed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_the_pace_and_each_may_send_something() {
        let one_of = |of| Shard::new(1, of).expect("one of them");
        let speed = |text: &str| text.parse::<Speed>().expect("a speed");
        for (rate, of, share) in [
            ("20/s", 1, "20/s"),
            ("20/s", 8, "2/s"),
            ("20/s", 64, "1/s"),
            ("300/m", 7, "42/m"),
            ("5/h", 9, "1/h"),
            ("auto", 9, "auto"),
            ("none", 9, "none"),
        ] {
            assert_eq!(share_of_speed(speed(rate), one_of(of)), speed(share), "{rate} by {of}");
        }
        for (concurrency, of, share) in [(8, 1, 8), (8, 3, 2), (8, 8, 1), (8, 64, 1)] {
            assert_eq!(share_of_concurrency(concurrency, one_of(of)), share, "{concurrency} by {of}");
        }
    }
}
