//! Reads who is in a workspace: members by page or all at once, invitations, one person.
//!
//! Main function: `Call::members`, which steps down to what the server understands and keeps the
//! members if only the invitations are refused.

use super::answer::Decoded;
use super::call::{Call, missing, required, sound};
use super::fault::{Fault, RejectedKind};
use super::members_query::{MembersQuery, Root};
use super::operations::{self as ops, members};
use super::people::{self, Invite, Person, RawPerson, UserStatus};
use super::profile::Profile;
use super::{MemberPage, PAGE_SIZE, Paged, Parts};
use crate::model::{WorkspaceId, email_key, normalize_email};

const INVITES: &str = "workspaceInvites";

impl Call<'_> {
    /// Members from a cursor on, or all of them where the server knows no pages. Invitations come in
    /// the same document where that works; where it does not, they stay `None`. Where roles in deployments
    /// cannot be asked for, the members come without them.
    pub(super) fn members(
        &mut self,
        workspace: &WorkspaceId,
        cursor: Option<&str>,
        mut parts: Parts,
        pages_wanted: Paged,
    ) -> Result<MemberPage, Fault> {
        let profile = self.profile();
        let mut refused = None;
        loop {
            let paged = if profile.unpaged.is_on() { Paged::Whole } else { pages_wanted };
            let query = MembersQuery {
                root: match paged {
                    Paged::Page => Root::Page,
                    Paged::Whole => Root::Whole,
                },
                invites: parts.invites,
                deployments: parts.deployments && !profile.bare_bindings.is_on(),
                status: !profile.statusless.is_on(),
            };
            let field = query.root.field();
            let decoded = self.ask_for_members(query, workspace, cursor.unwrap_or_default())?;
            if profile.learns_from(&decoded, query) {
                continue;
            }
            if query.invites && !decoded.has(field) && must_be_split(&decoded, field) {
                parts.invites = false;
                let is_theirs = decoded.blames(INVITES) || decoded.does_not_know(INVITES);
                refused = decoded.fault_of(INVITES).filter(|_| is_theirs);
                continue;
            }
            if let Some(fault) = decoded.doubt_of(field).or_else(|| absence(&decoded, field)) {
                if query.deployments {
                    // The smaller document finds out whether the deployments are to blame.
                    parts.deployments = false;
                    continue;
                }
                return Err(fault);
            }
            let invites_fault = decoded.fault_of(INVITES);
            let data: ops::MembersData = decoded.data()?;
            let invites = match refused {
                Some(fault) => Some(Err(fault)),
                None => query.invites.then(|| {
                    let list = data.workspace_invites.map(people::invites).transpose();
                    list.and_then(|list| listed(list, invites_fault))
                }),
            };
            let people = match paged {
                Paged::Page => data.paginated_workspace_users,
                Paged::Whole => data.workspace_users,
            };
            let page = page_of(people.unwrap_or_default(), workspace, query, invites)?;
            self.spellings().note(workspace, &page.people);
            return Ok(page);
        }
    }

    /// The pending invitations of a workspace.
    pub(super) fn invites(&mut self, workspace: &WorkspaceId) -> Result<Vec<Invite>, Fault> {
        let workspace_uuid = workspace.as_str().to_owned();
        let decoded = self.ask::<ops::Invites>(ops::invites::Variables { workspace_uuid })?;
        let data: ops::invites::ResponseData = required(decoded, INVITES)?;
        people::invites(data.workspace_invites.unwrap_or_default())
    }

    /// The pending invitations of a workspace, with their dates where the server has them.
    pub(super) fn dated_invites(&mut self, workspace: &WorkspaceId) -> Result<Vec<Invite>, Fault> {
        let workspace_uuid = workspace.as_str().to_owned();
        let decoded = self.ask::<ops::DatedInvites>(ops::dated_invites::Variables { workspace_uuid })?;
        if decoded.does_not_know("createdAt") {
            return self.invites(workspace);
        }
        let data: ops::dated_invites::ResponseData = required(decoded, INVITES)?;
        people::invites(data.workspace_invites.unwrap_or_default())
    }

    /// Whether a user who can sign in has this address.
    pub(super) fn has_account(&mut self, email: &str) -> Result<bool, Fault> {
        let decoded = self.ask::<ops::Accounts>(ops::accounts::Variables { email: email.to_owned() })?;
        let data: ops::accounts::ResponseData = required(decoded, "users")?;
        let is_theirs = |address: &str| email_key(&normalize_email(address)) == email_key(email);
        let has_it = |user: ops::accounts::AccountsUsers| {
            let addresses = user.emails.into_iter().flatten().flatten().filter_map(|email| email.address);
            let is_active = UserStatus::of(user.status.as_deref()) == UserStatus::Active;
            is_active && addresses.into_iter().any(|address| is_theirs(&address))
        };
        Ok(data.users.into_iter().flatten().flatten().any(has_it))
    }

    /// The person with this address.
    pub(super) fn person(&mut self, workspace: &WorkspaceId, email: &str) -> Result<Option<Person>, Fault> {
        let status = !self.profile().statusless.is_on();
        let query = MembersQuery { root: Root::One, invites: false, deployments: false, status };
        let field = query.root.field();
        let decoded = self.ask_for_members(query, workspace, email)?;
        if self.profile().learns_from(&decoded, query) {
            return self.person(workspace, email);
        }
        if !decoded.has(field) {
            return without_person(&decoded, field);
        }
        let data: ops::MembersData = sound(decoded, field)?;
        let raw = data.workspace_user.map(RawPerson::from);
        let person = raw.map(|raw| raw.of(workspace, query.deployments)).transpose()?;
        Ok(person.filter(|person| person.answers_to(email)))
    }
}

