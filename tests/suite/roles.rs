//! `--update-roles`: members get the role of the roster, once, proved, and never so that the caller
//! or the last admin of a workspace loses theirs.

#![cfg(feature = "sandbox")]

use std::fmt::Write as _;
use std::time::Duration;

use crate::harness::{
    self, Finished, InProcess, MODELS, Sandbox, Workdir, World, faulty, person, playing, records, workspace,
};
use houston_onboard::sandbox::state::Status;
use houston_onboard::sandbox::{Model, Options, Profile, Role};

const UPDATE: &[&str] = &["--update-roles"];

/// Workspaces with so many people each, of whom the first two are admins and the others viewers.
fn world(workspaces: usize, people: usize) -> World {
    World::of(workspaces, people).admins(2)
}

/// A roster of (workspace, person, role).
fn roster(wishes: &[(usize, usize, &str)]) -> String {
    let mut text = String::from("email,role,workspace\n");
    for &(place, who, role) in wishes {
        writeln!(text, "{},{role},{}", person(place, who), workspace(place)).unwrap();
    }
    text
}

/// In each workspace: one admin is demoted, people are promoted, one is added and one is unchanged.
fn mixed(workspaces: usize, people: usize) -> String {
    let mut wishes = Vec::new();
    for place in 0..workspaces {
        wishes.extend([(place, 0, "editor"), (place, people, "viewer"), (place, 2, "viewer")]);
        wishes.extend((3..people).map(|who| (place, who, if who % 2 == 0 { "admin" } else { "editor" })));
    }
    roster(&wishes)
}

fn role_of(sandbox: &Sandbox, place: usize, who: usize) -> Option<Role> {
    let state = sandbox.state();
    let user = state.users.iter().find(|user| user.emails[0] == person(place, who))?.id.clone();
    let binding = |b: &&houston_onboard::sandbox::state::StateBinding| {
        b.user == user && b.workspace.as_deref() == Some(&*workspace(place))
    };
    state.bindings.iter().find(binding).map(|b| b.role)
}

fn status_of(run: &Finished, email: &str) -> (String, String) {
    let row = run.rows().into_iter().find(|row| row["email"] == email).unwrap();
    (row["status"].clone(), row["error_code"].clone())
}

#[test]
fn roles_become_those_of_the_roster_on_every_version_and_a_second_run_has_nothing_to_do() {
    for profile in [Profile::V0_23, Profile::V0_28, Profile::V0_30, Profile::V1, Profile::V2] {
        let workdir = InProcess::new();
        let sandbox = Sandbox::of(world(2, 8), Options { profile, ..Options::default() });
        // Before 0.25.3 nobody is added without a mail, so that there only roles are changed.
        let all = mixed(2, 8);
        let kept: Vec<&str> = all
            .lines()
            .filter(|line| !line.starts_with("person.0.8") && !line.starts_with("person.1.8"))
            .collect();
        let is_old = profile == Profile::V0_23;
        workdir.write("roster.csv", if is_old { kept.join("\n") } else { all.clone() });
        let plan = workdir
            .call(["plan", "roster.csv", "--format", "csv", "--update-roles"])
            .to(&sandbox)
            .run()
            .ended(0);
        let rows = records(&plan.stdout, b',');
        let updates: Vec<_> = rows.iter().filter(|row| row["action"] == "update_role").collect();
        assert_eq!(updates.len(), 12, "{profile:?}: {}", plan.stdout);
        assert_eq!(
            (&*updates[0]["from_role"], &*updates[0]["to_role"]),
            ("WORKSPACE_ADMIN", "WORKSPACE_EDITOR")
        );
        sandbox.received_no_mutation();
        let run = workdir.apply(&sandbox, "roster.csv", UPDATE).ended(0);
        assert_eq!(run.count("role_updated"), 12, "{profile:?}: {:?}", run.counts());
        assert_eq!(run.count("unchanged"), 2);
        sandbox.agrees_with(&run);
        let again = workdir
            .apply(&sandbox, "roster.csv", &["--update-roles", "--exit-code-unchanged", "99"])
            .ended(99);
        assert_eq!(again.count("role_updated"), 0, "{profile:?}");
    }
}

