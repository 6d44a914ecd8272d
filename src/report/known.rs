//! What is known of a command while it works, for whoever must report on it at any moment: at its end, or
//! when a signal ends the process.
//!
//! Main type: [`Known`], a [`Reporter`] that keeps the latest of what it hears.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::Reporter;
use super::summary::Summary;
use crate::event::Event;
use crate::outcome::Tally;
use crate::plan::Counts;
use crate::plan::guard::GuardVerdict;

/// The facts about a command so far. Clones are one.
#[derive(Debug, Clone, Default)]
pub struct Known(Arc<Mutex<Facts>>);

/// What is known of a command.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The plan, once it is made.
    pub plan: Option<PlanFacts>,
    /// The digest of the plan, if it is saved or was.
    pub digest: Option<String>,
    /// The folder of the run, once it has one.
    pub recorded: Option<Recorded>,
    /// The totals so far, once something may be sent.
    pub tally: Option<Tally>,
    /// The whole run, once its reports are written.
    pub run: Option<Box<Summary>>,
}

/// A run that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its id.
    pub run: String,
    /// Its folder.
    pub folder: PathBuf,
    /// The command that finishes it.
    pub resume: String,
}

/// A plan in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlanFacts {
    /// How many rows were decided in which way.
    pub counts: Counts,
    /// How many changes it makes.
    pub changes: u64,
    /// Whether it makes any.
    pub changes_pending: bool,
    /// What the limits of removals say about it.
    pub guard: GuardVerdict,
}

impl Known {
    /// The facts, as they are now.
    pub fn now(&self) -> Facts {
        self.facts().clone()
    }

    /// The digest of the plan.
    pub fn digest(&self, digest: &str) {
        self.facts().digest = Some(digest.to_owned());
    }

    /// The whole run.
    pub fn run(&self, summary: &Summary) {
        self.facts().run = Some(Box::new(summary.clone()));
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reporter for Known {
    fn event(&mut self, event: &Event<'_>) {
        match *event {
            Event::Planned { counts, changes, guard } => {
                self.facts().plan = Some(PlanFacts { counts, changes, changes_pending: changes > 0, guard });
            }
            Event::Recorded { run, folder, resume } => {
                let (run, folder, resume) = (run.to_owned(), folder.to_owned(), resume.to_owned());
                self.facts().recorded = Some(Recorded { run, folder, resume });
            }
            Event::Started { tally }
            | Event::Acknowledged { tally, .. }
            | Event::Doubtful { tally, .. }
            | Event::Concluded { tally, .. }
            | Event::Finished { tally } => self.facts().tally = Some(tally),
            // While something is read there are no totals.
            Event::Tick { .. }
            | Event::ReadingStarted { .. }
            | Event::WorkspaceRead { .. }
            | Event::ReadingFinished
            | Event::PhaseBegins(_)
            | Event::WorkspaceClosed { .. }
            | Event::TokenReplaced { .. }
            | Event::Stopping { .. }
            | Event::ReportsBegin
            | Event::ReportsWritten { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_latest() {
        let known = Known::default();
        let mut reporter = known.clone();
        assert!(known.now().plan.is_none() && known.now().tally.is_none());
        let counts = Counts { add: 2, ..Counts::default() };
        reporter.event(&Event::Planned { counts, changes: 2, guard: GuardVerdict::Passed });
        let mut tally = Tally::default();
        tally.requests = 7;
        reporter.event(&Event::Started { tally });
        reporter.event(&Event::Tick { tally: Tally::default(), pause: None });
        let facts = known.now();
        assert!(facts.plan.is_some_and(|plan| plan.changes_pending && plan.counts.add == 2));
        assert_eq!(facts.tally.map(|tally| tally.requests), Some(7));
    }
}
