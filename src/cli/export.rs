//! `export`: writes who is in the workspaces, and who is invited, in a form that `plan` and `apply`
//! read. It reads only, and it takes no lock.
//!
//! Main function: [`run`]. One workspace at a time is written; nobody is passed over in silence.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use super::target_args::{PaceArgs, TargetArgs};
use super::{GlobalArgs, data_out, tell};
use crate::event::{Event, StopReason};
use crate::houston::{Fault, Listing, Workspace};
use crate::model::printable;
use crate::ops::export::told::Told;
use crate::ops::failure::Failure;
use crate::ops::planning::unreadable;
use crate::ops::planning::workspaces::list_workspaces;
use crate::ops::session::{Access, Destination, Session, unusable};
use crate::ops::signals::Signals;
use crate::outcome::ExitStatus;
use crate::present::everybody;
use crate::present::in_order::{Step, in_order};
use crate::present::members::InvitesSeen;
use crate::present::names::Likeness;
use crate::present::resolve::{Resolution, resolve};
use crate::report::atomic::Draft;
use crate::report::escape::DataSink;
use crate::report::export::{Entry, ExportFormat, ExportWriter, Exported, Source};
use crate::report::terminal::{Progress, ProgressMode};
use crate::roster::Glob;

/// Write who is in the workspaces, and who is invited, as a roster
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    /// Which Houston
    #[command(flatten)]
    pub target: TargetArgs,

    /// Only these workspaces: an id or a label, `*` stands for any text; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub workspace: Vec<String>,

    /// How the export is written
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub format: ExportFormat,

    /// The file to write, whole or not at all; standard output if none is named
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
    let destination = Destination::new(&args.target, &args.pace)?;
    let destination = destination.with_token(&args.target)?;
    let signals = Signals::listen().map_err(|error| Failure::new(ExitStatus::Internal, error))?;
    let output = Output::open(args.output.as_deref()).map_err(unwritten)?;
    let session = Session::open(destination, &args.target, Access::ReadOnly)?;
    let source = Source {
        target: session.url.clone(),
        houston_version: session.version(),
        exported_at: jiff::Timestamp::now(),
    };
    let listing = list_workspaces(&session)?;
    let workspaces = choose(&args.workspace, listing, &session)?;
    let mut told = Told::default();
    signals.writing_begins();
    let export = Export { args, workspaces: &workspaces, session: &session, signals: &signals };
    match export.write(output, &source, &mut progress(args, global), &mut told) {
        Ok(()) => {}
        Err(Stop::Gone) => return Ok(ExitStatus::Done),
        Err(Stop::Signal(reason)) => {
            tell(&format!("{reason}: the export is not complete"));
            return Ok(signalled(reason));
        }
        Err(Stop::Failed(failure)) => return Err(failure),
    }
    told.tell(args, global, &workspaces);
    Ok(told.status())
}

fn unwritten(error: impl Into<anyhow::Error>) -> Failure {
    Failure::new(ExitStatus::Internal, error.into().context("the export cannot be written"))
}

/// The workspaces to export, by label and id, so that two exports can be compared.
fn choose(patterns: &[String], listing: Listing, session: &Session) -> Result<Vec<Workspace>, Failure> {
    let mut chosen = Vec::new();
    for pattern in patterns {
        let glob = Glob::new(pattern);
        let fits = |workspace: &&Workspace| {
            glob.matches(workspace.id.as_str())
                || workspace.label.as_deref().is_some_and(|label| glob.matches(label.trim()))
        };
        let found: Vec<Workspace> = listing.workspaces.iter().filter(fits).cloned().collect();
        chosen.extend(if found.is_empty() { vec![unlisted(pattern, &listing, session)?] } else { found });
    }
    let mut workspaces = if patterns.is_empty() { listing.workspaces } else { chosen };
    workspaces.sort_by(|a, b| (&a.label, &a.id).cmp(&(&b.label, &b.id)));
    workspaces.dedup_by(|a, b| a.id == b.id);
    Ok(workspaces)
}

/// A workspace that is not in the listing: an id that is not among the caller's own may still be one
/// that they can see.
fn unlisted(pattern: &str, listing: &Listing, session: &Session) -> Result<Workspace, Failure> {
    let resolution = resolve(listing, [pattern]).pop();
    if let Some(Resolution::Invisible(id)) = &resolution {
        match session.houston.workspace(id).map_err(|failure| failure.fault) {
            Ok(Some(workspace)) => return Ok(workspace),
            Ok(None) | Err(Fault::Denied { .. } | Fault::Rejected { .. }) => {}
            Err(fault) => return Err(unusable(&fault, &session.url)),
        }
    }
    let error = anyhow::anyhow!("--workspace `{pattern}` fits no workspace that the token sees");
    let failure = Failure::new(ExitStatus::Usage, error).about(&["workspace"]);
    let hint = match &resolution {
        Some(Resolution::Unknown { near: Likeness::Several(_) }) => {
            Some("give --workspace once for each of them".to_owned())
        }
        Some(Resolution::Unknown { near }) => near.hint(),
        Some(Resolution::Found(_) | Resolution::Ambiguous { .. } | Resolution::Invisible(_)) | None => None,
    };
    let letters = "an id or a label, letter by letter: `*` stands for any text, `?` for one character";
    Err(failure.hint(hint.unwrap_or_else(|| letters.to_owned())))
}

