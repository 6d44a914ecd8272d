//! Whether a run's folder may be resumed. One that another user made, or can change, can name any
//! server to send the token to and any people to remove: it is refused, or shown and confirmed first.
//!
//! Main type: [`Origin`].

use std::fmt::Write as _;

use super::apply::Confirmation;
use super::ending::broken;
use super::resume::ResumeArgs;
use super::target_args::TargetArgs;
use super::{ExitStatus, Failure, tell};
use crate::engine::journal::{Header, History, Reach, plan_lines};
use crate::engine::run_folder::{Distrust, LATEST, RunFolder};
use crate::houston::TOKEN_VARIABLE;
use crate::model::printable;
use crate::plan::RolePolicy;

/// How many of the people to remove are shown by name.
const SHOWN_PEOPLE: usize = 20;

/// Who wrote what a run's folder says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The present user, and nobody else can.
    Own,
    /// Perhaps somebody else; the user said `--trust-folder`.
    Foreign(Distrust),
}

impl Origin {
    /// Whose word a folder is.
    ///
    /// # Errors
    /// It may be another user's, and `--trust-folder` does not say that this very folder is meant (2).
    pub(super) fn of(folder: &RunFolder, args: &ResumeArgs) -> Result<Self, Failure> {
        let usage = |text: String| Failure::new(ExitStatus::Usage, anyhow::anyhow!(text));
        match (folder.distrust(), args.trust_folder) {
            (None, _) => Ok(Self::Own),
            (Some(why), true) if args.run != LATEST => Ok(Self::Foreign(why)),
            (Some(_), true) => {
                Err(usage("--trust-folder needs the run's id or folder, not `latest`".to_owned()))
            }
            (Some(why), false) => {
                let id = printable(folder.id()).into_owned();
                let hint = format!(
                    "it can send your token to any server and remove anyone. Look at it with `report`; if you trust who made it, pass --trust-folder and name it: resume --trust-folder {id}"
                );
                Err(usage(format!("run {id} is not resumed: {why}; nothing was sent")).hint(hint))
            }
        }
    }

    /// How the run was reached, as far as that may be believed: paths and trust that another user chose
    /// are not used.
    pub(super) fn reach(self, header: &Header) -> Reach {
        match self {
            Self::Own => header.reach.clone(),
            Self::Foreign(_) => Reach::default(),
        }
    }

    /// Names the target before the first request; what another user wants is shown and confirmed.
    /// `target` is what the run will be carried out with.
    ///
    /// # Errors
    /// Confirmation is needed and cannot be given (2).
    pub(super) fn confirm(
        self,
        (folder, history): (&RunFolder, &History),
        args: &ResumeArgs,
        target: &TargetArgs,
        quiet: bool,
    ) -> Result<bool, Failure> {
        let url = printable(&history.header.target);
        let Self::Foreign(why) = self else {
            if !quiet {
                tell(&format!("resuming run {} on {url}", printable(&history.header.run)));
            }
            return Ok(true);
        };
        let shown = shown(folder, history, target, why)?;
        // A target that the user named too is no surprise; without one, --yes is not enough.
        let is_named = args.target.choose().is_ok();
        if args.yes && is_named {
            tell(&shown);
            return Ok(true);
        }
        let confirmation = Confirmation::needed(false, false).map_err(|failure| {
            failure.hint(
                "without a terminal, --trust-folder needs --yes and the target by flag or configuration: --url, --domain or --context",
            )
        })?;
        confirmation.obtain(left(history).max(1), &history.header.target, || Ok(shown))
    }
}

/// How much of a run is left.
fn left(history: &History) -> usize {
    history.left().len() + history.left_grants().len() + history.left_extras().len()
}

/// What a run that another user may have written would do, and what it would be done with.
fn shown(
    folder: &RunFolder,
    history: &History,
    target: &TargetArgs,
    why: Distrust,
) -> Result<String, Failure> {
    let header = &history.header;
    let flags = &target.flags;
    let token = flags.token_file.as_ref().map_or_else(
        || {
            flags.context.as_ref().map_or_else(
                || TOKEN_VARIABLE.to_owned(),
                |name| format!("{TOKEN_VARIABLE}, or the login {name}"),
            )
        },
        |path| path.display().to_string(),
    );
    let authorities = flags.ca_file.as_ref().map_or_else(
        || "those of the system".to_owned(),
        |path| format!("those of the system and {}", path.display()),
    );
    let checked = if flags.insecure { "no (--insecure)" } else { "yes" };
    let rows = [
        ("run", header.run.clone()),
        ("folder", folder.path().display().to_string()),
        ("trust", why.to_string()),
        ("roster", header.roster.clone()),
        ("target", header.target.clone()),
        ("rows left", format!("{} of {}", history.left().len(), history.rows.len())),
        ("deployment roles left", history.left_grants().len().to_string()),
        ("removals left", history.left_extras().len().to_string()),
        (
            "changes roles",
            (if header.settings.roles == RolePolicy::Update { "yes" } else { "no" }).to_owned(),
        ),
        ("token from", token),
        ("authorities", authorities),
        ("certificates checked", checked.to_owned()),
    ];
    let mut text = String::from("This run's folder may hold what another user wants:\n");
    for (name, value) in rows {
        let _ = writeln!(text, "  {name:<22}{}", printable(&value));
    }
    text.push_str(&people(folder, history)?);
    text.push_str("The token file, CA file and --insecure that it names are not used.\n");
    Ok(text)
}

/// The people to remove, the first ones by name.
fn people(folder: &RunFolder, history: &History) -> Result<String, Failure> {
    let left = history.left_extras();
    let mut text = String::new();
    if left.is_empty() {
        return Ok(text);
    }
    let lines = plan_lines(folder).map_err(|error| broken(folder, error))?;
    let mut shown = 0;
    for line in lines.skip(history.first_extra()) {
        let line = line.map_err(|error| broken(folder, error))?;
        if left.contains(&line.row) {
            let workspace = line.workspace.as_ref().map_or("", |id| id.as_str());
            let _ = writeln!(text, "    removes {} from {}", printable(&line.email), printable(workspace));
            shown += 1;
        }
        if shown == SHOWN_PEOPLE {
            break;
        }
    }
    if left.len() > shown {
        let _ = writeln!(text, "    and {} more", left.len() - shown);
    }
    Ok(text)
}
