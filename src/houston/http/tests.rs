//! The HTTP transport against servers of a few lines on this machine.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::*;
use crate::houston::fault::Effect;
use crate::houston::scripted::request;
use crate::houston::token::Token;
use crate::outcome::Code;

/// A server that reads one request after the other and answers by a function of its text; `None`
/// closes the connection.
struct Server {
    target: Target,
    connections: Arc<AtomicUsize>,
}

fn serve(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::from_url(&format!("http://{}/v1", listener.local_addr().unwrap())).unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let (count, answer) = (Arc::clone(&connections), Arc::new(answer));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            count.fetch_add(1, Ordering::SeqCst);
            let answer = Arc::clone(&answer);
            thread::spawn(move || {
                while let Some(text) = read_request(&mut stream) {
                    match answer(&text) {
                        // Who has read enough may hang up.
                        Some(bytes) if stream.write_all(&bytes).is_ok() => {}
                        Some(_) | None => return,
                    }
                }
            });
        }
    });
    Server { target, connections }
}

fn read_request(stream: &mut impl Read) -> Option<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).unwrap();
    let length =
        head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    stream.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8(body).unwrap())
}

fn page(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn http(target: &Target, timeout_ms: u64) -> Http {
    let settings = HttpSettings { timeout: Duration::from_millis(timeout_ms), ..HttpSettings::default() };
    Http::new(target, Some(Credential::new(Token::new("hush.hush.hush", "test").unwrap())), settings)
}

/// What the transport makes of an answer to a write.
fn fault_of(answer: Vec<u8>) -> Fault {
    let server = serve(move |_| Some(answer.clone()));
    http(&server.target, 5000).send(&request(Kind::Write)).unwrap_err().fault
}

const GOOD: &[u8] = br#"{"data":{"a":1}}"#;

#[test]
fn a_request_has_its_headers_and_connections_are_kept() {
    let server = serve(|text| {
        for wanted in [
            "POST /v1 HTTP/1.1\r\n",
            "authorization: hush.hush.hush\r\n",
            "content-type: application/json\r\n",
            "user-agent: houston-onboard/",
            "accept-encoding: gzip\r\n",
            "\r\n\r\n{}",
        ] {
            assert!(text.contains(wanted), "{wanted} in {text}");
        }
        Some(page("200 OK", "content-type: application/json\r\n", GOOD))
    });
    let http = http(&server.target, 5000);
    for _ in 0..20 {
        let answer = http.send(&request(Kind::Write)).unwrap();
        assert_eq!((answer.body.as_slice(), answer.status, answer.attempts), (GOOD, 200, 1));
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    assert!(!format!("{http:?}").contains("hush"));
}

#[test]
fn many_workers_open_hardly_more_connections_than_there_are_workers() {
    const WORKERS: usize = 16;
    let server = serve(|_| Some(page("200 OK", "", GOOD)));
    let settings = HttpSettings { concurrency: WORKERS, ..HttpSettings::default() };
    let http = Http::new(&server.target, None, settings);
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| (0..200).for_each(|_| drop(http.send(&request(Kind::Write)).unwrap())));
        }
    });
    let connections = server.connections.load(Ordering::SeqCst);
    assert!(connections * 100 <= WORKERS * 115, "{connections} connections");
}

