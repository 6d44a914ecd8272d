//! Runs against a Houston that fails: everybody ends up where they belong, once.

#![cfg(feature = "sandbox")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::harness::{
    self, Finished, LABELS, MODELS, Sandbox, Workdir, World, faulty, playing, roster, sample, with_mail,
};
use houston_onboard::sandbox::{Audit, Model, Options, Profile, Switches};

/// Applies `rows` rows over four workspaces against these faults, and asserts that everything
/// went well.
#[track_caller]
fn survives(faults: &str, model: Model, seed: u64, more: &[&str]) -> (Finished, Audit) {
    let sandbox = Sandbox::with(playing(model, Options { seed, ..faulty(faults) }));
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(60, 4));
    let run = workdir.apply(&sandbox, "roster.csv", more).ended(0);
    assert_eq!(
        run.counts(),
        BTreeMap::from([("added".to_owned(), 30), ("invited".to_owned(), 30)]),
        "{faults}, {model:?}, seed {seed}"
    );
    sandbox.agrees_with(&run);
    let audit = sandbox.audit();
    assert_eq!(audit.entries.iter().filter(|entry| entry.outcome == APPLIED).count(), 60);
    (run, audit)
}

const APPLIED: houston_onboard::sandbox::Applied = houston_onboard::sandbox::Applied::Applied;

#[test]
fn a_second_run_of_the_same_file_sends_no_mutation() {
    let sandbox = Sandbox::new();
    let workdir = Workdir::new();
    let team = sample("team.csv");
    let first = workdir.applying(&sandbox, &team).quick().args(&["--timeout", "5s"]).run().ended(0);
    assert_eq!(first.count("added") + first.count("invited"), 200, "{:?}", first.counts());
    sandbox.agrees_with(&first);
    let before = sandbox.audit();
    assert_eq!((before.mutations_applied, before.mutations_received), (200, 200));
    let second = workdir.applying(&sandbox, &team).quick().args(&["--timeout", "5s"]).run().ended(0);
    assert_eq!(second.count("unchanged") + second.count("already_invited"), 200, "{:?}", second.counts());
    assert_eq!(sandbox.audit().mutations_received, 200);
    sandbox.agrees_with(&second);
}

#[test]
fn three_writes_in_ten_that_are_committed_and_cut_off_are_not_doubled() {
    for model in MODELS {
        for seed in [1, 2, 3] {
            let (_, audit) = survives("write:reset=30%", model, seed, &[]);
            assert!(audit.faults["reset"] > 5, "{:?}", audit.faults);
        }
    }
}

#[test]
fn answers_later_than_the_timeout_are_not_doubled() {
    for model in MODELS {
        survives("late=30%:600ms", model, 1, &[]);
    }
    survives("write:timeout=20%:2s", Model::Legacy, 2, &[]);
}

#[test]
fn truncated_answers_are_not_doubled() {
    for model in MODELS {
        survives("write:truncated=30%", model, 1, &[]);
        survives("truncated=15%", model, 2, &[]);
    }
}

#[test]
fn pages_of_a_gateway_before_the_write_lose_nobody() {
    for (seed, status) in ["502", "503", "504"].into_iter().enumerate() {
        let model = MODELS[seed % 2];
        survives(&format!("write:{status}=20%"), model, seed as u64, &[]);
    }
}

#[test]
fn pages_of_a_gateway_after_the_write_double_nobody() {
    for (seed, status) in ["502", "503", "504"].into_iter().enumerate() {
        for model in MODELS {
            survives(&format!("{status}-after=20%"), model, seed as u64, &[]);
        }
    }
}

#[test]
fn internal_errors_before_and_after_the_write_lose_and_double_nobody() {
    for model in MODELS {
        survives("write:ise=20%", model, 1, &[]);
        survives("ise-after=25%", model, 2, &[]);
    }
}

#[test]
fn pages_of_a_login_proxy_now_and_then_lose_nobody() {
    for model in MODELS {
        survives("write:html=10%", model, 1, &[]);
        survives("write:foreign=10%", model, 2, &[]);
    }
}

#[test]
fn connections_cut_before_the_write_lose_nobody() {
    for model in MODELS {
        survives("write:reset-before=20%", model, 1, &[]);
    }
}

#[test]
fn reads_that_fail_now_and_then_are_repeated() {
    let faults = "read:502=10%,read:reset=5%,read:truncated=5%,read:ise=5%";
    survives(faults, Model::Modern, 1, &[]);
    survives(faults, Model::Legacy, 2, &[]);
}

#[test]
fn everything_at_once_loses_and_doubles_nobody() {
    let faults = "write:reset=8%,late=4%:600ms,write:truncated=4%,502-after=4%,write:503=4%,ise-after=4%,\
                  write:ise=4%,read:reset=4%,read:503=4%";
    for model in MODELS {
        for seed in [4, 5] {
            survives(faults, model, seed, &["--retries", "8"]);
        }
    }
}

