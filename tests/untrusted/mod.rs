//! What must hold whatever bytes come from outside: of a roster, of an answer of a server, of the
//! files of a run. Each function takes any bytes and panics where a promise is broken.
//!
//! `tests/suite/fuzz_short.rs` feeds them with changed samples, the fuzz targets in `tests/fuzz` with
//! whatever a fuzzer finds.

#![allow(dead_code, reason = "a fuzz target uses one of the functions")]

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use csv::ByteRecord;
use houston_onboard::houston::answer::{Decoded, is_graphql};
use houston_onboard::houston::catalogue::classify_http;
use houston_onboard::houston::fault::TEXT_LIMIT;
use houston_onboard::houston::transport::Held;
use houston_onboard::houston::{Answer, Failure, Fault, Houston, Mail, Parts, Request, Transport};
use houston_onboard::model::{Level, Role, RowNumber, WorkspaceId};
use houston_onboard::outcome::Status;
use houston_onboard::record::folder::RunFolder;
use houston_onboard::record::journal::{
    Actor, ChainKind, FORMAT, Header, History, Journal, JournalError, LineDecision, Origin, PlanLine, Reach,
    RunSettings,
};
use houston_onboard::report::closing::{Paint, render};
use houston_onboard::report::csv_file::CsvForm;
use houston_onboard::report::summary::{LIMIT, Summary};
use houston_onboard::report::{RosterAgain, write_files, write_page};
use houston_onboard::roster::{
    Columns, Glob, IssueKind, KEPT, OddAddresses, OnConflict, Only, Roster, RowState, Settings, Style,
    parse_email, rows_of,
};

/// A folder in memory where there is one: nothing here is to last.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a folder")
}

/// A file with these bytes.
fn file(bytes: &[u8]) -> File {
    let memory = Path::new("/dev/shm");
    let file = if memory.is_dir() { tempfile::tempfile_in(memory) } else { tempfile::tempfile() };
    let mut file = file.expect("a file");
    file.write_all(bytes).and_then(|()| file.rewind()).expect("written");
    file
}

/// The settings that a byte stands for.
fn settings(choice: u8) -> Settings {
    Settings {
        on_conflict: [None, Some(OnConflict::Highest), Some(OnConflict::Last), None][usize::from(choice & 3)],
        skip_invalid: choice & 4 != 0,
        default_role: (choice & 8 != 0).then_some(Role::workspace(Level::Editor)),
        default_workspace: (choice & 16 != 0).then(|| "Finance".to_owned()),
        delimiter: [None, None, None, Some(b';')][usize::from(choice >> 5 & 3)],
        only: if choice >> 5 == 5 { vec![Only::Email(Glob::new("*a*"))] } else { Vec::new() },
        limit: (choice >> 5 == 6).then_some(2),
        columns: Vec::new(),
        maps: houston_onboard::roster::Maps::default(),
        prune: false,
        allow_odd_addresses: choice & 0x18 == 0x18,
        may_be_empty: false,
    }
}

/// Any file can be read as a roster, by any settings (the last byte chooses): every row is
/// accounted for, and what is written about them is a roster again.
pub fn roster(bytes: &[u8]) {
    let (&choice, text) = bytes.split_last().unwrap_or((&0, b""));
    let settings = settings(choice);
    let roster = Roster::from_file(file(text), "fuzz.csv", &settings).expect("a file can be read");
    let issues = roster.issues();
    for style in [Style::Lines, Style::Snippets { colour: false }] {
        let told = issues.render("fuzz.csv", style);
        assert!(!told.contains(['\u{1b}', '\u{7}', '\0']), "{told:?}");
        assert_eq!(told.is_empty(), issues.is_empty());
    }
    let mut copy = Vec::new();
    assert_eq!(roster.copy_to(&mut copy).expect("memory"), text.len() as u64);
    assert_eq!(copy, text);
    accounts_for_every_row(&roster);
    if roster.is_usable() {
        feeds_back(&roster, &settings);
    }
}

