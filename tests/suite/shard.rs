//! `--shard I/N` and `report --merge`: several processes carry a roster out together, and one report tells what
//! one run of it would have told.

#![cfg(feature = "sandbox")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use houston_onboard::model::{Shard, WorkspaceId};
use houston_onboard::record::folder::{Runs, TargetLock};
use houston_onboard::sandbox::state::{StateBinding, StateInvite};
use houston_onboard::sandbox::{Options, Role, State};

use crate::harness::{
    Call, Finished, InProcess, Row, Running, Sandbox, Workdir, World, person, records, user, workspace,
};

/// A roster of so many rows over so many workspaces, each named by its label in some rows and by its id in
/// others. Some people are members already, some rows say the same again, some are not valid.
fn roster(rows: usize, workspaces: usize) -> String {
    let mut text = "Team Lead;email;role;workspace\n".to_owned();
    for row in 0..rows {
        let at = row * 7 % workspaces;
        let name = if row % 3 == 0 { workspace(at) } else { format!("Team {at}") };
        let email = match row % 11 {
            0 => person(at, row % 4),
            _ => format!("new.hire{row}@example.com"),
        };
        let role = match row {
            row if row % 53 == 5 => "owner?",
            row if row % 2 == 0 => "viewer",
            _ => "editor",
        };
        writeln!(text, "\"lead of\n{at}\";{email};{role};{name}").unwrap();
        if row % 17 == 3 {
            writeln!(text, "again;{email};{role};{}", workspace(at)).unwrap();
        }
    }
    text
}

/// Lines of results without what differs from run to run.
fn stable(mut rows: Vec<Row>, also: &[&str]) -> Vec<Row> {
    for row in &mut rows {
        row.remove("elapsed_ms");
        also.iter().for_each(|column| drop(row.remove(*column)));
    }
    rows
}

/// The run of a shard: its newest folder.
fn folder_of(workdir: &Workdir, shard: &str) -> Option<PathBuf> {
    let mark = format!("\"shard\":\"{shard}\"");
    let is_it = |folder: &&PathBuf| {
        let journal = Running::journal_of(Some(folder));
        let header = journal.split(|&byte| byte == b'\n').next().unwrap_or_default();
        String::from_utf8_lossy(header).contains(&mark)
    };
    workdir.folders().iter().rev().find(is_it).cloned()
}

fn all(of: u32) -> impl Iterator<Item = String> {
    (1..=of).map(move |number| format!("{number}/{of}"))
}

/// Joins the newest runs of all shards.
fn merge(workdir: &Workdir, of: u32, out: &str) -> Finished {
    let folders = all(of).filter_map(|shard| folder_of(workdir, &shard));
    let folders: Vec<String> = folders.map(|folder| folder.display().to_string()).collect();
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let merged = workdir.call(["report", "--merge"]).args(&folders).args(&["--out", out]).run();
    Finished { folder: Some(workdir.path().join(out)), ..merged }
}

/// Carries a roster out in one run and, on another sandbox, in shards; `flags` are those of both. Gives the run
/// of the whole and the joined report, which say the same.
fn in_one_and_in_shards(
    world: &World,
    text: &str,
    flags: &[&str],
    of: u32,
) -> ([InProcess; 2], [Finished; 2], Sandbox) {
    let sandboxes = [(); 2].map(|()| Sandbox::of(world.clone(), Options::default()));
    let whole = InProcess::new();
    whole.write("roster.csv", text);
    let one = whole.apply(&sandboxes[0], "roster.csv", flags);
    let workdir = InProcess::new();
    workdir.write("roster.csv", text);
    for shard in all(of) {
        let shard = [&["--shard", &shard][..], flags].concat();
        drop(workdir.apply(&sandboxes[1], "roster.csv", &shard));
    }
    let merged = merge(&workdir, of, "merged");
    assert_eq!(merged.status, one.status, "{}{}", one.stderr, merged.stderr);
    same_results(&merged, &one, &[]);
    for name in ["errors.csv", "unprocessed.csv"] {
        assert_eq!(merged.file(name), one.file(name), "{name}");
    }
    for count in ["rows", "counts", "left_out", "operations", "failures", "deployment_roles", "removals"] {
        assert_eq!(merged.summary()[count], one.summary()[count], "{count}");
    }
    same_people(&sandboxes[1].state(), &sandboxes[0].state());
    let [_, sandbox] = sandboxes;
    ([whole, workdir], [one, merged], sandbox)
}

