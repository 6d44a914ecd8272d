//! What a command came to in one small object, for `--summary-file`: also of one that failed before it
//! had a run, or that a signal ended.
//!
//! Main type: [`CommandSummary`]. Of a run it has what `summary.json` has.

use std::path::Path;

use serde::{Serialize, Serializer};

use super::known::{Facts, PlanFacts};
use super::summary::{LIMIT, RunState, Summary, shorten};
use crate::model::escaped_json;
use crate::outcome::{Status, Tally};

/// A command that writes a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CommandName {
    /// `plan`.
    Plan,
    /// `apply`.
    Apply,
    /// `resume`.
    Resume,
}

impl CommandName {
    /// The word that is typed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Apply => "apply",
            Self::Resume => "resume",
        }
    }
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ErrorText {
    /// The error and its causes.
    pub text: String,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What a command came to.
#[derive(Debug, Clone)]
pub struct CommandSummary {
    /// Which command.
    pub command: CommandName,
    /// What the program ends with.
    pub exit_status: u8,
    /// What went wrong, if the command failed.
    pub error: Option<ErrorText>,
    /// What is known besides.
    pub facts: Facts,
}

/// The object in the file.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "CommandSummary"))]
pub(super) struct Document<'s> {
    command: CommandName,
    error: Option<&'s ErrorText>,
    /// The plan, if one was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<PlanFacts>,
    /// The digest of the plan, if it was saved.
    #[serde(skip_serializing_if = "Option::is_none")]
    plan_digest: Option<&'s str>,
    #[serde(flatten)]
    rest: Rest<'s>,
}

#[derive(Serialize)]
#[serde(untagged)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum Rest<'s> {
    /// What `summary.json` has.
    Run(&'s Summary),
    /// There is no run, or its files are not written.
    Early {
        /// Version of this object: 1. Fields may be added under the same version.
        schema_version: u32,
        exit_status: u8,
        /// The id of the run, if one has begun.
        #[serde(skip_serializing_if = "Option::is_none")]
        run: Option<&'s str>,
        /// Its folder.
        #[serde(skip_serializing_if = "Option::is_none")]
        folder: Option<&'s Path>,
        #[serde(skip_serializing_if = "Option::is_none")]
        state: Option<RunState>,
        #[serde(flatten)]
        sent: Option<Box<Sent>>,
    },
}

/// What was sent before the command ended without reports.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Sent {
    /// Rows per status so far. How many are in doubt or were not tried is known only from the run's files.
    #[serde(serialize_with = "by_known_status")]
    #[cfg_attr(test, schemars(with = "std::collections::BTreeMap<crate::outcome::Status, u64>"))]
    counts: Tally,
    /// Changes that were begun or due and have no outcome yet.
    unsettled: u64,
    /// Requests of every kind so far.
    requests: u64,
    /// Requests that were sent again.
    retries: u64,
}

impl Sent {
    fn of(counts: Tally) -> Self {
        let (requests, retries) = (counts.requests, counts.strain.retries);
        Self { counts, unsettled: counts.operations.saturating_sub(counts.concluded), requests, retries }
    }
}

/// The rows per status of a run that has not ended.
fn by_known_status<S: Serializer>(tally: &Tally, serializer: S) -> Result<S::Ok, S::Error> {
    let known = Status::ALL.into_iter().filter(|status| is_known_early(*status));
    serializer.collect_map(known.map(|status| (status, tally.of(status))))
}

/// Whether the number of rows with this status is known before a run has ended.
pub(super) fn is_known_early(status: Status) -> bool {
    !matches!(status, Status::InDoubt | Status::NotRun)
}

impl CommandSummary {
    /// One line of JSON of at most [`LIMIT`] bytes. Long texts are cut, and the rarest classes of failures
    /// are left to `other_failures`.
    pub fn to_json(&self) -> String {
        let mut error = self.error.clone();
        for text in error.iter_mut().flat_map(|error| std::iter::once(&mut error.text).chain(&mut error.hint))
        {
            shorten(text);
        }
        let write = |run: Option<&Summary>| {
            let json = serde_json::to_string(&self.document(error.as_ref(), run));
            escaped_json(&(json.expect("texts and numbers serialise") + "\n")).into_owned()
        };
        match &self.facts.run {
            None => write(None),
            Some(run) => {
                let run = Summary { exit_status: Some(self.exit_status), ..(**run).clone() };
                run.fitted(LIMIT, |small| write(Some(small)))
            }
        }
    }

