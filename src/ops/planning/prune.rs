//! Finds who is in a workspace but not in the roster, and decides whether to remove them. It compares with
//! the whole file: rows that are skipped, merged or invalid also say who belongs where.
//!
//! Main types: [`Belonging`] and [`Pruning`]. They decide from readings; they ask for nothing.

use std::collections::HashSet;
use std::sync::Arc;

use crate::houston::Grounds;
use crate::model::{Emails, ItemId, Role, RowNumber, WorkspaceId, email_key};
use crate::plan::guard::{Bars, hold_too_many, limits_needed, removal};
use crate::plan::protect::Protect;
use crate::plan::{Account, Action, Decision, Guard, Item, Origin, Plan, Reason, Subject};
use crate::present::members::{InvitesSeen, Reading};
use crate::present::strangers::Stranger;
use crate::present::survey::Named;
use crate::record::journal::Prune;
use crate::roster::{Roster, RowState};

/// Where a workspace text of the roster leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whereabouts {
    /// To the workspace at this index of the plan.
    Place(u32),
    /// To a workspace that this plan does not touch.
    Elsewhere,
    /// Unknown: it may mean any of them.
    Anywhere,
}

/// Who the roster says belongs into each workspace.
#[derive(Debug)]
pub struct Belonging {
    /// The addresses of the rows.
    emails: Arc<Emails>,
    /// The rows that name a person, by workspace.
    named: Vec<Vec<ItemId>>,
    /// Whether the roster can be believed about it: no row of it is broken.
    is_sure: Vec<bool>,
}

impl Belonging {
    /// Reads it from all rows. `whereabouts` has an entry per workspace text of the roster.
    pub fn new(roster: &Roster, whereabouts: &[Whereabouts], workspaces: usize) -> Self {
        let mut belonging = Self {
            emails: Arc::clone(roster.emails()),
            named: vec![Vec::new(); workspaces],
            is_sure: vec![true; workspaces],
        };
        for row in (0..roster.len()).map(RowNumber::from_index) {
            let text = roster.workspace(row);
            let place = text.map_or(Whereabouts::Anywhere, |text| whereabouts[text as usize]);
            let is_bad = roster.state(row) == RowState::Invalid;
            match place {
                Whereabouts::Place(place) => {
                    belonging.is_sure[place as usize] &= !is_bad;
                    if !roster.emails().get(row).is_empty() {
                        belonging.named[place as usize].push(row.into());
                    }
                }
                Whereabouts::Elsewhere => {}
                Whereabouts::Anywhere => belonging.is_sure.fill(false),
            }
        }
        belonging
    }

    /// A row of the workspace at this index is left out after all.
    pub fn doubt(&mut self, place: usize) {
        self.is_sure[place] = false;
    }

    /// The people whom rows name in the workspace at this index.
    pub fn named(&self, place: usize) -> Named<'_> {
        Named { rows: &self.named[place], emails: &self.emails }
    }

    /// Of the workspaces, those for which this is true.
    #[must_use]
    pub fn only(self, is_meant: &[bool]) -> Self {
        let Self { emails, named, is_sure } = self;
        let named = named.into_iter().zip(is_meant).filter_map(|(named, meant)| meant.then_some(named));
        let is_sure = is_sure.into_iter().zip(is_meant).filter_map(|(sure, meant)| meant.then_some(sure));
        Self { emails, named: named.collect(), is_sure: is_sure.collect() }
    }
}

/// A person who is in a workspace and whom the roster does not name there.
#[derive(Debug, Clone)]
pub struct Found {
    /// What becomes of them.
    pub item: Item,
    /// What they are called.
    pub name: String,
    account: Account,
    deployment_roles: Vec<(String, Role)>,
}

/// The search for extra people, workspace by workspace.
#[derive(Debug)]
pub struct Pruning {
    prune: Prune,
    protect: Protect,
    /// Who belongs where.
    pub belonging: Belonging,
    /// Who was found, by workspace.
    pub extras: Vec<Vec<Found>>,
    /// How many people there are, by workspace.
    people: Vec<u64>,
    /// The only people to look for; none for everyone.
    listed: Option<HashSet<(u32, String)>>,
    /// Whose removals the limits hold back, where that was decided before.
    held: Option<HashSet<(WorkspaceId, Account)>>,
}

impl Pruning {
    /// A search in the workspaces of `belonging`, for everyone or only for these people.
    pub fn new(
        prune: &Prune,
        protect: Protect,
        belonging: Belonging,
        listed: Option<HashSet<(u32, String)>>,
    ) -> Self {
        let workspaces = belonging.named.len();
        let extras = vec![Vec::new(); workspaces];
        let people = vec![0; workspaces];
        Self { prune: prune.clone(), protect, belonging, extras, people, listed, held: None }
    }

