//! What the tests of this folder share: a [`Workdir`] in which the built program is run, or an
//! [`InProcess`] for what needs no process, a [`Sandbox`] to talk to, and the comparison of what the program reports with what the
//! sandbox has.
//!
//! This is the only place of the tests that waits, always for an event and never longer than a
//! deadline.

pub mod by_hand;
mod in_memory;
mod in_process;
#[cfg(unix)]
pub mod stage;
#[cfg(unix)]
pub mod tools;
mod world;

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use houston_onboard::sandbox::state::StateUser;
use houston_onboard::sandbox::{self, Audit, Model, Options, Profile, Role, State, Switches};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

pub use self::in_process::{Command, InProcess};
pub use self::world::{World, person, user, workspace};

/// No run of a test takes longer, not even on a machine that is busy with something else.
pub const DEADLINE: Duration = Duration::from_secs(180);
/// How often an event is looked for.
const GLANCE: Duration = Duration::from_millis(5);
/// How often the moment for a kill is looked for.
const BLINK: Duration = Duration::from_micros(200);

/// The environment of runs that meet faults: no pacing, and patience that fits a test. Flags win.
const QUICK: [(&str, &str); 3] = [
    ("HOUSTON_ONBOARD_RATE", "none"),
    ("HOUSTON_ONBOARD_SETTLE", "300ms"),
    ("HOUSTON_ONBOARD_TIMEOUT", "300ms"),
];

/// The variables of the environment that lead a request elsewhere.
const PROXIES: [&str; 8] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// Looks until it sees something, until the deadline.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(GLANCE);
    }
}

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The path of a sample.
pub fn sample(name: &str) -> String {
    root().join("samples").join(name).display().to_string()
}

/// A temporary folder in which the program is run.
pub struct Workdir(TempDir);

impl Workdir {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder in memory, where that can be had: syncing takes no time there.
    fn in_memory() -> Self {
        tempfile::tempdir_in("/dev/shm").map_or_else(|_| Self::new(), Self)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Writes a file into it.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// A call of the program in this folder, with nothing of our environment that concerns it.
    pub fn call<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>) -> Call<'_> {
        let mut command = process::Command::new(program());
        command.current_dir(self.path()).env("HOME", self.path());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HOUSTON_") {
                command.env_remove(name);
            }
        }
        for name in PROXIES {
            command.env_remove(name);
        }
        for name in ["ASTRO_HOME", "ASTRO_DOMAIN", "ASTRO_API_TOKEN", "NO_COLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        command.args(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        Call { workdir: self, command, stdin: Vec::new() }
    }

    /// Runs the program to its end.
    pub fn run<S: AsRef<str>>(&self, arguments: impl IntoIterator<Item = S>) -> Finished {
        self.call(arguments).run()
    }

    /// `apply --yes` of a file against a sandbox, as its system admin.
    pub fn applying(&self, sandbox: &Sandbox, roster: &str) -> Call<'_> {
        self.call(["apply", roster, "--yes"]).to(sandbox)
    }

    /// `apply --yes` with the patience of a test.
    pub fn apply(&self, sandbox: &Sandbox, roster: &str, more: &[&str]) -> Finished {
        self.applying(sandbox, roster).quick().args(more).run()
    }

    /// `resume --yes` of the latest run, with the patience of a test, as the system admin.
    pub fn resuming(&self, sandbox: &Sandbox) -> Call<'_> {
        self.call(["resume", "--yes"]).quick().token(sandbox.token())
    }

    /// The same, to its end; the reports are those of the whole run.
    pub fn resume(&self, sandbox: &Sandbox, more: &[&str]) -> Finished {
        let finished = self.resuming(sandbox).args(more).run();
        Finished { folder: self.folders().pop(), ..finished }
    }

    /// The folders of all runs.
    pub fn folders(&self) -> Vec<PathBuf> {
        folders_in(&self.path().join("onboard-runs"))
    }
}

/// The folders in a folder, sorted; none where it does not exist.
pub fn folders_in(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let mut folders: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|p| p.is_dir()).collect();
    folders.sort();
    folders
}

