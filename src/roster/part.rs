//! A part of a roster: some of its rows, as if the file had no others.
//!
//! Part of [`Roster`]. The rows get new numbers; their physical lines stay those of the file.

use std::sync::Arc;

use super::Roster;
use crate::model::{Emails, RowNumber};

/// The rows of a part: where each is in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picked(Vec<RowNumber>);

impl Picked {
    /// These rows of the file, in its order.
    pub fn new(rows: impl IntoIterator<Item = RowNumber>) -> Self {
        Self(rows.into_iter().collect())
    }

    /// The number in the file of a row of the part.
    pub fn in_file(&self, row: RowNumber) -> RowNumber {
        self.0[row.index()]
    }

    /// The number in the part of a row of the file, if it is one of them.
    pub fn in_part(&self, row: RowNumber) -> Option<RowNumber> {
        self.0.binary_search(&row).ok().map(RowNumber::from_index)
    }

    fn rows(&self) -> impl Iterator<Item = RowNumber> {
        self.0.iter().copied()
    }
}

impl Roster {
    /// Leaves out all rows but these. A row that says the same as another must come with that one.
    #[must_use]
    pub fn part(self, picked: Picked) -> Self {
        let index = |row: u32| RowNumber::from_index(row as usize);
        let in_part = |row: u32| Some(picked.in_part(index(row))?.get() - 1);
        let mut emails = Emails::default();
        picked.rows().for_each(|row| emails.push(self.emails.spelled(row)));
        let targets = self.targets.iter().filter_map(|&(row, into)| Some((in_part(row)?, in_part(into)?)));
        let deployments = self.deployments.iter().filter_map(|&(row, text)| Some((in_part(row)?, text)));
        let mut issues = self.issues;
        issues.renumber(|row| picked.in_part(row));
        Self {
            emails: Arc::new(emails),
            lines: Arc::new(picked.rows().filter_map(|row| self.lines.get(row)).collect()),
            workspace_of: picked.rows().map(|row| self.workspace_of[row.index()]).collect(),
            marks: picked.rows().map(|row| self.marks[row.index()]).collect(),
            targets: targets.collect(),
            deployments: deployments.collect(),
            issues,
            picked: Some(picked),
            ..self
        }
    }

    /// The number in the file of a row.
    pub(super) fn in_file(&self, row: RowNumber) -> RowNumber {
        self.picked.as_ref().map_or(row, |picked| picked.in_file(row))
    }
}
