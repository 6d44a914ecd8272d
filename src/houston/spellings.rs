//! How Houston spells the people it has shown: it finds people by letters when their role is changed,
//! while rosters are compared whatever the case (houston.md 2.2).
//!
//! Main type: `Spellings`, which the clones of a client share. It keeps only what is not spelled as rosters
//! are compared, which is nothing on most servers.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::people::Person;
use crate::model::{WorkspaceId, email_key, normalize_email};

/// Stored addresses by the address that is compared with rosters.
type Stored = HashMap<Box<str>, Box<str>>;

/// Stored addresses by workspace.
#[derive(Debug, Default)]
pub(super) struct Spellings(Mutex<HashMap<WorkspaceId, Stored>>);

impl Spellings {
    /// Takes in how the people of a page are spelled.
    pub(super) fn note(&self, workspace: &WorkspaceId, people: &[Person]) {
        let odd = people.iter().flat_map(|person| {
            let names = person.addresses.iter().chain(person.username.as_ref());
            names.filter(|name| name.contains('@')).filter_map(|name| {
                let (key, stored) = (email_key(name), person.spelled(name));
                (key != stored).then(|| (Box::from(&*key), Box::from(stored)))
            })
        });
        let mut odd = odd.peekable();
        if odd.peek().is_some() {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.entry(workspace.clone()).or_default().extend(odd);
        }
    }

    /// The stored spelling of this address, or the address itself if no other one was shown.
    pub(super) fn stored(&self, workspace: &WorkspaceId, email: &str) -> String {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = normalize_email(email);
        let stored = all.get(workspace).and_then(|people| people.get(&*email_key(&key)));
        stored.map_or_else(|| email.to_owned(), ToString::to_string)
    }
}
