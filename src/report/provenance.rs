//! Who began a run, who approved it, and how far its journal goes: the lines of a report that an auditor
//! looks for.
//!
//! Main function: [`provenance`], from a [`Summary`] to text. It prints nothing itself.

use std::fmt::Write as _;

use super::shell_word;
use super::summary::Summary;

/// Some lines, the last one ended; none for a run of which nothing of it is known.
pub fn provenance(summary: &Summary) -> String {
    let summary = &summary.shown();
    let mut text = String::new();
    let people = [("applied by ", &summary.caller), ("approved by ", &summary.approved_by)];
    let people = people.into_iter().filter_map(|(what, name)| Some(format!("{what}{}", name.as_ref()?)));
    let people: Vec<String> = people.collect();
    if !people.is_empty() {
        writeln!(text, "{}", people.join(", ")).expect("a string takes every text");
    }
    if let Some(journal) = &summary.journal {
        let (lines, head, folder) = (journal.lines, &journal.head, shell_word(&summary.folder));
        writeln!(text, "journal: {lines} lines, chain head {head}").expect("a string takes every text");
        writeln!(text, "to check it:\n    houston-onboard report --verify {folder}")
            .expect("a string takes every text");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::is_harmless;
    use crate::report::fixture::{Fixture, HOSTILE};
    use crate::report::summary::JournalEnd;

    #[test]
    fn it_names_the_caller_who_approved_and_the_head() {
        let mut summary = Summary::new(&Fixture::new().history, Fixture::shown(), Some(0));
        summary.caller = Some("ann@example.com".to_owned());
        summary.approved_by = Some(format!("Ben{HOSTILE}"));
        summary.journal = Some(JournalEnd { lines: 41, head: "9f86d081".to_owned() });
        let text = provenance(&summary);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("applied by ann@example.com, approved by Ben"), "{text}");
        assert!(text.chars().all(|c| c == '\n' || is_harmless(c)), "{text:?}");
        assert_eq!(lines[1], "journal: 41 lines, chain head 9f86d081");
        assert_eq!(lines[2], "to check it:");
        assert_eq!(lines[3], "    houston-onboard report --verify onboard-runs/20261123T154500Z-k3f9");
        (summary.caller, summary.approved_by, summary.journal) = (None, None, None);
        assert_eq!(provenance(&summary), "");
    }
}
