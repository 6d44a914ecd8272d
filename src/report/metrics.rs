//! A run as Prometheus text, for `--metrics-file` and the textfile collector of the node exporter.
//!
//! Main function: [`text`]. All values are gauges: they describe the latest run of a file that is replaced
//! by the next one.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::command_summary::{CommandSummary, is_known_early};
use super::known::{Facts, PlanFacts};
use crate::model::printable;
use crate::outcome::Status;

/// The time of the last command that succeeded: kept when later ones fail.
const LAST_SUCCESS: &str = "houston_onboard_last_success_timestamp_seconds";

/// The first second of 2020: there is no older success.
const EARLIEST: f64 = 1_577_836_800.0;

/// The metrics of a command that ended `now`. `good` is whether it succeeded; `before` is what the file had.
pub fn text(
    ended: &CommandSummary,
    good: bool,
    duration_seconds: f64,
    now: Timestamp,
    before: &str,
) -> String {
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, values: &[(String, f64)]| {
        let name = format!("houston_onboard_{name}");
        write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n").expect("a string takes every text");
        for (labels, value) in values {
            writeln!(text, "{name}{labels} {value}").expect("a string takes every text");
        }
    };
    let alone = |value: f64| vec![(String::new(), value)];
    let Facts { plan, tally, run, recorded, .. } = &ended.facts;
    let run_labels = [
        ("command", ended.command.word()),
        ("version", env!("CARGO_PKG_VERSION")),
        ("run", run.as_ref().map_or(recorded.as_ref().map_or("", |run| &run.run), |run| &run.run)),
        ("target", run.as_ref().map_or("", |run| &run.target)),
    ];
    gauge("run_info", "The latest command and its run.", &[(labels(&run_labels), 1.0)]);
    gauge("exit_status", "Exit status of the latest command.", &alone(f64::from(ended.exit_status)));
    gauge("duration_seconds", "How long the latest command took.", &alone(duration_seconds));
    gauge("last_run_timestamp_seconds", "When the latest command ended.", &alone(seconds(now)));
    if let Some(PlanFacts { changes, .. }) = plan {
        gauge("planned_changes", "Changes that the latest plan makes.", &alone(float(*changes)));
    }
    let counts = run.as_ref().map(|run| run.counts).or(*tally);
    if let Some(counts) = counts {
        let known = Status::ALL.into_iter().filter(|status| run.is_some() || is_known_early(*status));
        let row = |status: Status| (labels(&[("status", status.word())]), float(counts.of(status)));
        let rows: Vec<_> = known.map(row).collect();
        gauge("rows", "Rows of the latest run by status.", &rows);
    }
    let sent = run.as_ref().map(|run| (run.requests, run.retries));
    if let Some((requests, retries)) = sent.or(tally.map(|tally| (tally.requests, tally.strain.retries))) {
        gauge("requests", "Requests of the latest run.", &alone(float(requests)));
        gauge("retries", "Requests of the latest run that were sent again.", &alone(float(retries)));
    }
    // A plan changes and confirms nothing.
    let success = if good && run.is_some() { Some(seconds(now)) } else { last_success(before, now) };
    if let Some(success) = success {
        let name = LAST_SUCCESS.trim_start_matches("houston_onboard_");
        gauge(name, "When apply or resume last succeeded.", &alone(success));
    }
    text
}

/// The time of the last success in an older file, unless it is none that a file of ours can have.
fn last_success(before: &str, now: Timestamp) -> Option<f64> {
    let latest = seconds(now) + 86_400.0;
    let line = before.lines().find_map(|line| line.strip_prefix(LAST_SUCCESS))?;
    line.trim().parse().ok().filter(|time: &f64| (EARLIEST..=latest).contains(time))
}

fn labels(pairs: &[(&str, &str)]) -> String {
    let escape = |text: &str| printable(text).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
    format!("{{{}}}", pairs.join(","))
}

/// Whole seconds, which a float holds exactly.
fn seconds(time: Timestamp) -> f64 {
    float(u64::try_from(time.as_second()).unwrap_or_default())
}

