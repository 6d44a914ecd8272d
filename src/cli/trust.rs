//! Whether a run's folder may be resumed. One that another user made, or can change, can name any
//! server to send the token to and any people to remove: it is refused, or shown and confirmed first.
//!
//! Main type: [`Origin`].

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use super::confirm::Confirmation;
use super::resume::ResumeArgs;
use super::target_args::TargetArgs;
use super::tell;
use crate::houston::TOKEN_VARIABLE;
use crate::model::{Level, Role, printable, shell_word};
use crate::ops::failure::Failure;
use crate::ops::finish::broken;
use crate::outcome::ExitStatus;
use crate::plan::RolePolicy;
use crate::record::folder::{Distrust, LATEST, RunFolder};
use crate::record::journal::{Header, History, Reach, plan_lines};

/// How many people are shown by name, of each kind.
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
                let id = printable(folder.id());
                let hint = format!(
                    "a run folder can send your token to any server and remove anyone. Review it with `report`. If you trust its author: resume --trust-folder {}",
                    shell_word(&args.run)
                );
                Err(usage(format!("refusing to resume run {id}: {why}; nothing was sent")).hint(hint))
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

    /// How the user says yes to what another user may want.
    ///
    /// # Errors
    /// Nobody can be asked, and the flags do not say enough (2).
    pub(super) fn consent(self, args: &ResumeArgs) -> Result<Confirmation, Failure> {
        // A target that the user named too is no surprise; without one, --yes is not enough.
        let is_named = args.target.choose().is_ok();
        if self == Self::Own || (args.yes && is_named) {
            return Ok(Confirmation::Given);
        }
        Confirmation::needed(false, false).map_err(|failure| {
            failure.hint(
                "without a terminal, --trust-folder needs --yes and the target by flag or configuration: --url, --domain or --context",
            )
        })
    }

    /// Names the target before the first request; what another user may want is shown and confirmed.
    /// `target` is what the run will be carried out with.
    ///
    /// # Errors
    /// The answer cannot be read (2).
    pub(super) fn confirm(
        self,
        consent: Confirmation,
        (folder, history): (&RunFolder, &History),
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
        if consent == Confirmation::Given {
            tell(&shown);
        }
        consent.obtain(left(history).max(1), &history.header.target, || Ok(shown))
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
    let mut text = String::from("Another user may have written this run folder. Resuming it means:\n");
    for (name, value) in rows {
        let _ = writeln!(text, "  {name:<22}{}", printable(&value));
    }
    text.push_str(&people(folder, history)?);
    text.push_str("The folder's own token file, CA file and --insecure are ignored.\n");
    Ok(text)
}

/// The roles that are left to give, and the people to remove; admins and removals by name, the first
/// ones of each.
fn people(folder: &RunFolder, history: &History) -> Result<String, Failure> {
    let (rows, extras): (HashSet<_>, HashSet<_>) =
        (history.left().into_iter().collect(), history.left_extras().into_iter().collect());
    let mut roles: BTreeMap<Role, usize> = BTreeMap::new();
    let (mut admins, mut removals) = (Names::default(), Names::default());
    for line in plan_lines(folder).map_err(|error| broken(folder, error))? {
        let line = line.map_err(|error| broken(folder, error))?;
        let workspace = line.workspace.as_ref().map_or("", |id| id.as_str());
        let who = || format!("{} in {}", printable(&line.email), printable(workspace));
        if extras.contains(&line.item) {
            removals.add(who);
        } else if let Some(role) = line.role.filter(|_| rows.contains(&line.item)) {
            *roles.entry(role).or_default() += 1;
            if role.level == Level::Admin {
                admins.add(who);
            }
        }
    }
    let mut text = String::new();
    for (role, count) in roles {
        let _ = writeln!(text, "  {:<22}{count}", format!("{role}"));
    }
    admins.write("makes an admin", &mut text);
    removals.write("removes", &mut text);
    Ok(text)
}

/// The first of some people, and how many there are.
#[derive(Default)]
struct Names {
    shown: Vec<String>,
    count: usize,
}

impl Names {
    fn add(&mut self, who: impl FnOnce() -> String) {
        if self.shown.len() < SHOWN_PEOPLE {
            self.shown.push(who());
        }
        self.count += 1;
    }

    fn write(&self, what: &str, text: &mut String) {
        for who in &self.shown {
            let _ = writeln!(text, "    {what}: {who}");
        }
        if self.count > self.shown.len() {
            let _ = writeln!(text, "    and {} more", self.count - self.shown.len());
        }
    }
}
