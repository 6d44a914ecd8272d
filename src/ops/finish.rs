//! How a run ended, from its files alone: the exit status and the reports, the same for the command
//! that ran it and for one that reads it a year later.
//!
//! Main functions: [`open_run`], [`status`], [`write_reports`] and [`finish`].

use std::io;
use std::path::Path;

use anyhow::Context as _;
use csv::ByteRecord;
use serde::Deserialize as _;

use crate::event::{Event, RunEnd, StopReason};
use crate::model::LineNumbers;
use crate::ops::failure::Failure;
use crate::ops::notices::Notices;
use crate::outcome::ExitStatus;
use crate::outcome::{Status, StatusKind};
use crate::plan::Guard;
use crate::record::folder::{FindError, PLAN, ROSTER, RunFolder, find};
use crate::record::journal::{History, JournalError, digest_of};
use crate::record::undo;
use crate::report::csv_file::CsvForm;
use crate::report::notices::{HeldBack, Notice};
use crate::report::results::{ResultsError, renamed};
use crate::report::summary::Summary;
use crate::report::{Reporter, RosterAgain, shell_word, write_files, write_page};
use crate::roster::{Dialect, Row, rows_of};

/// The run that a user means.
///
/// # Errors
/// There is no such run, or more than one (2).
pub fn open_run(runs_dir: &Path, run: &str) -> Result<RunFolder, Failure> {
    find(runs_dir, run).map_err(|error| {
        let hint = match &error {
            FindError::NoFolder { .. } | FindError::NoRuns { .. } | FindError::Folder(_) => {
                "pass the folder of the runs with --runs-dir"
            }
            FindError::Unknown { .. } => "`report --list` shows the runs; --runs-dir names another folder",
            FindError::Ambiguous { .. } => "pass more of the id",
            FindError::LatestDistrusted { .. } => {
                "list the runs with `report --list`, then pass the id of the one you mean"
            }
            FindError::NotARun { .. } => "name a run by its id, the beginning of its id, or its folder",
        };
        Failure::new(ExitStatus::Usage, error).about(&["runs-dir"]).hint(hint)
    })
}

/// A run whose files make no sense (3), or cannot be read at all (1).
pub fn broken(folder: &RunFolder, error: JournalError) -> Failure {
    let again = || {
        let folder = folder.path().display();
        format!("apply the roster again; the copy in {folder} may not be complete")
    };
    let has_none =
        matches!(&error, JournalError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound);
    let hint = match &error {
        JournalError::NoHeader { .. } => again(),
        JournalError::Read { .. } if has_none => {
            format!("the run ended before it sent anything, or one of its files was removed: {}", again())
        }
        JournalError::Older { .. } => {
            "read it with the version of this program that wrote it, or apply its roster again".to_owned()
        }
        JournalError::Newer { .. } => "use the version that wrote it, or a later one".to_owned(),
        JournalError::Broken { .. } => {
            "restore the file, or apply the roster again (what Houston already has is not sent again)"
                .to_owned()
        }
        JournalError::Changed { .. } | JournalError::Incomplete { .. } => {
            "restore the file: the journal refers to rows by their position in it".to_owned()
        }
        JournalError::Read { source, .. }
            if matches!(source.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::PermissionDenied) =>
        {
            "the files of a run must be regular files that you own; check who owns the folder".to_owned()
        }
        JournalError::Folder(_) | JournalError::Write { .. } | JournalError::Read { .. } => {
            return Failure::new(ExitStatus::Internal, error);
        }
    };
    Failure::new(ExitStatus::BadInput, error).hint(hint)
}

/// Compares `plan.jsonl` with the digest in the journal.
///
/// # Errors
/// It was changed since, or cannot be read (3).
pub fn check_plan(folder: &RunFolder, history: &History) -> Result<(), Failure> {
    check(folder, PLAN, &history.header.plan_sha256)
}

/// Compares the copy of the roster with the digest in the journal.
///
/// # Errors
/// It was changed since, or cannot be read (3).
pub fn check_roster(folder: &RunFolder, history: &History) -> Result<(), Failure> {
    check(folder, ROSTER, &history.header.roster_sha256)
}

fn check(folder: &RunFolder, name: &str, digest: &str) -> Result<(), Failure> {
    match digest_of(folder, name) {
        Ok(found) if found == *digest => Ok(()),
        Ok(_) => Err(broken(folder, JournalError::Changed { path: folder.path().join(name) })),
        Err(error) => Err(broken(folder, error)),
    }
}

