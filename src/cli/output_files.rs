//! The files that a command writes about itself, also if it fails or a signal ends it: `--summary-file` and
//! `--metrics-file`.
//!
//! Main types: [`OutputFileArgs`] and `Outputs`.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use clap::{Args, CommandFactory as _};

use super::settings::{Environment as Variables, variable, without_line_end};
use super::{Cli, environment, leave, tell, words};
use crate::model::{in_words, printable};
use crate::ops::environment::Environment;
use crate::ops::failure::Failure;
use crate::ops::signals::Signals;
use crate::outcome::ExitStatus;
use crate::report::atomic::{Draft, Readers, WriteError};
use crate::report::command_summary::{CommandName, CommandSummary, ErrorText};
use crate::report::known::Known;
use crate::report::metrics;

/// The longest old metrics file that is read, in bytes.
const LONGEST: u64 = 1 << 16;

/// Files about the result of the command.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputFileArgs {
    /// Write a summary of at most 4 KiB to this file, one JSON object, also if the command fails
    #[arg(long, value_name = "FILE")]
    pub summary_file: Option<PathBuf>,

    /// Write Prometheus metrics to this file, such as for the textfile collector of the node exporter
    #[arg(long, value_name = "FILE")]
    pub metrics_file: Option<PathBuf>,
}

impl OutputFileArgs {
    /// The flags with their files.
    pub(super) fn named(&self) -> [(&'static str, Option<&Path>); 2] {
        [("--summary-file", self.summary_file.as_deref()), ("--metrics-file", self.metrics_file.as_deref())]
    }
}

/// A flag with its file, if it names one.
pub(super) type Named<'n> = (&'static str, Option<&'n Path>);

/// Refuses to write to a file that is read, or twice to one.
///
/// # Errors
/// One of the files to write is another file of the command (2).
pub(super) fn refuse_same_file(read: &[Named<'_>], written: &[Named<'_>]) -> Result<(), Failure> {
    let identity = |path: &Path| {
        let file = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file);
        file.map(|file| (file.dev(), file.ino()))
    };
    let is_same = |a: &Path, b: &Path| match (identity(a), identity(b)) {
        (Some(a), Some(b)) => a == b,
        // Devices may be shared.
        (None, None) => a == b && !a.exists(),
        (Some(_), None) | (None, Some(_)) => false,
    };
    for (place, (flag, path)) in written.iter().enumerate() {
        let Some(path) = path else { continue };
        let mut others = read.iter().chain(&written[..place]);
        let other = others.find(|(_, other)| other.is_some_and(|other| is_same(other, path)));
        if let Some((other, _)) = other {
            let error = anyhow::anyhow!("{flag} names {other} and would replace it");
            return Err(
                Failure::new(ExitStatus::Usage, error).hint(format!("choose another file with {flag}"))
            );
        }
    }
    Ok(())
}

/// The words of an error.
pub(super) fn error_text(failure: &Failure) -> ErrorText {
    ErrorText { text: words(failure), hint: failure.hint.as_deref().map(|hint| printable(hint).into_owned()) }
}

/// Writes the files of a command whose arguments or settings could not be read, as far as they name any. What
/// else they name is not known, so nothing is replaced but such files.
pub(super) fn write_unread(
    arguments: &[OsString],
    variables: &Variables,
    status: ExitStatus,
    error: ErrorText,
) {
    let root = Cli::command();
    let command = arguments.iter().skip(1).find(|word| root.find_subcommand(word).is_some());
    let Some(command) = command else { return };
    let all = [CommandName::Plan, CommandName::Apply, CommandName::Resume];
    let Some(command) = all.into_iter().find(|name| **command == *name.word()) else { return };
    let named = |flag: &str, mark: &str| {
        let typed = typed(arguments, flag);
        let path = typed.or_else(|| variables.get(&variable(flag)).map(without_line_end));
        path.map(PathBuf::from).filter(|path| is_free_or_ours(path, mark))
    };
    let files = OutputFileArgs {
        summary_file: named("summary-file", "{\"command\":"),
        metrics_file: named("metrics-file", "# HELP houston_onboard_run_info "),
    };
    let failure = Failure::new(status, anyhow::Error::msg(error.text));
    let failure = Failure { hint: error.hint, ..failure };
    match Outputs::open(command, &files) {
        // The error has been printed.
        Ok(outputs) => drop(outputs.end(Err(failure))),
        Err(unwritten) => tell(&format!("warning: {}", self::words(&unwritten))),
    }
}

/// The value of a flag among arguments that are not understood.
fn typed(arguments: &[OsString], flag: &str) -> Option<OsString> {
    let (flag, joined) = (format!("--{flag}"), format!("--{flag}="));
    let value = |(at, argument): (usize, &OsString)| {
        if *argument == *flag {
            return arguments.get(at + 1).filter(|value| !value.as_bytes().starts_with(b"-")).cloned();
        }
        let value = argument.as_bytes().strip_prefix(joined.as_bytes())?;
        Some(OsStr::from_bytes(value).to_owned())
    };
    arguments.iter().enumerate().skip(1).find_map(value)
}

