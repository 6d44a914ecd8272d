//! What another client of the same server feels of a run, and how fast a run follows the server.
//!
//! The server has a few workers, each busy with a request for the same time, and a queue without an end;
//! the other client asks something small twice a second. `cargo bench --bench courteous` prints three
//! parts, and `-- healthy`, `-- phases` and `-- switch` one of them; a number is the seconds of a phase.

mod common;

use std::error::Error;
use std::path::Path;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::command::{apply, measured, roster};
use common::plain::{SAMPLED, Sample};
use common::raw::{load, visit};
use common::server::{Kind, Server, serve_if_asked};
use common::{arguments, figure, quantile, say};

type AnyError = Box<dyn Error>;

const WORKERS: usize = 4;
/// How long a worker is busy with a request.
const WORK: Duration = Duration::from_millis(15);
const WORKSPACES: usize = 64;
/// How long a phase takes where the command line does not say so: long enough for 50 answers.
const SECONDS: u64 = 25;
/// The time from one question of the other client to the next.
const EVERY: Duration = Duration::from_millis(500);
/// With the default flags its answers may take so many times as long as in an idle server.
const SLOWER: f64 = 1.75;
/// And the run must reach this share of what the server can do.
const SHARE: f64 = 0.75;

fn main() -> Result<(), AnyError> {
    if serve_if_asked()? {
        return Ok(());
    }
    let arguments = arguments();
    let seconds = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(SECONDS);
    let words: Vec<_> = arguments.iter().filter(|argument| argument.parse::<u64>().is_err()).collect();
    let is_chosen = |part: &str| words.is_empty() || words.iter().any(|word| *word == part);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    if is_chosen("healthy") {
        healthy(folder.path())?;
    }
    if is_chosen("phases") {
        phases(Duration::from_secs(seconds), folder.path())?;
    }
    if is_chosen("switch") {
        switch(folder.path())?;
    }
    Ok(())
}

/// A server that takes 20 ms whatever is asked, and the default flags.
fn healthy(folder: &Path) -> Result<(), AnyError> {
    const ROWS: usize = 4_000;
    const LATENCY: Duration = Duration::from_millis(20);
    let raw = load(&Server::start(Kind::Plain, LATENCY, WORKSPACES)?, 8, ROWS, 1)?;
    let server = Server::start(Kind::Plain, LATENCY, WORKSPACES)?;
    let path = folder.join("roster.csv");
    roster(&path, ROWS, WORKSPACES, 0)?;
    let mut command = apply(&server, &path, &folder.join("runs"), &["--concurrency", "8"]);
    measured(&mut command)?.succeeded(&command)?;
    let count = server.count()?;
    #[expect(clippy::cast_precision_loss, reason = "a count of requests is small")]
    let share = count.requests as f64 / count.seconds / raw.rate;
    say(format_args!(
        "healthy server of 20 ms: {share:.3} of what 8 in flight can do ({:.0}/s), to reach 0.95",
        raw.rate
    ));
    Ok(())
}

/// What the server can do with so many workers, in requests a second.
fn capacity(workers: usize) -> f64 {
    figure(workers) / WORK.as_secs_f64()
}

/// A run of the program that is still going when its time is over.
fn endless(server: &Server, time: Duration, flags: &[&str], folder: &Path) -> Result<Child, AnyError> {
    let path = folder.join("roster.csv");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
    let rows = (capacity(WORKERS) * time.as_secs_f64() * 1.5) as usize;
    roster(&path, rows, WORKSPACES, 0)?;
    let limit = format!("{}s", time.as_secs());
    let mut command = apply(server, &path, &folder.join("runs"), flags);
    Ok(command.args(["--max-duration", &limit]).spawn()?)
}