    fn document<'s>(&'s self, error: Option<&'s ErrorText>, run: Option<&'s Summary>) -> Document<'s> {
        let recorded = self.facts.recorded.as_ref();
        let early = || Rest::Early {
            schema_version: 1,
            exit_status: self.exit_status,
            run: recorded.map(|recorded| &*recorded.run),
            folder: recorded.map(|recorded| &*recorded.folder),
            state: recorded.map(|_| RunState::BrokenOff),
            sent: self.facts.tally.map(|tally| Box::new(Sent::of(tally))),
        };
        let rest = run.map_or_else(early, Rest::Run);
        let digest = self.facts.digest.as_deref();
        Document { command: self.command, error, plan: self.facts.plan, plan_digest: digest, rest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Cause, Code};
    use crate::plan::Counts;
    use crate::plan::guard::GuardVerdict;
    use crate::report::fixture::{Fixture, HOSTILE};

    fn plan() -> PlanFacts {
        let counts = Counts { add: 12, unchanged: 3, ..Counts::default() };
        PlanFacts { counts, changes: 12, changes_pending: true, guard: GuardVerdict::Passed }
    }

    #[test]
    fn a_command_that_failed_early_says_so() {
        let error = ErrorText { text: "no such file".to_owned(), hint: Some("check the path".to_owned()) };
        let summary = CommandSummary {
            command: CommandName::Apply,
            exit_status: 3,
            error: Some(error),
            facts: Facts::default(),
        };
        insta::assert_snapshot!(summary.to_json(), @r#"{"command":"apply","error":{"text":"no such file","hint":"check the path"},"schema_version":1,"exit_status":3}"#);
    }

    #[test]
    fn a_plan_is_counted_and_what_was_sent_before_a_signal_too() {
        let mut tally = Tally::default();
        (tally.requests, tally.operations, tally.concluded) = (9, 8, 3);
        let facts = Facts { plan: Some(plan()), tally: Some(tally), ..Facts::default() };
        let summary = CommandSummary { command: CommandName::Apply, exit_status: 130, error: None, facts };
        let value: serde_json::Value = serde_json::from_str(&summary.to_json()).expect("JSON");
        assert_eq!(value["plan"]["counts"]["add"], 12);
        assert_eq!((&value["plan"]["guard"], &value["unsettled"]), (&"passed".into(), &5.into()));
        assert_eq!((&value["requests"], &value["counts"]["added"]), (&9.into(), &0.into()));
        for unknown in ["in_doubt", "not_run"] {
            assert_eq!(value["counts"].get(unknown), None, "it is not 0");
        }
    }

    #[test]
    fn it_fits_a_termination_message_whatever_went_wrong() {
        let text = format!("\"\\{HOSTILE}é例🦀").repeat(100);
        let ends: Vec<_> = (0..100)
            .map(|n| (Status::Rejected, Some(Cause::new(Code::Other(format!("c{n}{text}")), text.clone()))))
            .collect();
        let run = Summary::new(&Fixture::with(&ends, None).history, std::path::Path::new(&text), Some(8));
        let facts = Facts {
            plan: Some(plan()),
            digest: Some("d".repeat(64)),
            run: Some(Box::new(run)),
            ..Facts::default()
        };
        let error = Some(ErrorText { text: text.clone(), hint: Some(text) });
        let summary = CommandSummary { command: CommandName::Resume, exit_status: 1, error, facts };
        let json = summary.to_json();
        assert!(json.len() <= LIMIT, "{}", json.len());
        let value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(value["exit_status"], 1, "what the program ends with, not what the run did");
        assert!(value["other_failures"].as_u64() > Some(0) && !json.trim_end().contains('\n'));
    }
}
