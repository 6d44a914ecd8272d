//! One walk through the lists of a workspace: members page by page, then nothing more than is needed to be
//! sure, and invitations.
//!
//! Main function: [`walk`], which feeds [`Collectors`]. Presence may be proved by any page, or by a read of
//! the person; absence only by the complete list of members and, where the caller may see them, of
//! invitations. A list is read to its end or it is an error; it never ends early without notice.

use std::collections::HashSet;
use std::hash::BuildHasher as _;

use foldhash::fast::FixedState;

use super::collect::Collectors;
use super::pages::{InvitesSeen, PageSize, check_end, hides_invites};
use crate::houston::{Fault, Houston, MemberPage, Paged, Parts, Person};
use crate::model::WorkspaceId;

/// Up to this many missing people are asked for one by one before the rest of a long list is read.
const ONE_BY_ONE: usize = 3;

/// What a walk has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Walked {
    /// Whether the caller may see pending invitations.
    pub(super) invites: InvitesSeen,
    /// Whether the list of members was read to its end.
    pub(super) is_complete: bool,
    /// How many pages of it were read; the whole list counts as one.
    pub(super) pages: u32,
}

/// Walks through the lists of `workspace` until the collectors have all they want.
pub(super) fn walk(
    houston: &Houston,
    workspace: &WorkspaceId,
    pages: &PageSize,
    collectors: &mut Collectors<'_>,
) -> Result<Walked, Fault> {
    let parts = collectors.parts();
    let met_ids = HashSet::default();
    let mut walk = Walk { houston, workspace, pages, parts, collectors, met_ids, taken_in: 0 };
    let (page, invites) = walk.first_page()?;
    let is_complete = walk.turn_pages(page)?;
    Ok(Walked { invites, is_complete, pages: walk.taken_in })
}

/// 128 bits that stand for an id: a long list has many, and no two of them come to the same key.
type IdKey = [u64; 2];

fn id_key(id: &str) -> IdKey {
    [1, 2].map(|seed| foldhash::quality::FixedState::with_seed(seed).hash_one(id))
}

struct Walk<'w, 'a> {
    houston: &'w Houston,
    workspace: &'w WorkspaceId,
    pages: &'w PageSize,
    parts: Parts,
    collectors: &'w mut Collectors<'a>,
    /// Ids that were seen: a cursor may repeat a person, who must not count twice.
    met_ids: HashSet<IdKey, FixedState>,
    /// How many pages of the list were taken in.
    taken_in: u32,
}

impl Walk<'_, '_> {
    /// Reads on from the first page. Gives whether the list was read to its end.
    fn turn_pages(&mut self, mut page: MemberPage) -> Result<bool, Fault> {
        let mut asked_one_by_one = false;
        let mut turned = 0;
        loop {
            let MemberPage { paged, take, last_id, .. } = &page;
            let (paged, take, last_id) = (*paged, *take, last_id.clone());
            // An entry without an identity counts towards its page, and may be any person.
            let people = page.people.len() + page.unread;
            let fresh = self.take_in(page)?;
            let is_last = match paged {
                Paged::Whole => true,
                Paged::Page => people == 0 || self.pages.is_surely_last(people),
            };
            if is_last || self.collectors.have_all() {
                return Ok(is_last);
            }
            if fresh == 0 {
                // A cursor that includes its own row repeats one person at the end. More than one
                // means that the server does not turn pages: only the whole list can be trusted.
                if people > 1 {
                    let list = self.whole_list()?;
                    self.take_in(list)?;
                }
                return Ok(true);
            }
            self.pages.learn(people);
            turned += 1;
            check_end(turned, self.met_ids.len())?;
            let missing = self.collectors.memberships.comparison.missing();
            let may_ask = !self.collectors.read_all() && !asked_one_by_one;
            if may_ask && missing <= ONE_BY_ONE && people >= take as usize {
                asked_one_by_one = true;
                self.ask_one_by_one()?;
                if self.collectors.have_all() {
                    return Ok(false);
                }
            }
            let parts = Parts { invites: false, ..self.parts };
            let next = self.houston.member_page(self.workspace, last_id.as_deref(), parts);
            page = next.map_err(|failure| failure.fault)?;
        }
    }

    /// The first page; the invitations come with it, or after it.
    fn first_page(&mut self) -> Result<(MemberPage, InvitesSeen), Fault> {
        let mut page = match self.houston.member_page(self.workspace, None, self.parts) {
            Ok(page) => page,
            // A page refused says nothing about the workspace: it may be too long for this server.
            Err(failure) if matches!(failure.fault, Fault::Rejected { .. }) => self.whole_list()?,
            Err(failure) => return Err(failure.fault),
        };
        if !self.parts.invites {
            return Ok((page, InvitesSeen::Yes));
        }
        let invites = match page.invites.take() {
            Some(Ok(invites)) => Ok(invites),
            Some(Err(fault)) if hides_invites(&fault) => Err(fault),
            Some(Err(_)) | None => self.houston.invites(self.workspace).map_err(|failure| failure.fault),
        };
        match invites {
            Ok(invites) => {
                invites.into_iter().for_each(|invite| self.collectors.meet_invite(invite));
                Ok((page, InvitesSeen::Yes))
            }
            Err(fault) if hides_invites(&fault) => Ok((page, InvitesSeen::Refused)),
            Err(fault) => Err(fault),
        }
    }

    fn whole_list(&self) -> Result<MemberPage, Fault> {
        let list = self.houston.all_members(self.workspace, self.parts);
        list.map_err(|failure| failure.fault)
    }

    /// Feeds the collectors with a page; gives how many of its people were not seen before.
    fn take_in(&mut self, page: MemberPage) -> Result<usize, Fault> {
        self.taken_in += 1;
        self.collectors.pass_over(page.unread);
        if self.collectors.keep_people() {
            self.pages.keep(&page.people)?;
        }
        self.meet(page.people)
    }

    fn meet(&mut self, people: impl IntoIterator<Item = Person>) -> Result<usize, Fault> {
        let mut fresh = 0;
        for person in people {
            if self.met_ids.insert(id_key(&person.id)) {
                fresh += 1;
                self.collectors.meet(person)?;
            }
        }
        Ok(fresh)
    }

    /// Takes in people who were asked for by name: without a role here they may be people of another
    /// workspace, and are no part of the list.
    fn meet_found(&mut self, people: impl IntoIterator<Item = Person>) -> Result<(), Fault> {
        for person in people {
            if person.bindings.is_empty() {
                self.collectors.meet_beside_the_list(&person)?;
            } else {
                self.meet([person])?;
            }
        }
        Ok(())
    }

    /// Asks for the few people who are missing, each by name. Finding one proves presence; not
    /// finding them, or an error, proves nothing.
    fn ask_one_by_one(&mut self) -> Result<(), Fault> {
        let missing: Vec<String> =
            self.collectors.memberships.comparison.unmet().map(str::to_owned).collect();
        for email in missing {
            match self.houston.person(self.workspace, &email) {
                Ok(people) => self.meet_found(people)?,
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
}