fn accounts_for_every_row(roster: &Roster) {
    let issues = roster.issues();
    let all_kept = issues.total() <= KEPT as u64;
    let mut wanted = HashSet::new();
    let mut line_before = 0;
    for row in (0..roster.len()).map(RowNumber::from_index) {
        let line = roster.line(row);
        assert!(line > line_before, "{row:?} is at line {line} after {line_before}");
        line_before = line;
        let of_this = issues.kept().iter().any(|issue| issue.row == Some(row));
        match roster.state(row) {
            RowState::Wanted => {
                let wish = roster.assignment(row).expect("a wish");
                let email = parse_email(wish.email, OddAddresses::Allow).expect("a good address");
                assert_eq!(email, wish.email, "not normalised");
                assert!(
                    roster.workspaces().get(wish.workspace as usize).is_some_and(|text| !text.is_empty())
                );
                assert!(wanted.insert((wish.email, wish.workspace)), "wanted twice: {wish:?}");
                assert!(!of_this, "wanted, and something is wrong with it");
            }
            RowState::Merged { into } | RowState::Overruled { by: into } => {
                assert_eq!(roster.state(into), RowState::Wanted);
                let (one, other) = (roster.assignment(row), roster.assignment(into));
                let (one, other) = (one.expect("a wish"), other.expect("a wish"));
                assert_eq!((one.email, one.workspace), (other.email, other.workspace));
            }
            // Of opposed rows, the first is named by the issues of the others.
            RowState::Invalid => assert!(
                of_this
                    || !all_kept
                    || issues.count(IssueKind::Conflict) > 0
                    // It names all rows.
                    || issues.count(IssueKind::EveryRow) > 0,
                "nobody says what is wrong with {row:?}"
            ),
            RowState::LeftOut => {}
        }
    }
    assert_eq!(roster.wanted_len(), wanted.len());
    assert_eq!(roster.wanted().count(), wanted.len());
    let people: HashSet<&str> = wanted.iter().map(|&(email, _)| email).collect();
    assert_eq!(roster.people(), people.len());
    if let Some(dialect) = roster.dialect() {
        let again: Vec<_> = rows_of(Arc::clone(roster.file()), dialect)
            .expect("read before")
            .map(|row| row.expect("read before"))
            .collect();
        assert_eq!(again.len(), roster.len());
        assert!(again.iter().all(|row| row.line == roster.line(row.number)));
    } else {
        assert!(roster.is_empty() && !issues.is_empty());
    }
}

/// What a row wishes, however the file is written.
type Wish = (String, Level, String, Option<String>);

fn wishes(roster: &Roster) -> Vec<Wish> {
    let wish = |row| {
        let wish = roster.assignment(row)?;
        let workspace = roster.workspaces()[wish.workspace as usize].clone();
        Some((wish.email.to_owned(), wish.role, workspace, roster.deployment_roles(row).map(str::to_owned)))
    };
    (0..roster.len()).map(RowNumber::from_index).filter_map(wish).collect()
}

/// The good rows as if all of them had failed: `errors.csv` says the same again.
fn feeds_back(roster: &Roster, settings: &Settings) {
    let dialect = roster.dialect().expect("usable");
    let scratch = scratch();
    let folder = RunFolder::open(scratch.path().to_owned()).expect("a folder");
    let mut plan = Vec::new();
    for row in (0..roster.len()).map(RowNumber::from_index) {
        let failed = roster.assignment(row).is_some();
        let line = PlanLine {
            item: row.into(),
            origin: Origin::Row { number: row, line: roster.line(row) },
            email: String::new(),
            role: None,
            workspace: None,
            deployment: None,
            workspace_role: None,
            accounts: Vec::new(),
            deployment_roles: Vec::new(),
            seen: None,
            decision: LineDecision::keep(if failed { Status::Rejected } else { Status::Unchanged }),
            why: None,
        };
        serde_json::to_writer(&mut plan, &line).expect("memory");
        plan.push(b'\n');
    }
    fs::write(folder.plan(), plan).expect("written");
    Journal::create(&folder, header(roster.len() as u64), Instant::now()).expect("written");
    let history = History::read(&folder).expect("just written");
    let header = ByteRecord::from(dialect.headers.clone());
    let rows = rows_of(Arc::clone(roster.file()), dialect).expect("read before");
    let again = RosterAgain {
        header: &header,
        form: CsvForm::of(dialect),
        columns: dialect.columns,
        rows: rows.map(|row| row.map(|row| row.record)),
    };
    write_files(&folder, &history, &folder, Summary::new(&history, folder.path(), None), again)
        .expect("written");
    let errors = folder.path().join("errors.csv");
    let told = || String::from_utf8_lossy(&fs::read(&errors).expect("readable")).into_owned();
    let second = Roster::read(&errors, "errors.csv", settings).expect("readable");
    let wanted = wishes(roster);
    if wanted.is_empty() {
        return;
    }
    assert_eq!(second.issues().render("errors.csv", Style::Lines), "", "{}", told());
    assert_eq!(wishes(&second), wanted, "{}", told());
}

