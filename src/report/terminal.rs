//! The progress of a run, for people: bars on a terminal, a line now and then elsewhere.
//!
//! Main type: [`Progress`]. It writes to standard error or to what it is given, never waits, and
//! never fails: a closed terminal does not end a run. The texts are worded in `figures`; the final
//! summary of a run is in [`super::closing`].

mod figures;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use self::figures::{Figures, Meter, Phase};
use super::log::{Level, LogEvent, LogLine};
use super::plan::summed_up;
use super::results::RESULTS;
use super::{Reporter, spoken};
use crate::event::{Event, Pause, StopReason};
use crate::model::{ItemId, printable};
use crate::outcome::{Cause, Outcome, StatusKind, Tally};
use crate::plan::guard::GuardVerdict;
use crate::plan::{self, Counts};

/// The least time between two drawings of a bar.
const REDRAW: Duration = Duration::from_millis(100);
/// The most time between two plain lines.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// The least time between two plain lines about one phase: a short one has a single line, at its end.
const LEAST: Duration = Duration::from_secs(2);
/// The width of a terminal that does not say how wide it is.
const WIDTH: usize = 80;
/// How many failures get a line during a run.
const FAILURES: u32 = 5;

/// How a run is shown while it runs: `--progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ProgressMode {
    /// Bars on a terminal, lines elsewhere.
    #[default]
    Auto,
    /// Bars; lines where no bar can be drawn, since standard error is not a terminal.
    Bar,
    /// A line every 30 seconds or 10 per cent, whichever comes first.
    Plain,
    /// Nothing.
    None,
}

/// Shows a run in progress.
pub struct Progress {
    now: Box<dyn Fn() -> Instant>,
    position: Box<dyn Fn(ItemId) -> String>,
    surface: Surface,
    going: Option<Going>,
    /// The phase that begins next.
    next: plan::Phase,
    /// What earlier phases came to.
    before: Tally,
    /// Since when reports are being written.
    reporting_since: Option<Instant>,
    failures_left: u32,
    verbose: bool,
}

/// The current phase.
struct Going {
    phase: Phase,
    since: Instant,
    done: u64,
    total: u64,
    tally: Tally,
    base: Tally,
    /// What earlier processes of the run had changed when the phase began.
    earlier: Tally,
    pause: Option<Pause>,
    meter: Meter,
    /// Whether it ends early, so that what is left is not done.
    is_stopping: bool,
}

enum Surface {
    Silent,
    /// Lines of text, or of JSON.
    Plain(Plain),
    Bars(Bars),
}

struct Plain {
    out: Box<dyn Write + Send>,
    form: Form,
    /// When the last line about the phase was written, or the phase began.
    last: Option<Instant>,
    /// How many tenths of the phase have been reported.
    tenths: u64,
}

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Json,
}

struct Bars {
    all: MultiProgress,
    /// The same terminal, for lines that stay.
    out: Box<dyn Write + Send>,
    /// How wide the terminal is now.
    width: Box<dyn Fn() -> usize>,
    /// The bar of the current phase.
    bar: Option<Bar>,
}

struct Bar {
    drawn: ProgressBar,
    /// Its lines, which are read when the bar is drawn.
    lines: Arc<Mutex<String>>,
    /// When it was last drawn.
    last: Option<Instant>,
}

impl Progress {
    /// Shows a run on standard error; `screen` is where bars are drawn, if they are. `now` reads the time.
    pub fn on_stderr(
        mode: ProgressMode,
        screen: &MultiProgress,
        now: impl Fn() -> Instant + 'static,
    ) -> Self {
        let lines = || Box::new(io::stderr());
        match mode {
            ProgressMode::None => Self::silent(),
            ProgressMode::Plain => Self::plain(lines(), now),
            ProgressMode::Auto | ProgressMode::Bar => {
                let target = ProgressDrawTarget::stderr_with_hz(20);
                if io::stderr().is_terminal() && !target.is_hidden() {
                    screen.set_draw_target(target);
                    Self::bars(screen.clone(), lines(), terminal_width, now)
                } else {
                    Self::plain(lines(), now)
                }
            }
        }
    }

