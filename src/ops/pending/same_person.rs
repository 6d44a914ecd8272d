//! Rows of a run that turn out to be about one person when Houston is read for a later leg.
//!
//! Main function: [`second_rows`]. Pure.

use std::collections::HashMap;

use super::item::PendingItem;
use crate::outcome::{Cause, Code, Status};

/// How the rows end that are about a person of another row, by index; `shared` has the indices of each such
/// person. The row that an earlier leg sent speaks for all, else the first one. Rows that want other roles
/// fail, also the first one if nothing was sent for it: no role is changed back and forth. A write that may
/// still take effect is waited for as ever.
pub fn second_rows(items: &[PendingItem], shared: &[Vec<usize>]) -> HashMap<usize, (Status, Cause)> {
    let mut ends = HashMap::new();
    for person in shared {
        let is_sent = |index: &usize| items[*index].earlier.is_some();
        let Some(first) = person.iter().copied().find(is_sent).or(person.first().copied()) else { continue };
        let wanted = items[first].wanted();
        let is_opposed = person.iter().any(|&index| items[index].wanted() != wanted);
        for &index in person.iter().filter(|&&index| !items[index].is_in_doubt()) {
            if items[index].wanted() != wanted || (index == first && is_opposed && !is_sent(&first)) {
                let text = "another row names the same user of Houston with another role";
                ends.insert(index, (Status::Rejected, Cause::new(Code::Conflict, text)));
            } else if index != first {
                let text = format!("merged into row {}", items[first].item.row());
                ends.insert(index, (Status::Merged, Cause::new(Code::Merged, text)));
            }
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Before, row};
    use super::*;
    use crate::model::Level::{Admin, Editor};
    use crate::plan::Action;

    #[test]
    fn rows_of_one_person_merge_or_fail_and_never_take_turns() {
        use Before::{GaveUp, InDoubt, NothingSent};
        use Status::{Merged, Rejected};
        let table = [
            ([(Editor, NothingSent), (Editor, NothingSent)], [None, Some(Merged)]),
            ([(Editor, NothingSent), (Editor, GaveUp)], [Some(Merged), None]),
            ([(Editor, NothingSent), (Admin, NothingSent)], [Some(Rejected), Some(Rejected)]),
            ([(Editor, GaveUp), (Admin, NothingSent)], [None, Some(Rejected)]),
            ([(Editor, InDoubt), (Admin, NothingSent)], [None, Some(Rejected)]),
            ([(Editor, InDoubt), (Admin, InDoubt)], [None, None]),
        ];
        for (wishes, expected) in table {
            let items = wishes.map(|(role, before)| row(Action::Add(role), before));
            let ends = second_rows(&items, &[vec![0, 1]]);
            assert_eq!(
                [0, 1].map(|index| ends.get(&index).map(|(status, _)| *status)),
                expected,
                "{wishes:?}"
            );
        }
    }
}
