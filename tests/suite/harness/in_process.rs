//! Commands run in this process: [`InProcess`] makes settings of the words of a command line and calls
//! `ops` with them, as `cli` does, but on a clock that stands still until somebody waits, and with a
//! transport that asks a sandbox without a connection. What needs a process is not here: streams,
//! terminals, real signals, kills, and faults of the sandbox that take real time (`lag`, its latency).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use houston_onboard::cli::apply::ApplyArgs;
use houston_onboard::cli::output_files::OutputFileArgs;
use houston_onboard::cli::plan::{After, PlanArgs};
use houston_onboard::cli::resume::ResumeArgs;
use houston_onboard::cli::settings::{self, Environment as Variables, Refused};
use houston_onboard::cli::target_args::destination;
use houston_onboard::cli::work_args::WorkArgs;
use houston_onboard::cli::{Cli, Command as Parsed};
use houston_onboard::houston::{Http, Token};
use houston_onboard::model::in_words;
use houston_onboard::ops::apply::{Connected, Provenance, earlier_run};
use houston_onboard::ops::environment::Environment;
use houston_onboard::ops::failure::Failure;
use houston_onboard::ops::finish::{self, open_run};
use houston_onboard::ops::notices::Notices;
use houston_onboard::ops::plan::{Planned, Shown};
use houston_onboard::ops::planning::roster::Input;
use houston_onboard::ops::resume::{Found, Interrupted};
use houston_onboard::ops::saved;
use houston_onboard::ops::session::{Access, Destination, Session};
use houston_onboard::ops::signals::Signals;
use houston_onboard::ops::trust::Origin;
use houston_onboard::outcome::ExitStatus;
use houston_onboard::record::folder::RunFolder;
use houston_onboard::record::journal::RunSettings;
use houston_onboard::report::closing::{Paint, render};
use houston_onboard::report::terminal::Progress;
use houston_onboard::roster::Style;
use houston_onboard::sandbox;
use houston_onboard::time::{Clock as _, ManualClock};

use super::in_memory::{InMemory, Incoming, Way};
use super::{Elapsed, Finished, QUICK, Sandbox, Workdir};

/// A [`Workdir`] whose commands run in this process.
pub struct InProcess {
    workdir: Workdir,
    clock: ManualClock,
    /// How long an answer of a sandbox takes by that clock.
    answer: Duration,
}

impl Deref for InProcess {
    type Target = Workdir;

    fn deref(&self) -> &Workdir {
        &self.workdir
    }
}

impl InProcess {
    pub fn new() -> Self {
        let (workdir, clock) = (Workdir::in_memory(), ManualClock::default());
        Self { workdir, clock, answer: Duration::from_millis(1) }
    }

    /// An answer of a sandbox takes so long by the clock.
    #[must_use]
    pub fn answers_take(mut self, time: Duration) -> Self {
        self.answer = time;
        self
    }

    /// The same folder for the program, for what needs a process.
    pub fn program(&self) -> &Workdir {
        &self.workdir
    }

    /// A command: `plan`, `apply` or `resume`.
    pub fn call<S: AsRef<str>>(&self, words: impl IntoIterator<Item = S>) -> Command<'_> {
        let words =
            ["houston-onboard".into()].into_iter().chain(words.into_iter().map(|w| w.as_ref().into()));
        Command {
            here: self,
            words: words.collect(),
            variables: BTreeMap::new(),
            token: None,
            sandbox: None,
            signal: None,
        }
    }

    /// `apply --yes` of a file against a sandbox, as its system admin.
    pub fn applying(&self, sandbox: &Sandbox, roster: &str) -> Command<'_> {
        self.call(["apply", roster, "--yes"]).to(sandbox)
    }

    /// `apply --yes` with the patience of a test.
    pub fn apply(&self, sandbox: &Sandbox, roster: &str, more: &[&str]) -> Finished {
        self.applying(sandbox, roster).quick().args(more).run()
    }

    /// `resume --yes` of the latest run, with the patience of a test, as the system admin.
    pub fn resuming(&self, sandbox: &Sandbox) -> Command<'_> {
        self.call(["resume", "--yes"]).quick().at(sandbox)
    }

    /// The same, to its end; the reports are those of the whole run.
    pub fn resume(&self, sandbox: &Sandbox, more: &[&str]) -> Finished {
        let finished = self.resuming(sandbox).args(more).run();
        Finished { folder: self.folders().pop(), ..finished }
    }

    /// A relative path is one of the folder.
    fn locate(&self, path: &mut PathBuf) {
        *path = self.path().join(&*path);
    }
}