    /// Shows nothing.
    pub fn silent() -> Self {
        Self::new(Surface::Silent, Instant::now)
    }

    /// Writes lines without control characters to `out`.
    pub fn plain(out: Box<dyn Write + Send>, now: impl Fn() -> Instant + 'static) -> Self {
        Self::new(Surface::Plain(Plain { out, form: Form::Text, last: None, tenths: 0 }), now)
    }

    /// Writes a JSON object per line to `out`.
    pub fn json(out: Box<dyn Write + Send>, now: impl Fn() -> Instant + 'static) -> Self {
        Self::new(Surface::Plain(Plain { out, form: Form::Json, last: None, tenths: 0 }), now)
    }

    /// Draws bars on a screen of this width, ten times a second at most; lines go to `out`, above them.
    pub fn bars(
        all: MultiProgress,
        out: Box<dyn Write + Send>,
        width: impl Fn() -> usize + 'static,
        now: impl Fn() -> Instant + 'static,
    ) -> Self {
        Self::new(Surface::Bars(Bars { all, out, width: Box::new(width), bar: None }), now)
    }

    fn new(surface: Surface, now: impl Fn() -> Instant + 'static) -> Self {
        Self {
            now: Box::new(now),
            position: Box::new(|row| format!("row {row}")),
            surface,
            going: None,
            next: plan::Phase::Members,
            before: Tally::default(),
            reporting_since: None,
            failures_left: FAILURES,
            verbose: false,
        }
    }

    /// Names rows in messages: `team.csv:17` instead of `row 16`.
    #[must_use]
    pub fn with_positions(mut self, position: impl Fn(ItemId) -> String + 'static) -> Self {
        self.position = Box::new(position);
        self
    }

    /// Every row and every doubt gets a line, not only the first failures.
    #[must_use]
    pub fn verbose(mut self) -> Self {
        self.verbose = true;
        self
    }

    /// Writes a line about something, above the bar if one is shown.
    fn say(&mut self, level: Level, text: &str, event: LogEvent<'_>) {
        let text = printable(text);
        match &mut self.surface {
            Surface::Silent => {}
            Surface::Plain(plain) => plain.write(level, &text, event),
            // Nothing can be done about a terminal that is gone.
            Surface::Bars(Bars { all, out, .. }) => all.suspend(|| drop(writeln!(out, "{text}"))),
        }
    }

    fn begin(&mut self, phase: Phase, total: u64, tally: Tally) {
        self.end(None);
        let since = (self.now)();
        let base = match phase {
            // What needs no mutation counts with the members.
            Phase::Reading | Phase::Sending(plan::Phase::Members) => Tally::default(),
            Phase::Sending(plan::Phase::Deployments | plan::Phase::Removals) => self.before,
        };
        let total = total.saturating_sub(base.operations);
        let meter = Meter::new(since, tally.requests, work_done(phase, &tally, &base));
        let done = work_done(phase, &tally, &base);
        let (earlier, is_stopping) = (tally, false);
        self.going =
            Some(Going { phase, since, done, total, tally, base, earlier, pause: None, meter, is_stopping });
        match &mut self.surface {
            Surface::Silent => {}
            Surface::Plain(plain) => (plain.last, plain.tenths) = (Some(since), 0),
            Surface::Bars(bars) => bars.begin(total),
        }
        if total > 0 {
            self.show();
        }
    }

