//! Why something ended as it did, in a word: the closed list of the codes that users see, each with
//! what to do about it.
//!
//! Main type: [`Code`]. A new code is one row of the table. The words are stable, since scripts match
//! on them; the advice may change at any time. Nothing here may know where a code comes from.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal => $advice:expr;)*) => {
        /// Why something ended as it did, as the `error_code` columns have it.
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
            /// The word of a later version, in files that it wrote.
            Other(String),
        }

        impl Code {
            /// Every code of this version.
            pub const KNOWN: [Self; [$($word),*].len()] = [$(Self::$name),*];

            /// The word in files and reports.
            pub fn word(&self) -> &str {
                match self {
                    $(Self::$name => $word,)*
                    Self::Other(word) => word,
                }
            }

            /// What to do about rows that ended for this reason: one sentence. None where the status
            /// says everything, or where no row ends for this reason.
            pub fn advice(&self) -> Option<&'static str> {
                match self {
                    $(Self::$name => $advice,)*
                    Self::Other(_) => None,
                }
            }
        }

        impl From<String> for Code {
            fn from(word: String) -> Self {
                match &*word {
                    $($word => Self::$name,)*
                    _ => Self::Other(word),
                }
            }
        }
    };
}

const TOO_LATE: Option<&str> = Some(
    "Houston answered too late: `resume` checks first and sends only what is missing; a lower --concurrency may help",
);
const BROKE_OFF: Option<&str> =
    Some("the connection broke: `resume` checks first and sends only what is missing");
const AWAY: Option<&str> = Some("Houston was unavailable: resume once it is back");
const UNREACHABLE: Option<&str> =
    Some("Houston could not be reached: check address, network and --ca-file, then resume");
const NOT_ADMIN: Option<&str> =
    Some("the token's owner must be WORKSPACE_ADMIN there, or SYSTEM_ADMIN; then apply the rows again");
const FAILED_INSIDE: Option<&str> = Some(
    "Houston reported an internal error. `resume` checks before it sends; if it recurs, see Houston's log",
);
const NO_SINGLE_USERS: Option<&str> = Some(
    "an identity provider manages the members of this installation: add the person to the right group there",
);
const NOT_SHOWN: Option<&str> =
    Some("Houston confirmed the change but does not show it. Investigate before sending more");
const UNVERIFIED: Option<&str> =
    Some("Houston reports a role or an invitation, but the run could not verify it: resume to check");
const CELLS: Option<&str> =
    Some("fix the cells of this row in the roster; `validate` shows the exact position");
const ROLE: Option<&str> = Some("use WORKSPACE_ADMIN, WORKSPACE_EDITOR or WORKSPACE_VIEWER as the role");
const TARGET: Option<&str> = Some("name a workspace of this Houston, by its id or its label");

