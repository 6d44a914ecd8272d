//! Changes to what exists: member roles, removals, cancelled invitations, new workspaces.
//!
//! Main functions: [`Houston::set_role`], [`Houston::remove_member`]. As everywhere in this layer
//! nothing is repeated here. An answer without a value is not a success: the caller has to read
//! back.

use super::answer::Decoded;
use super::call::{Call, acknowledged, missing, required};
use super::fault::{AlreadyKind, Fault, RejectedKind, UnsentCause};
use super::transport::Failure;
use super::{Houston, Sent, operations as ops};
use crate::model::{Level, Role, WorkspaceId};

/// The result of a removal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Houston says it removed it. Servers of 2020 also say so about what never existed.
    Done {
        /// How many requests it took.
        attempts: u32,
    },
    /// It no longer existed.
    NothingThere {
        /// How many requests it took.
        attempts: u32,
    },
}

/// A workspace that was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its id.
    pub id: WorkspaceId,
    /// How many requests it took.
    pub attempts: u32,
}

impl Houston {
    /// Sets the role of a member or of a pending invitation. Where the server can (0.30 and later),
    /// gives people who have access only through a Team a role of their own.
    ///
    /// The server compares the address letter by letter. It is sent as the server spells it, if it has
    /// shown the person since this client was made; otherwise as it is given. Old servers answer
    /// [`RejectedKind::NotFound`] where there is not exactly one binding or invitation. Newer ones set
    /// the role of all bindings in that case and answer null: then the fault is [`Fault::Malformed`],
    /// whose effect is unknown, and the caller has to read back.
    pub fn set_role(&self, workspace: &WorkspaceId, email: &str, role: Level) -> Result<Sent, Failure> {
        self.counted(|call| {
            let email = call.spellings().stored(workspace, email);
            call.set_role(workspace, &email, role)?;
            Ok(Sent { attempts: call.attempts })
        })
    }

    /// Sets the role that a pending invitation promises, by the older of the two documents: what the
    /// newer one does for a person without an account is unknown. `email` is in lower case, as
    /// invitations are. Fails with [`RejectedKind::NotFound`] unless exactly one matches.
    pub fn set_invite_role(
        &self,
        workspace: &WorkspaceId,
        email: &str,
        role: Level,
    ) -> Result<Sent, Failure> {
        self.counted(|call| {
            call.update_role(workspace, email, role)?;
            Ok(Sent { attempts: call.attempts })
        })
    }

    /// Removes all roles of a user in a workspace, by user id: an address may belong to another
    /// person tomorrow. Access through a Team stays.
    pub fn remove_member(&self, workspace: &WorkspaceId, user_id: &str) -> Result<Removal, Failure> {
        self.counted(|call| {
            let user_uuid = named(user_id)?;
            let workspace_uuid = workspace.as_str().to_owned();
            let variables = ops::remove_member::Variables { workspace_uuid, user_uuid };
            let decoded = call.ask::<ops::RemoveMember>(variables)?;
            call.removal(&decoded, "workspaceRemoveUser")
        })
    }

    /// Takes a pending invitation back. Where Houston keeps pending users, they stay members.
    pub fn delete_invite(&self, invite_id: &str) -> Result<Removal, Failure> {
        self.counted(|call| {
            let invite_uuid = named(invite_id)?;
            let decoded = call.ask::<ops::DeleteInvite>(ops::delete_invite::Variables { invite_uuid })?;
            call.removal(&decoded, "deleteInviteToken")
        })
    }

    /// Creates a workspace, whose admin the caller becomes. Labels need not be unique, so a second
    /// fault that is not a refusal the caller has to read back. Fails for service accounts, with an
    /// internal fault that is no refusal the caller has to look. Fails for service accounts, with
    /// an internal error: see [`Caller::user_id`](super::Caller::user_id).
    pub fn create_workspace(&self, label: &str, description: Option<&str>) -> Result<Created, Failure> {
        const FIELD: &str = "createWorkspace";
        self.counted(|call| {
            let (label, description) = (label.to_owned(), description.map(str::to_owned));
            let variables = ops::create_workspace::Variables { label, description };
            let decoded = call.ask::<ops::CreateWorkspace>(variables)?;
            let data: ops::create_workspace::ResponseData = required(decoded, FIELD)?;
            let id = data.create_workspace.and_then(|created| created.id);
            let id = id.and_then(|id| WorkspaceId::new(&id).ok()).ok_or_else(|| missing(FIELD))?;
            Ok(Created { id, attempts: call.attempts })
        })
    }
}

impl Call<'_> {
    fn set_role(&mut self, workspace: &WorkspaceId, email: &str, role: Level) -> Result<(), Fault> {
        const UPSERT: &str = "workspaceUpsertUserRole";
        let profile = self.profile();
        let (workspace_uuid, email) = (workspace.as_str().to_owned(), email.to_owned());
        if !profile.upsertless.is_on() {
            let decoded = self.ask::<ops::UpsertRole>(ops::upsert_role::Variables {
                workspace_uuid: workspace_uuid.clone(),
                email: email.clone(),
                role: ops::role(Role::workspace(role)),
            })?;
            if !decoded.does_not_know(UPSERT) {
                return became(decoded, UPSERT, role);
            }
            profile.upsertless.turn_on();
        }
        self.update_role(workspace, &email, role)
    }

    fn update_role(&mut self, workspace: &WorkspaceId, email: &str, role: Level) -> Result<(), Fault> {
        let (workspace_uuid, email) = (workspace.as_str().to_owned(), email.to_owned());
        let variables =
            ops::update_role::Variables { workspace_uuid, email, role: ops::role(Role::workspace(role)) };
        became(self.ask::<ops::UpdateRole>(variables)?, "workspaceUpdateUserRole", role)
    }
}

impl Call<'_> {
    /// The meaning of an answer to a removal: nothing to remove is not a failure.
    pub(super) fn removal(&self, decoded: &Decoded, field: &str) -> Result<Removal, Fault> {
        let attempts = self.attempts;
        match acknowledged(decoded, field) {
            Ok(()) => Ok(Removal::Done { attempts }),
            Err(
                Fault::Already { kind: AlreadyKind::Unbound, .. }
                | Fault::Rejected { kind: RejectedKind::NotFound | RejectedKind::NotInWorkspace, .. },
            ) => Ok(Removal::NothingThere { attempts }),
            Err(fault) => Err(fault),
        }
    }
}

/// An id to send; a server might read an empty one as everyone.
fn named(id: &str) -> Result<String, Fault> {
    if id.trim().is_empty() {
        return Err(Fault::unsent(UnsentCause::Body, "an empty id"));
    }
    Ok(id.to_owned())
}

/// Passes where the answer is the role that was asked for.
fn became(decoded: Decoded, field: &str, role: Level) -> Result<(), Fault> {
    acknowledged(&decoded, field)?;
    let data: serde_json::Value = decoded.data()?;
    match data[field].as_str() {
        Some(name) if name == Role::workspace(role).name() => Ok(()),
        Some(_) | None => Err(Fault::malformed(&format!("`{field}` answers another role"))),
    }
}
