//! What surrounds a command: the time, the way to Houston, the signals, and where notices go. A test
//! replaces it.
//!
//! Main type: [`Environment`].

use std::io;
use std::sync::Arc;

use super::notices::Notices;
use super::signals::Signals;
use crate::houston::{Credential, HttpSettings, Target, Transport};
use crate::time::Clock;

/// Opens a transport to a target. Pace, repeats and patience are put on top of it.
pub type Connect = dyn Fn(&Target, Credential, HttpSettings) -> Arc<dyn Transport> + Send + Sync;

/// Begins to listen for signals.
pub type Listen = dyn Fn(Notices) -> io::Result<Signals> + Send + Sync;

/// What a command does not make itself.
#[derive(Clone)]
pub struct Environment {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where notices go.
    pub notices: Notices,
    /// Opens a transport to a target.
    pub connect: Arc<Connect>,
    /// Whether notice is given of every request that failed.
    pub verbose: bool,
    /// Begins to listen for signals.
    pub listen: Arc<Listen>,
}

impl Environment {
    /// Listens for signals from now on.
    ///
    /// # Errors
    /// The system does not allow it.
    pub fn signals(&self) -> io::Result<Signals> {
        (self.listen)(self.notices.clone())
    }
}
