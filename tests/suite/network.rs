//! A network that means no good: whatever comes instead of an answer, the program ends soon, in
//! little memory, with a sentence, and every row ends as the truth says.

#![cfg(all(feature = "sandbox", unix))]

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::harness::{
    self, Asked, Call, Finished, MODELS, Sandbox, Server, Stopwatch, Stream, Workdir, answer, playing, pour,
    read_request, relay, roster,
};
use houston_onboard::sandbox::{Model, Options};
use serde_json::json;

const ONE: &str = "email,role,workspace\nnew.hire@example.com,viewer,Finance\n";
const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJ1dWlkIjoic2VjcmV0In0.c2lnbmF0dXJlLXNlY3JldA";
/// What a run of one row may take at most, in MiB: it needs about 25.
const LITTLE: u64 = 100;

/// Answers one request, in whatever way.
type Act = Arc<dyn Fn(&mut dyn Stream) + Send + Sync>;

/// A server whose every answer is written by hand. It lives as long as the test.
struct Raw {
    port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Raw {
    /// One request per connection.
    fn start(act: impl Fn(&Asked, &mut dyn Stream) + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), 1, act)
    }

    /// So many requests per connection, which is then closed without a word.
    fn on(
        listener: TcpListener,
        requests: usize,
        act: impl Fn(&Asked, &mut dyn Stream) + Send + Sync + 'static,
    ) -> Self {
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (noted, act) = (Arc::clone(&asked), Arc::new(act));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let (noted, act) = (Arc::clone(&noted), Arc::clone(&act));
                std::thread::spawn(move || {
                    for _ in 0..requests {
                        let Some(request) = read_request(&mut stream) else { return };
                        noted.lock().unwrap().push(request.clone());
                        act(&request, &mut stream);
                    }
                });
            }
        });
        Self { port, asked }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

fn says(bytes: impl Into<Vec<u8>>) -> Act {
    let bytes = bytes.into();
    Arc::new(move |stream| drop(stream.write_all(&bytes).and_then(|()| stream.flush())))
}

/// A beginning, and then the same for ever.
fn forever(head: &str, again: impl Into<Vec<u8>>, slowly: bool) -> Act {
    let (head, again) = (head.to_owned(), again.into());
    Arc::new(move |stream| {
        let _ = stream.write_all(head.as_bytes());
        pour(stream, &again, slowly);
    })
}

/// A good answer with this body.
fn ok(body: impl AsRef<[u8]>) -> Vec<u8> {
    with_headers("", body)
}

fn with_headers(headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A gigabyte of blanks, compressed: a block that ends on a byte, again and again.
fn bomb() -> Vec<u8> {
    let mut block = Vec::with_capacity(1 << 16);
    flate2::Compress::new(flate2::Compression::best(), false)
        .compress_vec(&vec![b' '; 1 << 20], &mut block, flate2::FlushCompress::Full)
        .unwrap();
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], block.repeat(1 << 10).as_slice(), &[3, 0], &[0; 8]].concat()
}

/// A small body that is compressed so often.
fn packed(body: &[u8], times: usize) -> Vec<u8> {
    (0..times).fold(body.to_vec(), |body, _| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(&body).unwrap();
        packed.finish().unwrap()
    })
}

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

