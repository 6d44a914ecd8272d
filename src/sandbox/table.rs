//! A CSV text as people write rosters: any of four delimiters, blank lines, a line `sep=;`, quotes.
//!
//! Main type: [`Table`]. It shares nothing with the roster reader of the client, and is no stricter:
//! what the client takes as a roster can be a state.

use super::state::StateError;

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The cells of a text, without the blanks around them.
#[derive(Debug)]
pub(super) struct Table {
    /// The headers, in lower case and with single blanks.
    headers: Vec<String>,
    /// The rows that are not blank, with the physical line where each begins.
    pub(super) rows: Vec<(usize, csv::StringRecord)>,
}

impl Table {
    /// Takes a text apart. `known` are the headers that mean something, by which the delimiter is
    /// found.
    pub(super) fn read(text: &str, known: &[&str]) -> Result<Self, StateError> {
        if text.contains('\0') {
            return Err(StateError::NulByte);
        }
        let (named, body, first_line) = separator_line(text);
        let delimiter = named.unwrap_or_else(|| {
            let score = |delimiter: &u8| {
                let headers = reader(body, *delimiter).records().find_map(Result::ok).unwrap_or_default();
                let is_known = |header: &&str| known.contains(&tidy(header).as_str());
                (headers.iter().filter(is_known).count(), headers.len())
            };
            // Of equals the last one wins: the comma.
            DELIMITERS.into_iter().rev().max_by_key(score).unwrap_or(b',')
        });
        let mut rows = Vec::new();
        let (mut byte, mut line) = (0, first_line);
        for record in reader(body, delimiter).into_records() {
            let record = record.map_err(StateError::Csv)?;
            // The reader counts the rest of a line end, and blank lines, to the record behind them.
            let from = record.position().map_or(0, |position| usize::try_from(position.byte()).unwrap_or(0));
            let blank = body[from..].bytes().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            let start = from + blank;
            line += body[byte..start].matches('\n').count();
            byte = start;
            if record.iter().any(|cell| !cell.is_empty()) {
                rows.push((line, record));
            }
        }
        let headers = if rows.is_empty() { csv::StringRecord::new() } else { rows.remove(0).1 };
        Ok(Self { headers: headers.iter().map(tidy).collect(), rows })
    }

    /// Which cell has one of these headers.
    pub(super) fn find(&self, names: &[&str]) -> Option<usize> {
        self.headers.iter().position(|header| names.contains(&header.as_str()))
    }
}

fn reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes())
}

/// The delimiter that a first line `sep=;` names, the text behind it, and the line where that begins.
fn separator_line(text: &str) -> (Option<u8>, &str, usize) {
    let named = || {
        let (line, rest) = text.split_once('\n')?;
        let line = line.trim_matches(['\r', '"']);
        let is_it = line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("sep="));
        match line.as_bytes().get(4..) {
            Some(&[delimiter]) if is_it => Some((Some(delimiter), rest, 2)),
            Some(_) | None => None,
        }
    };
    named().unwrap_or((None, text, 1))
}

fn tidy(header: &str) -> String {
    header.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_however_people_write_it() {
        for (text, lines) in [
            ("email,role,workspace\na,admin,F\nb,viewer,F\n", [2, 3]),
            ("email;role;workspace\r\na;admin;F\r\nb;viewer;F", [2, 3]),
            ("EMAIL\tRole\t Workspace \r\n\r\na\tadmin\tF\r\n\t\t\r\nb\tviewer\tF\r\n", [3, 5]),
            ("sep=|\nemail|role|workspace\na|admin|F\n\nb|viewer|F", [3, 5]),
            ("\"SEP=;\"\r\nemail;role;workspace\r\na;admin;F\r\nb;viewer;F\r\n", [3, 4]),
            ("\n\nemail,role,workspace,\"a\nnote\"\n\"a\",admin,F,\"x\ny\"\nb,viewer,F\n", [5, 7]),
        ] {
            let table = Table::read(text, &["email", "role", "workspace"]).unwrap();
            let cells = |(line, record): &(usize, csv::StringRecord)| {
                (*line, record.iter().take(3).map(str::to_owned).collect::<Vec<_>>().join(" "))
            };
            let rows: Vec<_> = table.rows.iter().map(cells).collect();
            assert_eq!(
                rows,
                [(lines[0], "a admin F".to_owned()), (lines[1], "b viewer F".to_owned())],
                "{text:?}"
            );
            assert_eq!(table.find(&["role"]), Some(1));
        }
        assert!(Table::read("", &[]).unwrap().rows.is_empty());
        assert!(matches!(Table::read("a\0b", &[]), Err(StateError::NulByte)));
    }
}
