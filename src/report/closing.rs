//! The final summary of a run for people: the outcome of the rows, what failed and where, and what
//! to type next.
//!
//! Main function: [`render`], from a [`Summary`] to text. It prints nothing itself, and nothing it
//! says depends on colour.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::html;
use super::removals::{REMOVALS, RemovalCounts, UNDO};
use super::results::{ERRORS, RESULTS, UNPROCESSED};
use super::summary::{Amount, FILE, FailureClass, GrantCounts, RunState, Summary};
use super::{shell_word, spoken};
use crate::event::StopReason;
use crate::model::{LimitedBy, printable};
use crate::outcome::{Code, Status, StatusKind};
use crate::record::undo as undo_plan;

/// What limited a run is said if it took at least this long.
const WORTH_A_WORD_MS: u64 = 5000;
/// What the text never exceeds, if its fixed parts do not, on a terminal of [`WIDTH`] columns.
const LINES: usize = 24;
/// The columns of a terminal.
const WIDTH: usize = 80;

/// Whether a text may carry colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Paint {
    /// Characters only.
    #[default]
    Plain,
    /// With the escape sequences of a terminal.
    Coloured,
    /// The same, and the folder of the run is a link.
    Linked,
}

/// The styles of the text; all of them do nothing when it is plain.
#[derive(Default)]
struct Palette {
    good: Style,
    warn: Style,
    bad: Style,
    strong: Style,
    faint: Style,
    has_links: bool,
}

impl Palette {
    fn new(paint: Paint) -> Self {
        match paint {
            Paint::Plain => Self::default(),
            Paint::Coloured | Paint::Linked => Self {
                has_links: paint == Paint::Linked,
                good: AnsiColor::Green.on_default().bold(),
                warn: AnsiColor::Yellow.on_default().bold(),
                bad: AnsiColor::Red.on_default().bold(),
                strong: Style::new().bold(),
                faint: Style::new().dimmed(),
            },
        }
    }
}

/// The closing text: at most a screen of lines, the last one ended. Failures have the room that the rest
/// leaves.
pub fn render(summary: &Summary, paint: Paint) -> String {
    let palette = Palette::new(paint);
    let summary = &summary.shown();
    let write = |parts: &[Part]| {
        let mut text = String::new();
        for part in parts {
            part(&mut text, summary, &palette).expect("a string takes every text");
        }
        text
    };
    let (before, after) = (write(&[head, counts, deployment_roles, removals]), write(&[next]));
    let room = LINES.saturating_sub(lines(&before) + lines(&after));
    before + &failures(summary, &palette, room) + &after
}

/// A part of the text.
type Part = fn(&mut String, &Summary, &Palette) -> std::fmt::Result;

/// How many lines of a terminal a text takes.
fn lines(text: &str) -> usize {
    let text = anstream::adapter::strip_str(text).to_string();
    text.lines().map(|line| line.width().div_ceil(WIDTH).max(1)).sum()
}

/// A text that takes no more than two lines.
fn cut(line: String) -> String {
    const MOST: usize = 2 * WIDTH;
    if line.width() <= MOST {
        return line;
    }
    let mut room = MOST - 1;
    let fits = |c: &char| {
        let width = c.width().unwrap_or(0);
        let fits = width <= room;
        room = room.saturating_sub(width);
        fits
    };
    line.chars().take_while(fits).chain(['…']).collect()
}

/// How the run ended, in one line.
pub fn verdict(summary: &Summary) -> String {
    let (failed, left) = (summary.failed(), summary.resumable());
    let all = rows(summary.rows);
    match (summary.state, &summary.stopped) {
        (RunState::Going, _) => format!("still running: {} left", of_all(left, &all)),
        (RunState::BrokenOff, _) => "interrupted: the process ended before the run did".to_owned(),
        (RunState::Closed, Some(stopped)) => {
            let detail = stopped.detail.as_ref().map_or_else(String::new, |detail| format!(": {detail}"));
            format!("stopped early: {}{detail}", stopped.reason)
        }
        (RunState::Closed, None) => {
            let parts = [
                (failed, ["failed", "failed"]),
                (left, ["is unresolved", "are unresolved"]),
                (summary.guarded(), ["was held back by a guard", "were held back by a guard"]),
            ];
            let parts = parts.into_iter().filter(|(amount, _)| amount.total() > 0);
            let mut parts =
                parts.map(|(amount, [one, many])| (amount, if amount.total() == 1 { one } else { many }));
            let Some((first, what)) = parts.next() else { return "done".to_owned() };
            let first = format!("done, but {} {what}", of_all(first, &all));
            let more = parts.map(|(part, what)| format!("{} {what}", amount(part)));
            std::iter::once(first).chain(more).collect::<Vec<_>>().join(", ")
        }
    }
}

/// How much of all the rows, and how many removals.
fn of_all(amount: Amount, all: &str) -> String {
    match amount {
        Amount { rows: 1, removals: 0 } if all == "1 row" => all.to_owned(),
        Amount { rows, removals: 0 } => format!("{rows} of {all}"),
        Amount { rows: 0, removals } => removals_of(removals),
        Amount { rows, removals } => format!("{rows} of {all} and {}", removals_of(removals)),
    }
}

