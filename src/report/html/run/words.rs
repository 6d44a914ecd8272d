//! What the page of a run says.
//!
//! Main function: [`page`]. Pure: from the history, the summary and the names to a [`Page`]. What to do next
//! is decided by [`crate::report::closing`], for the terminal and for this page.

use super::compared::compared;
use super::facts::{Ends, Facts, Move, Moved, NotRemoved};
use super::is_whole;
use super::names::Names;
use crate::model::{ItemId, Level, Role};
use crate::outcome::{Code, ExitStatus, Status, StatusKind};
use crate::plan::RolePolicy;
use crate::plan::census::{Census, Gap};
use crate::record::journal::{Header, History, Span, WorkspaceBefore};
use crate::report::closing::{
    Mood, NextSteps, Step, advice, counted, limit, mood, requests, strained, verdict,
};
use crate::report::html::latency::latency;
use crate::report::html::over_time::over_time;
use crate::report::html::shape::lane;
use crate::report::html::{
    Approval, Audit, Card, Chart, Count, Drawn, Fact, Group, Name, Page, Remark, Share, Subject, Tile, Tone,
    Workspace, bar, filter, shift,
};
use crate::report::notices::why_held_back;
use crate::report::provenance::verify_command;
use crate::report::spoken;
use crate::report::summary::{FailureClass, RunState, Summary};

/// How many cards there are at most.
const CARDS: usize = 7;
/// How many workspaces are listed.
const WORKSPACES: usize = 60;

/// What the page says about a run.
pub(super) fn page(history: &History, summary: &Summary, facts: Facts, names: &Names) -> Page {
    let header = &history.header;
    let (cards, other_cards) = cards(summary, &facts, names);
    let (workspaces, other_workspaces) = workspaces(history, &facts, names);
    let people = |(kind, moved): (&Move, &Moved)| group(*kind, moved, history, names);
    Page {
        subject: Subject::Run,
        name: summary.run.clone(),
        title: format!("{}: {}", summary.roster, verdict(summary)),
        verdict: capital(&verdict(summary)),
        tone: match mood(summary) {
            Mood::Good => Tone::Changed,
            Mood::Warn => Tone::Unsettled,
            Mood::Bad => Tone::Failed,
        },
        lead: lead(summary),
        alerts: alerts(summary, header),
        facts: head(summary),
        tiles: facts.ends.parts().map(Tile::of).into(),
        people: facts.moves.iter().map(people).collect(),
        limits: limits(summary, header, &facts),
        approval: approval(header),
        cards,
        other_cards,
        compared: compared(summary),
        workspaces,
        other_workspaces,
        audit: audit(history, summary, &facts),
        rows_note: rows_note(history),
        footer: format!("run {}, {} on {}", summary.run, summary.roster, summary.target),
        charts: charts(history, summary, facts, names),
    }
}

