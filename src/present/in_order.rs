//! Does many pieces of work in a pool, and hands the results over in order.
//!
//! Main function: [`in_order`]. What is ready and not yet handed over is bounded, so that one slow
//! piece does not fill the memory with those after it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use crossbeam_channel::RecvTimeoutError;
use rayon::ThreadPool;

/// How often the caller hears from work that has nothing new to show.
const TICK: Duration = Duration::from_millis(100);

/// What the caller hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<T> {
    /// The result of the next piece.
    Next(T),
    /// Time went by.
    Tick,
}

/// Does the pieces `0..count`, and gives their results to `each` in this order, on the thread of
/// the caller. At most twice as many are begun and not yet given as the pool has threads. A break
/// begins no more; those that were begun are waited for.
pub fn in_order<T: Send>(
    pool: &ThreadPool,
    count: usize,
    work: impl Fn(usize) -> T + Sync,
    mut each: impl FnMut(Step<T>) -> ControlFlow<()>,
) {
    let ahead = 2 * pool.current_num_threads();
    let work = &work;
    let (sender, receiver) = crossbeam_channel::unbounded();
    pool.in_place_scope(|scope| {
        let begin = |index: usize| {
            let sender = sender.clone();
            scope.spawn(move |_| {
                let result = catch_unwind(AssertUnwindSafe(|| work(index)));
                // The receiver outlives the scope, so the result always arrives.
                let _ = sender.send((index, result));
            });
        };
        (0..count.min(ahead)).for_each(begin);
        let mut ready = BTreeMap::new();
        let mut given = 0;
        while given < count {
            match receiver.recv_timeout(TICK) {
                Ok((index, Ok(result))) => drop(ready.insert(index, result)),
                Ok((_, Err(panic))) => resume_unwind(panic),
                Err(RecvTimeoutError::Timeout) => {
                    if each(Step::Tick).is_break() {
                        return;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
            while let Some(result) = ready.remove(&given) {
                if each(Step::Next(result)).is_break() {
                    return;
                }
                if given + ahead < count {
                    begin(given + ahead);
                }
                given += 1;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn pool() -> ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap()
    }

    #[test]
    fn results_come_in_order_whichever_is_ready_first() {
        // The first piece is ready only after others that were begun beside it.
        let (done, wait) = crossbeam_channel::bounded(100);
        let work = |index: usize| {
            if index == 0 {
                (0..3).for_each(|_| wait.recv().unwrap());
            }
            let _ = done.send(());
            index
        };
        let mut seen = Vec::new();
        in_order(&pool(), 50, work, |step| {
            if let Step::Next(index) = step {
                seen.push(index);
            }
            ControlFlow::Continue(())
        });
        assert_eq!(seen, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn no_more_than_twice_the_threads_are_ahead() {
        let (begun, given, most) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let work = |_| {
            let begun = begun.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(begun - given.load(Ordering::SeqCst), Ordering::SeqCst);
        };
        in_order(&pool(), 200, work, |step| {
            given.fetch_add(usize::from(step == Step::Next(())), Ordering::SeqCst);
            ControlFlow::Continue(())
        });
        assert_eq!(given.into_inner(), 200);
        assert!((1..=6).contains(&most.into_inner()));
    }

    #[test]
    fn a_break_begins_nothing_more() {
        let begun = AtomicUsize::new(0);
        in_order(&pool(), 1000, |_| begun.fetch_add(1, Ordering::SeqCst), |_| ControlFlow::Break(()));
        assert!(begun.into_inner() <= 6);
    }

    #[test]
    #[should_panic(expected = "of the work")]
    fn a_panic_is_that_of_the_caller() {
        in_order(&pool(), 10, |index| assert_ne!(index, 4, "of the work"), |_| ControlFlow::Continue(()));
    }
}
