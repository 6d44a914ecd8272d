//! The samples, as their readers use them: manifests, units and rules pass the tools that judge them, and
//! every command in them runs, with its paths in a folder of the test and its Houston a sandbox.
//!
//! A test says so and ends where a tool is missing. What needs a slow build is in `.ci/ecosystem.d`.

#![cfg(all(feature = "sandbox", unix))]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use houston_onboard::sandbox::{Applied, Faults, Options};
use serde_json::Value;

use crate::harness::tools::has;
use crate::harness::{
    Finished, Sandbox, Workdir, chained_again, faulty, folders_in, program, roster, sample, until,
};

fn text(name: &str) -> String {
    fs::read_to_string(sample(name)).unwrap()
}

/// The files of a folder of samples whose names end so, in order.
fn samples_in(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(sample(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries.filter(|path| path.to_str().unwrap().ends_with(ending)).collect();
    found.sort();
    assert!(!found.is_empty(), "{folder} has no {ending}");
    found
}

/// What a program said, on both streams.
fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Asserts that a tool takes these files.
#[track_caller]
fn takes(tool: &str, arguments: &[&str], files: &[PathBuf]) -> Output {
    let output = Command::new(tool).args(arguments).args(files).output().unwrap();
    assert!(output.status.success(), "{tool} {arguments:?}: {}", said(&output));
    output
}

/// Runs a line of a shell, as cron and systemd would: `houston-onboard` is the built program.
fn shell(line: &str, folder: &Path) -> Output {
    let bin = Path::new(program()).parent().unwrap().display();
    Command::new("sh")
        .args(["-c", line])
        .current_dir(folder)
        .env_clear()
        .env("PATH", format!("{bin}:/usr/local/bin:/usr/bin:/bin"))
        .output()
        .unwrap()
}

/// Every person of the roster was added or invited once, and nobody else was changed.
#[track_caller]
fn every_row_was_applied_once(sandbox: &Sandbox, rows: usize) {
    let audit = sandbox.audit();
    assert_eq!((audit.duplicate_bindings, audit.duplicate_invites), (vec![], vec![]));
    let applied = audit.entries.iter().filter(|entry| entry.outcome == Applied::Applied);
    let mut people: Vec<_> =
        applied.map(|entry| (entry.email.clone().unwrap(), entry.workspace.clone().unwrap())).collect();
    assert_eq!(people.len(), rows);
    people.sort();
    people.dedup();
    assert_eq!(people.len(), rows);
}

// Kubernetes

/// The documents of a manifest.
fn manifests(name: &str) -> Vec<Value> {
    let text = text(name);
    text.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
}

/// The specification of the Job.
fn job() -> Value {
    manifests("kubernetes/job.yaml").remove(0)["spec"].clone()
}

#[test]
fn the_manifests_are_valid() {
    if has("kubernetes-validate") {
        let files = samples_in("kubernetes", ".yaml");
        takes("kubernetes-validate", &["-k", "1.31", "--strict", "--quiet"], &files);
    }
}

#[test]
fn the_manifests_fit_each_other_and_the_image() {
    let mut cron = manifests("kubernetes/cronjob.yaml").remove(0)["spec"]["jobTemplate"]["spec"].clone();
    // How long a finished Job stays is the only difference: a nightly one has to go.
    cron.as_object_mut().unwrap().remove("ttlSecondsAfterFinished").unwrap();
    let job = job();
    assert_eq!(cron, job);

    let inputs = manifests("kubernetes/inputs.yaml");
    let named: Vec<_> = inputs.iter().map(|input| &input["metadata"]["name"]).collect();
    let pod = &job["template"]["spec"];
    let [roster, secrets, runs] = [0, 1, 2].map(|volume| &pod["volumes"][volume]);
    let used = [
        &roster["configMap"]["name"],
        &secrets["secret"]["secretName"],
        &runs["persistentVolumeClaim"]["claimName"],
    ];
    assert_eq!(named, used);
    assert_eq!(pod["securityContext"]["runAsUser"], 65532);
    assert!(text("container/Containerfile").contains("\nUSER 65532:65532\n"));
    // What the validator does not see: only Never allows a policy for failed pods.
    assert_eq!(pod["restartPolicy"], "Never");
}

/// What the Job does about a pod whose container ended with this status.
#[derive(Debug, PartialEq)]
enum Verdict {
    Retry,
    Fail,
}

fn verdict(job: &Value, status: i32) -> Verdict {
    let rules = job["podFailurePolicy"]["rules"].as_array().unwrap();
    let rule = rules.iter().map(|rule| &rule["onExitCodes"]).find(|rule| rule.is_object()).unwrap();
    assert_eq!(rule["operator"], "NotIn");
    let values: Vec<i64> = rule["values"].as_array().unwrap().iter().map(|v| v.as_i64().unwrap()).collect();
    assert!(values.is_sorted(), "Kubernetes refuses another order");
    if values.contains(&status.into()) { Verdict::Retry } else { Verdict::Fail }
}

#[test]
fn only_what_a_later_try_can_settle_is_tried_again() {
    let job = job();
    assert_eq!(job["podFailurePolicy"]["rules"][0]["action"], "Ignore");
    for status in [8, 11, 130, 137, 143] {
        assert_eq!(verdict(&job, status), Verdict::Retry, "{status}");
    }
    for status in [1, 2, 3, 4, 5, 6, 7, 9, 10] {
        assert_eq!(verdict(&job, status), Verdict::Fail, "{status}");
    }
}

/// A node: its folder holds the volumes of the pods, and the runs outlive them.
struct Node {
    workdir: Workdir,
    sandbox: Sandbox,
    job: Value,
}

impl Node {
    fn new(rows: usize, options: Options) -> Self {
        let (workdir, sandbox) = (Workdir::new(), Sandbox::with(options));
        for volume in ["roster", "secrets", "onboard-runs"] {
            fs::create_dir(workdir.path().join(volume)).unwrap();
        }
        workdir.write("roster/roster.csv", roster(rows, 4));
        workdir.write("secrets/token", sandbox.token());
        Self { workdir, sandbox, job: job() }
    }

    /// A text of the manifest with its variables and with the paths of this node.
    fn here(&self, text: &str) -> String {
        let folder = self.workdir.path().display();
        let text = text.replace("$(JOB_NAME)", "onboard-team").replace("/dev/termination-log", "message");
        let text = text.replace("https://houston.example.com/v1", self.sandbox.url());
        ["/roster", "/secrets", "/runs"].iter().fold(text, |text, mount| {
            let place = mount.replace("/runs", "/onboard-runs");
            match text.split_once(mount) {
                Some((before, after)) if !before.contains('/') => format!("{before}{folder}{place}{after}"),
                _ => text,
            }
        })
    }

    /// Runs a container of a new pod; kills it (SIGKILL) once Houston has got so many mutations.
    fn container(&self, list: &str, kill_after: Option<u64>) -> Finished {
        let container = &self.job["template"]["spec"][list][0];
        let arguments = container["args"].as_array().unwrap().iter();
        let mut call = self.workdir.call(arguments.map(|argument| self.here(argument.as_str().unwrap())));
        for variable in container["env"].as_array().unwrap() {
            if let (Some(name), Some(value)) = (variable["name"].as_str(), variable["value"].as_str()) {
                call = call.env(name, &self.here(value));
            }
        }
        let mut running = call.quick().start();
        if let Some(mutations) = kill_after {
            assert!(running.kill_when(|_| self.sandbox.audit().mutations_received >= mutations));
        }
        running.finish()
    }

    /// Runs a pod to its end.
    fn pod(&self, kill_after: Option<u64>) -> Finished {
        let _ = self.container("initContainers", None).ended(0);
        self.container("containers", kill_after)
    }
}

#[test]
fn a_new_pod_resumes_after_a_kill() {
    const ROWS: usize = 40;
    let node = Node::new(ROWS, Options { latency: Duration::from_millis(5), ..Options::default() });
    for kill_after in [Some(8), Some(20), None] {
        let ended = node.pod(kill_after);
        assert_eq!(node.workdir.folders().len(), 1, "the same run in every pod");
        match ended.status {
            Some(status) => assert_eq!(status, 0, "{}", ended.stderr),
            // 128 + SIGKILL is what Kubernetes sees.
            None => assert_eq!(verdict(&node.job, 137), Verdict::Retry),
        }
    }
    every_row_was_applied_once(&node.sandbox, ROWS);
    let run = Finished { folder: node.workdir.folders().pop(), ..node.pod(None) };
    assert_eq!(run.status, Some(0), "a Job that is created again finds everything done: {}", run.stderr);
    node.sandbox.agrees_with(&run);
    every_row_was_applied_once(&node.sandbox, ROWS);
    let message: Value =
        serde_json::from_str(&fs::read_to_string(node.workdir.path().join("message")).unwrap()).unwrap();
    assert_eq!((&message["command"], &message["exit_status"]), (&"apply".into(), &0.into()));
}

#[test]
fn a_pod_that_fails_for_good_fails_the_job() {
    let node = Node::new(4, Options::default());
    node.workdir.write("secrets/token", "a.b.c");
    let ended = node.container("initContainers", None).ended(4);
    assert_eq!(verdict(&node.job, ended.status.unwrap()), Verdict::Fail);
    let node = Node::new(4, faulty("write:503=100%"));
    let ended = node.pod(None);
    assert_eq!(ended.status.map(|status| verdict(&node.job, status)), Some(Verdict::Retry));
}

// systemd

/// The settings of the service and of cron, with the paths of this folder and Houston a sandbox.
fn installed(sandbox: &Sandbox, rows: usize) -> Workdir {
    let workdir = Workdir::new();
    let settings = here(&text("systemd/sync.toml"), &workdir);
    let settings = settings.replace("domain = \"example.com\"", &format!("url = {:?}", sandbox.url()));
    workdir.write("sync.toml", settings.replace("10/s", "none"));
    workdir.write("roster.csv", roster(rows, 3));
    // As `umask 077` and `cp` make it.
    let token = workdir.write("token", sandbox.token());
    fs::set_permissions(token, fs::Permissions::from_mode(0o600)).unwrap();
    workdir
}

/// A text of a sample with the paths of this folder.
fn here(text: &str, workdir: &Workdir) -> String {
    let folder = workdir.path().to_str().unwrap();
    ["/etc/houston-onboard", "%d", "/var/lib/houston-onboard", "%S/houston-onboard"]
        .iter()
        .fold(text.to_owned(), |text, there| text.replace(there, folder))
        .replace("/usr/local/bin/houston-onboard", program())
        .replace("/usr/local/lib/houston-onboard/remove-old-runs", &sample("cron/remove-old-runs"))
}

/// The units, copied to a folder with the paths of the programs as they are here.
fn units(workdir: &Workdir) -> Vec<PathBuf> {
    let files = [samples_in("systemd", ".service"), samples_in("systemd", ".timer")].concat();
    let copy = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let text = text.replace("/usr/local/bin/houston-onboard", program());
        let script = sample("cron/remove-old-runs");
        let text = text.replace("/usr/local/lib/houston-onboard/remove-old-runs", &script);
        workdir.write(path.file_name().unwrap().to_str().unwrap(), text)
    };
    files.into_iter().map(copy).collect()
}

#[test]
fn the_units_are_valid_and_hardened() {
    if !has("systemd-analyze") {
        return;
    }
    let workdir = Workdir::new();
    let units = units(&workdir);
    // A key that it does not know is a line on standard error and no failure.
    assert_eq!(said(&takes("systemd-analyze", &["verify"], &units)), "");
    for unit in ["houston-onboard.service", "houston-onboard-retention.service"] {
        let unit = units.iter().find(|path| path.ends_with(unit)).unwrap().clone();
        takes("systemd-analyze", &["security", "--offline=true", "--threshold=20", "--no-pager"], &[unit]);
    }
}

/// The command of a unit, which may go over several lines.
fn command_of(unit: &str) -> String {
    let text = text(unit).replace("\\\n", "");
    text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap().to_owned()
}

#[test]
fn the_service_applies_and_is_started_again_after_the_same_statuses() {
    let (sandbox, unit) = (Sandbox::new(), text("systemd/houston-onboard.service"));
    let workdir = installed(&sandbox, 6);
    let done = shell(&here(&command_of("systemd/houston-onboard.service"), &workdir), workdir.path());
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    every_row_was_applied_once(&sandbox, 6);
    assert!(workdir.path().join("runs").is_dir());

    let prevented = unit.lines().find_map(|line| line.strip_prefix("RestartPreventExitStatus=")).unwrap();
    let job = job();
    for status in 1..=11 {
        let again = if prevented.split(' ').any(|one| one == status.to_string()) {
            Verdict::Fail
        } else {
            Verdict::Retry
        };
        // `apply` never ends with 10.
        assert!(status == 10 || again == verdict(&job, status), "{status}");
    }
}

#[test]
fn the_readme_completes_a_run_that_stopped() {
    let sandbox = Sandbox::with(faulty("write:503=100%"));
    let workdir = installed(&sandbox, 2);
    let sync = here(&crontab()[0], &workdir);
    assert_eq!(shell(&sync, workdir.path()).status.code(), Some(8));
    sandbox.set_faults(Faults::default());
    let readme = text("systemd/README.md");
    let resume = readme.lines().find_map(|line| line.strip_prefix("sudo -u houston-onboard ")).unwrap();
    let done = shell(&here(resume, &workdir), workdir.path());
    assert_eq!(done.status.code(), Some(0), "{}", said(&done));
    every_row_was_applied_once(&sandbox, 2);
}

// cron

/// The commands of the crontab, without their times and their user.
fn crontab() -> Vec<String> {
    let text = text("cron/houston-onboard");
    let lines = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit() || c == '*'));
    let command = |line: &str| {
        assert!(!line.contains('%'), "cron takes a percent sign as the end of the command");
        let (_, command) = line.split_once(" houston-onboard  ").expect("a user");
        command.to_owned()
    };
    lines.map(command).collect()
}

