//! Runs that are stopped at any moment, for any reason: every row has one status, in the totals and
//! in the files; what is called a success is one, and what is called untried was not sent.

use super::*;

fn deed_or_denial() -> impl Strategy<Value = Deed> {
    prop_oneof![12 => deed(), 1 => Just(Deed::Deny)]
}

fn weather() -> impl Strategy<Value = Weather> {
    let why = prop_oneof![Just(StopReason::Interrupted), Just(StopReason::Terminated)];
    let signal = prop::option::of((0_u32..150, why));
    let disk = prop::option::of((0_usize..12_000, any::<bool>()));
    (0_u64..60, signal, disk).prop_map(|(latency, signal, disk)| Weather {
        latency: Duration::from_millis(latency),
        signal,
        disk: disk.map(|(room, recovers)| Full { room, recovers }),
    })
}

/// What the files say of a row, held against the world.
fn judge(stage: &Stage, played: &Played, operation: &Operation) -> Result<(), String> {
    let row = &played.history.rows[operation.row.index()];
    let bindings = stage.bindings(operation);
    let is_true = match row.status {
        Status::Added => bindings == 1,
        Status::NotRun | Status::Rejected | Status::GaveUp => bindings == 0,
        Status::InDoubt => bindings <= 1,
        Status::Invited
        | Status::Unchanged
        | Status::AlreadyInvited
        | Status::RoleUpdated
        | Status::RoleKept
        | Status::Removed
        | Status::Invalid
        | Status::Merged => false,
    };
    let told = played.status(operation);
    // Files may know less than the process knew, where the disk was full, but nothing else.
    let is_told = row.status == told || (played.lost_its_journal() && row.status != Status::Added);
    if is_true && is_told {
        Ok(())
    } else {
        Err(format!("{row:?} with {bindings} bindings, told as {told:?}"))
    }
}

impl Played {
    fn lost_its_journal(&self) -> bool {
        !self.history.closed
            || self
                .end
                .stopped
                .as_ref()
                .is_some_and(|(_, cause)| cause.as_ref().is_some_and(|c| c.code == "journal_lost"))
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 250, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_run_that_is_stopped_anywhere_accounts_for_every_row(
        workspaces in 1_usize..5,
        people in prop::collection::vec(1_usize..4, 1..25),
        deeds in prop::collection::vec(deed_or_denial(), 0..120),
        token_is_dead in any::<bool>(),
        canary in 0_u32..3,
        grace in 0_u64..2_000,
        max_duration in prop::option::of(0_u64..20_000),
        max_errors in 1_u64..30,
        weather in weather(),
    ) {
        let stage = Stage::new(workspaces, &people, deeds);
        stage.world().token_is_dead = token_is_dead;
        let played = stage.play_in(&weather, |settings| {
            settings.canary = canary;
            settings.grace = Duration::from_millis(grace);
            settings.max_duration = max_duration.map(Duration::from_millis);
            settings.max_errors = MaxErrors::InARow(max_errors);
        });
        prop_assert!(!played.settled_twice, "a row ended twice");
        let rows = stage.operations.len() as u64;
        prop_assert_eq!(played.end.tally.rows(), rows, "{:?}", played.end);
        prop_assert_eq!(played.history.tally().rows(), rows);
        for operation in &stage.operations {
            if let Err(why) = judge(&stage, &played, operation) {
                prop_assert!(false, "{}: {}, {:?}", operation.row, why, played.end.stopped);
            }
        }
        if weather.disk.is_none() {
            prop_assert!(played.history.closed);
            let stopped = played.end.stopped.as_ref().map(|(reason, _)| *reason);
            prop_assert_eq!(played.history.stopped.as_ref().map(|(reason, _)| *reason), stopped);
            for status in Status::ALL {
                prop_assert_eq!(played.history.tally().of(status), played.end.tally.of(status), "{}", status);
            }
        }
    }
}

#[test]
fn nothing_is_sent_after_the_disk_was_full_and_nothing_is_lost_if_it_has_room_again() {
    for recovers in [false, true] {
        let stage = Stage::new(2, &[1; 60], Vec::new());
        let disk = Some(Full { room: 3_000, recovers });
        let played = stage.play_in(&Weather { disk, ..Weather::default() }, |_| {});
        let stopped = played.end.stopped.as_ref().map(|(reason, _)| *reason);
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