#[test]
fn without_the_flag_no_role_is_changed() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world(2, 8), Options::default()));
    workdir.write("roster.csv", mixed(2, 8));
    let run = workdir.apply(&sandbox, "roster.csv", &[]).ended(0);
    assert_eq!(run.count("role_kept"), 12, "{:?}", run.counts());
    assert_eq!(role_of(&sandbox, 0, 0), Some(Role::WorkspaceAdmin));
    let plan = workdir.call(["plan", "roster.csv"]).to(&sandbox).run().ended(0);
    assert!(!plan.stdout.contains('~'), "{}", plan.stdout);
}

#[test]
fn the_plan_shows_from_what_to_what() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world(1, 4), Options::default()));
    workdir.write("roster.csv", roster(&[(0, 0, "viewer"), (0, 3, "editor")]));
    let call = |format: &str| {
        workdir.call(["plan", "roster.csv", "--format", format, "--update-roles"]).to(&sandbox).run().ended(0)
    };
    let human = call("human").stdout;
    assert!(human.contains("~ person.0.0@example.com  WORKSPACE_ADMIN -> WORKSPACE_VIEWER"), "{human}");
    assert!(human.contains("2 roles to change"), "{human}");
    let json: serde_json::Value = serde_json::from_str(&call("json").stdout).unwrap();
    assert_eq!(json["counts"]["update_role"], 2, "{json}");
    assert_eq!(json["rows"][1]["from_role"], "WORKSPACE_VIEWER");
    let pending =
        workdir.call(["plan", "roster.csv", "--update-roles", "--detailed-exitcode"]).to(&sandbox).run();
    drop(pending.ended(10));
}

#[test]
fn a_workspace_keeps_an_admin_and_the_others_get_their_roles() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world(2, 5), Options::default()));
    // Both admins of the first workspace, one of the second; one who is invited is no admin yet.
    let wishes = [(0, 0, "viewer"), (0, 1, "editor"), (0, 9, "admin"), (1, 0, "viewer"), (1, 3, "editor")];
    workdir.write("roster.csv", roster(&wishes));
    let plan = workdir.call(["plan", "roster.csv", "--update-roles"]).to(&sandbox).run().ended(7);
    assert!(plan.stdout.contains("without an admin"), "{}", plan.stdout);
    let run =
        workdir.apply(&sandbox, "roster.csv", UPDATE).ended(7).says("the workspace would have no admin left");
    assert_eq!((run.count("role_kept"), run.count("role_updated")), (2, 2), "{:?}", run.counts());
    let held = ("role_kept".to_owned(), "guard_last_admin".to_owned());
    assert_eq!(status_of(&run, &person(0, 0)), held);
    assert_eq!(status_of(&run, &person(0, 1)), held);
    sandbox.agrees_with(&run);
    assert_eq!(role_of(&sandbox, 0, 0), Some(Role::WorkspaceAdmin));
    // With a member who becomes an admin, both may go.
    workdir.write("roster.csv", roster(&[&wishes[..], &[(0, 2, "admin")]].concat()));
    let second = workdir.apply(&sandbox, "roster.csv", UPDATE).ended(0);
    assert_eq!(second.count("role_updated"), 3, "{:?}", second.counts());
    assert_eq!(role_of(&sandbox, 0, 0), Some(Role::WorkspaceViewer));
    // The status is told again by the report of the first run.
    let first = run.folder().display().to_string();
    drop(workdir.program().resuming(&sandbox).args(&[&first]).run().ended(7));
}

