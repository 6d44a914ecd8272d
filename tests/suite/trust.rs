//! Run folders that somebody else may have made: they are neither resumed nor believed, they get no
//! request, and whatever they hold, every command ends with a status of the table.

#![cfg(all(feature = "sandbox", unix))]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{self, Finished, Sandbox, Server, Workdir, answer, chained_again, roster};
use fastrand::Rng;
use sha2::Digest as _;

/// A run of 24 rows that SIGTERM ended in the middle, and its folder.
fn interrupted(workdir: &Workdir, sandbox: &Sandbox) -> PathBuf {
    workdir.write("roster.csv", roster(24, 2));
    let mut running = workdir.applying(sandbox, "roster.csv").quick().args(&["--rate", "20/s"]).start();
    running.await_entries("intent", 5);
    running.signal("TERM");
    running.finish().ended(143).folder().to_owned()
}

/// A server that takes note of whoever asks.
fn trap() -> Server {
    Server::start(|_| answer("503 Service Unavailable", "", ""))
}

fn edit(folder: &Path, name: &str, change: impl FnOnce(String) -> String) {
    let path = folder.join(name);
    let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
    let changed = change(text);
    // Whoever can write the folder can also make the chain fit.
    let changed = if name == "journal.jsonl" { chained_again(&changed) } else { changed };
    fs::write(path, changed).unwrap();
    // Or remove what tells of the chain that was there.
    drop(fs::remove_file(folder.join("summary.json")));
}

