//! `apply`: carries a roster out: plan, confirmation, run, proof, reports.
//!
//! Main type: [`ApplyArgs`]. What happens is in [`crate::ops::apply`].

use std::path::{Path, PathBuf};

use clap::Args;

use super::conclusion::conclude;
use super::confirm::Confirmation;
use super::plan::{After, ShowArgs, show};
use super::resume::{ResumeArgs, resume_run};
use super::saved_plan_args::SavedPlanArgs;
use super::target_args::destination;
use super::work_args::WorkArgs;
use super::{GlobalArgs, environment, tell};
use crate::model::printable;
use crate::ops::apply::{Connected, earlier_run};
use crate::ops::failure::Failure;
use crate::ops::planning::roster::Input;
use crate::ops::saved::Saved;
use crate::ops::session::{Access, Session};
use crate::ops::trust::Origin;
use crate::outcome::ExitStatus;
use crate::record::folder::RunFolder;
use crate::record::journal::RunSettings;
use crate::roster::spool_instead_in;

/// Carry a roster out
#[derive(Debug, Clone, Args)]
#[command(mut_arg("roster", |roster| roster.required(false).required_unless_present("plan")))]
pub struct ApplyArgs {
    /// A plan that was saved. It comes first: it looks at what else was typed
    #[command(flatten)]
    pub saved: SavedPlanArgs,

    /// Roster, target, pace and safety
    #[command(flatten)]
    pub work: WorkArgs,

    /// How the plan is shown
    #[command(flatten)]
    pub show: ShowArgs,

    /// Do it without asking; needed where there is no terminal
    #[arg(short, long, help_heading = "Safety")]
    pub yes: bool,

    /// Show the plan and do nothing: the same as `plan`
    #[arg(short = 'n', long, help_heading = "Safety")]
    pub dry_run: bool,

    /// How many rows of each workspace go first, one by one, and are read back before the rest is
    /// sent; 0 for none
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(..=1000), help_heading = "Safety")]
    pub canary: u32,

    /// Where the folders of runs are kept; one folder per run
    #[arg(long, value_name = "DIR", default_value = "onboard-runs", help_heading = "Output")]
    pub runs_dir: PathBuf,
}

impl ApplyArgs {
    /// The settings of the run; a saved plan brings its own, under the stricter limits.
    fn settings(&self, saved: Option<&Saved>) -> RunSettings {
        let safety = &self.work.safety;
        let settings = match saved {
            None => safety.settings(),
            Some(saved) => saved.settings(&safety.prune.limits.settings(), safety.exit_code_unchanged),
        };
        RunSettings { canary: self.canary, unattended: self.yes, ..settings }
    }
}

/// Carries the roster out.
///
/// # Errors
/// Whatever keeps the run from beginning; what happens in it is in the reports and in the status.
pub fn run(args: &ApplyArgs, global: &GlobalArgs) -> Result<ExitStatus, Failure> {
    let environment = environment();
    let saved = args.saved.open()?;
    let settings = args.settings(saved.as_ref());
    let destination = destination(&args.work.target, &args.work.pace)?;
    spool_instead_in(&args.runs_dir);
    let input = match &saved {
        Some(saved) => saved.input(&environment.notices)?,
        None => Input::read(args.work.source()?, &environment.notices)?,
    };
    let destination = destination.with_token()?;
    if let Some(saved) = &saved {
        saved.check_target(destination.url().as_deref())?;
        if !args.dry_run
            && let Some(run) = earlier_run(saved, &args.runs_dir)?
        {
            return take_up(args, run, global);
        }
    }
    if args.dry_run {
        let session = Session::open(destination, Access::ReadOnly, &environment)?;
        return show(input, &settings, &args.show, &After::default(), &session, global);
    }
    let confirmation = Confirmation::needed(args.yes, args.work.roster.as_deref() == Some(Path::new("-")))?;
    let digest = saved.map(|saved| saved.digest().to_owned());
    let run = Connected::open(input, destination, &args.runs_dir, &environment)?;
    let mut progress = global.progress(run.row_names());
    let run = run.prepare(settings, digest, &mut progress)?;
    let shown = || run.render(args.show.format, args.show.detail());
    if !confirmation.obtain(run.changes(), run.url(), shown)? {
        return Ok(ExitStatus::Usage);
    }
    Ok(conclude(&run.carry_out(progress)?, global))
}

/// Goes on with the run that carries the plan out, or gives the status that it ended with.
fn take_up(args: &ApplyArgs, run: RunFolder, global: &GlobalArgs) -> Result<ExitStatus, Failure> {
    tell(&format!("run {} carries out this plan; continuing with that run", printable(run.id())));
    let resuming = ResumeArgs {
        run: run.path().display().to_string(),
        target: args.work.target.clone(),
        pace: args.work.pace,
        limits: args.work.safety.prune.limits.clone(),
        yes: args.yes,
        trust_folder: false,
        runs_dir: args.runs_dir.clone(),
    };
    resume_run(&resuming, run, Origin::Own, global)
}
