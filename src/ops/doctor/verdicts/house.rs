//! The installation: its version, what that offers and demands, how people log in, mail, and what
//! nobody can see from outside.

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
            format!("{version} is older than anything this tool understands"),
            "this tool is for 0.14 and later",
        ),
        Some(version) => {
            bench.add(
                Check::new(VERSION, Verdict::Ok, version.to_string()).with("version", version.to_string()),
            );
        }
        None => bench
            .unknown(VERSION, "Houston does not tell it; what it can do is found out as far as that goes"),
    }
}

/// What the schema has, or what a version is known to have.
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
        (Some(_), _) => "by its schema",
        (None, Some(_)) => "by its version",
        (None, None) => "neither schema nor version are told",
    };
    let text = format!(
        "members by page {}, roles by upsert {}, Teams {} ({source})",
        word(pages),
        word(upsert),
        word(teams)
    );
    let check = match pages {
        Some(true) => Check::new(OFFERS, Verdict::Ok, text),
        Some(false) => Check::new(OFFERS, Verdict::Warning, text)
            .next("nothing to do; a workspace is read as a whole, which takes long where it is large"),
        None => Check::new(OFFERS, Verdict::Unknown, text),
    };
    bench.add(check.with("pages", pages).with("upsert", upsert).with("teams", teams));
}

fn bypass_invite(surface: Option<Surface>, installation: &Installation, bench: &mut Bench) {
    let told = surface.map(|surface| if surface.bypass_invite { Support::Yes } else { Support::No });
    match told.unwrap_or(installation.bypass_invite) {
        Support::Yes => bench.ok(QUIET, "people can be added without a mail"),
        Support::No => bench.warn(
            QUIET,
            "people cannot be added without mailing them: `apply` will refuse (5)",
            "if the mails are wanted: --send-invites; 0.25.3 and later can do without",
        ),
        Support::Unknown => bench.unknown(QUIET, "whether people can be added without a mail shows with the first one; nobody is mailed by surprise"),
    }
}

fn repeats(installation: &Installation, bench: &mut Bench) {
    match installation.repeats {
        Repeats::Refused => bench.ok(REPEATS, "a repeated add is refused: a lost answer costs little"),
        Repeats::Doubled => bench.warn(
            REPEATS,
            "a repeated add makes a second binding: a lost answer is read up on, and waited for (--settle), before anything is sent again",
            "nothing to do; runs with lost answers take longer",
        ),
        Repeats::Unknown => bench.unknown(
            REPEATS,
            "what a repeated add does is not known of this version: a lost answer is waited for (--settle) until the run has seen a refusal",
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
            "local passwords only: people without an account who are added without a mail could never log in, so `apply` will refuse (5)",
        )
        .next("let Houston mail them with --send-invites, or, if all of them have accounts, --bypass-local"),
        (Some(true), _) => Check::new(
            LOGIN,
            Verdict::Warning,
            "single sign-on and local passwords: people without an account who do not log in by SSO could never log in if they are added without a mail",
        )
        .next("for such people --send-invites"),
        (Some(false), 0) => Check::new(LOGIN, Verdict::Warning, "neither local passwords nor an identity provider are shown")
            .next("ask whoever runs it how people log in"),
        (Some(false), _) => Check::new(LOGIN, Verdict::Ok, "single sign-on: whoever is added logs in with it"),
        (None, _) => Check::new(LOGIN, Verdict::Unknown, "Houston does not tell how people log in")
            .next("with local passwords only, people who are added without a mail could never log in: use --send-invites"),
    };
    bench.add(check.with("local_passwords", local).with("sso_providers", sso));
    local == Some(true) && sso.unwrap_or(0) == 0
}

fn mail(facts: &Facts, local_only: bool, bench: &mut Bench) {
    let check = match &facts.mail {
        None => return bench.skip(MAIL, unasked(facts)),
        Some(Ok(Some(true))) => {
            Check::new(MAIL, Verdict::Ok, "Houston can mail: --send-invites has a meaning")
        }
        Some(Ok(Some(false))) => {
            let text = "Houston cannot mail (no SMTP): --send-invites reaches nobody";
            if local_only {
                Check::new(MAIL, Verdict::Warning, text)
                    .next("new people need a mail to log in here: have SMTP configured first")
            } else {
                Check::new(MAIL, Verdict::Ok, text)
            }
        }
        Some(Ok(None)) => Check::new(MAIL, Verdict::Unknown, "Houston does not tell whether it can mail"),
        Some(Err(fault)) => Check::new(MAIL, Verdict::Unknown, fault.to_string()),
    };
    let told = facts.mail.as_ref().and_then(|mail| *mail.as_ref().ok()?);
    bench.add(check.with("smtp", told));
}

/// What no caller can read.
fn unseen(version: Option<Version>, bench: &mut Bench) {
    if version.is_some_and(|version| version < USER_MANAGEMENT_SINCE) {
        bench.ok(USERS, "this version cannot switch it off");
    } else {
        bench.unknown(USERS, "whether it is switched off cannot be seen; then the first add is refused with `user_management_off`");
    }
    bench.unknown(
        SCIM,
        "whether it is on cannot be seen; then adds of new people are refused with `scim_managed`",
    );
}
