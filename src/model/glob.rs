//! Patterns for people and workspaces.
//!
//! Main type: [`Glob`]. Pure.

use super::other_spelling;
use serde::{Deserialize, Serialize};

/// A pattern in which `*` stands for any text and `?` for one character.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Glob(Vec<char>);

impl From<String> for Glob {
    fn from(pattern: String) -> Self {
        Self::new(&pattern)
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> Self {
        glob.0.into_iter().collect()
    }
}

impl Glob {
    /// The pattern as written.
    pub fn new(pattern: &str) -> Self {
        Self(pattern.chars().collect())
    }

    /// Whether an address fits, in either spelling of an international domain.
    pub fn matches_email(&self, email: &str) -> bool {
        self.matches(email) || other_spelling(email).is_some_and(|other| self.matches(&other))
    }

    /// Whether the whole text fits.
    pub fn matches(&self, text: &str) -> bool {
        let pattern = &self.0;
        let (mut rest, mut p) = (text.chars(), 0);
        // Where to continue if the last star has to take one character more.
        let mut star: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            let mut ahead = rest.clone();
            match (pattern.get(p), ahead.next()) {
                (Some('*'), _) => {
                    p += 1;
                    star = Some((p, rest.clone()));
                    continue;
                }
                (Some(&want), Some(c)) if want == '?' || want == c => {
                    p += 1;
                    rest = ahead;
                    continue;
                }
                (None, None) => return true,
                _ => {}
            }
            let Some((after, mut from)) = star.take() else { return false };
            if from.next().is_none() {
                return false;
            }
            p = after;
            rest = from.clone();
            star = Some((after, from));
        }
    }
}
