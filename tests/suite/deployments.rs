//! The column `deployment_roles`: who gets which role in which deployment, with the workspace or after
//! it, once, and told per row.

#![cfg(feature = "sandbox")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::harness::{
    self, Finished, InProcess, MODELS, Sandbox, Workdir, World, faulty, person, playing, workspace,
};
use houston_onboard::sandbox::state::StateBinding;
use houston_onboard::sandbox::{Faults, Model, Options, Profile, Role, Switches};

/// Two deployments per workspace: `rel-0-a`, `rel-0-b`, `rel-1-a`, ...
fn world(workspaces: usize, people: usize) -> World {
    World::of(workspaces, people).admins(1).deployments()
}

/// Rows of workspace, who, role, deployment roles.
fn roster(rows: &[(usize, usize, &str)]) -> String {
    let mut text = String::from("email,role,workspace,deployment_roles\n");
    for (place, who, grants) in rows {
        let role = if *who == 0 { "admin" } else { "viewer" };
        writeln!(text, "{},{role},{},{grants}", person(*place, *who), workspace(*place)).unwrap();
    }
    text
}

/// Who has which role in which deployment; whoever has two is there twice.
fn granted(sandbox: &Sandbox) -> Vec<(String, String, String)> {
    let state = sandbox.state();
    let address = |id: &str| state.users.iter().find(|user| user.id == id).unwrap().emails[0].clone();
    let release = |id: &str| state.deployments.iter().find(|one| one.id == id).unwrap().release_name.clone();
    let grant = |binding: &StateBinding| {
        let deployment = binding.deployment.as_ref()?;
        let role = binding.role.name().trim_start_matches("DEPLOYMENT_").to_lowercase();
        Some((address(&binding.user), release(deployment), role))
    };
    let mut all: Vec<_> = state.bindings.iter().filter_map(grant).collect();
    all.sort();
    all
}

fn grants(all: &[(usize, usize, &str, &str)]) -> Vec<(String, String, String)> {
    let mut all: Vec<_> = (all.iter())
        .map(|&(place, who, release, role)| (person(place, who), release.to_owned(), role.to_owned()))
        .collect();
    all.sort();
    all
}

fn plan(workdir: &InProcess, sandbox: &Sandbox, more: &[&str]) -> Finished {
    workdir.call(["plan", "roster.csv", "--detailed-exitcode"]).args(more).to(sandbox).quick().run()
}

fn parsed(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

fn mutations(sandbox: &Sandbox) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for entry in sandbox.audit().entries {
        *counts.entry(entry.field.clone()).or_default() += 1;
    }
    counts
}

