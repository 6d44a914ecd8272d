//! `export`: what it writes is what Houston has, is a roster, and changes nothing where it came from.

#![cfg(all(feature = "sandbox", unix))]

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::harness::{
    self, Asked, Finished, MODELS, Sandbox, Server, Workdir, World, faulty, json, playing, records,
};
use houston_onboard::sandbox::state::{StateBinding, Status};
use houston_onboard::sandbox::{Model, Options, Profile, Role, State};
use serde_json::{Value, json};

/// A place in a workspace: address, role, id of the workspace, pending or not.
type Place = (String, String, String, bool);

/// Who is where, as the sandbox has it.
fn places(sandbox: &Sandbox) -> BTreeSet<Place> {
    let state = sandbox.state();
    let users: HashMap<_, _> = state.users.iter().map(|user| (&user.id, user)).collect();
    let member = |binding: &StateBinding| {
        let user = users[&binding.user];
        let pending = user.status == Status::Pending;
        let role = binding.role.name().to_owned();
        Some((user.emails[0].clone(), role, binding.workspace.clone()?, pending))
    };
    let invited = state.invites.iter().filter(|invite| invite.user.is_none()).filter_map(|invite| {
        Some((invite.email.clone(), invite.role.name().to_owned(), invite.workspace.clone()?, true))
    });
    state.bindings.iter().filter_map(member).chain(invited).collect()
}

/// Who is where, as an export has it.
fn exported(csv: &str) -> BTreeSet<Place> {
    let place = |row: &harness::Row| {
        let pending = row["membership"] != "member";
        (row["email"].clone(), row["role"].clone(), row["workspace"].clone(), pending)
    };
    let rows = records(csv, b',');
    let places: BTreeSet<Place> = rows.iter().map(place).collect();
    assert_eq!(places.len(), rows.len(), "nobody is there twice");
    places
}

fn export(workdir: &Workdir, sandbox: &Sandbox, more: &[&str]) -> Finished {
    workdir.call(["export"]).to(sandbox).quick().args(more).run()
}

/// The built-in world with people who are invited, in two pages and in one.
fn world(model: Model) -> Sandbox {
    Sandbox::of(World::of(1, 150).and_the_built_in(), playing(model, Options::default()))
}

#[test]
fn an_export_has_everybody_and_its_plan_is_empty() {
    for model in MODELS {
        let (sandbox, workdir) = (world(model), Workdir::new());
        let run = export(&workdir, &sandbox, &["--output", "out.csv"]).ended(0);
        assert_eq!(run.stdout, "");
        let csv = fs::read_to_string(workdir.path().join("out.csv")).unwrap();
        assert_eq!(exported(&csv), places(&sandbox), "{model:?}");
        assert!(exported(&csv).iter().any(|place| place.3), "somebody is invited");
        assert!(csv.contains(",solar-orbit-1001=DEPLOYMENT_EDITOR,Data Platform,member,"), "{csv}");
        workdir.run(["validate", "out.csv"]).ended(0).began_nothing();
        for flags in [&[][..], &["--update-roles", "--prune"]] {
            let plan =
                workdir.call(["plan", "out.csv", "--detailed-exitcode"]).args(flags).to(&sandbox).run();
            plan.ended(0).began_nothing();
        }
        sandbox.received_no_mutation();
        assert!(workdir.folders().is_empty(), "an export is no run");
    }
}

#[test]
fn an_export_is_stable_and_the_same_wherever_it_goes() {
    let (sandbox, workdir) = (world(Model::Modern), Workdir::new());
    let piped = export(&workdir, &sandbox, &[]).ended(0).stdout;
    let again = export(&workdir, &sandbox, &["--concurrency", "1", "--output", "out.csv"]).ended(0);
    assert_eq!(again.stdout, "");
    assert_eq!(piped, fs::read_to_string(workdir.path().join("out.csv")).unwrap());
    let rows: Vec<_> = piped.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>()).collect();
    let order: Vec<_> = rows.iter().map(|cells| (cells[4], cells[2], cells[0])).collect();
    assert!(order.is_sorted(), "by label, workspace and address");
}

