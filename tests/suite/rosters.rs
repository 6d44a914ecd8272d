//! Rosters as people have them: the samples, odd orders, standard input, and our own reports fed
//! back.

#![cfg(feature = "sandbox")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use crate::harness::{Finished, Row, Sandbox, Workdir, faulty, records, root, roster, sample};
use houston_onboard::sandbox::Options;

/// The columns that a run adds.
const OURS: [&str; 7] =
    ["line", "status", "resolved_workspace_id", "detail", "attempts", "elapsed_ms", "error_code"];

/// Asserts that `results.csv` accounts for the input: a line per row, in its order, the caller's
/// columns first, and the failures and the rest in their own files.
#[track_caller]
fn accounts_for(run: &Finished, input: &str, delimiter: u8) {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(input.trim_start_matches('\u{feff}').as_bytes());
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let blank = |record: &csv::StringRecord| record.iter().all(|cell| cell.trim().is_empty());
    let cells: Vec<Vec<String>> = reader
        .records()
        .map(|record| record.unwrap())
        .filter(|record| !blank(record))
        .map(|record| record.iter().map(defused).collect())
        .collect();

    let text = run.file("results.csv");
    assert_eq!(text.starts_with('\u{feff}'), input.starts_with('\u{feff}'));
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
    let mut expected = header.clone();
    expected.extend(OURS.map(str::to_owned));
    assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), expected);
    let rows: Vec<Vec<String>> =
        reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
    let theirs: Vec<&[String]> = rows.iter().map(|row| &row[..header.len()]).collect();
    assert_eq!(theirs, cells);
    let lines: Vec<u32> = rows.iter().map(|row| row[header.len()].parse().unwrap()).collect();
    assert!(lines.windows(2).all(|pair| pair[0] < pair[1]), "{lines:?}");

    let failed = ["rejected", "invalid", "gave_up", "in_doubt"];
    let of = |wanted: &dyn Fn(&str) -> bool| -> Vec<Vec<String>> {
        let kept = rows.iter().filter(|row| wanted(&row[header.len() + 1]));
        kept.map(|row| row[..header.len()].to_vec()).collect()
    };
    assert_eq!(plain(&run.file("errors.csv"), delimiter), of(&|status| failed.contains(&status)));
    assert_eq!(plain(&run.file("unprocessed.csv"), delimiter), of(&|status| status == "not_run"));
}

