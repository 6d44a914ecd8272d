//! A CSV text as people write rosters: any of four delimiters, blank lines, a line `sep=;`, quotes.
//!
//! Main type: [`Table`]. It shares nothing with the roster reader of the client and is as strict:
//! what the client refuses as a roster is not a state either.

use std::borrow::Cow;
use std::iter;

use super::state::{Position, StateError};

/// The delimiters with what they are called; of equals the last one is taken.
const DELIMITERS: [(char, &str); 4] = [('|', "bars"), ('\t', "tabs"), (';', "semicolons"), (',', "commas")];

/// Separators that no file is read by, with what they are called.
const OTHERS: [(char, &str); 5] = [
    (' ', "spaces"),
    (':', "colons"),
    ('^', "`^`"),
    ('\u{ff0c}', "full-width commas (U+FF0C)"),
    ('\u{ff1b}', "full-width semicolons (U+FF1B)"),
];

/// A row with more cells is none.
const MOST_CELLS: usize = 4096;

/// How many records are searched for a header.
const SEARCHED: usize = 20;

/// A cell without its quotes and without the blanks around it.
#[derive(Debug, Clone)]
pub(super) struct Cell<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) position: Position,
}

/// The cells of a text.
#[derive(Debug)]
pub(super) struct Table<'a> {
    pub(super) headers: Vec<Cell<'a>>,
    text: &'a str,
    start: usize,
    delimiter: char,
}

impl<'a> Table<'a> {
    /// Takes a text apart. `known` are the headers that mean something, by which the delimiter is
    /// found.
    pub(super) fn read(text: &'a str, known: &[&str]) -> Result<Self, StateError> {
        let (named, start) = separator_line(text);
        let is_known = |cell: &&Cell<'_>| known.contains(&header_form(&cell.text).as_str());
        let score = |delimiter: &char| {
            let records = records(text, start, *delimiter).map_while(Result::ok).take(SEARCHED);
            records.map(|cells| cells.iter().filter(is_known).count()).max()
        };
        // The one that the file names, unless another fits better.
        let possible = DELIMITERS.map(|(delimiter, _)| delimiter).into_iter().chain(named);
        let delimiter = possible.max_by_key(score).unwrap_or(',');
        let headers = records(text, start, delimiter).next().transpose()?.ok_or(StateError::Empty)?;
        Ok(Self { headers, text, start, delimiter })
    }

