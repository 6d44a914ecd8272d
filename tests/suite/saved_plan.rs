//! `plan --out` and `apply --plan`: what was looked at and approved is carried out, or nothing is.

#![cfg(feature = "sandbox")]

use std::fs;

use crate::harness::{self, Call, Command, Finished, InProcess, Sandbox, Workdir, World};
use houston_onboard::record::saved_plan::SCHEMA_VERSION;
use houston_onboard::sandbox::{Options, Role};

const ROSTER: &str = "Team Lead;email;role;workspace;note\n\
    Zoë;person.0.0@example.com;editor;Team 0;\"a; b\"\n\
    Zoë;new.hire@example.com;viewer;Team 0;\n\
    Bo;person.1.1@example.com;viewer;Team 1;there\n\
    Bo;person.0.1@example.com;admin;Team 1;\n";

fn world() -> World {
    World::of(2, 4).role(0, 3, Role::WorkspaceAdmin)
}

fn sandbox() -> Sandbox {
    Sandbox::of(world(), Options::default())
}

/// A folder with a roster and the plan for it; the plan's digest.
fn planned(sandbox: &Sandbox, flags: &[&str]) -> (InProcess, String) {
    let workdir = InProcess::new();
    workdir.write("roster.csv", ROSTER);
    let call = workdir.call(["plan", "roster.csv", "--out", "plan.json"]).args(flags).to(sandbox);
    let plan = call.run().ended(0).says("plan saved to plan.json");
    let digest = plan.stderr.lines().find_map(|line| line.strip_prefix("digest: ")).unwrap().to_owned();
    (workdir, digest)
}

fn carrying_out<'w>(workdir: &'w InProcess, sandbox: &Sandbox) -> Command<'w> {
    workdir.call(["apply", "--plan", "plan.json", "--yes"]).quick().to(sandbox)
}

/// The same through the program, for what it says of a run that goes on or is complete.
fn by_the_program<'w>(workdir: &'w InProcess, sandbox: &Sandbox) -> Call<'w> {
    workdir.program().call(["apply", "--plan", "plan.json", "--yes"]).quick().to(sandbox)
}

fn carried_out(workdir: &InProcess, sandbox: &Sandbox) -> Finished {
    carrying_out(workdir, sandbox).run()
}

/// `results.csv` without the time that it took.
fn results(run: &Finished) -> Vec<harness::Row> {
    let mut rows = run.rows();
    rows.iter_mut().for_each(|row| drop(row.remove("elapsed_ms")));
    rows
}

/// Somebody else is at work meanwhile.
fn meanwhile(sandbox: &Sandbox, row: &str) {
    let other = InProcess::new();
    other.write("roster.csv", format!("email,role,workspace\n{row}\n"));
    drop(other.apply(sandbox, "roster.csv", &["--update-roles"]).ended(0));
}

#[test]
fn a_saved_plan_does_what_apply_does() {
    let (direct, planned_for) = (sandbox(), sandbox());
    for flags in [&[][..], &["--update-roles"], &["--only", "workspace=Team 0"], &["--limit", "3"]] {
        let (direct, planned_for) =
            if flags.is_empty() { (&direct, &planned_for) } else { (&sandbox(), &sandbox()) };
        let (workdir, _) = planned(planned_for, flags);
        planned_for.received_no_mutation();
        // The file is all that is needed.
        fs::remove_file(workdir.path().join("roster.csv")).unwrap();
        let run = carried_out(&workdir, planned_for).ended(0);
        planned_for.agrees_with(&run);
        let other = InProcess::new();
        other.write("roster.csv", ROSTER);
        let expected = other.apply(direct, "roster.csv", flags).ended(0);
        assert_eq!(results(&run), results(&expected), "{flags:?}");
        assert_eq!(run.file("roster.csv"), ROSTER);
        assert_eq!(run.rows()[0]["note"], "a; b");
        assert_eq!(
            run.count("added") + run.count("invited"),
            if flags.contains(&"--only") || flags.contains(&"--limit") { 1 } else { 2 }
        );
        let roles = |run: &Finished| (run.count("role_kept"), run.count("role_updated"));
        assert_eq!(roles(&run), if flags.contains(&"--update-roles") { (0, 1) } else { (1, 0) });
    }
}

