//! What the program writes for other programs: summaries, metrics, and the schemas of its JSON.

#![cfg(all(feature = "sandbox", unix))]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use houston_onboard::report::schemas;
use houston_onboard::sandbox::{Faults, Options};
use serde_json::Value;

use crate::harness::tools::{has, passes};
use crate::harness::{Finished, Sandbox, Workdir, faulty, roster, until};

const FILES: [&str; 4] = ["--summary-file", "s.json", "--metrics-file", "m.prom"];

fn with(content: impl AsRef<[u8]>) -> Workdir {
    let workdir = Workdir::new();
    workdir.write("roster.csv", content);
    workdir
}

/// The summary file, which has the exit status that the program ended with, and is one line of at most
/// 4 KiB that fits its schema.
#[track_caller]
fn summary(workdir: &Workdir, run: &Finished) -> Value {
    let text = fs::read_to_string(workdir.path().join("s.json")).unwrap();
    assert!(text.len() <= 4096 && text.lines().count() == 1, "{} bytes: {text}", text.len());
    let value: Value = serde_json::from_str(&text).unwrap();
    fits("summary-file", &value);
    assert_eq!(value["exit_status"], run.status.unwrap(), "{}", run.stderr);
    value
}

fn metrics(workdir: &Workdir) -> String {
    fs::read_to_string(workdir.path().join("m.prom")).unwrap()
}

#[track_caller]
fn fits(schema: &str, value: &Value) {
    let text = schemas::find(schema).unwrap_or_else(|| panic!("no schema {schema}"));
    let validator = jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap();
    let problems: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(problems.is_empty(), "{schema}: {problems:#?}\n{value:#}");
}

#[track_caller]
fn lines_fit(schema: &str, text: &str) {
    assert!(!text.is_empty(), "{schema}");
    text.lines().for_each(|line| fits(schema, &serde_json::from_str(line).unwrap()));
}

#[test]
fn every_exit_status_has_a_summary_with_what_is_known() {
    let sandbox = Sandbox::new();
    let workdir = with(roster(6, 2));
    let applying = |more: &[&str]| workdir.applying(&sandbox, "roster.csv").quick().args(&FILES).args(more);

    let run = workdir.call(["plan", "roster.csv"]).to(&sandbox).args(&FILES).run().ended(0);
    let found = summary(&workdir, &run);
    assert_eq!((&found["command"], &found["error"]), (&"plan".into(), &Value::Null));
    assert_eq!(found["plan"]["counts"]["add"], 6);
    assert_eq!(
        (&found["plan"]["changes_pending"], &found["plan"]["guard"]),
        (&true.into(), &"passed".into())
    );

    let flags = [&["plan", "roster.csv", "--detailed-exitcode", "--out", "plan.json"][..], &FILES].concat();
    let run = workdir.call(flags).to(&sandbox).run().ended(10);
    let digest =
        serde_json::from_str::<Value>(&fs::read_to_string(workdir.path().join("plan.json")).unwrap())
            .unwrap()["digest"]
            .clone();
    assert_eq!(summary(&workdir, &run)["plan_digest"], digest);

    let run = workdir.call(["apply", "roster.csv"]).to(&sandbox).args(&FILES).run().ended(2);
    assert!(summary(&workdir, &run)["error"]["text"].as_str().unwrap().contains("confirmation required"));

    let run = applying(&["--column", "email=nothing"]).run().ended(3);
    assert!(summary(&workdir, &run)["error"]["text"].is_string());

    let run = applying(&[]).token("a.b.c").run().ended(4);
    assert!(!summary(&workdir, &run)["error"]["text"].as_str().unwrap().contains("a.b.c"));

    let run = workdir.call(["apply", "roster.csv", "--yes", "--url", "http://127.0.0.1:1/v1"]).token("a.b.c");
    let run = run.args(&["--max-wait", "0s", "--retries", "0"]).args(&FILES).run();
    assert!(summary(&workdir, &run.ended(5))["error"]["text"].is_string());

    let run = applying(&[]).run().ended(0);
    let found = summary(&workdir, &run);
    assert_eq!(
        (&found["counts"]["added"], &found["state"]),
        (&run.summary()["counts"]["added"], &"closed".into())
    );
    assert_eq!(found["run"], run.summary()["run"]);

    let flags = [&["resume", "--yes", "--token-file", "none"][..], &FILES].concat();
    let run = workdir.call(flags).run();
    assert_eq!(summary(&workdir, &run.ended(0))["command"], "resume");
}

