//! The caller: the token, its lifetime, its rights, and what it can do in the workspaces of a roster.

use std::time::{Duration, SystemTime};

use super::super::asking::{Facts, Found, RosterFacts, RosterWorkspace};
use super::{Bench, Blame, counted, unasked};
use crate::houston::{Fault, OnPlatform, Rights, Scope, TokenKind, Version};
use crate::model::WorkspaceId;
use crate::model::period::{day, moment, spoken};
use crate::ops::session::token_life::{TokenLife, judge as judge_life};
use crate::report::checkup::{Check, Verdict};

const TOKEN: &str = "token";
const LIFE: &str = "token life";
const CALLER: &str = "caller";
const RIGHTS: &str = "rights";
const ROSTER: &str = "roster";
const WORKSPACE: &str = "workspace";

/// A token with less time left than this is worth a warning.
const SHORT: Duration = Duration::from_secs(15 * 60);
/// A token with more time left than this is shown with its last day only.
const LONG: Duration = Duration::from_secs(48 * 3600);
/// From here on only admins of a workspace read its invitations (houston.md 4).
const INVITES_FOR_ADMINS: Version = Version::new(0, 25, 0);
/// Teams give roles from here on (houston.md 2.8).
const TEAMS: Version = Version::new(0, 28, 0);

const NEW_TOKEN: &str = "get a new token: log in again, copy one from https://app.<your domain>/token, or use a service account's key";

/// Everything about the caller.
pub(crate) fn judge(facts: &Facts, now: SystemTime, bench: &mut Bench) {
    match &facts.token {
        Ok((kind, expires)) => {
            token(*kind, bench);
            life(facts, *kind, *expires, now, bench);
        }
        Err(why) => {
            let hint = if why.starts_with("no token") {
                "set HOUSTON_API_TOKEN, or pass --token-file or --context"
            } else {
                "give it the token alone, as it was copied, without anything before or after it"
            };
            bench.fail(Blame::Token, TOKEN, why, hint);
            bench.skip(LIFE, "no token");
        }
    }
    match (&facts.token, &facts.rights) {
        (Err(_), _) => {
            bench.skip(CALLER, "no token");
            bench.skip(RIGHTS, "no token");
        }
        (Ok(_), None) => {
            bench.skip(CALLER, unasked(facts));
            bench.skip(RIGHTS, unasked(facts));
        }
        (Ok((kind, _)), Some(Ok(found))) => {
            caller(found, *kind, bench);
            rights(found, version(facts), bench);
        }
        (Ok(_), Some(Err(fault))) => {
            refused(fault, bench);
            bench.skip(RIGHTS, "the caller is unknown");
        }
    }
    if let Some(found) = &facts.roster {
        roster(found, bench);
        workspaces(facts, found, bench);
    }
}

/// The version of Houston, if it reports one.
fn version(facts: &Facts) -> Option<Version> {
    facts.installation.as_ref().and_then(|found| found.as_ref().ok()?.version)
}

fn token(kind: TokenKind, bench: &mut Bench) {
    let (verdict, name, text) = match kind {
        TokenKind::User => (Verdict::Ok, "user", "a user's token (JWT)"),
        TokenKind::ServiceAccount => (Verdict::Ok, "service_account", "the key of a service account"),
        TokenKind::Unknown => {
            (Verdict::Warning, "unknown", "neither a JWT nor the 32 characters of a service account's key")
        }
    };
    let check = Check::new(TOKEN, verdict, text).with("kind", name);
    let next = "check that the token is complete and that nothing else was copied with it";
    bench.add(if verdict == Verdict::Warning { check.next(next) } else { check });
}

