//! The types every part of the program shares: an email, a role, a workspace, a row of the roster.
//!
//! Main type: [`Assignment`], one row of the desired state. Values here can only be built valid;
//! this module must not know any other part of the program.

mod glob;
mod line_numbers;
pub mod period;
mod shard;
pub mod target_key;

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::num::NonZeroU32;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::glob::Glob;
pub use self::line_numbers::LineNumbers;
pub use self::shard::{NotAShard, Shard};

/// What a role is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// A workspace.
    Workspace,
    /// A deployment of a workspace.
    Deployment,
}

/// How much a role allows, weakest first, so that the order is the order of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// May look.
    Viewer,
    /// May change what is in it.
    Editor,
    /// May also change it, delete it, and say who may use it.
    Admin,
}

impl Level {
    /// All levels, weakest first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Editor, Self::Admin];

    /// The short name that rosters may use: `viewer`, `editor`, `admin`.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }
}

/// A role of Houston. Files and requests have its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "&'static str")]
pub struct Role {
    /// What it is about.
    pub scope: Scope,
    /// How much it allows.
    pub level: Level,
}

/// A text that names no role of a workspace or a deployment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a role")]
pub struct NotARole(String);

impl Role {
    /// The names in Houston's `Role` enum, by scope and level.
    const NAMES: [[&'static str; 3]; 2] = [
        ["WORKSPACE_VIEWER", "WORKSPACE_EDITOR", "WORKSPACE_ADMIN"],
        ["DEPLOYMENT_VIEWER", "DEPLOYMENT_EDITOR", "DEPLOYMENT_ADMIN"],
    ];

    /// The role of a workspace at this level.
    pub fn workspace(level: Level) -> Self {
        Self { scope: Scope::Workspace, level }
    }

    /// The role of a deployment at this level.
    pub fn deployment(level: Level) -> Self {
        Self { scope: Scope::Deployment, level }
    }

    /// The roles of this scope, weakest first.
    pub fn all(scope: Scope) -> [Self; 3] {
        Level::ALL.map(|level| Self { scope, level })
    }

    /// The name in Houston's `Role` enum.
    pub fn name(self) -> &'static str {
        Self::NAMES[self.scope as usize][self.level as usize]
    }

    /// The role with this name in Houston's enum, in exactly that spelling.
    pub fn from_name(name: &str) -> Option<Self> {
        let mut all = [Scope::Workspace, Scope::Deployment].into_iter().flat_map(Self::all);
        all.find(|role| role.name() == name)
    }
}

impl Scope {
    /// The role at this level.
    pub fn role(self, level: Level) -> Role {
        Role { scope: self, level }
    }

    /// The level of the role with this name, in exactly Houston's spelling; none for a role of the
    /// other scope.
    pub fn level_of(self, name: &str) -> Option<Level> {
        Role::from_name(name).filter(|role| role.scope == self).map(|role| role.level)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Workspace => "workspace",
            Self::Deployment => "deployment",
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<Role> for &'static str {
    fn from(role: Role) -> Self {
        role.name()
    }
}

impl TryFrom<String> for Role {
    type Error = NotARole;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::from_name(&name).ok_or(NotARole(name))
    }
}

/// The id of a workspace as Houston gives it: not empty, no blanks. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct WorkspaceId(Arc<str>);

/// A text that cannot be a workspace id: empty, or with a blank or control character in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a workspace id is not empty and has no blanks")]
pub struct NotAWorkspaceId;

impl WorkspaceId {
    /// The stand-in for an id until the workspace is created. Never sent.
    pub fn none_yet() -> Self {
        Self("none-yet".into())
    }

