//! `undo.json`: a saved plan that undoes everything a run really changed, its additions too. It is made from
//! the run's own files, so that `report` can write it again.
//!
//! Main function: [`write()`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufWriter};

use crate::model::{ItemId, Role, RowNumber, WorkspaceId};
use crate::outcome::{Effect, Status};
use crate::plan::guard::{Caps, OnGuard};
use crate::plan::{Action, Deployment, Holder, RolePolicy};
use crate::record::folder::{RunFolder, is_id};
use crate::record::journal::{
    DeploymentRole, History, ItemEnd, JournalError, LineDecision, Origin, PlanLine, PlanSource, Prune,
    RunSettings, Undoing, Undone,
};
use crate::record::saved_plan::{SCHEMA_VERSION, SavedPlan};
use crate::roster::{NO_ROLE, Settings, is_odd_email};

/// The name of the file.
pub const UNDO: &str = "undo.json";
/// What the roster of such a plan is called, before the id of the run.
const UNDO_OF: &str = "undo of ";

/// The run that a run of this roster undoes, if it undoes one.
pub fn undone_run(roster: &str) -> Option<&str> {
    roster.strip_prefix(UNDO_OF).filter(|run| is_id(run))
}

/// Writes the plan; it is empty where nothing was changed.
///
/// # Errors
/// If the run's plan cannot be read, or the file not be written.
pub fn write(folder: &RunFolder, history: &History, plan: &dyn PlanSource) -> anyhow::Result<()> {
    let changed = Changed::of(plan, history)?;
    let header = if changed.0.is_empty() {
        "email,role,workspace\n"
    } else {
        "email,role,workspace,deployment_roles\n"
    };
    let (mut roster_text, mut rows) = (header.to_owned(), Vec::new());
    let mut allow_odd_addresses = false;
    let settings = &history.header.settings;
    let is_additive = settings.prune.is_none() && settings.roles == RolePolicy::Keep;
    let has_rows = !is_additive || !changed.0.is_empty();
    let lines_of_run = if has_rows { Some(undone(plan, history, &changed)?) } else { None };
    for line in lines_of_run.into_iter().flatten() {
        let (line, step) = line?;
        let role = match step {
            Step::PutBack => line.from_role(),
            Step::Beside(role) => Some(role),
            Step::TakenAway => None,
        };
        let (Some(role), Some(workspace)) = (role, &line.workspace) else { continue };
        write!(roster_text, "{},{role},{}", quoted(&line.email), quoted(workspace.as_str()))?;
        if !changed.0.is_empty() {
            write!(roster_text, ",{}", quoted(&changed.cell(line.item)))?;
        }
        roster_text.push('\n');
        rows.push(line.item);
        allow_odd_addresses |= is_odd_email(&line.email);
    }
    let header = &history.header;
    let undo = SavedPlan {
        schema_version: SCHEMA_VERSION,
        // It is part of the digest, which must depend on the run and not on when it was closed.
        made_at: header.started_at,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        target: header.target.clone(),
        sandbox: header.sandbox,
        houston_version: header.houston_version.clone(),
        caller: header.actor.user_id.clone(),
        // The user who applies it decides how many may be removed.
        settings: RunSettings {
            send_invites: header.settings.send_invites,
            bypass_local: header.settings.bypass_local,
            roles: RolePolicy::Update,
            prune: Some(Prune {
                caps: Caps { people: header.rows.saturating_add(header.extras), percent: 100 },
                on_guard: OnGuard::SkipRemovals,
                protect: header.settings.protected(),
            }),
            protect: header.settings.protected(),
            ..RunSettings::default()
        },
        undo_of: Some(header.run.clone()),
        counts: None,
        // They are judged when it is applied.
        within_limits: None,
        roster: format!("{UNDO_OF}{}", header.run),
        roster_text,
        reading: serde_json::to_value(Settings {
            may_be_empty: true,
            allow_odd_addresses,
            ..Settings::default()
        })?,
        rows: Vec::new(),
    };
    let mut file = BufWriter::new(folder.draft(UNDO)?);
    undo.write_with(lines(plan, history, &changed, &rows)?, &mut file)?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?.commit()?;
    Ok(())
}

