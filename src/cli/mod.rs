//! The command line: its commands and flags, and the exit status.
//!
//! Main types: [`Cli`], [`Command`] and [`ExitStatus`]. One file per command. Each flag group
//! resolves itself into settings once; no module below this one sees a flag.

pub mod apply;
pub mod audit_args;
mod completions;
mod conclusion;
pub mod config;
mod confirm;
pub mod doctor;
pub mod export;
pub mod format;
pub mod help;
mod man;
mod number;
mod open;
pub mod output_files;
pub mod plan;
pub mod prune_args;
pub mod report;
pub mod resume;
pub mod roster_args;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod saved_plan_args;
pub mod schema;
pub mod settings;
pub mod target_args;
mod template;
mod trust;
mod usage;
pub mod validate;
pub mod version;
pub mod voice;
pub mod work_args;

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use clap::{ArgAction, Parser, Subcommand};

use self::settings::{Distance, Environment as Variables, Origins, Refused, Setting};
use self::target_args::TargetArgs;
use self::voice::LogFormat;
pub(crate) use self::voice::{tell, tell_in_colour};

use crate::houston::Http;
use crate::model::{ItemId, in_words, printable};
use crate::ops::environment::Environment;
use crate::ops::failure::Failure;
use crate::ops::notices::Notices;
use crate::ops::signals::{self, Signals};
use crate::outcome::ExitStatus;
use crate::report::Fanout;
use crate::report::escape::{DataSink, for_people_in_colour};
use crate::report::known::Known;
use crate::report::log::{Level, LogEvent};
use crate::report::notices::Notice;
use crate::report::terminal::{Progress, ProgressMode};
use crate::roster::Style;
use crate::time::SystemClock;

/// Adds people to the right workspaces of Astro Private Cloud.
///
/// Reads a CSV file of email, role and workspace, compares it with what Houston has, and sends
/// only what is missing. Each change is sent once, rate-limited and verified; every row is reported.
#[derive(Debug, Parser)]
#[command(
    name = "houston-onboard",
    version,
    disable_help_flag = true,
    disable_version_flag = true,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// The command
    #[command(subcommand)]
    pub command: Command,

    /// The flags that every command takes
    #[command(flatten)]
    pub global: GlobalArgs,

    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = GENERAL)]
    version: Option<bool>,
}

const GENERAL: &str = "General options";

/// Flags of every command.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = GENERAL)]
pub struct GlobalArgs {
    /// Read settings from a TOML file
    ///
    /// Keys are the names of the flags without their dashes. Flags and environment variables override
    /// the file.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<std::path::PathBuf>,

    /// Use the settings of `targets.NAME` in that file
    ///
    /// Environment variables override them; but `apply --target NAME` refuses an environment variable
    /// that names another server (2).
    #[arg(long, global = true, value_name = "NAME")]
    pub target: Option<String>,

    /// How to show progress
    #[arg(long, global = true, value_enum, default_value_t, value_name = "HOW")]
    pub progress: ProgressMode,

    /// How to write standard error: text, or one JSON object per line
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub log_format: LogFormat,

    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: clap::ColorChoice,

    /// No progress, notes or closing words; plans, reports and errors are still printed
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Print more: a line for every row and for every request that failed
    #[arg(short, long, global = true)]
    pub verbose: bool,

    /// Print help: a summary with -h, all with --help
    #[arg(short, long, global = true, action = ArgAction::Help)]
    help: Option<bool>,

    /// Where the values that were not typed come from
    #[arg(skip)]
    pub origins: Origins,
}

impl GlobalArgs {
    /// The files of settings.
    pub(crate) fn read_files(&self) -> Vec<(&'static str, Option<&std::path::Path>)> {
        vec![("--config", self.config.as_deref())]
    }

