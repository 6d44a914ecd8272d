//! `validate`: checks a roster offline and lists every problem in it.
//!
//! Main function: [`run`]. Never touches Houston.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;

use super::roster_args::RosterArgs;
use super::{GlobalArgs, UNWRITTEN, data_out, environment, style, tell, tell_in_colour, unless_gone};
use crate::model::printable;
use crate::ops::failure::Failure;
use crate::ops::planning::roster::{shown_name, warn_of_unused};
use crate::outcome::ExitStatus;
use crate::report::validate::{ValidateFormat, status, write};
use crate::roster::Roster;

/// Check a roster offline and list every problem with its line and column
#[derive(Debug, Clone, Args)]
pub struct ValidateArgs {
    /// The roster, a CSV file, or - for standard input
    #[arg(value_name = "ROSTER")]
    pub roster: PathBuf,

    /// Format of the result
    #[arg(long, value_enum, default_value_t)]
    pub format: ValidateFormat,

    /// How the roster is read
    #[command(flatten)]
    pub settings: RosterArgs,
}

/// Checks the roster and prints the result.
///
/// # Errors
/// The roster cannot be read, or the result cannot be written. A closed pipe is not an error.
pub fn run(args: &ValidateArgs, global: &GlobalArgs) -> Result<ExitStatus, Failure> {
    let name = shown_name(&args.roster);
    let roster = read_roster(&args.roster, &name, &args.settings)?;
    warn_of_unused(&roster, &environment().notices);
    let (mut out, mut problems) = (io::BufWriter::new(data_out()), Vec::new());
    let is_silent =
        global.quiet && args.format == ValidateFormat::Human && status(&roster) == ExitStatus::Done;
    let mut nowhere = io::sink();
    let mut shown: &mut dyn Write = if is_silent { &mut nowhere } else { &mut out };
    let written = write(&roster, &name, args.format, style(), &mut shown, &mut problems);
    if !problems.is_empty() {
        tell_in_colour(String::from_utf8_lossy(&problems).trim_end());
    }
    for note in global.origins.notes(&roster.issues().flags()) {
        tell(&format!("note: {}", printable(&note)));
    }
    unless_gone(written.and_then(|()| out.flush())).context(UNWRITTEN)?;
    Ok(status(&roster))
}

/// Reads a roster with these flags.
///
/// # Errors
/// A flag is invalid (2) or the file cannot be read (3). The roster holds the problems in the file.
pub(super) fn read_roster(path: &Path, name: &str, args: &RosterArgs) -> Result<Roster, Failure> {
    let settings = args.settings()?;
    Ok(Roster::read(path, name, &settings)?)
}
