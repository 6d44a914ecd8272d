//! From a roster whose workspaces are known, and a Houston, to a plan: read Houston, decide per row.
//!
//! Main function: [`plan`]. It sends nothing but reads.

pub mod blind;
pub mod deployments;
pub mod expected;
pub mod handover;
pub mod locked_out;
pub mod people;
pub mod prepared;
pub mod prune;
pub mod replace;
mod roll;
pub mod roster;
mod shard;
pub mod stale;
pub mod workspaces;

use std::collections::HashMap;
use std::sync::Arc;

use super::session::{Session, unusable};
use crate::engine::verdict::cause;
use crate::event::Event;
use crate::houston::{Fault, RejectedKind};
use crate::model::{ItemId, RowNumber, Scope};
use crate::ops::failure::Failure;
use crate::ops::notices::Notices;
use crate::ops::planning::blind::{Denied, refuse_blind};
use crate::ops::planning::deployments::{GrantPolicy, Wish, asked, decide_grants};
use crate::ops::planning::handover::{Candidate, announce, successors};
use crate::ops::planning::locked_out::mark_locked_out;
use crate::ops::planning::people::{Agreement, People};
use crate::ops::planning::prune::{Belonging, Pruning};
use crate::ops::planning::replace::plan_replacements;
use crate::ops::planning::roll::Roll;
use crate::ops::planning::workspaces::{Meaning, Places, Whole, place};
use crate::outcome::{Cause, Code, Status};
use crate::plan::census::Census;
use crate::plan::guard::{AdminCount, Bars, hold_last_admins};
use crate::plan::protect::Protect;
use crate::plan::{
    Action, Decision, Guard, Item, Membership, Origin, Phase, Plan, Reason, RolePolicy, Subject, decide, pick,
};
use crate::present::grants::{Answers, Asked};
use crate::present::members::{Admins, Reading};
use crate::present::survey::{Progress, Task};
use crate::record::journal::RunSettings;
use crate::report::notices::{Notice, PlanningNotice};
use crate::roster::{Roster, RowState};

/// The roster of a plan.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'r> {
    /// What it says.
    pub roster: &'r Roster,
    /// What it is called in messages.
    pub name: &'r str,
    /// Whether it comes with a plan that was made from it.
    pub is_saved: bool,
}

