//! A plan as Markdown, for a pull request or a ticket: a table per workspace.
//!
//! Main function: `PlanReport::markdown`. It shows; it decides nothing.

use std::fmt::Write as _;

use super::items::PlannedItem;
use super::{Detail, LimitsNeeded, PlanReport, SHOWN, summed_up};
use crate::model::ItemId;
use crate::plan::Phase;
use crate::report::escape::{markdown, markdown_line};

impl PlanReport<'_> {
    /// The plan as Markdown. Its tables hold the people with something to do or to report.
    pub(super) fn markdown(&self, detail: Detail) -> String {
        let mut text = String::new();
        self.write_markdown(&mut text, detail).expect("a string takes every text");
        text
    }

    fn write_markdown(&self, text: &mut String, detail: Detail) -> std::fmt::Result {
        writeln!(text, "# {}\n", markdown_line(&self.title()))?;
        write!(text, "{}", self.closing(markdown_line, LimitsNeeded::Named))?;
        for (title, ids) in self.groups() {
            writeln!(text, "\n## {}: {}", markdown_line(&title), summed_up(self.counts_of(&ids)))?;
            self.table(text, &ids, detail)?;
        }
        Ok(())
    }

    fn table(&self, text: &mut String, ids: &[ItemId], detail: Detail) -> std::fmt::Result {
        let phases = [Phase::Members, Phase::Deployments, Phase::Removals];
        let shown = phases.map(|phase| self.marked(ids, phase).map(|(id, _)| id).collect::<Vec<_>>());
        if shown.iter().all(Vec::is_empty) {
            return Ok(());
        }
        writeln!(
            text,
            "\n| email | action | from | to | reason | line |\n| --- | --- | --- | --- | --- | --- |"
        )?;
        let limit = if detail == Detail::All { ids.len() } else { 4 * SHOWN };
        for &id in shown.iter().flat_map(|of_phase| of_phase.iter().take(limit)) {
            let PlannedItem { line, email, action, from_role, to_role, reason, .. } = self.item(id);
            let (from, to) = (from_role.unwrap_or_default(), to_role.cell());
            let (email, reason) = (markdown(email), markdown(&reason));
            let line = line.map_or_else(String::new, |line| line.to_string());
            writeln!(text, "| {email} | {action} | {from} | {to} | {reason} | {line} |")?;
        }
        let more: usize = shown.iter().map(|of_phase| of_phase.len().saturating_sub(limit)).sum();
        if more > 0 {
            writeln!(text, "\n{more} more are not shown; `--all` shows them.")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::{Estimate, PlanFormat};
    use super::*;
    use crate::model::{Level, RowNumber, WorkspaceId};
    use crate::outcome::{Cause, Code};
    use crate::plan::{Action, Decision, Holder, Item, Membership, Origin, Plan, Reason, Subject, Workspace};
    use crate::record::journal::RunSettings;
    use crate::roster::{Roster, Settings, spool_text};

    fn rendered(text: &str, plan: &Plan, detail: Detail) -> String {
        let file = spool_text(text).unwrap();
        let roster = Roster::from_file(file, "r.csv", &Settings::default()).unwrap();
        let report = PlanReport {
            plan,
            roster: &roster,
            name: "r|1.csv",
            shard: None,
            target: "https://houston.example.com/v1",
            houston_version: Some("2.1.0"),
            estimate: Estimate {
                requests: 4,
                mutations: 2,
                reads: 2,
                seconds: 95,
                seconds_most: 95,
                token_seconds: Some(3 * 3600),
            },
            stale: None,
            settings: &RunSettings::default(),
            digest: None,
        };
        report.render(PlanFormat::Md, detail).unwrap()
    }

    fn workspace(label: &str) -> Workspace {
        Workspace { id: WorkspaceId::new("ck1").unwrap(), label: Some(label.to_owned()) }
    }

    /// The item of a row without a workspace.
    fn item(index: usize, decision: Decision) -> Item {
        Item {
            origin: Origin::Row(RowNumber::from_index(index)),
            subject: None,
            wanted: Some(Level::Viewer),
            seen: None,
            decision,
        }
    }

    #[test]
    fn every_workspace_has_a_table_and_no_text_breaks_out_of_it() {
        let row = |index, decision, seen| Item {
            subject: Some(Subject::new(0, None)),
            seen,
            ..item(index, decision)
        };
        let cause = Arc::new(Cause::new(Code::Other("x".to_owned()), "a|b\n<script> [x](y)"));
        let change = Action::SetRole { from: Level::Admin, to: Level::Viewer, holder: Holder::Member };
        let seen = Membership::Invited { role: Some(Level::Admin), invites: 1 };
        let plan = Plan {
            workspaces: vec![workspace("Data | <b>\n# all")],
            items: vec![
                row(0, Decision::Change(Action::Add(Level::Viewer)), Some(Membership::Absent)),
                row(1, Decision::Change(change), Some(seen)),
                row(2, Decision::Keep(Reason::Unchanged), None),
                item(3, Decision::Keep(Reason::Rejected(cause))),
            ],
            ..Plan::default()
        };
        let text =
            "email,role,workspace\na@x.org,viewer,W\nb@x.org,viewer,W\nc@x.org,viewer,W\nd@x.org,viewer,V\n";
        insta::assert_snapshot!(rendered(text, &plan, Detail::Some), @r"
        # Plan for r\|1.csv on `https://houston.example.com/v1` (Houston 2.1.0)

        Total: 1 to add, 1 role to change, 1 unchanged, 1 rejected.
        2 mutations and about 2 reads; takes 1m 35s at this rate; the token is valid for another 3h 00m.

        ## Data \| &lt;b> # all (ck1): 1 to add, 1 role to change, 1 unchanged

        | email | action | from | to | reason | line |
        | --- | --- | --- | --- | --- | --- |
        | `a@x.org` | add |  | WORKSPACE_VIEWER | absent | 2 |
        | `b@x.org` | update_role | WORKSPACE_ADMIN | WORKSPACE_VIEWER | different role | 3 |

        ## Not compared: 1 rejected

        | email | action | from | to | reason | line |
        | --- | --- | --- | --- | --- | --- |
        | `d@x.org` | none |  | WORKSPACE_VIEWER | a\|b &lt;script> \[x](y) | 5 |
        ");
    }

    #[test]
    fn a_label_is_no_mention_in_what_the_guard_says() {
        let limit = crate::plan::guard::Limit::People(1);
        let refusal = crate::plan::guard::Refusal { workspace: Some(0), leaving: 3, people: 9, limit };
        let plan =
            Plan { workspaces: vec![workspace("@org/team <b>")], refusals: vec![refusal], ..Plan::default() };
        let text = rendered("email,role,workspace\na@x.org,viewer,W\n", &plan, Detail::Some);
        assert!(text.contains("guard: `@org/team` &lt;b> (ck1): "), "{text}");
    }

    #[test]
    fn a_long_table_is_cut_unless_all_is_wanted() {
        let row = |index| Item {
            subject: Some(Subject::new(0, None)),
            seen: Some(Membership::Absent),
            ..item(index, Decision::Change(Action::Add(Level::Viewer)))
        };
        let items = (0..23).map(row).collect();
        let plan = Plan { workspaces: vec![workspace("W")], items, ..Plan::default() };
        let rows: Vec<_> = (0..23).map(|who| format!("p{who}@x.org,viewer,W")).collect();
        let text = format!("email,role,workspace\n{}\n", rows.join("\n"));
        let some = rendered(&text, &plan, Detail::Some);
        assert_eq!(some.matches("| add |").count(), 20);
        assert!(some.contains("3 more are not shown"), "{some}");
        assert_eq!(rendered(&text, &plan, Detail::All).matches("| add |").count(), 23);
    }
}
