//! What the sandbox did: every mutation it received and the numbers a run is judged by.
//!
//! Main type: [`Audit`]. It is the witness of tests and rehearsals and must not influence what
//! the server does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::world::{DuplicateBinding, DuplicateInvite, World};

/// The outcome of a mutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Applied {
    /// It changed the state, whatever the client was answered.
    Applied,
    /// It changed nothing.
    Refused,
}

/// One mutation field that was executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// 1 for the first, in the order of execution.
    pub seq: u64,
    /// Milliseconds since the start.
    pub at_ms: u64,
    /// The mutation's field name, such as `workspaceAddUser`.
    pub field: String,
    /// The operation's name in the request.
    pub operation_name: Option<String>,
    /// The workspace's id, as given.
    pub workspace: Option<String>,
    /// The address, as given; the user's id for mutations that take that.
    pub email: Option<String>,
    /// The role, as given or by default.
    pub role: Option<String>,
    /// Who called.
    pub caller: String,
    /// Its outcome.
    pub outcome: Applied,
    /// The error's text, or what was changed in detail.
    pub detail: Option<String>,
    /// The fault the request met.
    pub fault: Option<String>,
}

/// The audit of a sandbox at one moment. `GET /audit` answers it as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Audit {
    /// Milliseconds since the start.
    pub uptime_ms: u64,
    /// Requests to `/v1`, `/v1/healthz` not counted.
    pub requests: u64,
    /// Connections opened, all paths.
    pub connections: u64,
    /// The most requests to `/v1` that were open at one time.
    pub peak_in_flight: u64,
    /// Requests to `/v1` in each second since the start.
    pub per_second: Vec<u64>,
    /// The most requests to `/v1` that arrived in any span of 1,000 ms.
    pub max_requests_in_any_second: u64,
    /// Mutation fields that arrived in valid documents, whatever became of them.
    pub mutations_received: u64,
    /// Mutation fields that changed the state.
    pub mutations_applied: u64,
    /// Mutation fields that were executed and changed nothing.
    pub mutations_refused: u64,
    /// Executed query fields by name.
    pub reads: BTreeMap<String, u64>,
    /// Operations that were not executed, since the schema does not have what they ask for or their
    /// variables do not fit it, by the name in the request; nameless ones are an empty name.
    pub unfit: BTreeMap<String, u64>,
    /// Answers by HTTP status; cut connections have none.
    pub statuses: BTreeMap<u16, u64>,
    /// Faults by name.
    pub faults: BTreeMap<String, u64>,
    /// Mails that went out.
    pub mails: u64,
    /// People with several workspace roles in one workspace.
    pub duplicate_bindings: Vec<DuplicateBinding>,
    /// Addresses with several invite tokens for one workspace.
    pub duplicate_invites: Vec<DuplicateInvite>,
    /// Every mutation field that was executed, in order.
    pub entries: Vec<AuditEntry>,
}

/// The lock, also after a panic elsewhere: every change under our locks is whole or harmless.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Collects while the server runs.
pub(super) struct Recorder {
    start: Instant,
    connections: AtomicU64,
    in_flight: AtomicU64,
    peak: AtomicU64,
    received: AtomicU64,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    /// Milliseconds since the start, one per request.
    arrivals: Vec<u32>,
    reads: BTreeMap<String, u64>,
    unfit: BTreeMap<String, u64>,
    statuses: BTreeMap<u16, u64>,
    faults: BTreeMap<&'static str, u64>,
    entries: Vec<AuditEntry>,
}

