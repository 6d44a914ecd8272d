//! A plan in a file, to be reviewed, approved and applied later: like a run in which nothing
//! has been sent yet, with the same [`PlanLine`] per row, and the roster itself.
//!
//! Main type: [`SavedPlan`]. What is approved is its digest: SHA-256 of the document without what has no
//! effect, compact and with the keys of every object in order:
//! `jq -cS 'del(.digest,.tool_version,.houston_version,.caller,.roster,.settings.canary,.settings.unattended,.settings.pace,.rows[].why)'`.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::journal::{Hashing, Kept, LineDecision, Origin, PlanLine, RunSettings};
use crate::files::{Links, open_regular};
use crate::model::{Role, RowNumber, Scope, WorkspaceId, email_key, escaped_json};
use crate::outcome::{Code, Status};
use crate::plan::{Account, Action, Counts, Deployment, Holder, Membership, Standing};

/// The version of the format; a reader refuses every other one.
pub const SCHEMA_VERSION: u64 = 4;

/// The fields of a plan that change nothing: where and by whom it was made. When it was made counts:
/// the same change that is wanted once more is another plan, with another digest.
const ASIDE: [&str; 5] = ["digest", "tool_version", "houston_version", "caller", "roster"];
/// The settings that belong to `apply`: how fast and how carefully it applies a plan.
const MANNER: [&str; 3] = ["canary", "unattended", "pace"];
/// The field of a row that is for people only.
const WHY: &str = "why";

/// The longest file of a plan in bytes: a million rows take half of it.
const LONGEST: u64 = 512 << 20;

/// Whether this regular file looks like a saved plan, also like one that was changed or is of another version.
pub fn is_saved_plan(path: &Path) -> bool {
    const EDGE: u64 = 1 << 16;
    let look = || -> io::Result<bool> {
        let mut file = open_regular(path, Links::Follow)?;
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        (&file).take(EDGE).read_to_end(&mut head)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(EDGE)))?;
        file.take(EDGE).read_to_end(&mut tail)?;
        let has =
            |key: &[u8]| [&head, &tail].iter().any(|text| text.windows(key.len()).any(|part| part == key));
        Ok(head.trim_ascii_start().starts_with(b"{") && has(b"\"schema_version\"") && has(b"\"digest\""))
    };
    look().unwrap_or(false)
}

/// A plan as its file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SavedPlan {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u64,
    /// When it was made, RFC 3339.
    #[cfg_attr(test, schemars(with = "String"))]
    pub made_at: jiff::Timestamp,
    /// Version of the program that made it.
    pub tool_version: String,
    /// The URL of Houston.
    pub target: String,
    /// Whether that was an embedded sandbox, gone with its process.
    pub sandbox: bool,
    /// What Houston said of its version.
    pub houston_version: Option<String>,
    /// The user id of the person who made it, if the token was a person's.
    pub caller: Option<String>,
    /// What the plan means beside its rows. How fast and how carefully it is carried out is `apply`'s.
    pub settings: RunSettings,
    /// The run that this plan undoes, if it undoes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_of: Option<String>,
    /// How many rows were decided in which way; none in a plan that takes a run back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// Whether its removals keep to its limits, if it removes people: judged over the whole plan, so that a
    /// shard of it need not know the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_limits: Option<bool>,
    /// The roster as the user named it.
    pub roster: String,
    /// The text of the roster.
    pub roster_text: String,
    /// How the roster is read, as its reader understands it.
    pub reading: Value,
    /// What was seen and decided: a line per row of the roster, then one per role in a deployment, then
    /// one per person who is not in the roster.
    pub rows: Vec<PlanLine>,
}

