//! Finds many people in what Houston has, in one pass over it: members and invitations stream by,
//! only what concerns a wanted person is kept.
//!
//! Main type: [`Comparison`]. Pure; it never asks for anything itself.

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::{Decision, Membership, RolePolicy, Standing, decide};
use crate::model::{Emails, ItemId, Level, Scope, email_key};

/// The addresses of wanted people as they are compared ([`email_key`]); they are distinct.
#[derive(Debug, Clone)]
pub enum Addresses<'a> {
    /// These.
    Listed(Vec<&'a str>),
    /// Those of these rows. Many workspaces are compared at a time, each with thousands of people: their
    /// addresses are not listed once more.
    OfRows(&'a Emails, &'a [ItemId]),
}

impl<'a> Addresses<'a> {
    fn len(&self) -> usize {
        match self {
            Self::Listed(addresses) => addresses.len(),
            Self::OfRows(_, rows) => rows.len(),
        }
    }

    fn get(&self, place: usize) -> &'a str {
        match self {
            Self::Listed(addresses) => addresses[place],
            Self::OfRows(emails, rows) => emails.get(rows[place]),
        }
    }
}

impl Default for Addresses<'_> {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl<'a> FromIterator<&'a str> for Addresses<'a> {
    fn from_iter<I: IntoIterator<Item = &'a str>>(addresses: I) -> Self {
        Self::Listed(addresses.into_iter().collect())
    }
}

/// A user as a member list shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member<'a> {
    /// All addresses, in the form of [`crate::model::normalize_email`].
    pub addresses: &'a [String],
    /// The user name, in the same form; often the address.
    pub username: Option<&'a str>,
    /// Whether they ever signed in.
    pub standing: Standing,
    /// Their direct roles in this workspace, in Houston's order; none for members by other ways.
    pub roles: &'a [Level],
}

/// What has been seen of one wanted person so far.
#[derive(Debug, Clone, Copy, Default)]
struct Sighting {
    member: Option<(Level, Standing)>,
    bindings: u8,
    /// A user name matched, not an address: an address match replaces it.
    by_username: bool,
    /// The role of the first invitation, if Houston reports it.
    invited_as: Option<Level>,
    invites: u8,
}

/// Wanted people of one workspace, and what has been seen of them.
#[derive(Debug)]
pub struct Comparison<'a> {
    wanted: Addresses<'a>,
    /// Which of the wanted people has an address.
    places: HashTable<u32>,
    sightings: Vec<Sighting>,
    met: usize,
    /// Wanted addresses that one member answers to; rare.
    shared: Vec<Shared>,
}

/// Two wanted addresses that one member answers to.
#[derive(Debug, Clone, Copy)]
struct Shared {
    first: usize,
    other: usize,
    /// The other one is the user name: it counts only if no other member has it for an address.
    by_username: bool,
}

impl<'a> Comparison<'a> {
    /// Starts with the wanted people; answers come in their order.
    pub fn new(wanted: Addresses<'a>) -> Self {
        let hash_of = |place: u32| hash(wanted.get(place as usize));
        let mut places = HashTable::with_capacity(wanted.len());
        for place in (0..).take(wanted.len()) {
            places.insert_unique(hash_of(place), place, |&place| hash_of(place));
        }
        Self {
            sightings: vec![Sighting::default(); wanted.len()],
            wanted,
            places,
            met: 0,
            shared: Vec::new(),
        }
    }

    /// Takes note of a member. Users match by address first, by user name only where no user
    /// with that address is a member.
    pub fn meet_member(&mut self, member: &Member<'_>) {
        let Some(&role) = member.roles.first() else { return };
        let bindings = u8::try_from(member.roles.len()).unwrap_or(u8::MAX);
        let (begin, mut first) = (self.shared.len(), None);
        let addresses = member.addresses.iter().map(|address| (address.as_str(), false));
        for (name, by_username) in addresses.chain(member.username.map(|name| (name, true))) {
            let Some(other) = self.place(name) else { continue };
            let is_known = self.shared[begin..].iter().any(|shared| shared.other == other);
            match first {
                None => first = Some(other),
                Some(first) if first == other || is_known => continue,
                Some(first) => self.shared.push(Shared { first, other, by_username }),
            }
            self.note_member(other, role, member.standing, bindings, by_username);
        }
    }

    /// The wanted addresses that belong to one person, as indices in ascending order, person by person.
    pub fn shared(&self) -> Vec<Vec<usize>> {
        let counts = |shared: &&Shared| !shared.by_username || self.sightings[shared.other].by_username;
        let shared: Vec<Shared> = self.shared.iter().filter(counts).copied().collect();
        let people = shared.chunk_by(|a, b| a.first == b.first);
        let person = |shared: &[Shared]| {
            let mut all: Vec<usize> = shared.iter().map(|shared| shared.other).collect();
            all.push(shared[0].first);
            all.sort_unstable();
            all
        };
        people.map(person).collect()
    }

