//! A run folder that cannot be written: from the start, or from somewhere in mid-run on. Nothing
//! is sent that was not written down before, and the next run finishes what is left.
//!
//! A limit on the size of files stands in for a full disk; a small file system is one, where the
//! test may mount it.

#![cfg(all(feature = "sandbox", unix))]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::{self, Finished, MODELS, Sandbox, Workdir, faulty, playing, roster};
use houston_onboard::sandbox::{Applied, Faults, Model, Options};

/// What `ulimit -f` counts in.
const BLOCK: u64 = 512;
/// With this many rows over two workspaces the journal has several blocks more than the plan.
const ROWS: usize = 60;
/// Most rows go first, one by one, and end before the others are sent: the journal outgrows the plan while
/// rows are still to be sent.
const FLAGS: [&str; 4] = ["--retries", "8", "--canary", "20"];

fn with(content: &str) -> Workdir {
    let workdir = Workdir::new();
    workdir.write("roster.csv", content);
    workdir
}

/// A roster whose cells make it, and the results, larger than the journal.
fn wide_roster() -> String {
    let mut text = String::from("email,role,workspace,remark\n");
    let remark = "x".repeat(1000);
    for line in roster(ROWS, 2).lines().skip(1) {
        writeln!(text, "{line},{remark}").unwrap();
    }
    text
}

/// A Houston that needs more than one look: journals get longer.
fn sandbox(model: Model) -> Sandbox {
    Sandbox::with(playing(model, Options { seed: 3, ..faulty("write:reset=15%,write:503=50%") }))
}

/// `apply` where no file may have more than so many blocks.
fn apply_limited(workdir: &Workdir, sandbox: &Sandbox, blocks: u64) -> Finished {
    let limit = format!("ulimit -f {blocks}; exec \"$0\" \"$@\"");
    workdir.applying(sandbox, "roster.csv").quick().args(&FLAGS).through(&["sh", "-c", &limit]).run()
}

/// The sizes of the files of a run that meets no limit, in bytes.
fn sizes(content: &str, model: Model) -> impl Fn(&str) -> u64 {
    let (sandbox, workdir) = (sandbox(model), with(content));
    let run = workdir.apply(&sandbox, "roster.csv", &FLAGS).ended(0);
    let folder = run.folder().to_owned();
    let sizes: Vec<_> = ["roster.csv", "plan.jsonl", "journal.jsonl", "results.csv"]
        .map(|name| (name, fs::metadata(folder.join(name)).unwrap().len()))
        .into();
    harness::note(&format!("{sizes:?}"));
    move |name| sizes.iter().find(|(known, _)| *known == name).unwrap().1
}

/// Asserts that whatever Houston applied was announced in the journal before, and that the journal
/// can be read: all of its lines but a torn last one are whole.
#[track_caller]
fn journal_knows(folder: &Path, sandbox: &Sandbox, content: &str) -> usize {
    let text = fs::read_to_string(folder.join("journal.jsonl")).unwrap();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let emails: Vec<&str> = content.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    let mut announced = BTreeSet::new();
    for line in whole.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        if entry["entry"] == "intent" {
            let row = usize::try_from(entry["item"].as_u64().unwrap()).unwrap();
            announced.insert(emails[row - 1].to_lowercase());
        }
    }
    let entries = sandbox.audit().entries;
    let applied: BTreeSet<String> = (entries.into_iter())
        .filter(|entry| entry.outcome == Applied::Applied)
        .map(|entry| entry.email.unwrap().to_lowercase())
        .collect();
    assert!(applied.is_subset(&announced), "sent without a word: {:?}", &applied - &announced);
    applied.len()
}

/// Asserts that another run, with room enough, brings everybody where they belong, once.
#[track_caller]
fn the_next_run_finishes(workdir: &Workdir, sandbox: &Sandbox) {
    let run = workdir.apply(sandbox, "roster.csv", &["--retries", "8"]).ended(0);
    sandbox.agrees_with(&run);
    assert_eq!(run.rows().len(), ROWS);
}

