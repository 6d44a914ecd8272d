//! A run in one small object: `summary.json`, which fits the 4 KiB of a pod's termination message.
//!
//! Main type: [`Summary`], made from a [`History`] alone. The closing text for people
//! ([`super::closing`]) is made from the same object. Its texts are as the run has them, but of bounded
//! length; [`Summary::shown`] has them as people may see them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use super::escape::json_pretty;
use super::last_run::{Figures, LastRun};
use super::removals::{RemovalCounts, Undo};
use super::results::{RESULTS, ResultsError};
use crate::event::StopReason;
use crate::files::read_at_most;
use crate::model::{LimitedBy, Shard, is_harmless, printable};
use crate::outcome::{Code, Status, StatusKind, Tally};
use crate::record::folder::RunFolder;
use crate::record::journal::{ChainKind, Header, History, ItemEnd, Link, RecordedEnd, RowEnd};

/// The name of the file.
pub const FILE: &str = "summary.json";
/// What [`Summary::to_json`] never exceeds, in bytes.
pub const LIMIT: usize = 4096;
/// How many ids of joined runs `summary.json` has at most.
pub const MOST_RUNS: usize = 32;
/// How many examples a class of failures has.
pub const EXAMPLES: usize = 5;
/// How many of them there is room for in `summary.json` and on a terminal.
const FEW: usize = 3;
/// The longest text kept, in characters.
const LONGEST: usize = 300;
/// The longest text in `summary.json`, in bytes of JSON.
const LONGEST_IN_JSON: usize = 160;

/// The version of the form of `summary.json`.
pub const SCHEMA_VERSION: u32 = 1;

/// How much of a run something is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// Rows of the roster.
    pub rows: u64,
    /// Removals of people who are not in the roster.
    pub removals: u64,
}

impl Amount {
    /// Both together.
    pub fn total(self) -> u64 {
        self.rows + self.removals
    }
}

