//! How many requests may be in flight, by what the server refuses.
//!
//! Main type: [`ByRefusals`]. Pure: it knows neither clocks nor threads.
//!
//! The window begins small and doubles while it is full and requests succeed. A refusal cuts it by
//! 15 per cent, once for everything that was in flight; if that was not enough, it restarts with
//! one request. Then it grows so slowly that hardly a request is spent on trying for more.
//! Few requests in flight are too coarse a measure for a server that counts requests per second:
//! below `SMALL` the window is a fraction, and requests leave an even gap apart.

use std::time::Duration;

/// What a window is cut to by a refusal.
const CUT: f64 = 0.85;
/// The requests in flight at the start of a run: the default of `--concurrency`.
const START: f64 = 8.0;
/// Below this size requests leave an even gap apart.
const SMALL: f64 = 8.0;
/// After refusals a small window grows by this share per clean answer: from cut to cut it takes 300
/// of them.
const CREEP: f64 = 1.0 / 2048.0;
/// The smallest window of a server that asks to slow down.
const LEAST: f64 = 1.0 / 8.0;
/// No gap is longer.
const LONGEST_GAP: Duration = Duration::from_secs(5);
/// Where a refusal pauses all requests, the window grows no faster than e-fold in this many pauses:
/// sixteen from cut to cut.
const PAUSES: f64 = 100.0;
/// No longer pause is reckoned with.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The share of the newest latency in the mean one.
const NEWEST: f64 = 1.0 / 8.0;

/// How a server says that too much is asked at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Congestion {
    /// HTTP 429. It may count requests per second, so that one at a time is already too fast.
    TooMany,
    /// HTTP 503.
    Unavailable,
    /// No answer in time. That happens for other reasons too: it is soon forgotten.
    Timeout,
}

/// The window that refusals allow.
#[derive(Debug, Clone, PartialEq)]
pub struct ByRefusals {
    /// Requests in flight; below one, that share of the time has one.
    size: f64,
    /// Up to here it doubles, beyond it creeps.
    target: f64,
    /// It never exceeds this.
    most: f64,
    /// Its smallest size so far.
    smallest: f64,
    /// Clean answers since the last cut.
    clean: f64,
    cuts: u64,
    /// What it was last cut for.
    last: Option<Congestion>,
    /// The pause that was asked for then, in seconds.
    pause: f64,
    /// The mean time a clean answer takes, in seconds; 0 while that is not known.
    latency: f64,
}

impl ByRefusals {
    /// A window of at most this many requests, at least one; always open without a number.
    pub fn new(most: Option<u32>) -> Self {
        let most = most.map_or(f64::INFINITY, |most| f64::from(most.max(1)));
        Self {
            size: if most.is_finite() { START.min(most) } else { most },
            target: most,
            most,
            smallest: most,
            clean: 0.0,
            cuts: 0,
            last: None,
            pause: 0.0,
            latency: 0.0,
        }
    }

    /// The most requests that may ever be in flight; none where that is not limited.
    pub fn most(&self) -> Option<u32> {
        self.most.is_finite().then(|| slots(self.most))
    }

    /// Whether it is as large as it may be.
    pub fn is_open(&self) -> bool {
        self.size >= self.most
    }

    /// How many requests may be in flight: at least one.
    pub fn slots(&self) -> u32 {
        slots(self.size)
    }

    /// The fewest that were allowed since the beginning, the slow start aside.
    pub fn fewest(&self) -> u32 {
        slots(self.smallest)
    }

    /// The least time from one request to the next.
    pub fn gap(&self) -> Duration {
        if self.size >= SMALL || self.is_open() {
            return Duration::ZERO;
        }
        Duration::from_secs_f64(self.latency / self.size).min(LONGEST_GAP)
    }

    /// How often it was cut: a request has to remember that of the moment when it left.
    pub fn cuts(&self) -> u64 {
        self.cuts
    }

    /// An answer came, after this time, while this many requests were in flight, itself included. A
    /// limit that is not reached cannot be known to be too low.
    pub fn answered(&mut self, latency: Duration, in_flight: u32) {
        self.clean += 1.0;
        let newest = if self.latency > 0.0 { NEWEST } else { 1.0 };
        self.latency += (latency.as_secs_f64() - self.latency) * newest;
        if f64::from(in_flight) + 1.0 < self.size.floor() {
            return;
        }
        self.size = if self.size < self.target {
            self.target.min(self.size + 1.0)
        } else {
            self.most.min(self.size + self.growth())
        };
    }

