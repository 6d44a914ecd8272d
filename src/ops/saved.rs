//! Plans in files: `plan --out` saves one, `apply --plan` carries it out if the present is still the
//! one that it was made for.
//!
//! Main type: [`Saved`]; main function: [`save`].

use std::io::BufWriter;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;

use super::session::Session;
use crate::model::target_key::is_same_target;
use crate::model::{Shard, printable};
use crate::ops::failure::Failure;
use crate::ops::limits::Limits;
use crate::ops::notices::Notices;
use crate::ops::planning::expected::Expected;
use crate::ops::planning::prepared::PreparedPlan;
use crate::ops::planning::roster::{Input, ResolvedInput};
use crate::outcome::ExitStatus;
use crate::plan::guard::OnGuard;
use crate::record::folder::RunFolder;
use crate::record::journal::{History, RunSettings};
use crate::record::saved_plan::{SCHEMA_VERSION, SavedPlan, is_saved_plan};
use crate::report::atomic::Draft;
use crate::report::notices::Notice;
use crate::report::shell_word;
use crate::roster::{Roster, Settings, spool_text};

/// The hexadecimal digits of a digest.
const DIGITS: usize = 64;

/// Compares the approved digest with that of the plan.
fn check_approval(approved: &str, digest: &str) -> Result<(), Failure> {
    let approved = approved.trim().to_ascii_lowercase();
    let usage = |error| Err(Failure::new(ExitStatus::Usage, error));
    if approved.len() != DIGITS || !approved.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return usage(anyhow::anyhow!(
            "--approve needs the whole digest ({DIGITS} hexadecimal digits): a shortened one is easy to forge"
        ));
    }
    if digest == approved {
        return Ok(());
    }
    usage(anyhow::anyhow!("the plan is not the approved one: its digest is {digest}; nothing was sent"))
}

/// A plan that was read from its file.
pub struct Saved {
    plan: SavedPlan,
    digest: String,
    path: PathBuf,
    /// The share of it that is applied; none for all of it.
    shard: Option<Shard>,
}

impl Saved {
    /// Reads a plan. `approved` is the digest that it must have, if one was given.
    ///
    /// # Errors
    /// The file is no plan or was changed (3), or it is not the approved one (2).
    pub fn read(path: &Path, approved: Option<&str>) -> Result<Self, Failure> {
        let bad = |error: anyhow::Error| {
            Failure::new(ExitStatus::BadInput, error.context(path.display().to_string()))
        };
        let (plan, digest) = SavedPlan::read(path).map_err(|error| {
            bad(error.into())
                .hint("make one with `plan ROSTER --out FILE`; it is applied as it is or not at all")
        })?;
        if let Some(approved) = approved {
            check_approval(approved, &digest)?;
        }
        let shard = plan.settings.shard;
        Ok(Self { plan, digest, path: path.to_owned(), shard })
    }

    /// The share of it that a shard applies; `here` are the limits given for that.
    ///
    /// # Errors
    /// It is the plan of another shard (2), or whether it removes too many people is not known (2, 3) or is
    /// true (7).
    pub fn in_shard(self, shard: Option<Shard>, here: &Limits) -> Result<Self, Failure> {
        match (self.shard, shard) {
            (planned, None) => Ok(Self { shard: planned, ..self }),
            (Some(planned), Some(given)) if planned == given => Ok(self),
            (Some(planned), Some(given)) => {
                let error = anyhow::anyhow!("this is the plan of shard {planned}, not of shard {given}");
                Err(Failure::new(ExitStatus::Usage, error).about(&["shard"]))
            }
            (None, given @ Some(_)) => {
                self.check_removals(here)?;
                Ok(Self { shard: given, ..self })
            }
        }
    }

    /// A shard sees only its own removals: that all of them together keep to the limits must be known.
    fn check_removals(&self, here: &Limits) -> Result<(), Failure> {
        let settings = &self.plan.settings;
        let Some(prune) = &settings.prune else { return Ok(()) };
        let usage = |text: &str| Failure::new(ExitStatus::Usage, anyhow::anyhow!("{text}")).about(&["shard"]);
        if self.plan.undo_of.is_some() {
            return Err(
                usage("--shard cannot apply a plan that undoes a run").hint("apply it without --shard")
            );
        }
        let stricter = Limits::from(settings).stricter(here);
        if (stricter.caps(), stricter.on_guard()) != (prune.caps, prune.on_guard) {
            return Err(usage("the limits given here are stricter than those of the plan, and a shard does not see the removals of the others")
                .hint("pass --max-remove, --max-remove-percent and --on-guard to `plan`, which judges all of them together"));
        }
        match (self.plan.within_limits, prune.on_guard) {
            (Some(true), _) | (Some(false), OnGuard::SkipRemovals) => Ok(()),
            (Some(false), OnGuard::Stop) => {
                let error =
                    anyhow::anyhow!("too many people would be removed by the whole plan; nothing was sent");
                Err(Failure::new(ExitStatus::Guard, error)
                    .hint("check that the roster is complete; `plan` shows which limits would allow it"))
            }
            (None, _) => {
                let error =
                    anyhow::anyhow!("the plan does not record whether its removals keep to the limits");
                Err(Failure::new(ExitStatus::BadInput, error).hint("make the plan again with this version"))
            }
        }
    }

