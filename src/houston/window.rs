//! How many requests may be in flight, adjusted by answers and refusals.

mod refusals;

pub use self::refusals::{Congestion, Window};
