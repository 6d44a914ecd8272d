//! The state of a Houston as a file: what the sandbox starts from and what `GET /state` answers.
//!
//! Main type: [`State`]. A state file is JSON: the lists below, each entry one object; every list
//! and every optional field may be left out. A roster export (`email,role,workspace`) is read
//! too. This module must not know how the state is used; `world` does.
//!
//! ```json
//! {
//!   "format": 1,
//!   "workspaces": [{"id": "ckfinance0000000000000002", "label": "Finance"}],
//!   "users": [{"id": "ckana", "username": "ana@x.org", "emails": ["ana@x.org"]}],
//!   "bindings": [{"id": "ckb1", "user": "ckana", "role": "WORKSPACE_ADMIN",
//!                 "workspace": "ckfinance0000000000000002"}],
//!   "invites": [{"id": "cki1", "email": "ben@x.org", "role": "WORKSPACE_VIEWER",
//!                "workspace": "ckfinance0000000000000002", "created_at": "2026-01-15T09:30:00Z"}]
//! }
//! ```
//!
//! A state without a system admin gets a user and a service account that are.

use std::fmt;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::export;
use super::text::text_of;
use crate::files::read_input;

/// A state ends here at the latest, in bytes.
const LONGEST: u64 = 256 << 20;
pub use super::roles::{Role, Status};

/// A state that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file could not be opened or read.
    #[error("cannot read it")]
    Read(#[source] std::io::Error),
    /// Not a state file: wrong JSON. Its text is not quoted: it may be a key.
    #[error("it is not a state file: {}", without_text(.0))]
    Json(serde_json::Error),
    /// A file of another kind.
    #[error("this is {0}, not a state or an export")]
    Foreign(&'static str),
    /// Text in an encoding whose characters have two or four bytes each.
    #[error("the file is in {0}, only UTF-8 can be read: save it as CSV UTF-8")]
    Wide(&'static str),
    /// Nothing but blank lines.
    #[error("the file is empty")]
    Empty,
    /// One entry of the file is wrong.
    #[error("{what}")]
    At {
        /// Where.
        position: Position,
        /// A lower-case fragment.
        what: String,
    },
    /// A reference to something that is not in the state, or a repeated id or address.
    #[error("{0}")]
    Inconsistent(String),
}

impl StateError {
    /// The location, to be written after the name of the file; empty for the file as a whole.
    pub fn position(&self) -> String {
        match self {
            Self::At { position, .. } => position.to_string(),
            Self::Read(_)
            | Self::Json(_)
            | Self::Foreign(_)
            | Self::Wide(_)
            | Self::Empty
            | Self::Inconsistent(_) => String::new(),
        }
    }
}

/// A location in a file, written after its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// The character of a line, both from 1.
    Text {
        /// The line.
        line: usize,
        /// The character of that line.
        column: usize,
    },
    /// An entry of a JSON list, from 1.
    Row(usize),
}

impl Position {
    /// What is wrong here.
    pub(super) fn wrong(self, what: impl Into<String>) -> StateError {
        StateError::At { position: self, what: what.into() }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { line, column } => write!(f, ":{line}:{column}"),
            Self::Row(number) => write!(f, ", row {number}"),
        }
    }
}

/// What is wrong, and where, without the text of the file.
fn without_text(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    match error.classify() {
        Category::Syntax | Category::Eof | Category::Io => error.to_string(),
        Category::Data => {
            format!(
                "an entry has another form than in a state file, at line {} column {}",
                error.line(),
                error.column()
            )
        }
    }
}

/// Everything a Houston knows about membership.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Version of this format: 1.
    #[serde(default = "one")]
    pub format: u32,
    /// Workspaces.
    #[serde(default)]
    pub workspaces: Vec<StateWorkspace>,
    /// Deployments.
    #[serde(default)]
    pub deployments: Vec<StateDeployment>,
    /// Users, active and pending.
    #[serde(default)]
    pub users: Vec<StateUser>,
    /// Role bindings, oldest first.
    #[serde(default)]
    pub bindings: Vec<StateBinding>,
    /// Invite tokens, oldest first.
    #[serde(default)]
    pub invites: Vec<StateInvite>,
    /// Service accounts.
    #[serde(default)]
    pub service_accounts: Vec<StateAccount>,
}

