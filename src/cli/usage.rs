//! What is said about arguments that make no sense, and help. Arguments may come from a file or from
//! another program: no control character of theirs reaches a terminal.
//!
//! Main functions: [`answer`] and [`escaped`].

use std::borrow::Cow;
use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ErrorKind};

use super::{ExitStatus, Failure, UNWRITTEN, tell, unless_gone};
use crate::model::{inert, printable};

/// A text in which everything that a reader would not see, or that a terminal would obey, is written
/// out: `\r`, `\u{1b}`.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if matches!(printable(text), Cow::Borrowed(_)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        let mut room = [0; 4];
        if matches!(printable(c.encode_utf8(&mut room)), Cow::Borrowed(_)) {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
    }
    Cow::Owned(inert(&shown).into_owned())
}

/// Refuses arguments that end with a carriage return: a script with the line ends of Windows hands
/// them over, and `runs\r` would be a folder of its own.
///
/// # Errors
/// One of them does (2).
pub fn refuse_carriage_returns(arguments: &[OsString]) -> Result<(), Failure> {
    let ends_with_one = |argument: &&OsString| argument.as_encoded_bytes().ends_with(b"\r");
    let Some(argument) = arguments.iter().skip(1).find(ends_with_one) else { return Ok(()) };
    let shown = argument.to_string_lossy();
    let error = anyhow::anyhow!("the argument `{}` ends with a carriage return", escaped(&shown));
    Err(Failure::new(ExitStatus::Usage, error).hint(
        "the script was probably saved with Windows line endings: convert it, for example with `dos2unix`",
    ))
}

/// Prints help, the version, or what is wrong with the arguments; says what to end with.
pub fn answer(error: &clap::Error, arguments: &[OsString], bare: Command, documented: Command) -> ExitStatus {
    let shown: Vec<OsString> =
        arguments.iter().map(|argument| escaped(&argument.to_string_lossy()).as_ref().into()).collect();
    let is_failure = error.exit_code() != 0;
    let is_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    let command = if is_failure && !is_help { bare } else { documented };
    let printed = match command.try_get_matches_from(&shown) {
        // The same answer about arguments that are fit to be shown.
        Err(same) if is_same(error, &same) => same.print(),
        Err(_) | Ok(_) if !is_failure => error.print(),
        Err(_) | Ok(_) => {
            tell(&plain(error));
            Ok(())
        }
    };
    if is_failure {
        // Nothing can be done about a standard error that is gone.
        return ExitStatus::Usage;
    }
    match unless_gone(printed) {
        Ok(()) => ExitStatus::Done,
        Err(error) => {
            tell(&format!("error: {UNWRITTEN}: {error}"));
            ExitStatus::Internal
        }
    }
}

/// Whether both are the same answer about the same argument.
fn is_same(error: &clap::Error, shown: &clap::Error) -> bool {
    let about = |error: &clap::Error| {
        let about = [ContextKind::InvalidArg, ContextKind::InvalidSubcommand].map(|kind| error.get(kind));
        about.map(|value| value.map(|value| escaped(&value.to_string()).into_owned()))
    };
    error.kind() == shown.kind() && about(error) == about(shown)
}

/// The answer without colours and without what came in as it is.
fn plain(error: &clap::Error) -> String {
    let text = error.render().to_string();
    text.trim_end().lines().map(|line| escaped(line).into_owned()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_written_out() {
        assert_eq!(escaped("roster.csv\r"), "roster.csv\\r");
        assert_eq!(escaped("a\u{1b}[31m\u{202e}b\u{9b}\tc"), "a\\u{1b}[31m\\u{202e}b\\u{9b}\\tc");
        assert!(matches!(escaped("Finance é 例"), Cow::Borrowed(_)));
    }

    #[test]
    fn an_argument_with_a_carriage_return_is_refused_by_its_name() {
        let arguments = |argument: &str| [OsString::from("x\r"), OsString::from(argument)];
        let failure = refuse_carriage_returns(&arguments("roster.csv\r")).unwrap_err();
        assert_eq!(failure.error.to_string(), "the argument `roster.csv\\r` ends with a carriage return");
        assert!(failure.hint.is_some_and(|hint| hint.contains("Windows")));
        assert!(refuse_carriage_returns(&arguments("roster.csv")).is_ok());
    }
}
