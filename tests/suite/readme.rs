//! Holds `README.md` and the texts beside the samples against the program: runs every `console` block and
//! compares what is printed, and looks up every flag, status, column and link that is mentioned.
//!
//! The commands of a text run in order in one folder, with `samples` in it and every block whose first line
//! names a file (as in `csv team.csv`). What `houston-onboard sandbox` starts runs until the text ends, and
//! `export` holds for the commands below it. An installation of a text (`--domain example.com`) is a sandbox
//! here. In the expected output `...` stands for any lines and `[..]` for any text in a line; ids of runs,
//! ports, digests, durations and numbers of requests may differ. `README=update cargo test --test suite -- readme`
//! writes what is printed into the texts.
#![cfg(all(unix, feature = "sandbox"))]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use houston_onboard::outcome::Status;
use houston_onboard::roster::COLUMNS;

use crate::harness::stage::{Block, PROGRAM, Stage, blocks, root};
use crate::sample_texts::TEXTS as OF_OTHER_PROGRAMS;

const TEXTS: [&str; 6] = [
    "README.md",
    "samples/access-sync/README.md",
    "samples/migration/README.md",
    "samples/onboarding/README.md",
    "samples/operations/README.md",
    "samples/rehearsal/README.md",
];

/// The longest that the first text may be, in lines: who reads it wants to begin.
const LONGEST_README: usize = 250;

fn read(text: &str) -> String {
    fs::read_to_string(root().join(text)).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn everything() -> String {
    TEXTS.iter().map(|text| read(text)).collect()
}

/// One command of a block and what it prints.
struct Shown {
    command: String,
    output: String,
}

fn shown(block: &Block<'_>) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for line in &block.lines {
        match (line.strip_prefix("$ "), line.strip_prefix("> "), all.last_mut()) {
            (Some(command), ..) => all.push(Shown { command: command.to_owned(), output: String::new() }),
            (None, Some(more), Some(last)) if last.output.is_empty() => {
                write!(last.command, "\n{more}").unwrap();
            }
            (None, _, Some(last)) => writeln!(last.output, "{line}").unwrap(),
            (None, _, None) => panic!("a console block begins with `$ `: {line}"),
        }
    }
    all
}

/// The text with what differs from run to run made equal.
fn normal(text: &str) -> String {
    text.lines().map(|line| normal_line(line) + "\n").collect()
}

fn normal_line(line: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == ':';
    let mut normal = String::new();
    let mut rest = line.trim_end();
    while !rest.is_empty() {
        let first = rest.chars().next().map_or(1, char::len_utf8);
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let (token, after) = rest.split_at(length.max(first));
        normal.push_str(&normal_token(token));
        rest = after;
    }
    match normal.split_once(" requests") {
        Some((before, after)) if line.starts_with("http") => {
            let after = after.split_once(" each").map_or(after, |(_, after)| after);
            format!("{} N requests{after}", before.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end())
        }
        _ => normal,
    }
}

fn normal_token(token: &str) -> String {
    let bytes = token.as_bytes();
    let is_run = bytes.len() >= 21 && bytes[8] == b'T' && bytes[15] == b'Z' && bytes[16] == b'-';
    let digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_run {
        format!("RUN{}", &token[21..])
    } else if bytes.len() == 64 && bytes.iter().all(u8::is_ascii_hexdigit) {
        "DIGEST".to_owned()
    } else if let Some(port) = token.strip_prefix("127.0.0.1:") {
        format!("127.0.0.1:PORT{}", port.trim_start_matches(|c: char| c.is_ascii_digit()))
    } else if token.strip_suffix('s').is_some_and(|time| digits(time.trim_end_matches('m'))) {
        "TIME".to_owned()
    } else {
        token.to_owned()
    }
}

