//! Opens files that another user may have made: no waiting, no link unless allowed, bounded memory.
//!
//! Main functions: [`open_regular`], which gives a handle of a regular file, [`read_regular`], and
//! [`read_input`] for files that a user names. They look at the opened handle, never at the name a
//! second time. They neither create nor change anything.

use std::fs::{File, FileType, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// How long a pipe may take that was handed over, such as `<(vault read ...)`.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is done about a symbolic link at the end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// It is followed.
    Follow,
    /// It is an error.
    Refuse,
}

/// Opens a regular file for reading. Never waits: a FIFO, a device, a socket and a directory are
/// errors.
pub fn open_regular(path: &Path, links: Links) -> io::Result<File> {
    let file = open(path, links)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() { Ok(file) } else { Err(not_regular(kind)) }
}

/// Reads a regular file of at most `limit` bytes.
pub fn read_regular(path: &Path, links: Links, limit: u64) -> io::Result<Vec<u8>> {
    read_at_most(open_regular(path, links)?, limit)
}

/// Reads a file that a user names: a regular one, or a pipe that the shell handed over as
/// `/dev/stdin` or `/dev/fd/63`. Any other FIFO, and every device, is an error.
pub fn read_input(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path, Links::Follow)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        read_at_most(file, limit)
    } else if is_handed_over(path) && is_pipe(kind) {
        // Opened again without `O_NONBLOCK`; the other end is held by our parent process.
        read_patiently(File::open(path)?, limit)
    } else {
        Err(not_regular(kind))
    }
}

/// Reads to the end, which must come within `limit` bytes.
pub fn read_at_most(source: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let text = format!("longer than {limit} bytes");
        return Err(io::Error::new(ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

fn open(path: &Path, links: Links) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
        flags.set(OFlags::NOFOLLOW, links == Links::Refuse);
        options.custom_flags(flags.bits().cast_signed());
    }
    options.open(path).map_err(|error| {
        let is_link = links == Links::Refuse && path.is_symlink();
        if is_link {
            io::Error::new(error.kind(), "a symbolic link, which is not followed here")
        } else {
            error
        }
    })
}

fn read_patiently(pipe: File, limit: u64) -> io::Result<Vec<u8>> {
    let (sender, receiver) = sync_channel(1);
    thread::spawn(move || {
        // After the time-out, no receiver is left.
        let _ = sender.send(read_at_most(pipe, limit));
    });
    receiver.recv_timeout(PATIENCE).unwrap_or_else(|error| {
        let text = match error {
            RecvTimeoutError::Timeout => format!("a pipe that did not end within {} s", PATIENCE.as_secs()),
            RecvTimeoutError::Disconnected => "a pipe that could not be read".to_owned(),
        };
        Err(io::Error::new(ErrorKind::TimedOut, text))
    })
}

/// Whether the path names an open descriptor of this process.
fn is_handed_over(path: &Path) -> bool {
    path == Path::new("/dev/stdin") || path.starts_with("/dev/fd") || path.starts_with("/proc/self/fd")
}

#[cfg(unix)]
fn is_pipe(kind: FileType) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    kind.is_fifo()
}

#[cfg(not(unix))]
fn is_pipe(_kind: FileType) -> bool {
    false
}

fn not_regular(kind: FileType) -> io::Error {
    if kind.is_dir() {
        return io::Error::new(ErrorKind::IsADirectory, "a directory, not a regular file");
    }
    let what = if is_pipe(kind) { "a FIFO (named pipe)" } else { "a device or a socket" };
    io::Error::new(ErrorKind::InvalidInput, format!("{what}, not a regular file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read_regular(&path, Links::Refuse, 5).unwrap(), b"12345");
        assert_eq!(read_input(&path, 5).unwrap(), b"12345");
        for error in [read_regular(&path, Links::Follow, 4), read_input(&path, 4)].map(Result::unwrap_err) {
            assert_eq!(error.kind(), ErrorKind::FileTooLarge);
            assert_eq!(error.to_string(), "longer than 4 bytes");
        }
        let none = read_input(&folder.path().join("none"), 4).unwrap_err();
        assert_eq!(none.kind(), ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_regular_file_is_an_error_and_never_a_wait() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let cases =
            [(fifo.as_path(), "FIFO"), (Path::new("/dev/zero"), "device"), (folder.path(), "directory")];
        for (path, what) in cases {
            for error in [read_regular(path, Links::Follow, 9), read_input(path, 9)].map(Result::unwrap_err) {
                assert!(error.to_string().contains(what), "{error}");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_only_where_that_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&path, "1").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert_eq!(read_regular(&link, Links::Follow, 9).unwrap(), b"1");
        let error = read_regular(&link, Links::Refuse, 9).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
    }
}
