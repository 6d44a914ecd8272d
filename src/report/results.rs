//! The outcome of every row, for people with a spreadsheet and for the next run: `results.csv`,
//! `errors.csv` and `unprocessed.csv`.
//!
//! Main function: [`write()`]. It streams, so the rows are never in memory together, and it reads
//! back what it wrote before any of the files gets its name. It knows no roster columns: the
//! caller's cells pass through as they are, but for an apostrophe before what a spreadsheet would
//! run as a formula. The files have the byte order mark and the delimiter of the roster.
//!
//! `results.csv` has the caller's columns first and [`COLUMNS`] last; where the caller has a column
//! of one of these names, ours begins with `run_`. The results of an earlier run, whose last seven
//! columns are ours, get new ones instead of a second set. A row with too few cells is
//! filled up with empty ones; the surplus cells of a row with too many are joined to its last cell
//! with the delimiter of the roster.

use std::borrow::Cow;
use std::collections::HashSet;
use std::error::Error;
use std::io::{self, Read, Seek, SeekFrom, Write};

use csv::ByteRecord;

use super::RosterAgain;
use super::atomic::WriteError;
use super::csv_file::{CsvForm, CsvWriter};
use crate::model::{RowNumber, WorkspaceId, printable};
use crate::outcome::{Status, StatusKind, Tally};
use crate::record::folder::{Draft, FolderError, RunFolder};
use crate::record::journal::{History, JournalError, RowEnd};
use crate::roster::header_form;

/// The columns that `results.csv` adds to the caller's, in their order.
pub const COLUMNS: [&str; 7] =
    ["line", "status", "resolved_workspace_id", "detail", "attempts", "elapsed_ms", "error_code"];

/// The name of the file with a line for every row.
pub const RESULTS: &str = "results.csv";
/// The name of the file with the rows that failed or are unresolved.
pub const ERRORS: &str = "errors.csv";
/// The name of the file with the rows that were never tried.
pub const UNPROCESSED: &str = "unprocessed.csv";

