//! Reads many workspaces at a time.
//!
//! Main type: [`Survey`]. Each workspace is one task of the pool; pace and retries are the
//! transport's.

use std::time::Duration;

use rayon::ThreadPool;

use super::everybody::{self, Everybody};
use super::grants::{Answers, Asked};
use super::members::{self, Care, Look, PageSize, Reading};
use crate::houston::{Deployment, Fault, Houston, Invite};
use crate::model::{Emails, ItemId, WorkspaceId};
use crate::plan::Account;
use crate::plan::protect::Protect;
use crate::time::Cancel;

/// How often the caller hears from a survey that has nothing new to say.
const TICK: Duration = Duration::from_millis(100);

/// One workspace to read.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// Which.
    pub workspace: &'a WorkspaceId,
    /// The rows whose people are looked for; their addresses are distinct.
    pub rows: &'a [ItemId],
    /// The rows that name the expected people, if everyone else is listed too.
    pub named: Option<&'a [ItemId]>,
    /// Whose roles in which deployments are asked for.
    pub asked: &'a [Asked<'a>],
    /// The rows that name people who are not looked for.
    pub others: &'a [ItemId],
}

impl<'a> Task<'a> {
    /// Looks for the people of these rows, and nothing else.
    pub fn new(workspace: &'a WorkspaceId, rows: &'a [ItemId]) -> Self {
        Self { workspace, rows, named: None, asked: &[], others: &[] }
    }
}

/// How far a survey has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// This many workspaces have been read.
    Read(usize),
    /// Time went by.
    Tick,
}

/// Reads workspaces with a pool of threads.
#[derive(Debug, Clone, Copy)]
pub struct Survey<'a> {
    /// Who answers.
    pub houston: &'a Houston,
    /// Who asks: as many at a time as it has threads.
    pub pool: &'a ThreadPool,
    /// The addresses of all rows.
    pub emails: &'a Emails,
    /// Ends the survey early: what was not begun is reported as not sent.
    pub cancel: &'a Cancel,
    /// What is known of the server's pages.
    pub pages: &'a PageSize,
    /// The caller and the patterns of `--protect`, to be recognised among the members.
    pub care: Care<'a>,
}

impl<'a> Survey<'a> {
    /// The same, and looks for people who match these patterns.
    #[must_use]
    pub fn protecting(self, protect: &'a Protect) -> Self {
        let protect = Some(protect).filter(|protect| !protect.is_empty());
        Self { care: Care { protect, ..self.care }, ..self }
    }

    /// The same, and keeps the admins of workspaces whose list is read to its end.
    #[must_use]
    pub fn keeping_admins(self, admins: bool) -> Self {
        Self { care: Care { admins, ..self.care }, ..self }
    }
}

