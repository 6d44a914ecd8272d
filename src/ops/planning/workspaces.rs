//! Which workspaces a roster means: by id or by label, there or still to be created.
//!
//! Main function: [`find_workspaces`], which gives [`Places`]. It sends nothing but reads.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::houston::{Fault, Listing, Scope};
use crate::model::{Assignment, RowNumber, WorkspaceId, printable};
use crate::ops::failure::Failure;
use crate::ops::planning::expected::outdated;
use crate::ops::planning::prune::{Belonging, Whereabouts};
use crate::ops::planning::roll::Roll;
use crate::ops::session::waiting::{LongestWait, announcing_waits};
use crate::ops::session::{Session, unusable};
use crate::outcome::{Cause, Code, ExitStatus};
use crate::plan::{Account, Reason, Workspace};
use crate::present::names::{Likeness, Looks, Several, difference, differs_by_case};
use crate::present::placeholders::is_placeholder;
use crate::present::resolve::{Resolution, looks_like_an_id, resolve};
use crate::report::notices::{Notice, PlanningNotice};
use crate::roster::{Column, Complaint, IssueKind, Roster};

/// What a workspace text of the roster means.
#[derive(Debug, Clone)]
pub(crate) enum Meaning {
    /// The workspace at this index of the list.
    Place(u32),
    /// Nothing more needs to be read for its rows.
    Decided(Reason),
}

/// The workspaces that the roster names.
#[derive(Debug, Default)]
pub struct Places {
    pub(crate) workspaces: Vec<Workspace>,
    /// The meaning of each text of the roster; none where no wanted row has it.
    pub(crate) meanings: Vec<Option<Meaning>>,
    /// The workspaces to create.
    pub(crate) to_create: Vec<u32>,
    /// Where each text of the roster leads, also where no wanted row has it.
    pub(crate) whereabouts: Vec<Whereabouts>,
    /// The only people to remove, with the index of their workspace.
    pub(crate) listed: Option<HashSet<(u32, String)>>,
    /// Whether the token may see only some of the workspaces there are.
    pub(crate) is_partial: bool,
    /// What is known of the whole, if these are the workspaces of a shard.
    pub(crate) whole: Option<Whole>,
}

/// What a shard has to know of the roster that it is a part of.
#[derive(Debug)]
pub(crate) struct Whole {
    /// How many workspaces it names.
    pub(crate) workspaces: usize,
    /// Who belongs into each workspace of the shard: rows of other shards may say so, too.
    pub(crate) belonging: Belonging,
    /// Of which workspaces of the shard it is known whom the whole roster names there.
    pub(crate) roll: Roll,
    /// Whose removals its limits hold back, if that was decided before.
    pub(crate) held: Option<HashSet<(WorkspaceId, Account)>>,
}

/// Finds out which workspaces the roster means, and looks again for equal and opposed wishes: one
/// row may have named a workspace by its label, another by its id. What is wrong with it, now that
/// Houston has been asked, is in the roster's issues then.
///
/// # Errors
/// The target cannot be used (5), or the token is dead (4).
pub fn find_workspaces(
    roster: &mut Roster,
    session: &Session,
    looked_for: LookedFor,
) -> Result<Places, Failure> {
    let LookedFor { bad_rows, names, mapped, missing, listed } = looked_for;
    let listing = list_workspaces(session)?;
    let resolutions = resolve(&listing, roster.workspaces().iter().map(String::as_str));
    let mut used = vec![false; resolutions.len()];
    let mut lines = HashMap::new();
    for wish in roster.wanted().filter(|wish| !std::mem::replace(&mut used[wish.workspace as usize], true)) {
        lines.entry(roster.workspaces()[wish.workspace as usize].clone()).or_insert(wish.line);
    }
    let places = Places { is_partial: listing.scope == Scope::Own, ..Places::default() };
    let (found, looks) = (HashMap::new(), Looks::default());
    let mut finder =
        Finder { listing: &listing, session, names, missing, places, looks, mapped, lines, found };
    let mut complaints = HashMap::new();
    for (text, (resolution, used)) in resolutions.iter().zip(used).enumerate() {
        let name = &roster.workspaces()[text];
        let meaning = match used.then(|| finder.mean(name, resolution)).transpose()? {
            Some(Ok(meaning)) => Some(meaning),
            Some(Err(complain)) => {
                complaints.insert(place(text), complain(&printable(name)));
                None
            }
            None => None,
        };
        finder.places.meanings.push(meaning);
    }
    finder.take_listed(listed)?;
    if listing.scope == Scope::Own && !finder.places.to_create.is_empty() {
        session.notices.give(&Notice::Planning(PlanningNotice::OwnWorkspacesOnly));
    }
    finder.places.whereabouts = finder.whereabouts(&resolutions);
    let bad = complain_of(roster, complaints, bad_rows);
    roster.complain(bad).map_err(changed)?;
    roster.unify_workspaces(&finder.places.canonical()).map_err(changed)?;
    Ok(finder.places)
}

