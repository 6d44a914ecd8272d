//! `doctor` through the program: against every version, every caller, and whatever else may
//! stand where Houston should be.

#![cfg(all(feature = "sandbox", unix))]

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use crate::harness::{Finished, Sandbox, Server, Stopwatch, Workdir, answer, faulty, json};
use houston_onboard::sandbox::{Options, Profile, Switches, Version};
use serde_json::{Value, json};

const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJ1dWlkIjoic2VjcmV0In0.c2lnbmF0dXJlLXNlY3JldA";

/// The checks of a run with `--format json`.
struct Checks(Value);

impl Checks {
    #[track_caller]
    fn of(run: &Finished) -> Self {
        let document: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(document["schema_version"], 1);
        assert_eq!(document["exit_status"], run.status.unwrap());
        Self(document["checks"].clone())
    }

    fn all(&self, name: &str) -> Vec<&Value> {
        self.0.as_array().unwrap().iter().filter(|check| check["check"] == name).collect()
    }

    #[track_caller]
    fn one(&self, name: &str) -> &Value {
        let found = self.all(name);
        assert_eq!(found.len(), 1, "{name} in {:#}", self.0);
        found[0]
    }

    /// Asserts a verdict.
    #[track_caller]
    fn is(&self, name: &str, verdict: &str) -> &Self {
        assert_eq!(self.one(name)["verdict"], verdict, "{name} in {:#}", self.0);
        self
    }

    /// Asserts that a text has these words.
    #[track_caller]
    fn says(&self, name: &str, words: &str) -> &Self {
        let check = self.one(name);
        let text = format!("{} {}", check["text"], check["next"]);
        assert!(text.contains(words), "{words} in {text}");
        self
    }
}

/// `doctor --format json` of this URL; repeats are few.
fn doctor(url: &str, token: &str, more: &[&str]) -> Finished {
    let workdir = Workdir::new();
    workdir.write(
        "roster.csv",
        "email,role,workspace\na@example.com,viewer,Finance\nb@example.com,viewer,Data Platform\n",
    );
    let call = workdir.call(["doctor", "--url", url, "--rate", "none"]);
    let call = if token.is_empty() { call } else { call.token(token) };
    let call = if more.contains(&"--format") { call } else { call.args(&["--format", "json"]) };
    let call = if more.contains(&"--retries") { call } else { call.args(&["--retries", "1"]) };
    let run = call.args(more).run();
    run.began_nothing();
    run
}

fn with(profile: Profile, switches: Switches) -> Sandbox {
    Sandbox::with(Options { profile, switches, ..Options::default() })
}

#[test]
fn a_good_target_is_found_good_by_people_and_machines() {
    let sandbox = Sandbox::new();
    let run = doctor(sandbox.url(), sandbox.token(), &["roster.csv"]).ended(0);
    let checks = Checks::of(&run);
    for name in [
        "connection",
        "Houston",
        "token",
        "token life",
        "caller",
        "rights",
        "roster",
        "version",
        "offers",
        "bypassInvite",
        "repeats",
        "login",
        "mail",
        "latency",
    ] {
        checks.is(name, "ok");
    }
    checks.is("name", "skipped").is("TLS", "skipped").is("user management", "unknown").is("SCIM", "unknown");
    assert_eq!(checks.one("version")["details"]["version"], "2.1.0");
    assert_eq!(checks.all("workspace").len(), 2);
    assert!(checks.all("workspace").iter().all(|check| check["verdict"] == "ok"));
    sandbox.received_no_mutation();

    let workdir = Workdir::new();
    let human = workdir.call(["doctor"]).to(&sandbox).run().ended(0);
    assert!(human.stdout.contains("ok       version          2.1.0\n"), "{}", human.stdout);
    assert!(human.stdout.contains("ready to run"), "{}", human.stdout);
    assert!(!human.stdout.contains('\u{1b}'), "no colours off a terminal");
    let coloured = workdir.call(["doctor", "--color", "always"]).to(&sandbox).run().ended(0);
    assert!(coloured.stdout.contains("\u{1b}["), "{}", coloured.stdout);
    let embedded = workdir.run(["doctor", "--sandbox"]).ended(0);
    assert!(embedded.stdout.contains("ready to run"), "{}", embedded.stdout);
}

