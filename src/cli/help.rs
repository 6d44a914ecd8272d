//! Help: which options `-h` shows, examples, topics, and colours.
//!
//! Main function: [`documented`], the command line as help, completions and manual pages show it. `-h`
//! fits on one screen: `short.rs` lists its options. `--help` has all of them.

pub mod examples;
mod short;
pub mod topics;

use std::ffi::OsString;

use anyhow::anyhow;
use clap::builder::{PossibleValuesParser, Resettable, StyledStr, Styles, ValueHint};
use clap::{Arg, Args, Command};

use super::print;
use super::settings::{bare, nearest};
use super::usage::{answer, escaped};
use crate::ops::failure::Failure;
use crate::outcome::ExitStatus;

/// The name of the program.
pub const PROGRAM: &str = "houston-onboard";

/// Headings bold, what is typed in cyan.
const STYLES: Styles = Styles::styled()
    .header(anstyle::Style::new().bold())
    .usage(anstyle::Style::new().bold())
    .literal(anstyle::AnsiColor::Cyan.on_default())
    .placeholder(anstyle::Style::new());

/// Flags of `help`.
#[derive(Debug, Clone, Args)]
#[command(override_usage = "houston-onboard help [COMMAND | TOPIC]")]
pub struct HelpArgs {
    /// A command, or a topic: environment, exit-status, roster
    #[arg(value_name = "COMMAND")]
    pub about: Vec<String>,
}

/// Prints the help of a command, or a topic.
///
/// # Errors
/// There is no such command or topic (2), or standard output cannot be written (1).
pub fn run(args: &HelpArgs) -> Result<ExitStatus, Failure> {
    if let [topic] = &args.about[..]
        && let Some(text) = topics::text(topic, &documented())
    {
        print(&text)?;
        return Ok(ExitStatus::Done);
    }
    subcommand(&documented(), &args.about)?;
    let words = [PROGRAM].into_iter().chain(args.about.iter().map(String::as_str)).chain(["--help"]);
    let words: Vec<OsString> = words.map(OsString::from).collect();
    match documented().try_get_matches_from(&words) {
        Err(help) => Ok(answer(help, &words, documented).0),
        Ok(_) => Err(Failure::new(ExitStatus::Internal, anyhow!("there is no help"))),
    }
}

/// The command that these words lead to.
///
/// # Errors
/// There is none (2).
pub fn subcommand<'c>(root: &'c Command, words: &[String]) -> Result<&'c Command, Failure> {
    words.iter().try_fold(root, |command, word| {
        command.find_subcommand(word).ok_or_else(|| {
            let names = command.get_subcommands().map(|sub| sub.get_name().to_owned());
            let names = names.chain(topics::NAMES.map(str::to_owned));
            let meant =
                nearest(word, names).map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
            let error = anyhow!("no command or topic `{}`{meant}", escaped(word));
            Failure::new(ExitStatus::Usage, error).hint(format!("see {PROGRAM} help"))
        })
    })
}

/// The command line as the help that these arguments ask for shows it.
pub fn documented_for(arguments: &[OsString]) -> Command {
    let is_full = arguments.iter().any(|argument| argument == "--help" || argument == "help");
    if is_full { documented() } else { summarised() }
}

/// The command line as `--help`, completions and manual pages show it.
pub fn documented() -> Command {
    with_form(Form::Full)
}

/// The command line as `-h` shows it.
fn summarised() -> Command {
    with_form(Form::Summary)
}

/// How much of a command is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The options that people need, in one list.
    Summary,
    /// All options, by concern.
    Full,
}

impl Form {
    /// An option as help shows it. `shown` are those of a summary, in order; general ones come last.
    fn of(self, argument: Arg, shown: &[&str]) -> Arg {
        let index = argument.get_long().map(|long| shown.iter().position(|known| *known == long));
        let last = if shown == short::GENERAL { usize::MAX - shown.len() } else { 0 };
        let argument = hinted(argument);
        match (self, index) {
            (Self::Full, _) | (_, None) => argument,
            (Self::Summary, Some(None)) => argument.hide_short_help(true),
            (Self::Summary, Some(Some(index))) => {
                argument.help_heading(Resettable::Reset).display_order(last + index)
            }
        }
    }
}