/// The built program.
pub fn program() -> &'static str {
    env!("CARGO_BIN_EXE_houston-onboard")
}

/// A call of the program that is being put together.
pub struct Call<'w> {
    workdir: &'w Workdir,
    command: process::Command,
    stdin: Vec<u8>,
}

impl<'w> Call<'w> {
    #[must_use]
    pub fn args(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// With the patience of a test.
    #[must_use]
    pub fn quick(self) -> Self {
        QUICK.iter().fold(self, |call, (name, value)| call.env(name, value))
    }

    /// Against this sandbox, as its system admin.
    #[must_use]
    pub fn to(self, sandbox: &Sandbox) -> Self {
        let token = sandbox.token().to_owned();
        self.args(&["--url", sandbox.url()]).token(&token)
    }

    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.env("HOUSTON_API_TOKEN", token)
    }

    #[must_use]
    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        bytes.as_ref().clone_into(&mut self.stdin);
        self
    }

    /// Through another program: these words come before the program and its arguments.
    #[must_use]
    pub fn through(mut self, words: &[&str]) -> Self {
        let mut command = process::Command::new(words[0]);
        command.args(&words[1..]).arg(self.command.get_program()).args(self.command.get_args());
        command.current_dir(self.workdir.path());
        for (name, value) in self.command.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        self.command = command;
        self
    }

    /// As the leader of a process group of its own, like a command typed in a shell.
    #[cfg(unix)]
    #[must_use]
    pub fn in_own_group(mut self) -> Self {
        std::os::unix::process::CommandExt::process_group(&mut self.command, 0);
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Finished {
        self.start().finish()
    }

    /// Starts it.
    pub fn start(mut self) -> Running<'w> {
        // Files, not pipes: nobody has to read while it runs.
        let out = tempfile::tempdir().unwrap();
        let file = |name: &str| File::create(out.path().join(name)).unwrap();
        self.command.stdout(file("stdout")).stderr(file("stderr"));
        if self.stdin.is_empty() {
            self.command.stdin(Stdio::null());
        } else {
            fs::write(out.path().join("stdin"), &self.stdin).unwrap();
            self.command.stdin(File::open(out.path().join("stdin")).unwrap());
        }
        let before = self.workdir.folders();
        let child = self.command.spawn().unwrap();
        Running { workdir: self.workdir, child, out, before, began: Instant::now() }
    }
}

/// The program at work.
pub struct Running<'w> {
    workdir: &'w Workdir,
    child: Child,
    out: TempDir,
    before: Vec<PathBuf>,
    began: Instant,
}

impl Running<'_> {
    /// Sends a signal: `INT`, `TERM`.
    pub fn signal(&self, name: &str) {
        signal(name, &self.child.id().to_string());
    }

    /// Sends a signal to everybody in its process group, as a terminal does.
    pub fn signal_group(&self, name: &str) {
        signal(name, &format!("-{}", self.child.id()));
    }

    /// The process that it has started.
    pub fn child_process(&self) -> u32 {
        let id = self.child.id();
        until("a child process", || {
            let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
            children.split_whitespace().next()?.parse().ok()
        })
    }

    /// The folder of the run, if there is one yet.
    pub fn folder(&self) -> Option<PathBuf> {
        self.workdir.folders().into_iter().find(|folder| !self.before.contains(folder))
    }

    /// Waits until the journal holds at least so many entries of a kind.
    pub fn await_entries(&mut self, kind: &str, count: usize) {
        let mark = format!("\"entry\":\"{kind}\"");
        until(&format!("{count} x {kind} in the journal"), || {
            assert!(self.child.try_wait().unwrap().is_none(), "it ended before: {}", self.text("stderr"));
            let journal = fs::read_to_string(self.folder()?.join("journal.jsonl")).ok()?;
            (journal.matches(&mark).count() >= count).then_some(())
        });
    }

    /// Kills it (SIGKILL) as soon as `now` says so; true if it had not ended before.
    pub fn kill_when(&mut self, mut now: impl FnMut(&Self) -> bool) -> bool {
        let end = Instant::now() + DEADLINE;
        while !now(self) {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(Instant::now() < end, "waited in vain for the moment to kill");
            std::thread::sleep(BLINK);
        }
        self.child.kill().unwrap();
        self.child.wait().unwrap().code().is_none()
    }

    /// The journal of a run as far as it is written.
    pub fn journal_of(folder: Option<&Path>) -> Vec<u8> {
        folder.and_then(|folder| fs::read(folder.join("journal.jsonl")).ok()).unwrap_or_default()
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.out.path().join(name)).unwrap()).into_owned()
    }

    /// What standard error has so far.
    pub fn stderr(&self) -> String {
        self.text("stderr")
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Finished {
        let end = self.began + DEADLINE;
        let mut peak_mib = None;
        let status = loop {
            peak_mib = peak(self.child.id()).or(peak_mib);
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() >= end {
                let _ = self.child.kill();
                let _ = self.child.wait();
                panic!("no end within {DEADLINE:?}:\n{}{}", self.text("stdout"), self.text("stderr"));
            }
            std::thread::sleep(GLANCE);
        };
        Finished {
            status: status.code(),
            stdout: self.text("stdout"),
            stderr: self.text("stderr"),
            folder: self.folder(),
            elapsed: Elapsed(self.began.elapsed()),
            peak_mib,
        }
        .in_words()
    }
}

