//! People who have an account beside an old invitation: it gives them no access until they are added
//! (houston.md, 3.2). Where the caller can see accounts, they are told apart from people who have yet to
//! sign up.

#![cfg(feature = "sandbox")]

use houston_onboard::sandbox::state::Status;
use houston_onboard::sandbox::{Model, Options, Profile, Role};

use crate::harness::{Finished, InProcess, Sandbox, World, faulty, person, user, workspace};

/// Somebody who has an account, and in the first workspace only an invitation.
fn locked() -> String {
    person(1, 1)
}

const WAITING: &str = "waiting@example.com";
const PENDING: &str = "pending@example.com";

/// Three people invited as viewers: one has an account in use, one has never signed in, one has none.
fn world() -> World {
    let invited = |world: World, email: &str| world.invited(0, email, Role::WorkspaceViewer);
    let world = World::of(2, 2).admins(1).user("ckpending", &[PENDING], Status::Pending);
    [&*locked(), WAITING, PENDING].into_iter().fold(world, invited)
}

fn sandbox(options: Options) -> Sandbox {
    Sandbox::of(world(), Options { profile: Profile::V0_28, model: Some(Model::Legacy), ..options })
}

/// Everybody as `role`.
fn roster(workdir: &InProcess, people: &[&str], role: &str) {
    let line = |email: &&str| format!("{email},{role},{}\n", workspace(0));
    let text: String = people.iter().map(line).collect();
    workdir.write("roster.csv", format!("email,role,workspace\n{text}"));
}

/// How the rows ended: status, code and whether Houston has an invitation and a role.
#[track_caller]
fn ends(run: &Finished) -> Vec<(String, String)> {
    run.rows().iter().map(|row| (row["status"].clone(), row["error_code"].clone())).collect()
}

fn end(status: &str, code: &str) -> (String, String) {
    (status.to_owned(), code.to_owned())
}

fn roles_of(sandbox: &Sandbox, id: &str) -> Vec<Role> {
    let theirs = |binding: &&houston_onboard::sandbox::state::StateBinding| {
        binding.user == id && binding.workspace == Some(workspace(0))
    };
    sandbox.state().bindings.iter().filter(theirs).map(|binding| binding.role).collect()
}

fn invited(sandbox: &Sandbox) -> Vec<String> {
    let mut all: Vec<String> = sandbox.state().invites.iter().map(|invite| invite.email.clone()).collect();
    all.sort();
    all
}

const REINVITE: &[&str] = &["--reinvite", "--send-invites"];

#[test]
fn an_account_beside_an_old_invitation_is_told_apart_from_people_who_have_yet_to_sign_up() {
    let (workdir, sandbox) = (InProcess::new(), sandbox(Options::default()));
    roster(&workdir, &[&locked(), WAITING, PENDING], "viewer");
    let plan = workdir.call(["plan", "roster.csv"]).to(&sandbox).quick().run().ended(0);
    assert!(
        plan.stdout.contains("2 already invited, 1 locked out beside an old invitation"),
        "{}",
        plan.stdout
    );
    assert!(
        plan.stdout.contains(&format!("! {}  is locked out: has an account", locked())),
        "{}",
        plan.stdout
    );
    let run = workdir.apply(&sandbox, "roster.csv", &[]).ended(0);
    let waiting = end("already_invited", "");
    assert_eq!(ends(&run), [end("already_invited", "locked_out"), waiting.clone(), waiting]);
    assert!(run.rows()[0]["detail"].contains("locked out"), "{:?}", run.rows());
    assert!(run.stdout.contains("3 already_invited (1 locked out: "), "{}", run.stdout);
    sandbox.received_no_mutation();
}

#[test]
fn reinvite_makes_an_account_beside_an_old_invitation_a_member_with_the_role_of_the_roster() {
    let (workdir, sandbox) = (InProcess::new(), sandbox(Options::default()));
    roster(&workdir, &[&locked(), WAITING], "editor");
    let run = workdir.apply(&sandbox, "roster.csv", REINVITE).ended(0);
    // The other one is invited as a viewer, and roles do not change unless that is asked for.
    assert_eq!(ends(&run), [end("added", "let_in"), end("already_invited", "other_role")]);
    assert_eq!(roles_of(&sandbox, &user(1, 1)), [Role::WorkspaceEditor]);
    assert_eq!(invited(&sandbox), [PENDING, WAITING]);
    let again = workdir.apply(&sandbox, "roster.csv", REINVITE).ended(0);
    assert_eq!(ends(&again)[0], end("unchanged", ""));
    let undo = run.folder().join("undo.json").display().to_string();
    let back = workdir.call(["apply", "--yes", "--plan", &undo]).to(&sandbox).quick().run();
    assert_eq!(back.status, Some(0), "{}", back.stderr);
    assert_eq!(roles_of(&sandbox, &user(1, 1)), []);
}

