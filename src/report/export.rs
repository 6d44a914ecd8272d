//! Who is in the workspaces of an installation, as a roster or as JSON.
//!
//! Main types: [`Exported`], what is written of one workspace, and [`ExportWriter`]. Workspaces are written
//! as they are read; none is kept.
//!
//! The CSV has the columns of a roster and three more, [`COLUMNS`], and one row for everyone whom a
//! roster can name. The JSON has everyone: people whom the CSV leaves out have the reason in
//! `left_out_of_csv`; a workspace that could not be read has `complete: false` and an `error`.

mod summary;

use std::io::{self, Write};

use serde::Serialize;

pub use self::summary::ExportSummary;
use super::csv_file::{CsvForm, CsvWriter};
use super::escape::json_line;
use crate::model::{Role, WorkspaceId, printable};
use crate::outcome::Cause;

/// The columns of the CSV.
pub const COLUMNS: [&str; 7] =
    ["email", "role", "workspace", "deployment_roles", "label", "membership", "note"];

/// The version of the JSON.
const SCHEMA_VERSION: u32 = 1;

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ExportFormat {
    /// A roster.
    #[default]
    Csv,
    /// One JSON object.
    Json,
}

/// How a person belongs to a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Belonging {
    /// A member who has logged in.
    Member,
    /// A member who has not.
    Pending,
    /// Not a member yet, but invited.
    Invited,
}

impl Belonging {
    /// The word in the column `membership`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Pending => "pending",
            Self::Invited => "invited",
        }
    }
}

/// Why a person has no row in the CSV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// A member through a Team or a custom role only.
    NoWorkspaceRole,
    /// Houston keeps the roles to itself.
    RolesHidden,
    /// No address at all.
    NoAddress,
    /// No address that a roster may have.
    BadAddress,
    /// Another row has the same address.
    SameAddress,
    /// An invitation for a person who is a member.
    MemberToo,
}

impl LeftOut {
    /// All reasons.
    pub const ALL: [Self; 6] = [
        Self::NoWorkspaceRole,
        Self::RolesHidden,
        Self::NoAddress,
        Self::BadAddress,
        Self::SameAddress,
        Self::MemberToo,
    ];

    /// What they have in common, after "left out of the CSV: ".
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoWorkspaceRole => {
                "without a workspace role of their own (only through a Team or a custom role)"
            }
            Self::RolesHidden => "whose roles Houston does not show",
            Self::NoAddress => "without an email address",
            Self::BadAddress => "with an address that a roster does not accept",
            Self::SameAddress => "with the same address as another person in the workspace",
            Self::MemberToo => "invited, but already a member",
        }
    }
}

/// A person in a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Entry {
    /// The address, in lower case, by which a roster names them.
    pub email: Option<String>,
    /// The role; of doubled ones the first, which is the one that `plan` compares.
    pub role: Option<Role>,
    /// How many workspace roles they have in this workspace; more than one is a fault of old servers.
    pub bindings: usize,
    /// How they belong to the workspace.
    pub membership: Belonging,
    /// The id of the user; `None` for an invitation.
    pub user_id: Option<String>,
    /// The user name.
    pub username: Option<String>,
    /// Roles in deployments, as a roster has them; `None` where they are not known.
    pub deployment_roles: Option<String>,
    /// Notes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Why the CSV has no row for them, if it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out_of_csv: Option<LeftOut>,
}

/// What is written of one workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Exported {
    /// Its id.
    pub id: WorkspaceId,
    /// Its label.
    pub label: Option<String>,
    /// Whether the list is complete.
    pub complete: bool,
    /// Whether the invitations could be read.
    pub invitations_read: bool,
    /// Why it is not complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Cause>,
    /// All people, by address.
    pub members: Vec<Entry>,
}

/// Where an export comes from.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Source {
    /// The URL.
    pub target: String,
    /// The version of Houston, if it reports one.
    pub houston_version: Option<String>,
    /// When the reading began.
    #[cfg_attr(test, schemars(with = "String"))]
    pub exported_at: jiff::Timestamp,
}

/// The whole JSON, which is never in memory.
#[cfg(test)]
#[derive(Serialize, schemars::JsonSchema)]
#[schemars(title = "Export")]
pub(super) struct Document {
    /// Version of this document.
    schema_version: u32,
    /// The same, for `--sandbox-state`.
    export: u32,
    source: Source,
    workspaces: Vec<Exported>,
}

/// Writes an export, a workspace at a time.
pub struct ExportWriter<W: Write>(Form<W>);

enum Form<W: Write> {
    Csv(CsvWriter<W>),
    Json { out: W, first: bool },
}

impl<W: Write> ExportWriter<W> {
    /// Writes the beginning.
    pub fn begin(mut out: W, format: ExportFormat, source: &Source) -> io::Result<Self> {
        Ok(Self(match format {
            ExportFormat::Csv => {
                let mut writer = CsvWriter::begin(out, CsvForm::default())?;
                writer.put(COLUMNS)?;
                Form::Csv(writer)
            }
            ExportFormat::Json => {
                write!(out, "{{\"schema_version\":{SCHEMA_VERSION},\"export\":{SCHEMA_VERSION},\"source\":")?;
                json_line(&mut out, source)?;
                writeln!(out, ",\"workspaces\":[")?;
                Form::Json { out, first: true }
            }
        }))
    }

