//! What a reading means for a change: it is done, it is not seen, or another person's change has
//! overtaken it.
//!
//! Main function: [`finding`]. Pure. It does not say whether to wait for a change that is not seen, to send
//! it again or to give it up, and it knows nothing of guards.

use super::{Action, Decision, Holder, Membership, Reason, RolePolicy, Standing, decide};
use crate::model::{Level, Scope};
use crate::outcome::{Cause, Code, Status};

/// What the run has sent for a change: whether it may claim what a reading shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// Nothing that can have taken effect.
    NothingSent,
    /// Something that may have taken effect.
    MaybeOurs,
    /// Houston has acknowledged the change.
    Ours,
}

/// What a reading means for a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The change has its end.
    Done(Status, Option<Cause>),
    /// Houston does not show it.
    Missing,
    /// Houston shows a role that the change neither began from nor leads to. Another person gave it, and
    /// the run leaves it. Kept apart from [`Finding::Done`], because a write without an answer may still
    /// land on top of it; a status and a cause rather than a [`Reason`], because the cause says what the
    /// plan saw.
    Overtaken(Status, Cause),
}

impl Finding {
    /// How the change ends, if it has an end.
    pub fn end(self) -> Option<(Status, Option<Cause>)> {
        match self {
            Self::Done(status, cause) => Some((status, cause)),
            Self::Overtaken(status, cause) => Some((status, Some(cause))),
            Self::Missing => None,
        }
    }
}

/// What a reading means for a change. A replacement is asked about once the accounts that the plan names
/// are gone: another invitation looks like the new one.
pub fn finding(scope: Scope, action: Action, seen: Membership, ground: Ground) -> Finding {
    let found = match action {
        Action::Add(wanted) => added(scope, wanted, seen, ground),
        Action::SetRole { from, to, holder } => changed(scope, (from, to, holder), seen, ground),
        Action::Replace { to, holder } => replaced(scope, (to, holder), seen, ground),
        Action::Remove(level) => removed(scope, level, seen, ground),
    };
    match (ground, found) {
        (Ground::Ours, Finding::Overtaken(..)) => {
            Finding::Done(Status::InDoubt, Some(acknowledged_otherwise(scope, seen)))
        }
        (Ground::NothingSent | Ground::MaybeOurs | Ground::Ours, found) => found,
    }
}

/// A person whom someone else gave the wanted role counts as unchanged.
fn added(scope: Scope, wanted: Level, seen: Membership, ground: Ground) -> Finding {
    let has_wanted_role = seen.role().is_none_or(|level| level == wanted);
    match (ground, seen) {
        (_, Membership::Absent) => Finding::Missing,
        (Ground::MaybeOurs | Ground::Ours, _) if seen.is_doubled() => {
            Finding::Done(Status::Rejected, seen.doubled(scope))
        }
        (Ground::MaybeOurs | Ground::Ours, _) if has_wanted_role => Finding::Done(new(seen), None),
        (Ground::NothingSent | Ground::MaybeOurs | Ground::Ours, _) => {
            match decide(scope, wanted, seen, RolePolicy::Keep) {
                Decision::Keep(reason) => kept(scope, wanted, &reason),
                Decision::Change(_) => Finding::Missing,
            }
        }
    }
}

/// The status of a person whom an add has brought in.
fn new(seen: Membership) -> Status {
    match seen {
        Membership::Member { standing: Standing::Active | Standing::Disabled, .. } => Status::Added,
        Membership::Member { standing: Standing::Pending, .. }
        | Membership::Invited { .. }
        | Membership::Absent => Status::Invited,
    }
}

/// A third role is another person's change and stays. A person who no longer has a role is not added
/// either. A person who has since accepted an invitation has the role that it promised.
fn changed(
    scope: Scope,
    (from, to, holder): (Level, Level, Holder),
    seen: Membership,
    ground: Ground,
) -> Finding {
    let level = match (seen, holder) {
        (Membership::Member { role, .. }, _) => Some(role),
        (Membership::Invited { role, .. }, Holder::Invitation) => role,
        (Membership::Invited { .. }, Holder::Member) | (Membership::Absent, _) => None,
    };
    match ground {
        Ground::NothingSent => {
            if let Decision::Keep(reason) = decide(scope, to, seen, RolePolicy::Update) {
                return kept(scope, to, &reason);
            }
        }
        Ground::MaybeOurs | Ground::Ours if seen.is_doubled() => {
            return Finding::Done(Status::Rejected, seen.doubled(scope));
        }
        Ground::MaybeOurs | Ground::Ours if level == Some(to) => {
            return Finding::Done(Status::RoleUpdated, None);
        }
        Ground::MaybeOurs | Ground::Ours => {}
    }
    let is_with_holder = match seen {
        Membership::Member { .. } => holder == Holder::Member,
        Membership::Invited { .. } => holder == Holder::Invitation,
        Membership::Absent => false,
    };
    match level {
        None => Finding::Done(Status::Rejected, Some(no_member())),
        Some(level) if level == from && is_with_holder => Finding::Missing,
        Some(level) => Finding::Overtaken(Status::RoleKept, third_role(scope, level, from, to)),
    }
}

