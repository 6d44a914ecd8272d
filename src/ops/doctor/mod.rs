//! `doctor`: queries a target for everything that matters to a run, and judges the answers.
//!
//! Main function: [`check`]. `asking` sends the queries, `verdicts` judges the answers.

mod asking;
mod verdicts;

use std::time::SystemTime;

use self::asking::Asking;
use self::verdicts::{Judged, judge};
use super::session::Reached;
use crate::outcome::ExitStatus;
use crate::report::checkup::Checkup;
use crate::roster::Roster;

/// The result of checking a target.
pub struct Checked {
    /// The checks.
    pub checkup: Checkup,
    /// The exit status of the program.
    pub status: ExitStatus,
    /// The flags that may be to blame, without their dashes.
    pub about: Vec<&'static str>,
}

/// Checks a target, and the workspaces of the roster if one is given.
pub fn check(reached: &Reached, roster: Option<&Roster>) -> Checked {
    let facts = Asking::new(reached).facts(roster);
    let Judged { checks, status, mut about } = judge(&facts, SystemTime::now());
    about.extend(roster.iter().flat_map(|roster| roster.issues().flags()));
    Checked { checkup: Checkup::new(&facts.url, status.code(), checks), status, about }
}
