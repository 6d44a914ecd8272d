//! What the program ends with, one test per status, and what it has or has not sent by then.

#![cfg(all(feature = "sandbox", unix))]

use std::fmt::Write as _;
use std::net::TcpListener;
use std::time::Duration;

use crate::harness::{self, Sandbox, Stopwatch, Workdir, faulty, playing, roster};
use houston_onboard::sandbox::{Model, Options, Profile, Switches};

const ONE: &str = "email,role,workspace\nnew.hire@example.com,viewer,Finance\n";

/// A folder with a small roster in it.
fn with(content: &str) -> Workdir {
    let workdir = Workdir::new();
    workdir.write("roster.csv", content);
    workdir
}

#[test]
fn zero_when_everything_is_done() {
    let sandbox = Sandbox::new();
    let workdir = with(ONE);
    let run = workdir.apply(&sandbox, "roster.csv", &[]).ended(0);
    assert_eq!(run.summary()["exit_status"], 0);
    sandbox.agrees_with(&run);
}

#[test]
fn zero_when_somebody_keeps_another_role() {
    let sandbox = Sandbox::new();
    let workdir = with(&roster(4, 1));
    workdir.apply(&sandbox, "roster.csv", &[]).ended(0).began();
    workdir.write("other.csv", roster(4, 1).replace("WORKSPACE_ADMIN", "WORKSPACE_VIEWER"));
    let run = workdir.apply(&sandbox, "other.csv", &[]).ended(0);
    assert_eq!(run.count("role_kept"), 1, "{:?}", run.counts());
    sandbox.agrees_with(&run);
}

#[test]
fn one_when_a_file_is_where_the_runs_should_be() {
    let sandbox = Sandbox::new();
    let workdir = with(ONE);
    workdir.write("taken", "");
    let run = workdir.apply(&sandbox, "roster.csv", &["--runs-dir", "taken"]).ended(1).says("--runs-dir");
    run.began_nothing();
    sandbox.received_no_mutation();
    workdir.apply(&sandbox, "roster.csv", &["--runs-dir", "taken/below"]).ended(1).began_nothing();
    sandbox.received_no_mutation();
}

#[test]
fn two_without_a_terminal_and_without_yes() {
    let sandbox = Sandbox::new();
    let workdir = with(ONE);
    let run = workdir.call(["apply", "roster.csv"]).to(&sandbox).run().ended(2).says("--yes");
    run.began_nothing();
    assert_eq!(sandbox.audit().requests, 0, "not one packet");
}

#[test]
fn two_for_flags_that_make_no_sense() {
    let workdir = with(ONE);
    for arguments in [
        vec!["apply", "roster.csv", "--sandbox", "--yes", "--concurency", "8"],
        vec!["apply", "roster.csv", "--sandbox", "--yes", "--concurrency", "65"],
        vec!["apply", "roster.csv", "--sandbox", "--yes", "--rate", "fast"],
        vec!["apply", "roster.csv", "--sandbox", "--yes", "--faults", "rain=2%"],
        vec!["apply", "roster.csv", "--sandbox", "--yes", "--token", "x.y.z"],
        vec!["apply", "--sandbox", "--yes"],
        vec!["applly"],
        vec![],
    ] {
        workdir.run(&arguments).ended(2).began_nothing();
    }
}

#[test]
fn two_for_a_switch_that_is_neither_yes_nor_no() {
    let workdir = with(ONE);
    workdir.write("settings.toml", "rate = 'none'\nyes = 'never'\n");
    let apply = ["apply", "roster.csv", "--sandbox", "--progress", "none"];
    for (name, value) in [
        ("HOUSTON_ONBOARD_YES", "never"),
        ("HOUSTON_ONBOARD_PRUNE", "\"false\""),
        ("HOUSTON_ONBOARD_SANDBOX", "none"),
        ("HOUSTON_ONBOARD_QUIET", "0.0"),
        ("HOUSTON_ONBOARD_INSECURE", "null"),
    ] {
        workdir
            .call(apply)
            .env(name, value)
            .run()
            .ended(2)
            .says(&format!("{name}: `{value}`"))
            .began_nothing();
    }
    let run = workdir.call(apply).args(&["--config", "settings.toml"]).run().ended(2);
    run.says("settings.toml:2:1: yes: `never` is neither yes nor no").began_nothing();
    for (value, status) in [(" YES\r\n", 0), ("t", 0), ("off", 2), ("  ", 2), ("", 2)] {
        let run = workdir.call(apply).env("HOUSTON_ONBOARD_YES", value).run().ended(status);
        assert_eq!(run.folder.is_some(), status == 0, "{value:?}");
    }
}

