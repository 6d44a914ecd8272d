//! The folder of a run: its name, its files, and how they come to be complete before anything is
//! sent.
//!
//! Main type: [`RunFolder`]. It knows paths and modes; what is in the files is [`super::journal`]'s.

mod find;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub use self::find::{FindError, LATEST, find, list};
use super::journal::hexadecimal;
use crate::houston::target::lock_key;

/// Something about the folder or its files went wrong.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {}", path.display())]
pub struct FolderError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// The folder of one run, named by the run's id.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Makes a new folder below `runs_dir` (made too if need be), for its owner only.
    pub fn create(runs_dir: &Path, now: jiff::Timestamp) -> Result<Self, FolderError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| FolderError { doing: "cannot make the folder", path, source }
        };
        fs::create_dir_all(runs_dir).map_err(failed(runs_dir))?;
        loop {
            let path = runs_dir.join(new_id(now));
            match private_dir(&path) {
                Ok(()) => {
                    sync_dir(runs_dir).map_err(failed(runs_dir))?;
                    return Ok(Self { path });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(&path)(error)),
            }
        }
    }

    /// Whether folders of runs can be made below `runs_dir`: finds out before anything is asked or
    /// sent, and leaves nothing behind but `runs_dir` itself.
    pub fn check(runs_dir: &Path) -> Result<(), FolderError> {
        let failed = |source| FolderError { doing: "cannot write in", path: runs_dir.to_owned(), source };
        fs::create_dir_all(runs_dir).map_err(failed)?;
        let probe = runs_dir.join(format!(".probe-{}", std::process::id()));
        private_dir(&probe).and_then(|()| fs::remove_dir(&probe)).map_err(failed)
    }

    /// Takes the folder away again, with a run that could not begin: there is nothing in it that
    /// anybody could need. What cannot be taken away stays.
    pub fn discard(self) {
        let _ = fs::remove_dir_all(&self.path);
    }

    /// Whether files can be made in it: finds out before anything is sent.
    pub fn check_writable(&self) -> Result<(), FolderError> {
        let probe = self.path.join(format!(".probe-{}", std::process::id()));
        private_file(&probe).and_then(|_| fs::remove_file(&probe)).map_err(|source| FolderError {
            doing: "cannot write in",
            path: self.path.clone(),
            source,
        })
    }

    /// An existing folder.
    pub fn open(path: PathBuf) -> Self {
        Self { path }
    }

    /// The id of the run: the name of its folder.
    pub fn id(&self) -> &str {
        self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The byte-for-byte copy of the input.
    pub fn roster(&self) -> PathBuf {
        self.path.join("roster.csv")
    }

    /// What was decided per row.
    pub fn plan(&self) -> PathBuf {
        self.path.join("plan.jsonl")
    }

    /// One line per fact.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal.jsonl")
    }

    /// Whether any of the files of a run is there.
    pub fn is_run(&self) -> bool {
        [self.journal(), self.plan(), self.roster()].iter().any(|path| path.is_file())
    }

    /// Holds the journal for its one writer until the file is closed or the process ends, in
    /// whatever way: so others can tell a run that goes on from one that was killed.
    ///
    /// # Errors
    /// `WouldBlock` if another process is carrying the run out.
    pub(super) fn hold(journal: &File) -> io::Result<()> {
        /// Those who only look ([`RunFolder::is_held`]) are gone long before.
        const TRIES: usize = 1000;
        for _ in 1..TRIES {
            match journal.try_lock() {
                Err(TryLockError::WouldBlock) => std::thread::yield_now(),
                Err(TryLockError::Error(error)) => return Err(error),
                Ok(()) => return Ok(()),
            }
        }
        journal.try_lock().map_err(io::Error::from)
    }

    /// Whether some process is carrying the run out at the moment.
    pub fn is_held(&self) -> bool {
        let Ok(journal) = File::open(self.journal()) else { return false };
        matches!(journal.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// Opens a new file of the run for writing, for its owner only.
    pub fn new_file(path: &Path) -> Result<File, FolderError> {
        private_file(path).map_err(|source| FolderError {
            doing: "cannot write",
            path: path.to_owned(),
            source,
        })
    }

    /// Makes the names of the files in the folder durable.
    pub fn sync(&self) -> Result<(), FolderError> {
        sync_dir(&self.path).map_err(|source| FolderError {
            doing: "cannot sync the folder",
            path: self.path.clone(),
            source,
        })
    }
}

/// The right to change one target from one folder of runs. The kernel takes it back when the
/// process ends, in whatever way.
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
    /// The lock file cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

impl TargetLock {
    /// Takes the lock of this target, at once or not at all.
    pub fn take(runs_dir: &Path, target: &str) -> Result<Self, LockError> {
        let digest = hexadecimal(&Sha256::digest(lock_key(target).as_bytes())[..8]);
        let path = runs_dir.join(format!(".lock-{digest}"));
        let failed = |source| FolderError { doing: "cannot lock", path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).map_err(failed)?;
                return Err(LockError::Held { holder: holder.trim().to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source).into()),
        }
        let mut lock = Self { file, path };
        lock.sign("")?;
        Ok(lock)
    }

    /// Tells whoever comes second which run it is that has the lock.
    pub fn name(&mut self, run: &str) -> Result<(), FolderError> {
        self.sign(&format!("run {run}, "))
    }

    fn sign(&mut self, run: &str) -> Result<(), FolderError> {
        let holder = format!("{run}process {}, since {}\n", std::process::id(), jiff::Timestamp::now());
        let rewound = self.file.rewind().and_then(|()| self.file.set_len(0));
        let signed = rewound.and_then(|()| self.file.write_all(holder.as_bytes()));
        signed.map_err(|source| FolderError { doing: "cannot lock", path: self.path.clone(), source })
    }
}

