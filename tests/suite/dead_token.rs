//! A token that dies on the servers of the shield line: `self` fails inside there, every write is
//! "Insufficient permissions.", and a dead token may still delete invitations (houston.md, 1.5).

#![cfg(feature = "sandbox")]

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use houston_onboard::sandbox::{Options, Profile, Role};
use serde_json::json;

use crate::harness::by_hand::playing_as;
use crate::harness::{self, Sandbox, Server, Workdir, World, person, relay, roster, with_mail, workspace};

/// How a dead token is refused, as a switch of the sandbox.
const REFUSALS: [&str; 3] = ["dead-token=inside", "dead-token=refresh", "dead-token=forbidden"];
/// So many people are between the two writes of their renewal at most.
const AT_A_TIME: usize = 16;
const PROFILES: [Profile; 4] = [Profile::V0_23, Profile::V0_28, Profile::V1, Profile::V2];

/// Options of a version with these switches, single sign-on and mail.
fn options(profile: Profile, switches: &[&str]) -> Options {
    let mut options = Options { switches: with_mail(), ..playing_as(profile, &[]) };
    for switch in switches {
        options.switches.set(switch).unwrap();
    }
    options
}

/// A roster of people whom nobody knows, for the workspaces of the built-in world by id.
fn by_id(rows: usize) -> String {
    roster(rows, 2)
        .replace("Data Platform", "ckdataplatform00000000001")
        .replace("Finance", "ckfinance0000000000000002")
}

#[test]
fn a_dead_token_ends_every_command_with_4_before_anything_is_sent() {
    for profile in PROFILES {
        for refusal in REFUSALS {
            let sandbox = Sandbox::with(options(profile, &[refusal]));
            let workdir = Workdir::new();
            workdir.write("roster.csv", by_id(10));
            for command in [
                &["apply", "roster.csv", "--yes", "--send-invites"][..],
                &["plan", "roster.csv", "--send-invites"],
                &["doctor", "roster.csv"],
                &["export"],
            ] {
                let call = workdir.call(command).quick().args(&["--url", sandbox.url()]);
                let run = call.token(&sandbox.tokens().expired).run();
                assert_eq!(
                    run.status,
                    Some(4),
                    "{profile} {refusal} {command:?}\n{}{}",
                    run.stdout,
                    run.stderr
                );
                run.began_nothing();
            }
            sandbox.received_no_mutation();
        }
    }
}

#[test]
fn a_token_that_dies_in_mid_run_ends_it_with_4_and_blames_no_row() {
    for profile in PROFILES {
        for refusal in REFUSALS {
            let what = format!("{profile} {refusal}");
            let dying = Options {
                faults: "token-dies=30".parse().unwrap(),
                latency: Duration::from_millis(5),
                ..options(profile, &[refusal])
            };
            let sandbox = Sandbox::with(dying);
            let workdir = Workdir::new();
            workdir.write("roster.csv", by_id(60));
            let run = workdir.apply(&sandbox, "roster.csv", &["--send-invites", "--timeout", "5s"]).ended(4);
            let counts = run.counts();
            let blamed = |status: &str| !["added", "invited", "in_doubt", "not_run"].contains(&status);
            assert!(!counts.iter().any(|(status, count)| blamed(status) && *count > 0), "{what}: {counts:?}");
            assert!(run.count("not_run") > 0, "{what}: {counts:?}");

            sandbox.set_faults("".parse().unwrap());
            let run = workdir.resume(&sandbox, &["--timeout", "5s"]).ended(0);
            assert_eq!(run.count("added") + run.count("invited"), 60, "{what}: {:?}", run.counts());
            sandbox.agrees_with(&run);
        }
    }
}

/// Hands everything on to a sandbox, but answers `self` with a failure of its own.
fn whose_self_fails(sandbox: &Sandbox) -> Server {
    let url = sandbox.url().to_owned();
    Server::start(move |asked| {
        if asked.body.contains("self") && !asked.body.contains("workspaceAddUser") {
            return harness::json(&json!({ "data": null, "errors": [{
                "message": "Timed out fetching a new connection from the connection pool.", "path": ["self"],
                "extensions": { "code": "INTERNAL_SERVER_ERROR" } }] }));
        }
        relay(&url, asked)
    })
}

