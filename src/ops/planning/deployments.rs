//! The deployments that a roster names, and what becomes of the roles it wants in them.
//!
//! Main functions: [`find_grants`], which resolves names, and [`decide_grants`], which compares with
//! what Houston has. They send nothing but reads.

use std::collections::HashMap;
use std::sync::Arc;

use crate::houston::{Deployment as Listed, Fault, Support};
use crate::model::{ItemId, Level, Role, RowNumber, WorkspaceId, printable};
use crate::ops::failure::Failure;
use crate::ops::notices::Notices;
use crate::ops::planning::unreadable;
use crate::ops::planning::workspaces::{Meaning, Names, Places, place};
use crate::ops::session::Session;
use crate::outcome::Cause;
use crate::outcome::ExitStatus;
use crate::plan::protect::Protect;
use crate::plan::{
    Action, Decision, Deployment, Item, Membership, Origin, Phase, Plan, Reason, RolePolicy, Subject,
    decide_in_deployment, role_name,
};
use crate::present::grants::{Answers, Asked};
use crate::report::notices::{Notice, PlanningNotice};
use crate::roster::{Column, Complaint, IssueKind, Roster, RowState, parse_deployment_roles};

/// A role in a deployment that a row wants.
#[derive(Debug, Clone)]
pub struct Wish {
    row: RowNumber,
    /// The index of its workspace.
    workspace: u32,
    deployment: Deployment,
    role: Option<Level>,
    /// Why there is no change: the deployments of the workspace cannot be read.
    decided: Option<Reason>,
}

impl Wish {
    /// The same under other numbers of its row and its workspace; none if these have none.
    pub(super) fn renumbered(
        self,
        row: impl Fn(RowNumber) -> Option<RowNumber>,
        workspace: impl Fn(u32) -> Option<u32>,
    ) -> Option<Self> {
        Some(Self { row: row(self.row)?, workspace: workspace(self.workspace)?, ..self })
    }
}

/// The roles in deployments that the rows of a roster want, and what is wrong with them.
#[derive(Debug, Default)]
pub struct Wishes {
    /// Those that are understood.
    pub all: Vec<Wish>,
    /// The others.
    pub complaints: Vec<(RowNumber, Column, Complaint)>,
}

/// A cell of the roster.
struct Cell<'r> {
    row: RowNumber,
    place: u32,
    text: &'r str,
}

/// Finds out which deployments the roster means.
///
/// # Errors
/// This Houston does not support deployment roles (5), or the token is dead (4).
pub fn find_grants(
    roster: &Roster,
    places: &Places,
    names: Names,
    session: &Session,
) -> Result<Wishes, Failure> {
    let cells: Vec<Cell<'_>> = cells(roster, places).collect();
    let mut asked: Vec<u32> = cells.iter().map(|cell| cell.place).collect();
    asked.sort_unstable();
    asked.dedup();
    asked.retain(|place| !places.to_create.contains(place));
    let ids: Vec<&WorkspaceId> = asked.iter().map(|&place| &places.workspaces[place as usize].id).collect();
    let mut deployments: HashMap<u32, Result<Vec<Listed>, Reason>> = HashMap::new();
    for (place, listed) in asked.iter().zip(session.survey(roster.emails()).deployments(&ids)) {
        let listed = match listed {
            Ok(listed) => Ok(listed),
            Err(Fault::Schema { .. }) => return Err(knows_none(session)),
            Err(fault) => Err(undecidable(&fault, session)?),
        };
        deployments.insert(*place, listed);
    }
    let mut wishes = Wishes::default();
    for cell in &cells {
        for (name, role) in parse_deployment_roles(cell.text).unwrap_or_default() {
            match meant(name, deployments.get(&cell.place), names) {
                Ok((deployment, decided)) => {
                    wishes.take(Wish { row: cell.row, workspace: cell.place, deployment, role, decided });
                }
                Err(complaint) => wishes.complaints.push((cell.row, Column::DeploymentRoles, complaint)),
            }
        }
    }
    wishes.give_notice_of_what_is_left_out(&session.notices);
    // A row is complained of once.
    wishes.complaints.sort_by_key(|&(row, ..)| row);
    wishes.complaints.dedup_by_key(|&mut (row, ..)| row);
    Ok(wishes)
}

/// The cells of wanted rows: rows with equal cells have the same roles.
fn cells<'r>(roster: &'r Roster, places: &'r Places) -> impl Iterator<Item = Cell<'r>> {
    (0..roster.len()).map(RowNumber::from_index).filter_map(move |row| {
        let text = roster.deployment_roles(row)?;
        if roster.state(row) != RowState::Wanted {
            return None;
        }
        match places.meanings[roster.workspace(row)? as usize].as_ref()? {
            Meaning::Place(place) => Some(Cell { row, place: *place, text }),
            Meaning::Decided(_) => None,
        }
    })
}