/// Who has which role where, and who is invited.
fn memberships(state: &State) -> BTreeSet<String> {
    let name = |id: &str| &state.users.iter().find(|user| user.id == id).unwrap().username;
    let bound = state.bindings.iter().map(|binding| {
        let StateBinding { user, role, workspace, deployment, .. } = binding;
        format!("{} {role:?} {workspace:?} {deployment:?}", name(user))
    });
    let invited = state.invites.iter().map(|invite| {
        let StateInvite { email, role, workspace, .. } = invite;
        format!("{email} {role:?} {workspace:?} invited")
    });
    bound.chain(invited).collect()
}

/// Asserts that two sandboxes have the same people.
#[track_caller]
fn same_people(one: &State, other: &State) {
    let (one, other) = (memberships(one), memberships(other));
    let differ: Vec<&String> = one.symmetric_difference(&other).collect();
    assert!(differ.is_empty(), "{differ:#?}");
}

/// Asserts that two results say the same.
#[track_caller]
fn same_results(one: &Finished, other: &Finished, but: &[&str]) {
    let (one, other) = (stable(one.rows(), but), stable(other.rows(), but));
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one, other);
    }
}

#[test]
fn shards_come_to_what_one_run_comes_to() {
    let (world, text) = (World::of(6, 4), roster(90, 6));
    // Of three shards one has no row at all.
    for of in [1, 3, 16] {
        let ([_whole, workdir], [one, merged], _) =
            in_one_and_in_shards(&world, &text, &["--skip-invalid"], of);
        assert_eq!(one.status, Some(6));
        assert!(one.count("invalid") > 1 && one.count("merged") > 1 && one.count("invited") > 40);
        // Each shard counts its own rows only, at the lines of the whole roster.
        let mut lines = Vec::new();
        for shard in all(of) {
            let run = Finished { folder: folder_of(&workdir, &shard), ..workdir.run(["template"]) };
            let rows = run.rows();
            assert_eq!(run.summary()["rows"], rows.len(), "{shard}");
            assert_eq!(run.summary()["shard"], shard.as_str());
            for row in &rows {
                let id = row["resolved_workspace_id"].as_str();
                let id = (!id.is_empty()).then(|| WorkspaceId::new(id).unwrap());
                assert!(shard.parse::<Shard>().unwrap().has(id.as_ref()), "{shard}: {row:?}");
            }
            lines.extend(rows.into_iter().map(|row| row["line"].clone()));
        }
        let whole: BTreeSet<String> = one.rows().into_iter().map(|row| row["line"].clone()).collect();
        assert_eq!((lines.len(), lines.into_iter().collect::<BTreeSet<_>>()), (one.rows().len(), whole));
        assert_eq!(merged.summary()["run"], "merged");
        let listed = workdir.run(["report", "--list"]).ended(0).stdout;
        assert!(listed.contains(&format!("(shard 1/{of})")), "{listed}");
    }
}