#[test]
fn what_keeps_arguments_and_settings_from_being_read_is_in_the_files() {
    let workdir = with(roster(2, 1));
    workdir.write("bad.toml", "rat = \"10/s\"\n");
    let old = "{\"command\":\"apply\",\"error\":null,\"schema_version\":1,\"exit_status\":0}\n";
    let cases: [(&[&str], &str); 8] = [
        (&["apply", "roster.csv", "--bogus"], "unexpected argument '--bogus'"),
        (&["apply"], "<ROSTER>"),
        (&["plan", "roster.csv", "--rate", "nonsense"], "nonsense"),
        (&["apply", "roster.csv", "--shard", "3/2"], "3/2"),
        (&["resume", "--progress", "wrong"], "wrong"),
        (&["apply", "roster.csv", "--config", "gone.toml"], "gone.toml"),
        (&["apply", "roster.csv", "--config", "bad.toml"], "bad.toml:1"),
        (&["plan", "roster.csv", "--explain", "a@example.com", "--format", "csv"], "--explain"),
    ];
    for (line, said) in cases {
        for by_variable in [false, true] {
            workdir.write("s.json", old);
            workdir.write("m.prom", "");
            let call = workdir.call(line);
            let call = if by_variable {
                call.env("HOUSTON_ONBOARD_SUMMARY_FILE", "s.json")
                    .env("HOUSTON_ONBOARD_METRICS_FILE", "m.prom")
            } else {
                call.args(&["--summary-file=s.json", "--metrics-file", "m.prom"])
            };
            let run = call.run().ended(2);
            let found = summary(&workdir, &run);
            assert_eq!(found["command"], line[0]);
            assert!(found["error"]["text"].as_str().unwrap().contains(said), "{line:?}: {found}");
            assert!(metrics(&workdir).contains("houston_onboard_exit_status 2\n"), "{line:?}");
        }
    }
    let run = workdir.call(["apply", "roster.csv"]).env("HOUSTON_ONBOARD_PRUNE", "maybe").args(&FILES).run();
    let found = summary(&workdir, &run.ended(2));
    assert!(found["error"]["text"].as_str().unwrap().contains("HOUSTON_ONBOARD_PRUNE"), "{found}");
}

#[test]
fn arguments_that_are_not_understood_replace_no_other_file() {
    let workdir = with(roster(2, 1));
    let text = fs::read_to_string(workdir.path().join("roster.csv")).unwrap();
    for flags in [["--summary-file", "roster.csv"], ["--metrics-file", "roster.csv"]] {
        workdir.call(["apply", "roster.csv", "--bogus"]).args(&flags).run().ended(2).began_nothing();
        assert_eq!(fs::read_to_string(workdir.path().join("roster.csv")).unwrap(), text);
    }
    for line in [&["apply", "--help"][..], &["validate", "--bogus"], &["--version"], &["--bogus"]] {
        workdir.call(line).args(&FILES[..2]).run().began_nothing();
        assert!(!workdir.path().join("s.json").exists(), "{line:?}");
    }
}

