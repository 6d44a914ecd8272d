//! Houston, the API server of Astro Private Cloud, as typed calls.
//!
//! Main type: [`Houston`]. It chooses the document that the server understands, steps down where
//! the server is older, and turns every answer into data or into a [`Fault`]. It does
//! not wait, repeat or decide: that is the work of the transports below it ([`Paced`], [`Retrying`])
//! and of the callers above.
//!
//! Transports are stacked so that repeats are paced too, whatever they are for:
//! `OutageWait<Retrying<Renewing<Paced<FirstContact<Http>>>>>`, inside a [`ReadOnly`] for callers
//! that change nothing.

pub mod answer;
mod authorities;
mod body;
mod call;
pub mod catalogue;
mod causes;
mod changes;
pub mod checkup;
pub mod contact;
pub mod context;
pub mod credential;
mod deployments;
pub mod fault;
mod gate;
pub mod http;
mod members;
mod members_query;
mod operations;
pub mod outage_wait;
pub mod pacer;
pub mod people;
pub mod profile;
mod proxy;
pub mod rate;
mod rehearsal;
pub mod retry;
#[cfg(test)]
pub(crate) mod scripted;
mod scrub;
mod spellings;
pub mod target;
pub mod token;
pub mod transport;
pub mod window;

use std::collections::HashSet;
use std::sync::Arc;

use self::call::{Call, acknowledged, ignore_unsupported, missing, required, sound};
pub use self::changes::{Created, Removal};
pub use self::checkup::{OnPlatform, Rights, ServerTime, Skew};
pub use self::contact::{Contact, FirstContact};
pub use self::context::{ContextError, Login};
pub use self::credential::{Credential, Renewing};
pub use self::deployments::{Deployment, DeploymentGrant, DeploymentUser};
use self::fault::BYPASS;
pub use self::fault::{AlreadyKind, Effect, Fault, NoAnswerCause, RejectedKind, UnsentCause};
pub use self::http::{Http, HttpSettings};
use self::members_query::{Document, MembersQuery};
pub use self::outage_wait::{OutageWait, Waiting};
pub use self::pacer::{Pace, Paced, Pass};
pub use self::people::{Grounds, InDeployment, Invite, Person, UserStatus};
use self::profile::Profile;
pub use self::profile::{Installation, Repeats, Support, Version};
pub use self::rate::{NotARate, Rate, Speed};
pub use self::rehearsal::Rehearsed;
pub use self::retry::{FailedAttempt, Observer, RetryBudget, RetryPolicy, Retrying};
use self::spellings::Spellings;
pub use self::target::{Target, TargetError};
pub use self::token::{TOKEN_VARIABLE, Token, TokenError, TokenKind};
pub use self::transport::{Answer, Budget, Failure, Kind, ReadOnly, Request, Transport};
pub use crate::houston::profile::Surface;
use crate::model::{Level, Role, WorkspaceId};

/// How many members a page holds at most: Houston allows 101, the official client asks for 100.
pub const PAGE_SIZE: u32 = 100;

const ADD: &str = "workspaceAddUser";

/// A listing of workspaces ends here at the latest.
const MAX_PAGES: i64 = 10_000;
/// And here, however long its pages are.
const MAX_WORKSPACES: usize = 1_000_000;
/// And here, however long their names are, in bytes.
const MAX_WORKSPACE_TEXT: usize = 128 << 20;

/// A workspace of the installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// Its name, which need not be unique.
    pub label: Option<String>,
}

/// Whose workspaces a listing has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All of the installation.
    System,
    /// Those the caller may see, which may be all.
    Own,
}

/// The workspaces there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// In the server's order, each once.
    pub workspaces: Vec<Workspace>,
    /// Whose they are.
    pub scope: Scope,
}

/// Who the token belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user's id; `None` for a service account.
    pub user_id: Option<String>,
    /// The user's name, in the server's spelling.
    pub username: Option<String>,
}

/// What to read in addition to the members of a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Parts {
    /// The pending invitations, with the first page.
    pub invites: bool,
    /// The members' roles in deployments ([`Person::deployment_roles`]).
    pub deployments: bool,
}

/// Whether more members may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Paged {
    /// This is one page.
    Page,
    /// This is the whole list.
    Whole,
}

