//! What a command prints besides its result: warnings and progress notes.
//!
//! Main type: [`Notice`], which holds the facts; its words are made here and nowhere else. It does
//! not print.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::model::period::{Period, moment, spoken};
use crate::model::printable;
use crate::plan::guard::{Limit, Refusal};
use crate::plan::{Counts, Guard, Workspace};
use crate::record::saved_plan::Moved;
use crate::report::closing::{apply_saved, resume_command};
use crate::report::log::Level;
use crate::report::plan::summed_up;
use crate::report::results::RESULTS;
use crate::roster::{Issues, Style};

/// How many rows that have moved are listed.
const SHOWN: usize = 20;
/// What is before the digest of a saved plan.
const DIGEST: &str = "digest: ";
/// How many unfinished runs are listed.
const UNFINISHED: usize = 3;

/// Something that people should know, in the order in which it comes up.
#[derive(Debug)]
pub enum Notice<'n> {
    /// What is wrong with a roster, or strange about it.
    Roster {
        /// What.
        issues: &'n Issues,
        /// What the roster is called.
        name: &'n str,
    },
    /// Certificates are not checked.
    Insecure,
    /// The token, or the file that holds it.
    Token(TokenNotice<'n>),
    /// A request got no data, or was refused.
    Attempt(AttemptNotice<'n>),
    /// Houston is away.
    Wait(WaitNotice<'n>),
    /// A plan is not what people may expect.
    Planning(PlanningNotice<'n>),
    /// Removals do not keep to a limit.
    Guard {
        /// The workspace; none if it is about all of them.
        workspace: Option<&'n str>,
        /// Which limit.
        refusal: &'n Refusal,
    },
    /// The admins of a workspace change: the old ones leave once the new ones are there.
    HandOver {
        /// The workspace.
        workspace: &'n str,
        /// Who is demoted or removed.
        leaving: &'n [&'n str],
        /// Who becomes an admin.
        coming: &'n [&'n str],
    },
    /// The removals beyond the limits are left out; these limits would allow them.
    RemovalsLeftOut(&'n [Limit]),
    /// Rows have changed since a plan was saved.
    Moved {
        /// What the roster is called; none if its lines are not those of a file.
        roster: Option<&'n str>,
        /// Which.
        rows: &'n [Moved],
    },
    /// A plan has been saved.
    PlanSaved {
        /// Its file.
        path: &'n Path,
        /// Its digest.
        digest: &'n str,
    },
    /// A plan that was saved before is kept.
    PlanKept {
        /// Its file.
        path: &'n Path,
        /// Its digest.
        digest: &'n str,
    },
    /// A saved plan is about to be applied.
    PlanOpened {
        /// Its file.
        path: &'n Path,
        /// When it was made.
        made_at: jiff::Timestamp,
        /// What it says that it does.
        counts: Counts,
    },
    /// A workspace has been created.
    Created(&'n Workspace),
    /// There is no answer to the creation of a workspace.
    CreationUnanswered {
        /// Its label.
        label: &'n str,
        /// What happened.
        fault: String,
        /// After which time it is looked for again.
        settle: Duration,
    },
    /// Other users of the machine can do this with the file of the audit key.
    AuditKey {
        /// The file.
        path: &'n Path,
        /// What.
        how: &'static str,
    },
    /// Something about the folder of the runs, as a sentence.
    RunsFolder(&'n str),
    /// This run has an older format: it could not be searched for writes that may still take effect.
    OlderRun(&'n str),
    /// So many writes of an earlier run may still take effect that this run would send.
    UnderWay(usize),
    /// These earlier runs are unfinished, the newest first.
    Unfinished(&'n [UnfinishedRun]),
    /// A signal ends the program at once.
    Stopped {
        /// What it was doing.
        at: StoppedAt,
        /// The command that resumes the run.
        resume: Option<&'n str>,
    },
    /// Some columns of the roster have the names of ours, which have these names in the results.
    RenamedColumns(&'n [String]),
    /// The files of a run that is reported on.
    Report(ReportNotice<'n>),
    /// Guards held these changes back.
    HeldBack(&'n [HeldBack]),
}

/// An earlier run that is unfinished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfinishedRun {
    /// Its id.
    pub id: String,
    /// The input as the user named it.
    pub roster: String,
    /// Its folder.
    pub folder: PathBuf,
}

/// What one guard held back in one workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    /// The workspace; none if it is not known.
    pub workspace: Option<String>,
    /// Which guard.
    pub guard: Guard,
    /// How many role changes.
    pub roles: usize,
    /// How many removals.
    pub removals: usize,
}

/// A warning about the token.
#[derive(Debug, Clone, Copy)]
pub enum TokenNotice<'n> {
    /// Other users of the machine can read the file that holds it.
    Readable(&'n Path),
    /// Other users of the machine can replace the file that holds it.
    Replaceable(&'n Path),
    /// It ends before the run does.
    TooShort {
        /// When it ends.
        ends: SystemTime,
        /// How long it has left.
        left: Duration,
        /// How long the run will need.
        needed: Duration,
        /// The file that it came from.
        file: Option<&'n Path>,
    },
    /// By this machine's clock it ended at this time.
    Over(SystemTime),
}

/// One try of a request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptNotice<'n> {
    /// The operation.
    pub operation: &'n str,
    /// Which try, from 1.
    pub number: u32,
    /// What went wrong; of a page its status and title.
    pub why: &'n str,
    /// After which time it is sent again; none if it is not.
    pub again_in: Option<Duration>,
}

/// What is printed while waiting for a Houston that is unavailable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitNotice<'n> {
    /// The wait begins.
    Began {
        /// The URL of Houston.
        url: &'n str,
        /// Why there is no answer.
        why: &'n str,
        /// The longest wait.
        most: Duration,
        /// Whether `--max-wait` makes it so long.
        by_flag: bool,
    },
    /// The wait continues.
    GoesOn {
        /// The URL of Houston.
        url: &'n str,
        /// Why there is no answer.
        why: &'n str,
        /// How long it has taken.
        so_far: Duration,
    },
    /// The Houston at this URL is back.
    Over(&'n str),
}

/// A warning about a plan in the making.
#[derive(Debug, Clone, Copy)]
pub enum PlanningNotice<'n> {
    /// A part of a map that no row has needed, as a sentence.
    UnusedMapping(&'n str),
    /// The plan creates workspaces, and the caller does not see all existing ones.
    OwnWorkspacesOnly,
    /// So many invited people were not looked up among the accounts.
    AccountsNotChecked(usize),
    /// A workspace would be created, and one with nearly that name exists.
    MaybeTypo {
        /// The name in the roster.
        name: &'n str,
        /// The one that exists.
        near: &'n str,
    },
    /// A workspace would be created whose name may mean others.
    MaybeOthers {
        /// The name in the roster.
        name: &'n str,
        /// Why it may.
        reason: &'n str,
    },
    /// Roles in deployments that this Houston does not have are left out.
    DeploymentsLeftOut {
        /// How many roles.
        roles: usize,
        /// The first of the deployments.
        first: &'n str,
        /// How many other deployments there are.
        others: usize,
    },
    /// This pattern of `--protect` matches no one.
    UnmatchedProtect(&'n str),
    /// The caller may add people to some workspaces, but not list their members.
    Blind {
        /// Which.
        workspaces: &'n str,
        /// Houston's words.
        said: &'n str,
    },
    /// People who should have been replaced are left as they are.
    NotReplaced {
        /// How many rows.
        rows: usize,
        /// Why.
        why: NotReplaced,
    },
}

/// What is printed about the files of a run that is reported on.
#[derive(Debug, Clone)]
pub enum ReportNotice<'n> {
    /// They may be another user's.
    Distrusted {
        /// The run.
        run: &'n str,
        /// Why.
        why: String,
    },
    /// Its journal is not as it was written.
    Doubtful {
        /// The run.
        run: &'n str,
        /// The first line that does not fit.
        why: String,
    },
    /// Its journal ends before the end that its summary records.
    Lost {
        /// The run.
        run: &'n str,
        /// How many lines the summary counts.
        lines: u64,
        /// How many there are.
        left: u64,
    },
    /// These were missing or out of date.
    Rebuilt {
        /// The folder.
        folder: &'n Path,
        /// Their names.
        files: &'n [&'n str],
    },
    /// They stay out of date.
    NotRebuilt {
        /// The folder.
        folder: &'n Path,
        /// Why.
        why: String,
    },
}

/// Why people who should have been replaced are left as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotReplaced {
    /// The workspace cannot be read.
    Unread,
    /// It is the token's own user.
    Caller,
    /// `--protect` covers them.
    Protected,
    /// The workspace would be without an admin for a while.
    LastAdmin,
    /// They have roles in deployments.
    InDeployments,
    /// They were not found again.
    NotFound,
    /// They never signed in, so there is no invitation to replace.
    Pending,
}

/// What a signal that ends the program immediately has interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoppedAt {
    /// Nothing was sent.
    Reading,
    /// Requests were in flight.
    Sending,
    /// The run is over, its reports are not written.
    Reporting,
    /// A file was being written.
    Writing,
}

impl Notice<'_> {
    /// How much it matters.
    pub fn level(&self) -> Level {
        match self {
            Self::Attempt(_) => Level::Debug,
            Self::Wait(_)
            | Self::HandOver { .. }
            | Self::PlanSaved { .. }
            | Self::PlanKept { .. }
            | Self::PlanOpened { .. }
            | Self::Created(_)
            | Self::UnderWay(_)
            | Self::Unfinished(_)
            | Self::RenamedColumns(_)
            | Self::Report(ReportNotice::Rebuilt { .. }) => Level::Info,
            Self::Roster { .. }
            | Self::Insecure
            | Self::Token(_)
            | Self::AuditKey { .. }
            | Self::Planning(_)
            | Self::Guard { .. }
            | Self::RemovalsLeftOut(_)
            | Self::Moved { .. }
            | Self::CreationUnanswered { .. }
            | Self::RunsFolder(_)
            | Self::OlderRun(_)
            | Self::Stopped { .. }
            | Self::Report(
                ReportNotice::Distrusted { .. }
                | ReportNotice::Doubtful { .. }
                | ReportNotice::Lost { .. }
                | ReportNotice::NotRebuilt { .. },
            )
            | Self::HeldBack(_) => Level::Warning,
        }
    }

    /// What `--quiet` leaves of it: what the command was asked for.
    pub fn result(&self) -> Option<String> {
        if let Self::PlanSaved { digest, .. } | Self::PlanKept { digest, .. } = self {
            Some(format!("{DIGEST}{digest}"))
        } else {
            None
        }
    }

    /// Whether its text has colours of ours.
    pub fn has_colours(&self) -> bool {
        matches!(self, Self::Roster { .. })
    }

    /// The text; `style` is how the issues of a roster are shown.
    pub fn text(&self, style: Style) -> String {
        match self {
            Self::Roster { issues, name } => issues.render(name, style).trim_end().to_owned(),
            Self::Insecure => "warning: certificates are not verified (--insecure): anyone on the network path can read the token and alter answers".to_owned(),
            Self::Token(notice) => format!("warning: {notice}"),
            Self::AuditKey { path, how } => {
                let path = path.to_string_lossy();
                format!("warning: every user of this machine can {how} the audit key in {}", printable(&path))
            }
            Self::Attempt(notice) => notice.to_string(),
            Self::Wait(notice) => notice.to_string(),
            Self::Planning(notice) => format!("warning: {notice}"),
            Self::Guard { workspace, refusal } => {
                format!("guard: {}: {refusal}", printable(workspace.unwrap_or("all workspaces")))
            }
            Self::HandOver { workspace, leaving, coming } => {
                let (leaving, coming) = (named(leaving), named(coming));
                let workspace = printable(workspace);
                format!(
                    "{workspace}: {leaving} will lose the admin role only after Houston shows {coming} as an admin; the workspace has no other admin"
                )
            }
            Self::RemovalsLeftOut(limits) => {
                let needed: Vec<_> = limits.iter().map(ToString::to_string).collect();
                format!("skipping these removals; {} would allow them", needed.join(" "))
            }
            Self::Moved { roster, rows } => moved_rows(*roster, rows),
            Self::PlanSaved { path, digest } => saved(&format!("plan saved to {}", shown(path)), path, digest),
            Self::PlanKept { path, digest } => saved(&format!("{} was saved before and is kept", shown(path)), path, digest),
            Self::PlanOpened { path, made_at, counts } => {
                let made = made_at.strftime("%Y-%m-%d %H:%M UTC");
                format!("plan {}, made {made}: {}", shown(path), summed_up(*counts))
            }
            Self::Created(workspace) => format!("created workspace {workspace}"),
            Self::CreationUnanswered { label, fault, settle } => format!(
                "no answer to the creation of workspace `{}` ({fault}): checking for it in {settle:?}",
                printable(label)
            ),
            Self::RunsFolder(words) => format!("warning: {}", printable(words)),
            Self::OlderRun(run) => format!(
                "warning: run {} has an older format: it was not searched for unanswered writes",
                printable(run)
            ),
            Self::UnderWay(writes) => format!(
                "{writes} writes of an earlier run may still take effect; this run checks for them before it sends them again (--settle)"
            ),
            Self::Unfinished(runs) => unfinished(runs),
            Self::Stopped { at, resume } => {
                let more = resume.map_or_else(String::new, |command| format!("\nto resume: {command}"));
                format!("{at}{more}")
            }
            Self::RenamedColumns(names) => format!(
                "note: some roster columns have the same names as result columns; {RESULTS} renames the result columns to {}",
                names.join(", ")
            ),
            Self::Report(notice) => printable(&notice.to_string()).into_owned(),
            Self::HeldBack(all) => all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        }
    }
}

/// The digest of a saved plan, and how to apply it.
fn saved(what: &str, path: &Path, digest: &str) -> String {
    let command = apply_saved(path);
    format!(
        "{what}\n{DIGEST}{digest}\nto apply exactly this plan (add the target flags of this command):\n    {command} --approve {digest}"
    )
}

/// The newest of these runs with the commands that resume them, and how many others there are.
fn unfinished(runs: &[UnfinishedRun]) -> String {
    let line = |run: &UnfinishedRun| {
        let (id, roster) = (printable(&run.id), printable(&run.roster));
        format!("run {id} of {roster} is unfinished; to resume it: {}", resume_command(&run.folder, false))
    };
    let mut lines: Vec<String> = runs.iter().take(UNFINISHED).map(line).collect();
    match runs.len().saturating_sub(UNFINISHED) {
        0 => {}
        1 => lines.push("1 more run is unfinished: see `report --list`".to_owned()),
        more => lines.push(format!("{more} more runs are unfinished: see `report --list`")),
    }
    lines.join("\n")
}

/// The first of these names, and how many others there are.
fn named(names: &[&str]) -> String {
    let first = printable(names.first().copied().unwrap_or_default());
    match names.len() {
        0 | 1 => first.into_owned(),
        2 => format!("{first} and 1 other"),
        more => format!("{first} and {} others", more - 1),
    }
}

impl fmt::Display for TokenNotice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Readable(file) => write!(
                f,
                "every user of this machine can read the token file {}: chmod 600 it, or move it",
                shown(file)
            ),
            Self::Replaceable(file) => write!(
                f,
                "every user of this machine can replace the token file {}: a folder above it is world-writable",
                shown(file)
            ),
            Self::TooShort { ends, left, needed, file } => {
                let advice = match file {
                    Some(file) => {
                        format!("put a new one into {} before then (the file is read again)", shown(file))
                    }
                    None => "get a new one, or pass a --token-file that is renewed before then".to_owned(),
                };
                write!(
                    f,
                    "the token expires at {}, in {}, but the run needs about {}: {advice}; or use a service \
                     account's key, which does not expire",
                    moment(ends),
                    spoken(left),
                    spoken(needed),
                )
            }
            Self::Over(ended) => write!(
                f,
                "by this machine's clock the token expired at {}; the clock may be wrong, so Houston decides",
                moment(ended)
            ),
        }
    }
}

