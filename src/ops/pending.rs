//! The items of a phase that have no final outcome, and what a reading now means for them.
//!
//! Main type: [`Pending`]. [`Pending::collect`] finds them in the files of the run, [`Pending::read`] looks at
//! what Houston has now, and [`Pending::batch`] is what is left to be sent. The first leg of a run and every
//! later one come through here; only the rows of a plan that has just been made are sent as they are.

mod item;
mod reading;
mod removals;
mod same_person;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher as _;
use std::sync::Arc;

use foldhash::fast::FixedState;

use self::item::{About, Next, PendingItem};
pub use self::reading::Kept;
use self::reading::{Reader, Sight, Sights};
pub use self::removals::RemovalLimits;
use self::same_person::second_rows;
use super::failure::Failure;
use super::planning::unreadable;
use super::session::Session;
use crate::engine::batch::{Batch, InDeployment, Subject, Subjects};
use crate::event::Event;
use crate::houston::DeploymentGrant;
use crate::model::{Emails, ItemId, WorkspaceId, email_key};
use crate::outcome::{Cause, Outcome, Status, Tally};
use crate::plan::guard::{AdminCount, Bars, barred, hold_last_admins};
use crate::plan::protect::Protect;
use crate::plan::{Action, Decision, Membership, Operation, Phase, Reason, Workspace, sort};
use crate::present::survey::Task;
use crate::record::folder::RunFolder;
use crate::record::journal::{History, JournalError, LineDecision, Origin, PlanLine, plan_lines};

impl Phase {
    /// The items of this phase that a leg can settle, in the order of the plan.
    pub fn left(self, history: &History) -> Vec<ItemId> {
        match self {
            Self::Members => history.left(),
            Self::Deployments => history.left_grants(),
            Self::Removals => history.left_extras(),
        }
    }
}

/// The items of a phase that have no final outcome.
#[derive(Debug)]
pub struct Pending {
    phase: Phase,
    /// What reading alone has settled.
    pub concluded: Vec<(ItemId, Outcome)>,
    /// The addresses of the people, by item; an empty text for every other item.
    emails: Arc<Emails>,
    subjects: Subjects,
    shares: Vec<Share>,
}

/// The items in one workspace.
#[derive(Debug)]
struct Share {
    workspace: WorkspaceId,
    /// Those that have not been judged yet, and which items they are.
    items: Vec<PendingItem>,
    ids: Vec<ItemId>,
    /// Those that are due.
    due: Vec<Due>,
    /// How many members and pending invitations the workspace has, where they were counted.
    people: Option<u64>,
}

/// An item that is due.
#[derive(Debug)]
struct Due {
    item: PendingItem,
    seen: Membership,
    decision: Decision,
}

impl Pending {
    /// Finds the items of a phase in the files of a run.
    ///
    /// # Errors
    /// If the files cannot be read, or name a person twice in one workspace.
    pub fn collect(phase: Phase, folder: &RunFolder, history: &History) -> Result<Self, JournalError> {
        let mut left = phase.left(history).into_iter().peekable();
        let mut pending = Self {
            phase,
            concluded: Vec::new(),
            emails: Arc::default(),
            subjects: Subjects::default(),
            shares: Vec::new(),
        };
        let mut emails = Emails::default();
        let mut shares: HashMap<WorkspaceId, usize> = HashMap::new();
        let (mut people, hasher) = (HashSet::new(), FixedState::default());
        let spoiled = removals::spoiled(history);
        for line in plan_lines(folder)? {
            let line = line?;
            if phase == Phase::Members {
                pending.note_subject(&line);
            }
            if left.next_if_eq(&line.item).is_none() {
                emails.push("");
                continue;
            }
            emails.push(&line.email);
            let (Some(item), Some(id)) = (PendingItem::of(&line, history), line.workspace) else { continue };
            if let (Phase::Removals, Some(&spoiled)) = (phase, spoiled.get(&id)) {
                let (status, cause) = item.held_after_failure(spoiled);
                pending.concluded.push(item.outcome(status, Some(cause)));
                continue;
            }
            let at = *shares.entry(id.clone()).or_insert_with(|| {
                pending.shares.push(Share::new(id));
                pending.shares.len() - 1
            });
            if item.about == About::Row && !people.insert(hasher.hash_one((at, email_key(&line.email)))) {
                let source =
                    <serde_json::Error as serde::de::Error>::custom("the same person twice in one workspace");
                let line = line.item.index() as u64 + 1;
                return Err(JournalError::Broken { path: folder.plan(), line, source });
            }
            pending.shares[at].ids.push(item.item);
            pending.shares[at].items.push(item);
        }
        pending.emails = Arc::new(emails);
        Ok(pending)
    }

