//! What is about to happen, in the words of the question before it.
//!
//! Main type: [`Changes`].

use std::fmt;

/// How much is about to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changes {
    /// All changes.
    pub all: usize,
    /// How many of them remove people.
    pub removals: usize,
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let (all, removals) = (counted(self.all, "change"), counted(self.removals, "removal"));
        match self.removals {
            0 => f.write_str(&all),
            count if count == self.all => f.write_str(&removals),
            _ => write!(f, "{all}, including {removals}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_names_the_removals() {
        for (all, removals, words) in [
            (1, 0, "1 change"),
            (76, 0, "76 changes"),
            (76, 35, "76 changes, including 35 removals"),
            (2, 1, "2 changes, including 1 removal"),
            (35, 35, "35 removals"),
            (1, 1, "1 removal"),
        ] {
            assert_eq!(Changes { all, removals }.to_string(), words);
        }
    }
}
