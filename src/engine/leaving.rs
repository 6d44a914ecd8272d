//! Who is still to be taken away in a run, once its rows have come to their end, and what a
//! membership that is read now means for it.
//!
//! Main type: [`Leaving`]. It reads the files of the run; others read Houston and send. The first leg
//! of a run and every later one come through here: nobody is taken away who was not looked at again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::event::{Cause, Outcome, Status, StatusKind};
use super::journal::{History, JournalError, PlanLine, PlannedAction, plan_lines};
use super::leftover::Earlier;
use super::part::{Part, Target, Targets};
use super::run_folder::RunFolder;
use super::verify::{gone, wanted_after_all};
use crate::model::{Emails, RowNumber, WorkspaceId, WorkspaceRole};
use crate::plan::extra::{Handle, Stay};
use crate::plan::{Membership, Operation, OperationKind, Workspace};

/// The removals that are still to be done in a run.
#[derive(Debug, Default)]
pub struct Leaving {
    /// What is carried out.
    pub part: Part,
    shares: Vec<Vec<Leaver>>,
}

/// Somebody who is to be taken away.
#[derive(Debug, Clone)]
struct Leaver {
    row: RowNumber,
    handle: Handle,
    /// The role that the plan saw.
    role: Option<WorkspaceRole>,
    earlier: Option<Earlier>,
    /// What a read has shown now.
    seen: Membership,
}

/// What becomes of the removals of a workspace in which rows failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spoiled {
    /// Rows are left that a later try can settle.
    ForNow,
    /// Rows have failed for good.
    ForGood,
}

impl Leaving {
    /// Finds the removals in the files of a run. Where a row failed or is left, nobody is removed.
    ///
    /// # Errors
    /// If the files cannot be read.
    pub fn collect(folder: &RunFolder, history: &History) -> Result<Self, JournalError> {
        let mut leaving = Self::default();
        let rows = history.first_extra();
        let (mut names, mut behind) = (Emails::default(), Vec::new());
        (0..rows).for_each(|_| names.push(""));
        let mut places: HashMap<WorkspaceId, usize> = HashMap::new();
        let spoiled = spoiled(history);
        for line in plan_lines(folder)?.skip(rows) {
            let line = line?;
            names.push(&line.email);
            // A line without them names nobody who could be sent.
            let handle = line.handle.clone().unwrap_or_else(|| Handle::User(String::new()));
            behind.push(Target::Leaver(handle.clone()));
            let (Some(leaver), Some(id)) = (Leaver::of(&line, handle, history), &line.workspace) else {
                continue;
            };
            if let Some(&spoiled) = spoiled.get(id) {
                leaving.cancel(&leaver, spoiled);
                continue;
            }
            let place = *places.entry(id.clone()).or_insert_with(|| {
                leaving.part.workspaces.push(Workspace { id: id.clone(), label: None });
                leaving.shares.push(Vec::new());
                leaving.shares.len() - 1
            });
            leaving.shares[place].push(leaver);
        }
        leaving.part.names = Arc::new(names);
        leaving.part.targets = Arc::new(Targets { first: rows, behind, ..Targets::default() });
        Ok(leaving)
    }

    /// What is to be read: each workspace, and who is looked for.
    pub fn tasks(&self) -> Vec<(&WorkspaceId, Vec<&Handle>)> {
        let pairs = self.part.workspaces.iter().zip(&self.shares);
        pairs.map(|(place, share)| (&place.id, share.iter().map(|leaver| &leaver.handle).collect())).collect()
    }

    /// Takes in what was read of one workspace, in the order of its task. `caller` is the id of the
    /// token's own user, who is never removed.
    pub fn judge(&mut self, place: usize, memberships: &[Membership], caller: Option<&str>) {
        let share = std::mem::take(&mut self.shares[place]);
        for (mut leaver, &seen) in share.into_iter().zip(memberships) {
            leaver.seen = seen;
            let was_sent = leaver.earlier.is_some();
            if seen == Membership::Absent {
                let (status, cause) =
                    if was_sent { (Status::Removed, None) } else { (Status::Unchanged, Some(gone())) };
                self.settle(&leaver, status, cause);
            } else if seen.role() != leaver.role {
                let cause = wanted_after_all(seen, leaver.role);
                self.hold(&leaver, Status::RoleKept, cause);
            } else if matches!(&leaver.handle, Handle::User(id) if Some(id.as_str()) == caller) {
                self.hold(&leaver, Status::Unchanged, Stay::Caller.cause());
            } else {
                self.shares[place].push(leaver);
            }
        }
    }

