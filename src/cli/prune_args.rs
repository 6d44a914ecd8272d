//! The flags about people who are not in the roster.
//!
//! Main type: [`PruneArgs`].

use std::path::Path;

use clap::{Args, ValueEnum};

use super::roster_args::RosterArgs;
use super::{ExitStatus, Failure};
use crate::engine::journal::Prune;
use crate::plan::guard::{Caps, OnGuard};
use crate::report::removals::{REMOVALS, UNDO};
use crate::report::results::{ERRORS, UNPROCESSED};
use crate::roster::Only;

/// What makes a folder that of a run.
const JOURNAL: &str = "journal.jsonl";

/// `--prune` and its limits.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Safety")]
pub struct PruneArgs {
    /// Remove members and pending invitations that the roster does not name, in the workspaces that it
    /// names; last of all, and in no workspace in which anything failed. Never the token's own user,
    /// the last admin of a workspace, or who is there through a Team or a custom role
    #[arg(long, value_parser = clap::builder::FalseyValueParser::new(), env = "HOUSTON_ONBOARD_PRUNE", hide_env_values = true)]
    pub prune: bool,

    /// How many people --prune may remove in all
    #[arg(
        long,
        value_name = "N",
        default_value_t = Caps::default().people,
        env = "HOUSTON_ONBOARD_MAX_REMOVE",
        hide_env_values = true
    )]
    pub max_remove: u64,

    /// Which share of the people --prune may remove: of all of them, and of each workspace of ten or
    /// more. One person may always be removed, unless it is 0
    #[arg(long, value_name = "PERCENT", default_value_t = Caps::default().percent, value_parser = clap::value_parser!(u8).range(..=100), env = "HOUSTON_ONBOARD_MAX_REMOVE_PERCENT", hide_env_values = true)]
    pub max_remove_percent: u8,

    /// Whom --prune leaves alone: a pattern of addresses or user names; may be repeated
    #[arg(long, value_name = "GLOB", env = "HOUSTON_ONBOARD_PROTECT", hide_env_values = true)]
    pub protect: Vec<String>,

    /// What happens if --prune would remove more than the limits allow
    #[arg(long, value_enum, default_value_t, env = "HOUSTON_ONBOARD_ON_GUARD", hide_env_values = true)]
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

    /// `--prune` takes the people whom a part of a file leaves out for people who left.
    ///
    /// # Errors
    /// `--prune` together with a choice of people, or with a file that holds a part of a run (2).
    pub fn check(&self, roster: &RosterArgs, path: &Path) -> Result<(), Failure> {
        if !self.prune {
            return Ok(());
        }
        if let Some(name) = part_of_a_run(path) {
            let error = anyhow::anyhow!(
                "--prune compares with a complete roster, and this is the {name} of a run: everybody else would be removed"
            );
            return Err(Failure::new(ExitStatus::Usage, error).hint(format!(
                "apply {name} without --prune, also without HOUSTON_ONBOARD_PRUNE and `prune` in a --config file"
            )));
        }
        let flag = if roster.limit.is_some() {
            "--limit"
        } else if roster.only.iter().any(|only| matches!(only, Only::Email(_))) {
            "--only email=..."
        } else {
            return Ok(());
        };
        let error = anyhow::anyhow!("--prune compares with the whole file and cannot go with {flag}");
        Err(Failure::new(ExitStatus::Usage, error)
            .hint("a part of it may be chosen with --only workspace=GLOB"))
    }
}

/// The name of the file if it is one that a run has made of a part of its people, however the path
/// leads to it.
fn part_of_a_run(path: &Path) -> Option<&'static str> {
    const PARTS: [&str; 4] = [ERRORS, UNPROCESSED, UNDO, REMOVALS];
    let path = if path.as_os_str() == "-" { Path::new("/dev/stdin") } else { path };
    let real = path.canonicalize();
    let is_part = |path: &Path| {
        let name = path.file_name()?.to_str()?;
        let part = PARTS.into_iter().find(|part| part.eq_ignore_ascii_case(name))?;
        path.with_file_name(JOURNAL).exists().then_some(part)
    };
    real.ok().as_deref().and_then(is_part).or_else(|| is_part(path))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_run_is_known_however_the_path_leads_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        std::fs::create_dir(&run).unwrap();
        for name in [ERRORS, UNPROCESSED, UNDO, REMOVALS, "results.csv", "roster.csv"] {
            std::fs::write(run.join(name), "").unwrap();
        }
        assert_eq!(part_of_a_run(&run.join(ERRORS)), None, "no run without a journal");
        std::fs::write(run.join(JOURNAL), "").unwrap();
        for name in [ERRORS, UNPROCESSED, UNDO, REMOVALS] {
            assert_eq!(part_of_a_run(&run.join(name)), Some(name));
            assert_eq!(part_of_a_run(&run.join("..").join("run").join(".").join(name)), Some(name));
            let link = folder.path().join(format!("team-{name}"));
            std::os::unix::fs::symlink(run.join(name), &link).unwrap();
            assert_eq!(part_of_a_run(&link), Some(name));
        }
        std::os::unix::fs::symlink(&run, folder.path().join("latest")).unwrap();
        assert_eq!(part_of_a_run(&folder.path().join("latest").join(UNDO)), Some(UNDO));
        for whole in ["results.csv", "roster.csv", "no such file"] {
            assert_eq!(part_of_a_run(&run.join(whole)), None);
        }
    }
}