impl fmt::Display for AttemptNotice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, number, why, again_in } = self;
        write!(f, "{operation}, attempt {number}: {}", printable(why))?;
        match again_in {
            Some(wait) => write!(f, "; retrying in {:.1}s", wait.as_secs_f64()),
            None => Ok(()),
        }
    }
}

impl fmt::Display for WaitNotice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Began { url, why, most, by_flag } => write!(
                f,
                "no answer from {url} ({why}): waiting for up to {}{}; press Ctrl-C to stop",
                Period(most),
                if by_flag { " (--max-wait)" } else { "" }
            ),
            Self::GoesOn { url, why, so_far } => {
                let seconds = Period(Duration::from_secs(so_far.as_secs()));
                write!(f, "still no answer from {url} after {seconds} ({why})")
            }
            Self::Over(url) => write!(f, "{url} answers again"),
        }
    }
}

impl fmt::Display for PlanningNotice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::UnusedMapping(unused) => f.write_str(unused),
            Self::OwnWorkspacesOnly => f.write_str(
                "this token sees only its own workspaces; a label to be created may already be in use",
            ),
            Self::AccountsNotChecked(people) => write!(
                f,
                "{people} more people are invited; the plan did not check whether they have an account already (--reinvite checks all)"
            ),
            Self::MaybeTypo { name, near } => {
                write!(f, "`{}` would be created, but `{}` exists: a typo?", printable(name), printable(near))
            }
            Self::MaybeOthers { name, reason } => {
                write!(f, "`{}` would be created, but {reason}", printable(name))
            }
            Self::DeploymentsLeftOut { roles, first, others } => {
                let roles = if roles == 1 { "1 role".to_owned() } else { format!("{roles} roles") };
                let others = match others {
                    0 => String::new(),
                    1 => " and 1 other".to_owned(),
                    more => format!(" and {more} others"),
                };
                write!(
                    f,
                    "skipping {roles} in deployments that do not exist: `{}`{others}; see the column `detail`",
                    printable(first)
                )
            }
            Self::UnmatchedProtect(pattern) => {
                write!(f, "--protect `{}` matches no one in the roster or its workspaces", printable(pattern))
            }
            Self::Blind { workspaces, said } => {
                write!(
                    f,
                    "the token may add people to {workspaces}, but not list the members (Houston says \"{said}\"): nothing is sent there"
                )
            }
            Self::NotReplaced { rows, why } => {
                let rows = if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") };
                write!(f, "{rows} not replaced: {why}")
            }
        }
    }
}