#[test]
fn a_guard_that_refuses_is_in_the_summary() {
    let sandbox = Sandbox::new();
    let workdir = with(roster(30, 1));
    workdir.apply(&sandbox, "roster.csv", &[]).ended(0).began();
    workdir.write("roster.csv", roster(2, 1));
    for command in ["plan", "apply"] {
        let yes: &[&str] = if command == "apply" { &["--yes"] } else { &[] };
        let call = workdir.call([command, "roster.csv", "--prune"]).to(&sandbox).quick().args(&FILES);
        let found = summary(&workdir, &call.args(yes).run().ended(7));
        assert_eq!(found["plan"]["guard"], "refused");
        assert!(found["plan"]["counts"]["remove"].as_u64() > Some(10), "{found}");
    }
}

#[test]
fn a_signal_leaves_a_summary_in_every_phase() {
    // In the middle of a run, which then ends in order; and twice, which ends it at once.
    for signals in [1, 2] {
        let sandbox = Sandbox::with(faulty("write:timeout=100%"));
        let workdir = with(roster(8, 2));
        let mut running = workdir
            .applying(&sandbox, "roster.csv")
            .args(&["--timeout", "60s", "--grace", if signals == 1 { "0s" } else { "60s" }])
            .args(&FILES)
            .start();
        running.await_entries("intent", 1);
        running.signal("TERM");
        if signals == 2 {
            until("the first signal to be taken", || running.stderr().contains("stopping").then_some(()));
            running.signal("TERM");
        }
        let run = running.finish().ended(143);
        let found = summary(&workdir, &run);
        assert_eq!(found["state"], if signals == 1 { "closed" } else { "broken_off" }, "{found}");
        assert_eq!(found["run"], run.folder().file_name().unwrap().to_str().unwrap());
        assert!(found["counts"].is_object() && found["folder"].is_string(), "{found}");
        if signals == 2 {
            assert!(found["unsettled"].as_u64() > Some(0), "{found}");
            assert!(found["counts"].get("not_run").is_none(), "{found}");
            assert!(found["error"]["hint"].as_str().unwrap().contains("houston-onboard resume"), "{found}");
        }
        assert!(metrics(&workdir).contains("houston_onboard_exit_status 143\n"));
    }
    // Before anything is sent.
    let sandbox =
        Sandbox::with(Options { latency: std::time::Duration::from_secs(20), ..Options::default() });
    let workdir = with(roster(2, 1));
    let running = workdir.call(["plan", "roster.csv"]).to(&sandbox).args(&FILES).start();
    until("a request", || (sandbox.audit().requests > 0).then_some(()));
    running.signal("INT");
    let run = running.finish().ended(130);
    assert!(summary(&workdir, &run)["error"]["text"].as_str().unwrap().contains("signal"));
}

#[test]
fn files_are_replaced_whole_and_a_failure_keeps_the_last_success() {
    let sandbox = Sandbox::new();
    let workdir = with(roster(3, 1));
    let stamp = |text: &str| {
        let name = "houston_onboard_last_success_timestamp_seconds ";
        text.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned)
    };
    workdir.applying(&sandbox, "roster.csv").quick().args(&FILES).run().ended(0).began();
    let good = metrics(&workdir);
    assert!(stamp(&good).is_some() && good.contains("houston_onboard_rows{status=\"added\"} "), "{good}");
    workdir
        .applying(&sandbox, "roster.csv")
        .quick()
        .args(&FILES)
        .token("a.b.c")
        .run()
        .ended(4)
        .began_nothing();
    let bad = metrics(&workdir);
    assert_eq!(stamp(&bad), stamp(&good));
    assert!(bad.contains("houston_onboard_exit_status 4\n"), "{bad}");
    let mode = |name| fs::metadata(workdir.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("s.json"), mode("m.prom")), (0o600, mode("roster.csv") & 0o644));
    if has("promtool") {
        passes("promtool", &["check", "metrics"], &workdir.path().join("m.prom"));
    }
}