#[test]
fn the_plan_is_private_and_tells_what_was_decided() {
    let sandbox = sandbox();
    let (workdir, digest) = planned(&sandbox, &["--update-roles"]);
    let path = workdir.path().join("plan.json");
    let plan: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(plan["digest"], *digest);
    assert_eq!(plan["schema_version"], 4);
    assert_eq!(plan["target"], sandbox.url());
    assert_eq!(plan["settings"]["roles"], "update");
    let row = &plan["rows"][0];
    let set_role = serde_json::json!({"from": "viewer", "to": "editor", "holder": "member"});
    assert_eq!(row["decision"]["change"]["set_role"], set_role);
    let member = serde_json::json!({"level": "viewer", "bindings": 1, "standing": "active"});
    assert_eq!(row["seen"]["member"], member);
    assert!(plan["rows"][3]["decision"]["change"]["add"].is_string());
    let text = plan.to_string();
    assert!(!text.contains(sandbox.token()), "{text}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn nothing_is_sent_where_the_present_has_moved() {
    for (row, was, is_now) in [
        ("person.0.1@example.com,admin,Team 1", "was not a member", "is now a member as WORKSPACE_ADMIN"),
        (
            "person.0.1@example.com,viewer,Team 1",
            ".csv:5: person.0.1@example.com in Team 1: was not a member",
            "is now a member as WORKSPACE_VIEWER",
        ),
        ("person.0.0@example.com,admin,Team 0", "was a member as WORKSPACE_VIEWER", "WORKSPACE_ADMIN"),
        ("person.1.1@example.com,editor,Team 1", "was a member as WORKSPACE_VIEWER", "WORKSPACE_EDITOR"),
    ] {
        let sandbox = sandbox();
        let (workdir, _) = planned(&sandbox, &["--update-roles"]);
        meanwhile(&sandbox, row);
        let before = sandbox.audit().mutations_received;
        let run =
            carried_out(&workdir, &sandbox).ended(9).says(was).says(is_now).says("1 row of 4 changed on ");
        assert!(run.stderr.contains(row.split(',').next().unwrap()), "{}", run.stderr);
        run.began_nothing();
        assert_eq!(sandbox.audit().mutations_received, before, "{row}");
        // The same is seen without carrying it out.
        drop(carrying_out(&workdir, &sandbox).args(&["--dry-run"]).run().ended(9));
    }
}

#[test]
fn somebody_else_who_comes_or_goes_does_not_matter() {
    let sandbox = sandbox();
    let (workdir, _) = planned(&sandbox, &[]);
    meanwhile(&sandbox, "somebody.else@example.com,admin,Team 0");
    drop(carried_out(&workdir, &sandbox).ended(0));
}

#[test]
fn a_long_list_of_what_moved_is_cut() {
    let sandbox = Sandbox::of(World::of(2, 30), Options::default());
    let workdir = InProcess::new();
    let rows: Vec<_> = (0..30).map(|who| format!("person.0.{who}@example.com,viewer,Team 1")).collect();
    workdir.write("roster.csv", format!("email,role,workspace\n{}\n", rows.join("\n")));
    drop(workdir.call(["plan", "roster.csv", "--out", "plan.json"]).to(&sandbox).run().ended(0));
    drop(workdir.apply(&sandbox, "roster.csv", &[]).ended(0));
    let run = carried_out(&workdir, &sandbox).ended(9).says("and 10 more").says("30 rows of 30 changed on ");
    assert_eq!(run.stderr.matches(": was not a member").count(), 20);
}

#[test]
fn a_plan_that_was_carried_out_is_not_carried_out_again() {
    let sandbox = sandbox();
    let (workdir, digest) = planned(&sandbox, &[]);
    let run = carried_out(&workdir, &sandbox).ended(0);
    let id = run.folder().file_name().unwrap().to_str().unwrap().to_owned();
    let sent = sandbox.audit().mutations_received;
    // The run is finished: its status, whatever Houston has now, and nothing is sent.
    meanwhile(&sandbox, "person.1.2@example.com,admin,Team 0");
    let sent = sent + 1;
    by_the_program(&workdir, &sandbox).run().ended(0).says(&id).says("is complete").began_nothing();
    assert_eq!(sandbox.audit().mutations_received, sent);
    // A copy of the runs elsewhere does not count, and neither does a run about another target.
    fs::rename(workdir.path().join("onboard-runs"), workdir.path().join("other-runs")).unwrap();
    carried_out(&workdir, &sandbox).ended(9).began_nothing();
    // The same change that is wanted once more is another plan, with another digest.
    let other = self::sandbox();
    let only = ["--only", "workspace=Team 0"];
    let (workdir, again) = planned(&other, &only);
    assert_ne!(again, digest, "another target");
    drop(carried_out(&workdir, &other).ended(0));
    let back = workdir.folders()[0].join("undo.json").display().to_string();
    let limits = ["--max-remove-percent", "100"];
    drop(workdir.call(["apply", "--plan", &back, "--yes"]).args(&limits).to(&other).run().ended(0));
    let call = workdir.call(["plan", "roster.csv", "--out", "plan.json"]).args(&only);
    let plan = call.to(&other).run().ended(0);
    assert!(plan.stderr.contains("digest: ") && !plan.stderr.contains(&again), "{}", plan.stderr);
    let run = carried_out(&workdir, &other).ended(0);
    assert_eq!(run.count("added") + run.count("invited"), 1);
}

#[test]
fn a_plan_that_exists_is_kept() {
    let (workdir, sandbox) = (Workdir::new(), sandbox());
    workdir.write("roster.csv", ROSTER);
    let planning = || {
        let flags = ["plan", "roster.csv", "--out", "plan.json", "--no-clobber", "--summary-file", "s.json"];
        workdir.call(flags).to(&sandbox).run()
    };
    let run = planning().ended(0).says("plan saved to plan.json").says("apply --plan plan.json --approve ");
    let digest = run.stderr.lines().find_map(|line| line.strip_prefix("digest: ")).unwrap().to_owned();
    let quiet = ["plan", "roster.csv", "--out", "plan.json", "--no-clobber", "-q"];
    let quiet = workdir.call(quiet).to(&sandbox).run().ended(0);
    assert_eq!(quiet.stderr, format!("digest: {digest}\n"));
    let plan = fs::read(workdir.path().join("plan.json")).unwrap();
    let requests = sandbox.audit().requests;
    // Neither the roster nor Houston matters any longer.
    workdir.write("roster.csv", "no roster");
    let run = planning().ended(0).says("plan.json was saved before and is kept").says(&digest);
    assert_eq!((run.stdout.as_str(), sandbox.audit().requests), ("", requests));
    assert_eq!(fs::read(workdir.path().join("plan.json")).unwrap(), plan);
    assert!(fs::read_to_string(workdir.path().join("s.json")).unwrap().contains(&digest));
    workdir.write("plan.json", "{}");
    planning().ended(3).says("plan.json").began_nothing();
    workdir.call(["plan", "roster.csv", "--no-clobber"]).to(&sandbox).run().ended(2).began_nothing();
}

#[test]
fn a_plan_that_was_interrupted_is_resumed_by_the_same_command() {
    let sandbox = Sandbox::of(world(), harness::faulty("ise=@new.hire"));
    let (workdir, digest) = planned(&sandbox, &[]);
    drop(carried_out(&workdir, &sandbox).ended(8));
    assert_eq!(workdir.folders().len(), 1);
    sandbox.set_faults(houston_onboard::sandbox::Faults::default());
    let approved = by_the_program(&workdir, &sandbox).args(&["--approve", &digest]).run();
    let run = approved.ended(0).says("applies this plan; continuing");
    assert_eq!(workdir.folders().len(), 1, "{}", run.stderr);
    assert_eq!(workdir.resume(&sandbox, &[]).ended(0).count("invited"), 1);
    drop(by_the_program(&workdir, &sandbox).run().ended(0).says("is complete"));
}

#[test]
fn who_approves_a_plan_that_is_resumed_is_recorded_too() {
    let sandbox = Sandbox::of(world(), harness::faulty("ise=@new.hire"));
    let (workdir, _) = planned(&sandbox, &[]);
    drop(carrying_out(&workdir, &sandbox).args(&["--approved-by", "Ben"]).run().ended(8));
    drop(carrying_out(&workdir, &sandbox).args(&["--approved-by", "Ann"]).run().ended(8));
    drop(carrying_out(&workdir, &sandbox).args(&["--approved-by", "Ben"]).run().ended(8));
    sandbox.set_faults(houston_onboard::sandbox::Faults::default());
    let approved = |name: &str| by_the_program(&workdir, &sandbox).args(&["--approved-by", name]).run();
    drop(approved("Eve").ended(0));
    let folder = workdir.folders().remove(0);
    let file = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let journal = file("journal.jsonl");
    for name in ["Ben", "Ann", "Eve"] {
        let lines = journal.lines().filter(|line| line.contains("\"entry\":\"resumed\""));
        let field = format!("\"approved_by\":\"{name}\"");
        assert_eq!(lines.filter(|line| line.contains(&field)).count(), 1, "{name}: {journal}");
    }
    assert!(file("summary.json").contains("\"approved_by\": \"Ben, Ann, Eve\""), "{}", file("summary.json"));
    let page = file("report.html");
    assert_eq!(page.matches("<dt>Approved by</dt><dd>Ben, Ann, Eve</dd>").count(), 2, "{page}");
    let late = approved("Max").ended(0).says("--approved-by was not recorded: the run was complete before");
    assert!(
        !file("journal.jsonl").contains("Max") && !file("summary.json").contains("Max"),
        "{}",
        late.stderr
    );
}

/// Everybody of team 1 but its first admin and one viewer is to be removed.
fn pruning(sandbox: &Sandbox, flags: &[&str]) -> InProcess {
    let workdir = InProcess::new();
    workdir.write(
        "roster.csv",
        "email,role,workspace\nperson.1.0@example.com,viewer,Team 1\nperson.1.1@example.com,viewer,Team 1\n",
    );
    let wide = ["--prune", "--max-remove", "50", "--max-remove-percent", "100"];
    let call = workdir.call(["plan", "roster.csv", "--out", "plan.json"]).args(&wide).args(flags);
    drop(call.to(sandbox).run().ended(0));
    workdir
}

#[test]
fn a_plan_is_carried_out_under_the_stricter_of_its_limits_and_those_given_now() {
    let sandbox = Sandbox::of(World::of(2, 5), Options::default());
    let workdir = pruning(&sandbox, &[]);
    let file = |name: &str, line: &str| workdir.write(name, line).display().to_string();
    let site = file("site.toml", "max-remove = 2\n");
    let share = file("share.toml", "max-remove-percent = 10\n");
    let refused = |call: Command<'_>| call.run().ended(7).began_nothing();
    refused(carrying_out(&workdir, &sandbox).args(&["--max-remove", "2"]));
    refused(carrying_out(&workdir, &sandbox).env("HOUSTON_ONBOARD_MAX_REMOVE", "2"));
    refused(carrying_out(&workdir, &sandbox).env("HOUSTON_ONBOARD_MAX_REMOVE_PERCENT", "10"));
    refused(carrying_out(&workdir, &sandbox).args(&["--config", &site]));
    refused(carrying_out(&workdir, &sandbox).args(&["--config", &share]));
    sandbox.received_no_mutation();
    // A wider flag does not relax the plan.
    let narrow = pruning(&sandbox, &["--protect", "person.1.2@*"]);
    let text = fs::read_to_string(narrow.path().join("plan.json")).unwrap();
    assert!(text.contains("person.1.2@*"));
    let call =
        carrying_out(&narrow, &sandbox).args(&["--protect", "PERSON.1.3@example.com", "--max-remove", "90"]);
    let run = call.run().ended(0);
    let ends: Vec<(String, String)> = harness::records(&run.file("removals.csv"), b',')
        .into_iter()
        .map(|row| (row["email"].clone(), row["error_code"].clone()))
        .collect();
    let end = |who: usize, code: &str| (format!("person.1.{who}@example.com"), code.to_owned());
    assert_eq!(ends, [end(2, "protected"), end(3, "protected"), end(4, "")], "{}", run.stderr);
}

#[test]
fn only_a_saved_plan_is_replaced_by_one() {
    let sandbox = sandbox();
    let (workdir, _) = planned(&sandbox, &[]);
    let program = workdir.program();
    let plan = |out: &str| program.call(["plan", "roster.csv", "--out", out]).to(&sandbox).run();
    drop(plan("plan.json").ended(0));
    workdir.write("empty", "");
    drop(plan("empty").ended(0));
    let before = sandbox.audit().requests;
    for (name, content) in [("token", "eyJ.x.y\n"), ("data.json", "{\"a\": 1}\n"), ("old.csv", ROSTER)] {
        workdir.write(name, content);
        drop(plan(name).ended(2).says(&format!("--out would replace {name}, which is not a saved plan")));
        assert_eq!(fs::read_to_string(workdir.path().join(name)).unwrap(), content);
    }
    assert_eq!(sandbox.audit().requests, before, "Houston was not asked");
    let kept = program.call(["plan", "roster.csv", "--out", "plan.json", "--no-clobber"]);
    drop(kept.to(&sandbox).run().ended(0).says("is kept"));
}

#[test]
fn a_saved_plan_is_no_roster_and_says_how_it_is_applied() {
    let sandbox = sandbox();
    let (workdir, _) = planned(&sandbox, &[]);
    for command in [&["apply", "plan.json", "--yes"][..], &["plan", "plan.json"]] {
        let run = workdir.call(command).to(&sandbox).run().ended(3);
        assert!(run.stderr.contains("plan.json is a saved plan, not a roster"), "{}", run.stderr);
        assert!(run.stderr.contains("houston-onboard apply --plan plan.json"), "{}", run.stderr);
    }
    sandbox.received_no_mutation();
}

#[test]
fn limits_that_are_part_of_a_plan_are_changed_in_a_new_plan() {
    let sandbox = sandbox();
    let workdir = InProcess::new();
    workdir.write("roster.csv", "email,role,workspace\nperson.0.3@example.com,admin,Team 0\n");
    let planned = |out: &str, flags: &[&str]| {
        let call = workdir.call(["plan", "roster.csv", "--prune", "--out", out]).args(flags).to(&sandbox);
        call.run()
    };
    let plan = planned("plan.json", &[]).ended(7);
    assert!(plan.stderr.contains("error: `apply` would refuse this plan: too many"), "{}", plan.stderr);
    assert!(!plan.stderr.contains("nothing was sent"), "{}", plan.stderr);
    assert!(!plan.stderr.contains("skip-removals"), "there is nothing else to apply: {}", plan.stderr);
    let needed = plan.stderr.split(" would allow it").next().unwrap();
    let needed = needed.split("If it is, ").nth(1).unwrap().to_owned();
    let flags: Vec<&str> = needed.split(' ').collect();
    let told = format!("save a new plan: `plan ROSTER ... {needed} --out FILE`");
    drop(carrying_out(&workdir, &sandbox).args(&flags).run().ended(7).says(&told));
    fs::remove_file(workdir.path().join("plan.json")).unwrap();
    drop(planned("plan.json", &flags).ended(0));
    drop(carried_out(&workdir, &sandbox).ended(0));
}

#[test]
fn the_digest_does_not_depend_on_the_version_that_made_a_plan() {
    let sandbox = sandbox();
    let (workdir, digest) = planned(&sandbox, &[]);
    let path = workdir.path().join("plan.json");
    let mut plan: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    plan["tool_version"] = "9.9.9".into();
    plan["settings"]["canary"] = 9.into();
    plan["rows"][2]["why"] = "another sentence".into();
    workdir.write("plan.json", plan.to_string());
    drop(carrying_out(&workdir, &sandbox).args(&["--approve", &digest]).run().ended(0));
}

#[test]
fn when_a_plan_was_made_cannot_be_changed() {
    let sandbox = sandbox();
    let (workdir, digest) = planned(&sandbox, &[]);
    let path = workdir.path().join("plan.json");
    let made: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    drop(carried_out(&workdir, &sandbox).ended(0));
    let sent = sandbox.audit().mutations_received;
    // A plan that was carried out does not become a new one, and a new one is not finished already.
    for made_at in ["1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z"] {
        let mut plan = made.clone();
        plan["made_at"] = made_at.into();
        workdir.write("plan.json", plan.to_string());
        let run = carrying_out(&workdir, &sandbox).args(&["--approve", &digest]).run();
        run.ended(3).says("modified after it was saved").began_nothing();
    }
    assert_eq!(sandbox.audit().mutations_received, sent);
}

#[test]
fn a_plan_is_carried_out_only_where_it_was_made() {
    let (first, second) = (sandbox(), sandbox());
    let (workdir, _) = planned(&first, &[]);
    carried_out(&workdir, &second).ended(2).says("was made for").began_nothing();
    second.received_no_mutation();
}

#[test]
fn only_the_approved_plan_is_carried_out() {
    let sandbox = sandbox();
    let (workdir, digest) = planned(&sandbox, &[]);
    let approving = |digest: &str| carrying_out(&workdir, &sandbox).args(&["--approve", digest]).run();
    for (bad, why) in [
        (&digest.chars().rev().collect::<String>()[..], "not the approved one"),
        (&digest[..12], "whole digest"),
        (&digest[..63], "whole digest"),
        ("", "whole digest"),
    ] {
        approving(bad).ended(2).says(why).began_nothing();
    }
    sandbox.received_no_mutation();
    drop(approving(&digest).ended(0));
}

#[test]
fn a_file_that_is_not_the_plan_as_it_was_made_is_refused() {
    let sandbox = sandbox();
    let (workdir, _) = planned(&sandbox, &[]);
    let text = fs::read_to_string(workdir.path().join("plan.json")).unwrap();
    let half = &text[..text.len() / 2];
    let version = format!("\"schema_version\":{SCHEMA_VERSION}");
    assert!(text.contains(&version), "{text}");
    for (content, why) in [
        (text.replace("person.0.1@", "person.0.2@"), "modified after it was saved"),
        (text.replace("\"send_invites\":false", "\"send_invites\":true"), "modified after it was saved"),
        (half.to_owned(), "or it is incomplete"),
        (String::new(), "or it is incomplete"),
        (ROSTER.to_owned(), "not a saved plan"),
        (format!("{{{version},\"rows\":[]}}"), "no `digest`"),
        (text.replace(&version, "\"schema_version\":2"), "schema version 2"),
    ] {
        workdir.write("plan.json", content);
        carried_out(&workdir, &sandbox).ended(3).says(why).began_nothing();
    }
    fs::remove_file(workdir.path().join("plan.json")).unwrap();
    carried_out(&workdir, &sandbox).ended(3).says("cannot read the plan").began_nothing();
    sandbox.received_no_mutation();
}

#[test]
fn a_plan_never_takes_the_place_of_its_roster() {
    let (workdir, sandbox) = (Workdir::new(), Sandbox::new());
    let text = harness::roster(4, 2);
    workdir.write("roster.csv", &text);
    std::os::unix::fs::symlink("roster.csv", workdir.path().join("link")).unwrap();
    for out in ["roster.csv", "./roster.csv", "link"] {
        let plan = workdir.call(["plan", "roster.csv", "--out", out]).to(&sandbox).run();
        drop(plan.ended(2).says("--out"));
        assert_eq!(std::fs::read_to_string(workdir.path().join("roster.csv")).unwrap(), text, "{out}");
    }
    assert_eq!(sandbox.audit().requests, 0);
}

#[test]
fn beside_a_plan_nothing_may_be_said_that_changes_its_meaning() {
    let sandbox = sandbox();
    let (workdir, _) = planned(&sandbox, &[]);
    for more in [&["--update-roles"][..], &["--limit", "1"], &["--send-invites"], &["roster.csv"]] {
        by_the_program(&workdir, &sandbox).args(more).run().ended(2).began_nothing();
    }
    drop(workdir.program().call(["apply", "--yes"]).to(&sandbox).run().ended(2));
    let alone = workdir.program().call(["apply", "roster.csv", "--yes", "--approve", "0123456789ab"]);
    drop(alone.to(&sandbox).run().ended(2));
    let unasked = workdir.program().call(["apply", "--plan", "plan.json"]).to(&sandbox);
    drop(unasked.run().ended(2).says("no terminal to ask on"));
    sandbox.received_no_mutation();
    // The environment is about rosters; the plan is what it is.
    let run = by_the_program(&workdir, &sandbox).env("HOUSTON_ONBOARD_UPDATE_ROLES", "1").run().ended(0);
    assert_eq!(run.count("role_updated"), 0);
}

#[test]
fn maps_and_columns_are_in_the_plan() {
    let sandbox = sandbox();
    let workdir = InProcess::new();
    workdir.write("map.csv", "from,to\nOld,Team 0\n");
    workdir.write("roster.csv", "Who\tWhere\tid\na.b@old.example.com\tOld\t007\n");
    let flags = ["--column", "email=Who", "--column", "workspace=Where", "--default-role", "editor"];
    let maps = ["--workspace-map", "map.csv", "--map-email-domain", "old.example.com=example.com"];
    let call = workdir.call(["plan", "roster.csv", "--out", "plan.json"]).args(&flags).args(&maps);
    drop(call.to(&sandbox).run().ended(0));
    for file in ["map.csv", "roster.csv"] {
        fs::remove_file(workdir.path().join(file)).unwrap();
    }
    let run = carried_out(&workdir, &sandbox).ended(0);
    assert_eq!(run.rows()[0]["id"], "007");
    let (workspace, email) = sandbox.mutations().remove(0);
    assert_eq!((&*email, workspace.contains("ckworkspace")), ("a.b@example.com", true));
}

#[test]
fn a_rehearsal_may_be_saved_and_carried_out_on_a_sandbox_like_it() {
    let workdir = Workdir::new();
    workdir.write("roster.csv", "email,role,workspace\nnew.hire@example.com,viewer,Finance\n");
    let call = |words: &[&str]| workdir.call(words.iter().copied()).args(&["--sandbox"]).run();
    drop(call(&["plan", "roster.csv", "--out", "plan.json"]).ended(0));
    drop(call(&["apply", "--plan", "plan.json", "--yes"]).ended(0));
    workdir.write("state.csv", "email,role,workspace\nnew.hire@example.com,viewer,Finance\n");
    drop(call(&["apply", "--plan", "plan.json", "--yes", "--sandbox-state", "state.csv"]).ended(9));
    let elsewhere = workdir.call(["apply", "--plan", "plan.json", "--yes"]).quick().to(&sandbox());
    drop(elsewhere.run().ended(2).says("a sandbox"));
}

#[test]
fn a_plan_that_cannot_be_saved_asks_nothing() {
    let (workdir, sandbox) = (InProcess::new(), sandbox());
    workdir.write("roster.csv", ROSTER);
    let run = workdir.call(["plan", "roster.csv", "--out", "gone/plan.json"]).to(&sandbox).run().ended(1);
    assert_eq!(run.stdout, "");
    drop(run.says("--out"));
}