/// What a run ends with. Where several hold: a signal, the token, the target, rows that are left,
/// rows that a guard held back, rows that failed.
pub fn status(history: &History) -> ExitStatus {
    match history.stopped.as_ref().map(|(reason, _)| *reason) {
        Some(StopReason::Interrupted) => ExitStatus::Interrupted,
        Some(StopReason::Terminated) => ExitStatus::Terminated,
        Some(StopReason::TokenDead) => ExitStatus::Token,
        Some(StopReason::TargetUnusable) => ExitStatus::Target,
        Some(StopReason::JournalLost) => ExitStatus::Unresolved,
        Some(StopReason::MaxDuration | StopReason::MaxErrors | StopReason::MaxWait | StopReason::Away)
        | None => by_rows(history),
    }
}

/// How many changes of roles a guard held back.
fn held_back(history: &History) -> usize {
    history.rows().filter(|row| row.is_held_back()).count()
}

/// How many removals a guard held back.
fn removals_held_back(history: &History) -> usize {
    history.extras().iter().filter(|extra| extra.is_held_back()).count()
}

/// What guards held back, by workspace and guard.
fn held_by_guards(history: &History) -> Vec<HeldBack> {
    let mut held: Vec<HeldBack> = Vec::new();
    let rows = history.rows().map(|row| (row.end, 1, 0));
    let all = rows.chain(history.extras().iter().map(|extra| (extra, 0, 1)));
    for (row, roles, removals) in all.filter(|(row, ..)| row.is_held_back()) {
        let Some(guard) = row.cause.as_ref().and_then(|cause| Guard::of(&cause.code)) else { continue };
        let workspace = row.workspace.map(|at| history.workspaces[at as usize].to_string());
        match held.iter_mut().find(|held| held.workspace == workspace && held.guard == guard) {
            Some(held) => {
                held.roles += roles;
                held.removals += removals;
            }
            None => held.push(HeldBack { workspace, guard, roles, removals }),
        }
    }
    held
}

fn by_rows(history: &History) -> ExitStatus {
    let (rows, extras) = (history.tally(), history.tally_of_extras());
    let of = |kind| rows.of_kind(kind) + extras.of_kind(kind);
    let left_out = history.rows().filter(|row| row.status == Status::NotRun && row.is_left_out()).count();
    let left = of(StatusKind::Unresolved) + of(StatusKind::NotTried) - left_out as u64;
    if left > 0 {
        ExitStatus::Unresolved
    } else if held_back(history) + removals_held_back(history) > 0 {
        ExitStatus::Guard
    } else if of(StatusKind::Failed) > 0 {
        ExitStatus::RowsFailed
    } else {
        let changed = of(StatusKind::Changed) > 0;
        ExitStatus::good(changed, history.header.settings.exit_code_unchanged)
    }
}

/// The copy of the roster in a run's folder, with what is needed to read it: the input itself may
/// have moved.
#[derive(Debug)]
pub struct RosterCopy {
    dialect: Dialect,
    header: ByteRecord,
    /// The lines of the rows of a shard; none if the run has all of them.
    lines: Option<LineNumbers>,
}

impl RosterCopy {
    /// Takes from the journal how the roster is read.
    ///
    /// # Errors
    /// If the journal does not say so.
    pub fn of(history: &History) -> anyhow::Result<Self> {
        let dialect = Dialect::deserialize(&history.header.dialect)
            .context("the journal does not say how to read the roster of the run")?;
        let header = ByteRecord::from(dialect.headers.clone());
        let lines = history.header.settings.shard.map(|_| history.rows().map(|row| row.line).collect());
        Ok(Self { dialect, header, lines })
    }