fn lead(summary: &Summary) -> String {
    let noun = if summary.rows == 1 { "row" } else { "rows" };
    let rows = format!("{} {noun} of {}", Count(summary.rows), summary.roster);
    requests(summary, |count| Count(count).to_string())
        .map_or(rows.clone(), |requests| format!("{rows}, {requests}"))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn alerts(summary: &Summary, header: &Header) -> Vec<String> {
    let going = "The run is still going: this page shows it as it was when the page was made.";
    let sandbox = "A rehearsal: this run changed an embedded sandbox, not a real Houston.";
    let insecure = "--insecure: the certificate of Houston was not checked.";
    let all = [
        (summary.state == RunState::Going, going),
        (summary.sandbox, sandbox),
        (header.reach.insecure, insecure),
    ];
    all.into_iter().filter(|(holds, _)| *holds).map(|(_, words)| words.to_owned()).collect()
}

/// How many processes worked on it, where that was not one.
fn processes(summary: &Summary) -> Option<Fact> {
    let (shards, legs) = (summary.runs.len(), summary.legs as usize);
    match shards {
        0 if legs > 1 => Some(Fact::text("Processes", format!("{legs}: it was resumed"))),
        0 => None,
        _ if legs > shards => Some(Fact::text("Shards", format!("{shards}, in {legs} processes"))),
        _ => Some(Fact::text("Shards", shards.to_string())),
    }
}

fn head(summary: &Summary) -> Vec<Fact> {
    let mut facts = vec![Fact::code("Target", summary.target.as_str())];
    facts.extend(summary.houston_version.as_deref().map(|version| Fact::text("Houston", version)));
    facts.push(Fact::time("Started", summary.started_at));
    facts.extend(summary.finished_at.map(|at| Fact::time("Ended", at)));
    facts.extend(summary.caller.as_deref().map(|name| Fact::text("Applied by", name)));
    facts.extend(summary.approved_by.as_deref().map(|name| Fact::text("Approved by", name)));
    facts.push(Fact::text("Work", spoken(std::time::Duration::from_millis(summary.duration_ms))));
    facts.extend(processes(summary));
    facts.extend(summary.exit_status.map(|status| {
        let meaning = ExitStatus::meaning(status).map_or_else(String::new, |words| format!(": {words}"));
        Fact::text("Exit status", format!("{status}{meaning}"))
    }));
    facts
}

fn group(kind: Move, moved: &Moved, history: &History, names: &Names) -> Group {
    let (tone, title, filter) = match kind {
        Move::Removed => (Tone::Remove, "Removed", filter("removed", "", "")),
        Move::NewAdmin => {
            (Tone::Add, "New admins", filter("changed", "", Role::workspace(Level::Admin).name()))
        }
        Move::Demoted => (Tone::Remove, "Demoted", filter("role_updated", "", "")),
        Move::HeldBack => (Tone::Held, "Held back by a guard", filter("", "", "guard_")),
        Move::Added => (Tone::Add, "Added", filter("added", "", "")),
        Move::Invited => (Tone::Add, "Invited", filter("invited", "", "")),
        Move::Promoted => (Tone::Change, "Promoted", filter("role_updated", "", "")),
    };
    let name = |&id: &ItemId| Name { who: names.person(id).to_owned(), note: note(kind, id, history, names) };
    let shares = if kind.is_named() { None } else { Some(&moved.shares) };
    let mut shares: Vec<Share> = shares
        .into_iter()
        .flatten()
        .map(|(&at, &count)| Share { name: names.workspace(at).to_owned(), count: Count(count) })
        .collect();
    shares.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
    let shown = shares.len().min(WORKSPACES);
    let in_others: u64 = shares[shown..].iter().map(|share| share.count.0).sum();
    shares.truncate(shown);
    let unnamed = if kind.is_named() { moved.count - moved.named.len() as u64 } else { in_others };
    Group {
        tone,
        title,
        count: Count(moved.count),
        names: moved.named.iter().map(name).collect(),
        shares,
        more: Count(unnamed),
        filter,
    }
}

/// Where it was, and what changed.
fn note(kind: Move, id: ItemId, history: &History, names: &Names) -> String {
    let Some(end) = history.item(id) else { return String::new() };
    let place = end.workspace.map_or("", |at| names.workspace(at));
    let role = |level: Option<Level>| level.map_or("no role", Level::short_name);
    let (before, wanted) = (role(end.roles.before), role(end.roles.wanted));
    match kind {
        Move::Removed => format!("{place}, was {before}"),
        Move::NewAdmin | Move::Demoted | Move::Promoted => format!("{place}, {before} → {wanted}"),
        Move::HeldBack => {
            format!("{place}, keeps {before}: {}", end.cause.as_ref().map_or("", |cause| &*cause.text))
        }
        Move::Added | Move::Invited => format!("{place}, {wanted}"),
    }
}

fn limits(summary: &Summary, header: &Header, facts: &Facts) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut say = |tone, words| remarks.push(Remark { tone, words });
    if let (Some(prune), Some(counts)) = (&header.settings.prune, &summary.removals) {
        let caps = prune.caps;
        say(
            Tone::Same,
            format!(
                "Removals: {} of at most {} (--max-remove); --max-remove-percent allows {} per cent of the people",
                counts.removed, caps.people, caps.percent
            ),
        );
    }
    for &(guard, count) in &facts.held {
        say(Tone::Held, format!("Held back {count}: {}", why_held_back(guard)));
    }
    let protected = header.settings.protected();
    if !protected.is_empty() {
        say(Tone::Same, format!("Protected by --protect: {}", protected.join(", ")));
    }
    remarks
}

fn approval(header: &Header) -> Option<Approval> {
    let digest = header.saved_plan.clone()?;
    Some(Approval {
        title: "The saved plan that was applied",
        digest: Some(digest),
        words: "Compare this digest with the one that was approved.".to_owned(),
        command: None,
    })
}

