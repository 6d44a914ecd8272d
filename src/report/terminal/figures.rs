//! The progress of a phase of a run, as text: shared by the bar and the plain lines.
//!
//! Main types: [`Meter`], which measures, and [`Figures`], which formats. Neither draws, nor reads
//! the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::super::spoken;
use crate::event::Pause;
use crate::outcome::{Status, StatusKind, Tally};
use crate::plan;

/// The stretch over which the rate of requests is measured.
const RATE_WINDOW: Duration = Duration::from_secs(10);
/// The stretch over which the remaining time is estimated: longer, since rows end in bursts.
const LEFT_WINDOW: Duration = Duration::from_secs(60);
/// The least time between two samples.
const STEP: Duration = Duration::from_millis(500);
/// Below this the pace is not shown.
const LEAST: Duration = Duration::from_secs(1);

/// The phases of a run that have a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Reading what Houston has, workspace by workspace.
    Reading,
    /// Sending what must change.
    Sending(plan::Phase),
}

impl Phase {
    /// For people.
    fn words(self) -> &'static str {
        match self {
            Self::Reading => "reading workspaces",
            Self::Sending(plan::Phase::Members) => "members",
            Self::Sending(plan::Phase::Deployments) => "deployment roles",
            Self::Sending(plan::Phase::Removals) => "removals",
        }
    }

    /// For machines.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Sending(plan::Phase::Members) => "members",
            Self::Sending(plan::Phase::Deployments) => "deployments",
            Self::Sending(plan::Phase::Removals) => "removals",
        }
    }
}

/// Measures how fast requests are sent and work is done.
#[derive(Debug)]
pub(super) struct Meter {
    samples: VecDeque<Sample>,
    latest: Sample,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    requests: u64,
    done: u64,
}

impl Meter {
    /// Begins to measure.
    pub(super) fn new(at: Instant, requests: u64, done: u64) -> Self {
        let latest = Sample { at, requests, done };
        Self { samples: VecDeque::from([latest]), latest }
    }

    /// Takes note of how far things are.
    pub(super) fn note(&mut self, at: Instant, requests: u64, done: u64) {
        self.latest = Sample { at, requests, done };
        if self.samples.back().is_none_or(|last| at.saturating_duration_since(last.at) >= STEP) {
            self.samples.push_back(self.latest);
        }
        while self.samples.len() > 1 && self.age(&self.samples[0]) > LEFT_WINDOW {
            self.samples.pop_front();
        }
    }

    /// Recent requests per second; none before the first measurement.
    pub(super) fn rate(&self) -> Option<f64> {
        let since = self.samples.iter().find(|sample| self.age(sample) <= RATE_WINDOW)?;
        let age = self.age(since);
        (age >= LEAST).then(|| per_second(self.latest.requests.saturating_sub(since.requests), age))
    }

    /// How long `todo` more pieces of work take at the recent pace; none if unknown.
    pub(super) fn left(&self, todo: u64) -> Option<Duration> {
        let since = self.samples.front()?;
        let age = self.age(since);
        let done = self.latest.done.saturating_sub(since.done);
        if age < LEAST || done == 0 || todo == 0 {
            return None;
        }
        Duration::try_from_secs_f64(float(todo) / per_second(done, age)).ok()
    }

    fn age(&self, sample: &Sample) -> Duration {
        self.latest.at.saturating_duration_since(sample.at)
    }
}

fn per_second(count: u64, time: Duration) -> f64 {
    float(count) / time.as_secs_f64()
}

/// A count as a number to divide; counts of rows and requests are small enough for it.
fn float(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// How far a phase is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figures {
    pub(super) phase: Phase,
    /// Pieces of work done: workspaces read; operations settled or waiting for their read-back.
    pub(super) done: u64,
    /// Of how many.
    pub(super) total: u64,
    pub(super) tally: Tally,
    /// What earlier phases came to.
    pub(super) base: Tally,
    /// What earlier processes of the run had changed when the phase began.
    pub(super) earlier: Tally,
    /// How long Houston wants to be left alone.
    pub(super) pause: Option<Pause>,
    /// Since the phase began.
    pub(super) elapsed: Duration,
    /// Requests per second.
    pub(super) rate: Option<f64>,
    /// Estimated time to the end.
    pub(super) left: Option<Duration>,
}

