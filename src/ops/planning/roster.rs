//! The roster that a command works on: read, found good or usable without its bad rows, and then with
//! its workspaces known.
//!
//! Main types: [`Input`] and [`ResolvedInput`].

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::model::{ItemId, RowNumber, Shard, printable};
use crate::ops::failure::Failure;
use crate::ops::notices::Notices;
use crate::ops::planning::deployments::{Wish, find_grants};
use crate::ops::planning::expected::{Expected, outdated};
use crate::ops::planning::shard::{Meant, cut};
use crate::ops::planning::workspaces::{
    BadRows, LookedFor, Missing, Names, Places, changed, find_workspaces,
};
use crate::ops::session::Session;
use crate::outcome::ExitStatus;
use crate::report::notices::{Notice, PlanningNotice};
use crate::report::removals::REMOVALS;
use crate::roster::{IssueKind, Issues, Roster, RowState, Settings};

/// Where a roster is, and how it is read.
#[derive(Debug)]
pub struct RosterSource {
    /// The file, or `-` for standard input.
    pub path: PathBuf,
    /// How it is read.
    pub settings: Settings,
    /// What becomes of labels that no workspace has.
    pub missing: Missing,
    /// The share of it that is meant; none for all of it.
    pub shard: Option<Shard>,
}

/// What a roster is called in messages.
pub fn shown_name(path: &Path) -> String {
    if path.as_os_str() == "-" { "<stdin>".to_owned() } else { path.display().to_string() }
}

/// A roster that was read and found good, or usable without its bad rows.
pub struct Input {
    /// The roster.
    pub roster: Roster,
    /// What it is called in messages.
    pub name: String,
    settings: Settings,
    missing: Missing,
    /// The share of it that is meant; none for all of it.
    pub shard: Option<Shard>,
    /// What a saved plan says about every row.
    expected: Option<Expected>,
}

impl Input {
    /// Reads the roster; says what is wrong with it.
    ///
    /// # Errors
    /// It cannot be used (3).
    pub fn read(source: RosterSource, notices: &Notices) -> Result<Self, Failure> {
        let RosterSource { path, settings, missing, shard } = source;
        let name = shown_name(&path);
        let roster = Roster::read(&path, &name, &settings)?;
        let input = Self { roster, name, settings, missing, shard, expected: None }.checked(notices)?;
        warn_of_unused(&input.roster, notices);
        Ok(input)
    }

    /// A roster with the plan that was made from it, which must still apply, or a share of both.
    ///
    /// # Errors
    /// It cannot be used (3).
    pub fn expecting(
        roster: Roster,
        name: String,
        settings: Settings,
        shard: Option<Shard>,
        expected: Expected,
        notices: &Notices,
    ) -> Result<Self, Failure> {
        let missing = Missing::Refuse;
        Self { roster, name, settings, missing, shard, expected: Some(expected) }.checked(notices)
    }

    fn checked(self, notices: &Notices) -> Result<Self, Failure> {
        let warnings = self.roster.warnings();
        if !warnings.is_empty() {
            notices.give(&Notice::Roster { issues: warnings, name: &self.name });
        }
        if !self.roster.is_usable() {
            self.complain(notices);
        }
        self.refuse_if_bad()?;
        self.refuse_empty_choice()?;
        Ok(self)
    }

    /// Finds the workspaces of the roster; says what is wrong with it.
    ///
    /// # Errors
    /// It cannot be used (3), or the target (5) or the token (4) cannot.
    pub fn resolve(mut self, session: &Session) -> Result<ResolvedInput, Failure> {
        let bad_rows = if self.settings.skip_invalid { BadRows::LeaveOut } else { BadRows::Refuse };
        let names = if self.settings.maps.workspaces.is_some() { Names::Mapped } else { Names::Ours };
        let listed = self.expected.as_ref().and_then(Expected::listed);
        let mapped = self.settings.maps.workspaces.iter().flatten().map(|(from, _)| from.as_str()).collect();
        let looked_for = LookedFor { bad_rows, names, mapped, missing: self.missing, listed };
        let places = find_workspaces(&mut self.roster, session, looked_for)?;
        let wishes = find_grants(&self.roster, &places, names, session)?;
        self.roster.complain(wishes.complaints).map_err(changed)?;
        self.complain(&session.notices);
        self.refuse_if_bad().map_err(|failure| match self.expected {
            // The file was good when the plan was made.
            Some(_) => outdated(failure.error),
            None if places.is_partial && self.lacks_only_workspaces() => failure
                .hint("use a token that can see these workspaces, or skip the rows with --skip-invalid"),
            None => failure,
        })?;
        let Self { roster, name, settings, missing: _, shard, expected } = self;
        let whole = Meant { roster, places, wishes: wishes.all };
        let (meant, expected) = match shard {
            None => (whole, expected),
            Some(shard) => {
                let expected = expected.map(|expected| expected.in_shard(shard));
                (cut(whole, shard, expected.as_ref()), expected)
            }
        };
        let Meant { roster, places, wishes } = meant;
        Ok(ResolvedInput {
            roster: Arc::new(roster),
            name,
            settings,
            shard,
            places,
            wishes,
            rows_of_grants: Arc::default(),
            expected,
        })
    }

