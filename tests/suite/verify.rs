//! `report --verify`: whether the files of a run are those that it wrote, and what the record of a run says
//! about who began it and what was there before.

#![cfg(all(feature = "sandbox", unix))]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Finished, Sandbox, Workdir, chained_again, faulty, roster};

/// A run that has ended.
fn finished(more: &[&str]) -> (Workdir, Finished) {
    let (sandbox, workdir) = (Sandbox::new(), Workdir::new());
    workdir.write("roster.csv", roster(6, 2));
    workdir.write("audit.key", "the key of an auditor, of some length\n");
    let key = workdir.path().join("audit.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let run = workdir.apply(&sandbox, "roster.csv", more).ended(0);
    (workdir, run)
}

fn entries(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("journal.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_kind<'e>(entries: &'e [Value], kind: &str) -> Vec<&'e Value> {
    entries.iter().filter(|entry| entry["entry"] == kind).collect()
}

fn rewrite(path: PathBuf, change: impl FnOnce(String) -> String) {
    let text = fs::read_to_string(&path).unwrap();
    let changed = change(text.clone());
    assert_ne!(changed, text, "nothing was changed");
    fs::write(path, changed).unwrap();
}

#[test]
fn a_run_is_verified_with_its_head_and_number_of_lines() {
    let (workdir, run) = finished(&[]);
    let journal = fs::read_to_string(run.folder().join("journal.jsonl")).unwrap();
    assert_eq!(chained_again(&journal), journal, "an auditor comes to the same chain");
    let (lines, summary) = (journal.lines().count(), run.summary());
    let head = summary["journal"]["head"].as_str().unwrap();
    assert_eq!(summary["journal"]["lines"], lines);
    assert!(journal.ends_with(&format!("\"chain\":\"{head}\"}}\n")));
    let verified = workdir.run(["report", "--verify"]).ended(0).says("the chain has no key");
    let expected = format!(
        "journal.jsonl: {lines} lines, chain intact, head {head}; roster.csv and plan.jsonl match, and so does the end in summary.json\n"
    );
    assert_eq!(verified.stdout, expected);
    let shown = workdir.run(["report"]).ended(0).stdout;
    assert!(shown.contains(&format!("journal: {lines} lines, chain head {head}\n")), "{shown}");
}

#[test]
fn what_was_changed_is_named_by_its_line() {
    let (workdir, run) = finished(&[]);
    let path = run.folder().join("journal.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let outcome = lines.iter().position(|line| line.contains("\"status\":\"added\"")).unwrap();
    let all = lines.len();
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines = lines.iter().map(|&line| line.to_owned()).collect();
        change(&mut lines);
        lines.concat()
    };
    let cases: [(String, usize); 6] = [
        (with(&|lines| lines[outcome] = lines[outcome].replace("added", "rejected")), outcome + 1),
        (with(&|lines| drop(lines.remove(outcome))), outcome + 1),
        (with(&|lines| lines.insert(outcome, lines[outcome].clone())), outcome + 2),
        (with(&|lines| lines.truncate(all - 1)), all),
        (with(&|lines| lines.push("{}\n".to_owned())), all + 1),
        (with(&|lines| lines[0] = lines[0].replacen("\"rows\":6", "\"rows\":7", 1)), 1),
    ];
    for (text, line) in cases {
        fs::write(&path, text).unwrap();
        let refused = workdir.run(["report", "--verify"]).ended(3).says(&format!("journal.jsonl:{line}: "));
        assert_eq!(refused.stdout, "");
    }
    // Whoever can write the folder can make a new chain, and is given away by the end in the summary.
    fs::write(&path, chained_again(&whole.replace("\"status\":\"added\"", "\"status\":\"rejected\"")))
        .unwrap();
    workdir.run(["report", "--verify"]).ended(3).says(&format!("journal.jsonl:{all}: ")).began_nothing();
    fs::write(&path, &whole).unwrap();
    for name in ["roster.csv", "plan.jsonl"] {
        let before = fs::read_to_string(run.folder().join(name)).unwrap();
        fs::write(run.folder().join(name), before.replacen("new.hire1", "old.hire1", 1)).unwrap();
        drop(workdir.run(["report", "--verify"]).ended(3).says(&format!("{name} is not the file")));
        fs::write(run.folder().join(name), before).unwrap();
    }
    drop(workdir.run(["report", "--verify"]).ended(0));
}

