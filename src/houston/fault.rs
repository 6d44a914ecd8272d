//! Why a call to Houston gave no data: the message, and what is known about its effect.
//!
//! Main type: [`Fault`]. The table of Houston's messages is in [`super::catalogue`]. A fault only
//! says what happened; what to do about it is decided by the callers.

use std::borrow::Cow;
use std::time::Duration;

/// The argument of an add that keeps Houston from mailing.
pub(super) const BYPASS: &str = "bypassInvite";
/// The argument of an add that gives roles in deployments.
pub(super) const DEPLOYMENT_ROLES: &str = "deploymentRoles";

use super::window::Congestion;
use crate::model::period::Period;
use crate::model::printable;
use crate::outcome::Code;

/// How many characters of a foreign text a fault keeps.
pub const TEXT_LIMIT: usize = 200;

/// Why a call gave no data. Texts are made harmless for a terminal and cut when the fault is made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The request was certainly not written to Houston.
    #[error("not sent: {cause}{}", tail(.text))]
    Unsent {
        /// What kept it back.
        cause: UnsentCause,
        /// Details.
        text: String,
    },
    /// No usable answer came; nothing is known about the effect.
    #[error("{cause}{}", tail(.text))]
    NoAnswer {
        /// What came instead of an answer.
        cause: NoAnswerCause,
        /// Details.
        text: String,
    },
    /// Something in front of Houston answered instead.
    #[error("something other than Houston answered (HTTP {status}){}", tail(.text))]
    Proxy {
        /// The HTTP status.
        status: u16,
        /// The start of the page.
        text: String,
    },
    /// HTTP 429, or a wait in force that is too long to sit out: nothing was done.
    #[error("asked to slow down{}", for_how_long(*.retry_after))]
    Throttled {
        /// How long the other side wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// Houston refuses: the token is dead or a right is missing; probing `self` shows which.
    #[error("refused{}", tail(.text))]
    Denied {
        /// Houston's message.
        text: String,
    },
    /// The token is dead for certain.
    #[error("the token is no longer valid{}", tail(.text))]
    Expired {
        /// Houston's message.
        text: String,
    },
    /// A permanent error of this request: the same request will be refused again.
    #[error("rejected{}", tail(.text))]
    Rejected {
        /// Which rule it breaks.
        kind: RejectedKind,
        /// Houston's message.
        text: String,
    },
    /// Houston says that what was asked for is so already.
    #[error("nothing to do{}", tail(.text))]
    Already {
        /// What is so.
        kind: AlreadyKind,
        /// Houston's message.
        text: String,
    },
    /// The document does not fit this server; nothing was executed.
    #[error("this Houston does not understand the request{}", tail(.text))]
    Schema {
        /// The argument, field or variable that Houston named.
        subject: Option<String>,
        /// Houston's message.
        text: String,
    },
    /// An internal error without a known meaning; its effect is unknown.
    #[error("internal error in Houston{}", tail(.text))]
    Internal {
        /// Houston's message.
        text: String,
    },
    /// GraphQL, but not what was asked for.
    #[error("unexpected answer{}", tail(.text))]
    Malformed {
        /// What is wrong with it.
        text: String,
    },
}

/// What kept a request from being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum UnsentCause {
    /// The host name could not be resolved.
    #[error("the name could not be resolved")]
    Name,
    /// No connection could be made.
    #[error("no connection")]
    Connect,
    /// TLS failed: most often an unknown certificate authority.
    #[error("no trusted TLS connection")]
    Tls,
    /// The proxy of the environment could not be reached or could not open a tunnel for now.
    #[error("the proxy could not be used")]
    Proxy,
    /// The proxy of the environment does not let this request through.
    #[error("the proxy refused")]
    ProxyRefused,
    /// The proxy of the environment does not take its credentials; to ask again may lock an account.
    #[error("the proxy refused")]
    ProxyCredentials,
    /// The environment leads nowhere: an unusable address of a proxy, or a `localhost` that is
    /// another machine.
    #[error("bad network settings")]
    Environment,
    /// No certificate authorities to check a certificate with.
    #[error("no usable certificate authorities")]
    Authorities,
    /// Houston has been away for longer than is waited for.
    #[error("Houston is unavailable")]
    Away,
    /// The run was being cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The request itself could not be built, or is too large.
    #[error("the request could not be built")]
    Body,
    /// A mutation, where only reading is allowed.
    #[error("only reading is allowed here")]
    ReadOnly,
}

