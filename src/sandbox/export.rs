//! An export as a state: its workspaces and its people, with their roles.
//!
//! Main function: [`read`]. Takes CSV with a header or a JSON array of objects; both have `email`,
//! `role` and `workspace`, and may have `workspace_id` beside it; then everyone is an active user.
//! The output of the command `export`, as CSV or as a JSON object, has more: labels, pending
//! people, and roles in deployments.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::Deserialize;

use super::roles::{Role, Status};
use super::state::{
    Position, State, StateBinding, StateDeployment, StateError, StateInvite, StateUser, StateWorkspace,
};
use super::table::{Cell, Table, header_form, is_unseen, shown};

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
fn numbered(rows: Vec<Row>) -> Vec<(Positions, Row)> {
    (1..).map(|number| Positions::all(Position::Row(number))).zip(rows).collect()
}

/// Where the cells of a row are.
#[derive(Debug, Clone, Copy)]
struct Positions {
    email: Position,
    role: Position,
    workspace: Position,
    deployment_roles: Position,
}

impl Positions {
    fn all(position: Position) -> Self {
        Self { email: position, role: position, workspace: position, deployment_roles: position }
    }
}

const EMAIL: &[&str] = &["email", "user", "username", "mail"];
const ROLE: &[&str] = &["role"];
const NAME: &[&str] = &["workspace", "workspace_label", "workspace_name"];
const ID: &[&str] = &["workspace_id"];
const LABEL: &[&str] = &["label"];
const MEMBERSHIP: &[&str] = &["membership"];
const DEPLOYMENT_ROLES: &[&str] = &["deployment_roles"];

fn csv_rows(text: &str) -> Result<Vec<(Positions, Row)>, StateError> {
    let known = [EMAIL, ROLE, NAME, ID, LABEL, MEMBERSHIP, DEPLOYMENT_ROLES].concat();
    let table = Table::read(text, &known)?;
    if let Some(error) = table.header_in_one_cell(&known) {
        return Err(error);
    }
    spoilt(&table.headers, &known)?;
    let columns = Columns::find(&table)?;
    table.rows().map(|row| columns.row(&table, &row?)).collect()
}

/// Refuses headers that would mean something without what cannot be seen in them, or without quotes.
fn spoilt(headers: &[Cell<'_>], known: &[&str]) -> Result<(), StateError> {
    let means = |header: &str| known.contains(&header_form(header).as_str());
    for Cell { text, position } in headers.iter().filter(|header| !means(&header.text)) {
        let seen: String = text.chars().filter(|&c| !is_unseen(c)).collect();
        if let Some(c) = text.chars().find(|&c| is_unseen(c)).filter(|_| means(&seen)) {
            let what =
                format!("the header {seen:?} has the invisible character U+{:04X} in it", u32::from(c));
            return Err(position.wrong(what));
        }
        if means(text.trim_matches('"')) {
            return Err(position.wrong(format!("the header {} is quoted twice", shown(text))));
        }
    }
    Ok(())
}

/// Which cell of a row is which column.
#[derive(Debug)]
struct Columns {
    email: usize,
    role: usize,
    name: Option<usize>,
    id: Option<usize>,
    /// Label and membership: only the command `export` writes both of these.
    ours: Option<(usize, usize)>,
    deployment_roles: Option<usize>,
}

impl Columns {
    fn find(table: &Table<'_>) -> Result<Self, StateError> {
        let headers = &table.headers;
        let first = headers[0].position;
        let missing = |name: &str| {
            if let Some(data) = headers.iter().find(|cell| no_address(&cell.text).is_none()) {
                let what = format!(
                    "the file has no header row: the first row has the address {}",
                    shown(&data.text)
                );
                return data.position.wrong(what);
            }
            table.first_rows().find(|row| is_header(row)).map_or_else(
                || first.wrong(format!("the export has no column {name:?}")),
                |row| {
                    row[0]
                        .position
                        .wrong("the header begins here, not on the first line: delete the lines above it")
                },
            )
        };
        let email = column(headers, EMAIL)?.ok_or_else(|| missing("email"))?;
        let role = column(headers, ROLE)?.ok_or_else(|| missing("role"))?;
        let (name, id) = (column(headers, NAME)?, column(headers, ID)?);
        if name.is_none() && id.is_none() {
            return Err(missing("workspace"));
        }
        let ours = column(headers, LABEL)?.zip(column(headers, MEMBERSHIP)?);
        let deployment_roles = column(headers, DEPLOYMENT_ROLES)?.filter(|_| ours.is_some());
        Ok(Self { email, role, name, id, ours, deployment_roles })
    }

    /// How many cells a row has at least.
    fn needed(&self) -> usize {
        let Self { email, role, name, id, ours: _, deployment_roles: _ } = self;
        [Some(*email), Some(*role), name.or(*id)].into_iter().flatten().max().unwrap_or(0) + 1
    }

    fn row(&self, table: &Table<'_>, cells: &[Cell<'_>]) -> Result<(Positions, Row), StateError> {
        table.check(cells, self.needed(), self.email)?;
        let Self { email, role, name, id, ours, deployment_roles } = self;
        let needed = [Some(*email), Some(*role), *name, *id].into_iter().flatten();
        if let Some(cell) =
            needed.filter_map(|column| cells.get(column)).find(|cell| is_quoted_twice(&cell.text))
        {
            return Err(cell
                .position
                .wrong("the cell is quoted twice: the quotes would be part of its text"));
        }
        let cell = |column: Option<usize>| {
            let cell = column.and_then(|column| cells.get(column));
            without_guard(cell.map_or("", |cell| &*cell.text)).to_owned()
        };
        let position = |column: Option<usize>| {
            column.and_then(|column| cells.get(column)).map_or(cells[0].position, |cell| cell.position)
        };
        let positions = Positions {
            email: position(Some(*email)),
            role: position(Some(*role)),
            workspace: position(name.or(*id)),
            deployment_roles: position(*deployment_roles),
        };
        let row = Row {
            email: cell(Some(*email)),
            role: cell(Some(*role)),
            workspace: cell(*name),
            workspace_id: cell(*id),
            label: ours.map(|(label, _)| cell(Some(label))),
            membership: cell(ours.map(|(_, membership)| membership)),
            deployment_roles: cell(*deployment_roles),
        };
        Ok((positions, row))
    }
}

