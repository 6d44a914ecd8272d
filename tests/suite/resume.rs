//! `resume`: an interrupted run is finished from its own files, and a finished one is left alone.

#![cfg(feature = "sandbox")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::harness::{
    self, Finished, InProcess, Sandbox, Stopwatch, Workdir, faulty, playing, roster, sample,
};
use houston_onboard::sandbox::{Applied, Model, Options};

/// A run of 24 rows that SIGTERM ended in the middle, and its folder.
fn interrupted(workdir: &InProcess, sandbox: &Sandbox) -> Finished {
    workdir.write("roster.csv", roster(24, 2));
    let call = workdir.applying(sandbox, "roster.csv").quick().args(&["--rate", "20/s"]);
    let run = call.signal_when("TERM", |sandbox| sandbox.audit().mutations_received >= 4).run().ended(143);
    assert!(run.count("not_run") > 0, "{:?}", run.counts());
    sandbox.agrees_with(&run);
    run
}

fn applied(sandbox: &Sandbox) -> usize {
    sandbox.audit().entries.iter().filter(|entry| entry.outcome == Applied::Applied).count()
}

/// The command that the closing words name.
fn told(run: &Finished) -> Vec<String> {
    let line = run.stdout.lines().find(|line| line.contains("houston-onboard resume")).unwrap();
    line.split_whitespace().skip(1).map(str::to_owned).collect()
}

#[test]
fn an_interrupted_run_names_the_command_that_finishes_it() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::new());
    let run = interrupted(&workdir, &sandbox);
    // The input may be gone by then.
    fs::remove_file(workdir.path().join("roster.csv")).unwrap();
    let finished = workdir.program().call(told(&run)).quick().token(sandbox.token()).run().ended(0);
    let whole = Finished { folder: run.folder.clone(), ..finished };
    assert_eq!(whole.rows().len(), 24);
    assert_eq!(whole.count("added") + whole.count("invited"), 24, "{:?}", whole.counts());
    assert_eq!(applied(&sandbox), 24);
    sandbox.agrees_with(&whole);
    let summary = whole.summary();
    assert_eq!((&summary["legs"], &summary["exit_status"]), (&2.into(), &0.into()), "{summary}");
    assert!(summary["stopped"].is_null(), "{summary}");
}

#[test]
fn a_finished_run_says_so_and_ends_as_it_did() {
    let (workdir, sandbox) = (Workdir::new(), Sandbox::new());
    workdir.write("good.csv", roster(4, 2));
    drop(workdir.apply(&sandbox, "good.csv", &[]).ended(0));
    let before = sandbox.audit().requests;
    drop(workdir.resume(&sandbox, &[]).ended(0).says("is complete"));
    workdir.write("bad.csv", format!("{}nobody@example.com,viewer,ckmissing\n", roster(2, 1)));
    let failed = workdir.apply(&sandbox, "bad.csv", &["--skip-invalid"]).ended(6);
    let results = failed.file("results.csv");
    fs::remove_file(failed.folder().join("results.csv")).unwrap();
    let again = workdir.call(["resume"]).run().ended(6).says("is complete");
    assert_eq!(fs::read_to_string(failed.folder().join("results.csv")).unwrap(), results);
    assert!(again.stderr.contains("status 6"), "{}", again.stderr);
    assert!(sandbox.audit().requests > before, "the second apply has asked");
}

#[test]
fn an_unfinished_run_is_named_until_its_roster_is_applied() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::new());
    let run = interrupted(&workdir, &sandbox);
    let id = run.folder().file_name().unwrap().to_str().unwrap();
    let named = format!("roster.csv is unfinished; to resume it: houston-onboard resume onboard-runs/{id}\n");
    workdir.write("small.csv", roster(1, 1));
    drop(workdir.apply(&sandbox, "small.csv", &[]).ended(0).says(&named));
    let program = workdir.program();
    let resume = || program.call(["resume"]).token(sandbox.token()).run();
    drop(resume().ended(0).says("is complete").says(&named));
    let other = Sandbox::new();
    let elsewhere = workdir.apply(&other, "small.csv", &[]).ended(0);
    assert!(!elsewhere.stderr.contains(id), "another target: {}", elsewhere.stderr);
    drop(workdir.apply(&sandbox, "roster.csv", &[]).ended(0).says(&named));
    let last = resume().ended(0).says("is complete");
    assert!(!last.stderr.contains(id), "{}", last.stderr);
}

