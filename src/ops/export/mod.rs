//! What `export` reads and what it has to report about it.

pub mod people;
pub mod told;
