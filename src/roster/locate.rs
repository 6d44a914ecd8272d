//! Finds rows in the file again, so that later findings can be reported for a cell.
//!
//! Part of [`Roster`]. Reads forward from the nearest known position; keeps nothing.

use std::io;
use std::sync::Arc;

use csv::ByteRecord;

use super::check::Fate;
use super::dialect::Dialect;
use super::issue::{Complaint, Issue, KEPT, Position};
use super::reader::{Records, Span, issue_at};
use super::scan::Cells;
use super::{Column, Roster};
use crate::model::RowNumber;

impl Roster {
    /// Adds issues that were found later, such as a workspace that the target does not have, and
    /// makes their rows invalid.
    ///
    /// # Errors
    /// If the file cannot be read again to find the positions of the cells.
    pub fn complain(
        &mut self,
        complaints: impl IntoIterator<Item = (RowNumber, Column, Complaint)>,
    ) -> io::Result<()> {
        let mut kept = Vec::new();
        for (row, column, complaint) in complaints {
            self.marks[row.index()] = self.marks[row.index()].with(Fate::Invalid);
            if self.issues.counted(complaint.kind) && kept.len() + self.issues.kept().len() < KEPT {
                kept.push((row, column, complaint));
            }
        }
        for issue in self.located(kept)? {
            self.issues.keep(issue);
        }
        self.issues.sort();
        Ok(())
    }

    /// Finds the cells that complaints are about.
    pub(super) fn located(&self, mut kept: Vec<(RowNumber, Column, Complaint)>) -> io::Result<Vec<Issue>> {
        kept.sort_by_key(|&(row, ..)| row);
        let rows: Vec<RowNumber> = kept.iter().map(|&(row, ..)| row).collect();
        let mut kept = kept.into_iter();
        let mut issues = Vec::new();
        self.revisit(&rows, |raw, line, dialect| {
            if let Some((row, column, complaint)) = kept.next() {
                let cell = dialect.columns.cell(column).unwrap_or(0);
                let cell = Cells::new(raw, dialect.delimiter).nth(cell);
                issues.push(issue_at(raw, cell, line, complaint).in_row(row));
            }
        })?;
        Ok(issues)
    }

    /// Reads rows again, given in ascending order.
    fn revisit(&self, rows: &[RowNumber], mut visit: impl FnMut(&[u8], u32, &Dialect)) -> io::Result<()> {
        let Some(dialect) = &self.dialect else { return Ok(()) };
        let mut record = ByteRecord::new();
        let mut open: Option<(Records, usize)> = None;
        let mut last: Option<(RowNumber, Span)> = None;
        for row in rows.iter().map(|&row| self.in_file(row)) {
            if let (Some((seen, span)), Some((records, _))) = (last, &open)
                && seen == row
            {
                visit(records.raw(span), span.line, dialect);
                continue;
            }
            let nearest = self.milestones.partition_point(|stone| stone.row as usize <= row.index());
            let Some(stone) = nearest.checked_sub(1).map(|index| self.milestones[index]) else { continue };
            let (mut records, mut next) = match open.take() {
                Some((records, next)) if next <= row.index() && next >= stone.row as usize => (records, next),
                Some(_) | None => {
                    let file = Arc::clone(&self.file);
                    (Records::new(file, dialect.delimiter, stone.byte, stone.line)?, stone.row as usize)
                }
            };
            while let Some(span) = records.next(&mut record)? {
                next += 1;
                if next > row.index() {
                    visit(records.raw(span), span.line, dialect);
                    last = Some((row, span));
                    break;
                }
            }
            open = Some((records, next));
        }
        Ok(())
    }

    /// Where a cell of a row begins. Reads the file again; for many rows use
    /// [`Roster::locate_all`]. If the file can no longer be read, the beginning of the row.
    pub fn locate(&self, row: RowNumber, column: Column) -> Position {
        let found = self.locate_all(&[row], column).ok().and_then(|found| found.first().copied());
        found.unwrap_or(Position { line: self.line(row), column: 1 })
    }

    /// Where the cells of a column begin in these rows, which must be in ascending order.
    ///
    /// # Errors
    /// If the file cannot be read again.
    pub fn locate_all(&self, rows: &[RowNumber], column: Column) -> io::Result<Vec<Position>> {
        let mut positions = Vec::with_capacity(rows.len());
        self.revisit(rows, |raw, line, dialect| {
            let cell = dialect.columns.cell(column).unwrap_or(0);
            let cell = Cells::new(raw, dialect.delimiter).nth(cell);
            positions.push(cell.map_or(Position { line, column: 1 }, |cell| Position {
                line: line.saturating_add(cell.line),
                column: cell.column(raw),
            }));
        })?;
        Ok(positions)
    }
}
