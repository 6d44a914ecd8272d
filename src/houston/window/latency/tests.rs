use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Requests of one kind.
type Service = fn(&mut fastrand::Rng, Duration) -> Duration;

/// A server that works on so many requests at a time, and lets the others queue.
struct Server {
    workers: fn(Duration) -> u32,
    service: Service,
}

/// What happened in a second.
#[derive(Debug, Clone, Copy)]
struct Second {
    /// The smallest and the largest window, and its mean over time.
    smallest: u32,
    largest: u32,
    mean: f64,
    answers: u32,
}

struct Played {
    seconds: Vec<Second>,
    /// The latencies of another client, which asks twice a second.
    others: Vec<Duration>,
}

impl Played {
    fn between(&self, from: usize, to: usize) -> &[Second] {
        &self.seconds[from..to]
    }

    fn rate(&self, from: usize, to: usize) -> f64 {
        let answers: u32 = self.between(from, to).iter().map(|second| second.answers).sum();
        f64::from(answers) / f64::from(u32::try_from(to - from).unwrap())
    }

    fn range(&self, from: usize, to: usize) -> (u32, u32) {
        let seconds = self.between(from, to);
        let smallest = seconds.iter().map(|second| second.smallest).min();
        (smallest.unwrap(), seconds.iter().map(|second| second.largest).max().unwrap())
    }

    fn mean(&self, from: usize, to: usize) -> f64 {
        let seconds = self.between(from, to);
        seconds.iter().map(|second| second.mean).sum::<f64>()
            / f64::from(u32::try_from(seconds.len()).unwrap())
    }

