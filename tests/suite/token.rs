//! The life of a token: told before a run, renewed from its file in the middle of one; and a
//! Houston that is away before anything was asked.

#![cfg(all(feature = "sandbox", unix))]

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::harness::{self, Call, Finished, Sandbox, Stopwatch, Workdir, World, faulty, person, roster};
use houston_onboard::sandbox::state::StateBinding;
use houston_onboard::sandbox::{Options, Profile, Role, Switches};
use jiff::Timestamp;
use tempfile::TempDir;

const ADMIN: &str = "maria.silva@example.com";
const ONE: &str = "email,role,workspace\nnew.hire@example.com,viewer,Finance\n";

/// A file with a token, away from what the program writes.
struct TokenFile(TempDir);

impl TokenFile {
    fn with(token: &str) -> Self {
        let file = Self(tempfile::tempdir().unwrap());
        fs::write(file.path(), format!("{token}\n")).unwrap();
        file
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("token")
    }

    /// Puts another file into its place, as those do that rotate secrets.
    fn rotate(&self, token: &str) {
        let new = self.0.path().join("token.new");
        fs::write(&new, token).unwrap();
        fs::rename(new, self.path()).unwrap();
    }
}

/// `apply --yes` of a file with the token of a file.
fn applying<'w>(workdir: &'w Workdir, sandbox: &Sandbox, file: &Path) -> Call<'w> {
    let path = file.display().to_string();
    workdir
        .call(["apply", "roster.csv", "--yes", "--url", sandbox.url(), "--token-file", &path])
        .quick()
        .args(&["--timeout", "5s"])
}

fn with(content: &str) -> Workdir {
    let workdir = Workdir::new();
    workdir.write("roster.csv", content);
    workdir
}

/// A sandbox whose first token dies in mid-run, slow enough to be met in the middle.
fn dying(profile: Profile) -> Sandbox {
    let latency = Duration::from_millis(20);
    Sandbox::with(Options { profile, latency, ..faulty("token-dies=30") })
}

fn in_an_hour() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() + 3600).unwrap()
}

#[track_caller]
fn keeps_secret(tokens: &[&str], workdir: &Workdir, run: &Finished) {
    let mut texts = vec![run.stdout.clone(), run.stderr.clone()];
    let mut folders = vec![workdir.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                texts.push(String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned());
            }
        }
    }
    assert!(texts.len() > 8, "a run has its files");
    for token in tokens {
        let signature = token.rsplit('.').next().unwrap();
        assert!(texts.iter().all(|text| !text.contains(signature)), "a token is told");
    }
}

#[test]
fn a_token_that_is_rotated_in_mid_run_costs_nothing() {
    for profile in [Profile::V0_25, Profile::V2] {
        let sandbox = dying(profile);
        let fresh = sandbox.fresh_token_of(ADMIN, in_an_hour()).unwrap();
        let (workdir, file) = (with(&roster(60, 3)), TokenFile::with(sandbox.token()));
        let mut running = applying(&workdir, &sandbox, &file.path()).args(&["-v"]).start();
        running.await_entries("intent", 1);
        file.rotate(&fresh);
        let run = running.finish().ended(0).says("using the new one from");
        assert_eq!(run.stderr.matches("using the new one from").count(), 1, "{}", run.stderr);
        assert_eq!(run.count("added") + run.count("invited"), 60, "{:?}", run.counts());
        let audit = sandbox.audit();
        assert_eq!(audit.mutations_applied, 60);
        assert!(audit.mutations_received > 60, "none was refused: the old token had not died");
        sandbox.agrees_with(&run);
        keeps_secret(&[sandbox.token(), &fresh], &workdir, &run);
    }
}

#[test]
fn a_mounted_secret_whose_link_is_swapped_is_read_again() {
    let sandbox = dying(Profile::V2);
    let fresh = sandbox.fresh_token_of(ADMIN, in_an_hour()).unwrap();
    // As Kubernetes mounts them: the file is a link into `..data`, which is a link itself.
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (version, token) in [("..1", sandbox.token()), ("..2", fresh.as_str())] {
        fs::create_dir(path(version)).unwrap();
        fs::write(path(version).join("token"), token).unwrap();
    }
    std::os::unix::fs::symlink("..1", path("..data")).unwrap();
    std::os::unix::fs::symlink("..data/token", path("token")).unwrap();
    let workdir = with(&roster(60, 3));
    let mut running = applying(&workdir, &sandbox, &path("token")).start();
    running.await_entries("intent", 1);
    std::os::unix::fs::symlink("..2", path("..data.new")).unwrap();
    fs::rename(path("..data.new"), path("..data")).unwrap();
    let run = running.finish().ended(0);
    assert_eq!(run.count("added") + run.count("invited"), 60, "{:?}", run.counts());
    sandbox.agrees_with(&run);
}