#[test]
fn roles_in_deployments_and_changed_roles_are_joined_and_taken_back() {
    let world = World::of(5, 6).admins(2).deployments().granted(0, 2, Role::DeploymentViewer);
    let mut text = "email,role,workspace,deployment_roles\n".to_owned();
    for row in 0..40 {
        let (at, who) = (row % 5, row / 5);
        let name = if row % 2 == 0 { workspace(at) } else { format!("Team {at}") };
        let email = if who < 6 { person(at, who) } else { person((at + 1) % 5, who - 4) };
        let cell = if row % 3 == 0 { format!("rel-{at}-a=DEPLOYMENT_EDITOR") } else { String::new() };
        let role = if who < 2 { "admin" } else { ["editor", "viewer"][row % 2] };
        writeln!(text, "{email},{role},{name},{cell}").unwrap();
    }
    let ([_whole, workdir], [one, merged], sandbox) =
        in_one_and_in_shards(&world, &text, &["--update-roles"], 3);
    assert!(one.count("role_updated") > 0 && one.count("added") > 0, "{:?}", one.counts());
    assert_eq!(merged.file("undo.csv").lines().count(), one.file("undo.csv").lines().count());
    let plan = merged.folder().join("undo.json");
    let undo = workdir.call(["apply", "--plan", plan.to_str().unwrap(), "--yes"]).quick().to(&sandbox);
    let undo = undo.args(&["--max-remove", "100", "--max-remove-percent", "100"]).run().ended(0);
    assert!(undo.summary()["removals"]["removed"].as_u64().unwrap() > 0);
    same_people(&sandbox.state(), &Sandbox::of(world, Options::default()).state());
}

/// A roster that lacks some of those who are there.
fn short_roster(workspaces: usize, people: usize, missing: usize) -> String {
    let mut text = "email,role,workspace\n".to_owned();
    for at in 0..workspaces {
        for who in 0..people - missing.min(people - 1) {
            writeln!(text, "{},viewer,{}", person(at, who), workspace(at)).unwrap();
        }
        writeln!(text, "new.hire{at}@example.com,viewer,Team {at}").unwrap();
    }
    text
}

/// Plans a roster as a whole, with removals.
fn planned(sandbox: &Sandbox, text: &str, flags: &[&str]) -> (InProcess, Option<i32>) {
    let workdir = InProcess::new();
    workdir.write("roster.csv", text);
    let plan = workdir.call(["plan", "roster.csv", "--prune", "--out", "plan.json"]).args(flags).to(sandbox);
    let status = plan.run().status;
    (workdir, status)
}

fn carrying_out(workdir: &InProcess, sandbox: &Sandbox, shard: &str, flags: &[&str]) -> Finished {
    let call = workdir.call(["apply", "--plan", "plan.json", "--yes", "--shard", shard]).quick().to(sandbox);
    call.args(flags).run()
}

#[test]
fn removals_are_judged_over_the_whole_plan_and_carried_out_by_shards() {
    let world = World::of(6, 8);
    // One of eight in each workspace: the shares of the whole are within 13 per cent, those of a shard, too.
    let text = short_roster(6, 8, 1);
    let limits = ["--max-remove", "6", "--max-remove-percent", "13"];
    let sandboxes = [(); 2].map(|()| Sandbox::of(world.clone(), Options::default()));
    let (whole, status) = planned(&sandboxes[0], &text, &limits);
    assert_eq!(status, Some(0));
    let one = whole.call(["apply", "--plan", "plan.json", "--yes"]).quick().to(&sandboxes[0]).run().ended(0);
    let (workdir, _) = planned(&sandboxes[1], &text, &limits);
    for shard in all(4) {
        drop(carrying_out(&workdir, &sandboxes[1], &shard, &[]).ended(0));
    }
    let merged = merge(&workdir, 4, "merged").ended(0);
    let removals = |run: &Finished| {
        let mut rows = stable(records(&run.file("removals.csv"), b','), &[]);
        rows.sort();
        rows
    };
    assert_eq!(removals(&merged), removals(&one));
    assert_eq!(removals(&one).len(), 6);
    same_results(&merged, &one, &[]);
    same_people(&sandboxes[1].state(), &sandboxes[0].state());
    // The same command again returns what the run ended with.
    let again = carrying_out(&workdir, &sandboxes[1], "2/4", &[]).ended(0);
    again.began_nothing();
}

