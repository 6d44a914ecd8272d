//! Texts from outside, escaped for the format they are put into.
//!
//! Main functions: [`markdown`], [`xml`] and [`json_line`]. They change how a text is written, never
//! what it says.

use std::io;

use serde::Serialize;

use crate::model::{escaped_json, inert, is_harmless, printable, stand_in};

/// A text for a cell of a Markdown table: it ends no cell and is nothing but text. A word that a
/// renderer could take for an address, a mention or an issue is put into a span of code, where
/// nothing has a meaning; what is in such a span already stays in one.
pub fn markdown(text: &str) -> String {
    in_markdown(text, |code| code.replace("\\|", "\\ |").replace('|', "\\|"))
}

/// The same for a line outside of a table.
pub fn markdown_line(text: &str) -> String {
    in_markdown(text, str::to_owned)
}

/// `coded` is how a text is written inside of a span of code.
fn in_markdown(text: &str, coded: fn(&str) -> String) -> String {
    let mut text = printable(text).into_owned();
    // An empty span is none, and must not hide that the words around it are one.
    while text.contains("``") {
        text = text.replace("``", "");
    }
    let mut line = String::with_capacity(text.len());
    for (index, part) in text.split('`').enumerate() {
        if index % 2 == 1 {
            line.push_str(&span(part, coded));
            continue;
        }
        let words: Vec<&str> = part.split(' ').collect();
        let alike = words.chunk_by(|a, b| is_inert(a) == is_inert(b)).map(|words| {
            let text = words.join(" ");
            if is_inert(words[0]) { escaped(&text) } else { span(&text, coded) }
        });
        line.push_str(&alike.collect::<Vec<_>>().join(" "));
    }
    line
}

/// Spans of code; the text has no backtick. What begins a tag stays outside, for readers that know
/// no such spans.
fn span(text: &str, coded: fn(&str) -> String) -> String {
    let code = |part: &str| if part.is_empty() { String::new() } else { format!("`{}`", coded(part)) };
    text.split('<').map(code).collect::<Vec<_>>().join("&lt;")
}

/// A text without the meaning that Markdown gives to some of its characters.
fn escaped(text: &str) -> String {
    let is_inside = |before: Option<char>| before.is_some_and(char::is_alphanumeric);
    let mut escaped = String::with_capacity(text.len());
    let mut before = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '_' if is_inside(before) && is_inside(rest.peek().copied()) => escaped.push('_'),
            '\\' | '|' | '[' | '*' | '_' => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
        before = Some(c);
    }
    escaped
}

/// Whether no renderer makes more of a word than text, once it is [`escaped`].
fn is_inert(word: &str) -> bool {
    let is_ended = |c: char| !c.is_alphanumeric() && c != '/';
    let mut rest = word.chars().peekable();
    while let Some(c) = rest.next() {
        let ends = rest.peek().is_none_or(|next| is_ended(*next));
        let is_text = match c {
            // A scheme, an issue, a milestone: with what comes after.
            ':' | '#' | '!' | '%' => ends,
            '&' => !rest.peek().is_some_and(char::is_ascii_digit),
            '@' | '$' | '~' | '^' | '`' => false,
            _ => true,
        };
        if !is_text {
            return false;
        }
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    !word.to_ascii_lowercase().contains("www.") && !word.split(|c| !is_part(c)).any(is_reference)
}

/// Whether a word may be read as an issue, such as GH-12, or as a commit.
fn is_reference(word: &str) -> bool {
    /// The shortest beginning of a commit that is taken for one.
    const COMMIT: usize = 7;
    let has_digit = word.bytes().any(|b| b.is_ascii_digit());
    let has_letter = word.bytes().any(|b| b.is_ascii_alphabetic());
    let is_commit = word.len() >= COMMIT && word.bytes().all(|b| b.is_ascii_hexdigit());
    let is_issue = word.split_once('-').is_some_and(|(key, number)| {
        !key.is_empty()
            && key.bytes().all(|b| b.is_ascii_uppercase())
            && number.starts_with(|c: char| c.is_ascii_digit())
    });
    has_digit && has_letter && (is_commit || is_issue)
}

/// A text for an attribute or the content of XML 1.0, which allows no control characters at
/// all, not even escaped.
pub fn xml(text: &str) -> String {
    let text = printable(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace(['\u{FFFE}', '\u{FFFF}'], "\u{FFFD}")
}

/// Writes a value as one line of JSON ([`escaped_json`]).
pub fn json_line(out: &mut dyn io::Write, value: &impl Serialize) -> io::Result<()> {
    let json = serde_json::to_string(value)?;
    out.write_all(escaped_json(&json).as_bytes())?;
    out.write_all(b"\n")
}

/// A value as readable JSON ([`escaped_json`]), the last line ended.
///
/// # Errors
/// If the value cannot be written as JSON.
pub fn json_pretty(value: &impl Serialize) -> serde_json::Result<String> {
    let json = serde_json::to_string_pretty(value)? + "\n";
    Ok(escaped_json(&json).into_owned())
}

/// A text of ours that may hold one from outside, in lines: nothing in it steers a terminal or a
/// build server.
pub fn for_people(text: &str) -> String {
    inert(&shown(text, |_| None)).into_owned()
}

/// The same, but the colours in it, and links to files, are ours and stay.
pub fn for_people_in_colour(text: &str) -> String {
    inert(&shown(text, |rest| colour(rest).or_else(|| link(rest)))).into_owned()
}

/// The text with stand-ins; `keep` gives the length of what stays at its beginning nevertheless.
fn shown(text: &str, keep: impl Fn(&str) -> Option<usize>) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let kept = keep(rest).unwrap_or(0);
        clean.push_str(&rest[..kept]);
        if kept == 0 {
            clean.push(if is_harmless(c) || c == '\n' { c } else { stand_in(c) });
        }
        rest = &rest[if kept == 0 { c.len_utf8() } else { kept }..];
    }
    clean
}

