//! What the page of a run needs to know of its rows, found in one pass over their ends.
//!
//! Main type: [`Facts`]. Pure: names are looked up elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{ItemId, Level, RowNumber};
use crate::outcome::{Cause, Effect, Status, StatusKind};
use crate::plan::Guard;
use crate::record::journal::{History, ItemEnd, Roles};
use crate::report::html::Tone;
use crate::report::removals::End;
use crate::report::summary::EXAMPLES;

/// How many people of one kind are named.
const NAMED: usize = 500;
/// How many of the slowest rows are listed.
const SLOWEST: usize = 10;

/// What a run did to a person, in the order of the page: who loses something comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Move {
    /// Is no longer in the workspace.
    Removed,
    /// Is an admin now, and was not.
    NewAdmin,
    /// Has a weaker role.
    Demoted,
    /// Keeps what a guard would not take.
    HeldBack,
    /// Is a new member.
    Added,
    /// Has a new invitation.
    Invited,
    /// Has a stronger role.
    Promoted,
}

impl Move {
    /// Whether everyone is named: rights that are lost, and the strongest that are won.
    pub fn is_named(self) -> bool {
        match self {
            Self::Removed | Self::NewAdmin | Self::Demoted | Self::HeldBack => true,
            Self::Added | Self::Invited | Self::Promoted => false,
        }
    }
}

/// The people with one move.
#[derive(Debug, Clone, Default)]
pub struct Moved {
    /// How many there are.
    pub count: u64,
    /// The first of them, if they are named.
    pub named: Vec<ItemId>,
    /// How many there are in each workspace.
    pub shares: BTreeMap<u32, u64>,
}

/// How the rows of a workspace ended, and the removals in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ends([u64; 5]);

impl Ends {
    /// The tones of a run, in their order.
    pub const TONES: [Tone; 5] = [Tone::Changed, Tone::Same, Tone::Failed, Tone::Unsettled, Tone::NotTried];

    fn count(&mut self, tone: Tone) {
        let place = Self::TONES.iter().position(|known| *known == tone);
        self.0[place.expect("the tone of a run")] += 1;
    }

    /// The counts with their tones.
    pub fn parts(self) -> [(Tone, u64); 5] {
        let mut counts = self.0.into_iter();
        Self::TONES.map(|tone| (tone, counts.next().unwrap_or_default()))
    }

    /// All of them.
    pub fn total(self) -> u64 {
        self.0.iter().sum()
    }

    /// By what workspaces are sorted: the worst comes first.
    pub fn badness(self) -> (u64, u64) {
        let [_, _, failed, unsettled, not_tried] = self.0;
        (failed + unsettled, not_tried)
    }

    /// The tone of the worst of them.
    pub fn worst(self) -> Tone {
        let order = [Tone::Failed, Tone::Unsettled, Tone::NotTried, Tone::Changed];
        let has = |tone: &Tone| self.parts().iter().any(|(known, count)| known == tone && *count > 0);
        order.into_iter().find(has).unwrap_or(Tone::Same)
    }
}

/// What a status means on the page.
pub fn tone(status: Status) -> Tone {
    match status.kind() {
        StatusKind::Changed => Tone::Changed,
        StatusKind::AsItWas => Tone::Same,
        StatusKind::Failed => Tone::Failed,
        StatusKind::Unresolved => Tone::Unsettled,
        StatusKind::NotTried => Tone::NotTried,
    }
}

/// What the end of a person who is not in the roster means on the page: what the counts of the summary say.
pub fn tone_of_extra(extra: &ItemEnd) -> Tone {
    match (End::of(extra), tone(extra.status)) {
        (End::Removed, _) => Tone::Changed,
        (End::HeldBack | End::GoneAlready | End::Kept, _) | (End::NotRemoved, Tone::Same) => Tone::Same,
        (_, tone @ (Tone::Failed | Tone::Unsettled)) => tone,
        (End::NotRemoved | End::Other(_), _) => Tone::NotTried,
    }
}

/// Removals that came to the same bad end.
#[derive(Debug, Clone)]
pub struct NotRemoved {
    /// How they ended.
    pub end: End,
    /// What that means.
    pub tone: Tone,
    /// Why.
    pub cause: Option<Arc<Cause>>,
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub first: Vec<ItemId>,
}

/// What the rows of a run came to.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// All of them.
    pub ends: Ends,
    /// Those of each workspace.
    pub workspaces: Vec<Ends>,
    /// How many members each workspace has more than before, by level.
    pub shifts: Vec<[i64; 3]>,
    /// What changed for people.
    pub moves: BTreeMap<Move, Moved>,
    /// What guards held back, by code: role changes and removals.
    pub held: Vec<(Guard, u64)>,
    /// The removals that were not carried out, by status and code.
    pub not_removed: Vec<NotRemoved>,
    /// How long the rows took that were sent, in milliseconds.
    pub elapsed: Vec<u32>,
    /// The slowest of them, the slowest first.
    pub slowest: Vec<ItemId>,
}

