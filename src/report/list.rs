//! The runs of a folder, one line each.
//!
//! Main type: [`Listed`]. A folder that is not a run, or whose files are broken, has its line too.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use super::escape::json_pretty;
use super::summary::{RunState, Summary};
use crate::model::{Shard, printable};
use crate::outcome::{ExitStatus, StatusKind};

/// One folder among the runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Listed {
    /// The name of the folder.
    pub run: String,
    /// The state of the run; none if that cannot be read.
    pub state: Option<RunState>,
    /// RFC 3339.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub started_at: Option<Timestamp>,
    /// Rows of the input.
    pub rows: Option<u64>,
    /// Rows that failed for good.
    pub failed: Option<u64>,
    /// Rows that a later try can settle.
    pub left: Option<u64>,
    /// What the program ended with, if the run is over.
    pub exit_status: Option<u8>,
    /// The share of the input that it carries out, if not all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// The input as the user named it.
    pub roster: Option<String>,
    /// The URL of Houston.
    pub target: Option<String>,
    /// Why its files may hold foreign text.
    pub note: Option<String>,
    /// Why no more is known.
    pub problem: Option<String>,
    /// Whether an older version of the program wrote it.
    #[serde(skip)]
    pub is_older: bool,
}

impl Listed {
    /// The line of a run.
    pub fn new(run: &str, summary: &Summary) -> Self {
        Self {
            run: run.to_owned(),
            state: Some(summary.state),
            started_at: Some(summary.started_at),
            rows: Some(summary.rows),
            failed: Some(summary.counts.of_kind(StatusKind::Failed)),
            left: Some(summary.resumable().total()),
            exit_status: summary.exit_status,
            shard: summary.shard,
            roster: Some(summary.roster.clone()),
            target: Some(if summary.sandbox { "--sandbox".to_owned() } else { summary.target.clone() }),
            note: None,
            problem: None,
            is_older: false,
        }
    }

    /// The line of a run in a format that only older versions of the program read.
    pub fn older(run: &str, format: u32) -> Self {
        let problem = format!("older format ({format}): read it with the version that wrote it");
        Self { is_older: true, ..Self::unreadable(run, &problem) }
    }

    /// The line of a folder that has no run in it, or a broken one.
    pub fn unreadable(run: &str, problem: &str) -> Self {
        Self {
            run: run.to_owned(),
            state: None,
            started_at: None,
            rows: None,
            failed: None,
            left: None,
            exit_status: None,
            shard: None,
            roster: None,
            target: None,
            note: None,
            problem: Some(problem.to_owned()),
            is_older: false,
        }
    }

    /// Its state, in a word or two.
    fn ended(&self) -> &'static str {
        let ended_with =
            |statuses: &[ExitStatus]| statuses.iter().any(|status| self.exit_status == Some(status.code()));
        match self.state {
            None if self.is_older => "older format",
            None => "unreadable",
            Some(RunState::Going) => "running",
            Some(RunState::BrokenOff) => "interrupted",
            Some(RunState::Closed) if ended_with(&[ExitStatus::Interrupted, ExitStatus::Terminated]) => {
                "interrupted"
            }
            Some(RunState::Closed) if self.left.is_some_and(|left| left > 0) => "rows left",
            Some(RunState::Closed) if self.failed.is_some_and(|failed| failed > 0) => "rows failed",
            Some(RunState::Closed) if ended_with(&[ExitStatus::Guard]) => "held back",
            Some(RunState::Closed) => "done",
        }
    }

    /// What is wrong with it, or its target.
    fn last(&self) -> String {
        let target = self.target.as_deref().map(short_url);
        let target = self.problem.as_deref().or(target).unwrap_or_default();
        let shard = self.shard.map(|shard| format!("shard {shard}"));
        let asides: Vec<String> = shard.into_iter().chain(self.note.clone()).collect();
        if asides.is_empty() { target.to_owned() } else { format!("{target} ({})", asides.join("; ")) }
    }

    fn cells(&self) -> [String; 7] {
        let number = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
        [
            printable(&self.run).into_owned(),
            self.ended().to_owned(),
            number(self.exit_status.map(u64::from)),
            number(self.rows),
            number(self.failed),
            number(self.left),
            printable(&self.last()).into_owned(),
        ]
    }
}

/// The URL of a Houston without what all have in common, so that a line fits a terminal.
fn short_url(url: &str) -> &str {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or(url);
    host.strip_suffix("/v1").unwrap_or(host)
}

