//! What a page says, ready to be put into its template.
//!
//! Main type: [`Page`]. Plain data: texts are as they come, and cleaned on their way into the markup.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::shape::Svg;
use super::tone::Tone;

/// What a page is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A run.
    Run,
    /// A plan.
    Plan,
}

impl Subject {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Plan => "plan",
        }
    }

    pub(super) fn people_title(self) -> &'static str {
        match self {
            Self::Run => "What changed for people",
            Self::Plan => "What changes for people",
        }
    }

    pub(super) fn no_people(self) -> &'static str {
        match self {
            Self::Run => "No one was added, changed or removed.",
            Self::Plan => "No one would be added, changed or removed.",
        }
    }

    pub(super) fn no_cards(self) -> &'static str {
        match self {
            Self::Run => "Nothing. Every row succeeded.",
            Self::Plan => "Nothing. Every row can be applied.",
        }
    }

    pub(super) fn share_title(self) -> &'static str {
        match self {
            Self::Run => "Result",
            Self::Plan => "What would happen",
        }
    }

    pub(super) fn sheet_title(self) -> &'static str {
        match self {
            Self::Run => "The rows that are not successes:",
            Self::Plan => "The rows with a change or a remark:",
        }
    }

    pub(super) fn no_sheet(self) -> &'static str {
        match self {
            Self::Run => "Every row is a success.",
            Self::Plan => "No row has a change or a remark.",
        }
    }

    /// Where all rows are.
    pub(super) fn all_rows(self) -> &'static str {
        match self {
            Self::Run => "results.csv has every row, and removals.csv everyone to be removed.",
            Self::Plan => "`plan --format csv` has every row.",
        }
    }

    /// Rows did not fit into the page.
    pub(super) fn no_room(self, left: u64) -> String {
        format!("{} rows do not fit into this page. {}", Count(left), self.all_rows())
    }
}

/// A number as people read it: with a comma between thousands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub u64);

impl Count {
    /// Whether it is zero.
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (at, digit) in digits.bytes().enumerate() {
            let comma = at > 0 && (digits.len() - at).is_multiple_of(3);
            write!(f, "{}{}", if comma { "," } else { "" }, char::from(digit))?;
        }
        Ok(())
    }
}

/// The part of an address that filters the table: a state or tone, a workspace, a text.
pub fn filter(state: &str, workspace: &str, text: &str) -> String {
    let parts = [("s", state), ("w", workspace), ("q", text)];
    let parts = parts.iter().filter(|(_, value)| !value.is_empty());
    let parts = parts.map(|(key, value)| format!("{key}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
    parts.collect::<Vec<_>>().join("&")
}

/// What stands above the table, and some words below it.
#[derive(Debug, Clone)]
pub struct Page {
    /// What it is about.
    pub subject: Subject,
    /// The id of the run, or the name of the roster.
    pub name: String,
    /// The title of the window.
    pub title: String,
    /// The verdict in one line.
    pub verdict: String,
    /// What it means.
    pub tone: Tone,
    /// A sentence below it.
    pub lead: String,
    /// What a reader must know before anything else.
    pub alerts: Vec<String>,
    /// Where and when.
    pub facts: Vec<Fact>,
    /// Counts, each a filter of the table.
    pub tiles: Vec<Tile>,
    /// Who gets what, those who lose something first.
    pub people: Vec<Group>,
    /// The limits with the numbers used, and what guards held back.
    pub limits: Vec<Remark>,
    /// What can be approved, or was.
    pub approval: Option<Approval>,
    /// What needs a hand, the worst first.
    pub cards: Vec<Card>,
    /// How many more there are.
    pub other_cards: Count,
    /// What happened over time.
    pub charts: Vec<Chart>,
    /// The last run beside this one.
    pub compared: Option<Compared>,
    /// The workspaces, those with the worst ends first.
    pub workspaces: Vec<Workspace>,
    /// How many more there are.
    pub other_workspaces: Count,
    /// For the auditor.
    pub audit: Vec<Audit>,
    /// What the table leaves out on purpose.
    pub rows_note: Option<String>,
    /// The foot of the page, and of every printed sheet.
    pub footer: String,
}

impl Page {
    pub(super) fn has_shifts(&self) -> bool {
        self.workspaces.iter().any(|workspace| workspace.shift.is_some())
    }

    pub(super) fn has_lanes(&self) -> bool {
        self.workspaces.iter().any(|workspace| workspace.lane.is_some())
    }
}

/// Something with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Its name.
    pub name: Cow<'static, str>,
    /// What it is.
    pub value: Value,
}

/// What a fact says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// In words.
    Text(String),
    /// For machines.
    Code(String),
    /// A moment.
    Time {
        /// RFC 3339.
        at: String,
        /// For people.
        words: String,
    },
}

impl Fact {
    /// Words.
    pub fn text(name: impl Into<Cow<'static, str>>, text: impl Into<String>) -> Self {
        Self { name: name.into(), value: Value::Text(text.into()) }
    }

    /// A digest, an id, a flag.
    pub fn code(name: impl Into<Cow<'static, str>>, code: impl Into<String>) -> Self {
        Self { name: name.into(), value: Value::Code(code.into()) }
    }

