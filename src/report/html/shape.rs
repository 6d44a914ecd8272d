//! Small drawings of our own.
//!
//! Main type: [`Svg`], markup that is safe as it is; main functions: [`bar`] and [`lane`].

use std::fmt::Write as _;

use super::tone::Tone;
use crate::report::escape::xml;

/// The width of a drawing in a cell of a table.
const WIDTH: f64 = 240.0;

/// A drawing, as markup that goes into a page as it is. Only the drawings here can make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Svg(String);

impl Svg {
    /// A drawing of this size. `label` says in words what it shows.
    pub(super) fn new(class: &str, size: (f64, f64), label: &str, shapes: &str) -> Self {
        let (width, height) = size;
        let label = xml(label);
        Self(format!(
            "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{label}\">{shapes}</svg>"
        ))
    }

    /// The markup.
    pub fn markup(&self) -> &str {
        &self.0
    }
}

/// A ratio of counts; large ones may lose their last digits.
#[expect(clippy::cast_precision_loss, reason = "a drawing has no more than a thousand pixels")]
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Parts of a whole, side by side.
pub fn bar(parts: &[(Tone, u64)], label: &str) -> Svg {
    let whole = parts.iter().map(|(_, count)| count).sum();
    let mut left = 0.0;
    let mut shapes = String::new();
    for (tone, count) in parts.iter().filter(|(_, count)| *count > 0) {
        let width = WIDTH * ratio(*count, whole);
        let key = tone.key();
        let _ =
            write!(shapes, "<rect class=\"f-{key}\" x=\"{left:.1}\" width=\"{width:.1}\" height=\"10\"/>");
        left += width;
    }
    Svg::new("strip", (WIDTH, 10.0), label, &shapes)
}

/// Two bars of one scale, one above the other: what was, and what is.
pub(super) fn bars(before: &[(Tone, u64)], after: &[(Tone, u64)], label: &str) -> Svg {
    let total = |parts: &[(Tone, u64)]| parts.iter().map(|(_, count)| count).sum::<u64>();
    let whole = total(before).max(total(after));
    let mut shapes = String::new();
    for (y, parts) in [(0, before), (8, after)] {
        let mut left = 0.0;
        for (tone, count) in parts {
            let (width, key) = (WIDTH * ratio(*count, whole), tone.key());
            let _ = write!(
                shapes,
                "<rect class=\"f-{key}\" x=\"{left:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"6\"/>"
            );
            left += width;
        }
    }
    Svg::new("strip", (WIDTH, 14.0), label, &shapes)
}

/// A span of time within a whole, with a mark; all in milliseconds.
pub(super) fn lane(span: (u64, u64), mark: Option<u64>, whole: u64, tone: Tone, label: &str) -> Svg {
    let at = |ms: u64| WIDTH * ratio(ms.min(whole), whole);
    let (left, key) = (at(span.0), tone.key());
    let width = (at(span.1) - left).max(3.0);
    let mut shapes = format!(
        "<path class=\"rail\" d=\"M0 5H{WIDTH}\"/><rect class=\"f-{key}\" x=\"{left:.1}\" y=\"1\" width=\"{width:.1}\" height=\"8\" rx=\"2\"/>"
    );
    if let Some(mark) = mark {
        let _ = write!(shapes, "<path class=\"mark\" d=\"M{:.1} 0v10\"/>", at(mark));
    }
    Svg::new("strip", (WIDTH, 10.0), label, &shapes)
}
