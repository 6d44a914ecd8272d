//! A run as its files show it: every report is made from this, and from nothing else.
//!
//! Main type: [`History`]. It reads; it never writes.

use std::collections::{HashMap, HashSet};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::{Deref, Range};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::chain::{Link, split};
use super::lines::Lines;
use super::timeline::Timeline;
use super::verify::{RecordedEnd, check_files};
use super::{
    Counted, DeploymentRole, Entry, FORMAT, Header, JournalError, LineDecision, Origin, PlanLine, Pulses,
    WorkspaceBefore,
};
use crate::event::{RunEnd, StopReason};
use crate::model::{ItemId, Level, LineNumbers, RowNumber, Strain, WorkspaceId};
use crate::outcome::{Cause, Code, Status, StatusKind, Tally};
use crate::plan::{Membership, ReplaceStep};
use crate::record::folder::{JOURNAL, PLAN, RunFolder};

/// No run has more legs.
const MOST_LEGS: u32 = u32::MAX - 1;
/// The entry that closes a journal has fewer bytes.
const LAST_LINE: u64 = 1 << 16;
/// A line of `plan.jsonl` has at least so many bytes: the names of what it must have.
const SHORTEST_LINE: u64 = 40;

/// How the last leg of a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegEnd {
    /// It is not over, or was killed.
    None,
    /// It was stopped, and closed its books.
    Early,
    /// It reached its end.
    InOrder,
}

/// How an item of the plan ended, as far as it ended. Small, since there is one per row: causes are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemEnd {
    /// How it ended, as far as it ended.
    pub status: Status,
    /// Why, where that is known.
    pub cause: Option<Arc<Cause>>,
    /// The workspace that it resolved to, as an index into [`History::workspaces`].
    pub workspace: Option<u32>,
    /// Mutations sent for it.
    pub attempts: u32,
    /// Milliseconds from its first request to its end.
    pub elapsed_ms: u32,
    /// Of a replacement, which of its two writes was sent last.
    pub step: Option<ReplaceStep>,
    /// The role that Houston had, and the one that was planned.
    pub roles: Roles,
}

/// What the plan says about the role of an item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Roles {
    /// In Houston before the run; none if there was none, or it was not read.
    pub before: Option<Level>,
    /// Wanted by the roster; none for an invalid row, and for what is removed.
    pub wanted: Option<Level>,
    /// Whether the one before was that of a member, not of an invitation.
    pub of_member: bool,
}

const _: () = assert!(std::mem::size_of::<ItemEnd>() == 32, "a million rows are a million ends");

impl ItemEnd {
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

    /// Whether the person has an account beside the invitation, which gives it no access.
    pub fn is_locked_out(&self) -> bool {
        self.cause.as_ref().is_some_and(|cause| cause.code == Code::LockedOut)
    }

    /// Whether the row was outside of what the user chose to carry out.
    pub fn is_left_out(&self) -> bool {
        self.cause.as_ref().is_some_and(|cause| cause.code == Code::LeftOut)
    }
}

/// How far a journal goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Its bytes.
    pub bytes: u64,
    /// Its lines.
    pub lines: u64,
    /// The value of the chain at its last line.
    pub head: Option<Link>,
}

/// How a row of the roster ended, with the roles in deployments that it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowEnd<'h> {
    /// The physical line of the row.
    pub line: u32,
    /// Its end.
    pub end: &'h ItemEnd,
}

impl Deref for RowEnd<'_> {
    type Target = ItemEnd;

    fn deref(&self) -> &ItemEnd {
        self.end
    }
}

