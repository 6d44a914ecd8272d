//! `--repair-duplicates` and `--reinvite`: whoever is there twice, or whose invitation is old, is taken
//! away and added again, once, and nobody is lost on the way.

#![cfg(feature = "sandbox")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::harness::{Finished, InProcess, Sandbox, World, faulty, person, playing, user, workspace};
use houston_onboard::sandbox::state::Status;
use houston_onboard::sandbox::{Applied, Faults, Model, Options, Profile, Role, Switches};

/// A workspace of viewers with an admin, in which these people have a second role.
fn world(people: usize, doubled: &[(usize, Role)]) -> World {
    let world = World::of(1, people).admins(1);
    doubled.iter().fold(world, |world, &(who, role)| world.doubled(0, who, role))
}

/// The same without a second role, and with these people invited.
fn world_with_guests<E: AsRef<str>>(people: usize, guests: impl IntoIterator<Item = E>) -> World {
    let invited = |world: World, guest: E| world.invited(0, guest.as_ref(), Role::WorkspaceViewer);
    guests.into_iter().fold(world(people, &[]), invited)
}

fn guest(number: usize) -> String {
    format!("guest{number}@example.com")
}

fn roster(people: impl IntoIterator<Item = usize>) -> String {
    let mut text = String::from("email,role,workspace\n");
    for who in people {
        let role = if who == 0 { "admin" } else { "viewer" };
        writeln!(text, "{},{role},{}", person(0, who), workspace(0)).unwrap();
    }
    text
}

/// An old Houston, which doubles a repeated add.
fn old(options: Options) -> Options {
    Options { profile: Profile::V0_28, ..playing(Model::Legacy, options) }
}

/// How often everybody is in the workspace.
fn bindings(sandbox: &Sandbox) -> BTreeMap<String, Vec<&'static str>> {
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for binding in sandbox.state().bindings.iter().filter(|binding| binding.workspace.is_some()) {
        all.entry(binding.user.clone()).or_default().push(binding.role.name());
    }
    all
}

fn invites(sandbox: &Sandbox) -> BTreeSet<(String, String)> {
    sandbox.state().invites.iter().map(|invite| (invite.email.clone(), invite.id.clone())).collect()
}

fn plan(workdir: &InProcess, sandbox: &Sandbox, more: &[&str]) -> Finished {
    workdir.call(["plan", "roster.csv", "--detailed-exitcode"]).args(more).to(sandbox).quick().run()
}

const REPAIR: &[&str] = &["--repair-duplicates"];
const REINVITE: &[&str] = &["--reinvite", "--send-invites"];

#[test]
fn whoever_is_there_twice_is_there_once_afterwards_and_only_when_that_was_asked_for() {
    let world =
        world(5, &[(1, Role::WorkspaceViewer), (2, Role::WorkspaceAdmin), (3, Role::WorkspaceViewer)]);
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world, old(Options::default())));
    workdir.write("roster.csv", roster([0, 1, 2, 4]));
    drop(plan(&workdir, &sandbox, &[]).ended(0));
    let shown = plan(&workdir, &sandbox, REPAIR).ended(10);
    assert!(shown.stdout.contains("2 to replace"), "{}", shown.stdout);
    sandbox.received_no_mutation();
    let run = workdir.apply(&sandbox, "roster.csv", REPAIR).ended(0);
    let status: Vec<_> = run.rows().iter().map(|row| row["status"].clone()).collect();
    assert_eq!(status, ["unchanged", "role_updated", "role_updated", "unchanged"]);
    assert!(run.rows()[1]["detail"].contains("removed and added again"), "{:?}", run.rows());
    let there = bindings(&sandbox);
    assert_eq!(there[&user(0, 1)], ["WORKSPACE_VIEWER"]);
    assert_eq!(
        there[&user(0, 2)],
        ["WORKSPACE_VIEWER"],
        "the role that counted, which is the one of the file"
    );
    assert_eq!(there[&user(0, 3)].len(), 2, "not in the file");
    drop(plan(&workdir, &sandbox, REPAIR).ended(0));
    // What was there before is nothing that could be taken back.
    drop(
        workdir
            .call(["apply", "--yes", "--plan"])
            .args(&[&*run.folder().join("undo.json").display().to_string()])
            .quick()
            .to(&sandbox)
            .run()
            .ended(0),
    );
    assert_eq!(bindings(&sandbox), there);
}

