//! What has to be said of an export beside what it wrote.
//!
//! Main type: [`Told`].

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cli::export::{ExportArgs, name_of};
use crate::cli::{GlobalArgs, tell};
use crate::houston::Workspace;
use crate::model::printable;
use crate::outcome::Cause;
use crate::outcome::ExitStatus;
use crate::outcome::Status;
use crate::present::members::InvitesSeen;
use crate::report::export::{Belonging, Entry, ExportFormat, LeftOut};
use crate::roster::is_odd_email;

/// How many people or workspaces a warning names.
const NAMED: usize = 5;

/// What has to be said of an export.
#[derive(Debug, Default)]
pub(crate) struct Told {
    members: usize,
    pending: usize,
    invited: usize,
    doubled: Named,
    odd: Named,
    without_deployments: usize,
    without_invitations: Named,
    left_out: BTreeMap<LeftOut, Named>,
    pub(crate) unreadable: Vec<(String, Status, Arc<Cause>)>,
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

impl Told {
    pub(crate) fn count(&mut self, workspace: &Workspace, invites: InvitesSeen, entries: &[Entry]) {
        if invites == InvitesSeen::Refused {
            self.without_invitations.add(|| name_of(workspace));
        }
        for entry in entries {
            let name = || {
                let known = entry.email.as_deref().or(entry.username.as_deref());
                let who = known.or(entry.user_id.as_deref()).unwrap_or("somebody");
                format!("{} in {}", printable(who), name_of(workspace))
            };
            if entry.bindings > 1 {
                self.doubled.add(name);
            }
            if let Some(why) = entry.left_out_of_csv {
                self.left_out.entry(why).or_default().add(name);
                continue;
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
    }

    pub(crate) fn tell(&self, args: &ExportArgs, global: &GlobalArgs, workspaces: &[Workspace]) {
        let warn = |text: String| tell(&format!("warning: {text}"));
        for why in LeftOut::ALL {
            if let Some(named) = self.left_out.get(&why) {
                let place = match args.format {
                    ExportFormat::Csv => "left out of the CSV (--format json has them)",
                    ExportFormat::Json => "could not be in a roster",
                };
                warn(format!(
                    "{place}, {} {}: {}",
                    of(named.count, "entry", "entries"),
                    why.reason(),
                    named.list()
                ));
            }
        }
        if self.doubled.count > 0 {
            let many = of(self.doubled.count, "member has", "members have");
            warn(format!(
                "{many} more than one workspace role, the first is exported: {}",
                self.doubled.list()
            ));
        }
        if self.odd.count > 0 {
            let many = of(self.odd.count, "person has an address", "people have addresses");
            warn(format!("{many} that a roster takes with --allow-odd-addresses only: {}", self.odd.list()));
        }
        if self.without_deployments > 0 {
            let many = of(self.without_deployments, "member", "members");
            warn(format!("the roles in deployments of {many} are not known"));
        }
        if self.without_invitations.count > 0 {
            let many = of(self.without_invitations.count, "workspace", "workspaces");
            warn(format!(
                "the token may not see the invitations of {many}: {}",
                self.without_invitations.list()
            ));
        }
        if workspaces.is_empty() {
            warn("the token sees no workspace".to_owned());
        }
        for (name, _, cause) in &self.unreadable {
            tell(&format!("not exported: {name}: {}", printable(&cause.text)));
        }
        if !global.quiet {
            let read = workspaces.len() - self.unreadable.len();
            let all = if self.unreadable.is_empty() { "" } else { " of " };
            let all = if all.is_empty() { String::new() } else { format!("{all}{}", workspaces.len()) };
            let noun = if workspaces.len() == 1 { "workspace" } else { "workspaces" };
            tell(&format!(
                "exported {read}{all} {noun}: {}, {} pending, {} invited",
                of(self.members, "member", "members"),
                self.pending,
                self.invited
            ));
        }
    }

    /// An export that is not whole is told by its status.
    pub(crate) fn status(&self) -> ExitStatus {
        let is_for_good = |status: &Status| *status == Status::Rejected;
        if self.unreadable.iter().any(|(_, status, _)| !is_for_good(status)) {
            ExitStatus::Unresolved
        } else if !self.unreadable.is_empty() || self.left_out.contains_key(&LeftOut::RolesHidden) {
            ExitStatus::RowsFailed
        } else {
            ExitStatus::Done
        }
    }
}

fn of(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
