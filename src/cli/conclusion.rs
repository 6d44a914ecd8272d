//! The closing summary of a run.
//!
//! Main function: [`conclude`].

use super::{GlobalArgs, print, tell};
use crate::model::printable;
use crate::ops::finish::Finished;
use crate::outcome::{ExitStatus, StatusKind};
use crate::report::closing::{Paint, render};
use crate::report::known::Known;
use crate::report::results::ERRORS;

/// Prints the closing summary of a run and returns the exit status.
pub(super) fn conclude(finished: &Finished, global: &GlobalArgs, known: &Known) -> ExitStatus {
    let Finished { status, summary } = finished;
    known.run(summary);
    if !global.quiet
        && let Err(error) = print(&render(summary, Paint::Coloured))
    {
        // The run itself is unaffected; its reports are in its folder.
        tell(&format!("warning: cannot write the closing summary: {error}"));
    }
    if summary.removals.is_some() && summary.counts.of_kind(StatusKind::Failed) > 0 {
        for note in global.origins.notes(&["prune"]) {
            tell(&format!("note: {}; unset it before you apply {ERRORS}", printable(&note)));
        }
    }
    *status
}
