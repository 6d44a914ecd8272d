//! SIGINT and SIGTERM: the first one ends a run in order, the second one at once. Before anything
//! is sent there is nothing to put in order, and the first one is enough.
//!
//! Main type: [`Signals`].

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

use super::ExitStatus;
use crate::engine::event::StopReason;

/// What the outside has said so far.
#[derive(Debug, Clone)]
pub struct Signals(Arc<State>);

#[derive(Debug, Default)]
struct State {
    sending: AtomicBool,
    received: AtomicI32,
}

impl Signals {
    /// Listens from now on.
    pub fn listen() -> io::Result<Self> {
        let mut incoming = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
        let signals = Self(Arc::default());
        let listener = signals.clone();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in incoming.forever() {
                listener.take(signal);
            }
        })?;
        Ok(signals)
    }

    /// A second signal, or one before anything was sent, does not wait.
    fn take(&self, signal: i32) {
        let earlier = self.0.received.swap(signal, Ordering::AcqRel);
        let leave = |words: &str, status: ExitStatus| {
            super::tell(words);
            std::process::exit(i32::from(status.code()));
        };
        let status = if signal == SIGTERM { ExitStatus::Terminated } else { ExitStatus::Interrupted };
        if !self.0.sending.load(Ordering::Acquire) {
            leave("stopped by a signal: nothing was sent", status);
        }
        if earlier != 0 {
            leave("stopped at once: what was in flight is in doubt, the journal of the run knows it", status);
        }
    }

    /// From now on there is something to put in order.
    pub fn sending_begins(&self) {
        self.0.sending.store(true, Ordering::Release);
    }

    /// Why the run is to end, if a signal says so.
    pub fn stop(&self) -> Option<StopReason> {
        match self.0.received.load(Ordering::Acquire) {
            0 => None,
            SIGTERM => Some(StopReason::Terminated),
            _ => Some(StopReason::Interrupted),
        }
    }
}
