//! What running the source of the real server of 2019 and 2020 showed (houston.md, section 11), fact by
//! fact against the sandbox, with GraphQL sent by hand.

#![cfg(feature = "sandbox")]

use houston_onboard::sandbox::state::{StateBinding, StateInvite, Status};
use houston_onboard::sandbox::{DeadToken, Profile, Role, State};
use serde_json::{Value, json};

use crate::harness::by_hand::{Reply, ask, playing_as, version};
use crate::harness::{Asked, Sandbox, World, person, relay, user, workspace};

const INTERNAL: &str = "INTERNAL_SERVER_ERROR";
const UNDEFINED: &str = "Cannot read properties of undefined (reading 'id')";
const SHIELD: &str = "Insufficient permissions.";
const FORBIDDEN: &str = "You do not have the appropriate permissions for that";

const ADD: &str = "mutation($w: Uuid, $e: String!, $r: Role! = WORKSPACE_VIEWER) {
  workspaceAddUser(workspaceUuid: $w, email: $e, role: $r) { id }
}";
const UPDATE: &str = "mutation($w: Uuid!, $e: String!, $r: Role!) {
  workspaceUpdateUserRole(workspaceUuid: $w, email: $e, role: $r)
}";
const REMOVE: &str = "mutation($w: Uuid!, $u: Uuid!) {
  workspaceRemoveUser(workspaceUuid: $w, userUuid: $u) { id }
}";
const DELETE_INVITE: &str = "mutation($i: Uuid) { deleteInviteToken(inviteUuid: $i) { id } }";
const INVITES: &str = "query($w: Uuid!) { workspaceInvites(workspaceUuid: $w) { id email role } }";
const MEMBERS: &str = "query($w: Uuid!) { workspaceUsers(workspaceUuid: $w) { id } }";

const BINDINGS: &str = "query($w: Uuid!) { workspaceUsers(workspaceUuid: $w) { id roleBindings { role } } }";

const ADMIN: &str = "maria.silva@example.com";
const NOBODY: &str = "brand.new@example.com";
const EDITOR: Role = Role::WorkspaceEditor;
const VIEWER: Role = Role::WorkspaceViewer;

/// A world played as this version, with these switches.
fn playing(world: World, profile: Profile, switches: &[&str]) -> Sandbox {
    Sandbox::of(world, playing_as(profile, switches))
}

/// Sends a document as the system admin.
fn send(sandbox: &Sandbox, query: &str, variables: &Value) -> Reply {
    ask(sandbox, sandbox.token(), query, variables)
}

fn change(sandbox: &Sandbox, email: &str, role: &str) -> Reply {
    send(sandbox, UPDATE, &json!({ "w": workspace(0), "e": email, "r": role }))
}

fn invites(sandbox: &Sandbox) -> Vec<(String, Role)> {
    sandbox.state().invites.into_iter().map(|invite| (invite.email, invite.role)).collect()
}

/// The roles of a user in the first workspace, oldest first.
fn roles(sandbox: &Sandbox, id: &str) -> Vec<Role> {
    let here = |b: &StateBinding| b.user == id && b.workspace == Some(workspace(0));
    sandbox.state().bindings.into_iter().filter(here).map(|binding| binding.role).collect()
}

fn internal(message: &str) -> (String, String) {
    (INTERNAL.to_owned(), message.to_owned())
}

fn not_found() -> (String, String) {
    ("RESOURCE_NOT_FOUND".to_owned(), "The requested resource was not found".to_owned())
}

