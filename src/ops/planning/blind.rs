//! Workspaces that the caller may change but not read: some servers let a system admin who is no member add
//! people, and show them neither members nor invitations (houston.md 2.3).
//!
//! Main function: [`refuse_blind`]. Nothing is sent there: a repeated add binds a member twice on old servers,
//! and only the member list shows who is one, and what became of an add whose answer was lost.

use crate::houston::Rights;
use crate::model::printable;
use crate::ops::failure::Failure;
use crate::ops::session::Session;
use crate::outcome::ExitStatus;
use crate::plan::Workspace;
use crate::report::notices::{Notice, PlanningNotice};

/// A workspace whose member list Houston refused, and what it said.
pub struct Denied<'p> {
    /// The workspace.
    pub workspace: &'p Workspace,
    /// Houston's words.
    pub text: String,
}

/// Says which of these workspaces the caller may change without reading them. The rows of the others go on.
///
/// # Errors
/// The roster names no workspace that can be read (5).
pub fn refuse_blind(denied: &[Denied<'_>], named: usize, session: &Session) -> Result<(), Failure> {
    if denied.is_empty() {
        return Ok(());
    }
    // Without an answer the rows say what Houston said.
    let Ok(rights) = session.houston.rights() else { return Ok(()) };
    let blind: Vec<&Denied<'_>> =
        denied.iter().filter(|denied| may_change(&rights, denied.workspace, session)).collect();
    let Some(first) = blind.first() else { return Ok(()) };
    let workspaces = if blind.len() == 1 {
        printable(&first.workspace.to_string()).into_owned()
    } else {
        format!("{} and {} more", printable(&first.workspace.to_string()), blind.len() - 1)
    };
    let said = printable(&first.text).into_owned();
    if blind.len() < named {
        session
            .notices
            .give(&Notice::Planning(PlanningNotice::Blind { workspaces: &workspaces, said: &said }));
        return Ok(());
    }
    let error = anyhow::anyhow!(
        "the token may add people to {workspaces}, but not list the members (Houston says \"{said}\"): it is unknown who is already one, and an add could not be verified; nothing was sent"
    );
    Err(Failure::new(ExitStatus::Target, error)
        .hint("use the token of an admin of the workspace itself or, where only roles on the platform may list members, of a system admin; `doctor ROSTER` checks it"))
}

fn may_change(rights: &Rights, workspace: &Workspace, session: &Session) -> bool {
    rights.adds_everywhere(session.installation.version) == Some(true) || rights.administers(&workspace.id)
}
