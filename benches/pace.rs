//! Whether a run keeps to `--rate`: never above it by the server's own count, and hardly below; and
//! whether it finds the limit of a server that does not tell it.
//!
//! `cargo bench --bench pace` prints two tables. In the first the engine runs with 32 requests in
//! flight against a server of 5 ms in a process of its own; in the second with 64, without a rate,
//! against a sandbox of 20 ms that refuses what is above its limit.

mod common;

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use common::engine_run::{Work, run};
use common::raw::load;
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
    say(format_args!(
        "\nhidden limit    rows  seconds  reached  goal   refused  goal    cuts  smallest window"
    ));
    for hidden in &HIDDEN {
        hidden.measure(runs.path())?;
    }
    Ok(())
}

/// A limit that the server does not tell.
struct Hidden {
    fault: &'static str,
    /// What is to be reached of it; nothing where every refusal costs a pause that is sat out.
    goal: &'static str,
    limit: Limit,
    rows: usize,
}

#[derive(Clone, Copy)]
enum Limit {
    InFlight(usize),
    PerSecond(f64),
}

const HIDDEN: [Hidden; 4] = [
    Hidden { fault: "limit=12", goal: ">0.80", limit: Limit::InFlight(12), rows: 8_000 },
    Hidden { fault: "limit=3", goal: ">0.80", limit: Limit::InFlight(3), rows: 2_000 },
    Hidden { fault: "limit=100/s", goal: ">0.80", limit: Limit::PerSecond(100.0), rows: 2_000 },
    Hidden { fault: "limit=100/s:1s", goal: "-", limit: Limit::PerSecond(100.0), rows: 2_000 },
];

impl Hidden {
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are small")]
    fn measure(&self, runs: &Path) -> Result<(), Box<dyn Error>> {
        let latency = Duration::from_millis(20);
        let most = match self.limit {
            Limit::PerSecond(rate) => rate,
            // What a raw load generator gets that knows the limit.
            Limit::InFlight(most) => {
                let server = Server::faulty(latency, WORKSPACES, self.fault)?;
                load(&server, most, self.rows / 4, 1)?.rate
            }
        };
        let server = Server::faulty(latency, WORKSPACES, self.fault)?;
        let work = Work { in_flight: 64, rows: self.rows, workspaces: WORKSPACES, rate: None, round: 0 };
        let outcome = run(&server, work, runs)?;
        let audit = server.audit()?;
        let refused = audit.faults.get("limit").copied().unwrap_or_default();
        let seconds = outcome.requests as f64 / outcome.overall;
        say(format_args!(
            "{:<14} {:>5} {seconds:>8.1} {:>8.3} {:>6} {:>8.4}  <0.02 {:>5} {:>16}",
            self.fault,
            self.rows,
            (audit.requests - refused) as f64 / seconds / most,
            self.goal,
            refused as f64 / audit.requests as f64,
            outcome.strain.congestion_events,
            outcome.strain.window_min,
        ));
        Ok(())
    }
}