#[test]
fn graphql_is_an_answer_at_any_status_but_429() {
    for status in ["200 OK", "400 Bad Request", "401 Unauthorized", "500 Internal Server Error"] {
        let server = serve(move |_| Some(page(status, "", br#"{"errors":[{"message":"x"}]}"#)));
        assert!(http(&server.target, 5000).send(&request(Kind::Write)).is_ok(), "{status}");
    }
    let fault = fault_of(page("429 Too Many", "retry-after: 3\r\n", br#"{"errors":[{"message":"x"}]}"#));
    assert_eq!(fault, Fault::Throttled { retry_after: Some(Duration::from_secs(3)) });
}

#[test]
fn an_answer_that_is_not_from_houston_is_recognised() {
    let fault = fault_of(page(
        "200 OK",
        "content-type: text/html\r\n",
        b"<html> <TITLE lang=en> Sign in,\n hush.hush.hush</TITLE></html>",
    ));
    assert_eq!(fault, Fault::Proxy { status: 200, text: "Sign in, [token]".into() });
    let fault = fault_of(page("403 Forbidden", "", b"<html><h1>no</h1></html>"));
    assert_eq!(fault, Fault::Proxy { status: 403, text: "a page without a title".into() });
    let fault = fault_of(page("503 Busy", "retry-after: 9\r\n", b"<html>"));
    assert_eq!((fault.code(), fault.retry_after()), (Code::Unavailable, Some(Duration::from_secs(9))));
    assert_eq!(fault_of(page("504 Late", "", b"<html>")).code(), Code::GatewayTimeout);
    assert_eq!(fault_of(page("404 Not Found", "", b"<html>")).effect(), Effect::Refused);
}

#[test]
fn a_redirect_is_not_followed_and_the_token_goes_nowhere_else() {
    let thief = serve(|_| panic!("the request was carried on"));
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let location = format!("location: {}\r\n", thief.target);
        let fault = fault_of(page(status, &location, b""));
        assert_eq!(fault.effect(), Effect::Refused);
        assert!(fault.to_string().contains("redirect to http://127.0.0.1:"), "{fault}");
    }
    assert_eq!(thief.connections.load(Ordering::SeqCst), 0);
}

#[test]
fn an_answer_that_does_not_come_or_breaks_off_says_nothing_about_the_effect() {
    let code = |answer: Option<&'static [u8]>, timeout| {
        let server = serve(move |_| answer.map(<[u8]>::to_vec));
        let fault = http(&server.target, timeout).send(&request(Kind::Write)).unwrap_err().fault;
        assert_eq!(fault.effect(), Effect::Unknown);
        fault.code()
    };
    assert_eq!(code(None, 5000), Code::ConnectionBroken);
    assert_eq!(code(Some(b""), 200), Code::Timeout);
    assert_eq!(code(Some(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"data\""), 200), Code::Timeout);
    assert_eq!(code(Some(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{\"data\":"), 5000), Code::Truncated);
    assert_eq!(code(Some(b"not HTTP at all\r\n\r\n"), 5000), Code::ConnectionBroken);
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"dat\r\nzz\r\n";
    assert_eq!(code(Some(chunked), 5000), Code::Truncated);
    let no_gzip = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd";
    assert_eq!(code(Some(no_gzip), 5000), Code::Truncated);
}

#[test]
fn a_refused_connection_and_an_unknown_name_were_certainly_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::from_url(&format!("http://{}/v1", listener.local_addr().unwrap())).unwrap();
    drop(listener);
    let fault = http(&target, 5000).send(&request(Kind::Write)).unwrap_err().fault;
    assert_eq!((fault.code(), fault.effect()), (Code::NoConnection, Effect::None));
    assert!(fault.to_string().contains("refused"), "{fault}");
    // No resolver is asked for a name that can be none.
    let target = Target::from_url(&format!("https://{}.example.com/v1", "a".repeat(64))).unwrap();
    let fault = http(&target, 5000).send(&request(Kind::Write)).unwrap_err().fault;
    assert_eq!(fault.code(), Code::NameNotResolved, "{fault}");
    assert_eq!(fault.effect(), Effect::None);
}

#[test]
fn credentials_that_are_not_the_tokens_are_asked_for_once() {
    for (status, headers) in [
        ("401 Unauthorized", "www-authenticate: Basic realm=\"x\"\r\n"),
        ("401 Unauthorized", "www-authenticate: Bearer\r\nwww-authenticate: NTLM\r\n"),
        ("407 Proxy Authentication Required", ""),
        ("511 Network Authentication Required", ""),
    ] {
        let server = serve(move |_| Some(page(status, headers, b"<html>hush.hush.hush</html>")));
        let http = http(&server.target, 5000);
        for attempts in [1, 0, 0] {
            let failure = http.send(&request(Kind::Read)).unwrap_err();
            assert_eq!((failure.fault.code(), failure.attempts), (Code::NotHouston, attempts), "{status}");
            assert!(failure.fault.bars_all() && failure.to_string().contains(&status[..3]), "{failure}");
        }
        assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    }
    // Without such a challenge it is the token that is refused.
    let fault = fault_of(page("401 Unauthorized", "www-authenticate: Bearer\r\n", b"<html>"));
    assert_eq!(fault.code(), Code::TokenInvalid);
}

#[test]
fn a_localhost_that_is_another_machine_is_refused() {
    let of = |texts: &[&str]| {
        let addresses: Vec<SocketAddr> = texts.iter().map(|text| text.parse().unwrap()).collect();
        only_here("localhost", &addresses).map_err(|fault| fault.code())
    };
    assert_eq!(of(&["127.0.0.1:1", "[::1]:1", "127.9.9.9:1"]), Ok(()));
    assert_eq!(of(&["127.0.0.1:1", "192.0.2.1:1"]), Err(Code::EnvironmentUnusable));
    assert_eq!(of(&["[::]:1"]), Err(Code::EnvironmentUnusable));
    assert_eq!(of(&[]), Err(Code::NameNotResolved));
}

#[test]
fn the_memory_of_an_answer_is_given_back() {
    let server = serve(|_| Some(page("200 OK", "", GOOD)));
    let http = http(&server.target, 5000);
    let answer = http.send(&request(Kind::Read)).unwrap();
    assert!(http.memory.taken() >= GOOD.len() as u64);
    drop(answer);
    assert_eq!(http.memory.taken(), 0);
}

#[test]
fn an_answer_is_read_up_to_a_limit_only_also_a_compressed_one() {
    let long = vec![b' '; usize::try_from(MAX_WRITE_ANSWER).unwrap() + 1];
    assert_eq!(fault_of(page("200 OK", "", &long)).code(), Code::MalformedAnswer);
    let bomb = bomb();
    assert!(bomb.len() < 500_000);
    let server = serve(move |_| Some(page("200 OK", "content-encoding: gzip\r\n", &bomb)));
    for kind in [Kind::Read, Kind::Write] {
        let fault = http(&server.target, 20_000).send(&request(kind)).unwrap_err().fault;
        assert_eq!(fault.code(), Code::MalformedAnswer, "{fault}");
    }
}

/// A valid gzip stream of more than [`MAX_READ_ANSWER`] blanks, made by hand: one literal, then
/// matches of 258 bytes at distance 1, in a block with fixed codes.
fn bomb() -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let (mut held, mut count) = (0u32, 0);
    let mut put = |value: u32, width: u32, bytes: &mut Vec<u8>| {
        held |= value << count;
        count += width;
        while count >= 8 {
            bytes.push((held & 0xff) as u8);
            held >>= 8;
            count -= 8;
        }
    };
    let code = |value: u32, width: u32| value.reverse_bits() >> (32 - width);
    put(0b011, 3, &mut bytes);
    put(code(0x30 + u32::from(b' '), 8), 8, &mut bytes);
    for _ in 0..MAX_READ_ANSWER / 258 + 2 {
        put(code(0b1100_0101, 8), 8, &mut bytes);
        put(0, 5, &mut bytes);
    }
    put(0, 7, &mut bytes);
    put(0, 7, &mut bytes);
    bytes.extend_from_slice(&[0; 8]);
    bytes
}

#[test]
fn a_request_that_houston_would_not_take_is_not_sent() {
    let server = serve(|_| panic!("sent"));
    let body = vec![b' '; MAX_REQUEST + 1];
    let failure = http(&server.target, 5000).send(&Request { body, ..request(Kind::Write) }).unwrap_err();
    assert_eq!((failure.fault.code(), failure.attempts), (Code::RequestNotBuilt, 0));
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

/// A TLS server with a certificate of an authority of its own; gives the authority as PEM.
fn serve_tls(name: &str) -> (Target, String) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use tokio_rustls::rustls::{ServerConfig, ServerConnection, Stream, crypto::aws_lc_rs};

    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut socket) = stream else { return };
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = Stream::new(&mut connection, &mut socket);
            if read_request(&mut stream).is_some() {
                stream.write_all(&page("200 OK", "", GOOD)).unwrap();
            }
        }
    });
    (Target::from_url(&format!("https://localhost:{port}/v1")).unwrap(), authority.pem())
}

