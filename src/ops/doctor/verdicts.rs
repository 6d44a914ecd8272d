//! What the facts about a target mean: a verdict and a next step for each.
//!
//! Main function: [`judge`], which sends nothing. `way` judges the path to Houston, `caller` the
//! token and its rights, `house` the installation.

mod caller;
mod connection;
mod installation;

#[cfg(test)]
mod tests;

use std::time::SystemTime;

use super::asking::Facts;
use crate::houston::Fault;
use crate::ops::session::WAY;
use crate::outcome::ExitStatus;
use crate::report::checkup::{Check, Verdict};

/// The checks and what the program ends with.
#[derive(Debug)]
pub(crate) struct Judged {
    /// One line each.
    pub(crate) checks: Vec<Check>,
    /// 0, 4, 5, or 3 if only the roster is to blame.
    pub(crate) status: ExitStatus,
    /// The flags that may be to blame, without their dashes.
    pub(crate) about: Vec<&'static str>,
}

/// Judges every fact.
pub(crate) fn judge(facts: &Facts, now: SystemTime) -> Judged {
    let mut bench = Bench { checks: Vec::new(), blamed: Vec::new() };
    connection::judge(facts, &mut bench);
    caller::judge(facts, now, &mut bench);
    installation::judge(facts, &mut bench);
    connection::judge_time(facts, &mut bench);
    let is_blamed = |who| bench.blamed.contains(&who);
    let status = if is_blamed(Blame::Token) {
        ExitStatus::Token
    } else if is_blamed(Blame::Target) {
        ExitStatus::Target
    } else if is_blamed(Blame::Roster) {
        ExitStatus::BadInput
    } else {
        ExitStatus::Done
    };
    let mut about = Vec::new();
    if is_blamed(Blame::Target) {
        about.extend(WAY);
    }
    if is_blamed(Blame::Token) {
        about.push("token-file");
    }
    Judged { checks: bench.checks, status, about }
}

/// What a failed check blames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blame {
    Token,
    Target,
    Roster,
}

/// Where the verdicts are collected.
struct Bench {
    checks: Vec<Check>,
    blamed: Vec<Blame>,
}

impl Bench {
    fn add(&mut self, check: Check) {
        self.checks.push(check);
    }

    fn ok(&mut self, name: &'static str, text: impl AsRef<str>) {
        self.add(Check::new(name, Verdict::Ok, text));
    }

    fn warn(&mut self, name: &'static str, text: impl AsRef<str>, next: &str) {
        self.add(Check::new(name, Verdict::Warning, text).next(next));
    }

    fn unknown(&mut self, name: &'static str, text: impl AsRef<str>) {
        self.add(Check::new(name, Verdict::Unknown, text));
    }

    fn skip(&mut self, name: &'static str, why: &str) {
        self.add(Check::new(name, Verdict::Skipped, why));
    }

    fn fail(&mut self, blame: Blame, name: &'static str, text: impl AsRef<str>, next: &str) {
        self.blamed.push(blame);
        self.add(Check::new(name, Verdict::Failed, text).next(next));
    }
}

/// Why nothing more was asked of a target, if nothing was.
fn silence(facts: &Facts) -> Option<&'static str> {
    match facts.installation.as_ref()?.as_ref().err()? {
        Fault::Unsent { .. } => Some("no connection"),
        Fault::NoAnswer { .. } => Some("no answer"),
        Fault::Proxy { .. } => Some("something other than Houston answers"),
        Fault::Throttled { .. } => Some("Houston is throttling requests"),
        Fault::Denied { .. }
        | Fault::Expired { .. }
        | Fault::Rejected { .. }
        | Fault::Already { .. }
        | Fault::Schema { .. }
        | Fault::Internal { .. }
        | Fault::Malformed { .. } => None,
    }
}

/// Why a question was not asked although the target answered the first one.
fn unasked(facts: &Facts) -> &'static str {
    silence(facts).unwrap_or("an earlier request got no answer")
}

/// A number of things.
fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}