#[test]
fn a_report_of_a_journal_that_was_changed_replaces_nothing() {
    let (workdir, run) = finished(&[]);
    let path = run.folder().join("journal.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    let all = whole.lines().count();
    let results = fs::read_to_string(run.folder().join("results.csv")).unwrap();
    let cut = whole.split_inclusive('\n').take(all - 2).collect::<String>();
    let forged = whole.replace("\"status\":\"added\"", "\"status\":\"rejected\"");
    let first = 1 + whole.lines().position(|line| line.contains("\"status\":\"added\"")).unwrap();
    for (text, line) in [(cut, all - 1), (chained_again(&forged), all), (forged, first)] {
        fs::write(&path, text).unwrap();
        let named = format!("journal.jsonl:{line}: ");
        let reported = workdir.run(["report", "--format", "json"]).says(&named).says("may be wrong");
        assert_eq!(reported.status, Some(0), "the report is printed all the same");
        drop(workdir.run(["report", "--verify"]).ended(3).says(&named));
        assert_eq!(fs::read_to_string(run.folder().join("results.csv")).unwrap(), results);
    }
}

#[test]
fn a_run_whose_journal_was_cut_goes_on_and_never_hides_it() {
    let sandbox = Sandbox::new();
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(60, 3));
    let mut running = workdir.applying(&sandbox, "roster.csv").quick().args(&["--rate", "20/s"]).start();
    running.await_entries("intent", 10);
    let folder = running.folder().unwrap();
    running.signal("TERM");
    drop(running.finish().ended(143));
    let lines = fs::read_to_string(folder.join("journal.jsonl")).unwrap().lines().count();
    rewrite(folder.join("journal.jsonl"), |text| text.split_inclusive('\n').take(lines - 4).collect());
    let named = format!("journal.jsonl:{}: lines before it were missing", lines - 3);
    let resumed = workdir.resume(&sandbox, &[]).ended(0);
    assert_eq!(resumed.summary()["counts"]["in_doubt"], 0);
    drop(workdir.run(["report", "--verify"]).ended(3).says(&named));
    let audit = sandbox.audit();
    assert_eq!((audit.mutations_applied, audit.duplicate_bindings.len()), (60, 0));
}

#[test]
fn a_cut_without_a_recorded_end_is_not_found_and_that_is_said() {
    let (workdir, run) = finished(&[]);
    fs::remove_file(run.folder().join("summary.json")).unwrap();
    rewrite(run.folder().join("journal.jsonl"), |text| {
        let end = text.trim_end().rfind('\n').unwrap() + 1;
        text[..end].to_owned()
    });
    drop(workdir.run(["report", "--verify"]).ended(0).says("lines that were cut off behind it"));
}

#[test]
fn a_key_seals_the_journal_and_every_leg_needs_it() {
    let sandbox = Sandbox::with(faulty("slow=p95:50ms"));
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(30, 3));
    let key = workdir.write("audit.key", "the key of an auditor, of some length\n");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let other = workdir.write("other.key", "the key of somebody else, as long\n");
    let [key, other] = [&key, &other].map(|path| path.to_str().unwrap());
    let mut running = workdir.applying(&sandbox, "roster.csv").quick().args(&["--audit-key-file", key]);
    running = running.args(&["--concurrency", "2"]);
    let mut running = running.start();
    running.await_entries("outcome", 3);
    let folder = running.folder().unwrap();
    running.signal("KILL");
    drop(running.finish());
    let verify = |more: &[&str]| workdir.run([&["report", "--verify"], more].concat());
    drop(verify(&["--audit-key-file", key]).ended(0).says("lines that were cut off behind it"));
    drop(verify(&[]).ended(2).says("--audit-key-file FILE"));
    drop(verify(&["--audit-key-file", other]).ended(3).says("journal.jsonl:1: "));
    drop(workdir.resume(&sandbox, &[]).ended(2).says("--audit-key-file FILE"));
    drop(workdir.resume(&sandbox, &["--audit-key-file", other]).ended(3).says("journal.jsonl:1: "));
    drop(workdir.resume(&sandbox, &["--audit-key-file", key]).ended(0));
    let verified = verify(&["--audit-key-file", key]).ended(0);
    assert_eq!(verified.stderr, "", "nothing is left unproved");
    let header = &entries(&folder)[0];
    assert_eq!(header["chained_by"], "hmac_sha256");
    // Without the key nobody can make a chain that it fits.
    rewrite(folder.join("journal.jsonl"), |text| {
        chained_again(&text.replacen("hmac_sha256", "sha256", 1).replace("\"added\"", "\"rejected\""))
    });
    drop(verify(&["--audit-key-file", key]).ended(3).says("journal.jsonl:1: ").says("without a key"));
    let all = fs::read_dir(&folder).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
    assert!(all.into_iter().all(|bytes| !String::from_utf8_lossy(&bytes).contains("key of an auditor")));
}

