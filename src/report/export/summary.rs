//! What to report about an export in addition to its files.
//!
//! Main type: [`ExportSummary`]. It counts and names; it does not print.

use std::collections::BTreeMap;

use super::{Belonging, Entry, ExportFormat, Exported, LeftOut};
use crate::model::printable;
use crate::outcome::{ExitStatus, Status};
use crate::roster::is_odd_email;

/// How many people or workspaces a warning names.
const NAMED: usize = 5;

/// What has to be said of an export.
#[derive(Debug, Default)]
pub struct ExportSummary {
    workspaces: usize,
    members: usize,
    pending: usize,
    invited: usize,
    doubled: Named,
    odd: Named,
    without_deployments: usize,
    without_invitations: Named,
    left_out: BTreeMap<LeftOut, Named>,
    /// The workspaces that could not be read, with the reason, and whether that is permanent.
    unreadable: Vec<(String, String, bool)>,
}

/// A number of things, the first of them by name.
#[derive(Debug, Default)]
struct Named {
    count: usize,
    names: Vec<String>,
}

impl Named {
    fn add(&mut self, name: impl FnOnce() -> String) {
        self.count += 1;
        if self.names.len() < NAMED {
            self.names.push(name());
        }
    }

    fn list(&self) -> String {
        let more = self.count - self.names.len();
        let and = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{and}", self.names.join(", "))
    }
}

impl ExportSummary {
    /// Counts a workspace that was read.
    pub fn count(&mut self, exported: &Exported) {
        self.workspaces += 1;
        let workspace = || name_of(exported);
        if !exported.invitations_read {
            self.without_invitations.add(workspace);
        }
        for entry in &exported.members {
            self.count_entry(entry, workspace);
        }
    }

    /// Counts a workspace that could not be read; `status` is what that means for its people.
    pub fn count_unreadable(&mut self, exported: &Exported, status: Status) {
        self.workspaces += 1;
        let why = exported.error.as_ref().map_or_else(String::new, |cause| cause.text.clone());
        self.unreadable.push((name_of(exported), why, status == Status::Rejected));
    }

    fn count_entry(&mut self, entry: &Entry, workspace: impl Fn() -> String) {
        let name = || {
            let known = entry.email.as_deref().or(entry.username.as_deref());
            let who = known.or(entry.user_id.as_deref()).unwrap_or("unknown person");
            format!("{} in {}", printable(who), workspace())
        };
        if entry.bindings > 1 {
            self.doubled.add(name);
        }
        if let Some(why) = entry.left_out_of_csv {
            self.left_out.entry(why).or_default().add(name);
            return;
        }
        if entry.email.as_deref().is_some_and(is_odd_email) {
            self.odd.add(name);
        }
        match entry.membership {
            Belonging::Member => self.members += 1,
            Belonging::Pending => self.pending += 1,
            Belonging::Invited => self.invited += 1,
        }
        let is_member = entry.membership != Belonging::Invited;
        self.without_deployments += usize::from(is_member && entry.deployment_roles.is_none());
    }

    /// What is missing or strange, a line each.
    pub fn warnings(&self, format: ExportFormat) -> Vec<String> {
        let mut lines = Vec::new();
        let mut warn = |text: String| lines.push(format!("warning: {text}"));
        for why in LeftOut::ALL {
            if let Some(named) = self.left_out.get(&why) {
                let outcome = match format {
                    ExportFormat::Csv => "not in the CSV (--format json includes them)",
                    ExportFormat::Json => "not usable in a roster",
                };
                let entries = of(named.count, "entry", "entries");
                warn(format!("{outcome}, {entries} {}: {}", why.reason(), named.list()));
            }
        }
        if self.doubled.count > 0 {
            let many = of(self.doubled.count, "member has", "members have");
            let list = self.doubled.list();
            warn(format!("{many} more than one workspace role; the first is exported: {list}"));
        }
        if self.odd.count > 0 {
            let many = of(self.odd.count, "person has an address", "people have addresses");
            warn(format!(
                "{many} that a roster accepts only with --allow-odd-addresses: {}",
                self.odd.list()
            ));
        }
        if self.without_deployments > 0 {
            let many = of(self.without_deployments, "member", "members");
            warn(format!("the deployment roles of {many} are unknown"));
        }
        if self.without_invitations.count > 0 {
            let many = of(self.without_invitations.count, "workspace", "workspaces");
            let list = self.without_invitations.list();
            warn(format!("the token cannot see the invitations of {many}: {list}"));
        }
        if self.workspaces == 0 {
            warn("the token sees no workspace".to_owned());
        }
        let unread =
            |(name, why, _): &(String, String, bool)| format!("not exported: {name}: {}", printable(why));
        lines.extend(self.unreadable.iter().map(unread));
        lines
    }

    /// What was exported, in one line.
    pub fn closing(&self) -> String {
        let (all, unread) = (self.workspaces, self.unreadable.len());
        let read = if unread == 0 { all.to_string() } else { format!("{} of {all}", all - unread) };
        let noun = if all == 1 { "workspace" } else { "workspaces" };
        let members = of(self.members, "member", "members");
        format!("exported {read} {noun}: {members}, {} pending, {} invited", self.pending, self.invited)
    }

    /// An export that is not whole has a status of its own.
    pub fn status(&self) -> ExitStatus {
        if self.unreadable.iter().any(|(.., is_for_good)| !is_for_good) {
            ExitStatus::Unresolved
        } else if !self.unreadable.is_empty() || self.left_out.contains_key(&LeftOut::RolesHidden) {
            ExitStatus::RowsFailed
        } else {
            ExitStatus::Done
        }
    }
}

fn name_of(exported: &Exported) -> String {
    match &exported.label {
        Some(label) => printable(&format!("{label} ({})", exported.id)).into_owned(),
        None => printable(exported.id.as_str()).into_owned(),
    }
}

fn of(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