codes! {
    // What kept a request from being sent.

    /// The host name could not be resolved.
    NameNotResolved = "name_not_resolved" => UNREACHABLE;
    /// No connection could be made.
    NoConnection = "no_connection" => UNREACHABLE;
    /// TLS failed: most often an unknown certificate authority.
    TlsFailed = "tls_failed" => UNREACHABLE;
    /// The proxy of the environment could not be used.
    ProxyFailed = "proxy_failed" => UNREACHABLE;
    /// The proxy of the environment refused the request, or its credentials.
    ProxyRefused = "proxy_refused" => Some(
        "the proxy refused the request: check HTTPS_PROXY, NO_PROXY and the credentials, then resume"
    );
    /// The network settings of the environment cannot be used.
    EnvironmentUnusable = "environment_unusable" => Some(
        "fix the proxy settings of the environment and the name of the host, then resume"
    );
    /// There are no certificate authorities.
    NoAuthorities = "no_authorities" => Some("pass the certificate authorities with --ca-file, then resume");
    /// Houston has been away for longer than `--max-wait`.
    Away = "away" => AWAY;
    /// The run was ending.
    Cancelled = "cancelled" => Some("the run was ending: resume it");
    /// The request could not be built, or is too large.
    RequestNotBuilt = "request_not_built" => Some("shorten the cells of this row in the roster");
    /// A change was asked for where only reading is allowed: no row is sent there.
    ReadOnly = "read_only" => None;

    // What came instead of an answer.

    /// No answer in time.
    Timeout = "timeout" => TOO_LATE;
    /// HTTP 504.
    GatewayTimeout = "gateway_timeout" => TOO_LATE;
    /// The connection broke.
    ConnectionBroken = "connection_broken" => BROKE_OFF;
    /// The answer ended in the middle.
    Truncated = "truncated" => BROKE_OFF;
    /// HTTP 502.
    BadGateway = "bad_gateway" => AWAY;
    /// HTTP 503.
    Unavailable = "unavailable" => AWAY;
    /// Another status that says nothing about the effect.
    HttpError = "http_error" => AWAY;
    /// Something in front of Houston answered.
    NotHouston = "not_houston" => Some(
        "something in front of Houston answered: check the URL, the VPN and the proxy"
    );
    /// Houston asked for fewer requests.
    Throttled = "throttled" => Some("Houston wants fewer requests: resume with a lower --rate");

    // What Houston answered.

    /// Houston denied the request.
    Denied = "denied" => NOT_ADMIN;
    /// The token is not, or no longer, valid.
    TokenInvalid = "token_invalid" => Some("the token is no longer valid: resume with a new one");
    /// Not an address to Houston, or to this program.
    BadEmail = "bad_email" => Some("Houston or this tool does not accept the email address: correct it");
    /// Not a role to Houston.
    BadRole = "bad_role" => Some(
        "correct the role: WORKSPACE_ADMIN, WORKSPACE_EDITOR or WORKSPACE_VIEWER"
    );
    /// Houston found no such workspace, user or role.
    NotFound = "not_found" => Some(
        "Houston found no such workspace or person: check the id and the address, then apply the row again"
    );
    /// The person is not a member of the workspace.
    NotInWorkspace = "not_in_workspace" => Some(
        "the person is not a member of the workspace: apply the row again to add them"
    );
    /// Houston keeps the last admin of a workspace.
    LastAdmin = "last_admin" => Some(
        "the workspace would have no admin: add another admin first, then apply the row again"
    );
    /// Several users match.
    AmbiguousUser = "ambiguous_user" => Some(
        "several Houston users have this address: ask the administrator to keep only one"
    );
    /// The identity provider manages the users (SCIM).
    ScimManaged = "scim_managed" => NO_SINGLE_USERS;
    /// The installation does not allow managing single users.
    UserManagementOff = "user_management_off" => NO_SINGLE_USERS;
    /// The installation does not let new people in.
    SignUp = "sign_up" => Some("this installation does not accept new people: ask its administrator");
    /// The workspace is suspended, or cannot take members for another reason.
    WorkspaceState = "workspace_state" => Some(
        "the workspace does not accept members now: check it in Houston's user interface"
    );
    /// Houston refused for another reason.
    Rejected = "rejected" => Some("read Houston's message, fix the row and apply it again");
    /// An invitation is pending already.
    AlreadyInvited = "already_invited" => UNVERIFIED;
    /// The person has a role already.
    AlreadyMember = "already_member" => UNVERIFIED;
    /// The address belongs to a user already.
    EmailInUse = "email_in_use" => UNVERIFIED;
    /// There is no role to remove.
    NotAMember = "not_a_member" => Some(
        "Houston reports that there is no role to remove, but the run could not verify it: resume to check"
    );
    /// The document does not fit this server.
    Schema = "schema" => Some(
        "this Houston does not understand the request; if it lacks `bypassInvite`, pass --send-invites to allow invitation emails"
    );
    /// Without `bypassInvite`, Houston would mail the people that it adds; this ends the run.
    WouldMail = "would_mail" => None;
    /// An internal error of Houston.
    InternalServerError = "internal_server_error" => FAILED_INSIDE;
    /// GraphQL, but not what was asked for.
    MalformedAnswer = "malformed_answer" => FAILED_INSIDE;

    // What the run found out.

    /// The workspace is closed to the caller.
    WorkspaceDenied = "workspace_denied" => NOT_ADMIN;
    /// The token sees no such workspace.
    WorkspaceUnknown = "workspace_unknown" => Some(
        "the token sees no such workspace: correct the id, or give the token's owner access"
    );
    /// What Houston has could not be read.
    Unreadable = "unreadable" => Some(
        "the members of the workspace could not be read: resume, or use a token that may read them"
    );
    /// Houston has the person twice.
    DuplicateBinding = "duplicate_binding" => Some(
        "Houston lists this person twice in the workspace: `plan --repair-duplicates` shows the fix"
    );
    /// The person has, or is invited with, another role; or the roster has a role of another scope.
    OtherRole = "other_role" => ROLE;
    /// Says the same as another row.
    Merged = "merged" => None;
    /// Outside of `--only` or `--limit`.
    LeftOut = "left_out" => None;
    /// No shard of the roster has the row.
    NoShard = "no_shard" => Some("apply the rows of unprocessed.csv again");
    /// Houston does not say who the caller is; this ends the run.
    CallerUnknown = "caller_unknown" => None;
    /// The journal can no longer be written; this ends the run.
    JournalLost = "journal_lost" => None;
    /// The first rows of the workspace failed, or are not shown; the rest was held back.
    CanaryFailed = "canary_failed" => Some(
        "the first rows of the workspace failed, so the others were not sent. Fix the cause, then resume"
    );
    /// Houston confirmed the change and does not show it.
    NotThere = "not_there" => NOT_SHOWN;
    /// Houston confirmed the change, and the run ended before it read it back.
    NotReadBack = "not_read_back" => Some(
        "Houston confirmed the change, but the run ended before verifying it: `resume` reads the workspace again"
    );
    /// Sent, and no answer was recorded.
    NoOutcome = "no_outcome" => Some(
        "sent, but no answer was recorded: `resume` reads the workspace before it sends anything"
    );
    /// This program failed while it waited for the answer.
    WorkerLost = "worker_lost" => Some(
        "internal error: resume the run, and report the failure if it recurs"
    );
    /// An invitation that the token may not see.
    InvitesUnseen = "invites_unseen" => None;
    /// An invitation whose role cannot be seen.
    RoleUnknown = "role_unknown" => None;
    /// Houston reports a member whom the member list does not show.
    MemberNotSeen = "member_not_seen" => Some(
        "compare the member list in Houston's user interface with the row, then resume"
    );
    /// The person whose role should change is no longer a member.
    NoMember = "no_member" => Some(
        "the person is no longer a member of the workspace: apply the row again to add them"
    );
    /// Several role bindings were replaced by one.
    Repaired = "repaired" => None;
    /// The invitation was made again.
    Renewed = "renewed" => None;
    /// A person whose account an old invitation locked out was added.
    LetIn = "let_in" => None;
    /// An account beside an old invitation, which gives it no access.
    LockedOut = "locked_out" => Some(
        "the person has an account, but the old invitation gives no access: apply the row again with --reinvite"
    );
    /// A person who is replaced was removed, and the run ended before it added them.
    NotAddedAgain = "not_added_again" => Some(
        "the person was removed but not added again yet: resume the run"
    );
    /// A removal found the person gone.
    GoneAlready = "gone_already" => None;
    /// A removal was left out, since a row of the workspace failed.
    NotRemovedAfterFailure = "not_removed_after_failure" => None;
    /// A role in a deployment decided how the row ended.
    DeploymentRoles = "deployment_roles" => Some("not every deployment role was set: resume the run");

    // What holds a change or a removal back.

    /// The token's own user keeps their rights.
    GuardSelf = "guard_self" => None;
    /// The workspace keeps its last admin.
    GuardLastAdmin = "guard_last_admin" => Some(
        "the workspace would have no admin: add another admin first, then resume"
    );
    /// More people would be removed than the limits allow.
    GuardMaxRemove = "guard_max_remove" => None;
    /// The workspace could not be read completely.
    GuardIncomplete = "guard_incomplete" => None;
    /// `--protect` covers the person.
    Protected = "protected" => None;
    /// Access through a Team or a custom role.
    TeamOrCustomRole = "team_or_custom_role" => None;
    /// Houston does not show the roles of the person.
    RolesHidden = "roles_hidden" => None;
    /// A row of the workspace is not valid, and may be meant for the person.
    InvalidRow = "invalid_row" => None;

    // What is wrong with a row.

    /// Not valid, for a reason that is no longer kept.
    Invalid = "invalid" => Some("run `validate` on the roster and fix the row");
    /// Text after a closing quote.
    TextAfterQuote = "text_after_quote" => CELLS;
    /// A backslash before a quote.
    BackslashQuote = "backslash_quote" => CELLS;
    /// A space before a quote.
    BlankBeforeQuote = "blank_before_quote" => CELLS;
    /// A row, or its cells, in two pairs of quotes.
    QuotedTwice = "quoted_twice" => CELLS;
    /// A cell that may hide rows.
    SwallowedRows = "swallowed_rows" => CELLS;
    /// Another delimiter than the header has.
    OtherDelimiter = "other_delimiter" => CELLS;
    /// More or fewer cells than the header has.
    RaggedRow = "ragged_row" => CELLS;
    /// A needed cell is empty.
    EmptyCell = "empty_cell" => CELLS;
    /// A needed cell is too long.
    CellTooLong = "cell_too_long" => CELLS;
    /// A character that cannot be seen.
    InvisibleCharacter = "invisible_character" => CELLS;
    /// Letters of another alphabet that look alike.
    LookAlike = "look_alike" => CELLS;
    /// An address that is in all likelihood not a person's.
    OddAddress = "odd_address" => Some(
        "use the address of a person, or pass --allow-odd-addresses if this one is right"
    );
    /// Not a role.
    UnknownRole = "unknown_role" => ROLE;
    /// A role of the hosted product.
    HostedRole = "hosted_role" => ROLE;
    /// Roles in deployments that cannot be read.
    BadDeploymentRoles = "bad_deployment_roles" => Some(
        "write roles in deployments as release-name=DEPLOYMENT_VIEWER, several with `;` between them"
    );
    /// One person and workspace with two roles.
    Conflict = "conflict" => Some("leave one role for this person and workspace in the roster");
    /// A workspace that this Houston does not have.
    UnknownWorkspace = "unknown_workspace" => TARGET;
    /// A label that several workspaces have.
    AmbiguousWorkspace = "ambiguous_workspace" => Some("name the workspace by its id: several have this label");
    /// A deployment that the workspace does not have.
    UnknownDeployment = "unknown_deployment" => Some("name a deployment of the workspace by its release name");
}

