//! `plan`: what `apply` would do with the same flags, and what it would end with. It reads only.
//!
//! Main types: [`PlanArgs`] and [`PreparedPlan`], a plan together with what it was made from, which `apply`
//! uses too.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{GlobalArgs, print, print_data, tell};
use crate::engine::part::Subjects;
use crate::event::Event;
use crate::houston::DeploymentGrant;
use crate::model::RowNumber;
use crate::ops::explain::explain;
use crate::ops::failure::Failure;
use crate::ops::planning::deployments::come_with_adds;
use crate::ops::planning::plan;
use crate::ops::planning::roster::{Input, ResolvedInput};
use crate::ops::planning::stale::{Age, find};
use crate::ops::saved;
use crate::ops::saved::fits;
use crate::ops::session::{Access, Destination, SafetyArgs, Session, WorkArgs};
use crate::outcome::ExitStatus;
use crate::plan::grant::Grant;
use crate::plan::guard::{OnGuard, Refusal};
use crate::plan::{Counts, Decision, Operation, Plan};
use crate::record::journal::PlanLine;
use crate::report::plan::stale::Stale;
use crate::report::plan::{Detail, Estimate, PlanFormat, PlanReport};
use crate::report::terminal::Progress;
use crate::roster::Roster;

/// Show what `apply` would do with the same flags
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// Roster, target, pace and safety
    #[command(flatten)]
    pub work: WorkArgs,

    /// How the plan is shown
    #[command(flatten)]
    pub show: ShowArgs,

    /// End with 10 if something is to be done
    #[arg(long, help_heading = "Output")]
    pub detailed_exitcode: bool,

    /// Instead of the plan, show of this person what Houston has, which rule decides, and what exactly
    /// would be sent
    #[arg(long, value_name = "EMAIL", help_heading = "Output")]
    pub explain: Option<String>,

    /// List pending invitations that are older than this, such as 14d; the plan stays what it is
    #[arg(long, value_name = "AGE", help_heading = "Output")]
    pub invites_older_than: Option<Age>,

    /// Save the plan, for `apply --plan`; it holds the roster, and only its owner may read it. Its
    /// digest is printed on standard error
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
}

/// How a plan is shown.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct ShowArgs {
    /// How the plan is written
    #[arg(long, value_enum, default_value_t)]
    pub format: PlanFormat,

    /// Show everybody, not only the first few of each workspace
    #[arg(long)]
    pub all: bool,
}

impl ShowArgs {
    fn detail(&self) -> Detail {
        if self.all { Detail::All } else { Detail::Some }
    }
}

/// A plan, its operations, and what it was made from.
pub struct PreparedPlan {
    /// The decisions.
    pub plan: Plan,
    /// The mutations.
    pub operations: Vec<Operation>,
    /// How many rows were decided in which way.
    pub counts: Counts,
    /// Whether roles in deployments are given together with the adds.
    grants_come_along: bool,
}

impl PreparedPlan {
    /// Reads what is there and decides every row.
    ///
    /// # Errors
    /// As [`plan`]; or it is not the plan that was saved (9), or the installation's policy refuses
    /// what the plan would do (5).
    pub fn prepare(
        input: &mut ResolvedInput,
        work: &WorkArgs,
        session: &Session,
        progress: &mut Progress,
    ) -> Result<Self, Failure> {
        let places = std::mem::take(&mut input.places);
        let announce = &mut |event: &Event<'_>| session.show(event, progress);
        let wishes = std::mem::take(&mut input.wishes);
        let plan = plan(&input.roster, places, wishes, &work.safety.remembered(), session, announce)?;
        input.rows_of_grants.get_or_init(|| plan.grants.iter().map(|grant| grant.row).collect());
        let role = |row: RowNumber| input.roster.assignment(row).map(|wish| wish.role);
        let operations = plan.operations(role);
        let counts = plan.counts();
        let grants_come_along = come_with_adds(&plan, session);
        let prepared = Self { plan, operations, counts, grants_come_along };
        if let Some(expected) = input.expected.take() {
            fits(&expected, prepared.lines(&input.roster), input.roster.len(), &session.url)?;
        }
        if prepared.counts.add + prepared.counts.renew > 0 {
            session.check_policy(&work.safety)?;
        }
        if prepared.takes_away() {
            session.identity.check(&session.url)?;
        }
        if prepared.changes() > 0 {
            session.warn_of_token(prepared.requests());
        }
        Ok(prepared)
    }

    /// What was seen and decided: a line per row, then one per role in a deployment, then one per person
    /// who is not in the roster.
    pub fn lines(&self, roster: &Roster) -> impl Iterator<Item = PlanLine> {
        let rows = (0..roster.len())
            .map(RowNumber::from_index)
            .map(|row| PlanLine::new(&self.plan, row, roster.line(row), roster.assignment(row).as_ref()));
        let behind = |at: usize| RowNumber::from_index(roster.len() + at);
        let grants = self.plan.grants.iter().enumerate().filter_map(move |(at, grant)| {
            let wish = roster.assignment(grant.row)?;
            Some(PlanLine::of_grant(&self.plan, grant, &wish, behind(at)))
        });
        let extras = self.plan.extras.iter().zip(self.plan.grants.len()..);
        let extras = extras.map(move |(extra, at)| PlanLine::of_extra(&self.plan, extra, behind(at)));
        rows.chain(grants).chain(extras)
    }

