//! Who is removed and added again: members whom an old Houston lists twice (`--repair-duplicates`), and
//! people whose invitation is renewed (`--reinvite`).
//!
//! Main function: [`plan_replacements`]. It reads; uncertain cases are left as they are, with a notice.

use std::collections::BTreeMap;

use crate::event::Event;
use crate::houston::{Invite, Person, UserStatus};
use crate::model::{ItemId, Level, email_key};
use crate::ops::failure::Failure;
use crate::ops::notices::Notices;
use crate::ops::planning::unreadable;
use crate::ops::session::Session;
use crate::plan::protect::Protect;
use crate::plan::{Account, Action, Decision, Holder, Item, Membership, Plan, Reason, RolePolicy, Standing};
use crate::present::everybody::Everybody;
use crate::record::journal::RunSettings;
use crate::report::notices::{NotReplaced, Notice, PlanningNotice};
use crate::roster::Roster;

/// Plans replacements instead of what was decided for people who need one.
///
/// # Errors
/// The token is dead (4).
pub fn plan_replacements(
    plan: &mut Plan,
    roster: &Roster,
    settings: &RunSettings,
    protect: &Protect,
    session: &Session,
    announce: &mut dyn FnMut(&Event<'_>),
) -> Result<(), Failure> {
    let mut left = Left::default();
    let mut wanted: BTreeMap<u32, Vec<ItemId>> = BTreeMap::new();
    for (id, item) in plan.numbered() {
        let (Some(workspace), Some(seen)) = (item.workspace(), item.seen) else { continue };
        if settings.reinvite && matches!(seen, Membership::Member { standing: Standing::Pending, .. }) {
            left.pending += 1;
        }
        if replacement(item, settings).is_some() {
            wanted.entry(workspace).or_default().push(id);
        }
    }
    let ids: Vec<_> = wanted.keys().map(|&place| &plan.workspaces[place as usize].id).collect();
    let readings = session.survey(roster.emails()).everybody(&ids, |_| announce(&session.tick()));
    drop(ids);
    for ((_, rows), reading) in wanted.into_iter().zip(readings) {
        match reading {
            Ok(everybody) => {
                Place { everybody, session, roster, protect, settings }.decide(&rows, plan, &mut left);
            }
            Err(fault) => {
                unreadable(&fault, session)?;
                left.unread += rows.len();
            }
        }
    }
    left.give_notice(&session.notices);
    Ok(())
}

/// The replacement of a person, if one is asked for. Unless roles are changed at all, they get the role that
/// they have, of several the one that counts. A person who is locked out has none: they get the wanted one.
fn replacement(item: &Item, settings: &RunSettings) -> Option<Action> {
    let (seen, wanted) = (item.seen?, item.wanted?);
    let to = match settings.roles {
        RolePolicy::Keep => seen.role(),
        RolePolicy::Update => Some(wanted),
    };
    let replace = |to, holder| Action::Replace { to, holder };
    match seen {
        Membership::Member { bindings, .. } if bindings > 1 && settings.repair_duplicates => {
            to.map(|to| replace(to, Holder::Member))
        }
        Membership::Invited { .. } if is_locked_out(item) && settings.reinvite => {
            Some(replace(wanted, Holder::Invitation))
        }
        Membership::Invited { invites, .. } if invites > 1 && settings.repair_duplicates => {
            to.map(|to| replace(to, Holder::Invitation))
        }
        Membership::Invited { .. } if settings.reinvite => {
            to.filter(|to| *to == wanted).map(|to| replace(to, Holder::Invitation))
        }
        Membership::Member { .. } | Membership::Invited { .. } | Membership::Absent => None,
    }
}

fn is_locked_out(item: &Item) -> bool {
    matches!(item.decision, Decision::Keep(Reason::LockedOut(_)))
}

/// Who stays as they are.
#[derive(Debug, Default)]
struct Left {
    unread: usize,
    caller: usize,
    protected: usize,
    last_admins: usize,
    in_deployments: usize,
    not_found: usize,
    pending: usize,
}

impl Left {
    fn give_notice(&self, notices: &Notices) {
        let Self { unread, caller, protected, last_admins, in_deployments, not_found, pending } = *self;
        for (rows, why) in [
            (unread, NotReplaced::Unread),
            (caller, NotReplaced::Caller),
            (protected, NotReplaced::Protected),
            (last_admins, NotReplaced::LastAdmin),
            (in_deployments, NotReplaced::InDeployments),
            (not_found, NotReplaced::NotFound),
            (pending, NotReplaced::Pending),
        ] {
            if rows > 0 {
                notices.give(&Notice::Planning(PlanningNotice::NotReplaced { rows, why }));
            }
        }
    }
}

/// One workspace, with everyone in it.
struct Place<'p> {
    everybody: Everybody,
    session: &'p Session,
    roster: &'p Roster,
    protect: &'p Protect,
    settings: &'p RunSettings,
}

