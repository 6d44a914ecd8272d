//! What earlier legs of a run left, and what a membership that is read now means for it.
//!
//! Main types: [`Leg`], made of one [`Leftover`] per row that is left. It reads the files of the
//! run; others read Houston, and send what is still missing.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::FixedState;

use super::verify::{Finding, landed};
use crate::model::target_key::is_same_target;
use crate::model::{Emails, ItemId, Level, Role, Scope, WorkspaceId, email_key};
use crate::outcome::{Cause, Code, Outcome, Status, StatusKind, Tally};
use crate::plan::finding::{gone, no_member, third_role};
use crate::plan::guard::{hold_caller, hold_last_admins, hold_protected};
use crate::plan::protect::Protect;
use crate::plan::{
    Action, Decision, Holder, Membership, Operation, Reason, ReplaceStep, RolePolicy, Workspace, decide, sort,
};
use crate::present::members::Reading;
use crate::record::folder::{JOURNAL, RunFolder, Runs};
use crate::record::journal::{History, JournalError, LineDecision, PlanLine, RowHistory, plan_lines};

/// Between what happened to a write and what its workspace says later.
const NOW: &str = "; now the workspace cannot be read: ";

/// What is still to be done in a run.
#[derive(Debug, Default)]
pub struct Leg {
    /// The workspaces of the rows that are left.
    pub workspaces: Vec<Workspace>,
    /// The addresses of the rows that are left, and an empty text for every other row.
    pub emails: Arc<Emails>,
    /// The mutations that are missing, workspace by workspace.
    pub operations: Vec<Operation>,
    /// What earlier legs did about some of them, by their index.
    pub earlier: HashMap<usize, Earlier>,
    /// Rows that reading alone has settled.
    pub concluded: Vec<(ItemId, Outcome)>,
    /// The leftovers of each workspace that have not been judged yet.
    shares: Vec<Share>,
}

/// The leftovers of one workspace.
#[derive(Debug, Default)]
struct Share {
    rows: Vec<ItemId>,
    leftovers: Vec<Leftover>,
    /// What turned out to be missing with what Houston has, and what is decided about it.
    missing: Vec<(Leftover, Membership)>,
    decisions: Vec<Decision>,
}

