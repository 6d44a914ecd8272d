//! `apply`: applies a roster: plan, confirmation, run, verification, reports.
//!
//! Main type: [`ApplyArgs`]. The work is done in [`crate::ops::apply`].

use std::path::{Path, PathBuf};

use clap::Args;

use super::audit_args::AuditArgs;
use super::conclusion::conclude;
use super::confirm::Confirmation;
use super::number::number;
use super::output_files::{OutputFileArgs, Outputs, refuse_same_file};
use super::plan::{After, ShowArgs, show};
use super::resume::{ResumeArgs, resume_run};
use super::saved_plan_args::SavedPlanArgs;
use super::target_args::destination;
use super::work_args::WorkArgs;
use super::{GlobalArgs, tell};
use crate::model::printable;
use crate::ops::apply::{Connected, Provenance, earlier_run};
use crate::ops::environment::Environment;
use crate::ops::failure::Failure;
use crate::ops::planning::roster::Input;
use crate::ops::saved::Saved;
use crate::ops::session::{Access, Destination, Session};
use crate::ops::trust::Origin;
use crate::outcome::ExitStatus;
use crate::record::folder::RunFolder;
use crate::record::journal::RunSettings;
use crate::report::command_summary::CommandName;
use crate::report::known::Known;
use crate::report::question::Changes;
use crate::roster::spool_instead_in;

/// Apply a roster
#[derive(Debug, Clone, Args)]
#[command(
    mut_arg("roster", |roster| roster.required(false).required_unless_present("plan")),
    override_usage = "houston-onboard apply [OPTIONS] <ROSTER>\n       houston-onboard apply [OPTIONS] --plan <FILE>"
)]
pub struct ApplyArgs {
    /// A saved plan. It comes first because it checks which other flags were typed
    #[command(flatten)]
    pub saved: SavedPlanArgs,

    /// Roster, target, pace and safety
    #[command(flatten)]
    pub work: WorkArgs,

    /// How to show the plan
    #[command(flatten)]
    pub show: ShowArgs,

    /// Do not ask; required without a terminal
    #[arg(short, long, help_heading = "Safety")]
    pub yes: bool,

    /// Show the plan and send nothing, like `plan`
    #[arg(short = 'n', long, help_heading = "Safety")]
    pub dry_run: bool,

    /// Send the first N rows of each workspace one by one and verify them before the rest; 0 turns this
    /// off
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number(0_u32, 1000), help_heading = "Safety")]
    pub canary: u32,

    /// Who approved the run; it is recorded, and not checked
    #[arg(long, value_name = "NAME", value_parser = approver, help_heading = "Safety")]
    pub approved_by: Option<String>,

    /// The key that seals the journal
    #[command(flatten)]
    pub audit: AuditArgs,

    /// Directory of the run folders
    ///
    /// Each run creates one.
    #[arg(long, value_name = "DIR", default_value = "onboard-runs", help_heading = "Output")]
    pub runs_dir: PathBuf,

    /// Files about the result
    #[command(flatten)]
    pub files: OutputFileArgs,
}

/// A name of who approved a run.
fn approver(text: &str) -> Result<String, String> {
    let name = printable(text.trim());
    match name.chars().count() {
        0 => Err("a name is not empty".to_owned()),
        1..=200 => Ok(name.into_owned()),
        length => Err(format!("a name has at most 200 characters, and this one has {length}")),
    }
}

impl ApplyArgs {
    /// The saved plan to apply, if one is given, or the shard of it.
    ///
    /// # Errors
    /// The file is not a plan (3), or the flags do not fit it (2, 7).
    pub fn open_plan(&self) -> Result<Option<Saved>, Failure> {
        let limits = self.work.safety.prune.limits.settings();
        self.saved
            .open(self.work.roster.as_deref())?
            .map(|saved| saved.in_shard(self.work.shard, &limits))
            .transpose()
    }

    /// Which Houston, and how fast.
    ///
    /// # Errors
    /// The flags are invalid (2).
    pub fn destination(&self, saved: Option<&Saved>) -> Result<Destination, Failure> {
        let shard = saved.map_or(self.work.shard, Saved::shard);
        Ok(destination(&self.work.target, &self.work.pace)?.in_shard(shard))
    }

