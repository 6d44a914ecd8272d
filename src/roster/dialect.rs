//! How a file is written: its delimiter, where its header begins, and what its columns mean.
//!
//! Main type: [`Dialect`], which is all that is needed to stream the same rows again. Looks at
//! the first bytes of a file only.

use serde::{Deserialize, Serialize};

use super::header_map::{Columns, recognised};
use super::issue::{Complaint, Issue, IssueKind, Position};
use super::not_csv::foreign;
use super::preamble;
use super::select::Settings;

/// The delimiters that are found out, the likeliest first.
pub const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// How much of a file is looked at to find its delimiter, in bytes.
pub(super) const SAMPLE: usize = 64 << 10;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// How a roster is written and what its columns mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialect {
    /// The byte between cells.
    pub delimiter: u8,
    /// Whether the file begins with a byte order mark.
    pub has_bom: bool,
    /// The byte of the file at which the CSV begins: after the mark and lines `sep=;`.
    pub start: u64,
    /// The physical line of that byte.
    pub start_line: u32,
    /// The headers as the file spells them.
    pub headers: Vec<String>,
    /// Which header means which column.
    pub columns: Columns,
}

/// What the first bytes show, before the header has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beginning {
    pub delimiter: u8,
    pub has_bom: bool,
    pub start: u64,
    pub start_line: u32,
}

/// Looks at the first bytes; refuses what is not text in UTF-8 at first sight, and a header that has
/// something above it.
pub(super) fn begin(sample: &[u8], settings: &Settings) -> Result<Beginning, Issue> {
    let at_start = |complaint: Complaint| complaint.at(Position { line: 1, column: 1 });
    if let Some(name) = wide(sample) {
        let message = format!("the file is in {name}, only UTF-8 can be read");
        let complaint = Complaint::new(IssueKind::Utf16, message).hint("save it as `CSV UTF-8`");
        return Err(at_start(complaint));
    }
    if let Some(complaint) = foreign(sample) {
        return Err(at_start(complaint));
    }
    let has_bom = sample.starts_with(BOM);
    let mut start = if has_bom { BOM.len() } else { 0 };
    let mut start_line = 1;
    let mut named = None;
    while let Some(line) = preamble::separator_line(&sample[start..]) {
        named = line.delimiter.or(named);
        start += line.length;
        start_line += line.lines;
    }
    let body = &sample[start..];
    let given = settings.delimiter;
    let delimiter = given.unwrap_or_else(|| detect(body, named, settings));
    let possible: Vec<u8> =
        given.map_or_else(|| named.into_iter().chain(DELIMITERS).collect(), |given| vec![given]);
    match preamble::header_below(body, delimiter, &possible, settings) {
        Some((line, complaint)) => {
            Err(complaint.at(Position { line: start_line.saturating_add(line), column: 1 }))
        }
        None => Ok(Beginning { delimiter, has_bom, start: start as u64, start_line }),
    }
}

/// Text whose characters have two or four bytes each, by its mark or its zeros.
fn wide(sample: &[u8]) -> Option<&'static str> {
    match sample {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => Some("UTF-32"),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Some("UTF-16"),
        sample if is_utf32(sample) => Some("UTF-32"),
        sample if is_utf16(sample) => Some("UTF-16"),
        _ => None,
    }
}

/// Text in UTF-32 without a mark has three zeros in nearly every four bytes.
fn is_utf32(sample: &[u8]) -> bool {
    let units = || sample.chunks_exact(4).take(32);
    let wide = |unit: &[u8]| {
        matches!(unit, [0, 0, 0, last] if *last != 0) || matches!(unit, [first, 0, 0, 0] if *first != 0)
    };
    let count = units().count();
    count >= 2 && units().filter(|unit| wide(unit)).count() * 4 >= count * 3
}