/// Whether lines are as expected; `...` stands for any number of them.
fn fits(expected: &[&str], printed: &[&str]) -> bool {
    match expected {
        [] => printed.is_empty(),
        ["...", rest @ ..] => (0..=printed.len()).any(|skipped| fits(rest, &printed[skipped..])),
        [first, rest @ ..] => {
            printed.split_first().is_some_and(|(line, more)| line_fits(first, line) && fits(rest, more))
        }
    }
}

fn line_fits(expected: &str, line: &str) -> bool {
    match expected.split_once("[..]") {
        None => expected == line,
        Some((before, after)) => line.strip_prefix(before).is_some_and(|rest| {
            rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| line_fits(after, &rest[at..]))
        }),
    }
}

/// Runs the blocks of a text in order.
fn check_blocks(file: &str) {
    let text = read(file);
    let update = std::env::var("README").is_ok_and(|what| what == "update");
    let (mut updated, mut wrong, mut place) = (text.clone(), String::new(), 0);
    let mut stage = Stage::new(&text);
    for shown in blocks(&text).iter().filter(|block| block.info == "console").flat_map(shown) {
        let Shown { command, output } = &shown;
        let printed = stage.run(command);
        let (expected, got) = (normal(output.trim_end()), normal(printed.trim_end()));
        let (expected, got): (Vec<_>, Vec<_>) = (expected.lines().collect(), got.lines().collect());
        let block = |output: &str| format!("$ {}\n{output}", command.replace('\n', "\n> "));
        let mut now = block(output);
        place += updated[place..].find(&now).unwrap();
        if !fits(&expected, &got) {
            write!(wrong, "$ {command}\n--- {file}\n{output}--- printed\n{printed}\n").unwrap();
            updated.replace_range(place..place + now.len(), &block(&printed));
            now = block(&printed);
        }
        place += now.len();
    }
    if update {
        fs::write(root().join(file), updated).unwrap();
    } else {
        assert!(wrong.is_empty(), "{file} shows something else:\n\n{wrong}");
    }
}

#[test]
fn the_commands_of_the_readme_print_what_it_shows() {
    check_blocks("README.md");
}

#[test]
fn the_commands_of_the_access_sync_print_what_it_shows() {
    check_blocks("samples/access-sync/README.md");
}

#[test]
fn the_commands_of_the_migration_print_what_it_shows() {
    check_blocks("samples/migration/README.md");
}

#[test]
fn the_commands_of_the_onboarding_print_what_it_shows() {
    check_blocks("samples/onboarding/README.md");
}

#[test]
fn the_commands_of_operations_print_what_they_show() {
    check_blocks("samples/operations/README.md");
}

#[test]
fn the_commands_of_the_rehearsal_print_what_it_shows() {
    check_blocks("samples/rehearsal/README.md");
}

#[test]
fn the_readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= LONGEST_README, "{lines} lines");
}

#[test]
fn every_text_beside_the_samples_is_known() {
    let folders = fs::read_dir(root().join("samples")).unwrap().map(|entry| entry.unwrap());
    for folder in folders.filter(|entry| entry.path().join("README.md").exists()) {
        let text = format!("samples/{}/README.md", folder.file_name().display());
        let is_run = TEXTS.contains(&text.as_str()) || OF_OTHER_PROGRAMS.contains(&text.as_str());
        assert!(is_run, "the commands of {text} are not run");
    }
}

/// The long help of every command, and of the environment.
fn help() -> String {
    let help = |arguments: &[&str]| {
        let done = Command::new(PROGRAM).args(arguments).arg("--help").output().unwrap();
        String::from_utf8(done.stdout).unwrap()
    };
    let environment = Command::new(PROGRAM).args(["help", "environment"]).output().unwrap();
    let all = help(&[]) + &String::from_utf8(environment.stdout).unwrap();
    let commands =
        all.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names =
        commands.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").fold(all.clone(), |all, command| all + &help(&[command]))
}

