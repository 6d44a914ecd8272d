//! Which Houston the sandbox plays: the version's surface and what that version does by default.
//!
//! Main type: [`Profile`]. The words here only name behaviours; this module must not act on any.

use std::fmt;
use std::str::FromStr;

/// A name on the command line that the sandbox does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a {what}: one of {known}")]
pub struct UnknownName {
    name: String,
    what: &'static str,
    known: String,
}

impl UnknownName {
    pub(super) fn new(name: &str, what: &'static str, known: impl Into<String>) -> Self {
        Self { name: name.to_owned(), what, known: known.into() }
    }
}

/// A line of Houston versions with one GraphQL surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Profile {
    /// 0.16, mid 2020.
    V0_16,
    /// 0.23 and 0.24.
    V0_23,
    /// 0.25.3 to 0.27.
    V0_25,
    /// 0.28 and 0.29.
    V0_28,
    /// 0.30 to 0.37.
    V0_30,
    /// 1.0 to 1.2.
    V1,
    /// 2.0 and 2.1.
    #[default]
    V2,
}

impl Profile {
    /// All profiles, oldest first.
    pub const ALL: [Self; 7] =
        [Self::V0_16, Self::V0_23, Self::V0_25, Self::V0_28, Self::V0_30, Self::V1, Self::V2];

    /// What `appConfig { version }` answers unless a switch says otherwise.
    pub fn version(self) -> &'static str {
        match self {
            Self::V0_16 => "0.16.1",
            Self::V0_23 => "0.23.9",
            Self::V0_25 => "0.25.4",
            Self::V0_28 => "0.28.6",
            Self::V0_30 => "0.30.4",
            Self::V1 => "1.0.0",
            Self::V2 => "2.1.0",
        }
    }

    /// The membership model. Where exactly the models part is not known; that they part between
    /// 0.23 and 0.25 is an assumption.
    pub fn model(self) -> Model {
        if self <= Self::V0_23 { Model::Legacy } else { Model::Modern }
    }

    /// The Apollo Server whose statuses are played. Only that of 2020 is known; the rest is assumed.
    pub fn style(self) -> Style {
        if self <= Self::V0_23 { Style::As2 } else { Style::As3 }
    }

    /// How an authenticated caller without the right is refused.
    pub fn refusal(self) -> Refusal {
        if self <= Self::V0_16 { Refusal::Forbidden } else { Refusal::Shield }
    }
}

impl Profile {
    /// What a dead token gets. The first servers with the shield let it through to where it fails inside;
    /// the wording of 2019 was seen again in June 2021, so that is assumed from 0.25 on.
    pub fn dead_token(self) -> DeadToken {
        if self == Self::V0_23 { DeadToken::Inside } else { DeadToken::Forbidden }
    }

    /// Whether system viewers and editors may list invitations.
    pub fn shows_invites_to_system_roles(self) -> bool {
        self == Self::V0_16
    }

    /// Whether the installation has local passwords, no single sign-on and no mail: what the source of
    /// 2020 ships as its configuration.
    pub fn is_local(self) -> bool {
        self == Self::V0_16
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::V0_16 => "0.16",
            Self::V0_23 => "0.23",
            Self::V0_25 => "0.25",
            Self::V0_28 => "0.28",
            Self::V0_30 => "0.30",
            Self::V1 => "1.x",
            Self::V2 => "2.x",
        })
    }
}

impl FromStr for Profile {
    type Err = UnknownName;

    /// A profile's name, or any version from 0.16 on (`2.1`, `0.37.7`): the profile it falls in.
    /// 0.25.0 to 0.25.2 are 0.23 here, since `bypassInvite` came with 0.25.3.
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let unknown = || UnknownName::new(text, "profile", "0.16, 0.23, 0.25, 0.28, 0.30, 1.x, 2.x");
        let mut parts = [0_u32; 3];
        for (index, part) in text.trim().trim_start_matches('v').split('.').enumerate() {
            let slot = parts.get_mut(index).ok_or_else(unknown)?;
            let wild = index > 0 && matches!(part, "x" | "*");
            *slot = if wild { u32::MAX } else { part.parse().map_err(|_| unknown())? };
        }
        // "0.25" names the profile, "0.25.0" the patch before it.
        if text.matches('.').count() == 1 {
            parts[2] = u32::MAX;
        }
        match parts {
            [0, 16..=22, _] => Ok(Self::V0_16),
            [0, 23 | 24, _] | [0, 25, 0..=2] => Ok(Self::V0_23),
            [0, 25..=27, _] => Ok(Self::V0_25),
            [0, 28 | 29, _] => Ok(Self::V0_28),
            [0, 30..=99, _] => Ok(Self::V0_30),
            [1, _, _] => Ok(Self::V1),
            [2, _, _] => Ok(Self::V2),
            [..] => Err(unknown()),
        }
    }
}