fn with_form(form: Form) -> Command {
    let names: Vec<String> = bare().get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    let words = |topics: &[&'static str]| {
        let names = names.iter().filter(|name| *name != "help").cloned();
        PossibleValuesParser::new(names.chain(topics.iter().map(|&topic| topic.to_owned())))
    };
    let (of_help, of_man) = (words(&topics::NAMES), words(&[]));
    let root = bare()
        .styles(STYLES)
        .mut_args(|argument| form.of(argument, short::GENERAL))
        .mut_subcommand("help", |help| help.mut_arg("about", |about| about.value_parser(of_help)))
        .mut_subcommand("man", |man| man.mut_arg("command", |command| command.value_parser(of_man)));
    let is_hidden = |argument: &&Arg| argument.is_hide_short_help_set();
    let hidden = root.get_arguments().filter(is_hidden).count();
    let root = root.mut_subcommands(|sub| explained(sub, "", hidden, form));
    let hint = format!("{hidden} more options: {PROGRAM} --help");
    with_examples(root.after_help(hint), "", &[("Exit status", topics::exit_status())])
}

/// A command with its examples. `above` leads to it, and `hidden` general options are left out of its
/// summary.
fn explained(command: Command, above: &str, hidden: usize, form: Form) -> Command {
    let key = format!("{above} {}", command.get_name()).trim_start().to_owned();
    let command = command.mut_args(|argument| {
        let argument = form.of(argument, short::options(&key));
        let is_refused = argument.get_long().is_some_and(|long| short::refused(&key).contains(&long));
        if is_refused { argument.hide(true) } else { argument }
    });
    let is_hidden = |argument: &&Arg| argument.is_hide_short_help_set() && !argument.is_hide_set();
    let own = command.get_arguments().filter(is_hidden).count();
    let command = command.mut_subcommands(|sub| explained(sub, &key, hidden, form));
    let more = format!("{} more options: {PROGRAM} {key} --help", own + hidden);
    with_examples(command.after_help(more), &key, &[])
}

/// What a shell offers for a value: files, folders, or nothing of its own.
fn hinted(argument: Arg) -> Arg {
    let name = argument.get_value_names().and_then(|names| names.first()).map(clap::builder::Str::as_str);
    let hint = match name {
        Some("FILE" | "ROSTER") => ValueHint::FilePath,
        Some("DIR" | "RUN") => ValueHint::DirPath,
        Some("URL") => ValueHint::Url,
        Some("DOMAIN") => ValueHint::Hostname,
        Some(_) | None => ValueHint::Other,
    };
    let takes_values = argument.get_action().takes_values();
    if takes_values { argument.value_hint(hint) } else { argument }
}

/// The command with its examples and these sections at the end of its long help, before what is there
/// already.
fn with_examples(command: Command, key: &str, more: &[(&str, String)]) -> Command {
    let header = STYLES.get_header();
    let examples = examples::of(key).iter().map(|(what, line)| format!("  # {what}\n  {line}\n"));
    let examples = examples.collect::<String>();
    let sections = [("Examples", examples)].into_iter().chain(more.iter().cloned());
    let sections = sections.filter(|(_, section)| !section.is_empty());
    let mut parts: Vec<String> = sections
        .map(|(title, section)| format!("{header}{title}:{header:#}\n{}", section.trim_end()))
        .collect();
    parts.extend(command.get_after_long_help().map(|rest| rest.ansi().to_string()));
    parts.push(format!("Options as variables and in a file: {PROGRAM} help environment"));
    command.after_long_help(StyledStr::from(parts.join("\n\n")))
}

#[cfg(test)]
mod tests;
