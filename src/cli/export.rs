//! `export`: writes the members and pending invitations of workspaces in a form that `plan` and
//! `apply` read.
//!
//! Main type: [`ExportArgs`]. The work is done in [`crate::ops::export`].

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use super::output_files::refuse_same_file;
use super::target_args::{PaceArgs, TargetArgs, destination};
use super::voice::{LogFormat, screen};
use super::{GlobalArgs, data_out, environment, tell};
use crate::event::StopReason;
use crate::ops::export::{Export, Stop, unwritten};
use crate::ops::failure::Failure;
use crate::ops::session::{Access, Session};
use crate::outcome::ExitStatus;
use crate::report::atomic::Draft;
use crate::report::escape::DataSink;
use crate::report::export::ExportFormat;
use crate::report::terminal::{Progress, ProgressMode};

/// Write the members and pending invitations of the workspaces as a roster
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// Which Houston
    #[command(flatten)]
    pub target: TargetArgs,

    /// Only workspaces whose id or label matches; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub workspace: Vec<String>,

    /// Format of the export
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub format: ExportFormat,

    /// The file to write [default: standard output]
    ///
    /// An existing file is replaced only when the export is complete.
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,

    /// How fast
    #[command(flatten)]
    pub pace: PaceArgs,
}

/// Writes the export.
///
/// # Errors
/// Usage (2), the token (4) or the target (5) cannot be used, or the export cannot be written (1).
pub fn run(args: &ExportArgs, global: &GlobalArgs) -> Result<ExitStatus, Failure> {
    let read = [args.target.flags.read_files(), global.read_files()].concat();
    refuse_same_file(&read, &[("--output", args.output.as_deref())])?;
    let destination = destination(&args.target, &args.pace)?.with_token()?;
    let environment = environment();
    let signals = environment.signals().map_err(|error| Failure::new(ExitStatus::Internal, error))?;
    let output = Output::open(args.output.as_deref()).map_err(unwritten)?;
    let session = Session::open(destination, Access::ReadOnly, &environment)?;
    let export = Export::of(&args.workspace, &session, &signals)?;
    let (output, summary) = match export.write(output, args.format, &mut progress(args, global)) {
        Ok(written) => written,
        Err(Stop::Gone) => return Ok(ExitStatus::Done),
        Err(Stop::Signal(reason)) => {
            tell(&format!("{reason}: the export is not complete"));
            return Ok(signalled(reason));
        }
        Err(Stop::Failed(failure)) => return Err(failure),
    };
    output.commit()?;
    summary.warnings(args.format).iter().for_each(|warning| tell(warning));
    if !global.quiet {
        tell(&summary.closing());
    }
    Ok(summary.status())
}

/// The exit status after a signal.
fn signalled(reason: StopReason) -> ExitStatus {
    if reason == StopReason::Interrupted { ExitStatus::Interrupted } else { ExitStatus::Terminated }
}

/// No progress bar if the rows go to the same terminal.
fn progress(args: &ExportArgs, global: &GlobalArgs) -> Progress {
    let shares = args.output.is_none() && io::stdout().is_terminal();
    let mode = match global.progress {
        _ if global.quiet => ProgressMode::None,
        ProgressMode::Auto if shares => ProgressMode::None,
        mode @ (ProgressMode::Auto | ProgressMode::Bar | ProgressMode::Plain | ProgressMode::None) => mode,
    };
    match global.log_format {
        LogFormat::Text => Progress::on_stderr(mode, &screen(), Instant::now),
        LogFormat::Json if mode == ProgressMode::None => Progress::silent(),
        LogFormat::Json => Progress::json(Box::new(io::stderr()), Instant::now),
    }
}

/// Where an export is written.
enum Output {
    Stdout(BufWriter<DataSink<io::Stdout>>),
    File(BufWriter<Draft>),
}

impl Output {
    fn open(path: Option<&Path>) -> anyhow::Result<Self> {
        Ok(match path {
            None => Self::Stdout(BufWriter::new(data_out())),
            Some(path) => Self::File(BufWriter::new(Draft::output(path)?)),
        })
    }

    fn as_write(&mut self) -> &mut dyn Write {
        match self {
            Self::Stdout(out) => out,
            Self::File(out) => out,
        }
    }

    /// Completes the export: a file gets its name.
    fn commit(self) -> Result<(), Failure> {
        match self {
            Self::Stdout(mut out) => out.flush().map_err(unwritten),
            Self::File(out) => {
                let draft = out.into_inner().map_err(|error| unwritten(error.into_error()))?;
                draft.commit().map_err(unwritten)
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.as_write().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.as_write().flush()
    }
}
