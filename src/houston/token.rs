//! The credential that goes with every request.
//!
//! Main type: [`Token`]. It has no `Display`, its `Debug` is masked, and nothing but the header of
//! a request ever sees the text.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

/// The variable of the environment that may hold a token.
pub const TOKEN_VARIABLE: &str = "HOUSTON_API_TOKEN";

/// A token file ends here at the latest.
const MAX_FILE: u64 = 64 * 1024;

/// A token as it goes into the `Authorization` header: a raw one stays raw, a `Bearer ` in front
/// stays in front; Houston takes both.
#[derive(Clone)]
pub struct Token(SecretString);

/// What a token looks like, from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// A JWT: a user's login, which ends.
    User,
    /// 32 characters without a dot: the key of a service account, which does not end.
    ServiceAccount,
    /// Neither.
    Unknown,
}

/// A text or a file that holds no token. Never quotes what it found.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Nothing but blanks.
    #[error("the token from {0} is empty")]
    Empty(String),
    /// More than one line.
    #[error("the token from {0} has more than one line")]
    Lines(String),
    /// Something that cannot stand in a header.
    #[error("the token from {0} contains blanks or characters that no token has")]
    Characters(String),
    /// The file could not be read.
    #[error("cannot read the token file {}", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

impl Token {
    /// Takes a token, without the blanks around it. `origin` says in errors where it came from.
    pub fn new(text: &str, origin: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let bare = text.strip_prefix("Bearer ").unwrap_or(text).trim_start();
        if bare.is_empty() || text == "Bearer" {
            return Err(TokenError::Empty(origin.to_owned()));
        }
        if text.contains(['\n', '\r']) {
            return Err(TokenError::Lines(origin.to_owned()));
        }
        if !bare.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(TokenError::Characters(origin.to_owned()));
        }
        Ok(Self(text.into()))
    }

    /// Takes the token from the environment: `None` where [`TOKEN_VARIABLE`] is not set.
    pub fn from_environment() -> Option<Result<Self, TokenError>> {
        let text = std::env::var_os(TOKEN_VARIABLE)?;
        Some(Self::new(&text.to_string_lossy(), TOKEN_VARIABLE))
    }

    /// Takes the token from a file that holds nothing else.
    pub fn from_file(path: &Path) -> Result<Self, TokenError> {
        let failed = |source| TokenError::File { path: path.to_owned(), source };
        let mut text = String::new();
        std::fs::File::open(path)
            .map_err(failed)?
            .take(MAX_FILE)
            .read_to_string(&mut text)
            .map_err(failed)?;
        Self::new(&text, &path.display().to_string())
    }

    /// When a JWT says that it ends; `None` for a service account's key and for whatever cannot be
    /// read. For showing only: Houston decides.
    pub fn expires(&self) -> Option<SystemTime> {
        #[derive(serde::Deserialize)]
        struct Claims {
            exp: f64,
        }
        let claims: Claims = serde_json::from_slice(&self.claims()?).ok()?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(claims.exp).ok()?)
    }

    /// The id of the user whom a JWT was made for, as its claim `uuid` says. Read without checking the
    /// signature: it may only add to what is protected, and Houston decides what the token may do.
    pub fn user_id(&self) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Claims {
            uuid: String,
        }
        let claims: Claims = serde_json::from_slice(&self.claims()?).ok()?;
        Some(claims.uuid.trim().to_owned()).filter(|id| !id.is_empty())
    }

    /// The claims of a JWT, decoded and not verified.
    fn claims(&self) -> Option<Vec<u8>> {
        let text = self.0.expose_secret();
        let text = text.strip_prefix("Bearer ").unwrap_or(text).trim();
        base64url(text.split('.').nth(1)?.trim_end_matches('='))
    }

    /// What it looks like; nobody is asked.
    pub fn kind(&self) -> TokenKind {
        let text = self.0.expose_secret();
        let text = text.strip_prefix("Bearer ").unwrap_or(text).trim_start();
        let mut parts = text.split('.');
        let claims = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(_), Some(claims), Some(_), None) => base64url(claims),
            _ => None,
        };
        let is_object = |claims: &[u8]| {
            serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(claims).is_ok()
        };
        match claims {
            Some(claims) if is_object(&claims) => TokenKind::User,
            _ if text.len() == 32 && !text.contains('.') => TokenKind::ServiceAccount,
            _ => TokenKind::Unknown,
        }
    }

    /// Whether both are the same text.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }

    /// The header, marked as a secret.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let mut header = HeaderValue::from_str(self.0.expose_secret()).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    /// Replaces the token wherever a foreign text repeats it.
    pub(super) fn scrub(&self, body: Vec<u8>) -> Vec<u8> {
        let secret = self.0.expose_secret();
        let secret = secret.strip_prefix("Bearer ").unwrap_or(secret);
        match std::str::from_utf8(&body) {
            Ok(text) if text.contains(secret) => text.replace(secret, "[token]").into_bytes(),
            Ok(_) => body,
            Err(_) => {
                let text = String::from_utf8_lossy(&body);
                if text.contains(secret) { text.replace(secret, "[token]").into_bytes() } else { body }
            }
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// The bytes of a text in the alphabet of JWTs, without padding.
fn base64url(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0);
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xFF) as u8);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_with_or_without_bearer() {
        for (text, header) in [
            ("abc.def.ghi", "abc.def.ghi"),
            ("  0123456789abcdef0123456789abcdef\n", "0123456789abcdef0123456789abcdef"),
            ("Bearer abc", "Bearer abc"),
        ] {
            let token = Token::new(text, "test").unwrap();
            let value = token.header().unwrap();
            assert_eq!(value, header);
            assert!(value.is_sensitive());
        }
        for (bad, message) in [
            ("", "the token from test is empty"),
            (" \n ", "the token from test is empty"),
            ("Bearer ", "the token from test is empty"),
            ("secret1\nsecret2", "the token from test has more than one line"),
            ("secret one", "the token from test contains blanks or characters that no token has"),
            ("bearer secret", "the token from test contains blanks or characters that no token has"),
            ("sécret", "the token from test contains blanks or characters that no token has"),
            ("secret\u{0}", "the token from test contains blanks or characters that no token has"),
        ] {
            assert_eq!(Token::new(bad, "test").unwrap_err().to_string(), message, "{bad:?}");
        }
    }

    #[test]
    fn a_token_file_holds_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "abc.def\n").unwrap();
        assert_eq!(Token::from_file(&path).unwrap().header().unwrap(), "abc.def");
        std::fs::write(&path, "secret1\nsecret2\n").unwrap();
        let error = Token::from_file(&path).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret1"));
        assert!(matches!(Token::from_file(&folder.path().join("none")), Err(TokenError::File { .. })));
    }

    #[test]
    fn nothing_shows_the_token() {
        let token = Token::new("Bearer hush.hush", "test").unwrap();
        assert_eq!(format!("{token:?}"), "Token(***)");
        assert_eq!(token.scrub(b"<p>hush.hush</p>".to_vec()), b"<p>[token]</p>");
        assert_eq!(token.scrub(b"\xFF hush.hush".to_vec()), "\u{fffd} [token]".as_bytes());
        assert_eq!(token.scrub(b"nothing".to_vec()), b"nothing");
    }

    #[test]
    fn the_kind_of_a_token_is_known_by_its_look() {
        for (text, kind) in [
            ("h.eyJ1dWlkIjoidSIsImV4cCI6MTc5NTQ0ODcwMH0.s", TokenKind::User),
            ("Bearer h.eyJ1dWlkIjoidSIsImV4cCI6MTc5NTQ0ODcwMH0.s", TokenKind::User),
            ("0123456789abcdef0123456789abcdef", TokenKind::ServiceAccount),
            ("Bearer 0123456789abcdef0123456789abcdef", TokenKind::ServiceAccount),
            ("0123456789abcdef0123456789abcde", TokenKind::Unknown),
            ("0123456789.bcdef0123456789abcdef", TokenKind::Unknown),
            ("a.b.c", TokenKind::Unknown),
            ("a.b.c.d", TokenKind::Unknown),
        ] {
            assert_eq!(Token::new(text, "test").unwrap().kind(), kind, "{text}");
        }
    }

    #[test]
    fn a_jwt_says_whose_it_is_and_nothing_else_does() {
        let token = |claims: &str| format!("h.{claims}.s");
        for (text, id) in [
            (token("eyJ1dWlkIjoidSIsImV4cCI6MTc5NTQ0ODcwMH0"), Some("u")),
            (format!("Bearer {}", token("eyJ1dWlkIjoidSIsImV4cCI6MTc5NTQ0ODcwMH0")), Some("u")),
            // {"uuid":""}, {"uuid":1}, {"sub":"u"}
            (token("eyJ1dWlkIjoiIn0"), None),
            (token("eyJ1dWlkIjoxfQ"), None),
            (token("eyJzdWIiOiJ1In0"), None),
            ("0123456789abcdef0123456789abcdef".to_owned(), None),
            ("a.!!.c".to_owned(), None),
        ] {
            assert_eq!(Token::new(&text, "test").unwrap().user_id().as_deref(), id, "{text}");
        }
    }

    #[test]
    fn the_end_of_a_jwt_is_read_without_trusting_it() {
        // {"uuid":"u","exp":1795448700}
        let token = Token::new("h.eyJ1dWlkIjoidSIsImV4cCI6MTc5NTQ0ODcwMH0.s", "test").unwrap();
        assert_eq!(token.expires(), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_448_700)));
        for other in ["0123456789abcdef0123456789abcdef", "a.b.c", "a.!!.c", "a.eyJleHAiOi0xfQ.c"] {
            assert_eq!(Token::new(other, "test").unwrap().expires(), None, "{other}");
        }
    }
}