/// A file that is not a plan that can be applied.
#[derive(Debug, thiserror::Error)]
pub enum SavedPlanError {
    /// It cannot be read.
    #[error("cannot read the plan")]
    Unreadable(#[source] io::Error),
    /// It is not JSON, or not to its end.
    #[error("this is not a saved plan, or it is incomplete")]
    NotJson(#[source] serde_json::Error),
    /// It is something else.
    #[error("this is not a saved plan: it has no `{0}`")]
    NoPlan(&'static str),
    /// Another version of the format.
    #[error("the plan has schema version {0}; this version reads {SCHEMA_VERSION}")]
    OtherVersion(u64),
    /// Its content is not the one of its digest.
    #[error(
        "the plan was modified after it was saved: its content has the digest {found}, but its `digest` is {written}"
    )]
    Altered {
        /// What it says.
        written: String,
        /// What it has.
        found: String,
    },
    /// It contains something that this version does not support.
    #[error("the plan contains something that this version does not understand")]
    Unknown(#[source] serde_json::Error),
    /// A field in it would be passed over.
    #[error("the plan contains something that this version does not understand, in {0}")]
    PassedOver(String),
}

impl SavedPlan {
    /// Writes the plan with its digest, which it gives.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, out: impl Write) -> io::Result<String> {
        self.write_with(self.rows.iter().map(|row| Ok(Cow::Borrowed(row))), out)
    }

    /// The same with these rows instead of its own, which need not be in memory together.
    ///
    /// # Errors
    /// If they cannot be read, or the plan not be written.
    pub fn write_with<'r>(
        &self,
        rows: impl Iterator<Item = io::Result<Cow<'r, PlanLine>>>,
        out: impl Write,
    ) -> io::Result<String> {
        let mut rows = Some(rows);
        let head = serde_json::to_value(self.head())?;
        let Value::Object(head) = head else { return Err(io::Error::other("a plan is an object")) };
        let mut out = Twice { file: out, hash: Hashing::new(io::sink()) };
        out.both(b"{")?;
        let mut counts_any = false;
        for (place, key) in in_order(&head).into_iter().enumerate() {
            out.file.write_all(if place > 0 { b",\n" } else { b"\n" })?;
            let name = format!("{}:", serde_json::to_string(key)?);
            out.file.write_all(name.as_bytes())?;
            let counts = !ASIDE.contains(&key.as_str());
            if counts {
                out.hash.write_all(if counts_any { b"," } else { b"" })?;
                out.hash.write_all(name.as_bytes())?;
                counts_any = true;
            }
            match key.as_str() {
                "rows" => out.rows(rows.take().into_iter().flatten())?,
                "settings" => out.value(&head[key], Some(&without(&head[key], &MANNER)))?,
                _ => out.value(&head[key], counts.then_some(&head[key]))?,
            }
        }
        let Twice { mut file, mut hash } = out;
        hash.write_all(b"}")?;
        let digest = hash.finish().1;
        file.write_all(format!(",\n\"digest\":\"{digest}\"\n}}\n").as_bytes())?;
        file.flush()?;
        Ok(digest)
    }

    /// Everything but the rows, of which there may be many.
    fn head(&self) -> Self {
        Self {
            schema_version: self.schema_version,
            made_at: self.made_at,
            tool_version: self.tool_version.clone(),
            target: self.target.clone(),
            sandbox: self.sandbox,
            houston_version: self.houston_version.clone(),
            caller: self.caller.clone(),
            settings: self.settings.clone(),
            undo_of: self.undo_of.clone(),
            counts: self.counts,
            within_limits: self.within_limits,
            roster: self.roster.clone(),
            roster_text: self.roster_text.clone(),
            reading: self.reading.clone(),
            rows: Vec::new(),
        }
    }

    /// Reads a plan and compares its content with its digest.
    ///
    /// # Errors
    /// It cannot be read, was changed, or is not a plan that this version could carry out to the
    /// letter.
    pub fn read(path: &Path) -> Result<(Self, String), SavedPlanError> {
        let file = open_regular(path, Links::Follow).map_err(SavedPlanError::Unreadable)?;
        if file.metadata().map_err(SavedPlanError::Unreadable)?.len() > LONGEST {
            let text = format!("longer than {LONGEST} bytes");
            return Err(SavedPlanError::Unreadable(io::Error::new(io::ErrorKind::FileTooLarge, text)));
        }
        let document: Value =
            serde_json::from_reader(io::BufReader::new(file.take(LONGEST))).map_err(|error| {
                if error.is_io() {
                    SavedPlanError::Unreadable(error.into())
                } else {
                    SavedPlanError::NotJson(error)
                }
            })?;
        let Value::Object(mut document) = document else {
            return Err(SavedPlanError::NoPlan("schema_version"));
        };
        let version = document.get("schema_version").and_then(Value::as_u64);
        let digest = document.remove("digest");
        let Some(Value::String(written)) = digest else { return Err(SavedPlanError::NoPlan("digest")) };
        match version {
            Some(SCHEMA_VERSION) => {}
            Some(other) => return Err(SavedPlanError::OtherVersion(other)),
            None => return Err(SavedPlanError::NoPlan("schema_version")),
        }
        let found = digest_of(&document).map_err(SavedPlanError::Unreadable)?;
        let document = Value::Object(document);
        if found != written {
            return Err(SavedPlanError::Altered { written, found });
        }
        let plan = Self::deserialize(&document).map_err(SavedPlanError::Unknown)?;
        plan.passes_nothing_over(&document)?;
        Ok((plan, written))
    }