impl fmt::Display for ReportNotice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Distrusted { run, why } => {
                write!(f, "note: run {run}: {why}; nothing is written to its folder")
            }
            Self::Doubtful { run, why } => write!(
                f,
                "warning: run {run}: {why}; this report may be wrong, and the files in the folder stay as they are: compare the journal with a copy"
            ),
            Self::Lost { run, lines, left } => write!(
                f,
                "warning: run {run}: its journal has {left} lines, but summary.json counts {lines}: it was cut, or an older copy was put back. Rows without an outcome are read again before anything is sent, and `report --verify` will always name this"
            ),
            Self::Rebuilt { folder, files } => {
                write!(f, "rebuilt from the journal: {} in {}", files.join(", "), folder.display())
            }
            Self::NotRebuilt { folder, why } => {
                write!(f, "warning: the files in {} are out of date: {why}", folder.display())
            }
        }
    }
}

impl fmt::Display for NotReplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unread => "their workspace cannot be read",
            Self::Caller => "this is the token's own user",
            Self::Protected => "--protect covers them",
            Self::LastAdmin => "their workspace would temporarily have no admin",
            Self::InDeployments => "they would lose their deployment roles",
            Self::NotFound => "they can no longer be found",
            Self::Pending => {
                "Houston lists them as users who never signed in, so there is no invitation to replace"
            }
        })
    }
}

