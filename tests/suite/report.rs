//! `report`: what became of a run, from its folder alone.

#![cfg(all(feature = "sandbox", unix))]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use houston_onboard::sandbox::Options;

use crate::harness::{self, Finished, Sandbox, Workdir, faulty, program, records, roster};

const FILES: [&str; 5] = ["results.csv", "errors.csv", "unprocessed.csv", "summary.json", "report.html"];
const FORMATS: [&str; 6] = ["human", "json", "jsonl", "csv", "md", "junit"];

/// A folder in which a run has ended: added people, one refused address, one who is there.
fn finished() -> (Workdir, Finished) {
    let sandbox = Sandbox::new();
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(6, 2) + "new.hire0@nowhere@example.com,viewer,Finance\n");
    let run = workdir.apply(&sandbox, "roster.csv", &["--skip-invalid"]).ended(6);
    (workdir, run)
}

/// A folder in which a run was killed while requests were in flight.
fn killed() -> (Workdir, PathBuf) {
    let sandbox = Sandbox::with(faulty("slow=p95:50ms"));
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(30, 3));
    let mut running = workdir.applying(&sandbox, "roster.csv").quick().args(&["--concurrency", "2"]).start();
    running.await_entries("outcome", 3);
    let folder = running.folder().unwrap();
    running.signal("KILL");
    assert_eq!(running.finish().status, None, "killed");
    (workdir, folder)
}

fn contents(folder: &Path) -> Vec<String> {
    FILES.iter().map(|name| fs::read_to_string(folder.join(name)).unwrap()).collect()
}

