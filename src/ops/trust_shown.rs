//! What a run does that another user may have written, shown before it is resumed.
//!
//! Main function: [`shown`]. It reads the files of the run, and asks nothing.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use super::failure::Failure;
use super::finish::broken;
use super::session::target::TargetSettings;
use crate::houston::TOKEN_VARIABLE;
use crate::model::{Level, Role, printable};
use crate::plan::RolePolicy;
use crate::record::folder::{Distrust, RunFolder};
use crate::record::journal::{History, plan_lines};

/// How many people of each kind are shown by name.
const SHOWN_PEOPLE: usize = 20;

/// What a run that another user may have written would do, and with which settings.
///
/// # Errors
/// The files of the run make no sense (3).
pub fn shown(
    folder: &RunFolder,
    history: &History,
    target: &TargetSettings,
    why: Distrust,
) -> Result<String, Failure> {
    let header = &history.header;
    let token = match (&target.token_file, target.context()) {
        (Some(path), _) => path.display().to_string(),
        (None, Some(name)) => format!("{TOKEN_VARIABLE}, or the login {name}"),
        (None, None) => TOKEN_VARIABLE.to_owned(),
    };
    let authorities = target.ca_file.as_ref().map_or_else(
        || "those of the system".to_owned(),
        |path| format!("those of the system and {}", path.display()),
    );
    let checked = if target.insecure { "no (--insecure)" } else { "yes" };
    let rows = [
        ("run", header.run.clone()),
        ("folder", folder.path().display().to_string()),
        ("trust", why.to_string()),
        ("roster", header.roster.clone()),
        ("target", header.target.clone()),
        ("rows left", format!("{} of {}", history.left().len(), history.row_count())),
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

/// The roles that are left to set and the people to remove; the first admins and removals by name.
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

/// The first few people, and the number of all.
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
