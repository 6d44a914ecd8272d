//! What a user asks of the reader: names of columns, defaults, and which rows to take.
//!
//! Main type: [`Settings`]. It holds the answers and reads nothing.

use std::borrow::Cow;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::email::OddAddresses;
use super::maps::Maps;
pub use crate::model::Glob;
use crate::model::{Role, printable};
use crate::roster::column::Column;

impl Settings {
    /// What becomes of odd addresses.
    pub fn odd_addresses(&self) -> OddAddresses {
        if self.allow_odd_addresses { OddAddresses::Allow } else { OddAddresses::Refuse }
    }
}

/// How to read a roster. The default reads a file as it is and takes every row.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Headers of the user's own, which replace the known names of their columns.
    pub columns: Vec<ColumnName>,
    /// The role of all rows of a file without such a column.
    pub default_role: Option<Role>,
    /// The workspace of all rows of a file without such a column.
    pub default_workspace: Option<String>,
    /// The byte between cells; found out if not given.
    pub delimiter: Option<u8>,
    /// What to do about one person and workspace with two roles; an issue if not given.
    pub on_conflict: Option<OnConflict>,
    /// Leave bad rows out instead of refusing the file.
    pub skip_invalid: bool,
    /// Take only these rows: any of the patterns of one column, and so for each column named.
    pub only: Vec<Only>,
    /// Take only this many rows, the first ones.
    pub limit: Option<usize>,
    /// What other installations call otherwise.
    pub maps: Maps,
    /// People who are not in the file are removed: then a cell that may hide rows is more than a
    /// warning.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub prune: bool,
    /// Take addresses that are none in all likelihood.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_odd_addresses: bool,
    /// A file without a row is good: a plan that only removes has no wishes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_be_empty: bool,
}

/// Which of two roles for the same person and workspace holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// The one with more rights.
    Highest,
    /// The one of the later row.
    Last,
}

/// A text given on the command line that has not the form it needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSetting {
    /// No `=` in it.
    #[error("`{0}` has no `=`: write {1}")]
    NoEquals(String, &'static str),
    /// Nothing after the `=`.
    #[error("nothing follows the `=` of `{0}`")]
    Empty(String),
    /// A column that does not exist.
    #[error("`{0}` is not a column: email, role, workspace or deployment_roles")]
    UnknownColumn(String),
    /// A column by which rows cannot be chosen.
    #[error("rows are chosen by `workspace` or `email`, not by `{0}`")]
    NotSelectable(String),
    /// A pattern that fits no address.
    #[error("`{0}`: {1}")]
    Pattern(String, #[source] BadPattern),
    /// Not one of the delimiters.
    #[error("`{0}` is not a delimiter: one of , ; | tab, or another single ASCII character")]
    BadDelimiter(String),
}

/// A header of the user's own: `email="Work Email"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnName {
    /// What it means to us.
    pub column: Column,
    /// What it is called in the file.
    pub header: String,
}

impl FromStr for ColumnName {
    type Err = BadSetting;

    fn from_str(text: &str) -> Result<Self, BadSetting> {
        let (column, header) = halves(text, "email='Work Email'")?;
        let column = Column::named(column).ok_or_else(|| BadSetting::UnknownColumn(column.to_owned()))?;
        Ok(Self { column, header: header.trim_matches('"').trim().to_owned() })
    }
}

/// The delimiter a user names: the character itself, `tab` or `\t`.
///
/// # Errors
/// [`BadSetting::BadDelimiter`] for quotes, line ends, letters, digits and all but one ASCII character.
pub fn parse_delimiter(text: &str) -> Result<u8, BadSetting> {
    let byte = match (text, text.as_bytes()) {
        ("tab" | "\\t" | "\t", _) => Some(b'\t'),
        (_, &[byte]) if byte.is_ascii_punctuation() && !matches!(byte, b'"' | b'@' | b'.' | b'_' | b'-') => {
            Some(byte)
        }
        _ => None,
    };
    byte.ok_or_else(|| BadSetting::BadDelimiter(text.to_owned()))
}

/// A choice of rows: `workspace=GLOB` or `email=GLOB`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Only {
    /// By the text of the workspace.
    Workspace(Glob),
    /// By the address.
    Email(Glob),
}

impl FromStr for Only {
    type Err = BadSetting;

