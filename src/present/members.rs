//! Reads one workspace for a number of wanted people: members page by page, then nothing more than
//! is needed to be sure.
//!
//! Main type: [`Reading`]. Presence may be proved by any page, or by a read of the person; absence
//! only by the complete list of members and, where the caller may see them, of invitations.

use std::collections::HashSet;
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use foldhash::fast::FixedState;

use super::strangers::{Known, Strangers, Watch, names, standing};
use crate::houston::{Failure, Fault, Houston, MemberPage, Paged, Person, WithInvites};
use crate::model::{Level, WorkspaceId, email_key};
use crate::outcome::Cause;
use crate::plan::compare::{Comparison, Member};
use crate::plan::extra::Account;
use crate::plan::protect::Protect;
use crate::plan::{Membership, Standing};

/// Up to this many missing people are asked for one by one before the rest of a long list is read.
const ONE_BY_ONE: usize = 3;

/// No workspace has more members: a list that goes on is no list of people.
const MOST_PEOPLE: usize = 1_000_000;
/// Nor has a list of people more pages, however few are on each.
const MOST_PAGES: usize = 20_000;
/// What readings of one run may keep together, in bytes: some four million people.
const MOST_KEPT: u64 = 1 << 30;

/// What a workspace has of the wanted people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// One entry per wanted person, in their order.
    pub memberships: Vec<Membership>,
    /// Whether the caller may see pending invitations.
    pub invites: InvitesSeen,
    /// All names of the caller, if they were met and asked for.
    pub caller: Vec<String>,
    /// All names of wanted people whom a pattern of `--protect` covers, if that was asked for.
    pub protected: Vec<String>,
    /// Whom nobody named, if that was asked for.
    pub strangers: Strangers,
    /// Members and invitations whose addresses the server does not show: each of them may be anybody.
    pub hidden: u64,
    /// Of people who were looked for by id, all their names, in the order of the question.
    pub names: Vec<Vec<String>>,
}

impl Reading {
    /// What certain people turned out to be, and nothing else.
    pub fn of(memberships: Vec<Membership>) -> Self {
        let strangers = Strangers::default();
        let (caller, protected, names) = (Vec::new(), Vec::new(), Vec::new());
        Self { memberships, invites: InvitesSeen::Yes, caller, protected, strangers, hidden: 0, names }
    }

    /// Why nobody can say that somebody is absent, if nobody can.
    pub fn cause_of_doubt(&self) -> Option<Cause> {
        let text = match self.hidden {
            0 => return None,
            1 => "Houston does not show the addresses of 1 member of the workspace".to_owned(),
            more => format!("Houston does not show the addresses of {more} members of the workspace"),
        };
        Some(Cause::new(
            "unreadable",
            format!("{text}, so the run cannot tell whether this person is a member"),
        ))
    }
}

/// Whether invitations could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvitesSeen {
    /// They were read.
    Yes,
    /// The caller may not see them: "not invited" means "not known to be invited".
    Refused,
}

/// What readings of one run have learned about the pages of this server: the longest page so far.
/// A shorter page than that must be the last of its list, even on a server that gives fewer
/// people per page than asked for; without this, such a page would have to be followed by one
/// more request, or people behind it would be taken for absent.
#[derive(Debug, Default)]
pub struct PageSize {
    longest: AtomicUsize,
    /// The memory of all people whom readings of this run have kept, in bytes.
    kept: AtomicU64,
}

impl PageSize {
    pub(super) fn is_surely_last(&self, people: usize) -> bool {
        people < self.longest.load(Ordering::Relaxed)
    }

    pub(super) fn learn(&self, people: usize) {
        self.longest.fetch_max(people, Ordering::Relaxed);
    }

    /// Takes note that these people are kept.
    ///
    /// # Errors
    /// All readings of the run together keep more than a run may have in memory.
    pub(super) fn keep(&self, people: &[Person]) -> Result<(), Fault> {
        let bytes = people.iter().map(size_of_person).sum();
        if self.kept.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes) <= MOST_KEPT {
            return Ok(());
        }
        let text = format!("the member lists of this run take more than {} MiB", MOST_KEPT >> 20);
        Err(Fault::Malformed { text })
    }
}