    /// The share of it that is applied; none for all of it.
    pub fn shard(&self) -> Option<Shard> {
        self.shard
    }

    /// Gives notice of what the plan says that it does.
    pub fn announce(&self, notices: &Notices) {
        if let Some(counts) = self.plan.counts {
            notices.give(&Notice::PlanOpened { path: &self.path, made_at: self.plan.made_at, counts });
        }
    }

    /// Its digest.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The newest of these runs that applies this plan, or this shard of it. The same change made again is another plan, because
    /// the digest includes the time at which a plan was made.
    pub fn run_among(&self, runs: Vec<RunFolder>) -> Option<RunFolder> {
        let is_it = |folder: &RunFolder| {
            let Ok(header) = History::read_header(folder) else { return false };
            header.saved_plan.as_deref() == Some(self.digest.as_str())
                && is_same_target(&header.target, &self.plan.target)
                && header.settings.shard == self.shard
                && !header.sandbox
        };
        runs.into_iter().find(is_it)
    }

    /// What people may meet with: as the plan says, under the stricter of its limits and those given
    /// here. A plan that takes a run back has no limits of its own: for it the defaults hold too.
    pub fn settings(&self, here: &Limits, exit_code_unchanged: Option<u8>) -> RunSettings {
        let planned = &self.plan.settings;
        let is_undo = self.plan.undo_of.is_some();
        let here = if is_undo { here.with_defaults() } else { here.clone() };
        RunSettings {
            exit_code_unchanged: exit_code_unchanged.or(planned.exit_code_unchanged),
            ..Limits::from(planned).stricter(&here).bind(planned)
        }
    }

    /// The roster of the plan, which is to lead to the same plan again.
    ///
    /// # Errors
    /// The plan does not fit together (3).
    pub fn input(&self, notices: &Notices) -> Result<Input, Failure> {
        let bad = |error: anyhow::Error| {
            Failure::new(ExitStatus::BadInput, error.context(self.path.display().to_string()))
        };
        let SavedPlan { roster, roster_text, reading, rows, .. } = &self.plan;
        let settings = Settings::deserialize(reading).map_err(|error| {
            bad(anyhow::Error::new(error).context("its settings for reading the roster cannot be understood"))
        })?;
        let file = spool_text(roster_text)?;
        let read = Roster::from_file(file, roster, &settings)
            .map_err(|error| Failure::new(ExitStatus::Internal, error))?;
        let planned = rows.iter().filter(|line| line.is_row()).count();
        // The plan of a shard has some of the rows.
        if read.len() != planned && self.plan.settings.shard.is_none() {
            let there = read.len();
            return Err(bad(anyhow::anyhow!("the plan has {planned} rows, but its roster has {there}")));
        }
        let expected =
            Expected { lines: rows.clone(), undo: self.plan.undo_of.is_some(), counts: self.plan.counts };
        Input::expecting(read, roster.clone(), settings, self.shard, expected, notices)
    }

    /// Whether this is the Houston that the plan was made for; a sandbox has no address yet, so any
    /// sandbox will do.
    ///
    /// # Errors
    /// It is another one (2).
    pub fn check_target(&self, url: Option<&str>) -> Result<(), Failure> {
        let fits = match url {
            Some(url) => !self.plan.sandbox && is_same_target(url, &self.plan.target),
            None => self.plan.sandbox,
        };
        if fits {
            return Ok(());
        }
        let then = if self.plan.sandbox { "a sandbox" } else { &self.plan.target };
        let now = url.unwrap_or("a sandbox");
        let error = anyhow::anyhow!("the plan was made for {}, not for {}", printable(then), printable(now));
        Err(Failure::new(ExitStatus::Usage, error).hint("apply a plan to the target it was made for"))
    }
}

