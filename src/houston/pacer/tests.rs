use std::collections::VecDeque;
use std::thread;

use proptest::prelude::*;

use super::*;
use crate::houston::fault::{Effect, NoAnswerCause};
use crate::houston::scripted::{Scripted, request};
use crate::houston::transport::Kind;
use crate::outcome::Code;
use crate::time::ManualClock;

const LONG: Duration = Duration::from_secs(300);

fn pace(rate: Option<Rate>) -> (Arc<Pace>, ManualClock, Cancel) {
    let (clock, cancel) = (ManualClock::default(), Cancel::new());
    let pace = Pace::new(rate, LONG, Arc::new(clock.clone()), cancel.clone());
    (Arc::new(pace), clock, cancel)
}

#[test]
fn many_threads_never_get_more_than_the_rate_and_a_burst() {
    for text in ["20/s", "2000/s", "300/m"] {
        let rate: Rate = text.parse().unwrap();
        let (pace, clock, _) = pace(Some(rate));
        let start = clock.now();
        let times = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        pace.acquire(Kind::Read).unwrap();
                        times.lock().unwrap().push(clock.now() - start);
                    }
                });
            }
        });
        let allowed = |elapsed: Duration| {
            elapsed.as_nanos() / rate.period().as_nanos() + u128::from(rate.burst().get())
        };
        let times = times.into_inner().unwrap();
        assert_eq!(pace.requests(), 320);
        let elapsed = times.iter().max().copied().unwrap();
        assert!(320 <= allowed(elapsed), "{text}: 320 in {elapsed:?}");
        // Hardly anything is given away either: half a per cent of 320 are two.
        assert!(allowed(elapsed) <= 322 + u128::from(rate.burst().get()), "{text}: {elapsed:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_window_of_time_has_more_permits_than_rate_and_burst(
        per_second in 1u32..5000,
        pauses in proptest::collection::vec(0u64..400, 1..200),
    ) {
        let rate = Rate::per_second(per_second).unwrap();
        let (pace, clock, _) = pace(Some(rate));
        let window = Duration::from_secs(1);
        let most = per_second as usize + rate.burst().get() as usize;
        let mut recent = VecDeque::new();
        for pause in pauses {
            clock.advance(Duration::from_millis(pause));
            pace.acquire(Kind::Read).unwrap();
            let now = clock.now();
            recent.push_back(now);
            while recent.front().is_some_and(|first| now - *first >= window) {
                recent.pop_front();
            }
            prop_assert!(recent.len() <= most);
        }
    }
}

#[test]
fn without_a_rate_no_request_waits() {
    let (pace, clock, _) = pace(None);
    let start = clock.now();
    for _ in 0..1000 {
        pace.acquire(Kind::Read).unwrap();
    }
    assert_eq!(clock.now(), start);
}

#[test]
fn a_retry_after_holds_all_requests() {
    let (pace, clock, _) = pace(None);
    for fault in [
        Fault::Throttled { retry_after: Some(Duration::from_secs(7)) },
        Fault::no_answer(NoAnswerCause::Busy(Duration::from_secs(7)), ""),
    ] {
        let transport = Paced::new(Scripted::new(move |_, _| Err(fault.clone())), Arc::clone(&pace));
        assert!(transport.send(&request(Kind::Read)).is_err());
        assert_eq!(pace.held_for(), Some(Duration::from_secs(7)));
        let before = clock.now();
        pace.acquire(Kind::Read).unwrap();
        assert_eq!(clock.now() - before, Duration::from_secs(7));
        assert_eq!(pace.held_for(), None);
    }
}

#[test]
fn a_shorter_hold_does_not_end_a_longer_one() {
    let (pace, ..) = pace(None);
    pace.hold(Duration::from_secs(9));
    pace.hold(Duration::from_secs(3));
    assert_eq!(pace.held_for(), Some(Duration::from_secs(9)));
}

