//! What is kept of a list of members and invitations beside the people who were asked for: those
//! whom no row names, or those with certain ids.
//!
//! Main type: [`Strangers`]. Pure; the pages are turned by `walk`.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;

use crate::houston::{Grounds, Invite, Person, UserStatus};
use crate::model::{Role, Scope, email_key};
use crate::plan::{Account, Membership, Standing};

/// A person on a list whom no row names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// All addresses and the user name, the first address first; the id if it has none of them.
    pub names: Vec<String>,
    /// What Houston knows them by.
    pub account: Account,
    /// Their membership; [`Membership::Absent`] for a member without a role of their own.
    pub seen: Membership,
    /// What makes them a member; own roles for an invitation.
    pub grounds: Grounds,
    /// Their roles in deployments of the workspace, as far as they are reported, by release name.
    pub deployment_roles: Vec<(String, Role)>,
}

/// All people on a list whom no row names, and how many people it has in all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strangers {
    /// Those whom no row names, in the order of the lists.
    pub people: Vec<Stranger>,
    /// Members with a role of their own, and pending invitations, named or not.
    pub in_all: u64,
}

/// The search for people who answer to none of certain names.
#[derive(Debug)]
pub(super) struct StrangerSearch<'w> {
    named: HashSet<&'w str, FixedState>,
    found: Strangers,
}

impl<'w> StrangerSearch<'w> {
    pub(super) fn new(named: HashSet<&'w str, FixedState>) -> Self {
        Self { named, found: Strangers::default() }
    }

    pub(super) fn meet(&mut self, person: &Person) {
        self.found.in_all += u64::from(counts(person));
        if !names(person).any(|name| self.names(name)) {
            self.found.people.push(Stranger::from(person));
        }
    }

    pub(super) fn meet_invite(&mut self, invite: &Invite) {
        self.found.in_all += 1;
        if !invite.email.as_deref().is_some_and(|email| self.names(email)) {
            self.found.people.push(Stranger::from(invite));
        }
    }

    fn names(&self, name: &str) -> bool {
        self.named.contains(&*email_key(name))
    }

    pub(super) fn found(self) -> Strangers {
        self.found
    }
}

/// The search for people and invitations with certain ids.
#[derive(Debug, Default)]
pub(super) struct Accounts<'w> {
    known: HashMap<&'w Account, Known, FixedState>,
    /// Members with a role of their own, and pending invitations, looked for or not.
    pub(super) in_all: u64,
}

/// What was seen of a person who was looked up by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) seen: Membership,
    pub(super) names: Vec<String>,
}

impl Default for Known {
    fn default() -> Self {
        Self { seen: Membership::Absent, names: Vec::new() }
    }
}

impl<'w> Accounts<'w> {
    pub(super) fn new(accounts: &[&'w Account]) -> Self {
        Self { known: accounts.iter().map(|&account| (account, Known::default())).collect(), in_all: 0 }
    }

    pub(super) fn meet(&mut self, person: &Person) {
        self.in_all += u64::from(counts(person));
        if let Some(known) = self.known.get_mut(&Account::User(person.id.clone())) {
            let names = names(person).map(str::to_owned).collect();
            *known = Known { seen: membership(person), names };
        }
    }

    pub(super) fn meet_invite(&mut self, invite: &Invite) {
        self.in_all += 1;
        if let Some(known) = self.known.get_mut(&Account::Invite(invite.id.clone())) {
            let seen = Membership::Invited { role: invite.role, invites: 1 };
            *known = Known { seen, names: invite.email.iter().cloned().collect() };
        }
    }

    /// What was seen of these, in their order.
    pub(super) fn found(&self, accounts: &[&Account]) -> Vec<Known> {
        accounts.iter().map(|account| self.known.get(account).cloned().unwrap_or_default()).collect()
    }

    /// Whether invitations have to be read.
    pub(super) fn want_invites(&self) -> bool {
        self.known.keys().any(|account| matches!(account, Account::Invite(_)))
    }
}

/// Whether a person on the list counts among its people; access through a Team alone does
/// not count.
fn counts(person: &Person) -> bool {
    !person.bindings.is_empty() || person.hides_roles
}

/// All addresses and the user name.
pub(super) fn names(person: &Person) -> impl Iterator<Item = &str> {
    person.addresses.iter().chain(&person.username).map(String::as_str)
}

fn deployment_roles(person: &Person) -> Vec<(String, Role)> {
    let roles = person.deployment_roles.iter().flatten();
    let known = |name: &str| Role::from_name(name).filter(|role| role.scope == Scope::Deployment);
    roles.filter_map(|one| Some((one.release_name.clone(), known(&one.role)?))).collect()
}

/// Whether a person can act in a workspace.
pub(super) fn standing(person: &Person) -> Standing {
    match person.status {
        UserStatus::Active => Standing::Active,
        UserStatus::Pending => Standing::Pending,
        UserStatus::Disabled => Standing::Disabled,
    }
}

fn membership(person: &Person) -> Membership {
    let standing = standing(person);
    // Of several roles the first counts, as for Houston: it is what the person can do.
    person.bindings.first().map_or(Membership::Absent, |&role| {
        let bindings = u8::try_from(person.bindings.len()).unwrap_or(u8::MAX);
        Membership::Member { role, bindings, standing }
    })
}

impl From<&Person> for Stranger {
    fn from(person: &Person) -> Self {
        let mut all: Vec<String> = names(person).map(str::to_owned).collect();
        if all.is_empty() {
            all.push(person.id.clone());
        }
        Self {
            names: all,
            account: Account::User(person.id.clone()),
            seen: membership(person),
            grounds: person.grounds(),
            deployment_roles: deployment_roles(person),
        }
    }
}

impl From<&Invite> for Stranger {
    fn from(invite: &Invite) -> Self {
        Self {
            names: vec![invite.email.clone().unwrap_or_else(|| invite.id.clone())],
            account: Account::Invite(invite.id.clone()),
            seen: Membership::Invited { role: invite.role, invites: 1 },
            grounds: Grounds::OwnRole,
            deployment_roles: Vec::new(),
        }
    }
}
