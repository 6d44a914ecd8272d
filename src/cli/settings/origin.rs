//! Where the value of a flag comes from if it was not typed.
//!
//! Main types: [`Origin`] and [`Origins`].

use std::collections::BTreeMap;
use std::fmt;

use super::file::Position;

/// Where a value that was not typed comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// This variable of the environment.
    Variable(String),
    /// This key of the settings file.
    Key {
        /// The key.
        key: String,
        /// The target whose table it is in; none at the top of the file.
        target: Option<String>,
        /// Its position.
        at: Position,
    },
}

impl Origin {
    /// The words of a note on a flag's value: "is set by ...".
    pub fn is_set(&self) -> String {
        match self {
            Self::Variable(name) => format!("is set by {name}"),
            Self::Key { at, .. } => format!("is set at {at}"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => f.write_str(name),
            Self::Key { key, at, .. } => write!(f, "{at}: {key}"),
        }
    }
}

/// How far from the user a value was set. A nearer one overrides the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Distance {
    /// It was typed.
    Typed,
    /// It comes from a variable.
    Variable,
    /// It comes from the table of the chosen target in the file.
    Target,
    /// It comes from the top of the file, or is not set.
    File,
}

/// The flags that have a value without being typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    by_flag: BTreeMap<String, Origin>,
    /// The settings file and the names of its targets, if it has any and none was chosen.
    targets: Option<String>,
}

impl Origins {
    /// Records where the value of a flag comes from; the flag without its dashes.
    pub fn insert(&mut self, flag: &str, origin: Origin) {
        self.by_flag.insert(flag.to_owned(), origin);
    }

    /// Where the value of this flag comes from; none if it was typed, or has no value.
    pub fn get(&self, flag: &str) -> Option<&Origin> {
        self.by_flag.get(flag)
    }

    /// Forgets where the values of these flags come from, of which another one is used.
    pub fn forget(&mut self, flags: &[&str]) {
        self.by_flag.retain(|flag, _| !flags.contains(&flag.as_str()));
    }

    /// Records which targets could have been chosen.
    pub fn offer(&mut self, targets: String) {
        self.targets = Some(targets);
    }

    /// Which targets of the settings file could have been chosen.
    pub fn offered(&self) -> Option<&str> {
        self.targets.as_deref()
    }

    /// A note for each of these flags, without their dashes, that was not typed.
    pub fn notes(&self, flags: &[&str]) -> Vec<String> {
        let set = flags.iter().filter_map(|flag| Some((flag, self.get(flag)?)));
        set.map(|(flag, origin)| format!("--{flag} {}", origin.is_set())).collect()
    }

    /// How far from the user the value of a flag was set that was not typed.
    pub fn distance(&self, flag: &str) -> Distance {
        match self.get(flag) {
            Some(Origin::Variable(_)) => Distance::Variable,
            Some(Origin::Key { target: Some(_), .. }) => Distance::Target,
            Some(Origin::Key { target: None, .. }) | None => Distance::File,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_about_flags_that_were_not_typed() {
        let mut origins = Origins::default();
        origins.insert("url", Origin::Variable("HOUSTON_ONBOARD_URL".to_owned()));
        let at = Position { path: "s.toml".into(), line: 2, column: 1 };
        origins.insert("ca-file", Origin::Key { key: "ca-file".to_owned(), target: None, at });
        let notes = origins.notes(&["ca-file", "domain", "url"]);
        assert_eq!(notes, ["--ca-file is set at s.toml:2:1", "--url is set by HOUSTON_ONBOARD_URL"]);
    }
}
