//! Writes of earlier runs that have no answer and may still take effect.
//!
//! Main function: [`left_unanswered`]. It reads the files of runs; it asks Houston nothing.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::model::target_key::is_same_target;
use crate::model::{ItemId, WorkspaceId, email_key};
use crate::outcome::Status;
use crate::record::folder::{JOURNAL, RunFolder, Runs};
use crate::record::journal::{History, JournalError, plan_lines};

/// What earlier runs against a target left without an answer.
#[derive(Debug, Default)]
pub struct Unanswered {
    /// The writes, by address and workspace, with the run's id.
    pub writes: HashMap<(String, WorkspaceId), String>,
    /// The runs that could not be searched, since their files have an older format.
    pub older: Vec<String>,
}

/// Searches the runs against this target for writes without an answer. Only runs count whose journal was
/// written within `recent`: nothing of an older one can still take effect. A run that cannot be read proves
/// nothing, and one of another user may contain anything.
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
        let in_doubt = |row: &ItemId| history.item(*row).is_some_and(|row| row.status == Status::InDoubt);
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