    fn p95(&self) -> Duration {
        let mut others = self.others.clone();
        others.sort();
        others[others.len() * 95 / 100]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Other,
    Gap,
    Us { sizes: u64 },
}

/// When, a number that tells events of one moment apart, and whose request ends that was sent then;
/// none if another client sends one.
type Event = (Duration, u64, Option<(Who, Duration)>);

/// A run that always has something to send, with at most so many in flight.
fn play(most: u32, server: &Server, seconds: u64, seed: u64) -> Played {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut window = ByLatency::new(most);
    let mut events: BinaryHeap<Reverse<Event>> = BinaryHeap::new();
    let mut queue: VecDeque<(Who, Duration)> = VecDeque::new();
    let (mut busy, mut in_flight, mut number) = (0, 0, 0);
    let mut played = Played { seconds: Vec::new(), others: Vec::new() };
    let mut second = Second { smallest: window.slots(), largest: window.slots(), mean: 0.0, answers: 0 };
    let (mut now, mut due, mut waits) = (Duration::ZERO, Duration::ZERO, false);
    events.push(Reverse((7 * MS, 0, None)));
    loop {
        while in_flight < window.slots() {
            let gap = window.gap();
            if due > now {
                if !waits {
                    waits = true;
                    number += 1;
                    events.push(Reverse((due, number, Some((Who::Gap, due)))));
                }
                break;
            }
            due = due.max(now) + gap;
            in_flight += 1;
            queue.push_back((Who::Us { sizes: window.sizes() }, now));
        }
        while busy < (server.workers)(now)
            && let Some((who, since)) = queue.pop_front()
        {
            busy += 1;
            number += 1;
            let end = now + (server.service)(&mut random, now);
            events.push(Reverse((end, number, Some((who, since)))));
        }
        let Reverse((at, _, event)) = events.pop().unwrap();
        second.mean += f64::from(window.slots()) * at.saturating_sub(now).as_secs_f64();
        now = at;
        match event {
            None => {
                queue.push_back((Who::Other, now));
                number += 1;
                events.push(Reverse((now + 450 * MS + MS * random.u32(0..100), number, None)));
            }
            Some((Who::Gap, _)) => waits = false,
            Some((Who::Other, since)) => {
                busy -= 1;
                if now > 5 * SECOND {
                    played.others.push(now.saturating_sub(since));
                }
            }
            Some((Who::Us { sizes }, since)) => {
                busy -= 1;
                second.answers += 1;
                let latency = now.saturating_sub(since);
                window.answered(Sighting { kind: "add", latency, sizes, in_flight, at: now });
                in_flight -= 1;
                second.smallest = second.smallest.min(window.slots());
                second.largest = second.largest.max(window.slots());
            }
        }
        if now >= SECOND * u32::try_from(played.seconds.len() + 1).unwrap() {
            played.seconds.push(second);
            second = Second { smallest: window.slots(), largest: window.slots(), mean: 0.0, answers: 0 };
            if now >= Duration::from_secs(seconds) {
                return played;
            }
        }
    }
}

const SEEDS: std::ops::Range<u64> = 0..2;

fn fixed(_: &mut fastrand::Rng, _: Duration) -> Duration {
    15 * MS
}

fn nearly_fixed(random: &mut fastrand::Rng, _: Duration) -> Duration {
    13 * MS + (4 * MS).mul_f64(random.f64())
}

fn varied(random: &mut fastrand::Rng, _: Duration) -> Duration {
    10 * MS + (20 * MS).mul_f64(random.f64())
}

fn bimodal(random: &mut fastrand::Rng, _: Duration) -> Duration {
    if random.bool() { 10 * MS } else { 40 * MS }
}

/// One workspace of ten is slow.
fn slow_workspace(random: &mut fastrand::Rng, _: Duration) -> Duration {
    if random.u32(0..10) == 0 { 200 * MS } else { 15 * MS }
}

fn exponential(random: &mut fastrand::Rng, _: Duration) -> Duration {
    Duration::from_secs_f64(-0.015 * (1.0 - random.f64()).ln())
}

fn drifting(random: &mut fastrand::Rng, at: Duration) -> Duration {
    nearly_fixed(random, at).mul_f64(1.0 + 0.01 * at.as_secs_f64())
}

/// The mean time of service around the middle of a run.
fn mean(service: Service) -> f64 {
    let mut random = fastrand::Rng::with_seed(99);
    let total: Duration = (0..20_000).map(|_| service(&mut random, 20 * SECOND)).sum();
    total.as_secs_f64() / 20_000.0
}

#[test]
fn a_saturated_server_is_used_and_its_other_users_hardly_wait() {
    for seed in SEEDS {
        for service in [fixed as Service, nearly_fixed] {
            let played = play(8, &Server { workers: |_| 4, service }, 60, seed);
            let used = played.rate(2, 60) * mean(service) / 4.0;
            let (smallest, largest) = played.range(5, 60);
            let waited = played.p95().as_secs_f64() / 0.017;
            assert!(used > 0.93, "{used}");
            assert!(smallest >= 3 && largest <= 5, "{smallest} to {largest}");
            assert!((3.8..4.3).contains(&played.mean(5, 60)));
            assert!(waited < 1.5, "{waited}");
        }
    }
}

#[test]
fn a_server_with_room_gets_all_that_may_be_in_flight() {
    for seed in SEEDS {
        for (service, least) in
            [(fixed as Service, 0.97), (nearly_fixed, 0.97), (varied, 0.96), (bimodal, 0.85)]
        {
            for (most, in_flight) in [(8, 8.0), (64, 64.0)] {
                let played = play(most, &Server { workers: |_| 100, service }, 40, seed);
                let used = played.rate(2, 40) * mean(service) / in_flight;
                assert!(used > least, "{used} of {most}, seed {seed}");
            }
        }
    }
}

#[test]
fn whatever_the_server_its_capacity_is_found() {
    for service in [fixed as Service, nearly_fixed, varied, bimodal, slow_workspace, exponential] {
        for (workers, capacity) in
            [((|_| 1) as fn(Duration) -> u32, 1), (|_| 2, 2), (|_| 4, 4), (|_| 12, 12), (|_| 40, 40)]
        {
            let all = SEEDS.map(|seed| {
                let played = play(64, &Server { workers, service }, 30, seed);
                let used = played.rate(5, 30) * mean(service) / f64::from(capacity);
                (used, played.mean(5, 30) / f64::from(capacity))
            });
            let (used, sizes): (Vec<_>, Vec<_>) = all.unzip();
            let average = |all: &[f64]| all.iter().sum::<f64>() / 2.0;
            assert!(average(&used) > 0.6, "{capacity} workers: {used:?}");
            // A worker of one that is slow by chance looks like one that is not busy.
            let most = if capacity == 1 { 4.5 } else { 1.7 };
            assert!(average(&sizes) < most, "{capacity} workers: {sizes:?}");
        }
    }
}

#[test]
fn no_window_swings_by_more_than_two_or_a_trial() {
    for seed in SEEDS {
        for service in [fixed as Service, nearly_fixed, drifting] {
            let played = play(8, &Server { workers: |_| 100, service }, 60, seed);
            assert_eq!(played.range(5, 60), (6, 8), "with room for all");
            let played = play(64, &Server { workers: |_| 12, service }, 60, seed);
            let (smallest, largest) = played.range(10, 60);
            assert!(smallest >= 9 && largest <= 19, "{smallest} to {largest}");
            let seconds = played.between(10, 60);
            let swings = seconds.iter().filter(|second| (second.mean - 12.5).abs() > 2.0).count();
            assert!(swings <= 3, "{swings}");
        }
    }
}

#[test]
fn slow_drift_costs_nothing() {
    for seed in SEEDS {
        let played = play(8, &Server { workers: |_| 100, service: drifting }, 60, seed);
        assert!(played.mean(5, 60) > 7.8);
    }
}

#[test]
fn it_gives_way_within_a_second_and_comes_back_if_that_brings_no_relief() {
    let service: Service = |_, at| if at < 20 * SECOND { 20 * MS } else { 40 * MS };
    for seed in SEEDS {
        let played = play(8, &Server { workers: |_| 100, service }, 40, seed);
        assert!(played.between(20, 21)[0].smallest <= 4);
        assert!(played.mean(21, 24) < 4.5, "{:?}", played.between(20, 26));
        assert!(played.mean(30, 40) > 7.5, "{:?}", played.between(28, 40));
    }
}

#[test]
fn it_follows_a_server_that_loses_its_workers_and_gets_them_back() {
    let workers = |at| if at > 20 * SECOND && at < 40 * SECOND { 1 } else { 4 };
    for seed in SEEDS {
        for service in [fixed as Service, nearly_fixed] {
            let played = play(8, &Server { workers, service }, 60, seed);
            assert!(played.mean(22, 40) < 1.4, "within two seconds: {:?}", played.between(20, 24));
            let back = played.rate(46, 60) * 0.015 / 4.0;
            assert!(back > 0.9, "within six: {back}");
        }
    }
}

#[test]
fn what_is_not_used_does_not_grow() {
    let mut window = ByLatency::new(64);
    for answer in 0..1000 {
        let at = 20 * MS * answer;
        window.answered(Sighting { kind: "add", latency: 20 * MS, sizes: 0, in_flight: 2, at });
    }
    assert_eq!((window.slots(), window.is_limiting()), (4, false));
}

#[test]
fn a_trial_that_nothing_can_be_learned_from_ends() {
    let mut window = ByLatency::new(64);
    for answer in 0..200 {
        // There is work for six requests at most.
        let (sizes, in_flight) = (window.sizes(), window.slots().min(5));
        let at = 5 * MS * answer;
        window.answered(Sighting { kind: "add", latency: 20 * MS, sizes, in_flight, at });
    }
    assert_eq!(window.slots(), 4);
}

#[test]
fn kinds_of_requests_are_not_compared_with_each_other() {
    let mut window = ByLatency::new(8);
    let mut at = Duration::ZERO;
    for answer in 0..2000 {
        at += 5 * MS;
        // First writes, which are quick, then reads, which are not.
        let (kind, latency) = if answer < 1000 { ("add", 10 * MS) } else { ("members", 300 * MS) };
        let (sizes, in_flight) = (window.sizes(), window.slots());
        window.answered(Sighting { kind, latency, sizes, in_flight, at });
        assert!(answer < 200 || window.slots() >= 6, "{window:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_comes_it_lets_one_through_and_never_more_than_asked_for(
        most in 1u32..=64,
        answers in proptest::collection::vec((0u64..5000, 0u64..3, 0u32..70, 0u64..2000), 1..600),
    ) {
        let mut window = ByLatency::new(most);
        let mut at = Duration::ZERO;
        for (latency, back, in_flight, pause) in answers {
            at += Duration::from_millis(pause);
            let sizes = window.sizes().saturating_sub(back);
            let latency = Duration::from_millis(latency);
            window.answered(Sighting { kind: "add", latency, sizes, in_flight, at });
            prop_assert!((1..=most).contains(&window.slots()));
            prop_assert!((1..=most).contains(&window.fewest()));
            prop_assert!(window.gap() <= LONGEST_GAP);
        }
    }
}
