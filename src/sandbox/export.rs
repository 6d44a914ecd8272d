//! An export as a state: its workspaces and its people, with their roles.
//!
//! Main function: [`read`]. Takes CSV with a header or a JSON array of objects; both have `email`,
//! `role` and `workspace`, and may have `workspace_id` beside it; then everybody is an active user.
//! What the command `export` writes tells more, as CSV or as a JSON object: labels, who is pending,
//! and roles in deployments.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::Deserialize;

use super::roles::{Role, Status};
use super::state::{
    State, StateBinding, StateDeployment, StateError, StateInvite, StateUser, StateWorkspace,
};
use super::table::Table;

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
    /// The label, where the workspace is surely an id; empty if it has none.
    #[serde(default)]
    label: Option<String>,
    /// `pending` or `invited` for who has never logged in.
    #[serde(default)]
    membership: String,
    /// `release-name=DEPLOYMENT_EDITOR;...`
    #[serde(default)]
    deployment_roles: String,
}

/// The JSON that the command `export` writes.
#[derive(Debug, Deserialize)]
struct Object {
    workspaces: Vec<ObjectWorkspace>,
}

#[derive(Debug, Deserialize)]
struct ObjectWorkspace {
    id: String,
    label: Option<String>,
    members: Vec<ObjectMember>,
}

#[derive(Debug, Deserialize)]
struct ObjectMember {
    email: Option<String>,
    role: Option<String>,
    membership: String,
    deployment_roles: Option<String>,
    left_out_of_csv: Option<String>,
}

/// Reads an export.
pub(super) fn read(text: &str) -> Result<State, StateError> {
    if text.trim_start().starts_with('{') {
        let object: Object = serde_json::from_str(text).map_err(StateError::Json)?;
        return of_object(object);
    }
    let rows = if text.trim_start().starts_with('[') {
        numbered(serde_json::from_str(text).map_err(StateError::Json)?)
    } else {
        csv_rows(text)?
    };
    state_of(State::empty(), rows)
}

/// Whether a JSON object is an export and no state.
pub(super) fn is_object(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Mark {
        export: Option<u32>,
    }
    serde_json::from_str::<Mark>(text).is_ok_and(|mark| mark.export.is_some())
}

fn of_object(object: Object) -> Result<State, StateError> {
    let (mut state, mut rows) = (State::empty(), Vec::new());
    for ObjectWorkspace { id, label, members } in object.workspaces {
        let named = label.clone().unwrap_or_default();
        state.workspaces.push(StateWorkspace { id: id.clone(), label, description: None, created_at: None });
        rows.extend(members.into_iter().filter(|one| one.left_out_of_csv.is_none()).map(|one| Row {
            email: one.email.unwrap_or_default(),
            role: one.role.unwrap_or_default(),
            workspace: id.clone(),
            workspace_id: String::new(),
            label: Some(named.clone()),
            membership: one.membership,
            deployment_roles: one.deployment_roles.unwrap_or_default(),
        }));
    }
    state_of(state, numbered(rows))
}

/// The rows of a JSON document, which has no lines of its own.
fn numbered(rows: Vec<Row>) -> Vec<(String, Row)> {
    (1..).map(|number: usize| format!("row {number}")).zip(rows).collect()
}