#[test]
fn a_private_authority_is_trusted_by_its_file_only() {
    let (target, authority) = serve_tls("localhost");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let send = |settings: HttpSettings| {
        Http::new(&target, None, settings).send(&request(Kind::Read)).map_err(|failure| failure.fault.code())
    };
    let with_file = || HttpSettings { ca_file: Some(path.clone()), ..HttpSettings::default() };
    assert_eq!(send(with_file()).unwrap_err(), Code::NoAuthorities);
    let broken = "-----BEGIN CERTIFICATE-----\naGk=\n-----END CERTIFICATE-----\n";
    for useless in ["nothing", "", broken] {
        std::fs::write(&path, useless).unwrap();
        assert_eq!(send(with_file()).unwrap_err(), Code::NoAuthorities, "{useless}");
    }
    for mark in ["", "\u{feff}"] {
        std::fs::write(&path, format!("{mark}{authority}")).unwrap();
        assert_eq!(send(with_file()).unwrap().body, GOOD);
    }
    assert_eq!(send(HttpSettings::default()).unwrap_err(), Code::TlsFailed);
    assert!(send(HttpSettings { insecure: true, ..HttpSettings::default() }).is_ok());
}

#[test]
fn a_certificate_for_another_name_and_a_server_without_tls_are_reported() {
    let (target, authority) = serve_tls("other.example.com");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, authority).unwrap();
    let settings = HttpSettings { ca_file: Some(path), ..HttpSettings::default() };
    let failure = Http::new(&target, None, settings.clone()).send(&request(Kind::Read)).unwrap_err();
    assert_eq!(failure.fault.code(), Code::TlsFailed, "{failure}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target =
        Target::from_url(&format!("https://localhost:{}/v1", listener.local_addr().unwrap().port())).unwrap();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = TcpListener::accept(&listener) {
            let _ = TcpStream::write_all(&mut stream, &page("400 Bad Request", "", b"<html>"));
        }
    });
    let failure = Http::new(&target, None, settings).send(&request(Kind::Read)).unwrap_err();
    assert_eq!((failure.fault.code(), failure.fault.effect()), (Code::TlsFailed, Effect::None), "{failure}");
}