impl fmt::Display for StoppedAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reading => "stopped by a signal; nothing was sent",
            Self::Sending => {
                "stopped immediately. Requests in flight are unconfirmed; the run's journal lists them"
            }
            Self::Writing => "stopped immediately; nothing was written",
            Self::Reporting => "stopped immediately. The run's journal is complete; its reports are not",
        })
    }
}

fn shown(path: &Path) -> String {
    printable(&path.display().to_string()).into_owned()
}

/// The first rows that have moved, a line each.
fn moved_rows(roster: Option<&str>, moved: &[Moved]) -> String {
    let line = |Moved { email, line, workspace, deployment, was, is_now }: &Moved| {
        let position = roster.zip(*line).map_or_else(String::new, |(name, line)| format!("{name}:{line}: "));
        let workspace = workspace.as_deref().unwrap_or("no workspace");
        let deployment = deployment.as_ref().map_or_else(String::new, |name| format!(", deployment {name}"));
        let text = format!("{position}{email} in {workspace}{deployment}: was {was}, is now {is_now}");
        printable(&text).into_owned()
    };
    let mut lines: Vec<String> = moved.iter().take(SHOWN).map(line).collect();
    if moved.len() > SHOWN {
        lines.push(format!("and {} more", moved.len() - SHOWN));
    }
    lines.join("\n")
}

