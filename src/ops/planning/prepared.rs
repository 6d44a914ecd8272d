//! A plan together with what it was made from, ready to be shown, saved or carried out.
//!
//! Main type: [`PreparedPlan`]. It reads what Houston has and sends no mutation.

use std::collections::{HashMap, HashSet};

use super::deployments::come_with_adds;
use super::expected::fits;
use super::roster::ResolvedInput;
use super::{Wanted, plan};
use crate::engine::batch::Subjects;
use crate::event::Event;
use crate::houston::DeploymentGrant;
use crate::model::ItemId;
use crate::ops::failure::Failure;
use crate::ops::notices::Notices;
use crate::ops::session::Session;
use crate::outcome::ExitStatus;
use crate::plan::guard::{GuardVerdict, OnGuard};
use crate::plan::{self, Account, Action, Counts, Item, Operation, Phase, Plan};
use crate::record::journal::{Origin, PlanLine, RunSettings};
use crate::report::Reporter;
use crate::report::notices::Notice;
use crate::report::plan::stale::Stale;
use crate::report::plan::{Detail, Estimate, PlanFormat, PlanReport};
use crate::roster::Roster;

/// How a plan is to be shown.
#[derive(Debug, Clone, Copy)]
pub struct Look<'l> {
    /// In which format.
    pub format: PlanFormat,
    /// How much of it.
    pub detail: Detail,
    /// With these old invitations.
    pub stale: Option<&'l Stale>,
    /// With this digest.
    pub digest: Option<&'l str>,
}

/// A plan, and what it was made from.
pub struct PreparedPlan {
    /// The decisions.
    pub plan: Plan,
    /// How many rows were decided in which way.
    pub counts: Counts,
    /// Whether roles in deployments are given together with the adds.
    grants_come_along: bool,
    source: Source,
}

/// What a plan is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Roster,
    /// A plan that `plan --out` saved, with its limits.
    SavedPlan,
    /// A plan that takes a run back; it has no limits of its own.
    Undo,
}

impl Source {
    fn of(input: &ResolvedInput) -> Self {
        match &input.expected {
            None => Self::Roster,
            Some(expected) if expected.undo => Self::Undo,
            Some(_) => Self::SavedPlan,
        }
    }
}

impl PreparedPlan {
    /// Reads Houston and decides every row.
    ///
    /// # Errors
    /// As [`plan()`]; or it is no longer the saved plan (9), or the installation's policy refuses what the plan
    /// would do (5).
    pub fn prepare(
        input: &mut ResolvedInput,
        settings: &RunSettings,
        session: &Session,
        progress: &mut dyn Reporter,
    ) -> Result<Self, Failure> {
        let places = std::mem::take(&mut input.places);
        let announce = &mut |event: &Event<'_>| session.show(event, progress);
        let wishes = std::mem::take(&mut input.wishes);
        let source = Source::of(input);
        let is_saved = source != Source::Roster;
        let wanted = Wanted { roster: &input.roster, name: &input.name, is_saved };
        let plan = plan(wanted, places, wishes, settings, session, announce)?;
        let roles = plan.in_phase(Phase::Deployments).iter();
        input.rows_of_grants.get_or_init(|| roles.filter_map(Item::row).collect());
        let counts = Counts::of(&plan.items);
        let grants_come_along = come_with_adds(&plan, session);
        let prepared = Self { plan, counts, grants_come_along, source };
        let changes = (prepared.changes() + prepared.plan.to_create.len()) as u64;
        let guard = prepared.guard(settings);
        session.show(&Event::Planned { counts, changes, guard }, progress);
        if let Some(expected) = input.expected.take() {
            let names = (&*input.name, &*prepared.plan.workspaces);
            fits(&expected, prepared.lines(&input.roster), names, session)?;
            expected.check_counts(&counts)?;
        }
        if prepared.counts.add + prepared.counts.renew > 0 {
            session.check_policy(settings)?;
        }
        if prepared.takes_away() {
            session.identity.check(&session.url)?;
        }
        if prepared.changes() > 0 {
            session.warn_of_token(prepared.requests());
        }
        Ok(prepared)
    }

    /// What was seen and decided: a line per item.
    pub fn lines(&self, roster: &Roster) -> impl Iterator<Item = PlanLine> {
        self.plan.numbered().map(move |(id, item)| {
            let (origin, email) = match item.origin {
                plan::Origin::Row(number) => {
                    let origin = Origin::Row { number, line: roster.line(number) };
                    (origin, roster.assignment(number).map(|wish| wish.email).unwrap_or_default())
                }
                plan::Origin::Extra => (Origin::Extra, self.plan.people[&id].as_str()),
            };
            PlanLine::of(&self.plan, id, origin, email.to_owned())
        })
    }

