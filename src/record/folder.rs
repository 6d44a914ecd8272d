//! The folder of a run: its name, its files, whose they are, and how they come to be complete before
//! anything is sent.
//!
//! Main types: [`Runs`], the folder that the runs are in, and [`RunFolder`]. Both are opened once and
//! looked at through that handle. They know names, owners and modes; what is in the files is
//! [`super::journal`]'s.

mod dir;
mod draft;
mod find;
mod lock;
mod owner;

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use self::dir::{Dir, Open, PRIVATE_DIR};
pub use self::draft::Draft;
pub(super) use self::find::is_id;
pub use self::find::{FindError, LATEST, find};
pub use self::lock::{LockError, TargetLock};
pub use self::owner::Distrust;
use self::owner::{Rights, User};

/// The byte-for-byte copy of the input.
pub const ROSTER: &str = "roster.csv";
/// What was decided per row.
pub const PLAN: &str = "plan.jsonl";
/// One line per fact.
pub const JOURNAL: &str = "journal.jsonl";

/// Something about the folder or its files went wrong.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {}", path.display())]
pub struct FolderError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FolderError {
    /// What was being done to a path, waiting for what went wrong with it.
    pub(super) fn new(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self { doing, path, source }
    }

    /// What the operating system said.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

/// The folder of the runs cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunsError {
    /// It cannot be made or written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Others could swap the runs in it.
    #[error("the runs folder {} is not safe: {why}", .path.display())]
    Distrusted {
        /// Which folder.
        path: PathBuf,
        /// Why not.
        why: Distrust,
    },
}

/// The folder that runs are in, opened once.
#[derive(Debug)]
pub struct Runs {
    dir: Dir,
    user: User,
    /// Whether owners and modes mean something there.
    knows_rights: bool,
}

