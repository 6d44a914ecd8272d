//! The typed calls that change something, against the real sandbox of every version.

#![cfg(feature = "sandbox")]

use std::sync::{Arc, Mutex};

use crate::harness::{self, Sandbox};
use houston_onboard::houston::{
    Answer, Credential, DeploymentGrant, DeploymentUser, Effect, Failure, Grounds, Houston, Http,
    HttpSettings, InDeployment, Mail, Paged, Parts, Person, Removal, Request, Support, Target, Token,
    Transport,
};
use houston_onboard::model::{Level, WorkspaceId};
use houston_onboard::outcome::Code;
use houston_onboard::sandbox::state::{StateBinding, StateUser, Status};
use houston_onboard::sandbox::{Model, Options, Profile, Role, SERVICE_ACCOUNT_KEY, State, Switches};

const FINANCE: &str = "ckfinance0000000000000002";
const LEDGER: &str = "ckdeployment0000000000003";
const RELEASE: &str = "lunar-tide-3003";
const ADMIN_OF_FINANCE: &str = "ckbxj1dgp1ra2con020xivs3e";
const DOUBLED: &str = "ckbx28cahzb2ob6kibgw2jil2";
const ODD: &str = "Odd.Case@Example.com";

fn finance() -> WorkspaceId {
    WorkspaceId::new(FINANCE).unwrap()
}

/// Remembers which documents were sent.
struct Listening {
    inner: Http,
    sent: Arc<Mutex<Vec<&'static str>>>,
}

impl Transport for Listening {
    fn send(&self, request: &Request) -> Result<Answer, Failure> {
        self.sent.lock().unwrap().push(request.operation);
        self.inner.send(request)
    }
}

/// A sandbox, the client at it, and what the client sent.
struct Stage {
    profile: Profile,
    sandbox: Sandbox,
    houston: Houston,
    sent: Arc<Mutex<Vec<&'static str>>>,
}

fn client(sandbox: &Sandbox, token: &str) -> (Houston, Arc<Mutex<Vec<&'static str>>>) {
    let target = Target::from_url(sandbox.url()).unwrap();
    let credential = Credential::new(Token::new(token, "test").unwrap());
    let sent = Arc::<Mutex<Vec<&'static str>>>::default();
    let inner = Http::new(&target, Some(credential), HttpSettings::default());
    (Houston::new(Arc::new(Listening { inner, sent: Arc::clone(&sent) })), sent)
}

impl Stage {
    fn new(profile: Profile, switches: Switches) -> Self {
        let mut state = State::default();
        let user = StateUser {
            id: "ckoddcase".to_owned(),
            username: ODD.to_owned(),
            full_name: None,
            status: Status::Active,
            emails: vec![ODD.to_owned()],
            created_at: None,
        };
        state.users.push(user);
        for (number, user) in ["ckoddcase", DOUBLED].into_iter().enumerate() {
            state.bindings.push(StateBinding {
                id: format!("ckmore{number}"),
                role: Role::WorkspaceViewer,
                user: user.to_owned(),
                workspace: Some(FINANCE.to_owned()),
                deployment: None,
            });
        }
        let sandbox = Sandbox::of(state, Options { profile, switches, ..Options::default() });
        let (houston, sent) = client(&sandbox, sandbox.token());
        Self { profile, sandbox, houston, sent }
    }

    /// The documents since the last look.
    fn sent(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.sent.lock().unwrap())
    }

    /// The roles of a user in Finance, as the sandbox has them.
    fn roles(&self, user: &str) -> Vec<Role> {
        let bindings = self.sandbox.state().bindings.into_iter();
        let here = |b: &StateBinding| b.user == user && b.workspace.as_deref() == Some(FINANCE);
        bindings.filter(here).map(|binding| binding.role).collect()
    }

    fn deployment_roles(&self, email: &str) -> Vec<InDeployment> {
        let page =
            self.houston.member_page(&finance(), None, Parts { invites: false, deployments: true }).unwrap();
        let person = page.people.into_iter().find(|person| person.answers_to(email)).unwrap();
        person.deployment_roles.unwrap()
    }

    fn member(&self, email: &str) -> Option<Person> {
        let page = self.houston.member_page(&finance(), None, Parts::default()).unwrap();
        assert_eq!(page.paged == Paged::Page, self.profile >= Profile::V0_30);
        page.people.into_iter().find(|person| person.answers_to(email))
    }
}

/// Every version, each with a world of its own.
fn everywhere(act: impl Fn(&Stage)) {
    for profile in Profile::ALL {
        act(&Stage::new(profile, Switches { pending_in_invites: true, ..Switches::default() }));
    }
}

fn fault<T: std::fmt::Debug>(result: Result<T, Failure>) -> (Code, Effect) {
    let fault = result.unwrap_err().fault;
    (fault.code(), fault.effect())
}

fn is_gone(removal: Removal) -> bool {
    match removal {
        Removal::Done { .. } => false,
        Removal::NothingThere { .. } => true,
    }
}

