//! The flags about people who are not in the roster.
//!
//! Main type: [`PruneArgs`].

use std::path::Path;

use clap::{Args, ValueEnum};

use super::number::number;
use super::roster_args::RosterArgs;
use crate::ops::failure::Failure;
use crate::ops::limits::Limits;
use crate::outcome::ExitStatus;
use crate::plan::guard::OnGuard;
use crate::record::folder::JOURNAL;
use crate::report::removals::{REMOVALS, UNDO};
use crate::report::results::{ERRORS, UNPROCESSED};
use crate::report::summary::FILE as SUMMARY;
use crate::roster::{Only, people_pattern};

/// `--prune` and its limits.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Safety")]
pub struct PruneArgs {
    /// Remove people whom the roster does not name
    ///
    /// Members and pending invitations, only in the workspaces that the roster names. Removals run last, and never in a workspace where a
    /// row failed. The run keeps the token's own user, the last admin of a workspace, and people with
    /// access through a Team or custom role.
    #[arg(long)]
    pub prune: bool,

    /// Its limits
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// The limits of removals that are set, by a flag, a variable or the settings file.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Safety")]
pub struct LimitArgs {
    /// The maximum number of people that --prune may remove [default: 10]
    #[arg(long, value_name = "N")]
    pub max_remove: Option<u64>,

    /// The maximum percentage of people that --prune may remove, in total and from each workspace of ten
    /// or more [default: 10]. Any value but 0 allows one removal
    #[arg(long, value_name = "PERCENT", value_parser = number(0_u8, 100))]
    pub max_remove_percent: Option<u8>,

    /// Never remove or demote people who match
    ///
    /// The patterns are for addresses and user names. Separate them with commas, or repeat the flag.
    #[arg(long, value_name = "GLOB[,GLOB]", value_delimiter = ',', value_parser = people_pattern)]
    pub protect: Vec<String>,

    /// What to do if --prune would remove more people than the limits allow [default: stop]
    #[arg(long, value_enum)]
    pub on_guard: Option<OnGuardArg>,
}

impl LimitArgs {
    /// The limits that these flags mean.
    pub fn settings(&self) -> Limits {
        Limits {
            max_remove: self.max_remove,
            max_remove_percent: self.max_remove_percent,
            protect: self.protect.clone(),
            on_guard: self.on_guard.map(OnGuard::from),
        }
    }
}

impl From<OnGuardArg> for OnGuard {
    fn from(given: OnGuardArg) -> Self {
        match given {
            OnGuardArg::Stop => Self::Stop,
            OnGuardArg::SkipRemovals => Self::SkipRemovals,
        }
    }
}

/// The values of `--on-guard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnGuardArg {
    /// Send nothing at all
    Stop,
    /// Skip the removals over the limit and apply everything else
    SkipRemovals,
}

impl PruneArgs {
    /// Refuses `--prune` with a partial roster: it would remove everyone whom that part leaves out.
    ///
    /// # Errors
    /// `--prune` with a selection of people, or with a file that lists only a part of a run (2).
    pub fn check(&self, roster: &RosterArgs, path: &Path) -> Result<(), Failure> {
        if !self.prune {
            return Ok(());
        }
        if let Some(name) = part_of_a_run(path) {
            let error = anyhow::anyhow!(
                "--prune needs the complete roster; {name} of a run lists only some people, and everyone else would be removed"
            );
            return Err(Failure::new(ExitStatus::Usage, error).about(&["prune"]).hint(format!(
                "apply {name} without --prune; also unset HOUSTON_ONBOARD_PRUNE and remove `prune` from the --config file"
            )));
        }
        let (flag, name) = if roster.limit.is_some() {
            ("--limit", "limit")
        } else if roster.only.iter().any(|only| matches!(only, Only::Email(_))) {
            ("--only email=...", "only")
        } else {
            return Ok(());
        };
        let error = anyhow::anyhow!("--prune needs the complete roster and cannot be used with {flag}");
        Err(Failure::new(ExitStatus::Usage, error)
            .about(&["prune", name])
            .hint("select workspaces with --only workspace=GLOB instead"))
    }
}

/// The name of the file if a run wrote it for a part of its people, whatever path leads to it.
fn part_of_a_run(path: &Path) -> Option<&'static str> {
    const PARTS: [&str; 4] = [ERRORS, UNPROCESSED, UNDO, REMOVALS];
    let path = if path.as_os_str() == "-" { Path::new("/dev/stdin") } else { path };
    let real = path.canonicalize();
    let is_part = |path: &Path| {
        let name = path.file_name()?.to_str()?;
        let part = PARTS.into_iter().find(|part| part.eq_ignore_ascii_case(name))?;
        // Joined reports have no journal.
        let is_report = [JOURNAL, SUMMARY].iter().any(|name| path.with_file_name(name).exists());
        is_report.then_some(part)
    };
    real.ok().as_deref().and_then(is_part).or_else(|| is_part(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_run_is_recognised_by_any_path() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        std::fs::create_dir(&run).unwrap();
        for name in [ERRORS, UNPROCESSED, UNDO, REMOVALS, "results.csv", "roster.csv"] {
            std::fs::write(run.join(name), "").unwrap();
        }
        assert_eq!(part_of_a_run(&run.join(ERRORS)), None, "no run without a journal");
        std::fs::write(run.join(SUMMARY), "").unwrap();
        assert_eq!(part_of_a_run(&run.join(ERRORS)), Some(ERRORS), "the joined reports of shards");
        std::fs::remove_file(run.join(SUMMARY)).unwrap();
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
