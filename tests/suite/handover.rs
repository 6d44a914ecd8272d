//! An admin hands over to another in one run: the new one is there and proved before the old one leaves,
//! and if that proof fails, the old one stays.

#![cfg(feature = "sandbox")]

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::harness::{
    Finished, InProcess, MODELS, Sandbox, Workdir, World, person, playing, records, workspace,
};
use houston_onboard::sandbox::state::Status;
use houston_onboard::sandbox::{self, Applied, Model, Options, Role};

const UPDATE: &[&str] = &["--update-roles"];
const PRUNE: &[&str] = &["--prune", "--max-remove-percent", "100"];

/// Two workspaces of four people each, the first of whom is its only admin.
fn world() -> World {
    World::of(2, 4).admins(1)
}

/// A roster of the first workspace: people of (workspace, number) and their roles.
fn roster(wishes: &[((usize, usize), &str)]) -> String {
    let mut text = String::from("email,role,workspace\n");
    for ((place, who), role) in wishes {
        writeln!(text, "{},{role},{}", person(*place, *who), workspace(0)).unwrap();
    }
    text
}

/// The first member becomes the admin, and the old one a viewer.
fn up_and_down() -> String {
    roster(&[((0, 0), "viewer"), ((0, 1), "admin")])
}

/// Somebody from the other workspace becomes the admin, and the old one is not in the roster.
fn in_and_out() -> String {
    roster(&[((0, 1), "viewer"), ((0, 2), "viewer"), ((0, 3), "viewer"), ((1, 1), "admin")])
}

fn role_of(sandbox: &Sandbox, who: (usize, usize)) -> Option<Role> {
    let state = sandbox.state();
    let user = state.users.iter().find(|user| user.emails[0] == person(who.0, who.1))?.id.clone();
    let is_theirs = |user_id: &str, place: Option<&str>| user_id == user && place == Some(&*workspace(0));
    state.bindings.iter().find(|one| is_theirs(&one.user, one.workspace.as_deref())).map(|one| one.role)
}

fn ends(run: &Finished) -> Vec<(String, String)> {
    run.rows().iter().map(|row| (row["status"].clone(), row["error_code"].clone())).collect()
}

fn end(status: &str, code: &str) -> (String, String) {
    (status.to_owned(), code.to_owned())
}

/// What became of the first removal.
fn removal(run: &Finished) -> (String, String) {
    let row = records(&run.file("removals.csv"), b',').remove(0);
    (row["status"].clone(), row["error_code"].clone())
}

/// The fields of the mutations that took effect, in their order.
fn applied(sandbox: &sandbox::Sandbox) -> Vec<String> {
    let entries = sandbox.audit().entries.into_iter();
    entries.filter(|entry| entry.outcome == Applied::Applied).map(|entry| entry.field).collect()
}

/// Once the first mutation of a run has taken effect, somebody else makes a viewer of the new admin.
fn and_then_demoted(who: (usize, usize)) -> impl Fn(&sandbox::Sandbox) -> bool + Send + Sync {
    let is_done = AtomicBool::new(false);
    let query = "mutation Other($w: Uuid!, $e: String!) {\
        workspaceUpdateUserRole(workspaceUuid: $w, email: $e, role: WORKSPACE_VIEWER) }";
    let body = json!({"query": query, "variables": {"w": workspace(0), "e": person(who.0, who.1)}});
    move |sandbox| {
        if !applied(sandbox).is_empty() && !is_done.swap(true, Ordering::SeqCst) {
            drop(sandbox.post(sandbox.token(), body.to_string().as_bytes()));
        }
        false
    }
}

