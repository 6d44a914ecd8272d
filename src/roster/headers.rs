//! Headers that would mean a column if something had not spoilt them: characters that cannot be seen,
//! quotes too many, a whole line that is one cell.
//!
//! Main function: [`spoilt`]. It says what such a header is, instead of which column is missing.

use super::dialect::DELIMITERS;
use super::email::is_invisible;
use super::header_map::{means_a_column, recognised};
use super::issue::{Complaint, IssueKind, quoted};
use super::select::{Settings, parse_delimiter};

/// Signs that are put around a text.
const AROUND: [char; 12] = [
    '"', '\'', '`', '\\', '\u{201C}', '\u{201D}', '\u{201E}', '\u{2018}', '\u{2019}', '\u{AB}', '\u{BB}',
    '\u{B4}',
];

/// Signs between cells that are not delimiters unless the user says so, with their names.
pub(super) const OTHERS: [(char, &str); 14] = [
    (' ', "spaces"),
    (':', "`:`"),
    ('^', "`^`"),
    ('~', "`~`"),
    ('/', "`/`"),
    ('#', "`#`"),
    ('\u{FF0C}', "full-width commas (U+FF0C)"),
    ('\u{FF1B}', "full-width semicolons (U+FF1B)"),
    ('\u{FF5C}', "full-width bars (U+FF5C)"),
    ('\u{3001}', "ideographic commas (U+3001)"),
    ('\u{60C}', "Arabic commas (U+060C)"),
    ('\u{61B}', "Arabic semicolons (U+061B)"),
    ('\u{1}', "the control character U+0001"),
    ('\u{1F}', "the control character U+001F"),
];

/// What spoils the headers, with the number of the header cell it is about.
pub(super) fn spoilt(headers: &[String], delimiter: u8, settings: &Settings) -> Vec<(usize, Complaint)> {
    if let Some(complaint) = one_cell(headers, delimiter, settings) {
        return vec![(0, complaint)];
    }
    let unknown = || headers.iter().enumerate().filter(|(_, header)| !means_a_column(header, settings));
    let invisible: Vec<_> =
        unknown().filter_map(|(cell, header)| Some((cell, invisible(header, settings)?))).collect();
    if !invisible.is_empty() {
        return invisible;
    }
    unknown().find_map(|(cell, header)| Some((cell, in_quotes(header, settings)?))).into_iter().collect()
}

/// All headers in one cell: the line is quoted, or has another delimiter.
fn one_cell(headers: &[String], delimiter: u8, settings: &Settings) -> Option<Complaint> {
    let (line, rest) = headers.split_first()?;
    if rest.iter().any(|header| !header.trim().is_empty()) {
        return None;
    }
    let means = |delimiter: u8| recognised(cells(line, delimiter).iter().map(String::as_str), settings) > 1;
    let other = DELIMITERS.into_iter().chain([delimiter]).find(|&delimiter| means(delimiter));
    if let (Some(other), Some(given)) = (other, settings.delimiter)
        && other != given
        && rest.is_empty()
    {
        let message = format!("the header is separated by {}, not by {}", name(other), name(given));
        return Some(
            Complaint::new(IssueKind::BrokenHeader, message)
                .hint("pass that delimiter, or leave --delimiter out")
                .about("delimiter"),
        );
    }
    if other.is_some() {
        return Some(
            Complaint::new(
                IssueKind::BrokenHeader,
                "the whole line is one quoted cell: the file was saved as CSV twice",
            )
            .hint("save the table once, or remove the quotes around each line"),
        );
    }
    let (other, name) = OTHERS.into_iter().find(|&(other, _)| recognised(line.split(other), settings) > 1)?;
    let message = format!("the header is separated by {name}, not by , ; | or tab");
    let can_be_named = parse_delimiter(other.encode_utf8(&mut [0; 4])).is_ok();
    let hint = if can_be_named {
        "save the file with one of these, or name another one with --delimiter"
    } else {
        "save the file with one of these"
    };
    Some(Complaint::new(IssueKind::BrokenHeader, message).hint(hint))
}

/// The cells of a line.
fn cells(line: &str, delimiter: u8) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(false)
        .from_reader(line.as_bytes());
    let record = reader.records().next().and_then(Result::ok).unwrap_or_default();
    record.iter().map(str::to_owned).collect()
}

/// What a delimiter is called in a message.
pub(super) fn name(delimiter: u8) -> String {
    match delimiter {
        b',' => "commas (`,`)".to_owned(),
        b';' => "semicolons (`;`)".to_owned(),
        b'\t' => "tabs".to_owned(),
        b'|' => "bars (`|`)".to_owned(),
        other => format!("`{}`", char::from(other)),
    }
}

