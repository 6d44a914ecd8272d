//! `--protect`: people who are neither removed nor demoted, whatever the roster says.
//!
//! Main type: [`Protect`]. Pure: it compares names with patterns and remembers which patterns matched.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::model::Glob;

/// The patterns of `--protect`; clones share what has matched. A person is protected if any of their addresses or their user name
/// matches one of them, without regard to case.
#[derive(Debug, Clone, Default)]
pub struct Protect(Vec<Pattern>);

#[derive(Debug, Clone)]
struct Pattern {
    text: String,
    glob: Glob,
    has_matched: Arc<AtomicBool>,
}

impl Protect {
    /// No pattern.
    pub const NONE: Self = Self(Vec::new());

    /// Patterns as the user wrote them.
    pub fn new<'p>(patterns: impl IntoIterator<Item = &'p String>) -> Self {
        let pattern = |text: &String| Pattern {
            text: text.clone(),
            glob: Glob::new(&text.to_lowercase()),
            has_matched: Arc::default(),
        };
        Self(patterns.into_iter().map(pattern).collect())
    }

    /// Whether a person with these names, in lower case, is protected. Every pattern that matches is
    /// remembered.
    pub fn covers<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> bool {
        let mut covers = false;
        for name in names {
            for pattern in self.0.iter().filter(|pattern| pattern.glob.matches_email(name)) {
                pattern.has_matched.store(true, Ordering::Relaxed);
                covers = true;
            }
        }
        covers
    }

    /// The patterns that have matched no name so far, as the user wrote them.
    pub fn unmatched(&self) -> impl Iterator<Item = &str> {
        let unmatched = self.0.iter().filter(|pattern| !pattern.has_matched.load(Ordering::Relaxed));
        unmatched.map(|pattern| pattern.text.as_str())
    }

    /// Whether there is no pattern.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Both lists of patterns: each pattern once, in their order.
pub fn union<'p>(lists: impl IntoIterator<Item = &'p [String]>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for pattern in lists.into_iter().flatten() {
        if !all.contains(pattern) {
            all.push(pattern.clone());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_any_name_in_any_case_and_remembers_it() {
        let protect = Protect::new(&["BOT-*".to_owned(), "ann@example.com".to_owned(), "svc".to_owned()]);
        assert!(protect.covers(["other@example.com", "bot-7"]));
        assert!(!protect.covers(["svc-1@example.com"]), "a pattern matches the whole name");
        assert_eq!(protect.unmatched().collect::<Vec<_>>(), ["ann@example.com", "svc"]);
        assert!(protect.covers(["ann@example.com"]));
        assert_eq!(protect.unmatched().collect::<Vec<_>>(), ["svc"]);
    }

    #[test]
    fn two_lists_are_joined_without_repeats() {
        let (one, two) = (["a".to_owned(), "b".to_owned()], ["b".to_owned(), "c".to_owned()]);
        assert_eq!(union([&one[..], &two[..]]), ["a", "b", "c"]);
    }
}
