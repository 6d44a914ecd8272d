//! People are found whatever the case, and named to Houston as it has them: a role change compares letter
//! by letter (houston.md, 2.2).

#![cfg(feature = "sandbox")]

use std::fmt::Write as _;

use houston_onboard::sandbox::{Options, Profile, Role};

use crate::harness::by_hand::playing_as;
use crate::harness::{Sandbox, Workdir, World, person, user, with_mail, workspace};

/// A workspace of a caller's own, with these people in odd spellings: 1 has a capital in the address, 2 is
/// known to the roster by the user name, 3 by the second address, 4 has an unusual domain, 5 is nowhere.
fn world() -> World {
    let named = |world: World, who: usize, username: &str, emails: &[&str]| {
        world.person(0, who, |user| {
            username.clone_into(&mut user.username);
            user.emails = emails.iter().map(|&email| email.to_owned()).collect();
        })
    };
    let world = World::of(1, 6).admins(1);
    let world = named(world, 1, "Ann@Corp.test", &["Ann@Corp.test"]);
    let world = named(world, 2, "ben@corp.test", &["Benjamin.Best@Corp.test"]);
    let world = named(world, 3, "cy", &["cy@home.test", "Cy@Corp.test"]);
    named(world, 4, "dora", &["Dora@b\u{fc}cher.test"])
}

/// Everybody by lower case and by the name that the roster knows, as editors; 5 is left out.
fn roster(first: &str) -> String {
    let mut text = String::from("email,role,workspace\n");
    writeln!(text, "{},admin,{}", person(0, 0), workspace(0)).unwrap();
    for name in [first, "ben@corp.test", "cy@corp.test", "dora@xn--bcher-kva.test"] {
        writeln!(text, "{name},editor,{}", workspace(0)).unwrap();
    }
    text
}

fn options(profile: Profile) -> Options {
    Options { switches: with_mail(), ..playing_as(profile, &[]) }
}

fn roles(sandbox: &Sandbox) -> Vec<(String, Role)> {
    let state = sandbox.state();
    let here = state.bindings.into_iter().filter(|b| b.workspace == Some(workspace(0)));
    here.map(|binding| (binding.user, binding.role)).collect()
}

#[test]
fn a_role_is_changed_in_the_spelling_of_houston_and_a_prune_goes_on() {
    for profile in Profile::ALL {
        for first in ["ann@corp.test", "ANN@corp.TEST"] {
            let sandbox = Sandbox::of(world(), options(profile));
            let workdir = Workdir::new();
            workdir.write("roster.csv", roster(first));
            let flags = ["--update-roles", "--prune", "--send-invites"];
            let run = workdir.apply(&sandbox, "roster.csv", &flags).ended(0);
            assert_eq!(run.count("role_updated"), 4, "{profile}: {:?}", run.counts());
            let mut expected = vec![(user(0, 0), Role::WorkspaceAdmin)];
            expected.extend((1..=4).map(|who| (user(0, who), Role::WorkspaceEditor)));
            assert_eq!(roles(&sandbox), expected, "{profile}");
            // Each was asked for once, in the spelling that is stored.
            let asked: Vec<_> =
                sandbox.audit().entries.into_iter().map(|entry| entry.email.unwrap()).collect();
            let spelled =
                ["Ann@Corp.test", "Benjamin.Best@Corp.test", "Cy@Corp.test", "Dora@b\u{fc}cher.test"];
            let mut changed = asked[..asked.len() - 1].to_vec();
            changed.sort();
            assert_eq!(changed, spelled, "{profile}");
            assert_eq!(asked.last(), Some(&user(0, 5)), "{profile}");
        }
    }
}

#[test]
fn an_invitation_in_lower_case_beside_an_account_in_capitals_is_left_alone() {
    for profile in [Profile::V0_16, Profile::V0_23, Profile::V0_25] {
        let world = world().invited(0, "ann@corp.test", Role::WorkspaceViewer);
        let sandbox = Sandbox::of(world, options(profile));
        let workdir = Workdir::new();
        workdir.write("roster.csv", roster("ann@corp.test"));
        let run = workdir.apply(&sandbox, "roster.csv", &["--update-roles", "--send-invites"]).ended(0);
        assert_eq!(run.count("role_updated"), 4, "{profile}: {:?}", run.counts());
        assert!(roles(&sandbox).contains(&(user(0, 1), Role::WorkspaceEditor)), "{profile}");
        assert_eq!(sandbox.state().invites[0].role, Role::WorkspaceViewer, "{profile}");
    }
}

#[test]
fn a_saved_plan_and_a_resumed_run_name_people_as_houston_has_them() {
    for profile in [Profile::V0_16, Profile::V0_28, Profile::V2] {
        let sandbox = Sandbox::of(world(), options(profile));
        let workdir = Workdir::new();
        workdir.write("roster.csv", roster("ann@corp.test"));
        let plan = ["plan", "roster.csv", "--update-roles", "--send-invites", "--out", "saved.plan"];
        drop(workdir.call(plan).to(&sandbox).quick().run().ended(0));
        let run = workdir.call(["apply", "--plan", "saved.plan", "--yes"]).to(&sandbox).quick().run();
        assert_eq!(run.status, Some(0), "{profile}\n{}{}", run.stdout, run.stderr);
        assert_eq!(run.count("role_updated"), 4, "{profile}");

        let sandbox = Sandbox::of(world(), options(profile));
        let workdir = Workdir::new();
        workdir.write("roster.csv", roster("ann@corp.test"));
        sandbox.set_faults("write:reset=100%".parse().unwrap());
        let flags = ["--update-roles", "--send-invites", "--retries", "0", "--max-errors", "1"];
        drop(workdir.apply(&sandbox, "roster.csv", &flags));
        sandbox.set_faults("".parse().unwrap());
        let run = workdir.resume(&sandbox, &[]).ended(0);
        assert_eq!(run.count("role_updated"), 4, "{profile}: {:?}", run.counts());
    }
}
