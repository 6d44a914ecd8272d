//! Members and invitations of a workspace as entries of an export: one row for everyone whom a
//! roster can name, the same person once, and a reason for everyone else.
//!
//! Main function: [`entries`]. Pure.

use std::collections::HashSet;

use crate::houston::{InDeployment, Invite, Person, UserStatus};
use crate::model::Role;
use crate::present::everybody::Everybody;
use crate::report::export::{Belonging, Entry, LeftOut};
use crate::roster::{OddAddresses, parse_deployment_roles, parse_email};

/// Everyone in a workspace, by address; those without one last.
pub fn entries(everybody: Everybody) -> Vec<Entry> {
    let Everybody { people, invites, invites_seen: _ } = everybody;
    let members = Members::of(&people);
    let invited = invites.into_iter().filter_map(|invite| members.invited(invite)).collect::<Vec<_>>();
    let mut entries: Vec<Entry> = people.into_iter().map(member).chain(invited).collect();
    entries.sort_by(|a, b| key(a).cmp(&key(b)));
    let mut taken: HashSet<String> = HashSet::new();
    for entry in entries.iter_mut().filter(|entry| entry.left_out_of_csv.is_none()) {
        let email = entry.email.clone().unwrap_or_default();
        if !taken.insert(email) {
            entry.left_out_of_csv = Some(LeftOut::SameAddress);
        }
    }
    entries
}

/// The order of entries: nothing in it depends on that of the server's pages.
fn key(entry: &Entry) -> (bool, Option<&str>, Belonging, Option<&str>) {
    (entry.email.is_none(), entry.email.as_deref(), entry.membership, entry.user_id.as_deref())
}

fn member(person: Person) -> Entry {
    let (email, bad) = address(&person);
    let role = person.bindings.first().copied().map(Role::workspace);
    let mut notes = Vec::new();
    if person.bindings.len() > 1 {
        let all: Vec<_> = person.bindings.iter().map(|&level| Role::workspace(level).name()).collect();
        notes.push(format!("bound {} times: {}", all.len(), all.join(" ")));
    }
    let deployment_roles = person.deployment_roles.as_deref().map(|roles| cell(roles, &mut notes));
    if deployment_roles.is_none() {
        notes.push("deployment roles are unknown".to_owned());
    }
    let no_role = role.is_none().then_some(LeftOut::NoWorkspaceRole);
    Entry {
        email,
        role,
        bindings: person.bindings.len(),
        membership: match person.status {
            UserStatus::Pending => Belonging::Pending,
            UserStatus::Active | UserStatus::Disabled => Belonging::Member,
        },
        user_id: Some(person.id),
        username: person.username,
        deployment_roles,
        note: (!notes.is_empty()).then(|| notes.join("; ")),
        left_out_of_csv: person.hides_roles.then_some(LeftOut::RolesHidden).or(no_role).or(bad),
    }
}

/// The first address that a roster may have; the user name may be one too.
fn address(person: &Person) -> (Option<String>, Option<LeftOut>) {
    let names = || person.addresses.iter().chain(&person.username);
    if let Some(good) = names().find(|name| parse_email(name, OddAddresses::Allow).is_ok()) {
        return (Some(good.clone()), None);
    }
    match names().find(|name| name.contains('@')) {
        Some(bad) => (Some(bad.clone()), Some(LeftOut::BadAddress)),
        None => (None, Some(LeftOut::NoAddress)),
    }
}

/// Roles in deployments as a cell of a roster. What such a cell cannot have is noted.
fn cell(roles: &[InDeployment], notes: &mut Vec<String>) -> String {
    let mut cell = String::new();
    for InDeployment { release_name, role } in roles {
        let part = format!("{release_name}={role}");
        let longer = if cell.is_empty() { part.clone() } else { format!("{cell};{part}") };
        let is_one_more = |known: &[_]| known.len() == cell.matches('=').count() + 1;
        match parse_deployment_roles(&longer) {
            Ok(known) if is_one_more(&known) => cell = longer,
            Ok(_) | Err(_) => notes.push(format!("also {part}")),
        }
    }
    cell
}

/// The members, as far as invitations have to know them.
struct Members {
    /// By address and user name.
    active: HashSet<String>,
    pending: HashSet<String>,
}

impl Members {
    fn of(people: &[Person]) -> Self {
        let names = |pending: bool| {
            (people.iter().filter(|person| {
                (person.status == UserStatus::Pending) == pending && !person.bindings.is_empty()
            }))
            .flat_map(|person| person.addresses.iter().chain(&person.username).cloned())
            .collect()
        };
        Self { active: names(false), pending: names(true) }
    }

