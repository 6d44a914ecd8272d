//! Which roles in deployments are still to be given in a run, once its rows have come to their end, and
//! what a role that is read now means for it.
//!
//! Main type: [`Granting`]. It reads the files of the run; others read Houston and send. Adds may have
//! brought roles along: those are found here, and only what is missing is sent.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::leftover::{Leftover, Next, Planned};
use super::part::{InDeployment, Part, Subject, Subjects};
use crate::houston::DeploymentGrant;
use crate::model::{Emails, ItemId, Scope, WorkspaceId};
use crate::outcome::{Cause, Outcome, Status};
use crate::plan::protect::Protect;
use crate::plan::{Action, Membership, Operation, Reason, Workspace, sort};
use crate::present::grants::{Asked, Found};
use crate::record::folder::RunFolder;
use crate::record::journal::{History, JournalError, LineDecision, Origin, PlanLine, plan_lines};

/// The roles in deployments that are still to be given in a run.
#[derive(Debug, Default)]
pub struct Granting {
    /// What is carried out.
    pub part: Part,
    subjects: Subjects,
    shares: Vec<Vec<Open>>,
}

/// A role that is to be given.
#[derive(Debug, Clone)]
struct Open {
    leftover: Leftover,
    /// What became of the row that wants it.
    row: Status,
    /// Whether the plan gives it to a person who has none.
    is_add: bool,
}

impl Granting {
    /// Finds the roles in the files of a run.
    ///
    /// # Errors
    /// If the files cannot be read.
    pub fn collect(folder: &RunFolder, history: &History) -> Result<Self, JournalError> {
        let mut granting = Self::default();
        let rows = history.rows.len();
        let open: HashSet<ItemId> = history.left_grants().into_iter().collect();
        let mut names = Emails::default();
        (0..rows).for_each(|_| names.push(""));
        let mut places: HashMap<WorkspaceId, usize> = HashMap::new();
        granting.subjects.first = rows;
        for line in plan_lines(folder)?.skip(rows).take(history.grants.len()) {
            let line = line?;
            names.push(&line.email);
            let Some(deployment) = &line.deployment else { continue };
            granting.subjects.behind.push(Subject::Deployment(InDeployment {
                deployment: deployment.id.clone(),
                name: deployment.name.clone(),
                user: None,
            }));
            let (Some(id), true) = (&line.workspace, open.contains(&line.item)) else { continue };
            let Some(open) = Open::of(&line, history) else { continue };
            let place = *places.entry(id.clone()).or_insert_with(|| {
                granting.part.workspaces.push(Workspace { id: id.clone(), label: None });
                granting.shares.push(Vec::new());
                granting.shares.len() - 1
            });
            granting.shares[place].push(open);
        }
        granting.part.names = Arc::new(names);
        Ok(granting)
    }

    /// What is to be read: each workspace, and whose role in which deployment is looked for.
    pub fn tasks(&self) -> Vec<(&WorkspaceId, Vec<Asked<'_>>)> {
        let asked = |open: &Open| Asked {
            email: self.part.names.get(open.leftover.item),
            deployment: self.name(open.leftover.item),
        };
        let pairs = self.part.workspaces.iter().zip(&self.shares);
        pairs.map(|(place, share)| (&place.id, share.iter().map(asked).collect())).collect()
    }

    fn name(&self, row: ItemId) -> &str {
        match self.subjects.get(row) {
            Some(Subject::Deployment(subject)) => &subject.name,
            Some(Subject::Leaver(_)) | None => "",
        }
    }

