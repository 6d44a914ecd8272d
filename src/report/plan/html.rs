//! A plan as one self-contained HTML page, for those who approve it.
//!
//! Main function: `PlanReport::html`. It shows; it decides nothing.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use super::items::PlannedItem;
use super::{PlanReport, summed_up};
use crate::model::{ItemId, Level, Role, printable};
use crate::outcome::Code;
use crate::plan::{Action, Counts, Decision, Item, Membership, Phase, Reason};
use crate::report::closing::advice;
use crate::report::html::{
    self, Approval, Audit, Card, Cell, Column, Count, Drawn, Fact, Group, Name, Packer, Page, Remark, Share,
    SheetRow, Subject, Table, Tile, Tone, Workspace, bar, filter, shift,
};
use crate::report::spoken;

/// How many people of one kind are named.
const NAMED: usize = 500;
/// How many cards and workspaces there are at most.
const CARDS: usize = 7;
const WORKSPACES: usize = 60;
/// With more rows than this, those without a change or a remark are left out of the table.
const ALL_ROWS: usize = 200_000;
/// The tones of a plan, in the order of the page.
const TONES: [Tone; 6] = [Tone::Remove, Tone::Change, Tone::Add, Tone::Held, Tone::Problem, Tone::Same];

/// The word of an item in the table, and what it means.
fn state(item: &Item) -> (&'static str, Tone) {
    let reason = match &item.decision {
        Decision::Change(Action::Add(_)) => return ("add", Tone::Add),
        Decision::Change(Action::SetRole { .. }) => return ("change_role", Tone::Change),
        Decision::Change(Action::Replace { .. }) => return ("replace", Tone::Change),
        Decision::Change(Action::Remove(_)) => return ("remove", Tone::Remove),
        Decision::Keep(reason) => reason,
    };
    match reason {
        Reason::HeldBack(..) => ("held_back", Tone::Held),
        Reason::Protected(_) => ("protected", Tone::Held),
        Reason::RoleKept(_) => ("role_kept", Tone::Held),
        Reason::ViaTeam | Reason::RolesHidden | Reason::UnsureRoster => ("kept", Tone::Held),
        Reason::LockedOut(_) => ("locked_out", Tone::Problem),
        Reason::Rejected(_) => ("rejected", Tone::Problem),
        Reason::Unreadable(_) => ("unreadable", Tone::Problem),
        Reason::Invalid(_) => ("invalid", Tone::Problem),
        Reason::Unchanged => ("unchanged", Tone::Same),
        Reason::AlreadyInvited(_) => ("already_invited", Tone::Same),
        Reason::Merged { .. } => ("merged", Tone::Same),
        Reason::LeftOut => ("left_out", Tone::Same),
    }
}

/// Every word that [`state`] gives.
const STATES: [(&str, Tone); 16] = [
    ("add", Tone::Add),
    ("change_role", Tone::Change),
    ("replace", Tone::Change),
    ("remove", Tone::Remove),
    ("held_back", Tone::Held),
    ("protected", Tone::Held),
    ("role_kept", Tone::Held),
    ("kept", Tone::Held),
    ("locked_out", Tone::Problem),
    ("rejected", Tone::Problem),
    ("unreadable", Tone::Problem),
    ("invalid", Tone::Problem),
    ("unchanged", Tone::Same),
    ("already_invited", Tone::Same),
    ("merged", Tone::Same),
    ("left_out", Tone::Same),
];

/// The code of what cannot be done, if it has one.
fn problem(item: &Item) -> Option<Code> {
    match item.decision.reason()? {
        Reason::Rejected(cause) | Reason::Unreadable(cause) | Reason::Invalid(cause) => {
            Some(cause.code.clone())
        }
        Reason::LockedOut(_) => Some(Code::LockedOut),
        Reason::Unchanged
        | Reason::RoleKept(_)
        | Reason::AlreadyInvited(_)
        | Reason::HeldBack(..)
        | Reason::Protected(_)
        | Reason::ViaTeam
        | Reason::RolesHidden
        | Reason::UnsureRoster
        | Reason::Merged { .. }
        | Reason::LeftOut => None,
    }
}

/// Items that cannot be carried out, for the same reason.
struct Problem {
    word: &'static str,
    code: Option<Code>,
    ids: Vec<ItemId>,
}