fn size_of_person(person: &Person) -> u64 {
    let texts = person.addresses.iter().chain(&person.username).chain(&person.spellings);
    let roles = person.deployment_roles.iter().flatten();
    let roles = roles.map(|one| one.release_name.len() + one.role.len() + size_of_val(one));
    let texts = texts.map(|text| text.len() + size_of_val(text));
    (size_of_val(person) + person.id.len() + texts.sum::<usize>() + roles.sum::<usize>()) as u64
}

/// The end of a list that has too many pages, however short they are.
pub(super) fn check_end(pages: usize, people: usize) -> Result<(), Fault> {
    if pages < MOST_PAGES && people <= MOST_PEOPLE {
        return Ok(());
    }
    Err(Fault::Malformed { text: "a member list that does not end".to_owned() })
}

/// Reads `workspace` until everything about the `wanted` addresses (distinct, normalised) is known.
pub fn read<'a>(
    houston: &Houston,
    workspace: &WorkspaceId,
    wanted: impl IntoIterator<Item = &'a str>,
    pages: &PageSize,
) -> Result<Reading, Fault> {
    read_with_care(houston, workspace, wanted, pages, Care::default())
}

/// Of whom a reading keeps all names.
#[derive(Debug, Clone, Copy, Default)]
pub struct Care<'c> {
    /// The user with this id, who is the caller.
    pub caller: Option<&'c str>,
    /// Whoever is covered by these patterns.
    pub protect: Option<&'c Protect>,
}

/// The same, and says which of the wanted people are the caller or protected.
pub fn read_with_care<'a>(
    houston: &Houston,
    workspace: &WorkspaceId,
    wanted: impl IntoIterator<Item = &'a str>,
    pages: &PageSize,
    care: Care<'_>,
) -> Result<Reading, Fault> {
    let mut walk = Walk::new(houston, workspace, wanted);
    walk.care = care;
    walk.run(pages)?;
    Ok(walk.reading())
}

/// The same, and lists everybody who answers to none of the names in `named`; the lists are read to
/// their end.
pub fn read_with_strangers<'a>(
    houston: &Houston,
    workspace: &WorkspaceId,
    wanted: impl IntoIterator<Item = &'a str>,
    named: HashSet<&'a str, FixedState>,
    pages: &PageSize,
    care: Care<'_>,
) -> Result<Reading, Fault> {
    let mut walk = Walk::new(houston, workspace, wanted);
    walk.care = care;
    walk.watch = Watch::Strangers(named, Strangers::default());
    walk.run(pages)?;
    Ok(walk.reading())
}

/// Reads `workspace` for the users and invitations with these ids, of which one entry each is in the
/// memberships, in their order. Whoever has no role of their own any more is absent, whatever a Team
/// gives them.
///
/// # Errors
/// As of every reading; also if an invitation is asked for and the caller may not see them.
pub fn read_accounts(
    houston: &Houston,
    workspace: &WorkspaceId,
    accounts: &[&Account],
    pages: &PageSize,
) -> Result<Reading, Fault> {
    let mut walk = Walk::new(houston, workspace, []);
    walk.watch = Watch::Accounts(accounts.iter().map(|&account| (account, Known::default())).collect(), 0);
    walk.run(pages)?;
    if walk.invites == InvitesSeen::Refused && walk.watch.wants_invites() {
        return Err(Fault::Malformed { text: "invitations cannot be seen".to_owned() });
    }
    if walk.unread > 0 {
        return Err(Fault::Malformed {
            text: "the member list has entries without an id or an address".to_owned(),
        });
    }
    let mut reading = walk.reading();
    if let Watch::Accounts(found, in_all) = &walk.watch {
        reading.memberships = accounts.iter().map(|account| found[account].seen).collect();
        reading.names = accounts.iter().map(|account| found[account].names.clone()).collect();
        reading.strangers.in_all = *in_all;
    }
    Ok(reading)
}