/// The folder sends everybody to this address.
fn lead_to(folder: &Path, sandbox: &Sandbox, url: &str) {
    edit(folder, "journal.jsonl", |text| text.replace(sandbox.url(), url));
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Gives a folder and what is in it to another user; false if this user may not.
fn give_away(folder: &Path) -> bool {
    Command::new("chown").args(["-R", "4711:4711"]).arg(folder).status().unwrap().success()
        && fs::metadata(folder).unwrap().uid() == 4711
}

/// The names in a folder, and when each of them changed last.
fn state(folder: &Path) -> Vec<(PathBuf, i64, i64)> {
    let entry = |entry: fs::DirEntry| {
        let metadata = fs::symlink_metadata(entry.path()).unwrap();
        (entry.path(), metadata.mtime(), metadata.mtime_nsec())
    };
    let mut state: Vec<_> = fs::read_dir(folder).unwrap().map(|found| entry(found.unwrap())).collect();
    state.sort();
    state
}

#[test]
fn a_run_that_others_can_change_is_not_resumed_and_its_target_gets_no_request() {
    let (workdir, sandbox, trap) = (Workdir::new(), Sandbox::new(), trap());
    let folder = interrupted(&workdir, &sandbox);
    lead_to(&folder, &sandbox, &trap.url());
    let id = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let refused = |run: &str, why: &str| {
        let finished = workdir.call(["resume", run, "--yes"]).quick().token(sandbox.token()).run();
        let finished = finished.ended(2).says(why);
        assert_eq!(trap.asked().len(), 0, "{run}: {}", finished.stderr);
    };
    for (mode, why) in [(0o777, "every user can write to it"), (0o702, "every user can write to it")] {
        allow(&folder, mode);
        for run in ["latest", &id, folder.to_str().unwrap()] {
            refused(run, why);
        }
        let finished = workdir.call(["resume", &id, "--yes"]).run().ended(2);
        drop(finished.says(&format!("chmod go-w onboard-runs/{id}, then resume again")));
    }
    allow(&folder, 0o700);
    if give_away(&folder) {
        for run in ["latest", &id, folder.to_str().unwrap()] {
            refused(run, "it belongs to user 4711");
        }
    } else {
        harness::note("a folder of another user was not tried: this user may not give files away");
    }
}

#[test]
fn a_report_of_such_a_run_says_so_and_writes_nothing_there() {
    let (workdir, sandbox) = (Workdir::new(), Sandbox::new());
    let folder = interrupted(&workdir, &sandbox);
    fs::remove_file(folder.join("results.csv")).unwrap();
    allow(&folder, 0o777);
    let id = folder.file_name().unwrap().to_str().unwrap();
    let before = state(&folder);
    drop(workdir.run(["report", "latest"]).ended(2).says(id));
    for format in ["human", "json", "csv"] {
        let report =
            workdir.run(["report", id, "--format", format]).ended(0).says("every user can write to it");
        assert!(!report.stdout.is_empty());
    }
    let listed = workdir.run(["report", "--list"]).ended(0);
    assert!(listed.stdout.contains("every user can write to it"), "{}", listed.stdout);
    assert_eq!(state(&folder), before);
    assert_eq!(fs::read_dir(workdir.path().join("onboard-runs")).unwrap().count(), 2, "a lock and a run");
}

#[test]
fn a_trusted_folder_is_shown_first_and_chooses_neither_target_nor_token() {
    let (workdir, sandbox, trap) = (Workdir::new(), Sandbox::new(), trap());
    let folder = interrupted(&workdir, &sandbox);
    workdir.write("their-token", "stolen");
    let reach = format!("\"reach\":{{\"token_file\":\"{}\",", workdir.path().join("their-token").display());
    edit(&folder, "journal.jsonl", |text| text.replacen("\"reach\":{", &reach, 1));
    allow(&folder, 0o777);
    let id = folder.file_name().unwrap().to_str().unwrap();
    let without = workdir.call(["resume", id, "--trust-folder", "--yes"]).run().ended(2);
    assert!(without.stderr.contains("--url"), "before the token is asked for: {}", without.stderr);
    let resume = |more: &[&str]| {
        workdir.call(["resume", "--trust-folder"]).quick().token(sandbox.token()).args(more).run()
    };
    let requests = sandbox.audit().requests;
    drop(resume(&[id, "--yes"]).ended(2).says("--url"));
    drop(resume(&[id, "--url", sandbox.url()]).ended(2).says("--yes"));
    drop(resume(&["--yes", "--url", sandbox.url()]).ended(2).says("pass the id of the one"));
    drop(resume(&[id, "--yes", "--url", &trap.url()]).ended(2));
    assert_eq!((sandbox.audit().requests, trap.asked().len()), (requests, 0));
    let finished = resume(&[id, "--yes", "--url", sandbox.url()]).ended(0);
    for word in [
        "every user can write to it",
        sandbox.url(),
        "rows left",
        "removals left",
        "WORKSPACE_",
        "HOUSTON_API_TOKEN",
    ] {
        assert!(finished.stderr.contains(word), "{word}: {}", finished.stderr);
    }
    let whole = Finished { folder: Some(folder), ..finished };
    assert_eq!(whole.rows().len(), 24);
    sandbox.agrees_with(&whole);
}

#[test]
fn a_finished_run_of_another_user_is_not_written_to() {
    let (workdir, sandbox) = (Workdir::new(), Sandbox::new());
    workdir.write("roster.csv", roster(4, 2));
    let run = workdir.apply(&sandbox, "roster.csv", &[]).ended(0);
    for name in ["results.csv", "summary.json"] {
        fs::remove_file(run.folder().join(name)).unwrap();
    }
    allow(run.folder(), 0o777);
    let before = state(run.folder());
    let id = run.folder().file_name().unwrap().to_str().unwrap();
    drop(workdir.call(["resume", "--trust-folder", id]).quick().run().ended(0).says("is complete"));
    assert_eq!(state(run.folder()), before);
}

#[test]
fn the_same_person_twice_in_the_plan_of_a_run_is_an_error_and_no_panic() {
    let (workdir, sandbox) = (Workdir::new(), Sandbox::new());
    let folder = interrupted(&workdir, &sandbox);
    let header = |text: String| text.lines().next().unwrap().to_owned() + "\n";
    edit(&folder, "journal.jsonl", header);
    let plan = fs::read_to_string(folder.join("plan.jsonl")).unwrap();
    let lines: Vec<&str> = plan.lines().collect();
    let email = |line: &str| line.split("\"email\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let same = |line: &&&str| line.split("\"workspace\"").nth(1) == lines[0].split("\"workspace\"").nth(1);
    let other = lines[1..].iter().find(same).unwrap();
    let forged = plan.replace(&email(other), &email(lines[0]));
    let digest = |text: &str| houston_onboard::record::hexadecimal::hexadecimal(&sha2::Sha256::digest(text));
    edit(&folder, "journal.jsonl", |text| text.replace(&digest(&plan), &digest(&forged)));
    fs::write(folder.join("plan.jsonl"), forged).unwrap();
    let before = sandbox.audit().mutations_received;
    drop(workdir.resume(&sandbox, &[]).ended(3).says("plan.jsonl:"));
    assert_eq!(sandbox.audit().mutations_received, before);
}

#[test]
fn the_target_is_named_before_the_first_request() {
    let (workdir, sandbox, trap) = (Workdir::new(), Sandbox::new(), trap());
    let folder = interrupted(&workdir, &sandbox);
    lead_to(&folder, &sandbox, &trap.url());
    let resume = workdir.call(["resume", "--yes", "--max-wait", "1ms"]).quick().token(sandbox.token()).run();
    assert!(
        resume.stderr.starts_with(&format!(
            "resuming run {} on {}",
            folder.file_name().unwrap().to_str().unwrap(),
            trap.url()
        )),
        "{}",
        resume.stderr
    );
}

#[test]
fn what_the_environment_says_wins_over_the_folder_and_false_too() {
    let (workdir, sandbox) = (Workdir::new(), Sandbox::new());
    let folder = interrupted(&workdir, &sandbox);
    edit(&folder, "journal.jsonl", |text| text.replacen("\"insecure\":false", "\"insecure\":true", 1));
    let careful = workdir.resuming(&sandbox).env("HOUSTON_ONBOARD_INSECURE", "false").run().ended(0);
    assert!(!careful.stderr.contains("--insecure"), "{}", careful.stderr);
}

#[test]
fn a_runs_folder_that_everybody_can_write_is_refused() {
    let (workdir, sandbox) = (Workdir::new(), Sandbox::new());
    let folder = interrupted(&workdir, &sandbox);
    let runs = folder.parent().unwrap();
    let applied = sandbox.audit().mutations_received;
    allow(runs, 0o777);
    drop(workdir.apply(&sandbox, "roster.csv", &[]).ended(2).says("every user can write to it"));
    drop(workdir.resume(&sandbox, &[]).ended(2).says("every user can write to it"));
    assert_eq!(sandbox.audit().mutations_received, applied);
    allow(runs, 0o1777);
    drop(workdir.resume(&sandbox, &[]).ended(0));
}

#[test]
fn whatever_the_umask_is_a_run_is_private() {
    for umask in ["000", "0777"] {
        let (workdir, sandbox) = (Workdir::new(), Sandbox::new());
        workdir.write("roster.csv", roster(4, 2));
        let shell = format!("umask {umask}; exec \"$0\" \"$@\"");
        let run = workdir.applying(&sandbox, "roster.csv").quick().through(&["sh", "-c", &shell]).run();
        let run = run.ended(0);
        let mode = |path: &Path| fs::symlink_metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(mode(run.folder()), 0o700, "{umask}");
        for (path, ..) in state(run.folder()) {
            assert_eq!(mode(&path), 0o600, "{umask}: {}", path.display());
        }
        for (path, ..) in state(run.folder().parent().unwrap()) {
            assert!([0o600, 0o700].contains(&mode(&path)), "{umask}: {}", path.display());
        }
    }
}

#[test]
fn a_link_in_place_of_the_lock_is_not_followed() {
    let (workdir, sandbox) = (Workdir::new(), Sandbox::new());
    workdir.write("roster.csv", roster(4, 2));
    drop(workdir.apply(&sandbox, "roster.csv", &[]).ended(0));
    let runs = workdir.path().join("onboard-runs");
    let lock = state(&runs).into_iter().find(|(path, ..)| path.is_file()).unwrap().0;
    let precious = workdir.write("precious", "kept");
    fs::remove_file(&lock).unwrap();
    symlink(&precious, &lock).unwrap();
    drop(
        workdir.apply(&sandbox, "roster.csv", &[]).ended(1).says(lock.file_name().unwrap().to_str().unwrap()),
    );
    assert_eq!(fs::read_to_string(precious).unwrap(), "kept");
    fs::remove_file(&lock).unwrap();
    fs::write(&lock, "").unwrap();
    if give_away(&lock) {
        drop(workdir.apply(&sandbox, "roster.csv", &[]).ended(1).says("belongs to user 4711").says("rm "));
        assert_eq!(fs::read_to_string(&lock).unwrap(), "");
    }
}

#[test]
fn a_run_whose_folder_is_gone_sends_nothing_more_and_ends_with_8() {
    type Spoil = fn(&Path);
    let spoils: [Spoil; 4] = [
        |folder| fs::remove_dir_all(folder).unwrap(),
        |folder| fs::rename(folder, folder.with_file_name("elsewhere")).unwrap(),
        |folder| fs::remove_file(folder.join("journal.jsonl")).unwrap(),
        |folder| {
            let (path, copy) = (folder.join("journal.jsonl"), folder.join("copy"));
            fs::copy(&path, &copy).unwrap();
            fs::rename(copy, path).unwrap();
        },
    ];
    for (place, spoil) in spoils.into_iter().enumerate() {
        let (workdir, sandbox) = (Workdir::new(), Sandbox::new());
        workdir.write("roster.csv", roster(200, 2));
        let mut running = workdir.applying(&sandbox, "roster.csv").quick().args(&["--rate", "40/s"]).start();
        running.await_entries("intent", 5);
        let folder = running.folder().unwrap();
        let concurrency = 8;
        spoil(&folder);
        let before = sandbox.audit().mutations_received;
        let run = running.finish().ended(8);
        let sent = sandbox.audit().mutations_received - before;
        // What had been handed out, and the batch that was being written.
        assert!(sent <= 4 * concurrency, "{place}: {sent} sent after the journal was gone");
        assert!(!run.stderr.contains("nothing was sent"), "{place}: {}", run.stderr);
    }
}

/// Statuses of the table in `--help`.
const STATUSES: [i32; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

/// Ways to spoil a file of a run.
fn spoil(rng: &mut Rng, path: &Path) {
    const TELLING: [&str; 14] = [
        "null",
        "-1",
        "18446744073709551615",
        "1e308",
        "\"\"",
        "{",
        "]",
        "\u{1b}[2J",
        "\u{202e}",
        "\0",
        "\"entry\":\"closed\"",
        "\"rows\":999999999999",
        "\"settle_ms\":18446744073709551615",
        "\n",
    ];
    match rng.u8(..12) {
        0 => drop(fs::remove_file(path)),
        1 => {
            fs::remove_file(path).unwrap();
            symlink("/dev/zero", path).unwrap();
        }
        2 => {
            fs::remove_file(path).unwrap();
            assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
        }
        3 => {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }
        4 => fs::File::options().write(true).open(path).unwrap().set_len(rng.u64(..1 << 33)).unwrap(),
        5 => {
            let file = fs::File::options().write(true).open(path).unwrap();
            let length = file.metadata().unwrap().len();
            file.set_len(rng.u64(..length)).unwrap();
        }
        6 => allow(path, 0),
        7 => {
            // A number becomes another one.
            let mut bytes = fs::read(path).unwrap();
            let digits: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at].is_ascii_digit()).collect();
            for _ in 0..3 {
                let at = *rng.choice(&digits).unwrap();
                bytes.splice(at..=at, rng.choice(&TELLING[..4]).unwrap().bytes());
                if bytes.len() < digits.len() {
                    break;
                }
            }
            fs::write(path, bytes).unwrap();
        }
        _ => {
            let mut bytes = fs::read(path).unwrap();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..=bytes.len());
                let end = (at + rng.usize(..30)).min(bytes.len());
                bytes.splice(at..end, rng.choice(TELLING).unwrap().bytes());
            }
            fs::write(path, bytes).unwrap();
        }
    }
}

