//! A run as its files show it: every report is made from this, and from nothing else.
//!
//! Main type: [`History`]. It reads; it never writes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::lines::Lines;
use super::{Entry, FORMAT, GrantHistory, Header, JournalError, LineDecision, Origin, PlanLine, digest_of};
use crate::event::{RunEnd, StopReason};
use crate::model::{ItemId, RowNumber, Strain, WorkspaceId};
use crate::outcome::{Cause, Code, Status, StatusKind, Tally};
use crate::plan::ReplaceStep;
use crate::record::folder::{JOURNAL, PLAN, ROSTER, RunFolder};

/// No run has more legs.
const MOST_LEGS: u32 = u32::MAX - 1;
/// A line of `plan.jsonl` has at least so many bytes: the names of what it must have.
const SHORTEST_LINE: u64 = 40;

/// What is known of one row after a run. Small, since there is one per row: causes are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowHistory {
    /// Its physical line in the roster.
    pub line: u32,
    /// How it ended, as far as it ended.
    pub status: Status,
    /// Why, where that is known.
    pub cause: Option<Arc<Cause>>,
    /// The workspace it resolved to, as an index into [`History::workspaces`].
    pub workspace: Option<u32>,
    /// Mutations sent for it.
    pub attempts: u32,
    /// Milliseconds from its first request to its end.
    pub elapsed_ms: u32,
    /// Of a replacement, which of its two writes was sent last.
    pub step: Option<ReplaceStep>,
}

impl RowHistory {
    /// Whether a later leg of the run can settle the row.
    pub(super) fn is_left(&self) -> bool {
        match self.status.kind() {
            StatusKind::Unresolved => true,
            StatusKind::NotTried => !self.is_left_out(),
            StatusKind::Changed | StatusKind::AsItWas | StatusKind::Failed => false,
        }
    }

    /// Whether a guard held its change or its removal back.
    pub fn is_held_back(&self) -> bool {
        let is_as_it_was = match self.status {
            Status::Unchanged | Status::RoleKept => true,
            Status::Added
            | Status::Invited
            | Status::AlreadyInvited
            | Status::RoleUpdated
            | Status::Removed
            | Status::Rejected
            | Status::GaveUp
            | Status::InDoubt
            | Status::NotRun
            | Status::Invalid
            | Status::Merged => false,
        };
        is_as_it_was && self.cause.as_ref().is_some_and(|cause| cause.code.is_guard())
    }

    /// Whether the row was outside of what the user chose to carry out.
    pub fn is_left_out(&self) -> bool {
        self.cause.as_ref().is_some_and(|cause| cause.code == Code::LeftOut)
    }
}

/// A run as its files show it.
#[derive(Debug, Clone)]
pub struct History {
    /// What the run is about.
    pub header: Header,
    /// The workspaces that rows resolved to.
    pub workspaces: Vec<WorkspaceId>,
    /// One entry per row of the roster, in its order, with what became of the roles in deployments that
    /// it wants.
    pub rows: Vec<RowHistory>,
    /// One entry per role in a deployment that a row wants, in the order of the plan.
    pub grants: Vec<GrantHistory>,
    /// Of rows whose roles in deployments made a difference: what became of the row alone.
    pub(super) alone: HashMap<ItemId, RowHistory>,
    /// One entry per person who is in a workspace of the roster without being in it, in the order of
    /// the plan.
    pub extras: Vec<RowHistory>,
    /// Whether a person who is not in the roster has deployment roles.
    pub extras_have_deployments: bool,
    /// Why it ended early, if it did and could still write so.
    pub stopped: Option<(StopReason, Option<Cause>)>,
    /// Whether it ended in order.
    pub closed: bool,
    /// Requests of every kind, if it ended in order.
    pub requests: u64,
    /// What was met with by asking for too much, if it ended in order.
    pub strain: Strain,
    /// Time of work: from the header to the last entry, without the time between legs.
    pub duration: Duration,
    /// How many processes have worked on it.
    pub legs: u32,
    /// Bytes of the journal up to the end of its last whole line.
    pub journal_bytes: u64,
    /// When the last leg began, and how much work there had been before it.
    last_leg: (jiff::Timestamp, Duration),
    /// Rows that say the same as an earlier one, with that one.
    merges: Vec<(ItemId, RowNumber)>,
    pub(super) causes: Causes,
}

/// Causes that were met, so that rows with the same one can share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Causes(HashSet<Arc<Cause>>);

impl Causes {
    /// Texts may name their row; so many different ones are kept for sharing, later ones are not.
    const MOST: usize = 256;