/// The add of a replacement, whose accounts have been removed.
fn replaced(scope: Scope, (wanted, holder): (Level, Holder), seen: Membership, ground: Ground) -> Finding {
    match (added(scope, wanted, seen, ground), holder) {
        (Finding::Done(Status::Added, _), Holder::Invitation) => {
            let text = "has an account; the old invitation was revoked";
            Finding::Done(Status::Added, Some(Cause::new(Code::LetIn, text)))
        }
        (Finding::Done(Status::Added, _), Holder::Member) => {
            let role = scope.role(wanted);
            let text = format!("was in the workspace more than once; removed and added again as {role}");
            Finding::Done(Status::RoleUpdated, Some(Cause::new(Code::Repaired, text)))
        }
        (Finding::Done(Status::Invited, _), _) => {
            let text = "the old invitation was revoked and a new one created";
            Finding::Done(Status::Invited, Some(Cause::new(Code::Renewed, text)))
        }
        (found @ (Finding::Done(..) | Finding::Missing | Finding::Overtaken(..)), _) => found,
    }
}

/// A person with another role than the one that the plan saw has been given it since, and stays.
fn removed(scope: Scope, level: Option<Level>, seen: Membership, ground: Ground) -> Finding {
    match (seen, ground) {
        (Membership::Absent, Ground::NothingSent) => Finding::Done(Status::Unchanged, Some(gone())),
        (Membership::Absent, Ground::MaybeOurs | Ground::Ours) => Finding::Done(Status::Removed, None),
        (Membership::Member { .. } | Membership::Invited { .. }, _) if seen.role() == level => {
            Finding::Missing
        }
        (Membership::Member { .. } | Membership::Invited { .. }, _) => {
            Finding::Overtaken(Status::RoleKept, wanted_after_all(scope, seen, level))
        }
    }
}

/// The end of a change for which nothing is left to do now. A person with another role than the wanted one
/// got it since the plan was made.
fn kept(scope: Scope, wanted: Level, reason: &Reason) -> Finding {
    match reason.end(scope, Some(wanted)) {
        (status @ (Status::RoleKept | Status::AlreadyInvited), Some(cause)) => {
            Finding::Overtaken(status, cause)
        }
        (status, cause) => Finding::Done(status, cause),
    }
}

/// Why a person is not removed whose role has changed since the plan was made.
pub fn wanted_after_all(scope: Scope, seen: Membership, role: Option<Level>) -> Cause {
    let was = role.map_or("invited", |level| scope.role(level).name());
    let now = seen.described(scope);
    Cause::new(Code::OtherRole, format!("not removed: was {was} when the removal was planned, now {now}"))
}

/// Why there was nothing to do for a person who is already gone.
pub fn gone() -> Cause {
    Cause::new(Code::GoneAlready, "was already gone; this run did not remove them")
}

/// Why a person keeps a third role that they got since the plan was made.
pub fn third_role(scope: Scope, role: Level, from: Level, to: Level) -> Cause {
    let [role, from, to] = [role, from, to].map(|level| scope.role(level));
    let text = format!("keeps {role}: was {from} when the change to {to} was planned");
    Cause::new(Code::OtherRole, text)
}

/// Why the role of a person is not changed who is no longer a member.
pub fn no_member() -> Cause {
    Cause::new(Code::NoMember, "is no longer a member, so there is no role to change")
}