#[test]
fn an_admin_who_has_never_signed_in_does_not_count_and_one_on_a_later_page_does() {
    for (status, ends) in [(Status::Active, 0), (Status::Pending, 7)] {
        // The other admin is the last of three pages.
        let world = world(1, 250)
            .role(0, 1, Role::WorkspaceViewer)
            .role(0, 249, Role::WorkspaceAdmin)
            .person(0, 249, |user| user.status = status);
        let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world, Options::default()));
        workdir.write("roster.csv", roster(&[(0, 0, "viewer")]));
        let run = workdir.apply(&sandbox, "roster.csv", UPDATE).ended(ends);
        assert_eq!(run.count("role_kept") == 1, ends == 7, "{status:?}");
    }
}

#[test]
fn the_caller_is_never_demoted_under_whatever_name() {
    for is_named_by_address in [true, false] {
        let mut world = world(1, 4);
        if !is_named_by_address {
            world = world.person(0, 0, |user| user.username = "the.boss".to_owned());
        }
        let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world, Options::default()));
        let token = sandbox.token_of(&person(0, 0)).unwrap();
        workdir.write("roster.csv", roster(&[(0, 0, "editor"), (0, 1, "editor"), (0, 2, "editor")]));
        let call = workdir.call(["apply", "roster.csv", "--yes", "--update-roles", "--url", sandbox.url()]);
        let run = call.quick().token(&token).run().ended(7);
        assert_eq!(status_of(&run, &person(0, 0)), ("role_kept".to_owned(), "guard_self".to_owned()));
        // The caller stays an admin, so the other one may go.
        assert_eq!(run.count("role_updated"), 2, "{:?}", run.counts());
        sandbox.agrees_with(&run);
    }
}

#[test]
fn a_caller_whom_protect_covers_stays_by_the_users_own_wish() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world(1, 4), Options::default()));
    let token = sandbox.token_of(&person(0, 0)).unwrap();
    workdir.write("roster.csv", roster(&[(0, 0, "editor"), (0, 1, "editor"), (0, 2, "editor")]));
    let (caller, url) = (person(0, 0), sandbox.url().to_owned());
    let flags = ["--update-roles", "--protect", &caller, "--url", &url];
    let plan = workdir.call(["plan", "roster.csv"]).args(&flags).quick().token(&token).run();
    drop(plan.ended(0));
    let run =
        workdir.call(["apply", "roster.csv", "--yes"]).args(&flags).quick().token(&token).run().ended(0);
    assert_eq!(status_of(&run, &person(0, 0)), ("role_kept".to_owned(), "protected".to_owned()));
    // Nobody else of the file removes the caller either.
    workdir.write("others.csv", roster(&[(0, 1, "editor"), (0, 2, "editor"), (0, 3, "viewer")]));
    let flags = ["--prune", "--protect", &caller, "--url", &url];
    let run =
        workdir.call(["apply", "others.csv", "--yes"]).args(&flags).quick().token(&token).run().ended(0);
    let removals = harness::records(&run.file("removals.csv"), b',');
    assert_eq!((removals[0]["status"].as_str(), removals[0]["error_code"].as_str()), ("kept", "protected"));
}

#[test]
fn doubled_bindings_are_reported_and_left_alone() {
    let world = world(1, 4).doubled(0, 2, Role::WorkspaceEditor);
    let sandbox = Sandbox::of(world, playing(Model::Legacy, Options::default()));
    let workdir = InProcess::new();
    workdir.write("roster.csv", roster(&[(0, 2, "admin"), (0, 3, "editor")]));
    let run = workdir.apply(&sandbox, "roster.csv", UPDATE).ended(6);
    assert_eq!(status_of(&run, &person(0, 2)), ("rejected".to_owned(), "duplicate_binding".to_owned()));
    assert_eq!(run.count("role_updated"), 1);
    assert_eq!(role_of(&sandbox, 0, 2), Some(Role::WorkspaceViewer));
}

