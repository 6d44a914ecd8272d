//! Standard error: the one way to it, for bars, notices and errors.
//!
//! Main functions: `tell`, which writes a message, and `log`, which writes an event if the log is JSON.
//! How this process speaks is set once (`set`), as [`anstream`] does it for colours.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use indicatif::{MultiProgress, ProgressDrawTarget};

use crate::report::escape::{for_people, for_people_in_colour};
use crate::report::log::{Level, LogEvent, LogLine};

/// The flag that chooses the format.
pub(super) const LOG_FORMAT: &str = "log-format";

/// How standard error is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// Text for people
    #[default]
    Text,
    /// One JSON object per line
    Json,
}

static JSON: AtomicBool = AtomicBool::new(false);
static QUIET: AtomicBool = AtomicBool::new(false);
static SCREEN: LazyLock<MultiProgress> =
    LazyLock::new(|| MultiProgress::with_draw_target(ProgressDrawTarget::hidden()));

/// Sets how this process speaks.
pub(super) fn set(format: LogFormat, quiet: bool) {
    JSON.store(format == LogFormat::Json, Ordering::Relaxed);
    QUIET.store(quiet, Ordering::Relaxed);
    if format == LogFormat::Json {
        // A panic must not put lines of another form between the others.
        std::panic::set_hook(Box::new(|panic| tell(&format!("error: internal error: {panic}"))));
    }
}

/// Takes the format from arguments and its variable, which are not understood yet, so that an error in them has
/// it too.
pub(super) fn guess(arguments: &[OsString], variable: Option<&OsStr>) {
    let (joined, flag) = (format!("--{LOG_FORMAT}=json"), format!("--{LOG_FORMAT}"));
    let is_typed = arguments.iter().any(|argument| *argument == *joined)
        || arguments.windows(2).any(|pair| *pair[0] == *flag && pair[1] == "json");
    if is_typed || variable.is_some_and(|value| value == "json") {
        set(LogFormat::Json, false);
    }
}

/// Whether the user wants to hear less.
pub(super) fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Whether every line is JSON.
pub(super) fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Where bars are drawn, so that messages are written above them.
pub(super) fn screen() -> MultiProgress {
    SCREEN.clone()
}

/// Writes a message for people, with nothing in it that could control a terminal or a build server.
pub(crate) fn tell(text: &str) {
    if is_json() {
        return write_message(text);
    }
    let text = for_people(text);
    // A closed standard error leaves nothing to do.
    SCREEN.suspend(|| drop(writeln!(anstream::stderr().lock(), "{text}")));
}

/// The same for a text with our own colours.
pub(crate) fn tell_in_colour(text: &str) {
    if is_json() {
        return write_message(&anstream::adapter::strip_str(text).to_string());
    }
    let text = for_people_in_colour(text);
    SCREEN.suspend(|| drop(writeln!(anstream::stderr().lock(), "{text}")));
}

/// Writes a notice of this level, unless the user wants to hear less.
pub(super) fn notify(level: Level, text: &str, has_colours: bool) {
    match level {
        Level::Debug | Level::Info if is_quiet() => {}
        Level::Debug | Level::Info | Level::Warning | Level::Error if has_colours => tell_in_colour(text),
        Level::Debug | Level::Info | Level::Warning | Level::Error => tell(text),
    }
}

/// Writes an event as a line of JSON.
pub(super) fn log(level: Level, text: &str, event: LogEvent<'_>) {
    LogLine::new(level, text, event).write(&mut std::io::stderr().lock());
}

/// Our messages begin with their level.
fn write_message(text: &str) {
    let prefixes = [("error: ", Level::Error), ("warning: ", Level::Warning), ("guard: ", Level::Warning)];
    let found = prefixes.into_iter().find(|(prefix, _)| text.starts_with(prefix));
    let (prefix, level) = found.unwrap_or(("", Level::Info));
    log(level, text.strip_prefix(prefix).unwrap_or(text), LogEvent::Message);
}
