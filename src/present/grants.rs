//! Which roles certain people have in deployments of a workspace.
//!
//! Main types: [`Asked`] and [`Found`]. Pure; the pages are turned by `walk`. A person who is not
//! on the list of members is reported as such, and not as a person without a role.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::houston::{Fault, Person};
use crate::model::{Scope, email_key};
use crate::plan::{Membership, Standing};

/// A person whose role in a deployment is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Their address, in lower case.
    pub email: &'a str,
    /// The release name of the deployment.
    pub deployment: &'a str,
}

/// A person found in the list of members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The id of the user.
    pub id: String,
    /// The address in the server's spelling.
    pub address: String,
    /// The role in the deployment.
    pub seen: Membership,
}

/// What was found of the people asked for, in their order; none for a person who is not a member. A
/// fault if the list does not show it.
pub type Answers = Result<Vec<Option<Found>>, Fault>;

/// The search for certain people's roles in deployments.
#[derive(Debug)]
pub(super) struct Grants<'a> {
    asked: &'a [Asked<'a>],
    met: HashMap<&'a str, Option<Met>, FixedState>,
    /// Whether an entry on the list may be any person.
    hides_some: bool,
}

/// A person who answers to a name that was asked for.
#[derive(Debug)]
struct Met {
    person: Person,
    /// By an address, which counts more than a user name.
    by_address: bool,
}

impl<'a> Grants<'a> {
    pub(super) fn new(asked: &'a [Asked<'a>]) -> Self {
        Self { asked, met: asked.iter().map(|asked| (asked.email, None)).collect(), hides_some: false }
    }

    pub(super) fn meet(&mut self, person: &Person) {
        self.hides_some |= person.hides_addresses;
        for address in &person.addresses {
            if let Some(met) = self.met.get_mut(&*email_key(address)) {
                *met = Some(Met { person: person.clone(), by_address: true });
            }
        }
        if let Some(name) = &person.username
            && let Some(met) = self.met.get_mut(&*email_key(name))
            && !met.as_ref().is_some_and(|met| met.by_address)
        {
            *met = Some(Met { person: person.clone(), by_address: false });
        }
    }

    /// What those who were asked for have, in their order; none for who is not on the list, which has been
    /// read to its end.
    ///
    /// # Errors
    /// The list does not show it.
    pub(super) fn found(&self) -> Answers {
        let find = |asked: &Asked<'_>| match self.met.get(asked.email) {
            Some(Some(met)) => found(&met.person, asked).map(Some),
            Some(None) | None if self.hides_some => Err(Fault::Malformed {
                text: "the member list does not show the addresses of all members".to_owned(),
            }),
            Some(None) | None => Ok(None),
        };
        self.asked.iter().map(find).collect()
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::houston::{InDeployment, UserStatus};

    fn person(id: &str, address: &str, username: &str) -> Person {
        let role = InDeployment { release_name: format!("rel-{id}"), role: "DEPLOYMENT_ADMIN".to_owned() };
        Person {
            id: id.to_owned(),
            addresses: vec![address.to_owned()],
            username: Some(username.to_owned()),
            status: UserStatus::Active,
            hides_addresses: false,
            bindings: Vec::new(),
            deployment_roles: Some(vec![role]),
            hides_roles: false,
            other_roles: false,
            spellings: Vec::new(),
        }
    }

    #[test]
    fn an_address_wins_over_a_user_name_in_any_order() {
        let by_name = person("name", "other@example.com", "ann@example.com");
        let by_address = person("address", "ann@example.com", "ann");
        for people in [[&by_name, &by_address], [&by_address, &by_name]] {
            let asked = [Asked { email: "ann@example.com", deployment: "rel-address" }];
            let mut grants = Grants::new(&asked);
            people.into_iter().for_each(|person| grants.meet(person));
            let found = grants.found().unwrap().remove(0).unwrap();
            assert_eq!((found.id.as_str(), found.seen.role().is_some()), ("address", true));
        }
        let asked = [Asked { email: "ann@example.com", deployment: "rel-name" }];
        let mut grants = Grants::new(&asked);
        grants.meet(&by_name);
        assert_eq!(grants.found().unwrap().remove(0).unwrap().id, "name", "where there is nothing else");
    }
}
