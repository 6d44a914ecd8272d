//! A plan for people: the changes and remarks per workspace.
//!
//! Main function: `PlanReport::human`. It shows; it decides nothing.

use std::fmt::Write as _;

use super::items::{PlannedItem, why};
use super::{Detail, LimitsNeeded, PlanReport, SHOWN, summed_up};
use crate::model::{ItemId, printable};
use crate::plan::guard::OnGuard;
use crate::plan::{Action, Decision, Phase, Reason, role_name};

/// The lists of a workspace, in their order: the items of a phase, with one mark or with any.
const LISTS: [(Phase, Option<&str>); 7] = [
    (Phase::Members, Some("+")),
    (Phase::Members, Some("~")),
    (Phase::Members, Some("=")),
    (Phase::Members, Some("!")),
    (Phase::Deployments, None),
    (Phase::Removals, Some("-")),
    (Phase::Removals, Some("=")),
];

impl PlanReport<'_> {
    pub(super) fn human(&self, detail: Detail) -> String {
        let mut text = String::new();
        self.write_human(&mut text, detail).expect("a string takes every text");
        text
    }

    fn write_human(&self, text: &mut String, detail: Detail) -> std::fmt::Result {
        writeln!(text, "{}", printable(&self.title()))?;
        for (title, ids) in self.groups() {
            writeln!(text, "\n{title}: {}", summed_up(self.counts_of(&ids)))?;
            self.people(text, &ids, detail)?;
        }
        let skips = self.settings.prune.as_ref().is_some_and(|prune| prune.on_guard == OnGuard::SkipRemovals);
        let limits = if skips { LimitsNeeded::Named } else { LimitsNeeded::InTheHint };
        write!(text, "\n{}", self.closing(str::to_owned, limits))
    }

    /// The items of a workspace that need a change or a remark.
    fn people(&self, text: &mut String, ids: &[ItemId], detail: Detail) -> std::fmt::Result {
        let limit = if detail == Detail::All { ids.len() } else { SHOWN };
        for (phase, mark) in LISTS {
            let mut shown = self.marked(ids, phase).filter(|(_, of)| mark.is_none_or(|mark| mark == *of));
            shown.by_ref().take(limit).try_for_each(|(id, mark)| self.person(text, id, mark))?;
            match (shown.count(), mark) {
                (0, _) => {}
                (more, Some(mark)) => writeln!(text, "  {mark} and {more} more (--all shows them)")?,
                (more, None) => {
                    writeln!(text, "  and {more} more deployment roles (--all shows them)")?;
                }
            }
        }
        Ok(())
    }

    fn person(&self, text: &mut String, id: ItemId, mark: &str) -> std::fmt::Result {
        let item = &self.plan.items[id.index()];
        let email = printable(self.email(id));
        write!(text, "  {mark} {email}  ")?;
        if let Some(deployment) = self.plan.deployment(item) {
            write!(text, "in {}: ", printable(&deployment.name))?;
        }
        let why = || why(self.plan, item, self.roster);
        let Some(row) = item.row() else {
            let PlannedItem { kind, from_role, .. } = self.item(id);
            let (kind, role) = (kind.unwrap_or_default(), from_role.unwrap_or("no role of its own"));
            write!(text, "{role}  ({kind}, not in the roster)")?;
            return match item.decision {
                Decision::Change(_) => writeln!(text),
                Decision::Keep(_) => writeln!(text, "  {}", printable(&why())),
            };
        };
        let role = |level| item.scope().role(level);
        let what = match &item.decision {
            Decision::Change(Action::Add(level)) => role(*level).to_string(),
            Decision::Change(action @ (Action::SetRole { .. } | Action::Remove(_))) => {
                let (from, to) = (action.from().map(role), action.level().map(role));
                format!("{} -> {}", role_name(from), role_name(to))
            }
            Decision::Keep(Reason::RoleKept(_)) => {
                let wanted = role_name(item.wanted.map(role));
                format!("{} (file: {wanted}; --update-roles changes it)", printable(&why()))
            }
            Decision::Change(Action::Replace { .. }) | Decision::Keep(_) => printable(&why()).into_owned(),
        };
        writeln!(text, "{what}  ({}:{})", printable(self.name), self.roster.line(row))
    }
}
