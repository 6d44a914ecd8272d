//! Old pending invitations, shown with a plan.
//!
//! Main type: [`Stale`]. It shows what is known; an age that Houston does not report stays unknown.

use std::fmt::Write as _;

use serde::Serialize;

use crate::model::{Role, printable};
use crate::report::escape::{markdown, markdown_line};

/// What is known about old invitations in the workspaces of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Stale {
    /// The least age of a listed invitation, as the user wrote it.
    pub older_than: String,
    /// The old ones, the oldest first.
    pub invites: Vec<StaleInvite>,
    /// Invitations whose age Houston does not report.
    pub undated: u64,
    /// Workspaces whose invitations cannot be seen.
    pub unseen_in: Vec<String>,
    /// People of the roster who are members and have never signed in; since when is unknown.
    pub pending_members: u64,
}

/// An old invitation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StaleInvite {
    /// The invited person.
    pub email: String,
    /// The label of the workspace, or its id.
    pub workspace: String,
    /// The id of the workspace.
    pub workspace_id: String,
    /// The role that awaits them.
    pub role: Option<Role>,
    /// When it was made.
    #[cfg_attr(test, schemars(with = "String"))]
    pub created_at: jiff::Timestamp,
    /// How old it is, in whole days.
    pub days: i64,
    /// Whether the roster names them in this workspace.
    pub in_roster: bool,
}

impl Stale {
    /// As text for people.
    pub fn human(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, false).expect("a string takes every text");
        text
    }

    /// As Markdown.
    pub(super) fn md(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, true).expect("a string takes every text");
        text
    }

    fn write(&self, text: &mut String, md: bool) -> std::fmt::Result {
        let clean = |cell: &str| if md { markdown(cell) } else { printable(cell).into_owned() };
        let line = |text: &str| if md { markdown_line(text) } else { printable(text).into_owned() };
        let head = if md { "## " } else { "" };
        let count = self.invites.len();
        writeln!(text, "\n{head}Invitations older than {}: {count}", line(&self.older_than))?;
        if md && count > 0 {
            writeln!(
                text,
                "\n| email | workspace | role | days | since | roster |\n| --- | --- | --- | ---: | --- | --- |"
            )?;
        }
        for invite in &self.invites {
            let StaleInvite { email, workspace, role, created_at, days, in_roster, .. } = invite;
            let (email, workspace) = (clean(email), clean(workspace));
            let role = role.map_or("unknown role", Role::name);
            let since = created_at.strftime("%Y-%m-%d");
            let roster = if *in_roster { "in the roster" } else { "not in the roster" };
            if md {
                writeln!(text, "| {email} | {workspace} | {role} | {days} | {since} | {roster} |")?;
            } else {
                writeln!(text, "  ? {email}  {role}  {workspace}  {days} days, since {since}  ({roster})")?;
            }
        }
        let gap = if md { "\n" } else { "" };
        if self.undated > 0 {
            writeln!(text, "{gap}Houston gives no date for {} more.", self.undated)?;
        }
        if self.pending_members > 0 {
            writeln!(
                text,
                "{gap}{} of the roster have never signed in; Houston gives no date for them.",
                self.pending_members
            )?;
        }
        for workspace in &self.unseen_in {
            writeln!(text, "{gap}The token cannot see the invitations of {}.", line(workspace))?;
        }
        Ok(())
    }
}
