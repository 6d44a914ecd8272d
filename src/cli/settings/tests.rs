//! Variables and keys, through the parser of the whole command line.

use clap::parser::ValueSource;
use proptest::prelude::*;

use super::*;
use crate::cli::Command as Sub;
use crate::ops::session::target::Choice;

/// What was parsed, with everything that was said: warnings, or the error and its hint.
fn parsed(
    line: &[&str],
    variables: &[(&str, &str)],
    file: Option<&str>,
) -> (Result<Cli, String>, Vec<String>) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut arguments: Vec<OsString> = ["houston-onboard"].iter().chain(line).map(OsString::from).collect();
    if let Some(text) = file {
        let path = folder.path().join("onboard.toml");
        std::fs::write(&path, text).expect("written");
        arguments.extend(["--config".into(), path.into()]);
    }
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let mut warnings = Vec::new();
    let environment = Environment::new(variables);
    let cli = parse(&arguments, &environment, &mut |warning| warnings.push(warning));
    let cli = cli.map_err(|refused| match refused {
        Refused::Typed(error) => error.to_string(),
        Refused::Setting(failure) => {
            assert_eq!(failure.status, ExitStatus::Usage);
            format!("{:#} {}", failure.error, failure.hint.unwrap_or_default())
        }
    });
    (cli, warnings)
}

fn plan(variables: &[(&str, &str)], file: Option<&str>) -> Result<crate::cli::plan::PlanArgs, String> {
    let Sub::Plan(args) = parsed(&["plan", "r.csv"], variables, file).0?.command else { panic!("plan") };
    Ok(*args)
}

/// `config show` takes the settings of all commands, and has its own test.
fn takes_settings(command: &clap::Command) -> bool {
    command.get_name() != "config" && !WITHOUT_SETTINGS.contains(&command.get_name())
}

/// Every command with the arguments that it needs, and its switches: name, and id.
fn switches() -> Vec<(Vec<String>, String, Id)> {
    let command = bare();
    let mut found = Vec::new();
    for sub in command.get_subcommands().filter(|sub| takes_settings(sub)) {
        let mut line = vec![sub.get_name().to_owned()];
        line.extend(sub.get_positionals().filter(|one| one.get_id() == "roster").map(|_| "r.csv".to_owned()));
        for argument in command.get_arguments().chain(sub.get_arguments()) {
            if let Some(flag) = argument.get_long().filter(|_| is_setting(argument) && is_switch(argument)) {
                found.push((line.clone(), flag.to_owned(), argument.get_id().clone()));
            }
        }
    }
    found
}

/// What a switch is after parsing: yes, no or not set; or the error.
fn outcome(line: &[String], id: &Id, variables: &[(String, String)]) -> Result<Option<bool>, String> {
    let arguments: Vec<OsString> =
        ["houston-onboard"].into_iter().chain(line.iter().map(String::as_str)).map(OsString::from).collect();
    let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    match matches(&arguments, &Environment::new(variables), &mut |_| ()) {
        Ok((matches, origins)) => {
            let sub = matches.subcommand().expect("a command").1;
            let is_set = sub.value_source(id.as_str()) == Some(ValueSource::DefaultValue)
                && origins != Origins::default();
            Ok(is_set.then(|| sub.get_flag(id.as_str())))
        }
        Err(Refused::Setting(failure)) => {
            assert_eq!(failure.status, ExitStatus::Usage);
            Err(failure.error.to_string())
        }
        Err(Refused::Typed(error)) => panic!("{error}"),
    }
}

#[test]
fn every_switch_is_found() {
    let all = switches();
    for flag in ["prune", "yes", "insecure", "update-roles", "quiet", "verbose", "skip-invalid", "dry-run"] {
        assert!(all.iter().any(|(_, known, _)| known == flag), "{flag}");
    }
    assert!(all.iter().all(|(_, flag, _)| !["all", "list", "detailed-exitcode"].contains(&flag.as_str())));
}

