//! The engine against a small Houston in memory, under a clock that stands still: whatever the
//! server does, every row ends once, no one is bound twice, and the journal is right.

mod cuts;
mod stops;

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::batch::{Earlier, InDoubt, Subjects};
use super::*;
use crate::houston::scripted::Scripted;
use crate::houston::{Fault, NoAnswerCause, RetryPolicy, Retrying};
use crate::model::{Emails, ItemId, Level, Role, WorkspaceId};
use crate::outcome::{Cause, Code, Outcome, Status};
use crate::plan::{Account, Action, Holder, Operation, Stage as LifeStage, Workspace};
use crate::record::folder::{RunFolder, Runs};
use crate::record::journal::{Actor, ChainKind, FORMAT, Header, Reach, RunSettings};
use crate::time::ManualClock;

/// What the server does with one mutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reaction {
    Apply,
    ApplyAndCut,
    Cut,
    Throttle,
    FailBefore,
    FailAfter,
    Lie,
    Deny,
    Refuse,
}

/// A server that binds again on a repeat, as old Houstons do.
#[derive(Debug, Default)]
struct World {
    bindings: HashMap<(String, String), u32>,
    /// Who has been removed.
    removed: HashSet<(String, String)>,
    /// The roles of those who are no editors.
    roles: HashMap<(String, String), Level>,
    /// The stages of the mutations that took effect, by workspace.
    stages: HashMap<String, Vec<LifeStage>>,
    mutations: u32,
    requests: u32,
    in_flight: HashMap<String, u32>,
    reactions: Vec<Reaction>,
    token_is_dead: bool,
    /// A person whose first so many adds fail.
    unlucky: Option<(String, u32)>,
}

/// What a run meets besides the reactions of the server.
#[derive(Debug, Default)]
struct Weather {
    /// How long a request takes.
    latency: Duration,
    /// A signal after so many requests.
    signal: Option<(u32, StopReason)>,
}

struct Stage {
    weather: Weather,
    world: Arc<Mutex<World>>,
    workspaces: Vec<Workspace>,
    operations: Vec<Operation>,
    emails: Arc<Emails>,
}

