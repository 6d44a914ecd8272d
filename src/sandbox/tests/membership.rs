//! The mutations on members, case by case, in both models.

use super::*;

const BOTH: [Model; 2] = [Model::Legacy, Model::Modern];
const V: Role = Role::WorkspaceViewer;
const E: Role = Role::WorkspaceEditor;

fn duplicate() -> (String, String) {
    pair("BAD_USER_INPUT", "A duplicate role binding already exists")
}

fn update(sandbox: &Sandbox, field: &str, email: &str, role: &str) -> Answer {
    let query = format!(
        "mutation($w: Uuid!, $e: String!, $r: Role!) {{ {field}(workspaceUuid: $w, email: $e, role: $r) }}"
    );
    ask(sandbox, &query, &json!({ "w": DATA_PLATFORM, "e": email, "r": role }))
}

fn remove(sandbox: &Sandbox, user: &str) -> Answer {
    let query =
        "mutation($w: Uuid!, $u: Uuid!) { workspaceRemoveUser(workspaceUuid: $w, userUuid: $u) { id } }";
    ask(sandbox, query, &json!({ "w": DATA_PLATFORM, "u": user }))
}

#[test]
fn an_existing_user_joins_at_once_and_without_mail() {
    for model in BOTH {
        let sandbox = with_model(model);
        let answer = add(&sandbox, FINANCE, STRANGER, "WORKSPACE_EDITOR");
        assert_eq!(answer.data()["workspaceAddUser"]["id"], FINANCE);
        assert_eq!(roles(&sandbox, FINANCE, STRANGER), [E]);
        assert_eq!(sandbox.audit().mails, 0);
    }
}

#[test]
fn an_upper_case_address_is_lower_cased() {
    for model in BOTH {
        let sandbox = with_model(model);
        add(&sandbox, FINANCE, "Luis.NOWAK@Example.com", "WORKSPACE_VIEWER").data();
        assert_eq!(roles(&sandbox, FINANCE, STRANGER), [V]);
        add(&sandbox, FINANCE, "Brand.NEW@example.com", "WORKSPACE_VIEWER").data();
        assert_eq!(invites(&sandbox, FINANCE, UNKNOWN), 1);
    }
}

#[test]
fn legacy_adding_a_member_again_makes_a_second_binding() {
    let sandbox = with_model(Model::Legacy);
    add(&sandbox, DATA_PLATFORM, VIEWER, "WORKSPACE_VIEWER").data();
    add(&sandbox, DATA_PLATFORM, VIEWER, "WORKSPACE_EDITOR").data();
    assert_eq!(roles(&sandbox, DATA_PLATFORM, VIEWER), [V, V, E]);
    let audit = sandbox.audit();
    assert_eq!(audit.duplicate_bindings.len(), 1);
    assert_eq!(audit.duplicate_bindings[0].email, VIEWER);
    assert_eq!(audit.duplicate_bindings[0].roles, [V, V, E]);
}

#[test]
fn modern_adding_a_member_again_is_refused_and_changes_nothing() {
    let sandbox = with_model(Model::Modern);
    for role in ["WORKSPACE_VIEWER", "WORKSPACE_EDITOR"] {
        let answer = add(&sandbox, DATA_PLATFORM, VIEWER, role);
        assert_eq!((answer.status, answer.error()), (200, duplicate()));
        assert_eq!(answer.json()["data"], json!({ "workspaceAddUser": null }));
    }
    assert_eq!(roles(&sandbox, DATA_PLATFORM, VIEWER), [V]);
    assert!(sandbox.audit().duplicate_bindings.is_empty());
}

#[test]
fn legacy_an_unknown_address_gets_one_invite_token_and_a_mail() {
    let sandbox = with_model(Model::Legacy);
    add(&sandbox, FINANCE, UNKNOWN, "WORKSPACE_EDITOR").data();
    let again = add(&sandbox, FINANCE, UNKNOWN, "WORKSPACE_VIEWER");
    assert_eq!(again.error(), pair("USER_ALREADY_INVITED", "User already invited"));
    let state = sandbox.state();
    let invite = state.invites.iter().find(|invite| invite.email == UNKNOWN).unwrap();
    assert_eq!((invite.role, invite.user.as_ref()), (E, None));
    assert_eq!(invites(&sandbox, FINANCE, UNKNOWN), 1);
    assert!(!state.users.iter().any(|user| user.username == UNKNOWN));
    assert_eq!(sandbox.audit().mails, 1);
}