    fn complain(&self, notices: &Notices) {
        let issues = self.roster.issues();
        if !issues.is_empty() {
            notices.give(&Notice::Roster { issues, name: &self.name });
        }
    }

    /// A selection that leaves nothing is probably a typo.
    fn refuse_empty_choice(&self) -> Result<(), Failure> {
        let rows = (0..self.roster.len()).map(RowNumber::from_index);
        if self.roster.is_empty()
            || !rows.map(|row| self.roster.state(row)).all(|state| state == RowState::LeftOut)
        {
            return Ok(());
        }
        let error = anyhow::anyhow!("--only and --limit exclude all {} rows", self.roster.len());
        Err(Failure::new(ExitStatus::Usage, error)
            .about(&["only", "limit"])
            .hint("check both: --limit 0 takes no rows; --only compares with the text in the file (`*` matches any text, `?` one character)"))
    }

    /// Whether nothing is wrong but workspaces that the token does not see.
    fn lacks_only_workspaces(&self) -> bool {
        self.roster.issues().counts().all(|(kind, _)| kind == IssueKind::UnknownWorkspace)
    }

    fn refuse_if_bad(&self) -> Result<(), Failure> {
        if self.roster.is_usable() {
            return Ok(());
        }
        Err(bad_input(self.roster.issues(), &self.name))
    }
}

/// A roster with these issues cannot be used (3).
pub fn bad_input(issues: &Issues, name: &str) -> Failure {
    let count = issues.total();
    let problems = if count == 1 { "1 problem".to_owned() } else { format!("{count} problems") };
    let error = anyhow::anyhow!("{problems} in {}; nothing was sent", printable(name));
    let flags = issues.flags();
    let failure = Failure::new(ExitStatus::BadInput, error).about(&flags);
    if issues.about_the_file() || !flags.is_empty() {
        failure
    } else {
        failure.hint("fix the file, or skip the bad rows with --skip-invalid")
    }
}

/// Says what no row of a roster has needed of the maps.
pub fn warn_of_unused(roster: &Roster, notices: &Notices) {
    for unused in roster.unused_mappings() {
        notices.give(&Notice::Planning(PlanningNotice::UnusedMapping(unused)));
    }
}

/// A roster whose workspaces are known.
pub struct ResolvedInput {
    /// The roster.
    pub roster: Arc<Roster>,
    /// What it is called in messages.
    pub name: String,
    /// How it was read.
    pub settings: Settings,
    /// The share of the file that it is; none for all of it.
    pub shard: Option<Shard>,
    pub(crate) places: Places,
    pub(crate) wishes: Vec<Wish>,
    /// The rows of the roles in deployments, once the plan has them.
    pub(crate) rows_of_grants: Arc<OnceLock<Vec<RowNumber>>>,
    pub(crate) expected: Option<Expected>,
}

impl ResolvedInput {
    /// What the rows of the plan are called in messages: `team.csv:17`.
    pub fn row_names(&self) -> impl Fn(ItemId) -> String + use<> {
        let (lines, name) = (self.roster.lines(), self.name.clone());
        let grants = Arc::clone(&self.rows_of_grants);
        move |item| {
            let grants = grants.get().map_or(&[][..], Vec::as_slice);
            let grant = || grants.get(item.index() - lines.len()).and_then(|row| lines.get(*row));
            match lines.get(item.row()).or_else(grant) {
                Some(line) => format!("{name}:{line}"),
                None => line_of_removal(item.index() - lines.len() - grants.len()),
            }
        }
    }
}

/// Where in `removals.csv` this person who is not in the roster is found.
pub fn line_of_removal(extra: usize) -> String {
    format!("{REMOVALS}:{}", extra + 2)
}
