//! Checks the rows one by one and packs their valid parts into columns of plain numbers.
//!
//! Main type: [`Table`]. It sees one row at a time, and never compares rows.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use csv::ByteRecord;

use super::email::{self, OddAddresses, Plain, is_invisible};
use super::header_map::Columns;
use super::issue::{Complaint, IssueKind, Issues, quoted};
use super::maps::{Maps, Used};
use super::quotes::{self, Quotes};
use super::reader::{Span, is_blank, issue_at};
use super::role;
use super::scan::{Cell, Cells, Quoting};
use super::select::Settings;
use super::shape::Shape;
use crate::model::{Emails, Level, LineNumbers, RowNumber, runs_as_formula};

/// The longest cell of a needed column, in bytes.
pub(super) const LONGEST_CELL: usize = 4 << 10;

/// The workspace of a row whose workspace cannot be read.
pub(super) const NOWHERE: u32 = u32::MAX;

/// What is to happen with a row, with its role, in one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(u8);

/// The part of a row's state that fits into its [`Mark`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Fate {
    Wanted,
    Merged,
    Overruled,
    Invalid,
    LeftOut,
}

impl Mark {
    pub(super) fn new(fate: Fate, role: Level) -> Self {
        Self((fate as u8) << 2 | role as u8)
    }

    pub(super) fn fate(self) -> Fate {
        match self.0 >> 2 {
            0 => Fate::Wanted,
            1 => Fate::Merged,
            2 => Fate::Overruled,
            3 => Fate::Invalid,
            _ => Fate::LeftOut,
        }
    }

    pub(super) fn role(self) -> Level {
        match self.0 & 3 {
            0 => Level::Viewer,
            1 => Level::Editor,
            _ => Level::Admin,
        }
    }

    pub(super) fn with(self, fate: Fate) -> Self {
        Self::new(fate, self.role())
    }
}

/// Texts that occur again and again, each kept once.
#[derive(Debug, Default)]
struct Interner {
    texts: Vec<String>,
    numbers: HashMap<Rc<str>, u32, foldhash::fast::RandomState>,
    /// What was asked for last, which is often what is asked for next.
    last: Option<(Rc<str>, u32)>,
}

impl Interner {
    fn find(&mut self, text: &str) -> Option<u32> {
        if let Some((last, number)) = &self.last
            && **last == *text
        {
            return Some(*number);
        }
        let (known, number) = self.numbers.get_key_value(text)?;
        self.last = Some((Rc::clone(known), *number));
        Some(*number)
    }

    /// The number of a text, which is kept as what it means. Texts that mean the same may have
    /// several numbers.
    fn add(&mut self, text: &str, meaning: &str) -> u32 {
        if let Some(number) = self.find(text) {
            return number;
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(NOWHERE);
        self.texts.push(meaning.to_owned());
        self.numbers.insert(text.into(), number);
        number
    }
}

/// The rows of a roster, column by column.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub emails: Emails,
    pub lines: LineNumbers,
    /// Index into the distinct workspace texts, or [`NOWHERE`].
    pub workspace_of: Vec<u32>,
    pub marks: Vec<Mark>,
    /// Rows with deployment roles, with an index into the distinct texts; by row.
    pub deployments: Vec<(u32, u32)>,
}

/// Takes rows, checks them and fills a [`Table`].
#[derive(Debug)]
pub(super) struct Checker<'a> {
    pub table: Table,
    columns: Columns,
    shape: Shape,
    prune: bool,
    default_role: Option<Level>,
    default_workspace: u32,
    workspaces: Interner,
    deployments: Interner,
    maps: &'a Maps,
    /// Which of the maps' entries were needed.
    used: Used,
    odd: OddAddresses,
    issues: &'a mut Issues,
    warnings: &'a mut Issues,
    /// Bytes of all addresses so far.
    text: usize,
    scratch: String,
}

/// Whether the cells of a row are the ones that were meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// They are.
    Whole,
    /// They are, unless one of them holds other rows.
    MayHideRows,
    /// They are not, and what they say cannot be believed.
    Broken,
}