#[test]
fn the_caller_the_last_admin_and_who_has_roles_in_deployments_are_left_alone() {
    let world = world(3, &[(0, Role::WorkspaceAdmin), (1, Role::WorkspaceViewer)]).deployments().granted(
        0,
        1,
        Role::DeploymentViewer,
    );
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world, old(Options::default())));
    let before = bindings(&sandbox);
    workdir.write("roster.csv", roster([0, 1, 2]));
    let run = workdir.apply(&sandbox, "roster.csv", REPAIR).ended(0);
    assert!(run.stderr.contains("would temporarily have no admin"), "{}", run.stderr);
    assert!(run.stderr.contains("they would lose their deployment roles"), "{}", run.stderr);
    assert_eq!(bindings(&sandbox), before);
    sandbox.received_no_mutation();
}

#[test]
fn invitations_are_made_again_once_and_the_others_stay() {
    let world = world_with_guests(2, ["a@example.com", "b@example.com", "c@example.com"]);
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world, old(Options::default())));
    let before = invites(&sandbox);
    let mut text = roster([0]);
    ["a@example.com", "b@example.com"].iter().for_each(|email| {
        writeln!(text, "{email},viewer,{}", workspace(0)).unwrap();
    });
    workdir.write("roster.csv", text);
    drop(workdir.apply(&sandbox, "roster.csv", &[]).ended(0));
    assert_eq!(invites(&sandbox), before);
    let run = workdir.apply(&sandbox, "roster.csv", REINVITE).ended(0);
    let rows = run.rows();
    assert_eq!((&*rows[1]["status"], &*rows[1]["error_code"]), ("invited", "renewed"), "{rows:?}");
    let after = invites(&sandbox);
    let kept: Vec<_> = before.intersection(&after).collect();
    assert_eq!(kept, [&("c@example.com".to_owned(), "ckinvite00000002".to_owned())]);
    assert_eq!(
        after.iter().map(|(email, _)| email.as_str()).collect::<Vec<_>>(),
        ["a@example.com", "b@example.com", "c@example.com"]
    );
    assert_eq!(sandbox.audit().mutations_received, 4);
}

#[test]
fn who_cannot_be_added_again_is_told_so_and_the_rest_is_not_tried() {
    let world = world_with_guests(2, (0..9).map(guest));
    let switches = Switches { scim: true, ..Switches::default() };
    let (workdir, sandbox) =
        (InProcess::new(), Sandbox::of(world, old(Options { switches, ..Options::default() })));
    let mut text = roster([]);
    (0..9).for_each(|number| writeln!(text, "{},viewer,{}", guest(number), workspace(0)).unwrap());
    workdir.write("roster.csv", text);
    let run = workdir.apply(&sandbox, "roster.csv", REINVITE);
    let row = run.rows().into_iter().find(|row| row["status"] == "rejected").unwrap();
    assert!(row["detail"].contains("was removed and could not be added again: "), "{row:?}");
    let lost = 9 - invites(&sandbox).len();
    assert_eq!(run.count("rejected"), lost, "{:?}", run.counts());
    assert!(lost <= 6, "the run ends when the first ones are all refused: {lost}");
}

#[test]
fn who_was_taken_away_and_is_not_back_yet_is_told_so() {
    let world = world_with_guests(2, ["guest0@example.com"]);
    // The first of the two requests names the invitation by its id, and passes.
    let sandbox = Sandbox::of(world, old(faulty("write:429=@guest0@example.com")));
    let workdir = InProcess::new();
    workdir
        .write("roster.csv", format!("email,role,workspace\nguest0@example.com,viewer,{}\n", workspace(0)));
    let flags = [REINVITE, &["--retries", "0"]].concat();
    let run = workdir.apply(&sandbox, "roster.csv", &flags).ended(8);
    assert!(invites(&sandbox).is_empty());
    assert!(run.rows()[0]["detail"].contains("was removed"), "{:?}", run.rows());
    sandbox.set_faults(Faults::default());
    drop(workdir.resume(&sandbox, &[]).ended(0));
    assert_eq!(invites(&sandbox).len(), 1);
}