    /// The rows of the run from the beginning.
    ///
    /// # Errors
    /// If the copy cannot be opened; a row that cannot be read is an error at its position.
    pub fn read(
        &self,
        folder: &RunFolder,
    ) -> anyhow::Result<RosterAgain<'_, impl Iterator<Item = io::Result<ByteRecord>> + use<>>> {
        let unreadable = || format!("cannot read {}", folder.roster().display());
        let file = folder.read(ROSTER).with_context(unreadable)?;
        let rows = rows_of(file, &self.dialect).with_context(unreadable)?;
        Ok(RosterAgain {
            header: &self.header,
            form: CsvForm::of(&self.dialect),
            columns: self.dialect.columns,
            rows: rows.filter(self.is_meant()).map(|row| row.map(|row| row.record)),
        })
    }

    /// The physical lines of all rows of the file, also of those that are not the run's.
    ///
    /// # Errors
    /// If the copy cannot be read.
    pub fn lines(&self, folder: &RunFolder) -> anyhow::Result<LineNumbers> {
        let unreadable = || format!("cannot read {}", folder.roster().display());
        let file = folder.read(ROSTER).with_context(unreadable)?;
        let rows = rows_of(file, &self.dialect).with_context(unreadable)?;
        rows.map(|row| Ok(row.with_context(unreadable)?.line)).collect()
    }

    /// Whether a row of the file is one of the run's; asked in the order of the file.
    fn is_meant(&self) -> impl FnMut(&io::Result<Row>) -> bool + use<> {
        let mut own = self.lines.clone().map(|lines| lines.into_iter().peekable());
        move |row| match (row, &mut own) {
            (Ok(row), Some(own)) => own.next_if_eq(&row.line).is_some(),
            (Ok(_), None) | (Err(_), _) => true,
        }
    }
}

/// Writes the reports of a run from the files in its folder. `status` is what the program ends
/// with, if the run is over.
///
/// # Errors
/// If they cannot be written, with `status`, or internal (1) where that would be a success.
pub fn write_reports(
    folder: &RunFolder,
    history: &History,
    status: Option<ExitStatus>,
) -> Result<Summary, Failure> {
    let written = || -> anyhow::Result<Summary> {
        let copy = RosterCopy::of(history)?;
        let summary = Summary::new(history, folder.path(), status.map(ExitStatus::code));
        let summary = summary.beside_last_run(folder, &history.header);
        let summary = write_files(folder, history, folder, summary, copy.read(folder)?)?;
        undo::write(folder, history, folder)?;
        let again = || copy.read(folder).map_err(|error| ResultsError::Roster(error.into()));
        write_page(folder, folder, history, &summary, again)?;
        Ok(summary)
    };
    written().map_err(|error| {
        let bad = status.filter(|status| !matches!(status, ExitStatus::Done | ExitStatus::Unchanged(_)));
        Failure::new(bad.unwrap_or(ExitStatus::Internal), error.context("the reports cannot be written"))
            .hint(format!(
                "nothing is lost: the journal has the whole run. Once there is room, `houston-onboard report {}` writes the reports",
                shell_word(folder.path())
            ))
    })
}

/// Gives notice of our columns that have another name in `results.csv`, if any have.
pub fn warn_of_renamed(history: &History, notices: &Notices) {
    let renamed = RosterCopy::of(history).map(|copy| renamed(&copy.header)).unwrap_or_default();
    if !renamed.is_empty() {
        notices.give(&Notice::RenamedColumns(&renamed));
    }
}

/// A run that has ended, with its reports written.
pub struct Finished {
    /// What the program ends with.
    pub status: ExitStatus,
    /// What the run came to.
    pub summary: Summary,
}

/// Writes the reports of a run that has just ended.
///
/// # Errors
/// Its files cannot be read (8, 1), or the reports not be written.
pub fn finish(
    folder: &RunFolder,
    end: &RunEnd,
    notices: &Notices,
    progress: &mut dyn Reporter,
) -> Result<Finished, Failure> {
    progress.event(&Event::ReportsBegin);
    let mut history = History::read(folder).map_err(|error| unreadable(error, end))?;
    history.ended(end);
    let status = status(&history);
    let summary = write_reports(folder, &history, Some(status))?;
    progress.event(&Event::ReportsWritten { folder: folder.path() });
    warn_of_renamed(&history, notices);
    let held = held_by_guards(&history);
    if !held.is_empty() {
        notices.give(&Notice::HeldBack(&held));
    }
    Ok(Finished { status, summary })
}