/// A test that fails leaves nothing running.
impl Drop for Running<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process, or to the group after a minus.
pub fn signal(name: &str, to: &str) {
    let kill = format!("kill -{name} {to}");
    assert!(process::Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
}

/// The peak of a process's memory in MiB, where the system tells it; none once it has ended.
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

/// The program after its end.
#[derive(Debug)]
pub struct Finished {
    /// None where a signal killed it.
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    /// The folder of the run, if there is one.
    pub folder: Option<PathBuf>,
    pub elapsed: Elapsed,
    /// The peak of its memory in MiB, as it was seen last; none where the system does not tell.
    pub peak_mib: Option<u64>,
}

/// How long a run took, for [`Finished::is_within`].
#[derive(Debug, Clone, Copy)]
pub struct Elapsed(Duration);

/// What a test holds while it runs the program and judges how long that took. Only one test holds
/// it at a time, so that these tests do not slow each other down; all others go on.
pub struct Stopwatch {
    _lock: File,
}

impl Stopwatch {
    /// Waits until it is free. The lock is on a file: it also holds between processes, where a
    /// runner gives every test one of its own.
    pub fn take() -> Self {
        let lock = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("stopwatch.lock")).unwrap();
        lock.lock().unwrap();
        Self { _lock: lock }
    }
}

/// A line of `results.csv`, cells by header.
pub type Row = BTreeMap<String, String>;

impl Finished {
    /// Asserts the exit status.
    #[track_caller]
    #[must_use]
    pub fn ended(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "\n--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Asserts that people read nothing of the numbers that a system gives its errors.
    #[track_caller]
    pub(super) fn in_words(self) -> Self {
        for text in [&self.stdout, &self.stderr] {
            assert!(!text.contains("(os error "), "{text}");
        }
        self
    }

    /// Asserts that it took less time than this, for which the test holds the stopwatch.
    #[track_caller]
    pub fn is_within(&self, limit: Duration, _watch: &Stopwatch) {
        assert!(self.elapsed.0 < limit, "{:?}\n{}", self.elapsed.0, self.stderr);
    }

    /// Asserts that standard error has this text.
    #[track_caller]
    #[must_use]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "{text:?} is not in\n{}", self.stderr);
        self
    }

    /// Asserts that no run was begun.
    #[track_caller]
    pub fn began_nothing(&self) {
        assert_eq!(self.folder, None, "{}", self.stderr);
    }

    /// Asserts that a run was begun.
    #[track_caller]
    pub fn began(&self) {
        assert!(self.folder().is_dir());
    }

    #[track_caller]
    pub fn folder(&self) -> &Path {
        self.folder.as_deref().unwrap_or_else(|| panic!("no run folder\n{}{}", self.stdout, self.stderr))
    }

