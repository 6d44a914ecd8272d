//! Tables of facts and the verdicts they lead to.

use std::time::Duration;

use super::super::asking::{Found, RosterFacts, RosterWorkspace};
use super::*;
use crate::houston::{
    Caller, Installation, NoAnswerCause, OnPlatform, Repeats, Rights, Scope, Skew, Support, TokenKind,
    UnsentCause, Version,
};
use crate::model::WorkspaceId;
use crate::report::checkup::{Checkup, CheckupFormat};

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_448_700)
}

fn id(text: &str) -> WorkspaceId {
    WorkspaceId::new(text).unwrap()
}

fn rights(admin: Option<bool>, admin_of: Option<&[&str]>) -> Rights {
    let username = admin_of.map(|_| "me@example.com".to_owned());
    Rights {
        caller: Caller { user_id: username.clone(), username },
        on_platform: match (admin, admin_of) {
            (Some(true), _) => OnPlatform::Admin,
            (Some(false), Some(_)) => OnPlatform::Nothing,
            (Some(false), None) => OnPlatform::NotAdmin,
            (None, _) => OnPlatform::Unknown,
        },
        admin_of: admin_of.map(|ids| ids.iter().map(|text| id(text)).collect()),
    }
}

fn installation(version: &str) -> Installation {
    let version = Version::parse(version);
    Installation {
        version,
        local_passwords: Some(false),
        sso_providers: Some(1),
        bypass_invite: Support::of_bypass_invite(version),
        repeats: Repeats::of(version),
    }
}

/// A target without a fault.
fn good() -> Facts {
    Facts {
        url: "https://houston.example.com/v1".to_owned(),
        host: "houston.example.com".to_owned(),
        is_address: false,
        is_encrypted: true,
        insecure: false,
        ca_file: None,
        token: Ok((TokenKind::User, Some(now() + Duration::from_secs(7200)))),
        installation: Some(Ok(installation("2.1.0"))),
        rights: Some(Ok(rights(Some(true), Some(&[])))),
        surface: Some(Ok(None)),
        mail: Some(Ok(Some(true))),
        roster: None,
        skew: Some(Skew::Ahead(Duration::from_millis(400))),
        latencies: [80, 20, 30, 25].map(Duration::from_millis).to_vec(),
    }
}

/// A target whose first request failed.
fn silent(fault: Fault) -> Facts {
    let mut facts = good();
    facts.installation = Some(Err(fault));
    (facts.rights, facts.surface, facts.mail, facts.skew) = (None, None, None, None);
    facts.latencies.clear();
    facts
}

fn verdict(judged: &Judged, name: &str) -> Verdict {
    let mut found = judged.checks.iter().filter(|check| check.check == name);
    let check = found.next().unwrap_or_else(|| panic!("{name}"));
    assert!(found.next().is_none(), "{name} twice");
    check.verdict
}

fn text(facts: &Facts) -> String {
    let Judged { checks, status, .. } = judge(facts, now());
    let text = Checkup::new(&facts.url, status.code(), checks).render(CheckupFormat::Human).unwrap();
    format!("{}exit status {}\n", anstream::adapter::strip_str(&text), status.code())
}