/// Makes the plan: reads every workspace and decides every row.
///
/// # Errors
/// The token is dead (4), or rows about one person contradict each other (3; 9 for a saved plan).
pub fn plan(
    wanted: Wanted<'_>,
    mut places: Places,
    wishes: Vec<Wish>,
    settings: &RunSettings,
    session: &Session,
    announce: &mut dyn FnMut(&Event<'_>),
) -> Result<Plan, Failure> {
    let Wanted { roster, name, is_saved } = wanted;
    let listed = places.listed.take();
    let of_whole = places.whole.take();
    let named = of_whole.as_ref().map_or(places.workspaces.len(), |whole| whole.workspaces);
    let is_shard = of_whole.is_some();
    let is_undo = listed.is_some();
    let protect = Protect::new(&settings.protected());
    let (belonging, roll, held) = match of_whole {
        Some(Whole { workspaces: _, belonging, roll, held }) => (Some(belonging), roll, held),
        None => (None, Roll::new(roster, &places.whereabouts, places.workspaces.len()), None),
    };
    let pruning = settings.prune.as_ref().map(|prune| {
        let of_roster = || Belonging::new(roster, &places.whereabouts, places.workspaces.len());
        let belonging = belonging.unwrap_or_else(of_roster);
        Pruning::new(prune, protect.clone(), belonging, listed).judged(held)
    });
    // What undoes a run names only the people whom it changed.
    let roll = if is_undo { roll.of_some() } else { roll };
    let mut draft = Draft::new(roster, places);
    draft.roll = Some(roll);
    draft.roles = settings.roles;
    draft.protect = protect.clone();
    draft.pruning = pruning;
    draft.read(&asked(&wishes, roster), session, announce)?;
    let Draft { mut plan, people, pruning, grants, denied, .. } = draft;
    people.check(name, is_saved, &session.notices)?;
    let at = |(at, text)| Denied { workspace: &plan.workspaces[at], text };
    let denied: Vec<Denied<'_>> = denied.into_iter().map(at).collect();
    refuse_blind(&denied, named, session)?;
    drop(denied);
    mark_locked_out(&mut plan, roster, settings, session, announce)?;
    if settings.repair_duplicates || settings.reinvite {
        plan_replacements(&mut plan, roster, settings, &protect, session, announce)?;
    }
    let wanted = GrantPolicy { roster, roles: settings.roles, protect: &protect };
    decide_grants(wishes, grants, &mut plan, &wanted, session)?;
    if let Some(pruning) = pruning {
        pruning.conclude(&mut plan);
    }
    // A pattern may match people of another shard.
    if !is_shard {
        warn_of_unmatched(&protect, &session.notices);
    }
    Ok(plan)
}

/// A pattern that matches no one protects no one: it may be mistyped.
fn warn_of_unmatched(protect: &Protect, notices: &Notices) {
    for pattern in protect.unmatched() {
        notices.give(&Notice::Planning(PlanningNotice::UnmatchedProtect(pattern)));
    }
}

/// Reads workspaces that have been created since the plan was made, and decides their rows again: the user
/// who created them is already a member.
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
    for operation in plan.operations(Phase::Members) {
        if created.contains(&operation.workspace) && matches!(operation.action, Action::Add(_)) {
            wanted[operation.workspace as usize].push(operation.item);
        }
    }
    let (admins, grants) = nothing_read(&plan);
    let protect = Protect::default();
    let (people, denied) = (People::new(roster), Vec::new());
    let (pruning, roll) = (None, None);
    let mut draft =
        Draft { roster, plan, wanted, people, roles, protect, pruning, roll, grants, admins, denied };
    let places = created.iter().map(|&place| place as usize).collect();
    draft.read_places(places, &HashMap::new(), session, announce)?;
    Ok(draft.plan)
}

/// The admins and the roles in deployments of each workspace, before any was read.
fn nothing_read(plan: &Plan) -> (Vec<Option<Admins>>, Vec<Answers>) {
    let workspaces = plan.workspaces.len();
    (vec![None; workspaces], vec![Ok(Vec::new()); workspaces])
}

/// A plan in the making.
struct Draft<'r> {
    roster: &'r Roster,
    plan: Plan,
    /// The wanted rows of each workspace of the plan.
    wanted: Vec<Vec<ItemId>>,
    /// The people who have several rows.
    people: People<'r>,
    /// What is done about members with another role.
    roles: RolePolicy,
    /// Who is neither removed nor demoted.
    protect: Protect,
    /// The search for people who are not in the roster, if they are to go.
    pruning: Option<Pruning>,
    /// Whom the roster names beside the wanted rows; none for workspaces that have just been created.
    roll: Option<Roll>,
    /// What was read of the deployment roles that were asked for, by index.
    grants: Vec<Answers>,
    /// The admins of each workspace whose list was read to its end.
    admins: Vec<Option<Admins>>,
    /// The workspaces whose lists Houston refused, by index, and what it said.
    denied: Vec<(usize, String)>,
}