#[test]
fn every_version_is_told_with_what_it_offers_and_demands() {
    for (profile, version, pages, bypass, repeats) in [
        (Profile::V0_16, "0.16.1", "warning", "warning", "warning"),
        (Profile::V0_23, "0.23.9", "warning", "warning", "unknown"),
        (Profile::V0_25, "0.25.4", "warning", "ok", "unknown"),
        (Profile::V0_28, "0.28.6", "warning", "ok", "unknown"),
        (Profile::V0_30, "0.30.4", "ok", "ok", "unknown"),
        (Profile::V1, "1.0.0", "ok", "ok", "unknown"),
        (Profile::V2, "2.1.0", "ok", "ok", "ok"),
    ] {
        for introspection in [true, false] {
            let sandbox = with(profile, Switches { introspection, ..Switches::default() });
            let checks = Checks::of(&doctor(sandbox.url(), sandbox.token(), &[]).ended(0));
            checks.is("offers", pages).is("bypassInvite", bypass).is("repeats", repeats);
            checks.says("version", version);
            checks.says("offers", if introspection { "from its schema" } else { "from its version" });
        }
    }
}

#[test]
fn a_server_that_tells_no_version_is_unknown_and_its_schema_tells_the_rest() {
    let sandbox = with(Profile::V1, Switches { version: Version::Null, ..Switches::default() });
    let checks = Checks::of(&doctor(sandbox.url(), sandbox.token(), &[]).ended(0));
    checks.is("version", "unknown").is("offers", "ok").is("bypassInvite", "ok").is("repeats", "unknown");
    let switches = Switches { version: Version::Null, introspection: false, ..Switches::default() };
    let sandbox = with(Profile::V1, switches);
    let checks = Checks::of(&doctor(sandbox.url(), sandbox.token(), &[]).ended(0));
    checks.is("version", "unknown").is("offers", "unknown").is("bypassInvite", "unknown");
}

#[test]
fn local_passwords_and_mail_are_told() {
    for (local_auth, sso, smtp, login, mail) in [
        (true, false, true, "warning", "ok"),
        (true, false, false, "warning", "warning"),
        (true, true, true, "warning", "ok"),
        (false, true, false, "ok", "ok"),
        (false, false, true, "warning", "ok"),
    ] {
        let sandbox = with(
            Profile::V2,
            Switches {
                local_auth: Some(local_auth),
                sso: Some(sso),
                smtp: Some(smtp),
                ..Switches::default()
            },
        );
        let checks = Checks::of(&doctor(sandbox.url(), sandbox.token(), &[]).ended(0));
        checks.is("login", login).is("mail", mail);
        assert_eq!(checks.one("mail")["details"]["smtp"], smtp);
        if local_auth {
            checks.says("login", "never log in").says("login", "--send-invites");
        }
    }
}

#[test]
fn a_dead_token_does_not_hide_what_houston_tells_anybody() {
    let sandbox = Sandbox::new();
    let checks = Checks::of(&doctor(sandbox.url(), &sandbox.tokens().expired, &["roster.csv"]).ended(4));
    checks.is("token", "ok").is("token life", "failed").is("caller", "failed").is("rights", "skipped");
    checks.is("Houston", "ok").is("login", "ok").is("mail", "ok").is("workspace", "skipped");
    checks.is("version", "ok").says("token life", "2026-01-02");

    let key = "0".repeat(32);
    let checks = Checks::of(&doctor(sandbox.url(), &key, &[]).ended(4));
    checks.is("token", "ok").is("token life", "ok").is("caller", "failed").is("version", "ok");

    let checks = Checks::of(&doctor(sandbox.url(), "", &["roster.csv"]).ended(4));
    checks.is("token", "failed").says("token", "HOUSTON_API_TOKEN");
    checks.is("caller", "skipped").is("version", "ok").is("Houston", "ok").is("workspace", "skipped");
}

#[test]
fn every_caller_is_told_what_it_may_do_where() {
    let sandbox = Sandbox::new();
    let tokens = sandbox.tokens();
    // Finance, Data Platform
    for (token, status, rights, finance, platform) in [
        (&tokens.system_admin, 0, "ok", "ok", "ok"),
        (&tokens.service_account, 0, "ok", "ok", "ok"),
        (&tokens.workspace_admin, 4, "ok", "failed", "ok"),
        (&tokens.workspace_viewer, 4, "warning", "failed", "failed"),
        (&tokens.system_viewer, 4, "warning", "failed", "failed"),
    ] {
        let checks = Checks::of(&doctor(sandbox.url(), token, &["roster.csv"]).ended(status));
        checks.is("rights", rights).is("caller", "ok");
        let verdicts: Vec<&Value> =
            checks.all("workspace").into_iter().map(|check| &check["verdict"]).collect();
        assert_eq!(verdicts, [finance, platform], "{:#}", checks.0);
        // Without a roster nothing has failed.
        doctor(sandbox.url(), token, &[]).ended(0).began_nothing();
    }
    let checks = Checks::of(&doctor(sandbox.url(), &tokens.service_account, &[]).ended(0));
    checks.says("token life", "does not expire").says("caller", "a service account");
    assert_eq!(checks.one("token")["details"]["kind"], "service_account");
    sandbox.received_no_mutation();
}