    /// Whether a person with these addresses or this user name is wanted.
    pub fn wants(&self, addresses: &[String], username: Option<&str>) -> bool {
        let mut names = addresses.iter().map(String::as_str).chain(username);
        names.any(|name| self.place(name).is_some())
    }

    /// Takes note of a pending invitation; `email` in the form of [`crate::model::normalize_email`].
    pub fn meet_invite(&mut self, email: &str, role: Option<Level>) {
        let Some(place) = self.place(email) else { return };
        let sighting = &mut self.sightings[place];
        self.met += usize::from(!sighting.is_met());
        if sighting.invites == 0 {
            sighting.invited_as = role;
        }
        sighting.invites = sighting.invites.saturating_add(1);
    }

    fn place(&self, name: &str) -> Option<usize> {
        let email = email_key(name);
        let is_theirs = |&place: &u32| self.wanted.get(place as usize) == email;
        self.places.find(hash(&email), is_theirs).map(|&place| place as usize)
    }

    fn note_member(
        &mut self,
        place: usize,
        role: Level,
        standing: Standing,
        bindings: u8,
        by_username: bool,
    ) {
        let sighting = &mut self.sightings[place];
        self.met += usize::from(!sighting.is_met());
        match sighting.member {
            Some(_) if by_username && !sighting.by_username => return,
            Some(_) if by_username == sighting.by_username => {
                sighting.bindings = sighting.bindings.saturating_add(bindings);
                return;
            }
            Some(_) | None => {}
        }
        sighting.member = Some((role, standing));
        sighting.bindings = bindings;
        sighting.by_username = by_username;
    }

    /// Whether every wanted person has been seen: nothing further can be learned by reading on.
    pub fn all_met(&self) -> bool {
        self.met == self.sightings.len()
    }

    /// How many people are wanted.
    pub fn len(&self) -> usize {
        self.sightings.len()
    }

    /// Whether no one is wanted.
    pub fn is_empty(&self) -> bool {
        self.sightings.is_empty()
    }

    /// How many wanted people have not been seen yet.
    pub fn missing(&self) -> usize {
        self.sightings.len() - self.met
    }

    /// The wanted people who have not been seen yet.
    pub fn unmet(&self) -> impl Iterator<Item = &'a str> {
        let unmet = self.sightings.iter().enumerate().filter(|(_, sighting)| !sighting.is_met());
        unmet.map(|(place, _)| self.wanted.get(place))
    }

    /// What was seen of each wanted person, in the order in which they were given. A person who was
    /// not seen is reported as absent, so the caller must have read everything or have met all.
    pub fn memberships(&self) -> impl Iterator<Item = Membership> {
        self.sightings.iter().map(|sighting| sighting.membership())
    }
}

fn hash(email: &str) -> u64 {
    FixedState::default().hash_one(email)
}

impl Sighting {
    fn is_met(self) -> bool {
        self.member.is_some() || self.invites > 0
    }

    fn membership(self) -> Membership {
        match self.member {
            Some((role, standing)) => Membership::Member { role, bindings: self.bindings, standing },
            None if self.invites > 0 => Membership::Invited { role: self.invited_as, invites: self.invites },
            None => Membership::Absent,
        }
    }
}