/// One row while it is checked.
struct Present<'a> {
    row: RowNumber,
    line: u32,
    raw: &'a [u8],
}

impl<'a> Checker<'a> {
    pub(super) fn new(
        columns: Columns,
        shape: Shape,
        settings: &'a Settings,
        issues: &'a mut Issues,
        warnings: &'a mut Issues,
    ) -> Self {
        let maps = &settings.maps;
        let (mut workspaces, mut used) = (Interner::default(), Used::default());
        let default_workspace = match (&settings.default_workspace, columns.workspace) {
            (Some(text), None) => {
                used.workspace(maps, text.trim());
                workspaces.add(text.trim(), maps.workspace(text.trim()))
            }
            (Some(_) | None, _) => NOWHERE,
        };
        Self {
            table: Table::default(),
            columns,
            shape,
            prune: settings.prune,
            default_role: settings.default_role.map(|role| role.level),
            default_workspace,
            workspaces,
            deployments: Interner::default(),
            maps,
            used,
            odd: settings.odd_addresses(),
            issues,
            warnings,
            text: 0,
            scratch: String::new(),
        }
    }

    /// The rows, the distinct workspaces, the distinct texts of deployment roles, and what no row has
    /// needed of the maps.
    pub(super) fn finish(self) -> (Table, Vec<String>, Vec<String>, Vec<String>) {
        let unused = self.used.unused(self.maps);
        (self.table, self.workspaces.texts, self.deployments.texts, unused)
    }

    /// Whether one more row of any legal length fits.
    pub(super) fn has_room(&self) -> bool {
        self.table.marks.len() < (u32::MAX - 1) as usize && self.text + LONGEST_CELL < u32::MAX as usize
    }

    /// Checks a row and takes it in, good or bad.
    pub(super) fn take(&mut self, record: &ByteRecord, raw: &[u8], span: Span) {
        let index = self.table.marks.len();
        let here = Present { row: RowNumber::from_index(index), line: span.line, raw };
        self.table.lines.push(span.line);
        let form = self.form(&here, record, span);
        if form == Form::Broken {
            // What it says cannot be believed, not even its workspace.
            self.table.emails.push("");
            self.table.workspace_of.push(NOWHERE);
            self.table.marks.push(Mark::new(Fate::Invalid, Level::Viewer));
            return;
        }
        let email = self.email(&here, record);
        let role = self.role(&here, record);
        let workspace = self.workspace(&here, record);
        let deployments = self.deployment_roles(&here, record);
        let (mark, workspace) = match (email, role, workspace, deployments) {
            (true, Some(role), Some(workspace), true) => (Mark::new(Fate::Wanted, role), Some(workspace)),
            (_, role, workspace, _) => {
                let mark = Mark::new(Fate::Invalid, role.unwrap_or(Level::Viewer));
                // The rows that it may hide may be about any workspace.
                (mark, workspace.filter(|_| form == Form::Whole))
            }
        };
        self.table.workspace_of.push(workspace.unwrap_or(NOWHERE));
        self.table.marks.push(mark);
    }

    /// Whether the cells of a row are the ones that were meant; complains where they are not.
    fn form(&mut self, here: &Present<'_>, record: &ByteRecord, span: Span) -> Form {
        let quotes = match span.quoting {
            Quoting::None => return self.width(here, record, Form::Whole),
            Quoting::Plain => Form::Whole,
            Quoting::Odd => self.quotes(here),
        };
        if quotes == Form::Broken || !self.is_quoted_once(here, record) {
            return Form::Broken;
        }
        self.width(here, record, quotes)
    }

    fn width(&mut self, here: &Present<'_>, record: &ByteRecord, form: Form) -> Form {
        if record.len() == self.shape.width {
            return form;
        }
        let Some((column, complaint)) = self.shape.ragged(here.raw, record) else { return form };
        self.report(here, column, complaint);
        Form::Broken
    }