    /// The phase is over, with these totals if there are new ones.
    fn end(&mut self, tally: Option<Tally>) {
        let Some(mut going) = self.going.take() else { return };
        if let Some(tally) = tally {
            going.take(tally);
        }
        match going.phase {
            Phase::Reading => {}
            Phase::Sending(_) => self.before = going.tally,
        }
        let figures = going.figures((self.now)());
        if let Surface::Bars(bars) = &mut self.surface {
            bars.clear();
        }
        let (phase, elapsed_ms) = (figures.phase.word(), milliseconds(figures.elapsed));
        let Figures { done, total, .. } = figures;
        if figures.is_empty() {
            return;
        }
        let event = LogEvent::PhaseFinished { phase, done, total, elapsed_ms };
        self.say(Level::Info, &figures.end(), event);
    }

    fn update(&mut self, tally: Tally) {
        if let Some(going) = &mut self.going {
            going.take(tally);
        }
        self.show();
    }

    fn show(&mut self) {
        let Some(going) = &mut self.going else { return };
        let now = (self.now)();
        going.meter.note(now, going.tally.requests, going.done);
        let figures = going.figures(now);
        match &mut self.surface {
            Surface::Silent => {}
            Surface::Plain(plain) => plain.show(&figures, now),
            Surface::Bars(bars) => bars.show(&figures, now),
        }
    }

    fn concluded(&mut self, item: ItemId, outcome: &Outcome) {
        let is_bad = match outcome.status.kind() {
            StatusKind::Changed | StatusKind::AsItWas | StatusKind::NotTried => false,
            StatusKind::Failed | StatusKind::Unresolved => true,
        };
        // A log has room for all failures.
        let is_shown = is_bad && (self.failures_left > 0 || self.is_log());
        if !is_shown && !self.verbose {
            return;
        }
        let cause = outcome.cause.as_ref();
        let why = cause.map_or_else(String::new, |cause| format!(": {}", reason(cause)));
        let position = (self.position)(item);
        let text = format!("{position}: {}{why}", outcome.status);
        let event = LogEvent::Row {
            position: &printable(&position),
            status: outcome.status,
            code: cause.map(|cause| cause.code.word()),
            detail: cause.map(|cause| &*cause.text),
            attempts: outcome.attempts,
            elapsed_ms: milliseconds(outcome.elapsed),
        };
        self.say(if is_bad { Level::Warning } else { Level::Info }, &text, event);
        self.failures_left = self.failures_left.saturating_sub(u32::from(is_bad));
        if is_bad && self.failures_left == 0 && !self.verbose && !self.is_log() {
            let text = format!("further failures are not shown; {RESULTS} will list them all");
            self.say(Level::Warning, &text, LogEvent::Message);
        }
    }

    fn is_log(&self) -> bool {
        matches!(&self.surface, Surface::Plain(Plain { form: Form::Json, .. }))
    }

    fn planned(&mut self, counts: Counts, changes: u64, guard: GuardVerdict) {
        let text = format!("planned: {}", summed_up(counts));
        self.say(Level::Info, &text, LogEvent::Planned { counts, changes, guard });
    }

    fn reported(&mut self, folder: &Path) {
        let took = self.reporting_since.take().map_or(Duration::ZERO, |since| (self.now)() - since);
        let folder = folder.display().to_string();
        let text = format!("reports: written to {folder}, took {}", spoken(took));
        let event = LogEvent::ReportsWritten { folder: &folder, elapsed_ms: milliseconds(took) };
        self.say(Level::Info, &text, event);
    }

    fn stopping(&mut self, why: StopReason, cause: Option<&Cause>, in_flight: usize) {
        if let Some(going) = &mut self.going {
            going.is_stopping = true;
        }
        let more = cause.map_or_else(String::new, |cause| format!(": {}", reason(cause)));
        let awaited = match in_flight {
            0 => String::new(),
            1 => "; waiting for 1 answer".to_owned(),
            many => format!("; waiting for {many} answers"),
        };
        let hurry = match why {
            StopReason::Interrupted | StopReason::Terminated if in_flight > 0 => {
                ", a second signal ends the run immediately"
            }
            StopReason::Interrupted
            | StopReason::Terminated
            | StopReason::MaxDuration
            | StopReason::MaxErrors
            | StopReason::MaxWait
            | StopReason::Away
            | StopReason::JournalLost
            | StopReason::TargetUnusable
            | StopReason::TokenDead => "",
        };
        let text = format!("stopping: {why}{more}{awaited}{hurry}");
        self.say(Level::Warning, &text, LogEvent::Stopping { reason: why, in_flight });
    }
}