impl Survey<'_> {
    /// Reads every workspace, each in one walk; answers come in the order of the tasks.
    pub fn read(&self, tasks: &[Task<'_>], progress: impl FnMut(Progress)) -> Vec<Result<Reading, Fault>> {
        self.each(tasks.len(), progress, |index| {
            let Task { workspace, rows, named, asked, others } = tasks[index];
            let look = Look {
                wanted: self.wanted(rows).collect(),
                care: self.care,
                named: named.map(|rows| self.wanted(rows).collect()),
                asked,
                others: self.wanted(others).collect(),
                to_the_end: false,
            };
            members::read_all(self.houston, workspace, look, self.pages)
        })
    }

    /// Reads every workspace for the people with these ids, in the order of the tasks.
    pub fn read_accounts(
        &self,
        tasks: &[(&WorkspaceId, Vec<&Account>)],
        progress: impl FnMut(Progress),
    ) -> Vec<Result<Reading, Fault>> {
        self.each(tasks.len(), progress, |index| {
            let (workspace, accounts) = &tasks[index];
            members::read_accounts(self.houston, workspace, accounts, self.pages)
        })
    }

    /// The pending invitations of every workspace, with their dates where Houston reports them.
    pub fn dated_invites(&self, workspaces: &[&WorkspaceId]) -> Vec<Result<Vec<Invite>, Fault>> {
        self.each(
            workspaces.len(),
            |_| {},
            |index| self.houston.dated_invites(workspaces[index]).map_err(|failure| failure.fault),
        )
    }

    /// Whether each of these addresses has an account.
    pub fn accounts(&self, emails: &[&str], progress: impl FnMut(Progress)) -> Vec<Result<bool, Fault>> {
        let ask = |index: usize| self.houston.has_account(emails[index]);
        self.each(emails.len(), progress, |index| ask(index).map_err(|failure| failure.fault))
    }

    /// The deployments of every workspace.
    pub fn deployments(&self, workspaces: &[&WorkspaceId]) -> Vec<Result<Vec<Deployment>, Fault>> {
        let read = |index: usize| self.houston.deployments(workspaces[index]);
        self.each(workspaces.len(), |_| {}, |index| read(index).map_err(|failure| failure.fault))
    }

    /// Everyone in every workspace.
    pub fn everybody(
        &self,
        workspaces: &[&WorkspaceId],
        progress: impl FnMut(Progress),
    ) -> Vec<Result<Everybody, Fault>> {
        self.each(workspaces.len(), progress, |index| {
            everybody::read(self.houston, workspaces[index], self.pages)
        })
    }

    /// Which roles these people have in deployments of every workspace, in the order of the tasks.
    pub fn read_grants(
        &self,
        tasks: &[(&WorkspaceId, Vec<Asked<'_>>)],
        progress: impl FnMut(Progress),
    ) -> Vec<Answers> {
        self.each(tasks.len(), progress, |index| {
            let (workspace, asked) = &tasks[index];
            members::read_grants(self.houston, workspace, asked, self.pages)
        })
    }

    /// Counts the admins of every workspace who are none of the people of its rows, in the order of
    /// the tasks.
    pub fn other_admins(
        &self,
        tasks: &[Task<'_>],
        progress: impl FnMut(Progress),
    ) -> Vec<Result<usize, Fault>> {
        self.each(tasks.len(), progress, |index| {
            let Task { workspace, rows, .. } = tasks[index];
            members::other_admins(self.houston, workspace, self.wanted(rows), self.pages)
        })
    }

    fn wanted<'w>(&'w self, rows: &'w [ItemId]) -> impl Iterator<Item = &'w str> {
        rows.iter().map(|&row| self.emails.get(row))
    }

    fn each<T: Send>(
        &self,
        tasks: usize,
        mut progress: impl FnMut(Progress),
        ask: impl Fn(usize) -> Result<T, Fault> + Sync,
    ) -> Vec<Result<T, Fault>> {
        let ask = &ask;
        let mut readings: Vec<Option<Result<T, Fault>>> = (0..tasks).map(|_| None).collect();
        let (sender, receiver) = crossbeam_channel::unbounded();
        self.pool.in_place_scope(|scope| {
            for index in 0..tasks {
                let sender = sender.clone();
                scope.spawn(move |_| {
                    let reading = if self.cancel.is_pulled() { Err(Fault::cancelled()) } else { ask(index) };
                    // The receiver outlives the scope, so the answer always arrives.
                    let _ = sender.send((index, reading));
                });
            }
            drop(sender);
            let mut done = 0;
            while done < tasks {
                match receiver.recv_timeout(TICK) {
                    Ok((index, reading)) => {
                        readings[index] = Some(reading);
                        done += 1;
                        progress(Progress::Read(done));
                    }
                    Err(crossbeam_channel::RecvTimeoutError::Timeout) => progress(Progress::Tick),
                    Err(crossbeam_channel::RecvTimeoutError::Disconnected) => break,
                }
            }
        });
        readings.into_iter().map(|reading| reading.unwrap_or_else(|| Err(Fault::cancelled()))).collect()
    }
}