    /// Mutations of members.
    pub fn changes(&self) -> usize {
        self.operations.len() + self.grants_alone().count() + self.plan.leavers().count()
    }

    /// What rows are about beside a person in a workspace: roles in deployments that come along with adds,
    /// for a server that takes them so, and who is taken away first.
    pub fn along(&self) -> Subjects {
        let mut subjects = Subjects { first: self.plan.rows.len(), ..Subjects::default() };
        subjects.replacements = self.plan.replacements.iter().map(|(row, all)| (*row, all.clone())).collect();
        let wanted = self.plan.grants.iter().filter(|grant| grant.decision == Decision::Add);
        for grant in wanted.filter(|_| self.grants_come_along) {
            let Some(role) = grant.role else { continue };
            let along = DeploymentGrant { deployment: grant.deployment.id.clone(), role };
            subjects.along.entry(grant.row).or_default().push(along);
        }
        subjects
    }

    /// The roles in deployments that need a mutation of their own.
    fn grants_alone(&self) -> impl Iterator<Item = &Grant> {
        let changed = self.plan.grants.iter().filter(|grant| grant.decision.is_change());
        changed.filter(|grant| !self.comes_along(grant))
    }

    /// Whether a role in a deployment is given in the same request as the one in the workspace.
    pub fn comes_along(&self, grant: &Grant) -> bool {
        self.grants_come_along && self.plan.rows[grant.row.index()].decision == Decision::Add
    }

    /// Whether anybody is removed or demoted, also for a moment or in a deployment.
    fn takes_away(&self) -> bool {
        let grants = self.plan.grants.iter();
        self.plan.leavers().next().is_some()
            || takes_away(&self.operations)
            || grants
                .filter_map(|grant| grant.operation(grant.row))
                .any(|operation| operation.kind.takes_away())
    }

    /// Says which limits the removals do not keep to; stops there unless only they are to be left out.
    ///
    /// # Errors
    /// More would be removed than is allowed (7).
    pub fn refuse(&self, safety: &SafetyArgs) -> Result<(), Failure> {
        let refusals = &self.plan.refusals;
        if refusals.is_empty() {
            return Ok(());
        }
        let place = |refusal: &Refusal| match refusal.workspace {
            Some(place) => format!("{}: ", self.plan.workspaces[place as usize]),
            None => "in all: ".to_owned(),
        };
        for refusal in refusals {
            tell(&format!("guard: {}{refusal}", place(refusal)));
        }
        let needed: Vec<_> = self.plan.limits_needed.iter().map(ToString::to_string).collect();
        let allow = needed.join(" ");
        if safety.prune.limits.on_guard() == OnGuard::SkipRemovals {
            tell(&format!("these removals are left out; {allow} would allow them"));
            return Ok(());
        }
        let error = anyhow::anyhow!("too many people would be removed; nothing was sent");
        Err(Failure::new(ExitStatus::Guard, error)
            .hint(format!("{allow} would allow it; --on-guard skip-removals carries out everything else")))
    }

    /// The plan in a format.
    ///
    /// # Errors
    /// If it cannot be written in that format.
    pub fn render(
        &self,
        input: &ResolvedInput,
        session: &Session,
        show: &ShowArgs,
        stale: Option<&Stale>,
    ) -> Result<String, Failure> {
        let version = session.version();
        let report = PlanReport {
            plan: &self.plan,
            roster: &input.roster,
            name: &input.name,
            target: &session.url,
            houston_version: version.as_deref(),
            estimate: self.estimate(session),
            stale,
        };
        report.render(show.format, show.detail()).map_err(|error| Failure::new(ExitStatus::Internal, error))
    }

    fn requests(&self) -> u64 {
        let leavers = self.plan.leavers().map(|leaver| leaver.workspace);
        let grants = self.grants_alone().map(|grant| grant.workspace);
        requests(&self.operations) + requests_of_part(leavers) + requests_of_part(grants)
    }

    fn estimate(&self, session: &Session) -> Estimate {
        // A workspace that is created is read after it.
        let created = self.plan.to_create.len() as u64;
        // Who is added again is taken away first.
        let replacements: usize = self.plan.replacements.values().map(Vec::len).sum();
        let mutations = (self.changes() + replacements) as u64 + created;
        let requests = self.requests() + replacements as u64 + 2 * created;
        let seconds = session.settings.rate.map_or(0, |rate| {
            let time = rate.period().mul_f64(f64::from(u32::try_from(requests).unwrap_or(u32::MAX)));
            time.as_secs()
        });
        let token_seconds = session.token_left().map(|left| left.as_secs());
        Estimate { requests, mutations, reads: requests - mutations, seconds, token_seconds }
    }

