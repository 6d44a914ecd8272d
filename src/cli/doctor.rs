//! `doctor`: looks at a target before anybody relies on it, and says what a run would meet. It
//! reads only, and it never waits for a Houston that is away longer than its repeats take.
//!
//! Main type: [`DoctorArgs`]. What is asked is in `asking`, what the answers mean in `verdicts`.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::Args;

use super::roster_args::RosterArgs;
use super::target_args::{PaceArgs, TargetArgs};
use super::validate::{read_roster, shown_name};
use super::{GlobalArgs, print, print_data, tell};
use crate::model::printable;
use crate::ops::doctor::asking::Asking;
use crate::ops::doctor::verdicts::{self, Judged};
use crate::ops::failure::Failure;
use crate::ops::session::Destination;
use crate::outcome::ExitStatus;
use crate::report::checkup::{Checkup, CheckupFormat};

/// Check the target: connection, token, rights, version, and what a run would meet; reads only
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// A roster, whose workspaces are looked at too; - for standard input
    #[arg(value_name = "ROSTER")]
    pub roster: Option<PathBuf>,

    /// Which Houston
    #[command(flatten)]
    pub target: TargetArgs,

    /// How the roster is read
    #[command(flatten)]
    pub roster_args: RosterArgs,

    /// How fast
    #[command(flatten)]
    pub pace: PaceArgs,

    /// How the result is written
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub format: CheckupFormat,
}

/// Looks at the target and prints what was found.
///
/// # Errors
/// Usage (2), or the roster cannot be read (3). What is wrong with the target is a status.
pub fn run(args: &DoctorArgs, global: &GlobalArgs) -> Result<ExitStatus, Failure> {
    let destination = Destination::new(&args.target, &args.pace)?;
    let roster = match &args.roster {
        Some(path) => Some(read_roster(path, &shown_name(path), &args.roster_args)?),
        None => None,
    };
    let reached = destination.reach(&args.target)?;
    if let Some(warning) = args.target.warning() {
        tell(&format!("warning: {warning}"));
    }
    if !global.quiet && std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        tell(&format!("asking {} ...", reached.target));
    }
    let facts = Asking::new(&reached, &args.target).facts(roster.as_ref());
    let Judged { checks, status, mut about } = verdicts::judge(&facts, SystemTime::now());
    let checkup = Checkup::new(&facts.url, status.code(), checks);
    let text = checkup.render(args.format).map_err(|error| Failure::new(ExitStatus::Internal, error))?;
    match args.format {
        CheckupFormat::Human => print(&text)?,
        CheckupFormat::Json => print_data(&text)?,
    }
    about.extend(roster.iter().flat_map(|roster| roster.issues().flags()));
    for note in global.origins.notes(&about) {
        tell(&format!("note: {}", printable(&note)));
    }
    Ok(status)
}
