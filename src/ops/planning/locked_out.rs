//! Invited people who have an account: only a sign-up with its token uses an invitation up, so theirs gives
//! them no access until they are added (houston.md 3.2).
//!
//! Main function: [`mark_locked_out`]. It asks about invited people only, and about each once. Where the
//! caller may not see accounts, it changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::Event;
use crate::houston::Fault;
use crate::model::ItemId;
use crate::ops::failure::Failure;
use crate::ops::session::{Session, unusable};
use crate::plan::{Decision, Holder, Item, Membership, Phase, Plan, Reason};
use crate::record::journal::RunSettings;
use crate::report::notices::{Notice, PlanningNotice};
use crate::roster::Roster;

/// So many people are looked up where nothing is done about those who have an account: each costs Houston a
/// request.
const MOST: usize = 200;

/// Marks the invited people of a plan who have an account. A change to the role of their invitation would
/// give them nothing, so it is not made either.
///
/// # Errors
/// The token is dead (4).
pub fn mark_locked_out(
    plan: &mut Plan,
    roster: &Roster,
    settings: &RunSettings,
    session: &Session,
    announce: &mut dyn FnMut(&Event<'_>),
) -> Result<(), Failure> {
    let mut invited: BTreeMap<&str, Vec<ItemId>> = BTreeMap::new();
    for (id, _) in plan.numbered().filter(|(_, item)| is_waiting(item)) {
        invited.entry(roster.emails().get(id)).or_default().push(id);
    }
    let emails: Vec<&str> = invited.keys().copied().collect();
    let most = if settings.reinvite { emails.len() } else { MOST.min(emails.len()) };
    let (asked, others) = emails.split_at(most);
    let Some(with_account) = with_account(asked, roster, session, announce)? else { return Ok(()) };
    if !others.is_empty() {
        session.notices.give(&Notice::Planning(PlanningNotice::AccountsNotChecked(others.len())));
    }
    for (email, ids) in invited {
        if with_account.contains(email) {
            ids.into_iter().for_each(|id| mark(&mut plan.items[id.index()]));
        }
    }
    Ok(())
}

/// Whether the item leaves a person with nothing but an invitation.
fn is_waiting(item: &Item) -> bool {
    item.phase() == Phase::Members
        && matches!(item.seen, Some(Membership::Invited { .. }))
        && match &item.decision {
            Decision::Keep(Reason::AlreadyInvited(_)) => true,
            Decision::Change(action) => action.holder() == Some(Holder::Invitation),
            Decision::Keep(_) => false,
        }
}

fn mark(item: &mut Item) {
    item.decision = Decision::Keep(Reason::LockedOut(item.seen.and_then(Membership::role)));
}

/// Those of these addresses that have an account; nothing without the right to see accounts. One question
/// shows whether they may.
fn with_account<'e>(
    emails: &[&'e str],
    roster: &Roster,
    session: &Session,
    announce: &mut dyn FnMut(&Event<'_>),
) -> Result<Option<BTreeSet<&'e str>>, Failure> {
    let Some((first, others)) = emails.split_first() else { return Ok(None) };
    let survey = session.survey(roster.emails());
    let mut answers = survey.accounts(&[first], |_| announce(&session.tick()));
    let may_see = matches!(answers[..], [Ok(_)]);
    if may_see {
        answers.extend(survey.accounts(others, |_| announce(&session.tick())));
    }
    let mut found = BTreeSet::new();
    for (email, answer) in emails.iter().zip(answers) {
        match answer {
            Ok(true) => drop(found.insert(*email)),
            Err(fault) if fault.bars_all() || matches!(fault, Fault::Expired { .. }) => {
                return Err(unusable(&fault, &session.url));
            }
            // Without an answer they count as invited, which is what they are.
            Ok(false)
            | Err(
                Fault::Unsent { .. }
                | Fault::Expired { .. }
                | Fault::Denied { .. }
                | Fault::Schema { .. }
                | Fault::Rejected { .. }
                | Fault::Already { .. }
                | Fault::NoAnswer { .. }
                | Fault::Proxy { .. }
                | Fault::Throttled { .. }
                | Fault::Internal { .. }
                | Fault::Malformed { .. },
            ) => {}
        }
    }
    Ok(may_see.then_some(found))
}