#[test]
fn a_sandbox_starts_from_an_export() {
    for model in MODELS {
        let (sandbox, workdir) = (world(model), Workdir::new());
        let _ = export(&workdir, &sandbox, &["--output", "out.csv"]).ended(0);
        let _ = export(&workdir, &sandbox, &["--output", "out.json", "--format", "json"]).ended(0);
        for file in ["out.csv", "out.json"] {
            let rehearsal = ["plan", "out.csv", "--detailed-exitcode", "--sandbox", "--sandbox-state", file];
            workdir.run(rehearsal).ended(0).began_nothing();
            let copy = Sandbox::of(
                State::read(&workdir.path().join(file)).unwrap(),
                playing(model, Options::default()),
            );
            let second = export(&workdir, &copy, &[]).ended(0);
            let first = fs::read_to_string(workdir.path().join("out.csv")).unwrap();
            assert_eq!(second.stdout, first, "{file} {model:?}");
        }
    }
}

#[test]
fn every_version_can_be_exported() {
    for profile in Profile::ALL {
        let (sandbox, workdir) = (Sandbox::with(Options { profile, ..Options::default() }), Workdir::new());
        // 0.16 lists nobody any workspace but their own.
        let id = "ckdataplatform00000000001";
        let run = export(&workdir, &sandbox, &["--workspace", id]).ended(0);
        let here = places(&sandbox).into_iter().filter(|place| place.2 == id).collect();
        assert_eq!(exported(&run.stdout), here, "{profile}");
        assert!(run.stdout.contains("solar-orbit-1001=DEPLOYMENT_EDITOR"), "{profile}: {}", run.stdout);
    }
}

#[test]
fn workspaces_are_chosen_by_id_and_by_label() {
    let (sandbox, workdir) = (Sandbox::new(), Workdir::new());
    let labels = |more: &[&str]| -> BTreeSet<String> {
        let run = export(&workdir, &sandbox, more).ended(0);
        records(&run.stdout, b',').into_iter().map(|row| row["label"].clone()).collect()
    };
    assert_eq!(labels(&[]).len(), 6, "two have one label");
    assert_eq!(labels(&["--workspace", "Finance"]).into_iter().collect::<Vec<_>>(), ["Finance"]);
    let two = labels(&["--workspace", "ckfinance*", "--workspace", "M*"]);
    assert_eq!(two.into_iter().collect::<Vec<_>>(), ["Finance", "Machine Learning", "Marketing Analytics"]);
    let wrong = export(&workdir, &sandbox, &["--workspace", "Finance", "--workspace", "Finanse"]).ended(2);
    let _ = wrong.says("`Finanse` matches no workspace").says("did you mean `Finance`?");
}

#[test]
fn what_the_caller_may_not_see_is_said() {
    let (sandbox, workdir) = (Sandbox::new(), Workdir::new());
    // An editor of Operations sees no invitations.
    let state = sandbox.state();
    let editor = state.bindings.iter().find(|binding| {
        binding.role == Role::WorkspaceEditor
            && state.users.iter().any(|user| user.id == binding.user && user.status == Status::Active)
    });
    let user = state.users.iter().find(|user| user.id == editor.unwrap().user).unwrap();
    let token = sandbox.token_of(&user.username).unwrap();
    let run = workdir
        .call(["export", "--format", "json", "--url", sandbox.url()])
        .token(&token)
        .run()
        .ended(0)
        .says("cannot see the invitations of");
    let told: Value = serde_json::from_str(&run.stdout).unwrap();
    assert!(told["workspaces"].as_array().unwrap().iter().any(|place| place["invitations_read"] == false));
}