/// This many rows and removals.
fn amount(amount: Amount) -> String {
    match amount {
        Amount { rows: count, removals: 0 } => rows(count),
        Amount { rows: 0, removals } => removals_of(removals),
        Amount { rows: count, removals } => format!("{} and {}", rows(count), removals_of(removals)),
    }
}

fn removals_of(count: u64) -> String {
    if count == 1 { "1 removal".to_owned() } else { format!("{count} removals") }
}

/// Whether a reader can be content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Everything is done.
    Good,
    /// Something is left, failed, or was held back.
    Warn,
    /// It was stopped.
    Bad,
}

/// What the verdict means.
pub fn mood(summary: &Summary) -> Mood {
    let bad = [summary.failed(), summary.resumable(), summary.guarded()];
    match summary.state {
        RunState::Closed if summary.stopped.is_some() => Mood::Bad,
        RunState::Closed if bad.iter().all(|amount| amount.total() == 0) => Mood::Good,
        RunState::Closed | RunState::Going | RunState::BrokenOff => Mood::Warn,
    }
}

/// Which Houston the run was about, and how long it took.
fn about(summary: &Summary) -> String {
    let version = summary.houston_version.as_ref().map_or_else(String::new, |v| format!(" (Houston {v})"));
    let duration = spoken(Duration::from_millis(summary.duration_ms));
    let about = format!("{}{version}, {duration}", summary.target);
    let each = summary.latency_ms.map_or_else(String::new, |ms| format!(" of {ms} ms each"));
    requests(summary, |count| count.to_string())
        .map_or(about.clone(), |requests| format!("{about}, {requests}{each}"))
}

/// How many requests were sent; none if none of them is known.
pub fn requests(summary: &Summary, said: impl Fn(u64) -> String) -> Option<String> {
    let is_known = summary.requests > 0 || !summary.at_least;
    is_known.then(|| format!("{} requests", counted(summary, &said(summary.requests))))
}

/// A count of requests: one of a process that was killed may be too low.
pub fn counted(summary: &Summary, count: &str) -> String {
    if summary.at_least { format!("at least {count}") } else { count.to_owned() }
}

fn head(text: &mut String, summary: &Summary, palette: &Palette) -> std::fmt::Result {
    let style = match mood(summary) {
        Mood::Good => palette.good,
        Mood::Warn => palette.warn,
        Mood::Bad => palette.bad,
    };
    let words = verdict(summary);
    writeln!(text, "{style}{words}{style:#}")?;
    let faint = palette.faint;
    let run = match (summary.shard, summary.runs.len()) {
        (None, 0) => format!("run {}", summary.run),
        (Some(shard), 0) => format!("run {}, shard {shard}", summary.run),
        (_, shards) => format!("{shards} shards"),
    };
    let what = match undone(summary) {
        Some(run) => format!("undoes run {run}"),
        None => format!("{} of {}", rows(summary.rows), summary.roster),
    };
    writeln!(text, "{faint}{run}: {what}{faint:#}")?;
    writeln!(text, "{faint}{}{faint:#}", about(summary))?;
    if let Some(limit) = limit(summary) {
        writeln!(text, "{faint}{limit}{faint:#}")?;
    }
    for (what, rest) in strained(summary) {
        let warn = palette.warn;
        writeln!(text, "{warn}{what}{warn:#}: {rest}")?;
    }
    Ok(())
}

/// What limited a run that took some time.
pub fn limit(summary: &Summary) -> Option<String> {
    let limited_by = summary.limited_by.filter(|_| summary.duration_ms >= WORTH_A_WORD_MS)?;
    match limited_by {
        LimitedBy::Latency => {
            Some(format!("Houston's latency limited this run to about {} at a time", summary.window_mean))
        }
        LimitedBy::Rate => Some("--rate limited this run".to_owned()),
        LimitedBy::Concurrency => {
            Some(format!("--concurrency limited this run to {} at a time", summary.window_mean))
        }
        // Said with the number of refusals.
        LimitedBy::Refusals => None,
    }
}

/// Throttling and refused retries, if there were any: each with what it meant.
pub fn strained(summary: &Summary) -> Vec<(String, String)> {
    let Summary { congestion_events, window_min, window_end, retries, retries_refused, .. } = summary;
    let mut lines = Vec::new();
    if *congestion_events > 0 {
        let times =
            if *congestion_events == 1 { "once".to_owned() } else { format!("{congestion_events} times") };
        let what = format!("concurrency dropped to {window_min} and ended at {window_end}");
        lines.push((format!("Houston slowed this run {times}"), what));
    }
    if *retries_refused > 0 {
        let retries = counted(summary, &retries.to_string());
        let what = format!("{retries} requests were retried, {retries_refused} were not");
        lines.push(("the retry budget was exhausted".to_owned(), what));
    }
    lines
}

