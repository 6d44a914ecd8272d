//! `resume`: finishes an interrupted run from its own files.
//!
//! Main type: [`ResumeArgs`]. The work is done in [`crate::ops::resume`].

use std::path::PathBuf;

use clap::Args;

use super::audit_args::AuditArgs;
use super::conclusion::conclude;
use super::confirm::Confirmation;
use super::output_files::{OutputFileArgs, Outputs, refuse_same_file};
use super::prune_args::LimitArgs;
use super::target_args::{PaceArgs, TargetArgs, destination};
use super::{GlobalArgs, tell, trust};
use crate::model::printable;
use crate::ops::environment::Environment;
use crate::ops::failure::Failure;
use crate::ops::finish::open_run;
use crate::ops::resume::{Complete, Found, Interrupted};
use crate::ops::session::Destination;
use crate::ops::trust::Origin;
use crate::outcome::ExitStatus;
use crate::record::folder::{LATEST, RunFolder};
use crate::record::journal::ChainKind;
use crate::report::command_summary::CommandName;
use crate::report::known::Known;
use crate::report::question::Changes;

/// Finish an interrupted run
#[derive(Debug, Clone, Args)]
pub struct ResumeArgs {
    /// The run: its id, the beginning of its id, its folder, or `latest`
    #[arg(value_name = "RUN", default_value = "latest")]
    pub run: String,

    /// How to connect; the target itself comes from the run
    #[command(flatten)]
    pub target: TargetArgs,

    /// How fast
    #[command(flatten)]
    pub pace: PaceArgs,

    /// The limits of removals. Only stricter limits than those of the run take effect
    #[command(flatten)]
    pub limits: LimitArgs,

    /// Do not ask; required without a terminal
    #[arg(short, long, help_heading = "Safety")]
    pub yes: bool,

    /// Resume a run folder that you do not own or that others can write, after showing what it would do.
    /// It can remove anyone. Its token file, CA file and --insecure are ignored
    #[arg(long, help_heading = "Safety")]
    pub trust_folder: bool,

    /// Who approved it, where `apply --plan` continues a run
    #[arg(skip)]
    pub approved_by: Option<String>,

    /// The key that the journal is sealed with
    #[command(flatten)]
    pub audit: AuditArgs,

    /// Directory of the run folders
    #[arg(long, value_name = "DIR", default_value = "onboard-runs", help_heading = "Output")]
    pub runs_dir: PathBuf,

    /// Files about the result
    #[command(flatten)]
    pub files: OutputFileArgs,
}

impl ResumeArgs {
    /// The target of the run, with its connection settings unless flags override them.
    ///
    /// # Errors
    /// The flags are invalid (2).
    pub fn destination(&self, run: &Interrupted) -> Result<Destination, Failure> {
        let header = &run.history.header;
        let (mut target, mut pace) = (self.target.clone(), self.pace);
        target.default_to(&header.target, &run.origin.reach(header));
        // A flag is meant for all shards together; what the run remembers is the share of its own.
        header.settings.shard.iter().for_each(|shard| pace.divide(*shard));
        header.settings.pace.iter().for_each(|then| pace.default_to(then));
        destination(&target, &pace)
    }
}

/// Finishes the run.
///
/// # Errors
/// Anything that prevents the run from continuing. Failures during the run are in its reports and status.
pub fn run(args: &ResumeArgs, global: &GlobalArgs) -> Result<ExitStatus, Failure> {
    let read = [args.target.flags.read_files(), vec![args.audit.named()], global.read_files()].concat();
    refuse_same_file(&read, &args.files.named())?;
    let outputs = Outputs::open(CommandName::Resume, &args.files)?;
    outputs.end(carry_out(args, global, &outputs))
}

fn carry_out(args: &ResumeArgs, global: &GlobalArgs, outputs: &Outputs) -> Result<ExitStatus, Failure> {
    let environment = outputs.environment(global.verbose)?;
    let folder = open_run(&args.runs_dir, &args.run)?;
    let origin = Origin::of(&folder, &args.run, args.trust_folder)?;
    let folder = if origin == Origin::Own { folder } else { folder.trusted() };
    resume_run(args, folder, origin, global, (&environment, &outputs.known()))
}

/// Finishes the run in this folder.
///
/// # Errors
/// As [`run`].
pub(super) fn resume_run(
    args: &ResumeArgs,
    folder: RunFolder,
    origin: Origin,
    global: &GlobalArgs,
    (environment, known): (&Environment, &Known),
) -> Result<ExitStatus, Failure> {
    let run = match Interrupted::read(folder, origin)? {
        Found::Left(run) => run,
        Found::Complete(run) => {
            let status = say_complete(&run, args, global, known)?;
            if args.run == LATEST {
                Complete::mention_others(&args.runs_dir, &environment.notices);
            }
            return Ok(status);
        }
    };
    let consent = trust::consent(origin, args.yes, &args.target)?;
    let destination = args.destination(&run)?.with_token()?;
    run.check_target(&destination)?;
    if !trust::confirm(&run, consent, &destination.target, global.quiet)? {
        return Ok(ExitStatus::Usage);
    }
    let confirmation = Confirmation::needed(args.yes, false)?;
    let key = args.audit.open(&environment.notices)?;
    if key.is_some() && run.history.header.chained_by == ChainKind::Sha256 {
        tell("warning: --audit-key-file has no effect: the journal of this run is sealed with no key");
    }
    let run = match run.take(environment, key)? {
        Found::Left(run) => run,
        Found::Complete(run) => return say_complete(&run, args, global, known),
    };
    let mut progress = global.reporter(known.clone(), run.row_names());
    let run = run.prepare(destination, &args.limits.settings(), environment, &mut progress)?;
    let run = run.approved_by(args.approved_by.clone());
    let changes = Changes { all: run.changes(), removals: run.removals() };
    if !confirmation.obtain(changes, run.url(), || Ok(run.shown()))? {
        return Ok(ExitStatus::Usage);
    }
    Ok(conclude(&run.carry_out(progress)?, global, known))
}

/// Reports that the run is complete.
fn say_complete(
    run: &Complete,
    args: &ResumeArgs,
    global: &GlobalArgs,
    known: &Known,
) -> Result<ExitStatus, Failure> {
    if !global.quiet {
        let header = &run.history.header;
        tell(&format!(
            "run {} is complete (exit status {}); nothing to resume, and nothing was sent",
            printable(&header.run),
            run.status.code()
        ));
        if header.saved_plan.is_some() {
            tell("to make the changes of its plan again, make a new plan");
        }
        if args.approved_by.is_some() {
            tell("--approved-by was not recorded: the run was complete before");
        }
        if header.sandbox {
            tell("it was a --sandbox rehearsal, which cannot be resumed");
        }
    }
    known.run(&run.write_reports()?);
    Ok(run.status)
}