/// The state of a run.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Summary {
    /// Version of this object: 1. Fields may be added under the same version.
    pub schema_version: u32,
    /// The run's id.
    pub run: String,
    /// The run's folder.
    #[serde(serialize_with = "as_text")]
    pub folder: PathBuf,
    /// Whether it is over.
    pub state: RunState,
    /// RFC 3339.
    #[cfg_attr(test, schemars(with = "String"))]
    pub started_at: Timestamp,
    /// RFC 3339; none during the run, and for one that was killed.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub finished_at: Option<Timestamp>,
    /// From the beginning to the last entry of the journal.
    pub duration_ms: u64,
    /// What the program ended with; none if that is not known.
    pub exit_status: Option<u8>,
    /// Why it ended early, if it did.
    pub stopped: Option<Stopped>,
    /// The URL of Houston.
    pub target: String,
    /// Whether that was an embedded sandbox.
    pub sandbox: bool,
    /// The version that Houston reports.
    pub houston_version: Option<String>,
    /// Version of this program.
    pub tool_version: String,
    /// The input as the user named it.
    pub roster: String,
    /// SHA-256 of the input, hexadecimal.
    pub roster_sha256: String,
    /// SHA-256 of `plan.jsonl`, hexadecimal.
    pub plan_sha256: String,
    /// Who began it: a name or an id as Houston gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// Who approved it, as `--approved-by` says; several names if it was resumed with another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// How far the journal goes, once it is closed: what `report --verify` compares it with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<JournalEnd>,
    /// The share of the input that the run carries out; none for all of it. All counts are its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// The ids of the runs that are joined, in the order of their shards, if several are: then `run` is the name
    /// of the folder, and `plan_sha256` the digest of the digests of their plans, one a line. More than
    /// [`MOST_RUNS`] are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<String>,
    /// The folders of those that can go on.
    #[serde(skip)]
    pub unfinished: Vec<PathBuf>,
    /// Whether no confirmation was asked before it began, so that none is needed when it resumes.
    #[serde(skip)]
    pub unattended: bool,
    /// Whether unlikely addresses were accepted.
    #[serde(skip)]
    pub allow_odd_addresses: bool,
    /// The file that the token came from, if it did.
    #[serde(skip)]
    pub token_file: Option<PathBuf>,
    /// How many processes have worked on it: one, and one more for each `resume`.
    pub legs: u32,
    /// Rows of the input, or of its shard.
    pub rows: u64,
    /// Rows per status, zeros included; `removed` counts people who were not in the input.
    #[serde(serialize_with = "by_status")]
    #[cfg_attr(test, schemars(with = "std::collections::BTreeMap<Status, u64>"))]
    pub counts: Tally,
    /// The outcome for people who were not in the input, if the run was to remove them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removals: Option<RemovalCounts>,
    /// The outcome of the deployment roles that the rows wanted, if they wanted any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment_roles: Option<GrantCounts>,
    /// What `undo.csv` restores; known once it is written.
    #[serde(skip)]
    pub undo: Undo,
    /// Of the rows that are `not_run`, those outside of `--only` or `--limit`.
    pub left_out: u64,
    /// Rows, and people to remove, for which at least one mutation was sent.
    pub operations: u64,
    /// Mutations sent.
    pub attempts: u64,
    /// Requests of every kind.
    pub requests: u64,
    /// Whether there may have been more requests and retries: a process was killed after it had counted for the
    /// last time, or is still at work.
    #[serde(skip_serializing_if = "is_false")]
    pub at_least: bool,
    /// How often Houston was overloaded and the requests in flight were reduced.
    pub congestion_events: u64,
    /// The fewest requests that were allowed in flight; 0 while that is not known.
    pub window_min: u32,
    /// How many were allowed in the end.
    pub window_end: u32,
    /// How many were allowed on average.
    pub window_mean: u32,
    /// What kept the run from going faster; none while that is not known.
    pub limited_by: Option<LimitedBy>,
    /// How long an answer of Houston took on average, in milliseconds; none while that is not known.
    pub latency_ms: Option<u64>,
    /// How long 95 of 100 rows took at most, of those that were sent, in milliseconds: from the first request of
    /// a row to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row_p95_ms: Option<u64>,
    /// Requests that were sent again.
    pub retries: u64,
    /// Requests that were not sent again because the retry budget was used up.
    pub retries_refused: u64,
    /// Of the rows that are `already_invited`, those of people who have an account: the invitation gives it no
    /// access.
    #[serde(skip)]
    pub locked_out: u64,
    /// Rows whose change of role a guard held back.
    #[serde(skip)]
    pub held_back: u64,
    /// The run that had finished before this one began, for those who compare.
    #[serde(skip)]
    pub last_run: Option<LastRun>,
    /// What failed or is unsettled, by status and code, the most frequent first.
    pub failures: Vec<FailureClass>,
    /// Failed or unsettled rows of classes that did not fit into `failures`.
    pub other_failures: u64,
}

/// The end of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct JournalEnd {
    /// How many lines it has.
    pub lines: u64,
    /// The value of the chain at the last one.
    pub head: String,
    /// How its chain is made.
    #[serde(default)]
    pub chained_by: ChainKind,
}

/// The end of the journal that `summary.json` in the folder of a run records, if it records one.
pub fn recorded_end(folder: &RunFolder) -> Option<RecordedEnd> {
    #[derive(Deserialize)]
    struct Recorded {
        journal: Option<JournalEnd>,
    }
    let file = folder.read(FILE).ok()?;
    let bytes = read_at_most(file, LIMIT as u64).ok()?;
    let JournalEnd { lines, head, .. } = serde_json::from_slice::<Recorded>(&bytes).ok()?.journal?;
    Some(RecordedEnd { lines, head: Link::parse(head.as_bytes())? })
}

