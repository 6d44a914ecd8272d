//! Two thousand rows in a storm of every fault in turn, and of all of them together: nobody is
//! lost, nobody is doubled, and the reports say what the server has.

#![cfg(feature = "sandbox")]

use std::fmt::Write as _;

use crate::harness::{Sandbox, Workdir, World, faulty, playing};
use houston_onboard::sandbox::{Applied, Model, Options};

const WORKSPACES: usize = 8;
const PEOPLE: usize = 125;
const ROWS: usize = 2 * WORKSPACES * PEOPLE;

/// Everybody of the crowd into the next workspace, and as many who are new.
fn everybody() -> String {
    let mut text = String::from("email,role,workspace\n");
    for w in 0..WORKSPACES {
        for p in 0..PEOPLE {
            let next = (w + 1) % WORKSPACES;
            writeln!(text, "person.{w}.{p}@example.com,editor,Team {next}").unwrap();
            writeln!(text, "new.{w}.{p}@example.com,viewer,Team {w}").unwrap();
        }
    }
    text
}

/// Applies the roster against these faults, and resumes until nothing is left.
#[track_caller]
fn survives(faults: &str, model: Model, seed: u64) {
    let options = playing(model, Options { seed, ..faulty(faults) });
    let sandbox = Sandbox::of(World::of(WORKSPACES, PEOPLE), options);
    let workdir = Workdir::new();
    workdir.write("roster.csv", everybody());
    let flags = ["--concurrency", "32", "--timeout", "500ms", "--settle", "700ms", "--max-errors", "50%"];
    let mut run = workdir.apply(&sandbox, "roster.csv", &flags);
    for _ in 0..5 {
        if run.status == Some(8) {
            run = workdir.resume(&sandbox, &flags);
        }
    }
    let run = run.ended(0);
    assert_eq!(run.rows().len(), ROWS, "{faults}");
    sandbox.agrees_with(&run);
    let audit = sandbox.audit();
    let applied = audit.entries.iter().filter(|entry| entry.outcome == Applied::Applied).count();
    assert_eq!(
        (run.count("added") + run.count("invited"), applied),
        (ROWS, ROWS),
        "{faults}: {:?}",
        run.counts()
    );
    assert!(audit.faults.values().sum::<u64>() > 20, "{faults}: {:?}", audit.faults);
}

/// A module of storms in this model, each a test of its own: they wait more than they work, and can
/// do so beside each other. Every storm is one fault for one in twenty requests, with its seed.
macro_rules! storms {
    ($group:ident, $model:expr, [$($name:ident: $faults:expr, $seed:expr;)+]) => {
        mod $group {
            use super::*;

            $(#[test]
            fn $name() {
                survives($faults, $model, $seed);
            })+
        }
    };
}

storms!(refusals_lose_nobody, Model::Legacy, [
    too_many_requests: "429=5%:0s", 0;
    too_many_requests_until_a_date: "429-date=1%", 1;
    bad_gateway: "502=5%", 2;
    unavailable: "503=5%", 3;
    gateway_timeout: "504=5%", 4;
    connection_cut: "reset-before=5%", 5;
]);

storms!(lost_answers_double_nobody_on_a_server_that_doubles, Model::Legacy, [
    connection_cut: "reset=5%", 0;
    answer_cut_off: "truncated=5%", 1;
    answer_late: "late=5%:600ms", 2;
    bad_gateway: "502-after=5%", 3;
    unavailable: "503-after=5%", 4;
    gateway_timeout: "504-after=5%", 5;
]);

storms!(lost_answers_double_nobody_on_a_server_that_refuses_repeats, Model::Modern, [
    connection_cut: "reset=5%", 0;
    answer_cut_off: "truncated=5%", 1;
    answer_late: "late=5%:600ms", 2;
    bad_gateway: "502-after=5%", 3;
    unavailable: "503-after=5%", 4;
    gateway_timeout: "504-after=5%", 5;
]);

storms!(strange_answers_lose_and_double_nobody, Model::Legacy, [
    page: "html=5%", 0;
    other_program: "foreign=5%", 1;
    internal_error: "ise=5%", 2;
    internal_error_after_the_write: "ise-after=5%", 3;
    old_reads: "lag=5%:300ms", 4;
]);

const MIX: &str = "429=2%:0s,502=2%,503=2%,reset-before=2%,reset=2%,truncated=2%,late=2%:600ms,502-after=2%,\
                   ise=2%,ise-after=2%";

#[test]
fn one_request_in_five_going_wrong_in_any_way_loses_and_doubles_nobody_on_a_server_that_doubles() {
    survives(MIX, Model::Legacy, 1);
}

#[test]
fn one_request_in_five_going_wrong_in_any_way_loses_and_doubles_nobody_on_a_server_that_refuses_repeats() {
    survives(MIX, Model::Modern, 2);
}