#[test]
fn a_device_is_written_in_place_and_a_file_that_is_read_is_not_replaced() {
    let sandbox = Sandbox::new();
    let workdir = with(roster(3, 1));
    let files = ["--summary-file", "/dev/stdout", "--metrics-file", "/dev/null"];
    let run = workdir.call(["plan", "roster.csv"]).to(&sandbox).args(&files).run().ended(0);
    let last = run.stdout.lines().last().unwrap();
    fits("summary-file", &serde_json::from_str(last).unwrap());

    for flags in [["--summary-file", "roster.csv"], ["--metrics-file", "roster.csv"]] {
        let run = workdir.call(["plan", "roster.csv"]).to(&sandbox).args(&flags).run().ended(2);
        assert!(run.stderr.contains("names the roster"), "{}", run.stderr);
    }
    for (flag, name) in [
        ("--token-file", "token"),
        ("--config", "settings.toml"),
        ("--ca-file", "ca.pem"),
        ("--role-map", "roles.csv"),
        ("--workspace-map", "spaces.csv"),
        ("--audit-key-file", "key"),
        ("--sandbox-state", "state.csv"),
    ] {
        workdir.write(name, "");
        for output in ["--summary-file", "--metrics-file", "--out"] {
            let command = if flag == "--audit-key-file" { "apply" } else { "plan" };
            if command == "apply" && output == "--out" {
                continue;
            }
            let run = workdir.run([command, "roster.csv", "--sandbox", flag, name, output, name]).ended(2);
            assert!(run.stderr.contains(&format!("{output} names {flag}")), "{}", run.stderr);
        }
        assert_eq!(fs::read_to_string(workdir.path().join(name)).unwrap(), "", "{name}");
    }
    let run =
        workdir.run(["export", "--token-file", "token", "--output", "token", "--domain", "a.example.com"]);
    drop(run.ended(2).says("--output names --token-file"));
    let both = ["--summary-file", "x", "--metrics-file", "x"];
    workdir.call(["plan", "roster.csv"]).to(&sandbox).args(&both).run().ended(2).began_nothing();
    let gone = ["--summary-file", "gone/s.json"];
    let run = workdir.applying(&sandbox, "roster.csv").args(&gone).run().ended(1).says("gone/s.json");
    run.began_nothing();
    sandbox.received_no_mutation();
}

#[test]
fn all_json_fits_its_schema() {
    let sandbox = Sandbox::new();
    let workdir = with(roster(20, 3));
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let to = |arguments: &[&str]| workdir.call(arguments).to(&sandbox).quick().run();

    fits("doctor", &json(&to(&["doctor", "roster.csv", "--format", "json"]).stdout));
    let plan =
        to(&["plan", "roster.csv", "--format", "json", "--invites-older-than", "1d", "--out", "plan.json"]);
    fits("plan", &json(&plan.ended(0).stdout));
    let saved = json(&fs::read_to_string(workdir.path().join("plan.json")).unwrap());
    fits("saved-plan", &saved);
    let email = saved["rows"][0]["email"].as_str().unwrap_or("person.0@example.com");
    let told = json(&to(&["plan", "roster.csv", "--format", "json", "--explain", email]).ended(0).stdout);
    fits("explain", &told);
    assert!(told["explained"][0]["request"]["document"].is_string(), "{told}");
    assert_eq!(saved["counts"]["add"], 20);

    sandbox.set_faults("429=10%,503=10%".parse().unwrap());
    let run = to(&["apply", "--plan", "plan.json", "--yes"]).ended(0).says("20 to add");
    sandbox.set_faults(Faults::default());
    lines_fit("journal-entry", &run.file("journal.jsonl"));
    lines_fit("plan-line", &run.file("plan.jsonl"));
    fits("summary", &run.summary());
    fits("saved-plan", &json(&run.file("undo.json")));

    workdir.write("two.csv", roster(2, 1) + "not an address,viewer,Finance\n");
    let pruning =
        ["apply", "two.csv", "--yes", "--skip-invalid", "--update-roles", "--prune", "--max-remove", "1"];
    let run = to(&[&pruning[..], &["--on-guard", "skip-removals"]].concat());
    lines_fit("journal-entry", &run.file("journal.jsonl"));
    lines_fit("plan-line", &run.file("plan.jsonl"));
    fits("plan", &json(&to(&["plan", "two.csv", "--format", "json", "--skip-invalid", "--prune"]).stdout));
    fits("summary", &json(&workdir.run(["report", "--format", "json"]).stdout));
    lines_fit("report-row", &workdir.run(["report", "--format", "jsonl"]).stdout);
    fits("list", &json(&workdir.run(["report", "--list", "--format", "json"]).stdout));

    fits("validate", &json(&workdir.run(["validate", "two.csv", "--format", "json"]).stdout));
    lines_fit("validate-line", &workdir.run(["validate", "two.csv", "--format", "jsonl"]).stdout);
    fits("export", &json(&to(&["export", "--format", "json"]).ended(0).stdout));
    fits("version", &json(&workdir.run(["version", "--format", "json"]).ended(0).stdout));
    let shown = ["config", "show", "--format", "json", "--protect", "a@example.com", "--prune"];
    fits("config", &json(&workdir.run(shown).ended(0).stdout));
    for (name, _) in schemas::ALL {
        assert_eq!(Some(workdir.run(["schema", name]).ended(0).stdout), schemas::find(name));
        assert!(workdir.run(["schema"]).ended(0).stdout.contains(name));
    }
    workdir.run(["schema", "nothing"]).ended(2).says("`schema` lists the names").began_nothing();
}