#[test]
fn an_invitation_that_is_gone_is_an_error_of_the_database_in_its_words() {
    for (profile, switches, begin, end) in [
        (
            Profile::V0_16,
            &[][..],
            "No Node for the model InviteToken with value ckinvite00000000",
            "id found.",
        ),
        (Profile::V2, &[], "\nInvalid `prisma.inviteToken.delete()`", "No record was found for a delete."),
        (Profile::V0_16, &["database=prisma2"], "\nInvalid", "No record was found for a delete."),
    ] {
        let sandbox = playing(World::of(1, 1).invited(0, NOBODY, VIEWER), profile, switches);
        let delete = || send(&sandbox, DELETE_INVITE, &json!({ "i": "ckinvite00000000" }));
        assert_eq!(delete().data()["deleteInviteToken"]["id"], "ckinvite00000000");
        let again = delete();
        let (code, message) = again.error();
        assert_eq!((again.status, code.as_str()), (200, INTERNAL));
        assert!(message.starts_with(begin) && message.ends_with(end), "{message:?}");
    }
}

#[test]
fn is_admin_and_permissions_are_constants_and_rights_are_told_by_bindings_and_capabilities() {
    const SELF: &str = "{ self { isAdmin permissions authUserCapabilities { canSysAdmin }
        user { roleBindings { role workspace { id } } } } }";
    for profile in Profile::ALL {
        let sandbox = version(profile, &[]);
        let tokens = sandbox.tokens();
        for (token, role, is_system_admin) in [
            (&tokens.system_admin, Some("SYSTEM_ADMIN"), true),
            (&tokens.service_account, None, true),
            (&tokens.system_viewer, Some("SYSTEM_VIEWER"), false),
            (&tokens.workspace_admin, Some("WORKSPACE_ADMIN"), false),
            (&tokens.workspace_viewer, Some("WORKSPACE_VIEWER"), false),
        ] {
            let answer = ask(&sandbox, token, SELF, &Value::Null);
            let me = &answer.data()["self"];
            assert_eq!((&me["isAdmin"], &me["permissions"]), (&json!(false), &json!({})), "{profile}");
            assert_eq!(me["authUserCapabilities"]["canSysAdmin"], is_system_admin, "{profile} {role:?}");
            let has = |role: &str| {
                let bindings = me["user"]["roleBindings"].as_array().unwrap();
                bindings
                    .iter()
                    .any(|b| b["role"] == role && b["workspace"].is_null() == role.starts_with("SYS"))
            };
            match role {
                Some(role) => assert!(has(role), "{profile} {role}"),
                None => assert_eq!(me["user"], Value::Null),
            }
        }
    }
}

#[test]
fn a_role_is_changed_only_by_an_address_as_it_is_stored() {
    let world = || {
        World::of(1, 2).person(0, 0, |ann| {
            ann.emails = vec!["Ann@Corp.test".to_owned(), "ann@home.test".to_owned()];
            ann.username = "ann".to_owned();
        })
    };
    for profile in Profile::ALL {
        for (email, is_found) in [
            ("Ann@Corp.test", true),
            ("ann@home.test", true),
            ("ann@corp.test", false),
            ("Ann@Home.test", false),
            ("ann", false),
        ] {
            let sandbox = playing(world(), profile, &[]);
            let answer = change(&sandbox, email, "WORKSPACE_EDITOR");
            let role = if is_found { EDITOR } else { VIEWER };
            assert_eq!(roles(&sandbox, &user(0, 0)), [role], "{profile} {email}");
            if !is_found {
                assert_eq!(answer.error(), not_found(), "{profile} {email}");
            }
        }
        let sandbox = playing(world(), profile, &["any-case=true"]);
        change(&sandbox, "ANN@corp.test", "WORKSPACE_EDITOR").data();
        assert_eq!(roles(&sandbox, &user(0, 0)), [EDITOR], "{profile}");
    }
}

#[test]
fn the_role_of_an_invitation_is_changed_only_in_lower_case() {
    let sandbox = playing(World::of(1, 1).invited(0, NOBODY, VIEWER), Profile::V0_16, &[]);
    assert_eq!(change(&sandbox, "Brand.New@example.com", "WORKSPACE_EDITOR").error(), not_found());
    change(&sandbox, NOBODY, "WORKSPACE_EDITOR").data();
    assert_eq!(invites(&sandbox), [(NOBODY.to_owned(), EDITOR)]);
}