#[test]
fn a_write_that_lands_within_the_settle_time_is_not_doubled() {
    // The gateway gives up after 300 ms, Houston writes after 500 ms.
    for seed in [1, 2] {
        let (_, audit) = survives("lag=30%:500ms", Model::Legacy, seed, &["--settle", "900ms"]);
        assert_eq!(audit.mutations_received, 60, "nothing was sent twice");
    }
}

#[test]
fn pauses_in_either_form_are_obeyed_by_all_workers() {
    // The date has whole seconds, so a pause of 4 s is at least 3 s long.
    for faults in ["all:429=#30:3s", "all:429-date=#30:4s"] {
        let sandbox = Sandbox::with(Options { latency: Duration::from_millis(20), ..faulty(faults) });
        let workdir = Workdir::new();
        workdir.write("roster.csv", roster(80, 4));
        let run = workdir
            .applying(&sandbox, "roster.csv")
            .args(&["--rate", "none", "--concurrency", "16"])
            .run()
            .ended(0);
        sandbox.agrees_with(&run);
        let audit = sandbox.audit();
        let mut times: Vec<u64> = audit.entries.iter().map(|entry| entry.at_ms).collect();
        times.sort_unstable();
        let (pause, from) =
            times.windows(2).map(|pair| (pair[1] - pair[0], pair[0])).max().unwrap_or_default();
        assert!(pause >= 2_500, "{faults}: a pause of {pause} ms only, {times:?}");
        // Full seconds without any request, reads included.
        let first = usize::try_from(from / 1000).unwrap() + 1;
        assert_eq!(audit.per_second[first], 0, "{faults}: {:?}", audit.per_second);
        assert_eq!(audit.statuses[&429], 1, "{faults}");
    }
}

#[test]
fn a_server_that_asks_everybody_to_wait_now_and_then_is_no_reason_to_fail() {
    for faults in ["write:429=5%:200ms", "all:429=3%:300ms", "write:429-date=2%:1s"] {
        survives(faults, Model::Modern, 3, &["--timeout", "2s"]);
    }
}

#[test]
fn a_server_that_lies_is_found_out_before_the_rest_is_sent() {
    let sandbox = Sandbox::with(faulty("write:lie=100%"));
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(80, 4));
    let run = workdir.apply(&sandbox, "roster.csv", &[]).ended(8);
    assert!(sandbox.audit().mutations_received <= 4 * 3, "{}", sandbox.audit().mutations_received);
    for status in ["added", "invited", "unchanged", "already_invited", "merged"] {
        assert_eq!(run.count(status), 0, "{:?}", run.counts());
    }
    assert!(run.count("in_doubt") >= 4, "{:?}", run.counts());
    sandbox.agrees_with(&run);
}

#[test]
fn a_denied_workspace_costs_a_handful_of_requests_and_no_other_workspace() {
    // The admin of Data Platform may add people there and nowhere else.
    let sandbox = Sandbox::new();
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(60, 2).replace("Finance", "ckfinance0000000000000002"));
    let token = sandbox.tokens().workspace_admin.clone();
    let run = workdir.applying(&sandbox, "roster.csv").quick().token(&token).run().ended(6);
    sandbox.agrees_with(&run);
    for row in run.rows() {
        if row["workspace"] == "Data Platform" {
            assert!(["added", "invited"].contains(&row["status"].as_str()), "{row:?}");
        } else {
            assert_eq!(row["status"], "rejected", "{row:?}");
        }
    }
    assert!(sandbox.audit().requests <= 60, "{}", sandbox.audit().requests);
}

#[test]
fn a_workspace_that_may_be_read_but_not_written_is_closed_after_the_first_refusal() {
    // A system viewer sees every member list and may add nobody.
    let sandbox = Sandbox::new();
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(60, 2));
    let token = sandbox.tokens().system_viewer.clone();
    let run = workdir.applying(&sandbox, "roster.csv").quick().token(&token).run().ended(6);
    assert_eq!(run.count("rejected"), 60, "{:?}", run.counts());
    for row in run.rows() {
        assert_eq!(row["error_code"], "workspace_denied", "{row:?}");
    }
    assert!(sandbox.audit().mutations_received <= 2, "{}", sandbox.audit().mutations_received);
    assert_eq!(sandbox.audit().mutations_applied, 0);
}

