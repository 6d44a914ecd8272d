//! What each fault does to the client and to the state.

use super::*;

/// Sends one add under a fault; the answer, and whether it was applied.
fn under(fault: &str) -> (Option<Answer>, bool) {
    let sandbox = with_faults(fault);
    let answer = Wire::to(&sandbox).post(sandbox.token(), &add_body(FINANCE, STRANGER));
    let applied = !roles(&sandbox, FINANCE, STRANGER).is_empty();
    let audit = sandbox.audit();
    assert_eq!(audit.mutations_applied, u64::from(applied), "{fault}");
    assert_eq!(audit.mutations_received, 1);
    let name = fault.trim_start_matches("all:").split('=').next().unwrap();
    assert_eq!(audit.faults.get(name), Some(&1), "{fault}");
    (answer, applied)
}

#[test]
fn a_closed_connection_says_nothing_about_what_was_done() {
    for (fault, expected) in [("reset=100%", true), ("reset-before=100%", false)] {
        let (answer, applied) = under(fault);
        assert!(answer.is_none(), "{fault}: {answer:?}");
        assert_eq!(applied, expected, "{fault}");
    }
}

#[test]
fn a_gateway_page_comes_before_or_after_the_work() {
    for status in [502, 503, 504] {
        for (suffix, expected) in [("", false), ("-after", true)] {
            let (answer, applied) = under(&format!("{status}{suffix}=100%"));
            let answer = answer.unwrap();
            assert_eq!((answer.status, applied), (status, expected));
            assert!(answer.headers.contains("text/html") && answer.text().contains("nginx"));
        }
    }
}

#[test]
fn too_many_requests_tells_when_to_come_back() {
    let (answer, applied) = under("429=100%:1500ms");
    let answer = answer.unwrap();
    assert_eq!((answer.status, applied), (429, false));
    assert!(answer.headers.contains("retry-after: 2\r\n"), "{}", answer.headers);
    let (answer, applied) = under("429-date=100%:2s");
    let headers = answer.unwrap().headers;
    let date = headers.split("retry-after: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    // The helper lower-cases headers, which a date does not survive.
    assert!(date.ends_with("gmt") && date.contains(", "), "{date}");
    assert!(!applied);
}

#[test]
fn pages_of_others_come_with_status_200() {
    let (answer, applied) = under("html=100%");
    let answer = answer.unwrap();
    assert_eq!((answer.status, applied), (200, false));
    assert!(answer.headers.contains("text/html"));
    let (answer, applied) = under("foreign=100%");
    let json = answer.unwrap().json();
    assert!(!applied && json.get("data").is_none() && json.get("errors").is_none());
}

#[test]
fn an_internal_error_reads_the_same_before_and_after() {
    let (before, done_before) = under("ise=100%");
    let (after, done_after) = under("ise-after=100%");
    assert_eq!((done_before, done_after), (false, true));
    let (before, after) = (before.unwrap(), after.unwrap());
    assert_eq!((before.status, before.text()), (200, after.text()));
    assert_eq!(before.error().0, "INTERNAL_SERVER_ERROR");
}

#[test]
fn a_truncated_answer_breaks_off_after_the_work() {
    let sandbox = with_faults("truncated=100%");
    let mut wire = Wire::to(&sandbox);
    let headers = [("Content-Type", "application/json"), ("Authorization", sandbox.token())];
    wire.send("POST", "/v1", &headers, &add_body(FINANCE, STRANGER));
    let mut text = Vec::new();
    // The end may be orderly or not; what came before it counts.
    let _ = wire.0.read_to_end(&mut text);
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK") && text.contains("{\"data\":{\"wor"), "{text}");
    assert!(!text.contains(FINANCE), "{text}");
    assert_eq!(roles(&sandbox, FINANCE, STRANGER).len(), 1);
}

#[test]
fn a_lie_answers_success_and_does_nothing() {
    let (answer, applied) = under("lie=100%");
    assert_eq!(answer.unwrap().data()["workspaceAddUser"]["id"], FINANCE);
    assert!(!applied);
    let sandbox = with_faults("lie=100%");
    add(&sandbox, FINANCE, STRANGER, "WORKSPACE_VIEWER").data();
    let entry = &sandbox.audit().entries[0];
    assert_eq!((entry.outcome, entry.fault.as_deref()), (Applied::Refused, Some("lie")));
}

#[test]
fn a_timeout_applies_at_once_and_ends_with_the_gateways_patience() {
    let (answer, applied) = under("timeout=100%:20ms");
    assert_eq!((answer.unwrap().status, applied), (504, true));
}