    /// What rows are about besides a person in a workspace: deployment roles that are bundled with an add,
    /// and the accounts of people who are replaced.
    fn note_subject(&mut self, line: &PlanLine) {
        match (line.origin, &line.deployment, &line.decision) {
            (Origin::Row { .. }, None, _) if !line.accounts.is_empty() => {
                self.subjects.replaced.insert(line.item, line.accounts.clone());
            }
            (Origin::Row { number, .. }, Some(deployment), LineDecision::Change(Action::Add(role))) => {
                let grant = DeploymentGrant { deployment: deployment.id.clone(), role: *role };
                self.subjects.bundled.entry(number.into()).or_default().push(grant);
            }
            (Origin::Row { .. } | Origin::Extra, _, LineDecision::Change(_) | LineDecision::Keep(_)) => {}
        }
    }

    /// Whether there is nothing to be read.
    pub fn is_empty(&self) -> bool {
        self.shares.is_empty()
    }

    /// Reads what Houston has now, and judges every item by it.
    ///
    /// # Errors
    /// The token is dead (4), or the target lets nothing through (5).
    pub fn read(
        &mut self,
        kept: &Kept<'_>,
        session: &Session,
        announce: &mut dyn FnMut(&Event<'_>),
    ) -> Result<(), Failure> {
        let reader = Reader { session, kept, emails: &Arc::clone(&self.emails) };
        let readings = match self.phase {
            Phase::Members => reader.members(&self.shares, announce),
            Phase::Deployments => reader.deployments(&self.shares, announce),
            Phase::Removals => reader.removals(&self.shares, announce),
        };
        for (at, reading) in readings.into_iter().enumerate() {
            match reading {
                Ok(sights) => self.judge(at, sights),
                Err(fault) => {
                    let (status, cause) = unreadable(&fault, session)?;
                    self.give_up(at, status, &cause);
                }
            }
        }
        match self.phase {
            Phase::Members | Phase::Removals => self.count_admins(session),
            // No workspace has an admin less for a role in a deployment.
            Phase::Deployments => Ok(()),
        }
    }

    /// How many members and pending invitations these workspaces have, where they can be read.
    pub fn count_people(
        &self,
        workspaces: &[&WorkspaceId],
        session: &Session,
        announce: &mut dyn FnMut(&Event<'_>),
    ) -> HashMap<WorkspaceId, u64> {
        let kept = Kept { callers: &[], protect: &Protect::NONE };
        Reader { session, kept: &kept, emails: &self.emails }.people(workspaces, announce)
    }

    /// Takes in what was read of one workspace, in the order of its items.
    fn judge(&mut self, at: usize, sights: Sights) {
        self.shares[at].people = sights.people;
        let items = std::mem::take(&mut self.shares[at].items);
        let mut second_rows = second_rows(&items, &sights.shared);
        for (index, (mut item, sight)) in items.into_iter().zip(sights.items).enumerate() {
            let Sight { seen, bars, user } = sight;
            if let Some((status, cause)) = second_rows.remove(&index) {
                self.concluded.push(item.outcome(status, Some(cause)));
                continue;
            }
            if let (Phase::Members, Membership::Absent, Some(doubt)) = (self.phase, seen, &sights.doubt) {
                self.leave(&item, Status::GaveUp, doubt);
                continue;
            }
            match item.next(seen) {
                Next::Done(status, cause) => self.concluded.push(item.outcome(status, cause)),
                Next::Missing(action) => {
                    // Of a replacement that has begun, the person who was removed has to come back.
                    let bars = if item.has_begun_to_replace(seen) { Bars::default() } else { bars };
                    self.note_due_subject(&item, user);
                    let decision = barred(action, bars);
                    self.shares[at].due.push(Due { item, seen, decision });
                }
            }
        }
        self.settle(at);
    }

    fn note_due_subject(&mut self, item: &PendingItem, user: Option<reading::User>) {
        let subject = match &item.about {
            About::Row => return,
            About::Deployment { id, name, .. } => {
                let user = user.map(|user| (user.id, user.address));
                Subject::Deployment(InDeployment { deployment: id.clone(), name: name.clone(), user })
            }
            About::Extra(account) => Subject::Extra(account.clone()),
        };
        self.subjects.others.insert(item.item, subject);
    }

    /// Takes out of the due items of a workspace those that are not done.
    fn settle(&mut self, at: usize) {
        for due in std::mem::take(&mut self.shares[at].due) {
            match &due.decision {
                Decision::Change(_) => self.shares[at].due.push(due),
                Decision::Keep(reason) => {
                    let (status, cause) = due.item.held(reason);
                    self.concluded.push(due.item.outcome(status, cause));
                }
            }
        }
    }

    /// A workspace cannot be read. A later leg may read it, unless Houston refuses its rows for good.
    fn give_up(&mut self, at: usize, status: Status, cause: &Cause) {
        let status = match self.phase {
            Phase::Members => status,
            Phase::Deployments | Phase::Removals => Status::GaveUp,
        };
        let share = &mut self.shares[at];
        let due = std::mem::take(&mut share.due).into_iter().map(|due| due.item);
        let items: Vec<PendingItem> = std::mem::take(&mut share.items).into_iter().chain(due).collect();
        items.iter().for_each(|item| self.leave(item, status, cause));
    }

    fn leave(&mut self, item: &PendingItem, status: Status, cause: &Cause) {
        let (status, cause) = item.unread(status, cause);
        self.concluded.push(item.outcome(status, Some(cause)));
    }

    /// No workspace loses its last admin: where an admin is due to be demoted, replaced or removed, the
    /// others are counted.
    fn count_admins(&mut self, session: &Session) -> Result<(), Failure> {
        let losing: Vec<(usize, Vec<ItemId>)> = (0..self.shares.len())
            .filter(|&at| self.shares[at].due.iter().any(Due::takes_an_admin))
            .map(|at| (at, self.shares[at].demoted()))
            .collect();
        let tasks: Vec<Task<'_>> =
            losing.iter().map(|(at, demoted)| Task::new(&self.shares[*at].workspace, demoted)).collect();
        let counts = session.survey(&self.emails).other_admins(&tasks, |_| {});
        for ((at, _), others) in losing.into_iter().zip(counts) {
            match others {
                Ok(others) => self.hold_last_admins(at, others),
                Err(fault) => {
                    let (_, cause) = unreadable(&fault, session)?;
                    self.leave_admins(at, &cause);
                }
            }
        }
        Ok(())
    }

    /// Where people are due to become admins, the engine counts the admins once more, when it has added and
    /// promoted them.
    fn hold_last_admins(&mut self, at: usize, others: usize) {
        let coming = match self.phase {
            Phase::Members => self.shares[at].due.iter().filter(|due| due.makes_an_admin()).count(),
            Phase::Deployments | Phase::Removals => 0,
        };
        let admins = AdminCount { others, coming };
        let judged = self.shares[at].due.iter_mut().map(|due| (&mut due.decision, due.seen));
        hold_last_admins(judged, admins);
        self.settle(at);
    }

    /// The admins of a workspace cannot be counted: none of them is changed, and no one is removed.
    fn leave_admins(&mut self, at: usize, cause: &Arc<Cause>) {
        if self.phase == Phase::Removals {
            return self.give_up(at, Status::GaveUp, cause);
        }
        for due in self.shares[at].due.iter_mut().filter(|due| due.takes_an_admin()) {
            due.decision = Decision::Keep(Reason::Unreadable(Arc::clone(cause)));
        }
        self.settle(at);
    }

    /// The rows of the run that have their end, besides those that are due.
    pub fn tally(&self, history: &History) -> Tally {
        let mut rows: Vec<Option<Status>> = history.rows().map(|row| Some(row.status)).collect();
        self.concluded.iter().for_each(|(row, outcome)| rows[row.index()] = Some(outcome.status));
        let due = self.shares.iter().flat_map(|share| &share.due);
        due.for_each(|due| rows[due.item.item.index()] = None);
        let mut tally = Tally::default();
        rows.into_iter().flatten().for_each(|status| tally.count(status));
        tally
    }

    /// What is left to be sent, and what reading alone has settled.
    pub fn batch(self) -> (Batch, Vec<(ItemId, Outcome)>) {
        let mut earlier = HashMap::new();
        let (mut workspaces, mut operations) = (Vec::new(), Vec::new());
        for (share, workspace) in self.shares.into_iter().zip(0..) {
            workspaces.push(Workspace { id: share.workspace, label: None });
            for Due { item, decision, .. } in share.due {
                let Decision::Change(action) = decision else { continue };
                operations.push(Operation { item: item.item, workspace, action });
                earlier.extend(item.earlier.map(|sent| (item.item, sent)));
            }
        }
        sort(&mut operations);
        let sent = operations.iter().enumerate();
        let earlier = sent.filter_map(|(at, one)| Some((at, earlier.remove(&one.item)?))).collect();
        let (emails, subjects) = (self.emails, Arc::new(self.subjects));
        let operations = Arc::new(operations);
        (Batch { workspaces, operations, earlier, emails, subjects }, self.concluded)
    }
}

impl Share {
    fn new(workspace: WorkspaceId) -> Self {
        Self { workspace, items: Vec::new(), ids: Vec::new(), due: Vec::new(), people: None }
    }

    /// The people whose admin role is due to be changed, and who stay: they are no other admins.
    fn demoted(&self) -> Vec<ItemId> {
        let stays =
            |due: &&Due| due.takes_an_admin() && !matches!(due.decision, Decision::Change(Action::Remove(_)));
        self.due.iter().filter(stays).map(|due| due.item.item).collect()
    }
}

impl Due {
    fn makes_an_admin(&self) -> bool {
        self.decision.action().is_some_and(Action::makes_an_admin)
    }

    fn takes_an_admin(&self) -> bool {
        self.decision.takes_an_admin(self.seen)
    }
}