/// What would happen to people, in the order of the page: who loses something comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Move {
    Remove,
    NewAdmin,
    Demote,
    HoldBack,
    Protect,
    Replace,
    Add,
    Promote,
    DeploymentRole,
}

impl Move {
    fn is_named(self) -> bool {
        match self {
            Self::Remove | Self::NewAdmin | Self::Demote | Self::HoldBack | Self::Protect | Self::Replace => {
                true
            }
            Self::Add | Self::Promote | Self::DeploymentRole => false,
        }
    }

    /// The moves of an item.
    fn of(item: &Item) -> Vec<Self> {
        if item.phase() == Phase::Deployments {
            return if item.decision.is_change() { vec![Self::DeploymentRole] } else { Vec::new() };
        }
        let mut moves = match &item.decision {
            Decision::Change(Action::Add(_)) => vec![Self::Add],
            Decision::Change(Action::Replace { .. }) => vec![Self::Replace],
            Decision::Change(Action::Remove(_)) => vec![Self::Remove],
            Decision::Change(Action::SetRole { from, to, .. }) if to < from => vec![Self::Demote],
            Decision::Change(Action::SetRole { .. }) => vec![Self::Promote],
            Decision::Keep(Reason::HeldBack(..)) => return vec![Self::HoldBack],
            Decision::Keep(Reason::Protected(_)) => return vec![Self::Protect],
            Decision::Keep(
                Reason::Unchanged
                | Reason::RoleKept(_)
                | Reason::AlreadyInvited(_)
                | Reason::LockedOut(_)
                | Reason::ViaTeam
                | Reason::RolesHidden
                | Reason::UnsureRoster
                | Reason::Merged { .. }
                | Reason::Invalid(_)
                | Reason::LeftOut
                | Reason::Rejected(_)
                | Reason::Unreadable(_),
            ) => return Vec::new(),
        };
        let to = item.decision.action().and_then(Action::level);
        if to == Some(Level::Admin) && item.from() != Some(Level::Admin) {
            moves.push(Self::NewAdmin);
        }
        moves
    }

    fn words(self) -> (Tone, &'static str, String) {
        let of = |state| filter(state, "", "");
        match self {
            Self::Remove => (Tone::Remove, "To remove", of("remove")),
            Self::NewAdmin => (Tone::Add, "New admins", filter("", "", Role::workspace(Level::Admin).name())),
            Self::Demote => (Tone::Remove, "To demote", of("change_role")),
            Self::HoldBack => (Tone::Held, "Held back by a guard", of("held_back")),
            Self::Protect => (Tone::Held, "Protected by --protect", of("protected")),
            Self::Replace => (Tone::Change, "To remove and add again", of("replace")),
            Self::Add => (Tone::Add, "To add", of("add")),
            Self::Promote => (Tone::Change, "To promote", of("change_role")),
            Self::DeploymentRole => (Tone::Change, "Deployment roles to set", filter("", "", "deployment_")),
        }
    }
}

/// By how many members with a role an item would change its workspace. People who are added count, although
/// those without an account are invited first.
fn shifts(item: &Item) -> Vec<(Level, i64)> {
    let Some(action) = item.decision.action().filter(|_| item.phase() != Phase::Deployments) else {
        return Vec::new();
    };
    let is_member = matches!(item.seen, Some(Membership::Member { .. }));
    let lost = item.from().filter(|_| is_member);
    let won = action.level().filter(|_| is_member || action.added().is_some());
    lost.map(|level| (level, -1)).into_iter().chain(won.map(|level| (level, 1))).collect()
}