#[test]
fn a_member_is_promoted_before_the_old_admin_is_demoted() {
    for model in MODELS {
        let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world(), playing(model, Options::default())));
        workdir.write("roster.csv", up_and_down());
        let words = format!("will lose the admin role only after Houston shows {}", person(0, 1));
        let plan = workdir.call(["plan", "roster.csv"]).args(UPDATE).to(&sandbox).run();
        drop(plan.ended(0).says(&words));
        assert!(!sandbox.audit().reads.contains_key("workspaceUser"), "a member needs no question");
        let run = workdir.apply(&sandbox, "roster.csv", UPDATE).ended(0).says(&words);
        assert_eq!(run.count("role_updated"), 2, "{model:?}");
        let roles: Vec<_> = sandbox.audit().entries.into_iter().filter_map(|entry| entry.role).collect();
        assert_eq!(roles, ["WORKSPACE_ADMIN", "WORKSPACE_VIEWER"], "{model:?}: the new one first");
        sandbox.agrees_with(&run);
    }
}

#[test]
fn a_known_user_comes_in_before_the_old_admin_is_removed() {
    let sandbox = Sandbox::of(world(), playing(Model::Modern, Options::default()));
    let workdir = InProcess::new();
    workdir.write("roster.csv", in_and_out());
    let plan =
        workdir.call(["plan", "roster.csv", "--format", "csv"]).args(PRUNE).to(&sandbox).run().ended(0);
    let actions: Vec<String> = records(&plan.stdout, b',').iter().map(|row| row["action"].clone()).collect();
    assert_eq!(actions, ["none", "none", "none", "add", "remove"], "{}", plan.stdout);
    let run = workdir.apply(&sandbox, "roster.csv", PRUNE).ended(0);
    assert_eq!(removal(&run), end("removed", ""));
    assert_eq!(applied(&sandbox), ["workspaceAddUser", "workspaceRemoveUser"]);
    assert_eq!(role_of(&sandbox, (1, 1)), Some(Role::WorkspaceAdmin));
    sandbox.agrees_with(&run);
}

#[test]
fn a_saved_plan_hands_over_too() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world(), Options::default()));
    workdir.write("roster.csv", up_and_down());
    let plan = workdir.call(["plan", "roster.csv", "--out", "plan.json"]).args(UPDATE).to(&sandbox).run();
    drop(plan.ended(0));
    let run = workdir.call(["apply", "--plan", "plan.json", "--yes"]).to(&sandbox).run().ended(0);
    assert_eq!(run.count("role_updated"), 2, "{:?}", run.counts());
}

#[test]
fn a_person_without_an_account_is_no_successor() {
    for model in MODELS {
        let world = world().person(0, 1, |user| user.status = Status::Pending);
        let sandbox = Sandbox::of(world, playing(model, Options::default()));
        let workdir = InProcess::new();
        // One who has never signed in is promoted, one whom nobody knows is invited.
        let wishes = [((0, 0), "viewer"), ((0, 1), "admin"), ((7, 7), "admin")];
        workdir.write("roster.csv", roster(&wishes));
        drop(workdir.call(["plan", "roster.csv"]).args(UPDATE).to(&sandbox).run().ended(7));
        let run = workdir.apply(&sandbox, "roster.csv", UPDATE).ended(7);
        assert_eq!(ends(&run)[0], end("role_kept", "guard_last_admin"), "{model:?}");
        assert_eq!(role_of(&sandbox, (0, 0)), Some(Role::WorkspaceAdmin));
        workdir.write("without.csv", roster(&[((0, 1), "admin"), ((7, 7), "admin")]));
        let run = workdir.apply(&sandbox, "without.csv", &[PRUNE, UPDATE].concat()).ended(7);
        assert_eq!(removal(&run), end("held_back", "guard_last_admin"), "{model:?}");
        assert_eq!(role_of(&sandbox, (0, 0)), Some(Role::WorkspaceAdmin));
    }
}

