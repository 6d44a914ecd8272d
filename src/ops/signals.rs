//! SIGINT, SIGTERM and SIGHUP: the first one ends a run gracefully, the second one immediately. Before
//! anything is sent there is nothing to finish, and the first one is enough.
//!
//! Main type: [`Signals`]. A terminal that closes (SIGHUP) is the same as SIGTERM, unless the
//! user wants it ignored (`nohup`). Nothing here ends the process: the caller says how.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::event::StopReason;
use crate::ops::notices::Notices;
use crate::outcome::ExitStatus;
use crate::report::notices::{Notice, StoppedAt};

/// What the outside has said so far.
#[derive(Debug, Clone, Default)]
pub struct Signals(Arc<State>);

#[derive(Debug, Default)]
struct State {
    phase: Mutex<Phase>,
    received: AtomicI32,
    /// The command that resumes the run.
    resume: OnceLock<String>,
}

/// What a signal meets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    /// Nothing was sent.
    #[default]
    Reading,
    /// There is something to put in order.
    Sending,
    /// The run has ended and its reports are written.
    Reporting,
    /// Nothing is sent that changes anything, but a file is being written.
    Writing,
}

/// What to do about a signal.
#[derive(Debug, PartialEq, Eq)]
enum Reaction {
    /// The run is ending, or its reports are being written: the signal is only noted.
    Go,
    /// Leave at once; this is interrupted.
    Leave(StoppedAt),
}

impl Signals {
    /// Listens to the signals of this process from now on. `leave` ends the process at once, with this
    /// status.
    ///
    /// # Errors
    /// The system does not allow it.
    pub fn listen(notices: Notices, leave: impl Fn(ExitStatus) + Send + 'static) -> io::Result<Self> {
        let mut incoming = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
        if !is_ignored(SIGHUP) {
            incoming.add_signal(SIGHUP)?;
        }
        let signals = Self::default();
        let listener = signals.clone();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            incoming.forever().for_each(|signal| listener.receive(signal, &notices, &leave));
        })?;
        Ok(signals)
    }

    /// Takes a signal. `leave` ends the process at once, with this status.
    pub fn receive(&self, signal: i32, notices: &Notices, leave: impl Fn(ExitStatus)) {
        // Sending cannot begin while it is held, so the message stays true.
        let phase = self.phase();
        if let Reaction::Leave(at) = self.take(signal, *phase) {
            let resume = self.0.resume.get().map(String::as_str);
            notices.give(&Notice::Stopped { at, resume });
            leave(status(signal));
        }
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.0.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A second signal, or one before anything was sent, does not wait.
    fn take(&self, signal: i32, phase: Phase) -> Reaction {
        let is_first = self.0.received.swap(signal, Ordering::AcqRel) == 0;
        match phase {
            Phase::Reading => Reaction::Leave(StoppedAt::Reading),
            Phase::Sending | Phase::Reporting | Phase::Writing if is_first => Reaction::Go,
            Phase::Sending => Reaction::Leave(StoppedAt::Sending),
            Phase::Writing => Reaction::Leave(StoppedAt::Writing),
            Phase::Reporting => Reaction::Leave(StoppedAt::Reporting),
        }
    }

    /// From now on there is something to finish. `resume` is the command to print if the run ends
    /// immediately.
    pub fn sending_begins(&self, resume: String) {
        self.0.resume.get_or_init(|| resume);
        *self.phase() = Phase::Sending;
    }

    /// From now on nothing is in flight; a first signal changes nothing.
    pub fn reporting_begins(&self) {
        *self.phase() = Phase::Reporting;
    }

    /// From now on a file is being written, which a first signal removes gracefully.
    pub fn writing_begins(&self) {
        *self.phase() = Phase::Writing;
    }

    /// Why the run is to end, if a signal says so.
    pub fn stop(&self) -> Option<StopReason> {
        match self.0.received.load(Ordering::Acquire) {
            0 => None,
            SIGINT => Some(StopReason::Interrupted),
            _ => Some(StopReason::Terminated),
        }
    }
}

fn status(signal: i32) -> ExitStatus {
    if signal == SIGINT { ExitStatus::Interrupted } else { ExitStatus::Terminated }
}

/// A file that grows beyond `ulimit -f` is a failed write like that of a full disk, not the death
/// of the process.
///
/// # Errors
/// Where the system takes no handler.
pub fn outlive_file_limits() -> io::Result<()> {
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    Ok(())
}

/// Whether the process that started us has this signal ignored. Where that is unknown, the signal is left
/// as it is, too.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_signal_does_depends_on_what_is_going_on() {
        let leaves =
            |reaction, part: &str| matches!(reaction, Reaction::Leave(at) if at.to_string().contains(part));
        let signals = Signals::default();
        assert!(leaves(signals.take(SIGTERM, *signals.phase()), "nothing was sent"));

        let signals = Signals::default();
        signals.sending_begins(String::new());
        assert_eq!(signals.stop(), None);
        assert_eq!(signals.take(SIGHUP, *signals.phase()), Reaction::Go);
        assert_eq!(signals.stop(), Some(StopReason::Terminated));
        assert!(leaves(signals.take(SIGINT, *signals.phase()), "unconfirmed"));

        let signals = Signals::default();
        signals.sending_begins(String::new());
        signals.reporting_begins();
        assert_eq!(signals.take(SIGINT, *signals.phase()), Reaction::Go);
        assert!(leaves(signals.take(SIGINT, *signals.phase()), "reports"));
    }

    #[test]
    fn a_file_that_is_being_written_is_taken_away_first() {
        let signals = Signals::default();
        signals.writing_begins();
        assert_eq!(signals.take(SIGINT, *signals.phase()), Reaction::Go);
        let second = signals.take(SIGINT, *signals.phase());
        assert!(second == Reaction::Leave(StoppedAt::Writing));
    }

    #[test]
    fn a_second_signal_is_told_and_the_caller_ends_the_process_with_its_status() {
        let signals = Signals::default();
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let notices =
            Notices::new(move |notice| heard.lock().unwrap().push(notice.text(crate::roster::Style::Lines)));
        let left = Mutex::new(Vec::new());
        let receive = |signal| signals.receive(signal, &notices, |status| left.lock().unwrap().push(status));
        signals.sending_begins("resume that-run".to_owned());
        receive(SIGINT);
        assert!(left.lock().unwrap().is_empty() && told.lock().unwrap().is_empty());
        receive(SIGTERM);
        assert_eq!(*left.lock().unwrap(), [ExitStatus::Terminated]);
        assert!(told.lock().unwrap()[0].contains("resume that-run"));
    }

    #[test]
    fn signals_end_with_the_status_of_their_kind() {
        let codes = [SIGINT, SIGTERM, SIGHUP].map(|signal| status(signal).code());
        assert_eq!(codes, [130, 143, 143]);
    }
}