impl Leg {
    /// Finds what is left in the files of a run.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn collect(folder: &RunFolder, history: &History) -> Result<Self, JournalError> {
        let mut left = history.left().into_iter().peekable();
        let mut leg = Self::default();
        let mut emails = Emails::default();
        let mut places: HashMap<WorkspaceId, usize> = HashMap::new();
        let (mut wanted, hasher) = (HashSet::new(), FixedState::default());
        for line in plan_lines(folder)? {
            let line = line?;
            if left.next_if_eq(&line.item).is_none() {
                emails.push("");
                continue;
            }
            emails.push(&line.email);
            let Some(leftover) = Leftover::of(&line, history) else { continue };
            let Some(id) = line.workspace else { continue };
            let place = *places.entry(id.clone()).or_insert_with(|| {
                leg.workspaces.push(Workspace { id, label: None });
                leg.shares.push(Share::default());
                leg.shares.len() - 1
            });
            if !wanted.insert(hasher.hash_one((place, email_key(&line.email)))) {
                let source =
                    <serde_json::Error as serde::de::Error>::custom("the same person twice in one workspace");
                let line = line.item.index() as u64 + 1;
                return Err(JournalError::Broken { path: folder.plan(), line, source });
            }
            leg.shares[place].rows.push(line.item);
            leg.shares[place].leftovers.push(leftover);
        }
        leg.emails = Arc::new(emails);
        Ok(leg)
    }

    /// What is to be read: each workspace, and the rows whose people are looked for.
    pub fn tasks(&self) -> impl Iterator<Item = (&WorkspaceId, &[ItemId])> {
        self.workspaces.iter().zip(&self.shares).map(|(workspace, share)| (&workspace.id, &share.rows[..]))
    }

    /// Takes in what was read of one workspace, in the order of its rows, and holds back what would
    /// remove or demote the caller, of whom these are the names, or people who are protected.
    pub fn judge(&mut self, place: usize, reading: &Reading, caller: &[String], protect: &Protect) {
        let leftovers = std::mem::take(&mut self.shares[place].leftovers);
        let doubt = reading.cause_of_doubt();
        let emails = Arc::clone(&self.emails);
        let is_caller = |item: ItemId| caller.iter().any(|name| name == emails.get(item));
        let is_protected = |item: ItemId| {
            let email = emails.get(item);
            protect.covers([email]) || reading.protected.iter().any(|name| name == email)
        };
        for (mut leftover, &seen) in leftovers.into_iter().zip(&reading.memberships) {
            if let (Membership::Absent, Some(doubt)) = (seen, &doubt) {
                self.leave(&leftover, Status::GaveUp, doubt);
                continue;
            }
            leftover.note_removal(seen);
            match leftover.next(seen) {
                Next::Done(status, cause) => self.conclude(&leftover, status, cause),
                Next::Missing(action) => {
                    self.shares[place].decisions.push(Decision::Change(action));
                    self.shares[place].missing.push((leftover, seen));
                }
            }
        }
        let Share { missing, decisions, .. } = &mut self.shares[place];
        // Of a replacement that has begun, what was taken away has to come back, whoever it is.
        let is_bound = |at: usize| missing[at].0.has_begun_to_replace(missing[at].1);
        hold_protected(decisions, |at| !is_bound(at) && is_protected(missing[at].0.item));
        hold_caller(decisions, |at| !is_bound(at) && is_caller(missing[at].0.item));
    }

    /// The rows that take an admin from this workspace: the others are to be counted.
    pub fn admins_taken(&self, place: usize) -> Vec<ItemId> {
        let Share { missing, decisions, .. } = &self.shares[place];
        let rows =
            missing.iter().zip(decisions).filter(|((_, seen), decision)| decision.takes_an_admin(*seen));
        rows.map(|((leftover, _), _)| leftover.item).collect()
    }

    /// Takes in how many admins this workspace has besides those whom the leg demotes or replaces, or
    /// why they cannot be counted.
    pub fn count_admins(&mut self, place: usize, others: Result<usize, &Cause>) {
        let Share { missing, decisions, .. } = &mut self.shares[place];
        let judged = decisions.iter_mut().zip(missing.iter().map(|(_, seen)| *seen));
        match others {
            Ok(others) => hold_last_admins(judged, others),
            Err(cause) => {
                for (decision, _) in judged.filter(|(decision, seen)| decision.takes_an_admin(*seen)) {
                    *decision = Decision::Keep(Reason::Unreadable(Arc::new(cause.clone())));
                }
            }
        }
    }

    /// Puts the operations together, once every workspace has been judged.
    pub fn assemble(&mut self) {
        let mut earlier = HashMap::new();
        for place in 0..self.shares.len() {
            let missing = std::mem::take(&mut self.shares[place].missing);
            let decisions = std::mem::take(&mut self.shares[place].decisions);
            for ((leftover, _), decision) in missing.into_iter().zip(decisions) {
                let action = match decision {
                    Decision::Change(action) => action,
                    Decision::Keep(reason) => {
                        self.hold(&leftover, &reason);
                        continue;
                    }
                };
                let workspace = u32::try_from(place).expect("fewer workspaces than rows");
                self.operations.push(Operation { item: leftover.item, workspace, action });
                earlier.extend(leftover.earlier.map(|earlier| (leftover.item, earlier)));
            }
        }
        sort(&mut self.operations);
        let places = self.operations.iter().enumerate();
        self.earlier =
            places.filter_map(|(place, operation)| Some((place, earlier.remove(&operation.item)?))).collect();
    }

    /// The end of a row that is not sent again. What may still take effect stays in doubt.
    fn hold(&mut self, leftover: &Leftover, reason: &Reason) {
        let (status, cause) = reason.end(leftover.scope, Some(leftover.role));
        let in_doubt = leftover.earlier.as_ref().is_some_and(|earlier| earlier.in_doubt);
        self.conclude(leftover, if in_doubt { Status::InDoubt } else { status }, cause);
    }

    /// A workspace cannot be read. What was sent there stays unsettled: it may have taken effect,
    /// whatever the workspace says now.
    pub fn give_up(&mut self, place: usize, status: Status, cause: &Cause) {
        for leftover in std::mem::take(&mut self.shares[place].leftovers) {
            self.leave(&leftover, status, cause);
        }
    }

    /// A row about which nothing can be told now.
    fn leave(&mut self, leftover: &Leftover, status: Status, cause: &Cause) {
        match &leftover.earlier {
            None => self.conclude(leftover, status, Some(cause.clone())),
            Some(earlier) => {
                let status = if earlier.in_doubt { Status::InDoubt } else { Status::GaveUp };
                // What an earlier leg said of the workspace is not said again.
                let then = earlier.cause.text.split(NOW).next().unwrap_or_default();
                let text = format!("{then}{NOW}{}", cause.text);
                self.conclude(leftover, status, Some(Cause { code: cause.code.clone(), text }));
            }
        }
    }

    /// Whether the operation at this place is looked for over the settle time before it may be sent
    /// again.
    pub fn is_in_doubt(&self, place: usize) -> bool {
        self.earlier.get(&place).is_some_and(|earlier| earlier.in_doubt)
    }

    /// The rows of the run that have no operation in this leg.
    pub fn tally(&self, history: &History) -> Tally {
        let mut rows: Vec<Option<Status>> = history.rows.iter().map(|row| Some(row.status)).collect();
        self.concluded.iter().for_each(|(row, outcome)| rows[row.index()] = Some(outcome.status));
        self.operations.iter().for_each(|operation| rows[operation.item.index()] = None);
        let mut tally = Tally::default();
        rows.into_iter().flatten().for_each(|status| tally.count(status));
        tally
    }

    fn conclude(&mut self, leftover: &Leftover, status: Status, cause: Option<Cause>) {
        let earlier = leftover.earlier.as_ref();
        let (attempts, elapsed) =
            earlier.map_or((0, Duration::ZERO), |earlier| (earlier.attempts, earlier.elapsed));
        self.concluded.push((leftover.item, Outcome { status, cause, attempts, elapsed }));
    }
}

