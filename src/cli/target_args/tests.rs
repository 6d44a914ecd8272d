//! The flags, as typed, as found in the environment and as read from a file.

use crate::houston::Speed;
use clap::Parser;

use std::num::NonZeroU32;

use super::*;
use crate::engine;

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    pace: PaceArgs,
}

fn line(flags: &[&str]) -> Line {
    Line::try_parse_from([&["test"], flags].concat()).unwrap()
}

fn refused(flags: &[&str]) -> String {
    Line::try_parse_from([&["test"], flags].concat()).unwrap_err().to_string()
}

#[test]
fn exactly_one_target_must_be_given() {
    let choose = |flags: &[&str]| line(flags).target.choose().map_err(|error| error.to_string());
    assert_eq!(choose(&["--url", "u"]), Ok(Choice::Url("u".into())));
    assert_eq!(choose(&["--domain", "d"]), Ok(Choice::Domain("d".into())));
    assert_eq!(choose(&["--context", "c"]), Ok(Choice::Context("c".into())));
    assert!(choose(&[]).unwrap_err().starts_with("no target given; pass one of --url, --domain"));
    assert!(choose(&["--url", ""]).is_err());
    assert_eq!(
        choose(&["--url", "u", "--domain", "d"]).unwrap_err(),
        "--url conflicts with --domain; give one"
    );
}

#[test]
fn a_typed_flag_beats_the_environment() {
    let mut args = line(&["--domain", "typed"]).target;
    args.flags.url = Some("of the environment".into());
    args.sources[0] = Some(ValueSource::EnvVariable);
    assert_eq!(args.choose().unwrap(), Choice::Domain("typed".into()));
    let mut args = line(&[]).target;
    args.flags.url = Some("u".into());
    args.flags.context = Some("c".into());
    args.sources[0] = Some(ValueSource::EnvVariable);
    args.sources[2] = Some(ValueSource::EnvVariable);
    assert!(matches!(args.choose(), Err(TargetArgsError::Two("--url", "--context"))));
}

#[cfg(feature = "sandbox")]
#[test]
fn flags_of_the_sandbox_require_it() {
    let args =
        line(&["--sandbox", "--sandbox-profile", "2.1", "--faults", "timeout=2%", "--seed", "7"]).target;
    let expected = SandboxChoice {
        state: None,
        profile: Some("2.1".into()),
        faults: Some("timeout=2%".into()),
        seed: Some(7),
    };
    let choice = args.choose().unwrap();
    assert_eq!(choice, Choice::Sandbox(expected));
    assert!(args.settings().unwrap().resolve().unwrap().is_none());
    let args = line(&["--url", "u", "--seed", "7"]).target;
    assert_eq!(args.choose().unwrap_err().to_string(), "--seed requires --sandbox");
    let args = line(&["--url", "u", "--sandbox"]).target;
    assert_eq!(args.choose().unwrap_err().to_string(), "--url conflicts with --sandbox; give one");
    let args = line(&["--sandbox", "--insecure"]).target;
    assert_eq!(args.choose().unwrap_err().to_string(), "--insecure cannot be used with --sandbox");
}

#[test]
fn the_pace_has_its_defaults_and_the_sandbox_has_no_rate_limit() {
    let pace = line(&[]).pace.resolve(false).unwrap();
    assert_eq!(pace.concurrency, 8);
    assert_eq!(pace.speed, Speed::Auto);
    assert_eq!((pace.retries, pace.timeout.as_secs(), pace.settle.as_secs()), (4, 30, 10));
    assert_eq!((pace.max_wait.as_secs(), pace.grace.as_secs(), pace.max_duration), (300, 20, None));
    assert_eq!(pace.max_errors, engine::MaxErrors::InARow(20));
    assert_eq!(line(&[]).pace.resolve(true).unwrap().speed, Speed::Unlimited);
    assert_eq!(line(&["--rate", "5/s"]).pace.resolve(true).unwrap().speed, "5/s".parse().unwrap());
    assert_eq!(line(&["--rate", "none"]).pace.resolve(false).unwrap().speed, Speed::Unlimited);
    let http = line(&["--url", "u", "--insecure"]).target.settings().unwrap().http(&pace);
    assert_eq!((http.concurrency, http.timeout, http.insecure), (8, pace.timeout, true));
}

#[test]
fn errors_are_counted_in_rows_or_per_cent() {
    assert_eq!("5%".parse(), Ok(MaxErrors::PerCent(5)));
    assert_eq!("3".parse(), Ok(MaxErrors::InARow(NonZeroU32::new(3).unwrap())));
    for bad in ["", "0", "0%", "101%", "-1", "many", "%"] {
        assert!(bad.parse::<MaxErrors>().is_err(), "{bad}");
    }
}

#[test]
fn what_is_out_of_range_is_refused_by_the_parser() {
    for flags in [
        ["--concurrency", "0"],
        ["--concurrency", "65"],
        ["--timeout", "30"],
        ["--timeout", "0s"],
        ["--rate", "20"],
    ] {
        assert!(refused(&flags).contains("invalid value"), "{flags:?}");
    }
    assert!(refused(&["--timeout", "30"]).contains("the unit is missing: 30s, 30m or 30h"));
}

#[test]
fn every_flag_has_a_heading() {
    use clap::CommandFactory;
    for argument in Line::command().get_arguments() {
        assert!(argument.get_long().is_none() || argument.get_help_heading().is_some(), "{argument}");
    }
}
