//! What keeps a run from its folder or its lock, with what to do about it.
//!
//! Main functions: [`locked`] and [`unsafe_runs`].

use crate::ops::failure::Failure;
use crate::outcome::ExitStatus;
use crate::record::folder::{LockError, RunsError};
use crate::report::shell_word;

/// The flag that names the folder.
pub const RUNS: [&str; 1] = ["runs-dir"];

/// Another run has the lock, or there can be none.
pub fn locked(error: LockError) -> Failure {
    let failure = match error {
        LockError::Held { .. } => {
            Failure::new(ExitStatus::Locked, error).hint("wait until it ends; `plan` works meanwhile")
        }
        LockError::OtherShards { .. } => Failure::new(ExitStatus::Locked, error)
            .hint("shards of different numbers overlap: wait until they end, or use the same number"),
        LockError::Distrusted { ref path, .. } => {
            let hint = format!("if no other user's run is in progress, delete it: rm {}", shell_word(path));
            Failure::new(ExitStatus::Internal, error).hint(hint)
        }
        LockError::Folder(error) => Failure::new(ExitStatus::Internal, error),
    };
    failure.about(&RUNS)
}

/// The folder of the runs cannot be used.
pub fn unsafe_runs(error: RunsError) -> Failure {
    let failure = match error {
        RunsError::Distrusted { ref path, .. } => {
            let hint = format!(
                "remove write access for others (chmod o-w,g-w {}), or choose another folder with --runs-dir; one inside it will do",
                shell_word(path)
            );
            Failure::new(ExitStatus::Usage, error).hint(hint)
        }
        RunsError::Folder(error) => {
            Failure::new(ExitStatus::Internal, error).hint("choose another folder with --runs-dir")
        }
    };
    failure.about(&RUNS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::folder::Runs;

    #[test]
    fn what_is_wrong_with_the_folder_of_the_runs_is_about_its_flag() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let failure = Runs::prepare(file.path()).map(drop).map_err(unsafe_runs).unwrap_err();
        assert_eq!((failure.status, failure.about), (ExitStatus::Internal, RUNS.to_vec()));
    }
}