/// A command that is being put together.
pub struct Command<'h> {
    here: &'h InProcess,
    words: Vec<OsString>,
    variables: BTreeMap<OsString, OsString>,
    token: Option<String>,
    sandbox: Option<Arc<sandbox::Sandbox>>,
    signal: Option<Incoming>,
}

impl Command<'_> {
    #[must_use]
    pub fn args(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(OsString::from));
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// With the patience of a test.
    #[must_use]
    pub fn quick(self) -> Self {
        QUICK.iter().fold(self, |call, (name, value)| call.env(name, value))
    }

    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// This sandbox is asked, as its system admin, without a connection.
    #[must_use]
    pub fn at(mut self, sandbox: &Sandbox) -> Self {
        self.sandbox = Some(Arc::clone(&sandbox.0));
        self.token(sandbox.token())
    }

    /// The same, and the command line names it.
    #[must_use]
    pub fn to(self, sandbox: &Sandbox) -> Self {
        self.at(sandbox).args(&["--url", sandbox.url()])
    }

    /// A signal comes with the first request for which this is true: `INT`, `TERM`.
    #[must_use]
    pub fn signal_when(
        mut self,
        name: &str,
        is_time: impl Fn(&sandbox::Sandbox) -> bool + Send + Sync + 'static,
    ) -> Self {
        let signal = if name == "INT" { 2 } else { 15 };
        self.signal = Some(Incoming { signal, is_time: Arc::new(is_time) });
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Finished {
        let (before, began) = (self.here.folders(), Instant::now());
        let mut job = Job::new(self);
        let status = job.run();
        // What the folder holds is named as by somebody who is in it.
        let folder = format!("{}/", job.here.path().display());
        let told = |text: &str| text.replace(&folder, "");
        let new = job.here.folders().into_iter().find(|folder| !before.contains(folder));
        Finished {
            status: Some(i32::from(status.code())),
            stdout: told(&job.shown),
            stderr: told(&job.said.lock().unwrap()),
            folder: new,
            elapsed: Elapsed(began.elapsed()),
            peak_mib: None,
        }
        .in_words()
    }
}

/// A command that is carried out.
struct Job<'h> {
    here: &'h InProcess,
    words: Vec<OsString>,
    variables: Variables,
    token: Option<String>,
    environment: Environment,
    /// What it says to people beside its result.
    said: Arc<Mutex<String>>,
    /// Its result, as text.
    shown: String,
}

