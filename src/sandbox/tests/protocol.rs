//! HTTP and the steps before execution: statuses, codes, bodies.

use std::collections::BTreeMap;

use super::*;

fn styled(style: &str) -> Sandbox {
    with_switch(&format!("style={style}"))
}

fn raw(sandbox: &Sandbox, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut wire = Wire::to(sandbox);
    wire.send(method, path, headers, body);
    wire.receive().expect("an answer")
}

const JSON_BODY: (&str, &str) = ("Content-Type", "application/json");

#[test]
fn what_fails_before_execution_has_the_status_and_code_of_the_style() {
    let internal = "INTERNAL_SERVER_ERROR";
    let input = "BAD_USER_INPUT";
    for (query, variables, text, expected) in [
        ("{ self", json!({}), "Syntax Error: ", [(400, "GRAPHQL_PARSE_FAILED"); 3]),
        (
            "{ nothing }",
            json!({}),
            "Cannot query field \"nothing\" on type \"Query\".",
            [(400, "GRAPHQL_VALIDATION_FAILED"); 3],
        ),
        (
            "query { users(user: $u) { id } }",
            json!({}),
            "Variable \"$u\" is not defined",
            [(400, "GRAPHQL_VALIDATION_FAILED"); 3],
        ),
        (
            ADD,
            json!({ "e": "a@x.org", "r": "viewer" }),
            "Variable \"$r\" got invalid value \"viewer\"; ",
            [(400, internal), (400, input), (200, input)],
        ),
        (
            ADD,
            json!({ "e": 5, "r": "WORKSPACE_VIEWER" }),
            "Variable \"$e\" got invalid value 5; ",
            [(400, internal), (400, input), (200, input)],
        ),
        (
            ADD,
            json!({ "r": "WORKSPACE_VIEWER" }),
            "Variable \"$e\" of required type \"String!\" was not provided.",
            [(400, internal), (400, input), (200, input)],
        ),
        (
            ADD,
            json!({ "e": null, "r": "WORKSPACE_VIEWER" }),
            "Variable \"$e\" of non-null type \"String!\" must not be null.",
            [(400, internal), (400, input), (200, input)],
        ),
    ] {
        for (style, (status, code)) in ["as2", "as3", "as4"].into_iter().zip(expected) {
            let sandbox = styled(style);
            let answer = ask(&sandbox, query, &variables);
            let (found, message) = answer.error();
            assert_eq!((answer.status, found.as_str()), (status, code), "{style} {query}");
            assert!(message.starts_with(text), "{style}: {message}");
            assert_eq!(answer.json().get("data"), None);
            assert_eq!(sandbox.audit().mutations_received, 0);
        }
    }
}

#[test]
fn a_bad_role_is_worded_as_the_version_of_the_time_did() {
    let variables = json!({ "e": "a@x.org", "r": "viewer" });
    let text = |style: &str| ask(&styled(style), ADD, &variables).error().1;
    assert!(text("as2").ends_with("Expected type Role."));
    assert!(text("as3").ends_with("Value \"viewer\" does not exist in \"Role\" enum."));
}

#[test]
fn an_old_version_does_not_know_newer_arguments_and_fields() {
    let sandbox = start(Profile::V0_23);
    let bypass =
        "mutation { workspaceAddUser(workspaceUuid: \"w\", email: \"a@x.org\", bypassInvite: true) { id } }";
    let answer = ask(&sandbox, bypass, &Value::Null);
    assert_eq!(answer.status, 400);
    let (code, message) = answer.error();
    assert_eq!(code, "GRAPHQL_VALIDATION_FAILED");
    assert!(message.starts_with("Unknown argument \"bypassInvite\" on field "), "{message}");
    let paged = ask(&sandbox, "{ paginatedWorkspaces(take: 1) { id } }", &Value::Null);
    assert_eq!(paged.error().1, "Cannot query field \"paginatedWorkspaces\" on type \"Query\".");
}