    /// Takes an id as it stands; Houston's ids follow no stricter rule (`houston.md` 6).
    pub fn new(id: &str) -> Result<Self, NotAWorkspaceId> {
        if id.is_empty() || id.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(NotAWorkspaceId);
        }
        Ok(Self(id.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for WorkspaceId {
    type Error = NotAWorkspaceId;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        Self::new(&id)
    }
}

impl From<WorkspaceId> for String {
    fn from(id: WorkspaceId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for WorkspaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The number of a data row of the roster: 1 for the first row after the header, blank lines not
/// counted. Not the line in the file (a cell may span lines): see [`Assignment::line`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct RowNumber(NonZeroU32);

impl RowNumber {
    /// The row at this zero-based index.
    ///
    /// # Panics
    /// At four thousand million rows, which the roster reader refuses before.
    pub fn from_index(index: usize) -> Self {
        let number = u32::try_from(index).ok().and_then(|index| index.checked_add(1));
        Self(number.and_then(NonZeroU32::new).expect("a roster has fewer than 2^32 rows"))
    }

    /// The zero-based index of this row.
    pub fn index(self) -> usize {
        self.0.get() as usize - 1
    }

    /// The one-based number.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for RowNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of an item of a plan, and of its line in `plan.jsonl`: 1 for the first. Items are the rows
/// of the roster, then the roles in deployments that they want, then the people who are not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct ItemId(RowNumber);

impl ItemId {
    /// The item at this zero-based index.
    ///
    /// # Panics
    /// At four thousand million items.
    pub fn from_index(index: usize) -> Self {
        Self(RowNumber::from_index(index))
    }

    /// The zero-based index of this item.
    pub fn index(self) -> usize {
        self.0.index()
    }

    /// The one-based number.
    pub fn get(self) -> u32 {
        self.0.get()
    }

    /// The row of the roster that has this number, for an item that is a row.
    pub fn row(self) -> RowNumber {
        self.0
    }
}

impl From<RowNumber> for ItemId {
    /// The rows of the roster are the first items.
    fn from(row: RowNumber) -> Self {
        Self(row)
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One wish of the roster: this person holds this role in this workspace. The email is trimmed, in
/// lower case and of valid form; the workspace is still the text of the file (an id or a label).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment<'a> {
    /// Which row wishes it.
    pub row: RowNumber,
    /// The physical line where that row begins, from 1.
    pub line: u32,
    /// Who, as the file spells the address, in lower case ([`normalize_email`]).
    pub email: &'a str,
    /// As what.
    pub role: Level,
    /// Where: index into the roster's list of distinct workspace texts.
    pub workspace: u32,
}

/// An address as it is written everywhere: trimmed and in lower case. Addresses are compared by
/// their [`email_key`].
pub fn normalize_email(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    let plain = |b: u8| b.is_ascii() && !b.is_ascii_uppercase();
    if text.bytes().all(plain) { Cow::Borrowed(text) } else { Cow::Owned(text.to_lowercase()) }
}

/// The form in which addresses are compared: `ann@münchen.example` and its punycode are one person.
/// Takes a [normal](normalize_email) address or a user name.
pub fn email_key(email: &str) -> Cow<'_, str> {
    let Some((local, domain)) = email.rsplit_once('@') else { return Cow::Borrowed(email) };
    match domain_key(domain) {
        Cow::Owned(domain) => Cow::Owned(format!("{local}@{domain}")),
        Cow::Borrowed(_) => Cow::Borrowed(email),
    }
}

/// The form in which domains are compared: lower case and ASCII.
pub fn domain_key(domain: &str) -> Cow<'_, str> {
    if domain.is_ascii() {
        return Cow::Borrowed(domain);
    }
    idna::domain_to_ascii(domain).map_or(Cow::Borrowed(domain), Cow::Owned)
}

/// The same address with its international domain in the other one of the two forms it has; none
/// where the domain has one form only.
pub fn other_spelling(email: &str) -> Option<String> {
    let (local, domain) = email.rsplit_once('@')?;
    let other = if domain.is_ascii() {
        let (unicode, valid) = idna::domain_to_unicode(domain);
        valid.ok().map(|()| unicode)?
    } else {
        idna::domain_to_ascii(domain).ok()?
    };
    (other != domain).then(|| format!("{local}@{other}"))
}

/// The addresses of a roster, one per row, in one block of memory: a million of them cost little
/// more than their letters.
#[derive(Debug, Default, Clone)]
pub struct Emails {
    text: String,
    ends: Vec<u32>,
    /// Where the file spells an address otherwise than it is compared: the row's index and the
    /// spelling, by row.
    spellings: Vec<(u32, Box<str>)>,
}

impl Emails {
    /// Adds the [normal](normalize_email) address of the next row; an empty text for a row without
    /// a valid one.
    ///
    /// # Panics
    /// At 4 GiB of addresses, which the roster reader's row limit excludes.
    pub fn push(&mut self, email: &str) {
        let key = email_key(email);
        if matches!(key, Cow::Owned(_)) {
            let index = u32::try_from(self.ends.len()).expect("a roster has fewer than 2^32 rows");
            self.spellings.push((index, email.into()));
        }
        self.text.push_str(&key);
        self.ends.push(u32::try_from(self.text.len()).expect("addresses fit 4 GiB"));
    }

    /// The address of a row as the file spells it, in lower case: what people read, and what Houston
    /// is given.
    pub fn spelled(&self, item: impl Into<ItemId>) -> &str {
        let item = item.into();
        let found = self.spellings.binary_search_by_key(&(item.get() - 1), |(index, _)| *index);
        found.map_or_else(|_| self.get(item), |index| &self.spellings[index].1)
    }

    /// The address of a row as it is compared ([`email_key`]).
    pub fn get(&self, item: impl Into<ItemId>) -> &str {
        let index = item.into().index();
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.text[start..self.ends[index] as usize]
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }
}

/// A name in a sentence, in quotes where blanks at its ends would be overlooked.
pub fn with_ends(name: &str) -> Cow<'_, str> {
    if name.is_empty() || name.trim() != name { Cow::Owned(format!("`{name}`")) } else { Cow::Borrowed(name) }
}

/// A text as one word of a command line, quoted where a shell would otherwise take it apart or run
/// a part of it. What begins with a dash is for the caller to keep from being a flag.
pub fn shell_word(text: &str) -> Cow<'_, str> {
    if matches!(printable(text), Cow::Owned(_)) {
        return Cow::Owned(spelled_out(text.as_bytes()));
    }
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@%,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("'{}'", text.replace('\'', "'\\''")))
    }
}