/// What earlier runs against a target left without an answer.
#[derive(Debug, Default)]
pub struct Unanswered {
    /// The writes, by address and workspace, with the run's id.
    pub writes: HashMap<(String, WorkspaceId), String>,
    /// The runs that could not be searched, since their files have an older format.
    pub older: Vec<String>,
}

/// Searches the runs against this target for writes without an answer. Only runs count whose journal was
/// written within `recent`: nothing of an older one can land any more. A run that cannot be read says
/// nothing, and one of another user may say anything.
pub fn left_unanswered(runs: &Runs, target: &str, recent: Duration) -> Unanswered {
    let mut unanswered = Unanswered::default();
    let is_own = |folder: &RunFolder| folder.distrust().is_none();
    for folder in runs.list().unwrap_or_default().into_iter().filter(is_own) {
        let written = folder.modified(JOURNAL);
        let is_recent = written.is_some_and(|at| at.elapsed().map_or(true, |age| age <= recent));
        match is_recent.then(|| History::read(&folder)) {
            Some(Ok(history)) if is_same_target(&history.header.target, target) => {
                unanswered.search(&folder, &history);
            }
            Some(Err(JournalError::Older { target: of, .. }))
                if of.as_ref().is_none_or(|of| is_same_target(of, target)) =>
            {
                unanswered.older.push(folder.id().to_owned());
            }
            Some(Ok(_) | Err(_)) | None => {}
        }
    }
    unanswered
}

impl Unanswered {
    fn search(&mut self, folder: &RunFolder, history: &History) {
        let in_doubt = |row: &ItemId| history.alone(*row).is_some_and(|row| row.status == Status::InDoubt);
        let left: HashSet<ItemId> = history.left().into_iter().filter(in_doubt).collect();
        if left.is_empty() {
            return;
        }
        let lines = plan_lines(folder).into_iter().flatten().filter_map(Result::ok);
        for line in lines.filter(|line| left.contains(&line.item)) {
            if let Some(workspace) = line.workspace {
                let write = (email_key(&line.email).into_owned(), workspace);
                self.writes.insert(write, history.header.run.clone());
            }
        }
    }
}

/// A row that a later leg can settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The item.
    pub item: ItemId,
    /// What the role is about.
    pub scope: Scope,
    /// The wanted role.
    pub role: Level,
    /// What was planned.
    pub planned: Planned,
    /// What was done about it; none if nothing was ever sent.
    pub earlier: Option<Earlier>,
}

/// What the plan says about a row that is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planned {
    /// This change.
    Change(Action),
    /// Nothing yet, since the workspace could not be read; members would have been met with this.
    Nothing(RolePolicy),
}

