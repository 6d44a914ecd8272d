//! How a file is written: its delimiter, where its header begins, and what its columns mean.
//!
//! Main type: [`Dialect`], which is all that is needed to stream the same rows again. Looks at
//! the first bytes of a file only.

use serde::{Deserialize, Serialize};

use super::columns::{Columns, recognised};
use super::issue::{Complaint, IssueKind};
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
    /// The byte of the file at which the CSV begins: after the mark and a line `sep=;`.
    pub start: u64,
    /// The physical line of that byte.
    pub start_line: u32,
    /// The headers as the file spells them.
    pub headers: Vec<String>,
    /// Which header means which column.
    pub columns: Columns,
}

/// What the first bytes tell, before the header has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beginning {
    pub delimiter: u8,
    pub has_bom: bool,
    pub start: u64,
    pub start_line: u32,
}

/// Looks at the first bytes; refuses what is not text in UTF-8 at first sight.
pub(super) fn begin(sample: &[u8], settings: &Settings) -> Result<Beginning, Complaint> {
    const AS_UTF8: &str = "save it as `CSV UTF-8`";
    let refuse = |kind, message: &str| Err(Complaint::new(kind, message).hint(AS_UTF8));
    if sample.starts_with(b"PK\x03\x04") || sample.starts_with(b"\xD0\xCF\x11\xE0") {
        return refuse(IssueKind::NotText, "this is a spreadsheet or an archive, not a CSV file");
    }
    if sample.starts_with(b"\x1F\x8B") {
        return Err(Complaint::new(IssueKind::NotText, "this is a compressed file, not a CSV file")
            .hint("unpack it first: gunzip -c FILE | houston-onboard validate -"));
    }
    if sample.starts_with(b"\xFF\xFE") || sample.starts_with(b"\xFE\xFF") || is_utf16(sample) {
        return refuse(IssueKind::Utf16, "the file is in UTF-16, only UTF-8 can be read");
    }
    let has_bom = sample.starts_with(BOM);
    let mut start = if has_bom { BOM.len() } else { 0 };
    let mut start_line = 1;
    let mut told = None;
    if let Some((delimiter, length)) = separator_line(&sample[start..]) {
        told = Some(delimiter);
        start += length;
        start_line = 2;
    }
    let body = &sample[start..];
    let delimiter = settings.delimiter.or(told).unwrap_or_else(|| detect(body, settings));
    Ok(Beginning { delimiter, has_bom, start: start as u64, start_line })
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

/// The first line `sep=;` that spreadsheets write, with its length in bytes.
fn separator_line(sample: &[u8]) -> Option<(u8, usize)> {
    let rest = sample.strip_prefix(b"sep=").or_else(|| sample.strip_prefix(b"SEP="))?;
    match rest {
        [delimiter, b'\r', b'\n', ..] if delimiter.is_ascii() && *delimiter != b'"' => Some((*delimiter, 7)),
        [delimiter, b'\n', ..] if delimiter.is_ascii() && !matches!(delimiter, b'"' | b'\r') => {
            Some((*delimiter, 6))
        }
        _ => None,
    }
}

/// The delimiter under which the header has the most known names, and the rows its width.
fn detect(sample: &[u8], settings: &Settings) -> u8 {
    const ROWS: usize = 20;
    let score = |delimiter: u8| {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .has_headers(false)
            .from_reader(sample);
        let mut record = csv::ByteRecord::new();
        if !matches!(reader.read_byte_record(&mut record), Ok(true)) {
            return (0, false, 0, 0);
        }
        let width = record.len();
        let known = recognised(record.iter().filter_map(|cell| std::str::from_utf8(cell).ok()), settings);
        let (mut rows, mut even) = (0, 0);
        while rows < ROWS && matches!(reader.read_byte_record(&mut record), Ok(true)) {
            rows += 1;
            even += usize::from(record.len() == width);
        }
        (known, width > 1, even, width)
    };
    let mut best = DELIMITERS[0];
    let mut most = score(best);
    for delimiter in DELIMITERS.into_iter().skip(1) {
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
}
