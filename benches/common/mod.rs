//! What the benches share: servers in a process of their own ([`server`]), a raw load generator
//! ([`raw`]), a run of the real engine ([`engine_run`]) and figures of processes ([`proc`]).
//!
//! A server is the bench's own executable, started again with [`server::FLAG`], so that the
//! processor time and the memory of the client are its own.

#![allow(dead_code, reason = "every bench uses a part of it")]

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

/// The middle one.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
