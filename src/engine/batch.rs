//! What is sent in one phase of a run.
//!
//! Main type: [`Batch`]. Plain data: the engine sends it, others find out what is in it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::houston::DeploymentGrant;
use crate::model::{Emails, ItemId, Scope};
use crate::outcome::Cause;
use crate::plan::{Account, Operation, Workspace};

/// The mutations of a phase, and what they need.
#[derive(Debug, Default)]
pub struct Batch {
    /// Their workspaces.
    pub workspaces: Vec<Workspace>,
    /// The mutations, workspace by workspace.
    pub operations: Arc<Vec<Operation>>,
    /// What earlier legs of the run sent for some of them, by their index.
    pub earlier: HashMap<usize, Earlier>,
    /// The addresses of the people, by item.
    pub emails: Arc<Emails>,
    /// What operations are about besides a person in a workspace.
    pub subjects: Arc<Subjects>,
}

impl Batch {
    /// Whether an earlier write of the operation with this index may still take effect.
    pub fn is_in_doubt(&self, operation: usize) -> bool {
        self.earlier.get(&operation).is_some_and(|earlier| earlier.doubt.is_some())
    }
}

/// What an earlier leg of the run sent for an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Mutations sent for it.
    pub attempts: u32,
    /// From its first request to the end of that leg.
    pub elapsed: Duration,
    /// Why it has no outcome.
    pub cause: Cause,
    /// Whether the last one may still take effect: the engine looks for it before it sends anything again.
    pub doubt: Option<InDoubt>,
    /// Whether a person who is replaced has been removed, so that only the add is missing.
    pub is_removed: bool,
}

/// What a read showed of a write that may still take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InDoubt {
    /// Not the change.
    NotSeen,
    /// Another person's change, which the write may still overwrite: it is waited for over the whole settle
    /// time, whatever the server does with repeats.
    Overtaken,
}

/// What operations are about besides a person in a workspace, by item.
#[derive(Debug, Clone, Default)]
pub struct Subjects {
    /// The deployment roles that are bundled with the adds of rows.
    pub bundled: HashMap<ItemId, Vec<DeploymentGrant>>,
    /// The accounts of people who are replaced.
    pub replaced: HashMap<ItemId, Vec<Account>>,
    /// What operations are about that are not about a person, by address, in a workspace.
    pub others: HashMap<ItemId, Subject>,
}

/// What an operation is about if it is not a person, by address, in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A role in a deployment.
    Deployment(InDeployment),
    /// A person who is not in the roster and is removed.
    Extra(Account),
}

/// A person in a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InDeployment {
    /// The id of the deployment.
    pub deployment: String,
    /// Its release name.
    pub name: String,
    /// The id of the user and their address in the server's spelling, once they have been read.
    pub user: Option<(String, String)>,
}

impl Subjects {
    /// What the operations of an item are about, unless it is a person, by address, in a workspace.
    pub fn get(&self, item: ItemId) -> Option<&Subject> {
        self.others.get(&item)
    }

    /// Whether the item is about a role in a workspace or in a deployment.
    pub fn scope(&self, item: ItemId) -> Scope {
        match self.get(item) {
            Some(Subject::Deployment(_)) => Scope::Deployment,
            Some(Subject::Extra(_)) | None => Scope::Workspace,
        }
    }
}
