//! `plan --explain EMAIL`: what is known about one person, which rule applies, and exactly what would be
//! sent.
//!
//! Main function: [`explain`]. It shows; it decides nothing and sends nothing.

use std::fmt::Write as _;

use serde::Serialize;

use super::session::Session;
use crate::houston::{DeploymentUser, Mail, Rehearsed};
use crate::model::{ItemId, Level, Scope, email_key, normalize_email, printable};
use crate::ops::failure::Failure;
use crate::ops::planning::prepared::PreparedPlan;
use crate::ops::planning::roster::ResolvedInput;
use crate::outcome::ExitStatus;
use crate::plan::{Account, Action, Decision, Holder, Item, Origin, Phase, Reason, Workspace, role_name};
use crate::report::escape::json_pretty;
use crate::report::plan::{PlanFormat, reason};

/// Everything about one person.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Document<'d> {
    /// Version of this object: 1. Fields may be added under the same version.
    schema_version: u32,
    /// The rows of the person, each with its deployment roles; then what becomes of the person elsewhere.
    explained: &'d [Explained],
}

/// One row, or one person who is not in the roster, explained.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
        let shard = input.shard.map_or_else(String::new, |shard| format!("shard {shard} of "));
        let (email, name) = (printable(email), printable(&input.name));
        return Err(usage(anyhow::anyhow!("no row of {shard}{name} has the address {email}")).hint(
            "`plan --all` lists everyone in the roster; other people are considered only with --prune",
        ));
    }
    match format {
        PlanFormat::Human | PlanFormat::Csv | PlanFormat::Md | PlanFormat::Html => {
            Ok(all.iter().map(text).collect::<Vec<_>>().join("\n"))
        }
        PlanFormat::Json => json_pretty(&Document { schema_version: 1, explained: &all })
            .map_err(|error| Failure::new(ExitStatus::Internal, error)),
    }
}

struct Explainer<'e> {
    prepared: &'e PreparedPlan,
    input: &'e ResolvedInput,
    mail: Mail,
    session: &'e Session,
}

