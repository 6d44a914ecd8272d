//! The path to Houston: name, connection, TLS, what answers; clocks and speed.

use std::time::Duration;

use super::super::asking::Facts;
use super::{Bench, Blame, counted};
use crate::houston::{Fault, NoAnswerCause, Skew, UnsentCause};
use crate::model::period::Period;
use crate::ops::session::proxy_hint;
use crate::report::checkup::{Check, Verdict};

const NAME: &str = "name";
const CONNECTION: &str = "connection";
const TLS: &str = "TLS";
const HOUSTON: &str = "Houston";

/// What to do about a proxy variable that cannot be used.
const ENVIRONMENT: &str = "fix or unset the variable; list hosts that need no proxy in NO_PROXY";

/// A clock that is off by more than this is worth a warning: tokens expire by the clock.
const SKEW: Duration = Duration::from_secs(30);
/// Answers that take longer make a run slow.
const SLOW: Duration = Duration::from_secs(2);

/// How far the first request got.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Reached {
    Nothing,
    Name,
    Connection,
    Tls,
}

/// Name, connection, TLS, and what answers.
pub(crate) fn judge(facts: &Facts, bench: &mut Bench) {
    let fault = facts.installation.as_ref().and_then(|answer| answer.as_ref().err());
    let reached = fault.map_or(Reached::Tls, how_far);
    name(facts, fault, reached, bench);
    connection(fault, reached, bench);
    tls(facts, fault, reached, bench);
    match fault {
        _ if reached < Reached::Tls => bench.skip(HOUSTON, "no connection"),
        None => bench.ok(HOUSTON, format!("GraphQL answers at {}", facts.url)),
        Some(fault) => houston(facts, fault, bench),
    }
}

fn how_far(fault: &Fault) -> Reached {
    match fault {
        Fault::Unsent { cause, .. } => match cause {
            UnsentCause::Name
            | UnsentCause::Proxy
            | UnsentCause::ProxyRefused
            | UnsentCause::ProxyCredentials
            | UnsentCause::Environment
            | UnsentCause::Authorities
            | UnsentCause::Body
            | UnsentCause::ReadOnly
            | UnsentCause::Cancelled => Reached::Nothing,
            UnsentCause::Connect | UnsentCause::Away => Reached::Name,
            UnsentCause::Tls => Reached::Connection,
        },
        Fault::NoAnswer { .. }
        | Fault::Proxy { .. }
        | Fault::Throttled { .. }
        | Fault::Denied { .. }
        | Fault::Expired { .. }
        | Fault::Rejected { .. }
        | Fault::Already { .. }
        | Fault::Schema { .. }
        | Fault::Internal { .. }
        | Fault::Malformed { .. } => Reached::Tls,
    }
}

fn name(facts: &Facts, fault: Option<&Fault>, reached: Reached, bench: &mut Bench) {
    match fault {
        _ if facts.is_address => bench.skip(NAME, "the URL contains an IP address; nothing to resolve"),
        Some(Fault::Unsent { cause: UnsentCause::Name, text }) => bench.fail(
            Blame::Target,
            NAME,
            format!("cannot resolve {}: {text}", facts.host),
            "check the name for typos, and that this machine's DNS resolves it (VPN?)",
        ),
        _ if reached == Reached::Nothing => bench.skip(NAME, "no connection was attempted"),
        _ => bench.ok(NAME, format!("{} resolves", facts.host)),
    }
}

fn connection(fault: Option<&Fault>, reached: Reached, bench: &mut Bench) {
    match fault {
        Some(Fault::Unsent { cause: UnsentCause::Proxy, text }) => bench.fail(
            Blame::Target,
            CONNECTION,
            format!("cannot use the proxy from the environment: {text}"),
            proxy_hint(UnsentCause::Proxy),
        ),
        Some(Fault::Unsent {
            cause: cause @ (UnsentCause::ProxyRefused | UnsentCause::ProxyCredentials),
            text,
        }) => bench.fail(
            Blame::Target,
            CONNECTION,
            format!("the proxy from the environment refused the request: {text}"),
            proxy_hint(*cause),
        ),
        Some(Fault::Unsent { cause: UnsentCause::Environment, text }) => {
            bench.fail(Blame::Target, CONNECTION, text, ENVIRONMENT);
        }
        Some(Fault::Unsent { cause: UnsentCause::Connect | UnsentCause::Away, text }) => bench.fail(
            Blame::Target,
            CONNECTION,
            format!("no connection: {text}"),
            "check the port, firewalls and VPN, and that Houston is running",
        ),
        Some(Fault::Unsent {
            cause: UnsentCause::Body | UnsentCause::ReadOnly | UnsentCause::Cancelled,
            text,
        }) => {
            bench.fail(
                Blame::Target,
                CONNECTION,
                format!("could not send the request: {text}"),
                "check the token",
            );
        }
        _ if reached < Reached::Connection => bench.skip(CONNECTION, "no connection was attempted"),
        _ => bench.ok(CONNECTION, "the port accepts connections"),
    }
}