#[test]
fn modern_an_unknown_address_becomes_a_pending_user_with_a_binding_and_a_token() {
    let sandbox = with_model(Model::Modern);
    add(&sandbox, FINANCE, UNKNOWN, "WORKSPACE_EDITOR").data();
    assert_eq!(roles(&sandbox, FINANCE, UNKNOWN), [E]);
    assert_eq!(invites(&sandbox, FINANCE, UNKNOWN), 1);
    assert_eq!(add(&sandbox, FINANCE, UNKNOWN, "WORKSPACE_EDITOR").error(), duplicate());
    let user = sandbox.state().users.into_iter().find(|user| user.username == UNKNOWN).unwrap();
    assert_eq!(user.status, state::Status::Pending);
}

#[test]
fn bypass_invite_sends_no_mail_and_leaving_it_out_does() {
    let query = "mutation($e: String!, $b: Boolean) { workspaceAddUser(workspaceUuid: \"ckfinance0000000000000002\", email: $e, bypassInvite: $b) { id } }";
    for model in BOTH {
        let sandbox = with_model(model);
        for (email, bypass, mails) in
            [("a@x.org", json!(true), 0), ("b@x.org", json!(false), 1), ("c@x.org", Value::Null, 2)]
        {
            ask(&sandbox, query, &json!({ "e": email, "b": bypass })).data();
            assert_eq!(sandbox.audit().mails, mails, "{model} {email}");
        }
    }
    let silent = with_switch("smtp=false");
    add(&silent, FINANCE, UNKNOWN, "WORKSPACE_VIEWER").data();
    assert_eq!(silent.audit().mails, 0);
}

#[test]
fn a_role_that_is_not_of_a_workspace_is_refused() {
    for model in BOTH {
        let sandbox = with_model(model);
        for role in ["SYSTEM_ADMIN", "DEPLOYMENT_VIEWER", "USER"] {
            let error = add(&sandbox, FINANCE, STRANGER, role).error();
            assert_eq!(error, pair("BAD_USER_INPUT", "invalid workspace role"));
        }
    }
}

#[test]
fn bad_addresses_are_refused_from_0_23_on() {
    let text = "Invalid email address. Please check the address and try again";
    for email in [" luis.nowak@example.com", "luis", "@x.org", "a@", "a@x", "a b@x.org", "a@x..org", ""] {
        let sandbox = start(Profile::V0_23);
        assert_eq!(add(&sandbox, FINANCE, email, "WORKSPACE_VIEWER").error(), pair("BAD_USER_INPUT", text));
        let old = start(Profile::V0_16);
        add(&old, FINANCE, email, "WORKSPACE_VIEWER").data();
        assert_eq!(invites(&old, FINANCE, email), 1, "{email}");
    }
}

#[test]
fn an_unknown_or_missing_workspace_breaks_the_database_for_a_system_caller() {
    for model in BOTH {
        let sandbox = with_model(model);
        let (code, message) = add(&sandbox, "cknowhere", STRANGER, "WORKSPACE_VIEWER").error();
        assert_eq!(code, "INTERNAL_SERVER_ERROR");
        let begin = match model {
            Model::Legacy => "No Node for the model Workspace with value cknowhere",
            Model::Modern => "\nInvalid `prisma.roleBinding.create()` invocation:",
        };
        assert!(message.starts_with(begin), "{message}");
        let answer = ask(&sandbox, ADD, &json!({ "w": null, "e": STRANGER, "r": "WORKSPACE_VIEWER" }));
        assert_eq!(answer.error().0, "INTERNAL_SERVER_ERROR");
        assert_eq!(sandbox.audit().mutations_applied, 0);
    }
}