#[test]
fn a_shard_does_not_judge_its_share_of_all_people_alone() {
    // Most of the people are in a workspace that loses nobody; all who go are in small ones.
    let few: Vec<String> = (1..4).flat_map(|at| (0..6).map(move |who| user(at, who))).collect();
    let world = World::of(4, 60).edit(|state| {
        let stays = |binding: &StateBinding| {
            binding.workspace.as_deref() == Some(&*workspace(0)) || few.contains(&binding.user)
        };
        state.bindings.retain(stays);
    });
    let mut text = "email,role,workspace\n".to_owned();
    (0..60).for_each(|who| writeln!(text, "{},viewer,Team 0", person(0, who)).unwrap());
    for (at, who) in (1..4).flat_map(|at| (0..4).map(move |who| (at, who))) {
        writeln!(text, "{},viewer,Team {at}", person(at, who)).unwrap();
    }
    let sandbox = Sandbox::of(world, Options::default());
    let (workdir, status) = planned(&sandbox, &text, &[]);
    assert_eq!(status, Some(0));
    let removed = |shard: String| {
        let run = carrying_out(&workdir, &sandbox, &shard, &[]).ended(0);
        run.summary()["removals"]["removed"].as_u64().unwrap()
    };
    assert_eq!(all(5).map(removed).sum::<u64>(), 6);
}

#[test]
fn a_plan_over_its_limits_is_over_them_in_every_shard() {
    let text = short_roster(6, 8, 3);
    for on_guard in ["stop", "skip-removals"] {
        let sandboxes = [(); 2].map(|()| Sandbox::of(World::of(6, 8), Options::default()));
        let flags = ["--on-guard", on_guard];
        let (workdir, status) = planned(&sandboxes[1], &text, &flags);
        assert_eq!(status, Some(7));
        let runs: Vec<Finished> =
            all(3).map(|shard| carrying_out(&workdir, &sandboxes[1], &shard, &[])).collect();
        if on_guard == "stop" {
            for run in runs {
                run.ended(7).says("too many people would be removed by the whole plan").began_nothing();
            }
            sandboxes[1].received_no_mutation();
            continue;
        }
        // The additions are made, and the run of the whole says the same.
        let (whole, _) = planned(&sandboxes[0], &text, &flags);
        let one = whole.call(["apply", "--plan", "plan.json", "--yes"]).quick().to(&sandboxes[0]).run();
        let merged = merge(&workdir, 3, "merged").ended(7);
        assert_eq!(one.status, merged.status, "{}", one.stderr);
        assert_eq!(merged.summary()["removals"], one.summary()["removals"]);
        assert_eq!(merged.count("invited"), 6);
        same_people(&sandboxes[1].state(), &sandboxes[0].state());
    }
}

#[test]
fn a_shard_of_a_plan_holds_it_to_its_word() {
    let sandbox = Sandbox::of(World::of(6, 8), Options::default());
    let limits = ["--max-remove", "6", "--max-remove-percent", "13"];
    let (workdir, _) = planned(&sandbox, &short_roster(6, 8, 1), &limits);
    for stricter in [&["--max-remove", "3"][..], &["--max-remove-percent", "5"]] {
        let run = carrying_out(&workdir, &sandbox, "1/3", stricter).ended(2);
        run.says("stricter than those of the plan").began_nothing();
    }
    // Somebody comes into each workspace: no shard may go on.
    let newcomer = InProcess::new();
    let mut rows = "email,role,workspace\n".to_owned();
    (0..6).for_each(|at| writeln!(rows, "newcomer@example.com,viewer,{}", workspace(at)).unwrap());
    newcomer.write("roster.csv", rows);
    drop(newcomer.apply(&sandbox, "roster.csv", &[]).ended(0));
    for shard in all(2) {
        carrying_out(&workdir, &sandbox, &shard, &[]).ended(9).says("newcomer@example.com").began_nothing();
    }
}