/// A request that is open until this is dropped.
pub(super) struct InFlight(Arc<Recorder>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Recorder {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            connections: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            received: AtomicU64::new(0),
            notes: Mutex::new(Notes::default()),
        }
    }

    pub(super) fn connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn request(self: &Arc<Self>) -> InFlight {
        let open = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(open, Ordering::Relaxed);
        let at = u32::try_from(self.at_ms()).unwrap_or(u32::MAX);
        locked(&self.notes).arrivals.push(at);
        InFlight(Arc::clone(self))
    }

    pub(super) fn received(&self, mutations: usize) {
        self.received.fetch_add(mutations as u64, Ordering::Relaxed);
    }

    pub(super) fn status(&self, status: u16) {
        *locked(&self.notes).statuses.entry(status).or_default() += 1;
    }

    pub(super) fn fault(&self, name: &'static str) {
        *locked(&self.notes).faults.entry(name).or_default() += 1;
    }

    pub(super) fn read(&self, field: &str) {
        count(&mut locked(&self.notes).reads, field);
    }

    pub(super) fn unfit(&self, operation: &str) {
        count(&mut locked(&self.notes).unfit, operation);
    }

    /// Takes an entry in; its number and time are set here.
    pub(super) fn mutation(&self, mut entry: AuditEntry) {
        let mut notes = locked(&self.notes);
        entry.seq = notes.entries.len() as u64 + 1;
        entry.at_ms = self.at_ms();
        notes.entries.push(entry);
    }

    fn at_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The audit now. `entries`: with the list of mutations, which can be long.
    pub(super) fn audit(&self, world: &World, entries: bool) -> Audit {
        let notes = locked(&self.notes);
        let applied = notes.entries.iter().filter(|entry| entry.outcome == Applied::Applied).count() as u64;
        Audit {
            uptime_ms: self.at_ms(),
            requests: notes.arrivals.len() as u64,
            connections: self.connections.load(Ordering::Relaxed),
            peak_in_flight: self.peak.load(Ordering::Relaxed),
            per_second: per_second(&notes.arrivals),
            max_requests_in_any_second: busiest_second(&notes.arrivals),
            mutations_received: self.received.load(Ordering::Relaxed),
            mutations_applied: applied,
            mutations_refused: notes.entries.len() as u64 - applied,
            reads: notes.reads.clone(),
            unfit: notes.unfit.clone(),
            statuses: notes.statuses.clone(),
            faults: notes.faults.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
            mails: world.mails,
            duplicate_bindings: world.duplicate_bindings(),
            duplicate_invites: world.duplicate_invites(),
            entries: if entries { notes.entries.clone() } else { Vec::new() },
        }
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => drop(counts.insert(name.to_owned(), 1)),
    }
}

fn per_second(arrivals: &[u32]) -> Vec<u64> {
    let last = arrivals.iter().max().map_or(0, |at| at / 1000 + 1);
    let mut counts = vec![0; last as usize];
    for at in arrivals {
        counts[(at / 1000) as usize] += 1;
    }
    counts
}

fn busiest_second(arrivals: &[u32]) -> u64 {
    // Two threads may note their times in the wrong order.
    let mut times = arrivals.to_vec();
    times.sort_unstable();
    let mut first = 0;
    let mut most = 0;
    for (last, at) in times.iter().enumerate() {
        while at - times[first] >= 1000 {
            first += 1;
        }
        most = most.max(last - first + 1);
    }
    most as u64
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_second_need_not_begin_with_a_full_second() {
        let arrivals = [0, 600, 900, 1000, 1599, 1600, 4000];
        assert_eq!(busiest_second(&arrivals), 4);
        assert_eq!(per_second(&arrivals), [3, 3, 0, 0, 1]);
        assert_eq!(busiest_second(&[]), 0);
        assert!(per_second(&[]).is_empty());
    }

    #[test]
    fn requests_are_open_until_their_guard_goes() {
        let recorder = Arc::new(Recorder::new());
        let (one, two) = (recorder.request(), recorder.request());
        drop((one, two));
        drop(recorder.request());
        assert_eq!(recorder.peak.load(Ordering::Relaxed), 2);
        assert_eq!(recorder.in_flight.load(Ordering::Relaxed), 0);
    }
}
