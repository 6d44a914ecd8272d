//! The documents of the official `astro` CLI (houston.md, 2.10 and the sections before it), sent to the
//! sandbox in the versions that they belong to: people can point their own CLI at a rehearsal.

#![cfg(feature = "sandbox")]

use houston_onboard::sandbox::{Profile, Role};
use serde_json::{Value, json};

use crate::harness::Sandbox;
use crate::harness::by_hand::{Reply, ask, version};

const DATA_PLATFORM: &str = "ckdataplatform00000000001";
const OPERATIONS: &str = "ckoperations0000000000005";
const DEPLOYMENT: &str = "ckdeployment0000000000001";
/// Editor of Data Platform and of a deployment there.
const EDITOR: &str = "fatima.wagner@example.com";
/// Active, member of nothing.
const STRANGER: &str = "luis.nowak@example.com";

const USER_OF_A_LIST: &str =
    "{ id username fullName emails { address } roleBindings { workspace { id } role } }";
const BINDINGS: &str = "roleBindings { role user { id username } serviceAccount { id label } }";
const ACCOUNT: &str =
    "{ id apiKey label category entityType entityUuid active createdAt updatedAt lastUsedAt }";

const PAGE_OF_WORKSPACES: &str = "query paginatedWorkspaces($pageSize: Int, $pageNumber: Int) {
    paginatedWorkspaces(take: $pageSize, pageNumber: $pageNumber) { id label description createdAt updatedAt } }";
const ADD_TO: &str =
    "mutation($w: Uuid, $e: String!) { workspaceAddUser(workspaceUuid: $w, email: $e) { id } }";
const CREATE_ACCOUNT: &str = "mutation($label: String!, $role: Role!, $w: Uuid!) {
    createWorkspaceServiceAccount(label: $label, workspaceUuid: $w, role: $role) { id } }";

/// Sends a document as the system admin; it must be answered without an error.
#[track_caller]
fn run(sandbox: &Sandbox, document: &str, variables: &Value) -> Value {
    ask(sandbox, sandbox.token(), document, variables).data().clone()
}

fn all_from(since: Profile) -> impl Iterator<Item = Profile> {
    Profile::ALL.into_iter().filter(move |profile| *profile >= since)
}

fn members(sandbox: &Sandbox, workspace: &str) -> usize {
    let state = sandbox.state();
    state.bindings.iter().filter(|b| b.workspace.as_deref() == Some(workspace)).count()
}

#[test]
fn the_login_asks_how_to_log_in_and_for_a_token() {
    const HOW: &str = "query GetAuthConfig($redirect: String) { authConfig(redirect: $redirect) {
        localEnabled publicSignup initialSignup providers { name displayName url } } }";
    const TOKEN: &str = "mutation createBasicToken($identity: String, $password: String!) {
        createToken(identity: $identity, password: $password) {
            user { id fullName username status createdAt updatedAt } token { value } } }";
    for profile in Profile::ALL {
        let sandbox = version(profile, &["local-auth=true", "sso=true"]);
        let how = ask(&sandbox, "", HOW, &json!({ "redirect": "https://app.example.com" }));
        assert_eq!(how.data()["authConfig"]["localEnabled"], true, "{profile}");
        assert_eq!(how.data()["authConfig"]["providers"][0]["name"], "okta", "{profile}");
        let variables = json!({ "identity": EDITOR, "password": houston_onboard::sandbox::LOCAL_PASSWORD });
        let made = ask(&sandbox, "", TOKEN, &variables);
        let token = made.data()["createToken"]["token"]["value"].as_str().unwrap();
        let mine = ask(&sandbox, token, "{ self { user { username } } }", &Value::Null);
        assert_eq!(mine.data()["self"]["user"]["username"], EDITOR, "{profile}");
    }
}

#[test]
fn nobody_signs_up_in_a_sandbox() {
    const CREATE: &str =
        "mutation CreateUser($email: String!, $password: String!, $username: String, $inviteToken: String) {
        createUser(email: $email, password: $password, username: $username, inviteToken: $inviteToken) {
            user { id username status createdAt updatedAt } token { value } } }";
    for profile in Profile::ALL {
        let sandbox = version(profile, &[]);
        let variables = json!({ "email": "new@example.com", "password": "x" });
        assert_eq!(ask(&sandbox, "", CREATE, &variables).error().0, "PUBLIC_SIGNUPS_DISABLED", "{profile}");
        let variables = json!({ "email": "new@example.com", "password": "x", "inviteToken": "t" });
        assert_eq!(ask(&sandbox, "", CREATE, &variables).error().1, "Invite token not found", "{profile}");
    }
}