/// What came instead of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NoAnswerCause {
    /// Nothing in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection broke.
    #[error("the connection broke")]
    Reset,
    /// HTTP 502.
    #[error("bad gateway (HTTP 502)")]
    BadGateway,
    /// HTTP 503 without a `Retry-After`.
    #[error("unavailable (HTTP 503)")]
    Unavailable,
    /// HTTP 503 that says when to come back.
    #[error("unavailable (HTTP 503), retry after {} s", .0.as_secs())]
    Busy(Duration),
    /// HTTP 504.
    #[error("gateway timeout (HTTP 504)")]
    GatewayTimeout,
    /// The answer ended in the middle.
    #[error("the answer was cut off")]
    Truncated,
    /// Another status that says nothing about the effect.
    #[error("HTTP {0}")]
    OtherStatus(u16),
}

/// Which rule a rejected request breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectedKind {
    /// Houston does not take the address.
    BadEmail,
    /// Houston does not take the role.
    BadRole,
    /// No such thing exists, or not exactly one.
    NotFound,
    /// The person is not a member of the workspace.
    NotInWorkspace,
    /// It would leave no admin.
    LastAdmin,
    /// More than one user matches.
    Ambiguous,
    /// The identity provider manages the users (SCIM).
    Scim,
    /// The installation does not allow managing single users.
    UserManagementOff,
    /// A sign-up or invitation token is missing or wrong.
    SignUp,
    /// The workspace is suspended or still has deployments.
    WorkspaceState,
    /// A message that the catalogue does not know.
    Other,
}

/// What is so already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlreadyKind {
    /// An invitation is pending; its role may be another one.
    Invited,
    /// The person has a role; it may be another one.
    Bound,
    /// The address belongs to a user.
    EmailInUse,
    /// No role to remove.
    Unbound,
}

/// What a fault says about the effect of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Nothing was done; the same request may be sent again.
    None,
    /// Nothing is known; look before sending again.
    Unknown,
    /// Houston, or the document, was refused: nothing was done, and a repeat would not help.
    Refused,
}

impl Fault {
    /// The fault of a call that was not begun because the run is ending.
    pub fn cancelled() -> Self {
        Self::Unsent { cause: UnsentCause::Cancelled, text: "the run is ending".to_owned() }
    }

    /// Houston did not answer for so long, for this reason.
    pub fn away(why: &str, tried: Duration) -> Self {
        let seconds = (tried + Duration::from_millis(500)).as_secs();
        Self::unsent(
            UnsentCause::Away,
            &format!("{why} (tried for {})", Period(Duration::from_secs(seconds))),
        )
    }

    /// Whether the server did nothing because it cannot give roles in deployments together with an add.
    pub fn is_about_deployment_roles(&self) -> bool {
        matches!(self, Self::Schema { subject: Some(subject), .. } if subject == DEPLOYMENT_ROLES)
    }

    /// Whether the server does not know the address that it was given.
    pub fn is_unknown_address(&self) -> bool {
        matches!(self, Self::Rejected { kind: RejectedKind::NotFound, .. })
    }

    /// What is known about the effect of the request.
    pub fn effect(&self) -> Effect {
        match self {
            Self::Unsent { .. } | Self::Throttled { .. } => Effect::None,
            // Never reached Houston: redirects, the default backend's 404, a proxy's 405, a body
            // that is too large (houston.md 3.6).
            Self::Proxy { status: 300..=399 | 404 | 405 | 413, .. }
            | Self::Denied { .. }
            | Self::Expired { .. }
            | Self::Rejected { .. }
            | Self::Already { .. }
            | Self::Schema { .. } => Effect::Refused,
            Self::Proxy { .. } | Self::NoAnswer { .. } | Self::Internal { .. } | Self::Malformed { .. } => {
                Effect::Unknown
            }
        }
    }

    /// Whether something in front of Houston, or this machine's own environment, lets no request
    /// through. To try again with the same credentials may lock an account.
    pub fn bars_all(&self) -> bool {
        match self {
            Self::Unsent { cause, .. } => match cause {
                UnsentCause::ProxyRefused
                | UnsentCause::ProxyCredentials
                | UnsentCause::Environment
                | UnsentCause::Authorities => true,
                UnsentCause::Name
                | UnsentCause::Connect
                | UnsentCause::Tls
                | UnsentCause::Proxy
                | UnsentCause::Away
                | UnsentCause::Cancelled
                | UnsentCause::Body
                | UnsentCause::ReadOnly => false,
            },
            Self::Proxy { status, .. } => matches!(status, 401 | 407 | 511),
            Self::NoAnswer { .. }
            | Self::Throttled { .. }
            | Self::Denied { .. }
            | Self::Expired { .. }
            | Self::Rejected { .. }
            | Self::Already { .. }
            | Self::Schema { .. }
            | Self::Internal { .. }
            | Self::Malformed { .. } => false,
        }
    }

