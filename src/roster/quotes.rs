//! Finds faulty quotes in one raw record, and the cells that may hide rows.
//!
//! Main function: [`inspect`]. The CSV reader takes nearly everything: text after a closing quote
//! becomes part of the cell, and a stray quote swallows what follows. Rows without a quote never come
//! here.

use super::email::is_invisible;
use super::issue::{Complaint, IssueKind, quoted};
use super::scan::{Cell, Cells, physical_lines};

/// What the quotes of a record do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Quotes {
    /// What quotes should do.
    Good,
    /// A cell spans several lines and holds the delimiter and an `@`.
    MayHideRows(Cell),
    /// The quotes are wrong at this position.
    Broken(Cell, Complaint),
}

/// Looks at all cells of a raw record that has a quote. The first fault counts.
pub(super) fn inspect(raw: &[u8], delimiter: u8) -> Quotes {
    let mut found = Quotes::Good;
    for cell in Cells::new(raw, delimiter) {
        let broken = match cell.tail {
            Some(tail) if tail.start < cell.end => text_after(raw, cell),
            Some(_) => None,
            None => before_quote(raw, cell),
        };
        if let Some((cell, complaint)) = broken {
            return Quotes::Broken(cell, complaint);
        }
        if found == Quotes::Good && may_hide_rows(raw, cell, delimiter) {
            found = Quotes::MayHideRows(cell);
        }
    }
    found
}

/// Text after a closing quote, or quotes escaped with backslashes, which end the cell, too.
fn text_after(raw: &[u8], cell: Cell) -> Option<(Cell, Complaint)> {
    let tail = cell.tail?;
    let behind = &raw[tail.start..cell.end];
    let text = String::from_utf8_lossy(behind);
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    if raw[cell.start..tail.start].windows(2).any(|pair| pair == b"\\\"") {
        return Some((cell, backslash()));
    }
    let start = cell.end - String::from_utf8_lossy(behind).trim_start().len();
    let cell = Cell { start, line: tail.line, line_start: tail.line_start, tail: None, ..cell };
    let message = match text.chars().next().filter(|&c| is_invisible(c)) {
        Some(c) => format!("U+{:04X}, which is invisible, follows a closing quote", u32::from(c)),
        None => format!("{} follows a closing quote", quoted(text)),
    };
    let hint = match tail.line - cell.line {
        0 => "delete it, or write two quotes for a literal quote".to_owned(),
        lines => format!(
            "the quote opens {} above, and the rows between may be swallowed: delete or close it",
            if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") }
        ),
    };
    Some((cell, Complaint::new(IssueKind::TextAfterQuote, message).hint(hint)))
}

fn backslash() -> Complaint {
    Complaint::new(
        IssueKind::BackslashQuote,
        "a backslash before a quote does not escape it: the quote ends the cell",
    )
    .hint("write two quotes (\"\") for one that belongs to the text")
}

/// A cell that has a quote after blanks, where it does not count, or after a backslash.
fn before_quote(raw: &[u8], cell: Cell) -> Option<(Cell, Complaint)> {
    let bytes = &raw[cell.start..cell.end];
    let first = *bytes.first()?;
    if cell.open || first.is_ascii_alphanumeric() {
        return None;
    }
    let text = String::from_utf8_lossy(bytes);
    if text.trim_start().starts_with("\\\"") {
        return Some((cell, backslash()));
    }
    let rest = text.trim_start_matches(|c: char| c.is_whitespace() || is_invisible(c));
    if !rest.starts_with('"') {
        return None;
    }
    let before = &text[..text.len() - rest.len()];
    let what = match before.chars().find(|&c| !c.is_whitespace()) {
        Some(c) => format!("U+{:04X}, which is invisible, comes before the quote", u32::from(c)),
        None => "a space comes before the quote".to_owned(),
    };
    let message = format!("{what}: a quoted cell must begin right after the delimiter");
    Some((cell, Complaint::new(IssueKind::BlankBeforeQuote, message).hint("delete what is before the quote")))
}

fn may_hide_rows(raw: &[u8], cell: Cell, delimiter: u8) -> bool {
    let inside = content(raw, cell);
    inside.iter().any(|b| matches!(b, b'\n' | b'\r')) && inside.contains(&delimiter) && inside.contains(&b'@')
}

