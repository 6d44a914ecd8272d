//! Applies the window to requests from many threads.
//!
//! Main type: [`Gate`]. While the window is at its maximum, passing costs a few atomics.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::window::{Arrival, Congestion, Departure, Window};
use crate::time::{Bell, Cancel};

/// A departure may be made good by this much after a late one.
const LATE: Duration = Duration::from_millis(2);

/// The way to Houston for a limited number of requests.
#[derive(Debug)]
pub(super) struct Gate {
    window: Mutex<Window>,
    /// Of the window, for a look without its lock.
    slots: AtomicU32,
    is_open: AtomicBool,
    cuts: AtomicU64,
    sizes: AtomicU64,
    in_flight: AtomicU32,
    /// Whether a request waits for a slot.
    is_awaited: AtomicBool,
    bell: Bell,
}

/// The right to be in flight, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot<'g> {
    gate: &'g Gate,
    departure: Departure,
}

impl Gate {
    /// A gate for as many requests as the window allows; `cancel` ends every wait for a slot.
    pub(super) fn new(window: Window, cancel: &Cancel) -> Self {
        let bell = Bell::default();
        cancel.rings(&bell);
        Self {
            slots: AtomicU32::new(window.slots()),
            is_open: AtomicBool::new(window.is_open()),
            cuts: AtomicU64::new(0),
            sizes: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            is_awaited: AtomicBool::new(false),
            bell,
            window: Mutex::new(window),
        }
    }

    /// Whether the window is as large as it may be, and no answer makes it smaller.
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// A slot, if one is free.
    pub(super) fn try_enter(&self) -> Option<Slot<'_>> {
        let slots = self.slots.load(Ordering::SeqCst);
        let enter = |open: u32| (open < slots).then_some(open + 1);
        self.in_flight.fetch_update(Ordering::SeqCst, Ordering::SeqCst, enter).ok()?;
        Some(Slot { gate: self, departure: Departure::default() })
    }

    /// Waits for a slot; `None` if the wait was cut short. Only one may wait at a time.
    pub(super) fn enter(&self, cancel: &Cancel) -> Option<Slot<'_>> {
        loop {
            if let Some(slot) = self.try_enter() {
                return Some(slot);
            }
            if cancel.is_pulled() {
                return None;
            }
            self.is_awaited.store(true, Ordering::SeqCst);
            // A request that left before that did not ring.
            let slot = self.try_enter();
            if slot.is_none() {
                self.bell.wait();
            }
            self.is_awaited.store(false, Ordering::SeqCst);
            if slot.is_some() {
                return slot;
            }
        }
    }

    /// When the next request may leave, if this one leaves now and was due at `due`; none without a
    /// gap.
    pub(super) fn next_due(&self, due: Option<Instant>, now: Instant) -> Option<Instant> {
        let gap = self.window().gap();
        let earliest = now.checked_sub(LATE).unwrap_or(now);
        (!gap.is_zero()).then(|| due.map_or(now, |due| due.max(earliest)) + gap)
    }

    /// Requests in flight.
    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// What has become of the window.
    pub(super) fn with<T>(&self, look: impl FnOnce(&Window) -> T) -> T {
        look(&self.window())
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Window)) {
        let mut window = self.window();
        change(&mut window);
        self.slots.store(window.slots(), Ordering::SeqCst);
        self.is_open.store(window.is_open(), Ordering::Relaxed);
        let Departure { cuts, sizes } = window.departure();
        self.cuts.store(cuts, Ordering::Relaxed);
        self.sizes.store(sizes, Ordering::Relaxed);
    }
}

impl Slot<'_> {
    /// The request leaves now.
    pub(super) fn leave(&mut self) {
        let Gate { cuts, sizes, .. } = self.gate;
        self.departure =
            Departure { cuts: cuts.load(Ordering::Relaxed), sizes: sizes.load(Ordering::Relaxed) };
    }

    /// Its answer came, after this time; `at` is the time since the start of the run. It changes
    /// nothing while the window is open.
    pub(super) fn answered(&self, kind: &'static str, latency: Duration, at: Duration) {
        if !self.gate.is_open() {
            let (departure, in_flight) = (self.departure, self.gate.in_flight());
            self.gate.change(|window| window.answered(Arrival { kind, departure, latency, in_flight, at }));
        }
    }

    /// It was refused.
    pub(super) fn refused(&self, why: Congestion, pause: Option<Duration>) {
        self.gate.change(|window| window.refused(why, pause, self.departure));
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.gate.in_flight.fetch_sub(1, Ordering::SeqCst);
        if self.gate.is_awaited.load(Ordering::SeqCst) {
            self.gate.bell.ring();
        }
    }
}
