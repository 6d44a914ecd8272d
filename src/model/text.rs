//! Texts from outside, made safe for a terminal, a shell, a build log and a spreadsheet.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Write as _;

/// A name in a sentence, in quotes where blanks at its ends would be overlooked.
pub fn with_ends(name: &str) -> Cow<'_, str> {
    if name.is_empty() || name.trim() != name { Cow::Owned(format!("`{name}`")) } else { Cow::Borrowed(name) }
}

/// A text as one word of a command line, quoted where a shell would otherwise take it apart or run
/// a part of it. What begins with a dash is for the caller to keep from being a flag.
pub fn shell_word(text: &str) -> Cow<'_, str> {
    if matches!(printable(text), Cow::Owned(_)) {
        return Cow::Owned(spelled_out(text.as_bytes()));
    }
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("'{}'", text.replace('\'', "'\\''")))
    }
}

/// The same for bytes that cannot be printed as they are: bash, ksh and zsh read `$'runs\n'`.
pub fn spelled_out(bytes: &[u8]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| text + &format!("\\x{byte:02x}"));
    let spelled = |c: char| match c {
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\'' | '\\' => format!("\\{c}"),
        // Two of them may begin a command of a build server.
        ':' | '#' => hex(&[c as u8]),
        _ if is_harmless(c) => c.to_string(),
        _ => hex(c.encode_utf8(&mut [0; 4]).as_bytes()),
    };
    let parts = bytes
        .utf8_chunks()
        .map(|chunk| chunk.valid().chars().map(spelled).chain([hex(chunk.invalid())]).collect::<String>());
    format!("$'{}'", parts.collect::<String>())
}

/// A text of the system without the number that the standard library puts behind it.
pub fn without_os_number(text: &str) -> &str {
    let is_number = |text: &str| text.strip_suffix(')').is_some_and(|number| number.parse::<i32>().is_ok());
    let parts = text.rsplit_once(" (os error ");
    parts.filter(|(_, number)| is_number(number)).map_or(text, |(words, _)| words)
}

/// An error with its causes, as people may read it ([`without_os_number`]). A cause that the one before it says
/// already is left out.
pub fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut causes: Vec<String> = Vec::new();
    for cause in std::iter::successors(Some(error), |error| (*error).source()) {
        let cause = without_os_number(&cause.to_string()).to_owned();
        if causes.last().is_none_or(|last| !last.contains(&cause)) {
            causes.push(cause);
        }
    }
    causes.join(": ")
}

/// Replaces what could steer a terminal or deceive a reader (control characters, escapes,
/// bidirectional overrides, line separators) by visible stand-ins, and breaks what a build server
/// would take for a command ([`inert`]). Every text from outside passes through here before a
/// person sees it.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_harmless) {
        return inert(text);
    }
    let text: String = text.chars().map(|c| if is_harmless(c) { c } else { stand_in(c) }).collect();
    Cow::Owned(inert(&text).into_owned())
}

/// Whether a character can neither steer a terminal nor change how the text around it is read. A
/// line break is not harmless.
pub fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// Breaks what a build server reads as a command in a log, such as `::error::`, `##[error]`,
/// `##vso[...]` and `##teamcity[...]`, by a blank between the two signs. An IPv6 address stays as
/// it is.
pub fn inert(text: &str) -> Cow<'_, str> {
    if !text.contains("::") && !text.contains("##") {
        return Cow::Borrowed(text);
    }
    let mut broken = String::with_capacity(text.len() + 1);
    for (at, c) in text.char_indices() {
        broken.push(c);
        if begins_command(&text[at..]) {
            broken.push(' ');
        }
    }
    if broken.len() == text.len() { Cow::Borrowed(text) } else { Cow::Owned(broken) }
}

/// Commands that need no second `::` to be taken for one by some reader of a log.
const COMMANDS: [&str; 15] = [
    "add-mask",
    "add-matcher",
    "add-path",
    "debug",
    "echo",
    "endgroup",
    "error",
    "group",
    "notice",
    "remove-matcher",
    "save-state",
    "set-env",
    "set-output",
    "stop-commands",
    "warning",
];

