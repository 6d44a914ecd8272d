//! The question before anything is sent.
//!
//! Main type: [`Confirmation`].

use std::fmt;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use super::{print, tell};
use crate::model::printable;
use crate::ops::failure::Failure;
use crate::outcome::ExitStatus;

/// How the user confirms before anything is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Confirmation {
    /// `--yes`.
    Given,
    /// The user is asked on the terminal.
    Ask,
}

/// How much is about to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Changes {
    /// All changes.
    pub(super) all: usize,
    /// How many of them remove people.
    pub(super) removals: usize,
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let (all, removals) = (counted(self.all, "change"), counted(self.removals, "removal"));
        match self.removals {
            0 => f.write_str(&all),
            count if count == self.all => f.write_str(&removals),
            _ => write!(f, "{all}, including {removals}"),
        }
    }
}

impl Confirmation {
    /// Decides before the first request to Houston. `stdin_is_taken` is whether standard input is used
    /// for something other than answers.
    ///
    /// # Errors
    /// There is no terminal to ask on, and no `--yes` (2).
    pub(super) fn needed(yes: bool, stdin_is_taken: bool) -> Result<Self, Failure> {
        let can_ask = io::stdin().is_terminal() && io::stderr().is_terminal() && !stdin_is_taken;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_names_the_removals() {
        for (all, removals, words) in [
            (1, 0, "1 change"),
            (76, 0, "76 changes"),
            (76, 35, "76 changes, including 35 removals"),
            (2, 1, "2 changes, including 1 removal"),
            (35, 35, "35 removals"),
            (1, 1, "1 removal"),
        ] {
            assert_eq!(Changes { all, removals }.to_string(), words);
        }
    }
}