/// Members of a workspace.
#[derive(Debug, Clone)]
pub struct MemberPage {
    /// The members, in the server's order.
    pub people: Vec<Person>,
    /// Entries without a visible identity: each may be any person.
    pub unread: usize,
    /// Whether more may follow.
    pub paged: Paged,
    /// The pending invitations, or why they are unknown; `None` if they were not asked for.
    pub invites: Option<Result<Vec<Invite>, Fault>>,
    /// The cursor of the next page: the id of the last member of this one.
    pub last_id: Option<String>,
    /// How many were asked for.
    pub take: u32,
}

/// Whether Houston may send an invitation by mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mail {
    /// No mail, and no confirmation of the address.
    Bypass,
    /// As the server does by default.
    Send,
}

/// A change that Houston acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// How many requests it took.
    pub attempts: u32,
}

/// Every document that may be sent, by the name of its operation: for tests against the schemas of servers.
pub fn documents() -> impl Iterator<Item = (&'static str, &'static str)> {
    let members = MembersQuery::all().map(|query| {
        let Document { name, text } = query.document();
        (name.as_str(), text.as_str())
    });
    operations::FILES.iter().copied().chain(members)
}

/// Houston through a transport. Cheap to clone: clones share what they learn about the server.
#[derive(Clone)]
pub struct Houston {
    transport: Arc<dyn Transport>,
    profile: Arc<Profile>,
    spellings: Arc<Spellings>,
    budget: Budget,
}

impl std::fmt::Debug for Houston {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Houston").field("profile", &self.profile).finish_non_exhaustive()
    }
}