/// Which header has one of these names; two of them would leave open which one counts.
fn column(headers: &[Cell<'_>], names: &[&str]) -> Result<Option<usize>, StateError> {
    let mut found = (0..headers.len()).filter(|&at| names.contains(&header_form(&headers[at].text).as_str()));
    let first = found.next();
    match (first, found.next()) {
        (Some(first), Some(second)) => {
            let (one, other) = (shown(&headers[first].text), shown(&headers[second].text));
            let what = format!("{one} and {other} both mean the column {:?}", names[0]);
            Err(headers[second].position.wrong(what))
        }
        (_, None) | (None, _) => Ok(first),
    }
}

fn is_header(row: &[Cell<'_>]) -> bool {
    let has = |names: &[&str]| row.iter().any(|cell| names.contains(&header_form(&cell.text).as_str()));
    has(EMAIL) && has(ROLE) && (has(NAME) || has(ID))
}

fn is_quoted_twice(text: &str) -> bool {
    text.len() > 1 && text.starts_with('"') && text.ends_with('"')
}

/// A cell without the apostrophe that keeps a spreadsheet from running it.
fn without_guard(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.trim_start().starts_with(['=', '+', '-', '@']) => rest.trim(),
        _ => cell,
    }
}

/// A cell of the form of an id names the workspace by id, any other by label.
fn state_of(state: State, rows: Vec<(Positions, Row)>) -> Result<State, StateError> {
    let workspaces = state.workspaces.iter().enumerate().map(|(at, one)| (one.id.clone(), at)).collect();
    let mut draft = Draft { state, workspaces, users: HashMap::new(), deployments: HashMap::new() };
    for (positions, row) in rows {
        draft.take(positions, &row)?;
    }
    Ok(draft.state)
}

/// A state in the making.
struct Draft {
    state: State,
    /// Indexes into the lists of the state, by what rows call them.
    workspaces: HashMap<String, usize>,
    users: HashMap<String, usize>,
    deployments: HashMap<String, String>,
}

impl Draft {
    fn take(&mut self, positions: Positions, row: &Row) -> Result<(), StateError> {
        if row.email.is_empty() {
            return Err(positions.email.wrong("the cell of \"email\" is empty"));
        }
        if let Some(what) = no_address(&row.email) {
            return Err(positions
                .email
                .wrong(format!("{} is not an email address: {what}", shown(&row.email))));
        }
        if row.workspace.is_empty() && row.workspace_id.is_empty() {
            return Err(positions.workspace.wrong("the cell of \"workspace\" is empty"));
        }
        if row.label.is_none() && row.workspace.contains(['\n', '\r', '\t']) {
            let what = format!("{} has a line break or a tab in it", shown(&row.workspace));
            return Err(positions.workspace.wrong(what));
        }
        let bad = |position: Position, role: &str| {
            position.wrong(format!("{} is not a workspace role", shown(role)))
        };
        let role = role_of_cell(&row.role).ok_or_else(|| bad(positions.role, &row.role))?;
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
            let bad =
                || positions.deployment_roles.wrong(format!("{} is not a role in a deployment", shown(part)));
            let (name, role) = part.split_once('=').ok_or_else(bad)?;
            let role = Role::from_name(role).ok_or_else(bad)?;
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

/// Why a text is not an address; odd ones are let through, because a Houston may have them.
fn no_address(text: &str) -> Option<String> {
    if let Some(c) = text.chars().find(|&c| is_unseen(c)) {
        return Some(format!("it has the invisible character U+{:04X} in it", u32::from(c)));
    }
    if text.contains(char::is_whitespace) {
        return Some("it contains a space".to_owned());
    }
    match text.rsplit_once('@') {
        None => Some("it has no `@`".to_owned()),
        Some((local, domain)) if local.is_empty() || domain.is_empty() => {
            Some("something is missing beside its `@`".to_owned())
        }
        Some(_) => None,
    }
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
        let header = "email,role,workspace\n";
        for (text, expected) in [
            ("email,workspace\n", ":1:1: the export has no column \"role\""),
            ("\nemail,role\n", ":2:1: the export has no column \"workspace\""),
            (
                "a@x.org,admin,F\nb@x.org,admin,F\n",
                ":1:1: the file has no header row: the first row has the address \"a@x.org\"",
            ),
            ("email:role:workspace\n", ":1:1: the header is separated by colons"),
            ("email role workspace\n", ":1:1: the header is separated by spaces"),
            ("\"email,role,workspace\"\n", ":1:1: the whole line is one quoted cell"),
            ("Members\nemail,role,workspace\n", ":2:1: the header begins here"),
            (
                "em\u{200b}ail,role,workspace\n",
                ":1:1: the header \"email\" has the invisible character U+200B",
            ),
            ("email,\"\"\"role\"\"\",workspace\n", ":1:7: the header \"\\\"role\\\"\" is quoted twice"),
            ("email,role,workspace,user\n", ":1:22: \"email\" and \"user\" both mean"),
            ("email;role;workspace\r\n;;\r\na@x.org;boss;F\r\n", ":3:9: \"boss\" is not a workspace role"),
            (
                "email;role;workspace\na@x.org,admin,F\n",
                ":2:1: the row is separated by commas, the header by semicolons",
            ),
            (
                "email,role,workspace,note\na@x.org,admin,F,\"x\ny\nb@x.org,admin,F,z\n\"\n",
                ":2:17: this cell holds whole rows",
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(format!("{}: {error}", error.position()).starts_with(expected), "{text:?}: {error:?}");
        }
        for (row, expected) in [
            ("a@x.org,boss,F", ":2:9: \"boss\" is not a workspace role"),
            (",viewer,F", ":2:1: the cell of \"email\" is empty"),
            ("a@x.org,viewer,", ":2:16: the cell of \"workspace\" is empty"),
            ("a@x.org,viewer", ":2:1: the row has 2 cells, the header has 3"),
            ("a@x.org,viewer,F,,junk", ":2:19: the row has 5 cells, the header has 3"),
            ("\"a@x.org,viewer,F\"", ":2:1: the whole row is one quoted cell"),
            ("a@x.org viewer F", ":2:1: the row is separated by spaces, the header by commas"),
            ("a@x.org|viewer|F", ":2:1: the row is separated by bars, the header by commas"),
            ("\"\"\"a@x.org\"\"\",viewer,F", ":2:1: the cell is quoted twice"),
            ("a.x.org,viewer,F", ":2:1: \"a.x.org\" is not an email address: it has no `@`"),
            (
                "a\u{200b}@x.org,viewer,F",
                ":2:1: \"a\\u{200b}@x.org\" is not an email address: it has the invisible character U+200B",
            ),
            ("a@x.org,viewer,\"F\nG\"", ":2:16: \"F\\nG\" has a line break"),
        ] {
            let error = read(&format!("{header}{row}\n")).unwrap_err();
            assert!(format!("{}: {error}", error.position()).starts_with(expected), "{row:?}: {error:?}");
        }
        let error = read(r#"[{"email":"a@x.org","role":"boss","workspace":"F"}]"#).unwrap_err();
        assert_eq!(format!("{}: {error}", error.position()), ", row 1: \"boss\" is not a workspace role");
        assert!(
            read("email,role,workspace,note\na@x.org,admin,F,\"Dear all,\nask him, too, b@x.org\"\n").is_ok()
        );
        let hidden = read("email,role,workspace,note\na@x.org,admin,F,\"x\nb@x.org,admin,F\"\n");
        assert_eq!(hidden.unwrap_err().position(), ":2:17");
        assert!(read("email,role,workspace,workspace_id\na@x.org,admin,F\n").is_ok());
        assert!(read("email,role,workspace,note\na@x.org,admin,F\nb@x.org,admin,F,,,\n").is_ok());
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