#[test]
fn a_token_that_is_not_rotated_ends_the_run_and_another_run_finishes_it() {
    let sandbox = dying(Profile::V2);
    let (workdir, file) = (with(&roster(60, 3)), TokenFile::with(sandbox.token()));
    let run = applying(&workdir, &sandbox, &file.path()).run().ended(4);
    assert_eq!(run.summary()["stopped"]["reason"], "token_dead");
    assert!(run.count("not_run") > 20, "{:?}", run.counts());
    assert_eq!(run.count("rejected") + run.count("gave_up"), 0, "{:?}", run.counts());
    sandbox.agrees_with(&run);
    assert!(sandbox.audit().requests < 30 + 40, "no loop: {}", sandbox.audit().requests);

    file.rotate(&sandbox.fresh_token_of(ADMIN, in_an_hour()).unwrap());
    let again = applying(&workdir, &sandbox, &file.path()).run().ended(0);
    assert_eq!(sandbox.audit().mutations_applied, 60, "{:?}", again.counts());
    sandbox.agrees_with(&again);
}

#[test]
fn a_file_that_brings_nothing_of_use_ends_the_run_and_not_in_a_loop() {
    for content in ["the same", "Bearer the same", "expired", "", "half\nof a file"] {
        let sandbox = dying(Profile::V2);
        let (workdir, file) = (with(&roster(60, 3)), TokenFile::with(sandbox.token()));
        let content =
            content.replace("the same", sandbox.token()).replace("expired", &sandbox.tokens().expired);
        let mut running = applying(&workdir, &sandbox, &file.path()).start();
        running.await_entries("intent", 1);
        file.rotate(&content);
        let run = running.finish().ended(4);
        assert_eq!(run.summary()["stopped"]["reason"], "token_dead", "{content:?}");
        assert!(run.count("not_run") > 20, "{:?}", run.counts());
        assert_eq!(run.count("rejected") + run.count("gave_up"), 0, "{:?}", run.counts());
        sandbox.agrees_with(&run);
        assert!(sandbox.audit().requests < 30 + 60, "no loop: {}", sandbox.audit().requests);
        keeps_secret(&[sandbox.token(), &sandbox.tokens().expired], &workdir, &run);
    }
}

#[test]
fn a_workspace_that_a_living_token_may_not_change_is_still_the_workspaces_matter() {
    let sandbox = Sandbox::new();
    // An admin of one workspace asks for another one, too.
    let token = sandbox.tokens().workspace_admin.clone();
    let file = TokenFile::with(&token);
    let text = "email,role,workspace\na@example.com,viewer,Data Platform\nb@example.com,viewer,ckfinance0000000000000002\n";
    let workdir = with(text);
    let run = applying(&workdir, &sandbox, &file.path()).run().ended(6);
    assert_eq!((run.count("invited"), run.count("rejected")), (1, 1), "{:?}", run.rows());
    sandbox.agrees_with(&run);
}

/// A sandbox for which it is always 1 June: tokens that are over for us live for it.
fn in_june(options: Options) -> Sandbox {
    let now = Some("2026-06-01T00:00:00Z".parse().unwrap());
    Sandbox::with(Options { switches: Switches { now, ..Switches::default() }, ..options })
}

fn in_seconds(seconds: i64) -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap()
}

#[test]
fn a_token_that_ends_before_the_run_is_told_of_and_the_run_goes_on() {
    let sandbox = in_june(Options::default());
    let workdir = with(&roster(40, 3));
    let file = TokenFile::with(&sandbox.fresh_token_of(ADMIN, in_seconds(8)).unwrap());
    let path = file.path().display().to_string();
    let flags = ["--url", sandbox.url(), "--token-file", &path, "--rate", "5/s"];
    let run = workdir.call(["apply", "roster.csv", "--yes"]).args(&flags).run().ended(0);
    let warning = run.stderr.lines().find(|line| line.starts_with("warning: the token expires at ")).unwrap();
    for part in [" UTC, in ", "but the run needs about 9s", &path, "service account's key"] {
        assert!(warning.contains(part), "{part:?} is not in {warning}");
    }
    assert_eq!(run.count("added") + run.count("invited"), 40);
    sandbox.agrees_with(&run);
}

