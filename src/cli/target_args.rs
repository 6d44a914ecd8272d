//! Flags that say which Houston to talk to, with what token, and how fast.
//!
//! Main types: [`TargetArgs`] and, in [`pace`], [`PaceArgs`]. Both come from the command line, from the
//! environment and from a configuration file, in this order of precedence, and are resolved once,
//! by [`TargetArgs::choose`] and [`PaceArgs::resolve`]. Nothing is opened or sent here but the
//! files that hold a token or a login.

pub mod pace;

use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::settings::Origins;
use crate::ops::failure::Failure;
use crate::outcome::ExitStatus;

pub use self::pace::{MaxErrors, PaceArgs, PaceSettings, RateLimit};
use crate::houston::context::ContextError;
use crate::houston::{
    HttpSettings, Login, TOKEN_VARIABLE, Target, TargetError, Token, TokenError, TokenKind,
};
use crate::record::journal::Reach;

const TARGET: &str = "Target";

/// The flags of which it matters whether they were typed; of the first four exactly one must say
/// where Houston is.
const WATCHED: [&str; 9] =
    ["url", "domain", "context", "sandbox", "sandbox_state", "sandbox_profile", "faults", "seed", "insecure"];

/// Which Houston, and with what token.
#[derive(Debug, Clone, Default, Args)]
pub struct TargetFlags {
    /// The GraphQL endpoint of Houston, such as `https://houston.example.com/v1`
    #[arg(long, value_name = "URL", help_heading = TARGET)]
    pub url: Option<String>,

    /// The base domain of the installation; Houston is then at `https://houston.DOMAIN/v1`
    #[arg(long, value_name = "DOMAIN", help_heading = TARGET)]
    pub domain: Option<String>,

    /// A login of the `astro` CLI, by its domain: address and token are read from its file
    #[arg(long, value_name = "NAME", help_heading = TARGET)]
    pub context: Option<String>,

    /// Rehearse against an embedded Houston in this process
    #[cfg(feature = "sandbox")]
    #[arg(long, help_heading = TARGET)]
    pub sandbox: bool,

    /// What the sandbox begins with: a CSV of members (email,role,workspace) or a state file (JSON)
    #[cfg(feature = "sandbox")]
    #[arg(long, value_name = "FILE", help_heading = TARGET)]
    pub sandbox_state: Option<PathBuf>,

    /// The version of Houston that the sandbox plays, such as 0.28 or 2.x [default: 2.x]
    #[cfg(feature = "sandbox")]
    #[arg(long, value_name = "VERSION", value_parser = profile, help_heading = TARGET)]
    pub sandbox_profile: Option<String>,

    /// Faults of the sandbox, such as `timeout=2%,reset=1%,429=5%,slow=p95:3s`; all of them are in
    /// the help of `sandbox`
    #[cfg(feature = "sandbox")]
    #[arg(long, value_name = "FAULTS", value_parser = faults, help_heading = TARGET)]
    pub faults: Option<String>,

    /// The seed that decides which requests of the sandbox meet a fault
    #[cfg(feature = "sandbox")]
    #[arg(long, value_name = "N", help_heading = TARGET)]
    pub seed: Option<u64>,

    /// A file that holds the token and nothing else; it is read again when the token dies in a run
    /// [otherwise: `HOUSTON_API_TOKEN`, or the login]
    #[arg(long, value_name = "FILE", help_heading = TARGET)]
    pub token_file: Option<PathBuf>,

    /// Certificate authorities to trust beside those of the system (PEM)
    #[arg(long, value_name = "FILE", help_heading = TARGET)]
    pub ca_file: Option<PathBuf>,

    /// Trust any certificate; the token can then be stolen on the way
    #[arg(long, help_heading = TARGET)]
    pub insecure: bool,
}