#[test]
fn roles_in_deployments_come_with_an_add_and_are_given_to_members() {
    for model in MODELS {
        // An account that is in the other workspace only.
        let world = world(2, 6).granted(0, 2, Role::DeploymentViewer).granted(0, 3, Role::DeploymentEditor);
        let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world, playing(model, Options::default())));
        let mut text = roster(&[
            (0, 1, "rel-0-a=DEPLOYMENT_EDITOR;rel-0-b=deployment_viewer"),
            (0, 2, "ckdeploy0a=DEPLOYMENT_ADMIN"),
            (0, 3, "rel-0-a=DEPLOYMENT_EDITOR"),
            (0, 4, ""),
        ]);
        writeln!(text, "{},editor,{},rel-0-b=DEPLOYMENT_ADMIN", person(1, 1), workspace(0)).unwrap();
        workdir.write("roster.csv", text);
        let shown = plan(&workdir, &sandbox, &[]).ended(10).stdout;
        assert!(shown.contains("3 deployment roles to set"), "{shown}");
        assert!(
            shown.contains("+ person.0.1@example.com  in rel-0-a: DEPLOYMENT_EDITOR  (roster.csv:2)"),
            "{shown}"
        );
        sandbox.received_no_mutation();
        let run = workdir.apply(&sandbox, "roster.csv", &[]).ended(0);
        assert_eq!(
            granted(&sandbox),
            grants(&[
                (0, 1, "rel-0-a", "editor"),
                (0, 1, "rel-0-b", "viewer"),
                (0, 2, "rel-0-a", "viewer"),
                (0, 3, "rel-0-a", "editor"),
                (1, 1, "rel-0-b", "admin"),
            ]),
            "{model:?}"
        );
        let status: Vec<_> = run.rows().into_iter().map(|row| row["status"].clone()).collect();
        assert_eq!(status, ["role_updated", "role_kept", "unchanged", "unchanged", "added"]);
        let detail: Vec<_> = run.rows().into_iter().map(|row| row["detail"].clone()).collect();
        assert_eq!(detail[0], "rel-0-a: DEPLOYMENT_EDITOR granted; rel-0-b: DEPLOYMENT_VIEWER granted");
        assert_eq!(detail[1], "rel-0-a: keeps DEPLOYMENT_VIEWER");
        assert_eq!(detail[4], "rel-0-b: DEPLOYMENT_ADMIN granted");
        let sent = mutations(&sandbox);
        assert_eq!((sent["workspaceAddUser"], sent["deploymentAddUserRole"]), (1, 2), "{sent:?}");
        drop(plan(&workdir, &sandbox, &[]).ended(0));

        drop(plan(&workdir, &sandbox, &["--update-roles"]).ended(10));
        let run = workdir.apply(&sandbox, "roster.csv", &["--update-roles"]).ended(0);
        assert_eq!(run.rows()[1]["status"], "role_updated");
        assert_eq!(run.rows()[1]["detail"], "rel-0-a: DEPLOYMENT_VIEWER -> DEPLOYMENT_ADMIN");
        assert!(granted(&sandbox).contains(&grants(&[(0, 2, "rel-0-a", "admin")])[0]));
        drop(plan(&workdir, &sandbox, &["--update-roles"]).ended(0));
    }
}

#[test]
fn what_an_invitation_brings_along_is_sent_once_and_told_as_what_it_is() {
    for model in MODELS {
        let (workdir, sandbox) =
            (InProcess::new(), Sandbox::of(world(1, 3), playing(model, Options::default())));
        let text = format!(
            "email,role,workspace,deployment_roles\nnew@example.com,viewer,{},rel-0-a=DEPLOYMENT_EDITOR\n",
            workspace(0)
        );
        workdir.write("roster.csv", text);
        let run = workdir.apply(&sandbox, "roster.csv", &[]).ended(0);
        assert_eq!(run.rows()[0]["status"], "invited", "{model:?}");
        assert_eq!(mutations(&sandbox), BTreeMap::from([("workspaceAddUser".to_owned(), 1)]));
        drop(plan(&workdir, &sandbox, &["--update-roles"]).ended(0));
        let second = workdir.apply(&sandbox, "roster.csv", &[]).ended(0);
        assert_eq!(second.rows()[0]["status"], "already_invited");
        if model == Model::Legacy {
            assert!(second.rows()[0]["detail"].contains("Houston does not show"), "{:?}", second.rows());
        }
        assert_eq!(sandbox.audit().mutations_received, 1);
    }
}

#[test]
fn a_deployment_that_is_not_there_is_bad_input_with_its_place_in_the_file() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world(2, 3), Options::default()));
    workdir.write(
        "roster.csv",
        roster(&[
            (0, 1, "rel-0-a=DEPLOYMENT_EDITOR"),
            (0, 2, "rel-1-a=DEPLOYMENT_EDITOR"),
            (1, 1, "Deployment-b=DEPLOYMENT_EDITOR"),
        ]),
    );
    let run = workdir.apply(&sandbox, "roster.csv", &[]).ended(3);
    let column = roster(&[(0, 2, "rel")]).lines().nth(1).unwrap().find("rel").unwrap() + 1;
    drop(
        run.says(&format!("roster.csv:3:{column}: the workspace has no deployment `rel-1-a`"))
            .says("`rel-0-a`, `rel-0-b`"),
    );
    sandbox.received_no_mutation();
    let run = workdir.apply(&sandbox, "roster.csv", &["--skip-invalid"]).ended(6);
    assert_eq!(run.counts(), BTreeMap::from([("invalid".to_owned(), 2), ("role_updated".to_owned(), 1)]));

    // One deployment by its name and by its id.
    let twice = |second: &str| format!("rel-0-a=DEPLOYMENT_EDITOR;ckdeploy0a={second}");
    workdir.write("roster.csv", roster(&[(0, 2, &twice("DEPLOYMENT_VIEWER"))]));
    let run = workdir.apply(&sandbox, "roster.csv", &[]).ended(3);
    drop(run.says("`rel-0-a` is named twice, with DEPLOYMENT_EDITOR and DEPLOYMENT_VIEWER"));
    workdir.write("roster.csv", roster(&[(0, 2, &twice("DEPLOYMENT_EDITOR"))]));
    let same = plan(&workdir, &sandbox, &[]).ended(10);
    assert!(same.stdout.contains("1 deployment role to set"), "{}", same.stdout);
}

