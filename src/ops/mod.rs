//! What a command does: settings in, data out.
//!
//! Main types: [`session::Session`] and [`failure::Failure`]. One file or folder per command, and
//! [`planning`], which all commands with a roster share.

pub mod apply;
pub mod create;
pub mod doctor;
pub mod environment;
pub mod explain;
pub mod export;
pub mod failure;
pub mod finish;
pub mod limits;
pub mod notices;
pub mod phases;
pub mod planning;
pub mod report;
pub mod resume;
pub mod runs;
pub mod saved;
pub mod session;
pub mod signals;
pub mod trust;
