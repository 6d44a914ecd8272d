//! `export`: reads who is in the workspaces, and who is invited, and writes it as it comes. It takes
//! no lock.
//!
//! Main type: [`Export`]. One workspace at a time is written; no one is left out silently.

pub mod people;

use std::io::{self, Write};
use std::ops::ControlFlow;

use super::failure::Failure;
use super::planning::unreadable;
use super::planning::workspaces::list_workspaces;
use super::session::{Session, unusable};
use super::signals::Signals;
use crate::event::{Event, StopReason};
use crate::houston::{Fault, Listing, Workspace};
use crate::outcome::ExitStatus;
use crate::present::everybody;
use crate::present::in_order::{Step, in_order};
use crate::present::members::InvitesSeen;
use crate::present::names::Likeness;
use crate::present::resolve::{Resolution, resolve};
use crate::report::Reporter;
use crate::report::export::{Entry, ExportFormat, ExportSummary, ExportWriter, Exported, Source};
use crate::roster::Glob;

/// An export about to begin.
pub struct Export<'e> {
    session: &'e Session,
    signals: &'e Signals,
    workspaces: Vec<Workspace>,
    source: Source,
}

/// Why an export did not come to its end.
pub enum Stop {
    /// Its reader is gone.
    Gone,
    /// A signal ends it.
    Signal(StopReason),
    /// It cannot be read or written.
    Failed(Failure),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Gone } else { Self::Failed(unwritten(error)) }
    }
}

/// The export cannot be written.
pub fn unwritten(error: impl Into<anyhow::Error>) -> Failure {
    Failure::new(ExitStatus::Internal, error.into().context("the export cannot be written"))
}

impl<'e> Export<'e> {
    /// Finds the workspaces: those that the patterns name, or all.
    ///
    /// # Errors
    /// They cannot be listed (5, 4), or a pattern fits none (2).
    pub fn of(patterns: &[String], session: &'e Session, signals: &'e Signals) -> Result<Self, Failure> {
        let source = Source {
            target: session.url.clone(),
            houston_version: session.version(),
            exported_at: jiff::Timestamp::now(),
        };
        let workspaces = choose(patterns, list_workspaces(session)?, session)?;
        Ok(Self { session, signals, workspaces, source })
    }

    /// Reads the workspaces and writes them to `out`, in order.
    ///
    /// # Errors
    /// As [`Stop`].
    pub fn write<W: Write>(
        &self,
        out: W,
        format: ExportFormat,
        progress: &mut dyn Reporter,
    ) -> Result<(W, ExportSummary), Stop> {
        let Self { session, signals, workspaces, source } = self;
        signals.writing_begins();
        let mut summary = ExportSummary::default();
        let mut writer = ExportWriter::begin(out, format, source)?;
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
                        let put = exported(&workspaces[given], reading, session, &mut summary)
                            .map_err(Stop::Failed)
                            .and_then(|exported| Ok(writer.put(&exported)?));
                        given += 1;
                        let done = given as u64;
                        session.show(&Event::WorkspaceRead { done, workspaces: total }, progress);
                        put
                    }
                };
                // A signal cuts the waits of the readers short, who then have nothing to show for it.
                stop = signals.stop().map(Stop::Signal).or(put.err());
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
            None => Ok((writer.finish()?, summary)),
        }
    }

    fn read(&self, place: usize) -> Reading {
        let Session { houston, pages, cancel, .. } = self.session;
        if cancel.is_pulled() {
            return Err(Fault::cancelled());
        }
        let everybody = everybody::read(houston, &self.workspaces[place].id, pages)?;
        Ok((everybody.invites_seen, people::entries(everybody)))
    }
}

/// What a workspace turned out to have.
type Reading = Result<(InvitesSeen, Vec<Entry>), Fault>;

/// What is written of a workspace.
fn exported(
    workspace: &Workspace,
    reading: Reading,
    session: &Session,
    summary: &mut ExportSummary,
) -> Result<Exported, Failure> {
    let (id, label) = (workspace.id.clone(), workspace.label.clone());
    Ok(match reading {
        Ok((invites, members)) => {
            let invitations_read = invites == InvitesSeen::Yes;
            let exported = Exported { id, label, complete: true, invitations_read, error: None, members };
            summary.count(&exported);
            exported
        }
        Err(fault) => {
            let (status, cause) = unreadable(&fault, session)?;
            let (error, members) = (Some(cause.as_ref().clone()), Vec::new());
            let exported = Exported { id, label, complete: false, invitations_read: false, error, members };
            summary.count_unreadable(&exported, status);
            exported
        }
    })
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
    let error = anyhow::anyhow!("--workspace `{pattern}` matches no workspace that the token sees");
    let failure = Failure::new(ExitStatus::Usage, error).about(&["workspace"]);
    let hint = match &resolution {
        Some(Resolution::Unknown { near: Likeness::Several(_) }) => {
            Some("pass --workspace once for each of them".to_owned())
        }
        Some(Resolution::Unknown { near }) => near.hint(),
        Some(Resolution::Found(_) | Resolution::Ambiguous { .. } | Resolution::Invisible(_)) | None => None,
    };
    let letters = "pass an exact id or label; `*` matches any text, `?` one character";
    Err(failure.hint(hint.unwrap_or_else(|| letters.to_owned())))
}
