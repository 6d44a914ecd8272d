//! Names of another installation and what they are called here, for moves between installations.
//!
//! Main type: [`Maps`]. It changes what a row means, never what it says: reports keep the cells of
//! the file.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use csv::ByteRecord;
use serde::{Deserialize, Serialize};

use super::Error;
use super::check::without_guard_str;
use super::columns::{Column, Columns, header_form};
use super::dialect;
use super::email::{OddAddresses, parse_email};
use super::headers;
use super::issue::{Complaint, Issue, IssueKind, Position, quoted};
use super::quotes::{self, Quotes};
use super::reader::{Records, issue_at, open, read_at};
use super::role::parse_role;
use super::scan::{Cell, Cells, Quoting};
use super::select::{ColumnName, Settings};
use super::shape::Shape;
use crate::model::{Level, Role, domain_key};

/// What is called otherwise here. The default changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maps {
    /// Domains of addresses; the first one that fits holds.
    pub domains: Vec<DomainMap>,
    /// Workspaces, by the text of the file; none where nothing is mapped.
    pub workspaces: Option<HashMap<String, String>>,
    /// Roles, by the text of the file in lower case.
    pub roles: HashMap<String, Role>,
}

/// `old.example.com=example.com`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainMap {
    from: String,
    to: String,
}

/// A text that maps no domain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` maps no domain: write old.example.com=example.com")]
pub struct NotADomainMap(String);

impl FromStr for DomainMap {
    type Err = NotADomainMap;

    fn from_str(text: &str) -> Result<Self, NotADomainMap> {
        let bad = || NotADomainMap(text.to_owned());
        let (from, to) = text.split_once('=').ok_or_else(bad)?;
        let domain = |text: &str| {
            let domain = text.trim().trim_start_matches('@').to_lowercase();
            parse_email(&format!("a@{domain}"), OddAddresses::Refuse).map(|_| domain).map_err(|_| bad())
        };
        Ok(Self { from: domain(from)?, to: domain(to)? })
    }
}

impl DomainMap {
    /// Whether another one maps the same domain to something else.
    pub fn contradicts(&self, other: &Self) -> bool {
        domain_key(&self.from) == domain_key(&other.from) && domain_key(&self.to) != domain_key(&other.to)
    }
}

impl fmt::Display for DomainMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.from, self.to)
    }
}

/// A map file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// It cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Error),
    /// Something in it is wrong.
    #[error("{}:{issue}{}", .path.display(), .issue.hint().map(|hint| format!(" ({hint})")).unwrap_or_default())]
    Bad {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and where.
        issue: Box<Issue>,
    },
}

impl Maps {
    /// Which of the domains maps this address.
    pub(super) fn domain_of(&self, email: &str) -> Option<usize> {
        if self.domains.is_empty() {
            return None;
        }
        let domain = domain_key(email.rsplit_once('@')?.1);
        self.domains.iter().position(|map| domain_key(&map.from) == domain)
    }

    /// The address as it is here.
    pub(super) fn email<'t>(&self, email: &'t str) -> Cow<'t, str> {
        match (self.domain_of(email), email.rsplit_once('@')) {
            (Some(map), Some((name, _))) => Cow::Owned(format!("{name}@{}", self.domains[map].to)),
            (None, _) | (_, None) => Cow::Borrowed(email),
        }
    }

    /// The workspace as it is called here; a name that is not in the map is its own.
    pub(super) fn workspace<'t>(&'t self, text: &'t str) -> &'t str {
        self.workspaces.as_ref().and_then(|map| map.get(text)).map_or(text, String::as_str)
    }

    /// The role that a name of another place means here, if the map has it.
    pub(super) fn role(&self, text: &str) -> Option<Level> {
        if self.roles.is_empty() {
            None
        } else {
            self.roles.get(&text.trim().to_lowercase()).map(|role| role.level)
        }
    }
}

/// Which mappings some row of a roster has needed.
#[derive(Debug, Default)]
pub(super) struct Used {
    domains: HashSet<usize>,
    workspaces: HashSet<String>,
    roles: HashSet<String>,
}

impl Used {
    pub(super) fn domain(&mut self, maps: &Maps, email: &str) {
        self.domains.extend(maps.domain_of(email));
    }

    pub(super) fn workspace(&mut self, maps: &Maps, text: &str) {
        if maps.workspaces.as_ref().is_some_and(|map| map.contains_key(text)) {
            self.workspaces.insert(text.to_owned());
        }
    }

    pub(super) fn role(&mut self, text: &str) {
        let text = text.trim().to_lowercase();
        if !self.roles.contains(&text) {
            self.roles.insert(text);
        }
    }

