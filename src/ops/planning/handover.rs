//! Admins whom a plan brings into a workspace, where it would otherwise lose its last one.
//!
//! Main function: [`successors`]. Only people who have an account count: an invitation may never be accepted. It
//! asks Houston about people who are added, only where they decide.

use crate::houston::UserStatus;
use crate::model::{ItemId, Level, WorkspaceId};
use crate::ops::failure::Failure;
use crate::ops::planning::unreadable;
use crate::ops::session::Session;
use crate::plan::{Action, Decision, Holder, Item, Membership, Standing};
use crate::report::notices::Notice;

/// Houston is asked about so many people of a workspace at most.
const MOST_ASKED: usize = 10;

/// A row whose person becomes an admin.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'c> {
    /// The row.
    pub row: ItemId,
    /// Its address, as Houston is given it.
    pub email: &'c str,
    /// What was decided about it.
    pub item: &'c Item,
}

/// Who becomes an admin of the workspace: members who are promoted first, then people who are added and have
/// an account, as far as the token can see them. Stops at `needed`.
///
/// # Errors
/// The token is dead (4), or nothing gets through (5).
pub fn successors<'c>(
    candidates: impl Iterator<Item = Candidate<'c>>,
    workspace: &WorkspaceId,
    needed: usize,
    session: &Session,
) -> Result<Vec<Candidate<'c>>, Failure> {
    let (promoted, added): (Vec<_>, Vec<_>) =
        candidates.filter(becomes_admin).partition(|one| !one.item.decision.is_add());
    let mut found: Vec<Candidate<'c>> = promoted.into_iter().take(needed).collect();
    for candidate in added.into_iter().take(MOST_ASKED) {
        if found.len() >= needed {
            break;
        }
        if is_user(workspace, candidate.email, session)? {
            found.push(candidate);
        }
    }
    Ok(found)
}

/// Whether the change makes an admin of a person who may have an account.
fn becomes_admin(candidate: &Candidate<'_>) -> bool {
    match (&candidate.item.decision, candidate.item.seen) {
        (
            Decision::Change(Action::SetRole { to: Level::Admin, holder: Holder::Member, .. }),
            Some(Membership::Member { standing: Standing::Active, .. }),
        )
        | (Decision::Change(Action::Add(Level::Admin)), _) => true,
        (Decision::Change(_) | Decision::Keep(_), _) => false,
    }
}

/// Whether a person who is no member can be seen to have an account with which they can sign in.
fn is_user(workspace: &WorkspaceId, email: &str, session: &Session) -> Result<bool, Failure> {
    match session.houston.person(workspace, email) {
        Ok(person) => Ok(person.is_some_and(|person| person.status == UserStatus::Active)),
        Err(failure) => unreadable(&failure.fault, session).map(|_| false),
    }
}

/// Gives notice of who leaves as an admin, and of who has to be one before that.
pub fn announce(session: &Session, workspace: &str, leaving: &[&str], coming: &[Candidate<'_>]) {
    let coming: Vec<&str> = coming.iter().map(|candidate| candidate.email).collect();
    session.notices.give(&Notice::HandOver { workspace, leaving, coming: &coming });
}