/// Asserts the same of the run itself, taken up again.
#[track_caller]
fn it_can_be_resumed(workdir: &Workdir, sandbox: &Sandbox, folder: &Path) {
    sandbox.set_faults(Faults::default());
    let resume = workdir.call(["resume", folder.to_str().unwrap(), "--yes"]).token(sandbox.token());
    let run = resume.quick().args(&["--timeout", "5s"]).run().ended(0);
    let run = Finished { folder: Some(folder.to_owned()), ..run };
    sandbox.agrees_with(&run);
    assert_eq!(run.count("added") + run.count("invited"), ROWS, "{:?}", run.counts());
}

/// Asserts that nothing was begun, and that the sentence names this.
#[track_caller]
fn could_not_begin(run: Finished, path: &str, workdir: &Workdir, sandbox: &Sandbox) {
    let run = run.ended(1).says(path).says("error: ");
    run.began_nothing();
    assert_eq!(workdir.folders(), Vec::<std::path::PathBuf>::new(), "half a run is left: {}", run.stderr);
    sandbox.received_no_mutation();
}

#[test]
fn a_file_in_the_way_of_the_folder_is_named() {
    let (sandbox, workdir) = (Sandbox::new(), with(&roster(4, 2)));
    workdir.write("taken", "");
    for dir in ["taken", "taken/below", "/proc/self/nowhere"] {
        let run = workdir.apply(&sandbox, "roster.csv", &["--runs-dir", dir]);
        could_not_begin(run, dir, &workdir, &sandbox);
    }
    assert_eq!(sandbox.audit().requests, 0, "not one packet");
}

#[test]
fn no_room_for_the_copy_of_the_roster_the_plan_or_the_header_sends_nothing() {
    let one = "email,role,workspace\nnew.hire@example.com,viewer,Finance\n".to_owned();
    for (content, blocks, name) in [
        (wide_roster(), 8, "roster.csv"),
        // The plan says more per row than the roster.
        (roster(ROWS, 2), 8, "plan.jsonl"),
        (one, 1, "journal.jsonl"),
    ] {
        let (sandbox, workdir) = (Sandbox::new(), with(&content));
        let run = apply_limited(&workdir, &sandbox, blocks);
        could_not_begin(run, name, &workdir, &sandbox);
    }
}

#[test]
fn a_disk_that_fills_up_in_mid_run_stops_it_and_loses_nothing() {
    let content = roster(ROWS, 2);
    for model in MODELS {
        let size = sizes(&content, model);
        let first = size("plan.jsonl") / BLOCK + 1;
        // A run that meets with fewer faults has a shorter journal.
        let last = size("journal.jsonl") / BLOCK * 4 / 5;
        assert!(last > first + 3, "{first} {last}");
        let mut applied = BTreeSet::new();
        for blocks in (first..last).step_by(4) {
            let (sandbox, workdir) = (sandbox(model), with(&content));
            let run = apply_limited(&workdir, &sandbox, blocks)
                .ended(8)
                .says("journal.jsonl")
                .says("the run's journal can no longer be written")
                .says("File too large");
            applied.insert(journal_knows(run.folder(), &sandbox, &content));
            if run.folder().join("results.csv").exists() {
                sandbox.agrees_with(&run);
                assert_eq!(run.rows().len(), ROWS);
                assert_eq!(run.summary()["exit_status"], 8);
            }
            if blocks % 8 < 4 {
                the_next_run_finishes(&workdir, &sandbox);
            } else {
                it_can_be_resumed(&workdir, &sandbox, run.folder());
            }
        }
        harness::note(&format!("{model:?}: lost with so many rows applied: {applied:?}"));
        assert!(applied.len() > 1, "always the same moment: {applied:?}");
    }
}

