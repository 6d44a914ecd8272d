//! Signals at every stage of a run: the first one ends it in order, the second one at once, and
//! whatever was left is finished by the next run. Also standard streams that are gone.

#![cfg(all(feature = "sandbox", unix))]

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::harness::{self, Finished, Sandbox, Stopwatch, Workdir, faulty, roster, until};
use houston_onboard::sandbox::{Faults, Options};

/// Long enough for a run that does not wait for what it should not wait for.
const SOON: Duration = Duration::from_secs(20);
const ROWS: usize = 80;

fn with(content: &str) -> Workdir {
    let workdir = Workdir::new();
    workdir.write("roster.csv", content);
    workdir
}

fn slow() -> Sandbox {
    Sandbox::with(Options { latency: Duration::from_millis(100), ..Options::default() })
}

/// A slow run over many rows, started by these words, if any.
fn start<'w>(workdir: &'w Workdir, sandbox: &Sandbox, through: &[&str]) -> harness::Running<'w> {
    let call = workdir.applying(sandbox, "roster.csv").args(&["--rate", "none", "--concurrency", "4"]);
    if through.is_empty() { call.start() } else { call.through(through).in_own_group().start() }
}

/// Asserts that the run was drained: nobody is in doubt, many are left, the reports are there.
#[track_caller]
fn is_drained(watch: &Stopwatch, run: &Finished, sandbox: &Sandbox, status: i32) {
    run.is_within(SOON, watch);
    assert!(run.count("not_run") > 20, "{:?}", run.counts());
    assert_eq!(run.count("in_doubt") + run.count("gave_up"), 0, "{:?}", run.counts());
    assert_eq!(run.summary()["exit_status"], status);
    assert_eq!(run.rows().len(), ROWS);
    sandbox.agrees_with(run);
}

/// Asserts that every line of the journal is whole.
#[track_caller]
fn journal_is_valid(run: &Finished) {
    let text = run.file("journal.jsonl");
    assert!(text.ends_with('\n'), "{text}");
    for line in text.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

/// Asserts that the run, taken up again, brings everybody where they belong, once.
#[track_caller]
fn it_can_be_resumed(workdir: &Workdir, sandbox: &Sandbox, run: &Finished) {
    sandbox.set_faults(Faults::default());
    let resume = workdir.call(["resume", "--yes"]).token(sandbox.token()).quick();
    let resumed = resume.args(&["--timeout", "5s"]).run().ended(0);
    let resumed = Finished { folder: run.folder.clone(), ..resumed };
    sandbox.agrees_with(&resumed);
    let rows = resumed.rows().len();
    assert_eq!(resumed.count("added") + resumed.count("invited"), rows, "{:?}", resumed.counts());
}

#[test]
fn a_row_that_waits_for_the_rate_when_a_signal_comes_is_not_sent() {
    let (workdir, sandbox) = (with(&roster(24, 2)), Sandbox::new());
    let running = workdir.applying(&sandbox, "roster.csv").args(&["--rate", "5/s"]).start();
    let sent = || sandbox.audit().mutations_received;
    let before = until("the first writes", || Some(sent()).filter(|&sent| sent >= 4));
    running.signal("TERM");
    let run = running.finish().ended(143);
    // Eight writes wait for their turn at any time.
    assert!(sent() <= before + 2, "{} writes were sent after {before}", sent());
    assert_eq!(run.count("in_doubt") + run.count("gave_up"), 0, "{:?}", run.counts());
    sandbox.agrees_with(&run);
    let resumed = workdir.resume(&sandbox, &[]).ended(0);
    sandbox.agrees_with(&Finished { folder: run.folder, ..resumed });
    assert_eq!(sent(), 24);
}

#[test]
fn a_run_in_the_foreground_of_a_shell_drains_when_the_terminal_interrupts_both() {
    let watch = Stopwatch::take();
    // The shell survives the signal to write down what it saw.
    let script = "trap : INT TERM; \"$0\" \"$@\"; echo $? > status";
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let (sandbox, workdir) = (slow(), with(&roster(ROWS, 3)));
        let mut running = start(&workdir, &sandbox, &["sh", "-c", script]);
        running.await_entries("intent", 10);
        running.signal_group(signal);
        let run = running.finish().ended(0);
        assert_eq!(fs::read_to_string(workdir.path().join("status")).unwrap().trim(), status.to_string());
        is_drained(&watch, &run, &sandbox, status);
        it_can_be_resumed(&workdir, &sandbox, &run);
    }
}