/// The counts, as many as fit on each line.
fn counts(text: &mut String, summary: &Summary, palette: &Palette) -> std::fmt::Result {
    let mut room = 0;
    for (status, count) in summary.by_status() {
        let remark = remark(status, summary);
        let length = format!(", {count} {status}{remark}").width();
        match room {
            0 => write!(text, "\n  ")?,
            _ if room < length => write!(text, ",\n  ")?,
            _ => write!(text, ", ")?,
        }
        room = if room < length { WIDTH - 1 } else { room };
        room = room.saturating_sub(length).max(1);
        let style = match status.kind() {
            StatusKind::Changed => palette.good,
            StatusKind::AsItWas => Style::new(),
            StatusKind::Failed => palette.bad,
            StatusKind::Unresolved | StatusKind::NotTried => palette.warn,
        };
        write!(text, "{style}{count}{style:#} {status}{remark}")?;
    }
    if summary.by_status().next().is_some() { writeln!(text) } else { Ok(()) }
}

/// What there is to say about the rows of a status.
fn remark(status: Status, summary: &Summary) -> String {
    if status == Status::NotRun && summary.left_out > 0 {
        return format!(" ({} excluded by --only or --limit)", summary.left_out);
    }
    if status == Status::AlreadyInvited && summary.locked_out > 0 {
        let count = summary.locked_out;
        return format!(" ({count} locked out: they have an account, and --reinvite adds it)");
    }
    if status == Status::InDoubt && summary.state == RunState::Going {
        return " (in flight, or not yet verified)".to_owned();
    }
    String::new()
}

/// The outcome of deployment roles.
fn deployment_roles(text: &mut String, summary: &Summary, palette: &Palette) -> std::fmt::Result {
    let Some(GrantCounts { wanted, set, kept, failed, open }) = summary.deployment_roles else {
        return Ok(());
    };
    let parts = [(set, "set"), (kept, "not changed"), (failed, "refused"), (open, "open")];
    let parts: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let style = if failed + open > 0 { palette.warn } else { Style::new() };
    let roles =
        if wanted == 1 { "1 deployment role".to_owned() } else { format!("{wanted} deployment roles") };
    writeln!(text, "\n{style}{roles}: {}{style:#}", parts.join(", "))
}

/// The outcome for people who were not in the roster, in a run that removes them.
fn removals(text: &mut String, summary: &Summary, palette: &Palette) -> std::fmt::Result {
    let Some(counts) = summary.removals else { return Ok(()) };
    let RemovalCounts { extra, removed, held_back, kept, failed, unsettled, not_run } = counts;
    let undone = undone(summary);
    if extra == 0 {
        // An undo removes only people whom its run has added.
        return if undone.is_some() { Ok(()) } else { writeln!(text, "\nno one had to be removed") };
    }
    let parts = [
        (held_back, "held back by a guard"),
        (kept, "kept"),
        (failed, "could not be removed"),
        (unsettled, "unresolved"),
        (not_run, "not tried"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!(", {count} {what}"))
        .collect();
    let style = if held_back + failed + unsettled + not_run > 0 { palette.warn } else { Style::new() };
    let people = if extra == 1 { "1 person".to_owned() } else { format!("{extra} people") };
    let who = if undone.is_some() { "added by that run" } else { "not in the roster" };
    writeln!(text, "\n{style}{people} {who}: {removed} removed{}{style:#}; see {REMOVALS}", parts.concat())
}

/// The classes of failures that fit into so many lines, the most frequent first, and how many others there
/// are.
fn failures(summary: &Summary, palette: &Palette, room: usize) -> String {
    // Requests in flight are not failures of a run that continues.
    let shown = |class: &&FailureClass| summary.state != RunState::Going || class.status != Status::InDoubt;
    let classes: Vec<&FailureClass> = summary.failures.iter().filter(shown).collect();
    let texts: Vec<String> = classes.iter().map(|class| failure(class, summary, palette)).collect();
    let all: usize = texts.iter().map(|text| lines(text)).sum();
    // A blank line before them, and one line about the others where there are some.
    let mut room = room.saturating_sub(if all < room { 1 } else { 2 });
    let fits = |text: &&String| {
        let fits = lines(text) <= room;
        room = room.saturating_sub(lines(text));
        fits
    };
    let fitting: Vec<&String> = texts.iter().take_while(fits).collect();
    // At least one cause is said.
    let kept = fitting.len().max(1).min(texts.len());
    let rest = &classes[kept..];
    let count: u64 = rest.iter().map(|class| class.count).sum();
    let others = match rest.len() {
        0 => String::new(),
        1 if count == 1 => format!("1 more row failed for another reason: see {RESULTS}\n"),
        1 => format!("{count} more rows failed for another reason: see {RESULTS}\n"),
        reasons => format!("{count} more rows failed for {reasons} other reasons: see {RESULTS}\n"),
    };
    if texts.is_empty() { String::new() } else { format!("\n{}{others}", texts[..kept].concat()) }
}

/// A class of failures: what, where, and what to do.
fn failure(class: &FailureClass, summary: &Summary, palette: &Palette) -> String {
    let FailureClass { status, code, count, lines, texts, text: first } = &class.with_few();
    let (bad, is_one_text) = (palette.bad, texts.iter().all(|text| text == first));
    let code_of = code.as_ref().map_or_else(String::new, |code| format!(" ({code})"));
    let why = if is_one_text && !first.is_empty() { format!(": {first}") } else { String::new() };
    let title = cut(format!("{count} {status}{code_of}{why}"));
    let (what, rest) = title.split_at(format!("{count} {status}").len().min(title.len()));
    let positions = lines.iter().map(|line| format!("{}:{line}", summary.roster));
    let more = match count - lines.len() as u64 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let places = if is_one_text {
        let positions: Vec<_> = positions.collect();
        format!("  {}{more}\n", positions.join(", "))
    } else {
        let each = positions.zip(texts).map(|(position, why)| cut(format!("  {position}: {why}")));
        let more = Some(format!(" {more}")).filter(|_| !more.is_empty());
        each.chain(more).map(|line| line + "\n").collect()
    };
    // A rehearsal cannot be resumed.
    let advice = Some(advice(code.as_ref())).filter(|advice| !(summary.sandbox && advice.contains("resume")));
    let advice = advice.map_or_else(String::new, |advice| format!("  {advice}\n"));
    format!("{bad}{what}{bad:#}{rest}\n{places}{advice}")
}

/// Something to do after a run: a sentence, and the command that does it, if one does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// How much it is about, as a sentence of its own with a blank behind it; empty where `words` say it.
    pub amount: String,
    /// The sentence, without its full stop.
    pub words: String,
    /// What to type.
    pub command: Option<String>,
}

