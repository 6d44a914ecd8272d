//! Who may do what, and how a refusal reads.

use super::*;

fn denied() -> (String, String) {
    pair("FORBIDDEN", "You do not have the appropriate permissions for that")
}

fn shielded() -> (String, String) {
    pair("INTERNAL_SERVER_ERROR", "Insufficient permissions.")
}

fn add_as(sandbox: &Sandbox, token: &str, workspace: &str) -> Answer {
    ask_as(sandbox, token, ADD, &json!({ "w": workspace, "e": STRANGER, "r": "WORKSPACE_VIEWER" }))
}

#[test]
fn a_dead_or_missing_token_is_forbidden_with_status_200_but_on_the_first_servers_with_the_shield() {
    for profile in Profile::ALL.into_iter().filter(|profile| *profile != Profile::V0_23) {
        let sandbox = start(profile);
        let expired = sandbox.tokens().expired.clone();
        let forged = format!("{}x", sandbox.token());
        for token in ["", "garbage", "0123456789abcdef0123456789abcdef", &expired, &forged, "bearer x.y.z"] {
            let answer = add_as(&sandbox, token, FINANCE);
            assert_eq!((answer.status, answer.error()), (200, denied()), "{profile} {token}");
            assert_eq!(answer.json()["data"], json!({ "workspaceAddUser": null }));
            assert_eq!(ask_as(&sandbox, token, "{ self { isAdmin } }", &Value::Null).error(), denied());
        }
        ask_as(&sandbox, "", "{ appConfig { version } authConfig { localEnabled } }", &Value::Null).data();
    }
}

#[test]
fn an_authenticated_caller_is_refused_in_the_wording_of_the_version() {
    for profile in Profile::ALL {
        let sandbox = start(profile);
        let expected = if profile == Profile::V0_16 { denied() } else { shielded() };
        let viewer = sandbox.tokens().workspace_viewer.clone();
        assert_eq!(add_as(&sandbox, &viewer, FINANCE).error(), expected, "{profile}");
        ask_as(&sandbox, &viewer, "{ self { permissions } }", &Value::Null).data();
    }
    let sandbox = with_switch("refusal=forbidden");
    assert_eq!(add_as(&sandbox, &sandbox.tokens().system_viewer, FINANCE).error(), denied());
}

#[test]
fn only_admins_of_the_workspace_and_of_the_system_may_add() {
    let sandbox = start(Profile::V2);
    let tokens = sandbox.tokens().clone();
    for (token, workspace, may) in [
        (&tokens.system_viewer, FINANCE, false),
        (&tokens.workspace_viewer, FINANCE, false),
        (&tokens.workspace_editor, DATA_PLATFORM, false),
        (&tokens.workspace_admin, FINANCE, false),
        (&tokens.workspace_admin, "cknowhere", false),
        (&tokens.workspace_admin, DATA_PLATFORM, true),
        (&tokens.service_account, FINANCE, true),
        (&format!("Bearer {}", tokens.service_account), OPERATIONS, true),
        (&format!("Bearer {}", tokens.system_admin), "ckstaging0000000000000006", true),
    ] {
        let answer = add_as(&sandbox, token, workspace);
        if may {
            answer.data();
        } else {
            assert_eq!(answer.error(), shielded(), "{workspace}");
        }
    }
}

#[test]
fn system_editors_could_add_up_to_0_29() {
    for (profile, may) in [(Profile::V0_28, true), (Profile::V0_30, false)] {
        let mut state = State::default();
        let binding = state.bindings.iter_mut().find(|b| b.role == Role::SystemViewer).unwrap();
        binding.role = Role::SystemEditor;
        let user = binding.user.clone();
        let email = state.users.iter().find(|other| other.id == user).unwrap().username.clone();
        let sandbox = Sandbox::start_with(Options { profile, ..Options::default() }, state).unwrap();
        let token = sandbox.token_of(&email).unwrap();
        assert_eq!(add_as(&sandbox, &token, FINANCE).json().get("errors").is_none(), may, "{profile}");
    }
}

#[test]
fn invites_are_for_admins_and_up_to_0_23_for_every_member() {
    let query = "query($w: Uuid!) { workspaceInvites(workspaceUuid: $w) { email } }";
    for (profile, may) in [(Profile::V0_16, true), (Profile::V0_23, true), (Profile::V0_25, false)] {
        let sandbox = start(profile);
        let viewer = sandbox.tokens().workspace_viewer.clone();
        let answer = ask_as(&sandbox, &viewer, query, &json!({ "w": FINANCE }));
        assert_eq!(answer.json().get("errors").is_none(), may, "{profile}");
        let system_viewer = sandbox.tokens().system_viewer.clone();
        let answer = ask_as(&sandbox, &system_viewer, query, &json!({ "w": FINANCE }));
        assert_eq!(answer.json().get("errors").is_none(), profile == Profile::V0_16, "{profile}");
        ask(&sandbox, query, &json!({ "w": FINANCE })).data();
    }
}

#[test]
fn lists_of_the_whole_platform_are_for_system_roles() {
    let sandbox = start(Profile::V2);
    let tokens = sandbox.tokens().clone();
    for query in ["{ sysWorkspaces { id } }", "{ users { id } }"] {
        assert_eq!(ask_as(&sandbox, &tokens.workspace_admin, query, &Value::Null).error(), shielded());
        ask_as(&sandbox, &tokens.system_viewer, query, &Value::Null).data();
        ask_as(&sandbox, &tokens.service_account, query, &Value::Null).data();
    }
    let own = ask_as(&sandbox, &tokens.workspace_admin, "{ workspaces { id } }", &Value::Null).data();
    assert_eq!(own["workspaces"], json!([{ "id": DATA_PLATFORM }]));
}

#[test]
fn an_unknown_workspace_is_null_for_system_callers_and_denied_to_others() {
    let sandbox = start(Profile::V2);
    let query = "{ workspace(workspaceUuid: \"cknowhere\") { id } }";
    assert_eq!(ask(&sandbox, query, &Value::Null).data()["workspace"], Value::Null);
    assert_eq!(ask_as(&sandbox, &sandbox.tokens().workspace_admin, query, &Value::Null).error(), shielded());
}

#[test]
fn self_tells_who_calls_and_a_service_account_is_no_user() {
    let sandbox = start(Profile::V2);
    let query = "{ self { isAdmin permissions user { username roleBindings { role workspace { id } } } token { payload { uuid } } } }";
    let me = ask(&sandbox, query, &Value::Null).data()["self"].take();
    assert_eq!((&me["isAdmin"], &me["permissions"]), (&json!(false), &json!({})));
    assert_eq!(me["user"]["username"], ADMIN);
    assert_eq!(me["token"]["payload"]["uuid"], json!(id_of(&sandbox, ADMIN)));
    let it = ask_as(&sandbox, SERVICE_ACCOUNT_KEY, query, &Value::Null).data()["self"].take();
    assert_eq!((&it["isAdmin"], &it["user"]), (&json!(false), &Value::Null));
}

#[test]
fn in_legacy_the_binding_found_first_counts() {
    let sandbox = with_model(Model::Legacy);
    add(&sandbox, FINANCE, "yuki.malik@example.com", "WORKSPACE_ADMIN").data();
    let viewer = sandbox.tokens().workspace_viewer.clone();
    assert_eq!(add_as(&sandbox, &viewer, FINANCE).error(), shielded());
}
