//! Files of a run that appear complete or not at all: written beside their name, synced, then
//! renamed, all through the open folder.
//!
//! Main type: [`Draft`]. It does not know what is in a file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use super::FolderError;
use super::dir::Dir;

/// A file that has no name yet, for its owner only. Dropped without [`Draft::commit`], it is gone
/// and whatever had the name before is untouched.
#[derive(Debug)]
pub struct Draft {
    file: File,
    dir: Dir,
    name: String,
    /// What it is called until it is complete; none afterwards.
    scratch: Option<String>,
}

impl Draft {
    /// Begins the file that will have this name in the folder.
    pub(super) fn open(dir: &Dir, name: &str) -> Result<Self, FolderError> {
        let scratch = format!(".{name}.{:016x}", fastrand::u64(..));
        let file =
            dir.create_file(&scratch).map_err(FolderError::new("cannot write", dir.path().join(name)))?;
        Ok(Self { file, dir: dir.clone(), name: name.to_owned(), scratch: Some(scratch) })
    }

    /// Where it will be.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join(&self.name)
    }

    /// Puts it under its name, after everything written is on the disk.
    ///
    /// # Errors
    /// If it cannot be synced or renamed; the file that had the name before is untouched then.
    pub fn commit(mut self) -> Result<(), FolderError> {
        let Some(scratch) = self.scratch.take() else { return Ok(()) };
        let done = (self.file.sync_all())
            .and_then(|()| self.dir.rename(&scratch, &self.name))
            .and_then(|()| self.dir.sync());
        if done.is_err() {
            self.scratch = Some(scratch);
        }
        done.map_err(FolderError::new("cannot write", self.path()))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some(scratch) = &self.scratch {
            // What cannot be removed stays: it is not a report.
            let _ = self.dir.remove_file(scratch);
        }
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Read for Draft {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Seek for Draft {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    #[test]
    fn a_file_is_replaced_whole_and_private_and_a_link_is_never_followed() {
        let scratch = tempfile::tempdir().expect("a temporary folder");
        let dir = Dir::open(scratch.path()).expect("opened");
        let (path, outside) = (scratch.path().join("summary.json"), scratch.path().join("outside"));
        fs::write(&outside, "kept").expect("written");
        symlink(&outside, &path).expect("linked");
        for text in ["a longer text from before", "new"] {
            let mut draft = Draft::open(&dir, "summary.json").expect("opened");
            draft.write_all(text.as_bytes()).expect("written");
            draft.commit().expect("renamed");
            assert_eq!(fs::read_to_string(&path).expect("readable"), text);
        }
        assert_eq!(fs::read_to_string(&outside).expect("readable"), "kept");
        assert_eq!(fs::symlink_metadata(&path).expect("exists").permissions().mode() & 0o777, 0o600);
        assert_eq!(dir.names().expect("readable").len(), 2, "nothing else is left behind");
    }

    #[test]
    fn a_draft_that_is_dropped_leaves_what_was_there() {
        let scratch = tempfile::tempdir().expect("a temporary folder");
        let dir = Dir::open(scratch.path()).expect("opened");
        fs::write(scratch.path().join("results.csv"), "old").expect("written");
        let mut draft = Draft::open(&dir, "results.csv").expect("opened");
        draft.write_all(b"half").expect("written");
        drop(draft);
        assert_eq!(fs::read_to_string(scratch.path().join("results.csv")).expect("readable"), "old");
        assert_eq!(dir.names().expect("readable").len(), 1, "nothing else is left behind");
    }
}
