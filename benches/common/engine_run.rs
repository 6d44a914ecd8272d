//! A run of the real engine: journal in a folder, the transports of a real run, a pool of its own.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use houston_onboard::engine::batch::Batch;
use houston_onboard::engine::{Engine, MaxErrors, Run, Settings};
use houston_onboard::event::Event;
use houston_onboard::houston::{
    Credential, Houston, Http, HttpSettings, Mail, Pace, Paced, Rate, Repeats, RetryPolicy, Retrying, Speed,
    Target, Token,
};
use houston_onboard::model::Strain;
use houston_onboard::model::{Emails, ItemId, Level, WorkspaceId};
use houston_onboard::outcome::Tally;
use houston_onboard::plan::{Action, Operation, Workspace};
use houston_onboard::present::members::PageSize;
use houston_onboard::record::folder::{RunFolder, Runs};
use houston_onboard::record::journal::{Actor, ChainKind, FORMAT, Header, Journal, Reach, RunSettings};
use houston_onboard::time::{Cancel, Clock, SystemClock};
use rayon::ThreadPoolBuilder;

use super::raw::Load;
use super::server::{Server, workspace_id};
use super::{figure, proc};

/// What is run.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// Requests in flight at most.
    pub in_flight: usize,
    /// How many people are added.
    pub rows: usize,
    /// To how many workspaces.
    pub workspaces: usize,
    /// How fast at most.
    pub rate: Option<Rate>,
    /// Makes the people new ones.
    pub round: usize,
}

/// What it came to.
#[derive(Debug, Clone, Copy)]
pub struct Outcome {
    /// Adds a second, until the last one was acknowledged.
    pub rate: f64,
    /// Requests a second over the whole run, with the reads that prove the adds.
    pub overall: f64,
    /// Processor seconds for 10,000 requests, over the whole run.
    pub cpu: f64,
    /// Requests in all.
    pub requests: u64,
    /// What was met with by asking for too much.
    pub strain: Strain,
}

type AnyError = Box<dyn std::error::Error>;

/// The longest wait that is obeyed.
const MAX_WAIT: Duration = Duration::from_secs(300);

/// A client as a real run has it.
struct Client {
    clock: Arc<dyn Clock>,
    cancel: Cancel,
    pace: Arc<Pace>,
    houston: Houston,
}

impl Client {
    fn new(server: &Server, work: Work) -> Result<Self, AnyError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let cancel = Cancel::new();
        let speed = work.rate.map_or(Speed::Unlimited, Speed::Limited);
        let pace = Pace::of_run(speed, work.in_flight, MAX_WAIT, Arc::clone(&clock), cancel.clone());
        let pace = Arc::new(pace);
        let target = Target::from_url(&server.url())?;
        let settings = HttpSettings { concurrency: work.in_flight, ..HttpSettings::default() };
        let http =
            Http::new(&target, Some(Credential::new(Token::new(&server.token, "the bench")?)), settings);
        let policy = RetryPolicy { retries: 4, max_wait: MAX_WAIT };
        let paced = Paced::new(http, Arc::clone(&pace));
        let transport =
            Retrying::new(paced, policy, Arc::clone(&clock), cancel.clone()).with_budget(pace.budget());
        Ok(Self { clock, cancel, pace, houston: Houston::new(Arc::new(transport)) })
    }
}

