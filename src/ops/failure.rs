//! What ends a command: an error, the exit status and advice.
//!
//! Main type: [`Failure`]. It prints nothing.

use crate::outcome::ExitStatus;
use crate::roster;

/// Why a command could not do its work: an error, what it ends with, and what to do next.
#[derive(Debug)]
pub struct Failure {
    /// What the program ends with.
    pub status: ExitStatus,
    /// What went wrong, with its causes.
    pub error: anyhow::Error,
    /// What to do next.
    pub hint: Option<String>,
    /// The flags that it is about, without their dashes.
    pub about: Vec<&'static str>,
}

impl Failure {
    /// A failure with this status.
    pub fn new(status: ExitStatus, error: impl Into<anyhow::Error>) -> Self {
        Self { status, error: error.into(), hint: None, about: Vec::new() }
    }

    /// The same about these flags: if their values were not typed, the message names their origin.
    #[must_use]
    pub fn about(mut self, flags: &[&'static str]) -> Self {
        self.about.extend_from_slice(flags);
        self
    }

    /// The same with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(ExitStatus::Internal, error)
    }
}

impl From<roster::Error> for Failure {
    /// A roster that cannot be read (3), or for a copy of which there is no room (1).
    fn from(error: roster::Error) -> Self {
        match error {
            roster::Error::Spool { .. } => Self::new(ExitStatus::Internal, error)
                .hint("set TMPDIR to a writable folder with enough room for the roster"),
            roster::Error::Unreadable { .. }
            | roster::Error::IsFolder { .. }
            | roster::Error::Device { .. }
            | roster::Error::NoWriter { .. }
            | roster::Error::Endless => Self::new(ExitStatus::BadInput, error),
        }
    }
}