#[test]
fn holds_are_counted_until_now_and_once() {
    let (pace, clock, _) = pace(None);
    let seconds = Duration::from_secs;
    assert_eq!(pace.load().asked, Duration::ZERO);
    pace.hold(seconds(8));
    clock.advance(seconds(3));
    pace.hold(seconds(6));
    assert_eq!(pace.load().asked, seconds(3));
    clock.advance(seconds(20));
    assert_eq!(pace.load().asked, seconds(9));
    pace.hold(seconds(4));
    pace.acquire(Kind::Read).unwrap();
    clock.advance(seconds(1));
    assert_eq!(pace.load().asked, seconds(13));
}

#[test]
fn a_hold_that_is_too_long_is_given_back_at_once() {
    let (pace, clock, _) = pace(None);
    let transport = Paced::new(Scripted::answering(r#"{"data":{}}"#), Arc::clone(&pace));
    pace.hold(LONG + Duration::from_secs(1));
    let before = clock.now();
    let failure = transport.send(&request(Kind::Read)).unwrap_err();
    assert_eq!(
        failure,
        Failure { fault: Fault::Throttled { retry_after: Some(LONG + Duration::from_secs(1)) }, attempts: 0 }
    );
    assert_eq!(clock.now(), before);
    assert_eq!(pace.requests(), 0);
}

#[test]
fn a_pulled_cancel_ends_a_wait_and_nothing_is_sent() {
    let (pace, _, cancel) = pace(Rate::per_second(1));
    let transport = Paced::new(Scripted::answering(r#"{"data":{}}"#), Arc::clone(&pace));
    assert!(transport.send(&request(Kind::Read)).is_ok());
    cancel.pull();
    let failure = transport.send(&request(Kind::Read)).unwrap_err();
    assert_eq!((failure.fault.code(), failure.attempts), (Code::Cancelled, 0));
    assert_eq!(transport.inner.sent(), 1);
}

/// A pace with a window, around a transport that counts the most requests it held at once.
fn windowed(
    most: u32,
    answer: impl Fn(usize) -> Result<(u16, String), Fault> + Send + Sync + 'static,
) -> (Paced<Scripted>, ManualClock, Cancel) {
    let (clock, cancel) = (ManualClock::default(), Cancel::new());
    let pace =
        Pace::new(None, LONG, Arc::new(clock.clone()), cancel.clone()).with_window(Window::new(Some(most)));
    (Paced::new(Scripted::new(move |number, _| answer(number)), Arc::new(pace)), clock, cancel)
}

fn well() -> (u16, String) {
    (200, r#"{"data":{}}"#.to_owned())
}

#[test]
fn many_threads_never_have_more_in_flight_than_the_window() {
    let inside = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
    let counted = Arc::clone(&inside);
    let (transport, ..) = windowed(3, move |number| {
        let (now, most) = &*counted;
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        thread::yield_now();
        now.fetch_sub(1, Ordering::SeqCst);
        let fault = Fault::Throttled { retry_after: None };
        if number % 50 == 7 { Err(fault) } else { Ok(well()) }
    });
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| (0..100).for_each(|_| drop(transport.send(&request(Kind::Read)))));
        }
    });
    assert_eq!(transport.inner.sent(), 1600, "no request waits for ever");
    let most = inside.1.load(Ordering::SeqCst);
    assert!((1..=3).contains(&most), "{most}");
    let strain = transport.pace.strain();
    assert!((10..=32).contains(&strain.congestion_events), "{strain:?}");
    assert_eq!((strain.concurrency, strain.window_min), (3, 1));
}

#[test]
fn a_pulled_cancel_ends_the_wait_for_a_slot() {
    let (entered, has_entered) = crossbeam_channel::bounded(0);
    let (finish, may_finish) = crossbeam_channel::bounded(0);
    let (transport, _, cancel) = windowed(1, move |_| {
        entered.send(()).unwrap();
        may_finish.recv().unwrap();
        Ok(well())
    });
    thread::scope(|scope| {
        let first = scope.spawn(|| transport.send(&request(Kind::Read)));
        has_entered.recv().unwrap();
        let others = [(); 3].map(|()| scope.spawn(|| transport.send(&request(Kind::Read))));
        cancel.pull();
        for other in others {
            assert_eq!(other.join().unwrap().unwrap_err().fault.code(), Code::Cancelled);
        }
        finish.send(()).unwrap();
        assert!(first.join().unwrap().is_ok(), "what is in flight is not cut short");
    });
    assert_eq!(transport.inner.sent(), 1);
}

#[test]
fn a_panic_in_flight_frees_the_slot() {
    let (transport, ..) = windowed(1, |number| if number == 0 { panic!("on purpose") } else { Ok(well()) });
    let broken = || transport.send(&request(Kind::Read));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(broken)).is_err());
    assert!(transport.send(&request(Kind::Read)).is_ok());
}