#[test]
fn an_account_with_a_stored_capital_is_not_found_by_an_add_and_gets_an_invitation_beside_it() {
    let world = || World::of(1, 1).user("ckann", &["Ann@Corp.test"], Status::Active);
    for (switches, has_account) in [(&[][..], false), (&["any-case=true"], true)] {
        let sandbox = playing(world(), Profile::V0_16, switches);
        send(&sandbox, ADD, &json!({ "w": workspace(0), "e": "Ann@Corp.test" })).data();
        assert_eq!(roles(&sandbox, "ckann").len(), usize::from(has_account));
        assert_eq!(invites(&sandbox).is_empty(), has_account);
    }
}

#[test]
fn an_account_beside_an_old_invitation_stays_outside_until_it_is_added() {
    for profile in [Profile::V0_16, Profile::V0_23, Profile::V2] {
        let world = World::of(1, 1).user("ckann", &["ann@corp.test"], Status::Active);
        let sandbox = playing(world.invited(0, "ann@corp.test", EDITOR), profile, &[]);
        assert_eq!(roles(&sandbox, "ckann"), []);
        let may = ask(
            &sandbox,
            &sandbox.token_of("ann@corp.test").unwrap(),
            MEMBERS,
            &json!({ "w": workspace(0) }),
        );
        assert!(may.failed(), "{profile}");
        send(&sandbox, ADD, &json!({ "w": workspace(0), "e": "ann@corp.test" })).data();
        assert_eq!(roles(&sandbox, "ckann"), [VIEWER], "{profile}");
        // The invitation stays where it was.
        assert_eq!(invites(&sandbox), [("ann@corp.test".to_owned(), EDITOR)], "{profile}");
    }
}

#[test]
fn a_dead_token_fails_inside_self_where_the_shield_came_first_and_may_delete_invitations_there() {
    for profile in Profile::ALL {
        for inside in [false, true] {
            let switches: &[&str] = if inside { &["dead-token=inside"] } else { &["dead-token=forbidden"] };
            let sandbox = playing(World::of(1, 1).invited(0, NOBODY, VIEWER), profile, switches);
            let dead = sandbox.tokens().expired.clone();
            let me = ask(&sandbox, &dead, "{ self { user { id } } }", &Value::Null);
            let listed = ask(&sandbox, &dead, "{ workspaces { id } }", &Value::Null);
            let added = ask(&sandbox, &dead, ADD, &json!({ "w": workspace(0), "e": ADMIN }));
            let deleted = ask(&sandbox, &dead, DELETE_INVITE, &json!({ "i": "ckinvite00000000" }));
            assert_eq!([me.status, listed.status, added.status, deleted.status], [200; 4]);
            assert!(added.failed() && roles(&sandbox, ADMIN).is_empty());
            if inside {
                assert_eq!((me.error(), listed.error()), (internal(UNDEFINED), internal(UNDEFINED)));
                assert_eq!(me.body["data"], Value::Null, "{profile}");
                assert_eq!(added.error(), internal(SHIELD));
                assert_eq!(deleted.data()["deleteInviteToken"]["id"], "ckinvite00000000", "{profile}");
                assert_eq!(invites(&sandbox), []);
            } else {
                for answer in [&me, &listed, &added, &deleted] {
                    assert_eq!(answer.error(), ("FORBIDDEN".to_owned(), FORBIDDEN.to_owned()), "{profile}");
                }
                assert_eq!(invites(&sandbox).len(), 1);
            }
        }
    }
}

#[test]
fn a_dead_token_of_a_switch_or_a_fault_is_the_same_dead_token() {
    let with_defaults = |profile: Profile| version(profile, &[]);
    for profile in Profile::ALL {
        let sandbox = with_defaults(profile);
        sandbox.set_faults("token-dies=0s".parse().unwrap());
        let me = ask(&sandbox, sandbox.token(), "{ self { user { id } } }", &Value::Null);
        let inside = profile.dead_token() == DeadToken::Inside;
        assert_eq!(me.error().1, if inside { UNDEFINED } else { FORBIDDEN }, "{profile}");
    }
    let sandbox = version(Profile::V2, &["dead-token=refresh"]);
    let me = ask(&sandbox, &sandbox.tokens().expired, "{ self { user { id } } }", &Value::Null);
    assert_eq!(me.error().1, "AUTH_TOKEN_REFRESH_FAILED");
}

