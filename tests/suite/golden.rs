//! Golden runs: whole runs of the built program against the sandbox, with everything they leave behind
//! kept as snapshots in `tests/golden`. They hold the behaviour still while the code behind it moves.
//!
//! A run is data: its main type [`Scene`] has a world, a roster and the calls that are made. The snapshot
//! holds, call by call, the exit status, both output streams, the files of the run's folder that changed,
//! every mutation that Houston executed, in order, and the world after them. [`Redaction`] removes what differs from one run to
//! the next: ids of runs, times, digests, ports, numbers of requests, estimates.
//!
//! Nothing here depends on time. One request is in flight at a time, faults hit people and not request
//! numbers, and a signal is sent while the answer to a chosen mutation is held back. The order of two
//! workspaces is not fixed: the list of mutations is sorted by workspace within a phase, and a scene in
//! which a signal cuts a run off has one workspace only.
//!
//! A snapshot may change only in a commit that does nothing else and says why. `INSTA_UPDATE=always`
//! accepts the differences; `.ci/run` never writes a snapshot.

#![cfg(all(feature = "sandbox", unix))]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use crate::harness::{Call, Finished, Sandbox, Server, Workdir, relay, root, until};
use houston_onboard::sandbox::state::{
    StateBinding, StateDeployment, StateInvite, StateUser, StateWorkspace, Status,
};
use houston_onboard::sandbox::{AuditEntry, Model, Options, Role, State};
use regex::Regex;

/// What happens in one world from its beginning.
struct Scene {
    title: &'static str,
    /// The profile of Houston, then `legacy` for that model, and switches: `2.x scim=true`.
    houston: &'static str,
    /// See [`world`].
    world: &'static str,
    roster: &'static str,
    acts: &'static [Act],
}