/// What is between the quotes of a cell, as it is written.
fn content(raw: &[u8], cell: Cell) -> &[u8] {
    let end = cell.tail.map_or(cell.end, |tail| tail.start - 1);
    raw.get(cell.start + 1..end).unwrap_or_default()
}

/// The lines that a cell may hide: those inside of it, and its last one with what follows it in the
/// file.
pub(super) fn hidden_lines(raw: &[u8], cell: Cell) -> impl Iterator<Item = &[u8]> {
    let inside = physical_lines(content(raw, cell));
    let last = cell.tail.and_then(|tail| physical_lines(&raw[tail.line_start..]).next());
    inside.chain(last.filter(|line| line.contains(&b'@')))
}

/// The complaint about a cell that may hide rows.
pub(super) fn swallowed(raw: &[u8], cell: Cell, hides_a_row: bool) -> Complaint {
    let lines = physical_lines(content(raw, cell)).count();
    let message =
        format!("rows may be swallowed: this cell spans {lines} lines and contains the delimiter and an `@`");
    let hint = if hides_a_row {
        "a stray quote merges several rows into one cell, and --prune would remove the people in them: delete the quote, or the line breaks in the cell"
    } else {
        "look for a stray quote at its beginning and at its end"
    };
    Complaint::new(IssueKind::SwallowedRows, message).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(raw: &str) -> Option<(IssueKind, u32, u32)> {
        match inspect(raw.as_bytes(), b',') {
            Quotes::Broken(cell, complaint) => Some((complaint.kind, cell.line, cell.column(raw.as_bytes()))),
            Quotes::Good | Quotes::MayHideRows(_) => None,
        }
    }

    #[test]
    fn faults_of_quotes_have_a_position() {
        use IssueKind::{BackslashQuote, BlankBeforeQuote, TextAfterQuote};
        for (raw, expected) in [
            ("\"a\"b,c", (TextAfterQuote, 0, 4)),
            ("\"a\" b,c", (TextAfterQuote, 0, 5)),
            ("\"a\"\u{a0}b,c", (TextAfterQuote, 0, 5)),
            ("\"a\" \u{200b},c", (TextAfterQuote, 0, 5)),
            ("c,\"a\"\"\"b\r\n", (TextAfterQuote, 0, 8)),
            ("\"a,b\n\"c\",d", (TextAfterQuote, 1, 2)),
            ("x,\"say \\\"hi\\\"\"", (BackslashQuote, 0, 3)),
            ("x,\\\"hi\\\"", (BackslashQuote, 0, 3)),
            ("x, \"hi\"", (BlankBeforeQuote, 0, 3)),
            ("\u{a0}\t\"hi\"", (BlankBeforeQuote, 0, 1)),
            ("\u{200b}\"hi\"", (BlankBeforeQuote, 0, 1)),
        ] {
            assert_eq!(broken(raw), Some(expected), "{raw}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_named_by_its_code_point() {
        for (raw, part) in [
            ("\"a\"\u{200b},b", "U+200B, which is invisible, follows a closing quote"),
            ("\"a\" \u{feff}x,b", "U+FEFF, which is invisible, follows"),
            ("\u{200b}\"a\",b", "U+200B, which is invisible, comes before the quote"),
        ] {
            let Quotes::Broken(_, complaint) = inspect(raw.as_bytes(), b',') else { panic!("{raw}") };
            assert!(complaint.message.starts_with(part), "{complaint:?}");
        }
    }

    #[test]
    fn honest_quotes_are_good() {
        for raw in
            ["\"a\" ,b", "\"a\"\t", "\"a\"\u{a0},b", "\"a\"\"b\",c", "a\"b\"c", "\"C:\\x\\\",b", "a b\"c,d"]
        {
            assert_eq!(broken(raw), None, "{raw}");
        }
    }

    #[test]
    fn cells_that_may_hide_rows_are_found_with_their_lines() {
        let raw = b"a,\"b\nc@x,d,e\nf\",g@x\n";
        let Quotes::MayHideRows(cell) = inspect(raw, b',') else { panic!() };
        let lines: Vec<&[u8]> = hidden_lines(raw, cell).collect();
        assert_eq!(lines, [&b"b"[..], b"c@x,d,e", b"f", b"f\",g@x"]);
        for good in ["a,\"b\nc@x\"", "a,\"b\nc,d\"", "a,\"b,c@x\"", "\"a@x\",\"b,\nc\""] {
            assert_eq!(inspect(good.as_bytes(), b','), Quotes::Good, "{good}");
        }
    }
}
