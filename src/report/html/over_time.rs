//! The chart of what a run did over time, and what it waited for.
//!
//! Main function: [`over_time`]. What it shows also stands below it in words.

use std::time::Duration;

use super::canvas::{Canvas, LEFT, WIDTH, plain, round_up, said, ticks};
use super::page::{Chart, Count, Part};
use super::shape::ratio;
use crate::model::Load;
use crate::record::journal::{Interval, Moment, Pulses, Timeline, WhyPaused};
use crate::report::spoken;

/// Bars, and steps of a line, at most.
const MOMENTS: usize = 60;

/// A time in which a run waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wait {
    why: WhyPaused,
    from_ms: u64,
    until_ms: u64,
}

impl Wait {
    fn class(why: WhyPaused) -> &'static str {
        match why {
            WhyPaused::Asked => "asked",
            WhyPaused::Away => "away",
        }
    }

    fn words(why: WhyPaused) -> &'static str {
        match why {
            WhyPaused::Asked => "asked to wait",
            WhyPaused::Away => "Houston away",
        }
    }
}

/// The waits of a run, in their order.
fn waits(pulses: &Pulses) -> Vec<Wait> {
    if pulses.intervals().iter().any(|interval| interval.waited.is_some()) {
        return counted_waits(pulses);
    }
    let mut waits: Vec<Wait> = Vec::new();
    // A pulse of an older version knows only how long Houston is away by then, or how long it asked to wait from
    // then on.
    for interval in pulses.intervals() {
        let Some(paused) = interval.paused else { continue };
        let at = interval.until_ms;
        let (from_ms, until_ms) = match paused.why {
            WhyPaused::Asked => (at, at.saturating_add(paused.ms)),
            WhyPaused::Away => (at.saturating_sub(paused.ms), at),
        };
        match waits.last_mut() {
            Some(last) if last.why == paused.why && from_ms <= last.until_ms => {
                last.until_ms = last.until_ms.max(until_ms);
            }
            Some(_) | None => waits.push(Wait { why: paused.why, from_ms, until_ms }),
        }
    }
    waits
}

/// The waits of a run whose pulses count them. One that goes on at a pulse lies before and after it; of one in
/// between only the length is known.
fn counted_waits(pulses: &Pulses) -> Vec<Wait> {
    let mut waits: Vec<Wait> = Vec::new();
    for why in [WhyPaused::Away, WhyPaused::Asked] {
        let mut goes_on = false;
        for interval in pulses.intervals() {
            let (from, until) = (interval.from_ms, interval.until_ms);
            let ms = interval.waited.map_or(0, |waited| waited.ms(why)).min(until.saturating_sub(from));
            let came_from_before =
                std::mem::replace(&mut goes_on, interval.paused.is_some_and(|paused| paused.why == why));
            let from_ms = if came_from_before || !goes_on { from } else { until - ms };
            let until_ms = from_ms + ms;
            match waits.last_mut() {
                Some(last) if last.why == why && last.until_ms == from_ms => last.until_ms = until_ms,
                Some(_) | None if ms > 0 => waits.push(Wait { why, from_ms, until_ms }),
                Some(_) | None => {}
            }
        }
    }
    waits.sort_by_key(|wait| wait.from_ms);
    waits
}

/// The times of a run across the drawing.
#[derive(Clone, Copy)]
struct Axis {
    whole_ms: u64,
}

impl Axis {
    fn at(self, ms: u64) -> f64 {
        LEFT + WIDTH * ratio(ms.min(self.whole_ms), self.whole_ms)
    }

    fn span(self, interval: &Interval) -> (f64, f64) {
        (self.at(interval.from_ms), self.at(interval.until_ms))
    }
}

/// What stands in a lane below the axis.
struct Lane {
    class: &'static str,
    label: &'static str,
    spans: Vec<(f64, f64, f64)>,
}