fn csv_rows(text: &str) -> Result<Vec<(String, Row)>, StateError> {
    const EMAIL: [&str; 4] = ["email", "user", "username", "mail"];
    const NAME: [&str; 3] = ["workspace", "workspace_label", "workspace_name"];
    const REST: [&str; 5] = ["role", "workspace_id", "label", "membership", "deployment_roles"];
    let table = Table::read(text, &[&EMAIL[..], &NAME, &REST].concat())?;
    let find = |names: &[&str]| table.find(names);
    let email = find(&EMAIL).ok_or(StateError::Column("email"))?;
    let role = find(&["role"]).ok_or(StateError::Column("role"))?;
    let name = find(&NAME);
    let id = find(&["workspace_id"]);
    if name.is_none() && id.is_none() {
        return Err(StateError::Column("workspace"));
    }
    // Only the command `export` writes both of these.
    let ours = find(&["label"]).zip(find(&["membership"]));
    let deployment_roles = ours.and_then(|_| find(&["deployment_roles"]));
    let row = |(line, record): &(usize, csv::StringRecord)| {
        let cell = |place: Option<usize>| {
            without_guard(place.and_then(|place| record.get(place)).unwrap_or_default()).to_owned()
        };
        let row = Row {
            email: cell(Some(email)),
            role: cell(Some(role)),
            workspace: cell(name),
            workspace_id: cell(id),
            label: ours.map(|(label, _)| cell(Some(label))),
            membership: cell(ours.map(|(_, membership)| membership)),
            deployment_roles: cell(deployment_roles),
        };
        (format!("line {line}"), row)
    };
    Ok(table.rows.iter().map(row).collect())
}

/// A cell without the apostrophe that keeps a spreadsheet from running it.
fn without_guard(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.trim_start().starts_with(['=', '+', '-', '@']) => rest.trim(),
        _ => cell,
    }
}

/// A cell of the form of an id names the workspace by id, any other by label.
fn state_of(state: State, rows: Vec<(String, Row)>) -> Result<State, StateError> {
    let workspaces = state.workspaces.iter().enumerate().map(|(at, place)| (place.id.clone(), at)).collect();
    let mut draft = Draft { state, workspaces, users: HashMap::new(), deployments: HashMap::new() };
    for (place, row) in rows {
        draft.take(&place, &row)?;
    }
    Ok(draft.state)
}

/// A state in the making.
struct Draft {
    state: State,
    /// Places in the lists of the state, by what rows call them.
    workspaces: HashMap<String, usize>,
    users: HashMap<String, usize>,
    deployments: HashMap<String, String>,
}