    pub(super) fn share(&mut self, cause: Cause) -> Arc<Cause> {
        if let Some(known) = self.0.get(&cause) {
            return Arc::clone(known);
        }
        let cause = Arc::new(cause);
        if self.0.len() < Self::MOST {
            self.0.insert(Arc::clone(&cause));
        }
        cause
    }
}

/// What every format of a journal has in its first entry.
#[derive(Deserialize)]
struct AnyHeader {
    format: u32,
    target: Option<String>,
}

/// Refuses a journal of another format than ours: the rest of it may mean anything.
fn check_format(folder: &RunFolder) -> Result<(), JournalError> {
    let path = folder.journal();
    // The reader of our own header reports what is not a header at all.
    match Lines::<AnyHeader>::open(folder, JOURNAL)?.next() {
        Some(Ok(AnyHeader { format, target })) if format < FORMAT => {
            Err(JournalError::Older { path, format, target })
        }
        Some(Ok(AnyHeader { format, .. })) if format > FORMAT => Err(JournalError::Newer { path, format }),
        Some(Ok(_) | Err(_)) | None => Ok(()),
    }
}

/// What is known of a write whose intent is the last word about it.
fn unanswered(step: Option<ReplaceStep>) -> &'static str {
    match step {
        None => "sent, but the run ended before the answer",
        Some(ReplaceStep::Remove) => {
            "the removal was sent, but the run ended before the person was added again"
        }
        Some(ReplaceStep::Add) => "was removed, but the run ended before Houston answered the add",
    }
}

/// The header of a journal, and the entries behind it.
fn begin(folder: &RunFolder) -> Result<(Header, Lines<Entry>), JournalError> {
    check_format(folder)?;
    let mut entries = Lines::<Entry>::open(folder, JOURNAL)?;
    match entries.next().transpose()? {
        Some(Entry::Header(header)) => Ok((*header, entries)),
        Some(_) | None => Err(JournalError::NoHeader { path: folder.journal() }),
    }
}

impl History {
    /// Reads the plan and the journal of a run back. A torn last line, as a crash leaves it, is
    /// passed over.
    pub fn read(folder: &RunFolder) -> Result<Self, JournalError> {
        let (header, mut entries) = begin(folder)?;
        let last_leg = (header.started_at, Duration::ZERO);
        let mut history = Self {
            header,
            workspaces: Vec::new(),
            rows: Vec::new(),
            grants: Vec::new(),
            alone: HashMap::new(),
            extras: Vec::new(),
            extras_have_deployments: false,
            stopped: None,
            closed: false,
            requests: 0,
            strain: Strain::default(),
            duration: Duration::ZERO,
            legs: 1,
            journal_bytes: 0,
            last_leg,
            merges: Vec::new(),
            causes: Causes::default(),
        };
        history.read_plan(folder)?;
        while let Some(entry) = entries.next().transpose()? {
            history.take(entry);
        }
        history.journal_bytes = entries.bytes;
        history.fold_grants();
        history.follow_merges();
        Ok(history)
    }

    /// Reads only what the run is about.
    ///
    /// # Errors
    /// If there is no header that this version understands.
    pub fn read_header(folder: &RunFolder) -> Result<Header, JournalError> {
        Ok(begin(folder)?.0)
    }

    /// Compares the roster and the plan in the folder with the digests in the header: a run resumes with the
    /// files it started with, or not at all.
    pub fn check_files(&self, folder: &RunFolder) -> Result<(), JournalError> {
        let header = &self.header;
        for (name, digest) in [(ROSTER, &header.roster_sha256), (PLAN, &header.plan_sha256)] {
            if digest_of(folder, name)? != *digest {
                return Err(JournalError::Changed { path: folder.path().join(name) });
            }
        }
        Ok(())
    }

    /// What the process itself knows of the end of its run, in case the journal could not take it.
    pub fn ended(&mut self, end: &RunEnd) {
        if !self.closed {
            self.closed = true;
            self.requests = self.requests.saturating_add(end.tally.requests);
            self.strain.add(end.tally.strain);
            self.stopped.clone_from(&end.stopped);
        }
    }

    /// The rows that a later leg can settle: `gave_up`, `in_doubt`, and `not_run` but for the rows
    /// that were left out on purpose. A row that says the same as another follows that one.
    pub fn left(&self) -> Vec<ItemId> {
        let merged: HashSet<ItemId> = self.merges.iter().map(|&(row, _)| row).collect();
        let rows = (0..self.rows.len()).map(ItemId::from_index);
        let is_left = |row: &ItemId| self.alone(*row).is_some_and(RowHistory::is_left);
        rows.filter(is_left).filter(|row| !merged.contains(row)).collect()
    }