/// What needs a hand, the worst first, and how many kinds more there are.
fn cards(summary: &Summary, facts: &Facts, names: &Names) -> (Vec<Card>, Count) {
    let steps = NextSteps::of(summary);
    let mut cards: Vec<Card> = stopped(summary, &steps).into_iter().collect();
    // Requests in flight are not failures of a run that continues.
    let is_over = |class: &&FailureClass| summary.state != RunState::Going || class.status != Status::InDoubt;
    let mut classes: Vec<_> = summary.failures.iter().filter(is_over).collect();
    classes.sort_by_key(|class| (severity(class.status), u64::MAX - class.count));
    cards.extend(classes.into_iter().map(|class| failed(class, summary, &steps)));
    cards.extend(facts.not_removed.iter().map(|one| not_removed(one, names, &steps)));
    cards.extend(held_back(summary));
    cards.extend(not_tried(summary, &steps));
    cards.extend(locked_out(summary));
    cards.extend(strained(summary).into_iter().map(|(what, rest)| Card {
        text: format!("{}.", capital(&rest)),
        ..Card::new(Tone::Held, capital(&what))
    }));
    let more = cards.len().saturating_sub(CARDS) as u64;
    cards.truncate(CARDS);
    (cards, Count(more))
}

/// The order of bad ends: what may have happened or not is worse than what certainly did not.
fn severity(status: Status) -> u8 {
    match status.kind() {
        StatusKind::Unresolved if status == Status::InDoubt => 0,
        StatusKind::Failed => 1,
        StatusKind::Unresolved => 2,
        StatusKind::NotTried | StatusKind::AsItWas | StatusKind::Changed => 3,
    }
}

impl Card {
    fn new(tone: Tone, title: String) -> Self {
        Self {
            tone,
            title,
            code: None,
            text: String::new(),
            lines: Vec::new(),
            more: Count(0),
            filter: None,
            advice: String::new(),
            command: None,
        }
    }

    /// A card of its own for a step.
    fn with(self, step: Option<&Step>) -> Self {
        self.advised(step, Step::said)
    }

    /// A card about some of the rows that a step is about.
    fn among_others(self, step: Option<&Step>) -> Self {
        self.advised(step, |step| step.words.clone())
    }

    fn advised(mut self, step: Option<&Step>, said: impl Fn(&Step) -> String) -> Self {
        if let Some(step) = step {
            let words = capital(&said(step));
            self.advice = if self.advice.is_empty() { words } else { format!("{} {words}", self.advice) };
            let end = if step.command.is_some() { ":" } else { "." };
            self.advice.push_str(end);
            self.command.clone_from(&step.command);
        }
        self
    }
}

fn stopped(summary: &Summary, steps: &NextSteps) -> Option<Card> {
    let title = match summary.state {
        RunState::Going => return None,
        RunState::BrokenOff => verdict(summary),
        RunState::Closed => {
            verdict(summary).split_once(": ").filter(|_| summary.stopped.is_some())?.1.to_owned()
        }
    };
    let card = Card::new(Tone::Failed, capital(&title)).with(steps.token.as_ref());
    Some(card.with(steps.rest.as_ref()))
}

fn failed(class: &FailureClass, summary: &Summary, steps: &NextSteps) -> Card {
    let FailureClass { status, code, count, lines, texts, text } = class;
    let is_one_text = texts.iter().all(|one| one == text);
    let line = |(line, why): (&u32, &String)| {
        let why = if is_one_text { String::new() } else { format!(": {why}") };
        format!("{}:{line}{why}", summary.roster)
    };
    let (tone, step) = match status.kind() {
        StatusKind::Unresolved => (Tone::Unsettled, &steps.rest),
        StatusKind::Failed => (Tone::Failed, &steps.failed),
        StatusKind::NotTried | StatusKind::AsItWas | StatusKind::Changed => (Tone::NotTried, &None),
    };
    let noun = if *count == 1 { "row" } else { "rows" };
    Card {
        code: code.as_ref().map(ToString::to_string),
        text: if is_one_text { capital(text) } else { String::new() },
        lines: lines.iter().zip(texts).map(line).collect(),
        more: Count(count - lines.len() as u64),
        filter: Some(filter(status.word(), "", class.word())),
        advice: format!("{}.", capital(advice(code.as_ref()))),
        ..Card::new(tone, format!("{} {noun} {}", Count(*count), status.word().replace('_', " ")))
    }
    .among_others(step.as_ref())
}