/// Whether a process namespace can be made here, and how.
fn can_be_pid_1() -> Option<Vec<&'static str>> {
    let flags = ["--pid", "--fork", "--kill-child", "--mount-proc"];
    for first in [&["unshare"][..], &["unshare", "-Ur"][..]] {
        let words: Vec<&str> = first.iter().chain(&flags).copied().collect();
        let probe = Command::new(words[0]).args(&words[1..]).arg("true").output();
        if probe.is_ok_and(|output| output.status.success()) {
            return Some(words);
        }
    }
    harness::note("skipped: this environment does not let a test make a process namespace");
    None
}

#[test]
fn a_run_as_pid_1_drains() {
    let watch = Stopwatch::take();
    let Some(unshare) = can_be_pid_1() else { return };
    for (signal, status) in [("INT", 130), ("TERM", 143), ("HUP", 143)] {
        let (sandbox, workdir) = (slow(), with(&roster(ROWS, 3)));
        let mut running = start(&workdir, &sandbox, &unshare);
        running.await_entries("intent", 10);
        harness::signal(signal, &running.child_process().to_string());
        let run = running.finish().ended(status);
        is_drained(&watch, &run, &sandbox, status);
        it_can_be_resumed(&workdir, &sandbox, &run);
    }
}

#[test]
fn a_run_as_pid_1_leaves_at_once_while_nothing_was_sent_and_at_the_second_signal() {
    let watch = Stopwatch::take();
    let Some(unshare) = can_be_pid_1() else { return };
    let (sandbox, workdir) = (Sandbox::with(faulty("read:timeout=100%:40s")), with(&roster(ROWS, 3)));
    let running = start(&workdir, &sandbox, &unshare);
    until("the first request", || (sandbox.audit().requests > 0).then_some(()));
    harness::signal("TERM", &running.child_process().to_string());
    let run = running.finish().ended(143).says("nothing was sent");
    run.began_nothing();
    sandbox.received_no_mutation();

    let (sandbox, workdir) = (hanging(), with(&roster(ROWS, 3)));
    let running = start(&workdir, &sandbox, &unshare);
    await_hanging(&sandbox);
    let inner = running.child_process().to_string();
    harness::signal("TERM", &inner);
    until("word of the first signal", || running.stderr().contains("stopping").then_some(()));
    harness::signal("TERM", &inner);
    let run = running.finish().ended(143).says("unconfirmed");
    run.is_within(SOON, &watch);
    journal_is_valid(&run);
}

/// The first writes are answered, the others not for a long time.
fn hanging() -> Sandbox {
    let latency = Duration::from_millis(20);
    Sandbox::with(Options { latency, ..faulty("write:timeout=#8-99:40s") })
}

fn await_hanging(sandbox: &Sandbox) {
    until("four requests that hang", || {
        (sandbox.audit().faults.get("timeout").copied().unwrap_or(0) >= 4).then_some(())
    });
}

#[test]
fn a_second_signal_of_any_kind_leaves_at_once_with_a_valid_journal() {
    let watch = Stopwatch::take();
    for (first, second, status) in [("INT", "TERM", 143), ("HUP", "INT", 130), ("TERM", "HUP", 143)] {
        let (sandbox, workdir) = (hanging(), with(&roster(ROWS, 3)));
        let running = start(&workdir, &sandbox, &[]);
        await_hanging(&sandbox);
        running.signal(first);
        until("word of the first signal", || running.stderr().contains("stopping").then_some(()));
        running.signal(second);
        let run = running
            .finish()
            .ended(status)
            .says("unconfirmed")
            .says("to resume: houston-onboard resume onboard-runs/");
        run.is_within(SOON, &watch);
        journal_is_valid(&run);
        it_can_be_resumed(&workdir, &sandbox, &run);
    }
}

