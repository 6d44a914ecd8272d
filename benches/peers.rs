//! The whole program beside what people use instead: loops of curl, and clients in Python. All add people
//! with one small body per row, one after the other on the same server in one run. The program also reads
//! the workspaces before and after, and keeps a journal; the others only send.
//!
//! `cargo bench --bench peers` prints one table for a server that takes 20 ms; `-- 5` or `-- 0` is another
//! latency, and a word is a part of the name of the peers to run (`-- ours loop`). What is not installed
//! is left out.

mod common;

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::command::{Outcome, address, apply, measured, roster};
use common::raw::{body, load};
use common::server::{Kind, Server, serve_if_asked};
use common::{arguments, figure, say};

type AnyError = Box<dyn Error>;

/// Stands for the address in a body.
const EMAIL: &str = "EMAIL";

/// One line of the table.
struct Peer {
    name: &'static str,
    way: Way,
    rows: usize,
    /// Over how many workspaces; only the program is given more than one.
    workspaces: usize,
    goal: Option<Goal>,
}

enum Way {
    /// A raw load generator, with so many requests in flight.
    Raw(usize),
    /// A shell command that takes addresses from stdin.
    Shell(&'static str),
    /// curl with a file of requests.
    CurlParallel,
    /// A script that needs a module.
    Python { module: &'static str, script: &'static str },
    /// `houston-onboard apply` with these flags.
    Ours(&'static [&'static str]),
}

#[derive(Clone, Copy)]
enum Goal {
    /// At least as many times as fast as the first peer.
    Times(f64),
    /// At most so many seconds.
    Seconds(f64),
}

const LOOP: &str = r#"while read -r email; do
curl -s -o /dev/null -H 'content-type: application/json' -H "authorization: $TOKEN" \
  -d "${BODY%%EMAIL*}$email${BODY#*EMAIL}" "$URL"
done"#;
const XARGS: &str = r#"xargs -P32 -I EMAIL \
curl -s -o /dev/null -H 'content-type: application/json' -H "authorization: $TOKEN" -d "$BODY" "$URL""#;

const PEERS: [Peer; 10] = [
    Peer { way: Way::Shell(LOOP), rows: 300, ..Peer::other("while read; curl (loop)") },
    Peer { way: Way::Shell(XARGS), rows: 1_000, ..Peer::other("xargs -P32 curl") },
    Peer { way: Way::CurlParallel, ..Peer::other("curl --parallel, 64") },
    Peer {
        way: Way::Python { module: "requests", script: "requests_threads.py" },
        ..Peer::other("Python requests x 32")
    },
    Peer {
        way: Way::Python { module: "aiohttp", script: "aiohttp_tasks.py" },
        ..Peer::other("Python aiohttp, 64")
    },
    Peer {
        rows: 300,
        workspaces: 5,
        goal: Some(Goal::Times(5.0)),
        ..Peer::ours("ours, default flags, few rows", &[])
    },
    Peer { goal: Some(Goal::Seconds(40.0)), ..Peer::ours("ours, default flags", &[]) },
    Peer::ours("ours, --rate none", &["--rate", "none"]),
    Peer::ours("ours, --rate none, 64", &["--rate", "none", "--concurrency", "64"]),
    Peer { way: Way::Raw(64), ..Peer::other("raw load generator, 64") },
];

/// Workspaces that every peer has for itself: what others have added must not be read by it.
const WORKSPACES: usize = 50;

impl Peer {
    const fn other(name: &'static str) -> Self {
        Self { name, way: Way::Raw(1), rows: 5_000, workspaces: 1, goal: None }
    }

    const fn ours(name: &'static str, flags: &'static [&'static str]) -> Self {
        Self { name, way: Way::Ours(flags), rows: 5_000, workspaces: WORKSPACES, goal: None }
    }
}

/// What a peer came to.
struct Figures {
    seconds: f64,
    cpu: f64,
    peak_mib: Option<f64>,
}

impl From<Outcome> for Figures {
    fn from(outcome: Outcome) -> Self {
        Self { seconds: outcome.seconds, cpu: outcome.cpu, peak_mib: Some(outcome.peak_mib) }
    }
}

fn main() -> Result<(), AnyError> {
    if serve_if_asked()? {
        return Ok(());
    }
    let (numbers, words): (Vec<_>, Vec<_>) =
        arguments().into_iter().partition(|argument| argument.parse::<u64>().is_ok());
    let latency = numbers.iter().find_map(|number| number.parse().ok()).unwrap_or(20);
    let is_chosen = |peer: &Peer| words.is_empty() || words.iter().any(|word| peer.name.contains(word));
    let server = Server::start(Kind::Plain, Duration::from_millis(latency), WORKSPACES * PEERS.len())?;
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    say(format_args!(
        "{:<30}  rows  seconds  rows/s  x loop  cpu s per 10,000  peak MiB  goal",
        format!("client, {latency} ms")
    ));
    let mut base = None;
    for (index, peer) in PEERS.iter().enumerate().filter(|(_, peer)| is_chosen(peer)) {
        if let Some(missing) = peer.lacks() {
            say(format_args!("{}: left out, {missing} is not installed", peer.name));
            continue;
        }
        let figures = peer.run(&server, index * WORKSPACES, folder.path())?;
        let rate = figure(peer.rows) / figures.seconds;
        if index == 0 {
            base = Some(rate);
        }
        peer.say(&figures, base.map(|base| rate / base));
    }
    Ok(())
}

impl Peer {
    /// What it needs and this machine has not.
    fn lacks(&self) -> Option<String> {
        let runs = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(program);
            command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        match self.way {
            Way::Raw(_) | Way::Ours(_) => None,
            Way::Shell(_) | Way::CurlParallel => (!runs("curl", &["--version"])).then(|| "curl".to_owned()),
            Way::Python { module, .. } => {
                let import = format!("import {module}");
                (!runs("python3", &["-c", &import])).then(|| format!("the Python module {module}"))
            }
        }
    }

