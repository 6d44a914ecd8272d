//! `plan`: what `apply` would do with the same settings. It only reads.
//!
//! Main type: [`Planned`]. The caller shows its text, and then asks for the exit status.

use super::explain::explain;
use super::failure::Failure;
use super::planning::prepared::{Look, PreparedPlan};
use super::planning::roster::ResolvedInput;
use super::planning::stale::{Age, find};
use super::saved;
use super::session::{Session, mail};
use crate::outcome::ExitStatus;
use crate::plan::guard::GuardVerdict;
use crate::record::journal::RunSettings;
use crate::report::Reporter;
use crate::report::atomic::Draft;
use crate::report::plan::{Detail, PlanFormat};

/// What is shown of a plan.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// In which format.
    pub format: PlanFormat,
    /// How much of it.
    pub detail: Detail,
    /// The person to explain instead of showing the plan.
    pub explain: Option<&'a str>,
    /// The minimum age of the invitations to list.
    pub older_than: Option<Age>,
}

/// A plan, made to be looked at.
pub struct Planned<'a> {
    input: ResolvedInput,
    prepared: PreparedPlan,
    settings: &'a RunSettings,
    session: &'a Session,
}

impl<'a> Planned<'a> {
    /// Makes the plan.
    ///
    /// # Errors
    /// As [`PreparedPlan::prepare`].
    pub fn prepare(
        mut input: ResolvedInput,
        settings: &'a RunSettings,
        session: &'a Session,
        progress: &mut dyn Reporter,
    ) -> Result<Self, Failure> {
        let prepared = PreparedPlan::prepare(&mut input, settings, session, progress)?;
        Ok(Self { input, prepared, settings, session })
    }

    /// What is shown of it; `digest` is its own, where it is saved already.
    ///
    /// # Errors
    /// It cannot be written in that format, or the person to explain is not in the roster.
    pub fn render(&self, shown: &Shown<'_>, digest: Option<&str>) -> Result<String, Failure> {
        let Self { input, prepared, settings, session } = self;
        if let Some(email) = shown.explain {
            return explain(email, prepared, input, mail(settings), session, shown.format);
        }
        let now = jiff::Timestamp::now();
        let stale = shown.older_than.map(|age| find(prepared, input, session, age, now));
        let look = Look { format: shown.format, detail: shown.detail, stale: stale.as_ref(), digest };
        prepared.render(input, session, settings, look)
    }

    /// Saves it in the file that [`saved::begin`] has begun, and gives its digest.
    ///
    /// # Errors
    /// As [`saved::save`].
    pub fn save(&self, draft: Draft) -> Result<String, Failure> {
        saved::save(draft, &self.prepared, &self.input, self.settings.clone(), self.session)
    }

    /// The exit status of what was shown. `has_status_for_changes`: whether changes to make have a status
    /// of their own.
    ///
    /// # Errors
    /// More would be removed than is allowed (7).
    pub fn status(&self, shown: &Shown<'_>, has_status_for_changes: bool) -> Result<ExitStatus, Failure> {
        let Self { prepared, settings, session, .. } = self;
        if shown.explain.is_some() || !shown.format.shows_guards() {
            prepared.announce_excess(settings, &session.notices);
        }
        if prepared.guard(settings) == GuardVerdict::Refused {
            let error = anyhow::anyhow!("`apply` would refuse this plan: too many people would be removed");
            return Err(Failure::new(ExitStatus::Guard, error).hint(prepared.what_would_allow()));
        }
        let changes = prepared.changes() > 0;
        let status = prepared.status();
        Ok(if status != ExitStatus::Done {
            status
        } else if has_status_for_changes && changes {
            ExitStatus::ChangesPending
        } else {
            ExitStatus::good(changes, settings.exit_code_unchanged)
        })
    }
}
