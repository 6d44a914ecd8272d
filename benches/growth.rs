//! How the whole program grows: seconds, requests and memory by rows, by workspaces and by latency, the
//! other two as in the first line of the table. Everybody is added, 64 in flight, without a rate.
//!
//! `cargo bench --bench growth` prints one table; `-- 1000000` adds a run of so many rows at 0 ms.

mod common;

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use common::command::{apply, measured, roster};
use common::server::{Kind, Server, serve_if_asked};
use common::{arguments, figure, say};

/// A run.
#[derive(Clone, Copy)]
struct Size {
    rows: usize,
    workspaces: usize,
    latency: u64,
}

const BASE: Size = Size { rows: 10_000, workspaces: 50, latency: 5 };

const SIZES: [Size; 8] = [
    BASE,
    Size { rows: 1_000, ..BASE },
    Size { rows: 100_000, ..BASE },
    Size { workspaces: 5, ..BASE },
    Size { workspaces: 500, ..BASE },
    Size { latency: 0, ..BASE },
    Size { latency: 20, ..BASE },
    Size { latency: 100, ..BASE },
];

fn main() -> Result<(), Box<dyn Error>> {
    if serve_if_asked()? {
        return Ok(());
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let wanted = arguments().into_iter().filter_map(|argument| argument.parse().ok());
    let wanted = wanted.map(|rows| Size { rows, workspaces: 200, latency: 0 });
    say(format_args!(
        "rows     workspaces  latency  seconds  rows/s  requests  mutations  cpu s per 10,000  peak MiB"
    ));
    for size in SIZES.into_iter().chain(wanted) {
        size.measure(folder.path())?;
    }
    Ok(())
}

impl Size {
    fn measure(self, folder: &Path) -> Result<(), Box<dyn Error>> {
        let Self { rows, workspaces, latency } = self;
        let server = Server::start(Kind::Plain, Duration::from_millis(latency), workspaces)?;
        let (path, runs) = (folder.join("roster.csv"), folder.join("runs"));
        roster(&path, rows, workspaces, 0)?;
        let mut command = apply(&server, &path, &runs, &["--rate", "none", "--concurrency", "64"]);
        let outcome = measured(&mut command)?.succeeded(&command)?;
        let count = server.count()?;
        std::fs::remove_dir_all(runs)?;
        if count.writes != rows as u64 {
            return Err(format!("{} mutations for {rows} rows", count.writes).into());
        }
        say(format_args!(
            "{rows:<8} {workspaces:>10} {:>8} {:>8.2} {:>7.0} {:>9} {:>10} {:>17.2} {:>9.1}",
            format!("{latency} ms"),
            outcome.seconds,
            figure(rows) / outcome.seconds,
            count.requests,
            count.writes,
            outcome.cpu / figure(rows) * 10_000.0,
            outcome.peak_mib,
        ));
        Ok(())
    }
}