    /// The rows that are not blank, read one by one.
    pub(super) fn rows(&self) -> impl Iterator<Item = Result<Vec<Cell<'a>>, StateError>> {
        records(self.text, self.start, self.delimiter).skip(1)
    }

    /// The first rows, as far as they can be read.
    pub(super) fn first_rows(&self) -> impl Iterator<Item = Vec<Cell<'a>>> {
        self.rows().map_while(Result::ok).take(SEARCHED)
    }

    /// Whether a row has the cells that the header promises; it needs the first `needed`, one of
    /// which is the address.
    pub(super) fn check(&self, row: &[Cell<'_>], needed: usize, email: usize) -> Result<(), StateError> {
        let width = self.headers.len();
        let surplus = row.iter().skip(width).find(|cell| !cell.text.is_empty());
        if let Some(first) = row.first().filter(|_| surplus.is_some() || row.len() < needed) {
            if let Some(what) = self.other_form(row, width) {
                return Err(first.position.wrong(what));
            }
            let position = surplus.unwrap_or(first).position;
            let message = format!("the row has {}, the header has {width}", cells_in_words(row.len()));
            return Err(position.wrong(message));
        }
        match row.iter().find(|cell| self.hides_a_row(cell, needed, email)) {
            Some(cell) => Err(cell
                .position
                .wrong("this cell holds whole rows: look for a stray quote at its beginning and its end")),
            None => Ok(()),
        }
    }

    /// A row that another delimiter gives the cells it should have, or one that is one quoted cell.
    fn other_form(&self, row: &[Cell<'_>], width: usize) -> Option<String> {
        let line = row.iter().map(|cell| &*cell.text).collect::<Vec<_>>().join(&self.delimiter.to_string());
        let is_whole = |cells: &[&str]| width > 1 && cells.len() == width;
        if row.len() == 1 && is_whole(&split(&line, self.delimiter)) {
            return Some("the whole row is one quoted cell: it was saved as CSV twice".to_owned());
        }
        let other = separators().find(|&(other, _)| is_whole(&split(&line, other)));
        let (_, other) = other.filter(|_| line.contains('@'))?;
        let ours = separators().find(|&(ours, _)| ours == self.delimiter);
        let ours = ours.map_or_else(|| format!("{:?}", self.delimiter), |(_, name)| name.to_owned());
        Some(format!("the row is separated by {other}, the header by {ours}"))
    }

    /// A header that is one cell and would be several with another separator or without its quotes.
    pub(super) fn header_in_one_cell(&self, known: &[&str]) -> Option<StateError> {
        let [header] = &self.headers[..] else { return None };
        let means = |by: char| {
            split(&header.text, by).iter().filter(|cell| known.contains(&&*header_form(cell))).count() > 1
        };
        let (by, name) = separators().find(|&(by, _)| means(by))?;
        Some(header.position.wrong(if DELIMITERS.iter().any(|&(delimiter, _)| delimiter == by) {
            "the whole line is one quoted cell: the file was saved as CSV twice".to_owned()
        } else {
            format!("the header is separated by {name}, not by , ; | or tab")
        }))
    }

    /// Whether one of the lines in a cell would be a row if it stood by itself.
    fn hides_a_row(&self, cell: &Cell<'_>, needed: usize, email: usize) -> bool {
        let is_row = |line: &str| {
            let cells = split(line, self.delimiter);
            let has_address = cells.get(email).is_some_and(|cell| cell.contains('@'));
            line.contains('@')
                && (cells.len() == self.headers.len() || (cells.len() >= needed && has_address))
        };
        cell.text.contains(['\n', '\r']) && cell.text.split(['\n', '\r']).any(is_row)
    }
}

/// Everything that may separate cells, the likeliest first.
fn separators() -> impl Iterator<Item = (char, &'static str)> {
    DELIMITERS.into_iter().rev().chain(OTHERS)
}

/// The parts of a line; blanks in a row count once.
fn split(line: &str, by: char) -> Vec<&str> {
    if by == ' ' { line.split_whitespace().collect() } else { line.split(by).collect() }
}

fn cells_in_words(count: usize) -> String {
    if count == 1 { "1 cell".to_owned() } else { format!("{count} cells") }
}

/// The records that are not blank, up to the first one with a fault.
fn records(
    text: &str,
    start: usize,
    delimiter: char,
) -> impl Iterator<Item = Result<Vec<Cell<'_>>, StateError>> {
    let mut reader = Reader { text, delimiter, at: 0, line: 1, column: 1 };
    reader.step(start);
    iter::from_fn(move || (!reader.left().is_empty()).then(|| reader.record()))
        .filter(|record| record.as_ref().map_or(true, |cells| cells.iter().any(|cell| !cell.text.is_empty())))
}

/// Reads cell after cell.
struct Reader<'a> {
    text: &'a str,
    delimiter: char,
    at: usize,
    line: usize,
    /// The character of the present line, from 1.
    column: usize,
}

impl<'a> Reader<'a> {
    fn left(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn position(&self) -> Position {
        Position::Text { line: self.line, column: self.column }
    }

    /// Steps over some bytes, and counts the lines that end in them.
    fn step(&mut self, count: usize) -> &'a str {
        let stepped = &self.text[self.at..self.at + count];
        for (at, c) in stepped.char_indices() {
            let follows = self.text.as_bytes().get(self.at + at + 1);
            if c == '\n' || (c == '\r' && follows != Some(&b'\n')) {
                (self.line, self.column) = (self.line + 1, 1);
            } else {
                self.column += 1;
            }
        }
        self.at += count;
        stepped
    }

