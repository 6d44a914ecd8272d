//! `completions SHELL`: prints a script that completes commands, flags and files.
//!
//! Main type: [`CompletionsArgs`].

use clap::builder::PossibleValuesParser;
use clap::{Args, Command, ValueEnum};
use clap_complete::{Shell as Generator, generate};

use super::help::topics::NAMES;
use super::help::{PROGRAM, documented};
use super::print_data;
use crate::ops::failure::Failure;
use crate::outcome::ExitStatus;
use crate::report::schemas;

/// Flags of `completions`.
#[derive(Debug, Clone, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// The shells that there are scripts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// Bash 4.4 or later
    Bash,
    /// Zsh
    Zsh,
    /// Fish
    Fish,
    /// PowerShell
    #[value(name = "powershell")]
    Power,
}

/// Prints the script.
///
/// # Errors
/// Standard output cannot be written (1).
pub fn run(args: &CompletionsArgs) -> Result<ExitStatus, Failure> {
    print_data(&script(args.shell))?;
    Ok(ExitStatus::Done)
}

fn script(shell: Shell) -> String {
    let generator = match shell {
        Shell::Bash => Generator::Bash,
        Shell::Zsh => Generator::Zsh,
        Shell::Fish => Generator::Fish,
        Shell::Power => Generator::PowerShell,
    };
    let mut script = Vec::new();
    generate(generator, &mut completed(), PROGRAM, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => repaired(&script),
        Shell::Fish => script + &fish_words(),
        Shell::Zsh | Shell::Power => script,
    }
}

/// The values of positional arguments, which the script for fish lacks.
fn fish_words() -> String {
    let shells = Shell::value_variants().iter().filter_map(ValueEnum::to_possible_value);
    let shells: Vec<String> = shells.map(|shell| shell.get_name().to_owned()).collect();
    let schemas = schemas::ALL.map(|(name, ..)| name.to_owned()).to_vec();
    let line = |(command, words): (&str, Vec<String>)| {
        let words = words.join(" ");
        format!("complete -c {PROGRAM} -n '__fish_seen_subcommand_from {command}' -f -a '{words}'\n")
    };
    [("completions", shells), ("help", topics()), ("schema", schemas)].map(line).concat()
}

/// What `help` tells about.
fn topics() -> Vec<String> {
    let root = documented();
    let commands = root.get_subcommands().map(|command| command.get_name().to_owned());
    commands.chain(NAMES.map(str::to_owned)).collect()
}

/// The command line with the values that a shell proposes and that help need not list.
fn completed() -> Command {
    let schemas = schemas::ALL.map(|(name, ..)| name);
    documented()
        .mut_subcommand("schema", |schema| {
            schema.mut_arg("name", |name| name.value_parser(PossibleValuesParser::new(schemas)))
        })
        .mut_subcommand("help", |help| {
            help.mut_arg("about", |words| words.value_parser(PossibleValuesParser::new(topics())))
        })
}

/// The script for bash gives a program with a hyphen in its name two different names, and completes
/// nothing after a command (clap-rs/clap#6421). For an empty word it lists all options; without them bash
/// proposes files, where neither a command nor a fixed value is expected.
fn repaired(script: &str) -> String {
    script.replace("houston__subcmd__onboard", "houston__onboard") + BASH_WORDS
}

const BASH_WORDS: &str = r#"
_houston__onboard__words() {
    _houston__onboard "$@"
    if [[ -z "$2" ]]; then
        local word words=()
        for word in "${COMPREPLY[@]}"; do
            [[ "${word}" == -* ]] || words+=("${word}")
        done
        COMPREPLY=("${words[@]}")
    fi
}

complete -F _houston__onboard__words -o bashdefault -o default houston-onboard
"#;
