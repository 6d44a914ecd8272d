//! One person under two addresses: two rows of one user of Houston merge or contradict each other like
//! rows with one address, and no run changes a role back and forth.

#![cfg(feature = "sandbox")]

use std::fmt::Write as _;

use crate::harness::{Finished, InProcess, Sandbox, World, person, playing, workspace};
use houston_onboard::sandbox::state::Status;
use houston_onboard::sandbox::{Applied, Model, Options, Role};

const UPDATE: &[&str] = &["--update-roles"];
const ANN: &str = "ann@example.com";
const ANNA: &str = "anna@example.com";

/// Two workspaces, and Ann, a user with two addresses and a user name that is a third one. She is a viewer in
/// the first workspace if she `is_member`.
fn world(is_member: bool) -> World {
    let world = World::of(2, 3).admins(1).user("ckann", &["a.smith@example.com", ANN, ANNA], Status::Active);
    let world = world.edit(|state| {
        // The user name is no address of hers.
        state.users.last_mut().unwrap().emails.remove(0);
    });
    if is_member { world.bound("ckbindann", "ckann", 0, Role::WorkspaceViewer) } else { world }
}

fn roster(wishes: &[(&str, &str, usize)]) -> String {
    let mut text = String::from("email,role,workspace\n");
    for (email, role, place) in wishes {
        writeln!(text, "{email},{role},{}", workspace(*place)).unwrap();
    }
    text
}

fn ends(run: &Finished) -> Vec<(String, String)> {
    run.rows().iter().map(|row| (row["status"].clone(), row["error_code"].clone())).collect()
}

fn end(status: &str, code: &str) -> (String, String) {
    (status.to_owned(), code.to_owned())
}

#[test]
fn rows_of_one_person_contradict_each_other_at_both_places_and_nothing_is_sent() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world(true), Options::default()));
    let first = person(0, 1);
    workdir.write("roster.csv", roster(&[(&first, "viewer", 0), (ANN, "admin", 0), (ANNA, "editor", 0)]));
    for command in ["plan", "apply"] {
        for flags in [&[][..], UPDATE] {
            let call = workdir.call([command, "roster.csv"]).args(flags).to(&sandbox);
            let run = if command == "apply" { call.args(&["--yes"]) } else { call }.run().ended(3);
            let run =
                run.says("roster.csv:3:17: ").says("roster.csv:4:18: ").says("2 problems in roster.csv");
            assert!(run.stderr.contains("are one user of Houston"), "{}", run.stderr);
            run.began_nothing();
        }
    }
    sandbox.received_no_mutation();
    let run = workdir.apply(&sandbox, "roster.csv", &["--skip-invalid", "--update-roles"]).ended(6);
    assert_eq!(ends(&run), [end("unchanged", ""), end("invalid", "conflict"), end("invalid", "conflict")]);
    // A row that is left out may be meant for anybody: nobody is removed there.
    let flags = ["--skip-invalid", "--prune", "--max-remove-percent", "100"];
    drop(workdir.apply(&sandbox, "roster.csv", &flags).ended(6));
    sandbox.received_no_mutation();
}

#[test]
fn a_choice_settles_it_and_a_second_run_has_nothing_to_do() {
    for (rule, winner) in [("highest", Role::WorkspaceAdmin), ("last", Role::WorkspaceEditor)] {
        let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world(true), Options::default()));
        workdir.write("roster.csv", roster(&[(ANN, "admin", 0), (ANNA, "editor", 0)]));
        let flags = ["--update-roles", "--on-conflict", rule];
        let plan = workdir.call(["plan", "roster.csv", "--out", "plan.json"]).args(&flags).to(&sandbox).run();
        drop(plan.ended(0));
        let run = workdir.call(["apply", "--plan", "plan.json", "--yes"]).to(&sandbox).run().ended(0);
        assert_eq!((run.count("merged"), run.count("role_updated")), (1, 1), "{rule}: {:?}", run.counts());
        let role = sandbox.state().bindings.iter().find(|one| one.id == "ckbindann").map(|one| one.role);
        assert_eq!(role, Some(winner), "{rule}");
        let again = [&flags[..], &["--exit-code-unchanged", "99"]].concat();
        drop(workdir.apply(&sandbox, "roster.csv", &again).ended(99));
    }
}

#[test]
fn another_workspace_is_no_contradiction_and_any_address_keeps_a_member() {
    for name in [ANN, ANNA, "a.smith@example.com"] {
        let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world(true), Options::default()));
        let bosses = [person(0, 0), person(1, 0)];
        let mut wishes = vec![(&*bosses[0], "admin", 0), (&*bosses[1], "admin", 1)];
        wishes.extend([(name, "viewer", 0), (ANN, "admin", 1)]);
        workdir.write("roster.csv", roster(&wishes));
        let flags = ["--prune", "--max-remove-percent", "100"];
        let plan = workdir.call(["plan", "roster.csv", "--format", "csv"]).args(&flags).to(&sandbox).run();
        let plan = plan.ended(0);
        let removed: Vec<&str> = plan.stdout.lines().filter(|line| line.contains(",remove,")).collect();
        assert_eq!(removed.len(), 4, "{}", plan.stdout);
        assert!(removed.iter().all(|line| line.starts_with("person.")), "{}", plan.stdout);
    }
}

#[test]
fn a_row_with_the_user_name_merges_too_and_equal_rows_are_carried_out_once() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world(true), Options::default()));
    let name = "A.Smith@example.com";
    workdir.write("roster.csv", roster(&[(ANN, "admin", 0), (ANNA, "admin", 0), (name, "admin", 0)]));
    let run = workdir.apply(&sandbox, "roster.csv", UPDATE).ended(0);
    let merged = end("merged", "merged");
    assert_eq!(ends(&run), [end("role_updated", ""), merged.clone(), merged]);
    assert_eq!(sandbox.mutations().len(), 1, "{:?}", sandbox.mutations());
}

#[test]
fn the_second_row_of_a_person_who_was_not_known_merges_or_fails_once_the_first_is_added() {
    for (role, expected, ends_with) in
        [("editor", end("merged", "merged"), 0), ("admin", end("rejected", "conflict"), 6)]
    {
        for flags in [&[][..], UPDATE] {
            let sandbox = Sandbox::of(world(false), playing(Model::Modern, Options::default()));
            let workdir = InProcess::new();
            workdir.write("roster.csv", roster(&[(ANN, "editor", 0), (ANNA, role, 0)]));
            let flags = [flags, &["--concurrency", "1"]].concat();
            let run = workdir.apply(&sandbox, "roster.csv", &flags).ended(ends_with);
            assert_eq!(ends(&run), [end("added", ""), expected.clone()], "{role} {flags:?}");
            let applied = sandbox.audit().entries.into_iter();
            let applied = applied.filter(|entry| entry.outcome == Applied::Applied).count();
            assert_eq!(applied, 1, "no role was changed");
            // From now on she is known.
            let again = workdir.apply(&sandbox, "roster.csv", UPDATE);
            drop(again.ended(if role == "editor" { 0 } else { 3 }));
        }
    }
}
