//! The columns that a roster can have.
//!
//! Main types: [`Column`] and the table [`COLUMNS`]. Which header of a file means which column is found out
//! by [`super::columns`].

use serde::{Deserialize, Serialize};

use crate::model::runs_as_formula;

/// A column that means something to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// Who.
    Email,
    /// As what.
    Role,
    /// Where, as id or label.
    Workspace,
    /// Roles in deployments of that workspace.
    DeploymentRoles,
}

/// What a column is called.
#[derive(Debug)]
pub struct ColumnSpec {
    /// Which one.
    pub column: Column,
    /// The names a header may have, in lower case; the first is the proper one.
    pub names: &'static [&'static str],
}

/// Every column that we know.
pub const COLUMNS: [ColumnSpec; 4] = [
    ColumnSpec { column: Column::Email, names: &["email", "user", "username", "mail"] },
    ColumnSpec { column: Column::Role, names: &["role"] },
    ColumnSpec {
        column: Column::Workspace,
        names: &["workspace", "workspace_id", "workspace_label", "workspace_name"],
    },
    ColumnSpec { column: Column::DeploymentRoles, names: &["deployment_roles"] },
];

impl Column {
    /// The proper name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Role => "role",
            Self::Workspace => "workspace",
            Self::DeploymentRoles => "deployment_roles",
        }
    }

    /// The column a header of this name means; how many blanks it has and capitals do not matter.
    pub fn named(header: &str) -> Option<Self> {
        let header = header_form(header);
        COLUMNS.iter().find(|spec| spec.names.contains(&header.as_str())).map(|spec| spec.column)
    }
}

/// A header as headers are compared: runs of blanks, no-break spaces and line breaks are one blank,
/// capitals do not matter. Two of the same form are one name.
pub fn header_form(header: &str) -> String {
    let header = header.trim_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}');
    // Reports have it before a header that a spreadsheet would run.
    let header = match header.strip_prefix('\'') {
        Some(rest) if runs_as_formula(rest.as_bytes()) => rest.trim(),
        Some(_) | None => header,
    };
    header.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}
