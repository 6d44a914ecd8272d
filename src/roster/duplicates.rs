//! Finds rows about the same person and workspace.
//!
//! Main function: [`groups`], which gives [`Groups`]. A hash brings rows of one address together
//! and is never trusted beyond that: what counts as the same is decided by comparing the addresses
//! themselves, which are in memory anyway. So a collision loses no one, for eight bytes per row.

use std::hash::BuildHasher;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use crate::model::{Emails, RowNumber};

/// How many rows one thread takes at a time; comparing them waits for memory more than for
/// arithmetic.
const PIECE: usize = if cfg!(test) { 4 } else { 8 << 10 };

/// Rows of the same person and workspace.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// How many people have a row that counts.
    pub people: usize,
    rows: Vec<u32>,
    ends: Vec<u32>,
}

impl Groups {
    fn add(&mut self, rows: &[u32]) {
        self.rows.extend(rows);
        self.ends.push(u32::try_from(self.rows.len()).unwrap_or(u32::MAX));
    }

    /// The groups of more than one row; rows are zero-based indexes, ascending.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u32]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.rows[start as usize..end as usize])
    }
}

/// Finds the rows of the same person and workspace, in pieces; `counts` says of which rows the
/// people are counted.
pub(super) fn groups(
    emails: &Emails,
    rows: impl Iterator<Item = u32>,
    workspace: impl Fn(u32) -> u32 + Sync,
    counts: impl Fn(u32) -> bool + Sync,
) -> Vec<Groups> {
    let hasher = foldhash::quality::RandomState::default();
    let email = |row: u32| emails.get(RowNumber::from_index(row as usize));
    let mut keys = Vec::with_capacity(rows.size_hint().1.unwrap_or(0));
    keys.extend(rows.map(|row| (hasher.hash_one(email(row)) & !u64::from(u32::MAX)) | u64::from(row)));
    keys.par_sort_unstable();
    let mut pieces = Vec::new();
    let mut rest = keys.as_slice();
    while !rest.is_empty() {
        let mut end = PIECE.min(rest.len());
        // A run of one hash stays together.
        end += rest[end..].iter().take_while(|&&key| key >> 32 == rest[end - 1] >> 32).count();
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces.par_iter().map(|piece| compare(emails, piece, &workspace, &counts)).collect()
}

fn compare(
    emails: &Emails,
    keys: &[u64],
    workspace: impl Fn(u32) -> u32,
    counts: impl Fn(u32) -> bool,
) -> Groups {
    let email = |row: u32| emails.get(RowNumber::from_index(row as usize));
    #[expect(clippy::cast_possible_truncation, reason = "the lower half of a key is the row")]
    let row = |key: u64| key as u32;
    let mut groups = Groups::default();
    let (mut rows, mut runs) = (Vec::new(), Vec::new());
    for keys in keys.chunk_by(|a, b| a >> 32 == b >> 32) {
        if let &[key] = keys {
            groups.people += usize::from(counts(row(key)));
        } else {
            rows.extend(keys.iter().map(|&key| row(key)));
            runs.push(keys.len());
        }
    }
    // All addresses are looked up in one go, so that the waits for memory overlap.
    let texts: Vec<&str> = rows.iter().map(|&row| email(row)).collect();
    let (mut rows, mut texts) = (rows.as_mut_slice(), texts.as_slice());
    for length in runs {
        let (run, other_rows) = rows.split_at_mut(length);
        let (run_texts, other_texts) = texts.split_at(length);
        (rows, texts) = (other_rows, other_texts);
        let mut settle = |person: &mut [u32]| {
            groups.people += usize::from(person.iter().any(|&row| counts(row)));
            // This sort and the one below keep the order of the rows.
            person.sort_by_key(|&row| workspace(row));
            for rows in person.chunk_by(|&a, &b| workspace(a) == workspace(b)) {
                if rows.len() > 1 {
                    groups.add(rows);
                }
            }
        };
        if run_texts.iter().all(|&text| text == run_texts[0]) {
            settle(run);
        } else {
            run.sort_by(|&a, &b| email(a).cmp(email(b)));
            run.chunk_by_mut(|&a, &b| email(a) == email(b)).for_each(settle);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_same_groups_are_found_as_by_a_map(rows in prop::collection::vec((0_u32..6, 0_u32..4), 0..40)) {
            let mut emails = Emails::default();
            let mut naive: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
            for (row, &(person, workspace)) in (0..).zip(&rows) {
                emails.push(&format!("p{person}@example.com"));
                naive.entry((person, workspace)).or_default().push(row);
            }
            let all = 0..u32::try_from(rows.len()).unwrap();
            let groups = groups(&emails, all, |row| rows[row as usize].1, |_| true);
            let people: usize = groups.iter().map(|groups| groups.people).sum();
            let mut found: Vec<Vec<u32>> =
                groups.iter().flat_map(Groups::iter).map(<[u32]>::to_vec).collect();
            found.sort();
            let mut wanted: Vec<_> = naive.values().filter(|rows| rows.len() > 1).cloned().collect();
            wanted.sort();
            prop_assert_eq!(found, wanted);
            let known: std::collections::BTreeSet<_> = rows.iter().map(|row| row.0).collect();
            prop_assert_eq!(people, known.len());
        }
    }
}
