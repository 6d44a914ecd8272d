//! Reads the files of `--workspace-map` and `--role-map`, by the rules of a roster.
//!
//! Main functions: [`workspace_map`] and [`role_map`].

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use csv::ByteRecord;

use super::Error;
use super::check::without_guard_str;
use super::column::{Column, header_form};
use super::dialect;
use super::header_map::Columns;
use super::headers;
use super::issue::{Complaint, Issue, IssueKind, Position, quoted};
use super::maps::MapError;
use super::quotes::{self, Quotes};
use super::reader::{Records, issue_at, open, read_at};
use super::role::parse_role;
use super::scan::{Cell, Cells, Quoting};
use super::select::{ColumnName, Settings};
use super::shape::Shape;
use crate::model::Role;

/// Reads a map of workspaces: CSV with the header `from,to`.
///
/// # Errors
/// If it cannot be read, or is not a map.
pub fn workspace_map(path: &Path) -> Result<HashMap<String, String>, MapError> {
    let mut map = HashMap::new();
    each_line(path, |from, to| match map.insert(from.to_owned(), to.to_owned()) {
        Some(_) => Err((0, twice(from))),
        None => Ok(()),
    })?;
    Ok(map)
}

/// Reads a map of roles: CSV with the header `from,to`; names are compared in any case.
///
/// # Errors
/// If it cannot be read, or is not a map.
pub fn role_map(path: &Path) -> Result<HashMap<String, Role>, MapError> {
    let mut map = HashMap::new();
    each_line(path, |from, to| {
        let role = parse_role(to).map_err(|complaint| (1, complaint))?;
        match map.insert(from.to_lowercase(), role) {
            Some(_) => Err((0, twice(from))),
            None => Ok(()),
        }
    })?;
    Ok(map)
}

fn twice(from: &str) -> Complaint {
    Complaint::new(IssueKind::Conflict, format!("{} is mapped twice", quoted(from)))
}

/// Gives the two cells of each line of a map, without the blanks around them. The file is read by
/// the rules of a roster. What `take` complains of is about the first (0) or the second (1) cell.
fn each_line(
    path: &Path,
    mut take: impl FnMut(&str, &str) -> Result<(), (usize, Complaint)>,
) -> Result<(), MapError> {
    let unreadable =
        |source| MapError::Unreadable(Error::Unreadable { name: path.display().to_string(), source });
    let bad = |issue: Issue| MapError::Bad { path: path.to_owned(), issue: Box::new(issue) };
    let file = Arc::new(open(path)?);
    let mut sample = vec![0; dialect::SAMPLE];
    let count = read_at(&file, &mut sample, 0).map_err(unreadable)?;
    sample.truncate(count);
    let beginning = dialect::begin(&sample, &as_a_roster()).map_err(bad)?;
    let delimiter = beginning.delimiter;
    let mut records =
        Records::new(file, delimiter, beginning.start, beginning.start_line).map_err(unreadable)?;
    let mut record = ByteRecord::new();
    let mut columns: Option<([usize; 2], Shape)> = None;
    while let Some(span) = records.next(&mut record).map_err(unreadable)? {
        let raw = records.raw(span);
        let complain_at =
            |cell: Option<Cell>, complaint: Complaint| bad(issue_at(raw, cell, span.line, complaint));
        let complain = |cell: usize, complaint| complain_at(Cells::new(raw, delimiter).nth(cell), complaint);
        if span.quoting == Quoting::Odd
            && let Quotes::Broken(cell, complaint) = quotes::inspect(raw, delimiter)
        {
            let other = columns.and_then(|(_, shape)| shape.quoted_with_other_delimiter(raw));
            return Err(other.map_or_else(|| complain_at(Some(cell), complaint), |other| complain(0, other)));
        }
        let Some((cells, shape)) = columns else {
            let found =
                find_columns(&record, delimiter).map_err(|(cell, complaint)| complain(cell, complaint))?;
            columns = Some((found, shape(record.len(), delimiter, found)));
            continue;
        };
        if let Some((cell, complaint)) = shape.ragged(raw, &record).or_else(|| shape.quoted_twice(&record)) {
            return Err(complain(cell, complaint));
        }
        let cell = |cell: usize| {
            let text = std::str::from_utf8(&record[cell]).unwrap_or_default();
            let text = without_guard_str(text.trim());
            let empty = || complain(cell, Complaint::new(IssueKind::EmptyCell, "the cell is empty"));
            if text.is_empty() { Err(empty()) } else { Ok(text) }
        };
        let [from, to] = cells;
        take(cell(from)?, cell(to)?).map_err(|(which, complaint)| complain(cells[which], complaint))?;
    }
    match (records.trouble(), columns) {
        (Some(issue), _) => Err(bad(issue)),
        (None, Some(_)) => Ok(()),
        (None, None) => Err(bad(header("the file is empty").at(Position { line: 1, column: 1 }))),
    }
}

/// The settings under which the delimiter of a map is found as that of a roster is.
fn as_a_roster() -> Settings {
    let named = |column, header: &str| ColumnName { column, header: header.to_owned() };
    Settings { columns: vec![named(Column::Email, "from"), named(Column::Role, "to")], ..Settings::default() }
}

/// The cells that a line of a map has, as a roster with an address in `from` and a role in `to`.
fn shape(width: usize, delimiter: u8, [from, to]: [usize; 2]) -> Shape {
    let columns = Columns { email: from, role: Some(to), workspace: None, deployment_roles: None };
    Shape::new(width, delimiter, columns)
}