fn life(facts: &Facts, kind: TokenKind, expires: Option<SystemTime>, now: SystemTime, bench: &mut Bench) {
    let is_taken = matches!(facts.rights, Some(Ok(_)));
    let Some(ends) = expires else {
        return match kind {
            TokenKind::ServiceAccount => bench.ok(LIFE, "a service account's key does not expire"),
            TokenKind::User | TokenKind::Unknown => {
                bench.unknown(LIFE, "the token does not state when it expires");
            }
        };
    };
    let at = moment(ends);
    let check = |verdict, text: String| Check::new(LIFE, verdict, text).with("expires_at", at.as_str());
    let check = match judge_life(expires, now, SHORT) {
        TokenLife::Enough => {
            let left = ends.duration_since(now).unwrap_or_default();
            let text = if left < LONG {
                format!("expires at {at}, in {}, by this machine's clock", spoken(left))
            } else {
                format!("valid until {}, by this machine's clock", day(ends))
            };
            check(Verdict::Ok, text).with("seconds_left", left.as_secs())
        }
        TokenLife::TooShort { left, .. } => {
            check(Verdict::Warning, format!("expires at {at}, in only {}", spoken(left)))
                .with("seconds_left", left.as_secs())
                .next("get a new token before a long run, or pass a --token-file that is renewed in time")
        }
        TokenLife::Over { .. } if is_taken => check(
            Verdict::Warning,
            format!("expired at {at} by this machine's clock, but Houston accepts it"),
        )
        .next("set this machine's clock"),
        TokenLife::Over { .. } => {
            bench.blamed.push(Blame::Token);
            check(Verdict::Failed, format!("expired at {at}, by this machine's clock")).next(NEW_TOKEN)
        }
    };
    bench.add(check);
}

fn caller(rights: &Rights, token: TokenKind, bench: &mut Bench) {
    let caller = &rights.caller;
    let (verdict, kind, text) = match (&caller.username, &caller.user_id, token) {
        (Some(name), _, _) => (Verdict::Ok, "user", format!("Houston accepts the token: {name}")),
        (None, Some(id), _) => (Verdict::Ok, "user", format!("Houston accepts the token: the user {id}")),
        (None, None, TokenKind::ServiceAccount) => {
            (Verdict::Ok, "service_account", "Houston accepts the token: a service account".to_owned())
        }
        (None, None, TokenKind::User | TokenKind::Unknown) => {
            (Verdict::Warning, "unknown", "Houston accepts the token but does not say whose it is".to_owned())
        }
    };
    let check =
        Check::new(CALLER, verdict, text).with("kind", kind).with("username", caller.username.clone());
    let next = "use a service account's key or log in again: without knowing whose token it is, `apply` refuses to remove or demote people";
    bench.add(if verdict == Verdict::Warning { check.next(next) } else { check });
}

/// Any valid token may query `self`.
fn refused(fault: &Fault, bench: &mut Bench) {
    match fault {
        Fault::Denied { text } | Fault::Expired { text } => {
            bench.fail(Blame::Token, CALLER, format!("Houston does not accept the token: {text}"), NEW_TOKEN);
        }
        Fault::Schema { .. } | Fault::Malformed { .. } => bench.fail(
            Blame::Target,
            CALLER,
            format!("the server does not report who the caller is: {fault}"),
            "this may be another GraphQL server: check the URL",
        ),
        Fault::Unsent { .. }
        | Fault::NoAnswer { .. }
        | Fault::Proxy { .. }
        | Fault::Throttled { .. }
        | Fault::Rejected { .. }
        | Fault::Already { .. }
        | Fault::Internal { .. } => {
            bench.fail(
                Blame::Target,
                CALLER,
                fault.to_string(),
                "try again; if it recurs, see Houston's log",
            );
        }
    }
}

