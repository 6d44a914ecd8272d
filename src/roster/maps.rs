//! Names of another installation and what they are called here, for moves between installations.
//!
//! Main type: [`Maps`]. It changes what a row means, never what it says: reports keep the cells of
//! the file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::email::parse_email;
use super::role::parse_role;
use crate::files::read_input;
use crate::model::WorkspaceRole;

/// What is called otherwise here. The default changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maps {
    /// Domains of addresses; the first one that fits holds.
    pub domains: Vec<DomainMap>,
    /// Workspaces, by the text of the file; none where nothing is mapped.
    pub workspaces: Option<HashMap<String, String>>,
    /// Roles, by the text of the file in lower case.
    pub roles: HashMap<String, WorkspaceRole>,
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
            parse_email(&format!("a@{domain}")).map(|_| domain).map_err(|_| bad())
        };
        Ok(Self { from: domain(from)?, to: domain(to)? })
    }
}

/// A map file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// It cannot be read.
    #[error("cannot read {}", .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: csv::Error,
    },
    /// Its header is another one.
    #[error("{}:1: the header of a map is from,to", .path.display())]
    Header {
        /// Which file.
        path: PathBuf,
    },
    /// A cell is empty.
    #[error("{}:{line}: a cell is empty", .path.display())]
    Empty {
        /// Which file.
        path: PathBuf,
        /// Which line.
        line: u64,
    },
    /// One name is mapped to two.
    #[error("{}:{line}: `{from}` is mapped twice", .path.display())]
    Twice {
        /// Which file.
        path: PathBuf,
        /// Which line.
        line: u64,
        /// The name.
        from: String,
    },
    /// The second cell is no role.
    #[error("{}:{line}: `{to}` is not a role: viewer, editor or admin", .path.display())]
    Role {
        /// Which file.
        path: PathBuf,
        /// Which line.
        line: u64,
        /// What it says.
        to: String,
    },
}

impl Maps {
    /// The address as it is here.
    pub(super) fn email<'t>(&self, email: &'t str) -> Cow<'t, str> {
        let Some((name, domain)) = email.rsplit_once('@') else { return Cow::Borrowed(email) };
        match self.domains.iter().find(|map| map.from == domain) {
            Some(map) => Cow::Owned(format!("{name}@{}", map.to)),
            None => Cow::Borrowed(email),
        }
    }

    /// The workspace as it is called here; a name that is not in the map is its own.
    pub(super) fn workspace<'t>(&'t self, text: &'t str) -> &'t str {
        self.workspaces.as_ref().and_then(|map| map.get(text)).map_or(text, String::as_str)
    }

    /// The role that a name of another place means here, if the map has it.
    pub(super) fn role(&self, text: &str) -> Option<WorkspaceRole> {
        if self.roles.is_empty() { None } else { self.roles.get(&text.trim().to_lowercase()).copied() }
    }
}

/// A map ends here at the latest, in bytes.
const LONGEST_MAP: u64 = 64 << 20;

/// Reads a map of workspaces: CSV with the header `from,to`.
///
/// # Errors
/// If it cannot be read, or is no map.
pub fn workspace_map(path: &Path) -> Result<HashMap<String, String>, MapError> {
    let mut map = HashMap::new();
    for (line, from, to) in lines(path)? {
        if map.insert(from.clone(), to).is_some() {
            return Err(MapError::Twice { path: path.to_owned(), line, from });
        }
    }
    Ok(map)
}

/// Reads a map of roles: CSV with the header `from,to`; names are compared in any case.
///
/// # Errors
/// If it cannot be read, or is no map.
pub fn role_map(path: &Path) -> Result<HashMap<String, WorkspaceRole>, MapError> {
    let mut map = HashMap::new();
    for (line, from, to) in lines(path)? {
        let path = || path.to_owned();
        let role = parse_role(&to).map_err(|_| MapError::Role { path: path(), line, to: to.clone() })?;
        if map.insert(from.to_lowercase(), role).is_some() {
            return Err(MapError::Twice { path: path(), line, from });
        }
    }
    Ok(map)
}

/// The lines of a map: its number, and both cells without the blanks around them.
fn lines(path: &Path) -> Result<Vec<(u64, String, String)>, MapError> {
    let failed = |source| MapError::Unreadable { path: path.to_owned(), source };
    let bytes = read_input(path, LONGEST_MAP).map_err(csv::Error::from).map_err(failed)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes.as_slice());
    let header = reader.headers().map_err(failed)?;
    let plain = |name: &str| name.trim_start_matches('\u{FEFF}').to_lowercase();
    if header.iter().map(plain).ne(["from", "to"]) {
        return Err(MapError::Header { path: path.to_owned() });
    }
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = record.map_err(failed)?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |place: usize| record.get(place).filter(|cell| !cell.is_empty()).map(str::to_owned);
        let (Some(from), Some(to)) = (cell(0), cell(1)) else {
            return Err(MapError::Empty { path: path.to_owned(), line });
        };
        lines.push((line, from, to));
    }
    Ok(lines)
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
            ("a,b\nx,y\n", "header"),
            ("", "header"),
            ("from,to\nx,\n", ":2: a cell is empty"),
            ("from,to\nx,y\nx,z\n", ":3: `x` is mapped twice"),
            ("from,to\nx\n", "cannot read"),
        ] {
            let bad = file(text);
            let error = workspace_map(bad.path()).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        #[cfg(unix)]
        assert!(matches!(workspace_map(Path::new("/dev/zero")), Err(MapError::Unreadable { .. })));
        assert!(matches!(workspace_map(Path::new("no such file")), Err(MapError::Unreadable { .. })));
    }

    #[test]
    fn a_role_of_another_place_becomes_one_of_houston() {
        let good = file("from,to\nOwner,admin\nconsumer,WORKSPACE_VIEWER\n");
        let maps = Maps { roles: role_map(good.path()).unwrap(), ..Maps::default() };
        assert_eq!(maps.role("OWNER "), Some(WorkspaceRole::Admin));
        assert_eq!(maps.role("consumer"), Some(WorkspaceRole::Viewer));
        assert_eq!(maps.role("editor"), None);
        let bad = file("from,to\nowner,boss\n");
        assert!(role_map(bad.path()).unwrap_err().to_string().contains("`boss` is not a role"));
    }
}
