//! Rosters of another installation: names are mapped, what nobody knows here is told before
//! anything is sent, and reports keep the cells of the file.

#![cfg(feature = "sandbox")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::harness::{self, InProcess, Sandbox, Server, Workdir, World, answer, records, relay, strangers};
use houston_onboard::sandbox::state::{StateBinding, StateUser};
use houston_onboard::sandbox::{Options, Profile, Role, State};

const OLD: &str = "email,role,workspace\n\
    new.one@old.example.com,Owner,ckold00001\n\
    new.two@example.com,viewer,Old Finance\n\
    new.three@old.example.com,consumer,Marketing Analytics\n";

fn maps(workdir: &Workdir) {
    workdir.write("old.csv", OLD);
    workdir.write("workspaces.csv", "from,to\nckold00001,Data Platform\nOld Finance,Finance\n");
    workdir.write("roles.csv", "from,to\nOwner,admin\nconsumer,viewer\n");
}

const FLAGS: [&str; 6] = [
    "--workspace-map",
    "workspaces.csv",
    "--role-map",
    "roles.csv",
    "--map-email-domain",
    "old.example.com=example.com",
];

#[test]
fn people_of_another_installation_get_their_places_here() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::new());
    maps(&workdir);
    let run = workdir.apply(&sandbox, "old.csv", &FLAGS).ended(0);
    assert_eq!(run.count("invited"), 3, "{:?}", run.counts());
    let mut people: Vec<String> = sandbox.mutations().into_iter().map(|(_, email)| email).collect();
    people.sort();
    assert_eq!(people, ["new.one@example.com", "new.three@example.com", "new.two@example.com"]);
    let audit = sandbox.audit();
    let roles: Vec<_> =
        audit.entries.iter().map(|entry| (entry.email.as_deref(), entry.role.as_deref())).collect();
    assert!(roles.contains(&(Some("new.one@example.com"), Some("WORKSPACE_ADMIN"))), "{roles:?}");
    // The file is the caller's, and its next run has nothing to do.
    assert!(run.file("results.csv").contains("new.one@old.example.com,Owner,ckold00001,"));
    let again = workdir.apply(&sandbox, "old.csv", &FLAGS).ended(0);
    assert_eq!(again.count("already_invited"), 3, "{:?}", again.counts());
    assert_eq!(sandbox.audit().mutations_received, 3);
}

#[test]
fn an_unmapped_workspace_is_told_before_anything_is_sent() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::new());
    maps(&workdir);
    workdir.write("workspaces.csv", "from,to\nOld Finance,Finance\n");
    let bad = workdir.apply(&sandbox, "old.csv", &FLAGS).ended(3);
    assert!(bad.stderr.contains("old.csv:2:31: there is no workspace `ckold00001`"), "{}", bad.stderr);
    assert!(bad.stderr.contains("--workspace-map"), "{}", bad.stderr);
    // Also for a caller who could not tell an unknown id from an invisible one.
    let admin = sandbox.tokens().workspace_admin.clone();
    let call = workdir.call(["apply", "old.csv", "--yes", "--url", sandbox.url()]).args(&FLAGS).token(&admin);
    drop(call.quick().run().ended(3));
    sandbox.received_no_mutation();
}

#[test]
fn a_workspace_that_the_token_cannot_see_is_not_blamed_on_the_file() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::new());
    workdir.write("r.csv", "email,role,workspace\na@example.com,viewer,Nope\n");
    let all = workdir.apply(&sandbox, "r.csv", &[]).ended(3);
    assert!(all.stderr.contains("`export` lists them, --create-workspaces creates it"), "{}", all.stderr);
    let admin = sandbox.tokens().workspace_admin.clone();
    let call = workdir.call(["apply", "r.csv", "--yes", "--url", sandbox.url()]).token(&admin);
    let own =
        call.quick().run().ended(3).says("this token cannot see a workspace `Nope` (use a token of a system");
    assert!(!own.stderr.contains("fix the file"), "{}", own.stderr);
    sandbox.received_no_mutation();
}

#[test]
fn people_who_become_one_by_the_map_are_merged_or_opposed() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::new());
    let known = strangers().swap_remove(0);
    let name = known.split_once('@').unwrap().0;
    workdir.write(
        "r.csv",
        format!("email,role,workspace\n{known},viewer,Finance\n{name}@old.example.com,viewer,Finance\n"),
    );
    let flags = ["--map-email-domain", "old.example.com=example.com"];
    let run = workdir.apply(&sandbox, "r.csv", &flags).ended(0);
    assert_eq!((run.count("added"), run.count("merged")), (1, 1), "{:?}", run.counts());
    workdir.write(
        "r.csv",
        format!("email,role,workspace\n{known},viewer,Finance\n{name}@old.example.com,admin,Finance\n"),
    );
    drop(workdir.apply(&sandbox, "r.csv", &flags).ended(3).says("two roles"));
}

