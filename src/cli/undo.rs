//! `undo.json`: a saved plan that takes back everything a run really changed, its additions too. It is
//! made from the run's own files, so that `report` can make it again.
//!
//! Main function: [`write()`].

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, BufWriter};

use crate::engine::journal::{
    History, JournalError, PlanLine, PlannedAction, RunSettings, Undoing, Undone, plan_lines,
};
use crate::engine::run_folder::RunFolder;
use crate::engine::saved_plan::{SCHEMA_VERSION, SavedPlan};
use crate::model::RowNumber;
use crate::plan::RolePolicy;
use crate::report::atomic::Draft;
use crate::roster::Settings;

/// The name of the file.
pub const UNDO: &str = "undo.json";

/// Writes the plan; it is empty where nothing was changed.
///
/// # Errors
/// If the run's plan cannot be read, or the file not be written.
pub fn write(folder: &RunFolder, history: &History) -> anyhow::Result<()> {
    let (mut roster_text, mut rows) = ("email,role,workspace\n".to_owned(), 0);
    let settings = &history.header.settings;
    let is_additive = settings.prune.is_none() && settings.roles == RolePolicy::Keep;
    let lines_of_run = if is_additive { None } else { Some(undone(folder, history)?) };
    for line in lines_of_run.into_iter().flatten() {
        let (line, undoing) = line?;
        if let (Undoing::PutBack, Some(role), Some(workspace)) = (undoing, line.from_role, &line.workspace) {
            writeln!(roster_text, "{},{role},{}", quoted(&line.email), quoted(workspace.as_str()))?;
            rows += 1;
        }
    }
    let header = &history.header;
    let plan = SavedPlan {
        schema_version: SCHEMA_VERSION,
        made_at: history.finished_at().unwrap_or(header.started_at),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        target: header.target.clone(),
        sandbox: header.sandbox,
        houston_version: header.houston_version.clone(),
        caller: header.caller.clone(),
        settings: RunSettings {
            send_invites: header.settings.send_invites,
            bypass_local: header.settings.bypass_local,
            roles: RolePolicy::Update,
            prune: Some(header.settings.prune.clone().unwrap_or_default()),
            ..RunSettings::default()
        },
        undo_of: Some(header.run.clone()),
        roster: format!("undo of {}", header.run),
        roster_text,
        reading: serde_json::to_value(Settings { may_be_empty: true, ..Settings::default() })?,
        rows: Vec::new(),
    };
    let mut file = BufWriter::new(Draft::open(&folder.path().join(UNDO))?);
    plan.write_with(lines(folder, history, rows)?, &mut file)?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?.commit()?;
    Ok(())
}

/// The lines of a run's plan that it has carried out, and how they are taken back.
fn undone<'h>(
    folder: &RunFolder,
    history: &'h History,
) -> Result<impl Iterator<Item = Result<(PlanLine, Undoing), JournalError>> + use<'h>, JournalError> {
    let mut undone = Undone::default();
    Ok(plan_lines(folder)?.filter_map(move |line| match line {
        Ok(line) => undone.of(&line, history).map(|undoing| Ok((line, undoing))),
        Err(error) => Some(Err(error)),
    }))
}

/// The rows of the plan: first those who are put back, then those who are taken away.
fn lines<'h>(
    folder: &RunFolder,
    history: &'h History,
    rows: usize,
) -> Result<impl Iterator<Item = io::Result<Cow<'h, PlanLine>>> + use<'h>, JournalError> {
    let of = |wanted: Undoing| {
        let lines = undone(folder, history)?;
        Ok::<_, JournalError>(
            lines.filter(move |line| line.as_ref().map_or(true, |(_, undoing)| *undoing == wanted)),
        )
    };
    let come = if rows > 0 { Some(of(Undoing::PutBack)?) } else { None };
    let put_back = (0..).zip(come.into_iter().flatten()).map(|(place, line)| Ok(put_back(line?.0, place)));
    let taken = (rows..).zip(of(Undoing::TakenAway)?).map(|(place, line)| Ok(taken_away(line?.0, place)));
    let failed = |error: JournalError| io::Error::other(error);
    Ok(put_back
        .chain(taken)
        .map(move |line: Result<PlanLine, JournalError>| line.map(Cow::Owned).map_err(failed)))
}

/// A row of the roster: somebody who was removed, or whose role was changed.
fn put_back(line: PlanLine, place: usize) -> PlanLine {
    let removed = line.action == PlannedAction::Remove;
    PlanLine {
        row: RowNumber::from_index(place),
        line: u32::try_from(place + 2).unwrap_or(u32::MAX),
        role: line.from_role,
        from_role: if removed { None } else { line.role },
        seen: None,
        action: if removed { PlannedAction::Add } else { PlannedAction::UpdateRole },
        handle: None,
        ..line
    }
}

/// Somebody who was added.
fn taken_away(line: PlanLine, place: usize) -> PlanLine {
    PlanLine {
        row: RowNumber::from_index(place),
        line: 0,
        role: None,
        from_role: line.role,
        seen: None,
        action: PlannedAction::Remove,
        ..line
    }
}

/// A cell of a CSV file.
fn quoted(cell: &str) -> Cow<'_, str> {
    if cell.contains([',', '"', ';', '\t', '|', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\"")).into()
    } else {
        cell.into()
    }
}
