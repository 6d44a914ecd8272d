//! Which Houston is meant, and whose token is used: address and token found out, nothing sent.
//!
//! Main types: [`TargetSettings`] and [`Resolved`]. Nothing is opened here but the files that hold a
//! token or a login.

use std::path::{Path, PathBuf};

use crate::houston::context::ContextError;
use crate::houston::{
    HttpSettings, Login, TOKEN_VARIABLE, Target, TargetError, Token, TokenError, TokenKind,
};
use crate::ops::failure::Failure;
use crate::ops::session::pace::PaceSettings;
use crate::outcome::ExitStatus;
use crate::record::journal::Reach;

/// Which Houston, and how it is reached.
#[derive(Debug, Clone)]
pub struct TargetSettings {
    /// Where it is.
    pub choice: Choice,
    /// The file that holds the token, if it is in one.
    pub token_file: Option<PathBuf>,
    /// Certificate authorities to trust besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// Whether any certificate is trusted.
    pub insecure: bool,
}

/// The one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// `--url`.
    Url(String),
    /// `--domain`.
    Domain(String),
    /// `--context`.
    Context(String),
    /// `--sandbox`, which has to be started first.
    #[cfg(feature = "sandbox")]
    Sandbox(SandboxChoice),
}

/// How to start the sandbox.
#[cfg(feature = "sandbox")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SandboxChoice {
    /// `--sandbox-state`.
    pub state: Option<PathBuf>,
    /// `--sandbox-profile`.
    pub profile: Option<String>,
    /// `--faults`.
    pub faults: Option<String>,
    /// `--seed`.
    pub seed: Option<u64>,
}

/// Where Houston is and who asks.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The address.
    pub target: Target,
    /// The token.
    pub token: Token,
    /// The file it came from, which is read again when the token dies.
    pub token_file: Option<PathBuf>,
}

/// Why address or token cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DestinationError {
    /// The address is unusable.
    #[error("{flag} cannot be used")]
    Target {
        /// Which flag gave it.
        flag: &'static str,
        /// Why not.
        #[source]
        source: TargetError,
    },
    /// The login is of no use.
    #[error("--context cannot be used")]
    Context(#[source] ContextError),
    /// The token is of no use.
    #[error("the token cannot be used")]
    Token(#[source] TokenError),
    /// The token itself instead of its file.
    #[error("--token-file takes the path of a file, and this looks like a token")]
    NotAFile,
    /// No token.
    #[error("no token: set {TOKEN_VARIABLE}, or pass --token-file{}", if *.logged_out { ", or log in with `astro login`" } else { "" })]
    NoToken {
        /// Whether a login was named that has none.
        logged_out: bool,
    },
}

impl DestinationError {
    /// Whether it is about the token (exit status 4) and not about usage (2).
    pub fn is_about_token(&self) -> bool {
        match self {
            Self::Token(_)
            | Self::NotAFile
            | Self::NoToken { .. }
            | Self::Context(ContextError::Token(_)) => true,
            Self::Target { .. } | Self::Context(_) => false,
        }
    }

    /// The flags that it is about, without their dashes.
    pub fn about(&self) -> Vec<&'static str> {
        match self {
            Self::NoToken { .. } => Vec::new(),
            Self::Target { flag, .. } => vec![flag.trim_start_matches('-')],
            Self::Context(_) => vec!["context"],
            Self::Token(_) | Self::NotAFile => vec!["token-file"],
        }
    }
}

impl From<DestinationError> for Failure {
    fn from(error: DestinationError) -> Self {
        let status = if error.is_about_token() { ExitStatus::Token } else { ExitStatus::Usage };
        let about = error.about();
        Self::new(status, error).about(&about)
    }
}

/// Whether the path of a token file is a token, which no message may quote.
pub fn is_a_token(path: &Path) -> bool {
    let kind = path.to_str().and_then(|text| Token::new(text, "a path").ok()).map(|token| token.kind());
    let looks_like_one = match kind {
        Some(TokenKind::User | TokenKind::ServiceAccount) => true,
        Some(TokenKind::Unknown) | None => false,
    };
    looks_like_one && !path.exists()
}

impl TargetSettings {
    /// Whether to start a sandbox.
    pub fn is_sandbox(&self) -> bool {
        match self.choice {
            Choice::Url(_) | Choice::Domain(_) | Choice::Context(_) => false,
            #[cfg(feature = "sandbox")]
            Choice::Sandbox(_) => true,
        }
    }