    fn quotes(&mut self, here: &Present<'_>) -> Form {
        match quotes::inspect(here.raw, self.shape.delimiter) {
            Quotes::Good => Form::Whole,
            Quotes::MayHideRows(cell) => {
                let hides_a_row = self.prune && self.shape.hides_a_row(here.raw, cell);
                let complaint = quotes::swallowed(here.raw, cell, hides_a_row);
                if hides_a_row {
                    self.report_at(here, Some(cell), complaint);
                    return Form::Broken;
                }
                if self.warnings.counted(complaint.kind) {
                    let issue = issue_at(here.raw, Some(cell), here.line, complaint).in_row(here.row);
                    self.warnings.keep(issue.warning());
                }
                Form::MayHideRows
            }
            Quotes::Broken(cell, complaint) => {
                match self.shape.quoted_with_other_delimiter(here.raw) {
                    Some(other) => self.report(here, 0, other),
                    None => self.report_at(here, Some(cell), complaint),
                }
                Form::Broken
            }
        }
    }

    fn is_quoted_once(&mut self, here: &Present<'_>, record: &ByteRecord) -> bool {
        let Some((column, complaint)) = self.shape.quoted_twice(record) else { return true };
        self.report(here, column, complaint);
        false
    }

    fn email(&mut self, here: &Present<'_>, record: &ByteRecord) -> bool {
        let cell = &record[self.columns.email];
        let bytes = without_guard(cell.trim_ascii());
        let plain = email::plain(bytes);
        let good = match (plain, std::str::from_utf8(bytes)) {
            (Plain::Lower, Ok(text)) => {
                self.take_email(text);
                true
            }
            (Plain::Mixed, Ok(text)) => {
                let mut scratch = std::mem::take(&mut self.scratch);
                scratch.clear();
                scratch.push_str(text);
                scratch.make_ascii_lowercase();
                self.take_email(&scratch);
                self.scratch = scratch;
                true
            }
            (Plain::Undecided | Plain::Lower | Plain::Mixed, _) => false,
        };
        if good {
            return true;
        }
        let parsed = self.needed(here, cell, self.columns.email, "email").and_then(|text| {
            email::parse_email(text, self.odd)
                .map_err(|complaint| self.report(here, self.columns.email, complaint))
                .ok()
        });
        self.take_email(parsed.as_deref().unwrap_or(""));
        parsed.is_some()
    }

    /// Takes an address in, as it is here.
    fn take_email(&mut self, address: &str) {
        let maps = self.maps;
        self.used.domain(maps, address);
        let address = if maps.domains.is_empty() { Cow::Borrowed(address) } else { maps.email(address) };
        self.text += address.len();
        self.table.emails.push(&address);
    }

    fn role(&mut self, here: &Present<'_>, record: &ByteRecord) -> Option<Level> {
        let Some(column) = self.columns.role else { return self.default_role };
        let cell = &record[column];
        if let Some(role) = role::known_role(cell.trim_ascii()) {
            return Some(role);
        }
        let text = self.needed(here, cell, column, "role")?;
        if let Some(role) = self.maps.role(text) {
            self.used.role(text);
            return Some(role);
        }
        let unknown = |complaint: Complaint| self.report(here, column, with_unseen(text, complaint));
        role::parse_role(text).map_err(unknown).ok().map(|role| role.level)
    }

