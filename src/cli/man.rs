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
    match &args.out {
        Some(dir) => write_all(&root, dir)?,
        None => {
            let page = page(subcommand(&root, &args.command)?, &args.command).context(UNWRITTEN)?;
            print_data(&page)?;
        }
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
    let man = Man::new(command.clone())
        .title(title(words))
        .source(format!("{PROGRAM} {}", env!("CARGO_PKG_VERSION")))
        .manual("User Commands");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
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
    roff.control("SH", ["ENVIRONMENT"]);
    literal(&mut roff, topics::environment());
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

/// Lines that stay as they are.
fn literal(roff: &mut Roff, text: &str) {
    roff.control("nf", []);
    text.lines().for_each(|line| {
        roff.text([roman(line)]);
    });
    roff.control("fi", []);
}
