//! Who was in a workspace before a run: numbers only, as far as the reading that the plan was made from
//! covers them.
//!
//! Main type: [`Census`]. It counts what streams by and reads nothing for its own sake.

use serde::{Deserialize, Serialize};

use crate::model::Level;

/// What a reading of a workspace covers. A number that it does not cover is none, never 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Census {
    /// The members, by the role that each has in the workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Members>,
    /// Pending invitations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitations: Option<u64>,
    /// Members and pending invitations whom the roster does not name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_in_roster: Option<u64>,
    /// How many pages of the member list were read.
    pub pages: u32,
    /// Why the reading is incomplete; empty for a complete one.
    pub gaps: Vec<Gap>,
}

/// The members of a workspace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// `WORKSPACE_ADMIN`.
    pub admins: u64,
    /// `WORKSPACE_EDITOR`.
    pub editors: u64,
    /// `WORKSPACE_VIEWER`.
    pub viewers: u64,
    /// Members without such a role of their own: through a Team, or with a custom role, or one that Houston
    /// does not show.
    pub others: u64,
}

impl Members {
    /// Counts a member. Of several roles the first counts, as for Houston.
    pub fn count(&mut self, roles: &[Level]) {
        *match roles.first() {
            Some(Level::Admin) => &mut self.admins,
            Some(Level::Editor) => &mut self.editors,
            Some(Level::Viewer) => &mut self.viewers,
            None => &mut self.others,
        } += 1;
    }
}

/// Why a reading of a workspace is incomplete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// Everyone in the roster was found before the end of the member list, and the rest was not needed.
    NotReadToTheEnd,
    /// The caller may not see pending invitations.
    InvitationsHidden,
    /// Houston does not show the addresses of some members or invitations.
    AddressesHidden,
    /// Some entries of the lists have neither an id nor an address.
    EntriesUnreadable,
    /// The workspace could not be read at all, for this reason.
    Unreadable(String),
}

impl Census {
    /// Of a workspace that could not be read.
    pub fn unreadable(why: String) -> Self {
        Self { gaps: vec![Gap::Unreadable(why)], ..Self::default() }
    }

    /// Whether all members and invitations were seen.
    pub fn is_complete(&self) -> bool {
        self.gaps.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_counts_once_by_the_first_role() {
        let mut members = Members::default();
        let roles = [&[Level::Viewer, Level::Admin][..], &[], &[Level::Admin], &[Level::Editor]];
        roles.into_iter().for_each(|roles| members.count(roles));
        assert_eq!(members, Members { admins: 1, editors: 1, viewers: 1, others: 1 });
    }

    #[test]
    fn a_number_that_is_not_known_is_absent_in_the_file() {
        let unread = Census::unreadable("HTTP 500".to_owned());
        let json = serde_json::to_string(&unread).expect("JSON");
        assert_eq!(json, r#"{"pages":0,"gaps":[{"unreadable":"HTTP 500"}]}"#);
        assert!(!unread.is_complete() && Census::default().is_complete());
    }
}