#[test]
fn one_person_never_has_two_requests_in_flight() {
    let latency = Duration::from_millis(80);
    for model in MODELS {
        let sandbox = Sandbox::with(playing(model, Options { latency, ..Options::default() }));
        let workdir = Workdir::new();
        let mut text = String::from("email,role,workspace\n");
        for person in ["one.new", "two.new", "three.new", "four.new"] {
            for label in LABELS {
                writeln!(text, "{person}@example.com,viewer,{label}").unwrap();
            }
        }
        workdir.write("roster.csv", text);
        let run = workdir
            .applying(&sandbox, "roster.csv")
            .args(&["--rate", "none", "--concurrency", "20"])
            .run()
            .ended(0);
        sandbox.agrees_with(&run);
        let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for entry in sandbox.audit().entries {
            seen.entry(entry.email.unwrap()).or_default().push(entry.at_ms);
        }
        for (email, times) in seen {
            assert_eq!(times.len(), LABELS.len(), "{email}");
            for pair in times.windows(2) {
                // A request is executed when its latency is over: the next one began after that.
                assert!(pair[1] - pair[0] >= 79, "{email}: {times:?}");
            }
        }
    }
}

#[test]
fn the_id_and_the_label_of_a_workspace_mean_one_workspace() {
    let sandbox = Sandbox::new();
    let workdir = Workdir::new();
    workdir.write(
        "roster.csv",
        "email,role,workspace\n\
         new.hire@example.com,viewer,Finance\n\
         New.Hire@example.com,viewer,ckfinance0000000000000002\n",
    );
    let run = workdir.apply(&sandbox, "roster.csv", &[]).ended(0);
    assert_eq!(run.rows().iter().map(|row| row["status"].clone()).collect::<Vec<_>>(), ["invited", "merged"]);
    assert_eq!(sandbox.audit().mutations_received, 1);
    sandbox.agrees_with(&run);
}

#[test]
fn opposed_wishes_by_id_and_label_are_found_and_nothing_is_sent() {
    let sandbox = Sandbox::new();
    let workdir = Workdir::new();
    workdir.write(
        "roster.csv",
        "email,role,workspace\n\
         new.hire@example.com,viewer,Finance\n\
         new.hire@example.com,admin,ckfinance0000000000000002\n",
    );
    let run = workdir.apply(&sandbox, "roster.csv", &[]).ended(3).says("roster.csv:3:");
    run.began_nothing();
    sandbox.received_no_mutation();
}

#[test]
fn five_thousand_rows_of_whom_nearly_all_are_members_cost_three_hundred_requests() {
    let sandbox = Sandbox::of(World::of(50, 98), Options::default());
    let workdir = Workdir::new();
    let mut text = String::from("email,role,workspace\n");
    for workspace in 0..50 {
        for person in 0..100 {
            writeln!(text, "person.{workspace}.{person}@example.com,viewer,Team {workspace}").unwrap();
        }
    }
    workdir.write("roster.csv", text);
    let run = workdir.applying(&sandbox, "roster.csv").quick().args(&["--timeout", "5s"]).run().ended(0);
    assert_eq!((run.count("unchanged"), run.count("invited")), (4_900, 100), "{:?}", run.counts());
    sandbox.agrees_with(&run);
    let requests = sandbox.audit().requests;
    harness::note(&format!("5,000 rows, 98 % members: {requests} requests"));
    assert!(requests <= 300, "{requests} requests");
    assert_eq!(run.summary()["requests"], requests);
}

#[test]
fn nobody_is_mailed_twice() {
    for profile in [Profile::V0_16, Profile::V0_23, Profile::V2] {
        let faults = faulty("write:reset=20%,late=10%:600ms,ise-after=5%");
        let sandbox = Sandbox::with(Options { profile, switches: with_mail(), ..faults });
        let workdir = Workdir::new();
        // By id: 0.16 does not list other people's workspaces.
        let ids = roster(60, 2)
            .replace("Data Platform", "ckdataplatform00000000001")
            .replace("Finance", "ckfinance0000000000000002");
        workdir.write("roster.csv", ids);
        let run = workdir.apply(&sandbox, "roster.csv", &["--send-invites"]).ended(0);
        assert_eq!((run.count("added"), run.count("invited")), (30, 30), "{profile}");
        sandbox.agrees_with(&run);
        assert_eq!(sandbox.audit().mails, 30, "{profile}");
    }
}

#[test]
fn the_oddities_of_an_installation_change_nothing() {
    for assignments in [
        "add-user-non-null=true",
        "error-extras=true",
        "style=as2",
        "style=as4",
        "refusal=shield",
        "narrow-bindings=false",
        "pending-in-users=false pending-in-invites=true",
        "pending-in-invites=true",
        "introspection=false",
        "concurrency-cap=3 check-window=5ms",
    ] {
        for model in MODELS {
            let mut switches = Switches::default();
            assignments.split(' ').for_each(|assignment| switches.set(assignment).unwrap());
            let options = Options { switches, ..faulty("write:ise=10%,ise-after=10%,write:reset=15%") };
            let sandbox = Sandbox::with(playing(model, options));
            let workdir = Workdir::new();
            workdir.write("roster.csv", roster(30, 3));
            let run = workdir.apply(&sandbox, "roster.csv", &["--timeout", "1s"]).ended(0);
            assert_eq!(run.count("added") + run.count("invited"), 30, "{assignments} {model:?}");
            sandbox.agrees_with(&run);
        }
    }
}
