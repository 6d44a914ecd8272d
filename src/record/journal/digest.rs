//! SHA-256 of what is written and of existing files.
//!
//! Main type: [`Hashing`].

use std::io::{self, BufRead as _, BufReader, Write};

use sha2::{Digest, Sha256};

use super::JournalError;
use crate::record::folder::RunFolder;
use crate::record::hexadecimal::hexadecimal;

/// A writer with the digest of what passes through it.
#[derive(Debug)]
pub struct Hashing<W> {
    inner: W,
    hash: Sha256,
}

impl<W: Write> Hashing<W> {
    /// Puts a digest before a writer.
    pub fn new(inner: W) -> Self {
        Self { inner, hash: Sha256::new() }
    }

    /// The writer, and the digest as lower-case hexadecimal digits.
    pub fn finish(self) -> (W, String) {
        (self.inner, hexadecimal(&self.hash.finalize()))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The digest of a file of a run, as lower-case hexadecimal digits.
///
/// # Errors
/// If it cannot be read, or is not the text that it must be: files of a run hold no NUL byte, and a
/// hole of many gigabytes is nothing but these.
pub fn digest_of(folder: &RunFolder, name: &str) -> Result<String, JournalError> {
    let path = || folder.path().join(name);
    let failed = |source| JournalError::Read { path: path(), source };
    let mut file = BufReader::with_capacity(1 << 16, folder.read(name).map_err(failed)?);
    let mut hash = Sha256::new();
    loop {
        let block = file.fill_buf().map_err(failed)?;
        if block.is_empty() {
            return Ok(hexadecimal(&hash.finalize()));
        }
        if block.contains(&0) {
            return Err(JournalError::Changed { path: path() });
        }
        hash.update(block);
        let length = block.len();
        file.consume(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::folder::Runs;

    #[test]
    fn the_digest_is_the_one_that_sha256sum_prints() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let runs = Runs::prepare(dir.path()).expect("usable");
        let folder = runs.create(jiff::Timestamp::UNIX_EPOCH).expect("created");
        let mut hashing = Hashing::new(folder.new_file("file").expect("created"));
        hashing.write_all(b"abc").expect("written");
        let digest = hashing.finish().1;
        assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digest_of(&folder, "file").expect("readable"), digest);
    }
}
