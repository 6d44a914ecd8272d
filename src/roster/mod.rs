//! The desired state: reads a CSV of email, role and workspace, and checks all of it before
//! anything is sent.
//!
//! Main type: [`Roster`], the good rows packed small and every [`Issue`] with its position. A file
//! is streamed, so memory grows with rows and not with columns. This module must not know that
//! there is a remote side: a workspace is a text here.

mod check;
mod column;
mod dialect;
mod duplicates;
mod email;
mod header_map;
mod headers;
mod issue;
mod locate;
mod map_file;
mod maps;
mod not_csv;
mod one_person;
mod part;
mod preamble;
mod quotes;
mod reader;
mod role;
mod row_state;
mod scan;
mod select;
mod shape;
mod spool;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use csv::ByteRecord;

use self::check::{Checker, Fate, Mark, NOWHERE, Table};
use self::quotes::Quotes;
use self::reader::{Records, Span, issue_at, read_at};
use self::scan::{Cells, Quoting};
use self::shape::Shape;
use crate::model::{Assignment, Emails, LineNumbers, RowNumber, with_ends};

pub use self::dialect::{DELIMITERS, Dialect};
pub use self::email::{OddAddresses, is_odd_email, parse_email};
pub use self::header_map::Columns;
pub use self::issue::{Complaint, Issue, IssueKind, Issues, KEPT, Position, Style};
pub use self::maps::{DomainMap, MapError, Maps};
pub use self::one_person::OnePerson;
pub use self::part::Picked;
pub use self::reader::{Row, Rows, open, rows, rows_of, spool_stdin, spool_text};
pub use self::role::{NO_ROLE, parse_deployment_roles, parse_role};
pub use self::row_state::{Note, Notes, RowState};
pub use self::select::{
    BadPattern, BadSetting, ColumnName, Glob, OnConflict, Only, Settings, parse_delimiter, people_pattern,
};
pub use self::spool::{spool_file, spool_instead_in};
pub use crate::roster::column::{COLUMNS, Column, ColumnSpec, header_form};
pub use crate::roster::map_file::{role_map, workspace_map};

/// Why a file could not be read at all. Errors *in* it are [`Issue`]s.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not there, or not to be read.
    #[error("cannot read {}", with_ends(.name))]
    Unreadable {
        /// The file.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// A folder instead of a file.
    #[error("{} is a folder, not a file", with_ends(.name))]
    IsFolder {
        /// The folder.
        name: String,
    },
    /// A device instead of a file: it may have no end.
    #[error("{} is a device, not a file", with_ends(.name))]
    Device {
        /// The device.
        name: String,
    },
    /// A pipe with a name into which no program writes.
    #[error("{} is a pipe that no program writes to", with_ends(.name))]
    NoWriter {
        /// The pipe.
        name: String,
    },
    /// A stream that does not end.
    #[error("the input is longer than 1 GiB: save it as a file first")]
    Endless,
    /// Standard input could not be kept in a file.
    #[error("cannot copy the input to a temporary file")]
    Spool {
        /// Why.
        source: io::Error,
    },
}

/// Where to begin reading to find a row again.
#[derive(Debug, Clone, Copy)]
struct Milestone {
    row: u32,
    byte: u64,
    line: u32,
}

/// A roster that has been read and checked.
#[derive(Debug)]
pub struct Roster {
    file: Arc<File>,
    dialect: Option<Dialect>,
    issues: Issues,
    warnings: Issues,
    notes: Notes,
    emails: Arc<Emails>,
    lines: Arc<LineNumbers>,
    workspace_of: Vec<u32>,
    marks: Vec<Mark>,
    /// Merged and overruled rows with the row that replaces them; by row.
    targets: Vec<(u32, u32)>,
    workspaces: Vec<String>,
    deployments: Vec<(u32, u32)>,
    deployment_texts: Vec<String>,
    milestones: Vec<Milestone>,
    on_conflict: Option<OnConflict>,
    skip_invalid: bool,
    people: usize,
    unused: Vec<String>,
    /// Which rows of the file these are; none for all of them.
    picked: Option<Picked>,
}

impl Roster {
    /// Reads and checks a file; `-` is standard input. `shown_name` is what errors call it.
    ///
    /// # Errors
    /// Only if the file cannot be read; what is wrong in it are [`Roster::issues`].
    pub fn read(path: &Path, shown_name: &str, settings: &Settings) -> Result<Self, Error> {
        let file = if path.as_os_str() == "-" { spool_stdin(None)? } else { open(path)? };
        Self::from_file(file, shown_name, settings)
    }

    /// Reads and checks a file that is open, from its first byte; it must not change while it is read.
    ///
    /// # Errors
    /// Only if the file cannot be read.
    pub fn from_file(file: File, shown_name: &str, settings: &Settings) -> Result<Self, Error> {
        let mut roster = Self::empty(Arc::new(file), settings);
        match roster.fill(settings) {
            Ok(()) => {
                roster.issues.sort();
                Ok(roster)
            }
            Err(source) => Err(Error::Unreadable { name: shown_name.to_owned(), source }),
        }
    }

