//! How many people a second the engine adds, with its journal on the disk, beside a raw load
//! generator and the client alone on the same server, turn by turn in one run.
//!
//! `cargo bench --bench engine` prints a table, `cargo bench --bench engine -- 5 20` that of these
//! latencies only. "in memory" is the same run with its journal in memory, "with proof" counts all requests
//! over the whole run, the reads that prove the adds included.

mod common;

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use common::engine_run::{Work, call, run};
use common::raw::load;
use common::server::{Kind, Server, serve_if_asked};
use common::{arguments, median, proc, say};

const IN_FLIGHT: usize = 64;
const WORKSPACES: usize = 64;

/// A server to measure against, and what to reach there.
struct Bed {
    kind: Kind,
    latency: u64,
    rows: usize,
    rounds: usize,
    /// Of the client alone.
    goal: Option<f64>,
    /// Processor seconds for 10,000 requests at most.
    cpu: Option<f64>,
}

const BEDS: [Bed; 5] = [
    Bed { kind: Kind::Plain, latency: 20, rows: 6_000, rounds: 3, goal: Some(0.98), cpu: Some(0.9) },
    Bed { kind: Kind::Plain, latency: 5, rows: 12_000, rounds: 3, goal: Some(0.98), cpu: None },
    Bed { kind: Kind::Plain, latency: 0, rows: 16_000, rounds: 5, goal: Some(0.95), cpu: None },
    Bed { kind: Kind::Sandbox, latency: 20, rows: 4_000, rounds: 1, goal: None, cpu: None },
    Bed { kind: Kind::Sandbox, latency: 0, rows: 8_000, rounds: 1, goal: None, cpu: None },
];

fn main() -> Result<(), Box<dyn Error>> {
    if serve_if_asked()? {
        return Ok(());
    }
    let runs = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let in_memory = proc::folder_in_memory().map(tempfile::tempdir_in).transpose()?;
    say(format_args!(
        "adds/s     latency     raw  client  engine  of raw  of client (goal)  in memory  with proof  cpu s per 10,000: raw  client  engine (goal)  connections"
    ));
    let chosen: Vec<u64> = arguments().iter().filter_map(|argument| argument.parse().ok()).collect();
    for bed in BEDS.iter().filter(|bed| chosen.is_empty() || chosen.contains(&bed.latency)) {
        bed.measure(runs.path(), in_memory.as_ref().map(tempfile::TempDir::path))?;
    }
    Ok(())
}

impl Bed {
    fn measure(&self, runs: &Path, in_memory: Option<&Path>) -> Result<(), Box<dyn Error>> {
        let server = Server::start(self.kind, Duration::from_millis(self.latency), WORKSPACES)?;
        let work =
            |round| Work { in_flight: IN_FLIGHT, rows: self.rows, workspaces: WORKSPACES, rate: None, round };
        let mut figures = Figures::default();
        for round in 1..=self.rounds {
            let raw = load(&server, IN_FLIGHT, self.rows, round)?;
            let client = call(&server, work(round))?;
            // The members of earlier rounds would have to be read again to prove those of this one.
            let server = Server::start(self.kind, Duration::from_millis(self.latency), WORKSPACES)?;
            let disk = run(&server, work(round), runs)?;
            if self.kind == Kind::Plain {
                figures.connections = figures.connections.max(server.count()?.connections - 1);
            }
            let server = Server::start(self.kind, Duration::from_millis(self.latency), WORKSPACES)?;
            let memory = in_memory.map(|folder| run(&server, work(round), folder)).transpose()?;
            figures.raw.push(raw.rate);
            figures.raw_cpu.push(raw.cpu);
            figures.client.push(client.rate);
            figures.client_cpu.push(client.cpu);
            figures.engine.push(disk.rate);
            figures.engine_cpu.push(disk.cpu);
            figures.of_raw.push(disk.rate / raw.rate);
            figures.of_client.push(disk.rate / client.rate);
            figures.overall.push(disk.overall / raw.rate);
            figures.memory.extend(memory.map(|memory| disk.rate / memory.rate));
        }
        let goal = |goal: Option<f64>| goal.map_or_else(|| "-".to_owned(), |goal| format!("{goal:.2}"));
        say(format_args!(
            "{:<9} {:>5} ms {:>7.0} {:>7.0} {:>7.0} {:>7.2} {:>9.2} ({:>4}) {:>10.2} {:>11.2} {:>22.2} {:>7.2} {:>7.2} ({:>4}) {:>12}",
            format!("{:?}", self.kind).to_lowercase(),
            self.latency,
            median(figures.raw),
            median(figures.client),
            median(figures.engine),
            median(figures.of_raw),
            median(figures.of_client),
            goal(self.goal),
            median(figures.memory),
            median(figures.overall),
            median(figures.raw_cpu),
            median(figures.client_cpu),
            median(figures.engine_cpu),
            goal(self.cpu),
            figures.connections,
        ));
        Ok(())
    }
}

/// What the rounds came to.
#[derive(Default)]
struct Figures {
    raw: Vec<f64>,
    raw_cpu: Vec<f64>,
    client: Vec<f64>,
    client_cpu: Vec<f64>,
    engine: Vec<f64>,
    engine_cpu: Vec<f64>,
    of_raw: Vec<f64>,
    of_client: Vec<f64>,
    overall: Vec<f64>,
    memory: Vec<f64>,
    connections: u64,
}