#[test]
fn deployments_that_the_other_installation_does_not_have_are_left_out_and_told() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world(1, 3), Options::default()));
    workdir.write(
        "roster.csv",
        format!(
            "email,role,workspace,deployment_roles\na@example.com,viewer,Brand New,old-1=DEPLOYMENT_EDITOR\n{},viewer,{},old-2=DEPLOYMENT_ADMIN;rel-0-a=DEPLOYMENT_VIEWER\n",
            person(0, 1),
            workspace(0)
        ),
    );
    let flags = ["--create-workspaces", "--workspace-map", "map.csv"];
    workdir.write("map.csv", "from,to\nOld,Brand New\n");
    let shown = plan(&workdir, &sandbox, &flags).ended(10);
    assert!(shown.stdout.contains("old-2: no such deployment, skipped"), "{}", shown.stdout);
    let run = workdir.apply(&sandbox, "roster.csv", &flags).ended(0);
    assert!(
        run.stderr.contains("2 roles in deployments that do not exist: `old-1` and 1 other"),
        "{}",
        run.stderr
    );
    let rows = run.rows();
    assert_eq!(rows[0]["detail"], "old-1: DEPLOYMENT_EDITOR skipped, no such deployment");
    assert_eq!(rows[1]["status"], "role_updated");
    assert_eq!(granted(&sandbox), grants(&[(0, 1, "rel-0-a", "viewer")]));
    // By their labels alone nobody knows that the file is from elsewhere.
    drop(plan(&workdir, &sandbox, &[]).ended(3));
}

#[test]
fn a_server_that_takes_no_roles_with_an_add_gets_them_afterwards() {
    for introspection in [true, false] {
        let switches = Switches { deployment_roles: false, introspection, ..Switches::default() };
        let options = Options { profile: Profile::V0_23, switches, ..Options::default() };
        let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world(2, 3), options));
        let mut text = roster(&[]);
        for who in 1..3 {
            let (email, place) = (person(1, who), workspace(0));
            writeln!(text, "{email},viewer,{place},rel-0-a=DEPLOYMENT_EDITOR").unwrap();
        }
        writeln!(text, "new@example.com,viewer,{},rel-0-a=DEPLOYMENT_EDITOR", workspace(0)).unwrap();
        workdir.write("roster.csv", text);
        let run = workdir.apply(&sandbox, "roster.csv", &["--send-invites"]).ended(0);
        assert_eq!(granted(&sandbox), grants(&[(1, 1, "rel-0-a", "editor"), (1, 2, "rel-0-a", "editor")]));
        assert_eq!(run.count("added"), 2, "{:?}", run.rows());
        assert_eq!(run.count("invited"), 1, "{:?}", run.rows());
    }
}

#[test]
fn a_houston_without_such_roles_is_refused_before_anything_is_sent() {
    let options = Options { profile: Profile::V0_16, ..Options::default() };
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world(1, 3), options));
    workdir.write("roster.csv", roster(&[(0, 1, "rel-0-a=DEPLOYMENT_EDITOR")]));
    let run = workdir.apply(&sandbox, "roster.csv", &["--send-invites"]);
    drop(run.ended(5).says("does not support deployment roles"));
    sandbox.received_no_mutation();
}

