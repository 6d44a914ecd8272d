//! The last run against a Houston that had finished before a new one begins: the new one is compared with it.
//!
//! Main function: [`last_run`]. It reads the beginning and the end of the newest journals only.

use crate::model::Shard;
use crate::model::target_key::is_same_target;
use crate::record::folder::Runs;
use crate::record::journal::{History, LegEnd};

/// How many runs are searched: older ones say little about today.
const SEARCHED: usize = 20;

/// The id of the newest run in the folder that finished against this Houston, with the same share of its
/// roster. A rehearsal has a Houston of its own, which no other run has seen; another user's run may contain
/// anything.
pub fn last_run(runs: &Runs, target: &str, shard: Option<Shard>) -> Option<String> {
    let listed = runs.list().unwrap_or_default();
    let own = listed.into_iter().filter(|folder| folder.distrust().is_none() && folder.is_run());
    let mut searched = own.take(SEARCHED);
    let finished = searched.find(|folder| {
        let header = History::read_header(folder);
        header.is_ok_and(|header| {
            !header.sandbox && header.settings.shard == shard && is_same_target(&header.target, target)
        }) && !folder.is_held()
            && matches!(History::last_end(folder), Ok(LegEnd::InOrder))
    });
    finished.map(|folder| folder.id().to_owned())
}
