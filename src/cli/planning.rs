//! From a roster and a Houston to a plan: resolve workspaces, look again for equal and opposed
//! wishes, read what is there, decide per row.
//!
//! Main functions: [`find_workspaces`] and, once the roster is known to be good, [`plan`]. They
//! send nothing but reads.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::extras::{Belonging, Pruning, Whereabouts};
use super::saved_plan::outdated;
use super::session::{Session, unusable};
use super::waiting::tell_while;
use super::{ExitStatus, Failure, tell};
use crate::engine::event::{Event, Status};
use crate::engine::journal::RunSettings;
use crate::engine::verdict::cause;
use crate::houston::{Fault, Listing, RejectedKind, Scope};
use crate::model::{Assignment, Cause, RowNumber, WorkspaceId, printable};
use crate::plan::extra::{Extra, Stay};
use crate::plan::guard::{hold_caller, hold_last_admins, takes_admin};
use crate::plan::{Decision, Membership, Plan, RolePolicy, RowPlan, Workspace, decide};
use crate::present::members::Reading;
use crate::present::resolve::{Resolution, looks_like_an_id, resolve};
use crate::present::survey::{Progress, Task};
use crate::roster::{Column, Complaint, IssueKind, Roster, RowState};

/// What a workspace text of the roster means.
#[derive(Debug, Clone)]
enum Meaning {
    /// The workspace at this place of the list.
    Place(u32),
    /// Nothing more is to be found out about its rows.
    Decided(Decision),
}

/// The workspaces that the roster names.
#[derive(Debug, Default)]
pub struct Places {
    workspaces: Vec<Workspace>,
    /// The meaning of each text of the roster; none where no wanted row has it.
    meanings: Vec<Option<Meaning>>,
    /// Those of the workspaces that are to be created.
    to_create: Vec<u32>,
    /// Where each text of the roster leads, also where no wanted row has it.
    whereabouts: Vec<Whereabouts>,
    /// The only people who are to be taken away, with the place of their workspace.
    listed: Option<HashSet<(u32, String)>>,
}

/// Finds out which workspaces the roster means, and looks again for equal and opposed wishes: one
/// row may have named a workspace by its label, another by its id. What is wrong with it, now that
/// Houston has been asked, is in the roster's issues then.
///
/// # Errors
/// The target cannot be used (5), or the token is dead (4).
pub fn find_workspaces(
    roster: &mut Roster,
    session: &Session,
    looked_for: LookedFor,
) -> Result<Places, Failure> {
    let LookedFor { bad_rows, names, missing, listed } = looked_for;
    let listing = list_workspaces(session)?;
    let again =
        |error| Failure::new(ExitStatus::BadInput, error).hint("the roster changed while it was read");
    let resolutions = resolve(&listing, roster.workspaces().iter().map(String::as_str));
    let mut used = vec![false; resolutions.len()];
    roster.wanted().for_each(|wish| used[wish.workspace as usize] = true);
    let (places, found) = (Places::default(), HashMap::new());
    let mut finder = Finder { listing: &listing, session, names, missing, places, found };
    let mut complaints = HashMap::new();
    for (text, (resolution, used)) in resolutions.iter().zip(used).enumerate() {
        let name = &roster.workspaces()[text];
        let meaning = match used.then(|| finder.mean(name, resolution)).transpose()? {
            Some(Ok(meaning)) => Some(meaning),
            Some(Err(complain)) => {
                complaints.insert(place(text), complain(&printable(name)));
                None
            }
            None => None,
        };
        finder.places.meanings.push(meaning);
    }
    finder.take_listed(listed)?;
    if listing.scope == Scope::Own && !finder.places.to_create.is_empty() {
        tell(
            "warning: this token sees its own workspaces only; others may have one of the labels that are to be created",
        );
    }
    finder.places.whereabouts = finder.whereabouts(&resolutions);
    let bad = complain_of(roster, complaints, bad_rows);
    roster.complain(bad).map_err(again)?;
    roster.unify_workspaces(&finder.places.canonical()).map_err(again)?;
    Ok(finder.places)
}

/// What is looked for beside the workspaces that wanted rows name, and how.
pub struct LookedFor {
    /// What happens to rows whose workspace is not right.
    pub bad_rows: BadRows,
    /// Whose names the workspaces have.
    pub names: Names,
    /// What becomes of labels that no workspace has.
    pub missing: Missing,
    /// Who is to be taken away and where, if that is known before: then nobody else is.
    pub listed: Option<Vec<(String, WorkspaceId)>>,
}

