//! `doctor`: checks a target before a run depends on it. It only reads, and it waits for a Houston
//! that is down no longer than its retries take.
//!
//! Main type: [`DoctorArgs`]. The checks are in [`crate::ops::doctor`].

use std::path::PathBuf;

use clap::Args;

use super::roster_args::RosterArgs;
use super::target_args::{PaceArgs, TargetArgs, destination};
use super::validate::read_roster;
use super::{GlobalArgs, environment, print, print_data, tell};
use crate::model::printable;
use crate::ops::doctor::{Checked, check};
use crate::ops::failure::Failure;
use crate::ops::planning::roster::shown_name;
use crate::outcome::ExitStatus;
use crate::report::checkup::CheckupFormat;
use crate::report::notices::Notice;

/// Check the target: connection, token, rights and version; sends no changes
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// A roster whose workspaces to check as well; - for standard input
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

    /// Format of the result
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub format: CheckupFormat,
}

/// Checks the target and prints the verdicts.
///
/// # Errors
/// Usage (2), or the roster cannot be read (3). Problems of the target are in the exit status.
pub fn run(args: &DoctorArgs, global: &GlobalArgs) -> Result<ExitStatus, Failure> {
    let destination = destination(&args.target, &args.pace)?;
    let roster = match &args.roster {
        Some(path) => Some(read_roster(path, &shown_name(path), &args.roster_args)?),
        None => None,
    };
    let environment = environment();
    environment.signals().map_err(|error| Failure::new(ExitStatus::Internal, error))?;
    let notices = environment.notices;
    let reached = destination.reach(&notices)?;
    if reached.target.insecure {
        notices.give(&Notice::Insecure);
    }
    if !global.quiet && std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        tell(&format!("checking {} ...", reached.address));
    }
    let Checked { checkup, status, about } = check(&reached, roster.as_ref());
    let text = checkup.render(args.format).map_err(|error| Failure::new(ExitStatus::Internal, error))?;
    match args.format {
        CheckupFormat::Human => print(&text)?,
        CheckupFormat::Json => print_data(&text)?,
    }
    for note in global.origins.notes(&about) {
        tell(&format!("note: {}", printable(&note)));
    }
    Ok(status)
}