impl Runs {
    /// Opens the folder.
    ///
    /// # Errors
    /// If there is none, or it cannot be read.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let dir = Dir::open(path).map_err(FolderError::new("cannot read the folder", path))?;
        Ok(Self::new(dir))
    }

    fn new(dir: Dir) -> Self {
        let knows_rights = dir.keeps_rights();
        Self { dir, user: User::present(), knows_rights }
    }

    /// Opens the folder for new runs, and creates it if necessary. Checks before anything is asked or sent
    /// that folders can be created in it. Leaves nothing behind but itself.
    ///
    /// # Errors
    /// If it cannot be created or written, or if others could replace its content.
    pub fn prepare(path: &Path) -> Result<Self, RunsError> {
        make_private_dirs(path).map_err(FolderError::new("cannot create the folder", path))?;
        let runs = Self::open(path)?;
        let probe = format!(".probe-{}-{:08x}", std::process::id(), fastrand::u32(..));
        let made = runs.dir.create_dir(&probe).and_then(|_| runs.dir.remove_dir(OsStr::new(&probe)));
        made.map_err(FolderError::new("cannot write to", path))?;
        runs.check()?;
        Ok(runs)
    }

    /// Whether a run may be locked and carried out in this folder.
    ///
    /// # Errors
    /// Others could swap what is in it.
    pub fn check(&self) -> Result<(), RunsError> {
        let path = self.dir.path();
        let metadata = self.dir.metadata().map_err(FolderError::new("cannot read the folder", path))?;
        match self.user.distrust_of_runs_dir(Rights::of(&metadata)).filter(|_| self.knows_rights) {
            Some(why) => Err(RunsError::Distrusted { path: path.to_owned(), why }),
            None => Ok(()),
        }
    }

    /// A sentence about a file system on which nothing can be kept private.
    pub fn warning(&self) -> Option<String> {
        let path = self.dir.path().display();
        (!self.knows_rights).then(|| {
            format!(
                "the file system of {path} does not store owners and modes: other users may be able to read and change this run's files"
            )
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// What speaks against a file in it that may not even be opened.
    fn distrust_of(&self, name: &str) -> Option<Distrust> {
        let rights = self.dir.rights_of(OsStr::new(name))?;
        self.user.distrust_of_file(rights)
    }

    fn distrust_of_file(&self, rights: Rights) -> Option<Distrust> {
        self.user.distrust_of_file(rights).filter(|_| self.knows_rights)
    }

    /// Makes the folder of a new run, for its owner only.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn create(&self, now: jiff::Timestamp) -> Result<RunFolder, FolderError> {
        loop {
            let id = new_id(now);
            let path = self.dir.path().join(&id);
            match self.dir.create_dir(&id) {
                Ok(dir) => {
                    self.dir.sync().map_err(FolderError::new("cannot create the folder", path.clone()))?;
                    let is_checked = self.knows_rights;
                    return Ok(RunFolder { path, dir: Some(dir), distrust: None, is_checked });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(FolderError::new("cannot create the folder", path)(error)),
            }
        }
    }

    /// Every folder in it that has no dot before its name, the newest run first, folders that are no
    /// runs last. A link with the name of a run is listed, and not followed; other links are left out.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn list(&self) -> Result<Vec<RunFolder>, FolderError> {
        let failed = FolderError::new("cannot read the folder", self.dir.path());
        let names = self.dir.names().map_err(failed)?;
        let visible = names.into_iter().filter(|name| !name.as_encoded_bytes().starts_with(b"."));
        let mut folders: Vec<RunFolder> = visible.filter_map(|name| self.folder(&name)).collect();
        folders.sort_by_cached_key(|folder| std::cmp::Reverse(find::age(folder)));
        Ok(folders)
    }

    /// The run with this id, if it is the user's own. A link is not followed.
    pub fn run(&self, id: &str) -> Option<RunFolder> {
        let folder = self.folder(OsStr::new(id)).filter(|_| find::is_id(id))?;
        folder.distrust().is_none().then_some(folder)
    }

    /// The folder of this name in it, if it is one. One that may not be opened is a folder too.
    fn folder(&self, name: &OsStr) -> Option<RunFolder> {
        let path = self.dir.path().join(name);
        match self.dir.open_dir(name) {
            Ok(dir) => Some(self.opened(dir, path)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let rights = self.dir.rights_of(name).filter(|_| self.dir.is_dir(name))?;
                let distrust = self.user.distrust_of_folder(rights);
                Some(RunFolder { path, dir: None, distrust, is_checked: true })
            }
            // A link may lead to another user's run: it must not be ignored.
            Err(_) if find::is_id(&name.to_string_lossy()) && path.is_dir() => {
                Some(RunFolder { path, dir: None, distrust: Some(Distrust::Link), is_checked: true })
            }
            Err(_) => None,
        }
    }

    fn opened(&self, dir: Dir, path: PathBuf) -> RunFolder {
        let rights = dir.metadata().map(|metadata| Rights::of(&metadata));
        // What cannot be looked at is not trusted.
        let distrust = rights.map_or(Some(Distrust::Foreign { owner: u32::MAX }), |rights| {
            self.user.distrust_of_folder(rights)
        });
        let distrust = distrust.filter(|_| self.knows_rights);
        let is_checked = distrust.is_none() && self.knows_rights;
        RunFolder { path, dir: Some(dir), distrust, is_checked }
    }
}

/// The folder of one run, named by the run's id.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
    /// None if it may not be opened.
    dir: Option<Dir>,
    distrust: Option<Distrust>,
    /// Whether its files must be the user's own, too.
    is_checked: bool,
}

impl RunFolder {
    /// An existing folder.
    ///
    /// # Errors
    /// If it is none, or may not be opened.
    pub fn open(path: PathBuf) -> Result<Self, FolderError> {
        let failed = || FolderError::new("cannot read the folder", path.clone());
        let dir = Dir::open(&path).map_err(failed())?;
        let runs = Runs::new(dir.parent().map_err(failed())?);
        Ok(runs.opened(dir, path))
    }

    /// A folder for reports that are not those of one run, for its owner only. It is made if it does not exist.
    ///
    /// # Errors
    /// If it cannot be made, or others could replace its content.
    pub fn for_reports(path: &Path) -> Result<Self, RunsError> {
        make_private_dirs(path).map_err(FolderError::new("cannot create the folder", path))?;
        let folder = Self::open(path.to_owned())?;
        match folder.distrust {
            Some(why) => Err(RunsError::Distrusted { path: path.to_owned(), why }),
            None => Ok(folder),
        }
    }