    /// Mutations of members.
    pub fn changes(&self) -> usize {
        self.alone(&self.plan.items).count()
    }

    /// How many of them remove people from workspaces.
    pub fn removals(&self) -> usize {
        let removes = |item: &&Item| {
            item.phase() != Phase::Deployments && matches!(item.decision.action(), Some(Action::Remove(_)))
        };
        self.alone(&self.plan.items).filter(removes).count()
    }

    /// What rows need besides a person in a workspace: deployment roles that are set together with adds, if
    /// the server supports that, and whom to remove first.
    pub fn subjects(&self) -> Subjects {
        let replaced = self.replaced().map(|(id, all)| (id, all.clone())).collect();
        let mut subjects = Subjects { replaced, ..Subjects::default() };
        let wanted = self.plan.in_phase(Phase::Deployments).iter().filter(|item| item.decision.is_add());
        for item in wanted.filter(|_| self.grants_come_along) {
            let (Some(row), Some(role)) = (item.row(), item.wanted) else { continue };
            let Some(deployment) = self.plan.deployment(item) else { continue };
            let bundled = DeploymentGrant { deployment: deployment.id.clone(), role };
            subjects.bundled.entry(row.into()).or_default().push(bundled);
        }
        subjects
    }

    /// What Houston knows the people by who are removed and added again.
    fn replaced(&self) -> impl Iterator<Item = (ItemId, &Vec<Account>)> {
        let is_row = |id: ItemId| self.plan.items[id.index()].phase() == Phase::Members;
        self.plan.accounts.iter().map(|(id, all)| (*id, all)).filter(move |(id, _)| is_row(*id))
    }

    /// Those of some items that need a mutation of their own.
    fn alone<'i>(&self, items: &'i [Item]) -> impl Iterator<Item = &'i Item> {
        items.iter().filter(|item| item.decision.is_change() && !self.comes_along(item))
    }

    /// Whether it is a role in a deployment that is given in the same request as the one in the workspace.
    pub fn comes_along(&self, item: &Item) -> bool {
        let is_added = |row| self.plan.of_row(row).decision.is_add();
        self.grants_come_along && item.phase() == Phase::Deployments && item.row().is_some_and(is_added)
    }

    /// Whether people are removed or demoted, also for a moment or in a deployment.
    fn takes_away(&self) -> bool {
        self.plan.items.iter().filter_map(|item| item.decision.action()).any(Action::takes_away)
    }

    /// Announces which limits the removals exceed, and which would allow them.
    pub fn announce_excess(&self, settings: &RunSettings, notices: &Notices) {
        for refusal in &self.plan.refusals {
            let workspace = refusal.workspace.map(|place| self.plan.workspaces[place as usize].to_string());
            notices.give(&Notice::Guard { workspace: workspace.as_deref(), refusal });
        }
        if !self.plan.refusals.is_empty() && skips_removals(settings) {
            notices.give(&Notice::RemovalsLeftOut(&self.plan.limits_needed));
        }
    }

    /// What the limits of removals say about it.
    pub fn guard(&self, settings: &RunSettings) -> GuardVerdict {
        match (self.plan.refusals.is_empty(), skips_removals(settings)) {
            (true, _) => GuardVerdict::Passed,
            (false, true) => GuardVerdict::RemovalsSkipped,
            (false, false) => GuardVerdict::Refused,
        }
    }

    /// Stops where more people would be removed than is allowed, unless only the removals are left out.
    ///
    /// # Errors
    /// More would be removed than is allowed (7).
    pub fn refuse(&self, settings: &RunSettings) -> Result<(), Failure> {
        match self.guard(settings) {
            GuardVerdict::Passed | GuardVerdict::RemovalsSkipped => return Ok(()),
            GuardVerdict::Refused => {}
        }
        let error = anyhow::anyhow!("too many people would be removed; nothing was sent");
        Err(Failure::new(ExitStatus::Guard, error).hint(self.what_would_allow()))
    }

    /// What the user can do about limits that are exceeded.
    pub fn what_would_allow(&self) -> String {
        let needed: Vec<_> = self.plan.limits_needed.iter().map(ToString::to_string).collect();
        let allow = needed.join(" ");
        let others = !self.plan.to_create.is_empty()
            || self.alone(&self.plan.items).any(|item| !self.is_refused(item));
        let applies = |verb| {
            if others { format!("; --on-guard skip-removals {verb} everything else") } else { String::new() }
        };
        match self.source {
            Source::Roster => format!(
                "check that the roster is complete. If it is, {allow} would allow it{}",
                applies("applies")
            ),
            Source::SavedPlan => format!(
                "check that the roster is complete. The limits are part of the saved plan; if it is complete, save a new plan: `plan ROSTER ... {allow} --out FILE`"
            ),
            Source::Undo => format!(
                "this plan removes the people whom its run added. If they are all to be removed, {allow} would allow it{}",
                applies("undoes")
            ),
        }
    }

    /// Whether it is a removal that a limit refuses.
    fn is_refused(&self, item: &Item) -> bool {
        let mut of_workspaces = self.plan.refusals.iter().filter_map(|refusal| refusal.workspace).peekable();
        let is_meant =
            of_workspaces.peek().is_none() || of_workspaces.any(|one| Some(one) == item.workspace());
        item.phase() == Phase::Removals && is_meant
    }

    /// The plan in a format.
    ///
    /// # Errors
    /// If it cannot be written in that format.
    pub fn render(
        &self,
        input: &ResolvedInput,
        session: &Session,
        settings: &RunSettings,
        look: Look<'_>,
    ) -> Result<String, Failure> {
        let version = session.version();
        let report = PlanReport {
            plan: &self.plan,
            roster: &input.roster,
            name: &input.name,
            shard: input.shard,
            target: &session.url,
            houston_version: version.as_deref(),
            estimate: self.estimate(session),
            stale: look.stale,
            settings,
            digest: look.digest,
        };
        report.render(look.format, look.detail).map_err(|error| Failure::new(ExitStatus::Internal, error))
    }

    fn requests(&self) -> u64 {
        let workspaces = |phase| self.alone(self.plan.in_phase(phase)).filter_map(Item::workspace);
        let members = self.plan.in_phase(Phase::Members).iter();
        let changes = members.filter_map(|item| Some((item.workspace()?, item.decision.action()?)));
        requests_in(workspaces(Phase::Members), PROOF)
            + counts_of_admins(changes)
            + requests_in(workspaces(Phase::Deployments), LOOK + PROOF)
            + requests_in(workspaces(Phase::Removals), LOOK + PROOF)
    }

    fn estimate(&self, session: &Session) -> Estimate {
        // A workspace that is created is read after it.
        let created = self.plan.to_create.len() as u64;
        // A replaced person is removed first.
        let replacements: usize = self.replaced().map(|(_, all)| all.len()).sum();
        let mutations = (self.changes() + replacements) as u64 + created;
        let requests = self.requests() + replacements as u64 + 2 * created;
        let (seconds, seconds_most) = session.time_for(requests);
        let token_seconds = session.token_left().map(|left| left.as_secs());
        Estimate { requests, mutations, reads: requests - mutations, seconds, seconds_most, token_seconds }
    }

    /// The exit status of a run of this plan, if everything it sends succeeds.
    pub fn status(&self) -> ExitStatus {
        if self.counts.gave_up > 0 {
            ExitStatus::Unresolved
        } else if self.counts.held_back > 0 {
            ExitStatus::Guard
        } else if self.counts.rejected + self.counts.invalid > 0 {
            ExitStatus::RowsFailed
        } else {
            ExitStatus::Done
        }
    }
}

