//! What lies above the header of a file: a line `sep=;`, which is stepped over, and titles and
//! comments, which are not, because they may hold rows.
//!
//! Main functions: [`separator_line`] and [`header_below`]. They look at the first bytes of a file
//! only.

use csv::ByteRecord;

use super::email::is_bare_email;
use super::header_map::{recognised, resolve};
use super::issue::{Complaint, IssueKind, quoted};
use super::scan::line_ends;
use super::select::{Settings, parse_delimiter};

/// How many records are searched for a header.
const SEARCHED: usize = 100;

/// A line `sep=;` that spreadsheets write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SeparatorLine {
    /// The delimiter it names, if it is one that can be.
    pub delimiter: Option<u8>,
    /// Its length in bytes, with its end and the blank lines above it.
    pub length: usize,
    /// How many physical lines these are.
    pub lines: u32,
}

/// The first line if it is one such as `sep=;`, in any case, in quotes, with blanks, or filled up
/// with delimiters.
pub(super) fn separator_line(sample: &[u8]) -> Option<SeparatorLine> {
    let above = sample.iter().take_while(|b| matches!(b, b'\n' | b'\r')).count();
    let rest = &sample[above..];
    let end = rest.iter().position(|b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
    let line = std::str::from_utf8(&rest[..end]).ok()?;
    let delimiter = named(value(line)?);
    let length = above + end + line_end(&rest[end..]);
    Some(SeparatorLine { delimiter, length, lines: line_ends(&sample[..length]) })
}

fn line_end(bytes: &[u8]) -> usize {
    match bytes {
        [b'\r', b'\n', ..] => 2,
        [b'\r' | b'\n', ..] => 1,
        _ => 0,
    }
}

/// What follows `sep=` in such a line: a character, and signs that fill the line up; none for
/// another line.
fn value(line: &str) -> Option<&str> {
    let (name, value) = line.trim_start_matches(is_around).split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("sep") {
        return None;
    }
    let value = value.trim_start_matches(['"', ' ']);
    let mut characters = value.chars();
    let named = characters.next();
    let fills = |c: char| is_around(c) || Some(c) == named || matches!(c, ',' | ';' | '\t' | '|');
    let is_character = characters.all(fills) && !named.is_some_and(char::is_alphanumeric);
    (is_character || is_tab(value)).then_some(value)
}

/// The delimiter that it names, if it is one that can be.
fn named(value: &str) -> Option<u8> {
    if is_tab(value) {
        return Some(b'\t');
    }
    parse_delimiter(value.chars().next()?.encode_utf8(&mut [0; 4])).ok()
}

fn is_tab(value: &str) -> bool {
    let value = value.trim_matches(is_around);
    value.eq_ignore_ascii_case("tab") || value.eq_ignore_ascii_case("\\t")
}

/// Blanks and quotes.
fn is_around(c: char) -> bool {
    matches!(c, '"' | '\'' | '\u{FEFF}') || c.is_whitespace()
}

/// A header further down than at the beginning: how many lines above it, and what to say about it.
/// `delimiter` is the one that was found for the first line.
pub(super) fn header_below(
    body: &[u8],
    delimiter: u8,
    possible: &[u8],
    settings: &Settings,
) -> Option<(u32, Complaint)> {
    let first = records(body, delimiter).next()?.1;
    if resolve(&first, settings).is_ok() {
        return None;
    }
    let known = |headers: &[String]| recognised(headers.iter().map(String::as_str), settings);
    let first_says_nothing =
        possible.iter().all(|&other| records(body, other).next().is_none_or(|(_, first)| known(&first) == 0));
    let is_header =
        |headers: &[String]| resolve(headers, settings).is_ok() || (first_says_nothing && known(headers) > 1);
    let found = possible.iter().filter_map(|&other| {
        let mut above = Vec::new();
        let found = records(body, other).find(|(_, cells)| {
            let found = is_header(cells);
            if !found {
                above.push(cells.clone());
            }
            found
        })?;
        // A row above would be deleted with the titles.
        let is_row = |cells: &Vec<String>| {
            cells.len() == found.1.len() && cells.iter().any(|cell| is_bare_email(cell))
        };
        (!above.iter().any(is_row)).then_some(found)
    });
    let (at, headers) = found.min_by_key(|&(at, _)| at)?;
    let lines = line_ends(&body[..at]);
    let shown = headers.iter().map(|header| header.trim()).collect::<Vec<_>>().join(", ");
    let message = format!("the header begins here, not on the first line: {}", quoted(&shown));
    let complaint = Complaint::new(IssueKind::HeaderFurtherDown, message)
        .hint("delete the lines above it: titles and comments are not part of a CSV file");
    Some((lines, complaint))
}

/// The first records that are not blank, with the byte where each begins.
pub(super) fn records(body: &[u8], delimiter: u8) -> impl Iterator<Item = (usize, Vec<String>)> {
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).has_headers(false).from_reader(body);
    let mut record = ByteRecord::new();
    std::iter::from_fn(move || {
        let before = usize::try_from(reader.position().byte()).ok()?;
        if !matches!(reader.read_byte_record(&mut record), Ok(true)) {
            return None;
        }
        let blank = body[before..].iter().take_while(|b| matches!(b, b'\n' | b'\r')).count();
        let cells = record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect();
        Some((before + blank, cells))
    })
    .filter(|(_, cells): &(usize, Vec<String>)| cells.iter().any(|cell| !cell.trim().is_empty()))
    .take(SEARCHED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separator_lines_are_known_in_any_spelling() {
        for (sample, delimiter, length, lines) in [
            ("sep=;\nx", Some(b';'), 6, 1),
            ("SEP=,\r\nx", Some(b','), 7, 1),
            ("\"sep=,\"\r\n", Some(b','), 9, 1),
            ("\"sep=;\",,,\n", Some(b';'), 11, 1),
            ("sep=;;;\r", Some(b';'), 8, 1),
            ("sep=,;;;", Some(b','), 8, 0),
            (" Sep = ;\n", Some(b';'), 9, 1),
            ("sep=\t\n", Some(b'\t'), 6, 1),
            ("sep=\\t\n", Some(b'\t'), 7, 1),
            ("\r\n\nsep=^\r\n", Some(b'^'), 10, 3),
            ("sep=\n", None, 5, 1),
        ] {
            let found = separator_line(sample.as_bytes());
            assert_eq!(found, Some(SeparatorLine { delimiter, length, lines }), "{sample:?}");
        }
        for other in ["", "sep", "sep=x\n", "email,sep=;\n", "sep=;,email\n", "separator=;\n"] {
            assert_eq!(separator_line(other.as_bytes()), None, "{other:?}");
        }
    }

    fn below(text: &str) -> Option<u32> {
        let possible = [b',', b';', b'\t', b'|'];
        let found = header_below(text.as_bytes(), b',', &possible, &Settings::default());
        found.map(|(line, complaint)| {
            assert_eq!(complaint.kind, IssueKind::HeaderFurtherDown);
            line + 1
        })
    }

    #[test]
    fn a_header_below_titles_and_comments_is_found() {
        for (text, line) in [
            ("Access review\n\nemail,role,workspace\n", 3),
            ("# a\r\n# b\r\nemail;role;workspace\r\n", 3),
            ("Team,,\remail,role,workspace\r", 2),
            ("Contact hr@example.com,,\nemail,role,workspace\n", 2),
            ("Contact: hr@example.com\nUser,Role,Workspace_Label\n", 2),
            ("People\nuser,role\n", 2),
            ("\"Two\nlines\"\nemail,role,workspace\n", 3),
        ] {
            assert_eq!(below(text), Some(line), "{text:?}");
        }
    }

    #[test]
    fn no_hint_says_to_delete_rows() {
        for text in [
            "email,role,workspace\nx\n",
            "\n\nemail,role,workspace\n",
            ",,\n ,,\nemail,role,workspace\n",
            "\u{a0}\n\u{3000},,\nemail,role,workspace\n",
            "a@example.com,admin,F\nemail,role,workspace\n",
            "emial,role,workspace\na@example.com,admin,F\nemail,role,workspace\n",
            "emial,role,workspace\na@example.com,admin,F\n",
            "x,y,z\n",
            "\"Work\nMail\",role,workspace\n",
        ] {
            assert_eq!(below(text), None, "{text:?}");
        }
    }
}
