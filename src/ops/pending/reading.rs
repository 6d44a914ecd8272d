//! What Houston has now of the items of a phase.
//!
//! Main types: [`Reader`], which asks, and [`Sights`], what it shows of one workspace. It decides nothing.

use std::collections::HashMap;

use super::Share;
use super::item::{About, PendingItem};
use crate::event::Event;
use crate::houston::Fault;
use crate::model::{Emails, WorkspaceId};
use crate::ops::session::Session;
use crate::outcome::Cause;
use crate::plan::guard::Bars;
use crate::plan::protect::Protect;
use crate::plan::{Account, Membership};
use crate::present::grants::{Asked, Found};
use crate::present::members::Reading;
use crate::present::survey::{Progress, Task};

/// Who is neither removed nor demoted, as of now.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'k> {
    /// The ids of the token's own user; several if the token was replaced.
    pub callers: &'k [String],
    /// The patterns of `--protect`.
    pub protect: &'k Protect,
}

/// What Houston has of the items in one workspace.
#[derive(Debug)]
pub(super) struct Sights {
    /// Of each item, in their order.
    pub items: Vec<Sight>,
    /// The items that are about one person under several addresses, by index.
    pub shared: Vec<Vec<usize>>,
    /// Why absence cannot be proved, if it cannot.
    pub doubt: Option<Cause>,
    /// How many members and pending invitations there are, if they were counted.
    pub people: Option<u64>,
}

/// What Houston has of one item.
#[derive(Debug)]
pub(super) struct Sight {
    /// The membership.
    pub seen: Membership,
    /// What keeps the person from being removed or demoted.
    pub bars: Bars,
    /// The user, where a role in a deployment was read.
    pub user: Option<User>,
}

/// A user as Houston knows them.
#[derive(Debug)]
pub(super) struct User {
    /// The id.
    pub id: String,
    /// The address in Houston's spelling.
    pub address: String,
}

/// Reads the workspaces of a phase.
pub(super) struct Reader<'r> {
    /// Who answers.
    pub session: &'r Session,
    /// Who is kept.
    pub kept: &'r Kept<'r>,
    /// The addresses, by item.
    pub emails: &'r Emails,
}

