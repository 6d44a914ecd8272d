//! The flags about people who are not in the roster.
//!
//! Main type: [`PruneArgs`].

use std::path::Path;

use clap::{Args, ValueEnum};

use super::roster_args::RosterArgs;
use crate::ops::failure::Failure;
use crate::outcome::ExitStatus;
use crate::plan::guard::{Caps, OnGuard};
use crate::plan::protect::union;
use crate::record::folder::JOURNAL;
use crate::record::journal::{Prune, RunSettings};
use crate::report::removals::{REMOVALS, UNDO};
use crate::report::results::{ERRORS, UNPROCESSED};
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

    /// Its limits
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// The limits of removals, as far as they are given: by a flag, a variable or the file of settings.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Safety")]
pub struct LimitArgs {
    /// How many people --prune may remove in all [default: 10]
    #[arg(long, value_name = "N")]
    pub max_remove: Option<u64>,

    /// Which share of the people --prune may remove: of all of them, and of each workspace of ten or
    /// more [default: 10]. One person may always be removed, unless it is 0
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(..=100))]
    pub max_remove_percent: Option<u8>,

    /// Whom the run neither removes nor demotes: patterns of addresses or user names, separated by
    /// commas; may be repeated
    #[arg(long, value_name = "GLOB[,GLOB]", value_delimiter = ',', value_parser = people_pattern)]
    pub protect: Vec<String>,

    /// What happens if --prune would remove more than the limits allow [default: stop]
    #[arg(long, value_enum)]
    pub on_guard: Option<OnGuardArg>,
}

impl LimitArgs {
    /// The caps, with the defaults where nothing is given.
    pub fn caps(&self) -> Caps {
        let usual = Caps::default();
        Caps {
            people: self.max_remove.unwrap_or(usual.people),
            percent: self.max_remove_percent.unwrap_or(usual.percent),
        }
    }

    /// What happens where there are too many removals.
    pub fn on_guard(&self) -> OnGuard {
        self.on_guard.unwrap_or_default().into()
    }

    /// The stricter of both, one by one; everybody is protected whom either protects. What is not given
    /// on one side is the other side's.
    #[must_use]
    pub fn stricter(&self, other: &Self) -> Self {
        Self {
            max_remove: stricter(self.max_remove, other.max_remove),
            max_remove_percent: stricter(self.max_remove_percent, other.max_remove_percent),
            protect: union([&self.protect[..], &other.protect]),
            on_guard: stricter(self.on_guard, other.on_guard),
        }
    }

    /// The same with the defaults in the place of what is not given.
    #[must_use]
    pub fn with_defaults(&self) -> Self {
        let Caps { people, percent } = self.caps();
        Self {
            max_remove: Some(people),
            max_remove_percent: Some(percent),
            protect: self.protect.clone(),
            on_guard: Some(self.on_guard.unwrap_or_default()),
        }
    }
}

/// The lower of two values, or the only one.
fn stricter<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    [one, other].into_iter().flatten().min()
}

impl From<&RunSettings> for LimitArgs {
    /// The flags that mean the same; those of a run that removes nobody protect from demotions only.
    fn from(settings: &RunSettings) -> Self {
        let prune = settings.prune.as_ref();
        Self {
            max_remove: prune.map(|prune| prune.caps.people),
            max_remove_percent: prune.map(|prune| prune.caps.percent),
            protect: settings.protected(),
            on_guard: prune.map(|prune| match prune.on_guard {
                OnGuard::Stop => OnGuardArg::Stop,
                OnGuard::SkipRemovals => OnGuardArg::SkipRemovals,
            }),
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

/// The values of `--on-guard`, the strictest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
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
            caps: self.limits.caps(),
            on_guard: self.limits.on_guard(),
            protect: self.limits.protect.clone(),
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
        let error = anyhow::anyhow!("--prune compares with the whole file and cannot go with {flag}");
        Err(Failure::new(ExitStatus::Usage, error)
            .about(&["prune", name])
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

impl From<&RunSettings> for PruneArgs {
    /// The flags that mean the same.
    fn from(settings: &RunSettings) -> Self {
        Self { prune: settings.prune.is_some(), limits: LimitArgs::from(settings) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(people: Option<u64>, percent: Option<u8>, protect: &[&str], skip: Option<bool>) -> LimitArgs {
        let on_guard = |skip| if skip { OnGuardArg::SkipRemovals } else { OnGuardArg::Stop };
        LimitArgs {
            max_remove: people,
            max_remove_percent: percent,
            protect: protect.iter().map(|&pattern| pattern.to_owned()).collect(),
            on_guard: skip.map(on_guard),
        }
    }

    #[test]
    fn the_stricter_limit_wins_one_by_one_and_protected_people_add_up() {
        let plan = limits(Some(50), Some(5), &["a*"], Some(true));
        for (site, people, percent, protect, on_guard) in [
            (LimitArgs::default(), 50, 5, &["a*"][..], OnGuard::SkipRemovals),
            (limits(Some(3), Some(90), &["b*", "a*"], None), 3, 5, &["a*", "b*"], OnGuard::SkipRemovals),
            (limits(Some(99), None, &[], Some(false)), 50, 5, &["a*"], OnGuard::Stop),
        ] {
            for both in [plan.stricter(&site), site.stricter(&plan)] {
                assert_eq!(both.caps(), Caps { people, percent });
                assert_eq!(both.on_guard(), on_guard);
                assert_eq!(both.protect.len(), protect.len());
                assert!(protect.iter().all(|&pattern| both.protect.iter().any(|one| one == pattern)));
            }
        }
        let strict =
            limits(Some(50), Some(50), &[], Some(true)).stricter(&LimitArgs::default().with_defaults());
        assert_eq!((strict.caps(), strict.on_guard()), (Caps::default(), OnGuard::Stop));
    }

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