#[test]
fn a_terminal_that_goes_away_drains_the_run_and_nohup_keeps_it_going() {
    let watch = Stopwatch::take();
    let (sandbox, workdir) = (slow(), with(&roster(ROWS, 3)));
    let mut running = start(&workdir, &sandbox, &[]);
    running.await_entries("intent", 10);
    running.signal("HUP");
    let run = running.finish().ended(143);
    assert_eq!(run.summary()["stopped"]["reason"], "terminated");
    is_drained(&watch, &run, &sandbox, 143);

    let (sandbox, workdir) = (slow(), with(&roster(ROWS, 3)));
    let mut running = start(&workdir, &sandbox, &["sh", "-c", "trap '' HUP; exec \"$0\" \"$@\""]);
    running.await_entries("intent", 10);
    running.signal("HUP");
    let run = running.finish().ended(0);
    assert_eq!(run.count("not_run"), 0, "{:?}", run.counts());
}

#[test]
fn a_signal_while_houston_is_away_or_wants_a_pause_ends_the_run_soon() {
    let watch = Stopwatch::take();
    for (faults, status) in [("503=#30-9999", 503), ("429=#30:200s", 429)] {
        let options = Options { latency: Duration::from_millis(20), ..faulty(faults) };
        let (sandbox, workdir) = (Sandbox::with(options), with(&roster(ROWS, 3)));
        let enough = if status == 503 { 8 } else { 1 };
        let running = workdir
            .applying(&sandbox, "roster.csv")
            .args(&["--rate", "none", "--max-wait", "10m", "--grace", "50s"])
            .start();
        until("Houston to be away", || {
            (sandbox.audit().statuses.get(&status).copied().unwrap_or(0) >= enough).then_some(())
        });
        running.signal("INT");
        let run = running.finish().ended(130);
        run.is_within(SOON, &watch);
        assert!(run.count("not_run") > 20, "{:?}", run.counts());
        sandbox.agrees_with(&run);
        it_can_be_resumed(&workdir, &sandbox, &run);
    }
}

/// A run whose three rows are written and acknowledged, and whose proof meets `faults`.
fn at_its_proof<'w>(workdir: &'w Workdir, sandbox: &Sandbox, faults: &str) -> harness::Running<'w> {
    let running = workdir.applying(sandbox, "roster.csv").args(&["--grace", "5s"]).start();
    until("three writes", || (sandbox.audit().mutations_applied == 3).then_some(()));
    // Their answers take a second more.
    sandbox.set_faults(faults.parse().unwrap());
    until("the proof", || (sandbox.audit().faults.contains_key("timeout")).then_some(()));
    running
}

#[test]
fn a_signal_during_the_final_proof_waits_for_it_as_long_as_the_grace() {
    let late = || (Sandbox::with(faulty("late=100%:1s")), with(&roster(3, 1)));
    let (sandbox, workdir) = late();
    let running = at_its_proof(&workdir, &sandbox, "read:timeout=#1:1s");
    running.signal("INT");
    let run = running.finish().ended(130);
    assert_eq!(run.count("added") + run.count("invited"), 3, "{:?}", run.counts());
    sandbox.agrees_with(&run);

    let (sandbox, workdir) = late();
    let running = at_its_proof(&workdir, &sandbox, "read:timeout=100%:40s");
    running.signal("TERM");
    let run = running.finish().ended(143);
    assert_eq!(run.count("in_doubt"), 3, "{:?}", run.counts());
    assert!(run.rows().iter().all(|row| row["error_code"] == "not_read_back"), "{:?}", run.rows());
    it_can_be_resumed(&workdir, &sandbox, &run);
    assert_eq!(sandbox.audit().mutations_received, 3, "they were there");
}

