//! When a run did what: its writes and bad ends over time, and the span of each workspace.
//!
//! Main type: [`Timeline`]. Its size does not grow with the run: moments become longer instead.

use super::Entry;
use crate::model::ItemId;
use crate::outcome::{Status, StatusKind};

/// Of how many moments a run consists at most.
const MOST_MOMENTS: usize = 240;
/// The length of a moment at the beginning.
const SHORTEST_MS: u64 = 20;

/// What happened in a run, moment by moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    moment_ms: u64,
    moments: Vec<Moment>,
    spans: Vec<Option<Span>>,
    resumed_at_ms: Vec<u64>,
}

/// What happened in one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moment {
    /// Mutations sent.
    pub writes: u64,
    /// Rows and removals that came to a good end.
    pub good: u64,
    /// Those that failed or could not be settled.
    pub bad: u64,
}

/// When a run was at work in a workspace, in milliseconds since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first mutation.
    pub first_ms: u64,
    /// The first change that was proved.
    pub proved_ms: Option<u64>,
    /// The last end.
    pub last_ms: u64,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { moment_ms: SHORTEST_MS, moments: Vec::new(), spans: Vec::new(), resumed_at_ms: Vec::new() }
    }
}

impl Timeline {
    /// Takes an entry of the journal in; `workspace` gives that of an item.
    pub(super) fn note(&mut self, entry: &Entry, workspace: impl Fn(ItemId) -> Option<u32>) {
        match entry {
            Entry::Intent { item, at_ms, .. } => {
                self.at(*at_ms).writes += 1;
                if let Some(workspace) = workspace(*item) {
                    self.span(workspace, *at_ms).last_ms = *at_ms;
                }
            }
            Entry::Outcome { item, status, at_ms, .. } => {
                self.note_end(*status, *at_ms);
                let Some(workspace) = workspace(*item) else { return };
                let span = self.span(workspace, *at_ms);
                span.last_ms = *at_ms;
                if status.kind() == StatusKind::Changed {
                    span.proved_ms.get_or_insert(*at_ms);
                }
            }
            Entry::Resumed { at_ms, .. } => self.resumed_at_ms.push(*at_ms),
            Entry::Header(_)
            | Entry::Workspace(_)
            | Entry::Acknowledged { .. }
            | Entry::Released { .. }
            | Entry::Lost { .. }
            | Entry::Pulse(_)
            | Entry::Closed { .. } => {}
        }
    }

    fn note_end(&mut self, status: Status, at_ms: u64) {
        let moment = self.at(at_ms);
        match status.kind() {
            StatusKind::Changed | StatusKind::AsItWas => moment.good += 1,
            StatusKind::Failed | StatusKind::Unresolved => moment.bad += 1,
            StatusKind::NotTried => {}
        }
    }

    /// The moment of a time, which exists afterwards.
    fn at(&mut self, at_ms: u64) -> &mut Moment {
        while at_ms / self.moment_ms >= MOST_MOMENTS as u64 {
            self.moments = merged(&self.moments, 2);
            self.moment_ms = self.moment_ms.saturating_mul(2);
        }
        let index = usize::try_from(at_ms / self.moment_ms).expect("below the most");
        if self.moments.len() <= index {
            self.moments.resize(index + 1, Moment::default());
        }
        &mut self.moments[index]
    }

    fn span(&mut self, workspace: u32, at_ms: u64) -> &mut Span {
        let index = workspace as usize;
        if self.spans.len() <= index {
            self.spans.resize(index + 1, None);
        }
        self.spans[index].get_or_insert(Span { first_ms: at_ms, proved_ms: None, last_ms: at_ms })
    }

    /// The run in at most so many moments of one length, which comes with them in milliseconds.
    pub fn moments(&self, most: usize) -> (u64, Vec<Moment>) {
        let together = self.moments.len().div_ceil(most.max(1)).max(1);
        (self.moment_ms.saturating_mul(together as u64), merged(&self.moments, together))
    }

    /// When it was at work in the workspace at this index of [`super::History::workspaces`].
    pub fn span_of(&self, workspace: usize) -> Option<Span> {
        *self.spans.get(workspace)?
    }

    /// When each workspace had its first change proved, if one was.
    pub fn proved_at_ms(&self) -> impl Iterator<Item = u64> + '_ {
        self.spans.iter().flatten().filter_map(|span| span.proved_ms)
    }

    /// When later legs of it began.
    pub fn resumed_at_ms(&self) -> &[u64] {
        &self.resumed_at_ms
    }
}

/// So many moments become one.
fn merged(moments: &[Moment], together: usize) -> Vec<Moment> {
    let add = |sum: Moment, one: &Moment| Moment {
        writes: sum.writes + one.writes,
        good: sum.good + one.good,
        bad: sum.bad + one.bad,
    };
    moments.chunks(together).map(|chunk| chunk.iter().fold(Moment::default(), add)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(index: usize, status: Status, at_ms: u64) -> Entry {
        let item = ItemId::from_index(index);
        Entry::Outcome { item, status, code: None, detail: None, attempts: 1, elapsed_ms: 5, at_ms }
    }

    #[test]
    fn nothing_is_lost_however_long_the_run_is() {
        for longest in [0, 1, 4_799, 4_800, 90_000, 86_400_000, u64::MAX] {
            let mut timeline = Timeline::default();
            for part in 0..100 {
                timeline.note(&outcome(0, Status::Added, longest / 100 * part), |_| Some(0));
            }
            timeline.note(&outcome(0, Status::GaveUp, longest), |_| Some(0));
            let (moment_ms, moments) = timeline.moments(60);
            assert!(moments.len() <= 60 && moment_ms.saturating_mul(60) >= longest.min(u64::MAX / 2));
            assert_eq!(moments.iter().map(|moment| moment.good).sum::<u64>(), 100, "{longest}");
            assert_eq!(moments.last().map(|moment| moment.bad), Some(1), "{longest}");
        }
    }

    #[test]
    fn a_workspace_is_worked_on_from_its_first_write_to_its_last_end() {
        let mut timeline = Timeline::default();
        let workspace = |item: ItemId| [Some(1), None].get(item.index()).copied().flatten();
        timeline.note(&outcome(0, Status::Rejected, 7), workspace);
        timeline.note(&outcome(1, Status::Added, 8), workspace);
        timeline.note(&outcome(0, Status::Added, 30), workspace);
        timeline.note(&outcome(0, Status::Added, 50), workspace);
        assert_eq!(timeline.span_of(0), None);
        let span = Span { first_ms: 7, proved_ms: Some(30), last_ms: 50 };
        assert_eq!(timeline.span_of(1), Some(span));
        assert_eq!(timeline.span_of(2), None);
        assert_eq!(timeline.proved_at_ms().collect::<Vec<_>>(), [30]);
    }
}
