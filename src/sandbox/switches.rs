//! The behaviours that differ between installations or are unknown: one switch each.
//!
//! Main type: [`Switches`]; [`Switches::set`] takes the `name=value` of the command line.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::profile::{Database, DeadToken, Model, Profile, Readers, Refusal, Style, UnknownName};

/// A switch that could not be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SwitchError {
    /// It has no `=`.
    #[error("{0:?} is not a switch: name=value expected")]
    Form(String),
    /// No switch has this name.
    #[error(transparent)]
    Name(#[from] UnknownName),
    /// The switch does not take this value.
    #[error("switch {name}: {value:?} is not {expected}")]
    Value {
        /// The switch.
        name: String,
        /// What was given.
        value: String,
        /// What it takes.
        expected: &'static str,
    },
}

/// What `appConfig { version }` answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Version {
    /// The profile's own.
    #[default]
    Profile,
    /// Null, as on a server that was not installed by Helm.
    Null,
    /// This text.
    Text(String),
}

/// The switches of the sandbox. `None` means "as the profile does".
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is one independent switch of the server")]
pub struct Switches {
    /// HTTP statuses and codes of which Apollo Server.
    pub style: Option<Style>,
    /// The refusal of authenticated callers.
    pub refusal: Option<Refusal>,
    /// The refusal of calls without a token that lives.
    pub dead_token: Option<DeadToken>,
    /// Whose words and paths the errors of the database have.
    pub database: Option<Database>,
    /// Whose roles open the lists of members and invitations.
    pub readers: Readers,
    /// System viewers and editors may list invitations.
    pub system_reads_invites: Option<bool>,
    /// People are found by their address however it is spelled, also when their role is changed.
    pub any_case: bool,
    /// The reported version.
    pub version: Version,
    /// `workspaceAddUser` returns `Workspace!`: a failing alias stops the document and hides the
    /// earlier ones.
    pub add_user_non_null: bool,
    /// `workspaceAddUser` knows `deploymentRoles` (matters for 0.23, where the start is unknown).
    pub deployment_roles: bool,
    /// Introspection is answered.
    pub introspection: bool,
    /// JSON array batches are accepted (style `as4` never does).
    pub batch: Option<bool>,
    /// The largest accepted body in bytes.
    pub body_limit: usize,
    /// The pause between checking for a person and writing, so that parallel calls race.
    pub check_window: Duration,
    /// Lists of a workspace show only the bindings of that workspace.
    pub narrow_bindings: Option<bool>,
    /// A cursor's own row is part of the page it starts.
    pub cursor_inclusive: bool,
    /// The longest page.
    pub max_take: i64,
    /// A longer `take` is an error instead of being cut to `max_take`.
    pub max_take_error: bool,
    /// The number of the first page of `paginatedWorkspaces`.
    pub first_page: Option<i64>,
    /// Pending users of the modern model are in the user lists of a workspace (assumed).
    pub pending_in_users: bool,
    /// The invite tokens of pending users are in `workspaceInvites` too (assumed not).
    pub pending_in_invites: bool,
    /// `userManagement.enabled`.
    pub user_management: bool,
    /// SCIM is on: new users are refused.
    pub scim: bool,
    /// Local passwords exist.
    pub local_auth: Option<bool>,
    /// A single-sign-on provider is configured.
    pub sso: Option<bool>,
    /// Mail is sent.
    pub smtp: Option<bool>,
    /// How many requests are worked on at once; 0: no limit. The rest queue.
    pub concurrency_cap: usize,
    /// Errors carry `level`, `timestamp` and `extensions.exception`.
    pub error_extras: bool,
    /// A clock that stands still, so that two runs end in the same state to the byte.
    pub now: Option<Timestamp>,
    /// Threads of the server.
    pub threads: usize,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            style: None,
            refusal: None,
            dead_token: None,
            database: None,
            readers: Readers::All,
            system_reads_invites: None,
            any_case: false,
            version: Version::Profile,
            add_user_non_null: false,
            deployment_roles: true,
            introspection: true,
            batch: None,
            body_limit: 100 * 1024,
            check_window: Duration::ZERO,
            narrow_bindings: None,
            cursor_inclusive: false,
            max_take: 101,
            max_take_error: false,
            first_page: None,
            pending_in_users: true,
            pending_in_invites: false,
            user_management: true,
            scim: false,
            local_auth: None,
            sso: None,
            smtp: None,
            concurrency_cap: 0,
            error_extras: false,
            now: None,
            threads: 2,
        }
    }
}