/// Counts the admins of `workspace` who are none of `people` (distinct, normalised addresses), from
/// its complete member list. Who has never signed in does not count, nor who has several roles.
pub fn other_admins<'a>(
    houston: &Houston,
    workspace: &WorkspaceId,
    people: impl IntoIterator<Item = &'a str>,
    pages: &PageSize,
) -> Result<usize, Fault> {
    let mut walk = Walk::new(houston, workspace, people);
    walk.extent = Extent::Everybody;
    walk.run(pages)?;
    Ok(walk.other_admins)
}

/// How far a walk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Until everybody wanted is met.
    Wanted,
    /// To the end of the list.
    Everybody,
}

/// 128 bits that stand for an id: a long list has many, and no two of them come to the same key.
pub(super) type IdKey = [u64; 2];

pub(super) fn id_key(id: &str) -> IdKey {
    [1, 2].map(|seed| foldhash::quality::FixedState::with_seed(seed).hash_one(id))
}

/// One walk through the pages of a workspace.
struct Walk<'w, 'a> {
    houston: &'w Houston,
    workspace: &'w WorkspaceId,
    comparison: Comparison<'a>,
    /// Ids that were seen: a cursor may repeat a person, who must not count twice.
    met_ids: HashSet<IdKey, FixedState>,
    invites: InvitesSeen,
    extent: Extent,
    /// Admins among those who are not wanted.
    other_admins: usize,
    /// Of whom all names are kept.
    care: Care<'w>,
    caller_names: Vec<String>,
    protected: Vec<String>,
    /// Members and invitations whose addresses are not shown.
    hidden: u64,
    /// Entries that show nobody, not even an id; they are among the hidden ones.
    unread: u64,
    /// Whom to look out for besides.
    watch: Watch<'w>,
}

impl<'w, 'a> Walk<'w, 'a> {
    fn new(
        houston: &'w Houston,
        workspace: &'w WorkspaceId,
        wanted: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self {
            houston,
            workspace,
            comparison: Comparison::new(wanted),
            met_ids: HashSet::default(),
            invites: InvitesSeen::Yes,
            extent: Extent::Wanted,
            other_admins: 0,
            care: Care::default(),
            caller_names: Vec::new(),
            protected: Vec::new(),
            hidden: 0,
            unread: 0,
            watch: Watch::Nobody,
        }
    }

    fn reads_all(&self) -> bool {
        self.extent == Extent::Everybody || self.watch.wants_everybody()
    }

    fn has_all(&self) -> bool {
        !self.reads_all() && self.comparison.all_met()
    }

    fn reading(&mut self) -> Reading {
        let strangers = match &mut self.watch {
            Watch::Strangers(_, found) => std::mem::take(found),
            Watch::Nobody | Watch::Accounts(..) => Strangers::default(),
        };
        Reading {
            memberships: self.comparison.memberships().collect(),
            invites: self.invites,
            caller: std::mem::take(&mut self.caller_names),
            protected: std::mem::take(&mut self.protected),
            strangers,
            hidden: self.hidden,
            names: Vec::new(),
        }
    }
}

impl Walk<'_, '_> {
    fn run(&mut self, pages: &PageSize) -> Result<(), Fault> {
        let mut page = self.first_page()?;
        let mut asked_one_by_one = false;
        let mut turned = 0;
        loop {
            // An entry that shows nobody is one more of its page, and may be anybody.
            let people = page.people.len() + page.unread;
            self.pass_over(page.unread);
            if let Watch::Strangers(..) = self.watch {
                pages.keep(&page.people)?;
            }
            let fresh = self.meet(&page.people)?;
            let is_last = match page.paged {
                Paged::Whole => true,
                Paged::Page => people == 0 || pages.is_surely_last(people),
            };
            if is_last || self.has_all() {
                return Ok(());
            }
            if fresh == 0 {
                // A cursor that includes its own row repeats one person at the end. More than one
                // means that the server does not turn pages: only the whole list can be trusted.
                return if people > 1 { self.read_whole_list(pages) } else { Ok(()) };
            }
            pages.learn(people);
            turned += 1;
            check_end(turned, self.met_ids.len())?;
            let may_ask = !self.reads_all() && !asked_one_by_one;
            if may_ask && self.comparison.missing() <= ONE_BY_ONE && people >= page.take as usize {
                asked_one_by_one = true;
                self.ask_one_by_one()?;
                if self.comparison.all_met() {
                    return Ok(());
                }
            }
            page = self.page(page.last_id.as_deref(), WithInvites::No).map_err(|f| f.fault)?;
        }
    }

