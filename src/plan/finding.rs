//! What a reading means for a change: why a change is left as another person's change has made it.

use super::Membership;
use crate::model::{Level, Scope};
use crate::outcome::{Cause, Code};

/// Why somebody is not removed who has another role than when the plan was made.
pub fn wanted_after_all(scope: Scope, seen: Membership, role: Option<Level>) -> Cause {
    let was = role.map_or("invited", |level| scope.role(level).name());
    let now = seen.described(scope);
    Cause::new(Code::OtherRole, format!("is {now} and stays it: was {was} when the removal was planned"))
}

/// Why nothing was done about somebody who is not there any more.
pub fn gone() -> Cause {
    Cause::new(Code::GoneAlready, "was not there any more, without this run's doing")
}

/// Why somebody is left alone who got yet another role since the plan was made.
pub fn third_role(scope: Scope, role: Level, from: Level, to: Level) -> Cause {
    let [role, from, to] = [role, from, to].map(|level| scope.role(level));
    let text = format!("is {role} and stays it: was {from} when the change to {to} was planned");
    Cause::new(Code::OtherRole, text)
}

/// Why the role of somebody is not changed who was a member when the plan was made.
pub fn no_member() -> Cause {
    Cause::new(Code::NoMember, "is no member any more, so that there is no role to be changed")
}

/// Why an acknowledged change is in doubt: Houston shows something else.
pub fn acknowledged_otherwise(scope: Scope, seen: Membership) -> Cause {
    let text = format!("Houston acknowledged it, but the person is {}", seen.described(scope));
    Cause::new(Code::OtherRole, text)
}
