//! `undo.json`: a saved plan that takes back everything a run really changed, its additions too. It is
//! made from the run's own files, so that `report` can make it again.
//!
//! Main function: [`write()`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufWriter};

use crate::engine::event::Status;
use crate::engine::journal::{
    GrantHistory, GrantLine, History, JournalError, PlanLine, PlannedAction, RunSettings, Undoing, Undone,
    plan_lines,
};
use crate::engine::run_folder::RunFolder;
use crate::engine::saved_plan::{SCHEMA_VERSION, SavedPlan};
use crate::model::{DeploymentRole, RowNumber, WorkspaceRole};
use crate::plan::RolePolicy;
use crate::report::atomic::Draft;
use crate::roster::{NO_ROLE, Settings};

/// The name of the file.
pub const UNDO: &str = "undo.json";

/// Writes the plan; it is empty where nothing was changed.
///
/// # Errors
/// If the run's plan cannot be read, or the file not be written.
pub fn write(folder: &RunFolder, history: &History) -> anyhow::Result<()> {
    let changed = Changed::of(history);
    let header = if changed.0.is_empty() {
        "email,role,workspace\n"
    } else {
        "email,role,workspace,deployment_roles\n"
    };
    let (mut roster_text, mut rows) = (header.to_owned(), Vec::new());
    let settings = &history.header.settings;
    let is_additive = settings.prune.is_none() && settings.roles == RolePolicy::Keep;
    let has_rows = !is_additive || !changed.0.is_empty();
    let lines_of_run = if has_rows { Some(undone(folder, history, &changed)?) } else { None };
    for line in lines_of_run.into_iter().flatten() {
        let (line, step) = line?;
        let role = match step {
            Step::PutBack => line.from_role,
            Step::Beside(role) => Some(role),
            Step::TakenAway => None,
        };
        let (Some(role), Some(workspace)) = (role, &line.workspace) else { continue };
        write!(roster_text, "{},{role},{}", quoted(&line.email), quoted(workspace.as_str()))?;
        if !changed.0.is_empty() {
            write!(roster_text, ",{}", quoted(&changed.cell(line.row)))?;
        }
        roster_text.push('\n');
        rows.push(line.row);
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
    plan.write_with(lines(folder, history, &changed, &rows)?, &mut file)?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?.commit()?;
    Ok(())
}

/// How a line of a run's plan is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// They come back, or get their former role.
    PutBack,
    /// They have this role in the workspace and keep it; something in deployments is taken back.
    Beside(WorkspaceRole),
    /// They are taken away.
    TakenAway,
}

/// The roles in deployments that a run has given, changed or taken away, by the row that wanted it, of
/// those whose people stay in the workspace.
struct Changed<'h>(BTreeMap<RowNumber, Vec<&'h GrantHistory>>);

impl<'h> Changed<'h> {
    fn of(history: &'h History) -> Self {
        let mut changed: BTreeMap<RowNumber, Vec<&GrantHistory>> = BTreeMap::new();
        for grant in history.grants.iter().filter(|grant| is_changed(grant)) {
            let row = history.alone(grant.of).map(|row| row.status);
            if !matches!(row, Some(Status::Added | Status::Invited)) {
                changed.entry(grant.of).or_default().push(grant);
            }
        }
        Self(changed)
    }

    /// The cell that brings a row's former roles in deployments back.
    fn cell(&self, row: RowNumber) -> String {
        let part = |grant: &&GrantHistory| {
            let role = former(grant).map_or(NO_ROLE, DeploymentRole::name);
            format!("{}={role}", grant.wish.deployment.id)
        };
        self.0.get(&row).into_iter().flatten().map(part).collect::<Vec<_>>().join(";")
    }
}

/// Whether a run has given, changed or taken away a role.
fn is_changed(grant: &GrantHistory) -> bool {
    match grant.end.status {
        Status::Added | Status::RoleUpdated | Status::Removed => true,
        Status::Invited
        | Status::Unchanged
        | Status::AlreadyInvited
        | Status::RoleKept
        | Status::Rejected
        | Status::GaveUp
        | Status::InDoubt
        | Status::NotRun
        | Status::Invalid
        | Status::Merged => false,
    }
}

/// The role that somebody had in a deployment before a run that changed it.
fn former(grant: &GrantHistory) -> Option<DeploymentRole> {
    grant.wish.from_role.filter(|_| grant.end.status != Status::Added)
}

