//! `--config FILE`: settings from a TOML file, as the defaults of the flags of the same names. So
//! a flag wins over the environment, and both win over the file.
//!
//! Main function: [`apply`].

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Arg, Command};

/// The environment's way to name the file.
pub const VARIABLE: &str = "HOUSTON_ONBOARD_CONFIG";

/// The command line with the defaults of the file that these arguments, or the environment, name.
pub fn apply(command: Command, arguments: &[OsString]) -> anyhow::Result<Command> {
    match named(arguments, std::env::var_os(VARIABLE)) {
        None => Ok(command),
        Some(path) => {
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read the settings in {}", path.display()))?;
            with_defaults(command, &text, &path)
        }
    }
}

/// The file that is named. It has to be known before the arguments can be parsed.
fn named(arguments: &[OsString], environment: Option<OsString>) -> Option<PathBuf> {
    let mut rest = arguments.iter().skip(1).take_while(|argument| *argument != "--");
    let mut found = environment.filter(|path| !path.is_empty());
    while let Some(argument) = rest.next() {
        if argument == "--config" {
            found = rest.next().cloned();
        } else if let Some(path) = argument.to_str().and_then(|text| text.strip_prefix("--config=")) {
            found = Some(OsStr::new(path).to_owned());
        }
    }
    found.map(PathBuf::from)
}

fn with_defaults(mut command: Command, text: &str, path: &Path) -> anyhow::Result<Command> {
    let settings: toml::Table =
        text.parse().with_context(|| format!("the settings in {} are not TOML", path.display()))?;
    for (name, value) in settings {
        let values = values(&value).with_context(|| format!("{}: {name}", path.display()))?;
        let is_it = |argument: &&Arg| argument.get_long() == Some(name.as_str());
        let mut known = false;
        let own = command.get_arguments().find(is_it).map(|argument| argument.get_id().clone());
        if let Some(id) = own {
            command = command.mut_arg(id, |argument| argument.default_values(strings(&values)));
            known = true;
        }
        let subcommands: Vec<(String, clap::Id)> = command
            .get_subcommands()
            .filter_map(|sub| {
                let argument = sub.get_arguments().find(is_it)?;
                Some((sub.get_name().to_owned(), argument.get_id().clone()))
            })
            .collect();
        for (sub, id) in subcommands {
            known = true;
            let values = strings(&values);
            command = command
                .mut_subcommand(sub, |sub| sub.mut_arg(id, |argument| argument.default_values(values)));
        }
        if !known || name == "config" {
            bail!(
                "{}: `{name}` is not a setting; the names are those of the flags, see --help",
                path.display()
            );
        }
    }
    Ok(command)
}

fn strings(values: &[String]) -> Vec<clap::builder::OsStr> {
    values.iter().map(|value| OsStr::new(value).to_owned().into()).collect()
}

/// A value as it would be typed.
fn values(value: &toml::Value) -> anyhow::Result<Vec<String>> {
    Ok(match value {
        toml::Value::String(text) => vec![text.clone()],
        toml::Value::Integer(number) => vec![number.to_string()],
        toml::Value::Float(number) => vec![number.to_string()],
        toml::Value::Boolean(switch) => vec![switch.to_string()],
        toml::Value::Array(items) => items.iter().map(values).collect::<anyhow::Result<Vec<_>>>()?.concat(),
        toml::Value::Datetime(_) | toml::Value::Table(_) => bail!("neither a text, a number nor a switch"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command as Sub};
    use clap::{CommandFactory, FromArgMatches};

    fn parse(file: &str, line: &str) -> anyhow::Result<Cli> {
        let command = with_defaults(Cli::command(), file, Path::new("onboard.toml"))?;
        let mut matches = command.try_get_matches_from(line.split(' '))?;
        Ok(Cli::from_arg_matches_mut(&mut matches)?)
    }

    #[test]
    fn a_file_gives_defaults_and_a_flag_wins() {
        let file = "concurrency = 4\nurl = 'https://a.example.com/v1'\nyes = true\ncolumn = ['email=Mail']\nprogress = 'none'";
        let cli = parse(file, "houston-onboard apply r.csv --concurrency 2").expect("parsed");
        let Sub::Apply(args) = cli.command else { panic!("apply") };
        assert_eq!(args.work.pace.concurrency, Some(2));
        assert_eq!(args.work.target.flags.url.as_deref(), Some("https://a.example.com/v1"));
        assert!(args.yes);
        assert_eq!(args.work.roster_args.column.len(), 1);
        assert_eq!(cli.global.progress, crate::report::terminal::ProgressMode::None);
    }

    #[test]
    fn a_typed_place_wins_over_the_one_in_the_file() {
        use crate::cli::target_args::Choice;
        let cli =
            parse("url = 'https://a.example.com/v1'", "houston-onboard plan r.csv --domain b.example.com")
                .expect("parsed");
        let Sub::Plan(args) = cli.command else { panic!("plan") };
        assert_eq!(args.work.target.choose().expect("one place"), Choice::Domain("b.example.com".to_owned()));
    }

    #[test]
    fn an_unknown_name_and_a_bad_value_are_refused() {
        for file in ["concurency = 4", "[table]\na = 1", "not toml", "config = 'x'"] {
            assert!(parse(file, "houston-onboard template").is_err(), "{file}");
        }
        for file in ["concurrency = 65", "rate = 'fast'", "timeout = '30'", "max-errors = 0"] {
            assert!(parse(file, "houston-onboard plan r.csv").is_err(), "{file}");
        }
    }

    #[test]
    fn the_file_is_found_before_anything_is_parsed() {
        let arguments = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        let path = |line: &str, env: Option<&str>| named(&arguments(line), env.map(OsString::from));
        assert_eq!(path("x plan r.csv --config a.toml", Some("e.toml")), Some("a.toml".into()));
        assert_eq!(path("x --config=a.toml plan", None), Some("a.toml".into()));
        assert_eq!(path("x plan", Some("e.toml")), Some("e.toml".into()));
        assert_eq!(path("x plan -- --config a.toml", Some("")), None);
    }
}
