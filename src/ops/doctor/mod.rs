//! `doctor`: asks a target everything that matters to a run, and says what the answers mean.
//!
//! Main function: [`check`]. What is asked is in `asking`, what the answers mean in `verdicts`.

mod asking;
mod verdicts;

use std::time::SystemTime;

use self::asking::Asking;
use self::verdicts::{Judged, judge};
use super::session::Reached;
use crate::outcome::ExitStatus;
use crate::report::checkup::Checkup;
use crate::roster::Roster;

/// A target that was looked at.
pub struct Checked {
    /// What was found.
    pub checkup: Checkup,
    /// What the program ends with.
    pub status: ExitStatus,
    /// The flags that may be to blame, without their dashes.
    pub about: Vec<&'static str>,
}

/// Looks at a target, and at the workspaces of the roster if there is one.
pub fn check(reached: &Reached, roster: Option<&Roster>) -> Checked {
    let facts = Asking::new(reached).facts(roster);
    let Judged { checks, status, mut about } = judge(&facts, SystemTime::now());
    about.extend(roster.iter().flat_map(|roster| roster.issues().flags()));
    Checked { checkup: Checkup::new(&facts.url, status.code(), checks), status, about }
}