impl Houston {
    /// Houston through this transport.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self { transport, profile: Arc::default(), spellings: Arc::default(), budget: Budget::Shared }
    }

    /// The same Houston for reads that settle the outcome of a write: their repeats are not charged
    /// to the shared retry budget.
    #[must_use]
    pub fn for_verification(&self) -> Self {
        Self { budget: Budget::Exempt, ..self.clone() }
    }

    /// What the installation reports about itself. What it does not report, or refuses to, is
    /// unknown and not a failure.
    pub fn installation(&self) -> Result<Installation, Failure> {
        self.counted(|call| {
            let decoded = call.ask::<operations::Installation>(operations::installation::Variables {})?;
            let (version, auth) = if decoded.has("appConfig") || decoded.has("authConfig") {
                ignore_unsupported(decoded.doubt_of("appConfig"))?;
                let data: operations::installation::ResponseData = decoded.data()?;
                (data.app_config.and_then(|config| config.version), data.auth_config)
            } else {
                ignore_unsupported(decoded.fault())?;
                let decoded = call.ask::<operations::AppVersion>(operations::app_version::Variables {})?;
                ignore_unsupported(decoded.fault())?;
                let data: operations::app_version::ResponseData = decoded.data()?;
                (data.app_config.and_then(|config| config.version), None)
            };
            let version = version.as_deref().and_then(Version::parse);
            let bypass_invite = call.fit(version)?;
            Ok(Installation {
                version,
                local_passwords: auth.as_ref().and_then(|auth| auth.local_enabled),
                sso_providers: auth.and_then(|auth| auth.providers).map(|providers| providers.len()),
                bypass_invite,
                repeats: Repeats::of(version),
            })
        })
    }

    /// Whose token it is. Any living token may ask this, so a refusal means that it is dead.
    pub fn caller(&self) -> Result<Caller, Failure> {
        self.counted(|call| {
            let decoded = call.ask::<operations::Caller>(operations::caller::Variables {})?;
            let data: operations::caller::ResponseData = required(decoded, "self")?;
            let caller = data.self_.ok_or_else(|| missing("self"))?;
            let (user_id, username) = caller.user.map_or((None, None), |user| (user.id, user.username));
            Ok(Caller { user_id, username })
        })
    }

    /// All workspaces the caller may see.
    pub fn workspaces(&self) -> Result<Listing, Failure> {
        self.counted(|call| {
            if let Some(workspaces) = call.system_workspaces()? {
                return Ok(Listing { workspaces, scope: Scope::System });
            }
            let decoded = call.ask::<operations::Workspaces>(operations::workspaces::Variables {})?;
            if decoded.has("workspaces") {
                let data: operations::workspaces::ResponseData = sound(decoded, "workspaces")?;
                let list = data.workspaces.into_iter().flatten().flatten();
                let workspaces = distinct(list.map(|workspace| (workspace.id, workspace.label)));
                return Ok(Listing { workspaces, scope: Scope::Own });
            }
            let fault = decoded.fault_of("workspaces").unwrap_or_else(|| missing("workspaces"));
            ignore_unsupported(Some(fault.clone()))?;
            if self.profile.unpaged.is_on() {
                return Err(fault);
            }
            // The first refusal says more than that of the last resort.
            let workspaces = call.workspaces_by_page().map_err(|_| fault)?;
            Ok(Listing { workspaces, scope: Scope::Own })
        })
    }

    /// One workspace; `None` if no workspace has this id. A caller who may not see it gets
    /// [`Fault::Denied`].
    pub fn workspace(&self, id: &WorkspaceId) -> Result<Option<Workspace>, Failure> {
        self.counted(|call| {
            let variables = operations::workspace::Variables { workspace_uuid: id.as_str().to_owned() };
            let decoded = call.ask::<operations::Workspace>(variables)?;
            match decoded.fault_of("workspace").filter(|_| !decoded.has("workspace")) {
                Some(Fault::Rejected { kind: RejectedKind::NotFound, .. }) => return Ok(None),
                Some(fault) => return Err(fault),
                None => {}
            }
            let data: operations::workspace::ResponseData = decoded.data()?;
            let found = data.workspace.map(|workspace| (workspace.id, workspace.label));
            Ok(distinct(found.into_iter()).pop())
        })
    }

    /// A page of members, from the start without a cursor. The first page includes the invitations
    /// if asked for. Parts that cannot be read are left out; the members still come.
    pub fn member_page(
        &self,
        workspace: &WorkspaceId,
        cursor: Option<&str>,
        parts: Parts,
    ) -> Result<MemberPage, Failure> {
        let parts = Parts { invites: parts.invites && cursor.is_none(), ..parts };
        self.counted(|call| {
            let mut page = call.members(workspace, cursor, parts, Paged::Page)?;
            if parts.invites && page.invites.is_none() {
                page.invites = Some(call.invites(workspace));
            }
            Ok(page)
        })
    }

    /// All members at once, for servers whose paging cannot be relied on; without invitations.
    pub fn all_members(&self, workspace: &WorkspaceId, parts: Parts) -> Result<MemberPage, Failure> {
        let parts = Parts { invites: false, ..parts };
        self.counted(|call| call.members(workspace, None, parts, Paged::Whole))
    }

    /// All pending invitations.
    pub fn invites(&self, workspace: &WorkspaceId) -> Result<Vec<Invite>, Failure> {
        self.counted(|call| call.invites(workspace))
    }

    /// The same with the time each was made, where the server reports it.
    pub fn dated_invites(&self, workspace: &WorkspaceId) -> Result<Vec<Invite>, Failure> {
        self.counted(|call| call.dated_invites(workspace))
    }

    /// Whether a person with this address, in lower case, has an account that is in use, wherever. Only the
    /// caller's role on the platform lets them ask.
    pub fn has_account(&self, email: &str) -> Result<bool, Failure> {
        self.counted(|call| call.has_account(email))
    }

    /// The person with this address, in lower case. Proves presence only: new servers do not find
    /// pending users this way, and show people of other workspaces without bindings.
    pub fn person(&self, workspace: &WorkspaceId, email: &str) -> Result<Option<Person>, Failure> {
        self.counted(|call| call.person(workspace, email))
    }

    /// Adds a person to a workspace. Never repeated here, and never sent in a weaker form than was
    /// asked for: a server without `bypassInvite` gets nothing at all.
    pub fn add_member(
        &self,
        workspace: &WorkspaceId,
        email: &str,
        role: Level,
        mail: Mail,
    ) -> Result<Sent, Failure> {
        self.counted(|call| {
            call.add(workspace, email, role, mail)?;
            Ok(Sent { attempts: call.attempts })
        })
    }

    fn counted<T>(&self, act: impl FnOnce(&mut Call<'_>) -> Result<T, Fault>) -> Result<T, Failure> {
        let mut call = Call::new(self);
        act(&mut call).map_err(|fault| Failure { fault, attempts: call.attempts })
    }
}

