//! What answers are compared with, and how: the usual latency of a kind of request, and a sample of
//! latencies as multiples of it.
//!
//! Main types: [`Usual`] and [`Sample`]. Pure.

use std::time::Duration;

/// A single answer counts as no slower than this many times the usual one.
const CLIP: f64 = 4.0;
/// What is added to every latency, in seconds: people do not notice differences far below it.
const UNNOTICED: f64 = 0.002;
/// The fewest and the most answers that a comparison takes.
pub(super) const FEW: f64 = 6.0;
const MANY: f64 = 128.0;
/// The least spread that answers are credited with, as a share of their latency.
const SPREAD: f64 = 0.05;
/// Usual latencies are averages over about this many answers.
pub(super) const MEMORY: f64 = 64.0;

/// The usual latency of a kind of request, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usual {
    pub(super) kind: &'static str,
    seconds: f64,
    answers: f64,
}

impl Usual {
    /// As the first answer shows it.
    pub(super) fn first(kind: &'static str, seconds: f64) -> Self {
        Self { kind, seconds, answers: 1.0 }
    }

    /// Whether it is known well enough to compare with.
    pub(super) fn is_known(&self) -> bool {
        self.answers >= FEW
    }

    /// How many times the usual one this latency is.
    pub(super) fn times(&self, seconds: f64) -> f64 {
        (seconds.min(self.seconds * CLIP) + UNNOTICED) / (self.seconds + UNNOTICED)
    }

    pub(super) fn learn(&mut self, seconds: f64) {
        let seconds = if self.is_known() { seconds.min(self.seconds * CLIP) } else { seconds };
        self.answers = (self.answers + 1.0).min(MEMORY);
        self.seconds += (seconds - self.seconds) / self.answers;
    }

    /// From now on, so many times the latency is usual.
    pub(super) fn scale(&mut self, times: f64) {
        self.seconds = ((self.seconds + UNNOTICED) * times - UNNOTICED).max(0.0);
    }
}

/// Latencies as multiples of the usual ones.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Sample {
    pub(super) answers: f64,
    sum: f64,
    squares: f64,
    /// How doubtful the usual latencies are: the sum of one by the answers that they come from.
    unknown: f64,
    /// When the first of them came, and the last.
    since: Duration,
    until: Duration,
}

impl Sample {
    pub(super) fn add(&mut self, times: f64, usual: &Usual, at: Duration) {
        if self.answers <= 0.0 {
            self.since = at;
        }
        self.until = at;
        self.answers += 1.0;
        self.sum += times;
        self.squares += times * times;
        self.unknown += 1.0 / usual.answers;
    }

    pub(super) fn mean(&self) -> f64 {
        self.sum / self.answers
    }

    /// Whether the mean is above or below a bound; none while that is not clear.
    pub(super) fn compare(&self, bound: f64, (clear, time): (f64, Duration)) -> Option<Above> {
        if self.answers < FEW || self.until.saturating_sub(self.since) < time {
            return None;
        }
        let mean = self.mean();
        let variance = (self.squares / self.answers - mean * mean).max(SPREAD * SPREAD);
        let doubt = clear * (variance * (1.0 + self.unknown) / self.answers).sqrt();
        match mean - bound {
            difference if difference.abs() < doubt && self.answers < MANY => None,
            difference if difference > 0.0 => Some(Above::Yes),
            _ => Some(Above::No),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Above {
    Yes,
    No,
}
