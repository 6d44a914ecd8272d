//! The topics of `help`: the environment, the exit status, the roster.
//!
//! Main function: [`text`]. Each has one source: the flags, [`ExitStatus`], the columns of a roster.

use std::fmt::Write as _;

use clap::{Arg, Command};

use crate::cli::settings::{is_setting, variable};
use crate::outcome::ExitStatus;
use crate::roster::COLUMNS;

const ENVIRONMENT: &str = include_str!("environment.txt");
const ROSTER: &str = include_str!("roster.txt");
/// The files that the program reads and writes, for manual pages.
pub const FILES: &str = include_str!("files.txt");

/// The names of the topics.
pub const NAMES: [&str; 3] = ["environment", "exit-status", "roster"];

/// The text of a topic; none if it is not one.
pub fn text(topic: &str, command: &Command) -> Option<String> {
    match topic {
        "environment" => Some(format!("{ENVIRONMENT}\n{}", variables(command))),
        "exit-status" => Some(exit_status()),
        "roster" => Some(ROSTER.replace("{columns}\n", &columns())),
        _ => None,
    }
}

/// The environment without the list of all settings, for manual pages.
pub fn environment() -> &'static str {
    ENVIRONMENT
}

/// The exit statuses.
pub fn exit_status() -> String {
    let rows = ExitStatus::MEANINGS.map(|(code, meaning)| format!("  {code:8}  {meaning}\n"));
    format!("{}\n{}\n", rows.concat(), ExitStatus::ORDER)
}

/// Every variable, below the commands that have its flag.
fn variables(command: &Command) -> String {
    let mut rows: Vec<(String, Vec<&str>)> = Vec::new();
    let general = command.get_arguments().map(|argument| (argument, "all commands"));
    let others =
        command.get_subcommands().flat_map(|sub| sub.get_arguments().map(|one| (one, sub.get_name())));
    for (argument, of) in general.chain(others) {
        let Some(flag) = argument.get_long().filter(|_| is_setting(argument)) else { continue };
        let row = format!("{}={}", variable(flag), placeholder(argument));
        match rows.iter_mut().find(|(known, _)| *known == row) {
            Some((_, commands)) => commands.push(of),
            None => rows.push((row, vec![of])),
        }
    }
    rows.sort_by_key(|(_, commands)| std::cmp::Reverse(commands.len()));
    rows.sort_by_key(|(_, commands)| commands[0] != "all commands");
    rows.chunk_by(|(_, one), (_, two)| one == two).fold(String::new(), |mut text, group| {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "  {}:", group[0].1.join(", "));
        group.iter().for_each(|(row, _)| {
            let _ = writeln!(text, "    {row}");
        });
        text
    })
}

/// What a variable is set to.
fn placeholder(argument: &Arg) -> String {
    if !argument.get_action().takes_values() {
        return "yes|no".to_owned();
    }
    match argument.get_value_names().and_then(|names| names.first()) {
        Some(name) => name.to_string(),
        None => argument.get_id().as_str().to_uppercase(),
    }
}

fn columns() -> String {
    COLUMNS.iter().fold(String::new(), |mut text, spec| {
        let [name, others @ ..] = spec.names else { return text };
        let others = if others.is_empty() { String::new() } else { format!("or {}", others.join(", ")) };
        let _ = writeln!(text, "{}", format!("  {name:16}  {others}").trim_end());
        text
    })
}
