//! Whether a variable and a target of the settings file name the same Houston.
//!
//! Main function: [`refuse_other`]. It reads the login that a context names, and asks no one.

use std::ffi::OsStr;

use anyhow::anyhow;
use clap::ArgMatches;

use super::super::usage::escaped;
use super::environment::TARGET;
use super::file::{Content, Entry, Target};
use super::{CHOOSERS, Given, Origin, is_given, is_typed, leaf};
use crate::houston::{Login, Target as Address};
use crate::model::target_key::is_same_target;
use crate::ops::failure::Failure;
use crate::outcome::ExitStatus;

/// Refuses to apply to the server of a variable where the target that was typed has another one: that
/// variable may be left over from earlier work.
///
/// # Errors
/// They name different servers (2).
pub(super) fn refuse_other(target: &Target, typed: &ArgMatches, given: &[Given]) -> Result<(), Failure> {
    if typed.subcommand_name() != Some("apply") || !is_typed(typed, TARGET) {
        return Ok(());
    }
    let arguments = leaf(typed);
    if CHOOSERS.iter().any(|flag| is_given(arguments, flag)) {
        return Ok(());
    }
    let is_chooser = |entry: &&Entry| CHOOSERS.contains(&entry.key.as_str());
    let Some(planned) = target.entries.iter().find(is_chooser) else { return Ok(()) };
    for one in given {
        let (Origin::Variable(name), [value]) = (&one.origin, &one.values[..]) else { continue };
        let chooses = CHOOSERS.contains(&one.flag.as_str()) && !(one.flag == "sandbox" && value == "false");
        if chooses && !is_same(&one.flag, value, planned) {
            let error = anyhow!(
                "{name} and --{TARGET} {} name different servers; nothing was sent",
                escaped(&target.name)
            );
            return Err(
                Failure::new(ExitStatus::Usage, error).hint(format!("unset {name}, or drop --{TARGET}"))
            );
        }
    }
    Ok(())
}

/// Whether a flag with this value and the key of a target lead to the same Houston.
fn is_same(flag: &str, value: &OsStr, planned: &Entry) -> bool {
    let Content::One(there) = &planned.value else { return false };
    let here = value.to_string_lossy();
    if flag == planned.key && here == there.text {
        return true;
    }
    match (address(flag, &here), address(&planned.key, &there.text)) {
        (Some(here), Some(there)) => is_same_target(&here, &there),
        (None, _) | (_, None) => false,
    }
}

/// The address that a flag leads to, if it can be known now.
fn address(flag: &str, value: &str) -> Option<String> {
    let target = match flag {
        "url" => Address::from_url(value).ok(),
        "domain" => Address::from_domain(value).ok(),
        "context" => Login::named(value).ok().map(|login| login.target),
        _ => None,
    };
    target.map(|target| target.to_string())
}