/// A Houston with two workspaces; reading the members of the second one ends in this error.
fn half_broken(code: &'static str) -> Server {
    Server::start(move |asked: &Asked| {
        let body: Value = serde_json::from_str(&asked.body).unwrap();
        let user = |id: &str, name: Value, bindings: Value| {
            let emails = name.as_str().map(|name| json!({"address": name})).into_iter().collect::<Vec<_>>();
            json!({"id": id, "username": name, "status": "active", "emails": emails, "roleBindings": bindings})
        };
        let binding = |role: &str| json!({"role": role, "workspace": {"id": "ck1"}, "deployment": null});
        let people = json!([
            user(
                "u1",
                json!("ada@example.com"),
                json!([binding("WORKSPACE_VIEWER"), binding("WORKSPACE_ADMIN")])
            ),
            user("u2", json!("team@example.com"), json!([])),
            user("u3", json!("hidden@example.com"), if code == "HIDDEN" { Value::Null } else { json!([]) }),
            user("u4", Value::Null, json!([binding("WORKSPACE_VIEWER")])),
        ]);
        let is_second = body["variables"]["workspaceUuid"] == "ck2";
        let answer = match asked.operation().as_str() {
            "Installation" => json!({"data": {"appConfig": {"version": "1.0.0"}, "authConfig": null}}),
            "Caller" => json!({"data": {"self": {"user": {"id": "u9", "username": "me"}, "isAdmin": true}}}),
            "SysWorkspaces" => json!({"data": {"sysWorkspaces":
                [{"id": "ck1", "label": "One"}, {"id": "ck2", "label": "Two\u{1b}[31m"}]}}),
            "Invites" => json!({"data": {"workspaceInvites": []}}),
            operation if is_second && code != "HIDDEN" => {
                let field =
                    if operation.starts_with("All") { "workspaceUsers" } else { "paginatedWorkspaceUsers" };
                let error = json!({"message": "You do not have the appropriate permissions for that",
                    "path": [field], "extensions": {"code": code}});
                let other = json!({"message": "it broke", "path": [field], "extensions": {"code": code}});
                let error = if code == "FORBIDDEN" { error } else { other };
                json!({"data": {field: null}, "errors": [error]})
            }
            _ if is_second || body["variables"]["cursor"] != "" => {
                json!({"data": {"paginatedWorkspaceUsers": []}})
            }
            _ => json!({"data": {"paginatedWorkspaceUsers": people}}),
        };
        json(&answer)
    })
}

fn export_from(server: &Server, workdir: &Workdir, more: &[&str]) -> Finished {
    workdir.call(["export", "--url", &server.url(), "--retries", "0"]).token("a.b.c").args(more).run()
}

#[test]
fn a_workspace_that_cannot_be_read_is_named_and_told_by_the_status() {
    for (code, status) in [("FORBIDDEN", 6), ("INTERNAL_SERVER_ERROR", 8)] {
        let (server, workdir) = (half_broken(code), Workdir::new());
        let run = export_from(&server, &workdir, &[]).ended(status).says("not exported: Two␛[31m (ck2)");
        assert_eq!(records(&run.stdout, b',').len(), 1, "{}", run.stdout);
        let run = export_from(&server, &workdir, &["--format", "json"]).ended(status);
        let told: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(told["workspaces"][0]["complete"], true);
        assert_eq!(told["workspaces"][1]["complete"], false);
        assert!(told["workspaces"][1]["error"]["text"].is_string(), "{told}");
    }
}

