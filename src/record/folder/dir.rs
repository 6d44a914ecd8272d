//! A folder that was opened once: whatever happens to its name afterwards, everything is looked at,
//! made and renamed through the same handle, and no link is followed on the way.
//!
//! Main type: [`Dir`]. It knows nothing of runs.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};

use super::owner::Rights;

/// The mode of folders of ours.
pub(super) const PRIVATE_DIR: u32 = 0o700;
/// The mode of files of ours.
pub(super) const PRIVATE_FILE: u32 = 0o600;

/// An open folder, and the name it was opened by.
#[derive(Debug, Clone)]
pub(super) struct Dir {
    handle: Arc<File>,
    path: PathBuf,
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    /// For reading.
    Read,
    /// For reading and writing.
    Write,
    /// For reading and writing; it is made if it does not exist.
    WriteOrCreate,
    /// For reading and writing; it must not exist yet.
    CreateNew,
}

impl Open {
    fn flags(self) -> OFlags {
        match self {
            Self::Read => OFlags::RDONLY,
            Self::Write => OFlags::RDWR,
            Self::WriteOrCreate => OFlags::RDWR | OFlags::CREATE,
            Self::CreateNew => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
        }
    }
}

impl Dir {
    /// Opens the folder that `path` names; links on the way to it are the user's own and followed.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // An empty path is the working directory, as in `a/..`.
        let named = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let handle = rustix::fs::openat(CWD, named, flags, Mode::empty())?;
        Ok(Self::new(handle, path.to_owned()))
    }

    /// Opens a folder in it, unless that is a link.
    pub(super) fn open_dir(&self, name: &OsStr) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(&self.handle, name, flags, Mode::empty())?;
        Ok(Self::new(handle, self.path.join(name)))
    }

    /// Opens the folder that this one is in.
    pub(super) fn parent(&self) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = rustix::fs::openat(&self.handle, "..", flags, Mode::empty())?;
        Ok(Self::new(handle, self.path.join("..")))
    }

    fn new(handle: OwnedFd, path: PathBuf) -> Self {
        Self { handle: Arc::new(handle.into()), path }
    }

    /// The name it was opened by.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Owner, mode and identity.
    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        self.handle.metadata()
    }

    /// Whether owners and modes mean something on its file system; those that do not keep them show the
    /// same ones for everything.
    #[cfg(target_os = "linux")]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the type of the field depends on the machine, and only 32 bits matter"
    )]
    pub(super) fn keeps_rights(&self) -> bool {
        /// FAT, exFAT, NTFS, SMB in both forms: from `linux/magic.h` and the file systems' own headers.
        const WITHOUT: [u32; 5] = [0x4d44, 0x2011_bab0, 0x7366_746e, 0xff53_4d42, 0xfe53_4d42];
        rustix::fs::fstatfs(&self.handle).map_or(true, |stat| !WITHOUT.contains(&(stat.f_type as u32)))
    }

    /// Elsewhere they are believed.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn keeps_rights(&self) -> bool {
        true
    }

    /// Whether its name still leads to it.
    pub(super) fn is_where_it_was(&self) -> io::Result<bool> {
        let (named, held) = (std::fs::metadata(&self.path)?, self.metadata()?);
        Ok((named.dev(), named.ino()) == (held.dev(), held.ino()))
    }

    /// Whether a name in it still leads to this file, and not through a link.
    pub(super) fn still_names(&self, name: &str, file: &File) -> io::Result<bool> {
        let named = rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let held = rustix::fs::fstat(file)?;
        Ok((named.st_dev, named.st_ino) == (held.st_dev, held.st_ino))
    }

    /// Whether anything in it has this name; a link counts as what it is.
    pub(super) fn has(&self, name: &str) -> bool {
        rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Owner and mode of what has this name in it, also if it may not be opened.
    pub(super) fn rights_of(&self, name: &OsStr) -> Option<Rights> {
        Some(Rights::of_stat(&self.stat(name)?))
    }

    /// Whether a name in it is that of a folder, and not of a link to one.
    pub(super) fn is_dir(&self, name: &OsStr) -> bool {
        self.stat(name).is_some_and(|stat| FileType::from_raw_mode(stat.st_mode).is_dir())
    }

    fn stat(&self, name: &OsStr) -> Option<rustix::fs::Stat> {
        rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW).ok()
    }

    /// Opens a regular file in it. A link, a pipe, a device or a folder is an error and never a wait.
    pub(super) fn open_file(&self, name: &str, how: Open) -> io::Result<File> {
        let flags = how.flags() | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = rustix::fs::openat(&self.handle, name, flags, Mode::from_raw_mode(PRIVATE_FILE));
        let file = File::from(opened.map_err(|error| match error {
            rustix::io::Errno::LOOP => not_regular("a link"),
            rustix::io::Errno::NXIO | rustix::io::Errno::ISDIR => not_regular("not a regular file"),
            other => other.into(),
        })?);
        if !file.metadata()?.is_file() {
            return Err(not_regular("not a regular file"));
        }
        Ok(file)
    }

    /// Makes a new file in it, for its owner only, whatever the umask is.
    pub(super) fn create_file(&self, name: &str) -> io::Result<File> {
        let file = self.open_file(name, Open::CreateNew)?;
        make_private(&file, PRIVATE_FILE)?;
        Ok(file)
    }

    /// Makes a new folder in it, for its owner only, whatever the umask is.
    pub(super) fn create_dir(&self, name: &str) -> io::Result<Self> {
        rustix::fs::mkdirat(&self.handle, name, Mode::from_raw_mode(PRIVATE_DIR))?;
        let made = self.open_dir(OsStr::new(name)).or_else(|error| {
            // A umask that removes the owner's own rights: the mode is corrected, then the file is opened.
            if error.kind() != io::ErrorKind::PermissionDenied {
                return Err(error);
            }
            let mode = Mode::from_raw_mode(PRIVATE_DIR);
            rustix::fs::chmodat(&self.handle, name, mode, AtFlags::empty())?;
            self.open_dir(OsStr::new(name))
        })?;
        make_private(&made.handle, PRIVATE_DIR)?;
        Ok(made)
    }

    /// Gives a file another name; whatever had that name is gone.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.handle, from, &self.handle, to)?)
    }

    /// Removes a file.
    pub(super) fn remove_file(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.handle, name, AtFlags::empty())?)
    }

    /// Removes an empty folder.
    pub(super) fn remove_dir(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.handle, name, AtFlags::REMOVEDIR)?)
    }

    /// Makes the names in it durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    /// The names in it.
    pub(super) fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.handle)? {
            let name = OsStr::from_bytes(entry?.file_name().to_bytes()).to_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        Ok(names)
    }
}

