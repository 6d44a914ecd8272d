//! A command run to its end, with its figures; and the built program with its rosters.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use super::proc;
use super::server::{Server, workspace_id};

/// The built program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_houston-onboard");

/// Looks at a single process until its group is looked at.
const GLANCES: u32 = 25;

/// What a command came to, all processes that it started included.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// How it ended.
    pub status: ExitStatus,
    /// From its start to its end.
    pub seconds: f64,
    /// Processor seconds.
    pub cpu: f64,
    /// The most memory at a time, in MiB: the sum over its processes, shared pages counted in each.
    pub peak_mib: f64,
}

impl Outcome {
    /// The outcome of a command that has to succeed.
    pub fn succeeded(self, what: &Command) -> io::Result<Self> {
        if self.status.success() {
            return Ok(self);
        }
        Err(io::Error::other(format!("{} ended with {}", what.get_program().display(), self.status)))
    }
}

/// Runs a command to its end. It is the only one that ends meanwhile.
pub fn measured(command: &mut Command) -> io::Result<Outcome> {
    let cpu = proc::cpu_of_children();
    let start = Instant::now();
    // By its group its processes are found.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let mut child = command.spawn()?;
    let (status, peak_mib) = watch(&mut child)?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(Outcome { status, seconds, cpu: proc::cpu_of_children() - cpu, peak_mib })
}

fn watch(child: &mut Child) -> io::Result<(ExitStatus, f64)> {
    let mut peak: f64 = 0.0;
    for glance in 0_u32.. {
        peak = peak.max(proc::peak_mib(child.id()).unwrap_or(0.0));
        if glance.is_multiple_of(GLANCES) {
            peak = peak.max(proc::peak_mib_of_group(child.id()));
        }
        if let Some(status) = child.try_wait()? {
            return Ok((status, peak));
        }
        std::thread::sleep(proc::GLANCE);
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// `apply` of a roster against a server; its runs are kept below this folder.
pub fn apply(server: &Server, roster: &Path, runs: &Path, flags: &[&str]) -> Command {
    let mut command = program(server, "apply");
    command.args(["--yes", "--quiet", "--runs-dir"]).arg(runs).args(flags).arg(roster);
    command.stdout(Stdio::null());
    command
}

/// A command of the program against a server.
pub fn program(server: &Server, name: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args([name, "--url", &server.url()]).env("HOUSTON_API_TOKEN", &server.token);
    command
}

/// The address of a person.
pub fn address(person: usize) -> String {
    format!("first.last.{person:07}@example.com")
}

/// Writes a roster: so many rows, spread over workspaces, of which this is the first.
pub fn roster(path: &Path, rows: usize, workspaces: usize, first: usize) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "email,role,workspace")?;
    for row in 0..rows {
        writeln!(out, "{},editor,{}", address(row), workspace_id(first + row % workspaces))?;
    }
    out.flush()
}