    /// Every field of the file must be understood: an ignored one could mean anything.
    fn passes_nothing_over(&self, document: &Value) -> Result<(), SavedPlanError> {
        let same = |ours: serde_json::Result<Value>, theirs: &Value, what: String| match ours {
            Ok(ours) if ours == *theirs => Ok(()),
            Ok(_) => Err(SavedPlanError::PassedOver(what)),
            Err(error) => Err(SavedPlanError::Unknown(error)),
        };
        same(serde_json::to_value(&self.settings), &document["settings"], "its settings".to_owned())?;
        for (place, row) in self.rows.iter().enumerate() {
            same(serde_json::to_value(row), &document["rows"][place], format!("row {}", place + 1))?;
        }
        Ok(())
    }
}

/// The file, and what its digest is of.
struct Twice<W> {
    file: W,
    hash: Hashing<io::Sink>,
}

impl<W: Write> Twice<W> {
    fn both(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.write_all(bytes)
    }

    /// A value: the file has its texts in a form that does nothing to a terminal; the digest is of what
    /// counts of it, and the same in every form.
    fn value(&mut self, value: &Value, counts: Option<&Value>) -> io::Result<()> {
        let json = String::from_utf8(canonical(value)?).map_err(io::Error::other)?;
        self.file.write_all(escaped_json(&json).as_bytes())?;
        counts.map_or(Ok(()), |counts| self.hash.write_all(&canonical(counts)?))
    }

    /// One row per line of the file.
    fn rows<'r>(&mut self, rows: impl Iterator<Item = io::Result<Cow<'r, PlanLine>>>) -> io::Result<()> {
        self.both(b"[")?;
        for (place, row) in rows.enumerate() {
            if place > 0 {
                self.both(b",")?;
            }
            self.file.write_all(b"\n")?;
            let row = serde_json::to_value(row?)?;
            self.value(&row, Some(&without(&row, &[WHY])))?;
        }
        self.both(b"]")
    }
}

/// An object without some of its fields; anything else as it is.
fn without(value: &Value, fields: &[&str]) -> Value {
    let mut value = value.clone();
    if let Value::Object(object) = &mut value {
        fields.iter().for_each(|field| drop(object.remove(*field)));
    }
    value
}

/// The digest of everything in a plan that has an effect. There may be many rows: they are not copied.
fn digest_of(document: &Map<String, Value>) -> io::Result<String> {
    let mut hash = Hashing::new(io::sink());
    let counting = in_order(document).into_iter().filter(|key| !ASIDE.contains(&key.as_str()));
    for (place, key) in counting.enumerate() {
        hash.write_all(if place > 0 { b"," } else { b"{" })?;
        serde_json::to_writer(&mut hash, key)?;
        hash.write_all(b":")?;
        match (key.as_str(), &document[key]) {
            ("settings", settings) => write_canonical(&without(settings, &MANNER), &mut hash)?,
            ("rows", Value::Array(rows)) => {
                for (place, row) in rows.iter().enumerate() {
                    hash.write_all(if place > 0 { b"," } else { b"[" })?;
                    write_canonical(&without(row, &[WHY]), &mut hash)?;
                }
                hash.write_all(if rows.is_empty() { b"[]" } else { b"]" })?;
            }
            (_, value) => write_canonical(value, &mut hash)?,
        }
    }
    hash.write_all(b"}")?;
    Ok(hash.finish().1)
}

fn canonical(value: &Value) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write_canonical(value, &mut bytes)?;
    Ok(bytes)
}

/// The keys of an object in the order of their bytes.
fn in_order(object: &Map<String, Value>) -> Vec<&String> {
    let mut keys: Vec<&String> = object.keys().collect();
    keys.sort();
    keys
}

/// Compact JSON with the keys of every object in order.
fn write_canonical(value: &Value, out: &mut impl Write) -> io::Result<()> {
    match value {
        Value::Object(object) => {
            out.write_all(b"{")?;
            for (place, key) in in_order(object).into_iter().enumerate() {
                out.write_all(if place > 0 { b"," } else { b"" })?;
                serde_json::to_writer(&mut *out, key)?;
                out.write_all(b":")?;
                write_canonical(&object[key], out)?;
            }
            out.write_all(b"}")
        }
        Value::Array(items) => {
            out.write_all(b"[")?;
            for (place, item) in items.iter().enumerate() {
                out.write_all(if place > 0 { b"," } else { b"" })?;
                write_canonical(item, out)?;
            }
            out.write_all(b"]")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            serde_json::to_writer(out, value).map_err(io::Error::from)
        }
    }
}

