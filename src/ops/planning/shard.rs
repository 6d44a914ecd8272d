//! A shard of a roster: the rows and workspaces that one of several processes carries out. Everything after it
//! works on the shard as if there were nothing else.
//!
//! Main function: [`cut`]. It decides from ids that are known; it asks for nothing.

use std::collections::HashMap;

use super::deployments::Wish;
use super::expected::Expected;
use super::prune::Belonging;
use super::roll::Roll;
use super::workspaces::{Meaning, Places, Whole, place};
use crate::model::{RowNumber, Shard};
use crate::roster::{Picked, Roster, RowState};

/// What a roster means on a Houston.
pub(crate) struct Meant {
    pub(crate) roster: Roster,
    pub(crate) places: Places,
    pub(crate) wishes: Vec<Wish>,
}

/// Leaves out what belongs to other shards. Who belongs into a workspace is still said by the whole roster: a
/// row that is not valid belongs to the first shard, whichever workspace it names. `expected` is the shard's part
/// of a saved plan, if there is one.
pub(crate) fn cut(whole: Meant, shard: Shard, expected: Option<&Expected>) -> Meant {
    let Meant { roster, places, wishes } = whole;
    let own: Vec<bool> = places.workspaces.iter().map(|workspace| shard.has(Some(&workspace.id))).collect();
    let picked = Picked::new(rows_of(&roster, &places, &own, shard));
    let belonging = Belonging::new(&roster, &places.whereabouts, places.workspaces.len());
    let roll = Roll::new(&roster, &places.whereabouts, places.workspaces.len());
    let kept = (0..own.len()).filter(|&at| own[at]).map(place);
    let numbers: HashMap<u32, u32> = kept.zip(0..).collect();
    let number = |place: u32| numbers.get(&place).copied();
    let wishes =
        wishes.into_iter().filter_map(|wish| wish.renumbered(|row| picked.in_part(row), number)).collect();
    let Places { workspaces, meanings, to_create, whereabouts: _, listed, is_partial, whole: _ } = places;
    let meaning = |meaning: Option<Meaning>| match meaning? {
        Meaning::Place(place) => number(place).map(Meaning::Place),
        decided @ Meaning::Decided(_) => Some(decided),
    };
    let places = Places {
        workspaces: workspaces.into_iter().zip(&own).filter_map(|(one, own)| own.then_some(one)).collect(),
        meanings: meanings.into_iter().map(meaning).collect(),
        to_create: to_create.into_iter().filter_map(number).collect(),
        // What it is for has been found out.
        whereabouts: Vec::new(),
        listed: listed.map(|listed| {
            listed.into_iter().filter_map(|(place, name)| Some((number(place)?, name))).collect()
        }),
        is_partial,
        whole: Some(Whole {
            workspaces: own.len(),
            belonging: belonging.only(&own),
            roll: roll.only(&own),
            held: expected.map(Expected::held),
        }),
    };
    Meant { roster: roster.part(picked), places, wishes }
}

