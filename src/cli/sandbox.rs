//! `sandbox`: runs a local Houston for rehearsals, until a signal stops it.
//!
//! Main type: [`SandboxArgs`]. The server itself is [`crate::sandbox`]; this module only turns
//! flags into options and prints where it listens.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use jiff::SignedDuration;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::ops::failure::Failure;
use crate::outcome::ExitStatus;
use crate::sandbox::{
    FAULTS_HELP, Faults, LOCAL_PASSWORD, Model, Options, Profile, Sandbox, Switches, Tokens, switches_help,
};

/// Flags of `sandbox`.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = AFTER)]
pub struct SandboxArgs {
    /// Port on 127.0.0.1; 0 picks a free one.
    #[arg(long, default_value_t = 0, value_parser = port)]
    pub port: u16,

    /// Initial state: a state file (JSON, as returned by GET /state) or a roster export
    /// (email,role,workspace). By default a built-in company of 160 people and 7 workspaces.
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,

    /// Houston version to emulate: 0.16, 0.23, 0.25, 0.28, 0.30, 1.x, 2.x, or any version in between.
    #[arg(
        long,
        value_name = "VERSION",
        default_value_t = Profile::V2
    )]
    pub profile: Profile,

    /// Membership model: legacy (a repeated add creates a second binding; invite tokens) or modern (a
    /// repeated add is refused; pending users). By default the version decides: legacy up to 0.24,
    /// modern after; the version of the change is an assumption.
    #[arg(long)]
    pub model: Option<Model>,

    /// Latency of every request.
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "20ms",
        value_parser = latency
    )]
    pub latency: Duration,

    /// Faults to inject, for example timeout=2%,reset=1%,429=5%,slow=p95:3s (--help lists all).
    #[arg(
        long,
        value_name = "RULES",
        default_value = "",
        hide_default_value = true,
        long_help = FAULTS_HELP
    )]
    pub faults: Faults,

    /// Random seed; the same seed and requests give the same faults.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// A behaviour of the installation, NAME=VALUE; may be repeated.
    #[arg(
        long = "switch",
        value_name = "NAME=VALUE",
        value_delimiter = ' ',
        value_parser = switch,
        long_help = format!("A behaviour of the installation; may be repeated. Names and values:{}", switches_help())
    )]
    pub switches: Vec<String>,
}

const AFTER: &str = "\
The server prints its URL and tokens, and runs until SIGINT or SIGTERM. The tokens work only with a sandbox.
  POST /v1         GraphQL
  GET /v1/healthz  {}
  GET /audit       every mutation with its outcome, and the counters of the run (?entries=0: counters only)
  GET /state       the current state, in the format of --state

Some behaviour is assumed, because it is not documented publicly: the version from which a repeated add is refused and \
unknown people become pending users; whether a dead token fails inside after 0.23; that isAdmin is always false; the \
messages for user management off, SCIM on and the last admin of a workspace; the \
pattern for addresses; the order and the cursor of paged lists; whether lists include pending people; whether \
workspaceAddUser may return null. Most of these have a switch.";

fn switch(text: &str) -> Result<String, String> {
    if !text.is_empty() {
        Switches::default().set(text).map_err(|error| error.to_string())?;
    }
    Ok(text.to_owned())
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "a port is a number from 0 to 65535".to_owned())
}

fn latency(text: &str) -> Result<Duration, String> {
    let duration = text.parse::<SignedDuration>().map_err(|error| error.to_string())?;
    Duration::try_from(duration).map_err(|_| "a latency must not be negative".to_owned())
}

impl SandboxArgs {
    /// The options that these flags mean.
    pub fn options(&self) -> anyhow::Result<Options> {
        let mut switches = Switches::default();
        for switch in self.switches.iter().filter(|switch| !switch.is_empty()) {
            switches.set(switch).context("--switch")?;
        }
        Ok(Options {
            profile: self.profile,
            model: self.model,
            latency: self.latency,
            faults: self.faults.clone(),
            seed: self.seed,
            state: self.state.clone(),
            port: self.port,
            switches,
        })
    }
}

