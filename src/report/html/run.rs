//! The page of a run.
//!
//! Main function: [`write()`]. It reads the plan and the roster of the run again and keeps no row of them,
//! but for the names that the page lists. What the page says is decided in `words`, from data alone.

mod facts;
mod names;
mod words;

use std::error::Error;
use std::io::{self, Write};

use csv::ByteRecord;

use self::facts::{Facts, extras, tone, tone_of_extra};
use self::names::Names;
use self::words::page;
use super::{Cell, Column, Packer, SheetRow, Table, Tone};
use crate::model::{Level, Role};
use crate::outcome::Status;
use crate::record::folder::RunFolder;
use crate::record::journal::{History, ItemEnd, PlanLine, RowEnd, plan_lines_from};
use crate::report::RosterAgain;
use crate::report::removals::End;
use crate::report::results::{Layout, ResultsError, each_row};
use crate::report::summary::Summary;
use crate::roster::Columns;

/// With more rows than this, successes are left out of the table.
const ALL_ROWS: usize = 200_000;
/// How many columns of the caller's are in the table.
const OWN: usize = 12;

/// Writes the page of a run. `roster` is called twice.
///
/// # Errors
/// If `out` does not take it, or the files of the run cannot be read or do not fit together.
pub fn write<'r, E, I>(
    folder: &RunFolder,
    history: &History,
    summary: &Summary,
    roster: impl Fn() -> Result<RosterAgain<'r, I>, ResultsError>,
    out: &mut dyn Write,
) -> Result<(), ResultsError>
where
    I: Iterator<Item = Result<ByteRecord, E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let facts = Facts::of(history);
    let names = Names::find(&facts, folder, history, roster()?)?;
    let page = page(history, &summary.shown(), facts, &names);
    let all = roster()?;
    let layout = Layout::new(all.header, all.form.delimiter)?;
    let own = own_columns(all.header, all.columns);
    let table = table(&own, all.header);
    let rows = Rows { names: &names, columns: all.columns, layout, own, is_whole: is_whole(history) };
    super::write(out, &page, &table, |packer| {
        // Those who are not in the roster come first: they are few, and matter most.
        let lines = plan_lines_from(folder, history.first_extra())?;
        for ((_, extra), line) in extras(history).zip(lines) {
            rows.put_extra(packer, &line?, extra)?;
        }
        each_row(history, all.rows, |record, end| Ok(rows.put(packer, record, end)?))
    })
}

/// Whether the table has every row.
fn is_whole(history: &History) -> bool {
    history.row_count() + history.extras().len() <= ALL_ROWS
}

/// The columns of the roster that have no meaning for us.
fn own_columns(header: &ByteRecord, columns: Columns) -> Vec<usize> {
    let Columns { email, role, workspace, deployment_roles } = columns;
    let known = [Some(email), role, workspace, deployment_roles];
    (0..header.len()).filter(|column| !known.contains(&Some(*column))).take(OWN).collect()
}

fn table(own: &[usize], header: &ByteRecord) -> Table {
    let words = Status::ALL.iter().map(|&status| (status.word().to_owned(), tone(status)));
    let extra = [End::GoneAlready, End::HeldBack, End::Kept].map(|end| (end.word().to_owned(), Tone::Same));
    let not_removed = (End::NotRemoved.word().to_owned(), Tone::NotTried);
    let table = Table::new(words.chain(extra).chain([not_removed]))
        .column("line", "Line", Column::Number)
        .column("who", "Person", Column::Text)
        .column("workspace", "Workspace", Column::Word)
        .column("wanted", "Wanted role", Column::Word)
        .column("before", "Role before", Column::Word)
        .column("state", "Status", Column::Word)
        .column("attempts", "Attempts", Column::Number)
        .column("ms", "Time, ms", Column::Number)
        .column("why", "Detail", Column::Word)
        .hidden("code", "Error code", Column::Word);
    own.iter().fold(table, |table, &column| {
        let name = String::from_utf8_lossy(header.get(column).unwrap_or_default());
        table.hidden(format!("own{column}"), &name, Column::Word)
    })
}

/// Puts rows into the table.
struct Rows<'r> {
    names: &'r Names,
    columns: Columns,
    layout: Layout,
    own: Vec<usize>,
    is_whole: bool,
}

/// A row as the table has it, but for what the caller's columns say.
struct Row<'r> {
    line: Option<u32>,
    who: &'r str,
    workspace: &'r str,
    wanted: Option<Level>,
    before: Option<Level>,
    state: &'static str,
    tone: Tone,
    end: &'r ItemEnd,
}

impl Rows<'_> {
    fn put(&self, packer: &mut Packer<'_>, record: &ByteRecord, row: RowEnd<'_>) -> io::Result<()> {
        let tone = tone(row.status);
        if !self.is_whole && is_success(tone) {
            return Ok(());
        }
        let cells: Vec<_> = self.layout.plain(record).collect();
        let cell = |column: usize| {
            cells.get(column).map_or_else(Default::default, |cell| String::from_utf8_lossy(cell))
        };
        let who = cell(self.columns.email);
        let named = self.columns.workspace.map(cell).unwrap_or_default();
        let workspace = row.workspace.map_or(named.trim(), |at| self.names.workspace(at));
        let row = Row {
            line: Some(row.line),
            who: who.trim(),
            workspace,
            wanted: row.roles.wanted,
            before: row.roles.before,
            state: row.status.word(),
            tone,
            end: row.end,
        };
        let own = self.own.iter().map(|&column| Cell::text(cell(column)));
        row.put(packer, own)
    }

    fn put_extra(&self, packer: &mut Packer<'_>, line: &PlanLine, extra: &ItemEnd) -> io::Result<()> {
        let tone = tone_of_extra(extra);
        if !self.is_whole && is_success(tone) {
            return Ok(());
        }
        let row = Row {
            line: None,
            who: &line.email,
            workspace: extra.workspace.map_or("", |at| self.names.workspace(at)),
            wanted: None,
            before: extra.roles.before,
            state: End::of(extra).word(),
            tone,
            end: extra,
        };
        row.put(packer, self.own.iter().map(|_| Cell::text("")))
    }
}

impl Row<'_> {
    fn put<'c>(&'c self, packer: &mut Packer<'_>, own: impl Iterator<Item = Cell<'c>>) -> io::Result<()> {
        let Self { line, who, workspace, wanted, before, state, tone, end } = *self;
        let (why, code) = end.cause.as_ref().map_or(("", ""), |cause| (&*cause.text, cause.code.word()));
        let role = |level: Option<Level>| level.map_or("", |level| Role::workspace(level).name());
        if !is_success(tone) {
            packer.print(|| SheetRow {
                line: line.map_or_else(String::new, |line| line.to_string()),
                who: who.to_owned(),
                workspace: workspace.to_owned(),
                state: state.replace('_', " "),
                tone,
                why: why.to_owned(),
            });
        }
        let ours = [
            Cell::Number(line.map(u64::from)),
            Cell::text(who),
            Cell::text(workspace),
            Cell::text(role(wanted)),
            Cell::text(role(before)),
            Cell::text(state),
            Cell::Number(Some(end.attempts.into())),
            Cell::Number(Some(end.elapsed_ms.into())),
            Cell::text(why),
            Cell::text(code),
        ];
        packer.put(ours.into_iter().chain(own).collect())
    }
}

fn is_success(tone: Tone) -> bool {
    matches!(tone, Tone::Changed | Tone::Same)
}