/// The files of a run cannot be read at its end. Then only this process knows what was sent.
fn unreadable(error: JournalError, end: &RunEnd) -> Failure {
    let is_lost = matches!(end.stopped, Some((StopReason::JournalLost, _)));
    let status = if is_lost { ExitStatus::Unresolved } else { ExitStatus::Internal };
    let changed = end.tally.of_kind(StatusKind::Changed);
    let words = match end.tally.requests {
        0 => "nothing was sent".to_owned(),
        _ => format!("{changed} changes were confirmed before the run stopped; there is no report of them"),
    };
    Failure::new(status, anyhow::Error::new(error).context(words))
        .hint("apply the roster again: what Houston already has is not sent twice")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Cause, Code};
    use crate::report::fixture::Fixture;

    fn ended(ends: &[Status], stopped: Option<StopReason>) -> History {
        let ends: Vec<_> = ends.iter().map(|&status| (status, None)).collect();
        Fixture::with(&ends, stopped.map(|reason| (reason, None))).history.clone()
    }

    #[test]
    fn the_status_of_a_run_is_told_by_its_files() {
        use Status::{Added, GaveUp, InDoubt, Invalid, NotRun, Rejected, RoleKept, Unchanged};
        use StopReason::{
            Away, Interrupted, JournalLost, MaxDuration, MaxErrors, MaxWait, TargetUnusable, Terminated,
            TokenDead,
        };
        let table: [(&[Status], Option<StopReason>, u8); 16] = [
            (&[], None, 0),
            (&[Added, Unchanged, RoleKept], None, 0),
            (&[Added, Rejected], None, 6),
            (&[Added, Invalid], None, 6),
            (&[Added, GaveUp, Rejected], None, 8),
            (&[InDoubt], None, 8),
            (&[NotRun], None, 8),
            (&[Added], Some(MaxDuration), 0),
            (&[Added, NotRun], Some(MaxErrors), 8),
            (&[Rejected], Some(MaxWait), 6),
            (&[Added, NotRun], Some(Away), 8),
            (&[Added], Some(JournalLost), 8),
            (&[Added, GaveUp], Some(TargetUnusable), 5),
            (&[Added, GaveUp], Some(TokenDead), 4),
            (&[GaveUp], Some(Terminated), 143),
            (&[Added], Some(Interrupted), 130),
        ];
        for (ends, stopped, code) in table {
            assert_eq!(status(&ended(ends, stopped)).code(), code, "{ends:?} {stopped:?}");
        }
    }

    #[test]
    fn a_row_that_a_guard_held_back_ends_the_run_with_7_unless_there_is_worse() {
        use crate::model::Level::{Admin, Viewer};
        use crate::model::Scope;
        use crate::plan::{Action, Guard, Holder, Reason};
        let action = Action::SetRole { from: Admin, to: Viewer, holder: Holder::Member };
        let (_, held) = Reason::HeldBack(Guard::LastAdmin, action).end(Scope::Workspace, None);
        for (other, stopped, code) in [
            (Status::RoleUpdated, None, 7),
            (Status::Rejected, None, 7),
            (Status::GaveUp, None, 8),
            (Status::RoleUpdated, Some(StopReason::TokenDead), 4),
        ] {
            let ends = [(Status::RoleKept, held.clone()), (other, None)];
            let fixture = Fixture::with(&ends, stopped.map(|reason| (reason, None)));
            assert_eq!(status(&fixture.history).code(), code, "{other} {stopped:?}");
        }
    }

    #[test]
    fn rows_that_were_not_chosen_leave_nothing_to_do() {
        let left_out = Some(Cause::new(Code::LeftOut, "excluded by --only or --limit"));
        let fixture = Fixture::with(&[(Status::Added, None), (Status::NotRun, left_out)], None);
        assert_eq!(status(&fixture.history), ExitStatus::Done);
    }

    #[test]
    fn another_status_for_nothing_to_do_is_remembered() {
        for (ends, code) in [
            (&[Status::Unchanged][..], 99),
            (&[Status::Unchanged, Status::Added], 0),
            (&[Status::Unchanged, Status::Rejected], 6),
        ] {
            let mut history = ended(ends, None);
            history.header.settings.exit_code_unchanged = Some(99);
            assert_eq!(status(&history).code(), code, "{ends:?}");
        }
    }

    #[test]
    fn a_journal_from_before_these_settings_can_be_read() {
        let settings: crate::record::journal::RunSettings =
            serde_json::from_str(r#"{"send_invites":true,"canary":3}"#).expect("readable");
        assert_eq!((settings.exit_code_unchanged, settings.bypass_local), (None, false));
    }

    #[test]
    fn reports_need_to_know_how_the_roster_is_read() {
        let fixture = Fixture::new();
        let error = RosterCopy::of(&fixture.history).expect_err("the fixture does not say so");
        assert!(error.to_string().contains("how to read the roster of the run"), "{error}");
        for (given, ends_with) in
            [(ExitStatus::Done, 1), (ExitStatus::Unchanged(99), 1), (ExitStatus::Token, 4)]
        {
            let failure =
                write_reports(&fixture.folder, &fixture.history, Some(given)).expect_err("not writable");
            assert_eq!(failure.status.code(), ends_with);
        }
    }
}