impl Reporter for Progress {
    fn event(&mut self, event: &Event<'_>) {
        match *event {
            Event::ReadingStarted { workspaces } => self.begin(Phase::Reading, workspaces, Tally::default()),
            Event::WorkspaceRead { done, workspaces } => {
                if let Some(going) = &mut self.going {
                    (going.done, going.total) = (done, workspaces);
                }
                self.show();
            }
            Event::ReadingFinished => self.end(None),
            Event::Planned { counts, changes, guard } => self.planned(counts, changes, guard),
            Event::PhaseBegins(phase) => self.next = phase,
            Event::Started { tally } => self.begin(Phase::Sending(self.next), tally.operations, tally),
            Event::Acknowledged { tally, .. } => self.update(tally),
            Event::Doubtful { item, cause, tally } => {
                self.update(tally);
                if self.verbose {
                    let position = (self.position)(item);
                    let text = format!("{position}: will be verified: {}", reason(cause));
                    let (position, code) = (printable(&position), cause.code.word());
                    self.say(Level::Info, &text, LogEvent::Doubtful { position: &position, code });
                }
            }
            Event::Concluded { item, outcome, tally } => {
                self.update(tally);
                self.concluded(item, outcome);
            }
            Event::WorkspaceClosed { workspace, cause, rows } => {
                let why = reason(cause);
                let rows =
                    if rows == 1 { "remaining row".to_owned() } else { format!("{rows} remaining rows") };
                let text = format!("no access to workspace {workspace}: {why}; skipping its {rows}");
                self.say(Level::Warning, &text, LogEvent::Message);
            }
            Event::Tick { tally, pause } => {
                if let Some(going) = &mut self.going {
                    going.pause = pause;
                }
                self.update(tally);
            }
            Event::TokenReplaced { file } => {
                let file = file.display();
                let text = format!("Houston no longer accepts the token; using the new one from {file}");
                self.say(Level::Info, &text, LogEvent::Message);
            }
            Event::Stopping { reason, cause, in_flight } => self.stopping(reason, cause, in_flight),
            Event::Finished { tally } => self.end(Some(tally)),
            Event::Recorded { .. } => {}
            Event::ReportsBegin => self.reporting_since = Some((self.now)()),
            Event::ReportsWritten { folder } => self.reported(folder),
        }
    }
}

impl Going {
    fn take(&mut self, tally: Tally) {
        match self.phase {
            Phase::Reading => {}
            Phase::Sending(_) => self.done = work_done(self.phase, &tally, &self.base),
        }
        self.tally = tally;
    }

    fn figures(&self, now: Instant) -> Figures {
        // What a read of the workspaces takes is not announced.
        let counts_requests = matches!(self.phase, Phase::Sending(_));
        Figures {
            phase: self.phase,
            done: self.done,
            total: self.total,
            tally: self.tally,
            base: self.base,
            earlier: self.earlier,
            pause: self.pause,
            elapsed: now.saturating_duration_since(self.since),
            rate: self.meter.rate().filter(|_| counts_requests),
            left: self.meter.left(self.total.saturating_sub(self.done)).filter(|_| !self.is_stopping),
        }
    }
}

/// Operations of a phase that need no more sending: a workspace is read back only at the end of its life, and
/// until then a bar of settled ones alone would stand still.
fn work_done(phase: Phase, tally: &Tally, base: &Tally) -> u64 {
    let done = |tally: &Tally| tally.concluded.saturating_add(tally.unproven).min(tally.operations);
    match phase {
        Phase::Reading => 0,
        Phase::Sending(_) => done(tally).saturating_sub(base.operations),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// How wide the terminal of standard error is now.
fn terminal_width() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stderr());
    size.ok().map(|size| usize::from(size.ws_col)).filter(|&width| width > 0).unwrap_or(WIDTH)
}

