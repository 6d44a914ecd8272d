//! What surrounds a command: the time, the signals, and where notices go. A test replaces it.
//!
//! Main type: [`Environment`].

use std::io;
use std::sync::Arc;

use super::notices::Notices;
use super::signals::Signals;
use crate::time::Clock;

/// What a command does not make itself.
#[derive(Clone)]
pub struct Environment {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where notices go.
    pub notices: Notices,
    /// Begins to listen for signals.
    pub listen: fn(Notices) -> io::Result<Signals>,
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