#[test]
fn a_self_that_merely_fails_inside_is_no_proof_of_a_dead_token() {
    let sandbox = Sandbox::new();
    let server = whose_self_fails(&sandbox);
    let workdir = Workdir::new();
    workdir.write("roster.csv", by_id(4));
    for command in [&["apply", "roster.csv", "--yes"][..], &["plan", "roster.csv"], &["doctor", "roster.csv"]]
    {
        let call = workdir.call(command).quick().args(&["--url", &server.url(), "--max-wait", "1s"]);
        let run = call.token(sandbox.token()).run();
        assert_eq!(run.status, Some(5), "{command:?}\n{}{}", run.stdout, run.stderr);
        run.began_nothing();
    }
    sandbox.received_no_mutation();
}

#[test]
fn a_dead_token_takes_no_further_invitations_away() {
    let guests: Vec<String> = (0..40).map(|number| format!("guest{number}@example.com")).collect();
    let world = || {
        let invited = |world: World, guest: &String| world.invited(0, guest, Role::WorkspaceViewer);
        guests.iter().fold(World::of(1, 2).admins(1), invited)
    };
    let mut text = String::from("email,role,workspace\n");
    for guest in &guests {
        writeln!(text, "{guest},viewer,{}", workspace(0)).unwrap();
    }
    for profile in [Profile::V0_23, Profile::V0_28] {
        let legacy = Some(houston_onboard::sandbox::Model::Legacy);
        let dying = Options {
            // The plan asks about the account of each of them.
            faults: format!("token-dies={}", guests.len() + 20).parse().unwrap(),
            latency: Duration::from_millis(5),
            model: legacy,
            ..options(profile, &["dead-token=inside"])
        };
        let sandbox = Sandbox::of(world(), dying);
        let workdir = Workdir::new();
        workdir.write("roster.csv", &text);
        let flags = ["--reinvite", "--send-invites", "--timeout", "5s", "--concurrency", "4"];
        let run = workdir.apply(&sandbox, "roster.csv", &flags).ended(4);
        let left = sandbox.state().invites.len();
        // At most those that were between their two writes when the first read was refused.
        assert!(left >= guests.len() - AT_A_TIME, "{profile}: {left} are left: {:?}", run.counts());
        sandbox.set_faults("".parse().unwrap());
        let run = workdir.resume(&sandbox, &["--timeout", "5s"]).ended(0);
        assert_eq!(sandbox.state().invites.len(), guests.len(), "{profile}: {:?}", run.counts());
    }
    assert_ne!(person(0, 0), guests[0]);
}

/// Hands everything on to a sandbox, but denies adds, and fails over `self` once the run has begun.
fn that_denies_adds(sandbox: &Sandbox) -> Server {
    let (url, callers) = (sandbox.url().to_owned(), AtomicUsize::new(0));
    let failure = |field: &str, message: &str| {
        harness::json(&json!({ "data": { field: null }, "errors": [{ "message": message, "path": [field],
            "extensions": { "code": "INTERNAL_SERVER_ERROR" } }] }))
    };
    Server::start(move |asked| {
        if asked.body.contains("workspaceAddUser") {
            return failure("workspaceAddUser", "Insufficient permissions.");
        }
        if asked.operation() == "Caller" && callers.fetch_add(1, Ordering::Relaxed) > 0 {
            return failure("self", "Timed out fetching a new connection from the connection pool.");
        }
        relay(&url, asked)
    })
}

#[test]
fn a_token_in_doubt_takes_no_further_invitations_away() {
    let guests: Vec<String> = (0..60).map(|number| format!("guest{number}@example.com")).collect();
    let invited = |world: World, guest: &String| world.invited(0, guest, Role::WorkspaceViewer);
    let world = guests.iter().fold(World::of(1, 2).admins(1), invited);
    let sandbox = Sandbox::of(world, options(Profile::V0_23, &[]));
    let server = that_denies_adds(&sandbox);
    let mut text = String::from("email,role,workspace\n");
    for guest in &guests {
        writeln!(text, "{guest},viewer,{}", workspace(0)).unwrap();
    }
    let workdir = Workdir::new();
    workdir.write("roster.csv", &text);
    let flags =
        ["apply", "roster.csv", "--yes", "--reinvite", "--send-invites", "--max-wait", "1s", "--canary", "0"];
    let more = ["--max-errors", "100", "--retries", "1"];
    let call = workdir.call(flags).args(&more).args(&["--url", &server.url()]);
    let run = call.quick().token(sandbox.token()).run();
    let left = sandbox.state().invites.len();
    assert!(left >= guests.len() - AT_A_TIME, "{left} are left\n{}{}", run.stdout, run.stderr);
    let results = run.file("results.csv");
    assert!(results.contains("Houston does not say whether the token is still valid"), "{results}");
}
