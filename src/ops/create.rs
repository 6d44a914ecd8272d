//! `--create-workspaces`: creates the workspaces that a plan wants and Houston does not have.
//!
//! Main function: [`PreparedPlan::create_missing`]. Labels need not be unique and a second request makes a
//! second workspace, so nothing is ever sent twice here: where the answer is lost, the workspace is
//! looked for by its label, and if it does not appear the run ends before anyone is added.

use super::planning::plan_created;
use super::session::{Session, unusable};
use crate::event::Event;
use crate::houston::{Effect, Fault};
use crate::model::{WorkspaceId, printable};
use crate::ops::failure::Failure;
use crate::ops::planning::prepared::PreparedPlan;
use crate::ops::planning::roster::ResolvedInput;
use crate::ops::planning::workspaces::list_workspaces;
use crate::outcome::ExitStatus;
use crate::plan::{Counts, RolePolicy};
use crate::report::Reporter;
use crate::report::notices::Notice;
use crate::time::Waited;

impl PreparedPlan {
    /// Creates the missing workspaces, reads them, and decides their rows again. They did not exist when
    /// the plan was made, so a workspace with the label is the requested one.
    ///
    /// # Errors
    /// A workspace cannot be created (5, 4), or it is unknown whether it was (8).
    pub fn create_missing(
        &mut self,
        input: &ResolvedInput,
        roles: RolePolicy,
        session: &Session,
        progress: &mut dyn Reporter,
    ) -> Result<(), Failure> {
        let created = std::mem::take(&mut self.plan.to_create);
        if created.is_empty() {
            return Ok(());
        }
        for &place in &created {
            let workspace = &mut self.plan.workspaces[place as usize];
            let label = workspace.label.as_deref().unwrap_or_default();
            workspace.id = create(session, label)?;
            session.notices.give(&Notice::Created(workspace));
        }
        let plan = std::mem::take(&mut self.plan);
        let announce = &mut |event: &Event<'_>| session.show(event, progress);
        self.plan = plan_created(plan, &created, &input.roster, roles, session, announce)?;
        self.counts = Counts::of(&self.plan.items);
        Ok(())
    }
}

fn create(session: &Session, label: &str) -> Result<WorkspaceId, Failure> {
    let fault = match session.houston.create_workspace(label, None) {
        Ok(created) => return Ok(created.id),
        Err(failure) => failure.fault,
    };
    match fault.effect() {
        Effect::Unknown => look(session, label, &fault),
        Effect::None | Effect::Refused => Err(refused(session, label, &fault)),
    }
}

/// Looks for a workspace whose creation got no answer: immediately, and again after the settle time.
fn look(session: &Session, label: &str, fault: &Fault) -> Result<WorkspaceId, Failure> {
    let name = printable(label);
    for wait in [None, Some(session.settings.settle)] {
        if let Some(settle) = wait {
            session.notices.give(&Notice::CreationUnanswered { label, fault: fault.to_string(), settle });
            match session.clock.wait(settle, &session.cancel) {
                Waited::Fully => {}
                Waited::CutShort => break,
            }
        }
        let listing = list_workspaces(session)?;
        let mut found = listing
            .workspaces
            .into_iter()
            .filter(|workspace| workspace.label.as_deref().map(str::trim) == Some(label));
        match (found.next(), found.next()) {
            (Some(workspace), None) => return Ok(workspace.id),
            (Some(_), Some(_)) => {
                let error = anyhow::anyhow!("several workspaces are now called `{name}`; no one was added");
                return Err(Failure::new(ExitStatus::Target, error)
                    .hint("someone else created one too: use the id of the right one"));
            }
            (None, _) => {}
        }
    }
    let error = anyhow::anyhow!(
        "it is unknown whether the workspace `{name}` was created ({fault}); no one was added"
    );
    let hint = match session.caller.as_ref().and_then(|caller| caller.user_id.as_ref()) {
        Some(_) => {
            "check for it in a few minutes, then run this again: an existing workspace is not created twice"
        }
        None => "a service account may not be able to create workspaces: use the token of a user",
    };
    Err(Failure::new(ExitStatus::Unresolved, error).hint(hint))
}

fn refused(session: &Session, label: &str, fault: &Fault) -> Failure {
    if matches!(fault, Fault::Expired { .. }) || fault.bars_all() {
        return unusable(fault, &session.url);
    }
    let name = printable(label);
    let error = anyhow::anyhow!("cannot create the workspace `{name}`: {fault}; no one was added");
    let status = if fault.effect() == Effect::None { ExitStatus::Unresolved } else { ExitStatus::Target };
    Failure::new(status, error).hint("create it by hand or remove its rows, then run this again")
}
