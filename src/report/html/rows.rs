//! The rows of the table, packed small for the script to read.
//!
//! Main type: [`Packer`]. It streams: the rows become blocks of columns in JSON, one block a line, these
//! are deflated, written as base64, and never in memory together. No more is written than a page has room for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write};

use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use serde::Serialize;

use super::page::{Sheet, SheetRow};
use super::tone::Tone;
use crate::model::printable;

/// What the packed rows may take in bytes before they become base64: a page stays below 8 MiB, which mail
/// servers take.
const ROOM: u64 = 5 << 20;
/// Rows of a block.
const ROWS: usize = 2048;
/// Bytes of a block from which on it ends early.
const BYTES: usize = 256 << 10;
/// Characters of a cell.
const LONGEST: usize = 400;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// Numbers, or nothing.
    Number,
    /// Texts that differ from row to row.
    Text,
    /// Texts that repeat.
    Word,
}

/// A column of the table.
#[derive(Debug, Clone, Serialize)]
struct Head {
    /// Its name for the script.
    key: Cow<'static, str>,
    /// Its name for people.
    name: String,
    kind: Column,
    /// Whether it is shown at first.
    shown: bool,
}

/// The table of a page: its columns, and what its states mean.
#[derive(Debug, Clone, Serialize)]
pub struct Table {
    columns: Vec<Head>,
    states: Vec<(String, &'static str, &'static str)>,
}

impl Table {
    /// A table whose rows have these states.
    pub fn new(states: impl IntoIterator<Item = (String, Tone)>) -> Self {
        let states = states.into_iter().map(|(word, tone)| (word, tone.key(), tone.words())).collect();
        Self { columns: Vec::new(), states }
    }

    /// With one more column.
    #[must_use]
    pub fn column(self, key: &'static str, name: &str, kind: Column) -> Self {
        self.with(Head { key: key.into(), name: name.to_owned(), kind, shown: true })
    }

    /// With one more column that is hidden at first.
    #[must_use]
    pub fn hidden(self, key: impl Into<Cow<'static, str>>, name: &str, kind: Column) -> Self {
        self.with(Head { key: key.into(), name: name.to_owned(), kind, shown: false })
    }

    fn with(mut self, column: Head) -> Self {
        self.columns.push(column);
        self
    }
}

/// What is in a column of a row.
#[derive(Debug, Clone)]
pub enum Cell<'c> {
    /// In a column of numbers.
    Number(Option<u64>),
    /// In one of texts or words.
    Text(Cow<'c, str>),
}

impl<'c> Cell<'c> {
    /// A text.
    pub fn text(text: impl Into<Cow<'c, str>>) -> Self {
        Self::Text(text.into())
    }
}

/// The rows of a block, column by column.
#[derive(Serialize)]
#[serde(untagged)]
enum Cells {
    Numbers(Vec<Option<u64>>),
    Texts(Vec<String>),
    Words(Vec<usize>),
}

/// Rows that are written together.
#[derive(Serialize)]
struct Block {
    /// The texts of all columns of words.
    words: Vec<String>,
    cells: Vec<Cells>,
    #[serde(skip)]
    known: HashMap<String, usize>,
    #[serde(skip)]
    rows: usize,
    #[serde(skip)]
    bytes: usize,
}

impl Block {
    fn new(table: &Table) -> Self {
        let cells = |column: &Head| match column.kind {
            Column::Number => Cells::Numbers(Vec::new()),
            Column::Text => Cells::Texts(Vec::new()),
            Column::Word => Cells::Words(Vec::new()),
        };
        let cells = table.columns.iter().map(cells).collect();
        Self { words: Vec::new(), cells, known: HashMap::new(), rows: 0, bytes: 0 }
    }

    fn put(&mut self, row: Vec<Cell<'_>>) {
        debug_assert_eq!(row.len(), self.cells.len());
        for (cells, cell) in self.cells.iter_mut().zip(row) {
            let text = match (&mut *cells, cell) {
                (Cells::Numbers(numbers), Cell::Number(number)) => {
                    numbers.push(number);
                    continue;
                }
                (_, Cell::Text(text)) => shown(&text).into_owned(),
                (_, Cell::Number(number)) => number.map_or_else(String::new, |number| number.to_string()),
            };
            match cells {
                Cells::Numbers(numbers) => numbers.push(None),
                Cells::Texts(texts) => {
                    self.bytes += text.len();
                    texts.push(text);
                }
                Cells::Words(words) => {
                    let next = self.words.len();
                    let word = *self.known.entry(text).or_insert_with_key(|text| {
                        self.bytes += text.len();
                        self.words.push(text.clone());
                        next
                    });
                    words.push(word);
                }
            }
        }
        self.rows += 1;
    }

    fn is_full(&self) -> bool {
        self.rows >= ROWS || self.bytes >= BYTES
    }
}

/// A text for the table: of bounded length, and with nothing that could deceive a reader.
fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(LONGEST) {
        None => printable(text),
        Some((end, _)) => Cow::Owned(format!("{}…", printable(&text[..end]))),
    }
}

/// Writes base64, and counts what passes.
struct Encoding<'o> {
    out: EncoderWriter<'static, GeneralPurpose, &'o mut dyn Write>,
    bytes: u64,
}

impl Write for Encoding<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Takes the rows of a table.
pub struct Packer<'t> {
    out: ZlibEncoder<Encoding<'t>>,
    table: &'t Table,
    block: Block,
    sheet: Sheet,
    /// Rows for which there is no room.
    left: u64,
}

impl<'t> Packer<'t> {
    pub(super) fn begin(out: &'t mut dyn Write, table: &'t Table) -> io::Result<Self> {
        let out = Encoding { out: EncoderWriter::new(out, &STANDARD), bytes: 0 };
        let mut out = ZlibEncoder::new(out, Compression::default());
        line(&mut out, table)?;
        Ok(Self { out, table, block: Block::new(table), sheet: Sheet::default(), left: 0 })
    }

    /// Takes a row: a cell for each column.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn put(&mut self, row: Vec<Cell<'_>>) -> io::Result<()> {
        if self.left > 0 {
            self.left += 1;
            return Ok(());
        }
        self.block.put(row);
        if self.block.is_full() { self.write_block() } else { Ok(()) }
    }

    /// Takes a row that is printed, as long as there is room.
    pub fn print(&mut self, row: impl FnOnce() -> SheetRow) {
        self.sheet.put(row);
    }

    fn write_block(&mut self) -> io::Result<()> {
        let block = std::mem::replace(&mut self.block, Block::new(self.table));
        if self.out.get_ref().bytes >= ROOM {
            self.left += block.rows as u64;
            return Ok(());
        }
        line(&mut self.out, &block)
    }

    pub(super) fn finish(mut self) -> io::Result<(Sheet, u64)> {
        if self.block.rows > 0 {
            self.write_block()?;
        }
        self.out.finish()?.out.finish()?;
        Ok((self.sheet, self.left))
    }
}

fn line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}