/// What came of a run.
struct Played {
    end: RunEnd,
    outcomes: HashMap<u32, Outcome>,
    concluded_twice: bool,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl World {
    fn answer(world: &Mutex<Self>, body: &Value) -> Result<(u16, String), Fault> {
        let workspace = text(&body["variables"]["workspaceUuid"]);
        world.lock().unwrap().requests += 1;
        match body["operationName"].as_str().unwrap_or_default() {
            "AddMember" | "AddMemberWithMail" => {
                let email = text(&body["variables"]["email"]);
                world.lock().unwrap().enter(&email);
                std::thread::yield_now();
                world.lock().unwrap().add(workspace, email)
            }
            "RemoveMember" => {
                let email = text(&body["variables"]["userUuid"]);
                world.lock().unwrap().enter(&email);
                std::thread::yield_now();
                world.lock().unwrap().remove(workspace, email)
            }
            "UpsertRole" => {
                let email = text(&body["variables"]["email"]);
                let role = Level::ALL
                    .into_iter()
                    .find(|&role| Role::workspace(role).name() == body["variables"]["role"])
                    .expect("a role");
                world.lock().unwrap().enter(&email);
                std::thread::yield_now();
                world.lock().unwrap().set_role(workspace, email, role)
            }
            "Caller" => {
                let dead = world.lock().unwrap().token_is_dead;
                Ok((
                    200,
                    if dead {
                        denied("self")
                    } else {
                        json!({"data": {"self": {"isAdmin": true}}}).to_string()
                    },
                ))
            }
            _ => Ok((200, world.lock().unwrap().members(&workspace))),
        }
    }

    fn enter(&mut self, email: &str) {
        let in_flight = self.in_flight.entry(email.to_owned()).or_default();
        *in_flight += 1;
        assert_eq!(*in_flight, 1, "two mutations of {email} at a time");
    }

    fn add(&mut self, workspace: String, email: String) -> Result<(u16, String), Fault> {
        let reaction = self.next_reaction(&email);
        if let Reaction::Apply | Reaction::ApplyAndCut | Reaction::FailAfter = reaction {
            let was_removed = self.removed.contains(&(workspace.clone(), email.clone()));
            let stage = if was_removed { LifeStage::Promotions } else { LifeStage::Adds };
            self.stages.entry(workspace.clone()).or_default().push(stage);
            *self.bindings.entry((workspace, email)).or_default() += 1;
        }
        World::reply(reaction, "workspaceAddUser", &json!({"id": "w"}))
    }

    /// As the servers of 2019 and 2020 do with invitations: of what is gone they say that they failed.
    fn remove(&mut self, workspace: String, email: String) -> Result<(u16, String), Fault> {
        let mut reaction = self.next_reaction(&email);
        let place = (workspace.clone(), email);
        if !self.bindings.contains_key(&place) && reaction == Reaction::Apply {
            reaction = Reaction::FailBefore;
        }
        if let Reaction::Apply | Reaction::ApplyAndCut | Reaction::FailAfter = reaction {
            self.stages.entry(workspace).or_default().push(LifeStage::Promotions);
            self.bindings.remove(&place);
            self.removed.insert(place);
        }
        World::reply(reaction, "workspaceRemoveUser", &json!({"id": "w"}))
    }

    fn set_role(&mut self, workspace: String, email: String, role: Level) -> Result<(u16, String), Fault> {
        let reaction = self.next_reaction(&email);
        if let Reaction::Apply | Reaction::ApplyAndCut | Reaction::FailAfter = reaction {
            let place = (workspace.clone(), email);
            let from = self.roles.get(&place).copied().unwrap_or(Level::Editor);
            let action = Action::SetRole { from, to: role, holder: Holder::Member };
            self.stages.entry(workspace).or_default().push(action.stage());
            self.roles.insert(place, role);
        }
        World::reply(reaction, "workspaceUpsertUserRole", &json!(Role::workspace(role).name()))
    }

    fn next_reaction(&mut self, email: &str) -> Reaction {
        *self.in_flight.entry(email.to_owned()).or_default() -= 1;
        let mut reaction = self.reactions.get(self.mutations as usize).copied().unwrap_or(Reaction::Apply);
        if let Some((unlucky, left)) = &mut self.unlucky
            && unlucky == email
            && *left > 0
        {
            *left -= 1;
            reaction = Reaction::FailBefore;
        }
        self.mutations += 1;
        reaction
    }

    fn reply(reaction: Reaction, field: &str, done: &Value) -> Result<(u16, String), Fault> {
        let failed = json!({"data": {field: null}, "errors": [{"message": "timed out fetching a connection",
            "path": [field], "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]});
        let refused = json!({"data": {field: null}, "errors": [{"message": "Invalid email address. Please check the address and try again",
            "path": [field], "extensions": {"code": "BAD_USER_INPUT"}}]});
        match reaction {
            Reaction::Apply | Reaction::Lie => Ok((200, json!({"data": {field: done}}).to_string())),
            Reaction::ApplyAndCut | Reaction::Cut => {
                Err(Fault::NoAnswer { cause: NoAnswerCause::Reset, text: "reset".to_owned() })
            }
            Reaction::Throttle => Ok((429, "slow down".to_owned())),
            Reaction::FailBefore | Reaction::FailAfter => Ok((200, failed.to_string())),
            Reaction::Deny => Ok((200, denied(field))),
            Reaction::Refuse => Ok((200, refused.to_string())),
        }
    }

    fn members(&self, workspace: &str) -> String {
        let people: Vec<Value> = self
            .bindings
            .iter()
            .filter(|((place, _), _)| place == workspace)
            .map(|(place, count)| {
                let (_, email) = place;
                let role = self.roles.get(place).copied().unwrap_or(Level::Editor);
                let binding = json!({"role": Role::workspace(role).name(), "workspace": {"id": workspace}});
                json!({"id": email, "username": email, "emails": [{"address": email}],
                    "roleBindings": vec![binding; *count as usize]})
            })
            .chain([boss(workspace)])
            .collect();
        let people = json!(people);
        json!({"data": {"paginatedWorkspaceUsers": &people, "workspaceUsers": &people, "workspaceInvites": []}})
            .to_string()
    }
}

/// An admin who is in no roster, in every workspace: others may be demoted.
fn boss(workspace: &str) -> Value {
    let binding = json!({"role": "WORKSPACE_ADMIN", "workspace": {"id": workspace}});
    json!({"id": "boss", "username": "boss", "emails": [{"address": "boss@example.com"}],
        "roleBindings": [binding]})
}

fn denied(field: &str) -> String {
    json!({"data": {field: null}, "errors": [{"message": "You do not have the appropriate permissions for that",
        "path": [field], "extensions": {"code": "FORBIDDEN"}}]})
    .to_string()
}

impl Stage {
    /// `people` persons, each in as many of `workspaces` as the number says.
    fn new(workspaces: usize, people: &[usize], reactions: Vec<Reaction>) -> Self {
        Self::with(workspaces, people, reactions, |_| Action::Add(Level::Editor))
    }

    /// The same with additions, promotions, demotions and replacements.
    fn mixed(workspaces: usize, people: &[usize], reactions: Vec<Reaction>) -> Self {
        use Level::{Admin, Editor, Viewer};
        let change = |from, to| Action::SetRole { from, to, holder: Holder::Member };
        Self::with(workspaces, people, reactions, |person| match person % 5 {
            0 => change(Admin, Viewer),
            1 => Action::Add(Editor),
            2 => change(Viewer, Admin),
            3 => Action::Replace { to: Editor, holder: Holder::Member },
            _ => change(Editor, Admin),
        })
    }

    fn with(
        workspaces: usize,
        people: &[usize],
        reactions: Vec<Reaction>,
        kind: impl Fn(usize) -> Action,
    ) -> Self {
        let workspace =
            |place| Workspace { id: WorkspaceId::new(&format!("w{place}")).unwrap(), label: None };
        let mut emails = Emails::default();
        let mut operations = Vec::new();
        for (person, memberships) in people.iter().enumerate() {
            for place in 0..(*memberships).min(workspaces) {
                let row = ItemId::from_index(emails.len());
                emails.push(&format!("p{person}@example.com"));
                let workspace = u32::try_from((place + person) % workspaces).unwrap();
                operations.push(Operation { item: row, workspace, action: kind(person) });
            }
        }
        crate::plan::sort(&mut operations);
        let mut world = World { reactions, ..World::default() };
        for operation in &operations {
            let place = (format!("w{}", operation.workspace), emails.get(operation.item).to_owned());
            match operation.action {
                Action::SetRole { from, .. } => {
                    world.roles.insert(place.clone(), from);
                    world.bindings.insert(place, 1);
                }
                Action::Replace { .. } => drop(world.bindings.insert(place, 2)),
                Action::Add(_) | Action::Remove(_) => {}
            }
        }
        Self {
            weather: Weather::default(),
            world: Arc::new(Mutex::new(world)),
            workspaces: (0..workspaces).map(workspace).collect(),
            operations,
            emails: Arc::new(emails),
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    fn play(&self, change: impl FnOnce(&mut Settings)) -> Played {
        let mut settings = settings();
        change(&mut settings);
        let dir = tempfile::tempdir().unwrap();
        let folder = Runs::prepare(dir.path()).unwrap().create(jiff::Timestamp::UNIX_EPOCH).unwrap();
        let clock = ManualClock::default();
        let mut journal = Journal::create(&folder, header(), clock.now()).unwrap();
        self.carry_out(&settings, &clock, &mut journal, &self.batch())
    }

    fn houston(&self, settings: &Settings, clock: &Arc<dyn Clock>, cancel: &Cancel) -> Houston {
        let world = Arc::clone(&self.world);
        let (passing, latency) = (Arc::clone(clock), self.weather.latency);
        let scripted = Scripted::new(move |_, body| {
            passing.wait(latency, &Cancel::new());
            World::answer(&world, body)
        });
        let policy = RetryPolicy { retries: settings.retries, max_wait: settings.max_wait };
        Houston::new(Arc::new(Retrying::new(scripted, policy, Arc::clone(clock), cancel.clone())))
    }

    fn carry_out(
        &self,
        settings: &Settings,
        clock: &ManualClock,
        journal: &mut Journal,
        batch: &Batch,
    ) -> Played {
        let clock: Arc<dyn Clock> = Arc::new(clock.clone());
        let cancel = Cancel::new();
        let houston = self.houston(settings, &clock, &cancel);
        let pace = Pace::new(None, settings.max_wait, Arc::clone(&clock), cancel.clone());
        let pages = Arc::default();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(settings.concurrency).build().unwrap();
        let run = Run {
            batch,
            houston: &houston,
            pace: &pace,
            pages: &pages,
            cancel: &cancel,
            stop: &|| {
                self.weather.signal.filter(|(after, _)| self.world().requests >= *after).map(|(_, why)| why)
            },
            clock: &clock,
        };
        let mut outcomes = HashMap::new();
        let mut concluded_twice = false;
        let end = Engine { pool: &pool, settings }.run(&run, journal, Tally::default(), &mut |event| {
            if let Event::Concluded { item, outcome, .. } = event {
                concluded_twice |= outcomes.insert(item.get(), (*outcome).clone()).is_some();
            }
        });
        // Also for those that were left behind at the end of a signal's grace.
        pool.broadcast(|_| ());
        Played { end, outcomes, concluded_twice }
    }

    /// All of it, in the first leg.
    fn batch(&self) -> Batch {
        Batch {
            workspaces: self.workspaces.clone(),
            operations: Arc::new(self.operations.clone()),
            emails: Arc::clone(&self.emails),
            subjects: Arc::new(self.subjects()),
            ..Batch::default()
        }
    }

    /// Whom the replacements are about: the ids of people are their addresses.
    fn subjects(&self) -> Subjects {
        let is_replaced = |operation: &&Operation| matches!(operation.action, Action::Replace { .. });
        let account = |row: ItemId| vec![Account::User(self.emails.get(row).to_owned())];
        let replaced = self.operations.iter().filter(is_replaced);
        let replaced = replaced.map(|operation| (operation.item, account(operation.item))).collect();
        Subjects { replaced, ..Subjects::default() }
    }

    /// Whether the world is as an operation wants it, or as it was before.
    fn is_done(&self, operation: &Operation) -> bool {
        match operation.action {
            Action::Add(_) | Action::Replace { .. } => self.bindings(operation) == 1,
            Action::SetRole { to, .. } => self.role(operation) == to,
            Action::Remove(_) => self.bindings(operation) == 0,
        }
    }

    /// Whether an outcome says so, if the row's person was removed and not added again.
    fn says_who_is_gone(&self, operation: &Operation, cause: Option<&Cause>) -> bool {
        let is_gone = matches!(operation.action, Action::Replace { .. }) && self.bindings(operation) == 0;
        !is_gone || cause.is_some_and(|cause| cause.text.contains("removed"))
    }

    fn role(&self, operation: &Operation) -> Level {
        let workspace = self.workspaces[operation.workspace as usize].id.to_string();
        let email = self.emails.get(operation.item).to_owned();
        self.world().roles.get(&(workspace, email)).copied().unwrap_or(Level::Editor)
    }

    /// How often a row's person is bound in its workspace.
    fn bindings(&self, operation: &Operation) -> u32 {
        let workspace = self.workspaces[operation.workspace as usize].id.to_string();
        let email = self.emails.get(operation.item).to_owned();
        self.world().bindings.get(&(workspace, email)).copied().unwrap_or(0)
    }
}

/// How often a row's person may be bound at most: people to replace are bound twice.
fn most_bindings(operation: &Operation) -> u32 {
    match operation.action {
        Action::Replace { .. } => 2,
        Action::Add(_) | Action::SetRole { .. } | Action::Remove(_) => 1,
    }
}

impl Played {
    fn status(&self, operation: &Operation) -> Status {
        self.outcomes.get(&operation.item.get()).map_or(Status::NotRun, |outcome| outcome.status)
    }
}

fn settings() -> Settings {
    Settings {
        concurrency: 4,
        mail: Mail::Bypass,
        retries: 4,
        settle: Duration::from_secs(10),
        max_wait: Duration::from_secs(300),
        max_errors: MaxErrors::InARow(1_000),
        max_duration: None,
        grace: Duration::from_secs(1),
        canary: 1,
        repeats: Repeats::Unknown,
    }
}

fn header() -> Header {
    Header {
        format: FORMAT,
        run: "test".to_owned(),
        started_at: jiff::Timestamp::UNIX_EPOCH,
        tool_version: String::new(),
        target: String::new(),
        sandbox: true,
        houston_version: None,
        actor: Actor::default(),
        approved_by: None,
        roster: String::new(),
        roster_sha256: String::new(),
        plan_sha256: String::new(),
        rows: 0,
        grants: 0,
        extras: 0,
        dialect: Value::Null,
        settings: RunSettings::default(),
        reach: Reach::default(),
        saved_plan: None,
        last_run: None,
        chained_by: ChainKind::Sha256,
    }
}

/// So many cases of a property, or as many as `PROPTEST_CASES` says.
fn cases(usual: u32) -> ProptestConfig {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: wanted.unwrap_or(usual), failure_persistence: None, ..ProptestConfig::default() }
}

fn reaction() -> impl Strategy<Value = Reaction> {
    prop_oneof![
        4 => Just(Reaction::Apply),
        2 => Just(Reaction::ApplyAndCut),
        2 => Just(Reaction::Cut),
        1 => Just(Reaction::Throttle),
        1 => Just(Reaction::FailBefore),
        1 => Just(Reaction::FailAfter),
        1 => Just(Reaction::Refuse),
    ]
}

proptest! {
    #![proptest_config(cases(60))]

    #[test]
    fn every_row_ends_once_and_nobody_is_bound_twice(
        workspaces in 1_usize..5,
        people in prop::collection::vec(1_usize..4, 1..25),
        reactions in prop::collection::vec(reaction(), 0..120),
        canary in 0_u32..3,
    ) {
        let stage = Stage::mixed(workspaces, &people, reactions);
        let played = stage.play(|settings| settings.canary = canary);
        for stages in stage.world().stages.values() {
            prop_assert!(stages.is_sorted(), "adds, promotions, demotions: {:?}", stages);
        }
        prop_assert!(!played.concluded_twice, "a row ended twice");
        prop_assert!(played.end.stopped.is_none());
        prop_assert_eq!(played.outcomes.len(), stage.operations.len(), "every row ends");
        prop_assert_eq!(played.end.tally.rows(), stage.operations.len() as u64);
        for operation in &stage.operations {
            let bindings = stage.bindings(operation);
            let status = played.status(operation);
            let most = most_bindings(operation);
            prop_assert!(bindings <= most, "bound {} times: {:?}", bindings, status);
            let cause = played.outcomes[&operation.item.get()].cause.as_ref();
            prop_assert!(stage.says_who_is_gone(operation, cause), "{:?}", cause);
            let is_success = matches!(status, Status::Added | Status::RoleUpdated);
            prop_assert_eq!(is_success, stage.is_done(operation), "{:?}", played.outcomes[&operation.item.get()]);
            // A canary that is out of luck leaves the others of its workspace untried.
            let is_held_back = status == Status::NotRun && cause.is_some_and(|c| c.code == Code::CanaryFailed);
            let expected = [Status::Added, Status::RoleUpdated, Status::Rejected, Status::GaveUp].contains(&status);
            prop_assert!(expected || is_held_back, "{:?}", status);
        }
    }
}

#[test]
fn a_lying_server_costs_one_row_of_a_workspace() {
    let stage = Stage::new(1, &[1; 40], vec![Reaction::Lie; 100]);
    let played = stage.play(|_| {});
    assert_eq!(stage.world().mutations, 1, "only the canary was sent");
    assert_eq!(played.end.tally.of(Status::InDoubt), 1);
    assert_eq!(played.end.tally.of(Status::NotRun), 39);
}

#[test]
fn a_denied_workspace_is_closed_after_its_first_row() {
    let stage = Stage::new(1, &[1; 40], vec![Reaction::Deny; 100]);
    let played = stage.play(|_| {});
    assert_eq!(stage.world().mutations, 1);
    assert_eq!(played.end.tally.of(Status::Rejected), 40);
    assert!(
        played
            .outcomes
            .values()
            .all(|end| end.cause.as_ref().is_some_and(|c| c.code == Code::WorkspaceDenied))
    );
    assert!(played.end.stopped.is_none(), "a closed workspace is no error storm");
}

#[test]
fn a_dead_token_stops_the_run_and_leaves_the_rows_untried() {
    let stage = Stage::new(3, &[1; 40], vec![Reaction::Deny; 100]);
    stage.world().token_is_dead = true;
    let played = stage.play(|_| {});
    assert_eq!(played.end.stopped.as_ref().map(|(reason, _)| *reason), Some(StopReason::TokenDead));
    assert_eq!(played.end.tally.of(Status::NotRun), 40);
    assert!(stage.world().mutations <= 8, "{} sent", stage.world().mutations);
}

#[test]
fn an_error_storm_stops_the_run() {
    let stage = Stage::new(1, &[1; 60], vec![Reaction::Refuse; 100]);
    let played = stage.play(|settings| settings.max_errors = MaxErrors::InARow(10));
    assert_eq!(played.end.stopped.as_ref().map(|(reason, _)| *reason), Some(StopReason::MaxErrors));
    assert!(played.end.tally.of(Status::Rejected) >= 10);
    assert!(played.end.tally.of(Status::NotRun) > 0);
}

#[test]
fn a_row_that_never_takes_effect_is_given_up_after_its_tries() {
    let stage = Stage::new(1, &[1], vec![Reaction::FailBefore; 100]);
    let played = stage.play(|settings| settings.retries = 3);
    assert_eq!(stage.world().mutations, 4);
    assert_eq!(played.end.tally.of(Status::GaveUp), 1);
    assert_eq!(played.outcomes[&1].attempts, 4);
}

#[test]
fn rows_that_were_given_up_get_a_last_chance_where_the_server_answers_others() {
    let mut reactions = vec![Reaction::Apply];
    reactions.extend([Reaction::FailBefore; 4]);
    let stage = Stage::new(1, &[1, 1], reactions);
    let played = stage.play(|settings| {
        settings.retries = 2;
        settings.concurrency = 1;
    });
    assert_eq!(played.end.tally.of(Status::Added), 2, "{:?}", played.outcomes);
}

#[test]
fn a_row_that_was_sent_before_the_run_stopped_is_not_called_untried() {
    // One row is refused again and again while the others fail for good, until the run stops.
    let mut reactions = vec![Reaction::Apply];
    reactions.extend([Reaction::FailBefore, Reaction::Refuse].repeat(60));
    let stage = Stage::new(2, &[1; 30], reactions);
    let played = stage.play(|settings| settings.max_errors = MaxErrors::InARow(3));
    assert_eq!(played.end.stopped.as_ref().map(|(reason, _)| *reason), Some(StopReason::MaxErrors));
    for operation in &stage.operations {
        let attempts = played.outcomes.get(&operation.item.get()).map_or(0, |outcome| outcome.attempts);
        let status = played.status(operation);
        assert_eq!(attempts == 0, status == Status::NotRun, "{status:?} after {attempts} sends");
    }
    assert_eq!(stage.world().in_flight.values().sum::<u32>(), 0);
}

#[test]
fn one_unlucky_canary_does_not_close_a_workspace_while_houston_accepts_others() {
    let play = |workspaces, unlucky: &str| {
        let stage = Stage::new(workspaces, &[1; 20], Vec::new());
        stage.world().unlucky = Some((unlucky.to_owned(), 3));
        stage.play(|settings| settings.retries = 2)
    };
    // The second of two workspaces begins with the second person.
    let played = play(2, "p1@example.com");
    assert_eq!(played.end.tally.of(Status::Added), 20, "{:?}", played.outcomes);
    let played = play(1, "p0@example.com");
    assert_eq!(played.end.tally.of(Status::GaveUp), 1, "without a sign of life one canary is enough");
    assert_eq!(played.end.tally.of(Status::NotRun), 19);
}

#[test]
fn a_role_that_is_set_without_effect_is_in_doubt_and_costs_one_row() {
    let change = Action::SetRole { from: Level::Viewer, to: Level::Admin, holder: Holder::Member };
    let kind = |_| change;
    let stage = Stage::with(1, &[1; 40], vec![Reaction::Lie; 100], kind);
    let played = stage.play(|_| {});
    assert_eq!(stage.world().mutations, 1, "only the canary was sent");
    assert_eq!(played.end.tally.of(Status::InDoubt), 1);
    assert_eq!(played.end.tally.of(Status::NotRun), 39);
}

#[test]
fn a_role_is_set_again_without_waiting_for_the_settle_time() {
    let change = Action::SetRole { from: Level::Viewer, to: Level::Admin, holder: Holder::Member };
    let kind = |_| change;
    let stage = Stage::with(1, &[1], vec![Reaction::Cut], kind);
    let played = stage.play(|settings| settings.settle = Duration::from_secs(60));
    assert_eq!(played.end.tally.of(Status::RoleUpdated), 1);
    assert_eq!(played.outcomes[&1].attempts, 2);
    assert!(played.outcomes[&1].elapsed < Duration::from_secs(30), "{:?}", played.outcomes[&1]);
}

#[test]
fn a_write_in_doubt_that_another_change_has_overtaken_is_waited_for_over_the_settle_time() {
    let change = Action::SetRole { from: Level::Viewer, to: Level::Editor, holder: Holder::Member };
    for (doubt, is_waited_for) in [(InDoubt::NotSeen, false), (InDoubt::Overtaken, true)] {
        let stage = Stage::with(1, &[1], Vec::new(), |_| change);
        stage.world().roles.values_mut().for_each(|role| *role = Level::Admin);
        let cause = Cause::new(Code::Timeout, "no answer");
        let (attempts, elapsed) = (1, Duration::ZERO);
        let sent = Earlier { attempts, elapsed, cause, doubt: Some(doubt), is_removed: false };
        let batch = Batch { earlier: HashMap::from([(0, sent)]), ..stage.batch() };
        let dir = tempfile::tempdir().unwrap();
        let folder = Runs::prepare(dir.path()).unwrap().create(jiff::Timestamp::UNIX_EPOCH).unwrap();
        let clock = ManualClock::default();
        let began = clock.now();
        let mut journal = Journal::create(&folder, header(), began).unwrap();
        let played = stage.carry_out(&settings(), &clock, &mut journal, &batch);
        assert_eq!(played.status(&stage.operations[0]), Status::RoleKept, "{doubt:?}");
        assert_eq!(clock.now() - began >= settings().settle, is_waited_for, "{doubt:?}");
        assert_eq!(stage.world().mutations, 0, "{doubt:?}: nothing is sent over the other change");
    }
}

#[test]
fn a_run_that_is_stopped_leaves_few_people_removed_and_says_who_they_are() {
    let replace = |_| Action::Replace { to: Level::Editor, holder: Holder::Member };
    for requests in [20, 30, 40, 80] {
        let signal = Some((requests, StopReason::Interrupted));
        let weather = Weather { latency: Duration::from_millis(50), signal };
        let stage = Stage { weather, ..Stage::with(2, &[1; 100], Vec::new(), replace) };
        let played = stage.play(|settings| settings.settle = Duration::from_secs(600));
        assert_eq!(played.end.stopped.as_ref().map(|(reason, _)| *reason), Some(StopReason::Interrupted));
        let gone: Vec<&Operation> = stage.operations.iter().filter(|one| stage.bindings(one) == 0).collect();
        assert!(gone.len() <= 16, "{} removed after {requests} requests", gone.len());
        for operation in gone {
            let outcome = &played.outcomes[&operation.item.get()];
            assert!(stage.says_who_is_gone(operation, outcome.cause.as_ref()), "{outcome:?}");
        }
    }
    let stage = Stage::with(2, &[1; 100], Vec::new(), replace);
    assert_eq!(stage.play(|_| {}).end.tally.of(Status::RoleUpdated), 100);
}
