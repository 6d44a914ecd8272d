//! Earlier runs that did not finish, so that a later command can mention them.
//!
//! Main function: [`unfinished`]. It reads the beginning and the end of the newest journals and their
//! summaries only, so that it costs nothing where runs are large; it asks Houston nothing.

use std::collections::HashSet;
use std::io::Read as _;

use serde::Deserialize;

use crate::outcome::ExitStatus;
use crate::record::folder::RunFolder;
use crate::record::journal::{Header, History};
use crate::report::notices::UnfinishedRun;
use crate::report::summary::FILE as SUMMARY;

/// How many runs are searched: an older one has probably been given up.
const SEARCHED: usize = 10;
/// No summary has more bytes.
const LONGEST_SUMMARY: u64 = 1 << 16;

/// The unfinished runs among these, which are sorted with the newest first, if `is_meant`. A run that another
/// process carries out at the moment does not count, nor one whose roster a later run has applied since, nor
/// one of another user, which may contain anything.
pub fn unfinished(runs: Vec<RunFolder>, is_meant: impl Fn(&Header) -> bool) -> Vec<UnfinishedRun> {
    let own = runs.into_iter().filter(|folder| folder.distrust().is_none() && folder.is_run());
    let mut applied = HashSet::new();
    let mut found = Vec::new();
    for folder in own.take(SEARCHED).filter(|folder| !folder.is_held()) {
        let header = History::read_header(&folder).ok().filter(|header| !header.sandbox && is_meant(header));
        let (Some(header), Ok(ended)) = (header, History::ended_in_order(&folder)) else { continue };
        let Header { roster, roster_sha256, target, settings, .. } = header;
        let same = (roster_sha256, target, settings.prune.is_some(), settings.shard);
        if ended && !has_rows_left(&folder) {
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

/// Of the summary of a run, what it ended with.
#[derive(Deserialize)]
struct Ended {
    exit_status: Option<u8>,
}

/// Whether a run that ended in order left rows that a resume can settle.
fn has_rows_left(folder: &RunFolder) -> bool {
    let summary = folder.read(SUMMARY).ok();
    let ended = summary.and_then(|file| serde_json::from_reader::<_, Ended>(file.take(LONGEST_SUMMARY)).ok());
    ended.is_some_and(|ended| ended.exit_status == Some(ExitStatus::Unresolved.code()))
}