#[test]
fn the_configuration_has_what_the_cli_of_each_version_asks_for() {
    const OLD: &str = "version baseDomain smtpConfigured manualReleaseNames configureDagDeployment
        nfsMountDagDeployment manualNamespaceNames hardDeleteDeployment";
    let since_0_28 = format!("{OLD} triggererEnabled featureFlags");
    let since_0_29 = format!("{since_0_28} byoUpdateRegistryHost");
    let fields = "version baseDomain byoUpdateRegistryHost smtpConfigured featureFlags";
    let plain = |fields: &str| format!("query AppConfig {{ appConfig {{ {fields} }} }}");
    let document_1 = format!(
        "query AppConfig($clusterId: Uuid) {{ appConfig(clusterId: $clusterId) {{ {since_0_29} }} }}"
    );
    let document_2 = format!(
        "query AppConfig($clusterId: Uuid, $workspaceUuid: Uuid, $deploymentUuid: Uuid) {{
            appConfig(clusterId: $clusterId, workspaceUuid: $workspaceUuid, deploymentUuid: $deploymentUuid) {{
                {fields} }} }}"
    );
    for (profile, document) in [
        (Profile::V0_25, plain(OLD)),
        (Profile::V0_28, plain(&since_0_28)),
        (Profile::V0_28, plain(&since_0_29)),
        (Profile::V0_30, plain(&since_0_29)),
        (Profile::V1, document_1),
        (Profile::V2, document_2),
    ] {
        let config = run(&version(profile, &[]), &document, &json!({ "clusterId": "" }));
        assert_eq!(config["appConfig"]["version"], profile.version());
        assert!(config["appConfig"].as_object().unwrap().values().all(|value| !value.is_null()), "{profile}");
    }
    for profile in Profile::ALL {
        let config = run(&version(profile, &[]), "query AppConfig { appConfig { version } }", &Value::Null);
        assert_eq!(config["appConfig"]["version"], profile.version());
    }
    // What 2.0 has dropped is an error there.
    assert_eq!(ask(&version(Profile::V2, &[]), "", &plain(OLD), &Value::Null).status, 400);
}

#[test]
fn workspaces_are_listed_with_the_people_and_the_accounts_that_have_a_role_there() {
    let list = format!(
        "query GetWorkspaces {{ workspaces {{ id label description createdAt updatedAt {BINDINGS} }} }}"
    );
    let one = format!(
        "query GetWorkspace($workspaceUuid: Uuid!) {{ workspace(workspaceUuid: $workspaceUuid) {{
            id label description createdAt updatedAt {BINDINGS} }} }}"
    );
    for profile in Profile::ALL {
        let sandbox = version(profile, &[]);
        let listed = run(&sandbox, &list, &Value::Null);
        assert!(listed["workspaces"].as_array().unwrap().iter().any(|one| one["id"] == OPERATIONS));
        account(&sandbox, "robot");
        let found = run(&sandbox, &one, &json!({ "workspaceUuid": DATA_PLATFORM }));
        let bindings = found["workspace"]["roleBindings"].as_array().unwrap();
        let has = |kind: &str, name: &str, value: &str| bindings.iter().any(|b| b[kind][name] == value);
        assert!(has("user", "username", EDITOR) && has("serviceAccount", "label", "robot"), "{profile}");
        if profile >= Profile::V0_30 {
            let page = run(&sandbox, PAGE_OF_WORKSPACES, &json!({ "pageSize": 20, "pageNumber": 0 }));
            assert_eq!(page["paginatedWorkspaces"].as_array().unwrap().len(), 7, "{profile}");
        }
    }
}