fn one() -> u32 {
    1
}

/// A workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateWorkspace {
    /// Its id.
    pub id: String,
    /// Its label: may be missing, need not be unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Its description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateDeployment {
    /// Its id.
    pub id: String,
    /// Its label.
    pub label: String,
    /// Its release name, unique on the platform.
    pub release_name: String,
    /// The workspace it is in.
    pub workspace: String,
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateUser {
    /// Their id.
    pub id: String,
    /// Their user name, mostly the address.
    pub username: String,
    /// Their name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full_name: Option<String>,
    /// Where they stand.
    #[serde(default)]
    pub status: Status,
    /// Their addresses, the primary one first.
    #[serde(default)]
    pub emails: Vec<String>,
    /// When they were made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}

/// A role of a user: on the platform, or in the workspace or deployment named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateBinding {
    /// Its id.
    pub id: String,
    /// The role.
    pub role: Role,
    /// The user's id.
    pub user: String,
    /// The workspace's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// The deployment's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
}

/// An invite token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateInvite {
    /// Its id.
    pub id: String,
    /// The address, lower case.
    pub email: String,
    /// The workspace; none for an invitation to the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// The role that awaits them.
    pub role: Role,
    /// The pending user it belongs to (modern model). Under the legacy model such a user is taken
    /// back out when the state is loaded: only the token stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Roles in deployments that come with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deployment_roles: Vec<(String, Role)>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}

/// A service account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateAccount {
    /// Its id.
    pub id: String,
    /// Its label.
    pub label: String,
    /// Its category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Its key: 32 characters.
    pub api_key: String,
    /// Its one role.
    pub role: Role,
    /// The workspace of that role, if it is a workspace role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// The deployment of that role, if it is a role in a deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
}

impl Default for State {
    /// The built-in world: seven workspaces (two share a label), 160 people of whom twelve are
    /// members somewhere, two pending ones, four deployments.
    fn default() -> Self {
        serde_json::from_str(include_str!("state/default.json")).expect("the built-in state is valid")
    }
}

impl State {
    /// A Houston with nothing in it.
    pub fn empty() -> Self {
        serde_json::from_str("{}").expect("every list may be left out")
    }

    /// Reads a state file or an export: CSV, a JSON array, or what the command `export` writes.
    pub fn read(path: &Path) -> Result<Self, StateError> {
        let bytes = read_input(path, LONGEST).map_err(StateError::Read)?;
        let text = text_of(bytes)?;
        if text.trim_start().starts_with('{') && !export::is_object(&text) {
            serde_json::from_str(&text).map_err(StateError::Json)
        } else {
            export::read(&text)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_state_is_as_described() {
        let state = State::default();
        let active = state.users.iter().filter(|user| user.status == Status::Active).collect::<Vec<_>>();
        assert_eq!(active.len(), 160);
        for (index, user) in active.iter().enumerate() {
            let member = state.bindings.iter().any(|b| b.user == user.id && b.role.is_workspace());
            assert_eq!(member, index < 12, "{}", user.username);
            assert!(user.username.ends_with("@example.com") && export::is_id(&user.id));
            assert_eq!(user.username, user.username.to_lowercase());
        }
        assert_eq!(state.users.len(), 162);
        assert_eq!(state.workspaces.len(), 7);
        assert_eq!(state.workspaces.iter().filter(|w| w.label.as_deref() == Some("Staging")).count(), 2);
        for workspace in &state.workspaces {
            assert!(export::is_id(&workspace.id));
            let admin = |b: &&StateBinding| {
                b.workspace.as_ref() == Some(&workspace.id) && b.role == Role::WorkspaceAdmin
            };
            assert!(state.bindings.iter().any(|b| admin(&b)), "{:?} has no admin", workspace.label);
        }
        let mut addresses = state.users.iter().map(|user| &user.emails[0]).collect::<Vec<_>>();
        addresses.sort_unstable();
        addresses.dedup();
        assert_eq!(addresses.len(), 162);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_an_error() {
        for path in ["/dev/zero", "/"] {
            assert!(matches!(State::read(Path::new(path)), Err(StateError::Read(_))), "{path}");
        }
    }

    #[test]
    fn a_state_survives_writing_and_reading() {
        let state = State::default();
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
    }
}
