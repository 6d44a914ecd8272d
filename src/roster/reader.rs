//! Streams the records of a file block by block, with the raw bytes and the physical line of each.
//!
//! Main types: [`Records`] inside the module, [`Rows`] for reports. Memory is bounded by one block
//! and one record, whatever the file holds. Knows nothing of columns, roles and addresses.

use std::fs::{File, OpenOptions};
use std::io::{self, Cursor, IsTerminal, Read, SeekFrom, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use csv::ByteRecord;

use super::Error;
use super::dialect::Dialect;
use super::issue::{Complaint, Excerpt, Issue, IssueKind, Position};
use super::scan::{Cell, Cells, Quoting, chars, line_ends, physical_lines, quoting};
use super::spool::spool_file;
use crate::model::RowNumber;

/// How many bytes are read at a time; few in tests, so that every record crosses a border.
const BLOCK: usize = if cfg!(any(test, fuzzing)) { 64 } else { 256 << 10 };

/// The longest record that is read, in bytes.
pub(super) const LONGEST_RECORD: usize = 1 << 20;

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// The most that is taken from standard input or a pipe, in bytes.
const LONGEST_STREAM: u64 = 1 << 30;

/// How long a pipe with a name is waited for that no program has opened to write to.
const PATIENCE: Duration = if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(2) };

/// Opens a roster. What can be read only once (a pipe, a terminal) is copied to a file without a
/// name first, because a roster is read more than once.
///
/// # Errors
/// If no such file exists, it is a folder or a device, no program writes to the pipe, or it cannot
/// be read or copied.
pub fn open(path: &Path) -> Result<File, Error> {
    let name = || path.display().to_string();
    let unreadable = |source| Error::Unreadable { name: name(), source };
    let kind = std::fs::metadata(path).map_err(unreadable)?.file_type();
    if kind.is_block_device() {
        return Err(Error::Device { name: name() });
    }
    let file = if kind.is_fifo() {
        open_pipe(path).ok_or_else(|| Error::NoWriter { name: name() })?
    } else {
        File::open(path)
    };
    let file = file.map_err(unreadable)?;
    let kind = file.metadata().map_err(unreadable)?.file_type();
    if kind.is_dir() {
        return Err(Error::IsFolder { name: name() });
    }
    if kind.is_file() {
        Ok(file)
    } else if kind.is_fifo() || file.is_terminal() {
        spool(file, &name(), None)
    } else {
        Err(Error::Device { name: name() })
    }
}

/// Opens a pipe, which waits until a program opens its other end; none if none does so in time.
fn open_pipe(path: &Path) -> Option<io::Result<File>> {
    let (sender, receiver) = mpsc::channel();
    let path = path.to_owned();
    // If no writer comes, the thread stays; it holds nothing.
    std::thread::spawn(move || sender.send(File::open(path)));
    receiver.recv_timeout(PATIENCE).ok()
}

/// Copies standard input to a file, so that it can be read more than once: to `path`, which must
/// not exist yet, or to a file without a name that is gone when it is closed.
///
/// # Errors
/// If standard input cannot be read or the file cannot be written.
pub fn spool_stdin(path: Option<&Path>) -> Result<File, Error> {
    spool(io::stdin().lock(), "standard input", path)
}

/// Keeps a text in a file that has no name.
///
/// # Errors
/// If it cannot be written.
pub fn spool_text(text: &str) -> Result<File, Error> {
    spool(text.as_bytes(), "the text", None)
}

/// `name` is what errors call the input.
fn spool(input: impl Read, name: &str, path: Option<&Path>) -> Result<File, Error> {
    let failed = |source| Error::Spool { source };
    let create = |path: &Path| {
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path).map_err(failed)
    };
    let mut file = if let Some(path) = path { create(path)? } else { spool_file().map_err(failed)? };
    copy(input, name, &mut file)?;
    file.flush().map_err(failed)?;
    Ok(file)
}

