//! Reads one workspace in full: members with all their roles, and invitations.
//!
//! Main type: [`Everybody`]. A list is complete or an error; it never ends early.

use super::collect::{Care, Collectors, Everyone};
use super::pages::{InvitesSeen, PageSize};
use super::walk::walk;
use crate::houston::{Fault, Houston, Invite, Person};
use crate::model::WorkspaceId;
use crate::plan::compare::Addresses;

/// The members of a workspace and the people invited to it.
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
    let mut collectors = Collectors::new(Addresses::default(), Care::default());
    collectors.everyone = Some(Everyone::default());
    let walked = walk(houston, workspace, pages, &mut collectors)?;
    collectors.refuse_unread()?;
    let Everyone { people, invites } = collectors.everyone.unwrap_or_default();
    Ok(Everybody { people, invites, invites_seen: walked.invites })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use super::*;
    use crate::houston::scripted::{Scripted, request};
    use crate::houston::{Kind, Request, Transport as _};
    use crate::present::members::tests::{Cursor, server};
    use crate::present::pages::check_end;

    fn reading(server: &Arc<Scripted>, pages: &PageSize) -> Result<Everybody, Fault> {
        let houston = Houston::new(Arc::clone(server) as Arc<dyn crate::houston::Transport>);
        read(&houston, &WorkspaceId::new("w").unwrap(), pages)
    }

    #[test]
    fn everyone_is_listed_once_however_the_server_turns_pages() {
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
        assert_eq!(long.sent(), 2, "the invitations come with the first page");
        let short = server(60, 100, Cursor::Exclusive);
        reading(&short, &pages).unwrap();
        assert_eq!(short.sent(), 1);
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
