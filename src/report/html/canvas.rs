//! What the charts of a run are drawn on, and the words of their axes.
//!
//! Main type: [`Canvas`].

use std::fmt::Write as _;
use std::time::Duration;

use super::shape::Svg;
use crate::report::spoken;

/// A chart without its margins.
pub(super) const WIDTH: f64 = 872.0;
const HEIGHT: f64 = 140.0;
/// The margins: for numbers on both sides, for marks above, for times below.
pub(super) const LEFT: f64 = 66.0;
const TOP: f64 = 26.0;
const BELOW: f64 = 24.0;
const RIGHT: f64 = 40.0;
/// The height of a lane below the axis.
const LANE: f64 = 15.0;
/// Times on an axis, at most.
const TICKS: u64 = 8;

/// A drawing in the making, with so many lanes below its axis.
pub(super) struct Canvas {
    shapes: String,
    lanes: usize,
}

impl Canvas {
    pub(super) fn new(lanes: usize) -> Self {
        Self { shapes: String::new(), lanes }
    }

    fn put(&mut self, shape: std::fmt::Arguments<'_>) {
        self.shapes.write_fmt(shape).expect("a string takes every text");
    }

    /// Where the lanes begin, of which each is [`LANE`] high.
    fn top_of_lane(lane: usize) -> f64 {
        let lane = u32::try_from(lane).unwrap_or(u32::MAX);
        TOP + HEIGHT + 6.0 + LANE * f64::from(lane)
    }

    /// Where the times begin.
    fn bottom(&self) -> f64 {
        if self.lanes == 0 { TOP + HEIGHT } else { Self::top_of_lane(self.lanes) + 1.0 }
    }