    fn from_str(text: &str) -> Result<Self, BadSetting> {
        let (column, pattern) = halves(text, "workspace=GLOB or email=GLOB")?;
        match Column::named(column) {
            Some(Column::Workspace) => Ok(Self::Workspace(Glob::new(pattern))),
            Some(Column::Email) => {
                let bad = |why| BadSetting::Pattern(pattern.to_owned(), why);
                let pattern = people_pattern(pattern).map_err(bad)?;
                if pattern.contains(',') {
                    return Err(bad(BadPattern::List));
                }
                Ok(Self::Email(Glob::new(&pattern.to_lowercase())))
            }
            Some(Column::Role | Column::DeploymentRoles) | None => {
                Err(BadSetting::NotSelectable(column.to_owned()))
            }
        }
    }
}

/// A pattern for people that can fit no address or user name, and so would choose no rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// Nothing, or blanks only.
    #[error("a pattern is empty")]
    Empty,
    /// A blank in the middle.
    #[error("a pattern has no spaces; several patterns are separated by commas")]
    Blank,
    /// A sign that no address has.
    #[error(
        "`{0}` is not allowed in a pattern: `*` matches any text, `?` one character, and commas separate patterns"
    )]
    Sign(char),
    /// `.*` at the beginning, where no address has a dot.
    #[error("a pattern is not a regular expression: `*` alone matches any text")]
    Regex,
    /// A quote mark at one end.
    #[error("a quote mark at the end of a pattern would be part of it")]
    Quote,
    /// Something that cannot be seen.
    #[error("a pattern has an invisible character")]
    Invisible,
    /// Several patterns where one is expected.
    #[error("an address has no comma; repeat the flag for each pattern")]
    List,
}

/// What no address has: signs of regular expressions, of shells and of lists.
const SIGNS: [char; 12] = [';', '^', '$', '"', '[', ']', '{', '}', '(', ')', '|', '\\'];

/// One pattern for addresses or user names, without the blanks and line ends around it.
///
/// # Errors
/// It can never match.
pub fn people_pattern(text: &str) -> Result<String, BadPattern> {
    let pattern = text.trim();
    let is_quote =
        |c: char| matches!(c, '\'' | '`' | '\u{B4}' | '\u{2018}'..='\u{201F}' | '\u{AB}' | '\u{BB}');
    if pattern.is_empty() {
        return Err(BadPattern::Empty);
    }
    if let Some(sign) = pattern.chars().find(|c| SIGNS.contains(c)) {
        return Err(BadPattern::Sign(sign));
    }
    if pattern.starts_with(".*") {
        return Err(BadPattern::Regex);
    }
    if pattern.starts_with(is_quote) || pattern.ends_with(is_quote) {
        return Err(BadPattern::Quote);
    }
    if pattern.contains(char::is_whitespace) {
        return Err(BadPattern::Blank);
    }
    if matches!(printable(pattern), Cow::Owned(_)) {
        return Err(BadPattern::Invisible);
    }
    Ok(pattern.to_owned())
}

fn halves<'a>(text: &'a str, form: &'static str) -> Result<(&'a str, &'a str), BadSetting> {
    let (left, right) = text.split_once('=').ok_or_else(|| BadSetting::NoEquals(text.to_owned(), form))?;
    let (left, right) = (left.trim(), right.trim());
    if right.is_empty() { Err(BadSetting::Empty(text.to_owned())) } else { Ok((left, right)) }
}

/// The choice of rows, with the patterns of each column apart.
#[derive(Debug)]
pub(super) struct Choice<'a> {
    emails: Vec<&'a Glob>,
    workspaces: Vec<&'a Glob>,
}

impl<'a> Choice<'a> {
    pub(super) fn new(only: &'a [Only]) -> Self {
        let mut choice = Self { emails: Vec::new(), workspaces: Vec::new() };
        for one in only {
            match one {
                Only::Workspace(glob) => choice.workspaces.push(glob),
                Only::Email(glob) => choice.emails.push(glob),
            }
        }
        choice
    }

    /// Whether every row is taken anyway.
    pub(super) fn is_everything(&self) -> bool {
        self.emails.is_empty() && self.workspaces.is_empty()
    }

    pub(super) fn takes_workspace(&self, workspace: &str) -> bool {
        self.workspaces.is_empty() || self.workspaces.iter().any(|glob| glob.matches(workspace))
    }