/// Text in UTF-16 without a mark has a zero in nearly every other byte.
fn is_utf16(sample: &[u8]) -> bool {
    let sample = &sample[..sample.len().min(128) & !1];
    if sample.len() < 8 {
        return false;
    }
    let zeros = |odd: usize| sample.iter().skip(odd).step_by(2).filter(|&&b| b == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    let most = sample.len() / 2 * 3 / 4;
    (even >= most && odd == 0) || (odd >= most && even == 0)
}

/// The delimiter under which the header has the most known names, and the rows its width; the one
/// that a line `sep=;` names if another is not better.
fn detect(sample: &[u8], named: Option<u8>, settings: &Settings) -> u8 {
    const ROWS: usize = 20;
    let score = |delimiter: u8| {
        let mut records = preamble::records(sample, delimiter).map(|(_, cells)| cells);
        let Some(header) = records.next() else { return (0, false, 0, 0) };
        let width = header.len();
        let known = recognised(header.iter().map(String::as_str), settings);
        let even = records.take(ROWS).filter(|cells| cells.len() == width).count();
        (known, width > 1, even, width)
    };
    let mut best = named.unwrap_or(DELIMITERS[0]);
    let mut most = score(best);
    for delimiter in DELIMITERS {
        let this = score(delimiter);
        if this > most {
            (best, most) = (delimiter, this);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(sample: &[u8]) -> Beginning {
        begin(sample, &Settings::default()).unwrap()
    }

    #[test]
    fn the_delimiter_is_found_in_header_and_rows() {
        for (sample, delimiter) in [
            ("email,role,workspace\na@b.co,admin,x;y\n", b','),
            ("email;role;workspace\na@b.co;admin;\"x;y\"\n", b';'),
            ("email\trole\tworkspace\n", b'\t'),
            ("\"email\"|\"role\"|\"workspace\"\n", b'|'),
            ("email\na@b.co\n", b','),
            ("\"notes; more, and more\";email;role;workspace\n", b';'),
            ("a;b\n1;2\n", b';'),
            ("", b','),
        ] {
            assert_eq!(found(sample.as_bytes()).delimiter, delimiter, "{sample}");
        }
    }

    #[test]
    fn a_delimiter_given_by_the_user_wins() {
        let settings = Settings { delimiter: Some(b'|'), ..Settings::default() };
        assert_eq!(begin(b"email,role\n", &settings).unwrap().delimiter, b'|');
    }

    #[test]
    fn the_mark_and_the_separator_line_are_stepped_over() {
        let beginning = found(b"\xEF\xBB\xBFsep=;\r\nemail;role\r\n");
        assert_eq!(beginning, Beginning { delimiter: b';', has_bom: true, start: 10, start_line: 2 });
    }

    #[test]
    fn a_separator_line_that_names_another_delimiter_than_the_file_has_is_not_believed() {
        for (sample, delimiter) in [
            ("sep=,\r\nemail;role;workspace\r\n", b';'),
            ("sep=\t\nemail|role|workspace\n", b'|'),
            ("sep=^\nemail^role^workspace\n", b'^'),
            ("sep=;\nemail\n", b';'),
            ("\"sep=;\"\remail,role,workspace\r", b','),
        ] {
            assert_eq!(found(sample.as_bytes()).delimiter, delimiter, "{sample}");
        }
    }

    #[test]
    fn what_is_not_utf8_text_is_refused_at_first_sight() {
        let utf16: Vec<u8> = "email,role,workspace\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "email,role,workspace\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (sample, kind) in [
            (&b"\xFF\xFEe\0"[..], IssueKind::Utf16),
            (&b"\xFE\xFF\0e"[..], IssueKind::Utf16),
            (&utf16[..], IssueKind::Utf16),
            (&big[..], IssueKind::Utf16),
            (&b"PK\x03\x04"[..], IssueKind::NotText),
            (&b"\x1F\x8B\x08"[..], IssueKind::NotText),
        ] {
            assert_eq!(begin(sample, &Settings::default()).unwrap_err().kind, kind);
        }
    }

    #[test]
    fn characters_of_two_and_of_four_bytes_are_distinguished() {
        let text = "\u{feff}email,role,workspace\n";
        let wide = |unit: fn(u32) -> Vec<u8>| text.chars().map(u32::from).flat_map(unit).collect::<Vec<u8>>();
        let half = |unit: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(unit).collect::<Vec<u8>>();
        for (bytes, size, name) in [
            (wide(|unit| unit.to_le_bytes().to_vec()), 4, "UTF-32"),
            (wide(|unit| unit.to_be_bytes().to_vec()), 4, "UTF-32"),
            (half(u16::to_le_bytes), 2, "UTF-16"),
            (half(u16::to_be_bytes), 2, "UTF-16"),
        ] {
            for sample in [&bytes[..], &bytes[size..]] {
                let issue = begin(sample, &Settings::default()).unwrap_err();
                assert!(issue.message().contains(name), "{sample:?}: {issue:?}");
            }
        }
    }
}
