//! Files that appear complete or not at all: written beside their name, synced, then renamed; or,
//! where that is impossible, written in place.
//!
//! Main type: [`Draft`]. It does not know what is in a file.

use std::fs::{self, File};
use std::io::{self, ErrorKind, IsTerminal as _, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use atomic_write_file::{AtomicWriteFile, OpenOptions};
use rustix::fs::OFlags;

use super::escape::DataSink;
use crate::roster::spool_file;

/// How many links are followed from one name.
const LINKS: usize = 40;

/// A report could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", .path.display())]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

impl WriteError {
    /// What went wrong with the file of that name.
    pub fn new(path: &Path, source: impl Into<io::Error>) -> Self {
        Self { path: path.to_owned(), source: source.into() }
    }
}

/// A file that has no name yet, for its owner only. Dropped without [`Draft::commit`], it is gone
/// and whatever had the name before is untouched.
#[derive(Debug)]
pub struct Draft {
    way: Way,
    path: PathBuf,
}

/// How the file gets its name.
#[derive(Debug)]
enum Way {
    /// By a rename to this name or, where that is impossible, in place.
    Replacing(AtomicWriteFile, PathBuf),
    /// No file can be created beside it: kept elsewhere until it is complete.
    Kept { content: File, target: File },
    /// The target is not a regular file; it may be a terminal.
    InPlace(DataSink<File>),
}

impl Draft {
    /// Begins an output that a user has named. Links are followed. Anything but a regular file (a
    /// device, a pipe) is written in place, and so is a file that no rename can replace.
    ///
    /// # Errors
    /// If it cannot be written: also for a FIFO that nothing reads from.
    pub fn output(path: &Path) -> Result<Self, WriteError> {
        Self::readable_by(Readers::Owner, path)
    }

    /// The same for a file that these may read.
    ///
    /// # Errors
    /// As [`Draft::output`].
    pub fn readable_by(readers: Readers, path: &Path) -> Result<Self, WriteError> {
        let way = output(path, readers).map_err(|source| WriteError::new(path, source))?;
        Ok(Self { way, path: path.to_owned() })
    }

    /// The same; a file of the user's own that is replaced keeps its mode, so that its readers still can read it.
    ///
    /// # Errors
    /// As [`Draft::output`].
    pub fn keeping_mode(readers: Readers, path: &Path) -> Result<Self, WriteError> {
        let draft = Self::readable_by(readers, path)?;
        let before = fs::metadata(path).ok().filter(fs::Metadata::is_file);
        if let (Way::Replacing(file, _), Some(before)) = (&draft.way, before)
            && before.uid() == rustix::process::geteuid().as_raw()
        {
            let kept = file.set_permissions(fs::Permissions::from_mode(before.mode() & 0o777));
            kept.map_err(|source| WriteError::new(path, source))?;
        }
        Ok(draft)
    }

    /// Where it will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it under its name, after everything written is on the disk.
    ///
    /// # Errors
    /// If that cannot be done.
    pub fn commit(self) -> Result<(), WriteError> {
        let Self { way, path } = self;
        let committed = match way {
            Way::Replacing(file, target) => replace(file, &target),
            Way::Kept { content, target } => copy(content, target),
            Way::InPlace(mut sink) => sink.flush(),
        };
        committed.map_err(|source| WriteError { path, source })
    }

    fn as_file(&self) -> &File {
        match &self.way {
            Way::Replacing(file, _) => file.as_file(),
            Way::Kept { content, .. } => content,
            Way::InPlace(sink) => sink.get_ref(),
        }
    }
}

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Its owner only.
    Owner,
    /// Everybody, as far as the umask allows.
    Everybody,
}

/// A file without a name in the folder of this path.
fn beside(path: &Path, readers: Readers) -> io::Result<AtomicWriteFile> {
    use atomic_write_file::unix::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    let mode = match readers {
        Readers::Owner => 0o600,
        Readers::Everybody => 0o644,
    };
    std::os::unix::fs::OpenOptionsExt::mode(options.read(true), mode);
    options.preserve_mode(false).open(path)
}

fn output(path: &Path, readers: Readers) -> io::Result<Way> {
    match target(path)? {
        Target::File(target) => match beside(&target, readers) {
            Ok(file) => Ok(Way::Replacing(file, target)),
            // The file may be open to us although its folder is not.
            Err(error) if forbids_sibling(&error) => match fs::OpenOptions::new().write(true).open(&target) {
                Ok(target) => Ok(Way::Kept { content: spool_file()?, target }),
                Err(_) => Err(error),
            },
            Err(error) => Err(error),
        },
        Target::Stream(file) => {
            let is_terminal = file.is_terminal();
            Ok(Way::InPlace(DataSink::new(file, is_terminal)))
        }
    }
}