#[test]
fn what_does_not_fit_the_schema_is_counted_by_its_name_and_nothing_else_is() {
    let mut options = Options { profile: Profile::V0_23, ..Options::default() };
    options.switches.introspection = false;
    let sandbox = Sandbox::start(options).unwrap();
    let named = |name: &str, query: &str, variables: &Value| {
        let body = json!({ "operationName": name, "query": query, "variables": variables });
        raw(&sandbox, "POST", "/v1", &[JSON_BODY], &body.to_string())
    };
    named("Fits", "query Fits { appConfig { version } }", &json!({}));
    named("Denied", "query Denied { users { id } }", &json!({}));
    assert_eq!(sandbox.audit().unfit, BTreeMap::new());
    for _ in 0..2 {
        named("Pages", "query Pages { paginatedWorkspaces { id } }", &json!({}));
    }
    named("Schema", "query Schema { __schema { queryType { name } } }", &json!({}));
    let role = "query Role($u: Uuid!) { workspace(workspaceUuid: $u) { id } }";
    named("Role", role, &json!({ "u": null }));
    ask(&sandbox, "{ nothing }", &Value::Null);
    let counts = [("", 1), ("Pages", 2), ("Role", 1), ("Schema", 1)];
    assert_eq!(sandbox.audit().unfit, counts.map(|(name, count)| (name.to_owned(), count)).into());
}

#[test]
fn bodies_that_are_no_request_are_answered_as_the_style_does() {
    for (style, statuses) in [("as2", [400, 500, 500, 405]), ("as3", [400, 400, 400, 405]), ("as4", [400; 4])]
    {
        let sandbox = styled(style);
        let query = "/v1?query=mutation%7BinviteUser(email:%22a@x.org%22)%7Bid%7D%7D";
        let found = [
            raw(&sandbox, "POST", "/v1", &[JSON_BODY], "{\"query\":"),
            raw(&sandbox, "POST", "/v1", &[JSON_BODY], ""),
            raw(&sandbox, "POST", "/v1", &[("Content-Type", "text/plain")], "{}"),
            raw(&sandbox, "GET", query, &[("Authorization", sandbox.token())], ""),
        ];
        assert_eq!(found.each_ref().map(|answer| answer.status), statuses, "{style}");
        assert!(found[0].headers.contains("text/html"));
        assert_eq!(sandbox.audit().mutations_received, 0);
    }
}

#[test]
fn queries_may_come_by_get() {
    let sandbox = styled("as3");
    let answer = raw(&sandbox, "GET", "/v1?query=%7BappConfig%7Bversion%7D%7D", &[], "");
    assert_eq!(answer.data()["appConfig"]["version"], "2.1.0");
    assert_eq!(raw(&sandbox, "GET", "/v1", &[], "").status, 400);
}

#[test]
fn a_body_above_the_limit_is_413_in_html_and_one_at_the_limit_is_not() {
    let sandbox = start(Profile::V2);
    for (size, status) in [(100 * 1024, 200), (100 * 1024 + 1, 413), (1_000_000, 413)] {
        let start = "{\"query\":\"{ appConfig { version } }\",\"pad\":\"";
        let body = format!("{start}{}\"}}", "x".repeat(size - start.len() - 2));
        let answer = raw(&sandbox, "POST", "/v1", &[JSON_BODY], &body);
        assert_eq!((answer.status, answer.headers.contains("text/html")), (status, status == 413), "{size}");
    }
}

