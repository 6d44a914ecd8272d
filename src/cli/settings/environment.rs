//! The variables `HOUSTON_ONBOARD_...`: one for every flag that describes a setting.
//!
//! Main type: [`Environment`]. Values of variables that no flag has are never shown.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};

use clap::{Arg, ArgAction, Command};

use super::super::usage::escaped;
use crate::houston::TOKEN_VARIABLE;

/// The prefix of our variables.
pub const PREFIX: &str = "HOUSTON_ONBOARD_";
/// The flag that names the settings file: it has a variable but no key.
pub const CONFIG: &str = "config";
/// The flag that chooses a target of the settings file.
pub const TARGET: &str = "target";

/// Flags that apply to a single call, such as the format that a script reads. They have no variable and
/// no key in a settings file.
const OF_ONE_CALL: [&str; 15] = [
    "all",
    "approve",
    "approved-by",
    "detailed-exitcode",
    "explain",
    "format",
    "list",
    "merge",
    "no-clobber",
    "open",
    "out",
    "output",
    "plan",
    "trust-folder",
    "verify",
];

/// How similar two names must be for one to count as a typo of the other.
const ALIKE: f64 = 0.8;

/// The variables that begin with `HOUSTON_ONBOARD_`.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The variables of this process.
    pub fn of_process() -> Self {
        Self::new(std::env::vars_os())
    }

    /// The variables with our prefix, in any case.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let is_ours = |name: &OsStr| name.to_string_lossy().to_uppercase().starts_with(PREFIX);
        Self(variables.into_iter().filter(|(name, _)| is_ours(name)).collect())
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// A warning for each variable that is set and has no effect.
    pub fn warnings(&self, command: &Command) -> Vec<String> {
        let known = names(command);
        let set = self.0.iter().filter(|(_, value)| !value.is_empty());
        set.filter_map(|(name, _)| warning(&name.to_string_lossy(), &known)).collect()
    }
}

fn warning(name: &str, known: &[String]) -> Option<String> {
    let flag = flag(name);
    if known.iter().any(|known| known == name) {
        return None;
    }
    let shown = escaped(name);
    if OF_ONE_CALL.contains(&flag.as_str()) {
        return Some(format!("{shown} is ignored: pass --{flag} on the command line"));
    }
    let meant = match flag.as_str() {
        // No setting holds a token.
        "token" | "api-token" => Some(TOKEN_VARIABLE.to_owned()),
        _ => nearest(&flag, known.iter().map(|known| self::flag(known))).map(|flag| variable(&flag)),
    };
    let meant = meant.map_or_else(String::new, |meant| format!("; did you mean {meant}?"));
    Some(format!("{shown} is ignored: unknown setting{meant}"))
}

/// The names of all our variables.
fn names(command: &Command) -> Vec<String> {
    let own = command.get_arguments();
    let all = own.chain(command.get_subcommands().flat_map(Command::get_arguments));
    all.filter(|argument| is_setting(argument)).filter_map(Arg::get_long).map(variable).collect()
}

/// The variable of a flag.
pub fn variable(flag: &str) -> String {
    format!("{PREFIX}{}", flag.to_uppercase().replace('-', "_"))
}

/// The flag that a name refers to: the name of a variable, a key or a flag.
pub fn flag(name: &str) -> String {
    let name = name.trim().to_lowercase().replace('_', "-");
    let name = name.trim_start_matches('-');
    name.strip_prefix("houston-onboard-").unwrap_or(name).to_owned()
}

/// Whether a flag describes a setting, and so has a variable.
pub fn is_setting(argument: &Arg) -> bool {
    let asks = matches!(argument.get_action(), ArgAction::Help | ArgAction::Version);
    !asks && argument.get_long().is_some_and(|long| !is_of_one_call(long))
}

/// Whether a flag applies to a single call only.
pub fn is_of_one_call(flag: &str) -> bool {
    OF_ONE_CALL.contains(&flag)
}

/// The most similar name, if there is one. A unique name that starts with these words comes first.
pub fn nearest(name: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let names: BTreeSet<String> = names.collect();
    if names.contains(name) {
        return Some(name.to_owned());
    }
    let beginning = format!("{name}-");
    let mut longer = names.iter().filter(|known| known.starts_with(&beginning));
    if let (Some(only), None) = (longer.next(), longer.next()) {
        return Some(only.clone());
    }
    names
        .into_iter()
        .map(|known| (strsim::jaro_winkler(name, &known), known))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::super::bare;
    use super::*;

    fn warnings(set: &[(&str, &str)]) -> Vec<String> {
        let set = set.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        Environment::new(set).warnings(&bare())
    }

    #[test]
    fn a_variable_that_no_flag_has_is_a_warning_with_the_nearest_name() {
        for (name, meant) in [
            ("HOUSTON_ONBOARD_PRUEN", Some("HOUSTON_ONBOARD_PRUNE")),
            ("HOUSTON_ONBOARD_MAXREMOVE", Some("HOUSTON_ONBOARD_MAX_REMOVE")),
            ("HOUSTON_ONBOARD_DRY-RUN", Some("HOUSTON_ONBOARD_DRY_RUN")),
            ("houston_onboard_rate", Some("HOUSTON_ONBOARD_RATE")),
            ("HOUSTON_ONBOARD_CONFIGURATION", Some("HOUSTON_ONBOARD_CONFIG")),
            ("HOUSTON_ONBOARD_TOKEN", Some(TOKEN_VARIABLE)),
            ("HOUSTON_ONBOARD_API_TOKEN", Some(TOKEN_VARIABLE)),
            ("HOUSTON_ONBOARD_CA", Some("HOUSTON_ONBOARD_CA_FILE")),
            ("HOUSTON_ONBOARD_RUNS", Some("HOUSTON_ONBOARD_RUNS_DIR")),
            ("HOUSTON_ONBOARD_X", None),
            ("HOUSTON_ONBOARD_SERVICE_HOST", None),
            ("HOUSTON_ONBOARD_", None),
        ] {
            let said = warnings(&[(name, "hush")]);
            let [warning] = &said[..] else { panic!("{name}: {said:?}") };
            assert!(warning.starts_with(name) && !warning.contains("hush"), "{warning}");
            match meant {
                Some(meant) => assert!(warning.ends_with(&format!("; did you mean {meant}?")), "{warning}"),
                None => assert!(!warning.contains("did you mean"), "{warning}"),
            }
        }
        assert_eq!(
            warnings(&[("HOUSTON_ONBOARD_PRUEN", ""), ("HOUSTON_API_TOKEN", "x"), ("OTHER", "x")]).len(),
            0
        );
        assert!(warnings(&[("HOUSTON_ONBOARD_\u{1b}[31m", "x")])[0].contains("\\u{1b}[31m"));
    }

    #[test]
    fn a_variable_of_another_command_is_known_and_one_of_a_single_call_does_nothing() {
        let of_sandbox: &[&str] = if cfg!(feature = "sandbox") { &["PORT", "SWITCH", "FAULTS"] } else { &[] };
        let names = ["PRUNE", "WORKSPACE", "QUIET", "CONFIG", "RUNS_DIR", "TOKEN_FILE"];
        for name in names.iter().chain(of_sandbox) {
            assert_eq!(warnings(&[(&format!("{PREFIX}{name}"), "x")]), [""; 0], "{name}");
        }
        for flag in OF_ONE_CALL {
            let said = warnings(&[(&variable(flag), "x")]);
            assert!(
                said[0].ends_with(&format!(" is ignored: pass --{flag} on the command line")),
                "{said:?}"
            );
        }
    }
}
