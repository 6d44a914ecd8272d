//! The lines of a run's files, one by one.
//!
//! Main types: [`RawLines`], and [`Lines`], which takes them as JSON; main function: [`plan_lines`]. It reads;
//! a line that makes no sense is an error with its position.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::PathBuf;

use serde::Deserialize;

use super::{JournalError, PlanLine};
use crate::record::folder::{PLAN, RunFolder};

/// The longest line that is read: a header with the columns of a roster, none longer than 1 MiB.
const LONGEST_LINE: u64 = 16 << 20;

/// The decisions of a run, row by row, as they stand in its folder.
pub fn plan_lines(
    folder: &RunFolder,
) -> Result<impl Iterator<Item = Result<PlanLine, JournalError>> + use<>, JournalError> {
    Lines::<PlanLine>::open(folder, PLAN)
}

/// The decisions of a run, or of several that are joined, in their order.
pub type PlanLines = Box<dyn Iterator<Item = Result<PlanLine, JournalError>>>;

/// Where decisions can be read as often as they are needed: they are never in memory together.
pub trait PlanSource {
    /// All of them.
    ///
    /// # Errors
    /// If they cannot be read.
    fn lines(&self) -> Result<PlanLines, JournalError>;

    /// Those from the item at this index on.
    ///
    /// # Errors
    /// If they cannot be read.
    fn lines_from(&self, first: usize) -> Result<PlanLines, JournalError> {
        Ok(Box::new(self.lines()?.skip(first)))
    }
}

impl PlanSource for RunFolder {
    fn lines(&self) -> Result<PlanLines, JournalError> {
        Ok(Box::new(plan_lines(self)?))
    }

    /// The lines before, of which there may be many, are passed over unread.
    fn lines_from(&self, first: usize) -> Result<PlanLines, JournalError> {
        let mut lines = Lines::<PlanLine>::open(self, PLAN)?;
        for _ in 0..first {
            lines.raw.advance()?;
        }
        Ok(Box::new(lines))
    }
}

/// The lines of a file as they are. A last line without its line feed is a torn one and left out.
pub(super) struct RawLines {
    file: BufReader<File>,
    path: PathBuf,
    /// Bytes of the whole file when it was opened.
    pub(super) size: u64,
    /// The number of the line that was read last, from 1; one more than there are at the end.
    pub(super) line: u64,
    /// Bytes of the whole lines read so far.
    pub(super) bytes: u64,
    text: Vec<u8>,
}

impl RawLines {
    pub(super) fn open(folder: &RunFolder, name: &str) -> Result<Self, JournalError> {
        let path = folder.path().join(name);
        let failed = |source| JournalError::Read { path: path.clone(), source };
        let file = folder.read(name).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let file = BufReader::with_capacity(1 << 16, file);
        Ok(Self { size, file, path, line: 0, bytes: 0, text: Vec::new() })
    }

    /// Reads the next whole line; gives whether there is one.
    pub(super) fn advance(&mut self) -> Result<bool, JournalError> {
        self.text.clear();
        self.line += 1;
        match self.file.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut self.text) {
            Err(source) => Err(JournalError::Read { path: self.path.clone(), source }),
            Ok(_) if self.text.len() as u64 == LONGEST_LINE => Err(self.broken("longer than 16 MiB")),
            Ok(_) if self.text.last() != Some(&b'\n') => Ok(false),
            Ok(bytes) => {
                self.bytes += bytes as u64;
                Ok(true)
            }
        }
    }

    /// The line that was read last, with its line feed; at the end what is torn.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The line that was read last makes no sense.
    pub(super) fn broken(&self, why: impl std::fmt::Display) -> JournalError {
        self.nonsense(serde::de::Error::custom(why))
    }

    fn nonsense(&self, source: serde_json::Error) -> JournalError {
        JournalError::Broken { path: self.path.clone(), line: self.line, source }
    }
}

/// The lines of a JSON lines file.
pub(super) struct Lines<T> {
    pub(super) raw: RawLines,
    kind: std::marker::PhantomData<T>,
}

impl<T> Lines<T> {
    pub(super) fn open(folder: &RunFolder, name: &str) -> Result<Self, JournalError> {
        Ok(Self { raw: RawLines::open(folder, name)?, kind: std::marker::PhantomData })
    }
}

impl<T: for<'de> Deserialize<'de>> Iterator for Lines<T> {
    type Item = Result<T, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.raw.advance() {
            Err(error) => Some(Err(error)),
            Ok(false) => None,
            Ok(true) => {
                let entry = serde_json::from_slice(self.raw.text());
                Some(entry.map_err(|source| self.raw.nonsense(source)))
            }
        }
    }
}
