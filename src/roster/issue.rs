//! What is wrong with a roster, where, and what to do about it.
//!
//! Main types: [`Issue`] and the capped list [`Issues`]. Nothing here reads a file or decides
//! whether a row is good.

use std::collections::BTreeSet;
use std::fmt;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

use crate::model::{RowNumber, printable};
use crate::outcome::Code;

/// How many issues are kept word for word; the rest is counted per kind.
pub const KEPT: usize = 1000;

/// The longest excerpt of the file that a snippet shows, in characters.
const EXCERPT: usize = 4096;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $word:literal, $of_a_row:expr;)*) => {
        /// What kind of problem an issue is. The words are stable: scripts match on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(rename_all = "snake_case")]
        pub enum IssueKind { $($(#[$doc])* $name,)* }

        impl IssueKind {
            /// All kinds, those about the whole file first.
            pub const ALL: [Self; [$($word),*].len()] = [$(Self::$name),*];

            /// The stable name in machine-readable output.
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The code of a row that `--skip-invalid` leaves out for it, under the same word; none if
            /// it makes the whole file unusable and cannot be skipped.
            pub fn of_a_row(self) -> Option<Code> {
                match self { $(Self::$name => $of_a_row,)* }
            }

            /// Whether it makes the whole file unusable.
            pub fn is_about_the_file(self) -> bool {
                self.of_a_row().is_none()
            }
        }
    };
}

kinds! {
    /// The file is empty.
    EmptyFile = "empty_file", None;
    /// A header without rows.
    NoRows = "no_rows", None;
    /// No CSV at all: a workbook, an archive, a page.
    NotText = "not_text", None;
    /// Text in UTF-16 or UTF-32.
    Utf16 = "utf16", None;
    /// A byte with the value zero.
    NulByte = "nul_byte", None;
    /// Bytes that are not UTF-8.
    NotUtf8 = "not_utf8", None;
    /// A quoted cell without an end.
    UnclosedQuote = "unclosed_quote", None;
    /// A record that is longer than any plausible one.
    RecordTooLong = "record_too_long", None;
    /// More rows or more text than one run can take.
    TooManyRows = "too_many_rows", None;
    /// There are titles or comments above the header.
    HeaderFurtherDown = "header_further_down", None;
    /// Quotes or characters that spoil a header.
    BrokenHeader = "broken_header", None;
    /// The same fault in every row.
    EveryRow = "every_row", None;
    /// The first row is data.
    MissingHeader = "missing_header", None;
    /// Two headers that mean one column.
    DuplicateHeader = "duplicate_header", None;
    /// A needed column is not there.
    MissingColumn = "missing_column", None;
    /// Text after a closing quote.
    TextAfterQuote = "text_after_quote", Some(Code::TextAfterQuote);
    /// A backslash before a quote.
    BackslashQuote = "backslash_quote", Some(Code::BackslashQuote);
    /// A space before a quote.
    BlankBeforeQuote = "blank_before_quote", Some(Code::BlankBeforeQuote);
    /// A row, or the cells of one, in two pairs of quotes.
    QuotedTwice = "quoted_twice", Some(Code::QuotedTwice);
    /// A cell that may hide rows.
    SwallowedRows = "swallowed_rows", Some(Code::SwallowedRows);
    /// A row with another delimiter than the header.
    OtherDelimiter = "other_delimiter", Some(Code::OtherDelimiter);
    /// A row with more or fewer cells than the header.
    RaggedRow = "ragged_row", Some(Code::RaggedRow);
    /// A needed cell is empty.
    EmptyCell = "empty_cell", Some(Code::EmptyCell);
    /// A needed cell is longer than any plausible one.
    CellTooLong = "cell_too_long", Some(Code::CellTooLong);
    /// Invisible characters.
    InvisibleCharacter = "invisible_character", Some(Code::InvisibleCharacter);
    /// Letters that only look like the ones they stand for.
    LookAlike = "look_alike", Some(Code::LookAlike);
    /// Not an address.
    BadEmail = "bad_email", Some(Code::BadEmail);
    /// A text in the form of an address that most likely belongs to no person.
    OddAddress = "odd_address", Some(Code::OddAddress);
    /// Not a role at all.
    UnknownRole = "unknown_role", Some(Code::UnknownRole);
    /// A role of the hosted product.
    HostedRole = "hosted_role", Some(Code::HostedRole);
    /// A role of Houston, though not one of a workspace.
    OtherRole = "other_role", Some(Code::OtherRole);
    /// Deployment roles that cannot be read.
    BadDeploymentRoles = "bad_deployment_roles", Some(Code::BadDeploymentRoles);
    /// One person and workspace with two roles.
    Conflict = "conflict", Some(Code::Conflict);
    /// A workspace that the target does not have; found when workspaces are resolved.
    UnknownWorkspace = "unknown_workspace", Some(Code::UnknownWorkspace);
    /// A deployment that its workspace does not have; found when deployments are resolved.
    UnknownDeployment = "unknown_deployment", Some(Code::UnknownDeployment);
    /// A label that several workspaces have; found when workspaces are resolved.
    AmbiguousWorkspace = "ambiguous_workspace", Some(Code::AmbiguousWorkspace);
}

impl fmt::Display for IssueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// A position in the file: the physical line and the character in it, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Position {
    /// The physical line.
    pub line: u32,
    /// The character (not the byte) of that line.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// What is wrong with a value, without its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// What kind of problem it is.
    pub kind: IssueKind,
    /// What is wrong: a lower-case fragment, safe to print.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The flag whose value it is about, without its dashes.
    pub flag: Option<&'static str>,
}

impl Complaint {
    /// A complaint without a hint.
    pub fn new(kind: IssueKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, flag: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same about the value of a flag.
    #[must_use]
    pub fn about(mut self, flag: &'static str) -> Self {
        self.flag = Some(flag);
        self
    }

    /// The complaint as an issue at a position.
    pub fn at(self, position: Position) -> Issue {
        let Self { kind, message, hint, flag } = self;
        Issue {
            line: position.line,
            column: position.column,
            kind,
            row: None,
            message,
            hint,
            flag,
            excerpt: None,
            is_warning: false,
        }
    }
}

/// One problem in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Issue {
    /// The physical line, from 1.
    pub line: u32,
    /// The character of that line where the cell begins, from 1.
    pub column: u32,
    /// What kind of problem it is.
    pub kind: IssueKind,
    /// The data row, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<RowNumber>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    #[serde(skip)]
    flag: Option<&'static str>,
    #[serde(skip)]
    excerpt: Option<Excerpt>,
    #[serde(skip)]
    is_warning: bool,
}

/// The line of the file an issue is about, safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Excerpt {
    text: String,
    start: usize,
    end: usize,
}

