//! The flag that names the key of the chain over a journal.
//!
//! Main type: [`AuditArgs`].

use std::path::PathBuf;

use clap::Args;

use crate::ops::audit::open_key;
use crate::ops::failure::Failure;
use crate::ops::notices::Notices;
use crate::record::journal::AuditKey;

/// The key of the chain over a journal.
#[derive(Debug, Clone, Default, Args)]
pub struct AuditArgs {
    /// Seal the run's journal with the key in this file (HMAC-SHA-256): no one without it can change or
    /// add a line unnoticed. `resume` and `report --verify` need the same key
    #[arg(long, value_name = "FILE", help_heading = "Safety")]
    pub audit_key_file: Option<PathBuf>,
}

impl AuditArgs {
    /// The flag with its file.
    pub(super) fn named(&self) -> (&'static str, Option<&std::path::Path>) {
        ("--audit-key-file", self.audit_key_file.as_deref())
    }

    /// Reads the key, if one is given.
    ///
    /// # Errors
    /// The file is no key (2).
    pub fn open(&self, notices: &Notices) -> Result<Option<AuditKey>, Failure> {
        self.audit_key_file.as_deref().map(|path| open_key(path, notices)).transpose()
    }
}