/// A difference between a plan and the present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Who.
    pub email: String,
    /// The physical line of their row; none for a person who is not in the roster.
    pub line: Option<u32>,
    /// The workspace; none if the row has none.
    pub workspace: Option<String>,
    /// The release name of the deployment, for a role in one.
    pub deployment: Option<String>,
    /// What was seen, and what was decided if the same is seen now.
    pub was: String,
    /// The same now.
    pub is_now: String,
}

/// How a plan is held against the present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// All that was seen and decided, but for what a cause says in its sentence.
    Everything,
    /// Only the changes, per person: an undo plan is made without reading Houston. What a guard holds
    /// back now does not count as a difference.
    Deeds,
}

/// The people whose state or change differs now. In both, the lines of the rows of one roster come first.
pub fn moved(then: &[PlanLine], now: impl Iterator<Item = PlanLine>, against: Against) -> Vec<Moved> {
    let mut now = now.peekable();
    let (wishes, extras) = then.split_at(then.partition_point(PlanLine::is_row));
    let mut moved = Vec::new();
    for then in wishes {
        // Another row of the file belongs to the shard now.
        while let Some(come) = now.next_if(|now| now.is_row() && row_line(now) < row_line(then)) {
            moved.extend(difference(None, Some(&come), against));
        }
        let now = now.next_if(|now| now.is_row() && row_line(now) == row_line(then));
        moved.extend(difference(Some(then), now.as_ref(), against));
    }
    while let Some(come) = now.next_if(PlanLine::is_row) {
        moved.extend(difference(None, Some(&come), against));
    }
    // Extras may come in another order now.
    let mut there: HashMap<_, PlanLine> = now.map(|line| (whose(&line, against), line)).collect();
    for then in extras {
        let now = there.remove(&whose(then, against));
        moved.extend(difference(Some(then), now.as_ref(), against));
    }
    let mut come: Vec<PlanLine> = there.into_values().collect();
    come.sort_by_key(|line| line.item);
    moved.extend(come.iter().filter_map(|now| difference(None, Some(now), against)));
    moved
}

/// The physical line of the row that a line is about.
fn row_line(line: &PlanLine) -> Option<u32> {
    match line.origin {
        Origin::Row { line, .. } => Some(line),
        Origin::Extra => None,
    }
}

/// The person and the workspace of a line behind the rows of the roster.
type Who = (Option<WorkspaceId>, String, Option<Deployment>, Option<Account>);

/// The person of a line behind the rows of the roster.
fn whose(line: &PlanLine, against: Against) -> Who {
    let account = line.accounts.first().filter(|_| against == Against::Everything).cloned();
    let deployment = line.deployment.as_ref().map(|deployment| in_deeds(deployment, against));
    (line.workspace.clone(), email_key(&line.email).into_owned(), deployment, account)
}

/// A deployment as it is compared: of people who come back only the name is known.
fn in_deeds(deployment: &Deployment, against: Against) -> Deployment {
    match against {
        Against::Everything => deployment.clone(),
        Against::Deeds => Deployment { id: String::new(), name: deployment.name.clone() },
    }
}

fn difference(then: Option<&PlanLine>, now: Option<&PlanLine>, against: Against) -> Option<Moved> {
    if let (Some(then), Some(now)) = (then, now)
        && Essence::of(then, now, against) == Essence::of(now, now, against)
    {
        return None;
    }
    let any = then.or(now)?;
    let other = then.map(|then| &then.workspace) != now.map(|now| &now.workspace);
    let [was, is_now] =
        [then, now].map(|line| line.map_or("not in the plan".to_owned(), |line| seen_at(line, other)));
    let is_same = was == is_now;
    let decided = |text: String, line: Option<&PlanLine>| match line.filter(|_| is_same) {
        Some(line) => format!("{text} ({})", decided(line)),
        None => text,
    };
    let email = [then.map(|then| &then.email), now.map(|now| &now.email)];
    Some(Moved {
        email: email.into_iter().flatten().find(|email| !email.is_empty()).cloned().unwrap_or_default(),
        line: row_line(any),
        deployment: any.deployment.as_ref().map(|deployment| deployment.name.clone()),
        workspace: any
            .workspace
            .as_ref()
            .or(now.and_then(|now| now.workspace.as_ref()))
            .map(|id| id.as_str().to_owned()),
        was: decided(was, then),
        is_now: decided(is_now, now),
    })
}

