//! SHA-256 of what is written and of what is there.
//!
//! Main type: [`Hashing`].

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::JournalError;
use crate::files::{Links, open_regular};

/// A writer with the digest of what goes through it.
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

/// The digest of a file, as lower-case hexadecimal digits.
///
/// # Errors
/// If it cannot be read.
pub fn digest_of(path: &Path) -> Result<String, JournalError> {
    let failed = |source| JournalError::Read { path: path.to_owned(), source };
    let mut hash = Hashing::new(io::sink());
    io::copy(&mut open_file(path).map_err(failed)?, &mut hash).map_err(failed)?;
    Ok(hash.finish().1)
}

/// Opens a regular file for reading; nothing that could keep a reader waiting.
///
/// # Errors
/// If it is something else, or cannot be opened.
pub fn open_file(path: &Path) -> io::Result<File> {
    open_regular(path, Links::Follow)
}

/// Bytes as lower-case hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes every text");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_one_that_sha256sum_prints() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let mut hashing = Hashing::new(file);
        hashing.write_all(b"abc").expect("written");
        let (file, digest) = hashing.finish();
        assert_eq!(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(digest_of(file.path()).expect("readable"), digest);
    }
}