/// The roster cannot be read again.
pub(crate) fn changed(error: std::io::Error) -> Failure {
    Failure::new(ExitStatus::BadInput, error).hint("the roster changed while it was read")
}

/// What to look for besides the workspaces that wanted rows name, and how.
pub struct LookedFor {
    /// What happens to rows whose workspace is not right.
    pub bad_rows: BadRows,
    /// Whose names the workspaces have.
    pub names: Names,
    /// The names of the other Houston that the map has.
    pub mapped: Looks,
    /// What becomes of labels that no workspace has.
    pub missing: Missing,
    /// Whom to remove and where, if that is known beforehand: then no one else is removed.
    pub listed: Option<Vec<(String, WorkspaceId)>>,
}

/// All workspaces that the token sees. Waits for an unavailable Houston.
///
/// # Errors
/// They cannot be listed (5), or the token is dead (4).
pub fn list_workspaces(session: &Session) -> Result<Listing, Failure> {
    let ask = || session.houston.workspaces();
    let Session { waiting, notices, url, settings, .. } = session;
    let longest = LongestWait { most: settings.max_wait, by_flag: true };
    announcing_waits(waiting, notices, url, longest, ask).map_err(|failure| {
        match &failure.fault {
            // The token has just proved to be alive.
            Fault::Denied { text } => Failure::new(
                ExitStatus::Target,
                anyhow::anyhow!("{} does not let this token list workspaces: {text}", session.url),
            ),
            Fault::Unsent { .. }
            | Fault::NoAnswer { .. }
            | Fault::Proxy { .. }
            | Fault::Throttled { .. }
            | Fault::Expired { .. }
            | Fault::Rejected { .. }
            | Fault::Already { .. }
            | Fault::Schema { .. }
            | Fault::Internal { .. }
            | Fault::Malformed { .. } => unusable(&failure.fault, &session.url),
        }
    })
}

/// What happens to rows whose workspace is not right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRows {
    /// The whole file is refused: one word about each workspace is enough.
    Refuse,
    /// They are left out, each of them.
    LeaveOut,
}

/// Whose names the workspaces of the file have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Those of this Houston.
    Ours,
    /// Those of another one, as far as the map has them: an unknown name here is a typo, never a workspace
    /// that the caller may not see.
    Mapped,
}

/// What becomes of labels that no workspace has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// They are errors.
    Refuse,
    /// Workspaces are created for them.
    Create,
}

