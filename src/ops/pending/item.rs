//! One item without a final outcome, and what a reading means for it.
//!
//! Main type: [`PendingItem`]. Pure. [`finding`] says what a reading means for a change; this adds what
//! earlier legs of the run have sent. Nothing is done that was not planned.

use std::time::Duration;

use crate::engine::batch::{Earlier, InDoubt};
use crate::model::{ItemId, Level, Scope};
use crate::outcome::{Cause, Code, Outcome, Status};
use crate::plan::finding::{Finding, Ground, finding};
use crate::plan::{
    Account, Action, Decision, Holder, Membership, Reason, ReplaceStep, RolePolicy, decide,
    decide_in_deployment,
};
use crate::record::journal::{History, ItemEnd, LineDecision, Origin, PlanLine};

/// An item of the plan that has no final outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingItem {
    /// The item.
    pub item: ItemId,
    /// What it is about.
    pub about: About,
    /// What the plan says.
    pub planned: Planned,
    /// What earlier legs sent for it; none if nothing was ever sent.
    pub earlier: Option<Earlier>,
}

/// What an item is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A row of the roster: a person in a workspace.
    Row,
    /// A role in a deployment.
    Deployment {
        /// The id of the deployment.
        id: String,
        /// Its release name.
        name: String,
        /// How the row that wants it ended.
        row: Status,
    },
    /// A person who is not in the roster, by account.
    Extra(Account),
}

/// What the plan says about an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planned {
    /// This change.
    Change(Action),
    /// Nothing, since Houston could not be read: it is decided now.
    Undecided {
        /// The wanted role; none to remove a role.
        wanted: Option<Level>,
        /// What is done about people with another role.
        roles: RolePolicy,
    },
}

/// What is done about an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing: it has its outcome.
    Done(Status, Option<Cause>),
    /// Houston does not show the change: it is sent, or waited for if an earlier write is in doubt.
    Missing(Action),
}

impl PendingItem {
    /// The item of a line of the plan, if anything can be done about it.
    pub fn of(line: &PlanLine, history: &History) -> Option<Self> {
        let level = line.role.map(|role| role.level);
        let planned = match line.decision {
            LineDecision::Change(action) => Planned::Change(action),
            LineDecision::Keep(_) => {
                Planned::Undecided { wanted: level, roles: history.header.settings.roles }
            }
        };
        let about = match (line.origin, &line.deployment) {
            (Origin::Row { .. }, None) => About::Row,
            (Origin::Row { number, .. }, Some(deployment)) => {
                let row = history.item(number.into())?.status;
                let (id, name) = (deployment.id.clone(), deployment.name.clone());
                deployment.is_there().then_some(About::Deployment { id, name, row })?
            }
            (Origin::Extra, _) => About::Extra(line.accounts.first()?.clone()),
        };
        let earlier = earlier(history.item(line.item)?);
        Some(Self { item: line.item, about, planned, earlier })
    }

    /// Whether it is about a role in a workspace or in a deployment.
    pub fn scope(&self) -> Scope {
        match self.about {
            About::Row | About::Extra(_) => Scope::Workspace,
            About::Deployment { .. } => Scope::Deployment,
        }
    }

    /// The wanted role, if a role is wanted.
    pub fn wanted(&self) -> Option<Level> {
        match self.planned {
            Planned::Change(action) => action.level(),
            Planned::Undecided { wanted, .. } => wanted,
        }
    }

    /// What Houston has of a person who is not in the list of members, where only that list was read.
    pub fn unlisted(&self) -> Membership {
        match self.about {
            About::Deployment { row: Status::Invited | Status::AlreadyInvited, .. } => {
                Membership::Invited { role: None, invites: 1 }
            }
            About::Row | About::Deployment { .. } | About::Extra(_) => Membership::Absent,
        }
    }

    /// Whether an earlier write may still take effect.
    pub fn is_in_doubt(&self) -> bool {
        self.earlier.as_ref().is_some_and(|earlier| earlier.doubt.is_some())
    }

    /// What is done about it, now that Houston shows this.
    pub fn next(&mut self, seen: Membership) -> Next {
        self.note_removal(seen);
        match self.planned {
            Planned::Change(Action::Replace { to, holder }) if !self.is_removed() => {
                self.next_replacement(to, holder, seen)
            }
            Planned::Change(action) => self.found(action, seen),
            Planned::Undecided { wanted, roles } => self.decided(wanted, roles, seen),
        }
    }

    /// Whether the person has been removed already, or may have been, so that they must be added again in any
    /// case.
    pub fn has_begun_to_replace(&self, seen: Membership) -> bool {
        match self.planned {
            Planned::Change(Action::Replace { .. }) => self.earlier.is_some() || seen == Membership::Absent,
            Planned::Change(Action::Add(_) | Action::SetRole { .. } | Action::Remove(_))
            | Planned::Undecided { .. } => false,
        }
    }

    /// How it ends if a guard, or the user's wish, keeps this from being done. What may still take effect
    /// stays in doubt.
    pub fn held(&self, reason: &Reason) -> (Status, Option<Cause>) {
        let (status, cause) = reason.end(self.scope(), self.wanted());
        (if self.is_in_doubt() { Status::InDoubt } else { status }, cause)
    }