fn reason(cause: &Cause) -> String {
    match (&*cause.text, cause.code.word()) {
        ("", code) => code.to_owned(),
        (text, code) => format!("{text} ({code})"),
    }
}

impl Plain {
    fn show(&mut self, figures: &Figures, now: Instant) {
        let tenths = figures.percent() / 10;
        let since = self.last.map_or(Duration::MAX, |last| now.saturating_duration_since(last));
        let is_due = since >= HEARTBEAT || (since >= LEAST && tenths > self.tenths && tenths < 10);
        if is_due {
            self.last = Some(now);
            self.tenths = self.tenths.max(tenths);
            let Figures { done, total, left, .. } = *figures;
            let event = LogEvent::Progress {
                phase: figures.phase.word(),
                done,
                total,
                requests: figures.tally.requests,
                seconds_left: left.map(|left| left.as_secs()),
            };
            self.write(Level::Info, &figures.heartbeat(), event);
        }
    }

    fn write(&mut self, level: Level, line: &str, event: LogEvent<'_>) {
        match self.form {
            // Nothing can be done about a reader that is gone.
            Form::Text => drop(writeln!(self.out, "{line}").and_then(|()| self.out.flush())),
            Form::Json => LogLine::new(level, line, event).write(&mut self.out),
        }
    }
}