impl Reader<'_> {
    /// The people of rows.
    pub fn members(
        &self,
        shares: &[Share],
        announce: &mut dyn FnMut(&Event<'_>),
    ) -> Vec<Result<Sights, Fault>> {
        let tasks: Vec<Task<'_>> =
            shares.iter().map(|share| Task::new(&share.workspace, &share.ids)).collect();
        let readings = self.reading(announce, tasks.len(), |progress| {
            self.session.survey(self.emails).protecting(self.kept.protect).read(&tasks, progress)
        });
        each(shares, readings, |share, reading| self.sights_of_members(share, &reading))
    }

    fn sights_of_members(&self, share: &Share, reading: &Reading) -> Sights {
        let caller = self.session.caller_names(reading);
        let sight = |(item, &seen): (&PendingItem, &Membership)| {
            let email = self.emails.get(item.item);
            let bars = Bars {
                is_protected: self.kept.protect.covers([email])
                    || reading.protected.iter().any(|name| name == email),
                is_caller: caller.iter().any(|name| name == email),
                is_incomplete: false,
            };
            Sight { seen, bars, user: None }
        };
        let items = share.items.iter().zip(&reading.memberships).map(sight).collect();
        let shared = reading.shared.clone();
        Sights { items, shared, doubt: reading.cause_of_doubt(), people: None }
    }

    /// Roles in deployments.
    pub fn deployments(
        &self,
        shares: &[Share],
        announce: &mut dyn FnMut(&Event<'_>),
    ) -> Vec<Result<Sights, Fault>> {
        let tasks: Vec<_> = shares.iter().map(|share| (&share.workspace, self.asked(share))).collect();
        let readings = self.reading(announce, tasks.len(), |progress| {
            self.session.survey(self.emails).read_grants(&tasks, progress)
        });
        each(shares, readings, |share, found| {
            let items = share.items.iter().zip(found).map(|(item, found)| self.sight_of_role(item, found));
            Sights { items: items.collect(), shared: Vec::new(), doubt: None, people: None }
        })
    }

    fn asked<'s>(&'s self, share: &'s Share) -> Vec<Asked<'s>> {
        let asked = |item: &'s PendingItem| match &item.about {
            About::Deployment { name, .. } => {
                Some(Asked { email: self.emails.get(item.item), deployment: name })
            }
            About::Row | About::Extra(_) => None,
        };
        share.items.iter().filter_map(asked).collect()
    }

    /// A change that an earlier leg has begun is not held back.
    fn sight_of_role(&self, item: &PendingItem, found: Option<Found>) -> Sight {
        let seen = found.as_ref().map_or_else(|| item.unlisted(), |found| found.seen);
        let address = found.as_ref().map(|found| found.address.to_lowercase());
        let names = address.as_deref().into_iter().chain([self.emails.get(item.item)]);
        let is_protected = item.earlier.is_none() && self.kept.protect.covers(names);
        let bars = Bars { is_protected, ..Bars::default() };
        Sight { seen, bars, user: found.map(|Found { id, address, .. }| User { id, address }) }
    }

    /// People who are not in the roster.
    pub fn removals(
        &self,
        shares: &[Share],
        announce: &mut dyn FnMut(&Event<'_>),
    ) -> Vec<Result<Sights, Fault>> {
        let tasks: Vec<_> = shares
            .iter()
            .map(|share| (&share.workspace, share.items.iter().filter_map(account).collect()))
            .collect();
        let readings = self.reading(announce, tasks.len(), |progress| {
            self.session.survey(self.emails).read_accounts(&tasks, progress)
        });
        each(shares, readings, |share, reading| self.sights_of_removals(share, &reading))
    }

    fn sights_of_removals(&self, share: &Share, reading: &Reading) -> Sights {
        let sight = |(at, item): (usize, &PendingItem)| {
            let planned = self.emails.get(item.item).to_lowercase();
            let names = reading.names.get(at).into_iter().flatten().map(String::as_str);
            let is_caller = |account: &Account| match account {
                Account::User(id) => self.kept.callers.contains(id),
                Account::Invite(_) => false,
            };
            let bars = Bars {
                is_protected: self.kept.protect.covers(names.chain([planned.as_str()])),
                is_caller: account(item).is_some_and(is_caller),
                is_incomplete: reading.hidden > 0,
            };
            Sight { seen: reading.memberships[at], bars, user: None }
        };
        let items = share.items.iter().enumerate().map(sight).collect();
        Sights { items, shared: Vec::new(), doubt: None, people: Some(reading.strangers.in_all) }
    }

    /// How many members and pending invitations these workspaces have, where they can be read.
    pub fn people(
        &self,
        workspaces: &[&WorkspaceId],
        announce: &mut dyn FnMut(&Event<'_>),
    ) -> HashMap<WorkspaceId, u64> {
        let tasks: Vec<(&WorkspaceId, Vec<&Account>)> =
            workspaces.iter().map(|&id| (id, Vec::new())).collect();
        if tasks.is_empty() {
            return HashMap::new();
        }
        let readings = self.reading(announce, tasks.len(), |progress| {
            self.session.survey(self.emails).read_accounts(&tasks, progress)
        });
        let read = workspaces.iter().zip(readings);
        read.filter_map(|(&id, reading)| Some((id.clone(), reading.ok()?.strangers.in_all))).collect()
    }

    /// Reads so many workspaces, and announces how far that has come.
    fn reading<T>(
        &self,
        announce: &mut dyn FnMut(&Event<'_>),
        workspaces: usize,
        read: impl FnOnce(&mut dyn FnMut(Progress)) -> T,
    ) -> T {
        let workspaces = workspaces as u64;
        announce(&Event::ReadingStarted { workspaces });
        let read = read(&mut |step| {
            announce(&match step {
                Progress::Read(done) => Event::WorkspaceRead { done: done as u64, workspaces },
                Progress::Tick => self.session.tick(),
            });
        });
        announce(&Event::ReadingFinished);
        read
    }
}

/// What each reading shows of the items of its workspace.
fn each<T>(
    shares: &[Share],
    readings: Vec<Result<T, Fault>>,
    sights: impl Fn(&Share, T) -> Sights,
) -> Vec<Result<Sights, Fault>> {
    let pairs = shares.iter().zip(readings);
    pairs.map(|(share, reading)| reading.map(|reading| sights(share, reading))).collect()
}

fn account(item: &PendingItem) -> Option<&Account> {
    match &item.about {
        About::Extra(account) => Some(account),
        About::Row | About::Deployment { .. } => None,
    }
}
