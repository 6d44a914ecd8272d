//! The memory of a run: what was decided per row (`plan.jsonl`) and what happened since
//! (`journal.jsonl`), as JSON lines that people can read and every report is made from.
//!
//! Main types: [`Journal`], the one writer, and [`History`], what reading both files back gives.
//! A run may have several legs, one process each: they share one journal and one history.
//! It never asks Houston anything, and no credential is written. Each line of the journal ends with a link
//! of the [`chain`] over all of them.

pub mod chain;
mod digest;
mod fold;
#[cfg(test)]
pub(crate) mod full;
mod history;
mod lines;
mod plan_file;
mod pulse;
mod timeline;
mod undoable;
mod union;
mod verify;

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::time::Instant;

use serde::{Deserialize, Serialize};

pub use self::chain::{AuditKey, Chain, ChainKind, Link};
pub use self::digest::{Hashing, digest_of};
pub use self::fold::DeploymentRole;
pub use self::history::{Extent, History, ItemEnd, LegEnd, Roles, RowEnd};
pub use self::lines::{PlanLines, PlanSource, plan_lines};
pub use self::plan_file::{Kept, LineDecision, Origin, PlanLine, write_plan};
use self::pulse::Beat;
pub use self::pulse::{Counted, Interval, Paused, Pulse, Pulses, Waited, WhyPaused};
pub use self::timeline::{Moment, Span, Timeline};
pub use self::undoable::{Undoing, Undone};
pub use self::union::{Union, UnionError};
pub use self::verify::{Finding, Intact, RecordedEnd, VerifyError, check, lost, verify};
use super::folder::{FolderError, JOURNAL, RunFolder};
use crate::event::{Pause, StopReason};
use crate::model::{ItemId, Load, Shard, Strain, WorkspaceId, escaped_json};
use crate::outcome::{Code, Outcome, Status};
use crate::plan::census::Census;
use crate::plan::guard::{Caps, OnGuard};
use crate::plan::protect::union;
use crate::plan::{OperationId, ReplaceStep, RolePolicy};
pub use crate::record::hexadecimal::hexadecimal;

/// The format of both files; a reader refuses every other one.
pub const FORMAT: u32 = 5;

/// One fact. The first entry of a journal is its header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// What the run is about.
    Header(Box<Header>),
    /// Who was in a workspace of the plan before the run; ahead of the first intent.
    Workspace(Box<WorkspaceBefore>),
    /// A mutation is about to be sent. Without an [`Entry::Outcome`] or [`Entry::Released`] after
    /// it, it is unknown whether it took effect.
    Intent {
        /// Whose.
        item: ItemId,
        /// Which.
        op: OperationId,
        /// Which try of the row, from 1.
        attempt: u32,
        /// Which of the two writes of a replacement it is, if the row is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<ReplaceStep>,
        /// Milliseconds since the run began.
        at_ms: u64,
    },
    /// Houston says that it did it; the proof comes later.
    Acknowledged {
        /// Whose.
        item: ItemId,
        /// Milliseconds since the run began.
        at_ms: u64,
    },
    /// The end of an operation; a later one for the same row replaces it.
    Outcome {
        /// Whose.
        item: ItemId,
        /// How it ended.
        status: Status,
        /// Why, in a word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<Code>,
        /// Why, in a sentence.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
        /// Mutations sent for it.
        attempts: u32,
        /// From its first request to its end.
        elapsed_ms: u64,
        /// Milliseconds since the run began.
        at_ms: u64,
    },
    /// An intent whose mutation was certainly not sent.
    Released {
        /// Whose.
        item: ItemId,
        /// Milliseconds since the run began.
        at_ms: u64,
    },
    /// How busy the leg keeps Houston, every few seconds and at its end.
    Pulse(Box<Pulse>),
    /// A later process takes the run up again: whatever was open is in doubt until it says more.
    Resumed {
        /// Which leg of the run begins; the first one began with the header.
        leg: u32,
        /// When, by the clock of the machine.
        #[cfg_attr(test, schemars(with = "String"))]
        at: jiff::Timestamp,
        /// Version of this program.
        tool_version: String,
        /// The version that Houston reports now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        houston_version: Option<String>,
        /// Who resumed it.
        #[serde(default)]
        actor: Actor,
        /// Who approved that, as `--approved-by` says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approved_by: Option<String>,
        /// Milliseconds of work before it.
        at_ms: u64,
    },
    /// Lines were missing: `summary.json` had recorded an end behind the one that the journal had. Every check
    /// of the chain names this entry.
    Lost {
        /// How many lines there had been.
        lines: u64,
        /// The value of the chain at the last of them.
        head: String,
        /// Milliseconds since the run began.
        at_ms: u64,
    },
    /// The run, or a leg of it, ended in order.
    Closed {
        /// Why early, if it was early.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stopped: Option<StopReason>,
        /// Why, in a word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<Code>,
        /// Why, in a sentence.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
        /// Requests of every kind.
        requests: u64,
        /// What was met with by asking for too much.
        #[serde(default)]
        strain: Strain,
        /// Whether there were at least so many requests: the leg was killed, and a later process closed it
        /// with what its last pulse had counted.
        #[serde(default, skip_serializing_if = "is_false")]
        at_least: bool,
        /// Milliseconds since the run began.
        at_ms: u64,
    },
}

