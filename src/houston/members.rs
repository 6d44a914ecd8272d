//! Reading who is in a workspace: members by page or all at once, invitations, one person.
//!
//! Main function: `Call::members`, which steps down to what the server understands and keeps the
//! members where only the invitations are refused.

use super::answer::Decoded;
use super::call::{Call, missing, required, sound};
use super::fault::{Fault, RejectedKind};
use super::operations as ops;
use super::people::{self, Invite, Person, RawPerson};
use super::{MemberPage, PAGE_SIZE, Paged};
use crate::model::WorkspaceId;

const PAGES: &str = "paginatedWorkspaceUsers";
const WHOLE: &str = "workspaceUsers";
const INVITES: &str = "workspaceInvites";

/// What one document tells about a workspace.
struct List {
    people: Vec<RawPerson>,
    /// Entries of the list that hold nobody.
    unread: usize,
    invites: Option<Result<Vec<Invite>, Fault>>,
}

impl List {
    fn new<R: Into<RawPerson>>(
        people: Option<Vec<Option<R>>>,
        invites: Option<Result<Vec<Invite>, Fault>>,
    ) -> Self {
        let all = people.unwrap_or_default();
        let unread = all.iter().filter(|person| person.is_none()).count();
        Self { people: all.into_iter().flatten().map(Into::into).collect(), unread, invites }
    }
}

/// Reads the answer of the document that was sent.
type Reader = fn(Decoded) -> Result<List, Fault>;

macro_rules! reader {
    ($module:ident, $field:ident) => {
        |decoded| {
            let data: ops::$module::ResponseData = decoded.data()?;
            Ok(List::new(data.$field, None))
        }
    };
    ($module:ident, $field:ident, with invites) => {
        |decoded| {
            let data: ops::$module::ResponseData = decoded.data()?;
            Ok(List::new(data.$field, data.workspace_invites.map(people::invites)))
        }
    };
}