    /// Of the roles in deployments, those that a later leg can still give: their rows have come to a
    /// good end.
    pub fn left_grants(&self) -> Vec<ItemId> {
        let is_open = |grant: &GrantHistory| {
            let row = self.alone(grant.of.into()).map(|row| row.status.kind());
            grant.end.is_left() && matches!(row, Some(StatusKind::Changed | StatusKind::AsItWas))
        };
        let grants = self.grants.iter().enumerate().filter(|(_, grant)| is_open(grant));
        grants.map(|(place, _)| ItemId::from_index(self.rows.len() + place)).collect()
    }

    /// The people who are not in the roster and whom a later leg can still remove.
    pub fn left_extras(&self) -> Vec<ItemId> {
        let extras = self.extras.iter().enumerate().filter(|(_, extra)| extra.is_left());
        extras.map(|(place, _)| ItemId::from_index(self.first_extra() + place)).collect()
    }

    /// The index of the first line about a person who is not in the roster.
    pub fn first_extra(&self) -> usize {
        self.rows.len() + self.grants.len()
    }

    /// Whether nothing is left for a later leg.
    pub fn is_concluded(&self) -> bool {
        self.left().is_empty() && self.left_grants().is_empty() && self.left_extras().is_empty()
    }

    /// What became of a row of the roster, or of a line behind the rows: of a deployment role, or of a person
    /// who is not in the roster.
    pub fn item(&self, item: ItemId) -> Option<&RowHistory> {
        let place = item.index();
        if let Some(extra) = place.checked_sub(self.first_extra()) {
            return self.extras.get(extra);
        }
        match place.checked_sub(self.rows.len()) {
            Some(grant) => self.grants.get(grant).map(|grant| &grant.end),
            None => self.rows.get(place),
        }
    }

    /// The same without what became of the roles in deployments that a row wants.
    pub fn alone(&self, item: ItemId) -> Option<&RowHistory> {
        self.alone.get(&item).or_else(|| self.item(item))
    }

    /// When the last leg ended, if it ended in order.
    pub fn finished_at(&self) -> Option<jiff::Timestamp> {
        let (began, before) = self.last_leg;
        self.closed.then(|| began.checked_add(self.duration.saturating_sub(before)).ok()).flatten()
    }

    /// The counts of all people who are not in the roster.
    pub fn tally_of_extras(&self) -> Tally {
        let mut tally = Tally::default();
        self.extras.iter().for_each(|extra| tally.count(extra.status));
        tally
    }

