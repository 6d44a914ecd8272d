//! Programs of others that a test uses where they are installed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::note;

/// Whether a tool is installed; else this says that the test is skipped.
pub fn has(tool: &str) -> bool {
    let is_there = Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if is_there.is_err() {
        note(&format!("skipped: {tool} is not installed"));
    }
    is_there.is_ok()
}

/// Asserts that a tool takes a file on its standard input.
#[track_caller]
pub fn passes(tool: &str, arguments: &[&str], file: &Path) {
    let output = Command::new(tool).args(arguments).stdin(fs::File::open(file).unwrap()).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{tool}: {said}\n{}", fs::read_to_string(file).unwrap());
}