/// Copies a stream that may have no end: up to a NUL byte, after which nothing is read anyway, and
/// no more than [`LONGEST_STREAM`].
fn copy(mut input: impl Read, name: &str, file: &mut File) -> Result<(), Error> {
    let failed = |source| Error::Spool { source };
    let mut buffer = vec![0; 64 << 10];
    let mut left = LONGEST_STREAM;
    loop {
        let count = match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => {
                let name = name.to_owned();
                let is_folder = source.kind() == io::ErrorKind::IsADirectory;
                return Err(if is_folder {
                    Error::IsFolder { name }
                } else {
                    Error::Unreadable { name, source }
                });
            }
        };
        left = left.checked_sub(count as u64).ok_or(Error::Endless)?;
        file.write_all(&buffer[..count]).map_err(failed)?;
        if buffer[..count].contains(&0) {
            return Ok(());
        }
    }
}

/// Reads from a position in the file until the buffer is full or the file ends.
pub(super) fn read_at(file: &File, buffer: &mut [u8], mut from: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], from) {
            Ok(0) => break,
            Ok(count) => {
                filled += count;
                from += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Where a record stands: its bytes in the present block, without blank lines before it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    start: usize,
    end: usize,
    /// The physical line where it begins.
    pub line: u32,
    /// Which quotes it has.
    pub quoting: Quoting,
}

/// The records of a file, from a position that is the start of a line.
#[derive(Debug)]
pub(super) struct Records {
    file: Arc<File>,
    delimiter: u8,
    /// Reads the present block; its bytes stay at hand through it.
    reader: csv::Reader<Cursor<Vec<u8>>>,
    /// The byte of the file where the present block begins.
    base: u64,
    /// How much of the block is good text.
    usable: usize,
    /// How much of the block has been given out.
    done: usize,
    /// The physical line of that byte.
    line: u32,
    /// What the reader counts as the line of that byte.
    feeds: u64,
    at_end: bool,
    /// Whether the block contains a quote.
    has_quotes: bool,
    /// A byte of the block that stops everything.
    bad: Option<(usize, IssueKind)>,
    trouble: Option<Issue>,
    /// How many rows of nothing but empty cells were left out.
    pub blank: usize,
}

impl Records {
    pub(super) fn new(file: Arc<File>, delimiter: u8, start: u64, line: u32) -> io::Result<Self> {
        let reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .has_headers(false)
            .buffer_capacity(64 << 10)
            .from_reader(Cursor::new(Vec::new()));
        let mut records = Self {
            file,
            delimiter,
            reader,
            base: start,
            usable: 0,
            done: 0,
            line,
            feeds: 1,
            at_end: false,
            has_quotes: false,
            bad: None,
            trouble: None,
            blank: 0,
        };
        records.fill()?;
        Ok(records)
    }

    fn block(&self) -> &[u8] {
        self.reader.get_ref().get_ref()
    }

    /// The raw bytes of the record that was read last.
    pub(super) fn raw(&self, span: Span) -> &[u8] {
        &self.block()[span.start..span.end]
    }

    /// The byte of the file where that record begins.
    pub(super) fn offset(&self, span: Span) -> u64 {
        self.base + span.start as u64
    }

    /// The byte of the file where the present block begins; it changes with every block.
    pub(super) fn block_start(&self) -> u64 {
        self.base
    }

    /// Why the records ended before the file did.
    pub(super) fn trouble(&mut self) -> Option<Issue> {
        self.trouble.take()
    }

    /// Reads the next record that is not blank.
    pub(super) fn next(&mut self, record: &mut ByteRecord) -> io::Result<Option<Span>> {
        while let Some(span) = self.next_raw(record)? {
            if !is_blank(record.as_slice()) {
                return Ok(Some(span));
            }
            self.blank += 1;
        }
        Ok(None)
    }

    fn next_raw(&mut self, record: &mut ByteRecord) -> io::Result<Option<Span>> {
        loop {
            let got = self.reader.read_byte_record(record).map_err(io::Error::other)?;
            let position = self.reader.position();
            let (end, feeds) = (usize::try_from(position.byte()).map_err(io::Error::other)?, position.line());
            let whole = end < self.usable || (end == self.usable && self.at_end && self.bad.is_none());
            if got && whole {
                return Ok(self.give(end, feeds));
            }
            self.skip_blanks(if got { end } else { self.block().len().saturating_sub(1) });
            if let Some((bad, kind)) = self.bad {
                self.trouble = Some(self.bad_byte(bad, kind));
                return Ok(None);
            }
            if self.at_end {
                return Ok(None);
            }
            if got && self.block().len() - self.done > LONGEST_RECORD {
                self.trouble = Some(self.too_long(&self.block()[self.done..]));
                return Ok(None);
            }
            self.fill()?;
        }
    }

    /// Steps over line ends, at most up to a byte of the block.
    fn skip_blanks(&mut self, until: usize) {
        let block = self.reader.get_ref().get_ref();
        while self.done < until {
            match block[self.done] {
                b'\n' => {
                    self.line = self.line.saturating_add(1);
                    self.feeds += 1;
                }
                b'\r' if block.get(self.done + 1) != Some(&b'\n') => self.line = self.line.saturating_add(1),
                b'\r' => {}
                _ => break,
            }
            self.done += 1;
        }
    }

    /// Accounts for a whole record that ends at a byte of the block.
    fn give(&mut self, end: usize, feeds: u64) -> Option<Span> {
        self.skip_blanks(end);
        let (start, line) = (self.done, self.line);
        let block = self.block();
        let raw = &block[start..end];
        let quoting =
            if self.has_quotes && raw.contains(&b'"') { quoting(raw, self.delimiter) } else { Quoting::None };
        let span = Span { start, end, line, quoting };
        if raw.len() > LONGEST_RECORD {
            self.trouble = Some(self.too_long(raw));
            return None;
        }
        if self.at_end && end == block.len() {
            let open = Cells::new(raw, self.delimiter).last().filter(|cell| cell.open);
            if let Some(cell) = open {
                self.trouble = Some(self.unclosed(raw, cell, "the end of the file"));
                return None;
            }
        }
        let last_is_return = raw.last() == Some(&b'\r');
        let is_split = last_is_return && block.get(end) == Some(&b'\n');
        let ends = if quoting == Quoting::Odd {
            line_ends(raw) - u32::from(is_split)
        } else {
            let feeds = u32::try_from(feeds - self.feeds).unwrap_or(u32::MAX);
            feeds.saturating_add(u32::from(last_is_return && !is_split))
        };
        self.line = self.line.saturating_add(ends);
        self.feeds = feeds;
        self.done = end;
        Some(span)
    }

    /// Makes what is left of the block the beginning of the next one, and checks its text.
    fn fill(&mut self) -> io::Result<()> {
        let block = self.reader.get_mut().get_mut();
        block.drain(..self.done);
        self.base += self.done as u64;
        let left = block.len();
        block.resize(BLOCK.max(2 * left), 0);
        let count = read_at(&self.file, &mut block[left..], self.base + left as u64)?;
        self.at_end = left + count < block.len();
        block.truncate(left + count);
        // The CSV reader drops a mark at the start of its input; here it would be part of a cell.
        let guard = usize::from(block.starts_with(BOM));
        if guard > 0 {
            block.insert(0, b'\n');
            self.base = self.base.saturating_sub(1);
        }
        self.bad = None;
        self.usable = block.len();
        if let Err(error) = std::str::from_utf8(block) {
            self.usable = error.valid_up_to();
            if error.error_len().is_some() || self.at_end {
                self.bad = Some((self.usable, IssueKind::NotUtf8));
            }
        }
        if block[..self.usable].contains(&0) {
            self.usable = block.iter().position(|&b| b == 0).unwrap_or(self.usable);
            self.bad = Some((self.usable, IssueKind::NulByte));
        }
        self.has_quotes = block[..self.usable].contains(&b'"');
        self.done = guard;
        self.feeds = 1 + guard as u64;
        let mut first = csv::Position::new();
        first.set_byte(0).set_line(1);
        self.reader.seek_raw(SeekFrom::Start(0), first).map_err(io::Error::other)
    }

    fn bad_byte(&self, bad: usize, kind: IssueKind) -> Issue {
        let block = self.block();
        let before = &block[self.done.min(bad)..bad];
        let last_line = physical_lines(before).last().unwrap_or_default();
        let position = Position {
            line: self.line.saturating_add(line_ends(before)),
            column: chars(last_line).saturating_add(1),
        };
        let complaint = if kind == IssueKind::NulByte {
            Complaint::new(kind, "a NUL byte: this is not plain text").hint("save it again as `CSV UTF-8`")
        } else {
            Complaint::new(kind, format!("the byte 0x{:02X} is not UTF-8", block[bad]))
                .hint("save it again as `CSV UTF-8`; it may be in Windows-1252 or Latin-1")
        };
        complaint.at(position)
    }

    fn too_long(&self, raw: &[u8]) -> Issue {
        let mut cells = Cells::new(raw, self.delimiter);
        let mut longest = None;
        for cell in &mut cells {
            if cell.open {
                return self.unclosed(raw, cell, "1 MiB");
            }
            if longest.is_none_or(|other: Cell| other.end - other.start < cell.end - cell.start) {
                longest = Some(cell);
            }
        }
        let complaint = Complaint::new(
            IssueKind::RecordTooLong,
            "the row is longer than 1 MiB; the rest of the file was not checked",
        )
        .hint("this is its longest cell; shorten it, or look for a quote that is not closed");
        issue_at(raw, longest, self.line, complaint)
    }

    fn unclosed(&self, raw: &[u8], cell: Cell, by: &str) -> Issue {
        let complaint = Complaint::new(
            IssueKind::UnclosedQuote,
            format!("the quote that opens here is not closed by {by}"),
        )
        .hint(if raw[cell.start..].windows(2).any(|pair| pair == b"\\\"") {
            "a backslash before a quote does not escape it: write two quotes (\"\") for one that belongs to the text"
        } else {
            "close it, or write two quotes for one that belongs to the text"
        });
        issue_at(raw, Some(cell), self.line, complaint)
    }
}

/// Whether cells have nothing but blanks in them, of any kind.
pub(super) fn is_blank(cells: &[u8]) -> bool {
    // The first byte of nearly every row says that it is none.
    !cells.first().is_some_and(u8::is_ascii_graphic)
        && std::str::from_utf8(cells).is_ok_and(|text| text.trim().is_empty())
}

/// A complaint about a cell of a raw record that begins at a line.
pub(super) fn issue_at(raw: &[u8], cell: Option<Cell>, line: u32, complaint: Complaint) -> Issue {
    let Some(cell) = cell else { return complaint.at(Position { line, column: 1 }) };
    let position = Position { line: line.saturating_add(cell.line), column: cell.column(raw) };
    let shown = cell.line_of(raw);
    let start = cell.start - cell.line_start;
    let end = (cell.end - cell.line_start).min(shown.len());
    let excerpt = std::str::from_utf8(shown).ok().and_then(|line| Excerpt::new(line, start, end));
    complaint.at(position).showing(excerpt)
}

/// One data row of a roster, as the file has it.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its number, the same as in the [`Roster`](super::Roster).
    pub number: RowNumber,
    /// The physical line where it begins.
    pub line: u32,
    /// Its cells, unquoted; they are UTF-8. A ragged row has more or fewer than the header.
    pub record: ByteRecord,
}