/// The lines of a run's plan that it has carried out, and how they are taken back.
fn undone<'h>(
    folder: &RunFolder,
    history: &'h History,
    changed: &'h Changed<'h>,
) -> Result<impl Iterator<Item = Result<(PlanLine, Step), JournalError>> + use<'h>, JournalError> {
    let mut undone = Undone::default();
    let mut step = move |line: &PlanLine| match undone.of(line, history) {
        Some(Undoing::PutBack) => Some(Step::PutBack),
        Some(Undoing::TakenAway) => Some(Step::TakenAway),
        Some(Undoing::LeftOut) | None => {
            changed.0.get(&line.row)?.first()?.wish.workspace_role.map(Step::Beside)
        }
    };
    Ok(plan_lines(folder)?.filter_map(move |line| match line {
        Ok(line) => step(&line).map(|step| Ok((line, step))),
        Err(error) => Some(Err(error)),
    }))
}

/// The rows of the plan: first those of the roster, then their roles in deployments, then those who are
/// taken away. `rows` are the rows of the run that the roster is made of.
fn lines<'h>(
    folder: &RunFolder,
    history: &'h History,
    changed: &'h Changed<'h>,
    rows: &'h [RowNumber],
) -> Result<impl Iterator<Item = io::Result<Cow<'h, PlanLine>>> + use<'h>, JournalError> {
    let of = |goes: bool| {
        let lines = undone(folder, history, changed)?;
        let is_meant = move |step: Step| (step == Step::TakenAway) == goes;
        Ok::<_, JournalError>(
            lines.filter(move |line| line.as_ref().map_or(true, |(_, step)| is_meant(*step))),
        )
    };
    let come = if rows.is_empty() { None } else { Some(of(false)?) };
    let come = (0..).zip(come.into_iter().flatten()).map(|(place, line)| {
        let (line, step) = line?;
        Ok(match step {
            Step::Beside(role) => beside(line, role, place),
            Step::PutBack | Step::TakenAway => put_back(line, place),
        })
    });
    let grants: Vec<(usize, &GrantHistory)> = (rows.iter().enumerate())
        .flat_map(|(place, row)| changed.0.get(row).into_iter().flatten().map(move |grant| (place, *grant)))
        .collect();
    let first_gone = rows.len() + grants.len();
    let grants = (rows.len()..).zip(grants);
    let grants = grants.map(move |(at, (place, grant))| role_back(grant, history, place, at));
    let taken = (first_gone..).zip(of(true)?).map(|(place, line)| Ok(taken_away(line?.0, place)));
    let failed = |error: JournalError| io::Error::other(error);
    let all = come.chain(grants.map(Ok)).chain(taken);
    Ok(all.map(move |line: Result<PlanLine, JournalError>| line.map(Cow::Owned).map_err(failed)))
}

/// A row of the roster of somebody who is in the workspace and stays there.
fn beside(line: PlanLine, role: WorkspaceRole, place: usize) -> PlanLine {
    PlanLine {
        row: RowNumber::from_index(place),
        line: u32::try_from(place + 2).unwrap_or(u32::MAX),
        role: Some(role),
        from_role: None,
        seen: None,
        action: PlannedAction::None,
        status: None,
        code: None,
        why: None,
        ..line
    }
}

/// The former role in a deployment, of the row at this place.
fn role_back(grant: &GrantHistory, history: &History, place: usize, at: usize) -> PlanLine {
    let role = former(grant);
    let from_role = if grant.end.status == Status::Removed { None } else { grant.wish.role };
    let workspace = grant.end.workspace.map(|place| history.workspaces[place as usize].clone());
    let action = match (role, from_role) {
        (None, _) => PlannedAction::Remove,
        (Some(_), None) => PlannedAction::Add,
        (Some(_), Some(_)) => PlannedAction::UpdateRole,
    };
    PlanLine {
        row: RowNumber::from_index(at),
        line: 0,
        email: grant.email.clone(),
        role: None,
        workspace,
        from_role: None,
        seen: None,
        action,
        status: None,
        into: None,
        handle: None,
        renews: Vec::new(),
        grant: Some(GrantLine { of: RowNumber::from_index(place), role, from_role, ..grant.wish.clone() }),
        code: None,
        why: None,
    }
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