#[test]
fn batches_are_refused_unless_switched_on() {
    let body = "[{\"query\":\"{ appConfig { version } }\"},{\"query\":\"{ nothing }\"}]";
    let refused = raw(&start(Profile::V2), "POST", "/v1", &[JSON_BODY], body);
    assert_eq!((refused.status, refused.error().0.as_str()), (400, "BAD_REQUEST"));
    let sandbox = with_switch("batch=true");
    let answers = raw(&sandbox, "POST", "/v1", &[JSON_BODY], body).json();
    assert_eq!(answers[0]["data"]["appConfig"]["version"], "2.1.0");
    assert_eq!(answers[1]["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
}

#[test]
fn other_paths_are_health_audit_state_and_404() {
    let sandbox = start(Profile::V2);
    assert_eq!(raw(&sandbox, "GET", "/v1/healthz", &[], "").text(), "{}");
    let missing = raw(&sandbox, "GET", "/v2", &[], "");
    assert_eq!((missing.status, missing.headers.contains("text/html")), (404, true));
    add(&sandbox, FINANCE, STRANGER, "WORKSPACE_VIEWER").data();
    let audit: Audit = serde_json::from_slice(&raw(&sandbox, "GET", "/audit", &[], "").body).unwrap();
    assert_eq!(audit.entries, sandbox.audit().entries);
    assert_eq!(raw(&sandbox, "GET", "/audit?entries=0", &[], "").json()["entries"], json!([]));
    let state: State = serde_json::from_slice(&raw(&sandbox, "GET", "/state", &[], "").body).unwrap();
    assert_eq!(state, sandbox.state());
    let again = Sandbox::start_with(Options::default(), state.clone()).unwrap();
    assert_eq!(again.state(), state);
}

#[test]
fn introspection_can_be_switched_off() {
    let query = "{ __schema { queryType { name } } __type(name: \"Role\") { enumValues { name } } }";
    let on = ask(&start(Profile::V2), query, &Value::Null).data();
    assert_eq!(on["__type"]["enumValues"].as_array().unwrap().len(), 10);
    let off = ask(&with_switch("introspection=false"), query, &Value::Null);
    assert_eq!((off.status, off.error().0.as_str()), (400, "GRAPHQL_VALIDATION_FAILED"));
}

#[test]
fn a_failing_alias_is_null_alone_or_stops_and_hides_the_others_if_non_null() {
    let query = format!(
        "mutation {{
          a: workspaceAddUser(workspaceUuid: \"{FINANCE}\", email: \"{STRANGER}\") {{ id }}
          b: workspaceAddUser(workspaceUuid: \"{FINANCE}\", email: \"bad\") {{ id }}
          c: workspaceAddUser(workspaceUuid: \"{FINANCE}\", email: \"{VIEWER}x\") {{ id }}
        }}"
    );
    let nullable = start(Profile::V2);
    let answer = ask(&nullable, &query, &Value::Null).json();
    assert_eq!(answer["data"], json!({ "a": { "id": FINANCE }, "b": null, "c": { "id": FINANCE } }));
    assert_eq!(answer["errors"][0]["path"], json!(["b"]));
    assert_eq!((nullable.audit().mutations_applied, nullable.audit().mutations_received), (2, 3));

    let non_null = with_switch("add-user-non-null=true");
    let answer = ask(&non_null, &query, &Value::Null);
    assert_eq!((answer.status, &answer.json()["data"]), (200, &Value::Null));
    assert_eq!(answer.json()["errors"][0]["path"], json!(["b"]));
    assert_eq!(roles(&non_null, FINANCE, STRANGER), [Role::WorkspaceViewer]);
    assert_eq!(non_null.audit().mutations_applied, 1);
}

#[test]
fn errors_carry_extra_keys_on_request() {
    let sandbox = with_switch("error-extras=true");
    let error =
        ask(&sandbox, "{ workspaceUser(workspaceUuid: \"x\", user: {}) { id } }", &Value::Null).json();
    let error = &error["errors"][0];
    assert!(error["level"].as_str().unwrap().contains('\u{1b}'));
    assert!(error["timestamp"].is_string() && error["extensions"]["exception"]["stacktrace"].is_array());
}

#[test]
fn one_connection_serves_many_requests_and_the_audit_counts_them() {
    let sandbox = start(Profile::V2);
    let mut wire = Wire::to(&sandbox);
    for number in 0..20 {
        let answer = wire.post(sandbox.token(), &add_body(FINANCE, &format!("p{number}@x.org")));
        answer.unwrap().data();
    }
    let audit = sandbox.audit();
    assert_eq!((audit.requests, audit.connections, audit.peak_in_flight), (20, 1, 1));
    assert_eq!((audit.mutations_received, audit.mutations_applied, audit.mutations_refused), (20, 20, 0));
    assert_eq!(audit.per_second.iter().sum::<u64>(), 20);
    assert_eq!(audit.max_requests_in_any_second, 20);
    assert_eq!(audit.statuses[&200], 20);
    let entry = &audit.entries[4];
    assert_eq!(
        (entry.seq, entry.field.as_str(), entry.operation_name.as_deref()),
        (5, "workspaceAddUser", Some("Add"))
    );
    assert_eq!((entry.workspace.as_deref(), entry.email.as_deref()), (Some(FINANCE), Some("p4@x.org")));
    assert_eq!((entry.role.as_deref(), entry.caller.as_str()), (Some("WORKSPACE_VIEWER"), ADMIN));
    assert_eq!((entry.outcome, entry.detail.as_deref()), (Applied::Applied, Some("pending user")));
}

#[test]
fn a_cap_makes_requests_queue() {
    let mut options = Options { latency: Duration::from_millis(60), ..Options::default() };
    options.switches.concurrency_cap = 1;
    let sandbox = Sandbox::start(options).unwrap();
    let begin = std::time::Instant::now();
    let mut wires = (0..3).map(|_| Wire::to(&sandbox)).collect::<Vec<_>>();
    for wire in &mut wires {
        wire.send("POST", "/v1", &[JSON_BODY], "{\"query\":\"{ appConfig { version } }\"}");
    }
    for wire in &mut wires {
        wire.receive().unwrap().data();
    }
    assert!(begin.elapsed() >= Duration::from_millis(180));
    assert!(sandbox.audit().peak_in_flight >= 2);
}

#[test]
fn a_taken_port_and_a_bad_state_file_are_errors_with_a_cause() {
    let sandbox = start(Profile::V2);
    let port = sandbox.url().trim_end_matches("/v1").rsplit(':').next().unwrap().parse().unwrap();
    let error = Sandbox::start(Options { port, ..Options::default() }).err().unwrap();
    assert_eq!(error.to_string(), format!("cannot listen on 127.0.0.1:{port}"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    std::fs::write(&path, "{\"users\": 5}").unwrap();
    let error = Sandbox::start(Options { state: Some(path.clone()), ..Options::default() }).err().unwrap();
    assert!(error.to_string().starts_with("cannot use the state file"));
    std::fs::write(&path, "email,role,workspace\nana@x.org,viewer,Team A\n").unwrap();
    let sandbox = Sandbox::start(Options { state: Some(path), ..Options::default() }).unwrap();
    let data = ask(&sandbox, "{ sysWorkspaces { label users { username } } }", &Value::Null).data();
    assert_eq!(data["sysWorkspaces"], json!([{ "label": "Team A", "users": [{ "username": "ana@x.org" }] }]));
}

#[test]
fn a_dropped_sandbox_no_longer_answers() {
    let sandbox = start(Profile::V2);
    let mut wire = Wire::to(&sandbox);
    wire.post(sandbox.token(), &add_body(FINANCE, STRANGER)).unwrap().data();
    let address = sandbox.url().trim_start_matches("http://").trim_end_matches("/v1").to_owned();
    drop(sandbox);
    assert!(TcpStream::connect(address).is_err());
    assert!(wire.receive().is_none());
}

#[test]
fn a_request_that_names_another_machine_is_refused() {
    let sandbox = start(Profile::default());
    let status = |head: &str| {
        let mut wire = Wire::to(&sandbox);
        wire.0.get_mut().write_all(format!("{head}\r\n").as_bytes()).unwrap();
        wire.receive().map(|answer| (answer.status, answer.text()))
    };
    for host in
        ["localhost", "LOCALHOST:8871", "localhost.", "127.0.0.1:1", "127.1.2.3", "[::1]:8871", "[::1]"]
    {
        let (code, _) = status(&format!("GET /v1/healthz HTTP/1.1\r\nHost: {host}\r\n")).unwrap();
        assert_eq!(code, 200, "{host}");
    }
    for host in [
        "rebound.example.com",
        "rebound.example.com:8871",
        "localhost.example.com",
        "x.localhost",
        "127.0.0.1.example.com",
        "127.0.0.1@example.com",
        "192.0.2.1",
        "0.0.0.0:8871",
        "[::]:8871",
        "localhost:x",
        "",
    ] {
        for path in ["/v1", "/v1/healthz", "/audit", "/state", "/"] {
            let (code, text) = status(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n")).unwrap();
            assert_eq!(code, 421, "{host} {path}");
            assert!(text.contains("Host") && text.contains("localhost"), "{text}");
        }
    }
    let (code, _) = status("GET /v1/healthz HTTP/1.1\r\n").unwrap();
    assert_eq!(code, 421, "no host");
    let (code, _) = status("GET http://a.example.com/state HTTP/1.1\r\nHost: localhost\r\n").unwrap();
    assert_eq!(code, 421, "the host of the request line");
    let (code, _) = status("GET /v1/healthz HTTP/1.0\r\n").unwrap();
    assert_eq!(code, 200, "before HTTP/1.1 there was none");
}