impl Excerpt {
    /// The part `start..end` (bytes) of a line of the file; none for a line too long to show.
    pub(super) fn new(line: &str, start: usize, end: usize) -> Option<Self> {
        if line.chars().nth(EXCERPT).is_some() {
            return None;
        }
        let (before, rest) = line.split_at_checked(start)?;
        let (cell, after) = rest.split_at_checked(end.saturating_sub(start))?;
        let mut text = printable(before).into_owned();
        let start = text.len();
        text.push_str(&printable(cell));
        let end = text.len();
        text.push_str(&printable(after));
        Some(Self { text, start, end })
    }
}

impl Issue {
    /// What is wrong, without the position.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Where it is.
    pub fn position(&self) -> Position {
        Position { line: self.line, column: self.column }
    }

    pub(super) fn in_row(mut self, row: RowNumber) -> Self {
        self.row = Some(row);
        self
    }

    pub(super) fn showing(mut self, excerpt: Option<Excerpt>) -> Self {
        self.excerpt = excerpt;
        self
    }

    /// The same as a warning: to be looked at, but nothing that makes a row invalid.
    pub(super) fn warning(mut self) -> Self {
        self.is_warning = true;
        self
    }

    /// The same fault in every row of a file, said once.
    fn in_every_row(mut self, rows: usize) -> Self {
        self.kind = IssueKind::EveryRow;
        self.row = None;
        self.message = format!("all {rows} rows have the same error: {}", self.message);
        self
    }