#[test]
fn a_bad_map_is_bad_input() {
    let (workdir, sandbox) = (Workdir::new(), Sandbox::new());
    maps(&workdir);
    for (name, text, part) in [
        (
            "workspaces.csv",
            "a,b\nx,y\n",
            "workspaces.csv:1:1: the column `from` is missing; the header of a map is from,to",
        ),
        ("workspaces.csv", "from,to\nx,y\nx,z\n", "workspaces.csv:3:1: `x` is mapped twice"),
        ("roles.csv", "from,to\nOwner,boss\n", "roles.csv:2:7: `boss` is not a role"),
    ] {
        maps(&workdir);
        workdir.write(name, text);
        let bad = workdir.apply(&sandbox, "old.csv", &FLAGS).ended(3);
        assert!(bad.stderr.contains(part), "{}", bad.stderr);
    }
    drop(workdir.apply(&sandbox, "old.csv", &["--workspace-map", "none.csv"]).ended(3).says("none.csv"));
    drop(workdir.apply(&sandbox, "old.csv", &["--map-email-domain", "nonsense"]).ended(2));
    let twice = ["--map-email-domain", "a.example=x.example", "--map-email-domain", "A.example=y.example"];
    drop(workdir.apply(&sandbox, "old.csv", &twice).ended(2).says("twice"));
    sandbox.received_no_mutation();
}

const NEW_TEAMS: &str = "email,role,workspace\n\
    new.one@example.com,admin,Solar\n\
    new.two@example.com,viewer,Solar\n\
    new.three@example.com,viewer,Finance\n\
    new.four@example.com,editor,Lunar\n";

const CREATE: [&str; 1] = ["--create-workspaces"];

/// How many workspaces have each label.
fn labels(sandbox: &Sandbox) -> BTreeMap<String, usize> {
    let mut labels = BTreeMap::new();
    for workspace in sandbox.state().workspaces {
        *labels.entry(workspace.label.unwrap_or_default()).or_default() += 1;
    }
    labels
}

#[test]
fn missing_workspaces_are_planned_created_once_and_filled() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::new());
    workdir.write("r.csv", NEW_TEAMS);
    let before = labels(&sandbox);
    drop(workdir.apply(&sandbox, "r.csv", &[]).ended(3).says("there is no workspace `Solar`"));
    let plan = |more: &[&str]| {
        let call = workdir.call(["plan", "r.csv", "--create-workspaces", "--detailed-exitcode"]);
        call.to(&sandbox).quick().args(more).run()
    };
    let shown = plan(&[]).ended(10);
    for part in [
        "Solar (to be created): 2 to add",
        "Lunar (to be created): 1 to add",
        "2 workspaces are created first",
        "6 mutations",
    ] {
        assert!(shown.stdout.contains(part), "{}", shown.stdout);
    }
    let json: serde_json::Value =
        serde_json::from_str(&plan(&["--format", "json"]).ended(10).stdout).unwrap();
    assert_eq!(json["create_workspaces"], serde_json::json!(["Solar", "Lunar"]));
    assert_eq!(json["rows"][0]["workspace_id"], serde_json::Value::Null);
    assert_eq!(json["rows"][0]["workspace"], "Solar");
    drop(plan(&["--out", "plan.json"]).ended(2).says("cannot be saved"));
    assert!(!workdir.path().join("plan.json").exists());
    sandbox.received_no_mutation();

    let run = workdir.apply(&sandbox, "r.csv", &CREATE).ended(0);
    assert_eq!(run.count("invited"), 4, "{:?}", run.counts());
    assert!(run.stderr.contains("created workspace Solar (cs"), "{}", run.stderr);
    let after = labels(&sandbox);
    let expected: BTreeMap<_, _> =
        before.into_iter().chain([("Lunar".to_owned(), 1), ("Solar".to_owned(), 1)]).collect();
    assert_eq!(after, expected);
    // What exists is not created again, with the flag or without it.
    for more in [&CREATE[..], &[]] {
        let again = workdir.apply(&sandbox, "r.csv", more).ended(0);
        assert_eq!(again.count("already_invited"), 4);
    }
    assert_eq!(labels(&sandbox), expected);
    assert_eq!(sandbox.audit().mutations_received, 6);
}