fn not_removed(one: &NotRemoved, names: &Names, steps: &NextSteps) -> Card {
    let NotRemoved { end, tone, cause, count, first } = one;
    let code = cause.as_ref().map(|cause| &cause.code);
    let noun = if *count == 1 { "removal" } else { "removals" };
    Card {
        code: code.map(ToString::to_string),
        text: cause.as_ref().map_or_else(String::new, |cause| capital(&cause.text)),
        lines: first.iter().map(|&id| names.person(id).to_owned()).collect(),
        more: Count(count - first.len() as u64),
        filter: Some(filter(end.word(), "", code.map_or("", Code::word))),
        advice: code.and_then(Code::advice).map_or_else(String::new, |words| format!("{}.", capital(words))),
        ..Card::new(*tone, format!("{} {noun} {}", Count(*count), end.word().replace('_', " ")))
    }
    .among_others(steps.rest.as_ref().filter(|_| *tone != Tone::Failed))
}

fn held_back(summary: &Summary) -> Option<Card> {
    let held = summary.guarded();
    if held.total() == 0 {
        return None;
    }
    Some(Card {
        filter: Some(filter("", "", "guard_")),
        lines: vec!["See “Limits and guards” above".to_owned()],
        ..Card::new(Tone::Held, format!("{} changes held back by a guard", Count(held.total())))
    })
}

fn not_tried(summary: &Summary, steps: &NextSteps) -> Option<Card> {
    let count = summary.counts.of(Status::NotRun) - summary.left_out;
    // A run that was stopped says so in its own card.
    if count == 0 || summary.stopped.is_some() || summary.state != RunState::Closed {
        return None;
    }
    let card = Card {
        filter: Some(filter("not_tried", "", "")),
        ..Card::new(Tone::NotTried, format!("{} rows not tried", Count(count)))
    };
    Some(card.with(steps.rest.as_ref()))
}

fn locked_out(summary: &Summary) -> Option<Card> {
    let count = summary.locked_out;
    (count > 0).then(|| Card {
        filter: Some(filter("already_invited", "", Code::LockedOut.word())),
        advice: format!("{}.", capital(advice(Some(&Code::LockedOut)))),
        ..Card::new(Tone::Held, format!("{} locked out beside an old invitation", Count(count)))
    })
}

/// What kept a run from going faster, with the window and the latency that go with it.
fn limited(summary: &Summary) -> Option<String> {
    let throttled = || strained(summary).into_iter().next().map(|(what, rest)| format!("{what}: {rest}"));
    let why = limit(summary).or_else(throttled).map(|words| format!("{}.", capital(&words)));
    let Summary { window_min, window_mean, .. } = *summary;
    let window = (window_mean > 0).then(|| {
        format!(
            "The window, the requests allowed in flight, was {window_mean} on average and {window_min} at the least."
        )
    });
    let latency = summary.latency_ms.map(|ms| format!("An answer took {} ms on average.", Count(ms)));
    let sentences: Vec<_> = [why, window, latency].into_iter().flatten().collect();
    (!sentences.is_empty()).then(|| sentences.join(" "))
}

/// What is missing of a run whose process was killed.
fn uncounted(summary: &Summary) -> Option<String> {
    let was_killed = summary.at_least && summary.state != RunState::Going;
    was_killed.then(|| {
        "A process was killed: its requests and retries after the last count are missing here.".to_owned()
    })
}

fn charts(history: &History, summary: &Summary, facts: Facts, names: &Names) -> Vec<Chart> {
    let slow = |&id: &ItemId| {
        let end = history.item(id)?;
        Some(format!("{} ms  {}", Count(end.elapsed_ms.into()), names.person(id)))
    };
    let slowest = facts.slowest.iter().filter_map(slow).collect();
    let words = limited(summary).into_iter().chain(uncounted(summary)).collect();
    let over_time = over_time(&history.timeline, &history.pulses, words);
    over_time.into_iter().chain(latency(facts.elapsed, slowest)).collect()
}