/// What a run is about: enough to decide later whether it may resume, and to write its reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Header {
    /// [`FORMAT`].
    pub format: u32,
    /// The run's id.
    pub run: String,
    /// RFC 3339.
    #[cfg_attr(test, schemars(with = "String"))]
    pub started_at: jiff::Timestamp,
    /// Version of this program.
    pub tool_version: String,
    /// The URL of Houston.
    pub target: String,
    /// Whether that is an embedded sandbox, gone with its process.
    pub sandbox: bool,
    /// The version that Houston reports.
    pub houston_version: Option<String>,
    /// Who began it.
    #[serde(default)]
    pub actor: Actor,
    /// Who approved it, as `--approved-by` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// The input as the user named it.
    pub roster: String,
    /// SHA-256 of the input, hexadecimal.
    pub roster_sha256: String,
    /// SHA-256 of `plan.jsonl`, hexadecimal.
    pub plan_sha256: String,
    /// Data rows of the input, or of the run's share of it.
    pub rows: u64,
    /// Roles in deployments that rows want: their lines come behind those of the rows.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub grants: u64,
    /// People who are in the workspaces of the input without being in it: their lines come last.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub extras: u64,
    /// How to read the input again, as the roster reader understands it.
    pub dialect: serde_json::Value,
    /// What changes the meaning of the run.
    pub settings: RunSettings,
    /// How the target was reached.
    #[serde(default)]
    pub reach: Reach,
    /// The digest of the saved plan that it carries out, if it carries one out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved_plan: Option<String>,
    /// The id of the last run in the same folder that had finished against this Houston, if there was one:
    /// the reports compare this run with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<String>,
    /// How the chain over the lines is made. The journal sets it when it begins.
    pub chained_by: ChainKind,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Who carries out a leg of a run: to Houston, and on which machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Actor {
    /// The id of the token's user; none for a service account, and where nobody says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The name of that user as Houston gives it, mostly an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether the token is the key of a service account.
    #[serde(default, skip_serializing_if = "is_false")]
    pub service_account: bool,
    /// The name of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The user of that machine: the name, or the number of one who has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_user: Option<String>,
}

impl Actor {
    /// The caller in one word, for people: the name, else the id, else what kind of a token it is.
    pub fn caller(&self) -> Option<&str> {
        let service_account = self.service_account.then_some("a service account");
        self.name.as_deref().or(self.user_id.as_deref()).or(service_account)
    }
}

/// Who was in a workspace before a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WorkspaceBefore {
    /// Its id.
    pub id: WorkspaceId,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// How many people, as far as they were read.
    pub seen: Census,
}

/// How the target of a run was reached, for a later leg of it: where the token and the trust come
/// from, never the token itself. Paths are absolute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Reach {
    /// `--context`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// `--token-file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// `--ca-file`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// `--insecure`.
    #[serde(default)]
    pub insecure: bool,
}

/// Settings that change what a run means, kept for a later leg of the same run.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunSettings {
    /// Whether Houston may mail invitations.
    pub send_invites: bool,
    /// First rows of a workspace that are read back before the rest is sent.
    pub canary: u32,
    /// Whether it began without a question.
    #[serde(default)]
    pub unattended: bool,
    /// How fast and how patiently.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<RunPace>,
    /// Whether people may be added who could never log in.
    #[serde(default)]
    pub bypass_local: bool,
    /// The exit status instead of 0 if nothing had to be changed.
    #[serde(default)]
    pub exit_code_unchanged: Option<u8>,
    /// What is done about members with another role.
    #[serde(default)]
    pub roles: RolePolicy,
    /// Whether members whom Houston lists twice are removed and added again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub repair_duplicates: bool,
    /// Whether pending invitations are made again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub reinvite: bool,
    /// How people who are not in the roster are removed, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prune: Option<Prune>,
    /// Whether the roster may have unlikely addresses.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_odd_addresses: bool,
    /// Patterns of people who are neither demoted nor replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protect: Vec<String>,
    /// The share of the roster that the run carries out; none for all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
}

impl RunSettings {
    /// All patterns of people who are neither removed nor demoted.
    pub fn protected(&self) -> Vec<String> {
        let of_removals = self.prune.as_ref().map_or(&[][..], |prune| &prune.protect);
        union([&self.protect[..], of_removals])
    }

