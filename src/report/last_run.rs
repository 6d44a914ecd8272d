//! The last run against the same Houston before this one, as its `summary.json` says: what the figures of
//! this run are compared with.
//!
//! Main type: [`LastRun`]. Which run that is stands in the header of the journal, so that it stays the same
//! whatever else comes into the folder later. It reads no file.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::target_key::is_same_target;
use crate::outcome::{Status, StatusKind};

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Rows of the input.
    pub rows: u64,
    /// Rows and removals that failed or are unsettled.
    pub bad: u64,
    /// Rows and removals that were not tried, but for those that were left out on purpose.
    pub not_tried: u64,
    /// How long 95 of 100 rows took at most, in milliseconds; none if no row was sent, or an older version
    /// of this program carried the run out.
    pub row_p95_ms: Option<u64>,
    /// Time of work, in milliseconds.
    pub duration_ms: u64,
}

/// A run that had finished when this one began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastRun {
    /// Its id.
    pub run: String,
    /// Its input as the user named it.
    pub roster: String,
    /// What is compared.
    pub figures: Figures,
}

/// Of `summary.json`, what is compared.
#[derive(Deserialize)]
struct Recorded {
    run: String,
    target: String,
    roster: String,
    rows: u64,
    left_out: u64,
    counts: BTreeMap<Status, u64>,
    #[serde(default)]
    removals: Removals,
    row_p95_ms: Option<u64>,
    duration_ms: u64,
}

#[derive(Default, Deserialize)]
struct Removals {
    failed: u64,
    unsettled: u64,
    not_run: u64,
}

impl LastRun {
    /// What the `summary.json` of the run with this id says, if it is about this target.
    pub fn parse(json: &[u8], id: &str, target: &str) -> Option<Self> {
        let recorded: Recorded = serde_json::from_slice(json).ok()?;
        let is_it = recorded.run == id && is_same_target(&recorded.target, target);
        is_it.then(|| recorded.into())
    }
}

impl From<Recorded> for LastRun {
    fn from(recorded: Recorded) -> Self {
        let Recorded { run, roster, rows, left_out, counts, removals, row_p95_ms, duration_ms, .. } =
            recorded;
        let of = |kind: StatusKind| {
            let counts = counts.iter().filter(|(status, _)| status.kind() == kind);
            counts.map(|(_, count)| *count).fold(0, u64::saturating_add)
        };
        let Removals { failed, unsettled, not_run } = removals;
        let sum = |counts: &[u64]| counts.iter().copied().fold(0, u64::saturating_add);
        let figures = Figures {
            rows,
            bad: sum(&[of(StatusKind::Failed), of(StatusKind::Unresolved), failed, unsettled]),
            not_tried: of(StatusKind::NotTried).saturating_sub(left_out).saturating_add(not_run),
            row_p95_ms,
            duration_ms,
        };
        Self { run, roster, figures }
    }
}
