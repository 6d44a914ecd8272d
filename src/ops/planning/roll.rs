//! Whom the roster names in a workspace beside the people whose rows are carried out there: a census of the
//! workspace does not count them as strangers.
//!
//! Main type: [`Roll`]. It decides from the roster; it asks for nothing.

use super::prune::Whereabouts;
use crate::model::{ItemId, RowNumber};
use crate::roster::{Roster, RowState};

/// The rows that name people without being carried out.
#[derive(Debug)]
pub struct Roll {
    /// Those of each workspace.
    others: Vec<Vec<ItemId>>,
    /// Whether it is known of each workspace whom the roster names there.
    is_sure: Vec<bool>,
}

impl Roll {
    /// Reads it from all rows. `whereabouts` has an entry per workspace text of the roster.
    pub fn new(roster: &Roster, whereabouts: &[Whereabouts], workspaces: usize) -> Self {
        let mut roll = Self { others: vec![Vec::new(); workspaces], is_sure: vec![true; workspaces] };
        for row in (0..roster.len()).map(RowNumber::from_index) {
            let is_bad = match roster.state(row) {
                // A merged row names the same person as the one that is carried out.
                RowState::Wanted | RowState::Merged { .. } | RowState::Overruled { .. } => continue,
                RowState::LeftOut => false,
                RowState::Invalid => true,
            };
            let text = roster.workspace(row);
            match text.map_or(Whereabouts::Anywhere, |text| whereabouts[text as usize]) {
                Whereabouts::Place(place) if roster.emails().get(row).is_empty() => {
                    roll.is_sure[place as usize] &= !is_bad;
                }
                Whereabouts::Place(place) => roll.others[place as usize].push(row.into()),
                Whereabouts::Elsewhere => {}
                Whereabouts::Anywhere => roll.is_sure.fill(false),
            }
        }
        roll
    }

    /// The same of a roster that names only some of the people: nothing is known about the others.
    #[must_use]
    pub fn of_some(mut self) -> Self {
        self.is_sure.fill(false);
        self
    }

    /// What a shard knows, which has only the workspaces marked in `own`, and none of the other rows.
    #[must_use]
    pub fn only(self, own: &[bool]) -> Self {
        let all = self.is_sure.iter().zip(&self.others).zip(own).filter(|(_, own)| **own);
        let is_sure: Vec<bool> = all.map(|((is_sure, others), _)| *is_sure && others.is_empty()).collect();
        Self { others: vec![Vec::new(); is_sure.len()], is_sure }
    }

    /// The other rows that name people in the workspace at this index.
    pub fn others(&self, place: usize) -> &[ItemId] {
        self.others.get(place).map_or(&[], Vec::as_slice)
    }

    /// Whether it is known whom the roster names in the workspace at this index.
    pub fn is_sure(&self, place: usize) -> bool {
        self.is_sure.get(place).copied().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roster::{Settings, spool_text};

    #[test]
    fn who_is_left_out_is_named_and_a_bad_row_may_mean_anyone() {
        let settings = Settings { skip_invalid: true, limit: Some(1), ..Settings::default() };
        let text =
            "email,role,workspace\na@x.org,viewer,A\nb@x.org,viewer,A\nc@x.org,none,A\nnone,viewer,B\n";
        let roster = Roster::from_file(spool_text(text).unwrap(), "r.csv", &settings).unwrap();
        let places = [0, 1].map(Whereabouts::Place);
        let roll = Roll::new(&roster, &places, 2);
        let named = |place| roll.others(place).iter().map(|row| row.get()).collect::<Vec<_>>();
        assert_eq!((named(0), named(1)), (vec![2, 3], vec![]));
        assert!(roll.is_sure(0) && !roll.is_sure(1), "nobody knows whom the bad address means");
        assert!(!roll.of_some().is_sure(0));
    }
}
