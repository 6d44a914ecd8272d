//! A plan as Markdown, for a pull request or a ticket: a table per workspace.
//!
//! Main function: `PlanReport::markdown`. It shows; it decides nothing.

use std::fmt::Write as _;

use super::extras::ExtraRow;
use super::grants::{GrantRow, mark};
use super::{Detail, PlanReport, PlannedRow, SHOWN, summed_up};
use crate::plan::extra::Extra;
use crate::plan::grant::Grant;
use crate::report::escape::{markdown, markdown_line};

/// What a plan has about one workspace.
#[derive(Default)]
struct Share<'p> {
    rows: Vec<usize>,
    grants: Vec<&'p Grant>,
    extras: Vec<&'p Extra>,
}

impl PlanReport<'_> {
    /// The plan as Markdown. Its tables hold the people with something to do or to report.
    pub(super) fn markdown(&self, detail: Detail) -> String {
        let mut text = String::new();
        self.write_markdown(&mut text, detail).expect("a string takes every text");
        text
    }

    fn write_markdown(&self, text: &mut String, detail: Detail) -> std::fmt::Result {
        writeln!(text, "# {}\n", markdown_line(&self.title()))?;
        write!(text, "{}", self.closing(markdown_line))?;
        let (by_workspace, elsewhere) = self.grouped();
        let named = self.titles().zip(by_workspace).enumerate();
        let named = named.map(|(index, (name, rows))| {
            (name, Share { rows, grants: self.grants_of(index), extras: self.extras_of(index) })
        });
        let elsewhere = Share { rows: elsewhere, ..Share::default() };
        for (name, share) in named.chain([("Not compared".to_owned(), elsewhere)]) {
            let Share { rows, grants, extras } = &share;
            if !rows.is_empty() || !extras.is_empty() {
                let counts = self.counts_with(rows, grants, extras);
                writeln!(text, "\n## {}: {}", markdown_line(&name), summed_up(counts))?;
                self.table(text, &share, detail)?;
            }
        }
        Ok(())
    }

    fn table(&self, text: &mut String, share: &Share<'_>, detail: Detail) -> std::fmt::Result {
        let Share { rows, grants, extras } = share;
        let shown: Vec<usize> = rows.iter().copied().filter(|&row| self.mark(row).is_some()).collect();
        let grants: Vec<&Grant> = grants.iter().copied().filter(|grant| mark(grant).is_some()).collect();
        if shown.is_empty() && grants.is_empty() && extras.is_empty() {
            return Ok(());
        }
        writeln!(
            text,
            "\n| email | action | from | to | reason | line |\n| --- | --- | --- | --- | --- | --- |"
        )?;
        let limit = if detail == Detail::All { shown.len() } else { 4 * SHOWN };
        for &index in shown.iter().take(limit) {
            let PlannedRow { line, email, workspace: _, workspace_id: _, action, from_role, to_role, reason } =
                self.row(index);
            let (from, to) = (from_role.unwrap_or_default(), to_role.unwrap_or_default());
            let (email, reason) = (markdown(email), markdown(&reason));
            writeln!(text, "| {email} | {action} | {from} | {to} | {reason} | {line} |")?;
        }
        let grant_limit = if detail == Detail::All { grants.len() } else { 4 * SHOWN };
        for grant in grants.iter().take(grant_limit) {
            let GrantRow { line, email, action, from_role, to_role, reason, .. } = self.grant(grant);
            let (from, to) = (from_role.unwrap_or_default(), to_role.unwrap_or_default());
            let (email, reason) = (markdown(email), markdown(&reason));
            writeln!(text, "| {email} | {action} | {from} | {to} | {reason} | {line} |")?;
        }
        let extra_limit = if detail == Detail::All { extras.len() } else { 4 * SHOWN };
        for extra in extras.iter().take(extra_limit) {
            let ExtraRow { email, action, from_role, reason, .. } = self.extra(extra);
            let (email, from, reason) = (markdown(email), from_role.unwrap_or_default(), markdown(&reason));
            writeln!(text, "| {email} | {action} | {from} |  | {reason} |  |")?;
        }
        let more = shown.len().saturating_sub(limit)
            + grants.len().saturating_sub(grant_limit)
            + extras.len().saturating_sub(extra_limit);
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
    use crate::model::{Level, WorkspaceId};
    use crate::outcome::{Cause, Code};
    use crate::plan::{Action, Decision, Holder, Membership, Plan, Reason, RowPlan, Workspace};
    use crate::roster::{Roster, Settings, spool_text};

    fn rendered(text: &str, plan: &Plan, detail: Detail) -> String {
        let file = spool_text(text).unwrap();
        let roster = Roster::from_file(file, "r.csv", &Settings::default()).unwrap();
        let report = PlanReport {
            plan,
            roster: &roster,
            name: "r|1.csv",
            target: "https://houston.example.com/v1",
            houston_version: Some("2.1.0"),
            estimate: Estimate {
                requests: 4,
                mutations: 2,
                reads: 2,
                seconds: 95,
                token_seconds: Some(3 * 3600),
            },
            stale: None,
        };
        report.render(PlanFormat::Md, detail).unwrap()
    }

    fn workspace(label: &str) -> Workspace {
        Workspace { id: WorkspaceId::new("ck1").unwrap(), label: Some(label.to_owned()) }
    }

    #[test]
    fn every_workspace_has_a_table_and_no_text_breaks_out_of_it() {
        let row = |decision, seen| RowPlan { workspace: Some(0), seen, decision };
        let cause = Arc::new(Cause::new(Code::Other("x".to_owned()), "a|b\n<script> [x](y)"));
        let change = Action::SetRole { from: Level::Admin, to: Level::Viewer, holder: Holder::Member };
        let seen = Membership::Invited { role: Some(Level::Admin), invites: 1 };
        let plan = Plan {
            workspaces: vec![workspace("Data | <b>\n# all")],
            rows: vec![
                row(Decision::Change(Action::Add(Level::Viewer)), Some(Membership::Absent)),
                row(Decision::Change(change), Some(seen)),
                row(Decision::Keep(Reason::Unchanged), None),
                RowPlan { workspace: None, seen: None, decision: Decision::Keep(Reason::Rejected(cause)) },
            ],
            ..Plan::default()
        };
        let text =
            "email,role,workspace\na@x.org,viewer,W\nb@x.org,viewer,W\nc@x.org,viewer,W\nd@x.org,viewer,V\n";
        insta::assert_snapshot!(rendered(text, &plan, Detail::Some), @r"
        # Plan for r\|1.csv on `https://houston.example.com/v1` (Houston 2.1.0)

        Total: 1 to add, 1 role to change, 1 unchanged, 1 rejected.
        2 mutations and about 2 reads, 1m 35s at this rate; the token is valid for another 3h 00m.

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
        let row = || RowPlan {
            workspace: Some(0),
            seen: Some(Membership::Absent),
            decision: Decision::Change(Action::Add(Level::Viewer)),
        };
        let rows = (0..23).map(|_| row()).collect();
        let plan = Plan { workspaces: vec![workspace("W")], rows, ..Plan::default() };
        let rows: Vec<_> = (0..23).map(|who| format!("p{who}@x.org,viewer,W")).collect();
        let text = format!("email,role,workspace\n{}\n", rows.join("\n"));
        let some = rendered(&text, &plan, Detail::Some);
        assert_eq!(some.matches("| add |").count(), 20);
        assert!(some.contains("3 more are not shown"), "{some}");
        assert_eq!(rendered(&text, &plan, Detail::All).matches("| add |").count(), 23);
    }
}