/// Whether what this value makes of a switch is what its text says.
fn holds(line: &[String], flag: &str, id: &Id, value: &str) -> Result<(), TestCaseError> {
    let name = variable(flag);
    let seen = outcome(line, id, &[(name.clone(), value.to_owned())]);
    match value.trim().to_lowercase().as_str() {
        "" => prop_assert_eq!(seen, Ok(None), "{} {:?}", flag, value),
        "true" | "yes" | "on" | "1" | "y" | "t" => prop_assert_eq!(seen, Ok(Some(true)), "{}", flag),
        "false" | "no" | "off" | "0" | "n" | "f" => prop_assert_eq!(seen, Ok(Some(false)), "{}", flag),
        _ => {
            let error = seen.expect_err("neither yes nor no");
            prop_assert!(error.starts_with(&format!("{name}: ")), "{}", error);
            prop_assert_eq!(escaped(&error), error.as_str());
        }
    }
    Ok(())
}

#[test]
fn every_switch_knows_the_same_words() {
    for (line, flag, id) in switches() {
        for value in ["Yes", " off\r\n", " \t", "\"false\"", "never"] {
            holds(&line, &flag, &id, value).unwrap_or_else(|error| panic!("{line:?} --{flag}: {error}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_switch_in_the_environment_is_yes_no_not_set_or_an_error_that_names_it(
        which in any::<prop::sample::Index>(),
        value in prop_oneof![
            "[ \t]{0,2}(?i:true|false|yes|no|on|off|1|0|y|n|t|f)[ \t\r\n]{0,2}",
            "[ \t\r\n]{0,3}",
            "['\"]?(?i:true|false|flase|none|null|never|[0-9.]{1,3})['\"]?",
            "[^\u{0}]{0,12}",
        ],
    ) {
        let all = switches();
        let (line, flag, id) = which.get(&all);
        holds(line, flag, id, &value)?;
    }
}

#[test]
fn a_switch_in_the_file_is_yes_or_no_or_an_error_with_its_position() {
    for (value, expected) in [
        ("true", true),
        ("1", true),
        ("' On '", true),
        ("'Y'", true),
        ("false", false),
        ("0", false),
        ("\"no\"", false),
    ] {
        let args = plan(&[], Some(&format!("prune = {value}"))).expect(value);
        assert_eq!(args.work.safety.prune.prune, expected, "{value}");
    }
    for value in
        ["'flase'", "2", "1.0", "0.0", "''", "' '", "[true]", "[]", "{a = 1}", "2026-01-01", "-1", "nan"]
    {
        let error = plan(&[], Some(&format!("rate = '5/s'\nprune = {value}"))).expect_err(value);
        assert!(error.contains("onboard.toml:2:1: prune: "), "{error}");
    }
    // Whatever the command.
    let (refused, _) = parsed(&["template"], &[], Some("quiet = 'later'"));
    assert!(refused.expect_err("refused").contains("onboard.toml:1:1: quiet: `later` is neither yes nor no"));
}

#[test]
fn an_empty_variable_is_not_set() {
    let command = bare();
    for sub in command.get_subcommands().filter(|sub| takes_settings(sub)) {
        for argument in command.get_arguments().chain(sub.get_arguments()) {
            let Some(flag) = argument.get_long().filter(|_| is_setting(argument)) else { continue };
            for empty in ["", "\r\n"] {
                let roster = sub.get_positionals().any(|one| one.get_id() == "roster");
                let line = [&[sub.get_name()][..], if roster { &["r.csv"] } else { &[] }].concat();
                let (cli, warnings) = parsed(&line, &[(&variable(flag), empty)], None);
                let cli = cli.unwrap_or_else(|error| panic!("{flag}: {error}"));
                assert!(
                    cli.global.origins == Origins::default() && warnings.is_empty(),
                    "{flag} {warnings:?}"
                );
            }
        }
    }
}

#[test]
fn a_bad_value_is_reported_by_variable_or_position_and_a_typed_flag_by_its_name() {
    for (name, value, says) in [
        ("RATE", "quick", "HOUSTON_ONBOARD_RATE: `quick` is not a valid value: "),
        ("CONCURRENCY", "65", "must be from 1 to 64"),
        ("PROGRESS", "loud", "HOUSTON_ONBOARD_PROGRESS: `loud` is not a valid value: expected one of auto"),
        ("ON_CONFLICT", "first", "highest, last"),
        ("TIMEOUT", "30", "the unit is missing"),
        ("ONLY", "a", "HOUSTON_ONBOARD_ONLY: "),
        ("COLUMN", "\u{1b}[2J", "HOUSTON_ONBOARD_COLUMN: `\\u{1b}[2J`"),
    ] {
        let error = plan(&[(&variable(name), value)], None).expect_err(name);
        assert!(error.contains(says), "{error}");
    }
    for (file, says) in [
        ("\nconcurrency = 65", "onboard.toml:2:1: concurrency: `65` is not a valid value: "),
        ("concurrency = 4.0", "concurrency: `4.0` is not a valid value"),
        ("rate = ['5/s', '6/s']", "onboard.toml:1:1: rate: expected one value, not a list"),
        ("only = [[1]]", "onboard.toml:1:1: only: expected a text"),
        ("ca-file = ''", "ca-file: "),
    ] {
        let error = plan(&[], Some(file)).expect_err(file);
        assert!(error.contains(says), "{error}");
    }
    let (refused, _) = parsed(&["plan", "r.csv", "--rate", "quick"], &[(&variable("rate"), "slow")], None);
    let error = refused.expect_err("refused");
    assert!(error.contains("--rate") && !error.contains("HOUSTON_ONBOARD"), "{error}");
}

#[test]
fn a_typed_flag_beats_a_variable_which_beats_the_file() {
    let file = Some(
        "concurrency = 4\nurl = 'https://a.example.com/v1'\nyes = true\ncolumn = ['email=Mail', 'role=Job']\nprogress = 'none'",
    );
    let (cli, _) = parsed(&["apply", "r.csv", "--concurrency", "2"], &[("HOUSTON_ONBOARD_YES", "no")], file);
    let cli = cli.expect("parsed");
    assert_eq!(cli.global.progress, crate::report::terminal::ProgressMode::None);
    let Sub::Apply(args) = cli.command else { panic!("apply") };
    assert_eq!((args.work.pace.concurrency, args.yes), (Some(2), false));
    assert_eq!(args.work.target.flags.url.as_deref(), Some("https://a.example.com/v1"));
    assert_eq!(args.work.roster_args.column.len(), 2);
    assert_eq!(cli.global.origins.get("yes"), Some(&Origin::Variable("HOUSTON_ONBOARD_YES".to_owned())));
    assert!(matches!(cli.global.origins.get("url"), Some(Origin::Key { at, .. }) if at.line == 2));
    assert_eq!(cli.global.origins.get("concurrency"), None);
    // A typed flag does not make a bad value good; a variable of another command does not matter.
    let typed = ["plan", "r.csv", "--rate", "5/s", "--prune", "--progress", "none"];
    for (name, value) in [("RATE", "quick"), ("PRUNE", "flase"), ("PROGRESS", "loud")] {
        let error = parsed(&typed, &[(&variable(name), value)], None).0.expect_err(name);
        assert!(error.starts_with(&format!("HOUSTON_ONBOARD_{name}: ")), "{error}");
    }
    assert!(parsed(&typed, &[("HOUSTON_ONBOARD_PORT", "tcp://10.0.0.1:443")], None).0.is_ok());
}

#[test]
fn the_nearest_target_holds_wherever_it_is_set() {
    let domain =
        |args: crate::cli::plan::PlanArgs| args.work.target.choose().map_err(|error| error.to_string());
    let url = Some("url = 'https://a.example.com/v1'");
    let variable = [("HOUSTON_ONBOARD_DOMAIN", "b.example.com")];
    assert_eq!(domain(plan(&variable, url).expect("parsed")), Ok(Choice::Domain("b.example.com".to_owned())));
    let both = [("HOUSTON_ONBOARD_DOMAIN", "b.example.com"), ("HOUSTON_ONBOARD_CONTEXT", "c.example.com")];
    assert!(domain(plan(&both, url).expect("parsed")).is_err());
    let (cli, _) = parsed(&["plan", "r.csv", "--domain", "t.example.com"], &both[1..], url);
    let Sub::Plan(args) = cli.expect("parsed").command else { panic!("plan") };
    assert_eq!(domain(*args), Ok(Choice::Domain("t.example.com".to_owned())));
}

#[test]
fn the_nearer_of_quiet_and_verbose_holds() {
    let voice = |line: &[&str], variables: &[(&str, &str)], file| {
        parsed(line, variables, file).0.map(|cli| (cli.global.quiet, cli.global.verbose))
    };
    let quiet = [("HOUSTON_ONBOARD_QUIET", "yes")];
    assert_eq!(voice(&["template", "-v"], &quiet, None), Ok((false, true)));
    assert_eq!(voice(&["-v", "template"], &[("HOUSTON_ONBOARD_QUIET", "no")], None), Ok((false, true)));
    assert_eq!(voice(&["template"], &quiet, Some("verbose = true")), Ok((true, false)));
    assert!(voice(&["template"], &[quiet[0], ("HOUSTON_ONBOARD_VERBOSE", "1")], None).is_err());
    assert!(voice(&["template", "-q", "-v"], &[], None).is_err());
}

#[test]
fn an_unknown_key_is_an_error_that_gives_the_nearest_name() {
    for (file, says) in [
        ("concurency = 4", "onboard.toml:1:1: `concurency` is not a setting; did you mean `concurrency`?"),
        ("max_remove = 4", "did you mean `max-remove`?"),
        ("HOUSTON_ONBOARD_RATE = '5/s'", "did you mean `rate`?"),
        ("[table]\na = 1", "`table` is not a setting: the only tables are those of targets"),
        ("[targets.x]\nurll = 'a'", "onboard.toml:2:1: `urll` is not a setting; did you mean `url`?"),
        ("[targets.x]\nrate = 'quick'", "onboard.toml:2:1: rate: `quick` is not a valid value"),
        ("[targets.x]\ntarget = 'y'", "onboard.toml:2:1: `target` cannot be set for a target"),
        ("[targets.x]\nconfig = 'y'", "onboard.toml:2:1: `config` cannot be set in a file"),
        ("[targets.x]\n[targets.x.y]\na = 1", "onboard.toml:2:12: `y` is not a setting"),
        ("targets = 'x'", "onboard.toml:1:11: expected a table of targets"),
        ("config = 'x'", "`config` cannot be set in a file"),
        ("HOUSTON_API_TOKEN = 'hush'", "must not contain a token"),
        ("api_token = 'hush'", "must not contain a token"),
        ("\"\\u001b[31m\" = 1", "`\\u{1b}[31m` is not a setting"),
    ] {
        let error = plan(&[], Some(file)).expect_err(file);
        assert!(error.contains(says) && !error.contains("hush"), "{error}");
    }
}

#[test]
fn a_flag_of_one_call_has_neither_variable_nor_key() {
    let (cli, warnings) =
        parsed(&["plan", "r.csv"], &[("HOUSTON_ONBOARD_FORMAT", "json")], Some("out = 'p.json'\nall = true"));
    let Sub::Plan(args) = cli.expect("parsed").command else { panic!("plan") };
    assert!(args.out.is_none() && !args.show.all);
    assert_eq!(args.show.format, crate::report::plan::PlanFormat::Human);
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(warnings[0].starts_with("HOUSTON_ONBOARD_FORMAT is ignored: pass --format "), "{warnings:?}");
    assert!(warnings[1].ends_with("onboard.toml:1:1: `out` is ignored: pass --out on the command line"));
}

#[test]
fn a_section_of_the_file_is_an_error_whatever_it_is_called() {
    for file in ["[plan]\nprune = true", "[all]", "plan.prune = true", "[apply]\nrate = '5/s'"] {
        let error = plan(&[], Some(file)).expect_err(file);
        assert!(error.contains("onboard.toml:1:") && error.contains("[targets.NAME]"), "{file}: {error}");
    }
}

#[test]
fn blanks_around_a_value_are_dropped_where_the_flag_does_not_take_them() {
    for (name, value) in
        [("CONCURRENCY", " 8"), ("LIMIT", " 1 \n"), ("RATE", "\t10/s "), ("ON_GUARD", " stop ")]
    {
        let name = format!("HOUSTON_ONBOARD_{name}");
        assert!(plan(&[(&name, value)], None).is_ok(), "{name}={value:?}");
    }
    let args = plan(&[], Some("limit = ' 7 '")).expect("parsed");
    assert_eq!(args.work.roster_args.limit, Some(7));
    let tab = plan(&[("HOUSTON_ONBOARD_DELIMITER", "\t")], None).expect("parsed");
    assert_eq!(tab.work.roster_args.delimiter, Some(b'\t'));
    let map = plan(&[("HOUSTON_ONBOARD_WORKSPACE_MAP", "m.csv ")], None).expect("parsed");
    assert_eq!(map.work.roster_args.workspace_map, Some("m.csv ".into()));
    for bad in [" ", " 1 1 ", "x "] {
        let error = plan(&[("HOUSTON_ONBOARD_LIMIT", bad)], None).expect_err(bad);
        assert!(error.starts_with(&format!("HOUSTON_ONBOARD_LIMIT: `{bad}` is ")), "{error}");
    }
}

const TARGETS: &str = "rate = '5/s'\nurl = 'https://usual.example.com/v1'\nconcurrency = 2\n\
    [targets.prod]\ndomain = 'prod.example.com'\nrate = '9/s'\nprotect = ['a@x', 'b@x']\n\
    [targets.test]\ncontext = 'test.example.com'\n";

#[test]
fn a_target_overrides_the_top_of_the_file_and_is_overridden_by_variables_and_flags() {
    let plan = |line: &[&str], variables: &[(&str, &str)]| {
        let (cli, warnings) = parsed(&[&["plan", "r.csv"], line].concat(), variables, Some(TARGETS));
        let Sub::Plan(args) = cli.expect("parsed").command else { panic!("plan") };
        let choice = args.work.target.choose().expect("one target");
        (choice, args.work.pace.rate, args.work.safety.prune.limits.protect.len(), warnings)
    };
    let domain = |name: &str| Choice::Domain(name.to_owned());
    let url = |name: &str| Choice::Url(format!("https://{name}.example.com/v1"));
    let rate = |text: &str| text.parse().ok();
    assert_eq!(plan(&[], &[]), (url("usual"), rate("5/s"), 0, vec![]));
    assert_eq!(plan(&["--target", "prod"], &[]), (domain("prod.example.com"), rate("9/s"), 2, vec![]));
    let chosen = ("HOUSTON_ONBOARD_TARGET", "prod");
    let typed = ["--url", "https://typed.example.com/v1", "--rate", "1/s"];
    assert_eq!(plan(&typed, &[chosen]), (url("typed"), rate("1/s"), 2, vec![]));
    let (choice, _, _, warnings) =
        plan(&["--target", "prod"], &[("HOUSTON_ONBOARD_URL", "https://variable.example.com/v1")]);
    assert_eq!(choice, url("variable"));
    assert_eq!(
        warnings,
        ["HOUSTON_ONBOARD_URL overrides `domain` of the target `prod`; unset it, or pass --url"]
    );
    // A command without a target has the other settings.
    let (cli, warnings) = parsed(&["report", "--target", "prod"], &[], Some(TARGETS));
    assert!(cli.is_ok() && warnings.is_empty(), "{cli:?} {warnings:?}");
}

#[test]
fn the_key_target_chooses_a_target_and_an_unknown_one_is_refused_with_the_nearest_name() {
    let file = format!("target = 'test'\n{TARGETS}");
    let args = plan(&[], Some(&file)).expect("parsed");
    assert_eq!(args.work.target.choose().expect("a target"), Choice::Context("test.example.com".to_owned()));
    for (line, variables, file, says) in [
        (
            &["--target", "prdo"][..],
            &[][..],
            Some(TARGETS),
            "--target: no target `prdo` in the file; did you mean `prod`?",
        ),
        (
            &["--target", "x\u{1b}"],
            &[],
            Some(TARGETS),
            "no target `x\\u{1b}` in the file it has these: prod, test",
        ),
        (
            &[],
            &[("HOUSTON_ONBOARD_TARGET", "tset")],
            Some(TARGETS),
            "HOUSTON_ONBOARD_TARGET: no target `tset` in the file; did you mean `test`?",
        ),
        (&[], &[], Some("target = 'x'"), "onboard.toml:1:1: target: the file has no targets"),
        (&["--target", "prod"], &[], None, "--target: there is no settings file with a target `prod`"),
    ] {
        let error = parsed(&[&["plan", "r.csv"], line].concat(), variables, file).0.expect_err(says);
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn config_show_has_every_setting_with_its_source() {
    let all = bare();
    let line = ["config", "show", "--target", "prod", "--rate", "1/s", "--prune"];
    let (cli, _) = parsed(&line, &[("HOUSTON_ONBOARD_YES", "on")], Some(TARGETS));
    let Sub::Config(args) = cli.expect("parsed").command else { panic!("config") };
    let crate::cli::config::ConfigAction::Show(show) = args.action;
    for argument in all.get_arguments().chain(all.get_subcommands().flat_map(clap::Command::get_arguments)) {
        let name = argument.get_long().filter(|_| is_setting(argument));
        let count = |name: &str| show.settings.iter().filter(|setting| setting.name == name).count();
        assert!(name.is_none_or(|name| count(name) == 1), "{argument}");
    }
    let of = |name: &str| {
        let setting = show.settings.iter().find(|setting| setting.name == name).expect(name);
        let source = match &setting.source {
            Source::Flag => "flag".to_owned(),
            Source::Default => "default".to_owned(),
            Source::Origin(Origin::Variable(name)) => name.clone(),
            Source::Origin(Origin::Key { target, at, .. }) => format!("{target:?} {}:{}", at.line, at.column),
        };
        (setting.value.clone(), source)
    };
    let one = |text: &str| Value::One(text.to_owned());
    assert_eq!(of("rate"), (one("1/s"), "flag".to_owned()));
    assert_eq!(of("prune"), (Value::Switch(true), "flag".to_owned()));
    assert_eq!(of("yes"), (Value::Switch(true), "HOUSTON_ONBOARD_YES".to_owned()));
    assert_eq!(of("concurrency"), (one("2"), "None 3:1".to_owned()));
    assert_eq!(of("domain"), (one("prod.example.com"), "Some(\"prod\") 5:1".to_owned()));
    assert_eq!(of("protect").0, Value::Many(vec!["a@x".to_owned(), "b@x".to_owned()]));
    assert_eq!(of("retries"), (one("4"), "default".to_owned()));
    assert_eq!(of("runs-dir"), (one("onboard-runs"), "default".to_owned()));
    assert_eq!(of("limit"), (Value::Unset, "default".to_owned()));
    assert_eq!(of("config").1, "flag");
}

#[test]
fn commands_without_settings_work_whatever_is_set() {
    let bad = [("HOUSTON_ONBOARD_CONFIG", "none.toml"), ("HOUSTON_ONBOARD_COLOR", "loud")];
    for command in WITHOUT_SETTINGS {
        let line = if command == "completions" { vec![command, "bash"] } else { vec![command] };
        let (cli, warnings) = parsed(&line, &bad, None);
        assert!(cli.is_ok() && warnings.is_empty(), "{cli:?} {warnings:?}");
    }
}

#[test]
fn the_settings_file_is_the_one_of_the_flag_or_of_the_variable() {
    let variable = [("HOUSTON_ONBOARD_CONFIG", "no such file.toml")];
    let error = parsed(&["template"], &variable, None).0.expect_err("no such file");
    assert!(
        error.starts_with("HOUSTON_ONBOARD_CONFIG: cannot read the settings in no such file.toml"),
        "{error}"
    );
    assert!(parsed(&["template"], &variable, Some("quiet = true")).0.expect("parsed").global.quiet);
    let (refused, _) = parsed(&["plan", "--", "--config"], &variable, None);
    assert!(refused.expect_err("the variable").starts_with("HOUSTON_ONBOARD_CONFIG"));
}

#[test]
fn apply_refuses_a_variable_that_leads_elsewhere_than_the_target_that_was_typed() {
    let apply = |line: &[&str], variables: &[(&str, &str)]| {
        let line = [&["apply", "r.csv", "--yes"], line].concat();
        parsed(&line, variables, Some(TARGETS)).0.map(drop)
    };
    let target = ["--target", "prod"];
    for (name, value) in [
        ("HOUSTON_ONBOARD_URL", "https://houston.old.example.com/v1"),
        ("HOUSTON_ONBOARD_DOMAIN", "old.example.com"),
        ("HOUSTON_ONBOARD_CONTEXT", "no.such.login.example.com"),
    ] {
        let error = apply(&target, &[(name, value)]).expect_err(name);
        let says = format!("{name} and --target prod name different servers; nothing was sent");
        assert!(
            error.starts_with(&says) && error.ends_with(&format!("unset {name}, or drop --target")),
            "{error}"
        );
        assert!(apply(&[], &[(name, value), ("HOUSTON_ONBOARD_TARGET", "prod")]).is_ok(), "not typed");
        let line = ["plan", "r.csv", "--target", "prod"];
        let (plan, warnings) = parsed(&line, &[(name, value)], Some(TARGETS));
        assert!(plan.is_ok() && warnings.len() == 1, "{warnings:?}");
        assert!(apply(&["--target", "prod", "--domain", "x.example.com"], &[(name, value)]).is_ok());
    }
    for same in ["https://houston.prod.example.com/v1", "https://HOUSTON.prod.example.com:443/v1/"] {
        assert!(apply(&target, &[("HOUSTON_ONBOARD_URL", same)]).is_ok(), "{same}");
    }
    assert!(apply(&target, &[("HOUSTON_ONBOARD_DOMAIN", "prod.example.com")]).is_ok());
    if cfg!(feature = "sandbox") {
        assert!(apply(&target, &[("HOUSTON_ONBOARD_SANDBOX", "no")]).is_ok());
        assert!(apply(&target, &[("HOUSTON_ONBOARD_SANDBOX", "yes")]).is_err());
    }
}

#[test]
fn a_missing_target_names_those_of_the_file_and_an_unused_variable_is_not_mentioned() {
    let targets = "[targets.old]\nrate = '5/s'\n[targets.new]\nrate = '6/s'\n";
    let error = plan(&[], Some(targets)).expect("parsed").work.target.choose().unwrap_err().to_string();
    assert!(
        error.ends_with("onboard.toml has: new, old)") || error.ends_with("onboard.toml has: old, new)"),
        "{error}"
    );
    assert!(error.contains(", or --target ("), "{error}");
    let typed = ["plan", "r.csv", "--domain", "x.example.com", "--target", "old"];
    let variable =
        [("HOUSTON_ONBOARD_URL", "https://y.example.com/v1"), ("HOUSTON_ONBOARD_CA_FILE", "c.pem")];
    let cli = parsed(&typed, &variable, Some(targets)).0.expect("parsed");
    let notes = cli.global.origins.notes(&["url", "domain", "ca-file"]);
    assert_eq!(notes, ["--ca-file is set by HOUSTON_ONBOARD_CA_FILE"]);
}