    fn empty(file: Arc<File>, settings: &Settings) -> Self {
        Self {
            file,
            dialect: None,
            issues: Issues::default(),
            warnings: Issues::default(),
            notes: Notes::default(),
            emails: Arc::default(),
            lines: Arc::default(),
            workspace_of: Vec::new(),
            marks: Vec::new(),
            targets: Vec::new(),
            workspaces: Vec::new(),
            deployments: Vec::new(),
            deployment_texts: Vec::new(),
            milestones: Vec::new(),
            on_conflict: settings.on_conflict,
            skip_invalid: settings.skip_invalid,
            people: 0,
            unused: Vec::new(),
            picked: None,
        }
    }

    fn fill(&mut self, settings: &Settings) -> io::Result<()> {
        let mut sample = vec![0; dialect::SAMPLE];
        let count = read_at(&self.file, &mut sample, 0)?;
        sample.truncate(count);
        let beginning = match dialect::begin(&sample, settings) {
            Ok(beginning) => beginning,
            Err(issue) => {
                self.issues.push(issue);
                return Ok(());
            }
        };
        drop(sample);
        let file = Arc::clone(&self.file);
        let mut records = Records::new(file, beginning.delimiter, beginning.start, beginning.start_line)?;
        let mut record = ByteRecord::new();
        let Some(span) = records.next(&mut record)? else {
            let empty = Complaint::new(IssueKind::EmptyFile, "the file is empty")
                .hint("`houston-onboard template` prints a sample");
            let issue = records.trouble();
            self.issues.push(issue.unwrap_or_else(|| empty.at(Position { line: 1, column: 1 })));
            return Ok(());
        };
        let headers: Vec<String> =
            record.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect();
        let raw = records.raw(span);
        if span.quoting == Quoting::Odd
            && !self.header_has_good_quotes(raw, span, beginning.delimiter, settings)
        {
            return Ok(());
        }
        let spoilt = headers::spoilt(&headers, beginning.delimiter, settings);
        let columns = if spoilt.is_empty() { header_map::resolve(&headers, settings) } else { Err(spoilt) };
        let columns = match columns {
            Ok(columns) => columns,
            Err(complaints) => {
                for (cell, complaint) in complaints {
                    let cell = Cells::new(raw, beginning.delimiter).nth(cell);
                    self.issues.push(issue_at(raw, cell, span.line, complaint));
                }
                return Ok(());
            }
        };
        let header_line = span.line;
        let dialect = Dialect {
            delimiter: beginning.delimiter,
            has_bom: beginning.has_bom,
            start: beginning.start,
            start_line: beginning.start_line,
            headers,
            columns,
        };
        let whole = self.take_rows(&mut records, &mut record, &dialect, settings)?;
        self.notes.blank = records.blank;
        if whole && self.marks.is_empty() && !settings.may_be_empty {
            let complaint = Complaint::new(IssueKind::NoRows, "the file has a header but no rows")
                .hint("add a row per person");
            self.issues.push(complaint.at(Position { line: header_line, column: 1 }));
        }
        self.issues.join_every_row(self.marks.len());
        self.dialect = Some(dialect);
        self.choose(settings)?;
        self.describe()
    }

    /// Complains about the quotes of the header; a cell of it may hide rows, too.
    fn header_has_good_quotes(&mut self, raw: &[u8], span: Span, delimiter: u8, settings: &Settings) -> bool {
        let (cell, mut complaint) = match quotes::inspect(raw, delimiter) {
            Quotes::Good => return true,
            Quotes::MayHideRows(cell) => {
                let complaint = quotes::swallowed(raw, cell, settings.prune);
                if !settings.prune {
                    let issue = issue_at(raw, Some(cell), span.line, complaint);
                    self.warnings.push(issue.warning());
                    return true;
                }
                (cell, complaint)
            }
            Quotes::Broken(cell, complaint) => (cell, complaint),
        };
        complaint.kind = IssueKind::BrokenHeader;
        self.issues.push(issue_at(raw, Some(cell), span.line, complaint));
        false
    }

    /// Takes all rows; says whether the file could be read to its end.
    fn take_rows(
        &mut self,
        records: &mut Records,
        record: &mut ByteRecord,
        dialect: &Dialect,
        settings: &Settings,
    ) -> io::Result<bool> {
        let shape = Shape::new(dialect.headers.len(), dialect.delimiter, dialect.columns);
        let mut checker =
            Checker::new(dialect.columns, shape, settings, &mut self.issues, &mut self.warnings);
        let mut block = None;
        let mut trouble = None;
        while let Some(span) = records.next(record)? {
            if block != Some(records.block_start()) {
                block = Some(records.block_start());
                let row = u32::try_from(checker.table.marks.len()).unwrap_or(u32::MAX);
                self.milestones.push(Milestone { row, byte: records.offset(span), line: span.line });
            }
            if !checker.has_room() {
                let complaint = Complaint::new(IssueKind::TooManyRows, "more rows than one run can handle")
                    .hint("split the file");
                trouble = Some(complaint.at(Position { line: span.line, column: 1 }));
                break;
            }
            checker.take(record, records.raw(span), span);
        }
        let (table, workspaces, deployment_texts, unused) = checker.finish();
        self.unused = unused;
        let Table { emails, lines, workspace_of, marks, deployments } = table;
        (self.lines, self.workspace_of, self.marks, self.deployments) =
            (Arc::new(lines), workspace_of, marks, deployments);
        self.emails = Arc::new(emails);
        (self.workspaces, self.deployment_texts) = (workspaces, deployment_texts);
        let trouble = trouble.or_else(|| records.trouble());
        let whole = trouble.is_none();
        if let Some(issue) = trouble {
            self.issues.push(issue);
        }
        Ok(whole)
    }

