//! The chart of how long rows took.
//!
//! Main function: [`latency`]. What it shows also stands below it in words.

use super::canvas::{Canvas, LEFT, WIDTH, said};
use super::page::{Chart, Part};
use super::shape::ratio;
use crate::report::summary::quantile;

/// The width of a word above a line.
const WORD: f64 = 40.0;
/// Steps of the histogram for each factor of ten.
const STEPS: u32 = 10;

/// How long rows took, from their first request to their end, in milliseconds; `slowest` names some. None if
/// no row was sent.
pub(super) fn latency(mut elapsed: Vec<u32>, slowest: Vec<String>) -> Option<Chart> {
    elapsed.sort_unstable();
    let (&quickest, &longest) = (elapsed.first()?, elapsed.last()?);
    let at = |percent: usize| quantile(&elapsed, percent).unwrap_or_default();
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
    let mut canvas = Canvas::new(0);
    canvas.levels(ratio(most, 1));
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
    let figures = quantiles.map(|(name, ms)| Part { mark: None, name, words: said(ms) });
    let words: Vec<_> = figures.iter().map(|figure| format!("{} {}", figure.name, figure.words)).collect();
    let label = format!("How long {} rows took: {}.", elapsed.len(), words.join(", "));
    let (list_title, list) = ("The slowest rows", slowest);
    Some(Chart {
        id: "latency",
        title: "How long rows took",
        svg: canvas.done(&label),
        figures: figures.into(),
        words: Vec::new(),
        list_title,
        list,
    })
}

/// The step of the histogram that a time is in.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 97")]
fn step_of(ms: u32) -> u32 {
    (f64::from(ms.max(1)).log10() * f64::from(STEPS)).floor() as u32
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
}
