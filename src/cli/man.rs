//! `man`: manual pages, from the same definitions as help.
//!
//! Main function: [`page`].

use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::help::{PROGRAM, documented, examples, subcommand, topics};
use super::{UNWRITTEN, print_data};
use crate::ops::failure::Failure;
use crate::outcome::ExitStatus;

/// Flags of `man`.
#[derive(Debug, Clone, Args)]
#[command(override_usage = "houston-onboard man [COMMAND]\n       houston-onboard man --out <DIR>")]
pub struct ManArgs {
    /// The command whose page to print; that of the program if there is none
    #[arg(value_name = "COMMAND")]
    pub command: Vec<String>,

    /// Write the pages of the program and of all commands into this directory
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    pub out: Option<PathBuf>,
}

/// Prints a page, or writes all of them.
///
/// # Errors
/// There is no such command (2), or the page cannot be written (1).
pub fn run(args: &ManArgs) -> Result<ExitStatus, Failure> {
    let mut root = documented();
    root.build();
    if let Some(dir) = &args.out {
        write_all(&root, dir)?;
    } else {
        let page = page(subcommand(&root, &args.command)?, &args.command).context(UNWRITTEN)?;
        print_data(&page)?;
    }
    Ok(ExitStatus::Done)
}

fn write_all(root: &Command, dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let mut left: Vec<(Vec<String>, &Command)> = vec![(Vec::new(), root)];
    while let Some((words, command)) = left.pop() {
        let path = dir.join(format!("{}.1", title(&words)));
        std::fs::write(&path, page(command, &words)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let below = |sub: &Command| [&words[..], &[sub.get_name().to_owned()]].concat();
        left.extend(command.get_subcommands().map(|sub| (below(sub), sub)));
    }
    Ok(())
}

fn title(words: &[String]) -> String {
    [&[PROGRAM.to_owned()], words].concat().join("-")
}

/// The page of the command that these words lead to.
fn page(command: &Command, words: &[String]) -> io::Result<String> {
    let key = words.join(" ");
    let man = Man::new(command.clone());
    // clap_mangen leaves the date out, which shifts what follows it.
    let head = format!(
        ".TH {} 1 \"\" \"{PROGRAM} {}\" \"User Commands\"\n",
        title(words),
        env!("CARGO_PKG_VERSION")
    );
    let mut page = head.into_bytes();
    man.render_name_section(&mut page)?;
    let mut usage = Roff::new();
    synopsis(&mut usage, &mut command.clone());
    usage.to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    man.render_options_section(&mut page)?;
    own_sections(&key).to_writer(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// What clap does not know: environment, files, exit status, examples.
fn own_sections(key: &str) -> Roff {
    let mut roff = Roff::new();
    environment(&mut roff);
    roff.control("SH", ["FILES"]);
    for paragraph in topics::FILES.split("\n\n") {
        let (name, text) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
        tagged(&mut roff, name, &text.replace('\n', " "));
    }
    roff.control("SH", ["EXIT STATUS"]);
    ExitStatus::MEANINGS.iter().for_each(|(code, meaning)| tagged(&mut roff, code, meaning));
    roff.control("PP", []);
    roff.text([roman(ExitStatus::ORDER)]);
    roff.control("SH", ["EXAMPLES"]);
    examples::of(key).iter().for_each(|(what, line)| tagged(&mut roff, &format!("{what}:"), line));
    if !key.is_empty() {
        roff.control("SH", ["SEE ALSO"]);
        roff.text([bold(PROGRAM), roman("(1)")]);
    }
    roff
}

fn tagged(roff: &mut Roff, tag: &str, text: &str) {
    roff.control("TP", []);
    roff.text([bold(tag)]);
    roff.text([roman(text.trim())]);
}

/// The topic as a section: a word alone is a heading, and an indented name before two blanks a term.
fn environment(roff: &mut Roff) {
    roff.control("SH", ["ENVIRONMENT"]);
    for line in topics::environment().lines().filter(|line| !line.is_empty()) {
        let term = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '));
        match term.and_then(|term| term.split_once("  ")) {
            Some((name, text)) => tagged(roff, name, text),
            None if line.contains(' ') => {
                roff.text([roman(line.trim())]);
            }
            None => {
                roff.control("SS", [line]);
            }
        }
    }
}

/// How the command is called, without a list of all its options.
fn synopsis(roff: &mut Roff, command: &mut Command) {
    roff.control("SH", ["SYNOPSIS"]);
    roff.control("nf", []);
    let usage = command.render_usage().to_string();
    for line in usage.trim_start_matches("Usage: ").lines() {
        roff.text([roman(line.trim())]);
    }
    roff.control("fi", []);
}