impl Step {
    fn words(words: impl Into<String>) -> Self {
        Self { amount: String::new(), words: words.into(), command: None }
    }

    fn typed(words: impl Into<String>, command: String) -> Self {
        Self { amount: String::new(), words: words.into(), command: Some(command) }
    }

    /// All of it in words.
    pub fn said(&self) -> String {
        format!("{}{}", self.amount, self.words)
    }

    fn write(&self, text: &mut String, palette: &Palette) -> std::fmt::Result {
        let (words, strong) = (self.said(), palette.strong);
        match &self.command {
            Some(command) => writeln!(text, "{words}:\n    {strong}{command}{strong:#}"),
            None => writeln!(text, "{words}"),
        }
    }
}

/// What to do after a run, in this order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NextSteps {
    /// Give it another token.
    pub token: Option<Step>,
    /// Finish what is left.
    pub rest: Option<Step>,
    /// Fix what failed.
    pub failed: Option<Step>,
    /// Undo all changes.
    pub undo: Option<Step>,
}

impl NextSteps {
    /// What to do after a run that has ended; nothing while it is going on.
    pub fn of(summary: &Summary) -> Self {
        match summary.state {
            RunState::Going => Self::default(),
            RunState::Closed | RunState::BrokenOff => Self {
                token: new_token(summary),
                rest: rest(summary),
                failed: failed(summary),
                undo: undo(summary),
            },
        }
    }
}

fn new_token(summary: &Summary) -> Option<Step> {
    let is_dead = summary.stopped.as_ref().is_some_and(|stopped| stopped.reason == StopReason::TokenDead)
        || summary.failures.iter().any(|class| class.code == Some(Code::TokenInvalid));
    if !is_dead {
        return None;
    }
    let destination = summary.token_file.as_deref().map_or_else(
        || "HOUSTON_API_TOKEN".to_owned(),
        |file| printable(&file.to_string_lossy()).into_owned(),
    );
    Some(Step::words(match token_page(&summary.target) {
        Some(page) => format!("get a new token at {page} and put it into {destination}"),
        None => format!("put a valid token into {destination}"),
    }))
}

fn rest(summary: &Summary) -> Option<Step> {
    let left = summary.resumable();
    if left.total() == 0 && summary.finished_at.is_some() {
        return None;
    }
    Some(if would_mail(summary) {
        Step::words(
            "this Houston emails everyone it adds: to allow the emails, apply the roster again with --send-invites",
        )
    } else if summary.sandbox {
        Step::words("the --sandbox Houston ended with its run: apply the roster again")
    } else if !summary.runs.is_empty() {
        return of_shards(summary);
    } else {
        let amount = if left.total() > 0 { format!("{} left. ", amount(left)) } else { String::new() };
        let words = "Resume the run (finished rows are not sent again)";
        Step { amount, ..Step::typed(words, resume_command(&summary.folder, summary.unattended)) }
    })
}

fn failed(summary: &Summary) -> Option<Step> {
    if summary.counts.of_kind(StatusKind::Failed) == 0 {
        return None;
    }
    let command = apply_command(&summary.folder.join(ERRORS), summary.allow_odd_addresses);
    // It would remove everyone whose row did not fail.
    let but = if summary.removals.is_some() { ", without --prune" } else { "" };
    Some(Step::typed(
        format!("fix the rows in {ERRORS} and apply it (add the flags of this run{but})"),
        command,
    ))
}

fn undo(summary: &Summary) -> Option<Step> {
    let of_deployments = summary.deployment_roles.map_or(0, |roles| roles.set);
    if summary.sandbox || summary.counts.of_kind(StatusKind::Changed) + of_deployments == 0 {
        return None;
    }
    let what = if undone(summary).is_some() { "reverse this undo" } else { "undo this run" };
    let command = apply_saved(&summary.folder.join(undo_plan::UNDO));
    Some(Step::typed(format!("to {what} (add its target flags)"), command))
}

