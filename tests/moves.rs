//! Rosters of another installation: names are mapped, what nobody knows here is told before
//! anything is sent, and reports keep the cells of the file.

#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod harness;

use harness::{Sandbox, Workdir, strangers};

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
    let (workdir, sandbox) = (Workdir::new(), Sandbox::new());
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
    let (workdir, sandbox) = (Workdir::new(), Sandbox::new());
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
fn people_who_become_one_by_the_map_are_merged_or_opposed() {
    let (workdir, sandbox) = (Workdir::new(), Sandbox::new());
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
        ("workspaces.csv", "a,b\nx,y\n", "workspaces.csv:1: the header of a map is from,to"),
        ("workspaces.csv", "from,to\nx,y\nx,z\n", "workspaces.csv:3: `x` is mapped twice"),
        ("roles.csv", "from,to\nOwner,boss\n", "roles.csv:2: `boss` is not a role"),
    ] {
        maps(&workdir);
        workdir.write(name, text);
        let bad = workdir.apply(&sandbox, "old.csv", &FLAGS).ended(3);
        assert!(bad.stderr.contains(part), "{}", bad.stderr);
    }
    drop(workdir.apply(&sandbox, "old.csv", &["--workspace-map", "none.csv"]).ended(3).says("none.csv"));
    drop(workdir.apply(&sandbox, "old.csv", &["--map-email-domain", "nonsense"]).ended(2));
    sandbox.received_no_mutation();
}