#[test]
fn an_invalid_row_keeps_everybody_of_its_workspace_in_every_shard() {
    let world = World::of(4, 8);
    let mut text = short_roster(4, 8, 1);
    writeln!(text, "{},none,{}", person(2, 7), workspace(2)).unwrap();
    let flags = ["--skip-invalid", "--max-remove-percent", "13"];
    let sandboxes = [(); 2].map(|()| Sandbox::of(world.clone(), Options::default()));
    let (whole, _) = planned(&sandboxes[0], &text, &flags);
    let one = whole.call(["apply", "--plan", "plan.json", "--yes"]).quick().to(&sandboxes[0]).run().ended(6);
    let (workdir, _) = planned(&sandboxes[1], &text, &flags);
    all(4).for_each(|shard| drop(carrying_out(&workdir, &sandboxes[1], &shard, &[])));
    let merged = merge(&workdir, 4, "merged").ended(6);
    assert_eq!(one.summary()["removals"]["removed"], 3);
    assert_eq!(merged.summary()["removals"], one.summary()["removals"]);
    same_people(&sandboxes[1].state(), &sandboxes[0].state());
}

#[test]
fn the_plan_of_a_shard_is_carried_out_as_that_shard() {
    let sandbox = Sandbox::of(World::of(6, 4), Options::default());
    let workdir = InProcess::new();
    workdir.write("roster.csv", roster(60, 6));
    let call = |words: &[&str]| workdir.call(words).quick().to(&sandbox).args(&["--skip-invalid"]);
    let plan = call(&["plan", "roster.csv", "--format", "csv", "--shard", "3/3", "--out", "plan.json"]).run();
    let ids: BTreeSet<String> =
        records(&plan.stdout, b',').into_iter().map(|row| row["workspace_id"].clone()).collect();
    let shard: Shard = "3/3".parse().unwrap();
    assert!(ids.len() == 4 && ids.iter().all(|id| shard.has(Some(&WorkspaceId::new(id).unwrap()))));
    let carry_out = |flags: &[&str]| {
        workdir.call(["apply", "--plan", "plan.json", "--yes"]).quick().to(&sandbox).args(flags).run()
    };
    carry_out(&["--shard", "1/3"]).ended(2).says("the plan of shard 3/3, not of shard 1/3").began_nothing();
    let run = carry_out(&[]).ended(0);
    assert_eq!(run.summary()["shard"], "3/3");
    assert!(run.rows().iter().all(|row| ids.contains(&row["resolved_workspace_id"])));
    carry_out(&["--shard", "3/3"]).ended(0).began_nothing();
}

#[test]
fn the_pace_is_that_of_all_shards_together() {
    let sandbox = Sandbox::of(World::of(3, 2), Options::default());
    let workdir = InProcess::new();
    workdir.write("roster.csv", roster(12, 3));
    let pace = ["--skip-invalid", "--rate", "80/s", "--concurrency", "9", "--shard", "1/4"];
    let run = workdir.apply(&sandbox, "roster.csv", &pace);
    let header = run.file("journal.jsonl");
    for part in ["\"concurrency\":2,", "\"period_us\":50000,", "\"shard\":\"1/4\""] {
        assert!(header.lines().next().unwrap().contains(part), "{part}");
    }
}

#[test]
fn a_shard_is_one_of_several_and_has_no_new_workspaces_and_no_limits_of_its_own() {
    let sandbox = Sandbox::of(World::of(2, 2), Options::default());
    let workdir = InProcess::new();
    workdir.write("roster.csv", roster(4, 2));
    for (command, flags) in [
        ("apply", &["--shard", "0/2"][..]),
        ("apply", &["--shard", "3/2"]),
        ("plan", &["--shard", "1"]),
        ("apply", &["--shard", "1/2", "--prune"]),
        ("plan", &["--shard", "1/2", "--prune", "--out", "plan.json"]),
        ("apply", &["--shard", "1/2", "--create-workspaces"]),
        ("plan", &["--shard", "1/2", "--create-workspaces"]),
    ] {
        let yes: &[&str] = if command == "apply" { &["--yes"] } else { &[] };
        let run = workdir.call([command, "roster.csv"]).quick().to(&sandbox).args(yes).args(flags).run();
        run.ended(2).began_nothing();
    }
    let run = workdir.call(["apply", "roster.csv", "--yes", "--prune"]).quick().to(&sandbox);
    run.env("HOUSTON_ONBOARD_SHARD", "1/2")
        .run()
        .ended(2)
        .says("--shard cannot be used with --prune")
        .began_nothing();
    sandbox.received_no_mutation();
}