    /// The entry of an invitation; none where it is that of a pending member, who is listed.
    fn invited(&self, invite: Invite) -> Option<Entry> {
        let email = invite.email.as_deref();
        if email.is_some_and(|email| self.pending.contains(email)) {
            return None;
        }
        let left_out = match email {
            None => Some(LeftOut::NoAddress),
            Some(email) if self.active.contains(email) => Some(LeftOut::MemberToo),
            Some(_) if invite.role.is_none() => Some(LeftOut::NoWorkspaceRole),
            Some(email) => parse_email(email, OddAddresses::Allow).is_err().then_some(LeftOut::BadAddress),
        };
        Some(Entry {
            email: invite.email,
            role: invite.role.map(Role::workspace),
            bindings: 0,
            membership: Belonging::Invited,
            user_id: None,
            username: None,
            deployment_roles: None,
            note: None,
            left_out_of_csv: left_out,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Level;
    use crate::present::members::InvitesSeen;

    fn person(id: &str, address: &str, roles: &[Level]) -> Person {
        Person {
            other_roles: false,
            spellings: Vec::new(),
            id: id.to_owned(),
            addresses: vec![address.to_owned()],
            username: Some(address.to_owned()),
            status: UserStatus::Active,
            hides_addresses: false,
            bindings: roles.to_vec(),
            deployment_roles: Some(Vec::new()),
            hides_roles: false,
        }
    }

    fn invite(email: &str, role: Option<Level>) -> Invite {
        Invite { id: "cki".to_owned(), email: Some(email.to_owned()), role, created_at: None }
    }

    fn of(people: Vec<Person>, invites: Vec<Invite>) -> Vec<Entry> {
        entries(Everybody { people, invites, invites_seen: InvitesSeen::Yes })
    }

    const VIEWER: &[Level] = &[Level::Viewer];

    #[test]
    fn everybody_has_a_row_or_a_reason() {
        use Belonging::{Invited, Member};
        use LeftOut::{BadAddress, MemberToo, NoAddress, NoWorkspaceRole, RolesHidden, SameAddress};
        let hidden = Person { hides_roles: true, ..person("u3", "hidden@example.com", &[]) };
        let nameless =
            Person { addresses: vec![], username: Some("robot".to_owned()), ..person("u4", "", VIEWER) };
        let found = of(
            vec![
                person("u1", "zoe@example.com", VIEWER),
                person("u2", "team@example.com", &[]),
                hidden,
                nameless,
                person("u5", "admin@localhost", VIEWER),
                person("u7", "ada@example.com", &[Level::Admin]),
                person("u6", "ada@example.com", VIEWER),
            ],
            vec![
                invite("new@example.com", Some(Level::Editor)),
                invite("new@example.com", Some(Level::Viewer)),
                invite("zoe@example.com", Some(Level::Admin)),
                invite("custom@example.com", None),
            ],
        );
        let told: Vec<_> = found
            .iter()
            .map(|entry| (entry.email.as_deref(), entry.membership, entry.left_out_of_csv))
            .collect();
        assert_eq!(
            told,
            [
                (Some("ada@example.com"), Member, None),
                (Some("ada@example.com"), Member, Some(SameAddress)),
                (Some("admin@localhost"), Member, Some(BadAddress)),
                (Some("custom@example.com"), Invited, Some(NoWorkspaceRole)),
                (Some("hidden@example.com"), Member, Some(RolesHidden)),
                (Some("new@example.com"), Invited, None),
                (Some("new@example.com"), Invited, Some(SameAddress)),
                (Some("team@example.com"), Member, Some(NoWorkspaceRole)),
                (Some("zoe@example.com"), Member, None),
                (Some("zoe@example.com"), Invited, Some(MemberToo)),
                (None, Member, Some(NoAddress)),
            ]
        );
        assert_eq!(
            found[5].role,
            Some(Role::workspace(Level::Editor)),
            "the first invitation, as `plan` has it"
        );
    }

    #[test]
    fn a_pending_member_is_listed_once() {
        let pending = Person { status: UserStatus::Pending, ..person("u1", "new@example.com", VIEWER) };
        let found = of(vec![pending], vec![invite("new@example.com", Some(Level::Viewer))]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].membership, Belonging::Pending);
    }

    #[test]
    fn a_doubled_binding_is_noted_and_the_first_role_is_that_of_the_row() {
        let found = of(vec![person("u1", "a@example.com", &[Level::Viewer, Level::Admin])], vec![]);
        assert_eq!(found[0].role, Some(Role::workspace(Level::Viewer)));
        assert_eq!(found[0].note.as_deref(), Some("bound 2 times: WORKSPACE_VIEWER WORKSPACE_ADMIN"));
        assert_eq!(found[0].bindings, 2);
    }

    #[test]
    fn another_address_that_is_good_stands_for_the_person() {
        let mut both = person("u1", "admin@localhost", VIEWER);
        both.addresses.push("ada@example.com".to_owned());
        assert_eq!(of(vec![both], vec![])[0].email.as_deref(), Some("ada@example.com"));
    }

    #[test]
    fn roles_in_deployments_make_a_cell_that_a_roster_may_have() {
        let role =
            |name: &str, role: &str| InDeployment { release_name: name.to_owned(), role: role.to_owned() };
        let mut one = person("u1", "a@example.com", VIEWER);
        one.deployment_roles = Some(vec![
            role("a;b=DEPLOYMENT_ADMIN;c", "DEPLOYMENT_ADMIN"),
            role("lunar-1", "DEPLOYMENT_EDITOR"),
            role("lunar-1", "DEPLOYMENT_VIEWER"),
            role("solar-1", "DEPLOYMENT_CUSTOM"),
            role("solar-2", "DEPLOYMENT_VIEWER"),
        ]);
        let entry = of(vec![one], vec![]).remove(0);
        let cell = entry.deployment_roles.unwrap();
        assert_eq!(cell, "lunar-1=DEPLOYMENT_EDITOR;solar-2=DEPLOYMENT_VIEWER");
        assert!(parse_deployment_roles(&cell).is_ok());
        let note = entry.note.unwrap();
        assert!(note.contains("also solar-1=DEPLOYMENT_CUSTOM") && note.contains("also a;b"), "{note}");
    }
}
