//! The dispatcher's side of its two bounded channels: tickets go out to the workers, signals come
//! back.
//!
//! Main type: [`Channels`]. It counts what is in flight. It does not know what a ticket asks for or what
//! a signal means.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};

use super::worker::{Job, Signal, Ticket};

/// No server and no machine takes less from one answer to the next.
const FASTEST: Duration = Duration::from_micros(50);

/// The way to the workers and back.
#[derive(Debug)]
pub struct Channels {
    tickets: Sender<Ticket>,
    /// Cloned into every ticket.
    answers: Sender<Signal>,
    signals: Receiver<Signal>,
    /// Set when the workers must hand back what they have not sent.
    stopping: Arc<AtomicBool>,
    in_flight: usize,
    /// The most tickets that are out at a time, apart from the probe's.
    window: usize,
}

impl Channels {
    /// The channels to so many workers, and the end from which those take their tickets.
    pub fn open(workers: usize) -> (Self, Receiver<Ticket>) {
        let window = 2 * workers;
        // The window, and one for the probe.
        let (tickets, waiting) = crossbeam_channel::bounded(window + 1);
        let (answers, signals) = crossbeam_channel::bounded(window + 1);
        let stopping = Arc::default();
        (Self { tickets, answers, signals, stopping, in_flight: 0, window }, waiting)
    }

    /// The flag that makes the workers hand back what they have not sent.
    pub fn stopping(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stopping)
    }

    /// The workers hand back what they have not sent.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Jobs whose signal has not come.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// How many jobs may be sent now. None while more than three quarters of the window are in use,
    /// so that intents come in batches: one sync of the journal serves many of them.
    pub fn room(&self) -> usize {
        if self.surplus() > 0 { 0 } else { self.window - self.in_flight }
    }

    /// How many signals have to come before there is room.
    fn surplus(&self) -> usize {
        self.in_flight.saturating_sub(self.window * 3 / 4)
    }

    /// How long there is no room at least: no signal needs to be taken in before that, and one wake-up then
    /// serves many of them.
    pub fn slack(&self) -> Duration {
        FASTEST * u32::try_from(self.surplus()).unwrap_or(0)
    }

    /// Gives a job to the workers. The channel has room: the window is as large as the channel.
    pub fn give(&mut self, job: Job) {
        self.in_flight += 1;
        if self.tickets.send(Ticket::new(job, self.answers.clone())).is_err() {
            // All workers are gone; the ticket that was dropped has reported itself lost.
        }
    }

    /// Waits this long at most for a signal.
    pub fn wait(&mut self, limit: Duration) -> Option<Signal> {
        let signal = self.signals.recv_timeout(limit).ok();
        self.took(signal)
    }

    /// A signal that has come already.
    pub fn next_signal(&mut self) -> Option<Signal> {
        let signal = self.signals.try_recv().ok();
        self.took(signal)
    }

    fn took(&mut self, signal: Option<Signal>) -> Option<Signal> {
        self.in_flight -= usize::from(signal.is_some());
        signal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_may_wait_while_there_is_no_room_anyway() {
        let (mut channels, _waiting) = Channels::open(4);
        let mut give = |count| {
            (0..count).for_each(|_| channels.give(Job::Probe));
            (channels.room(), channels.slack())
        };
        assert_eq!(give(0), (8, Duration::ZERO));
        assert_eq!(give(6), (2, Duration::ZERO));
        assert_eq!(give(2), (0, 2 * FASTEST));
    }
}
