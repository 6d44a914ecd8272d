//! The locks that keep two runs from changing one target from the same runs folder.
//!
//! Main type: [`TargetLock`]. A run of a whole roster has the target for itself. The shards of a run share
//! it, each has its own shard for itself, and they agree on how many they are: shards of different numbers
//! overlap.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::dir::{Open, PRIVATE_FILE, make_private};
use super::owner::{Distrust, Rights};
use super::{FolderError, Runs};
use crate::model::Shard;
use crate::model::target_key::target_key;
use crate::record::hexadecimal::hexadecimal;

/// How much of a lock file is read: it holds one line.
const LONGEST_HOLDER: u64 = 1000;

/// The right to change one target, or a shard of it, from one runs folder. The kernel releases it when the
/// process ends, in any way.
#[derive(Debug)]
pub struct TargetLock {
    /// What the run has for itself: the target, or its shard.
    own: LockFile,
    /// The target, if it is shared with other shards.
    _shared: Option<LockFile>,
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
    /// Shards have it, but not of the same number.
    #[error("another number of shards is changing this target now: {holder}")]
    OtherShards {
        /// What the first of them wrote about itself.
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
    /// Takes the lock of this target, or of a shard of it, at once or not at all.
    ///
    /// # Errors
    /// Another process has it, it is another user's, or it is no regular file.
    pub fn take(runs: &Runs, target: &str, shard: Option<Shard>) -> Result<Self, LockError> {
        let name = format!(".lock-{}", hexadecimal(&Sha256::digest(target_key(target).as_bytes())[..8]));
        let Some(shard) = shard else {
            return Ok(Self { own: LockFile::take(runs, &name)?, _shared: None });
        };
        let target = share(runs, &name, shard)?;
        let own = LockFile::take(runs, &format!("{name}-{}-of-{}", shard.number(), shard.of()))?;
        Ok(Self { own, _shared: Some(target) })
    }

    /// Records which run has the lock, for the process that comes second.
    ///
    /// # Errors
    /// If the lock file cannot be written.
    pub fn name(&mut self, run: &str) -> Result<(), FolderError> {
        self.own.sign(&format!("run {run}, "))
    }
}

/// Takes the target together with the other shards. The first one notes how many there are.
fn share(runs: &Runs, name: &str, shard: Shard) -> Result<LockFile, LockError> {
    // One at a time, for a moment: no other shard comes between the two locks of the first one.
    let gate = LockFile::open(runs, &format!("{name}-gate"))?;
    gate.file.lock().map_err(gate.failed())?;
    gate.check(runs)?;
    let mut target = LockFile::open(runs, name)?;
    let shards = format!("shards of {}, ", shard.of());
    if target.holds(File::try_lock)? {
        target.check(runs)?;
        target.sign(&shards)?;
        target.file.unlock().map_err(target.failed())?;
    }
    if !target.holds(File::try_lock_shared)? {
        return Err(LockError::Held { holder: target.holder()? });
    }
    target.check(runs)?;
    let holder = target.holder()?;
    if holder.starts_with(&shards) { Ok(target) } else { Err(LockError::OtherShards { holder }) }
}

/// A file that processes lock; what is in it is for people.
#[derive(Debug)]
struct LockFile {
    file: File,
    path: PathBuf,
}

impl LockFile {
    /// Opens a lock file, and locks it for this process alone.
    fn take(runs: &Runs, name: &str) -> Result<Self, LockError> {
        let mut lock = Self::open(runs, name)?;
        if !lock.holds(File::try_lock)? {
            return Err(LockError::Held { holder: lock.holder()? });
        }
        lock.check(runs)?;
        lock.sign("")?;
        Ok(lock)
    }