/// The outcome of deployment roles; rows that want them are counted by the outcome of both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GrantCounts {
    /// In all.
    pub wanted: u64,
    /// Given or changed.
    pub set: u64,
    /// Not changed: there already, kept otherwise, or left out.
    pub kept: u64,
    /// Refused for good.
    pub failed: u64,
    /// Not settled, or not tried: a later try can.
    pub open: u64,
}

impl GrantCounts {
    fn of(history: &History) -> Option<Self> {
        let mut counts = Self::default();
        for (_, end) in history.grants() {
            counts.wanted += 1;
            let counter = match end.status.kind() {
                StatusKind::Changed => &mut counts.set,
                StatusKind::AsItWas => &mut counts.kept,
                StatusKind::Failed => &mut counts.failed,
                StatusKind::Unresolved | StatusKind::NotTried => &mut counts.open,
            };
            *counter += 1;
        }
        (counts.wanted > 0).then_some(counts)
    }
}

/// Whether a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It ended in order, perhaps early.
    Closed,
    /// A process is carrying it out.
    Going,
    /// It has no end, and no process is carrying it out: it was killed.
    BrokenOff,
}

/// Why a run ended early.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Stopped {
    /// As one word.
    pub reason: StopReason,
    /// The code of its cause.
    #[serde(skip)]
    pub code: Option<Code>,
    /// More about it.
    pub detail: Option<String>,
}

/// Rows that came to the same bad end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FailureClass {
    /// How they ended.
    pub status: Status,
    /// Why, as one word; empty if unknown.
    #[serde(serialize_with = "word_or_nothing")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub code: Option<Code>,
    /// How many there are.
    pub count: u64,
    /// The physical lines of the first ones.
    #[serde(serialize_with = "few")]
    #[cfg_attr(test, schemars(with = "Vec<u32>"))]
    pub lines: Vec<u32>,
    /// Why the first of them ended so.
    pub text: String,
    /// The texts of all `lines`.
    #[serde(skip)]
    pub texts: Vec<String>,
}

impl FailureClass {
    /// The code; empty without one.
    pub fn word(&self) -> &str {
        self.code.as_ref().map_or("", Code::word)
    }

    /// The same with as few examples as there is room for on a terminal.
    pub(super) fn with_few(&self) -> Self {
        let mut few = self.clone();
        few.lines.truncate(FEW);
        few.texts.truncate(FEW);
        few
    }
}

