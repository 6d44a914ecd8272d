//! The tests across layers: one test program, so that the crate and its sandbox are linked once. A
//! file is a subject, and its name a filter: `cargo test --test suite -- prune`. What needs a process,
//! real time or the words on the screen goes through the built program, everything else calls `ops`
//! in this process. What the subjects share is in [`harness`].
//!
//! Tests run beside each other in one process. They may change nothing that belongs to the process:
//! the environment, the current folder, limits, signal handlers. What needs that runs in a process
//! that the test starts.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[cfg(feature = "sandbox")]
mod harness;

mod astro_cli;
mod blind;
mod breakers;
mod browser;
mod calls;
mod dead_token;
mod deployments;
mod disk;
mod doctor;
mod documents;
mod exit_status;
mod explain;
mod export;
mod faults;
mod field;
mod fuzz_short;
mod golden;
mod handover;
mod help;
mod invitations;
mod kill;
mod layers;
mod locked_out;
mod machines;
mod moves;
mod network;
mod one_person;
mod pace;
mod prune;
mod readme;
mod real_server;
mod renewals;
mod report;
mod resume;
mod rights;
mod roles;
mod rosters;
mod sample_texts;
mod samples;
mod saved_plan;
mod security;
mod shard;
mod signals;
mod spellings;
mod storm;
mod terminal;
mod token;
mod trust;
mod two_bindings;
mod verify;
mod versions;
mod wanted_state;