    /// A file of the run folder.
    #[track_caller]
    pub fn file(&self, name: &str) -> String {
        fs::read_to_string(self.folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// `results.csv`.
    #[track_caller]
    pub fn rows(&self) -> Vec<Row> {
        let text = self.file("results.csv");
        let header = text.lines().next().unwrap_or_default();
        let often = |delimiter: &u8| header.bytes().filter(|b| b == delimiter).count();
        let delimiter = [b'|', b'\t', b';', b','].into_iter().max_by_key(often).unwrap();
        records(&text, delimiter)
    }

    /// `summary.json`.
    #[track_caller]
    pub fn summary(&self) -> serde_json::Value {
        serde_json::from_str(&self.file("summary.json")).unwrap()
    }

    /// Rows per status, without the zeros.
    #[track_caller]
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for row in self.rows() {
            *counts.entry(row["status"].clone()).or_default() += 1;
        }
        counts
    }

    /// How many rows have this status.
    #[track_caller]
    pub fn count(&self, status: &str) -> usize {
        self.counts().get(status).copied().unwrap_or_default()
    }
}

/// A CSV file with a header as maps.
pub fn records(text: &str, delimiter: u8) -> Vec<Row> {
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let row = |record: csv::StringRecord| {
        headers.iter().map(str::to_owned).zip(record.iter().map(str::to_owned)).collect()
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

/// A running sandbox on a port of its own.
pub struct Sandbox(Arc<sandbox::Sandbox>);

impl Deref for Sandbox {
    type Target = sandbox::Sandbox;

    fn deref(&self) -> &sandbox::Sandbox {
        &self.0
    }
}

/// Options with these faults.
pub fn faulty(faults: &str) -> Options {
    Options { faults: faults.parse().unwrap(), seed: 1, ..Options::default() }
}

impl Sandbox {
    /// The built-in world, and nothing goes wrong.
    pub fn new() -> Self {
        Self::with(Options::default())
    }

    pub fn with(options: Options) -> Self {
        Self(Arc::new(sandbox::Sandbox::start(options).unwrap()))
    }

    pub fn of(state: impl Into<State>, options: Options) -> Self {
        Self(Arc::new(sandbox::Sandbox::start_with(options, state.into()).unwrap()))
    }

    /// Asserts that what the program reports is what the sandbox has: every success is there with
    /// the role of the file, what failed is not, and nobody is there twice.
    #[track_caller]
    pub fn agrees_with(&self, run: &Finished) {
        let audit = self.audit();
        assert_eq!(audit.duplicate_bindings, [], "{}", run.stderr);
        assert_eq!(audit.duplicate_invites, [], "{}", run.stderr);
        let standings = Standings::of(&self.state());
        let mut wrong = String::new();
        for row in run.rows() {
            if let Err(why) = standings.judge(&row) {
                writeln!(wrong, "{why}: {row:?}").unwrap();
            }
        }
        assert!(wrong.is_empty(), "\n{wrong}{}", run.stderr);
    }

    /// The mutations that were executed, as (workspace, email).
    pub fn mutations(&self) -> Vec<(String, String)> {
        let audit: Audit = self.audit();
        let place = |entry: sandbox::AuditEntry| {
            (entry.workspace.unwrap_or_default(), entry.email.unwrap_or_default().to_lowercase())
        };
        audit.entries.into_iter().map(place).collect()
    }

    #[track_caller]
    pub fn received_no_mutation(&self) {
        assert_eq!(self.audit().mutations_received, 0);
    }
}

/// Who is where, by address and workspace.
struct Standings {
    members: HashMap<(String, String), (Role, bool)>,
    invited: HashMap<(String, String), Role>,
}

impl Standings {
    fn of(state: &State) -> Self {
        let users: HashMap<&str, &StateUser> =
            state.users.iter().map(|user| (user.id.as_str(), user)).collect();
        let mut members = HashMap::new();
        for binding in &state.bindings {
            let Some(workspace) = &binding.workspace else { continue };
            let user = users[binding.user.as_str()];
            let active = user.status == sandbox::state::Status::Active;
            for email in user.emails.iter().chain([&user.username]) {
                members.insert((email.to_lowercase(), workspace.clone()), (binding.role, active));
            }
        }
        let place = |invite: &sandbox::state::StateInvite| {
            let key = (invite.email.to_lowercase(), invite.workspace.clone()?);
            Some((key, invite.role))
        };
        Self { members, invited: state.invites.iter().filter_map(place).collect() }
    }

    fn judge(&self, row: &Row) -> Result<(), &'static str> {
        let status = row["status"].as_str();
        let email = cell(row, &["email", "username"]).trim();
        // Reports put an apostrophe before what a spreadsheet would run.
        let email = email.strip_prefix('\'').unwrap_or(email).to_lowercase();
        let key = (email, row["resolved_workspace_id"].clone());
        let member = self.members.get(&key).copied();
        let invited = self.invited.get(&key).copied();
        let wanted = role(cell(row, &["role"]));
        let ok = match status {
            "added" | "unchanged" => member == wanted.map(|role| (role, true)),
            // Also of somebody who has never signed in.
            "role_updated" => member.is_some() && member.map(|(role, _)| role) == wanted,
            "invited" | "already_invited" => {
                member == wanted.map(|role| (role, false)) || (invited.is_some() && invited == wanted)
            }
            "role_kept" => member.is_some() && member.map(|(role, _)| role) != wanted,
            "merged" => member.is_some() || invited.is_some(),
            "rejected" if row["error_code"] == "duplicate_binding" => true,
            // Somebody whose role was to be changed is there anyway.
            "rejected" | "gave_up" | "not_run" if member.is_some() => member.map(|(role, _)| role) != wanted,
            "rejected" | "gave_up" | "not_run" => member.is_none() && invited.is_none(),
            "in_doubt" | "invalid" => true,
            _ => return Err("no such status"),
        };
        if ok { Ok(()) } else { Err("Houston has it otherwise") }
    }
}

/// The cell under the first of these headers that exists, in whatever case.
fn cell<'r>(row: &'r Row, names: &[&str]) -> &'r str {
    let found =
        names.iter().find_map(|name| row.iter().find(|(header, _)| header.trim().eq_ignore_ascii_case(name)));
    found.map_or("", |(_, cell)| cell)
}