    /// Takes in what was read of one workspace, in the order of its task. Nothing is taken away from
    /// people who are protected.
    pub fn judge(&mut self, place: usize, found: Vec<Option<Found>>, protect: &Protect) {
        let share = std::mem::take(&mut self.shares[place]);
        let emails = Arc::clone(&self.part.names);
        for (open, found) in share.into_iter().zip(found) {
            let seen = found.as_ref().map_or_else(|| open.unlisted(), |found| found.seen);
            let row = open.leftover.item;
            let address = found.as_ref().map(|found| found.address.to_lowercase());
            let names = address.as_deref().into_iter().chain([emails.get(row)]);
            let is_protected = open.leftover.earlier.is_none() && protect.covers(names);
            match open.next(seen) {
                Next::Done(status, cause) => self.conclude(&open.leftover, status, cause),
                Next::Missing(action) if is_protected && action.takes_away() => {
                    let (status, cause) = Reason::Protected(action).end(Scope::Deployment, None);
                    self.conclude(&open.leftover, status, cause);
                }
                Next::Missing(action) => {
                    let subject = self.subjects.behind.get_mut(row.index() - self.subjects.first);
                    if let (Some(Subject::Deployment(subject)), Some(found)) = (subject, found) {
                        subject.user = Some((found.id, found.address));
                    }
                    let workspace = u32::try_from(place).expect("fewer workspaces than rows");
                    self.part.operations.push(Operation { item: row, workspace, action });
                    self.shares[place].push(open);
                }
            }
        }
    }

    /// A workspace cannot be read now: a later leg may. What was sent there stays in doubt.
    pub fn give_up(&mut self, place: usize, cause: &Cause) {
        for open in std::mem::take(&mut self.shares[place]) {
            let in_doubt = open.leftover.earlier.as_ref().is_some_and(|earlier| earlier.in_doubt);
            let status = if in_doubt { Status::InDoubt } else { Status::GaveUp };
            self.conclude(&open.leftover, status, Some(cause.clone()));
        }
    }

    /// Puts the operations into their order, once every workspace has been judged.
    pub fn assemble(mut self) -> Part {
        sort(&mut self.part.operations);
        let mut earlier: HashMap<ItemId, _> = (self.shares.into_iter().flatten())
            .filter_map(|open| Some((open.leftover.item, open.leftover.earlier?)))
            .collect();
        let places = self.part.operations.iter().enumerate();
        self.part.earlier =
            places.filter_map(|(place, operation)| Some((place, earlier.remove(&operation.item)?))).collect();
        self.part.subjects = Arc::new(self.subjects);
        self.part
    }

    fn conclude(&mut self, leftover: &Leftover, status: Status, cause: Option<Cause>) {
        let earlier = leftover.earlier.as_ref();
        let (attempts, elapsed) =
            earlier.map_or((0, Duration::ZERO), |earlier| (earlier.attempts, earlier.elapsed));
        self.part.concluded.push((leftover.item, Outcome { status, cause, attempts, elapsed }));
    }
}

impl Open {
    fn of(line: &PlanLine, history: &History) -> Option<Self> {
        line.deployment.as_ref().filter(|deployment| deployment.is_there())?;
        let Origin::Row { number, .. } = line.origin else { return None };
        let planned = match line.decision {
            LineDecision::Change(Action::Replace(_)) => return None,
            LineDecision::Change(action) => Planned::Change(action),
            LineDecision::Keep(_) => Planned::Nothing(history.header.settings.roles),
        };
        let is_add = matches!(planned, Planned::Change(Action::Add(_)));
        let role = line.role.or(line.from_role())?;
        let leftover = Leftover::new(line.item, role, planned, history.item(line.item)?)?;
        Some(Self { leftover, row: history.alone(number.into())?.status, is_add })
    }

    /// What there is of somebody who is not in the list of members.
    fn unlisted(&self) -> Membership {
        match self.row {
            Status::Invited | Status::AlreadyInvited => Membership::Invited { role: None, invites: 1 },
            Status::Added
            | Status::Unchanged
            | Status::RoleUpdated
            | Status::RoleKept
            | Status::Removed
            | Status::Rejected
            | Status::GaveUp
            | Status::InDoubt
            | Status::NotRun
            | Status::Invalid
            | Status::Merged => Membership::Absent,
        }
    }

    /// Whether the add of the row may have brought the role along.
    fn may_have_come_along(&self) -> bool {
        matches!(self.row, Status::Added | Status::Invited) && self.is_add
    }

