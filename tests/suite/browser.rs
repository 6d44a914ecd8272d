//! `report.html` and the page of a plan, in a real browser: silent, without a request, usable without a
//! mouse and without the script, and quick with many rows. What is checked is in `tests/browser/check.js`.
//!
//! It needs Chromium, Node.js and the modules that `.ci/run` installs below the target folder. Where they
//! cannot be had, it says so and checks nothing. The pictures and prints are left in `browser/out` there.

#![cfg(all(feature = "sandbox", unix))]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use houston_onboard::event::StopReason;
use houston_onboard::model::{ItemId, Level, LimitedBy, Role, RowNumber, Strain, WorkspaceId};
use houston_onboard::outcome::{Cause, Code, Outcome, Status, StatusKind};
use houston_onboard::plan::census::{Census, Gap, Members};
use houston_onboard::plan::guard::Caps;
use houston_onboard::plan::{Account, Action, Holder, Membership, OperationId, RolePolicy, Standing};
use houston_onboard::record::folder::{ROSTER, RunFolder};
use houston_onboard::record::journal::{
    Actor, ChainKind, Entry, FORMAT, Hashing, Header, Journal, Kept, LineDecision, Origin, Paused, PlanLine,
    Prune, Pulse, Reach, RunSettings, WhyPaused, WorkspaceBefore, write_plan,
};
use houston_onboard::roster::{Roster, Settings, spool_text};
use houston_onboard::sandbox::Options;

use crate::harness::{self, Sandbox, Workdir, program, root};

const RUN: &str = "20261123T154500Z-k3f9";
const LAST_RUN: &str = "20261122T090000Z-aaaa";

/// What a cell or a message must not be able to do.
const HOSTILE: &str = "</script><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>\u{202e}\u{1b}[31m\"'&amp;";

/// Where a program is, if it is installed.
fn installed(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}

/// Checks pages, each with its name. Says why where that is not possible.
fn check(pages: &[(&str, &Path)]) {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("browser");
    let modules = home.join("node_modules");
    let chromium = installed(&["chromium-headless-shell", "chromium", "google-chrome"]);
    let (Some(node), Some(chromium)) = (installed(&["node", "nodejs"]), chromium) else {
        return harness::note("skipped: there is no Node.js or no Chromium; .ci/run installs them");
    };
    if !modules.join("playwright-core").is_dir() || !modules.join("axe-core").is_dir() {
        return harness::note("skipped: the modules of tests/browser are not installed; .ci/run does that");
    }
    let out = home.join("out");
    fs::create_dir_all(&out).unwrap();
    let cases = pages.iter().map(|(name, page)| format!("{name}={}", page.display()));
    let script = root().join("tests/browser/check.js");
    let mut command = Command::new(node);
    command.env("NODE_PATH", &modules).arg(script).arg(chromium).arg(out).args(cases);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().for_each(|line| harness::note(&format!("browser: {line}")));
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
}

/// A run that never happened: its files say what a test needs.
struct Made {
    dir: Workdir,
    lines: Vec<PlanLine>,
    ends: Vec<(Status, Option<Cause>)>,
    roster: String,
}

impl Made {
    fn new() -> Self {
        let roster = "email,role,workspace,cost centre\n".to_owned();
        Self { dir: Workdir::new(), lines: Vec::new(), ends: Vec::new(), roster }
    }

