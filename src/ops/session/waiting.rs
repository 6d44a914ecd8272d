//! Reports that the program waits for an unavailable Houston, so that no one watches a silent terminal.
//!
//! Main function: [`announcing_waits`]. It watches; the waiting itself is the transport's.

use std::thread;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded};

use crate::houston::Waiting;
use crate::ops::notices::Notices;
use crate::report::notices::{Notice, WaitNotice};

/// How often it is looked.
const GLANCE: Duration = Duration::from_millis(100);
/// The time between two lines.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// The longest wait for Houston.
#[derive(Debug, Clone, Copy)]
pub struct LongestWait {
    /// How long it is.
    pub most: Duration,
    /// Whether `--max-wait` makes it so.
    pub by_flag: bool,
}

/// Does the work, and reports a wait for Houston while it lasts.
///
/// # Errors
/// Those of the work.
pub fn announcing_waits<T, E>(
    waiting: &Waiting,
    notices: &Notices,
    url: &str,
    longest: LongestWait,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let (done, ended) = bounded::<()>(0);
    let mut heartbeat = Heartbeat { longest, told: None };
    thread::scope(|scope| {
        let told = scope.spawn(move || {
            while ended.recv_timeout(GLANCE) == Err(RecvTimeoutError::Timeout) {
                let now = waiting.now();
                let now = now.as_ref().map(|(so_far, why)| (*so_far, why.as_str()));
                heartbeat.next(url, now).iter().for_each(|notice| notices.give(&Notice::Wait(*notice)));
            }
            heartbeat.told.is_some()
        });
        let result = work();
        drop(done);
        if told.join().unwrap_or(false) && result.is_ok() {
            notices.give(&Notice::Wait(WaitNotice::Over(url)));
        }
        result
    })
}

/// When a wait is reported.
struct Heartbeat {
    longest: LongestWait,
    /// After how long a wait something was said last; `None` if nothing was yet.
    told: Option<Duration>,
}

impl Heartbeat {
    /// The next notice, if there is something new to say.
    fn next<'n>(&mut self, url: &'n str, waiting: Option<(Duration, &'n str)>) -> Option<WaitNotice<'n>> {
        let (so_far, why) = waiting?;
        let is_new = self.told.is_none_or(|told| so_far < told);
        if is_new {
            self.told = Some(so_far);
            let LongestWait { most, by_flag } = self.longest;
            return Some(WaitNotice::Began { url, why, most, by_flag });
        }
        let is_due = so_far.saturating_sub(self.told.unwrap_or_default()) >= HEARTBEAT;
        is_due.then(|| {
            self.told = Some(so_far);
            WaitNotice::GoesOn { url, why, so_far }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_at_its_beginning_and_every_ten_seconds() {
        let url = "http://127.0.0.1:9/v1";
        let longest = LongestWait { most: Duration::from_secs(300), by_flag: true };
        let mut heartbeat = Heartbeat { longest, told: None };
        let mut next = |ms: Option<u64>| {
            let waiting = ms.map(|ms| (Duration::from_millis(ms), "no connection: refused"));
            heartbeat.next(url, waiting).map(|notice| notice.to_string())
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
        assert!(next(Some(0)).unwrap().contains("--max-wait"), "a second wait is reported like the first");
    }

    #[test]
    fn a_wait_that_no_flag_limits_does_not_name_one() {
        let longest = LongestWait { most: Duration::from_secs(30), by_flag: false };
        let mut heartbeat = Heartbeat { longest, told: None };
        let first = heartbeat.next("http://127.0.0.1:9/v1", Some((Duration::ZERO, "refused"))).unwrap();
        assert!(first.to_string().contains("waiting for up to 30s; press Ctrl-C"), "{first}");
    }
}