/// A header that means a column without what cannot be seen in it.
fn invisible(header: &str, settings: &Settings) -> Option<Complaint> {
    let is_unseen = |c: char| is_invisible(c) && !c.is_whitespace();
    let index = header.trim_start().chars().position(is_unseen)?;
    let c = header.trim_start().chars().nth(index)?;
    let without: String = header.chars().filter(|&c| !is_unseen(c)).collect();
    // It may stand where a blank should be.
    let blank: String = header.chars().map(|c| if is_unseen(c) { ' ' } else { c }).collect();
    let plain = [without, blank].into_iter().find(|plain| means_a_column(plain, settings))?;
    Some({
        let message = format!(
            "the header {} has an invisible character in it: U+{:04X}, its character {}",
            quoted(plain.trim()),
            u32::from(c),
            index + 1
        );
        Complaint::new(IssueKind::BrokenHeader, message)
            .hint("delete that character, or write the header again")
    })
}

/// A header that means a column without signs around it.
fn in_quotes(header: &str, settings: &Settings) -> Option<Complaint> {
    let is_unseen = |c: char| c.is_whitespace() || is_invisible(c);
    let inner = header.trim_matches(|c: char| AROUND.contains(&c) || is_unseen(c));
    if !means_a_column(inner, settings) {
        return None;
    }
    let text = header.trim();
    let (what, hint) = if text.contains('\\') {
        ("has backslashes before its quotes, which CSV does not know", "delete them")
    } else if text.starts_with('"') && text.ends_with('"') {
        (
            "is quoted twice: the file was saved as CSV twice",
            "save the table once, with one pair of quotes at most",
        )
    } else {
        ("has characters around it that CSV does not treat as quotes", "delete them, or write \"")
    };
    let message = format!("the header {} {what}", quoted(text));
    Some(Complaint::new(IssueKind::BrokenHeader, message).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(headers: &[&str], settings: &Settings) -> Vec<(usize, String)> {
        let headers: Vec<String> = headers.iter().map(|&header| header.to_owned()).collect();
        let found = spoilt(&headers, b',', settings);
        found.into_iter().map(|(cell, complaint)| (cell, complaint.message)).collect()
    }

    #[test]
    fn what_spoils_a_header_is_named() {
        let plain = Settings::default();
        for (headers, cell, part) in [
            (&["email\u{200b}", "role"][..], 0, "U+200B, its character 6"),
            (&["email", "ro\u{ad}le"], 1, "U+00AD, its character 3"),
            (&["email", "deployment_roles\u{2060}"], 1, "U+2060"),
            (&["email,role,workspace"], 0, "one quoted cell"),
            (&["email;role", "", " "], 0, "one quoted cell"),
            (&["\"email\"", "\"role\""], 0, "quoted twice"),
            (&["email", "\\\"role\\\""], 1, "backslashes"),
            (&["\u{201C}email\u{201D}"], 0, "not treat as quotes"),
            (&["email role workspace"], 0, "separated by spaces"),
            (&["email:role"], 0, "separated by `:`"),
            (&["email\u{FF0C}role"], 0, "separated by full-width commas (U+FF0C)"),
            (&["email\u{1}role"], 0, "separated by the control character U+0001"),
        ] {
            let found = found(headers, &plain);
            assert_eq!(found.len(), 1, "{headers:?}: {found:?}");
            assert_eq!(found[0].0, cell, "{headers:?}");
            assert!(found[0].1.contains(part), "{headers:?}: {found:?}");
        }
        let given = Settings { delimiter: Some(b','), ..Settings::default() };
        assert!(found(&["email;role"], &given)[0].1.contains("separated by semicolons"));
    }

    #[test]
    fn other_headers_are_left_alone() {
        let plain = Settings::default();
        for headers in [
            &["email", "role", "workspace"][..],
            &["Work\nMail", "\u{a0}role "],
            &["e\u{200b}mial", "note\u{200b}", "\"note\""],
            &["email"],
            &["Access review, third quarter"],
        ] {
            assert_eq!(found(headers, &plain), [], "{headers:?}");
        }
        let own =
            Settings { columns: vec!["email=Work\u{200b}Mail".parse().unwrap()], ..Settings::default() };
        assert_eq!(found(&["work\u{200b}mail", "role"], &own), []);
        let own = Settings { columns: vec!["email=Work Mail".parse().unwrap()], ..Settings::default() };
        assert!(found(&["work\u{200b}mail", "role"], &own)[0].1.contains("U+200B, its character 5"));
    }
}