fn next(text: &mut String, summary: &Summary, palette: &Palette) -> std::fmt::Result {
    if summary.state == RunState::Going && summary.runs.is_empty() {
        return writeln!(text, "\nreports are written when the run ends");
    }
    let NextSteps { token, rest, failed, undo } = NextSteps::of(summary);
    let is_first = token.is_none() && rest.is_none();
    let failed = failed.map(|step| {
        let then = if is_first { "" } else { "then " };
        Step { words: format!("{then}{}", step.words), ..step }
    });
    let steps: Vec<Step> = [token, rest, failed].into_iter().flatten().collect();
    if !steps.is_empty() {
        writeln!(text, "\nnext:")?;
    }
    for step in steps {
        write!(text, "  ")?;
        step.write(text, palette)?;
    }
    if let Some(step) = undo {
        writeln!(text)?;
        // It is bold nowhere else.
        step.write(text, &Palette::default())?;
    }
    let left_out = summary.undo.left_out;
    if left_out > 0 {
        writeln!(
            text,
            "\nno undo can restore {left_out} of the removed people: Houston gave no address or no role for them"
        )?;
    }
    let mut reports = vec![html::FILE, RESULTS, ERRORS, UNPROCESSED];
    reports.extend(summary.removals.map(|_| REMOVALS));
    reports.extend((summary.undo.rows > 0).then_some(UNDO));
    reports.push(undo_plan::UNDO);
    reports.push(FILE);
    // Eight names of files have room in a line.
    writeln!(text, "\nreports in {}:\n  {}", linked(&summary.folder, palette), reports.join(", "))
}

/// The path of a folder, as a link where there are links.
fn linked(folder: &Path, palette: &Palette) -> String {
    let name = folder.to_string_lossy();
    let name = printable(&name);
    let url = || url::Url::from_directory_path(folder.canonicalize().ok()?).ok();
    match palette.has_links.then(url).flatten() {
        Some(url) => format!("\u{1b}]8;;{url}\u{1b}\\{name}\u{1b}]8;;\u{1b}\\"),
        None => name.into_owned(),
    }
}

/// How to finish shards whose runs are joined.
fn of_shards(summary: &Summary) -> Option<Step> {
    const SHOWN: usize = 8;
    let folders = &summary.unfinished;
    let command = |folder: &PathBuf| resume_command(folder, summary.unattended);
    let commands: Vec<String> = folders.iter().take(SHOWN).map(command).collect();
    let more = match folders.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" (`houston-onboard report --list` names {more} more)"),
    };
    let what = amount(summary.resumable());
    let words = format!("{what} left. Resume the unfinished shards{more}, then merge again");
    (!folders.is_empty()).then(|| Step::typed(words, commands.join("\n    ")))
}

/// The run that this one undoes, if it undoes one.
fn undone(summary: &Summary) -> Option<&str> {
    undo_plan::undone_run(&summary.roster)
}

/// The command that applies a saved plan.
pub fn apply_saved(plan: &Path) -> String {
    format!("houston-onboard apply --plan {}", printable(&shell_word(plan)))
}

/// The command that applies a file of the run.
fn apply_command(file: &Path, odd_addresses: bool) -> String {
    let odd = if odd_addresses { " --allow-odd-addresses" } else { "" };
    format!("houston-onboard apply {}{odd}", printable(&shell_word(file)))
}

/// The command that finishes the run in this folder; without a question if there was none before.
pub fn resume_command(folder: &Path, unattended: bool) -> String {
    let yes = if unattended { " --yes" } else { "" };
    format!("houston-onboard resume {}{yes}", printable(&shell_word(folder)))
}

/// What to do about rows that ended for this reason: one sentence.
pub fn advice(code: Option<&Code>) -> &'static str {
    code.and_then(Code::advice).unwrap_or("see the column detail in results.csv")
}

/// Whether the run ended since Houston would have mailed people: to resume it would end it again.
fn would_mail(summary: &Summary) -> bool {
    summary.stopped.as_ref().is_some_and(|stopped| stopped.code == Some(Code::WouldMail))
}

/// The page of an installation that shows a token, if its Houston has the usual name.
fn token_page(target: &str) -> Option<String> {
    let url = url::Url::parse(target).ok()?;
    let domain = url.host_str()?.strip_prefix("houston.")?;
    Some(format!("https://app.{domain}/token"))
}