/// A role as rosters write it.
fn role(text: &str) -> Option<Role> {
    match text.trim().to_ascii_uppercase().trim_start_matches("WORKSPACE_") {
        "ADMIN" => Some(Role::WorkspaceAdmin),
        "EDITOR" => Some(Role::WorkspaceEditor),
        "VIEWER" => Some(Role::WorkspaceViewer),
        _ => None,
    }
}

/// The labels of the built-in workspaces that only one has.
pub const LABELS: [&str; 5] =
    ["Data Platform", "Finance", "Marketing Analytics", "Machine Learning", "Operations"];

/// Active people of the built-in world who are in no workspace.
pub fn strangers() -> Vec<String> {
    let state = State::default();
    let member = |user: &&StateUser| state.bindings.iter().any(|binding| binding.user == user.id);
    let active = |user: &&StateUser| user.status == sandbox::state::Status::Active;
    state
        .users
        .iter()
        .filter(active)
        .filter(|user| !member(user))
        .map(|user| user.emails[0].clone())
        .collect()
}

/// A roster for the built-in world: every other person has an account, as far as there are such
/// people, the rest is unknown;
/// spread over `workspaces` of [`LABELS`], roles mixed.
pub fn roster(rows: usize, workspaces: usize) -> String {
    let known = strangers();
    let mut text = String::from("email,role,workspace\n");
    for place in 0..rows {
        let email = known.get(place / 2).filter(|_| place % 2 == 0).cloned();
        let email = email.unwrap_or_else(|| format!("new.hire{place}@example.com"));
        let role = ["WORKSPACE_VIEWER", "WORKSPACE_EDITOR", "WORKSPACE_ADMIN"][place % 3];
        writeln!(text, "{email},{role},{}", LABELS[place % workspaces]).unwrap();
    }
    text
}

/// Both membership models.
pub const MODELS: [Model; 2] = [Model::Legacy, Model::Modern];