#[test]
fn a_saved_plan_renews_what_it_was_made_for_and_nothing_else() {
    let world = world(3, &[(1, Role::WorkspaceViewer)]);
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world, old(Options::default())));
    workdir.write("roster.csv", roster([0, 1, 2]));
    // Two plans of the same change: of the same one the run would be finished.
    [("now.json", "98"), ("late.json", "99")].iter().for_each(|(file, unchanged)| {
        let flags = [REPAIR, &["--out", file, "--exit-code-unchanged", unchanged]].concat();
        drop(plan(&workdir, &sandbox, &flags).ended(10));
    });
    let shown = plan(&workdir, &sandbox, &[REPAIR, &["--explain", &person(0, 1)]].concat()).ended(10);
    assert!(
        shown.stdout.contains("workspaceRemoveUser") && shown.stdout.contains(&user(0, 1)),
        "{}",
        shown.stdout
    );
    let carry_out = |file: &str| workdir.call(["apply", "--yes", "--plan", file]).quick().to(&sandbox).run();
    drop(carry_out("now.json").ended(0));
    assert_eq!(bindings(&sandbox)[&user(0, 1)], ["WORKSPACE_VIEWER"]);
    let sent = sandbox.audit().mutations_received;
    drop(carry_out("late.json").ended(9));
    assert_eq!(sandbox.audit().mutations_received, sent);
}

#[test]
fn a_pending_user_has_no_invitation_to_be_made_again() {
    let (workdir, sandbox) =
        (InProcess::new(), Sandbox::of(world(2, &[]), playing(Model::Modern, Options::default())));
    workdir.write("roster.csv", format!("email,role,workspace\nnew@example.com,viewer,{}\n", workspace(0)));
    drop(workdir.apply(&sandbox, "roster.csv", &[]).ended(0));
    let run = workdir.apply(&sandbox, "roster.csv", REINVITE).ended(0);
    assert!(run.stderr.contains("1 row not replaced: Houston lists them as users"), "{}", run.stderr);
    assert_eq!(sandbox.audit().mutations_received, 1);
}

/// Somebody who has an account beside an old invitation.
const LOCKED: &str = "locked@example.com";

/// Everybody is there once whatever happens on the way. Gives how many kills found somebody removed and not
/// added again.
fn survives(seed: u64, faults: &str, kills: bool) -> usize {
    let world = (1..9).fold(world_with_guests(10, (0..4).map(guest)), |world, who| {
        world.doubled(0, who, Role::WorkspaceViewer)
    });
    let world = world.user("cklocked", &[LOCKED], Status::Active).invited(0, LOCKED, Role::WorkspaceViewer);
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world, old(Options { seed, ..faulty(faults) })));
    let before = invites(&sandbox);
    let mut text = roster(0..10);
    let invited = (0..4).map(guest).chain([LOCKED.to_owned()]);
    invited.for_each(|email| writeln!(text, "{email},viewer,{}", workspace(0)).unwrap());
    workdir.write("roster.csv", text);
    let flags = [REPAIR, REINVITE, &["--retries", "8"]].concat();
    let mut running = workdir.program().applying(&sandbox, "roster.csv").args(&flags).quick().start();
    let (mut ended, mut random) = (None, fastrand::Rng::with_seed(seed));
    let mut between = 0;
    for _ in 0..40 {
        if kills {
            let stop = sandbox.mutations().len() + random.usize(1..12);
            running.kill_when(|_| sandbox.mutations().len() >= stop);
        }
        let end = running.finish();
        if end.status == Some(0) {
            ended = Some(end);
            break;
        }
        between += usize::from(bindings(&sandbox).len() + invites(&sandbox).len() < 15);
        running = workdir.program().resuming(&sandbox).args(&["--retries", "8"]).quick().start();
    }
    let end = ended.unwrap();
    for (who, roles) in bindings(&sandbox) {
        assert_eq!(roles.len(), 1, "{who} {seed}: {}", end.stderr);
    }
    assert_eq!(bindings(&sandbox).len(), 11, "{seed}: nobody is lost, and the account is let in");
    let after = invites(&sandbox);
    assert_eq!(after.len(), 4, "{seed}: {}", end.stderr);
    assert!(before.is_disjoint(&after), "every invitation is a new one");
    sandbox.set_faults(Faults::default());
    drop(plan(&workdir, &sandbox, REPAIR).ended(0));
    between
}