    /// A moment.
    pub fn time(name: &'static str, at: jiff::Timestamp) -> Self {
        let words = at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
        Self { name: name.into(), value: Value::Time { at: at.to_string(), words } }
    }
}

/// A count that filters the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    /// How many.
    pub count: Count,
    /// What they are.
    pub tone: Tone,
    /// The same for people.
    pub words: &'static str,
}

impl Tile {
    /// So many of a tone.
    pub fn of((tone, count): (Tone, u64)) -> Self {
        Self { count: Count(count), tone, words: tone.words() }
    }
}

/// People for whom the same changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What it means.
    pub tone: Tone,
    /// What changes.
    pub title: &'static str,
    /// For how many.
    pub count: Count,
    /// Who they are, where that matters.
    pub names: Vec<Name>,
    /// How many of them in which workspace, where names are not listed.
    pub shares: Vec<Share>,
    /// How many are not listed.
    pub more: Count,
    /// Shows them in the table.
    pub filter: String,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// Their address, or another name.
    pub who: String,
    /// Where, and what.
    pub note: String,
}

/// How many of something are in one workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The workspace.
    pub name: String,
    /// How many.
    pub count: Count,
}

/// A line with a meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Its meaning.
    pub tone: Tone,
    /// What it says.
    pub words: String,
}

/// What can be approved, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Of what.
    pub title: &'static str,
    /// The whole digest, if there is one.
    pub digest: Option<String>,
    /// What to do with it.
    pub words: String,
    /// What to type.
    pub command: Option<String>,
}

/// Something that needs a hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// How bad it is.
    pub tone: Tone,
    /// How many of what.
    pub title: String,
    /// The code of the cause.
    pub code: Option<String>,
    /// The cause.
    pub text: String,
    /// The first lines.
    pub lines: Vec<String>,
    /// How many more there are.
    pub more: Count,
    /// Shows them in the table.
    pub filter: Option<String>,
    /// What to do.
    pub advice: String,
    /// What to type.
    pub command: Option<String>,
}

/// A drawing with its figures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// Its name in the markup.
    pub id: &'static str,
    /// Its title.
    pub title: &'static str,
    /// The drawing.
    pub svg: Svg,
    /// The figures that matter.
    pub figures: Vec<Part>,
    /// What they mean, in sentences.
    pub words: Vec<String>,
    /// What the list below it has.
    pub list_title: &'static str,
    /// A list, folded.
    pub list: Vec<String>,
}

/// A figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The class of what shows it in the drawing.
    pub mark: Option<&'static str>,
    /// Of what.
    pub name: &'static str,
    /// What it is.
    pub words: String,
}

/// A run beside the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Which run the other one is.
    pub words: String,
    /// What they have in common, and how it differs.
    pub differences: Vec<Difference>,
}

/// A figure of two runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Of what.
    pub name: &'static str,
    /// In the last run.
    pub then: String,
    /// In this one.
    pub now: String,
    /// Which way it went.
    pub turn: Turn,
    /// By how much, in words.
    pub words: String,
    /// Whether that is worse.
    pub is_worse: bool,
}

/// Which way a figure went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// There is more of it.
    Up,
    /// There is less of it.
    Down,
    /// It is what it was.
    Same,
}

impl Turn {
    /// The sign beside its words.
    pub fn sign(self) -> char {
        match self {
            Self::Up => '▲',
            Self::Down => '▼',
            Self::Same => '=',
        }
    }
}

/// A workspace of the run or plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its label, else its id.
    pub name: String,
    /// Its id, where the name is not.
    pub note: String,
    /// Shows its rows in the table.
    pub filter: String,
    /// How many rows it has.
    pub rows: Count,
    /// How they ended.
    pub bar: Svg,
    /// The same in words.
    pub words: String,
    /// Its members before and after, by role.
    pub shift: Option<Drawn>,
    /// When it was worked on.
    pub lane: Option<Drawn>,
}

/// A drawing and its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// The drawing.
    pub svg: Svg,
    /// The same in words.
    pub words: String,
}

/// A part of what an auditor asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// What it is about.
    pub title: &'static str,
    /// What is known.
    pub facts: Vec<Fact>,
}

/// The rows that are printed, and that a reader without the script sees.
#[derive(Debug, Clone, Default)]
pub struct Sheet {
    /// The first ones.
    pub rows: Vec<SheetRow>,
    /// How many more there are.
    pub more: Count,
}

/// A row of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SheetRow {
    /// Its line; empty for a person who is not in the roster.
    pub line: String,
    /// The person.
    pub who: String,
    /// The workspace.
    pub workspace: String,
    /// How it ended.
    pub state: String,
    /// What that means.
    pub tone: Tone,
    /// Why.
    pub why: String,
}

impl Sheet {
    /// How many rows it has.
    const MOST: usize = 500;

    /// Takes one more, as long as there is room.
    pub fn put(&mut self, row: impl FnOnce() -> SheetRow) {
        if self.rows.len() < Self::MOST {
            self.rows.push(row());
        } else {
            self.more.0 += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (count, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(Count(count).to_string(), text);
        }
    }

    #[test]
    fn a_filter_can_hold_any_text() {
        assert_eq!(filter("failed", "", ""), "s=failed");
        assert_eq!(filter("", "R&D <EU>", "a=b#c"), "w=R%26D%20%3CEU%3E&q=a%3Db%23c");
    }
}
