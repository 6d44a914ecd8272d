//! How refusals from Houston, and from what is in front of it, become a [`Fault`]: the catalogue of
//! messages and of HTTP answers.
//!
//! Main functions: [`classify`] for GraphQL errors, [`classify_http`] for everything else. Messages
//! are matched by prefix, whatever their case, together with their code where one text or one code
//! has several meanings. The texts come from `houston.md`, section 5; its source tags are repeated
//! here.

use std::time::{Duration, SystemTime};

use super::fault::{AlreadyKind, Fault, NoAnswerCause, RejectedKind, snippet};

/// One entry of `errors` of a GraphQL answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GraphError {
    /// `message`.
    pub message: String,
    /// `extensions.code`.
    pub code: Option<String>,
    /// The root field it belongs to, from `path`.
    pub root: Option<String>,
}

#[derive(Clone, Copy)]
enum Meaning {
    Denied,
    Expired,
    Rejected(RejectedKind),
    Already(AlreadyKind),
    Schema,
}

struct Line {
    /// The beginning of the message, in lower case.
    message: &'static str,
    /// The code it must have; `None` for any.
    code: Option<&'static str>,
    meaning: Meaning,
}

const fn any(message: &'static str, meaning: Meaning) -> Line {
    Line { message, code: None, meaning }
}

const fn with(message: &'static str, code: &'static str, meaning: Meaning) -> Line {
    Line { message, code: Some(code), meaning }
}

const BAD_INPUT: &str = "BAD_USER_INPUT";
const INTERNAL: &str = "INTERNAL_SERVER_ERROR";
const VALIDATION: &str = "GRAPHQL_VALIDATION_FAILED";

/// The first line that fits counts.
const CATALOGUE: &[Line] = &[
    // Permissions. S19, S20, CAP; the second wording: P2, CLI-apc.
    any("you do not have the appropriate permissions", Meaning::Denied),
    any("insufficient permissions", Meaning::Denied),
    any("requester not authorized", Meaning::Denied), // ISS, Houston v1
    any("not authorised", Meaning::Denied),           // graphql-shield's own default; inferred
    // Dead tokens. CLI; ISS; S20.
    any("auth_token_refresh_failed", Meaning::Expired),
    any("authentication token has expired", Meaning::Expired),
    any("invalid jwt", Meaning::Expired),
    // createToken only. S20
    any("your account is awaiting email confirmation", Meaning::Expired),
    any("no password credentials found", Meaning::Expired),
    any("invalid password and username combination", Meaning::Expired),
    // Rows. S19, S20; ISS houston-api #437, #522 (their codes are inferred).
    any("invalid workspace role", Meaning::Rejected(RejectedKind::BadRole)),
    with("invalid role", BAD_INPUT, Meaning::Rejected(RejectedKind::BadRole)),
    any("invalid deployment role", Meaning::Rejected(RejectedKind::BadRole)), // inferred
    any("entity and role types don't match", Meaning::Rejected(RejectedKind::BadRole)),
    any("invalid email address", Meaning::Rejected(RejectedKind::BadEmail)),
    any("this user does not belong to the workspace", Meaning::Rejected(RejectedKind::NotInWorkspace)),
    any("the requested resource was not found", Meaning::Rejected(RejectedKind::NotFound)),
    // The database layer of 2019 and 2020 about an invitation that is gone. S19, S20, RUN
    any("no node for the model invitetoken", Meaning::Rejected(RejectedKind::NotFound)),
    any("there are no other system administrators", Meaning::Rejected(RejectedKind::LastAdmin)),
    any(
        "workspaceuser query unexpectedly returned more than a single user",
        Meaning::Rejected(RejectedKind::Ambiguous),
    ),
    // Done already. S19, S20, CAP.
    any("user already invited", Meaning::Already(AlreadyKind::Invited)),
    any("a duplicate role binding already exists", Meaning::Already(AlreadyKind::Bound)),
    any("the role binding does not exist for this user", Meaning::Already(AlreadyKind::Unbound)),
    any("email address in use", Meaning::Already(AlreadyKind::EmailInUse)),
    // Sign-up paths, deletion of workspaces: not ours, but known. S20
    any("invite token not found", Meaning::Rejected(RejectedKind::SignUp)),
    any(
        "this email is not associated with the specified invite token",
        Meaning::Rejected(RejectedKind::SignUp),
    ),
    any("public sign ups are disabled", Meaning::Rejected(RejectedKind::SignUp)),
    any("workspace is suspended", Meaning::Rejected(RejectedKind::WorkspaceState)),
    any("you must first deprovision all deployments", Meaning::Rejected(RejectedKind::WorkspaceState)),
    // Validation. EXP, CLI; introspection texts are inferred.
    any("cannot query field", Meaning::Schema),
    any("unknown argument", Meaning::Schema),
    any("unknown type", Meaning::Schema),
    any("syntax error", Meaning::Schema),
    any("introspection is not allowed", Meaning::Schema),
    any("graphql introspection is not allowed", Meaning::Schema),
    with("introspection", VALIDATION, Meaning::Schema),
];