/// The code of a line that changes nothing.
fn code(line: &PlanLine) -> Option<&Code> {
    line.decision.kept().and_then(|kept| kept.code.as_ref())
}

/// Whether limits hold back a planned removal or demotion. The limits given when a plan is applied may
/// be stricter than its own.
fn is_held_by_limits(line: &PlanLine) -> bool {
    matches!(code(line), Some(Code::Protected | Code::GuardMaxRemove))
}

/// What of a line has to be the same.
#[derive(PartialEq)]
struct Essence<'l> {
    /// The physical line of its row; none for a person who is not in the roster.
    row: Option<u32>,
    email: Cow<'l, str>,
    role: Option<Role>,
    workspace: Option<&'l WorkspaceId>,
    deployment: Option<Deployment>,
    action: Option<Action>,
    from_role: Option<Role>,
    into: Option<RowNumber>,
    /// None if what was seen does not count.
    seen: Option<Seen<'l>>,
}

/// What was seen, and what is known only where it was looked at.
#[derive(PartialEq)]
struct Seen<'l> {
    membership: Option<Membership>,
    status: Option<Status>,
    code: Option<&'l Code>,
    accounts: &'l [Account],
    workspace_role: Option<Role>,
    deployment_roles: &'l [(String, Role)],
}

impl<'l> Essence<'l> {
    /// Of this line, which is compared with what is so now.
    fn of(line: &'l PlanLine, now: &'l PlanLine, against: Against) -> Self {
        let is_held = match against {
            Against::Everything => {
                let takes_away =
                    matches!(line.decision.action(), Some(Action::Remove(_) | Action::SetRole { .. }));
                takes_away && is_held_by_limits(now)
            }
            Against::Deeds => code(now).is_some_and(Code::is_guard) || is_held_by_limits(now),
        };
        // What is held back now is compared without what it would have done.
        let decided = if is_held { now } else { line };
        let is_of_row = line.deployment.is_none();
        let kept = decided.decision.kept();
        Self {
            row: row_line(line),
            email: match against {
                Against::Everything => Cow::Borrowed(line.email.as_str()),
                // Houston may spell the domain otherwise than the roster of the run did.
                Against::Deeds => email_key(&line.email),
            },
            role: line.role,
            workspace: line.workspace.as_ref(),
            deployment: line.deployment.as_ref().map(|deployment| in_deeds(deployment, against)),
            action: decided.decision.action().map(|action| without_holder(action, against)),
            from_role: if is_of_row { decided.from_role() } else { line.from_role() },
            into: line.decision.kept().and_then(|kept| kept.into),
            seen: (against == Against::Everything).then(|| Seen {
                membership: line.seen.map(once_or_more),
                status: kept.map(|kept| kept.status),
                code: code(decided),
                accounts: &line.accounts,
                workspace_role: line.workspace_role,
                deployment_roles: &line.deployment_roles,
            }),
        }
    }
}

/// An action as it is compared: an undo plan does not know what holds the role.
fn without_holder(action: Action, against: Against) -> Action {
    match (action, against) {
        (Action::SetRole { from, to, .. }, Against::Deeds) => {
            Action::SetRole { from, to, holder: Holder::Member }
        }
        (action, Against::Everything | Against::Deeds) => action,
    }
}

/// What was seen, whatever the number of bindings or invitations is if there are several.
fn once_or_more(seen: Membership) -> Membership {
    match seen {
        Membership::Member { role, bindings, standing } => {
            Membership::Member { role, bindings: bindings.min(2), standing }
        }
        Membership::Invited { role, invites } => Membership::Invited { role, invites: invites.min(2) },
        Membership::Absent => Membership::Absent,
    }
}