    fn render(&self, shown_name: &str, style: Style, out: &mut String) {
        use fmt::Write as _;
        let (renderer, excerpt) = match (style, &self.excerpt) {
            (Style::Lines, _) | (_, None) => {
                let warning = if self.is_warning { "warning: " } else { "" };
                let _ = write!(out, "{shown_name}:{}: {warning}{}", self.position(), self.message);
                if let Some(hint) = &self.hint {
                    let _ = write!(out, " ({hint})");
                }
                out.push('\n');
                return;
            }
            (Style::Snippets { colour: true }, Some(excerpt)) => (Renderer::styled(), excerpt),
            (Style::Snippets { colour: false }, Some(excerpt)) => (Renderer::plain(), excerpt),
        };
        let snippet = Snippet::source(&excerpt.text)
            .line_start(self.line as usize)
            .path(shown_name)
            .annotation(AnnotationKind::Primary.span(excerpt.start..excerpt.end));
        let level = if self.is_warning { Level::WARNING } else { Level::ERROR };
        let mut group = level.primary_title(&self.message).element(snippet);
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.with_name("hint").message(hint));
        }
        let _ = writeln!(out, "{}\n", renderer.render(&[group]));
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

/// How issues are shown to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// One line per issue, `file:line:column: message (hint)`: for pipes, logs and editors.
    Lines,
    /// With the line of the file and a caret under the cell: for a terminal.
    Snippets {
        /// Whether the terminal shows colours.
        colour: bool,
    },
}

/// The issues of a file in file order: the first [`KEPT`] found word for word, all of them counted.
#[derive(Debug, Clone)]
pub struct Issues {
    kept: Vec<Issue>,
    counts: [u32; IssueKind::ALL.len()],
}

impl Default for Issues {
    fn default() -> Self {
        Self { kept: Vec::new(), counts: [0; IssueKind::ALL.len()] }
    }
}

impl Issues {
    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// How many there are, kept or not.
    pub fn total(&self) -> u64 {
        self.counts.iter().map(|&count| u64::from(count)).sum()
    }

    /// The kept ones, in file order.
    pub fn kept(&self) -> &[Issue] {
        &self.kept
    }

    /// Gives the rows other numbers: those of a part of the roster. A row that is not in it has none.
    pub(super) fn renumber(&mut self, number: impl Fn(RowNumber) -> Option<RowNumber>) {
        self.kept.iter_mut().for_each(|issue| issue.row = issue.row.and_then(&number));
    }

    /// The flags whose values they are about, without their dashes.
    pub fn flags(&self) -> Vec<&'static str> {
        let flags: BTreeSet<_> = self.kept.iter().filter_map(|issue| issue.flag).collect();
        flags.into_iter().collect()
    }

    /// How many there are of one kind, kept or not.
    pub fn count(&self, kind: IssueKind) -> u32 {
        self.counts[kind as usize]
    }

    /// The kinds that occur, with their counts.
    pub fn counts(&self) -> impl Iterator<Item = (IssueKind, u32)> {
        IssueKind::ALL.into_iter().map(|kind| (kind, self.count(kind))).filter(|&(_, count)| count > 0)
    }

    /// Whether the file as a whole cannot be used, not even without its bad rows.
    pub fn about_the_file(&self) -> bool {
        self.counts().any(|(kind, _)| kind.is_about_the_file())
    }

    /// All kept issues as text, and a last line with the number of those not kept.
    pub fn render(&self, shown_name: &str, style: Style) -> String {
        use fmt::Write as _;
        let shown_name = printable(shown_name);
        let mut out = String::new();
        for issue in &self.kept {
            issue.render(&shown_name, style, &mut out);
        }
        let more = self.total() - self.kept.len() as u64;
        if more > 0 {
            let kinds: Vec<_> = self.counts().map(|(kind, count)| format!("{count} {kind}")).collect();
            let _ = writeln!(out, "{shown_name}: {more} more issues not shown (total: {})", kinds.join(", "));
        }
        out
    }

    /// Counts an issue and says whether it can still be kept; if so, [`Issues::keep`] it.
    pub(super) fn counted(&mut self, kind: IssueKind) -> bool {
        let count = &mut self.counts[kind as usize];
        *count = count.saturating_add(1);
        self.kept.len() < KEPT
    }

    /// Keeps an issue that has been [counted](Issues::counted).
    pub(super) fn keep(&mut self, issue: Issue) {
        self.kept.push(issue);
    }

    /// Counts an issue, and keeps it while the limit allows.
    pub fn push(&mut self, issue: Issue) {
        if self.counted(issue.kind) {
            self.keep(issue);
        }
    }

    /// Says a fault once that each of the rows has, of whatever kind it is; that many rows there are.
    pub(super) fn join_every_row(&mut self, rows: usize) {
        const KINDS: [IssueKind; 4] = [
            IssueKind::BackslashQuote,
            IssueKind::BlankBeforeQuote,
            IssueKind::QuotedTwice,
            IssueKind::OtherDelimiter,
        ];
        let every = |kind: &IssueKind| rows > 1 && self.count(*kind) as usize == rows;
        let Some(kind) = KINDS.into_iter().find(every) else { return };
        let Some(first) = self.kept.iter().position(|issue| issue.kind == kind) else { return };
        let first = self.kept.swap_remove(first).in_every_row(rows);
        self.kept.retain(|issue| issue.kind != kind);
        self.counts[kind as usize] = 0;
        self.push(first);
    }

    /// Puts the kept ones in file order.
    pub fn sort(&mut self) {
        self.kept.sort_by_key(Issue::position);
    }
}

