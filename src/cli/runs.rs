//! What keeps a run from its folder or its lock, with what to do about it.
//!
//! Main functions: [`locked`] and [`unsafe_runs`].

use super::{ExitStatus, Failure};
use crate::engine::run_folder::{LockError, RunsError};
use crate::report::shell_word;

/// Another run has the lock, or there can be none.
pub(super) fn locked(error: LockError) -> Failure {
    match error {
        LockError::Held { .. } => Failure::new(ExitStatus::Locked, error)
            .hint("wait until it has ended; `plan` may be used meanwhile"),
        LockError::Distrusted { ref path, .. } => {
            let hint = format!("if no other user's run is in progress, delete it: rm {}", shell_word(path));
            Failure::new(ExitStatus::Internal, error).hint(hint)
        }
        LockError::Folder(error) => Failure::new(ExitStatus::Internal, error),
    }
}

/// The folder of the runs cannot be used.
pub(super) fn unsafe_runs(error: RunsError) -> Failure {
    match error {
        RunsError::Distrusted { ref path, .. } => {
            let hint = format!(
                "remove write access for others (chmod o-w,g-w {}), or choose another folder with --runs-dir",
                shell_word(path)
            );
            Failure::new(ExitStatus::Usage, error).hint(hint)
        }
        RunsError::Folder(error) => {
            Failure::new(ExitStatus::Internal, error).hint("choose another folder with --runs-dir")
        }
    }
}