fn header(rows: u64) -> Header {
    Header {
        format: FORMAT,
        run: "20261123T154500Z-k3f9".to_owned(),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        tool_version: "0.1.0".to_owned(),
        target: "https://houston.example.com/v1".to_owned(),
        sandbox: false,
        houston_version: None,
        actor: Actor::default(),
        approved_by: None,
        roster: "team.csv".to_owned(),
        roster_sha256: String::new(),
        plan_sha256: String::new(),
        rows,
        grants: 0,
        extras: 0,
        dialect: serde_json::Value::Null,
        reach: Reach::default(),
        saved_plan: None,
        last_run: None,
        chained_by: ChainKind::Sha256,
        settings: RunSettings { canary: 1, ..RunSettings::default() },
    }
}

/// A server that gives one answer to everything, taken as the real transport takes it.
struct Parrot {
    status: u16,
    body: Vec<u8>,
    asked: AtomicUsize,
}

impl Transport for Parrot {
    fn send(&self, request: &Request) -> Result<Answer, Failure> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        serde_json::from_slice::<serde_json::Value>(&request.body).expect("we ask in JSON");
        if self.status != 429 && is_graphql(&self.body) {
            return Ok(Answer {
                body: self.body.clone(),
                status: self.status,
                attempts: 1,
                held: Held::default(),
            });
        }
        Err(Failure { fault: classify_http(self.status, None, None, &self.body), attempts: 1 })
    }
}

/// No call takes more requests of a server that says the same to everything.
const PATIENCE: usize = 8;

/// Any answer, at any status (the last byte chooses), makes of every call data or a fault that can
/// be shown, after few requests.
pub fn answer(bytes: &[u8]) {
    const STATUSES: [u16; 12] = [200, 200, 200, 204, 302, 400, 401, 404, 429, 500, 502, 503];
    let (&choice, body) = bytes.split_last().unwrap_or((&0, b""));
    let status = STATUSES[usize::from(choice) % STATUSES.len()];
    let parrot = Arc::new(Parrot { status, body: body.to_vec(), asked: AtomicUsize::new(0) });
    let place = WorkspaceId::new("ck1").expect("an id");
    let call = |what: &dyn Fn(&Houston) -> Option<Failure>| {
        let before = parrot.asked.load(Ordering::Relaxed);
        // Every call with a mind of its own: what one learns of the server is not for the next.
        if let Some(failure) = what(&Houston::new(Arc::clone(&parrot) as Arc<dyn Transport>)) {
            can_be_shown(&failure.fault);
        }
        let requests = parrot.asked.load(Ordering::Relaxed) - before;
        assert!(requests <= PATIENCE, "{requests} requests");
    };
    call(&|houston| houston.installation().err());
    call(&|houston| houston.caller().err());
    call(&|houston| match houston.workspaces() {
        Ok(listing) => {
            let ids: HashSet<_> = listing.workspaces.iter().map(|workspace| &workspace.id).collect();
            assert_eq!(ids.len(), listing.workspaces.len());
            None
        }
        Err(failure) => Some(failure),
    });
    call(&|houston| houston.workspace(&place).err());
    call(&|houston| match houston.member_page(&place, None, Parts { invites: true, deployments: true }) {
        Ok(page) => {
            if let Some(Err(fault)) = page.invites {
                can_be_shown(&fault);
            }
            None
        }
        Err(failure) => Some(failure),
    });
    call(&|houston| houston.all_members(&place, Parts { invites: true, deployments: true }).err());
    call(&|houston| houston.invites(&place).err());
    call(&|houston| match houston.person(&place, "a@example.com") {
        Ok(person) => {
            assert!(person.is_none_or(|person| person.answers_to("a@example.com")));
            None
        }
        Err(failure) => Some(failure),
    });
    let added = Decoded::read(body, status).is_ok_and(|decoded| decoded.has("workspaceAddUser"));
    for mail in [Mail::Bypass, Mail::Send] {
        call(&|houston| match houston.add_member(&place, "a@example.com", Level::Viewer, mail) {
            Ok(_) => {
                assert!(added, "taken for a success");
                None
            }
            Err(failure) => Some(failure),
        });
    }
}

