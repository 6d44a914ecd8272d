//! The journal is cut at every byte, as a crash may leave it, and the run resumes from there.

use super::*;
use crate::ops::pending::Pending;
use crate::plan::{self, Decision, Item, Membership, Phase, Plan, ReplaceStep, Subject};
use crate::present::members;
use crate::record::journal::{Actor, Entry, History, ItemEnd, Origin, PlanLine, write_plan};

/// A run with all its files.
struct Recorded {
    stage: Stage,
    _dir: tempfile::TempDir,
    folder: RunFolder,
    journal: Vec<u8>,
}

/// Carries a run out and keeps its files.
fn record(stage: Stage) -> Recorded {
    let dir = tempfile::tempdir().unwrap();
    let folder = Runs::prepare(dir.path()).unwrap().create(jiff::Timestamp::UNIX_EPOCH).unwrap();
    let plan_sha256 = write_plan(&folder, plan_lines(&stage).into_iter()).unwrap();
    let clock = ManualClock::default();
    let rows = stage.operations.len() as u64;
    let header = Header { plan_sha256, rows, ..header() };
    let mut journal = Journal::create(&folder, header, clock.now()).unwrap();
    stage.carry_out(&settings(), &clock, &mut journal, &stage.batch());
    drop(journal);
    let journal = std::fs::read(folder.journal()).unwrap();
    Recorded { stage, _dir: dir, folder, journal }
}

pub(super) fn plan_lines(stage: &Stage) -> Vec<PlanLine> {
    let item = |operation: &Operation| Item {
        origin: plan::Origin::Row(operation.item.row()),
        subject: Some(Subject::new(operation.workspace, None)),
        wanted: Some(operation.action.level().expect("an add")),
        seen: Some(Membership::Absent),
        decision: Decision::Change(operation.action),
    };
    let mut items: Vec<Item> = stage.operations.iter().map(item).collect();
    items.sort_by_key(|item| item.origin);
    let accounts = stage.subjects().replaced.into_iter().collect();
    let plan = Plan { workspaces: stage.workspaces.clone(), items, accounts, ..Plan::default() };
    let line = |(id, _): (ItemId, &Item)| {
        let origin = Origin::Row { number: id.row(), line: id.get() + 1 };
        PlanLine::of(&plan, id, origin, stage.emails.get(id).to_owned())
    };
    plan.numbered().map(line).collect()
}

/// How often a person may be bound whose replacement the journal leaves like this.
fn replaced(row: &ItemEnd, random: &mut fastrand::Rng) -> Option<u32> {
    match (row.step, row.status) {
        (_, Status::RoleUpdated) => Some(1),
        (Some(ReplaceStep::Remove), Status::InDoubt) => random.bool().then_some(2),
        (Some(ReplaceStep::Remove) | None, _) => Some(2),
        (Some(ReplaceStep::Add), Status::InDoubt) => random.bool().then_some(1),
        (Some(ReplaceStep::Add), _) => None,
    }
}

impl Recorded {
    /// The world as it may be where the journal says this: what it calls done is there, what it has
    /// only sent may be there, and nothing else is.
    fn set_the_world(&self, history: &History, random: &mut fastrand::Rng) {
        let mut world = self.stage.world();
        world.bindings.clear();
        world.removed.clear();
        world.roles.clear();
        world.stages.clear();
        world.mutations = 0;
        world.reactions = (0..30)
            .map(|_| match random.u8(0..8) {
                0 => Reaction::ApplyAndCut,
                1 => Reaction::Cut,
                2 => Reaction::FailBefore,
                3 => Reaction::FailAfter,
                _ => Reaction::Apply,
            })
            .collect();
        for operation in &self.stage.operations {
            let row = history.item(operation.item).unwrap();
            let may_be_there = row.status == Status::InDoubt && random.bool();
            let is_there = matches!(row.status, Status::Added | Status::RoleUpdated) || may_be_there;
            let workspace = self.stage.workspaces[operation.workspace as usize].id.to_string();
            let place = (workspace, self.stage.emails.get(operation.item).to_owned());
            match operation.action {
                Action::Add(_) if !is_there => {}
                Action::Add(_) => drop(world.bindings.insert(place, 1)),
                Action::SetRole { from, to, .. } => {
                    world.bindings.insert(place.clone(), 1);
                    world.roles.insert(place, if is_there { to } else { from });
                }
                Action::Replace { .. } => {
                    if let Some(bindings) = replaced(row, random) {
                        world.bindings.insert(place, bindings);
                    }
                }
                Action::Remove(_) => unreachable!("no one is removed here"),
            }
        }
    }

    /// Goes on with the run as its files are.
    fn resume(&self, settings: &Settings) {
        let history = History::read(&self.folder).unwrap();
        let manual = ManualClock::default();
        let clock: Arc<dyn Clock> = Arc::new(manual.clone());
        let houston = self.stage.houston(settings, &clock, &Cancel::new());
        let mut pending = Pending::collect(Phase::Members, &self.folder, &history).unwrap();
        pending.judge_rows(|workspace, emails| {
            members::read(&houston, workspace, emails.iter().copied().collect(), &PageSize::default())
                .unwrap()
        });
        let (batch, concluded) = pending.batch();
        let mut journal = Journal::append(&self.folder, &history, clock.now()).unwrap();
        journal.note(&Entry::Resumed {
            leg: history.legs + 1,
            at: jiff::Timestamp::UNIX_EPOCH,
            tool_version: String::new(),
            houston_version: None,
            actor: Actor::default(),
            approved_by: None,
            at_ms: journal.at_ms(clock.now()),
        });
        for (row, outcome) in &concluded {
            journal.note_outcome(*row, outcome, clock.now());
        }
        journal.commit().unwrap();
        self.stage.carry_out(settings, &manual, &mut journal, &batch);
    }
}

#[test]
fn a_journal_cut_at_every_byte_loses_and_doubles_nobody() {
    let reactions = vec![
        Reaction::Apply,
        Reaction::ApplyAndCut,
        Reaction::Apply,
        Reaction::Cut,
        Reaction::FailBefore,
        Reaction::Refuse,
    ];
    let recorded = record(Stage::mixed(2, &[1, 1, 2, 1, 1], reactions));
    let header = recorded.journal.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let mut random = fastrand::Rng::with_seed(23);
    for cut in header..=recorded.journal.len() {
        std::fs::write(recorded.folder.journal(), &recorded.journal[..cut]).unwrap();
        let history = History::read(&recorded.folder).unwrap();
        recorded.set_the_world(&history, &mut random);
        recorded.resume(&settings());
        let history = History::read(&recorded.folder).unwrap();
        for operation in &recorded.stage.operations {
            let row = history.item(operation.item).unwrap();
            let bindings = recorded.stage.bindings(operation);
            let most = most_bindings(operation);
            assert!(
                recorded.stage.says_who_is_gone(operation, row.cause.as_deref()),
                "cut at {cut}: {row:?}"
            );
            assert!(bindings <= most, "cut at {cut}: row {} is bound {bindings} times", operation.item);
            let success = matches!(row.status, Status::Added | Status::RoleUpdated | Status::Unchanged);
            assert_eq!(success, recorded.stage.is_done(operation), "cut at {cut}: {row:?}");
            let is_final = row.status == Status::Rejected || row.status == Status::GaveUp;
            assert!(success || is_final, "cut at {cut}: {row:?}");
        }
        assert!(history.closed && (2..=3).contains(&history.legs), "cut at {cut}");
    }
}