/// How to undo a line of a run's plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Add them again, or restore their former role.
    PutBack,
    /// They have this role in the workspace and keep it; only deployment roles are undone.
    Beside(Role),
    /// Remove them.
    TakenAway,
}

/// A deployment role to restore.
struct Back {
    email: String,
    workspace: Option<WorkspaceId>,
    /// The workspace role of a person who stays there.
    beside: Option<Role>,
    deployment: Deployment,
    /// Before the run.
    role: Option<Role>,
    /// After it.
    from_role: Option<Role>,
}

/// The deployment roles that a run has set or removed, by its lines, of people who stay in the workspace
/// or return to it.
struct Changed(BTreeMap<ItemId, Vec<Back>>);

impl Changed {
    fn of(plan: &dyn PlanSource, history: &History) -> Result<Self, JournalError> {
        let mut changed: BTreeMap<ItemId, Vec<Back>> = BTreeMap::new();
        for (grant, end) in history.grants().filter(|(_, end)| is_changed(end)) {
            let row = history.item(grant.of.into()).map(|row| row.status);
            if !matches!(row, Some(Status::Added | Status::Invited)) {
                changed.entry(grant.of.into()).or_default().push(Back::of(grant, end, history));
            }
        }
        if history.extras_have_deployments {
            for line in
                plan.lines()?.skip_while(|line| line.as_ref().is_ok_and(|line| line.origin != Origin::Extra))
            {
                let line = line?;
                if history.item(line.item).is_some_and(|end| end.status == Status::Removed) {
                    let roles = line.deployment_roles.iter().map(|(name, role)| Back {
                        email: line.email.clone(),
                        workspace: line.workspace.clone(),
                        beside: None,
                        deployment: Deployment { id: String::new(), name: name.clone() },
                        role: Some(*role),
                        from_role: None,
                    });
                    changed.entry(line.item).or_default().extend(roles);
                }
            }
            changed.retain(|_, roles| !roles.is_empty());
        }
        Ok(Self(changed))
    }

    /// The cell that restores a line's former deployment roles.
    fn cell(&self, item: ItemId) -> String {
        let part = |back: &Back| {
            let role = back.role.map_or(NO_ROLE, Role::name);
            format!("{}={role}", back.deployment.name)
        };
        self.0.get(&item).into_iter().flatten().map(part).collect::<Vec<_>>().join(";")
    }
}

impl Back {
    fn of(grant: &DeploymentRole, end: &ItemEnd, history: &History) -> Self {
        let DeploymentRole { deployment, role, from_role, workspace_role, .. } = grant;
        Self {
            email: grant.email.clone(),
            workspace: end.workspace.map(|place| history.workspaces[place as usize].clone()),
            beside: *workspace_role,
            deployment: deployment.clone(),
            role: from_role.filter(|_| end.status != Status::Added),
            from_role: role.filter(|_| end.status != Status::Removed),
        }
    }

    /// The line of the plan for it, of the row at this index.
    fn line(&self, place: usize, at: usize) -> PlanLine {
        let action = match (self.role, self.from_role) {
            (None, from) => Action::Remove(from.map(|role| role.level)),
            (Some(role), None) => Action::Add(role.level),
            (Some(to), Some(from)) => set_role(from, to),
        };
        PlanLine {
            item: ItemId::from_index(at),
            origin: row_at(place),
            email: self.email.clone(),
            role: self.role,
            workspace: self.workspace.clone(),
            deployment: Some(self.deployment.clone()),
            workspace_role: None,
            accounts: Vec::new(),
            deployment_roles: Vec::new(),
            seen: None,
            decision: LineDecision::Change(action),
            why: None,
        }
    }
}

/// The row at this index of the roster, which has a header and a line per row.
fn row_at(place: usize) -> Origin {
    let line = u32::try_from(place + 2).unwrap_or(u32::MAX);
    Origin::Row { number: RowNumber::from_index(place), line }
}