/// What a repeated add does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Model {
    /// 2019 to 2020: a repeat makes a second binding; unknown addresses get invite tokens.
    Legacy,
    /// 2.x, and assumed before it: a repeat is refused; unknown addresses become pending users.
    Modern,
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        })
    }
}

impl FromStr for Model {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "legacy" => Ok(Self::Legacy),
            "modern" => Ok(Self::Modern),
            _ => Err(UnknownName::new(text, "membership model", "legacy, modern")),
        }
    }
}

/// The Apollo Server whose HTTP statuses and codes are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Style {
    /// Apollo Server 2.
    As2,
    /// Apollo Server 3.
    As3,
    /// Apollo Server 4.
    As4,
}

impl FromStr for Style {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "as2" => Ok(Self::As2),
            "as3" => Ok(Self::As3),
            "as4" => Ok(Self::As4),
            _ => Err(UnknownName::new(text, "status style", "as2, as3, as4")),
        }
    }
}

/// How an authenticated caller without the right is refused; [`DeadToken`] is how all others are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The wording of 2019, code `FORBIDDEN`.
    Forbidden,
    /// "Insufficient permissions.", code `INTERNAL_SERVER_ERROR`.
    Shield,
}

impl FromStr for Refusal {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "forbidden" => Ok(Self::Forbidden),
            "shield" => Ok(Self::Shield),
            _ => Err(UnknownName::new(text, "refusal", "forbidden, shield")),
        }
    }
}

/// The database layer that is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Database {
    /// 2019 and 2020.
    Prisma1,
    /// After that.
    Prisma2,
}

impl FromStr for Database {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "prisma1" => Ok(Self::Prisma1),
            "prisma2" => Ok(Self::Prisma2),
            _ => Err(UnknownName::new(text, "database layer", "prisma1, prisma2")),
        }
    }
}

/// How a call without a token that lives is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeadToken {
    /// The wording of 2019, code `FORBIDDEN`.
    Forbidden,
    /// What needs a right is "Insufficient permissions."; what needs only a login is let through, and
    /// `self` and `workspaces` fail inside over a caller that is `undefined`.
    Inside,
    /// `AUTH_TOKEN_REFRESH_FAILED` on everything that needs a login.
    Refresh,
}

impl FromStr for DeadToken {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "forbidden" => Ok(Self::Forbidden),
            "inside" => Ok(Self::Inside),
            "refresh" => Ok(Self::Refresh),
            _ => Err(UnknownName::new(text, "refusal of dead tokens", "forbidden, inside, refresh")),
        }
    }
}

/// Whose roles open the lists of members and invitations of a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Readers {
    /// Roles in the workspace and system roles, as since July 2020.
    #[default]
    All,
    /// Roles in the workspace only: a system admin who is no member may add, but not read.
    Members,
    /// System roles only: an admin of the workspace may add, but not read.
    System,
}

impl Readers {
    pub(super) fn has_members(self) -> bool {
        match self {
            Self::All | Self::Members => true,
            Self::System => false,
        }
    }

    pub(super) fn has_system(self) -> bool {
        match self {
            Self::All | Self::System => true,
            Self::Members => false,
        }
    }
}

impl FromStr for Readers {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "all" => Ok(Self::All),
            "members" => Ok(Self::Members),
            "system" => Ok(Self::System),
            _ => Err(UnknownName::new(text, "kind of readers", "all, members, system")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_read_back_from_its_name_and_from_its_version() {
        for profile in Profile::ALL {
            assert_eq!(profile.to_string().parse(), Ok(profile));
            assert_eq!(profile.version().parse(), Ok(profile));
        }
    }

    #[test]
    fn a_version_falls_into_its_profile() {
        for (text, profile) in [
            ("2.1", Profile::V2),
            ("2", Profile::V2),
            ("1.2.0", Profile::V1),
            ("0.37.7", Profile::V0_30),
            ("0.29", Profile::V0_28),
            ("0.27", Profile::V0_25),
            ("0.25.3", Profile::V0_25),
            ("0.25.2", Profile::V0_23),
            ("0.24", Profile::V0_23),
        ] {
            assert_eq!(text.parse(), Ok(profile), "{text}");
        }
    }

    #[test]
    fn a_version_that_never_was_is_refused_with_the_list() {
        for text in ["", "0.9", "3.0", "two", "x", "2.1.0.1", "-1"] {
            let error = text.parse::<Profile>().expect_err(text).to_string();
            assert!(error.contains("0.16, 0.23"), "{error}");
        }
    }
}
