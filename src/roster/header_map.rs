//! Which header of a file means which column.
//!
//! Main type: [`Columns`], the cells of one file. Says nothing about the rows.

use serde::{Deserialize, Serialize};

use super::column::{COLUMNS, Column, ColumnSpec, header_form};
use super::email::looks_like_email;
use super::issue::{Complaint, IssueKind, nearest, quoted};
use super::select::Settings;
use crate::model::{is_invisible, printable, shell_word};

impl Column {
    fn meant_by(self, header: &str, settings: &Settings) -> bool {
        let mut own = settings.columns.iter().filter(|name| name.column == self).peekable();
        if own.peek().is_some() {
            own.any(|name| header_form(&name.header) == header_form(header))
        } else {
            let taken = settings.columns.iter().any(|name| header_form(&name.header) == header_form(header));
            !taken && Self::named(header) == Some(self)
        }
    }
}

/// Which cell of a row is which column, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// The cell of the address.
    pub email: usize,
    /// The cell of the role; none if every row has the default.
    pub role: Option<usize>,
    /// The cell of the workspace; none if every row has the default.
    pub workspace: Option<usize>,
    /// The cell of the deployment roles, if the row has one.
    pub deployment_roles: Option<usize>,
}

impl Columns {
    /// How many cells a row has at least: up to the last column that every row needs.
    pub(super) fn needed(&self) -> usize {
        let Self { email, role, workspace, deployment_roles: _ } = self;
        [Some(*email), *role, *workspace].into_iter().flatten().max().unwrap_or(0) + 1
    }

    /// The cell of a column.
    pub fn cell(&self, column: Column) -> Option<usize> {
        match column {
            Column::Email => Some(self.email),
            Column::Role => self.role,
            Column::Workspace => self.workspace,
            Column::DeploymentRoles => self.deployment_roles,
        }
    }
}

/// Whether a header means a column.
pub(super) fn means_a_column(header: &str, settings: &Settings) -> bool {
    COLUMNS.iter().any(|spec| spec.column.meant_by(header, settings))
}

/// How many of the headers mean a column, for the choice of the delimiter.
pub(super) fn recognised<'a>(headers: impl Iterator<Item = &'a str>, settings: &Settings) -> usize {
    headers.filter(|header| means_a_column(header, settings)).count()
}

/// Finds the columns of a file. Complaints come with the number of the header cell they are about.
pub(super) fn resolve(headers: &[String], settings: &Settings) -> Result<Columns, Vec<(usize, Complaint)>> {
    if recognised(headers.iter().map(String::as_str), settings) == 0
        && let Some(cell) = headers.iter().position(|header| looks_like_email(header.trim()))
    {
        let complaint = Complaint::new(
            IssueKind::MissingHeader,
            format!("the file has no header row: the first row has the address {}", quoted(&headers[cell])),
        )
        .hint("add a first line such as `email,role,workspace`");
        return Err(vec![(cell, complaint)]);
    }
    if let Some(complaint) = no_table(headers, settings) {
        return Err(vec![(0, complaint)]);
    }
    let mut complaints = Vec::new();
    let mut find = |column: Column, needed: bool| {
        let mut cells = (0..headers.len()).filter(|&i| column.meant_by(&headers[i], settings));
        let first = cells.next();
        if let (Some(first), Some(second)) = (first, cells.next()) {
            let message = format!(
                "{} and {} both mean the column `{}`",
                quoted(headers[first].trim()),
                quoted(headers[second].trim()),
                column.name()
            );
            let hint = if header_form(&headers[first]) == header_form(&headers[second]) {
                "rename one of them".to_owned()
            } else {
                format!("say which: {}", naming(column, &headers[second]))
            };
            complaints.push((second, Complaint::new(IssueKind::DuplicateHeader, message).hint(hint)));
        }
        if first.is_none() && needed {
            complaints.push((0, missing(column, headers, settings)));
        }
        first
    };
    let named = |column| settings.columns.iter().any(|name| name.column == column);
    let email = find(Column::Email, true);
    let role = find(Column::Role, settings.default_role.is_none() || named(Column::Role));
    let workspace = find(Column::Workspace, settings.default_workspace.is_none() || named(Column::Workspace));
    let deployment_roles = find(Column::DeploymentRoles, named(Column::DeploymentRoles));
    match email {
        Some(email) if complaints.is_empty() => Ok(Columns { email, role, workspace, deployment_roles }),
        Some(_) | None => Err(complaints),
    }
}