impl Explainer<'_> {
    /// Each row with its deployment roles; then the people who are not in the roster.
    fn all(&self, email: &str) -> Vec<Explained> {
        let (plan, emails) = (&self.prepared.plan, self.input.roster.emails());
        let is_theirs = |&(id, item): &(ItemId, &Item)| match item.origin {
            Origin::Row(row) => emails.get(row) == email,
            Origin::Extra => email_key(&plan.people[&id]) == email,
        };
        let mut items: Vec<(ItemId, &Item)> = plan.numbered().filter(is_theirs).collect();
        items.sort_by_key(|(_, item)| item.origin);
        items.into_iter().map(|(id, item)| self.explained(id, item)).collect()
    }

    fn explained(&self, id: ItemId, item: &Item) -> Explained {
        let (plan, roster) = (&self.prepared.plan, &self.input.roster);
        let workspace = plan.workspace(item);
        let exists = item.workspace().is_some_and(|place| !plan.is_to_be_created(place));
        let phase = item.phase();
        let text = item.row().filter(|_| phase == Phase::Members).and_then(|row| roster.workspace(row));
        let text = text.map(|text| roster.workspaces()[text as usize].clone());
        let role = |level| item.scope().role(level);
        let rehearsed = workspace.filter(|_| exists).and_then(|workspace| self.request(workspace, id, item));
        Explained {
            place: item.row().map(|row| format!("{}:{}", self.input.name, roster.line(row))),
            email: self.email(id, item).to_owned(),
            workspace: workspace.and_then(|workspace| workspace.label.clone()).or(text),
            workspace_id: workspace.filter(|_| exists).map(|workspace| workspace.id.to_string()),
            deployment: plan.deployment(item).map(|deployment| deployment.name.clone()),
            present: item.seen.map(|seen| seen.described(item.scope())),
            rule: match phase {
                Phase::Members => self.rule(&item.decision, item.wanted),
                Phase::Deployments => self.rule_in_deployment(item),
                Phase::Removals => rule_of_extra(&item.decision),
            },
            action: item.decision.word(),
            from_role: item.from().map(|level| role(level).name()),
            to_role: match phase {
                Phase::Members => {
                    let level = item.decision.action().and_then(Action::level).or(item.wanted);
                    level.map(|level| role(level).name())
                }
                Phase::Deployments => Some(role_name(item.wanted.map(role))),
                Phase::Removals => None,
            },
            request: rehearsed.map(Sending::from),
        }
    }

    fn email(&self, id: ItemId, item: &Item) -> &str {
        match item.origin {
            Origin::Row(row) => self.input.roster.emails().spelled(row),
            Origin::Extra => &self.prepared.plan.people[&id],
        }
    }

    /// What would be sent first: of a replacement the removal, whose other half is an add.
    fn request(&self, workspace: &Workspace, id: ItemId, item: &Item) -> Option<Rehearsed> {
        let (plan, houston) = (&self.prepared.plan, &self.session.houston);
        let action = item.decision.action().filter(|_| !self.prepared.comes_along(item))?;
        let email = self.email(id, item);
        if let Some(deployment) = plan.deployment(item) {
            let user = plan.users.get(&id);
            let user = DeploymentUser {
                id: user.map(|(id, _)| id.as_str()),
                email: user.map_or(email, |(_, address)| address),
            };
            let deployment = &deployment.id;
            return match action {
                Action::Add(role) => {
                    houston.rehearse(|houston| houston.add_deployment_role(deployment, user, role))
                }
                Action::SetRole { to, .. } => {
                    houston.rehearse(|houston| houston.set_deployment_role(deployment, user, to))
                }
                Action::Remove(_) => {
                    houston.rehearse(|houston| houston.remove_deployment_role(deployment, user))
                }
                Action::Replace { .. } => None,
            };
        }
        match action {
            Action::Add(role) => {
                let mail = self.mail;
                let subjects = self.prepared.subjects();
                let bundled = subjects.bundled.get(&id).map_or(&[][..], Vec::as_slice);
                houston.rehearse(|houston| houston.add_member_with(&workspace.id, email, role, mail, bundled))
            }
            Action::Replace { .. } | Action::Remove(_) => match plan.accounts.get(&id)?.first()? {
                Account::User(id) => houston.rehearse(|houston| houston.remove_member(&workspace.id, id)),
                Account::Invite(id) => houston.rehearse(|houston| houston.delete_invite(id)),
            },
            Action::SetRole { to, holder, .. } => houston.rehearse(|houston| match holder {
                Holder::Member => houston.set_role(&workspace.id, email, to),
                Holder::Invitation => houston.set_invite_role(&workspace.id, email, to),
            }),
        }
    }

    fn rule(&self, decision: &Decision, role: Option<Level>) -> String {
        match decision {
            Decision::Change(Action::Add(_)) => "neither a member nor invited: will be added".to_owned(),
            Decision::Change(Action::Remove(_)) => String::new(),
            Decision::Change(Action::Replace { .. }) => {
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
            Reason::LockedOut(_) => format!("{}: --reinvite adds them", because()),
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

    fn rule_in_deployment(&self, item: &Item) -> String {
        match &item.decision {
            Decision::Change(Action::Add(_)) if self.prepared.comes_along(item) => {
                "set by the request that adds the person to the workspace".to_owned()
            }
            Decision::Change(Action::Add(_)) => "has no role in this deployment: will get one".to_owned(),
            Decision::Change(Action::SetRole { .. }) => {
                "has a different role in this deployment: --update-roles sets the roster's role".to_owned()
            }
            Decision::Change(Action::Remove(_)) => {
                "has a role in this deployment, but the roster says NONE: --update-roles removes it"
                    .to_owned()
            }
            Decision::Change(Action::Replace { .. }) | Decision::Keep(_) => {
                reason(&self.prepared.plan, item, &self.input.roster)
            }
        }
    }
}

fn rule_of_extra(decision: &Decision) -> String {
    match decision.end(Scope::Workspace, None).and_then(|(_, cause)| cause) {
        None => "not in the roster: --prune removes such people".to_owned(),
        Some(cause) => format!("not in the roster, but kept: {} ({})", cause.text, cause.code),
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
    let now = match present.as_deref() {
        None => "not checked",
        Some("absent") if explained.deployment.is_some() => "no role",
        Some("absent") => "not a member",
        Some(present) => present,
    };
    writeln!(out, "  now:       {}", printable(now))?;
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

#[cfg(test)]
mod tests {
    use super::Document;
    use crate::report::schemas::tests::{check, of};

    #[test]
    fn the_schema_is_that_of_the_type() {
        check("explain", of::<Document<'_>>());
    }
}
