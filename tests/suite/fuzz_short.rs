//! The promises of `untrusted` over samples that chance has changed, a few thousand of them and
//! always the same ones, and over everything that a fuzzer has ever found.

#[path = "../untrusted/mod.rs"]
mod untrusted;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use fastrand::Rng;

/// All files directly below a folder of this repository, in the order of their names.
fn files(folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let is_picture = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "png");
    paths.retain(|path| path.is_file() && !is_picture(path));
    paths.sort();
    assert!(!paths.is_empty(), "{}", folder.display());
    paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Texts that mean something somewhere.
const TELLING: [&[u8]; 24] = [
    b"\"",
    b"\"\"",
    b",",
    b";",
    b"\t",
    b"\r\n",
    b"\r",
    b"\n",
    b"\xEF\xBB\xBF",
    b"\0",
    b"\xFF",
    b"'=",
    "\u{202e}".as_bytes(),
    b"@",
    b"{",
    b"}",
    b"[",
    b"]",
    b"null",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"\\ud800",
    b"merged",
];

/// Changes a few places.
fn changed(rng: &mut Rng, seeds: &[(PathBuf, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = rng.choice(seeds).unwrap().1.clone();
    for _ in 0..rng.usize(1..6) {
        let at = rng.usize(..=bytes.len());
        let end = (at + rng.usize(..40)).min(bytes.len());
        match rng.u8(..7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let part = bytes[at..end].to_vec();
                let to = rng.usize(..=bytes.len());
                bytes.splice(to..to, part);
            }
            3 => {
                let other = &rng.choice(seeds).unwrap().1;
                let from = rng.usize(..=other.len());
                let until = (from + rng.usize(..200)).min(other.len());
                bytes.splice(at..end, other[from..until].iter().copied());
            }
            4 if at < bytes.len() => bytes[at] = rng.u8(..),
            5 if at < bytes.len() && bytes[at].is_ascii_digit() => bytes[at] = rng.u8(b'0'..=b'9'),
            _ => drop(bytes.splice(at..at, rng.choice(TELLING).unwrap().iter().copied())),
        }
    }
    bytes.push(rng.u8(..));
    bytes
}

/// Holds a promise against so many changed seeds; a broken one is told with its bytes.
fn hold(promise: fn(&[u8]), seeds: &[(PathBuf, Vec<u8>)], cases: usize) {
    let mut rng = Rng::with_seed(1);
    for case in 0..cases {
        let bytes = changed(&mut rng, seeds);
        let kept = catch_unwind(AssertUnwindSafe(|| promise(&bytes))).is_ok();
        assert!(kept, "case {case}: \"{}\"", bytes.escape_ascii());
    }
}

#[test]
fn whatever_is_in_a_file_every_row_of_it_is_accounted_for() {
    let mut seeds = files("samples");
    seeds.extend(files("samples/bad"));
    // A sample for people is longer than it need be here.
    seeds.iter_mut().for_each(|(_, bytes)| bytes.truncate(2000));
    hold(untrusted::roster, &seeds, 1500);
}

#[test]
fn whatever_a_server_answers_becomes_data_or_a_fault() {
    hold(untrusted::answer, &files("tests/untrusted/answers"), 3000);
}

#[test]
fn whatever_is_in_the_files_of_a_run_is_read_or_refused() {
    hold(|bytes| _ = untrusted::run_files(bytes), &files("tests/untrusted/runs"), 1000);
}

#[test]
fn samples_and_what_a_fuzzer_found_keep_the_promises() {
    let each = |folder: &str, promise: fn(&[u8])| {
        for (path, bytes) in files(folder) {
            assert!(catch_unwind(|| promise(&bytes)).is_ok(), "{}", path.display());
        }
    };
    each("samples", untrusted::roster);
    each("samples/bad", untrusted::roster);
    each("tests/untrusted/answers", untrusted::answer);
    each("tests/untrusted/runs", |bytes| assert!(untrusted::run_files(bytes), "refused"));
    each("tests/untrusted/found/roster", untrusted::roster);
    each("tests/untrusted/found/run_files", |bytes| _ = untrusted::run_files(bytes));
}
