//! How many requests may be in flight, by how quickly they are answered.
//!
//! Main type: [`ByLatency`]. Pure: it is given answers and the time, and knows neither clocks nor
//! threads.
//!
//! Where Houston works on as many requests as it can, one more in flight only makes all of them
//! wait: latency grows in proportion, for everybody who uses it. Where it does not, latency stays as
//! it is. So the window is found by trials. Now and then it becomes a sixth larger, or smaller, and
//! the answers are compared with the usual latency of the same kind of request: a larger window
//! stays if latency rose by less than half of what a saturated server would show, a smaller one if
//! latency fell by more than that. If latency suddenly rises between trials, the window shrinks in
//! proportion at once. If that brings no relief, the cause lies elsewhere: the higher latency becomes
//! the usual one, and after a while the window grows again.
//!
//! A comparison ends as soon as it is clear against the spread of the answers, so that a steady
//! server is understood from a few of them and an erratic one from many.

use std::time::Duration;

use super::sample::{Above, FEW, MEMORY, Sample, Usual};

/// The requests in flight at the start of a run.
const START: u32 = 4;
/// A trial changes the window by this share, at least by one.
const STEP: u32 = 6;
/// A latency of this many times the usual one makes the window shrink.
const RISE: f64 = 1.3;
/// How many standard errors make a difference clear: between trials, when it is looked for all the
/// time, and in a trial.
const ALARMING: f64 = 3.0;
const CLEAR: f64 = 2.0;
/// The answers that are compared come over at least this time: what is quick by chance is soon over.
const ALARM_TIME: Duration = Duration::from_millis(200);
const TRIAL_TIME: Duration = Duration::from_millis(50);
/// A trial that so many answers say nothing about is given up.
const USELESS: u32 = 32;
/// A look at whether latency is as usual takes at most this many answers.
const LOOK: f64 = 32.0;
/// Requests leave at least this share of an even gap apart.
const APART: f64 = 0.75;
const LONGEST_GAP: Duration = Duration::from_secs(1);
/// The rest after a trial that changed nothing: the first time, and at most.
const REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(4);
/// The rest after latency rose for a reason that lies elsewhere.
const CAUTION: Duration = Duration::from_secs(5);

/// The window that latency allows.
#[derive(Debug, Clone, PartialEq)]
pub struct ByLatency {
    slots: u32,
    most: u32,
    /// The smallest size since the start was over.
    fewest: u32,
    stage: Stage,
    direction: Direction,
    /// How many steps larger the window gets in a trial: twice as many after each success.
    stride: u32,
    /// Whether nothing has failed yet.
    is_starting: bool,
    /// When the next trial may begin, and how long the rest before it is.
    next: Duration,
    rest: Duration,
    /// How many sizes there have been: a request has to remember that of the moment when it left.
    sizes: u64,
    /// Answers at this size that came too early to show its effect.
    unsettled: u32,
    /// Answers at this size that say nothing about it.
    useless: u32,
    sample: Sample,
    /// Answers that are as usual, if nothing else turns out.
    looked_at: Vec<(&'static str, f64)>,
    kinds: Vec<Usual>,
    /// The mean latency of all kinds, in seconds.
    latency: f64,
}

/// What the answers are compared for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    /// Whether latency is as usual.
    Settled,
    /// Whether this size is better than the one before.
    Trial { from: u32 },
    /// Whether this size brought relief; before, latency was so many times the usual one.
    Relief { from: u32, before: f64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

/// An answer, as far as the window is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Sighting {
    /// The name of the operation: latencies of one kind are comparable.
    pub kind: &'static str,
    /// How long the answer took.
    pub latency: Duration,
    /// [`ByLatency::sizes`] when the request left.
    pub sizes: u64,
    /// Requests in flight when the answer came, itself included.
    pub in_flight: u32,
    /// The time since the start of the run.
    pub at: Duration,
}

impl ByLatency {
    /// A window of at most this many requests, at least one.
    pub fn new(most: u32) -> Self {
        let most = most.max(1);
        let slots = START.min(most);
        Self {
            slots,
            most,
            fewest: most,
            stage: Stage::Settled,
            direction: Direction::Up,
            stride: STEP,
            is_starting: true,
            next: Duration::ZERO,
            rest: REST,
            sizes: 0,
            unsettled: 0,
            useless: 0,
            sample: Sample::default(),
            looked_at: Vec::new(),
            kinds: Vec::new(),
            latency: 0.0,
        }
    }

    /// How many requests may be in flight.
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// The fewest that were allowed, the start aside.
    pub fn fewest(&self) -> u32 {
        self.fewest
    }

    /// How many sizes there have been.
    pub fn sizes(&self) -> u64 {
        self.sizes
    }

    /// Whether more in flight would only make Houston slower.
    pub fn is_limiting(&self) -> bool {
        let settled = match self.stage {
            Stage::Settled => self.slots,
            Stage::Trial { from } | Stage::Relief { from, .. } => from.min(self.slots),
        };
        !self.is_starting && settled < self.most
    }

    /// The least time from one request to the next: requests that leave one by one delay other
    /// clients less than those that leave together.
    pub fn gap(&self) -> Duration {
        if !self.is_limiting() {
            return Duration::ZERO;
        }
        Duration::from_secs_f64(self.latency * APART / f64::from(self.slots)).min(LONGEST_GAP)
    }