impl fmt::Display for HeldBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |number: usize, one: &str| match number {
            0 => None,
            1 => Some(format!("1 {one}")),
            _ => Some(format!("{number} {one}s")),
        };
        let what = [count(self.roles, "role change"), count(self.removals, "removal")];
        let what = what.into_iter().flatten().collect::<Vec<_>>().join(" and ");
        let workspace =
            self.workspace.as_deref().map_or_else(String::new, |id| format!(" in {}", printable(id)));
        write!(f, "guard: held back{workspace}: {what}: {}", why_held_back(self.guard))
    }
}

/// Why a guard held something back, and what to do.
pub(super) fn why_held_back(guard: Guard) -> &'static str {
    match guard {
        Guard::Caller => "the token's own user; use the token of another admin to change that user",
        Guard::LastAdmin => "the workspace would have no admin left; add another admin first",
        Guard::TooMany => "more than --max-remove and --max-remove-percent allow",
        Guard::Incomplete => "Houston did not show all members of the workspace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_about_the_token_says_when_how_long_and_what_to_do() {
        let ends = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_448_700 + 12 * 60 + 7);
        let short = |file| {
            let (left, needed) = (Duration::from_secs(12 * 60 + 7), Duration::from_secs(40 * 60 + 59));
            TokenNotice::TooShort { ends, left, needed, file }.to_string()
        };
        let warning = short(None);
        for part in
            ["2026-11-23 15:57:07 UTC", "in 12m,", "about 40m:", "--token-file", "service account's key"]
        {
            assert!(warning.contains(part), "{part} in {warning}");
        }
        let warning = short(Some(Path::new("/run/secrets/houston")));
        assert!(warning.contains("new one into /run/secrets/houston"), "{warning}");
        assert!(!warning.contains("--token-file"), "{warning}");
        let warning = TokenNotice::Over(ends).to_string();
        assert!(
            warning.contains("2026-11-23 15:57:07 UTC") && warning.contains("Houston decides"),
            "{warning}"
        );
    }

    #[test]
    fn each_guard_names_its_workspace_its_count_and_its_reason() {
        let held = |workspace: Option<&str>, guard, roles, removals| HeldBack {
            workspace: workspace.map(str::to_owned),
            guard,
            roles,
            removals,
        };
        let all = [
            held(Some("ckfinance"), Guard::Caller, 1, 0),
            held(Some("ckfinance"), Guard::LastAdmin, 2, 1),
            held(None, Guard::TooMany, 0, 7),
        ];
        assert_eq!(
            Notice::HeldBack(&all).text(Style::Lines),
            "guard: held back in ckfinance: 1 role change: the token's own user; use the token of another admin to change that user\n\
             guard: held back in ckfinance: 2 role changes and 1 removal: the workspace would have no admin left; add another admin first\n\
             guard: held back: 7 removals: more than --max-remove and --max-remove-percent allow"
        );
    }
}
