//! Where a command sends notices for the user, besides its result.
//!
//! Main type: [`Notices`]. It passes notices on; their words are made by [`Notice`].

use std::sync::Arc;

use crate::report::notices::Notice;

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
