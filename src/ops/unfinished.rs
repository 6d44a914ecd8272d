//! Earlier runs that did not finish, so that a later command can mention them.
//!
//! Main function: [`unfinished`]. It reads the files of the newest runs only; it asks Houston nothing.

use std::collections::HashSet;

use crate::record::folder::RunFolder;
use crate::record::journal::{Header, History};
use crate::report::notices::UnfinishedRun;

/// How many runs are searched: an older one has probably been given up.
const SEARCHED: usize = 10;

/// The unfinished runs among these, which are sorted with the newest first, if `is_meant`. A run that another
/// process carries out at the moment does not count, nor one whose roster a later run has applied since, nor
/// one of another user, which may contain anything.
pub fn unfinished(runs: Vec<RunFolder>, is_meant: impl Fn(&Header) -> bool) -> Vec<UnfinishedRun> {
    let own = runs.into_iter().filter(|folder| folder.distrust().is_none() && folder.is_run());
    let mut applied = HashSet::new();
    let mut found = Vec::new();
    for folder in own.take(SEARCHED).filter(|folder| !folder.is_held()) {
        let header = History::read_header(&folder).ok().filter(|header| !header.sandbox && is_meant(header));
        let Some(history) = header.and_then(|_| History::read(&folder).ok()) else { continue };
        let Header { roster, roster_sha256, target, settings, .. } = history.header.clone();
        let same = (roster_sha256, target, settings.prune.is_some());
        if history.closed && history.is_concluded() {
            applied.insert(same);
        } else if !applied.contains(&same) {
            found.push(UnfinishedRun {
                id: folder.id().to_owned(),
                roster,
                folder: folder.path().to_owned(),
            });
        }
    }
    found
}
