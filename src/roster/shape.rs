//! Whether a row has the cells that the header promises, and if not, why.
//!
//! Main type: [`Shape`]. It counts cells and looks for delimiters and quotes; it does not look at
//! what the cells mean.

use csv::ByteRecord;

use super::dialect::DELIMITERS;
use super::email::{is_bare_email, is_invisible};
use super::header_map::Columns;
use super::headers;
use super::issue::{Complaint, IssueKind};
use super::quotes::{self, Quotes};
use super::reader::is_blank;
use super::scan::{Cell, Cells};

const SAME_DELIMITER: &str = "write the same delimiter in every line";

/// The cells that a row has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// How many the header has.
    pub width: usize,
    pub delimiter: u8,
    columns: Columns,
    /// How many a row has at least.
    needed: usize,
}

impl Shape {
    pub(super) fn new(width: usize, delimiter: u8, columns: Columns) -> Self {
        Self { width, delimiter, columns, needed: columns.needed() }
    }

    /// What is wrong with a row of another width than the header, with the cell it is about. Nothing
    /// if only empty cells are too many, or only cells that no row needs are missing.
    pub(super) fn ragged(&self, raw: &[u8], record: &ByteRecord) -> Option<(usize, Complaint)> {
        let cells = record.len();
        let is_good = if cells > self.width {
            record.iter().skip(self.width).all(is_blank)
        } else {
            cells >= self.needed
        };
        // A lone address has no delimiter in it.
        if is_good && (cells > 1 || self.width == 1) {
            return None;
        }
        if let Some(complaint) = nothing_to_see(raw) {
            return Some((0, complaint));
        }
        if let Some(complaint) = self.other_delimiter(raw, cells) {
            return Some((0, complaint));
        }
        if is_good {
            return None;
        }
        let count = |cells: usize| if cells == 1 { "1 cell".to_owned() } else { format!("{cells} cells") };
        let message = format!("the row has {}, the header has {}", count(cells), self.width);
        let raw = raw.trim_ascii();
        let hint = if raw.iter().any(|b| matches!(b, b'\n' | b'\r')) {
            "it goes over several lines: look for a quote that is not closed"
        } else if cells > self.width {
            "put quotes around a cell that has the delimiter in it"
        } else if raw.starts_with(b"#") {
            "CSV has no comments: delete the line"
        } else {
            "add the missing cells"
        };
        let complaint = Complaint::new(IssueKind::RaggedRow, message).hint(hint);
        let first_surplus = record.iter().skip(self.width).position(|cell| !is_blank(cell));
        Some((first_surplus.map_or(0, |surplus| self.width + surplus), complaint))
    }

    /// A row that another delimiter gives the cells it should have.
    fn other_delimiter(&self, raw: &[u8], cells: usize) -> Option<Complaint> {
        let others = || DELIMITERS.into_iter().filter(|&other| other != self.delimiter);
        let count = |other: u8| Cells::new(raw, other).count();
        let whole = others()
            .find(|&other| count(other) == self.width)
            .or_else(|| others().find(|&other| cells < self.needed && count(other) >= self.needed));
        if let Some(other) = whole.filter(|_| self.width > 1) {
            return Some(self.separated_by(&headers::name(other)));
        }
        let text = std::str::from_utf8(raw).unwrap_or_default();
        let words = || raw.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count();
        if self.width > 1 && cells == 1 && text.contains('@') && !text.starts_with('#') {
            let found = headers::OTHERS.into_iter().find(|&(other, _)| match other {
                ' ' => words() == self.width,
                other => text.split(other).count() == self.width,
            });
            if let Some((_, name)) = found {
                return Some(self.separated_by(name));
            }
        }
        let is_mixed = |&other: &u8| count(other) > 1 && cells + count(other) - 1 == self.width;
        let other = headers::name(others().find(is_mixed)?);
        let ours = headers::name(self.delimiter);
        let message = format!("the row is separated by {ours} and {other}, the header by {ours} only");
        Some(Complaint::new(IssueKind::OtherDelimiter, message).hint(SAME_DELIMITER))
    }

    /// A row whose quotes are good if another delimiter is between its cells.
    pub(super) fn quoted_with_other_delimiter(&self, raw: &[u8]) -> Option<Complaint> {
        let is_good = |&other: &u8| {
            other != self.delimiter
                && Cells::new(raw, other).count() == self.width
                && match quotes::inspect(raw, other) {
                    Quotes::Good => true,
                    Quotes::MayHideRows(_) | Quotes::Broken(..) => false,
                }
        };
        let other = DELIMITERS.into_iter().find(is_good).filter(|_| self.width > 1)?;
        Some(self.separated_by(&headers::name(other)))
    }

    fn separated_by(&self, other: &str) -> Complaint {
        let ours = headers::name(self.delimiter);
        let message = format!("the row is separated by {other}, the header by {ours}");
        Complaint::new(IssueKind::OtherDelimiter, message).hint(SAME_DELIMITER)
    }

    /// A row that is one quoted cell, or one with two pairs of quotes around a cell that matters, with
    /// that cell.
    pub(super) fn quoted_twice(&self, record: &ByteRecord) -> Option<(usize, Complaint)> {
        const HINT: &str = "save the table once, with one pair of quotes at most";
        let first = record.get(0).unwrap_or_default();
        if self.width > 1 && record.iter().skip(1).all(is_blank) {
            let is_row = |delimiter: u8| Cells::new(first, delimiter).count() >= self.needed.max(2);
            if first.contains(&b'@') && DELIMITERS.into_iter().chain([self.delimiter]).any(is_row) {
                let message = "the whole row is one quoted cell: it was saved as CSV twice";
                return Some((0, Complaint::new(IssueKind::QuotedTwice, message).hint(HINT)));
            }
        }
        let Columns { email, role, workspace, deployment_roles } = self.columns;
        let in_quotes = |&column: &usize| {
            let cell = record.get(column).unwrap_or_default().trim_ascii();
            cell.len() > 1 && cell.starts_with(b"\"") && cell.ends_with(b"\"")
        };
        let columns = [Some(email), role, workspace, deployment_roles];
        let column = columns.into_iter().flatten().find(in_quotes)?;
        let message = "the cell is quoted twice: the quotes would be part of its text";
        Some((column, Complaint::new(IssueKind::QuotedTwice, message).hint(HINT)))
    }

    /// Whether one of the lines in a cell would be a row if it stood by itself.
    pub(super) fn hides_a_row(&self, raw: &[u8], cell: Cell) -> bool {
        let is_row = |line: &[u8]| {
            // As if its quotes were text.
            let cells = || line.split(|&b| b == self.delimiter);
            let count = cells().count();
            count == self.width
                || (count >= self.needed && cells().nth(self.columns.email).is_some_and(is_email))
        };
        quotes::hidden_lines(raw, cell).any(is_row)
    }
}

/// A line that looks blank and is not.
fn nothing_to_see(raw: &[u8]) -> Option<Complaint> {
    let text = std::str::from_utf8(raw).ok()?.trim();
    let c = text.chars().next().filter(|_| text.chars().all(|c| c.is_whitespace() || is_invisible(c)))?;
    let message = format!("the line looks blank but is not: it has U+{:04X} in it", u32::from(c));
    Some(Complaint::new(IssueKind::InvisibleCharacter, message).hint("delete the line"))
}

fn is_email(cell: &[u8]) -> bool {
    std::str::from_utf8(cell).is_ok_and(is_bare_email)
}
