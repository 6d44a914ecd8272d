//! The flags that every command takes that compares a roster with a Houston.
//!
//! Main types: [`WorkArgs`] and [`SafetyArgs`].

use std::path::PathBuf;

use clap::Args;

use super::prune_args::PruneArgs;
use super::roster_args::RosterArgs;
use super::target_args::{PaceArgs, TargetArgs};
use crate::houston::Mail;
use crate::outcome::ExitStatus;
use crate::plan::RolePolicy;
use crate::record::journal::RunSettings;

/// What every command takes that compares a roster with a Houston.
#[derive(Debug, Clone, Args)]
pub struct WorkArgs {
    /// The roster, a CSV file, or - for standard input
    #[arg(value_name = "ROSTER", required = true)]
    pub roster: Option<PathBuf>,

    /// Which Houston
    #[command(flatten)]
    pub target: TargetArgs,

    /// How the roster is read
    #[command(flatten)]
    pub roster_args: RosterArgs,

    /// How fast
    #[command(flatten)]
    pub pace: PaceArgs,

    /// What may be done
    #[command(flatten)]
    pub safety: SafetyArgs,
}

/// Flags that decide what people may meet with.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Safety")]
pub struct SafetyArgs {
    /// Let Houston mail invitations; otherwise nobody gets a mail (`bypassInvite`)
    #[arg(long)]
    pub send_invites: bool,

    /// Add people without a mail even where the installation knows local passwords only: those who
    /// have no account yet could never log in
    #[arg(long)]
    pub bypass_local: bool,

    /// Give members the role of the roster where they have another one; otherwise they keep theirs.
    /// The token's own user is never demoted, nor the last admin of a workspace (7)
    #[arg(long)]
    pub update_roles: bool,

    /// Take members whom Houston has twice in a workspace away and add them again, once; never the token's
    /// own user, the last admin, or who has roles in deployments there
    #[arg(long)]
    pub repair_duplicates: bool,

    /// Take the pending invitations of people in the roster back and make them again; with --send-invites
    /// they get another mail
    #[arg(long)]
    pub reinvite: bool,

    /// Whether and how far people are removed
    #[command(flatten)]
    pub prune: PruneArgs,

    /// Create workspaces for labels that no workspace has; the token's own user becomes their admin
    #[arg(long)]
    pub create_workspaces: bool,

    /// End with this status instead of 0 when nothing had to be changed; 99 marks a task of Airflow
    /// as skipped
    #[arg(long, value_name = "N")]
    pub exit_code_unchanged: Option<u8>,
}

impl SafetyArgs {
    /// Whether Houston may mail.
    pub fn mail(&self) -> Mail {
        if self.send_invites { Mail::Send } else { Mail::Bypass }
    }

    /// What is done about members with another role.
    pub fn roles(&self) -> RolePolicy {
        if self.update_roles { RolePolicy::Update } else { RolePolicy::Keep }
    }

    /// What of these is remembered; nothing of how fast and how carefully it is done.
    pub fn remembered(&self) -> RunSettings {
        let settings = RunSettings {
            send_invites: self.send_invites,
            bypass_local: self.bypass_local,
            exit_code_unchanged: self.exit_code_unchanged,
            roles: self.roles(),
            repair_duplicates: self.repair_duplicates,
            reinvite: self.reinvite,
            prune: self.prune.settings(),
            ..RunSettings::default()
        };
        // Where nobody is demoted, the patterns mean nothing.
        let protects = settings.changes_members();
        let protect = if protects { self.prune.limits.protect.clone() } else { Vec::new() };
        RunSettings { protect, ..settings }
    }

    /// The status of a run in which nothing went wrong.
    pub fn good(&self, changed: bool) -> ExitStatus {
        ExitStatus::good(changed, self.exit_code_unchanged)
    }
}

impl From<&RunSettings> for SafetyArgs {
    /// The flags that mean the same.
    fn from(settings: &RunSettings) -> Self {
        Self {
            send_invites: settings.send_invites,
            bypass_local: settings.bypass_local,
            exit_code_unchanged: settings.exit_code_unchanged,
            update_roles: settings.roles == RolePolicy::Update,
            repair_duplicates: settings.repair_duplicates,
            reinvite: settings.reinvite,
            prune: PruneArgs::from(settings),
            create_workspaces: false,
        }
    }
}