    /// The same, where the limits have been judged before: they hold back these removals and no others.
    #[must_use]
    pub fn judged(self, held: Option<HashSet<(WorkspaceId, Account)>>) -> Self {
        Self { held, ..self }
    }

    /// Takes in what was read of the workspace at this index. `caller` is the id of the token's own user, if
    /// it has one; these are their names.
    pub fn meet(&mut self, place: usize, reading: &Reading, caller: Option<&str>, names: &[String]) {
        let is_caller = |stranger: &Stranger| {
            matches!(&stranger.account, Account::User(id) if Some(id.as_str()) == caller)
                || stranger.names.iter().any(|name| names.iter().any(|caller| *caller == email_key(name)))
        };
        let decide = |stranger: &Stranger| {
            let bars = Bars {
                // Asked for every person, so that every matching pattern is known to match.
                is_protected: self.protect.covers(stranger.names.iter().map(String::as_str)),
                is_caller: is_caller(stranger),
                is_incomplete: reading.invites == InvitesSeen::Refused || reading.hidden > 0,
            };
            let level = stranger.seen.role();
            let caller = Decision::Keep(Reason::HeldBack(Guard::Caller, Action::Remove(level)));
            match stranger.grounds {
                Grounds::Elsewhere | Grounds::Hidden if bars.is_caller => caller,
                Grounds::Elsewhere => Decision::Keep(Reason::ViaTeam),
                Grounds::Hidden => Decision::Keep(Reason::RolesHidden),
                Grounds::OwnRole => match removal(level, bars) {
                    Decision::Change(_) if !self.belonging.is_sure[place] => {
                        Decision::Keep(Reason::UnsureRoster)
                    }
                    decision @ (Decision::Change(_) | Decision::Keep(_)) => decision,
                },
            }
        };
        let workspace = u32::try_from(place).expect("fewer workspaces than rows");
        let name = |stranger: &Stranger| match &self.listed {
            None => Some(stranger.names[0].clone()),
            // By the name under which they are listed.
            Some(listed) => {
                let is_listed = |name: &&String| listed.contains(&(workspace, email_key(name).into_owned()));
                stranger.names.iter().find(is_listed).cloned()
            }
        };
        let extra = |stranger: &Stranger| {
            Some(Found {
                item: Item {
                    origin: Origin::Extra,
                    subject: Some(Subject::new(workspace, None)),
                    wanted: None,
                    seen: Some(stranger.seen),
                    decision: decide(stranger),
                },
                name: name(stranger)?,
                account: stranger.account.clone(),
                deployment_roles: stranger.deployment_roles.clone(),
            })
        };
        let mut extras: Vec<Found> = reading.strangers.people.iter().filter_map(extra).collect();
        extras.sort_by(|a, b| (&a.name, &a.account).cmp(&(&b.name, &b.account)));
        self.extras[place] = extras;
        self.people[place] = reading.strangers.in_all;
    }

