//! Figures of processes, as Linux tells them; elsewhere they are not numbers.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// Clock ticks of `/proc` in a second: the same on every Linux that Rust knows.
const TICKS: f64 = 100.0;

/// Processor seconds that a process has used so far, all threads together, in user mode and in the
/// kernel.
pub fn cpu(pid: u32) -> f64 {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return f64::NAN };
    // The name of the program, in brackets, may hold blanks.
    let Some((_, rest)) = stat.rsplit_once(')') else { return f64::NAN };
    let ticks: Option<f64> =
        rest.split_whitespace().skip(11).take(2).map(|text| text.parse::<f64>().ok()).sum();
    ticks.unwrap_or(f64::NAN) / TICKS
}

/// The peak of a process's memory in MiB; none once it has ended.
pub fn peak_mib(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

/// How often a running process is looked at.
pub const GLANCE: Duration = Duration::from_millis(2);

/// A folder in memory, if there is one.
pub fn folder_in_memory() -> Option<&'static Path> {
    Some(Path::new("/dev/shm")).filter(|path| path.is_dir())
}