impl<'h> Job<'h> {
    fn new(command: Command<'h>) -> Self {
        let Command { here, words, variables, token, sandbox, signal } = command;
        let said = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&said);
        let notices = Notices::new(move |notice| say(&heard, &notice.text(Style::Lines)));
        let signals = Signals::default();
        let way = Way {
            clock: here.clock.clone(),
            answer: here.answer,
            signals: signals.clone(),
            notices: notices.clone(),
            incoming: signal,
        };
        let authorization = token.clone();
        let environment = Environment {
            verbose: false,
            clock: Arc::new(here.clock.clone()),
            notices,
            connect: Arc::new(move |target, credential, settings| match (&sandbox, &authorization) {
                (Some(sandbox), Some(token)) if target.url().as_str() == sandbox.url() => {
                    Arc::new(InMemory::new(sandbox, token, settings.timeout, way.clone()))
                }
                // Another Houston than the sandbox: one of the test's own making.
                _ => Arc::new(Http::new(target, Some(credential), settings)),
            }),
            listen: Arc::new(move |_| Ok(signals.clone())),
        };
        let variables = Variables::new(variables);
        Self { here, words, variables, token, environment, said, shown: String::new() }
    }

    fn run(&mut self) -> ExitStatus {
        let said = Arc::clone(&self.said);
        let mut warn = |text: String| say(&said, &format!("warning: {text}"));
        let ended = match settings::parse(&self.words, &self.variables, &mut warn) {
            Ok(cli) => self.carry_out(cli),
            Err(Refused::Setting(failure)) => Err(failure),
            Err(Refused::Typed(error)) => Err(Failure::new(ExitStatus::Usage, *error)),
        };
        ended.unwrap_or_else(|failure| {
            say(&said, &format!("error: {}", in_words(failure.error.as_ref())));
            failure.hint.iter().for_each(|hint| say(&said, &format!("hint: {hint}")));
            failure.status
        })
    }

    fn carry_out(&mut self, cli: Cli) -> Result<ExitStatus, Failure> {
        match cli.command {
            Parsed::Plan(args) => self.plan(*args),
            Parsed::Apply(args) => self.apply(*args),
            Parsed::Resume(args) => self.resume(*args),
            Parsed::Validate(_)
            | Parsed::Doctor(_)
            | Parsed::Export(_)
            | Parsed::Report(_)
            | Parsed::Sandbox(_)
            | Parsed::Template
            | Parsed::Config(_)
            | Parsed::Completions(_)
            | Parsed::Man(_)
            | Parsed::Schema(_)
            | Parsed::Version(_)
            | Parsed::Help(_) => panic!("only plan, apply and resume run in process"),
        }
    }

    /// The paths of a roster and of what it is read with.
    fn locate(&self, work: &mut WorkArgs) {
        let maps = [&mut work.roster_args.workspace_map, &mut work.roster_args.role_map];
        maps.into_iter().chain([&mut work.roster]).flatten().for_each(|path| self.here.locate(path));
    }

    /// As the caller whose token the test gave.
    fn with_token(&self, destination: Destination) -> Result<Destination, Failure> {
        destination.with_token_of(|| self.token.as_deref().map(|token| Token::new(token, "the test")))
    }

    /// Hears how a run goes.
    fn reporter(&self) -> Progress {
        let clock = self.here.clock.clone();
        Progress::plain(Box::new(Lines(Arc::clone(&self.said))), move || clock.now())
    }

    fn plan(&mut self, mut args: PlanArgs) -> Result<ExitStatus, Failure> {
        self.locate(&mut args.work);
        args.out.iter_mut().for_each(|path| self.here.locate(path));
        let destination = destination(&args.work.target, &args.work.pace)?.in_shard(args.work.shard);
        let input = Input::read(args.work.source()?, &self.environment.notices)?;
        let destination = self.with_token(destination)?;
        let after = After {
            detailed_exitcode: args.detailed_exitcode,
            save_as: args.out.as_deref(),
            ..After::default()
        };
        self.show(input, destination, &args.work.safety.settings(), &args.shown(), &after)
    }

    fn show(
        &mut self,
        input: Input,
        destination: Destination,
        settings: &RunSettings,
        shown: &Shown<'_>,
        after: &After<'_>,
    ) -> Result<ExitStatus, Failure> {
        let session = Session::open(destination, Access::ReadOnly, &self.environment)?;
        let draft = after.save_as.map(saved::begin).transpose()?;
        let input = input.resolve(&session)?;
        let planned = Planned::prepare(input, settings, &session, &mut self.reporter())?;
        self.shown = planned.render(shown, None)?;
        if let Some(draft) = draft {
            planned.save(draft)?;
        }
        planned.status(shown, after.detailed_exitcode)
    }

    fn apply(&mut self, mut args: ApplyArgs) -> Result<ExitStatus, Failure> {
        self.locate(&mut args.work);
        args.saved.flags.plan.iter_mut().chain([&mut args.runs_dir]).for_each(|path| self.here.locate(path));
        let saved = args.open_plan()?;
        let settings = args.settings(saved.as_ref());
        let destination = args.destination(saved.as_ref())?;
        let input = match &saved {
            Some(saved) => saved.input(&self.environment.notices)?,
            None => Input::read(args.work.source()?, &self.environment.notices)?,
        };
        let destination = self.with_token(destination)?;
        if let Some(saved) = &saved {
            saved.check_target(destination.url().as_deref())?;
            if !args.dry_run
                && let Some(run) = earlier_run(saved, &args.runs_dir)?
            {
                return self.resume_run(&resume_of(&args, &run), run);
            }
        }
        if args.dry_run {
            return self.show(input, destination, &settings, &args.show.shown(), &After::default());
        }
        assert!(args.yes, "nobody is asked in process");
        let provenance = Provenance {
            saved_plan: saved.map(|saved| saved.digest().to_owned()),
            approved_by: args.approved_by.clone(),
            key: args.audit.open(&self.environment.notices)?,
        };
        let run = Connected::open(input, destination, &args.runs_dir, &self.environment)?;
        let run = run.prepare(settings, provenance, &mut self.reporter())?;
        let finished = run.carry_out(self.reporter())?;
        Ok(self.conclude(&finished))
    }

    fn resume(&mut self, mut args: ResumeArgs) -> Result<ExitStatus, Failure> {
        assert!(args.yes, "nobody is asked in process");
        self.here.locate(&mut args.runs_dir);
        if args.run.contains('/') {
            args.run = self.here.path().join(&args.run).display().to_string();
        }
        let folder = open_run(&args.runs_dir, &args.run)?;
        self.resume_run(&args, folder)
    }

    fn resume_run(&mut self, args: &ResumeArgs, folder: RunFolder) -> Result<ExitStatus, Failure> {
        let run = match Interrupted::read(folder, Origin::Own)? {
            Found::Left(run) => run,
            Found::Complete(run) => return run.write_reports().map(|_| run.status),
        };
        let destination = self.with_token(args.destination(&run)?)?;
        run.check_target(&destination)?;
        let key = args.audit.open(&self.environment.notices)?;
        let run = match run.take(&self.environment, key)? {
            Found::Left(run) => run,
            Found::Complete(run) => return run.write_reports().map(|_| run.status),
        };
        let limits = args.limits.settings();
        let run = run.prepare(destination, &limits, &self.environment, &mut self.reporter())?;
        let finished = run.approved_by(args.approved_by.clone()).carry_out(self.reporter())?;
        Ok(self.conclude(&finished))
    }

    fn conclude(&mut self, finished: &finish::Finished) -> ExitStatus {
        self.shown = render(&finished.summary, Paint::Plain);
        finished.status
    }
}

/// How `apply --plan` continues the run of a plan.
fn resume_of(args: &ApplyArgs, run: &RunFolder) -> ResumeArgs {
    ResumeArgs {
        run: run.path().display().to_string(),
        target: args.work.target.clone(),
        pace: args.work.pace,
        limits: args.work.safety.prune.limits.clone(),
        yes: args.yes,
        trust_folder: false,
        approved_by: args.approved_by.clone(),
        audit: args.audit.clone(),
        runs_dir: args.runs_dir.clone(),
        files: OutputFileArgs::default(),
    }
}

/// Where a run tells how it goes.
struct Lines(Arc<Mutex<String>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push_str(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn say(said: &Mutex<String>, text: &str) {
    let mut said = said.lock().unwrap();
    said.push_str(text);
    said.push('\n');
}