/// What Houston had of a person, for people. An undo plan is made without asking: what it assumes.
fn seen_at(line: &PlanLine, with_workspace: bool) -> String {
    let name = |level| line.scope().role(level).name();
    let with = |level| match line.scope() {
        Scope::Workspace => format!("a member as {}", name(level)),
        Scope::Deployment => name(level).to_owned(),
    };
    let without = match line.scope() {
        Scope::Workspace => "not a member",
        Scope::Deployment => "without a role",
    };
    let text = match (line.seen, line.decision.action()) {
        (Some(Membership::Absent), _) | (None, Some(Action::Add(_))) => without.to_owned(),
        (Some(Membership::Member { role, standing: Standing::Pending, .. }), _) => {
            format!("invited as {}", name(role))
        }
        (Some(Membership::Member { role, standing: Standing::Disabled, .. }), _) => {
            format!("{}, cannot sign in", with(role))
        }
        (Some(Membership::Member { role, standing: Standing::Active, .. }), _) => with(role),
        (Some(seen @ Membership::Invited { .. }), _) => seen.described(line.scope()),
        (None, Some(Action::SetRole { from, .. } | Action::Remove(Some(from)))) => with(from),
        (None, Some(Action::Remove(None) | Action::Replace { .. }) | None) => "not compared".to_owned(),
    };
    match line.workspace.as_ref().filter(|_| with_workspace) {
        Some(workspace) => format!("{text} in {workspace}"),
        None => text,
    }
}

