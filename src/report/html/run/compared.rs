//! What the page says about the last run against the same Houston.
//!
//! Main function: [`compared`].

use std::time::Duration;

use crate::report::html::{Compared, Count, Difference, Turn};
use crate::report::last_run::{Figures, LastRun};
use crate::report::spoken;
use crate::report::summary::Summary;

/// A figure of two runs: how it is said, and what more and less of it is called.
struct Measure {
    name: &'static str,
    of: fn(&Figures) -> Option<u64>,
    said: fn(u64) -> String,
    /// What more and less of it is called.
    words: [&'static str; 2],
    /// Whether more of it is worse; a roster that has grown is neither.
    more_is_worse: bool,
}

const MEASURES: [Measure; 5] = [
    Measure {
        name: "Rows of the roster",
        of: |figures| Some(figures.rows),
        said: counted,
        words: ["more", "fewer"],
        more_is_worse: false,
    },
    Measure {
        name: "Failed or unsettled",
        of: |figures| Some(figures.bad),
        said: counted,
        words: ["more", "fewer"],
        more_is_worse: true,
    },
    Measure {
        name: "Not tried",
        of: |figures| Some(figures.not_tried),
        said: counted,
        words: ["more", "fewer"],
        more_is_worse: true,
    },
    Measure {
        name: "95 % of rows took at most",
        of: |figures| figures.row_p95_ms,
        said: lasted,
        words: ["longer", "shorter"],
        more_is_worse: true,
    },
    Measure {
        name: "Time of work",
        of: |figures| Some(figures.duration_ms),
        said: lasted,
        words: ["longer", "shorter"],
        more_is_worse: false,
    },
];

fn counted(count: u64) -> String {
    Count(count).to_string()
}

fn lasted(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        _ => spoken(Duration::from_millis(ms)),
    }
}

/// The run beside the last one; none if there is no other.
pub(super) fn compared(summary: &Summary) -> Option<Compared> {
    let LastRun { run, roster, figures: then } = summary.last_run.as_ref()?;
    let now = summary.figures();
    let of = if *roster == summary.roster { String::new() } else { format!(" of {roster}") };
    Some(Compared {
        words: format!("The last finished run against this Houston was {run}{of}."),
        differences: MEASURES.iter().filter_map(|measure| measure.compare(then, &now)).collect(),
    })
}

impl Measure {
    fn compare(&self, then: &Figures, now: &Figures) -> Option<Difference> {
        let (then, now) = ((self.of)(then)?, (self.of)(now)?);
        let turn = match now.cmp(&then) {
            std::cmp::Ordering::Greater => Turn::Up,
            std::cmp::Ordering::Less => Turn::Down,
            std::cmp::Ordering::Equal => Turn::Same,
        };
        let by = (self.said)(now.abs_diff(then));
        let words = match turn {
            Turn::Up => format!("{by} {}", self.words[0]),
            Turn::Down => format!("{by} {}", self.words[1]),
            Turn::Same => "the same".to_owned(),
        };
        let is_worse = self.more_is_worse && turn == Turn::Up;
        let (then, now) = ((self.said)(then), (self.said)(now));
        Some(Difference { name: self.name, then, now, turn, words, is_worse })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::Fixture;

    #[test]
    fn figures_of_two_runs_are_set_side_by_side() {
        let fixture = Fixture::new();
        let mut summary = Summary::new(&fixture.history, Fixture::shown(), Some(4));
        assert_eq!(compared(&summary), None, "there is no other run");
        let figures =
            Figures { rows: 1_213, bad: 4, not_tried: 3, row_p95_ms: Some(2_040), duration_ms: 61_000 };
        summary.last_run =
            Some(LastRun { run: "20261122T090000Z-aaaa".to_owned(), roster: "team.csv".to_owned(), figures });
        let shown = compared(&summary).expect("there is one");
        assert!(shown.words.ends_with("was 20261122T090000Z-aaaa."), "{}", shown.words);
        let lines: Vec<_> = shown
            .differences
            .iter()
            .map(|one| {
                let Difference { name, then, now, turn, words, is_worse } = one;
                format!("{name}: {then}, {now}: {} {words}{}", turn.sign(), if *is_worse { "!" } else { "" })
            })
            .collect();
        assert_eq!(
            lines,
            [
                "Rows of the roster: 1,213, 13: ▼ 1,200 fewer",
                "Failed or unsettled: 4, 4: = the same",
                "Not tried: 3, 1: ▼ 2 fewer",
                "95 % of rows took at most: 2.0s, 40 ms: ▼ 2.0s shorter",
                "Time of work: 1m 01s, 1m 02s: ▲ 1.0s longer",
            ]
        );
        summary.last_run.iter_mut().for_each(|last| {
            last.roster = "other.csv".to_owned();
            (last.figures.bad, last.figures.row_p95_ms) = (1, None);
        });
        let shown = compared(&summary).expect("there is one");
        assert!(shown.words.ends_with("aaaa of other.csv."), "{}", shown.words);
        assert!(shown.differences.iter().all(|one| one.name != MEASURES[3].name), "it is not known");
        assert!(shown.differences[1].is_worse, "{:?}", shown.differences[1]);
    }
}