/// The files could not be made, or are not what they must be.
#[derive(Debug, thiserror::Error)]
pub enum ResultsError {
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A file cannot be made in the folder of the run.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// What a report is written to does not take it.
    #[error("cannot write the report")]
    Out(#[from] io::Error),
    /// The copy of the roster can no longer be read.
    #[error("cannot read the roster of the run again")]
    Roster(#[source] Box<dyn Error + Send + Sync>),
    /// The plan of the run cannot be read again.
    #[error(transparent)]
    Plan(#[from] JournalError),
    /// The copy of the roster has no columns.
    #[error("the roster of the run has no header")]
    NoHeader,
    /// The copy of the roster is not the one that was planned.
    #[error("the roster of the run has {roster} rows, but its plan has {plan}")]
    Rows {
        /// Rows read; one more than planned means at least that many.
        roster: u64,
        /// Rows planned.
        plan: u64,
    },
    /// What was written cannot be read back.
    #[error("{file} cannot be read back")]
    ReadBack {
        /// Which file.
        file: &'static str,
        /// Why.
        source: csv::Error,
    },
    /// A file does not say what the journal says.
    #[error("{file} would have {found} rows {what}, but the journal has {expected}")]
    Mismatch {
        /// Which file.
        file: &'static str,
        /// Which rows.
        what: &'static str,
        /// Rows in the file.
        found: u64,
        /// Rows in the journal.
        expected: u64,
    },
}

/// Writes the three files of a run and gives the counts of what is in `results.csv`.
///
/// `header` and `rows` are the roster as its reader splits it, rows in the order of the file, one
/// for every row of the history, ragged and invalid ones included. `form` is that of the roster.
///
/// # Errors
/// When the roster cannot be read, a file not written, or the files would not account for every
/// row exactly once; then none of the three is changed, unless a rename itself fails.
pub fn write<E>(
    folder: &RunFolder,
    history: &History,
    header: &ByteRecord,
    form: CsvForm,
    rows: impl Iterator<Item = Result<ByteRecord, E>>,
) -> Result<Tally, ResultsError>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let layout = Layout::new(header, form.delimiter)?;
    let mut results = Table::create(folder, RESULTS, form)?;
    let mut errors = Table::create(folder, ERRORS, form)?;
    let mut unprocessed = Table::create(folder, UNPROCESSED, form)?;

    let mut cells = ByteRecord::new();
    layout.cells(header, &mut cells);
    errors.put(&cells)?;
    unprocessed.put(&cells)?;
    layout.names.iter().for_each(|name| cells.push_field(name.as_bytes()));
    results.put(&cells)?;

    each_row(history, rows, |row, end| {
        layout.cells(row, &mut cells);
        match end.status.kind() {
            StatusKind::Changed | StatusKind::AsItWas => {}
            StatusKind::Failed | StatusKind::Unresolved => errors.put(&cells)?,
            StatusKind::NotTried => unprocessed.put(&cells)?,
        }
        push_ours(&mut cells, end, &history.workspaces);
        Ok(results.put(&cells)?)
    })?;

    let (mut results, mut errors, mut unprocessed) =
        (results.finish()?, errors.finish()?, unprocessed.finish()?);
    let written = verify(&layout, form, history, [&mut results, &mut errors, &mut unprocessed])?;
    for file in [results, errors, unprocessed] {
        file.commit()?;
    }
    Ok(written)
}

/// Writes what [`RESULTS`] has of a run, byte for byte.
///
/// # Errors
/// As [`write()`].
pub fn write_results<E>(
    out: &mut dyn Write,
    history: &History,
    roster: RosterAgain<'_, impl Iterator<Item = Result<ByteRecord, E>>>,
) -> Result<(), ResultsError>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let layout = Layout::new(roster.header, roster.form.delimiter)?;
    let mut out = CsvWriter::begin(out, roster.form)?;
    let mut cells = ByteRecord::new();
    layout.cells(roster.header, &mut cells);
    layout.names.iter().for_each(|name| cells.push_field(name.as_bytes()));
    out.put(&cells)?;
    each_row(history, roster.rows, |row, end| {
        layout.cells(row, &mut cells);
        push_ours(&mut cells, end, &history.workspaces);
        Ok(out.put(&cells)?)
    })?;
    out.finish()?;
    Ok(())
}

/// Shows every row of the roster together with its end, in the order of the file.
///
/// # Errors
/// What `look` gives, or if the roster cannot be read or is not the one that was planned.
pub(super) fn each_row<E>(
    history: &History,
    rows: impl Iterator<Item = Result<ByteRecord, E>>,
    mut look: impl FnMut(&ByteRecord, RowEnd<'_>) -> Result<(), ResultsError>,
) -> Result<(), ResultsError>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let mut done = 0;
    for row in rows {
        let row = row.map_err(|error| ResultsError::Roster(error.into()))?;
        done += 1;
        let Some(end) = history.row(RowNumber::from_index(done - 1)) else { break };
        look(&row, end)?;
    }
    if done != history.row_count() {
        return Err(ResultsError::Rows { roster: done as u64, plan: history.row_count() as u64 });
    }
    Ok(())
}

/// What [`COLUMNS`] are called in the results of a roster with this header: a name that the roster
/// has, too, begins with `run_`.
fn names(header: &[&[u8]]) -> [String; COLUMNS.len()] {
    let taken: HashSet<String> =
        header.iter().map(|cell| header_form(&String::from_utf8_lossy(cell))).collect();
    COLUMNS.map(|name| {
        let mut name = name.to_owned();
        while taken.contains(&name) {
            name.insert_str(0, "run_");
        }
        name
    })
}

/// Our columns that have another name in the results of a roster with this header.
pub fn renamed(header: &ByteRecord) -> Vec<String> {
    let layout = Layout::new(header, b',');
    let names = layout.into_iter().flat_map(|layout| layout.names);
    names.zip(COLUMNS).filter(|(name, usual)| name != usual).map(|(name, _)| name).collect()
}

/// Where the cells of the caller are in a record.
pub(super) struct Layout {
    /// Columns of the roster.
    width: usize,
    /// Of those, the first ones that are the caller's own; at least one.
    kept: usize,
    delimiter: u8,
    /// What ours are called.
    names: [String; COLUMNS.len()],
}

impl Layout {
    pub(super) fn new(header: &ByteRecord, delimiter: u8) -> Result<Self, ResultsError> {
        let width = header.len();
        if width == 0 {
            return Err(ResultsError::NoHeader);
        }
        let cells: Vec<&[u8]> = header.iter().collect();
        if let Some((own, ours)) = cells.split_last_chunk::<{ COLUMNS.len() }>()
            && !own.is_empty()
        {
            let names = names(own);
            if ours.iter().zip(&names).all(|(cell, name)| *cell == name.as_bytes()) {
                return Ok(Self { width, kept: own.len(), delimiter, names });
            }
        }
        Ok(Self { width, kept: width, delimiter, names: names(&cells) })
    }