/// A first line that is one text and no header at all, such as the error of a server.
fn no_table(headers: &[String], settings: &Settings) -> Option<Complaint> {
    let [text] = headers else { return None };
    let is_near = |spec: &ColumnSpec| near(spec.column, headers).is_some();
    let is_whole = settings.default_role.is_some() && settings.default_workspace.is_some();
    if is_whole
        || !settings.columns.is_empty()
        || means_a_column(text, settings)
        || COLUMNS.iter().any(is_near)
    {
        return None;
    }
    let message = format!("the first line is not a header: {}", quoted(text.trim()));
    let hint = "a roster begins with a line such as `email,role,workspace`, or with headers that --column names; check that the file is not an error message";
    Some(Complaint::new(IssueKind::MissingHeader, message).hint(hint))
}

/// The header that may be meant for a column.
fn near(column: Column, headers: &[String]) -> Option<&str> {
    let unknown = || {
        headers
            .iter()
            .map(|header| header.trim())
            .filter(|header| !header.is_empty() && Column::named(header).is_none())
    };
    COLUMNS
        .iter()
        .filter(|spec| spec.column == column)
        .flat_map(|spec| spec.names)
        .find_map(|known| nearest(known, unknown()))
        .or_else(|| unknown().find(|header| is_about(column, &header_form(header).replace('-', ""))))
}

/// Whether a header without hyphens says what the column is.
fn is_about(column: Column, header: &str) -> bool {
    header.contains(column.name()) || (column == Column::Email && header.contains("mail"))
}

fn missing(column: Column, headers: &[String], settings: &Settings) -> Complaint {
    let name = column.name();
    if let Some(own) = settings.columns.iter().find(|own| own.column == column) {
        let all = headers.iter().map(|header| header.trim());
        let near = match nearest(&own.header, all) {
            Some(near) => format!("did you mean {}?", quoted(near)),
            None => format!("the headers are {}", list(headers)),
        };
        let unseen = unseen(&own.header).map_or_else(String::new, |unseen| format!(": {unseen}"));
        let message =
            format!("no header is called {}, which --column names for `{name}`{unseen}", quoted(&own.header));
        return Complaint::new(IssueKind::MissingColumn, message).hint(near).about("column");
    }
    let message = format!("the column `{name}` is missing");
    let near = near(column, headers);
    let default = match column {
        Column::Role => ", or set one for all rows with --default-role",
        Column::Workspace => ", or set one for all rows with --default-workspace",
        Column::Email | Column::DeploymentRoles => "",
    };
    let hint = match near {
        Some(near) => {
            let flag = naming(column, near);
            format!("did you mean {}? if so: {flag}{default}", quoted(near))
        }
        None => format!("the headers are {}; name yours: --column {name}='...'{default}", list(headers)),
    };
    Complaint::new(IssueKind::MissingColumn, message).hint(hint)
}

/// Which character of a name cannot be seen, as a part of a sentence.
fn unseen(name: &str) -> Option<String> {
    let (index, c) = name.chars().enumerate().find(|(_, c)| is_invisible(*c) && !c.is_whitespace())?;
    Some(format!("its character {} is invisible (U+{:04X})", index + 1, u32::from(c)))
}

/// The flag that names this header, to be typed or pasted into a shell: a header is a text of the
/// file, which must stay one.
fn naming(column: Column, header: &str) -> String {
    let header = header.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("--column {}={}", column.name(), printable(&shell_word(&header)))
}

