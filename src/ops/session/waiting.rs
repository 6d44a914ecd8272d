//! Tells people that a Houston which is away is waited for, so that nobody sits before a silent
//! terminal.
//!
//! Main function: [`tell_while`]. It watches; the waiting itself is the transport's.

use std::thread;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded};

use crate::cli::tell;
use crate::houston::Waiting;
use crate::model::period::Period;

/// How often it is looked.
const GLANCE: Duration = Duration::from_millis(100);
/// The time between two lines.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Does the work, and says meanwhile on standard error whether it waits.
///
/// # Errors
/// Those of the work.
pub fn tell_while<T, E>(
    waiting: &Waiting,
    url: &str,
    max_wait: Duration,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let (done, ended) = bounded::<()>(0);
    let mut words = Words { url, max_wait, told: None };
    thread::scope(|scope| {
        let told = scope.spawn(move || {
            while ended.recv_timeout(GLANCE) == Err(RecvTimeoutError::Timeout) {
                words.next(waiting.now()).iter().for_each(|line| tell(line));
            }
            words.told.is_some()
        });
        let result = work();
        drop(done);
        if told.join().unwrap_or(false) && result.is_ok() {
            tell(&format!("{url} answers again"));
        }
        result
    })
}

/// What is said, and when.
struct Words<'w> {
    url: &'w str,
    max_wait: Duration,
    /// After how long a wait the last line was said; `None` if there was none yet.
    told: Option<Duration>,
}

impl Words<'_> {
    /// The next line, if there is something new to say.
    fn next(&mut self, waiting: Option<(Duration, String)>) -> Option<String> {
        let url = self.url;
        let (so_far, why) = waiting?;
        let is_new = self.told.is_none_or(|told| so_far < told);
        if is_new {
            self.told = Some(so_far);
            let most = Period(self.max_wait);
            return Some(format!(
                "no answer from {url} ({why}): waiting for it, {most} at most (--max-wait); Ctrl-C ends it"
            ));
        }
        let is_due = so_far.saturating_sub(self.told.unwrap_or_default()) >= HEARTBEAT;
        is_due.then(|| {
            self.told = Some(so_far);
            let seconds = Period(Duration::from_secs(so_far.as_secs()));
            format!("still no answer from {url} after {seconds} ({why})")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_at_its_beginning_and_every_ten_seconds() {
        let url = "http://127.0.0.1:9/v1";
        let mut words = Words { url, max_wait: Duration::from_secs(300), told: None };
        let mut next = |ms: Option<u64>| {
            words.next(ms.map(|ms| (Duration::from_millis(ms), "no connection: refused".to_owned())))
        };
        assert_eq!(next(None), None);
        let first = next(Some(40)).unwrap();
        for part in [url, "no connection: refused", "5m", "--max-wait", "Ctrl-C"] {
            assert!(first.contains(part), "{part} in {first}");
        }
        assert_eq!(next(Some(5_000)), None);
        assert!(next(Some(10_100)).unwrap().contains("after 10s"));
        assert_eq!(next(Some(20_000)), None);
        assert!(next(Some(20_200)).unwrap().contains("after 20s"));
        assert_eq!(next(None), None);
        assert!(next(Some(0)).unwrap().contains("--max-wait"), "a second wait is told as the first");
    }
}