/// The rows that belong to the shard: each where its workspace does, or that of the row that speaks for it.
/// `own` says which workspaces do.
fn rows_of<'r>(
    roster: &'r Roster,
    places: &'r Places,
    own: &'r [bool],
    shard: Shard,
) -> impl Iterator<Item = RowNumber> + 'r {
    let place = |row: RowNumber| match places.meanings[roster.workspace(row)? as usize].as_ref()? {
        Meaning::Place(place) => Some(*place),
        Meaning::Decided(_) => None,
    };
    let is_own = move |row: RowNumber| {
        let speaker = match roster.state(row) {
            RowState::Wanted => Some(row),
            RowState::Merged { into } | RowState::Overruled { by: into } => Some(into),
            RowState::Invalid | RowState::LeftOut => None,
        };
        speaker.and_then(place).map_or_else(|| shard.has(None), |place| own[place as usize])
    };
    (0..roster.len()).map(RowNumber::from_index).filter(move |&row| is_own(row))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::model::WorkspaceId;
    use crate::plan::{Reason, Workspace};
    use crate::roster::{Settings, spool_text};

    /// The texts of a workspace column: two for each of six workspaces, and one that is unknown.
    const TEXTS: u32 = 13;

    fn row() -> impl Strategy<Value = (u8, u32, usize)> {
        (0..12_u8, 0..TEXTS, 0..8_usize)
    }

    /// The roster of these rows, and what their workspaces mean. `0` in the last place makes a row invalid.
    fn meant(rows: &[(u8, u32, usize)]) -> Meant {
        let mut text = "email,role,workspace\n".to_owned();
        for (person, workspace, role) in rows {
            let role = if *role == 0 { "none" } else { "viewer" };
            writeln!(text, "p{person}@example.com,{role},text-{workspace}")
                .expect("a string takes every text");
        }
        let settings = Settings { skip_invalid: true, ..Settings::default() };
        let file = spool_text(&text).expect("spooled");
        let mut roster = Roster::from_file(file, "r.csv", &settings).expect("readable");
        let number = |text: &String| text["text-".len()..].parse::<u32>().expect("a number");
        let decided = || Meaning::Decided(Reason::LeftOut);
        let meaning = |text: &String| match number(text) {
            unknown if unknown == TEXTS - 1 => decided(),
            number => Meaning::Place(number / 2),
        };
        let meanings: Vec<Option<Meaning>> =
            roster.workspaces().iter().map(|one| Some(meaning(one))).collect();
        let canonical = roster.workspaces().iter().map(|text| number(text) / 2).collect::<Vec<_>>();
        roster.unify_workspaces(&canonical).expect("readable");
        let workspace = |number: u32| Workspace {
            id: WorkspaceId::new(&format!("ck{number}")).expect("valid"),
            label: None,
        };
        let places = Places {
            workspaces: (0..TEXTS / 2).map(workspace).collect(),
            whereabouts: vec![super::super::prune::Whereabouts::Elsewhere; meanings.len()],
            meanings,
            ..Places::default()
        };
        Meant { roster, places, wishes: Vec::new() }
    }

    /// Each row by its line: its address, the id of its workspace, and the line of the row that speaks for it.
    fn rows(meant: &Meant) -> Vec<(u32, String, Option<String>, Option<u32>)> {
        let Meant { roster, places, .. } = meant;
        let one = |row: RowNumber| {
            let meaning = places.meanings[roster.workspace(row)? as usize].clone();
            let id = match (roster.state(row), meaning) {
                (RowState::Invalid | RowState::LeftOut, _) | (_, None | Some(Meaning::Decided(_))) => None,
                (_, Some(Meaning::Place(at))) => Some(places.workspaces[at as usize].id.to_string()),
            };
            let speaker = match roster.state(row) {
                RowState::Merged { into } | RowState::Overruled { by: into } => Some(roster.line(into)),
                RowState::Wanted | RowState::Invalid | RowState::LeftOut => None,
            };
            Some((roster.line(row), roster.emails().spelled(row).to_owned(), id, speaker))
        };
        (0..roster.len()).map(RowNumber::from_index).filter_map(one).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_shards_of_a_roster_have_each_of_its_rows_once(
            of_rows in prop::collection::vec(row(), 1..40),
            of in 1..9_u32,
        ) {
            let whole = rows(&meant(&of_rows));
            let mut all = Vec::new();
            for number in 1..=of {
                let shard = Shard::new(number, of).expect("one of them");
                let part = rows(&cut(meant(&of_rows), shard, None));
                for (line, _, id, speaker) in &part {
                    let id = id.as_ref().map(|id| WorkspaceId::new(id).expect("valid"));
                    prop_assert!(shard.has(id.as_ref()), "line {line} in {shard}");
                    prop_assert!(speaker.is_none_or(|line| part.iter().any(|row| row.0 == line)));
                }
                all.extend(part);
            }
            all.sort();
            prop_assert_eq!(all, whole);
        }
    }
}
