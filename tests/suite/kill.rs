//! The program is killed, at hundreds of moments, and resumed: nobody is lost, nobody is doubled,
//! and the reports of the whole run tell the truth.

#![cfg(feature = "sandbox")]

use std::collections::BTreeSet;
use std::time::Duration;

use crate::harness::{Call, Finished, Running, Sandbox, Workdir, faulty, playing, roster};
use houston_onboard::sandbox::{Applied, Model, Options};

/// Rows of each run.
const ROWS: usize = 24;
/// Kills per test; eight tests make 240.
const KILLS: u32 = 30;
/// Kills of one run, at most.
const LEGS: u32 = 5;

/// What the moment of a kill is taken from.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Houston has got so many requests more.
    Requests(u64),
    /// The journal has got so many bytes more.
    Bytes(usize),
}

impl Moment {
    fn draw(random: &mut fastrand::Rng) -> Self {
        if random.bool() { Self::Requests(random.u64(0..45)) } else { Self::Bytes(random.usize(0..7_000)) }
    }
}

/// Starts the program and kills it at this moment; what it came to if it was faster.
fn kill(call: Call<'_>, moment: Moment, sandbox: &Sandbox, workdir: &Workdir) -> Option<Finished> {
    let folder = || workdir.folders().pop();
    let journal = || Running::journal_of(folder().as_deref()).len();
    let (requests, bytes) = (sandbox.audit().requests, journal());
    let mut running = call.start();
    let killed = running.kill_when(|_| match moment {
        Moment::Requests(more) => sandbox.audit().requests >= requests + more,
        Moment::Bytes(more) => journal() >= bytes + more,
    });
    (!killed).then(|| Finished { folder: folder(), ..running.finish() })
}

/// Applies a roster, killing and resuming until it is done; gives the number of kills.
fn survives(faults: &str, model: Model, random: &mut fastrand::Rng) -> u32 {
    let seed = random.u64(..1_000_000);
    let options = Options { latency: Duration::from_millis(2), seed, ..faulty(faults) };
    let sandbox = Sandbox::with(playing(model, options));
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(ROWS, 4));
    let mut kills = 0;
    let done = loop {
        // Whatever was killed before its journal began has sent nothing: it is applied again.
        let begun = workdir.folders().pop().is_some_and(|f| Running::journal_of(Some(&f)).contains(&b'\n'));
        let call =
            if begun { workdir.resuming(&sandbox) } else { workdir.applying(&sandbox, "roster.csv").quick() };
        let call = call.args(&["--retries", "8"]);
        let ended = if kills < LEGS {
            kill(call, Moment::draw(random), &sandbox, &workdir)
        } else {
            Some(Finished { folder: workdir.folders().pop(), ..call.run() })
        };
        match ended {
            None => kills += 1,
            Some(run) if run.status == Some(8) => {}
            Some(run) => break run.ended(0),
        }
    };
    let context = format!("{faults}, {model:?}, seed {seed}, {kills} kills");
    is_right(&sandbox, &done, &context);
    kills
}

/// Every row once in the results, every success true, nobody twice, every change told.
fn is_right(sandbox: &Sandbox, run: &Finished, context: &str) {
    let lines: BTreeSet<String> = run.rows().into_iter().map(|row| row["line"].clone()).collect();
    assert_eq!((run.rows().len(), lines.len()), (ROWS, ROWS), "{context}");
    sandbox.agrees_with(run);
    let audit = sandbox.audit();
    let applied = audit.entries.iter().filter(|entry| entry.outcome == Applied::Applied).count();
    assert_eq!(run.count("added") + run.count("invited"), applied, "{context}: {:?}", run.counts());
    assert_eq!(applied, ROWS, "{context}: {:?}", run.counts());
}

/// Runs of these faults with both membership models, until [`KILLS`] were survived.
fn all_survive(faults: &str, model: Model, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut kills = 0;
    while kills < KILLS {
        kills += survives(faults, model, &mut random);
    }
}

const CALM: &str = "slow=p90:20ms";
const CUT: &str = "write:reset=20%,read:reset=5%";
const LATE: &str = "late=15%:400ms,lag=10%:100ms";
const MIX: &str = "write:reset=5%,late=3%:400ms,write:truncated=3%,502-after=3%,write:503=3%,ise-after=3%,429=3%,read:503=3%";

#[test]
fn kills_of_a_calm_run_are_survived_on_a_server_that_doubles() {
    all_survive(CALM, Model::Legacy, 1);
}

#[test]
fn kills_of_a_calm_run_are_survived_on_a_server_that_refuses_repeats() {
    all_survive(CALM, Model::Modern, 2);
}

#[test]
fn kills_amid_cut_connections_are_survived_on_a_server_that_doubles() {
    all_survive(CUT, Model::Legacy, 3);
}

#[test]
fn kills_amid_cut_connections_are_survived_on_a_server_that_refuses_repeats() {
    all_survive(CUT, Model::Modern, 4);
}

#[test]
fn kills_amid_late_answers_are_survived_on_a_server_that_doubles() {
    all_survive(LATE, Model::Legacy, 5);
}

#[test]
fn kills_amid_late_answers_are_survived_on_a_server_that_refuses_repeats() {
    all_survive(LATE, Model::Modern, 6);
}

#[test]
fn kills_amid_everything_are_survived_on_a_server_that_doubles() {
    all_survive(MIX, Model::Legacy, 7);
}

#[test]
fn kills_amid_everything_are_survived_on_a_server_that_refuses_repeats() {
    all_survive(MIX, Model::Modern, 8);
}