/// A cell as reports have it.
fn defused(cell: &str) -> String {
    if cell.trim_start().starts_with(['=', '+', '-', '@']) || cell.starts_with(['\n', '\r', '\t']) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

/// The rows of a CSV file below its header.
fn plain(text: &str, delimiter: u8) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn the_good_samples_pass_and_the_bad_one_does_not() {
    let workdir = Workdir::new();
    let run = workdir.run(["validate", &sample("team.csv")]).ended(0);
    assert!(run.stdout.contains("200 rows"), "{}", run.stdout);
    let run = workdir.run(["validate", &sample("messy.csv")]).ended(0);
    assert!(run.stdout.contains("16 rows"), "{}", run.stdout);
    let _ = workdir.run(["validate", &sample("bad.csv")]).ended(3);
}

#[test]
fn the_first_command_of_the_readme_works() {
    let workdir = Workdir::new();
    let team = sample("team.csv");
    let run = workdir.run(["apply", &team, "--sandbox", "--yes"]).ended(0);
    assert_eq!(run.count("added") + run.count("invited"), 200, "{:?}", run.counts());
    assert_eq!(run.summary()["sandbox"], true);
    accounts_for(&run, &fs::read_to_string(&team).unwrap(), b',');
    assert_eq!(fs::read(run.folder().join("roster.csv")).unwrap(), fs::read(&team).unwrap());
    let plan = workdir.run(["plan", &team, "--sandbox"]).ended(0);
    assert!(plan.stdout.contains("200 to add"), "{}", plan.stdout);
    plan.began_nothing();
}

#[test]
fn the_messy_sample_is_carried_out() {
    let sandbox = Sandbox::new();
    let workdir = Workdir::new();
    let messy = sample("messy.csv");
    let run = workdir.apply(&sandbox, &messy, &["--timeout", "5s"]).ended(0);
    assert_eq!(run.count("merged"), 1, "{:?}", run.counts());
    assert_eq!(run.count("added") + run.count("invited"), 15, "{:?}", run.counts());
    accounts_for(&run, &fs::read_to_string(&messy).unwrap(), b';');
    sandbox.agrees_with(&run);
    let again = workdir.apply(&sandbox, &messy, &["--timeout", "5s"]).ended(0);
    assert_eq!(sandbox.audit().mutations_received, 15, "{:?}", again.counts());
    let embedded = workdir.run(["apply", &messy, "--sandbox", "--yes"]).ended(0);
    assert_eq!(embedded.counts(), run.counts());
}

#[test]
fn the_bad_sample_has_every_kind_of_issue_at_its_place() {
    let workdir = Workdir::new();
    workdir.write("bad.csv", fs::read(sample("bad.csv")).unwrap());
    let run = workdir.run(["validate", "bad.csv", "--format", "csv"]).ended(3);
    let places: Vec<String> = records(&run.stdout, b',')
        .iter()
        .map(|issue| format!("{}:{}:{} {}", issue["file"], issue["line"], issue["column"], issue["kind"]))
        .collect();
    let expected = [
        "bad.csv:3:1 ragged_row",
        "bad.csv:4:42 empty_cell",
        "bad.csv:5:45 cell_too_long",
        "bad.csv:6:1 invisible_character",
        "bad.csv:7:1 look_alike",
        "bad.csv:8:1 bad_email",
        "bad.csv:9:31 unknown_role",
        "bad.csv:10:28 hosted_role",
        "bad.csv:11:26 other_role",
        "bad.csv:12:55 bad_deployment_roles",
        "bad.csv:14:27 conflict",
        "bad.csv:16:24 text_after_quote",
        "bad.csv:17:56 backslash_quote",
        "bad.csv:18:25 blank_before_quote",
        "bad.csv:19:1 quoted_twice",
        "bad.csv:20:1 other_delimiter",
        "bad.csv:21:1 odd_address",
    ];
    assert_eq!(places, expected);
    // For people the same places, one line each; and `apply` says the same and sends nothing.
    let human = workdir.run(["validate", "bad.csv"]).ended(3);
    let sandbox = Sandbox::new();
    let apply = workdir.apply(&sandbox, "bad.csv", &[]).ended(3);
    for place in expected {
        let place = format!("{}: ", place.split(' ').next().unwrap());
        for run in [&human, &apply] {
            assert_eq!(run.stderr.matches(&place).count(), 1, "{place}: {}", run.stderr);
        }
    }
    assert_eq!(sandbox.audit().requests, 0, "not one packet");
    apply.began_nothing();
}

#[test]
fn the_good_rows_of_the_bad_sample_can_be_had() {
    let sandbox = Sandbox::new();
    let workdir = Workdir::new();
    workdir.write("bad.csv", fs::read(sample("bad.csv")).unwrap());
    let run = workdir.apply(&sandbox, "bad.csv", &["--skip-invalid", "--timeout", "5s"]).ended(6);
    let invalid = run.count("invalid");
    assert!(invalid >= 17, "{:?}", run.counts());
    assert_eq!(run.rows().len(), 20);
    assert_eq!(records(&run.file("errors.csv"), b',').len(), invalid);
    assert_eq!(sandbox.audit().mutations_received, 20 - invalid as u64);
    sandbox.agrees_with(&run);
}

#[test]
fn a_file_that_cannot_be_read_gets_one_sentence_and_not_one_packet() {
    let sandbox = Sandbox::new();
    for (name, says) in [
        ("broken_header.csv", "1:1: the whole line is one quoted cell"),
        ("every_row.csv", "2:1: all 2 rows have the same error: the row is separated by commas"),
        ("header_further_down.csv", "3:1: the header begins here"),
        ("duplicate_header.csv", "1:22: `email` and `User` both mean"),
        ("empty_file.csv", "1:1: the file is empty"),
        ("missing_column.csv", "1:1: the column `email` is missing"),
        ("missing_header.csv", "1:1: the file has no header row"),
        ("no_rows.csv", "1:1: the file has a header but no rows"),
        ("not_text.csv", "1:1: this is a spreadsheet or an archive"),
        ("not_utf8.csv", "3:56: the byte 0xE9 is not UTF-8"),
        ("nul_byte.csv", "3:46: a NUL byte"),
        ("unclosed_quote.csv", "3:43: the quote that opens here is not closed"),
        ("utf16.csv", "1:1: the file is in UTF-16"),
    ] {
        let workdir = Workdir::new();
        workdir.write(name, fs::read(root().join("samples/bad").join(name)).unwrap());
        let sentence = format!("{name}:{says}");
        let run = workdir.run(["validate", name]).ended(3).says(&sentence);
        assert_eq!(run.stdout, "", "{name}");
        let places = run.stderr.lines().filter(|line| line.starts_with(&format!("{name}:")));
        assert_eq!(places.filter(|line| !line.contains("problem")).count(), 1, "{}", run.stderr);
        workdir.run(["plan", name, "--url", sandbox.url()]).ended(3).says(&sentence).began_nothing();
        workdir.apply(&sandbox, name, &[]).ended(3).says(&sentence).began_nothing();
    }
    assert_eq!(sandbox.audit().requests, 0);
    let listed: BTreeSet<_> =
        fs::read_dir(root().join("samples/bad")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(listed.len(), 13, "every file of samples/bad is tried");
}

#[test]
fn standard_input_is_a_roster_too() {
    let sandbox = Sandbox::new();
    let workdir = Workdir::new();
    let input = roster(10, 2);
    let run = workdir.call(["validate", "-"]).stdin(&input).run().ended(0);
    assert!(run.stdout.contains("10 rows"), "{}", run.stdout);
    workdir.call(["apply", "-"]).to(&sandbox).stdin(&input).run().ended(2).began_nothing();
    let run = workdir.applying(&sandbox, "-").quick().stdin(&input).run().ended(0);
    accounts_for(&run, &input, b',');
    assert_eq!(run.file("roster.csv"), input);
    sandbox.agrees_with(&run);
    workdir
        .call(["validate", "-"])
        .stdin("email,role,workspace\nx,viewer,Finance\n")
        .run()
        .ended(3)
        .says(":2:1:")
        .began_nothing();
}

#[test]
fn the_template_is_a_roster() {
    let workdir = Workdir::new();
    let template = workdir.run(["template"]).ended(0).stdout;
    let _ = workdir.call(["validate", "-"]).stdin(&template).run().ended(0);
    workdir.write("roster.csv", template);
    let run = workdir.run(["apply", "roster.csv", "--sandbox", "--yes"]).ended(0);
    assert_eq!(run.rows().len(), 1);
}

#[test]
fn the_order_of_columns_does_not_matter() {
    let sandbox = Sandbox::new();
    let mut plans = BTreeSet::new();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let workdir = Workdir::new();
        let mut turned = String::new();
        for line in roster(12, 3).lines() {
            let cells: Vec<&str> = line.split(',').collect();
            let [first, second, third] = order.map(|place| cells[place]);
            writeln!(turned, "{first},extra,{second},{third}").unwrap();
        }
        workdir.write("roster.csv", turned);
        let run = workdir.call(["plan", "roster.csv", "--format", "csv"]).to(&sandbox).run().ended(0);
        plans.insert(run.stdout);
    }
    assert_eq!(plans.len(), 1, "{plans:#?}");
    let plan = records(plans.first().unwrap(), b',');
    assert_eq!(plan.len(), 12);
    assert!(plan.iter().all(|row| row["action"] == "add"), "{plan:?}");
    sandbox.received_no_mutation();
}

#[test]
fn headers_of_ones_own_and_defaults_are_taken() {
    let sandbox = Sandbox::new();
    let workdir = Workdir::new();
    workdir.write(
        "roster.csv",
        "Name|Work Email\nAda|new.hire@example.com\n\"Grace \"\"H\"\"\"|more.hire@example.com\n",
    );
    let flags =
        ["--column", "email=Work Email", "--default-role", "editor", "--default-workspace", "Finance"];
    let run = workdir.apply(&sandbox, "roster.csv", &flags).ended(0);
    let rows = run.rows();
    assert_eq!(rows[1]["Name"], "Grace \"H\"");
    assert_eq!(run.count("invited"), 2, "{:?}", run.counts());
    for entry in sandbox.audit().entries {
        assert_eq!(entry.role.as_deref(), Some("WORKSPACE_EDITOR"));
        assert_eq!(entry.workspace.as_deref(), Some("ckfinance0000000000000002"));
    }
    let header = run.file("results.csv").lines().next().unwrap().to_owned();
    assert_eq!(header, format!("Name|Work Email|{}", OURS.join("|")));
}

#[test]
fn rows_left_out_on_purpose_are_not_run_and_no_failure() {
    let sandbox = Sandbox::new();
    let workdir = Workdir::new();
    let input = roster(20, 4);
    workdir.write("roster.csv", &input);
    let run = workdir.apply(&sandbox, "roster.csv", &["--only", "workspace=Fin*", "--limit", "3"]).ended(0);
    assert_eq!(
        (run.count("added") + run.count("invited"), run.count("not_run")),
        (3, 17),
        "{:?}",
        run.counts()
    );
    accounts_for(&run, &input, b',');
    sandbox.agrees_with(&run);
    assert_eq!(sandbox.audit().mutations_received, 3);
}

#[test]
fn what_was_not_processed_is_a_roster_for_the_next_run() {
    let sandbox = Sandbox::with(faulty("token-dies=30"));
    let workdir = Workdir::new();
    let input = roster(60, 3).replace(',', ";").replace("workspace\n", "workspace;note\n");
    let mut lines = input.lines();
    let mut noted = format!("{}\n", lines.next().unwrap());
    lines.for_each(|line| writeln!(noted, "{line};=SUM(A1)").unwrap());
    workdir.write("roster.csv", &noted);
    let run = workdir.apply(&sandbox, "roster.csv", &["--timeout", "5s"]).ended(4);
    accounts_for(&run, &noted, b';');
    let left = run.count("not_run");
    assert!(left > 10, "{:?}", run.counts());
    sandbox.set_faults("".parse().unwrap());
    let rest = run.folder().join("unprocessed.csv").display().to_string();
    let second = workdir.apply(&sandbox, &rest, &["--timeout", "5s"]).ended(0);
    assert_eq!(second.rows().len(), left);
    assert!(second.rows().iter().all(|row: &Row| row["note"] == "'=SUM(A1)"));
    sandbox.agrees_with(&second);
    workdir.apply(&sandbox, "roster.csv", &["--timeout", "5s"]).ended(0).began();
    assert_eq!(sandbox.audit().mutations_applied, 60);
}

#[test]
fn what_failed_is_a_roster_for_the_next_run() {
    // Houston asks three people of Operations to wait, again and again.
    let sandbox = Sandbox::with(Options { ..faulty("write:503=@ckoperations") });
    let workdir = Workdir::new();
    let input = roster(40, 5);
    workdir.write("roster.csv", &input);
    let run = workdir
        .apply(&sandbox, "roster.csv", &["--retries", "1", "--max-wait", "1s", "--timeout", "5s"])
        .ended(8);
    accounts_for(&run, &input, b',');
    sandbox.agrees_with(&run);
    let bad = run.count("gave_up") + run.count("in_doubt");
    assert!(bad > 0 && run.count("added") > 0, "{:?}", run.counts());
    sandbox.set_faults("".parse().unwrap());
    for name in ["errors.csv", "unprocessed.csv"] {
        let path = run.folder().join(name).display().to_string();
        if !records(&run.file(name), b',').is_empty() {
            let again = workdir.apply(&sandbox, &path, &["--timeout", "5s"]).ended(0);
            sandbox.agrees_with(&again);
        }
    }
    assert_eq!(sandbox.audit().mutations_applied, 40);
}

#[test]
fn an_empty_report_file_has_its_header() {
    let sandbox = Sandbox::new();
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(4, 1));
    let run = workdir.apply(&sandbox, "roster.csv", &[]).ended(0);
    for name in ["errors.csv", "unprocessed.csv"] {
        assert_eq!(run.file(name), "email,role,workspace\n", "{name}");
    }
}