/// The length of the sequence that sets a colour, if the text begins with one.
fn colour(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("\u{1b}[")?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    rest[end..].starts_with('m').then_some(text.len() - rest.len() + end + 1)
}

/// The length of the sequence that begins or ends a link to a file, if the text begins with one.
fn link(text: &str) -> Option<usize> {
    const END: &str = "\u{1b}\\";
    let rest = text.strip_prefix("\u{1b}]8;;")?;
    let end = rest.find(END)?;
    let target = &rest[..end];
    let is_file = target.starts_with("file:///") && target.bytes().all(|byte| byte.is_ascii_graphic());
    (target.is_empty() || is_file).then_some(text.len() - rest.len() + end + END.len())
}

/// Passes data on as they are or, for a terminal, without what could steer it.
#[derive(Debug)]
pub struct DataSink<W: io::Write> {
    out: W,
    is_terminal: bool,
    /// The beginning of a character whose other bytes have not come yet.
    rest: Vec<u8>,
}

impl<W: io::Write> DataSink<W> {
    /// Writes to `out`, which may be a terminal.
    pub fn new(out: W, is_terminal: bool) -> Self {
        Self { out, is_terminal, rest: Vec::new() }
    }

    /// What is written to.
    pub fn get_ref(&self) -> &W {
        &self.out
    }

    fn write_clean(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.rest.extend_from_slice(bytes);
        let mut clean = String::with_capacity(self.rest.len());
        let mut done = 0;
        for chunk in self.rest.utf8_chunks() {
            let show = |c| if is_harmless(c) || matches!(c, '\n' | '\t') { c } else { stand_in(c) };
            clean.extend(chunk.valid().chars().map(show));
            done += chunk.valid().len() + chunk.invalid().len();
            let may_go_on = done == self.rest.len() && chunk.invalid().len() < 4;
            match (chunk.invalid(), may_go_on) {
                ([], _) => {}
                (begun, true)
                    if std::str::from_utf8(begun).is_err_and(|error| error.error_len().is_none()) =>
                {
                    done -= begun.len();
                }
                (_, _) => clean.push(char::REPLACEMENT_CHARACTER),
            }
        }
        self.rest.drain(..done);
        self.out.write_all(clean.as_bytes())
    }
}