    /// Adds a row.
    fn row(
        &mut self,
        email: &str,
        note: &str,
        place: usize,
        levels: (Option<Level>, Level),
        end: (Status, Option<Cause>),
    ) {
        let index = self.lines.len();
        let (before, wanted) = levels;
        let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
        let workspace = format!(
            "{} {}",
            ["Data Platform", "Research", "Finance", "Marketing & <Sales>"][place % 4],
            place / 4
        );
        let cells = [
            quoted(email),
            wanted.short_name().to_owned(),
            quoted(workspace.trim_end_matches(" 0")),
            quoted(note),
        ];
        writeln!(self.roster, "{}", cells.join(",")).unwrap();
        let action = before.map_or(Action::Add(wanted), |from| Action::SetRole {
            from,
            to: wanted,
            holder: Holder::Member,
        });
        let number = RowNumber::from_index(index);
        let line = u32::try_from(index).unwrap() + 2;
        self.lines.push(PlanLine {
            item: number.into(),
            origin: Origin::Row { number, line },
            email: email.to_owned(),
            role: Some(Role::workspace(wanted)),
            why: end.1.as_ref().map(|cause| cause.text.clone()),
            ..plan_line(place, before, decision(&end, action))
        });
        self.ends.push(end);
    }

    /// Adds a person who is not in the roster.
    fn extra(&mut self, email: &str, place: usize, level: Level, end: (Status, Option<Cause>)) {
        self.lines.push(PlanLine {
            item: ItemId::from_index(self.lines.len()),
            origin: Origin::Extra,
            email: email.to_owned(),
            accounts: vec![Account::User(format!("cku{}", self.lines.len()))],
            why: end.1.as_ref().map(|cause| cause.text.clone()),
            ..plan_line(place, Some(level), decision(&end, Action::Remove(Some(level))))
        });
        self.ends.push(end);
    }

    /// Writes the files of the run, and gives its page.
    fn page(self, stopped: Option<StopReason>) -> (Workdir, PathBuf) {
        let path = self.dir.path().join("onboard-runs").join(RUN);
        fs::create_dir_all(&path).unwrap();
        let folder = RunFolder::open(path).unwrap();
        write_last_run(self.dir.path());
        let rows = self.lines.iter().filter(|line| line.is_row()).count();
        let extras = self.lines.len() - rows;
        let mut copy = Hashing::new(folder.new_file(ROSTER).unwrap());
        std::io::Write::write_all(&mut copy, self.roster.as_bytes()).unwrap();
        let (_, roster_sha256) = copy.finish();
        let settings = Settings { allow_odd_addresses: true, skip_invalid: true, ..Settings::default() };
        let roster = Roster::from_file(spool_text(&self.roster).unwrap(), "team.csv", &settings).unwrap();
        let plan_sha256 = write_plan(&folder, self.lines.iter().cloned()).unwrap();
        let header = Header {
            format: FORMAT,
            run: RUN.to_owned(),
            started_at: "2026-11-23T15:45:00Z".parse().unwrap(),
            tool_version: "0.1.0".to_owned(),
            target: "https://houston.example.com/v1".to_owned(),
            sandbox: false,
            houston_version: Some("1.1.3".to_owned()),
            actor: Actor {
                user_id: Some("ckcaller0001".to_owned()),
                name: Some("rita.ops@example.com".to_owned()),
                host: Some("batch-7".to_owned()),
                os_user: Some("airflow".to_owned()),
                ..Actor::default()
            },
            approved_by: Some("max.manager@example.com".to_owned()),
            roster: "team.csv".to_owned(),
            roster_sha256,
            plan_sha256,
            rows: rows as u64,
            grants: 0,
            extras: extras as u64,
            dialect: serde_json::to_value(roster.dialect()).unwrap(),
            settings: RunSettings {
                roles: RolePolicy::Update,
                prune: (extras > 0).then(|| Prune { caps: Caps::default(), ..Prune::default() }),
                canary: 1,
                protect: vec!["*@board.example.com".to_owned()],
                ..RunSettings::default()
            },
            reach: Reach::default(),
            saved_plan: None,
            last_run: Some(LAST_RUN.to_owned()),
            chained_by: ChainKind::Sha256,
        };
        let mut journal = Journal::create(&folder, header, Instant::now()).unwrap();
        write_entries(&mut journal, &self.lines, &self.ends, stopped);
        journal.commit().unwrap();
        let page = self.dir.path().join("report.html");
        let call = self.dir.call(["report", RUN, "--format", "html"]).run().ended(0);
        fs::write(&page, call.stdout).unwrap();
        (self.dir, page)
    }
}

