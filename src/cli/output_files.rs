//! The files that a command writes about itself, also if it fails or a signal ends it: `--summary-file` and
//! `--metrics-file`.
//!
//! Main types: [`OutputFileArgs`] and `Outputs`.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use clap::Args;

use super::{environment, leave, tell, words};
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

/// Refuses two names for one file, of which the later is written to.
///
/// # Errors
/// Two of them are one file (2).
pub(super) fn refuse_same_file(named: &[(&str, Option<&Path>)]) -> Result<(), Failure> {
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
    for (place, (flag, path)) in named.iter().enumerate() {
        let Some(path) = path else { continue };
        let other = named[..place].iter().find(|(_, other)| other.is_some_and(|other| is_same(other, path)));
        if let Some((other, _)) = other {
            let error = anyhow::anyhow!("{flag} names {other} and would replace it");
            return Err(
                Failure::new(ExitStatus::Usage, error).hint(format!("choose another file with {flag}"))
            );
        }
    }
    Ok(())
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
            Draft::readable_by(readers, path)
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
        let error = ended.as_ref().err().map(|failure| ErrorText {
            text: words(failure),
            hint: failure.hint.as_deref().map(|hint| printable(hint).into_owned()),
        });
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
        let error = ErrorText { text: "ended immediately by a signal".to_owned(), hint: None };
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
