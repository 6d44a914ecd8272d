//! One call of the typed client, made of one or more requests.
//!
//! Main type: `Call`. It counts the requests and knows when an answer has what was asked for.

use serde::de::DeserializeOwned;

use super::Houston;
use super::answer::Decoded;
use super::fault::Fault;
use super::members_query::MembersQuery;
use super::operations::{self, Operation};
use super::profile::Profile;
use super::spellings::Spellings;
use super::transport::{Kind, Request};
use crate::model::WorkspaceId;

/// One call, from its first request to its result.
pub(super) struct Call<'a> {
    houston: &'a Houston,
    /// Requests so far.
    pub(super) attempts: u32,
}

impl<'a> Call<'a> {
    pub(super) fn new(houston: &'a Houston) -> Self {
        Self { houston, attempts: 0 }
    }

    /// What the server turned out not to know.
    pub(super) fn profile(&self) -> &'a Profile {
        &self.houston.profile
    }

    /// How the server spells people.
    pub(super) fn spellings(&self) -> &'a Spellings {
        &self.houston.spellings
    }

    /// Sends one document and takes its answer apart.
    pub(super) fn ask<O: Operation>(&mut self, variables: O::Variables) -> Result<Decoded, Fault> {
        self.send(O::NAME, O::KIND, operations::body::<O>(variables))
    }

    /// Sends a query for members.
    pub(super) fn ask_for_members(
        &mut self,
        query: MembersQuery,
        workspace: &WorkspaceId,
        value: &str,
    ) -> Result<Decoded, Fault> {
        self.send(&query.document().name, Kind::Read, query.body(workspace, value))
    }

    fn send(&mut self, operation: &'static str, kind: Kind, body: Vec<u8>) -> Result<Decoded, Fault> {
        let request = Request { operation, kind, body, timeout: None, budget: self.houston.budget };
        match self.houston.transport.send(&request) {
            Ok(answer) => {
                self.attempts += answer.attempts;
                let decoded = Decoded::read(&answer.body, answer.status)?;
                Ok(decoded.holding(answer.held))
            }
            Err(failure) => {
                self.attempts += failure.attempts;
                Err(failure.fault)
            }
        }
    }
}

/// Drops a fault that only says "not reported here"; gives back every other.
pub(super) fn ignore_unsupported(fault: Option<Fault>) -> Result<(), Fault> {
    match fault {
        None
        | Some(
            Fault::Denied { .. }
            | Fault::Schema { .. }
            | Fault::Rejected { .. }
            | Fault::Already { .. }
            | Fault::Malformed { .. },
        ) => Ok(()),
        Some(
            fault @ (Fault::Unsent { .. }
            | Fault::NoAnswer { .. }
            | Fault::Proxy { .. }
            | Fault::Throttled { .. }
            | Fault::Expired { .. }
            | Fault::Internal { .. }),
        ) => Err(fault),
    }
}

/// The data of an answer that must have this root field.
pub(super) fn required<T: DeserializeOwned>(decoded: Decoded, field: &str) -> Result<T, Fault> {
    if !decoded.has(field) {
        return Err(decoded.fault_of(field).or_else(|| decoded.fault()).unwrap_or_else(|| missing(field)));
    }
    sound(decoded, field)
}

/// The data of an answer that has this root field, unless an error below it makes it doubtful.
pub(super) fn sound<T: DeserializeOwned>(decoded: Decoded, field: &str) -> Result<T, Fault> {
    match decoded.doubt_of(field) {
        Some(fault) => Err(fault),
        None => decoded.data(),
    }
}

/// An answer without the field that was asked for.
pub(super) fn missing(field: &str) -> Fault {
    Fault::malformed(&format!("no `{field}` in the answer"))
}

/// Passes where a mutation has a value. A null without an error says nothing about its effect: the
/// caller has to look.
pub(super) fn acknowledged(decoded: &Decoded, field: &str) -> Result<(), Fault> {
    if decoded.has(field) {
        return Ok(());
    }
    Err(decoded.fault().unwrap_or_else(|| missing(field)))
}