/// Why an acknowledged change is in doubt: Houston shows something else.
fn acknowledged_otherwise(scope: Scope, seen: Membership) -> Cause {
    let text = format!("Houston acknowledged the change, but the person is {}", seen.described(scope));
    Cause::new(Code::OtherRole, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Level::{Admin, Editor, Viewer};

    fn member(role: Level, standing: Standing, bindings: u8) -> Membership {
        Membership::Member { role, bindings, standing }
    }

    fn memberships() -> impl Iterator<Item = Membership> {
        let standings = [Standing::Active, Standing::Pending, Standing::Disabled];
        let levels = [Viewer, Editor, Admin];
        let members = levels.into_iter().flat_map(move |role| {
            standings
                .into_iter()
                .flat_map(move |standing| [1, 2].map(|bindings| member(role, standing, bindings)))
        });
        let invited = [None, Some(Viewer), Some(Editor), Some(Admin)]
            .into_iter()
            .flat_map(|role| [1, 2].map(|invites| Membership::Invited { role, invites }));
        members.chain(invited).chain([Membership::Absent])
    }

    fn replace(holder: Holder) -> Action {
        Action::Replace { to: Editor, holder }
    }

    fn actions() -> [Action; 8] {
        let change = |holder| Action::SetRole { from: Viewer, to: Editor, holder };
        [
            Action::Add(Editor),
            change(Holder::Member),
            change(Holder::Invitation),
            replace(Holder::Member),
            replace(Holder::Invitation),
            Action::Remove(Some(Viewer)),
            Action::Remove(Some(Admin)),
            Action::Remove(None),
        ]
    }

    /// Every action with everything that can be seen, on this ground.
    fn found(ground: Ground) -> Vec<(Action, Membership, Finding)> {
        let of = |action| {
            memberships().map(move |seen| (action, seen, finding(Scope::Workspace, action, seen, ground)))
        };
        actions().into_iter().flat_map(of).collect()
    }

    #[test]
    fn a_run_that_sent_nothing_claims_nothing() {
        let claimed = [Status::Added, Status::Invited, Status::RoleUpdated, Status::Removed];
        for (action, seen, found) in found(Ground::NothingSent) {
            let status = found.end().map(|(status, _)| status);
            assert!(
                !status.is_some_and(|status| claimed.contains(&status)),
                "{action:?} {seen:?}: {status:?}"
            );
        }
    }

    #[test]
    fn an_acknowledged_change_reads_like_one_that_may_be_ours_unless_it_was_overtaken() {
        for ((action, seen, acknowledged), (_, _, sent)) in
            found(Ground::Ours).into_iter().zip(found(Ground::MaybeOurs))
        {
            match sent {
                Finding::Overtaken(..) => assert!(
                    matches!(&acknowledged, Finding::Done(Status::InDoubt, Some(cause)) if cause.code == Code::OtherRole),
                    "{action:?} {seen:?}: {acknowledged:?}"
                ),
                sent @ (Finding::Done(..) | Finding::Missing) => {
                    assert_eq!(acknowledged, sent, "{action:?} {seen:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_seen_is_missing_and_another_role_has_overtaken_the_change() {
        let (active, pending) =
            (|role| member(role, Standing::Active, 1), member(Editor, Standing::Pending, 1));
        let invited = |role| Membership::Invited { role, invites: 1 };
        let change = |holder| Action::SetRole { from: Viewer, to: Editor, holder };
        let (done, overtaken) = (|status| Some((status, false)), |status| Some((status, true)));
        let table = [
            (Action::Add(Editor), Membership::Absent, None),
            (Action::Add(Editor), active(Editor), done(Status::Added)),
            (Action::Add(Editor), pending, done(Status::Invited)),
            (Action::Add(Editor), invited(None), done(Status::Invited)),
            (Action::Add(Editor), active(Admin), overtaken(Status::RoleKept)),
            (Action::Add(Editor), invited(Some(Admin)), overtaken(Status::AlreadyInvited)),
            (Action::Add(Editor), member(Editor, Standing::Active, 2), done(Status::Rejected)),
            (change(Holder::Member), active(Viewer), None),
            (change(Holder::Member), active(Editor), done(Status::RoleUpdated)),
            (change(Holder::Member), active(Admin), overtaken(Status::RoleKept)),
            (change(Holder::Member), Membership::Absent, done(Status::Rejected)),
            (change(Holder::Member), invited(Some(Viewer)), done(Status::Rejected)),
            (change(Holder::Invitation), invited(Some(Viewer)), None),
            (change(Holder::Invitation), active(Viewer), overtaken(Status::RoleKept)),
            (change(Holder::Invitation), active(Editor), done(Status::RoleUpdated)),
            (replace(Holder::Member), Membership::Absent, None),
            (replace(Holder::Member), member(Editor, Standing::Active, 2), done(Status::Rejected)),
            (replace(Holder::Member), active(Editor), done(Status::RoleUpdated)),
            (replace(Holder::Invitation), active(Editor), done(Status::Added)),
            (replace(Holder::Invitation), invited(Some(Editor)), done(Status::Invited)),
            (Action::Remove(Some(Viewer)), active(Viewer), None),
            (Action::Remove(Some(Viewer)), Membership::Absent, done(Status::Removed)),
            (Action::Remove(Some(Viewer)), active(Editor), overtaken(Status::RoleKept)),
        ];
        for (action, seen, expected) in table {
            let found = match finding(Scope::Workspace, action, seen, Ground::MaybeOurs) {
                Finding::Done(status, _) => done(status),
                Finding::Overtaken(status, _) => overtaken(status),
                Finding::Missing => None,
            };
            assert_eq!(found, expected, "{action:?} {seen:?}");
        }
    }
}