/// Runs until SIGINT or SIGTERM.
///
/// # Errors
/// The sandbox cannot start from the given state (3), or cannot start at all (1).
pub fn run(args: &SandboxArgs) -> Result<(), Failure> {
    // Before anything is printed: a script may send a signal as soon as it has the URL.
    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen for signals")?;
    let options = args.options()?;
    let status = if options.state.is_some() { ExitStatus::BadInput } else { ExitStatus::Internal };
    let failed = |error: crate::sandbox::Error| {
        let is_taken = matches!(&error, crate::sandbox::Error::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse);
        let failure = Failure::new(status, error).about(&["state", "port"]);
        if is_taken { failure.hint("choose another --port; 0 picks a free one") } else { failure }
    };
    let sandbox = Sandbox::start(options).map_err(failed)?;
    let mut out = anstream::stdout().lock();
    let written = out
        .write_all(greeting(sandbox.url(), sandbox.tokens(), sandbox.has_local_passwords()).as_bytes())
        .and_then(|()| out.flush());
    match written {
        // The reader only wanted the first line.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        other => other.context("cannot write to standard output")?,
    }
    drop(out);
    signals.forever().next();
    Ok(())
}

fn greeting(url: &str, tokens: &Tokens, local_auth: bool) -> String {
    let mut lines = vec![format!("url: {url}")];
    lines.extend(tokens.described().into_iter().map(|(token, may)| format!("token: {token} ({may})")));
    if local_auth {
        lines.push(format!("password: {LOCAL_PASSWORD} (for every user)"));
    }
    lines.push(String::new());
    lines.join("\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use clap::{CommandFactory, FromArgMatches};

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        args: SandboxArgs,
    }

    fn parse(line: &str) -> Result<SandboxArgs, clap::Error> {
        let matches = Command::command().try_get_matches_from(line.split(' '))?;
        SandboxArgs::from_arg_matches(&matches)
    }

    #[test]
    fn the_flags_of_the_contract_become_options() {
        let args = parse(
            "sandbox --port 0 --state s.json --profile 0.28 --model legacy --latency 5ms \
             --faults timeout=2%,slow=p95:3s --seed 7 --switch scim=true --switch smtp=off",
        )
        .unwrap();
        let options = args.options().unwrap();
        assert_eq!(options.profile, Profile::V0_28);
        assert_eq!(options.model, Some(Model::Legacy));
        assert_eq!(options.latency, Duration::from_millis(5));
        assert_eq!(options.faults.to_string(), "timeout=2%,slow=p95:3s");
        assert_eq!((options.seed, options.port), (7, 0));
        assert!(options.switches.scim && options.switches.smtp == Some(false));
        assert_eq!(parse("sandbox").unwrap().latency, Duration::from_millis(20));
    }

    #[test]
    fn wrong_values_are_refused_with_a_reason() {
        for (line, reason) in [
            ("sandbox --latency=-5ms", "not be negative"),
            ("sandbox --faults reset=200%", "not a share"),
            ("sandbox --profile 0.9", "one of 0.16"),
            ("sandbox --model both", "legacy, modern"),
            ("sandbox --port 80x", "a port is a number"),
            ("sandbox --port 65536", "from 0 to 65535"),
            ("sandbox --switch nonsense", "is not a switch"),
            ("sandbox --switch scim=maybe", "scim"),
        ] {
            let error = parse(line).expect_err(line).to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_port_in_use_comes_with_the_way_out() {
        let taken = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let failure = run(&parse(&format!("sandbox --port {port}")).unwrap()).unwrap_err();
        assert!(failure.hint.is_some_and(|hint| hint.contains("choose another --port")));
    }

    #[test]
    fn the_greeting_begins_with_the_url_and_labels_every_token() {
        let sandbox = Sandbox::start(Options::default()).unwrap();
        let text = greeting(sandbox.url(), sandbox.tokens(), false);
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(format!("url: {}", sandbox.url()).as_str()));
        assert!(lines.next().is_some_and(|line| line.starts_with(&format!("token: {}", sandbox.token()))));
        assert!(lines.all(|line| line.starts_with("token: ") && line.ends_with(')')));
    }
}
