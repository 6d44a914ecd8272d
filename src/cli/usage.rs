//! Help, and messages about invalid arguments. Arguments may come from a file or from another program:
//! none of their control characters reaches a terminal.
//!
//! Main functions: [`answer`] and [`escaped`].

use std::borrow::Cow;
use std::error::Error as _;
use std::ffi::OsString;

use clap::Command;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::voice::{is_json, log};
use super::{UNWRITTEN, tell, unless_gone};
use crate::model::{in_words, inert, printable};
use crate::ops::failure::Failure;
use crate::outcome::ExitStatus;
use crate::report::command_summary::ErrorText;
use crate::report::log::{Level, LogEvent};

/// A text with every invisible or control character written out: `\r`, `\u{1b}`.
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

/// Refuses arguments that end with a line break. Scripts with Windows line endings and programs that
/// read a line from a file pass them on, and `runs\r` would name a folder of its own.
///
/// # Errors
/// An argument ends with a line break (2).
pub fn refuse_line_ends(arguments: &[OsString]) -> Result<(), Failure> {
    for argument in arguments.iter().skip(1) {
        let (what, hint) = match argument.as_encoded_bytes() {
            [.., b'\r'] | [.., b'\r', b'\n'] => (
                "carriage return",
                "the script was probably saved with Windows line endings: convert it, for example with `dos2unix`",
            ),
            [.., b'\n'] => ("line break", "remove the line break at the end"),
            _ => continue,
        };
        let shown = argument.to_string_lossy();
        let error = anyhow::anyhow!("the argument `{}` ends with a {what}", escaped(&shown));
        return Err(Failure::new(ExitStatus::Usage, error).hint(hint));
    }
    Ok(())
}

/// Prints help, the version, or the error in the arguments; returns the exit status, and the error.
pub fn answer(
    error: clap::Error,
    arguments: &[OsString],
    documented: impl FnOnce() -> Command,
) -> (ExitStatus, Option<ErrorText>) {
    if error.exit_code() != 0 && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return (ExitStatus::Usage, Some(complain(corrected(error, arguments, documented()), arguments)));
    }
    (help(&error, arguments, documented), None)
}

/// Prints help, or the version.
fn help(error: &clap::Error, arguments: &[OsString], documented: impl FnOnce() -> Command) -> ExitStatus {
    let shown = arguments.iter().map(|argument| escaped(&argument.to_string_lossy()).into_owned());
    let printed = if error.kind() == ErrorKind::DisplayVersion {
        error.print()
    } else {
        match documented().try_get_matches_from(shown) {
            Err(same) if same.kind() == error.kind() => same.print(),
            Err(_) | Ok(_) => error.print(),
        }
    };
    if error.exit_code() != 0 {
        // A closed standard error leaves nothing to do.
        return ExitStatus::Usage;
    }
    match unless_gone(printed) {
        Ok(()) => ExitStatus::Done,
        Err(error) => {
            tell(&format!("error: {UNWRITTEN}: {}", in_words(&error)));
            ExitStatus::Internal
        }
    }
}

/// Flags that no tip names unless they were nearly typed: they change or trust more.
const RISKY: [&str; 9] = [
    "--bypass-local",
    "--create-workspaces",
    "--insecure",
    "--prune",
    "--reinvite",
    "--repair-duplicates",
    "--trust-folder",
    "--update-roles",
    "--yes",
];
/// How many slips of the hand there may be in a risky flag.
const SLIPS: usize = 2;

/// Whether a tip may name a flag for one that does not exist.
fn is_harmless_tip(typed: &str, flag: &str) -> bool {
    !RISKY.contains(&flag) || strsim::damerau_levenshtein(typed, flag) <= SLIPS
}