#[test]
fn whatever_a_run_folder_holds_every_command_beside_it_ends_in_order() {
    let (workdir, sandbox, trap) = (Workdir::new(), Sandbox::new(), trap());
    let folder = interrupted(&workdir, &sandbox);
    let files = ["journal.jsonl", "plan.jsonl", "roster.csv"];
    let seeds = files.map(|name| fs::read(folder.join(name)).unwrap());
    let mut rng = Rng::with_seed(20_261_127);
    workdir.write("one.csv", roster(2, 1));
    for case in 0..30 {
        fs::remove_dir_all(&folder).unwrap();
        fs::create_dir(&folder).unwrap();
        for (name, seed) in files.iter().zip(&seeds) {
            fs::write(folder.join(name), seed).unwrap();
        }
        let foreign = case % 2 == 0;
        let url = if foreign { trap.url() } else { "http://127.0.0.1:9/v1".to_owned() };
        lead_to(&folder, &sandbox, &url);
        for _ in 0..rng.usize(1..3) {
            let path = folder.join(rng.choice(files).unwrap());
            if path.is_file() {
                spoil(&mut rng, &path);
            }
        }
        allow(&folder, if foreign { 0o777 } else { 0o700 });
        let id = folder.file_name().unwrap().to_str().unwrap();
        let commands: [&[&str]; 5] = [
            &["report", id],
            &["report", id, "--format", "jsonl"],
            &["report", "--list"],
            &["resume", "--yes", "--max-wait", "1ms", "--timeout", "1s"],
            &["resume", id, "--yes", "--max-wait", "1ms", "--timeout", "1s"],
        ];
        let check = |finished: Finished| {
            let status = finished.status.unwrap_or(-1);
            assert!(STATUSES.contains(&status), "{case}: {status}\n{}", finished.stderr);
            assert!(!finished.stderr.contains("panicked"), "{case}: {}", finished.stderr);
            assert!(!finished.stderr.contains('\u{1b}') && !finished.stdout.contains('\u{1b}'), "{case}");
        };
        for command in commands {
            check(workdir.call(command).quick().token(sandbox.token()).run());
        }
        check(workdir.apply(&sandbox, "one.csv", &[]));
        assert_eq!(trap.asked().len(), 0, "{case}: a target that was not confirmed was asked");
        for extra in workdir.folders() {
            if extra != folder {
                fs::remove_dir_all(extra).unwrap();
            }
        }
    }
}
