//! Names of workspaces that are not what they seem: several in one cell, one that looks like
//! another, a stand-in for a name that was never given.
//!
//! Main type: [`Likeness`]; main functions: [`several`], [`difference`] and [`is_placeholder`]. Pure.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;
use unicode_security::skeleton;

use crate::model::{is_invisible, printable};

/// What a text that is no workspace's name has to do with those that are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Likeness {
    /// Nothing.
    Nothing,
    /// It is similar to this label.
    Similar(String),
    /// It looks like this name, and differs by characters that can hardly be seen.
    Alike(String),
    /// It holds several names.
    Several(Several),
}

/// Several names in one text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Several {
    /// The names.
    pub parts: Vec<String>,
    /// Whether the text can be nothing else: a new workspace of that name is not wanted.
    pub is_sure: bool,
}

impl Likeness {
    /// What is wrong with the text beside that no workspace has it for a name, as a part of a sentence.
    pub fn reason(&self, text: &str) -> Option<String> {
        match self {
            Self::Nothing | Self::Similar(_) => None,
            Self::Alike(name) => Some(difference(text, name)),
            Self::Several(several) => {
                let verb = if several.is_sure { "it names" } else { "it seems to name" };
                let parts: Vec<_> =
                    several.parts.iter().map(|part| format!("`{}`", printable(part))).collect();
                Some(format!("{verb} several workspaces: {}", parts.join(", ")))
            }
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Similar(name) => Some(format!("did you mean `{}`?", printable(name))),
            Self::Alike(name) => {
                Some(format!("type `{}` instead of pasting it, or use the id", printable(name)))
            }
            Self::Several(_) => Some("write one row per workspace".to_owned()),
        }
    }
}

/// Between names that are written into one cell, with what it takes to believe that they are several.
const SEPARATORS: [(&[char], Evidence); 6] = [
    (&[';'], Evidence::Itself),
    (&['\n', '\r', '\t'], Evidence::Itself),
    (&['|'], Evidence::OneName),
    (&[','], Evidence::EveryName),
    (&['/', '\\', '&', '+'], Evidence::NotEnough),
    (&[';', '|', ',', '\n', '\r', '\t'], Evidence::EveryName),
];

/// What shows that a text is several names and not one with such a character in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Evidence {
    /// The character itself.
    Itself,
    /// One of the parts is a name.
    OneName,
    /// All of them are.
    EveryName,
    /// Names of one workspace have it too: that all of the parts are names is a guess only.
    NotEnough,
}

/// Whether a text is several names. `is_name` says of a part whether it is one, `nearest` gives the
/// label that is most similar to a text.
pub fn several(
    text: &str,
    is_name: impl Fn(&str) -> bool,
    nearest: impl Fn(&str) -> Option<String>,
) -> Option<Several> {
    let whole = nearest(text);
    let found = |&(signs, evidence): &(&[char], Evidence)| {
        let parts: Vec<&str> = text.split(signs).map(str::trim).filter(|part| !part.is_empty()).collect();
        // A label that has the character itself is what is meant.
        if parts.len() < 2 || whole.as_ref().is_some_and(|label| label.contains(signs)) {
            return None;
        }
        let names = parts.iter().filter(|part| is_name(part)).count();
        let is_sure = match evidence {
            Evidence::Itself => true,
            Evidence::OneName => names > 0,
            Evidence::EveryName => names == parts.len(),
            Evidence::NotEnough => false,
        };
        let seems = || match evidence {
            Evidence::Itself | Evidence::OneName => true,
            Evidence::EveryName => names > 0 || parts.iter().any(|part| nearest(part).is_some()),
            Evidence::NotEnough => names == parts.len(),
        };
        let parts = || parts.iter().map(|&part| part.to_owned()).collect();
        (is_sure || seems()).then(|| Several { parts: parts(), is_sure })
    };
    let all: Vec<Several> = SEPARATORS.iter().filter_map(found).collect();
    all.iter().find(|several| several.is_sure).or(all.first()).cloned()
}

/// A name as the eye sees it: composed, without blanks and what cannot be seen, in lower case.
fn look(name: &str) -> String {
    let seen = |c: &char| !c.is_whitespace() && !is_invisible(*c) && !is_joiner(*c);
    name.nfc().filter(seen).flat_map(char::to_lowercase).nfc().collect()
}

/// Names in which ones that look like others are found.
#[derive(Debug, Default)]
pub struct Looks {
    names: Vec<String>,
    /// Places of the names, by their [`look`].
    seen: HashMap<String, usize>,
    /// The same by the letters that theirs could be taken for.
    skeletons: HashMap<String, usize>,
}

impl Looks {
    /// Adds a name; of several that look alike the first one stays.
    pub fn add(&mut self, name: &str) {
        let (seen, place) = (look(name), self.names.len());
        self.names.push(name.to_owned());
        self.skeletons.entry(skeleton(&seen).collect()).or_insert(place);
        self.seen.entry(seen).or_insert(place);
    }

