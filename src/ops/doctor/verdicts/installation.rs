//! The installation: its version, what that version supports and requires, how people log in, mail,
//! and what no client can see.

use super::super::asking::Facts;
use super::{Bench, Blame, unasked};
use crate::houston::{Installation, Repeats, Support, Surface, Version};
use crate::report::checkup::{Check, Verdict};

const VERSION: &str = "version";
const OFFERS: &str = "offers";
const QUIET: &str = "bypassInvite";
const REPEATS: &str = "repeats";
const LOGIN: &str = "login";
const MAIL: &str = "mail";
const USERS: &str = "user management";
const SCIM: &str = "SCIM";

/// Older servers take other arguments (houston.md 7.2).
const OLDEST: Version = Version::new(0, 14, 0);
const TEAMS_SINCE: Version = Version::new(0, 28, 0);
const PAGES_SINCE: Version = Version::new(0, 30, 0);
const USER_MANAGEMENT_SINCE: Version = Version::new(0, 31, 0);

/// Everything about the installation.
pub(crate) fn judge(facts: &Facts, bench: &mut Bench) {
    let Some(Ok(installation)) = &facts.installation else {
        for name in [VERSION, OFFERS, QUIET, REPEATS, LOGIN, MAIL, USERS, SCIM] {
            bench.skip(name, unasked(facts));
        }
        return;
    };
    let surface = facts.surface.as_ref().and_then(|surface| *surface.as_ref().ok()?);
    version(installation, bench);
    offers(surface, installation.version, bench);
    bypass_invite(surface, installation, bench);
    repeats(installation, bench);
    let local_only = login(installation, bench);
    mail(facts, local_only, bench);
    unseen(installation.version, bench);
}

fn version(installation: &Installation, bench: &mut Bench) {
    match installation.version {
        Some(version) if version < OLDEST => bench.fail(
            Blame::Target,
            VERSION,
            format!("{version} is too old for this tool"),
            "use Houston 0.14 or later",
        ),
        Some(version) => {
            bench.add(
                Check::new(VERSION, Verdict::Ok, version.to_string()).with("version", version.to_string()),
            );
        }
        None => bench.unknown(VERSION, "Houston does not report it; the tool detects features where it can"),
    }
}

/// What the schema has, or else what the version is known to have.
fn offers(surface: Option<Surface>, version: Option<Version>, bench: &mut Bench) {
    let since = |first: Version| version.map(|version| version >= first);
    let of = |pick: fn(Surface) -> bool, first| surface.map(pick).or(since(first));
    let pages = of(|surface| surface.pages, PAGES_SINCE);
    let upsert = of(|surface| surface.upsert, PAGES_SINCE);
    let teams = of(|surface| surface.teams, TEAMS_SINCE);
    let word = |has: Option<bool>| match has {
        Some(true) => "yes",
        Some(false) => "no",
        None => "unknown",
    };
    let source = match (surface, version) {
        (Some(_), _) => "from its schema",
        (None, Some(_)) => "from its version",
        (None, None) => "Houston reports neither schema nor version",
    };
    let text = format!(
        "paged member lists: {}, role upsert: {}, Teams: {} ({source})",
        word(pages),
        word(upsert),
        word(teams)
    );
    let check = match pages {
        Some(true) => Check::new(OFFERS, Verdict::Ok, text),
        Some(false) => Check::new(OFFERS, Verdict::Warning, text).next(
            "nothing to do; the tool reads each workspace in one request, which is slow for large ones",
        ),
        None => Check::new(OFFERS, Verdict::Unknown, text),
    };
    bench.add(check.with("pages", pages).with("upsert", upsert).with("teams", teams));
}