/// Codes that settle the meaning of an unknown message.
const CODES: &[(&str, Meaning)] = &[
    ("FORBIDDEN", Meaning::Denied),
    ("UNAUTHENTICATED", Meaning::Expired),
    ("USER_ALREADY_INVITED", Meaning::Already(AlreadyKind::Invited)),
    ("DUPLICATE_EMAIL", Meaning::Already(AlreadyKind::EmailInUse)),
    ("RESOURCE_NOT_FOUND", Meaning::Rejected(RejectedKind::NotFound)),
    ("INVITE_EMAIL_NOT_MATCH", Meaning::Rejected(RejectedKind::SignUp)),
    ("PUBLIC_SIGNUPS_DISABLED", Meaning::Rejected(RejectedKind::SignUp)),
    ("ACCOUNT_NOT_CONFIRMED", Meaning::Expired),
    (VALIDATION, Meaning::Schema),
    ("GRAPHQL_PARSE_FAILED", Meaning::Schema),
];

/// What one GraphQL error means. `status` is the HTTP status it came with.
pub fn classify_one(error: &GraphError, status: u16) -> Fault {
    let text = snippet(&error.message);
    let message = error.message.trim().to_lowercase();
    let code = error.code.as_deref().unwrap_or_default();
    if let Some(variable) = bad_variable(&message, &error.message) {
        return if variable == "role" {
            Fault::Rejected { kind: RejectedKind::BadRole, text }
        } else {
            Fault::Schema { subject: Some(variable), text }
        };
    }
    if error.root.as_deref() == Some("self") && is_about_undefined(&message) {
        return Fault::Expired { text };
    }
    let listed = CATALOGUE
        .iter()
        .find(|line| message.starts_with(line.message) && line.code.is_none_or(|wanted| wanted == code))
        .map(|line| line.meaning)
        .or_else(|| CODES.iter().find(|(known, _)| *known == code).map(|&(_, meaning)| meaning));
    match listed {
        Some(Meaning::Denied) => Fault::Denied { text },
        Some(Meaning::Expired) => Fault::Expired { text },
        Some(Meaning::Rejected(kind)) => Fault::Rejected { kind, text },
        Some(Meaning::Already(kind)) => Fault::Already { kind, text },
        Some(Meaning::Schema) => Fault::Schema { subject: quoted(&error.message), text },
        None if status == 401 => Fault::Expired { text },
        // The texts of these two are not known, only what they are about (DES; REL 0.32.5).
        None if message.contains("scim") => Fault::Rejected { kind: RejectedKind::Scim, text },
        None if message.contains("user management") || message.contains("usermanagement") => {
            Fault::Rejected { kind: RejectedKind::UserManagementOff, text }
        }
        // Since 0.28.4; the text is not known either (REL).
        None if is_about_last_admin(&message) => Fault::Rejected { kind: RejectedKind::LastAdmin, text },
        None if is_about_a_gone_record(&message) => Fault::Rejected { kind: RejectedKind::NotFound, text },
        None if code == INTERNAL || status >= 500 => Fault::Internal { text },
        None => Fault::Rejected { kind: RejectedKind::Other, text },
    }
}