    /// Whether people may be demoted or replaced.
    pub fn changes_members(&self) -> bool {
        self.roles == RolePolicy::Update || self.repair_duplicates || self.reinvite
    }

    /// Whether people may be removed or demoted at all.
    pub fn takes_away(&self) -> bool {
        self.prune.is_some() || self.changes_members()
    }
}

/// How people who are not in the roster are removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Prune {
    /// How many at most.
    pub caps: Caps,
    /// What happens if there are more.
    pub on_guard: OnGuard,
    /// Patterns of those who stay in any case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protect: Vec<String>,
}

/// The pace and patience of a run, in every leg of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunPace {
    /// Requests in flight at most.
    pub concurrency: usize,
    /// The time from one request to the next in microseconds; none without a rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_us: Option<u64>,
    /// Whether the window of requests in flight follows latency instead.
    #[serde(default, skip_serializing_if = "is_false")]
    pub auto: bool,
    /// Repeats of one request.
    pub retries: u32,
    /// How long one request may take, in milliseconds.
    pub timeout_ms: u64,
    /// How long to wait for a write without an answer, in milliseconds.
    pub settle_ms: u64,
}

/// The run's files cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file could not be made.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A file could not be written.
    #[error("cannot write {}", .path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file could not be read.
    #[error("cannot read {}", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line that is not the last one makes no sense.
    #[error("{}:{line}: not a journal entry that this version understands", .path.display())]
    Broken {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// Why.
        source: serde_json::Error,
    },
    /// There is no header.
    #[error("{} has no header: the run ended before it sent anything, or the file was damaged", .path.display())]
    NoHeader {
        /// Which file.
        path: PathBuf,
    },
    /// The number of rows of the plan differs from the header.
    #[error("{} has {found} complete lines, but the journal expects {expected} rows", .path.display())]
    Incomplete {
        /// Which file.
        path: PathBuf,
        /// Its lines.
        found: u64,
        /// The rows of the run.
        expected: u64,
    },
    /// The content of a file does not match the digest in the header.
    #[error("{} is not the file that this run started with", .path.display())]
    Changed {
        /// Which file.
        path: PathBuf,
    },
    /// Written by an older version.
    #[error("{} has the older format {format}; this version reads {FORMAT}", .path.display())]
    Older {
        /// Which file.
        path: PathBuf,
        /// Its format.
        format: u32,
        /// The URL of Houston, as the run names it.
        target: Option<String>,
    },
    /// Written by a newer version.
    #[error("{} has format {format}; this version reads {FORMAT}", .path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
}

/// Bytes of entries that gather in memory, as long as they can be written.
const MOST_IN_MEMORY: usize = 1 << 20;

/// Writes the journal: entries gather in memory until [`Journal::commit`] puts them on the disk.
#[derive(Debug)]
pub struct Journal {
    file: File,
    folder: RunFolder,
    path: PathBuf,
    /// Bytes that the file must have.
    length: u64,
    batch: Vec<u8>,
    /// Over every line that was noted.
    chain: Chain,
    beat: Beat,
    start: Instant,
    /// Milliseconds of work in earlier legs.
    before_ms: u64,
}

/// A process that was started meanwhile may still have the file open: closing it here would not free it.
impl Drop for Journal {
    fn drop(&mut self) {
        // Else it is free when the last one closes it.
        let _ = self.file.unlock();
    }
}

impl Journal {
    /// Begins the journal of a run with its header, synced together with the folder.
    pub fn create(folder: &RunFolder, header: Header, start: Instant) -> Result<Self, JournalError> {
        Self::create_with(None, folder, header, start)
    }

    /// The same with a chain that this key seals.
    pub fn create_with(
        key: Option<AuditKey>,
        folder: &RunFolder,
        header: Header,
        start: Instant,
    ) -> Result<Self, JournalError> {
        let path = folder.journal();
        let file = folder.new_file(JOURNAL)?;
        RunFolder::hold(&file).map_err(|source| JournalError::Write { path: path.clone(), source })?;
        let chain = Chain::new(key, None);
        let header = Header { chained_by: chain.kind(), ..header };
        let folder_of = folder.clone();
        let mut journal = Self {
            file,
            folder: folder_of,
            path,
            length: 0,
            batch: Vec::with_capacity(1 << 14),
            chain,
            beat: Beat::new(start),
            start,
            before_ms: 0,
        };
        journal.note(&Entry::Header(Box::new(header)));
        journal.commit()?;
        folder.sync()?;
        Ok(journal)
    }

    /// Continues the journal of a run as far as `history` has read it: a torn last line is cut
    /// off first, so that nothing is ever written behind one.
    pub fn append(folder: &RunFolder, history: &History, start: Instant) -> Result<Self, JournalError> {
        Self::append_with(None, folder, history, start)
    }