    fn record(&mut self) -> Result<Vec<Cell<'a>>, StateError> {
        let mut cells = Vec::new();
        loop {
            cells.push(self.cell()?);
            if cells.len() > MOST_CELLS {
                return Err(self.position().wrong(format!("the row has more than {MOST_CELLS} cells")));
            }
            if self.left().starts_with(self.delimiter) {
                self.step(self.delimiter.len_utf8());
                continue;
            }
            let end = if self.left().starts_with("\r\n") { 2 } else { 1 };
            self.step(end.min(self.left().len()));
            return Ok(cells);
        }
    }

    fn cell(&mut self) -> Result<Cell<'a>, StateError> {
        let position = self.position();
        if self.left().starts_with('"') {
            return self.quoted(position);
        }
        let text = self.bare();
        let inner = text.trim_start_matches(|c: char| c.is_whitespace() || is_unseen(c));
        if inner.starts_with("\\\"") {
            return Err(position.wrong(BACKSLASH));
        }
        if inner.starts_with('"') {
            let before = text[..text.len() - inner.len()].chars().find(|c| !c.is_whitespace());
            let what = before.map_or("a space".to_owned(), |c| format!("U+{:04X}", u32::from(c)));
            let rule = "a quoted cell must begin right after the delimiter";
            return Err(position.wrong(format!("{what} comes before the quote: {rule}")));
        }
        Ok(Cell { text: Cow::Borrowed(text.trim()), position })
    }

    /// What comes before the next delimiter or line end.
    fn bare(&mut self) -> &'a str {
        let ends = [self.delimiter, '\n', '\r'];
        self.step(self.left().find(ends).unwrap_or(self.left().len()))
    }

    fn quoted(&mut self, position: Position) -> Result<Cell<'a>, StateError> {
        let mut text = String::new();
        self.step(1);
        loop {
            let Some(length) = self.left().find('"') else {
                return Err(position.wrong("the quote that opens here is not closed by the end of the file"));
            };
            text.push_str(self.step(length));
            self.step(1);
            if !self.left().starts_with('"') {
                break;
            }
            text.push_str(self.step(1));
        }
        self.close(position, &text)?;
        Ok(Cell { text: Cow::Owned(text.trim().to_owned()), position })
    }

    /// Steps over the blanks between a closing quote and the end of the cell.
    fn close(&mut self, opened: Position, text: &str) -> Result<(), StateError> {
        let blanks =
            self.left().find(|c: char| !c.is_whitespace() || [self.delimiter, '\n', '\r'].contains(&c));
        self.step(blanks.unwrap_or(self.left().len()));
        let position = self.position();
        let rest = self.bare();
        if rest.is_empty() {
            return Ok(());
        }
        if text.ends_with('\\') {
            return Err(opened.wrong(BACKSLASH));
        }
        Err(position.wrong(format!("{} follows a closing quote", shown(rest))))
    }
}

const BACKSLASH: &str =
    "a backslash before a quote does not escape it: write two quotes (\"\") for one that belongs to the text";

/// A text of the file in a message: no control characters, and not all of a long one.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let text = text.trim();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// Whether a character has no look of its own; blanks are none of these.
pub(super) fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}'
    ) || (c.is_control() && !c.is_whitespace())
}

/// The delimiter that a line `sep=;` above the header names, and the byte after that line.
fn separator_line(text: &str) -> (Option<char>, usize) {
    let above = text.len() - text.trim_start_matches(['\n', '\r']).len();
    let end = text[above..].find(['\n', '\r']).map_or(text.len(), |end| above + end);
    let line = text[above..end].trim_start_matches([' ', '"']).split_once('=');
    let Some((_, value)) = line.filter(|(name, _)| name.trim().eq_ignore_ascii_case("sep")) else {
        return (None, 0);
    };
    let mut characters = value.trim_start_matches([' ', '"']).chars();
    let named = characters.next();
    // Signs that fill the line up, in a file of several columns.
    let fills = |c: char| Some(c) == named || matches!(c, ',' | ';' | '\t' | '|' | '"' | ' ');
    let is_it = characters.all(fills) && !named.is_some_and(char::is_alphanumeric);
    if is_it { (named, end) } else { (None, 0) }
}