#[test]
fn cron_mails_only_about_trouble() {
    let sandbox = Sandbox::new();
    let workdir = installed(&sandbox, 6);
    let line = here(&crontab()[0], &workdir);
    for _ in 0..2 {
        let done = shell(&line, workdir.path());
        assert_eq!((done.status.code(), said(&done).as_str()), (Some(0), ""));
    }
    every_row_was_applied_once(&sandbox, 6);
    workdir.write("token", "a.b.c");
    let done = shell(&line, workdir.path());
    assert_eq!(done.status.code(), Some(4));
    assert!(said(&done).contains("token"), "{}", said(&done));
    workdir.write("token", sandbox.token());
    workdir.write("roster.csv", roster(1, 1) + "nobody,viewer,Finance\n");
    let done = shell(&line, workdir.path());
    assert_eq!(done.status.code(), Some(3));
    assert!(said(&done).contains("roster.csv:3"), "{}", said(&done));
}

#[test]
fn a_second_run_at_a_time_ends_with_11() {
    let sandbox = Sandbox::with(faulty("write:timeout=100%"));
    let workdir = installed(&sandbox, 3);
    // As the service, whose runs folder is that of cron.
    let runs = workdir.path().join("runs").display().to_string();
    let first =
        workdir.applying(&sandbox, "roster.csv").args(&["--runs-dir", &runs, "--grace", "0s"]).start();
    until("a write", || (sandbox.audit().mutations_received > 0).then_some(()));
    let done = shell(&here(&crontab()[0], &workdir), workdir.path());
    assert_eq!(done.status.code(), Some(11), "{}", said(&done));
    assert!(said(&done).contains("another run is changing this target"), "{}", said(&done));
    first.signal("TERM");
    let _ = first.finish().ended(143);
}

