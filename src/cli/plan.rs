//! `plan`: shows what `apply` would do with the same flags, and its exit status. It only reads.
//!
//! Main type: [`PlanArgs`].

use std::path::{Path, PathBuf};

use clap::Args;

use super::output_files::{OutputFileArgs, Outputs, refuse_same_file};
use super::target_args::destination;
use super::work_args::WorkArgs;
use super::{GlobalArgs, print, print_data};
use crate::ops::failure::Failure;
use crate::ops::plan::{Planned, Shown};
use crate::ops::planning::roster::Input;
use crate::ops::planning::stale::Age;
use crate::ops::saved;
use crate::ops::session::{Access, Session};
use crate::outcome::ExitStatus;
use crate::record::journal::RunSettings;
use crate::report::command_summary::CommandName;
use crate::report::known::Known;
use crate::report::plan::{Detail, PlanFormat};

/// Show what `apply` would do with the same flags
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// Roster, target, pace and safety
    #[command(flatten)]
    pub work: WorkArgs,

    /// How to show the plan
    #[command(flatten)]
    pub show: ShowArgs,

    /// Exit with status 10 if there are changes to make
    #[arg(long, help_heading = "Output")]
    pub detailed_exitcode: bool,

    /// Show one person: what Houston has, what is sent
    ///
    /// Names the rule that applies, and prints the exact request that `apply` would send.
    #[arg(long, value_name = "EMAIL", help_heading = "Output")]
    pub explain: Option<String>,

    /// Also list pending invitations older than this, such as 14d; the plan itself does not change
    #[arg(long, value_name = "AGE", help_heading = "Output")]
    pub invites_older_than: Option<Age>,

    /// Save the plan for `apply --plan`
    ///
    /// Only the owner of the file can read it; it contains the roster. The digest is printed on standard
    /// error.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,

    /// Keep a plan that `--out` has already saved, and end without asking Houston
    ///
    /// For `plan` before `apply --plan` where both are repeated until they succeed, as in a Kubernetes Job.
    #[arg(long, requires = "out", conflicts_with = "detailed_exitcode", help_heading = "Output")]
    pub no_clobber: bool,

    /// Files about the result
    #[command(flatten)]
    pub files: OutputFileArgs,
}

/// How to show a plan.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct ShowArgs {
    /// Format of the plan
    #[arg(long, value_enum, default_value_t)]
    pub format: PlanFormat,

    /// Show everyone, not only the first few people
    #[arg(long)]
    pub all: bool,
}

impl ShowArgs {
    /// How much of it is shown.
    pub(crate) fn detail(&self) -> Detail {
        if self.all { Detail::All } else { Detail::Some }
    }

    /// What is shown of it.
    pub fn shown(&self) -> Shown<'static> {
        Shown { format: self.format, detail: self.detail(), explain: None, older_than: None }
    }
}

impl PlanArgs {
    /// What is shown of the plan.
    pub fn shown(&self) -> Shown<'_> {
        Shown { explain: self.explain.as_deref(), older_than: self.invites_older_than, ..self.show.shown() }
    }

    /// The plan that exists already and is kept.
    fn kept(&self) -> Option<&Path> {
        self.out.as_deref().filter(|path| self.no_clobber && path.exists())
    }
}

/// Shows the plan.
///
/// # Errors
/// The roster (3), the token (4) or the target (5) cannot be used.
pub fn run(args: &PlanArgs, global: &GlobalArgs) -> Result<ExitStatus, Failure> {
    let read = [args.work.read_files(), global.read_files()].concat();
    let out = [("--out", args.out.as_deref())];
    refuse_same_file(&read, &[&out[..], &args.files.named()].concat())?;
    let outputs = Outputs::open(CommandName::Plan, &args.files)?;
    outputs.end(make(args, global, &outputs))
}

fn make(args: &PlanArgs, global: &GlobalArgs, outputs: &Outputs) -> Result<ExitStatus, Failure> {
    if args.explain.is_some() && !matches!(args.show.format, PlanFormat::Human | PlanFormat::Json) {
        let error = anyhow::anyhow!("--explain requires --format human or json");
        return Err(Failure::new(ExitStatus::Usage, error));
    }
    if args.invites_older_than.is_some() && matches!(args.show.format, PlanFormat::Csv | PlanFormat::Html) {
        let error = anyhow::anyhow!("--invites-older-than requires --format human, json or md");
        return Err(Failure::new(ExitStatus::Usage, error));
    }
    let environment = outputs.environment(global.verbose)?;
    if let Some(path) = args.kept() {
        outputs.known().digest(&saved::keep(path, &environment.notices)?);
        return Ok(ExitStatus::Done);
    }
    args.out.as_deref().map_or(Ok(()), saved::refuse_to_replace)?;
    let destination = destination(&args.work.target, &args.work.pace)?.in_shard(args.work.shard);
    let input = Input::read(args.work.source()?, &environment.notices)?;
    let session = Session::open(destination.with_token()?, Access::ReadOnly, &environment)?;
    let after =
        After { detailed_exitcode: args.detailed_exitcode, save_as: args.out.as_deref(), digest: None };
    show(input, &args.work.safety.settings(), &args.shown(), &after, &session, (global, &outputs.known()))
}

/// What to do with a plan after it is shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct After<'a> {
    /// Whether pending changes have an exit status of their own.
    pub detailed_exitcode: bool,
    /// The file to save it in.
    pub save_as: Option<&'a Path>,
    /// Its digest, if it was saved before.
    pub digest: Option<&'a str>,
}

/// Prepares the plan and prints it.
///
/// # Errors
/// As [`run`].
pub fn show(
    input: Input,
    settings: &RunSettings,
    shown: &Shown<'_>,
    after: &After<'_>,
    session: &Session,
    (global, known): (&GlobalArgs, &Known),
) -> Result<ExitStatus, Failure> {
    let draft = after.save_as.map(saved::begin).transpose()?;
    let input = input.resolve(session)?;
    let mut progress = global.reporter(known.clone(), input.row_names());
    let planned = Planned::prepare(input, settings, session, &mut progress)?;
    drop(progress);
    // A page shows the digest of the plan, which it has once it is saved.
    let (first, last) = if shown.format == PlanFormat::Html { (draft, None) } else { (None, draft) };
    let digest = first.map(|draft| planned.save(draft)).transpose()?;
    if let Some(digest) = &digest {
        known.digest(digest);
    }
    let text = planned.render(shown, digest.as_deref().or(after.digest))?;
    match shown.format {
        PlanFormat::Human => print(&text)?,
        PlanFormat::Json | PlanFormat::Csv | PlanFormat::Md | PlanFormat::Html => print_data(&text)?,
    }
    if let Some(draft) = last {
        known.digest(&planned.save(draft)?);
    }
    planned.status(shown, after.detailed_exitcode)
}