impl Call<'_> {
    /// Members from a cursor on, or all of them where the server knows no pages. Invitations come in
    /// the same document where that works; where it does not, they stay `None`.
    pub(super) fn members(
        &mut self,
        workspace: &WorkspaceId,
        cursor: Option<&str>,
        with_invites: bool,
        pages_wanted: Paged,
    ) -> Result<MemberPage, Fault> {
        let profile = self.profile();
        let mut joint = with_invites;
        let mut refused = None;
        loop {
            let paged = if profile.unpaged.is_on() { Paged::Whole } else { pages_wanted };
            let field = match paged {
                Paged::Page => PAGES,
                Paged::Whole => WHOLE,
            };
            let status = !profile.statusless.is_on();
            joint &= status;
            let (decoded, read) = self.ask_for_members(workspace, cursor, paged, joint, status)?;
            if paged == Paged::Page
                && [PAGES, "cursor", "take"].iter().any(|name| decoded.does_not_know(name))
            {
                profile.unpaged.turn_on();
                continue;
            }
            if status && decoded.does_not_know("status") {
                profile.statusless.turn_on();
                continue;
            }
            if joint && !decoded.has(field) && must_be_split(&decoded, field) {
                joint = false;
                let is_theirs = decoded.blames(INVITES) || decoded.does_not_know(INVITES);
                refused = decoded.fault_of(INVITES).filter(|_| is_theirs);
                continue;
            }
            if let Some(fault) = decoded.doubt_of(field).or_else(|| absence(&decoded, field)) {
                return Err(fault);
            }
            let invites_fault = decoded.fault_of(INVITES);
            let list = read(decoded)?;
            let invites = match refused {
                Some(fault) => Some(Err(fault)),
                None if joint => Some(list.invites.transpose().and_then(|list| listed(list, invites_fault))),
                None => None,
            };
            return page_of(list.people, list.unread, workspace, paged, invites);
        }
    }

    /// The same with roles in deployments and without invitations. Where these roles cannot be asked
    /// for, the members come without them.
    pub(super) fn members_with_deployments(
        &mut self,
        workspace: &WorkspaceId,
        cursor: Option<&str>,
        pages_wanted: Paged,
    ) -> Result<MemberPage, Fault> {
        let profile = self.profile();
        if profile.bare_bindings.is_on() || profile.statusless.is_on() {
            return self.members(workspace, cursor, false, pages_wanted);
        }
        let paged = if profile.unpaged.is_on() { Paged::Whole } else { pages_wanted };
        let workspace_uuid = workspace.as_str().to_owned();
        let (decoded, read, field): (Decoded, Reader, &str) = match paged {
            Paged::Page => {
                let (cursor, take) = (cursor.unwrap_or_default().to_owned(), i64::from(PAGE_SIZE));
                let variables = ops::member_page_with_deployments::Variables { workspace_uuid, cursor, take };
                let decoded = self.ask::<ops::MemberPageWithDeployments>(variables)?;
                (decoded, reader!(member_page_with_deployments, paginated_workspace_users), PAGES)
            }
            Paged::Whole => {
                let variables = ops::all_members_with_deployments::Variables { workspace_uuid };
                let decoded = self.ask::<ops::AllMembersWithDeployments>(variables)?;
                (decoded, reader!(all_members_with_deployments, workspace_users), WHOLE)
            }
        };
        if !decoded.has(field) || decoded.doubt_of(field).is_some() {
            if paged == Paged::Page && decoded.does_not_know(PAGES) {
                profile.unpaged.turn_on();
                return self.members_with_deployments(workspace, cursor, pages_wanted);
            }
            if ["deployment", "releaseName"].iter().any(|name| decoded.does_not_know(name)) {
                profile.bare_bindings.turn_on();
            }
            // The smaller document finds out what else may be wrong.
            return self.members(workspace, cursor, false, pages_wanted);
        }
        let list = read(decoded)?;
        page_of(list.people, list.unread, workspace, paged, None)
    }

    fn ask_for_members(
        &mut self,
        workspace: &WorkspaceId,
        cursor: Option<&str>,
        paged: Paged,
        joint: bool,
        status: bool,
    ) -> Result<(Decoded, Reader), Fault> {
        let workspace_uuid = workspace.as_str().to_owned();
        let cursor = cursor.unwrap_or_default().to_owned();
        let take = i64::from(PAGE_SIZE);
        Ok(match (paged, joint, status) {
            (Paged::Page, true, _) => {
                let variables = ops::member_page_with_invites::Variables { workspace_uuid, cursor, take };
                let decoded = self.ask::<ops::MemberPageWithInvites>(variables)?;
                (decoded, reader!(member_page_with_invites, paginated_workspace_users, with invites))
            }
            (Paged::Page, false, true) => {
                let variables = ops::member_page::Variables { workspace_uuid, cursor, take };
                let decoded = self.ask::<ops::MemberPage>(variables)?;
                (decoded, reader!(member_page, paginated_workspace_users))
            }
            (Paged::Page, false, false) => {
                let variables = ops::member_page_plain::Variables { workspace_uuid, cursor, take };
                let decoded = self.ask::<ops::MemberPagePlain>(variables)?;
                (decoded, reader!(member_page_plain, paginated_workspace_users))
            }
            (Paged::Whole, true, _) => {
                let variables = ops::all_members_with_invites::Variables { workspace_uuid };
                let decoded = self.ask::<ops::AllMembersWithInvites>(variables)?;
                (decoded, reader!(all_members_with_invites, workspace_users, with invites))
            }
            (Paged::Whole, false, true) => {
                let variables = ops::all_members::Variables { workspace_uuid };
                let decoded = self.ask::<ops::AllMembers>(variables)?;
                (decoded, reader!(all_members, workspace_users))
            }
            (Paged::Whole, false, false) => {
                let variables = ops::all_members_plain::Variables { workspace_uuid };
                let decoded = self.ask::<ops::AllMembersPlain>(variables)?;
                (decoded, reader!(all_members_plain, workspace_users))
            }
        })
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

    /// The person with this address.
    pub(super) fn person(&mut self, workspace: &WorkspaceId, email: &str) -> Result<Option<Person>, Fault> {
        const FIELD: &str = "workspaceUser";
        let profile = self.profile();
        let (workspace_uuid, email_text) = (workspace.as_str().to_owned(), email.to_owned());
        let raw = if profile.statusless.is_on() {
            let variables = ops::one_member_plain::Variables { workspace_uuid, email: email_text };
            let decoded = self.ask::<ops::OneMemberPlain>(variables)?;
            if !decoded.has(FIELD) {
                return nobody(&decoded, FIELD);
            }
            let data: ops::one_member_plain::ResponseData = sound(decoded, FIELD)?;
            data.workspace_user.map(RawPerson::from)
        } else {
            let variables = ops::one_member::Variables { workspace_uuid, email: email_text };
            let decoded = self.ask::<ops::OneMember>(variables)?;
            if decoded.does_not_know("status") {
                profile.statusless.turn_on();
                return self.person(workspace, email);
            }
            if !decoded.has(FIELD) {
                return nobody(&decoded, FIELD);
            }
            let data: ops::one_member::ResponseData = sound(decoded, FIELD)?;
            data.workspace_user.map(RawPerson::from)
        };
        let person = raw.map(|raw| raw.of(workspace)).transpose()?;
        Ok(person.filter(|person| person.answers_to(email)))
    }
}

/// The people of an answer as a page.
fn page_of(
    people: Vec<RawPerson>,
    unread: usize,
    workspace: &WorkspaceId,
    paged: Paged,
    invites: Option<Result<Vec<Invite>, Fault>>,
) -> Result<MemberPage, Fault> {
    let people: Vec<Person> = people.into_iter().map(|raw| raw.of(workspace)).collect::<Result<_, _>>()?;
    let (last_id, take) = match paged {
        Paged::Page => (people.last().map(|person| person.id.clone()), PAGE_SIZE),
        Paged::Whole => (None, u32::try_from(people.len()).unwrap_or(u32::MAX)),
    };
    Ok(MemberPage { people, unread, paged, invites, last_id, take })
}

/// What an answer without a person means.
fn nobody(decoded: &Decoded, field: &str) -> Result<Option<Person>, Fault> {
    match decoded.fault_of(field) {
        None | Some(Fault::Rejected { kind: RejectedKind::NotFound, .. }) => Ok(None),
        Some(fault) => Err(fault),
    }
}

fn absence(decoded: &Decoded, field: &str) -> Option<Fault> {
    let why = || decoded.fault_of(field).or_else(|| decoded.fault()).unwrap_or_else(|| missing(field));
    (!decoded.has(field)).then(why)
}

/// Whether a joint document failed as a whole although the members might be told alone: the
/// invitations are unknown here, or an error of theirs took everything along.
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
