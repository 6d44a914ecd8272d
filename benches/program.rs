//! The whole program: how fast it starts, how many requests a repeated run costs, and what the plan of a
//! large installation takes.
//!
//! `cargo bench --bench program` prints the first two; `cargo bench --bench program -- plan` is the plan,
//! and `-- plan 20` that of so many workspaces.

mod common;

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::command::{Outcome, PROGRAM, address, apply, measured, program, roster};
use common::server::{Server, serve_if_asked, workspace_id};
use common::{arguments, median, say};
use serde_json::json;

/// Workspaces of the plan.
const WORKSPACES: usize = 200;
/// Rows of the plan for each workspace, and members that it has.
const CROWD: usize = 1_000;
/// Of this many rows of the plan one is new; one member of as many is not in the roster.
const NEW_OF: usize = 10;
/// The most requests of the plan: for each workspace, which has ten pages and an empty one, and in
/// all.
const PLAN_REQUESTS: (u64, u64) = (12, 100);
/// The memory of the plan stays below.
const PLAN_MIB: f64 = 200.0;

type AnyError = Box<dyn Error>;

fn main() -> Result<(), AnyError> {
    if serve_if_asked()? {
        return Ok(());
    }
    let arguments = arguments();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    if arguments.iter().any(|argument| argument == "plan") {
        let workspaces = arguments.iter().find_map(|argument| argument.parse().ok());
        return plan(workspaces.unwrap_or(WORKSPACES), folder.path());
    }
    start_up()?;
    hardly_anything_to_do(folder.path())
}

fn start_up() -> Result<(), AnyError> {
    let mut times = Vec::new();
    for _ in 0..50 {
        let start = Instant::now();
        Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).status()?;
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    #[expect(clippy::cast_precision_loss, reason = "a size in MiB is rounded anyway")]
    let size = std::fs::metadata(PROGRAM)?.len() as f64 / f64::from(1 << 20);
    say(format_args!(
        "--version: {:.1} ms (to reach: 10); this unstripped binary without LTO: {size:.1} MiB",
        median(times)
    ));
    Ok(())
}

/// 5,000 rows over 50 workspaces of which 98 % are members already, against the sandbox.
fn hardly_anything_to_do(folder: &Path) -> Result<(), AnyError> {
    const ROWS: usize = 5_000;
    const PLACES: usize = 50;
    /// Every row of this many is new: two in each workspace.
    const NEW: usize = 50;
    let path = folder.join("mostly.csv");
    roster(&path, ROWS, PLACES, 0)?;
    let state = folder.join("state.json");
    let is_new = |row: usize| (row / PLACES).is_multiple_of(NEW);
    let users: Vec<_> = (0..ROWS)
        .filter(|&row| !is_new(row))
        .map(|row| json!({ "id": format!("cku{row}"), "username": address(row), "emails": [address(row)] }))
        .collect();
    let bindings: Vec<_> = (0..ROWS)
        .filter(|&row| !is_new(row))
        .map(|row| {
            json!({
                "id": format!("ckb{row}"), "user": format!("cku{row}"),
                "role": "WORKSPACE_EDITOR", "workspace": workspace_id(row % PLACES),
            })
        })
        .collect();
    let workspaces: Vec<_> = (0..PLACES).map(|place| json!({ "id": workspace_id(place) })).collect();
    let world = json!({ "workspaces": workspaces, "users": users, "bindings": bindings });
    serde_json::to_writer(BufWriter::new(File::create(&state)?), &world)?;
    let server = Server::with_state(&state, Duration::from_millis(5))?;
    let runs = folder.join("runs");
    for what in ["98 % members", "all members"] {
        let before = requests(&server)?;
        let mut command = apply(&server, &path, &runs, &["--rate", "none", "--concurrency", "64"]);
        let outcome = measured(&mut command)?.succeeded(&command)?;
        let after = requests(&server)?;
        say(format_args!(
            "{ROWS} rows, {PLACES} workspaces, {what}: {} requests (to reach: 450, better 300), {} of them mutations, {:.2} s",
            after.0 - before.0,
            after.1 - before.1,
            outcome.seconds
        ));
    }
    std::fs::remove_dir_all(runs)?;
    Ok(())
}