impl Wishes {
    /// Takes a wish in, unless the row has named the deployment before, once by its name and once by its
    /// id; two roles in it are complained of.
    fn take(&mut self, wish: Wish) {
        let of_row = self.all.iter().rev().take_while(|known| known.row == wish.row);
        match of_row.into_iter().find(|known| known.deployment == wish.deployment) {
            None => self.all.push(wish),
            Some(known) if known.role == wish.role => {}
            Some(known) => {
                let (name, one, other) = (
                    printable(&wish.deployment.name),
                    role_name(known.role.map(Role::deployment)),
                    role_name(wish.role.map(Role::deployment)),
                );
                let message = format!("`{name}` is named twice, with {one} and {other}");
                let complaint = Complaint::new(IssueKind::Conflict, message).hint("keep one role for it");
                self.complaints.push((wish.row, Column::DeploymentRoles, complaint));
            }
        }
    }
}

/// The deployment that a name means; `listed` is none for a workspace that does not exist yet. Names of
/// another installation may mean deployments that are not here: their roles are left out.
fn meant(
    name: &str,
    listed: Option<&Result<Vec<Listed>, Reason>>,
    names: Names,
) -> Result<(Deployment, Option<Reason>), Complaint> {
    let nowhere = || Deployment { id: String::new(), name: name.to_owned() };
    let Some(listed) = listed else { return Ok((nowhere(), Some(Reason::Unchanged))) };
    let listed = match listed {
        Ok(listed) => listed,
        Err(reason) => return Ok((nowhere(), Some(reason.clone()))),
    };
    let is_meant = |one: &&Listed| one.id == name || one.release_name.as_deref() == Some(name);
    let Some(found) = listed.iter().find(is_meant) else {
        if names == Names::Mapped {
            return Ok((nowhere(), Some(Reason::Unchanged)));
        }
        let message = format!("the workspace has no deployment `{}`", printable(name));
        let by_label = listed.iter().find(|one| one.label.as_deref() == Some(name));
        let names = || listed.iter().filter_map(|one| one.release_name.as_deref()).take(5);
        let hint = match by_label.and_then(|one| one.release_name.as_deref()) {
            Some(release) => format!("that is a label; its release name is `{}`", printable(release)),
            None if names().next().is_none() => "it has no deployments".to_owned(),
            None => {
                let names: Vec<_> = names().map(|name| format!("`{}`", printable(name))).collect();
                format!("it has {}", names.join(", "))
            }
        };
        return Err(Complaint::new(IssueKind::UnknownDeployment, message).hint(hint));
    };
    let name = found.release_name.clone().unwrap_or_else(|| found.id.clone());
    Ok((Deployment { id: found.id.clone(), name }, None))
}

impl Wishes {
    /// What cannot be given is not passed over in silence.
    fn give_notice_of_what_is_left_out(&self, notices: &Notices) {
        let mut names: Vec<&str> = (self.all.iter().filter(|wish| !wish.deployment.is_there()))
            .filter(|wish| wish.decided == Some(Reason::Unchanged))
            .map(|wish| wish.deployment.name.as_str())
            .collect();
        let roles = names.len();
        names.sort_unstable();
        names.dedup();
        if let [first, others @ ..] = &names[..] {
            let others = others.len();
            notices.give(&Notice::Planning(PlanningNotice::DeploymentsLeftOut { roles, first, others }));
        }
    }
}

/// A Houston from before there were such roles.
fn knows_none(session: &Session) -> Failure {
    let version = session.version().map_or_else(String::new, |version| format!(" ({version})"));
    let error = anyhow::anyhow!(
        "{}{} does not support deployment roles, but the roster has some; nothing was sent",
        printable(&session.url),
        printable(&version)
    );
    Failure::new(ExitStatus::Target, error)
        .hint("rename the column: its cells are then copied to the results unread")
}

/// Why there is no change where something cannot be read.
fn undecidable(fault: &Fault, session: &Session) -> Result<Reason, Failure> {
    let (status, cause) = unreadable(fault, session)?;
    let cause =
        Arc::new(Cause { code: cause.code.clone(), text: format!("deployment roles: {}", cause.text) });
    Ok(Reason::failed(status, cause))
}

/// What is wanted, and who loses nothing.
pub struct GrantPolicy<'w> {
    /// The roster.
    pub roster: &'w Roster,
    /// What is done about people with another role.
    pub roles: RolePolicy,
    /// Who is not demoted.
    pub protect: &'w Protect,
}

