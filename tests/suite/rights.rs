//! `doctor` and `apply` never disagree about what a token may do, whoever's it is.

#![cfg(feature = "sandbox")]

use houston_onboard::sandbox::state::{StateAccount, StateBinding, Status};
use houston_onboard::sandbox::{Options, Profile, Role};
use serde_json::Value;

use crate::harness::by_hand::playing_as;
use crate::harness::{Sandbox, Workdir, World, person, with_mail, workspace};

const SYSTEM: [Role; 3] = [Role::SystemAdmin, Role::SystemEditor, Role::SystemViewer];
const WORKSPACE: [Role; 3] = [Role::WorkspaceAdmin, Role::WorkspaceEditor, Role::WorkspaceViewer];

/// Somebody who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    User(Role),
    Account(Role),
    /// A user with the first role, and with the second one after it.
    Twice(Role, Role),
    /// An admin of another workspace.
    Elsewhere,
}

impl Caller {
    fn all() -> Vec<Self> {
        let roles = SYSTEM.into_iter().chain(WORKSPACE);
        let mut all: Vec<Self> = roles.flat_map(|role| [Self::User(role), Self::Account(role)]).collect();
        all.push(Self::Twice(Role::WorkspaceViewer, Role::WorkspaceAdmin));
        all.push(Self::Twice(Role::WorkspaceAdmin, Role::WorkspaceViewer));
        all.push(Self::Elsewhere);
        all
    }

    fn address(self) -> String {
        match self {
            Self::User(role) | Self::Account(role) => format!("{role}@example.com").to_lowercase(),
            Self::Twice(first, _) => format!("{first}.first@example.com").to_lowercase(),
            Self::Elsewhere => person(1, 0),
        }
    }

    fn is_account(self) -> bool {
        matches!(self, Self::Account(_))
    }

    /// The state with this caller in it.
    fn in_a_world(self) -> World {
        let world = World::of(2, 3).admins(1).user("ckroot", &["root@example.com"], Status::Active);
        let world = world.edit(|state| state.bindings.push(binding("ckroot", Role::SystemAdmin)));
        let email = self.address();
        match self {
            Self::User(role) => world.user("ckcaller", &[&email], Status::Active).edit(|state| {
                state.bindings.push(binding("ckcaller", role));
            }),
            Self::Twice(first, second) => world.user("ckcaller", &[&email], Status::Active).edit(|state| {
                state.bindings.push(binding("ckcaller", first));
                state
                    .bindings
                    .push(StateBinding { id: "cksecond".to_owned(), ..binding("ckcaller", second) });
            }),
            Self::Account(role) => world.edit(|state| {
                state.service_accounts.push(StateAccount {
                    id: "ckaccount".to_owned(),
                    label: "robot".to_owned(),
                    category: None,
                    api_key: KEY.to_owned(),
                    role,
                    workspace: role.is_workspace().then(|| workspace(0)),
                    deployment: None,
                    created_at: None,
                });
            }),
            Self::Elsewhere => world,
        }
    }

    fn token(self, sandbox: &Sandbox) -> String {
        if self.is_account() { KEY.to_owned() } else { sandbox.token_of(&self.address()).unwrap() }
    }
}

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A role of a user: in the first workspace, or on the platform.
fn binding(user: &str, role: Role) -> StateBinding {
    StateBinding {
        id: format!("ckb{user}{role}"),
        role,
        user: user.to_owned(),
        workspace: role.is_workspace().then(|| workspace(0)),
        deployment: None,
    }
}