impl Draft {
    fn take(&mut self, place: &str, row: &Row) -> Result<(), StateError> {
        let bad = |role: &str| StateError::Role { place: place.to_owned(), role: role.to_owned() };
        for (cell, column) in
            [(&row.email, "email"), (&format!("{}{}", row.workspace, row.workspace_id), "workspace")]
        {
            if cell.is_empty() {
                return Err(StateError::Empty { place: place.to_owned(), column });
            }
        }
        let role = role_of_cell(&row.role).ok_or_else(|| bad(&row.role))?;
        let workspace = self.workspace(row);
        let pending = matches!(row.membership.as_str(), "pending" | "invited");
        let user = self.user(&row.email, pending);
        self.bind(&user, role, Some(workspace.clone()), None);
        if pending {
            let invite = StateInvite {
                id: made_id("i", self.state.invites.len()),
                email: row.email.to_lowercase(),
                workspace: Some(workspace.clone()),
                role,
                user: Some(user.clone()),
                deployment_roles: Vec::new(),
                created_at: None,
            };
            self.state.invites.push(invite);
        }
        for part in row.deployment_roles.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, role) = part.split_once('=').ok_or_else(|| bad(part))?;
            let role = Role::from_name(role).ok_or_else(|| bad(part))?;
            let deployment = self.deployment(name, &workspace);
            self.bind(&user, role, None, Some(deployment));
        }
        Ok(())
    }

    fn workspace(&mut self, row: &Row) -> String {
        let Row { workspace: name, workspace_id, label, .. } = row;
        let key = if workspace_id.is_empty() { name } else { workspace_id };
        let list = &mut self.state.workspaces;
        let at = *self.workspaces.entry(key.clone()).or_insert_with(|| {
            let is_id = label.is_some() || is_id(key);
            let id = if is_id { key.clone() } else { made_id("w", list.len()) };
            let label = match label {
                Some(label) => Some(label.clone()).filter(|label| !label.is_empty()),
                None => Some(if name.is_empty() { key.clone() } else { name.clone() }),
            };
            list.push(StateWorkspace { id, label, description: None, created_at: None });
            list.len() - 1
        });
        list[at].id.clone()
    }

    fn user(&mut self, email: &str, pending: bool) -> String {
        let list = &mut self.state.users;
        let at = *self.users.entry(email.to_lowercase()).or_insert_with_key(|address| {
            list.push(StateUser {
                id: made_id("u", list.len()),
                username: address.clone(),
                full_name: None,
                status: Status::Pending,
                emails: vec![address.clone()],
                created_at: None,
            });
            list.len() - 1
        });
        if !pending {
            list[at].status = Status::Active;
        }
        list[at].id.clone()
    }

    fn deployment(&mut self, name: &str, workspace: &str) -> String {
        let list = &mut self.state.deployments;
        match self.deployments.entry(name.to_owned()) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(free) => {
                let (id, label) = (made_id("d", list.len()), name.to_owned());
                let (release_name, workspace) = (name.to_owned(), workspace.to_owned());
                list.push(StateDeployment { id: id.clone(), label, release_name, workspace });
                free.insert(id).clone()
            }
        }
    }

    fn bind(&mut self, user: &str, role: Role, workspace: Option<String>, deployment: Option<String>) {
        let id = made_id("b", self.state.bindings.len());
        self.state.bindings.push(StateBinding { id, role, user: user.to_owned(), workspace, deployment });
    }
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
            "line 2: \"boss\" is not a workspace role"
        );
        let csv = "\u{feff}email;role;workspace\r\n;;\r\na@x.org;admin;F\r\nb@x.org;boss;F\r\n";
        assert_eq!(wrong(csv.trim_start_matches('\u{feff}')), "line 4: \"boss\" is not a workspace role");
        assert_eq!(wrong("email,role,workspace\n,viewer,F\n"), "line 2: the cell of \"email\" is empty");
        assert_eq!(
            wrong("email,role,workspace\na@x.org,viewer\n"),
            "line 2: the cell of \"workspace\" is empty"
        );
        assert_eq!(
            wrong(r#"[{"email":"a@x.org","role":"boss","workspace":"F"}]"#),
            "row 1: \"boss\" is not a workspace role"
        );
    }

    #[test]
    fn what_the_command_export_writes_tells_more() {
        let csv = format!(
            "email,role,workspace,deployment_roles,label,membership,note\n\
             a@x.org,WORKSPACE_ADMIN,{FINANCE},solar-1=DEPLOYMENT_EDITOR,'=Sums,member,\n\
             '+b@x.org,WORKSPACE_VIEWER,{FINANCE},,'=Sums,pending,\n\
             a@x.org,WORKSPACE_VIEWER,other-id,,,member,\n"
        );
        let json = serde_json::json!({"export": 1, "workspaces": [
            {"id": FINANCE, "label": "=Sums", "members": [
                {"email": "a@x.org", "role": "WORKSPACE_ADMIN", "membership": "member",
                    "deployment_roles": "solar-1=DEPLOYMENT_EDITOR"},
                {"email": "+b@x.org", "role": "WORKSPACE_VIEWER", "membership": "pending"},
                {"email": "t@x.org", "role": null, "membership": "member", "left_out_of_csv": "no_workspace_role"}]},
            {"id": "other-id", "label": null, "members": [
                {"email": "a@x.org", "role": "WORKSPACE_VIEWER", "membership": "member"}]}]})
        .to_string();
        assert!(is_object(&json) && !is_object("{\"users\": []}"));
        let (csv, json) = (read(&csv).unwrap(), read(&json).unwrap());
        assert_eq!(csv, json);
        assert_eq!(csv.workspaces[0].label.as_deref(), Some("=Sums"));
        assert_eq!((csv.workspaces[1].id.as_str(), &csv.workspaces[1].label), ("other-id", &None));
        assert_eq!(
            csv.users.iter().map(|user| user.status).collect::<Vec<_>>(),
            [Status::Active, Status::Pending]
        );
        assert_eq!((csv.invites.len(), csv.invites[0].email.as_str()), (1, "+b@x.org"));
        assert_eq!(csv.deployments[0].release_name, "solar-1");
        assert_eq!(csv.bindings.len(), 4);
    }
}
