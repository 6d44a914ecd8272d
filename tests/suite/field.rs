//! Inputs from real life with the outcome they must have: `tests/field/cases.json`, whose format
//! `tests/field/README.md` explains. Every case runs through the built program in a folder of its own.

#![cfg(all(feature = "sandbox", unix))]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{self, program, root};
use regex::Regex;
use serde::Deserialize;
use sha2::Digest as _;

/// Cases that fail so far. The list may only become shorter.
const KNOWN_FAILURES: &[&str] = &[];

/// Exit statuses with which a command has done nothing that could be looked at.
const REFUSED: [i32; 4] = [2, 3, 4, 5];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    kind: String,
    why: String,
    #[serde(rename = "source")]
    _source: Option<String>,
    #[serde(rename = "guard", default)]
    _guard: bool,
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    proxy: Option<String>,
    #[serde(default)]
    first: Vec<Vec<String>>,
    argv: Vec<String>,
    expect: Expect,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    exit: Vec<i32>,
    #[serde(default)]
    stdout: Text,
    #[serde(default)]
    stderr: Text,
    #[serde(default)]
    said: Text,
    #[serde(default)]
    plan: BTreeMap<String, usize>,
    results: Option<Vec<String>>,
    #[serde(default)]
    files: BTreeMap<String, Text>,
    runs: Option<usize>,
    connects: Option<usize>,
}

/// What a text must have, and what it must not.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default)]
    has: Vec<String>,
    #[serde(default)]
    lacks: Vec<String>,
}

impl Text {
    fn check(&self, what: &str, text: &str, wrong: &mut Vec<String>) {
        for (patterns, wanted) in [(&self.has, true), (&self.lacks, false)] {
            for pattern in patterns {
                if Regex::new(pattern).unwrap().is_match(text) != wanted {
                    wrong.push(format!("{what} {} {pattern:?}", if wanted { "lacks" } else { "has" }));
                }
            }
        }
    }
}

/// A proxy that answers every request with one status line.
struct Proxy {
    address: String,
    asked: Arc<AtomicUsize>,
}

impl Proxy {
    fn start(status: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, answer) = (
            Arc::clone(&asked),
            format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
        );
        // It ends with the test program.
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (mut head, mut chunk) = (Vec::new(), [0; 1024]);
                while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                    match stream.read(&mut chunk) {
                        Ok(0) | Err(_) => break,
                        Ok(read) => head.extend_from_slice(&chunk[..read]),
                    }
                }
                if !head.is_empty() {
                    count.fetch_add(1, Ordering::SeqCst);
                    let _ = stream.write_all(answer.as_bytes());
                }
            }
        });
        Self { address, asked }
    }
}

/// The folders of runs below a working folder, the newest last.
fn runs(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder.join("onboard-runs")) else { return Vec::new() };
    let mut runs: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    runs.retain(|path| path.is_dir() && !path.file_name().unwrap().to_string_lossy().starts_with('.'));
    runs.sort();
    runs
}

/// A path or an argument, with the newest run in place of `{run}`.
fn with_run(folder: &Path, text: &str) -> String {
    match runs(folder).last().and_then(|run| run.strip_prefix(folder).ok()) {
        Some(run) => text.replace("{run}", run.to_str().unwrap()),
        None => text.to_owned(),
    }
}

fn call(folder: &Path, home: &Path, arguments: &[String], env: &BTreeMap<String, String>) -> Output {
    let mut command = Command::new(program());
    command.args(arguments.iter().map(|argument| with_run(folder, argument))).current_dir(folder).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", home).envs(env);
    command.stdin(Stdio::null()).output().unwrap()
}

/// Every record of a CSV text as a map by header; the delimiter is the commonest of the header line.
fn records(text: &str) -> Vec<BTreeMap<String, String>> {
    let text = text.trim_start_matches('\u{feff}');
    let header = text.lines().next().unwrap_or_default();
    let delimiter = *b",;\t|".iter().max_by_key(|sign| header.matches(char::from(**sign)).count()).unwrap();
    harness::records(text, delimiter)
}