/// The error with the usage of the command that was typed, and without tips that lead nowhere: clap
/// proposes `-- --yes` for any flag that the command does not have.
fn corrected(mut error: clap::Error, arguments: &[OsString], mut root: Command) -> clap::Error {
    root.build();
    let typed = typed_command(&root, arguments);
    if error.get(ContextKind::Usage).is_some() {
        error.insert(ContextKind::Usage, ContextValue::StyledStr(typed.clone().render_usage()));
    }
    if let Some(ContextValue::Strings(near)) = error.get(ContextKind::SuggestedSubcommand) {
        // The best one comes last.
        let best = near.last().cloned().into_iter().collect();
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(best));
    }
    let unknown = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) if error.kind() == ErrorKind::UnknownArgument => {
            argument.clone()
        }
        Some(_) | None => return error,
    };
    error.remove(ContextKind::Suggested);
    if let Some(ContextValue::String(flag)) = error.get(ContextKind::SuggestedArg)
        && !is_harmless_tip(&unknown, flag)
    {
        error.remove(ContextKind::SuggestedArg);
    }
    if typed.get_name() == "plan" && ["--dry-run", "--dryrun", "-n"].contains(&unknown.as_str()) {
        error.remove(ContextKind::SuggestedArg);
        let tip = StyledStr::from("`plan` changes nothing: leave it out".to_owned());
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
        return error;
    }
    let bearers = bearers(&root, &unknown);
    if !bearers.is_empty() {
        error.remove(ContextKind::SuggestedArg);
        let belongs = StyledStr::from(format!("{unknown} is a flag of {}", bearers.join(", ")));
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![belongs]));
    }
    error
}

/// The command that the arguments lead to.
fn typed_command<'c>(root: &'c Command, arguments: &[OsString]) -> &'c Command {
    let mut words = arguments.iter().skip(1).filter_map(|argument| argument.to_str());
    let first = words.by_ref().find_map(|word| root.find_subcommand(word));
    let below = first.and_then(|command| words.next().and_then(|word| command.find_subcommand(word)));
    below.or(first).unwrap_or(root)
}

/// The commands that have this flag.
fn bearers(root: &Command, flag: &str) -> Vec<String> {
    let has_it = |command: &&Command| {
        command.get_arguments().any(|argument| match flag.strip_prefix("--") {
            Some(long) => argument.get_long() == Some(long),
            None => argument.get_short().is_some_and(|short| flag == format!("-{short}")),
        })
    };
    root.get_subcommands().filter(has_it).map(|command| command.get_name().to_owned()).collect()
}

/// Prints the error in the arguments, in colour only if the whole text is safe to print unchanged; returns its
/// words.
fn complain(error: clap::Error, arguments: &[OsString]) -> ErrorText {
    let is_fit = is_fit(&error, arguments);
    if is_fit && !is_json() {
        // A closed standard error leaves nothing to do.
        let _ = error.print();
    }
    let text = plain(error);
    let words = words(&text);
    if is_json() {
        let event = LogEvent::Error { exit_status: ExitStatus::Usage.code(), hint: words.hint.as_deref() };
        log(Level::Error, &words.text, event);
    } else if !is_fit {
        tell(&text);
    }
    words
}

/// The words of a message of clap: the error is its first paragraph, and the hint its tip.
fn words(message: &str) -> ErrorText {
    let joined = |paragraph: &str| paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let error = message.split("\n\n").next().unwrap_or(message);
    let tips: Vec<&str> = message.lines().filter_map(|line| line.trim().strip_prefix("tip: ")).collect();
    ErrorText {
        text: joined(error.strip_prefix("error: ").unwrap_or(error)),
        hint: (!tips.is_empty()).then(|| tips.join("; ")),
    }
}

/// Whether neither the arguments nor the message about them could control a terminal or a build
/// server. An argument may be harmless alone and start a command where the message repeats it.
fn is_fit(error: &clap::Error, arguments: &[OsString]) -> bool {
    let is_harmless = |text: &str| matches!(escaped(text), Cow::Borrowed(_));
    arguments.iter().all(|argument| argument.to_str().is_some_and(is_harmless))
        && error.render().to_string().lines().all(is_harmless)
}

/// The message without colours, with every argument escaped.
fn plain(mut error: clap::Error) -> String {
    let came_in: Vec<_> = error.context().filter_map(|(kind, value)| Some((kind, fit(value)?))).collect();
    for (kind, value) in came_in {
        error.insert(kind, value);
    }
    let mut text = error.render().to_string();
    if let Some(reason) = error.source().map(ToString::to_string).filter(|reason| !reason.is_empty()) {
        text = text.replace(&reason, &escaped(&reason));
    }
    text.trim_end().lines().map(|line| escaped(line).into_owned()).collect::<Vec<_>>().join("\n")
}

