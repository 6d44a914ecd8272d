//! Runs that end after a few rows, since the others would fare no better: an installation that
//! lets nobody be added, a workspace that is closed to the caller.

#![cfg(feature = "sandbox")]

use std::fmt::Write as _;
use std::time::Duration;

use crate::harness::{self, Finished, InProcess, LABELS, MODELS, Sandbox, faulty, playing, roster};
use houston_onboard::sandbox::{Audit, Faults, Model, Options, Switches};

/// A sandbox with this switch set.
fn switched(assignment: &str) -> Sandbox {
    let mut switches = Switches::default();
    switches.set(assignment).unwrap();
    Sandbox::with(Options { switches, ..Options::default() })
}

/// `rows` people whom nobody knows, in turn in these workspaces.
fn newcomers(rows: usize, labels: &[&str]) -> String {
    let mut text = String::from("email,role,workspace\n");
    for place in 0..rows {
        writeln!(text, "new.hire{place}@example.com,viewer,{}", labels[place % labels.len()]).unwrap();
    }
    text
}

/// A folder with this roster in it.
fn with(content: &str) -> InProcess {
    let workdir = InProcess::new();
    workdir.write("roster.csv", content);
    workdir
}

fn apply(sandbox: &Sandbox, workdir: &InProcess, more: &[&str]) -> Finished {
    let mut flags = vec!["--timeout", "5s"];
    flags.extend(more);
    let run = workdir.apply(sandbox, "roster.csv", &flags);
    sandbox.agrees_with(&run);
    if run.status == Some(5) {
        assert_eq!(run.summary()["stopped"]["reason"], "target_unusable");
        assert_eq!(run.summary()["exit_status"], 5);
        assert_eq!(sandbox.audit().mutations_applied, 0);
        // Whoever was refused keeps that; the others can be tried again as they are.
        let tried = run.rows().iter().filter(|row| row["attempts"] != "0").count();
        assert_eq!(run.count("not_run"), run.rows().len() - tried, "{:?}", run.counts());
        assert_eq!(harness::records(&run.file("unprocessed.csv"), b',').len(), run.count("not_run"));
    }
    run
}

/// The mutations that Houston got, with a word about the requests.
fn sent_by(audit: &Audit, run: &Finished) -> u64 {
    harness::note(&format!(
        "{} requests in all, {} of them mutations: {:?}",
        audit.requests,
        audit.mutations_received,
        run.counts()
    ));
    audit.mutations_received
}

#[test]
fn user_management_that_is_switched_off_ends_the_run_at_its_first_rows() {
    for labels in [&LABELS[..1], &LABELS[..]] {
        let sandbox = switched("user-management=false");
        let workdir = with(&newcomers(200, labels));
        let run = apply(&sandbox, &workdir, &[])
            .ended(5)
            .says("user management is off")
            .says("User management is disabled");
        let sent = sent_by(&sandbox.audit(), &run);
        assert!(sent <= labels.len() as u64, "one canary per workspace at most: {sent}");
        assert_eq!(run.count("rejected") as u64, sent, "{:?}", run.counts());
    }
}

#[test]
fn scim_that_refuses_the_first_people_everywhere_ends_the_run() {
    for labels in [&LABELS[..1], &LABELS[..2], &LABELS[..]] {
        let sandbox = switched("scim=true");
        let workdir = with(&newcomers(200, labels));
        let run = apply(&sandbox, &workdir, &[]).ended(5).says("SCIM");
        let sent = sent_by(&sandbox.audit(), &run);
        assert!((6..=6 + labels.len() as u64).contains(&sent), "{sent}");
        assert_eq!(run.count("rejected") as u64, sent, "{:?}", run.counts());
    }
}

#[test]
fn scim_that_refuses_some_people_fails_their_rows_only() {
    let sandbox = switched("scim=true");
    let workdir = with(&roster(60, 3));
    let run = apply(&sandbox, &workdir, &["--max-errors", "60"]).ended(6);
    assert_eq!((run.count("added"), run.count("rejected")), (30, 30), "{:?}", run.counts());
}

#[test]
fn the_same_unknown_refusal_of_the_first_rows_ends_the_run() {
    for model in MODELS {
        for labels in [&LABELS[..2], &LABELS[..3], &LABELS[..]] {
            let sandbox = Sandbox::with(playing(model, faulty("write:ise=100%")));
            let workdir = with(&newcomers(200, labels));
            let run = apply(&sandbox, &workdir, &[]).ended(5).says("user management may be off").says("SCIM");
            let sent = sent_by(&sandbox.audit(), &run);
            // Two workspaces are closed after five tries each.
            let enough = if labels.len() == 2 { 10 } else { 12 };
            assert!((enough..=enough + labels.len() as u64).contains(&sent), "{sent}");
            assert!(sandbox.audit().requests < 80, "{}", sandbox.audit().requests);
            assert!(run.count("not_run") >= 200 - labels.len(), "{:?}", run.counts());
        }
    }
}