    /// The name that this one looks like: beside what `look` leaves out, by letters of another
    /// script.
    pub fn find(&self, name: &str) -> Option<&str> {
        let seen = look(name);
        if let Some(&place) = self.seen.get(&seen) {
            return Some(&self.names[place]);
        }
        let found = self.names[*self.skeletons.get(&skeleton(&seen).collect::<String>())?].as_str();
        (!name.is_ascii() || !found.is_ascii()).then_some(found)
    }
}

impl<'n> FromIterator<&'n str> for Looks {
    fn from_iter<I: IntoIterator<Item = &'n str>>(names: I) -> Self {
        let mut looks = Self::default();
        names.into_iter().for_each(|name| looks.add(name));
        looks
    }
}

fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}')
}

/// Where two names that look alike differ first, as a part of a sentence about `name`.
pub fn difference(name: &str, other: &str) -> String {
    let place = name.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let (here, there) = (name.chars().nth(place), other.chars().nth(place));
    let other = printable(other);
    match here {
        Some(c) => format!(
            "its {} character is {}, where `{other}` has {}",
            ordinal(place + 1),
            described(c),
            there.map_or_else(|| "none".to_owned(), described)
        ),
        None => format!(
            "it ends where the {} character of `{other}` is {}",
            ordinal(place + 1),
            there.map_or_else(|| "none".to_owned(), described)
        ),
    }
}

fn described(c: char) -> String {
    let code = u32::from(c);
    match c {
        ' ' => "a blank".to_owned(),
        '\u{A0}' | '\u{202F}' => format!("a no-break space (U+{code:04X})"),
        _ if c.is_whitespace() => format!("a blank of another kind (U+{code:04X})"),
        _ if is_invisible(c) || is_joiner(c) => format!("an invisible character (U+{code:04X})"),
        _ if is_combining_mark(c) => format!("a combining mark (U+{code:04X})"),
        _ if c.is_ascii() => format!("`{c}`"),
        _ => format!("`{c}` (U+{code:04X})"),
    }
}

fn ordinal(number: usize) -> String {
    let ending = match (number % 10, number % 100) {
        (1, tens) if tens != 11 => "st",
        (2, tens) if tens != 12 => "nd",
        (3, tens) if tens != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

/// Whether a text stands for a name that was never given: an empty cell of a database, an error of a
/// spreadsheet, a number that was a name once, a template that was not filled in.
pub fn is_placeholder(name: &str) -> bool {
    const WORDS: [&str; 31] = [
        "null",
        "nil",
        "none",
        "nan",
        "na",
        "n/a",
        "n.a.",
        "n.a",
        "not applicable",
        "not available",
        "not set",
        "undefined",
        "unknown",
        "unassigned",
        "missing",
        "empty",
        "blank",
        "void",
        "tbd",
        "t.b.d.",
        "tba",
        "tbc",
        "todo",
        "to do",
        "fixme",
        "xxx",
        "placeholder",
        "true",
        "false",
        "inf",
        "infinity",
    ];
    let name = name.trim();
    let bare = name.trim_matches(['<', '>', '(', ')', '[', ']', '{', '}', '"', '\'', '`', '*', '_']).trim();
    let folded = bare.to_lowercase();
    let is_template = (name.starts_with('<') && name.ends_with('>'))
        || (name.starts_with('{') && name.ends_with('}'))
        || (name.len() > 2 && name.starts_with('%') && name.ends_with('%'))
        || ["${", "{{", "#{"].iter().any(|start| name.contains(start));
    let is_nothing =
        name.chars().all(|c| c.is_ascii_punctuation() || c.is_whitespace() || "–—…·•".contains(c));
    is_template || is_nothing || WORDS.contains(&folded.as_str()) || is_error(name) || is_mangled_number(bare)
}

/// `#N/A`, `#REF!`, `#NAME?`, and other errors of spreadsheets: capitals between two signs.
fn is_error(name: &str) -> bool {
    let Some(word) = name.strip_prefix('#') else { return false };
    let inner = word.strip_suffix(['!', '?']);
    let is_code = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_uppercase() || matches!(c, '/' | '0' | '_'))
    };
    inner.is_some_and(is_code)
        || ["n/a", "na", "null", "value", "ref"].contains(&word.to_lowercase().as_str())
}