/// What another client feels while nobody else is there, and beside runs.
fn phases(time: Duration, folder: &Path) -> Result<(), AnyError> {
    say(format_args!(
        "\n{WORKERS} workers of {} ms, another client\nbeside it                      answers  p50 ms  p95 ms  of idle  throughput  goals",
        WORK.as_millis()
    ));
    let runs: [(&str, Option<&[&str]>); 3] = [
        ("nobody", None),
        ("ours, default flags", Some(&[])),
        ("ours, --rate none, 64", Some(&["--rate", "none", "--concurrency", "64"])),
    ];
    let mut idle = None;
    for (name, flags) in runs {
        let server = Server::with_workers(WORK, WORKSPACES, WORKERS)?;
        let run = flags.map(|flags| endless(&server, time, flags, folder)).transpose()?;
        let answers = visited(&server, time)?;
        let samples = server.samples()?;
        if let Some(mut run) = run {
            run.wait()?;
        }
        let p95 = quantile(&answers, 0.95);
        let slower = p95 / *idle.get_or_insert(p95);
        let share = throughput(&samples, answers.len()) / capacity(WORKERS);
        let goals = match flags {
            Some([]) => format!(
                "{} at most {SLOWER}, {} at least {SHARE}",
                is_met(slower <= SLOWER),
                is_met(share >= SHARE)
            ),
            Some(_) | None => String::new(),
        };
        say(format_args!(
            "{name:<30} {:>7} {:>7.1} {:>7.1} {slower:>8.2} {share:>11.2}  {goals}",
            answers.len(),
            quantile(&answers, 0.5) * 1000.0,
            p95 * 1000.0,
        ));
    }
    Ok(())
}

/// How long the answers to another client take, in seconds, for this time.
fn visited(server: &Server, time: Duration) -> Result<Vec<f64>, AnyError> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let visitor = scope.spawn(|| visit(server, EVERY, &is_over));
        std::thread::sleep(time);
        is_over.store(true, Ordering::Relaxed);
        Ok(visitor.join().map_err(|_| "the other client died")??)
    })
}

/// Answers a second from the first sample to the last, those to the other client left out.
fn throughput(samples: &[Sample], visits: usize) -> f64 {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return f64::NAN };
    #[expect(clippy::cast_precision_loss, reason = "a count of requests is small")]
    let answered = (last.answered - first.answered) as f64 - figure(visits);
    answered / (last.at - first.at)
}

/// The server falls to one worker in the middle of a run, and comes back.
fn switch(folder: &Path) -> Result<(), AnyError> {
    let [well, ill_for, again_for] =
        [Duration::from_secs(10), Duration::from_secs(15), Duration::from_secs(20)];
    let server = Server::with_workers(WORK, WORKSPACES, WORKERS)?;
    let mut run = endless(&server, well + ill_for + again_for, &[], folder)?;
    std::thread::sleep(well);
    let before = server.samples()?;
    let fell = server.set_workers(1)?;
    std::thread::sleep(ill_for);
    let ill = server.samples()?;
    let rose = server.set_workers(WORKERS)?;
    std::thread::sleep(again_for);
    let again = server.samples()?;
    run.wait()?;
    // One worker, and a queue as long as the other client may feel it.
    let few = SLOWER + 1.0;
    let followed = |samples: &[Sample], from: Sample, is_there: &dyn Fn(&[Sample]) -> bool| {
        let found = samples.windows(SECOND).find(|second| is_there(second));
        found.map_or_else(|| "never".to_owned(), |second| format!("{:.2} s", second[0].at - from.at))
    };
    let down = followed(&ill, fell, &|second| inside(second) <= few);
    let up = followed(&again, rose, &|second| throughput(second, 0) >= SHARE * capacity(WORKERS));
    say(format_args!(
        "\nin the server (mean of the last 5 s) with {WORKERS} workers {:.1}, with one {:.1}, with {WORKERS} again {:.1}",
        inside(end_of(&before)),
        inside(end_of(&ill)),
        inside(end_of(&again)),
    ));
    say(format_args!("to one worker: at most {few} in the server after {down} (to reach: 2 s)"));
    say(format_args!("to {WORKERS} workers: {SHARE} of the throughput after {up} (to reach: 10 s)"));
    Ok(())
}

/// Samples of a second.
const SECOND: usize = (1000 / SAMPLED.as_millis()) as usize;

fn end_of(samples: &[Sample]) -> &[Sample] {
    &samples[samples.len().saturating_sub(5 * SECOND)..]
}

/// The mean number of requests in the server.
fn inside(samples: &[Sample]) -> f64 {
    figure(samples.iter().map(|sample| sample.inside).sum()) / figure(samples.len())
}

fn is_met(met: bool) -> &'static str {
    if met { "met:" } else { "missed:" }
}