/// A saved plan that is given where a roster belongs.
///
/// # Errors
/// The file is one (3).
pub fn refuse_as_roster(path: &Path) -> Result<(), Failure> {
    if path == Path::new("-") || !is_saved_plan(path) {
        return Ok(());
    }
    let error = anyhow::anyhow!("{} is a saved plan, not a roster", shown(path));
    Err(Failure::new(ExitStatus::BadInput, error)
        .hint(format!("to apply it: houston-onboard apply --plan {}", shell_word(path))))
}

/// A file that holds something other than a plan is not replaced: it may be a roster, or a token.
///
/// # Errors
/// The file is such a one (2).
pub fn refuse_to_replace(path: &Path) -> Result<(), Failure> {
    let is_full = std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() > 0);
    if !is_full || is_saved_plan(path) {
        return Ok(());
    }
    let error = anyhow::anyhow!("--out would replace {}, which is not a saved plan", shown(path));
    Err(Failure::new(ExitStatus::Usage, error)
        .hint("choose another file with --out, or remove this one first"))
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
}

/// Begins the file of a plan, before anything is asked.
///
/// # Errors
/// It cannot be made (1).
pub fn begin(path: &Path) -> Result<Draft, Failure> {
    Draft::output(path)
        .map_err(|error| Failure::new(ExitStatus::Internal, error).hint("choose another file with --out"))
}

/// Gives the digest of a plan that was saved before and is kept, of which it also gives notice.
///
/// # Errors
/// The file is no plan or was changed (3).
pub fn keep(path: &Path, notices: &Notices) -> Result<String, Failure> {
    let Saved { digest, .. } = Saved::read(path, None)?;
    notices.give(&Notice::PlanKept { path, digest: &digest });
    Ok(digest)
}

/// Saves a plan, gives notice of its digest, and returns it.
///
/// # Errors
/// It cannot be written (1), its roster is not text throughout (3), or it wants workspaces that do
/// not exist yet (2): they have no id that could be written down.
pub fn save(
    draft: Draft,
    prepared: &PreparedPlan,
    input: &ResolvedInput,
    mut settings: RunSettings,
    session: &Session,
) -> Result<String, Failure> {
    if !prepared.plan.to_create.is_empty() {
        let error = anyhow::anyhow!("a plan that creates workspaces cannot be saved");
        return Err(Failure::new(ExitStatus::Usage, error)
            .hint("`apply` it directly, or create the workspaces first"));
    }
    let failed = |error: std::io::Error| {
        Failure::new(ExitStatus::Internal, anyhow::Error::new(error).context("the plan cannot be saved"))
    };
    let mut text = Vec::new();
    input.roster.copy_to(&mut text).map_err(failed)?;
    let roster_text = String::from_utf8(text).map_err(|error| {
        let error = anyhow::Error::new(error).context("a plan can be saved only for a roster in UTF-8");
        Failure::new(ExitStatus::BadInput, error)
    })?;
    settings.shard = input.shard;
    let within_limits = settings.prune.as_ref().map(|_| prepared.plan.refusals.is_empty());
    // In which order patterns were given has no effect.
    for patterns in [Some(&mut settings.protect), settings.prune.as_mut().map(|prune| &mut prune.protect)] {
        let Some(patterns) = patterns else { continue };
        patterns.sort_unstable();
        patterns.dedup();
    }
    let plan = SavedPlan {
        schema_version: SCHEMA_VERSION,
        made_at: jiff::Timestamp::now(),
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        target: session.url.clone(),
        sandbox: session.target.is_sandbox(),
        houston_version: session.version(),
        caller: session.identity.user_id().map(str::to_owned),
        settings,
        undo_of: None,
        counts: Some(prepared.counts),
        within_limits,
        roster: input.name.clone(),
        roster_text,
        reading: serde_json::to_value(&input.settings).map_err(|error| failed(error.into()))?,
        rows: prepared.lines(&input.roster).collect(),
    };
    let path = draft.path().to_owned();
    let mut file = BufWriter::new(draft);
    let digest = plan.write(&mut file).map_err(failed)?;
    let draft = file.into_inner().map_err(|error| failed(error.into_error()))?;
    draft.commit().map_err(|error| Failure::new(ExitStatus::Internal, error))?;
    session.notices.give(&Notice::PlanSaved { path: &path, digest: &digest });
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_approved_by_its_whole_digest() {
        let digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        for good in [digest.to_owned(), format!(" {} ", digest.to_uppercase())] {
            assert!(check_approval(&good, digest).is_ok(), "{good}");
        }
        let other = digest.replace('f', "e");
        for bad in
            ["", "0123456789ab", &digest[..63], &digest.replace('f', "g"), &other, &format!("{digest}0")]
        {
            assert_eq!(check_approval(bad, digest).unwrap_err().status, ExitStatus::Usage, "{bad}");
        }
    }
}
