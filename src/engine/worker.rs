//! One request at a time: takes a ticket, calls Houston, says what came back. It decides nothing.
//!
//! Main types: [`Ticket`] and [`Signal`]. Every ticket is answered by exactly one signal, also if
//! a worker panics or a ticket is dropped: nothing can hang the run.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

use super::batch::{InDeployment, Subject, Subjects};
use super::verify::Accounts;
use crate::houston::{
    Caller, DeploymentUser, Effect, Failure, Fault, Houston, Mail, Removal, Sent, UnsentCause,
};
use crate::model::{Emails, ItemId, Level, WorkspaceId, other_spelling};
use crate::plan::compare::Addresses;
use crate::plan::{Account, Action, Holder, Membership, Operation};
use crate::present::grants::{Asked, Found};
use crate::present::members::{self, PageSize, Reading};
use crate::time::Clock;

/// What to do.
#[derive(Debug, Clone)]
pub enum Job {
    /// Change something for the person of this row.
    Send {
        /// Index of the operation.
        operation: usize,
        /// Whose.
        row: ItemId,
        /// Where.
        workspace: WorkspaceId,
        /// What.
        action: Action,
    },
    /// Read a workspace for the people of these rows.
    Read {
        /// Index of the lane that asked.
        lane: usize,
        /// Which.
        workspace: WorkspaceId,
        /// Indices of the operations. Small, since a workspace may have a million of them.
        operations: Arc<[u32]>,
        /// Those of them whose accounts are being removed, so that they can be added again.
        removing: HashSet<ItemId>,
        /// Whether its admins are counted, too.
        admins: Admins,
    },
    /// Ask who the caller is: distinguishes a dead token from a missing right.
    Probe,
}

/// Whether a read counts the admins of the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admins {
    /// It does not: the list need not be read to its end.
    Unasked,
    /// It does.
    Counted,
}

/// What Houston said to a mutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It did it.
    Done {
        /// How many requests it took.
        attempts: u32,
    },
    /// The person to remove is absent.
    NothingThere {
        /// How many requests it took.
        attempts: u32,
    },
}

impl From<Sent> for Answer {
    fn from(sent: Sent) -> Self {
        Self::Done { attempts: sent.attempts }
    }
}

impl From<Removal> for Answer {
    fn from(removal: Removal) -> Self {
        match removal {
            Removal::Done { attempts } => Self::Done { attempts },
            Removal::NothingThere { attempts } => Self::NothingThere { attempts },
        }
    }
}

/// What a read of a workspace shows.
#[derive(Debug)]
pub struct Shown {
    /// Of every person, in the order of the question.
    pub reading: Reading,
    /// Of those whose accounts are being removed, whether these are gone.
    pub accounts: HashMap<ItemId, Accounts>,
}

/// What came of it.
#[derive(Debug)]
pub enum Signal {
    /// A mutation was answered, or was not.
    Answered {
        /// Index of the operation.
        operation: usize,
        /// What came back.
        result: Result<Answer, Failure>,
        /// How long it took, its transport's retries included.
        elapsed: Duration,
    },
    /// A mutation was handed back unsent, because the run is stopping.
    Released {
        /// Index of the operation.
        operation: usize,
    },
    /// A workspace was read, or could not be.
    Read {
        /// Index of the lane that asked.
        lane: usize,
        /// Indices of the operations, in the order of the memberships.
        operations: Arc<[u32]>,
        /// What was found.
        result: Result<Box<Shown>, Fault>,
        /// When the read began.
        began: Instant,
    },
    /// The caller answered, or not.
    Probed(Result<Caller, Failure>),
    /// A job ended without an answer: its worker panicked.
    Lost(Job),
}

/// A job with the duty to answer: dropping it unanswered reports it lost.
#[derive(Debug)]
pub struct Ticket {
    job: Option<Job>,
    signals: Sender<Signal>,
}

impl Ticket {
    /// A ticket that sends its answer to `signals`.
    pub fn new(job: Job, signals: Sender<Signal>) -> Self {
        Self { job: Some(job), signals }
    }

    fn answer(mut self, signal: Signal) {
        self.job = None;
        // The dispatcher may have left already, at the end of a signal's grace.
        let _ = self.signals.send(signal);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            let _ = self.signals.send(Signal::Lost(job));
        }
    }
}

