//! How hard Houston is asked, as Houston itself counts it; and runs that Houston or the machine
//! breaks off.

#![cfg(all(feature = "sandbox", unix))]

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use crate::harness::{self, Sandbox, Workdir, World, faulty, playing, roster};
use houston_onboard::sandbox::{Model, Options, Profile, Switches};

#[test]
fn no_more_requests_are_in_flight_than_allowed_and_connections_are_kept() {
    let sandbox = Sandbox::with(Options { latency: Duration::from_millis(10), ..Options::default() });
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(200, 5));
    let flags = ["--rate", "none", "--concurrency", "6"];
    let run = workdir.applying(&sandbox, "roster.csv").args(&flags).run().ended(0);
    sandbox.agrees_with(&run);
    let audit = sandbox.audit();
    assert!(audit.peak_in_flight <= 6, "{} in flight", audit.peak_in_flight);
    assert!(audit.peak_in_flight >= 3, "{} in flight only", audit.peak_in_flight);
    assert!(audit.connections <= 8, "{} connections", audit.connections);
}

#[test]
fn the_rate_holds_for_reads_writes_and_repeats_together() {
    let sandbox = Sandbox::with(faulty("read:503=20%,write:429=3%:100ms"));
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(80, 5));
    let flags = ["--rate", "40/s", "--concurrency", "32"];
    let run = workdir.applying(&sandbox, "roster.csv").args(&flags).run().ended(0);
    sandbox.agrees_with(&run);
    let busiest = sandbox.audit().max_requests_in_any_second;
    // Two of tolerance: the sandbox sees when a request arrives, not when it was let go.
    assert!(busiest <= 42, "{busiest} requests in a second");
    assert_eq!(run.summary()["requests"], sandbox.audit().requests);
}

#[test]
fn a_limit_that_nobody_tells_of_is_hardly_ever_exceeded() {
    for (limit, concurrency) in [("limit=12", "64"), ("limit=200/s", "8")] {
        let options = playing(Model::Legacy, faulty(limit));
        let sandbox = Sandbox::with(Options { latency: Duration::from_millis(20), ..options });
        let workdir = Workdir::new();
        workdir.write("roster.csv", roster(1200, 5));
        let flags = ["--rate", "none", "--concurrency", concurrency];
        let run = workdir.applying(&sandbox, "roster.csv").args(&flags).run().ended(0);
        sandbox.agrees_with(&run);
        let audit = sandbox.audit();
        let (refused, requests) = (audit.faults.get("limit").copied().unwrap_or(0), audit.requests);
        assert!(refused > 0, "{limit}: it was never felt, so nothing was shown");
        assert!(refused * 50 < requests, "{limit}: {refused} of {requests} were refused");
        let summary = run.summary();
        assert_eq!(summary["requests"], requests);
        assert_eq!(summary["retries"], refused, "{limit}: what is refused is sent again");
        assert!(summary["congestion_events"].as_u64().unwrap() > 0, "{summary}");
        assert!(run.stdout.contains("Houston slowed this run"), "{}", run.stdout);
    }
}

#[test]
fn every_way_of_paging_finds_everybody() {
    for (profile, inclusive, max_take, is_error) in [
        (Profile::V2, false, 101, false),
        (Profile::V2, true, 101, false),
        (Profile::V1, false, 40, false),
        (Profile::V1, true, 40, false),
        (Profile::V0_30, false, 40, true),
        (Profile::V0_30, true, 40, true),
        (Profile::V0_28, false, 101, false),
    ] {
        let switches = Switches {
            cursor_inclusive: inclusive,
            max_take,
            max_take_error: is_error,
            ..Switches::default()
        };
        let sandbox = Sandbox::of(World::of(2, 230), Options { profile, switches, ..Options::default() });
        let workdir = Workdir::new();
        let mut text = String::from("email,role,workspace\n");
        for person in (0..230).rev().step_by(3) {
            writeln!(text, "Person.1.{person}@example.com,viewer,Team 1").unwrap();
        }
        workdir.write("roster.csv", &text);
        let run = workdir.applying(&sandbox, "roster.csv").args(&["--rate", "none"]).run().ended(0);
        assert_eq!(run.count("unchanged"), 77, "{profile} {inclusive} {max_take}: {:?}", run.counts());
        sandbox.received_no_mutation();
    }
}