impl Call<'_> {
    /// Learns what this version does not support; without a version, what the schema says. Gives
    /// whether people can be added without an email.
    fn fit(&mut self, version: Option<Version>) -> Result<Support, Fault> {
        let profile = self.profile();
        if let Some(version) = version {
            profile.fit_version(version);
        } else if let Some(surface) = checkup::ask_surface(self)? {
            profile.fit_surface(surface);
        } else {
            return Ok(Support::Unknown);
        }
        Ok(if profile.bypassless.is_on() { Support::No } else { Support::Yes })
    }

    /// All workspaces of the installation; `None` where they are not listed.
    fn system_workspaces(&mut self) -> Result<Option<Vec<Workspace>>, Fault> {
        if self.profile().listless.is_on() {
            return Ok(None);
        }
        let decoded = self.ask::<operations::SysWorkspaces>(operations::sys_workspaces::Variables {})?;
        if !decoded.has("sysWorkspaces") {
            return ignore_unsupported(decoded.fault_of("sysWorkspaces")).map(|()| None);
        }
        let data: operations::sys_workspaces::ResponseData = sound(decoded, "sysWorkspaces")?;
        let list = data.sys_workspaces.into_iter().flatten().flatten();
        Ok(Some(distinct(list.map(|workspace| (workspace.id, workspace.label)))))
    }

    /// Pages are counted from 0 before 0.31.6 and from 1 afterwards, where 0 means 1: page 1 may
    /// bring nothing new without being the end. A short page proves nothing, for a server may give
    /// fewer than it is asked for.
    fn workspaces_by_page(&mut self) -> Result<Vec<Workspace>, Fault> {
        let mut found: Vec<Workspace> = Vec::new();
        let mut seen = HashSet::new();
        let mut bytes = 0;
        for page_number in 0..MAX_PAGES {
            let variables =
                operations::paginated_workspaces::Variables { take: i64::from(PAGE_SIZE), page_number };
            let decoded = self.ask::<operations::PaginatedWorkspaces>(variables)?;
            let data: operations::paginated_workspaces::ResponseData =
                required(decoded, "paginatedWorkspaces")?;
            let list = data.paginated_workspaces.into_iter().flatten().flatten();
            let page = distinct(list.map(|workspace| (workspace.id, workspace.label)));
            let is_empty = page.is_empty();
            let before = found.len();
            found.extend(page.into_iter().filter(|workspace| seen.insert(workspace.id.clone())));
            let text = |workspace: &Workspace| {
                workspace.id.as_str().len() + workspace.label.as_ref().map_or(0, String::len)
            };
            bytes += found[before..].iter().map(text).sum::<usize>();
            if found.len() > MAX_WORKSPACES || bytes > MAX_WORKSPACE_TEXT {
                return Err(Fault::malformed("an endless list of workspaces"));
            }
            if is_empty || (found.len() == before && page_number != 1) {
                break;
            }
        }
        Ok(found)
    }

    fn add(&mut self, workspace: &WorkspaceId, email: &str, role: Level, mail: Mail) -> Result<(), Fault> {
        let profile = self.profile();
        let (workspace_uuid, email) = (workspace.as_str().to_owned(), email.to_owned());
        let role = operations::role(Role::workspace(role));
        let decoded = match mail {
            Mail::Bypass if profile.bypassless.is_on() => return Err(would_mail()),
            Mail::Bypass => self.ask::<operations::AddMember>(operations::add_member::Variables {
                workspace_uuid,
                email,
                role,
                bypass_invite: true,
            })?,
            Mail::Send => {
                self.ask::<operations::AddMemberWithMail>(operations::add_member_with_mail::Variables {
                    workspace_uuid,
                    email,
                    role,
                })?
            }
        };
        if mail == Mail::Bypass && decoded.does_not_know(BYPASS) {
            profile.bypassless.turn_on();
            return Err(would_mail());
        }
        acknowledged(&decoded, ADD)
    }
}

/// Nothing was sent, or nothing of it done: without this argument people would be mailed.
fn would_mail() -> Fault {
    let text = "it has no `bypassInvite` and would email everyone who is added".to_owned();
    Fault::Schema { subject: Some(BYPASS.to_owned()), text }
}

/// The workspaces with a usable id, each once.
fn distinct(list: impl Iterator<Item = (Option<String>, Option<String>)>) -> Vec<Workspace> {
    let mut seen = HashSet::new();
    list.filter_map(|(id, label)| Some(Workspace { id: WorkspaceId::new(&id?).ok()?, label }))
        .filter(|workspace| seen.insert(workspace.id.clone()))
        .collect()
}

#[cfg(test)]
mod tests;