impl PlanReport<'_> {
    /// The plan as a page.
    pub(super) fn html(&self) -> io::Result<String> {
        let mut out = Vec::new();
        let states = STATES.map(|(word, tone)| (word.to_owned(), tone));
        let mut table = Table::new(states)
            .column("line", "Line", Column::Number)
            .column("who", "Person", Column::Text)
            .column("workspace", "Workspace", Column::Word);
        if !self.plan.deployments.is_empty() {
            table = table.column("deployment", "Deployment", Column::Word);
        }
        let table = table
            .column("before", "Role now", Column::Word)
            .column("wanted", "Role then", Column::Word)
            .column("state", "What happens", Column::Word)
            .column("why", "Why", Column::Word);
        html::write(&mut out, &self.page(), &table, |packer| {
            let removals = self.plan.numbered().filter(|(_, item)| item.phase() == Phase::Removals);
            let others = self.plan.numbered().filter(|(_, item)| item.phase() != Phase::Removals);
            removals.chain(others).try_for_each(|(id, item)| self.put(packer, id, item))
        })?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    fn is_whole(&self) -> bool {
        self.plan.items.len() <= ALL_ROWS
    }

    fn put(&self, packer: &mut Packer<'_>, id: ItemId, item: &Item) -> io::Result<()> {
        let (word, tone) = state(item);
        let is_remarkable = self.mark(item).is_some();
        if !self.is_whole() && !is_remarkable {
            return Ok(());
        }
        let PlannedItem {
            line, email, workspace, workspace_id, deployment, from_role, to_role, reason, ..
        } = self.item(id);
        let workspace = workspace.or(workspace_id).unwrap_or_default();
        if is_remarkable {
            packer.print(|| SheetRow {
                line: line.map_or_else(String::new, |line| line.to_string()),
                who: email.to_owned(),
                workspace: workspace.to_owned(),
                state: word.replace('_', " "),
                tone,
                why: reason.clone(),
            });
        }
        let mut cells = vec![Cell::Number(line.map(u64::from)), Cell::text(email), Cell::text(workspace)];
        if !self.plan.deployments.is_empty() {
            cells.push(Cell::text(deployment.unwrap_or_default()));
        }
        let roles = [from_role.unwrap_or_default(), to_role.cell()];
        cells.extend(roles.map(Cell::text));
        cells.extend([Cell::text(word), Cell::text(reason)]);
        packer.put(cells)
    }

    fn page(&self) -> Page {
        let counts = Counts::of(&self.plan.items);
        let (cards, other_cards) = self.cards();
        let (workspaces, other_workspaces) = self.workspaces();
        let (tone, verdict) = self.verdict(counts);
        let total = |tone: Tone| self.plan.items.iter().filter(|item| state(item).1 == tone).count() as u64;
        Page {
            subject: Subject::Plan,
            name: self.name.to_owned(),
            title: self.title(),
            verdict,
            tone,
            lead: format!("Nothing has been sent. {}: {}.", self.title(), summed_up(counts)),
            alerts: Vec::new(),
            facts: self.facts(),
            tiles: TONES.map(|tone| Tile::of((tone, total(tone)))).into(),
            people: self.who_moves(),
            limits: self.limits(counts),
            approval: Some(self.approval()),
            cards,
            other_cards,
            charts: Vec::new(),
            compared: None,
            workspaces,
            other_workspaces,
            audit: vec![Audit { title: "What this was made from", facts: self.made_from() }],
            rows_note: (!self.is_whole()).then(|| {
                format!(
                    "{} rows are too many for a page: this table has only those with a change or a remark. `plan --format csv` has all of them.",
                    Count(self.plan.items.len() as u64)
                )
            }),
            footer: format!("plan for {} on {}{}", self.name, self.target, self.short_digest()),
        }
    }

    fn short_digest(&self) -> String {
        self.digest
            .and_then(|digest| digest.get(..12))
            .map_or_else(String::new, |short| format!(", {short}…"))
    }

    fn verdict(&self, counts: Counts) -> (Tone, String) {
        let changes =
            counts.add + counts.update_role + counts.renew + counts.deployment_roles + counts.remove;
        let problems = counts.rejected + counts.invalid + counts.gave_up + counts.locked_out;
        if !self.plan.refusals.is_empty() {
            let words = "Too many people would be removed: a guard holds the removals back";
            return (Tone::Failed, words.to_owned());
        }
        let words = match changes {
            0 if self.roster_is_met() => "No changes: Houston already matches the roster".to_owned(),
            0 => "No changes".to_owned(),
            1 => "1 change to approve".to_owned(),
            _ => format!("{} changes to approve", Count(changes)),
        };
        let is_good = problems + counts.held_back == 0;
        // A check mark would look like an approval.
        let tone = match changes {
            _ if !is_good => Tone::Unsettled,
            0 => Tone::Changed,
            _ => Tone::Change,
        };
        (tone, words)
    }

    fn facts(&self) -> Vec<Fact> {
        let estimate = self.estimate;
        let mut facts = vec![Fact::code("Target", self.target)];
        facts.extend(self.houston_version.map(|version| Fact::text("Houston", version)));
        facts.push(Fact::text("Mutations", Count(estimate.mutations).to_string()));
        facts.push(Fact::text("Reads, about", Count(estimate.reads).to_string()));
        if estimate.seconds > 0 {
            facts.push(Fact::text("At this rate", spoken(Duration::from_secs(estimate.seconds))));
        }
        let token = estimate.token_seconds.filter(|left| *left < super::YEAR);
        facts.extend(
            token.map(|left| Fact::text("Token valid for another", spoken(Duration::from_secs(left)))),
        );
        let created: Vec<_> = self.to_create().collect();
        if !created.is_empty() {
            facts.push(Fact::text("Workspaces to create first", created.join(", ")));
        }
        facts
    }

    fn who_moves(&self) -> Vec<Group> {
        let mut moves: BTreeMap<Move, Vec<ItemId>> = BTreeMap::new();
        for (id, item) in self.plan.numbered() {
            Move::of(item).into_iter().for_each(|one| moves.entry(one).or_default().push(id));
        }
        moves.into_iter().map(|(one, ids)| self.group(one, &ids)).collect()
    }

    fn group(&self, one: Move, ids: &[ItemId]) -> Group {
        let (tone, title, filter) = one.words();
        let named = if one.is_named() { &ids[..ids.len().min(NAMED)] } else { &[] };
        let mut shares: BTreeMap<String, u64> = BTreeMap::new();
        for &id in ids.iter().filter(|_| !one.is_named()) {
            *shares.entry(self.place(id)).or_default() += 1;
        }
        let mut shares: Vec<Share> =
            shares.into_iter().map(|(name, count)| Share { name, count: Count(count) }).collect();
        shares.sort_by_key(|share| std::cmp::Reverse(share.count));
        let kept = shares.len().min(WORKSPACES);
        let in_others: u64 = shares[kept..].iter().map(|share| share.count.0).sum();
        shares.truncate(kept);
        let unnamed = if one.is_named() { (ids.len() - named.len()) as u64 } else { in_others };
        Group {
            tone,
            title,
            count: Count(ids.len() as u64),
            names: named.iter().map(|&id| self.named(id)).collect(),
            shares,
            more: Count(unnamed),
            filter,
        }
    }

    /// The label of the item's workspace, else its id.
    fn place(&self, id: ItemId) -> String {
        let PlannedItem { workspace, workspace_id, .. } = self.item(id);
        workspace.or(workspace_id).unwrap_or_default().to_owned()
    }

    fn named(&self, id: ItemId) -> Name {
        let PlannedItem { email, reason, .. } = self.item(id);
        let (place, item) = (self.place(id), &self.plan.items[id.index()]);
        let role = |level: Option<Level>| level.map_or("no role", Level::short_name);
        let (from, to) = (role(item.from()), role(item.decision.action().and_then(Action::level)));
        let note = match &item.decision {
            Decision::Change(Action::Remove(_)) => format!("{place}, is {from}"),
            Decision::Change(_) => format!("{place}, {from} → {to}"),
            Decision::Keep(_) => format!("{place}, keeps {from}: {reason}"),
        };
        Name { who: email.to_owned(), note }
    }

    fn limits(&self, counts: Counts) -> Vec<Remark> {
        let mut remarks = Vec::new();
        if let Some(prune) = &self.settings.prune {
            let caps = prune.caps;
            let words = format!(
                "Removals: {} of at most {} (--max-remove); --max-remove-percent allows {} per cent of the people",
                counts.remove, caps.people, caps.percent
            );
            remarks.push(Remark { tone: Tone::Same, words });
        }
        for refusal in &self.plan.refusals {
            let scope = refusal.workspace.map_or_else(
                || "all workspaces".to_owned(),
                |index| self.plan.workspaces[index as usize].to_string(),
            );
            remarks.push(Remark { tone: Tone::Failed, words: format!("{scope}: {refusal}") });
        }
        if !self.plan.limits_needed.is_empty() {
            let needed: Vec<_> = self.plan.limits_needed.iter().map(ToString::to_string).collect();
            let words = format!("{} would allow all removals", needed.join(" "));
            remarks.push(Remark { tone: Tone::Held, words });
        }
        let protected = self.settings.protected();
        if !protected.is_empty() {
            let words = format!("Protected by --protect: {}", protected.join(", "));
            remarks.push(Remark { tone: Tone::Same, words });
        }
        remarks
    }

    fn approval(&self) -> Approval {
        let title = "Approval";
        match self.digest {
            Some(digest) => Approval {
                title,
                digest: Some(digest.to_owned()),
                words: "Approve with --approve and the whole digest. Any other plan is refused.".to_owned(),
                command: Some(format!("houston-onboard apply --plan FILE --approve {digest}")),
            },
            None => Approval {
                title,
                digest: None,
                words: "This plan was not saved, so it has no digest to approve. `plan --out FILE` saves it."
                    .to_owned(),
                command: None,
            },
        }
    }

    /// What cannot be done, by code, the most frequent first.
    fn cards(&self) -> (Vec<Card>, Count) {
        let mut problems: Vec<Problem> = Vec::new();
        for (id, item) in self.plan.numbered() {
            let (word, tone) = state(item);
            if tone != Tone::Problem {
                continue;
            }
            let code = problem(item);
            if let Some(one) = problems.iter_mut().find(|one| one.word == word && one.code == code) {
                one.ids.push(id);
            } else {
                problems.push(Problem { word, code, ids: vec![id] });
            }
        }
        problems.sort_by_key(|one| std::cmp::Reverse(one.ids.len()));
        let more = problems.len().saturating_sub(CARDS) as u64;
        (problems.iter().take(CARDS).map(|one| self.card(one)).collect(), Count(more))
    }

    fn card(&self, Problem { word, code, ids }: &Problem) -> Card {
        /// How many lines are named.
        const LINES: usize = 5;
        let noun = if ids.len() == 1 { "row" } else { "rows" };
        let line = |&id: &ItemId| {
            let item = self.item(id);
            item.line.map_or_else(|| item.email.to_owned(), |line| format!("{}:{line}", self.name))
        };
        Card {
            tone: Tone::Problem,
            title: format!("{} {noun} {}", Count(ids.len() as u64), word.replace('_', " ")),
            code: code.as_ref().map(ToString::to_string),
            text: ids.first().map(|&id| self.item(id).reason).unwrap_or_default(),
            lines: ids.iter().take(LINES).map(line).collect(),
            more: Count(ids.len().saturating_sub(LINES) as u64),
            filter: Some(filter(word, "", "")),
            advice: advice(code.as_ref()).to_owned(),
            command: None,
        }
    }

    fn workspaces(&self) -> (Vec<Workspace>, Count) {
        let mut all: Vec<Workspace> =
            self.groups().map(|(title, ids)| self.workspace(&title, &ids)).collect();
        let more = all.len().saturating_sub(WORKSPACES) as u64;
        all.truncate(WORKSPACES);
        (all, Count(more))
    }

    fn workspace(&self, title: &str, ids: &[ItemId]) -> Workspace {
        let count =
            |tone: Tone| ids.iter().filter(|id| state(&self.plan.items[id.index()]).1 == tone).count() as u64;
        let parts = TONES.map(|tone| (tone, count(tone)));
        let words = summed_up(self.counts_of(ids));
        let first = ids.first().map(|&id| self.item(id));
        let (name, id) = first.map_or((None, None), |item| (item.workspace, item.workspace_id));
        let is_labelled = name.is_some() && id.is_some() && name != id;
        let name = name.or(id).unwrap_or(title).to_owned();
        Workspace {
            note: if is_labelled { id.unwrap_or_default().to_owned() } else { String::new() },
            filter: filter("", &name, ""),
            rows: Count(ids.len() as u64),
            bar: bar(&parts, &words),
            words,
            shift: self.shift(ids),
            lane: None,
            name,
        }
    }

    /// The members of the workspace of these items before and after, where they were counted.
    fn shift(&self, ids: &[ItemId]) -> Option<Drawn> {
        let items = || ids.iter().map(|id| &self.plan.items[id.index()]);
        let workspace = items().find_map(Item::workspace)?;
        let seen = self.plan.census.get(workspace as usize)?.as_ref()?;
        let mut shifted = [0; 3];
        for (level, more) in items().flat_map(shifts) {
            shifted[level as usize] += more;
        }
        shift(seen, shifted)
    }

    fn made_from(&self) -> Vec<Fact> {
        let mut facts = vec![
            Fact::text("Roster", printable(self.name)),
            Fact::text("Rows of the roster", Count(self.roster.len() as u64).to_string()),
            Fact::text("Workspaces", Count(self.plan.workspaces.len() as u64).to_string()),
            Fact::text("Version of this tool", env!("CARGO_PKG_VERSION")),
        ];
        facts.extend(self.digest.map(|digest| Fact::code("Digest of the plan (SHA-256)", digest)));
        facts
    }
}