/// The run before this one, as far as this one is compared with it.
fn write_last_run(dir: &Path) {
    let folder = dir.join("onboard-runs").join(LAST_RUN);
    fs::create_dir_all(&folder).unwrap();
    let summary = serde_json::json!({
        "run": LAST_RUN,
        "target": "https://houston.example.com/v1",
        "roster": "team.csv",
        "rows": 612,
        "left_out": 0,
        "counts": { "added": 560, "rejected": 40, "in_doubt": 12 },
        "row_p95_ms": 344,
        "duration_ms": 74_000,
    });
    fs::write(folder.join("summary.json"), summary.to_string()).unwrap();
}

fn plan_line(place: usize, before: Option<Level>, decision: LineDecision) -> PlanLine {
    let member = |role| Membership::Member { role, bindings: 1, standing: Standing::Active };
    PlanLine {
        item: ItemId::from_index(0),
        origin: Origin::Extra,
        email: String::new(),
        role: None,
        workspace: WorkspaceId::new(&format!("ckworkspace{place:04}")).ok(),
        deployment: None,
        workspace_role: None,
        accounts: Vec::new(),
        deployment_roles: Vec::new(),
        seen: Some(before.map_or(Membership::Absent, member)),
        decision,
        why: None,
    }
}

/// What was planned for what ended like this.
fn decision((status, cause): &(Status, Option<Cause>), action: Action) -> LineDecision {
    match status.kind() {
        StatusKind::AsItWas => LineDecision::Keep(Kept {
            status: *status,
            into: None,
            code: cause.as_ref().map(|cause| cause.code.clone()),
        }),
        StatusKind::Changed | StatusKind::Failed | StatusKind::Unresolved | StatusKind::NotTried => {
            LineDecision::Change(action)
        }
    }
}

/// The pulses of a run that is throttled, finds Houston away, and recovers.
#[derive(Default)]
struct Beat {
    at_ms: u64,
    /// Requests, retries and throttled ones of the leg.
    counted: (u64, u64, u64),
    answers: u64,
}

impl Beat {
    /// Writes the pulses before a moment, at which so many requests are sent.
    fn until(&mut self, journal: &mut Journal, at_ms: u64, requests: u64) {
        while self.at_ms + 1_000 < at_ms {
            self.at_ms += if self.at_ms == 0 { 1_000 } else { 5_000 };
            let (is_slow, is_away) =
                ((31_000..50_000).contains(&self.at_ms), (50_000..69_500).contains(&self.at_ms));
            self.counted.1 += if is_slow { 3 } else { u64::from(is_away) };
            self.counted.2 += if is_slow { 4 } else { 0 };
            let paused = match self.at_ms {
                36_000 => Some(Paused { why: WhyPaused::Asked, ms: 3_500 }),
                at_ms if is_away => Some(Paused { why: WhyPaused::Away, ms: at_ms - 49_800 }),
                _ => None,
            };
            let (requests, retries, throttled) = self.counted;
            let answers = std::mem::take(&mut self.answers);
            journal.note(&Entry::Pulse(Box::new(Pulse {
                waited: None,
                requests,
                retries,
                throttled,
                window: match self.at_ms / 1000 {
                    0..=30 => 8,
                    31..=40 | 70..=80 => 4,
                    41..=69 => 2,
                    _ => 6,
                },
                in_flight: 3,
                limited_by: LimitedBy::Latency,
                paused,
                latency: vec![0, 0, 0, 0, 0, answers / 4, answers / 2, answers - answers / 4 - answers / 2],
                at_ms: self.at_ms,
            })));
        }
        self.counted.0 += requests;
        self.answers += requests;
    }
}