/// Makes a run as old as this, in its journal and its summary.
fn age(folder: &Path, years: u32) {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let (year, rest) = name.split_at(4);
    let then = (year.parse::<u32>().unwrap() - years).to_string();
    let aged = folder.with_file_name(format!("{then}{rest}"));
    fs::rename(folder, &aged).unwrap();
    for file in ["journal.jsonl", "summary.json"] {
        let path = aged.join(file);
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let text = text
            .replace(&format!("\"{year}-"), &format!("\"{then}-"))
            .replace(name, &format!("{then}{rest}"));
        fs::write(&path, if file == "journal.jsonl" { chained_again(&text) } else { text }).unwrap();
    }
}

/// The lines that remove what is old, with the paths of this folder.
fn retention(workdir: &Workdir) -> [String; 2] {
    [&crontab()[1], &command_of("systemd/houston-onboard-retention.service")].map(|line| here(line, workdir))
}

#[test]
fn only_finished_runs_are_removed_and_only_after_400_days() {
    if !has("jq") {
        return;
    }
    let sandbox = Sandbox::new();
    let workdir = installed(&sandbox, 4);
    let sync = here(&crontab()[0], &workdir);
    let runs = workdir.path().join("runs");
    let run = |expected| {
        let before = folders_in(&runs);
        assert_eq!(shell(&sync, workdir.path()).status.code(), Some(expected));
        folders_in(&runs).into_iter().find(|folder| !before.contains(folder)).unwrap()
    };
    // Finished, stopped with a row left, killed, and finished lately.
    age(&run(0), 2);
    sandbox.set_faults("write:503=100%".parse().unwrap());
    workdir.write("roster.csv", "email,role,workspace\nlate.comer@example.com,viewer,Finance\n");
    age(&run(8), 2);
    sandbox.set_faults(Faults::default());
    let killed = run(0);
    fs::remove_file(killed.join("summary.json")).unwrap();
    let journal = fs::read_to_string(killed.join("journal.jsonl")).unwrap();
    // All was done, but for the last line, which closes it.
    let (open, _) = journal.trim_end().rsplit_once('\n').unwrap();
    fs::write(killed.join("journal.jsonl"), format!("{open}\n")).unwrap();
    age(&killed, 3);
    let young = run(0);
    assert_eq!(folders_in(&runs).len(), 4);

    for line in retention(&workdir) {
        let done = shell(&line, workdir.path());
        assert_eq!(done.status.code(), Some(0), "{}", said(&done));
        let left = folders_in(&runs);
        assert_eq!(left.len(), 3, "{left:?}");
        assert!(left.contains(&young));
    }
    // Before the first run there is nothing to do.
    fs::remove_dir_all(&runs).unwrap();
    let done = shell(&here(&crontab()[1], &workdir), workdir.path());
    assert_eq!((done.status.code(), said(&done).as_str()), (Some(0), ""));
}

