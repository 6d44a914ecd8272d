//! Changing what is there already: the role of a member.
//!
//! Main function: [`Houston::set_role`]. As everywhere in this layer nothing is repeated here, and
//! an answer without a word is no success: the caller has to look.

use super::answer::Decoded;
use super::call::{Call, missing};
use super::fault::Fault;
use super::transport::Failure;
use super::{Houston, Sent, operations as ops};
use crate::model::{WorkspaceId, WorkspaceRole};

impl Houston {
    /// Sets the role of a member or of a pending invitation, and gives people who are there only
    /// through a Team a role of their own where the server knows how (0.30 and later).
    ///
    /// `email` must be spelled as the server has it: the server does not lower-case it here. Old
    /// servers answer [`RejectedKind::NotFound`](super::RejectedKind::NotFound) where there is not
    /// exactly one binding or invitation. Newer ones set the role of all bindings in that case and
    /// answer null: then the fault is [`Fault::Malformed`], whose effect is unknown, and the caller
    /// has to read back.
    pub fn set_role(
        &self,
        workspace: &WorkspaceId,
        email: &str,
        role: WorkspaceRole,
    ) -> Result<Sent, Failure> {
        self.counted(|call| {
            call.set_role(workspace, email, role)?;
            Ok(Sent { attempts: call.attempts })
        })
    }
}

impl Call<'_> {
    fn set_role(&mut self, workspace: &WorkspaceId, email: &str, role: WorkspaceRole) -> Result<(), Fault> {
        const UPSERT: &str = "workspaceUpsertUserRole";
        const UPDATE: &str = "workspaceUpdateUserRole";
        let profile = self.profile();
        let (workspace_uuid, email) = (workspace.as_str().to_owned(), email.to_owned());
        if !profile.upsertless.is_on() {
            let decoded = self.ask::<ops::UpsertRole>(ops::upsert_role::Variables {
                workspace_uuid: workspace_uuid.clone(),
                email: email.clone(),
                role: ops::role(role),
            })?;
            if !decoded.does_not_know(UPSERT) {
                return became(decoded, UPSERT, role);
            }
            profile.upsertless.turn_on();
        }
        let variables = ops::update_role::Variables { workspace_uuid, email, role: ops::role(role) };
        became(self.ask::<ops::UpdateRole>(variables)?, UPDATE, role)
    }
}

/// Passes where the answer is the role that was asked for.
fn became(decoded: Decoded, field: &str, role: WorkspaceRole) -> Result<(), Fault> {
    if !decoded.has(field) {
        return Err(decoded.fault().unwrap_or_else(|| missing(field)));
    }
    let data: serde_json::Value = decoded.data()?;
    match data[field].as_str() {
        Some(name) if name == role.name() => Ok(()),
        Some(_) | None => Err(Fault::malformed(&format!("`{field}` answers another role"))),
    }
}