#[test]
fn a_journal_that_was_changed_is_not_resumed() {
    let sandbox = Sandbox::with(faulty("slow=p95:50ms"));
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(30, 3));
    let mut running = workdir.applying(&sandbox, "roster.csv").quick().args(&["--concurrency", "2"]).start();
    running.await_entries("outcome", 3);
    let journal = running.folder().unwrap().join("journal.jsonl");
    running.signal("KILL");
    drop(running.finish());
    let whole = fs::read_to_string(&journal).unwrap();
    let requests = sandbox.audit().requests;
    rewrite(journal.clone(), |text| text.replacen("\"attempts\":1", "\"attempts\":2", 1));
    drop(workdir.resume(&sandbox, &[]).ended(3).says("journal.jsonl:"));
    assert_eq!(sandbox.audit().requests, requests);
    fs::write(&journal, whole).unwrap();
    drop(workdir.resume(&sandbox, &[]).ended(0));
    drop(workdir.run(["report", "--verify"]).ended(0));
}

#[test]
fn a_key_that_others_can_write_or_that_is_too_short_is_refused() {
    let (workdir, _) = finished(&[]);
    let key = workdir.path().join("audit.key");
    let verify = || workdir.run(["report", "--verify", "--audit-key-file", "audit.key"]);
    drop(verify().ended(3).says("journal.jsonl:1: ").says("without a key"));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o666)).unwrap();
    drop(verify().ended(2).says("every user of this machine can write the audit key"));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&key, "short\n").unwrap();
    drop(verify().ended(2).says("fewer than 16 bytes"));
}

#[test]
fn the_record_says_who_began_and_who_approved() {
    let (workdir, run) = finished(&["--approved-by", " Ana Approver \u{202e}(CAB-17) "]);
    let all = entries(run.folder());
    let actor = &all[0]["actor"];
    assert!(actor["host"].as_str().is_some_and(|host| !host.is_empty()), "{actor}");
    assert!(actor["os_user"].as_str().is_some_and(|user| !user.is_empty()), "{actor}");
    let caller = actor["name"].as_str().unwrap();
    let approved = all[0]["approved_by"].as_str().unwrap();
    assert!(approved.starts_with("Ana Approver ") && approved.ends_with("(CAB-17)"), "{approved}");
    assert!(!approved.contains('\u{202e}'), "{approved:?}");
    assert_eq!(run.summary()["caller"], caller);
    assert_eq!(run.summary()["approved_by"], approved);
    let shown = workdir.run(["report"]).ended(0).stdout;
    assert!(shown.contains(&format!("applied by {caller}, approved by {approved}\n")), "{shown}");
    for name in ["", "  ", &"x".repeat(201)] {
        let refused = workdir.run(["apply", "roster.csv", "--approved-by", name]).ended(2);
        refused.says("--approved-by").began_nothing();
    }
}

#[test]
fn the_record_says_who_was_there_before_and_whether_all_were_seen() {
    let (_workdir, run) = finished(&[]);
    let all = entries(run.folder());
    let first_intent = all.iter().position(|entry| entry["entry"] == "intent").unwrap();
    let before = of_kind(&all[..first_intent], "workspace");
    assert_eq!(before.len(), 2, "{all:?}");
    for workspace in before {
        assert!(workspace["id"].is_string() && workspace["label"].is_string(), "{workspace}");
        let seen = &workspace["seen"];
        assert_eq!(seen["gaps"], serde_json::json!([]), "{workspace}");
        let members =
            ["admins", "editors", "viewers", "others"].map(|role| seen["members"][role].as_u64().unwrap());
        let people = members.iter().sum::<u64>() + seen["invitations"].as_u64().unwrap();
        assert_eq!(seen["not_in_roster"], people, "the roster has new people only: {workspace}");
        assert!(seen["pages"].as_u64() >= Some(1), "{workspace}");
    }
}

#[test]
fn the_record_says_how_busy_the_run_was_also_a_short_one() {
    let (_workdir, run) = finished(&[]);
    let all = entries(run.folder());
    let pulses = of_kind(&all, "pulse");
    let last = pulses.last().unwrap();
    assert_eq!(all[all.len() - 2], **last, "one at the end");
    assert_eq!(last["requests"], all[all.len() - 1]["requests"]);
    let answers = pulses.iter().flat_map(|pulse| pulse["latency"].as_array().unwrap());
    let answers: u64 = answers.map(|count| count.as_u64().unwrap()).sum();
    assert!(answers > 0 && answers <= last["requests"].as_u64().unwrap(), "{answers} answers: {last}");
}