    fn run(&self, server: &Server, first: usize, folder: &Path) -> Result<Figures, AnyError> {
        server.count()?;
        let figures = self.add(server, first, folder)?;
        let added = server.count()?.writes;
        if added != self.rows as u64 {
            return Err(format!("{}: {added} of {} people were added", self.name, self.rows).into());
        }
        Ok(figures)
    }

    fn add(&self, server: &Server, first: usize, folder: &Path) -> Result<Figures, AnyError> {
        let mut command = match self.way {
            Way::Raw(in_flight) => {
                let load = load(server, in_flight, self.rows, 1)?;
                let seconds = figure(self.rows) / load.rate;
                return Ok(Figures { seconds, cpu: load.cpu * figure(self.rows) / 10_000.0, peak_mib: None });
            }
            Way::Ours(flags) => {
                let path = folder.join("roster.csv");
                roster(&path, self.rows, self.workspaces, first)?;
                apply(server, &path, &folder.join("runs"), flags)
            }
            Way::Shell(script) => {
                let mut command = Command::new("sh");
                command.args(["-c", script]);
                command
            }
            Way::CurlParallel => {
                let config = folder.join("curl.txt");
                self.write_config(server, first, &config)?;
                let mut command = Command::new("curl");
                command
                    .args(["--parallel", "--parallel-max", "64", "--config"])
                    .arg(config)
                    .stderr(Stdio::null());
                command
            }
            Way::Python { script, .. } => {
                let mut command = Command::new("python3");
                command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(script));
                command
            }
        };
        let addresses = folder.join("addresses.txt");
        self.write_addresses(&addresses)?;
        command
            .env("URL", server.url())
            .env("TOKEN", &server.token)
            .env("BODY", body(first, EMAIL))
            .env("NO_PROXY", "127.0.0.1")
            .stdin(File::open(addresses)?);
        Ok(measured(&mut command)?.succeeded(&command)?.into())
    }

    fn write_addresses(&self, path: &Path) -> Result<(), AnyError> {
        let mut out = BufWriter::new(File::create(path)?);
        (0..self.rows).try_for_each(|row| writeln!(out, "{}", address(row)))?;
        Ok(out.flush()?)
    }

    /// One request per row, for curl.
    fn write_config(&self, server: &Server, first: usize, path: &Path) -> Result<(), AnyError> {
        let mut out = BufWriter::new(File::create(path)?);
        for row in 0..self.rows {
            let body = body(first, &address(row)).replace('\\', r"\\").replace('"', r#"\""#);
            let next = if row == 0 { "" } else { "next\n" };
            writeln!(
                out,
                "{next}url = \"{}\"\nheader = \"content-type: application/json\"\nheader = \"authorization: {}\"\ndata = \"{body}\"\noutput = /dev/null",
                server.url(),
                server.token
            )?;
        }
        Ok(out.flush()?)
    }

    fn say(&self, figures: &Figures, times: Option<f64>) {
        let rows = figure(self.rows);
        let peak = figures.peak_mib.map_or_else(|| "-".to_owned(), |peak| format!("{peak:.1}"));
        let goal = match self.goal {
            None => String::new(),
            Some(Goal::Times(least)) => {
                format!("{least} x: {}", is_met(times.is_some_and(|times| times >= least)))
            }
            Some(Goal::Seconds(most)) => format!("{most} s: {}", is_met(figures.seconds <= most)),
        };
        say(format_args!(
            "{:<30} {:>5} {:>8.2} {:>7.0} {:>7} {:>17.2} {peak:>9}  {goal}",
            self.name,
            self.rows,
            figures.seconds,
            rows / figures.seconds,
            times.map_or_else(|| "-".to_owned(), |times| format!("{times:.1}")),
            figures.cpu / rows * 10_000.0,
        ));
    }
}

fn is_met(met: bool) -> &'static str {
    if met { "met" } else { "missed" }
}
