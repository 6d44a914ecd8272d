//! Time as the program sees it: a clock that reads the time and waits, and a cancellation that cuts
//! waits short.
//!
//! Main types: [`Clock`], [`Cancel`] and, for waits that another thread ends, [`Bell`]. This is the
//! only module where a thread may sleep.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Whether a wait ran its full length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// The whole time went by.
    Fully,
    /// The cancellation came first.
    CutShort,
}

/// Reads the time and waits. The real one is [`SystemClock`]; tests use [`ManualClock`].
pub trait Clock: Send + Sync {
    /// Now, on a monotonic scale.
    fn now(&self) -> Instant;

    /// Waits this long, or until `cancel` is pulled.
    fn wait(&self, duration: Duration, cancel: &Cancel) -> Waited;
}

/// A switch that ends waits. Cheap to clone; all clones are one switch.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<CancelState>);

#[derive(Debug, Default)]
struct CancelState {
    pulled: Mutex<bool>,
    bell: Condvar,
    others: Mutex<Vec<Bell>>,
}

impl Cancel {
    /// A switch that has not been pulled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Pulls the switch: every wait on it ends, now and from now on.
    pub fn pull(&self) {
        *self.lock() = true;
        self.0.bell.notify_all();
        self.others().iter().for_each(Bell::ring);
    }

    /// From now on a pull rings this bell too, so that it ends the wait there.
    pub fn rings(&self, bell: &Bell) {
        self.others().push(bell.clone());
        if self.is_pulled() {
            bell.ring();
        }
    }

    /// Whether the switch has been pulled.
    pub fn is_pulled(&self) -> bool {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.0.pulled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn others(&self) -> MutexGuard<'_, Vec<Bell>> {
        self.0.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sleep(&self, duration: Duration) -> Waited {
        let (pulled, _) = self
            .0
            .bell
            .wait_timeout_while(self.lock(), duration, |pulled| !*pulled)
            .unwrap_or_else(PoisonError::into_inner);
        if *pulled { Waited::CutShort } else { Waited::Fully }
    }
}

/// Wakes the one who waits for something that another thread does. Cheap to clone; all clones are
/// one bell.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<BellState>);

#[derive(Debug, Default)]
struct BellState {
    rung: Mutex<bool>,
    sound: Condvar,
}

impl Bell {
    /// Ends the current wait, or the next one.
    pub fn ring(&self) {
        *self.0.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.sound.notify_one();
    }

    /// Waits until it is rung. For one thread at a time, which looks for itself why.
    pub fn wait(&self) {
        let rung = self.0.rung.lock().unwrap_or_else(PoisonError::into_inner);
        *self.0.sound.wait_while(rung, |rung| !*rung).unwrap_or_else(PoisonError::into_inner) = false;
    }
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wait(&self, duration: Duration, cancel: &Cancel) -> Waited {
        cancel.sleep(duration)
    }
}

/// A clock that stands still until a wait moves it on, at once. For tests.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Instant>>);

impl Default for ManualClock {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl ManualClock {
    /// Moves the clock on.
    pub fn advance(&self, duration: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += duration;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, duration: Duration, cancel: &Cancel) -> Waited {
        if cancel.is_pulled() {
            return Waited::CutShort;
        }
        self.advance(duration);
        Waited::Fully
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pulled_switch_ends_a_wait_at_once() {
        let cancel = Cancel::new();
        cancel.clone().pull();
        assert_eq!(SystemClock.wait(Duration::from_secs(3600), &cancel), Waited::CutShort);
        assert_eq!(ManualClock::default().wait(Duration::from_secs(1), &cancel), Waited::CutShort);
    }

    #[test]
    fn a_bell_is_heard_once_also_by_who_comes_late_and_a_pulled_switch_rings_it() {
        let (bell, cancel) = (Bell::default(), Cancel::new());
        bell.ring();
        bell.ring();
        bell.wait();
        cancel.rings(&bell);
        std::thread::scope(|scope| {
            scope.spawn(|| cancel.pull());
            bell.wait();
        });
        cancel.rings(&bell);
        bell.wait();
    }

    #[test]
    fn the_manual_clock_moves_only_by_waits() {
        let clock = ManualClock::default();
        let start = clock.now();
        assert_eq!(clock.now(), start);
        assert_eq!(clock.wait(Duration::from_secs(7), &Cancel::new()), Waited::Fully);
        assert_eq!(clock.now() - start, Duration::from_secs(7));
    }
}