    /// What a run of this plan would end with, if everything it sends goes well.
    pub fn status(&self) -> ExitStatus {
        if self.counts.gave_up > 0 {
            ExitStatus::Unresolved
        } else if self.counts.held_back > 0 {
            ExitStatus::Guard
        } else if self.counts.rejected + self.counts.invalid > 0 {
            ExitStatus::RowsFailed
        } else {
            ExitStatus::Done
        }
    }
}

/// Whether anybody is removed or demoted by these, also for a moment.
pub fn takes_away(operations: &[Operation]) -> bool {
    operations.iter().any(|operation| operation.kind.takes_away())
}

/// How many requests a later part of a run needs whose operations are in these workspaces: each one, a
/// look and a proof per workspace, and the first one's read-back where there is one.
fn requests_of_part(workspaces: impl Iterator<Item = u32>) -> u64 {
    let mut shares: HashMap<u32, u64> = HashMap::new();
    workspaces.for_each(|workspace| *shares.entry(workspace).or_default() += 1);
    shares.values().map(|&all| all + if all > 4 { 3 } else { 2 }).sum()
}

/// How many requests carry these operations out: a mutation each, and per workspace the proof; the
/// first row's read-back where there is one.
pub fn requests(operations: &[Operation]) -> u64 {
    let workspaces = operations.chunk_by(|a, b| a.workspace == b.workspace);
    let reads: u64 = workspaces.map(|rows| if rows.len() > 4 { 2 } else { 1 }).sum();
    operations.len() as u64 + reads
}

/// Shows the plan.
///
/// # Errors
/// The roster (3), the token (4) or the target (5) cannot be used.
pub fn run(args: &PlanArgs, global: &GlobalArgs) -> Result<ExitStatus, Failure> {
    if args.explain.is_some() && !matches!(args.show.format, PlanFormat::Human | PlanFormat::Json) {
        let error = anyhow::anyhow!("--explain goes with --format human or json");
        return Err(Failure::new(ExitStatus::Usage, error));
    }
    if args.invites_older_than.is_some() && args.show.format == PlanFormat::Csv {
        let error = anyhow::anyhow!("--invites-older-than goes with --format human, json or md");
        return Err(Failure::new(ExitStatus::Usage, error));
    }
    refuse_to_overwrite(args)?;
    let destination = Destination::new(&args.work.target, &args.work.pace)?;
    let input = Input::read(&args.work)?;
    let destination = destination.with_token(&args.work.target)?;
    let session = Session::open(destination, &args.work.target, Access::ReadOnly)?;
    let after = After {
        older_than: args.invites_older_than,
        detailed_exitcode: args.detailed_exitcode,
        save_as: args.out.as_deref(),
        explain: args.explain.as_deref(),
    };
    show(input, &args.work, &args.show, &after, &session, global)
}

/// The plan must not take the place of the roster that it is made of.
fn refuse_to_overwrite(args: &PlanArgs) -> Result<(), Failure> {
    let file = |path: &Path| std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file);
    let roster = args.work.roster.as_deref().and_then(file);
    match (roster, args.out.as_deref().and_then(file)) {
        (Some(roster), Some(out)) if (roster.dev(), roster.ino()) == (out.dev(), out.ino()) => {
            let error = anyhow::anyhow!("--out names the roster: the plan would replace it");
            Err(Failure::new(ExitStatus::Usage, error).hint("choose another file with --out"))
        }
        _ => Ok(()),
    }
}

/// What is done with a plan that has been shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct After<'a> {
    /// Pending changes have a status of their own.
    pub detailed_exitcode: bool,
    /// The file that it is saved in.
    pub save_as: Option<&'a Path>,
    /// The person of whom more is shown, instead of the plan.
    pub explain: Option<&'a str>,
    /// How old invitations are at least that are listed.
    pub older_than: Option<Age>,
}

/// Draws the plan and prints it.
///
/// # Errors
/// As [`run`].
pub fn show(
    input: Input,
    work: &WorkArgs,
    show: &ShowArgs,
    after: &After<'_>,
    session: &Session,
    global: &GlobalArgs,
) -> Result<ExitStatus, Failure> {
    let draft = after.save_as.map(saved::begin).transpose()?;
    let mut input = input.resolve(session)?;
    let mut progress = input.progress(global);
    let prepared = PreparedPlan::prepare(&mut input, work, session, &mut progress)?;
    drop(progress);
    let text = if let Some(email) = after.explain {
        explain(email, &prepared, &input, &work.safety, session, show.format)?
    } else {
        let now = jiff::Timestamp::now();
        let stale = after.older_than.map(|age| find(&prepared, &input, session, age, now));
        prepared.render(&input, session, show, stale.as_ref())?
    };
    match show.format {
        PlanFormat::Human => print(&text)?,
        PlanFormat::Json | PlanFormat::Csv | PlanFormat::Md => print_data(&text)?,
    }
    if let Some(draft) = draft {
        saved::save(draft, &prepared, &input, &work.safety, session)?;
    }
    prepared.refuse(&work.safety)?;
    let changes = prepared.changes() > 0;
    let status = prepared.status();
    Ok(if status != ExitStatus::Done {
        status
    } else if after.detailed_exitcode && changes {
        ExitStatus::ChangesPending
    } else {
        work.safety.good(changes)
    })
}
