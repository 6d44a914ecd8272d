//! Keeps what is wanted from the members and invitations of a workspace as they stream by.
//!
//! Main type: [`Collectors`], which a walk feeds, so that one reading of the lists serves them all. They
//! ask for nothing.

use std::collections::HashSet;

use foldhash::fast::FixedState;

use super::grants::Grants;
use super::strangers::{Accounts, StrangerSearch, names, standing};
use crate::houston::{Fault, Invite, Parts, Person};
use crate::model::{Level, email_key};
use crate::plan::Standing;
use crate::plan::census::Members;
use crate::plan::compare::{Comparison, Member};
use crate::plan::protect::Protect;

/// Which other people a reading looks for, and what it keeps of them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Care<'c> {
    /// The user with this id, who is the caller: all their names.
    pub caller: Option<&'c str>,
    /// Wanted people who match these patterns: all their names.
    pub protect: Option<&'c Protect>,
    /// Whether the admins are kept, where the list is read to its end anyway.
    pub admins: bool,
    /// Wanted people who have several addresses: all of them.
    pub aliases: bool,
}

/// What a walk feeds: each collector as far as it is wanted.
#[derive(Debug)]
pub(super) struct Collectors<'a> {
    /// Certain people by address.
    pub(super) memberships: Memberships<'a>,
    /// People who are not in the roster.
    pub(super) strangers: Option<StrangerSearch<'a>>,
    /// Certain people and invitations by id.
    pub(super) accounts: Option<Accounts<'a>>,
    /// Certain people's roles in deployments.
    pub(super) grants: Option<Grants<'a>>,
    /// The admins.
    pub(super) admins: Option<Admins>,
    /// How many people there are.
    pub(super) headcount: Headcount<'a>,
    /// All people as they are.
    pub(super) everyone: Option<Everyone>,
    /// Whether the list of members is read to its end whatever is found.
    pub(super) to_the_end: bool,
    /// Whether invitations are read too.
    pub(super) invites: bool,
    /// Members and invitations whose addresses are not shown.
    pub(super) hidden: u64,
    /// Entries without an identity, not even an id; they are among the hidden ones.
    pub(super) unread: u64,
}

impl<'a> Collectors<'a> {
    /// Looks for the people with these addresses, and nothing else.
    pub(super) fn new(wanted: impl IntoIterator<Item = &'a str>, care: Care<'a>) -> Self {
        Self {
            memberships: Memberships::new(wanted, care),
            strangers: None,
            accounts: None,
            grants: None,
            admins: care.admins.then(Admins::default),
            headcount: Headcount::default(),
            everyone: None,
            to_the_end: false,
            invites: true,
            hidden: 0,
            unread: 0,
        }
    }

    /// What has to be asked for. Deployment roles only where they matter: a removed person loses
    /// them, and an undo may have to restore them.
    pub(super) fn parts(&self) -> Parts {
        let deployments = self.strangers.is_some() || self.grants.is_some() || self.everyone.is_some();
        Parts { invites: self.invites, deployments }
    }

    /// Whether the list of members has to be read to its end.
    pub(super) fn read_all(&self) -> bool {
        self.to_the_end
            || self.strangers.is_some()
            || self.accounts.is_some()
            || self.grants.is_some()
            || self.everyone.is_some()
    }

    /// Whether nothing more can be learned by reading on.
    pub(super) fn have_all(&self) -> bool {
        !self.read_all() && self.memberships.comparison.all_met()
    }

    /// Whether these names may keep an entry of the list, so that its length counts.
    pub(super) fn keep_people(&self) -> bool {
        self.strangers.is_some() || self.everyone.is_some()
    }

    /// Takes in a member who was not met before.
    pub(super) fn meet(&mut self, person: Person) -> Result<(), Fault> {
        self.hidden += u64::from(person.hides_addresses);
        let is_wanted = self.memberships.meet(&person)?;
        self.headcount.meet(&person, is_wanted);
        if let Some(strangers) = &mut self.strangers {
            strangers.meet(&person);
        }
        if let Some(accounts) = &mut self.accounts {
            accounts.meet(&person);
        }
        if let Some(grants) = &mut self.grants {
            grants.meet(&person);
        }
        if let Some(admins) = &mut self.admins {
            admins.meet(&person);
        }
        if let Some(everyone) = &mut self.everyone {
            everyone.people.push(person);
        }
        Ok(())
    }

    /// Takes in a person who may be none of the list.
    pub(super) fn meet_beside_the_list(&mut self, person: &Person) -> Result<(), Fault> {
        self.hidden += u64::from(person.hides_addresses);
        self.memberships.meet(person).map(|_| ())
    }

    /// Takes in a pending invitation.
    pub(super) fn meet_invite(&mut self, invite: Invite) {
        self.hidden += u64::from(invite.email.is_none());
        let is_wanted = self.memberships.meet_invite(&invite);
        self.headcount.meet_invite(&invite, is_wanted);
        if let Some(strangers) = &mut self.strangers {
            strangers.meet_invite(&invite);
        }
        if let Some(accounts) = &mut self.accounts {
            accounts.meet_invite(&invite);
        }
        if let Some(everyone) = &mut self.everyone {
            everyone.invites.push(invite);
        }
    }

