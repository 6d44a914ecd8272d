//! Shows and confirms a run folder that another user may have written, before it is resumed.
//!
//! Main functions: [`consent`] and [`confirm`]. [`Origin`] decides which folders these are.

use super::confirm::Confirmation;
use super::target_args::TargetArgs;
use super::tell;
use crate::model::printable;
use crate::ops::failure::Failure;
use crate::ops::resume::Interrupted;
use crate::ops::session::target::TargetSettings;
use crate::ops::trust::Origin;
use crate::ops::trust_shown::shown;
use crate::report::question::Changes;

/// How the user confirms what another user may have written. `yes` is whether `--yes` is given;
/// `target` holds the target flags.
///
/// # Errors
/// There is no terminal to ask on, and the flags are not enough (2).
pub(super) fn consent(origin: Origin, yes: bool, target: &TargetArgs) -> Result<Confirmation, Failure> {
    // --yes is enough only if the user also named the target.
    let is_named = target.choose().is_ok();
    if origin == Origin::Own || (yes && is_named) {
        return Ok(Confirmation::Given);
    }
    Confirmation::needed(false, false).map_err(|failure| {
        failure.hint(
            "without a terminal, --trust-folder needs --yes and the target by flag or configuration: --url, --domain or --context",
        )
    })
}

/// Names the target before the first request; shows and confirms what another user may have written.
/// `target` holds the settings that the run will use.
///
/// # Errors
/// The answer cannot be read (2).
pub(super) fn confirm(
    run: &Interrupted,
    consent: Confirmation,
    target: &TargetSettings,
    quiet: bool,
) -> Result<bool, Failure> {
    let header = &run.history.header;
    let why = match run.origin {
        Origin::Own => {
            if !quiet {
                tell(&format!("resuming run {} on {}", printable(&header.run), printable(&header.target)));
            }
            return Ok(true);
        }
        Origin::Foreign(why) => why,
    };
    let shown = shown(&run.folder, &run.history, target, why)?;
    if consent == Confirmation::Given {
        tell(&shown);
    }
    let changes = Changes { all: run.left().max(1), removals: run.history.left_extras().len() };
    consent.obtain(changes, &header.target, || Ok(shown))
}
