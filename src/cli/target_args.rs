//! Flags that choose the Houston to use, the token, and the pace.
//!
//! Main types: [`TargetArgs`] and, in [`pace`], [`PaceArgs`]. Both come from the command line, from the
//! environment and from a configuration file, in this order of precedence; [`destination`] resolves
//! them once. Nothing is opened or sent here.

pub mod pace;

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::settings::{Distance, Origins};
use crate::ops::failure::Failure;
use crate::outcome::ExitStatus;

pub use self::pace::{MaxErrors, PaceArgs};
use crate::houston::TOKEN_VARIABLE;
use crate::ops::session::Destination;
#[cfg(feature = "sandbox")]
use crate::ops::session::target::SandboxChoice;
use crate::ops::session::target::{Choice, TargetSettings};
use crate::record::journal::Reach;

const TARGET: &str = "Target";

/// The flags for which it matters whether they were typed. Exactly one of the first four must name the
/// Houston to use.
const WATCHED: [&str; 9] =
    ["url", "domain", "context", "sandbox", "sandbox_state", "sandbox_profile", "faults", "seed", "insecure"];

/// Which Houston, and with what token.
#[derive(Debug, Clone, Default, Args)]
pub struct TargetFlags {
    /// Houston, such as `https://houston.example.com/v1`
    ///
    /// Its GraphQL endpoint.
    #[arg(long, value_name = "URL", help_heading = TARGET)]
    pub url: Option<String>,

    /// Houston at `https://houston.DOMAIN/v1`
    ///
    /// The base domain of the installation.
    #[arg(long, value_name = "DOMAIN", help_heading = TARGET)]
    pub domain: Option<String>,

    /// Address and token of a login of the `astro` CLI
    ///
    /// NAME is the domain of the login. The file of the CLI is only read.
    #[arg(long, value_name = "NAME", help_heading = TARGET)]
    pub context: Option<String>,

    /// Rehearse against a Houston in this process
    #[cfg(feature = "sandbox")]
    #[arg(long, help_heading = TARGET)]
    pub sandbox: bool,

    /// The initial state of the sandbox: a CSV of members (email,role,workspace) or a state file (JSON)
    #[cfg(feature = "sandbox")]
    #[arg(long, value_name = "FILE", help_heading = TARGET)]
    pub sandbox_state: Option<PathBuf>,

    /// The version of Houston that the sandbox emulates, such as 0.28 or 2.x [default: 2.x]
    #[cfg(feature = "sandbox")]
    #[arg(long, value_name = "VERSION", value_parser = profile, help_heading = TARGET)]
    pub sandbox_profile: Option<String>,

    /// Faults that the sandbox injects, such as `timeout=2%,reset=1%,429=5%,slow=p95:3s`; `sandbox --help`
    /// lists them all
    #[cfg(feature = "sandbox")]
    #[arg(long, value_name = "FAULTS", value_parser = faults, help_heading = TARGET)]
    pub faults: Option<String>,

    /// The seed that decides which requests to the sandbox fail
    #[cfg(feature = "sandbox")]
    #[arg(long, value_name = "N", help_heading = TARGET)]
    pub seed: Option<u64>,

    /// Read the token from this file
    ///
    /// It contains only the token, and the run reads it again if the token expires. Without this flag,
    /// the token is that of `HOUSTON_API_TOKEN` or of the login.
    #[arg(long, value_name = "FILE", help_heading = TARGET)]
    pub token_file: Option<PathBuf>,

    /// Trust these certificate authorities too: a PEM file
    #[arg(long, value_name = "FILE", help_heading = TARGET)]
    pub ca_file: Option<PathBuf>,

    /// Trust any certificate: anyone on the network path can read the token and alter answers
    #[arg(long, help_heading = TARGET)]
    pub insecure: bool,
}

impl TargetFlags {
    /// The files that these flags name, none of which is written to.
    pub(super) fn read_files(&self) -> Vec<(&'static str, Option<&std::path::Path>)> {
        vec![
            ("--token-file", self.token_file.as_deref()),
            ("--ca-file", self.ca_file.as_deref()),
            #[cfg(feature = "sandbox")]
            ("--sandbox-state", self.sandbox_state.as_deref()),
        ]
    }
}

