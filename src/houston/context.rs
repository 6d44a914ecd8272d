//! Logins of the official `astro` client, which people already have.
//!
//! Main function: [`Login::named`]. The file is only read, never written and never quoted: it holds
//! tokens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::target::{Target, TargetError, is_hosted};
use super::token::{Token, TokenError, is_writable_by_all};
use crate::files::{Links, open_regular, read_at_most};

/// The file ends here at the latest.
const MAX_FILE: u64 = 1024 * 1024;

/// A login of the official client.
#[derive(Debug, Clone)]
pub struct Login {
    /// Where it leads.
    pub target: Target,
    /// Its token; `None` after a logout.
    pub token: Option<Token>,
}

/// A login that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// No home directory to look in.
    #[error("there is no home directory, so the logins of the astro CLI cannot be found")]
    NoHome,
    /// The file cannot be read.
    #[error("cannot read {}, where the astro CLI keeps its logins", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It is not the file it should be. Its text is never quoted.
    #[error("{}{}: not YAML as the astro CLI writes it", .path.display(), at(*.position))]
    Broken {
        /// Which file.
        path: PathBuf,
        /// The line and the column where reading stopped.
        position: Option<(u64, u64)>,
    },
    /// No such login.
    #[error("no login `{name}` in {}; it has: {}", .path.display(), .known)]
    Unknown {
        /// What was asked for.
        name: String,
        /// Where.
        path: PathBuf,
        /// The domains there are.
        known: String,
    },
    /// Its address cannot be used.
    #[error("the login `{name}` cannot be used")]
    Target {
        /// Which login.
        name: String,
        /// Why not.
        #[source]
        source: TargetError,
    },
    /// Its token cannot be used.
    #[error(transparent)]
    Token(#[from] TokenError),
}

