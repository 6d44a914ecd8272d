//! Recognises files that are not CSV at all by their first bytes.
//!
//! Main function: [`foreign`]. It names what such a file is, in one sentence, so that users need
//! not guess from complaints about columns.

use super::issue::{Complaint, IssueKind};
use super::scan::physical_lines;

/// How a file of some kind begins, what it is, and what to do about it.
type Sign = (&'static [u8], &'static str, &'static str);

const EXPORT: &str = "open it in the program it belongs to and save it as `CSV UTF-8`";
const UNPACK: &str = "unpack it first";
const FETCH: &str = "fetch or export the roster itself again";

/// The signs of files that people have at hand instead of a roster.
const SIGNS: [Sign; 42] = [
    (b"\xD0\xCF\x11\xE0", "an old Excel workbook (xls) or another Office document", EXPORT),
    (b"%PDF-", "a PDF", "export the table it came from as `CSV UTF-8`"),
    (b"\x1F\x8B", "compressed with gzip", "unpack it first: gunzip -c FILE | houston-onboard validate -"),
    (
        b"\x28\xB5\x2F\xFD",
        "compressed with zstd",
        "unpack it first: zstd -dc FILE | houston-onboard validate -",
    ),
    (b"BZh", "compressed with bzip2", "unpack it first: bunzip2 -c FILE | houston-onboard validate -"),
    (b"\xFD7zXZ\0", "compressed with xz", "unpack it first: xz -dc FILE | houston-onboard validate -"),
    (b"\x04\x22\x4D\x18", "compressed with lz4", UNPACK),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive", UNPACK),
    (b"Rar!\x1A\x07", "a RAR archive", UNPACK),
    (b"PAR1", "a Parquet file", "write it out as CSV first"),
    (b"ORC", "an ORC file", "write it out as CSV first"),
    (b"Obj\x01", "an Avro file", "write it out as CSV first"),
    (b"ARROW1", "an Arrow file", "write it out as CSV first"),
    (b"SQLite format 3\0", "a SQLite database", "export the table as CSV first"),
    (b"\x89PNG", "a picture (PNG)", FETCH),
    (b"\xFF\xD8\xFF", "a picture (JPEG)", FETCH),
    (b"GIF8", "a picture (GIF)", FETCH),
    (b"\x7FELF", "a program", FETCH),
    (b"{\\rtf", "a text document (RTF)", EXPORT),
    (b"MIME-Version:", "a web archive (MHTML), not a table", EXPORT),
    (b"\0\x05\x16\x07", "a macOS AppleDouble (`._`) file", "name the file without `._`"),
    (b"bplist00", "a property list", "export the table as CSV first"),
    (b"[InternetShortcut]", "a link to a page", FETCH),
    (b"-----BEGIN PGP", "encrypted or signed with PGP", "decrypt it first"),
    (b"age-encryption.org/", "encrypted with age", "decrypt it first"),
    (b"$ANSIBLE_VAULT;", "encrypted with Ansible Vault", "decrypt it first"),
    (b"Return-Path:", "an email", "save its attachment instead"),
    (b"Received:", "an email", "save its attachment instead"),
    (b"diff --git ", "a patch", "apply it first"),
    (b"INSERT INTO ", "SQL", "export the table as CSV instead"),
    (b"CREATE TABLE ", "SQL", "export the table as CSV instead"),
    (b"BEGIN:VCALENDAR", "a calendar", "export the people as CSV instead"),
    (b"-----BEGIN ", "a PEM file, such as a certificate or a key", "name the roster instead"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "fetch the file: git lfs pull"),
    (b"/annex/objects/", "a git-annex pointer, not the file itself", "fetch the file: git annex get FILE"),
    (b"<<<<<<< ", "a file with a merge conflict", "resolve the conflict first"),
    (b"dn: ", "an LDIF export of a directory", "export the people as CSV instead"),
    (b"BEGIN:VCARD", "an address book (vCard)", "export the people as CSV instead"),
    (b"HTTP/1.", "an HTTP answer with its headers", "save its body only"),
    (b"%YAML", "YAML", "convert it to CSV first"),
    (b"+---", "a table drawn with characters", "export it as CSV instead"),
    (b"#!/", "a script", "name the file that it writes"),
];

/// What a file that is not CSV is, by its first bytes.
pub(super) fn foreign(sample: &[u8]) -> Option<Complaint> {
    let text = sample.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(sample).trim_ascii_start();
    let (what, hint) = archive(sample)
        .or_else(|| {
            SIGNS.iter().find(|(sign, ..)| text.starts_with(sign)).map(|&(_, what, hint)| (what, hint))
        })
        .or_else(|| markup(text))
        .or_else(|| data(text))?;
    Some(Complaint::new(IssueKind::NotText, format!("this is {what}, not a CSV file")).hint(hint))
}

/// Zip archives, which workbooks are, and tar archives.
fn archive(sample: &[u8]) -> Option<(&'static str, &'static str)> {
    if sample.get(257..262) == Some(b"ustar") {
        return Some(("a tar archive", UNPACK));
    }
    if ![b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"].iter().any(|sign| sample.starts_with(*sign)) {
        return None;
    }
    let what = if contains(sample, b"opendocument.spreadsheet") {
        "a spreadsheet (ods)"
    } else if contains(sample, b"word/") {
        "a Word document (docx)"
    } else if contains(sample, b"xl/") {
        "an Excel workbook (xlsx)"
    } else {
        return Some((
            "a spreadsheet or an archive (xlsx or zip)",
            "save the sheet as `CSV UTF-8`, or unpack the archive",
        ));
    };
    Some((what, "open it and save the sheet as `CSV UTF-8`"))
}

/// HTML and XML.
fn markup(text: &[u8]) -> Option<(&'static str, &'static str)> {
    let [b'<', second, ..] = text else { return None };
    if !matches!(second, b'!' | b'?' | b'/') && !second.is_ascii_alphabetic() {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let is = |sign: &[u8]| contains(&lower, sign);
    let is_html = is(b"<html") || is(b"<!doctype html") || is(b"<table") || is(b"<head") || is(b"<body");
    Some(if is(b"office:spreadsheet") && !is_html {
        ("an Excel workbook in XML", EXPORT)
    } else if is_html && is(b"<t") && is(b"<td") {
        ("an HTML table", "some programs call it .xls: open it in a spreadsheet and save it as `CSV UTF-8`")
    } else if is_html || is(b"<meta") || is(b"<script") || is(b"<div") || is(b"<p>") {
        ("an HTML page", "it may be a login or an error page: download the roster again and look at the file")
    } else if is(b"<?xml") {
        ("XML", "convert it to CSV first")
    } else {
        ("HTML or XML", "download or export the roster again and look at the file")
    })
}

/// JSON, YAML and tables of Markdown.
fn data(text: &[u8]) -> Option<(&'static str, &'static str)> {
    let inner = text.get(1..).unwrap_or_default().trim_ascii_start().first();
    match (text.first(), inner) {
        (Some(b'{'), None | Some(b'"' | b'}')) | (Some(b'['), None | Some(b'{' | b'"' | b'[' | b']')) => {
            return Some(("JSON", "convert it to CSV first"));
        }
        _ => {}
    }
    let mut lines = physical_lines(text);
    let (first, second) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    if first == b"---" {
        return Some(("YAML", "convert it to CSV first"));
    }
    let rule = |b: &u8| matches!(b, b'|' | b'-' | b':' | b' ' | b'\t');
    (contains(second, b"---") && second.contains(&b'|') && second.iter().all(rule))
        .then_some(("a table in Markdown", "export it as CSV instead"))
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_csv_are_named() {
        for (sample, name) in [
            (&b"<!DOCTYPE html>\n<html><head></head>"[..], "HTML page"),
            (
                b"\xEF\xBB\xBF \r\n<HTML xmlns:x=\"urn:schemas-microsoft-com:office:excel\"><TABLE><TR><TD>",
                "HTML table",
            ),
            (b"<?xml version=\"1.0\"?><!DOCTYPE html><html>", "HTML page"),
            (b"<table border=1><tr><td>email</td>", "HTML table"),
            (
                b"<?xml version=\"1.0\"?><Workbook xmlns=\"urn:schemas-microsoft-com:office:spreadsheet\">",
                "Excel",
            ),
            (b"<people><person/></people>", "XML"),
            (b"%PDF-1.4\n", "PDF"),
            (b"\x1F\x8B\x08", "gzip"),
            (b"\x28\xB5\x2F\xFD\x04", "zstd"),
            (b"BZh91AY", "bzip2"),
            (b"\xFD7zXZ\0\0", "xz"),
            (b"PK\x03\x04\x14\0xl/workbook.xml", "xlsx"),
            (b"PK\x03\x04\x14\0[Content_Types].xml", "xlsx or zip"),
            (b"PK\x03\x04mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "ods"),
            (b"PK\x05\x06", "zip"),
            (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", "xls"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:3a\n", "Git LFS"),
            (b"{\"email\": \"a@example.com\"}", "JSON"),
            (b"[\n  {\"email\": 1}]", "JSON"),
            (b"[[\"email\"]]", "JSON"),
            (b"---\n- email: a\n", "YAML"),
            (b"PAR1\x15\x04", "Parquet"),
            (b"-----BEGIN CERTIFICATE-----\nMII", "PEM"),
            (b"| email | role |\n| --- | --- |\n| a | b |\n", "Markdown"),
            (b"email | role\n---|---\n", "Markdown"),
            (b"+-------+------+\n| email | role |\n", "drawn"),
            (b"SQLite format 3\0", "SQLite"),
        ] {
            let found = foreign(sample).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(sample)));
            assert!(found.message.contains(name), "{found:?}");
            assert_eq!(found.kind, IssueKind::NotText);
        }
    }

    #[test]
    fn rosters_are_not_taken_for_something_else() {
        for sample in [
            &b"email,role,workspace\n"[..],
            b"\xEF\xBB\xBF\"email\";\"role\"\n",
            b"",
            b"|email|role|\n|a@example.com|admin|\n",
            b"email|role\n-|-\n",
            b"# note\nemail,role\n",
            b"[email],[role]\n",
            b"<email>;role\n".strip_prefix(b"<").unwrap(),
            b"dn,email,role\n",
        ] {
            assert_eq!(foreign(sample), None, "{}", String::from_utf8_lossy(sample));
        }
    }
}
