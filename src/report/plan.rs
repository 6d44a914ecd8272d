//! A plan for people and machines: what would be done, per workspace, and what it costs.
//!
//! Main type: [`PlanReport`]. It shows; it decides nothing.

mod extras;
mod grants;
mod markdown;
pub mod stale;

use std::fmt::Write as _;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use self::extras::{ExtraRow, RefusalRow};
use self::grants::GrantRow;
pub use self::grants::reason as reason_of_grant;
use self::stale::Stale;
use super::csv_file::{CsvForm, CsvWriter};
use super::escape::json_pretty;
use super::spoken;
use crate::model::{Level, Role, RowNumber, Scope, printable};
use crate::plan::extra::Extra;
use crate::plan::grant::Grant;
use crate::plan::{Action, Counts, Decision, Membership, Plan, Reason};
use crate::roster::Roster;

/// How many people are shown per workspace and kind, unless all are wanted.
const SHOWN: usize = 5;

/// In seconds; longer lifetimes of a token are not shown.
const YEAR: u64 = 366 * 24 * 3600;

/// How a plan is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// Text
    #[default]
    Human,
    /// One JSON document
    Json,
    /// CSV: a row per roster row, then per deployment role, then per person who is not in the roster
    /// (`--prune`)
    Csv,
    /// Markdown: a table per workspace
    Md,
}

impl PlanFormat {
    /// Whether it has a line for each limit that the removals exceed.
    pub fn shows_guards(self) -> bool {
        match self {
            Self::Human | Self::Md => true,
            Self::Json | Self::Csv => false,
        }
    }
}

/// How much of a plan is shown to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// The first few of each kind.
    Some,
    /// All people.
    All,
}

/// A plan cannot be written in a format.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// As JSON.
    #[error("cannot write the plan as JSON")]
    Json(#[from] serde_json::Error),
    /// As CSV.
    #[error("cannot write the plan as CSV")]
    Csv(#[from] std::io::Error),
}

/// What a plan will cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// Requests that `apply` needs from here on, reads and checks included, if nothing fails.
    pub requests: u64,
    /// Mutations among them.
    pub mutations: u64,
    /// The others.
    pub reads: u64,
    /// How long they take at the chosen rate; 0 without one.
    pub seconds: u64,
    /// How long the token is still valid; none if it does not say, or does not expire.
    pub token_seconds: Option<u64>,
}

/// A plan with what it was made from.
pub struct PlanReport<'p> {
    /// The plan.
    pub plan: &'p Plan,
    /// Its roster.
    pub roster: &'p Roster,
    /// The roster's name.
    pub name: &'p str,
    /// The URL of Houston.
    pub target: &'p str,
    /// The version that Houston reports.
    pub houston_version: Option<&'p str>,
    /// What it will cost.
    pub estimate: Estimate,
    /// Old invitations, if they were asked for.
    pub stale: Option<&'p Stale>,
}

/// One row of a plan for machines.
#[derive(Debug, Serialize)]
struct PlannedRow<'l> {
    line: u32,
    email: &'l str,
    workspace: Option<&'l str>,
    workspace_id: Option<&'l str>,
    action: &'static str,
    from_role: Option<&'static str>,
    to_role: Option<&'static str>,
    reason: String,
}

#[derive(Serialize)]
struct Document<'d> {
    schema_version: u32,
    roster: &'d str,
    target: &'d str,
    houston_version: Option<&'d str>,
    counts: Counts,
    estimate: Estimate,
    /// The labels of workspaces that do not exist yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    create_workspaces: Vec<&'d str>,
    rows: Vec<PlannedRow<'d>>,
    /// Roles in deployments that rows want.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deployment_roles: Vec<GrantRow<'d>>,
    /// Who is in these workspaces without being in the roster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    extras: Vec<ExtraRow<'d>>,
    /// The limits that the removals exceed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refusals: Vec<RefusalRow<'d>>,
    /// Old invitations.
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_invites: Option<&'d Stale>,
}

