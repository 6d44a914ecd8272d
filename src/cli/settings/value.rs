//! Values that were not typed: which ones a flag accepts, and why it refuses others.
//!
//! Main functions: [`yes_or_no`] for switches, and [`checked`].

use std::error::Error as _;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};

use super::super::usage::escaped;

/// Why a flag refuses a value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadValue {
    /// A switch that is set to something other than yes or no.
    #[error("`{0}` is neither yes nor no")]
    Switch(String),
    /// The flag does not accept this value.
    #[error("`{value}` is not a valid value: {reason}")]
    Value {
        /// The value, escaped.
        value: String,
        /// Why not.
        reason: String,
    },
    /// A list where one value is expected.
    #[error("expected one value, not a list")]
    List,
    /// A table, a date, or a list of lists.
    #[error("expected a text, a number, true or false")]
    Form,
}

impl BadValue {
    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Switch(_) => Some("write true or false; yes/no, on/off, 1/0, y/n and t/f work too"),
            Self::Value { .. } | Self::List | Self::Form => None,
        }
    }
}

/// Whether a flag is a switch, which takes no value on the command line.
pub fn is_switch(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::SetTrue | ArgAction::SetFalse)
}

/// The setting of a switch; none if the text is neither yes nor no.
pub fn yes_or_no(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" | "y" | "t" => Some(true),
        "false" | "no" | "off" | "0" | "n" | "f" => Some(false),
        _ => None,
    }
}

/// The values as the parser of this flag accepts them.
///
/// # Errors
/// It refuses one of them.
pub fn checked(argument: &Arg, values: Vec<OsString>) -> Result<Vec<OsString>, BadValue> {
    if is_switch(argument) {
        return switch(&values).map(|on| vec![OsString::from(if on { "true" } else { "false" })]);
    }
    let takes_several = matches!(argument.get_action(), ArgAction::Append);
    if values.len() != 1 && !takes_several {
        return Err(BadValue::List);
    }
    values.into_iter().map(|value| accepted(argument, value)).collect()
}

/// The value unchanged, or trimmed if the flag accepts only that.
fn accepted(argument: &Arg, value: OsString) -> Result<OsString, BadValue> {
    let Err(bad) = probe(argument, &value) else { return Ok(value) };
    let trimmed = value.to_str().map(str::trim).filter(|text| !text.is_empty()).map(OsString::from);
    trimmed.filter(|text| probe(argument, text).is_ok()).ok_or(bad)
}

fn switch(values: &[OsString]) -> Result<bool, BadValue> {
    let [value] = values else { return Err(BadValue::List) };
    value.to_str().and_then(yes_or_no).ok_or_else(|| BadValue::Switch(shown(value)))
}

fn shown(value: &OsString) -> String {
    escaped(&value.to_string_lossy()).into_owned()
}

/// Runs the parser of a flag on one value, with no other flag on the command line.
fn probe(argument: &Arg, value: &OsString) -> Result<(), BadValue> {
    let mut alone = Arg::new("value")
        .long("value")
        .action(argument.get_action().clone())
        .value_parser(argument.get_value_parser().clone());
    if let Some(delimiter) = argument.get_value_delimiter() {
        alone = alone.value_delimiter(delimiter);
    }
    let mut typed = OsString::from("--value=");
    typed.push(value);
    let parsed = Command::new("probe").no_binary_name(true).arg(alone).try_get_matches_from([typed]);
    parsed.map(drop).map_err(|error| BadValue::Value { value: shown(value), reason: reason(&error) })
}

fn reason(error: &clap::Error) -> String {
    if let Some(source) = error.source() {
        return escaped(&source.to_string()).into_owned();
    }
    if let Some(ContextValue::Strings(accepted)) = error.get(ContextKind::ValidValue)
        && !accepted.is_empty()
    {
        return format!("expected one of {}", accepted.join(", "));
    }
    if error.kind() == ErrorKind::InvalidUtf8 {
        return "not UTF-8".to_owned();
    }
    "empty or malformed".to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_switch_knows_yes_and_no_and_nothing_else() {
        for yes in ["true", "TRUE", "Yes", "on", "1", "y", "t", " true\r\n", "\tY "] {
            assert_eq!(yes_or_no(yes), Some(true), "{yes:?}");
        }
        for no in ["false", "False", "NO", "off", "0", "n", "f", " f "] {
            assert_eq!(yes_or_no(no), Some(false), "{no:?}");
        }
        for bad in
            ["", " ", "flase", "\"false\"", "'no'", "none", "null", "0.0", "2", "-1", "00", "never", "ja"]
        {
            assert_eq!(yes_or_no(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_bad_value_is_escaped_and_its_reason_is_that_of_the_parser() {
        let argument = Arg::new("n").long("n").value_parser(clap::value_parser!(u8).range(1..=64));
        let refused = |text: &str| checked(&argument, vec![text.into()]).unwrap_err().to_string();
        assert_eq!(refused("65"), "`65` is not a valid value: 65 is not in 1..=64");
        assert!(refused("\u{1b}[31m\r").starts_with("`\\u{1b}[31m\\r` is not a valid value: "));
        assert_eq!(checked(&argument, vec!["1".into(), "2".into()]).unwrap_err(), BadValue::List);
        let choice = Arg::new("c").long("c").value_parser(["a", "b"]);
        let error = checked(&choice, vec!["x".into()]).unwrap_err().to_string();
        assert_eq!(error, "`x` is not a valid value: expected one of a, b");
        assert_eq!(checked(&choice, vec!["b".into()]), Ok(vec!["b".into()]));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn case_and_blanks_around_it_do_not_matter(word in "(true|yes|on|1|y|t|false|no|off|0|n|f)", before in "[ \t\r\n]{0,3}", upper in any::<bool>()) {
            let text = format!("{before}{}{before}", if upper { word.to_uppercase() } else { word.clone() });
            prop_assert_eq!(yes_or_no(&text), yes_or_no(&word));
            prop_assert!(yes_or_no(&text).is_some());
        }
    }
}