/// What `doctor` says about the workspace, and whether `apply` gets somebody in.
fn outcomes(caller: Caller, profile: Profile, switches: &[&str]) -> (Vec<String>, String, bool) {
    let what = format!("{profile} {caller:?} {switches:?}");
    let mut options = Options { switches: with_mail(), ..playing_as(profile, &[]) };
    for switch in switches {
        options.switches.set(switch).unwrap();
    }
    let sandbox = Sandbox::of(caller.in_a_world(), options);
    let workdir = Workdir::new();
    workdir.write("roster.csv", format!("email,role,workspace\nnew@example.com,viewer,{}\n", workspace(0)));
    let call = |arguments: &[&str]| {
        workdir.call(arguments).quick().args(&["--url", sandbox.url()]).token(&caller.token(&sandbox)).run()
    };
    let doctor = call(&["doctor", "roster.csv", "--format", "json"]);
    let told: Value =
        serde_json::from_str(&doctor.stdout).unwrap_or_else(|_| panic!("{what}: {}", doctor.stderr));
    let verdicts = |name: &str| -> Vec<String> {
        let checks = told["checks"].as_array().unwrap().iter().filter(|check| check["check"] == name);
        checks.map(|check| check["verdict"].as_str().unwrap().to_owned()).collect()
    };
    let (rights, of_workspace) = (verdicts("rights").concat(), verdicts("workspace"));
    assert_eq!(of_workspace.len(), 1, "{what}: {told:#}");
    let verdict = of_workspace.concat();
    let status = if verdict == "failed" { 4 } else { 0 };
    assert_eq!(doctor.status, Some(status), "{what}: {told:#}");

    let run = call(&["apply", "roster.csv", "--yes", "--send-invites"]);
    let state = sandbox.state();
    let is_in = state.users.iter().any(|user| user.emails[0] == "new@example.com")
        || state.invites.iter().any(|invite| invite.email == "new@example.com");
    assert_eq!(run.status == Some(0), is_in, "{what}\n{}{}", run.stdout, run.stderr);
    (vec![rights], verdict, is_in)
}

/// Of accounts Houston does not report the roles; without a version it is not known what a role may do; and
/// where a role on the platform opens the invitations, these show no admin.
fn cannot_be_told(caller: Caller, switches: &[&str]) -> bool {
    let reads_invites = switches.contains(&"system-reads-invites=true");
    let has_system_role = matches!(caller, Caller::User(Role::SystemEditor | Role::SystemViewer));
    caller.is_account() || switches.contains(&"version=null") || (reads_invites && has_system_role)
}

#[track_caller]
fn agree(caller: Caller, profile: Profile, switches: &[&str]) -> String {
    let what = format!("{profile} {caller:?} {switches:?}");
    let (rights, verdict, is_in) = outcomes(caller, profile, switches);
    match verdict.as_str() {
        "ok" => assert!(is_in, "{what}: ok, and apply is refused"),
        "failed" => assert!(!is_in, "{what}: failed, and apply goes through"),
        "unknown" => assert!(cannot_be_told(caller, switches), "{what}: unknown"),
        other => panic!("{what}: {other}"),
    }
    if let Caller::User(role) = caller
        && role != Role::SystemAdmin
        && role != Role::SystemEditor
    {
        assert_eq!(rights == ["ok"], role == Role::WorkspaceAdmin, "{what}: {rights:?}");
    }
    verdict
}

#[test]
fn doctor_and_apply_agree_in_every_version_about_everybody() {
    for profile in Profile::ALL {
        for caller in Caller::all() {
            let verdict = agree(caller, profile, &[]);
            let expected = match caller {
                Caller::User(Role::SystemAdmin | Role::WorkspaceAdmin)
                | Caller::Account(Role::SystemAdmin)
                | Caller::Twice(Role::WorkspaceAdmin, _) => "ok",
                Caller::User(Role::SystemEditor) if profile < Profile::V0_30 => "ok",
                Caller::User(_) | Caller::Twice(..) | Caller::Elsewhere => "failed",
                // Of an account, nothing but what it can read shows what it may do.
                Caller::Account(_) => continue,
            };
            assert_eq!(verdict, expected, "{profile} {caller:?}");
        }
    }
}

#[test]
fn doctor_and_apply_agree_where_members_and_invitations_are_closed_to_some() {
    for profile in [Profile::V0_16, Profile::V0_28, Profile::V2] {
        for switch in ["readers=members", "readers=system", "system-reads-invites=true"] {
            for caller in Caller::all() {
                drop(agree(caller, profile, &[switch]));
            }
        }
    }
}

#[test]
fn doctor_and_apply_agree_with_a_server_that_tells_no_version() {
    for caller in Caller::all() {
        drop(agree(caller, Profile::V2, &["version=null"]));
        drop(agree(caller, Profile::V0_28, &["version=null"]));
    }
}