fn begins_command(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix("##") {
        return rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).starts_with('[');
    }
    let Some(rest) = text.strip_prefix("::") else { return false };
    let line = rest.lines().next().unwrap_or_default();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name = &line[..line.find(|c| !is_name(c)).unwrap_or(line.len())];
    // No address has `::` twice.
    COMMANDS.iter().any(|command| name.eq_ignore_ascii_case(command))
        || (name.starts_with(|c: char| c.is_ascii_alphabetic()) && line.contains("::"))
}

/// Whether a character is invisible and not a blank: controls, zero-width ones, direction marks.
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

/// A JSON text that means the same and does nothing to a terminal or a build server that shows it:
/// what is not harmless is escaped, also where JSON would not ask for it.
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    let plain = |b: u8| matches!(b, b'\n' | b' '..=b'~');
    if !json.contains("##")
        && !json.contains("::")
        && (json.bytes().all(plain) || json.chars().all(|c| c == '\n' || is_harmless(c)))
    {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 8);
    for (at, c) in json.char_indices() {
        // Neither can be anywhere but inside of a text.
        if begins_command(&json[at..]) || (c != '\n' && !is_harmless(c)) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(escaped, "\\u{unit:04x}").expect("a string takes every text");
            }
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// A visible character for one that is not harmless.
pub fn stand_in(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' => ' ',
        '\u{0}'..='\u{1F}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{FFFD}'),
        '\u{7F}' => '\u{2421}',
        _ => '\u{FFFD}',
    }
}

/// Whether a spreadsheet may run the cell as a formula, or lose a blank at its beginning and then
/// run it. Reports put an apostrophe before such a cell, the roster reader removes it again.
pub fn runs_as_formula(cell: &[u8]) -> bool {
    /// `= + - @` as East Asian keyboards have them; some spreadsheets take these too.
    const WIDE: [&str; 4] = ["\u{FF1D}", "\u{FF0B}", "\u{FF0D}", "\u{FF20}"];
    let text = without_blanks(cell);
    matches!(cell, [b'\t' | b'\r' | b'\n', ..])
        || matches!(text, [b'=' | b'+' | b'-' | b'@', ..])
        || WIDE.iter().any(|sign| text.starts_with(sign.as_bytes()))
}