#[test]
fn who_set_a_bad_value_is_said() {
    let workdir = with(ONE);
    let plan = ["plan", "roster.csv", "--progress", "none"];
    for (name, value, status) in [
        ("HOUSTON_ONBOARD_URL", "ftp://example.com", 2),
        ("HOUSTON_ONBOARD_FAULTS", "rain=2%", 2),
        ("HOUSTON_ONBOARD_RATE", "quick", 2),
        ("HOUSTON_ONBOARD_WORKSPACE_MAP", "nowhere.csv", 3),
    ] {
        let call = workdir.call(plan).env(name, value);
        // Flags of the sandbox have no meaning without it, and no address is asked for with it.
        let call = if name == "HOUSTON_ONBOARD_URL" { call } else { call.args(&["--sandbox"]) };
        call.run().ended(status).says(name).began_nothing();
    }
    let warned = workdir.call(["template"]).env("HOUSTON_ONBOARD_PRUEN", "hush").run().ended(0);
    assert!(warned.says("did you mean HOUSTON_ONBOARD_PRUNE?").stderr.lines().count() == 1);
}

#[test]
fn two_for_an_argument_with_a_carriage_return() {
    let workdir = with(ONE);
    let run = workdir.run(["validate", "roster.csv\r"]).ended(2).says("`roster.csv\\r`").says("Windows");
    run.began_nothing();
}

#[test]
fn two_without_a_target_and_with_two() {
    let workdir = with(ONE);
    workdir.run(["apply", "roster.csv", "--yes"]).ended(2).says("--url").began_nothing();
    let two = ["apply", "roster.csv", "--yes", "--url", "http://127.0.0.1:1/v1", "--sandbox"];
    workdir.run(two).ended(2).says("--sandbox").began_nothing();
}

#[test]
fn three_for_a_bad_roster() {
    let sandbox = Sandbox::new();
    let workdir = with("email,role,workspace\nnew.hire@example.com,edtor,Finance\n");
    let run = workdir.apply(&sandbox, "roster.csv", &[]).ended(3).says("roster.csv:2:22:").says("editor");
    run.began_nothing();
    assert_eq!(sandbox.audit().requests, 0, "not one packet");
    workdir.apply(&sandbox, "nowhere.csv", &[]).ended(3).says("nowhere.csv").began_nothing();
    assert_eq!(sandbox.audit().requests, 0, "not one packet");
}

#[test]
fn three_for_a_workspace_that_does_not_exist() {
    let sandbox = Sandbox::new();
    for name in ["Finanace", "ckfinance0000000000000009"] {
        let workdir = with(&format!("{ONE}other.hire@example.com,viewer,{name}\n"));
        let run = workdir.apply(&sandbox, "roster.csv", &[]).ended(3).says("roster.csv:3:31:");
        run.began_nothing();
    }
    sandbox.received_no_mutation();
}

#[test]
fn three_for_a_label_that_two_workspaces_have() {
    let sandbox = Sandbox::new();
    let workdir = with(&ONE.replace("Finance", "Staging"));
    let run = workdir
        .apply(&sandbox, "roster.csv", &[])
        .ended(3)
        .says("ckstaging0000000000000006")
        .says("ckstaging0000000000000007");
    run.began_nothing();
    sandbox.received_no_mutation();
}