#[cfg(feature = "sandbox")]
fn profile(text: &str) -> Result<String, String> {
    text.parse::<crate::sandbox::Profile>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

#[cfg(feature = "sandbox")]
fn faults(text: &str) -> Result<String, String> {
    text.parse::<crate::sandbox::Faults>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// [`TargetFlags`], with a note of which were typed: a typed flag overrides the environment.
#[derive(Debug, Clone)]
pub struct TargetArgs {
    /// The flags as they came.
    pub flags: TargetFlags,
    /// Where the values of [`WATCHED`] come from.
    sources: [Distance; 9],
    /// The targets of the settings file that could be chosen, for the message where nothing was.
    offered: Option<String>,
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
        let is_typed = |id| known(id) && matches.value_source(id) == Some(ValueSource::CommandLine);
        let source = |id| if is_typed(id) { Distance::Typed } else { Distance::File };
        Ok(Self { flags, sources: WATCHED.map(source), offered: None })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl TargetArgs {
    /// Records where the values come from that were not typed: clap treats them as defaults.
    pub fn set_origins(&mut self, origins: &Origins) {
        self.offered = origins.offered().map(str::to_owned);
        for (id, source) in WATCHED.iter().zip(&mut self.sources) {
            if *source != Distance::Typed {
                *source = origins.distance(&id.replace('_', "-"));
            }
        }
    }
}

/// Why the flags do not choose a target.
#[derive(Debug, thiserror::Error)]
pub enum TargetArgsError {
    /// No flag names a target.
    #[error("no target given; pass one of {}{}", chooser_names(), or_target(.0.as_deref()))]
    Nowhere(Option<String>),
    /// Two flags name a target.
    #[error("{} conflicts with {}; give one", .0, .1)]
    Two(&'static str, &'static str),
    /// A flag of the sandbox without `--sandbox`.
    #[error("{0} requires --sandbox")]
    NoSandbox(&'static str),
    /// A flag that the sandbox does not support.
    #[error("{0} cannot be used with --sandbox")]
    WithSandbox(&'static str),
}

impl TargetArgsError {
    /// The flags that the error is about, without their dashes.
    pub fn about(&self) -> Vec<&'static str> {
        let name = |flag: &'static str| flag.trim_start_matches('-');
        match self {
            Self::Nowhere(_) => Vec::new(),
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

fn or_target(offered: Option<&str>) -> String {
    offered.map_or_else(String::new, |targets| format!(", or --target ({targets})"))
}

fn chooser_names() -> &'static str {
    if cfg!(feature = "sandbox") {
        "--url, --domain, --context or --sandbox"
    } else {
        "--url, --domain or --context"
    }
}

impl TargetArgs {
    #[cfg(feature = "sandbox")]
    fn is_typed(&self, index: usize) -> bool {
        self.sources[index] == Distance::Typed
    }

    /// The settings that these flags mean.
    ///
    /// # Errors
    /// The flags name no target, more than one, or conflict with each other (2).
    pub fn settings(&self) -> Result<TargetSettings, TargetArgsError> {
        let TargetFlags { token_file, ca_file, insecure, .. } = self.flags.clone();
        Ok(TargetSettings { choice: self.choose()?, token_file, ca_file, insecure })
    }

    /// The target that the flags choose.
    pub fn choose(&self) -> Result<Choice, TargetArgsError> {
        let flags = &self.flags;
        let mut given: Vec<(usize, Choice)> = Vec::new();
        let mut add = |index, choice: Option<Choice>| given.extend(choice.map(|choice| (index, choice)));
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        add(0, text(&flags.url).map(Choice::Url));
        add(1, text(&flags.domain).map(Choice::Domain));
        add(2, text(&flags.context).map(Choice::Context));
        #[cfg(feature = "sandbox")]
        add(3, self.sandbox());
        // A typed target overrides the environment, which overrides the settings file.
        let nearest = given.iter().map(|(index, _)| self.sources[*index]).min();
        given.retain(|(index, _)| Some(self.sources[*index]) == nearest);
        if let [(one, _), (two, _), ..] = given[..] {
            return Err(TargetArgsError::Two(flag(one), flag(two)));
        }
        let (_, choice) = given.pop().ok_or_else(|| TargetArgsError::Nowhere(self.offered.clone()))?;
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

    /// Refuses typed flags that the choice does not support. Values from the environment or a file may be
    /// meant for other runs and are ignored.
    #[cfg(feature = "sandbox")]
    fn check(&self, choice: &Choice) -> Result<(), TargetArgsError> {
        match choice {
            Choice::Sandbox(_) if self.is_typed(8) => Err(TargetArgsError::WithSandbox("--insecure")),
            Choice::Sandbox(_) => Ok(()),
            Choice::Url(_) | Choice::Domain(_) | Choice::Context(_) => {
                let stray = (4..8).find(|index| self.is_typed(*index));
                stray.map_or(Ok(()), |index| Err(TargetArgsError::NoSandbox(flag(index))))
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

    /// Fills in the target and connection flags that are not set from an earlier leg of a run, which went
    /// to `url`. A token in the environment overrides that leg's token file.
    pub fn default_to(&mut self, url: &str, reach: &Reach) {
        // `false` in the environment or for the target counts as set.
        let is_set = self.sources[8] != Distance::File;
        let flags = &mut self.flags;
        flags.ca_file = flags.ca_file.take().or_else(|| reach.ca_file.clone());
        if std::env::var_os(TOKEN_VARIABLE).is_none_or(|token| token.is_empty()) {
            flags.token_file = flags.token_file.take().or_else(|| reach.token_file.clone());
        }
        if !is_set {
            flags.insecure |= reach.insecure;
        }
        if matches!(self.choose(), Err(TargetArgsError::Nowhere(_))) {
            match &reach.context {
                Some(context) => self.flags.context = Some(context.clone()),
                None => self.flags.url = Some(url.to_owned()),
            }
        }
    }
}

/// The target and the pace that the flags choose.
///
/// # Errors
/// The flags are invalid (2).
pub fn destination(target: &TargetArgs, pace: &PaceArgs) -> Result<Destination, Failure> {
    let target = target.settings()?;
    let pace = pace
        .resolve(target.is_sandbox())
        .map_err(|error| Failure::new(ExitStatus::Usage, anyhow::anyhow!(error)))?;
    Ok(Destination::new(target, pace))
}

fn flag(index: usize) -> &'static str {
    [
        "--url",
        "--domain",
        "--context",
        "--sandbox",
        "--sandbox-state",
        "--sandbox-profile",
        "--faults",
        "--seed",
    ][index]
}

#[cfg(test)]
mod tests;