#[test]
fn what_is_wrong_with_a_roster_is_told_beside_everything_else() {
    let sandbox = Sandbox::new();
    let workdir = Workdir::new();
    workdir.write("bad.csv", "email,role,workspace\nnobody,viewer,Finance\na@example.com,viewer,Finanze\nb@example.com,viewer,Staging\nc@example.com,viewer,Finance\n");
    let call =
        |more: &[&str]| workdir.call(["doctor", "bad.csv", "--format", "json"]).to(&sandbox).args(more).run();
    let checks = Checks::of(&call(&[]).ended(3));
    checks.is("roster", "failed").is("version", "ok");
    let texts: Vec<String> = checks
        .all("workspace")
        .iter()
        .map(|check| format!("{} {} {}", check["verdict"], check["text"], check["next"]))
        .collect();
    assert!(
        texts.iter().any(|text| text.contains("failed") && text.contains("did you mean `Finance`?")),
        "{texts:?}"
    );
    assert!(
        texts.iter().any(|text| text.contains("2 workspaces have this label") && text.contains("ckstaging")),
        "{texts:?}"
    );
    Checks::of(&call(&["--skip-invalid", "--only", "workspace=Finance"]).ended(0)).is("roster", "warning");
    workdir.run(["doctor", "nowhere.csv", "--sandbox"]).ended(3).began_nothing();
}

#[test]
fn whatever_stands_in_front_is_found_out() {
    let watch = Stopwatch::take();
    let html = "content-type: text/html\r\n";
    for (status, headers, body, words) in [
        ("200 OK", html.to_owned(), "<html>Sign in</html>", "login page"),
        ("404 Not Found", html.to_owned(), "<html>default backend", "at this path"),
        ("302 Found", "location: https://sso.example.com/login\r\n".to_owned(), "", "sso.example.com"),
        ("403 Forbidden", html.to_owned(), "<html>blocked", "HTTP 403"),
        ("503 Unavailable", html.to_owned(), "<html>", "HTTP 503"),
        ("429 Too Many", "retry-after: 3600\r\n".to_owned(), "", "slow down"),
        ("503 Unavailable", "retry-after: 3600\r\n".to_owned(), "", "3600 s"),
    ] {
        let server = Server::start(move |_| answer(status, &headers, body));
        let run = doctor(&server.url(), TOKEN, &["roster.csv"]).ended(5);
        let checks = Checks::of(&run);
        checks.is("connection", "ok").is("Houston", "failed").says("Houston", words);
        checks.is("caller", "skipped").is("version", "skipped").is("workspace", "skipped").is("token", "ok");
        run.is_within(Duration::from_secs(20), &watch);
        assert!(server.asked().len() <= 2, "{status}: asked {} times", server.asked().len());
    }
    let server = Server::start(|_| answer("401 Unauthorized", "", "<html>who are you"));
    Checks::of(&doctor(&server.url(), TOKEN, &[]).ended(4)).is("caller", "failed").is("Houston", "unknown");
    let other = Server::start(|_| {
        json(&json!({ "errors": [{ "message": "Cannot query field \"x\" on type \"Query\".",
            "extensions": { "code": "GRAPHQL_VALIDATION_FAILED" } }] }))
    });
    Checks::of(&doctor(&other.url(), TOKEN, &[]).ended(5))
        .is("caller", "failed")
        .says("caller", "another GraphQL");
}

#[test]
fn nobody_at_the_door_is_said_at_once_and_not_waited_for() {
    let watch = Stopwatch::take();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // More repeats than make the pace think that Houston is away.
    let run = doctor(&format!("http://127.0.0.1:{port}/v1"), TOKEN, &["--retries", "7", "--max-wait", "2s"])
        .ended(5);
    let checks = Checks::of(&run);
    checks.is("connection", "failed").is("Houston", "skipped").is("token", "ok").is("version", "skipped");
    checks.is("latency", "skipped").is("clock", "unknown");
    run.is_within(Duration::from_secs(45), &watch);

    let run = doctor("https://no-such-host.invalid/v1", TOKEN, &[]).ended(5);
    let checks = Checks::of(&run);
    checks.is("name", "failed").is("connection", "skipped").is("TLS", "skipped").is("Houston", "skipped");
    run.is_within(Duration::from_secs(30), &watch);
}

