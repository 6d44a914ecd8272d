//! `completions SHELL`: prints a script that completes commands, flags and files.
//!
//! Main type: [`CompletionsArgs`].

use clap::{Args, ValueEnum};
use clap_complete::{Shell as Generator, generate};

use super::help::{PROGRAM, documented};
use super::print_data;
use crate::ops::failure::Failure;
use crate::outcome::ExitStatus;

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
    generate(generator, &mut documented(), PROGRAM, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => repaired(&script),
        Shell::Zsh | Shell::Fish | Shell::Power => script,
    }
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