fn workspaces(history: &History, facts: &Facts, names: &Names) -> (Vec<Workspace>, Count) {
    let mut order: Vec<usize> = (0..history.workspaces.len()).collect();
    order.sort_by_key(|&at| {
        let ends = facts.workspaces[at];
        (std::cmp::Reverse(ends.badness()), std::cmp::Reverse(ends.total()))
    });
    let more = order.len().saturating_sub(WORKSPACES) as u64;
    let listed = order.into_iter().take(WORKSPACES);
    let drawn = |at| workspace(at, history, facts.workspaces[at], facts.shifts[at], names);
    (listed.map(drawn).collect(), Count(more))
}

/// What was seen of a workspace before the run.
fn census<'h>(history: &'h History, id: &str) -> Option<&'h Census> {
    history.before.iter().find(|before| before.id.as_str() == id).map(|before| &before.seen)
}

fn workspace(at: usize, history: &History, ends: Ends, shifted: [i64; 3], names: &Names) -> Workspace {
    let id = history.workspaces[at].as_str();
    let name = u32::try_from(at).map_or(id, |at| names.workspace(at)).to_owned();
    let parts = ends.parts();
    let words = said(&parts);
    Workspace {
        note: if name == id { String::new() } else { id.to_owned() },
        filter: filter("", &name, ""),
        rows: Count(ends.total()),
        bar: bar(&parts, &words),
        words,
        shift: census(history, id).and_then(|seen| shift(seen, shifted)),
        lane: history.timeline.span_of(at).map(|span| drawn(span, history, ends)),
        name,
    }
}

/// Counts in words, without those that are zero.
fn said(parts: &[(Tone, u64)]) -> String {
    let parts = parts.iter().filter(|(_, count)| *count > 0);
    parts.map(|(tone, count)| format!("{} {}", Count(*count), tone.words())).collect::<Vec<_>>().join(", ")
}

fn drawn(span: Span, history: &History, ends: Ends) -> Drawn {
    let whole = u64::try_from(history.duration.as_millis()).unwrap_or(u64::MAX);
    let Span { first_ms, proved_ms, last_ms } = span;
    let after = |ms: u64| spoken(std::time::Duration::from_millis(ms));
    let proved = proved_ms
        .map_or_else(|| ", nothing proved".to_owned(), |ms| format!(", first proof after {}", after(ms)));
    let words = format!("{} to {}{proved}", after(first_ms), after(last_ms));
    Drawn { svg: lane((first_ms, last_ms), proved_ms, whole, ends.worst(), &words), words }
}

fn audit(history: &History, summary: &Summary, facts: &Facts) -> Vec<Audit> {
    vec![
        Audit { title: "Rows by status", facts: statuses(summary) },
        Audit { title: "Completeness", facts: completeness(history, summary) },
        Audit { title: "Proof", facts: proof(summary, facts) },
        Audit { title: "Who and how", facts: who_and_how(&history.header, summary) },
        Audit { title: "Digests (SHA-256)", facts: digests(&history.header, summary) },
        Audit { title: "Undo", facts: undo(summary) },
    ]
}

fn statuses(summary: &Summary) -> Vec<Fact> {
    summary.by_status().map(|(status, count)| Fact::text(status.word(), Count(count).to_string())).collect()
}

fn completeness(history: &History, summary: &Summary) -> Vec<Fact> {
    let mut facts = vec![
        Fact::text("Rows of the roster", Count(summary.rows).to_string()),
        Fact::text("Workspaces", Count(history.workspaces.len() as u64).to_string()),
    ];
    if summary.left_out > 0 {
        facts.push(Fact::text("Left out by --only or --limit", Count(summary.left_out).to_string()));
    }
    if let Some(removals) = summary.removals {
        facts.push(Fact::text("People not in the roster", Count(removals.extra).to_string()));
    }
    facts.extend(history.before.iter().take(WORKSPACES).map(seen_before));
    if let Some(roles) = summary.deployment_roles {
        let words = format!("{} wanted, {} set", Count(roles.wanted), Count(roles.set));
        facts.push(Fact::text("Deployment roles", words));
    }
    facts
}

