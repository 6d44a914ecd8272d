//! Who began a run, who approved it, and how far its journal goes: the lines of a report that an auditor
//! looks for.
//!
//! Main function: [`provenance`], from a [`Summary`] to text. It prints nothing itself.

use std::fmt::Write as _;

use super::shell_word;
use super::summary::{JournalEnd, Summary};
use crate::record::journal::ChainKind;

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
        let JournalEnd { lines, head, .. } = journal;
        let command = verify_command(summary, journal);
        writeln!(text, "journal: {lines} lines, chain head {head}\nto check it:\n    {command}")
            .expect("a string takes every text");
    }
    text
}

/// The command that checks the journal.
pub fn verify_command(summary: &Summary, journal: &JournalEnd) -> String {
    let key = match journal.chained_by {
        ChainKind::Sha256 => "",
        ChainKind::HmacSha256 => " --audit-key-file FILE",
    };
    format!("houston-onboard report --verify {}{key}", shell_word(&summary.folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::is_harmless;
    use crate::report::fixture::{Fixture, HOSTILE};

    #[test]
    fn it_names_the_caller_who_approved_and_the_head() {
        let mut summary = Summary::new(&Fixture::new().history, Fixture::shown(), Some(0));
        summary.caller = Some("ann@example.com".to_owned());
        summary.approved_by = Some(format!("Ben{HOSTILE}"));
        summary.journal =
            Some(JournalEnd { lines: 41, head: "9f86d081".to_owned(), chained_by: ChainKind::Sha256 });
        let text = provenance(&summary);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("applied by ann@example.com, approved by Ben"), "{text}");
        assert!(text.chars().all(|c| c == '\n' || is_harmless(c)), "{text:?}");
        assert_eq!(lines[1], "journal: 41 lines, chain head 9f86d081");
        assert_eq!(lines[2], "to check it:");
        assert_eq!(lines[3], "    houston-onboard report --verify onboard-runs/20261123T154500Z-k3f9");
        summary.journal.as_mut().expect("there").chained_by = ChainKind::HmacSha256;
        assert!(provenance(&summary).ends_with("-k3f9 --audit-key-file FILE\n"));
        (summary.caller, summary.approved_by, summary.journal) = (None, None, None);
        assert_eq!(provenance(&summary), "");
    }
}
