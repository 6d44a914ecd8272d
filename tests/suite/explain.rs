//! `plan --explain`: one person's state, the rule that decides, and the very request that `apply` sends.

#![cfg(feature = "sandbox")]

use std::fmt::Write as _;

use crate::harness::{Asked, InProcess, Sandbox, Server, World, person, relay};
use houston_onboard::sandbox::{Options, Profile};
use serde_json::Value;

const FLAGS: &[&str] = &["--update-roles", "--prune", "--max-remove-percent", "100", "--skip-invalid"];

/// A workspace of six: an admin, and viewers.
fn sandbox(profile: Profile) -> Sandbox {
    Sandbox::of(World::of(1, 6).admins(1), Options { profile, ..Options::default() })
}

/// A row for every decision there is.
fn roster(workdir: &InProcess) {
    let mut text = "email,role,workspace\n".to_owned();
    for (email, role) in [
        ("new@example.com", "viewer"),
        (&*person(0, 0), "viewer"),
        (&*person(0, 1), "editor"),
        (&*person(0, 2), "viewer"),
        (&*person(0, 2), "viewer"),
        (&*person(0, 3), "none"),
    ] {
        writeln!(text, "{email},{role},Team 0").unwrap();
    }
    workdir.write("roster.csv", text);
}

fn explained(workdir: &InProcess, sandbox: &Sandbox, who: &str, flags: &[&str], status: i32) -> Value {
    let call = workdir.call(["plan", "roster.csv", "--explain", who, "--format", "json"]).args(flags);
    let told: Value = serde_json::from_str(&call.to(sandbox).run().ended(status).stdout).unwrap();
    told["explained"].clone()
}

#[test]
fn every_kind_of_row_says_what_is_there_which_rule_decides_and_what_is_sent() {
    let (workdir, sandbox) = (InProcess::new(), sandbox(Profile::V2));
    roster(&workdir);
    // The last admin is held back, so that the plan ends with 7.
    let one =
        |who: &str, flags: &[&str], status| explained(&workdir, &sandbox, who, flags, status)[0].clone();
    let table = [
        ("New@Example.com", "absent", "add", "neither a member nor invited", "workspaceAddUser"),
        (&*person(0, 0), "member as WORKSPACE_ADMIN", "none", "guard_last_admin", ""),
        (
            &*person(0, 1),
            "member as WORKSPACE_VIEWER",
            "update_role",
            "--update-roles",
            "workspaceUpsertUserRole",
        ),
        (&*person(0, 2), "member as WORKSPACE_VIEWER", "none", "with the wanted role", ""),
    ];
    for (who, present, action, rule, field) in table {
        let told = one(who, &["--update-roles", "--skip-invalid"], 7);
        assert_eq!((&told["present"], &told["action"]), (&present.into(), &action.into()), "{told}");
        assert!(told["rule"].as_str().unwrap().contains(rule), "{told}");
        let document = told["request"]["document"].as_str().unwrap_or_default();
        assert_eq!(document.is_empty(), field.is_empty(), "{told}");
        assert!(document.contains(field), "{told}");
    }
    let kept = one(&person(0, 1), &["--skip-invalid"], 6);
    assert!(kept["rule"].as_str().unwrap().contains("roles change only with --update-roles"), "{kept}");
    let twice = explained(&workdir, &sandbox, &person(0, 2), &["--skip-invalid"], 6);
    assert!(twice[1]["rule"].as_str().unwrap().contains("merged into line 5"), "{twice}");
    let bad = one(&person(0, 3), &["--skip-invalid"], 6);
    assert_eq!((&bad["action"], &bad["request"]), (&"none".into(), &Value::Null), "{bad}");
    let out = one(&person(0, 2), &["--skip-invalid", "--limit", "1"], 6);
    assert!(out["rule"].as_str().unwrap().contains("--limit"), "{out}");
    sandbox.received_no_mutation();
}

#[test]
fn somebody_who_is_not_in_the_roster_is_explained_too() {
    let (workdir, sandbox) = (InProcess::new(), sandbox(Profile::V2));
    workdir.write("roster.csv", format!("email,role,workspace\n{},admin,Team 0\n", person(0, 0)));
    let told = explained(&workdir, &sandbox, &person(0, 5), FLAGS, 0);
    assert_eq!((&told[0]["action"], &told[0]["place"]), (&"remove".into(), &Value::Null), "{told}");
    assert_eq!(told[0]["request"]["variables"]["userUuid"], "ckuser00000000x0000000005");
    let human = workdir
        .call(["plan", "roster.csv", "--explain", &person(0, 5)])
        .args(FLAGS)
        .to(&sandbox)
        .run()
        .ended(0);
    for line in ["not in the roster: person.0.5@example.com", "  action:    remove", "workspaceRemoveUser"] {
        assert!(human.stdout.contains(line), "{line}: {}", human.stdout);
    }
    let nobody = workdir.call(["plan", "roster.csv", "--explain", "x@example.com"]).to(&sandbox).run();
    drop(nobody.ended(2).says("no row of roster.csv has the address x@example.com"));
    let csv = workdir
        .program()
        .call(["plan", "roster.csv", "--explain", "x@example.com", "--format", "csv"])
        .to(&sandbox);
    drop(csv.run().ended(2).says("--explain requires --format"));
}

#[test]
fn what_is_shown_is_what_apply_sends_on_every_version() {
    for profile in [Profile::V0_28, Profile::V0_30, Profile::V1, Profile::V2] {
        let (workdir, sandbox) = (InProcess::new(), sandbox(profile));
        workdir.write(
            "roster.csv",
            format!("email,role,workspace\nnew@example.com,viewer,Team 0\n{},editor,Team 0\n", person(0, 1)),
        );
        let mut shown: Vec<Value> = ["new@example.com", &person(0, 1)]
            .into_iter()
            .map(|who| explained(&workdir, &sandbox, who, &["--update-roles"], 0)[0]["request"].clone())
            .collect();
        let url = sandbox.url().to_owned();
        let between = Server::start(move |asked: &Asked| relay(&url, asked));
        let token = sandbox.token().to_owned();
        let call = workdir.call(["apply", "roster.csv", "--yes", "--update-roles", "--url", &between.url()]);
        drop(call.token(&token).run().ended(0));
        for asked in between.asked() {
            let Ok(body) = serde_json::from_str::<Value>(&asked.body) else { continue };
            let text = body["query"].as_str().unwrap_or_default().trim_end();
            shown.retain(|request| request["document"] != text || request["variables"] != body["variables"]);
        }
        assert!(shown.is_empty(), "{profile:?}: shown and not sent: {shown:#?}");
    }
}