    /// The caller's cells of a record, as many as there are columns.
    fn cells(&self, record: &ByteRecord, cells: &mut ByteRecord) {
        cells.clear();
        self.plain(record).for_each(|cell| cells.push_field(&cell));
    }

    /// The same cells as they are.
    pub(super) fn plain<'r>(&self, record: &'r ByteRecord) -> impl Iterator<Item = Cow<'r, [u8]>> {
        let cell = |index| record.get(index).unwrap_or_default();
        let mut last = Cow::Borrowed(cell(self.kept - 1));
        // Empty cells after the last column say nothing, also to the roster reader.
        let is_said = |cell: &[u8]| !std::str::from_utf8(cell).is_ok_and(|text| text.trim().is_empty());
        let said = record.iter().skip(self.width).any(is_said);
        for surplus in record.iter().skip(self.width).filter(|_| said) {
            let joined = last.to_mut();
            joined.push(self.delimiter);
            joined.extend_from_slice(surplus);
        }
        (0..self.kept - 1).map(move |index| Cow::Borrowed(cell(index))).chain([last])
    }
}

/// Adds the cells of [`COLUMNS`].
fn push_ours(cells: &mut ByteRecord, end: RowEnd<'_>, workspaces: &[WorkspaceId]) {
    let workspace = end.workspace.and_then(|index| workspaces.get(index as usize));
    let (detail, code) = end.cause.as_ref().map_or(("", ""), |cause| (&*cause.text, cause.code.word()));
    let ours: [&str; COLUMNS.len()] = [
        &end.line.to_string(),
        end.status.word(),
        workspace.map_or("", WorkspaceId::as_str),
        &printable(detail),
        &end.attempts.to_string(),
        &end.elapsed_ms.to_string(),
        &printable(code),
    ];
    ours.iter().for_each(|cell| cells.push_field(cell.as_bytes()));
}

/// A CSV file in the making.
pub(super) struct Table {
    writer: CsvWriter<Draft>,
    path: std::path::PathBuf,
    start: u64,
}

impl Table {
    pub(super) fn create(
        folder: &RunFolder,
        name: &'static str,
        form: CsvForm,
    ) -> Result<Self, ResultsError> {
        let path = folder.path().join(name);
        let draft = folder.draft(name)?;
        let writer = CsvWriter::begin(draft, form).map_err(|error| WriteError::new(&path, error))?;
        Ok(Self { writer, path, start: form.preamble().len() as u64 })
    }

    pub(super) fn put(&mut self, cells: &ByteRecord) -> Result<(), WriteError> {
        self.writer.put(cells).map_err(|error| WriteError::new(&self.path, error))
    }

    /// The whole file, to be read from its header on.
    pub(super) fn finish(self) -> Result<Draft, WriteError> {
        let Self { writer, path, start } = self;
        let failed = |error| WriteError::new(&path, error);
        let mut draft = writer.finish().map_err(failed)?;
        draft.seek(SeekFrom::Start(start)).map_err(failed)?;
        Ok(draft)
    }
}

/// Reads the files back and compares them with the history.
fn verify(
    layout: &Layout,
    form: CsvForm,
    history: &History,
    [results, errors, unprocessed]: [&mut Draft; 3],
) -> Result<Tally, ResultsError> {
    let expected = history.tally();
    let mut found = Tally::default();
    found.requests = expected.requests;
    for_each_record(RESULTS, form.delimiter, results, |record| {
        let status = record.get(layout.kept + 1);
        if let Some(&status) = Status::ALL.iter().find(|known| Some(known.word().as_bytes()) == status) {
            found.count(status);
        }
    })?;
    for status in Status::ALL {
        same(RESULTS, status.word(), found.of(status), expected.of(status))?;
    }
    let count = |file, draft| {
        let mut rows = 0;
        for_each_record(file, form.delimiter, draft, |_| rows += 1).map(|()| rows)
    };
    let failed = expected.of_kind(StatusKind::Failed) + expected.of_kind(StatusKind::Unresolved);
    same(ERRORS, "that failed or are unresolved", count(ERRORS, errors)?, failed)?;
    let left = expected.of_kind(StatusKind::NotTried);
    same(UNPROCESSED, "that were not tried", count(UNPROCESSED, unprocessed)?, left)?;
    Ok(found)
}

fn same(file: &'static str, what: &'static str, found: u64, expected: u64) -> Result<(), ResultsError> {
    if found == expected { Ok(()) } else { Err(ResultsError::Mismatch { file, what, found, expected }) }
}