    /// Learns from an answer.
    pub fn answered(&mut self, seen: Sighting) {
        self.latency += (seen.latency.as_secs_f64() - self.latency) / MEMORY;
        if seen.sizes != self.sizes {
            return;
        }
        if self.unsettled > 0 {
            self.unsettled -= 1;
            return;
        }
        let is_full = seen.in_flight >= self.slots - self.slots / 4;
        match self.stage {
            Stage::Settled => self.watch(seen, is_full),
            Stage::Trial { from } => self.judge_trial(seen, is_full, from),
            Stage::Relief { from, before } => self.judge_relief(seen, from, before),
        }
    }

    /// Between trials: learns what is usual, shrinks if latency rises, begins the next trial.
    fn watch(&mut self, seen: Sighting, is_full: bool) {
        let seconds = seen.latency.as_secs_f64();
        if self.count(seen) {
            self.looked_at.push((seen.kind, seconds));
        } else {
            self.learn(seen.kind, seconds);
        }
        match self.sample.compare(RISE, (ALARMING, ALARM_TIME)) {
            Some(Above::Yes) => self.give_way(),
            Some(Above::No) if self.sample.answers >= LOOK => self.all_as_usual(),
            Some(Above::No) | None => {
                if is_full && seen.at >= self.next && self.sample.answers >= FEW {
                    self.all_as_usual();
                    self.begin_trial();
                }
            }
        }
    }

    /// Learns from the answers that were looked at, and looks again.
    fn all_as_usual(&mut self) {
        for (kind, seconds) in std::mem::take(&mut self.looked_at) {
            self.learn(kind, seconds);
        }
        self.sample = Sample::default();
    }

    fn learn(&mut self, kind: &'static str, seconds: f64) {
        match self.kinds.iter_mut().find(|usual| usual.kind == kind) {
            Some(usual) => usual.learn(seconds),
            None => self.kinds.push(Usual::first(kind, seconds)),
        }
    }

    fn give_way(&mut self) {
        let before = self.sample.mean();
        self.looked_at.clear();
        self.is_starting = false;
        self.rest = REST;
        self.stride = 1;
        if self.slots == 1 {
            self.accept(before);
            return;
        }
        let from = self.slots;
        self.resize(whole(f64::from(from) / before).min(from - 1));
        self.stage = Stage::Relief { from, before };
    }

    fn judge_relief(&mut self, seen: Sighting, from: u32, before: f64) {
        self.count(seen);
        let expected = before * f64::from(self.slots) / f64::from(from);
        match self.sample.compare(f64::midpoint(before, expected), (CLEAR, TRIAL_TIME)) {
            None => return,
            Some(Above::No) => self.next = seen.at + self.rest,
            Some(Above::Yes) => {
                self.accept(self.sample.mean());
                self.next = seen.at + CAUTION;
            }
        }
        self.direction = Direction::Up;
        self.settle();
    }

    fn begin_trial(&mut self) {
        let from = self.slots;
        let direction = match self.direction {
            Direction::Up if from == self.most => Direction::Down,
            Direction::Down if from == 1 => Direction::Up,
            Direction::Up | Direction::Down => self.direction,
        };
        let size = match direction {
            Direction::Up => from + (from * self.stride).div_ceil(STEP),
            Direction::Down => from.saturating_sub(from.div_ceil(STEP)),
        };
        self.direction = direction;
        self.is_starting &= from < self.most;
        let size = size.clamp(1, self.most);
        if size == from {
            return;
        }
        self.resize(size);
        self.stage = Stage::Trial { from };
    }

    fn judge_trial(&mut self, seen: Sighting, is_full: bool, from: u32) {
        if !is_full || !self.count(seen) {
            self.useless += 1;
            if self.useless >= USELESS {
                self.resize(from);
                self.settle();
                self.next = seen.at + self.rest;
            }
            return;
        }
        let in_proportion = f64::from(self.slots) / f64::from(from);
        let is_better = match (
            self.sample.compare(f64::midpoint(1.0, in_proportion), (CLEAR, TRIAL_TIME)),
            self.direction,
        ) {
            (None, _) => return,
            // It costs less time than it is larger; or it gains more than it is smaller.
            (Some(Above::No), _) => true,
            (Some(Above::Yes), _) => false,
        };
        if is_better {
            self.accept(self.sample.mean());
            self.rest = REST;
            self.stride = (self.stride * 2).min(STEP);
        } else {
            self.resize(from);
            self.is_starting = false;
            self.stride = 1;
            self.next = seen.at + self.rest;
            self.rest = (self.rest * 2).min(LONGEST_REST);
            self.direction = match self.direction {
                Direction::Up => Direction::Down,
                Direction::Down => Direction::Up,
            };
        }
        self.settle();
    }

    /// Adds an answer to the comparison; whether its kind has a usual latency.
    fn count(&mut self, seen: Sighting) -> bool {
        let usual = self.kinds.iter().find(|usual| usual.kind == seen.kind && usual.is_known());
        if let Some(usual) = usual {
            let times = usual.times(seen.latency.as_secs_f64());
            self.sample.add(times, usual, seen.at);
        }
        usual.is_some()
    }

    /// So many times the usual latency is usual from now on.
    fn accept(&mut self, times: f64) {
        self.kinds.iter_mut().for_each(|usual| usual.scale(times));
        self.sample = Sample::default();
    }

    fn settle(&mut self) {
        self.stage = Stage::Settled;
        self.useless = 0;
        self.sample = Sample::default();
        if !self.is_starting {
            self.fewest = self.fewest.min(self.slots);
        }
    }

    fn resize(&mut self, slots: u32) {
        self.slots = slots;
        self.sizes += 1;
        self.unsettled = slots;
        self.useless = 0;
        self.sample = Sample::default();
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 1, and small")]
fn whole(size: f64) -> u32 {
    size.max(1.0) as u32
}

#[cfg(test)]
mod tests;
