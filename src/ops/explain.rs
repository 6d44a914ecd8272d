//! `plan --explain EMAIL`: what is known of one person, which rule decides, and what exactly would be
//! sent.
//!
//! Main function: [`explain`]. It shows; it decides nothing and sends nothing.

use std::fmt::Write as _;

use serde::Serialize;

use super::session::Session;
use crate::houston::{DeploymentUser, Mail, Rehearsed};
use crate::model::{Level, Role, RowNumber, Scope, email_key, normalize_email, printable};
use crate::ops::failure::Failure;
use crate::ops::planning::prepared::PreparedPlan;
use crate::ops::planning::roster::ResolvedInput;
use crate::outcome::ExitStatus;
use crate::plan::extra::{Account, Extra};
use crate::plan::grant::{Grant, name};
use crate::plan::{Action, Decision, Holder, Membership, Reason, Workspace};
use crate::report::escape::json_pretty;
use crate::report::plan::{PlanFormat, reason_of_grant};

/// One row, or one person who is not in the roster, explained.
#[derive(Debug, Serialize)]
struct Explained {
    /// `file:line`; none for a person who is not in the roster.
    place: Option<String>,
    email: String,
    workspace: Option<String>,
    workspace_id: Option<String>,
    /// The release name of the deployment, for a role in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<String>,
    /// What Houston has; none if it was not read.
    present: Option<String>,
    rule: String,
    action: &'static str,
    from_role: Option<&'static str>,
    to_role: Option<&'static str>,
    /// What would be sent.
    request: Option<Sending>,
}

/// A request.
#[derive(Debug, Serialize)]
struct Sending {
    operation: &'static str,
    document: String,
    variables: serde_json::Value,
}

impl From<Rehearsed> for Sending {
    fn from(Rehearsed { operation, document, variables }: Rehearsed) -> Self {
        Self { operation, document, variables }
    }
}

/// Everything about the person with this address, as JSON or as text.
///
/// # Errors
/// No one has this address (2).
pub fn explain(
    email: &str,
    prepared: &PreparedPlan,
    input: &ResolvedInput,
    mail: Mail,
    session: &Session,
    format: PlanFormat,
) -> Result<String, Failure> {
    let usage = |error| Failure::new(ExitStatus::Usage, error);
    let explainer = Explainer { prepared, input, mail, session };
    let all = explainer.all(&email_key(&normalize_email(email)));
    if all.is_empty() {
        let (email, name) = (printable(email), printable(&input.name));
        return Err(usage(anyhow::anyhow!("no row of {name} has the address {email}")).hint(
            "`plan --all` lists everyone in the roster; other people are considered only with --prune",
        ));
    }
    match format {
        PlanFormat::Human | PlanFormat::Csv | PlanFormat::Md => {
            Ok(all.iter().map(text).collect::<Vec<_>>().join("\n"))
        }
        PlanFormat::Json => json_pretty(&all).map_err(|error| Failure::new(ExitStatus::Internal, error)),
    }
}

struct Explainer<'e> {
    prepared: &'e PreparedPlan,
    input: &'e ResolvedInput,
    mail: Mail,
    session: &'e Session,
}