fn for_each_record(
    file: &'static str,
    delimiter: u8,
    draft: &mut impl Read,
    mut look: impl FnMut(&ByteRecord),
) -> Result<(), ResultsError> {
    let failed = |source| ResultsError::ReadBack { file, source };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).buffer_capacity(1 << 16).from_reader(draft);
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(failed)? {
        look(&record);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Cause;
    use crate::record::journal::ItemEnd;
    use crate::report::fixture::{self, Fixture};
    use proptest::prelude::*;
    use std::convert::Infallible;
    use std::fs;
    use std::sync::Arc;

    fn write_fixture() -> Fixture {
        let fixture = Fixture::new();
        let header = fixture::roster_header();
        let roster = fixture::roster(&header);
        let tally =
            write(&fixture.folder, &fixture.history, &header, roster.form, roster.rows).expect("written");
        assert_eq!(tally, fixture.history.tally());
        fixture
    }

    fn owned(rows: Vec<ByteRecord>) -> impl Iterator<Item = Result<ByteRecord, Infallible>> {
        rows.into_iter().map(Ok)
    }

    fn records(text: &str, delimiter: u8) -> Vec<ByteRecord> {
        let reader =
            csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).from_reader(text.as_bytes());
        reader.into_byte_records().collect::<Result<_, _>>().expect("well formed")
    }

    #[test]
    fn every_row_has_its_line_in_the_order_of_the_input() {
        insta::assert_snapshot!(write_fixture().read(RESULTS), @r#"
        Email;role;workspace;'=note;line;status;resolved_workspace_id;detail;attempts;elapsed_ms;error_code
        added@example.com;admin;data;plain;2;added;ck1;;1;40;
        invited@example.com;editor;data;"'=HYPERLINK(""http://evil.example"";""click"")";3;invited;ck1;;1;40;
        unchanged@example.com;viewer;data;'+1 234;4;unchanged;ck1;;0;0;
        already@example.com;viewer;data;'-5;5;already_invited;ck1;;0;0;
        updated@example.com;viewer;data;'@home;6;role_updated;ck1;;1;40;
        kept@example.com;viewer;data;"'	indented";7;role_kept;ck1;keeps WORKSPACE_ADMIN;0;0;other_role
        removed@example.com;viewer;data;'  =1+1;8;removed;ck1;;1;40;
        rejected@example.com;viewer;secret;"two
        lines";9;rejected;ck1;"'=denied ␛[31mred␛]0;pwned␇ next�line";0;0;workspace_denied
        gaveup@example.com;viewer;data;"a, b";11;gave_up;ck1;no answer within 30 s;5;40;timeout
        doubt@example.com;viewer;data;"a; b";12;in_doubt;ck1;"acknowledged by Houston, not read back";1;40;not_read_back
        notrun@example.com;viewer;data;"""quoted""";13;not_run;ck1;;0;0;
        "'=cmd|' /C calc'!A0";viewer;data;"one;too;many";14;invalid;;not an address;0;0;bad_email
        added@example.com;;;;15;merged;ck1;the same as line 2;0;0;merged
        "#);
    }

    #[test]
    fn failed_and_unsettled_rows_are_a_roster_again() {
        insta::assert_snapshot!(write_fixture().read(ERRORS), @r#"
        Email;role;workspace;'=note
        rejected@example.com;viewer;secret;"two
        lines"
        gaveup@example.com;viewer;data;"a, b"
        doubt@example.com;viewer;data;"a; b"
        "'=cmd|' /C calc'!A0";viewer;data;"one;too;many"
        "#);
    }

    #[test]
    fn rows_never_tried_are_a_roster_again() {
        insta::assert_snapshot!(write_fixture().read(UNPROCESSED), @r#"
        Email;role;workspace;'=note
        notrun@example.com;viewer;data;"""quoted"""
        "#);
    }

    #[test]
    fn no_cell_begins_like_a_formula_and_no_text_of_ours_steers_a_terminal() {
        let fixture = write_fixture();
        for (name, delimiter) in [(RESULTS, b';'), (ERRORS, b';'), (UNPROCESSED, b';')] {
            let text = fixture.read(name);
            assert!(!text.contains('\u{1b}'), "{name}");
            assert!(!text.contains('\u{feff}'), "{name}");
            for record in records(&text, delimiter) {
                for cell in &record {
                    assert!(
                        !crate::model::runs_as_formula(cell),
                        "{name}: {}",
                        String::from_utf8_lossy(cell)
                    );
                }
            }
        }
    }

    #[test]
    fn results_fed_back_get_new_columns_instead_of_a_second_set() {
        let ends = vec![(Status::Unchanged, None), (Status::Invalid, None)];
        let fixture = Fixture::with(&ends, None);
        let mut header = ByteRecord::from(vec!["email", "note"]);
        COLUMNS.iter().for_each(|name| header.push_field(name.as_bytes()));
        let old = ["a@example.com", "x", "2", "gave_up", "ck1", "old", "5", "40", "timeout"];
        let ragged = [&old[..], &["more", "still"]].concat();
        let rows = vec![ByteRecord::from(&old[..]), ByteRecord::from(ragged)];
        write(&fixture.folder, &fixture.history, &header, CsvForm::default(), owned(rows)).expect("written");
        insta::assert_snapshot!(fixture.read(RESULTS), @r#"
        email,note,line,status,resolved_workspace_id,detail,attempts,elapsed_ms,error_code
        a@example.com,x,2,unchanged,ck1,,0,0,
        a@example.com,"x,more,still",3,invalid,,,0,0,
        "#);
        insta::assert_snapshot!(fixture.read(ERRORS), @r#"
        email,note
        a@example.com,"x,more,still"
        "#);
    }

    #[test]
    fn empty_cells_behind_the_last_column_are_left_out() {
        let fixture = Fixture::with(&[(Status::Rejected, None)], None);
        let header = ByteRecord::from(vec!["email", "workspace"]);
        let rows = vec![ByteRecord::from(vec!["a@example.com", "F", "", " "])];
        write(&fixture.folder, &fixture.history, &header, CsvForm::default(), owned(rows)).expect("written");
        assert_eq!(fixture.read(ERRORS), "email,workspace\na@example.com,F\n");
    }

    #[test]
    fn ours_get_out_of_the_way_of_a_caller_s_column_of_the_same_name() {
        let fixture = Fixture::with(&[(Status::Rejected, None)], None);
        let header = ByteRecord::from(vec!["Status ", "email", "line", "RUN_LINE"]);
        let rows = vec![ByteRecord::from(vec!["mine", "a@example.com", "7", "x"])];
        write(&fixture.folder, &fixture.history, &header, CsvForm::with(b'|'), owned(rows)).expect("written");
        insta::assert_snapshot!(fixture.read(RESULTS), @r"
        Status |email|line|RUN_LINE|run_run_line|run_status|resolved_workspace_id|detail|attempts|elapsed_ms|error_code
        mine|a@example.com|7|x|2|rejected|ck1||0|0|
        ");
        assert_eq!(fixture.read(ERRORS), "Status |email|line|RUN_LINE\nmine|a@example.com|7|x\n");
        assert_eq!(renamed(&header), ["run_run_line", "run_status"]);

        // The results of that run, fed back.
        let results = fixture.read(RESULTS);
        let [header, row] = <[ByteRecord; 2]>::try_from(records(&results, b'|')).expect("two lines");
        write(&fixture.folder, &fixture.history, &header, CsvForm::with(b'|'), owned(vec![row]))
            .expect("written");
        assert_eq!(fixture.read(RESULTS), results);
        assert_eq!(renamed(&ByteRecord::from(vec!["email", "state"])), [""; 0]);
    }

    #[test]
    fn the_files_have_the_mark_and_the_delimiter_of_the_roster() {
        let fixture = Fixture::with(&[(Status::Rejected, None)], None);
        let header = ByteRecord::from(vec!["email", "a^b"]);
        let rows = || owned(vec![ByteRecord::from(vec!["a@example.com", ""])]);
        for (delimiter, names_delimiter, begins) in
            [(b';', false, "\u{feff}email;"), (b'^', true, "\u{feff}sep=^\nemail^\"a^b\"")]
        {
            let form = CsvForm { delimiter, has_bom: true, names_delimiter };
            write(&fixture.folder, &fixture.history, &header, form, rows()).expect("written");
            for name in [RESULTS, ERRORS, UNPROCESSED] {
                assert!(fixture.read(name).starts_with(begins), "{name}: {}", fixture.read(name));
            }
        }
    }

    #[test]
    fn another_roster_than_the_planned_one_changes_nothing() {
        let fixture = write_fixture();
        let before = fixture.read(RESULTS);
        let header = fixture::roster_header();
        for count in [0, 12, 14, 20] {
            let rows = (0..count).map(|_| ByteRecord::from(vec!["a", "b", "c", "d"])).collect();
            let error = write(&fixture.folder, &fixture.history, &header, CsvForm::with(b';'), owned(rows))
                .expect_err("not the planned roster");
            assert!(matches!(error, ResultsError::Rows { plan: 13, .. }), "{error}");
        }
        let broken = std::iter::once(Err::<ByteRecord, _>("a page is torn out"));
        let error = write(&fixture.folder, &fixture.history, &header, CsvForm::with(b';'), broken)
            .expect_err("unreadable");
        assert!(matches!(error, ResultsError::Roster(_)), "{error}");
        let error = write(
            &fixture.folder,
            &fixture.history,
            &ByteRecord::new(),
            CsvForm::with(b';'),
            owned(Vec::new()),
        )
        .expect_err("no columns");
        assert!(matches!(error, ResultsError::NoHeader), "{error}");
        assert_eq!(fixture.read(RESULTS), before);
        assert_eq!(fs::read_dir(fixture.folder.path()).expect("readable").count(), 5, "no drafts are left");
    }

    #[test]
    fn a_file_that_lost_a_row_is_noticed() {
        let fixture = Fixture::new();
        let layout = Layout::new(&fixture::roster_header(), b';').expect("a header");
        let draft = || fixture.folder.draft("draft").expect("opened");
        let error = verify(
            &layout,
            CsvForm::with(b';'),
            &fixture.history,
            [&mut draft(), &mut draft(), &mut draft()],
        )
        .expect_err("the files are empty");
        assert!(matches!(error, ResultsError::Mismatch { found: 0, expected: 1, .. }), "{error}");
    }

    fn end() -> impl Strategy<Value = ItemEnd> {
        let cause = prop::option::of(("[a-z_]{1,12}", any::<String>()));
        (0..Status::ALL.len(), cause, any::<u32>(), any::<u32>()).prop_map(move |(status, cause, n, ms)| {
            ItemEnd {
                status: Status::ALL[status],
                cause: cause.map(|(code, text)| Arc::new(Cause::new(code.into(), text))),
                workspace: None,
                attempts: n,
                elapsed_ms: ms,
                step: None,
                roles: crate::record::journal::Roles::default(),
            }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_three_files_account_for_every_row_once(
            rows in prop::collection::vec((prop::collection::vec(".{0,6}", 0..5), end()), 0..20),
            width in 1_usize..4,
            delimiter in prop::sample::select(&b",;\t|"[..]),
            has_bom in any::<bool>(),
        ) {
            let mut fixture = Fixture::with(&[], None);
            let (cells, ends): (Vec<Vec<String>>, Vec<ItemEnd>) = rows.into_iter().unzip();
            fixture.history.set_rows(ends);
            let header: ByteRecord = (0..width).map(|index| format!("column {index}")).collect::<Vec<_>>().into();
            let roster = cells.iter().map(|cells| ByteRecord::from(cells.clone())).collect();
            let form = CsvForm { delimiter, has_bom, names_delimiter: false };
            let tally = write(&fixture.folder, &fixture.history, &header, form, owned(roster))
                .expect("written");
            prop_assert_eq!(tally, fixture.history.tally());

            let results = records(&fixture.read(RESULTS), delimiter);
            prop_assert_eq!(fixture.read(ERRORS).starts_with('\u{feff}'), has_bom);
            let mut errors = records(&fixture.read(ERRORS), delimiter).into_iter().skip(1);
            let mut unprocessed = records(&fixture.read(UNPROCESSED), delimiter).into_iter().skip(1);
            prop_assert_eq!(results.len(), cells.len() + 1);
            for (result, end) in results.iter().skip(1).zip(fixture.history.rows()) {
                prop_assert_eq!(result.len(), width + COLUMNS.len());
                prop_assert_eq!(&result[width + 1], end.status.word().as_bytes());
                let own: Vec<&[u8]> = result.iter().take(width).collect();
                let again = match end.status.kind() {
                    StatusKind::Changed | StatusKind::AsItWas => continue,
                    StatusKind::Failed | StatusKind::Unresolved => errors.next(),
                    StatusKind::NotTried => unprocessed.next(),
                };
                let again = again.expect("a row that did not succeed comes again");
                prop_assert_eq!(again.iter().collect::<Vec<_>>(), own);
            }
            prop_assert!(errors.next().is_none() && unprocessed.next().is_none());
        }
    }
}
