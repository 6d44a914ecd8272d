//! What is known about the server: its version, and what it turned out not to support.
//!
//! Main types: [`Version`], [`Installation`] and the crate's own `Profile`, which remembers every
//! step down, so that it is made once.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// What the schema offers, as reported by the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a part of the schema")]
pub struct Surface {
    /// `paginatedWorkspaceUsers`.
    pub pages: bool,
    /// `sysWorkspaces`.
    pub system_list: bool,
    /// `workspaceAddUser(bypassInvite:)`.
    pub bypass_invite: bool,
    /// `workspaceAddUser(deploymentRoles:)`.
    pub deployment_roles: bool,
    /// `workspaceUpsertUserRole`.
    pub upsert: bool,
    /// `workspaceAddTeam`.
    pub teams: bool,
}

/// The version of an installation: the number of the Helm chart, `major.minor.patch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number.
    pub patch: u32,
}

impl Version {
    /// The version with these numbers.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// Reads `0.37.7`, `v1.0.0`, `2.1.0-rc.1`, `0.30`; what follows `-` or `+` is left out, as the
    /// official client does. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix('v').unwrap_or(text);
        let numbers = text.split(['-', '+']).next()?;
        let mut parts = numbers.split('.').map(|part| part.parse::<u32>().ok());
        let version = Self {
            major: parts.next()??,
            minor: parts.next()??,
            patch: match parts.next() {
                Some(patch) => patch?,
                None => 0,
            },
        };
        parts.next().is_none().then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Whether the server can do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Support {
    /// It can.
    Yes,
    /// It cannot.
    No,
    /// Unknown.
    Unknown,
}

/// What the server does with a repeated add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Repeats {
    /// It refuses it: sending again is safe.
    Refused,
    /// It makes a second binding.
    Doubled,
    /// Unknown.
    Unknown,
}

/// What an installation reports about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// The version; `None` if it is not reported or not readable.
    pub version: Option<Version>,
    /// Whether passwords of its own are switched on.
    pub local_passwords: Option<bool>,
    /// How many identity providers it offers.
    pub sso_providers: Option<usize>,
    /// Whether `workspaceAddUser` knows `bypassInvite`.
    pub bypass_invite: Support,
    /// What a repeated add does.
    pub repeats: Repeats,
}

/// The first version with `bypassInvite` (release notes).
pub const BYPASS_SINCE: Version = Version::new(0, 25, 3);
/// The first version with pages of members and of workspaces (the official client's own gate).
const PAGES_SINCE: Version = Version::new(0, 30, 0);
/// The first version that may have `workspaceUpsertUserRole`: some 0.30 brought it.
const UPSERT_SINCE: Version = Version::new(0, 30, 0);
/// The first version that may have roles in deployments (release notes).
pub const DEPLOYMENT_ROLES_SINCE: Version = Version::new(0, 23, 0);
/// The first version that may have `sysWorkspaces`: 0.16 had not; since when is not known.
const SYSTEM_LIST_SINCE: Version = Version::new(0, 17, 0);

impl Support {
    /// Whether this version knows `bypassInvite`.
    pub fn of_bypass_invite(version: Option<Version>) -> Self {
        match version {
            Some(version) if version >= BYPASS_SINCE => Self::Yes,
            Some(_) => Self::No,
            None => Self::Unknown,
        }
    }
}

impl Repeats {
    /// What this version does with a repeated add: certain for the open source before 0.23 and for
    /// 2.0 and later (houston.md 3.2).
    pub fn of(version: Option<Version>) -> Self {
        match version {
            Some(version) if version >= Version::new(2, 0, 0) => Self::Refused,
            Some(version) if version < Version::new(0, 23, 0) => Self::Doubled,
            Some(_) | None => Self::Unknown,
        }
    }
}

/// What the server does not support: by its version or its schema, or because it said so when
/// asked. Switches are only ever turned on.
#[derive(Debug, Default)]
pub(super) struct Profile {
    /// No `paginatedWorkspaceUsers` and no `paginatedWorkspaces` (before 0.30).
    pub(super) unpaged: Switch,
    /// No `sysWorkspaces` (0.16).
    pub(super) listless: Switch,
    /// No `User.status`.
    pub(super) statusless: Switch,
    /// No `RoleBinding.deployment`.
    pub(super) bare_bindings: Switch,
    /// No `bypassInvite` (before 0.25.3).
    pub(super) bypassless: Switch,
    /// No `workspaceUpsertUserRole` (before some 0.30).
    pub(super) upsertless: Switch,
    /// No `deploymentRoles` of `workspaceAddUser` (before 0.23, in some builds before 0.25).
    pub(super) deploymentless: Switch,
}

