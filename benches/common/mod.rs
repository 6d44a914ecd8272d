//! The benches, each run by `cargo bench --bench NAME`:
//!
//! | bench | what it shows |
//! |---|---|
//! | `roster` | how fast a CSV of a million rows is checked, beside a bare read |
//! | `diff` | how fast a million members are compared with a million rows, beside a bare hash table |
//! | `engine` | adds a second with 64 in flight at 20, 5 and 0 ms, beside a raw load generator and the client alone |
//! | `pace` | whether `--rate` is kept, and whether a hidden limit is found |
//! | `courteous` | what another client of the same server feels of a run, and how fast a run follows the server |
//! | `peers` | the whole program beside loops of curl and Python clients |
//! | `growth` | seconds, requests and memory by rows, by workspaces and by latency |
//! | `program` | start-up, a run with hardly anything to do, the plan of a large installation |
//!
//! Each prints tables of its own; its first comment says what may follow `--` on the command line. Figures
//! of different runs, and of different machines, do not compare: the ratios within one run do. They all need
//! Linux for processor time and memory.
//!
//! What they share: servers in a process of their own ([`server`], [`plain`]), a raw load generator
//! ([`raw`]), a run of the real engine ([`engine_run`]), commands with their figures ([`command`]) and
//! figures of processes ([`proc`]). A server is the bench's own executable, started again with
//! [`server::FLAG`], so that the processor time and the memory of the client are its own.

#![allow(dead_code, reason = "every bench uses a part of it")]

pub mod command;
pub mod engine_run;
pub mod plain;
pub mod proc;
pub mod raw;
pub mod server;

use std::fmt;
use std::io::{self, Write};

/// Prints a line.
pub fn say(line: fmt::Arguments<'_>) {
    // Nobody reads on: the figures do not matter any more.
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// What follows `--` on the command line of a bench, the options of cargo and criterion left out.
pub fn arguments() -> Vec<String> {
    std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect()
}

/// A count as a figure.
#[expect(clippy::cast_precision_loss, reason = "a count of a bench is small")]
pub fn figure(count: usize) -> f64 {
    count as f64
}

/// This share of the figures is at most this.
pub fn quantile(figures: &[f64], share: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index of the list")]
    let index = (figure(sorted.len()) * share).ceil() as usize;
    sorted.get(index.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// The middle one.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