    /// The same with the key that the run began with.
    pub fn append_with(
        key: Option<AuditKey>,
        folder: &RunFolder,
        history: &History,
        start: Instant,
    ) -> Result<Self, JournalError> {
        let path = folder.journal();
        let failed = |source| JournalError::Write { path: path.clone(), source };
        let mut file = folder.write_on(JOURNAL).map_err(failed)?;
        RunFolder::hold(&file).map_err(failed)?;
        let Extent { bytes: length, head, .. } = history.journal;
        file.set_len(length)
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .and_then(|_| file.sync_all())
            .map_err(failed)?;
        let before_ms = u64::try_from(history.duration.as_millis()).unwrap_or(u64::MAX);
        let (folder, chain) = (folder.clone(), Chain::new(key, head));
        let batch = Vec::with_capacity(1 << 14);
        Ok(Self { file, folder, path, length, batch, chain, beat: Beat::new(start), start, before_ms })
    }

    /// Milliseconds of work since the run began, earlier legs included.
    pub fn at_ms(&self, now: Instant) -> u64 {
        let leg = u64::try_from(now.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX);
        self.before_ms.saturating_add(leg)
    }

    /// Takes note of an entry; it is on the disk after the next [`Journal::commit`].
    pub fn note(&mut self, entry: &Entry) {
        let json = serde_json::to_string(entry).expect("memory takes every entry");
        self.chain.seal(&escaped_json(&json), &mut self.batch);
        if self.batch.len() >= MOST_IN_MEMORY {
            // What cannot be written is kept, and the next commit fails for it.
            let _ = self.flush();
        }
    }

    /// The leg begins to send.
    pub fn begin_pulses(&mut self, load: &Load) {
        self.beat.begin(load);
    }

    /// Whether it is time to note how busy the leg keeps Houston.
    pub fn is_pulse_due(&self, now: Instant) -> bool {
        self.beat.is_due(now)
    }

    /// Takes note of how busy the leg keeps Houston, and what it waits for.
    pub fn note_pulse(&mut self, load: &Load, pause: Option<Pause>, now: Instant) {
        let pulse = self.beat.pulse(load, pause, self.at_ms(now), now);
        self.note(&Entry::Pulse(Box::new(pulse)));
    }

    /// Takes note of the end of a row.
    pub fn note_outcome(&mut self, item: ItemId, outcome: &Outcome, now: Instant) {
        let elapsed_ms = u64::try_from(outcome.elapsed.as_millis()).unwrap_or(u64::MAX);
        self.note(&Entry::Outcome {
            item,
            status: outcome.status,
            code: outcome.cause.as_ref().map(|cause| cause.code.clone()),
            detail: outcome.cause.as_ref().map(|cause| cause.text.clone()),
            attempts: outcome.attempts,
            elapsed_ms,
            at_ms: self.at_ms(now),
        });
    }

    /// Writes what was noted in one piece and waits until the disk has it, under the name of the
    /// journal: a file that was deleted takes bytes and syncs like any other.
    ///
    /// # Errors
    /// It cannot be written, or its name no longer leads to it.
    pub fn commit(&mut self) -> Result<(), JournalError> {
        self.flush()?;
        let synced = self.file.sync_data().and_then(|()| self.folder.still_has_journal(&self.file));
        synced.map_err(|source| JournalError::Write { path: self.path.clone(), source })
    }

    /// Hands what was noted to the operating system: it survives the end of this process, but not
    /// of the machine. What could not be written is kept, to the byte: the next call continues
    /// where this one stopped, so that only the last line of the file can be torn.
    pub fn flush(&mut self) -> Result<(), JournalError> {
        let mut written = 0;
        // Behind a cut there would be a hole, and the length as it was.
        let whole = self.file.metadata().and_then(|metadata| match metadata.len() {
            found if found == self.length => Ok(()),
            found => {
                Err(io::Error::other(format!("it is truncated: it has {found} of {} bytes", self.length)))
            }
        });
        let result = whole.and_then(|()| write_on(&mut disk(&mut self.file), &self.batch, &mut written));
        self.batch.drain(..written);
        self.length += written as u64;
        result.map_err(|source| JournalError::Write { path: self.path.clone(), source })
    }
}

/// What a journal is written to. Tests let it fill up.
#[cfg(not(test))]
fn disk(file: &mut File) -> &mut File {
    file
}

#[cfg(test)]
fn disk(file: &mut File) -> full::Disk<'_> {
    full::Disk::new(file)
}

