//! Reads the body of an answer, in bounded memory.
//!
//! Main type: [`Memory`], shared by all requests of a transport. One answer has a limit, and all in
//! flight share one, since many may arrive at once.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::blocking::Response;

use super::answer::MOST_VALUES;
use super::causes::{is_timeout, root_cause};
use super::fault::{Fault, NoAnswerCause};
use super::transport::Held;

/// The longest answer to a read, in bytes after decompression.
pub const MAX_READ_ANSWER: u64 = 64 * 1024 * 1024;
/// The longest answer to a write, in bytes after decompression.
pub const MAX_WRITE_ANSWER: u64 = 1024 * 1024;
/// The most memory that all answers in flight may take together, in bytes: what they are after decompression,
/// their copies, and [`VALUE`] for every value in them.
pub const MAX_ALL_ANSWERS: u64 = 512 * 1024 * 1024;
/// How often an answer is copied while it is taken apart.
const COPIES: u64 = 2;
/// What a value of an answer takes when it is taken apart, however short it is.
const VALUE: u64 = 256;
/// What an answer claims of its length is believed up to here.
const LONGEST_HINT: u64 = 1024 * 1024;

/// What some programs put before a text in UTF-8; no part of JSON.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// The memory of all answers in flight. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Arc<AtomicU64>);

impl Memory {
    /// Reads a body that may be compressed, up to a limit on what comes out of it, and of all that
    /// are read at this time.
    pub(super) fn read(&self, response: Response, limit: u64) -> Result<(Vec<u8>, Held), Fault> {
        let hint = response.content_length().unwrap_or(0).min(LONGEST_HINT);
        let mut body = Vec::with_capacity(usize::try_from(hint).unwrap_or_default());
        let share = self.share();
        let mut metered = Metered { inner: response.take(limit + 1), share, is_over: false };
        let read = metered.read_to_end(&mut body);
        let Metered { mut share, is_over, .. } = metered;
        match read {
            Ok(_) if body.len() as u64 > limit => {
                return Err(Fault::malformed(&format!("longer than {limit} bytes")));
            }
            Ok(_) => {}
            Err(_) if is_over => return Err(over()),
            Err(error) => {
                let cause =
                    if is_timeout(&error) { NoAnswerCause::Timeout } else { NoAnswerCause::Truncated };
                return Err(Fault::no_answer(cause, &root_cause(&error)));
            }
        }
        // With more values than that it is not taken apart at all.
        let values: u64 = body.iter().map(|&byte| u64::from(byte == b',')).sum();
        if !share.grow(body.len() as u64 * COPIES + values.min(MOST_VALUES) * VALUE) {
            return Err(over());
        }
        // Some proxy may have written the page again, with the mark of a text file.
        if body.starts_with(BOM) {
            body.drain(..BOM.len());
        }
        Ok((body, Held::new(Arc::new(share))))
    }

    fn share(&self) -> Share {
        Share { all: Arc::clone(&self.0), bytes: 0 }
    }
}

/// The memory of one answer, as a part of what all may have.
#[derive(Debug)]
struct Share {
    all: Arc<AtomicU64>,
    bytes: u64,
}

impl Share {
    /// Counts more bytes; false if all answers together exceed the limit.
    fn grow(&mut self, bytes: u64) -> bool {
        self.bytes += bytes;
        self.all.fetch_add(bytes, Ordering::Relaxed) + bytes <= MAX_ALL_ANSWERS
    }
}

fn over() -> Fault {
    let most = MAX_ALL_ANSWERS >> 20;
    Fault::malformed(&format!("responses in flight exceed {most} MiB together; try --concurrency 1"))
}

/// Reads while the memory budget lasts.
struct Metered<R> {
    inner: R,
    share: Share,
    is_over: bool,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.is_over = !self.share.grow(read as u64);
        if self.is_over { Err(io::ErrorKind::OutOfMemory.into()) } else { Ok(read) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
impl Memory {
    /// What is taken now, in bytes.
    pub(super) fn taken(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_answers_under_way_have_one_limit() {
        let memory = Memory::default();
        let (mut one, mut other) = (memory.share(), memory.share());
        assert!(one.grow(MAX_ALL_ANSWERS - 1));
        assert!(other.grow(1));
        assert!(!other.grow(1));
        drop(one);
        assert!(other.grow(1));
        drop(other);
        assert_eq!(memory.taken(), 0);
    }
}