fn tls(facts: &Facts, fault: Option<&Fault>, reached: Reached, bench: &mut Bench) {
    match fault {
        _ if !facts.is_encrypted => bench.skip(TLS, "plain HTTP to this machine"),
        Some(Fault::Unsent { cause: UnsentCause::Authorities, text }) if facts.ca_file.is_some() => {
            bench.fail(
                Blame::Target,
                TLS,
                format!("cannot use --ca-file: {text}"),
                "pass a file of PEM certificates",
            );
        }
        Some(Fault::Unsent { cause: UnsentCause::Authorities, text }) => bench.fail(
            Blame::Target,
            TLS,
            format!("cannot verify any certificate: {text}"),
            "install ca-certificates, or pass the certificate authority with --ca-file",
        ),
        Some(Fault::Unsent { cause: UnsentCause::Tls, text }) => bench.fail(
            Blame::Target,
            TLS,
            format!("the certificate is not trusted: {text}"),
            "if a private authority signed it, pass its certificate with --ca-file; otherwise have the certificate renewed",
        ),
        _ if reached < Reached::Tls => bench.skip(TLS, "no connection"),
        _ if facts.insecure => bench.warn(
            TLS,
            "certificates are not verified (--insecure): anyone on the network path can read the token and alter answers",
            "drop --insecure; trust a private authority with --ca-file",
        ),
        _ => bench.ok(TLS, "the certificate is trusted; its expiry date was not checked"),
    }
}

/// What answered, if it was not Houston with an answer.
fn houston(facts: &Facts, fault: &Fault, bench: &mut Bench) {
    const PATH: &str = "the URL of Houston ends in /v1, as in https://houston.example.com/v1";
    let mut fail = |text: String, next: &str| bench.fail(Blame::Target, HOUSTON, text, next);
    match fault {
        Fault::Proxy { status: 300..=399, text } => {
            fail(
                format!("answered with a redirect: {text}"),
                "a login page or another host sits in front of Houston: pass the final URL, which ends in /v1",
            );
        }
        Fault::Proxy { status: 404 | 405, text } => {
            fail(format!("nothing serves GraphQL at this path of {}: {text}", facts.host), PATH);
        }
        Fault::Proxy { status: status @ (401 | 407 | 511), text } => fail(
            format!("a proxy or gateway asks for credentials (HTTP {status}): {text}"),
            "check the proxy and the gateway in front of Houston; Houston's token is not the cause",
        ),
        Fault::Proxy { status, text } => fail(
            format!(
                "something other than Houston answers, such as a login page or a proxy (HTTP {status}): {text}"
            ),
            PATH,
        ),
        Fault::NoAnswer { cause: NoAnswerCause::Timeout, .. } => {
            fail(
                "connected, but no answer arrived in time".to_owned(),
                "check Houston and its database, or raise --timeout",
            );
        }
        Fault::NoAnswer { cause, text } => {
            fail(
                sentence(&cause.to_string(), text),
                "a gateway answers, but Houston does not: check that its pods are running",
            );
        }
        Fault::Throttled { .. } => fail(fault.to_string(), "try again later"),
        Fault::Expired { .. } | Fault::Denied { .. } => {
            bench.unknown(HOUSTON, "the target answers, but rejects the token before it handles any request");
        }
        Fault::Internal { .. } => {
            fail(fault.to_string(), "Houston answers with an internal error: check its log and its database");
        }
        Fault::Rejected { .. } | Fault::Already { .. } | Fault::Schema { .. } | Fault::Malformed { .. } => {
            fail(fault.to_string(), "this may be another GraphQL server: check the URL");
        }
        Fault::Unsent { .. } => fail(fault.to_string(), "check the address"),
    }
}

fn sentence(what: &str, text: &str) -> String {
    if text.is_empty() { what.to_owned() } else { format!("{what}: {text}") }
}

/// Clocks and speed.
pub(crate) fn judge_time(facts: &Facts, bench: &mut Bench) {
    clock(facts.skew, bench);
    latency(&facts.latencies, bench);
}

fn clock(skew: Option<Skew>, bench: &mut Bench) {
    const CLOCK: &str = "clock";
    let Some(skew) = skew else {
        return bench.unknown(CLOCK, "no answer carried a date");
    };
    let seconds = skew.amount().as_secs();
    let amount = Period(Duration::from_secs(seconds));
    let signed = i64::try_from(seconds).unwrap_or(i64::MAX);
    let (signed, text) = match skew {
        Skew::Ahead(_) => (signed, format!("this machine is {amount} ahead of the server")),
        Skew::Behind(_) => (-signed, format!("this machine is {amount} behind the server")),
    };
    let check = if skew.amount() > SKEW {
        Check::new(CLOCK, Verdict::Warning, text)
            .next("set the clock: token expiry and report timestamps depend on it")
    } else {
        Check::new(CLOCK, Verdict::Ok, "this machine's clock agrees with the server's")
    };
    bench.add(check.with("skew_seconds", signed));
}

fn latency(latencies: &[Duration], bench: &mut Bench) {
    const LATENCY: &str = "latency";
    let Some((first, rest)) = latencies.split_first() else {
        return bench.skip(LATENCY, "no answer");
    };
    let mut sorted = if rest.is_empty() { vec![*first] } else { rest.to_vec() };
    sorted.sort_unstable();
    let (median, longest) = (sorted[sorted.len() / 2], sorted[sorted.len() - 1]);
    let text = format!(
        "{}: first {} ms including the connection, then median {} ms and maximum {} ms",
        counted(latencies.len(), "answer", "answers"),
        first.as_millis(),
        median.as_millis(),
        longest.as_millis(),
    );
    let check = if median > SLOW {
        Check::new(LATENCY, Verdict::Warning, text).next("Houston is slow right now; a run will be slow too")
    } else {
        Check::new(LATENCY, Verdict::Ok, text)
    };
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    bench.add(
        check
            .with("median_ms", millis(median))
            .with("longest_ms", millis(longest))
            .with("first_ms", millis(*first)),
    );
}