#[test]
fn shards_and_whole_runs_exclude_each_other() {
    let sandbox = Sandbox::of(World::of(4, 2), Options::default());
    let workdir = InProcess::new();
    workdir.write("roster.csv", roster(20, 4));
    let runs = Runs::prepare(&workdir.path().join("onboard-runs")).unwrap();
    let hold = |shard: Option<&str>| {
        TargetLock::take(&runs, sandbox.url(), shard.map(|shard| shard.parse().unwrap())).unwrap()
    };
    let apply =
        |flags: &[&str]| workdir.apply(&sandbox, "roster.csv", &[flags, &["--skip-invalid"]].concat());
    let whole = hold(None);
    apply(&["--shard", "1/4"]).ended(11).says("another run is changing this target now").began_nothing();
    drop(whole);
    let shard = hold(Some("1/4"));
    apply(&[]).ended(11).says("shards of 4").began_nothing();
    apply(&["--shard", "1/4"]).ended(11).says("another run is changing this target now").began_nothing();
    apply(&["--shard", "2/3"]).ended(11).says("shards of different numbers overlap").began_nothing();
    apply(&["--shard", "2/4"]).began();
    drop(shard);
    apply(&["--shard", "1/4"]).began();
    apply(&[]).began();
}

/// No pacing; processes that share a machine have to wait for an answer.
fn patient(call: Call<'_>) -> Call<'_> {
    call.env("HOUSTON_ONBOARD_RATE", "none").env("HOUSTON_ONBOARD_SETTLE", "300ms")
}

/// `apply` of a saved plan in a shard, by the program.
fn sharded<'w>(workdir: &'w Workdir, sandbox: &Sandbox, shard: &str) -> Call<'w> {
    patient(workdir.call(["apply", "--plan", "plan.json", "--yes", "--shard", shard]).to(sandbox))
}

/// Carries a roster out in one run and, on another sandbox, in shards at the same time, of which one is killed
/// and tried again with the same command. Both say the same.
fn a_killed_shard_is_tried_again(rows: usize, workspaces: usize, of: u32) {
    let (world, text) = (World::of(workspaces, 5), roster(rows, workspaces));
    let sandboxes = [(); 2].map(|()| Sandbox::of(world.clone(), Options::default()));
    let [whole, workdir] = [(); 2].map(|()| Workdir::new());
    whole.write("roster.csv", &text);
    workdir.write("roster.csv", &text);
    let one = patient(whole.applying(&sandboxes[0], "roster.csv")).args(&["--skip-invalid"]).run().ended(6);
    let sandbox = &sandboxes[1];
    let plan =
        patient(workdir.call(["plan", "roster.csv", "--skip-invalid", "--out", "plan.json"]).to(sandbox));
    drop(plan.run().ended(6));
    let victim = format!("2/{of}");
    let mut killed = sharded(&workdir, sandbox, &victim).start();
    let others = all(of).filter(|shard| *shard != victim);
    let others: Vec<Running<'_>> = others.map(|shard| sharded(&workdir, sandbox, &shard).start()).collect();
    let acknowledged = || {
        let journal = Running::journal_of(folder_of(&workdir, &victim).as_deref());
        String::from_utf8_lossy(&journal).matches("\"entry\":\"acknowledged\"").count()
    };
    assert!(killed.kill_when(|_| acknowledged() >= 8), "it ended before");
    let ended: Vec<Option<i32>> = others.into_iter().map(|shard| shard.finish().status).collect();
    assert!(ended.iter().all(|status| matches!(status, Some(0 | 6))), "{ended:?}");
    // Before it is tried again, the report says what is left.
    let left = merge(&workdir, of, "left").ended(8);
    assert!(left.count("not_run") > 0);
    assert!(left.stdout.contains("Resume the unfinished shards"), "{}", left.stdout);
    assert_eq!((&left.summary()["state"], left.rows().len()), (&"broken_off".into(), one.rows().len()));
    drop(sharded(&workdir, sandbox, &victim).run().says("applies this plan; continuing with that run"));
    let merged = merge(&workdir, of, "merged").ended(6);
    // How often a row was sent that was in flight differs.
    same_results(&merged, &one, &["attempts", "detail"]);
    sandbox.agrees_with(&merged);
    let applied = |sandbox: &Sandbox| sandbox.mutations().into_iter().collect::<BTreeSet<_>>();
    assert_eq!(applied(sandbox), applied(&sandboxes[0]));
    same_people(&sandbox.state(), &sandboxes[0].state());
}