    /// Records entries without an identity: each may be any person.
    pub(super) fn pass_over(&mut self, unread: usize) {
        self.hidden += unread as u64;
        self.unread += unread as u64;
    }

    /// Passes if every entry of the lists could be read.
    pub(super) fn refuse_unread(&self) -> Result<(), Fault> {
        if self.unread == 0 {
            return Ok(());
        }
        Err(Fault::Malformed { text: "the member list has entries without an id or an address".to_owned() })
    }
}

/// What a workspace has of certain people.
#[derive(Debug)]
pub(super) struct Memberships<'a> {
    pub(super) comparison: Comparison<'a>,
    care: Care<'a>,
    /// All names of the caller, once they were met.
    pub(super) caller: Vec<String>,
    /// All names of wanted people who are protected.
    pub(super) protected: Vec<String>,
    /// All addresses of wanted people who have several, person by person.
    pub(super) aliases: Vec<Vec<String>>,
}

impl<'a> Memberships<'a> {
    fn new(wanted: impl IntoIterator<Item = &'a str>, care: Care<'a>) -> Self {
        Self {
            comparison: Comparison::new(wanted),
            care,
            caller: Vec::new(),
            protected: Vec::new(),
            aliases: Vec::new(),
        }
    }

    /// Gives whether the person is one of those.
    fn meet(&mut self, person: &Person) -> Result<bool, Fault> {
        let username = person.username.as_deref();
        let is_wanted = self.comparison.wants(&person.addresses, username);
        if person.hides_roles && is_wanted {
            // A member of a kind; adding them again might bind them twice.
            let name = person.addresses.first().map_or("a member", String::as_str);
            return Err(Fault::Malformed {
                text: format!("the member list does not show the roles of {name}"),
            });
        }
        if self.care.caller == Some(person.id.as_str()) {
            self.caller.extend(names(person).map(str::to_owned));
        }
        // Asked of everyone, so that a pattern that matches is known to match.
        if self.care.protect.is_some_and(|protect| protect.covers(names(person))) && is_wanted {
            self.protected.extend(names(person).map(|name| email_key(name).into_owned()));
        }
        if self.care.aliases && is_wanted {
            let addresses = names(person).filter(|name| name.contains('@'));
            let mut addresses: Vec<String> = addresses.map(|name| email_key(name).into_owned()).collect();
            addresses.sort_unstable();
            addresses.dedup();
            self.aliases.extend(Some(addresses).filter(|addresses| addresses.len() > 1));
        }
        self.comparison.meet_member(&Member {
            addresses: &person.addresses,
            username,
            standing: standing(person),
            roles: &person.bindings,
        });
        Ok(is_wanted)
    }

    /// Gives whether it is for one of those.
    fn meet_invite(&mut self, invite: &Invite) -> bool {
        let Some(email) = &invite.email else { return false };
        self.comparison.meet_invite(email, invite.role);
        self.care.protect.map(|protect| protect.covers([email.as_str()]));
        self.comparison.wants(&[], Some(email))
    }
}

/// How many people there are on the lists, as far as they are read.
#[derive(Debug, Default)]
pub(super) struct Headcount<'a> {
    /// Whom the roster names beside the wanted people.
    pub(super) others: HashSet<&'a str, FixedState>,
    pub(super) members: Members,
    pub(super) invitations: u64,
    /// Members and invitations whom the roster does not name.
    pub(super) unnamed: u64,
}

impl Headcount<'_> {
    fn meet(&mut self, person: &Person, is_wanted: bool) {
        self.members.count(&person.bindings);
        self.unnamed += u64::from(!is_wanted && !names(person).any(|name| self.names(name)));
    }

    fn meet_invite(&mut self, invite: &Invite, is_wanted: bool) {
        self.invitations += 1;
        let is_named = || invite.email.as_deref().is_some_and(|email| self.names(email));
        self.unnamed += u64::from(!is_wanted && !is_named());
    }

    fn names(&self, name: &str) -> bool {
        !self.others.is_empty() && self.others.contains(&*email_key(name))
    }
}

/// The admins of a workspace who can act: without those who have never signed in. Of several roles of one
/// person Houston counts the first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admins {
    /// All names of each, as addresses are compared.
    names: Vec<Vec<String>>,
}

impl Admins {
    fn meet(&mut self, person: &Person) {
        let is_admin = person.bindings.first() == Some(&Level::Admin);
        if is_admin && standing(person) == Standing::Active {
            self.names.push(names(person).map(|name| email_key(name).into_owned()).collect());
        }
    }

    /// How many are none of these people, whose addresses are as they are compared.
    pub fn other_than<'p>(&self, people: impl IntoIterator<Item = &'p str>) -> usize {
        let people: HashSet<&str, FixedState> = people.into_iter().collect();
        let is_other = |names: &&Vec<String>| !names.iter().any(|name| people.contains(name.as_str()));
        self.names.iter().filter(is_other).count()
    }
}

/// All people on the lists, as they are.
#[derive(Debug, Default)]
pub(super) struct Everyone {
    /// The members, in the server's order, each once.
    pub(super) people: Vec<Person>,
    /// The pending invitations.
    pub(super) invites: Vec<Invite>,
}