/// What a run did over time, with sentences about it; none if it sent nothing and waited for nothing.
pub(super) fn over_time(timeline: &Timeline, pulses: &Pulses, words: Vec<String>) -> Option<Chart> {
    let (moment_ms, moments) = timeline.moments(MOMENTS);
    let waits = waits(pulses);
    let writes: u64 = moments.iter().map(|moment| moment.writes).sum();
    if writes == 0 && waits.is_empty() {
        return None;
    }
    let intervals = pulses.in_at_most(2 * MOMENTS);
    let last_pulse_ms = intervals.last().map_or(0, |interval| interval.until_ms);
    let whole_ms = moment_ms.saturating_mul(moments.len() as u64).max(last_pulse_ms);
    let axis = Axis { whole_ms };
    let written = |moment: &Moment| ratio(moment.writes.saturating_mul(1000), moment_ms);
    let asked = |interval: &Interval| {
        let ms = interval.until_ms.saturating_sub(interval.from_ms).max(moment_ms);
        ratio(interval.requests.saturating_mul(1000), ms)
    };
    let most_written = moments.iter().map(written).fold(0.0, f64::max);
    let most_asked = intervals.iter().map(asked).fold(0.0, f64::max);
    let top = round_up(most_written.max(most_asked));
    let lanes = lanes(timeline, &intervals, axis);
    let mut canvas = Canvas::new(lanes.len());
    for Wait { why, from_ms, until_ms } in &waits {
        canvas.band(Wait::class(*why), axis.at(*from_ms), axis.at(*until_ms), Wait::words(*why));
    }
    canvas.levels(top);
    for (moment, at) in moments.iter().zip(0_u64..) {
        let from_ms = at.saturating_mul(moment_ms);
        let (from, until) = (axis.at(from_ms), axis.at(from_ms.saturating_add(moment_ms)));
        canvas.bar("writes", from, (until - from - 1.5).max(1.0), written(moment) / top);
    }
    let window = intervals.iter().map(|interval| interval.window).max().unwrap_or(0);
    if !intervals.is_empty() {
        let step = |interval: &Interval, share: f64| (axis.span(interval).0, axis.span(interval).1, share);
        canvas.steps("requests", intervals.iter().map(|interval| step(interval, asked(interval) / top)));
        let top = round_up(f64::from(window.max(2)));
        let share = |interval: &Interval| f64::from(interval.window) / top;
        canvas.steps("window", intervals.iter().map(|interval| step(interval, share(interval))));
        canvas.right_levels("window", top);
    }
    canvas.units("per second", (!intervals.is_empty()).then_some("window"));
    for tick in ticks(whole_ms) {
        canvas.tick(axis.at(tick), &said(tick));
    }
    for (at, lane) in lanes.iter().enumerate() {
        canvas.lane(at, lane.class, lane.label, &lane.spans);
    }
    for &at_ms in timeline.resumed_at_ms() {
        canvas.post("leg", axis.at(at_ms), "resumed");
    }
    let figures = figures(writes, most_written, moment_ms, &intervals, most_asked, &waits);
    let parts: Vec<_> = figures.iter().map(|part| format!("{} {}", part.name, part.words)).collect();
    let bad: u64 = moments.iter().map(|moment| moment.bad).sum();
    let label = format!("What the run did in {}: {}; {bad} failures.", said(whole_ms), parts.join(", "));
    Some(Chart {
        id: "time",
        title: "Over time",
        svg: canvas.done(&label),
        figures,
        words,
        list_title: "",
        list: Vec::new(),
    })
}