#[test]
fn late_and_lag_both_answer_well() {
    for fault in ["late=100%:20ms", "lag=100%:20ms"] {
        let begin = std::time::Instant::now();
        let (answer, applied) = under(fault);
        answer.unwrap().data();
        assert!(applied && begin.elapsed() >= Duration::from_millis(20), "{fault}");
    }
}

#[test]
fn what_was_sent_is_carried_out_when_the_client_has_gone() {
    for setup in ["lag=100%:60ms", "slow=p50:60ms", "timeout=100%"] {
        let sandbox = with_faults(setup);
        let mut wire = Wire::to(&sandbox);
        let headers = [("Content-Type", "application/json"), ("Authorization", sandbox.token())];
        wire.send("POST", "/v1", &headers, &add_body(FINANCE, STRANGER));
        // Arrived, not answered: now the client disconnects.
        while sandbox.audit().requests == 0 {
            std::thread::yield_now();
        }
        drop(wire);
        let begin = std::time::Instant::now();
        // The audit is written right after the state.
        while sandbox.audit().mutations_applied == 0 {
            assert!(begin.elapsed() < Duration::from_secs(10), "{setup}: never applied");
            std::thread::yield_now();
        }
        assert!(!roles(&sandbox, FINANCE, STRANGER).is_empty(), "{setup}");
        assert_eq!(sandbox.audit().mutations_applied, 1);
    }
}

#[test]
fn a_users_token_dies_after_its_uses_and_an_accounts_key_does_not() {
    let sandbox = with_faults("token-dies=2");
    let query = "{ self { isAdmin } }";
    for _ in 0..2 {
        ask(&sandbox, query, &Value::Null).data();
    }
    assert_eq!(ask(&sandbox, query, &Value::Null).error().0, "FORBIDDEN");
    ask_as(&sandbox, SERVICE_ACCOUNT_KEY, query, &Value::Null).data();
    let admin = "maria.silva@example.com";
    let fresh = sandbox.fresh_token_of(admin, "2099-01-01T00:00:00Z".parse().unwrap()).unwrap();
    ask_as(&sandbox, &fresh, query, &Value::Null).data();
    let over = sandbox.fresh_token_of(admin, "2026-01-01T00:00:00Z".parse().unwrap()).unwrap();
    assert_eq!(ask_as(&sandbox, &over, query, &Value::Null).error().0, "FORBIDDEN");
    assert_eq!(sandbox.fresh_token_of("nobody@example.com", "2099-01-01T00:00:00Z".parse().unwrap()), None);
    sandbox.set_faults(Faults::default());
    ask(&sandbox, query, &Value::Null).data();
}

/// Adds forty people one by one under many faults; statuses (0: cut) and the state at the end.
fn rehearse(seed: u64) -> (Vec<u16>, State, u64) {
    let faults = "reset=10%,429=10%,503=10%,502-after=10%,truncated=10%,lie=5%,ise-after=10%";
    let mut options = Options { faults: faults.parse().unwrap(), seed, ..Options::default() };
    options.switches.set("now=2026-11-23T00:00:00Z").unwrap();
    let sandbox = Sandbox::start(options).unwrap();
    let fate = |number| {
        let body = add_body(FINANCE, &format!("p{number}@x.org"));
        Wire::to(&sandbox).post(sandbox.token(), &body).map_or(0, |answer| answer.status)
    };
    let statuses = (0..40).map(fate).collect();
    (statuses, sandbox.state(), sandbox.audit().mutations_applied)
}

#[test]
fn the_same_seed_and_requests_end_in_the_same_state() {
    let (statuses, state, applied) = rehearse(7);
    let again = rehearse(7);
    assert_eq!((&statuses, &state, applied), (&again.0, &again.1, again.2));
    assert!(statuses.contains(&0) && statuses.contains(&429) && statuses.contains(&503));
    assert!(applied > 10 && applied < 40);
    assert_ne!(statuses, rehearse(8).0);
}

#[test]
fn faults_can_be_changed_while_it_runs() {
    let sandbox = with_faults("read:503=100%");
    assert_eq!(ask(&sandbox, "{ appConfig { version } }", &Value::Null).status, 503);
    add(&sandbox, FINANCE, STRANGER, "WORKSPACE_VIEWER").data();
    sandbox.set_faults(Faults::default());
    ask(&sandbox, "{ appConfig { version } }", &Value::Null).data();
}