#[test]
fn a_part_of_its_roster_does_not_replace_an_unfinished_run() {
    for part in [&["--limit", "2"][..], &["--only", "email=new.hire*"], &["--shard", "1/2"]] {
        let (workdir, sandbox) = (InProcess::new(), Sandbox::new());
        let run = interrupted(&workdir, &sandbox);
        let id = run.folder().file_name().unwrap().to_str().unwrap();
        let named = format!("is unfinished; to resume it: houston-onboard resume onboard-runs/{id}\n");
        drop(workdir.apply(&sandbox, "roster.csv", part).ended(0).says(&named));
        let resumed = workdir.program().call(["resume", "--yes"]).token(sandbox.token()).run();
        drop(resumed.ended(0).says("is complete").says(&named));
        drop(workdir.apply(&sandbox, "other.csv", &[]).ended(3));
        drop(workdir.apply(&sandbox, "roster.csv", part).ended(0).says(&named));
    }
}

#[test]
fn a_run_whose_time_is_over_after_its_last_row_is_finished() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::new());
    workdir.write("roster.csv", roster(3, 1));
    let run = workdir.applying(&sandbox, "roster.csv").quick().args(&["--rate", "5/s"]);
    let run = run.args(&["--max-duration", "700ms"]).run().ended(0);
    assert!(run.summary()["stopped"].is_null(), "{}", run.summary());
    let again = workdir.apply(&sandbox, "roster.csv", &[]).ended(0);
    assert!(!again.stderr.contains("unfinished"), "{}", again.stderr);
}

#[test]
fn a_rehearsal_cannot_be_resumed_and_says_why() {
    let workdir = Workdir::new();
    let sandbox_run =
        ["apply", &sample("team.csv"), "--sandbox", "--yes", "--rate", "20/s", "--max-duration", "1ms"];
    drop(workdir.run(sandbox_run).ended(8));
    drop(workdir.run(["resume", "--yes"]).ended(2).says("--sandbox"));
}

#[test]
fn a_run_is_resumed_at_its_own_houston_only() {
    let (workdir, sandbox, other) = (InProcess::new(), Sandbox::new(), Sandbox::new());
    let run = interrupted(&workdir, &sandbox);
    let wrong = workdir.call(["resume", "--yes"]).to(&other).quick().run().ended(2);
    assert!(wrong.stderr.contains(" targets "), "{}", wrong.stderr);
    other.received_no_mutation();
    // The same address may be said again.
    let right = workdir.call(["resume", "--yes"]).to(&sandbox).quick().run().ended(0);
    sandbox.agrees_with(&Finished { folder: run.folder, ..right });
}

#[test]
fn nobody_is_asked_without_a_terminal() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::new());
    interrupted(&workdir, &sandbox);
    let before = applied(&sandbox);
    drop(workdir.program().call(["resume"]).quick().token(sandbox.token()).run().ended(2).says("--yes"));
    assert_eq!(applied(&sandbox), before);
}

#[test]
fn a_run_is_named_by_id_prefix_and_folder() {
    for name in [
        |folder: &Path| folder.file_name().unwrap().to_str().unwrap().to_owned(),
        |folder: &Path| folder.file_name().unwrap().to_str().unwrap()[..17].to_owned(),
        |folder: &Path| folder.display().to_string(),
        |_: &Path| "latest".to_owned(),
    ] {
        let (workdir, sandbox) = (InProcess::new(), Sandbox::new());
        let run = interrupted(&workdir, &sandbox);
        let run_name = name(run.folder());
        drop(workdir.call(["resume", &run_name, "--yes"]).quick().at(&sandbox).run().ended(0));
        assert_eq!(applied(&sandbox), 24);
    }
    let workdir = InProcess::new();
    drop(workdir.call(["resume", "2026", "--yes"]).run().ended(2).says("onboard-runs"));
}

