//! The members of a workspace before and after, by role.
//!
//! Main function: [`shift`].

use super::page::{Count, Drawn};
use super::shape::bars;
use super::tone::Tone;
use crate::plan::census::{Census, Members};

/// The members of a workspace before a run or a plan, and with so many more viewers, editors and admins. None if
/// they were not counted.
pub fn shift(seen: &Census, shifted: [i64; 3]) -> Option<Drawn> {
    let Members { admins, editors, viewers, others } = seen.members?;
    let [viewer, editor, admin] = shifted;
    let roles = [("admins", admins, admin), ("editors", editors, editor), ("viewers", viewers, viewer)];
    let roles = roles.map(|(name, before, more)| (name, before, before.saturating_add_signed(more)));
    let tones = [Tone::Held, Tone::Change, Tone::Same];
    let part = |count: fn(&(&str, u64, u64)) -> u64| {
        let parts = tones.into_iter().zip(roles.iter().map(count));
        parts.chain([(Tone::NotTried, others)]).collect::<Vec<_>>()
    };
    let said = roles.map(|(name, before, after)| {
        let then = if before == after { String::new() } else { format!(" → {}", Count(after)) };
        format!("{name} {}{then}", Count(before))
    });
    let words = said.join(", ");
    Some(Drawn { svg: bars(&part(|role| role.1), &part(|role| role.2), &words), words })
}
