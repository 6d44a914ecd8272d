//! One item of a plan: a role that a row of the roster wants in a workspace or in a deployment, or a
//! person who is in a workspace but not in the roster.
//!
//! Main type: [`Item`]. Pure; what only some items have is in the tables of [`super::Plan`].

use std::mem::size_of;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::{Decision, Guard, Membership, Operation, Reason};
use crate::model::{ItemId, Level, Role, RowNumber, Scope};

/// What an item comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A row of the roster wants it.
    Row(RowNumber),
    /// A person is in a workspace of the roster, but not in the roster.
    Extra,
}

/// Where an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// One more than the index, which leaves 0 for "none": an item stays small.
    workspace: NonZeroU32,
    deployment: Option<NonZeroU32>,
}

impl Subject {
    /// In the workspace at this index of [`super::Plan::workspaces`], or in one of its deployments, at that
    /// index of [`super::Plan::deployments`].
    pub fn new(workspace: u32, deployment: Option<u32>) -> Self {
        let from_one = |index: u32| NonZeroU32::MIN.saturating_add(index);
        Self { workspace: from_one(workspace), deployment: deployment.map(from_one) }
    }

    /// Index into [`super::Plan::workspaces`].
    pub fn workspace(self) -> u32 {
        self.workspace.get() - 1
    }

    /// Index into [`super::Plan::deployments`]; none for a role in the workspace itself.
    pub fn deployment(self) -> Option<u32> {
        self.deployment.map(|deployment| deployment.get() - 1)
    }
}

/// The phases of a run, in their order, which is that of the items. Each begins when the one before has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The rows of the roster: one item per row.
    Members,
    /// The deployment roles that rows want.
    Deployments,
    /// The removal of people who are not in the roster.
    Removals,
}

impl Phase {
    /// The phases that come after the rows of the roster.
    pub const LATER: [Self; 2] = [Self::Deployments, Self::Removals];
}

/// What was found and decided about one person in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What it comes from.
    pub origin: Origin,
    /// Where it is; none for rows that were never resolved.
    pub subject: Option<Subject>,
    /// The role that the roster wants; none for an invalid row, for an extra, and to remove a deployment role.
    pub wanted: Option<Level>,
    /// What Houston has; none if it was not read.
    pub seen: Option<Membership>,
    /// What follows.
    pub decision: Decision,
}

const _: () = assert!(size_of::<Item>() == 32, "a million rows are a million items");

impl Item {
    /// The phase of a run in which it is carried out.
    pub fn phase(&self) -> Phase {
        match (self.origin, self.scope()) {
            (Origin::Row(_), Scope::Workspace) => Phase::Members,
            (Origin::Row(_), Scope::Deployment) => Phase::Deployments,
            (Origin::Extra, _) => Phase::Removals,
        }
    }

    /// The row that wants it.
    pub fn row(&self) -> Option<RowNumber> {
        match self.origin {
            Origin::Row(row) => Some(row),
            Origin::Extra => None,
        }
    }

    /// Whether it is about a role in a workspace or in a deployment.
    pub fn scope(&self) -> Scope {
        if self.deployment().is_some() { Scope::Deployment } else { Scope::Workspace }
    }

    /// Index into [`super::Plan::workspaces`].
    pub fn workspace(&self) -> Option<u32> {
        self.subject.map(Subject::workspace)
    }

    /// Index into [`super::Plan::deployments`].
    pub fn deployment(&self) -> Option<u32> {
        self.subject.and_then(Subject::deployment)
    }

    /// The role that Houston has, if there is one.
    pub fn from(&self) -> Option<Level> {
        self.seen.and_then(Membership::role)
    }

    /// Whether this takes an active admin from its workspace; a person who has never signed in does not count as
    /// one.
    pub fn takes_an_admin(&self) -> bool {
        self.seen.is_some_and(|seen| self.decision.takes_an_admin(seen))
    }

    /// The mutation that it needs in a phase, if it does; `id` is its own.
    pub(super) fn operation(&self, id: ItemId, phase: Phase) -> Option<Operation> {
        let action = self.decision.action().filter(|_| self.phase() == phase)?;
        Some(Operation { item: id, workspace: self.workspace()?, action })
    }

    /// Holds the change back, if there is one.
    pub fn hold(&mut self, guard: Guard) {
        if let Decision::Change(action) = self.decision {
            self.decision = Decision::Keep(Reason::HeldBack(guard, action));
        }
    }

    /// What a guard judges; none if what Houston has was not read.
    pub fn to_judge(&mut self) -> Option<(&mut Decision, Membership)> {
        Some((&mut self.decision, self.seen?))
    }
}

/// A deployment of a workspace, as a plan knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Deployment {
    /// Its id; empty if none has this name, or if that is unknown.
    pub id: String,
    /// Its release name; its id where it has none.
    pub name: String,
}

impl Deployment {
    /// Whether it is known; the name alone gives no role in it.
    pub fn is_there(&self) -> bool {
        !self.id.is_empty()
    }
}

/// The name of a role, or of having none.
pub fn role_name(role: Option<Role>) -> &'static str {
    role.map_or("no role", Role::name)
}

/// What identifies a person to remove in Houston: an address may belong to another person tomorrow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Account {
    /// A user, active or pending, by the id of the user.
    User(String),
    /// A pending invitation, by its own id.
    Invite(String),
}