/// The same for bytes that cannot be printed as they are: bash, ksh and zsh read `$'runs\n'`.
pub fn spelled_out(bytes: &[u8]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| text + &format!("\\x{byte:02x}"));
    let spelled = |c: char| match c {
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\'' | '\\' => format!("\\{c}"),
        // Two of them may begin a command of a build server.
        ':' | '#' => hex(&[c as u8]),
        _ if is_harmless(c) => c.to_string(),
        _ => hex(c.encode_utf8(&mut [0; 4]).as_bytes()),
    };
    let parts = bytes
        .utf8_chunks()
        .map(|chunk| chunk.valid().chars().map(spelled).chain([hex(chunk.invalid())]).collect::<String>());
    format!("$'{}'", parts.collect::<String>())
}

/// A text of the system without the number that the standard library puts behind it.
pub fn without_os_number(text: &str) -> &str {
    let is_number = |text: &str| text.strip_suffix(')').is_some_and(|number| number.parse::<i32>().is_ok());
    let parts = text.rsplit_once(" (os error ");
    parts.filter(|(_, number)| is_number(number)).map_or(text, |(words, _)| words)
}

/// An error with its causes, as people may read it ([`without_os_number`]). A cause that the one before it says
/// already is left out.
pub fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut causes: Vec<String> = Vec::new();
    for cause in std::iter::successors(Some(error), |error| (*error).source()) {
        let cause = without_os_number(&cause.to_string()).to_owned();
        if causes.last().is_none_or(|last| !last.contains(&cause)) {
            causes.push(cause);
        }
    }
    causes.join(": ")
}

/// Replaces what could steer a terminal or deceive a reader (control characters, escapes,
/// bidirectional overrides, line separators) by visible stand-ins, and breaks what a build server
/// would take for a command ([`inert`]). Every text from outside passes through here before a
/// person sees it.
pub fn printable(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_harmless) {
        return inert(text);
    }
    let text: String = text.chars().map(|c| if is_harmless(c) { c } else { stand_in(c) }).collect();
    Cow::Owned(inert(&text).into_owned())
}

/// Whether a character can neither steer a terminal nor change how the text around it is read. A
/// line break is not harmless.
pub fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// Breaks what a build server reads as a command in a log, such as `::error::`, `##[error]`,
/// `##vso[...]` and `##teamcity[...]`, by a blank between the two signs. An IPv6 address stays as
/// it is.
pub fn inert(text: &str) -> Cow<'_, str> {
    if !text.contains("::") && !text.contains("##") {
        return Cow::Borrowed(text);
    }
    let mut broken = String::with_capacity(text.len() + 1);
    for (at, c) in text.char_indices() {
        broken.push(c);
        if begins_command(&text[at..]) {
            broken.push(' ');
        }
    }
    if broken.len() == text.len() { Cow::Borrowed(text) } else { Cow::Owned(broken) }
}