#[test]
fn room_for_the_journal_and_not_for_the_reports_is_said_and_costs_the_reports_only() {
    let content = wide_roster();
    let size = sizes(&content, Model::Modern);
    let most = size("roster.csv").max(size("plan.jsonl")).max(size("journal.jsonl") + BLOCK);
    let blocks = most / BLOCK + 1;
    assert!(blocks * BLOCK < size("results.csv"), "{blocks}");
    let (sandbox, workdir) = (sandbox(Model::Modern), with(&content));
    let run = apply_limited(&workdir, &sandbox, blocks)
        .ended(1)
        .says("the reports cannot be written")
        .says("results.csv")
        .says("nothing is lost")
        .says("houston-onboard report ");
    assert!(!run.folder().join("results.csv").exists(), "a report is whole or not there");
    let left: Vec<_> = fs::read_dir(run.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "nothing half is left: {left:?}");
    assert!(run.file("journal.jsonl").contains("\"entry\":\"closed\""));
    assert_eq!(journal_knows(run.folder(), &sandbox, &content), ROWS);
}

/// Whether `unshare` with these flags can mount something here.
fn can_mount() -> Option<Vec<&'static str>> {
    for words in [vec!["unshare", "-m"], vec!["unshare", "-Urm"]] {
        let probe = Command::new(words[0])
            .args(&words[1..])
            .args(["sh", "-c", "mount -t tmpfs -o size=64k tmpfs /tmp"])
            .output();
        if probe.is_ok_and(|output| output.status.success()) {
            return Some(words);
        }
    }
    harness::note("skipped: this environment does not let a test mount a file system");
    None
}

/// `apply` with a file system of its own as runs folder, which is copied to `kept` afterwards.
fn apply_on(workdir: &Workdir, sandbox: &Sandbox, unshare: &[&str], options: &str) -> Finished {
    fs::create_dir_all(workdir.path().join("onboard-runs")).unwrap();
    let script = format!(
        "mount -t tmpfs -o {options} tmpfs onboard-runs || exit 77; \"$0\" \"$@\"; status=$?; \
         cp -r onboard-runs kept; exit $status"
    );
    let mut words = unshare.to_vec();
    words.extend(["sh", "-c", &script]);
    workdir.applying(sandbox, "roster.csv").quick().args(&["--retries", "8"]).through(&words).run()
}

#[test]
fn a_file_system_that_is_full_in_mid_run_stops_it_and_loses_nothing() {
    let Some(unshare) = can_mount() else { return };
    let content = roster(ROWS, 2);
    let mut began = BTreeSet::new();
    // Pages of 4 KiB: the copy, the plan, and then the journal find the end.
    for pages in 4..=14 {
        let (sandbox, workdir) = (sandbox(Model::Modern), with(&content));
        let run = apply_on(&workdir, &sandbox, &unshare, &format!("size={}k", 4 * pages));
        let kept = fs::read_dir(workdir.path().join("kept")).unwrap().map(|entry| entry.unwrap().path());
        let folder = kept.filter(|path| path.is_dir()).max();
        let status = run.status.unwrap();
        let announced = folder.as_ref().map(|folder| journal_knows(folder, &sandbox, &content));
        harness::note(&format!("{pages} pages: status {status}, applied {announced:?}"));
        match announced {
            None => {
                assert_eq!(status, 1, "{}", run.stderr);
                sandbox.received_no_mutation();
            }
            Some(ROWS) if status == 0 => {}
            // 1 where everything was done and only the reports found no room.
            Some(ROWS) if status == 1 => drop(run.says("the reports cannot be written")),
            Some(_) => assert_eq!(status, 8, "{}", run.stderr),
        }
        began.insert(status);
        match folder {
            Some(folder) if status == 8 => it_can_be_resumed(&workdir, &sandbox, &folder),
            Some(_) | None => the_next_run_finishes(&workdir, &sandbox),
        }
    }
    assert!(began.contains(&1) && began.contains(&8), "{began:?}");
}

#[test]
fn a_read_only_file_system_is_named_before_a_packet_is_sent() {
    let Some(unshare) = can_mount() else { return };
    let (sandbox, workdir) = (Sandbox::new(), with(&roster(4, 2)));
    let run = apply_on(&workdir, &sandbox, &unshare, "ro").says("Read-only file system");
    could_not_begin(run, "onboard-runs", &workdir, &sandbox);
    assert_eq!(sandbox.audit().requests, 0, "not one packet");
}

/// `export` of a sandbox of its own to this file.
fn export_to(workdir: &Workdir, output: &str, through: &[&str]) -> Finished {
    let call = workdir.call(["export", "--sandbox", "--progress", "none", "--output", output]);
    if through.is_empty() { call.run() } else { call.through(through).run() }
}