impl PlanReport<'_> {
    /// The plan in a format.
    ///
    /// # Errors
    /// If it cannot be written as JSON or CSV.
    pub fn render(&self, format: PlanFormat, detail: Detail) -> Result<String, PlanError> {
        Ok(match format {
            PlanFormat::Human => self.human(detail) + &self.stale.map_or_else(String::new, Stale::human),
            PlanFormat::Json => {
                let document = Document {
                    schema_version: 1,
                    roster: self.name,
                    target: self.target,
                    houston_version: self.houston_version,
                    counts: self.plan.counts(),
                    estimate: self.estimate,
                    create_workspaces: self.to_create().collect(),
                    rows: self.lines().collect(),
                    deployment_roles: self.grants().collect(),
                    extras: self.extras().collect(),
                    refusals: self.refusals().collect(),
                    stale_invites: self.stale,
                };
                json_pretty(&document)?
            }
            PlanFormat::Csv => self.csv()?,
            PlanFormat::Md => self.markdown(detail) + &self.stale.map_or_else(String::new, Stale::md),
        })
    }

    fn csv(&self) -> Result<String, PlanError> {
        let mut out = CsvWriter::begin(Vec::new(), CsvForm::default())?;
        out.put(["email", "workspace", "workspace_id", "action", "from_role", "to_role", "reason"])?;
        for line in self.lines() {
            let PlannedRow { line: _, email, workspace, workspace_id, action, from_role, to_role, reason } =
                line;
            let cells = [
                email,
                workspace.unwrap_or_default(),
                workspace_id.unwrap_or_default(),
                action,
                from_role.unwrap_or_default(),
                to_role.unwrap_or_default(),
                &reason,
            ];
            out.put(cells)?;
        }
        for row in self.grants() {
            let (workspace, from_role) =
                (row.workspace.unwrap_or_default(), row.from_role.unwrap_or_default());
            let GrantRow { email, workspace_id, action, to_role, reason, .. } = &row;
            let to_role = to_role.unwrap_or_default();
            let cells = [email, workspace, workspace_id, action, from_role, to_role, reason];
            out.put(cells)?;
        }
        for ExtraRow { email, workspace, workspace_id, action, from_role, reason, .. } in self.extras() {
            let (workspace, from_role) = (workspace.unwrap_or_default(), from_role.unwrap_or_default());
            let cells = [email, workspace, workspace_id, action, from_role, "", &reason];
            out.put(cells)?;
        }
        Ok(String::from_utf8_lossy(&out.finish()?).into_owned())
    }

    fn to_create(&self) -> impl Iterator<Item = &str> {
        let workspaces = self.plan.to_create.iter().map(|&index| &self.plan.workspaces[index as usize]);
        workspaces.filter_map(|workspace| workspace.label.as_deref())
    }

    fn lines(&self) -> impl Iterator<Item = PlannedRow<'_>> {
        (0..self.plan.rows.len()).map(|index| self.row(index))
    }

    fn row(&self, index: usize) -> PlannedRow<'_> {
        let planned = &self.plan.rows[index];
        let row = RowNumber::from_index(index);
        let wish = self.roster.assignment(row);
        let workspace = planned.workspace.map(|index| &self.plan.workspaces[index as usize]);
        let text = wish.map(|wish| self.roster.workspaces()[wish.workspace as usize].as_str());
        let role = wish.map(|wish| wish.role);
        let exists = planned.workspace.is_some_and(|index| !self.plan.is_to_be_created(index));
        PlannedRow {
            line: self.roster.line(row),
            email: self.roster.emails().spelled(row),
            workspace: workspace.and_then(|workspace| workspace.label.as_deref()).or(text),
            workspace_id: workspace.filter(|_| exists).map(|workspace| workspace.id.as_str()),
            action: planned.decision.word(),
            from_role: planned.seen.and_then(present_role),
            to_role: role.map(|level| Role::workspace(level).name()),
            reason: self.reason(&planned.decision, role),
        }
    }

    fn human(&self, detail: Detail) -> String {
        let mut text = String::new();
        self.write_human(&mut text, detail).expect("a string takes every text");
        text
    }

    fn write_human(&self, text: &mut String, detail: Detail) -> std::fmt::Result {
        writeln!(text, "{}", printable(&self.title()))?;
        let (by_workspace, elsewhere) = self.grouped();
        for (index, (title, rows)) in self.titles().zip(&by_workspace).enumerate() {
            let extras = self.extras_of(index);
            if rows.is_empty() && extras.is_empty() {
                continue;
            }
            let grants = self.grants_of(index);
            writeln!(text, "\n{title}: {}", summed_up(self.counts_with(rows, &grants, &extras)))?;
            self.people(text, rows, detail)?;
            self.deployments(text, &grants, detail)?;
            self.strangers(text, &extras, detail)?;
        }
        if !elsewhere.is_empty() {
            writeln!(text, "\nNot compared: {}", summed_up(self.counts_of(&elsewhere)))?;
            self.people(text, &elsewhere, detail)?;
        }
        write!(text, "\n{}", self.closing(str::to_owned))
    }

    fn title(&self) -> String {
        let version =
            self.houston_version.map_or_else(String::new, |version| format!(" (Houston {version})"));
        format!("Plan for {} on {}{version}", self.name, self.target)
    }

    /// The rows of each workspace, and those of none.
    fn grouped(&self) -> (Vec<Vec<usize>>, Vec<usize>) {
        let mut by_workspace: Vec<Vec<usize>> = vec![Vec::new(); self.plan.workspaces.len()];
        let mut elsewhere = Vec::new();
        for (index, planned) in self.plan.rows.iter().enumerate() {
            match planned.workspace {
                Some(workspace) => by_workspace[workspace as usize].push(index),
                None => elsewhere.push(index),
            }
        }
        (by_workspace, elsewhere)
    }

    /// What each workspace is called.
    fn titles(&self) -> impl Iterator<Item = String> {
        (0..).zip(&self.plan.workspaces).map(|(index, workspace)| match &workspace.label {
            Some(label) if self.plan.is_to_be_created(index) => {
                format!("{} (to be created)", printable(label))
            }
            Some(_) | None => workspace.to_string(),
        })
    }

    /// The totals and the costs; `shown` is how names are written.
    fn closing(&self, shown: fn(&str) -> String) -> String {
        let (all, guard) = (summed_up(self.plan.counts()), self.guard(shown));
        let created = match self.plan.to_create.len() {
            0 => String::new(),
            1 => "1 workspace is created first; the token's own user becomes its admin.\n".to_owned(),
            count => {
                format!("{count} workspaces are created first; the token's own user becomes their admin.\n")
            }
        };
        let Estimate { requests: _, mutations, reads, seconds, token_seconds } = self.estimate;
        if mutations == 0 {
            let matches = if self.roster_is_met() { " Houston already matches the roster." } else { "" };
            return format!("Total: {all}.\n{guard}No changes.{matches}\n");
        }
        let s = if mutations == 1 { "" } else { "s" };
        let time = match seconds {
            0 => String::new(),
            _ => format!(", {} at this rate", spoken(Duration::from_secs(seconds))),
        };
        let token = match token_seconds {
            None => String::new(),
            Some(YEAR..) => "; the token is valid for more than a year".to_owned(),
            Some(left) => format!("; the token is valid for another {}", spoken(Duration::from_secs(left))),
        };
        format!(
            "Total: {all}.\n{guard}{created}{mutations} mutation{s} and about {reads} reads{time}{token}.\n"
        )
    }

    /// Whether every row has what it wants, and nothing was kept, skipped or could not be read.
    fn roster_is_met(&self) -> bool {
        let Counts { unchanged, already_invited, merged, .. } = self.plan.counts();
        self.plan.counts() == Counts { unchanged, already_invited, merged, ..Counts::default() }
    }

    fn counts_of(&self, rows: &[usize]) -> Counts {
        self.counts_with(rows, &[], &[])
    }

    fn counts_with(&self, rows: &[usize], grants: &[&Grant], extras: &[&Extra]) -> Counts {
        let mut counts = Counts::default();
        rows.iter().for_each(|&row| counts.count(&self.plan.rows[row].decision));
        grants.iter().for_each(|grant| counts.count_grant(grant));
        extras.iter().for_each(|extra| counts.count_extra(extra));
        counts
    }

    /// The people of a workspace with something to do or to report.
    fn people(&self, text: &mut String, rows: &[usize], detail: Detail) -> std::fmt::Result {
        for mark in ["+", "~", "=", "!"] {
            let shown: Vec<usize> =
                rows.iter().copied().filter(|&row| self.mark(row) == Some(mark)).collect();
            let limit = if detail == Detail::All { shown.len() } else { SHOWN };
            for &index in shown.iter().take(limit) {
                let row = RowNumber::from_index(index);
                let role = self.roster.assignment(row).map(|wish| wish.role);
                let email = printable(self.roster.emails().spelled(row));
                let at = format!("{}:{}", printable(self.name), self.roster.line(row));
                let what = match &self.plan.rows[index].decision {
                    Decision::Change(Action::Add(level)) => Role::workspace(*level).to_string(),
                    Decision::Change(Action::SetRole { from, to, .. }) => {
                        format!("{} -> {}", Role::workspace(*from), Role::workspace(*to))
                    }
                    decision @ (Decision::Change(Action::Replace(_) | Action::Remove(_))
                    | Decision::Keep(_)) => printable(&self.reason(decision, role)).into_owned(),
                };
                writeln!(text, "  {mark} {email}  {what}  ({at})")?;
            }
            if shown.len() > limit {
                writeln!(text, "  {mark} and {} more (--all shows them)", shown.len() - limit)?;
            }
        }
        Ok(())
    }

    fn reason(&self, decision: &Decision, role: Option<Level>) -> String {
        let reason = match decision {
            Decision::Change(Action::SetRole { .. }) => return "different role".to_owned(),
            Decision::Change(Action::Replace(_)) => return "removed and added again".to_owned(),
            Decision::Change(Action::Add(_) | Action::Remove(_)) => return "absent".to_owned(),
            Decision::Keep(reason) => reason,
        };
        if let Some(into) = reason.merged_into() {
            return format!("the same as line {}", self.roster.line(into));
        }
        match reason.end(Scope::Workspace, role) {
            (_, Some(cause)) => cause.text,
            (status, None) => status.word().replace('_', " "),
        }
    }

    fn mark(&self, row: usize) -> Option<&'static str> {
        match &self.plan.rows[row].decision {
            Decision::Change(action) => Some(mark(*action)),
            Decision::Keep(reason) => mark_kept(reason),
        }
    }
}

