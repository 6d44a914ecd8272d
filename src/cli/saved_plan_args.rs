//! The flags of `apply` that name a saved plan.
//!
//! Main type: [`SavedPlanArgs`].

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::ops::failure::Failure;
use crate::ops::saved::Saved;
use crate::outcome::ExitStatus;

/// The flags that a saved plan replaces: it contains their values.
const MEANING: [&str; 19] = [
    "column",
    "default_role",
    "default_workspace",
    "delimiter",
    "on_conflict",
    "map_email_domain",
    "workspace_map",
    "role_map",
    "skip_invalid",
    "allow_odd_addresses",
    "only",
    "limit",
    "send_invites",
    "bypass_local",
    "update_roles",
    "repair_duplicates",
    "reinvite",
    "prune",
    "create_workspaces",
];

/// The saved plan to apply.
#[derive(Debug, Clone, Default, Args)]
pub struct SavedPlanFlags {
    /// Apply exactly this plan, saved by `plan --out`. If Houston has changed since then, nothing is
    /// sent (9)
    #[arg(long, value_name = "FILE", conflicts_with = "roster")]
    pub plan: Option<PathBuf>,

    /// Apply the plan only if it has this digest, all 64 digits; any other plan is refused (2)
    #[arg(long, value_name = "DIGEST", help_heading = "Safety")]
    pub approve: Option<String>,
}

/// [`SavedPlanFlags`], with a note of the typed flags that conflict with a saved plan.
#[derive(Debug, Clone, Default)]
pub struct SavedPlanArgs {
    /// The flags as they came.
    pub flags: SavedPlanFlags,
    typed: Vec<&'static str>,
}

impl Args for SavedPlanArgs {
    fn augment_args(command: Command) -> Command {
        SavedPlanFlags::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        SavedPlanFlags::augment_args_for_update(command)
    }
}

impl FromArgMatches for SavedPlanArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let flags = SavedPlanFlags::from_arg_matches(matches)?;
        let is_typed = |id: &&str| {
            matches.try_contains_id(id).unwrap_or(false)
                && matches.value_source(id) == Some(ValueSource::CommandLine)
        };
        Ok(Self { flags, typed: MEANING.into_iter().filter(is_typed).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl SavedPlanArgs {
    /// Opens the saved plan, if one is given.
    ///
    /// # Errors
    /// The file is not a plan or was changed (3); it is not the approved plan, or a typed flag would
    /// change its meaning (2).
    pub fn open(&self) -> Result<Option<Saved>, Failure> {
        let Some(path) = &self.flags.plan else {
            // clap does not enforce `requires` where `--plan` conflicts with the roster.
            return if self.flags.approve.is_some() {
                let error = anyhow::anyhow!("--approve requires --plan: it approves a saved plan");
                Err(Failure::new(ExitStatus::Usage, error))
            } else {
                Ok(None)
            };
        };
        if let Some(flag) = self.typed.first() {
            let flag = flag.replace('_', "-");
            let error = anyhow::anyhow!("--{flag} would change the saved plan");
            return Err(Failure::new(ExitStatus::Usage, error)
                .hint(format!("drop the flag, or save a new plan: plan --{flag} ... --out FILE")));
        }
        Saved::read(path, self.flags.approve.as_deref()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    /// Flags under these headings that change how a plan is applied, not what it changes.
    const MANNER: [&str; 7] =
        ["approve", "approved_by", "audit_key_file", "exit_code_unchanged", "yes", "dry_run", "canary"];
    /// Limits, of which the stricter one applies.
    const LIMITS: [&str; 4] = ["max_remove", "max_remove_percent", "on_guard", "protect"];

    #[test]
    fn every_flag_about_roster_and_safety_is_either_refused_beside_a_plan_or_known_to_be_harmless() {
        let cli = Cli::command();
        let apply = cli.find_subcommand("apply").unwrap();
        let about = |argument: &&clap::Arg| {
            matches!(argument.get_help_heading(), Some("Roster" | "Safety")) && argument.get_long().is_some()
        };
        let mut flags: Vec<_> =
            apply.get_arguments().filter(about).map(|argument| argument.get_id().as_str()).collect();
        let mut known: Vec<_> = MEANING.into_iter().chain(LIMITS).chain(MANNER).collect();
        flags.sort_unstable();
        known.sort_unstable();
        assert_eq!(flags, known);
    }
}