impl Place<'_> {
    fn decide(&self, rows: &[ItemId], plan: &mut Plan, left: &mut Left) {
        let doubled: Vec<&Person> = rows.iter().filter_map(|&row| self.person(row)).collect();
        let is_admin = |person: &Person| person.bindings.first() == Some(&Level::Admin);
        let is_replaced = |person: &Person| doubled.iter().any(|one| one.id == person.id);
        let stays = |person: &&Person| {
            is_admin(person) && person.status == UserStatus::Active && !is_replaced(person)
        };
        let has_admin = self.everybody.people.iter().any(|person| stays(&person));
        for &row in rows {
            let item = &mut plan.items[row.index()];
            let (Some(seen), Some(replace)) = (item.seen, replacement(item, self.settings)) else { continue };
            let accounts = match (seen, self.person(row)) {
                (Membership::Member { .. }, None) | (Membership::Absent, _) => Vec::new(),
                (Membership::Invited { .. }, _) if self.protect.covers([self.roster.emails().get(row)]) => {
                    left.protected += 1;
                    continue;
                }
                (Membership::Invited { .. }, _) => self.invites(row),
                (Membership::Member { .. }, Some(person)) => {
                    let counter = if self.is_caller(person) {
                        Some(&mut left.caller)
                    } else if self.is_protected(person) {
                        Some(&mut left.protected)
                    } else if is_admin(person) && !has_admin {
                        Some(&mut left.last_admins)
                    } else if self.may_have_deployments(person) {
                        Some(&mut left.in_deployments)
                    } else {
                        None
                    };
                    if let Some(counter) = counter {
                        *counter += 1;
                        continue;
                    }
                    vec![Account::User(person.id.clone())]
                }
            };
            if accounts.is_empty() {
                left.not_found += 1;
                continue;
            }
            item.decision = Decision::Change(replace);
            plan.accounts.insert(row, accounts);
        }
    }

    fn person(&self, row: ItemId) -> Option<&Person> {
        let email = self.roster.emails().get(row);
        let people = &self.everybody.people;
        let has = |person: &&Person| person.addresses.iter().any(|address| email_key(address) == email);
        people.iter().find(has).or_else(|| people.iter().find(|person| person.answers_to(email)))
    }

    fn invites(&self, row: ItemId) -> Vec<Account> {
        let email = self.roster.emails().get(row);
        let is_theirs = |invite: &&Invite| invite.email.as_deref().is_some_and(|own| email_key(own) == email);
        let all = self.everybody.invites.iter().filter(is_theirs);
        all.map(|invite| Account::Invite(invite.id.clone())).collect()
    }

    fn is_caller(&self, person: &Person) -> bool {
        let username = self.session.caller.as_ref().and_then(|caller| caller.username.as_deref());
        self.session.identity.user_id() == Some(person.id.as_str())
            || username.is_some_and(|name| person.answers_to(&name.to_lowercase()))
    }

    fn is_protected(&self, person: &Person) -> bool {
        self.protect.covers(person.addresses.iter().chain(&person.username).map(String::as_str))
    }

    fn may_have_deployments(&self, person: &Person) -> bool {
        match &person.deployment_roles {
            Some(roles) => !roles.is_empty(),
            None => self.session.knows_deployment_roles(),
        }
    }
}
