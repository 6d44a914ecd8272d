//! The lists: what is in them, in which versions, page by page.

use super::*;

fn names(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn workspace_users_have_all_bindings_in_legacy_and_only_those_of_the_workspace_in_modern() {
    let query = "query($w: Uuid!) { workspaceUsers(workspaceUuid: $w) { username roleBindings { role workspace { id } } } }";
    for (model, count) in [(Model::Legacy, 3), (Model::Modern, 2)] {
        let sandbox = with_model(model);
        let data = ask(&sandbox, query, &json!({ "w": DATA_PLATFORM })).data();
        let users = data["workspaceUsers"].as_array().unwrap();
        assert_eq!(users.len(), 4);
        let editor = users.iter().find(|user| user["username"] == EDITOR).unwrap();
        let bindings = editor["roleBindings"].as_array().unwrap();
        assert_eq!(bindings.len(), count, "{model}");
        // A deployment's binding is among them and names the workspace too.
        assert!(
            bindings.contains(&json!({ "role": "DEPLOYMENT_EDITOR", "workspace": { "id": DATA_PLATFORM } }))
        );
    }
}

#[test]
fn workspace_user_finds_members_in_legacy_and_any_active_user_in_modern() {
    let query = "query($u: UserSearch!) { workspaceUser(workspaceUuid: \"ckdataplatform00000000001\", user: $u) { username roleBindings { role } } }";
    let find = |sandbox: &Sandbox, search: Value| ask(sandbox, query, &json!({ "u": search }));
    let legacy = with_model(Model::Legacy);
    assert_eq!(find(&legacy, json!({ "email": VIEWER })).data()["workspaceUser"]["username"], VIEWER);
    assert_eq!(find(&legacy, json!({ "email": STRANGER })).error().0, "RESOURCE_NOT_FOUND");
    let several = find(&legacy, json!({ "username": "a" })).error().1;
    assert_eq!(several, "workspaceUser query unexpectedly returned more than a single user!");
    let modern = with_model(Model::Modern);
    let stranger = find(&modern, json!({ "email": STRANGER.to_uppercase() })).data()["workspaceUser"].take();
    assert_eq!(stranger, json!({ "username": STRANGER, "roleBindings": [] }));
    assert_eq!(find(&modern, json!({ "email": "pending.one@example.com" })).error().0, "RESOURCE_NOT_FOUND");
}

#[test]
fn pending_people_are_in_one_list_or_the_other() {
    let users = "query($w: Uuid!) { workspaceUsers(workspaceUuid: $w) { username status } }";
    let tokens = "query($w: Uuid!) { workspaceInvites(workspaceUuid: $w) { email role } }";
    for (setup, in_users, in_invites) in [
        (with_model(Model::Legacy), 0, 2),
        (with_model(Model::Modern), 2, 0),
        (with_switch("pending-in-users=false"), 0, 0),
        (with_switch("pending-in-invites=true"), 2, 2),
    ] {
        let people = ask(&setup, users, &json!({ "w": OPERATIONS })).data();
        let pending = |user: &&Value| user["status"] == "pending";
        assert_eq!(people["workspaceUsers"].as_array().unwrap().iter().filter(pending).count(), in_users);
        let invites = ask(&setup, tokens, &json!({ "w": OPERATIONS })).data();
        assert_eq!(invites["workspaceInvites"].as_array().unwrap().len(), in_invites);
    }
}

#[test]
fn the_filter_of_invites_matches_parts() {
    let sandbox = with_model(Model::Legacy);
    let query = "query($i: InviteSearch) { workspaceInvites(workspaceUuid: \"ckoperations0000000000005\", invite: $i) { email } invites(invite: $i) { email } }";
    for (part, count) in [("pending", 2), ("ONE@", 1), ("nobody", 0)] {
        let data = ask(&sandbox, query, &json!({ "i": { "email": part } })).data();
        for list in ["workspaceInvites", "invites"] {
            assert_eq!(data[list].as_array().unwrap().len(), count, "{part} {list}");
        }
    }
}

#[test]
fn users_are_searched_by_the_first_criterion() {
    let sandbox = start(Profile::V2);
    let query = "query($u: UserSearch) { users(user: $u) { username } }";
    let find = |search: Value| names(&ask(&sandbox, query, &json!({ "u": search })).data()["users"]);
    assert_eq!(find(Value::Null).len(), 162);
    assert_eq!(find(json!({ "email": STRANGER.to_uppercase() })), [STRANGER]);
    assert_eq!(find(json!({ "email": "luis" })), Vec::<String>::new());
    assert_eq!(find(json!({ "username": "luis.no" })), [STRANGER]);
    assert_eq!(find(json!({ "fullName": "Luis No", "email": VIEWER })), [VIEWER]);
    assert_eq!(find(json!({ "userUuid": id_of(&sandbox, ADMIN), "email": VIEWER })), [ADMIN]);
}

/// Walks the members of Data Platform page by page as the official client does.
fn walk(sandbox: &Sandbox, take: i64) -> Vec<String> {
    let query = "query($c: Uuid, $t: Int) { paginatedWorkspaceUsers(workspaceUuid: \"ckdataplatform00000000001\", cursor: $c, take: $t) { id username } }";
    let (mut cursor, mut found) = (String::new(), Vec::new());
    for _ in 0..10 {
        let data = ask(sandbox, query, &json!({ "c": cursor, "t": take })).data();
        let page = data["paginatedWorkspaceUsers"].as_array().unwrap();
        found.extend(names(&data["paginatedWorkspaceUsers"]));
        let last = page.last().map_or(Value::Null, |user| user["id"].clone());
        if page.len() < usize::try_from(take).unwrap() || last == json!(cursor) {
            break;
        }
        cursor = last.as_str().unwrap().to_owned();
    }
    found
}

#[test]
fn a_cursor_leads_through_all_members_and_repeats_its_row_if_inclusive() {
    let exclusive = walk(&start(Profile::V2), 2);
    let mut sorted = exclusive.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((exclusive.len(), sorted.len()), (4, 4));
    let inclusive = walk(&with_switch("cursor-inclusive=true"), 2);
    assert!(inclusive.len() > 4, "{inclusive:?}");
}

#[test]
fn a_negative_take_goes_back_and_a_large_one_is_cut_or_refused() {
    let query = "query($c: Uuid, $t: Int) { paginatedWorkspaceUsers(workspaceUuid: \"ckdataplatform00000000001\", cursor: $c, take: $t) { id } }";
    let sandbox = start(Profile::V2);
    let page = |cursor: &Value, take: i64| {
        let data = ask(&sandbox, query, &json!({ "c": cursor, "t": take })).data();
        data["paginatedWorkspaceUsers"].as_array().unwrap().clone()
    };
    let all = page(&Value::Null, 100);
    assert_eq!(page(&all[2]["id"], -2), all[..2]);
    assert_eq!(page(&json!("cknobody"), 5), [] as [Value; 0]);
    let short = with_switch("max-take=3");
    let data = ask(&short, query, &json!({ "t": 50 })).data();
    assert_eq!(data["paginatedWorkspaceUsers"].as_array().unwrap().len(), 3);
    let strict = with_switch("max-take-error=true");
    assert_eq!(ask(&strict, query, &json!({ "t": 102 })).error().0, "BAD_USER_INPUT");
    ask(&strict, query, &json!({ "t": 101 })).data();
}

#[test]
fn pages_of_workspaces_count_from_0_in_0_30_and_from_1_later() {
    let query = "query($p: Int) { paginatedWorkspaces(take: 4, pageNumber: $p) { id } }";
    for (profile, sizes) in [(Profile::V0_30, [4, 3, 0]), (Profile::V1, [4, 4, 3]), (Profile::V2, [4, 4, 3])]
    {
        let sandbox = start(profile);
        for (page, size) in sizes.into_iter().enumerate() {
            let data = ask(&sandbox, query, &json!({ "p": page })).data();
            assert_eq!(data["paginatedWorkspaces"].as_array().unwrap().len(), size, "{profile} page {page}");
        }
    }
}

#[test]
fn workspaces_show_a_system_admin_everything_from_0_29_on() {
    for (profile, count) in [(Profile::V0_28, 1), (Profile::V0_30, 7)] {
        let data = ask(&start(profile), "{ workspaces { id } }", &Value::Null).data();
        assert_eq!(data["workspaces"].as_array().unwrap().len(), count, "{profile}");
    }
    let sandbox = start(Profile::V2);
    let staging = ask(&sandbox, "{ workspaces(label: \"Staging\") { id } }", &Value::Null).data();
    assert_eq!(staging["workspaces"].as_array().unwrap().len(), 2);
}

#[test]
fn every_version_reports_itself_or_what_a_switch_says() {
    let version = |sandbox: &Sandbox| {
        ask(sandbox, "{ appConfig { version } }", &Value::Null).data()["appConfig"]["version"].take()
    };
    for profile in Profile::ALL {
        assert_eq!(version(&start(profile)), profile.version());
    }
    assert_eq!(version(&with_switch("version=null")), Value::Null);
    assert_eq!(version(&with_switch("version=2.0.0-rc1")), "2.0.0-rc1");
}

#[test]
fn every_field_of_the_schema_has_a_resolver() {
    let sandbox = start(Profile::V2);
    let user = "{ id username fullName status emails { address primary verified } createdAt updatedAt roleBindings { id role user { id } serviceAccount { id } deployment { id type label releaseName version runtimeVersion clusterId deployInfo { nextCli current } createdAt updatedAt workspace { id } } workspace { id } } }";
    let account = "{ id label category apiKey entityType entityUuid workspaceUuid deploymentUuid active lastUsedAt createdAt updatedAt }";
    let deployment = "ckdeployment0000000000001";
    let workspace = format!(
        "{{ id label description createdAt updatedAt users {user} invites {{ id email role createdAt updatedAt }} roleBindings {{ id role user {{ id }} serviceAccount {account} workspace {{ id }} deployment {{ id }} }} }}"
    );
    let query = format!(
        "query($w: Uuid!) {{ appConfig {{ version baseDomain smtpConfigured featureFlags byoUpdateRegistryHost }}
        authConfig {{ publicSignup initialSignup localEnabled providers {{ name displayName url }} }}
        self {{ user {user} token {{ value payload {{ uuid iat exp }} }} permissions isAdmin authUserCapabilities {{ canSysAdmin }} }}
        workspace(workspaceUuid: $w) {workspace} workspaces {workspace} sysWorkspaces {workspace}
        paginatedWorkspaces(take: 2) {workspace} workspaceUser(workspaceUuid: $w, user: {{ email: \"{ADMIN}\" }}) {user}
        workspaceUsers(workspaceUuid: $w) {user} paginatedWorkspaceUsers(workspaceUuid: $w) {user}
        workspaceInvites(workspaceUuid: $w) {{ id }} workspaceDeployments(workspaceUuid: $w) {{ id }} paginatedDeployments {{ id }}
        deploymentUsers(deploymentId: \"{deployment}\") {user} workspaceServiceAccounts(workspaceUuid: $w) {account}
        deploymentServiceAccounts(deploymentUuid: \"{deployment}\") {account} workspaceTeams(workspaceUuid: $w) {{ id }}
        paginatedTeams {{ count teams {{ id }} }} users {user} invites {{ id }} }}"
    );
    ask(&sandbox, &query, &json!({ "w": DATA_PLATFORM })).data();
    let reads = sandbox.audit().reads;
    assert_eq!(reads.len(), 20, "{reads:?}");
}