    pub(super) fn takes_email(&self, email: &str) -> bool {
        self.emails.is_empty() || self.emails.iter().any(|glob| glob.matches_email(email))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_the_whole_text() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("*@example.com", "ada@example.com", true),
            ("?da*", "ada@example.com", true),
            ("", "a", false),
            ("a*b*c", "aXbYbZc", true),
            ("é?", "éa", true),
            ("**a", "bba", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_fits_an_address_in_either_spelling_of_its_domain() {
        for (pattern, email) in [
            ("*@münchen.example", "ann@xn--mnchen-3ya.example"),
            ("*@xn--mnchen-3ya.example", "ann@münchen.example"),
            ("ann@*", "ann@münchen.example"),
        ] {
            assert!(Glob::new(pattern).matches_email(email), "{pattern} {email}");
        }
        assert!(!Glob::new("*@munchen.example").matches_email("ann@münchen.example"));
    }

    #[test]
    fn a_pattern_of_many_stars_ends_soon() {
        assert!(
            !Glob::new(&"a*".repeat(40))
                .matches(&"a".repeat(4000).replace("aaaa", "aaab")[..3999].replace('a', "b"))
        );
    }

    #[test]
    fn a_pattern_that_can_never_match_is_refused() {
        for (text, pattern) in [
            ("svc-*", "svc-*"),
            (" svc-ci@example.com\r\n", "svc-ci@example.com"),
            ("o'brien@example.com", "o'brien@example.com"),
            ("?*@example.com", "?*@example.com"),
            ("nora.*@example.com", "nora.*@example.com"),
            ("svc+*@example.com", "svc+*@example.com"),
        ] {
            assert_eq!(people_pattern(text).as_deref(), Ok(pattern));
        }
        for (text, why) in [
            ("", BadPattern::Empty),
            (" \t\r\n", BadPattern::Empty),
            ("a@example.com b@example.com", BadPattern::Blank),
            ("a@example.com\nb@example.com", BadPattern::Blank),
            ("a\u{a0}b", BadPattern::Blank),
            ("a;b", BadPattern::Sign(';')),
            ("^svc-.*", BadPattern::Sign('^')),
            ("svc-.*$", BadPattern::Sign('$')),
            ("a\"b", BadPattern::Sign('"')),
            ("svc-c[id]@*", BadPattern::Sign('[')),
            ("svc-]", BadPattern::Sign(']')),
            ("{ci,cd}@example.com", BadPattern::Sign('{')),
            ("ci}@example.com", BadPattern::Sign('}')),
            ("(a|b)@example.com", BadPattern::Sign('(')),
            ("a)*", BadPattern::Sign(')')),
            ("a|b", BadPattern::Sign('|')),
            ("svc\\w*", BadPattern::Sign('\\')),
            (".*@example.com", BadPattern::Regex),
            ("'svc-*'", BadPattern::Quote),
            ("svc-*'", BadPattern::Quote),
            ("`svc-*", BadPattern::Quote),
            ("\u{201c}svc-*\u{201d}", BadPattern::Quote),
            ("svc\u{200b}-*", BadPattern::Invisible),
            ("svc\u{1b}-*", BadPattern::Invisible),
        ] {
            assert_eq!(people_pattern(text), Err(why), "{text:?}");
            assert!(format!("email={text}").parse::<Only>().is_err(), "{text:?}");
        }
        assert!("email=a@example.com,b@example.com".parse::<Only>().is_err());
        assert!("workspace=Data; old, \"raw\"".parse::<Only>().is_ok());
        assert!("workspace= ".parse::<Only>().is_err());
    }

    #[test]
    fn settings_are_read_from_text() {
        let name: ColumnName = "email=Work Email".parse().unwrap();
        assert_eq!(name, ColumnName { column: Column::Email, header: "Work Email".to_owned() });
        assert!("boss=Work Email".parse::<ColumnName>().is_err());
        assert!("email".parse::<ColumnName>().is_err());
        assert!("email=".parse::<ColumnName>().is_err());
        assert_eq!("email=*@X.com".parse::<Only>(), Ok(Only::Email(Glob::new("*@x.com"))));
        assert!("role=x".parse::<Only>().is_err());
        assert_eq!(parse_delimiter("tab"), Ok(b'\t'));
        assert_eq!(parse_delimiter(";"), Ok(b';'));
        for bad in ["", "\"", "é", "ab", "a", "\n", "@"] {
            assert!(parse_delimiter(bad).is_err(), "{bad:?}");
        }
    }
}
