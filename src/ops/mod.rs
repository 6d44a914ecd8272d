//! What a command does: settings in, data out.
//!
//! Main types: [`session::Session`], [`environment::Environment`] and [`failure::Failure`]. One file or
//! folder per command, [`planning`], which all commands with a roster share, and [`phases`], which carry
//! a run out. It sees no flag, asks no question and prints nothing: what people should know beside the
//! result is given to [`notices::Notices`].

pub mod actor;
pub mod apply;
pub mod audit;
pub mod create;
pub mod doctor;
pub mod environment;
pub mod explain;
pub mod export;
pub mod failure;
pub mod finish;
pub mod last_run;
pub mod limits;
pub mod merge;
pub mod notices;
pub mod pending;
pub mod phases;
pub mod plan;
pub mod planning;
pub mod report;
pub mod resume;
pub mod runs;
pub mod saved;
pub mod session;
pub mod signals;
pub mod trust;
pub mod trust_shown;
pub mod unanswered;
pub mod unfinished;
