//! CSV as every report writes it: in the form of the roster, and harmless in a spreadsheet.
//!
//! Main types: [`CsvForm`] and [`CsvWriter`], through which every cell of every CSV passes.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};

use crate::model::runs_as_formula;
use crate::roster::{DELIMITERS, Dialect};

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// How a CSV file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CsvForm {
    /// The byte between cells.
    pub delimiter: u8,
    /// Whether the file begins with a byte order mark.
    pub has_bom: bool,
    /// Whether a first line `sep=^` names the delimiter. It is written only for a delimiter that
    /// no reader would find out.
    pub names_delimiter: bool,
}

impl Default for CsvForm {
    fn default() -> Self {
        Self { delimiter: b',', has_bom: false, names_delimiter: false }
    }
}

impl CsvForm {
    /// The form of a roster.
    pub fn of(dialect: &Dialect) -> Self {
        let mark = if dialect.has_bom { BOM.len() as u64 } else { 0 };
        Self {
            delimiter: dialect.delimiter,
            has_bom: dialect.has_bom,
            names_delimiter: dialect.start > mark && !DELIMITERS.contains(&dialect.delimiter),
        }
    }

    /// With this delimiter and nothing before the header.
    pub fn with(delimiter: u8) -> Self {
        Self { delimiter, ..Self::default() }
    }

    /// What comes before the header.
    pub fn preamble(self) -> Vec<u8> {
        let mut bytes = if self.has_bom { BOM.to_vec() } else { Vec::new() };
        if self.names_delimiter {
            bytes.extend_from_slice(&[b's', b'e', b'p', b'=', self.delimiter, b'\n']);
        }
        bytes
    }
}

/// Writes CSV. A cell that a spreadsheet would run as a formula gets an apostrophe, which the
/// roster reader removes again; a cell that another locale would split is quoted.
#[derive(Debug)]
pub struct CsvWriter<W: Write> {
    out: BufWriter<W>,
    delimiter: u8,
}

impl<W: Write> CsvWriter<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// If `out` does not take it.
    pub fn begin(out: W, form: CsvForm) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(1 << 16, out);
        out.write_all(&form.preamble())?;
        Ok(Self { out, delimiter: form.delimiter })
    }

    /// Writes a record.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn put<C: AsRef<[u8]>>(&mut self, cells: impl IntoIterator<Item = C>) -> io::Result<()> {
        let mut cells = cells.into_iter().peekable();
        let mut first = true;
        while let Some(cell) = cells.next() {
            if !first {
                self.out.write_all(&[self.delimiter])?;
            }
            let is_alone = first && cells.peek().is_none();
            first = false;
            let cell = defused(cell.as_ref());
            // An empty line would be no record at all.
            if self.needs_quotes(&cell) || (is_alone && cell.is_empty()) {
                self.put_quoted(&cell)?;
            } else {
                self.out.write_all(&cell)?;
            }
        }
        self.out.write_all(b"\n")
    }

    fn needs_quotes(&self, cell: &[u8]) -> bool {
        let parts =
            |&b: &u8| b == self.delimiter || DELIMITERS.contains(&b) || matches!(b, b'"' | b'\n' | b'\r');
        cell.iter().any(parts)
    }

    fn put_quoted(&mut self, cell: &[u8]) -> io::Result<()> {
        self.out.write_all(b"\"")?;
        for (index, part) in cell.split(|&b| b == b'"').enumerate() {
            self.out.write_all(if index > 0 { b"\"\"" } else { b"" })?;
            self.out.write_all(part)?;
        }
        self.out.write_all(b"\"")
    }

    /// Writes what is left, and gives back what was written to.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(self) -> io::Result<W> {
        let mut out = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        out.flush()?;
        Ok(out)
    }
}

/// A cell that no spreadsheet takes for a formula: one that begins like one, also after blanks,
/// gets an apostrophe, which the roster reader removes again.
pub fn defused(cell: &[u8]) -> Cow<'_, [u8]> {
    if !runs_as_formula(cell) {
        return Cow::Borrowed(cell);
    }
    let mut quoted = Vec::with_capacity(cell.len() + 1);
    quoted.push(b'\'');
    quoted.extend_from_slice(cell);
    Cow::Owned(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(form: CsvForm, records: &[Vec<String>]) -> String {
        let mut writer = CsvWriter::begin(Vec::new(), form).expect("begun");
        records.iter().for_each(|cells| writer.put(cells).expect("written"));
        String::from_utf8(writer.finish().expect("flushed")).expect("text")
    }

    #[test]
    fn a_cell_that_another_locale_would_take_apart_is_quoted() {
        let cells = ["a;=1+1", "a,b", "a\tb", "a|b", "a\nb", "say \"x\"", "plain", "", "=1", " x "];
        let cells = cells.map(str::to_owned).to_vec();
        assert_eq!(
            written(CsvForm::default(), &[cells, vec![String::new()]]),
            "\"a;=1+1\",\"a,b\",\"a\tb\",\"a|b\",\"a\nb\",\"say \"\"x\"\"\",plain,,'=1, x \n\"\"\n"
        );
    }

    #[test]
    fn what_a_spreadsheet_would_run_gets_an_apostrophe() {
        for bad in ["=1", "+1", "-1", "@a", "\tx", "\rx", "\nx", " =1", "\u{a0}=1", " \t-1", "\u{ff1d}1"] {
            assert_eq!(defused(bad.as_bytes()), format!("'{bad}").as_bytes(), "{bad:?}");
        }
        for good in ["", " ", "a=1", "'=1", "a@b", "1-2", "é", " a"] {
            assert_eq!(defused(good.as_bytes()), good.as_bytes(), "{good:?}");
        }
    }

    #[test]
    fn mark_and_delimiter_come_before_the_header() {
        let form = |delimiter, has_bom, names_delimiter| CsvForm { delimiter, has_bom, names_delimiter };
        let record = [vec!["a".to_owned(), "b".to_owned()]];
        assert_eq!(written(form(b';', true, false), &record), "\u{feff}a;b\n");
        assert_eq!(written(form(b'^', true, true), &record), "\u{feff}sep=^\na^b\n");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_cell_comes_back_and_none_begins_like_a_formula(
            records in prop::collection::vec(prop::collection::vec("[a=+@'\";,|\t\r\n \u{ff1d}-]{0,5}|.{0,6}", 1..5), 0..6),
            delimiter in prop::sample::select(&b",;\t|^'"[..]),
        ) {
            let text = written(CsvForm::with(delimiter), &records);
            let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true)
                .from_reader(text.as_bytes());
            let read: Vec<Vec<String>> = reader.records()
                .map(|record| record.expect("well formed").iter().map(str::to_owned).collect()).collect();
            // A mark at the beginning of a file is not data.
            prop_assume!(!text.starts_with('\u{feff}'));
            prop_assert_eq!(read.len(), records.len());
            for (read, cells) in read.iter().flatten().zip(records.iter().flatten()) {
                prop_assert!(!runs_as_formula(read.as_bytes()), "{}", read);
                let guarded = runs_as_formula(cells.as_bytes());
                prop_assert_eq!(if guarded { read.strip_prefix('\'') } else { Some(read.as_str()) }, Some(cells.as_str()));
            }
        }
    }
}
