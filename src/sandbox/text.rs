//! The bytes of a state file as text, or the reason why they are not text.
//!
//! Main function: [`text_of`]. It knows files that people pass instead of a state by their
//! first bytes, and shares nothing with the roster reader of the client.

use super::state::{Position, StateError};

/// How files of other kinds begin, and what they are.
const SIGNS: [(&[u8], &str); 14] = [
    (b"\xD0\xCF\x11\xE0", "an old Excel workbook (xls)"),
    (b"%PDF-", "a PDF"),
    (b"\x1F\x8B", "compressed with gzip"),
    (b"\x28\xB5\x2F\xFD", "compressed with zstd"),
    (b"BZh", "compressed with bzip2"),
    (b"\xFD7zXZ\0", "compressed with xz"),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
    (b"HTTP/1.", "an HTTP response with its headers"),
    (b"-----BEGIN ", "a PEM file"),
    (b"---\n", "YAML"),
    (b"---\r\n", "YAML"),
];

/// The text of a file, without its byte order mark.
pub(super) fn text_of(bytes: Vec<u8>) -> Result<String, StateError> {
    if let Some(name) = wide(&bytes) {
        return Err(StateError::Wide(name));
    }
    if let Some(what) = foreign(&bytes) {
        return Err(StateError::Foreign(what));
    }
    if let Some(at) = bytes.iter().position(|&byte| byte == 0) {
        return Err(position_of(&bytes[..at]).wrong("a NUL byte: this is not plain text"));
    }
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let (at, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
        position_of(&bytes[..at])
            .wrong(format!("the byte 0x{:02X} is not UTF-8: save it as CSV UTF-8", bytes[at]))
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

/// The position after some bytes.
fn position_of(before: &[u8]) -> Position {
    let text = String::from_utf8_lossy(before);
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let last = text.rsplit('\n').next().unwrap_or_default();
    Position::Text { line: text.matches('\n').count() + 1, column: last.chars().count() + 1 }
}

/// The encoding of text whose characters have two or four bytes each.
fn wide(bytes: &[u8]) -> Option<&'static str> {
    let zeros = bytes.first_chunk::<4>().map(|first| first.map(|byte| byte == 0));
    match (bytes, zeros) {
        ([0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..], _)
        | (_, Some([true, true, true, false] | [false, true, true, true])) => Some("UTF-32"),
        ([0xFF, 0xFE, ..] | [0xFE, 0xFF, ..], _)
        | (_, Some([true, false, true, false] | [false, true, false, true])) => Some("UTF-16"),
        _ => None,
    }
}

/// What the file is if it is neither JSON nor a table.
fn foreign(bytes: &[u8]) -> Option<&'static str> {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return Some("an Excel workbook (xlsx), another spreadsheet or a zip archive");
    }
    if let [b'<', second, ..] = text
        && (second.is_ascii_alphabetic() || matches!(second, b'!' | b'?'))
    {
        return Some("an HTML page or XML");
    }
    SIGNS.iter().find(|(sign, _)| text.starts_with(sign)).map(|&(_, what)| what)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_named() {
        let wide =
            |unit: fn(u16) -> Vec<u8>| "email,role\n".encode_utf16().flat_map(unit).collect::<Vec<u8>>();
        for (bytes, name) in [
            (wide(|unit| unit.to_le_bytes().to_vec()), "UTF-16"),
            (wide(|unit| unit.to_be_bytes().to_vec()), "UTF-16"),
            (wide(|unit| u32::from(unit).to_le_bytes().to_vec()), "UTF-32"),
            (wide(|unit| u32::from(unit).to_be_bytes().to_vec()), "UTF-32"),
            (b"\xFF\xFEe\0".to_vec(), "UTF-16"),
            (b"\xFF\xFE\0\0e\0\0\0".to_vec(), "UTF-32"),
            (b"PK\x03\x04aaaa".to_vec(), "xlsx"),
            (b"\xEF\xBB\xBF\n<html></html>".to_vec(), "HTML"),
            (b"%PDF-1.4".to_vec(), "PDF"),
        ] {
            let error = text_of(bytes).unwrap_err();
            assert!(matches!(error, StateError::Foreign(_) | StateError::Wide(_)), "{name}: {error:?}");
            assert!(error.to_string().contains(name), "{error}");
        }
    }

    #[test]
    fn bad_bytes_have_a_position() {
        for (bytes, position) in [
            (&b"email,role\r\nb\xC3\xA9,\xFF"[..], ":2:4"),
            (b"\xEF\xBB\xBFa\0", ":1:2"),
            (b"a\rb\rcd\0", ":3:3"),
        ] {
            assert_eq!(text_of(bytes.to_vec()).unwrap_err().position(), position);
        }
        assert_eq!(text_of(b"\xEF\xBB\xBFemail".to_vec()).unwrap(), "email");
    }
}
