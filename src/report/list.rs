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
use crate::outcome::StatusKind;

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

    /// Its state, in a few words.
    fn ended(&self) -> String {
        match (self.state, self.exit_status) {
            (None, _) if self.is_older => "older format".to_owned(),
            (None, _) => "unreadable".to_owned(),
            (Some(RunState::Going), _) => "running".to_owned(),
            (Some(RunState::BrokenOff), _) => "interrupted".to_owned(),
            (Some(RunState::Closed), None) => "ended".to_owned(),
            (Some(RunState::Closed), Some(status)) => format!("ended {status}"),
        }
    }

    /// What is wrong with it, or its target.
    fn last(&self) -> String {
        let target = self.problem.as_deref().or(self.target.as_deref()).unwrap_or_default();
        let shard = self.shard.map(|shard| format!("shard {shard}"));
        let asides: Vec<String> = shard.into_iter().chain(self.note.clone()).collect();
        if asides.is_empty() { target.to_owned() } else { format!("{target} ({})", asides.join("; ")) }
    }

    fn cells(&self) -> [String; 7] {
        let number = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
        [
            printable(&self.run).into_owned(),
            self.started_at.map_or_else(String::new, |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()),
            self.ended(),
            number(self.rows),
            number(self.failed),
            number(self.left),
            printable(&self.last()).into_owned(),
        ]
    }
}

/// The lines under their headings, for people.
pub fn table(runs: &[Listed]) -> String {
    const HEADINGS: [&str; 7] = ["RUN", "STARTED", "STATE", "ROWS", "FAILED", "LEFT", "TARGET"];
    const NUMBERS: std::ops::Range<usize> = 3..6;
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
            write!(row, "{before}{cell}{after}  ").expect("a string takes every text");
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
    fn people_get_a_table() {
        insta::assert_snapshot!(table(&runs()), @r"
        RUN                           STARTED               STATE        ROWS  FAILED  LEFT  TARGET
        20261123T154500Z-k3f9         2026-11-23 15:45:00Z  ended 4        13       2     3  https://houston.example.com/v1
        20261123T154400Z-aaaa         2026-11-23 15:45:00Z  running        13       2     3  --sandbox
        20261123T154300Z-aaaa         2026-11-23 15:45:00Z  interrupted    13       2     3  --sandbox
        ␛[31mred␛]0;pwned␇ next�line                        unreadable                       no journal
        ");
        assert_eq!(table(&[]).lines().count(), 1);
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let text =
            table(&[Listed::unreadable("東京", "no journal"), Listed::unreadable("tokyo", "no journal")]);
        assert_eq!(
            text,
            "RUN    STARTED  STATE       ROWS  FAILED  LEFT  TARGET\n\
             東京            unreadable                      no journal\n\
             tokyo           unreadable                      no journal\n"
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