/// The escaped texts of a context value; none if it holds no text.
fn fit(value: &ContextValue) -> Option<ContextValue> {
    let fit = |text: &str| escaped(text).into_owned();
    match value {
        ContextValue::String(text) => Some(ContextValue::String(fit(text))),
        ContextValue::Strings(texts) => {
            Some(ContextValue::Strings(texts.iter().map(|text| fit(text)).collect()))
        }
        ContextValue::StyledStrs(tips) => {
            let fit = |tip: &StyledStr| StyledStr::from(fit(&tip.to_string()));
            Some(ContextValue::StyledStrs(tips.iter().map(fit).collect()))
        }
        ContextValue::None
        | ContextValue::Bool(_)
        | ContextValue::StyledStr(_)
        | ContextValue::Number(_)
        | _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_written_out() {
        assert_eq!(escaped("roster.csv\r"), "roster.csv\\r");
        assert_eq!(escaped("a\u{1b}[31m\u{202e}b\u{9b}\tc"), "a\\u{1b}[31m\\u{202e}b\\u{9b}\\tc");
        assert!(matches!(escaped("Finance é 例"), Cow::Borrowed(_)));
    }

    #[test]
    fn an_argument_that_ends_with_a_line_break_is_refused_by_its_name() {
        for (argument, said, hint) in [
            ("roster.csv\r", "the argument `roster.csv\\r` ends with a carriage return", "Windows"),
            ("roster.csv\r\n", "the argument `roster.csv\\r\\n` ends with a carriage return", "Windows"),
            ("a b\n", "the argument `a b\\n` ends with a line break", "remove"),
            ("\n", "the argument `\\n` ends with a line break", "remove"),
        ] {
            let failure = refuse_line_ends(&["x\r".into(), argument.into()]).unwrap_err();
            assert_eq!(failure.error.to_string(), said);
            assert!(failure.hint.is_some_and(|text| text.contains(hint)), "{argument:?}");
        }
        for argument in ["roster.csv", "", "a\nb", "a\r\nb", " "] {
            assert!(refuse_line_ends(&["x\n".into(), argument.into()]).is_ok(), "{argument:?}");
        }
    }

    #[test]
    fn an_error_in_the_arguments_has_words_and_a_hint() {
        for (line, text, hint) in [
            (
                &["plan", "r.csv", "--limti", "3"][..],
                "unexpected argument '--limti' found",
                Some("a similar argument exists: '--limit'"),
            ),
            (&["plan"], "the following required arguments were not provided: <ROSTER>", None),
        ] {
            let line = ["houston-onboard"].iter().chain(line);
            let error = crate::cli::settings::bare().try_get_matches_from(line).unwrap_err();
            let expected = ErrorText { text: text.to_owned(), hint: hint.map(str::to_owned) };
            assert_eq!(words(&plain(error)), expected);
        }
    }

    #[test]
    fn tips_lead_to_what_exists() {
        for (line, says, never) in [
            (&["plan", "r.csv", "--yes"][..], "--yes is a flag of apply, resume", "-- --yes"),
            (&["validate", "r.csv", "--url", "x"], "--url is a flag of doctor, plan, apply", "-- --url"),
            (&["-n"], "-n is a flag of apply", "-- -n"),
            (
                &["plan", "r.csv", "--limti", "3"],
                "a similar argument exists: '--limit'",
                "--limit <N> <ROSTER>",
            ),
            (&["plan", "r.csv", "--dryrun"], "tip: `plan` changes nothing: leave it out", "--prune"),
            (&["plan", "r.csv", "--dry-run"], "tip: `plan` changes nothing: leave it out", "is a flag of"),
            (&["plan", "r.csv", "-n"], "tip: `plan` changes nothing: leave it out", "is a flag of"),
            (&["plan", "r.csv", "--prun"], "a similar argument exists: '--prune'", "leave it out"),
            (&["apply", "r.csv", "--dryrun"], "a similar argument exists: '--dry-run'", "--prune"),
            (&["apply", "r.csv", "--reinstate"], "unexpected argument", "--reinvite"),
            (&["apply", "r.csv", "--update"], "unexpected argument", "--update-roles"),
            (&["plan", "r.csv", "--dry"], "houston-onboard plan [OPTIONS] <ROSTER>", "tip:"),
            (&["plan", "r.csv", "-V"], "houston-onboard plan [OPTIONS] <ROSTER>", "tip:"),
            (&["plna"], "a similar subcommand exists: 'plan'", "template"),
            (&["config", "shw"], "Usage: houston-onboard config", "plan"),
            (&["apply"], "houston-onboard apply [OPTIONS] --plan <FILE>", "tip:"),
        ] {
            let arguments: Vec<OsString> =
                ["houston-onboard"].iter().chain(line).map(OsString::from).collect();
            let error = crate::cli::settings::bare().try_get_matches_from(&arguments).unwrap_err();
            let text = corrected(error, &arguments, crate::cli::settings::bare()).render().to_string();
            assert!(text.contains(says) && !text.contains(never), "{line:?}: {text}");
        }
    }

    #[test]
    fn what_clap_says_has_no_command_for_a_build_server() {
        let (hash, colons) = ("#".repeat(2), ":".repeat(2));
        let command = format!("a{colons}error{colons}b {hash}vso[task.x]y {hash}teamcity[z]");
        let invisible = format!("\u{200b}{command}");
        for line in [
            &["plan", "r.csv", "--rate", &command][..],
            &["plan", "r.csv", "--limit", &command],
            &["plan", "r.csv", "--progress", &command],
            &["plan", "r.csv", "--protect", &command],
            &["plan", "r.csv", "--protect", &invisible],
            &["plan", "r.csv", &format!("--{command}")],
            &["plan", "r.csv", &command],
            &[&command],
            // None is a command alone, but the message repeats it.
            &["plan", "r.csv", "--map-email-domain", "::foo"],
            &["plan", "r.csv", "--only", "::foo"],
            &["plan", "r.csv", "--column", "::set-x"],
            &["plan", "r.csv", "--::foo"],
        ] {
            let arguments: Vec<OsString> =
                ["houston-onboard"].iter().chain(line).map(OsString::from).collect();
            let error = crate::cli::settings::bare().try_get_matches_from(&arguments).unwrap_err();
            assert!(!is_fit(&error, &arguments), "{line:?}");
            let text = plain(error);
            assert!(text.lines().all(|line| matches!(escaped(line), Cow::Borrowed(_))), "{text}");
        }
        let arguments: Vec<OsString> = ["houston-onboard", "plan", "--limti"].map(OsString::from).into();
        let error = crate::cli::settings::bare().try_get_matches_from(&arguments).unwrap_err();
        assert!(is_fit(&error, &arguments));
    }

    #[test]
    fn what_clap_says_has_no_raw_text_of_an_argument() {
        for (line, said) in [
            (&["plan", "r.csv", "--protect", "abc\ndef"][..], "'abc\\ndef'"),
            (&["plan", "r.csv", "--only", "role=a\nb\u{9b}"], "'role=a\\nb\\u{9b}'"),
            (&["plan", "r.csv", "--limit", "1\n::error::x"], "'1\\n: :error::x'"),
            (&["plan", "r.csv", "--map-email-domain", "a\nb"], "`a\\nb` maps no domain"),
            (&["plan", "r.csv", "--colour\n\u{1b}[31m"], "'--colour\\n\\u{1b}[31m'"),
            (&["pla\nn"], "'pla\\nn'"),
            (&["plan", "r.csv", "more\nrows"], "'more\\nrows'"),
        ] {
            let line = ["houston-onboard"].iter().chain(line);
            let error = crate::cli::settings::bare().try_get_matches_from(line).unwrap_err();
            let text = plain(error);
            assert!(text.lines().next().unwrap().contains(said), "{text}");
            assert_eq!(text.matches("\\u{1b}").count(), text.matches("[31m").count(), "{text}");
            assert!(!text.contains(['\u{1b}', '\u{9b}']), "{text}");
        }
    }
}
