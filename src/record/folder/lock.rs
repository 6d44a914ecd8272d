//! The lock that keeps two runs from changing one target from the same runs folder.
//!
//! Main type: [`TargetLock`].

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::dir::{Open, PRIVATE_FILE, make_private};
use super::owner::{Distrust, Rights};
use super::{FolderError, Runs};
use crate::model::target_key::target_key;
use crate::record::hexadecimal::hexadecimal;

/// How much of a lock file is read: it holds one line.
const LONGEST_HOLDER: u64 = 1000;

/// The right to change one target from one runs folder. The kernel releases it when the process ends, in any
/// way.
#[derive(Debug)]
pub struct TargetLock {
    file: File,
    path: PathBuf,
}

/// The lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("another run is changing this target now: {holder}")]
    Held {
        /// What it wrote about itself.
        holder: String,
    },
    /// The lock file is not to be trusted.
    #[error("the lock {} cannot be used: {why}", .path.display())]
    Distrusted {
        /// Which file.
        path: PathBuf,
        /// Why not.
        why: Distrust,
    },
    /// The lock file cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

impl TargetLock {
    /// Takes the lock of this target, at once or not at all.
    ///
    /// # Errors
    /// Another process has it, it is another user's, or it is no regular file.
    pub fn take(runs: &Runs, target: &str) -> Result<Self, LockError> {
        let name = format!(".lock-{}", hexadecimal(&Sha256::digest(target_key(target).as_bytes())[..8]));
        let path = runs.path().join(&name);
        let failed = |source| FolderError::new("cannot lock", &*path)(source);
        let file = match runs.dir.open_file(&name, Open::WriteOrCreate) {
            // Another user's lock may not be readable either; whose it is can be seen all the same.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(match runs.distrust_of(&name) {
                    Some(why) => LockError::Distrusted { path, why },
                    None => failed(error).into(),
                });
            }
            opened => opened.map_err(failed)?,
        };
        let mut lock = Self { file, path };
        lock.hold()?;
        lock.check(runs)?;
        lock.sign("")?;
        Ok(lock)
    }

    fn hold(&mut self) -> Result<(), LockError> {
        match self.file.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => {
                let mut holder = Vec::new();
                let read = (&self.file).take(LONGEST_HOLDER).read_to_end(&mut holder);
                read.map_err(FolderError::new("cannot lock", self.path.clone()))?;
                Err(LockError::Held { holder: String::from_utf8_lossy(&holder).trim().to_owned() })
            }
            Err(TryLockError::Error(source)) => {
                Err(FolderError::new("cannot lock", self.path.clone())(source).into())
            }
        }
    }

    /// Only a file of the user's own is written to, under its one name.
    fn check(&self, runs: &Runs) -> Result<(), LockError> {
        let failed = || FolderError::new("cannot lock", self.path.clone());
        let metadata = self.file.metadata().map_err(failed())?;
        // Between opening and locking it may have been deleted: then another process has another one.
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !runs.dir.still_names(name, &self.file).map_err(failed())? {
            return Err(LockError::Held { holder: "the lock file was replaced just now".to_owned() });
        }
        match runs.distrust_of_file(Rights::of(&metadata)) {
            Some(why) => Err(LockError::Distrusted { path: self.path.clone(), why }),
            None => Ok(make_private(&self.file, PRIVATE_FILE).map_err(failed())?),
        }
    }

    /// Records which run has the lock, for the process that comes second.
    ///
    /// # Errors
    /// If the lock file cannot be written.
    pub fn name(&mut self, run: &str) -> Result<(), FolderError> {
        self.sign(&format!("run {run}, "))
    }

    fn sign(&mut self, run: &str) -> Result<(), FolderError> {
        let holder = format!("{run}process {}, since {}\n", std::process::id(), jiff::Timestamp::now());
        let rewound = self.file.rewind().and_then(|()| self.file.set_len(0));
        let signed = rewound.and_then(|()| self.file.write_all(holder.as_bytes()));
        signed.map_err(FolderError::new("cannot lock", self.path.clone()))
    }
}

/// A process that was started meanwhile may still have the file open: closing it here would not free it.
impl Drop for TargetLock {
    fn drop(&mut self) {
        // Else it is free when the last one closes it.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_free_after_its_owner_whoever_else_has_the_file_open() {
        let dir = tempfile::tempdir().expect("created");
        let runs = Runs::prepare(dir.path()).expect("opened");
        let take = || TargetLock::take(&runs, "https://a.example.com/v1");
        let lock = take().expect("taken");
        let inherited = lock.file.try_clone().expect("cloned");
        assert!(matches!(take(), Err(LockError::Held { .. })));
        drop(lock);
        drop(take().expect("free"));
        drop(inherited);
    }
}
