//! The one run every format is tested with: each status once, hostile texts, cells and names, and
//! ragged rows.

use std::convert::Infallible;
use std::path::Path;
use std::time::{Duration, Instant};

use csv::ByteRecord;

use super::RosterAgain;
use super::csv_file::CsvForm;
use crate::event::StopReason;
use crate::model::{ItemId, Level, Role, RowNumber, Strain, WorkspaceId};
use crate::outcome::{Cause, Code, Outcome, Status};
use crate::plan::Action;
use crate::record::folder::RunFolder;
use crate::record::journal::{
    Actor, ChainKind, Entry, FORMAT, Header, History, Journal, Kept, LineDecision, Origin, PlanLine, Reach,
    RunSettings, write_plan,
};
use crate::roster::Columns;

/// What no report for people may have: a sequence that recolours a terminal, one that retitles its
/// window, a line break and an override of the direction of writing.
pub const HOSTILE: &str = "\u{1b}[31mred\u{1b}]0;pwned\u{7}\nnext\u{202e}line";

/// The id of the run.
pub const RUN: &str = "20261123T154500Z-k3f9";

/// The roster, with semicolons, as its reader splits it.
pub const ROSTER: [&[&str]; 14] = [
    &["Email", "role", "workspace", "=note"],
    &["added@example.com", "admin", "data", "plain"],
    &["invited@example.com", "editor", "data", "=HYPERLINK(\"http://evil.example\";\"click\")"],
    &["unchanged@example.com", "viewer", "data", "+1 234"],
    &["already@example.com", "viewer", "data", "-5"],
    &["updated@example.com", "viewer", "data", "@home"],
    &["kept@example.com", "viewer", "data", "\tindented"],
    &["removed@example.com", "viewer", "data", "  =1+1"],
    &["rejected@example.com", "viewer", "secret", "two\nlines"],
    &["gaveup@example.com", "viewer", "data", "a, b"],
    &["doubt@example.com", "viewer", "data", "a; b"],
    &["notrun@example.com", "viewer", "data", "\"quoted\""],
    &["=cmd|' /C calc'!A0", "viewer", "data", "one", "too", "many"],
    &["added@example.com"],
];

/// The end of each row of [`ROSTER`].
fn ends() -> Vec<(Status, Option<Cause>)> {
    let cause = |code, text: &str| Some(Cause::new(code, text));
    vec![
        (Status::Added, None),
        (Status::Invited, None),
        (Status::Unchanged, None),
        (Status::AlreadyInvited, None),
        (Status::RoleUpdated, None),
        (Status::RoleKept, cause(Code::OtherRole, "keeps WORKSPACE_ADMIN")),
        (Status::Removed, None),
        (Status::Rejected, cause(Code::WorkspaceDenied, &format!("=denied {HOSTILE}"))),
        (Status::GaveUp, cause(Code::Timeout, "no answer within 30 s")),
        (Status::InDoubt, cause(Code::NotReadBack, "acknowledged by Houston, not read back")),
        (Status::NotRun, None),
        (Status::Invalid, cause(Code::BadEmail, "not an address")),
        (Status::Merged, cause(Code::Merged, "merged into row 1")),
    ]
}

/// A run in a folder of its own.
pub struct Fixture {
    /// Gone with the fixture.
    _dir: tempfile::TempDir,
    /// The run's folder.
    pub folder: RunFolder,
    /// The history read from its files.
    pub history: History,
}

impl Fixture {
    /// The run: stopped by a dead token, with every status.
    pub fn new() -> Self {
        Self::with(
            &ends(),
            Some((StopReason::TokenDead, Some(Cause::new(Code::TokenInvalid, format!("expired {HOSTILE}"))))),
        )
    }