enum Act {
    /// Call the program. A word `RUN/FILE` is a file of the first run in the scene.
    Call(&'static str),
    /// Call `plan` with these flags in each of its formats.
    Plan(&'static str),
    /// Give Houston these faults instead of those it has.
    Faults(&'static str),
    /// Call the program and interrupt it while it waits for the answer to a mutation that holds this text.
    Interrupt(&'static str, &'static str),
}

/// A saved plan, and the files of a run's folder that users read.
const FILES: [&str; 8] = [
    "plan.json",
    "results.csv",
    "removals.csv",
    "errors.csv",
    "unprocessed.csv",
    "undo.csv",
    "undo.json",
    "summary.json",
];

/// Plays the scenes and compares what they leave with the snapshot of this name.
#[track_caller]
fn golden(name: &str, scenes: &[Scene]) {
    let text = scenes.iter().map(Stage::play).collect::<String>();
    insta::with_settings!({
        snapshot_path => root().join("tests/golden"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name, text);
    });
}

/// A scene that is being played.
struct Stage {
    workdir: Workdir,
    sandbox: Sandbox,
    gate: Gate,
    /// What was written so far.
    text: String,
    /// The folders of the runs, oldest first. Their names do not say which of one second is older.
    runs: Vec<PathBuf>,
    /// The files of all runs as they were written last, by path.
    files: BTreeMap<String, String>,
    mutations: usize,
}

impl Stage {
    fn play(scene: &Scene) -> String {
        let sandbox = Sandbox::of(world(scene.world), houston(scene.houston));
        let workdir = Workdir::new();
        workdir.write("roster.csv", scene.roster);
        let gate = Gate::before(&sandbox);
        let (text, runs, files) = (String::new(), Vec::new(), BTreeMap::new());
        let mut stage = Self { workdir, sandbox, gate, text, runs, files, mutations: 0 };
        writeln!(stage.text, "\n######## {} (Houston {})", scene.title, scene.houston).unwrap();
        stage.section("world", scene.world);
        stage.section("roster.csv", scene.roster);
        scene.acts.iter().for_each(|act| stage.act(act));
        stage.text
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Call(words) => self.run(words),
            Act::Plan(flags) => {
                for format in ["human", "csv", "json", "md"] {
                    self.run(&format!("plan roster.csv --format {format} {flags}"));
                }
            }
            Act::Faults(faults) => {
                self.sandbox.set_faults(faults.parse().unwrap());
                writeln!(self.text, "\n==== faults: {faults}").unwrap();
            }
            Act::Interrupt(words, text) => {
                self.gate.hold(text);
                // Without progress the signal is not announced.
                let running = self.call(words).args(&["--progress", "plain"]).start();
                self.gate.await_request();
                running.signal("INT");
                until("the signal to be noticed", || running.stderr().contains("stopping").then_some(()));
                self.gate.release();
                let finished = running.finish();
                self.note(&format!("{words} (interrupted at {text})"), &finished);
            }
        }
    }

    fn run(&mut self, words: &str) {
        let finished = self.call(words).run();
        self.note(words, &finished);
    }

    fn call(&self, words: &str) -> Call<'_> {
        let run = self.runs.first().map_or(String::new(), |folder| folder.display().to_string());
        let words = words.split_whitespace().map(|word| word.replace("RUN/", &format!("{run}/")));
        let call = self.workdir.call(words).token(self.sandbox.token());
        let settings = [
            ("URL", &*self.gate.url()),
            ("CONCURRENCY", "1"),
            ("RATE", "none"),
            ("SETTLE", "300ms"),
            ("PROGRESS", "none"),
        ];
        settings.iter().fold(call, |call, (name, value)| call.env(&format!("HOUSTON_ONBOARD_{name}"), value))
    }

    /// Writes down what a call left.
    fn note(&mut self, words: &str, finished: &Finished) {
        let status = finished.status.map_or("none".to_owned(), |status| status.to_string());
        writeln!(self.text, "\n==== houston-onboard {words}: exit status {status}", words = words.trim())
            .unwrap();
        self.runs.extend(finished.folder.clone());
        let redaction = Redaction::of(self);
        self.section("stdout", &redaction.text(&finished.stdout));
        self.section("stderr", &redaction.text(&finished.stderr));
        let folders = [self.workdir.path().to_owned()].into_iter().chain(self.runs.clone());
        for path in folders.flat_map(|folder| FILES.map(|name| folder.join(name))) {
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let (path, text) = (redaction.text(&path.display().to_string()), redaction.text(&text));
            if self.files.insert(path.clone(), text.clone()).as_ref() != Some(&text) {
                self.section(&path, &text);
            }
        }
        let entries = self.sandbox.audit().entries;
        let new = listed(&entries[self.mutations..]);
        self.mutations = entries.len();
        if !new.is_empty() {
            self.section("mutations", &redaction.text(&new));
            self.section("world", &described(&self.sandbox.state()));
        }
    }

    fn section(&mut self, title: &str, text: &str) {
        if !text.is_empty() {
            writeln!(self.text, "-------- {title}\n{}", text.trim_end()).unwrap();
        }
    }
}

fn houston(text: &str) -> Options {
    let mut words = text.split_whitespace();
    let profile = words.next().unwrap().parse().unwrap();
    let mut options = Options { profile, seed: 1, ..Options::default() };
    for word in words {
        match word {
            "legacy" => options.model = Some(Model::Legacy),
            assignment => options.switches.set(assignment).unwrap(),
        }
    }
    options
}

/// The mutations in their order, sorted by workspace within a phase.
fn listed(entries: &[AuditEntry]) -> String {
    let is_removal = |field: &str| matches!(field, "workspaceRemoveUser" | "deleteInviteToken");
    let phase = |entry: &AuditEntry| (is_removal(&entry.field), entry.field.starts_with("deployment"));
    let mut lines = Vec::new();
    for entries in entries.chunk_by(|a, b| phase(a) == phase(b)) {
        let mut entries = entries.iter().collect::<Vec<_>>();
        entries.sort_by_key(|entry| &entry.workspace);
        lines.extend(entries.into_iter().map(line));
    }
    lines.join("\n")
}

/// One executed mutation: which, about whom, where, with which role, and what became of it.
fn line(entry: &AuditEntry) -> String {
    let given = [&entry.email, &entry.workspace, &entry.role].map(|text| text.as_deref().unwrap_or("-"));
    let mut line = format!("{} {} {:?}", entry.field, given.join(" "), entry.outcome);
    for more in [&entry.detail, &entry.fault].into_iter().flatten() {
        write!(line, " ({more})").unwrap();
    }
    line
}

/// A world from lines such as `Data: ann admin, ben viewer`. `Data/etl: ben editor` is the deployment
/// `etl` of that workspace, `Data invites: cat viewer` are invitations, `Accounts: dan, eva` are people
/// without a role, `System: ann admin` has a role on the platform. The first system admin is the caller. A
/// third word `pending` is for a person who never signed in, `hidden` for one without an address.
fn world(text: &str) -> State {
    let mut state = State::empty();
    for line in text.lines() {
        let (head, people) = line.split_once(':').unwrap();
        let people = people.split(',').map(|person| person.split_whitespace().collect::<Vec<_>>());
        let people = people.filter(|words| !words.is_empty());
        if let Some((workspace, deployment)) = head.split_once('/') {
            state.deployments.push(StateDeployment {
                id: id("deploy", deployment),
                label: deployment.to_owned(),
                release_name: deployment.to_owned(),
                workspace: id("space", workspace),
            });
            people.for_each(|words| push_binding(&mut state, &words, "DEPLOYMENT", None, Some(deployment)));
        } else if let Some(workspace) = head.strip_suffix(" invites") {
            people.for_each(|words| push_invite(&mut state, &words, workspace));
        } else if head == "System" {
            people.for_each(|words| push_binding(&mut state, &words, "SYSTEM", None, None));
        } else if head == "Accounts" {
            people.for_each(|words| drop(user(&mut state, &words)));
        } else {
            state.workspaces.push(StateWorkspace {
                id: id("space", head),
                label: Some(head.to_owned()),
                description: None,
                created_at: None,
            });
            people.for_each(|words| push_binding(&mut state, &words, "WORKSPACE", Some(head), None));
        }
    }
    state
}

/// The lines of [`world`] for a state, as far as they are about workspaces.
fn described(state: &State) -> String {
    let label = |id: &str| {
        let workspace = state.workspaces.iter().find(|workspace| workspace.id == id).unwrap();
        workspace.label.clone().unwrap()
    };
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for binding in &state.bindings {
        let head = if let Some(workspace) = &binding.workspace {
            label(workspace)
        } else if let Some(id) = &binding.deployment {
            let deployment = state.deployments.iter().find(|deployment| deployment.id == *id).unwrap();
            format!("{}/{}", label(&deployment.workspace), deployment.label)
        } else {
            continue;
        };
        let user = state.users.iter().find(|user| user.id == binding.user).unwrap();
        let pending = if user.status == Status::Pending { " pending" } else { "" };
        lines.entry(head).or_default().push(person(&user.username, binding.role) + pending);
    }
    for invite in &state.invites {
        let head = format!("{} invites", label(invite.workspace.as_ref().unwrap()));
        lines.entry(head).or_default().push(person(&invite.email, invite.role));
    }
    let lines = lines.iter().map(|(head, people)| format!("{head}: {}", people.join(", ")));
    lines.collect::<Vec<_>>().join("\n")
}

fn person(name: &str, role: Role) -> String {
    let level = role.name().split_once('_').unwrap().1.to_lowercase();
    format!("{} {level}", name.trim_end_matches("@example.com"))
}

/// An id of the length that Houston's ids have.
fn id(kind: &str, name: &str) -> String {
    format!("{:0<25}", format!("ck{kind}{}", name.to_lowercase().replace('-', "")))
}

fn email(name: &str) -> String {
    format!("{name}@example.com")
}

fn role(scope: &str, level: &str) -> Role {
    Role::from_name(&format!("{scope}_{}", level.to_uppercase())).unwrap()
}

/// The id of the user, who is created if the state has none of this name.
fn user(state: &mut State, words: &[&str]) -> String {
    let id = id("user", words[0]);
    if !state.users.iter().any(|user| user.id == id) {
        let (mut username, mut emails) = (email(words[0]), vec![email(words[0])]);
        let mut status = Status::Active;
        match words.get(2) {
            Some(&"pending") => status = Status::Pending,
            Some(&"hidden") => (username, emails) = (words[0].to_owned(), Vec::new()),
            other => assert_eq!(other, None),
        }
        let (full_name, created_at) = (None, None);
        state.users.push(StateUser { id: id.clone(), username, full_name, status, emails, created_at });
    }
    id
}

fn push_binding(
    state: &mut State,
    words: &[&str],
    scope: &str,
    workspace: Option<&str>,
    deployment: Option<&str>,
) {
    let user = user(state, words);
    state.bindings.push(StateBinding {
        id: id("bind", &state.bindings.len().to_string()),
        role: role(scope, words[1]),
        user,
        workspace: workspace.map(|name| id("space", name)),
        deployment: deployment.map(|name| id("deploy", name)),
    });
}

fn push_invite(state: &mut State, words: &[&str], workspace: &str) {
    state.invites.push(StateInvite {
        id: id("invite", words[0]),
        email: email(words[0]),
        role: role("WORKSPACE", words[1]),
        workspace: Some(id("space", workspace)),
        user: None,
        deployment_roles: Vec::new(),
        created_at: None,
    });
}

/// Stands before a sandbox and holds back the answer to one mutation.
struct Gate {
    server: Server,
    /// The text of the mutation whose answer is held back.
    held: Arc<Mutex<Option<String>>>,
    arrived: Receiver<()>,
    go_on: Sender<()>,
}

impl Gate {
    fn before(sandbox: &Sandbox) -> Self {
        let url = sandbox.url().to_owned();
        let held = Arc::new(Mutex::new(None::<String>));
        let ((has_arrived, arrived), (go_on, may_go_on)) = (channel(), channel());
        let (holding, ends) = (Arc::clone(&held), Mutex::new((has_arrived, may_go_on)));
        let server = Server::start(move |asked| {
            let answer = relay(&url, asked);
            let is_held = |text: &mut String| asked.body.contains("mutation") && asked.body.contains(&**text);
            if holding.lock().unwrap().take_if(is_held).is_some() {
                let (has_arrived, may_go_on) = &*ends.lock().unwrap();
                // The test may have failed and gone.
                let _ = has_arrived.send(());
                let _ = may_go_on.recv();
            }
            answer
        });
        Self { server, held, arrived, go_on }
    }