    /// Shows a command at work, and keeps what is known of it; `row_names` gives the name of a row.
    pub(crate) fn reporter(
        &self,
        known: Known,
        row_names: impl Fn(ItemId) -> String + 'static,
    ) -> Fanout<'static> {
        Fanout::new().and(self.progress(row_names)).and(known)
    }

    /// A progress display; `row_names` gives the name of a row.
    fn progress(&self, row_names: impl Fn(ItemId) -> String + 'static) -> Progress {
        let mode = if self.quiet { ProgressMode::None } else { self.progress };
        let progress = match self.log_format {
            LogFormat::Text => Progress::on_stderr(mode, &voice::screen(), Instant::now),
            LogFormat::Json if mode == ProgressMode::None => Progress::silent(),
            LogFormat::Json => Progress::json(Box::new(std::io::stderr()), Instant::now),
        };
        let progress = progress.with_positions(row_names);
        if self.verbose { progress.verbose() } else { progress }
    }

    /// `--quiet` and `--verbose` may come from different sources: the source nearer to the user wins.
    ///
    /// # Errors
    /// Both come from the same source (2).
    fn choose_voice(&mut self, distance: impl Fn(&str) -> Distance) -> Result<(), Failure> {
        if !(self.quiet && self.verbose) {
            return Ok(());
        }
        match distance("quiet").cmp(&distance("verbose")) {
            std::cmp::Ordering::Less => self.verbose = false,
            std::cmp::Ordering::Greater => self.quiet = false,
            std::cmp::Ordering::Equal => {
                let error = anyhow::anyhow!("--quiet conflicts with --verbose");
                return Err(Failure::new(ExitStatus::Usage, error).about(&["quiet", "verbose"]));
            }
        }
        Ok(())
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check a roster offline: every problem, with its line and column
    Validate(validate::ValidateArgs),
    /// Check the target: connection, token, rights and version
    Doctor(Box<doctor::DoctorArgs>),
    /// Show what `apply` would do with the same flags
    Plan(Box<plan::PlanArgs>),
    /// Add the missing people: show the plan, ask, send, verify, report
    Apply(Box<apply::ApplyArgs>),
    /// Write the current members and invitations as a roster
    Export(Box<export::ExportArgs>),
    /// Print the report of a run, finished or not, or list the runs
    Report(report::ReportArgs),
    /// Finish an interrupted run, without sending anything twice
    Resume(Box<resume::ResumeArgs>),
    /// Run a local Houston for rehearsals
    #[cfg(feature = "sandbox")]
    Sandbox(Box<sandbox::SandboxArgs>),
    /// Print an empty roster: the header and one example row
    Template,
    /// Show the settings and where they come from
    Config(config::ConfigArgs),
    /// Print a script that completes commands and flags in a shell
    Completions(completions::CompletionsArgs),
    /// Print the manual page of the program or of a command
    Man(man::ManArgs),
    /// Print the JSON Schema of an output, or list the schemas
    Schema(schema::SchemaArgs),
    /// Print the version, the build and the formats of the files
    Version(version::VersionArgs),
    /// Print help about a command, environment, exit-status or roster
    Help(help::HelpArgs),
}

impl Command {
    /// The target flags, if the command has them.
    fn target_mut(&mut self) -> Option<&mut TargetArgs> {
        match self {
            Self::Doctor(args) => Some(&mut args.target),
            Self::Plan(args) => Some(&mut args.work.target),
            Self::Apply(args) => Some(&mut args.work.target),
            Self::Export(args) => Some(&mut args.target),
            Self::Resume(args) => Some(&mut args.target),
            Self::Validate(_)
            | Self::Report(_)
            | Self::Template
            | Self::Config(_)
            | Self::Completions(_)
            | Self::Man(_)
            | Self::Schema(_)
            | Self::Version(_)
            | Self::Help(_) => None,
            #[cfg(feature = "sandbox")]
            Self::Sandbox(_) => None,
        }
    }

    /// Where `config show` finds the settings to show.
    fn shown_settings_mut(&mut self) -> Option<&mut Vec<Setting>> {
        if let Self::Config(args) = self {
            let config::ConfigAction::Show(show) = &mut args.action;
            return Some(&mut show.settings);
        }
        None
    }
}

/// Runs the program: arguments in, exit status out.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if let Err(error) = signals::outlive_file_limits() {
        tell(&format!("warning: a limit on the size of files would end this program: {}", in_words(&error)));
    }
    ExitCode::from(status_of(&arguments).unwrap_or_else(|status| status).code())
}

/// Parses and runs; an error has been printed.
fn status_of(arguments: &[OsString]) -> Result<ExitStatus, ExitStatus> {
    let variables = Variables::of_process();
    // Help and complaints about arguments come before any setting is known.
    choose_colors(color_of(arguments, &variables));
    let unread = |status, error| output_files::write_unread(arguments, &variables, status, error);
    let refused = |failure: Failure| {
        complain(&failure, &Origins::default());
        unread(failure.status, output_files::error_text(&failure));
        failure.status
    };
    usage::refuse_line_ends(arguments).map_err(refused)?;
    voice::guess(arguments, variables.get(&settings::variable(voice::LOG_FORMAT)));
    let mut warn = |text: String| tell(&printable(&format!("warning: {text}")));
    let cli = settings::parse(arguments, &variables, &mut warn).map_err(|why| match why {
        Refused::Typed(error) => {
            let (status, error) = usage::answer(*error, arguments, || help::documented_for(arguments));
            error.into_iter().for_each(|error| unread(status, error));
            status
        }
        Refused::Setting(failure) => refused(failure),
    })?;
    // Where no settings are read, what the arguments and the variable say stays.
    if cli.global.color != clap::ColorChoice::Auto {
        choose_colors(cli.global.color);
    }
    voice::set(cli.global.log_format, cli.global.quiet);
    run(&cli).map_err(|failure| {
        complain(&failure, &cli.global.origins);
        failure.status
    })
}

