//! The runs of all shards of a roster as one: reports of the whole are made from it as from any run.
//!
//! Main type: [`Union`]. It reads nothing but the plans of the runs, line by line, and writes nothing.

use std::collections::HashMap;
use std::iter::Peekable;
use std::sync::Arc;
use std::time::Duration;

use super::lines::plan_lines;
use super::{
    DeploymentRole, History, ItemEnd, JournalError, PlanLine, PlanLines, PlanSource, Pulses, Roles, Timeline,
};
use crate::model::{ItemId, LineNumbers, RowNumber, WorkspaceId};
use crate::outcome::{Cause, Code, Status};
use crate::record::folder::RunFolder;

/// Runs that do not make a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnionError {
    /// Two runs have a row.
    #[error(
        "line {line} of the roster is in two runs, {first} and {second}: its workspace had another id for each"
    )]
    Twice {
        /// The physical line of the row.
        line: u32,
        /// The ids of the runs.
        first: String,
        /// The other one.
        second: String,
    },
    /// A run has a row that the roster does not have.
    #[error("run {run} has a row on line {line}, where the roster has none")]
    Nowhere {
        /// The physical line of the row.
        line: u32,
        /// The id of the run.
        run: String,
    },
}

/// The runs of all shards of a roster.
#[derive(Debug)]
pub struct Union {
    /// What became of the whole roster. Its header is that of the first run, with the sums of all.
    pub history: History,
    folders: Vec<RunFolder>,
    numbers: Arc<Numbers>,
}

/// The number in the whole of each item and of each row, by run.
type Numbers = Vec<Vec<ItemId>>;

impl Union {
    /// Joins runs, whose shards come in their order. `lines` are those of all rows of the roster.
    ///
    /// # Errors
    /// A row is in two runs, or in none of the roster's lines. One that is in no run has not been tried.
    pub fn new(runs: Vec<(RunFolder, History)>, lines: LineNumbers) -> Result<Self, UnionError> {
        let (folders, parts): (Vec<_>, Vec<_>) = runs.into_iter().unzip();
        let mut joining = Joining::new(&parts, lines);
        joining.rows()?;
        joining.behind_the_rows();
        let Joining { items, numbers, workspaces, lines, .. } = joining;
        let numbers = Arc::new(numbers);
        let history = history(parts, items, workspaces.0, lines, &numbers);
        Ok(Self { history, folders, numbers })
    }
}

/// Runs about to be joined.
struct Joining<'p> {
    parts: &'p [History],
    lines: LineNumbers,
    items: Vec<ItemEnd>,
    numbers: Numbers,
    workspaces: Workspaces,
}

/// The workspaces of all runs, each once.
#[derive(Default)]
struct Workspaces(Vec<WorkspaceId>, HashMap<WorkspaceId, u32>);

impl Workspaces {
    fn number(&mut self, id: &WorkspaceId) -> u32 {
        *self.1.entry(id.clone()).or_insert_with(|| {
            self.0.push(id.clone());
            u32::try_from(self.0.len() - 1).expect("fewer workspaces than rows")
        })
    }
}

impl<'p> Joining<'p> {
    fn new(parts: &'p [History], lines: LineNumbers) -> Self {
        let numbers = parts.iter().map(|part| Vec::with_capacity(part.items.len())).collect();
        Self { parts, lines, items: Vec::new(), numbers, workspaces: Workspaces::default() }
    }

    /// Takes each row of the roster from the run that has it.
    fn rows(&mut self) -> Result<(), UnionError> {
        for line in self.lines.clone() {
            let next = |(part, numbers): (&History, &Vec<ItemId>)| part.line_at(numbers.len()) == Some(line);
            let mut having = (0..).zip(self.parts.iter().zip(&self.numbers)).filter(|(_, one)| next(*one));
            match (having.next().map(|(part, _)| part), having.next().map(|(part, _)| part)) {
                (Some(part), None) => self.take(part),
                (Some(first), Some(second)) => {
                    let [first, second] = [first, second].map(|part| self.parts[part].header.run.clone());
                    return Err(UnionError::Twice { line, first, second });
                }
                (None, _) => self.items.push(in_no_shard()),
            }
        }
        for (part, numbers) in self.parts.iter().zip(&self.numbers) {
            if let Some(line) = part.line_at(numbers.len()) {
                return Err(UnionError::Nowhere { line, run: part.header.run.clone() });
            }
        }
        Ok(())
    }