    /// Adds them to the plan, after all other items, and compares their number with the limits.
    pub fn conclude(self, plan: &mut Plan) {
        let first = plan.items.len();
        for Found { item, name, account, deployment_roles } in self.extras.into_iter().flatten() {
            let id = ItemId::from_index(plan.items.len());
            plan.items.push(item);
            plan.people.insert(id, name);
            plan.accounts.insert(id, vec![account]);
            if !deployment_roles.is_empty() {
                plan.deployment_roles.insert(id, deployment_roles);
            }
        }
        if let Some(held) = self.held {
            for (item, accounts) in plan.accounts.range(ItemId::from_index(first)..) {
                let extra = &mut plan.items[item.index()];
                let workspace = extra.workspace().map(|at| plan.workspaces[at as usize].id.clone());
                if workspace.zip(accounts.first().cloned()).is_some_and(|whom| held.contains(&whom)) {
                    extra.hold(Guard::TooMany);
                }
            }
            return;
        }
        let extras = &mut plan.items[first..];
        plan.limits_needed = limits_needed(extras, &self.people, self.prune.caps);
        plan.refusals = hold_too_many(extras, &self.people, self.prune.caps, self.prune.on_guard);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Level;
    use crate::plan::guard::{Caps, OnGuard};
    use crate::plan::{Membership, Standing};
    use crate::present::strangers::Strangers;
    use crate::roster::{Settings, spool_text};

    fn roster(text: &str, settings: &Settings) -> Roster {
        let text = format!("email,role,workspace\n{text}");
        Roster::from_file(spool_text(&text).unwrap(), "r.csv", settings).unwrap()
    }

    fn stranger(name: &str, grounds: Grounds) -> Stranger {
        Stranger {
            names: vec![format!("{name}@example.com"), name.to_owned()],
            account: Account::User(format!("ck{name}")),
            seen: Membership::Member { role: Level::Viewer, bindings: 1, standing: Standing::Active },
            grounds,
            deployment_roles: Vec::new(),
        }
    }

    const REMOVAL: Action = Action::Remove(Some(Level::Viewer));

    fn held(guard: Guard) -> Decision {
        Decision::Keep(Reason::HeldBack(guard, REMOVAL))
    }

    /// The decision about each person, in the order of their names.
    fn stays(sure: bool, invites: InvitesSeen, people: Vec<Stranger>) -> Vec<Decision> {
        stays_beside(sure, invites, people, 0)
    }

    /// The same in a workspace in which so many people are unknown.
    fn stays_beside(sure: bool, invites: InvitesSeen, people: Vec<Stranger>, hidden: u64) -> Vec<Decision> {
        let prune = Prune {
            caps: Caps { people: 100, percent: 100 },
            on_guard: OnGuard::Stop,
            protect: vec!["BOT-*".to_owned()],
        };
        let belonging = Belonging { emails: Arc::default(), named: vec![Vec::new()], is_sure: vec![sure] };
        let mut pruning = Pruning::new(&prune, Protect::new(&prune.protect), belonging, None);
        let strangers = Strangers { in_all: people.len() as u64, people };
        let reading = Reading { invites, strangers, hidden, ..Reading::of(Vec::new()) };
        pruning.meet(0, &reading, Some("ckme"), &["alias@example.com".to_owned()]);
        let mut plan = Plan::default();
        pruning.conclude(&mut plan);
        plan.items.into_iter().map(|extra| extra.decision).collect()
    }

    #[test]
    fn who_is_there_by_other_ways_or_protected_or_the_caller_never_goes() {
        let table = [
            (stranger("ana", Grounds::OwnRole), Decision::Change(REMOVAL)),
            (stranger("ana", Grounds::Elsewhere), Decision::Keep(Reason::ViaTeam)),
            (stranger("ana", Grounds::Hidden), Decision::Keep(Reason::RolesHidden)),
            (stranger("me", Grounds::OwnRole), held(Guard::Caller)),
            (stranger("alias", Grounds::OwnRole), held(Guard::Caller)),
            (stranger("bot-7", Grounds::OwnRole), Decision::Keep(Reason::Protected(REMOVAL))),
        ];
        for (person, decision) in table {
            assert_eq!(stays(true, InvitesSeen::Yes, vec![person.clone()]), [decision], "{person:?}");
        }
    }

    #[test]
    fn nobody_goes_where_the_file_or_the_reading_is_not_whole() {
        let people = || vec![stranger("ana", Grounds::OwnRole), stranger("ben", Grounds::OwnRole)];
        assert_eq!(
            stays(false, InvitesSeen::Yes, people()),
            [(); 2].map(|()| Decision::Keep(Reason::UnsureRoster))
        );
        assert_eq!(stays(true, InvitesSeen::Refused, people()), [(); 2].map(|()| held(Guard::Incomplete)));
        assert_eq!(
            stays_beside(true, InvitesSeen::Yes, people(), 1),
            [(); 2].map(|()| held(Guard::Incomplete))
        );
        assert_eq!(
            stays_beside(false, InvitesSeen::Yes, people(), 1),
            [(); 2].map(|()| held(Guard::Incomplete))
        );
    }

    #[test]
    fn every_row_says_who_belongs_where_whatever_becomes_of_it() {
        let settings = Settings { skip_invalid: true, ..Settings::default() };
        let text = "a@x.org,viewer,A\na@x.org,viewer,A\nb@x.org,viewer,B\nb@x.org,admin,B\nc@x.org,none,C\nd@x.org,viewer,D\n";
        let roster = roster(text, &settings);
        let places = [0, 1, 2].map(Whereabouts::Place);
        let belonging = Belonging::new(&roster, &[&places[..], &[Whereabouts::Elsewhere]].concat(), 3);
        let named: Vec<usize> = belonging.named.iter().map(Vec::len).collect();
        assert_eq!(named[0], 2, "also a row that says the same again");
        assert_eq!(belonging.is_sure, [true, false, false], "opposed rows and a bad role");
        let belonging = Belonging::new(&roster, &[places[0], places[1], Whereabouts::Anywhere, places[2]], 3);
        assert_eq!(belonging.is_sure, [false; 3], "nobody knows which workspace the bad row means");
    }
}