/// Commands that need no second `::` to be taken for one by some reader of a log.
const COMMANDS: [&str; 15] = [
    "add-mask",
    "add-matcher",
    "add-path",
    "debug",
    "echo",
    "endgroup",
    "error",
    "group",
    "notice",
    "remove-matcher",
    "save-state",
    "set-env",
    "set-output",
    "stop-commands",
    "warning",
];

fn begins_command(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix("##") {
        return rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).starts_with('[');
    }
    let Some(rest) = text.strip_prefix("::") else { return false };
    let line = rest.lines().next().unwrap_or_default();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name = &line[..line.find(|c| !is_name(c)).unwrap_or(line.len())];
    // No address has `::` twice.
    COMMANDS.iter().any(|command| name.eq_ignore_ascii_case(command))
        || (name.starts_with(|c: char| c.is_ascii_alphabetic()) && line.contains("::"))
}

/// Whether a character is invisible and not a blank: controls, zero-width ones, direction marks.
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

/// A JSON text that means the same and does nothing to a terminal or a build server that shows it:
/// what is not harmless is escaped, also where JSON would not ask for it.
pub fn escaped_json(json: &str) -> Cow<'_, str> {
    let plain = |b: u8| matches!(b, b'\n' | b' '..=b'~');
    if !json.contains("##")
        && !json.contains("::")
        && (json.bytes().all(plain) || json.chars().all(|c| c == '\n' || is_harmless(c)))
    {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 8);
    for (at, c) in json.char_indices() {
        // Neither can be anywhere but inside of a text.
        if begins_command(&json[at..]) || (c != '\n' && !is_harmless(c)) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(escaped, "\\u{unit:04x}").expect("a string takes every text");
            }
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// A visible character for one that is not harmless.
pub fn stand_in(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' => ' ',
        '\u{0}'..='\u{1F}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{FFFD}'),
        '\u{7F}' => '\u{2421}',
        _ => '\u{FFFD}',
    }
}

/// Whether a spreadsheet may run the cell as a formula, or lose a blank at its beginning and then
/// run it. Reports put an apostrophe before such a cell, the roster reader removes it again.
pub fn runs_as_formula(cell: &[u8]) -> bool {
    /// `= + - @` as East Asian keyboards have them; some spreadsheets take these too.
    const WIDE: [&str; 4] = ["\u{FF1D}", "\u{FF0B}", "\u{FF0D}", "\u{FF20}"];
    let text = without_blanks(cell);
    matches!(cell, [b'\t' | b'\r' | b'\n', ..])
        || matches!(text, [b'=' | b'+' | b'-' | b'@', ..])
        || WIDE.iter().any(|sign| text.starts_with(sign.as_bytes()))
}

/// Without what a spreadsheet may drop at the beginning of a cell.
fn without_blanks(cell: &[u8]) -> &[u8] {
    let is_blank = |c: char| c.is_whitespace() || matches!(c, '\u{200B}' | '\u{2060}' | '\u{FEFF}');
    let text = cell.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    &cell[text.len() - text.trim_start_matches(is_blank).len()..]
}

/// How fast a run went, and what it met with because it asked for too much at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Strain {
    /// Requests that could be in flight at most: `--concurrency`.
    pub concurrency: u32,
    /// How many of them were allowed in the end.
    pub window_end: u32,
    /// The fewest that were allowed.
    pub window_min: u32,
    /// How many were allowed on average.
    pub window_mean: u32,
    /// What kept it from going faster, for most of the answers.
    pub limited_by: LimitedBy,
    /// Answers of Houston.
    pub answers: u64,
    /// How long all of them took together, in microseconds.
    pub answers_us: u64,
    /// How long the latest ones took, in microseconds.
    #[serde(skip)]
    pub recent_us: u64,
    /// How often the number was cut, because Houston asked to slow down or did not answer in time.
    pub congestion_events: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// Requests that were not sent again because the retry budget was used up.
    pub retries_refused: u64,
    /// Whether it is used up now.
    #[serde(skip)]
    pub budget_is_empty: bool,
}