impl Facts {
    /// Looks at every row, and at everyone who is not in the roster.
    pub fn of(history: &History) -> Self {
        let count = history.workspaces.len();
        let mut facts =
            Self { workspaces: vec![Ends::default(); count], shifts: vec![[0; 3]; count], ..Self::default() };
        for (index, row) in history.rows().enumerate() {
            facts.count(row.end, tone(row.status));
            let id = ItemId::from(RowNumber::from_index(index));
            // Roles in deployments change nothing in the workspace.
            let own = history.item(id).unwrap_or(row.end);
            facts.note_moves(id, own, moves(own));
            facts.note_shift(own);
            facts.note_time(row.end);
        }
        for (id, extra) in extras(history) {
            facts.count(extra, tone_of_extra(extra));
            let moved = match End::of(extra) {
                End::Removed => Some(Move::Removed),
                End::HeldBack => Some(Move::HeldBack),
                End::GoneAlready | End::Kept | End::NotRemoved | End::Other(_) => None,
            };
            facts.note_moves(id, extra, moved);
            facts.note_shift(extra);
            facts.note_time(extra);
            facts.note_not_removed(id, extra);
        }
        facts.slowest = slowest(history);
        facts
    }

    fn count(&mut self, end: &ItemEnd, tone: Tone) {
        self.ends.count(tone);
        if let Some(ends) = end.workspace.and_then(|at| self.workspaces.get_mut(at as usize)) {
            ends.count(tone);
        }
        let guard =
            end.cause.as_ref().filter(|_| end.is_held_back()).and_then(|cause| Guard::of(&cause.code));
        let Some(guard) = guard else { return };
        match self.held.iter_mut().find(|(known, _)| *known == guard) {
            Some((_, count)) => *count += 1,
            None => self.held.push((guard, 1)),
        }
    }

    fn note_moves(&mut self, id: ItemId, end: &ItemEnd, moves: impl IntoIterator<Item = Move>) {
        for one in moves {
            let entry = self.moves.entry(one).or_default();
            entry.count += 1;
            if one.is_named() && entry.named.len() < NAMED {
                entry.named.push(id);
            }
            if let Some(workspace) = end.workspace {
                *entry.shares.entry(workspace).or_default() += 1;
            }
        }
    }

    fn note_shift(&mut self, end: &ItemEnd) {
        let Roles { before, wanted, of_member } = end.roles;
        let before = before.filter(|_| of_member);
        let (lost, won) = match end.status.effect() {
            Some(Effect::Added) => (before, wanted),
            Some(Effect::RoleUpdated) if of_member => (before, wanted),
            Some(Effect::Removed) => (before, None),
            Some(Effect::Invited | Effect::RoleUpdated) | None => return,
        };
        let Some(shift) = end.workspace.and_then(|at| self.shifts.get_mut(at as usize)) else { return };
        if let Some(level) = lost {
            shift[level as usize] -= 1;
        }
        if let Some(level) = won {
            shift[level as usize] += 1;
        }
    }

    fn note_not_removed(&mut self, id: ItemId, extra: &ItemEnd) {
        let (end, tone) = (End::of(extra), tone_of_extra(extra));
        if matches!(tone, Tone::Changed | Tone::Same) {
            return;
        }
        let code = |cause: &Option<Arc<Cause>>| cause.as_ref().map(|cause| cause.code.clone());
        let is_like = |one: &&mut NotRemoved| one.end == end && code(&one.cause) == code(&extra.cause);
        if let Some(one) = self.not_removed.iter_mut().find(is_like) {
            one.count += 1;
            if one.first.len() < EXAMPLES {
                one.first.push(id);
            }
        } else {
            let cause = extra.cause.clone();
            self.not_removed.push(NotRemoved { end, tone, cause, count: 1, first: vec![id] });
        }
    }

    fn note_time(&mut self, end: &ItemEnd) {
        if end.attempts > 0 {
            self.elapsed.push(end.elapsed_ms);
        }
    }

    /// Every item whose name the page needs.
    pub fn named(&self) -> impl Iterator<Item = ItemId> {
        let moved = self.moves.values().flat_map(|moved| &moved.named);
        let not_removed = self.not_removed.iter().flat_map(|one| &one.first);
        moved.chain(not_removed).chain(&self.slowest).copied()
    }
}

/// The people who are not in the roster.
pub fn extras(history: &History) -> impl Iterator<Item = (ItemId, &ItemEnd)> {
    let first = history.first_extra();
    (first..).map(ItemId::from_index).zip(history.extras())
}

fn moves(end: &ItemEnd) -> Vec<Move> {
    let Roles { before, wanted, .. } = end.roles;
    let Some(effect) = end.status.effect() else {
        return if end.is_held_back() { vec![Move::HeldBack] } else { Vec::new() };
    };
    let mut moves = vec![match effect {
        Effect::Added => Move::Added,
        Effect::Invited => Move::Invited,
        Effect::RoleUpdated if wanted > before => Move::Promoted,
        Effect::RoleUpdated => Move::Demoted,
        Effect::Removed => Move::Removed,
    }];
    if wanted == Some(Level::Admin) && before != Some(Level::Admin) {
        moves.push(Move::NewAdmin);
    }
    moves
}

fn slowest(history: &History) -> Vec<ItemId> {
    let mut slowest: Vec<(u32, usize)> = Vec::with_capacity(SLOWEST + 1);
    for (index, row) in history.rows().enumerate().filter(|(_, row)| row.attempts > 0) {
        if slowest.len() < SLOWEST || slowest.last().is_some_and(|(least, _)| row.elapsed_ms > *least) {
            let place = slowest.partition_point(|(known, _)| *known >= row.elapsed_ms);
            slowest.insert(place, (row.elapsed_ms, index));
            slowest.truncate(SLOWEST);
        }
    }
    slowest.into_iter().map(|(_, index)| ItemId::from_index(index)).collect()
}
