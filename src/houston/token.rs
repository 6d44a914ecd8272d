//! The credential that is sent with every request.
//!
//! Main type: [`Token`]. It has no `Display`, its `Debug` is masked, and nothing but the header of
//! a request ever sees the text.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::scrub::Needles;
use crate::files::{Links, open_regular, read_at_most, read_input};
use crate::model::with_ends;

/// The variable of the environment that may hold a token.
pub const TOKEN_VARIABLE: &str = "HOUSTON_API_TOKEN";

/// No token is longer, in bytes: servers take no such header.
const LONGEST: usize = 16 * 1024;

/// What some programs put before a text in UTF-8.
const BOM: char = '\u{feff}';

/// A token file ends here at the latest.
const MAX_FILE: u64 = 64 * 1024;

/// A token as sent in the `Authorization` header: a raw one stays raw, a leading `Bearer ` stays;
/// Houston takes both.
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
    /// Something else than a token.
    #[error("the token from {origin} {what}")]
    Looks {
        /// Where it came from.
        origin: String,
        /// What it looks like.
        what: &'static str,
    },
    /// Something that cannot stand in a header.
    #[error("the token from {0} contains spaces or characters that no token has")]
    Characters(String),
    /// Every user of the machine can write it.
    #[error("every user of this machine can write the token file {}; chmod 600 it, and replace the token", .path.display())]
    Writable {
        /// Which file.
        path: PathBuf,
    },
    /// The file could not be read.
    #[error("cannot read the token file {}", with_ends(&.path.to_string_lossy()))]
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
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == BOM);
        let bare = text.strip_prefix("Bearer ").unwrap_or(text).trim_start();
        if bare.is_empty() || text == "Bearer" {
            return Err(TokenError::Empty(origin.to_owned()));
        }
        if text.len() > LONGEST {
            return Err(TokenError::Looks { origin: origin.to_owned(), what: "is longer than any token" });
        }
        if let Some(what) = other_than_token(text) {
            return Err(TokenError::Looks { origin: origin.to_owned(), what });
        }
        if text.contains(['\n', '\r']) {
            return Err(TokenError::Lines(origin.to_owned()));
        }
        if !bare.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(TokenError::Characters(origin.to_owned()));
        }
        Ok(Self(text.into()))
    }

    /// Takes the token from the environment: `None` where [`TOKEN_VARIABLE`] is not set or empty.
    pub fn from_environment() -> Option<Result<Self, TokenError>> {
        let text = std::env::var_os(TOKEN_VARIABLE).filter(|text| !text.is_empty())?;
        Some(Self::new(&text.to_string_lossy(), TOKEN_VARIABLE))
    }

    /// Takes the token from a file that holds nothing else.
    pub fn from_file(path: &Path) -> Result<Self, TokenError> {
        let failed = |source| TokenError::File { path: path.to_owned(), source };
        let bytes = match open_regular(path, Links::Follow) {
            Ok(file) if is_writable_by_all(&file.metadata().map_err(failed)?) => {
                return Err(TokenError::Writable { path: path.to_owned() });
            }
            Ok(file) => read_at_most(file, MAX_FILE),
            // The shell may have handed over a pipe: `--token-file <(vault read ...)`.
            Err(_) => read_input(path, MAX_FILE),
        };
        let bytes = bytes.map_err(failed)?;
        let origin = path.display().to_string();
        if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
            return Err(TokenError::Looks { origin, what: "is UTF-16 text: save the file as UTF-8" });
        }
        Self::new(&String::from_utf8_lossy(&bytes), &origin)
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

    /// The id of the user that a JWT was made for, as its claim `uuid` says. Read without checking
    /// the signature: it may only add to what is protected, and Houston decides what the token may
    /// do.
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

    /// Its kind by its form; no server is asked.
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
        let bare = secret.strip_prefix("Bearer ").unwrap_or(secret).trim_start();
        // No spelling of it is shorter.
        if body.len() < bare.len() { body } else { Needles::new(bare).scrub(body) }
    }
}

/// What a text that is not a token looks like, so that it is not sent.
fn other_than_token(text: &str) -> Option<&'static str> {
    const QUOTES: [char; 9] =
        ['"', '\'', '`', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}', '\u{ab}', '\u{bb}'];
    let first = text.lines().next().unwrap_or_default();
    if text.starts_with('<') {
        return Some("is a placeholder or a web page, not a token");
    }
    if text.starts_with("-----BEGIN") {
        return Some("is a PEM key or certificate, not a token");
    }
    if text.starts_with(['{', '[']) && !text.starts_with("{{") {
        return Some("is JSON, not the token alone: take the token out of it");
    }
    if is_assignment(first) {
        return Some("looks like NAME=value: only the value is the token");
    }
    if text.starts_with(QUOTES) || text.ends_with(QUOTES) {
        return Some("is in quotes: remove the quote marks");
    }
    if text.contains(['{', '}']) || text.starts_with('$') {
        return Some("looks like a placeholder that was not filled in: it has a brace or begins with $");
    }
    if text.contains(QUOTES) {
        return Some("contains a quote mark, which no token has");
    }
    first
        .get(..14)
        .is_some_and(|start| start.eq_ignore_ascii_case("authorization:"))
        .then_some("is a whole header line: only what comes after `Authorization:` is the token")
}