/// A run as its files show it.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone)]
pub struct History {
    /// What the run is about.
    pub header: Header,
    /// The workspaces that rows resolved to.
    pub workspaces: Vec<WorkspaceId>,
    /// How each item of the plan ended, in the order of the plan: rows, roles in deployments, people who are
    /// not in the roster.
    pub(super) items: Vec<ItemEnd>,
    /// The physical line of each row of the roster.
    pub(super) lines: LineNumbers,
    /// What the roles in deployments are, in the order of the plan.
    pub(super) grants: Vec<DeploymentRole>,
    /// How rows ended whose roles in deployments, or the rows they are merged into, made a difference.
    pub(super) folded: HashMap<RowNumber, ItemEnd>,
    /// Whether a person who is not in the roster has deployment roles.
    pub extras_have_deployments: bool,
    /// Who approved it, each name once: that of the run itself, then those of later legs.
    pub approved_by: Vec<String>,
    /// Who was in the workspaces of the plan before the run.
    pub before: Vec<WorkspaceBefore>,
    /// How busy it kept Houston.
    pub pulses: Pulses,
    /// Why it ended early, if it did and could still write so.
    pub stopped: Option<(StopReason, Option<Cause>)>,
    /// Whether it ended in order.
    pub closed: bool,
    /// Requests of every kind: of each leg what its end says, else its last pulse.
    pub requests: u64,
    /// What was met with by asking for too much, of the legs that ended in order; of the others the retries.
    pub strain: Strain,
    /// Whether there may have been more requests and retries: a leg has no end, or was killed.
    pub at_least: bool,
    /// What the last leg has counted so far, if it has no end.
    pub(super) open: Option<Counted>,
    /// Time of work: from the header to the last entry, without the time between legs.
    pub duration: Duration,
    /// How many processes have worked on it.
    pub legs: u32,
    /// When it did what.
    pub timeline: Timeline,
    /// How far the journal goes: up to the end of its last whole line.
    pub journal: Extent,
    /// Whether that line closes the journal.
    pub is_sealed: bool,
    /// When the last leg began, and how much work there had been before it.
    pub(super) last_leg: (jiff::Timestamp, Duration),
    /// Rows that say the same as an earlier one, with that one.
    pub(super) merges: Vec<(RowNumber, RowNumber)>,
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
        let head = split(entries.raw.text()).map(|(_, link)| link);
        let mut history = Self {
            approved_by: header.approved_by.iter().cloned().collect(),
            header,
            workspaces: Vec::new(),
            items: Vec::new(),
            lines: LineNumbers::default(),
            grants: Vec::new(),
            folded: HashMap::new(),
            extras_have_deployments: false,
            before: Vec::new(),
            pulses: Pulses::default(),
            stopped: None,
            closed: false,
            requests: 0,
            strain: Strain::default(),
            at_least: false,
            open: None,
            duration: Duration::ZERO,
            legs: 1,
            timeline: Timeline::default(),
            journal: Extent { bytes: 0, lines: 0, head },
            is_sealed: false,
            last_leg,
            merges: Vec::new(),
            causes: Causes::default(),
        };
        history.read_plan(folder)?;
        while let Some(entry) = entries.next().transpose()? {
            history.is_sealed = matches!(entry, Entry::Closed { .. });
            history.take(entry);
            history.journal.head = split(entries.raw.text()).map(|(_, link)| link);
        }
        history.journal.bytes = entries.raw.bytes;
        history.journal.lines = entries.raw.line - 1;
        history.leave_open();
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