/// Whether a message, in lower case, says that a workspace would be left without an admin.
fn is_about_last_admin(message: &str) -> bool {
    const STARTS: [&str; 4] = ["no other ", "the last ", "the only ", "at least one "];
    const ADMINS: [&str; 4] = ["admin", "workspace admin", "workspace_admin", "user with admin"];
    let is_admin = |rest: &str| ADMINS.iter().any(|admin| rest.starts_with(admin));
    STARTS.iter().any(|start| message.split(start).skip(1).any(is_admin))
}

/// Whether a message, in lower case, is how JavaScript fails over something that is missing, in the words
/// of Node 16 or of those before it. On `self` it is the caller that is missing: the first servers with the
/// shield let a dead token through to there. P2 RUN
fn is_about_undefined(message: &str) -> bool {
    let fails = |begin: &str| message.starts_with(begin) && message.contains("of undefined");
    fails("cannot read properties of undefined") || fails("cannot read property ")
}

/// Whether a message, in lower case, says that the object to delete is already gone, in the words of Prisma 2
/// to 5 or of Prisma 6. P2 RUN
fn is_about_a_gone_record(message: &str) -> bool {
    ["record to delete does not exist.", "no record was found for a delete."]
        .iter()
        .any(|end| message.ends_with(end))
}

/// What the errors of one answer mean together: the most specific one. `None` without errors.
pub fn classify<'a>(errors: impl IntoIterator<Item = &'a GraphError>, status: u16) -> Option<Fault> {
    errors.into_iter().map(|error| classify_one(error, status)).min_by_key(rank)
}

/// The lower, the more specific. An error that leaves the effect unknown outranks an unrecognised
/// refusal.
fn rank(fault: &Fault) -> u8 {
    match fault {
        Fault::Expired { .. } => 0,
        Fault::Denied { .. } => 1,
        Fault::Schema { .. } => 2,
        Fault::Rejected {
            kind:
                RejectedKind::BadEmail
                | RejectedKind::BadRole
                | RejectedKind::NotFound
                | RejectedKind::NotInWorkspace
                | RejectedKind::LastAdmin
                | RejectedKind::Ambiguous
                | RejectedKind::Scim
                | RejectedKind::UserManagementOff
                | RejectedKind::SignUp
                | RejectedKind::WorkspaceState,
            ..
        }
        | Fault::Already { .. } => 3,
        Fault::Internal { .. } => 4,
        Fault::Rejected { kind: RejectedKind::Other, .. } => 5,
        Fault::Unsent { .. }
        | Fault::NoAnswer { .. }
        | Fault::Proxy { .. }
        | Fault::Throttled { .. }
        | Fault::Malformed { .. } => 6,
    }
}

/// `Variable "$role" got invalid value ...` and its like: the name without the dollar. Any code,
/// since the servers differ (CAP, ISS astro-cli #350, EXP).
fn bad_variable(lower: &str, original: &str) -> Option<String> {
    let about_variable = lower.starts_with("variable \"$") || lower.starts_with("variable '$");
    about_variable.then(|| quoted(original)).flatten().filter(|_| {
        ["got invalid value", "of required type", "of non-null type", "is not defined", "is never used"]
            .iter()
            .any(|what| lower.contains(what))
    })
}

/// The first quoted name of a message, without a leading dollar.
fn quoted(message: &str) -> Option<String> {
    let mut parts = message.split(['"', '\'']);
    parts.next();
    let name = parts.next()?.trim_start_matches('$');
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| name.to_owned())
}

/// Ways to prove who asks that Houston does not have: something in front of it wants them.
const FOREIGN_SCHEMES: [&str; 5] = ["basic", "digest", "ntlm", "negotiate", "kerberos"];