#[test]
fn a_workspace_is_made_renamed_and_deleted() {
    const CREATE: &str = "mutation CreateWorkspace($label: String!, $description: String = \"N/A\") {
        createWorkspace(label: $label, description: $description) { id label description createdAt updatedAt } }";
    const UPDATE: &str = "mutation UpdateWorkspace($workspaceId: Uuid!, $payload: JSON!) {
        updateWorkspace(workspaceUuid: $workspaceId, payload: $payload) { id label description createdAt updatedAt } }";
    const DELETE: &str = "mutation DeleteWorkspace($workspaceId: Uuid!) {
        deleteWorkspace(workspaceUuid: $workspaceId) { id label description } }";
    for profile in Profile::ALL {
        let sandbox = version(profile, &[]);
        let before = sandbox.state();
        let made = run(&sandbox, CREATE, &json!({ "label": "Rehearsal" }))["createWorkspace"].clone();
        assert_eq!(made["description"], "N/A");
        let payload = json!({ "label": "Renamed" });
        let renamed = run(&sandbox, UPDATE, &json!({ "workspaceId": made["id"], "payload": payload }));
        assert_eq!(renamed["updateWorkspace"]["label"], "Renamed", "{profile}");
        assert_eq!(renamed["updateWorkspace"]["description"], "N/A", "{profile}");
        let deleted = run(&sandbox, DELETE, &json!({ "workspaceId": made["id"] }));
        assert_eq!(deleted["deleteWorkspace"]["label"], "Renamed", "{profile}");
        assert_eq!(sandbox.state(), before, "{profile}");
        let again = ask(&sandbox, sandbox.token(), DELETE, &json!({ "workspaceId": made["id"] }));
        assert!(again.failed(), "{profile}");
        let full = ask(&sandbox, sandbox.token(), DELETE, &json!({ "workspaceId": DATA_PLATFORM }));
        assert!(full.error().1.starts_with("You must first deprovision all deployments"), "{profile}");
        let editor =
            ask(&sandbox, &sandbox.tokens().workspace_editor, DELETE, &json!({ "workspaceId": OPERATIONS }));
        assert!(editor.failed() && members(&sandbox, OPERATIONS) > 0, "{profile}");
    }
}

#[test]
fn members_are_added_listed_changed_and_removed() {
    const ADD: &str = "mutation AddWorkspaceUser($workspaceId: Uuid!, $email: String!, $role: Role!) {
        workspaceAddUser(workspaceUuid: $workspaceId, email: $email, role: $role) {
            id label description users { id username roleBindings { role } } createdAt updatedAt } }";
    const GET: &str = "query workspaceGetUser($workspaceUuid: Uuid!, $email: String!) {
        workspaceUser(workspaceUuid: $workspaceUuid, user: { email: $email }) {
            id username roleBindings { workspace { id } role } } }";
    const REMOVE: &str = "mutation RemoveWorkspaceUser($workspaceId: Uuid!, $userId: Uuid!) {
        workspaceRemoveUser(workspaceUuid: $workspaceId, userUuid: $userId) {
            id label description users { id username } createdAt updatedAt } }";
    let list = format!(
        "query workspaceListUsers($workspaceUuid: Uuid!) {{
            workspaceUsers(workspaceUuid: $workspaceUuid) {USER_OF_A_LIST} }}"
    );
    let page = format!(
        "query paginatedWorkspaceUsers($workspaceUuid: Uuid!, $cursorUuid: Uuid, $take: Int) {{
            paginatedWorkspaceUsers(workspaceUuid: $workspaceUuid, cursor: $cursorUuid, take: $take) {USER_OF_A_LIST} }}"
    );
    for profile in Profile::ALL {
        let sandbox = version(profile, &[]);
        let field =
            if profile < Profile::V0_30 { "workspaceUpdateUserRole" } else { "workspaceUpsertUserRole" };
        let change = format!(
            "mutation {field}($workspaceUuid: Uuid!, $email: String!, $role: Role!) {{
                {field}(workspaceUuid: $workspaceUuid, email: $email, role: $role) }}"
        );
        let variables = json!({ "workspaceId": OPERATIONS, "email": STRANGER, "role": "WORKSPACE_VIEWER" });
        let added = run(&sandbox, ADD, &variables)["workspaceAddUser"].clone();
        let users = added["users"].as_array().unwrap();
        let id = users.iter().find(|user| user["username"] == STRANGER).unwrap()["id"].clone();
        let listed = run(&sandbox, &list, &json!({ "workspaceUuid": OPERATIONS }));
        assert_eq!(listed["workspaceUsers"].as_array().unwrap().len(), users.len(), "{profile}");
        if profile >= Profile::V0_30 {
            let variables = json!({ "workspaceUuid": OPERATIONS, "cursorUuid": "", "take": 20 });
            let found = run(&sandbox, &page, &variables);
            assert_eq!(found["paginatedWorkspaceUsers"], {
                let mut sorted = listed["workspaceUsers"].as_array().unwrap().clone();
                sorted.sort_by_key(|user| user["id"].as_str().unwrap().to_owned());
                json!(sorted)
            });
        }
        let variables = json!({ "workspaceUuid": OPERATIONS, "email": STRANGER, "role": "WORKSPACE_EDITOR" });
        assert_eq!(run(&sandbox, &change, &variables)[field], "WORKSPACE_EDITOR", "{profile}");
        let one = run(&sandbox, GET, &json!({ "workspaceUuid": OPERATIONS, "email": STRANGER }));
        let role = json!({ "role": "WORKSPACE_EDITOR", "workspace": { "id": OPERATIONS } });
        assert_eq!(one["workspaceUser"]["roleBindings"], json!([role]), "{profile}");
        let before = members(&sandbox, OPERATIONS);
        run(&sandbox, REMOVE, &json!({ "workspaceId": OPERATIONS, "userId": id }));
        assert_eq!(members(&sandbox, OPERATIONS), before - 1, "{profile}");
    }
}

