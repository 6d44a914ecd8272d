//! `version`: what a bug report needs to know about this program.
//!
//! Main function: [`run`].

use clap::Args;
use serde::Serialize;

use super::format::Format;
use super::help::PROGRAM;
use super::{print, print_data};
use crate::ops::failure::Failure;
use crate::outcome::ExitStatus;
use crate::record::{journal, saved_plan};
use crate::report::summary;

/// Flags of `version`.
#[derive(Debug, Clone, Args)]
pub struct VersionArgs {
    /// Format of the answer
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// How this program was built, and the formats that it writes.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Build {
    schema_version: u32,
    version: &'static str,
    /// The commit that it was built from, if the build was told.
    commit: &'static str,
    platform: String,
    features: Vec<&'static str>,
    tls: &'static str,
    /// Of `journal.jsonl` and `plan.jsonl`.
    journal_format: u32,
    /// Of `summary.json`.
    summary_schema_version: u32,
    /// Of `plan --out`.
    saved_plan_schema_version: u64,
}

impl Build {
    fn of_this_program() -> Self {
        let platform = [std::env::consts::ARCH, std::env::consts::OS, environment()];
        Self {
            schema_version: 1,
            version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("BUILD_COMMIT").filter(|commit| !commit.is_empty()).unwrap_or("unknown"),
            platform: platform.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-"),
            features: if cfg!(feature = "sandbox") { vec!["sandbox"] } else { Vec::new() },
            tls: "rustls with aws-lc-rs",
            journal_format: journal::FORMAT,
            summary_schema_version: summary::SCHEMA_VERSION,
            saved_plan_schema_version: saved_plan::SCHEMA_VERSION,
        }
    }

    fn text(&self) -> String {
        let features = if self.features.is_empty() { "none".to_owned() } else { self.features.join(", ") };
        let rows = [
            ("commit", self.commit.to_owned()),
            ("platform", self.platform.clone()),
            ("features", features),
            ("tls", self.tls.to_owned()),
            ("journal format", self.journal_format.to_string()),
            ("summary schema", self.summary_schema_version.to_string()),
            ("saved plan schema", self.saved_plan_schema_version.to_string()),
        ];
        let rows = rows.map(|(name, value)| format!("{name:18} {value}\n"));
        format!("{PROGRAM} {}\n{}", self.version, rows.concat())
    }
}

/// The C library that the program is linked to, if the platform has several.
fn environment() -> &'static str {
    if cfg!(target_env = "musl") {
        "musl"
    } else if cfg!(target_env = "gnu") {
        "gnu"
    } else {
        ""
    }
}

/// Prints the version.
///
/// # Errors
/// Standard output cannot be written (1).
pub fn run(args: &VersionArgs) -> Result<ExitStatus, Failure> {
    let build = Build::of_this_program();
    match args.format {
        Format::Human => print(&build.text())?,
        Format::Json => {
            let document = serde_json::to_string_pretty(&build)
                .map_err(|error| Failure::new(ExitStatus::Internal, error))?;
            print_data(&(document + "\n"))?;
        }
    }
    Ok(ExitStatus::Done)
}
