//! Reads all that is wanted of one workspace, in one walk.
//!
//! Main types: [`Look`], what is wanted, and [`Reading`], what was found.

use std::collections::HashSet;

use foldhash::fast::FixedState;

use super::collect::Collectors;
pub use super::collect::{Admins, Care};
use super::grants::{Answers, Asked, Grants};
pub use super::pages::{InvitesSeen, PageSize};
use super::strangers::{Accounts, StrangerSearch, Strangers};
use super::walk::{Walked, walk};
use crate::houston::{Fault, Houston};
use crate::model::WorkspaceId;
use crate::outcome::{Cause, Code};
use crate::plan::census::{Census, Gap};
use crate::plan::{Account, Membership};

/// What a workspace has of the wanted people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// One entry per wanted person, in their order.
    pub memberships: Vec<Membership>,
    /// The wanted people who are one person under several addresses, as indices in ascending order.
    pub shared: Vec<Vec<usize>>,
    /// All addresses of wanted people who have several, person by person, if they were asked for.
    pub aliases: Vec<Vec<String>>,
    /// Whether the caller may see pending invitations.
    pub invites: InvitesSeen,
    /// All names of the caller, if they were met and asked for.
    pub caller: Vec<String>,
    /// All names of wanted people who match a pattern of `--protect`, if that was asked for.
    pub protected: Vec<String>,
    /// People whom no row names, if that was asked for.
    pub strangers: Strangers,
    /// Members and invitations whose addresses the server hides: each may be any person.
    pub hidden: u64,
    /// Of people who were looked for by id, all their names, in the order of the question.
    pub names: Vec<Vec<String>>,
    /// What the people who were asked for have in deployments; a fault of it spoils nothing else.
    pub grants: Answers,
    /// The admins, if they were asked for and the list was read to its end.
    pub admins: Option<Admins>,
    /// How many people there are, as far as the lists were read.
    pub census: Census,
}

impl Reading {
    /// What certain people turned out to be, and nothing else.
    pub fn of(memberships: Vec<Membership>) -> Self {
        Self {
            memberships,
            shared: Vec::new(),
            aliases: Vec::new(),
            invites: InvitesSeen::Yes,
            caller: Vec::new(),
            protected: Vec::new(),
            strangers: Strangers::default(),
            hidden: 0,
            names: Vec::new(),
            grants: Ok(Vec::new()),
            admins: None,
            census: Census::default(),
        }
    }

    /// Why absence cannot be proved here, if it cannot.
    pub fn cause_of_doubt(&self) -> Option<Cause> {
        let text = match self.hidden {
            0 => return None,
            1 => "Houston does not show the addresses of 1 member of the workspace".to_owned(),
            more => format!("Houston does not show the addresses of {more} members of the workspace"),
        };
        Some(Cause::new(
            Code::Unreadable,
            format!("{text}, so it is unknown whether this person is a member"),
        ))
    }
}

/// What is wanted of a workspace.
#[derive(Debug, Clone, Default)]
pub struct Look<'a> {
    /// Whose membership (distinct addresses, normalised).
    pub wanted: Vec<&'a str>,
    /// Which other people to look for.
    pub care: Care<'a>,
    /// The names of all expected people, if everyone who answers to none of them is listed.
    pub named: Option<HashSet<&'a str, FixedState>>,
    /// Whose roles in which deployments.
    pub asked: &'a [Asked<'a>],
    /// Whom the roster names beside the wanted people, so that they do not count as strangers.
    pub others: Vec<&'a str>,
    /// Whether the list of members is read to its end, even if every wanted person has been found.
    pub to_the_end: bool,
}

/// Reads `workspace` until everything about the `wanted` addresses (distinct, normalised) is known, and
/// their other addresses.
pub fn read<'a>(
    houston: &Houston,
    workspace: &WorkspaceId,
    wanted: impl IntoIterator<Item = &'a str>,
    pages: &PageSize,
) -> Result<Reading, Fault> {
    let care = Care { aliases: true, ..Care::default() };
    let look = Look { wanted: wanted.into_iter().collect(), care, ..Look::default() };
    read_all(houston, workspace, look, pages)
}