    fn workspace(&mut self, here: &Present<'_>, record: &ByteRecord) -> Option<u32> {
        let Some(column) = self.columns.workspace else { return Some(self.default_workspace) };
        let cell = &record[column];
        if let Ok(text) = std::str::from_utf8(cell)
            && let Some(index) = self.workspaces.find(without_guard_str(text.trim()))
        {
            return Some(index);
        }
        let text = self.needed(here, cell, column, "workspace")?;
        // Joiners are part of ordinary words in some scripts.
        let unseen =
            |&(_, c): &(usize, char)| is_invisible(c) && !matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE0F}');
        if let Some((index, c)) = text.chars().enumerate().find(unseen) {
            let complaint = if matches!(c, '\n' | '\r' | '\t') {
                let name = if c == '\t' { "a tab" } else { "a line break" };
                let message = format!("{} has {name} in it: several workspaces in one cell?", quoted(text));
                Complaint::new(IssueKind::InvisibleCharacter, message).hint("write one row per workspace")
            } else {
                email::invisible(text, index, c)
            };
            self.report(here, column, complaint);
            return None;
        }
        self.used.workspace(self.maps, text);
        Some(self.workspaces.add(text, self.maps.workspace(text)))
    }

    fn deployment_roles(&mut self, here: &Present<'_>, record: &ByteRecord) -> bool {
        let Some(column) = self.columns.deployment_roles else { return true };
        let cell = record.get(column).unwrap_or_default();
        if is_blank(cell) {
            return true;
        }
        let Some(text) = self.needed(here, cell, column, "deployment_roles") else { return false };
        let number = match self.deployments.find(text) {
            Some(number) => number,
            None => match role::parse_deployment_roles(text) {
                Ok(_) => self.deployments.add(text, text),
                Err(complaint) => {
                    self.report(here, column, complaint);
                    return false;
                }
            },
        };
        self.table.deployments.push((here.row.get() - 1, number));
        true
    }

    /// The text of a needed cell; complains about an empty one and one too long to be meant.
    fn needed<'c>(
        &mut self,
        here: &Present<'_>,
        cell: &'c [u8],
        column: usize,
        name: &str,
    ) -> Option<&'c str> {
        let text = without_guard_str(std::str::from_utf8(cell).unwrap_or_default().trim());
        let complaint = if text.is_empty() {
            Complaint::new(IssueKind::EmptyCell, format!("the cell of `{name}` is empty"))
                .hint("fill it in, or remove the row")
        } else if text.len() > LONGEST_CELL {
            Complaint::new(
                IssueKind::CellTooLong,
                format!("the cell of `{name}` is longer than 4 KiB ({} bytes): {}", text.len(), quoted(text)),
            )
            .hint("shorten it, or look for a quote that is not closed")
        } else {
            return Some(text);
        };
        self.report(here, column, complaint);
        None
    }

    fn report(&mut self, here: &Present<'_>, column: usize, complaint: Complaint) {
        let delimiter = self.shape.delimiter;
        self.report_at(here, Cells::new(here.raw, delimiter).nth(column), complaint);
    }

    fn report_at(&mut self, here: &Present<'_>, cell: Option<Cell>, complaint: Complaint) {
        if self.issues.counted(complaint.kind) {
            self.issues.keep(issue_at(here.raw, cell, here.line, complaint).in_row(here.row));
        }
    }
}

/// The same with the character that makes a name look like another one.
fn with_unseen(name: &str, mut complaint: Complaint) -> Complaint {
    let is_unseen = |c: &char| is_invisible(*c) || c.is_whitespace() && *c != ' ';
    if let Some(c) = name.chars().find(is_unseen) {
        complaint.message = format!("{}; it has U+{:04X} in it", complaint.message, u32::from(c));
    }
    complaint
}

/// Drops the apostrophe that keeps a spreadsheet from running a cell as a formula, and the blanks
/// that it protected.
fn without_guard(cell: &[u8]) -> &[u8] {
    match cell {
        [b'\'', rest @ ..] if runs_as_formula(rest) => rest.trim_ascii(),
        _ => cell,
    }
}

pub(super) fn without_guard_str(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if runs_as_formula(rest.as_bytes()) => rest.trim(),
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_keeps_fate_and_role() {
        for fate in [Fate::Wanted, Fate::Merged, Fate::Overruled, Fate::Invalid, Fate::LeftOut] {
            for role in Level::ALL {
                let mark = Mark::new(fate, role);
                assert_eq!((mark.fate(), mark.role()), (fate, role));
            }
        }
    }

    #[test]
    fn one_apostrophe_before_a_formula_is_dropped() {
        for (cell, text) in [("'+a", "+a"), ("'=a", "=a"), ("''+a", "''+a"), ("'a", "'a"), ("'", "'")] {
            assert_eq!(without_guard_str(cell), text);
            assert_eq!(without_guard(cell.as_bytes()), text.as_bytes());
        }
    }
}