/// Sets the mode that was asked for, where the umask took some of it or a file system gave more.
pub(super) fn make_private(file: &File, mode: u32) -> io::Result<()> {
    if file.metadata()?.permissions().mode() & 0o7777 == mode {
        return Ok(());
    }
    match file.set_permissions(Permissions::from_mode(mode)) {
        // A file system without modes: a warning was given when the runs folder was prepared.
        Err(error) if matches!(error.raw_os_error(), Some(PERM | NOT_SUPPORTED)) => Ok(()),
        done => done,
    }
}

/// `EPERM`.
const PERM: i32 = rustix::io::Errno::PERM.raw_os_error();
/// `EOPNOTSUPP`.
const NOT_SUPPORTED: i32 = rustix::io::Errno::OPNOTSUPP.raw_os_error();

fn not_regular(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn scratch() -> (tempfile::TempDir, Dir) {
        let scratch = tempfile::tempdir().expect("a temporary folder");
        let dir = Dir::open(scratch.path()).expect("opened");
        (scratch, dir)
    }

    #[test]
    fn what_is_made_is_private() {
        let (scratch, dir) = scratch();
        dir.create_file("file").expect("created");
        dir.create_dir("folder").expect("created");
        let mode = |name: &str| fs::metadata(scratch.path().join(name)).expect("exists").mode() & 0o7777;
        assert_eq!((mode("file"), mode("folder")), (PRIVATE_FILE, PRIVATE_DIR));
    }

    #[test]
    fn only_regular_files_are_opened_and_nothing_is_waited_for() {
        let (scratch, dir) = scratch();
        let outside = scratch.path().join("outside");
        fs::write(&outside, "kept").expect("written");
        symlink(&outside, scratch.path().join("link")).expect("linked");
        symlink("/dev/zero", scratch.path().join("device")).expect("linked");
        let fifo = scratch.path().join("fifo");
        rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("made");
        fs::create_dir(scratch.path().join("folder")).expect("created");
        for name in ["link", "device", "fifo", "folder"] {
            for how in [Open::Read, Open::Write, Open::WriteOrCreate] {
                let error = dir.open_file(name, how).expect_err("not a regular file");
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}: {error}");
            }
        }
        assert!(dir.open_dir(OsStr::new("link")).is_err() && dir.open_dir(OsStr::new("fifo")).is_err());
        assert_eq!(fs::read_to_string(outside).expect("readable"), "kept");
        assert_eq!(dir.open_file("gone", Open::Read).expect_err("gone").kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_folder_whose_name_leads_elsewhere_now_is_noticed() {
        let (scratch, _) = scratch();
        let (name, aside) = (scratch.path().join("runs"), scratch.path().join("aside"));
        fs::create_dir(&name).expect("created");
        let dir = Dir::open(&name).expect("opened");
        let file = dir.create_file("journal").expect("created");
        assert!(dir.is_where_it_was().expect("there") && dir.still_names("journal", &file).expect("there"));
        fs::rename(&name, &aside).expect("renamed");
        assert_eq!(dir.is_where_it_was().expect_err("gone").kind(), io::ErrorKind::NotFound);
        fs::create_dir(&name).expect("created");
        assert!(!dir.is_where_it_was().expect("another one"));
        assert!(dir.still_names("journal", &file).expect("through the handle"));
        fs::remove_file(aside.join("journal")).expect("removed");
        fs::write(aside.join("journal"), "").expect("written");
        assert!(!dir.still_names("journal", &file).expect("another one"));
    }

    #[test]
    fn the_names_in_it_are_listed() {
        let (scratch, dir) = scratch();
        for name in ["b", "a", ".hidden"] {
            fs::write(scratch.path().join(name), "").expect("written");
        }
        let mut names = dir.names().expect("readable");
        names.sort();
        assert_eq!(names, [".hidden", "a", "b"]);
        assert_eq!(dir.names().expect("readable").len(), 3, "and again");
    }
}