    fn url(&self) -> String {
        self.server.url()
    }

    /// Holds back the answer to the next mutation with this text.
    fn hold(&self, text: &str) {
        *self.held.lock().unwrap() = Some(text.to_owned());
    }

    /// Waits until Houston has executed that mutation.
    fn await_request(&self) {
        self.arrived
            .recv_timeout(crate::harness::DEADLINE)
            .expect("the mutation to be held back was never sent");
    }

    /// Lets the answer go.
    fn release(&self) {
        self.go_on.send(()).unwrap();
    }
}

/// Removes from a text what differs from one run to the next.
struct Redaction {
    names: Vec<(String, String)>,
    patterns: Vec<(Regex, &'static str)>,
}

const PATTERNS: [(&str, &str); 15] = [
    (r"http://127\.0\.0\.1:\d+", "http://HOUSTON"),
    (r"\b\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME"),
    (r"\bmade \d{4}-\d\d-\d\d \d\d:\d\d UTC", "made TIME"),
    (r"\b[0-9a-f]{64}\b", "DIGEST"),
    (r"\bcsb[0-9a-z]{22}\b", "ID-OF-INVITE"),
    (r"(?m)^[a-z ]+: \d+/\d+ \(\d+ %\).*\n", ""),
    // The last three columns of results.csv and removals.csv.
    (r"(?m)^(.*[,;]\d+[,;])\d+([,;]\w*)$", "${1}MS$2"),
    // How fast the machine was.
    (r#"(?m)^ *"row_p95_ms": \d+,\n"#, ""),
    (
        r#""(duration_ms|latency_ms|lines|requests|reads|seconds|seconds_most|token_seconds)": \d+"#,
        "\"$1\": N",
    ),
    (r#""tool_version": ?"[^"]*""#, "\"tool_version\": VERSION"),
    (r"\babout \d+ reads?\b", "about N reads"),
    (r"\b[\d.]+s, \d+ requests?( of \d+ ms each)?", "TIME, N requests"),
    (r"(?m), [\d.]+s$", ", TIME"),
    (r"\bslow down for \d+ s\b", "slow down for N s"),
    (r"\btook [\d.]+s\b", "took TIME"),
];

impl Redaction {
    fn of(stage: &Stage) -> Self {
        let mut names = vec![(format!("{}/", stage.workdir.path().display()), String::new())];
        for (number, folder) in stage.runs.iter().enumerate() {
            let id = folder.file_name().unwrap().to_string_lossy().into_owned();
            names.push((id, format!("RUN-{}", number + 1)));
        }
        // The sandbox makes up ids in the order in which it is asked.
        let State { workspaces, users, .. } = stage.sandbox.state();
        let workspaces = workspaces.into_iter().map(|workspace| (workspace.id, workspace.label.unwrap()));
        let users = users.into_iter().map(|user| (user.id, user.username));
        let made = workspaces.chain(users).filter(|(id, _)| id.starts_with("csb"));
        names.extend(made.map(|(id, name)| (id, format!("ID-OF-{name}"))));
        let patterns = PATTERNS.map(|(pattern, text)| (Regex::new(pattern).unwrap(), text)).into();
        Self { names, patterns }
    }

    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, instead) in &self.names {
            text = text.replace(name, instead);
        }
        for (pattern, instead) in &self.patterns {
            text = pattern.replace_all(&text, *instead).into_owned();
        }
        text
    }
}

use Act::{Call as Run, Faults, Interrupt, Plan};

const PLAIN: &str = "\
Data: ann admin, ben editor, cat viewer
Ops: ann admin, dan viewer
Accounts: eva, flo";

#[test]
fn add() {
    golden(
        "add",
        &[Scene {
            title: "people with accounts are added, and a second run has nothing to do",
            houston: "2.x",
            world: PLAIN,
            roster: "\
Team,Email,role,workspace
a,eva@example.com,viewer,Data
b,FLO@example.com,WORKSPACE_ADMIN,Ops
c,eva@example.com,editor,Ops
d,ben@example.com,editor,Data",
            acts: &[Plan(""), Run("apply roster.csv --yes"), Run("apply roster.csv --yes")],
        }],
    );
}

const NEWCOMERS: &str = "\
email,role,workspace
new@example.com,viewer,Data
hal@example.com,viewer,Data
ivy@example.com,editor,Ops
eva@example.com,viewer,Ops";

#[test]
fn invite() {
    golden(
        "invite",
        &[
            Scene {
                title: "unknown people become pending users",
                houston: "2.x",
                world: "Data: ann admin, hal viewer pending\nOps: ann admin\nAccounts: eva",
                roster: NEWCOMERS,
                acts: &[
                    Plan(""),
                    Run("apply roster.csv --yes"),
                    Run("apply roster.csv --yes --send-invites"),
                ],
            },
            Scene {
                title: "unknown people get an invitation by mail",
                houston: "0.23",
                world: "Data: ann admin\nOps: ann admin\nData invites: hal viewer\nAccounts: eva",
                roster: NEWCOMERS,
                acts: &[
                    Plan("--send-invites"),
                    Run("apply roster.csv --yes --send-invites"),
                    Run("apply roster.csv --yes"),
                ],
            },
            Scene {
                title: "SCIM refuses unknown people",
                houston: "2.x scim=true",
                world: "Data: ann admin\nOps: ann admin\nAccounts: eva",
                roster: NEWCOMERS,
                acts: &[Run("apply roster.csv --yes")],
            },
        ],
    );
}

#[test]
fn conflicts() {
    const OPPOSITE: &str = "\
email,role,workspace
ben@example.com,viewer,Data
cat@example.com,viewer,Data
Cat@example.com,viewer,Data
eva@example.com,viewer,Data
eva@example.com,admin,Data
flo@example.com,editor,Ops
flo@example.com,editor,Ops
hal@example.com,admin,Ops";
    golden(
        "conflicts",
        &[
            Scene {
                title: "other roles, repeated rows and opposite rows",
                houston: "2.x",
                world: "\
Data: ann admin, ben editor, cat viewer
Ops: ann admin, hal viewer pending
Accounts: eva, flo",
                roster: OPPOSITE,
                acts: &[
                    Run("plan roster.csv"),
                    Plan("--on-conflict highest"),
                    Run("apply roster.csv --yes"),
                    Run("apply roster.csv --yes --on-conflict last"),
                ],
            },
            Scene {
                title: "an invitation with another role",
                houston: "0.28 legacy",
                world: "\
Data: ann admin, ben editor, cat viewer
Ops: ann admin
Ops invites: hal viewer
Accounts: eva, flo",
                roster: OPPOSITE,
                acts: &[
                    Plan("--on-conflict highest --all"),
                    Run("apply roster.csv --yes --on-conflict highest"),
                ],
            },
            Scene {
                title: "rows that are not valid",
                houston: "2.x",
                world: PLAIN,
                roster: "\
email,role,workspace
not an address,viewer,Data
eva@example.com,boss,Data
eva@example.com,viewer,Nowhere
flo@example.com,viewer,Data",
                acts: &[
                    Plan("--skip-invalid"),
                    Run("apply roster.csv --yes"),
                    Run("apply roster.csv --yes --skip-invalid"),
                ],
            },
        ],
    );
}

#[test]
fn update_roles() {
    golden(
        "update_roles",
        &[
            Scene {
                title: "roles are changed, and some changes are held back",
                houston: "2.x",
                world: "\
System: sue admin
Data: ann admin, ben editor, cat viewer, hal viewer pending, sue admin
Ops: ann admin, dan editor, kim admin",
                roster: "\
email,role,workspace
ann@example.com,viewer,Ops
kim@example.com,viewer,Ops
dan@example.com,viewer,Ops
ben@example.com,viewer,Data
cat@example.com,admin,Data
hal@example.com,editor,Data
sue@example.com,viewer,Data
new@example.com,viewer,Data",
                acts: &[
                    Plan("--update-roles --protect dan@*"),
                    Run("apply roster.csv --yes --update-roles --protect dan@*"),
                    Run("apply roster.csv --yes --update-roles"),
                ],
            },
            Scene {
                title: "an invitation, and two roles in one workspace",
                houston: "0.28 legacy",
                world: "Data: ann admin, ben editor, cat editor, cat viewer\nData invites: hal viewer",
                roster: "\
email,role,workspace
ben@example.com,viewer,Data
cat@example.com,admin,Data
hal@example.com,editor,Data",
                acts: &[Plan("--update-roles"), Run("apply roster.csv --yes --update-roles")],
            },
        ],
    );
}

const TOO_MANY: Scene = Scene {
    title: "too many in one workspace",
    houston: "2.x",
    world: "\
Data: ann admin, a viewer, b viewer, c viewer, d viewer, e viewer, f viewer, g viewer, h viewer, i viewer
Ops: ann admin, dan viewer, a viewer, b viewer, c viewer, d viewer, e viewer, f viewer, g viewer, h viewer",
    roster: "\
email,role,workspace
ann@example.com,admin,Data
a@example.com,viewer,Data
new@example.com,viewer,Data
ann@example.com,admin,Ops
a@example.com,viewer,Ops
b@example.com,viewer,Ops
c@example.com,viewer,Ops
d@example.com,viewer,Ops
e@example.com,viewer,Ops
f@example.com,viewer,Ops
g@example.com,viewer,Ops
h@example.com,viewer,Ops",
    acts: &[
        Plan("--prune"),
        Run("apply roster.csv --yes --prune"),
        Plan("--prune --on-guard skip-removals"),
        Run("apply roster.csv --yes --prune --on-guard skip-removals"),
    ],
};

#[test]
fn prune() {
    golden(
        "prune",
        &[
            Scene {
                title: "who is not in the roster is removed",
                houston: "2.x",
                world: "\
Data: ann admin, ben editor, cat viewer, hal viewer pending
Data/etl: ben editor
Ops: ann admin, dan viewer",
                roster: "email,role,workspace\nann@example.com,admin,Data\ncat@example.com,viewer,Data",
                acts: &[
                    Plan("--prune --max-remove-percent 50"),
                    Run("apply roster.csv --yes --prune --max-remove-percent 50"),
                    Run("apply roster.csv --yes --prune"),
                ],
            },
            Scene {
                title: "invitations are withdrawn",
                houston: "0.28 legacy",
                world: "Data: ann admin, ben editor\nData invites: hal viewer, ivy admin",
                roster: "email,role,workspace\nann@example.com,admin,Data\nivy@example.com,admin,Data",
                acts: &[
                    Plan("--prune --max-remove-percent 100"),
                    Run("apply roster.csv --yes --prune --max-remove-percent 100"),
                ],
            },
            Scene {
                title: "the caller and the protected stay",
                houston: "2.x",
                world: "\
System: sue admin
Data: ann admin, ben editor, cat viewer, sue admin",
                roster: "email,role,workspace\nann@example.com,admin,Data",
                acts: &[
                    Run("plan roster.csv --prune --protect cat@* --max-remove-percent 100"),
                    Run("apply roster.csv --yes --prune --protect cat@* --max-remove-percent 100"),
                ],
            },
            Scene {
                title: "the last admin stays",
                houston: "2.x",
                world: "Data: ann admin, ben editor, cat viewer\nOps: ann admin, dan admin",
                roster: "\
email,role,workspace
cat@example.com,viewer,Data
new@example.com,admin,Data
dan@example.com,admin,Ops",
                acts: &[
                    Run("plan roster.csv --prune --max-remove-percent 100 --format json"),
                    Run("apply roster.csv --yes --prune --max-remove-percent 100"),
                ],
            },
            TOO_MANY,
            Scene {
                title: "members without an address",
                houston: "2.x",
                world: "Data: ann admin, ben editor, zoe viewer hidden\nOps: ann admin, dan viewer",
                roster: "email,role,workspace\nann@example.com,admin,Data\nann@example.com,admin,Ops",
                acts: &[
                    Run("plan roster.csv --prune --max-remove-percent 100 --format json"),
                    Run("apply roster.csv --yes --prune --max-remove-percent 100"),
                ],
            },
            Scene {
                title: "rows that fail keep everyone in their workspace",
                houston: "0.28 legacy",
                world: "\
Data: ann admin, ben viewer, ben viewer, cat viewer
Ops: ann admin, dan viewer
Lab: ann admin, cat viewer",
                roster: "\
email,role,workspace
ann@example.com,admin,Data
ann@example.com,admin,Ops
ann@example.com,admin,Lab
ben@example.com,editor,Data
not an address,viewer,Ops",
                acts: &[
                    Run(
                        "apply roster.csv --yes --prune --update-roles --skip-invalid --max-remove-percent 100",
                    ),
                    Run("resume --yes"),
                ],
            },
        ],
    );
}

#[test]
fn replace() {
    const WORLD: &str = "\
System: sue admin
Data: ann admin, ann admin, ben editor, ben viewer, cat viewer, cat viewer, dan viewer, kim viewer, kim editor
Data/etl: dan editor
Data invites: hal viewer, ivy viewer, joe viewer
Ops: kim admin, ben viewer, ben viewer";
    const ROSTER: &str = "\
email,role,workspace
ann@example.com,admin,Data
ben@example.com,viewer,Data
cat@example.com,viewer,Data
dan@example.com,viewer,Data
hal@example.com,viewer,Data
ivy@example.com,editor,Data
ben@example.com,admin,Ops";
    golden(
        "replace",
        &[
            Scene {
                title: "people with two roles",
                houston: "0.28 legacy",
                world: WORLD,
                roster: ROSTER,
                acts: &[
                    Plan("--repair-duplicates"),
                    Run("plan roster.csv --repair-duplicates --explain cat@example.com"),
                    Run("apply roster.csv --yes --repair-duplicates"),
                    Run("apply roster.csv --yes --repair-duplicates --update-roles"),
                ],
            },
            Scene {
                title: "old invitations",
                houston: "0.28 legacy",
                world: WORLD,
                roster: ROSTER,
                acts: &[
                    Plan("--reinvite --send-invites"),
                    Run("apply roster.csv --yes --reinvite --send-invites"),
                ],
            },
            Scene {
                title: "both, when answers are lost",
                houston: "0.28 legacy",
                world: WORLD,
                roster: ROSTER,
                acts: &[
                    Faults("write:reset=@ckusercat,write:429=@hal@example.com,write:reset=@ben@example.com"),
                    Run("apply roster.csv --yes --reinvite --send-invites --repair-duplicates --retries 0"),
                    Faults(""),
                    Run("resume --yes"),
                    Run("resume --yes"),
                ],
            },
        ],
    );
}

#[test]
fn deployment_roles() {
    const WORLD: &str = "\
System: sue admin
Data: ann admin, ben editor, cat viewer, dan viewer
Data/etl: ben editor, cat viewer, dan admin
Data/web: dan viewer
Ops: ann admin
Ops/cron: ann viewer
Accounts: eva";
    const ROSTER: &str = "\
email,role,workspace,deployment_roles
ann@example.com,admin,Data,etl=DEPLOYMENT_ADMIN;web=DEPLOYMENT_VIEWER
ben@example.com,viewer,Data,etl=NONE
cat@example.com,viewer,Data,etl=DEPLOYMENT_EDITOR
dan@example.com,viewer,Data,etl=DEPLOYMENT_VIEWER;web=NONE
eva@example.com,viewer,Data,etl=DEPLOYMENT_EDITOR;web=NONE
new@example.com,editor,Data,web=DEPLOYMENT_EDITOR
ann@example.com,admin,Ops,cron=DEPLOYMENT_VIEWER";
    golden(
        "deployment_roles",
        &[
            Scene {
                title: "roles are kept, then changed and taken away",
                houston: "2.x",
                world: WORLD,
                roster: ROSTER,
                acts: &[
                    Plan(""),
                    Run("apply roster.csv --yes"),
                    Plan("--update-roles --protect cat@*,dan@*"),
                    Run("apply roster.csv --yes --update-roles --protect cat@*,dan@*"),
                    Run("apply roster.csv --yes --update-roles"),
                    Run("apply roster.csv --yes --update-roles"),
                ],
            },
            Scene {
                title: "invitations bring roles along",
                houston: "0.28 legacy",
                world: WORLD,
                roster: ROSTER,
                acts: &[Run("apply roster.csv --yes --update-roles")],
            },
            Scene {
                title: "a role that could not be given",
                houston: "2.x",
                world: WORLD,
                roster: ROSTER,
                acts: &[
                    Faults("write:ise=@ckuserann,write:reset=@ckusercat"),
                    Run("apply roster.csv --yes --update-roles --retries 1"),
                    Faults(""),
                    Run("resume --yes"),
                ],
            },
        ],
    );
}

#[test]
fn create_workspaces() {
    golden(
        "create_workspaces",
        &[Scene {
            title: "workspaces are created and filled",
            houston: "2.x",
            world: "Data: ann admin\nAccounts: eva",
            roster: "\
email,role,workspace
ann@example.com,admin,Solar
eva@example.com,viewer,Solar
eva@example.com,viewer,Data
new@example.com,editor,Lunar",
            acts: &[
                Run("plan roster.csv"),
                Plan("--create-workspaces"),
                Run("apply roster.csv --yes --create-workspaces"),
                Run("apply roster.csv --yes --create-workspaces"),
            ],
        }],
    );
}

#[test]
fn faults() {
    // The only fault that is repeated and leaves a trace each time comes last.
    const WORLD: &str = "Data: ann admin\nAccounts: amy, bob, eva, flo, gil, ida";
    const ROSTER: &str = "\
email,role,workspace
amy@example.com,viewer,Data
bob@example.com,viewer,Data
eva@example.com,editor,Data
flo@example.com,viewer,Data
gil@example.com,viewer,Data
joy@example.com,viewer,Data
ken@example.com,viewer,Data
leo@example.com,viewer,Data
mia@example.com,viewer,Data
ida@example.com,viewer,Data";
    golden(
        "faults",
        &[
            Scene {
                title: "answers that are none",
                houston: "2.x",
                world: WORLD,
                roster: ROSTER,
                acts: &[
                    Faults(
                        "write:reset=@bob@,write:reset-before=@eva@,write:502-after=@flo@,write:truncated=@gil@,\
                         write:html=@joy@,write:foreign=@leo@,write:503=@mia@,write:ise=@ida@",
                    ),
                    Run("apply roster.csv --yes --retries 1 --canary 0"),
                    Faults(""),
                    Run("resume --yes"),
                ],
            },
            Scene {
                title: "answers that are none, where a repeat makes a second binding",
                houston: "0.28 legacy",
                world: WORLD,
                roster: ROSTER,
                acts: &[
                    Faults(
                        "write:reset=@bob@,write:reset-before=@eva@,write:ise-after=@flo@,write:truncated=@gil@,\
                         write:502-after=@joy@,write:timeout=@ken@",
                    ),
                    Run("apply roster.csv --yes --retries 1 --canary 0 --timeout 2s"),
                    Faults(""),
                    Run("resume --yes"),
                ],
            },
            Scene {
                title: "a pause that is too long",
                houston: "2.x",
                world: WORLD,
                roster: ROSTER,
                acts: &[
                    Faults("write:429=@bob@:10m"),
                    Run("apply roster.csv --yes"),
                    Faults(""),
                    Run("resume --yes"),
                ],
            },
        ],
    );
}

#[test]
fn signal() {
    const ROSTER: &str = "\
email,role,workspace
amy@example.com,viewer,Data
bob@example.com,viewer,Data
eva@example.com,editor,Data
flo@example.com,viewer,Data
gil@example.com,viewer,Data
ida@example.com,viewer,Data
joy@example.com,viewer,Data
ken@example.com,viewer,Data";
    golden(
        "signal",
        &[Scene {
            title: "interrupted at the third row, then at the sixth",
            houston: "2.x",
            world: "Data: ann admin\nAccounts: amy, bob, eva, joy",
            roster: ROSTER,
            acts: &[
                Interrupt("apply roster.csv --yes", "eva@example.com"),
                Interrupt("resume --yes", "ida@example.com"),
                Run("resume --yes"),
                Run("resume --yes"),
            ],
        }],
    );
}

#[test]
fn saved_plan() {
    const WORLD: &str = "\
Data: ann admin, ben editor, cat viewer
Data/etl: ben editor
Ops: ann admin, dan viewer
Accounts: eva, flo";
    const ROSTER: &str = "\
email;role;workspace;deployment_roles;note
ann@example.com;admin;Data;;
ben@example.com;viewer;Data;etl=NONE;
eva@example.com;viewer;Data;etl=DEPLOYMENT_VIEWER;\"a; b\"
dan@example.com;viewer;Ops;;
new@example.com;viewer;Ops;;";
    golden(
        "saved_plan",
        &[
            Scene {
                title: "a plan is saved, applied, and applied again",
                houston: "2.x",
                world: WORLD,
                roster: ROSTER,
                acts: &[
                    Run("plan roster.csv --out plan.json --update-roles --prune --max-remove-percent 50"),
                    Run("apply --plan plan.json --yes --approve 0000"),
                    Run("apply --plan plan.json --yes"),
                    Run("apply --plan plan.json --yes"),
                ],
            },
            Scene {
                title: "a plan is out of date",
                houston: "2.x",
                world: WORLD,
                roster: ROSTER,
                acts: &[
                    Run("plan roster.csv --out plan.json --update-roles --prune --max-remove-percent 50"),
                    Run("apply roster.csv --yes --only email=eva@*"),
                    Run("apply --plan plan.json --yes"),
                ],
            },
            Scene {
                title: "a plan is interrupted and applied again",
                houston: "0.28 legacy",
                world: "Data: ann admin, ben editor, cat viewer\nData/etl: ben editor\nAccounts: eva",
                roster: "\
email;role;workspace;deployment_roles;note
ann@example.com;admin;Data;;
ben@example.com;viewer;Data;etl=NONE;
eva@example.com;viewer;Data;etl=DEPLOYMENT_VIEWER;\"a; b\"
new@example.com;viewer;Data;;",
                acts: &[
                    Run("plan roster.csv --out plan.json --update-roles --prune --max-remove-percent 50"),
                    Interrupt("apply --plan plan.json --yes", "new@example.com"),
                    Run("apply --plan plan.json --yes"),
                ],
            },
        ],
    );
}

const MIXED: &str = "\
Data: ann admin, ben editor, cat viewer, hal viewer pending
Data/etl: ben editor, cat viewer
Data/web: cat admin
Ops: ann admin, dan viewer, kim editor
Ops/cron: dan editor
Accounts: eva, flo";

const EVERYTHING: &str = "\
email,role,workspace,deployment_roles
eva@example.com,admin,Data,
ben@example.com,viewer,Data,etl=DEPLOYMENT_ADMIN
new@example.com,viewer,Data,web=DEPLOYMENT_VIEWER
flo@example.com,editor,Ops,cron=DEPLOYMENT_VIEWER
ann@example.com,admin,Ops,cron=DEPLOYMENT_ADMIN
kim@example.com,admin,Ops,";

#[test]
fn undo() {
    golden(
        "undo",
        &[
            Scene {
                title: "by the saved plan",
                houston: "2.x",
                world: MIXED,
                roster: EVERYTHING,
                acts: &[
                    Run("apply roster.csv --yes --update-roles --prune --max-remove-percent 100"),
                    Run("apply --plan RUN/undo.json --yes --max-remove-percent 100"),
                    Run("apply --plan RUN/undo.json --yes --max-remove-percent 100"),
                ],
            },
            Scene {
                title: "by the roster, then what that leaves by the saved plan",
                houston: "0.28 legacy",
                world: MIXED,
                roster: EVERYTHING,
                acts: &[
                    Run("apply roster.csv --yes --update-roles --prune --max-remove-percent 100"),
                    Run("apply RUN/undo.csv --yes --update-roles"),
                    Run("apply --plan RUN/undo.json --yes --max-remove-percent 100"),
                ],
            },
            Scene {
                title: "of a run that failed in part, after a change by another hand",
                houston: "0.28 legacy",
                world: MIXED,
                roster: EVERYTHING,
                acts: &[
                    Faults("write:ise=@flo@,write:reset-before=@ckuserhal"),
                    Run("apply roster.csv --yes --update-roles --prune --max-remove-percent 100 --retries 0"),
                    Faults(""),
                    Run("apply RUN/errors.csv --yes"),
                    Run("apply --plan RUN/undo.json --yes --max-remove-percent 100"),
                ],
            },
        ],
    );
}

#[test]
fn everything_together() {
    golden(
        "everything_together",
        &[
            Scene {
                title: "all kinds of changes; the last admin hands over, which takes a second run",
                houston: "2.x",
                world: MIXED,
                roster: EVERYTHING,
                acts: &[
                    Plan("--update-roles --prune --max-remove-percent 100"),
                    Run("apply roster.csv --yes --update-roles --prune --max-remove-percent 100"),
                    Run("apply roster.csv --yes --update-roles --prune"),
                ],
            },
            Scene {
                title: "the new admin was not added",
                houston: "2.x",
                world: MIXED,
                roster: EVERYTHING,
                acts: &[
                    Faults("write:lie=@eva@"),
                    Run("apply roster.csv --yes --update-roles --prune --max-remove-percent 100"),
                    Faults(""),
                    Run("resume --yes"),
                ],
            },
        ],
    );
}

#[test]
fn interrupted_removals() {
    const APPLY: &str = "apply roster.csv --yes --update-roles --prune --max-remove-percent 100";
    golden(
        "interrupted_removals",
        &[
            Scene {
                title: "interrupted before the roles change, before the removals, and among them",
                houston: "2.x",
                world: "\
Data: ann admin, ben editor, cat viewer, hal viewer pending, kim editor
Data/etl: ben editor, cat viewer
Data/web: cat admin
Accounts: eva, flo",
                roster: "\
email,role,workspace,deployment_roles
eva@example.com,admin,Data,
flo@example.com,editor,Data,web=DEPLOYMENT_VIEWER
new@example.com,viewer,Data,web=DEPLOYMENT_VIEWER
ben@example.com,viewer,Data,etl=DEPLOYMENT_ADMIN
kim@example.com,admin,Data,etl=DEPLOYMENT_VIEWER",
                acts: &[
                    Interrupt(APPLY, "flo@example.com"),
                    Interrupt("resume --yes", "kim@example.com"),
                    Interrupt("resume --yes", "deploymentAddUserRole"),
                    Interrupt("resume --yes", "ckusercat"),
                    Run("resume --yes"),
                    Run("report RUN/ --format md"),
                ],
            },
            Scene {
                title: "a removal without an answer, and one that did not happen",
                houston: "0.28 legacy",
                world: MIXED,
                roster: EVERYTHING,
                acts: &[
                    Faults("write:reset=@ckuserdan,write:lie=@ckuserhal"),
                    Run(APPLY),
                    Faults(""),
                    Run("resume --yes"),
                ],
            },
            Scene {
                title: "a removal that fails",
                houston: "2.x",
                world: MIXED,
                roster: EVERYTHING,
                acts: &[
                    Faults("write:ise=@ckuserhal"),
                    Run("apply roster.csv --yes --update-roles --prune --max-remove-percent 100 --retries 0"),
                    Faults(""),
                    Run("resume --yes"),
                ],
            },
        ],
    );
}
