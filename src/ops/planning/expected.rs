//! What a saved plan says, held against the present.
//!
//! Main type: [`Expected`]; main function: [`fits`].

use std::collections::HashSet;

use crate::model::{ItemId, Shard, WorkspaceId, email_key, printable};
use crate::ops::failure::Failure;
use crate::ops::session::Session;
use crate::outcome::{Code, ExitStatus};
use crate::plan::{Account, Action, Counts, Workspace};
use crate::record::journal::{Origin, PlanLine};
use crate::record::saved_plan::{Against, moved};
use crate::report::notices::Notice;
use crate::roster::Picked;

/// What a saved plan says about every row, and about everyone who is not in the roster.
pub struct Expected {
    /// A line per row, and per person.
    pub lines: Vec<PlanLine>,
    /// The plan takes a run back.
    pub undo: bool,
    /// How many changes of each kind it says it makes.
    pub counts: Option<Counts>,
}

impl Expected {
    /// Compares what the plan says about itself with what its rows lead to: never to more, and to less only
    /// under stricter limits.
    ///
    /// # Errors
    /// They lead to more (3).
    pub fn check_counts(&self, now: &Counts) -> Result<(), Failure> {
        let is_more = |then: &Counts| now.changes().iter().zip(then.changes()).any(|(now, then)| *now > then);
        if !self.counts.as_ref().is_some_and(is_more) {
            return Ok(());
        }
        let error = anyhow::anyhow!("the plan makes more changes than it says; nothing was sent");
        Err(Failure::new(ExitStatus::BadInput, error).hint("make a new plan and have it approved"))
    }

    /// Whom to remove and where, if no one else: the people whom a run has added.
    pub fn listed(&self) -> Option<Vec<(String, WorkspaceId)>> {
        let remove = |line: &&PlanLine| {
            line.deployment.is_none() && matches!(line.decision.action(), Some(Action::Remove(_)))
        };
        let pair = |line: &PlanLine| Some((email_key(&line.email).into_owned(), line.workspace.clone()?));
        self.undo.then(|| self.lines.iter().filter(remove).filter_map(pair).collect())
    }

    /// What it says about the rows and the people of a shard, with the numbers that they have there.
    #[must_use]
    pub fn in_shard(self, shard: Shard) -> Self {
        let mut lines = self.lines;
        lines.retain(|line| shard.has(line.workspace.as_ref()));
        let number = |line: &PlanLine| match line.origin {
            Origin::Row { number, .. } => Some(number).filter(|_| line.is_row()),
            Origin::Extra => None,
        };
        let picked = Picked::new(lines.iter().map_while(number));
        for (at, line) in lines.iter_mut().enumerate() {
            line.renumber(ItemId::from_index(at), |row| picked.in_part(row));
        }
        // What the plan says about itself is about all shards together.
        Self { lines, undo: self.undo, counts: None }
    }

    /// Whose removals its limits hold back.
    pub fn held(&self) -> HashSet<(WorkspaceId, Account)> {
        let is_held = |line: &&PlanLine| {
            line.decision.kept().is_some_and(|kept| kept.code == Some(Code::GuardMaxRemove))
        };
        let whom = |line: &PlanLine| Some((line.workspace.clone()?, line.accounts.first()?.clone()));
        self.lines.iter().filter(is_held).filter_map(whom).collect()
    }
}

/// Compares the present with a saved plan; gives notice of what has changed. `roster` is what the roster is called.
///
/// # Errors
/// Something has (9).
pub fn fits(
    expected: &Expected,
    now: impl Iterator<Item = PlanLine>,
    (roster, workspaces): (&str, &[Workspace]),
    session: &Session,
) -> Result<(), Failure> {
    let Expected { lines: then, undo, .. } = expected;
    let against = if *undo { Against::Deeds } else { Against::Everything };
    let mut moved = moved(then, now, against);
    let count = moved.len();
    if count == 0 {
        return Ok(());
    }
    for id in moved.iter_mut().filter_map(|moved| moved.workspace.as_mut()) {
        let label =
            workspaces.iter().find(|known| known.id.as_str() == id).and_then(|known| known.label.clone());
        label.into_iter().for_each(|label| *id = label);
    }
    // The roster of an undo plan is no file.
    let roster = Some(roster).filter(|_| !undo);
    session.notices.give(&Notice::Moved { roster, rows: &moved });
    let rows = if count == 1 { "1 row".to_owned() } else { format!("{count} rows") };
    let (of, url) = (then.len(), printable(&session.url));
    Err(if *undo {
        let text = "the run can no longer be undone as a whole";
        let error = anyhow::anyhow!("{text}: {rows} of {of} changed on {url} since; nothing was sent");
        Failure::new(ExitStatus::Outdated, error).hint(
            "take its changes back by hand; undo.csv, if the run has one, restores removals and role changes",
        )
    } else {
        outdated(anyhow::anyhow!(
            "the plan is out of date: {rows} of {of} changed on {url} since it was saved; nothing was sent"
        ))
    })
}

/// The present is not the one that the plan was made for (9).
pub fn outdated(error: anyhow::Error) -> Failure {
    Failure::new(ExitStatus::Outdated, error).hint("make a new plan and have it approved")
}
