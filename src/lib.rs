//! Puts people into the right workspaces of Astro Private Cloud (formerly Astronomer Software),
//! through its Houston GraphQL API.

pub mod engine;
pub mod houston;
pub mod model;
pub mod plan;
pub mod present;
pub mod report;
pub mod roster;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod time;
