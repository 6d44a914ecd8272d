//! `doctor`: looks at a target before anybody relies on it, and says what a run would meet. It
//! reads only, and it never waits for a Houston that is away longer than its repeats take.
//!
//! Main type: [`DoctorArgs`]. What is looked at is in [`crate::ops::doctor`].

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
    let destination = destination(&args.target, &args.pace)?;
    let roster = match &args.roster {
        Some(path) => Some(read_roster(path, &shown_name(path), &args.roster_args)?),
        None => None,
    };
    let notices = environment().notices;
    let reached = destination.reach(&notices)?;
    if reached.target.insecure {
        notices.give(&Notice::Insecure);
    }
    if !global.quiet && std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        tell(&format!("asking {} ...", reached.address));
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