fn list(headers: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut shown: Vec<String> = headers.iter().take(SHOWN).map(|header| quoted(header.trim())).collect();
    if headers.len() > SHOWN {
        shown.push(format!("{} more", headers.len() - SHOWN));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Level, Role};

    fn headers(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    fn complaints(text: &str, settings: &Settings) -> Vec<(usize, Complaint)> {
        resolve(&headers(text), settings).unwrap_err()
    }

    #[test]
    fn a_header_of_a_report_is_the_one_of_the_roster() {
        let named = |header: &str| {
            let settings = Settings { columns: vec!["email==Mail".parse().unwrap()], ..Settings::default() };
            resolve(&[header.to_owned(), "role".to_owned(), "workspace".to_owned()], &settings)
        };
        for header in ["=Mail", "'=Mail", " '=mail "] {
            assert_eq!(named(header).unwrap().email, 0, "{header}");
        }
        assert!(named("''=Mail").is_err());
        assert_eq!(header_form("'Mail"), "'mail");
    }

    #[test]
    fn headers_are_known_in_any_order_case_and_alias() {
        for spec in &COLUMNS {
            assert_eq!(spec.names[0], spec.column.name());
        }
        let found =
            resolve(&headers(" Workspace_ID ,x,ROLE,UserName,deployment_roles"), &Settings::default());
        assert_eq!(
            found.unwrap(),
            Columns { email: 3, role: Some(2), workspace: Some(0), deployment_roles: Some(4) }
        );
    }

    #[test]
    fn headers_are_compared_as_they_look() {
        for (own, header) in [
            ("Work Mail", "Work\nMail"),
            ("Work Mail", "work \u{a0}\r\n mail\u{202f}"),
            ("Work\u{a0}Mail", "Work   Mail"),
        ] {
            let column = format!("email={own}").parse().unwrap();
            let settings = Settings { columns: vec![column], ..Settings::default() };
            let headers = [header, "role", "workspace"].map(str::to_owned);
            assert_eq!(resolve(&headers, &settings).unwrap().email, 0, "{header:?}");
        }
    }

    #[test]
    fn a_header_of_the_users_own_replaces_the_known_ones() {
        let settings = Settings { columns: vec!["email=Work Email".parse().unwrap()], ..Settings::default() };
        assert_eq!(resolve(&headers("email,work email,role,workspace"), &settings).unwrap().email, 1);
        let found = complaints("email,wrk email,role,workspace", &settings);
        assert_eq!(found[0].1.kind, IssueKind::MissingColumn);
        assert!(found[0].1.hint.as_deref().unwrap().contains("`wrk email`"));
        assert_eq!(found[0].1.flag, Some("column"));
        let column = "email=Work\u{200b} Mail".parse().unwrap();
        let found = complaints("Work Mail,role,workspace", &Settings { columns: vec![column], ..settings });
        assert!(found[0].1.message.ends_with(": its character 5 is invisible (U+200B)"), "{found:?}");
    }

    #[test]
    fn defaults_stand_in_for_missing_columns() {
        let settings = Settings {
            default_role: Some(Role::workspace(Level::Viewer)),
            default_workspace: Some("Finance".to_owned()),
            ..Settings::default()
        };
        assert_eq!(
            resolve(&headers("email"), &settings).unwrap(),
            Columns { email: 0, role: None, workspace: None, deployment_roles: None }
        );
    }

    #[test]
    fn what_is_missing_doubled_or_not_a_header_is_said() {
        let plain = Settings::default();
        let found = complaints("emial,role,workspace", &plain);
        assert_eq!(found[0].1.kind, IssueKind::MissingColumn);
        assert!(found[0].1.hint.as_deref().unwrap().contains("if so: --column email=emial"), "{found:?}");
        let found = complaints("Work Email,role,workspace", &plain);
        assert!(found[0].1.hint.as_deref().unwrap().contains("`Work Email`"), "{found:?}");
        for (header, flag) in [
            ("E-mail address", "--column email='E-mail address'"),
            ("Mail Address", "--column email='Mail Address'"),
            ("email $(id)", "--column email='email $(id)'"),
            ("email `id`", "--column email='email `id`'"),
            ("it's email;id", "--column email='it'\\''s email;id'"),
            ("Work\n  email", "--column email='Work email'"),
            ("email \u{1b}[31m", "--column email=$'email \\x1b[31m'"),
            ("email ::error::x", "--column email=$'email \\x3a\\x3aerror\\x3a\\x3ax'"),
        ] {
            let found = complaints(&format!("{header},role,workspace"), &plain);
            assert!(found[0].1.hint.as_deref().unwrap().ends_with(flag), "{found:?}");
        }
        let found = complaints("email,role,workspace,User", &plain);
        assert_eq!(found[0].1.hint.as_deref(), Some("say which: --column email=User"));
        assert_eq!((found[0].0, found[0].1.kind), (3, IssueKind::DuplicateHeader));
        let found = complaints("x,ada@example.com,admin", &plain);
        assert_eq!((found[0].0, found[0].1.kind), (1, IssueKind::MissingHeader));
        assert_eq!(complaints("a,b", &plain).len(), 3);
        for text in ["404 page not found", "Access Denied", "default backend - 404"] {
            let found = complaints(text, &plain);
            assert_eq!((found.len(), found[0].1.kind), (1, IssueKind::MissingHeader), "{found:?}");
            assert!(found[0].1.message.contains(text), "{found:?}");
        }
        assert_eq!(complaints("emial", &plain).len(), 3);
    }
}