/// A roster that gives everybody of the world roles in both deployments, newcomers too.
fn everything(workspaces: usize, people: usize) -> (String, Vec<(String, String, String)>) {
    let mut text = roster(&[]);
    let mut wanted = Vec::new();
    for place in 0..workspaces {
        for who in 0..people {
            let home = (place + usize::from(who % 2 == 0)) % workspaces;
            let (email, role) =
                (person(home, who), if home == place && who == 0 { "admin" } else { "viewer" });
            let cell = format!("rel-{place}-a=DEPLOYMENT_EDITOR;rel-{place}-b=DEPLOYMENT_ADMIN");
            writeln!(text, "{email},{role},{},{cell}", workspace(place)).unwrap();
            wanted.push((email.clone(), format!("rel-{place}-a"), "editor".to_owned()));
            wanted.push((email, format!("rel-{place}-b"), "admin".to_owned()));
        }
    }
    wanted.sort();
    (text, wanted)
}

#[test]
fn in_a_storm_everybody_gets_every_role_once() {
    let faults = "write:reset=8%,write:truncated=6%,502-after=6%,write:503=5%,ise-after=5%,read:reset=4%";
    for model in MODELS {
        for seed in [1, 2] {
            let options = playing(model, Options { seed, ..faulty(faults) });
            let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world(3, 10), options));
            let (text, wanted) = everything(3, 10);
            workdir.write("roster.csv", text);
            let run = workdir.apply(&sandbox, "roster.csv", &["--retries", "8"]).ended(0);
            assert_eq!(granted(&sandbox), wanted, "{model:?} {seed}: {:?}", run.counts());
            sandbox.set_faults(Faults::default());
            drop(plan(&workdir, &sandbox, &["--update-roles"]).ended(0));
        }
    }
}

#[test]
fn a_run_that_is_killed_again_and_again_gives_every_role_once() {
    for model in MODELS {
        let options = playing(model, Options { seed: 3, ..faulty("write:reset=10%,ise-after=5%") });
        let (workdir, sandbox) = (Workdir::new(), Sandbox::of(world(2, 8), options));
        let (text, wanted) = everything(2, 8);
        workdir.write("roster.csv", text);
        let retries = ["--retries", "8"];
        let mut running = workdir.applying(&sandbox, "roster.csv").args(&retries).quick().start();
        let mut run = None;
        for _ in 0..30 {
            let stop = sandbox.mutations().len() + 5;
            running.kill_when(|_| sandbox.mutations().len() >= stop);
            let end = running.finish();
            if end.status == Some(0) {
                run = Some(end);
                break;
            }
            running = workdir.resuming(&sandbox).args(&retries).quick().start();
        }
        let run = run.unwrap();
        assert_eq!(granted(&sandbox), wanted, "{model:?}: {}", run.stderr);
        let told = workdir.folders().pop().unwrap();
        let told = harness::records(&std::fs::read_to_string(told.join("results.csv")).unwrap(), b',');
        let everybody: BTreeSet<_> = told.into_iter().map(|row| row["status"].clone()).collect();
        assert!(
            everybody.iter().all(|status| ["added", "role_updated"].contains(&status.as_str())),
            "{everybody:?}"
        );
    }
}

#[test]
fn a_role_that_cannot_be_given_leaves_its_row_open_and_keeps_everybody_in_the_workspace() {
    let world = world(1, 4).granted(0, 1, Role::DeploymentViewer);
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world, faulty("write:ise=@ckdeploy0b")));
    let rows = [(0, 0, ""), (0, 1, "rel-0-b=DEPLOYMENT_EDITOR"), (0, 2, "rel-0-a=DEPLOYMENT_EDITOR")];
    workdir.write("roster.csv", roster(&rows));
    let flags = ["--prune", "--max-remove-percent", "100"];
    let run = workdir.apply(&sandbox, "roster.csv", &flags).ended(8);
    let rows = run.rows();
    let status: Vec<&str> = rows.iter().map(|row| &*row["status"]).collect();
    assert_eq!(status, ["unchanged", "gave_up", "role_updated"]);
    assert!(rows[1]["detail"].starts_with("rel-0-b: DEPLOYMENT_EDITOR gave_up: "), "{rows:?}");
    assert!(run.file("removals.csv").contains("not_removed"), "{}", run.file("removals.csv"));
    assert!(run.file("errors.csv").contains("rel-0-b=DEPLOYMENT_EDITOR"));
    assert_eq!(run.file("undo.csv").lines().count(), 1, "no role in the workspace was changed");
    sandbox.set_faults(Faults::default());
    drop(workdir.resume(&sandbox, &[]).ended(0));
    assert_eq!(
        granted(&sandbox),
        grants(&[(0, 1, "rel-0-a", "viewer"), (0, 1, "rel-0-b", "editor"), (0, 2, "rel-0-a", "editor")])
    );
    drop(plan(&workdir, &sandbox, &flags).ended(0));
}