fn rows(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Strain;
    use crate::outcome::{Cause, Code};
    use crate::report::fixture::Fixture;
    use crate::report::removals::RemovalCounts;

    fn summary(fixture: &Fixture) -> Summary {
        Summary::new(&fixture.history, Fixture::shown(), Some(0))
    }

    fn closing(ends: &[(Status, Option<Cause>)], stopped: Option<(StopReason, Option<Cause>)>) -> String {
        render(&summary(&Fixture::with(ends, stopped)), Paint::Plain)
    }

    #[test]
    fn removals_are_counted_apart_from_rows() {
        let fixture = Fixture::with(&[(Status::GaveUp, None), (Status::Added, None)], None);
        let with = |unsettled, failed| {
            let removals = Some(RemovalCounts { extra: 3, unsettled, failed, ..RemovalCounts::default() });
            verdict(&Summary { removals, ..summary(&fixture) })
        };
        assert_eq!(with(0, 0), "done, but 1 of 2 rows is unresolved");
        assert_eq!(with(2, 0), "done, but 1 of 2 rows and 2 removals are unresolved");
        assert_eq!(with(2, 1), "done, but 1 removal failed, 1 row and 2 removals are unresolved");
    }

    #[test]
    fn what_a_guard_held_back_is_not_done_and_not_green() {
        let kept = (Status::RoleKept, Some(Cause::new(Code::GuardLastAdmin, "the last admin")));
        let summary = |ends: &[_]| summary(&Fixture::with(ends, None));
        let held = summary(&[kept.clone(), (Status::Added, None)]);
        assert_eq!(verdict(&held), "done, but 1 of 2 rows was held back by a guard");
        let coloured = render(&held, Paint::Coloured);
        let green = AnsiColor::Green.on_default().bold().to_string();
        assert!(!coloured.lines().next().expect("a line").contains(&green), "{coloured}");
        let removals = Some(RemovalCounts { extra: 17, held_back: 17, ..RemovalCounts::default() });
        let held = Summary { removals, ..held };
        assert_eq!(verdict(&held), "done, but 1 of 2 rows and 17 removals were held back by a guard");
        let failed = summary(&[kept, (Status::Rejected, None)]);
        assert_eq!(verdict(&failed), "done, but 1 of 2 rows failed, 1 row was held back by a guard");
        let wish = (Status::RoleKept, Some(Cause::new(Code::Protected, "covered by --protect")));
        assert_eq!(verdict(&summary(&[wish])), "done");
    }

    #[test]
    fn a_run_that_was_stopped_says_why_and_what_to_type() {
        insta::assert_snapshot!(render(&summary(&Fixture::new()), Paint::Plain), @r"
        stopped early: the token is no longer valid: expired ␛[31mred␛]0;pwned␇ next�line
        run 20261123T154500Z-k3f9: 13 rows of team.csv
        https://houston.example.com/v1 (Houston 1.0.0␛[31mred␛]0;pwned␇ next�line), 1m 02s, 37 requests

          1 added, 1 invited, 1 unchanged, 1 already_invited, 1 role_updated,
          1 role_kept, 1 removed, 1 rejected, 1 gave_up, 1 in_doubt, 1 not_run,
          1 invalid, 1 merged

        1 rejected (workspace_denied): =denied ␛[31mred␛]0;pwned␇ next�line
          team.csv:9
          the token's owner must be WORKSPACE_ADMIN there, or SYSTEM_ADMIN; then apply the rows again
        3 more rows failed for 3 other reasons: see results.csv

        next:
          get a new token at https://app.example.com/token and put it into HOUSTON_API_TOKEN
          3 rows left. Resume the run (finished rows are not sent again):
            houston-onboard resume onboard-runs/20261123T154500Z-k3f9
          then fix the rows in errors.csv and apply it (add the flags of this run):
            houston-onboard apply onboard-runs/20261123T154500Z-k3f9/errors.csv

        to undo this run (add its target flags):
            houston-onboard apply --plan onboard-runs/20261123T154500Z-k3f9/undo.json

        reports in onboard-runs/20261123T154500Z-k3f9:
          report.html, results.csv, errors.csv, unprocessed.csv, undo.json, summary.json
        ");
    }

    #[test]
    fn throttling_is_reported_only_if_it_happened() {
        let mut fixture = Fixture::with(&[(Status::Added, None)], None);
        let quiet = render(&summary(&fixture), Paint::Plain);
        fixture.history.strain.add(Strain {
            concurrency: 64,
            window_min: 9,
            window_end: 12,
            congestion_events: 1,
            retries: 41,
            retries_refused: 3,
            ..Strain::default()
        });
        let throttled = render(&summary(&fixture), Paint::Plain);
        let more: Vec<_> = throttled.lines().filter(|line| !quiet.lines().any(|old| old == *line)).collect();
        insta::assert_snapshot!(more.join("\n"), @r"
        Houston slowed this run once: concurrency dropped to 9 and ended at 12
        the retry budget was exhausted: 41 requests were retried, 3 were not
        ");
        assert_eq!(throttled.lines().count(), quiet.lines().count() + 2);
    }

    #[test]
    fn what_limited_a_run_is_said_if_it_took_some_time() {
        let closing = |limited_by, duration| {
            let mut fixture = Fixture::with(&[(Status::Added, None)], None);
            fixture.history.duration = Duration::from_millis(duration);
            fixture.history.strain.add(Strain {
                concurrency: 8,
                window_min: 3,
                window_end: 6,
                window_mean: 6,
                limited_by,
                answers: 100,
                answers_us: 2_100_000,
                ..Strain::default()
            });
            render(&summary(&fixture), Paint::Plain)
        };
        for (limit, words) in [
            (LimitedBy::Latency, "Houston's latency limited this run to about 6 at a time"),
            (LimitedBy::Rate, "--rate limited this run"),
            (LimitedBy::Concurrency, "--concurrency limited this run to 6 at a time"),
        ] {
            let text = closing(limit, 5000);
            assert!(text.contains("requests of 21 ms each\n"), "{text}");
            assert!(text.lines().any(|line| line == words), "{text}");
            assert!(!closing(limit, 4999).contains("limited"));
        }
        assert!(!closing(LimitedBy::Refusals, 5000).contains("limited"));
    }

    #[test]
    fn a_run_without_trouble_is_short() {
        insta::assert_snapshot!(closing(&[(Status::Added, None), (Status::Unchanged, None)], None), @r"
        done
        run 20261123T154500Z-k3f9: 2 rows of team.csv
        https://houston.example.com/v1 (Houston 1.0.0␛[31mred␛]0;pwned␇ next�line), 1m 02s, 37 requests

          1 added, 1 unchanged

        to undo this run (add its target flags):
            houston-onboard apply --plan onboard-runs/20261123T154500Z-k3f9/undo.json

        reports in onboard-runs/20261123T154500Z-k3f9:
          report.html, results.csv, errors.csv, unprocessed.csv, undo.json, summary.json
        ");
    }

    #[test]
    fn failures_are_grouped_with_three_examples() {
        let denied = (Status::Rejected, Some(Cause::new(Code::WorkspaceDenied, "not allowed")));
        let bad = |text| (Status::Rejected, Some(Cause::new(Code::BadEmail, text)));
        let ends = [
            bad("\"a\" is not an address"),
            denied.clone(),
            denied.clone(),
            bad("\"b\" is not an address"),
            denied.clone(),
            denied,
        ];
        insta::assert_snapshot!(closing(&ends, None), @r#"
        done, but 6 of 6 rows failed
        run 20261123T154500Z-k3f9: 6 rows of team.csv
        https://houston.example.com/v1 (Houston 1.0.0␛[31mred␛]0;pwned␇ next�line), 1m 02s, 37 requests

          6 rejected

        4 rejected (workspace_denied): not allowed
          team.csv:3, team.csv:4, team.csv:6 and 1 more
          the token's owner must be WORKSPACE_ADMIN there, or SYSTEM_ADMIN; then apply the rows again
        2 rejected (bad_email)
          team.csv:2: "a" is not an address
          team.csv:5: "b" is not an address
          Houston or this tool does not accept the email address: correct it

        next:
          fix the rows in errors.csv and apply it (add the flags of this run):
            houston-onboard apply onboard-runs/20261123T154500Z-k3f9/errors.csv

        reports in onboard-runs/20261123T154500Z-k3f9:
          report.html, results.csv, errors.csv, unprocessed.csv, undo.json, summary.json
        "#);
    }

    #[test]
    fn nothing_suggests_to_prune_with_the_rows_that_failed_and_odd_addresses_stay_allowed() {
        let mut fixture = Fixture::with(&[(Status::Rejected, None)], None);
        let plain = render(&summary(&fixture), Paint::Plain);
        assert!(plain.contains("(add the flags of this run):") && !plain.contains("prune"), "{plain}");
        fixture.history.header.settings.prune = Some(crate::record::journal::Prune::default());
        fixture.history.header.settings.allow_odd_addresses = true;
        let text = render(&summary(&fixture), Paint::Plain);
        assert!(text.contains("(add the flags of this run, without --prune):\n"), "{text}");
        assert!(text.contains("/errors.csv --allow-odd-addresses\n"), "{text}");
    }

    #[test]
    fn every_run_that_changed_something_says_how_to_undo_it() {
        let offered = |fixture: &Fixture| {
            let step = NextSteps::of(&summary(fixture)).undo?;
            assert!(step.command.is_some_and(|command| {
                command == format!("houston-onboard apply --plan {}/undo.json", Fixture::shown().display())
            }));
            Some(step.words)
        };
        for (status, is_change) in [
            (Status::Added, true),
            (Status::Invited, true),
            (Status::RoleUpdated, true),
            (Status::Unchanged, false),
            (Status::Rejected, false),
        ] {
            let mut fixture = Fixture::with(&[(status, None)], None);
            let words = is_change.then(|| "to undo this run (add its target flags)".to_owned());
            assert_eq!(offered(&fixture), words, "{status}");
            fixture.history.header.sandbox = true;
            assert_eq!(offered(&fixture), None, "a rehearsal is over");
        }
    }

    #[test]
    fn a_run_that_undoes_another_speaks_of_that_one() {
        let mut fixture = Fixture::with(&[(Status::RoleUpdated, None)], None);
        fixture.history.header.roster = format!("undo of {}", crate::report::fixture::RUN);
        let removals = Some(RemovalCounts { extra: 198, removed: 198, ..RemovalCounts::default() });
        let text = render(&Summary { removals, ..summary(&fixture) }, Paint::Plain);
        assert!(text.contains(": undoes run 20261123T154500Z-k3f9\n"), "{text}");
        assert!(text.contains("\n198 people added by that run: 198 removed; see removals.csv\n"), "{text}");
        assert!(text.contains("\nto reverse this undo (add its target flags):\n"), "{text}");
        assert!(!text.contains("roster"), "{text}");
    }

    #[test]
    fn a_rehearsal_is_not_to_be_resumed() {
        let doubt = (Status::InDoubt, Some(Cause::new(Code::InternalServerError, "Internal server error")));
        let mut fixture = Fixture::with(&[doubt], None);
        assert!(render(&summary(&fixture), Paint::Plain).contains("`resume` checks"));
        fixture.history.header.sandbox = true;
        let text = render(&summary(&fixture), Paint::Plain);
        assert!(!text.contains("resume"), "{text}");
    }

    #[test]
    fn a_run_that_would_have_mailed_people_is_not_to_be_resumed() {
        let left = [(Status::NotRun, None)];
        let stopped = |code| {
            let cause = Cause::new(code, "it has no `bypassInvite` and would email");
            closing(&left, Some((StopReason::TargetUnusable, Some(cause))))
        };
        let text = stopped(Code::WouldMail);
        assert!(text.contains("apply the roster again with --send-invites"), "{text}");
        assert!(!text.contains("houston-onboard resume"), "{text}");
        // The words do not matter.
        for code in [Code::NotHouston, Code::Schema] {
            let text = stopped(code);
            assert!(text.contains("houston-onboard resume") && !text.contains("--send-invites"), "{text}");
        }
    }

    #[test]
    fn a_run_that_was_killed_says_how_to_go_on_unless_its_houston_is_gone() {
        let mut fixture = Fixture::with(&[(Status::NotRun, None)], None);
        fixture.history.closed = false;
        let text = render(&summary(&fixture), Paint::Plain);
        assert!(text.starts_with("interrupted: the process ended before the run did\n"), "{text}");
        assert!(text.contains("houston-onboard resume onboard-runs/20261123T154500Z-k3f9\n"), "{text}");
        fixture.history.header.sandbox = true;
        let text = render(&summary(&fixture), Paint::Plain);
        assert!(!text.contains("houston-onboard apply"), "{text}");
        assert!(text.contains("ended with its run"), "{text}");
    }

    #[test]
    fn a_run_that_goes_on_has_no_failures_in_flight_and_nothing_to_type() {
        let doubt = Cause::new(Code::NoOutcome, "sent, but the run ended before the answer");
        let mut fixture = Fixture::with(&[(Status::InDoubt, Some(doubt)), (Status::NotRun, None)], None);
        fixture.history.closed = false;
        insta::assert_snapshot!(render(&summary(&fixture).going(), Paint::Plain), @r"
        still running: 2 of 2 rows left
        run 20261123T154500Z-k3f9: 2 rows of team.csv
        https://houston.example.com/v1 (Houston 1.0.0␛[31mred␛]0;pwned␇ next�line), 1m 02s, at least 37 requests

          1 in_doubt (in flight, or not yet verified), 1 not_run

        reports are written when the run ends
        ");
    }

    #[test]
    fn many_kinds_of_failures_are_cut_short() {
        let codes = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
        let ends = codes.map(|code| (Status::Rejected, Some(Cause::new(Code::Other(code.to_owned()), ""))));
        let text = closing(&ends, None);
        assert!(text.contains(" other reasons: see results.csv\n"), "{text}");
        assert!(lines(&text) <= LINES, "{text}");
        let long = format!("{}{}", "é例".repeat(200), "a b ".repeat(200));
        let ends =
            codes.map(|code| (Status::Rejected, Some(Cause::new(Code::Other(code.to_owned()), &*long))));
        let text = closing(&ends, Some((StopReason::TokenDead, None)));
        assert!(lines(&text) <= LINES && text.contains("12 rejected"), "{text}");
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let summary = summary(&Fixture::new());
        let plain = render(&summary, Paint::Plain);
        let coloured = render(&summary, Paint::Coloured);
        assert!(!plain.chars().any(|c| c.is_control() && c != '\n'), "{plain}");
        assert_ne!(plain, coloured);
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
    }

    #[test]
    fn the_folder_is_a_link_where_there_are_links() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let summary = Summary { folder: dir.path().to_owned(), ..summary(&Fixture::new()) };
        let linked = render(&summary, Paint::Linked);
        let start =
            format!("\u{1b}]8;;file://{}/\u{1b}\\", dir.path().canonicalize().expect("there").display());
        assert!(linked.contains(&start), "{linked:?}");
        assert_eq!(crate::report::escape::for_people_in_colour(&linked), linked);
        assert_eq!(anstream::adapter::strip_str(&linked).to_string(), render(&summary, Paint::Plain));
        for foreign in ["\u{1b}]8;;http://x.example\u{1b}\\", "\u{1b}]0;title\u{1b}\\"] {
            assert!(!crate::report::escape::for_people_in_colour(foreign).contains('\u{1b}'), "{foreign:?}");
        }
    }

    #[test]
    fn the_token_page_belongs_to_the_installation() {
        let page = token_page("https://houston.astro.example.com/v1");
        assert_eq!(page.as_deref(), Some("https://app.astro.example.com/token"));
        assert_eq!(token_page("http://127.0.0.1:8080/v1"), None);
    }
}