/// What is wrong with the outcome of a case.
fn run(case: &Case) -> Vec<String> {
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = folder.path();
    for (name, source) in &case.files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(root().join("tests/field").join(source), path).unwrap();
    }
    let proxy = case.proxy.as_deref().map(Proxy::start);
    let address = proxy.as_ref().map_or("", |proxy| &proxy.address);
    let env =
        case.env.iter().map(|(name, value)| (name.clone(), value.replace("{proxy}", address))).collect();
    for arguments in &case.first {
        call(folder, home.path(), arguments, &BTreeMap::new());
    }
    let output = call(folder, home.path(), &case.argv, &env);
    let mut wrong = judge(case, folder, &output);
    let asked = proxy.map_or(0, |proxy| proxy.asked.load(Ordering::SeqCst));
    if case.expect.connects.is_some_and(|wanted| wanted != asked) {
        wrong.push(format!("the proxy received {asked} requests"));
    }
    wrong
}

fn judge(case: &Case, folder: &Path, output: &Output) -> Vec<String> {
    let (mut wrong, expect) = (Vec::new(), &case.expect);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let status = output.status.code().unwrap_or(-1);
    if !expect.exit.contains(&status) || status == 101 {
        wrong.push(format!("ended with {status}, not {:?}: {stderr}", expect.exit));
    }
    expect.stdout.check("stdout", &stdout, &mut wrong);
    expect.stderr.check("stderr", &stderr, &mut wrong);
    expect.said.check("the output", &format!("{stdout}\n{stderr}"), &mut wrong);
    let found = runs(folder).len();
    if expect.runs.is_some_and(|wanted| wanted != found) {
        wrong.push(format!("{found} runs"));
    }
    if REFUSED.contains(&status) {
        return wrong;
    }
    if !expect.plan.is_empty() {
        let rows = records(&stdout);
        for (action, &wanted) in &expect.plan {
            let found = rows.iter().filter(|row| row.get("action") == Some(action)).count();
            if found != wanted {
                wrong.push(format!("{found} x {action}, not {wanted}"));
            }
        }
    }
    if let Some(wanted) = &expect.results {
        let text = fs::read_to_string(folder.join(with_run(folder, "{run}/results.csv"))).unwrap_or_default();
        let status = |row: BTreeMap<String, String>| row.get("run_status").or(row.get("status")).cloned();
        let found: Vec<String> = records(&text).into_iter().filter_map(status).collect();
        if found != *wanted {
            wrong.push(format!("results {found:?}, not {wanted:?}"));
        }
    }
    for (path, text) in &expect.files {
        let found = fs::read(folder.join(with_run(folder, path))).unwrap_or_default();
        text.check(path, &String::from_utf8_lossy(&found), &mut wrong);
    }
    wrong
}

#[test]
fn every_case_of_the_field_has_the_outcome_it_must_have() {
    let text = fs::read_to_string(root().join("tests/field/cases.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() >= 220, "cases were lost");
    let (next, told) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let wrong = run(case);
                    let known = KNOWN_FAILURES.contains(&case.name.as_str());
                    let verdict = match (wrong.is_empty(), known) {
                        (true, false) | (false, true) => continue,
                        (true, true) => "it works now: take it off the list of known failures".to_owned(),
                        (false, false) => wrong.join("; "),
                    };
                    told.lock().unwrap().push((&case.kind, &case.name, &case.why, verdict));
                }
            });
        }
    });
    let told = told.into_inner().unwrap();
    let list = told.iter().fold(String::new(), |mut list, (kind, name, why, verdict)| {
        writeln!(list, "[{kind}] {name}: {verdict} ({why})").unwrap();
        list
    });
    assert!(told.is_empty(), "{} of {} cases failed:\n{list}", told.len(), cases.len());
}

#[test]
fn the_inputs_are_the_bytes_that_were_written_down() {
    let sums = fs::read_to_string(root().join("tests/field/SHA256SUMS")).unwrap();
    for line in sums.lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        let bytes = fs::read(root().join("tests/field").join(name.trim_start_matches("./"))).unwrap();
        assert_eq!(
            houston_onboard::record::hexadecimal::hexadecimal(&sha2::Sha256::digest(bytes)),
            sum,
            "{name}"
        );
    }
}