#[test]
fn four_without_a_token() {
    let sandbox = Sandbox::new();
    let workdir = with(ONE);
    let without = ["apply", "roster.csv", "--yes", "--url", sandbox.url()];
    workdir.run(without).ended(4).says("HOUSTON_API_TOKEN").began_nothing();
    workdir.call(without).env("ASTRO_API_TOKEN", sandbox.token()).run().ended(4).began_nothing();
    workdir.call(without).token("  ").run().ended(4).began_nothing();
    workdir.call(without).args(&["--token-file", "nowhere"]).run().ended(4).says("nowhere").began_nothing();
    assert_eq!(sandbox.audit().requests, 0, "not one packet");
}

#[test]
fn four_with_a_token_of_yesterday_or_of_nobody() {
    let sandbox = Sandbox::new();
    let workdir = with(ONE);
    let expired = sandbox.tokens().expired.clone();
    for token in [expired.as_str(), "not.a.token", "0123456789abcdef0123456789abcdef"] {
        let run = workdir.applying(&sandbox, "roster.csv").token(token).run().ended(4).says("token");
        run.began_nothing();
    }
    sandbox.received_no_mutation();
}

#[test]
fn four_when_the_token_dies_in_mid_run() {
    for profile in [Profile::V0_25, Profile::V2] {
        let sandbox = Sandbox::with(Options { profile, ..faulty("token-dies=30") });
        let workdir = with(&roster(60, 3));
        let run = workdir.apply(&sandbox, "roster.csv", &["--timeout", "5s"]).ended(4);
        let counts = run.counts();
        assert!(run.count("not_run") > 20, "{counts:?}");
        assert_eq!(run.count("rejected"), 0, "{counts:?}");
        assert_eq!(run.summary()["stopped"]["reason"], "token_dead");
        assert_eq!(harness::records(&run.file("unprocessed.csv"), b',').len(), run.count("not_run"));
        sandbox.agrees_with(&run);
        assert!(sandbox.audit().requests < 30 + 40, "{}", sandbox.audit().requests);
    }
}

#[test]
fn five_where_nothing_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let workdir = with(ONE);
    let run = workdir
        .call(["apply", "roster.csv", "--yes", "--url", &url, "--retries", "1", "--max-wait", "1s"])
        .token("x.y.z")
        .run()
        .ended(5);
    run.began_nothing();
}

#[test]
fn five_for_a_page_that_is_not_houston() {
    for faults in ["html=100%", "foreign=100%"] {
        let sandbox = Sandbox::with(faulty(faults));
        let workdir = with(ONE);
        let run = workdir.apply(&sandbox, "roster.csv", &["--retries", "1"]).ended(5);
        run.began_nothing();
        sandbox.received_no_mutation();
    }
    let sandbox = Sandbox::new();
    let workdir = with(ONE);
    let url = sandbox.url().replace("/v1", "/v2");
    let run = workdir
        .call(["apply", "roster.csv", "--yes", "--url", &url])
        .token(sandbox.token())
        .run()
        .ended(5)
        .says("/v1");
    run.began_nothing();
}

#[test]
fn five_for_a_server_that_can_only_mail() {
    let sandbox = Sandbox::with(Options { profile: Profile::V0_23, ..Options::default() });
    let workdir = with(ONE);
    workdir.apply(&sandbox, "roster.csv", &[]).ended(5).says("--send-invites").began_nothing();
    sandbox.received_no_mutation();
    workdir.apply(&sandbox, "roster.csv", &["--send-invites"]).ended(0).began();
    assert_eq!(sandbox.audit().mails, 1);
}

#[test]
fn five_where_people_could_never_log_in() {
    let switches = Switches { local_auth: Some(true), sso: Some(false), ..Switches::default() };
    let sandbox = Sandbox::with(Options { switches, ..Options::default() });
    let workdir = with(ONE);
    workdir.apply(&sandbox, "roster.csv", &[]).ended(5).says("--bypass-local").began_nothing();
    sandbox.received_no_mutation();
    workdir.apply(&sandbox, "roster.csv", &["--bypass-local"]).ended(0).began();
    assert_eq!(sandbox.audit().mails, 0);
    workdir.write("two.csv", ONE.replace("new.hire", "other.hire"));
    workdir.apply(&sandbox, "two.csv", &["--send-invites"]).ended(0).began();
    assert_eq!(sandbox.audit().mails, 1);
}