#[test]
fn issues_are_capped_and_counted() {
    let workdir = Workdir::new();
    let mut text = String::from("email,role,workspace\n");
    for place in 0..5_000 {
        writeln!(text, "person{place}@example.com,nobody,Finance").unwrap();
    }
    workdir.write("roster.csv", text);
    let run = workdir.run(["validate", "roster.csv"]).ended(3).says("5000 problems").says("roster.csv:2:");
    assert!(run.stderr.lines().count() < 1_100, "{} lines", run.stderr.lines().count());
}

#[test]
fn both_spellings_of_a_domain_are_one_member_and_the_files_own_is_sent() {
    let workdir = Workdir::new();
    for (known, named) in [
        ("ann@münchen.example", "ann@xn--mnchen-3ya.example"),
        ("ann@xn--mnchen-3ya.example", "Ann@MÜNCHEN.example"),
    ] {
        let chief = "chief@example.com,WORKSPACE_ADMIN,Payments";
        workdir.write("state.csv", format!("email,role,workspace\n{chief}\n{known},viewer,Payments\n"));
        workdir.write("r.csv", format!("email,role,workspace\n{chief}\n{named},editor,Payments\n"));
        let flags = [
            "apply",
            "r.csv",
            "--sandbox",
            "--sandbox-state",
            "state.csv",
            "--yes",
            "--update-roles",
            "--prune",
        ];
        let run = workdir.run(flags).ended(0);
        assert_eq!((run.count("unchanged"), run.count("role_updated")), (1, 1), "{}", run.stderr);
        assert_eq!(records(&run.file("removals.csv"), b',').len(), 0, "{known} {named}");
    }
    let sandbox = Sandbox::new();
    workdir.write("r.csv", "email,role,workspace\nann@münchen.example,editor,Finance\n");
    let _ = workdir.apply(&sandbox, "r.csv", &[]).ended(0);
    let sent = |email: &str| sandbox.state().users.iter().any(|user| user.emails == [email.to_owned()]);
    assert!(sent("ann@münchen.example") && !sent("ann@xn--mnchen-3ya.example"));
}