impl Figures {
    /// How much is done, from 0 to 100.
    pub(super) fn percent(&self) -> u64 {
        self.done.min(self.total).saturating_mul(100).checked_div(self.total).unwrap_or(100)
    }

    /// Whether there is nothing to say about the phase.
    pub(super) fn is_empty(&self) -> bool {
        self.phase == Phase::Reading && self.total == 0
    }

    /// A line for a log: where things are and how fast they go.
    pub(super) fn heartbeat(&self) -> String {
        self.line(&[self.counts(), self.pace()])
    }

    /// The line for the end of a phase.
    pub(super) fn end(&self) -> String {
        self.line(&[self.counts(), vec![Part::new(Rank::First, format!("took {}", spoken(self.elapsed)))]])
    }

    /// The lines of a bar, none of them longer than `width`.
    pub(super) fn bar(&self, width: usize) -> [String; 2] {
        let Self { done, total, .. } = self;
        let gauge = if width >= WIDE { gauge(self.percent()) } else { String::new() };
        let head = format!("{}{gauge} {done}/{total}", self.phase.words());
        let elapsed = Part::new(Rank::Last, spoken(self.elapsed));
        let pace = std::iter::once(elapsed).chain(self.pace()).collect();
        [fitted(head, pace, width), fitted(String::new(), self.counts(), width)]
    }

    fn line(&self, parts: &[Vec<Part>]) -> String {
        let (words, Self { done, total, .. }) = (self.phase.words(), self);
        let head = match (self.phase, total) {
            (Phase::Sending(_), 0) => format!("{words}: nothing to send"),
            (Phase::Reading | Phase::Sending(_), _) => {
                format!("{words}: {done}/{total} ({} %)", self.percent())
            }
        };
        fitted(head, parts.concat(), usize::MAX)
    }

    /// What became of the items of the phase.
    fn counts(&self) -> Vec<Part> {
        let (tally, base) = (&self.tally, &self.base);
        let of = |status| tally.of(status).saturating_sub(base.of(status).max(self.earlier_of(status)));
        let shown = |status: &Status| match status.kind() {
            StatusKind::Changed | StatusKind::AsItWas | StatusKind::Unresolved => true,
            StatusKind::Failed | StatusKind::NotTried => false,
        };
        let statuses = Status::ALL.into_iter().filter(shown);
        let statuses = statuses.map(|status| (Rank::Middle, status.word().replace('_', " "), of(status)));
        let failed = tally.of_kind(StatusKind::Failed).saturating_sub(base.of_kind(StatusKind::Failed));
        let others = [
            (Rank::First, "failed".to_owned(), failed),
            (Rank::Middle, "verifying".to_owned(), tally.doubtful),
            (Rank::Last, "waiting for read-back".to_owned(), tally.unproven),
        ];
        let all = statuses.chain(others).filter(|(.., count)| *count > 0);
        let counts = all.map(|(rank, word, count)| Part::new(rank, format!("{word} {count}")));
        counts.chain(self.changed_earlier()).collect()
    }

    /// How many items had this status before the run was resumed.
    fn earlier_of(&self, status: Status) -> u64 {
        if status.kind() == StatusKind::Changed { self.earlier.of(status) } else { 0 }
    }

    /// How many changes of the phase were made before the run was resumed.
    fn changed_earlier(&self) -> Option<Part> {
        let own = |status| self.earlier_of(status).saturating_sub(self.base.of(status));
        let count: u64 = Status::ALL.into_iter().map(own).sum();
        (count > 0).then(|| Part::new(Rank::Last, format!("{count} done before")))
    }

    /// How fast it goes, and what holds it up.
    fn pace(&self) -> Vec<Part> {
        match self.pause {
            Some(Pause::Asked(left)) if !left.is_zero() => {
                let text = format!("waiting {} at Houston's request", countdown(left));
                return vec![Part::new(Rank::First, text)];
            }
            Some(Pause::Away(so_far)) => {
                let text = format!("Houston has been unavailable for {}, waiting", countdown(so_far));
                return vec![Part::new(Rank::First, text)];
            }
            Some(Pause::Asked(_)) | None => {}
        }
        let strain = &self.tally.strain;
        let window = format!("window {}/{}", strain.window_end, strain.concurrency);
        let parts = [
            (strain.window_end < strain.concurrency).then(|| Part::new(Rank::Middle, window)),
            (strain.recent_us > 0)
                .then(|| Part::new(Rank::Last, format!("{} ms each", strain.recent_us.div_ceil(1000)))),
            strain.budget_is_empty.then(|| Part::new(Rank::Middle, "retry budget exhausted".to_owned())),
            self.rate.map(|rate| Part::new(Rank::Middle, format!("{rate:.1} requests/s"))),
            self.left.map(|left| Part::new(Rank::First, format!("about {} left", countdown(left)))),
        ];
        parts.into_iter().flatten().collect()
    }
}