#[test]
fn a_run_waits_for_a_houston_that_is_away_for_a_moment() {
    for faults in ["all:503=#30-40", "all:502=#30-40", "all:504=#30-36"] {
        let sandbox = Sandbox::with(playing(Model::Legacy, faulty(faults)));
        let workdir = Workdir::new();
        workdir.write("roster.csv", roster(60, 4));
        let run = workdir.apply(&sandbox, "roster.csv", &["--timeout", "5s"]).ended(0);
        assert_eq!(run.count("added") + run.count("invited"), 60, "{faults}: {:?}", run.counts());
        sandbox.agrees_with(&run);
    }
}

#[test]
fn a_run_goes_on_when_houston_comes_back_after_a_restart() {
    let sandbox = Sandbox::with(playing(Model::Legacy, Options::default()));
    let port: u16 = sandbox.url().trim_end_matches("/v1").rsplit(':').next().unwrap().parse().unwrap();
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(120, 4));
    let running = workdir
        .applying(&sandbox, "roster.csv")
        .args(&["--rate", "100/s", "--settle", "300ms", "--retries", "8"])
        .start();
    harness::until("the first writes", || (sandbox.audit().mutations_applied > 20).then_some(()));
    sandbox.set_faults("reset-before=100%".parse().unwrap());
    let mut before = u64::MAX;
    harness::until("quiet", || {
        let now = sandbox.audit().mutations_applied;
        std::mem::replace(&mut before, now).eq(&now).then_some(())
    });
    let state = sandbox.state();
    drop(sandbox);
    let options = playing(Model::Legacy, Options { port, ..Options::default() });
    let sandbox = harness::until("the port again", || {
        houston_onboard::sandbox::Sandbox::start_with(options.clone(), state.clone()).ok()
    });
    let run = running.finish().ended(0);
    assert_eq!(run.count("added") + run.count("invited"), 120, "{:?}", run.counts());
    assert!(sandbox.audit().duplicate_bindings.is_empty());
    assert!(sandbox.audit().duplicate_invites.is_empty());
}

#[test]
fn a_run_that_was_killed_knows_all_it_sent_and_its_roster_can_be_applied_again() {
    let latency = Duration::from_millis(50);
    let sandbox = Sandbox::with(playing(Model::Legacy, Options { latency, ..Options::default() }));
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(80, 4));
    let mut running =
        workdir.applying(&sandbox, "roster.csv").args(&["--rate", "none", "--concurrency", "4"]).start();
    running.await_entries("intent", 20);
    running.signal("KILL");
    let killed = running.finish();
    assert_eq!(killed.status, None);
    harness::until("Requests in flight", || {
        let audit = sandbox.audit();
        (audit.mutations_applied == audit.mutations_received).then_some(())
    });
    let journal = fs::read_to_string(killed.folder().join("journal.jsonl")).unwrap();
    let intents = journal.matches("\"entry\":\"intent\"").count() as u64;
    assert!(intents >= sandbox.audit().mutations_received, "an intent comes before its mutation");
    assert_eq!(killed.file("plan.jsonl").lines().filter(|line| line.contains("\"row\"")).count(), 80);
    assert_eq!(killed.file("roster.csv"), roster(80, 4));
    let again = workdir.apply(&sandbox, "roster.csv", &["--timeout", "5s"]).ended(0);
    assert_eq!(sandbox.audit().mutations_applied, 80, "{:?}", again.counts());
    sandbox.agrees_with(&again);
}

#[test]
fn the_journal_accounts_for_every_mutation() {
    let sandbox = Sandbox::with(playing(Model::Legacy, faulty("write:reset=20%,write:503=5%")));
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(60, 4));
    let run = workdir.apply(&sandbox, "roster.csv", &[]).ended(0);
    let entries: Vec<serde_json::Value> =
        run.file("journal.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &'static str| entries.iter().filter(move |entry| entry["entry"] == kind);
    assert_eq!(entries[0]["entry"], "header");
    assert_eq!(entries.last().unwrap()["entry"], "closed");
    assert_eq!(of("outcome").count(), 60);
    let attempts: u64 = run.rows().iter().map(|row| row["attempts"].parse::<u64>().unwrap()).sum();
    assert_eq!(attempts, sandbox.audit().mutations_received);
    for outcome in of("outcome") {
        let first =
            |kind: &str| entries.iter().position(|e| e["entry"] == kind && e["item"] == outcome["item"]);
        assert!(first("intent").unwrap() < first("outcome").unwrap(), "{outcome}");
    }
}