#[test]
fn the_old_admin_stays_if_the_new_one_is_gone_when_it_is_their_turn() {
    let sandbox = Sandbox::of(world(), Options::default());
    let workdir = InProcess::new();
    workdir.write("roster.csv", up_and_down());
    let call = workdir.applying(&sandbox, "roster.csv").quick().args(UPDATE);
    let run = call.signal_when("TERM", and_then_demoted((0, 1))).run().ended(8);
    assert_eq!(ends(&run), [end("role_kept", "guard_last_admin"), end("in_doubt", "not_there")]);
    assert_eq!(role_of(&sandbox, (0, 0)), Some(Role::WorkspaceAdmin));
    // A resume promotes the new one; what was held back stays so, until the roster is applied once more.
    let run = workdir.resume(&sandbox, &[]).ended(7);
    assert_eq!(ends(&run), [end("role_kept", "guard_last_admin"), end("role_updated", "")]);
    let run = workdir.apply(&sandbox, "roster.csv", UPDATE).ended(0);
    assert_eq!(run.count("role_updated"), 1, "{:?}", run.counts());
}

#[test]
fn a_removal_is_held_back_if_the_new_admin_is_gone_when_it_is_due() {
    let sandbox = Sandbox::of(world(), playing(Model::Modern, Options::default()));
    let workdir = InProcess::new();
    workdir.write("roster.csv", roster(&[((0, 1), "admin"), ((0, 2), "viewer"), ((0, 3), "viewer")]));
    let call = workdir.applying(&sandbox, "roster.csv").quick().args(UPDATE).args(PRUNE);
    let after_the_proof = and_then_demoted((0, 1));
    let run = call
        .signal_when("TERM", move |sandbox| {
            // The rows are over: their proof was the second reading.
            let reads = sandbox.audit().reads.values().sum::<u64>();
            reads > 9 && after_the_proof(sandbox)
        })
        .run()
        .ended(7);
    assert_eq!(removal(&run), end("held_back", "guard_last_admin"));
    assert_eq!(ends(&run)[0], end("role_updated", ""));
    assert_eq!(role_of(&sandbox, (0, 0)), Some(Role::WorkspaceAdmin));
}

/// Starts a hand-over, kills it after the promotion, and resumes it once `meanwhile` has happened.
fn killed(meanwhile: impl FnOnce(&Sandbox), ends_with: i32) -> (Sandbox, Vec<(String, String)>) {
    let options = Options { latency: Duration::from_millis(150), ..Options::default() };
    let sandbox = Sandbox::of(world(), options);
    let workdir = Workdir::new();
    workdir.write("roster.csv", up_and_down());
    let mut running = workdir.applying(&sandbox, "roster.csv").quick().args(UPDATE).start();
    assert!(running.kill_when(|_| !applied(&sandbox).is_empty()), "it was killed");
    drop(running.finish());
    assert_eq!(applied(&sandbox).len(), 1, "the old admin is still there");
    meanwhile(&sandbox);
    let ends = ends(&workdir.resume(&sandbox, &[]).ended(ends_with));
    (sandbox, ends)
}

#[test]
fn a_run_that_is_killed_between_promotion_and_demotion_goes_on_with_the_hand_over() {
    let (sandbox, ends) = killed(|_| {}, 0);
    assert_eq!(ends, [end("role_updated", ""), end("role_updated", "")]);
    assert_eq!(role_of(&sandbox, (0, 0)), Some(Role::WorkspaceViewer));
    assert_eq!(role_of(&sandbox, (0, 1)), Some(Role::WorkspaceAdmin));
}

#[test]
fn a_resume_judges_the_hand_over_anew() {
    let demote = |sandbox: &Sandbox| {
        let other = InProcess::new();
        other.write("other.csv", roster(&[((0, 1), "editor")]));
        let call = other.call(["apply", "other.csv", "--yes", "--update-roles"]).to(sandbox);
        drop(call.run().ended(0));
    };
    let (sandbox, ends) = killed(demote, 7);
    assert_eq!(ends[0], end("role_kept", "guard_last_admin"), "{ends:?}");
    assert_eq!(role_of(&sandbox, (0, 0)), Some(Role::WorkspaceAdmin));
}