#[test]
fn a_refusal_in_one_workspace_says_nothing_about_the_others() {
    // Whoever is to come into Finance meets an unknown error; so does the plan with Finance alone.
    let finance = "ckfinance0000000000000002";
    for labels in [&LABELS[1..2], &LABELS[..]] {
        let sandbox = Sandbox::with(faulty(&format!("write:ise=@{finance}")));
        let workdir = with(&newcomers(100, labels));
        let run = apply(&sandbox, &workdir, &[]).ended(8);
        for row in run.rows() {
            let expected: &[&str] =
                if row["workspace"] == "Finance" { &["gave_up", "not_run"] } else { &["invited"] };
            assert!(expected.contains(&row["status"].as_str()), "{row:?}");
        }
        assert!(run.count("gave_up") <= 2, "{:?}", run.counts());
    }
}

#[test]
fn a_storm_of_random_errors_is_no_refusal() {
    for model in MODELS {
        for seed in 1..=3 {
            for labels in [2, 4] {
                let options = Options { seed, ..faulty("write:ise=20%,ise-after=10%") };
                let sandbox = Sandbox::with(playing(model, options));
                let workdir = with(&roster(30, labels));
                let run = apply(&sandbox, &workdir, &["--retries", "8"]).ended(0);
                assert_eq!(run.count("added") + run.count("invited"), 30, "{:?}", run.counts());
            }
        }
    }
}

#[test]
fn a_denied_workspace_of_five_thousand_rows_costs_one_mutation() {
    // A system viewer reads every workspace and may add nobody.
    let sandbox = Sandbox::new();
    let workdir = InProcess::new();
    workdir.write("roster.csv", newcomers(5_000, &LABELS[..1]));
    let token = sandbox.tokens().system_viewer.clone();
    let run = workdir.applying(&sandbox, "roster.csv").quick().token(&token).run().ended(6);
    assert_eq!(run.count("rejected"), 5_000, "{:?}", run.counts());
    assert!(run.rows().iter().all(|row| row["error_code"] == "workspace_denied"));
    let audit = sandbox.audit();
    assert_eq!(audit.mutations_received, 1);
    assert!(audit.requests <= 12, "a handful, and the reading before: {}", audit.requests);
    harness::note(&format!("5,000 rows of a denied workspace: {} requests", audit.requests));
    sandbox.agrees_with(&run);
}

#[test]
fn a_server_that_lies_costs_as_many_rows_as_the_canary_has() {
    for canary in [1, 3] {
        let sandbox = Sandbox::with(faulty("write:lie=100%"));
        let workdir = with(&newcomers(80, &LABELS[..1]));
        let run = apply(&sandbox, &workdir, &["--canary", &canary.to_string()]).ended(8);
        assert_eq!(sandbox.audit().mutations_received, canary);
        assert_eq!(run.count("in_doubt") as u64, canary, "{:?}", run.counts());
        assert_eq!(run.count("not_run") as u64, 80 - canary, "{:?}", run.counts());
    }
}

#[test]
fn a_write_that_lands_after_the_settle_time_and_is_doubled_is_found_by_the_proof() {
    // The first write lands when its repeat has been answered, and before the others are done.
    let sandbox = Sandbox::with(playing(Model::Legacy, faulty("lag=#1:1200ms")));
    let people: String = harness::strangers().iter().take(8).fold(String::new(), |mut text, person| {
        writeln!(text, "{person},viewer,Finance").unwrap();
        text
    });
    let workdir = with(&format!("email,role,workspace\n{people}"));
    let flags = ["--canary", "0", "--concurrency", "1", "--rate", "5/s"];
    let run = workdir.program().apply(&sandbox, "roster.csv", &flags).ended(6);
    assert_eq!((run.count("added"), run.count("rejected")), (7, 1), "{:?}", run.counts());
    let doubled: Vec<_> = run.rows().into_iter().filter(|row| row["status"] == "rejected").collect();
    assert_eq!(doubled[0]["error_code"], "duplicate_binding");
    assert_eq!(sandbox.audit().duplicate_bindings.len(), 1);
}

#[test]
fn what_a_limit_of_the_run_leaves_is_in_the_file_of_the_untried_and_is_resumed() {
    let latency = Duration::from_millis(50);
    for (faults, flags, reason) in [
        ("", ["--max-duration", "700ms"], "max_duration"),
        ("write:ise=@new.hire1", ["--max-errors", "5%"], "max_errors"),
        ("write:429=#20-999:1h", ["--max-wait", "5s"], "max_wait"),
    ] {
        let sandbox = Sandbox::with(faulty(faults));
        let workdir = with(&newcomers(400, &LABELS[..3])).answers_take(latency);
        let mut all = vec!["--concurrency", "4", "--canary", "0", "--retries", "0", "--timeout", "5s"];
        all.extend(flags);
        let run = workdir.apply(&sandbox, "roster.csv", &all).ended(8);
        assert_eq!(run.summary()["stopped"]["reason"], reason);
        let untried = harness::records(&run.file("unprocessed.csv"), b',');
        let left: Vec<_> = run.rows().into_iter().filter(|row| row["status"] == "not_run").collect();
        assert!(left.len() > 50, "{reason}: {:?}", run.counts());
        let emails = |rows: &[harness::Row]| rows.iter().map(|row| row["email"].clone()).collect::<Vec<_>>();
        assert_eq!(emails(&untried), emails(&left), "{reason}");
        sandbox.agrees_with(&run);
        sandbox.set_faults(Faults::default());
        let resumed = workdir.resume(&sandbox, &["--timeout", "5s"]).ended(0);
        assert_eq!(resumed.count("invited"), 400, "{reason}: {:?}", resumed.counts());
        sandbox.agrees_with(&resumed);
    }
}