/// Writes all of it; `written` counts the bytes that are in the file, also after an error.
fn write_on(file: &mut impl Write, bytes: &[u8], written: &mut usize) -> io::Result<()> {
    while *written < bytes.len() {
        match file.write(&bytes[*written..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => *written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Level, RowNumber, Scope, WorkspaceId};
    use crate::outcome::Cause;
    use crate::plan::{
        self, Action, Decision, Item, Membership, Operation, Plan, Reason, Subject, Workspace,
    };
    use crate::record::folder::{ROSTER, Runs};
    use std::sync::Arc;

    fn plan() -> Plan {
        let rejected = Arc::new(Cause::new(Code::WorkspaceUnknown, "no such workspace"));
        let decisions = [
            Decision::Change(Action::Add(Level::Editor)),
            Decision::Keep(Reason::Merged { into: RowNumber::from_index(0) }),
            Decision::Keep(Reason::Unchanged),
            Decision::Change(Action::Add(Level::Editor)),
            Decision::Keep(Reason::Rejected(rejected)),
        ];
        let item = |(index, decision)| Item {
            origin: plan::Origin::Row(RowNumber::from_index(index)),
            subject: Some(Subject::new(0, None)),
            wanted: Some(Level::Editor),
            seen: Some(Membership::Absent),
            decision,
        };
        Plan {
            workspaces: vec![Workspace { id: WorkspaceId::new("ck1").expect("valid"), label: None }],
            items: decisions.into_iter().enumerate().map(item).collect(),
            ..Plan::default()
        }
    }

    pub(super) fn header(plan_sha256: String) -> Header {
        Header {
            format: FORMAT,
            run: "20261123T154500Z-k3f9".to_owned(),
            started_at: jiff::Timestamp::UNIX_EPOCH,
            tool_version: "0.1.0".to_owned(),
            target: "https://houston.example.com/v1".to_owned(),
            sandbox: false,
            houston_version: Some("1.0.0".to_owned()),
            actor: Actor::default(),
            approved_by: None,
            roster: "team.csv".to_owned(),
            roster_sha256: String::new(),
            plan_sha256,
            rows: 5,
            grants: 0,
            extras: 0,
            dialect: serde_json::Value::Null,
            settings: RunSettings::default(),
            reach: Reach::default(),
            saved_plan: None,
            last_run: None,
            chained_by: ChainKind::Sha256,
        }
    }

    /// A run of the plan above, with these entries after the header.
    pub(super) fn run(entries: &[Entry]) -> (tempfile::TempDir, RunFolder) {
        keyed_run(None, entries)
    }

    /// The same with a key.
    pub(super) fn keyed_run(key: Option<AuditKey>, entries: &[Entry]) -> (tempfile::TempDir, RunFolder) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let folder =
            Runs::prepare(dir.path()).expect("usable").create(jiff::Timestamp::UNIX_EPOCH).expect("created");
        let plan = plan();
        let lines = plan.numbered().map(|(id, _)| {
            let origin = Origin::Row { number: id.row(), line: id.get() + 1 };
            PlanLine::of(&plan, id, origin, "a@example.com".to_owned())
        });
        let digest = write_plan(&folder, lines).expect("written");
        let mut roster = Hashing::new(folder.new_file(ROSTER).expect("created"));
        roster.write_all(b"email,role,workspace\n").expect("written");
        let header = Header { roster_sha256: roster.finish().1, ..header(digest) };
        let mut journal = Journal::create_with(key, &folder, header, Instant::now()).expect("created");
        entries.iter().for_each(|entry| journal.note(entry));
        journal.commit().expect("written");
        (dir, folder)
    }

    pub(super) fn intent(index: usize, attempt: u32) -> Entry {
        let operation =
            Operation { item: ItemId::from_index(index), workspace: 0, action: Action::Add(Level::Editor) };
        let op = operation.id(Scope::Workspace, &plan().workspaces[0].id, "a@example.com");
        Entry::Intent { item: operation.item, op, attempt, step: None, at_ms: 1 }
    }

    pub(super) fn outcome(index: usize, status: Status) -> Entry {
        Entry::Outcome {
            item: ItemId::from_index(index),
            status,
            code: None,
            detail: None,
            attempts: 1,
            elapsed_ms: 5,
            at_ms: 9,
        }
    }

    fn statuses(folder: &RunFolder) -> Vec<Status> {
        History::read(folder).expect("readable").rows().map(|row| row.status).collect()
    }

    #[test]
    fn the_end_of_a_journal_says_how_its_run_ended() {
        let closed = |stopped| Entry::Closed {
            stopped,
            code: None,
            detail: None,
            requests: 1,
            strain: Strain::default(),
            at_least: false,
            at_ms: 9,
        };
        let ended = |entries: &[Entry]| {
            let (_dir, folder) = run(entries);
            History::last_end(&folder).expect("readable")
        };
        let outcomes = vec![outcome(0, Status::Added); 2_000];
        assert_eq!(ended(&[]), LegEnd::None, "only a header");
        assert_eq!(ended(&outcomes), LegEnd::None);
        assert_eq!(ended(&[&outcomes[..], &[closed(None)]].concat()), LegEnd::InOrder);
        assert_eq!(ended(&[closed(Some(StopReason::Interrupted))]), LegEnd::Early);
        let (_dir, folder) = run(&[closed(None)]);
        let journal = std::fs::read(folder.journal()).expect("there");
        std::fs::write(folder.journal(), &journal[..journal.len() - 1]).expect("written");
        assert_eq!(History::last_end(&folder).expect("readable"), LegEnd::None, "a torn line");
    }

    #[test]
    fn entries_that_nobody_commits_do_not_gather_in_memory_without_end() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder =
            Runs::prepare(dir.path()).expect("made").create(jiff::Timestamp::UNIX_EPOCH).expect("made");
        let mut journal = Journal::create(&folder, header(String::new()), Instant::now()).expect("made");
        let entry = Entry::Acknowledged { item: ItemId::from_index(0), at_ms: 1 };
        let all = 3 * MOST_IN_MEMORY / serde_json::to_string(&entry).expect("JSON").len();
        (0..all).for_each(|_| journal.note(&entry));
        let written = std::fs::metadata(folder.journal()).expect("there").len();
        assert!(written > 2 * MOST_IN_MEMORY as u64, "{written} bytes are written");
        assert!(journal.batch.len() < MOST_IN_MEMORY, "{} bytes wait", journal.batch.len());
    }

    #[test]
    fn a_journal_is_free_after_its_writer_whoever_else_has_the_file_open() {
        let (_dir, folder) = run(&[]);
        let history = History::read(&folder).expect("readable");
        let journal = Journal::append(&folder, &history, Instant::now()).expect("opened");
        let inherited = journal.file.try_clone().expect("cloned");
        assert!(folder.is_held());
        drop(journal);
        assert!(!folder.is_held());
        drop(inherited);
    }

    #[test]
    fn a_row_is_what_its_last_entry_says() {
        use Status::{Added, GaveUp, InDoubt, Merged, NotRun, Rejected, Unchanged};
        let (_dir, folder) = run(&[]);
        assert_eq!(statuses(&folder), [NotRun, NotRun, Unchanged, NotRun, Rejected]);
        let (_dir, folder) = run(&[intent(0, 1), intent(3, 1)]);
        assert_eq!(statuses(&folder), [InDoubt, InDoubt, Unchanged, InDoubt, Rejected]);
        let released = Entry::Released { item: ItemId::from_index(3), at_ms: 2 };
        let (_dir, folder) = run(&[intent(0, 1), intent(3, 1), outcome(0, Added), released]);
        assert_eq!(statuses(&folder), [Added, Merged, Unchanged, NotRun, Rejected]);
        let (_dir, folder) = run(&[intent(0, 1), outcome(0, GaveUp), intent(0, 2), outcome(0, Added)]);
        assert_eq!(statuses(&folder)[0], Added, "a later outcome replaces an earlier one");
    }

    #[test]
    fn a_released_retry_leaves_the_doubt_about_the_first_try() {
        let released = Entry::Released { item: ItemId::from_index(0), at_ms: 2 };
        let (_dir, folder) = run(&[intent(0, 1), intent(0, 2), released]);
        assert_eq!(statuses(&folder)[0], Status::InDoubt);
    }

    #[test]
    fn a_torn_last_line_is_passed_over_and_a_broken_one_before_it_is_not() {
        let (_dir, folder) = run(&[intent(0, 1), outcome(0, Status::Added)]);
        let whole = std::fs::read(folder.journal()).expect("readable");
        let header_end = whole.iter().position(|&b| b == b'\n').expect("a header") + 1;
        for cut in header_end..=whole.len() {
            std::fs::write(folder.journal(), &whole[..cut]).expect("written");
            let history = History::read(&folder).expect("a cut journal can be read");
            assert_eq!(history.row_count(), 5, "cut at {cut}");
        }
        for cut in 0..header_end {
            std::fs::write(folder.journal(), &whole[..cut]).expect("written");
            assert!(matches!(History::read(&folder), Err(JournalError::NoHeader { .. })), "cut at {cut}");
        }
        let mut broken = whole.clone();
        broken[header_end] = b'#';
        std::fs::write(folder.journal(), &broken).expect("written");
        assert!(matches!(History::read(&folder), Err(JournalError::Broken { line: 2, .. })));
    }

    /// A disk that takes so many bytes in all, a few at a time, and is interrupted before each.
    struct Full {
        taken: Vec<u8>,
        room: usize,
        interrupted: bool,
    }

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.interrupted = !self.interrupted;
            if self.interrupted {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let count = bytes.len().min(7).min(self.room - self.taken.len());
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.taken.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_write_goes_on_where_a_full_disk_broke_it_off() {
        let text = b"a line of the journal\nand another one\n";
        for room in 0..=text.len() {
            let mut disk = Full { taken: Vec::new(), room, interrupted: false };
            let mut written = 0;
            let result = write_on(&mut disk, text, &mut written);
            assert_eq!((result.is_ok(), written), (room == text.len(), room));
            disk.room = text.len();
            let mut rest = 0;
            write_on(&mut disk, &text[written..], &mut rest).expect("there is room now");
            assert_eq!(disk.taken, text, "no byte lost, none twice");
        }
    }

    #[test]
    fn a_row_is_merged_into_another_row_of_the_roster_only() {
        let (_dir, folder) = run(&[]);
        let text = std::fs::read_to_string(folder.plan()).expect("readable");
        assert!(text.contains("\"into\":1"), "{text}");
        for into in ["2", "6", "4294967295"] {
            let changed = text.replacen("\"into\":1", &format!("\"into\":{into}"), 1);
            std::fs::write(folder.plan(), changed).expect("written");
            assert!(matches!(History::read(&folder), Err(JournalError::Broken { line: 2, .. })), "{into}");
        }
    }

    #[test]
    fn a_journal_that_was_cut_takes_nothing_more() {
        let (_dir, folder) = run(&[]);
        let history = History::read(&folder).expect("readable");
        let mut journal = Journal::append(&folder, &history, Instant::now()).expect("opened");
        journal.note(&intent(0, 1));
        journal.commit().expect("written");
        File::options().write(true).open(folder.journal()).expect("there").set_len(10).expect("cut");
        journal.note(&outcome(0, Status::Added));
        let error = journal.commit().expect_err("it has lost its beginning");
        assert!(matches!(error, JournalError::Write { .. }), "{error}");
    }

    #[test]
    fn a_plan_with_a_row_out_of_order_is_refused() {
        let (_dir, folder) = run(&[]);
        let text = std::fs::read_to_string(folder.plan()).expect("readable");
        std::fs::write(folder.plan(), text.replacen("\"item\":2", "\"item\":9", 1)).expect("written");
        assert!(matches!(History::read(&folder), Err(JournalError::Broken { line: 2, .. })));
    }

    #[test]
    fn a_line_without_an_end_is_refused_before_it_fills_the_memory() {
        let (_dir, folder) = run(&[]);
        let plan = File::options().append(true).open(folder.plan()).expect("there");
        plan.set_len(1 << 33).expect("a hole takes no room");
        let error = History::read(&folder).expect_err("8 GiB of nothing");
        assert!(matches!(error, JournalError::Broken { line: 6, .. }), "{error}");
    }

    #[test]
    fn a_run_of_an_older_format_is_refused_whatever_else_is_in_its_files() {
        let (_dir, folder) = run(&[]);
        let header =
            r#"{"entry":"header","format":4,"run":"20261123T154500Z-k3f9","target":"https://old","rows":5}"#;
        std::fs::write(folder.journal(), format!("{header}\n{{\"entry\":\"of_then\"}}\n")).expect("written");
        std::fs::write(folder.plan(), "{\"row\":1}\n").expect("written");
        let error = History::read(&folder).expect_err("of another format");
        let text = error.to_string();
        assert!(text.ends_with(" has the older format 4; this version reads 5"), "{text}");
        let JournalError::Older { format: 4, target, .. } = error else { panic!("{error}") };
        assert_eq!(target.as_deref(), Some("https://old"));
        assert!(matches!(History::read_header(&folder), Err(JournalError::Older { .. })));
    }

    #[test]
    fn every_kind_of_item_has_its_own_part_of_a_plan() {
        let (_dir, folder) = run(&[]);
        let text = std::fs::read_to_string(folder.plan()).expect("readable");
        let of_row = |number: u32| format!("{{\"row\":{{\"number\":{number},\"line\":{}}}}}", number + 1);
        for wrong in ["\"extra\"".to_owned(), of_row(2)] {
            std::fs::write(folder.plan(), text.replacen(&of_row(3), &wrong, 1)).expect("written");
            let error = History::read(&folder).expect_err("not the third row");
            assert!(matches!(error, JournalError::Broken { line: 3, .. }), "{wrong}: {error}");
        }
    }

    #[test]
    fn people_who_are_not_in_the_roster_come_behind_its_rows() {
        let (_dir, folder) = run(&[]);
        let mut plan = std::fs::read_to_string(folder.plan()).expect("readable");
        for number in [4, 5] {
            let row = format!("{{\"row\":{{\"number\":{number},\"line\":{}}}}}", number + 1);
            plan = plan.replacen(&row, "\"extra\"", 1);
        }
        std::fs::write(folder.plan(), plan).expect("written");
        let text = std::fs::read_to_string(folder.journal()).expect("readable");
        std::fs::write(folder.journal(), text.replacen("\"rows\":5", "\"rows\":3,\"extras\":2", 1))
            .expect("written");
        let history = History::read(&folder).expect("readable");
        assert_eq!((history.row_count(), history.extras().len()), (3, 2));
        assert_eq!(history.item(ItemId::from_index(3)), history.extras().first());
        assert_eq!(history.left_extras(), [ItemId::from_index(3)], "the other one has its end");
        assert!(history.left().iter().all(|row| row.index() < 3));
        for (rows, extras) in [(3, 1), (3, 3), (3, 0)] {
            let counts = format!("\"rows\":{rows},\"extras\":{extras}");
            std::fs::write(folder.journal(), text.replacen("\"rows\":5", &counts, 1)).expect("written");
            assert!(matches!(History::read(&folder), Err(JournalError::Incomplete { .. })), "{counts}");
        }
    }

    #[test]
    fn a_journal_of_a_newer_version_is_refused() {
        let (_dir, folder) = run(&[]);
        let text = std::fs::read_to_string(folder.journal()).expect("readable");
        std::fs::write(folder.journal(), text.replacen("\"format\":5", "\"format\":99", 1)).expect("written");
        assert!(matches!(History::read(&folder), Err(JournalError::Newer { format: 99, .. })));
    }

    #[test]
    fn of_a_leg_that_was_killed_what_its_last_pulse_counted_is_kept_as_the_least() {
        let pulse = |requests, retries| {
            let load = Load { requests, retries, ..Load::default() };
            Entry::Pulse(Box::new(Beat::new(Instant::now()).pulse(&load, None, 9, Instant::now())))
        };
        let closed = |requests, retries, at_least| Entry::Closed {
            stopped: None,
            code: None,
            detail: None,
            requests,
            strain: Strain { retries, ..Strain::default() },
            at_least,
            at_ms: 9,
        };
        let resumed = || Entry::Resumed {
            leg: 2,
            at: jiff::Timestamp::UNIX_EPOCH,
            tool_version: String::new(),
            houston_version: None,
            actor: Actor::default(),
            approved_by: None,
            at_ms: 9,
        };
        let found = |entries: &[Entry]| {
            let history = History::read(&run(entries).1).expect("readable");
            (history.requests, history.strain.retries, history.is_lower_bound())
        };
        assert_eq!(found(&[pulse(7, 1), pulse(10, 2)]), (10, 2, true), "it has no end");
        assert_eq!(found(&[pulse(10, 2), closed(12, 3, false)]), (12, 3, false));
        assert_eq!(
            found(&[pulse(10, 2), closed(12, 3, false), resumed(), closed(1, 0, false)]),
            (13, 3, false)
        );
        let killed = [pulse(10, 2), resumed(), pulse(3, 0), closed(5, 1, false)];
        assert_eq!(found(&killed), (15, 3, true));
        assert_eq!(found(&[resumed(), closed(5, 1, false)]), (5, 1, true), "killed before its first pulse");
        assert_eq!(found(&[pulse(10, 2), closed(10, 2, true)]), (10, 2, true), "closed by another process");
        let (_dir, folder) = run(&[pulse(10, 2)]);
        let mut history = History::read(&folder).expect("readable");
        let mut tally = crate::outcome::Tally::default();
        (tally.requests, tally.strain.retries) = (14, 4);
        history.ended(&crate::event::RunEnd { tally, stopped: None });
        assert_eq!((history.requests, history.strain.retries, history.is_lower_bound()), (14, 4, false));
    }

    #[test]
    fn the_strain_of_all_legs_is_told_and_an_old_journal_has_none() {
        let strain = |window_min, events| Strain {
            concurrency: 8,
            window_end: 7,
            window_min,
            congestion_events: events,
            retries: 2,
            ..Strain::default()
        };
        let closed = |strain| Entry::Closed {
            stopped: None,
            code: None,
            detail: None,
            requests: 10,
            strain,
            at_least: false,
            at_ms: 9,
        };
        let (_dir, folder) = run(&[closed(strain(3, 2)), closed(strain(5, 1))]);
        let history = History::read(&folder).expect("readable");
        assert_eq!(history.strain, Strain { retries: 4, ..strain(3, 3) });
        let text = std::fs::read_to_string(folder.journal()).expect("readable");
        let old = r#"{"entry":"closed","requests":10,"at_ms":9}"#;
        let header = text.lines().next().expect("a header");
        std::fs::write(folder.journal(), format!("{header}\n{old}\n")).expect("written");
        assert_eq!(History::read(&folder).expect("readable").strain, Strain::default());
    }
}
