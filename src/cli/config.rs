//! `config show`: name, value and source of every setting.
//!
//! Main type: [`ConfigArgs`]. A token is never shown, only where it comes from.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Args, Subcommand};
use serde::Serialize;
use url::Url;

use super::format::Format;
use super::settings::{Setting, Source, Value};
use super::{print, print_data};
use crate::houston::TOKEN_VARIABLE;
use crate::model::printable;
use crate::ops::failure::Failure;
use crate::ops::session::target::is_a_token;
use crate::outcome::ExitStatus;

/// Show the settings
#[derive(Debug, Clone, Args)]
#[command(disable_help_subcommand = true, arg_required_else_help = true)]
pub struct ConfigArgs {
    /// What to do
    #[command(subcommand)]
    pub action: ConfigAction,
}

/// What `config` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigAction {
    /// Print every setting, its value and where the value comes from
    ///
    /// Takes the settings of all commands: pass the same flags as to another command, and see what they
    /// lead to.
    Show(ShowArgs),
}

/// Flags of `config show`.
#[derive(Debug, Clone, Args)]
pub struct ShowArgs {
    /// Format of the list
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub format: Format,

    /// The settings
    #[arg(skip)]
    pub settings: Vec<Setting>,
}

/// The list for programs.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Document {
    schema_version: u32,
    settings: Vec<Line>,
}

/// A line of the list.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct Line {
    name: String,
    value: Value,
    #[serde(flatten)]
    source: ShownSource,
}

/// Where a value comes from, for programs.
#[derive(Debug, Serialize)]
#[serde(tag = "source", rename_all = "snake_case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
enum ShownSource {
    Flag,
    Variable {
        variable: String,
    },
    File {
        at: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        target: Option<String>,
    },
    /// The login of the `astro` CLI that `context` names.
    Login,
    Default,
}

/// Prints the settings.
///
/// # Errors
/// Standard output cannot be written (1).
pub fn run(args: &ConfigArgs) -> Result<ExitStatus, Failure> {
    let ConfigAction::Show(show) = &args.action;
    let token_is_set = std::env::var_os(TOKEN_VARIABLE).is_some_and(|token| !token.is_empty());
    let lines = lines(&show.settings, token_is_set);
    match show.format {
        Format::Human => print(&table(&lines))?,
        Format::Json => {
            let document = serde_json::to_string_pretty(&Document { schema_version: 1, settings: lines })
                .map_err(|error| Failure::new(ExitStatus::Internal, error))?;
            print_data(&(document + "\n"))?;
        }
    }
    Ok(ExitStatus::Done)
}

fn lines(settings: &[Setting], token_is_set: bool) -> Vec<Line> {
    let line = |setting: &Setting| Line {
        name: setting.name.clone(),
        value: without_secret(setting),
        source: source(&setting.source),
    };
    let mut lines: Vec<Line> = settings.iter().map(line).collect();
    lines.insert(0, token(settings, token_is_set));
    lines
}

/// The token, by where it comes from: a token file overrides the variable, which overrides the login.
fn token(settings: &[Setting], is_set: bool) -> Line {
    let of = |name: &str| settings.iter().find(|one| one.name == name && one.value != Value::Unset);
    let (value, source) = match (of("token-file"), of("context")) {
        (Some(file), _) => ("set by token-file".to_owned(), source(&file.source)),
        (None, _) if is_set => (
            format!("set by {TOKEN_VARIABLE}"),
            ShownSource::Variable { variable: TOKEN_VARIABLE.to_owned() },
        ),
        (None, Some(_)) => ("set by the login of context".to_owned(), ShownSource::Login),
        (None, None) => {
            return Line { name: "token".to_owned(), value: Value::Unset, source: ShownSource::Default };
        }
    };
    Line { name: "token".to_owned(), value: Value::One(value), source }
}

fn source(source: &Source) -> ShownSource {
    use super::settings::Origin;
    match source {
        Source::Flag => ShownSource::Flag,
        Source::Origin(Origin::Variable(variable)) => ShownSource::Variable { variable: variable.clone() },
        Source::Origin(Origin::Key { target, at, .. }) => {
            ShownSource::File { at: at.to_string(), target: target.clone() }
        }
        Source::Default => ShownSource::Default,
    }
}

/// The value, unless it holds a password or is a token that was passed by mistake.
fn without_secret(setting: &Setting) -> Value {
    let is_secret = |text: &str| {
        is_a_token(Path::new(text))
            || Url::parse(text).is_ok_and(|url| url.password().is_some() || !url.username().is_empty())
    };
    match &setting.value {
        Value::One(text) if is_secret(text) => Value::One("(hidden: it looks like a secret)".to_owned()),
        value @ (Value::Unset | Value::Switch(_) | Value::One(_) | Value::Many(_)) => value.clone(),
    }
}

fn table(lines: &[Line]) -> String {
    let value = |line: &Line| match &line.value {
        Value::Unset => "-".to_owned(),
        Value::Switch(on) => on.to_string(),
        Value::One(text) => printable(text).into_owned(),
        Value::Many(texts) if texts.is_empty() => "-".to_owned(),
        Value::Many(texts) => printable(&texts.join(", ")).into_owned(),
    };
    let from = |line: &Line| match &line.source {
        ShownSource::Flag => "flag".to_owned(),
        ShownSource::Variable { variable } => variable.clone(),
        ShownSource::File { at, target: None } => printable(at).into_owned(),
        ShownSource::File { at, target: Some(target) } => {
            printable(&format!("{at} (target {target})")).into_owned()
        }
        ShownSource::Login => "login of the astro CLI".to_owned(),
        ShownSource::Default => "default".to_owned(),
    };
    let rows: Vec<[String; 3]> =
        lines.iter().map(|line| [line.name.clone(), value(line), from(line)]).collect();
    let width = |column: usize| {
        rows.iter().map(|row| unicode_width::UnicodeWidthStr::width(row[column].as_str())).max().unwrap_or(0)
    };
    let (names, values) = (width(0), width(1).min(40));
    rows.iter().fold(String::new(), |mut text, [name, value, from]| {
        let gap = values.saturating_sub(unicode_width::UnicodeWidthStr::width(value.as_str()));
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{name:names$}  {value}{:gap$}  {from}", "");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(name: &str, value: &str) -> Setting {
        Setting { name: name.to_owned(), value: Value::One(value.to_owned()), source: Source::Flag }
    }

    #[test]
    fn no_secret_is_shown() {
        for (value, is_shown) in [
            ("https://houston.example.com/v1", true),
            ("https://ann:hush@houston.example.com/v1", false),
            ("5a0db0c5000000000000000000000001", false),
            ("token.txt", true),
        ] {
            let lines = lines(&[setting("token-file", value)], false);
            assert_eq!(table(&lines).contains(value), is_shown, "{value}");
        }
    }

    #[test]
    fn the_token_is_described_by_where_it_comes_from() {
        let value = |settings: &[Setting], is_set| match token(settings, is_set).value {
            Value::One(text) => text,
            other @ (Value::Unset | Value::Switch(_) | Value::Many(_)) => format!("{other:?}"),
        };
        let (file, context) = (setting("token-file", "f"), setting("context", "c"));
        assert_eq!(value(&[file.clone(), context.clone()], true), "set by token-file");
        assert_eq!(value(std::slice::from_ref(&context), true), "set by HOUSTON_API_TOKEN");
        assert_eq!(value(&[context], false), "set by the login of context");
        assert_eq!(value(&[], false), "Unset");
    }
}
