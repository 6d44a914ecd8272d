//! What surrounds a command: the time, the signals, and where notices go. A test replaces it.
//!
//! Main type: [`Environment`].

use std::io;
use std::sync::Arc;

use super::signals::Signals;
use crate::report::notices::Notice;
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

/// Where notices go: to one receiver, from any thread. Clones are one.
#[derive(Clone)]
pub struct Notices(Arc<dyn Fn(&Notice<'_>) + Send + Sync>);

impl Notices {
    /// Gives every notice to `receive`.
    pub fn new(receive: impl Fn(&Notice<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(receive))
    }

    /// Gives a notice.
    pub fn give(&self, notice: &Notice<'_>) {
        (self.0)(notice);
    }
}