/// The seeds of a storm: these, or as many as `STORM_SEEDS` says.
fn seeds(few: std::ops::Range<u64>) -> std::ops::Range<u64> {
    let wanted = std::env::var("STORM_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    wanted.map_or(few.clone(), |seeds: u64| few.start..few.start + seeds)
}

/// Three answers in ten are lost after the change was made, and some requests are refused.
const LOST: &str = "write:reset=15%,write:truncated=5%,502-after=5%,write:503=5%,ise-after=5%";

#[test]
fn nobody_is_lost_when_answers_are_lost() {
    seeds(1..4).for_each(|seed| {
        survives(seed, LOST, false);
    });
}

#[test]
fn nobody_is_lost_when_the_run_is_killed_between_the_two_requests() {
    let between: usize = seeds(4..8).map(|seed| survives(seed, "", true)).sum();
    assert!(between > 0, "no kill came between the two requests");
}

#[test]
fn nobody_is_lost_when_answers_are_lost_and_the_run_is_killed() {
    seeds(8..10).for_each(|seed| {
        survives(seed, LOST, true);
    });
}

const OLD_INVITE: &str = "ckinvite00000000";

/// One invitation that is to be made again, where these faults happen.
fn one_guest(faults: &str) -> (InProcess, Sandbox) {
    let world = world_with_guests(2, [guest(0)]);
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world, old(faulty(faults))));
    workdir.write("roster.csv", format!("email,role,workspace\n{},viewer,{}\n", guest(0), workspace(0)));
    let is_old = |(_, id): &(String, String)| id == OLD_INVITE;
    assert!(invites(&sandbox).iter().all(is_old), "{:?}", invites(&sandbox));
    (workdir, sandbox)
}

/// The mutations that took effect, by name.
fn applied(sandbox: &Sandbox) -> Vec<String> {
    let entries = sandbox.audit().entries.into_iter();
    entries.filter(|entry| entry.outcome == Applied::Applied).map(|entry| entry.field).collect()
}

/// The row of a run over one guest, who has been invited again, once.
#[track_caller]
fn is_invited_again(sandbox: &Sandbox, run: &Finished) -> BTreeMap<String, String> {
    let after = invites(sandbox);
    assert_eq!(after.len(), 1, "{}", run.stdout);
    assert!(after.iter().all(|(email, id)| *email == guest(0) && id != OLD_INVITE), "{after:?}");
    assert_eq!(applied(sandbox), ["deleteInviteToken", "workspaceAddUser"]);
    let row = run.rows().remove(0);
    assert_eq!((&*row["status"], &*row["error_code"]), ("invited", "renewed"), "{row:?}");
    row.into_iter().collect()
}

#[test]
fn a_removal_whose_answer_is_lost_is_proved_and_the_person_is_added_again() {
    for fault in ["reset", "truncated", "502-after", "ise-after"] {
        let (workdir, sandbox) = one_guest(&format!("write:{fault}=@{OLD_INVITE}"));
        let run = workdir.apply(&sandbox, "roster.csv", REINVITE).ended(0);
        let row = is_invited_again(&sandbox, &run);
        assert_eq!(row["attempts"], "2", "{fault}: {row:?}");
    }
}