/// The data rows of a file, in the order and with the numbers of the [`Roster`](super::Roster).
#[derive(Debug)]
pub struct Rows {
    records: Records,
    next: usize,
}

/// Streams the data rows of a file that has been read with this dialect before.
///
/// # Errors
/// If the file cannot be opened or read.
pub fn rows(path: &Path, dialect: &Dialect) -> Result<Rows, Error> {
    rows_of(open(path)?, dialect)
}

/// The same for a file that is open, such as one that came through standard input.
///
/// # Errors
/// If the file cannot be read.
pub fn rows_of(file: impl Into<Arc<File>>, dialect: &Dialect) -> Result<Rows, Error> {
    let start = |file| {
        let mut records = Records::new(file, dialect.delimiter, dialect.start, dialect.start_line)?;
        records.next(&mut ByteRecord::new())?;
        Ok(Rows { records, next: 0 })
    };
    start(file.into()).map_err(|source| Error::Unreadable { name: "the roster".to_owned(), source })
}

impl Rows {
    /// Reads the next row into a record that can be used again; gives its number and its line.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read_into(&mut self, record: &mut ByteRecord) -> io::Result<Option<(RowNumber, u32)>> {
        Ok(self.records.next(record)?.map(|span| {
            self.next += 1;
            (RowNumber::from_index(self.next - 1), span.line)
        }))
    }
}