/// A run id: the second it began, and four letters or digits so that two of one second differ.
fn new_id(now: jiff::Timestamp) -> String {
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let tail: String = (0..4).map(|_| char::from(LETTERS[fastrand::usize(..LETTERS.len())])).collect();
    format!("{}-{tail}", now.strftime("%Y%m%dT%H%M%SZ"))
}

fn private_dir(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_by_its_second_and_kept_private() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let runs = dir.path().join("onboard-runs");
        let now = "2026-11-23T15:45:00Z".parse().expect("a time stamp");
        let folder = RunFolder::create(&runs, now).expect("created");
        assert!(folder.id().starts_with("20261123T154500Z-"), "{}", folder.id());
        assert_eq!(folder.id().len(), "20261123T154500Z-k3f9".len());
        assert_ne!(RunFolder::create(&runs, now).expect("created").id(), folder.id());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| fs::metadata(path).expect("exists").permissions().mode() & 0o777;
            assert_eq!(mode(folder.path()), 0o700);
            drop(RunFolder::new_file(&folder.journal()).expect("created"));
            assert_eq!(mode(&folder.journal()), 0o600);
        }
    }

    #[test]
    fn one_target_is_changed_by_one_process_at_a_time() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut first = TargetLock::take(dir.path(), "https://a.example.com/v1").expect("free");
        let second = TargetLock::take(dir.path(), "https://a.example.com/v1");
        let Err(LockError::Held { holder }) = second else { panic!("taken twice") };
        assert!(holder.starts_with(&format!("process {}, since ", std::process::id())), "{holder}");
        first.name("20261123T154500Z-k3f9").expect("written");
        let third = TargetLock::take(dir.path(), "https://a.example.com/v1");
        let Err(LockError::Held { holder }) = third else { panic!("taken twice") };
        assert!(holder.starts_with("run 20261123T154500Z-k3f9, process "), "{holder}");
        for spelling in ["https://A.example.com:443/v1/", "https://a.example.com./v1"] {
            assert!(
                matches!(TargetLock::take(dir.path(), spelling), Err(LockError::Held { .. })),
                "{spelling}"
            );
        }
        TargetLock::take(dir.path(), "https://b.example.com/v1").expect("another target");
        drop(first);
        TargetLock::take(dir.path(), "https://a.example.com/v1").expect("free again");
    }

    #[test]
    fn a_run_is_held_while_its_journal_is_written() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let folder = RunFolder::create(dir.path(), jiff::Timestamp::UNIX_EPOCH).expect("created");
        assert!(!folder.is_run() && !folder.is_held());
        let journal = RunFolder::new_file(&folder.journal()).expect("created");
        assert!(folder.is_run() && !folder.is_held());
        RunFolder::hold(&journal).expect("free");
        assert!(folder.is_held() && folder.is_held(), "looking changes nothing");
        let other = File::open(folder.journal()).expect("opened");
        let error = RunFolder::hold(&other).expect_err("held by another");
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(journal);
        assert!(!folder.is_held());
        RunFolder::hold(&other).expect("free again");
    }

    #[test]
    fn the_error_names_the_path() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("file");
        fs::write(&file, "").expect("written");
        let error = RunFolder::create(&file, jiff::Timestamp::UNIX_EPOCH).expect_err("a file is in the way");
        assert!(error.to_string().contains("file"), "{error}");
    }
}
