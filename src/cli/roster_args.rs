//! The flags that control how a roster is read, the same in every command that takes one.
//!
//! Main type: [`RosterArgs`], which resolves itself into [`Settings`] once.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::model::Role;
use crate::ops::failure::Failure;
use crate::outcome::ExitStatus;
use crate::roster::{
    ColumnName, DomainMap, MapError, Maps, OnConflict, Only, Settings, parse_delimiter, parse_role, role_map,
    workspace_map,
};

/// How the roster is read.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Roster")]
pub struct RosterArgs {
    /// The header of a column in your file, such as email="Work Email"; may be repeated
    #[arg(long, value_name = "COLUMN=HEADER")]
    pub column: Vec<ColumnName>,

    /// The role of every row, if the file has no role column
    #[arg(long, value_name = "ROLE", value_parser = role)]
    pub default_role: Option<Role>,

    /// The workspace of every row, by id or label, if the file has no workspace column
    #[arg(long, value_name = "WORKSPACE")]
    pub default_workspace: Option<String>,

    /// The character between cells: , ; | or tab [default: detected]
    #[arg(long, value_name = "CHAR", value_parser = parse_delimiter)]
    pub delimiter: Option<u8>,

    /// Which role to use if the file gives a person two in one workspace [default: report an error]
    #[arg(long, value_name = "WHICH")]
    pub on_conflict: Option<ConflictArg>,

    /// Replace the email domain of addresses from another installation; may be repeated
    #[arg(long, value_name = "OLD=NEW[,OLD=NEW]", value_delimiter = ',')]
    pub map_email_domain: Vec<DomainMap>,

    /// Map workspaces of another installation to workspaces here: a CSV file with the header from,to and
    /// ids or labels. A name that is not in the file must be the name of a workspace here
    #[arg(long, value_name = "FILE")]
    pub workspace_map: Option<PathBuf>,

    /// Map role names of another system to roles here: a CSV file with the header from,to
    #[arg(long, value_name = "FILE")]
    pub role_map: Option<PathBuf>,

    /// Skip invalid rows instead of refusing the file
    #[arg(long)]
    pub skip_invalid: bool,

    /// Accept addresses that look wrong: commented out, an unfilled template, the sign-in name of a
    /// guest
    #[arg(long)]
    pub allow_odd_addresses: bool,

    /// Only rows that match workspace=GLOB or email=GLOB
    ///
    /// The maps are applied first. May be repeated.
    #[arg(long, value_name = "COLUMN=GLOB")]
    pub only: Vec<Only>,

    /// Use only the first N rows
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

/// The values of `--on-conflict`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConflictArg {
    /// The role with more rights
    Highest,
    /// The role of the later row
    Last,
}

fn role(text: &str) -> Result<Role, String> {
    parse_role(text).map_err(|complaint| match complaint.hint {
        Some(hint) => format!("{} ({hint})", complaint.message),
        None => complaint.message,
    })
}

impl RosterArgs {
    /// The settings these flags mean.
    ///
    /// # Errors
    /// A flag has an unusable value (2), or a map is invalid (3).
    pub fn settings(&self) -> Result<Settings, Failure> {
        let default_workspace = self.default_workspace.as_deref().map(str::trim).map(str::to_owned);
        if default_workspace.as_deref() == Some("") {
            return Err(Failure::new(ExitStatus::Usage, anyhow::anyhow!("--default-workspace is empty"))
                .about(&["default-workspace"]));
        }
        self.check_domains()?;
        Ok(Settings {
            columns: self.column.clone(),
            default_role: self.default_role,
            default_workspace,
            delimiter: self.delimiter,
            on_conflict: self.on_conflict.map(|which| match which {
                ConflictArg::Highest => OnConflict::Highest,
                ConflictArg::Last => OnConflict::Last,
            }),
            skip_invalid: self.skip_invalid,
            only: self.only.clone(),
            limit: self.limit,
            maps: self.maps()?,
            prune: false,
            allow_odd_addresses: self.allow_odd_addresses,
            may_be_empty: false,
        })
    }

    /// # Errors
    /// A domain is mapped to two others (2).
    fn check_domains(&self) -> Result<(), Failure> {
        let maps = &self.map_email_domain;
        let twice = maps.iter().enumerate().find_map(|(index, map)| {
            maps[..index].iter().find(|before| before.contradicts(map)).map(|before| (before, map))
        });
        let Some((before, map)) = twice else { return Ok(()) };
        let error = anyhow::anyhow!("--map-email-domain maps one domain twice: {before} and {map}");
        Err(Failure::new(ExitStatus::Usage, error).about(&["map-email-domain"]))
    }

    fn maps(&self) -> Result<Maps, Failure> {
        let bad = |flag| {
            move |error: MapError| {
                Failure::new(ExitStatus::BadInput, error)
                    .about(&[flag])
                    .hint("a map is a CSV file: the header `from,to`, then one line for each name")
            }
        };
        let workspaces = self.workspace_map.as_deref().map(workspace_map).transpose();
        let roles = self.role_map.as_deref().map(role_map).transpose();
        Ok(Maps {
            domains: self.map_email_domain.clone(),
            workspaces: workspaces.map_err(bad("workspace-map"))?,
            roles: roles.map_err(bad("role-map"))?.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        roster: RosterArgs,
    }

    #[test]
    fn flags_become_settings() {
        let line = "x --column email=Mail --column role=Job --default-role ADMIN --default-workspace F --delimiter tab \
            --on-conflict last --skip-invalid --allow-odd-addresses --only email=*@x.org --limit 3 --map-email-domain old.example.com=example.com";
        let settings = Line::try_parse_from(line.split(' ')).unwrap().roster.settings().unwrap();
        assert_eq!(
            settings,
            Settings {
                columns: vec!["email=Mail".parse().unwrap(), "role=Job".parse().unwrap()],
                default_role: Some(Role::workspace(crate::model::Level::Admin)),
                default_workspace: Some("F".to_owned()),
                delimiter: Some(b'\t'),
                on_conflict: Some(OnConflict::Last),
                skip_invalid: true,
                only: vec!["email=*@x.org".parse().unwrap()],
                limit: Some(3),
                maps: Maps {
                    domains: vec!["old.example.com=example.com".parse().unwrap()],
                    ..Maps::default()
                },
                prune: false,
                allow_odd_addresses: true,
                may_be_empty: false,
            }
        );
    }

    #[test]
    fn bad_values_are_refused_with_a_reason() {
        for (line, part) in [
            ("x --default-role owner", "hosted product"),
            ("x --delimiter ab", "not a delimiter"),
            ("x --column boss=x", "not a column"),
            ("x --only role=admin", "not by `role`"),
        ] {
            let error = Line::try_parse_from(line.split(' ')).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
