//! The part of a plan about people who are in a workspace but not in the roster.
//!
//! Main type: `ExtraRow`. It shows; it decides nothing.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Detail, PlanReport, SHOWN};
use crate::model::{Role, Scope, printable};
use crate::plan::extra::{Account, Extra};
use crate::plan::guard::Refusal;
use crate::plan::{Membership, Standing};

/// A person who is not in the roster, for machines.
#[derive(Debug, Serialize)]
pub(super) struct ExtraRow<'l> {
    pub(super) email: &'l str,
    pub(super) workspace: Option<&'l str>,
    pub(super) workspace_id: &'l str,
    /// `member`, `pending` or `invitation`.
    pub(super) kind: &'static str,
    pub(super) action: &'static str,
    pub(super) from_role: Option<&'static str>,
    pub(super) reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invite_id: Option<&'l str>,
}

/// A limit that the removals do not keep to, for machines.
#[derive(Debug, Serialize)]
pub(super) struct RefusalRow<'l> {
    /// None if it is about all workspaces together.
    workspace_id: Option<&'l str>,
    leaving: u64,
    people: u64,
    why: String,
    /// The flag that would allow it.
    needed: String,
}

impl PlanReport<'_> {
    pub(super) fn extras(&self) -> impl Iterator<Item = ExtraRow<'_>> {
        self.plan.extras.iter().map(|extra| self.extra(extra))
    }

    pub(super) fn extras_of(&self, workspace: usize) -> Vec<&Extra> {
        // They come workspace by workspace.
        let from = self.plan.extras.partition_point(|extra| (extra.workspace as usize) < workspace);
        self.plan.extras[from..].iter().take_while(|extra| extra.workspace as usize == workspace).collect()
    }

    pub(super) fn extra<'l>(&'l self, extra: &'l Extra) -> ExtraRow<'l> {
        let workspace = &self.plan.workspaces[extra.workspace as usize];
        let (user_id, invite_id) = match &extra.account {
            Account::User(id) => (Some(id.as_str()), None),
            Account::Invite(id) => (None, Some(id.as_str())),
        };
        ExtraRow {
            email: &extra.name,
            workspace: workspace.label.as_deref(),
            workspace_id: workspace.id.as_str(),
            kind: kind(extra.seen),
            action: extra.decision.word(),
            from_role: extra.seen.role().map(|level| Role::workspace(level).name()),
            reason: reason(extra),
            user_id,
            invite_id,
        }
    }

    pub(super) fn refusals(&self) -> impl Iterator<Item = RefusalRow<'_>> {
        self.plan.refusals.iter().map(|refusal| RefusalRow {
            workspace_id: refusal.workspace.map(|index| self.plan.workspaces[index as usize].id.as_str()),
            leaving: refusal.leaving,
            people: refusal.people,
            why: refusal.to_string(),
            needed: refusal.needed().to_string(),
        })
    }

    /// What the guard says, a line each, and all limits that would allow removing everyone; `shown`
    /// is how names are written.
    pub(super) fn guard(&self, shown: fn(&str) -> String) -> String {
        let scope = |refusal: &Refusal| match refusal.workspace {
            Some(index) => shown(&self.plan.workspaces[index as usize].to_string()),
            None => "all workspaces".to_owned(),
        };
        let line = |refusal: &Refusal| format!("guard: {}: {refusal}\n", scope(refusal));
        let mut lines: Vec<String> = self.plan.refusals.iter().map(line).collect();
        if !lines.is_empty() {
            let needed: Vec<_> = self.plan.limits_needed.iter().map(ToString::to_string).collect();
            lines.push(format!("guard: {} would allow all removals\n", needed.join(" ")));
        }
        lines.concat()
    }

    /// `-` is removed, `=` stays although the roster does not name them.
    pub(super) fn strangers(&self, text: &mut String, extras: &[&Extra], detail: Detail) -> std::fmt::Result {
        for (mark, leaves) in [("-", true), ("=", false)] {
            let shown: Vec<_> = extras.iter().filter(|extra| extra.leaves() == leaves).collect();
            let limit = if detail == Detail::All { shown.len() } else { SHOWN };
            for extra in shown.iter().take(limit) {
                let ExtraRow { email, kind, from_role, reason, .. } = self.extra(extra);
                let (email, role) = (printable(email), from_role.unwrap_or("no role of its own"));
                let why = if leaves { String::new() } else { format!("  {}", printable(&reason)) };
                writeln!(text, "  {mark} {email}  {role}  ({kind}, not in the roster){why}")?;
            }
            if shown.len() > limit {
                writeln!(text, "  {mark} and {} more (--all shows them)", shown.len() - limit)?;
            }
        }
        Ok(())
    }
}

fn kind(seen: Membership) -> &'static str {
    match seen {
        Membership::Member { standing: Standing::Pending, .. } => "pending",
        Membership::Invited { .. } => "invitation",
        Membership::Member { standing: Standing::Active | Standing::Disabled, .. } | Membership::Absent => {
            "member"
        }
    }
}

fn reason(extra: &Extra) -> String {
    if let Some((_, cause)) = extra.decision.end(Scope::Workspace, None) {
        return cause.map_or_else(String::new, |cause| cause.text);
    }
    let why = match extra.seen {
        Membership::Invited { .. } => "not in the roster: pending invitation",
        Membership::Member { standing: Standing::Pending, .. } => "not in the roster: has never signed in",
        Membership::Member { standing: Standing::Active | Standing::Disabled, .. } | Membership::Absent => {
            "not in the roster"
        }
    };
    why.to_owned()
}
