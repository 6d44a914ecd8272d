//! Earlier runs that did not finish, so that a later command can mention them.
//!
//! Main function: [`unfinished`]. It reads the beginning and the end of the newest journals and their
//! summaries only, so that it costs nothing where runs are large; it asks Houston nothing.

use std::collections::{HashMap, HashSet};
use std::io::Read as _;

use serde::Deserialize;

use crate::outcome::{ExitStatus, Status, StatusKind};
use crate::record::folder::RunFolder;
use crate::record::journal::{Header, History, LegEnd};
use crate::report::notices::UnfinishedRun;
use crate::report::summary::FILE as SUMMARY;

/// How many runs are searched: an older one has probably been given up.
const SEARCHED: usize = 10;
/// No summary has more bytes.
const LONGEST_SUMMARY: u64 = 1 << 16;

/// The unfinished runs among these, which are sorted with the newest first, if `is_meant`. A run that another
/// process carries out at the moment does not count, nor one whose roster a later run has applied since as a
/// whole, nor one of another user, which may contain anything.
pub fn unfinished(runs: Vec<RunFolder>, is_meant: impl Fn(&Header) -> bool) -> Vec<UnfinishedRun> {
    let own = runs.into_iter().filter(|folder| folder.distrust().is_none() && folder.is_run());
    let mut applied = HashSet::new();
    let mut found = Vec::new();
    for folder in own.take(SEARCHED).filter(|folder| !folder.is_held()) {
        let header = History::read_header(&folder).ok().filter(|header| !header.sandbox && is_meant(header));
        let (Some(header), Ok(end)) = (header, History::last_end(&folder)) else { continue };
        let Header { roster, roster_sha256, target, settings, .. } = header;
        let same = (roster_sha256, target, settings.prune.is_some(), settings.shard);
        match rest(&folder, end) {
            Rest::Nothing => drop(applied.insert(same)),
            // It says nothing about the rows that it was not to apply.
            Rest::NotMeant => {}
            Rest::Rows if applied.contains(&same) => {}
            Rest::Rows => found.push(UnfinishedRun {
                id: folder.id().to_owned(),
                roster,
                folder: folder.path().to_owned(),
            }),
        }
    }
    found
}

/// What a run left of its roster.
enum Rest {
    /// Nothing.
    Nothing,
    /// Only the rows outside of `--only` or `--limit`.
    NotMeant,
    /// Rows, roles or removals that a resume can settle.
    Rows,
}

fn rest(folder: &RunFolder, end: LegEnd) -> Rest {
    let summary = folder.read(SUMMARY).ok();
    let ended = summary.and_then(|file| serde_json::from_reader::<_, Ended>(file.take(LONGEST_SUMMARY)).ok());
    let has_rows_left = match (end, &ended) {
        (LegEnd::None, _) | (LegEnd::Early, None) => true,
        // The status of one that was stopped is about that, whatever is left.
        (LegEnd::Early, Some(ended)) => ended.left() > 0,
        (LegEnd::InOrder, ended) => {
            ended.as_ref().is_some_and(|ended| ended.exit_status == Some(ExitStatus::Unresolved.code()))
        }
    };
    match ended {
        _ if has_rows_left => Rest::Rows,
        Some(ended) if ended.left_out > 0 => Rest::NotMeant,
        Some(_) | None => Rest::Nothing,
    }
}

/// Of the summary of a run, what it ended with.
#[derive(Deserialize)]
struct Ended {
    exit_status: Option<u8>,
    counts: HashMap<String, u64>,
    left_out: u64,
    #[serde(default)]
    removals: RemovalsLeft,
    #[serde(default)]
    deployment_roles: RolesLeft,
}

#[derive(Default, Deserialize)]
struct RemovalsLeft {
    unsettled: u64,
    not_run: u64,
}

#[derive(Default, Deserialize)]
struct RolesLeft {
    open: u64,
}

impl Ended {
    /// How many rows, removals and roles a resume can settle.
    fn left(&self) -> u64 {
        let is_left =
            |status: &&Status| matches!(status.kind(), StatusKind::Unresolved | StatusKind::NotTried);
        let left = Status::ALL.iter().filter(is_left).filter_map(|status| self.counts.get(status.word()));
        let rows = left.sum::<u64>().saturating_sub(self.left_out);
        rows + self.removals.unsettled + self.removals.not_run + self.deployment_roles.open
    }
}