#[test]
fn the_second_of_two_is_sent_away_and_told_of_the_first() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::new());
    let run = interrupted(&workdir, &sandbox);
    let id = run.folder().file_name().unwrap().to_str().unwrap().to_owned();
    let first = workdir.program().resuming(&sandbox).args(&["--rate", "20/s"]).start();
    let journal = run.folder().join("journal.jsonl");
    harness::until("the second leg", || {
        fs::read_to_string(&journal).unwrap().contains("\"entry\":\"resumed\"").then_some(())
    });
    let second = workdir.program().resuming(&sandbox).run().ended(11);
    assert!(second.stderr.contains(&id), "{}", second.stderr);
    let third = workdir.program().applying(&sandbox, "roster.csv").quick().run().ended(11);
    assert!(third.stderr.contains(&id), "{}", third.stderr);
    let first = first.finish().ended(0);
    sandbox.agrees_with(&Finished { folder: run.folder, ..first });
    assert_eq!(applied(&sandbox), 24);
}

/// Files of a run, to be broken and mended.
struct Files {
    journal: PathBuf,
    plan: PathBuf,
    roster: PathBuf,
}

impl Files {
    fn of(folder: &Path) -> Self {
        let file = |name: &str| folder.join(name);
        Self { journal: file("journal.jsonl"), plan: file("plan.jsonl"), roster: file("roster.csv") }
    }
}

#[test]
fn files_that_do_not_belong_together_are_refused_with_their_names() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::new());
    let run = interrupted(&workdir, &sandbox);
    let files = Files::of(run.folder());
    let before = sandbox.audit().mutations_received;
    let refused = |path: &Path, change: &dyn Fn(&str) -> String, words: &[&str]| {
        let whole = fs::read_to_string(path).unwrap();
        fs::write(path, change(&whole)).unwrap();
        let ended = workdir.resume(&sandbox, &[]).ended(3);
        for word in words {
            assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
        }
        fs::write(path, whole).unwrap();
    };
    refused(&files.journal, &|text| text.replacen("\"format\":5", "\"format\":99", 1), &["format 99"]);
    refused(&files.journal, &|text| text.replacen("\"intent\"", "\"hint\"", 1), &["journal.jsonl:4:"]);
    refused(
        &files.journal,
        &|_| String::new(),
        &["no header", "the file was damaged", "apply the roster again"],
    );
    refused(&files.journal, &|text| text[..40].to_owned(), &["no header"]);
    refused(
        &files.plan,
        &|text| text.replacen("WORKSPACE_VIEWER", "WORKSPACE_ADMIN", 1),
        &["plan.jsonl", "not the file"],
    );
    refused(&files.plan, &|text| text[..text.len() - 9].to_owned(), &["plan.jsonl", "23"]);
    refused(
        &files.roster,
        &|text| text.replacen("example.com", "example.org", 1),
        &["roster.csv", "not the file"],
    );
    assert_eq!(sandbox.audit().mutations_received, before);
    drop(workdir.resume(&sandbox, &[]).ended(0));
    assert_eq!(applied(&sandbox), 24);
}

#[test]
fn a_journal_that_is_cut_anywhere_is_taken_up() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::new());
    workdir.write("roster.csv", roster(6, 2));
    let run = workdir.apply(&sandbox, "roster.csv", &[]).ended(0);
    let journal = run.folder().join("journal.jsonl");
    let whole = fs::read(&journal).unwrap();
    let header = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let cuts = (header..whole.len()).step_by(61);
    assert!(cuts.len() > 20);
    for cut in cuts {
        fs::write(&journal, &whole[..cut]).unwrap();
        let again = workdir.resume(&sandbox, &["--settle", "1ms"]).ended(0);
        sandbox.agrees_with(&again);
        assert_eq!(again.rows().len(), 6, "cut at {cut}");
        assert_eq!(applied(&sandbox), 6, "cut at {cut}: sent again");
        let text = fs::read_to_string(&journal).unwrap();
        for line in text.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect("nothing is written behind a torn line");
        }
    }
}