    /// The workspaces that lose an admin: their admins are to be counted.
    pub fn admins_taken(&self) -> Vec<usize> {
        (0..self.shares.len())
            .filter(|&place| self.shares[place].iter().any(Leaver::takes_an_admin))
            .collect()
    }

    /// Takes in how many admins a workspace has now. Unless one remains, no admin leaves.
    pub fn count_admins(&mut self, place: usize, admins: usize) {
        let leaving = self.shares[place].iter().filter(|leaver| leaver.takes_an_admin()).count();
        if admins > leaving {
            return;
        }
        let share = std::mem::take(&mut self.shares[place]);
        let (held, left): (Vec<_>, Vec<_>) = share.into_iter().partition(Leaver::takes_an_admin);
        self.shares[place] = left;
        held.iter().for_each(|leaver| self.hold(leaver, Status::Unchanged, Stay::LastAdmin.cause()));
    }

    /// A workspace cannot be read now: a later leg may.
    pub fn give_up(&mut self, place: usize, cause: &Cause) {
        for leaver in std::mem::take(&mut self.shares[place]) {
            self.hold(&leaver, Status::GaveUp, cause.clone());
        }
    }

    /// Puts the operations together, once every workspace has been judged.
    pub fn assemble(mut self) -> Part {
        for (place, share) in (0..).zip(std::mem::take(&mut self.shares)) {
            for leaver in share {
                let kind = OperationKind::Remove(leaver.role);
                if let Some(earlier) = leaver.earlier {
                    self.part.earlier.insert(self.part.operations.len(), earlier);
                }
                self.part.operations.push(Operation { row: leaver.row, workspace: place, kind });
            }
        }
        self.part
    }

    /// Nobody is removed where something failed.
    fn cancel(&mut self, leaver: &Leaver, spoiled: Spoiled) {
        let text = "not removed, since a row of this workspace failed";
        let status = match spoiled {
            Spoiled::ForNow => Status::NotRun,
            Spoiled::ForGood => Status::Unchanged,
        };
        self.hold(leaver, status, Cause::new("not_removed_after_failure", text));
    }

    /// The end of somebody who is not taken away. What may still take effect stays in doubt.
    fn hold(&mut self, leaver: &Leaver, status: Status, cause: Cause) {
        let in_doubt = leaver.earlier.as_ref().is_some_and(|earlier| earlier.in_doubt);
        self.settle(leaver, if in_doubt { Status::InDoubt } else { status }, Some(cause));
    }

    fn settle(&mut self, leaver: &Leaver, status: Status, cause: Option<Cause>) {
        let earlier = leaver.earlier.as_ref();
        let (attempts, elapsed) =
            earlier.map_or((0, Duration::ZERO), |earlier| (earlier.attempts, earlier.elapsed));
        self.part.settled.push((leaver.row, Outcome { status, cause, attempts, elapsed }));
    }
}

impl Leaver {
    /// The removal of a line of the plan, if it has no end yet.
    fn of(line: &PlanLine, handle: Handle, history: &History) -> Option<Self> {
        let done = history.row(line.row)?;
        let is_open = match done.status.kind() {
            StatusKind::Unsettled | StatusKind::NotTried => line.action == PlannedAction::Remove,
            StatusKind::Changed | StatusKind::AsItWas | StatusKind::Failed => false,
        };
        let in_doubt = done.status == Status::InDoubt;
        let earlier = (in_doubt || done.attempts > 0).then(|| Earlier {
            attempts: done.attempts,
            elapsed: Duration::from_millis(u64::from(done.elapsed_ms)),
            cause: done
                .cause
                .as_deref()
                .cloned()
                .unwrap_or_else(|| Cause::new("no_outcome", "sent, and the run ended before its answer")),
            in_doubt,
        });
        let (row, role, seen) = (line.row, line.from_role, Membership::Absent);
        is_open.then_some(Self { row, handle, role, earlier, seen })
    }

    fn takes_an_admin(&self) -> bool {
        self.seen.is_active_admin()
    }
}