    /// The folder that it is in, where the lock lanes: that of the run itself, not of a link to it.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn runs(&self) -> Result<Runs, FolderError> {
        let failed = FolderError::new("cannot read the folder of", self.path.clone());
        let parent = self.dir().and_then(Dir::parent).map_err(failed)?;
        Ok(Runs::new(parent))
    }

    /// Why what is in it may not be the user's own wish.
    pub fn distrust(&self) -> Option<Distrust> {
        self.distrust
    }

    /// The user accepts its files as they are, regardless of their owner.
    #[must_use]
    pub fn trusted(self) -> Self {
        Self { distrust: None, is_checked: false, ..self }
    }

    /// Removes the folder of a run that could not begin: it has nothing in it that anyone could need.
    /// What cannot be removed stays.
    pub fn discard(self) {
        let (Some(dir), Some(name)) = (&self.dir, self.path.file_name()) else { return };
        for name in dir.names().unwrap_or_default() {
            let _ = name.to_str().map(|name| dir.remove_file(name));
        }
        let _ = dir.parent().and_then(|runs| runs.remove_dir(name));
    }

    /// Whether files can be made in it: finds out before anything is sent.
    ///
    /// # Errors
    /// If they cannot.
    pub fn check_writable(&self) -> Result<(), FolderError> {
        let probe = format!(".probe-{}", std::process::id());
        let made = self.dir().and_then(|dir| {
            dir.create_file(&probe)?;
            dir.remove_file(&probe)
        });
        made.map_err(FolderError::new("cannot write to", self.path.clone()))
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
        self.path.join(ROSTER)
    }

    /// What was decided per row.
    pub fn plan(&self) -> PathBuf {
        self.path.join(PLAN)
    }

    /// One line per fact.
    pub fn journal(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }

    fn dir(&self) -> io::Result<&Dir> {
        self.dir.as_ref().ok_or_else(|| match self.distrust {
            Some(why) => io::Error::new(io::ErrorKind::PermissionDenied, why),
            None => io::ErrorKind::PermissionDenied.into(),
        })
    }

    /// Whether any of the files of a run exists.
    pub fn is_run(&self) -> bool {
        self.dir.as_ref().is_some_and(|dir| [JOURNAL, PLAN, ROSTER].iter().any(|name| dir.has(name)))
    }

    /// Opens a file of the run for reading. What is no regular file, or in a folder of the user's own not
    /// the user's own too, is an error.
    ///
    /// # Errors
    /// If it cannot be opened, or is not to be trusted.
    pub fn read(&self, name: &str) -> io::Result<File> {
        self.open_file(name, Open::Read)
    }

    /// Opens a file of the run for writing on at its end.
    pub(super) fn write_on(&self, name: &str) -> io::Result<File> {
        self.open_file(name, Open::Write)
    }

    fn open_file(&self, name: &str, how: Open) -> io::Result<File> {
        let file = self.dir()?.open_file(name, how)?;
        let distrust = User::present().distrust_of_file(Rights::of(&file.metadata()?));
        match distrust.filter(|_| self.is_checked) {
            Some(why) => Err(io::Error::new(io::ErrorKind::PermissionDenied, why)),
            None => Ok(file),
        }
    }

    /// Creates a new file of the run, for its owner only.
    ///
    /// # Errors
    /// If it already exists, or cannot be created.
    pub fn new_file(&self, name: &str) -> Result<File, FolderError> {
        let made = self.dir().and_then(|dir| dir.create_file(name));
        made.map_err(FolderError::new("cannot write", self.path.join(name)))
    }

    /// Begins a file of the run that appears complete or not at all.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn draft(&self, name: &str) -> Result<Draft, FolderError> {
        let dir = self.dir().map_err(FolderError::new("cannot write", self.path.join(name)))?;
        Draft::open(dir, name)
    }

    /// When a file of the run was changed last; none if there is none.
    pub fn modified(&self, name: &str) -> Option<SystemTime> {
        self.dir.as_ref()?.open_file(name, Open::Read).ok()?.metadata().ok()?.modified().ok()
    }

    /// Whether the names of the folder and of its journal still lead to this journal: one that was
    /// deleted, moved away or replaced accepts every byte and keeps none.
    pub(super) fn still_has_journal(&self, journal: &File) -> io::Result<()> {
        let dir = self.dir()?;
        if dir.is_where_it_was()? && dir.still_names(JOURNAL, journal)? {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::NotFound, "it was moved away or replaced"))
    }

    /// Locks the journal for its one writer until the file is closed or the process ends in any way,
    /// so that others can distinguish a running run from one that was killed.
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
        let Ok(journal) = self.read(JOURNAL) else { return false };
        matches!(journal.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// Makes the names of the files in the folder durable.
    ///
    /// # Errors
    /// If the disk does not take them.
    pub fn sync(&self) -> Result<(), FolderError> {
        self.dir().and_then(Dir::sync).map_err(FolderError::new("cannot sync the folder", self.path.clone()))
    }
}