impl Strain {
    /// Adds what a later leg of the same run met with.
    pub fn add(&mut self, later: Self) {
        self.congestion_events += later.congestion_events;
        self.retries += later.retries;
        self.retries_refused += later.retries_refused;
        // A leg without a window has nothing to say about it.
        if later.concurrency > 0 {
            if later.answers >= self.answers {
                self.limited_by = later.limited_by;
                self.window_mean = later.window_mean;
            }
            let fewest = if self.concurrency > 0 { self.window_min } else { later.window_min };
            self.window_min = fewest.min(later.window_min);
            self.window_end = later.window_end;
            self.concurrency = later.concurrency;
        }
        self.answers += later.answers;
        self.answers_us += later.answers_us;
    }

    /// How long an answer took on average, in milliseconds, rounded up; none without answers.
    pub fn latency_ms(&self) -> Option<u64> {
        self.answers_us.checked_div(self.answers).map(|mean| mean.div_ceil(1000))
    }
}

/// How busy a run keeps Houston, at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Requests of every kind so far, repeats included.
    pub requests: u64,
    /// How many of them were repeats.
    pub retries: u64,
    /// How many were refused because Houston is asked for too much, or were not answered in time.
    pub throttled: u64,
    /// How many may be in flight.
    pub window: u32,
    /// How many are.
    pub in_flight: u32,
    /// What keeps the run from going faster.
    pub limited_by: LimitedBy,
    /// Answers so far by how long they took: below 1 ms, below 2, below 4, and so on; the last
    /// number is of all longer ones.
    pub latency: [u64; Load::BUCKETS],
}

impl Load {
    /// How many numbers `latency` has: the last but one is of answers below 262 s.
    pub const BUCKETS: usize = 20;

    /// Which number counts an answer that took so long.
    pub fn bucket(latency: std::time::Duration) -> usize {
        let milliseconds = latency.as_millis().checked_ilog2().map_or(0, |power| power as usize + 1);
        milliseconds.min(Self::BUCKETS - 1)
    }
}

