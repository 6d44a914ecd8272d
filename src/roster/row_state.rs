//! Decides the fate of good rows: which are chosen, which are equal, which conflict.
//!
//! The second half of [`Roster`]'s reading; it works on the packed rows and reads the file again
//! only to find the positions of its issues.

use std::io;

use serde::Serialize;

use super::check::Fate;
use super::duplicates::{self, Groups};
use super::issue::{Complaint, IssueKind, KEPT, Position, quoted};
use super::select::Choice;
use super::{Column, OnConflict, Roster, Settings};
use crate::model::{Level, Role, RowNumber};

/// How many notes are kept word for word.
const NOTES: usize = 10;

/// What is to happen with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowState {
    /// To be applied.
    Wanted,
    /// It says the same as another row.
    Merged {
        /// The row that is carried out for it.
        into: RowNumber,
    },
    /// Another row names another role for the same person and workspace, and holds.
    Overruled {
        /// The row that holds.
        by: RowNumber,
    },
    /// Something is wrong with it.
    Invalid,
    /// `--only` or `--limit` leave it out.
    LeftOut,
}

/// What a reader should know of a good file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Notes {
    /// Rows that say the same as another.
    pub merged: usize,
    /// Rows whose role gave way to that of another row.
    pub overruled: usize,
    /// Rows of nothing but empty cells; they have no number and no result.
    pub blank: usize,
    /// The first few, with their positions.
    pub first: Vec<Note>,
}

/// One remark about a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Note {
    /// Where the row is.
    #[serde(flatten)]
    pub position: Position,
    /// What to know of it.
    pub message: String,
}

impl Roster {
    /// Applies `--only`, merges equal rows, applies `--limit`.
    pub(super) fn choose(&mut self, settings: &Settings) -> io::Result<()> {
        let choice = Choice::new(&settings.only);
        if !choice.is_everything() {
            let chosen: Vec<bool> = self.workspaces.iter().map(|text| choice.takes_workspace(text)).collect();
            for index in 0..self.marks.len() {
                let mark = self.marks[index];
                let is_chosen = || {
                    chosen.get(self.workspace_of[index] as usize).is_some_and(|&chosen| chosen)
                        && choice.takes_email(self.emails.spelled(RowNumber::from_index(index)))
                };
                if mark.fate() == Fate::Wanted && !is_chosen() {
                    self.marks[index] = mark.with(Fate::LeftOut);
                }
            }
        }
        let workspace_of = std::mem::take(&mut self.workspace_of);
        let fates = self.decide_fates(|row| workspace_of[row as usize], |fate| fate != Fate::Invalid);
        self.workspace_of = workspace_of;
        self.people = fates?;
        if let Some(limit) = settings.limit
            && self.wanted_len() > limit
        {
            let over = self.marks.iter_mut().filter(|mark| mark.fate() == Fate::Wanted).skip(limit);
            over.for_each(|mark| *mark = mark.with(Fate::LeftOut));
            self.people = self.wanted_people();
        }
        Ok(())
    }

    fn wanted_people(&self) -> usize {
        let rows = (0..self.marks.len()).filter(|&row| self.marks[row].fate() == Fate::Wanted);
        let mut people: Vec<&str> = rows.map(|row| self.emails.get(RowNumber::from_index(row))).collect();
        people.sort_unstable();
        people.dedup();
        people.len()
    }

    /// Merges rows of the same person and workspace; gives the number of people with a
    /// wanted row.
    fn decide_fates(
        &mut self,
        workspace: impl Fn(u32) -> u32 + Sync,
        takes_part: impl Fn(Fate) -> bool,
    ) -> io::Result<usize> {
        let Self { emails, marks, targets, deployments, .. } = self;
        let all = 0..u32::try_from(marks.len()).unwrap_or(u32::MAX);
        let deployment = |row: u32| deployment_roles_of(deployments, row);
        let found = duplicates::groups(
            emails,
            all.filter(|&row| takes_part(marks[row as usize].fate())),
            workspace,
            |row| marks[row as usize].fate() == Fate::Wanted,
        );
        let people = found.iter().map(|groups| groups.people).sum();
        let mut conflicts = Vec::new();
        for rows in found.iter().flat_map(Groups::iter) {
            let wish = |row: u32| (marks[row as usize].role(), deployment(row));
            let Some(winner) = winner(rows, self.on_conflict, wish) else {
                for &row in rows {
                    if wish(row) != wish(rows[0]) {
                        conflicts.push((row, rows[0]));
                    }
                }
                for &row in rows {
                    marks[row as usize] = marks[row as usize].with(Fate::Invalid);
                }
                continue;
            };
            for &row in rows.iter().filter(|&&row| row != winner) {
                let mark = marks[row as usize];
                if mark.fate() == Fate::Wanted {
                    let same =
                        (mark.role(), deployment(row)) == (marks[winner as usize].role(), deployment(winner));
                    marks[row as usize] = mark.with(if same { Fate::Merged } else { Fate::Overruled });
                    targets.push((row, winner));
                }
            }
        }
        targets.sort_unstable();
        let opposed = !conflicts.is_empty();
        self.report_conflicts(conflicts)?;
        // A person whose rows conflict may have no other row.
        Ok(if opposed { self.wanted_people() } else { people })
    }

