//! Settings: values of flags that were not typed, from `HOUSTON_ONBOARD_...` variables and from the
//! `--config` file. A typed flag overrides a variable, which overrides the file.
//!
//! Main function: [`parse`]. Only this module gives flags their variables and keys: the definitions of
//! the flags do not mention them, and clap sees the values found here as defaults. So a value that was
//! not typed never conflicts with one that was.

mod environment;
mod origin;
mod value;

use std::ffi::OsString;
use std::path::Path;

use anyhow::anyhow;
use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches, Id};

use self::environment::{CONFIG, Environment as Variables, flag, is_of_one_call, is_setting, nearest};
use self::value::{BadValue, checked, is_switch};
use super::Cli;
use super::config::{ConfigFile, Content, Entry, Scalar};
use super::usage::escaped;
use crate::ops::failure::Failure;
use crate::outcome::ExitStatus;

pub use self::environment::{Environment, variable};
pub use self::origin::{Origin, Origins};

/// Why no command can run.
#[derive(Debug)]
pub enum Refused {
    /// The typed arguments are invalid, or ask for help.
    Typed(Box<clap::Error>),
    /// A setting is invalid.
    Setting(Failure),
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Setting(failure)
    }
}

impl From<clap::Error> for Refused {
    fn from(error: clap::Error) -> Self {
        Self::Typed(Box::new(error))
    }
}

/// The command line without any variable.
pub fn bare() -> Command {
    let unset = |argument: Arg| argument.env(Resettable::Reset);
    let switches = |argument: Arg| {
        let is_switch = is_switch(&argument);
        if is_switch { argument.value_parser(clap::value_parser!(bool)) } else { argument }
    };
    let plain = move |argument: Arg| switches(unset(argument));
    Cli::command().mut_args(plain).mut_subcommands(move |sub| sub.mut_args(plain))
}

/// The command line as help shows it: every flag with its variable.
pub fn documented() -> Command {
    let named = |argument: Arg| match argument.get_long().filter(|_| is_setting(&argument)).map(variable) {
        Some(name) => argument.env(name).hide_env_values(true),
        None => argument,
    };
    bare().mut_args(named).mut_subcommands(move |sub| sub.mut_args(named))
}

/// Parses the arguments, with the settings of the environment and of the file.
///
/// # Errors
/// The arguments, a variable or the file are invalid (2), or the arguments ask for help.
pub fn parse(
    arguments: &[OsString],
    environment: &Environment,
    warn: &mut dyn FnMut(String),
) -> Result<Cli, Refused> {
    let (matches, origins) = matches(arguments, environment, warn)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    cli.global.choose_voice(|flag| Distance::of(flag, &matches, &origins)).map_err(Refused::Setting)?;
    if let Some(target) = cli.command.target_mut() {
        target.set_origins(&origins);
    }
    cli.global.origins = origins;
    Ok(cli)
}

/// How far from the user a value was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Distance {
    /// It was typed.
    Typed,
    /// It comes from a variable.
    Variable,
    /// It comes from the file, or is not set.
    File,
}

impl Distance {
    fn of(flag: &str, matches: &ArgMatches, origins: &Origins) -> Self {
        if is_typed(matches, flag) {
            Self::Typed
        } else if origins.is_variable(flag) {
            Self::Variable
        } else {
            Self::File
        }
    }
}

/// A value that was not typed.
struct Given {
    /// The command that the flag belongs to; none for a global flag.
    command: Option<String>,
    id: Id,
    flag: String,
    values: Vec<OsString>,
    origin: Origin,
}

fn matches(
    arguments: &[OsString],
    environment: &Variables,
    warn: &mut dyn FnMut(String),
) -> Result<(ArgMatches, Origins), Refused> {
    let typed = bare().try_get_matches_from(arguments)?;
    let command = bare();
    environment.warnings(&command).into_iter().for_each(&mut *warn);
    let file = config_file(&typed, environment)?;
    if let Some(file) = &file {
        check(&command, file, warn)?;
    }
    let given = given(&command, &typed, environment, file.as_ref())?;
    if given.is_empty() {
        return Ok((typed, Origins::default()));
    }
    let mut origins = Origins::default();
    let mut command = command;
    for one in given {
        origins.insert(&one.flag, one.origin);
        let values = one.values.into_iter().map(clap::builder::OsStr::from);
        let with_default = |argument: Arg| argument.default_values(values);
        command = match one.command {
            None => command.mut_arg(one.id, with_default),
            Some(name) => command.mut_subcommand(name, |sub| sub.mut_arg(one.id, with_default)),
        };
    }
    Ok((command.try_get_matches_from(arguments)?, origins))
}