/// Whether nothing is lost if this file is replaced: it is empty, it is one of ours, or there is none. A name
/// with a line break comes from a broken script.
fn is_free_or_ours(path: &Path, mark: &str) -> bool {
    let name = path.as_os_str().as_bytes();
    if name.is_empty() || name.ends_with(b"\n") || name.ends_with(b"\r") {
        return false;
    }
    match std::fs::metadata(path) {
        Ok(file) if file.is_file() => file.len() == 0 || before(path).starts_with(mark),
        Ok(file) => !file.is_dir(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

/// The files of a command at work. Clones are one.
#[derive(Debug, Clone)]
pub(super) struct Outputs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    command: CommandName,
    began: Instant,
    known: Known,
    /// None once they are written.
    files: Mutex<Option<Files>>,
}

#[derive(Debug)]
struct Files {
    summary: Option<Draft>,
    /// With what the file has now.
    metrics: Option<(Draft, String)>,
}

impl Outputs {
    /// Begins the files, before anything is sent.
    ///
    /// # Errors
    /// They cannot be written (1).
    pub(super) fn open(command: CommandName, args: &OutputFileArgs) -> Result<Self, Failure> {
        let open = |readers, path: &Path, flag| {
            Draft::keeping_mode(readers, path)
                .map_err(|error| Failure::new(ExitStatus::Internal, error).about(&[flag]))
        };
        let summary = args.summary_file.as_deref().map(|path| open(Readers::Owner, path, "summary-file"));
        let metrics = args.metrics_file.as_deref().map(|path| {
            let draft = open(Readers::Everybody, path, "metrics-file")?;
            Ok::<_, Failure>((draft, before(path)))
        });
        let files = Files { summary: summary.transpose()?, metrics: metrics.transpose()? };
        let (began, known) = (Instant::now(), Known::default());
        Ok(Self(Arc::new(Shared { command, began, known, files: Mutex::new(Some(files)) })))
    }

    /// What is known of the command.
    pub(super) fn known(&self) -> Known {
        self.0.known.clone()
    }

    /// The environment of the command; a signal that ends the process writes the files first.
    ///
    /// # Errors
    /// The system takes no handler for signals (1).
    pub(super) fn environment(&self, verbose: bool) -> Result<Environment, Failure> {
        let environment = environment();
        let outputs = self.clone();
        let leave = move |status| {
            outputs.interrupted(status);
            leave(status);
        };
        let signals = Signals::listen(environment.notices.clone(), leave)
            .map_err(|error| anyhow::Error::new(error).context("cannot listen for signals"))?;
        Ok(Environment { verbose, listen: Arc::new(move |_| Ok(signals.clone())), ..environment })
    }

    /// Writes the files of a command that ended like this, and gives what the program ends with.
    ///
    /// # Errors
    /// That of the command; or a file cannot be written and the command was a success (1).
    pub(super) fn end(&self, ended: Result<ExitStatus, Failure>) -> Result<ExitStatus, Failure> {
        let status = *ended.as_ref().unwrap_or_else(|failure| &failure.status);
        let error = ended.as_ref().err().map(error_text);
        match (self.write(status, error), ended) {
            (Ok(()), ended) => ended,
            (Err(unwritten), Ok(status)) if is_success(status) => {
                Err(Failure::new(ExitStatus::Internal, unwritten))
            }
            (Err(unwritten), ended) => {
                tell(&format!("warning: {}", in_words(&unwritten)));
                ended
            }
        }
    }

    /// A signal ends the process at once.
    fn interrupted(&self, status: ExitStatus) {
        let recorded = self.0.known.now().recorded;
        let hint = recorded.map(|recorded| format!("finish the run with `{}`", printable(&recorded.resume)));
        let error = ErrorText { text: "ended immediately by a signal".to_owned(), hint };
        // The process ends; only the exit status is left to say.
        let _ = self.write(status, Some(error));
    }

    fn write(&self, status: ExitStatus, error: Option<ErrorText>) -> Result<(), WriteError> {
        // While one thread writes, the other one waits and finds nothing left to write.
        let mut files = self.0.files.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Files { summary, metrics }) = files.take() else { return Ok(()) };
        let facts = self.0.known.now();
        let ended = CommandSummary { command: self.0.command, exit_status: status.code(), error, facts };
        let summary = summary.map_or(Ok(()), |draft| put(draft, &ended.to_json()));
        let metrics = metrics.map_or(Ok(()), |(draft, before)| {
            let seconds = self.0.began.elapsed().as_secs_f64();
            put(draft, &metrics::text(&ended, is_success(status), seconds, jiff::Timestamp::now(), &before))
        });
        summary.and(metrics)
    }
}

/// What an old metrics file has; nothing where there is none, or something else.
fn before(path: &Path) -> String {
    let mut text = String::new();
    let is_file = std::fs::metadata(path).is_ok_and(|file| file.is_file());
    if is_file && let Ok(file) = File::open(path) {
        // What is not text is no metrics file.
        let _ = file.take(LONGEST).read_to_string(&mut text);
    }
    text
}

fn put(mut draft: Draft, text: &str) -> Result<(), WriteError> {
    let written = draft.write_all(text.as_bytes());
    match written {
        Ok(()) => draft.commit(),
        Err(error) => Err(WriteError::new(draft.path(), error)),
    }
}

/// Whether a command did what it was asked for.
fn is_success(status: ExitStatus) -> bool {
    match status {
        ExitStatus::Done | ExitStatus::ChangesPending | ExitStatus::Unchanged(_) => true,
        ExitStatus::Internal
        | ExitStatus::Usage
        | ExitStatus::BadInput
        | ExitStatus::Token
        | ExitStatus::Target
        | ExitStatus::RowsFailed
        | ExitStatus::Guard
        | ExitStatus::Unresolved
        | ExitStatus::Outdated
        | ExitStatus::Locked
        | ExitStatus::Interrupted
        | ExitStatus::Terminated => false,
    }
}
