//! A roster export as a state: its workspaces, and its people as active users with their roles.
//!
//! Main function: [`read`]. Takes CSV with a header or a JSON array of objects; both have `email`,
//! `role` and `workspace`, and may have `workspace_id` beside it.

use std::collections::HashMap;

use serde::Deserialize;

use super::roles::{Role, Status};
use super::state::{State, StateBinding, StateError, StateUser, StateWorkspace};

/// One membership of an export.
#[derive(Debug, Default, Deserialize)]
struct Row {
    email: String,
    role: String,
    /// An id or a label.
    #[serde(default)]
    workspace: String,
    #[serde(default)]
    workspace_id: String,
}

/// Reads an export.
pub(super) fn read(text: &str) -> Result<State, StateError> {
    let rows = if text.trim_start().starts_with('[') {
        serde_json::from_str(text).map_err(StateError::Json)?
    } else {
        csv_rows(text)?
    };
    state_of(rows)
}

fn csv_rows(text: &str) -> Result<Vec<Row>, StateError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let headers = reader.headers().map_err(StateError::Csv)?.clone();
    let find = |names: &[&str]| {
        headers.iter().position(|header| names.iter().any(|name| header.eq_ignore_ascii_case(name)))
    };
    let email = find(&["email", "user", "username", "mail"]).ok_or(StateError::Column("email"))?;
    let role = find(&["role"]).ok_or(StateError::Column("role"))?;
    let label = find(&["workspace", "workspace_label", "workspace_name"]);
    let id = find(&["workspace_id"]);
    if label.is_none() && id.is_none() {
        return Err(StateError::Column("workspace"));
    }
    let row = |record: csv::Result<csv::StringRecord>| {
        let record = record.map_err(StateError::Csv)?;
        let cell =
            |place: Option<usize>| place.and_then(|place| record.get(place)).unwrap_or_default().to_owned();
        Ok(Row {
            email: cell(Some(email)),
            role: cell(Some(role)),
            workspace: cell(label),
            workspace_id: cell(id),
        })
    };
    reader.into_records().map(row).collect()
}

/// A cell of the form of an id names the workspace by id, any other by label.
fn state_of(rows: Vec<Row>) -> Result<State, StateError> {
    let mut state = State::empty();
    let (mut users, mut workspaces) = (HashMap::new(), HashMap::new());
    for (number, row) in rows.into_iter().enumerate() {
        let Row { email, role, workspace: label, workspace_id } = row;
        let role = role_of_cell(&role).ok_or(StateError::Role { row: number + 1, role })?;
        let key = if workspace_id.is_empty() { label.clone() } else { workspace_id };
        let workspace = *workspaces.entry(key).or_insert_with_key(|key| {
            let made = made_id("w", state.workspaces.len());
            let id = if is_id(key) { key.clone() } else { made };
            let label = Some(if label.is_empty() { key.clone() } else { label });
            state.workspaces.push(StateWorkspace { id, label, description: None, created_at: None });
            state.workspaces.len() - 1
        });
        let user = *users.entry(email.to_lowercase()).or_insert_with_key(|address| {
            state.users.push(StateUser {
                id: made_id("u", state.users.len()),
                username: address.clone(),
                full_name: None,
                status: Status::Active,
                emails: vec![address.clone()],
                created_at: None,
            });
            state.users.len() - 1
        });
        state.bindings.push(StateBinding {
            id: made_id("b", state.bindings.len()),
            role,
            user: state.users[user].id.clone(),
            workspace: Some(state.workspaces[workspace].id.clone()),
            deployment: None,
        });
    }
    Ok(state)
}

/// An id made from a count: 25 characters, as Houston's are.
fn made_id(kind: &str, count: usize) -> String {
    format!("cx{kind}{count:022}")
}

/// Whether this has the form of Houston's ids.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == 25
        && text.starts_with('c')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fn role_of_cell(cell: &str) -> Option<Role> {
    let upper = cell.to_uppercase();
    let name = if upper.starts_with("WORKSPACE_") { upper } else { format!("WORKSPACE_{upper}") };
    Role::from_name(&name).filter(|role| role.is_workspace())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    const FINANCE: &str = "ckfinance0000000000000002";

    #[test]
    fn an_export_becomes_workspaces_and_active_users() {
        let text = format!(
            "Email,role,workspace,team\nAna@x.org,admin,Finance,a\nana@x.org,WORKSPACE_VIEWER,{FINANCE},b\n"
        );
        let state = read(&text).unwrap();
        assert_eq!(state.users.len(), 1);
        assert_eq!(state.users[0].emails, ["ana@x.org"]);
        assert_eq!(state.workspaces[0].label.as_deref(), Some("Finance"));
        assert_eq!(state.workspaces[1].id, FINANCE);
        assert_eq!(state.bindings[0].role, Role::WorkspaceAdmin);
        assert_eq!(state.bindings[1].role, Role::WorkspaceViewer);
        assert!(state.users.iter().all(|user| is_id(&user.id)));
    }

    #[test]
    fn label_and_id_may_both_be_given_in_csv_and_in_json() {
        let csv = format!("email,role,workspace,workspace_id\na@x.org,viewer,Finance,{FINANCE}\n");
        let json = format!(
            "[{{\"email\":\"a@x.org\",\"role\":\"viewer\",\"workspace\":\"Finance\",\"workspace_id\":\"{FINANCE}\",\"more\":1}}]"
        );
        let (csv, json) = (read(&csv).unwrap(), read(&json).unwrap());
        assert_eq!(csv, json);
        assert_eq!(
            (csv.workspaces[0].id.as_str(), csv.workspaces[0].label.as_deref()),
            (FINANCE, Some("Finance"))
        );
    }

    #[test]
    fn a_bad_export_says_what_is_wrong_and_where() {
        let wrong = |text: &str| read(text).unwrap_err().to_string();
        assert_eq!(wrong("email,workspace\n"), "the export has no column \"role\"");
        assert_eq!(wrong("email,role\n"), "the export has no column \"workspace\"");
        assert_eq!(
            wrong("email,role,workspace\na@x.org,boss,F\n"),
            "row 1: \"boss\" is not a workspace role"
        );
    }
}