#[test]
fn a_plan_tells_of_it_too_and_whoever_cannot_be_asked_sends_nothing() {
    let sandbox = in_june(Options::default());
    let workdir = with(&roster(40, 3));
    let token = sandbox.fresh_token_of(ADMIN, in_seconds(8)).unwrap();
    let flags = ["--url", sandbox.url(), "--rate", "5/s"];
    let plan = workdir.call(["plan", "roster.csv"]).args(&flags).token(&token).run().ended(0);
    assert!(plan.stderr.contains("warning: the token expires at "), "{}", plan.stderr);
    assert!(plan.stderr.contains("--token-file"), "{}", plan.stderr);
    assert!(!plan.stdout.contains("warning"), "{}", plan.stdout);
    let before = sandbox.audit().requests;
    workdir.call(["apply", "roster.csv"]).args(&flags).token(&token).run().ended(2).began_nothing();
    assert_eq!(sandbox.audit().requests, before);
}

#[test]
fn an_end_in_the_past_is_told_and_houston_decides() {
    let sandbox = in_june(Options::default());
    let over = sandbox.fresh_token_of(ADMIN, "2026-06-02T00:00:00Z".parse().unwrap()).unwrap();
    let workdir = with(ONE);
    let run = workdir.applying(&sandbox, "roster.csv").token(&over).run().ended(0);
    assert!(run.stderr.contains("the token expired at 2026-06-02 00:00:00 UTC"), "{}", run.stderr);
    assert_eq!(run.stderr.matches("warning: ").count(), 1, "{}", run.stderr);
    let strict = Sandbox::new();
    let run = workdir.applying(&strict, "roster.csv").token(&over).run().ended(4);
    assert!(run.stderr.contains("the token expired at 2026-06-02 00:00:00 UTC"), "{}", run.stderr);
}

#[test]
fn nothing_is_said_of_a_key_or_of_a_token_that_lasts() {
    let sandbox = Sandbox::new();
    let tokens = [
        sandbox.tokens().service_account.clone(),
        sandbox.token().to_owned(),
        sandbox.fresh_token_of(ADMIN, in_an_hour()).unwrap(),
    ];
    for token in tokens {
        let workdir = with(ONE);
        let run = workdir.call(["plan", "roster.csv", "--url", sandbox.url()]).token(&token).run().ended(0);
        assert_eq!(run.stderr.matches("warning").count(), 0, "{}", run.stderr);
    }
}

/// An address where nobody listens yet.
fn nowhere() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}/v1")
}

#[test]
fn a_houston_that_is_away_at_the_start_is_waited_for() {
    let token = Sandbox::new().token().to_owned();
    for (command, status) in [("plan", 0), ("apply", 0)] {
        let (port, workdir) = (nowhere(), with(ONE));
        let mut call = workdir.call([command, "roster.csv", "--url", &url(port)]).token(&token);
        if command == "apply" {
            call = call.args(&["--yes"]);
        }
        let running = call.start();
        harness::until("word of the wait", || running.stderr().contains("no answer from").then_some(()));
        let sandbox = Sandbox::with(Options { port, ..Options::default() });
        let run =
            running.finish().ended(status).says(&url(port)).says("waiting for up to 30s").says("Ctrl-C");
        let run = run.says("answers again");
        assert_eq!(sandbox.audit().mutations_applied, u64::from(command == "apply"), "{}", run.stderr);
    }
}

#[test]
fn a_signal_ends_the_wait_for_a_houston_that_is_away() {
    let watch = Stopwatch::take();
    let (port, workdir) = (nowhere(), with(ONE));
    let running = workdir.call(["apply", "roster.csv", "--yes", "--url", &url(port)]).token("x.y.z").start();
    harness::until("word of the wait", || running.stderr().contains("no answer from").then_some(()));
    running.signal("INT");
    let run = running.finish().ended(130).says("nothing was sent");
    run.began_nothing();
    run.is_within(Duration::from_secs(30), &watch);
}