    fn first_page(&mut self) -> Result<MemberPage, Fault> {
        let mut page = match self.page(None, WithInvites::Yes) {
            Ok(page) => page,
            // A page refused says nothing about the workspace: it may be too long for this server.
            Err(failure) if matches!(failure.fault, Fault::Rejected { .. }) => self.whole_list()?,
            Err(failure) => return Err(failure.fault),
        };
        let invites = match page.invites.take() {
            Some(Ok(invites)) => Ok(invites),
            Some(Err(fault)) if hides_invites(&fault) => Err(fault),
            Some(Err(_)) | None => self.houston.invites(self.workspace).map_err(|f| f.fault),
        };
        match invites {
            Ok(invites) => {
                for invite in &invites {
                    match &invite.email {
                        Some(email) => {
                            self.comparison.meet_invite(email, invite.role);
                            self.care.protect.map(|protect| protect.covers([email.as_str()]));
                        }
                        None => self.hidden += 1,
                    }
                    self.watch.meet_invite(invite);
                }
            }
            Err(fault) if hides_invites(&fault) => self.invites = InvitesSeen::Refused,
            Err(fault) => return Err(fault),
        }
        Ok(page)
    }

    /// A page of members, with their roles in deployments where those matter: whoever is taken away loses
    /// them, and may have to get them back.
    fn page(&self, cursor: Option<&str>, invites: WithInvites) -> Result<MemberPage, Failure> {
        match self.watch {
            Watch::Strangers(..) => self.houston.member_page_with_deployments(self.workspace, cursor),
            Watch::Nobody | Watch::Accounts(..) => self.houston.member_page(self.workspace, cursor, invites),
        }
    }

    fn whole_list(&self) -> Result<MemberPage, Fault> {
        let page = match self.watch {
            Watch::Strangers(..) => self.houston.all_members_with_deployments(self.workspace),
            Watch::Nobody | Watch::Accounts(..) => self.houston.all_members(self.workspace),
        };
        let page = page.map_err(|f| f.fault)?;
        Ok(MemberPage { paged: Paged::Whole, invites: None, last_id: None, take: 0, ..page })
    }

    fn read_whole_list(&mut self, pages: &PageSize) -> Result<(), Fault> {
        let page = self.whole_list()?;
        self.pass_over(page.unread);
        if let Watch::Strangers(..) = self.watch {
            pages.keep(&page.people)?;
        }
        self.meet(&page.people)?;
        Ok(())
    }

    /// Takes note of entries that show nobody: each may be anybody.
    fn pass_over(&mut self, unread: usize) {
        self.hidden += unread as u64;
        self.unread += unread as u64;
    }

    /// Asks for the few people who are missing, each by name. Finding somebody proves presence;
    /// not finding them, or an error, proves nothing.
    fn ask_one_by_one(&mut self) -> Result<(), Fault> {
        let missing: Vec<String> = self.comparison.unmet().map(str::to_owned).collect();
        for email in missing {
            match self.houston.person(self.workspace, &email) {
                Ok(Some(person)) => {
                    self.meet(std::slice::from_ref(&person))?;
                }
                Ok(None) => {}
                Err(failure) => match failure.fault {
                    fault @ (Fault::Unsent { .. } | Fault::Expired { .. } | Fault::Denied { .. }) => {
                        return Err(fault);
                    }
                    Fault::NoAnswer { .. }
                    | Fault::Proxy { .. }
                    | Fault::Throttled { .. }
                    | Fault::Rejected { .. }
                    | Fault::Already { .. }
                    | Fault::Schema { .. }
                    | Fault::Internal { .. }
                    | Fault::Malformed { .. } => return Ok(()),
                },
            }
        }
        Ok(())
    }

