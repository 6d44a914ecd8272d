//! Reads one workspace for everybody in it: members with all their roles, and invitations.
//!
//! Main type: [`Everybody`]. A list is complete or an error; it never ends early.

use std::collections::HashSet;

use foldhash::fast::FixedState;

use super::members::{IdKey, InvitesSeen, PageSize, check_end, hides_invites, id_key};
use crate::houston::{Fault, Houston, Invite, MemberPage, Paged, Parts, Person};
use crate::model::WorkspaceId;

const PARTS: Parts = Parts { invites: false, deployments: true };

/// Whoever is in a workspace, and whoever is invited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Everybody {
    /// The members, in the server's order, each once.
    pub people: Vec<Person>,
    /// The pending invitations.
    pub invites: Vec<Invite>,
    /// Whether the caller may see invitations.
    pub invites_seen: InvitesSeen,
}

/// Reads all of `workspace`.
///
/// # Errors
/// If any of its members cannot be read, or the invitations cannot be read for now.
pub fn read(houston: &Houston, workspace: &WorkspaceId, pages: &PageSize) -> Result<Everybody, Fault> {
    let people = members(houston, workspace, pages)?;
    let (invites, invites_seen) = match houston.invites(workspace) {
        Ok(invites) => (invites, InvitesSeen::Yes),
        Err(failure) if hides_invites(&failure.fault) => (Vec::new(), InvitesSeen::Refused),
        Err(failure) => return Err(failure.fault),
    };
    Ok(Everybody { people, invites, invites_seen })
}

/// Reads all members of `workspace`.
///
/// # Errors
/// If any of them cannot be read.
pub fn members(houston: &Houston, workspace: &WorkspaceId, pages: &PageSize) -> Result<Vec<Person>, Fault> {
    Walk { houston, workspace, people: Vec::new(), met: HashSet::default() }.run(pages)
}

/// One walk through the pages of a workspace.
struct Walk<'w> {
    houston: &'w Houston,
    workspace: &'w WorkspaceId,
    people: Vec<Person>,
    /// Ids that were seen: a cursor may repeat a person.
    met: HashSet<IdKey, FixedState>,
}

impl Walk<'_> {
    fn run(mut self, pages: &PageSize) -> Result<Vec<Person>, Fault> {
        let mut cursor: Option<String> = None;
        let mut turned = 0;
        loop {
            let page = match self.page(cursor.as_deref()) {
                Ok(page) => page,
                // A page refused says nothing about the workspace: it may be too long for this server.
                Err(Fault::Rejected { .. }) if cursor.is_none() => return self.whole_list(pages),
                Err(fault) => return Err(fault),
            };
            refuse_unread(&page)?;
            let (length, is_whole) = (page.people.len(), page.paged == Paged::Whole);
            cursor = page.last_id;
            pages.keep(&page.people)?;
            let fresh = self.meet(page.people);
            let is_last = is_whole || length == 0 || pages.is_surely_last(length);
            if is_last {
                return Ok(self.people);
            }
            if fresh == 0 {
                // A cursor that includes its own row repeats one person at the end. More than one
                // means that the server does not turn pages: only the whole list can be trusted.
                return if length > 1 { self.whole_list(pages) } else { Ok(self.people) };
            }
            pages.learn(length);
            turned += 1;
            check_end(turned, self.people.len())?;
        }
    }

    fn page(&self, cursor: Option<&str>) -> Result<MemberPage, Fault> {
        self.houston.member_page(self.workspace, cursor, PARTS).map_err(|failure| failure.fault)
    }

    fn whole_list(mut self, pages: &PageSize) -> Result<Vec<Person>, Fault> {
        let page = self.houston.all_members(self.workspace, PARTS).map_err(|f| f.fault)?;
        refuse_unread(&page)?;
        pages.keep(&page.people)?;
        self.meet(page.people);
        Ok(self.people)
    }

    /// Keeps people who were not seen before; tells how many they are.
    fn meet(&mut self, people: Vec<Person>) -> usize {
        let before = self.people.len();
        let met = &mut self.met;
        self.people.extend(people.into_iter().filter(|person| met.insert(id_key(&person.id))));
        self.people.len() - before
    }
}

/// A list with entries that show nobody is not complete.
fn refuse_unread(page: &MemberPage) -> Result<(), Fault> {
    if page.unread == 0 {
        return Ok(());
    }
    Err(Fault::Malformed { text: "the member list has entries without an id or an address".to_owned() })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::houston::scripted::{Scripted, request};
    use crate::houston::{Kind, Request, Transport as _};
    use crate::present::members::tests::{Cursor, server};

    fn reading(server: &Arc<Scripted>, pages: &PageSize) -> Result<Everybody, Fault> {
        let houston = Houston::new(Arc::clone(server) as Arc<dyn crate::houston::Transport>);
        read(&houston, &WorkspaceId::new("w").unwrap(), pages)
    }

    #[test]
    fn everybody_is_there_once_however_the_server_turns_pages() {
        for cursor in [Cursor::Exclusive, Cursor::Inclusive, Cursor::Ignored] {
            for page in [7, 100] {
                for people in [0, 1, 6, 7, 8, 99, 100, 101, 250] {
                    let read = reading(&server(people, page, cursor), &PageSize::default()).unwrap();
                    let ids: HashSet<_> = read.people.iter().map(|person| person.id.clone()).collect();
                    assert_eq!(ids.len(), people, "{people} people, {cursor:?}, pages of {page}");
                    assert_eq!(read.people.len(), people);
                }
            }
        }
    }

    #[test]
    fn a_page_shorter_than_another_one_is_not_asked_beyond() {
        let pages = PageSize::default();
        let long = server(150, 100, Cursor::Exclusive);
        reading(&long, &pages).unwrap();
        assert_eq!(long.sent(), 3, "two pages and the invitations");
        let short = server(60, 100, Cursor::Exclusive);
        reading(&short, &pages).unwrap();
        assert_eq!(short.sent(), 2);
    }

    #[test]
    fn lists_that_never_end_or_are_too_long_together_are_errors() {
        assert!(check_end(19_999, 1_000_000).is_ok());
        assert!(check_end(20_000, 0).is_err() && check_end(1, 1_000_001).is_err());
        let server = server(1, 1, Cursor::Exclusive);
        let mut person = reading(&server, &PageSize::default()).unwrap().people.remove(0);
        person.addresses.push("x".repeat(16 << 20));
        let pages = PageSize::default();
        let kept = (0..100).take_while(|_| pages.keep(std::slice::from_ref(&person)).is_ok()).count();
        assert_eq!(kept, 63, "a gibibyte");
        assert!(reading(&server, &pages).is_err(), "it counts over several lists");
    }

    #[test]
    fn a_list_that_breaks_off_is_an_error() {
        let whole = server(250, 100, Cursor::Exclusive);
        let broken = Arc::new(Scripted::new(move |number, body| {
            if number == 2 {
                return Err(Fault::malformed("half an answer"));
            }
            let body = serde_json::to_vec(body).unwrap();
            let answer = whole.send(&Request { body, ..request(Kind::Read) }).unwrap();
            Ok((answer.status, String::from_utf8(answer.body).unwrap()))
        }));
        assert!(reading(&broken, &PageSize::default()).is_err());
        assert_eq!(broken.sent(), 3);
    }
}
