//! Finds many people in what Houston has, in one pass over it: members and invitations stream by,
//! only what concerns a wanted person is kept.
//!
//! Main type: [`Comparison`]. Pure; it never asks for anything itself.

use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::{Decision, Membership, RolePolicy, Standing, decide};
use crate::model::{Level, Scope, email_key};

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
    wanted: Vec<&'a str>,
    /// Which of the wanted people has an address: many workspaces are compared at a time, each with
    /// thousands of people, so that the addresses are not kept twice.
    places: HashTable<u32>,
    sightings: Vec<Sighting>,
    met: usize,
}

impl<'a> Comparison<'a> {
    /// Starts with the wanted addresses as they are compared ([`email_key`]); answers come in the same order. Addresses are distinct.
    pub fn new(wanted: impl IntoIterator<Item = &'a str>) -> Self {
        let wanted: Vec<&str> = wanted.into_iter().collect();
        let mut places = HashTable::with_capacity(wanted.len());
        for (place, email) in (0..).zip(&wanted) {
            places.insert_unique(hash(email), place, |&place: &u32| hash(wanted[place as usize]));
        }
        Self { sightings: vec![Sighting::default(); wanted.len()], wanted, places, met: 0 }
    }

    /// Takes note of a member. Users match by address first, by user name only where no user
    /// with that address is a member.
    pub fn meet_member(&mut self, member: &Member<'_>) {
        let Some(&role) = member.roles.first() else { return };
        let bindings = u8::try_from(member.roles.len()).unwrap_or(u8::MAX);
        let mut matched = false;
        for address in member.addresses {
            if let Some(place) = self.place(address) {
                matched = true;
                self.note_member(place, role, member.standing, bindings, false);
            }
        }
        if let Some(place) = member.username.and_then(|name| self.place(name))
            && !matched
        {
            self.note_member(place, role, member.standing, bindings, true);
        }
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
        let is_theirs = |&place: &u32| self.wanted[place as usize] == email;
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

    /// How many wanted people have not been seen yet.
    pub fn missing(&self) -> usize {
        self.sightings.len() - self.met
    }

    /// The wanted people who have not been seen yet.
    pub fn unmet(&self) -> impl Iterator<Item = &'a str> {
        let all = self.wanted.iter().zip(&self.sightings);
        all.filter(|(_, sighting)| !sighting.is_met()).map(|(email, _)| *email)
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
    let mut comparison = Comparison::new(wanted.iter().map(|(email, _)| *email));
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
        let mut comparison = Comparison::new([wanted]);
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
        let mut comparison = Comparison::new(["a@example.com", "b@example.com"]);
        assert_eq!(comparison.missing(), 2);
        comparison.meet_invite("b@example.com", None);
        comparison.meet_invite("b@example.com", None);
        assert_eq!(comparison.unmet().collect::<Vec<_>>(), ["a@example.com"]);
        assert!(!comparison.all_met());
        comparison.meet_invite("a@example.com", None);
        assert!(comparison.all_met());
    }
}
