//! How fast a million members are compared with the rows that want them, beside the least that such
//! a comparison can be: a hash table filled and asked once per member, in the same run.
//!
//! `cargo bench --bench diff` prints one line with the ratio, then criterion's figures.

mod common;

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use common::{median, proc, say};
use criterion::{Criterion, Throughput};
use foldhash::fast::FixedState;
use houston_onboard::model::Level;
use houston_onboard::plan::Standing;
use houston_onboard::plan::compare::{Member, diff};

const PEOPLE: usize = 1_000_000;
const ROUNDS: usize = 5;

/// A member with what Houston tells of one.
struct Present {
    addresses: Vec<String>,
    username: String,
}

impl Present {
    fn member(&self) -> Member<'_> {
        Member {
            addresses: &self.addresses,
            username: Some(&self.username),
            standing: Standing::Active,
            roles: &[Level::Editor],
        }
    }
}

/// The row or member of this number: members come in another order, and half of the wanted people
/// are among them.
fn email(person: usize) -> String {
    format!("first.last.{person:07}@example.com")
}

fn bare(wanted: &[(&str, Level)], members: &[Present]) -> usize {
    let places: HashMap<&str, usize, FixedState> =
        wanted.iter().enumerate().map(|(place, (email, _))| (*email, place)).collect();
    members.iter().filter(|member| places.contains_key(member.addresses[0].as_str())).count()
}

fn compared(wanted: &[(&str, Level)], members: &[Present]) -> usize {
    let decisions = diff(
        wanted,
        members.iter().map(Present::member),
        std::iter::empty(),
        houston_onboard::plan::RolePolicy::Keep,
    );
    decisions.iter().filter(|(_, decision)| !decision.is_change()).count()
}

fn main() {
    let emails: Vec<String> = (0..PEOPLE).map(email).collect();
    let wanted: Vec<(&str, Level)> = emails.iter().map(|email| (email.as_str(), Level::Editor)).collect();
    let members: Vec<Present> = (0..PEOPLE)
        .map(|place| {
            let address = email(PEOPLE / 2 + place * 7919 % PEOPLE);
            Present { username: address.clone(), addresses: vec![address] }
        })
        .collect();
    assert_eq!(bare(&wanted, &members), PEOPLE / 2);
    assert_eq!(compared(&wanted, &members), PEOPLE / 2);

    let (mut table, mut comparison) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        black_box(bare(&wanted, &members));
        table.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        black_box(compared(&wanted, &members));
        comparison.push(start.elapsed().as_secs_f64());
    }
    let (table, comparison) = (median(table), median(comparison));
    say(format_args!(
        "{PEOPLE} rows, {PEOPLE} members: hash table {table:.3} s, comparison {comparison:.3} s: {:.2}x; peak {:.0} MiB, people included",
        comparison / table,
        proc::peak_mib(std::process::id()).unwrap_or(f64::NAN),
    ));

    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(5))
        .configure_from_args();
    let mut group = criterion.benchmark_group("million members");
    group.throughput(Throughput::Elements(PEOPLE as u64));
    group.bench_function("hash table", |bencher| bencher.iter(|| bare(&wanted, &members)));
    group.bench_function("comparison", |bencher| bencher.iter(|| compared(&wanted, &members)));
    group.finish();
    criterion.final_summary();
}