/// All workspaces that the token sees. A Houston that is away is waited for.
///
/// # Errors
/// They cannot be listed (5), or the token is dead (4).
pub fn list_workspaces(session: &Session) -> Result<Listing, Failure> {
    let ask = || session.houston.workspaces();
    tell_while(&session.waiting, &session.url, session.settings.max_wait, ask).map_err(|failure| {
        match &failure.fault {
            // The token has just proved to be alive.
            Fault::Denied { text } => Failure::new(
                ExitStatus::Target,
                anyhow::anyhow!("{} does not let this token list workspaces: {text}", session.url),
            ),
            Fault::Unsent { .. }
            | Fault::NoAnswer { .. }
            | Fault::Proxy { .. }
            | Fault::Throttled { .. }
            | Fault::Expired { .. }
            | Fault::Rejected { .. }
            | Fault::Already { .. }
            | Fault::Schema { .. }
            | Fault::Internal { .. }
            | Fault::Malformed { .. } => unusable(&failure.fault, &session.url),
        }
    })
}

/// What happens to rows whose workspace is not right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRows {
    /// The whole file is refused: one word about each workspace is enough.
    Refuse,
    /// They are left out, each of them.
    LeaveOut,
}

/// Whose names the workspaces of the file have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Those of this Houston.
    Ours,
    /// Those of another one, as far as the map has them: a name that nobody knows here is a slip,
    /// never a workspace that the caller may not see.
    Mapped,
}

/// What becomes of labels that no workspace has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// They are errors.
    Refuse,
    /// Workspaces are to be created for them.
    Create,
}

/// Puts complaints about workspaces to the rows that name them.
fn complain_of(
    roster: &Roster,
    mut complaints: HashMap<u32, Complaint>,
    bad_rows: BadRows,
) -> Vec<(RowNumber, Column, Complaint)> {
    let mut rows: HashMap<u32, u32> = HashMap::new();
    for wish in roster.wanted().filter(|wish| complaints.contains_key(&wish.workspace)) {
        *rows.entry(wish.workspace).or_default() += 1;
    }
    let place = |row, complaint| (row, Column::Workspace, complaint);
    let complaint = |wish: Assignment<'_>| match bad_rows {
        BadRows::LeaveOut => Some(place(wish.row, complaints.get(&wish.workspace)?.clone())),
        BadRows::Refuse => {
            let mut complaint = complaints.remove(&wish.workspace)?;
            if let Some(&count @ 2..) = rows.get(&wish.workspace) {
                complaint.message = format!("{}, which {count} rows name", complaint.message);
            }
            Some(place(wish.row, complaint))
        }
    };
    roster.wanted().filter_map(complaint).collect()
}

impl Places {
    /// A number for each text, the same for texts that mean one workspace.
    fn canonical(&self) -> Vec<u32> {
        let number = |(text, meaning): (usize, &Option<Meaning>)| match meaning {
            Some(Meaning::Place(place)) => *place,
            Some(Meaning::Decided(_)) | None => place(self.workspaces.len() + text),
        };
        self.meanings.iter().enumerate().map(number).collect()
    }
}

/// Makes [`Places`] from a listing.
struct Finder<'f> {
    listing: &'f Listing,
    session: &'f Session,
    names: Names,
    missing: Missing,
    places: Places,
    /// Place in the listing to place in the list.
    found: HashMap<usize, u32>,
}

/// What is wrong with a text, once that is known.
type Complain<'c> = Box<dyn Fn(&str) -> Complaint + 'c>;

