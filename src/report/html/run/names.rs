//! The names that the page of a run lists: people as the roster or Houston names them, workspaces as the
//! roster does.
//!
//! Main type: [`Names`]. It reads no further than it has to.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;

use csv::ByteRecord;

use super::facts::Facts;
use crate::model::{ItemId, RowNumber, WorkspaceId};
use crate::record::journal::{History, PlanSource};
use crate::report::RosterAgain;
use crate::report::results::ResultsError;

/// The longest name, in characters.
const LONGEST: usize = 200;

/// Names of people and workspaces.
#[derive(Debug, Clone, Default)]
pub struct Names {
    people: HashMap<ItemId, String>,
    workspaces: Vec<String>,
}

impl Names {
    /// Looks the names up that these facts need.
    ///
    /// # Errors
    /// If the roster or the plan of the run cannot be read.
    pub fn find<E>(
        facts: &Facts,
        plan: &dyn PlanSource,
        history: &History,
        roster: RosterAgain<'_, impl Iterator<Item = Result<ByteRecord, E>>>,
    ) -> Result<Self, ResultsError>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let known = history.before.iter().filter_map(|one| Some((&one.id, one.label.as_deref()?)));
        let known: HashMap<&WorkspaceId, &str> = known.collect();
        let name = |id: &WorkspaceId| known.get(id).map_or_else(|| id.to_string(), |label| bounded(label));
        let mut names =
            Self { people: HashMap::new(), workspaces: history.workspaces.iter().map(name).collect() };
        let mut wanted: BTreeSet<ItemId> = facts.named().collect();
        let extras = wanted.split_off(&ItemId::from_index(history.first_extra()));
        let is_known = |at: &usize| known.contains_key(&history.workspaces[*at]);
        let unknown = (0..history.workspaces.len()).filter(|at| !is_known(at)).collect();
        names.find_in_roster(&wanted, unknown, history, roster)?;
        names.find_in_plan(&extras, plan, history)?;
        Ok(names)
    }

    fn find_in_roster<E>(
        &mut self,
        wanted: &BTreeSet<ItemId>,
        unknown: BTreeSet<usize>,
        history: &History,
        roster: RosterAgain<'_, impl Iterator<Item = Result<ByteRecord, E>>>,
    ) -> Result<(), ResultsError>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let columns = roster.columns;
        let mut without_label: BTreeSet<usize> = match columns.workspace {
            Some(_) => unknown,
            None => BTreeSet::new(),
        };
        let last = wanted.last().map(|id| id.index());
        for (index, row) in roster.rows.enumerate() {
            if without_label.is_empty() && last.is_none_or(|last| index > last) {
                break;
            }
            let row = row.map_err(|error| ResultsError::Roster(error.into()))?;
            let cell = |column: usize| bounded(&String::from_utf8_lossy(row.get(column).unwrap_or_default()));
            let id = ItemId::from_index(index);
            if wanted.contains(&id) {
                self.people.insert(id, cell(columns.email));
            }
            let end = history.row(RowNumber::from_index(index));
            let workspace = end.and_then(|row| row.workspace).map(|at| at as usize);
            if let (Some(workspace), Some(column)) = (workspace, columns.workspace)
                && without_label.remove(&workspace)
                && !cell(column).is_empty()
            {
                self.workspaces[workspace] = cell(column);
            }
        }
        Ok(())
    }

    fn find_in_plan(
        &mut self,
        wanted: &BTreeSet<ItemId>,
        plan: &dyn PlanSource,
        history: &History,
    ) -> Result<(), ResultsError> {
        let Some(last) = wanted.last() else { return Ok(()) };
        for line in plan.lines_from(history.first_extra())? {
            let line = line?;
            if wanted.contains(&line.item) {
                self.people.insert(line.item, bounded(&line.email));
            }
            if line.item >= *last {
                break;
            }
        }
        Ok(())
    }

    /// The name of a person.
    pub fn person(&self, id: ItemId) -> &str {
        self.people.get(&id).map_or("", String::as_str)
    }

    /// The name of the workspace at this index of [`History::workspaces`].
    pub fn workspace(&self, index: u32) -> &str {
        self.workspaces.get(index as usize).map_or("", String::as_str)
    }
}

fn bounded(text: &str) -> String {
    text.trim().chars().take(LONGEST).collect()
}