    /// What no row has needed, in a sentence for each map that has such a thing.
    pub(super) fn unused(&self, maps: &Maps) -> Vec<String> {
        let domains = (maps.domains.iter().enumerate())
            .filter(|(place, _)| !self.domains.contains(place))
            .map(|(_, map)| map.from.as_str());
        let workspaces = maps.workspaces.iter().flatten().map(|(from, _)| from.as_str());
        let roles = maps.roles.keys().map(String::as_str);
        [
            ("--map-email-domain: no address of the roster is in", domains.collect()),
            (
                "--workspace-map: no row of the roster has the workspace",
                workspaces.filter(|from| !self.workspaces.contains(*from)).collect(),
            ),
            (
                "--role-map: no row of the roster needs the role",
                roles.filter(|from| !self.roles.contains(*from)).collect(),
            ),
        ]
        .into_iter()
        .filter_map(|(what, names)| Some(format!("{what} {}", list(names)?)))
        .collect()
    }
}

/// The first names in order, and how many more there are; none if there is none.
fn list(mut names: Vec<&str>) -> Option<String> {
    const SHOWN: usize = 5;
    if names.is_empty() {
        return None;
    }
    names.sort_unstable();
    let mut shown: Vec<String> = names.iter().take(SHOWN).map(|name| quoted(name)).collect();
    if names.len() > SHOWN {
        shown.push(format!("and {} more", names.len() - SHOWN));
    }
    Some(shown.join(", "))
}

/// Reads a map of workspaces: CSV with the header `from,to`.
///
/// # Errors
/// If it cannot be read, or is no map.
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
/// If it cannot be read, or is no map.
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

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_domain_is_mapped_and_others_stay() {
        let maps =
            Maps { domains: vec!["@Old.example.com = example.com".parse().unwrap()], ..Maps::default() };
        let table = [
            ("ana@old.example.com", "ana@example.com"),
            ("ana@very.old.example.com", "ana@very.old.example.com"),
            ("ana@example.com", "ana@example.com"),
        ];
        for (email, expected) in table {
            assert_eq!(maps.email(email), expected);
        }
        let map = |text: &str| text.parse::<DomainMap>().unwrap();
        let contradict = |other: &str| map("old.example.com=example.com").contradicts(&map(other));
        assert!(contradict("Old.example.com=example.org"));
        assert!(!contradict("old.example.com=example.com") && !contradict("older.example.com=example.org"));
        for bad in ["*.example.com=example.com", "a.example.com;b.example.com=c.example.com"] {
            assert!(bad.parse::<DomainMap>().is_err(), "{bad}");
        }
        for bad in ["", "old.example.com", "=example.com", "a b=example.com", "old.example.com=x@y"] {
            assert!(bad.parse::<DomainMap>().is_err(), "{bad}");
        }
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
    fn mappings_that_no_row_needs_are_named() {
        let maps = Maps {
            domains: vec![
                "old.example.com=a.example".parse().unwrap(),
                "odl.example.com=a.example".parse().unwrap(),
            ],
            workspaces: Some((0..8).map(|number| (format!("W{number}"), String::new())).collect()),
            roles: HashMap::from([("owner".to_owned(), Role::workspace(Level::Admin))]),
        };
        let mut used = Used::default();
        used.domain(&maps, "ana@old.example.com");
        used.workspace(&maps, "W0");
        used.workspace(&maps, "Finance");
        assert_eq!(
            used.unused(&maps),
            [
                "--map-email-domain: no address of the roster is in `odl.example.com`",
                "--workspace-map: no row of the roster has the workspace `W1`, `W2`, `W3`, `W4`, `W5`, and 2 more",
                "--role-map: no row of the roster needs the role `owner`",
            ]
        );
        used.role("Owner ");
        assert_eq!(used.unused(&maps).len(), 2);
        assert!(Used::default().unused(&Maps::default()).is_empty());
    }

    #[test]
    fn a_domain_is_mapped_in_either_spelling() {
        for (map, email) in [
            ("münchen.example=example.com", "ann@xn--mnchen-3ya.example"),
            ("xn--mnchen-3ya.example=example.com", "ann@münchen.example"),
        ] {
            let maps = Maps { domains: vec![map.parse().unwrap()], ..Maps::default() };
            assert_eq!(maps.email(email), "ann@example.com");
        }
    }

    #[test]
    fn a_role_of_another_place_becomes_one_of_houston() {
        let good = file("from,to\nOwner,admin\nconsumer,WORKSPACE_VIEWER\n");
        let maps = Maps { roles: role_map(good.path()).unwrap(), ..Maps::default() };
        assert_eq!(maps.role("OWNER "), Some(Level::Admin));
        assert_eq!(maps.role("consumer"), Some(Level::Viewer));
        assert_eq!(maps.role("editor"), None);
        let bad = file("from,to\nowner,boss\n");
        assert!(role_map(bad.path()).unwrap_err().to_string().contains("`boss` is not a role"));
    }
}
