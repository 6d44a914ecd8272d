//! Every setting with its value and where the value comes from, for `config show`.
//!
//! Main function: [`all`].

use std::ffi::OsStr;

use clap::{Arg, ArgMatches, Command};

use super::environment::is_setting;
use super::origin::{Origin, Origins};
use super::value::is_switch;
use super::{is_typed, leaf};

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The name of its flag, without the dashes.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// Where the value comes from.
    pub source: Source,
}

/// The value of a setting.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Value {
    /// It is not set, and has no default.
    Unset,
    /// That of a switch.
    Switch(bool),
    /// One value, as it would be typed.
    One(String),
    /// The values of a flag that may be repeated.
    Many(Vec<String>),
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// It was typed.
    Flag,
    /// A variable, or the settings file.
    Origin(Origin),
    /// It was set nowhere.
    Default,
}

/// All settings of the command that was typed, in the order of help.
pub(super) fn all(command: &Command, matches: &ArgMatches, origins: &Origins) -> Vec<Setting> {
    let (mut arguments, mut level) = (Vec::new(), Some((command, matches)));
    while let Some((command, matches)) = level {
        // Global flags come last, as in help.
        arguments.splice(0..0, command.get_arguments().filter(|argument| is_setting(argument)));
        level = matches.subcommand().and_then(|(name, below)| Some((command.find_subcommand(name)?, below)));
    }
    arguments.into_iter().filter_map(|argument| setting(argument, leaf(matches), origins)).collect()
}

fn setting(argument: &Arg, matches: &ArgMatches, origins: &Origins) -> Option<Setting> {
    let name = argument.get_long()?;
    let source = match origins.get(name) {
        _ if is_typed(matches, argument.get_id().as_str()) => Source::Flag,
        Some(origin) => Source::Origin(origin.clone()),
        None => Source::Default,
    };
    Some(Setting { name: name.to_owned(), value: value(argument, matches), source })
}

fn value(argument: &Arg, matches: &ArgMatches) -> Value {
    let id = argument.get_id().as_str();
    if is_switch(argument) {
        return Value::Switch(matches.get_flag(id));
    }
    let text = |value: &OsStr| value.to_string_lossy().into_owned();
    let mut values: Vec<String> = matches.get_raw(id).into_iter().flatten().map(text).collect();
    if matches!(argument.get_action(), clap::ArgAction::Append) {
        return Value::Many(values);
    }
    values.pop().or_else(|| usual(argument)).map_or(Value::Unset, Value::One)
}

/// The default as help gives it, for flags that have to know whether they were set.
fn usual(argument: &Arg) -> Option<String> {
    let help = argument.get_help()?.to_string();
    let (_, rest) = help.split_once("[default: ")?;
    rest.split_once(']').map(|(usual, _)| usual.to_owned())
}