/// A run of a minute and a half that slows down in its middle and is resumed once.
fn write_entries(
    journal: &mut Journal,
    lines: &[PlanLine],
    ends: &[(Status, Option<Cause>)],
    stopped: Option<StopReason>,
) {
    let all = lines.len() as u64;
    let op: OperationId = "00000000000000aa".to_owned().try_into().unwrap();
    let start = Instant::now();
    let places = lines.iter().filter_map(|line| line.workspace.clone()).collect::<BTreeSet<_>>();
    for (id, place) in places.into_iter().zip(0..) {
        let members = Members { admins: 2 + place, editors: 11, viewers: 25 - place.min(20), others: 1 };
        let gaps = if place == 3 { vec![Gap::InvitationsHidden] } else { Vec::new() };
        let invitations = (place != 3).then_some(4);
        let seen = Census { members: Some(members), invitations, not_in_roster: Some(3), pages: 2, gaps };
        journal.note(&Entry::Workspace(Box::new(WorkspaceBefore { id, label: None, seen })));
    }
    let (mut is_resumed, mut beat) = (false, Beat::default());
    for (at, (line, (status, cause))) in lines.iter().zip(ends).enumerate() {
        if line.decision.action().is_none() || *status == Status::NotRun {
            continue;
        }
        let share = at as u64 * 1000 / all;
        let at_ms = 90 * share + if share > 550 { 20_000 } else { 0 };
        beat.until(journal, at_ms, 1 + u64::from(at % 3 == 0));
        let wave = 40 + (at as u64 * 7919 % 97) * (at as u64 * 31 % 11) + u64::from(share > 400) * 160;
        if share >= 700 && !is_resumed {
            is_resumed = true;
            beat.counted = (0, 0, 0);
            journal.note(&Entry::Resumed {
                leg: 2,
                at: "2026-11-23T16:02:00Z".parse().unwrap(),
                tool_version: "0.1.0".to_owned(),
                houston_version: None,
                actor: Actor::default(),
                approved_by: None,
                at_ms,
            });
        }
        let item = ItemId::from_index(at);
        journal.note(&Entry::Intent { item, op, attempt: 1, step: None, at_ms });
        let elapsed = Duration::from_millis(wave);
        let outcome = Outcome { status: *status, cause: cause.clone(), attempts: 1, elapsed };
        journal.note_outcome(item, &outcome, start + Duration::from_millis(at_ms + wave));
    }
    beat.until(journal, 112_000, 0);
    journal.note(&Entry::Closed {
        stopped,
        code: None,
        detail: stopped.map(|_| "20 rows in a row ended badly".to_owned()),
        requests: all + 60,
        at_least: false,
        strain: Strain {
            congestion_events: 16,
            window_min: 2,
            window_end: 6,
            window_mean: 6,
            concurrency: 8,
            limited_by: LimitedBy::Latency,
            answers: all + 40,
            answers_us: (all + 40) * 87_000,
            retries: 15,
            ..Strain::default()
        },
        at_ms: 112_000,
    });
}

/// How the rows of a run end that meets with everything.
fn varied(at: usize) -> (Status, Option<Cause>) {
    let cause = |code, text: &str| Some(Cause::new(code, text));
    match at % 40 {
        3 => (Status::Rejected, cause(Code::WorkspaceDenied, "not allowed: needs WORKSPACE_ADMIN")),
        7 | 8 => (Status::GaveUp, cause(Code::Timeout, "no answer within 30 s")),
        11 => (Status::InDoubt, cause(Code::NotReadBack, "acknowledged by Houston, not read back")),
        13 => (Status::Rejected, cause(Code::BadEmail, "Houston does not accept this address")),
        17 => (
            Status::RoleKept,
            cause(Code::GuardLastAdmin, "demoting them would leave the workspace without an admin"),
        ),
        19..=24 => (Status::Unchanged, None),
        25..=28 => (Status::Invited, None),
        29..=32 => (Status::RoleUpdated, None),
        39 => (Status::NotRun, None),
        _ => (Status::Added, None),
    }
}