#[test]
fn saved_plans_are_removed_after_400_days() {
    if !has("jq") {
        return;
    }
    let sandbox = Sandbox::new();
    let workdir = installed(&sandbox, 2);
    let runs = workdir.path().join("runs");
    let written = |name: &str, days: u64, text: Option<&str>| {
        let path = runs.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if let Some(text) = text {
            fs::write(&path, text).unwrap();
        } else {
            let plan = ["plan", "roster.csv", "--out", path.to_str().unwrap()];
            let _ = workdir.call(plan).to(&sandbox).run().ended(0);
        }
        let then = SystemTime::now() - Duration::from_secs(days * 86_400);
        fs::File::options().write(true).open(&path).unwrap().set_modified(then).unwrap();
        path
    };
    for line in retention(&workdir) {
        // Of a Job, of a DAG run, younger ones, and files that are no plans.
        let old =
            [written("onboard-team.json", 402, None), written("plans/sync/manual__1/a-1.json", 402, None)];
        let kept = [
            written("next.json", 399, None),
            written("plans/sync/manual__2/a-2.json", 399, None),
            written("team.json", 402, Some(r#"{"digest":"x"}"#)),
            written("plans/notes.json", 402, Some("no JSON")),
        ];
        let done = shell(&line, workdir.path());
        assert_eq!(done.status.code(), Some(0), "{}", said(&done));
        assert!(old.iter().all(|path| !path.exists()), "{}", said(&done));
        assert!(kept.iter().all(|path| path.exists()), "{}", said(&done));
    }
}

// Prometheus

#[test]
fn the_alerts_fire_when_they_are_to() {
    if has("promtool") {
        takes("promtool", &["check", "rules"], &samples_in("prometheus", ".rules.yml"));
        takes("promtool", &["test", "rules"], &samples_in("prometheus", ".rules.test.yml"));
    }
}

#[test]
fn the_alerts_are_about_metrics_that_exist() {
    let sandbox = Sandbox::new();
    let workdir = installed(&sandbox, 2);
    let line = format!("{} --metrics-file m.prom", here(&crontab()[0], &workdir));
    assert_eq!(shell(&line, workdir.path()).status.code(), Some(0));
    let metrics = fs::read_to_string(workdir.path().join("m.prom")).unwrap();
    let rules = text("prometheus/houston-onboard.rules.yml");
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for name in rules.split(|c| !is_part(c)).filter(|word| word.starts_with("houston_onboard_")) {
        assert!(metrics.contains(&format!("\n{name} ")), "{name}");
    }
}
