//! A share of a roster: the workspaces that one of several processes carries out.
//!
//! Main type: [`Shard`]. Which workspaces belong to it follows from their ids alone, so that processes that
//! know nothing of each other agree.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::WorkspaceId;

/// One of `of` shards, numbered from 1.
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(with = "String"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    number: u32,
    of: u32,
}

/// A text that names no shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a shard is I/N, such as 2/8: I from 1 to N, and N at most {}", Shard::MOST)]
pub struct NotAShard;

impl From<ParseIntError> for NotAShard {
    fn from(_: ParseIntError) -> Self {
        Self
    }
}

impl Shard {
    /// The largest number of shards.
    pub const MOST: u32 = 1000;

    /// Shard `number` of `of`; none if there is no such shard.
    pub fn new(number: u32, of: u32) -> Option<Self> {
        ((1..=of).contains(&number) && of <= Self::MOST).then_some(Self { number, of })
    }

    /// Which one, from 1.
    pub fn number(self) -> u32 {
        self.number
    }

    /// How many there are.
    pub fn of(self) -> u32 {
        self.of
    }

    /// Whether rows of this workspace belong to it. Rows without a workspace belong to the first shard.
    pub fn has(self, workspace: Option<&WorkspaceId>) -> bool {
        let index = workspace.map_or(0, |id| index(id, self.of));
        index == self.number - 1
    }
}

/// The first 8 bytes of the SHA-256 of the id, big-endian, modulo the number of shards.
fn index(id: &WorkspaceId, of: u32) -> u32 {
    let digest = Sha256::digest(id.as_str().as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    let index = u64::from_be_bytes(first) % u64::from(of);
    u32::try_from(index).expect("less than the number of shards")
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = NotAShard;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, of) = text.trim().split_once('/').ok_or(NotAShard)?;
        if [number, of].iter().any(|part| !part.bytes().all(|byte| byte.is_ascii_digit())) {
            return Err(NotAShard);
        }
        Self::new(number.parse()?, of.parse()?).ok_or(NotAShard)
    }
}

impl TryFrom<String> for Shard {
    type Error = NotAShard;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_shard_is_one_of_a_whole() {
        for good in ["1/1", "1/2", "2/2", " 7/1000 ", "1000/1000"] {
            let shard: Shard = good.parse().expect(good);
            assert_eq!(shard.to_string(), good.trim());
        }
        for bad in [
            "",
            "/",
            "1",
            "0/2",
            "3/2",
            "1/0",
            "1/1001",
            "-1/2",
            "+1/2",
            "1 / 2",
            "1/2/3",
            "a/b",
            "1/99999999999",
        ] {
            assert_eq!(bad.parse::<Shard>(), Err(NotAShard), "{bad}");
        }
    }

    /// The first 16 hexadecimal digits of `printf ID | sha256sum`, modulo 8.
    #[test]
    fn a_workspace_is_found_by_its_digest() {
        let id = WorkspaceId::new("abc").expect("valid");
        let expected = u32::try_from(0xba78_16bf_8f01_cfea_u64 % 8).expect("small") + 1;
        for number in 1..=8 {
            let shard = Shard::new(number, 8).expect("one of them");
            assert_eq!(shard.has(Some(&id)), number == expected, "{shard}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_workspace_belongs_to_exactly_one_shard(id in "[!-~]{1,30}", of in 1..=64_u32) {
            let id = WorkspaceId::new(&id).expect("valid");
            for workspace in [Some(&id), None] {
                let having = (1..=of).filter(|&number| Shard::new(number, of).expect("one").has(workspace));
                prop_assert_eq!(having.count(), 1);
            }
            prop_assert!(Shard::new(1, of).expect("one").has(None));
        }
    }
}