/// Makes a folder and those above it that do not exist, for their owner only, whatever the umask is.
fn make_private_dirs(path: &Path) -> io::Result<()> {
    let missing = path.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists());
    for dir in missing.collect::<Vec<_>>().into_iter().rev() {
        match DirBuilder::new().mode(PRIVATE_DIR).create(dir) {
            Ok(()) => std::fs::set_permissions(dir, Permissions::from_mode(PRIVATE_DIR))?,
            // Another process was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
            Err(error) => return Err(error),
        }
    }
    if path.is_dir() { Ok(()) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

/// A run id: the second it began, and four letters or digits so that two of one second differ.
fn new_id(now: jiff::Timestamp) -> String {
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let tail: String = (0..4).map(|_| char::from(LETTERS[fastrand::usize(..LETTERS.len())])).collect();
    format!("{}-{tail}", now.strftime("%Y%m%dT%H%M%SZ"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::symlink;

    fn scratch() -> (tempfile::TempDir, Runs) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let runs = Runs::prepare(dir.path()).expect("usable");
        (dir, runs)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("exists").permissions().mode() & 0o7777
    }

    fn allow(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("changed");
    }

    #[test]
    fn a_run_is_named_by_its_second_and_kept_private() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let runs = Runs::prepare(&dir.path().join("a/onboard-runs")).expect("made");
        let now = "2026-11-23T15:45:00Z".parse().expect("a time stamp");
        let folder = runs.create(now).expect("created");
        assert!(folder.id().starts_with("20261123T154500Z-"), "{}", folder.id());
        assert_eq!(folder.id().len(), "20261123T154500Z-k3f9".len());
        assert_ne!(runs.create(now).expect("created").id(), folder.id());
        assert_eq!((mode(runs.path()), mode(folder.path())), (0o700, 0o700));
        drop(folder.new_file(JOURNAL).expect("created"));
        assert_eq!(mode(&folder.journal()), 0o600);
        assert_eq!(runs.warning(), None);
        assert_eq!(fs::read_dir(runs.path()).expect("readable").count(), 2, "nothing else is left behind");
    }

    #[test]
    fn one_target_is_changed_by_one_process_at_a_time() {
        let (_dir, runs) = scratch();
        let mut first = TargetLock::take(&runs, "https://a.example.com/v1", None).expect("free");
        let second = TargetLock::take(&runs, "https://a.example.com/v1", None);
        let Err(LockError::Held { holder }) = second else { panic!("taken twice") };
        assert!(holder.starts_with(&format!("process {}, since ", std::process::id())), "{holder}");
        first.name("20261123T154500Z-k3f9").expect("written");
        let third = TargetLock::take(&runs, "https://a.example.com/v1", None);
        let Err(LockError::Held { holder }) = third else { panic!("taken twice") };
        assert!(holder.starts_with("run 20261123T154500Z-k3f9, process "), "{holder}");
        for spelling in ["https://A.example.com:443/v1/", "https://a.example.com./v1"] {
            let taken = TargetLock::take(&runs, spelling, None);
            assert!(matches!(taken, Err(LockError::Held { .. })), "{spelling}");
        }
        TargetLock::take(&runs, "https://b.example.com/v1", None).expect("another target");
        drop(first);
        TargetLock::take(&runs, "https://a.example.com/v1", None).expect("free again");
    }

    #[test]
    fn a_lock_that_is_a_link_a_pipe_or_a_hard_link_is_refused_and_changes_nothing() {
        let (dir, runs) = scratch();
        drop(TargetLock::take(&runs, "https://a.example.com/v1", None).expect("free"));
        let names = runs.dir.names().expect("readable");
        let lock = dir.path().join(&names[0]);
        let other = dir.path().join("other");
        let spoil: [fn(&Path, &Path); 4] = [
            |lock, other| symlink(other, lock).expect("linked"),
            |lock, other| fs::hard_link(other, lock).expect("linked"),
            |lock, _| fs::create_dir(lock).expect("created"),
            |lock, _| {
                let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600));
                rustix::fs::mknodat(rustix::fs::CWD, lock, kind, mode, 0).expect("made");
            },
        ];
        for spoil in spoil {
            fs::write(&other, "kept").expect("written");
            let removed = fs::remove_file(&lock).or_else(|_| fs::remove_dir(&lock));
            removed.expect("removed");
            spoil(&lock, &other);
            TargetLock::take(&runs, "https://a.example.com/v1", None).expect_err("not a lock of ours");
            assert_eq!(fs::read_to_string(&other).expect("readable"), "kept");
        }
    }

    #[test]
    fn a_folder_of_runs_that_everybody_can_write_is_refused() {
        let (dir, runs) = scratch();
        allow(dir.path(), 0o777);
        assert!(matches!(runs.check(), Err(RunsError::Distrusted { .. })));
        assert!(matches!(Runs::prepare(dir.path()), Err(RunsError::Distrusted { .. })));
        allow(dir.path(), 0o1777);
        Runs::prepare(dir.path()).expect("with the sticky bit");
    }

    #[test]
    fn a_run_that_others_can_change_is_seen_and_never_the_latest() {
        let (dir, runs) = scratch();
        let at = |time: &str| runs.create(time.parse().expect("a time stamp")).expect("created");
        let (old, new) = (at("2026-11-23T15:45:00Z"), at("2026-11-24T15:45:00Z"));
        let latest = || find(dir.path(), LATEST);
        assert_eq!(latest().expect("there").id(), new.id());
        allow(new.path(), 0o777);
        assert!(matches!(latest(), Err(FindError::LatestDistrusted { .. })));
        let found = find(dir.path(), new.id()).expect("by its id");
        assert!(matches!(found.distrust(), Some(Distrust::OthersWrite { mode: 0o777 })));
        assert_eq!(found.trusted().distrust(), None);
        allow(old.path(), 0o777);
        allow(new.path(), 0o770);
        assert_eq!(latest().expect("one's own group may write").id(), new.id());
        // A link with the name of a newer run may lead to another user's run.
        symlink(old.path(), dir.path().join("20261125T154500Z-aaaa")).expect("linked");
        assert!(matches!(latest(), Err(FindError::LatestDistrusted { why: Distrust::Link, .. })));
    }

    #[test]
    fn a_file_of_a_run_is_read_only_if_it_is_the_users_own() {
        let (dir, runs) = scratch();
        let folder = runs.create(jiff::Timestamp::UNIX_EPOCH).expect("created");
        drop(folder.new_file(JOURNAL).expect("created"));
        folder.read(JOURNAL).expect("private");
        allow(&folder.journal(), 0o666);
        assert_eq!(folder.read(JOURNAL).expect_err("others write").kind(), io::ErrorKind::PermissionDenied);
        folder.clone().trusted().read(JOURNAL).expect("the user said so");
        allow(&folder.journal(), 0o660);
        folder.read(JOURNAL).expect("one's own group may write");
        fs::hard_link(folder.journal(), dir.path().join("second-name")).expect("linked");
        folder.read(JOURNAL).expect_err("it can be changed by another name");
        fs::remove_file(folder.journal()).expect("removed");
        symlink("/dev/zero", folder.journal()).expect("linked");
        assert_eq!(folder.read(JOURNAL).expect_err("a device").kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_run_is_held_while_its_journal_is_written() {
        let (_dir, runs) = scratch();
        let folder = runs.create(jiff::Timestamp::UNIX_EPOCH).expect("created");
        assert!(!folder.is_run() && !folder.is_held());
        let journal = folder.new_file(JOURNAL).expect("created");
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
        let error = Runs::prepare(&file).expect_err("a file is in the way");
        assert!(error.to_string().contains("file"), "{error}");
    }
}