    /// A run whose rows ended like this.
    pub fn with(ends: &[(Status, Option<Cause>)], stopped: Option<(StopReason, Option<Cause>)>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join(RUN);
        std::fs::create_dir(&path).expect("created");
        let folder = RunFolder::open(path).expect("opened");
        let digest = write_plan(&folder, ends.iter().enumerate().map(plan_line)).expect("written");
        let mut journal =
            Journal::create(&folder, header(digest, ends.len()), Instant::now()).expect("created");
        for (index, (status, cause)) in ends.iter().enumerate() {
            if sent(*status) {
                let outcome = Outcome {
                    status: *status,
                    cause: cause.clone(),
                    attempts: 1 + u32::from(*status == Status::GaveUp) * 4,
                    elapsed: Duration::from_millis(40),
                };
                journal.note_outcome(ItemId::from_index(index), &outcome, Instant::now());
            }
        }
        let (stopped, cause) = stopped.map_or((None, None), |(reason, cause)| (Some(reason), cause));
        journal.note(&Entry::Closed {
            stopped,
            code: cause.as_ref().map(|cause| cause.code.clone()),
            detail: cause.map(|cause| cause.text),
            requests: 37,
            at_least: false,
            strain: Strain::default(),
            at_ms: 62_000,
        });
        journal.commit().expect("written");
        let history = History::read(&folder).expect("readable");
        Self { _dir: dir, folder, history }
    }

    /// A file of the run.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).expect("readable")
    }

    /// The folder as reports name it in snapshots.
    pub fn shown() -> &'static Path {
        Path::new("onboard-runs/20261123T154500Z-k3f9")
    }
}

/// Whether a row of this status was sent to Houston in the fixture.
fn sent(status: Status) -> bool {
    match status {
        Status::Added
        | Status::Invited
        | Status::RoleUpdated
        | Status::Removed
        | Status::GaveUp
        | Status::InDoubt => true,
        Status::Unchanged
        | Status::AlreadyInvited
        | Status::RoleKept
        | Status::Rejected
        | Status::NotRun
        | Status::Invalid
        | Status::Merged => false,
    }
}

fn plan_line((index, (status, cause)): (usize, &(Status, Option<Cause>))) -> PlanLine {
    let invalid = *status == Status::Invalid;
    let item = RowNumber::from_index(index);
    let decision = if sent(*status) {
        LineDecision::Change(Action::Add(Level::Viewer))
    } else {
        LineDecision::Keep(Kept {
            status: *status,
            into: (*status == Status::Merged).then(|| RowNumber::from_index(0)),
            code: cause.as_ref().map(|cause| cause.code.clone()),
        })
    };
    PlanLine {
        item: item.into(),
        // A cell of the ninth row spans two lines.
        origin: Origin::Row {
            number: item,
            line: u32::try_from(index).expect("few rows") + 2 + u32::from(index > 7),
        },
        email: if invalid { String::new() } else { format!("{index}@example.com") },
        role: (!invalid).then_some(Role::workspace(Level::Viewer)),
        workspace: (!invalid).then(|| WorkspaceId::new("ck1").expect("valid")),
        deployment: None,
        workspace_role: None,
        accounts: Vec::new(),
        deployment_roles: Vec::new(),
        seen: None,
        decision,
        why: cause.as_ref().map(|cause| cause.text.clone()),
    }
}

fn header(plan_sha256: String, rows: usize) -> Header {
    Header {
        format: FORMAT,
        run: RUN.to_owned(),
        started_at: "2026-11-23T15:45:00Z".parse().expect("a time stamp"),
        tool_version: "0.1.0".to_owned(),
        target: "https://houston.example.com/v1".to_owned(),
        sandbox: false,
        houston_version: Some(format!("1.0.0{HOSTILE}")),
        actor: Actor::default(),
        approved_by: None,
        roster: "team.csv".to_owned(),
        roster_sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned(),
        plan_sha256,
        rows: rows as u64,
        grants: 0,
        extras: 0,
        dialect: serde_json::Value::Null,
        settings: RunSettings::default(),
        reach: Reach::default(),
        saved_plan: None,
        last_run: None,
        chained_by: ChainKind::Sha256,
    }
}

/// The header of [`ROSTER`].
pub fn roster_header() -> ByteRecord {
    ByteRecord::from(ROSTER[0])
}

/// [`ROSTER`] as the report functions take it.
pub fn roster(header: &ByteRecord) -> RosterAgain<'_, impl Iterator<Item = Result<ByteRecord, Infallible>>> {
    let rows = ROSTER[1..].iter().map(|cells| Ok(ByteRecord::from(*cells)));
    let columns = Columns { email: 0, role: Some(1), workspace: Some(2), deployment_roles: None };
    RosterAgain { header, form: CsvForm::with(b';'), columns, rows }
}