impl Explainer<'_> {
    fn all(&self, email: &str) -> Vec<Explained> {
        let rows = (0..self.input.roster.len()).map(RowNumber::from_index);
        let rows = rows.filter(|&row| self.input.roster.emails().get(row) == email);
        let extras = self.prepared.plan.extras.iter().filter(|extra| email_key(&extra.name) == email);
        let grants = |row| self.prepared.plan.grants.iter().filter(move |grant| grant.row == row);
        let rows =
            rows.flat_map(|row| [self.row(row)].into_iter().chain(grants(row).map(|one| self.grant(one))));
        rows.chain(extras.map(|extra| self.extra(extra))).collect()
    }

    fn row(&self, row: RowNumber) -> Explained {
        let (plan, roster) = (&self.prepared.plan, &self.input.roster);
        let planned = &plan.rows[row.index()];
        let wish = roster.assignment(row);
        let workspace = planned.workspace.map(|place| &plan.workspaces[place as usize]);
        let text = roster.workspace(row).map(|text| roster.workspaces()[text as usize].clone());
        let exists = planned.workspace.is_some_and(|place| !plan.is_to_be_created(place));
        let role = wish.map(|wish| wish.role);
        Explained {
            place: Some(format!("{}:{}", self.input.name, roster.line(row))),
            email: roster.emails().spelled(row).to_owned(),
            workspace: workspace.and_then(|workspace| workspace.label.clone()).or(text),
            workspace_id: workspace.filter(|_| exists).map(|workspace| workspace.id.to_string()),
            deployment: None,
            present: planned.seen.map(|seen| seen.described(Scope::Workspace)),
            rule: self.rule(&planned.decision, role),
            action: planned.decision.word(),
            from_role: planned.seen.and_then(Membership::role).map(|level| Role::workspace(level).name()),
            to_role: role.map(|level| Role::workspace(level).name()),
            request: workspace
                .filter(|_| exists)
                .and_then(|workspace| self.request(workspace, row, &planned.decision)),
        }
    }

    fn request(&self, workspace: &Workspace, row: RowNumber, decision: &Decision) -> Option<Sending> {
        let (houston, email) = (&self.session.houston, self.input.roster.emails().spelled(row));
        let rehearsed = match decision.action() {
            Some(Action::Add(role)) => {
                let mail = self.mail;
                let subjects = self.prepared.subjects();
                let bundled = subjects.bundled.get(&row.into()).map_or(&[][..], Vec::as_slice);
                houston.rehearse(|houston| houston.add_member_with(&workspace.id, email, role, mail, bundled))
            }
            Some(Action::Replace(_)) => {
                // The first of the two; the other one is an add.
                match self.prepared.plan.replacements.get(&row)?.first()? {
                    Account::User(id) => houston.rehearse(|houston| houston.remove_member(&workspace.id, id)),
                    Account::Invite(id) => houston.rehearse(|houston| houston.delete_invite(id)),
                }
            }
            Some(Action::SetRole { to, holder, .. }) => houston.rehearse(|houston| match holder {
                Holder::Member => houston.set_role(&workspace.id, email, to),
                Holder::Invitation => houston.set_invite_role(&workspace.id, email, to),
            }),
            Some(Action::Remove(_)) | None => None,
        };
        rehearsed.map(Sending::from)
    }

    fn rule(&self, decision: &Decision, role: Option<Level>) -> String {
        match decision {
            Decision::Change(Action::Add(_)) => "neither a member nor invited: will be added".to_owned(),
            Decision::Change(Action::Remove(_)) => String::new(),
            Decision::Change(Action::Replace(_)) => {
                "removed by this request, then added again (--repair-duplicates, --reinvite)".to_owned()
            }
            Decision::Change(Action::SetRole { holder: Holder::Invitation, .. }) => {
                "invited with a different role: --update-roles sets the roster's role on the invitation"
                    .to_owned()
            }
            Decision::Change(Action::SetRole { holder: Holder::Member, .. }) => {
                "a member with a different role: --update-roles sets the roster's role".to_owned()
            }
            Decision::Keep(reason) => self.rule_of(reason, role),
        }
    }

    fn rule_of(&self, reason: &Reason, role: Option<Level>) -> String {
        let cause = || reason.end(Scope::Workspace, role).1;
        let because = || cause().map_or_else(String::new, |cause| format!("{} ({})", cause.text, cause.code));
        match reason {
            Reason::Unchanged => "a member with the wanted role: nothing to do".to_owned(),
            Reason::RoleKept(_) => format!("{}: roles change only with --update-roles", because()),
            Reason::AlreadyInvited(_) => {
                let more = cause().map_or_else(String::new, |cause| format!("; {}", cause.text));
                format!("already invited, or has never signed in: not invited again{more}")
            }
            Reason::Merged { into } => {
                let line = self.input.roster.line(*into);
                format!("merged into line {line}")
            }
            Reason::LeftOut => "excluded by --only or --limit".to_owned(),
            Reason::HeldBack(..)
            | Reason::Protected(_)
            | Reason::ViaTeam
            | Reason::RolesHidden
            | Reason::UnsureRoster
            | Reason::Invalid(_)
            | Reason::Rejected(_)
            | Reason::Unreadable(_) => because(),
        }
    }

    fn grant(&self, grant: &Grant) -> Explained {
        let (plan, roster) = (&self.prepared.plan, &self.input.roster);
        let workspace = &plan.workspaces[grant.workspace as usize];
        let (houston, email) = (&self.session.houston, roster.emails().spelled(grant.row));
        let (id, user) = (&grant.deployment.id, grant.user.as_ref());
        let user = DeploymentUser {
            id: user.map(|(id, _)| id.as_str()),
            email: user.map_or(email, |(_, address)| address),
        };
        let (request, rule) = match &grant.decision {
            Decision::Change(Action::Add(_)) if self.prepared.comes_along(grant) => {
                (None, "set by the request that adds the person to the workspace".to_owned())
            }
            Decision::Change(Action::Add(_)) => (
                grant
                    .role
                    .and_then(|role| houston.rehearse(|houston| houston.add_deployment_role(id, user, role))),
                "has no role in this deployment: will get one".to_owned(),
            ),
            Decision::Change(Action::SetRole { .. }) => (
                grant
                    .role
                    .and_then(|role| houston.rehearse(|houston| houston.set_deployment_role(id, user, role))),
                "has a different role in this deployment: --update-roles sets the roster's role".to_owned(),
            ),
            Decision::Change(Action::Remove(_)) => (
                houston.rehearse(|houston| houston.remove_deployment_role(id, user)),
                "has a role in this deployment, but the roster says NONE: --update-roles removes it"
                    .to_owned(),
            ),
            Decision::Change(Action::Replace(_)) | Decision::Keep(_) => (None, reason_of_grant(grant)),
        };
        Explained {
            place: Some(format!("{}:{}", self.input.name, roster.line(grant.row))),
            email: email.to_owned(),
            workspace: workspace.label.clone(),
            workspace_id: (!plan.is_to_be_created(grant.workspace)).then(|| workspace.id.to_string()),
            deployment: Some(grant.deployment.name.clone()),
            present: grant.seen.map(|seen| seen.described(Scope::Deployment)),
            rule,
            action: grant.decision.word(),
            from_role: grant.from().map(|level| Role::deployment(level).name()),
            to_role: Some(name(grant.role.map(Role::deployment))),
            request: request.map(Sending::from),
        }
    }

    fn extra(&self, extra: &Extra) -> Explained {
        let workspace = &self.prepared.plan.workspaces[extra.workspace as usize];
        let houston = &self.session.houston;
        let request = extra.leaves().then(|| match &extra.account {
            Account::User(id) => houston.rehearse(|houston| houston.remove_member(&workspace.id, id)),
            Account::Invite(id) => houston.rehearse(|houston| houston.delete_invite(id)),
        });
        Explained {
            place: None,
            email: extra.name.clone(),
            workspace: workspace.label.clone(),
            workspace_id: Some(workspace.id.to_string()),
            deployment: None,
            present: Some(extra.seen.described(Scope::Workspace)),
            rule: match extra.decision.end(Scope::Workspace, None).and_then(|(_, cause)| cause) {
                None => "not in the roster: --prune removes such people".to_owned(),
                Some(cause) => {
                    format!("not in the roster, but kept: {} ({})", cause.text, cause.code)
                }
            },
            action: extra.decision.word(),
            from_role: extra.seen.role().map(|level| Role::workspace(level).name()),
            to_role: None,
            request: request.flatten().map(Sending::from),
        }
    }
}