impl Code {
    /// The word of a later version: a text from outside, unlike the others.
    pub fn foreign_mut(&mut self) -> Option<&mut String> {
        if let Self::Other(word) = self { Some(word) } else { None }
    }

    /// Whether a guard held a change back: the run ends with 7 then.
    pub fn is_guard(&self) -> bool {
        matches!(self, Self::GuardSelf | Self::GuardLastAdmin | Self::GuardMaxRemove | Self::GuardIncomplete)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Code {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Code".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Why, in one word. The words are stable; later versions have more of them.",
            "type": "string",
        })
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_word_stands_for_one_code_and_one_of_a_later_version_stays_as_it_is() {
        let words: HashSet<&str> = Code::KNOWN.iter().map(Code::word).collect();
        assert_eq!(words.len(), Code::KNOWN.len());
        for code in Code::KNOWN.into_iter().chain([Code::Other("of_a_later_version".to_owned())]) {
            let json = serde_json::to_string(&code).expect("serialises");
            assert_eq!(json, format!("\"{}\"", code.word()));
            assert_eq!(serde_json::from_str::<Code>(&json).expect("a code"), code);
        }
    }

    #[test]
    fn words_and_advice_have_one_form() {
        for code in Code::KNOWN {
            let word = code.word();
            assert!(word.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()), "{word}");
            let advice = code.advice().unwrap_or("do this");
            assert!(
                !advice.is_empty() && !advice.ends_with('.') && !advice.contains('\n'),
                "{word}: {advice}"
            );
        }
    }

    #[test]
    fn a_code_is_as_small_as_a_text() {
        assert_eq!(size_of::<Code>(), size_of::<String>());
        assert_eq!(size_of::<Option<Code>>(), size_of::<String>());
    }
}