#[test]
fn nobody_is_passed_over_in_silence() {
    let (server, workdir) = (half_broken("HIDDEN"), Workdir::new());
    let run = export_from(&server, &workdir, &["-q"]).ended(6);
    let run = run
        .says("1 entry without a workspace role of their own")
        .says("team@example.com in One (ck1)")
        .says("whose roles Houston does not show: hidden@example.com")
        .says("1 entry without an email address: u4 in One")
        .says("1 member has more than one workspace role; the first is exported: ada@example.com");
    let rows = records(&run.stdout, b',');
    assert_eq!((rows.len(), rows[0]["role"].as_str()), (1, "WORKSPACE_VIEWER"));
    assert_eq!(rows[0]["note"], "bound 2 times: WORKSPACE_VIEWER WORKSPACE_ADMIN");
    let told = export_from(&server, &workdir, &["--format", "json"]).ended(6).stdout;
    let told: Value = serde_json::from_str(&told).unwrap();
    let why: Vec<_> = told["workspaces"][0]["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["left_out_of_csv"])
        .collect();
    assert_eq!(json!(why), json!([null, "roles_hidden", "no_workspace_role", "no_address"]));
}

#[test]
fn a_file_is_there_whole_or_as_it_was() {
    let workdir = Workdir::new();
    let path = workdir.write("out.csv", "of yesterday");
    // The token of a user dies in the middle.
    let sandbox = Sandbox::of(World::of(5, 250), faulty("token-dies=12"));
    let run = export(&workdir, &sandbox, &["--output", "out.csv", "--concurrency", "1"]);
    let _ = run.ended(4).says("token");
    assert!(sandbox.audit().requests >= 12);
    assert_eq!(fs::read_to_string(&path).unwrap(), "of yesterday");
    assert_eq!(fs::read_dir(workdir.path()).unwrap().count(), 1, "nothing is left beside it");

    let sandbox = Sandbox::of(World::of(5, 250), Options::default());
    let _ = export(&workdir, &sandbox, &["--output", "out.csv"]).ended(0);
    assert_eq!(exported(&fs::read_to_string(&path).unwrap()).len(), 1250);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let before = sandbox.audit().requests;
    let _ = export(&workdir, &sandbox, &["--output", "gone/out.csv"]).ended(1).says("gone/out.csv");
    assert_eq!(sandbox.audit().requests, before, "nothing is asked for what cannot be written");
}

#[test]
fn faults_on_the_way_change_nothing() {
    let faults = "read:502=10%,read:reset=5%,read:429=5%,read:html=3%,read:truncated=3%";
    let sandbox = Sandbox::of(World::of(6, 230), faulty(faults));
    let workdir = Workdir::new();
    let run = export(&workdir, &sandbox, &["--retries", "12"]).ended(0);
    assert_eq!(exported(&run.stdout), places(&sandbox));
    sandbox.received_no_mutation();
}

#[test]
fn a_signal_leaves_nothing_behind() {
    for (name, status) in [("INT", 130), ("TERM", 143)] {
        let workdir = Workdir::new();
        workdir.write("out.csv", "of yesterday");
        let sandbox = Sandbox::of(World::of(40, 120), faulty("slow=p95:400ms"));
        let flags = ["--output", "out.csv", "--concurrency", "2", "--timeout", "20s"];
        let running = workdir.call(["export"]).to(&sandbox).args(&flags).start();
        harness::until("members are read", || (sandbox.audit().requests > 8).then_some(()));
        running.signal(name);
        let _ = running.finish().ended(status).says("the export is not complete");
        assert_eq!(fs::read_to_string(workdir.path().join("out.csv")).unwrap(), "of yesterday");
        assert_eq!(fs::read_dir(workdir.path()).unwrap().count(), 1, "nothing is left beside it");
    }
}

#[test]
fn nobody_reading_any_more_is_no_error() {
    let (sandbox, workdir) = (Sandbox::of(World::of(5, 700), Options::default()), Workdir::new());
    let command = format!(
        "'{}' export --url {} | head -n 2 > head.csv; echo ${{PIPESTATUS[0]}} > status",
        harness::program(),
        sandbox.url()
    );
    let done = std::process::Command::new("bash")
        .args(["-c", &command])
        .current_dir(workdir.path())
        .env("HOUSTON_API_TOKEN", sandbox.token())
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    assert_eq!(fs::read_to_string(workdir.path().join("status")).unwrap(), "0\n", "{done:?}");
    assert_eq!(fs::read_to_string(workdir.path().join("head.csv")).unwrap().lines().count(), 2);
}

#[test]
fn a_houston_that_is_away_for_a_while_is_waited_for() {
    let sandbox = Sandbox::of(World::of(3, 20), faulty("all:503=#8-16"));
    let workdir = Workdir::new();
    let run = export(&workdir, &sandbox, &["--retries", "1"]).ended(0);
    assert_eq!(exported(&run.stdout), places(&sandbox));
}
