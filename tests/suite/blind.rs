//! Servers that let somebody add people to a workspace and do not show them who is in it (houston.md, 2.3):
//! that is said once, before anything is sent.

#![cfg(feature = "sandbox")]

use houston_onboard::sandbox::state::StateBinding;
use houston_onboard::sandbox::{Options, Profile, Role, Switches};

use crate::harness::by_hand::playing_as;
use crate::harness::{InProcess, Sandbox, World, person, user, with_mail, workspace};

fn sandbox(profile: Profile, switch: &str) -> Sandbox {
    let world = World::of(1, 3).admins(1).and_the_built_in();
    Sandbox::of(world, Options { switches: with(switch), ..playing_as(profile, &[]) })
}

fn with(switch: &str) -> Switches {
    let mut switches = with_mail();
    switches.set(switch).unwrap();
    switches
}

#[test]
fn a_caller_who_may_add_but_not_read_is_told_so_once_and_nothing_is_sent() {
    for profile in [Profile::V0_16, Profile::V0_28, Profile::V2] {
        // A system admin who is no member, and an admin of the workspace.
        for (switch, is_system) in [("readers=members", true), ("readers=system", false)] {
            let (workdir, sandbox) = (InProcess::new(), sandbox(profile, switch));
            let token =
                if is_system { sandbox.token().to_owned() } else { sandbox.token_of(&person(0, 0)).unwrap() };
            workdir.write(
                "roster.csv",
                format!(
                    "email,role,workspace\na@example.com,viewer,{0}\nb@example.com,viewer,{0}\n",
                    workspace(0)
                ),
            );
            for command in ["plan", "apply"] {
                let words: &[&str] = if command == "apply" { &["--yes", "--send-invites"] } else { &[] };
                let call = workdir.call([command, "roster.csv"]).args(words);
                let run = call.to(&sandbox).token(&token).quick().run();
                let what = format!("{profile} {switch} {command}: {}", run.stderr);
                assert_eq!(run.status, Some(5), "{what}");
                assert_eq!(run.stderr.matches("but not list the members").count(), 1, "{what}");
                assert!(run.stderr.contains("nothing was sent"), "{what}");
            }
            sandbox.received_no_mutation();
        }
    }
}

#[test]
fn where_another_workspace_can_be_read_its_rows_go_on_and_the_closed_one_is_named_once() {
    let world = World::of(2, 3).admins(1).edit(|state| {
        state.bindings.push(StateBinding {
            id: "ckroot".to_owned(),
            role: Role::SystemAdmin,
            user: user(0, 0),
            workspace: None,
            deployment: None,
        });
    });
    let options = Options { switches: with("readers=members"), ..playing_as(Profile::V2, &[]) };
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world, options));
    let token = sandbox.token_of(&person(0, 0)).unwrap();
    let rows = [0, 1].map(|place| format!("a@example.com,viewer,{}\n", workspace(place))).concat();
    workdir.write("roster.csv", format!("email,role,workspace\n{rows}"));
    let call = workdir.call(["apply", "roster.csv", "--yes", "--send-invites"]);
    let run = call.to(&sandbox).token(&token).quick().run().ended(6);
    let status: Vec<_> = run.rows().iter().map(|row| row["status"].clone()).collect();
    assert_eq!(status, ["invited", "rejected"]);
    assert_eq!(run.stderr.matches("but not list the members").count(), 1, "{}", run.stderr);
}