/// What a report says as `apply` did at the end of the run: all but who began it, and its journal.
fn closing_words(report: &Finished) -> &str {
    let end = report.stdout.find("\napplied by ").expect("who began it") + 1;
    &report.stdout[..end]
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_finished_run_is_told_in_every_format_without_a_token() {
    let (workdir, run) = finished();
    let before = contents(run.folder());
    for format in FORMATS {
        let report = workdir.run(["report", "--format", format]).ended(0);
        assert_eq!(report.stderr, "", "{format}");
        match format {
            "human" => assert_eq!(closing_words(&report), run.stdout),
            "json" => assert_eq!(report.stdout, before[3]),
            "csv" => assert_eq!(report.stdout, before[0]),
            "jsonl" => {
                let emails: Vec<_> =
                    report.stdout.lines().map(|l| json(l)["roster"]["email"].clone()).collect();
                let rows: Vec<_> = run.rows().iter().map(|row| row["email"].clone().into()).collect();
                assert_eq!(emails, rows as Vec<serde_json::Value>);
            }
            "md" => assert!(report.stdout.contains("| invalid | 1 |"), "{}", report.stdout),
            _ => assert!(
                report.stdout.contains("tests=\"7\" failures=\"1\" errors=\"0\""),
                "{}",
                report.stdout
            ),
        }
    }
    assert_eq!(contents(run.folder()), before, "nothing is written again");
}

#[test]
fn a_run_is_named_by_id_prefix_folder_or_as_the_latest() {
    let (workdir, run) = finished();
    let id = run.folder().file_name().unwrap().to_str().unwrap().to_owned();
    let absolute = run.folder().display().to_string();
    for name in [&id, &id[..10], &format!("onboard-runs/{id}"), &absolute, "latest"] {
        let report = workdir.run(["report", name, "--format", "json"]).ended(0);
        assert_eq!(json(&report.stdout)["run"], id.as_str(), "{name}");
    }
    let moved = workdir.path().join("archive/kept");
    fs::create_dir(workdir.path().join("archive")).unwrap();
    fs::rename(run.folder(), &moved).unwrap();
    let report = workdir.run(["report", "archive/kept"]).ended(0);
    assert!(report.stdout.contains(&id), "{}", report.stdout);
    workdir.run(["report", "kept", "--runs-dir", "archive"]).ended(0).began_nothing();
}

#[test]
fn what_cannot_be_found_is_said_with_what_to_do() {
    let workdir = Workdir::new();
    let report =
        workdir.run(["report"]).ended(2).says("the folder onboard-runs does not exist").says("--runs-dir");
    assert_eq!(report.stdout, "");
    let listed = workdir.run(["report", "--list"]).ended(0).says("the folder onboard-runs does not exist");
    assert_eq!(listed.stdout, "");
    fs::create_dir(workdir.path().join("onboard-runs")).unwrap();
    workdir.run(["report"]).ended(2).says("there are no runs in onboard-runs").began_nothing();
    workdir.run(["report", "../x"]).ended(2).says("../x is not a run folder").began_nothing();
    let hostile = workdir.run(["report", "\u{1b}[31m"]).ended(2);
    assert!(!hostile.stderr.contains('\u{1b}'), "{}", hostile.stderr);
    for run in ["20261123T154500Z-aaaa", "20261123T154500Z-aabb"] {
        fs::create_dir(workdir.path().join("onboard-runs").join(run)).unwrap();
    }
    let report = workdir.run(["report", "20261123T154500Z-aa"]).ended(2).says("pass more of the id");
    assert!(report.stderr.contains("20261123T154500Z-aabb, 20261123T154500Z-aaaa"), "{}", report.stderr);
    workdir.run(["report", "2027"]).ended(2).says("report --list").began_nothing();
    workdir.run(["report", "20261123T154500Z-aaaa"]).ended(3).says("it sent anything").began_nothing();
}

#[test]
fn reports_that_are_gone_come_back_byte_for_byte() {
    let (workdir, run) = finished();
    let before = contents(run.folder());
    // The input may have moved; its copy has not.
    fs::remove_file(workdir.path().join("roster.csv")).unwrap();
    for name in FILES {
        fs::remove_file(run.folder().join(name)).unwrap();
        let report = workdir.run(["report"]).ended(0).says("rebuilt from the journal: results.csv");
        assert_eq!(closing_words(&report), run.stdout);
        assert_eq!(contents(run.folder()), before, "{name}");
    }
    fs::remove_file(run.folder().join("results.csv")).unwrap();
    fs::set_permissions(run.folder(), fs::Permissions::from_mode(0o500)).unwrap();
    let writable = fs::write(run.folder().join("probe"), "").is_ok();
    let report = workdir.run(["report", "--format", "csv"]).ended(0);
    fs::set_permissions(run.folder(), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(report.stdout, before[0], "a folder that cannot be written can be read");
    // Root writes everywhere.
    assert!(writable || report.stderr.starts_with("warning: the files in "), "{}", report.stderr);
}

#[test]
fn a_killed_run_gets_the_reports_it_could_not_write() {
    let (workdir, folder) = killed();
    assert!(!folder.join("results.csv").exists());
    let report = workdir.run(["report"]).ended(0).says("rebuilt from the journal");
    let head = "interrupted: the process ended before the run did\n";
    assert!(report.stdout.starts_with(head), "{}", report.stdout);
    let rows = records(&fs::read_to_string(folder.join("results.csv")).unwrap(), b',');
    assert_eq!(rows.len(), 30);
    let journal = fs::read_to_string(folder.join("journal.jsonl")).unwrap();
    let settled = rows.iter().filter(|row| ["added", "invited"].contains(&&*row["status"])).count();
    assert!(settled >= 1 && settled <= journal.matches("\"entry\":\"outcome\"").count(), "{settled}");
    let summary = json(&fs::read_to_string(folder.join("summary.json")).unwrap());
    assert_eq!(
        (&summary["state"], &summary["exit_status"]),
        (&"broken_off".into(), &serde_json::Value::Null)
    );
    // Now they are as new as the journal.
    assert_eq!(workdir.run(["report"]).ended(0).stderr, "");
    let listed = workdir.run(["report", "--list"]).ended(0);
    assert!(listed.stdout.contains("  interrupted"), "{}", listed.stdout);
}

#[test]
fn a_run_that_goes_on_is_told_as_such_and_left_alone() {
    let sandbox = Sandbox::with(faulty("slow=p95:50ms"));
    let workdir = Workdir::new();
    // Long enough to be looked at; a signal ends it.
    workdir.write("roster.csv", roster(200, 2));
    let mut running = workdir.applying(&sandbox, "roster.csv").args(&["--rate", "10/s"]).start();
    running.await_entries("outcome", 2);
    let folder = running.folder().unwrap();
    for format in FORMATS {
        let report = workdir.run(["report", "--format", format]).ended(0);
        assert_eq!(report.stderr, "", "{format}");
        match format {
            "human" => assert!(report.stdout.starts_with("still running: "), "{}", report.stdout),
            "json" => assert_eq!(json(&report.stdout)["state"], "going"),
            "jsonl" => assert_eq!(report.stdout.lines().count(), 200),
            "csv" => assert_eq!(records(&report.stdout, b',').len(), 200),
            "md" => assert!(report.stdout.starts_with("## roster.csv: still running: "), "{}", report.stdout),
            _ => assert_eq!(report.stdout.matches("<testcase ").count(), 200),
        }
    }
    let listed = workdir.run(["report", "--list", "--format", "json"]).ended(0);
    assert_eq!(json(&listed.stdout)["runs"][0]["state"], "going");
    for name in FILES {
        assert!(!folder.join(name).exists(), "{name} is the run's to write");
    }
    running.signal("TERM");
    let run = running.finish().ended(143);
    sandbox.agrees_with(&run);
    let report = workdir.run(["report"]).ended(0);
    assert_eq!((closing_words(&report), report.stderr.as_str()), (run.stdout.as_str(), ""));
}

#[test]
fn a_run_that_was_resumed_is_told_as_one() {
    let sandbox = Sandbox::with(faulty("slow=p95:50ms"));
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(120, 2));
    let mut running = workdir.applying(&sandbox, "roster.csv").args(&["--rate", "25/s"]).start();
    running.await_entries("outcome", 2);
    let folder = running.folder().unwrap();
    running.signal("KILL");
    drop(running.finish());
    assert_eq!(json(&workdir.run(["report", "--format", "json"]).stdout)["state"], "broken_off");
    let resume = || workdir.call(["resume", "--yes"]).token(sandbox.token());
    let running = resume().args(&["--rate", "10/s"]).start();
    harness::until("the second leg in the journal", || {
        let journal = fs::read_to_string(folder.join("journal.jsonl")).unwrap();
        journal.contains("\"entry\":\"resumed\"").then_some(())
    });
    let report = workdir.run(["report"]).ended(0);
    assert!(report.stdout.starts_with("still running: "), "{}", report.stdout);
    running.signal("TERM");
    drop(running.finish().ended(143));
    let report = workdir.run(["report", "--list"]).ended(0);
    assert!(report.stdout.contains("  interrupted   143 "), "{}", report.stdout);
    let end = resume().quick().run().ended(0);
    let report = workdir.run(["report"]).ended(0);
    assert_eq!((closing_words(&report), report.stderr.as_str()), (end.stdout.as_str(), ""));
    assert_eq!(json(&fs::read_to_string(folder.join("summary.json")).unwrap())["legs"], 3);
    assert_eq!(records(&fs::read_to_string(folder.join("results.csv")).unwrap(), b',').len(), 120);
}

#[test]
fn a_torn_last_line_is_no_obstacle_and_a_broken_one_is_named() {
    let (workdir, run) = finished();
    let path = run.folder().join("journal.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 7]).unwrap();
    let report = workdir.run(["report"]).ended(0).says("summary.json counts").says("may be wrong");
    assert!(report.stdout.starts_with("interrupted: "), "{}", report.stdout);
    let broken = whole.replacen("{\"entry\":\"intent\"", "{\"entry\":\u{1b}", 1);
    let line = 1 + broken[..broken.find('\u{1b}').unwrap()].matches('\n').count();
    fs::write(&path, broken).unwrap();
    let report = workdir.run(["report"]).ended(3).says(&format!("journal.jsonl:{line}: "));
    assert_eq!(report.stdout, "");
    assert!(!report.stderr.contains('\u{1b}'), "{}", report.stderr);
}

#[test]
fn a_journal_that_tells_nothing_is_told_from_one_of_a_later_version() {
    let (workdir, run) = finished();
    let path = run.folder().join("journal.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, whole.replacen("\"format\":5", "\"format\":99", 1)).unwrap();
    workdir.run(["report"]).ended(3).says("has format 99").says("a later one").began_nothing();
    let listed = workdir.run(["report", "--list"]).ended(0);
    assert!(listed.stdout.contains("unreadable") && listed.stdout.contains("format 99"), "{}", listed.stdout);
    fs::write(&path, "{\"entry\":\"header\",\"format\":4,\"run\":\"x\"}\n").unwrap();
    let older = workdir.run(["report"]).ended(3).says("older format 4").says("or apply its roster again");
    older.began_nothing();
    let listed = workdir.run(["report", "--list"]).ended(0);
    assert!(listed.stdout.contains("  older format  ") && listed.stdout.contains("(4)"), "{}", listed.stdout);
    let listed = json(&workdir.run(["report", "--list", "--format", "json"]).ended(0).stdout);
    let problem = listed["runs"][0]["problem"].as_str().unwrap();
    assert!(problem.starts_with("older format (4)"), "{problem}");
    for content in ["", &whole[..40]] {
        fs::write(&path, content).unwrap();
        workdir.run(["report"]).ended(3).says("has no header").says("apply the roster").began_nothing();
    }
}

#[test]
fn a_plan_or_a_roster_that_was_changed_is_not_reported_as_if_it_were_the_same() {
    let (workdir, run) = finished();
    fs::remove_file(run.folder().join("errors.csv")).unwrap();
    let path = run.folder().join("roster.csv");
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[1..].reverse();
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    for format in ["jsonl", "csv", "md", "junit"] {
        let report = workdir
            .run(["report", "--format", format])
            .ended(3)
            .says("is not the file that this run started with");
        assert_eq!(report.stdout, "", "{format}");
    }
    let report = workdir.run(["report"]).ended(0).says("warning: the files in ");
    assert_eq!(closing_words(&report), run.stdout, "what needs no roster is told all the same");
    assert!(!run.folder().join("errors.csv").exists());
    fs::write(&path, text).unwrap();
    let plan = run.folder().join("plan.jsonl");
    let changed = fs::read_to_string(&plan).unwrap().replacen("\"line\":2", "\"line\":3", 1);
    fs::write(&plan, changed).unwrap();
    workdir
        .run(["report"])
        .ended(3)
        .says("plan.jsonl is not the file that this run started with")
        .began_nothing();
    fs::remove_file(&plan).unwrap();
    workdir.run(["report"]).ended(3).says("plan.jsonl").began_nothing();
}

#[test]
fn hostile_cells_harm_no_format() {
    let sandbox = Sandbox::new();
    let workdir = Workdir::new();
    let cell = "\u{1b}]0;pwned\u{7}<script>]]>|\u{202e}";
    let name = "=team<b>\u{1b}[31m.csv";
    workdir.write(
        name,
        format!("email,role,workspace,note\nnew.hire@example.com,viewer,Finance,=1+1\n{cell},viewer,{cell},{cell}\n"),
    );
    let run = workdir.apply(&sandbox, name, &["--skip-invalid"]).ended(6);
    // A text of a journal, as no server of ours would give it: with a NUL, and other controls.
    let path = run.folder().join("journal.jsonl");
    let journal = fs::read_to_string(&path).unwrap();
    let evil = ",\"code\":\"odd\",\"detail\":\"\\u0000]]><script>\\u001b[31m|\\u009b\",\"attempts\":";
    fs::write(&path, journal.replace(",\"attempts\":", evil)).unwrap();
    for format in FORMATS {
        let report = workdir.run(["report", "--format", format]).ended(0);
        let out = &report.stdout;
        assert!(!out.contains('\0') && !out.contains('\u{9b}'), "{format}: {out}");
        match format {
            // The caller's own cells stay as they are, but for what a spreadsheet would run.
            "csv" => {
                let rows = records(out, b',');
                assert_eq!((rows[0]["note"].as_str(), rows[1]["note"].as_str()), ("'=1+1", cell));
                assert_eq!(rows[0]["detail"], "␀]]><script>␛[31m|�");
                continue;
            }
            "jsonl" => {
                let lines: Vec<_> = out.lines().map(json).collect();
                assert_eq!(
                    (&lines[0]["roster"]["note"], &lines[1]["roster"]["note"]),
                    (&"=1+1".into(), &cell.into())
                );
            }
            "md" => assert!(!out.contains("<script") && out.contains("&lt;script>]]>\\|"), "{out}"),
            "junit" => assert!(!out.contains("<script") && !out.contains("]]>"), "{out}"),
            _ => {}
        }
        assert!(
            !out.contains('\u{1b}') && !out.contains('\u{202e}') && !out.contains('\u{7}'),
            "{format}: {out}"
        );
    }
    let listed = workdir.run(["report", "--list"]).ended(0);
    assert!(!listed.stdout.contains('\u{1b}'), "{}", listed.stdout);
}

#[test]
fn runs_are_listed_the_newest_first_and_foreign_folders_last() {
    let (workdir, first) = finished();
    let second = workdir.run(["apply", "roster.csv", "--sandbox", "--skip-invalid", "--yes"]).ended(6);
    let runs = workdir.path().join("onboard-runs");
    fs::create_dir(runs.join("zz\u{1b}[31m")).unwrap();
    fs::write(runs.join("a file"), "").unwrap();
    let id = |run: &Finished| run.folder().file_name().unwrap().to_str().unwrap().to_owned();
    let ids = [id(&first), id(&second)];
    let listed = workdir.run(["report", "--list"]).ended(0);
    let lines: Vec<&str> = listed.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{}", listed.stdout);
    assert!(lines[1].starts_with(&ids[1]) && lines[2].starts_with(&ids[0]), "{}", listed.stdout);
    assert!(lines[1].contains("  rows failed     6 "), "{}", lines[1]);
    assert!(lines[3].starts_with("zz␛[31m") && lines[3].ends_with("not a run folder"), "{}", lines[3]);
    let listed = workdir.run(["report", "--list", "--format", "json"]).ended(0);
    let runs = json(&listed.stdout)["runs"].clone();
    assert_eq!((&runs[0]["run"], &runs[0]["failed"]), (&ids[1].as_str().into(), &1.into()));
    workdir.run(["report", "--list", "--format", "csv"]).ended(2).says("human and json").began_nothing();
    workdir.run(["report", "--list", "latest"]).ended(2).began_nothing();
}

#[test]
fn a_reader_who_goes_away_is_no_error() {
    let sandbox = Sandbox::new();
    let workdir = Workdir::new();
    // More than a pipe holds.
    workdir.write("roster.csv", "email,role,workspace,note\n".to_owned() + &many_rows());
    let run = workdir.apply(&sandbox, "roster.csv", &["--limit", "1"]).ended(0);
    for format in FORMATS {
        let mut command = Command::new(program());
        command.args(["report", "--format", format]).arg(run.folder());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let end = child.wait_with_output().unwrap();
        assert_eq!(
            (end.status.code(), String::from_utf8_lossy(&end.stderr).as_ref()),
            (Some(0), ""),
            "{format}"
        );
    }
}

fn many_rows() -> String {
    let row = |n: usize| format!("person{n}@example.com,viewer,Finance,{}\n", "x".repeat(200));
    (0..1500).map(row).collect()
}

#[test]
fn reports_keep_the_mark_the_delimiter_and_the_columns_of_the_roster() {
    let sandbox = Sandbox::new();
    let workdir = Workdir::new();
    let roster = "\u{feff}email;role;workspace;Status;run_status;note\n\
        new.hire@example.com;viewer;Finance;mine;too;\"a,=1+1\"\n\
        bad address;viewer;Finance;mine;too;x\n";
    workdir.write("roster.csv", roster);
    let flags =
        ["--skip-invalid", "--update-roles", "--prune", "--max-remove", "100", "--max-remove-percent", "100"];
    let run = workdir.apply(&sandbox, "roster.csv", &flags);
    let run = run.says("run_run_status");
    let header = "\u{feff}email;role;workspace;Status;run_status;note";
    let names = "line;run_run_status;resolved_workspace_id;detail;attempts;elapsed_ms;error_code";
    let results = run.file("results.csv");
    assert_eq!(results.lines().next().unwrap(), format!("{header};{names}"));
    assert!(results.contains("mine;too;\"a,=1+1\";2;"), "{results}");
    let errors = run.file("errors.csv");
    assert!(errors.starts_with(&format!("{header}\nbad address;")), "{errors}");
    assert_eq!(run.file("unprocessed.csv").lines().next().unwrap(), header);
    assert!(run.file("undo.csv").starts_with("\u{feff}email;role;workspace"), "{}", run.file("undo.csv"));
    assert!(run.file("removals.csv").starts_with("\u{feff}email;role;kind;"), "{}", run.file("removals.csv"));

    let report = workdir.run(["report", "--format", "csv"]).ended(0).says("run_run_status");
    assert_eq!(report.stdout, results);
    for name in ["results.csv", "errors.csv", "undo.csv"] {
        let before = run.file(name);
        fs::remove_file(run.folder().join(name)).unwrap();
        let _ = workdir.run(["report"]).ended(0);
        assert_eq!(run.file(name), before, "{name}");
    }
    workdir.write("again.csv", errors.replace("bad address", "good@example.com"));
    let _ = workdir.run(["validate", "again.csv", "--delimiter", ";"]).ended(0);
    workdir.write("fed-back.csv", results);
    let again = workdir.apply(&sandbox, "fed-back.csv", &["--skip-invalid"]);
    assert_eq!(again.file("results.csv").lines().next().unwrap(), format!("{header};{names}"));
}

#[test]
fn a_run_is_compared_with_the_last_one_that_had_finished_against_the_same_houston() {
    const TITLE: &str = "Compared with the last run";
    let options = Options { latency: Duration::from_millis(50), ..Options::default() };
    let (sandbox, workdir) = (Sandbox::with(options), Workdir::new());
    workdir.write("roster.csv", roster(6, 2));
    workdir.write("more.csv", roster(40, 2));
    let first = workdir.apply(&sandbox, "roster.csv", &[]).ended(0);
    assert!(!first.file("report.html").contains(TITLE), "there was none before");
    let rehearsal = workdir.run(["apply", "roster.csv", "--yes", "--sandbox"]).ended(0);
    assert!(!rehearsal.file("report.html").contains(TITLE), "a rehearsal has a Houston of its own");
    let stopped =
        workdir.apply(&sandbox, "more.csv", &["--concurrency", "1", "--max-duration", "1s"]).ended(8);
    assert_eq!(id_of_last_run(&stopped), Some(id_of(first.folder())));
    let second = workdir.apply(&sandbox, "more.csv", &[]).ended(0);
    let last = id_of(first.folder());
    assert_eq!(id_of_last_run(&second), Some(last.clone()), "neither the rehearsal nor what was stopped");
    let page = second.file("report.html");
    assert!(page.contains(TITLE) && page.contains(&format!("was {last} of roster.csv.")), "{page}");
    let row = "<th scope=\"row\">Rows of the roster</th><td class=\"n\">6</td><td class=\"n\">40</td><td>\
               <span aria-hidden=\"true\">▲</span> 34 more</td>";
    assert!(page.contains(row), "{page}");

    let again = || {
        let run = id_of(second.folder());
        workdir.run(["report", &run, "--format", "html"]).ended(0).stdout
    };
    assert!(again().contains(TITLE));
    let mode = |mode| fs::set_permissions(first.folder(), fs::Permissions::from_mode(mode)).unwrap();
    mode(0o777);
    assert!(!again().contains(TITLE), "anyone may have written that");
    mode(0o700);
    assert!(again().contains(TITLE));
    fs::remove_dir_all(first.folder()).unwrap();
    let page = again();
    assert!(!page.contains(TITLE) && !page.contains(&last), "it is gone");
}

fn id_of(folder: &Path) -> String {
    folder.file_name().unwrap().to_str().unwrap().to_owned()
}

/// What the header of the journal names.
fn id_of_last_run(run: &Finished) -> Option<String> {
    let journal = run.file("journal.jsonl");
    let header = json(journal.lines().next().unwrap());
    header["last_run"].as_str().map(str::to_owned)
}

#[test]
fn what_the_system_says_of_a_file_is_said_without_its_number() {
    const GONE: &str = ": No such file or directory";
    let (workdir, run) = finished();
    let (folder, id) = (run.folder(), id_of(run.folder()));
    fs::remove_file(folder.join("results.csv")).unwrap();
    fs::rename(folder.join("roster.csv"), folder.join("roster.old")).unwrap();
    let report = workdir.run(["report"]).ended(0).says("are out of date: cannot read").says(GONE);
    assert!(report.stdout.contains(&id), "{}", report.stdout);
    fs::rename(folder.join("plan.jsonl"), folder.join("plan.old")).unwrap();
    let listed = workdir.run(["report", "--list"]).ended(0).stdout;
    assert!(listed.contains(&format!("plan.jsonl{GONE}")), "{listed}");
    drop(workdir.run(["report"]).ended(3).says(GONE));
    let flags = ["plan", "none.csv", "--sandbox", "--summary-file", "/dev/full"];
    let plan = workdir.run(flags).ended(3).says(&format!("none.csv{GONE}"));
    let words = "warning: cannot write /dev/full: No space left on device\n";
    assert!(plan.stderr.contains(words), "{}", plan.stderr);
}

#[test]
fn requests_of_a_process_that_was_killed_are_counted_as_at_least_so_many() {
    let (sandbox, workdir) = (Sandbox::with(faulty("slow=p95:60ms")), Workdir::new());
    workdir.write("roster.csv", roster(60, 3));
    let mut running = workdir.applying(&sandbox, "roster.csv").quick().args(&["--concurrency", "1"]).start();
    running.await_entries("pulse", 1);
    let folder = running.folder().unwrap();
    running.signal("KILL");
    assert_eq!(running.finish().status, None, "killed");
    let counted = |report: &Finished| {
        let words = report.stdout.split(", at least ").nth(1).unwrap_or_else(|| panic!("{}", report.stdout));
        words.split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let killed = counted(&workdir.run(["report"]).ended(0));
    let received = sandbox.audit().requests;
    assert!((1..=received).contains(&killed), "{killed} of {received}");
    let resumed = workdir.resume(&sandbox, &[]).ended(0);
    let both = counted(&resumed);
    let received = sandbox.audit().requests;
    assert!((killed + 1..=received).contains(&both), "{killed}, {both} of {received}");
    let summary = json(&fs::read_to_string(folder.join("summary.json")).unwrap());
    assert_eq!((&summary["requests"], &summary["at_least"]), (&both.into(), &true.into()));
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("A process was killed: ") && page.contains(", at least "), "{page}");
}
