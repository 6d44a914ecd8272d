//! The charts of a run: what it did over time, and how long Houston took.
//!
//! Main functions: [`timeline`] and [`latency`]. What they show also stands below them in words.

use std::fmt::Write as _;
use std::time::Duration;

use super::page::{Chart, Count, Part};
use super::shape::{Svg, ratio};
use crate::record::journal::{Moment, Timeline};
use crate::report::spoken;

/// A chart without its margins.
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 140.0;
/// The margins: for the numbers on the left, for marks above, for times below.
const LEFT: f64 = 44.0;
const TOP: f64 = 26.0;
const BELOW: f64 = 24.0;
const RIGHT: f64 = 16.0;
/// Moments of a timeline, at most.
const MOMENTS: usize = 60;
/// The width of a word above a line.
const WORD: f64 = 40.0;
/// Times on an axis, at most.
const TICKS: u64 = 8;

/// A drawing in the making.
struct Canvas(String);

impl Canvas {
    fn new() -> Self {
        Self(String::new())
    }

    fn put(&mut self, shape: std::fmt::Arguments<'_>) {
        self.0.write_fmt(shape).expect("a string takes every text");
    }

    /// A line across, with its number.
    fn level(&mut self, share: f64, label: &str) {
        let y = TOP + HEIGHT * (1.0 - share);
        let (end, text) = (LEFT + WIDTH, LEFT - 6.0);
        self.put(format_args!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{end}\"/>"));
        self.put(format_args!("<text class=\"y\" x=\"{text}\" y=\"{:.1}\">{label}</text>", y + 4.0));
    }

    /// A word below the axis.
    fn tick(&mut self, x: f64, label: &str) {
        let y = TOP + HEIGHT;
        self.put(format_args!("<path class=\"grid\" d=\"M{x:.1} {y}v4\"/>"));
        self.put(format_args!("<text class=\"x\" x=\"{x:.1}\" y=\"{}\">{label}</text>", y + 18.0));
    }

    fn bar(&mut self, class: &str, x: f64, width: f64, share: f64) {
        let height = HEIGHT * share;
        let y = TOP + HEIGHT - height;
        self.put(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        ));
    }

    /// A line from top to bottom, with a word above it.
    fn post(&mut self, class: &str, x: f64, label: &str) {
        let bottom = TOP + HEIGHT;
        self.put(format_args!("<path class=\"post {class}\" d=\"M{x:.1} {}V{bottom}\"/>", TOP - 8.0));
        self.put(format_args!(
            "<text class=\"post {class}\" x=\"{x:.1}\" y=\"{}\">{label}</text>",
            TOP - 12.0
        ));
    }

    fn done(self, label: &str) -> Svg {
        Svg::new("chart", (LEFT + WIDTH + RIGHT, TOP + HEIGHT + BELOW), label, &self.0)
    }
}

/// What a run did over time; none if it sent nothing.
pub(super) fn timeline(timeline: &Timeline) -> Option<Chart> {
    let (moment_ms, moments) = timeline.moments(MOMENTS);
    let writes: u64 = moments.iter().map(|moment| moment.writes).sum();
    if writes == 0 {
        return None;
    }
    let bad: u64 = moments.iter().map(|moment| moment.bad).sum();
    let per_second = |moment: &Moment| ratio(moment.writes * 1000, moment_ms);
    let most = moments.iter().map(per_second).fold(0.0, f64::max);
    let top = round_up(most);
    let whole_ms = moment_ms.saturating_mul(moments.len() as u64);
    let width = WIDTH * ratio(1, moments.len() as u64);
    let mut canvas = Canvas::new();
    for share in [0.5, 1.0] {
        canvas.level(share, &plain(top * share));
    }
    canvas.level(0.0, "0");
    let mut x = LEFT;
    for moment in &moments {
        canvas.bar("writes", x, (width - 1.5).max(1.0), per_second(moment) / top);
        if moment.bad > 0 {
            let middle = x + width / 2.0;
            canvas.put(format_args!("<path class=\"bad\" d=\"M{middle:.1} {}l5 8h-10z\"/>", TOP - 12.0));
        }
        x += width;
    }
    for tick in ticks(whole_ms) {
        canvas.tick(LEFT + WIDTH * ratio(tick, whole_ms), &said(tick));
    }
    for &at_ms in timeline.resumed_at_ms() {
        canvas.post("leg", LEFT + WIDTH * ratio(at_ms.min(whole_ms), whole_ms), "resumed");
    }
    let figures = vec![
        Part { name: "writes", words: Count(writes).to_string() },
        Part { name: "at most", words: format!("{}/s", plain(most)) },
        Part { name: "▲ bad ends", words: Count(bad).to_string() },
        Part { name: "one bar", words: said(moment_ms) },
    ];
    let label = format!(
        "Writes per second over {}: {writes} in all, at most {} per second; {bad} ended badly.",
        said(whole_ms),
        plain(most)
    );
    Some(Chart {
        id: "time",
        title: "Over time",
        svg: canvas.done(&label),
        figures,
        list_title: "",
        list: Vec::new(),
    })
}