/// What a name leads to.
enum Target {
    /// A regular file, or a name that is free.
    File(PathBuf),
    /// A device, a pipe, or what the program has open.
    Stream(File),
}

fn target(path: &Path) -> io::Result<Target> {
    // The system knows of links that are not to be followed.
    match fs::metadata(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(_) | Err(_) => {}
    }
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let kind = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Target::File(path)),
            Err(error) => return Err(error),
            Ok(metadata) => metadata.file_type(),
        };
        if kind.is_symlink() {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new(".")).canonicalize()?;
            if folder.starts_with("/proc") {
                return stream(&path).map(Target::Stream);
            }
            path = folder.join(fs::read_link(&path)?);
        } else if kind.is_file() {
            return Ok(Target::File(path));
        } else if kind.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        } else if kind.is_block_device() {
            return Err(io::Error::new(ErrorKind::Unsupported, "a block device is never overwritten"));
        } else {
            return stream(&path).map(Target::Stream);
        }
    }
    Err(io::Error::other("too many links"))
}

/// Opens what is written in place. Our own standard output is used as it is: reopened, a file would
/// be overwritten from its beginning.
fn stream(path: &Path) -> io::Result<File> {
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    for own in [io::stdout().as_fd(), io::stderr().as_fd()] {
        let own = File::from(own.try_clone_to_owned()?);
        let open = own.metadata()?;
        if !open.file_type().is_char_device() && (open.dev(), open.ino()) == (metadata.dev(), metadata.ino())
        {
            return Ok(own);
        }
    }
    let is_fifo = metadata.file_type().is_fifo();
    // A FIFO that nothing reads from would be waited for.
    let flags = if is_fifo { OFlags::NONBLOCK } else { OFlags::empty() } | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file = fs::OpenOptions::new().write(true).append(metadata.is_file()).custom_flags(flags).open(path);
    let file = file.map_err(|error| match rustix::io::Errno::from_io_error(&error) {
        Some(rustix::io::Errno::NXIO) if is_fifo => io::Error::other("nothing reads from this FIFO"),
        Some(_) | None => error,
    })?;
    if is_fifo {
        let flags = rustix::fs::fcntl_getfl(&file)?;
        rustix::fs::fcntl_setfl(&file, flags - OFlags::NONBLOCK)?;
    }
    Ok(file)
}

/// Whether an error means that no file can be created beside another one, or replace it.
fn forbids_sibling(error: &io::Error) -> bool {
    // Not all kinds of errors are ours to list.
    let kinds = [
        ErrorKind::PermissionDenied,
        ErrorKind::ReadOnlyFilesystem,
        ErrorKind::ResourceBusy,
        ErrorKind::CrossesDevices,
        ErrorKind::Unsupported,
        ErrorKind::InvalidInput,
        ErrorKind::NotFound,
    ];
    kinds.contains(&error.kind())
}

/// Puts the file under its name by a rename or, if that is impossible, writes its content there.
fn replace(file: AtomicWriteFile, target: &Path) -> io::Result<()> {
    let content = file.as_file().try_clone()?;
    let Err(error) = file.commit() else { return Ok(()) };
    let is_ours = |metadata: &fs::Metadata| {
        content.metadata().is_ok_and(|ours| (ours.dev(), ours.ino()) == (metadata.dev(), metadata.ino()))
    };
    if fs::symlink_metadata(target).is_ok_and(|metadata| is_ours(&metadata)) {
        // Renamed; only the folder could not be synced.
        return Ok(());
    }
    // A rename that fails leaves the name that the file had until then.
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
    for entry in fs::read_dir(folder.unwrap_or(Path::new("."))).into_iter().flatten().flatten() {
        if entry.metadata().is_ok_and(|metadata| is_ours(&metadata)) {
            let _ = fs::remove_file(entry.path());
        }
    }
    if !forbids_sibling(&error) {
        return Err(error);
    }
    let target = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(target);
    copy(content, target.map_err(|_| error)?)
}

/// Writes a file's content over another one's.
fn copy(mut content: File, mut target: File) -> io::Result<()> {
    content.rewind()?;
    target.set_len(0)?;
    io::copy(&mut content, &mut target)?;
    target.sync_all()
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.way {
            Way::Replacing(file, _) => file.write(bytes),
            Way::Kept { content, .. } => content.write(bytes),
            Way::InPlace(sink) => sink.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.as_file().flush()
    }
}

impl Read for Draft {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.as_file().read(buffer)
    }
}

impl Seek for Draft {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.as_file().seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn write_output(path: &Path, content: &str) -> Result<(), WriteError> {
        let mut draft = Draft::output(path)?;
        draft.write_all(content.as_bytes()).map_err(|source| WriteError::new(path, source))?;
        draft.commit()
    }