#[test]
fn rows_that_were_given_up_are_tried_again_and_final_ones_are_not() {
    let workdir = InProcess::new();
    let options = Options { seed: 3, ..faulty("write:503=#1-30") };
    let sandbox = Sandbox::with(playing(Model::Legacy, options));
    let bad = "not.an.address@example,viewer,Finance\n";
    workdir.write("roster.csv", format!("{}{bad}", roster(6, 2)));
    let more = ["--retries", "0", "--canary", "0", "--skip-invalid", "--max-wait", "0s", "--settle", "10ms"];
    let run = workdir.apply(&sandbox, "roster.csv", &more).ended(8);
    assert!(run.count("gave_up") + run.count("not_run") + run.count("in_doubt") > 0, "{:?}", run.counts());
    sandbox.set_faults("".parse().unwrap());
    let done = workdir.resume(&sandbox, &["--settle", "10ms"]);
    let status = if done.count("invalid") + done.count("rejected") > 0 { 6 } else { 0 };
    let done = done.ended(status);
    assert_eq!(done.count("added") + done.count("invited"), applied(&sandbox));
    assert_eq!(
        done.count("gave_up") + done.count("in_doubt") + done.count("not_run"),
        0,
        "{:?}",
        done.counts()
    );
    sandbox.agrees_with(&done);
}

#[test]
fn what_somebody_else_has_done_meanwhile_is_found_and_not_sent() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::new());
    let run = interrupted(&workdir, &sandbox);
    drop(workdir.apply(&sandbox, "roster.csv", &[]).ended(0));
    let before = sandbox.audit().mutations_received;
    let id = run.folder().display().to_string();
    let done = workdir.call(["resume", &id, "--yes"]).quick().at(&sandbox).run().ended(0);
    assert_eq!(sandbox.audit().mutations_received, before);
    let whole = Finished { folder: run.folder, ..done };
    assert!(whole.count("unchanged") + whole.count("already_invited") > 0, "{:?}", whole.counts());
    assert_eq!(whole.rows().len(), 24);
    sandbox.agrees_with(&whole);
}

#[test]
fn a_write_of_a_killed_run_that_lands_later_is_not_doubled() {
    // The server doubles; the write lands long after the kill and before the settle time is over.
    let options = Options { seed: 5, ..faulty("lag=100%:700ms") };
    let sandbox = Sandbox::with(playing(Model::Legacy, options));
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(3, 1));
    let mut running = workdir.applying(&sandbox, "roster.csv").quick().args(&["--timeout", "5s"]).start();
    assert!(running.kill_when(|_| sandbox.audit().mutations_received >= 1));
    let done = workdir.resume(&sandbox, &["--settle", "1500ms", "--timeout", "5s"]).ended(0);
    assert_eq!(applied(&sandbox), 3);
    sandbox.agrees_with(&done);
}

#[test]
fn the_settings_of_the_run_hold_for_its_later_legs() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::new());
    workdir.write("roster.csv", roster(40, 2));
    let arguments = ["--send-invites", "--rate", "20/s", "--exit-code-unchanged", "99"];
    let call = workdir.applying(&sandbox, "roster.csv").quick().args(&arguments);
    let run = call.signal_when("INT", |sandbox| sandbox.audit().mutations_received >= 2).run();
    drop(run.ended(130));
    let mails = sandbox.audit().mails;
    drop(workdir.resume(&sandbox, &[]).ended(0));
    assert_eq!(applied(&sandbox), 40);
    assert!(sandbox.audit().mails > mails, "mails were wanted, and still are");
}