impl Summary {
    /// Sums up the files of a run. `exit_status` is that of the program, if it is known.
    pub fn new(history: &History, folder: &Path, exit_status: Option<u8>) -> Self {
        let header = &history.header;
        let left_out = |row: &RowEnd<'_>| row.status == Status::NotRun && row.is_left_out();
        let removals = RemovalCounts::of(history);
        let mut counts = history.tally();
        (0..removals.map_or(0, |removals| removals.removed)).for_each(|_| counts.count(Status::Removed));
        let all = || history.rows().map(|row| row.end).chain(history.extras());
        Self {
            schema_version: SCHEMA_VERSION,
            run: bounded(&header.run),
            folder: folder.to_owned(),
            state: if history.closed { RunState::Closed } else { RunState::BrokenOff },
            started_at: header.started_at,
            finished_at: history.finished_at(),
            duration_ms: u64::try_from(history.duration.as_millis()).unwrap_or(u64::MAX),
            exit_status,
            stopped: history.stopped.as_ref().map(|(reason, cause)| Stopped {
                reason: *reason,
                code: cause.as_ref().map(|cause| cause.code.clone()),
                detail: cause.as_ref().map(|cause| &*cause.text).filter(|text| !text.is_empty()).map(bounded),
            }),
            target: bounded(&header.target),
            sandbox: header.sandbox,
            houston_version: header.houston_version.as_deref().map(bounded),
            tool_version: bounded(&header.tool_version),
            roster: bounded(&header.roster),
            roster_sha256: bounded(&header.roster_sha256),
            plan_sha256: bounded(&header.plan_sha256),
            caller: header.actor.caller().map(bounded),
            approved_by: (!history.approved_by.is_empty()).then(|| bounded(&history.approved_by.join(", "))),
            journal: history.end().map(|end| JournalEnd {
                lines: end.lines,
                head: end.head.to_string(),
                chained_by: history.header.chained_by,
            }),
            shard: header.settings.shard,
            runs: Vec::new(),
            unfinished: Vec::new(),
            unattended: header.settings.unattended,
            allow_odd_addresses: header.settings.allow_odd_addresses,
            token_file: header.reach.token_file.clone(),
            legs: history.legs,
            rows: history.row_count() as u64,
            counts,
            removals,
            deployment_roles: GrantCounts::of(history),
            undo: Undo::default(),
            left_out: history.rows().filter(left_out).count() as u64,
            operations: all().filter(|row| row.attempts > 0).count() as u64,
            attempts: all().map(|row| u64::from(row.attempts)).sum(),
            requests: history.requests,
            at_least: history.is_lower_bound(),
            congestion_events: history.strain.congestion_events,
            window_min: history.strain.window_min,
            window_end: history.strain.window_end,
            window_mean: history.strain.window_mean,
            limited_by: history.strain.latency_ms().map(|_| history.strain.limited_by),
            latency_ms: history.strain.latency_ms(),
            row_p95_ms: row_p95_ms(all()),
            retries: history.strain.retries,
            retries_refused: history.strain.retries_refused,
            locked_out: history.rows().filter(|row| row.is_locked_out()).count() as u64,
            held_back: history.rows().filter(|row| row.is_held_back()).count() as u64,
            last_run: None,
            failures: classes(history.rows()),
            other_failures: 0,
        }
    }

    /// The same, if some process is carrying the run out at the moment.
    #[must_use]
    pub fn going(mut self) -> Self {
        match self.state {
            RunState::BrokenOff => self.state = RunState::Going,
            RunState::Closed | RunState::Going => {}
        }
        self
    }

    /// The same with texts that people may see.
    #[must_use]
    pub fn shown(&self) -> Self {
        let clean = |text: &mut String| *text = printable(text).into_owned();
        let mut shown = self.clone();
        shown.texts().into_iter().for_each(clean);
        shown.failures.iter_mut().flat_map(|class| &mut class.texts).for_each(clean);
        shown
    }

    /// Every text of `summary.json`, but the folder.
    fn texts(&mut self) -> Vec<&mut String> {
        let always = [
            &mut self.run,
            &mut self.target,
            &mut self.tool_version,
            &mut self.roster,
            &mut self.roster_sha256,
            &mut self.plan_sha256,
        ];
        let detail = self.stopped.as_mut().and_then(|stopped| stopped.detail.as_mut());
        let of_classes = self.failures.iter_mut().flat_map(|class| {
            let code = class.code.as_mut().and_then(Code::foreign_mut);
            code.into_iter().chain([&mut class.text])
        });
        let last_run = self.last_run.iter_mut().flat_map(|last| [&mut last.run, &mut last.roster]);
        let names = [&mut self.houston_version, &mut self.caller, &mut self.approved_by];
        let names = names.into_iter().filter_map(Option::as_mut);
        always
            .into_iter()
            .chain(&mut self.runs)
            .chain(names)
            .chain(last_run)
            .chain(detail)
            .chain(of_classes)
            .collect()
    }

    /// The same beside the run that its header names, if this one is over, and that one is the user's own and
    /// can still be read.
    #[must_use]
    pub fn beside_last_run(mut self, folder: &RunFolder, header: &Header) -> Self {
        let read = |id: &str| {
            let file = folder.runs().ok()?.run(id)?.read(FILE).ok()?;
            LastRun::parse(&read_at_most(file, LIMIT as u64).ok()?, id, &header.target)
        };
        let is_over = self.state == RunState::Closed;
        self.last_run = header.last_run.as_deref().filter(|_| is_over).and_then(read);
        self
    }