#[test]
fn a_shard_that_was_killed_is_tried_again_with_the_same_command() {
    a_killed_shard_is_tried_again(600, 20, 4);
}

#[test]
#[ignore = "the size of a large installation; takes minutes"]
fn twenty_thousand_rows_over_fifty_workspaces_in_eight_shards_equal_one_run() {
    a_killed_shard_is_tried_again(20_000, 50, 8);
}

#[test]
fn a_report_of_all_needs_the_runs_of_all() {
    let sandbox = Sandbox::of(World::of(6, 2), Options::default());
    let workdir = InProcess::new();
    let applying = |name: &str, text: &str, flags: &[&str]| {
        workdir.write(name, text);
        let run = workdir.apply(&sandbox, name, &[&["--skip-invalid"], flags].concat());
        run.folder().file_name().unwrap().to_str().unwrap().to_owned()
    };
    let apply = |name: &str, text: &str, shard: Option<&str>| {
        let flags: Vec<&str> = shard.iter().flat_map(|shard| ["--shard", *shard]).collect();
        // Who approves the first two shards differs.
        let approver = if shard == Some("1/3") { "Ada" } else { "Ben" };
        applying(name, text, &[&flags[..], &["--approved-by", approver]].concat())
    };
    let text = roster(30, 6);
    let [first, second, third] = ["1/3", "2/3", "3/3"].map(|shard| apply("roster.csv", &text, Some(shard)));
    let again = apply("roster.csv", &text, Some("2/3"));
    let of_two = apply("roster.csv", &text, Some("2/2"));
    let other = apply("other.csv", &text.replace("viewer", "editor"), Some("2/3"));
    let whole = apply("roster.csv", &text, None);
    let changing = applying("roster.csv", &text, &["--shard", "2/3", "--update-roles"]);
    let merge = |runs: &[&str]| workdir.call_program(runs);
    for (runs, says) in [
        (&[&*first, &third][..], "shard 2 of 3 is missing"),
        (&[&*first], "shards 2, 3 of 3 are missing"),
        (&[&*first, &second, &third, &again], "shard 2/3 is given twice"),
        (&[&*first, &of_two, &third], "different numbers of shards: 1/3 and 2/2"),
        (&[&*first, &other, &third], "different rosters"),
        (&[&*first, &whole, &third], "is not one of several shards"),
        (&[&*first, &changing, &third], "different settings: no flag and --update-roles"),
    ] {
        merge(runs).args(&["--out", "merged"]).run().ended(2).says(says).began_nothing();
    }
    assert!(!workdir.path().join("merged").exists());
    let runs = [&*third, &first, &second];
    let into_a_run = format!("onboard-runs/{first}");
    merge(&runs).args(&["--out", &into_a_run]).run().ended(2).says("is the folder of a run").began_nothing();
    merge(&runs).run().ended(2).says("--out").began_nothing();
    workdir.program().call(["report", "--out", "merged"]).run().ended(2).began_nothing();
    // Another target: as if it had been reached by another name.
    let journal = workdir.path().join("onboard-runs").join(&second).join("journal.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, text.replacen(sandbox.url(), "https://houston.example.com/v1", 1)).unwrap();
    merge(&runs).args(&["--out", "merged"]).run().ended(2).says("different targets").began_nothing();
    fs::write(&journal, text.replacen("\"format\":", "\"format\":9", 1)).unwrap();
    merge(&runs).args(&["--out", "merged"]).run().ended(2).says("this version reads").began_nothing();
    fs::write(&journal, text.replacen("\"at_ms\":", "\"at_ms\":1", 1)).unwrap();
    merge(&runs).args(&["--out", "merged"]).run().ended(3).says("journal.jsonl:").began_nothing();
    fs::write(&journal, text).unwrap();
    // Whatever the order, and again over what it has written.
    for _ in 0..2 {
        drop(merge(&runs).args(&["--out", "a/merged"]).run().ended(6));
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let folder = workdir.path().join("a/merged");
    assert_eq!(mode(&folder), 0o700);
    for file in fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    let json = merge(&runs).args(&["--out", "a/merged", "--format", "json"]).run().ended(6).stdout;
    assert_eq!(json, fs::read_to_string(folder.join("summary.json")).unwrap());
    let summary: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(summary["approved_by"], "Ada, Ben");

    // The folder of somebody else's files stays as it is.
    fs::create_dir(workdir.path().join("mine")).unwrap();
    workdir.write("mine/errors.csv", "mine");
    let run = merge(&runs).args(&["--out", "mine"]).run().ended(2).says("is not empty");
    run.began_nothing();
    assert_eq!(fs::read_to_string(workdir.path().join("mine/errors.csv")).unwrap(), "mine");
    assert_eq!(fs::read_dir(workdir.path().join("mine")).unwrap().count(), 1);

    let read = workdir.program().call(["report", "a/merged"]).run().ended(2);
    drop(read.says("is the joint report of the runs"));
    let opened = workdir.program().call(["report", "--open", "a/merged"]).run().ended(0);
    assert!(opened.stdout.contains("a/merged/report.html"), "{}", opened.stdout);
}

impl InProcess {
    /// `report --merge` of these runs.
    fn call_program(&self, runs: &[&str]) -> Call<'_> {
        self.program().call(["report", "--merge"]).args(runs)
    }
}

#[test]
fn what_ended_worst_is_what_the_whole_ends_with() {
    let sandbox = Sandbox::of(World::of(6, 2), Options::default());
    let workdir = InProcess::new();
    workdir.write("roster.csv", roster(60, 6));
    // So fast that each shard sends 20 requests a second.
    let flags = ["--skip-invalid", "--rate", "60/s", "--shard"];
    for (shard, status) in [("1/3", 6), ("2/3", 0)] {
        let call = workdir.applying(&sandbox, "roster.csv").quick().args(&flags).args(&[shard]);
        drop(call.run().ended(status));
    }
    let call = workdir.applying(&sandbox, "roster.csv").quick().args(&flags).args(&["3/3"]);
    let stopped =
        call.signal_when("TERM", |sandbox| sandbox.audit().mutations_received > 25).run().ended(143);
    let merged = merge(&workdir, 3, "merged").ended(143);
    let summary = merged.summary();
    assert_eq!((&summary["exit_status"], &summary["stopped"]), (&143.into(), &stopped.summary()["stopped"]));
    assert_eq!(summary["runs"].as_array().unwrap().len(), 3);
    assert!(stopped.count("not_run") > 0);
    assert_eq!(merged.count("not_run"), stopped.count("not_run"));
    // It goes on as the shard that it is.
    let runs = Runs::prepare(&workdir.path().join("onboard-runs")).unwrap();
    let hold = |shard: &str| TargetLock::take(&runs, sandbox.url(), Some(shard.parse().unwrap())).unwrap();
    let same = hold("3/3");
    drop(workdir.resume(&sandbox, &[]).ended(11));
    drop(same);
    let other = hold("1/3");
    drop(workdir.resume(&sandbox, &[]).ended(0));
    drop(other);
    let merged = merge(&workdir, 3, "merged").ended(6);
    assert_eq!(merged.count("not_run"), 0);
    sandbox.agrees_with(&merged);
}