    /// Takes the roles in deployments of all runs, then the people who are not in the roster.
    fn behind_the_rows(&mut self) {
        let parts = self.parts;
        for (at, part) in parts.iter().enumerate() {
            (part.row_count()..part.first_extra()).for_each(|_| self.take(at));
        }
        for (at, part) in parts.iter().enumerate() {
            (part.first_extra()..part.items.len()).for_each(|_| self.take(at));
        }
    }

    /// Takes the next item of a run.
    fn take(&mut self, at: usize) {
        let (part, numbers) = (&self.parts[at], &mut self.numbers[at]);
        let mut end = part.items[numbers.len()].clone();
        end.workspace = end.workspace.map(|index| self.workspaces.number(&part.workspaces[index as usize]));
        numbers.push(ItemId::from_index(self.items.len()));
        self.items.push(end);
    }
}

/// A row that belonged to no shard when each of them looked.
fn in_no_shard() -> ItemEnd {
    let text = "no shard has this row: its workspace had another id for each of them";
    ItemEnd {
        status: Status::NotRun,
        cause: Some(Arc::new(Cause::new(Code::NoShard, text))),
        workspace: None,
        attempts: 0,
        elapsed_ms: 0,
        step: None,
        roles: Roles::default(),
    }
}

/// The number in the whole of a row of a run, if the run has it.
fn row_of(numbers: &[ItemId], row: RowNumber) -> Option<RowNumber> {
    numbers.get(row.index()).map(|item| RowNumber::from_index(item.index()))
}

/// The history of the whole: that of the first run, with what all of them have.
fn history(
    parts: Vec<History>,
    items: Vec<ItemEnd>,
    workspaces: Vec<WorkspaceId>,
    lines: LineNumbers,
    numbers: &Numbers,
) -> History {
    let ended = parts.iter().map(History::finished_at).collect::<Option<Vec<_>>>();
    let ended = ended.and_then(|ended| ended.into_iter().max());
    let approved_by = approvers(&parts);
    let mut grants: Vec<DeploymentRole> = Vec::new();
    let mut whole: Option<History> = None;
    for (part, numbers) in parts.into_iter().zip(numbers) {
        let row = |row: RowNumber| row_of(numbers, row);
        let of_row = |grant: &DeploymentRole| Some(DeploymentRole { of: row(grant.of)?, ..grant.clone() });
        grants.extend(part.grants.iter().filter_map(of_row));
        let folded = part.folded.iter().filter_map(|(at, end)| Some((row(*at)?, end.clone())));
        let folded: HashMap<RowNumber, ItemEnd> = folded.collect();
        let merges = part.merges.iter().filter_map(|&(at, into)| Some((row(at)?, row(into)?)));
        let merges: Vec<(RowNumber, RowNumber)> = merges.collect();
        let Some(whole) = &mut whole else {
            whole = Some(History { folded, merges, ..part });
            continue;
        };
        whole.folded.extend(folded);
        whole.merges.extend(merges);
        whole.header.grants = whole.header.grants.saturating_add(part.header.grants);
        whole.header.extras = whole.header.extras.saturating_add(part.header.extras);
        whole.extras_have_deployments |= part.extras_have_deployments;
        whole.before.extend(part.before.iter().cloned());
        let is_new = |name: &&String| !whole.approved_by.contains(name);
        let names: Vec<String> = part.approved_by.iter().filter(is_new).cloned().collect();
        whole.approved_by.extend(names);
        whole.closed &= part.closed;
        whole.at_least |= part.is_lower_bound();
        whole.requests = whole.requests.saturating_add(part.requests);
        whole.strain.add(part.strain);
        whole.legs = whole.legs.saturating_add(part.legs);
        // From the first beginning to the last entry.
        let last = end(whole).max(end(&part));
        whole.header.started_at = whole.header.started_at.min(part.header.started_at);
        let duration = last.saturating_sub(whole.header.started_at.as_duration());
        whole.duration = Duration::try_from(duration).unwrap_or_default();
    }
    let mut whole = whole.expect("there is a first shard");
    whole.header.rows = lines.len() as u64;
    whole.header.approved_by = approved_by;
    whole.header.settings.shard = None;
    whole.last_leg = (ended.unwrap_or(whole.header.started_at), whole.duration);
    whole.fix_folded_workspaces(&items);
    History {
        workspaces,
        items,
        lines,
        grants,
        stopped: None,
        // Each run has its own journal, and its own clock.
        is_sealed: false,
        pulses: Pulses::default(),
        timeline: Timeline::default(),
        ..whole
    }
}