impl Finder<'_> {
    /// Finds the workspaces of people who are to be taken away.
    fn take_listed(&mut self, listed: Option<Vec<(String, WorkspaceId)>>) -> Result<(), Failure> {
        let Some(listed) = listed else { return Ok(()) };
        let resolutions = resolve(self.listing, listed.iter().map(|(_, id)| id.as_str()));
        let mut people = HashSet::new();
        for ((name, id), resolution) in listed.into_iter().zip(&resolutions) {
            let known = self.places.workspaces.iter().position(|workspace| workspace.id == id).map(place);
            let meaning = match known {
                Some(place) => Ok(Meaning::Place(place)),
                None => self.mean(id.as_str(), resolution)?,
            };
            let Ok(Meaning::Place(place)) = meaning else {
                let error = anyhow::anyhow!("there is no workspace {} any more", printable(id.as_str()));
                return Err(outdated(error));
            };
            people.insert((place, name));
        }
        self.places.listed = Some(people);
        Ok(())
    }

    /// Where each text leads, once the wanted ones have a meaning.
    fn whereabouts(&self, resolutions: &[Resolution]) -> Vec<Whereabouts> {
        let known = |at: Option<u32>| at.map_or(Whereabouts::Elsewhere, Whereabouts::Place);
        let lead = |(meaning, resolution): (&Option<Meaning>, &Resolution)| match (meaning, resolution) {
            (Some(Meaning::Place(place)), _) => Whereabouts::Place(*place),
            (_, Resolution::Found(found)) => known(self.found.get(found).copied()),
            (_, Resolution::Invisible(id)) => {
                let ids = self.places.workspaces.iter().map(|workspace| &workspace.id);
                known(ids.zip(0..).find(|(known, _)| *known == id).map(|(_, place)| place))
            }
            (_, Resolution::Unknown { .. } | Resolution::Ambiguous { .. }) => Whereabouts::Anywhere,
        };
        self.places.meanings.iter().zip(resolutions).map(lead).collect()
    }

    /// What a resolution means, or what is wrong with the text.
    fn mean<'c>(
        &mut self,
        name: &str,
        resolution: &'c Resolution,
    ) -> Result<Result<Meaning, Complain<'c>>, Failure> {
        Ok(match resolution {
            Resolution::Found(found) => {
                let workspace = &self.listing.workspaces[*found];
                let list = &mut self.places.workspaces;
                Ok(Meaning::Place(*self.found.entry(*found).or_insert_with(|| {
                    list.push(Workspace { id: workspace.id.clone(), label: workspace.label.clone() });
                    place(list.len() - 1)
                })))
            }
            Resolution::Invisible(id) => match (self.look_for(id)?, self.names) {
                (Meaning::Decided(_), Names::Mapped) => Err(self.unknown(None)),
                (meaning, _) => Ok(meaning),
            },
            Resolution::Unknown { near } if self.missing == Missing::Create && !looks_like_an_id(name) => {
                if let Some(twin) = self.spelled_otherwise(name) {
                    return Ok(Err(self.unknown(Some(twin))));
                }
                if let Some(near) = near {
                    let (name, near) = (printable(name), printable(near));
                    tell(&format!(
                        "warning: `{name}` is to be created, and there is `{near}`: is it a slip?"
                    ));
                }
                let list = &mut self.places.workspaces;
                list.push(Workspace { id: WorkspaceId::none_yet(), label: Some(name.to_owned()) });
                let place = place(list.len() - 1);
                self.places.to_create.push(place);
                Ok(Meaning::Place(place))
            }
            Resolution::Unknown { near } => Err(self.unknown(near.clone())),
            Resolution::Ambiguous { ids } => Err(Box::new(move |text| {
                let message = format!("{} workspaces have the label `{text}`", ids.len());
                let ids: Vec<_> = ids.iter().map(|id| printable(id.as_str()).into_owned()).collect();
                let hint = format!("name one by its id: {}", ids.join(", "));
                Complaint::new(IssueKind::AmbiguousWorkspace, message).hint(hint)
            })),
        })
    }

    /// A label that differs from this one by capitals only, of a workspace that exists or is to be
    /// created: nobody wants both.
    fn spelled_otherwise(&self, name: &str) -> Option<String> {
        let is_twin = |label: &&str| label.trim().to_lowercase() == name.to_lowercase();
        let existing = self.listing.workspaces.iter().filter_map(|workspace| workspace.label.as_deref());
        let wanted = self.places.workspaces.iter().filter_map(|workspace| workspace.label.as_deref());
        existing.chain(wanted).find(is_twin).map(str::to_owned)
    }

    /// A text that is no workspace's id or label, as far as the caller sees.
    fn unknown<'c>(&self, near: Option<String>) -> Complain<'c> {
        let (scope, names) = (self.listing.scope, self.names);
        Box::new(move |text| {
            let message = match scope {
                Scope::System => format!("there is no workspace `{text}`"),
                Scope::Own => format!("the token sees no workspace `{text}`"),
            };
            let hint = match (&near, scope) {
                (None, _) if names == Names::Mapped => {
                    "give it a line in the file of --workspace-map, with an id or a label of this Houston"
                        .to_owned()
                }
                (Some(near), _) => format!("did you mean `{}`?", printable(near)),
                (None, Scope::System) => "ids and labels are compared letter by letter".to_owned(),
                (None, Scope::Own) => "name one that is not the caller's own by its id".to_owned(),
            };
            Complaint::new(IssueKind::UnknownWorkspace, message).hint(hint)
        })
    }

    /// An id that is not among the caller's own workspaces may still be one they can see.
    fn look_for(&mut self, id: &WorkspaceId) -> Result<Meaning, Failure> {
        const UNSEEN: &str = "the token sees no such workspace: it does not exist, or is not for this caller";
        let unseen =
            || Meaning::Decided(Decision::Rejected(Arc::new(Cause::new("workspace_unknown", UNSEEN))));
        let mut take = |id, label| {
            self.places.workspaces.push(Workspace { id, label });
            Meaning::Place(place(self.places.workspaces.len() - 1))
        };
        Ok(match self.session.houston.workspace(id) {
            Ok(Some(workspace)) => take(workspace.id, workspace.label),
            Ok(None) => unseen(),
            Err(failure) => match failure.fault {
                Fault::Denied { .. } | Fault::Rejected { .. } => unseen(),
                fault @ Fault::Expired { .. } => return Err(unusable(&fault, &self.session.url)),
                // Nobody knows for now; reading its members will tell.
                Fault::Unsent { .. }
                | Fault::NoAnswer { .. }
                | Fault::Proxy { .. }
                | Fault::Throttled { .. }
                | Fault::Already { .. }
                | Fault::Schema { .. }
                | Fault::Internal { .. }
                | Fault::Malformed { .. } => take(id.clone(), None),
            },
        })
    }
}