#[expect(clippy::cast_precision_loss, reason = "counts and seconds are far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::command_summary::CommandName;
    use crate::report::fixture::Fixture;
    use crate::report::summary::Summary;

    fn metrics(exit_status: u8, before: &str) -> String {
        let mut run = Summary::new(&Fixture::new().history, Fixture::shown(), Some(exit_status));
        run.target = "https://a\"b\\c\nd".to_owned();
        let facts = Facts { run: Some(Box::new(run)), ..Facts::default() };
        let ended = CommandSummary { command: CommandName::Apply, exit_status, error: None, facts };
        let now = Timestamp::from_second(1_795_449_600).expect("a time");
        text(&ended, exit_status == 0, 62.5, now, before)
    }

    #[test]
    fn a_run_is_a_set_of_gauges() {
        insta::assert_snapshot!(metrics(0, ""), @r#"
        # HELP houston_onboard_run_info The latest command and its run.
        # TYPE houston_onboard_run_info gauge
        houston_onboard_run_info{command="apply",version="0.1.0",run="20261123T154500Z-k3f9",target="https://a\"b\\c d"} 1
        # HELP houston_onboard_exit_status Exit status of the latest command.
        # TYPE houston_onboard_exit_status gauge
        houston_onboard_exit_status 0
        # HELP houston_onboard_duration_seconds How long the latest command took.
        # TYPE houston_onboard_duration_seconds gauge
        houston_onboard_duration_seconds 62.5
        # HELP houston_onboard_last_run_timestamp_seconds When the latest command ended.
        # TYPE houston_onboard_last_run_timestamp_seconds gauge
        houston_onboard_last_run_timestamp_seconds 1795449600
        # HELP houston_onboard_rows Rows of the latest run by status.
        # TYPE houston_onboard_rows gauge
        houston_onboard_rows{status="added"} 1
        houston_onboard_rows{status="invited"} 1
        houston_onboard_rows{status="unchanged"} 1
        houston_onboard_rows{status="already_invited"} 1
        houston_onboard_rows{status="role_updated"} 1
        houston_onboard_rows{status="role_kept"} 1
        houston_onboard_rows{status="removed"} 1
        houston_onboard_rows{status="rejected"} 1
        houston_onboard_rows{status="gave_up"} 1
        houston_onboard_rows{status="in_doubt"} 1
        houston_onboard_rows{status="not_run"} 1
        houston_onboard_rows{status="invalid"} 1
        houston_onboard_rows{status="merged"} 1
        # HELP houston_onboard_requests Requests of the latest run.
        # TYPE houston_onboard_requests gauge
        houston_onboard_requests 37
        # HELP houston_onboard_retries Requests of the latest run that were sent again.
        # TYPE houston_onboard_retries gauge
        houston_onboard_retries 0
        # HELP houston_onboard_last_success_timestamp_seconds When apply or resume last succeeded.
        # TYPE houston_onboard_last_success_timestamp_seconds gauge
        houston_onboard_last_success_timestamp_seconds 1795449600
        "#);
    }

    #[test]
    fn a_failure_keeps_the_time_of_the_last_success() {
        let good = metrics(0, "");
        let bad = metrics(6, &good);
        let line = format!("{LAST_SUCCESS} 1795449600");
        assert!(good.lines().any(|found| found == line) && bad.lines().any(|found| found == line), "{bad}");
        assert!(bad.contains("houston_onboard_exit_status 6\n"), "{bad}");
        assert_eq!(metrics(6, &bad), bad, "also over several failures");
        for broken in ["", "NaN", "soon", "1e99", "-5", "99999999999999", "1795540000"] {
            assert!(!metrics(6, &format!("{LAST_SUCCESS} {broken}")).contains(LAST_SUCCESS), "{broken}");
        }
    }

    #[test]
    fn a_plan_keeps_the_time_of_the_last_success() {
        let ended =
            |command| CommandSummary { command, exit_status: 0, error: None, facts: Facts::default() };
        let now = Timestamp::from_second(1_795_536_000).expect("a time");
        let (good, plan) = (metrics(0, ""), ended(CommandName::Plan));
        assert!(text(&plan, true, 1.0, now, &good).contains(&format!("{LAST_SUCCESS} 1795449600\n")));
        assert!(!text(&plan, true, 1.0, now, "").contains(LAST_SUCCESS));
    }
}