#[test]
fn roles_in_deployments_are_given_listed_changed_and_taken() {
    const LIST: &str = "query deploymentUsers($deploymentId: Id!, $user: UserSearch) {
        deploymentUsers(deploymentId: $deploymentId, user: $user) {
            id fullName username roleBindings { role deployment { id } } } }";
    const DELETE: &str = "mutation DeleteDeploymentUser($userId: Id, $email: String!, $deploymentId: Id!) {
        deploymentRemoveUserRole(userId: $userId, email: $email, deploymentId: $deploymentId) { id role } }";
    let write = |name: &str, field: &str| {
        format!(
            "mutation {name}($userId: Id, $email: String!, $deploymentId: Id!, $role: Role!) {{
                {field}(userId: $userId, email: $email, deploymentId: $deploymentId, role: $role) {{
                    id user {{ username }} role deployment {{ id releaseName }} }} }}"
        )
    };
    let (add, update) = (
        write("AddDeploymentUser", "deploymentAddUserRole"),
        write("UpdateDeploymentUser", "deploymentUpdateUserRole"),
    );
    for profile in all_from(Profile::V0_23) {
        let sandbox = version(profile, &[]);
        // The CLI sends no id of a user but an empty one.
        let email = "pedro.park@example.com";
        let with =
            |role: &str| json!({ "userId": "", "email": email, "deploymentId": DEPLOYMENT, "role": role });
        let added = run(&sandbox, &add, &with("DEPLOYMENT_VIEWER"))["deploymentAddUserRole"].clone();
        assert_eq!(
            (&added["user"]["username"], &added["deployment"]["id"]),
            (&json!(email), &json!(DEPLOYMENT))
        );
        run(&sandbox, &update, &with("DEPLOYMENT_ADMIN"));
        let search = json!({ "email": email, "userUuid": null, "fullName": null, "username": null });
        let listed = run(&sandbox, LIST, &json!({ "deploymentId": DEPLOYMENT, "user": search }));
        let people = listed["deploymentUsers"].as_array().unwrap();
        assert_eq!((people.len(), &people[0]["username"]), (1, &json!(email)), "{profile}");
        let role = json!({ "role": "DEPLOYMENT_ADMIN", "deployment": { "id": DEPLOYMENT } });
        assert!(people[0]["roleBindings"].as_array().unwrap().contains(&role), "{profile}");
        run(&sandbox, DELETE, &json!({ "userId": "", "email": email, "deploymentId": DEPLOYMENT }));
        let listed = run(&sandbox, LIST, &json!({ "deploymentId": DEPLOYMENT }));
        let names: Vec<_> =
            listed["deploymentUsers"].as_array().unwrap().iter().map(|u| &u["username"]).collect();
        assert_eq!(names, [EDITOR], "{profile}");
        let viewer =
            ask(&sandbox, &sandbox.tokens().workspace_viewer, LIST, &json!({ "deploymentId": DEPLOYMENT }));
        assert!(viewer.failed(), "{profile}");
    }
}