fn levels(at: usize, status: Status) -> (Option<Level>, Level) {
    let wanted = Level::ALL[[0, 1, 1, 0, 2][at % 5]];
    match status {
        Status::RoleUpdated => (
            Some(Level::ALL[(at / 5) % 3]).filter(|before| *before != wanted).or(Some(Level::Editor)),
            wanted,
        ),
        Status::RoleKept => (Some(Level::Admin), Level::Viewer),
        Status::Unchanged => (Some(wanted), wanted),
        Status::Added
        | Status::Invited
        | Status::AlreadyInvited
        | Status::Removed
        | Status::Rejected
        | Status::GaveUp
        | Status::InDoubt
        | Status::NotRun
        | Status::Invalid
        | Status::Merged => (None, wanted),
    }
}

fn person(at: usize) -> String {
    let first = ["amina", "jose", "li", "nadia", "tom", "yuki", "zoe", "omar"][at % 8];
    let last = ["demir", "horvat", "wei", "karimi", "berg", "sato", "duarte", "haddad", "novak"][at % 9];
    format!("{first}.{last}.{:04x}@example.com", at.wrapping_mul(40_503) % 65_536)
}

/// A run with so many rows in so many workspaces.
fn run(rows: usize, places: usize, extras: usize) -> Made {
    let mut made = Made::new();
    for at in 0..rows {
        let end = varied(at);
        let levels = levels(at, end.0);
        made.row(&person(at), &format!("CC-{}", at % 30), at % places, levels, end);
    }
    for at in 0..extras {
        let protected = Some(Cause::new(Code::Protected, "covered by --protect"));
        let caller = Some(Cause::new(Code::GuardSelf, "the token's own user is never removed"));
        let end = [
            (Status::Removed, None),
            (Status::Unchanged, protected),
            (Status::Removed, None),
            (Status::Unchanged, caller),
        ];
        made.extra(&format!("left.{}", person(at + 7)), at % places, Level::ALL[at % 3], end[at % 4].clone());
    }
    made
}

/// A plan with adds, changes and removals, saved, and its page.
fn plan() -> (Workdir, PathBuf) {
    let dir = Workdir::new();
    let mut state = "email,role,workspace\n".to_owned();
    let mut roster = state.clone();
    for at in 0..140 {
        let workspace = ["Data Platform", "Research", "Finance"][at % 3];
        let role = ["viewer", "editor", "admin"][at % 3 + usize::from(at % 7 == 0) * (2 - at % 3)];
        writeln!(state, "{},{role},{workspace}", person(at)).unwrap();
        let wanted = if at % 9 == 4 {
            "admin"
        } else if at % 11 == 5 {
            "viewer"
        } else {
            role
        };
        if at % 23 != 10 {
            writeln!(roster, "{},{wanted},{workspace}", person(at)).unwrap();
        }
    }
    for at in 140..190 {
        let role = ["viewer", "editor", "viewer", "admin"][at % 4];
        writeln!(roster, "{},{role},{}", person(at), ["Data Platform", "Research"][at % 2]).unwrap();
    }
    dir.write("state.csv", state);
    dir.write("roster.csv", roster);
    let words = "plan roster.csv --sandbox --sandbox-state state.csv --update-roles --prune --format html --out plan.json";
    let planned = dir.call(words.split(' ')).run();
    assert!(planned.stdout.starts_with("<!doctype html>"), "{}{}", planned.stdout, planned.stderr);
    let saved: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.path().join("plan.json")).unwrap()).unwrap();
    let digest = saved["digest"].as_str().unwrap();
    assert!(
        planned.stdout.contains(&format!("<span>--approve</span> <span>{digest}</span></code>")),
        "{digest}"
    );
    let page = dir.write("plan.html", planned.stdout);
    (dir, page)
}