#[test]
fn the_role_is_viewer_if_none_is_given() {
    let sandbox = start(Profile::V2);
    let query = format!(
        "mutation {{ workspaceAddUser(workspaceUuid: \"{FINANCE}\", email: \"{STRANGER}\") {{ id }} }}"
    );
    ask(&sandbox, &query, &Value::Null).data();
    assert_eq!(roles(&sandbox, FINANCE, STRANGER), [V]);
    assert_eq!(sandbox.audit().entries[0].role.as_deref(), Some("WORKSPACE_VIEWER"));
}

#[test]
fn user_management_off_refuses_everyone_and_scim_new_users_assumed() {
    let sandbox = with_switch("user-management=false");
    for email in [STRANGER, UNKNOWN] {
        let (code, _) = add(&sandbox, FINANCE, email, "WORKSPACE_VIEWER").error();
        assert_eq!(code, "BAD_USER_INPUT");
    }
    let sandbox = with_switch("scim=true");
    add(&sandbox, FINANCE, STRANGER, "WORKSPACE_VIEWER").data();
    assert_eq!(add(&sandbox, FINANCE, UNKNOWN, "WORKSPACE_VIEWER").error().0, "BAD_USER_INPUT");
}

#[test]
fn updating_wants_exactly_one_binding_or_one_invite() {
    let not_found = pair("RESOURCE_NOT_FOUND", "The requested resource was not found");
    let field = "workspaceUpdateUserRole";
    let sandbox = with_model(Model::Legacy);
    assert_eq!(update(&sandbox, field, VIEWER, "WORKSPACE_EDITOR").data()[field], "WORKSPACE_EDITOR");
    assert_eq!(roles(&sandbox, DATA_PLATFORM, VIEWER), [E]);
    assert_eq!(update(&sandbox, field, STRANGER, "WORKSPACE_EDITOR").error(), not_found);
    assert_eq!(update(&sandbox, field, &VIEWER.to_uppercase(), "WORKSPACE_VIEWER").error(), not_found);
    add(&sandbox, DATA_PLATFORM, VIEWER, "WORKSPACE_VIEWER").data();
    assert_eq!(update(&sandbox, field, VIEWER, "WORKSPACE_VIEWER").error(), not_found);
    add(&sandbox, DATA_PLATFORM, UNKNOWN, "WORKSPACE_VIEWER").data();
    assert_eq!(update(&sandbox, field, UNKNOWN, "WORKSPACE_ADMIN").data()[field], "WORKSPACE_ADMIN");
}

#[test]
fn upserting_sets_or_gives_a_role_and_answers_null_for_several_bindings() {
    let field = "workspaceUpsertUserRole";
    let sandbox = with_model(Model::Legacy);
    assert_eq!(update(&sandbox, field, STRANGER, "WORKSPACE_EDITOR").data()[field], "WORKSPACE_EDITOR");
    assert_eq!(update(&sandbox, field, STRANGER, "WORKSPACE_VIEWER").data()[field], "WORKSPACE_VIEWER");
    assert_eq!(roles(&sandbox, DATA_PLATFORM, STRANGER), [V]);
    add(&sandbox, DATA_PLATFORM, STRANGER, "WORKSPACE_VIEWER").data();
    assert_eq!(update(&sandbox, field, STRANGER, "WORKSPACE_EDITOR").data()[field], Value::Null);
    assert_eq!(roles(&sandbox, DATA_PLATFORM, STRANGER), [E, E]);
    assert_eq!(update(&sandbox, field, UNKNOWN, "WORKSPACE_EDITOR").error().0, "RESOURCE_NOT_FOUND");
}

#[test]
fn removing_takes_all_bindings_there_and_in_its_deployments() {
    let sandbox = with_model(Model::Legacy);
    add(&sandbox, DATA_PLATFORM, EDITOR, "WORKSPACE_VIEWER").data();
    let id = id_of(&sandbox, EDITOR);
    remove(&sandbox, &id).data();
    assert!(roles(&sandbox, DATA_PLATFORM, EDITOR).is_empty());
    let left = sandbox.state().bindings.into_iter().filter(|b| b.user == id).collect::<Vec<_>>();
    assert!(left.iter().all(|b| b.deployment.is_none()) && left.len() == 1, "{left:?}");
}