#[test]
fn a_houston_that_never_answers_is_given_up_after_the_repeats() {
    let watch = Stopwatch::take();
    let sandbox = Sandbox::with(faulty("timeout=100%"));
    let run = doctor(sandbox.url(), sandbox.token(), &["--timeout", "300ms"]).ended(5);
    Checks::of(&run).is("connection", "ok").is("Houston", "failed").says("Houston", "--timeout");
    run.is_within(Duration::from_secs(10), &watch);
}

/// A server with a certificate that it signed itself, and the certificate (PEM).
fn self_signed() -> (Server, String) {
    use rcgen::{CertificateParams, KeyPair};
    use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio_rustls::rustls::{ServerConfig, ServerConnection, Stream, crypto::aws_lc_rs};
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let server = Server::over(
        |_| {
            json(&json!({ "data": { "appConfig": { "version": "2.0.0" }, "authConfig": null,
            "self": { "user": null, "authUserCapabilities": { "canSysAdmin": true } } } }))
        },
        move |socket, serve| {
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            serve(&mut Stream::new(&mut connection, socket));
        },
    );
    (server, certificate.pem())
}

#[test]
fn a_certificate_is_judged_apart_from_the_connection() {
    let (server, pem) = self_signed();
    let url = format!("https://localhost:{}/v1", server.port());
    let run = doctor(&url, TOKEN, &[]).ended(5);
    let checks = Checks::of(&run);
    checks
        .is("name", "ok")
        .is("connection", "ok")
        .is("TLS", "failed")
        .says("TLS", "--ca-file")
        .is("Houston", "skipped");
    assert_eq!(server.asked().len(), 0, "the token was not sent");

    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("ca.pem"), pem).unwrap();
    let checks = Checks::of(&doctor(&url, TOKEN, &["--ca-file", &path("ca.pem")]).ended(0));
    checks.is("name", "ok").is("TLS", "ok").is("Houston", "ok").is("rights", "ok");
    let checks = Checks::of(&doctor(&url, TOKEN, &["--ca-file", &path("none.pem")]).ended(5));
    checks.is("name", "skipped").is("connection", "skipped").is("TLS", "failed").says("TLS", "none.pem");
    let run = doctor(&url, TOKEN, &["--insecure"]).ended(0).says("--insecure");
    Checks::of(&run).is("TLS", "warning");
}

#[test]
fn a_clock_that_is_off_is_seen_by_the_date_of_an_answer() {
    for (offset, verdict, words) in
        [(-7200_i64, "warning", "ahead"), (7200, "warning", "behind"), (0, "ok", "agree")]
    {
        let server = Server::start(move |_| {
            let now = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + offset).unwrap();
            let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT");
            let body = json!({ "data": { "appConfig": { "version": "2.0.0" },
                "self": { "user": null, "isAdmin": true } } });
            answer("200 OK", &format!("date: {date}\r\n"), &body.to_string())
        });
        let checks = Checks::of(&doctor(&server.url(), TOKEN, &[]).ended(0));
        checks.is("clock", verdict).says("clock", words);
        let skew = checks.one("clock")["details"]["skew_seconds"].as_i64().unwrap();
        assert!((skew + offset).abs() <= 5, "{skew}");
    }
}

#[test]
fn hostile_texts_are_made_harmless_and_the_token_is_told_nowhere() {
    const HOSTILE: &str = "\u{1b}[5mred\u{1b}]0;pwned\u{7}\u{9b}2J\u{202e}txt.exe\r\nfailed: forged";
    let server = Server::start(|asked| {
        let word = format!("{HOSTILE} {}", asked.header("authorization").unwrap());
        json(&json!({ "data": { "appConfig": { "version": HOSTILE }, "authConfig": { "localEnabled": true,
            "providers": [] }, "self": { "user": { "id": HOSTILE, "username": word, "roleBindings": [] } } },
            "errors": [{ "message": word, "path": ["other"] }] }))
    });
    for format in ["human", "json"] {
        let run = doctor(&server.url(), TOKEN, &["--format", format, "--color", "always", "roster.csv"]);
        assert!(run.stdout.contains("pwned"), "{}", run.stdout);
        for text in [&run.stdout, &run.stderr] {
            for part in ["\u{1b}[5m", "\u{1b}]", "\u{7}", "\u{9b}", "\u{202e}", "\r", "\nfailed: forged"] {
                assert!(!text.contains(part), "{part:?} in {text:?}");
            }
            assert!(!text.contains(TOKEN.rsplit('.').next().unwrap()), "{text}");
        }
    }
}
