//! Every version of Houston through the built program: what it is asked, what it is never asked,
//! and how a version that cannot be read is settled.

#![cfg(feature = "sandbox")]

use std::collections::{BTreeMap, BTreeSet};

use crate::harness::{self, Finished, InProcess, Sandbox, Workdir, records, with_mail};
use houston_onboard::sandbox::state::StateBinding;
use houston_onboard::sandbox::{Audit, Options, Profile, Switches, Version};

const DATA_PLATFORM: &str = "ckdataplatform00000000001";
const OPERATIONS: &str = "ckoperations0000000000005";

const HEADER: &str = "email,role,workspace\n";

/// Who is in the roster, where, and what becomes of them; by id, since 0.16 lists nobody any
/// workspace but their own.
const PEOPLE: [(&str, &str, &str, &str); 7] = [
    ("brand.new@example.com", "viewer", DATA_PLATFORM, "invited"),
    ("also.new@example.com", "admin", OPERATIONS, "invited"),
    ("luis.nowak@example.com", "editor", DATA_PLATFORM, "added"),
    ("kwame.petrova@example.com", "viewer", OPERATIONS, "added"),
    ("fatima.wagner@example.com", "editor", DATA_PLATFORM, "unchanged"),
    ("pedro.park@example.com", "admin", DATA_PLATFORM, "role_kept"),
    ("pending.one@example.com", "viewer", OPERATIONS, "already_invited"),
];
/// How many of them are added, and how many of these have no account yet and may be mailed.
const ADDS: usize = 4;
const NEW: u64 = 2;

/// Whether members are read by page: before 0.30 they come all at once.
fn reads_pages(profile: Profile) -> bool {
    profile >= Profile::V0_30
}

/// Whether one mutation gives a role, whatever there was before.
fn knows_upsert(profile: Profile) -> bool {
    profile >= Profile::V0_30
}

/// Whether a version must be told to let Houston mail: before 0.25.3 there is no other way.
fn mails(profile: Profile) -> bool {
    profile < Profile::V0_25
}

/// How much a server tells about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    /// Its version; to ask for its schema is refused, and counted.
    Version,
    /// Its schema only.
    Schema,
    /// Neither.
    Nothing,
}

impl Told {
    const ALL: [Self; 3] = [Self::Version, Self::Schema, Self::Nothing];

    fn by(self, profile: Profile) -> Sandbox {
        let version = if self == Self::Version { Version::Profile } else { Version::Null };
        let switches = Switches { version, introspection: self == Self::Schema, ..with_mail() };
        Sandbox::with(Options { profile, switches, ..Options::default() })
    }
}

fn roster() -> String {
    let line =
        |(email, role, workspace, _): &(&str, &str, &str, &str)| format!("{email},{role},{workspace}\n");
    PEOPLE.iter().map(line).fold(HEADER.to_owned(), |text, line| text + &line)
}

/// Whom the runs add, as (workspace, email).
fn added() -> BTreeSet<(String, String)> {
    let new = PEOPLE.iter().filter(|person| ["invited", "added"].contains(&person.3));
    new.map(|(email, _, workspace, _)| ((*workspace).to_owned(), (*email).to_owned())).collect()
}

fn apply(workdir: &InProcess, sandbox: &Sandbox, more: &[&str]) -> Finished {
    workdir.apply(sandbox, "roster.csv", &[&["--timeout", "5s"], more].concat())
}

/// The flags with which this version takes people.
fn willing(profile: Profile) -> &'static [&'static str] {
    if mails(profile) { &["--send-invites"] } else { &[] }
}

/// Operations that do not fit the schema, with the most of each that may have been sent.
fn most_unfit(profile: Profile, told: Told, most: u64) -> BTreeMap<&'static str, u64> {
    let mut unfit = BTreeMap::new();
    if told == Told::Nothing {
        // The question itself.
        unfit.insert("Surface", 1);
        if !reads_pages(profile) {
            unfit.insert("MemberPageWithInvites", most);
        }
        if profile == Profile::V0_16 {
            unfit.insert("SysWorkspaces", 1);
        }
    }
    unfit
}

#[track_caller]
fn asked_no_more_than(audit: &Audit, allowed: &BTreeMap<&str, u64>, what: &str) {
    for (name, count) in &audit.unfit {
        let most = allowed.get(name.as_str()).copied().unwrap_or(0);
        assert!(*count <= most, "{what}: {count} x {name} do not fit, {most} may");
    }
}

