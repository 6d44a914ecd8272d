//! How fast and how patiently a Houston is asked, and when to stop.
//!
//! Main type: [`PaceSettings`].

use std::time::Duration;

use crate::engine::MaxErrors;
use crate::houston::{RetryPolicy, Speed};
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