    /// The code in reports.
    pub fn code(&self) -> Code {
        match self {
            Self::Unsent { cause, .. } => cause.code(),
            Self::NoAnswer { cause, .. } => cause.code(),
            Self::Proxy { .. } => Code::NotHouston,
            Self::Throttled { .. } => Code::Throttled,
            Self::Denied { .. } => Code::Denied,
            Self::Expired { .. } => Code::TokenInvalid,
            Self::Rejected { kind, .. } => kind.code(),
            Self::Already { kind, .. } => kind.code(),
            Self::Schema { subject: Some(subject), .. } if subject == BYPASS => Code::WouldMail,
            Self::Schema { .. } => Code::Schema,
            Self::Internal { .. } => Code::InternalServerError,
            Self::Malformed { .. } => Code::MalformedAnswer,
        }
    }

    /// How long the other side asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } => *retry_after,
            Self::NoAnswer { cause: NoAnswerCause::Busy(wait), .. } => Some(*wait),
            Self::Unsent { .. }
            | Self::NoAnswer { .. }
            | Self::Proxy { .. }
            | Self::Denied { .. }
            | Self::Expired { .. }
            | Self::Rejected { .. }
            | Self::Already { .. }
            | Self::Schema { .. }
            | Self::Internal { .. }
            | Self::Malformed { .. } => None,
        }
    }

    /// Whether it says that too much is asked at once, and how. A gateway's 502 and 504 say nothing
    /// of the kind: see [`Fault::is_absence`].
    pub fn congestion(&self) -> Option<Congestion> {
        match self {
            Self::Throttled { .. } => Some(Congestion::TooMany),
            Self::NoAnswer { cause, .. } => match cause {
                NoAnswerCause::Unavailable | NoAnswerCause::Busy(_) => Some(Congestion::Unavailable),
                NoAnswerCause::Timeout => Some(Congestion::Timeout),
                NoAnswerCause::Reset
                | NoAnswerCause::BadGateway
                | NoAnswerCause::GatewayTimeout
                | NoAnswerCause::Truncated
                | NoAnswerCause::OtherStatus(_) => None,
            },
            Self::Unsent { .. }
            | Self::Proxy { .. }
            | Self::Denied { .. }
            | Self::Expired { .. }
            | Self::Rejected { .. }
            | Self::Already { .. }
            | Self::Schema { .. }
            | Self::Internal { .. }
            | Self::Malformed { .. } => None,
        }
    }

    /// Whether it says that Houston is not there at all: no connection, 502, 503, 504.
    pub fn is_absence(&self) -> bool {
        matches!(
            self,
            Self::Unsent { cause: UnsentCause::Name | UnsentCause::Connect | UnsentCause::Proxy, .. }
                | Self::NoAnswer {
                    cause: NoAnswerCause::BadGateway
                        | NoAnswerCause::Unavailable
                        | NoAnswerCause::Busy(_)
                        | NoAnswerCause::GatewayTimeout,
                    ..
                }
        )
    }

    pub(crate) fn expired(text: &str) -> Self {
        Self::Expired { text: snippet(text) }
    }

    pub(crate) fn unsent(cause: UnsentCause, text: &str) -> Self {
        Self::Unsent { cause, text: snippet(text) }
    }

    pub(crate) fn no_answer(cause: NoAnswerCause, text: &str) -> Self {
        Self::NoAnswer { cause, text: snippet(text) }
    }

    pub(crate) fn malformed(text: &str) -> Self {
        Self::Malformed { text: snippet(text) }
    }
}

impl UnsentCause {
    fn code(self) -> Code {
        match self {
            Self::Name => Code::NameNotResolved,
            Self::Connect => Code::NoConnection,
            Self::Tls => Code::TlsFailed,
            Self::Proxy => Code::ProxyFailed,
            Self::ProxyRefused | Self::ProxyCredentials => Code::ProxyRefused,
            Self::Environment => Code::EnvironmentUnusable,
            Self::Authorities => Code::NoAuthorities,
            Self::Cancelled => Code::Cancelled,
            Self::Body => Code::RequestNotBuilt,
            Self::ReadOnly => Code::ReadOnly,
            Self::Away => Code::Away,
        }
    }
}