fn set_role(from: Role, to: Role) -> Action {
    Action::SetRole { from: from.level, to: to.level, holder: Holder::Member }
}

/// Whether a run has set or removed a role.
fn is_changed(end: &ItemEnd) -> bool {
    match end.status.effect() {
        Some(Effect::Added | Effect::RoleUpdated | Effect::Removed) => true,
        Some(Effect::Invited) | None => false,
    }
}

/// The lines of a run's plan that it has applied, and how to undo them.
fn undone<'h>(
    plan: &dyn PlanSource,
    history: &'h History,
    changed: &'h Changed,
) -> Result<impl Iterator<Item = Result<(PlanLine, Step), JournalError>> + use<'h>, JournalError> {
    let mut undone = Undone::default();
    let mut step = move |line: &PlanLine| match undone.of(line, history) {
        Some(Undoing::PutBack) => Some(Step::PutBack),
        Some(Undoing::TakenAway) => Some(Step::TakenAway),
        Some(Undoing::LeftOut) | None => changed.0.get(&line.item)?.first()?.beside.map(Step::Beside),
    };
    Ok(plan.lines()?.filter_map(move |line| match line {
        Ok(line) => step(&line).map(|step| Ok((line, step))),
        Err(error) => Some(Err(error)),
    }))
}

/// The rows of the plan: first those of the roster, then their deployment roles, then the people who are
/// removed. `rows` are the rows of the run that the roster is made of.
fn lines<'h>(
    plan: &dyn PlanSource,
    history: &'h History,
    changed: &'h Changed,
    rows: &'h [ItemId],
) -> Result<impl Iterator<Item = io::Result<Cow<'h, PlanLine>>> + use<'h>, JournalError> {
    let of = |goes: bool| {
        let lines = undone(plan, history, changed)?;
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
    let grants: Vec<(usize, &Back)> = (rows.iter().enumerate())
        .flat_map(|(place, row)| changed.0.get(row).into_iter().flatten().map(move |back| (place, back)))
        .collect();
    let first_gone = rows.len() + grants.len();
    let grants = (rows.len()..).zip(grants);
    let grants = grants.map(move |(at, (place, back))| back.line(place, at));
    let taken = (first_gone..).zip(of(true)?).map(|(place, line)| Ok(taken_away(line?.0, place)));
    let failed = |error: JournalError| io::Error::other(error);
    let all = come.chain(grants.map(Ok)).chain(taken);
    Ok(all.map(move |line: Result<PlanLine, JournalError>| line.map(Cow::Owned).map_err(failed)))
}

/// A row of the roster of a person who is in the workspace and stays there.
fn beside(line: PlanLine, role: Role, place: usize) -> PlanLine {
    PlanLine {
        item: ItemId::from_index(place),
        origin: row_at(place),
        role: Some(role),
        seen: None,
        decision: LineDecision::keep(Status::Unchanged),
        why: None,
        ..line
    }
}

/// A row of the roster: a person who was removed, or whose role was changed.
fn put_back(line: PlanLine, place: usize) -> PlanLine {
    let removed = matches!(line.decision, LineDecision::Change(Action::Remove(_)));
    let role = line.from_role();
    let action = match (role, line.role) {
        (Some(to), Some(from)) if !removed => Some(set_role(from, to)),
        (to, _) => to.map(|to| Action::Add(to.level)),
    };
    PlanLine {
        item: ItemId::from_index(place),
        origin: row_at(place),
        role,
        seen: None,
        // Without a former role there is nothing to restore, and no line gets here.
        decision: action.map_or(line.decision, LineDecision::Change),
        accounts: Vec::new(),
        deployment_roles: Vec::new(),
        ..line
    }
}

/// A person who was added.
fn taken_away(line: PlanLine, place: usize) -> PlanLine {
    PlanLine {
        item: ItemId::from_index(place),
        origin: Origin::Extra,
        role: None,
        seen: None,
        decision: LineDecision::Change(Action::Remove(line.role.map(|role| role.level))),
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