    /// What is compared with other runs.
    pub fn figures(&self) -> Figures {
        let removals = self.removals.unwrap_or_default();
        Figures {
            rows: self.rows,
            bad: self.failed().total() + self.counts.of_kind(StatusKind::Unresolved) + removals.unsettled,
            not_tried: self.counts.of(Status::NotRun) - self.left_out + removals.not_run,
            row_p95_ms: self.row_p95_ms,
            duration_ms: self.duration_ms,
        }
    }

    /// Rows per status, without those that no row has.
    pub fn by_status(&self) -> impl Iterator<Item = (Status, u64)> {
        let all = Status::ALL.into_iter().map(|status| (status, self.counts.of(status)));
        all.filter(|(_, count)| *count > 0)
    }

    /// What a later leg of the run can settle: unsettled rows and removals, and those not tried for
    /// another reason than `--only` or `--limit`.
    pub fn resumable(&self) -> Amount {
        let rows =
            self.counts.of_kind(StatusKind::Unresolved) + self.counts.of(Status::NotRun) - self.left_out;
        Amount { rows, removals: self.removals.map_or(0, |removals| removals.unsettled + removals.not_run) }
    }

    /// What failed for good.
    pub fn failed(&self) -> Amount {
        let rows = self.counts.of_kind(StatusKind::Failed);
        Amount { rows, removals: self.removals.map_or(0, |removals| removals.failed) }
    }

    /// What a guard held back.
    pub fn guarded(&self) -> Amount {
        Amount { rows: self.held_back, removals: self.removals.map_or(0, |removals| removals.held_back) }
    }

    /// Compares this summary with the counts in `results.csv`.
    ///
    /// # Errors
    /// [`ResultsError::Mismatch`] if they differ.
    pub fn check(&self, written: &Tally) -> Result<(), ResultsError> {
        let totals = [("in all", written.rows(), self.rows)];
        // The roster's own people are not removed.
        let removed =
            |status| if status == Status::Removed { self.removals.map_or(0, |all| all.removed) } else { 0 };
        let each = Status::ALL
            .map(|status| (status.word(), written.of(status), self.counts.of(status) - removed(status)));
        match each.into_iter().chain(totals).find(|(_, found, expected)| found != expected) {
            None => Ok(()),
            Some((what, found, expected)) => {
                Err(ResultsError::Mismatch { file: RESULTS, what, found, expected })
            }
        }
    }

    /// The content of `summary.json`: readable JSON of at most [`LIMIT`] bytes. Long texts are cut,
    /// and the rarest classes of failures are left to `other_failures`.
    pub fn to_json(&self) -> String {
        self.fitted(LIMIT, |small| json_pretty(small).expect("texts and numbers serialise"))
    }

    /// The same with what `summary.json` has room for.
    #[must_use]
    pub fn bounded(&self) -> Self {
        let mut small = self.clone();
        let keep = |json: &Self| serde_json::to_string(json).expect("texts and numbers serialise");
        while keep(&small).len() > LIMIT {
            let Some(class) = small.failures.pop() else { break };
            small.other_failures += class.count;
        }
        small
    }

    /// What `write` makes of a summary, cut until it has at most `limit` bytes, if that is possible.
    pub(super) fn fitted(&self, limit: usize, write: impl Fn(&Self) -> String) -> String {
        let mut small = self.clone();
        small.texts().into_iter().for_each(shorten);
        if small.runs.len() > MOST_RUNS {
            small.runs.clear();
        }
        let mut folder = bounded(&self.folder.to_string_lossy());
        shorten(&mut folder);
        small.folder = folder.into();
        loop {
            let json = write(&small);
            if json.len() <= limit {
                return json;
            }
            match small.failures.pop() {
                Some(class) => small.other_failures += class.count,
                None => return json,
            }
        }
    }
}