impl Profile {
    /// Takes what this version is known not to have. What a version should have and has not is found
    /// out when it is asked for.
    pub(super) fn fit_version(&self, version: Version) {
        self.unpaged.turn_on_if(version < PAGES_SINCE);
        self.listless.turn_on_if(version < SYSTEM_LIST_SINCE);
        self.bypassless.turn_on_if(Support::of_bypass_invite(Some(version)) == Support::No);
        self.upsertless.turn_on_if(version < UPSERT_SINCE);
        self.deploymentless.turn_on_if(version < DEPLOYMENT_ROLES_SINCE);
    }

    /// Takes what the schema does not have.
    pub(super) fn fit_surface(&self, surface: Surface) {
        self.unpaged.turn_on_if(!surface.pages);
        self.listless.turn_on_if(!surface.system_list);
        self.bypassless.turn_on_if(!surface.bypass_invite);
        self.upsertless.turn_on_if(!surface.upsert);
        self.deploymentless.turn_on_if(!surface.deployment_roles);
    }
}

#[derive(Debug, Default)]
pub(super) struct Switch(AtomicBool);

impl Switch {
    pub(super) fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn turn_on(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn turn_on_if(&self, condition: bool) {
        self.0.fetch_or(condition, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_the_official_client_reads_them() {
        for (text, version) in [
            ("0.25.3", Some(Version::new(0, 25, 3))),
            (" v1.0.0 ", Some(Version::new(1, 0, 0))),
            ("2.1.0-rc.1", Some(Version::new(2, 1, 0))),
            ("2.1.0+build", Some(Version::new(2, 1, 0))),
            ("0.30", Some(Version::new(0, 30, 0))),
            ("", None),
            ("dev", None),
            ("1", None),
            ("1.2.3.4", None),
            ("1.x.3", None),
        ] {
            assert_eq!(Version::parse(text), version, "{text}");
        }
    }

    /// Which switches are on, in the order of the parts of a surface; no other may be.
    fn lacks(profile: &Profile) -> [bool; 5] {
        let Profile { unpaged, listless, statusless, bare_bindings, bypassless, upsertless, deploymentless } =
            profile;
        assert!(!statusless.is_on() && !bare_bindings.is_on(), "every version has them");
        [unpaged, listless, bypassless, deploymentless, upsertless].map(Switch::is_on)
    }

    #[test]
    fn a_version_settles_what_is_not_asked_for() {
        for (text, lacking) in [
            ("0.16.1", [true, true, true, true, true]),
            ("0.17.0", [true, false, true, true, true]),
            ("0.23.0", [true, false, true, false, true]),
            ("0.25.2", [true, false, true, false, true]),
            ("0.25.3", [true, false, false, false, true]),
            ("0.29.9", [true, false, false, false, true]),
            ("0.30.0", [false; 5]),
            ("1.0.0", [false; 5]),
            ("2.1.0", [false; 5]),
            ("7.0.0", [false; 5]),
        ] {
            let profile = Profile::default();
            profile.fit_version(Version::parse(text).unwrap());
            assert_eq!(lacks(&profile), lacking, "{text}");
            // Switches are only ever turned on.
            profile.fit_version(Version::new(2, 0, 0));
            assert_eq!(lacks(&profile), lacking, "{text}");
        }
    }

    #[test]
    fn a_schema_settles_each_part_on_its_own() {
        for number in 0..32 {
            let parts = [1, 2, 4, 8, 16].map(|bit| number & bit != 0);
            let [pages, system_list, bypass_invite, deployment_roles, upsert] = parts;
            let surface =
                Surface { pages, system_list, bypass_invite, deployment_roles, upsert, teams: false };
            let profile = Profile::default();
            profile.fit_surface(surface);
            assert_eq!(lacks(&profile), parts.map(|has| !has));
        }
    }

    #[test]
    fn what_a_version_can_do_is_known_only_where_it_is_certain() {
        let support = |text| Support::of_bypass_invite(Version::parse(text));
        assert_eq!(
            [support("0.25.2"), support("0.25.3"), support("?")],
            [Support::No, Support::Yes, Support::Unknown]
        );
        let repeats = |text| Repeats::of(Version::parse(text));
        assert_eq!(repeats("0.16.9"), Repeats::Doubled);
        assert_eq!([repeats("0.23.0"), repeats("1.2.0"), repeats("?")], [Repeats::Unknown; 3]);
        assert_eq!(repeats("2.0.0"), Repeats::Refused);
    }
}