#[test]
fn removing_a_stranger_succeeds_in_legacy_and_fails_in_modern() {
    let legacy = with_model(Model::Legacy);
    remove(&legacy, &id_of(&legacy, STRANGER)).data();
    let modern = with_model(Model::Modern);
    let error = remove(&modern, &id_of(&modern, STRANGER)).error();
    assert_eq!(error, pair("BAD_USER_INPUT", "The role binding does not exist for this user"));
}

#[test]
fn the_last_admin_stays_from_0_28_on() {
    let new = start(Profile::V0_28);
    assert_eq!(remove(&new, &id_of(&new, LEADER)).error().0, "INTERNAL_SERVER_ERROR");
    add(&new, DATA_PLATFORM, STRANGER, "WORKSPACE_ADMIN").data();
    remove(&new, &id_of(&new, LEADER)).data();
    let old = start(Profile::V0_25);
    remove(&old, &id_of(&old, LEADER)).data();
}

#[test]
fn parallel_adds_race_through_the_gap_between_looking_and_writing() {
    for (model, user_bindings, tokens) in [(Model::Legacy, 0, 2), (Model::Modern, 1, 1)] {
        let mut options = Options { model: Some(model), ..Options::default() };
        options.switches.set("check-window=250ms").unwrap();
        let sandbox = Sandbox::start(options).unwrap();
        let mut wires = [Wire::to(&sandbox), Wire::to(&sandbox)];
        let headers = [("Content-Type", "application/json"), ("Authorization", sandbox.token())];
        for wire in &mut wires {
            wire.send("POST", "/v1", &headers, &add_body(FINANCE, UNKNOWN));
        }
        let answers = wires.iter_mut().map(|wire| wire.receive().unwrap()).collect::<Vec<_>>();
        assert_eq!(invites(&sandbox, FINANCE, UNKNOWN), tokens, "{answers:?}");
        assert_eq!(roles(&sandbox, FINANCE, UNKNOWN).len(), user_bindings);
        assert_eq!(sandbox.audit().duplicate_invites.len(), usize::from(model == Model::Legacy));
    }
}

#[test]
fn deployment_roles_come_with_the_membership_and_need_it() {
    let sandbox = start(Profile::V2);
    let deployment = "ckdeployment0000000000001";
    let query = "mutation($w: Uuid, $e: String!, $d: [DeploymentRoles!]) { workspaceAddUser(workspaceUuid: $w, email: $e, deploymentRoles: $d) { id } }";
    let wish = json!([{ "deploymentId": deployment, "role": "DEPLOYMENT_VIEWER" }]);
    ask(&sandbox, query, &json!({ "w": DATA_PLATFORM, "e": STRANGER, "d": wish })).data();
    let id = id_of(&sandbox, STRANGER);
    let held = |b: &state::StateBinding| b.user == id && b.role == Role::DeploymentViewer;
    assert!(sandbox.state().bindings.iter().any(held));
    // A deployment of another workspace is not there.
    let other = ask(&sandbox, query, &json!({ "w": FINANCE, "e": STRANGER, "d": wish }));
    assert_eq!(other.error().0, "INTERNAL_SERVER_ERROR");
    assert!(roles(&sandbox, FINANCE, STRANGER).is_empty());

    let change = |field: &str, email: &str, role: &str| {
        let role = if role.is_empty() { String::new() } else { format!(", role: {role}") };
        let query = format!(
            "mutation {{ {field}(email: \"{email}\", deploymentId: \"{deployment}\"{role}) {{ role deployment {{ releaseName }} user {{ username }} }} }}"
        );
        ask(&sandbox, &query, &Value::Null)
    };
    let (added, updated, removed) =
        ("deploymentAddUserRole", "deploymentUpdateUserRole", "deploymentRemoveUserRole");
    let text =
        "This user does not belong to the workspace. Please add the user to the workspace and try again";
    assert_eq!(change(added, ADMIN, "DEPLOYMENT_VIEWER").error(), pair("BAD_USER_INPUT", text));
    assert_eq!(change(added, STRANGER, "DEPLOYMENT_VIEWER").error(), duplicate());
    assert_eq!(change(updated, STRANGER, "DEPLOYMENT_ADMIN").data()[updated]["role"], "DEPLOYMENT_ADMIN");
    assert_eq!(
        change(removed, STRANGER, "").data()[removed]["deployment"]["releaseName"],
        "solar-orbit-1001"
    );
    assert_eq!(change(removed, STRANGER, "").error().1, "The role binding does not exist for this user");
    assert_eq!(change(added, STRANGER, "DEPLOYMENT_VIEWER").data()[added]["user"]["username"], STRANGER);
}

