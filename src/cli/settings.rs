//! Settings: values of flags that were not typed, from `HOUSTON_ONBOARD_...` variables and from the
//! `--config` file. A typed flag overrides a variable, which overrides the table of the chosen target in
//! the file, which overrides the rest of the file.
//!
//! Main function: [`parse`]. Only this module gives flags their variables and keys: the definitions of
//! the flags do not mention them, and clap sees the values found here as defaults. So a value that was
//! not typed never conflicts with one that was.

mod environment;
mod file;
mod keys;
mod origin;
mod server;
mod shown;
mod value;

use std::ffi::OsString;
use std::path::Path;

use anyhow::anyhow;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches, Id};

use self::environment::{CONFIG, Environment as Variables, TARGET};
use self::file::{ConfigFile, Content, Entry, Target};
use self::value::{BadValue, checked, is_switch};
use super::Cli;
use super::usage::escaped;
use super::voice::{self, LOG_FORMAT, LogFormat};
use crate::ops::failure::Failure;
use crate::outcome::ExitStatus;

pub use self::environment::{Environment, is_setting, nearest, variable};
pub use self::origin::{Distance, Origin, Origins};
pub use self::shown::{Setting, Source, Value};

/// The commands that need no setting: they work whatever the environment and the file contain.
const WITHOUT_SETTINGS: [&str; 5] = ["completions", "help", "man", "schema", "version"];
/// The settings of which each names a Houston.
const CHOOSERS: [&str; 4] = ["url", "domain", "context", "sandbox"];

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

/// The command line without any variable. `config show` takes the settings of all commands.
pub fn bare() -> Command {
    let plain = |argument: Arg| {
        if is_switch(&argument) { argument.value_parser(clap::value_parser!(bool)) } else { argument }
    };
    let command = Cli::command().mut_args(plain).mut_subcommands(move |sub| sub.mut_args(plain));
    let mut settings: Vec<Arg> = Vec::new();
    for argument in command.get_subcommands().flat_map(Command::get_arguments) {
        if is_setting(argument) && settings.iter().all(|known| known.get_long() != argument.get_long()) {
            settings.push(argument.clone());
        }
    }
    command.mut_subcommand("config", |config| config.mut_subcommand("show", |show| show.args(settings)))
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
    let (matches, mut origins) = matches(arguments, environment, warn)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    cli.global.choose_voice(|flag| distance(flag, &matches, &origins)).map_err(Refused::Setting)?;
    if let Some(target) = cli.command.target_mut() {
        target.set_origins(&origins);
    }
    if let Some(settings) = cli.command.shown_settings_mut() {
        *settings = shown::all(&bare(), &matches, &origins);
    }
    if CHOOSERS.iter().any(|flag| is_given(leaf(&matches), flag)) {
        origins.forget(&CHOOSERS);
    }
    cli.global.origins = origins;
    Ok(cli)
}

/// Whether the command has this flag, and it was typed.
fn is_given(leaf: &ArgMatches, flag: &str) -> bool {
    leaf.try_contains_id(flag).is_ok() && is_typed(leaf, flag)
}

fn distance(flag: &str, matches: &ArgMatches, origins: &Origins) -> Distance {
    if is_typed(matches, flag) { Distance::Typed } else { origins.distance(flag) }
}

/// A value that was not typed.
struct Given {
    /// The commands that lead to the flag; none for a global flag.
    path: Vec<String>,
    id: Id,
    flag: String,
    values: Vec<OsString>,
    origin: Origin,
}

/// Where values that were not typed can come from.
#[derive(Clone, Copy)]
struct Sources<'s> {
    environment: &'s Variables,
    file: Option<&'s ConfigFile>,
    /// The chosen table of the file.
    target: Option<&'s Target>,
}

fn matches(
    arguments: &[OsString],
    environment: &Variables,
    warn: &mut dyn FnMut(String),
) -> Result<(ArgMatches, Origins), Refused> {
    let typed = bare().try_get_matches_from(arguments)?;
    if typed.subcommand_name().is_some_and(|name| WITHOUT_SETTINGS.contains(&name)) {
        return Ok((typed, Origins::default()));
    }
    let mut command = bare();
    environment.warnings(&command).into_iter().for_each(&mut *warn);
    let file = config_file(&typed, environment)?;
    if let Some(file) = &file {
        guess_voice(file, &typed, environment);
        keys::check(&command, file, warn)?;
    }
    let sources = Sources { environment, file: file.as_ref(), target: None };
    let target = chosen_target(&command, &typed, sources)?;
    let given = given(&command, &typed, Sources { target, ..sources })?;
    if let Some(target) = target {
        server::refuse_other(target, &typed, &given)?;
    }
    let mut origins = Origins::default();
    if target.is_none() {
        offered(file.as_ref()).into_iter().for_each(|targets| origins.offer(targets));
    }
    if given.is_empty() {
        return Ok((typed, origins));
    }
    for one in given {
        origins.insert(&one.flag, one.origin);
        let values = one.values.into_iter().map(clap::builder::OsStr::from);
        let with_default = |argument: Arg| argument.default_values(values);
        command = change(command, &one.path, |sub| sub.mut_arg(one.id, with_default));
    }
    if let Some(warning) = target.and_then(|target| overridden(target, &typed, &origins)) {
        warn(warning);
    }
    Ok((command.try_get_matches_from(arguments)?, origins))
}