/// From this width on a bar has a gauge.
const WIDE: usize = 60;

/// A part of a line, which may be left out where there is no room.
#[derive(Debug, Clone)]
struct Part {
    rank: Rank,
    text: String,
}

/// Which parts of a line give way: the last ones first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    First,
    Middle,
    Last,
}

impl Part {
    fn new(rank: Rank, text: String) -> Self {
        Self { rank, text }
    }
}

/// The parts that fit behind a head, in their order. All of it is ASCII.
fn fitted(head: String, parts: Vec<Part>, width: usize) -> String {
    const COMMA: usize = ", ".len();
    let mut used = head.len();
    let mut fits = vec![false; parts.len()];
    for rank in [Rank::First, Rank::Middle, Rank::Last] {
        for (part, fits) in parts.iter().zip(&mut fits).filter(|(part, _)| part.rank == rank) {
            let comma = if used == 0 { 0 } else { COMMA };
            *fits = used.saturating_add(comma + part.text.len()) <= width;
            used += if *fits { comma + part.text.len() } else { 0 };
        }
    }
    let kept = parts.into_iter().zip(fits).filter_map(|(part, fits)| fits.then_some(part.text));
    let head = Some(head).filter(|head| !head.is_empty());
    let mut line = head.into_iter().chain(kept).collect::<Vec<_>>().join(", ");
    line.truncate(width);
    line
}

/// A time still to come, in whole seconds.
fn countdown(time: Duration) -> String {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    if seconds < 60 { format!("{seconds}s") } else { spoken(Duration::from_secs(seconds)) }
}