    /// Lines across, each with its number on the left.
    pub(super) fn levels(&mut self, top: f64) {
        for share in [0.0, 0.5, 1.0] {
            let y = TOP + HEIGHT * (1.0 - share);
            let (end, text, label) = (LEFT + WIDTH, LEFT - 6.0, plain(top * share));
            self.put(format_args!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{end}\"/>"));
            self.put(format_args!("<text class=\"y\" x=\"{text}\" y=\"{:.1}\">{label}</text>", y + 4.0));
        }
    }

    /// Numbers on the right.
    pub(super) fn right_levels(&mut self, class: &str, top: f64) {
        for share in [0.0, 0.5, 1.0] {
            let (x, y) = (LEFT + WIDTH + 6.0, TOP + HEIGHT * (1.0 - share) + 4.0);
            let label = plain(top * share);
            self.put(format_args!("<text class=\"{class}\" x=\"{x}\" y=\"{y:.1}\">{label}</text>"));
        }
    }

    /// A word below the axis.
    pub(super) fn tick(&mut self, x: f64, label: &str) {
        let (top, y) = (TOP + HEIGHT, self.bottom());
        self.put(format_args!("<path class=\"grid\" d=\"M{x:.1} {top}V{}\"/>", y + 4.0));
        self.put(format_args!("<text class=\"x\" x=\"{x:.1}\" y=\"{}\">{label}</text>", y + 18.0));
    }

    pub(super) fn bar(&mut self, class: &str, x: f64, width: f64, share: f64) {
        let height = HEIGHT * share;
        let y = TOP + HEIGHT - height;
        self.put(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        ));
    }

    /// A span over the whole height, with a word in it where there is room.
    pub(super) fn band(&mut self, class: &str, from: f64, until: f64, label: &str) {
        /// How wide a character is, at most.
        const CHARACTER: f64 = 6.5;
        let width = (until - from).max(2.0);
        self.bar(class, from, width, 1.0);
        let needed = CHARACTER * f64::from(u32::try_from(label.len()).unwrap_or(u32::MAX));
        if needed < width {
            let (x, y) = (from + width / 2.0, TOP + 14.0);
            self.put(format_args!("<text class=\"x\" x=\"{x:.1}\" y=\"{y}\">{label}</text>"));
        }
    }

    /// A line of steps, each from one x to another at a share of the height; broken where they do not meet.
    pub(super) fn steps(&mut self, class: &str, steps: impl Iterator<Item = (f64, f64, f64)>) {
        let (mut path, mut end) = (String::new(), f64::MIN);
        for (from, until, share) in steps {
            let y = TOP + HEIGHT * (1.0 - share);
            let is_next = (from - end).abs() < 0.05;
            let written = if is_next {
                write!(path, "V{y:.1}H{until:.1}")
            } else {
                write!(path, "M{from:.1} {y:.1}H{until:.1}")
            };
            written.expect("a string takes every text");
            end = until;
        }
        self.put(format_args!("<path class=\"line {class}\" d=\"{path}\"/>"));
    }

    /// Words above both ends of the axes.
    pub(super) fn units(&mut self, left: &str, right: Option<&str>) {
        let y = TOP - 12.0;
        self.put(format_args!("<text x=\"{}\" y=\"{y}\">{left}</text>", LEFT - 20.0));
        if let Some(right) = right {
            let x = LEFT + WIDTH + 20.0;
            self.put(format_args!("<text class=\"y {right}\" x=\"{x}\" y=\"{y}\">{right}</text>"));
        }
    }

    /// A lane below the axis, with its word and the spans in which there was something, each with its share of
    /// the most that there was.
    pub(super) fn lane(&mut self, lane: usize, class: &str, label: &str, spans: &[(f64, f64, f64)]) {
        let y = Self::top_of_lane(lane);
        let (text, end) = (LEFT - 6.0, LEFT + WIDTH);
        self.put(format_args!("<text class=\"y\" x=\"{text}\" y=\"{:.1}\">{label}</text>", y + 9.0));
        self.put(format_args!("<path class=\"grid\" d=\"M{LEFT} {:.1}H{end}\"/>", y + 5.0));
        for (from, until, share) in spans {
            let (width, height) = ((until - from).max(2.0), 3.0 + 8.0 * share);
            let y = y + 5.0 - height / 2.0;
            self.put(format_args!(
                "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
            ));
        }
    }

    /// A line from top to bottom, with a word above it.
    pub(super) fn post(&mut self, class: &str, x: f64, label: &str) {
        let bottom = TOP + HEIGHT;
        self.put(format_args!("<path class=\"post {class}\" d=\"M{x:.1} {}V{bottom}\"/>", TOP - 8.0));
        self.put(format_args!(
            "<text class=\"post {class}\" x=\"{x:.1}\" y=\"{}\">{label}</text>",
            TOP - 12.0
        ));
    }

    pub(super) fn done(self, label: &str) -> Svg {
        Svg::new("chart", (LEFT + WIDTH + RIGHT, self.bottom() + BELOW), label, &self.shapes)
    }
}

/// A number with as many digits as a reader needs.
pub(super) fn plain(number: f64) -> String {
    if number < 10.0 && number.fract() > 0.05 { format!("{number:.1}") } else { format!("{number:.0}") }
}

/// The next number that reads well.
pub(super) fn round_up(number: f64) -> f64 {
    let unit = 10_f64.powf(number.max(0.1).log10().floor());
    let steps = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * unit).find(|top| *top >= number).unwrap_or(number)
}

/// Times that read well, from 0 to the end.
pub(super) fn ticks(whole_ms: u64) -> impl Iterator<Item = u64> {
    const STEPS_MS: [u64; 22] = [
        1, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000,
        300_000, 600_000, 1_800_000, 3_600_000, 10_800_000, 43_200_000,
    ];
    let step = STEPS_MS.into_iter().find(|step| whole_ms / step <= TICKS).unwrap_or(whole_ms / TICKS);
    (0..=whole_ms / step.max(1)).map(move |tick| tick * step)
}

/// A time in words.
pub(super) fn said(ms: u64) -> String {
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