/// The lanes in which there is something.
fn lanes(timeline: &Timeline, intervals: &[Interval], axis: Axis) -> Vec<Lane> {
    let (moment_ms, moments) = timeline.moments(4 * MOMENTS);
    let most_bad = moments.iter().map(|moment| moment.bad).max().unwrap_or(0);
    let bad = moments.iter().zip(0_u64..).filter(|(moment, _)| moment.bad > 0).map(|(moment, at)| {
        let from_ms = at.saturating_mul(moment_ms);
        (axis.at(from_ms), axis.at(from_ms.saturating_add(moment_ms)), ratio(moment.bad, most_bad))
    });
    let with = |count: fn(&Interval) -> u64| {
        let rate = |interval: &Interval| {
            ratio(count(interval), interval.until_ms.saturating_sub(interval.from_ms).max(moment_ms))
        };
        let most = intervals.iter().map(rate).fold(f64::MIN_POSITIVE, f64::max);
        let spans = intervals.iter().filter(|interval| count(interval) > 0);
        spans
            .map(|interval| (axis.span(interval).0, axis.span(interval).1, rate(interval) / most))
            .collect::<Vec<_>>()
    };
    // Workspaces that were proved at the same point of the drawing are one mark.
    let mut proved: Vec<u64> = timeline.proved_at_ms().map(|ms| ms / (axis.whole_ms / 400).max(1)).collect();
    proved.sort_unstable();
    proved.dedup();
    let proved = proved.into_iter().map(|at| axis.at(at * (axis.whole_ms / 400).max(1)));
    let lanes = [
        Lane { class: "f-failed", label: "failures", spans: bad.collect() },
        Lane { class: "f-unsettled", label: "retried", spans: with(|interval| interval.retries) },
        Lane { class: "f-held", label: "throttled", spans: with(|interval| interval.throttled) },
        Lane { class: "f-changed", label: "1st proof", spans: proved.map(|x| (x, x, 1.0)).collect() },
    ];
    lanes.into_iter().filter(|lane| !lane.spans.is_empty()).collect()
}

/// What the drawing shows, in numbers.
fn figures(
    writes: u64,
    most_written: f64,
    moment_ms: u64,
    intervals: &[Interval],
    most_asked: f64,
    waits: &[Wait],
) -> Vec<Part> {
    let sum = |count: fn(&Interval) -> u64| intervals.iter().map(count).fold(0, u64::saturating_add);
    let many = |count: u64, most: f64| format!("{}, at most {}/s", Count(count), plain(most));
    let part = |mark, name, words| Part { mark, name, words };
    let mut figures = vec![part(Some("writes"), "writes", many(writes, most_written))];
    if let Some(least) = intervals.iter().map(|interval| interval.window).min() {
        let most = intervals.iter().map(|interval| interval.window).max().unwrap_or(least);
        let requests = sum(|interval| interval.requests);
        figures.push(part(Some("requests"), "requests", many(requests, most_asked)));
        let window = if least == most { least.to_string() } else { format!("{least} to {most}") };
        figures.push(part(Some("window"), "window, on the right", window));
        let (retries, throttled) = (sum(|interval| interval.retries), sum(|interval| interval.throttled));
        figures.push(part(None, "retried", Count(retries).to_string()));
        figures.push(part(None, "throttled", Count(throttled).to_string()));
    }
    for why in [WhyPaused::Away, WhyPaused::Asked] {
        let of_it = waits.iter().filter(|wait| wait.why == why);
        let ms = of_it.map(|wait| wait.until_ms.saturating_sub(wait.from_ms)).fold(0, u64::saturating_add);
        if ms > 0 {
            figures.push(part(Some(Wait::class(why)), Wait::words(why), spoken(Duration::from_millis(ms))));
        }
    }
    figures.extend(answers(intervals));
    figures.push(part(None, "one bar", said(moment_ms)));
    figures
}