/// What keeps a run from going faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum LimitedBy {
    /// `--concurrency`.
    #[default]
    Concurrency,
    /// `--rate`.
    Rate,
    /// Houston answers more slowly the more it is asked.
    Latency,
    /// Houston refuses what is too much.
    Refusals,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_system_have_no_number() {
        let error = std::io::Error::from_raw_os_error(2).to_string();
        assert_eq!(without_os_number(&error), "No such file or directory");
        for text in ["os error 2", "x (os error 2) y", "x (os error two)"] {
            assert_eq!(without_os_number(text), text);
        }
    }

    #[test]
    fn an_error_is_said_with_its_causes_and_without_numbers() {
        #[derive(Debug, thiserror::Error)]
        #[error("{text}")]
        struct Of {
            text: &'static str,
            source: std::io::Error,
        }
        let system = || std::io::Error::from_raw_os_error(28);
        assert_eq!(in_words(&system()), "No space left on device");
        let error = Of { text: "cannot write x", source: system() };
        assert_eq!(in_words(&error), "cannot write x: No space left on device");
        let outer = Of { text: "the reports cannot be written", source: std::io::Error::other(error) };
        assert_eq!(
            in_words(&outer),
            "the reports cannot be written: cannot write x: No space left on device"
        );
    }

    #[test]
    fn roles_are_ordered_by_rights_and_named_as_houston_names_them() {
        assert!(Level::Viewer < Level::Editor);
        assert!(Level::Editor < Level::Admin);
        for scope in [Scope::Workspace, Scope::Deployment] {
            for role in Role::all(scope) {
                let name = role.name();
                assert_eq!(Role::from_name(name), Some(role));
                assert_eq!(name.to_lowercase(), format!("{scope}_{}", role.level.short_name()));
                assert_eq!(serde_json::to_value(role).unwrap(), name);
                assert_eq!(serde_json::from_value::<Role>(name.into()).unwrap(), role);
                assert_eq!(scope.level_of(name), Some(role.level));
            }
        }
        assert_eq!(Role::from_name("workspace_admin"), None);
        assert_eq!(Scope::Workspace.level_of("DEPLOYMENT_ADMIN"), None);
    }

    #[test]
    fn the_strain_of_a_run_is_that_of_all_its_legs() {
        let leg = |window_min, window_end, events| Strain {
            concurrency: 16,
            window_end,
            window_min,
            congestion_events: events,
            retries: 5,
            retries_refused: 1,
            ..Strain::default()
        };
        let mut all = Strain::default();
        for later in [leg(9, 12, 2), leg(6, 7, 3), Strain::default(), leg(16, 16, 0)] {
            all.add(later);
        }
        assert_eq!(all, Strain { retries: 15, retries_refused: 3, ..leg(6, 16, 5) });
    }

    #[test]
    fn the_longer_leg_says_what_limited_the_run() {
        let leg = |answers, limited_by, window_mean, latency_ms| Strain {
            concurrency: 8,
            limited_by,
            window_mean,
            answers,
            answers_us: answers * latency_ms * 1000,
            ..Strain::default()
        };
        let mut all = Strain::default();
        assert_eq!(all.latency_ms(), None);
        all.add(leg(100, LimitedBy::Latency, 5, 20));
        all.add(leg(50, LimitedBy::Concurrency, 8, 80));
        assert_eq!((all.limited_by, all.window_mean, all.latency_ms()), (LimitedBy::Latency, 5, Some(40)));
    }

    #[test]
    fn latencies_are_counted_by_powers_of_two() {
        let bucket = |ms| Load::bucket(std::time::Duration::from_micros(ms));
        assert_eq!([bucket(0), bucket(999), bucket(1000), bucket(1999), bucket(2000)], [0, 0, 1, 1, 2]);
        assert_eq!([bucket(262_143_000), bucket(262_144_000), bucket(u64::MAX)], [18, 19, 19]);
    }

    #[test]
    fn an_id_has_no_blanks() {
        assert!(WorkspaceId::new("ck35y9uf44y8l0a19cmwd1x8x").is_ok());
        for bad in ["", " ", "a b", "a\u{7}"] {
            assert_eq!(WorkspaceId::new(bad), Err(NotAWorkspaceId), "{bad:?}");
        }
    }

    #[test]
    fn emails_come_back_by_row() {
        let mut emails = Emails::default();
        for email in ["a@example.com", "", "b@example.com"] {
            emails.push(email);
        }
        assert_eq!(emails.get(RowNumber::from_index(0)), "a@example.com");
        assert_eq!(emails.get(RowNumber::from_index(1)), "");
        assert_eq!(emails.get(RowNumber::from_index(2)), "b@example.com");
        assert_eq!(emails.len(), 3);
    }

    #[test]
    fn nothing_that_steers_a_terminal_gets_through() {
        assert_eq!(printable("plain é 例"), "plain é 例");
        assert_eq!(printable("a\u{1b}[31mb\nc\u{202e}d\u{9b}e"), "a\u{241b}[31mb c\u{fffd}d\u{fffd}e");
    }

    #[test]
    fn what_changes_the_direction_of_a_text_is_replaced() {
        for c in ["\u{61c}", "\u{200e}", "\u{200f}", "\u{202a}", "\u{2066}", "\u{2069}", "\u{85}", "\u{7f}"] {
            assert_ne!(printable(c), c, "{c:?}");
        }
    }

    #[test]
    fn a_command_of_a_build_server_is_broken_wherever_it_stands() {
        for (text, broken) in [
            ("::error::x", ": :error::x"),
            ("a ::set-output name=x::y", "a : :set-output name=x::y"),
            (":::add-mask::1", ":: :add-mask::1"),
            ("::Error file=x", ": :Error file=x"),
            ("::unknown a=1,b=2::y", ": :unknown a=1,b=2::y"),
            ("##[error]x", "# #[error]x"),
            ("x##vso[task.setvariable]", "x# #vso[task.setvariable]"),
            ("##teamcity[a]", "# #teamcity[a]"),
            ("###[a]", "## #[a]"),
        ] {
            assert_eq!(printable(text), broken);
            assert_eq!(printable(broken), broken, "broken once is enough");
        }
        for text in
            ["http://[::1]:80/v1", "fe80::abcd", "[::ffff:1.2.3.4]", "a::", "## Data [EU]", "#1 ##", "é::"]
        {
            assert_eq!(printable(text), text);
        }
    }

    #[test]
    fn a_json_text_is_escaped_and_means_the_same() {
        let text = "a\u{1b}\u{7f}\u{9b}\u{202e}\u{61c}\u{e0001}é##vso[x]\n\"::error";
        let json = serde_json::to_string(text).unwrap();
        let escaped = escaped_json(&json);
        assert_eq!(escaped, r#""a\u001b\u007f\u009b\u202e\u061c\udb40\udc01é\u0023#vso[x]\n\"\u003a:error""#);
        assert_eq!(serde_json::from_str::<String>(&escaped).unwrap(), text);
        assert!(matches!(escaped_json("{\"a\": [1, \"é #1\"]}\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_known() {
        for cell in [
            "=1",
            "+1",
            "-1",
            "@a",
            " =1",
            "\tx",
            "\r",
            "\u{a0}@a",
            "\u{ff1d}1",
            "\u{3000}=1",
            "\u{feff}=1",
            "\u{200b} +1",
            "\u{b}-1",
        ] {
            assert!(runs_as_formula(cell.as_bytes()), "{cell:?}");
        }
        for cell in ["", "a=1", "'=1", " a", "1-1", "é"] {
            assert!(!runs_as_formula(cell.as_bytes()), "{cell:?}");
        }
    }

    #[test]
    fn addresses_are_compared_trimmed_and_in_lower_case() {
        assert_eq!(normalize_email("  Ada@Example.COM "), "ada@example.com");
        assert!(matches!(normalize_email("ada@example.com"), Cow::Borrowed(_)));
    }

    #[test]
    fn both_spellings_of_an_international_domain_are_one_address() {
        let (unicode, ascii) = ("ann@münchen.example", "ann@xn--mnchen-3ya.example");
        assert_eq!(email_key(unicode), ascii);
        assert_eq!(email_key(ascii), ascii);
        assert_eq!(email_key("münchen"), "münchen", "a user name has no domain");
        assert_eq!(email_key("jörg@example.com"), "jörg@example.com");
        assert_eq!(other_spelling(unicode).as_deref(), Some(ascii));
        assert_eq!(other_spelling(ascii).as_deref(), Some(unicode));
        assert_eq!(other_spelling("jörg@example.com"), None);
        let mut emails = Emails::default();
        [ascii, "ada@example.com", unicode].into_iter().for_each(|email| emails.push(email));
        let rows = [0, 1, 2].map(RowNumber::from_index);
        assert_eq!(emails.get(rows[0]), emails.get(rows[2]));
        assert_eq!(rows.map(|row| emails.spelled(row)), [ascii, "ada@example.com", unicode]);
    }

    #[test]
    fn a_text_stays_one_word_of_a_command_and_runs_nothing() {
        for (text, word) in [
            ("onboard-runs/20261123T154500Z-k3f9", "onboard-runs/20261123T154500Z-k3f9"),
            ("it's", "'it'\\''s'"),
            ("$(id)", "'$(id)'"),
            ("`id`", "'`id`'"),
            ("a;b", "'a;b'"),
            ("!x", "'!x'"),
            ("~", "'~'"),
            ("a\\b", "'a\\b'"),
            ("*", "'*'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(text), word, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_printed_in_a_command_is_spelled_out() {
        for (text, word) in [
            ("my\nruns", "$'my\\nruns'"),
            ("it's\r\t\\", "$'it\\'s\\r\\t\\\\'"),
            ("a\u{200b}b\u{1b}c", "$'a\\xe2\\x80\\x8bb\\x1bc'"),
            ("a ::error::b", "$'a \\x3a\\x3aerror\\x3a\\x3ab'"),
        ] {
            assert_eq!(shell_word(text), word);
            assert!(matches!(printable(&shell_word(text)), Cow::Borrowed(_)), "{text:?}");
        }
    }

    #[test]
    fn blanks_at_the_ends_of_a_name_are_shown() {
        for (name, shown) in [
            ("r.csv", "r.csv"),
            ("a b", "a b"),
            ("r.csv ", "`r.csv `"),
            (" ", "` `"),
            ("", "``"),
            ("m\u{a0}", "`m\u{a0}`"),
        ] {
            assert_eq!(with_ends(name), shown);
        }
    }
}