#[test]
fn a_run_and_a_plan_can_be_read_filtered_printed_and_shared() {
    let (_run, faults) = run(640, 9, 12).page(Some(StopReason::MaxErrors));
    let (_plan, plan) = plan();
    check(&[("run", &faults), ("plan", &plan)]);
}

/// The page of a roster that was carried out in two shards.
fn merged() -> (Workdir, PathBuf) {
    let (sandbox, dir) = (Sandbox::new(), Workdir::new());
    dir.write("roster.csv", harness::roster(60, 5));
    for shard in ["1/2", "2/2"] {
        drop(dir.apply(&sandbox, "roster.csv", &["--shard", shard, "--timeout", "5s"]).ended(0));
    }
    let runs: Vec<_> = dir.folders().iter().map(|folder| folder.display().to_string()).collect();
    let runs: Vec<&str> = runs.iter().map(String::as_str).collect();
    drop(dir.call(["report", "--merge"]).args(&runs).args(&["--out", "merged"]).run().ended(0));
    let page = dir.path().join("merged/report.html");
    (dir, page)
}

#[test]
fn the_page_of_several_shards_leaves_out_what_only_one_run_has() {
    let (dir, page) = merged();
    let text = fs::read_to_string(&page).unwrap();
    for section in ["people-title", "workspaces-title", "audit-title", "id=\"rows\""] {
        assert!(text.contains(section), "{section}");
    }
    for missing in ["time-title", "First write to last proof", "Head of its chain", "it was resumed"] {
        assert!(!text.contains(missing), "{missing}");
    }
    let shard = dir.folders().remove(0).join("report.html");
    assert!(fs::read_to_string(shard).unwrap().contains("time-title"), "a run has its timeline");
    check(&[("merged", &page)]);
}

/// The terminal whose picture is taken.
const ROWS: u16 = 24;
const COLUMNS: u16 = 80;

/// Screens of a terminal as a page.
fn drawn(screens: &[vt100::Screen]) -> String {
    let mut page = "<!doctype html><meta charset=utf-8><style>body{margin:0;background:#fff}\
        pre{margin:0 0 16px;padding:14px 18px;width:80ch;border-radius:8px;background:#15191f;color:#dfe4ea;\
        font:15px/1.35 'DejaVu Sans Mono','Liberation Mono',monospace}\
        .c1{color:#ff7b72}.c2{color:#56d364}.c3{color:#e3b341}.c6{color:#76d9e6}.b{font-weight:700}.d{opacity:.62}\
        </style><main style=\"width:max-content;padding:12px\">"
        .to_owned();
    for screen in screens {
        page.push_str("<pre>");
        let used = (0..ROWS).rev().find(|row| !line_of(screen, *row).is_empty()).map_or(0, |row| row + 1);
        for row in 0..used {
            for cell in (0..COLUMNS).filter_map(|column| screen.cell(row, column)) {
                let colour = match cell.fgcolor() {
                    vt100::Color::Idx(index) => format!("c{}", index % 8),
                    vt100::Color::Default | vt100::Color::Rgb(..) => String::new(),
                };
                let (bold, dim) = (if cell.bold() { "b" } else { "" }, if cell.dim() { "d" } else { "" });
                let text = if cell.has_contents() { cell.contents() } else { " " };
                let text = text.replace('&', "&amp;").replace('<', "&lt;");
                write!(page, "<span class=\"{colour} {bold} {dim}\">{text}</span>").unwrap();
            }
            page.push('\n');
        }
        page.push_str("</pre>");
    }
    page
}

fn line_of(screen: &vt100::Screen, row: u16) -> String {
    screen.contents_between(row, 0, row, COLUMNS).trim_end().to_owned()
}