#[test]
fn the_first_of_two_bindings_counts() {
    for profile in Profile::ALL {
        for (first, second, may) in [
            (Role::WorkspaceViewer, Role::WorkspaceAdmin, false),
            (Role::WorkspaceAdmin, Role::WorkspaceViewer, true),
        ] {
            let world = World::of(1, 2).role(0, 0, first).doubled(0, 0, second);
            let sandbox = playing(world, profile, &[]);
            let token = sandbox.token_of(&person(0, 0)).unwrap();
            let added = ask(&sandbox, &token, ADD, &json!({ "w": workspace(0), "e": NOBODY }));
            assert_eq!(!added.failed(), may, "{profile} {first}");
            let list = send(&sandbox, BINDINGS, &json!({ "w": workspace(0) }));
            let members = list.data()["workspaceUsers"].as_array().unwrap();
            let theirs = members.iter().find(|member| member["id"] == user(0, 0)).unwrap();
            let listed = [&theirs["roleBindings"][0]["role"], &theirs["roleBindings"][1]["role"]];
            assert_eq!(listed, [first.name(), second.name()], "{profile}");
        }
    }
}

#[test]
fn a_role_change_with_no_or_two_bindings_and_one_invitation_changes_the_invitation() {
    let email = person(0, 0);
    let world = || World::of(1, 2).invited(0, &email, VIEWER);
    for profile in [Profile::V0_16, Profile::V0_23, Profile::V0_25] {
        // One binding: that one, not the old invitation beside it.
        let sandbox = playing(world(), profile, &[]);
        change(&sandbox, &email, "WORKSPACE_EDITOR").data();
        assert_eq!(
            (roles(&sandbox, &user(0, 0)), invites(&sandbox)),
            (vec![EDITOR], vec![(email.clone(), VIEWER)])
        );
        // Two: the invitation.
        let sandbox = playing(world().doubled(0, 0, VIEWER), profile, &[]);
        change(&sandbox, &email, "WORKSPACE_EDITOR").data();
        assert_eq!(roles(&sandbox, &user(0, 0)), [VIEWER, VIEWER], "{profile}");
        assert_eq!(invites(&sandbox), [(email.clone(), EDITOR)], "{profile}");
        // None, though there is an account: the invitation.
        let sandbox = playing(
            World::of(1, 1).user("ckann", &["ann@corp.test"], Status::Active).invited(
                0,
                "ann@corp.test",
                VIEWER,
            ),
            profile,
            &[],
        );
        change(&sandbox, "ann@corp.test", "WORKSPACE_EDITOR").data();
        assert_eq!(roles(&sandbox, "ckann"), []);
        assert_eq!(invites(&sandbox), [("ann@corp.test".to_owned(), EDITOR)], "{profile}");
        // Two of each, or two bindings and no invitation: nothing.
        let twice = world().doubled(0, 0, VIEWER).invited(0, &email, VIEWER);
        let sandbox = playing(twice, profile, &[]);
        assert_eq!(change(&sandbox, &email, "WORKSPACE_EDITOR").error(), not_found(), "{profile}");
        let sandbox = playing(World::of(1, 1).doubled(0, 0, VIEWER), profile, &[]);
        assert_eq!(change(&sandbox, &email, "WORKSPACE_EDITOR").error(), not_found(), "{profile}");
    }
}