    /// What is to happen with a row.
    pub fn state(&self, row: RowNumber) -> RowState {
        let mut state = self.own_state(row);
        let mut at = row;
        // The row that replaces this one may have been merged or found wrong later.
        while let RowState::Merged { into: next } | RowState::Overruled { by: next } = state {
            match (self.own_state(next), state) {
                (RowState::Wanted, _) => break,
                (RowState::Merged { into }, RowState::Merged { .. }) => state = RowState::Merged { into },
                (RowState::Merged { into: by } | RowState::Overruled { by }, _) => {
                    state = RowState::Overruled { by }
                }
                (ended @ (RowState::Invalid | RowState::LeftOut), _) => return ended,
            }
            debug_assert_ne!(at, next, "rows stand for each other");
            at = next;
        }
        state
    }

    fn own_state(&self, row: RowNumber) -> RowState {
        let target = || {
            let found = self.targets.binary_search_by_key(&(row.get() - 1), |&(row, _)| row);
            found.map_or(row, |index| RowNumber::from_index(self.targets[index].1 as usize))
        };
        match self.marks[row.index()].fate() {
            Fate::Wanted => RowState::Wanted,
            Fate::Merged => RowState::Merged { into: target() },
            Fate::Overruled => RowState::Overruled { by: target() },
            Fate::Invalid => RowState::Invalid,
            Fate::LeftOut => RowState::LeftOut,
        }
    }

    /// Equal numbers are equal deployment roles.
    pub(super) fn deployment_roles_of(&self, row: RowNumber) -> Option<u32> {
        deployment_roles_of(&self.deployments, row.get() - 1)
    }

    fn report_conflicts(&mut self, mut conflicts: Vec<(u32, u32)>) -> io::Result<()> {
        conflicts.sort_unstable();
        let room = KEPT - self.issues.kept().len().min(KEPT);
        for _ in conflicts.iter().skip(room) {
            self.issues.counted(IssueKind::Conflict);
        }
        conflicts.truncate(room);
        let complaints = conflicts.into_iter().map(|(row, first)| {
            let (row, first) = (RowNumber::from_index(row as usize), RowNumber::from_index(first as usize));
            let (role, other) = (self.marks[row.index()].role(), self.marks[first.index()].role());
            let (column, message) = if role == other {
                let message = format!("other deployment roles than on line {}", self.line(first));
                (Column::DeploymentRoles, message)
            } else {
                (
                    Column::Role,
                    format!(
                        "{} here, {} on line {}",
                        Role::workspace(role),
                        Role::workspace(other),
                        self.line(first)
                    ),
                )
            };
            let message =
                format!("{} has two roles in this workspace: {message}", quoted(self.emails.spelled(row)));
            let hint = "keep one of the rows, or choose one with --on-conflict highest|last";
            (row, column, Complaint::new(IssueKind::Conflict, message).hint(hint))
        });
        let complaints: Vec<_> = complaints.collect();
        self.complain(complaints)
    }

    /// Looks for equal and conflicting rows again, once it is known which workspace texts mean the
    /// same: `canonical` has for each of [`Roster::workspaces`] a number of the workspace it means.
    /// Updates states, notes and issues.
    ///
    /// # Errors
    /// If the file cannot be read again to find the positions of the cells.
    pub fn unify_workspaces(&mut self, canonical: &[u32]) -> io::Result<()> {
        let workspace_of = std::mem::take(&mut self.workspace_of);
        let fates = self
            .decide_fates(|row| canonical[workspace_of[row as usize] as usize], |fate| fate == Fate::Wanted);
        self.workspace_of = workspace_of;
        self.people = fates?;
        self.describe()
    }

    pub(super) fn describe(&mut self) -> io::Result<()> {
        let number = |row: u32| RowNumber::from_index(row as usize);
        let (mut merged, mut overruled) = (0, 0);
        for &(row, _) in &self.targets {
            match self.state(number(row)) {
                RowState::Merged { .. } => merged += 1,
                RowState::Overruled { .. } => overruled += 1,
                RowState::Wanted | RowState::Invalid | RowState::LeftOut => {}
            }
        }
        (self.notes.merged, self.notes.overruled) = (merged, overruled);
        let rows: Vec<RowNumber> = self.targets.iter().take(NOTES).map(|&(row, _)| number(row)).collect();
        let positions = self.locate_all(&rows, Column::Email)?;
        let note = |(row, position): (&RowNumber, Position)| {
            let message = match self.state(*row) {
                RowState::Merged { into } => format!("the same as line {}, merged", self.line(into)),
                RowState::Overruled { by } => format!("the role on line {} is used", self.line(by)),
                RowState::Wanted | RowState::Invalid | RowState::LeftOut => return None,
            };
            Some(Note { position, message })
        };
        self.notes.first = rows.iter().zip(positions).filter_map(note).collect();
        Ok(())
    }
}

/// The text of the deployment roles of a row, among those of all rows.
fn deployment_roles_of(deployments: &[(u32, u32)], row: u32) -> Option<u32> {
    deployments.binary_search_by_key(&row, |&(row, _)| row).ok().map(|index| deployments[index].1)
}

/// The row of a group that applies; none if the rows disagree and no rule for that was given.
pub(super) fn winner(
    rows: &[u32],
    on_conflict: Option<OnConflict>,
    wish: impl Fn(u32) -> (Level, Option<u32>),
) -> Option<u32> {
    let first = *rows.first()?;
    if rows.iter().all(|&row| wish(row) == wish(first)) {
        return Some(first);
    }
    match on_conflict? {
        OnConflict::Last => rows.last().copied(),
        OnConflict::Highest => {
            let highest = rows.iter().map(|&row| wish(row).0).max()?;
            let mut those = rows.iter().copied().filter(|&row| wish(row).0 == highest);
            let first = those.next()?;
            those.all(|row| wish(row) == wish(first)).then_some(first)
        }
    }
}