impl NoAnswerCause {
    fn code(self) -> Code {
        match self {
            Self::Timeout => Code::Timeout,
            Self::Reset => Code::ConnectionBroken,
            Self::BadGateway => Code::BadGateway,
            Self::Unavailable | Self::Busy(_) => Code::Unavailable,
            Self::GatewayTimeout => Code::GatewayTimeout,
            Self::Truncated => Code::Truncated,
            Self::OtherStatus(_) => Code::HttpError,
        }
    }
}

impl RejectedKind {
    fn code(self) -> Code {
        match self {
            Self::BadEmail => Code::BadEmail,
            Self::BadRole => Code::BadRole,
            Self::NotFound => Code::NotFound,
            Self::NotInWorkspace => Code::NotInWorkspace,
            Self::LastAdmin => Code::LastAdmin,
            Self::Ambiguous => Code::AmbiguousUser,
            Self::Scim => Code::ScimManaged,
            Self::UserManagementOff => Code::UserManagementOff,
            Self::SignUp => Code::SignUp,
            Self::WorkspaceState => Code::WorkspaceState,
            Self::Other => Code::Rejected,
        }
    }
}

impl AlreadyKind {
    fn code(self) -> Code {
        match self {
            Self::Invited => Code::AlreadyInvited,
            Self::Bound => Code::AlreadyMember,
            Self::EmailInUse => Code::EmailInUse,
            Self::Unbound => Code::NotAMember,
        }
    }
}

/// The first [`TEXT_LIMIT`] characters of a foreign text on one line, without anything that steers
/// a terminal.
pub(crate) fn snippet(text: &str) -> String {
    let mut words = text.split_whitespace();
    let mut line = String::new();
    let mut room = TEXT_LIMIT;
    while let Some(word) = words.next().filter(|_| room > 0) {
        if !line.is_empty() {
            line.push(' ');
            room -= 1;
        }
        for c in word.chars().take(room) {
            line.push(c);
            room -= 1;
        }
    }
    match printable(&line) {
        Cow::Borrowed(_) => line,
        Cow::Owned(clean) => clean,
    }
}

fn tail(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

fn for_how_long(wait: Option<Duration>) -> String {
    wait.map_or_else(String::new, |wait| format!(" for {} s", wait.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_harmless_line_of_bounded_length() {
        assert_eq!(snippet("  a\n\tb \u{1b}[31mc "), "a b \u{241b}[31mc");
        for long in ["é".repeat(1000), "a ".repeat(1000), "\u{202e}".repeat(1000)] {
            assert!(snippet(&long).chars().count() <= TEXT_LIMIT);
        }
    }

    #[test]
    fn a_fault_reads_as_a_lower_case_fragment() {
        let fault = Fault::unsent(UnsentCause::Connect, "Connection refused");
        assert_eq!(fault.to_string(), "not sent: no connection: Connection refused");
        let fault = Fault::Throttled { retry_after: Some(Duration::from_secs(7)) };
        assert_eq!(fault.to_string(), "asked to slow down for 7 s");
        let fault = Fault::no_answer(NoAnswerCause::Timeout, "");
        assert_eq!(fault.to_string(), "no answer in time");
    }

    #[test]
    fn only_what_was_never_written_or_throttled_has_no_effect() {
        let text = String::new;
        assert_eq!(Fault::unsent(UnsentCause::Name, "").effect(), Effect::None);
        assert_eq!(Fault::Throttled { retry_after: None }.effect(), Effect::None);
        for status in [200, 400, 403, 407, 501] {
            assert_eq!(Fault::Proxy { status, text: text() }.effect(), Effect::Unknown, "{status}");
        }
        for status in [301, 302, 307, 404, 405, 413] {
            assert_eq!(Fault::Proxy { status, text: text() }.effect(), Effect::Refused, "{status}");
        }
        assert_eq!(Fault::Internal { text: text() }.effect(), Effect::Unknown);
        assert_eq!(Fault::Malformed { text: text() }.effect(), Effect::Unknown);
        assert_eq!(Fault::Denied { text: text() }.effect(), Effect::Refused);
    }

    #[test]
    fn a_wait_may_come_from_a_429_or_a_503() {
        let wait = Duration::from_secs(3);
        let busy = Fault::no_answer(NoAnswerCause::Busy(wait), "");
        assert_eq!(busy.retry_after(), Some(wait));
        assert_eq!(busy.code(), Code::Unavailable);
        assert!(busy.congestion() == Some(Congestion::Unavailable) && busy.is_absence());
        assert_eq!(Fault::Throttled { retry_after: Some(wait) }.retry_after(), Some(wait));
        assert_eq!(Fault::no_answer(NoAnswerCause::Unavailable, "").retry_after(), None);
    }
}