#[test]
fn a_server_that_counts_requests_gets_them_an_even_gap_apart() {
    let clock = ManualClock::default();
    let server = clock.clone();
    let pace =
        Pace::new(None, LONG, Arc::new(clock.clone()), Cancel::new()).with_window(Window::new(Some(8)));
    let inner = Scripted::new(move |number, _| {
        server.advance(Duration::from_millis(20));
        if (1..100).contains(&number) { Err(Fault::Throttled { retry_after: None }) } else { Ok(well()) }
    });
    let transport = Paced::new(inner, Arc::new(pace));
    for _ in 0..102 {
        drop(transport.send(&request(Kind::Read)));
    }
    let before = clock.now();
    for _ in 0..10 {
        transport.send(&request(Kind::Read)).unwrap();
    }
    // An eighth of the time one request is in flight.
    let each = (clock.now() - before) / 10;
    assert!((150..=165).contains(&each.as_millis()), "{each:?}");
    assert_eq!(transport.pace.strain().congestion_events, 99);
}

#[test]
fn what_says_that_houston_is_away_does_not_say_that_it_is_too_much() {
    for (cause, events) in [
        (NoAnswerCause::BadGateway, 0),
        (NoAnswerCause::GatewayTimeout, 0),
        (NoAnswerCause::Reset, 0),
        (NoAnswerCause::Timeout, 9),
        // The sixth in a row means that Houston is down, and so do all that follow.
        (NoAnswerCause::Unavailable, 5),
    ] {
        let (transport, ..) = windowed(8, move |_| Err(Fault::no_answer(cause, "")));
        for _ in 0..9 {
            drop(transport.send_now(&request(Kind::Read)));
        }
        assert_eq!(transport.pace.strain().congestion_events, events, "{cause:?}");
    }
}

/// A clock that ends all writes as soon as something waits.
struct Ending {
    inner: ManualClock,
    pace: std::sync::OnceLock<Arc<Pace>>,
}

impl Clock for Ending {
    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn wait(&self, duration: Duration, cancel: &Cancel) -> Waited {
        self.pace.get().unwrap().end_writes();
        self.inner.wait(duration, cancel)
    }
}

#[test]
fn a_write_that_waits_when_writes_are_over_is_given_back_unsent_and_reads_go_on() {
    let clock = Arc::new(Ending { inner: ManualClock::default(), pace: std::sync::OnceLock::new() });
    let rate = Some(Rate::per_second(1).unwrap());
    let pace = Arc::new(Pace::new(rate, LONG, Arc::clone(&clock) as Arc<dyn Clock>, Cancel::new()));
    assert!(clock.pace.set(Arc::clone(&pace)).is_ok());
    let start = clock.now();
    let sent = (0..100).take_while(|_| pace.acquire(Kind::Write).is_ok()).count();
    assert!(clock.now() - start <= GLANCE, "it does not wait for its turn");
    for kind in [Kind::Write, Kind::Once] {
        let fault = pace.acquire(kind).unwrap_err();
        assert_eq!((fault.code(), fault.effect()), (Code::Cancelled, Effect::None));
    }
    assert_eq!(pace.requests(), sent as u64);
    assert!(pace.acquire(Kind::Read).is_ok());
    assert_eq!(pace.in_flight(), 0);
}