    /// Address and token. A token file beats `HOUSTON_API_TOKEN` if it was asked
    /// for, both beat the login. `None` for the sandbox, which knows its own once it runs.
    pub fn resolve(&self) -> Result<Option<Resolved>, DestinationError> {
        self.resolve_with(Token::from_environment)
    }

    /// The same; `environment` gives the token in the environment.
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub fn resolve_with(
        &self,
        environment: impl FnOnce() -> Option<Result<Token, TokenError>>,
    ) -> Result<Option<Resolved>, DestinationError> {
        let failed = |flag| move |source| DestinationError::Target { flag, source };
        let (target, login_token, logged_out) = match &self.choice {
            Choice::Url(url) => (Target::from_url(url).map_err(failed("--url"))?, None, false),
            Choice::Domain(domain) => (Target::from_domain(domain).map_err(failed("--domain"))?, None, false),
            Choice::Context(name) => {
                let login = Login::named(name).map_err(DestinationError::Context)?;
                let logged_out = login.token.is_none();
                (login.target, login.token, logged_out)
            }
            #[cfg(feature = "sandbox")]
            Choice::Sandbox(_) => return Ok(None),
        };
        let token = match &self.token_file {
            Some(path) if is_a_token(path) => return Err(DestinationError::NotAFile),
            Some(path) => Some(Token::from_file(path)),
            None => environment().or(login_token.map(Ok)),
        };
        let token =
            token.ok_or(DestinationError::NoToken { logged_out })?.map_err(DestinationError::Token)?;
        Ok(Some(Resolved { target, token, token_file: self.token_file.clone() }))
    }

    /// The address, even if its token is unusable. `None` for the sandbox.
    ///
    /// # Errors
    /// The address is unusable.
    pub fn address(&self) -> Result<Option<Target>, DestinationError> {
        // A token that is good enough to look no further.
        let any = || Some(Token::new("none", "nowhere"));
        let without_file = Self { token_file: None, ..self.clone() };
        Ok(without_file.resolve_with(any)?.map(|resolved| resolved.target))
    }

    /// How it is reached, for a later leg of the run; with absolute paths, since that one may begin
    /// in another folder.
    ///
    /// # Errors
    /// If the working directory is gone.
    pub fn reach(&self) -> std::io::Result<Reach> {
        let absolute = |path: &Option<PathBuf>| path.as_deref().map(std::path::absolute).transpose();
        Ok(Reach {
            context: self.context().map(str::to_owned),
            token_file: absolute(&self.token_file)?,
            ca_file: absolute(&self.ca_file)?,
            insecure: self.insecure,
        })
    }

    /// The login that is used, if one is.
    pub fn context(&self) -> Option<&str> {
        match &self.choice {
            Choice::Context(name) => Some(name),
            Choice::Url(_) | Choice::Domain(_) => None,
            #[cfg(feature = "sandbox")]
            Choice::Sandbox(_) => None,
        }
    }

    /// How to set up the HTTP transport.
    pub fn http(&self, pace: &PaceSettings) -> HttpSettings {
        HttpSettings {
            concurrency: pace.concurrency,
            timeout: pace.timeout,
            ca_file: self.ca_file.clone(),
            insecure: self.insecure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(choice: Choice, token_file: Option<PathBuf>) -> TargetSettings {
        TargetSettings { choice, token_file, ca_file: None, insecure: false }
    }

    #[test]
    fn a_token_comes_from_its_file_or_from_the_environment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "hush.hush\n").unwrap();
        let domain = || Choice::Domain("example.com".into());
        let environment = || Some(Token::new("other.token", "test"));
        let resolved = settings(domain(), Some(path)).resolve_with(environment).unwrap().unwrap();
        assert_eq!(resolved.target.to_string(), "https://houston.example.com/v1");
        assert!(!format!("{resolved:?}").contains("hush"));
        let without_file = settings(domain(), None);
        assert!(without_file.resolve_with(environment).is_ok());
        let error = without_file.resolve_with(|| None).unwrap_err();
        assert!(error.is_about_token());
        assert_eq!(error.to_string(), "no token: set HOUSTON_API_TOKEN, or pass --token-file");
        let plain = settings(Choice::Url("http://example.com".into()), None);
        let error = plain.resolve_with(environment).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.is_about_token()), ("--url cannot be used", false));
    }
}