#[test]
fn deployments_are_listed_with_what_each_version_has() {
    for profile in all_from(Profile::V0_25) {
        let sandbox = version(profile, &[]);
        let airflow = if profile < Profile::V1 { "airflowVersion" } else { "clusterId" };
        let runtime = if profile < Profile::V0_28 { "" } else { "runtimeVersion" };
        let fields = format!(
            "id type label releaseName workspace {{ id }} deployInfo {{ nextCli current }} version {airflow} {runtime}
                createdAt updatedAt"
        );
        let list = format!(
            "query GetDeployment($workspaceId: Uuid!, $releaseName: String) {{
                workspaceDeployments(workspaceUuid: $workspaceId, releaseName: $releaseName) {{ {fields} }} }}"
        );
        let found = run(&sandbox, &list, &json!({ "workspaceId": DATA_PLATFORM }));
        let listed = found["workspaceDeployments"].as_array().unwrap();
        assert_eq!((listed.len(), &listed[0]["workspace"]["id"]), (2, &json!(DATA_PLATFORM)), "{profile}");
        if profile < Profile::V0_30 {
            continue;
        }
        let (declared, given) =
            if profile < Profile::V1 { ("", "") } else { (", $clusterId: Uuid", ", clusterId: $clusterId") };
        let page = format!(
            "query paginatedDeployments($take: Int, $name: String, $cursor: Uuid, $pageNumber: Int{declared}) {{
                paginatedDeployments(take: $take, name: $name, cursor: $cursor, pageNumber: $pageNumber{given}) {{
                    {fields} }} }}"
        );
        let names = |token: &str, variables: Value| -> Vec<String> {
            let answer = ask(&sandbox, token, &page, &variables);
            let found = answer.data()["paginatedDeployments"].as_array().unwrap();
            found.iter().map(|one| one["releaseName"].as_str().unwrap().to_owned()).collect()
        };
        let all = names(sandbox.token(), json!({ "take": 100 }));
        assert_eq!(all.len(), 4, "{profile}");
        let next = json!({ "take": 2, "cursor": DEPLOYMENT });
        assert_eq!(names(sandbox.token(), next), all[1..3], "{profile}");
        let viewer = sandbox.tokens().workspace_viewer.clone();
        assert_eq!(names(&viewer, json!({ "take": 100, "clusterId": "" })), ["lunar-tide-3003"], "{profile}");
    }
}

/// Makes an account of a workspace.
#[track_caller]
fn account(sandbox: &Sandbox, label: &str) -> Value {
    const CREATE: &str = "mutation createWorkspaceServiceAccount($label: String!, $category: String, $workspaceUuid: Uuid!, $role: Role!) {
        createWorkspaceServiceAccount(label: $label, category: $category, workspaceUuid: $workspaceUuid, role: $role) {
            id label apiKey entityType workspaceUuid category active lastUsedAt createdAt updatedAt } }";
    let variables =
        json!({ "label": label, "category": "", "workspaceUuid": DATA_PLATFORM, "role": "WORKSPACE_ADMIN" });
    run(sandbox, CREATE, &variables)["createWorkspaceServiceAccount"].clone()
}

#[test]
fn an_account_of_a_workspace_is_made_used_listed_and_deleted() {
    let list = format!(
        "query GetWorkspaceServiceAccounts($workspaceUuid: Uuid!) {{
            workspaceServiceAccounts(workspaceUuid: $workspaceUuid) {ACCOUNT} }}"
    );
    let delete = format!(
        "mutation deleteWorkspaceServiceAccount($serviceAccountUuid: Uuid!, $workspaceUuid: Uuid!) {{
            deleteWorkspaceServiceAccount(serviceAccountUuid: $serviceAccountUuid, workspaceUuid: $workspaceUuid) {ACCOUNT} }}"
    );
    for profile in Profile::ALL {
        let sandbox = version(profile, &[]);
        let made = account(&sandbox, "robot");
        let key = made["apiKey"].as_str().unwrap();
        assert_eq!((key.len(), &made["entityType"]), (32, &json!("WORKSPACE")), "{profile}");
        // It is an admin of its workspace, and of no other.
        let add = |workspace: &str| ask(&sandbox, key, ADD_TO, &json!({ "w": workspace, "e": STRANGER }));
        assert_eq!([add(DATA_PLATFORM).failed(), add(OPERATIONS).failed()], [false, true], "{profile}");
        let listed = run(&sandbox, &list, &json!({ "workspaceUuid": DATA_PLATFORM }));
        assert_eq!(listed["workspaceServiceAccounts"][0]["entityUuid"], DATA_PLATFORM, "{profile}");
        assert_eq!(sandbox.state().service_accounts.len(), 2);
        let variables = json!({ "serviceAccountUuid": made["id"], "workspaceUuid": DATA_PLATFORM });
        run(&sandbox, &delete, &variables);
        assert_eq!(sandbox.state().service_accounts.len(), 1);
        let again = ask(&sandbox, sandbox.token(), &delete, &variables);
        assert_eq!(again.error().0, "INTERNAL_SERVER_ERROR", "{profile}");
        let dead = ask(&sandbox, key, "{ self { user { id } } }", &Value::Null);
        assert!(dead.failed(), "{profile}");
    }
}