    /// What is wrong.
    pub fn issues(&self) -> &Issues {
        &self.issues
    }

    /// What may be wrong: cells that may hide rows. Nothing is invalid because of them.
    pub fn warnings(&self) -> &Issues {
        &self.warnings
    }

    /// Whether it may be acted upon: nothing is wrong, or only rows are and those are left out.
    pub fn is_usable(&self) -> bool {
        self.issues.is_empty() || (self.skip_invalid && !self.issues.about_the_file())
    }

    /// Notes that are not mistakes.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// What no row has needed of the maps, a sentence for each of them: a name in it may be misspelt.
    pub fn unused_mappings(&self) -> &[String] {
        &self.unused
    }

    /// How many data rows it has, in whatever state.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// How many rows will be applied.
    pub fn wanted_len(&self) -> usize {
        self.marks.iter().filter(|mark| mark.fate() == Fate::Wanted).count()
    }

    /// How many people those rows are about.
    pub fn people(&self) -> usize {
        self.people
    }

    /// What a row wishes; nothing if something is wrong with it.
    pub fn assignment(&self, row: RowNumber) -> Option<Assignment<'_>> {
        let mark = self.marks[row.index()];
        (mark.fate() != Fate::Invalid).then(|| Assignment {
            row,
            line: self.line(row),
            email: self.emails.spelled(row),
            role: mark.role(),
            workspace: self.workspace_of[row.index()],
        })
    }

    /// The rows to be carried out, in file order.
    pub fn wanted(&self) -> impl Iterator<Item = Assignment<'_>> {
        (0..self.marks.len())
            .filter(|&index| self.marks[index].fate() == Fate::Wanted)
            .filter_map(|index| self.assignment(RowNumber::from_index(index)))
    }

    /// The numbers of the rows with something wrong in them.
    pub fn invalid(&self) -> impl Iterator<Item = RowNumber> {
        (0..self.marks.len()).map(RowNumber::from_index).filter(|&row| self.state(row) == RowState::Invalid)
    }

    /// The addresses of all rows; empty for a row without a good one.
    pub fn emails(&self) -> &Arc<Emails> {
        &self.emails
    }

    /// The distinct texts of the workspace column; [`Assignment::workspace`] is an index into it.
    pub fn workspaces(&self) -> &[String] {
        &self.workspaces
    }

    /// The workspace of any row, also of an invalid one: index into [`Roster::workspaces`]; none
    /// if its cell cannot be read.
    pub fn workspace(&self, row: RowNumber) -> Option<u32> {
        Some(self.workspace_of[row.index()]).filter(|&index| index != NOWHERE)
    }

    /// The physical line where each row begins, from 1.
    pub fn lines(&self) -> Arc<LineNumbers> {
        Arc::clone(&self.lines)
    }

    /// The physical line where a row begins, from 1.
    ///
    /// # Panics
    /// If the roster has no such row.
    pub fn line(&self, row: RowNumber) -> u32 {
        self.lines.get(row).expect("a row of this roster")
    }

    /// The text of the deployment roles of a row, of good syntax ([`parse_deployment_roles`]).
    pub fn deployment_roles(&self, row: RowNumber) -> Option<&str> {
        let found = self.deployments.binary_search_by_key(&(row.get() - 1), |&(row, _)| row).ok()?;
        Some(&self.deployment_texts[self.deployments[found].1 as usize])
    }

    /// How the file is written; none if that could not be found out.
    pub fn dialect(&self) -> Option<&Dialect> {
        self.dialect.as_ref()
    }

    /// The open file: its name may be gone, or lead to another file by now.
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Copies the file byte for byte; gives the number of bytes.
    ///
    /// # Errors
    /// If it cannot be read or written.
    pub fn copy_to(&self, out: &mut impl io::Write) -> io::Result<u64> {
        let mut buffer = vec![0; 64 << 10];
        let mut copied = 0;
        loop {
            let count = read_at(&self.file, &mut buffer, copied)?;
            if count == 0 {
                return Ok(copied);
            }
            out.write_all(&buffer[..count])?;
            copied += count as u64;
        }
    }
}

#[cfg(test)]
mod tests;