/// Reads `workspace` for all that is wanted of it. The lists are read to their end for the sake of
/// strangers and of roles in deployments.
///
/// # Errors
/// The lists cannot be read. Errors of deployment roles alone are in the reading.
pub fn read_all(
    houston: &Houston,
    workspace: &WorkspaceId,
    look: Look<'_>,
    pages: &PageSize,
) -> Result<Reading, Fault> {
    let mut collectors = Collectors::new(look.wanted, look.care);
    collectors.to_the_end = look.to_the_end;
    collectors.headcount.others = look.others.into_iter().collect();
    collectors.strangers = look.named.map(StrangerSearch::new);
    collectors.grants = (!look.asked.is_empty()).then(|| Grants::new(look.asked));
    let walked = walk(houston, workspace, pages, &mut collectors)?;
    let grants = match &collectors.grants {
        Some(grants) => collectors.refuse_unread().and_then(|()| grants.found()),
        None => Ok(Vec::new()),
    };
    let census = census(&collectors, walked);
    let memberships = &mut collectors.memberships;
    Ok(Reading {
        census,
        shared: memberships.comparison.shared(),
        aliases: std::mem::take(&mut memberships.aliases),
        invites: walked.invites,
        caller: std::mem::take(&mut memberships.caller),
        protected: std::mem::take(&mut memberships.protected),
        strangers: collectors.strangers.map(StrangerSearch::found).unwrap_or_default(),
        hidden: collectors.hidden,
        grants,
        admins: collectors.admins.filter(|_| walked.is_complete),
        ..Reading::of(memberships.comparison.memberships().collect())
    })
}

/// What a walk says about all people of a workspace.
fn census(collectors: &Collectors<'_>, walked: Walked) -> Census {
    let Walked { invites, is_complete, pages } = walked;
    let count = &collectors.headcount;
    let gaps = [
        (!is_complete, Gap::NotReadToTheEnd),
        (invites == InvitesSeen::Refused, Gap::InvitationsHidden),
        (collectors.hidden > collectors.unread, Gap::AddressesHidden),
        (collectors.unread > 0, Gap::EntriesUnreadable),
    ];
    let gaps: Vec<Gap> = gaps.into_iter().filter_map(|(is_open, gap)| is_open.then_some(gap)).collect();
    Census {
        members: (is_complete && collectors.unread == 0).then_some(count.members),
        invitations: (invites == InvitesSeen::Yes).then_some(count.invitations),
        not_in_roster: gaps.is_empty().then_some(count.unnamed),
        pages,
        gaps,
    }
}

/// Reads `workspace` for the users and invitations with these ids, of which one entry each is in the
/// memberships, in their order. A person who no longer has a role of their own is absent, whatever
/// a Team gives them.
///
/// # Errors
/// As of every reading; also if an invitation is asked for and the caller may not see them.
pub fn read_accounts(
    houston: &Houston,
    workspace: &WorkspaceId,
    accounts: &[&Account],
    pages: &PageSize,
) -> Result<Reading, Fault> {
    let mut collectors = Collectors::new([], Care::default());
    let wants_invites = collectors.accounts.insert(Accounts::new(accounts)).want_invites();
    let walked = walk(houston, workspace, pages, &mut collectors)?;
    if walked.invites == InvitesSeen::Refused && wants_invites {
        return Err(Fault::Malformed { text: "invitations cannot be seen".to_owned() });
    }
    collectors.refuse_unread()?;
    let found = collectors.accounts.unwrap_or_default();
    let (memberships, names) =
        found.found(accounts).into_iter().map(|known| (known.seen, known.names)).unzip();
    Ok(Reading {
        invites: walked.invites,
        hidden: collectors.hidden,
        names,
        strangers: Strangers { people: Vec::new(), in_all: found.in_all },
        ..Reading::of(memberships)
    })
}

