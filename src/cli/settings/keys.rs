//! The keys of a settings file: which ones there are, what they may contain, and what is said about the
//! others.
//!
//! Main functions: [`check`] and [`values`].

use std::ffi::OsString;

use anyhow::anyhow;
use clap::{Arg, Command};

use super::super::usage::escaped;
use super::environment::{CONFIG, TARGET, flag, is_of_one_call, is_setting, nearest};
use super::file::{ConfigFile, Content, Entry, Scalar};
use super::origin::Origin;
use super::value::{BadValue, checked, is_switch};
use crate::ops::failure::Failure;
use crate::outcome::ExitStatus;

/// Checks every key of the file against the flags of all commands: a file is valid or invalid as a
/// whole.
pub(super) fn check(
    command: &Command,
    file: &ConfigFile,
    warn: &mut dyn FnMut(String),
) -> Result<(), Failure> {
    check_table(command, &file.entries, &[CONFIG], warn)?;
    file.targets.iter().try_for_each(|target| check_table(command, &target.entries, &[CONFIG, TARGET], warn))
}

/// Checks one table; `refused` are the settings that it may not have.
fn check_table(
    command: &Command,
    entries: &[Entry],
    refused: &[&str],
    warn: &mut dyn FnMut(String),
) -> Result<(), Failure> {
    for entry in entries {
        let mut bearers = bearers(command, &entry.key).peekable();
        if entry.value == Content::Section && bearers.peek().is_none() {
            return Err(section(entry));
        }
        if is_of_one_call(&entry.key) {
            let (at, key) = (&entry.at, &entry.key);
            warn(format!("{at}: `{key}` is ignored: pass --{key} on the command line"));
            continue;
        }
        if bearers.peek().is_none() || refused.contains(&entry.key.as_str()) {
            return Err(unknown(command, entry));
        }
        for argument in bearers {
            values(argument, entry).map_err(|bad| bad_value(entry, &bad))?;
        }
    }
    Ok(())
}

/// The error for a table in the file: no flag could use its keys.
fn section(entry: &Entry) -> Failure {
    let (at, key) = (&entry.at, escaped(&entry.key));
    Failure::new(
        ExitStatus::Usage,
        anyhow!("{at}: `{key}` is not a setting: the only tables are those of targets, [targets.NAME]"),
    )
    .hint("write each setting at the top of the file or below the name of a target, such as prune = true")
}

fn bad_value(entry: &Entry, bad: &BadValue) -> Failure {
    let origin = Origin::Key { key: entry.key.clone(), target: None, at: entry.at.clone() };
    super::refused(&origin, bad)
}

/// The error for a target that the settings file does not have; `said` is what chooses it.
pub(super) fn unknown_target(said: &str, name: &str, file: Option<&ConfigFile>) -> Failure {
    let failure = |text: String| Failure::new(ExitStatus::Usage, anyhow!(text)).about(&[TARGET]);
    let shown = escaped(name);
    let Some(file) = file else {
        return failure(format!("{said}: there is no settings file with a target `{shown}`"))
            .hint("name the file with --config or HOUSTON_ONBOARD_CONFIG");
    };
    let names: Vec<String> = file.targets.iter().map(|target| target.name.clone()).collect();
    match nearest(name, names.iter().cloned()) {
        Some(near) => {
            failure(format!("{said}: no target `{shown}` in the file; did you mean `{}`?", escaped(&near)))
        }
        None if names.is_empty() => failure(format!("{said}: the file has no targets"))
            .hint("write [targets.NAME], and the settings of this target below it"),
        None => failure(format!("{said}: no target `{shown}` in the file"))
            .hint(format!("it has these: {}", escaped(&names.join(", ")))),
    }
}

fn bearers<'c>(command: &'c Command, key: &'c str) -> impl Iterator<Item = &'c Arg> {
    let all = command.get_arguments().chain(command.get_subcommands().flat_map(Command::get_arguments));
    all.filter(move |argument| is_setting(argument) && argument.get_long() == Some(key))
}

fn unknown(command: &Command, entry: &Entry) -> Failure {
    let all = command.get_arguments().chain(command.get_subcommands().flat_map(Command::get_arguments));
    let names = all.filter(|argument| is_setting(argument)).filter_map(Arg::get_long);
    let names = names.filter(|name| *name != CONFIG).map(str::to_owned);
    let wanted = flag(&entry.key);
    let (at, key) = (&entry.at, escaped(&entry.key));
    let failure = |text: String| Failure::new(ExitStatus::Usage, anyhow!(text));
    match wanted.as_str() {
        TARGET => failure(format!("{at}: `{key}` cannot be set for a target"))
            .hint("write it at the top of the file: it chooses one of the tables [targets.NAME]"),
        CONFIG => failure(format!("{at}: `{key}` cannot be set in a file"))
            .hint("a settings file cannot name another one: pass --config"),
        "token" | "api-token" | "houston-api-token" => failure(format!("{at}: `{key}` is not a setting"))
            .hint("a settings file must not contain a token: use `token-file` or the variable HOUSTON_API_TOKEN"),
        _ => match nearest(&wanted, names) {
            Some(name) => failure(format!("{at}: `{key}` is not a setting; did you mean `{name}`?")),
            None => failure(format!("{at}: `{key}` is not a setting"))
                .hint("settings have the names of the flags without the leading dashes; see --help"),
        },
    }
}

/// The values of a key, as this flag accepts them.
pub(super) fn values(argument: &Arg, entry: &Entry) -> Result<Vec<OsString>, BadValue> {
    let scalars: Vec<&Scalar> = match &entry.value {
        Content::Section | Content::Other => return Err(BadValue::Form),
        Content::One(one) => vec![one],
        Content::Many(_) if is_switch(argument) => return Err(BadValue::List),
        Content::Many(many) => many.iter().collect(),
    };
    if let Some(bad) = scalars.iter().find(|scalar| is_switch(argument) && !scalar.may_be_switch) {
        return Err(BadValue::Switch(bad.text.clone()));
    }
    checked(argument, scalars.into_iter().map(|scalar| OsString::from(&scalar.text)).collect())
}