/// What an earlier leg of the run did about an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Mutations sent for it.
    pub attempts: u32,
    /// From its first request to the end of that leg.
    pub elapsed: Duration,
    /// What was the matter.
    pub cause: Cause,
    /// Whether the last one may still take effect: it is looked for over the settle time before
    /// anything is sent again.
    pub in_doubt: bool,
    /// Whether a person who is replaced has been removed, so that only the add is missing.
    pub is_removed: bool,
}

/// What is to be done about a leftover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it has its end.
    Done(Status, Option<Cause>),
    /// It is not there: send this, or wait for it first if it is in doubt.
    Missing(Action),
}

impl Leftover {
    /// The leftover of a row with this history; `None` for a row with an end of its own.
    pub fn new(item: ItemId, role: Role, planned: Planned, history: &RowHistory) -> Option<Self> {
        let in_doubt = history.status == Status::InDoubt;
        match history.status.kind() {
            StatusKind::Unresolved | StatusKind::NotTried => {}
            StatusKind::Changed | StatusKind::AsItWas | StatusKind::Failed => return None,
        }
        let cause = || history.cause.as_ref().map_or_else(unknown, |cause| Cause::clone(cause));
        let earlier = (in_doubt || history.attempts > 0).then(|| Earlier {
            attempts: history.attempts,
            elapsed: Duration::from_millis(u64::from(history.elapsed_ms)),
            cause: cause(),
            in_doubt,
            is_removed: history.step == Some(ReplaceStep::Add),
        });
        let Role { scope, level: role } = role;
        Some(Self { item, scope, role, planned, earlier })
    }

    fn of(line: &PlanLine, history: &History) -> Option<Self> {
        let planned = match line.decision {
            // Removals come behind the rows of the roster.
            LineDecision::Change(Action::Remove(_)) => return None,
            LineDecision::Change(action) => Planned::Change(action),
            LineDecision::Keep(_) => Planned::Nothing(history.header.settings.roles),
        };
        Self::new(line.item, line.role?, planned, &history.rows[line.item.index()])
    }

    /// What a membership means for it. Whoever is there after this run has sent for them is there
    /// through this run, as far as anybody can tell. Nothing is done that was not planned: nobody is
    /// added whose role was to be changed, and the other way round.
    pub fn next(&self, seen: Membership) -> Next {
        match self.planned {
            Planned::Change(Action::Add(_)) => self.next_add(seen, RolePolicy::Keep),
            Planned::Change(Action::Replace(_)) => self.next_replacement(seen),
            Planned::Change(Action::Remove(_)) => self.next_removal(seen),
            Planned::Change(Action::SetRole { from, holder, .. }) => self.next_change(seen, from, holder),
            Planned::Nothing(roles) => self.next_add(seen, roles),
        }
    }

    /// Whether the person has been taken away already, or may have been.
    fn has_begun_to_replace(&self, seen: Membership) -> bool {
        match self.planned {
            Planned::Change(Action::Replace(_)) => self.earlier.is_some() || seen == Membership::Absent,
            Planned::Change(Action::Add(_) | Action::SetRole { .. } | Action::Remove(_))
            | Planned::Nothing(_) => false,
        }
    }

    /// Takes in that a person who is replaced is gone: the removal of an earlier leg has taken effect, and
    /// its add was never sent.
    fn note_removal(&mut self, seen: Membership) {
        if let (Planned::Change(Action::Replace(_)), Membership::Absent) = (self.planned, seen)
            && let Some(earlier) = &mut self.earlier
            && !earlier.is_removed
        {
            (earlier.is_removed, earlier.in_doubt) = (true, false);
        }
    }

    fn next_add(&self, seen: Membership, roles: RolePolicy) -> Next {
        let add = Action::Add(self.role);
        if self.earlier.is_some() {
            return match (seen, landed(self.scope, seen, add)) {
                (Membership::Absent, _) | (_, Finding::SendAgain | Finding::Wait | Finding::Removed) => {
                    Next::Missing(add)
                }
                (_, Finding::Done(status, cause)) => Next::Done(status, cause),
            };
        }
        self.decided(&decide(self.scope, self.role, seen, roles))
    }

    /// What a decision of now means.
    fn decided(&self, decision: &Decision) -> Next {
        match decision {
            Decision::Change(action) => Next::Missing(*action),
            Decision::Keep(reason) => {
                let (status, cause) = reason.end(self.scope, Some(self.role));
                Next::Done(status, cause)
            }
        }
    }