#[test]
fn a_token_that_dies_between_two_legs_ends_the_second_and_loses_nothing() {
    let watch = Stopwatch::take();
    let (workdir, sandbox) = (InProcess::new(), Sandbox::new());
    let run = interrupted(&workdir, &sandbox);
    let dead = workdir.program().call(["resume", "--yes"]).quick().token("not.a.token").run().ended(4);
    let summary = Finished { folder: run.folder.clone(), ..dead }.summary();
    assert_eq!(summary["exit_status"], 143, "nothing has begun: the reports stay those of the first leg");
    let none = workdir.program().call(["resume", "--yes"]).quick().run().ended(4);
    assert!(none.stderr.contains("HOUSTON_API_TOKEN"), "{}", none.stderr);
    let done = workdir.program().resume(&sandbox, &[]).ended(0);
    sandbox.agrees_with(&done);
    done.is_within(Duration::from_secs(30), &watch);
}

#[test]
fn an_apply_in_place_of_resume_waits_for_what_may_still_land() {
    // As a scheduler does: the same command again at once after a kill.
    let options = Options { seed: 5, ..faulty("lag=100%:700ms") };
    let sandbox = Sandbox::with(playing(Model::Legacy, options));
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(6, 2));
    let more = ["--timeout", "5s", "--settle", "1500ms", "--canary", "0"];
    let mut running = workdir.applying(&sandbox, "roster.csv").quick().args(&more).start();
    assert!(running.kill_when(|_| sandbox.audit().mutations_received >= 4));
    let again = workdir.apply(&sandbox, "roster.csv", &more).ended(0).says("an earlier run");
    assert_eq!(applied(&sandbox), 6);
    sandbox.agrees_with(&again);
}

#[test]
fn a_run_of_an_older_format_is_named_where_it_can_be_neither_resumed_nor_searched() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::new());
    let run = interrupted(&workdir, &sandbox);
    let path = run.folder().join("journal.jsonl");
    let journal = fs::read_to_string(&path).unwrap();
    fs::write(&path, journal.replacen("\"format\":5", "\"format\":4", 1)).unwrap();
    drop(workdir.resume(&sandbox, &[]).ended(3).says("older format 4"));
    let id = run.folder().file_name().unwrap().to_str().unwrap();
    let warning = format!("warning: run {id} has an older format");
    drop(workdir.apply(&sandbox, "roster.csv", &[]).ended(0).says(&warning));
    fs::write(
        &path,
        journal
            .replacen("\"format\":5", "\"format\":4", 1)
            .replace(sandbox.url(), "https://other.example.com/v1"),
    )
    .unwrap();
    let again = workdir.apply(&sandbox, "roster.csv", &[]).ended(0);
    assert!(!again.stderr.contains("older format"), "another Houston: {}", again.stderr);
}

#[test]
fn a_run_is_resumed_as_patiently_as_it_began() {
    let options = Options { seed: 5, ..faulty("lag=100%:900ms") };
    let sandbox = Sandbox::with(playing(Model::Legacy, options));
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(3, 1));
    let patient = ["--timeout", "5s", "--settle", "2s", "--canary", "0", "--rate", "none"];
    let mut running = workdir.applying(&sandbox, "roster.csv").args(&patient).start();
    assert!(running.kill_when(|_| sandbox.audit().mutations_received >= 2));
    // No flag, and nothing in the environment: what counts is in the run.
    let done = workdir.call(["resume", "--yes"]).token(sandbox.token()).run().ended(0);
    assert_eq!(applied(&sandbox), 3);
    sandbox.agrees_with(&Finished { folder: workdir.folders().pop(), ..done });
}

#[test]
fn a_link_to_a_run_is_locked_where_the_run_is() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::new());
    let run = interrupted(&workdir, &sandbox);
    std::os::unix::fs::symlink(run.folder(), workdir.path().join("link")).unwrap();
    let first = workdir.program().resuming(&sandbox).args(&["--rate", "20/s"]).start();
    let journal = run.folder().join("journal.jsonl");
    harness::until("the second leg", || {
        fs::read_to_string(&journal).unwrap().contains("\"entry\":\"resumed\"").then_some(())
    });
    drop(
        workdir.program().call(["resume", "./link", "--yes"]).quick().token(sandbox.token()).run().ended(11),
    );
    drop(first.finish().ended(0));
    assert_eq!(applied(&sandbox), 24);
}