#[test]
fn the_wait_ends_with_max_wait_and_a_sentence_that_helps() {
    let (port, workdir) = (nowhere(), with(ONE));
    for flags in [["--max-wait", "2s", "--retries", "0"], ["--max-wait", "1s", "--retries", "4"]] {
        let call = workdir.call(["apply", "roster.csv", "--yes", "--url", &url(port)]).args(&flags);
        let run = call.token("x.y.z").run().ended(5);
        let error = run.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
        for part in [&format!("cannot reach {}", url(port)), "refused", "(tried for "] {
            assert!(error.contains(part), "{part} in {error}");
        }
        assert!(run.stderr.contains("hint: check the address"), "{}", run.stderr);
        run.began_nothing();
    }
}

#[test]
fn gateways_without_a_houston_behind_them_are_waited_for_in_the_whole_reading_phase() {
    // The first requests ask who is there, then come the workspaces, then the members.
    for faults in ["all:503=#1-7", "all:502=#3-9", "all:504=#4-10"] {
        let sandbox = Sandbox::with(faulty(faults));
        let workdir = with(ONE);
        let run = workdir.apply(&sandbox, "roster.csv", &["--timeout", "5s"]).ended(0);
        assert_eq!(run.count("invited"), 1, "{faults}: {:?}", run.counts());
        sandbox.agrees_with(&run);
    }
}

#[test]
fn a_name_that_does_not_resolve_is_not_waited_for() {
    let workdir = with(ONE);
    let call = workdir.call(["apply", "roster.csv", "--yes", "--url", "https://houston.invalid/v1"]);
    let run = call.token("x.y.z").run().ended(5);
    assert!(!run.stderr.contains("waiting"), "{}", run.stderr);
    run.began_nothing();
}

#[test]
fn the_user_of_a_token_that_takes_the_place_of_another_is_not_removed_either() {
    let world = World::of(1, 8).edit(|state| {
        let binding = state.bindings[5].clone();
        let (id, role) = ("ckbindofsystem".to_owned(), Role::SystemAdmin);
        state.bindings.push(StateBinding { id, role, workspace: None, ..binding });
    });
    let latency = Duration::from_millis(20);
    let sandbox = Sandbox::of(world, Options { latency, ..faulty("token-dies=30") });
    let other = sandbox.fresh_token_of(&person(0, 5), in_an_hour()).unwrap();
    let file = TokenFile::with(sandbox.token());
    let mut text = String::from("email,role,workspace\n");
    for email in
        (0..40).map(|who| format!("new.{who}@example.com")).chain(["person.0.0@example.com".to_owned()])
    {
        writeln!(text, "{email},viewer,Team 0").unwrap();
    }
    let workdir = with(&text);
    let limits = ["--prune", "--max-remove-percent", "100"];
    let mut running = applying(&workdir, &sandbox, &file.path()).args(&limits).start();
    running.await_entries("intent", 1);
    file.rotate(&other);
    let run = running.finish().ended(7).says("using the new one from");
    let removals = harness::records(&run.file("removals.csv"), b',');
    let end = |email: &str| {
        removals.iter().find(|row| row["email"] == email).map(|row| row["error_code"].clone()).unwrap()
    };
    assert_eq!(end(&person(0, 5)), "guard_self", "{}", run.stderr);
    assert_eq!(end("person.0.6@example.com"), "");
}

#[test]
fn a_token_file_that_other_users_can_get_at_is_warned_of_or_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let change = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let (sandbox, workdir) = (Sandbox::new(), with(ONE));
    let file = workdir.write("token", sandbox.token());
    let plan = |command: &str| {
        let call = workdir.call([command, "roster.csv", "--url", sandbox.url(), "--token-file", "token"]);
        call.run()
    };
    for command in ["plan", "doctor"] {
        change(workdir.path(), 0o755);
        change(&file, 0o644);
        let run = plan(command).ended(0);
        let is_passable = workdir.path().parent() == Some(Path::new("/tmp"));
        assert!(!is_passable || run.stderr.contains("can read the token file"), "{}", run.stderr);
        for (of_folder, of_file) in [(0o700, 0o644), (0o755, 0o600), (0o755, 0o640)] {
            change(workdir.path(), of_folder);
            change(&file, of_file);
            let run = plan(command).ended(0);
            assert!(!run.stderr.contains("warning"), "{}", run.stderr);
        }
        change(&file, 0o646);
        let run = plan(command).ended(4);
        let told = format!("{}{}", run.stdout, run.stderr);
        assert!(told.contains("can write the token file") && !told.contains(sandbox.token()), "{told}");
    }
}
