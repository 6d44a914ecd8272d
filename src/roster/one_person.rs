//! Rows whose addresses turn out to belong to one person: they merge, or contradict each other, like rows
//! with one address.
//!
//! Part of [`Roster`], which does not change: only a reading of Houston shows who answers to which names.

use std::io;

use super::issue::{Complaint, IssueKind, Issues, quoted};
use super::row_state::winner;
use super::{Column, Roster};
use crate::model::{Role, RowNumber};

/// What becomes of rows about one person in one workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnePerson {
    /// One of the rows is carried out for all of them.
    Merged {
        /// That row.
        into: RowNumber,
    },
    /// They contradict each other, and no rule for that was given.
    Opposed(Vec<(RowNumber, Column, Complaint)>),
}

impl Roster {
    /// Decides about wanted rows of one workspace that turn out to be about one person, in ascending order.
    pub fn unify_person(&self, rows: &[RowNumber]) -> OnePerson {
        let numbers: Vec<u32> = rows.iter().map(|row| row.get() - 1).collect();
        let wish = |row: u32| {
            let row = RowNumber::from_index(row as usize);
            (self.marks[row.index()].role(), self.deployment_roles_of(row))
        };
        match winner(&numbers, self.on_conflict, wish) {
            Some(row) => OnePerson::Merged { into: RowNumber::from_index(row as usize) },
            None => OnePerson::Opposed(rows.iter().map(|&row| self.opposed(row, rows)).collect()),
        }
    }

    /// What is wrong with one of these rows.
    fn opposed(&self, row: RowNumber, rows: &[RowNumber]) -> (RowNumber, Column, Complaint) {
        let role = |row: RowNumber| self.marks[row.index()].role();
        let others = || rows.iter().copied().filter(|&other| other != row);
        let other = others().find(|&other| role(other) != role(row)).or_else(|| others().next());
        let other = other.unwrap_or(row);
        let (column, message) = if role(row) == role(other) {
            (Column::DeploymentRoles, format!("other deployment roles than on line {}", self.line(other)))
        } else {
            let (here, there) = (Role::workspace(role(row)), Role::workspace(role(other)));
            (Column::Role, format!("{here} here, {there} on line {}", self.line(other)))
        };
        let [name, twin] = [row, other].map(|row| quoted(self.emails.spelled(row)));
        let message =
            format!("{name} and {twin} are one user of Houston, with two roles in this workspace: {message}");
        let hint = "keep one of the rows, or choose one with --on-conflict highest|last";
        (row, column, Complaint::new(IssueKind::Conflict, message).hint(hint))
    }

    /// These complaints with their positions in the file. The roster stays as it is.
    ///
    /// # Errors
    /// If the file cannot be read again.
    pub fn issues_of(&self, complaints: Vec<(RowNumber, Column, Complaint)>) -> io::Result<Issues> {
        let mut issues = Issues::default();
        let kept = complaints.into_iter().filter(|(.., complaint)| issues.counted(complaint.kind)).collect();
        self.located(kept)?.into_iter().for_each(|issue| issues.keep(issue));
        issues.sort();
        Ok(issues)
    }

    /// Whether bad rows are left out, instead of keeping the file from being used.
    pub fn leaves_bad_rows_out(&self) -> bool {
        self.skip_invalid
    }
}
