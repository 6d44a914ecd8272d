//! Pending invitations: told apart from members, and listed when they have become old.

#![cfg(feature = "sandbox")]

use crate::harness::{self, InProcess, Sandbox, World, playing};
use houston_onboard::sandbox::state::Status;
use houston_onboard::sandbox::{Model, Options, Profile, Role};
use jiff::{SignedDuration, Timestamp};

/// Adds an invitation as a viewer that is so many days old.
fn invited(world: World, who: &str, days: i64) -> World {
    let ago = Timestamp::now() - SignedDuration::from_hours(24 * days + 1);
    world
        .invited(0, &format!("{who}@example.com"), Role::WorkspaceViewer)
        .edit(|state| state.invites.last_mut().unwrap().created_at = Some(ago))
}

fn world(profile: Profile) -> Sandbox {
    let guests = [("old", 40), ("older", 90), ("fresh", 2), ("elsewhere", 15)];
    let world = guests.into_iter().fold(World::of(2, 3), |world, (who, days)| invited(world, who, days));
    Sandbox::of(world, playing(Model::Legacy, Options { profile, ..Options::default() }))
}

const ROSTER: &str = "email,role,workspace\nold@example.com,viewer,Team 0\nfresh@example.com,viewer,Team 0\nperson.1.0@example.com,viewer,Team 1\n";

#[test]
fn invitations_that_have_become_old_are_listed_oldest_first_and_the_plan_stays_what_it_is() {
    let (workdir, sandbox) = (InProcess::new(), world(Profile::V1));
    workdir.write("roster.csv", ROSTER);
    let call = |format: &str, age: &str| {
        let flags = ["--format", format, "--invites-older-than", age, "--detailed-exitcode"];
        workdir.call(["plan", "roster.csv"]).args(&flags).to(&sandbox).run().ended(0).stdout
    };
    let human = call("human", "14d");
    let listed: Vec<&str> = human.lines().filter(|line| line.starts_with("  ? ")).collect();
    assert!(
        human.contains("No changes. Houston already matches the roster.")
            && human.contains("Invitations older than 14d: 3"),
        "{human}"
    );
    for (line, (who, days, roster)) in listed.iter().zip([
        ("older", 90, "(not in the roster)"),
        ("old", 40, "(in the roster)"),
        ("elsewhere", 15, "(not in the roster)"),
    ]) {
        let text = format!("  ? {who}@example.com  WORKSPACE_VIEWER  Team 0  {days} days, since ");
        assert!(line.starts_with(&text) && line.ends_with(roster), "{line}");
    }
    let json: serde_json::Value = serde_json::from_str(&call("json", "700h")).unwrap();
    let emails: Vec<_> = json["stale_invites"]["invites"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["email"].as_str().unwrap())
        .collect();
    assert_eq!(emails, ["older@example.com", "old@example.com"]);
    let md = call("md", "60d");
    assert!(md.contains("| `older@example.com` | Team 0 | WORKSPACE_VIEWER | 90 |"), "{md}");
    for (flags, words) in
        [(["--format", "csv"], "requires --format"), (["--format", "json"], "a number of days")]
    {
        let age = if flags[1] == "csv" { "14d" } else { "soon" };
        let refused =
            workdir.program().call(["plan", "roster.csv", "--invites-older-than", age]).args(&flags);
        drop(refused.to(&sandbox).run().ended(2).says(words));
    }
    sandbox.received_no_mutation();
}

#[test]
fn an_age_that_is_not_told_is_not_made_up() {
    let world = World::of(1, 3).person(0, 1, |user| user.status = Status::Pending);
    let sandbox = Sandbox::of(world, playing(Model::Modern, Options::default()));
    let workdir = InProcess::new();
    workdir.write("roster.csv", "email,role,workspace\nperson.0.1@example.com,viewer,Team 0\n");
    let call = workdir.call(["plan", "roster.csv", "--invites-older-than", "1d"]).to(&sandbox);
    let plan = call.run().ended(0).stdout;
    assert!(plan.contains("Invitations older than 1d: 0"), "{plan}");
    assert!(plan.contains("1 of the roster have never signed in; Houston gives no date"), "{plan}");
}

#[test]
fn an_invitation_gets_the_role_of_the_roster_where_that_was_asked_for() {
    for profile in [Profile::V0_28, Profile::V0_30, Profile::V1] {
        let (workdir, sandbox) = (InProcess::new(), world(profile));
        workdir.write("roster.csv", ROSTER.replace("old@example.com,viewer", "old@example.com,admin"));
        let kept = workdir.apply(&sandbox, "roster.csv", &[]).ended(0);
        assert_eq!((kept.count("already_invited"), kept.count("role_updated")), (2, 0));
        sandbox.received_no_mutation();
        let flags = ["--update-roles", "--format", "csv"];
        let plan = workdir.call(["plan", "roster.csv"]).args(&flags).to(&sandbox).run().ended(0).stdout;
        assert!(plan.contains("update_role,WORKSPACE_VIEWER,WORKSPACE_ADMIN"), "{plan}");
        let run = workdir.apply(&sandbox, "roster.csv", &["--update-roles"]).ended(0);
        assert_eq!((run.count("already_invited"), run.count("role_updated")), (1, 1), "{profile}");
        let role = |who: &str| {
            sandbox
                .state()
                .invites
                .iter()
                .find(|invite| invite.email == format!("{who}@example.com"))
                .unwrap()
                .role
        };
        assert_eq!((role("old"), role("fresh")), (Role::WorkspaceAdmin, Role::WorkspaceViewer));
        drop(
            workdir
                .apply(&sandbox, "roster.csv", &["--update-roles", "--exit-code-unchanged", "99"])
                .ended(99),
        );
        // And back.
        let undo = run.folder().join("undo.csv");
        drop(workdir.apply(&sandbox, undo.to_str().unwrap(), &["--update-roles"]).ended(0));
        assert_eq!(role("old"), Role::WorkspaceViewer);
    }
}

#[test]
fn the_change_of_an_invitation_is_looked_for_when_its_answer_is_lost() {
    for faults in ["reset=@workspaceUpdateUserRole", "ise-after=@workspaceUpdateUserRole", "reset-before=#4"]
    {
        let world = invited(World::of(1, 3), "old", 40);
        let sandbox = Sandbox::of(world, playing(Model::Legacy, harness::faulty(faults)));
        let workdir = InProcess::new();
        workdir.write("roster.csv", "email,role,workspace\nold@example.com,editor,Team 0\n");
        let run = workdir.applying(&sandbox, "roster.csv").args(&["--update-roles"]).quick().run().ended(0);
        assert_eq!(run.count("role_updated"), 1, "{faults}: {:?}", run.counts());
        assert_eq!(sandbox.state().invites[0].role, Role::WorkspaceEditor, "{faults}");
    }
}