impl<'r> Draft<'r> {
    fn new(roster: &'r Roster, places: Places) -> Self {
        let causes: HashMap<RowNumber, Arc<Cause>> = roster
            .issues()
            .kept()
            .iter()
            .filter_map(|issue| {
                Some((issue.row?, Arc::new(Cause::new(issue.kind.of_a_row()?, issue.message()))))
            })
            .collect();
        let unknown = Arc::new(Cause::new(
            Code::Invalid,
            "invalid row, or another row contradicts it; run `validate` for details",
        ));
        let meaning = |row: RowNumber| places.meanings[roster.workspace(row)? as usize].as_ref();
        let place = |row: RowNumber| match meaning(row)? {
            Meaning::Place(place) => Some(*place),
            Meaning::Decided(_) => None,
        };
        // Counted first, so that the lists of a million rows need not grow.
        let mut counts = vec![0; places.workspaces.len()];
        let rows = (0..roster.len()).map(RowNumber::from_index);
        let of_wanted = rows.filter(|&row| roster.state(row) == RowState::Wanted).filter_map(place);
        of_wanted.for_each(|place| counts[place as usize] += 1);
        let mut wanted: Vec<Vec<ItemId>> = counts.into_iter().map(Vec::with_capacity).collect();
        let mut plan_row = |row: RowNumber| {
            let (place, decision) = match roster.state(row) {
                RowState::LeftOut => (None, Decision::Keep(Reason::LeftOut)),
                RowState::Merged { into } | RowState::Overruled { by: into } => {
                    (place(row), Decision::Keep(Reason::Merged { into }))
                }
                RowState::Invalid => {
                    let cause = causes.get(&row).unwrap_or(&unknown);
                    (None, Decision::Keep(Reason::Invalid(Arc::clone(cause))))
                }
                RowState::Wanted => match meaning(row) {
                    Some(Meaning::Place(place)) => {
                        wanted[*place as usize].push(row.into());
                        (Some(*place), Decision::Keep(Reason::LeftOut))
                    }
                    Some(Meaning::Decided(reason)) => (None, Decision::Keep(reason.clone())),
                    None => (None, Decision::Keep(Reason::Invalid(Arc::clone(&unknown)))),
                },
            };
            Item {
                origin: Origin::Row(row),
                subject: place.map(|workspace| Subject::new(workspace, None)),
                wanted: roster.assignment(row).map(|wish| wish.role),
                seen: None,
                decision,
            }
        };
        let items = (0..roster.len()).map(RowNumber::from_index).map(&mut plan_row).collect();
        let plan =
            Plan { workspaces: places.workspaces, items, to_create: places.to_create, ..Plan::default() };
        let (admins, grants) = nothing_read(&plan);
        let (people, protect) = (People::new(roster), Protect::default());
        let (roles, denied, roll) = (RolePolicy::Keep, Vec::new(), None);
        Self { roster, plan, wanted, people, roles, protect, pruning: None, roll, grants, admins, denied }
    }