/// Puts complaints about workspaces to the rows that name them.
fn complain_of(
    roster: &Roster,
    mut complaints: HashMap<u32, Complaint>,
    bad_rows: BadRows,
) -> Vec<(RowNumber, Column, Complaint)> {
    let mut rows: HashMap<u32, u32> = HashMap::new();
    for wish in roster.wanted().filter(|wish| complaints.contains_key(&wish.workspace)) {
        *rows.entry(wish.workspace).or_default() += 1;
    }
    if roster.dialect().is_some_and(|dialect| dialect.columns.workspace.is_none()) {
        rows.clear();
        for complaint in complaints.values_mut() {
            complaint.message = format!("--default-workspace: {}", complaint.message);
            complaint.flag = Some("default-workspace");
        }
    }
    let place = |row, complaint| (row, Column::Workspace, complaint);
    let complaint = |wish: Assignment<'_>| match bad_rows {
        BadRows::LeaveOut => Some(place(wish.row, complaints.get(&wish.workspace)?.clone())),
        BadRows::Refuse => {
            let mut complaint = complaints.remove(&wish.workspace)?;
            if let Some(&count @ 2..) = rows.get(&wish.workspace) {
                complaint.message = format!("{}; {count} rows name it", complaint.message);
            }
            Some(place(wish.row, complaint))
        }
    };
    roster.wanted().filter_map(complaint).collect()
}

impl Places {
    /// A number for each text, the same for texts that mean one workspace.
    fn canonical(&self) -> Vec<u32> {
        let number = |(text, meaning): (usize, &Option<Meaning>)| match meaning {
            Some(Meaning::Place(place)) => *place,
            Some(Meaning::Decided(_)) | None => place(self.workspaces.len() + text),
        };
        self.meanings.iter().enumerate().map(number).collect()
    }
}

/// Makes [`Places`] from a listing.
struct Finder<'f> {
    listing: &'f Listing,
    session: &'f Session,
    names: Names,
    missing: Missing,
    places: Places,
    /// The names of workspaces to create.
    looks: Looks,
    /// The names that the map has.
    mapped: Looks,
    /// The first line with each name.
    lines: HashMap<String, u32>,
    /// Index in the listing to index in the list.
    found: HashMap<usize, u32>,
}

/// What is wrong with a text, once that is known.
type Complain<'c> = Box<dyn Fn(&str) -> Complaint + 'c>;