#[test]
fn pending_users_get_the_role() {
    let world = world(1, 5).person(0, 3, |user| user.status = Status::Pending);
    let sandbox = Sandbox::of(world, playing(Model::Modern, Options::default()));
    let workdir = InProcess::new();
    workdir.write("roster.csv", roster(&[(0, 3, "editor")]));
    let run = workdir.apply(&sandbox, "roster.csv", UPDATE).ended(0);
    assert_eq!(run.counts().into_iter().collect::<Vec<_>>(), [("role_updated".to_owned(), 1)]);
    assert_eq!(role_of(&sandbox, 0, 3), Some(Role::WorkspaceEditor));
}

const FAULTS: &str =
    "write:reset=5%,write:truncated=4%,502-after=4%,write:503=3%,ise-after=2%,ise=2%,read:503=3%";

#[test]
fn roles_are_right_on_a_server_that_fails_one_time_in_five() {
    for model in MODELS {
        for seed in 1..4 {
            let options = Options { seed, ..faulty(FAULTS) };
            let sandbox = Sandbox::of(world(4, 12), playing(model, options));
            let workdir = InProcess::new();
            workdir.write("roster.csv", mixed(4, 12));
            let run = workdir.apply(&sandbox, "roster.csv", &["--update-roles", "--retries", "8"]).ended(0);
            assert_eq!(run.count("role_updated"), 40, "{model:?} {seed}: {:?}", run.counts());
            sandbox.agrees_with(&run);
        }
    }
}

#[test]
fn a_killed_run_goes_on_with_its_roles() {
    for model in MODELS {
        let mut random = fastrand::Rng::with_seed(7);
        for seed in 0..4 {
            let options = Options { latency: Duration::from_millis(2), seed, ..faulty(FAULTS) };
            let sandbox = Sandbox::of(world(3, 10), playing(model, options));
            let workdir = Workdir::new();
            workdir.write("roster.csv", mixed(3, 10));
            let call = workdir.applying(&sandbox, "roster.csv").quick();
            let mut running = call.args(&["--update-roles", "--retries", "8"]).start();
            let intents = random.usize(1..25);
            running.await_entries("intent", intents);
            running.kill_when(|_| true);
            drop(running.finish());
            // The flag is not said again: the run knows.
            let run = workdir.resume(&sandbox, &["--retries", "8"]).ended(0);
            assert_eq!(run.count("role_updated"), 24, "{model:?} {seed}: {:?}", run.counts());
            sandbox.agrees_with(&run);
        }
    }
}

#[test]
fn without_the_flag_a_pending_invitation_keeps_its_role_and_the_report_says_so() {
    let world = world(1, 5).invited(0, "guest@example.com", Role::WorkspaceViewer);
    let sandbox = Sandbox::of(world, playing(Model::Legacy, Options::default()));
    let workdir = InProcess::new();
    workdir.write("roster.csv", format!("email,role,workspace\nguest@example.com,admin,{}\n", workspace(0)));
    let run = workdir.apply(&sandbox, "roster.csv", &[]).ended(0);
    let status = status_of(&run, "guest@example.com");
    assert_eq!(status, ("already_invited".to_owned(), "other_role".to_owned()));
    sandbox.received_no_mutation();
}

/// A run of this roster that ends before it has changed a role: the additions before that take
/// their time.
fn begun(workdir: &InProcess, sandbox: &Sandbox, wishes: &[(usize, usize, &str)]) {
    let additions = (0..12).map(|who| (0, 100 + who, "viewer"));
    workdir.write("roster.csv", roster(&additions.chain(wishes.iter().copied()).collect::<Vec<_>>()));
    let call = workdir.applying(sandbox, "roster.csv").quick().args(&["--update-roles", "--rate", "10/s"]);
    let run = call.signal_when("TERM", |sandbox| sandbox.audit().mutations_received >= 1).run().ended(143);
    for (_, who, _) in wishes {
        assert_eq!(status_of(&run, &person(0, *who)).0, "not_run");
    }
}

/// Somebody else changes a role.
fn meanwhile(sandbox: &Sandbox, who: usize, role: &str) {
    let other = InProcess::new();
    other.write("roster.csv", roster(&[(0, who, role)]));
    drop(other.apply(sandbox, "roster.csv", UPDATE).ended(0));
}