/// The settings file and its targets.
fn offered(file: Option<&ConfigFile>) -> Option<String> {
    let file = file.filter(|file| !file.targets.is_empty())?;
    let names: Vec<&str> = file.targets.iter().map(|target| target.name.as_str()).collect();
    Some(escaped(&format!("{} has: {}", file.path.display(), names.join(", "))).into_owned())
}

/// Takes the format of the log from a file whose keys are not checked yet, so that an error in them has it too.
fn guess_voice(file: &ConfigFile, typed: &ArgMatches, environment: &Variables) {
    let is_chosen = is_typed(typed, "log_format") || environment.get(&variable(LOG_FORMAT)).is_some();
    let value = file.entries.iter().find(|entry| entry.key == LOG_FORMAT).map(|entry| &entry.value);
    if let Some(Content::One(value)) = value.filter(|_| !is_chosen)
        && value.text == "json"
    {
        voice::set(LogFormat::Json, false);
    }
}

/// Changes the command below this one that a path leads to.
fn change(command: Command, path: &[String], how: impl FnOnce(Command) -> Command) -> Command {
    match path {
        [] => how(command),
        [first, rest @ ..] => command.mut_subcommand(first, |sub| change(sub, rest, how)),
    }
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

/// The table of the file that `--target`, its variable or its key chooses.
fn chosen_target<'f>(
    command: &Command,
    typed: &ArgMatches,
    sources: Sources<'f>,
) -> Result<Option<&'f Target>, Failure> {
    let Some(argument) = command.get_arguments().find(|argument| argument.get_long() == Some(TARGET)) else {
        return Ok(None);
    };
    let (name, said) = match typed.get_one::<String>(TARGET) {
        Some(name) => (name.clone(), format!("--{TARGET}")),
        None => match set(argument, TARGET, sources)? {
            Some((values, origin)) => {
                (values.iter().map(|value| value.to_string_lossy()).collect(), origin.to_string())
            }
            None => return Ok(None),
        },
    };
    let targets = sources.file.map(|file| file.targets.as_slice()).unwrap_or_default();
    match targets.iter().find(|target| target.name == name) {
        Some(target) => Ok(Some(target)),
        None => Err(keys::unknown_target(&said, &name, sources.file)),
    }
}

/// A warning if a variable leads to another Houston than the target that the user chose.
fn overridden(target: &Target, typed: &ArgMatches, origins: &Origins) -> Option<String> {
    let is_chooser = |entry: &&Entry| CHOOSERS.contains(&entry.key.as_str());
    let of_target = target.entries.iter().find(is_chooser)?;
    let leaf = leaf(typed);
    if CHOOSERS.iter().any(|flag| is_given(leaf, flag)) {
        return None;
    }
    let variable = CHOOSERS.iter().find(|flag| origins.distance(flag) == Distance::Variable)?;
    let (name, key, name_of) = (self::variable(variable), &of_target.key, escaped(&target.name));
    Some(format!("{name} overrides `{key}` of the target `{name_of}`; unset it, or pass --{variable}"))
}

/// The matches of the command that was typed.
fn leaf(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, below)| leaf(below))
}

/// The values that were not typed and that this call uses.
fn given(command: &Command, typed: &ArgMatches, sources: Sources<'_>) -> Result<Vec<Given>, Failure> {
    let (mut found, mut path) = (Vec::new(), Vec::new());
    let mut level = Some((command, typed));
    while let Some((command, matches)) = level {
        for argument in command.get_arguments() {
            let Some(flag) = argument.get_long().filter(|_| is_setting(argument)) else { continue };
            // A typed flag wins, but a bad value is still an error.
            let set = set(argument, flag, sources)?;
            if let Some((values, origin)) = set.filter(|_| !is_typed(matches, argument.get_id().as_str())) {
                let (id, flag) = (argument.get_id().clone(), flag.to_owned());
                found.push(Given { path: path.clone(), id, flag, values, origin });
            }
        }
        level = matches.subcommand().and_then(|(name, below)| {
            path.push(name.to_owned());
            Some((command.find_subcommand(name)?, below))
        });
    }
    Ok(found)
}

/// The value of a flag in the environment, for the chosen target, or at the top of the file.
fn set(argument: &Arg, flag: &str, sources: Sources<'_>) -> Result<Option<(Vec<OsString>, Origin)>, Failure> {
    let name = variable(flag);
    let is_set = |text: &OsString| {
        let is_blank = text.to_str().is_some_and(|text| text.trim().is_empty());
        !(text.is_empty() || is_switch(argument) && is_blank)
    };
    if let Some(text) = sources.environment.get(&name).map(without_line_end).filter(is_set) {
        let origin = Origin::Variable(name);
        let values = checked(argument, vec![text]).map_err(|bad| refused(&origin, &bad))?;
        return Ok(Some((values, origin)));
    }
    let of_target = sources.target.map(|target| (Some(target.name.clone()), &target.entries));
    let of_file = sources.file.map(|file| (None, &file.entries));
    for (target, entries) in of_target.into_iter().chain(of_file) {
        if let Some(entry) = entries.iter().find(|entry| entry.key == flag) {
            let origin = Origin::Key { key: entry.key.clone(), target, at: entry.at.clone() };
            let values = keys::values(argument, entry).map_err(|bad| refused(&origin, &bad))?;
            return Ok(Some((values, origin)));
        }
    }
    Ok(None)
}

/// A value without the trailing line break that an env file or a pipeline may have left.
pub fn without_line_end(text: &std::ffi::OsStr) -> OsString {
    text.to_str().map_or_else(|| text.to_owned(), |text| text.trim_end_matches(['\r', '\n']).into())
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