#[test]
fn six_when_houston_refuses_rows_for_good() {
    // Refused on one row only: a stranger, where new people come from the identity provider.
    let switches = Switches { scim: true, ..Switches::default() };
    let sandbox = Sandbox::with(Options { switches, ..Options::default() });
    let known = &harness::strangers()[0];
    let workdir = with(&format!("{ONE}{known},viewer,Finance\n"));
    let run = workdir.apply(&sandbox, "roster.csv", &[]).ended(6);
    assert_eq!((run.count("added"), run.count("rejected")), (1, 1), "{:?}", run.counts());
    assert_eq!(run.summary()["exit_status"], 6);
    sandbox.agrees_with(&run);
}

#[test]
fn six_when_invalid_rows_were_skipped() {
    let sandbox = Sandbox::new();
    let workdir =
        with(&format!("{ONE}not an address,viewer,Finance\nother.hire@example.com,viewer,Nowhere\n"));
    let run = workdir.apply(&sandbox, "roster.csv", &["--skip-invalid"]).ended(6);
    assert_eq!((run.count("invited"), run.count("invalid")), (1, 2), "{:?}", run.counts());
    assert_eq!(harness::records(&run.file("errors.csv"), b',').len(), 2);
    assert_eq!(sandbox.audit().mutations_received, 1);
    sandbox.agrees_with(&run);
}

#[test]
fn eight_when_every_write_meets_a_dead_gateway() {
    let sandbox = Sandbox::with(playing(Model::Modern, faulty("write:503=100%")));
    let workdir = with(&roster(6, 2));
    let run = workdir.apply(&sandbox, "roster.csv", &["--retries", "1", "--max-wait", "2s"]).ended(8);
    let unsettled = run.count("gave_up") + run.count("in_doubt") + run.count("not_run");
    assert_eq!(unsettled, 6, "{:?}", run.counts());
    assert_eq!(sandbox.audit().mutations_applied, 0);
    sandbox.agrees_with(&run);
}

#[test]
fn eight_when_the_time_is_up() {
    let sandbox = Sandbox::with(Options { latency: Duration::from_millis(100), ..Options::default() });
    let workdir = with(&roster(60, 3));
    let flags = ["--max-duration", "500ms", "--concurrency", "2", "--timeout", "5s"];
    let run = workdir.apply(&sandbox, "roster.csv", &flags).ended(8);
    assert!(run.count("not_run") > 20, "{:?}", run.counts());
    assert_eq!(run.count("in_doubt") + run.count("gave_up"), 0, "{:?}", run.counts());
    assert_eq!(run.summary()["stopped"]["reason"], "max_duration");
    sandbox.agrees_with(&run);
}

#[test]
fn eight_when_too_many_rows_in_a_row_end_badly() {
    let switches = Switches { scim: true, ..Switches::default() };
    let sandbox = Sandbox::with(Options { switches, ..Options::default() });
    let workdir = Workdir::new();
    let mut text = String::from("email,role,workspace\n");
    for place in 0..60 {
        writeln!(text, "new.hire{place}@example.com,viewer,Finance").unwrap();
    }
    workdir.write("roster.csv", text);
    let flags = ["--max-errors", "5", "--concurrency", "2", "--timeout", "5s"];
    let run = workdir.apply(&sandbox, "roster.csv", &flags).ended(8);
    assert!((5..=12).contains(&run.count("rejected")), "{:?}", run.counts());
    assert_eq!(run.count("rejected") + run.count("not_run"), 60, "{:?}", run.counts());
    assert_eq!(run.summary()["stopped"]["reason"], "max_errors");
    sandbox.agrees_with(&run);
}

