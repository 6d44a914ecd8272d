//! Rows that turn out to be about one person, once a workspace has been read: it shows who answers to which
//! names.
//!
//! Main type: [`People`]. Such rows merge or contradict each other like rows with one address. It asks
//! for nothing.

use std::sync::Arc;

use crate::model::{ItemId, RowNumber};
use crate::ops::failure::Failure;
use crate::ops::notices::Notices;
use crate::ops::planning::expected::outdated;
use crate::ops::planning::roster::bad_input;
use crate::ops::planning::workspaces::changed;
use crate::outcome::{Cause, Code};
use crate::plan::{Decision, Item, Reason};
use crate::report::notices::Notice;
use crate::roster::{Column, Complaint, OnePerson, Roster};

/// What becomes of the rows about people who have several.
#[derive(Debug)]
pub struct People<'r> {
    roster: &'r Roster,
    opposed: Vec<(RowNumber, Column, Complaint)>,
}

/// Whether the rows of a workspace about one person agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// They do, or one of them was chosen.
    Agreed,
    /// Some contradict each other.
    Opposed,
}

impl<'r> People<'r> {
    /// No person has several rows yet.
    pub fn new(roster: &'r Roster) -> Self {
        Self { roster, opposed: Vec::new() }
    }

    /// Merges the rows of one workspace that are about one person: `shared` has their indices in `rows`. Rows
    /// that contradict each other are left out.
    pub fn settle(&mut self, rows: &[ItemId], shared: &[Vec<usize>], items: &mut [Item]) -> Agreement {
        let mut agreement = Agreement::Agreed;
        for person in shared {
            let rows: Vec<RowNumber> = person.iter().map(|&index| rows[index].row()).collect();
            match self.roster.unify_person(&rows) {
                OnePerson::Merged { into } => {
                    for &row in rows.iter().filter(|&&row| row != into) {
                        items[row.index()].decision = Decision::Keep(Reason::Merged { into });
                    }
                }
                OnePerson::Opposed(complaints) => {
                    agreement = Agreement::Opposed;
                    for (row, _, complaint) in &complaints {
                        let cause = Arc::new(Cause::new(Code::Conflict, complaint.message.clone()));
                        items[row.index()].decision = Decision::Keep(Reason::Invalid(cause));
                    }
                    self.opposed.extend(complaints);
                }
            }
        }
        agreement
    }

    /// Refuses the roster if rows contradict each other, unless such rows are left out. `name` is what the
    /// roster is called; a saved plan was good when it was made.
    ///
    /// # Errors
    /// It cannot be used (3), or the saved plan no longer fits (9).
    pub fn check(self, name: &str, is_saved: bool, notices: &Notices) -> Result<(), Failure> {
        if self.opposed.is_empty() {
            return Ok(());
        }
        let issues = self.roster.issues_of(self.opposed).map_err(changed)?;
        notices.give(&Notice::Roster { issues: &issues, name });
        if self.roster.leaves_bad_rows_out() {
            return Ok(());
        }
        let failure = bad_input(&issues, name);
        Err(if is_saved { outdated(failure.error) } else { failure })
    }
}
