//! Texts from outside, made harmless for the format they are put into.

use std::borrow::Cow;
use std::io;

use serde::Serialize;

use crate::model::printable;

/// A text for a cell of a Markdown table: it ends no cell, begins no tag, no link and no image.
pub fn markdown(text: &str) -> String {
    let text = printable(text).replace('\\', "\\\\").replace('|', "\\|").replace('[', "\\[");
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// A text for an attribute or the content of XML 1.0, which has no place for control characters at
/// all, not even escaped.
pub fn xml(text: &str) -> String {
    let text = printable(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace(['\u{FFFE}', '\u{FFFF}'], "\u{FFFD}")
}

/// Writes a value as one line of JSON that says the same and does nothing to a terminal: what is
/// not printable is escaped, also where JSON would not ask for it.
pub fn json_line(out: &mut dyn io::Write, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, Printable))?;
    out.write_all(b"\n")
}

struct Printable;

impl serde_json::ser::Formatter for Printable {
    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        if matches!(printable(text), Cow::Borrowed(_)) {
            return out.write_all(text.as_bytes());
        }
        for c in text.chars() {
            let mut room = [0; 4];
            let alone: &str = c.encode_utf8(&mut room);
            if matches!(printable(alone), Cow::Borrowed(_)) {
                out.write_all(alone.as_bytes())?;
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cell_of_a_table_stays_one_cell_of_text() {
        assert_eq!(markdown("a|b\n<script>&lt; [x](y) \\|"), "a\\|b &lt;script>&amp;lt; \\[x](y) \\\\\\|");
    }

    #[test]
    fn xml_has_no_tags_entities_or_controls_from_outside() {
        assert_eq!(
            xml("]]></failure>\u{0}\u{b}\u{9b}\u{FFFE}\"&#0;"),
            "]]&gt;&lt;/failure&gt;␀␋\u{FFFD}\u{FFFD}&quot;&amp;#0;"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_line_of_json_says_the_same_and_is_printable(text in any::<String>(), tail in "[\u{80}-\u{9f}\u{202e}\u{e0001}\u{7f}]{0,4}") {
            let text = text + &tail;
            let mut line = Vec::new();
            json_line(&mut line, &[&text]).expect("written");
            let line = String::from_utf8(line).expect("text");
            let body = line.strip_suffix('\n').expect("a line");
            prop_assert!(matches!(printable(body), Cow::Borrowed(_)), "{}", body);
            prop_assert_eq!(serde_json::from_str::<[String; 1]>(body).expect("JSON"), [text]);
        }
    }
}