#[cfg(feature = "sandbox")]
fn profile(text: &str) -> Result<String, String> {
    text.parse::<crate::sandbox::Profile>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

#[cfg(feature = "sandbox")]
fn faults(text: &str) -> Result<String, String> {
    text.parse::<crate::sandbox::Faults>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// [`TargetFlags`], knowing which of them were typed: a typed one beats one of the environment.
#[derive(Debug, Clone, Default)]
pub struct TargetArgs {
    /// The flags as they came.
    pub flags: TargetFlags,
    /// Where the values of [`WATCHED`] come from.
    sources: [Option<ValueSource>; 9],
}

impl Args for TargetArgs {
    fn augment_args(command: Command) -> Command {
        TargetFlags::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        TargetFlags::augment_args_for_update(command)
    }
}

impl FromArgMatches for TargetArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let flags = TargetFlags::from_arg_matches(matches)?;
        let known = |id: &str| matches.try_contains_id(id).unwrap_or(false);
        let source = |id| if known(id) { matches.value_source(id) } else { None };
        Ok(Self { flags, sources: WATCHED.map(source) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl TargetArgs {
    /// Notes which values come from variables: clap takes them for defaults.
    pub fn set_origins(&mut self, origins: &Origins) {
        for (id, source) in WATCHED.iter().zip(&mut self.sources) {
            if origins.is_variable(&id.replace('_', "-")) {
                *source = Some(ValueSource::EnvVariable);
            }
        }
    }
}

/// The one place to talk to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// `--url`.
    Url(String),
    /// `--domain`.
    Domain(String),
    /// `--context`.
    Context(String),
    /// `--sandbox`, which somebody has to start first.
    #[cfg(feature = "sandbox")]
    Sandbox(SandboxChoice),
}

/// How the sandbox is to be started.
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

/// Why flags do not say where Houston is. All of these are usage errors but those of the token.
#[derive(Debug, thiserror::Error)]
pub enum TargetArgsError {
    /// Nothing says where.
    #[error("which Houston? give one of {}", chooser_names())]
    Nowhere,
    /// Two places.
    #[error("{} and {} are two places to go; give one", .0, .1)]
    Two(&'static str, &'static str),
    /// A flag of the sandbox without it.
    #[error("{0} goes with --sandbox only")]
    NoSandbox(&'static str),
    /// A flag that the sandbox has no use for.
    #[error("{0} has no meaning with --sandbox")]
    WithSandbox(&'static str),
    /// The address is of no use.
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
    /// The token itself in the place of its file.
    #[error("--token-file takes the path of a file, and this looks like a token")]
    NotAFile,
    /// No token.
    #[error("no token: set {TOKEN_VARIABLE}, or give --token-file{}", if *.logged_out { ", or log in with `astro login`" } else { "" })]
    NoToken {
        /// Whether a login was named that has none.
        logged_out: bool,
    },
}

impl TargetArgsError {
    /// Whether it is about the token (exit status 4) and not about usage (2).
    pub fn is_about_token(&self) -> bool {
        match self {
            Self::Token(_)
            | Self::NotAFile
            | Self::NoToken { .. }
            | Self::Context(ContextError::Token(_)) => true,
            Self::Nowhere
            | Self::Two(..)
            | Self::NoSandbox(_)
            | Self::WithSandbox(_)
            | Self::Target { .. }
            | Self::Context(_) => false,
        }
    }
}

impl TargetArgsError {
    /// The flags that it is about, without their dashes.
    pub fn about(&self) -> Vec<&'static str> {
        let name = |flag: &'static str| flag.trim_start_matches('-');
        match self {
            Self::Nowhere | Self::NoToken { .. } => Vec::new(),
            Self::Two(one, two) => vec![name(one), name(two)],
            Self::NoSandbox(flag) | Self::WithSandbox(flag) | Self::Target { flag, .. } => vec![name(flag)],
            Self::Context(_) => vec!["context"],
            Self::Token(_) | Self::NotAFile => vec!["token-file"],
        }
    }
}

impl From<TargetArgsError> for Failure {
    fn from(error: TargetArgsError) -> Self {
        let status = if error.is_about_token() { ExitStatus::Token } else { ExitStatus::Usage };
        let about = error.about();
        Self::new(status, error).about(&about)
    }
}

/// Whether the path of a token file is a token, which no message may quote.
fn is_a_token(path: &Path) -> bool {
    let kind = path.to_str().and_then(|text| Token::new(text, "a path").ok()).map(|token| token.kind());
    let looks_like_one = match kind {
        Some(TokenKind::User | TokenKind::ServiceAccount) => true,
        Some(TokenKind::Unknown) | None => false,
    };
    looks_like_one && !path.exists()
}

fn chooser_names() -> &'static str {
    if cfg!(feature = "sandbox") {
        "--url, --domain, --context or --sandbox"
    } else {
        "--url, --domain or --context"
    }
}

impl TargetArgs {
    /// How far from the user's fingers a value is: typed, in the environment, in a file.
    fn distance(&self, place: usize) -> u8 {
        match self.sources[place] {
            Some(ValueSource::CommandLine) => 0,
            Some(ValueSource::EnvVariable) => 1,
            Some(_) | None => 2,
        }
    }

    #[cfg(feature = "sandbox")]
    fn is_typed(&self, place: usize) -> bool {
        self.sources[place] == Some(ValueSource::CommandLine)
    }

    /// The one place to go.
    pub fn choose(&self) -> Result<Choice, TargetArgsError> {
        let flags = &self.flags;
        let mut given: Vec<(usize, Choice)> = Vec::new();
        let mut add = |place, choice: Option<Choice>| given.extend(choice.map(|choice| (place, choice)));
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        add(0, text(&flags.url).map(Choice::Url));
        add(1, text(&flags.domain).map(Choice::Domain));
        add(2, text(&flags.context).map(Choice::Context));
        #[cfg(feature = "sandbox")]
        add(3, self.sandbox());
        // A typed place beats one of the environment, which beats one of the configuration file.
        let nearest = given.iter().map(|(place, _)| self.distance(*place)).min();
        given.retain(|(place, _)| Some(self.distance(*place)) == nearest);
        if let [(one, _), (two, _), ..] = given[..] {
            return Err(TargetArgsError::Two(flag(one), flag(two)));
        }
        let (_, choice) = given.pop().ok_or(TargetArgsError::Nowhere)?;
        self.check(&choice)?;
        Ok(choice)
    }

    #[cfg(feature = "sandbox")]
    fn sandbox(&self) -> Option<Choice> {
        let flags = &self.flags;
        flags.sandbox.then(|| {
            Choice::Sandbox(SandboxChoice {
                state: flags.sandbox_state.clone(),
                profile: flags.sandbox_profile.clone(),
                faults: flags.faults.clone(),
                seed: flags.seed,
            })
        })
    }

    /// Typed flags that the choice has no use for; what the environment or a file holds for other
    /// runs does no harm.
    #[cfg(feature = "sandbox")]
    fn check(&self, choice: &Choice) -> Result<(), TargetArgsError> {
        match choice {
            Choice::Sandbox(_) if self.is_typed(8) => Err(TargetArgsError::WithSandbox("--insecure")),
            Choice::Sandbox(_) => Ok(()),
            Choice::Url(_) | Choice::Domain(_) | Choice::Context(_) => {
                let stray = (4..8).find(|place| self.is_typed(*place));
                stray.map_or(Ok(()), |place| Err(TargetArgsError::NoSandbox(flag(place))))
            }
        }
    }

    #[cfg(not(feature = "sandbox"))]
    #[expect(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "with a sandbox there is something to check"
    )]
    fn check(&self, _choice: &Choice) -> Result<(), TargetArgsError> {
        Ok(())
    }

    /// Address and token of a chosen place. A token file beats `HOUSTON_API_TOKEN` if it was asked
    /// for, both beat the login. `None` for the sandbox, which knows its own once it runs.
    pub fn resolve(&self, choice: &Choice) -> Result<Option<Resolved>, TargetArgsError> {
        self.resolve_with(choice, Token::from_environment)
    }

    fn resolve_with(
        &self,
        choice: &Choice,
        environment: impl FnOnce() -> Option<Result<Token, TokenError>>,
    ) -> Result<Option<Resolved>, TargetArgsError> {
        let failed = |flag| move |source| TargetArgsError::Target { flag, source };
        let (target, login_token, logged_out) = match choice {
            Choice::Url(url) => (Target::from_url(url).map_err(failed("--url"))?, None, false),
            Choice::Domain(domain) => (Target::from_domain(domain).map_err(failed("--domain"))?, None, false),
            Choice::Context(name) => {
                let login = Login::named(name).map_err(TargetArgsError::Context)?;
                let logged_out = login.token.is_none();
                (login.target, login.token, logged_out)
            }
            #[cfg(feature = "sandbox")]
            Choice::Sandbox(_) => return Ok(None),
        };
        let token = match &self.flags.token_file {
            Some(path) if is_a_token(path) => return Err(TargetArgsError::NotAFile),
            Some(path) => Some(Token::from_file(path)),
            None => environment().or(login_token.map(Ok)),
        };
        let token = token.ok_or(TargetArgsError::NoToken { logged_out })?.map_err(TargetArgsError::Token)?;
        Ok(Some(Resolved { target, token, token_file: self.flags.token_file.clone() }))
    }

    /// The address of a chosen place, whatever is the matter with its token. `None` for the sandbox.
    ///
    /// # Errors
    /// The address is of no use.
    pub fn address(&self, choice: &Choice) -> Result<Option<Target>, TargetArgsError> {
        // A token that is good enough to look no further.
        let any = || Some(Token::new("none", "nowhere"));
        let without_file =
            Self { flags: TargetFlags { token_file: None, ..self.flags.clone() }, sources: self.sources };
        Ok(without_file.resolve_with(choice, any)?.map(|resolved| resolved.target))
    }

    /// How a chosen place is reached, for a later leg of the run; with absolute paths, since that
    /// one may begin in another folder. Only what the choice used: a context is no more than a name
    /// for the address if another place was nearer.
    ///
    /// # Errors
    /// If the working directory is gone.
    pub fn reach(&self) -> std::io::Result<Reach> {
        let absolute = |path: &Option<PathBuf>| path.as_deref().map(std::path::absolute).transpose();
        let context = match self.choose() {
            Ok(Choice::Context(name)) => Some(name),
            Ok(_) | Err(_) => None,
        };
        Ok(Reach {
            context,
            token_file: absolute(&self.flags.token_file)?,
            ca_file: absolute(&self.flags.ca_file)?,
            insecure: self.flags.insecure,
        })
    }

    /// Puts into the flags where to go and how to get there, as far as they do not say so: as an
    /// earlier leg of a run went to `url`. A token in the environment beats the file of then.
    pub fn default_to(&mut self, url: &str, reach: &Reach) {
        // `false` in the environment is a word too.
        let is_said = matches!(self.sources[8], Some(ValueSource::CommandLine | ValueSource::EnvVariable));
        let flags = &mut self.flags;
        flags.ca_file = flags.ca_file.take().or_else(|| reach.ca_file.clone());
        if std::env::var_os(TOKEN_VARIABLE).is_none_or(|token| token.is_empty()) {
            flags.token_file = flags.token_file.take().or_else(|| reach.token_file.clone());
        }
        if !is_said {
            flags.insecure |= reach.insecure;
        }
        if matches!(self.choose(), Err(TargetArgsError::Nowhere)) {
            match &reach.context {
                Some(context) => self.flags.context = Some(context.clone()),
                None => self.flags.url = Some(url.to_owned()),
            }
        }
    }

    /// What to print on every run, if certificates are not checked.
    pub fn warning(&self) -> Option<&'static str> {
        self.flags.insecure.then_some(
            "certificates are not checked (--insecure): whoever sits on the way can read the token and change answers",
        )
    }

    /// How the HTTP transport is to be set up.
    pub fn http(&self, pace: &PaceSettings) -> HttpSettings {
        HttpSettings {
            concurrency: pace.concurrency,
            timeout: pace.timeout,
            ca_file: self.flags.ca_file.clone(),
            insecure: self.flags.insecure,
        }
    }
}

fn flag(place: usize) -> &'static str {
    [
        "--url",
        "--domain",
        "--context",
        "--sandbox",
        "--sandbox-state",
        "--sandbox-profile",
        "--faults",
        "--seed",
    ][place]
}

#[cfg(test)]
mod tests;