#[test]
fn a_good_target_reads_like_this() {
    insta::assert_snapshot!(text(&good()), @r#"
        https://houston.example.com/v1

        ok       name             houston.example.com resolves
        ok       connection       the port accepts connections
        ok       TLS              the certificate is trusted; its expiry date was not
                                  checked
        ok       Houston          GraphQL answers at https://houston.example.com/v1
        ok       token            a user's token (JWT)
        ok       token life       expires at 2026-11-23 17:45:00 UTC, in 2h, by this
                                  machine's clock
        ok       caller           Houston accepts the token: me@example.com
        ok       rights           can add people to every workspace (system admin)
        ok       version          2.1.0
        ok       offers           paged member lists: yes, role upsert: yes, Teams: yes
                                  (from its version)
        ok       bypassInvite     people can be added without an email
        ok       repeats          Houston refuses a repeated add, so a lost answer costs
                                  little
        ok       login            single sign-on: new people log in with it
        ok       mail             Houston can send email, so --send-invites works
        unknown  user management  a client cannot see whether it is off; if it is,
                                  Houston refuses the first add (`user_management_off`)
        unknown  SCIM             a client cannot see whether it is on; if it is,
                                  Houston refuses to add new people (`scim_managed`)
        ok       clock            this machine's clock agrees with the server's
        ok       latency          4 answers: first 80 ms including the connection, then
                                  median 25 ms and maximum 30 ms

        ready to run (2 unknown)
        exit status 0
        "#);
}

#[test]
fn a_name_that_is_not_found_reads_like_this() {
    let text_of_dns = "failed to lookup address information".to_owned();
    insta::assert_snapshot!(text(&silent(Fault::Unsent { cause: UnsentCause::Name, text: text_of_dns })), @r#"
        https://houston.example.com/v1

        failed   name             cannot resolve houston.example.com: failed to lookup
                                  address information
                                  → check the name for typos, and that this machine's
                                    DNS resolves it (VPN?)
        skipped  connection       no connection was attempted
        skipped  TLS              no connection
        skipped  Houston          no connection
        ok       token            a user's token (JWT)
        ok       token life       expires at 2026-11-23 17:45:00 UTC, in 2h, by this
                                  machine's clock
        skipped  caller           no connection
        skipped  rights           no connection
        skipped  version          no connection
        skipped  offers           no connection
        skipped  bypassInvite     no connection
        skipped  repeats          no connection
        skipped  login            no connection
        skipped  mail             no connection
        skipped  user management  no connection
        skipped  SCIM             no connection
        unknown  clock            no answer carried a date
        skipped  latency          no answer

        a run would fail (1 failed, 1 unknown, 14 skipped)
        exit status 5
        "#);
}

#[test]
fn a_dead_token_reads_like_this() {
    let mut facts = good();
    facts.token = Ok((TokenKind::User, Some(now() - Duration::from_secs(60))));
    facts.rights =
        Some(Err(Fault::Denied { text: "You do not have the appropriate permissions for that".to_owned() }));
    facts.installation = Some(Ok(Installation {
        local_passwords: Some(true),
        sso_providers: Some(0),
        ..installation("0.23.9")
    }));
    insta::assert_snapshot!(text(&facts), @r#"
        https://houston.example.com/v1

        ok       name             houston.example.com resolves
        ok       connection       the port accepts connections
        ok       TLS              the certificate is trusted; its expiry date was not
                                  checked
        ok       Houston          GraphQL answers at https://houston.example.com/v1
        ok       token            a user's token (JWT)
        failed   token life       expired at 2026-11-23 15:44:00 UTC, by this machine's
                                  clock
                                  → get a new token: log in again, copy one from
                                    https://app.<your domain>/token, or use a service
                                    account's key
        failed   caller           Houston does not accept the token: You do not have the
                                  appropriate permissions for that
                                  → get a new token: log in again, copy one from
                                    https://app.<your domain>/token, or use a service
                                    account's key
        skipped  rights           the caller is unknown
        ok       version          0.23.9
        warning  offers           paged member lists: no, role upsert: no, Teams: no
                                  (from its version)
                                  → nothing to do; the tool reads each workspace in one
                                    request, which is slow for large ones
        warning  bypassInvite     this version emails everyone who is added: `apply`
                                  will refuse to run (5)
                                  → pass --send-invites to allow the emails, or upgrade
                                    to Houston 0.25.3 or later
        unknown  repeats          it is not known how this version handles a repeated
                                  add: after a lost answer the tool waits (--settle),
                                  unless it has seen Houston refuse one
        warning  login            local passwords only: new people added without an
                                  invitation email could never log in, so `apply` will
                                  refuse to run (5)
                                  → pass --send-invites, or --bypass-local if everyone
                                    already has an account
        ok       mail             Houston can send email, so --send-invites works
        ok       user management  this version cannot turn it off
        unknown  SCIM             a client cannot see whether it is on; if it is,
                                  Houston refuses to add new people (`scim_managed`)
        ok       clock            this machine's clock agrees with the server's
        ok       latency          4 answers: first 80 ms including the connection, then
                                  median 25 ms and maximum 30 ms

        a run would fail (2 failed, 3 warning, 2 unknown, 1 skipped)
        exit status 4
        "#);
}

#[test]
fn how_far_the_first_request_got_decides_the_verdicts_on_the_path() {
    use Verdict::{Failed, Ok, Skipped, Unknown};
    let unsent = |cause, text: &str| Fault::Unsent { cause, text: text.to_owned() };
    let none = String::new;
    let ca = "/etc/ca.pem: no certificate in this file";
    for (fault, expected, status) in [
        (unsent(UnsentCause::Name, "x"), [Failed, Skipped, Skipped, Skipped], 5),
        (unsent(UnsentCause::Connect, "x"), [Ok, Failed, Skipped, Skipped], 5),
        (unsent(UnsentCause::Away, "x"), [Ok, Failed, Skipped, Skipped], 5),
        (unsent(UnsentCause::Proxy, "x"), [Skipped, Failed, Skipped, Skipped], 5),
        (unsent(UnsentCause::Tls, "UnknownIssuer"), [Ok, Ok, Failed, Skipped], 5),
        (unsent(UnsentCause::Authorities, ca), [Skipped, Skipped, Failed, Skipped], 5),
        (unsent(UnsentCause::ProxyRefused, "x"), [Skipped, Failed, Skipped, Skipped], 5),
        (unsent(UnsentCause::ProxyCredentials, "x"), [Skipped, Failed, Skipped, Skipped], 5),
        (unsent(UnsentCause::Environment, "x"), [Skipped, Failed, Skipped, Skipped], 5),
        (Fault::Proxy { status: 401, text: none() }, [Ok, Ok, Ok, Failed], 5),
        (Fault::Proxy { status: 407, text: none() }, [Ok, Ok, Ok, Failed], 5),
        (unsent(UnsentCause::Body, "x"), [Skipped, Failed, Skipped, Skipped], 5),
        (Fault::NoAnswer { cause: NoAnswerCause::Timeout, text: none() }, [Ok, Ok, Ok, Failed], 5),
        (Fault::NoAnswer { cause: NoAnswerCause::BadGateway, text: none() }, [Ok, Ok, Ok, Failed], 5),
        (Fault::Proxy { status: 302, text: none() }, [Ok, Ok, Ok, Failed], 5),
        (Fault::Proxy { status: 404, text: none() }, [Ok, Ok, Ok, Failed], 5),
        (Fault::Proxy { status: 200, text: none() }, [Ok, Ok, Ok, Failed], 5),
        (Fault::Throttled { retry_after: None }, [Ok, Ok, Ok, Failed], 5),
        (Fault::Internal { text: none() }, [Ok, Ok, Ok, Failed], 5),
        (Fault::Malformed { text: none() }, [Ok, Ok, Ok, Failed], 5),
        (Fault::Expired { text: none() }, [Ok, Ok, Ok, Unknown], 0),
    ] {
        let facts = Facts { ca_file: Some("/etc/ca.pem".to_owned()), ..silent(fault.clone()) };
        let judged = judge(&facts, now());
        let found = ["name", "connection", "TLS", "Houston"].map(|name| verdict(&judged, name));
        assert_eq!((found, judged.status.code()), (expected, status), "{fault:?}");
        assert_eq!(judged.about.contains(&"ca-file"), status == 5, "{fault:?}");
        for name in ["caller", "rights", "version", "login", "mail", "latency"] {
            assert_eq!(verdict(&judged, name), Skipped, "{name} after {fault:?}");
        }
    }
}

#[test]
fn a_token_that_expires_in_years_is_shown_with_a_day() {
    let ends = SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_444_800);
    let said = text(&Facts { token: Ok((TokenKind::User, Some(ends))), ..good() });
    let line = said.lines().find(|line| line.contains("token life")).unwrap();
    assert!(line.contains("valid until 2100-01-01, by"), "{line}");
    assert!(!line.contains("00:00"), "{line}");
}

#[test]
fn an_expired_token_fails_unless_houston_accepts_it() {
    let denied = || Some(Err(Fault::Denied { text: String::new() }));
    let taken = || Some(Ok(rights(Some(true), Some(&[]))));
    let at = |seconds: u64| Some(now() + Duration::from_secs(seconds));
    let past = Some(now() - Duration::from_secs(10));
    for (kind, expires, rights, expected, status) in [
        (TokenKind::User, at(3600), taken(), Verdict::Ok, 0),
        (TokenKind::User, at(899), taken(), Verdict::Warning, 0),
        (TokenKind::User, past, taken(), Verdict::Warning, 0),
        (TokenKind::User, past, denied(), Verdict::Failed, 4),
        (TokenKind::User, past, None, Verdict::Failed, 4),
        (TokenKind::User, at(3600), denied(), Verdict::Ok, 4),
        (TokenKind::User, None, taken(), Verdict::Unknown, 0),
        (TokenKind::ServiceAccount, None, taken(), Verdict::Ok, 0),
        (TokenKind::Unknown, None, taken(), Verdict::Unknown, 0),
    ] {
        let facts = Facts { token: Ok((kind, expires)), rights, ..good() };
        let judged = judge(&facts, now());
        assert_eq!((verdict(&judged, "token life"), judged.status.code()), (expected, status), "{facts:?}");
    }
}

#[test]
fn a_caller_without_a_user_is_a_service_account_only_with_the_key_of_one() {
    for (kind, expected) in [
        (TokenKind::ServiceAccount, Verdict::Ok),
        (TokenKind::User, Verdict::Warning),
        (TokenKind::Unknown, Verdict::Warning),
    ] {
        let mut found = rights(Some(true), Some(&[]));
        (found.caller.username, found.caller.user_id) = (None, None);
        let facts = Facts { token: Ok((kind, None)), rights: Some(Ok(found)), ..good() };
        assert_eq!(verdict(&judge(&facts, now()), "caller"), expected, "{kind:?}");
    }
}

#[test]
fn the_token_outranks_the_target_and_the_target_the_roster() {
    let roster = RosterFacts { problems: 1, is_usable: false, rows: 0, count: 0, workspaces: None };
    let mut facts = Facts { roster: Some(roster), ..good() };
    assert_eq!(judge(&facts, now()).status.code(), 3);
    facts.installation = Some(Ok(installation("0.9.0")));
    assert_eq!(judge(&facts, now()).status.code(), 5);
    facts.token = Err("no token".to_owned());
    assert_eq!(judge(&facts, now()).status.code(), 4);
}

fn here(members: Option<Result<(), Fault>>, invites: Option<Result<(), Fault>>) -> Found {
    Found::Here { id: id("w"), members, invites, scope: Scope::Own }
}

#[test]
fn whether_the_caller_can_add_people_is_judged_as_far_as_it_is_known() {
    use Verdict::{Failed, Ok, Unknown};
    let denied = || Some(Err(Fault::Denied { text: String::new() }));
    let lost = || Some(Err(Fault::NoAnswer { cause: NoAnswerCause::Timeout, text: String::new() }));
    let readable = || Some(Result::Ok(()));
    for (rights, invites, version, expected, status) in [
        (rights(Some(true), None), None, "2.0.0", Ok, 0),
        (rights(Some(false), Some(&["w"])), None, "2.0.0", Ok, 0),
        (rights(Some(false), Some(&["v"])), denied(), "2.0.0", Failed, 4),
        // Through a Team.
        (rights(Some(false), Some(&[])), readable(), "2.0.0", Ok, 0),
        // Viewers read them, too.
        (rights(Some(false), Some(&[])), readable(), "0.23.0", Failed, 4),
        (rights(Some(false), None), readable(), "0.23.0", Unknown, 0),
        (rights(None, None), readable(), "0.25.0", Ok, 0),
        (rights(None, None), readable(), "", Unknown, 0),
        (rights(Some(false), None), denied(), "0.30.0", Failed, 4),
        // An editor of the system could add up to 0.29.
        (rights(Some(false), None), denied(), "0.29.0", Unknown, 0),
        (rights(None, None), denied(), "", Unknown, 0),
        (rights(None, None), lost(), "2.0.0", Unknown, 0),
        (rights(None, None), None, "2.0.0", Unknown, 0),
    ] {
        let workspace =
            RosterWorkspace { text: "Finance".to_owned(), found: here(Some(Result::Ok(())), invites) };
        let roster = RosterFacts {
            problems: 0,
            is_usable: true,
            rows: 1,
            count: 1,
            workspaces: Some(Result::Ok(vec![workspace])),
        };
        let facts = Facts {
            roster: Some(roster),
            rights: Some(Result::Ok(rights)),
            installation: Some(Result::Ok(installation(version))),
            ..good()
        };
        let judged = judge(&facts, now());
        assert_eq!((verdict(&judged, "workspace"), judged.status.code()), (expected, status), "{facts:?}");
    }
}

#[test]
fn an_unknown_workspace_is_the_rosters_fault_only_if_the_caller_sees_all_of_them() {
    let nowhere = |scope| Found::Nowhere { scope, near: crate::present::names::Likeness::Nothing };
    for (found, verdict_of, status) in [
        (nowhere(Scope::System), Verdict::Failed, 3),
        (nowhere(Scope::Own), Verdict::Failed, 4),
        (Found::Ambiguous(vec![id("a"), id("b")]), Verdict::Failed, 3),
        (Found::Unclear(Fault::Internal { text: String::new() }), Verdict::Unknown, 0),
    ] {
        let workspace = RosterWorkspace { text: "Finance".to_owned(), found };
        let workspaces = Some(Ok(vec![workspace]));
        let roster = RosterFacts { problems: 0, is_usable: true, rows: 1, count: 1, workspaces };
        let facts = Facts { roster: Some(roster), ..good() };
        let judged = judge(&facts, now());
        assert_eq!((verdict(&judged, "workspace"), judged.status.code()), (verdict_of, status), "{facts:?}");
    }
}

#[test]
fn clocks_and_speed_are_judged_by_their_limits() {
    let seconds = Duration::from_secs;
    for (skew, expected) in [
        (Some(Skew::Ahead(seconds(30))), Verdict::Ok),
        (Some(Skew::Ahead(seconds(31))), Verdict::Warning),
        (Some(Skew::Behind(seconds(31))), Verdict::Warning),
        (None, Verdict::Unknown),
    ] {
        assert_eq!(verdict(&judge(&Facts { skew, ..good() }, now()), "clock"), expected, "{skew:?}");
    }
    for (latencies, expected) in [
        (vec![seconds(9), seconds(1), seconds(1)], Verdict::Ok),
        (vec![seconds(1), seconds(3), seconds(3)], Verdict::Warning),
        (vec![seconds(3)], Verdict::Warning),
        (vec![], Verdict::Skipped),
    ] {
        let facts = Facts { latencies, ..good() };
        assert_eq!(verdict(&judge(&facts, now()), "latency"), expected, "{:?}", facts.latencies);
    }
}