    /// How it ends if its workspace cannot be read. What was sent may have taken effect, whatever the
    /// workspace says now.
    pub fn unread(&self, status: Status, cause: &Cause) -> (Status, Cause) {
        let Some(earlier) = &self.earlier else { return (status, cause.clone()) };
        let status = if earlier.doubt.is_some() { Status::InDoubt } else { Status::GaveUp };
        // What an earlier leg said of the workspace is not said again.
        if earlier.cause.code == cause.code {
            return (status, earlier.cause.clone());
        }
        let text = format!("{}; now the workspace cannot be read: {}", earlier.cause.text, cause.text);
        (status, Cause { code: cause.code.clone(), text })
    }

    /// Its outcome, with what earlier legs sent for it.
    pub fn outcome(&self, status: Status, cause: Option<Cause>) -> (ItemId, Outcome) {
        let earlier = self.earlier.as_ref();
        let (attempts, elapsed) =
            earlier.map_or((0, Duration::ZERO), |earlier| (earlier.attempts, earlier.elapsed));
        (self.item, Outcome { status, cause, attempts, elapsed })
    }

    fn is_removed(&self) -> bool {
        self.earlier.as_ref().is_some_and(|earlier| earlier.is_removed)
    }

    /// Whether the run may claim what a reading shows. The add of a row may have given a role in a
    /// deployment, too.
    fn ground(&self) -> Ground {
        let is_bundled = matches!(self.about, About::Deployment { row: Status::Added | Status::Invited, .. })
            && matches!(self.planned, Planned::Change(Action::Add(_)));
        if self.earlier.is_some() || is_bundled { Ground::MaybeOurs } else { Ground::NothingSent }
    }

    /// A person who is replaced is gone: the removal of an earlier leg has taken effect, and its add was never
    /// sent.
    fn note_removal(&mut self, seen: Membership) {
        if let (Planned::Change(Action::Replace { .. }), Membership::Absent) = (self.planned, seen)
            && let Some(earlier) = &mut self.earlier
            && !earlier.is_removed
        {
            (earlier.is_removed, earlier.doubt) = (true, None);
        }
    }

    fn found(&mut self, action: Action, seen: Membership) -> Next {
        match finding(self.scope(), action, seen, self.ground()) {
            Finding::Done(status, cause) => Next::Done(status, cause),
            Finding::Missing => Next::Missing(action),
            // A doubtful write may still take effect on top of it.
            Finding::Overtaken(status, cause) => match &mut self.earlier {
                Some(Earlier { doubt: doubt @ Some(_), .. }) => {
                    *doubt = Some(InDoubt::Overtaken);
                    Next::Missing(action)
                }
                Some(_) | None => Next::Done(status, Some(cause)),
            },
        }
    }

    /// Until the removal is proved, the person may still be there with the accounts to remove: the engine
    /// looks for these, by id, before it adds the person. A member whom Houston lists once needs no
    /// replacement, unless a removal may still take effect.
    fn next_replacement(&self, to: Level, holder: Holder, seen: Membership) -> Next {
        match seen {
            Membership::Member { bindings: 1, .. } if !self.is_in_doubt() => {
                match decide(self.scope(), to, seen, RolePolicy::Keep) {
                    Decision::Change(action) => Next::Missing(action),
                    Decision::Keep(reason) => self.kept(&reason),
                }
            }
            Membership::Member { .. } | Membership::Invited { .. } | Membership::Absent => {
                Next::Missing(Action::Replace { to, holder })
            }
        }
    }

    fn decided(&mut self, wanted: Option<Level>, roles: RolePolicy, seen: Membership) -> Next {
        let decision = match wanted {
            Some(level) => decide(self.scope(), level, seen, roles),
            None => decide_in_deployment(None, seen, roles),
        };
        let reason = match decision {
            Decision::Change(action) => return Next::Missing(action),
            Decision::Keep(reason) => reason,
        };
        match (wanted, seen, self.ground()) {
            (Some(level), _, Ground::MaybeOurs) => self.found(Action::Add(level), seen),
            (None, Membership::Absent, Ground::MaybeOurs) => Next::Done(Status::Removed, None),
            (Some(_) | None, _, Ground::NothingSent | Ground::MaybeOurs | Ground::Ours) => self.kept(&reason),
        }
    }

    fn kept(&self, reason: &Reason) -> Next {
        let (status, cause) = reason.end(self.scope(), self.wanted());
        Next::Done(status, cause)
    }
}

/// What earlier legs sent, as the journal says it.
fn earlier(history: &ItemEnd) -> Option<Earlier> {
    let in_doubt = history.status == Status::InDoubt;
    let cause = || {
        let text = "sent, but the run ended before the answer";
        history.cause.as_deref().cloned().unwrap_or_else(|| Cause::new(Code::NoOutcome, text))
    };
    (in_doubt || history.attempts > 0).then(|| Earlier {
        attempts: history.attempts,
        elapsed: Duration::from_millis(u64::from(history.elapsed_ms)),
        cause: cause(),
        doubt: in_doubt.then_some(InDoubt::NotSeen),
        is_removed: history.step == Some(ReplaceStep::Add),
    })
}