impl Profile {
    /// Learns from the answer to a query what this server does not support. Gives whether that was
    /// part of the query: then a smaller one may be understood.
    fn learns_from(&self, decoded: &Decoded, query: MembersQuery) -> bool {
        let lacks = |names: &[&str]| names.iter().any(|name| decoded.does_not_know(name));
        let switch = if query.root == Root::Page && lacks(&[Root::Page.field(), "cursor", "take"]) {
            &self.unpaged
        } else if query.status && lacks(&["status"]) {
            &self.statusless
        } else if query.deployments && lacks(&["deployment", "releaseName"]) {
            &self.bare_bindings
        } else {
            return false;
        };
        switch.turn_on();
        true
    }
}

/// The people of an answer as a page.
fn page_of(
    list: Vec<Option<members::Person>>,
    workspace: &WorkspaceId,
    query: MembersQuery,
    invites: Option<Result<Vec<Invite>, Fault>>,
) -> Result<MemberPage, Fault> {
    let entries = list.len();
    let known = list.into_iter().flatten();
    let people: Vec<Person> = known
        .map(|person| RawPerson::from(person).of(workspace, query.deployments))
        .collect::<Result<_, _>>()?;
    let unread = entries - people.len();
    let (paged, last_id, take) = match query.root {
        Root::Page => (Paged::Page, people.last().map(|person| person.id.clone()), PAGE_SIZE),
        Root::Whole | Root::One => (Paged::Whole, None, u32::try_from(people.len()).unwrap_or(u32::MAX)),
    };
    Ok(MemberPage { people, unread, paged, invites, last_id, take })
}

/// What an answer without a person means.
fn without_person(decoded: &Decoded, field: &str) -> Result<Option<Person>, Fault> {
    match decoded.fault_of(field) {
        None | Some(Fault::Rejected { kind: RejectedKind::NotFound, .. }) => Ok(None),
        Some(fault) => Err(fault),
    }
}

fn absence(decoded: &Decoded, field: &str) -> Option<Fault> {
    let why = || decoded.fault_of(field).or_else(|| decoded.fault()).unwrap_or_else(|| missing(field));
    (!decoded.has(field)).then(why)
}

/// Whether a joint document failed as a whole although the members alone could be read: the
/// invitations are unknown here, or one of their errors failed everything.
fn must_be_split(decoded: &Decoded, field: &str) -> bool {
    let may_be_theirs = |fault: Fault| !matches!(fault, Fault::Schema { .. } | Fault::Expired { .. });
    decoded.does_not_know(INVITES)
        || (decoded.is_dataless() && !decoded.blames(field) && decoded.fault().is_some_and(may_be_theirs))
}

/// Invitations that may have been refused on their own.
fn listed(list: Option<Vec<Invite>>, fault: Option<Fault>) -> Result<Vec<Invite>, Fault> {
    match (list, fault) {
        (Some(list), None | Some(Fault::Denied { .. })) => Ok(list),
        (Some(_) | None, Some(fault)) => Err(fault),
        (None, None) => Err(missing(INVITES)),
    }
}