#[test]
fn the_other_mutations_do_what_they_say() {
    let sandbox = start(Profile::V2);
    let made = ask(&sandbox, "mutation { createWorkspace(label: \"Finance\") { id label users { username roleBindings { role } } } }", &Value::Null).data();
    assert_eq!(
        made["createWorkspace"]["users"],
        json!([{ "username": ADMIN, "roleBindings": [{ "role": "WORKSPACE_ADMIN" }] }])
    );
    let as_account = ask_as(
        &sandbox,
        SERVICE_ACCOUNT_KEY,
        "mutation { createWorkspace(label: \"x\") { id } }",
        &Value::Null,
    );
    assert_eq!(as_account.error().0, "INTERNAL_SERVER_ERROR");

    let invite = "mutation($e: String!) { inviteUser(email: $e) { id email role } }";
    let invited = ask(&sandbox, invite, &json!({ "e": UNKNOWN })).data();
    assert_eq!(
        ask(&sandbox, invite, &json!({ "e": STRANGER })).error(),
        pair("DUPLICATE_EMAIL", "Email address in use")
    );
    let delete = "mutation($i: Uuid) { deleteInviteToken(inviteUuid: $i) { email } }";
    let id = &invited["inviteUser"]["id"];
    assert_eq!(ask(&sandbox, delete, &json!({ "i": id })).data()["deleteInviteToken"]["email"], UNKNOWN);
    let (code, message) = ask(&sandbox, delete, &json!({ "i": id })).error();
    assert_eq!(code, "INTERNAL_SERVER_ERROR");
    assert!(message.ends_with("No record was found for a delete."), "{message}");

    let account = "mutation($r: Role!) { createSystemServiceAccount(label: \"cron\", role: $r) { apiKey } }";
    assert_eq!(ask(&sandbox, account, &json!({ "r": "WORKSPACE_ADMIN" })).error().1, "Invalid role");
    let made = ask(&sandbox, account, &json!({ "r": "SYSTEM_ADMIN" })).data();
    let key = made["createSystemServiceAccount"]["apiKey"].as_str().unwrap().to_owned();
    ask_as(&sandbox, &key, "{ sysWorkspaces { id } }", &Value::Null).data();
}

#[test]
fn a_token_can_be_made_only_where_local_passwords_are() {
    let query = "mutation($i: String, $p: String!) { createToken(identity: $i, password: $p) { token { value } user { username } } }";
    let local = with_switch("local-auth=true");
    let token = |sandbox: &Sandbox, identity: &str, password: &str| {
        ask_as(sandbox, "", query, &json!({ "i": identity, "p": password }))
    };
    let made = token(&local, ADMIN, LOCAL_PASSWORD).data();
    let value = made["createToken"]["token"]["value"].as_str().unwrap();
    ask_as(&local, value, "{ sysWorkspaces { id } }", &Value::Null).data();
    assert_eq!(token(&local, ADMIN, "wrong").error().1, "Invalid password and username combination");
    assert_eq!(token(&local, UNKNOWN, LOCAL_PASSWORD).error().0, "RESOURCE_NOT_FOUND");
    assert_eq!(token(&local, "pending.one@example.com", LOCAL_PASSWORD).error().0, "ACCOUNT_NOT_CONFIRMED");
    let sso = start(Profile::V2);
    assert_eq!(
        token(&sso, ADMIN, LOCAL_PASSWORD).error(),
        pair("UNAUTHENTICATED", "No password credentials found")
    );
}