    /// Until the removal is proved, whoever is there may be there by the accounts that are to be removed:
    /// these are looked for, by their ids, before anything is added. A member whom Houston has once needs
    /// no replacement, unless a removal may still take effect.
    fn next_replacement(&self, seen: Membership) -> Next {
        let action = Action::Replace(self.role);
        let is_removed = self.earlier.as_ref().is_some_and(|earlier| earlier.is_removed);
        let in_doubt = self.earlier.as_ref().is_some_and(|earlier| earlier.in_doubt);
        if is_removed {
            return match landed(self.scope, seen, action) {
                Finding::Done(status, cause) => Next::Done(status, cause),
                Finding::Wait | Finding::SendAgain | Finding::Removed => Next::Missing(action),
            };
        }
        match seen {
            Membership::Member { bindings: 1, .. } if !in_doubt => {
                self.decided(&decide(self.scope, self.role, seen, RolePolicy::Keep))
            }
            Membership::Member { .. } | Membership::Invited { .. } | Membership::Absent => {
                Next::Missing(action)
            }
        }
    }

    /// Whoever has another role than then has been given it since.
    fn next_removal(&self, seen: Membership) -> Next {
        let action = Action::Remove(Some(self.role));
        match landed(self.scope, seen, action) {
            Finding::Done(Status::Removed, _) if self.earlier.is_none() => {
                Next::Done(Status::Unchanged, Some(gone()))
            }
            Finding::Done(status, cause) => Next::Done(status, cause),
            Finding::Wait | Finding::SendAgain | Finding::Removed => Next::Missing(action),
        }
    }

    fn next_change(&self, seen: Membership, from: Level, holder: Holder) -> Next {
        let to = self.role;
        let action = Action::SetRole { from, to, holder };
        if self.earlier.is_some() {
            return match landed(self.scope, seen, action) {
                Finding::Done(status, cause) => Next::Done(status, cause),
                Finding::Wait | Finding::SendAgain | Finding::Removed => Next::Missing(action),
            };
        }
        let decision = decide(self.scope, to, seen, RolePolicy::Update);
        if !decision.is_change() {
            return self.decided(&decision);
        }
        // It is not settled, so that they are absent, or a member with another role.
        let third_role = |role| Next::Done(Status::RoleKept, Some(third_role(self.scope, role, from, to)));
        match seen {
            Membership::Member { role, .. } if role == from && holder == Holder::Member => {
                Next::Missing(action)
            }
            Membership::Member { role, .. } => third_role(role),
            Membership::Invited { role: Some(role), .. } if holder == Holder::Invitation => {
                if role == from {
                    Next::Missing(action)
                } else {
                    third_role(role)
                }
            }
            Membership::Invited { .. } | Membership::Absent => {
                Next::Done(Status::Rejected, Some(no_member()))
            }
        }
    }
}