fn gauge(percent: u64) -> String {
    const WIDTH: usize = 20;
    let full = usize::try_from(percent).unwrap_or(100).min(100) * WIDTH / 100;
    let head = if full < WIDTH { ">" } else { "" };
    format!(" [{}{head}{}]", "=".repeat(full), " ".repeat(WIDTH - full - head.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Strain;

    fn figures() -> Figures {
        let mut tally = Tally::default();
        (0..1100).for_each(|_| tally.count(Status::Added));
        (0..90).for_each(|_| tally.count(Status::Invited));
        (0..10).for_each(|_| tally.count(Status::Rejected));
        Figures {
            phase: Phase::Sending(plan::Phase::Members),
            done: 1200,
            total: 5000,
            tally,
            base: Tally::default(),
            earlier: Tally::default(),
            pause: None,
            elapsed: Duration::from_secs(62),
            rate: Some(19.84),
            left: Some(Duration::from_secs(192)),
        }
    }

    #[test]
    fn a_heartbeat_says_where_things_are() {
        insta::assert_snapshot!(
            figures().heartbeat(),
            @"members: 1200/5000 (24 %), added 1100, invited 90, failed 10, 19.8 requests/s, about 3m 12s left"
        );
    }

    #[test]
    fn a_window_is_shown_while_it_is_smaller_than_asked_for_and_an_empty_budget() {
        let mut strained = figures();
        strained.tally.strain = Strain {
            concurrency: 16,
            window_end: 12,
            window_min: 9,
            recent_us: 20_300,
            congestion_events: 2,
            ..Strain::default()
        };
        insta::assert_snapshot!(
            strained.bar(200)[0],
            @"members [====>               ] 1200/5000, 1m 02s, window 12/16, 21 ms each, 19.8 requests/s, about 3m 12s left"
        );
        strained.tally.strain.window_end = 16;
        strained.tally.strain.budget_is_empty = true;
        insta::assert_snapshot!(
            strained.heartbeat(),
            @"members: 1200/5000 (24 %), added 1100, invited 90, failed 10, 21 ms each, retry budget exhausted, 19.8 requests/s, about 3m 12s left"
        );
    }

    #[test]
    fn a_wait_that_houston_asks_for_is_counted_down() {
        let mut held = figures();
        held.pause = Some(Pause::Asked(Duration::from_millis(41_200)));
        insta::assert_snapshot!(
            held.heartbeat(),
            @"members: 1200/5000 (24 %), added 1100, invited 90, failed 10, waiting 42s at Houston's request"
        );
        held.pause = Some(Pause::Asked(Duration::from_millis(100)));
        assert!(held.bar(200)[0].ends_with("waiting 1s at Houston's request"), "{:?}", held.bar(200));
    }

    #[test]
    fn a_bar_has_two_lines_that_fit() {
        let mut figures = figures();
        figures.tally.count(Status::InDoubt);
        figures.tally.count(Status::AlreadyInvited);
        figures.tally.count(Status::NotRun);
        figures.tally.doubtful = 2;
        figures.tally.unproven = 40;
        insta::assert_snapshot!(
            [40, 80, 200].map(|width| figures.bar(width).join("\n")).join("\n"),
            @r"
        members 1200/5000, about 3m 12s left
        added 1100, invited 90, failed 10
        members [====>               ] 1200/5000, 19.8 requests/s, about 3m 12s left
        added 1100, invited 90, already invited 1, in doubt 1, failed 10, verifying 2
        members [====>               ] 1200/5000, 1m 02s, 19.8 requests/s, about 3m 12s left
        added 1100, invited 90, already invited 1, in doubt 1, failed 10, verifying 2, waiting for read-back 40
        "
        );
        for width in 1..120 {
            assert!(figures.bar(width).iter().all(|line| line.len() <= width), "{:?}", figures.bar(width));
        }
    }

    #[test]
    fn a_later_phase_counts_its_own_items() {
        let figures =
            Figures { base: figures().tally, phase: Phase::Sending(plan::Phase::Removals), ..figures() };
        let mut later = figures;
        later.tally.count(Status::Removed);
        insta::assert_snapshot!(later.end(), @"removals: 1200/5000 (24 %), removed 1, took 1m 02s");
    }

    #[test]
    fn a_resumed_run_counts_what_it_does_itself() {
        let mut earlier = Tally::default();
        (0..43).for_each(|_| earlier.count(Status::Added));
        earlier.count(Status::Unchanged);
        let mut tally = earlier;
        (0..155).for_each(|_| tally.count(Status::Added));
        let figures = Figures { done: 155, total: 155, tally, earlier, ..figures() };
        insta::assert_snapshot!(figures.end(), @"members: 155/155 (100 %), added 155, unchanged 1, 43 done before, took 1m 02s");
    }

    #[test]
    fn nothing_to_send_is_said_so() {
        let mut tally = Tally::default();
        tally.count(Status::Unchanged);
        let figures = Figures { done: 0, total: 0, tally, elapsed: Duration::ZERO, ..figures() };
        insta::assert_snapshot!(figures.end(), @"members: nothing to send, unchanged 1, took 0.0s");
        assert_eq!(figures.percent(), 100);
    }

    #[test]
    fn pace_is_measured_over_the_last_seconds() {
        let start = Instant::now();
        let mut meter = Meter::new(start, 0, 0);
        assert_eq!(meter.rate(), None);
        for tenths in 1..=300_u64 {
            // Ten requests a second and five rows; a row is two requests.
            meter.note(start + Duration::from_millis(tenths * 100), tenths, tenths / 2);
        }
        let rate = meter.rate().expect("measured");
        assert!((rate - 10.0).abs() < 0.1, "{rate}");
        let left = meter.left(100).expect("estimated").as_secs_f64();
        assert!((left - 20.0).abs() < 0.5, "{left}");
        assert_eq!(meter.left(0), None);
        let later = start + Duration::from_secs(45);
        meter.note(later, 300, 150);
        meter.note(later + RATE_WINDOW, 300, 150);
        assert!(meter.rate().expect("measured") < 0.1, "a standstill is seen within the window");
        meter.note(later + LEFT_WINDOW * 2, 300, 150);
        meter.note(later + LEFT_WINDOW * 2 + RATE_WINDOW, 300, 150);
        assert_eq!(meter.left(100), None, "how long a standstill lasts is unknown");
    }
}
