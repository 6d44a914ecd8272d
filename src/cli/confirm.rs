//! The question before anything is sent.
//!
//! Main type: [`Confirmation`].

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use super::voice::is_json;
use super::{print, tell};
use crate::model::printable;
use crate::ops::failure::Failure;
use crate::outcome::ExitStatus;
use crate::report::question::Changes;

/// How the user confirms before anything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Confirmation {
    /// `--yes`.
    Given,
    /// The user is asked on the terminal.
    Ask,
}

impl Confirmation {
    /// Decides before the first request to Houston. `stdin_is_taken` is whether standard input is used
    /// for something other than answers.
    ///
    /// # Errors
    /// There is no terminal to ask on, and no `--yes` (2).
    pub(super) fn needed(yes: bool, stdin_is_taken: bool) -> Result<Self, Failure> {
        // A question is no line of a log.
        let can_ask =
            io::stdin().is_terminal() && io::stderr().is_terminal() && !stdin_is_taken && !is_json();
        match (yes, can_ask) {
            (true, _) => Ok(Self::Given),
            (false, true) => Ok(Self::Ask),
            (false, false) => Err(Failure::new(
                ExitStatus::Usage,
                anyhow::anyhow!(
                    "confirmation required, but there is no terminal to ask on; nothing was sent"
                ),
            )
            .hint("review it with `plan` (or `report` for a run), then pass --yes")),
        }
    }

    /// Asks whether to make the changes, after showing them (`shown`).
    ///
    /// # Errors
    /// The answer cannot be read (2).
    pub(super) fn obtain(
        self,
        changes: Changes,
        url: &str,
        shown: impl FnOnce() -> Result<String, Failure>,
    ) -> Result<bool, Failure> {
        if self == Self::Given || changes.all == 0 {
            return Ok(true);
        }
        let confirmed = confirm(&shown()?, changes, url)?;
        if !confirmed {
            tell("not confirmed: nothing was sent");
        }
        Ok(confirmed)
    }
}

/// Reads a whole line, so that the terminal mode never changes, even if a signal ends the wait.
/// Anything but yes means no.
fn confirm(plan: &str, changes: Changes, url: &str) -> Result<bool, Failure> {
    print(plan)?;
    let failed = |error| Failure::new(ExitStatus::Usage, anyhow::Error::new(error).context("no answer"));
    // Standard error stays unlocked during the wait: a signal handler must be able to write to it.
    write!(anstream::stderr(), "Apply {changes}? ({}) [y/N] ", printable(url)).map_err(failed)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(failed)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