/// What a worker needs besides its tickets.
pub struct Worker {
    /// Who carries mutations out.
    pub houston: Houston,
    /// The same for reads, whose repeats are not charged to the retry budget.
    pub reader: Houston,
    /// The operations of the run.
    pub operations: Arc<Vec<Operation>>,
    /// The addresses of all rows.
    pub emails: Arc<Emails>,
    /// What operations need besides a person in a workspace.
    pub subjects: Arc<Subjects>,
    /// What is known of the server's pages.
    pub pages: Arc<PageSize>,
    /// Whether invitations are mailed.
    pub mail: Mail,
    /// Set when nothing new may be sent.
    pub stopping: Arc<AtomicBool>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Worker {
    /// Works until there are no more tickets.
    pub fn work(&self, tickets: &Receiver<Ticket>) {
        for ticket in tickets {
            // A panic drops the ticket, which reports itself; the worker continues.
            let _ = catch_unwind(AssertUnwindSafe(|| self.perform(ticket)));
        }
    }

    fn perform(&self, ticket: Ticket) {
        let Some(job) = &ticket.job else { return };
        let began = self.clock.now();
        let signal = match *job {
            Job::Send { operation, .. } if self.stopping.load(Ordering::Acquire) => {
                Signal::Released { operation }
            }
            Job::Send { operation, row, ref workspace, action } => {
                let result = self.mutate(workspace, row, action);
                Signal::Answered { operation, result, elapsed: self.clock.now() - began }
            }
            Job::Read { lane, ref workspace, ref operations, ref removing, admins } => {
                let result = self.read(workspace, operations, removing, admins).map(Box::new);
                Signal::Read { lane, operations: Arc::clone(operations), result, began }
            }
            Job::Probe => Signal::Probed(self.reader.caller()),
        };
        ticket.answer(signal);
    }

    /// Reads a workspace for people of the roster, for their roles in deployments, or for people to remove: a
    /// run has only one of them at a time.
    fn read(
        &self,
        workspace: &WorkspaceId,
        operations: &[u32],
        removing: &HashSet<ItemId>,
        admins: Admins,
    ) -> Result<Shown, Fault> {
        // First, so that no one seen afterwards can be one of these accounts.
        let accounts = self.read_accounts(workspace, removing)?;
        let item = |&operation: &u32| self.operations[operation as usize].item;
        let rows: Vec<ItemId> = operations.iter().map(item).collect();
        Ok(Shown { reading: self.read_people(workspace, &rows, admins)?, accounts })
    }

    fn read_people(
        &self,
        workspace: &WorkspaceId,
        rows: &[ItemId],
        admins: Admins,
    ) -> Result<Reading, Fault> {
        let (mut leavers, mut asked) = (Vec::new(), Vec::new());
        for &row in rows {
            match self.subjects.get(row) {
                Some(Subject::Extra(account)) => leavers.push(account),
                Some(Subject::Deployment(subject)) => {
                    asked.push(Asked { email: self.emails.get(row), deployment: &subject.name });
                }
                None => {}
            }
        }
        if !asked.is_empty() {
            let found = members::read_grants(&self.reader, workspace, &asked, &self.pages)?;
            let seen = |found: Option<Found>| found.map_or(Membership::Absent, |found| found.seen);
            return Ok(Reading::of(found.into_iter().map(seen).collect()));
        }
        if !leavers.is_empty() {
            return members::read_accounts(&self.reader, workspace, &leavers, &self.pages);
        }
        let wanted = Addresses::OfRows(&self.emails, rows);
        let reading = match admins {
            Admins::Unasked => members::read(&self.reader, workspace, wanted, &self.pages)?,
            Admins::Counted => members::read_with_admins(&self.reader, workspace, wanted, &self.pages)?,
        };
        if let (Some(cause), true) =
            (reading.cause_of_doubt(), reading.memberships.contains(&Membership::Absent))
        {
            return Err(Fault::Malformed { text: cause.text });
        }
        Ok(reading)
    }

    /// Whether the accounts of these rows are gone.
    fn read_accounts(
        &self,
        workspace: &WorkspaceId,
        rows: &HashSet<ItemId>,
    ) -> Result<HashMap<ItemId, Accounts>, Fault> {
        let pairs: Vec<(ItemId, &Account)> = rows
            .iter()
            .flat_map(|&row| self.accounts(row).iter().map(move |account| (row, account)))
            .collect();
        let mut shown: HashMap<ItemId, Accounts> = rows.iter().map(|&row| (row, Accounts::Gone)).collect();
        if pairs.is_empty() {
            return Ok(shown);
        }
        let accounts: Vec<&Account> = pairs.iter().map(|&(_, account)| account).collect();
        let seen = members::read_accounts(&self.reader, workspace, &accounts, &self.pages)?.memberships;
        let there = pairs.iter().zip(seen).filter(|(_, seen)| *seen != Membership::Absent);
        shown.extend(there.map(|(&(row, _), _)| (row, Accounts::There)));
        Ok(shown)
    }

    /// The accounts of the person who is removed for this row and added again.
    fn accounts(&self, row: ItemId) -> &[Account] {
        self.subjects.replaced.get(&row).map_or(&[], Vec::as_slice)
    }

    fn mutate(&self, workspace: &WorkspaceId, row: ItemId, action: Action) -> Result<Answer, Failure> {
        let email = self.emails.spelled(row);
        match (action, self.subjects.get(row)) {
            (Action::Replace { .. }, _) => unreachable!("a replacement is sent as a removal and an add"),
            (action, Some(Subject::Deployment(subject))) => self.grant(subject, email, action),
            (Action::Add(role), _) => self.add(workspace, row, role),
            (Action::SetRole { to, holder, .. }, _) => {
                self.set_role_of(workspace, row, to, holder).map(Answer::from)
            }
            (Action::Remove(_), Some(Subject::Extra(account))) => {
                self.remove(workspace, account).map(Answer::from)
            }
            (Action::Remove(_), None) => self.remove_all(workspace, row),
        }
    }

    /// Sets a role under the spelling that Houston has. If it does not know the address, the person has not
    /// been shown to this process, and is looked at first.
    fn set_role_of(
        &self,
        workspace: &WorkspaceId,
        row: ItemId,
        to: Level,
        holder: Holder,
    ) -> Result<Sent, Failure> {
        let email = self.emails.spelled(row);
        let unknown = match self.set_role(workspace, email, to, holder) {
            Err(failure) if failure.fault.is_unknown_address() => failure,
            settled => return settled,
        };
        let wanted = Addresses::Listed(vec![self.emails.get(row)]);
        let is_shown = members::read(&self.reader, workspace, wanted, &self.pages)
            .is_ok_and(|reading| matches!(reading.memberships[..], [Membership::Member { .. }]));
        let again = if is_shown { self.set_role(workspace, email, to, holder) } else { Err(unknown) };
        match (again, other_spelling(email)) {
            (Err(failure), Some(other)) if failure.fault.is_unknown_address() => {
                self.set_role(workspace, &other, to, holder)
            }
            (settled, _) => settled,
        }
    }

    fn set_role(
        &self,
        workspace: &WorkspaceId,
        email: &str,
        to: Level,
        holder: Holder,
    ) -> Result<Sent, Failure> {
        match holder {
            Holder::Member => self.houston.set_role(workspace, email, to),
            Holder::Invitation => self.houston.set_invite_role(workspace, email, to),
        }
    }

    /// Adds a person, with their deployment roles if the server accepts them. One that does not
    /// has done nothing: they are set afterwards.
    fn add(&self, workspace: &WorkspaceId, row: ItemId, role: Level) -> Result<Answer, Failure> {
        let email = self.emails.spelled(row);
        let bundled = self.subjects.bundled.get(&row).map_or(&[][..], Vec::as_slice);
        let whole = self.houston.add_member_with(workspace, email, role, self.mail, bundled);
        match whole {
            Err(failure) if failure.fault.is_about_deployment_roles() => {
                self.houston.add_member(workspace, email, role, self.mail)
            }
            whole => whole,
        }
        .map(Answer::from)
    }

    fn remove(&self, workspace: &WorkspaceId, account: &Account) -> Result<Removal, Failure> {
        match account {
            Account::User(id) => self.houston.remove_member(workspace, id),
            Account::Invite(id) => self.houston.delete_invite(id),
        }
    }

    /// Removes all accounts of a person who is added again afterwards. A server may fail over one that is
    /// gone already, so a failure does not keep the others from being removed.
    fn remove_all(&self, workspace: &WorkspaceId, row: ItemId) -> Result<Answer, Failure> {
        let mut all = Removed::default();
        for account in self.accounts(row) {
            all.take(self.remove(workspace, account));
        }
        all.end()
    }

    fn grant(&self, subject: &InDeployment, email: &str, action: Action) -> Result<Answer, Failure> {
        let (id, email) = match &subject.user {
            Some((id, address)) => (Some(id.as_str()), address.as_str()),
            None => (None, email),
        };
        let user = DeploymentUser { id, email };
        match action {
            Action::Add(role) => {
                self.houston.add_deployment_role(&subject.deployment, user, role).map(Answer::from)
            }
            Action::SetRole { to, .. } => {
                self.houston.set_deployment_role(&subject.deployment, user, to).map(Answer::from)
            }
            Action::Remove(_) => {
                self.houston.remove_deployment_role(&subject.deployment, user).map(Answer::from)
            }
            Action::Replace { .. } => unreachable!("no role in a deployment is replaced"),
        }
    }
}

/// What became of several accounts of one person.
#[derive(Debug, Default)]
struct Removed {
    attempts: u32,
    /// Houston says that it removed one.
    is_one_done: bool,
    failed: Option<Fault>,
}

impl Removed {
    fn take(&mut self, result: Result<Removal, Failure>) {
        let (attempts, is_done) = match result {
            Ok(Removal::Done { attempts }) => (attempts, true),
            Ok(Removal::NothingThere { attempts }) => (attempts, false),
            Err(failure) => {
                self.attempts += failure.attempts;
                // What may have taken effect counts before what certainly has not.
                let counts = |known: &Fault| known.effect() != Effect::Unknown;
                if self.failed.as_ref().is_none_or(counts) {
                    self.failed = Some(failure.fault);
                }
                return;
            }
        };
        self.attempts += attempts;
        self.is_one_done |= is_done;
    }

    /// One answer for all of them.
    fn end(self) -> Result<Answer, Failure> {
        let attempts = self.attempts;
        match self.failed {
            // Where the run ends between two of them, a read has to show what is left of the person.
            Some(Fault::Unsent { cause: UnsentCause::Cancelled, .. }) | None if self.is_one_done => {
                Ok(Answer::Done { attempts })
            }
            Some(fault) => Err(Failure { fault, attempts }),
            None => Ok(Answer::NothingThere { attempts }),
        }
    }
}