/// A cell as it may be quoted in a message: without what steers a terminal, and not too long.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    let text = printable(text);
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("`{}…`", &text[..cut]),
        None => format!("`{text}`"),
    }
}

/// The known word nearest to a misspelt one, if any is near enough to suggest.
pub(super) fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    if text.len() > LONGEST {
        return None;
    }
    let text = text.to_lowercase();
    known
        .into_iter()
        .map(|word| (strsim::damerau_levenshtein(&text, &word.to_lowercase()), word))
        .filter(|&(distance, word)| distance <= (word.chars().count() / 3).clamp(1, 3))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issue(line: u32) -> Issue {
        Complaint::new(IssueKind::UnknownRole, "`edtor` is not a role")
            .hint("did you mean `editor`?")
            .at(Position { line, column: 3 })
            .showing(Excerpt::new("a,edtor,b", 2, 7))
    }

    #[test]
    fn off_a_terminal_an_issue_is_one_line_that_editors_understand() {
        let mut issues = Issues::default();
        issues.push(issue(17));
        assert_eq!(
            issues.render("roster.csv", Style::Lines),
            "roster.csv:17:3: `edtor` is not a role (did you mean `editor`?)\n"
        );
    }

    #[test]
    fn on_a_terminal_the_cell_is_pointed_at() {
        let mut issues = Issues::default();
        issues.push(issue(17));
        let shown = issues.render("roster.csv", Style::Snippets { colour: false });
        assert!(shown.contains("roster.csv:17:3"), "{shown}");
        assert!(shown.contains("17 | a,edtor,b"), "{shown}");
        assert!(shown.contains("  ^^^^^"), "{shown}");
        assert!(shown.contains("hint: did you mean `editor`?"), "{shown}");
    }

    #[test]
    fn the_list_is_capped_and_still_counts() {
        let mut issues = Issues::default();
        for line in 0..=KEPT {
            issues.push(issue(u32::try_from(line).unwrap()));
        }
        assert_eq!(issues.kept().len(), KEPT);
        assert_eq!(issues.total(), KEPT as u64 + 1);
        assert!(
            issues
                .render("f", Style::Lines)
                .ends_with("1 more issues not shown (total: 1001 unknown_role)\n")
        );
    }

    #[test]
    fn an_excerpt_cannot_steer_the_terminal() {
        let excerpt = Excerpt::new("a\u{1b}[31m,b\u{202e}x", 7, 12).unwrap();
        assert_eq!(excerpt.text, "a\u{241b}[31m,b\u{fffd}x");
        assert_eq!(&excerpt.text[excerpt.start..excerpt.end], "b\u{fffd}x");
    }

    #[test]
    fn words_are_unique_and_the_codes_of_rows_have_the_same_and_advice() {
        let mut words: Vec<_> = IssueKind::ALL.iter().map(|kind| kind.word()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), IssueKind::ALL.len());
        for kind in IssueKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.word());
            if let Some(code) = kind.of_a_row() {
                assert_eq!(code.word(), kind.word());
                assert!(code.advice().is_some(), "{kind}");
            }
        }
    }
}
