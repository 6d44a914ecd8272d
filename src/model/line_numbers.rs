//! Where the rows of a roster begin: nearly always one line after the one before.
//!
//! Main type: [`LineNumbers`].

use super::RowNumber;

/// The physical line of each row, in order. Only rows that do not begin on the line after the one before
/// cost memory: those behind a blank line, or behind a cell of several lines.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LineNumbers {
    /// The rows that begin elsewhere, by index, each with its line.
    breaks: Vec<(u32, u32)>,
    rows: u32,
}

impl LineNumbers {
    /// Adds the line of the next row.
    pub fn push(&mut self, line: u32) {
        let expected = self.breaks.last().map(|&(row, first)| first + (self.rows - row));
        if expected != Some(line) {
            self.breaks.push((self.rows, line));
        }
        self.rows += 1;
    }

    /// The line of a row; none for a row that there is not.
    pub fn get(&self, row: RowNumber) -> Option<u32> {
        let index = row.get() - 1;
        if index >= self.rows {
            return None;
        }
        let after = self.breaks.partition_point(|&(row, _)| row <= index);
        self.breaks[..after].last().map(|&(row, first)| first + (index - row))
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows as usize
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }
}

impl IntoIterator for LineNumbers {
    type Item = u32;
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter { lines: self, next: 0 }
    }
}

/// The lines in their order.
#[derive(Debug)]
pub struct IntoIter {
    lines: LineNumbers,
    next: usize,
}

impl Iterator for IntoIter {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let line = self.lines.get(RowNumber::from_index(self.next))?;
        self.next += 1;
        Some(line)
    }
}

impl FromIterator<u32> for LineNumbers {
    fn from_iter<I: IntoIterator<Item = u32>>(lines: I) -> Self {
        let mut numbers = Self::default();
        lines.into_iter().for_each(|line| numbers.push(line));
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_the_line_that_was_given_and_only_gaps_cost_memory() {
        let lines = [2, 3, 4, 7, 8, 20, 22, 23];
        let numbers: LineNumbers = lines.into_iter().collect();
        let all: Vec<u32> =
            (0..lines.len()).filter_map(|index| numbers.get(RowNumber::from_index(index))).collect();
        assert_eq!(all, lines);
        assert_eq!((numbers.len(), numbers.breaks.len()), (8, 4));
        assert_eq!(numbers.get(RowNumber::from_index(8)), None);
        assert_eq!(numbers.into_iter().collect::<Vec<_>>(), lines);
        assert!(LineNumbers::default().is_empty());
    }
}