#[test]
fn nothing_is_created_for_an_id_or_while_the_file_has_an_error() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::new());
    for (workspace, part) in [
        ("ck35y9uf44y8l0a19cmwd1x8x", "there is no workspace `ck35y9uf44y8l0a19cmwd1x8x`"),
        ("Staging", "2 workspaces have the label `Staging`"),
    ] {
        workdir.write("r.csv", format!("{NEW_TEAMS}new.five@example.com,viewer,{workspace}\n"));
        drop(workdir.apply(&sandbox, "r.csv", &CREATE).ended(3).says(part));
    }
    // Two spellings of one label, in the file or here, are a slip.
    for (workspace, part) in
        [("solar", "looks like `Solar` on line 2"), ("FINANCE", "did you mean `Finance`?")]
    {
        workdir.write("r.csv", format!("{NEW_TEAMS}new.five@example.com,viewer,{workspace}\n"));
        drop(workdir.apply(&sandbox, "r.csv", &CREATE).ended(3).says(part));
    }
    workdir.write("r.csv", "email,role,workspace\nnew.one@example.com,viewer,Finanse\n");
    let near = workdir.call(["plan", "r.csv", "--create-workspaces"]).to(&sandbox).quick().run().ended(0);
    drop(near.says("warning: `Finanse` would be created, but `Finance` exists"));
    // Names that look the same, and placeholders for names, are refused at their place.
    for (workspace, part) in [
        ("Sol\u{200D}ar", "r.csv:6:29: `Sol\u{fffd}ar` looks like `Solar` on line 2"),
        ("Fin\u{A0}ance", "U+00A0"),
        ("N/A", "is a placeholder, not a workspace name"),
        ("Solar;Finance", "several workspaces"),
    ] {
        workdir.write("r.csv", format!("{NEW_TEAMS}new.five@example.com,viewer,{workspace}\n"));
        drop(workdir.apply(&sandbox, "r.csv", &CREATE).ended(3).says(part));
    }
    // Nor is anything created by somebody who was not told to go on.
    workdir.write("r.csv", NEW_TEAMS);
    let unasked = workdir.program().call(["apply", "r.csv", "--create-workspaces"]);
    drop(unasked.to(&sandbox).quick().run().ended(2));
    sandbox.received_no_mutation();
}

#[test]
fn who_creates_a_workspace_is_its_admin_and_is_not_added_twice() {
    let (workdir, sandbox) =
        (InProcess::new(), Sandbox::with(Options { profile: Profile::V0_25, ..Options::default() }));
    let state = sandbox.state();
    let is_admin = |user: &str| {
        let mut roles = state.bindings.iter().filter(|binding| binding.user == user);
        roles.any(|binding| binding.role == Role::SystemAdmin)
    };
    let caller = state.users.iter().find(|user| is_admin(&user.id)).unwrap().emails[0].clone();
    workdir.write("r.csv", format!("{NEW_TEAMS}{caller},viewer,Solar\n"));
    let run = workdir.apply(&sandbox, "r.csv", &CREATE).ended(0);
    assert_eq!((run.count("invited"), run.count("role_kept")), (4, 1), "{:?}", run.counts());
    sandbox.agrees_with(&run);
}

#[test]
fn a_creation_without_an_answer_is_looked_for_and_never_repeated() {
    for lands in [true, false] {
        let (workdir, sandbox) = (InProcess::new(), Sandbox::new());
        let url = sandbox.url().to_owned();
        let server = Server::start(move |asked| {
            if asked.operation() != "CreateWorkspace" {
                return relay(&url, asked);
            }
            if lands {
                drop(relay(&url, asked));
            }
            answer("504 Gateway Timeout", "content-type: text/html\r\n", "<html>504</html>")
        });
        workdir.write("r.csv", NEW_TEAMS);
        let call = workdir.call(["apply", "r.csv", "--yes", "--create-workspaces", "--url", &server.url()]);
        let run = call.token(sandbox.token()).quick().args(&["--settle", "200ms"]).run();
        let asked = server.asked().iter().filter(|asked| asked.operation() == "CreateWorkspace").count();
        if lands {
            let run = run.ended(0);
            assert_eq!(run.count("invited"), 4, "{:?}", run.counts());
            assert_eq!((asked, labels(&sandbox)["Solar"], labels(&sandbox)["Lunar"]), (2, 1, 1));
        } else {
            let run = run.ended(8);
            assert!(
                run.stderr.contains("it is unknown whether the workspace `Solar` was created"),
                "{}",
                run.stderr
            );
            assert_eq!((asked, sandbox.audit().mutations_received), (1, 0));
            assert!(workdir.folders().is_empty(), "no run has begun");
        }
    }
}