/// Who approved any of the runs, each once.
fn approvers(parts: &[History]) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    for name in parts.iter().filter_map(|part| part.header.approved_by.as_deref()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    (!names.is_empty()).then(|| names.join(", "))
}

/// When the last entry of a run was written, as a time since 1970.
fn end(run: &History) -> jiff::SignedDuration {
    let worked = jiff::SignedDuration::try_from(run.duration).unwrap_or(jiff::SignedDuration::MAX);
    run.header.started_at.as_duration().saturating_add(worked)
}

impl History {
    /// The physical line of the row at this index, if there is one.
    fn line_at(&self, index: usize) -> Option<u32> {
        (index < self.row_count()).then(|| self.lines.get(RowNumber::from_index(index))).flatten()
    }

    /// The ends of rows with roles in deployments are in the workspaces of their own ends.
    fn fix_folded_workspaces(&mut self, items: &[ItemEnd]) {
        for (row, end) in &mut self.folded {
            end.workspace = items[row.index()].workspace;
        }
    }
}

impl PlanSource for Union {
    fn lines(&self) -> Result<PlanLines, JournalError> {
        let parts = self.folders.iter().map(|folder| Ok(plan_lines(folder)?.peekable()));
        let parts = parts.collect::<Result<Vec<_>, JournalError>>()?;
        Ok(Box::new(Merged { parts, numbers: Arc::clone(&self.numbers) }))
    }
}

/// The lines of several plans, in the order of the whole.
struct Merged<I: Iterator> {
    parts: Vec<Peekable<I>>,
    numbers: Arc<Numbers>,
}