impl Iterator for Rows {
    type Item = io::Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut record = ByteRecord::new();
        match self.read_into(&mut record) {
            Ok(Some((number, line))) => Some(Ok(Row { number, line, record })),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_that_a_program_writes_to_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let writer = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::write(pipe, "a,b\n").unwrap()
        });
        let mut text = String::new();
        let mut kept = loop {
            match open(&pipe) {
                Err(Error::NoWriter { .. }) => {}
                opened => break opened.unwrap(),
            }
        };
        io::Seek::rewind(&mut kept).unwrap();
        kept.read_to_string(&mut text).unwrap();
        assert_eq!(text, "a,b\n");
        writer.join().unwrap();
    }

    #[test]
    fn devices_and_streams_without_an_end_are_refused() {
        assert!(matches!(open(Path::new("/dev/zero")), Err(Error::Device { .. })));
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(matches!(open(&pipe), Err(Error::NoWriter { .. })));
        let mut kept = spool(io::repeat(0), "x", None).unwrap();
        assert!(io::Seek::seek(&mut kept, SeekFrom::End(0)).unwrap() <= 64 << 10);
    }

    #[test]
    fn an_input_that_cannot_be_read_is_no_fault_of_the_copy() {
        let folder = tempfile::tempdir().unwrap();
        let input = File::open(folder.path()).unwrap();
        let error = spool(input, "standard input", None).unwrap_err();
        assert_eq!(error.to_string(), "standard input is a folder, not a file");
        let write_only = File::create(folder.path().join("x")).unwrap();
        assert!(matches!(spool(write_only, "standard input", None), Err(Error::Unreadable { .. })));
    }

    #[test]
    fn blanks_of_any_kind_are_blank() {
        for blank in ["", " \t", "\u{a0}", " \u{a0}\u{3000}\n", "\u{202f}", "\u{2003}"] {
            assert!(is_blank(blank.as_bytes()), "{blank:?}");
        }
        for text in ["a", " a", "\u{a0}a", "é", "\u{200b}", "#"] {
            assert!(!is_blank(text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn what_can_be_read_once_is_kept_in_a_file_of_ones_own() {
        use std::os::unix::fs::PermissionsExt;
        let mut kept = spool(&b"a,b\n"[..], "x", None).unwrap();
        let mut text = String::new();
        io::Seek::rewind(&mut kept).unwrap();
        kept.read_to_string(&mut text).unwrap();
        assert_eq!(text, "a,b\n");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("roster.csv");
        spool(&b"a,b\n"[..], "x", Some(&path)).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"a,b\n");
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(
            matches!(spool(&b""[..], "x", Some(&path)), Err(Error::Spool { .. })),
            "never over a file that is there"
        );
    }
}