/// The scheme of a `WWW-Authenticate` header that no token of Houston answers.
pub fn foreign_challenge(header: &str) -> Option<&'static str> {
    let scheme = header.trim_start().split([' ', ',']).next().unwrap_or_default().to_ascii_lowercase();
    FOREIGN_SCHEMES.into_iter().find(|known| *known == scheme)
}

/// What an answer means that is not GraphQL. `location` is the header of a redirect.
pub fn classify_http(
    status: u16,
    retry_after: Option<Duration>,
    location: Option<&str>,
    body: &[u8],
) -> Fault {
    match status {
        429 => return Fault::Throttled { retry_after },
        300..=399 => {
            let text = location.map_or_else(String::new, |to| snippet(&format!("redirect to {to}")));
            return Fault::Proxy { status, text };
        }
        _ => {}
    }
    let text = page(body);
    match (status, retry_after) {
        (401, _) => Fault::Expired { text },
        (502, _) => Fault::NoAnswer { cause: NoAnswerCause::BadGateway, text },
        (503, Some(wait)) => Fault::NoAnswer { cause: NoAnswerCause::Busy(wait), text },
        (503, None) => Fault::NoAnswer { cause: NoAnswerCause::Unavailable, text },
        (504, _) => Fault::NoAnswer { cause: NoAnswerCause::GatewayTimeout, text },
        (511, _) => Fault::Proxy { status, text },
        (408 | 500.., _) => Fault::NoAnswer { cause: NoAnswerCause::OtherStatus(status), text },
        _ if is_cut_off(body) => Fault::NoAnswer { cause: NoAnswerCause::Truncated, text },
        _ => Fault::Proxy { status, text },
    }
}

/// A JSON object that ends too early.
fn is_cut_off(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"{")
        && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_err_and(|error| error.is_eof())
}

/// What a page says, as one line: the title of HTML, the beginning of anything else.
fn page(body: &[u8]) -> String {
    let start = String::from_utf8_lossy(&body[..body.len().min(4096)]);
    if !start.trim_start().starts_with('<') {
        return snippet(&start);
    }
    title(&start).map_or_else(|| "a page without a title".to_owned(), snippet)
}

fn title(page: &str) -> Option<&str> {
    let lower = page.to_ascii_lowercase();
    let tag = lower.find("<title")?;
    let from = tag + lower[tag..].find('>')? + 1;
    let to = lower[from..].find("</").map_or(page.len(), |length| from + length);
    Some(page[from..to].trim()).filter(|title| !title.is_empty())
}

/// The longest wait that is believed.
const LONGEST_WAIT: Duration = Duration::from_secs(366 * 24 * 3600);

