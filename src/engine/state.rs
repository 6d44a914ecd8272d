//! The state of a run: its parts together, and what an operation is in each of them.
//!
//! Main type: [`State`]. Transitions that touch several parts have files of their own: how rows end is in
//! [`super::outcomes`], what signals mean is in [`super::answers`]. They hand out no ticket but the
//! probe's; all others are for the dispatcher.

use std::time::Instant;

use super::batch::{InDoubt, Subject};
use super::books::Books;
use super::breakers::Breakers;
use super::channels::Channels;
use super::lanes::Lanes;
use super::people::People;
use super::refusals::Refusals;
use super::replacing::Replacing;
use super::unfinished::Unfinished;
use super::{Run, Settings};
use crate::houston::Repeats;
use crate::model::{ItemId, Scope};
use crate::plan::{Action, Operation, ReplaceStep, Stage, Workspace};

/// The state of a run. Operations and lanes are known by their index.
pub struct State<'r> {
    pub run: &'r Run<'r>,
    pub settings: &'r Settings,
    /// Tickets to the workers, signals from them.
    pub channels: Channels,
    /// What each workspace has left to do, and whose turn it is.
    pub lanes: Lanes,
    /// One person, one request.
    pub people: People<'r>,
    /// Who is between the two writes of a replacement.
    pub replacing: Replacing,
    /// What was sent and has no outcome yet.
    pub unfinished: Unfinished,
    /// What stops a workspace or the run.
    pub breakers: Breakers,
    /// Journal, totals and events.
    pub books: Books<'r>,
}

impl<'r> State<'r> {
    /// A run that has not begun.
    pub fn new(run: &'r Run<'r>, settings: &'r Settings, channels: Channels, mut books: Books<'r>) -> Self {
        books.tally.operations += run.batch.operations.len() as u64;
        let in_doubt = |operation| run.batch.is_in_doubt(operation);
        let is_removed =
            |operation| run.batch.earlier.get(&operation).is_some_and(|earlier| earlier.is_removed);
        // A removed person is added again before anything else.
        let stage_of = |operation: usize| {
            if is_removed(operation) { Stage::Adds } else { run.batch.operations[operation].action.stage() }
        };
        let demotes_an_admin = |operation: usize| demotes_an_admin(run, operation);
        let Settings { canary, settle, .. } = *settings;
        let operations = &run.batch.operations;
        let lanes = Lanes::new(operations, in_doubt, stage_of, demotes_an_admin, canary, settle);
        let refusals = Refusals::new(lanes.len(), run.batch.operations.len(), settings.retries).of(verb(run));
        let now = run.clock.now();
        let mut state = Self {
            run,
            settings,
            channels,
            lanes,
            people: People::default(),
            replacing: Replacing::default(),
            unfinished: Unfinished::default(),
            breakers: Breakers::new(settings, refusals, now),
            books,
        };
        state.recall(now);
        state
    }

    /// Takes up what an earlier leg of the run has sent. What is in doubt may take effect until the
    /// settle time is over, from now on: a killed process does not say when it sent its last request.
    fn recall(&mut self, now: Instant) {
        for (&operation, earlier) in &self.run.batch.earlier {
            let cause = self.unfinished.recall(operation, earlier, now);
            if let Some(doubt) = earlier.doubt {
                self.people.hold(self.email_of(operation), operation);
                if self.step_of(operation).is_some() {
                    self.replacing.begin(operation);
                }
                let lane = self.lane_of(operation);
                let repeats = match doubt {
                    InDoubt::NotSeen => self.repeats_of(operation),
                    InDoubt::Overtaken => Repeats::Unknown,
                };
                self.lanes[lane].doubts().recall(operation, cause, now, repeats);
                self.books.tally.doubtful += 1;
            }
        }
    }

    pub fn now(&self) -> Instant {
        self.run.clock.now()
    }

    pub fn planned(&self, operation: usize) -> &'r Operation {
        &self.run.batch.operations[operation]
    }

    pub fn item_of(&self, operation: usize) -> ItemId {
        self.planned(operation).item
    }

    /// What the role of an operation is about.
    pub fn scope_of(&self, operation: usize) -> Scope {
        self.run.batch.subjects.scope(self.item_of(operation))
    }

    pub fn email_of(&self, operation: usize) -> &'r str {
        self.run.batch.emails.get(self.item_of(operation))
    }

    pub fn lane_of(&self, operation: usize) -> usize {
        self.lanes.of_workspace(self.planned(operation).workspace)
    }

    pub fn workspace_of(&self, lane: usize) -> &'r Workspace {
        &self.run.batch.workspaces[self.lanes.workspace(lane) as usize]
    }

    /// Which of its two writes is due, for a replacement.
    pub fn step_of(&self, operation: usize) -> Option<ReplaceStep> {
        match self.planned(operation).action {
            Action::Replace { .. } if self.unfinished.is_removed(operation) => Some(ReplaceStep::Add),
            Action::Replace { .. } => Some(ReplaceStep::Remove),
            Action::Add(_) | Action::SetRole { .. } | Action::Remove(_) => None,
        }
    }

    /// What is sent for an operation now.
    pub fn write_of(&self, operation: usize) -> Action {
        match (self.planned(operation).action, self.step_of(operation)) {
            (Action::Replace { .. }, Some(ReplaceStep::Remove)) => Action::Remove(None),
            (Action::Replace { to, .. }, Some(ReplaceStep::Add) | None) => Action::Add(to),
            (action @ (Action::Add(_) | Action::SetRole { .. } | Action::Remove(_)), _) => action,
        }
    }

    /// When the due write of an operation is sent. A removed person is added again before anything else.
    pub fn stage_of(&self, operation: usize) -> Stage {
        match self.step_of(operation) {
            Some(ReplaceStep::Add) => Stage::Adds,
            Some(ReplaceStep::Remove) | None => self.planned(operation).action.stage(),
        }
    }

    /// Whether an operation may be sent again before it is certain that it can no longer take effect.
    /// Setting a role or removing a person twice is the same as doing it once.
    pub fn repeats_of(&self, operation: usize) -> Repeats {
        match (self.planned(operation).action, self.step_of(operation)) {
            (Action::Add(_), _) | (Action::Replace { .. }, Some(ReplaceStep::Add)) => self.breakers.repeats(),
            // A removal that takes effect after the add would undo it, so the run waits for it.
            (Action::Replace { .. }, Some(ReplaceStep::Remove) | None) => Repeats::Unknown,
            (Action::SetRole { .. } | Action::Remove(_), _) => Repeats::Refused,
        }
    }
}

/// Whether an operation leaves its workspace with one admin fewer, and the person in it.
pub fn demotes_an_admin(run: &Run<'_>, operation: usize) -> bool {
    let Operation { item, action, .. } = run.batch.operations[operation];
    action.demotes_an_admin() && run.batch.subjects.scope(item) == Scope::Workspace
}

/// What the writes of a run do to people.
fn verb(run: &Run<'_>) -> &'static str {
    let first = run.batch.operations.first();
    match first.and_then(|operation| run.batch.subjects.get(operation.item)) {
        None => "added",
        Some(Subject::Deployment(_)) => "given a role in a deployment",
        Some(Subject::Extra(_)) => "removed",
    }
}