/// What was read of a workspace before the run.
fn seen_before(before: &WorkspaceBefore) -> Fact {
    let Census { members, invitations, not_in_roster, pages, gaps } = &before.seen;
    let members = members.map(|all| all.admins + all.editors + all.viewers + all.others);
    let numbers =
        [(members, "members"), (*invitations, "invitations"), (*not_in_roster, "not in the roster")];
    let known = numbers.into_iter().filter_map(|(count, what)| Some(format!("{} {what}", Count(count?))));
    let extent = match gaps.as_slice() {
        [] if *pages == 1 => "read completely, 1 page".to_owned(),
        [] => format!("read completely, {pages} pages"),
        gaps => gaps.iter().map(gap).collect::<Vec<_>>().join(", "),
    };
    let words = known.chain([extent]).collect::<Vec<_>>().join(", ");
    Fact::text(before.label.clone().unwrap_or_else(|| before.id.to_string()), words)
}

fn gap(gap: &Gap) -> String {
    match gap {
        Gap::NotReadToTheEnd => "reading stopped early: the rest was not needed".to_owned(),
        Gap::InvitationsHidden => "invitations hidden from the token".to_owned(),
        Gap::AddressesHidden => "some addresses hidden".to_owned(),
        Gap::EntriesUnreadable => "some entries unreadable".to_owned(),
        Gap::Unreadable(why) => format!("unreadable: {why}"),
    }
}

fn proof(summary: &Summary, facts: &Facts) -> Vec<Fact> {
    let [(_, changed), ..] = facts.ends.parts();
    let in_doubt = summary.counts.of(Status::InDoubt);
    let doubt = if in_doubt == 0 { "none".to_owned() } else { format!("{}: see the table", Count(in_doubt)) };
    vec![
        Fact::text("Changes seen in Houston afterwards", Count(changed).to_string()),
        Fact::text("Writes without proof", doubt),
        Fact::text("Mutations sent", Count(summary.attempts).to_string()),
        Fact::text("Requests sent again", counted(summary, &Count(summary.retries).to_string())),
    ]
}

fn who_and_how(header: &Header, summary: &Summary) -> Vec<Fact> {
    let settings = &header.settings;
    let yes = |flag: bool| if flag { "yes" } else { "no" };
    let mut facts = vec![
        Fact::text("Applied by", header.actor.caller().unwrap_or("unknown")),
        Fact::text("Approved by", or_unknown(summary.approved_by.as_deref())),
        Fact::text("Machine", or_unknown(header.actor.host.as_deref())),
        Fact::text("User of the machine", or_unknown(header.actor.os_user.as_deref())),
        Fact::text("Version of this tool", summary.tool_version.as_str()),
        Fact::text("Confirmed at a terminal", yes(!settings.unattended)),
        Fact::text("Emails by Houston (--send-invites)", yes(settings.send_invites)),
        Fact::text("Roles changed (--update-roles)", yes(settings.roles == RolePolicy::Update)),
        Fact::text("People removed (--prune)", yes(settings.prune.is_some())),
    ];
    if let Some(pace) = settings.pace {
        facts.push(Fact::text("Requests in flight at most", pace.concurrency.to_string()));
    }
    facts
}

fn or_unknown(known: Option<&str>) -> &str {
    known.unwrap_or("not recorded")
}

fn digests(header: &Header, summary: &Summary) -> Vec<Fact> {
    let mut facts = vec![
        Fact::code("Roster", header.roster_sha256.as_str()),
        Fact::code("Plan (plan.jsonl)", header.plan_sha256.as_str()),
    ];
    facts.extend(header.saved_plan.as_deref().map(|digest| Fact::code("Saved plan", digest)));
    if let Some(journal) = &summary.journal {
        facts.push(Fact::text("Lines of the journal", Count(journal.lines).to_string()));
        facts.push(Fact::code("Head of its chain", journal.head.as_str()));
        facts.push(Fact::code("Verify with", verify_command(summary, journal)));
    }
    facts
}

fn undo(summary: &Summary) -> Vec<Fact> {
    let step = NextSteps::of(summary).undo;
    let Some(Step { words, command: Some(command), .. }) = step else {
        return vec![Fact::text("Changes", "nothing to undo")];
    };
    vec![Fact::text("Available", capital(&words)), Fact::code("Command", command)]
}

fn rows_note(history: &History) -> Option<String> {
    let all = (history.row_count() + history.extras().len()) as u64;
    (!is_whole(history)).then(|| {
        format!(
            "{} rows are too many for a page: this table has only those that are not successes. results.csv has all of them.",
            Count(all)
        )
    })
}
