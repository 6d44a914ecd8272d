//! The paging of lists: how long pages get here, when a list has no end, and when it is too large
//! to keep; and whether invitations can be seen.
//!
//! Main type: [`PageSize`]. It asks for nothing.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::houston::{Fault, Person};

/// No workspace has more members: a longer list is not a list of people.
const MOST_PEOPLE: usize = 1_000_000;
/// Nor has a list of people more pages, however few are on each.
const MOST_PAGES: usize = 20_000;
/// What readings of one run may keep together, in bytes: some four million people.
const MOST_KEPT: u64 = 1 << 30;

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
/// more request, or people after it would be taken for absent.
#[derive(Debug, Default)]
pub struct PageSize {
    longest: AtomicUsize,
    /// The memory of all people that readings of this run have kept, in bytes.
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
    Err(Fault::Malformed { text: "an endless member list".to_owned() })
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