    /// Writes a workspace.
    pub fn put(&mut self, workspace: &Exported) -> io::Result<()> {
        match &mut self.0 {
            Form::Csv(writer) => {
                let rows = workspace.members.iter().filter(|entry| entry.left_out_of_csv.is_none());
                for entry in rows {
                    writer.put(cells(workspace, entry))?;
                }
                Ok(())
            }
            Form::Json { out, first } => {
                if !std::mem::take(first) {
                    write!(out, ",")?;
                }
                json_line(out, workspace)
            }
        }
    }

    /// Writes the end, and gives back what was written to.
    pub fn finish(self) -> io::Result<W> {
        match self.0 {
            Form::Csv(writer) => writer.finish(),
            Form::Json { mut out, .. } => {
                writeln!(out, "]}}")?;
                out.flush()?;
                Ok(out)
            }
        }
    }
}

/// The cells of a row, in the order of [`COLUMNS`].
fn cells(workspace: &Exported, entry: &Entry) -> [Vec<u8>; COLUMNS.len()] {
    let note = printable(entry.note.as_deref().unwrap_or_default());
    [
        entry.email.as_deref().unwrap_or_default(),
        entry.role.map_or("", Role::name),
        workspace.id.as_str(),
        entry.deployment_roles.as_deref().unwrap_or_default(),
        workspace.label.as_deref().unwrap_or_default(),
        entry.membership.word(),
        &note,
    ]
    .map(|cell| cell.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Code;

    fn written(format: ExportFormat) -> String {
        let entry = Entry {
            email: Some("ada@example.com".to_owned()),
            role: Some(Role::workspace(crate::model::Level::Admin)),
            bindings: 1,
            membership: Belonging::Member,
            user_id: Some("cku1".to_owned()),
            username: Some("ada@example.com".to_owned()),
            deployment_roles: Some("solar-1=DEPLOYMENT_EDITOR".to_owned()),
            note: None,
            left_out_of_csv: None,
        };
        let formula = Entry {
            email: Some("+plus@example.com".to_owned()),
            membership: Belonging::Invited,
            user_id: None,
            username: None,
            deployment_roles: None,
            note: Some("-1\u{1b}[31m".to_owned()),
            ..entry.clone()
        };
        let team = Entry { role: None, left_out_of_csv: Some(LeftOut::NoWorkspaceRole), ..entry.clone() };
        let id = |id: &str| WorkspaceId::new(id).unwrap();
        let whole = Exported {
            id: id("ck1"),
            label: Some("=cmd, \"x\"\n\u{202e}".to_owned()),
            complete: true,
            invitations_read: true,
            error: None,
            members: vec![entry, formula, team],
        };
        let broken = Exported {
            id: id("ck2"),
            label: None,
            complete: false,
            invitations_read: false,
            error: Some(Cause::new(Code::Unreadable, "no answer")),
            members: Vec::new(),
        };
        let source = Source {
            target: "https://houston.example.com/v1".to_owned(),
            houston_version: Some("2.0.0".to_owned()),
            exported_at: jiff::Timestamp::from_second(1_795_449_600).unwrap(),
        };
        let mut writer = ExportWriter::begin(Vec::new(), format, &source).unwrap();
        writer.put(&whole).unwrap();
        writer.put(&broken).unwrap();
        String::from_utf8(writer.finish().unwrap()).unwrap()
    }

    #[test]
    fn the_csv_is_a_roster_that_no_spreadsheet_runs() {
        insta::assert_snapshot!(written(ExportFormat::Csv).replace('\u{202e}', "(202E)"), @r#"
        email,role,workspace,deployment_roles,label,membership,note
        ada@example.com,WORKSPACE_ADMIN,ck1,solar-1=DEPLOYMENT_EDITOR,"'=cmd, ""x""
        (202E)",member,
        '+plus@example.com,WORKSPACE_ADMIN,ck1,,"'=cmd, ""x""
        (202E)",invited,'-1␛[31m
        "#);
    }

    #[test]
    fn the_json_has_everyone_and_what_is_missing() {
        insta::assert_snapshot!(written(ExportFormat::Json), @r#"
        {"schema_version":1,"export":1,"source":{"target":"https://houston.example.com/v1","houston_version":"2.0.0","exported_at":"2026-11-23T16:00:00Z"}
        ,"workspaces":[
        {"id":"ck1","label":"=cmd, \"x\"\n\u202e","complete":true,"invitations_read":true,"members":[{"email":"ada@example.com","role":"WORKSPACE_ADMIN","bindings":1,"membership":"member","user_id":"cku1","username":"ada@example.com","deployment_roles":"solar-1=DEPLOYMENT_EDITOR"},{"email":"+plus@example.com","role":"WORKSPACE_ADMIN","bindings":1,"membership":"invited","user_id":null,"username":null,"deployment_roles":null,"note":"-1\u001b[31m"},{"email":"ada@example.com","role":null,"bindings":1,"membership":"member","user_id":"cku1","username":"ada@example.com","deployment_roles":"solar-1=DEPLOYMENT_EDITOR","left_out_of_csv":"no_workspace_role"}]}
        ,{"id":"ck2","label":null,"complete":false,"invitations_read":false,"error":{"code":"unreadable","text":"no answer"},"members":[]}
        ]}
        "#);
        serde_json::from_str::<serde_json::Value>(&written(ExportFormat::Json)).unwrap();
    }
}