    fn open(runs: &Runs, name: &str) -> Result<Self, LockError> {
        let path = runs.path().join(name);
        match runs.dir.open_file(name, Open::WriteOrCreate) {
            Ok(file) => Ok(Self { file, path }),
            // Another user's lock may not be readable either; whose it is can be seen all the same.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Err(match runs.distrust_of(name) {
                    Some(why) => LockError::Distrusted { path, why },
                    None => FolderError::new("cannot lock", path)(error).into(),
                })
            }
            Err(error) => Err(FolderError::new("cannot lock", path)(error).into()),
        }
    }

    fn failed(&self) -> impl FnOnce(io::Error) -> FolderError + use<> {
        FolderError::new("cannot lock", self.path.clone())
    }

    /// Whether the file could be locked in this way.
    fn holds(&self, lock: impl Fn(&File) -> Result<(), TryLockError>) -> Result<bool, FolderError> {
        match lock(&self.file) {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(source)) => Err(self.failed()(source)),
        }
    }

    /// What the process that holds it wrote about itself.
    fn holder(&mut self) -> Result<String, FolderError> {
        let mut holder = Vec::new();
        let rewound = self.file.seek(SeekFrom::Start(0));
        let read = rewound.and_then(|_| (&self.file).take(LONGEST_HOLDER).read_to_end(&mut holder));
        read.map_err(self.failed())?;
        Ok(String::from_utf8_lossy(&holder).trim().to_owned())
    }

    /// Only a file of the user's own is written to, under its one name.
    fn check(&self, runs: &Runs) -> Result<(), LockError> {
        let metadata = self.file.metadata().map_err(self.failed())?;
        // Between opening and locking it may have been deleted: then another process has another one.
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !runs.dir.still_names(name, &self.file).map_err(self.failed())? {
            return Err(LockError::Held { holder: "the lock file was replaced just now".to_owned() });
        }
        match runs.distrust_of_file(Rights::of(&metadata)) {
            Some(why) => Err(LockError::Distrusted { path: self.path.clone(), why }),
            None => Ok(make_private(&self.file, PRIVATE_FILE).map_err(self.failed())?),
        }
    }

    fn sign(&mut self, who: &str) -> Result<(), FolderError> {
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        let holder = format!("{who}process {}, since {now}\n", std::process::id());
        let rewound = self.file.rewind().and_then(|()| self.file.set_len(0));
        let signed = rewound.and_then(|()| self.file.write_all(holder.as_bytes()));
        signed.map_err(self.failed())
    }
}

/// A process that was started meanwhile may still have the file open: closing it here would not free it.
impl Drop for LockFile {
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
        let take = || TargetLock::take(&runs, "https://a.example.com/v1", None);
        let lock = take().expect("taken");
        let inherited = lock.own.file.try_clone().expect("cloned");
        assert!(matches!(take(), Err(LockError::Held { .. })));
        drop(lock);
        drop(take().expect("free"));
        drop(inherited);
    }

    #[test]
    fn shards_of_one_number_share_a_target_and_no_one_else_does() {
        let dir = tempfile::tempdir().expect("created");
        let runs = Runs::prepare(dir.path()).expect("opened");
        let take = |shard: &str| {
            let shard = (shard != "whole").then(|| shard.parse().expect("a shard"));
            match TargetLock::take(&runs, "https://a.example.com/v1", shard) {
                Ok(lock) => Ok(lock),
                Err(LockError::Held { holder }) => Err(("held", holder)),
                Err(LockError::OtherShards { holder }) => Err(("other", holder)),
                Err(error @ (LockError::Distrusted { .. } | LockError::Folder(_))) => panic!("{error}"),
            }
        };
        let refused = |shard: &str| take(shard).map(drop).expect_err(shard);
        let mut first = take("1/4").expect("free");
        first.name("20261123T154500Z-k3f9").expect("named");
        let third = take("3/4").expect("free");
        let (why, holder) = refused("1/4");
        assert!(why == "held" && holder.starts_with("run 20261123T154500Z-k3f9, "), "{holder}");
        let (why, holder) = refused("whole");
        assert!(why == "held" && holder.starts_with("shards of 4, "), "{holder}");
        let (why, holder) = refused("2/8");
        assert!(why == "other" && holder.starts_with("shards of 4, "), "{holder}");
        assert!(TargetLock::take(&runs, "https://b.example.com/v1", None).is_ok(), "another target");
        drop(first);
        assert_eq!(refused("whole").0, "held", "the third one is still there");
        drop(third);
        let whole = take("whole").expect("free");
        assert_eq!(refused("1/4").0, "held");
        drop(whole);
        drop(take("2/8").expect("the number of earlier shards does not count"));
        drop(take("whole").expect("free"));
    }
}