impl Finder<'_> {
    /// Finds the workspaces of people to remove.
    fn take_listed(&mut self, listed: Option<Vec<(String, WorkspaceId)>>) -> Result<(), Failure> {
        let Some(listed) = listed else { return Ok(()) };
        let resolutions = resolve(self.listing, listed.iter().map(|(_, id)| id.as_str()));
        let mut people = HashSet::new();
        for ((name, id), resolution) in listed.into_iter().zip(&resolutions) {
            let known = self.places.workspaces.iter().position(|workspace| workspace.id == id).map(place);
            let meaning = match known {
                Some(place) => Ok(Meaning::Place(place)),
                None => self.mean(id.as_str(), resolution)?,
            };
            let Ok(Meaning::Place(place)) = meaning else {
                let error = anyhow::anyhow!("the workspace {} no longer exists", printable(id.as_str()));
                return Err(outdated(error));
            };
            people.insert((place, name));
        }
        self.places.listed = Some(people);
        Ok(())
    }

    /// Where each text leads, once the wanted ones have a meaning.
    fn whereabouts(&self, resolutions: &[Resolution]) -> Vec<Whereabouts> {
        let known = |at: Option<u32>| at.map_or(Whereabouts::Elsewhere, Whereabouts::Place);
        let lead = |(meaning, resolution): (&Option<Meaning>, &Resolution)| match (meaning, resolution) {
            (Some(Meaning::Place(place)), _) => Whereabouts::Place(*place),
            (_, Resolution::Found(found)) => known(self.found.get(found).copied()),
            (_, Resolution::Invisible(id)) => {
                let ids = self.places.workspaces.iter().map(|workspace| &workspace.id);
                known(ids.zip(0..).find(|(known, _)| *known == id).map(|(_, place)| place))
            }
            (_, Resolution::Unknown { .. } | Resolution::Ambiguous { .. }) => Whereabouts::Anywhere,
        };
        self.places.meanings.iter().zip(resolutions).map(lead).collect()
    }

    /// What a resolution means, or what is wrong with the text.
    fn mean<'c>(
        &mut self,
        name: &str,
        resolution: &'c Resolution,
    ) -> Result<Result<Meaning, Complain<'c>>, Failure> {
        Ok(match resolution {
            Resolution::Found(found) => {
                let workspace = &self.listing.workspaces[*found];
                let list = &mut self.places.workspaces;
                Ok(Meaning::Place(*self.found.entry(*found).or_insert_with(|| {
                    list.push(Workspace { id: workspace.id.clone(), label: workspace.label.clone() });
                    place(list.len() - 1)
                })))
            }
            Resolution::Invisible(id) => match (self.look_for(id)?, self.names) {
                (Meaning::Decided(_), Names::Mapped) => Err(self.unknown(name, Likeness::Nothing)),
                (meaning, _) => Ok(meaning),
            },
            Resolution::Unknown { near } if self.missing == Missing::Create && !looks_like_an_id(name) => {
                self.create(name, near)
            }
            Resolution::Unknown { near } => Err(self.unknown(name, near.clone())),
            Resolution::Ambiguous { ids } => Err(Box::new(move |text| {
                let message = format!("{} workspaces have the label `{text}`", ids.len());
                let ids: Vec<_> = ids.iter().map(|id| printable(id.as_str()).into_owned()).collect();
                let hint = format!("use the id of one of them: {}", ids.join(", "));
                Complaint::new(IssueKind::AmbiguousWorkspace, message).hint(hint)
            })),
        })
    }

    /// A workspace to create, unless its name is not what it seems.
    fn create(&mut self, name: &str, near: &Likeness) -> Result<Meaning, Complain<'static>> {
        let list = &self.places.workspaces;
        let to_create = || self.places.to_create.iter().map(|&place| (place, &list[place as usize]));
        let same = to_create().find(|(_, workspace)| workspace.label.as_deref() == Some(name));
        if let Some((place, _)) = same {
            // Several names of a map lead here.
            return Ok(Meaning::Place(place));
        }
        if let Likeness::Alike(_) | Likeness::Several(Several { is_sure: true, .. }) = near {
            return Err(self.unknown(name, near.clone()));
        }
        if let Some(twin) = self.spelled_otherwise(name) {
            return Err(self.unknown(name, Likeness::Similar(twin)));
        }
        if is_placeholder(name) {
            return Err(Box::new(|text| {
                let message =
                    format!("`{text}` is a placeholder, not a workspace name; it will not be created");
                Complaint::new(IssueKind::UnknownWorkspace, message)
                    .hint("write the workspace's name; if this really is its name, create the workspace by hand first")
            }));
        }
        if let Some(twin) = self.looks.find(name) {
            return Err(self.twin_of_a_new_one(name, twin));
        }
        let notices = &self.session.notices;
        match near {
            Likeness::Similar(near) => {
                notices.give(&Notice::Planning(PlanningNotice::MaybeTypo { name, near }));
            }
            Likeness::Several(_) => {
                let reason = &near.reason(name).unwrap_or_default();
                notices.give(&Notice::Planning(PlanningNotice::MaybeOthers { name, reason }));
            }
            Likeness::Nothing | Likeness::Alike(_) => {}
        }
        self.looks.add(name);
        let list = &mut self.places.workspaces;
        list.push(Workspace { id: WorkspaceId::none_yet(), label: Some(name.to_owned()) });
        let place = place(list.len() - 1);
        self.places.to_create.push(place);
        Ok(Meaning::Place(place))
    }

    /// Two names of the file that would look the same, or nearly, afterwards.
    fn twin_of_a_new_one(&self, name: &str, twin: &str) -> Complain<'static> {
        let line = self.lines.get(twin).map_or_else(String::new, |line| format!(" on line {line}"));
        let difference = if differs_by_case(name, twin) {
            "only capital letters differ".to_owned()
        } else {
            difference(name, twin)
        };
        let twin = printable(twin).into_owned();
        Box::new(move |text| {
            let message = format!("`{text}` looks like `{twin}`{line} but is a different name: {difference}");
            Complaint::new(IssueKind::UnknownWorkspace, message)
                .hint("spell both the same way to create a single workspace")
        })
    }

    /// A label that differs from this one by capitals only, of a workspace that exists.
    fn spelled_otherwise(&self, name: &str) -> Option<String> {
        let is_twin = |label: &&str| label.trim().to_lowercase() == name.to_lowercase();
        let mut existing = self.listing.workspaces.iter().filter_map(|workspace| workspace.label.as_deref());
        existing.find(is_twin).map(str::to_owned)
    }

    /// A text that is no workspace's id or label, as far as the caller sees.
    fn unknown<'c>(&self, name: &str, near: Likeness) -> Complain<'c> {
        let (scope, names, id_like) = (self.listing.scope, self.names, looks_like_an_id(name));
        let of_the_map = || self.mapped.find(name).map(|twin| difference(name, twin));
        let reason = near.reason(name).or_else(of_the_map);
        Box::new(move |text| {
            let message = match scope {
                Scope::System => format!("there is no workspace `{text}`"),
                Scope::Own => format!("this token cannot see a workspace `{text}`"),
            };
            let message = match &reason {
                Some(reason) => format!("{message}: {reason}"),
                None => message,
            };
            let hint = match (near.hint(), scope) {
                (Some(hint), _) => hint,
                (None, _) if names == Names::Mapped => {
                    "add it to the --workspace-map file, with an id or a label of this Houston".to_owned()
                }
                (None, Scope::System) if id_like => "ids must match exactly; `export` lists them".to_owned(),
                (None, Scope::System) => {
                    "labels must match exactly: `export` lists them, --create-workspaces creates it"
                        .to_owned()
                }
                (None, Scope::Own) => {
                    "use a token of a system admin or of an admin of that workspace, or the workspace's id"
                        .to_owned()
                }
            };
            Complaint::new(IssueKind::UnknownWorkspace, message).hint(hint)
        })
    }

    /// An id that is not among the caller's own workspaces may still be one they can see.
    fn look_for(&mut self, id: &WorkspaceId) -> Result<Meaning, Failure> {
        const UNSEEN: &str =
            "the token sees no such workspace: it does not exist, or the caller has no access";
        let unseen =
            || Meaning::Decided(Reason::Rejected(Arc::new(Cause::new(Code::WorkspaceUnknown, UNSEEN))));
        let mut take = |id, label| {
            self.places.workspaces.push(Workspace { id, label });
            Meaning::Place(place(self.places.workspaces.len() - 1))
        };
        Ok(match self.session.houston.workspace(id) {
            Ok(Some(workspace)) => take(workspace.id, workspace.label),
            Ok(None) => unseen(),
            Err(failure) => match failure.fault {
                Fault::Denied { .. } | Fault::Rejected { .. } => unseen(),
                fault @ Fault::Expired { .. } => return Err(unusable(&fault, &self.session.url)),
                fault @ (Fault::Unsent { .. } | Fault::Proxy { .. }) if fault.bars_all() => {
                    return Err(unusable(&fault, &self.session.url));
                }
                // Unknown for now; reading its members will show it.
                Fault::Unsent { .. }
                | Fault::NoAnswer { .. }
                | Fault::Proxy { .. }
                | Fault::Throttled { .. }
                | Fault::Already { .. }
                | Fault::Schema { .. }
                | Fault::Internal { .. }
                | Fault::Malformed { .. } => take(id.clone(), None),
            },
        })
    }
}

/// The index of a workspace in a list.
pub(crate) fn place(index: usize) -> u32 {
    u32::try_from(index).expect("fewer workspaces than rows")
}
