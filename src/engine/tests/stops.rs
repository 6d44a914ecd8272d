//! Runs that are stopped at any moment, for any reason: every row has one status, in the totals and
//! in the files; what is called a success is one, and what is called untried was not sent.

use super::cuts::plan_lines;
use super::*;
use crate::outcome::{Code, StatusKind};
use crate::record::journal::full::{Full, fill_up};
use crate::record::journal::{History, write_plan};

/// A run and what its files say about it.
struct Told {
    run: Played,
    history: History,
}

/// Carries everything out over this disk.
fn play(stage: &Stage, disk: Option<Full>, change: impl FnOnce(&mut Settings)) -> Told {
    let mut settings = settings();
    change(&mut settings);
    let dir = tempfile::tempdir().unwrap();
    let folder = Runs::prepare(dir.path()).unwrap().create(jiff::Timestamp::UNIX_EPOCH).unwrap();
    let plan_sha256 = write_plan(&folder, plan_lines(stage).into_iter()).unwrap();
    let clock = ManualClock::default();
    let header = Header { plan_sha256, rows: stage.operations.len() as u64, ..header() };
    let mut journal = Journal::create(&folder, header, clock.now()).unwrap();
    let filling = fill_up(disk);
    let run = stage.carry_out(&settings, &clock, &mut journal, &stage.batch());
    drop((filling, journal));
    Told { run, history: History::read(&folder).unwrap() }
}

fn reaction_or_denial() -> impl Strategy<Value = Reaction> {
    prop_oneof![12 => reaction(), 1 => Just(Reaction::Deny)]
}

fn weather() -> impl Strategy<Value = Weather> {
    let why = prop_oneof![Just(StopReason::Interrupted), Just(StopReason::Terminated)];
    (0_u64..60, prop::option::of((0_u32..150, why)))
        .prop_map(|(latency, signal)| Weather { latency: Duration::from_millis(latency), signal })
}

fn disk() -> impl Strategy<Value = Option<Full>> {
    let full = (0_usize..12_000, any::<bool>()).prop_map(|(room, recovers)| Full { room, recovers });
    prop::option::of(full)
}

/// Compares what the files say about a row with the world.
fn judge(stage: &Stage, played: &Told, operation: &Operation) -> Result<(), String> {
    let row = played.history.item(operation.item).unwrap();
    let bindings = stage.bindings(operation);
    let is_true = match row.status {
        Status::Added => bindings == 1,
        Status::RoleUpdated => bindings == 1 && stage.is_done(operation),
        Status::NotRun | Status::Rejected | Status::GaveUp => !stage.is_done(operation),
        Status::InDoubt => bindings <= most_bindings(operation),
        Status::Invited
        | Status::Unchanged
        | Status::AlreadyInvited
        | Status::RoleKept
        | Status::Removed
        | Status::Invalid
        | Status::Merged => false,
    };
    let told = played.run.status(operation);
    // Files may know less than the process knew, where the disk was full, but nothing else.
    let is_told =
        row.status == told || (played.lost_its_journal() && row.status.kind() != StatusKind::Changed);
    let is_said = played.lost_its_journal() || stage.says_who_is_gone(operation, row.cause.as_deref());
    if is_true && is_told && is_said {
        Ok(())
    } else {
        Err(format!("{row:?} with {bindings} bindings, reported as {told:?}"))
    }
}

impl Told {
    fn lost_its_journal(&self) -> bool {
        let code = self.run.end.stopped.as_ref().and_then(|(_, cause)| Some(&cause.as_ref()?.code));
        !self.history.closed || code.is_some_and(|code| *code == Code::JournalLost)
    }
}

proptest! {
    #![proptest_config(cases(250))]

    #[test]
    fn a_run_that_is_stopped_anywhere_accounts_for_every_row(
        workspaces in 1_usize..5,
        people in prop::collection::vec(1_usize..4, 1..25),
        reactions in prop::collection::vec(reaction_or_denial(), 0..120),
        token_is_dead in any::<bool>(),
        canary in 0_u32..3,
        grace in 0_u64..2_000,
        max_duration in prop::option::of(0_u64..20_000),
        max_errors in 1_u64..30,
        weather in weather(),
        disk in disk(),
    ) {
        let stage = Stage { weather, ..Stage::mixed(workspaces, &people, reactions) };
        stage.world().token_is_dead = token_is_dead;
        let played = play(&stage, disk, |settings| {
            settings.canary = canary;
            settings.grace = Duration::from_millis(grace);
            settings.max_duration = max_duration.map(Duration::from_millis);
            settings.max_errors = MaxErrors::InARow(max_errors);
        });
        prop_assert!(!played.run.concluded_twice, "a row ended twice");
        let rows = stage.operations.len() as u64;
        prop_assert_eq!(played.run.end.tally.rows(), rows, "{:?}", played.run.end);
        prop_assert_eq!(played.history.tally().rows(), rows);
        for operation in &stage.operations {
            if let Err(why) = judge(&stage, &played, operation) {
                prop_assert!(false, "{}: {}, {:?}", operation.item, why, played.run.end.stopped);
            }
        }
        if disk.is_none() {
            prop_assert!(played.history.closed);
            let stopped = played.run.end.stopped.as_ref().map(|(reason, _)| *reason);
            prop_assert_eq!(played.history.stopped.as_ref().map(|(reason, _)| *reason), stopped);
            for status in Status::ALL {
                prop_assert_eq!(played.history.tally().of(status), played.run.end.tally.of(status), "{}", status);
            }
        }
    }
}

#[test]
fn nothing_is_sent_after_the_disk_was_full_and_nothing_is_lost_if_it_has_room_again() {
    for recovers in [false, true] {
        let stage = Stage::new(2, &[1; 60], Vec::new());
        let disk = Some(Full { room: 3_000, recovers });
        let played = play(&stage, disk, |_| {});
        let stopped = played.run.end.stopped.as_ref().map(|(reason, _)| *reason);
        assert_eq!(stopped, Some(StopReason::JournalLost));
        let sent = stage.world().mutations;
        assert!((1..60).contains(&sent), "{sent}");
        assert_eq!(played.history.closed, recovers);
        assert!(played.history.tally().of(Status::NotRun) > 0);
        for operation in &stage.operations {
            judge(&stage, &played, operation).unwrap();
        }
    }
}