impl Bars {
    fn begin(&mut self, total: u64) {
        let lines = Arc::new(Mutex::new(String::new()));
        let read = Arc::clone(&lines);
        let style = ProgressStyle::with_template("{lines}").expect("the template is well formed").with_key(
            "lines",
            move |_: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
                // What cannot be drawn is drawn the next time.
                out.write_str(&read.lock().unwrap_or_else(PoisonError::into_inner)).unwrap_or(());
            },
        );
        let bar = ProgressBar::new(total).with_style(style).with_finish(ProgressFinish::AndClear);
        self.bar = Some(Bar { drawn: self.all.add(bar), lines, last: None });
    }

    fn show(&mut self, figures: &Figures, now: Instant) {
        let Some(bar) = &mut self.bar else { return };
        if bar.last.is_some_and(|last| now.saturating_duration_since(last) < REDRAW) {
            return;
        }
        bar.last = Some(now);
        // The last column stays free: some terminals begin a new line when it is written to.
        let [head, counts] = figures.bar((self.width)().saturating_sub(1).max(1));
        let counts = if counts.is_empty() { String::new() } else { format!("\n{counts}") };
        *bar.lines.lock().unwrap_or_else(PoisonError::into_inner) = head + &counts;
        bar.drawn.tick();
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.drawn.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WorkspaceId;
    use crate::outcome::{Code, Status};
    use crate::plan::Workspace;
    use crate::report::fixture::HOSTILE;
    use clap::ValueEnum;
    use std::cell::Cell;
    use std::rc::Rc;

    /// Keeps what is written to it; also a terminal of 100 columns that counts drawings.
    #[derive(Debug, Clone, Default)]
    struct Paper(Arc<Mutex<(String, usize)>>);

    impl Paper {
        fn text(&self) -> String {
            self.0.lock().expect("not poisoned").0.clone()
        }

        fn drawings(&self) -> usize {
            self.0.lock().expect("not poisoned").1
        }

        fn add(&self, text: &str) {
            self.0.lock().expect("not poisoned").0.push_str(text);
        }
    }

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.add(std::str::from_utf8(bytes).expect("text"));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl indicatif::TermLike for Paper {
        fn width(&self) -> u16 {
            100
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.add(text);
            self.add("\n");
            Ok(())
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.add(text);
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            self.0.lock().expect("not poisoned").1 += 1;
            Ok(())
        }
    }

    /// A clock that stands still until it is moved.
    #[derive(Clone)]
    struct Hands(Rc<Cell<Instant>>);

    impl Hands {
        fn new() -> Self {
            Self(Rc::new(Cell::new(Instant::now())))
        }

        fn now(&self) -> Instant {
            self.0.get()
        }

        fn advance(&self, time: Duration) {
            self.0.set(self.now() + time);
        }
    }

    fn plain() -> (Progress, Paper, Hands) {
        let (paper, clock) = (Paper::default(), Hands::new());
        let now = clock.clone();
        (Progress::plain(Box::new(paper.clone()), move || now.now()), paper, clock)
    }

    fn bars() -> (Progress, Paper, Hands) {
        let (paper, clock) = (Paper::default(), Hands::new());
        let now = clock.clone();
        let target = ProgressDrawTarget::term_like(Box::new(paper.clone()));
        let screen = MultiProgress::with_draw_target(target);
        (Progress::bars(screen, Box::new(paper.clone()), || 100, move || now.now()), paper, clock)
    }

    fn start(operations: u64) -> Tally {
        let mut tally = Tally::default();
        tally.operations = operations;
        tally.count(Status::Unchanged);
        tally
    }

    fn conclude(tally: &mut Tally, status: Status) -> Outcome {
        tally.count(status);
        tally.concluded += 1;
        tally.requests += 2;
        let cause = (status == Status::Rejected).then(|| Cause::new(Code::BadEmail, HOSTILE));
        Outcome { status, cause, attempts: 1, elapsed: Duration::ZERO }
    }

    /// A run with some of everything: `operations` rows, one every `pace`, every tenth of them bad.
    fn run(progress: &mut Progress, clock: &Hands, operations: u64, pace: Duration) {
        progress.event(&Event::ReadingStarted { workspaces: 2 });
        for done in 1..=2 {
            clock.advance(Duration::from_millis(400));
            progress.event(&Event::WorkspaceRead { done, workspaces: 2 });
        }
        progress.event(&Event::ReadingFinished);
        let mut tally = start(operations);
        progress.event(&Event::Started { tally });
        for index in 0..operations {
            clock.advance(pace);
            let status = if index % 10 == 9 { Status::Rejected } else { Status::Added };
            let outcome = conclude(&mut tally, status);
            let item = ItemId::from_index(usize::try_from(index).expect("few"));
            progress.event(&Event::Concluded { item, outcome: &outcome, tally });
            progress.event(&Event::Tick { tally, pause: None });
        }
        progress.event(&Event::Finished { tally });
    }

    #[test]
    fn plain_lines_come_at_every_tenth() {
        let (progress, paper, clock) = plain();
        let mut progress = progress.with_positions(|row| format!("team.csv:{}", row.get() + 1));
        run(&mut progress, &clock, 20, Duration::from_millis(500));
        insta::assert_snapshot!(paper.text(), @r"
        reading workspaces: 2/2 (100 %), took 0.8s
        members: 4/20 (20 %), added 4, unchanged 1, 4.0 requests/s, about 8s left
        members: 8/20 (40 %), added 8, unchanged 1, 4.0 requests/s, about 6s left
        team.csv:11: rejected: ␛[31mred␛]0;pwned␇ next�line (bad_email)
        members: 12/20 (60 %), added 11, unchanged 1, failed 1, 4.0 requests/s, about 4s left
        members: 16/20 (80 %), added 15, unchanged 1, failed 1, 4.0 requests/s, about 2s left
        team.csv:21: rejected: ␛[31mred␛]0;pwned␇ next�line (bad_email)
        members: 20/20 (100 %), added 18, unchanged 1, failed 2, took 10s
        ");
    }

    #[test]
    fn a_rate_is_measured_only_where_requests_are_counted_and_an_end_is_not_promised_to_one_that_stops() {
        let (mut progress, paper, clock) = plain();
        progress.event(&Event::ReadingStarted { workspaces: 0 });
        progress.event(&Event::ReadingFinished);
        progress.event(&Event::ReadingStarted { workspaces: 90 });
        for done in 1..=40 {
            clock.advance(Duration::from_secs(1));
            progress.event(&Event::WorkspaceRead { done, workspaces: 90 });
        }
        progress.event(&Event::ReadingFinished);
        let mut tally = start(100);
        progress.event(&Event::Started { tally });
        progress.event(&Event::Stopping { reason: StopReason::Interrupted, cause: None, in_flight: 1 });
        for _ in 0..31 {
            clock.advance(Duration::from_secs(1));
            tally.concluded += 1;
            tally.requests += 5;
            progress.event(&Event::Tick { tally, pause: None });
        }
        let text = paper.text();
        let reading: Vec<&str> = text.lines().filter(|line| line.starts_with("reading")).collect();
        assert!(reading.len() > 2 && reading.iter().all(|line| !line.contains("requests/s")), "{text}");
        assert!(!text.contains("0/0"), "{text}");
        let sending = text.lines().last().unwrap();
        assert!(sending.contains("5.0 requests/s") && !sending.contains("left"), "{text}");
    }

    #[test]
    fn plain_lines_come_every_thirty_seconds_of_a_slow_run() {
        let (mut progress, paper, clock) = plain();
        let mut tally = start(1000);
        progress.event(&Event::Started { tally });
        for second in 0..65_u64 {
            clock.advance(Duration::from_secs(1));
            tally.concluded += 1;
            tally.requests += 2;
            let pause = (second > 50).then(|| Pause::Asked(Duration::from_secs(90 - second)));
            progress.event(&Event::Tick { tally, pause });
        }
        progress.event(&Event::Finished { tally });
        insta::assert_snapshot!(paper.text(), @r"
        members: 30/1000 (3 %), unchanged 1, 2.0 requests/s, about 16m 10s left
        members: 60/1000 (6 %), unchanged 1, waiting 31s at Houston's request
        members: 65/1000 (6 %), unchanged 1, took 1m 05s
        ");
    }

    #[test]
    fn plain_lines_have_no_control_characters() {
        let (mut progress, paper, clock) = plain();
        run(&mut progress, &clock, 100, Duration::from_millis(50));
        talk(&mut progress);
        assert!(!paper.text().chars().any(|c| c.is_control() && c != '\n'), "{}", paper.text());
    }

    fn talk(progress: &mut Progress) {
        let cause = Cause::new(Code::WorkspaceDenied, HOSTILE);
        let workspace =
            Workspace { id: WorkspaceId::new("ck1").expect("valid"), label: Some(HOSTILE.to_owned()) };
        progress.event(&Event::WorkspaceClosed { workspace: &workspace, cause: &cause, rows: 7 });
        let stop = |reason, in_flight| Event::Stopping { reason, cause: Some(&cause), in_flight };
        progress.event(&stop(StopReason::TokenDead, 0));
        progress.event(&stop(StopReason::Interrupted, 8));
        let tally = Tally::default();
        progress.event(&Event::Doubtful { item: ItemId::from_index(0), cause: &cause, tally });
    }

    #[test]
    fn a_log_has_an_object_per_line_and_every_failure() {
        let (paper, clock) = (Paper::default(), Hands::new());
        let now = clock.clone();
        let mut progress = Progress::json(Box::new(paper.clone()), move || now.now());
        run(&mut progress, &clock, 100, Duration::from_millis(500));
        talk(&mut progress);
        let lines: Vec<serde_json::Value> =
            paper.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let count = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
        assert_eq!(
            [count("phase_finished"), count("row"), count("stopping"), count("message")],
            [2, 10, 2, 1]
        );
        assert!(count("progress") >= 9 && lines.iter().all(|line| line["schema_version"] == 1));
    }

    #[test]
    fn what_matters_is_said_at_once() {
        let (mut progress, paper, _) = plain();
        talk(&mut progress);
        insta::assert_snapshot!(paper.text(), @r"
        no access to workspace ␛[31mred␛]0;pwned␇ next�line (ck1): ␛[31mred␛]0;pwned␇ next�line (workspace_denied); skipping its 7 remaining rows
        stopping: the token is no longer valid: ␛[31mred␛]0;pwned␇ next�line (workspace_denied)
        stopping: interrupted: ␛[31mred␛]0;pwned␇ next�line (workspace_denied); waiting for 8 answers, a second signal ends the run immediately
        ");
        let (progress, paper, _) = plain();
        talk(&mut progress.verbose());
        assert!(paper.text().contains("row 1: will be verified: "), "{}", paper.text());
    }

    #[test]
    fn only_the_first_failures_get_a_line_unless_asked_for() {
        let (mut progress, paper, clock) = plain();
        run(&mut progress, &clock, 100, Duration::ZERO);
        assert_eq!(paper.text().matches(": rejected: ").count(), 5);
        assert_eq!(paper.text().matches("further failures are not shown").count(), 1);
        let (progress, paper, clock) = plain();
        run(&mut progress.verbose(), &clock, 100, Duration::ZERO);
        assert_eq!(paper.text().matches(": rejected: ").count(), 10);
        assert_eq!(paper.text().matches(": added").count(), 90, "every row has a line");
        assert!(!paper.text().contains("further failures"));
    }

    #[test]
    fn a_run_without_anything_to_send_gets_one_line() {
        for (mut progress, paper, _) in [plain(), bars()] {
            let tally = start(0);
            progress.event(&Event::Started { tally });
            progress.event(&Event::Tick { tally, pause: None });
            progress.event(&Event::Finished { tally });
            assert!(paper.text().contains("members: nothing to send, unchanged 1, took 0.0s"));
        }
    }

    #[test]
    fn one_line_stays_of_each_phase() {
        let (mut progress, paper, clock) = bars();
        run(&mut progress, &clock, 1, Duration::ZERO);
        drop(progress);
        let text = paper.text();
        assert!(text.contains("reading workspaces: 2/2 (100 %), took 0.8s"), "{text}");
        assert!(text.contains("members: 1/1 (100 %), added 1, unchanged 1, took 0.0s"), "{text}");
    }

    #[test]
    fn a_bar_is_drawn_ten_times_a_second_at_most() {
        let (mut progress, paper, clock) = bars();
        let mut tally = start(10_000);
        progress.event(&Event::Started { tally });
        let before = paper.drawings();
        for _ in 0..5_000 {
            clock.advance(Duration::from_millis(1));
            tally.concluded += 1;
            tally.requests += 2;
            progress.event(&Event::Acknowledged { item: ItemId::from_index(0), tally });
        }
        let drawings = paper.drawings() - before;
        assert!((40..=51).contains(&drawings), "{drawings} drawings in 5 s");
        let text = paper.text();
        assert!(text.contains("2000.0 requests/s, about "), "{text}");
    }

    #[test]
    fn lines_above_a_bar_are_harmless_too() {
        let (mut progress, paper, clock) = bars();
        progress.event(&Event::Started { tally: start(10) });
        talk(&mut progress);
        run(&mut progress, &clock, 100, Duration::from_millis(10));
        let text = paper.text();
        assert!(text.contains("stopping: the token is no longer valid: "), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn every_mode_can_be_named_and_none_is_silent() {
        let names: Vec<_> = ProgressMode::value_variants()
            .iter()
            .filter_map(ValueEnum::to_possible_value)
            .map(|value| value.get_name().to_owned())
            .collect();
        assert_eq!(names, ["auto", "bar", "plain", "none"]);
        let clock = Hands::new();
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        run(&mut Progress::on_stderr(ProgressMode::None, &screen, Instant::now), &clock, 10, Duration::ZERO);
    }
}