/// How long 95 of 100 of these took at most that were sent.
fn row_p95_ms<'h>(ends: impl Iterator<Item = &'h ItemEnd>) -> Option<u64> {
    let mut elapsed: Vec<u32> = ends.filter(|end| end.attempts > 0).map(|end| end.elapsed_ms).collect();
    elapsed.sort_unstable();
    quantile(&elapsed, 95)
}

/// What so many per cent of these sorted times do not exceed; none of none.
pub(super) fn quantile(sorted: &[u32], percent: usize) -> Option<u64> {
    sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).map(|&ms| u64::from(ms))
}

/// The failed and unsettled rows, grouped.
fn classes<'h>(rows: impl Iterator<Item = RowEnd<'h>>) -> Vec<FailureClass> {
    let mut indexes = HashMap::new();
    let mut classes: Vec<FailureClass> = Vec::new();
    for RowEnd { line, end: row } in rows {
        match row.status.kind() {
            StatusKind::Failed | StatusKind::Unresolved => {}
            StatusKind::Changed | StatusKind::AsItWas | StatusKind::NotTried => continue,
        }
        let code = row.cause.as_ref().map(|cause| &cause.code);
        let text = row.cause.as_ref().map_or("", |cause| &*cause.text);
        let index = *indexes.entry((row.status, code)).or_insert(classes.len());
        if index == classes.len() {
            let (code, text) = (code.cloned().map(bounded_code), bounded(text));
            let (lines, texts) = (Vec::new(), Vec::new());
            classes.push(FailureClass { status: row.status, code, count: 0, lines, text, texts });
        }
        let class = &mut classes[index];
        class.count += 1;
        if class.lines.len() < EXAMPLES {
            class.lines.push(line);
            class.texts.push(bounded(text));
        }
    }
    classes.sort_by(|a, b| {
        b.count.cmp(&a.count).then_with(|| a.status.cmp(&b.status)).then_with(|| a.word().cmp(b.word()))
    });
    classes
}

/// A code of bounded length, whatever its source.
fn bounded_code(mut code: Code) -> Code {
    if let Some(foreign) = code.foreign_mut() {
        *foreign = bounded(foreign);
    }
    code
}

/// A text from outside, of bounded length.
fn bounded(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Cuts a text so that it takes at most [`LONGEST_IN_JSON`] bytes of JSON.
pub(super) fn shorten(text: &mut String) {
    const MARK: char = '…';
    /// An escape such as `\u001b`.
    const ESCAPE: usize = 6;
    let cost = |c: char| match c {
        '"' | '\\' => 2,
        // They may be escaped, too.
        '#' | ':' => ESCAPE,
        c if is_harmless(c) => c.len_utf8(),
        c => ESCAPE * c.len_utf16(),
    };
    if text.chars().map(cost).sum::<usize>() <= LONGEST_IN_JSON {
        return;
    }
    let mut room = LONGEST_IN_JSON - MARK.len_utf8();
    let end = text.char_indices().find_map(|(index, c)| match room.checked_sub(cost(c)) {
        Some(rest) => {
            room = rest;
            None
        }
        None => Some(index),
    });
    text.truncate(end.unwrap_or(text.len()));
    text.push(MARK);
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

fn few<S: Serializer>(lines: &[u32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(lines.iter().take(FEW))
}

fn as_text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.to_string_lossy())
}

#[expect(clippy::ref_option, reason = "serde calls it with the field")]
fn word_or_nothing<S: Serializer>(code: &Option<Code>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.as_ref().map_or("", Code::word))
}