/// A header as headers are compared.
pub(super) fn header_form(header: &str) -> String {
    header.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    const KNOWN: [&str; 3] = ["email", "role", "workspace"];

    #[test]
    fn a_table_is_read_however_people_write_it() {
        for (text, lines) in [
            ("email,role,workspace\na,admin,F\nb,viewer,F\n", [2, 3]),
            ("email;role;workspace\r\na;admin;F\r\nb;viewer;F", [2, 3]),
            ("email,role,workspace\ra,admin,F\rb,viewer,F\r", [2, 3]),
            ("EMAIL\tRole\t Workspace \r\n\r\na\tadmin\tF\r\n\t\t\r\nb\tviewer\tF\r\n", [3, 5]),
            ("sep=|\nemail|role|workspace\na|admin|F\n\nb|viewer|F", [3, 5]),
            ("\nsep=,\nemail;role;workspace\na;admin;F\nb;viewer;F", [4, 5]),
            ("sep=^\nemail^role^workspace\na^admin^F\n\nb^viewer^F", [3, 5]),
            ("\"Sep = ;\",,\nemail;role;workspace\na;admin;F\nb;viewer;F", [3, 4]),
            ("\"SEP=;\"\r\nemail;role;workspace\r\na;admin;F\r\nb;viewer;F\r\n", [3, 4]),
            ("\n\nemail,role,workspace,\"a\nnote\"\n\"a\",admin,F,\"x\ny\"\nb,viewer,F\n", [5, 7]),
            ("\u{a0}\nemail,role,workspace\n\u{a0},\u{3000}\na,admin,F\nb,\"viewer\" ,F\u{a0}\n", [4, 5]),
        ] {
            let table = Table::read(text, &KNOWN).unwrap();
            let cells = |row: &Vec<Cell<'_>>| {
                let text = row.iter().take(3).map(|cell| &*cell.text).collect::<Vec<_>>().join(" ");
                (row[0].position, text)
            };
            let rows: Vec<_> = table.rows().map(|row| cells(&row.unwrap())).collect();
            let at = |line: usize| Position::Text { line, column: 1 };
            assert_eq!(
                rows,
                [(at(lines[0]), "a admin F".to_owned()), (at(lines[1]), "b viewer F".to_owned())],
                "{text:?}"
            );
            assert_eq!(header_form(&table.headers[1].text), "role");
        }
        assert!(matches!(Table::read(" \n", &[]), Err(StateError::Empty)));
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let text = format!("email,role,workspace\n{}", ",".repeat(1 << 20));
        let error = Table::read(&text, &KNOWN).unwrap().rows().find_map(Result::err).unwrap();
        assert_eq!(error.position(), ":2:4097");
    }

    #[test]
    fn stray_quotes_are_refused_at_their_position() {
        for (row, position, part) in [
            ("\"b@example.com\"x,admin,T", ":2:16", "\"x\" follows"),
            ("\"b@example.com\" x,admin,T", ":2:17", "\"x\" follows"),
            ("\"b@example.com\"\u{200b},admin,T", ":2:16", "200b"),
            ("b,admin,\"T\nval@example.com,viewer,T", ":2:9", "not closed"),
            ("b,admin,\"T\n\"x", ":3:2", "\"x\" follows"),
            ("b,admin, \"T\"", ":2:9", "a space comes before the quote"),
            ("b,admin,\u{200b}\"T\"", ":2:9", "U+200B comes before"),
            ("b,admin,\\\"T\\\"", ":2:9", "backslash"),
            ("b,admin,\"T \\\"a\\\" b\"", ":2:9", "backslash"),
        ] {
            let text = format!("email,role,workspace\n{row}\n");
            let error = Table::read(&text, &KNOWN).unwrap().rows().find_map(Result::err).unwrap();
            assert_eq!(error.position(), position, "{row}: {error}");
            assert!(error.to_string().contains(part), "{row}: {error}");
        }
        for good in ["\"a\"\"b\" ,c", "a\"b\"c,\"d\"\t,e", "\"C:\\x\\\",b"] {
            assert!(Table::read(good, &KNOWN).is_ok(), "{good}");
        }
    }
}