#[test]
fn a_saved_plan_has_them_and_no_longer_fits_when_one_has_changed() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world(1, 4), Options::default()));
    workdir.write(
        "roster.csv",
        roster(&[(0, 1, "rel-0-a=DEPLOYMENT_EDITOR"), (0, 2, "rel-0-a=DEPLOYMENT_ADMIN")]),
    );
    drop(plan(&workdir, &sandbox, &["--out", "plan.json"]).ended(10));
    // Another plan of the same change: of the same one the run is finished.
    drop(plan(&workdir, &sandbox, &["--out", "late.json", "--exit-code-unchanged", "99"]).ended(10));
    let carry_out = |file: &str| workdir.call(["apply", "--plan", file, "--yes"]).quick().to(&sandbox).run();
    drop(carry_out("plan.json").ended(0));
    assert_eq!(granted(&sandbox), grants(&[(0, 1, "rel-0-a", "editor"), (0, 2, "rel-0-a", "admin")]));
    let sent = sandbox.audit().mutations_received;
    drop(carry_out("late.json").ended(9).says("rel-0-a"));
    assert_eq!(sandbox.audit().mutations_received, sent);
}

#[test]
fn an_export_carried_out_elsewhere_gives_the_same_roles() {
    let granted_some = world(2, 4).granted(0, 1, Role::DeploymentAdmin).granted(1, 2, Role::DeploymentViewer);
    let (workdir, here) = (InProcess::new(), Sandbox::of(granted_some, Options::default()));
    let there = Sandbox::of(world(2, 4), playing(Model::Legacy, Options::default()));
    let export =
        |sandbox: &Sandbox| workdir.program().call(["export"]).to(sandbox).quick().run().ended(0).stdout;
    workdir.write("roster.csv", export(&here));
    drop(workdir.apply(&there, "roster.csv", &[]).ended(0));
    assert_eq!(export(&there), export(&here));
    assert_eq!(granted(&there), granted(&here));
}

#[test]
fn a_plan_shows_them_in_every_format_and_explains_the_request() {
    let world = world(2, 4).granted(0, 2, Role::DeploymentViewer);
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world, Options::default()));
    let mut text = roster(&[(0, 1, "rel-0-a=DEPLOYMENT_EDITOR"), (0, 2, "rel-0-a=DEPLOYMENT_ADMIN")]);
    writeln!(text, "{},viewer,{},rel-0-b=DEPLOYMENT_VIEWER", person(1, 1), workspace(0)).unwrap();
    workdir.write("roster.csv", text);
    let csv = plan(&workdir, &sandbox, &["--format", "csv"]).ended(10).stdout;
    let row = format!(
        "{},Team 0,{},update_role,DEPLOYMENT_VIEWER,DEPLOYMENT_ADMIN,in rel-0-a: different role",
        person(0, 2),
        workspace(0)
    );
    let updated = plan(&workdir, &sandbox, &["--format", "csv", "--update-roles"]).ended(10).stdout;
    assert!(updated.contains(&row), "{updated}");
    assert!(csv.contains(",none,DEPLOYMENT_VIEWER,DEPLOYMENT_ADMIN,"), "{csv}");
    let document = parsed(&plan(&workdir, &sandbox, &["--format", "json"]).ended(10).stdout);
    assert_eq!(document["deployment_roles"].as_array().unwrap().len(), 3);
    assert_eq!(document["counts"]["deployment_roles"], 2);
    assert_eq!(document["estimate"]["mutations"], 2, "one comes along with the add");
    let md = plan(&workdir, &sandbox, &["--format", "md"]).ended(10).stdout;
    assert!(md.contains("| in rel-0-a: no role there |"), "{md}");

    let explain = |email: &str| {
        let shown = plan(&workdir, &sandbox, &["--explain", email, "--format", "json"]);
        parsed(&shown.ended(10).stdout)["explained"].clone()
    };
    let member = explain(&person(0, 1));
    assert_eq!(member[1]["request"]["variables"]["deploymentId"], "ckdeploy0a");
    assert_eq!(member[1]["request"]["variables"]["userId"], "ckuser00000000x0000000001");
    let newcomer = explain(&person(1, 1));
    let along = &newcomer[0]["request"]["variables"]["deploymentRoles"][0];
    assert_eq!(
        (along["deploymentId"].as_str(), along["role"].as_str()),
        (Some("ckdeploy0b"), Some("DEPLOYMENT_VIEWER"))
    );
    assert!(newcomer[1]["request"].is_null());
}