fn rights(rights: &Rights, version: Option<Version>, bench: &mut Bench) {
    let admin_of = rights.admin_of.as_ref().map(Vec::len);
    let everywhere = rights.adds_everywhere(version);
    let check = match (everywhere, admin_of) {
        (Some(true), _) => {
            let role = if rights.on_platform == OnPlatform::Editor { "editor" } else { "admin" };
            Check::new(RIGHTS, Verdict::Ok, format!("can add people to every workspace (system {role})"))
        }
        (_, Some(count @ 1..)) => Check::new(
            RIGHTS,
            Verdict::Ok,
            format!("admin of {}; can add people there only", counted(count, "workspace", "workspaces")),
        ),
        (None, Some(0)) => Check::new(
            RIGHTS,
            Verdict::Unknown,
            "system editor, which is enough to add people up to 0.29, but Houston does not report its version",
        )
        .next("pass a ROSTER to check each of its workspaces"),
        (Some(false), Some(0)) => Check::new(
            RIGHTS,
            Verdict::Warning,
            "neither a system admin nor an admin of any workspace, except perhaps through a Team or custom role",
        )
        .next("ask for WORKSPACE_ADMIN in the workspaces of the roster; pass a ROSTER to check each of them"),
        (Some(false), None) => Check::new(RIGHTS, Verdict::Unknown, "not a system admin; Houston does not report which workspaces the caller administers")
            .next("pass a ROSTER to check each of its workspaces"),
        (None, None) => Check::new(RIGHTS, Verdict::Unknown, "Houston does not report what the caller may do")
            .next("pass a ROSTER to check each of its workspaces"),
    };
    let is_system_admin = match rights.on_platform {
        OnPlatform::Admin => Some(true),
        OnPlatform::Editor | OnPlatform::Viewer | OnPlatform::Nothing | OnPlatform::NotAdmin => Some(false),
        OnPlatform::Unknown => None,
    };
    bench.add(check.with("system_admin", is_system_admin).with("admin_of", admin_of));
}

fn roster(roster: &RosterFacts, bench: &mut Bench) {
    let text = format!(
        "{} for {}",
        counted(roster.rows, "valid row", "valid rows"),
        counted(roster.count, "workspace", "workspaces")
    );
    if roster.problems == 0 {
        bench.ok(ROSTER, text);
        return;
    }
    let count = usize::try_from(roster.problems).unwrap_or(usize::MAX);
    let text = format!("{}; {text}", counted(count, "problem", "problems"));
    let next = "run `validate` to list them";
    if roster.is_usable {
        bench.warn(ROSTER, text, next);
    } else {
        bench.fail(Blame::Roster, ROSTER, text, next);
    }
}

fn workspaces(facts: &Facts, roster: &RosterFacts, bench: &mut Bench) {
    let version = version(facts);
    match (&roster.workspaces, &facts.rights) {
        (Some(Ok(found)), Some(Ok(rights))) => {
            found.iter().for_each(|found| workspace(found, rights, version, bench));
        }
        (Some(Err(Fault::Denied { text })), _) => bench.fail(
            Blame::Token,
            WORKSPACE,
            format!("the token may not list workspaces: {text}"),
            "ask for a role in the workspaces, or use another token",
        ),
        (Some(Err(fault)), _) => {
            bench.fail(
                Blame::Target,
                WORKSPACE,
                format!("the workspaces cannot be listed: {fault}"),
                "try again",
            );
        }
        (None | Some(Ok(_)), Some(Ok(_)) | None) => bench.skip(WORKSPACE, unasked(facts)),
        (None | Some(Ok(_)), Some(Err(_))) => bench.skip(WORKSPACE, "the caller is unknown"),
    }
}

/// Whether the caller can add people to a workspace, as far as the answers show.
enum Admin<'a> {
    Yes,
    No,
    /// Houston refuses to list the members, in these words; `apply` changes nothing unseen.
    Blind(&'a str),
    Unclear(&'static str),
}

/// What the caller was shown of a workspace.
#[derive(Clone, Copy)]
struct Seen<'a> {
    members: Option<Result<&'a (), &'a Fault>>,
    invites: Option<Result<&'a (), &'a Fault>>,
    scope: Scope,
}