fn place(index: usize) -> u32 {
    u32::try_from(index).expect("fewer workspaces than rows")
}

/// Makes the plan: reads every workspace and decides every row.
///
/// # Errors
/// The token is dead (4).
pub fn plan(
    roster: &Roster,
    places: Places,
    settings: &RunSettings,
    session: &Session,
    announce: &mut dyn FnMut(&Event<'_>),
) -> Result<Plan, Failure> {
    let listed = places.listed.clone();
    let pruning = settings.prune.as_ref().map(|prune| {
        let belonging = Belonging::new(roster, &places.whereabouts, places.workspaces.len());
        Pruning::new(prune, belonging, listed)
    });
    let mut draft = Draft::new(roster, places);
    draft.roles = settings.roles;
    draft.pruning = pruning;
    draft.read(session, announce)?;
    if let Some(pruning) = draft.pruning {
        pruning.conclude(&mut draft.plan);
    }
    Ok(draft.plan)
}

/// Reads workspaces that have been created since the plan was made, and decides their rows again:
/// whoever created them is a member already.
///
/// # Errors
/// The token is dead (4).
pub fn plan_created(
    plan: Plan,
    created: &[u32],
    roster: &Roster,
    roles: RolePolicy,
    session: &Session,
    announce: &mut dyn FnMut(&Event<'_>),
) -> Result<Plan, Failure> {
    let mut wanted = vec![Vec::new(); plan.workspaces.len()];
    for (index, planned) in plan.rows.iter().enumerate() {
        if let (Some(place), Decision::Add) = (planned.workspace, &planned.decision)
            && created.contains(&place)
        {
            wanted[place as usize].push(RowNumber::from_index(index));
        }
    }
    let mut draft = Draft { roster, plan, wanted, roles, pruning: None };
    let places = created.iter().map(|&place| place as usize).collect();
    draft.read_places(places, session, announce)?;
    Ok(draft.plan)
}

/// A plan in the making.
struct Draft<'r> {
    roster: &'r Roster,
    plan: Plan,
    /// The wanted rows of each workspace of the plan.
    wanted: Vec<Vec<RowNumber>>,
    /// What is done about members with another role.
    roles: RolePolicy,
    /// The search for people who are not in the roster, if they are to go.
    pruning: Option<Pruning>,
}

impl<'r> Draft<'r> {
    fn new(roster: &'r Roster, places: Places) -> Self {
        let causes: HashMap<RowNumber, Arc<Cause>> = roster
            .issues()
            .kept()
            .iter()
            .filter_map(|issue| Some((issue.row?, Arc::new(Cause::new(issue.kind.code(), issue.message())))))
            .collect();
        let unknown = Arc::new(Cause::new(
            "invalid",
            "not a valid row, or another row wants the opposite; `validate` tells",
        ));
        let mut wanted = vec![Vec::new(); places.workspaces.len()];
        let meaning = |row: RowNumber| places.meanings[roster.workspace(row)? as usize].as_ref();
        let place = |row: RowNumber| match meaning(row)? {
            Meaning::Place(place) => Some(*place),
            Meaning::Decided(_) => None,
        };
        let mut plan_row = |row: RowNumber| {
            let (workspace, decision) = match roster.state(row) {
                RowState::LeftOut => (None, Decision::LeftOut),
                RowState::Merged { into } | RowState::Overruled { by: into } => {
                    (place(row), Decision::Merged { into })
                }
                RowState::Invalid => {
                    (None, Decision::Invalid(Arc::clone(causes.get(&row).unwrap_or(&unknown))))
                }
                RowState::Wanted => match meaning(row) {
                    Some(Meaning::Place(place)) => {
                        wanted[*place as usize].push(row);
                        (Some(*place), Decision::LeftOut)
                    }
                    Some(Meaning::Decided(decision)) => (None, decision.clone()),
                    None => (None, Decision::Invalid(Arc::clone(&unknown))),
                },
            };
            RowPlan { workspace, seen: None, decision }
        };
        let rows = (0..roster.len()).map(RowNumber::from_index).map(&mut plan_row).collect();
        let plan =
            Plan { workspaces: places.workspaces, rows, to_create: places.to_create, ..Plan::default() };
        Self { roster, plan, wanted, roles: RolePolicy::Keep, pruning: None }
    }

    /// Reads every workspace and decides its rows. In one that does not exist nobody is.
    fn read(&mut self, session: &Session, announce: &mut dyn FnMut(&Event<'_>)) -> Result<(), Failure> {
        let (to_create, existing): (Vec<usize>, Vec<usize>) =
            (0..self.plan.workspaces.len()).partition(|&at| self.plan.is_to_be_created(place(at)));
        for place in to_create {
            for row in std::mem::take(&mut self.wanted[place]) {
                self.note(row, Membership::Absent, Decision::Add);
            }
        }
        self.read_places(existing, session, announce)
    }

    fn read_places(
        &mut self,
        places: Vec<usize>,
        session: &Session,
        announce: &mut dyn FnMut(&Event<'_>),
    ) -> Result<(), Failure> {
        let task =
            |&place: &usize| Task { workspace: &self.plan.workspaces[place].id, rows: &self.wanted[place] };
        let tasks: Vec<Task<'_>> = places.iter().map(task).collect();
        let total = tasks.len() as u64;
        announce(&Event::ReadingStarted { workspaces: total });
        let survey = session.survey(self.roster.emails());
        let progress = |progress: Progress| match progress {
            Progress::Read(done) => announce(&Event::WorkspaceRead { done: done as u64, workspaces: total }),
            Progress::Tick => announce(&Event::Tick {
                tally: crate::engine::event::Tally::default(),
                pause: session.pause(),
            }),
        };
        let readings = match &self.pruning {
            None => survey.read(&tasks, progress),
            Some(pruning) => {
                let named: Vec<_> = places.iter().map(|&place| pruning.belonging.named(place)).collect();
                survey.read_with_strangers(&tasks, &named, progress)
            }
        };
        for (place, reading) in places.into_iter().zip(readings) {
            let rows = std::mem::take(&mut self.wanted[place]);
            match reading {
                Ok(reading) => {
                    self.decide(&rows, &reading, session);
                    if let Some(pruning) = &mut self.pruning {
                        let id = session.caller.as_ref().and_then(|caller| caller.user_id.as_deref());
                        pruning.meet(place, &reading, id, &session.caller_names(&reading));
                    }
                    self.wanted[place] = rows;
                }
                Err(fault) => {
                    let (status, cause) = unreadable(&fault, session)?;
                    for row in rows {
                        let cause = Arc::clone(&cause);
                        let is_final = status == Status::Rejected;
                        self.plan.rows[row.index()].decision =
                            if is_final { Decision::Rejected(cause) } else { Decision::GaveUp(cause) };
                    }
                }
            }
        }
        self.count_admins(session, announce)?;
        announce(&Event::ReadingFinished);
        Ok(())
    }

    fn decide(&mut self, rows: &[RowNumber], reading: &Reading, session: &Session) {
        let wishes = rows.iter().filter_map(|&row| self.roster.assignment(row));
        let decide = |(wish, &seen): (Assignment<'_>, &Membership)| decide(wish.role, seen, self.roles);
        let mut decisions: Vec<Decision> = wishes.zip(&reading.memberships).map(decide).collect();
        let caller = session.caller_names(reading);
        hold_caller(&mut decisions, |place| {
            caller.iter().any(|name| name == self.roster.emails().get(rows[place]))
        });
        for ((&row, &seen), decision) in rows.iter().zip(&reading.memberships).zip(decisions) {
            self.note(row, seen, decision);
        }
    }

    /// No workspace loses its last admin: where somebody is to be demoted, the others are counted.
    fn count_admins(
        &mut self,
        session: &Session,
        announce: &mut dyn FnMut(&Event<'_>),
    ) -> Result<(), Failure> {
        let is_demoted = |row: &&RowNumber| takes_admin(&self.plan.rows[row.index()].decision);
        let loses_one = |place: usize| {
            let extras = self.pruning.as_ref().map(|pruning| &pruning.extras[place]);
            extras.is_some_and(|extras| extras.iter().any(Extra::takes_an_admin))
        };
        let demoted: Vec<(usize, Vec<RowNumber>)> = (self.wanted.iter().enumerate())
            .map(|(place, rows)| (place, rows.iter().filter(is_demoted).copied().collect()))
            .filter(|(place, rows): &(usize, Vec<RowNumber>)| !rows.is_empty() || loses_one(*place))
            .collect();
        let tasks: Vec<Task<'_>> = demoted
            .iter()
            .map(|(place, rows)| Task { workspace: &self.plan.workspaces[*place].id, rows })
            .collect();
        let counts = session.survey(self.roster.emails()).other_admins(&tasks, |_| {
            announce(&Event::Tick { tally: crate::engine::event::Tally::default(), pause: session.pause() });
        });
        for ((place, rows), others) in demoted.iter().zip(counts) {
            let extras = self.pruning.as_mut().map(|pruning| &mut pruning.extras[*place][..]);
            let leavers = extras.unwrap_or_default();
            let mut decisions: Vec<Decision> =
                rows.iter().map(|row| self.plan.rows[row.index()].decision.clone()).collect();
            match others {
                Ok(others) => hold_last_admins(&mut decisions, leavers, others),
                Err(fault) => {
                    let (_, cause) = unreadable(&fault, session)?;
                    decisions.fill(Decision::GaveUp(cause));
                    for leaver in leavers.iter_mut().filter(|leaver| leaver.leaves()) {
                        leaver.stay = Some(Stay::Incomplete);
                    }
                }
            }
            for (row, decision) in rows.iter().zip(decisions) {
                self.plan.rows[row.index()].decision = decision;
            }
        }
        Ok(())
    }

    fn note(&mut self, row: RowNumber, seen: Membership, decision: Decision) {
        let planned = &mut self.plan.rows[row.index()];
        planned.seen = Some(seen);
        planned.decision = decision;
    }
}

/// What it means for its rows that a workspace cannot be read: for good, or for now.
///
/// # Errors
/// The token is dead (4).
pub fn unreadable(fault: &Fault, session: &Session) -> Result<(Status, Arc<Cause>), Failure> {
    match fault {
        Fault::Expired { .. } => Err(unusable(fault, &session.url)),
        Fault::Denied { text } => {
            // A living token may always ask who it is.
            if let Err(failure) = session.houston.caller()
                && let Fault::Denied { .. } | Fault::Expired { .. } = failure.fault
            {
                return Err(unusable(fault, &session.url));
            }
            Ok((Status::Rejected, Arc::new(Cause::new("workspace_denied", text.clone()))))
        }
        Fault::Rejected { kind: RejectedKind::NotFound, .. } => {
            Ok((Status::Rejected, Arc::new(cause(fault))))
        }
        Fault::Unsent { .. }
        | Fault::Rejected { .. }
        | Fault::NoAnswer { .. }
        | Fault::Proxy { .. }
        | Fault::Throttled { .. }
        | Fault::Already { .. }
        | Fault::Schema { .. }
        | Fault::Internal { .. }
        | Fault::Malformed { .. } => {
            let text = format!("the workspace cannot be read: {fault}");
            Ok((Status::GaveUp, Arc::new(Cause::new("unreadable", text))))
        }
    }
}