/// Who has which role in which deployment, by address and release name.
type Granted = BTreeMap<(String, String), Role>;

/// A generated world with what its roster wants: what there is, the roster, what there is to be.
fn generated(seed: u64, update_roles: bool) -> (World, String, Granted, Granted) {
    let roles = [Role::DeploymentViewer, Role::DeploymentEditor, Role::DeploymentAdmin];
    let mut random = fastrand::Rng::with_seed(seed);
    let mut world = world(2, 6);
    let (mut present, mut rows) = (Granted::new(), Vec::new());
    for (place, who) in (0..2).flat_map(|place| (0..6).map(move |who| (place, who))) {
        let mut cell = Vec::new();
        for letter in ["a", "b"] {
            let key = (person(place, who), format!("rel-{place}-{letter}"));
            if letter == "a" && random.bool() {
                let role = roles[random.usize(0..3)];
                world = world.granted(place, who, role);
                present.insert(key.clone(), role);
            }
            if random.bool() {
                cell.push((key, roles[random.usize(0..3)]));
            }
        }
        rows.push((person(place, who), place, if who == 0 { "admin" } else { "viewer" }, cell));
        // People of the one workspace who come into the other.
        if random.u8(0..3) == 0 {
            let other = 1 - place;
            let key = (person(place, who), format!("rel-{other}-a"));
            rows.push((person(place, who), other, "editor", vec![(key, roles[random.usize(0..3)])]));
        }
    }
    random.shuffle(&mut rows);
    let mut wanted = present.clone();
    let mut text = roster(&[]);
    for (email, place, role, cell) in rows {
        let cells: Vec<_> = cell.iter().map(|((_, name), role)| format!("{name}={}", role.name())).collect();
        writeln!(text, "{email},{role},{},{}", workspace(place), cells.join(";")).unwrap();
        for (key, role) in cell {
            let entry = wanted.entry(key).or_insert(role);
            if update_roles {
                *entry = role;
            }
        }
    }
    (world, text, present, wanted)
}

#[test]
fn whatever_there_is_the_wanted_roles_are_there_afterwards_and_the_next_plan_is_empty() {
    let (mut given, mut kept) = (0, 0);
    for (seed, model) in (0..16).zip(MODELS.into_iter().cycle()) {
        let update_roles = seed % 4 < 2;
        let (world, text, present, wanted) = generated(seed, update_roles);
        let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world, playing(model, Options::default())));
        workdir.write("roster.csv", &text);
        let flags: &[&str] = if update_roles { &["--update-roles"] } else { &[] };
        let run = workdir.apply(&sandbox, "roster.csv", flags).ended(0);
        let told = |all: Granted| {
            let short = |role: Role| role.name().trim_start_matches("DEPLOYMENT_").to_lowercase();
            all.into_iter().map(|((who, name), role)| (who, name, short(role))).collect::<Vec<_>>()
        };
        given += wanted.len() - present.len();
        kept += run.count("role_kept");
        assert_eq!(granted(&sandbox), told(wanted), "{seed} {model:?}\n{text}\n{}", run.stderr);
        let sent = mutations(&sandbox).get("deploymentUpdateUserRole").copied().unwrap_or_default();
        assert!(update_roles || sent == 0, "{seed}");
        drop(plan(&workdir, &sandbox, flags).ended(0));
    }
    assert!(given > 50 && kept > 5, "the cases are about something: {given} given, {kept} kept");
}

