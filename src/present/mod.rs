//! What Houston has: workspaces resolved once, members and invitations read page by page, in one walk for
//! all that is wanted of a workspace, many workspaces at a time.
//!
//! Main types: [`resolve::Resolution`], [`members::Reading`] and [`survey::Survey`]. It reads only;
//! it decides nothing and knows neither the roster nor the engine.

mod collect;
pub mod everybody;
pub mod grants;
pub mod in_order;
pub mod members;
pub mod names;
mod pages;
pub mod placeholders;
pub mod resolve;
pub mod strangers;
pub mod survey;
mod walk;