/// When to use colours, as far as that can be seen before the arguments are parsed.
fn color_of(arguments: &[OsString], variables: &Variables) -> clap::ColorChoice {
    let texts: Vec<&str> = arguments.iter().map_while(|argument| argument.to_str()).collect();
    let typed = texts.iter().enumerate().find_map(|(index, text)| match text.strip_prefix("--color") {
        Some("") => texts.get(index + 1).copied(),
        Some(value) => value.strip_prefix('='),
        None => None,
    });
    let variable = variables.get(&settings::variable("color")).and_then(|value| value.to_str());
    typed.or(variable).and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn choose_colors(choice: clap::ColorChoice) {
    match choice {
        clap::ColorChoice::Auto => anstream::ColorChoice::Auto,
        clap::ColorChoice::Always => anstream::ColorChoice::Always,
        clap::ColorChoice::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

fn run(cli: &Cli) -> Result<ExitStatus, Failure> {
    match &cli.command {
        Command::Validate(args) => validate::run(args, &cli.global),
        Command::Doctor(args) => doctor::run(args, &cli.global),
        Command::Plan(args) => plan::run(args, &cli.global),
        Command::Apply(args) => apply::run(args, &cli.global),
        Command::Export(args) => export::run(args, &cli.global),
        Command::Report(args) => report::run(args),
        Command::Resume(args) => resume::run(args, &cli.global),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(args) => sandbox::run(args).map(|()| ExitStatus::Done),
        Command::Schema(args) => schema::run(args).map(|()| ExitStatus::Done),
        Command::Template => template::run().map(|()| ExitStatus::Done).map_err(Into::into),
        Command::Config(args) => config::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
        Command::Version(args) => version::run(args),
        Command::Help(args) => help::run(args),
    }
}

/// The environment in which the commands of this program run.
pub(crate) fn environment() -> Environment {
    let print = |notice: &Notice<'_>| match notice.result() {
        Some(result) if voice::is_quiet() => tell(&result),
        Some(_) | None => voice::notify(notice.level(), &notice.text(style()), notice.has_colours()),
    };
    Environment {
        clock: Arc::new(SystemClock),
        notices: Notices::new(print),
        verbose: false,
        connect: Arc::new(|target, credential, settings| {
            Arc::new(Http::new(target, Some(credential), settings))
        }),
        listen: Arc::new(|notices| Signals::listen(notices, leave)),
    }
}

/// Ends the process at once.
#[expect(clippy::exit, reason = "for signals that do not wait until `main` returns")]
fn leave(status: ExitStatus) {
    std::process::exit(i32::from(status.code()));
}

/// How issues are shown on standard error.
pub(crate) fn style() -> Style {
    if std::io::stderr().is_terminal() && !voice::is_json() {
        Style::Snippets { colour: true }
    } else {
        Style::Lines
    }
}

/// Prints an error: its causes, where the flags that it is about were set, and the hint on a line of
/// its own. The texts may come from outside.
fn complain(failure: &Failure, origins: &Origins) {
    if voice::is_json() {
        let hint = failure.hint.as_deref().map(printable);
        let event = LogEvent::Error { exit_status: failure.status.code(), hint: hint.as_deref() };
        voice::log(Level::Error, &words(failure), event);
        return origins.notes(&failure.about).iter().for_each(|note| tell(note));
    }
    let mut text = format!("error: {}", words(failure));
    for note in origins.notes(&failure.about) {
        text.push_str("\nnote: ");
        text.push_str(&in_one_line(&note));
    }
    if let Some(hint) = &failure.hint {
        text.push_str("\nhint: ");
        text.push_str(&printable(hint));
    }
    tell(&text);
}

/// The words of an error and its causes, in one line.
fn words(failure: &Failure) -> String {
    in_one_line(&in_words(failure.error.as_ref()))
}

/// A text in one line. A carriage return that ends no line is shown: it is easily overlooked at the
/// end of a name.
fn in_one_line(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\\r");
    printable(&text).into_owned()
}

/// The error if standard output cannot be written.
pub(crate) const UNWRITTEN: &str = "cannot write to standard output";

/// Writes a text for people to standard output, with our own colours if they are wanted. A closed
/// pipe is not an error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    let written = out.write_all(for_people_in_colour(text).as_bytes()).and_then(|()| out.flush());
    unless_gone(written).context(UNWRITTEN)
}

/// Writes data to standard output ([`data_out`]). A closed pipe is not an error.
pub(crate) fn print_data(text: &str) -> anyhow::Result<()> {
    let mut out = data_out();
    unless_gone(out.write_all(text.as_bytes()).and_then(|()| out.flush())).context(UNWRITTEN)
}

/// Standard output for data, byte for byte; a terminal gets nothing that could control it.
pub(crate) fn data_out() -> DataSink<std::io::Stdout> {
    let out = std::io::stdout();
    let is_terminal = out.is_terminal();
    DataSink::new(out, is_terminal)
}

/// The result of writing to standard output; a closed pipe is not an error.
pub(crate) fn unless_gone(written: std::io::Result<()>) -> std::io::Result<()> {
    written.or_else(|error| if error.kind() == std::io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use super::*;

    use clap::CommandFactory;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        settings::bare().debug_assert();
        help::documented().debug_assert();
    }

    #[test]
    fn no_flag_takes_a_token() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_arguments().all(|argument| argument.get_long() != Some("token")));
        }
    }
}