#[test]
fn a_role_that_is_to_be_none_is_taken_away_where_roles_may_be_changed() {
    for model in MODELS {
        let world = world(1, 4).granted(0, 1, Role::DeploymentViewer);
        let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world, playing(model, Options::default())));
        workdir.write("roster.csv", roster(&[(0, 1, "rel-0-a=NONE"), (0, 2, "rel-0-a=none;rel-0-b=NONE")]));
        let run = workdir.apply(&sandbox, "roster.csv", &[]).ended(0);
        assert_eq!(run.rows()[0]["detail"], "rel-0-a: keeps DEPLOYMENT_VIEWER");
        sandbox.received_no_mutation();
        let shown = plan(&workdir, &sandbox, &["--update-roles"]).ended(10).stdout;
        assert!(
            shown.contains("- person.0.1@example.com  in rel-0-a: DEPLOYMENT_VIEWER -> no role"),
            "{shown}"
        );
        let run = workdir.apply(&sandbox, "roster.csv", &["--update-roles"]).ended(0);
        assert_eq!(run.rows()[0]["detail"], "rel-0-a: DEPLOYMENT_VIEWER removed");
        assert_eq!(granted(&sandbox), []);
        drop(plan(&workdir, &sandbox, &["--update-roles"]).ended(0));
    }
}

/// Everybody's roles in workspaces and deployments.
fn bindings(sandbox: &Sandbox) -> BTreeSet<(String, &'static str, Option<String>, Option<String>)> {
    let all = sandbox.state().bindings;
    all.into_iter().map(|b| (b.user, b.role.name(), b.workspace, b.deployment)).collect()
}

#[test]
fn what_a_run_did_in_deployments_is_taken_back_by_its_undo() {
    for (seed, model) in (100..108).zip(MODELS.into_iter().cycle()) {
        let (mut world, mut text, ..) = generated(seed, true);
        for place in 0..2 {
            world = world.role(place, 3, Role::WorkspaceEditor);
        }
        writeln!(text, "{},viewer,{},rel-0-a=NONE", person(1, 5), workspace(0)).unwrap();
        let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world, playing(model, Options::default())));
        let before = bindings(&sandbox);
        // The same person may come twice: the last row is left out then.
        let flags = ["--update-roles", "--on-conflict", "last"];
        workdir.write("roster.csv", text);
        let run = workdir.apply(&sandbox, "roster.csv", &flags).ended(0);
        assert_ne!(bindings(&sandbox), before);
        let undo = run.folder().join("undo.json").display().to_string();
        let limits = ["--max-remove", "100", "--max-remove-percent", "100"];
        let plan = ["apply", "--yes", "--plan", undo.as_str()];
        drop(workdir.call(plan).args(&limits).quick().to(&sandbox).run().ended(0));
        assert_eq!(bindings(&sandbox), before, "{seed} {model:?}: {}", run.stderr);
        let sent = sandbox.audit().mutations_received;
        let again = workdir.program().call(plan).args(&limits).quick().to(&sandbox).run();
        drop(again.ended(0).says("is complete"));
        assert_eq!(sandbox.audit().mutations_received, sent);
    }
}

