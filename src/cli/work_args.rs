//! The flags that every command takes that compares a roster with a Houston.
//!
//! Main types: [`WorkArgs`] and [`SafetyArgs`].

use std::path::PathBuf;

use clap::Args;

use super::prune_args::PruneArgs;
use super::roster_args::RosterArgs;
use super::target_args::{PaceArgs, TargetArgs};
use crate::ops::failure::Failure;
use crate::ops::planning::roster::RosterSource;
use crate::ops::planning::workspaces::Missing;
use crate::plan::RolePolicy;
use crate::record::journal::{Prune, RunSettings};
use crate::roster::Settings;

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
    /// What of these is remembered; nothing of how fast and how carefully it is done.
    pub fn settings(&self) -> RunSettings {
        self.prune.limits.settings().bind(&RunSettings {
            send_invites: self.send_invites,
            bypass_local: self.bypass_local,
            exit_code_unchanged: self.exit_code_unchanged,
            roles: if self.update_roles { RolePolicy::Update } else { RolePolicy::Keep },
            repair_duplicates: self.repair_duplicates,
            reinvite: self.reinvite,
            prune: self.prune.prune.then(Prune::default),
            ..RunSettings::default()
        })
    }
}

impl WorkArgs {
    /// The roster, and how it is read.
    ///
    /// # Errors
    /// The flags make no sense (2), or a map is bad (3).
    pub fn source(&self) -> Result<RosterSource, Failure> {
        let path = self.roster.clone().unwrap_or_else(|| PathBuf::from("-"));
        self.safety.prune.check(&self.roster_args, &path)?;
        let settings = Settings { prune: self.safety.prune.prune, ..self.roster_args.settings()? };
        let missing = if self.safety.create_workspaces { Missing::Create } else { Missing::Refuse };
        Ok(RosterSource { path, settings, missing })
    }
}
