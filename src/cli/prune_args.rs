//! The flags about people who are not in the roster.
//!
//! Main type: [`PruneArgs`].

use clap::{Args, ValueEnum};

use super::roster_args::RosterArgs;
use super::{ExitStatus, Failure};
use crate::engine::journal::Prune;
use crate::plan::guard::{Caps, OnGuard};
use crate::roster::{Only, people_pattern};

/// `--prune` and its limits.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Safety")]
pub struct PruneArgs {
    /// Remove members and pending invitations that the roster does not name, in the workspaces that it
    /// names; last of all, and in no workspace in which anything failed. Never the token's own user,
    /// the last admin of a workspace, or who is there through a Team or a custom role
    #[arg(long)]
    pub prune: bool,

    /// How many people --prune may remove in all
    #[arg(
        long,
        value_name = "N",
        default_value_t = Caps::default().people,
    )]
    pub max_remove: u64,

    /// Which share of the people --prune may remove: of all of them, and of each workspace of ten or
    /// more
    #[arg(long, value_name = "PERCENT", default_value_t = Caps::default().percent, value_parser = clap::value_parser!(u8).range(..=100))]
    pub max_remove_percent: u8,

    /// Whom --prune leaves alone: patterns of addresses or user names, separated by commas; may be
    /// repeated
    #[arg(long, value_name = "GLOB[,GLOB]", value_delimiter = ',', value_parser = people_pattern)]
    pub protect: Vec<String>,

    /// What happens if --prune would remove more than the limits allow
    #[arg(long, value_enum, default_value_t)]
    pub on_guard: OnGuardArg,
}

/// The values of `--on-guard`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OnGuardArg {
    /// Nothing at all is sent
    #[default]
    Stop,
    /// Everything but the removals that are too many is carried out
    SkipRemovals,
}

impl PruneArgs {
    /// What is remembered of them, if anybody is to be removed.
    pub fn settings(&self) -> Option<Prune> {
        self.prune.then(|| Prune {
            caps: Caps { people: self.max_remove, percent: self.max_remove_percent },
            on_guard: match self.on_guard {
                OnGuardArg::Stop => OnGuard::Stop,
                OnGuardArg::SkipRemovals => OnGuard::SkipRemovals,
            },
            protect: self.protect.clone(),
        })
    }

    /// Whoever is left out of a part of the file would look like somebody who is not in it.
    ///
    /// # Errors
    /// `--prune` together with a choice of people (2).
    pub fn check(&self, roster: &RosterArgs) -> Result<(), Failure> {
        let (flag, name) = if roster.limit.is_some() {
            ("--limit", "limit")
        } else if roster.only.iter().any(|only| matches!(only, Only::Email(_))) {
            ("--only email=...", "only")
        } else {
            return Ok(());
        };
        if !self.prune {
            return Ok(());
        }
        let error = anyhow::anyhow!("--prune compares with the whole file and cannot go with {flag}");
        Err(Failure::new(ExitStatus::Usage, error)
            .about(&["prune", name])
            .hint("a part of it may be chosen with --only workspace=GLOB"))
    }
}

impl From<Option<&Prune>> for PruneArgs {
    /// The flags that mean the same.
    fn from(prune: Option<&Prune>) -> Self {
        let caps = prune.map_or_else(Caps::default, |prune| prune.caps);
        Self {
            prune: prune.is_some(),
            max_remove: caps.people,
            max_remove_percent: caps.percent,
            protect: prune.map_or_else(Vec::new, |prune| prune.protect.clone()),
            on_guard: match prune.map_or(OnGuard::Stop, |prune| prune.on_guard) {
                OnGuard::Stop => OnGuardArg::Stop,
                OnGuard::SkipRemovals => OnGuardArg::SkipRemovals,
            },
        }
    }
}