#[test]
fn two_accounts_of_a_workspace_cannot_share_a_label_and_a_viewer_makes_none() {
    let sandbox = version(Profile::V2, &[]);
    account(&sandbox, "robot");
    let create = |token: &str, label: &str, role: &str| -> Reply {
        ask(&sandbox, token, CREATE_ACCOUNT, &json!({ "label": label, "role": role, "w": DATA_PLATFORM }))
    };
    let taken = create(sandbox.token(), "robot", "WORKSPACE_VIEWER").error();
    assert_eq!(taken.1, "Service Account already exists with the name robot");
    assert_eq!(create(sandbox.token(), "other", "SYSTEM_ADMIN").error().1, "Invalid role");
    let tokens = sandbox.tokens().clone();
    create(&tokens.workspace_editor, "third", "WORKSPACE_VIEWER").data();
    assert_eq!(
        create(&tokens.workspace_viewer, "fourth", "WORKSPACE_VIEWER").error().1,
        "Insufficient permissions."
    );
    assert_eq!(
        create(&tokens.system_viewer, "fifth", "WORKSPACE_VIEWER").error().1,
        "Insufficient permissions."
    );
}

#[test]
fn an_account_of_a_deployment_is_made_listed_kept_in_the_state_and_deleted() {
    const CREATE: &str = "mutation createDeploymentServiceAccount($label: String!, $category: String, $deploymentUuid: Uuid!, $role: Role!) {
        createDeploymentServiceAccount(label: $label, category: $category, deploymentUuid: $deploymentUuid, role: $role) {
            id label apiKey entityType deploymentUuid category active lastUsedAt createdAt updatedAt } }";
    let list = format!(
        "query GetDeploymentServiceAccounts($deploymentUuid: Uuid!) {{
            deploymentServiceAccounts(deploymentUuid: $deploymentUuid) {ACCOUNT} }}"
    );
    let delete = format!(
        "mutation deleteDeploymentServiceAccount($serviceAccountUuid: Uuid!, $deploymentUuid: Uuid!) {{
            deleteDeploymentServiceAccount(serviceAccountUuid: $serviceAccountUuid, deploymentUuid: $deploymentUuid) {ACCOUNT} }}"
    );
    for profile in Profile::ALL {
        let sandbox = version(profile, &[]);
        let variables = json!({ "label": "ci", "deploymentUuid": DEPLOYMENT, "role": "DEPLOYMENT_EDITOR" });
        let made = run(&sandbox, CREATE, &variables)["createDeploymentServiceAccount"].clone();
        assert_eq!(made["deploymentUuid"], DEPLOYMENT, "{profile}");
        let kept = sandbox.state().service_accounts;
        assert_eq!((kept[1].deployment.as_deref(), kept[1].role), (Some(DEPLOYMENT), Role::DeploymentEditor));
        let again = Sandbox::of(sandbox.state(), crate::harness::by_hand::playing_as(profile, &[]));
        let listed = run(&again, &list, &json!({ "deploymentUuid": DEPLOYMENT }));
        assert_eq!(listed["deploymentServiceAccounts"][0]["label"], "ci", "{profile}");
        let variables = json!({ "serviceAccountUuid": made["id"], "deploymentUuid": DEPLOYMENT });
        run(&again, &delete, &variables);
        assert_eq!(again.state().service_accounts.len(), 1, "{profile}");
    }
}