/// Whether a line is like `export NAME=value`; an equals sign at the end may be part of a token.
fn is_assignment(line: &str) -> bool {
    let line = ["export ", "set ", "$env:"].iter().find_map(|word| line.strip_prefix(word)).unwrap_or(line);
    let Some((name, value)) = line.split_once('=') else { return false };
    let name = name.trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty()
        && name.chars().all(is_name)
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !value.trim_matches(['=', ' ']).is_empty()
}

/// Who but its owner can get at a token file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// Every user of the machine can read it.
    Readable,
    /// Every user of the machine can replace it.
    Replaceable,
}

/// Whether every user of this machine can get at a file, through all the folders above it. Links are
/// followed, as a mounted secret of Kubernetes has them.
pub fn exposure(path: &Path) -> Option<Exposure> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let real = path.canonicalize().ok().filter(|real| real.is_file())?;
        let mode = |path: &Path| std::fs::metadata(path).map(|found| found.permissions().mode()).ok();
        let above: Option<Vec<u32>> = real.ancestors().skip(1).map(mode).collect();
        let above = above?;
        if above.iter().any(|mode| mode & 0o001 == 0) {
            return None;
        }
        if above.iter().any(|mode| mode & 0o1002 == 0o002) {
            return Some(Exposure::Replaceable);
        }
        (mode(&real)? & 0o004 != 0).then_some(Exposure::Readable)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

#[cfg(unix)]
/// Whether every user of this machine can write a file.
pub fn is_writable_by_all(found: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    found.permissions().mode() & 0o002 != 0
}

#[cfg(not(unix))]
/// Whether every user of this machine can write a file.
pub fn is_writable_by_all(_found: &std::fs::Metadata) -> bool {
    false
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
            ("\u{feff}abc.def.ghi\r\n", "abc.def.ghi"),
            ("YWJj/+ZGVm==", "YWJj/+ZGVm=="),
            ("YWJjZGVm=", "YWJjZGVm="),
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
            ("secret one", "the token from test contains spaces or characters that no token has"),
            ("bearer secret", "the token from test contains spaces or characters that no token has"),
            ("sécret", "the token from test contains spaces or characters that no token has"),
            ("secret\u{0}", "the token from test contains spaces or characters that no token has"),
        ] {
            assert_eq!(Token::new(bad, "test").unwrap_err().to_string(), message, "{bad:?}");
        }
    }

    #[test]
    fn a_text_that_is_no_token_is_named_and_not_quoted() {
        for (text, words) in [
            ("\"hush\"", "quotes"),
            ("'hush'", "quotes"),
            ("\u{201c}hush\u{201d}", "quotes"),
            ("Bearer \"hush\"", "quotes"),
            ("hu\"sh", "quote mark"),
            ("HOUSTON_API_TOKEN=hush", "NAME=value"),
            ("export TOKEN=\"hush\"", "NAME=value"),
            ("token = hush\nother = 1", "NAME=value"),
            ("{\"token\": \"hush\"}", "JSON"),
            ("[\n\"hush\"]", "JSON"),
            ("${HUSH}", "placeholder"),
            ("{{ hush }}", "placeholder"),
            ("$HUSH", "placeholder"),
            ("<hush>", "placeholder"),
            ("Authorization: Bearer hush", "header"),
            ("-----BEGIN PRIVATE KEY-----\nhush", "PEM"),
        ] {
            assert!(Token::new(&"x".repeat(LONGEST + 1), "test").is_err());
            for text in [text.to_owned(), format!("\u{feff}{text}\r\n")] {
                let error = Token::new(&text, "test").unwrap_err();
                let shown = format!("{error} {error:?}");
                assert!(shown.contains(words), "{text}: {shown}");
                assert!(!shown.to_lowercase().contains("hush"), "{shown}");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_every_user_can_get_at_is_noticed() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "abc.def").unwrap();
        let change = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let is_open = exposure(Path::new("/tmp")).is_none() && folder.path().starts_with("/tmp");
        for (of_folder, of_file, expected) in [
            (0o700, 0o644, None),
            (0o755, 0o600, None),
            (0o755, 0o640, None),
            (0o755, 0o644, Some(Exposure::Readable)),
            (0o1777, 0o600, None),
            (0o777, 0o600, Some(Exposure::Replaceable)),
        ] {
            change(folder.path(), of_folder);
            change(&path, of_file);
            if is_open {
                assert_eq!(exposure(&path), expected, "{of_folder:o} {of_file:o}");
            }
            assert!(Token::from_file(&path).is_ok());
        }
        change(folder.path(), 0o700);
        change(&path, 0o602);
        assert!(matches!(Token::from_file(&path), Err(TokenError::Writable { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_token_file_is_never_waited_for_and_ends() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let huge = folder.path().join("huge");
        std::fs::write(&huge, vec![b'a'; 100_000]).unwrap();
        for path in [fifo.as_path(), &huge, folder.path(), Path::new("/dev/zero")] {
            assert!(matches!(Token::from_file(path), Err(TokenError::File { .. })), "{}", path.display());
        }
        // A mounted secret of Kubernetes: a link to a file in a folder that is a link.
        let (data, link) = (folder.path().join("..data_1"), folder.path().join("token"));
        std::fs::create_dir(&data).unwrap();
        std::fs::write(data.join("token"), "abc.def\n").unwrap();
        std::os::unix::fs::symlink("..data_1", folder.path().join("..data")).unwrap();
        std::os::unix::fs::symlink("..data/token", &link).unwrap();
        assert_eq!(Token::from_file(&link).unwrap().header().unwrap(), "abc.def");
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
        assert_eq!(token.scrub(b"hush.hush".to_vec()), b"[token]");
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