/// What `workspace` has of those whose roles in deployments are asked for, in their order; none for who is
/// no member of it.
///
/// # Errors
/// As for every reading; also if a person's deployment roles are not reported.
pub fn read_grants(
    houston: &Houston,
    workspace: &WorkspaceId,
    asked: &[Asked<'_>],
    pages: &PageSize,
) -> Answers {
    let mut collectors = Collectors::new([], Care::default());
    collectors.invites = false;
    collectors.grants = Some(Grants::new(asked));
    walk(houston, workspace, pages, &mut collectors)?;
    collectors.refuse_unread()?;
    collectors.grants.map_or_else(|| Ok(Vec::new()), |grants| grants.found())
}

/// Reads `workspace` like [`read`], and its admins, from its complete member list.
///
/// # Errors
/// The lists cannot be read.
pub fn read_with_admins<'a>(
    houston: &Houston,
    workspace: &WorkspaceId,
    wanted: impl IntoIterator<Item = &'a str>,
    pages: &PageSize,
) -> Result<Reading, Fault> {
    let care = Care { admins: true, aliases: true, ..Care::default() };
    let wanted = wanted.into_iter().collect();
    read_all(houston, workspace, Look { wanted, care, to_the_end: true, ..Look::default() }, pages)
}

/// Counts the admins of `workspace` who are none of `people` (distinct, normalised addresses), from
/// its complete member list. Who has never signed in does not count; of several roles the first does.
pub fn other_admins<'a>(
    houston: &Houston,
    workspace: &WorkspaceId,
    people: impl IntoIterator<Item = &'a str>,
    pages: &PageSize,
) -> Result<usize, Fault> {
    let mut collectors = Collectors::new([], Care { admins: true, ..Care::default() });
    collectors.to_the_end = true;
    collectors.invites = false;
    walk(houston, workspace, pages, &mut collectors)?;
    Ok(collectors.admins.unwrap_or_default().other_than(people))
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::houston::scripted::Scripted;
    use crate::model::Level;
    use crate::plan::Standing;

    /// How a server turns the pages of its member list.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(in crate::present) enum Cursor {
        Exclusive,
        Inclusive,
        Ignored,
    }

    fn person(number: usize) -> Value {
        let email = format!("p{number}@example.com");
        let binding = json!({"role": "WORKSPACE_EDITOR", "workspace": {"id": "w"}});
        json!({"id": format!("u{number}"), "username": email, "emails": [{"address": email}], "roleBindings": [binding]})
    }

    /// One of a workspace in which every seventh is an admin, and every third has a role in a deployment.
    fn one_of_a_crew(number: usize) -> Value {
        let mut one = person(number);
        let bindings = one["roleBindings"].as_array_mut().unwrap();
        if number.is_multiple_of(7) {
            bindings[0]["role"] = json!("WORKSPACE_ADMIN");
        }
        if number.is_multiple_of(3) {
            let deployment = json!({"releaseName": "rel-a", "workspace": {"id": "w"}});
            bindings.push(json!({"role": "DEPLOYMENT_VIEWER", "workspace": null, "deployment": deployment}));
        }
        one
    }

    /// A workspace with this many people, in pages of at most `page`.
    pub(in crate::present) fn server(people: usize, page: usize, cursor: Cursor) -> Arc<Scripted> {
        server_of(person, people, page, cursor)
    }

    fn server_of(person: fn(usize) -> Value, people: usize, page: usize, cursor: Cursor) -> Arc<Scripted> {
        Arc::new(Scripted::new(move |_, body| {
            let variables = &body["variables"];
            let all: Vec<Value> = (0..people).map(person).collect();
            let last =
                variables["cursor"].as_str().and_then(|id| id.strip_prefix('u')?.parse::<usize>().ok());
            let start = match (cursor, last) {
                (Cursor::Ignored, _) | (_, None) => 0,
                (Cursor::Exclusive, Some(last)) => last + 1,
                (Cursor::Inclusive, Some(last)) => last,
            };
            let take = usize::try_from(variables["take"].as_u64().unwrap_or(0)).unwrap();
            let end = (start + take.min(page)).min(people);
            let one = variables["email"]
                .as_str()
                .and_then(|email| all.iter().find(|person| person["username"] == email));
            let data = json!({"paginatedWorkspaceUsers": all[start.min(end)..end], "workspaceUsers": &all,
                "workspaceInvites": [], "workspaceUser": one});
            Ok((200, json!({"data": data}).to_string()))
        }))
    }

    fn client(server: &Arc<Scripted>) -> Houston {
        Houston::new(Arc::clone(server) as Arc<dyn crate::houston::Transport>)
    }

    fn workspace() -> WorkspaceId {
        WorkspaceId::new("w").unwrap()
    }

    fn reading(server: &Arc<Scripted>, wanted: &[&str]) -> Reading {
        read(&client(server), &workspace(), wanted.iter().copied(), &PageSize::default()).unwrap()
    }

    const MEMBER: Membership =
        Membership::Member { role: Level::Editor, bindings: 1, standing: Standing::Active };

    #[test]
    fn everyone_is_found_however_the_server_turns_pages() {
        for cursor in [Cursor::Exclusive, Cursor::Inclusive, Cursor::Ignored] {
            for page in [7, 100] {
                for people in [0, 1, 6, 7, 8, 99, 100, 101, 250] {
                    let emails: Vec<String> = (0..people).map(|n| format!("p{n}@example.com")).collect();
                    let mut wanted: Vec<&str> = emails.iter().map(String::as_str).collect();
                    wanted.push("absent@example.com");
                    let found = reading(&server(people, page, cursor), &wanted).memberships;
                    let present = found.iter().filter(|seen| **seen == MEMBER).count();
                    assert_eq!(present, people, "{people} people, {cursor:?}, pages of {page}");
                    assert_eq!(found.last(), Some(&Membership::Absent));
                }
            }
        }
    }

    #[test]
    fn a_census_counts_what_the_reading_covers_and_asks_for_nothing() {
        let wanted = ["p0@example.com", "p3@example.com", "absent@example.com"];
        let look = |wanted: &[&'static str], others: &[&'static str]| Look {
            wanted: wanted.to_vec(),
            others: others.to_vec(),
            ..Look::default()
        };
        for cursor in [Cursor::Exclusive, Cursor::Inclusive, Cursor::Ignored] {
            for (page, people) in [(7, 0), (7, 8), (7, 30), (100, 250)] {
                let label = format!("{people} people, {cursor:?}, pages of {page}");
                let server = server_of(one_of_a_crew, people, page, cursor);
                let all = look(&wanted, &["p1@example.com"]);
                let census =
                    read_all(&client(&server), &workspace(), all, &PageSize::default()).unwrap().census;
                assert!(census.is_complete(), "{label}: {:?}", census.gaps);
                let admins = people.div_ceil(7);
                let members = census.members.unwrap();
                assert_eq!(
                    (members.admins, members.editors),
                    (admins as u64, (people - admins) as u64),
                    "{label}"
                );
                let named = [0, 1, 3].into_iter().filter(|&one| one < people).count();
                assert_eq!(census.not_in_roster, Some((people - named) as u64), "{label}");
                assert_eq!(census.invitations, Some(0), "{label}");
                // The absent one may have been asked for by name.
                let asked = server.sent() - census.pages as usize;
                assert!(census.pages > 0 && asked <= 1, "{label}: {asked} beside {} pages", census.pages);
            }
        }
        // Of a list that is not read to its end nothing is counted, and no more is read.
        let (alone, early) = [(); 2].map(|()| server(250, 100, Cursor::Exclusive)).into();
        let wanted = ["p1@example.com"];
        reading(&alone, &wanted);
        let pages = PageSize::default();
        let census = read_all(&client(&early), &workspace(), look(&wanted, &[]), &pages).unwrap().census;
        assert_eq!(early.sent(), alone.sent());
        assert_eq!((census.members, census.not_in_roster, census.pages), (None, None, 1));
        assert_eq!((census.invitations, census.gaps), (Some(0), vec![Gap::NotReadToTheEnd]));
    }

    #[test]
    fn one_walk_finds_what_a_reading_for_each_purpose_finds() {
        let wanted = ["p0@example.com", "p3@example.com", "absent@example.com"];
        let asked = ["p3@example.com", "p4@example.com", "absent@example.com"]
            .map(|email| Asked { email, deployment: "rel-a" });
        let named: HashSet<&str, _> = wanted.into_iter().chain(["p6@example.com"]).collect();
        let (pages, workspace) = (PageSize::default, workspace());
        for cursor in [Cursor::Exclusive, Cursor::Inclusive, Cursor::Ignored] {
            for (page, people) in [(7, 0), (7, 8), (7, 30), (100, 8), (100, 100), (100, 250)] {
                let server = || server_of(one_of_a_crew, people, page, cursor);
                let together = server();
                let care = Care { admins: true, ..Care::default() };
                let (wanted_people, named) = (wanted.to_vec(), Some(named.clone()));
                let look = Look { wanted: wanted_people, care, named, asked: &asked, ..Look::default() };
                let found = read_all(&client(&together), &workspace, look, &pages()).unwrap();
                let label = format!("{people} people, {cursor:?}, pages of {page}");

                let alone = read(&client(&server()), &workspace, wanted, &pages()).unwrap();
                assert_eq!(found.memberships, alone.memberships, "{label}");
                let grants = read_grants(&client(&server()), &workspace, &asked, &pages()).unwrap();
                assert_eq!(found.grants, Ok(grants), "{label}");
                let others = other_admins(&client(&server()), &workspace, wanted, &pages()).unwrap();
                assert_eq!(others, (1..people).filter(|number| number.is_multiple_of(7)).count(), "{label}");
                assert_eq!(found.admins.unwrap().other_than(wanted), others, "{label}");
                let strangers = (0..people).filter(|number| ![0, 3, 6].contains(number)).count();
                assert_eq!(found.strangers.people.len(), strangers, "{label}");
                assert_eq!(found.strangers.in_all, people as u64, "{label}");

                let list = server();
                crate::present::everybody::read(&client(&list), &workspace, &pages()).unwrap();
                assert_eq!(together.sent(), list.sent(), "{label}: as many requests as the list takes");
            }
        }
    }

    #[test]
    fn admins_are_known_only_from_a_list_that_was_read_to_its_end() {
        let admins = |wanted: &str| {
            let server = server_of(one_of_a_crew, 250, 100, Cursor::Exclusive);
            let care = Care { admins: true, ..Care::default() };
            let look = Look { wanted: vec![wanted], care, ..Look::default() };
            let found = read_all(&client(&server), &workspace(), look, &PageSize::default()).unwrap();
            found.admins.map(|admins| admins.other_than(["p0@example.com"]))
        };
        assert_eq!(admins("p1@example.com"), None, "the first page was enough");
        assert_eq!(admins("p240@example.com"), None, "asked for by name");
        assert_eq!(admins("absent@example.com"), Some(35));
    }

    #[test]
    fn unknown_deployment_roles_spoil_no_membership() {
        let shown = |change: fn(&mut Vec<Value>)| {
            let server = Arc::new(Scripted::new(move |_, body| {
                let first = body["variables"]["cursor"] == "";
                let mut page: Vec<Value> =
                    if first { (0..3).map(one_of_a_crew).collect() } else { Vec::new() };
                if first {
                    change(&mut page);
                }
                Ok((
                    200,
                    json!({"data": {"paginatedWorkspaceUsers": page, "workspaceInvites": []}}).to_string(),
                ))
            }));
            let asked =
                ["p0@example.com", "absent@example.com"].map(|email| Asked { email, deployment: "rel-a" });
            let look = Look { wanted: vec!["p1@example.com"], asked: &asked, ..Look::default() };
            let found = read_all(&client(&server), &workspace(), look, &PageSize::default()).unwrap();
            assert_eq!(found.memberships, [MEMBER]);
            found.grants.map(|grants| grants.iter().map(Option::is_some).collect::<Vec<_>>())
        };
        assert_eq!(shown(|_| {}), Ok(vec![true, false]));
        assert!(shown(|page| page[2] = Value::Null).is_err(), "an entry may be anyone");
        assert!(shown(|page| page[2]["emails"] = Value::Null).is_err(), "an address may be anyone's");
        assert!(shown(|page| page[0]["roleBindings"] = Value::Null).is_err(), "roles are not shown");
    }

    #[test]
    fn one_request_is_enough_when_everyone_is_on_the_first_page() {
        let server = server(250, 100, Cursor::Exclusive);
        assert_eq!(reading(&server, &["p1@example.com", "p99@example.com"]).memberships, [MEMBER, MEMBER]);
        assert_eq!(server.sent(), 1);
    }

    #[test]
    fn a_few_people_of_a_long_list_are_asked_for_by_name() {
        let server = server(2_000, 100, Cursor::Exclusive);
        assert_eq!(reading(&server, &["p1990@example.com"]).memberships, [MEMBER]);
        assert_eq!(server.sent(), 2);
    }

    #[test]
    fn a_page_shorter_than_another_one_is_known_to_be_the_last() {
        let pages = PageSize::default();
        let (long, short) = (server(50, 100, Cursor::Exclusive), server(30, 100, Cursor::Exclusive));
        read(&client(&long), &workspace(), ["absent@example.com"], &pages).unwrap();
        assert_eq!(long.sent(), 2, "the first short page might be as long as pages get here");
        read(&client(&short), &workspace(), ["absent@example.com"], &pages).unwrap();
        assert_eq!(short.sent(), 1);
    }

    #[test]
    fn people_who_are_not_shown_are_counted_and_a_page_with_them_is_not_the_last() {
        let server = |hide: fn(&mut Vec<Value>)| {
            Arc::new(Scripted::new(move |_, body| {
                let first = body["variables"]["cursor"] == "";
                let mut page: Vec<Value> = if first { (0..3).map(person).collect() } else { vec![person(3)] };
                if first {
                    hide(&mut page);
                }
                let last = body["variables"]["cursor"] == "u3";
                let people = if last { Vec::new() } else { page };
                let invite = json!({"id": "i1", "email": "in@example.com", "role": "WORKSPACE_VIEWER"});
                let data = json!({"paginatedWorkspaceUsers": people, "workspaceUsers": [], "workspaceUser": null,
                    "workspaceInvites": [invite, {"id": "i2", "email": null, "role": null}]});
                Ok((200, json!({"data": data}).to_string()))
            }))
        };
        let hides: [fn(&mut Vec<Value>); 4] = [
            |page| page[1]["emails"] = Value::Null,
            |page| page[1]["emails"] = json!([null]),
            |page| page[1] = Value::Null,
            |_| {},
        ];
        for (index, hide) in hides.into_iter().enumerate() {
            let wanted = ["p3@example.com", "in@example.com", "absent@example.com"];
            let found = reading(&server(hide), &wanted);
            assert_eq!(found.hidden, if index == 3 { 1 } else { 2 }, "{index}: with an invitation");
            assert_eq!(found.memberships[0], MEMBER, "{index}");
            assert!(matches!(found.memberships[1], Membership::Invited { .. }), "{index}");
            let doubt = found.cause_of_doubt().expect("a doubt");
            assert_eq!(doubt.code, Code::Unreadable);
        }
        assert_eq!(reading(&server_of_few(), &["absent@example.com"]).cause_of_doubt(), None);
    }

    fn server_of_few() -> Arc<Scripted> {
        server(3, 100, Cursor::Exclusive)
    }

    #[test]
    fn invitations_that_may_not_be_seen_do_not_spoil_the_members() {
        let server = Arc::new(Scripted::new(|_, body| {
            let first = body["variables"]["cursor"] == "";
            let people = if first { vec![person(1)] } else { Vec::new() };
            let refusal = json!([{"message": "Insufficient permissions.", "path": ["workspaceInvites"],
                "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]);
            let data = json!({"paginatedWorkspaceUsers": people, "workspaceInvites": null});
            Ok((200, json!({"data": data, "errors": refusal}).to_string()))
        }));
        let found = reading(&server, &["p1@example.com", "absent@example.com"]);
        assert_eq!(found.memberships, [MEMBER, Membership::Absent]);
        assert_eq!(found.invites, InvitesSeen::Refused);
    }
}