/// Why an export did not come to its end.
enum Stop {
    /// Nobody reads it any more.
    Gone,
    /// Somebody wants it to end.
    Signal(StopReason),
    Failed(Failure),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Gone } else { Self::Failed(unwritten(error)) }
    }
}

/// What a stop by a signal ends with.
fn signalled(reason: StopReason) -> ExitStatus {
    if reason == StopReason::Interrupted { ExitStatus::Interrupted } else { ExitStatus::Terminated }
}

/// An export that goes on.
struct Export<'e> {
    args: &'e ExportArgs,
    workspaces: &'e [Workspace],
    session: &'e Session,
    signals: &'e Signals,
}

impl Export<'_> {
    /// Reads the workspaces and writes them, in order.
    fn write(
        &self,
        output: Output,
        source: &Source,
        progress: &mut Progress,
        told: &mut Told,
    ) -> Result<(), Stop> {
        let Self { workspaces, session, .. } = *self;
        let mut writer = ExportWriter::begin(output, self.args.format, source)?;
        let total = workspaces.len() as u64;
        session.show(&Event::ReadingStarted { workspaces: total }, progress);
        let mut given = 0;
        let mut stop = None;
        in_order(
            &session.pool,
            workspaces.len(),
            |place| self.read(place),
            |step| {
                let put = match step {
                    Step::Tick => {
                        session.show(&session.tick(), progress);
                        Ok(())
                    }
                    Step::Next(reading) => {
                        let put = exported(&workspaces[given], reading, session, told)
                            .map_err(Stop::Failed)
                            .and_then(|exported| Ok(writer.put(&exported)?));
                        given += 1;
                        let done = given as u64;
                        session.show(&Event::WorkspaceRead { done, workspaces: total }, progress);
                        put
                    }
                };
                // A signal cuts the waits of the readers short, who then have nothing to show for it.
                stop = self.signals.stop().map(Stop::Signal).or(put.err());
                if stop.is_none() {
                    return ControlFlow::Continue(());
                }
                session.cancel.pull();
                ControlFlow::Break(())
            },
        );
        session.show(&Event::ReadingFinished, progress);
        match stop {
            Some(stop) => Err(stop),
            None => Ok(writer.finish()?.commit().map_err(Stop::Failed)?),
        }
    }

    fn read(&self, place: usize) -> Reading {
        let Session { houston, pages, cancel, .. } = self.session;
        if cancel.is_pulled() {
            return Err(Fault::cancelled());
        }
        let everybody = everybody::read(houston, &self.workspaces[place].id, pages)?;
        Ok((everybody.invites_seen, crate::ops::export::people::entries(everybody)))
    }
}

/// What a workspace turned out to have.
type Reading = Result<(InvitesSeen, Vec<Entry>), Fault>;

/// Bars and rows do not go well together on one terminal.
fn progress(args: &ExportArgs, global: &GlobalArgs) -> Progress {
    let shares = args.output.is_none() && io::stdout().is_terminal();
    let mode = match global.progress {
        _ if global.quiet => ProgressMode::None,
        ProgressMode::Auto if shares => ProgressMode::None,
        mode @ (ProgressMode::Auto | ProgressMode::Bar | ProgressMode::Plain | ProgressMode::None) => mode,
    };
    Progress::on_stderr(mode, Instant::now)
}

/// What is written of a workspace.
fn exported(
    workspace: &Workspace,
    reading: Reading,
    session: &Session,
    told: &mut Told,
) -> Result<Exported, Failure> {
    let (id, label) = (workspace.id.clone(), workspace.label.clone());
    Ok(match reading {
        Ok((invites, members)) => {
            told.count(workspace, invites, &members);
            let invitations_read = invites == InvitesSeen::Yes;
            Exported { id, label, complete: true, invitations_read, error: None, members }
        }
        Err(fault) => {
            let (status, cause) = unreadable(&fault, session)?;
            let error = Some(cause.as_ref().clone());
            told.unreadable.push((name_of(workspace), status, cause));
            Exported { id, label, complete: false, invitations_read: false, error, members: Vec::new() }
        }
    })
}

pub(crate) fn name_of(workspace: &Workspace) -> String {
    match &workspace.label {
        Some(label) => printable(&format!("{label} ({})", workspace.id)).into_owned(),
        None => printable(workspace.id.as_str()).into_owned(),
    }
}

/// What an export is written to.
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

    /// All of it was written: a file gets its name.
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