    /// A request that left after this many cuts was refused, with the pause that the server asked
    /// for, if any. Refusals of requests that left before the last cut belong to that one.
    pub fn refused(&mut self, why: Congestion, pause: Option<Duration>, cuts: u64) {
        if cuts != self.cuts {
            return;
        }
        // An open window has had all it wanted since the last cut.
        let too_little = self.size < self.target || (self.clean < self.size && !self.is_open());
        let least = match why {
            Congestion::TooMany => LEAST,
            Congestion::Unavailable | Congestion::Timeout => 1.0,
        };
        self.target = (self.size * CUT).max(least.min(self.size));
        self.size = if too_little { self.target.min(1.0) } else { self.target };
        self.smallest = self.smallest.min(self.size);
        self.last = Some(why);
        self.pause = pause.map_or(0.0, |pause| pause.min(LONGEST_PAUSE).as_secs_f64());
        self.clean = 0.0;
        self.cuts += 1;
    }

    /// What one clean answer adds.
    fn growth(&self) -> f64 {
        let by_one = 1.0 / (8.0 * self.size);
        let growth = match self.last {
            Some(Congestion::TooMany | Congestion::Unavailable) => by_one.min(self.size * CREEP),
            Some(Congestion::Timeout) | None => by_one.min(1.0 / 64.0),
        };
        if self.pause > 0.0 { growth.min(self.latency / (PAUSES * self.pause)) } else { growth }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "at least 1, and an unlimited one saturates"
)]
fn slots(size: f64) -> u32 {
    let whole = if size < SMALL { size.ceil() } else { size.floor() };
    whole.max(1.0) as u32
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn answer(window: &mut ByRefusals, times: u32) {
        for _ in 0..times {
            window.answered(20 * MS, window.slots());
        }
    }

    fn refuse(window: &mut ByRefusals) {
        window.refused(Congestion::TooMany, None, window.cuts());
    }

    #[test]
    fn the_default_concurrency_is_open_from_the_start_and_a_larger_one_after_doubling() {
        assert!(ByRefusals::new(Some(8)).is_open() && ByRefusals::new(Some(1)).is_open());
        assert!(ByRefusals::new(None).is_open());
        let mut window = ByRefusals::new(Some(64));
        for slots in [8, 16, 32, 64] {
            assert_eq!(window.slots(), slots);
            let round = window.slots();
            answer(&mut window, round);
        }
        assert!(window.is_open());
        assert_eq!((window.gap(), window.cuts(), window.fewest()), (Duration::ZERO, 0, 64));
    }

    #[test]
    fn what_is_not_used_does_not_grow() {
        let mut window = ByRefusals::new(Some(64));
        for _ in 0..1000 {
            window.answered(20 * MS, 3);
        }
        assert_eq!(window.slots(), 8);
    }

    #[test]
    fn a_cut_is_made_once_for_all_that_left_before_it() {
        let mut window = ByRefusals::new(Some(64));
        answer(&mut window, 200);
        let cuts = window.cuts();
        for _ in 0..50 {
            window.refused(Congestion::TooMany, None, cuts);
        }
        assert_eq!((window.cuts(), window.slots()), (1, 54), "0.85 of 64");
        answer(&mut window, 55);
        refuse(&mut window);
        assert_eq!((window.cuts(), window.slots()), (2, 46), "0.85 of 54.5");
    }

    #[test]
    fn a_cut_that_was_not_enough_is_followed_by_a_new_beginning() {
        let mut window = ByRefusals::new(Some(64));
        answer(&mut window, 200);
        refuse(&mut window);
        answer(&mut window, 53);
        refuse(&mut window);
        assert_eq!((window.slots(), window.fewest()), (1, 1));
        answer(&mut window, 100);
        assert_eq!(window.slots(), 46, "quickly back to where it was thought to be well");
    }

    #[test]
    fn after_a_refusal_it_grows_by_one_in_eight_windows_and_a_small_one_slower() {
        for (why, from, grown) in [
            (Congestion::TooMany, 40, 8 * 40),
            (Congestion::Unavailable, 20, 8 * 20),
            (Congestion::Timeout, 40, 8 * 40),
            (Congestion::Timeout, 4, 64),
            (Congestion::TooMany, 4, 512),
        ] {
            let mut window = ByRefusals::new(Some(64));
            window.size = f64::from(from) / CUT;
            window.target = window.size;
            window.clean = 1000.0;
            window.refused(why, None, 0);
            let clean = (1..10_000).find(|_| {
                answer(&mut window, 1);
                window.size >= f64::from(from) + 1.0
            });
            let clean = f64::from(clean.unwrap_or(0)) / f64::from(grown);
            assert!((0.85..1.15).contains(&clean), "{why:?} from {from}: {clean}");
        }
    }

    #[test]
    fn where_a_refusal_costs_a_pause_it_grows_slower() {
        let mut window = ByRefusals::new(Some(8));
        (0..8).for_each(|_| answer(&mut window, 1));
        window.refused(Congestion::TooMany, Some(Duration::from_secs(1)), 0);
        window.size = 2.0;
        window.target = 2.0;
        // A tenth more, at two requests each 20 ms: ten pauses, or 9.5 since it is faster meanwhile.
        let clean = (1..10_000).find(|_| {
            answer(&mut window, 1);
            window.size >= 2.2
        });
        let seconds = f64::from(clean.unwrap_or(0)) * 0.02 / 2.1;
        assert!((9.0..10.5).contains(&seconds), "{seconds}");
        let cuts = window.cuts();
        window.refused(Congestion::TooMany, None, cuts);
        let before = window.size;
        answer(&mut window, 1);
        assert!(window.size - before > 0.0008, "the next refusal asked for no pause");
    }

    #[test]
    fn below_one_only_a_server_that_counts_requests_is_given_a_gap() {
        for (why, slowest) in [
            (Congestion::TooMany, 160 * MS),
            (Congestion::Unavailable, 20 * MS),
            (Congestion::Timeout, 20 * MS),
        ] {
            let mut window = ByRefusals::new(Some(8));
            answer(&mut window, 8);
            assert_eq!(window.gap(), Duration::ZERO);
            (0..100).for_each(|_| window.refused(why, None, window.cuts()));
            assert_eq!((window.slots(), window.gap()), (1, slowest), "{why:?}");
        }
        let mut slow = ByRefusals::new(Some(8));
        (0..8).for_each(|_| slow.answered(Duration::from_secs(20), 8));
        (0..100).for_each(|_| slow.refused(Congestion::TooMany, None, slow.cuts()));
        assert_eq!(slow.gap(), LONGEST_GAP);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn it_always_lets_one_through_and_never_more_than_asked_for(
            most in 1u32..=64,
            facts in proptest::collection::vec((0u8..8, 0u64..5000, 0u64..3), 1..400),
        ) {
            let mut window = ByRefusals::new(Some(most));
            for (kind, milliseconds, back) in facts {
                let (before, cuts) = (window.clone(), window.cuts());
                match kind {
                    0 => window.refused(Congestion::TooMany, Some(3 * MS), cuts.saturating_sub(back)),
                    1 => window.refused(Congestion::Unavailable, Some(3 * MS), cuts.saturating_sub(back)),
                    2 => window.refused(Congestion::Timeout, None, cuts.saturating_sub(back)),
                    _ => window.answered(MS * u32::try_from(milliseconds).unwrap(), window.slots()),
                }
                prop_assert!((1..=most).contains(&window.slots()));
                prop_assert!(window.size >= LEAST && window.gap() <= LONGEST_GAP);
                prop_assert!(window.is_open() == (window.size >= f64::from(most)));
                prop_assert!(window.fewest() <= before.fewest());
                if kind > 2 {
                    prop_assert!(window.size >= before.size, "an answer cut it");
                } else {
                    prop_assert!(window.size <= before.size, "a refusal widened it");
                    prop_assert!(window.cuts() - cuts <= 1);
                }
            }
        }
    }

    /// A server with a limit that it does not announce.
    #[derive(Debug, Clone, Copy)]
    enum Hidden {
        InFlight(u32),
        /// Requests a second, and how many of them at once.
        PerSecond(f64, f64),
    }

    /// This many workers keep a server busy through a window until it has answered `requests`, on a
    /// clock of its own. Latencies are between 15 and 25 ms; a refusal comes after `refusal`, and
    /// its worker rests up to 250 ms. Gives the share of the limit that was reached, and that of
    /// the requests that were refused.
    fn play(hidden: Hidden, workers: u32, requests: u32, refusal: Duration) -> (f64, f64) {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        enum Moment {
            Answered { left: Duration, cuts: u64 },
            Refused { cuts: u64 },
            Rested,
            Due,
        }
        let mut random = fastrand::Rng::with_seed(7);
        let mut window = ByRefusals::new(Some(workers));
        let mut moments = BinaryHeap::from([Reverse((Duration::ZERO, Moment::Due))]);
        let (mut idle, mut in_flight, mut inside) = (workers, 0, 0);
        let (mut answered, mut sent, mut refused) = (0, 0_u32, 0_u32);
        let mut due = Duration::ZERO;
        let (mut bucket, mut filled) = (f64::INFINITY, Duration::ZERO);
        let mut end = Duration::ZERO;
        while answered < requests {
            let Reverse((now, moment)) = moments.pop().unwrap();
            end = now;
            match moment {
                Moment::Answered { left, cuts: _ } => {
                    (answered, inside, idle) = (answered + 1, inside - 1, idle + 1);
                    window.answered(now.saturating_sub(left), in_flight);
                    in_flight -= 1;
                }
                Moment::Refused { cuts } => {
                    (refused, in_flight) = (refused + 1, in_flight - 1);
                    window.refused(Congestion::TooMany, None, cuts);
                    let rest = (250 * MS).mul_f64(random.f64());
                    moments.push(Reverse((now + rest, Moment::Rested)));
                }
                Moment::Rested => idle += 1,
                Moment::Due => {}
            }
            while idle > 0 && in_flight < window.slots() {
                let gap = window.gap();
                if !gap.is_zero() && due > now {
                    moments.push(Reverse((due, Moment::Due)));
                    break;
                }
                due = due.max(now.saturating_sub(2 * MS)) + gap;
                (idle, in_flight, sent) = (idle - 1, in_flight + 1, sent + 1);
                let has_room = match hidden {
                    Hidden::InFlight(most) => inside < most,
                    Hidden::PerSecond(rate, burst) => {
                        bucket = (bucket + now.saturating_sub(filled).as_secs_f64() * rate).min(burst);
                        filled = now;
                        bucket >= 1.0
                    }
                };
                let cuts = window.cuts();
                let (after, moment) = if has_room {
                    (inside, bucket) = (inside + 1, bucket - 1.0);
                    (15 * MS + (10 * MS).mul_f64(random.f64()), Moment::Answered { left: now, cuts })
                } else {
                    (refusal, Moment::Refused { cuts })
                };
                moments.push(Reverse((now + after, moment)));
            }
        }
        let limit = match hidden {
            Hidden::InFlight(most) => f64::from(most) / 0.02,
            Hidden::PerSecond(rate, _) => rate,
        };
        (f64::from(answered) / end.as_secs_f64() / limit, f64::from(refused) / f64::from(sent))
    }

    /// The promise, at a server that refuses at once and at one that takes as long for that as for
    /// an answer.
    #[test]
    fn a_hidden_limit_is_nearly_reached_and_hardly_ever_exceeded() {
        for refusal in [MS, 20 * MS] {
            for (workers, most) in [(64, 1), (64, 2), (64, 5), (64, 8), (64, 12), (64, 20), (64, 40), (8, 3)]
            {
                let (reached, refused) = play(Hidden::InFlight(most), workers, 5000, refusal);
                assert!(reached > 0.8 && refused < 0.02, "{most} of {workers}: {reached:.2}, {refused:.4}");
            }
            for (workers, rate) in [(8, 20), (64, 20), (64, 50), (64, 100), (64, 200), (64, 400)] {
                let hidden = Hidden::PerSecond(f64::from(rate), (f64::from(rate) / 10.0).max(1.0));
                let (reached, refused) = play(hidden, workers, 5000.max(rate * 25), refusal);
                assert!(reached > 0.8 && refused < 0.02, "{rate}/s: {reached:.2}, {refused:.4}");
            }
        }
    }

    #[test]
    fn without_a_limit_nothing_is_given_away_but_the_first_round_trips() {
        let (reached, refused) = play(Hidden::InFlight(64), 64, 6000, MS);
        assert!(reached > 0.97, "{reached:.3}");
        assert!(refused <= 0.0);
    }
}