#[test]
fn a_removal_in_an_unknown_workspace_is_null_without_an_error_up_to_2020() {
    for profile in [Profile::V0_16, Profile::V0_23] {
        let sandbox = playing(World::of(1, 2), profile, &[]);
        let removed = send(&sandbox, REMOVE, &json!({ "w": "cknowhere", "u": user(0, 0) }));
        assert_eq!(removed.data(), &json!({ "workspaceRemoveUser": null }), "{profile}");
        assert_eq!(roles(&sandbox, &user(0, 0)), [VIEWER]);
        // Who is no member is removed with success.
        let removed = send(&sandbox, REMOVE, &json!({ "w": workspace(0), "u": "ckstranger" }));
        assert_eq!(removed.data()["workspaceRemoveUser"]["id"], workspace(0), "{profile}");
    }
    let sandbox = playing(World::of(1, 2), Profile::V2, &[]);
    let unknown = send(&sandbox, REMOVE, &json!({ "w": "cknowhere", "u": user(0, 0) }));
    let stranger = send(&sandbox, REMOVE, &json!({ "w": workspace(0), "u": "ckstranger" }));
    assert!(unknown.failed() && stranger.failed());
}

#[test]
fn an_error_of_the_database_of_2020_has_the_path_of_the_database() {
    let sandbox = playing(World::of(1, 1), Profile::V0_16, &[]);
    let aliased = ADD.replace("workspaceAddUser", "row1: workspaceAddUser");
    let add =
        |workspace: Value, email: &str| send(&sandbox, &aliased, &json!({ "w": workspace, "e": email }));
    let delete = send(&sandbox, DELETE_INVITE, &json!({ "i": "ckgone" }));
    let account = sandbox.tokens().service_account.clone();
    let create =
        ask(&sandbox, &account, "mutation { row1: createWorkspace(label: \"x\") { id } }", &Value::Null);
    let unknown = "No Node for the model Workspace with value cknowhere for id found.";
    let none = "You provided an invalid argument for the where selector on Workspace. Please provide exactly one \
                unique field and value.";
    let owner = "No Node for the model User with value csbsandboxadmin0000000003 for id found.";
    let gone = "No Node for the model InviteToken with value ckgone for id found.";
    for (answer, operation, message) in [
        (add(json!("cknowhere"), &person(0, 0)), "createRoleBinding", unknown),
        (add(json!("cknowhere"), NOBODY), "createInviteToken", unknown),
        (add(Value::Null, &person(0, 0)), "createRoleBinding", none),
        (delete, "deleteInviteToken", gone),
        (create, "createWorkspace", owner),
    ] {
        let error = &answer.body["errors"][0];
        assert_eq!(answer.error(), internal(message));
        assert_eq!((&error["path"], &error["locations"]), (&json!([operation]), &json!([])), "{message}");
        let result = &error["extensions"]["exception"]["result"];
        assert_eq!(result["data"], json!({ operation: null }));
        assert_eq!(result["errors"][0]["message"], message);
    }
    // Later versions name what was asked for.
    let sandbox = playing(World::of(1, 1), Profile::V0_16, &["database=prisma2"]);
    let answer = send(&sandbox, &aliased, &json!({ "w": "cknowhere", "e": NOBODY }));
    assert_eq!(answer.body["errors"][0]["path"], json!(["row1"]));
}

#[test]
fn system_viewers_and_editors_read_invitations_in_0_16() {
    for role in [Role::SystemViewer, Role::SystemEditor] {
        for profile in Profile::ALL {
            let mut state = State::default();
            let binding = state.bindings.iter_mut().find(|b| b.role == Role::SystemViewer).unwrap();
            binding.role = role;
            let (reader, finance) = (binding.user.clone(), state.workspaces[1].id.clone());
            let email = state.users.iter().find(|user| user.id == reader).unwrap().emails[0].clone();
            for (switches, reads) in [
                (&[][..], profile == Profile::V0_16),
                (&["system-reads-invites=true"], true),
                (&["system-reads-invites=false"], false),
            ] {
                let sandbox = Sandbox::of(state.clone(), playing_as(profile, switches));
                let token = sandbox.token_of(&email).unwrap();
                let of_one = ask(&sandbox, &token, INVITES, &json!({ "w": finance }));
                let of_all = ask(&sandbox, &token, "{ invites { id } }", &Value::Null);
                assert_eq!([!of_one.failed(), !of_all.failed()], [reads; 2], "{profile} {role} {switches:?}");
            }
        }
    }
}

