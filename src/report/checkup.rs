//! Prints what the checks of a target found, for people and machines.
//!
//! Main types: [`Check`], one line, and [`Checkup`], all of them. Nothing is judged here.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Map, Value};
use unicode_width::UnicodeWidthStr as _;

use super::escape::json_pretty;
use crate::model::printable;

/// More `ok` lines about workspaces than this are merged into one.
const LISTED: usize = 8;
/// The columns of a terminal.
const WIDTH: usize = 80;
/// The next step is aligned with the text above it.
const MARGIN: usize = "warning  user management  ".len();

/// How a checkup is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum CheckupFormat {
    /// Text
    #[default]
    Human,
    /// One JSON document
    Json,
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// A run can start, but the user should know about this.
    Warning,
    /// A run would fail.
    Failed,
    /// A client cannot see it.
    Unknown,
    /// It was not checked: something else failed, or it does not apply.
    Skipped,
}

impl Verdict {
    /// The verdict as a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Ok => AnsiColor::Green.on_default().bold(),
            Self::Warning => AnsiColor::Yellow.on_default().bold(),
            Self::Failed => AnsiColor::Red.on_default().bold(),
            Self::Unknown | Self::Skipped => Style::new().dimmed(),
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Check {
    /// Its stable name.
    pub check: &'static str,
    /// Its result.
    pub verdict: Verdict,
    /// What was found.
    pub text: String,
    /// What to do next, if anything.
    pub next: Option<String>,
    /// Details for machines.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

impl Check {
    /// A check; its text may come from outside.
    pub fn new(check: &'static str, verdict: Verdict, text: impl AsRef<str>) -> Self {
        let text = text.as_ref().to_owned();
        Self { check, verdict, text, next: None, details: Map::new() }
    }

    /// The same with a next step.
    #[must_use]
    pub fn next(mut self, next: impl AsRef<str>) -> Self {
        self.next = Some(next.as_ref().to_owned());
        self
    }

    /// The same with a detail for machines; a text may come from outside.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}

/// All checks of a target.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Checkup {
    /// Version of this document.
    pub schema_version: u32,
    /// The URL of Houston.
    pub target: String,
    /// The exit status of the program.
    pub exit_status: u8,
    /// The checks, in the order in which they depend on each other.
    pub checks: Vec<Check>,
}

impl Checkup {
    /// The checkup of a target.
    pub fn new(target: &str, exit_status: u8, checks: Vec<Check>) -> Self {
        Self { schema_version: 1, target: target.to_owned(), exit_status, checks }
    }

    /// The checkup in a format.
    ///
    /// # Errors
    /// None in practice: texts and numbers can always be written as JSON.
    pub fn render(&self, format: CheckupFormat) -> serde_json::Result<String> {
        match format {
            CheckupFormat::Human => Ok(self.human()),
            CheckupFormat::Json => json_pretty(self),
        }
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == verdict).count()
    }

    /// A line per check, coloured; standard output drops the colours where they are not wanted.
    fn human(&self) -> String {
        let mut text = format!("{}\n\n", printable(&self.target));
        let fine = |check: &&Check| check.check == "workspace" && check.verdict == Verdict::Ok;
        let many = Some(self.checks.iter().filter(fine).count()).filter(|count| *count > LISTED);
        let mut is_merged = false;
        for check in &self.checks {
            match many {
                Some(count) if fine(&check) => {
                    if !std::mem::replace(&mut is_merged, true) {
                        let all = format!("the caller can add people to {count} workspaces of the roster");
                        line(&mut text, &Check::new("workspaces", Verdict::Ok, all));
                    }
                }
                Some(_) | None => line(&mut text, check),
            }
        }
        let counts = [Verdict::Failed, Verdict::Warning, Verdict::Unknown, Verdict::Skipped]
            .map(|verdict| (self.count(verdict), verdict.name()));
        let counts: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| format!("{count} {name}"))
            .collect();
        let judgement = if self.count(Verdict::Failed) > 0 {
            "a run would fail"
        } else if self.count(Verdict::Warning) > 0 {
            "ready to run, with warnings"
        } else {
            "ready to run"
        };
        let counts = if counts.is_empty() { String::new() } else { format!(" ({})", counts.join(", ")) };
        writeln!(text, "\n{judgement}{counts}").expect("a string takes every text");
        text
    }
}

fn line(text: &mut String, check: &Check) {
    let style = check.verdict.style();
    let (verdict, name) = (check.verdict.name(), check.check);
    writeln!(text, "{style}{verdict:<7}{style:#}  {name:<15}  {}", wrapped(&check.text, 0))
        .expect("a string takes every text");
    if let Some(next) = &check.next {
        writeln!(text, "{:MARGIN$}→ {}", "", wrapped(next, 2)).expect("a string takes every text");
    }
}