#[test]
fn a_key_is_shown_in_full_only_for_ten_minutes() {
    let sandbox = version(Profile::V2, &["now=2026-01-01T12:00:00Z"]);
    account(&sandbox, "robot");
    let list = format!("{{ workspaceServiceAccounts(workspaceUuid: \"{DATA_PLATFORM}\") {{ apiKey }} }}");
    let shown = |sandbox: &Sandbox| {
        let answer = run(sandbox, &list, &Value::Null);
        answer["workspaceServiceAccounts"][0]["apiKey"].as_str().unwrap().to_owned()
    };
    let whole = shown(&sandbox);
    assert_eq!(whole.len(), 32);
    for (now, is_whole) in [("12:10:00", true), ("12:10:01", false)] {
        let switch = format!("now=2026-01-01T{now}Z");
        let later =
            Sandbox::of(sandbox.state(), crate::harness::by_hand::playing_as(Profile::V2, &[&switch]));
        assert_eq!(shown(&later), if is_whole { whole.clone() } else { format!("{}*", &whole[..6]) });
    }
}

#[test]
fn teams_are_answered_as_by_an_installation_that_has_none() {
    const LIST: &str =
        "query workspaceGetTeams($workspaceUuid: Uuid!) { workspaceTeams(workspaceUuid: $workspaceUuid) {
        id name roleBindings { role workspace { id label } deployment { id label } } } }";
    const PAGE: &str = "query paginatedTeams($take: Int, $cursor: Uuid, $workspaceUuid: Uuid) {
        paginatedTeams(take: $take, cursor: $cursor, workspaceUuid: $workspaceUuid) {
            count teams { id name roleBindings { role } } } }";
    const ONE: &str = "query team($teamUuid: Uuid!, $workspaceUuid: Uuid) {
        team(teamUuid: $teamUuid, workspaceUuid: $workspaceUuid) { name id createdAt
            roleBindings { id role workspace { id label } deployment { id label releaseName } } } }";
    const USERS: &str = "query GetTeamUsers($teamUuid: Uuid!) { teamUsers(teamUuid: $teamUuid) {
        username id emails { address verified primary } status } }";
    const ADD: &str = "mutation AddWorkspaceTeam($workspaceUuid: Uuid!, $teamUuid: Uuid!,
            $role: Role! = WORKSPACE_VIEWER, $deploymentRoles: [DeploymentRoles!] = []) {
        workspaceAddTeam(workspaceUuid: $workspaceUuid, teamUuid: $teamUuid, role: $role, deploymentRoles: $deploymentRoles) {
            id label description createdAt updatedAt } }";
    const UPDATE: &str =
        "mutation workspaceUpdateTeamRole($workspaceUuid: Uuid!, $teamUuid: Uuid!, $role: Role!) {
        workspaceUpdateTeamRole(workspaceUuid: $workspaceUuid, teamUuid: $teamUuid, role: $role) }";
    const REMOVE: &str = "mutation workspaceRemoveTeam($workspaceUuid: Uuid!, $teamUuid: Uuid!) {
        workspaceRemoveTeam(workspaceUuid: $workspaceUuid, teamUuid: $teamUuid) { id label } }";
    for profile in all_from(Profile::V0_28) {
        let sandbox = version(profile, &[]);
        let variables = json!({ "workspaceUuid": DATA_PLATFORM, "teamUuid": "ckteam", "role": "WORKSPACE_EDITOR", "take": 20 });
        assert_eq!(run(&sandbox, LIST, &variables)["workspaceTeams"], json!([]), "{profile}");
        let page = run(&sandbox, PAGE, &variables);
        assert_eq!(page["paginatedTeams"], json!({ "count": 0, "teams": [] }), "{profile}");
        let send = |document: &str| ask(&sandbox, sandbox.token(), document, &variables);
        for document in [ONE, USERS, UPDATE] {
            assert_eq!(send(document).error().0, "RESOURCE_NOT_FOUND", "{profile}");
        }
        assert_eq!(send(ADD).error().0, "INTERNAL_SERVER_ERROR", "{profile}");
        assert_eq!(send(REMOVE).data()["workspaceRemoveTeam"]["id"], DATA_PLATFORM, "{profile}");
    }
}