    /// Takes note of people; tells how many of them were not seen before.
    fn meet(&mut self, people: &[Person]) -> Result<usize, Fault> {
        let mut fresh = 0;
        for person in people {
            if !self.met_ids.insert(id_key(&person.id)) {
                continue;
            }
            fresh += 1;
            if person.hides_roles && self.comparison.wants(&person.addresses, person.username.as_deref()) {
                // A member of a kind; adding them again might bind them twice.
                let name = person.addresses.first().map_or("a member", String::as_str);
                return Err(Fault::Malformed {
                    text: format!("the member list does not show the roles of {name}"),
                });
            }
            self.take_note(person);
            self.watch.meet(person);
            self.comparison.meet_member(&Member {
                addresses: &person.addresses,
                username: person.username.as_deref(),
                standing: standing(person),
                roles: &person.bindings,
            });
        }
        Ok(fresh)
    }

    fn take_note(&mut self, person: &Person) {
        self.hidden += u64::from(person.hides_addresses);
        if self.care.caller == Some(person.id.as_str()) {
            self.caller_names.extend(names(person).map(str::to_owned));
        }
        if self.care.protect.is_some_and(|protect| protect.covers(names(person)))
            && self.comparison.wants(&person.addresses, person.username.as_deref())
        {
            self.protected.extend(names(person).map(|name| email_key(name).into_owned()));
        }
        if self.extent == Extent::Wanted {
            return;
        }
        let is_admin =
            !person.bindings.is_empty() && person.bindings.iter().all(|role| *role == Level::Admin);
        let is_wanted = self.comparison.wants(&person.addresses, person.username.as_deref());
        self.other_admins += usize::from(is_admin && standing(person) == Standing::Active && !is_wanted);
    }
}

/// Whether invitations cannot be read here, now or later: the caller may not see them, or the
/// server has no such list. What cannot be read is unknown, not absent.
pub(super) fn hides_invites(fault: &Fault) -> bool {
    match fault {
        Fault::Denied { .. } | Fault::Schema { .. } | Fault::Malformed { .. } => true,
        Fault::Unsent { .. }
        | Fault::NoAnswer { .. }
        | Fault::Proxy { .. }
        | Fault::Throttled { .. }
        | Fault::Expired { .. }
        | Fault::Rejected { .. }
        | Fault::Already { .. }
        | Fault::Internal { .. } => false,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::houston::scripted::Scripted;
    use crate::model::Level;

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

    /// A workspace with so many people, in pages of at most `page`.
    pub(in crate::present) fn server(people: usize, page: usize, cursor: Cursor) -> Arc<Scripted> {
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

    fn reading(server: &Arc<Scripted>, wanted: &[&str]) -> Reading {
        let houston = Houston::new(Arc::clone(server) as Arc<dyn crate::houston::Transport>);
        let workspace = WorkspaceId::new("w").unwrap();
        read(&houston, &workspace, wanted.iter().copied(), &PageSize::default()).unwrap()
    }

    const MEMBER: Membership =
        Membership::Member { role: Level::Editor, bindings: 1, standing: Standing::Active };

    #[test]
    fn everybody_is_found_however_the_server_turns_pages() {
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
    fn one_request_is_enough_when_everybody_is_on_the_first_page() {
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
        let houston =
            |server: &Arc<Scripted>| Houston::new(Arc::clone(server) as Arc<dyn crate::houston::Transport>);
        let workspace = WorkspaceId::new("w").unwrap();
        let pages = PageSize::default();
        let (long, short) = (server(50, 100, Cursor::Exclusive), server(30, 100, Cursor::Exclusive));
        read(&houston(&long), &workspace, ["absent@example.com"], &pages).unwrap();
        assert_eq!(long.sent(), 2, "the first short page might be as long as pages get here");
        read(&houston(&short), &workspace, ["absent@example.com"], &pages).unwrap();
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
        for (place, hide) in hides.into_iter().enumerate() {
            let wanted = ["p3@example.com", "in@example.com", "absent@example.com"];
            let found = reading(&server(hide), &wanted);
            assert_eq!(found.hidden, if place == 3 { 1 } else { 2 }, "{place}: with an invitation");
            assert_eq!(found.memberships[0], MEMBER, "{place}");
            assert!(matches!(found.memberships[1], Membership::Invited { .. }), "{place}");
            let doubt = found.cause_of_doubt().expect("nobody can tell");
            assert_eq!(doubt.code, "unreadable");
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