/// A text behind the margin and this indent, on as many lines as a terminal needs.
fn wrapped(text: &str, indent: usize) -> String {
    let indent = MARGIN + indent;
    let (mut lines, mut used) = (String::new(), 0);
    for word in printable(text).split(' ') {
        let width = word.width();
        if used > 0 && indent + used + 1 + width > WIDTH {
            write!(lines, "\n{:indent$}", "").expect("a string takes every text");
            used = 0;
        } else if used > 0 {
            lines.push(' ');
            used += 1;
        }
        lines.push_str(word);
        used += width;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::HOSTILE;

    fn checkup() -> Checkup {
        let checks = vec![
            Check::new("name", Verdict::Ok, "houston.example.com was found"),
            Check::new("clock", Verdict::Warning, "two minutes ahead")
                .next("set it")
                .with("skew_seconds", 120),
            Check::new("token", Verdict::Failed, HOSTILE).next(HOSTILE).with("text", HOSTILE),
            Check::new("SCIM", Verdict::Unknown, "it cannot be seen"),
            Check::new("rights", Verdict::Skipped, "no token"),
        ];
        Checkup::new("https://houston.example.com/v1", 4, checks)
    }

    #[test]
    fn a_checkup_is_a_line_per_check_with_its_verdict_as_a_word() {
        let text = anstream::adapter::strip_str(&checkup().human()).to_string();
        insta::assert_snapshot!(text, @r#"
        https://houston.example.com/v1

        ok       name             houston.example.com was found
        warning  clock            two minutes ahead
                                  → set it
        failed   token            ␛[31mred␛]0;pwned␇ next�line
                                  → ␛[31mred␛]0;pwned␇ next�line
        unknown  SCIM             it cannot be seen
        skipped  rights           no token

        a run would fail (1 failed, 1 warning, 1 unknown, 1 skipped)
        "#);
    }

    #[test]
    fn a_long_text_is_wrapped_behind_the_margin() {
        let long = Check::new("latency", Verdict::Warning, "word ".repeat(30).trim())
            .next("step ".repeat(20).trim());
        let text = Checkup::new("u", 0, vec![long]).human();
        let text = anstream::adapter::strip_str(&text).to_string();
        assert!(text.lines().all(|line| line.width() <= WIDTH), "{text}");
        assert_eq!((text.matches("word").count(), text.matches("step").count()), (30, 20));
        let margin = " ".repeat(MARGIN);
        assert!(
            text.contains(&format!("\n{margin}word")) && text.contains(&format!("\n{margin}  step")),
            "{text}"
        );
    }

    #[test]
    fn machines_get_the_same_as_json() {
        insta::assert_snapshot!(checkup().render(CheckupFormat::Json).unwrap(), @r#"
        {
          "schema_version": 1,
          "target": "https://houston.example.com/v1",
          "exit_status": 4,
          "checks": [
            {
              "check": "name",
              "verdict": "ok",
              "text": "houston.example.com was found",
              "next": null
            },
            {
              "check": "clock",
              "verdict": "warning",
              "text": "two minutes ahead",
              "next": "set it",
              "details": {
                "skew_seconds": 120
              }
            },
            {
              "check": "token",
              "verdict": "failed",
              "text": "\u001b[31mred\u001b]0;pwned\u0007\nnext\u202eline",
              "next": "\u001b[31mred\u001b]0;pwned\u0007\nnext\u202eline",
              "details": {
                "text": "\u001b[31mred\u001b]0;pwned\u0007\nnext\u202eline"
              }
            },
            {
              "check": "SCIM",
              "verdict": "unknown",
              "text": "it cannot be seen",
              "next": null
            },
            {
              "check": "rights",
              "verdict": "skipped",
              "text": "no token",
              "next": null
            }
          ]
        }
        "#);
    }

    #[test]
    fn nothing_of_a_hostile_text_steers_a_terminal() {
        for format in [CheckupFormat::Human, CheckupFormat::Json] {
            let text = checkup().render(format).unwrap();
            let text = anstream::adapter::strip_str(&text).to_string();
            assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}', '\r']), "{text:?}");
        }
    }

    #[test]
    fn many_workspaces_that_are_fine_are_one_line_for_people_only() {
        let mut checks = vec![Check::new("workspace", Verdict::Ok, "x"); LISTED + 1];
        checks.push(Check::new("workspace", Verdict::Failed, "denied"));
        let checkup = Checkup::new("u", 4, checks);
        let human = checkup.human();
        assert_eq!(
            (human.matches("workspace").count(), human.contains("to 9 workspaces")),
            (3, true),
            "{human}"
        );
        assert_eq!(checkup.render(CheckupFormat::Json).unwrap().matches("\"workspace\"").count(), 10);
    }
}