/// A run over these many rows, all but four of them left out, that writes its reports: it is stopped as
/// soon as the first of them is begun, and takes its signals when it goes on.
fn at_its_reports<'w>(workdir: &'w Workdir, sandbox: &Sandbox) -> harness::Running<'w> {
    let running = workdir.applying(sandbox, "roster.csv").args(&["--rate", "none", "--limit", "4"]).start();
    harness::until("a report is begun", || {
        let names = fs::read_dir(running.folder()?).ok()?;
        let mut names = names.flatten().map(|entry| entry.file_name());
        names.any(|name| name.to_string_lossy().starts_with(".results.csv.")).then_some(())
    });
    running.signal("STOP");
    assert!(!running.folder().unwrap().join("summary.json").exists(), "it was quicker");
    running
}

#[test]
fn a_signal_during_the_writing_of_reports_changes_nothing_and_a_second_one_leaves() {
    let content = roster(40_000, 1);
    let (sandbox, workdir) = (Sandbox::new(), with(&content));
    let running = at_its_reports(&workdir, &sandbox);
    running.signal("INT");
    running.signal("CONT");
    let run = running.finish().ended(0);
    assert_eq!(run.count("added") + run.count("invited"), 4, "{:?}", run.counts());
    assert_eq!(run.summary()["exit_status"], 0);

    let (sandbox, workdir) = (Sandbox::new(), with(&content));
    let running = at_its_reports(&workdir, &sandbox);
    running.signal("INT");
    running.signal("CONT");
    // Of two that wait together, either may come first.
    running.signal("TERM");
    let run = running.finish().ended(143).says("its reports are not");
    assert!(!run.folder().join("summary.json").exists());
    journal_is_valid(&run);
}

#[test]
fn standard_streams_that_are_gone_change_nothing() {
    let counted = |script: &str| {
        let (sandbox, workdir) = (Sandbox::new(), with(&roster(30, 3)));
        let call = workdir.applying(&sandbox, "roster.csv").quick().args(&["--verbose"]);
        let run = call.through(&["sh", "-c", script]).run();
        let status = fs::read_to_string(workdir.path().join("status")).unwrap();
        assert_eq!(status.trim(), "0", "{script}: {}", run.stderr);
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        assert_eq!(run.count("added") + run.count("invited"), 30, "{script}");
        sandbox.agrees_with(&run);
    };
    let called = "\"$0\" \"$@\"";
    counted(&format!("{{ {called}; echo $? > status; }} 2>&1 | head -n 1"));
    counted(&format!("{{ {called}; echo $? > status; }} | true"));
    counted(&format!("{called} >&- 2>&- <&-; echo $? > status"));
    counted(&format!("{called} 2>/dev/full >/dev/null; echo $? > status"));
    // The closing words find no room: the run is what it is.
    counted(&format!("{called} >/dev/full; echo $? > status"));
}

#[test]
fn a_signal_with_nobody_to_read_the_last_words_drains_all_the_same() {
    let watch = Stopwatch::take();
    let (sandbox, workdir) = (slow(), with(&roster(ROWS, 3)));
    let script = "trap : INT; { trap : INT; \"$0\" \"$@\"; echo $? > status; } 2>&1 | true";
    let mut running = start(&workdir, &sandbox, &["sh", "-c", script]);
    running.await_entries("intent", 10);
    running.signal_group("INT");
    let run = running.finish().ended(0);
    assert_eq!(fs::read_to_string(workdir.path().join("status")).unwrap().trim(), "130");
    is_drained(&watch, &run, &sandbox, 130);
}

#[test]
fn doctor_ends_with_the_status_of_the_signal_like_every_command() {
    let sandbox =
        Sandbox::with(Options { latency: std::time::Duration::from_secs(20), ..Options::default() });
    let workdir = Workdir::new();
    let running = workdir.call(["doctor"]).to(&sandbox).start();
    until("a request", || (sandbox.audit().requests > 0).then_some(()));
    running.signal("TERM");
    drop(running.finish().ended(143));
}