impl<I: Iterator<Item = Result<PlanLine, JournalError>>> Iterator for Merged<I> {
    type Item = Result<PlanLine, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let numbers = &self.numbers;
        let next = |(at, part): (usize, &mut Peekable<I>)| match part.peek()? {
            // What cannot be read comes first.
            Err(_) => Some((None, at)),
            Ok(line) => Some((Some(numbers[at].get(line.item.index()).copied()?), at)),
        };
        let (_, at) = self.parts.iter_mut().enumerate().filter_map(next).min()?;
        let line = self.parts[at].next()?;
        Some(line.map(|mut line| {
            let numbers = &self.numbers[at];
            let item = numbers[line.item.index()];
            line.renumber(item, |row| row_of(numbers, row));
            line
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::super::{Entry, Header, Journal, Kept, LineDecision, Origin, RunSettings, write_plan};
    use super::*;
    use crate::model::{Level, Role, Shard, Strain};
    use crate::outcome::{Outcome, StatusKind};
    use crate::plan::{Account, Action, Deployment};
    use crate::record::folder::Runs;

    /// A row: its workspace, whether it wants a role in a deployment, and how far it came.
    type Row = (Option<u8>, bool, Status);

    fn status() -> impl Strategy<Value = Status> {
        use Status::{Added, GaveUp, InDoubt, Invited, NotRun, Rejected};
        prop::sample::select(vec![Added, Invited, Rejected, GaveUp, InDoubt, NotRun])
    }

    fn workspace(number: u8) -> WorkspaceId {
        WorkspaceId::new(&format!("ck{number}")).expect("valid")
    }

    /// A line of the plan that adds somebody; not that of the first item yet.
    fn line(origin: Origin, email: String, of: Option<u8>) -> PlanLine {
        PlanLine {
            item: ItemId::from_index(0),
            origin,
            email,
            role: Some(Role::workspace(Level::Viewer)),
            workspace: of.map(workspace),
            deployment: None,
            workspace_role: None,
            accounts: Vec::new(),
            deployment_roles: Vec::new(),
            seen: None,
            decision: LineDecision::Change(Action::Add(Level::Viewer)),
            why: None,
        }
    }

    /// The plan of these rows and extras. A row without a workspace is not valid, and one with the workspace of
    /// the row before says the same as that one.
    fn plan(rows: &[Row], extras: &[u8]) -> Vec<PlanLine> {
        let number = RowNumber::from_index;
        // Some rows begin behind a blank line.
        let origin = |at: usize| Origin::Row {
            number: number(at),
            line: u32::try_from(2 + at + at / 3).expect("few rows"),
        };
        let of_row = |(at, &(of, ..)): (usize, &Row)| {
            let merged =
                at.checked_sub(1).filter(|&before| of.is_some() && rows[before].0 == of && before % 2 == 0);
            let kept = |status, into| LineDecision::Keep(Kept { status, into, code: None });
            let decision = match (of, merged) {
                (None, _) => kept(Status::Invalid, None),
                (Some(_), Some(before)) => kept(Status::Merged, Some(number(before))),
                (Some(_), None) => LineDecision::Change(Action::Add(Level::Viewer)),
            };
            PlanLine { decision, ..line(origin(at), format!("r{at}@example.com"), of) }
        };
        let of_grant = |(at, &(of, wants, _)): (usize, &Row)| {
            let deployment = Deployment { id: "ckd".to_owned(), name: "rel".to_owned() };
            let grant = line(origin(at), format!("r{at}@example.com"), of);
            (wants && of.is_some()).then_some(PlanLine { deployment: Some(deployment), ..grant })
        };
        let of_extra = |(at, &of): (usize, &u8)| PlanLine {
            accounts: vec![Account::User(format!("cku{at}"))],
            decision: LineDecision::Change(Action::Remove(None)),
            ..line(Origin::Extra, format!("x{at}@example.com"), Some(of))
        };
        let mut lines: Vec<PlanLine> = rows.iter().enumerate().map(of_row).collect();
        lines.extend(rows.iter().enumerate().filter_map(of_grant));
        lines.extend(extras.iter().enumerate().map(of_extra));
        numbered(lines)
    }

    /// The lines with the numbers that they have among themselves.
    fn numbered(mut lines: Vec<PlanLine>) -> Vec<PlanLine> {
        let number = |line: &PlanLine| match line.origin {
            Origin::Row { number, .. } => Some(number).filter(|_| line.is_row()),
            Origin::Extra => None,
        };
        let rows: Vec<RowNumber> = lines.iter().filter_map(number).collect();
        let part = |row: RowNumber| rows.binary_search(&row).ok().map(RowNumber::from_index);
        for (at, line) in lines.iter_mut().enumerate() {
            line.renumber(ItemId::from_index(at), part);
        }
        lines
    }

    /// A run of these lines in which each row came as far as it says.
    fn run(runs: &Runs, lines: &[PlanLine], rows: &[Row], shard: Option<Shard>) -> (RunFolder, History) {
        let folder = runs.create(jiff::Timestamp::UNIX_EPOCH).expect("created");
        let digest = write_plan(&folder, lines.iter().cloned()).expect("written");
        let count = |is: fn(&PlanLine) -> bool| lines.iter().filter(|line| is(line)).count() as u64;
        let header = Header {
            run: folder.id().to_owned(),
            rows: count(PlanLine::is_row),
            grants: count(|line| line.deployment.is_some()),
            extras: count(|line| line.origin == Origin::Extra),
            settings: RunSettings { shard, ..RunSettings::default() },
            ..super::super::tests::header(digest)
        };
        let began = Instant::now();
        let mut journal = Journal::create(&folder, header, began).expect("created");
        for line in lines.iter().filter(|line| line.decision.action().is_some()) {
            let at: usize =
                line.email[1..].split('@').next().and_then(|at| at.parse().ok()).expect("a number");
            let status = match line.origin {
                Origin::Row { .. } => rows[at].2,
                Origin::Extra => Status::Removed,
            };
            if status.kind() != StatusKind::NotTried {
                let cause = Some(Cause::new(Code::Timeout, "why"));
                let elapsed = Duration::from_millis(5);
                journal.note_outcome(line.item, &Outcome { status, cause, attempts: 1, elapsed }, began);
            }
        }
        let (stopped, code, detail, strain) = (None, None, None, Strain::default());
        journal.note(&Entry::Closed {
            stopped,
            code,
            detail,
            requests: 3,
            strain,
            at_least: false,
            at_ms: 9,
        });
        journal.commit().expect("written");
        let history = History::read(&folder).expect("readable");
        (folder, history)
    }

    /// What the reports have of each row, and of each item that is left.
    fn told(history: &History) -> (Vec<String>, Vec<String>) {
        let id = |end: &ItemEnd| end.workspace.map(|at| history.workspaces[at as usize].clone());
        let row = |row: super::super::RowEnd<'_>| {
            let ItemEnd { status, cause, attempts, elapsed_ms, .. } = row.end;
            format!("{} {status} {cause:?} {:?} {attempts} {elapsed_ms}", row.line, id(row.end))
        };
        let grant = |(grant, end): (&DeploymentRole, &ItemEnd)| {
            let row = history.row(grant.of).map(|row| row.line);
            format!("{row:?} {} {} {:?}", grant.deployment.name, end.status, id(end))
        };
        let extra = |end: &ItemEnd| format!("{} {:?}", end.status, id(end));
        let left = history.left().into_iter().filter_map(|item| history.item(item)).map(extra);
        let mut others: Vec<String> =
            history.grants().map(grant).chain(history.extras().iter().map(extra)).chain(left).collect();
        others.sort();
        (history.rows().map(row).collect(), others)
    }

    /// The lines behind the rows come run by run: they are compared without their numbers.
    fn in_any_order(lines: Vec<PlanLine>) -> (Vec<PlanLine>, Vec<String>) {
        let (rows, others): (Vec<_>, Vec<_>) = lines.into_iter().partition(PlanLine::is_row);
        let unnumbered = |line: PlanLine| format!("{:?}", PlanLine { item: ItemId::from_index(0), ..line });
        let mut others: Vec<String> = others.into_iter().map(unnumbered).collect();
        others.sort();
        (rows, others)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn the_union_of_the_shards_is_the_run_of_the_whole(
            rows in prop::collection::vec((prop::option::weighted(0.9, 0..6_u8), any::<bool>(), status()), 0..14),
            extras in prop::collection::vec(0..6_u8, 0..4),
            of in 1..5_u32,
        ) {
            let dir = tempfile::tempdir().expect("a temporary folder");
            let runs = Runs::prepare(dir.path()).expect("usable");
            let lines = plan(&rows, &extras);
            let (_, whole) = run(&runs, &lines, &rows, None);
            let part = |number| {
                let shard = Shard::new(number, of).expect("one of them");
                let own = lines.iter().filter(|line| shard.has(line.workspace.as_ref())).cloned().collect();
                run(&runs, &numbered(own), &rows, Some(shard))
            };
            let union = Union::new((1..=of).map(part).collect(), whole.lines.clone()).expect("a whole");
            prop_assert_eq!(told(&union.history), told(&whole));
            prop_assert_eq!(union.history.tally().rows(), whole.tally().rows());
            prop_assert_eq!(union.history.requests, u64::from(of) * 3);
            let read: Vec<PlanLine> = union.lines().expect("readable").collect::<Result<_, _>>().expect("readable");
            prop_assert!(read.iter().map(|line| line.item.index()).eq(0..lines.len()));
            prop_assert_eq!(in_any_order(read), in_any_order(lines));
        }
    }

    #[test]
    fn a_row_in_two_shards_is_refused_and_one_in_none_was_not_tried() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let runs = Runs::prepare(dir.path()).expect("usable");
        let rows = [(Some(0), false, Status::Added), (Some(1), false, Status::Added)];
        let lines = plan(&rows, &[]);
        let shard = |number| Shard::new(number, 2);
        let join = |first: &[PlanLine], second: &[PlanLine], all: &[u32]| {
            let part =
                |lines: &[PlanLine], number| run(&runs, &numbered(lines.to_vec()), &rows, shard(number));
            Union::new(vec![part(first, 1), part(second, 2)], all.iter().copied().collect())
        };
        let twice = join(&lines, &lines[1..], &[2, 3]).expect_err("a row is there twice");
        assert!(matches!(twice, UnionError::Twice { line: 3, .. }), "{twice}");
        let nowhere = join(&lines, &[], &[2]).expect_err("a row is not in the roster");
        assert!(matches!(nowhere, UnionError::Nowhere { line: 3, .. }), "{nowhere}");
        let none = join(&lines[..1], &[], &[2, 3]).expect("a whole").history;
        let ends: Vec<_> = none.rows().map(|row| (row.line, row.status)).collect();
        assert_eq!(ends, [(2, Status::Added), (3, Status::NotRun)]);
    }
}