fn at(position: Option<(u64, u64)>) -> String {
    position.map_or_else(String::new, |(line, column)| format!(":{line}:{column}"))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct File {
    contexts: BTreeMap<String, Context>,
    local: Local,
    cloud: Cloud,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Context {
    domain: Option<String>,
    token: Option<SecretString>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Local {
    houston: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Cloud {
    api: Api,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Api {
    protocol: Option<String>,
    port: Option<String>,
}

impl Login {
    /// The login for this domain (`astro.example.com`, or with underscores as the file has it), in
    /// `$ASTRO_HOME/.astro/config.yaml` or `~/.astro/config.yaml`.
    pub fn named(name: &str) -> Result<Self, ContextError> {
        Self::read(name, &path()?)
    }

    /// The login for this domain in this file.
    pub fn read(name: &str, path: &Path) -> Result<Self, ContextError> {
        let failed = |source| ContextError::File { path: path.to_owned(), source };
        let file = open_regular(path, Links::Follow).map_err(failed)?;
        // A user who can write it can send a token to another server.
        if is_writable_by_all(&file.metadata().map_err(failed)?) {
            return Err(TokenError::Writable { path: path.to_owned() }.into());
        }
        let bytes = read_at_most(file, MAX_FILE).map_err(failed)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| ContextError::Broken { path: path.to_owned(), position: None })?;
        // The default would quote the lines around a fault, tokens included.
        let options = serde_saphyr::options! { with_snippet: false };
        let file: File = serde_saphyr::from_str_with_options(&text, options).map_err(|error| {
            let position = error.location().map(|location| (location.line(), location.column()));
            ContextError::Broken { path: path.to_owned(), position }
        })?;
        // Wipes the copy that was read.
        drop(SecretString::from(text));
        Self::of(name.trim(), file, path)
    }

    fn of(name: &str, mut file: File, path: &Path) -> Result<Self, ContextError> {
        let key = name.replace('.', "_");
        let by_domain =
            |context: &Context| context.domain.as_deref().is_some_and(|d| d.eq_ignore_ascii_case(name));
        let found = (file.contexts.iter())
            .find(|(_, context)| by_domain(context))
            .or_else(|| file.contexts.iter().find(|(known, _)| known.eq_ignore_ascii_case(&key)))
            .map(|(known, _)| known.clone());
        let Some(context) = found.and_then(|known| file.contexts.remove(&known)) else {
            let domains: Vec<_> =
                file.contexts.values().filter_map(|context| context.domain.as_deref()).collect();
            let known = if domains.is_empty() { "none".to_owned() } else { domains.join(", ") };
            return Err(ContextError::Unknown { name: name.to_owned(), path: path.to_owned(), known });
        };
        let domain = context.domain.clone().unwrap_or_else(|| name.to_owned());
        let target = address(&domain, &file)
            .map_err(|source| ContextError::Target { name: name.to_owned(), source })?;
        let origin = format!("the login {domain}");
        let token = context.token.filter(|token| !token.expose_secret().trim().is_empty());
        let token = token.map(|token| Token::new(token.expose_secret(), &origin)).transpose()?;
        Ok(Self { target, token })
    }
}

/// The address as the official client builds it.
fn address(domain: &str, file: &File) -> Result<Target, TargetError> {
    if is_hosted(domain) {
        return Err(TargetError::Hosted(domain.to_owned()));
    }
    if domain == "localhost" || domain == "houston" {
        return Target::from_url(file.local.houston.as_deref().unwrap_or_default());
    }
    let plain = Target::from_domain(domain)?;
    let api = &file.cloud.api;
    let protocol = api.protocol.as_deref().filter(|text| !text.is_empty()).unwrap_or("https");
    let port = api.port.as_deref().filter(|text| !text.is_empty()).unwrap_or("443");
    if protocol == "https" && port == "443" {
        return Ok(plain);
    }
    Target::from_url(&format!("{protocol}://{}:{port}/v1", plain.url().host_str().unwrap_or_default()))
}

/// Where the logins are.
pub fn path() -> Result<PathBuf, ContextError> {
    let home = match std::env::var_os("ASTRO_HOME").filter(|home| !home.is_empty()) {
        Some(home) => PathBuf::from(home),
        None => etcetera::home_dir().map_err(|_| ContextError::NoHome)?,
    };
    Ok(home.join(".astro").join("config.yaml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
context: astro.example.com
contexts:
  astro_example_com:
    domain: astro.example.com
    token: hush.hush.hush
    workspace: ck1
    unknown: [1, 2]
  old_example_com:
    domain: old.example.com
    token: ""
  astronomer_io:
    domain: astronomer.io
    token: "Bearer hosted"
  localhost:
    domain: localhost
    token: 0123456789
local:
  houston: http://localhost:8871/v1
page_size: "20"
"#;

    fn read(text: &str, name: &str) -> Result<Login, ContextError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        std::fs::write(&path, text).unwrap();
        Login::read(name, &path)
    }

    #[test]
    fn a_login_is_found_by_its_domain() {
        for name in ["astro.example.com", "astro_example_com", " Astro.Example.com "] {
            let login = read(FILE, name).unwrap();
            assert_eq!(login.target.to_string(), "https://houston.astro.example.com/v1");
            assert_eq!(login.token.unwrap().header().unwrap(), "hush.hush.hush");
        }
        assert!(read(FILE, "old.example.com").unwrap().token.is_none());
        let local = read(FILE, "localhost").unwrap();
        assert_eq!(local.target.to_string(), "http://localhost:8871/v1");
        assert_eq!(local.token.unwrap().header().unwrap(), "0123456789");
    }

    #[test]
    fn port_and_protocol_of_the_official_client_are_followed() {
        let file = format!("{FILE}cloud:\n  api:\n    protocol: https\n    port: 8443\n");
        let login = read(&file, "astro.example.com").unwrap();
        assert_eq!(login.target.to_string(), "https://houston.astro.example.com:8443/v1");
        let file = format!("{FILE}cloud:\n  api:\n    protocol: http\n");
        let error = read(&file, "astro.example.com").unwrap_err();
        assert!(matches!(error, ContextError::Target { source: TargetError::PlainHttp(_), .. }));
    }

    #[test]
    fn a_login_of_the_hosted_product_is_refused() {
        let error = read(FILE, "astronomer.io").unwrap_err();
        assert!(matches!(error, ContextError::Target { source: TargetError::Hosted(_), .. }));
    }

    #[test]
    fn an_unknown_login_lists_those_there_are() {
        let error = read(FILE, "nowhere.example.com").unwrap_err().to_string();
        assert!(error.starts_with("no login `nowhere.example.com` in "), "{error}");
        assert!(
            error.ends_with("it has: astro.example.com, astronomer.io, localhost, old.example.com"),
            "{error}"
        );
        assert!(read("", "x").unwrap_err().to_string().ends_with("it has: none"));
        assert!(matches!(
            Login::read("x", Path::new("/nonexistent/config.yaml")),
            Err(ContextError::File { .. })
        ));
    }

    #[test]
    fn nothing_ever_shows_a_token() {
        use std::error::Error;
        let broken = [
            FILE.replace("token: hush.hush.hush", "token: [hush.hush.hush"),
            FILE.replace("workspace: ck1", "domain: {a: hush.hush.hush}"),
            FILE.replace("token: hush.hush.hush", "token: {a: hush.hush.hush}"),
            FILE.replace("hush.hush.hush", "hush hush"),
            FILE.replace("contexts:", "contexts: hush.hush.hush"),
            FILE.replace("    workspace", "  - workspace"),
        ];
        for text in &broken {
            let error = read(text, "astro.example.com").unwrap_err();
            let shown = format!("{error} {error:?} {:?}", error.source());
            assert!(!shown.contains("hush"), "{shown}");
        }
        let error = read("contexts:\n  a: [hush\n", "a").unwrap_err().to_string();
        assert!(
            error.contains("config.yaml:") && error.ends_with(": not YAML as the astro CLI writes it"),
            "{error}"
        );
        #[cfg(unix)]
        assert!(matches!(Login::read("a", Path::new("/dev/zero")), Err(ContextError::File { .. })));
        assert!(!format!("{:?}", read(FILE, "astro.example.com").unwrap()).contains("hush"));
    }
}