    /// Reads every workspace and decides its rows. One that does not exist has no members.
    fn read(
        &mut self,
        asked: &HashMap<u32, Vec<Asked<'_>>>,
        session: &Session,
        announce: &mut dyn FnMut(&Event<'_>),
    ) -> Result<(), Failure> {
        let (to_create, existing): (Vec<usize>, Vec<usize>) =
            (0..self.plan.workspaces.len()).partition(|&at| self.plan.is_to_be_created(place(at)));
        for place in to_create {
            for item in pick(&mut self.plan.items, &std::mem::take(&mut self.wanted[place])) {
                let Some(wanted) = item.wanted else { continue };
                item.seen = Some(Membership::Absent);
                item.decision = Decision::Change(Action::Add(wanted));
            }
        }
        self.read_places(existing, asked, session, announce)
    }

    /// Reads each of these workspaces once, for all that has to be known of it, and decides its rows.
    fn read_places(
        &mut self,
        places: Vec<usize>,
        asked: &HashMap<u32, Vec<Asked<'_>>>,
        session: &Session,
        announce: &mut dyn FnMut(&Event<'_>),
    ) -> Result<(), Failure> {
        let task = |&at: &usize| Task {
            named: self.pruning.as_ref().map(|pruning| pruning.belonging.named(at)),
            asked: asked.get(&place(at)).map_or(&[], Vec::as_slice),
            others: self.roll.as_ref().map_or(&[], |roll| roll.others(at)),
            ..Task::new(&self.plan.workspaces[at].id, &self.wanted[at])
        };
        let tasks: Vec<Task<'_>> = places.iter().map(task).collect();
        let total = tasks.len() as u64;
        announce(&Event::ReadingStarted { workspaces: total });
        let may_lose_admins = self.roles == RolePolicy::Update || self.pruning.is_some();
        let survey = session.survey(self.roster.emails());
        let survey = survey.protecting(&self.protect).keeping_admins(may_lose_admins);
        let readings = survey.read(&tasks, |progress| match progress {
            Progress::Read(done) => announce(&Event::WorkspaceRead { done: done as u64, workspaces: total }),
            Progress::Tick => announce(&session.tick()),
        });
        self.plan.census.resize(self.plan.workspaces.len(), None);
        for (at, reading) in places.into_iter().zip(readings) {
            let rows = std::mem::take(&mut self.wanted[at]);
            match reading {
                Ok(reading) => {
                    self.plan.census[at] = Some(self.census(at, &reading));
                    self.decide(&rows, &reading, session);
                    let agreement = self.people.settle(&rows, &reading.shared, &mut self.plan.items);
                    if let Some(pruning) = &mut self.pruning {
                        if agreement == Agreement::Opposed {
                            pruning.belonging.doubt(at);
                        }
                        let id = session.identity.user_id();
                        pruning.meet(at, &reading, id, &session.caller_names(&reading));
                    }
                    self.wanted[at] = rows;
                    self.admins[at] = reading.admins;
                    self.grants[at] = reading.grants;
                }
                Err(fault) => {
                    let (status, cause) = unreadable(&fault, session)?;
                    self.plan.census[at] = Some(Census::unreadable(cause.text.clone()));
                    if let Fault::Denied { text } = fault {
                        self.denied.push((at, text));
                    }
                    for item in pick(&mut self.plan.items, &rows) {
                        item.decision = Decision::Keep(Reason::failed(status, Arc::clone(&cause)));
                    }
                }
            }
        }
        self.count_admins(session, announce)?;
        announce(&Event::ReadingFinished);
        Ok(())
    }

    /// Who is in the workspace at this index. A roster that does not say whom it means knows no strangers.
    fn census(&self, at: usize, reading: &Reading) -> Census {
        let mut census = reading.census.clone();
        census.not_in_roster =
            census.not_in_roster.filter(|_| self.roll.as_ref().is_none_or(|roll| roll.is_sure(at)));
        census
    }

    fn decide(&mut self, rows: &[ItemId], reading: &Reading, session: &Session) {
        let caller = session.caller_names(reading);
        let doubt = reading.cause_of_doubt().map(Arc::new);
        let items = pick(&mut self.plan.items, rows);
        for ((item, &seen), &row) in items.zip(&reading.memberships).zip(rows) {
            let Some(wanted) = item.wanted else { continue };
            let email = self.roster.emails().get(row);
            let is_theirs = |name: &String| name == email;
            let bars = Bars {
                // Asked for every person, so that every matching pattern is known to match.
                is_protected: self.protect.covers([email]) || reading.protected.iter().any(is_theirs),
                is_caller: caller.iter().any(is_theirs),
                is_incomplete: false,
            };
            item.seen = Some(seen);
            item.decision = match (decide(Scope::Workspace, wanted, seen, self.roles).barred(bars), &doubt) {
                (Decision::Change(Action::Add(_)), Some(doubt)) => {
                    Decision::Keep(Reason::Unreadable(Arc::clone(doubt)))
                }
                (decision, _) => decision,
            };
        }
    }

    /// No workspace loses its last admin: where a demotion is planned, the other admins are counted.
    fn count_admins(
        &mut self,
        session: &Session,
        announce: &mut dyn FnMut(&Event<'_>),
    ) -> Result<(), Failure> {
        let is_demoted = |row: &&ItemId| self.plan.items[row.index()].takes_an_admin();
        let loses_one = |place: usize| {
            let extras = self.pruning.as_ref().map(|pruning| &pruning.extras[place]);
            extras.is_some_and(|extras| extras.iter().any(|extra| extra.item.takes_an_admin()))
        };
        let demoted: Vec<(usize, Vec<ItemId>)> = (self.wanted.iter().enumerate())
            .map(|(place, rows)| (place, rows.iter().filter(is_demoted).copied().collect()))
            .filter(|(place, rows): &(usize, Vec<ItemId>)| !rows.is_empty() || loses_one(*place))
            .collect();
        let counts = self.other_admins(&demoted, session, announce);
        for ((place, rows), others) in demoted.iter().zip(counts) {
            let coming = match &others {
                Ok(others) => self.coming_admins(*place, rows, *others, session)?,
                Err(_) => 0,
            };
            let extras = self.pruning.as_mut().map(|pruning| &mut pruning.extras[*place][..]);
            let leavers = extras.unwrap_or_default().iter_mut().map(|extra| &mut extra.item);
            let demoted = pick(&mut self.plan.items, rows);
            match others {
                Ok(others) => {
                    let admins = AdminCount { others, coming };
                    hold_last_admins(demoted.chain(leavers).filter_map(Item::to_judge), admins);
                }
                Err(fault) => {
                    let (_, cause) = unreadable(&fault, session)?;
                    let unread = Decision::Keep(Reason::Unreadable(cause));
                    demoted.for_each(|item| item.decision = unread.clone());
                    leavers.for_each(|leaver| leaver.hold(Guard::Incomplete));
                }
            }
        }
        Ok(())
    }

    /// How many people become admins of a workspace that would otherwise have none left: one at most, which
    /// is enough. Who hands over to whom is announced.
    fn coming_admins(
        &self,
        place: usize,
        demoted: &[ItemId],
        others: usize,
        session: &Session,
    ) -> Result<usize, Failure> {
        let extras = self.pruning.as_ref().map(|pruning| &pruning.extras[place][..]);
        let removed = extras.unwrap_or_default().iter().filter(|extra| extra.item.takes_an_admin());
        let removed: Vec<&str> = removed.map(|extra| extra.name.as_str()).collect();
        let Some(needed) = (removed.len() + 1).checked_sub(others).filter(|&needed| needed > 0) else {
            return Ok(0);
        };
        let emails = self.roster.emails();
        let candidate = |&row: &ItemId| {
            let (email, item) = (emails.spelled(row), &self.plan.items[row.index()]);
            Candidate { row, email, item }
        };
        let workspace = &self.plan.workspaces[place];
        let candidates = self.wanted[place].iter().map(candidate);
        let coming = successors(candidates, &workspace.id, needed, session)?;
        if coming.len() >= needed {
            let demoted = demoted.iter().map(|&row| emails.spelled(row));
            let leaving: Vec<&str> = demoted.chain(removed).collect();
            announce(session, &workspace.to_string(), &leaving, &coming);
        }
        Ok(coming.len())
    }

    /// How many admins each of these workspaces has besides the people of its rows: as they were seen, or,
    /// where the list was not read to its end, as they are read now.
    fn other_admins(
        &self,
        demoted: &[(usize, Vec<ItemId>)],
        session: &Session,
        announce: &mut dyn FnMut(&Event<'_>),
    ) -> Vec<Result<usize, Fault>> {
        let emails = self.roster.emails();
        let seen = |(place, rows): &(usize, Vec<ItemId>)| {
            let admins = self.admins[*place].as_ref()?;
            Some(admins.other_than(rows.iter().map(|&row| emails.get(row))))
        };
        let unseen = demoted.iter().filter(|(place, _)| self.admins[*place].is_none());
        let tasks: Vec<Task<'_>> =
            unseen.map(|(place, rows)| Task::new(&self.plan.workspaces[*place].id, rows)).collect();
        let survey = session.survey(emails);
        let mut counts = survey.other_admins(&tasks, |_| announce(&session.tick())).into_iter();
        demoted.iter().filter_map(|one| seen(one).map(Ok).or_else(|| counts.next())).collect()
    }
}

/// What an unreadable workspace means for its rows: a permanent or a temporary failure.
///
/// # Errors
/// The token is dead (4), or something in front of Houston lets nothing through (5).
pub fn unreadable(fault: &Fault, session: &Session) -> Result<(Status, Arc<Cause>), Failure> {
    match fault {
        Fault::Expired { .. } => Err(unusable(fault, &session.url)),
        Fault::Unsent { .. } | Fault::Proxy { .. } if fault.bars_all() => Err(unusable(fault, &session.url)),
        Fault::Denied { text } => {
            // A living token may always ask who it is.
            if let Err(failure) = session.houston.caller()
                && let Fault::Denied { .. } | Fault::Expired { .. } = failure.fault
            {
                return Err(unusable(fault, &session.url));
            }
            Ok((Status::Rejected, Arc::new(Cause::new(Code::WorkspaceDenied, text.clone()))))
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
            Ok((Status::GaveUp, Arc::new(Cause::new(Code::Unreadable, text))))
        }
    }
}