#[test]
fn who_opens_the_lists_of_a_workspace_is_a_switch() {
    let world = || World::of(1, 2).admins(1);
    for profile in Profile::ALL {
        for (switch, as_member, as_system) in
            [("readers=all", true, true), ("readers=members", true, false), ("readers=system", false, true)]
        {
            let sandbox = playing(world(), profile, &[switch]);
            let admin = sandbox.token_of(&person(0, 0)).unwrap();
            for (token, who, reads) in
                [(admin.as_str(), "member", as_member), (sandbox.token(), "system", as_system)]
            {
                for query in [INVITES, MEMBERS] {
                    let list = ask(&sandbox, token, query, &json!({ "w": workspace(0) }));
                    assert_eq!(!list.failed(), reads, "{profile} {switch}");
                }
                // Either may add all the same.
                let name = format!("by.{who}@example.com");
                ask(&sandbox, token, ADD, &json!({ "w": workspace(0), "e": name })).data();
            }
        }
    }
}

#[test]
fn invite_user_minds_an_invitation_into_any_workspace_and_hands_out_an_id_only() {
    const INVITE: &str = "mutation($e: String!) { inviteUser(email: $e) { id email } }";
    let sandbox = playing(World::of(1, 1).invited(0, NOBODY, VIEWER), Profile::V0_16, &[]);
    let answer = send(&sandbox, INVITE, &json!({ "e": NOBODY }));
    assert_eq!(answer.error(), ("USER_ALREADY_INVITED".to_owned(), "User already invited".to_owned()));
    let answer = send(&sandbox, INVITE, &json!({ "e": person(0, 0) }));
    assert_eq!(answer.error(), ("DUPLICATE_EMAIL".to_owned(), "Email address in use".to_owned()));
    let invited = send(&sandbox, INVITE, &json!({ "e": "second@example.com" }));
    assert!(invited.data()["inviteUser"]["id"].is_string());
    assert_eq!(invited.data()["inviteUser"]["email"], Value::Null);
}

#[test]
fn system_accounts_may_share_a_label_and_must_have_a_system_role() {
    const CREATE: &str =
        "mutation($r: Role!) { createSystemServiceAccount(label: \"cron\", role: $r) { apiKey } }";
    for profile in Profile::ALL {
        let sandbox = version(profile, &[]);
        let key = || {
            let answer = send(&sandbox, CREATE, &json!({ "r": "SYSTEM_ADMIN" }));
            answer.data()["createSystemServiceAccount"]["apiKey"].as_str().unwrap().to_owned()
        };
        assert_ne!(key(), key());
        let wrong = send(&sandbox, CREATE, &json!({ "r": "WORKSPACE_ADMIN" }));
        assert_eq!(wrong.error(), ("BAD_USER_INPUT".to_owned(), "Invalid role".to_owned()));
    }
}

#[test]
fn the_token_of_a_pending_user_lives() {
    let world = World::of(1, 1).user("ckpending", &["pending@example.com"], Status::Pending);
    let sandbox = playing(world, Profile::V0_16, &[]);
    let token = sandbox.token_of("pending@example.com").unwrap();
    let me = ask(&sandbox, &token, "{ self { user { status } } }", &Value::Null);
    assert_eq!(me.data()["self"]["user"]["status"], "pending");
}

#[test]
fn what_the_source_of_2020_ships_is_local_passwords_and_no_mail() {
    const LOGIN: &str = "{ appConfig { smtpConfigured } authConfig { localEnabled providers { name } } }";
    for profile in Profile::ALL {
        let answer = ask(&version(profile, &[]), "", LOGIN, &Value::Null);
        let (app, auth) = (&answer.data()["appConfig"], &answer.data()["authConfig"]);
        let is_local = profile == Profile::V0_16;
        assert_eq!((&app["smtpConfigured"], &auth["localEnabled"]), (&json!(!is_local), &json!(is_local)));
        assert_eq!(auth["providers"].as_array().unwrap().is_empty(), is_local, "{profile}");
    }
    let switches = ["smtp=true", "sso=true", "local-auth=false"];
    let answer = ask(&version(Profile::V0_16, &switches), "", LOGIN, &Value::Null);
    assert_eq!(answer.data()["appConfig"]["smtpConfigured"], true);
    assert_eq!(answer.data()["authConfig"]["localEnabled"], false);
}