#[test]
fn test_runners_take_the_xml() {
    let sandbox = Sandbox::new();
    let workdir = with(roster(4, 2) + "\"<b>&\u{1}\"\"\",viewer,Finance\n");
    workdir.apply(&sandbox, "roster.csv", &["--skip-invalid"]).ended(6).began();
    for (name, arguments) in [
        ("report.xml", &["report", "--format", "junit"][..]),
        ("validate.xml", &["validate", "roster.csv", "--format", "junit"]),
    ] {
        let file = workdir.write(name, workdir.run(arguments).stdout);
        if has("xmllint") {
            passes("xmllint", &["--noout", "-"], &file);
        }
    }
}

#[test]
fn a_saved_plan_whose_counts_are_not_those_of_its_rows_is_refused() {
    let sandbox = Sandbox::new();
    let workdir = with(roster(3, 1));
    workdir.call(["plan", "roster.csv", "--out", "plan.json"]).to(&sandbox).run().ended(0).began_nothing();
    let text = fs::read_to_string(workdir.path().join("plan.json")).unwrap();
    workdir.write("plan.json", text.replace("\"add\":3", "\"add\":1"));
    let run = workdir.call(["apply", "--plan", "plan.json", "--yes"]).to(&sandbox).run().ended(3);
    assert!(run.says("the plan was modified after it was saved").folder.is_none());
    sandbox.received_no_mutation();
}