/// What was decided, in words that tell apart what looks the same.
fn decided(line: &PlanLine) -> String {
    match &line.decision {
        LineDecision::Change(action) if line.is_row() && line.seen.is_some_and(Membership::is_doubled) => {
            format!("{}: {}", action.word(), Code::DuplicateBinding.word()).replace('_', " ")
        }
        LineDecision::Change(action) => action.word().replace('_', " "),
        LineDecision::Keep(Kept { status, code, .. }) => {
            code.as_ref().map_or(status.word(), Code::word).replace('_', " ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ItemId, Level};
    use crate::plan::Standing;

    fn plan() -> SavedPlan {
        let row = |index, decision: Value| {
            let row = ItemId::from_index(index);
            let line = serde_json::json!({"item": row, "origin": {"row": {"number": row, "line": index + 2}},
                "email": "ann@example.com", "role": "WORKSPACE_VIEWER", "workspace": "ck1",
                "seen": "absent", "decision": decision});
            serde_json::from_value(line).unwrap()
        };
        SavedPlan {
            schema_version: SCHEMA_VERSION,
            made_at: "2026-01-15T09:30:00Z".parse().unwrap(),
            tool_version: "0.1.0".to_owned(),
            target: "https://houston.example.com/v1".to_owned(),
            sandbox: false,
            houston_version: None,
            caller: None,
            settings: RunSettings::default(),
            undo_of: None,
            counts: Some(Counts { add: 1, ..Counts::default() }),
            within_limits: None,
            roster: "r.csv".to_owned(),
            roster_text: "email,role,workspace\nann@example.com,viewer,Ä\n".to_owned(),
            reading: serde_json::json!({"b": 1, "a": [{"d": 2, "c": null}]}),
            rows: vec![
                row(0, serde_json::json!({"change": {"add": "viewer"}})),
                row(1, serde_json::json!({"keep": {"status": "unchanged"}})),
            ],
        }
    }

    fn viewer() -> Membership {
        Membership::Member { role: Level::Viewer, bindings: 1, standing: Standing::Active }
    }

    /// A person who is not in the roster and should be removed.
    fn extra(index: usize, id: &str) -> PlanLine {
        let line = serde_json::json!({"item": ItemId::from_index(index), "origin": "extra",
            "email": "e@example.com", "workspace": "ck1", "accounts": [{"user": id}],
            "decision": {"change": {"remove": "viewer"}}});
        PlanLine { seen: Some(viewer()), ..serde_json::from_value(line).unwrap() }
    }

    fn written(plan: &SavedPlan) -> (String, String) {
        let mut bytes = Vec::new();
        let digest = plan.write(&mut bytes).unwrap();
        (String::from_utf8(bytes).unwrap(), digest)
    }

    fn reread(text: &str) -> Result<(SavedPlan, String), SavedPlanError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        SavedPlan::read(file.path())
    }

    /// The text with a change, under a digest that fits.
    fn forged(from: &str, to: &str) -> String {
        let text = written(&plan()).0.replacen(from, to, 1);
        let mut document: Map<String, Value> = serde_json::from_str(&text).unwrap();
        document.remove("digest");
        let digest = digest_of(&document).unwrap();
        document.insert("digest".to_owned(), digest.into());
        Value::Object(document).to_string()
    }

    #[test]
    fn a_plan_comes_back_as_it_was() {
        let (text, digest) = written(&plan());
        assert_eq!(reread(&text).unwrap(), (plan(), digest));
        let hostile =
            SavedPlan { roster_text: "\u{9b}31m\u{202e}\u{61c}##vso[x]\u{7f}".to_owned(), ..plan() };
        let (text, digest) = written(&hostile);
        assert!(text.chars().all(|c| c == '\n' || crate::model::is_harmless(c)), "{text}");
        assert_eq!(reread(&text).unwrap(), (hostile, digest));
    }

    #[test]
    fn the_digest_is_of_the_content_and_not_of_its_layout() {
        let (text, digest) = written(&plan());
        let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&text).unwrap()).unwrap();
        assert_eq!(reread(&pretty).unwrap().1, digest);
        assert!(matches!(reread(&text.replace("ann@", "bob@")), Err(SavedPlanError::Altered { .. })));
    }

    /// Every position of a document that has a value, as a JSON pointer.
    fn places(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                object.iter().for_each(|(key, value)| places(value, &format!("{at}/{key}"), found));
            }
            Value::Array(items) if !items.is_empty() => {
                let items = items.iter().enumerate();
                items.for_each(|(place, value)| places(value, &format!("{at}/{place}"), found));
            }
            Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                found.push(at.to_owned());
            }
        }
    }

    fn another(value: &Value) -> Value {
        match value {
            Value::Bool(on) => (!on).into(),
            Value::Number(number) => (number.as_u64().unwrap_or_default() + 1).into(),
            Value::String(text) => format!("{text}x").into(),
            Value::Null | Value::Array(_) | Value::Object(_) => "x".into(),
        }
    }

    #[test]
    fn the_digest_is_of_all_that_has_an_effect_and_of_nothing_else() {
        let full = |index: usize, decision: Value| {
            let line = serde_json::json!({"item": ItemId::from_index(index),
                "origin": {"row": {"number": 1, "line": 2}}, "email": "a@example.com",
                "role": "DEPLOYMENT_VIEWER", "workspace": "ck1", "deployment": {"id": "d", "name": "n"},
                "workspace_role": "WORKSPACE_VIEWER", "accounts": [{"user": "u"}],
                "deployment_roles": [["d", "DEPLOYMENT_VIEWER"]],
                "seen": {"member": {"level": "admin", "bindings": 1, "standing": "active"}},
                "decision": decision, "why": "w"});
            serde_json::from_value(line).unwrap()
        };
        let kept = serde_json::json!({"keep": {"status": "unchanged", "into": 1, "code": "c"}});
        let set_role = serde_json::json!({"from": "admin", "to": "viewer", "holder": "member"});
        let changed = serde_json::json!({"change": {"set_role": set_role}});
        let pace = crate::record::journal::RunPace {
            concurrency: 8,
            period_us: Some(1),
            auto: true,
            retries: 4,
            timeout_ms: 1,
            settle_ms: 1,
        };
        let prune = crate::record::journal::Prune { protect: vec!["p".to_owned()], ..Default::default() };
        let settings = RunSettings {
            exit_code_unchanged: Some(9),
            repair_duplicates: true,
            reinvite: true,
            pace: Some(pace),
            prune: Some(prune),
            protect: vec!["q".to_owned()],
            ..RunSettings::default()
        };
        let plan = SavedPlan {
            settings,
            undo_of: Some("run".to_owned()),
            rows: vec![full(0, kept), full(1, changed)],
            ..plan()
        };
        let (text, digest) = written(&plan);
        let document: Map<String, Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(digest_of(&document).unwrap(), digest);
        let mut found = Vec::new();
        places(&Value::Object(document.clone()), "", &mut found);
        let is_aside = |at: &str| {
            let parts: Vec<&str> = at.split('/').skip(1).collect();
            ASIDE.contains(&parts[0])
                || (parts[0] == "settings" && MANNER.contains(&parts[1]))
                || (parts[0] == "rows" && parts[2] == WHY)
        };
        for at in &found {
            let mut other = Value::Object(document.clone());
            let value = other.pointer_mut(at).unwrap();
            *value = another(value);
            let Value::Object(other) = other else { unreachable!("it was one") };
            assert_eq!(digest_of(&other).unwrap() == digest, is_aside(at), "{at}");
        }
        // Every field of the plan, of its settings and of a row was tried.
        let tried = |name: &str| found.iter().any(|at| at.starts_with(name));
        for field in [
            "schema_version",
            "target",
            "sandbox",
            "undo_of",
            "counts/add",
            "roster_text",
            "reading/b",
            "reading/a/0/c",
        ] {
            assert!(tried(&format!("/{field}")) && !is_aside(&format!("/{field}")), "{field}");
        }
        for field in [
            "send_invites",
            "bypass_local",
            "exit_code_unchanged",
            "roles",
            "repair_duplicates",
            "reinvite",
            "prune/caps/people",
            "prune/caps/percent",
            "prune/on_guard",
            "prune/protect",
            "protect",
        ] {
            assert!(tried(&format!("/settings/{field}")), "{field}");
        }
        assert_eq!(
            [0, 1].map(|row| { found.iter().filter(|at| at.starts_with(&format!("/rows/{row}/"))).count() }),
            [19, 19]
        );
        assert_eq!(serde_json::to_value(&plan.settings).unwrap().as_object().unwrap().len(), 11);
        assert_eq!(document.len(), 15);
    }

    #[test]
    fn what_limits_hold_back_now_is_no_difference() {
        let removed = || extra(0, "u");
        let kept = |code: &str| {
            let code = Some(Code::from(code.to_owned()));
            let kept = Kept { status: Status::Unchanged, into: None, code };
            PlanLine { decision: LineDecision::Keep(kept), ..removed() }
        };
        let difference = |then, now| moved(&[then], [now].into_iter(), Against::Everything).len();
        for code in ["protected", "guard_max_remove"] {
            assert_eq!(difference(removed(), kept(code)), 0, "{code}");
            assert_eq!(difference(kept(code), removed()), 1, "{code}");
        }
        assert_eq!(difference(removed(), kept("guard_last_admin")), 1);
    }

    #[test]
    fn whatever_is_not_understood_is_refused_although_the_digest_fits() {
        let known = forged("\"line\":2", "\"line\":7");
        let number = RowNumber::from_index(0);
        assert_eq!(reread(&known).unwrap().0.rows[0].origin, Origin::Row { number, line: 7 });
        for (from, to, what) in [
            ("{\"add\":\"viewer\"}", "\"delete_everything\"", "Unknown("),
            ("\"line\":2", "\"line\":2,\"more\":1", "PassedOver(\"row 1\")"),
            ("\"email\":", "\"more\":1,\"email\":", "PassedOver(\"row 1\")"),
            ("\"canary\":0", "\"canary\":0,\"more\":1", "PassedOver(\"its settings\")"),
            ("\"sandbox\":", "\"more\":1,\"sandbox\":", "Unknown("),
            ("\"schema_version\":4", "\"schema_version\":3", "OtherVersion(3)"),
        ] {
            let error = format!("{:?}", reread(&forged(from, to)).unwrap_err());
            assert!(error.contains(what), "{to}: {error}");
        }
    }

    #[test]
    fn what_is_no_plan_is_told_apart() {
        let (text, _) = written(&plan());
        for (text, what) in [
            (&text[..text.len() / 2], "NotJson"),
            ("", "NotJson"),
            ("email,role\n", "NotJson"),
            ("[]", "NoPlan"),
            ("{\"schema_version\":1}", "NoPlan(\"digest\")"),
            ("{\"digest\":\"x\"}", "NoPlan(\"schema_version\")"),
        ] {
            let error = format!("{:?}", reread(text).unwrap_err());
            assert!(error.contains(what), "{text}: {error}");
        }
    }

    #[test]
    fn an_extra_is_identified_by_the_account_and_not_by_the_position() {
        let then = [plan().rows, vec![extra(2, "a"), extra(3, "b")]].concat();
        let with = |extras: &[PlanLine]| [&plan().rows[..], extras].concat().into_iter();
        let moved = |extras: &[PlanLine]| moved(&then, with(extras), Against::Everything);
        assert_eq!(moved(&[extra(2, "b"), extra(3, "a")]), []);
        assert_eq!(moved(&[extra(2, "a")])[0].is_now, "not in the plan");
        let one_more = moved(&[extra(2, "a"), extra(3, "b"), extra(4, "c")]);
        assert_eq!((one_more.len(), &*one_more[0].was), (1, "not in the plan"));
    }

    #[test]
    fn only_what_is_seen_or_done_otherwise_has_moved() {
        let then = plan().rows;
        let mut now = then.clone();
        now[1].why = Some("other words".to_owned());
        assert_eq!(moved(&then, now.clone().into_iter(), Against::Everything), []);
        now[0].seen = Some(viewer());
        now[0].decision = LineDecision::keep(Status::Unchanged);
        let moved = moved(&then, now.into_iter(), Against::Everything);
        assert_eq!(moved.len(), 1);
        assert_eq!((&*moved[0].was, &*moved[0].is_now), ("not a member", "a member as WORKSPACE_VIEWER"));
        assert_eq!(moved[0].line, Some(2));
    }
}