#[test]
fn an_output_onto_what_is_no_regular_file_is_written_in_place() {
    use std::os::unix::fs::{FileTypeExt as _, symlink};
    let workdir = Workdir::new();
    let header = "email,role,workspace,";
    for (output, status) in [("/dev/null", 0), ("/dev/full", 1), (".", 1)] {
        let _ = export_to(&workdir, output, &[]).ended(status);
    }
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    assert!(export_to(&workdir, "/dev/stdout", &[]).ended(0).stdout.starts_with(header));
    let piped = export_to(&workdir, "/dev/stdout", &["sh", "-c", "\"$0\" \"$@\" | cat"]).ended(0);
    assert!(piped.stdout.starts_with(header), "{}", piped.stdout);

    workdir.write("old.csv", "old");
    symlink("old.csv", workdir.path().join("link.csv")).unwrap();
    let _ = export_to(&workdir, "link.csv", &[]).ended(0);
    assert!(workdir.path().join("link.csv").is_symlink());
    assert!(fs::read_to_string(workdir.path().join("old.csv")).unwrap().starts_with(header));

    let _ = Command::new("mkfifo").arg(workdir.path().join("fifo")).status().unwrap();
    let _ = export_to(&workdir, "fifo", &[]).ended(1).says("nothing reads from this FIFO");
    let read =
        export_to(&workdir, "fifo", &["sh", "-c", "cat fifo & exec 3>fifo; \"$0\" \"$@\"; exec 3>&-; wait"]);
    assert!(read.ended(0).stdout.starts_with(header));
}

#[test]
fn a_file_that_is_mounted_is_written_in_place() {
    let Some(unshare) = can_mount() else { return };
    let workdir = Workdir::new();
    workdir.write("mounted.csv", "");
    workdir.write("below.csv", "a longer text from before".repeat(100));
    let script = "mount --bind below.csv mounted.csv || exit 77; exec \"$0\" \"$@\"";
    let words = [&unshare[..], &["sh", "-c", script]].concat();
    let _ = export_to(&workdir, "mounted.csv", &words).ended(0);
    let text = fs::read_to_string(workdir.path().join("below.csv")).unwrap();
    assert!(text.starts_with("email,role,") && !text.contains("longer"), "{text}");
    let names = fs::read_dir(workdir.path()).unwrap().count();
    assert_eq!(names, 2, "nothing is left beside it");
}

#[test]
fn a_roster_from_standard_input_needs_no_folder_for_temporary_files() {
    let (sandbox, workdir) = (Sandbox::new(), Workdir::new());
    let text = roster(4, 2);
    let nowhere = |arguments: &[&str]| workdir.call(arguments).env("TMPDIR", "/nonexistent").stdin(&text);
    let _ = nowhere(&["validate", "-"]).run().ended(0);
    let _ = nowhere(&["plan", "-"]).to(&sandbox).run().ended(0);
    assert_eq!(fs::read_dir(workdir.path()).unwrap().count(), 0, "nothing is left");
    let flags = ["apply", "-", "--yes", "--runs-dir", "new/runs"];
    let bad = nowhere(&flags).to(&sandbox).stdin("email,role,workspace\n").run().ended(3);
    assert_eq!(fs::read_dir(workdir.path()).unwrap().count(), 0, "{}", bad.stderr);
    let _ = nowhere(&flags).to(&sandbox).quick().run().ended(0);
    let left = fs::read_dir(workdir.path().join("new/runs")).unwrap();
    let left: Vec<String> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(left.iter().all(|name| name.starts_with("20") || name.starts_with(".lock-")), "{left:?}");

    let Some(unshare) = can_mount() else { return };
    fs::create_dir(workdir.path().join("ro")).unwrap();
    let script = "mount -t tmpfs -o ro tmpfs ro || exit 77; cd ro; exec \"$0\" \"$@\"";
    let words = [&unshare[..], &["sh", "-c", script]].concat();
    let _ = nowhere(&["validate", "-"]).through(&words).stdin(&text).run().ended(1).says("TMPDIR");
}