#[test]
fn the_checks_of_an_add_come_in_the_order_of_the_source() {
    let sandbox = playing(World::of(1, 1).admins(1).invited(0, NOBODY, VIEWER), Profile::V0_16, &[]);
    let add = |token: &str, workspace: &str, email: &str, role: &str| {
        ask(&sandbox, token, ADD, &json!({ "w": workspace, "e": email, "r": role }))
    };
    let (here, admin) = (workspace(0), sandbox.token_of(&person(0, 0)).unwrap());
    // The right before the role, the role before the workspace and the invitation.
    assert_eq!(add(&admin, "cknowhere", NOBODY, "SYSTEM_ADMIN").error().0, "FORBIDDEN");
    for workspace in [here.as_str(), "cknowhere"] {
        let wrong = add(sandbox.token(), workspace, NOBODY, "SYSTEM_ADMIN").error();
        assert_eq!(wrong, ("BAD_USER_INPUT".to_owned(), "invalid workspace role".to_owned()));
    }
    assert_eq!(
        add(&admin, &here, "BRAND.new@example.com", "WORKSPACE_ADMIN").error().0,
        "USER_ALREADY_INVITED"
    );
    // A member gets a second binding, whatever the first is.
    add(&admin, &here, &person(0, 0), "WORKSPACE_VIEWER").data();
    assert_eq!(roles(&sandbox, &user(0, 0)), [Role::WorkspaceAdmin, VIEWER]);
    let kept: Vec<StateInvite> = sandbox.state().invites;
    assert_eq!(kept[0].role, VIEWER);
}

/// Sends a body as it is; gives the answer as it came.
fn send_body(sandbox: &Sandbox, body: &str) -> String {
    let asked = Asked { head: format!("\r\nauthorization: {}", sandbox.token()), body: body.to_owned() };
    String::from_utf8(relay(sandbox.url(), &asked)).unwrap()
}

#[test]
fn the_server_of_2020_answers_an_empty_body_with_500_and_takes_several_requests_at_once() {
    let sandbox = version(Profile::V0_16, &[]);
    for body in ["", "{}", " {\n} "] {
        let answer = send_body(&sandbox, body);
        assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains("text/html"), "{body:?}: {answer}");
        assert!(
            answer.ends_with("POST body missing. Did you forget use body-parser middleware?"),
            "{answer}"
        );
    }
    let one = r#"{"query":"{ appConfig { version } }"}"#;
    let batch = format!("[{one},{one}]");
    assert!(
        send_body(&sandbox, &batch).ends_with(']') && send_body(&sandbox, &batch).starts_with("HTTP/1.1 200")
    );
    for (profile, switches) in
        [(Profile::V0_16, &["batch=false"][..]), (Profile::V2, &["style=as4", "batch=true"])]
    {
        let answer = send_body(&version(profile, switches), &batch);
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
}

#[test]
fn an_unknown_argument_is_worded_as_the_graphql_of_the_time_did() {
    const WITH_BYPASS: &str =
        "mutation { workspaceAddUser(workspaceUuid: \"w\", email: \"e\", bypassInvite: true) { id } }";
    let old = "Unknown argument \"bypassInvite\" on field \"workspaceAddUser\" of type \"Mutation\".";
    let new = "Unknown argument \"bypassInvite\" on field \"Mutation.workspaceAddUser\".";
    for (switches, text) in [(&[][..], old), (&["style=as3"], new)] {
        let answer = send(&version(Profile::V0_16, switches), WITH_BYPASS, &Value::Null);
        assert_eq!((answer.status, answer.error().1.as_str()), (400, text));
    }
}
