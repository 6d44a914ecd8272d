//! How fast a roster of a million rows is checked, beside a bare read of the same file in the same
//! run, and how much memory that takes.
//!
//! `cargo bench --bench roster` prints one line with the ratio and the peak, then criterion's
//! figures.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use csv::ByteRecord;
use houston_onboard::roster::{Roster, Settings};

const ROWS: u32 = 1_000_000;
const ROUNDS: usize = 7;

/// Writes a million rows, about 74 bytes each: 330,000 people, each in three workspaces with their
/// rows far apart, and one row in fifty that says what another has said.
fn generate(path: &Path) -> io::Result<u64> {
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "email,role,workspace")?;
    for row in 0..ROWS {
        let wish = if row % 50 == 49 { row - 49 } else { row };
        let (person, place) = (wish % 330_000, wish.wrapping_mul(2_654_435_761) % 400);
        let role = ["WORKSPACE_VIEWER", "WORKSPACE_EDITOR", "WORKSPACE_ADMIN"][(person + place) as usize % 3];
        writeln!(out, "first.last.{person:07}@example.com,{role},ck35y9uf44y8l0a19cmwd{place:04}")?;
    }
    out.flush()?;
    path.metadata().map(|metadata| metadata.len())
}

fn bare(path: &Path) -> usize {
    let file = File::open(path).expect("the file has been written");
    let mut reader = csv::ReaderBuilder::new().buffer_capacity(64 << 10).from_reader(file);
    let mut record = ByteRecord::new();
    let mut cells = 0;
    while reader.read_byte_record(&mut record).expect("the file is good") {
        cells += black_box(record.len());
    }
    cells
}

fn checked(path: &Path) -> Roster {
    let roster = Roster::read(path, "roster.csv", &Settings::default()).expect("the file is there");
    assert!(roster.is_usable());
    roster
}

/// The peak of this process's memory in MiB, if the system tells.
fn peak() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

fn main() -> io::Result<()> {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("million.csv");
    let bytes = generate(&path)?;
    let roster = checked(&path);
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{} rows, {} people, {} merged, {} MB; peak {:.1} MiB (to reach: under 64)",
        roster.len(),
        roster.people(),
        roster.notes().merged,
        bytes / 1_000_000,
        peak().unwrap_or(f64::NAN)
    )?;
    drop(roster);
    let (mut read, mut check) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        black_box(bare(&path));
        read.push(start.elapsed());
        let start = Instant::now();
        black_box(checked(&path));
        check.push(start.elapsed());
    }
    let (read, check) = (median(read), median(check));
    writeln!(out, "bare {read:.3} s, checked {check:.3} s: {:.2}x (to reach: at most 6)", check / read)?;
    drop(out);

    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(5))
        .configure_from_args();
    let mut group = criterion.benchmark_group("million rows");
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("bare read", |bencher| bencher.iter(|| bare(&path)));
    group.bench_function("roster", |bencher| bencher.iter(|| checked(&path)));
    group.finish();
    criterion.final_summary();
    std::fs::remove_file(&path)
}
