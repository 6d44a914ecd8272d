//! The files of a run: its folder and lock, the plan's lines, the journal and the history that is read
//! back from it, saved plans and what undoes a run.
//!
//! Main types: [`folder::RunFolder`], [`journal::Journal`] and [`journal::History`]. Nothing here knows
//! a terminal, a flag or the network.

pub mod folder;
pub mod hexadecimal;
pub mod journal;
pub mod saved_plan;
pub mod undo;