/// Wanted against present: what was seen and what follows, in the order of the wishes.
pub fn diff<'a, 'b>(
    wanted: &[(&'a str, Level)],
    members: impl Iterator<Item = Member<'b>>,
    invites: impl Iterator<Item = (&'b str, Option<Level>)>,
    policy: RolePolicy,
) -> Vec<(Membership, Decision)> {
    let mut comparison = Comparison::new(wanted.iter().map(|(email, _)| *email).collect());
    members.for_each(|member| comparison.meet_member(&member));
    invites.for_each(|(email, role)| comparison.meet_invite(email, role));
    let roles = wanted.iter().map(|(_, role)| *role);
    comparison
        .memberships()
        .zip(roles)
        .map(|(seen, role)| (seen, decide(Scope::Workspace, role, seen, policy)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Level::{Admin, Editor, Viewer};

    fn seen(
        members: &[(&[&str], Option<&str>, &[Level])],
        invites: &[(&str, Level)],
        wanted: &str,
    ) -> Membership {
        let mut comparison = Comparison::new(Addresses::Listed(vec![wanted]));
        for (addresses, username, roles) in members {
            let addresses: Vec<String> = addresses.iter().map(|&a| a.to_owned()).collect();
            comparison.meet_member(&Member {
                addresses: &addresses,
                username: *username,
                standing: Standing::Active,
                roles,
            });
        }
        invites.iter().for_each(|(email, role)| comparison.meet_invite(email, Some(*role)));
        comparison.memberships().next().expect("one wanted")
    }

    fn member(role: Level, bindings: u8) -> Membership {
        Membership::Member { role, bindings, standing: Standing::Active }
    }

    #[test]
    fn addresses_of_one_person_are_known_to_be_shared() {
        let shared = |members: &[(&[&str], Option<&str>)], wanted: &[&str]| {
            let mut comparison = Comparison::new(wanted.iter().copied().collect());
            for (addresses, username) in members {
                let addresses: Vec<String> = addresses.iter().map(|&a| a.to_owned()).collect();
                let standing = Standing::Active;
                comparison.meet_member(&Member {
                    addresses: &addresses,
                    username: *username,
                    standing,
                    roles: &[Viewer],
                });
            }
            let bindings = |seen| matches!(seen, Membership::Member { bindings: 2.., .. });
            assert!(!comparison.memberships().any(bindings), "nobody is bound twice");
            comparison.shared()
        };
        let (one, by_name): ((&[&str], _), (&[&str], _)) =
            ((&["b@x", "a@x", "a@x", "c@x"], Some("a@x")), (&["a@x"], Some("b@x")));
        assert_eq!(shared(&[one], &["a@x", "other@x", "b@x"]), [[0, 2]]);
        assert_eq!(shared(&[one], &["a@x", "b@x", "c@x"]), [[0, 1, 2]]);
        assert_eq!(shared(&[one], &["c@x", "other@x"]), [[0; 0]; 0]);
        assert_eq!(shared(&[by_name], &["a@x", "b@x"]), [[0, 1]]);
        let owner: (&[&str], _) = (&["b@x"], None);
        for members in [[by_name, owner], [owner, by_name]] {
            assert_eq!(shared(&members, &["a@x", "b@x"]), [[0; 0]; 0], "the address of another person");
        }
    }

    #[test]
    fn an_address_match_beats_a_user_name_match_in_any_order() {
        let by_name: (&[&str], _, &[Level]) = (&["other@example.com"], Some("a@example.com"), &[Viewer]);
        let by_address: (&[&str], _, &[Level]) = (&["a@example.com"], Some("x"), &[Admin]);
        assert_eq!(seen(&[by_name], &[], "a@example.com"), member(Viewer, 1));
        assert_eq!(seen(&[by_name, by_address], &[], "a@example.com"), member(Admin, 1));
        assert_eq!(seen(&[by_address, by_name], &[], "a@example.com"), member(Admin, 1));
    }

    #[test]
    fn one_user_whose_name_is_the_address_counts_once() {
        let user: (&[&str], _, &[Level]) = (&["a@example.com"], Some("a@example.com"), &[Editor]);
        assert_eq!(seen(&[user], &[], "a@example.com"), member(Editor, 1));
    }

    #[test]
    fn bindings_of_one_user_and_of_two_users_with_one_address_add_up() {
        let twice: (&[&str], _, &[Level]) = (&["a@example.com"], None, &[Editor, Viewer]);
        assert_eq!(seen(&[twice], &[], "a@example.com"), member(Editor, 2));
        let once: (&[&str], _, &[Level]) = (&["a@example.com"], None, &[Viewer]);
        assert!(seen(&[once, once], &[], "a@example.com").is_doubled());
    }

    #[test]
    fn a_member_without_a_role_of_their_own_here_is_absent() {
        assert_eq!(seen(&[(&["a@example.com"], None, &[])], &[], "a@example.com"), Membership::Absent);
    }

    #[test]
    fn a_binding_weighs_more_than_an_invitation_that_was_left_behind() {
        let user: (&[&str], _, &[Level]) = (&["a@example.com"], None, &[Editor]);
        assert_eq!(seen(&[user], &[("a@example.com", Viewer)], "a@example.com"), member(Editor, 1));
        assert_eq!(
            seen(&[], &[("a@example.com", Viewer), ("a@example.com", Viewer)], "a@example.com"),
            Membership::Invited { role: Some(Viewer), invites: 2 }
        );
    }

    #[test]
    fn the_missing_are_counted_down() {
        let mut comparison = Comparison::new(["a@example.com", "b@example.com"].into_iter().collect());
        assert_eq!(comparison.missing(), 2);
        comparison.meet_invite("b@example.com", None);
        comparison.meet_invite("b@example.com", None);
        assert_eq!(comparison.unmet().collect::<Vec<_>>(), ["a@example.com"]);
        assert!(!comparison.all_met());
        comparison.meet_invite("a@example.com", None);
        assert!(comparison.all_met());
    }
}