/// What [`Switches::set`] knows: names, and their values unless these are true and false.
const SWITCHES: [(&str, &str); 30] = [
    ("style", "as2, as3, as4"),
    ("refusal", "forbidden, shield"),
    ("dead-token", "forbidden, inside, refresh"),
    ("database", "prisma1, prisma2"),
    ("readers", "who lists members and invitations: all, members, system"),
    ("system-reads-invites", ""),
    ("any-case", "whether an address matches in any case"),
    ("version", "what Houston says: a text, or null"),
    ("add-user-non-null", ""),
    ("deployment-roles", ""),
    ("introspection", ""),
    ("batch", ""),
    ("body-limit", "bytes"),
    ("check-window", "a duration"),
    ("narrow-bindings", ""),
    ("cursor-inclusive", ""),
    ("max-take", "a number"),
    ("max-take-error", ""),
    ("first-page", "0, 1"),
    ("pending-in-users", ""),
    ("pending-in-invites", ""),
    ("user-management", ""),
    ("scim", ""),
    ("local-auth", ""),
    ("sso", ""),
    ("smtp", ""),
    ("concurrency-cap", "a number; 0 is none"),
    ("error-extras", ""),
    ("now", "an RFC 3339 time"),
    ("threads", "a number"),
];

/// The names of the switches, for an error.
fn switch_names() -> String {
    SWITCHES.map(|(name, _)| name).join(", ")
}

/// The switches for help texts, one a line.
pub fn switches_help() -> String {
    let line = |(name, values): &(&str, &str)| {
        let values = if values.is_empty() { "true, false" } else { values };
        format!("\n  {name:<21} {values}")
    };
    SWITCHES.iter().map(line).collect()
}

impl Switches {
    /// Sets one switch from `name=value`; `SWITCHES` lists them.
    pub fn set(&mut self, assignment: &str) -> Result<(), SwitchError> {
        let (name, value) =
            assignment.split_once('=').ok_or_else(|| SwitchError::Form(assignment.to_owned()))?;
        let (name, value) = (name.trim(), value.trim());
        let bad = |expected| SwitchError::Value { name: name.to_owned(), value: value.to_owned(), expected };
        let yes_no = || match value {
            "true" | "on" | "yes" => Ok(true),
            "false" | "off" | "no" => Ok(false),
            _ => Err(bad("true or false")),
        };
        let number = || value.parse::<u32>().map_err(|_| bad("a number"));
        let size = || value.parse::<usize>().map_err(|_| bad("a number"));
        match name {
            "style" => self.style = Some(value.parse()?),
            "refusal" => self.refusal = Some(value.parse()?),
            "dead-token" => self.dead_token = Some(value.parse()?),
            "database" => self.database = Some(value.parse()?),
            "readers" => self.readers = value.parse()?,
            "system-reads-invites" => self.system_reads_invites = Some(yes_no()?),
            "any-case" => self.any_case = yes_no()?,
            "version" if value == "null" => self.version = Version::Null,
            "version" => self.version = Version::Text(value.to_owned()),
            "add-user-non-null" => self.add_user_non_null = yes_no()?,
            "deployment-roles" => self.deployment_roles = yes_no()?,
            "introspection" => self.introspection = yes_no()?,
            "batch" => self.batch = Some(yes_no()?),
            "body-limit" => self.body_limit = size()?,
            "check-window" => {
                self.check_window = duration(value).ok_or_else(|| bad("a duration like 50ms"))?;
            }
            "narrow-bindings" => self.narrow_bindings = Some(yes_no()?),
            "cursor-inclusive" => self.cursor_inclusive = yes_no()?,
            "max-take" => self.max_take = number()?.into(),
            "max-take-error" => self.max_take_error = yes_no()?,
            "first-page" => self.first_page = Some(number()?.into()),
            "pending-in-users" => self.pending_in_users = yes_no()?,
            "pending-in-invites" => self.pending_in_invites = yes_no()?,
            "user-management" => self.user_management = yes_no()?,
            "scim" => self.scim = yes_no()?,
            "local-auth" => self.local_auth = Some(yes_no()?),
            "sso" => self.sso = Some(yes_no()?),
            "smtp" => self.smtp = Some(yes_no()?),
            "concurrency-cap" => self.concurrency_cap = size()?,
            "error-extras" => self.error_extras = yes_no()?,
            "now" => self.now = Some(value.parse().map_err(|_| bad("an RFC 3339 time"))?),
            "threads" => self.threads = size()?.max(1),
            _ => return Err(UnknownName::new(name, "switch", switch_names()).into()),
        }
        Ok(())
    }
}

