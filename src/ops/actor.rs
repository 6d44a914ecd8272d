//! Who carries a run out: the caller as Houston knows them, and the user and the name of this machine.
//!
//! Main function: [`actor`]. It asks the operating system only; no name of it is trusted with anything.

use nix::unistd::{Uid, User, gethostname};

use super::session::Session;
use super::session::identity::Identity;
use crate::record::journal::Actor;

/// The longest name that is recorded, in characters.
const LONGEST: usize = 200;

/// Who carries out this leg of a run.
pub fn actor(session: &Session) -> Actor {
    let name = session.caller.as_ref().and_then(|caller| caller.username.as_deref());
    Actor {
        user_id: session.identity.user_id().map(bounded),
        name: name.map(bounded),
        service_account: session.identity == Identity::ServiceAccount,
        host: gethostname().ok().map(|name| bounded(&name.to_string_lossy())),
        os_user: Some(os_user()),
    }
}

/// The name of the user of this process, or the number of one who has none.
fn os_user() -> String {
    let id = Uid::current();
    let user = User::from_uid(id).ok().flatten();
    user.map_or_else(|| id.to_string(), |user| bounded(&user.name))
}

fn bounded(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}