/// Adds people with the client alone, from as many threads as requests may be in flight: no
/// dispatcher, no journal, no proof.
pub fn call(server: &Server, work: Work) -> Result<Load, AnyError> {
    let client = Client::new(server, work)?;
    let next = AtomicUsize::new(0);
    let failed = AtomicUsize::new(0);
    let cpu = proc::cpu(std::process::id());
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..work.in_flight {
            scope.spawn(|| {
                loop {
                    let row = next.fetch_add(1, Ordering::Relaxed);
                    let Ok(id) = WorkspaceId::new(&workspace_id(row % work.workspaces)) else { break };
                    if row >= work.rows {
                        break;
                    }
                    let email = format!("client.only.{}.{row:07}@example.com", work.round);
                    let sent = client.houston.add_member(&id, &email, Level::Editor, Mail::Bypass);
                    failed.fetch_add(usize::from(sent.is_err()), Ordering::Relaxed);
                }
            });
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    if failed.into_inner() > 0 {
        return Err("some calls failed".into());
    }
    let cpu = proc::cpu(std::process::id()) - cpu;
    let rows = figure(work.rows);
    Ok(Load { rate: rows / seconds, cpu: cpu / rows * 10_000.0 })
}

/// Adds people, with the journal below `runs`.
pub fn run(server: &Server, work: Work, runs: &Path) -> Result<Outcome, AnyError> {
    let Client { clock, cancel, pace, houston } = Client::new(server, work)?;
    let pool = ThreadPoolBuilder::new().num_threads(work.in_flight).build()?;

    let mut emails = Emails::default();
    let mut operations = Vec::with_capacity(work.rows);
    for row in 0..work.rows {
        emails.push(&format!("first.last.{}.{row:07}@example.com", work.round));
        operations.push(Operation {
            item: ItemId::from_index(row),
            workspace: u32::try_from(row % work.workspaces)?,
            action: Action::Add(Level::Editor),
        });
    }
    operations.sort_by_key(|operation| (operation.workspace, operation.item));
    let workspaces = (0..work.workspaces)
        .map(|place| Ok(Workspace { id: WorkspaceId::new(&workspace_id(place))?, label: None }))
        .collect::<Result<Vec<_>, AnyError>>()?;

    let folder = Runs::prepare(runs)?.create(jiff::Timestamp::now())?;
    let mut journal = Journal::create(&folder, header(&folder, server, work.rows), clock.now())?;
    let settings = Settings {
        concurrency: work.in_flight,
        mail: Mail::Bypass,
        retries: 4,
        settle: Duration::from_secs(10),
        max_wait: MAX_WAIT,
        max_errors: MaxErrors::InARow(20),
        max_duration: None,
        grace: Duration::from_secs(20),
        canary: 0,
        repeats: Repeats::Refused,
    };
    let (operations, emails) = (Arc::new(operations), Arc::new(emails));
    let batch = Batch { workspaces, operations, emails, ..Batch::default() };
    let run = Run {
        batch: &batch,
        houston: &houston,
        pace: &pace,
        pages: &Arc::new(PageSize::default()),
        cancel: &cancel,
        stop: &|| None,
        clock: &clock,
    };
    let cpu = proc::cpu(std::process::id());
    let start = Instant::now();
    let mut last = start;
    let announce = &mut |event: &Event<'_>| {
        if let Event::Acknowledged { .. } = event {
            last = Instant::now();
        }
    };
    let end = Engine { pool: &pool, settings: &settings }.run(&run, &mut journal, Tally::default(), announce);
    let seconds = start.elapsed().as_secs_f64();
    let cpu = proc::cpu(std::process::id()) - cpu;
    let added = end.tally.of(houston_onboard::outcome::Status::Added)
        + end.tally.of(houston_onboard::outcome::Status::Invited);
    if added != work.rows as u64 {
        return Err(format!("{added} of {} people were added: {:?}", work.rows, end.stopped).into());
    }
    std::fs::remove_dir_all(folder.path())?;
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are small")]
    let (rows, requests) = (work.rows as f64, end.tally.requests as f64);
    Ok(Outcome {
        rate: rows / (last - start).as_secs_f64(),
        overall: requests / seconds,
        cpu: cpu / requests * 10_000.0,
        requests: end.tally.requests,
        strain: end.tally.strain,
    })
}

fn header(folder: &RunFolder, server: &Server, rows: usize) -> Header {
    Header {
        format: FORMAT,
        run: folder.id().to_owned(),
        started_at: jiff::Timestamp::now(),
        tool_version: "bench".to_owned(),
        target: server.url(),
        sandbox: true,
        houston_version: None,
        actor: Actor::default(),
        approved_by: None,
        roster: "roster.csv".to_owned(),
        roster_sha256: String::new(),
        plan_sha256: String::new(),
        rows: rows as u64,
        grants: 0,
        extras: 0,
        dialect: serde_json::Value::Null,
        settings: RunSettings::default(),
        reach: Reach::default(),
        saved_plan: None,
        last_run: None,
        chained_by: ChainKind::Sha256,
    }
}
