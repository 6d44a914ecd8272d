//! `--create-workspaces`: makes the workspaces that a plan wants and Houston does not have.
//!
//! Main function: [`PreparedPlan::create_missing`]. Labels need not be unique and a second request makes a
//! second workspace, so nothing is ever sent twice here: where the answer is lost, the workspace is
//! looked for by its label, and if it does not appear the run ends before anybody is added.

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
use crate::plan::{Counts, Phase, RolePolicy};
use crate::report::Reporter;
use crate::report::notices::Notice;
use crate::time::Waited;

impl PreparedPlan {
    /// Creates what is missing, reads it, and decides its rows again. Nothing was there when the
    /// plan was made, so a workspace with the label is the one that was asked for.
    ///
    /// # Errors
    /// A workspace cannot be created (5, 4), or nobody can tell whether it was (8).
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
        self.operations = self.plan.operations(Phase::Members);
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

/// Looks for a workspace whose creation has no answer: at once, and when the settle time is over.
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
                let error = anyhow::anyhow!("there are several workspaces `{name}` now; nobody was added");
                return Err(Failure::new(ExitStatus::Target, error)
                    .hint("somebody else made one too: name the right one by its id"));
            }
            (None, _) => {}
        }
    }
    let error = anyhow::anyhow!(
        "nobody knows whether the workspace `{name}` was created ({fault}); nobody was added"
    );
    let hint = match session.caller.as_ref().and_then(|caller| caller.user_id.as_ref()) {
        Some(_) => "look for it in a few minutes, then run this again: what exists is not created twice",
        None => "a service account may not be able to create workspaces: use the token of a user",
    };
    Err(Failure::new(ExitStatus::Unresolved, error).hint(hint))
}

fn refused(session: &Session, label: &str, fault: &Fault) -> Failure {
    if matches!(fault, Fault::Expired { .. }) || fault.bars_all() {
        return unusable(fault, &session.url);
    }
    let name = printable(label);
    let error = anyhow::anyhow!("the workspace `{name}` cannot be created: {fault}; nobody was added");
    let status = if fault.effect() == Effect::None { ExitStatus::Unresolved } else { ExitStatus::Target };
    Failure::new(status, error).hint("create it by hand, or take its rows out; then run this again")
}