    fn names(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir).expect("readable").map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_whole_and_private() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("summary.json");
        fs::write(&path, "a longer text from before").expect("written");
        write_output(&path, "new").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("readable"), "new");
        assert_eq!(fs::metadata(&path).expect("exists").permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_that_is_replaced_can_keep_its_mode() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("metrics.prom");
        let mode = || fs::metadata(&path).expect("exists").permissions().mode() & 0o777;
        Draft::keeping_mode(Readers::Owner, &path).expect("opened").commit().expect("written");
        assert_eq!(mode(), 0o600, "a new file is private");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("changed");
        Draft::keeping_mode(Readers::Owner, &path).expect("opened").commit().expect("written");
        assert_eq!(mode(), 0o644);
        write_output(&path, "a plan").expect("written");
        assert_eq!(mode(), 0o600, "other outputs never do");
    }

    #[test]
    fn a_draft_that_is_dropped_leaves_what_was_there() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("results.csv");
        fs::write(&path, "old").expect("written");
        let mut draft = Draft::output(&path).expect("opened");
        draft.write_all(b"half").expect("written");
        drop(draft);
        assert_eq!(fs::read_to_string(&path).expect("readable"), "old");
        assert_eq!(names(dir.path()), ["results.csv"], "nothing else is left behind");
    }

    #[test]
    fn the_error_names_the_file() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let gone = dir.path().join("gone/summary.json");
        let error = write_output(&gone, "").expect_err("there is no such folder");
        assert!(error.to_string().contains("summary.json"), "{error}");
        let error = write_output(dir.path(), "x").expect_err("a folder");
        assert_eq!(error.source.kind(), ErrorKind::IsADirectory);
        assert!(write_output(&dir.path().join("gone/plan.json"), "x").is_err());
    }

    #[test]
    fn an_output_goes_through_links() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let elsewhere = dir.path().join("elsewhere");
        fs::create_dir(&elsewhere).expect("created");
        let (real, link, far) = (elsewhere.join("real"), dir.path().join("link"), dir.path().join("far"));
        fs::write(&real, "old").expect("written");
        symlink("elsewhere/real", &link).expect("linked");
        symlink(&link, &far).expect("linked");
        write_output(&far, "new").expect("written");
        assert_eq!(fs::read_to_string(&real).expect("readable"), "new");
        assert!(link.is_symlink() && far.is_symlink());

        let dangling = dir.path().join("dangling");
        symlink("elsewhere/made", &dangling).expect("linked");
        write_output(&dangling, "x").expect("written");
        assert_eq!(fs::read_to_string(elsewhere.join("made")).expect("readable"), "x");
        let circle = dir.path().join("circle");
        symlink("circle", &circle).expect("linked");
        assert!(write_output(&circle, "x").is_err());
    }

    #[test]
    fn a_device_and_a_fifo_are_written_in_place() {
        write_output(Path::new("/dev/null"), "x").expect("written");
        assert!(fs::metadata("/dev/null").expect("exists").file_type().is_char_device());
        let error = write_output(Path::new("/dev/full"), "x").expect_err("no room");
        assert_eq!(error.source.kind(), ErrorKind::StorageFull);

        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&path).status().expect("mkfifo runs");
        assert!(made.success());
        let error = write_output(&path, "x").expect_err("no reader");
        assert!(error.source.to_string().contains("nothing reads"), "{}", error.source);
        // Opening both ends does not wait.
        let mut reader = fs::OpenOptions::new().read(true).write(true).open(&path).expect("opened");
        write_output(&path, "through").expect("written");
        let mut read = [0; 7];
        reader.read_exact(&mut read).expect("read");
        assert_eq!(&read, b"through");
        assert_eq!(names(dir.path()), ["fifo"]);
    }

    #[test]
    fn a_file_that_no_rename_can_replace_is_written_in_place() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        // A rename cannot put a file over a folder, and nothing could be written there.
        let (folder, file) = (dir.path().join("folder"), dir.path().join("file"));
        fs::create_dir(&folder).expect("created");
        let draft = beside(&folder, Readers::Owner).expect("made");
        assert!(replace(draft, &folder).is_err());
        assert_eq!(names(dir.path()), ["folder"], "nothing is left behind");

        fs::write(&file, "a longer text from before").expect("written");
        let mut content = spool_file().expect("made");
        content.write_all(b"new").expect("written");
        let target = fs::OpenOptions::new().write(true).open(&file).expect("opened");
        let draft = Draft { way: Way::Kept { content, target }, path: file.clone() };
        draft.commit().expect("written");
        assert_eq!(fs::read_to_string(&file).expect("readable"), "new");
        for kind in [ErrorKind::ResourceBusy, ErrorKind::CrossesDevices, ErrorKind::PermissionDenied] {
            assert!(forbids_sibling(&kind.into()));
        }
        assert!(!forbids_sibling(&ErrorKind::StorageFull.into()));
    }
}