/// The workspaces in which rows of the roster failed or have no end yet.
fn spoiled(history: &History) -> HashMap<WorkspaceId, Spoiled> {
    let mut spoiled = HashMap::new();
    for row in &history.rows {
        let how = match row.status.kind() {
            StatusKind::Changed | StatusKind::AsItWas => continue,
            StatusKind::NotTried if row.is_left_out() => continue,
            StatusKind::NotTried | StatusKind::Unsettled => Spoiled::ForNow,
            StatusKind::Failed => Spoiled::ForGood,
        };
        let Some(place) = row.workspace else { continue };
        let entry = spoiled.entry(history.workspaces[place as usize].clone()).or_insert(how);
        if how == Spoiled::ForNow {
            *entry = how;
        }
    }
    spoiled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Standing;

    const VIEWER: Membership =
        Membership::Member { role: WorkspaceRole::Viewer, bindings: 1, standing: Standing::Active };
    const ADMIN: Membership =
        Membership::Member { role: WorkspaceRole::Admin, bindings: 1, standing: Standing::Active };

    fn leaver(place: usize, id: &str, role: WorkspaceRole, in_doubt: Option<bool>) -> Leaver {
        let cause = Cause::new("timeout", "no answer");
        let earlier =
            in_doubt.map(|in_doubt| Earlier { attempts: 1, elapsed: Duration::ZERO, cause, in_doubt });
        let (row, handle) = (RowNumber::from_index(place), Handle::User(id.to_owned()));
        Leaver { row, handle, role: Some(role), earlier, seen: Membership::Absent }
    }

    /// One workspace with these people in it.
    fn leaving(leavers: Vec<Leaver>) -> Leaving {
        let id = WorkspaceId::new("ck1").expect("valid");
        Leaving {
            part: Part { workspaces: vec![Workspace { id, label: None }], ..Part::default() },
            shares: vec![leavers],
        }
    }

    /// How each removal ended, by its row; none for those that are sent.
    fn ends(leaving: Leaving, rows: usize) -> Vec<Option<(Status, String)>> {
        let part = leaving.assemble();
        assert_eq!(part.operations.len() + part.settled.len(), rows, "everybody, each once");
        let end = |place: usize| {
            let (_, outcome) = part.settled.iter().find(|(row, _)| row.index() == place)?;
            let code = outcome.cause.as_ref().map_or("", |cause| &*cause.code);
            Some((outcome.status, code.to_owned()))
        };
        (0..rows).map(end).collect()
    }

    #[test]
    fn what_houston_has_now_decides_about_everybody_who_was_to_go() {
        use WorkspaceRole::Viewer;
        let leavers = ["a", "b", "c", "d", "me"].into_iter().enumerate();
        let mut leaving = leaving(
            leavers.map(|(place, id)| leaver(place, id, Viewer, (place == 1).then_some(true))).collect(),
        );
        let seen = [Membership::Absent, Membership::Absent, ADMIN, VIEWER, VIEWER];
        leaving.judge(0, &seen, Some("me"));
        let end = |status, code: &str| Some((status, code.to_owned()));
        assert_eq!(
            ends(leaving, 5),
            [
                end(Status::Unchanged, "gone_already"),
                end(Status::Removed, ""),
                end(Status::RoleKept, "other_role"),
                None,
                end(Status::Unchanged, "guard_self"),
            ]
        );
    }

    #[test]
    fn admins_leave_only_where_one_remains_now() {
        for (admins, leaves) in [(0, false), (1, false), (2, true)] {
            let mut leaving = leaving(vec![
                leaver(0, "a", WorkspaceRole::Admin, None),
                leaver(1, "b", WorkspaceRole::Viewer, None),
            ]);
            leaving.judge(0, &[ADMIN, VIEWER], None);
            assert_eq!(leaving.admins_taken(), [0]);
            leaving.count_admins(0, admins);
            let held = Some((Status::Unchanged, "guard_last_admin".to_owned()));
            assert_eq!(ends(leaving, 2), [held.filter(|_| !leaves), None], "{admins}");
        }
    }

    #[test]
    fn what_may_still_take_effect_stays_in_doubt() {
        let mut leaving = leaving(vec![
            leaver(0, "a", WorkspaceRole::Viewer, Some(true)),
            leaver(1, "b", WorkspaceRole::Viewer, None),
        ]);
        leaving.give_up(0, &Cause::new("unreadable", "not now"));
        let end = |status| Some((status, "unreadable".to_owned()));
        assert_eq!(ends(leaving, 2), [end(Status::InDoubt), end(Status::GaveUp)]);
    }
}