/// How long rows took, from their first request to their end, in milliseconds; `slowest` names some. None if
/// no row was sent.
pub(super) fn latency(mut elapsed: Vec<u32>, slowest: Vec<String>) -> Option<Chart> {
    elapsed.sort_unstable();
    let (&quickest, &longest) = (elapsed.first()?, elapsed.last()?);
    let at = |percent: usize| u64::from(elapsed[(elapsed.len() * percent).div_ceil(100).saturating_sub(1)]);
    let quantiles = [("p50", at(50)), ("p95", at(95)), ("p99", at(99)), ("max", u64::from(longest))];
    let first = step_of(quickest);
    let steps = (step_of(longest) - first + 1).max(12);
    let mut counts = vec![0_u64; steps as usize];
    for &one in &elapsed {
        counts[(step_of(one) - first) as usize] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(1);
    let width = WIDTH / f64::from(steps);
    let left_of = |step: f64| LEFT + width * (step - f64::from(first));
    let mut canvas = Canvas::new();
    for share in [0.5, 1.0] {
        canvas.level(share, &plain(ratio(most, 1) * share));
    }
    canvas.level(0.0, "0");
    for (&count, step) in counts.iter().zip(first..) {
        canvas.bar("rows", left_of(f64::from(step)), width - 1.5, ratio(count, most));
    }
    let place = |ms: u64| left_of(f64::from(STEPS) * ratio(ms.max(1), 1).log10());
    let rounds = (0..=10).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power)));
    let ends = (LEFT - 1.0)..=(LEFT + WIDTH + 1.0);
    for ms in rounds.filter(|&ms| ends.contains(&place(ms))) {
        canvas.tick(place(ms), &said(ms));
    }
    let mut free = f64::MAX;
    for (name, ms) in quantiles.into_iter().rev() {
        let x = place(ms);
        // Words that would lie upon each other are left to the figures.
        let has_room = x + WORD < free;
        canvas.post(name, x, if has_room { name } else { "" });
        free = if has_room { x } else { free };
    }
    let figures = quantiles.map(|(name, ms)| Part { name, words: said(ms) });
    let words: Vec<_> = figures.iter().map(|figure| format!("{} {}", figure.name, figure.words)).collect();
    let label = format!("How long {} rows took: {}.", elapsed.len(), words.join(", "));
    let (list_title, list) = ("The slowest rows", slowest);
    Some(Chart {
        id: "latency",
        title: "How long rows took",
        svg: canvas.done(&label),
        figures: figures.into(),
        list_title,
        list,
    })
}

/// Steps of the histogram for each factor of ten.
const STEPS: u32 = 10;

/// The step of the histogram that a time is in.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 97")]
fn step_of(ms: u32) -> u32 {
    (f64::from(ms.max(1)).log10() * f64::from(STEPS)).floor() as u32
}

/// A number with as many digits as a reader needs.
fn plain(number: f64) -> String {
    if number < 10.0 && number.fract() > 0.05 { format!("{number:.1}") } else { format!("{number:.0}") }
}

/// The next number that reads well.
fn round_up(number: f64) -> f64 {
    let unit = 10_f64.powf(number.max(0.1).log10().floor());
    let steps = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * unit).find(|top| *top >= number).unwrap_or(number)
}

/// Times that read well, from 0 to the end.
fn ticks(whole_ms: u64) -> impl Iterator<Item = u64> {
    const STEPS_MS: [u64; 22] = [
        1, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000,
        300_000, 600_000, 1_800_000, 3_600_000, 10_800_000, 43_200_000,
    ];
    let step = STEPS_MS.into_iter().find(|step| whole_ms / step <= TICKS).unwrap_or(whole_ms / TICKS);
    (0..=whole_ms / step.max(1)).map(move |tick| tick * step)
}

/// A time in words.
fn said(ms: u64) -> String {
    match ms {
        0 => "0".to_owned(),
        1..1_000 => format!("{ms} ms"),
        1_000..60_000 if ms.is_multiple_of(1_000) => format!("{}s", ms / 1_000),
        _ => spoken(Duration::from_millis(ms)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_rows() {
        let chart = latency((1..=100).rev().collect(), Vec::new()).expect("rows");
        let figures: Vec<_> = chart.figures.iter().map(|figure| figure.words.as_str()).collect();
        assert_eq!(figures, ["50 ms", "95 ms", "99 ms", "100 ms"]);
        assert_eq!(latency(Vec::new(), Vec::new()), None);
        for odd in [vec![0], vec![u32::MAX, 0], vec![7; 3]] {
            assert!(latency(odd, Vec::new()).is_some());
        }
    }

    #[test]
    fn axes_read_well() {
        for (number, top) in [(0.0, 0.1), (0.7, 0.8), (7.5, 8.0), (11.0, 20.0), (99.0, 100.0), (101.0, 200.0)]
        {
            assert!((round_up(number) - top).abs() < 1e-9, "{number}");
        }
        for whole in [1, 20, 4_800, 61_000, 86_400_000, u64::MAX] {
            assert!(ticks(whole).count() <= 10, "{whole}");
        }
    }
}
