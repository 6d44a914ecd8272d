//! Files that are there whole or not at all: written beside their name, synced, then renamed.
//!
//! Main type: [`Draft`]. It does not know what is in a file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use atomic_write_file::{AtomicWriteFile, OpenOptions};

/// A report could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", .path.display())]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

impl WriteError {
    /// What went wrong with the file of that name.
    pub(super) fn new(path: &Path, source: impl Into<io::Error>) -> Self {
        Self { path: path.to_owned(), source: source.into() }
    }
}

/// A file that has no name yet, for its owner only. Dropped without [`Draft::commit`], it is gone
/// and whatever had the name before is untouched.
#[derive(Debug)]
pub struct Draft {
    file: AtomicWriteFile,
    path: PathBuf,
}

impl Draft {
    /// Begins the file that will be at `path`.
    pub fn open(path: &Path) -> Result<Self, WriteError> {
        let mut options = OpenOptions::new();
        options.read(true);
        #[cfg(unix)]
        {
            use atomic_write_file::unix::OpenOptionsExt as _;
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600).preserve_mode(false);
        }
        let file = options.open(path).map_err(|source| WriteError::new(path, source))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Where it will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it under its name, after everything written is on the disk.
    pub fn commit(self) -> Result<(), WriteError> {
        let Self { file, path } = self;
        file.commit().map_err(|source| WriteError { path, source })
    }

    fn as_file(&self) -> &File {
        self.file.as_file()
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.as_file().write(bytes)
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

/// Writes a small file in one go.
pub fn write(path: &Path, content: &[u8]) -> Result<(), WriteError> {
    let mut draft = Draft::open(path)?;
    draft.write_all(content).map_err(|source| WriteError::new(path, source))?;
    draft.commit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_replaced_whole_and_private() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("summary.json");
        fs::write(&path, "a longer text from before").expect("written");
        write(&path, b"new").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("readable"), "new");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).expect("exists").permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_draft_that_is_dropped_leaves_what_was_there() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("results.csv");
        fs::write(&path, "old").expect("written");
        let mut draft = Draft::open(&path).expect("opened");
        draft.write_all(b"half").expect("written");
        drop(draft);
        assert_eq!(fs::read_to_string(&path).expect("readable"), "old");
        assert_eq!(fs::read_dir(dir.path()).expect("readable").count(), 1, "nothing else is left behind");
    }

    #[test]
    fn the_error_names_the_file() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let error = write(&dir.path().join("gone/summary.json"), b"").expect_err("there is no such folder");
        assert!(error.to_string().contains("summary.json"), "{error}");
    }
}