#[test]
fn whoever_was_removed_comes_back_with_their_roles_in_deployments() {
    for (model, by_plan) in MODELS.into_iter().flat_map(|model| [true, false].map(|by| (model, by))) {
        let world = world(1, 5).granted(0, 1, Role::DeploymentViewer).granted(0, 2, Role::DeploymentAdmin);
        let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world, playing(model, Options::default())));
        let before = bindings(&sandbox);
        workdir.write("roster.csv", roster(&[(0, 0, ""), (0, 3, "rel-0-b=DEPLOYMENT_EDITOR")]));
        let limits = ["--max-remove", "100", "--max-remove-percent", "100"];
        let flags = [&["--prune"], &limits[..]].concat();
        let run = workdir.apply(&sandbox, "roster.csv", &flags).ended(0);
        assert_eq!(granted(&sandbox), grants(&[(0, 3, "rel-0-b", "editor")]));
        let file = |name: &str| run.folder().join(name).display().to_string();
        if by_plan {
            let (undo, call) = (file("undo.json"), workdir.call(["apply", "--yes", "--plan"]));
            drop(call.args(&[undo.as_str()]).args(&limits).quick().to(&sandbox).run().ended(0));
            assert_eq!(bindings(&sandbox), before, "{model:?}");
        } else {
            assert!(run.file("undo.csv").contains("rel-0-a=DEPLOYMENT_ADMIN"), "{}", run.file("undo.csv"));
            drop(workdir.apply(&sandbox, &file("undo.csv"), &["--update-roles"]).ended(0));
            let stayed =
                [(0, 1, "rel-0-a", "viewer"), (0, 2, "rel-0-a", "admin"), (0, 3, "rel-0-b", "editor")];
            assert_eq!(granted(&sandbox), grants(&stayed), "{model:?}");
        }
    }
}

#[test]
fn protected_people_keep_their_roles_in_deployments() {
    let world = world(1, 5)
        .granted(0, 1, Role::DeploymentAdmin)
        .granted(0, 2, Role::DeploymentEditor)
        .granted(0, 3, Role::DeploymentViewer);
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world, Options::default()));
    workdir.write(
        "roster.csv",
        roster(&[
            (0, 1, "rel-0-a=DEPLOYMENT_VIEWER"),
            (0, 2, "rel-0-a=NONE"),
            (0, 3, "rel-0-a=DEPLOYMENT_ADMIN"),
        ]),
    );
    let flags = ["--update-roles", "--protect", "person.0.?@example.com"];
    drop(plan(&workdir, &sandbox, &flags).ended(10));
    drop(workdir.apply(&sandbox, "roster.csv", &flags).ended(0));
    let kept = [(0, 1, "rel-0-a", "admin"), (0, 2, "rel-0-a", "editor"), (0, 3, "rel-0-a", "admin")];
    assert_eq!(granted(&sandbox), grants(&kept), "more rights are not held back");
    drop(workdir.apply(&sandbox, "roster.csv", &["--update-roles"]).ended(0));
    assert_eq!(granted(&sandbox), grants(&[(0, 1, "rel-0-a", "viewer"), (0, 3, "rel-0-a", "admin")]));
}

/// A role to change, an admin who hands over to a member, a role in a deployment to change, and a member who is not in the
/// roster: memberships, admins, deployment roles and removals all come from one reading of the list.
#[test]
fn a_plan_reads_each_member_list_once_whatever_it_is_read_for() {
    // Before 0.30 the list has no pages; since then a page that may be the last is followed by one more.
    for (profile, pages, whole_lists, most) in [(Profile::V2, 2, 0, 6), (Profile::V0_28, 0, 1, 5)] {
        let sandbox = Sandbox::with(Options { profile, ..Options::default() });
        let workdir = InProcess::new();
        workdir.write(
            "roster.csv",
            "email,role,workspace,deployment_roles\n\
             ahmed.nilsson@example.com,viewer,Data Platform,\n\
             fatima.wagner@example.com,editor,Data Platform,solar-orbit-1001=DEPLOYMENT_ADMIN\n\
             pedro.park@example.com,admin,Data Platform,\n",
        );
        let flags = ["--update-roles", "--prune", "--max-remove-percent", "100", "--format", "json"];
        let shown = parsed(&plan(&workdir, &sandbox, &flags).ended(10).stdout);
        for (count, expected) in
            [("held_back", 0), ("update_role", 2), ("remove", 1), ("deployment_roles", 1)]
        {
            assert_eq!(shown["counts"][count], expected, "{profile}: {count} of {shown:#}");
        }
        let audit = sandbox.audit();
        let read = |field: &str| audit.reads.get(field).copied().unwrap_or_default();
        assert_eq!(read("paginatedWorkspaceUsers"), pages, "{profile}");
        assert_eq!(read("workspaceUsers"), whole_lists, "{profile}");
        assert_eq!(read("workspaceInvites"), 1, "{profile}");
        assert!(audit.requests <= most, "{profile}: {} requests: {:?}", audit.requests, audit.reads);
    }
}