#[test]
fn the_whole_stack_settles_a_read_and_never_repeats_a_doubtful_write() {
    use crate::houston::pacer::{Pace, Paced};
    use crate::houston::retry::{RetryPolicy, Retrying};
    use crate::houston::{Houston, Mail};
    use crate::model::{Level, WorkspaceId};
    use crate::time::{Cancel, Clock, ManualClock};

    let mutations = Arc::new(AtomicUsize::new(0));
    let (count, number) = (Arc::clone(&mutations), AtomicUsize::new(0));
    let server = serve(move |text| {
        if text.contains("workspaceAddUser") {
            count.fetch_add(1, Ordering::SeqCst);
            return None;
        }
        Some(match number.fetch_add(1, Ordering::SeqCst) {
            0 => page("429 Too Many", "retry-after: 7\r\n", b""),
            1 => page("502 Bad Gateway", "", b"<html>"),
            _ => page("200 OK", "", br#"{"data":{"workspace":{"id":"ck1","label":"A"}}}"#),
        })
    });
    let (clock, cancel) = (ManualClock::default(), Cancel::new());
    let start = clock.now();
    let max_wait = Duration::from_secs(60);
    let pace = Pace::new("20/s".parse().ok(), max_wait, Arc::new(clock.clone()), cancel.clone());
    let pace = Arc::new(pace);
    let paced = Paced::new(http(&server.target, 5000), Arc::clone(&pace));
    let policy = RetryPolicy { retries: 4, max_wait };
    let transport = Retrying::new(paced, policy, Arc::new(clock.clone()), cancel);
    let houston = Houston::new(Arc::new(transport));
    let id = WorkspaceId::new("ck1").unwrap();
    assert_eq!(houston.workspace(&id).unwrap().unwrap().label.as_deref(), Some("A"));
    assert!(clock.now() - start >= Duration::from_secs(7));
    assert_eq!(pace.requests(), 3);
    let failure = houston.add_member(&id, "a@example.com", Level::Viewer, Mail::Bypass).unwrap_err();
    assert_eq!((failure.fault.effect(), failure.attempts), (Effect::Unknown, 1));
    assert_eq!(mutations.load(Ordering::SeqCst), 1);
    assert_eq!(pace.requests(), 4);
}

/// How many are opened beside those in use depends on how fast they are given back, so with many
/// requests in flight that is a figure of `benches/engine.rs`.
#[test]
fn a_connection_is_used_again() {
    let server = serve(|_| Some(page("200 OK", "", GOOD)));
    let http = http(&server.target, 5000);
    for _ in 0..200 {
        http.send(&request(Kind::Read)).unwrap();
    }
    assert!(server.connections.load(Ordering::SeqCst) <= 4);
}