/// The built-in world in this model. The version of a legacy one does not tell what it does with
/// repeats (2.x would: it is known to refuse them).
pub fn playing(model: Model, options: Options) -> Options {
    let profile = match model {
        Model::Legacy => Profile::V1,
        Model::Modern => Profile::V2,
    };
    Options { model: Some(model), profile, ..options }
}

/// Switches of an installation with single sign-on and mail, whatever its version ships with.
pub fn with_mail() -> Switches {
    Switches { local_auth: Some(false), sso: Some(true), smtp: Some(true), ..Switches::default() }
}

/// Writes to a terminal that somebody has asked for, to see what a failing test saw.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A request as it came over the wire.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The request line and the headers.
    pub head: String,
    pub body: String,
}

impl Asked {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// A variable of the operation, as text.
    pub fn variable(&self, name: &str) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        body["variables"][name].as_str().unwrap_or_default().to_owned()
    }

    /// The operation's name.
    pub fn operation(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        body["operationName"].as_str().unwrap().to_owned()
    }
}

/// Reads one request.
pub fn read_request(stream: &mut (impl Read + ?Sized)) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut asked = Asked { head: head.to_owned(), body: body.to_owned() };
            let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            if asked.body.len() >= length {
                asked.body.truncate(length);
                return Some(asked);
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}

/// An answer, after which the connection is closed.
pub fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

/// A JSON answer.
pub fn json(body: &serde_json::Value) -> Vec<u8> {
    answer("200 OK", "content-type: application/json\r\n", &body.to_string())
}

/// A server of our own making, for what no Houston would say. It lives as long as the test.
pub struct Server {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Answers every request with what `respond` makes of it.
    pub fn start(respond: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::over(respond, |stream, serve| serve(stream))
    }

    /// The same over whatever `wrap` puts around a connection.
    pub fn over(
        respond: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static,
        wrap: impl Fn(&mut TcpStream, &dyn Fn(&mut dyn Stream)) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (noted, parts) = (Arc::clone(&asked), Arc::new((respond, wrap)));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let (noted, parts) = (Arc::clone(&noted), Arc::clone(&parts));
                std::thread::spawn(move || {
                    (parts.1)(&mut stream, &|stream| {
                        if let Some(request) = read_request(stream) {
                            let answer = (parts.0)(&request);
                            noted.lock().unwrap().push(request);
                            // The client may be gone.
                            let _ = stream.write_all(&answer);
                            let _ = stream.flush();
                        }
                    });
                });
            }
        });
        Self { port, asked }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// Hands a request on to a sandbox and gives its answer, after which the connection is closed.
pub fn relay(url: &str, asked: &Asked) -> Vec<u8> {
    let address = url.trim_start_matches("http://").trim_end_matches("/v1");
    let token = asked.header("authorization").unwrap_or_default();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST /v1 HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nauthorization: {token}\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n",
        asked.body.len()
    );
    stream.write_all((head + &asked.body).as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Writes these bytes again and again, slowly if so wished, until nobody listens any more.
pub fn pour(stream: &mut dyn Stream, bytes: &[u8], slowly: bool) {
    let end = Instant::now() + DEADLINE;
    while Instant::now() < end && stream.write_all(bytes).and_then(|()| stream.flush()).is_ok() {
        if slowly {
            std::thread::sleep(GLANCE);
        }
    }
}

/// Both directions of a connection.
pub trait Stream: Read + std::io::Write {}

impl<T: Read + std::io::Write> Stream for T {}

/// The digest of a text, as an auditor makes it.
fn sha256(text: &str) -> String {
    houston_onboard::record::journal::hexadecimal(&Sha256::digest(text))
}

/// The lines of a journal with a chain of their own, as everybody can make it who has read how.
pub fn chained_again(journal: &str) -> String {
    let mut chain = String::new();
    let sealed = journal.lines().map(|line| {
        let body = format!("{}}}", &line[..line.rfind(",\"chain\":").unwrap()]);
        chain = sha256(&format!("{chain}{body}"));
        format!("{},\"chain\":\"{chain}\"}}\n", body.strip_suffix('}').unwrap())
    });
    sealed.collect()
}