/// Reads a `Retry-After` header: seconds, or one of the HTTP dates. A date in the past means no
/// wait.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    let wait = if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        value.parse().map_or(LONGEST_WAIT, Duration::from_secs)
    } else {
        let at = httpdate::parse_http_date(value).ok()?;
        at.duration_since(now).unwrap_or(Duration::ZERO)
    };
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Code;

    #[test]
    fn a_caller_that_is_undefined_is_a_dead_token_and_nothing_else_that_fails_inside_is() {
        let meaning = |root: Option<&str>, message: &str| {
            let root = root.map(str::to_owned);
            let error = GraphError { message: message.to_owned(), code: Some(INTERNAL.to_owned()), root };
            classify_one(&error, 200).code()
        };
        let (new, old) =
            ("Cannot read properties of undefined (reading 'id')", "Cannot read property 'id' of undefined");
        for text in [new, old] {
            assert_eq!(meaning(Some("self"), text), Code::TokenInvalid, "{text}");
            assert_ne!(meaning(Some("workspaceAddUser"), text), Code::TokenInvalid, "{text}");
            assert_ne!(meaning(None, text), Code::TokenInvalid, "{text}");
        }
        for text in ["Timed out", "Cannot read properties of null (reading 'id')", "user is undefined"] {
            assert_ne!(meaning(Some("self"), text), Code::TokenInvalid, "{text}");
        }
    }

    fn fault(message: &str, code: &str, status: u16) -> Fault {
        let code = (!code.is_empty()).then(|| code.to_owned());
        classify_one(&GraphError { message: message.into(), code, ..GraphError::default() }, status)
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one row per line of the catalogue")]
    fn every_line_of_the_catalogue_is_known() {
        let none = "";
        let forbidden = "FORBIDDEN";
        let rows: &[(&str, &str, u16, Code)] = &[
            ("You do not have the appropriate permissions for that", forbidden, 200, Code::Denied),
            ("Insufficient permissions.", INTERNAL, 200, Code::Denied),
            ("Insufficient permissions.", forbidden, 200, Code::Denied),
            ("AUTH_TOKEN_REFRESH_FAILED", none, 200, Code::TokenInvalid),
            ("Authentication token has expired", none, 200, Code::TokenInvalid),
            ("Not Authorised!", INTERNAL, 200, Code::Denied),
            ("Requester not authorized to execute addUser", none, 200, Code::Denied),
            ("Invalid JWT", "UNAUTHENTICATED", 200, Code::TokenInvalid),
            ("invalid workspace role", BAD_INPUT, 200, Code::BadRole),
            ("Invalid email address. Please check the address and try again", BAD_INPUT, 200, Code::BadEmail),
            ("Invalid email address. Please check the address and try again", INTERNAL, 200, Code::BadEmail),
            ("User already invited", "USER_ALREADY_INVITED", 200, Code::AlreadyInvited),
            ("User already invited to workspace", BAD_INPUT, 200, Code::AlreadyInvited),
            ("A duplicate role binding already exists", BAD_INPUT, 200, Code::AlreadyMember),
            ("The role binding does not exist for this user", BAD_INPUT, 200, Code::NotAMember),
            (
                "This user does not belong to the workspace. Please add the user to the workspace and try again",
                BAD_INPUT,
                200,
                Code::NotInWorkspace,
            ),
            ("Invalid role", BAD_INPUT, 200, Code::BadRole),
            ("Entity and role types don't match", BAD_INPUT, 200, Code::BadRole),
            ("The requested resource was not found", "RESOURCE_NOT_FOUND", 200, Code::NotFound),
            ("Email address in use", "DUPLICATE_EMAIL", 200, Code::EmailInUse),
            ("Invite token not found", BAD_INPUT, 200, Code::SignUp),
            (
                "This email is not associated with the specified invite token",
                "INVITE_EMAIL_NOT_MATCH",
                200,
                Code::SignUp,
            ),
            (
                "Public sign ups are disabled, a valid inviteToken is required",
                "PUBLIC_SIGNUPS_DISABLED",
                200,
                Code::SignUp,
            ),
            ("Your account is awaiting email confirmation", "ACCOUNT_NOT_CONFIRMED", 200, Code::TokenInvalid),
            ("No password credentials found", "UNAUTHENTICATED", 200, Code::TokenInvalid),
            ("Invalid password and username combination", INTERNAL, 200, Code::TokenInvalid),
            (
                "Workspace is suspended. This is likely an issue with payment.",
                INTERNAL,
                200,
                Code::WorkspaceState,
            ),
            (
                "There are no other system administrators. Please assign another before removing yourself.",
                INTERNAL,
                200,
                Code::LastAdmin,
            ),
            (
                "There are no other workspace administrators. Please assign another before removing this user.",
                INTERNAL,
                200,
                Code::LastAdmin,
            ),
            ("Cannot remove the last admin of this workspace", BAD_INPUT, 200, Code::LastAdmin),
            ("A workspace must have at least one WORKSPACE_ADMIN", none, 200, Code::LastAdmin),
            ("The last request of the admin failed", INTERNAL, 200, Code::InternalServerError),
            ("invalid deployment role", BAD_INPUT, 200, Code::BadRole),
            (
                "No Node for the model User with value null for id found.",
                INTERNAL,
                200,
                Code::InternalServerError,
            ),
            (
                "Cannot return null for non-nullable field Mutation.workspaceUpsertUserRole.",
                INTERNAL,
                200,
                Code::InternalServerError,
            ),
            (
                "You must first deprovision all deployments before you can delete your workspace.",
                INTERNAL,
                200,
                Code::WorkspaceState,
            ),
            ("ScimEnabledUpsertEntityNotSupportedError", none, 200, Code::ScimManaged),
            ("Users are managed by SCIM", INTERNAL, 200, Code::ScimManaged),
            ("User management is disabled", none, 200, Code::UserManagementOff),
            (
                "workspaceUser query unexpectedly returned more than a single user!",
                INTERNAL,
                200,
                Code::AmbiguousUser,
            ),
            (
                "No Node for the model Workspace with value ck1 for id found.",
                INTERNAL,
                200,
                Code::InternalServerError,
            ),
            (
                "No Node for the model InviteToken with value ckinvite for id found.",
                INTERNAL,
                200,
                Code::NotFound,
            ),
            (
                "\nInvalid `prisma.inviteToken.delete()` invocation:\n\nAn operation failed because it depends on one or more records that were required but not found. No record was found for a delete.",
                INTERNAL,
                200,
                Code::NotFound,
            ),
            (
                "An operation failed because it depends on one or more records that were required but not found. Record to delete does not exist.",
                INTERNAL,
                200,
                Code::NotFound,
            ),
            (
                "An operation failed because it depends on one or more records that were required but not found. No 'User' record was found for a nested connect.",
                INTERNAL,
                200,
                Code::InternalServerError,
            ),
            ("Can't reach database server", INTERNAL, 200, Code::InternalServerError),
            (r#"Cannot query field "x" on type "Y"."#, VALIDATION, 400, Code::Schema),
            (
                r#"Unknown argument "deploymentRoles" on field "workspaceAddUser""#,
                VALIDATION,
                400,
                Code::Schema,
            ),
            (r#"Variable "$deploymentRoles" is not defined."#, VALIDATION, 400, Code::Schema),
            (
                r#"Variable "$role" got invalid value "viewer"; Expected type Role."#,
                INTERNAL,
                400,
                Code::BadRole,
            ),
            (
                r#"Variable "$role" got invalid value "viewer"; Value "viewer" does not exist in "Role" enum."#,
                BAD_INPUT,
                200,
                Code::BadRole,
            ),
            (
                r#"Variable "$email" of required type "String!" was not provided."#,
                INTERNAL,
                400,
                Code::Schema,
            ),
            ("Syntax Error: Unexpected Name", "GRAPHQL_PARSE_FAILED", 400, Code::Schema),
            ("GraphQL introspection is not allowed by Apollo Server", VALIDATION, 400, Code::Schema),
            ("Introspection has been disabled", VALIDATION, 400, Code::Schema),
            // Not in the catalogue: the code decides.
            ("something new", INTERNAL, 200, Code::InternalServerError),
            ("something new", BAD_INPUT, 200, Code::Rejected),
            ("something new", none, 200, Code::Rejected),
            ("something new", none, 500, Code::InternalServerError),
            ("something new", none, 401, Code::TokenInvalid),
            ("Invalid role of another kind", INTERNAL, 200, Code::InternalServerError),
        ];
        for &(message, code, status, ref expected) in rows {
            assert_eq!(fault(message, code, status).code(), *expected, "{message} / {code} / {status}");
            let loud = message.to_uppercase();
            if !message.contains('$') {
                assert_eq!(fault(&loud, code, status).code(), *expected, "{loud} / {code} / {status}");
            }
        }
    }

    #[test]
    fn a_schema_fault_names_what_the_server_does_not_know() {
        for (message, subject) in [
            (r#"Cannot query field "status" on type "User". Did you mean "state"?"#, Some("status")),
            (
                r#"Unknown argument "bypassInvite" on field "Mutation.workspaceAddUser"."#,
                Some("bypassInvite"),
            ),
            (r#"Variable "$bypassInvite" is not defined by operation "AddMember"."#, Some("bypassInvite")),
            ("Cannot query field 'sysWorkspaces' on type 'Query'", Some("sysWorkspaces")),
            ("Syntax Error: Expected Name, found }", None),
        ] {
            let fault = fault(message, VALIDATION, 400);
            let Fault::Schema { subject: found, .. } = fault else { panic!("{message}: {fault:?}") };
            assert_eq!(found.as_deref(), subject, "{message}");
        }
    }

    #[test]
    fn of_several_errors_the_most_telling_counts() {
        let error = |message: &str, code: &str| GraphError {
            message: message.into(),
            code: Some(code.into()),
            ..GraphError::default()
        };
        let strange = error("strange", BAD_INPUT);
        let broken = error("broken", INTERNAL);
        let denied = error("Insufficient permissions.", INTERNAL);
        let dead = error("AUTH_TOKEN_REFRESH_FAILED", INTERNAL);
        let code = |errors: &[&GraphError]| classify(errors.iter().copied(), 200).map(|fault| fault.code());
        assert_eq!(code(&[&strange, &broken]), Some(Code::InternalServerError));
        assert_eq!(code(&[&broken, &denied, &strange]), Some(Code::Denied));
        assert_eq!(code(&[&denied, &dead]), Some(Code::TokenInvalid));
        assert_eq!(code(&[]), None);
    }

    #[test]
    fn every_http_answer_that_is_not_graphql_has_its_fault() {
        let html = b"<html>\n<head><title>Sign in</title>";
        let wait = Some(Duration::from_secs(5));
        let rows: &[(u16, Option<Duration>, &[u8], Code)] = &[
            (200, None, html, Code::NotHouston),
            (200, None, b"", Code::NotHouston),
            (200, None, br#"{"message":"no Route matched"}"#, Code::NotHouston),
            (200, None, br#"{"data":{"works"#, Code::Truncated),
            (302, None, html, Code::NotHouston),
            (400, None, html, Code::NotHouston),
            (401, None, html, Code::TokenInvalid),
            (403, None, html, Code::NotHouston),
            (404, None, html, Code::NotHouston),
            (405, None, b"", Code::NotHouston),
            (407, None, html, Code::NotHouston),
            (408, None, html, Code::HttpError),
            (413, None, html, Code::NotHouston),
            (429, wait, html, Code::Throttled),
            (429, None, br#"{"errors":[{"message":"slow down"}]}"#, Code::Throttled),
            (500, None, b"POST body missing", Code::HttpError),
            (502, None, html, Code::BadGateway),
            (503, None, html, Code::Unavailable),
            (503, wait, html, Code::Unavailable),
            (504, None, html, Code::GatewayTimeout),
            (520, None, html, Code::HttpError),
        ];
        for &(status, wait, body, ref code) in rows {
            let fault = classify_http(status, wait, Some("https://sso.example.com/"), body);
            assert_eq!(fault.code(), *code, "{status}");
            assert_eq!(fault.retry_after(), wait, "{status}");
        }
        let login = classify_http(200, None, None, html).to_string();
        assert_eq!(login, "something other than Houston answered (HTTP 200): Sign in");
        let moved = classify_http(302, None, Some("https://sso.example.com/"), html).to_string();
        assert_eq!(
            moved,
            "something other than Houston answered (HTTP 302): redirect to https://sso.example.com/"
        );
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = httpdate::parse_http_date("Mon, 23 Nov 2026 15:45:00 GMT").unwrap();
        let seconds = |value| retry_after(value, now).map(|wait| wait.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds(" 0 "), Some(0));
        assert_eq!(seconds("Mon, 23 Nov 2026 15:45:30 GMT"), Some(30));
        assert_eq!(seconds("Monday, 23-Nov-26 15:45:30 GMT"), Some(30));
        assert_eq!(seconds("Mon, 23 Nov 2026 15:00:00 GMT"), Some(0));
        assert_eq!(seconds("99999999999999999999999"), Some(LONGEST_WAIT.as_secs()));
        for bad in ["", "soon", "-5", "1.5"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