/// The lines of a log, which fit their schema.
#[track_caller]
fn log_of(run: &Finished) -> Vec<Value> {
    lines_fit("log", &run.stderr);
    run.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_log_collector_sees_nothing_but_objects() {
    let sandbox = Sandbox::new();
    let workdir = with(roster(10, 2) + "not an address,viewer,Finance\n");
    let json = ["--log-format", "json"];
    let events = |lines: &[Value]| -> Vec<String> {
        lines.iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect()
    };

    sandbox.set_faults("503=20%".parse().unwrap());
    let applying = workdir.applying(&sandbox, "roster.csv").quick().args(&json);
    let run = applying.args(&["--skip-invalid", "-v", "--insecure"]).run().ended(6);
    sandbox.set_faults(Faults::default());
    let lines = log_of(&run);
    let found = events(&lines);
    for event in ["message", "planned", "phase_finished", "row", "reports_written", "summary"] {
        assert!(found.iter().any(|one| one == event), "{event}: {found:?}");
    }
    let texts: Vec<_> = lines.iter().map(|line| line["text"].as_str().unwrap()).collect();
    assert!(
        texts.iter().any(|text| text.contains(", attempt 1: ") && text.contains("HTTP 503")),
        "{texts:#?}"
    );
    assert!(texts.iter().any(|text| text.contains("certificates are not verified")), "{texts:#?}");
    assert_eq!(lines.last().unwrap()["summary"]["counts"]["added"], run.count("added"));
    assert_eq!(run.stdout, "", "the summary is in the log");

    // Errors of every kind, also of the command line and of a variable.
    for (arguments, status) in [
        (&["apply", "roster.csv", "--log-format=json"][..], 2),
        (&["apply", "--bogus", "--log-format", "json"], 2),
        (&["plan", "gone.csv", "--sandbox", "--log-format", "json"], 3),
        (&["resume", "--log-format", "json", "--runs-dir", "gone"], 2),
        (&["validate", "roster.csv", "--log-format", "json"], 3),
    ] {
        let run = workdir.run(arguments);
        assert!(run.status == Some(status) || status == 3, "{arguments:?}: {}", run.stderr);
        assert!(!log_of(&run).is_empty());
        let errors = log_of(&run).into_iter().filter(|line| line["event"] == "error");
        let statuses: Vec<Value> = errors.map(|line| line["exit_status"].clone()).collect();
        assert!(arguments[0] == "validate" || statuses == [status], "{arguments:?}: {}", run.stderr);
    }
    workdir.write("json.toml", "log-format = \"json\"\nrat = \"10/s\"\n");
    let run = workdir.run(["plan", "roster.csv", "--config", "json.toml"]).ended(2);
    assert!(log_of(&run).iter().any(|line| line["event"] == "error" && line["exit_status"] == 2));
    let run = workdir.call(["plan", "roster.csv"]).env("HOUSTON_ONBOARD_LOG_FORMAT", "json");
    let run = run.env("HOUSTON_ONBOARD_BOGUS", "1").run();
    assert!(log_of(&run).iter().any(|line| line["level"] == "error"));
}

#[test]
fn a_quiet_success_says_nothing_and_a_talkative_one_has_a_line_for_every_attempt() {
    let sandbox = Sandbox::new();
    let workdir = with(roster(6, 2));
    for flags in [&["-q"][..], &["-q", "--log-format", "json"]] {
        for command in [&["plan", "roster.csv", "--out", "plan.json"][..], &["apply", "roster.csv", "--yes"]]
        {
            let run = workdir.call(command).to(&sandbox).quick().args(flags).run().ended(0);
            // The digest of a saved plan is a result.
            let digests = usize::from(command[0] == "plan");
            assert_eq!(run.stderr.lines().count(), digests, "{command:?}: {}", run.stderr);
            assert_eq!(run.stderr.matches("digest: ").count(), digests, "{command:?}: {}", run.stderr);
        }
        let run = workdir.run(["validate", "roster.csv", "-q"]).ended(0);
        assert_eq!((run.stdout, run.stderr), (String::new(), String::new()));
    }
    workdir.run(["apply", "gone.csv", "--sandbox", "--yes", "-q"]).ended(3).says("gone.csv").began_nothing();

    workdir.write("roster.csv", roster(12, 2));
    sandbox.set_faults("html=30%".parse().unwrap());
    let run = workdir.applying(&sandbox, "roster.csv").quick().args(&["-v"]).run();
    let attempts: Vec<_> = run.stderr.lines().filter(|line| line.contains(", attempt ")).collect();
    assert!(
        !attempts.is_empty() && attempts.iter().all(|line| line.len() < 300 && !line.contains('<')),
        "{attempts:#?}"
    );
    for row in run.rows().iter().filter(|row| row["status"] == "added") {
        assert!(run.stderr.contains(&format!("roster.csv:{}: added", row["line"])), "{}", run.stderr);
    }
}