    /// How the last leg of a run ended. It reads the end of the journal only.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn last_end(folder: &RunFolder) -> Result<LegEnd, JournalError> {
        let failed = |source| JournalError::Read { path: folder.journal(), source };
        let mut file = folder.read(JOURNAL).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let mut end = Vec::new();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST_LINE)))
            .and_then(|_| file.take(LAST_LINE).read_to_end(&mut end))
            .map_err(failed)?;
        // Nothing ended behind a torn line.
        let Some(whole) = end.strip_suffix(b"\n") else { return Ok(LegEnd::None) };
        let last = whole.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
        Ok(match serde_json::from_slice(last) {
            Ok(Entry::Closed { stopped: None, .. }) => LegEnd::InOrder,
            Ok(Entry::Closed { stopped: Some(_), .. }) => LegEnd::Early,
            Ok(_) | Err(_) => LegEnd::None,
        })
    }

    /// Compares the roster and the plan in the folder with the digests in the header: a run resumes with the
    /// files it started with, or not at all.
    pub fn check_files(&self, folder: &RunFolder) -> Result<(), JournalError> {
        check_files(folder, &self.header)
    }

    /// The end of a journal that was closed, as a record of it that is kept elsewhere has it.
    pub fn end(&self) -> Option<RecordedEnd> {
        let Extent { lines, head, .. } = self.journal;
        head.filter(|_| self.is_sealed).map(|head| RecordedEnd { lines, head })
    }

    /// A leg has no end, as far as the journal goes: its last pulse is what is known of it.
    fn leave_open(&mut self) {
        if self.closed {
            return;
        }
        let counted = self.pulses.of_leg();
        self.requests = self.requests.saturating_add(counted.requests);
        self.strain.retries = self.strain.retries.saturating_add(counted.retries);
        self.open = Some(counted);
    }

    /// Whether there may have been more requests and retries than are counted.
    pub fn is_lower_bound(&self) -> bool {
        self.at_least || !self.closed
    }

    /// What the last leg had counted at its last pulse, if it has no end.
    pub fn open_leg(&self) -> Counted {
        self.open.unwrap_or_default()
    }

    /// What the process itself knows of the end of its run, in case the journal could not take it.
    pub fn ended(&mut self, end: &RunEnd) {
        if !self.closed {
            self.closed = true;
            let counted = self.open.take().unwrap_or_default();
            self.requests = (self.requests - counted.requests).saturating_add(end.tally.requests);
            self.strain.retries -= counted.retries;
            self.strain.add(end.tally.strain);
            self.stopped.clone_from(&end.stopped);
        }
    }

    /// How many rows the roster has.
    pub fn row_count(&self) -> usize {
        self.lines.len()
    }

    /// How a row of the roster ended, with the roles in deployments that it wants.
    pub fn row(&self, row: RowNumber) -> Option<RowEnd<'_>> {
        let line = self.lines.get(row)?;
        let end = self.folded.get(&row).unwrap_or(&self.items[row.index()]);
        Some(RowEnd { line, end })
    }

    /// The same of every row, in the order of the roster.
    pub fn rows(&self) -> impl Iterator<Item = RowEnd<'_>> + Clone {
        (0..self.row_count()).map(RowNumber::from_index).filter_map(|row| self.row(row))
    }

    /// The roles in deployments that rows want, with how each ended.
    pub fn grants(&self) -> impl Iterator<Item = (&DeploymentRole, &ItemEnd)> {
        self.grants.iter().zip(&self.items[self.lines.len()..])
    }

    /// How each person ended who is in a workspace of the roster without being in it, in the order of the
    /// plan.
    pub fn extras(&self) -> &[ItemEnd] {
        &self.items[self.first_extra()..]
    }

    /// The rows that a later leg can settle: `gave_up`, `in_doubt`, and `not_run` but for the rows
    /// that were left out on purpose. A row that says the same as another follows that one.
    pub fn left(&self) -> Vec<ItemId> {
        let merged: HashSet<ItemId> = self.merges.iter().map(|&(row, _)| row.into()).collect();
        let mut left = self.left_of(0..self.row_count());
        left.retain(|row| !merged.contains(row));
        left
    }

    /// Of the roles in deployments, those that a later leg can still give: their rows have come to a
    /// good end.
    pub fn left_grants(&self) -> Vec<ItemId> {
        let has_good_row = |item: &ItemId| {
            let row = self.grants[item.index() - self.row_count()].of;
            match self.items[row.index()].status.kind() {
                StatusKind::Changed | StatusKind::AsItWas => true,
                StatusKind::Failed | StatusKind::Unresolved | StatusKind::NotTried => false,
            }
        };
        let mut left = self.left_of(self.row_count()..self.first_extra());
        left.retain(has_good_row);
        left
    }

    /// Of those who are not in the roster, whom a later leg can still remove.
    pub fn left_extras(&self) -> Vec<ItemId> {
        self.left_of(self.first_extra()..self.items.len())
    }

    fn left_of(&self, items: Range<usize>) -> Vec<ItemId> {
        items.filter(|&item| self.items[item].is_left()).map(ItemId::from_index).collect()
    }

    /// The index of the first item about a person who is not in the roster.
    pub fn first_extra(&self) -> usize {
        self.lines.len() + self.grants.len()
    }

    /// Whether nothing is left for a later leg.
    pub fn is_concluded(&self) -> bool {
        self.left().is_empty() && self.left_grants().is_empty() && self.left_extras().is_empty()
    }

    /// How an item ended: a row without the roles in deployments that it wants.
    pub fn item(&self, item: ItemId) -> Option<&ItemEnd> {
        self.items.get(item.index())
    }

    /// When the last leg ended, if it ended in order.
    pub fn finished_at(&self) -> Option<jiff::Timestamp> {
        let (began, before) = self.last_leg;
        self.closed.then(|| began.checked_add(self.duration.saturating_sub(before)).ok()).flatten()
    }

    /// The counts of all people who are not in the roster.
    pub fn tally_of_extras(&self) -> Tally {
        let mut tally = Tally::default();
        self.extras().iter().for_each(|extra| tally.count(extra.status));
        tally
    }

    /// The counts of all rows of the roster.
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        tally.requests = self.requests;
        tally.strain = self.strain;
        self.rows().for_each(|row| tally.count(row.status));
        tally
    }

    fn read_plan(&mut self, folder: &RunFolder) -> Result<(), JournalError> {
        let mut places = HashMap::new();
        let rows = usize::try_from(self.header.rows).unwrap_or_default();
        // The header is believed as far as the file is long enough for what it says.
        let mut lines = Lines::<PlanLine>::open(folder, PLAN)?;
        let most = usize::try_from(lines.raw.size / SHORTEST_LINE).unwrap_or_default();
        self.items.reserve_exact(rows.min(most));
        while let Some(line) = lines.next().transpose()? {
            if line.item.index() != self.items.len() {
                return Err(lines.raw.broken("not the next item"));
            }
            self.note_origin(&line, rows).map_err(|why| lines.raw.broken(why))?;
            let workspace = line.workspace.map(|id| {
                *places.entry(id.clone()).or_insert_with(|| {
                    self.workspaces.push(id);
                    u32::try_from(self.workspaces.len() - 1).expect("fewer workspaces than rows")
                })
            });
            let (status, cause) = match line.decision {
                LineDecision::Change(_) => (Status::NotRun, None),
                LineDecision::Keep(kept) => {
                    let cause = kept.code.zip(line.why).map(|(code, text)| Cause { code, text });
                    (kept.status, cause.map(|cause| self.causes.share(cause)))
                }
            };
            self.extras_have_deployments |= !line.deployment_roles.is_empty();
            let roles = Roles {
                before: line.seen.and_then(Membership::role),
                wanted: line.role.map(|role| role.level),
                of_member: matches!(line.seen, Some(Membership::Member { .. })),
            };
            let (attempts, elapsed_ms, step) = (0, 0, None);
            self.items.push(ItemEnd { status, cause, workspace, attempts, elapsed_ms, step, roles });
        }
        let found = self.items.len() as u64;
        let Header { rows, grants, extras, .. } = self.header;
        let expected = rows.saturating_add(grants).saturating_add(extras);
        if found != expected {
            return Err(JournalError::Incomplete { path: folder.plan(), found, expected });
        }
        Ok(())
    }

    /// Takes in what an item is about; `rows` is how many rows the roster has.
    fn note_origin(&mut self, line: &PlanLine, rows: usize) -> Result<(), &'static str> {
        let (at, first_extra) = (line.item.index(), self.first_extra());
        match (line.origin, &line.deployment) {
            (Origin::Row { number, line: physical }, None) if at < rows && number.index() == at => {
                self.lines.push(physical);
            }
            (Origin::Row { number, .. }, Some(deployment))
                if at >= rows && at == first_extra && number.index() < rows =>
            {
                self.grants.push(DeploymentRole::of(number, line, deployment));
            }
            (Origin::Extra, None) if at >= rows => {}
            (Origin::Row { .. } | Origin::Extra, _) => return Err("an item in the wrong order"),
        }
        let into = line.decision.kept().and_then(|kept| kept.into);
        match (into, line.origin) {
            (None, _) => Ok(()),
            (Some(first), Origin::Row { number, .. })
                if at < rows && first.index() < rows && first != number =>
            {
                self.merges.push((number, first));
                Ok(())
            }
            (Some(_), Origin::Row { .. } | Origin::Extra) => Err("not the same as a row of the roster"),
        }
    }

    fn take(&mut self, entry: Entry) {
        self.timeline.note(&entry, |item| self.items.get(item.index())?.workspace);
        let at_ms = match entry {
            Entry::Header(_) => return,
            Entry::Workspace(before) => {
                self.before.push(*before);
                return;
            }
            Entry::Intent { item, attempt, step, at_ms, .. } => {
                let cause = self.causes.share(Cause::new(Code::NoOutcome, unanswered(step)));
                self.with(item, |end| {
                    end.attempts = attempt;
                    end.step = step;
                    end.status = Status::InDoubt;
                    end.cause = Some(cause);
                });
                at_ms
            }
            Entry::Acknowledged { item, at_ms } => {
                let cause = Cause::new(Code::NotReadBack, "acknowledged by Houston, not read back");
                let cause = self.causes.share(cause);
                self.with(item, |end| {
                    end.status = Status::InDoubt;
                    end.cause = Some(cause);
                });
                at_ms
            }
            Entry::Outcome { item, status, code, detail, attempts, elapsed_ms, at_ms } => {
                let cause = code.map(|code| Cause { code, text: detail.unwrap_or_default() });
                let cause = cause.map(|cause| self.causes.share(cause));
                self.with(item, |end| {
                    end.status = status;
                    end.attempts = attempts;
                    end.elapsed_ms = u32::try_from(elapsed_ms).unwrap_or(u32::MAX);
                    end.cause = cause;
                });
                at_ms
            }
            Entry::Released { item, at_ms } => {
                self.with(item, |end| {
                    end.attempts = end.attempts.saturating_sub(1);
                    if end.attempts == 0 {
                        end.status = Status::NotRun;
                        end.cause = None;
                    }
                });
                at_ms
            }
            Entry::Pulse(pulse) => {
                self.pulses.take(&pulse);
                pulse.at_ms
            }
            Entry::Lost { at_ms, .. } => at_ms,
            Entry::Resumed { leg, at, approved_by, at_ms, .. } => {
                // The leg before was killed, if it had no end.
                if !self.closed {
                    self.leave_open();
                    self.at_least = true;
                }
                let is_known = |name: &String| self.approved_by.contains(name);
                self.approved_by.extend(approved_by.filter(|name| !is_known(name)));
                self.pulses.begin_leg(at_ms);
                self.legs = leg.min(MOST_LEGS);
                self.closed = false;
                self.stopped = None;
                self.last_leg = (at, Duration::from_millis(at_ms));
                at_ms
            }
            Entry::Closed { stopped, code, detail, requests, strain, at_least, at_ms } => {
                self.at_least |= at_least;
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

    fn with(&mut self, item: ItemId, change: impl FnOnce(&mut ItemEnd)) {
        if let Some(end) = self.items.get_mut(item.index()) {
            change(end);
        }
    }

    /// A row that says the same as an earlier one which failed has failed like it.
    fn follow_merges(&mut self) {
        for &(row, first) in &self.merges {
            let Some(spokesman) = self.row(first) else { continue };
            let (status, cause) = match spokesman.status.kind() {
                StatusKind::Changed | StatusKind::AsItWas => {
                    let text = format!("the same as line {}", spokesman.line);
                    (Status::Merged, Some(Arc::new(Cause::new(Code::Merged, text))))
                }
                StatusKind::Failed | StatusKind::Unresolved | StatusKind::NotTried => {
                    (spokesman.status, spokesman.cause.clone())
                }
            };
            let merged = &mut self.items[row.index()];
            (merged.status, merged.cause) = (status, cause);
        }
    }
}

#[cfg(test)]
impl History {
    /// A roster of which each row ended like this.
    pub fn set_rows(&mut self, ends: Vec<ItemEnd>) {
        self.lines = (2..).take(ends.len()).collect();
        self.items = ends;
    }
}