    fn next(&self, seen: Membership) -> Next {
        match self.leftover.next(seen) {
            Next::Done(Status::Unchanged, cause) if self.may_have_come_along() => {
                Next::Done(Status::Added, cause)
            }
            Next::Done(Status::AlreadyInvited, cause) if self.may_have_come_along() => {
                Next::Done(Status::Invited, cause)
            }
            next @ (Next::Done(..) | Next::Missing(_)) => next,
        }
    }
}

/// What the rows of a run are about beside a person in a workspace: roles in deployments that come along
/// with adds, and who is taken away before they are added again.
///
/// # Errors
/// If the files cannot be read.
pub fn along(folder: &RunFolder, history: &History) -> Result<Subjects, JournalError> {
    let mut subjects = Subjects { first: history.first_extra(), ..Subjects::default() };
    let settings = &history.header.settings;
    if history.grants.is_empty() && !settings.repair_duplicates && !settings.reinvite {
        return Ok(subjects);
    }
    for line in plan_lines(folder)?.take(history.first_extra()) {
        let line = line?;
        if !line.accounts.is_empty() {
            subjects.replacements.insert(line.item, line.accounts);
        }
        let (Some(deployment), LineDecision::Change(Action::Add(role))) = (line.deployment, line.decision)
        else {
            continue;
        };
        let Origin::Row { number, .. } = line.origin else { continue };
        let grant = DeploymentGrant { deployment: deployment.id, role };
        subjects.along.entry(number.into()).or_default().push(grant);
    }
    Ok(subjects)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::model::Level;
    use crate::plan::{Holder, Standing};

    fn member(role: Level) -> Membership {
        Membership::Member { role, bindings: 1, standing: Standing::Active }
    }

    const ADD: Action = Action::Add(Level::Editor);
    const UPDATE: Action = Action::SetRole { from: Level::Viewer, to: Level::Editor, holder: Holder::Member };

    /// What a membership means for a role in a deployment.
    pub fn next(leftover: Leftover, row: Status, is_add: bool, seen: Membership) -> Next {
        Open { leftover, row, is_add }.next(seen)
    }

    fn open(row: Status, planned: Action) -> Open {
        let leftover = Leftover {
            item: ItemId::from_index(1),
            scope: Scope::Deployment,
            role: Level::Editor,
            planned: Planned::Change(planned),
            earlier: None,
        };
        Open { leftover, row, is_add: planned == ADD }
    }

    #[test]
    fn what_an_add_brought_along_is_told_as_given_and_the_rest_is_sent() {
        use Level::{Admin, Editor, Viewer};
        let status = |next| match next {
            Next::Done(status, _) => Some(status),
            Next::Missing(Action::Add(_) | Action::SetRole { .. }) => None,
            Next::Missing(Action::Remove(_) | Action::Replace(_)) => {
                unreachable!("nobody is removed")
            }
        };
        let invited = open(Status::Invited, ADD).unlisted();
        let table = [
            (Status::Added, ADD, member(Editor), Some(Status::Added)),
            (Status::Added, ADD, Membership::Absent, None),
            (Status::Added, ADD, member(Admin), Some(Status::RoleKept)),
            (Status::Invited, ADD, invited, Some(Status::Invited)),
            (Status::Unchanged, ADD, member(Editor), Some(Status::Unchanged)),
            (Status::Unchanged, ADD, Membership::Absent, None),
            (Status::Unchanged, UPDATE, member(Viewer), None),
            (Status::Unchanged, UPDATE, member(Editor), Some(Status::Unchanged)),
            (Status::Unchanged, UPDATE, member(Admin), Some(Status::RoleKept)),
        ];
        for (row, planned, seen, end) in table {
            assert_eq!(status(open(row, planned).next(seen)), end, "{row} {planned:?} {seen:?}");
        }
        assert_eq!(open(Status::Added, ADD).unlisted(), Membership::Absent);
    }
}