/// Which cells of a map are `from` and `to`; others are for people.
fn find_columns(record: &ByteRecord, delimiter: u8) -> Result<[usize; 2], (usize, Complaint)> {
    let headers: Vec<String> = record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect();
    let spoilt = || headers::spoilt(&headers, delimiter, &as_a_roster()).into_iter().next();
    let find = |name: &str| {
        let mut cells = (0..headers.len()).filter(|&cell| header_form(&headers[cell]) == name);
        match (cells.next(), cells.next()) {
            (Some(cell), None) => Ok(cell),
            (None, _) => {
                let missing = || (0, header(&format!("the column `{name}` is missing")));
                Err(spoilt().unwrap_or_else(missing))
            }
            (Some(_), Some(second)) => Err((second, header(&format!("the column `{name}` comes twice")))),
        }
    };
    Ok([find("from")?, find("to")?])
}

fn header(why: &str) -> Complaint {
    Complaint::new(IssueKind::MissingHeader, format!("{why}; the header of a map is from,to"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Level;
    use crate::roster::maps::Maps;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_map_file_has_two_columns_and_maps_each_name_once() {
        let good = file("\u{FEFF}From,TO\nckold1,Finance\n\"Data, old\", Data Platform \n");
        let maps = Maps { workspaces: Some(workspace_map(good.path()).unwrap()), ..Maps::default() };
        assert_eq!(maps.workspace("ckold1"), "Finance");
        assert_eq!(maps.workspace("Data, old"), "Data Platform");
        assert_eq!(maps.workspace("finance"), "finance");
        for (text, part) in [
            ("a,b\nx,y\n", ":1:1: the column `from` is missing"),
            ("from,From,to\nx,y\n", ":1:6: the column `from` comes twice"),
            ("", "header"),
            ("from,to\n\"x\"y,z\n", ":2:4: "),
            ("from,to\nx,\n", ":2:3: the cell is empty"),
            ("from,to\r\na,b\r\n\r\n;;\r\nx,\r\n", ":4:1: "),
            ("from,to\r\na,b\r\n\r\nx,\r\n", ":4:3: the cell is empty"),
            ("from,to\nx,y\nx,z\n", ":3:1: `x` is mapped twice"),
            ("from,to\nx\n", ":2:1: the row has 1 cell, the header has 2"),
            ("from,to\nOld Ledger\n", ":2:1: the row has 1 cell"),
            ("from,to\nOld Ledger,Sales, EMEA\n", ":2:18: the row has 3 cells, the header has 2"),
            ("from,to,note\na,b\nx,y,z,,w\n", ":3:8: the row has 5 cells"),
            ("from;to\na;b\nOld Ledger,Finance\n", ":3:1: the row is separated by commas"),
            ("from;to\nOld Ledger,Finance\n", ":2:1: the row is separated by commas"),
            ("from,to\n\"x\";\"y\"\n", "separated by semicolons"),
            ("from,to\n\"\"\"x\"\"\",y\n", ":2:1: the cell is quoted twice"),
            ("from,t\u{200B}o\nx,y\n", ":1:6: the header `to` has an invisible character in it: U+200B"),
            ("\"from,to\"\n\"x,y\"\n", ":1:1: the whole line is one quoted cell"),
            ("\"\"\"from\"\"\",to\nx,y\n", "quoted twice"),
            ("from,to\nx,\"y\n", ":2:3: the quote"),
            ("\u{0}from,to\n", "NUL"),
        ] {
            let bad = file(text);
            let error = workspace_map(bad.path()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        assert!(matches!(workspace_map(Path::new("/dev/zero")), Err(MapError::Unreadable(_))));
        assert!(matches!(workspace_map(Path::new("no such file")), Err(MapError::Unreadable(_))));
    }

    #[test]
    fn a_map_file_is_read_by_the_rules_of_a_roster() {
        let expected = HashMap::from([("Old Ledger".to_owned(), "Finance".to_owned())]);
        for text in [
            "\u{FEFF}from;to\r\nOld Ledger;Finance\r\n",
            "from\tto\nOld Ledger\tFinance\n",
            "from|to\nOld Ledger|Finance",
            "sep=;\nfrom;to\nOld Ledger;Finance\n",
            "from,to,comment\nOld Ledger,Finance,since March\n",
            "to,note,from\nFinance,,Old Ledger\n",
            "from,to,comment\nOld Ledger,Finance\n",
            "from,to\nOld Ledger,Finance,, \n",
            "from,to,comment,wor\u{200B}kspace\nOld Ledger,Finance,x\n",
            "from,to\nOld Ledger, Finance \n,,\n\n",
            " FROM , To \n\n\"Old Ledger\",Finance\n , \n",
        ] {
            let map = workspace_map(file(text).path());
            assert_eq!(map.map_err(|error| error.to_string()), Ok(expected.clone()), "{text:?}");
        }
    }

    #[test]
    fn a_foreign_role_becomes_one_of_houston() {
        let good = file("from,to\nOwner,admin\nconsumer,WORKSPACE_VIEWER\n");
        let maps = Maps { roles: role_map(good.path()).unwrap(), ..Maps::default() };
        assert_eq!(maps.role("OWNER "), Some(Level::Admin));
        assert_eq!(maps.role("consumer"), Some(Level::Viewer));
        assert_eq!(maps.role("editor"), None);
        let bad = file("from,to\nowner,boss\n");
        assert!(role_map(bad.path()).unwrap_err().to_string().contains("`boss` is not a role"));
    }
}