    /// The counts of all rows of the roster.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        tally.requests = self.requests;
        tally.strain = self.strain;
        self.rows.iter().for_each(|row| tally.count(row.status));
        tally
    }

    fn read_plan(&mut self, folder: &RunFolder) -> Result<(), JournalError> {
        let mut places = HashMap::new();
        let rows = usize::try_from(self.header.rows).unwrap_or_default();
        // The header is believed as far as the file is long enough for what it says.
        let mut lines = Lines::<PlanLine>::open(folder, PLAN)?;
        let most = usize::try_from(lines.size / SHORTEST_LINE).unwrap_or_default();
        self.rows.reserve_exact(rows.min(most));
        while let Some(line) = lines.next().transpose()? {
            if line.item.index() != self.first_extra() + self.extras.len() {
                return Err(lines.broken("not the next item"));
            }
            let from_role = line.from_role();
            let workspace = line.workspace.map(|id| {
                *places.entry(id.clone()).or_insert_with(|| {
                    self.workspaces.push(id);
                    u32::try_from(self.workspaces.len() - 1).expect("fewer workspaces than rows")
                })
            });
            let (status, cause, into) = match line.decision {
                LineDecision::Change(_) => (Status::NotRun, None, None),
                LineDecision::Keep(kept) => {
                    let cause = kept.code.zip(line.why).map(|(code, text)| Cause { code, text });
                    (kept.status, cause.map(|cause| self.causes.share(cause)), kept.into)
                }
            };
            if let Some(first) = into {
                if line.item.index() >= rows || first.index() >= rows || ItemId::from(first) == line.item {
                    return Err(lines.broken("not the same as a row of the roster"));
                }
                self.merges.push((line.item, first));
            }
            self.extras_have_deployments |= !line.deployment_roles.is_empty();
            let of_line =
                |line| RowHistory { line, status, cause, workspace, attempts: 0, elapsed_ms: 0, step: None };
            let (is_row, is_behind) = (self.rows.len() < rows, self.rows.len() == rows);
            match (line.origin, line.deployment) {
                (Origin::Row { number, line: at }, None) if is_row && ItemId::from(number) == line.item => {
                    self.rows.push(of_line(at));
                }
                (Origin::Row { number, .. }, Some(deployment))
                    if is_behind && self.extras.is_empty() && number.index() < rows =>
                {
                    self.grants.push(GrantHistory {
                        of: number,
                        email: line.email,
                        deployment,
                        role: line.role,
                        from_role,
                        workspace_role: line.workspace_role,
                        end: of_line(0),
                    });
                }
                (Origin::Extra, None) if is_behind => self.extras.push(of_line(0)),
                (Origin::Row { .. } | Origin::Extra, _) => {
                    return Err(lines.broken("an item in the wrong order"));
                }
            }
        }
        let found = (self.first_extra() + self.extras.len()) as u64;
        let Header { rows, grants, extras, .. } = self.header;
        let expected = rows.saturating_add(grants).saturating_add(extras);
        if found != expected {
            return Err(JournalError::Incomplete { path: folder.plan(), found, expected });
        }
        Ok(())
    }

    fn take(&mut self, entry: Entry) {
        let at_ms = match entry {
            Entry::Header(_) => return,
            Entry::Intent { item, attempt, step, at_ms, .. } => {
                let cause = self.causes.share(Cause::new(Code::NoOutcome, unanswered(step)));
                self.with(item, |row| {
                    row.attempts = attempt;
                    row.step = step;
                    row.status = Status::InDoubt;
                    row.cause = Some(cause);
                });
                at_ms
            }
            Entry::Acknowledged { item, at_ms } => {
                let cause = Cause::new(Code::NotReadBack, "acknowledged by Houston, not read back");
                let cause = self.causes.share(cause);
                self.with(item, |row| {
                    row.status = Status::InDoubt;
                    row.cause = Some(cause);
                });
                at_ms
            }
            Entry::Outcome { item, status, code, detail, attempts, elapsed_ms, at_ms } => {
                let cause = code.map(|code| Cause { code, text: detail.unwrap_or_default() });
                let cause = cause.map(|cause| self.causes.share(cause));
                self.with(item, |row| {
                    row.status = status;
                    row.attempts = attempts;
                    row.elapsed_ms = u32::try_from(elapsed_ms).unwrap_or(u32::MAX);
                    row.cause = cause;
                });
                at_ms
            }
            Entry::Released { item, at_ms } => {
                self.with(item, |row| {
                    row.attempts = row.attempts.saturating_sub(1);
                    if row.attempts == 0 {
                        row.status = Status::NotRun;
                        row.cause = None;
                    }
                });
                at_ms
            }
            Entry::Resumed { leg, at, at_ms, .. } => {
                self.legs = leg.min(MOST_LEGS);
                self.closed = false;
                self.stopped = None;
                self.last_leg = (at, Duration::from_millis(at_ms));
                at_ms
            }
            Entry::Closed { stopped, code, detail, requests, strain, at_ms } => {
                let cause = code.map(|code| Cause { code, text: detail.unwrap_or_default() });
                self.stopped = stopped.map(|reason| (reason, cause));
                self.closed = true;
                self.requests = self.requests.saturating_add(requests);
                self.strain.add(strain);
                at_ms
            }
        };
        self.duration = self.duration.max(Duration::from_millis(at_ms));
    }

    fn with(&mut self, item: ItemId, change: impl FnOnce(&mut RowHistory)) {
        let (rows, first_extra) = (self.rows.len(), self.first_extra());
        let entry = match item.index() {
            place if place >= first_extra => self.extras.get_mut(place - first_extra),
            place if place >= rows => self.grants.get_mut(place - rows).map(|grant| &mut grant.end),
            place => self.rows.get_mut(place),
        };
        if let Some(history) = entry {
            change(history);
        }
    }

    /// A row that says the same as an earlier one which failed has failed like it.
    fn follow_merges(&mut self) {
        for &(row, first) in &self.merges {
            let Some(spokesman) = self.rows.get(first.index()) else { continue };
            match spokesman.status.kind() {
                StatusKind::Changed | StatusKind::AsItWas => {
                    let text = format!("the same as line {}", spokesman.line);
                    self.rows[row.index()].cause = Some(Arc::new(Cause::new(Code::Merged, text)));
                }
                StatusKind::Failed | StatusKind::Unresolved | StatusKind::NotTried => {
                    let (status, cause) = (spokesman.status, spokesman.cause.clone());
                    let merged = &mut self.rows[row.index()];
                    merged.status = status;
                    merged.cause = cause;
                }
            }
        }
    }
}
