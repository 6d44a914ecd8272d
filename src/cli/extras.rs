//! Who is in a workspace without being in the roster, and whether they are to be taken away. Compared
//! with the whole file: also rows that are left out, merged or not valid say who belongs where.
//!
//! Main types: [`Belonging`] and [`Pruning`]. They decide from readings; they ask for nothing.

use super::session::Session;
use crate::engine::journal::Prune;
use crate::houston::Grounds;
use crate::model::RowNumber;
use crate::plan::Plan;
use crate::plan::extra::{Extra, Handle, Stay};
use crate::plan::guard::hold_too_many;
use crate::present::members::{InvitesSeen, Reading};
use crate::present::strangers::Stranger;
use crate::roster::{Glob, Roster, RowState};

/// Where a workspace text of the roster leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// To the workspace at this place of the plan.
    Place(u32),
    /// To a workspace that this plan does not touch.
    Elsewhere,
    /// Nobody knows: it may mean any of them.
    Anywhere,
}

/// Who the roster says belongs into each workspace.
#[derive(Debug)]
pub struct Belonging {
    /// The rows that name somebody, by workspace.
    named: Vec<Vec<RowNumber>>,
    /// Whether the roster can be believed about it: no row of it is broken.
    is_sure: Vec<bool>,
}

impl Belonging {
    /// Reads it from all rows. `whereabouts` has an entry per workspace text of the roster.
    pub fn new(roster: &Roster, whereabouts: &[Whereabouts], workspaces: usize) -> Self {
        let mut belonging = Self { named: vec![Vec::new(); workspaces], is_sure: vec![true; workspaces] };
        for row in (0..roster.len()).map(RowNumber::from_index) {
            let text = roster.workspace(row);
            let place = text.map_or(Whereabouts::Anywhere, |text| whereabouts[text as usize]);
            let is_bad = roster.state(row) == RowState::Invalid;
            match place {
                Whereabouts::Place(place) => {
                    belonging.is_sure[place as usize] &= !is_bad;
                    if !roster.emails().get(row).is_empty() {
                        belonging.named[place as usize].push(row);
                    }
                }
                Whereabouts::Elsewhere => {}
                Whereabouts::Anywhere => belonging.is_sure.fill(false),
            }
        }
        belonging
    }

    /// The rows that name somebody in the workspace at this place.
    pub fn named(&self, place: usize) -> &[RowNumber] {
        &self.named[place]
    }
}

/// The search for extra people, workspace by workspace.
#[derive(Debug)]
pub struct Pruning {
    prune: Prune,
    protect: Vec<Glob>,
    /// Who belongs where.
    pub belonging: Belonging,
    /// Who was found, by workspace.
    pub extras: Vec<Vec<Extra>>,
    /// How many people there are, by workspace.
    people: Vec<u64>,
}

impl Pruning {
    /// A search in so many workspaces.
    pub fn new(prune: &Prune, belonging: Belonging) -> Self {
        let workspaces = belonging.named.len();
        let protect = prune.protect.iter().map(|pattern| Glob::new(&pattern.to_lowercase())).collect();
        let extras = vec![Vec::new(); workspaces];
        Self { prune: prune.clone(), protect, belonging, extras, people: vec![0; workspaces] }
    }

    /// Takes in what was read of the workspace at this place.
    pub fn meet(&mut self, place: usize, reading: &Reading, session: &Session) {
        let caller_id = session.caller.as_ref().and_then(|caller| caller.user_id.as_deref());
        let caller_names = session.caller_names(reading);
        let is_caller = |stranger: &Stranger| {
            matches!(&stranger.handle, Handle::User(id) if Some(id.as_str()) == caller_id)
                || stranger.names.iter().any(|name| caller_names.contains(name))
        };
        let stay = |stranger: &Stranger| {
            let is_protected =
                || self.protect.iter().any(|glob| stranger.names.iter().any(|name| glob.matches(name)));
            match stranger.grounds {
                _ if is_caller(stranger) => Some(Stay::Caller),
                Grounds::Elsewhere => Some(Stay::Elsewhere),
                Grounds::Hidden => Some(Stay::Hidden),
                Grounds::OwnRole if is_protected() => Some(Stay::Protected),
                Grounds::OwnRole if !self.belonging.is_sure[place] => Some(Stay::BadRow),
                Grounds::OwnRole if reading.invites == InvitesSeen::Refused => Some(Stay::Incomplete),
                Grounds::OwnRole => None,
            }
        };
        let workspace = u32::try_from(place).expect("fewer workspaces than rows");
        let extra = |stranger: &Stranger| Extra {
            workspace,
            name: stranger.names[0].clone(),
            handle: stranger.handle.clone(),
            seen: stranger.seen,
            stay: stay(stranger),
        };
        let mut extras: Vec<Extra> = reading.strangers.people.iter().map(extra).collect();
        extras.sort_by(|a, b| (&a.name, &a.handle).cmp(&(&b.name, &b.handle)));
        self.extras[place] = extras;
        self.people[place] = reading.strangers.in_all;
    }

    /// Puts them into the plan, and holds their number against the limits.
    pub fn conclude(self, plan: &mut Plan) {
        plan.extras = self.extras.into_iter().flatten().collect();
        plan.refusals = hold_too_many(&mut plan.extras, &self.people, self.prune.caps, self.prune.on_guard);
    }
}
