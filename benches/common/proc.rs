//! Figures of processes, as Linux tells them; elsewhere they are not numbers.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// Clock ticks of `/proc` in a second: the same on every Linux that Rust knows.
const TICKS: f64 = 100.0;

/// Processor seconds that a process has used so far, all threads together, in user mode and in the
/// kernel.
pub fn cpu(pid: u32) -> f64 {
    stat(pid).map_or(f64::NAN, |stat| ticks(&stat, 11))
}

/// The same of all children of this process that have ended, and of theirs.
pub fn cpu_of_children() -> f64 {
    stat(std::process::id()).map_or(f64::NAN, |stat| ticks(&stat, 13))
}

/// What `/proc` says of a process, behind its name, which may hold blanks.
fn stat(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')').map(|(_, rest)| rest.to_owned())
}

/// Two times of these, in user mode and in the kernel, as seconds.
fn ticks(stat: &str, from: usize) -> f64 {
    let times = stat.split_whitespace().skip(from).take(2);
    let ticks: Option<f64> = times.map(|text| text.parse::<f64>().ok()).sum();
    ticks.unwrap_or(f64::NAN) / TICKS
}

/// The processes of a group, by its leader.
fn group(leader: u32) -> impl Iterator<Item = u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let leader = leader.to_string();
    pids.filter(move |&pid| stat(pid).is_some_and(|stat| stat.split_whitespace().nth(2) == Some(&leader)))
}

/// The peaks of all processes of a group that run now, together, in MiB.
pub fn peak_mib_of_group(leader: u32) -> f64 {
    group(leader).filter_map(peak_mib).sum()
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