fn skips_removals(settings: &RunSettings) -> bool {
    settings.prune.as_ref().is_some_and(|prune| prune.on_guard == OnGuard::SkipRemovals)
}

/// Whether these remove or demote people, also for a moment.
pub fn takes_away(operations: &[Operation]) -> bool {
    operations.iter().any(|operation| operation.action.takes_away())
}

/// The read of a workspace before a later phase, and the one that proves what was sent.
const LOOK: u64 = 1;
const PROOF: u64 = 1;
/// A workspace with more mutations than this reads its first one back.
const CANARY_FROM: u64 = 4;

/// How many requests carry mutations out that are in these workspaces: each of them, so many reads per
/// workspace, and the read-back of the first one where there are many.
fn requests_in(workspaces: impl Iterator<Item = u32>, reads: u64) -> u64 {
    let mut shares: HashMap<u32, u64> = HashMap::new();
    workspaces.for_each(|workspace| *shares.entry(workspace).or_default() += 1);
    shares.values().map(|&all| all + reads + u64::from(all > CANARY_FROM)).sum()
}

/// How many workspaces have an admin among these who is demoted: before that, the admins are counted.
fn counts_of_admins(changes: impl Iterator<Item = (u32, Action)>) -> u64 {
    let demotions = changes.filter(|(_, action)| action.demotes_an_admin());
    demotions.map(|(workspace, _)| workspace).collect::<HashSet<u32>>().len() as u64
}

/// How many requests carry these mutations of members out.
pub fn requests(operations: &[Operation]) -> u64 {
    requests_in(operations.iter().map(|operation| operation.workspace), PROOF)
        + counts_of_admins(operations.iter().map(|operation| (operation.workspace, operation.action)))
}