#[test]
fn every_version_takes_everybody_once_however_much_it_tells() {
    for profile in Profile::ALL {
        for told in Told::ALL {
            let what = format!("{profile} {told:?}");
            let (sandbox, workdir) = (told.by(profile), InProcess::new());
            workdir.write("roster.csv", roster());
            let run = apply(&workdir, &sandbox, willing(profile)).ended(0);
            for (row, (email, _, _, status)) in run.rows().iter().zip(PEOPLE) {
                assert_eq!((row["email"].as_str(), row["status"].as_str()), (email, status), "{what}");
            }
            sandbox.agrees_with(&run);
            let audit = sandbox.audit();
            assert_eq!([audit.mutations_received, audit.mutations_applied], [ADDS as u64; 2], "{what}");
            let sent: BTreeSet<_> = sandbox.mutations().into_iter().collect();
            assert_eq!(sent, added(), "{what}");
            assert_eq!(audit.mails, if mails(profile) { NEW } else { 0 }, "{what}");
            // Two workspaces are read at one time.
            asked_no_more_than(&audit, &most_unfit(profile, told, 2), &what);
            assert_eq!(audit.reads.contains_key("paginatedWorkspaceUsers"), reads_pages(profile), "{what}");

            let again = apply(&workdir, &sandbox, willing(profile)).ended(0);
            assert_eq!(sandbox.audit().mutations_received, ADDS as u64, "{what}: {:?}", again.counts());
            sandbox.agrees_with(&again);
        }
    }
}

#[test]
fn what_a_server_does_not_know_is_found_out_once() {
    for profile in Profile::ALL {
        let (sandbox, workdir) = (Told::Nothing.by(profile), InProcess::new());
        workdir.write("roster.csv", roster());
        let one_by_one = [willing(profile), &["--concurrency", "1"]].concat();
        let _ = apply(&workdir, &sandbox, &one_by_one).ended(0);
        let expected = most_unfit(profile, Told::Nothing, 1);
        let found = sandbox.audit().unfit;
        let found: BTreeMap<&str, u64> = found.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        assert_eq!(found, expected, "{profile}");
    }
}

#[test]
fn every_version_changes_roles_once_however_much_it_tells() {
    for profile in Profile::ALL {
        for told in Told::ALL {
            let what = format!("{profile} {told:?}");
            let (sandbox, workdir) = (told.by(profile), InProcess::new());
            let people = [("pedro.park@example.com", "admin"), ("ingrid.zulu@example.com", "editor")];
            let row = |(email, role): &(&str, &str)| format!("{email},{role},{DATA_PLATFORM}\n");
            workdir.write("roster.csv", people.iter().map(row).fold(HEADER.to_owned(), |a, b| a + &b));
            // Nobody is added, so nobody could be mailed: no version is refused.
            let run = apply(&workdir, &sandbox, &["--update-roles"]).ended(0);
            assert_eq!(run.count("role_updated"), people.len(), "{what}: {:?}", run.counts());
            let state = sandbox.state();
            for (email, role) in people {
                let user = state.users.iter().find(|user| user.username == email).unwrap();
                let has = |binding: &&StateBinding| {
                    binding.user == user.id && binding.workspace.as_deref() == Some(DATA_PLATFORM)
                };
                let roles: Vec<_> = state.bindings.iter().filter(has).map(|b| b.role.name()).collect();
                assert_eq!(roles, [format!("WORKSPACE_{}", role.to_uppercase())], "{what}: {email}");
            }
            let field =
                if knows_upsert(profile) { "workspaceUpsertUserRole" } else { "workspaceUpdateUserRole" };
            let audit = sandbox.audit();
            assert!(audit.entries.iter().all(|entry| entry.field == field), "{what}: {:?}", audit.entries);
            assert_eq!((audit.mutations_received, audit.mails), (people.len() as u64, 0), "{what}");
            let mut allowed = most_unfit(profile, told, 2);
            if told == Told::Nothing && !knows_upsert(profile) {
                allowed.insert("UpsertRole", people.len() as u64);
            }
            asked_no_more_than(&audit, &allowed, &what);
            let _ = apply(&workdir, &sandbox, &["--update-roles"]).ended(0);
            assert_eq!(sandbox.audit().mutations_received, people.len() as u64, "{what}");
        }
    }
}

#[test]
fn nobody_is_mailed_who_need_not_be_however_little_is_told() {
    for profile in [Profile::V0_16, Profile::V0_23] {
        for told in Told::ALL {
            let what = format!("{profile} {told:?}");
            let (sandbox, workdir) = (told.by(profile), InProcess::new());
            workdir.write("roster.csv", roster());
            let run = apply(&workdir, &sandbox, &[]).ended(5).says("bypassInvite");
            assert!((run.stdout.clone() + &run.stderr).contains("--send-invites"), "{what}: {}", run.stdout);
            let audit = sandbox.audit();
            // The document that is refused is no mutation that arrived.
            assert_eq!((audit.mutations_received, audit.mails), (0, 0), "{what}");
            if told == Told::Nothing {
                assert_eq!(run.count("not_run"), ADDS, "{what}: {:?}", run.counts());
                assert!((1..=ADDS as u64).contains(&audit.unfit["AddMember"]), "{what}: {:?}", audit.unfit);
            } else {
                run.began_nothing();
                asked_no_more_than(&audit, &BTreeMap::new(), &what);
            }
        }
    }
}

