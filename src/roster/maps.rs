//! Names of another installation and what they are called here, for moves between installations.
//!
//! Main type: [`Maps`]. It changes what a row means, never what it says: reports keep the cells of
//! the file.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Error;
use super::email::{OddAddresses, parse_email};
use super::issue::{Issue, quoted};
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

    /// The role that a foreign role name means here, if the map has it.
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
            .filter(|(index, _)| !self.domains.contains(index))
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

/// The first names in order, and how many more follow; none without names.
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
