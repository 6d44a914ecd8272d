//! A plan for people and machines: what would be done, per workspace, and what it costs.
//!
//! Main type: [`PlanReport`]. It shows; it decides nothing.

mod html;
mod human;
mod items;
mod markdown;
pub mod stale;

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use self::items::PlannedItem;
pub use self::items::reason;
use self::stale::Stale;
use super::csv_file::{CsvForm, CsvWriter};
use super::escape::json_pretty;
use super::spoken;
use crate::model::{ItemId, Shard, printable};
use crate::plan::guard::Refusal;
use crate::plan::{Counts, Phase, Plan};
use crate::record::journal::RunSettings;
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
    /// One self-contained HTML page, with every row
    Html,
}

impl PlanFormat {
    /// Whether it has a line for each limit that the removals exceed.
    pub fn shows_guards(self) -> bool {
        match self {
            Self::Human | Self::Md | Self::Html => true,
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

/// Whether the closing words of a plan name the limits that would allow all removals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LimitsNeeded {
    Named,
    /// The error that follows names them.
    InTheHint,
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
    /// As a page.
    #[error("cannot write the plan as HTML")]
    Html(#[source] std::io::Error),
}

/// What a plan will cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Estimate {
    /// Requests that `apply` needs from here on, reads and checks included, if nothing fails.
    pub requests: u64,
    /// Mutations among them.
    pub mutations: u64,
    /// The others.
    pub reads: u64,
    /// How long they take at least, at the chosen rate or at the latency seen so far; 0 if unknown.
    pub seconds: u64,
    /// How long they take at most, unless Houston becomes slower.
    pub seconds_most: u64,
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
    /// The share of the roster that is planned; none for all of it.
    pub shard: Option<Shard>,
    /// The URL of Houston.
    pub target: &'p str,
    /// The version that Houston reports.
    pub houston_version: Option<&'p str>,
    /// What it will cost.
    pub estimate: Estimate,
    /// Old invitations, if they were asked for.
    pub stale: Option<&'p Stale>,
    /// What limits it.
    pub settings: &'p RunSettings,
    /// Its digest, if it is saved.
    pub digest: Option<&'p str>,
}

/// A limit that the removals do not keep to, for machines.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct RefusalRow<'l> {
    /// None if it is about all workspaces together.
    workspace_id: Option<&'l str>,
    leaving: u64,
    people: u64,
    why: String,
    /// The flag that would allow it.
    needed: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Document<'d> {
    schema_version: u32,
    roster: &'d str,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<Shard>,
    target: &'d str,
    houston_version: Option<&'d str>,
    counts: Counts,
    estimate: Estimate,
    /// The labels of workspaces that do not exist yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    create_workspaces: Vec<&'d str>,
    rows: Vec<PlannedItem<'d>>,
    /// Roles in deployments that rows want.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deployment_roles: Vec<PlannedItem<'d>>,
    /// Who is in these workspaces without being in the roster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    extras: Vec<PlannedItem<'d>>,
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
                    shard: self.shard,
                    target: self.target,
                    houston_version: self.houston_version,
                    counts: Counts::of(&self.plan.items),
                    estimate: self.estimate,
                    create_workspaces: self.to_create().collect(),
                    rows: self.planned(Phase::Members).collect(),
                    deployment_roles: self.planned(Phase::Deployments).collect(),
                    extras: self.planned(Phase::Removals).collect(),
                    refusals: self.refusals().collect(),
                    stale_invites: self.stale,
                };
                json_pretty(&document)?
            }
            PlanFormat::Csv => self.csv()?,
            PlanFormat::Md => self.markdown(detail) + &self.stale.map_or_else(String::new, Stale::md),
            PlanFormat::Html => self.html().map_err(PlanError::Html)?,
        })
    }

    fn csv(&self) -> Result<String, PlanError> {
        let mut out = CsvWriter::begin(Vec::new(), CsvForm::default())?;
        out.put(["email", "workspace", "workspace_id", "action", "from_role", "to_role", "reason"])?;
        for (id, _) in self.plan.numbered() {
            let PlannedItem { email, workspace, workspace_id, action, from_role, to_role, reason, .. } =
                self.item(id);
            let cells = [
                email,
                workspace.unwrap_or_default(),
                workspace_id.unwrap_or_default(),
                action,
                from_role.unwrap_or_default(),
                to_role.cell(),
                &reason,
            ];
            out.put(cells)?;
        }
        // All texts are, and a million rows are not copied.
        String::from_utf8(out.finish()?).map_err(|error| std::io::Error::other(error).into())
    }

    fn to_create(&self) -> impl Iterator<Item = &str> {
        let workspaces = self.plan.to_create.iter().map(|&index| &self.plan.workspaces[index as usize]);
        workspaces.filter_map(|workspace| workspace.label.as_deref())
    }

    fn refusals(&self) -> impl Iterator<Item = RefusalRow<'_>> {
        self.plan.refusals.iter().map(|refusal| RefusalRow {
            workspace_id: refusal.workspace.map(|index| self.plan.workspaces[index as usize].id.as_str()),
            leaving: refusal.leaving,
            people: refusal.people,
            why: refusal.to_string(),
            needed: refusal.needed().to_string(),
        })
    }

    fn title(&self) -> String {
        let version =
            self.houston_version.map_or_else(String::new, |version| format!(" (Houston {version})"));
        let shard = self.shard.map_or_else(String::new, |shard| format!("shard {shard} of "));
        format!("Plan for {shard}{} on {}{version}", self.name, self.target)
    }

    /// The items of each workspace that has some, and those of none, with what they are called.
    fn groups(&self) -> impl Iterator<Item = (String, Vec<ItemId>)> {
        let mut by_workspace: Vec<Vec<ItemId>> = vec![Vec::new(); self.plan.workspaces.len()];
        let mut elsewhere = Vec::new();
        for (id, item) in self.plan.numbered() {
            match item.workspace() {
                Some(workspace) => by_workspace[workspace as usize].push(id),
                None => elsewhere.push(id),
            }
        }
        let titles = (0..).zip(&self.plan.workspaces).map(|(index, workspace)| match &workspace.label {
            Some(label) if self.plan.is_to_be_created(index) => {
                format!("{} (to be created)", printable(label))
            }
            Some(_) | None => workspace.to_string(),
        });
        let groups = titles.zip(by_workspace).chain([("Not compared".to_owned(), elsewhere)]);
        groups.filter(|(_, ids)| !ids.is_empty())
    }

    /// The totals and the costs; `shown` is how names are written.
    fn closing(&self, shown: fn(&str) -> String, limits: LimitsNeeded) -> String {
        let (all, guard) = (summed_up(Counts::of(&self.plan.items)), self.guard(shown, limits));
        let created = match self.plan.to_create.len() {
            0 => String::new(),
            1 => "1 workspace is created first; the token's own user becomes its admin.\n".to_owned(),
            count => {
                format!("{count} workspaces are created first; the token's own user becomes their admin.\n")
            }
        };
        let Estimate { requests: _, mutations, reads, seconds, seconds_most, token_seconds } = self.estimate;
        if mutations == 0 {
            let none = if self.roster_is_met() {
                "No changes. Houston already matches the roster."
            } else if Counts::of(&self.plan.items).held_back > 0 {
                "No changes: a guard holds them back."
            } else {
                "No changes."
            };
            return format!("Total: {all}.\n{guard}{none}\n");
        }
        let s = if mutations == 1 { "" } else { "s" };
        let read = if reads == 1 { "read" } else { "reads" };
        // They are an estimate: no tenths of a second.
        let time = |seconds| spoken(Duration::from_secs(seconds)).replace(".0s", "s");
        let time = match (seconds, seconds_most) {
            (_, 0) => String::new(),
            (least, most) if least == most => format!("; takes {} at this rate", time(least)),
            (0, most) => format!("; takes up to {}", time(most)),
            (least, most) => format!("; takes {} to {}", time(least), time(most)),
        };
        let token = match token_seconds {
            None => String::new(),
            Some(YEAR..) => "; the token is valid for more than a year".to_owned(),
            Some(left) => format!("; the token is valid for another {}", spoken(Duration::from_secs(left))),
        };
        format!(
            "Total: {all}.\n{guard}{created}{mutations} mutation{s} and about {reads} {read}{time}{token}.\n"
        )
    }

    /// What the guard says, a line each, and all limits that would allow removing everyone; `shown`
    /// is how names are written.
    fn guard(&self, shown: fn(&str) -> String, limits: LimitsNeeded) -> String {
        let scope = |refusal: &Refusal| match refusal.workspace {
            Some(index) => shown(&self.plan.workspaces[index as usize].to_string()),
            None => "all workspaces".to_owned(),
        };
        let line = |refusal: &Refusal| format!("guard: {}: {refusal}\n", scope(refusal));
        let mut lines: Vec<String> = self.plan.refusals.iter().map(line).collect();
        if !lines.is_empty() && limits == LimitsNeeded::Named {
            let needed: Vec<_> = self.plan.limits_needed.iter().map(ToString::to_string).collect();
            lines.push(format!("guard: {} would allow all removals\n", needed.join(" ")));
        }
        lines.concat()
    }

    /// Whether every row has what it wants, and nothing was kept, skipped or could not be read.
    fn roster_is_met(&self) -> bool {
        let counts = Counts::of(&self.plan.items);
        let Counts { unchanged, already_invited, merged, .. } = counts;
        counts == Counts { unchanged, already_invited, merged, ..Counts::default() }
    }

    fn counts_of(&self, ids: &[ItemId]) -> Counts {
        Counts::of(ids.iter().map(|id| &self.plan.items[id.index()]))
    }

    /// The items of a phase among these that need a change or a remark, and their marks.
    fn marked<'s>(
        &'s self,
        ids: &'s [ItemId],
        phase: Phase,
    ) -> impl Iterator<Item = (ItemId, &'static str)> + use<'s> {
        let items = ids.iter().map(|&id| (id, &self.plan.items[id.index()]));
        let items = items.filter(move |(_, item)| item.phase() == phase);
        items.filter_map(|(id, item)| Some((id, self.mark(item)?)))
    }
}

/// These counts in words.
pub(super) fn summed_up(counts: Counts) -> String {
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
        locked_out,
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
        (role_kept, "role kept", "roles kept"),
        (held_back, "held back by a guard", "held back by a guard"),
        (extra_kept, "kept though not in the roster", "kept though not in the roster"),
        (already_invited, "already invited", "already invited"),
        (locked_out, "locked out beside an old invitation", "locked out beside old invitations"),
        (merged, "merged", "merged"),
        (invalid, "invalid", "invalid"),
        (left_out, "excluded by --only or --limit", "excluded by --only or --limit"),
        (rejected, "rejected", "rejected"),
        (gave_up, "could not be read", "could not be read"),
    ];
    let text =
        |&(count, one, many): &(u64, &str, &str)| format!("{count} {}", if count == 1 { one } else { many });
    let parts: Vec<String> = parts.iter().filter(|(count, ..)| *count > 0).map(text).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}
