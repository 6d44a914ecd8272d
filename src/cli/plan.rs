//! `plan`: what `apply` would do with the same flags, and what it would end with. It reads only.
//!
//! Main type: [`PlanArgs`].

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::target_args::destination;
use super::work_args::WorkArgs;
use super::{GlobalArgs, environment, print, print_data};
use crate::ops::explain::explain;
use crate::ops::failure::Failure;
use crate::ops::planning::prepared::PreparedPlan;
use crate::ops::planning::roster::Input;
use crate::ops::planning::stale::{Age, find};
use crate::ops::saved;
use crate::ops::session::{Access, Session, mail};
use crate::outcome::ExitStatus;
use crate::record::journal::RunSettings;
use crate::report::plan::{Detail, PlanFormat};

/// Show what `apply` would do with the same flags
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// Roster, target, pace and safety
    #[command(flatten)]
    pub work: WorkArgs,

    /// How the plan is shown
    #[command(flatten)]
    pub show: ShowArgs,

    /// End with 10 if something is to be done
    #[arg(long, help_heading = "Output")]
    pub detailed_exitcode: bool,

    /// Instead of the plan, show of this person what Houston has, which rule decides, and what exactly
    /// would be sent
    #[arg(long, value_name = "EMAIL", help_heading = "Output")]
    pub explain: Option<String>,

    /// List pending invitations that are older than this, such as 14d; the plan stays what it is
    #[arg(long, value_name = "AGE", help_heading = "Output")]
    pub invites_older_than: Option<Age>,

    /// Save the plan, for `apply --plan`; it holds the roster, and only its owner may read it. Its
    /// digest is printed on standard error
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
}

/// How a plan is shown.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct ShowArgs {
    /// How the plan is written
    #[arg(long, value_enum, default_value_t)]
    pub format: PlanFormat,

    /// Show everybody, not only the first few of each workspace
    #[arg(long)]
    pub all: bool,
}

impl ShowArgs {
    /// How much of it is shown.
    pub(crate) fn detail(&self) -> Detail {
        if self.all { Detail::All } else { Detail::Some }
    }
}

/// Shows the plan.
///
/// # Errors
/// The roster (3), the token (4) or the target (5) cannot be used.
pub fn run(args: &PlanArgs, global: &GlobalArgs) -> Result<ExitStatus, Failure> {
    if args.explain.is_some() && !matches!(args.show.format, PlanFormat::Human | PlanFormat::Json) {
        let error = anyhow::anyhow!("--explain goes with --format human or json");
        return Err(Failure::new(ExitStatus::Usage, error));
    }
    if args.invites_older_than.is_some() && args.show.format == PlanFormat::Csv {
        let error = anyhow::anyhow!("--invites-older-than goes with --format human, json or md");
        return Err(Failure::new(ExitStatus::Usage, error));
    }
    refuse_to_overwrite(args)?;
    let destination = destination(&args.work.target, &args.work.pace)?;
    let environment = environment();
    let input = Input::read(args.work.source()?, &environment.notices)?;
    let session = Session::open(destination.with_token()?, Access::ReadOnly, &environment)?;
    let after = After {
        older_than: args.invites_older_than,
        detailed_exitcode: args.detailed_exitcode,
        save_as: args.out.as_deref(),
        explain: args.explain.as_deref(),
    };
    show(input, &args.work.safety.settings(), &args.show, &after, &session, global)
}

/// The plan must not take the place of the roster that it is made of.
fn refuse_to_overwrite(args: &PlanArgs) -> Result<(), Failure> {
    let file = |path: &Path| std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file);
    let roster = args.work.roster.as_deref().and_then(file);
    match (roster, args.out.as_deref().and_then(file)) {
        (Some(roster), Some(out)) if (roster.dev(), roster.ino()) == (out.dev(), out.ino()) => {
            let error = anyhow::anyhow!("--out names the roster: the plan would replace it");
            Err(Failure::new(ExitStatus::Usage, error).hint("choose another file with --out"))
        }
        _ => Ok(()),
    }
}

/// What is done with a plan that has been shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct After<'a> {
    /// Pending changes have a status of their own.
    pub detailed_exitcode: bool,
    /// The file that it is saved in.
    pub save_as: Option<&'a Path>,
    /// The person of whom more is shown, instead of the plan.
    pub explain: Option<&'a str>,
    /// How old invitations are at least that are listed.
    pub older_than: Option<Age>,
}

/// Draws the plan and prints it.
///
/// # Errors
/// As [`run`].
pub fn show(
    input: Input,
    settings: &RunSettings,
    show: &ShowArgs,
    after: &After<'_>,
    session: &Session,
    global: &GlobalArgs,
) -> Result<ExitStatus, Failure> {
    let draft = after.save_as.map(saved::begin).transpose()?;
    let mut input = input.resolve(session)?;
    let mut progress = global.progress(input.row_names());
    let prepared = PreparedPlan::prepare(&mut input, settings, session, &mut progress)?;
    drop(progress);
    let text = if let Some(email) = after.explain {
        explain(email, &prepared, &input, mail(settings), session, show.format)?
    } else {
        let now = jiff::Timestamp::now();
        let stale = after.older_than.map(|age| find(&prepared, &input, session, age, now));
        prepared.render(&input, session, show.format, show.detail(), stale.as_ref())?
    };
    match show.format {
        PlanFormat::Human => print(&text)?,
        PlanFormat::Json | PlanFormat::Csv | PlanFormat::Md => print_data(&text)?,
    }
    if let Some(draft) = draft {
        saved::save(draft, &prepared, &input, settings.clone(), session)?;
    }
    if after.explain.is_some() || !show.format.shows_guards() {
        prepared.announce_excess(settings, &session.notices);
    }
    prepared.refuse(settings)?;
    let changes = prepared.changes() > 0;
    let status = prepared.status();
    Ok(if status != ExitStatus::Done {
        status
    } else if after.detailed_exitcode && changes {
        ExitStatus::ChangesPending
    } else {
        ExitStatus::good(changes, settings.exit_code_unchanged)
    })
}
