//! Flags that say which Houston to talk to, with what token, and how fast.
//!
//! Main types: [`TargetArgs`] and, in [`pace`], [`PaceArgs`]. Both come from the command line, from the
//! environment and from a configuration file, in this order of precedence, and are resolved once,
//! by [`destination`]. Nothing is opened or sent here.

pub mod pace;

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::settings::Origins;
use crate::ops::failure::Failure;
use crate::outcome::ExitStatus;

pub use self::pace::{MaxErrors, PaceArgs, RateLimit};
use crate::houston::TOKEN_VARIABLE;
use crate::ops::session::Destination;
#[cfg(feature = "sandbox")]
use crate::ops::session::target::SandboxChoice;
use crate::ops::session::target::{Choice, TargetSettings};
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

/// Why flags do not say where Houston is.
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
}

impl TargetArgsError {
    /// The flags that it is about, without their dashes.
    pub fn about(&self) -> Vec<&'static str> {
        let name = |flag: &'static str| flag.trim_start_matches('-');
        match self {
            Self::Nowhere => Vec::new(),
            Self::Two(one, two) => vec![name(one), name(two)],
            Self::NoSandbox(flag) | Self::WithSandbox(flag) => vec![name(flag)],
        }
    }
}

impl From<TargetArgsError> for Failure {
    fn from(error: TargetArgsError) -> Self {
        let about = error.about();
        Self::new(ExitStatus::Usage, error).about(&about)
    }
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

    /// The settings that these flags mean.
    ///
    /// # Errors
    /// They name no Houston, more than one, or flags that do not go together (2).
    pub fn settings(&self) -> Result<TargetSettings, TargetArgsError> {
        let TargetFlags { token_file, ca_file, insecure, .. } = self.flags.clone();
        Ok(TargetSettings { choice: self.choose()?, token_file, ca_file, insecure })
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
}

/// Where to go and how fast.
///
/// # Errors
/// The flags make no sense (2).
pub fn destination(target: &TargetArgs, pace: &PaceArgs) -> Result<Destination, Failure> {
    let target = target.settings()?;
    let pace = pace
        .resolve(target.is_sandbox())
        .map_err(|error| Failure::new(ExitStatus::Usage, anyhow::anyhow!(error)))?;
    Ok(Destination::new(target, pace))
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
