//! What `doctor` asks a Houston and what the answers mean.

pub mod asking;
pub mod verdicts;