/// `+` is added, `~` changes, `-` is removed.
fn mark(action: Action) -> &'static str {
    match action {
        Action::Add(_) => "+",
        Action::SetRole { .. } | Action::Replace(_) => "~",
        Action::Remove(_) => "-",
    }
}

/// `=` is kept although the roster differs, `!` cannot be done.
fn mark_kept(reason: &Reason) -> Option<&'static str> {
    match reason {
        Reason::RoleKept(_)
        | Reason::HeldBack(..)
        | Reason::Protected(_)
        | Reason::ViaTeam
        | Reason::RolesHidden
        | Reason::UnsureRoster => Some("="),
        Reason::Rejected(_) | Reason::Unreadable(_) | Reason::Invalid(_) => Some("!"),
        Reason::Unchanged | Reason::AlreadyInvited(_) | Reason::Merged { .. } | Reason::LeftOut => None,
    }
}

fn present_role(seen: Membership) -> Option<&'static str> {
    seen.role().map(|level| Role::workspace(level).name())
}

fn summed_up(counts: Counts) -> String {
    let Counts {
        add,
        update_role,
        renew,
        deployment_roles,
        remove,
        unchanged,
        role_kept,
        held_back,
        extra_kept,
        already_invited,
        merged,
        invalid,
        left_out,
        rejected,
        gave_up,
    } = counts;
    let parts = [
        (add, "to add", "to add"),
        (update_role, "role to change", "roles to change"),
        (renew, "to replace", "to replace"),
        (deployment_roles, "deployment role to set", "deployment roles to set"),
        (remove, "to remove", "to remove"),
        (unchanged, "unchanged", "unchanged"),
        (role_kept, "keeps the current role", "keep their current role"),
        (held_back, "held back by a guard", "held back by a guard"),
        (extra_kept, "kept though not in the roster", "kept though not in the roster"),
        (already_invited, "already invited", "already invited"),
        (merged, "merged", "merged"),
        (invalid, "invalid", "invalid"),
        (left_out, "skipped", "skipped"),
        (rejected, "rejected", "rejected"),
        (gave_up, "could not be read", "could not be read"),
    ];
    let text =
        |&(count, one, many): &(u64, &str, &str)| format!("{count} {}", if count == 1 { one } else { many });
    let parts: Vec<String> = parts.iter().filter(|(count, ..)| *count > 0).map(text).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}
