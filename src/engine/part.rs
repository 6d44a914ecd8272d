//! A later part of a run: operations that are not those of the roster's rows and come behind them.
//!
//! Main types: [`Part`] and [`Subjects`]. They hold; [`super::granting`] and [`super::leaving`] find out
//! what is in them.

use std::collections::HashMap;
use std::sync::Arc;

use super::leftover::Earlier;
use crate::houston::DeploymentGrant;
use crate::model::{Emails, ItemId, Scope};
use crate::outcome::Outcome;
use crate::plan::{Account, Operation, Workspace};

/// What the operations of a run are about beside a person in a workspace.
#[derive(Debug, Clone, Default)]
pub struct Subjects {
    /// The roles in deployments that come along with the adds of rows.
    pub along: HashMap<ItemId, Vec<DeploymentGrant>>,
    /// Of rows whose people are taken away and added again, what Houston knows them by.
    pub replacements: HashMap<ItemId, Vec<Account>>,
    /// The line of the plan that the first of `behind` is about.
    pub first: usize,
    /// What the lines from there on are about.
    pub behind: Vec<Subject>,
}

/// What a line behind the rows of the roster is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A role in a deployment.
    Deployment(InDeployment),
    /// Somebody who is to be taken away, by what Houston knows them by.
    Leaver(Account),
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
    /// What the line of this number is about; none for a row of the roster.
    pub fn get(&self, item: ItemId) -> Option<&Subject> {
        self.behind.get(item.index().checked_sub(self.first)?)
    }

    /// Whether the line of this number is about a role in a workspace or in a deployment.
    pub fn scope(&self, item: ItemId) -> Scope {
        match self.get(item) {
            Some(Subject::Deployment(_)) => Scope::Deployment,
            Some(Subject::Leaver(_)) | None => Scope::Workspace,
        }
    }
}

/// The operations of a part, and what they need.
#[derive(Debug, Default)]
pub struct Part {
    /// Their workspaces.
    pub workspaces: Vec<Workspace>,
    /// The people's names, by the line of the plan; an empty text for everybody else.
    pub names: Arc<Emails>,
    /// What they are about.
    pub subjects: Arc<Subjects>,
    /// The mutations, workspace by workspace.
    pub operations: Vec<Operation>,
    /// What earlier legs did about some of them, by their index.
    pub earlier: HashMap<usize, Earlier>,
    /// Lines that came to their end without a mutation.
    pub concluded: Vec<(ItemId, Outcome)>,
}
