//! The last words of a run that was carried out.
//!
//! Main function: [`conclude`].

use super::{GlobalArgs, print, tell};
use crate::model::printable;
use crate::ops::finish::Finished;
use crate::outcome::{ExitStatus, StatusKind};
use crate::report::closing::{Paint, render};
use crate::report::results::ERRORS;

/// The last words of a run.
pub(super) fn conclude(finished: &Finished, global: &GlobalArgs) -> ExitStatus {
    let Finished { status, summary } = finished;
    if !global.quiet
        && let Err(error) = print(&render(summary, Paint::Coloured))
    {
        // The run is what it is; its reports are in its folder.
        tell(&format!("warning: the closing summary cannot be written: {error}"));
    }
    if summary.removals.is_some() && summary.counts.of_kind(StatusKind::Failed) > 0 {
        for note in global.origins.notes(&["prune"]) {
            tell(&format!("note: {}; unset it before you apply {ERRORS}", printable(&note)));
        }
    }
    *status
}