    /// The settings of the run; a saved plan has its own, with the stricter limits.
    pub fn settings(&self, saved: Option<&Saved>) -> RunSettings {
        let safety = &self.work.safety;
        let settings = match saved {
            None => safety.settings(),
            Some(saved) => saved.settings(&safety.prune.limits.settings(), safety.exit_code_unchanged),
        };
        RunSettings { canary: self.canary, unattended: self.yes, ..settings }
    }
}

/// Applies the roster.
///
/// # Errors
/// Anything that prevents the run from starting. Failures during the run are in its reports and status.
pub fn run(args: &ApplyArgs, global: &GlobalArgs) -> Result<ExitStatus, Failure> {
    let plan = [("--plan", args.saved.flags.plan.as_deref()), args.audit.named()];
    let read = [args.work.read_files(), plan.to_vec(), global.read_files()].concat();
    refuse_same_file(&read, &args.files.named())?;
    let outputs = Outputs::open(CommandName::Apply, &args.files)?;
    outputs.end(carry_out(args, global, &outputs))
}

/// A note where cron or a container starts the program in the root directory: the lock and the runs belong
/// somewhere else.
fn note_of_root(runs_dir: &Path, here: &Path) -> Option<String> {
    let folder = here.join(runs_dir);
    (here == Path::new("/") && runs_dir.is_relative()).then(|| {
        format!(
            "note: run folders go to {}: pass an absolute --runs-dir",
            printable(&folder.to_string_lossy())
        )
    })
}

fn carry_out(args: &ApplyArgs, global: &GlobalArgs, outputs: &Outputs) -> Result<ExitStatus, Failure> {
    let (environment, known) = (outputs.environment(global.verbose)?, outputs.known());
    let saved = args.open_plan()?;
    if let Some(saved) = &saved {
        known.digest(saved.digest());
        saved.announce(&environment.notices);
    }
    let settings = args.settings(saved.as_ref());
    let destination = args.destination(saved.as_ref())?;
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
            return take_up(args, run, global, (&environment, &known));
        }
    }
    if args.dry_run {
        let session = Session::open(destination, Access::ReadOnly, &environment)?;
        let after = After { digest: saved.as_ref().map(Saved::digest), ..After::default() };
        return show(input, &settings, &args.show.shown(), &after, &session, (global, &known));
    }
    let confirmation = Confirmation::needed(args.yes, args.work.roster.as_deref() == Some(Path::new("-")))?;
    let here = std::env::current_dir().unwrap_or_default();
    note_of_root(&args.runs_dir, &here).filter(|_| !global.quiet).iter().for_each(|note| tell(note));
    let provenance = Provenance {
        saved_plan: saved.map(|saved| saved.digest().to_owned()),
        approved_by: args.approved_by.clone(),
        key: args.audit.open(&environment.notices)?,
    };
    let run = Connected::open(input, destination, &args.runs_dir, &environment)?;
    let mut progress = global.reporter(known.clone(), run.row_names());
    let run = run.prepare(settings, provenance, &mut progress)?;
    let shown = || run.render(args.show.format, args.show.detail());
    let changes = Changes { all: run.changes(), removals: run.removals() };
    if !confirmation.obtain(changes, run.url(), shown)? {
        return Ok(ExitStatus::Usage);
    }
    Ok(conclude(&run.carry_out(progress)?, global, &known))
}

/// Continues the run that applies the plan, or returns the status that it ended with.
fn take_up(
    args: &ApplyArgs,
    run: RunFolder,
    global: &GlobalArgs,
    around: (&Environment, &Known),
) -> Result<ExitStatus, Failure> {
    tell(&format!("run {} applies this plan; continuing with that run", printable(run.id())));
    let resuming = ResumeArgs {
        run: run.path().display().to_string(),
        target: args.work.target.clone(),
        pace: args.work.pace,
        limits: args.work.safety.prune.limits.clone(),
        yes: args.yes,
        trust_folder: false,
        approved_by: args.approved_by.clone(),
        audit: args.audit.clone(),
        runs_dir: args.runs_dir.clone(),
        files: OutputFileArgs::default(),
    };
    resume_run(&resuming, run, Origin::Own, global, around)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_folder_of_the_runs_in_the_root_directory_is_mentioned() {
        let note = |runs: &str, here: &str| note_of_root(Path::new(runs), Path::new(here));
        assert!(note("onboard-runs", "/").is_some_and(|note| note.contains("to /onboard-runs: pass")));
        assert_eq!(note("/var/runs", "/"), None);
        assert_eq!(note("onboard-runs", "/home/ann"), None);
    }
}