/// How people log in, and whether they get mail.
#[derive(Debug, Clone, Copy)]
pub(super) struct People {
    pub(super) local_auth: bool,
    pub(super) sso: bool,
    pub(super) smtp: bool,
}

/// The switches with the profile's defaults filled in: what the server works with.
#[derive(Debug, Clone)]
pub(super) struct Behaviour {
    pub(super) profile: Profile,
    pub(super) model: Model,
    pub(super) style: Style,
    pub(super) refusal: Refusal,
    pub(super) dead_token: DeadToken,
    pub(super) database: Database,
    pub(super) system_reads_invites: bool,
    pub(super) batch: bool,
    pub(super) people: People,
    pub(super) narrow: bool,
    pub(super) first_page: i64,
    pub(super) version: Option<String>,
    pub(super) switches: Switches,
}

impl Behaviour {
    pub(super) fn new(profile: Profile, model: Option<Model>, switches: Switches) -> Self {
        let model = model.unwrap_or(profile.model());
        let version = match &switches.version {
            Version::Profile => Some(profile.version().to_owned()),
            Version::Null => None,
            Version::Text(text) => Some(text.clone()),
        };
        let style = switches.style.unwrap_or(profile.style());
        let database = match model {
            Model::Legacy => Database::Prisma1,
            Model::Modern => Database::Prisma2,
        };
        let is_local = profile.is_local();
        Self {
            profile,
            model,
            style,
            refusal: switches.refusal.unwrap_or(profile.refusal()),
            dead_token: switches.dead_token.unwrap_or(profile.dead_token()),
            database: switches.database.unwrap_or(database),
            system_reads_invites: switches
                .system_reads_invites
                .unwrap_or(profile.shows_invites_to_system_roles()),
            // Apollo Server 2 was seen to accept them.
            batch: switches.batch.unwrap_or(style == Style::As2) && style != Style::As4,
            people: People {
                local_auth: switches.local_auth.unwrap_or(is_local),
                sso: switches.sso.unwrap_or(!is_local),
                smtp: switches.smtp.unwrap_or(!is_local),
            },
            narrow: switches.narrow_bindings.unwrap_or(model == Model::Modern),
            first_page: switches.first_page.unwrap_or(i64::from(profile > Profile::V0_30)),
            version,
            switches,
        }
    }

    /// The server's own check of addresses came in August 2020.
    pub(super) fn checks_emails(&self) -> bool {
        self.profile >= Profile::V0_23
    }

    /// The last admin of a workspace stays since 0.28.4.
    pub(super) fn protects_last_admin(&self) -> bool {
        self.profile >= Profile::V0_28
    }
}

/// A duration as people write it (`1.5s`, `20ms`, `2m`), not negative.
pub(super) fn duration(text: &str) -> Option<Duration> {
    Duration::try_from(text.parse::<SignedDuration>().ok()?).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn every_switch_of_the_help_can_be_set() {
        let mut switches = Switches::default();
        for assignment in [
            "style=as4",
            "refusal=shield",
            "dead-token=inside",
            "database=prisma1",
            "readers=system",
            "system-reads-invites=true",
            "any-case=true",
            "version=9.9",
            "version=null",
            "add-user-non-null=true",
            "deployment-roles=off",
            "introspection=no",
            "batch=on",
            "body-limit=10",
            "check-window=5ms",
            "narrow-bindings=true",
            "cursor-inclusive=true",
            "max-take=5",
            "max-take-error=true",
            "first-page=1",
            "pending-in-users=false",
            "pending-in-invites=true",
            "user-management=false",
            "scim=true",
            "local-auth=true",
            "sso=false",
            "smtp=false",
            "concurrency-cap=10",
            "error-extras=true",
            "now=2026-01-01T00:00:00Z",
            "threads=1",
        ] {
            switches.set(assignment).unwrap_or_else(|error| panic!("{assignment}: {error}"));
            let name = assignment.split('=').next().unwrap();
            assert!(SWITCHES.iter().any(|(known, _)| *known == name), "{name} is not in the help");
        }
        assert_eq!(switches.check_window, Duration::from_millis(5));
        assert_eq!(switches.version, Version::Null);
    }

    #[test]
    fn a_wrong_switch_says_what_is_expected() {
        let mut switches = Switches::default();
        for (text, part) in [
            ("scim", "name=value expected"),
            ("scin=true", "is not a switch: one of style"),
            ("scim=perhaps", "switch scim: \"perhaps\" is not true or false"),
            ("check-window=-5ms", "is not a duration"),
            ("style=as9", "one of as2, as3, as4"),
        ] {
            let error = switches.set(text).expect_err(text).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
