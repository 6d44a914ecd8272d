//! The flags of every command that compares a roster with a Houston.
//!
//! Main types: [`WorkArgs`] and [`SafetyArgs`].

use std::path::PathBuf;

use clap::Args;

use super::prune_args::PruneArgs;
use super::roster_args::RosterArgs;
use super::target_args::{PaceArgs, TargetArgs};
use crate::model::Shard;
use crate::ops::failure::Failure;
use crate::ops::planning::roster::RosterSource;
use crate::ops::planning::workspaces::Missing;
use crate::ops::saved::refuse_as_roster;
use crate::outcome::ExitStatus;
use crate::plan::RolePolicy;
use crate::record::journal::{Prune, RunSettings};
use crate::roster::Settings;

/// The flags of every command that compares a roster with a Houston.
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

    /// Take only the rows of shard I of N: one of N processes that share a roster. A workspace belongs to
    /// one shard, by its id; rows without a workspace id belong to shard 1. --rate and --concurrency are
    /// divided by N. Shards of one N run at the same time and exclude other runs on the target. --prune
    /// needs a saved plan (`apply --plan FILE --shard I/N`), and --create-workspaces is refused.
    /// `report --merge` joins the reports
    #[arg(long, value_name = "I/N", help_heading = "Roster")]
    pub shard: Option<Shard>,

    /// How fast
    #[command(flatten)]
    pub pace: PaceArgs,

    /// What a run may change
    #[command(flatten)]
    pub safety: SafetyArgs,
}

impl WorkArgs {
    /// The files that these flags name, none of which is written to.
    pub(super) fn read_files(&self) -> Vec<(&'static str, Option<&std::path::Path>)> {
        let maps = [
            ("--workspace-map", self.roster_args.workspace_map.as_deref()),
            ("--role-map", self.roster_args.role_map.as_deref()),
        ];
        let roster = [("the roster", self.roster.as_deref())];
        roster.into_iter().chain(self.target.flags.read_files()).chain(maps).collect()
    }
}

/// Flags that decide what a run may change.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Safety")]
pub struct SafetyArgs {
    /// Let Houston send invitation emails
    ///
    /// By default it sends none (`bypassInvite`).
    #[arg(long)]
    pub send_invites: bool,

    /// Add people without an invitation email even if the installation supports local passwords only: new
    /// people could then never log in
    #[arg(long)]
    pub bypass_local: bool,

    /// Give members the role that the roster has
    ///
    /// By default they keep theirs. The run never demotes the token's own user or the last admin of a
    /// workspace (7).
    #[arg(long)]
    pub update_roles: bool,

    /// Remove members who have duplicate bindings in a workspace and add them back once. The run skips the
    /// token's own user, the last admin, and people with deployment roles there
    #[arg(long)]
    pub repair_duplicates: bool,

    /// Revoke the pending invitations of people in the roster and invite them again; with --send-invites
    /// they get another email. People who have an account beside an old invitation become members
    #[arg(long)]
    pub reinvite: bool,

    /// Whether people are removed, and the limits
    #[command(flatten)]
    pub prune: PruneArgs,

    /// Create a workspace for each label that does not exist; the token's own user becomes its admin
    #[arg(long)]
    pub create_workspaces: bool,

    /// Exit with this status instead of 0 if nothing had to change; 99 marks an Airflow task as
    /// skipped
    #[arg(long, value_name = "N")]
    pub exit_code_unchanged: Option<u8>,
}

impl SafetyArgs {
    /// The settings that a run records; pace and canary are not among them.
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
    /// The flags are invalid (2), or a map is (3).
    pub fn source(&self) -> Result<RosterSource, Failure> {
        let path = self.roster.clone().unwrap_or_else(|| PathBuf::from("-"));
        refuse_as_roster(&path)?;
        self.safety.prune.check(&self.roster_args, &path)?;
        self.check_shard()?;
        let settings = Settings { prune: self.safety.prune.prune, ..self.roster_args.settings()? };
        let missing = if self.safety.create_workspaces { Missing::Create } else { Missing::Refuse };
        Ok(RosterSource { path, settings, missing, shard: self.shard })
    }

    /// Refuses a shard where its part of the roster would not be enough.
    fn check_shard(&self) -> Result<(), Failure> {
        let refused = |flag, why: &str| {
            let error = anyhow::anyhow!("--shard cannot be used with --{flag}: {why}");
            Failure::new(ExitStatus::Usage, error).about(&["shard", flag])
        };
        let SafetyArgs { prune, create_workspaces, .. } = &self.safety;
        match self.shard {
            Some(_) if *create_workspaces => {
                Err(refused("create-workspaces", "a workspace belongs to a shard by its id, and a new one has none")
                    .hint("create the workspaces first"))
            }
            Some(shard) if prune.prune => {
                Err(refused("prune", "the limits of removals hold for the whole roster").hint(format!(
                    "save the plan of the whole with `plan ROSTER --prune --out FILE`, then `apply --plan FILE --shard {shard}`"
                )))
            }
            Some(_) | None => Ok(()),
        }
    }
}