fn text(explained: &Explained) -> String {
    let mut text = String::new();
    write(&mut text, explained).expect("a string takes every text");
    text
}

fn write(out: &mut String, explained: &Explained) -> std::fmt::Result {
    let Explained { place, email, workspace, workspace_id, present, rule, action, to_role, request, .. } =
        explained;
    let place = place.as_deref().unwrap_or("not in the roster");
    writeln!(out, "{}: {}", printable(place), printable(email))?;
    let label = workspace.as_deref().unwrap_or("no readable workspace");
    let id = workspace_id.as_ref().map_or_else(String::new, |id| format!(" ({})", printable(id)));
    writeln!(out, "  workspace: {}{id}", printable(label))?;
    if let Some(name) = &explained.deployment {
        writeln!(out, "  deployment: {}", printable(name))?;
    }
    writeln!(out, "  present:   {}", printable(present.as_deref().unwrap_or("not checked")))?;
    if let Some(role) = to_role {
        writeln!(out, "  wanted:    {role}")?;
    }
    writeln!(out, "  rule:      {}", printable(rule))?;
    writeln!(out, "  action:    {action}")?;
    let Some(Sending { document, variables, .. }) = request else {
        return writeln!(out, "  nothing is sent");
    };
    writeln!(out, "  sends:")?;
    document.lines().try_for_each(|line| writeln!(out, "    {}", printable(line)))?;
    writeln!(out, "  variables:")?;
    let variables = serde_json::to_string_pretty(variables).unwrap_or_default();
    variables.lines().try_for_each(|line| writeln!(out, "    {}", printable(line)))
}