#[test]
fn an_add_after_a_removal_is_not_repeated_when_its_answer_is_lost() {
    for fault in ["reset", "truncated", "502-after", "ise-after"] {
        let (workdir, sandbox) = one_guest(&format!("write:{fault}=@{}", guest(0)));
        let run = workdir.apply(&sandbox, "roster.csv", REINVITE).ended(0);
        let row = is_invited_again(&sandbox, &run);
        assert_eq!(row["attempts"], "2", "{fault}: {row:?}");
    }
}

#[test]
fn who_is_there_twice_is_there_once_when_either_answer_is_lost() {
    for about in [user(0, 1), person(0, 1)] {
        for fault in ["reset", "ise-after"] {
            let world = world(3, &[(1, Role::WorkspaceViewer)]);
            let (workdir, sandbox) =
                (InProcess::new(), Sandbox::of(world, old(faulty(&format!("write:{fault}=@{about}")))));
            workdir.write("roster.csv", roster([1]));
            let run = workdir.apply(&sandbox, "roster.csv", REPAIR).ended(0);
            assert_eq!(bindings(&sandbox)[&user(0, 1)], ["WORKSPACE_VIEWER"], "{fault} {about}");
            assert_eq!(applied(&sandbox), ["workspaceRemoveUser", "workspaceAddUser"], "{fault} {about}");
            let row = run.rows().remove(0);
            assert_eq!((&*row["status"], &*row["error_code"]), ("role_updated", "repaired"), "{row:?}");
        }
    }
}

#[test]
fn a_run_that_is_killed_after_the_removal_is_finished_by_resume_with_one_add() {
    for fault in ["late", "lag"] {
        for about in [OLD_INVITE.to_owned(), guest(0)] {
            // Applied at once and answered too late, or applied after the kill.
            let (workdir, sandbox) = one_guest(&format!("write:{fault}=@{about}:1500ms"));
            let mut running = workdir
                .program()
                .applying(&sandbox, "roster.csv")
                .args(REINVITE)
                .quick()
                .env("HOUSTON_ONBOARD_TIMEOUT", "20s")
                .start();
            let sends = if about == OLD_INVITE { 1 } else { 2 };
            assert!(running.kill_when(|_| sandbox.audit().mutations_received >= sends));
            drop(running.finish());
            sandbox.set_faults(Faults::default());
            // Longer than a request of the killed process can take.
            let run = workdir.program().resume(&sandbox, &["--settle", "3s"]).ended(0);
            let row = is_invited_again(&sandbox, &run);
            assert_eq!(row["attempts"], "2", "{fault} {about}: {row:?}");
        }
    }
}

#[test]
fn a_removal_that_never_took_effect_is_left_for_resume_and_the_person_stays() {
    let (workdir, sandbox) = one_guest(&format!("write:ise=@{OLD_INVITE}"));
    let before = invites(&sandbox);
    let run = workdir.apply(&sandbox, "roster.csv", &[REINVITE, &["--retries", "1"]].concat()).ended(8);
    assert_eq!(invites(&sandbox), before);
    let row = run.rows().remove(0);
    assert_eq!((&*row["status"], &*row["attempts"]), ("gave_up", "2"), "{row:?}");
    assert!(!row["detail"].contains("was removed"), "{row:?}");
    sandbox.set_faults(Faults::default());
    let run = workdir.resume(&sandbox, &[]).ended(0);
    is_invited_again(&sandbox, &run);
}

#[test]
fn the_report_of_a_killed_run_says_who_was_removed_and_not_added_again() {
    let (workdir, sandbox) = one_guest(&format!("write:late=@{OLD_INVITE}:30s"));
    let mut running = workdir
        .program()
        .applying(&sandbox, "roster.csv")
        .args(REINVITE)
        .quick()
        .env("HOUSTON_ONBOARD_TIMEOUT", "20s")
        .start();
    assert!(running.kill_when(|_| sandbox.audit().mutations_received >= 1));
    drop(running.finish());
    let told = workdir.program().call(["report", "--format", "csv"]).run();
    assert!(told.stdout.contains("in_doubt"), "{} {}", told.stdout, told.stderr);
    assert!(told.stdout.contains("removal was sent"), "{} {}", told.stdout, told.stderr);
}