#[test]
fn eight_when_houston_asks_for_more_patience_than_there_is() {
    let sandbox = Sandbox::with(faulty("write:429=#5-99:1h"));
    let workdir = with(&roster(30, 2));
    let run = workdir.apply(&sandbox, "roster.csv", &["--timeout", "5s"]).ended(8);
    assert!(run.count("not_run") >= 15, "{:?}", run.counts());
    assert_eq!(run.summary()["stopped"]["reason"], "max_wait");
    sandbox.agrees_with(&run);
    assert!(sandbox.audit().mutations_received < 5 + 16, "never retried early");
}

#[test]
fn ten_when_a_plan_has_changes_and_that_was_asked_for() {
    let sandbox = Sandbox::new();
    let workdir = with(ONE);
    workdir.call(["plan", "roster.csv"]).to(&sandbox).run().ended(0).began_nothing();
    workdir.call(["plan", "roster.csv", "--detailed-exitcode"]).to(&sandbox).run().ended(10).began_nothing();
    workdir.call(["apply", "roster.csv", "--dry-run"]).to(&sandbox).run().ended(0).began_nothing();
    sandbox.received_no_mutation();
    workdir.apply(&sandbox, "roster.csv", &[]).ended(0).began();
    workdir.call(["plan", "roster.csv", "--detailed-exitcode"]).to(&sandbox).run().ended(0).began_nothing();
}

#[test]
fn the_status_for_unchanged_replaces_zero_only() {
    let sandbox = Sandbox::new();
    let workdir = with(ONE);
    let flag = ["--exit-code-unchanged", "99"];
    let run = workdir.apply(&sandbox, "roster.csv", &flag).ended(0);
    assert_eq!(run.count("invited"), 1);
    workdir.apply(&sandbox, "roster.csv", &flag).ended(99).began();
    workdir.call(["plan", "roster.csv"]).args(&flag).to(&sandbox).run().ended(99).began_nothing();
    workdir.write("bad.csv", "email,role,workspace\nx,y,z\n");
    workdir.apply(&sandbox, "bad.csv", &flag).ended(3).began_nothing();
}

#[test]
fn signals_drain_the_run_and_leave_reports() {
    for (signal, status, reason) in [("INT", 130, "interrupted"), ("TERM", 143, "terminated")] {
        let sandbox = Sandbox::with(Options { latency: Duration::from_millis(150), ..Options::default() });
        let workdir = with(&roster(80, 3));
        let mut running = workdir
            .applying(&sandbox, "roster.csv")
            .args(&["--rate", "none", "--concurrency", "4", "--grace", "10s"])
            .start();
        running.await_entries("intent", 10);
        running.signal(signal);
        let run = running.finish().ended(status);
        assert!(run.count("not_run") > 20, "{:?}", run.counts());
        assert_eq!(run.count("in_doubt") + run.count("gave_up"), 0, "{:?}", run.counts());
        assert_eq!(run.summary()["stopped"]["reason"], reason);
        assert_eq!(run.summary()["exit_status"], status);
        sandbox.agrees_with(&run);
    }
}

/// Waits until the sandbox sits on all the writes that may be in flight.
fn hangs(sandbox: &Sandbox) {
    harness::until("four requests that hang", || {
        (sandbox.audit().faults.get("timeout").copied().unwrap_or(0) >= 4).then_some(())
    });
}

#[test]
fn a_signal_waits_no_longer_than_its_grace() {
    let watch = Stopwatch::take();
    let sandbox =
        Sandbox::with(Options { latency: Duration::from_millis(20), ..faulty("write:timeout=#8-99:40s") });
    let workdir = with(&roster(80, 3));
    let running = workdir
        .applying(&sandbox, "roster.csv")
        .args(&["--rate", "none", "--concurrency", "4", "--grace", "300ms"])
        .start();
    hangs(&sandbox);
    running.signal("INT");
    let run = running.finish().ended(130);
    run.is_within(Duration::from_secs(20), &watch);
    assert!(run.count("in_doubt") > 0, "{:?}", run.counts());
    sandbox.agrees_with(&run);
}