fn can_be_shown(fault: &Fault) {
    let text = fault.to_string();
    assert!(!text.contains(|c: char| c.is_control()), "{text:?}");
    assert!(text.chars().count() <= TEXT_LIMIT + 100, "{text}");
    assert!(!fault.code().word().is_empty());
}

/// What separates the plan from the journal in the bytes for [`run_files`].
pub const BORDER: &[u8] = b"----\n";

/// Any plan and journal (the first [`BORDER`] separates them) are read or refused; what is read can
/// be reported, and every beginning of a journal that was read can be read too. Says whether they
/// were read.
pub fn run_files(bytes: &[u8]) -> bool {
    let border = bytes.windows(BORDER.len()).position(|part| part == BORDER);
    let (plan, journal) = border.map_or((&b""[..], bytes), |at| (&bytes[..at], &bytes[at + BORDER.len()..]));
    let scratch = scratch();
    let folder = RunFolder::open(scratch.path().to_owned()).expect("a folder");
    fs::write(folder.plan(), plan).expect("written");
    fs::write(folder.journal(), journal).expect("written");
    let history = match History::read(&folder) {
        Ok(history) => history,
        Err(error) => {
            assert!(
                matches!(
                    error,
                    JournalError::NoHeader { .. }
                        | JournalError::Broken { .. }
                        | JournalError::Older { .. }
                        | JournalError::Newer { .. }
                        | JournalError::Incomplete { .. }
                ),
                "{error}"
            );
            return false;
        }
    };
    let lines = plan.split(|&byte| byte == b'\n').count() - 1;
    let items = |history: &History| history.first_extra() + history.extras().len();
    assert_eq!(items(&history), lines);
    assert!(
        history.rows().all(|row| row.workspace.is_none_or(|at| (at as usize) < history.workspaces.len()))
    );
    reports(&history, folder.path());
    // A journal grows at its end, and may be cut there.
    let header_end = journal.iter().position(|&b| b == b'\n').expect("a header") + 1;
    let step = ((journal.len() - header_end) / 16).max(1);
    for cut in (header_end..journal.len()).step_by(step) {
        fs::write(folder.journal(), &journal[..cut]).expect("written");
        let part = History::read(&folder).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        assert_eq!(items(&part), lines, "cut at {cut}");
    }
    true
}

fn reports(history: &History, folder: &Path) {
    let tally = history.tally();
    assert_eq!(tally.rows(), history.row_count() as u64);
    let summary = Summary::new(history, folder, None);
    assert!(summary.to_json().len() <= LIMIT);
    let told = render(&summary, Paint::Plain);
    assert!(!told.contains(['\u{1b}', '\u{7}', '\0']), "{told:?}");
    assert!(history.duration <= Duration::from_millis(u64::MAX));
    let header = ByteRecord::from(vec!["email", "role", "workspace"]);
    let row = ByteRecord::from(vec!["a@example.com", "viewer", "=Finance"]);
    let rows = || (0..history.row_count()).map(|_| Ok::<_, std::convert::Infallible>(row.clone()));
    let columns = Columns { email: 0, role: Some(1), workspace: Some(2), deployment_roles: None };
    let form = CsvForm::default();
    let again = RosterAgain { header: &header, form, columns, rows: rows() };
    let folder = RunFolder::open(PathBuf::from(folder)).expect("a folder");
    let written = write_files(&folder, history, &folder, Summary::new(history, folder.path(), None), again)
        .expect("written");
    assert_eq!(written.rows, history.row_count() as u64);
    let again = || Ok(RosterAgain { header: &header, form, columns, rows: rows() });
    write_page(&folder, &folder, history, &written, again).expect("written");
}