fn unknown() -> Cause {
    Cause::new(Code::NoOutcome, "sent, and the run ended before its answer")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Standing;

    const EDITOR: Level = Level::Editor;

    fn leftover(status: Status, attempts: u32) -> Option<Leftover> {
        let history = RowHistory {
            line: 2,
            status,
            cause: None,
            workspace: Some(0),
            attempts,
            elapsed_ms: 5,
            step: None,
        };
        Leftover::new(
            ItemId::from_index(0),
            Role::workspace(EDITOR),
            Planned::Change(Action::Add(EDITOR)),
            &history,
        )
    }

    fn set_role(from: Level, to: Level) -> Action {
        Action::SetRole { from, to, holder: Holder::Member }
    }

    fn member(role: Level) -> Membership {
        Membership::Member { role, bindings: 1, standing: Standing::Active }
    }

    #[test]
    fn only_rows_without_an_end_are_left() {
        for status in Status::ALL {
            let expected = [Status::GaveUp, Status::InDoubt, Status::NotRun].contains(&status);
            assert_eq!(leftover(status, 1).is_some(), expected, "{status}");
        }
    }

    #[test]
    fn who_is_there_after_a_send_was_added_and_who_was_there_without_one_is_unchanged() {
        use Status::{Added, GaveUp, InDoubt, NotRun, RoleKept, Unchanged};
        let table = [
            (NotRun, 0, member(EDITOR), Some(Unchanged)),
            (GaveUp, 0, member(EDITOR), Some(Unchanged)),
            (NotRun, 0, member(Level::Admin), Some(RoleKept)),
            (NotRun, 0, Membership::Absent, None),
            (GaveUp, 2, member(EDITOR), Some(Added)),
            (GaveUp, 2, Membership::Absent, None),
            (InDoubt, 1, member(EDITOR), Some(Added)),
            (InDoubt, 0, member(EDITOR), Some(Added)),
            (InDoubt, 1, Membership::Absent, None),
            (InDoubt, 1, Membership::Invited { role: Some(EDITOR), invites: 1 }, Some(Status::Invited)),
            (
                InDoubt,
                1,
                Membership::Member { role: EDITOR, bindings: 2, standing: Standing::Active },
                Some(Status::Rejected),
            ),
        ];
        for (status, attempts, seen, expected) in table {
            let next = leftover(status, attempts).map(|leftover| leftover.next(seen));
            let found = match next {
                Some(Next::Done(status, _)) => Some(status),
                Some(Next::Missing(_)) | None => None,
            };
            assert_eq!(found, expected, "{status} after {attempts} sends, {seen:?}");
        }
    }

    #[test]
    fn a_role_that_was_to_be_changed_is_changed_as_planned_or_not_at_all() {
        use Level::{Admin, Viewer};
        use Status::{GaveUp, InDoubt, NotRun, Rejected, RoleKept, RoleUpdated, Unchanged};
        let twice = Membership::Member { role: Admin, bindings: 2, standing: Standing::Active };
        let table = [
            (NotRun, 0, member(EDITOR), Some(Unchanged)),
            (NotRun, 0, member(Viewer), None),
            (NotRun, 0, member(Admin), Some(RoleKept)),
            (NotRun, 0, Membership::Absent, Some(Rejected)),
            (NotRun, 0, twice, Some(Rejected)),
            (InDoubt, 1, member(EDITOR), Some(RoleUpdated)),
            (InDoubt, 1, member(Viewer), None),
            (InDoubt, 1, member(Admin), Some(RoleKept)),
            (InDoubt, 1, Membership::Absent, Some(Rejected)),
            (GaveUp, 3, member(EDITOR), Some(RoleUpdated)),
            (GaveUp, 3, member(Viewer), None),
        ];
        for (status, attempts, seen, expected) in table {
            let history = RowHistory {
                line: 2,
                status,
                cause: None,
                workspace: Some(0),
                attempts,
                elapsed_ms: 5,
                step: None,
            };
            let planned = Planned::Change(set_role(Viewer, EDITOR));
            let leftover = Leftover::new(ItemId::from_index(0), Role::workspace(EDITOR), planned, &history)
                .expect("left");
            match leftover.next(seen) {
                Next::Done(status, _) => assert_eq!(Some(status), expected, "{seen:?} after {attempts}"),
                Next::Missing(action) => {
                    assert_eq!(expected, None, "{seen:?} after {attempts}");
                    assert_eq!(action, set_role(Viewer, EDITOR));
                }
            }
        }
    }

    #[test]
    fn a_later_leg_replaces_nobody_who_must_stay() {
        let twice = |role| Membership::Member { role, bindings: 2, standing: Standing::Active };
        let judged = |seen: Membership, caller: &[String], protect: &[String], others: Option<usize>| {
            let item = ItemId::from_index(0);
            let role = seen.role().unwrap_or(EDITOR);
            let leftover = Leftover {
                item,
                scope: Scope::Workspace,
                role,
                planned: Planned::Change(Action::Replace(role)),
                earlier: None,
            };
            let mut emails = Emails::default();
            emails.push("ann@example.com");
            let share = Share { rows: vec![item], leftovers: vec![leftover], ..Share::default() };
            let id = WorkspaceId::new("ck1").expect("valid");
            let mut leg = Leg {
                workspaces: vec![Workspace { id, label: None }],
                emails: Arc::new(emails),
                shares: vec![share],
                ..Leg::default()
            };
            leg.judge(0, &Reading::of(vec![seen]), caller, &Protect::new(protect));
            assert_eq!(leg.admins_taken(0).len(), usize::from(others.is_some()), "{seen:?}");
            if let Some(others) = others {
                leg.count_admins(0, Ok(others));
            }
            leg.assemble();
            let code =
                |(_, outcome): &(ItemId, Outcome)| outcome.cause.as_ref().map(|cause| cause.code.clone());
            (leg.operations.len(), leg.concluded.first().and_then(code))
        };
        let ann = ["ann@example.com".to_owned()];
        let held = |code: Code| (0, Some(code));
        let admin = twice(Level::Admin);
        assert_eq!(judged(twice(EDITOR), &[], &[], None), (1, None));
        assert_eq!(judged(admin, &[], &[], Some(1)), (1, None));
        assert_eq!(judged(admin, &[], &[], Some(0)), held(Code::GuardLastAdmin));
        let invited = Membership::Invited { role: Some(Level::Admin), invites: 1 };
        assert_eq!(judged(invited, &[], &[], None), (1, None), "an invitation is no admin");
        assert_eq!(judged(twice(EDITOR), &ann, &[], None), held(Code::GuardSelf));
        assert_eq!(judged(twice(EDITOR), &[], &ann, None), held(Code::Protected));
        // What was taken away already has to come back.
        assert_eq!(judged(Membership::Absent, &ann, &ann, None), (1, None));
    }

    #[test]
    fn a_replacement_goes_on_where_its_journal_and_a_read_leave_it() {
        use ReplaceStep::{Add, Remove};
        use Status::{GaveUp, InDoubt, Invited, NotRun, RoleUpdated, Unchanged};
        let twice = Membership::Member { role: EDITOR, bindings: 2, standing: Standing::Active };
        let invited = Membership::Invited { role: Some(EDITOR), invites: 1 };
        let both = Err((false, true));
        // The end, or else whether only the add is missing, and whether something may still land.
        let table = [
            (NotRun, None, twice, Err((false, false))),
            (NotRun, None, member(EDITOR), Ok(Unchanged)),
            (InDoubt, Some(Remove), Membership::Absent, Err((true, false))),
            (InDoubt, Some(Remove), twice, both),
            (InDoubt, Some(Remove), invited, both),
            (InDoubt, Some(Remove), member(EDITOR), both),
            (GaveUp, Some(Remove), twice, Err((false, false))),
            (GaveUp, Some(Remove), member(EDITOR), Ok(Unchanged)),
            (InDoubt, Some(Add), Membership::Absent, Err((true, true))),
            (InDoubt, Some(Add), member(EDITOR), Ok(RoleUpdated)),
            (InDoubt, Some(Add), invited, Ok(Invited)),
            (InDoubt, Some(Add), twice, Ok(Status::Rejected)),
            (GaveUp, Some(Add), Membership::Absent, Err((true, false))),
        ];
        for (status, step, seen, expected) in table {
            let attempts = u32::from(step.is_some());
            let history = RowHistory {
                line: 2,
                status,
                cause: None,
                workspace: Some(0),
                attempts,
                elapsed_ms: 5,
                step,
            };
            let planned = Planned::Change(Action::Replace(EDITOR));
            let mut leftover =
                Leftover::new(ItemId::from_index(0), Role::workspace(EDITOR), planned, &history)
                    .expect("left");
            leftover.note_removal(seen);
            let found = match leftover.next(seen) {
                Next::Done(status, _) => Ok(status),
                Next::Missing(action) => {
                    assert_eq!(action, Action::Replace(EDITOR));
                    Err(leftover.earlier.map_or((false, false), |one| (one.is_removed, one.in_doubt)))
                }
            };
            assert_eq!(found, expected, "{status} after {step:?}, {seen:?}");
        }
    }

    #[test]
    fn a_row_that_was_never_decided_is_met_as_the_run_began() {
        let history = |status| RowHistory {
            line: 2,
            status,
            cause: None,
            workspace: Some(0),
            attempts: 0,
            elapsed_ms: 0,
            step: None,
        };
        let next = |roles| {
            let planned = Planned::Nothing(roles);
            Leftover::new(ItemId::from_index(0), Role::workspace(EDITOR), planned, &history(Status::GaveUp))
                .expect("left")
                .next(member(Level::Viewer))
        };
        assert!(matches!(next(RolePolicy::Keep), Next::Done(Status::RoleKept, _)));
        assert_eq!(next(RolePolicy::Update), Next::Missing(set_role(Level::Viewer, EDITOR)));
    }
}
