//! Reads which roles certain people have in deployments of a workspace.
//!
//! Main function: [`read`]. The list of members is read to its end; whoever is not on it is told as
//! such, and not as somebody without a role.

use std::borrow::Cow;
use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::everybody;
use super::members::PageSize;
use crate::houston::{Fault, Houston, Person};
use crate::model::{Scope, WorkspaceId, email_key};
use crate::plan::{Membership, Standing};

/// Somebody whose role in a deployment is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Their address, in lower case.
    pub email: &'a str,
    /// The release name of the deployment.
    pub deployment: &'a str,
}

/// Somebody who was found in the list of members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The id of the user.
    pub id: String,
    /// The address in the server's spelling.
    pub address: String,
    /// The role in the deployment.
    pub seen: Membership,
}

/// What `workspace` has of those who are asked for, in their order; none for who is no member of it.
///
/// # Errors
/// As of every reading; also if the roles in deployments of somebody are not told.
pub fn read(
    houston: &Houston,
    workspace: &WorkspaceId,
    asked: &[Asked<'_>],
    pages: &PageSize,
) -> Result<Vec<Option<Found>>, Fault> {
    let people = everybody::members(houston, workspace, pages)?;
    let mut named: HashMap<Cow<'_, str>, &Person, FixedState> = HashMap::default();
    let by_name = |person: &'_ Person| person.username.is_some();
    for person in people.iter().filter(|person| by_name(person)) {
        named.insert(email_key(person.username.as_deref().unwrap_or_default()), person);
    }
    // An address counts more than a user name.
    for person in &people {
        person.addresses.iter().for_each(|address| {
            named.insert(email_key(address), person);
        });
    }
    let hides_some = people.iter().any(|person| person.hides_addresses);
    let find = |asked: &Asked<'_>| match named.get(asked.email) {
        Some(person) => found(person, asked).map(Some),
        None if hides_some => Err(Fault::Malformed {
            text: "the member list does not show the addresses of all members".to_owned(),
        }),
        None => Ok(None),
    };
    asked.iter().map(find).collect()
}

fn found(person: &Person, asked: &Asked<'_>) -> Result<Found, Fault> {
    let Some(roles) = &person.deployment_roles else {
        return Err(Fault::Malformed {
            text: "the member list does not show roles in deployments".to_owned(),
        });
    };
    let here = || roles.iter().filter(|role| role.release_name == asked.deployment);
    let known = here().find_map(|role| Scope::Deployment.level_of(&role.role));
    let bindings = u8::try_from(here().count()).unwrap_or(u8::MAX);
    let seen = known.map_or(Membership::Absent, |role| Membership::Member {
        role,
        bindings,
        standing: Standing::Active,
    });
    Ok(Found { id: person.id.clone(), address: person.spelled(asked.email).to_owned(), seen })
}