/// Without what a spreadsheet may drop at the beginning of a cell.
fn without_blanks(cell: &[u8]) -> &[u8] {
    let is_blank = |c: char| c.is_whitespace() || matches!(c, '\u{200B}' | '\u{2060}' | '\u{FEFF}');
    let text = cell.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    &cell[text.len() - text.trim_start_matches(is_blank).len()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_said_with_its_causes_and_without_numbers() {
        #[derive(Debug, thiserror::Error)]
        #[error("{text}")]
        struct Of {
            text: &'static str,
            source: std::io::Error,
        }
        let system = || std::io::Error::from_raw_os_error(28);
        assert_eq!(in_words(&system()), "No space left on device");
        let error = Of { text: "cannot write x", source: system() };
        assert_eq!(in_words(&error), "cannot write x: No space left on device");
        let outer = Of { text: "the reports cannot be written", source: std::io::Error::other(error) };
        assert_eq!(
            in_words(&outer),
            "the reports cannot be written: cannot write x: No space left on device"
        );
    }

    #[test]
    fn words_of_the_system_have_no_number() {
        let error = std::io::Error::from_raw_os_error(2).to_string();
        assert_eq!(without_os_number(&error), "No such file or directory");
        for text in ["os error 2", "x (os error 2) y", "x (os error two)"] {
            assert_eq!(without_os_number(text), text);
        }
    }

    #[test]
    fn nothing_that_steers_a_terminal_gets_through() {
        assert_eq!(printable("plain é 例"), "plain é 例");
        assert_eq!(printable("a\u{1b}[31mb\nc\u{202e}d\u{9b}e"), "a\u{241b}[31mb c\u{fffd}d\u{fffd}e");
    }

    #[test]
    fn what_changes_the_direction_of_a_text_is_replaced() {
        for c in ["\u{61c}", "\u{200e}", "\u{200f}", "\u{202a}", "\u{2066}", "\u{2069}", "\u{85}", "\u{7f}"] {
            assert_ne!(printable(c), c, "{c:?}");
        }
    }

    #[test]
    fn a_command_of_a_build_server_is_broken_wherever_it_stands() {
        for (text, broken) in [
            ("::error::x", ": :error::x"),
            ("a ::set-output name=x::y", "a : :set-output name=x::y"),
            (":::add-mask::1", ":: :add-mask::1"),
            ("::Error file=x", ": :Error file=x"),
            ("::unknown a=1,b=2::y", ": :unknown a=1,b=2::y"),
            ("##[error]x", "# #[error]x"),
            ("x##vso[task.setvariable]", "x# #vso[task.setvariable]"),
            ("##teamcity[a]", "# #teamcity[a]"),
            ("###[a]", "## #[a]"),
        ] {
            assert_eq!(printable(text), broken);
            assert_eq!(printable(broken), broken, "broken once is enough");
        }
        for text in
            ["http://[::1]:80/v1", "fe80::abcd", "[::ffff:1.2.3.4]", "a::", "## Data [EU]", "#1 ##", "é::"]
        {
            assert_eq!(printable(text), text);
        }
    }

    #[test]
    fn a_json_text_is_escaped_and_means_the_same() {
        let text = "a\u{1b}\u{7f}\u{9b}\u{202e}\u{61c}\u{e0001}é##vso[x]\n\"::error";
        let json = serde_json::to_string(text).unwrap();
        let escaped = escaped_json(&json);
        assert_eq!(escaped, r#""a\u001b\u007f\u009b\u202e\u061c\udb40\udc01é\u0023#vso[x]\n\"\u003a:error""#);
        assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), text);
        assert!(matches!(escaped_json("{\"a\": [1, \"é #1\"]}\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_known() {
        for cell in [
            "=1",
            "+1",
            "-1",
            "@a",
            " =1",
            "\tx",
            "\r",
            "\u{a0}@a",
            "\u{ff1d}1",
            "\u{3000}=1",
            "\u{feff}=1",
            "\u{200b} +1",
            "\u{b}-1",
        ] {
            assert!(runs_as_formula(cell.as_bytes()), "{cell:?}");
        }
        for cell in ["", "a=1", "'=1", " a", "1-1", "é"] {
            assert!(!runs_as_formula(cell.as_bytes()), "{cell:?}");
        }
    }

    #[test]
    fn a_text_stays_one_word_of_a_command_and_runs_nothing() {
        for (text, word) in [
            ("onboard-runs/20261123T154500Z-k3f9", "onboard-runs/20261123T154500Z-k3f9"),
            ("it's", "'it'\\''s'"),
            ("$(id)", "'$(id)'"),
            ("`id`", "'`id`'"),
            ("a;b", "'a;b'"),
            ("!x", "'!x'"),
            ("~", "'~'"),
            ("a\\b", "'a\\b'"),
            ("*", "'*'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(text), word, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_printed_in_a_command_is_spelled_out() {
        for (text, word) in [
            ("my\nruns", "$'my\\nruns'"),
            ("it's\r\t\\", "$'it\\'s\\r\\t\\\\'"),
            ("a\u{200b}b\u{1b}c", "$'a\\xe2\\x80\\x8bb\\x1bc'"),
            ("a ::error::b", "$'a \\x3a\\x3aerror\\x3a\\x3ab'"),
        ] {
            assert_eq!(shell_word(text), word);
            assert!(matches!(printable(&shell_word(text)), Cow::Borrowed(_)), "{text:?}");
        }
    }

    #[test]
    fn blanks_at_the_ends_of_a_name_are_shown() {
        for (name, shown) in [
            ("r.csv", "r.csv"),
            ("a b", "a b"),
            ("r.csv ", "`r.csv `"),
            (" ", "` `"),
            ("", "``"),
            ("m\u{a0}", "`m\u{a0}`"),
        ] {
            assert_eq!(with_ends(name), shown);
        }
    }
}