#[test]
fn a_second_signal_leaves_at_once() {
    let watch = Stopwatch::take();
    let sandbox =
        Sandbox::with(Options { latency: Duration::from_millis(20), ..faulty("write:timeout=#8-99:40s") });
    let workdir = with(&roster(80, 3));
    let running = workdir
        .applying(&sandbox, "roster.csv")
        .args(&["--rate", "none", "--concurrency", "4", "--grace", "50s"])
        .start();
    hangs(&sandbox);
    running.signal("INT");
    harness::until("word of the first signal", || running.stderr().contains("stopping").then_some(()));
    running.signal("INT");
    let run = running.finish().ended(130).says("unconfirmed");
    run.is_within(Duration::from_secs(20), &watch);
}

#[test]
fn a_signal_before_anything_was_sent_needs_no_grace() {
    let watch = Stopwatch::take();
    let sandbox = Sandbox::with(faulty("read:timeout=100%:40s"));
    let workdir = with(ONE);
    let running = workdir.applying(&sandbox, "roster.csv").start();
    harness::until("the first request", || (sandbox.audit().requests > 0).then_some(()));
    running.signal("TERM");
    let run = running.finish().ended(143).says("nothing was sent");
    run.began_nothing();
    run.is_within(Duration::from_secs(20), &watch);
}

#[test]
fn help_and_version_are_no_mistakes() {
    let workdir = Workdir::new();
    for arguments in [["--help", "-h"], ["apply", "--help"], ["sandbox", "--help"]] {
        let run = workdir.run(arguments).ended(0);
        assert!(run.stdout.contains("Usage"), "{}", run.stdout);
    }
    assert!(workdir.run(["--version"]).ended(0).stdout.starts_with("houston-onboard "));
    assert!(workdir.run(["--help"]).ended(0).stdout.contains("130, 143"));
}

#[test]
fn one_where_standard_output_takes_nothing_and_no_change_where_standard_error_does() {
    let workdir = with("email,role,workspace\na@example.com,viewer,Finance\n");
    let run = workdir.run(["apply", "roster.csv", "--sandbox", "--yes"]).ended(0);
    run.began();
    let sandbox = ["--sandbox", "--progress", "none"];
    let mut calls: Vec<Vec<&str>> = vec![vec!["template"], vec!["report", "--list"]];
    calls.extend([vec!["--help"], vec!["--version"], vec!["plan", "--help"]]);
    calls.push([&["doctor"][..], &sandbox].concat());
    for format in ["human", "csv", "json", "jsonl", "md", "junit"] {
        calls.push(vec!["validate", "roster.csv", "--format", format]);
        calls.push(vec!["report", "--format", format]);
    }
    for format in ["human", "csv", "json", "md"] {
        calls.push([&["plan", "roster.csv", "--format", format][..], &sandbox].concat());
    }
    for format in ["csv", "json"] {
        calls.push([&["export", "--format", format][..], &sandbox].concat());
    }
    let redirected = |call: &[&str], to: &str| {
        let script = format!("exec \"$0\" \"$@\" {to}");
        workdir.call(call).through(&["sh", "-c", &script]).run()
    };
    for call in calls {
        let _ = redirected(&call, ">/dev/full").ended(1).says("No space left");
        for to in ["2>/dev/full", "2>&-", ">&-", ">&- 2>&-"] {
            let _ = redirected(&call, to).ended(0);
        }
    }
    let apply = [&["apply", "roster.csv", "--yes"][..], &sandbox].concat();
    for to in [">/dev/full", "2>/dev/full", ">/dev/full 2>&1", ">&- 2>&-"] {
        let _ = redirected(&apply, to).ended(0);
    }
    workdir.write("roster.csv", "email,role,workspace\na@example.com,boss,Finance\n");
    let _ = redirected(&["validate", "roster.csv"], "2>/dev/full").ended(3);
}