#[test]
fn addresses_that_are_none_are_carried_out_once_they_are_allowed() {
    let (workdir, sandbox) = (Workdir::new(), Sandbox::new());
    workdir.write("r.csv", "email,role,workspace\n#nora@example.com,editor,Finance\n");
    let refused = workdir
        .apply(&sandbox, "r.csv", &[])
        .ended(3)
        .says("r.csv:2:1: `#nora@example.com` looks commented out");
    refused.began_nothing();
    let _ = workdir.apply(&sandbox, "r.csv", &["--allow-odd-addresses"]).ended(0);
    // A saved plan remembers it, and an export says that its file needs it.
    let plan = ["plan", "r.csv", "--allow-odd-addresses", "--out", "plan.json"];
    let _ = workdir.call(plan).to(&sandbox).quick().run().ended(0);
    let _ = workdir.call(["apply", "--plan", "plan.json", "--yes"]).to(&sandbox).quick().run().ended(0);
    let export = workdir.call(["export", "--workspace", "Finance", "--output", "e.csv"]).to(&sandbox).quick();
    let _ = export.run().ended(0).says("--allow-odd-addresses").says("#nora@example.com");
    let _ = workdir.run(["validate", "e.csv"]).ended(3);
    let _ = workdir.run(["validate", "e.csv", "--allow-odd-addresses"]).ended(0);
}