/// The lines under their headings, for people.
pub fn table(runs: &[Listed]) -> String {
    // The id of a run says when it began.
    const HEADINGS: [&str; 7] = ["RUN", "STATE", "EXIT", "ROWS", "FAILED", "LEFT", "TARGET"];
    const NUMBERS: std::ops::Range<usize> = 2..6;
    let lines: Vec<_> =
        std::iter::once(HEADINGS.map(str::to_owned)).chain(runs.iter().map(Listed::cells)).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].width()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &lines {
        let mut row = String::new();
        for (column, (cell, width)) in line.iter().zip(widths).enumerate() {
            // What a formatter pads it counts in characters; some take two columns of a terminal.
            let padding = " ".repeat(width - cell.width());
            let (before, after) = if NUMBERS.contains(&column) { (&*padding, "") } else { ("", &*padding) };
            let gap = if NUMBERS.contains(&column) && NUMBERS.contains(&(column + 1)) { " " } else { "  " };
            write!(row, "{before}{cell}{after}{gap}").expect("a string takes every text");
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

/// All runs, for machines.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Document<'r> {
    /// Version of this document.
    schema_version: u32,
    runs: &'r [Listed],
}

/// The same for machines.
///
/// # Errors
/// Never, in fact: texts and numbers can always be written as JSON.
pub fn json(runs: &[Listed]) -> serde_json::Result<String> {
    json_pretty(&Document { schema_version: 1, runs })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Status;
    use crate::report::fixture::{Fixture, HOSTILE, RUN};

    fn runs() -> [Listed; 4] {
        let fixture = Fixture::new();
        let ended = Summary::new(&fixture.history, Fixture::shown(), Some(4));
        let mut history = fixture.history.clone();
        history.closed = false;
        history.header.sandbox = true;
        let killed = Summary::new(&history, Fixture::shown(), None);
        let going = killed.clone().going();
        [
            Listed::new(RUN, &ended),
            Listed::new("20261123T154400Z-aaaa", &going),
            Listed::new("20261123T154300Z-aaaa", &killed),
            Listed::unreadable(HOSTILE, "no journal"),
        ]
    }

    #[test]
    fn a_run_that_ended_says_how() {
        let mut run = Listed::new(
            RUN,
            &Summary::new(&Fixture::with(&[(Status::Added, None)], None).history, Fixture::shown(), Some(0)),
        );
        assert_eq!(run.ended(), "done");
        (run.failed, run.exit_status) = (Some(1), Some(6));
        assert_eq!(run.ended(), "rows failed");
        (run.left, run.exit_status) = (Some(1), Some(8));
        assert_eq!(run.ended(), "rows left");
        for (status, word) in [(130, "interrupted"), (143, "interrupted")] {
            run.exit_status = Some(status);
            assert_eq!(run.ended(), word);
        }
        (run.failed, run.left, run.exit_status) = (Some(0), Some(0), Some(7));
        assert_eq!(run.ended(), "held back");
        let longest = Listed { left: Some(100), state: Some(RunState::BrokenOff), ..run };
        assert!(table(&[longest]).lines().all(|line| line.width() <= 80), "{}", table(&[]));
    }

    #[test]
    fn people_get_a_table() {
        insta::assert_snapshot!(table(&runs()), @r"
        RUN                           STATE        EXIT ROWS FAILED LEFT  TARGET
        20261123T154500Z-k3f9         rows left       4   13      2    3  houston.example.com
        20261123T154400Z-aaaa         running             13      2    3  --sandbox
        20261123T154300Z-aaaa         interrupted         13      2    3  --sandbox
        ␛[31mred␛]0;pwned␇ next�line  unreadable                          no journal
        ");
        assert_eq!(table(&[]).lines().count(), 1);
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let text =
            table(&[Listed::unreadable("東京", "no journal"), Listed::unreadable("tokyo", "no journal")]);
        assert_eq!(
            text,
            "RUN    STATE       EXIT ROWS FAILED LEFT  TARGET\n\
             東京   unreadable                         no journal\n\
             tokyo  unreadable                         no journal\n"
        );
    }

    #[test]
    fn machines_get_an_object() {
        let text = json(&runs()).expect("JSON");
        assert!(!text.contains('\u{1b}'), "{text}");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(value["runs"][0]["exit_status"], 4);
        assert_eq!(
            (&value["runs"][1]["state"], &value["runs"][2]["state"]),
            (&"going".into(), &"broken_off".into())
        );
        assert_eq!(value["runs"][2]["left"], 3);
        assert_eq!(
            (&value["runs"][3]["state"], &value["runs"][3]["problem"]),
            (&serde_json::Value::Null, &"no journal".into())
        );
    }
}