fn workspace(named: &RosterWorkspace, rights: &Rights, version: Option<Version>, bench: &mut Bench) {
    let name = &named.text;
    let mut blame = None;
    let check = match &named.found {
        Found::Here { id, members, invites, scope } => {
            let seen = Seen {
                members: members.as_ref().map(Result::as_ref),
                invites: invites.as_ref().map(Result::as_ref),
                scope: *scope,
            };
            let check = match may_add(rights, id, seen, version) {
                Admin::Yes => {
                    Check::new(WORKSPACE, Verdict::Ok, format!("`{name}`: the caller can add people"))
                }
                Admin::Unclear(why) => Check::new(
                    WORKSPACE,
                    Verdict::Unknown,
                    format!("`{name}` exists, but it is not known whether the caller can add people: {why}"),
                ),
                Admin::Blind(text) => {
                    blame = Some(Blame::Token);
                    let text = format!(
                        "`{name}`: the caller cannot list the members, so `apply` cannot tell whom to add: {text}"
                    );
                    Check::new(WORKSPACE, Verdict::Failed, text)
                        .next("ask for a role that may list them, or use another token")
                }
                Admin::No => {
                    blame = Some(Blame::Token);
                    let text = format!(
                        "`{name}`: the caller can see it but is not an admin; Houston will refuse to add people"
                    );
                    Check::new(WORKSPACE, Verdict::Failed, text)
                        .next("ask for WORKSPACE_ADMIN there, or use another token")
                }
            };
            check.with("workspace_id", id.as_str())
        }
        Found::Nowhere { scope, near } => {
            let (text, next) = match scope {
                Scope::System => {
                    ("no such workspace", "check the spelling: ids and labels must match exactly")
                }
                Scope::Own => {
                    ("the token cannot see such a workspace", "use its id, or the token of one of its admins")
                }
            };
            blame = Some(match scope {
                Scope::System => Blame::Roster,
                Scope::Own => Blame::Token,
            });
            let why = near.reason(name).map_or_else(String::new, |reason| format!("; {reason}"));
            let check = Check::new(WORKSPACE, Verdict::Failed, format!("`{name}`: {text}{why}"));
            check.next(near.hint().unwrap_or_else(|| next.to_owned()))
        }
        Found::Ambiguous(ids) => {
            blame = Some(Blame::Roster);
            let list: Vec<&str> = ids.iter().map(WorkspaceId::as_str).collect();
            Check::new(
                WORKSPACE,
                Verdict::Failed,
                format!("`{name}`: {} workspaces have this label", ids.len()),
            )
            .next(format!("use the id of one of them: {}", list.join(", ")))
        }
        Found::Unclear(fault) => Check::new(WORKSPACE, Verdict::Unknown, format!("`{name}`: {fault}")),
    };
    bench.blamed.extend(blame);
    bench.add(check.with("workspace", name.as_str()));
}

/// The caller's bindings and role on the platform decide. Where they do not, a caller who can read the
/// invitations is an admin, in versions that show them to admins only.
fn may_add<'a>(rights: &Rights, id: &WorkspaceId, seen: Seen<'a>, version: Option<Version>) -> Admin<'a> {
    match seen.members {
        Some(Err(Fault::Denied { text })) => return Admin::Blind(text),
        Some(Err(_)) | None => return Admin::Unclear("Houston did not answer"),
        Some(Ok(())) => {}
    }
    let everywhere = rights.adds_everywhere(version);
    if everywhere == Some(true) || rights.administers(id) {
        return Admin::Yes;
    }
    let is_denied = match seen.invites {
        Some(Err(Fault::Denied { .. })) => true,
        Some(Ok(())) => false,
        Some(Err(_)) | None => return Admin::Unclear("Houston did not answer"),
    };
    if is_denied {
        let editor = "it may be a system editor, who can add people up to 0.29";
        return if everywhere.is_some() { Admin::No } else { Admin::Unclear(editor) };
    }
    let only_source_until = if rights.admin_of.is_some() { TEAMS } else { INVITES_FOR_ADMINS };
    match version.map(|version| version >= only_source_until) {
        // Before Teams existed, bindings were the only source of rights.
        Some(false) if rights.admin_of.is_some() && everywhere.is_some() => Admin::No,
        Some(false) => Admin::Unclear("this version shows invitations to viewers too"),
        Some(true) if reads_by_system_role(rights, seen.scope) => {
            Admin::Unclear("a role on the platform may be what opens the invitations")
        }
        Some(true) => Admin::Yes,
        None => Admin::Unclear("the version is unknown"),
    }
}

/// Whether a role on the platform may open the invitations of a workspace to the caller.
fn reads_by_system_role(rights: &Rights, scope: Scope) -> bool {
    match rights.on_platform {
        OnPlatform::Admin | OnPlatform::Editor | OnPlatform::Viewer => true,
        OnPlatform::Nothing => false,
        OnPlatform::NotAdmin | OnPlatform::Unknown => scope == Scope::System,
    }
}
