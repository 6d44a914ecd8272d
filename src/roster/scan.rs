//! Finds the cells of one raw record, which the CSV reader does not report: where each begins and
//! ends, and what its quotes do.
//!
//! Main type: [`Cells`]. It follows the same rules as the `csv` crate: a quote opens a cell only
//! at its very beginning, and text after a closing quote still belongs to the cell.

/// Where a cell stands in its raw record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    /// Its first byte, the opening quote if it has one.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
    /// How many line ends come before it in the record.
    pub line: u32,
    /// The first byte of the physical line where it begins.
    pub line_start: usize,
    /// Whether it is quoted and the record ends before the closing quote.
    pub open: bool,
    /// What follows the closing quote, if it has one.
    pub tail: Option<Tail>,
}

/// What a cell has after its closing quote: up to the end of the cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail {
    /// The byte after the closing quote.
    pub start: usize,
    /// How many line ends come before it in the record.
    pub line: u32,
    /// The first byte of its physical line.
    pub line_start: usize,
}

/// The cells of a raw record that begins at the start of a line, in order.
#[derive(Debug, Clone)]
pub(super) struct Cells<'a> {
    raw: &'a [u8],
    delimiter: u8,
    next: Option<usize>,
    line: u32,
    line_start: usize,
}

impl<'a> Cells<'a> {
    pub(super) fn new(raw: &'a [u8], delimiter: u8) -> Self {
        Self { raw, delimiter, next: Some(0), line: 0, line_start: 0 }
    }

    /// Steps over a quoted text from after its opening quote; gives the byte after the closing one.
    fn close(&mut self, mut at: usize) -> Option<usize> {
        while let Some(&byte) = self.raw.get(at) {
            at += 1;
            match byte {
                b'"' if self.raw.get(at) == Some(&b'"') => at += 1,
                b'"' => return Some(at),
                b'\n' => self.step(at),
                b'\r' if self.raw.get(at) != Some(&b'\n') => self.step(at),
                _ => {}
            }
        }
        None
    }

    fn step(&mut self, line_start: usize) {
        self.line = self.line.saturating_add(1);
        self.line_start = line_start;
    }
}

impl Iterator for Cells<'_> {
    type Item = Cell;

    fn next(&mut self) -> Option<Cell> {
        let start = self.next.take()?;
        let (line, line_start) = (self.line, self.line_start);
        let mut cell = Cell { start, end: start, line, line_start, open: false, tail: None };
        let mut at = start;
        if self.raw.get(at) == Some(&b'"') {
            if let Some(closed) = self.close(at + 1) {
                at = closed;
                cell.tail = Some(Tail { start: at, line: self.line, line_start: self.line_start });
            } else {
                (cell.open, at) = (true, self.raw.len());
            }
        }
        let rest = &self.raw[at..];
        let end = rest.iter().position(|&b| b == self.delimiter || b == b'\n' || b == b'\r');
        cell.end = end.map_or(self.raw.len(), |end| at + end);
        if self.raw.get(cell.end) == Some(&self.delimiter) {
            self.next = Some(cell.end + 1);
        }
        Some(cell)
    }
}

impl Cell {
    /// The 1-based character of its line where the cell begins.
    pub(super) fn column(&self, raw: &[u8]) -> u32 {
        chars(&raw[self.line_start..self.start]).saturating_add(1)
    }

    /// The physical line where it begins, as bytes.
    pub(super) fn line_of<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        let rest = &raw[self.line_start..];
        let end = rest.iter().position(|&b| matches!(b, b'\n' | b'\r')).unwrap_or(rest.len());
        &rest[..end]
    }
}

/// Which quotes a raw record has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoting {
    /// None at all.
    None,
    /// Around whole cells of one line, which have no quotes in them.
    Plain,
    /// Others, which may be faults.
    Odd,
}