/// Writes a state: every workspace has a crowd of its own, all editors.
fn crowds(path: &Path, workspaces: usize) -> Result<(), AnyError> {
    let mut out = BufWriter::new(File::create(path)?);
    let list: Vec<_> = (0..workspaces).map(|place| json!({ "id": workspace_id(place) })).collect();
    write!(out, r#"{{"workspaces":{},"users":["#, serde_json::to_string(&list)?)?;
    let people = workspaces * CROWD;
    for person in 0..people {
        let (comma, address) = (if person == 0 { "" } else { "," }, address(person));
        write!(out, r#"{comma}{{"id":"cku{person}","username":"{address}","emails":["{address}"]}}"#)?;
    }
    write!(out, r#"],"bindings":["#)?;
    for person in 0..people {
        let (comma, place) = (if person == 0 { "" } else { "," }, workspace_id(person % workspaces));
        let role = "WORKSPACE_EDITOR";
        write!(
            out,
            r#"{comma}{{"id":"ckb{person}","user":"cku{person}","role":"{role}","workspace":"{place}"}}"#
        )?;
    }
    write!(out, "]}}")?;
    Ok(out.flush()?)
}

/// Writes a roster with as many rows as there are members in all; a part of them is new.
fn nearly_everybody(path: &Path, workspaces: usize) -> Result<(), AnyError> {
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(out, "email,role,workspace")?;
    let people = workspaces * CROWD;
    for row in 0..people {
        let is_new = (row / workspaces).is_multiple_of(NEW_OF);
        let person = if is_new { people + row } else { row };
        writeln!(out, "{},editor,{}", address(person), workspace_id(row % workspaces))?;
    }
    Ok(out.flush()?)
}

/// The plan of a large installation against the sandbox.
fn plan(workspaces: usize, folder: &Path) -> Result<(), AnyError> {
    let [roster, state, drawn] = ["roster.csv", "state.json", "plan.csv"].map(|name| folder.join(name));
    nearly_everybody(&roster, workspaces)?;
    crowds(&state, workspaces)?;
    let server = Server::with_state(&state, Duration::ZERO)?;
    let mut command = program(&server, "plan");
    command.args(["--rate", "none", "--quiet", "--all", "--format", "csv"]).arg(&roster);
    command.stdout(File::create(&drawn)?);
    let Outcome { seconds, peak_mib, .. } = measured(&mut command)?.succeeded(&command)?;
    let (requests, mutations) = requests(&server)?;
    let adds = std::fs::read_to_string(&drawn)?.matches(",add,").count();
    let (rows, most) = (workspaces * CROWD, workspaces as u64 * PLAN_REQUESTS.0 + PLAN_REQUESTS.1);
    say(format_args!(
        "plan of {rows} rows over {workspaces} workspaces with {CROWD} members each: {adds} adds, {requests} requests (at most {most}), {peak_mib:.1} MiB (below {PLAN_MIB}), {seconds:.2} s"
    ));
    if adds != rows / NEW_OF || mutations > 0 {
        return Err(format!("not the plan that was to be: {adds} adds, {mutations} mutations").into());
    }
    if requests > most || peak_mib >= PLAN_MIB {
        return Err("the plan takes too much".into());
    }
    Ok(())
}

/// Requests and mutations by the sandbox's own count.
fn requests(sandbox: &Server) -> Result<(u64, u64), AnyError> {
    let audit: serde_json::Value = serde_json::from_slice(&sandbox.get("/audit?entries=0")?)?;
    let number = |name: &str| audit[name].as_u64().ok_or_else(|| format!("no {name} in {audit}"));
    Ok((number("requests")?, number("mutations_received")?))
}
