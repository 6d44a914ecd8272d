//! Whether a run keeps to `--rate`: never above it by the server's own count, and hardly below.
//!
//! `cargo bench --bench pace` prints a table. The engine runs with 32 requests in flight against a
//! server of 5 ms in a process of its own.

mod common;

use std::error::Error;
use std::time::Duration;

use common::engine_run::{Work, run};
use common::say;
use common::server::{Kind, Server, serve_if_asked};
use houston_onboard::houston::Rate;

/// How long a run at each rate takes, in seconds.
const SECONDS: u32 = 5;
const WORKSPACES: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    if serve_if_asked()? {
        return Ok(());
    }
    let runs = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    say(format_args!("rate      requests  of the rate  goal        most in a second  allowed  connections"));
    for per_second in [50, 500, 2000] {
        let rate = Rate::per_second(per_second).ok_or("not a rate")?;
        let server = Server::start(Kind::Plain, Duration::from_millis(5), WORKSPACES)?;
        let rows = usize::try_from(per_second * SECONDS)?;
        let work = Work { in_flight: 32, rows, workspaces: WORKSPACES, rate: Some(rate), round: 0 };
        run(&server, work, runs.path())?;
        let count = server.count()?;
        // The first request starts the clock.
        let requests = u32::try_from(count.requests)? - 1;
        let share = f64::from(requests) / count.seconds / f64::from(per_second);
        let allowed = usize::try_from(per_second + rate.burst().get())?;
        say(format_args!(
            "{:<9} {:>8} {share:>12.3}  0.97..1.00 {:>17} {allowed:>8} {:>12}",
            rate.to_string(),
            count.requests,
            count.most_in_a_second,
            count.connections,
        ));
    }
    Ok(())
}