/// The words of a text that begin so.
fn words<'t>(text: &'t str, beginning: &str) -> BTreeSet<&'t str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let has_name = |word: &&str| {
        let name = word.strip_prefix(beginning);
        name.is_some_and(|name| name.starts_with(|c: char| c.is_ascii_alphanumeric()))
    };
    text.split(|c| !is_part(c)).filter(has_name).collect()
}

#[test]
fn every_flag_of_the_texts_exists() {
    let text = OF_OTHER_PROGRAMS.iter().fold(everything(), |all, text| all + &read(text));
    let help = help();
    // Of cargo and the astro CLI.
    let others = [
        "--release",
        "--locked",
        "--path",
        "--test",
        "--no-default-features",
        "--no-deps",
        "--open",
        "--role",
        "--workspace-id",
        // Of airflow, buildah, podman, kubectl, maturin, useradd and systemctl.
        "--mark-success-pattern",
        "--file",
        "--isolation",
        "--read-only",
        "--rm",
        "--storage-driver",
        "--tag",
        "--from-file",
        "--compatibility",
        "--home-dir",
        "--now",
        "--shell",
        "--system",
    ];
    let known = words(&help, "--");
    for flag in words(&text, "--") {
        assert!(known.contains(flag) || others.contains(&flag), "{flag}");
    }
    for variable in words(&text, "HOUSTON_ONBOARD_") {
        assert!(help.contains(&format!("  {variable}=")), "{variable}");
    }
}

#[test]
fn the_tables_are_complete() {
    let text = everything();
    for status in Status::ALL {
        // No command can bring these about yet.
        let later = status == Status::Removed;
        assert!(later || text.contains(&format!("| `{status}` |")), "{status}");
    }
    for name in COLUMNS.iter().flat_map(|column| column.names) {
        assert!(text.contains(&format!("`{name}`")), "{name}");
    }
    let help = help();
    let codes = help
        .lines()
        .skip_while(|line| *line != "Exit status:")
        .skip(1)
        .map_while(|line| line.strip_prefix("  "));
    let codes: Vec<&str> = codes.filter_map(|line| line.split_once("  ")).map(|(code, _)| code).collect();
    assert!(codes.contains(&"8"), "{codes:?}");
    for code in codes {
        assert!(text.contains(&format!("| {code} |")), "exit status {code}");
    }
}

#[test]
fn the_settings_files_of_the_texts_are_understood() {
    for text in TEXTS.map(read) {
        for block in blocks(&text).iter().filter(|block| block.info.starts_with("toml ")) {
            let stage = Stage::new(&text);
            let file = block.info.trim_start_matches("toml ");
            let targets = block.lines.iter().filter_map(|line| line.strip_prefix("[targets."));
            for target in targets.map(|rest| rest.trim_end_matches(']')) {
                // Settings are read before the roster, and the roster before anything is sent.
                let done = Command::new(PROGRAM)
                    .args(["apply", "no-such-roster.csv", "--config", file, "--target", target])
                    .current_dir(stage.folder.path())
                    .output()
                    .unwrap();
                assert_eq!(done.status.code(), Some(3), "{}", String::from_utf8_lossy(&done.stderr));
            }
        }
    }
}

/// What a heading is called in a link.
fn slug(heading: &str) -> String {
    let title = heading.trim_start_matches('#').trim().to_lowercase();
    let kept: String = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect();
    kept.replace(' ', "-")
}

#[test]
fn the_links_of_the_texts_lead_somewhere() {
    for file in TEXTS.into_iter().chain(OF_OTHER_PROGRAMS) {
        let text = read(file);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (path, section) = link.split_once('#').unwrap_or((link, ""));
            let target = root().join(file).with_file_name("").join(path);
            assert!(target.exists(), "{file}: no file {link}");
            let target = if path.is_empty() { root().join(file) } else { target };
            let has_section = |text: &str| {
                text.lines().filter(|line| line.starts_with('#')).any(|line| slug(line) == section)
            };
            assert!(
                section.is_empty() || has_section(&fs::read_to_string(target).unwrap()),
                "{file}: no section {link}"
            );
        }
    }
}