/// The settings file that the flag or the variable names.
fn config_file(typed: &ArgMatches, environment: &Variables) -> Result<Option<ConfigFile>, Failure> {
    let usage = |path: &Path| {
        ConfigFile::read(path).map(Some).map_err(|error| {
            Failure::new(ExitStatus::Usage, error)
                .hint("write one `flag = value` per line in TOML, such as rate = \"10/s\"")
        })
    };
    if let Some(path) = typed.get_one::<std::path::PathBuf>(CONFIG) {
        return usage(path);
    }
    let name = variable(CONFIG);
    match environment.get(&name).map(without_line_end).filter(|path| !path.is_empty()) {
        None => Ok(None),
        Some(path) => usage(Path::new(&path)).map_err(|mut failure| {
            failure.error = failure.error.context(name);
            failure
        }),
    }
}

/// Checks every key of the file against the flags of all commands: a file is valid or invalid as a
/// whole.
fn check(command: &Command, file: &ConfigFile, warn: &mut dyn FnMut(String)) -> Result<(), Failure> {
    for entry in &file.entries {
        let mut bearers = bearers(command, &entry.key).peekable();
        if entry.value == Content::Section && bearers.peek().is_none() {
            return Err(section(entry));
        }
        if is_of_one_call(&entry.key) {
            let (at, key) = (&entry.at, &entry.key);
            warn(format!("{at}: `{key}` is ignored: pass --{key} on the command line"));
            continue;
        }
        if bearers.peek().is_none() || entry.key == CONFIG {
            return Err(unknown(command, entry));
        }
        for argument in bearers {
            values(argument, entry).map_err(|bad| refused(&origin_of(entry), &bad))?;
        }
    }
    Ok(())
}

/// The error for a table in the file: no flag could use its keys.
fn section(entry: &Entry) -> Failure {
    let (at, key) = (&entry.at, escaped(&entry.key));
    Failure::new(
        ExitStatus::Usage,
        anyhow!("{at}: `{key}` is not a setting: a settings file has no sections"),
    )
    .hint("write each setting at the top level of the file, such as prune = true")
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

/// The values that were not typed and that this call uses.
fn given(
    command: &Command,
    typed: &ArgMatches,
    environment: &Variables,
    file: Option<&ConfigFile>,
) -> Result<Vec<Given>, Failure> {
    let mut found = Vec::new();
    let mut look = |name: Option<&str>, command: &Command, matches: &ArgMatches| {
        for argument in command.get_arguments() {
            let Some(flag) = argument.get_long().filter(|_| is_setting(argument)) else { continue };
            if flag == CONFIG {
                continue;
            }
            // A typed flag wins, but a bad value is still an error.
            let set = set(argument, flag, environment, file)?;
            let Some((values, origin)) = set.filter(|_| !is_typed(matches, argument.get_id().as_str()))
            else {
                continue;
            };
            let (id, flag) = (argument.get_id().clone(), flag.to_owned());
            found.push(Given { command: name.map(str::to_owned), id, flag, values, origin });
        }
        Ok::<(), Failure>(())
    };
    look(None, command, typed)?;
    if let Some((name, matches)) = typed.subcommand()
        && let Some(sub) = command.find_subcommand(name)
    {
        look(Some(name), sub, matches)?;
    }
    Ok(found)
}

/// The value of a flag in the environment or in the file.
fn set(
    argument: &Arg,
    flag: &str,
    environment: &Variables,
    file: Option<&ConfigFile>,
) -> Result<Option<(Vec<OsString>, Origin)>, Failure> {
    let name = variable(flag);
    let is_set = |text: &OsString| {
        let is_blank = text.to_str().is_some_and(|text| text.trim().is_empty());
        !(text.is_empty() || is_switch(argument) && is_blank)
    };
    if let Some(text) = environment.get(&name).map(without_line_end).filter(is_set) {
        let origin = Origin::Variable(name);
        let values = checked(argument, vec![text]).map_err(|bad| refused(&origin, &bad))?;
        return Ok(Some((values, origin)));
    }
    let Some(entry) = file.and_then(|file| file.entries.iter().find(|entry| entry.key == flag)) else {
        return Ok(None);
    };
    let origin = origin_of(entry);
    let values = values(argument, entry).map_err(|bad| refused(&origin, &bad))?;
    Ok(Some((values, origin)))
}

/// A value without the trailing line break that an env file or a pipeline may have left.
fn without_line_end(text: &std::ffi::OsStr) -> OsString {
    text.to_str().map_or_else(|| text.to_owned(), |text| text.trim_end_matches(['\r', '\n']).into())
}

/// The values of a key, as this flag accepts them.
fn values(argument: &Arg, entry: &Entry) -> Result<Vec<OsString>, BadValue> {
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

fn origin_of(entry: &Entry) -> Origin {
    Origin::Key { key: entry.key.clone(), at: entry.at.clone() }
}

fn refused(origin: &Origin, bad: &BadValue) -> Failure {
    let failure = Failure::new(ExitStatus::Usage, anyhow!("{origin}: {bad}"));
    match bad.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn is_typed(matches: &ArgMatches, id: &str) -> bool {
    matches.value_source(id) == Some(ValueSource::CommandLine)
}

#[cfg(test)]
mod tests;