#[test]
fn a_server_that_lacks_what_its_version_promises_is_noticed_before_anything_is_done() {
    let switches = Switches { version: Version::Text("2.1.0".to_owned()), ..Switches::default() };
    let old = Options { profile: Profile::V0_23, switches, ..Options::default() };
    let (sandbox, workdir) = (Sandbox::with(old), InProcess::new());
    workdir.write("roster.csv", harness::roster(40, 2));
    let run = apply(&workdir, &sandbox, &[]).ended(5).says("would email");
    assert!(run.stdout.contains("apply the roster again with --send-invites"), "{}", run.stdout);
    let audit = sandbox.audit();
    assert_eq!((audit.mutations_received, audit.mutations_applied, audit.mails), (0, 0, 0));
    // The canary of each workspace, and nobody after them.
    assert!((1..=2).contains(&audit.unfit["AddMember"]), "{:?}", audit.unfit);
    assert_eq!(run.count("not_run"), 40, "{:?}", run.counts());
    sandbox.agrees_with(&run);
    // Where the mails are wanted, the same roster goes through.
    let run = apply(&workdir, &sandbox, &["--send-invites"]).ended(0);
    assert_eq!((run.count("added"), run.count("invited")), (20, 20));
    assert_eq!(sandbox.audit().mails, 20);
    sandbox.agrees_with(&run);
}

#[test]
fn a_server_that_can_more_than_its_version_says_is_taken_at_its_word() {
    for (version, by_page, status) in [("0.29.0", false, 0), ("0.30.0", true, 0), ("0.24.1", false, 5)] {
        let switches = Switches { version: Version::Text(version.to_owned()), ..Switches::default() };
        let (sandbox, workdir) =
            (Sandbox::with(Options { switches, ..Options::default() }), InProcess::new());
        workdir.write("roster.csv", roster());
        let _ = apply(&workdir, &sandbox, &[]).ended(status);
        let audit = sandbox.audit();
        assert_eq!(audit.reads.contains_key("paginatedWorkspaceUsers"), by_page, "{version}");
        assert_eq!(audit.mutations_applied, if status == 0 { ADDS as u64 } else { 0 }, "{version}");
        assert_eq!(audit.unfit, BTreeMap::new(), "{version}");
    }
}

#[test]
fn the_admin_of_a_workspace_is_served_by_every_version() {
    for profile in Profile::ALL {
        let (sandbox, workdir) = (Told::Version.by(profile), InProcess::new());
        let here = |line: &&str| line.starts_with("email") || line.ends_with(DATA_PLATFORM);
        let roster = roster().lines().filter(here).fold(String::new(), |text, line| text + line + "\n");
        workdir.write("roster.csv", roster);
        let token = sandbox.token_of("ahmed.nilsson@example.com").unwrap();
        let call = workdir.applying(&sandbox, "roster.csv").quick().token(&token).args(willing(profile));
        let run = call.args(&["--timeout", "5s"]).run().ended(0);
        assert_eq!((run.count("added"), run.count("invited")), (1, 1), "{profile}");
        sandbox.agrees_with(&run);
        assert_eq!(sandbox.audit().unfit, BTreeMap::new(), "{profile}");
    }
}

#[test]
fn a_check_asks_every_version_for_nothing_that_it_lacks() {
    for profile in Profile::ALL {
        let sandbox = Sandbox::with(Options { profile, ..Options::default() });
        let workdir = Workdir::new();
        workdir.write("roster.csv", roster());
        let run = workdir.call(["doctor", "roster.csv"]).to(&sandbox).quick().run();
        assert!(run.stdout.contains(profile.version()), "{profile}: {}", run.stdout);
        let audit = sandbox.audit();
        assert_eq!((audit.unfit, audit.mutations_received), (BTreeMap::new(), 0), "{profile}");
    }
}

#[test]
fn what_a_version_exports_is_what_it_has() {
    for profile in Profile::ALL {
        for told in Told::ALL {
            let what = format!("{profile} {told:?}");
            let (sandbox, workdir) = (told.by(profile), Workdir::new());
            let two = ["--workspace", DATA_PLATFORM, "--workspace", OPERATIONS];
            let export =
                workdir.call(["export", "--output", "out.csv"]).to(&sandbox).quick().args(&two).run();
            let _ = export.ended(0);
            let csv = std::fs::read_to_string(workdir.path().join("out.csv")).unwrap();
            assert_eq!(records(&csv, b',').len(), 8, "{what}: {csv}");
            let plan = workdir.call(["plan", "out.csv", "--detailed-exitcode"]).to(&sandbox).quick().run();
            let _ = plan.ended(0);
            sandbox.received_no_mutation();
            let unfit = sandbox.audit().unfit;
            let pages = unfit.keys().filter(|name| name.starts_with("MemberPage")).count();
            assert_eq!(pages > 0, told == Told::Nothing && !reads_pages(profile), "{what}: {unfit:?}");
            assert_eq!(unfit.is_empty(), told != Told::Nothing, "{what}: {unfit:?}");
        }
    }
}