fn person(email: &str) -> DeploymentUser<'_> {
    DeploymentUser { id: None, email }
}

#[test]
fn a_role_is_set_by_the_mutation_that_the_version_has() {
    everywhere(|stage| {
        let seen = stage.member("odd.case@example.com").unwrap();
        assert_eq!((seen.grounds(), seen.bindings.as_slice()), (Grounds::OwnRole, &[Level::Viewer][..]));
        stage.sent();
        let email = seen.spelled("odd.case@example.com");
        for _ in 0..2 {
            stage.houston.set_role(&finance(), email, Level::Editor).unwrap();
        }
        assert_eq!(stage.roles("ckoddcase"), [Role::WorkspaceEditor], "{}", stage.profile);
        let expected: &[&str] = if stage.profile >= Profile::V0_30 {
            &["UpsertRole", "UpsertRole"]
        } else {
            &["UpsertRole", "UpdateRole", "UpdateRole"]
        };
        assert_eq!(stage.sent(), expected, "{}", stage.profile);
        // The spelling is known to who was shown it, and to nobody else.
        let (fresh, _) = client(&stage.sandbox, stage.sandbox.token());
        let unspelled = fresh.set_role(&finance(), "odd.case@example.com", Level::Admin);
        assert_eq!(fault(unspelled), (Code::NotFound, Effect::Refused), "{}", stage.profile);
        stage.houston.set_role(&finance(), "odd.case@example.com", Level::Admin).unwrap();
        assert_eq!(stage.roles("ckoddcase"), [Role::WorkspaceAdmin], "{}", stage.profile);
    });
}

#[test]
fn a_role_of_several_bindings_is_never_taken_for_set() {
    everywhere(|stage| {
        let email = "yuki.malik@example.com";
        assert_eq!(stage.member(email).unwrap().bindings.len(), 2);
        let told = fault(stage.houston.set_role(&finance(), email, Level::Admin));
        if stage.profile >= Profile::V0_30 {
            assert_eq!(told, (Code::MalformedAnswer, Effect::Unknown), "{}", stage.profile);
            assert_eq!(stage.roles(DOUBLED), [Role::WorkspaceAdmin; 2]);
        } else {
            assert_eq!(told, (Code::NotFound, Effect::Refused), "{}", stage.profile);
            assert_eq!(stage.roles(DOUBLED), [Role::WorkspaceViewer; 2]);
        }
    });
}

#[test]
fn a_member_goes_with_all_bindings_and_the_last_admin_stays_where_that_is_guarded() {
    everywhere(|stage| {
        let remove = |user: &str| stage.houston.remove_member(&finance(), user);
        assert!(!is_gone(remove(DOUBLED).unwrap()), "{}", stage.profile);
        assert_eq!(stage.roles(DOUBLED), []);
        // Servers of the old model say that nobody was removed as well as they could.
        let says_so = stage.profile.model() == Model::Modern;
        assert_eq!(is_gone(remove(DOUBLED).unwrap()), says_so, "{}", stage.profile);
        let last = remove(ADMIN_OF_FINANCE);
        if stage.profile >= Profile::V0_28 {
            assert_eq!(fault(last), (Code::LastAdmin, Effect::Refused), "{}", stage.profile);
            assert_eq!(stage.roles(ADMIN_OF_FINANCE), [Role::WorkspaceAdmin]);
        } else {
            assert!(!is_gone(last.unwrap()));
        }
        let (viewer, _) = client(&stage.sandbox, &stage.sandbox.tokens().workspace_viewer);
        let refused = fault(viewer.remove_member(&finance(), "ckoddcase"));
        assert_eq!(refused, (Code::Denied, Effect::Refused), "{}", stage.profile);
        assert_eq!(stage.roles("ckoddcase"), [Role::WorkspaceViewer]);
    });
}

#[test]
fn an_invitation_is_listed_with_its_date_and_taken_back_once() {
    everywhere(|stage| {
        let mail = if stage.profile < Profile::V0_25 { Mail::Send } else { Mail::Bypass };
        stage.houston.add_member(&finance(), "new@example.com", Level::Editor, mail).unwrap();
        let list = stage.houston.dated_invites(&finance()).unwrap();
        let invite = list.iter().find(|invite| invite.email.as_deref() == Some("new@example.com")).unwrap();
        assert!(invite.created_at.is_some() && invite.role == Some(Level::Editor), "{invite:?}");
        assert!(!is_gone(stage.houston.delete_invite(&invite.id).unwrap()), "{}", stage.profile);
        assert!(stage.sandbox.state().invites.iter().all(|kept| kept.id != invite.id));
        assert!(is_gone(stage.houston.delete_invite(&invite.id).unwrap()), "{}", stage.profile);
    });
}

