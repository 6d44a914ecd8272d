//! What a state of a row means.
//!
//! Main type: [`Tone`]. Its shapes and colours are in `page.css`.

/// What something means, shown as a shape and a colour beside its word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tone {
    /// Houston was changed as wished.
    Changed,
    /// Nothing had to be changed.
    Same,
    /// Failed for good.
    Failed,
    /// A later try can settle it.
    Unsettled,
    /// Never tried.
    NotTried,
    /// Would be added.
    Add,
    /// Would get another role.
    Change,
    /// Would be removed, or was.
    Remove,
    /// Stays as it is although the roster differs.
    Held,
    /// Cannot be done.
    Problem,
}

impl Tone {
    /// Its name in the markup, in the script and in the address of the page.
    pub fn key(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Same => "same",
            Self::Failed => "failed",
            Self::Unsettled => "unsettled",
            Self::NotTried => "not_tried",
            Self::Add => "add",
            Self::Change => "change",
            Self::Remove => "remove",
            Self::Held => "held",
            Self::Problem => "problem",
        }
    }

    /// Its name for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Same => "unchanged",
            Self::Failed => "failed",
            Self::Unsettled => "unsettled",
            Self::NotTried => "not tried",
            Self::Add => "to add",
            Self::Change => "to change",
            Self::Remove => "to remove",
            Self::Held => "kept",
            Self::Problem => "problems",
        }
    }
}
