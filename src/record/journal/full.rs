//! A disk that fills up under the journals of one thread, for tests.
//!
//! Main type: [`Full`].

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Write};

/// How much the disk still takes.
#[derive(Debug, Clone, Copy)]
pub struct Full {
    /// Bytes.
    pub room: usize,
    /// Whether there is room again after the first write that found none.
    pub recovers: bool,
}

thread_local! {
    static FULL: Cell<Option<Full>> = const { Cell::new(None) };
}

/// Lets the disk be like this until the guard is dropped.
#[must_use]
pub fn fill_up(full: Option<Full>) -> impl Drop {
    struct Guard;
    impl Drop for Guard {
        fn drop(&mut self) {
            FULL.set(None);
        }
    }
    FULL.set(full);
    Guard
}

/// The file of a journal.
pub struct Disk<'f>(&'f mut File);

impl<'f> Disk<'f> {
    /// A file that takes no more than the disk of this thread.
    pub fn new(file: &'f mut File) -> Self {
        Self(file)
    }
}

impl Write for Disk<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(full) = FULL.get() else { return self.0.write(bytes) };
        if full.room == 0 {
            if full.recovers {
                FULL.set(None);
            }
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = self.0.write(&bytes[..bytes.len().min(full.room)])?;
        FULL.set(Some(Full { room: full.room - written, ..full }));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