fn bypass_invite(surface: Option<Surface>, installation: &Installation, bench: &mut Bench) {
    let shown = surface.map(|surface| if surface.bypass_invite { Support::Yes } else { Support::No });
    match shown.unwrap_or(installation.bypass_invite) {
        Support::Yes => bench.ok(QUIET, "people can be added without an email"),
        Support::No => bench.warn(
            QUIET,
            "this version emails everyone who is added: `apply` will refuse to run (5)",
            "pass --send-invites to allow the emails, or upgrade to Houston 0.25.3 or later",
        ),
        Support::Unknown => bench.unknown(QUIET, "the first add of a run will show whether this version can add people without an email; no unwanted email is sent"),
    }
}

fn repeats(installation: &Installation, bench: &mut Bench) {
    match installation.repeats {
        Repeats::Refused => bench.ok(REPEATS, "Houston refuses a repeated add, so a lost answer costs little"),
        Repeats::Doubled => bench.warn(
            REPEATS,
            "repeating an add creates a second binding, so after a lost answer the tool reads back and waits (--settle) before sending again",
            "nothing to do; runs that lose answers take longer",
        ),
        Repeats::Unknown => bench.unknown(
            REPEATS,
            "it is not known how this version handles a repeated add: after a lost answer the tool waits (--settle), unless it has seen Houston refuse one",
        ),
    }
}

/// How people log in; whether with local passwords only.
fn login(installation: &Installation, bench: &mut Bench) -> bool {
    let (local, sso) = (installation.local_passwords, installation.sso_providers);
    let check = match (local, sso.unwrap_or(0)) {
        (Some(true), 0) => Check::new(
            LOGIN,
            Verdict::Warning,
            "local passwords only: new people added without an invitation email could never log in, so `apply` will refuse to run (5)",
        )
        .next("pass --send-invites, or --bypass-local if everyone already has an account"),
        (Some(true), _) => Check::new(
            LOGIN,
            Verdict::Warning,
            "single sign-on and local passwords: new people who do not use SSO and are added without an invitation email could never log in",
        )
        .next("pass --send-invites for such people"),
        (Some(false), 0) => Check::new(LOGIN, Verdict::Warning, "Houston lists neither local passwords nor an identity provider")
            .next("ask the administrator how people log in"),
        (Some(false), _) => Check::new(LOGIN, Verdict::Ok, "single sign-on: new people log in with it"),
        (None, _) => Check::new(LOGIN, Verdict::Unknown, "Houston does not report how people log in")
            .next("if it has local passwords only, pass --send-invites: new people added without an invitation email could never log in"),
    };
    bench.add(check.with("local_passwords", local).with("sso_providers", sso));
    local == Some(true) && sso.unwrap_or(0) == 0
}

fn mail(facts: &Facts, local_only: bool, bench: &mut Bench) {
    let check = match &facts.mail {
        None => return bench.skip(MAIL, unasked(facts)),
        Some(Ok(Some(true))) => {
            Check::new(MAIL, Verdict::Ok, "Houston can send email, so --send-invites works")
        }
        Some(Ok(Some(false))) => {
            let text = "Houston cannot send email (no SMTP), so --send-invites has no effect";
            if local_only {
                Check::new(MAIL, Verdict::Warning, text)
                    .next("new people need an invitation email to log in here: have SMTP configured first")
            } else {
                Check::new(MAIL, Verdict::Ok, text)
            }
        }
        Some(Ok(None)) => {
            Check::new(MAIL, Verdict::Unknown, "Houston does not report whether it can send email")
        }
        Some(Err(fault)) => Check::new(MAIL, Verdict::Unknown, fault.to_string()),
    };
    let smtp = facts.mail.as_ref().and_then(|mail| *mail.as_ref().ok()?);
    bench.add(check.with("smtp", smtp));
}

/// What no caller can read.
fn unseen(version: Option<Version>, bench: &mut Bench) {
    if version.is_some_and(|version| version < USER_MANAGEMENT_SINCE) {
        bench.ok(USERS, "this version cannot turn it off");
    } else {
        bench.unknown(USERS, "a client cannot see whether it is off; if it is, Houston refuses the first add (`user_management_off`)");
    }
    bench.unknown(
        SCIM,
        "a client cannot see whether it is on; if it is, Houston refuses to add new people (`scim_managed`)",
    );
}
