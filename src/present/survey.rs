//! Reads many workspaces at a time.
//!
//! Main type: [`Survey`]. Each workspace is one task of the pool; pace and retries are the
//! transport's.

use std::time::Duration;

use rayon::ThreadPool;

use super::members::{self, PageSize, Reading};
use crate::houston::{Fault, Houston};
use crate::model::{Emails, RowNumber, WorkspaceId};
use crate::time::Cancel;

/// How often the caller hears from a survey that has nothing new to say.
const TICK: Duration = Duration::from_millis(100);

/// One workspace to read.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// Which.
    pub workspace: &'a WorkspaceId,
    /// The rows whose people are looked for; their addresses are distinct.
    pub rows: &'a [RowNumber],
}

/// How far a survey has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many workspaces have been read.
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
}

impl Survey<'_> {
    /// Reads every workspace; answers come in the order of the tasks.
    pub fn read(
        &self,
        tasks: &[Task<'_>],
        mut progress: impl FnMut(Progress),
    ) -> Vec<Result<Reading, Fault>> {
        let mut readings: Vec<Option<Result<Reading, Fault>>> = tasks.iter().map(|_| None).collect();
        let (sender, receiver) = crossbeam_channel::unbounded();
        self.pool.in_place_scope(|scope| {
            for (place, task) in tasks.iter().enumerate() {
                let sender = sender.clone();
                scope.spawn(move |_| {
                    // The receiver outlives the scope, so the answer always arrives.
                    let _ = sender.send((place, self.read_one(*task)));
                });
            }
            drop(sender);
            let mut done = 0;
            while done < tasks.len() {
                match receiver.recv_timeout(TICK) {
                    Ok((place, reading)) => {
                        readings[place] = Some(reading);
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

    fn read_one(&self, task: Task<'_>) -> Result<Reading, Fault> {
        if self.cancel.is_pulled() {
            return Err(Fault::cancelled());
        }
        let wanted = task.rows.iter().map(|&row| self.emails.get(row));
        members::read(self.houston, task.workspace, wanted, self.pages)
    }
}