#[test]
fn what_changed_since_the_plan_is_not_overruled_by_a_resume() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world(1, 6), Options::default()));
    begun(&workdir, &sandbox, &[(0, 3, "editor"), (0, 4, "editor")]);
    meanwhile(&sandbox, 3, "admin");
    let run = workdir.resume(&sandbox, &[]).ended(0);
    assert_eq!(status_of(&run, &person(0, 3)), ("role_kept".to_owned(), "other_role".to_owned()));
    assert_eq!(status_of(&run, &person(0, 4)).0, "role_updated");
    sandbox.agrees_with(&run);
}

#[test]
fn the_guards_are_judged_again_by_a_resume() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world(1, 6), Options::default()));
    begun(&workdir, &sandbox, &[(0, 0, "editor"), (0, 4, "editor")]);
    // The other admin is demoted: the first one is the last one now.
    meanwhile(&sandbox, 1, "viewer");
    let run = workdir.resume(&sandbox, &[]).ended(7);
    assert_eq!(status_of(&run, &person(0, 0)), ("role_kept".to_owned(), "guard_last_admin".to_owned()));
    assert_eq!(status_of(&run, &person(0, 4)).0, "role_updated");
    assert_eq!(role_of(&sandbox, 0, 0), Some(Role::WorkspaceAdmin));
    assert_eq!(run.summary()["exit_status"], 7);
}

#[test]
fn protected_people_keep_their_role_under_any_of_their_names_and_that_is_no_failure() {
    let world = world(1, 4).person(0, 1, |user| user.emails.push("chief@example.com".to_owned()));
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world, Options::default()));
    workdir.write("roster.csv", roster(&[(0, 1, "viewer"), (0, 2, "editor"), (0, 3, "viewer")]));
    let flags =
        ["--update-roles", "--protect", "CHIEF@*", "--protect", "person.0.2@*", "--protect", "cheif@*"];
    let plan =
        workdir.call(["plan", "roster.csv", "--format", "csv"]).args(&flags).to(&sandbox).run().ended(0);
    assert!(
        plan.stdout.contains(",none,WORKSPACE_ADMIN") || plan.stdout.contains("protect"),
        "{}",
        plan.stdout
    );
    assert!(plan.stderr.contains("cheif@*") && !plan.stderr.contains("CHIEF"), "{}", plan.stderr);
    let run = workdir.apply(&sandbox, "roster.csv", &flags).ended(0);
    let ends: Vec<_> =
        run.rows().iter().map(|row| (row["status"].clone(), row["error_code"].clone())).collect();
    let end = |status: &str, code: &str| (status.to_owned(), code.to_owned());
    assert_eq!(ends, [end("role_kept", "protected"), end("role_updated", ""), end("unchanged", "")]);
    assert_eq!(role_of(&sandbox, 0, 1), Some(Role::WorkspaceAdmin));
    assert_eq!(role_of(&sandbox, 0, 2), Some(Role::WorkspaceEditor), "more rights are not held back");
}

#[test]
fn an_admin_who_cannot_sign_in_is_no_replacement() {
    for (status, ends) in
        [(Status::Active, 0), (Status::Pending, 7), (Status::Banned, 7), (Status::Inactive, 7)]
    {
        let world = world(1, 4).person(0, 1, |user| user.status = status);
        let (workdir, sandbox) =
            (InProcess::new(), Sandbox::of(world, playing(Model::Modern, Options::default())));
        workdir.write("roster.csv", roster(&[(0, 0, "viewer")]));
        let plan = workdir.call(["plan", "roster.csv"]).args(UPDATE).to(&sandbox).run();
        drop(plan.ended(ends));
        let run = workdir.apply(&sandbox, "roster.csv", UPDATE).ended(ends);
        let kept = if ends == 0 { Role::WorkspaceViewer } else { Role::WorkspaceAdmin };
        assert_eq!(role_of(&sandbox, 0, 0), Some(kept), "{status:?}: {}", run.stderr);
    }
}