/// Whether the quotes of a raw record need a second look: hardly any row of a valid file does.
pub(super) fn quoting(raw: &[u8], delimiter: u8) -> Quoting {
    let ends = |b: u8| b == delimiter || b == b'\n' || b == b'\r';
    let mut rest = raw;
    loop {
        let end = match rest.first() {
            Some(b'"') => match rest[1..].iter().position(|&b| matches!(b, b'"' | b'\n' | b'\r')) {
                Some(closing) if rest[closing + 1] == b'"' => closing + 2,
                Some(_) | None => return Quoting::Odd,
            },
            Some(&first) if first.is_ascii_alphanumeric() => {
                rest.iter().position(|&b| ends(b)).unwrap_or(rest.len())
            }
            Some(_) | None => 0,
        };
        match rest.get(end) {
            Some(&byte) if byte == delimiter => rest = &rest[end + 1..],
            None | Some(b'\n' | b'\r') => return Quoting::Plain,
            Some(_) => return Quoting::Odd,
        }
    }
}

/// The physical lines of some bytes, without their ends: LF, CRLF, or a CR alone.
pub(super) fn physical_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest.take()?;
        let Some(end) = bytes.iter().position(|&b| matches!(b, b'\n' | b'\r')) else { return Some(bytes) };
        let after = end + 1 + usize::from(bytes[end..].starts_with(b"\r\n"));
        rest = Some(&bytes[after..]);
        Some(&bytes[..end])
    })
}

/// How many characters some bytes of UTF-8 are.
pub(super) fn chars(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.iter().filter(|&&b| b & 0xC0 != 0x80).count()).unwrap_or(u32::MAX)
}

/// How many line ends there are: LF, CRLF, or a CR alone.
pub(super) fn line_ends(bytes: &[u8]) -> u32 {
    u32::try_from(physical_lines(bytes).count() - 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(raw: &str) -> Vec<(u32, u32, &str)> {
        Cells::new(raw.as_bytes(), b',')
            .map(|cell| (cell.line, cell.column(raw.as_bytes()), &raw[cell.start..cell.end]))
            .collect()
    }

    #[test]
    fn cells_are_found_across_quotes_and_lines() {
        assert_eq!(
            positions("é,\"a,\"\"\nb\",c\"d\r\n"),
            vec![(0, 1, "é"), (0, 3, "\"a,\"\"\nb\""), (1, 4, "c\"d")]
        );
        assert_eq!(positions("\"a\rb\r\nc\",d\r"), vec![(0, 1, "\"a\rb\r\nc\""), (2, 4, "d")]);
        assert_eq!(positions(""), vec![(0, 1, "")]);
        assert_eq!(positions(","), vec![(0, 1, ""), (0, 2, "")]);
    }

    #[test]
    fn plain_quotes_need_no_second_look() {
        for raw in ["\"a\",b,\"c, d\"\r\n", "\"\",,\"\"", "a\"b,\"c\"", "\"a\",\n", "\"a\"\r"] {
            assert_eq!(quoting(raw.as_bytes(), b','), Quoting::Plain, "{raw:?}");
        }
        for raw in ["\"a\"b", "\"a\" ,b", "\"a\"\"b\"", "\"a\nb\"", " \"a\"", "a,\u{a0}\"b\"", "\\\"a", "\"a"]
        {
            assert_eq!(quoting(raw.as_bytes(), b','), Quoting::Odd, "{raw:?}");
        }
    }

    #[test]
    fn an_open_quote_is_seen() {
        assert!(Cells::new(b"a,\"b\n", b',').last().unwrap().open);
        assert!(!Cells::new(b"a,\"b\"\n", b',').last().unwrap().open);
        assert!(!Cells::new(b"a,b\"", b',').last().unwrap().open);
    }

    #[test]
    fn what_follows_a_closing_quote_has_a_position() {
        let cell = Cells::new(b"\"a\n\"b,c", b',').next().unwrap();
        assert_eq!(cell.tail, Some(Tail { start: 4, line: 1, line_start: 3 }));
        assert_eq!(Cells::new(b"a\"b\"c", b',').next().unwrap().tail, None);
    }

    #[test]
    fn physical_lines_end_in_three_ways() {
        let lines: Vec<&[u8]> = physical_lines(b"a\rb\r\nc\n\nd").collect();
        assert_eq!(lines, [&b"a"[..], b"b", b"c", b"", b"d"]);
        assert_eq!(line_ends(b"a\r\nb\rc"), 2);
    }
}