#[test]
fn a_new_role_of_the_invitation_is_no_access_and_is_not_claimed() {
    let (workdir, sandbox) = (InProcess::new(), sandbox(Options::default()));
    roster(&workdir, &[&locked(), WAITING], "editor");
    let run = workdir.apply(&sandbox, "roster.csv", &["--update-roles"]).ended(0);
    assert_eq!(ends(&run), [end("already_invited", "locked_out"), end("role_updated", "")]);
}

#[test]
fn who_cannot_see_accounts_sees_what_they_saw_before() {
    let (workdir, sandbox) = (InProcess::new(), sandbox(Options::default()));
    roster(&workdir, &[&locked(), WAITING, PENDING], "viewer");
    let token = sandbox.token_of(&person(0, 0)).unwrap();
    let call = |arguments: &[&str]| workdir.call(arguments).to(&sandbox).token(&token).quick().run();
    let run = call(&["apply", "roster.csv", "--yes", "--send-invites"]).ended(0);
    assert_eq!(ends(&run), [(); 3].map(|()| end("already_invited", "")));
    // It is renewed like any other, and turns out to be a member.
    let run = call(&["apply", "roster.csv", "--yes", "--send-invites", "--reinvite"]).ended(0);
    assert_eq!(ends(&run)[..2], [end("added", "let_in"), end("invited", "renewed")]);
    assert_eq!(roles_of(&sandbox, &user(1, 1)), [Role::WorkspaceViewer]);
}

#[test]
fn nothing_is_asked_about_people_who_are_not_invited() {
    let requests = |people: &[&str]| {
        let (workdir, sandbox) = (InProcess::new(), sandbox(Options::default()));
        roster(&workdir, people, "viewer");
        drop(workdir.call(["plan", "roster.csv"]).to(&sandbox).quick().run().ended(0));
        sandbox.audit().requests
    };
    let without = requests(&[&person(0, 1)]);
    assert_eq!(requests(&[&person(0, 1), "new@example.com", &person(1, 0)]), without);
    assert_eq!(requests(&[&person(0, 1), WAITING, PENDING]), without + 2);
}

#[test]
fn of_many_invited_people_a_plan_looks_a_part_up_and_says_so() {
    let people: Vec<String> = (0..203).map(|number| format!("p{number}@example.com")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    let invited = |world: World, email: &&str| world.invited(0, email, Role::WorkspaceViewer);
    let world = people.iter().fold(World::of(2, 2).admins(1), invited);
    let options = Options { profile: Profile::V0_28, model: Some(Model::Legacy), ..Options::default() };
    let (workdir, sandbox) = (InProcess::new(), Sandbox::of(world, options));
    roster(&workdir, &people, "viewer");
    let plan = workdir.call(["plan", "roster.csv"]).to(&sandbox).quick().run().ended(0);
    assert!(plan.stderr.contains("3 more people are invited; the plan did not check"), "{}", plan.stderr);
    let requests = sandbox.audit().requests;
    assert!((200..220).contains(&requests), "{requests} requests");
}

#[test]
fn who_is_locked_out_is_let_in_once_whatever_answer_is_lost() {
    for about in ["ckinvite00000000".to_owned(), locked()] {
        for fault in ["reset", "truncated", "ise-after"] {
            let sandbox = sandbox(faulty(&format!("write:{fault}=@{about}")));
            let workdir = InProcess::new();
            roster(&workdir, &[&locked()], "viewer");
            let run = workdir.apply(&sandbox, "roster.csv", REINVITE).ended(0);
            assert_eq!(ends(&run), [end("added", "let_in")], "{fault} {about}");
            assert_eq!(roles_of(&sandbox, &user(1, 1)), [Role::WorkspaceViewer], "{fault} {about}");
            assert_eq!(invited(&sandbox), [PENDING, WAITING]);
        }
    }
}