#[test]
fn a_workspace_is_created_for_people_and_not_for_service_accounts() {
    everywhere(|stage| {
        let created = stage.houston.create_workspace("Research", Some("new")).unwrap();
        let again = stage.houston.create_workspace("Research", None).unwrap();
        assert_ne!(created.id, again.id);
        let with_label = || {
            let all = stage.sandbox.state().workspaces.into_iter();
            all.filter(|place| place.label.as_deref() == Some("Research")).map(|place| place.id)
        };
        assert_eq!(with_label().collect::<Vec<_>>(), [created.id.as_str(), again.id.as_str()]);
        let (account, _) = client(&stage.sandbox, SERVICE_ACCOUNT_KEY);
        assert_eq!(account.caller().unwrap().user_id, None);
        let refused = fault(account.create_workspace("Research", None));
        assert_eq!(refused, (Code::InternalServerError, Effect::Unknown), "{}", stage.profile);
        assert_eq!(with_label().count(), 2);
    });
}

#[test]
fn roles_in_deployments_come_and_change_and_go() {
    everywhere(|stage| {
        let found = stage.houston.deployments(&finance()).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].id.as_str(), found[0].release_name.as_deref()), (LEDGER, Some(RELEASE)));
        let yuki = DeploymentUser { id: Some(DOUBLED), email: "yuki.malik@example.com" };
        let add = |user, role| stage.houston.add_deployment_role(LEDGER, user, role);
        let roles = || {
            let roles = stage.deployment_roles(yuki.email);
            roles.into_iter().map(|at| (at.release_name, at.role)).collect::<Vec<_>>()
        };
        assert_eq!(roles(), []);
        if stage.profile == Profile::V0_16 {
            assert_eq!(fault(add(yuki, Level::Viewer)), (Code::Schema, Effect::Refused));
            return;
        }
        add(yuki, Level::Viewer).unwrap();
        assert_eq!(fault(add(yuki, Level::Admin)), (Code::AlreadyMember, Effect::Refused));
        assert_eq!(roles(), [(RELEASE.to_owned(), "DEPLOYMENT_VIEWER".to_owned())], "{}", stage.profile);
        stage.houston.set_deployment_role(LEDGER, yuki, Level::Editor).unwrap();
        assert_eq!(roles(), [(RELEASE.to_owned(), "DEPLOYMENT_EDITOR".to_owned())], "{}", stage.profile);
        let stranger = harness::strangers().remove(0);
        let told = fault(add(person(&stranger), Level::Viewer));
        assert_eq!(told, (Code::NotInWorkspace, Effect::Refused), "{}", stage.profile);
        let told = stage.houston.set_deployment_role(LEDGER, person(&stranger), Level::Viewer);
        assert_eq!(fault(told), (Code::NotAMember, Effect::Refused), "{}", stage.profile);
        let remove = || is_gone(stage.houston.remove_deployment_role(LEDGER, yuki).unwrap());
        assert_eq!([remove(), remove()], [false, true], "{}", stage.profile);
        assert_eq!(roles(), []);
        assert_eq!(stage.roles(DOUBLED).len(), 2, "the roles in the workspace stay");
    });
}

#[test]
fn an_add_with_roles_in_deployments_is_made_whole_or_not_at_all() {
    let grants = [DeploymentGrant { deployment: LEDGER.to_owned(), role: Level::Editor }];
    let stranger = harness::strangers().remove(0);
    for profile in Profile::ALL {
        for deployment_roles in [true, false] {
            let stage = Stage::new(profile, Switches { deployment_roles, ..Switches::default() });
            let knows = deployment_roles && profile >= Profile::V0_23;
            let mail = if profile < Profile::V0_25 { Mail::Send } else { Mail::Bypass };
            let add = || {
                let role = Level::Viewer;
                stage.houston.add_member_with(&finance(), &stranger, role, mail, &grants)
            };
            if knows {
                add().unwrap();
                let roles = stage.deployment_roles(&stranger);
                assert_eq!(roles.len(), 1, "{profile}");
                assert_eq!(
                    (roles[0].release_name.as_str(), roles[0].role.as_str()),
                    (RELEASE, "DEPLOYMENT_EDITOR")
                );
                assert_eq!(stage.houston.adds_deployment_roles().unwrap(), Support::Yes);
            } else {
                for _ in 0..2 {
                    assert_eq!(fault(add()), (Code::Schema, Effect::Refused), "{profile}");
                }
                assert_eq!(stage.sent().len(), 1, "{profile}: a known refusal costs no request");
                assert_eq!(stage.houston.adds_deployment_roles().unwrap(), Support::No);
                stage.sandbox.received_no_mutation();
            }
            if profile < Profile::V0_25 {
                let quiet = stage.houston.add_member_with(
                    &finance(),
                    "never.mailed@example.com",
                    Level::Viewer,
                    Mail::Bypass,
                    &grants,
                );
                let code = if knows { Code::WouldMail } else { Code::Schema };
                assert_eq!(fault(quiet), (code, Effect::Refused), "{profile}");
            }
            assert_eq!(stage.sandbox.audit().mails, 0, "{profile}");
        }
    }
}
