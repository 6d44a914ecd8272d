//! The closing summary of a run.
//!
//! Main function: [`conclude`].

use std::io::IsTerminal as _;

use supports_hyperlinks::supports_hyperlinks;

use super::voice::{is_json, log};
use super::{GlobalArgs, print, tell};
use crate::model::{in_words, printable};
use crate::ops::finish::Finished;
use crate::outcome::{ExitStatus, StatusKind};
use crate::report::closing::{Paint, render, verdict};
use crate::report::known::Known;
use crate::report::log::{Level, LogEvent};
use crate::report::results::ERRORS;

/// Prints the closing summary of a run and returns the exit status.
pub(super) fn conclude(finished: &Finished, global: &GlobalArgs, known: &Known) -> ExitStatus {
    let Finished { status, summary } = finished;
    known.run(summary);
    if global.quiet {
        // The exit status says it all.
    } else if is_json() {
        let level = if status.code() == 0 { Level::Info } else { Level::Warning };
        log(level, &verdict(&summary.shown()), LogEvent::Summary { summary: &summary.bounded() });
    } else if let Err(error) = print(&render(summary, paint())) {
        // The run itself is unaffected; its reports are in its folder.
        tell(&format!("warning: cannot write the closing summary: {}", in_words(error.as_ref())));
    }
    if summary.removals.is_some() && summary.counts.of_kind(StatusKind::Failed) > 0 {
        for note in global.origins.notes(&["prune"]) {
            tell(&format!("note: {}; unset it before you apply {ERRORS}", printable(&note)));
        }
    }
    *status
}

/// Links only where a terminal has them.
fn paint() -> Paint {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    let has_links = std::io::stdout().is_terminal() && !is_dumb && supports_hyperlinks();
    if has_links { Paint::Linked } else { Paint::Coloured }
}