/// Ways to spoil an answer, with the words for them where the first answer of all is spoiled.
fn spoils() -> Vec<(&'static str, &'static str, Act)> {
    let chunked = format!("{HEAD}transfer-encoding: chunked\r\n\r\n");
    let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x10000], b"\r\n"].concat();
    let huge = format!("{HEAD}content-length: 10995116277760\r\n\r\n");
    let deep = |open: &str| format!("{{\"data\":{{\"self\":{}", open.repeat(200_000));
    vec![
        ("endless, declared", "longer than", forever(&huge, vec![b' '; 1 << 16], false)),
        ("endless, in chunks", "longer than", forever(&chunked, chunk, false)),
        ("endless, until closed", "longer than", forever(&format!("{HEAD}\r\n"), vec![b' '; 1 << 16], false)),
        ("declared and not sent", "in time", forever(&huge, b"", true)),
        ("gzip bomb", "longer than", says(with_headers("content-encoding: gzip\r\n", bomb()))),
        (
            "gzip in gzip",
            "something other than Houston answered",
            says(with_headers("content-encoding: gzip, gzip\r\n", packed(&bomb(), 2))),
        ),
        ("gzip cut off", "cut off", says(with_headers("content-encoding: gzip\r\n", &bomb()[..1000]))),
        (
            "brotli, not asked for",
            "something other than Houston answered",
            says(with_headers("content-encoding: br\r\n", b"\x1b\xff\0")),
        ),
        (
            "deflate, not asked for",
            "something other than Houston answered",
            says(with_headers("content-encoding: deflate\r\n", b"x\x9c\x03\0")),
        ),
        (
            "a header without end",
            "connection broke",
            forever(&format!("{HEAD}x-a: "), [b'a'; 1 << 12], false),
        ),
        ("headers without end", "connection broke", forever(HEAD, b"x-header: value\r\n".repeat(100), false)),
        ("one header at a time", "in time", forever(HEAD, b"x-a: b\r\n", true)),
        ("one byte at a time", "in time", forever(&format!("{HEAD}\r\n"), b" ", true)),
        ("100 for ever", "in time", forever("", b"HTTP/1.1 100 Continue\r\n\r\n", true)),
        (
            "101",
            "",
            says(*b"HTTP/1.1 101 Switching Protocols\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n"),
        ),
        (
            "204",
            "something other than Houston answered (HTTP 204)",
            says(*b"HTTP/1.1 204 No Content\r\n\r\n"),
        ),
        (
            "205",
            "something other than Houston answered (HTTP 205)",
            says(*b"HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n"),
        ),
        ("HTTP/0.9", "connection broke", says(*b"<html><body>It works!</body></html>\n")),
        ("another protocol", "connection broke", says(*b"SSH-2.0-OpenSSH_9.6\r\n")),
        ("nothing at all", "connection broke", says(*b"")),
        ("half a head", "connection broke", says(*b"HTTP/1.1 200 OK\r\ncontent-le")),
        ("a head only", "cut off", says(*b"HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\n")),
        (
            "two lengths",
            "connection broke",
            says(*b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}"),
        ),
        (
            "a length below zero",
            "connection broke",
            says(*b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}"),
        ),
        (
            "a page",
            "something other than Houston answered",
            says(answer("200 OK", "content-type: text/html\r\n", "<html>Sign in</html>")),
        ),
        ("nothing in it", "something other than Houston answered", says(ok(b""))),
        ("not UTF-8", "unexpected answer", says(ok(b"{\"data\":{\"self\":\"\xff\xfe\"}}"))),
        ("UTF-16", "something other than Houston answered", says(ok(b"\xff\xfe{\0}\0"))),
        ("brackets in brackets", "unexpected answer", says(ok(deep("[") + "}"))),
        ("objects in objects", "unexpected answer", says(ok(deep("{\"a\":") + "}"))),
        (
            "values without end",
            "more values",
            says(ok(format!("{{\"data\":{{\"self\":[{}0]}}}}", "{\"\":0},".repeat(8 << 20)))),
        ),
        (
            "errors without end",
            "more errors",
            says(ok(format!("{{\"errors\":[{{\"message\":\"x\"}}{}]}}", ",{\"\":0}".repeat(1 << 19)))),
        ),
        ("`data` is a list", "something other than Houston answered", says(ok(r#"{"data":[]}"#))),
        ("`data` is a text", "something other than Houston answered", says(ok(r#"{"data":"x"}"#))),
        ("`data` twice", "unexpected answer", says(ok(r#"{"data":{"x":1},"data":7}"#))),
        (
            "`errors` is an object",
            "something other than Houston answered",
            says(ok(r#"{"errors":{"message":"x"}}"#)),
        ),
    ]
}

/// Asserts that a call that came to nothing did so in time, in little memory, and kept its secret.
#[track_caller]
fn is_bounded(watch: &Stopwatch, what: &str, run: &Finished, seconds: u64) {
    run.is_within(Duration::from_secs(seconds), watch);
    assert!(run.peak_mib.is_none_or(|peak| peak <= LITTLE), "{what}: {:?} MiB", run.peak_mib);
    for secret in [TOKEN, TOKEN.rsplit('.').next().unwrap()] {
        assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{what}: {}", run.stderr);
    }
    assert!(run.stderr.lines().all(|line| line.chars().count() < 600), "{what}: {}", run.stderr);
}

#[test]
fn a_first_answer_of_no_use_ends_soon_in_little_memory_and_with_a_sentence() {
    let watch = Stopwatch::take();
    let one = |(what, words, act): (&str, &str, Act)| {
        let server = Raw::start(move |_, stream| act(stream));
        let workdir = Workdir::new();
        workdir.write("roster.csv", ONE);
        let run = workdir
            .call([
                "apply",
                "roster.csv",
                "--yes",
                "--url",
                &server.url(),
                "--retries",
                "0",
                "--timeout",
                "2s",
            ])
            .token(TOKEN)
            .run();
        assert_eq!(run.status, Some(5), "{what}: {}", run.stderr);
        is_bounded(&watch, what, &run, 20);
        assert!(run.stderr.contains(words), "{what}: {}", run.stderr);
        assert!(run.stderr.contains("cannot use http://127.0.0.1:"), "{what}: {}", run.stderr);
        run.began_nothing();
        assert!(!server.asked().is_empty(), "{what}");
    };
    let mut spoils = spoils();
    while !spoils.is_empty() {
        let few = spoils.split_off(spoils.len().saturating_sub(6));
        std::thread::scope(|scope| few.into_iter().for_each(|spoil| drop(scope.spawn(|| one(spoil)))));
    }
}

/// Whether a spoiled write is done nevertheless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    Yes,
    No,
}

/// In both models at once: a sandbox behind a network that spoils the first answer to every write,
/// each in another way.
fn spoiled_writes(done: Done) {
    let watch = Stopwatch::take();
    std::thread::scope(|scope| {
        for model in MODELS {
            let watch = &watch;
            scope.spawn(move || spoiled_writes_in(model, done, watch));
        }
    });
}

fn spoiled_writes_in(model: Model, done: Done, watch: &Stopwatch) {
    let sandbox = Sandbox::with(playing(model, Options::default()));
    let url = sandbox.url().to_owned();
    let acts: Vec<_> = spoils();
    let rows = acts.len();
    let met = Mutex::new(HashSet::new());
    let server = Raw::start(move |asked, stream| {
        let act = || {
            let mut met = met.lock().unwrap();
            met.insert(asked.variable("email")).then(|| Arc::clone(&acts[met.len() - 1].2))
        };
        match asked.operation().starts_with("AddMember").then(act).flatten() {
            Some(act) => {
                if done == Done::Yes {
                    relay(&url, asked);
                }
                act(stream);
            }
            None => drop(stream.write_all(&relay(&url, asked))),
        }
    });
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(rows, 4));
    let run = workdir
        .call(["apply", "roster.csv", "--yes", "--url", &server.url(), "--max-errors", "1000"])
        .token(sandbox.token())
        .quick()
        .env("HOUSTON_ONBOARD_TIMEOUT", "1s")
        .run();
    let what = format!("{model:?}, done: {done:?}");
    assert_eq!(run.status, Some(0), "{what}: {:?}\n{}", run.counts(), run.stderr);
    sandbox.agrees_with(&run);
    assert_eq!(run.count("added") + run.count("invited"), rows, "{what}");
    assert_eq!(sandbox.audit().mutations_applied, rows as u64, "{what}");
    is_bounded(watch, &what, &run, 60);
}

#[test]
fn a_spoiled_answer_to_a_write_that_was_done_doubles_nobody() {
    spoiled_writes(Done::Yes);
}

#[test]
fn a_spoiled_answer_to_a_write_that_was_not_done_loses_nobody() {
    spoiled_writes(Done::No);
}

/// A Houston that lets everything happen, in a few words; nobody is in it.
fn friendly(asked: &Asked) -> Vec<u8> {
    harness::json(&match asked.operation().as_str() {
        "Installation" => json!({ "data": { "appConfig": { "version": "1.0.0" }, "authConfig": null } }),
        "Caller" => json!({ "data": { "self": { "user": { "id": "ckme", "username": "me@example.com" } } } }),
        "SysWorkspaces" => {
            json!({ "data": { "sysWorkspaces": [{ "id": "ckfinance", "label": "Finance" }] } })
        }
        name if name.starts_with("AddMember") => {
            json!({ "data": { "workspaceAddUser": { "id": "ckfinance" } } })
        }
        _ => {
            json!({ "data": { "paginatedWorkspaceUsers": [], "workspaceUsers": [], "workspaceInvites": [] } })
        }
    })
}

/// A friendly Houston of which one operation is spoiled.
fn spoiled(operation: &'static str, act: impl Fn(&Asked, &mut dyn Stream) + Send + Sync + 'static) -> Raw {
    Raw::start(move |asked, stream| {
        if asked.operation().starts_with(operation) {
            act(asked, stream);
        } else {
            let _ = stream.write_all(&friendly(asked));
        }
    })
}

/// `apply` of one row.
fn apply_one<'w>(workdir: &'w Workdir, url: &str) -> Call<'w> {
    workdir.write("roster.csv", ONE);
    let call = workdir.call(["apply", "roster.csv", "--yes", "--url", url, "--retries", "0"]);
    call.token(TOKEN).quick().args(&["--max-wait", "1s"]).env("HOUSTON_ONBOARD_TIMEOUT", "5s")
}

#[test]
fn a_list_of_members_without_end_is_given_up() {
    const PAGE: usize = 250_000;
    let pages = AtomicUsize::new(0);
    let server = spoiled("MemberPage", move |_, stream| {
        let page = pages.fetch_add(1, Ordering::SeqCst);
        let mut body = String::from("{\"data\":{\"workspaceInvites\":[],\"paginatedWorkspaceUsers\":[");
        for person in page * PAGE..(page + 1) * PAGE {
            write!(body, "{{\"id\":\"u{person}\",\"username\":\"x\",\"roleBindings\":[]}},").unwrap();
        }
        body.pop();
        let _ = stream.write_all(&ok(body + "]}}"));
    });
    let workdir = Workdir::new();
    let run = apply_one(&workdir, &server.url()).env("HOUSTON_ONBOARD_TIMEOUT", "30s").run().ended(8);
    assert!(run.rows()[0]["detail"].contains("an endless member list"), "{:?}", run.rows());
    // The people of one page, taken apart: a page as long as is read at all.
    assert!(run.peak_mib.is_none_or(|peak| peak < 400), "{:?} MiB", run.peak_mib);
}

/// Makes an answer of a body.
type Way = fn(Vec<u8>) -> Vec<u8>;

#[test]
fn a_good_answer_is_one_whatever_it_is_called_and_however_it_comes() {
    let good = |asked: &Asked| {
        let bytes = friendly(asked);
        let at = bytes.windows(4).position(|part| part == b"\r\n\r\n").unwrap() + 4;
        bytes[at..].to_vec()
    };
    let ways: [(&str, Way); 8] = [
        ("another type", |body| with_headers("content-type: text/html; charset=latin-1\r\n", body)),
        ("no type", ok),
        ("a mark before it", |body| ok([b"\xEF\xBB\xBF", body.as_slice()].concat())),
        ("blanks around it", |body| ok([b" \r\n\t", body.as_slice(), b"\r\n\r\n"].concat())),
        ("compressed", |body| with_headers("content-encoding: gzip\r\n", packed(&body, 1))),
        ("after 100 and 103", |body| {
            let early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
            [early.as_slice(), &ok(body)].concat()
        }),
        ("until the connection ends", |body| [b"HTTP/1.0 200 OK\r\n\r\n", body.as_slice()].concat()),
        ("a byte at a time", |body| {
            let chunks = body.iter().flat_map(|&byte| [b'1', b'\r', b'\n', byte, b'\r', b'\n']);
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
            head.iter().copied().chain(chunks).chain(*b"0\r\n\r\n").collect()
        }),
    ];
    for (what, way) in ways {
        let server = Raw::start(move |asked, stream| drop(stream.write_all(&way(good(asked)))));
        let workdir = Workdir::new();
        let run = apply_one(&workdir, &server.url()).run();
        // Nobody is there afterwards: the write was acknowledged, and its proof fails.
        assert_eq!(run.status, Some(8), "{what}: {}", run.stderr);
        assert_eq!(run.count("in_doubt"), 1, "{what}: {:?}", run.rows());
    }
}

#[test]
fn numbers_for_texts_and_texts_for_numbers_end_with_a_sentence() {
    for (operation, status, body) in [
        ("Installation", 5, r#"{"data":{"appConfig":{"version":1.0},"authConfig":null}}"#),
        // Who we are is good to know, no more.
        ("Caller", 8, r#"{"data":{"self":7}}"#),
        ("SysWorkspaces", 5, r#"{"data":{"sysWorkspaces":[{"id":42,"label":"Finance"}]}}"#),
        ("SysWorkspaces", 5, r#"{"data":{"sysWorkspaces":{"id":"ckfinance"}}}"#),
        ("MemberPage", 8, r#"{"data":{"paginatedWorkspaceUsers":[{"id":1}],"workspaceInvites":[]}}"#),
        ("MemberPage", 8, r#"{"data":{"paginatedWorkspaceUsers":"none","workspaceInvites":[]}}"#),
        ("AddMember", 8, r#"{"data":{"workspaceAddUser":[]}}"#),
        ("AddMember", 8, r#"{"data":{"workspaceAddUser":false}}"#),
        ("AddMember", 8, r#"{"data":{"workspaceAddUser":null}}"#),
    ] {
        let server = spoiled(operation, move |_, stream| drop(stream.write_all(&ok(body))));
        let workdir = Workdir::new();
        let run = apply_one(&workdir, &server.url()).run();
        assert_eq!(run.status, Some(status), "{body}: {}", run.stderr);
        let writes = server.asked().iter().filter(|asked| asked.operation() == "AddMember").count();
        assert!(writes <= 1, "{body}: sent {writes} times");
    }
}

#[test]
fn a_redirect_of_a_write_is_followed_nowhere_and_stops_the_run() {
    for status in ["301 Moved Permanently", "303 See Other", "307 Temporary Redirect", "304 Not Modified"] {
        let thief = Raw::start(|_, stream| {
            let _ = stream.write_all(&ok("{\"data\":{\"workspaceAddUser\":{\"id\":\"x\"}}}"));
        });
        // To another origin, and to another place of the same one.
        for to in [thief.url().replace("127.0.0.1", "localhost"), "/v2".to_owned()] {
            let location = format!("location: {to}\r\n");
            let server = spoiled("AddMember", move |_, stream| {
                drop(stream.write_all(&answer(status, &location, "")));
            });
            let workdir = Workdir::new();
            let run = apply_one(&workdir, &server.url()).run().ended(5);
            assert_eq!(run.count("not_run"), 1, "{status} {to}: {:?}", run.rows());
            assert!(server.asked().iter().all(|asked| asked.head.starts_with("POST /v1 ")), "{to}");
            assert_eq!(server.asked().iter().filter(|asked| asked.operation() == "AddMember").count(), 1);
        }
        assert_eq!(thief.asked().len(), 0, "{status}");
    }
}

#[test]
fn connections_that_close_without_a_word_and_answers_nobody_asked_for_do_no_harm() {
    for (requests, extra) in [(1, false), (2, false), (3, true), (usize::MAX, true)] {
        for model in MODELS {
            let sandbox = Sandbox::with(playing(model, Options::default()));
            let url = sandbox.url().to_owned();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let server = Raw::on(listener, requests, move |asked, stream| {
                let bytes = relay(&url, asked);
                let at = bytes.windows(4).position(|part| part == b"\r\n\r\n").unwrap() + 4;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", bytes.len() - at);
                let mut bytes = [head.as_bytes(), &bytes[at..]].concat();
                if extra {
                    // Would be taken for the answer to the next request of this connection.
                    let forged = r#"{"data":{"workspaceAddUser":{"id":"x"}}}"#;
                    write!(bytes, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{forged}", forged.len())
                        .unwrap();
                }
                let _ = stream.write_all(&bytes);
            });
            let workdir = Workdir::new();
            workdir.write("roster.csv", roster(24, 3));
            let call = workdir.call(["apply", "roster.csv", "--yes", "--url", &server.url()]);
            let run = call.token(sandbox.token()).quick().env("HOUSTON_ONBOARD_TIMEOUT", "5s").run();
            assert_eq!(run.status, Some(0), "{requests} {extra}: {:?} {}", run.counts(), run.stderr);
            sandbox.agrees_with(&run);
            assert_eq!(sandbox.audit().mutations_applied, 24, "{requests} {extra}");
        }
    }
}

/// How a certificate is not as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    SelfSigned,
    OtherName,
    Expired,
    NotYet,
}

/// A friendly Houston behind TLS; gives its port and the certificate to be trusted (PEM).
fn behind_tls(flaw: Flaw) -> (Server, String) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
    use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio_rustls::rustls::{ServerConfig, ServerConnection, Stream, crypto::aws_lc_rs};

    let name = if flaw == Flaw::OtherName { "other.example.com" } else { "localhost" };
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    match flaw {
        Flaw::Expired => params.not_after = date_time_ymd(2020, 1, 2),
        Flaw::NotYet => params.not_before = date_time_ymd(2199, 1, 2),
        Flaw::None | Flaw::SelfSigned | Flaw::OtherName => {}
    }
    let key = KeyPair::generate().unwrap();
    let (leaf, trusted) = if flaw == Flaw::SelfSigned {
        let leaf = params.self_signed(&key).unwrap();
        let pem = leaf.pem();
        (leaf, pem)
    } else {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let pem = authority.self_signed(&authority_key).unwrap().pem();
        (params.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap(), pem)
    };
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let server = Server::over(friendly, move |socket, serve| {
        let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        serve(&mut Stream::new(&mut connection, socket));
    });
    (server, trusted)
}

#[test]
fn a_certificate_of_no_use_is_named_for_what_it_is() {
    let watch = Stopwatch::take();
    for (flaw, without, with) in [
        (Flaw::None, "UnknownIssuer", None),
        (Flaw::SelfSigned, "UnknownIssuer", None),
        (Flaw::OtherName, "", Some("other.example.com")),
        (Flaw::Expired, "", Some("expired")),
        (Flaw::NotYet, "", Some("not valid yet")),
    ] {
        let (server, trusted) = behind_tls(flaw);
        let workdir = Workdir::new();
        workdir.write("ca.pem", trusted);
        let url = format!("https://localhost:{}/v1", server.port());
        let run =
            apply_one(&workdir, &url).run().ended(5).says("no trusted TLS connection").says("--ca-file");
        assert!(run.stderr.contains(without), "{flaw:?}: {}", run.stderr);
        is_bounded(&watch, "TLS", &run, 20);
        assert_eq!(server.asked().len(), 0, "{flaw:?}: the token was sent");
        let run = apply_one(&workdir, &url).args(&["--ca-file", "ca.pem"]).run();
        if let Some(words) = with {
            assert_eq!(run.status, Some(5), "{flaw:?}: {}", run.stderr);
            assert!(run.stderr.contains(words), "{flaw:?}: {}", run.stderr);
            assert_eq!(server.asked().len(), 0, "{flaw:?}: the token was sent");
        } else {
            assert_eq!(run.count("in_doubt"), 1, "{flaw:?}: {}", run.stderr);
        }
    }
}

#[test]
fn tls_where_there_is_none_and_none_where_there_is_end_with_a_sentence() {
    let watch = Stopwatch::take();
    let (server, _) = behind_tls(Flaw::None);
    let workdir = Workdir::new();
    let run = apply_one(&workdir, &format!("http://localhost:{}/v1", server.port())).run().ended(5);
    is_bounded(&watch, "http to a TLS port", &run, 20);
    run.says("the connection broke").says("it may want https").began_nothing();
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/v1", plain.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in plain.incoming() {
            let _ = stream.unwrap().write_all(&answer("400 Bad Request", "", "<html>"));
        }
    });
    let run = apply_one(&workdir, &url).run().ended(5);
    is_bounded(&watch, "https to a plain port", &run, 20);
    run.says("no trusted TLS connection").says("the port speaks plain http, not https").began_nothing();
}

/// A name that no resolver is asked for, since it can be none.
fn impossible_name() -> String {
    format!("{}.example.com", "a".repeat(64))
}

#[test]
fn a_name_that_leads_nowhere_ends_with_a_sentence() {
    let watch = Stopwatch::take();
    let workdir = Workdir::new();
    let url = format!("https://{}/v1", impossible_name());
    let run = apply_one(&workdir, &url).run().ended(5).says("the name could not be resolved");
    is_bounded(&watch, "name", &run, 20);
    run.began_nothing();
    for url in ["http://houston.localhost/v1", "http://houston.localhost:9/v1"] {
        apply_one(&workdir, url).run().ended(2).says("plain http://").began_nothing();
    }
}

#[test]
fn a_url_with_a_password_is_refused_and_not_repeated() {
    let workdir = Workdir::new();
    for url in ["https://me:hush-hush@houston.example.com/v1", "http://me:hush-hush@127.0.0.1:9/v1"] {
        let run = apply_one(&workdir, url).run().ended(2).says("must not contain a user name or a password");
        assert!(!run.stderr.contains("hush-hush"), "{}", run.stderr);
        run.began_nothing();
    }
}

#[test]
fn a_proxy_of_no_use_ends_with_a_sentence_and_never_sees_the_token() {
    let watch = Stopwatch::take();
    let far = "https://houston.example.com/v1";
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let run = |proxy: u16, more: &[(&str, &str)], url: &str| {
        let workdir = Workdir::new();
        let address = format!("http://somebody:hush-hush@127.0.0.1:{proxy}");
        // A handshake that breaks off may be a Houston that is away: it is waited for.
        let mut call = apply_one(&workdir, url).env("HTTPS_PROXY", &address);
        call = call.env("HOUSTON_ONBOARD_MAX_WAIT", "1s");
        for (name, value) in more {
            call = call.env(name, value);
        }
        let run = call.run().ended(5);
        is_bounded(&watch, "proxy", &run, 20);
        assert!(!run.stderr.contains("hush-hush"), "{}", run.stderr);
        run.began_nothing();
        run
    };
    let told = run(dead, &[], far);
    assert!(told.stderr.contains("the proxy could not be used"), "{}", told.stderr);
    assert!(told.stderr.contains("NO_PROXY"), "{}", told.stderr);
    for act in [
        says(answer("407 Proxy Authentication Required", "", "")),
        says(answer("502 Bad Gateway", "", "<html>")),
        says(*b"HTTP/1.1 200 OK\r\n\r\nnot TLS at all"),
        says(*b""),
        forever("HTTP/1.1 200 OK\r\n", *b"x-a: b\r\n", true),
    ] {
        let proxy = Raw::start(move |_, stream| act(stream));
        let told = run(proxy.port, &[], far);
        let words = ["not sent: ", "cannot reach "];
        assert!(words.iter().any(|words| told.stderr.contains(words)), "{}", told.stderr);
        for asked in proxy.asked() {
            assert!(asked.head.starts_with("CONNECT houston.example.com:443 "), "{}", asked.head);
            assert!(!asked.head.contains(TOKEN) && asked.body.is_empty(), "{}", asked.head);
        }
        assert!(!proxy.asked().is_empty());
    }
    // Where no proxy is wanted, none is asked: this name leads nowhere at once.
    let proxy = Raw::start(|_, _| {});
    let url = format!("https://{}/v1", impossible_name());
    let told = run(proxy.port, &[("NO_PROXY", "localhost,.example.com")], &url);
    assert!(told.stderr.contains("the name could not be resolved"), "{}", told.stderr);
    assert_eq!(proxy.asked().len(), 0);
}

#[test]
fn a_proxy_that_refuses_is_asked_once_and_named() {
    for (status, is_asked_once) in [
        ("407 Proxy Authentication Required", true),
        ("401 Unauthorized", true),
        ("403 Forbidden", true),
        ("511 Network Authentication Required", true),
        ("503 Service Unavailable", false),
    ] {
        for command in ["apply", "doctor"] {
            let act = says(answer(status, "", ""));
            let proxy = Raw::start(move |_, stream| act(stream));
            let workdir = Workdir::new();
            workdir.write("roster.csv", ONE);
            let mut call = workdir.call([command, "roster.csv", "--url", "https://houston.example.com/v1"]);
            if command == "apply" {
                call = call.args(&["--yes"]);
            }
            let address = format!("http://clerk:hush-hush@127.0.0.1:{}", proxy.port);
            let call = call.token(TOKEN).env("HTTPS_PROXY", &address).env("HOUSTON_ONBOARD_MAX_WAIT", "1s");
            let run = call.env("HOUSTON_ONBOARD_RETRIES", "2").run().ended(5);
            let told = format!("{}{}", run.stdout, run.stderr);
            let place = format!("127.0.0.1:{}", proxy.port);
            assert!(told.contains(&status[..3]) && told.contains(&place), "{status}: {told}");
            assert!(!told.contains("hush-hush"), "{told}");
            assert_eq!(proxy.asked().len() == 1, is_asked_once, "{command}, {status}: {told}");
            run.began_nothing();
        }
    }
}

/// A proxy that opens so many tunnels to a port of this machine and then wants other credentials.
/// Gives its port and what it refused.
fn forgetful_proxy(to: u16, opens: usize) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let refused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refused);
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let asked = read_request(&mut stream).unwrap();
            assert!(asked.head.starts_with("CONNECT ") && asked.header("proxy-authorization").is_some());
            if number >= opens {
                count.fetch_add(1, Ordering::SeqCst);
                stream.write_all(&answer("407 Proxy Authentication Required", "", "")).unwrap();
                continue;
            }
            // The first one only knocks, and may be gone.
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            let Ok(behind) = std::net::TcpStream::connect(("127.0.0.1", to)) else { continue };
            for (mut from, mut to) in
                [(stream.try_clone().unwrap(), behind.try_clone().unwrap()), (behind, stream)]
            {
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut to);
                    let _ = to.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
    (port, refused)
}

#[test]
fn a_proxy_that_wants_other_credentials_in_mid_run_is_asked_once() {
    let (server, trusted) = behind_tls(Flaw::OtherName);
    for opens in 1..=6 {
        let (port, refused) = forgetful_proxy(server.port(), opens);
        let workdir = Workdir::new();
        workdir.write("ca.pem", &trusted);
        let call = apply_one(&workdir, "https://other.example.com/v1").args(&["--ca-file", "ca.pem"]);
        let address = format!("http://clerk:hush-hush@127.0.0.1:{port}");
        let call = call.env("https_proxy", &address).env("HOUSTON_ONBOARD_RETRIES", "3");
        let run = call.env("HOUSTON_ONBOARD_CONCURRENCY", "1").run();
        assert_eq!(run.status, Some(5), "{opens}: {:?} {}", run.counts(), run.stderr);
        assert_eq!(refused.load(Ordering::SeqCst), 1, "{opens}: {}", run.stderr);
        assert!(run.stderr.contains("407") && !run.stderr.contains("hush-hush"), "{}", run.stderr);
    }
}

#[test]
fn an_unusable_proxy_is_an_error_only_where_it_would_be_used() {
    let far = "https://houston.example.com/v1";
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        for address in
            ["http//p.example.com:1", "socks5://127.0.0.1:1", "'http://127.0.0.1:1'", "http://me:hush#hush@p"]
        {
            let workdir = Workdir::new();
            let run = apply_one(&workdir, far).env(variable, address).run().ended(5).says(variable);
            assert!(!run.stderr.contains("hush"), "{}", run.stderr);
            run.began_nothing();
        }
    }
    let (sandbox, workdir) = (Sandbox::new(), Workdir::new());
    workdir.write("roster.csv", ONE);
    let call = workdir.call(["apply", "roster.csv", "--yes"]).to(&sandbox).env("HTTPS_PROXY", "nonsense://");
    assert_eq!(call.run().status, Some(0));
}

#[test]
fn files_of_authorities_of_no_use_are_named_for_what_they_are() {
    let watch = Stopwatch::take();
    let workdir = Workdir::new();
    assert!(Command::new("mkfifo").arg(workdir.path().join("fifo")).status().unwrap().success());
    workdir.write("empty", "");
    workdir.write("der", b"\x30\x82\x01\x00\x30\x82");
    workdir.write("key", "-----BEGIN PRIVATE KEY-----\n");
    for (file, words) in [
        ("fifo", "FIFO"),
        ("/dev/zero", "device"),
        ("empty", "empty"),
        ("der", "openssl x509 -inform der -in der -out ca.pem"),
        ("key", "private key"),
        ("none", "No such file"),
    ] {
        let run = apply_one(&workdir, "https://127.0.0.1:9/v1").args(&["--ca-file", file]).run().ended(5);
        is_bounded(&watch, "authorities", &run, 20);
        run.says(words).says(file).began_nothing();
    }
    // Without any store of authorities nobody is called.
    for file in ["/nowhere", "/dev/zero"] {
        let call = apply_one(&workdir, "https://127.0.0.1:9/v1").env("SSL_CERT_FILE", file);
        let run = call.env("SSL_CERT_DIR", "/nowhere").run().ended(5);
        is_bounded(&watch, "authorities", &run, 20);
        run.says("no usable certificate authorities").says("--ca-file").began_nothing();
    }
}

#[test]
fn houston_may_be_at_an_address_of_ipv6() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        harness::note("this machine has no IPv6");
        return;
    };
    let sandbox = Sandbox::new();
    let inner = sandbox.url().to_owned();
    let server = Raw::on(listener, 1, move |asked, stream| drop(stream.write_all(&relay(&inner, asked))));
    let proxy = Raw::start(|_, _| {});
    let workdir = Workdir::new();
    workdir.write("roster.csv", ONE);
    let call =
        workdir.call(["apply", "roster.csv", "--yes", "--url", &format!("http://[::1]:{}", server.port)]);
    let address = format!("http://127.0.0.1:{}", proxy.port);
    let call = call.token(sandbox.token()).env("HTTP_PROXY", &address).env("ALL_PROXY", &address);
    let run = call.env("http_proxy", &address).quick().env("HOUSTON_ONBOARD_TIMEOUT", "5s").run().ended(0);
    sandbox.agrees_with(&run);
    assert_eq!(run.count("invited"), 1);
    assert_eq!(proxy.asked().len(), 0, "a proxy is not for this machine");
    let run = apply_one(&workdir, "http://[2001:db8::1]:8871/v1").run().ended(2).says("[2001:db8::1]");
    run.began_nothing();
}