fn by_status<S: Serializer>(tally: &Tally, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(Status::ALL.map(|status| (status, tally.of(status))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Cause;
    use crate::report::fixture::{Fixture, HOSTILE, RUN};

    fn summary(fixture: &Fixture) -> Summary {
        Summary::new(&fixture.history, Fixture::shown(), Some(4))
    }

    #[test]
    fn the_file_has_everything_a_machine_asks_for() {
        let mut summary = summary(&Fixture::new());
        summary.plan_sha256 = "(a digest)".to_owned();
        summary.journal.iter_mut().for_each(|journal| journal.head = "(a link)".to_owned());
        insta::assert_snapshot!(summary.to_json(), @r#"
        {
          "schema_version": 1,
          "run": "20261123T154500Z-k3f9",
          "folder": "onboard-runs/20261123T154500Z-k3f9",
          "state": "closed",
          "started_at": "2026-11-23T15:45:00Z",
          "finished_at": "2026-11-23T15:46:02Z",
          "duration_ms": 62000,
          "exit_status": 4,
          "stopped": {
            "reason": "token_dead",
            "detail": "expired \u001b[31mred\u001b]0;pwned\u0007\nnext\u202eline"
          },
          "target": "https://houston.example.com/v1",
          "sandbox": false,
          "houston_version": "1.0.0\u001b[31mred\u001b]0;pwned\u0007\nnext\u202eline",
          "tool_version": "0.1.0",
          "roster": "team.csv",
          "roster_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
          "plan_sha256": "(a digest)",
          "journal": {
            "lines": 8,
            "head": "(a link)",
            "chained_by": "sha256"
          },
          "legs": 1,
          "rows": 13,
          "counts": {
            "added": 1,
            "invited": 1,
            "unchanged": 1,
            "already_invited": 1,
            "role_updated": 1,
            "role_kept": 1,
            "removed": 1,
            "rejected": 1,
            "gave_up": 1,
            "in_doubt": 1,
            "not_run": 1,
            "invalid": 1,
            "merged": 1
          },
          "left_out": 0,
          "operations": 6,
          "attempts": 10,
          "requests": 37,
          "congestion_events": 0,
          "window_min": 0,
          "window_end": 0,
          "window_mean": 0,
          "limited_by": null,
          "latency_ms": null,
          "row_p95_ms": 40,
          "retries": 0,
          "retries_refused": 0,
          "failures": [
            {
              "status": "rejected",
              "code": "workspace_denied",
              "count": 1,
              "lines": [
                9
              ],
              "text": "=denied \u001b[31mred\u001b]0;pwned\u0007\nnext\u202eline"
            },
            {
              "status": "gave_up",
              "code": "timeout",
              "count": 1,
              "lines": [
                11
              ],
              "text": "no answer within 30 s"
            },
            {
              "status": "in_doubt",
              "code": "not_read_back",
              "count": 1,
              "lines": [
                12
              ],
              "text": "acknowledged by Houston, not read back"
            },
            {
              "status": "invalid",
              "code": "bad_email",
              "count": 1,
              "lines": [
                14
              ],
              "text": "not an address"
            }
          ],
          "other_failures": 0
        }
        "#);
    }

    #[test]
    fn it_fits_a_termination_message_whatever_went_wrong() {
        let codes: Vec<Code> = (0..100).map(|n| Code::Other(format!("code_{n:03}_{HOSTILE}"))).collect();
        let text = format!("\"\\{HOSTILE}é例🦀").repeat(100);
        let class = |code: &Code| (Status::Rejected, Some(Cause::new(code.clone(), text.clone())));
        let mut ends: Vec<_> = codes.iter().map(class).collect();
        ends.extend(codes[..3].iter().map(class));
        let mut fixture = Fixture::with(
            &ends,
            Some((StopReason::MaxErrors, Some(Cause::new(Code::Rejected, text.clone())))),
        );
        let header = &mut fixture.history.header;
        for field in [&mut header.run, &mut header.target, &mut header.roster, &mut header.tool_version] {
            field.clone_from(&text);
        }
        (header.roster_sha256, header.plan_sha256) = (text.clone(), text.clone());
        header.houston_version = Some(text.clone());
        (header.actor.name, header.approved_by) = (Some(text.clone()), Some(text.clone()));
        let summary = Summary::new(&fixture.history, Path::new(&text), Some(8));
        assert_eq!(summary.failures.len(), 100);
        let json = summary.to_json();
        assert!(json.len() <= LIMIT, "{}", json.len());
        let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let listed = value["failures"].as_array().expect("a list");
        assert!(!listed.is_empty());
        let listed_rows: u64 = listed.iter().map(|class| class["count"].as_u64().expect("a count")).sum();
        assert_eq!(listed_rows + value["other_failures"].as_u64().expect("a count"), 103);
        assert_eq!(listed[0]["count"], 2, "the most frequent come first");
        assert!(!json.chars().any(|c| c.is_control() && c != '\n'), "{json}");
    }

    #[test]
    fn every_status_is_counted_also_with_zero() {
        let json = Summary::new(&Fixture::with(&[], None).history, Path::new("run"), None).to_json();
        let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        for status in Status::ALL {
            assert_eq!(value["counts"][status.word()], 0, "{status}");
        }
    }

    #[test]
    fn a_summary_that_differs_from_the_file_is_noticed() {
        let fixture = Fixture::new();
        let summary = summary(&fixture);
        let mut written = fixture.history.tally();
        assert!(summary.check(&written).is_ok());
        written.count(Status::Added);
        let error = summary.check(&written).expect_err("one too many");
        assert_eq!(error.to_string(), "results.csv would have 2 rows added, but the journal has 1");
    }

    #[test]
    fn rows_left_out_on_purpose_are_not_resumed() {
        let left_out = Some(Cause::new(Code::LeftOut, "excluded by --only or --limit"));
        let ends = [(Status::NotRun, left_out), (Status::NotRun, None), (Status::GaveUp, None)];
        let summary = summary(&Fixture::with(&ends, None));
        assert_eq!((summary.left_out, summary.resumable().total()), (1, 2));
    }

    #[test]
    fn a_run_reads_of_another_what_that_one_wrote() {
        let fixture = Fixture::new();
        let mut header = fixture.history.header.clone();
        let summary = Summary::new(&fixture.history, fixture.folder.path(), Some(4));
        let read = |header: &Header| summary.clone().beside_last_run(&fixture.folder, header).last_run;
        assert_eq!(read(&header), None, "it names none");
        header.last_run = Some(RUN.to_owned());
        assert_eq!(read(&header), None, "it has no summary");
        let write = |text: &str| std::fs::write(fixture.folder.path().join(FILE), text).expect("written");
        write(&summary.to_json());
        let last = read(&header).expect("it is there");
        assert_eq!((&*last.run, &*last.roster), (RUN, "team.csv"));
        assert_eq!(last.figures, summary.figures());
        assert_eq!(last.figures.bad, 4, "rejected, invalid, gave_up, in_doubt");
        // A summary of an older version has no quantile.
        let older = summary.to_json().replace("\"row_p95_ms\"", "\"unknown\"");
        write(&older);
        let last = read(&header).expect("it is there");
        assert_eq!((last.figures.row_p95_ms, last.figures.rows), (None, 13));
        for broken in ["", "{}", &older.replace(RUN, "20261123T154500Z-aaaa")] {
            write(broken);
            assert_eq!(read(&header), None, "{broken}");
        }
        write(&older.replace("houston.example.com", "houston.example.org"));
        assert_eq!(read(&header), None, "another Houston");
        // A name leads to no other folder.
        write(&older);
        for name in [format!("../{RUN}"), fixture.folder.path().display().to_string(), format!("./{RUN}")] {
            header.last_run = Some(name);
            assert_eq!(read(&header), None, "{:?}", header.last_run);
        }
    }
}