#[test]
fn a_refused_creation_ends_the_run_before_anybody_is_added() {
    let (workdir, sandbox) = (InProcess::new(), Sandbox::new());
    let url = sandbox.url().to_owned();
    let server = Server::start(move |asked| match asked.operation().as_str() {
        "CreateWorkspace" => harness::json(&serde_json::json!({
            "data": {"createWorkspace": null},
            "errors": [{"message": "Insufficient permissions.", "path": ["createWorkspace"],
                "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]
        })),
        _ => relay(&url, asked),
    });
    workdir.write("r.csv", NEW_TEAMS);
    let call = workdir.call(["apply", "r.csv", "--yes", "--create-workspaces", "--url", &server.url()]);
    drop(call.token(sandbox.token()).quick().run().ended(5).says("cannot create the workspace `Solar`"));
    sandbox.received_no_mutation();
}

/// An installation of 50 workspaces and 2,000 people in mixed roles.
fn old_installation() -> World {
    let roles = [Role::WorkspaceViewer, Role::WorkspaceEditor, Role::WorkspaceAdmin];
    World::of(50, 40).edit(|state| {
        state
            .bindings
            .iter_mut()
            .zip(roles.into_iter().cycle())
            .for_each(|(binding, role)| binding.role = role);
        let State { users, bindings, .. } = State::default();
        let is_system = |binding: &StateBinding| binding.role == Role::SystemAdmin;
        let callers: Vec<_> = bindings.into_iter().filter(is_system).collect();
        let calls = |user: &StateUser| callers.iter().any(|binding| binding.user == user.id);
        state.users.extend(users.into_iter().filter(calls));
        state.bindings.extend(callers);
    })
}

/// Who is what in the workspace of which label, but for the caller.
fn people_by_label(sandbox: &Sandbox, old: &str, new: &str) -> BTreeSet<(String, String, &'static str)> {
    let state = sandbox.state();
    let emails: BTreeMap<_, _> = state.users.iter().map(|user| (&user.id, &user.emails[0])).collect();
    let labels: BTreeMap<_, _> = state.workspaces.iter().map(|place| (&place.id, &place.label)).collect();
    let place = |binding: &StateBinding| {
        let email = emails[&binding.user];
        let label = labels[binding.workspace.as_ref()?].clone()?;
        email.starts_with("person.").then(|| (email.replace(old, new), label, binding.role.name()))
    };
    state.bindings.iter().filter_map(place).collect()
}

#[test]
fn an_installation_moves_to_another_of_another_version() {
    let workdir = InProcess::new();
    let old = Sandbox::of(old_installation(), Options { profile: Profile::V0_28, ..Options::default() });
    let empty = old_installation().edit(|state| {
        state.workspaces.clear();
        state.users.retain(|user| !user.emails[0].starts_with("person."));
        state.bindings.retain(|binding| binding.workspace.is_none());
    });
    let new = Sandbox::of(empty, Options { profile: Profile::V2, ..Options::default() });

    let export = workdir.program().call(["export", "--output", "members.csv"]).to(&old).quick().run();
    drop(export.ended(0));
    let members = std::fs::read_to_string(workdir.path().join("members.csv")).unwrap();
    let members = records(&members, b',');
    assert_eq!(members.len(), 2_000);
    let mut map = String::from("from,to\n");
    let places: BTreeSet<_> = members.iter().map(|row| (&row["workspace"], &row["label"])).collect();
    for (id, label) in places {
        writeln!(map, "{id},{label}").unwrap();
    }
    workdir.write("map.csv", map);
    let flags = [
        "--workspace-map",
        "map.csv",
        "--map-email-domain",
        "example.com=example.org",
        "--create-workspaces",
    ];
    let quick = ["--concurrency", "32"];
    let run = workdir.apply(&new, "members.csv", &[&flags[..], &quick].concat()).ended(0);
    assert_eq!(run.count("invited"), 2_000, "{:?}", run.counts());
    assert_eq!(labels(&new).len(), 50);
    assert!(labels(&new).values().all(|&count| count == 1));
    let moved = people_by_label(&old, "@example.com", "@example.org");
    assert_eq!(moved.len(), 2_000);
    assert_eq!(people_by_label(&new, "", ""), moved);
    let plan = workdir.call(["plan", "members.csv", "--update-roles", "--detailed-exitcode"]);
    let plan = plan.to(&new).quick().args(&flags).run().ended(0);
    assert!(plan.stdout.contains("No changes. Houston already matches the roster."), "{}", plan.stdout);
}