impl GrantPolicy<'_> {
    /// What becomes of a deployment role: protected people lose none. `address` is that of the user, and `row` what was decided about their row.
    fn decide(&self, wish: &Wish, seen: Membership, address: Option<&str>, row: &Decision) -> Decision {
        let decision = decide_in_deployment(wish.role, seen, self.roles);
        let address = address.map(str::to_lowercase);
        let email = self.roster.emails().get(wish.row);
        let is_protected = || {
            matches!(row, Decision::Keep(Reason::Protected(_)))
                || self.protect.covers(address.as_deref().into_iter().chain([email]))
        };
        match decision.action().filter(|action| action.takes_away() && is_protected()) {
            Some(Action::Remove(Some(level))) => Decision::Keep(Reason::RoleKept(level)),
            Some(action) => Decision::Keep(Reason::Protected(action)),
            None => decision,
        }
    }
}

/// Whose role in which deployment has to be read, by the index of the workspace, in the order of the wishes.
pub fn asked<'w>(wishes: &'w [Wish], roster: &'w Roster) -> HashMap<u32, Vec<Asked<'w>>> {
    let mut asked: HashMap<u32, Vec<Asked<'w>>> = HashMap::new();
    for wish in wishes.iter().filter(|wish| wish.decided.is_none()) {
        let one = Asked { email: roster.emails().get(wish.row), deployment: &wish.deployment.name };
        asked.entry(wish.workspace).or_default().push(one);
    }
    asked
}

/// Decides every wish whose row has not failed already. `seen` has, by index, what was read of those who were
/// [`asked`] for, if anything was. A person to add has no role in any deployment.
///
/// # Errors
/// The token is dead (4), or Houston does not support deployment roles (5).
pub fn decide_grants(
    wishes: Vec<Wish>,
    seen: Vec<Answers>,
    plan: &mut Plan,
    wanted: &GrantPolicy<'_>,
    session: &Session,
) -> Result<(), Failure> {
    let mut seen: Vec<_> = seen.into_iter().map(|found| found.map(Vec::into_iter)).collect();
    let mut known: HashMap<Deployment, u32> = HashMap::new();
    let mut items = Vec::new();
    for wish in wishes {
        let found = match (&wish.decided, &mut seen[wish.workspace as usize]) {
            (None, Ok(found)) => Ok(found.next().flatten()),
            (None, Err(fault)) => Err(&*fault),
            (Some(_), _) => Ok(None),
        };
        let of_row = &plan.of_row(wish.row).decision;
        let (seen, user, decision) = match (of_row, &wish.decided) {
            (
                Decision::Keep(
                    Reason::Merged { .. }
                    | Reason::Invalid(_)
                    | Reason::LeftOut
                    | Reason::Rejected(_)
                    | Reason::Unreadable(_),
                ),
                _,
            ) => continue,
            (_, Some(reason)) => (None, None, Decision::Keep(reason.clone())),
            (Decision::Change(Action::Add(_)), None) => {
                let decision = decide_in_deployment(wish.role, Membership::Absent, wanted.roles);
                (Some(Membership::Absent), None, decision)
            }
            (_, None) => match found {
                Ok(found) => {
                    // A person who is not in the list is invited: Houston does not show the roles of an
                    // invitation.
                    let invited = Membership::Invited { role: None, invites: 1 };
                    let seen = found.as_ref().map_or(invited, |found| found.seen);
                    let address = found.as_ref().map(|found| found.address.as_str());
                    let decision = wanted.decide(&wish, seen, address, of_row);
                    (Some(seen), found.map(|found| (found.id, found.address)), decision)
                }
                Err(fault) => (None, None, Decision::Keep(undecidable(fault, session)?)),
            },
        };
        let deployment = *known.entry(wish.deployment).or_insert_with_key(|deployment| {
            plan.deployments.push(deployment.clone());
            place(plan.deployments.len() - 1)
        });
        let subject = Some(Subject::new(wish.workspace, Some(deployment)));
        let origin = Origin::Row(wish.row);
        items.push((Item { origin, subject, wanted: wish.role, seen, decision }, user));
    }
    items.sort_by_key(|(item, _)| (item.workspace(), item.origin, plan.deployment(item)));
    if items.iter().any(|(item, _)| item.decision.is_change()) && !session.knows_deployment_roles() {
        return Err(knows_none(session));
    }
    for (item, user) in items {
        let id = ItemId::from_index(plan.items.len());
        plan.items.push(item);
        plan.users.extend(user.map(|user| (id, user)));
    }
    Ok(())
}

/// Whether the adds of a plan can set deployment roles, as far as Houston reports it; otherwise the first add
/// shows it.
pub fn come_with_adds(plan: &Plan, session: &Session) -> bool {
    let is_added = |item: &Item| item.row().is_some_and(|row| plan.of_row(row).decision.is_add());
    let wanted = plan.in_phase(Phase::Deployments).iter().any(is_added);
    wanted && !matches!(session.houston.adds_deployment_roles(), Ok(Support::No))
}