/// A number with a fraction of zeros or an exponent, as a spreadsheet makes of a number; and 0.
fn is_mangled_number(text: &str) -> bool {
    let number = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let decimal = |text: &str| match text.split_once(['.', ',']) {
        Some((whole, part)) => digits(whole) && digits(part),
        None => digits(text),
    };
    let has_zeros_behind = number.split_once(['.', ',']).is_some_and(|(whole, part)| {
        digits(whole) && !part.is_empty() && part.bytes().all(|byte| byte == b'0')
    });
    let has_exponent = number.split_once(['e', 'E']).is_some_and(|(mantissa, exponent)| {
        decimal(mantissa) && digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))
    });
    has_zeros_behind || has_exponent || (!number.is_empty() && number.bytes().all(|byte| byte == b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(Vec<String>, bool)> {
        const LABELS: [&str; 4] = ["Finance", "Operations", "Data Platform", "Research, Development"];
        let nearest = |text: &str| {
            let near = |label: &&&str| strsim::jaro_winkler(text, label) > 0.85;
            LABELS.iter().find(near).map(|&label| label.to_owned())
        };
        several(text, |part| LABELS.contains(&part), nearest).map(|several| (several.parts, several.is_sure))
    }

    #[test]
    fn several_names_in_one_text_are_seen() {
        for (text, is_sure) in [
            ("Data Platform;Finance", true),
            ("Data Platform | Finance", true),
            ("Data Platform\nFinance", true),
            ("Finance, Operations", true),
            ("Finance/Operations", false),
            ("Finance & Operations", false),
            ("Night;Day", true),
            ("Finance;Nowhere", true),
            ("Finance|Nowhere", true),
            ("Night | Day", false),
            ("Finance, Nowhere", false),
            ("Finanse, Operatoins", false),
        ] {
            assert_eq!(parts(text).map(|(parts, sure)| (parts.len(), sure)), Some((2, is_sure)), "{text}");
        }
        assert_eq!(parts("Finance; Operations, Data Platform").unwrap().0.len(), 2);
        assert_eq!(parts("Finance|Operations, Data Platform").unwrap().0.len(), 2);
        for one in [
            "Finance",
            "Finance;",
            ";",
            "Night, Day",
            "Night/Day",
            "R&D",
            "Research, Developmnt",
            "Finance & Tax",
        ] {
            assert_eq!(parts(one), None, "{one}");
        }
    }

    #[test]
    fn names_that_look_alike_are_told_apart_by_code_point_and_place() {
        for (name, other, text) in [
            (
                "Data\u{A0}Platform",
                "Data Platform",
                "its 5th character is a no-break space (U+00A0), where `Data Platform` has a blank",
            ),
            (
                "Data Plat\u{200B}form",
                "Data Platform",
                "its 10th character is an invisible character (U+200B), where `Data Platform` has `f`",
            ),
            (
                "Finance\u{200D}",
                "Finance",
                "its 8th character is an invisible character (U+200D), where `Finance` has none",
            ),
            (
                "Finance",
                "Finance\u{200D}",
                "it ends where the 8th character of `Finance\u{fffd}` is an invisible character (U+200D)",
            ),
            ("Night  Shift", "Night Shift", "its 7th character is a blank, where `Night Shift` has `S`"),
            ("Contro\u{302}le", "Contrôle", "its 6th character is `o`, where `Contrôle` has `ô` (U+00F4)"),
            ("Dаta", "Data", "its 2nd character is `а` (U+0430), where `Data` has `a`"),
            ("NightShift", "Night Shift", "its 6th character is `S`, where `Night Shift` has a blank"),
        ] {
            assert_eq!(Looks::from_iter([other]).find(name), Some(other), "{name}");
            assert_eq!(difference(name, other), text);
        }
        for (name, other) in
            [("Night-Shift", "NightShift"), ("Finance", "Finances"), ("Team 1", "Team l"), ("Cafe", "Café")]
        {
            assert_eq!(Looks::from_iter([other]).find(name), None, "{name}");
        }
        assert_eq!(
            [1, 2, 3, 4, 11, 12, 13, 21, 112].map(ordinal).join(" "),
            "1st 2nd 3rd 4th 11th 12th 13th 21st 112th"
        );
    }

    #[test]
    fn a_stand_in_is_no_name() {
        for name in [
            "NULL",
            "null",
            "<null>",
            "(none)",
            "None",
            "N/A",
            "#N/A",
            "#REF!",
            "#NAME?",
            "#DIV/0!",
            "#VALUE!",
            "NaN",
            "-",
            "--",
            "—",
            "?",
            "...",
            "####",
            "TBD",
            "[TBD]",
            "todo",
            "1.0",
            "12,00",
            "1E+05",
            "1.23E+17",
            "1e5",
            "-1.0",
            "0",
            "0.0",
            "TRUE",
            "unknown",
            "${TEAM}",
            "{{ team }}",
            "{team}",
            "<workspace>",
            "%TEAM%",
            "''",
        ] {
            assert!(is_placeholder(name), "{name}");
        }
        for name in [
            "Finance",
            "42",
            "2024",
            "1.5",
            "3D",
            "E2E",
            "1.0.0",
            "v1.0",
            "#general",
            "Team #1",
            "C#",
            "None of us",
            "Default Team",
            "データ",
            "R&D",
            "Data [EU]",
            "[EU] Data",
            "X-1",
            "E5",
            "10%",
        ] {
            assert!(!is_placeholder(name), "{name}");
        }
    }
}