/// How long answers took: what half of them, and 95 of 100, stayed below.
fn answers(intervals: &[Interval]) -> Option<Part> {
    let mut counts = [0_u64; Load::BUCKETS];
    for interval in intervals {
        for (sum, count) in counts.iter_mut().zip(&interval.latency) {
            *sum = sum.saturating_add(*count);
        }
    }
    let all = counts.iter().copied().fold(0, u64::saturating_add);
    let below = |percent: u64| {
        let (mut left, wanted) = (0_u64, all.saturating_mul(percent).div_ceil(100));
        let at = counts.iter().position(|count| {
            left = left.saturating_add(*count);
            left >= wanted
        });
        said(1 << at.unwrap_or(Load::BUCKETS - 1))
    };
    (all > 0).then(|| Part {
        mark: None,
        name: "answers",
        words: format!("half below {}, 95 % below {}", below(50), below(95)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LimitedBy;
    use crate::record::journal::{Paused, Pulse, Waited};

    fn pulse(at_ms: u64, requests: u64, paused: Option<(WhyPaused, u64)>) -> Pulse {
        Pulse {
            requests,
            retries: requests / 10,
            throttled: requests / 20,
            window: 8,
            in_flight: 3,
            limited_by: LimitedBy::Latency,
            paused: paused.map(|(why, ms)| Paused { why, ms }),
            waited: None,
            latency: vec![0, 0, 0, requests],
            at_ms,
        }
    }

    #[test]
    fn a_wait_lies_where_it_was() {
        let (away, asked) = (WhyPaused::Away, WhyPaused::Asked);
        let pulses = Pulses::of(&[
            pulse(1_000, 5, None),
            pulse(6_000, 5, Some((away, 2_000))),
            pulse(11_000, 5, Some((away, 7_000))),
            pulse(16_000, 9, Some((asked, 3_000))),
            pulse(21_000, 12, None),
            pulse(26_000, 12, Some((away, 1_000))),
        ]);
        let found: Vec<_> = waits(&pulses).into_iter().map(|w| (w.why, w.from_ms, w.until_ms)).collect();
        assert_eq!(found, [(away, 4_000, 11_000), (asked, 16_000, 19_000), (away, 25_000, 26_000)]);
    }

    #[test]
    fn a_wait_is_as_long_as_it_was_whenever_pulses_look() {
        let (away, asked) = (WhyPaused::Away, WhyPaused::Asked);
        let counting = |at_ms, paused, asked_ms, away_ms| Pulse {
            waited: Some(Waited { asked_ms, away_ms }),
            ..pulse(at_ms, 5, paused)
        };
        let pulses = Pulses::of(&[
            pulse(1_000, 5, None),
            // Two waits of 8 s, the second of which begins as soon as one request has left.
            counting(6_000, Some((asked, 5_500)), 2_500, 0),
            counting(11_000, Some((asked, 500)), 7_500, 0),
            counting(16_000, Some((asked, 3_600)), 12_400, 0),
            counting(21_000, None, 16_000, 0),
            // One between two pulses, and one at the end.
            counting(26_000, None, 16_000, 4_200),
            counting(31_000, Some((away, 1_000)), 16_000, 5_200),
        ]);
        let waits = waits(&pulses);
        let of = |why| waits.iter().filter(move |wait| wait.why == why);
        let length = |why| of(why).map(|wait| wait.until_ms - wait.from_ms).sum::<u64>();
        assert_eq!((length(asked), length(away)), (16_000, 5_200));
        let found: Vec<_> = of(away).map(|wait| (wait.from_ms, wait.until_ms)).collect();
        assert_eq!(found, [(21_000, 25_200), (30_000, 31_000)]);
        assert_eq!(of(asked).map(|wait| (wait.from_ms, wait.until_ms)).next(), Some((3_500, 15_900)));
    }

    #[test]
    fn a_run_without_pulses_has_its_writes_and_one_without_both_has_no_chart() {
        assert_eq!(over_time(&Timeline::default(), &Pulses::default(), Vec::new()), None);
        let silent = Pulses::of(&[pulse(1_000, 9, None)]);
        assert_eq!(over_time(&Timeline::default(), &silent, Vec::new()), None);
        let away = Pulses::of(&[pulse(1_000, 9, Some((WhyPaused::Away, 400)))]);
        let chart = over_time(&Timeline::default(), &away, Vec::new()).expect("a wait is shown");
        assert!(chart.svg.markup().contains("class=\"away\""), "{}", chart.svg.markup());
    }

    #[test]
    fn figures_say_what_the_drawing_shows() {
        let pulses = Pulses::of(&[pulse(1_000, 100, Some((WhyPaused::Asked, 500)))]);
        let chart =
            over_time(&Timeline::default(), &pulses, vec!["A sentence.".to_owned()]).expect("a chart");
        let said: Vec<_> = chart.figures.iter().map(|part| format!("{} {}", part.name, part.words)).collect();
        let expected = [
            "writes 0, at most 0/s",
            "requests 100, at most 100/s",
            "window, on the right 8",
            "retried 10",
            "throttled 5",
            "asked to wait 0.5s",
            "answers half below 8 ms, 95 % below 8 ms",
            "one bar 20 ms",
        ];
        assert_eq!(said, expected);
        for lane in ["retried", "throttled"] {
            assert!(chart.svg.markup().contains(&format!(">{lane}</text>")), "{lane}");
        }
        assert!(!chart.svg.markup().contains(">failures</text>"), "an empty lane is left out");
    }
}