/// What a terminal of 80 columns shows in the middle of a run, and at its end.
fn screens(shown: &[u8]) -> [vt100::Screen; 2] {
    let size = |of: u16| of.try_into().expect("not zero");
    let mut terminal = vt100::Parser::new(size(ROWS), size(COLUMNS), 0);
    let mut bars: Vec<vt100::Screen> = Vec::new();
    // A bar is whole when the next drawing begins.
    for drawing in shown.split_inclusive(|&byte| byte == b'\r') {
        let screen = terminal.screen();
        let has_bar = (0..ROWS).any(|row| {
            let line = line_of(screen, row);
            line.starts_with("members ") && line.contains("[=") && !line.contains("] 0/")
        });
        if has_bar {
            bars.push(screen.clone());
        }
        terminal.process(drawing);
    }
    let used = |screen: &vt100::Screen| (0..ROWS).filter(|row| !line_of(screen, *row).is_empty()).count();
    let most = bars.iter().map(used).max().expect("a bar was drawn");
    bars.retain(|screen| used(screen) == most);
    [bars[bars.len() * 2 / 3].clone(), terminal.screen().clone()]
}

#[test]
fn a_run_fits_a_terminal_of_80_columns_and_its_picture_is_taken() {
    let options = Options { latency: Duration::from_millis(25), ..harness::faulty("503=6%,reset=2%") };
    let (sandbox, dir) = (Sandbox::with(options), Workdir::new());
    dir.write("team.csv", harness::roster(400, 5));
    let mut command = Command::new("/bin/sh");
    let apply = format!(
        "stty cols 80 rows 24; exec {} apply team.csv --yes --retries 1 --url {}",
        program(),
        sandbox.url()
    );
    command.env_clear().args(["-c", &apply]).current_dir(dir.path());
    command.env("TERM", "xterm-256color").env("PATH", "/usr/bin:/bin").env("HOME", dir.path());
    command.env("HOUSTON_ONBOARD_RATE", "none").env("HOUSTON_API_TOKEN", sandbox.token());
    let mut session = rexpect::session::spawn_command(command, Some(60_000)).unwrap();
    // The session gives a character for every byte.
    let shown = session.exp_eof().unwrap();
    let shown: Vec<u8> = shown.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let [middle, end] = screens(&shown);
    let lines: Vec<_> = (0..ROWS).map(|row| line_of(&end, row)).collect();
    assert!(lines.iter().any(|line| line.contains("report.html")), "{lines:#?}");
    let page = dir.write("terminal.html", drawn(&[middle, end]));
    check(&[("terminal", &page)]);
}

#[test]
fn nothing_from_outside_runs_in_the_page() {
    let mut made = Made::new();
    for (at, text) in
        [HOSTILE, "=HYPERLINK(\"http://evil.example\";\"x\")", "@SUM(1)|'x'", "plain"].into_iter().enumerate()
    {
        let cause = Some(Cause::new(Code::Rejected, format!("{text} says Houston")));
        made.row(
            &format!("{text}{at}@example.com"),
            text,
            at,
            (None, Level::Admin),
            (Status::Rejected, cause),
        );
        made.row(&format!("{text}{at}@example.org"), text, at, (None, Level::Admin), (Status::Added, None));
    }
    made.extra(HOSTILE, 0, Level::Admin, (Status::Removed, None));
    let (_dir, page) = made.page(Some(StopReason::TargetUnusable));
    check(&[("untrusted", &page)]);
}

#[test]
fn many_rows_do_not_freeze_the_page() {
    let (_fifty, fifty) = run(50_000, 40, 0).page(None);
    assert!(fs::metadata(&fifty).unwrap().len() < 1 << 20, "{}", fs::metadata(&fifty).unwrap().len());
    check(&[("large-50000", &fifty)]);
}

#[test]
#[ignore = "takes a minute: .ci/ecosystem runs it"]
fn the_most_rows_of_a_page_do_not_break_it_and_more_are_left_out() {
    let (_most, most) = run(200_000, 40, 0).page(None);
    let (_more, more) = run(210_000, 40, 0).page(None);
    assert!(fs::read_to_string(&more).unwrap().contains("210,000 rows are too many for a page"));
    check(&[("large-200000", &most), ("large-210000", &more)]);
}
