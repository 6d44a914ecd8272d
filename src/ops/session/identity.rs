//! Whose token a session uses: the guards never remove or demote the token's own user, so they have to
//! know who that is.
//!
//! Main type: [`Identity`]. It decides from what Houston and the token say; it asks for nothing.

use crate::houston::{Caller, Credential, TokenKind};
use crate::ops::failure::Failure;
use crate::outcome::ExitStatus;

/// Whose token it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// The token of the user with this id.
    User(String),
    /// The key of a service account, which is no user and no member of anything.
    ServiceAccount,
    /// Neither Houston nor the token says it.
    Unknown,
}

impl Identity {
    /// What Houston says about the caller counts; where it says nothing, the user in a JWT does.
    pub fn of(caller: Option<&Caller>, credential: &Credential) -> Self {
        let from_houston =
            caller.and_then(|caller| caller.user_id.clone()).filter(|id| !id.trim().is_empty());
        match (from_houston.or_else(|| credential.user_id()), credential.kind()) {
            (Some(id), _) => Self::User(id),
            (None, TokenKind::ServiceAccount) => Self::ServiceAccount,
            (None, TokenKind::User | TokenKind::Unknown) => Self::Unknown,
        }
    }

    /// The id of the user, if it is a user's token.
    pub fn user_id(&self) -> Option<&str> {
        match self {
            Self::User(id) => Some(id),
            Self::ServiceAccount | Self::Unknown => None,
        }
    }

    /// Refuses to remove or demote people if the caller could be one of them.
    ///
    /// # Errors
    /// The caller is unknown (5).
    pub fn check(&self, url: &str) -> Result<(), Failure> {
        match self {
            Self::User(_) | Self::ServiceAccount => Ok(()),
            Self::Unknown => {
                let error = anyhow::anyhow!(
                    "{url} does not say whose token this is, and the token does not name a user: the caller could remove or demote themselves; nothing was sent"
                );
                Err(Failure::new(ExitStatus::Target, error).hint(
                    "use a service account's key (it has no user) or a new token of a login; `doctor` shows what Houston says about the caller. Without --prune, --update-roles, --repair-duplicates and --reinvite the run only adds people",
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::houston::Token;

    // {"uuid":"u"}
    const JWT: &str = "h.eyJ1dWlkIjoidSJ9.s";
    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn identity(user_id: Option<&str>, token: &str) -> Identity {
        let caller = Caller { user_id: user_id.map(str::to_owned), username: None };
        Identity::of(Some(&caller), &Credential::new(Token::new(token, "test").unwrap()))
    }

    #[test]
    fn houston_says_it_or_the_token_does_or_it_is_unknown() {
        let user = |id: &str| Identity::User(id.to_owned());
        for (from_houston, token, expected) in [
            (Some("h"), JWT, user("h")),
            (None, JWT, user("u")),
            (Some(" "), JWT, user("u")),
            (None, KEY, Identity::ServiceAccount),
            (Some("h"), KEY, user("h")),
            (None, "a.b.c", Identity::Unknown),
            (None, "opaque", Identity::Unknown),
        ] {
            assert_eq!(identity(from_houston, token), expected, "{from_houston:?} {token}");
        }
        let credential = Credential::new(Token::new("opaque", "test").unwrap());
        assert_eq!(Identity::of(None, &credential), Identity::Unknown);
    }

    #[test]
    fn only_an_unknown_caller_is_refused() {
        assert!(Identity::ServiceAccount.check("https://h.example.com/v1").is_ok());
        let refused = Identity::Unknown.check("https://h.example.com/v1").unwrap_err();
        assert_eq!(refused.status, ExitStatus::Target);
    }
}
