//! People with two roles in one workspace: Houston counts the first in its list, and so does everything
//! here (houston.md, 4).

#![cfg(feature = "sandbox")]

use houston_onboard::sandbox::{Model, Options, Profile, Role};

use crate::harness::{self, InProcess, Sandbox, Workdir, World, person, user, workspace};

const ADMIN: Role = Role::WorkspaceAdmin;
const VIEWER: Role = Role::WorkspaceViewer;

/// An old Houston, in whose first workspace person 1 has these two roles beside the admin 0.
fn with_two(first: Role, second: Role) -> Sandbox {
    let world = World::of(1, 3).admins(1).role(0, 1, first).doubled(0, 1, second);
    Sandbox::of(world, Options { profile: Profile::V0_28, model: Some(Model::Legacy), ..Options::default() })
}

/// A roster of these people, who are number, role.
fn roster(people: &[(usize, &str)]) -> String {
    let line = |(who, role): &(usize, &str)| format!("{},{role},{}\n", person(0, *who), workspace(0));
    people.iter().map(line).fold("email,role,workspace\n".to_owned(), |text, line| text + &line)
}

#[test]
fn a_removal_records_and_gives_back_the_first_role() {
    for (first, second) in [(VIEWER, ADMIN), (ADMIN, VIEWER)] {
        let (sandbox, workdir) = (with_two(first, second), Workdir::new());
        workdir.write("roster.csv", roster(&[(0, "admin"), (2, "viewer")]));
        let run = workdir.apply(&sandbox, "roster.csv", &["--prune", "--send-invites"]).ended(0);
        let removed = harness::records(&run.file("removals.csv"), b',');
        assert_eq!(removed.len(), 1);
        assert_eq!(removed[0]["email"], person(0, 1));
        assert!(removed[0].values().any(|cell| cell.contains(first.name())), "{first}: {:?}", removed[0]);
        assert!(!removed[0].values().any(|cell| cell.contains(second.name())), "{first}: {:?}", removed[0]);
        let undo = run.folder().join("undo.json").display().to_string();
        let back = workdir.call(["apply", "--plan", &undo, "--yes"]).to(&sandbox).quick().run();
        assert_eq!(back.status, Some(0), "{}{}", back.stdout, back.stderr);
        let state = sandbox.state();
        let roles: Vec<Role> =
            state.bindings.iter().filter(|b| b.user == user(0, 1)).map(|binding| binding.role).collect();
        assert_eq!(roles, [first], "{first}");
    }
}

#[test]
fn the_last_admin_is_counted_by_the_first_role() {
    // Person 0 is to be a viewer: that leaves person 1, if it is an admin.
    for (first, second, is_allowed) in [(ADMIN, VIEWER, true), (VIEWER, ADMIN, false)] {
        let (sandbox, workdir) = (with_two(first, second), Workdir::new());
        workdir.write("roster.csv", roster(&[(0, "viewer"), (2, "viewer")]));
        let run = workdir.apply(&sandbox, "roster.csv", &["--update-roles", "--send-invites"]);
        assert_eq!(run.count("role_updated") == 1, is_allowed, "{first}: {:?}\n{}", run.counts(), run.stderr);
    }
}

#[test]
fn an_admin_who_is_removed_leaves_one_with_two_roles_whose_first_is_admin() {
    for (first, second, is_allowed) in [(ADMIN, VIEWER, true), (VIEWER, ADMIN, false)] {
        let (sandbox, workdir) = (with_two(first, second), Workdir::new());
        let role = if first == ADMIN { "admin" } else { "viewer" };
        workdir.write("roster.csv", roster(&[(1, role), (2, "viewer")]));
        let run = workdir.apply(&sandbox, "roster.csv", &["--prune", "--send-invites"]);
        let removed = sandbox.state().bindings.iter().all(|binding| binding.user != user(0, 0));
        assert_eq!(removed, is_allowed, "{first}: {:?}\n{}{}", run.counts(), run.stdout, run.stderr);
    }
}

const REPAIR: &[&str] = &["--repair-duplicates"];

/// What Houston has of person 1.
fn roles(sandbox: &Sandbox) -> Vec<Role> {
    sandbox.state().bindings.iter().filter(|b| b.user == user(0, 1)).map(|binding| binding.role).collect()
}

#[test]
fn everybody_with_two_roles_is_named_for_repair_and_keeps_the_first_unless_roles_are_updated() {
    const EDITOR: Role = Role::WorkspaceEditor;
    for (first, second) in [(VIEWER, EDITOR), (EDITOR, VIEWER), (VIEWER, VIEWER)] {
        for (wanted, role) in [("viewer", VIEWER), ("editor", EDITOR), ("admin", ADMIN)] {
            for (flags, left) in [(REPAIR, first), (&[REPAIR[0], "--update-roles"][..], role)] {
                let what = format!("{first} and {second}, {wanted}, {flags:?}");
                let (sandbox, workdir) = (with_two(first, second), InProcess::new());
                workdir.write("roster.csv", roster(&[(1, wanted)]));
                let plan = workdir.call(["plan", "roster.csv", "--format", "csv"]).args(flags);
                let plan = harness::records(&plan.to(&sandbox).quick().run().ended(0).stdout, b',');
                assert_eq!((&*plan[0]["action"], &*plan[0]["to_role"]), ("add", left.name()), "{what}");
                let run = workdir.apply(&sandbox, "roster.csv", flags).ended(0);
                assert_eq!(run.rows()[0]["error_code"], "repaired", "{what}: {:?}", run.rows());
                assert_eq!(roles(&sandbox), [left], "{what}");
                let undo = std::fs::read_to_string(run.folder().join("undo.csv")).unwrap_or_default();
                assert_eq!(undo.contains(&person(0, 1)), left != first, "{what}: {undo}");
            }
        }
    }
}

#[test]
fn an_admin_by_the_first_role_is_repaired_only_beside_another_admin() {
    // The other one is bound twice, too, and not in the roster.
    for (first, second, is_repaired) in [(VIEWER, ADMIN, false), (ADMIN, VIEWER, true)] {
        let world = World::of(1, 3).role(0, 0, first).doubled(0, 0, second);
        let world = world.role(0, 1, ADMIN).doubled(0, 1, VIEWER);
        let options = Options { profile: Profile::V0_28, model: Some(Model::Legacy), ..Options::default() };
        let (sandbox, workdir) = (Sandbox::of(world, options), InProcess::new());
        workdir.write("roster.csv", roster(&[(1, "admin")]));
        drop(workdir.apply(&sandbox, "roster.csv", REPAIR).ended(0));
        assert_eq!(roles(&sandbox).len() == 1, is_repaired, "{first}");
    }
}