impl<W: io::Write> io::Write for DataSink<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.is_terminal {
            return self.out.write(bytes);
        }
        self.write_clean(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    use proptest::prelude::*;

    #[test]
    fn a_cell_of_a_table_stays_one_cell_of_text() {
        assert_eq!(markdown("a|b\n<script>&lt; [x](y) \\|"), "a\\|b &lt;script>&amp;lt; \\[x](y) \\\\\\|");
        assert_eq!(markdown("a@b|c\\|d<e"), "`a@b\\|c\\ \\|d`&lt;`e`");
        assert_eq!(markdown_line("a|b @c|d"), "a\\|b `@c|d`");
    }

    #[test]
    fn no_word_of_a_text_is_a_mention_a_link_or_an_issue() {
        for (text, shown) in [
            ("by @org/team and ann@example.com", "by `@org/team` and `ann@example.com`"),
            ("see http://x.example, www.x.example", "see `http://x.example, www.x.example`"),
            ("fixes #12, GH-12 org/repo#1 !3", "fixes `#12, GH-12 org/repo#1 !3`"),
            ("![i](u) *a b* _c_ ~~d~~ $e$", "!\\[i](u) \\*a b\\* \\_c\\_ `~~d~~ $e$`"),
            ("in 1f0c2a9 now", "in `1f0c2a9` now"),
            ("is `WORKSPACE_ADMIN` (by `a`@b)", "is `WORKSPACE_ADMIN` (by `a``@b)`"),
            ("mailto:a@b.co <!-- --> <a@b.co>", "`mailto:a@b.co` &lt;!-- --> &lt;`a@b.co>`"),
        ] {
            assert_eq!(markdown(text), shown, "{text}");
        }
        for text in
            ["keeps WORKSPACE_ADMIN", "line 2: (timeout), 5 of 7.", "--all shows them.", "␛]0;x Data (ck1)"]
        {
            assert_eq!(markdown(text), text);
        }
    }

    /// What is outside of the spans of code of a line, as a renderer finds them.
    fn outside_of_spans(line: &str) -> String {
        let mut rest = line;
        let mut outside = String::new();
        while let Some(at) = rest.find('`') {
            outside.push_str(&rest[..at]);
            let ticks = rest[at..].len() - rest[at..].trim_start_matches('`').len();
            let body = &rest[at + ticks..];
            let mut from = 0;
            let end = loop {
                let Some(next) = body[from..].find('`').map(|next| from + next) else { break None };
                let run = body[next..].len() - body[next..].trim_start_matches('`').len();
                if run == ticks {
                    break Some(next + run);
                }
                from = next + run;
            };
            outside.push_str(if end.is_some() { " " } else { &rest[at..at + ticks] });
            rest = &body[end.unwrap_or(0)..];
        }
        outside + rest
    }

    #[test]
    fn xml_has_no_tags_entities_or_controls_from_outside() {
        assert_eq!(
            xml("]]></failure>\u{0}\u{b}\u{9b}\u{FFFE}\"&#0;"),
            "]]&gt;&lt;/failure&gt;␀␋\u{FFFD}\u{FFFD}&quot;&amp;#0;"
        );
    }

    #[test]
    fn only_colours_of_ours_are_left_in_a_text_for_people() {
        let text = "\u{1b}[1;31mred\u{1b}[0m\u{1b}]0;x\u{7}\u{1b}[2J\r\n::error::\u{202e}\t.";
        assert_eq!(for_people_in_colour(text), "\u{1b}[1;31mred\u{1b}[0m␛]0;x␇␛[2J \n: :error::\u{fffd} .");
        assert_eq!(for_people("\u{1b}[31m\n"), "␛[31m\n");
    }

    #[test]
    fn data_are_cleaned_for_a_terminal_only() {
        let data = "a\u{1b}[31m,\u{9b}\u{61c}é\t\r\n::error::é".as_bytes();
        for (is_terminal, expected) in
            [(false, data), (true, "a␛[31m,\u{fffd}\u{fffd}é\t \n::error::é".as_bytes())]
        {
            let mut out = Vec::new();
            let mut sink = DataSink::new(&mut out, is_terminal);
            data.chunks(1).for_each(|byte| sink.write_all(byte).expect("written"));
            assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(expected));
        }
        let mut out = Vec::new();
        DataSink::new(&mut out, true).write_all(b"\x9b1m\xffx").expect("written");
        assert_eq!(String::from_utf8_lossy(&out), "\u{fffd}1m\u{fffd}x");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn outside_of_code_a_line_of_markdown_is_text(text in "[`@#a1w._:/ |<*!\\\\\\[-]{0,24}|.{0,20}") {
            let line = markdown(&text);
            let outside = outside_of_spans(&line);
            prop_assert!(!outside.contains(['@', '<', '`', '~', '$', '^']), "{:?} of {:?}", outside, text);
            prop_assert!(!outside.to_lowercase().contains("www."), "{:?} of {:?}", outside, text);
            for (sign, after) in outside.char_indices().zip(outside.chars().skip(1)) {
                let refers = matches!(sign.1, '#' | '!' | ':') && after.is_alphanumeric();
                prop_assert!(!refers, "{:?} of {:?}", outside, text);
            }
            let bare = outside.replace("\\\\", "");
            let unescaped = bare.char_indices().filter(|&(_, c)| matches!(c, '|' | '[' | '*'));
            for (at, _) in unescaped {
                prop_assert!(bare[..at].ends_with('\\'), "{:?} of {:?}", bare, text);
            }
            // Nothing ends the cell inside of a span either.
            let whole = line.replace("\\\\", "");
            prop_assert!(whole.match_indices('|').all(|(at, _)| whole[..at].ends_with('\\')), "{:?}", line);
        }

        #[test]
        fn a_line_of_json_says_the_same_and_is_printable(text in any::<String>(), tail in "[\u{80}-\u{9f}\u{202e}\u{e0001}\u{7f}]{0,4}") {
            let text = text + &tail;
            let mut line = Vec::new();
            json_line(&mut line, &[&text]).expect("written");
            let line = String::from_utf8(line).expect("text");
            let body = line.strip_suffix('\n').expect("a line");
            prop_assert!(body.chars().all(is_harmless), "{}", body);
            prop_assert_eq!(serde_json::from_str::<[String; 1]>(body).expect("JSON"), [text]);
        }
    }
}
