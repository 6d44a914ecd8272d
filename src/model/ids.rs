//! What names a workspace, a row of the roster and an item of a plan.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The id of a workspace as Houston gives it: not empty, no blanks. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct WorkspaceId(Arc<str>);

/// A text that cannot be a workspace id: empty, or with a blank or control character in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a workspace id is not empty and has no blanks")]
pub struct NotAWorkspaceId;

impl WorkspaceId {
    /// The stand-in for an id until the workspace is created. Never sent.
    pub fn none_yet() -> Self {
        Self("none-yet".into())
    }

    /// Takes an id as it stands; Houston's ids follow no stricter rule (`houston.md` 6).
    pub fn new(id: &str) -> Result<Self, NotAWorkspaceId> {
        if id.is_empty() || id.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(NotAWorkspaceId);
        }
        Ok(Self(id.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for WorkspaceId {
    type Error = NotAWorkspaceId;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        Self::new(&id)
    }
}

impl From<WorkspaceId> for String {
    fn from(id: WorkspaceId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for WorkspaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The number of a data row of the roster: 1 for the first row after the header, blank lines not
/// counted. Not the line in the file (a cell may span lines): see [`super::Assignment::line`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct RowNumber(NonZeroU32);

impl RowNumber {
    /// The row at this zero-based index.
    ///
    /// # Panics
    /// At four thousand million rows, which the roster reader refuses before.
    pub fn from_index(index: usize) -> Self {
        let number = u32::try_from(index).ok().and_then(|index| index.checked_add(1));
        Self(number.and_then(NonZeroU32::new).expect("a roster has fewer than 2^32 rows"))
    }

    /// The zero-based index of this row.
    pub fn index(self) -> usize {
        self.0.get() as usize - 1
    }

    /// The one-based number.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for RowNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of an item of a plan, and of its line in `plan.jsonl`: 1 for the first. Items are the rows
/// of the roster, then the roles in deployments that they want, then the people who are not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct ItemId(RowNumber);

impl ItemId {
    /// The item at this zero-based index.
    ///
    /// # Panics
    /// At four thousand million items.
    pub fn from_index(index: usize) -> Self {
        Self(RowNumber::from_index(index))
    }

    /// The zero-based index of this item.
    pub fn index(self) -> usize {
        self.0.index()
    }

    /// The one-based number.
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// The row of the roster that has this number, for an item that is a row.
    pub fn row(self) -> RowNumber {
        self.0
    }
}

impl From<RowNumber> for ItemId {
    /// The rows of the roster are the first items.
    fn from(row: RowNumber) -> Self {
        Self(row)
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_no_blanks() {
        assert!(WorkspaceId::new("ck35y9uf44y8l0a19cmwd1x8x").is_ok());
        for bad in ["", " ", "a b", "a\u{7}"] {
            assert_eq!(WorkspaceId::new(bad), Err(NotAWorkspaceId), "{bad:?}");
        }
    }
}
