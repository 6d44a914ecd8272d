//! The program on a terminal: bars, the question before anything is sent, and Ctrl-C.

#![cfg(all(feature = "sandbox", unix))]

use std::process::Command;
use std::time::Duration;

use crate::harness::{self, Sandbox, Workdir, program, roster};
use houston_onboard::sandbox::{Options, Switches};
use rexpect::process::{Signal, WaitStatus};
use rexpect::session::PtySession;

/// How long an answer on the terminal may take, in milliseconds.
const PATIENCE: u64 = 30_000;

/// Starts the program on a terminal of its own.
fn on_terminal(workdir: &Workdir, sandbox: &Sandbox, arguments: &[&str]) -> PtySession {
    let mut command = bare(workdir, arguments);
    command.env("HOUSTON_API_TOKEN", sandbox.token()).args(["--url", sandbox.url()]);
    on_its_own(command)
}

fn bare(workdir: &Workdir, arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.env_clear().env("TERM", "xterm-256color");
    command.env("HOME", workdir.path()).env("HOUSTON_ONBOARD_RATE", "none").current_dir(workdir.path());
    command.args(arguments);
    command
}

fn on_its_own(command: Command) -> PtySession {
    let mut session = rexpect::session::spawn_command(command, Some(PATIENCE)).unwrap();
    session.process_mut().set_kill_timeout(Some(1_000));
    session
}

/// Waits for the end; gives the status and all that was shown since the last look.
#[track_caller]
fn ended(mut session: PtySession, status: i32) -> String {
    let shown = session.exp_eof().unwrap();
    match session.process().wait() {
        Ok(WaitStatus::Exited(_, code)) => assert_eq!(code, status, "{shown}"),
        other => panic!("{other:?}: {shown}"),
    }
    shown
}

fn slow() -> Sandbox {
    Sandbox::with(Options { latency: Duration::from_millis(30), ..Options::default() })
}

fn with_roster() -> Workdir {
    let workdir = Workdir::new();
    workdir.write("roster.csv", roster(40, 3));
    workdir
}

#[test]
fn a_bar_is_shown_and_colours_with_it() {
    let (sandbox, workdir) = (slow(), with_roster());
    let session = on_terminal(&workdir, &sandbox, &["apply", "roster.csv", "--yes"]);
    let shown = ended(session, 0);
    assert!(shown.contains("members "), "{shown}");
    assert!(shown.contains('\u{1b}'), "a bar is redrawn: {shown}");
    assert!(shown.contains("40/40") || shown.contains("40 rows"), "{shown}");
    assert!(shown.contains("results.csv"), "{shown}");
    assert_eq!(sandbox.audit().mutations_applied, 40);
}

#[test]
fn neither_bar_nor_colour_where_they_are_not_wanted() {
    let (sandbox, workdir) = (slow(), with_roster());
    let flags = ["apply", "roster.csv", "--yes", "--progress", "plain", "--color", "never"];
    let shown = ended(on_terminal(&workdir, &sandbox, &flags), 0);
    assert!(shown.contains("members: 40/40"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn a_yes_at_the_prompt_carries_the_plan_out() {
    let (sandbox, workdir) = (slow(), with_roster());
    let mut session = on_terminal(&workdir, &sandbox, &["apply", "roster.csv"]);
    let before = session.exp_string("Apply 40 changes?").unwrap();
    assert!(before.contains("40 to add"), "the plan comes first: {before}");
    assert_eq!(sandbox.audit().mutations_received, 0, "nothing before the answer");
    session.send("y").unwrap();
    session.flush().unwrap();
    // Some prompts want Return, some do not.
    let _ = session.send_line("");
    ended(session, 0);
    assert_eq!(sandbox.audit().mutations_applied, 40);
    assert_eq!(workdir.folders().len(), 1);
}

#[test]
fn a_no_at_the_prompt_sends_nothing() {
    for answer in ["n", ""] {
        let (sandbox, workdir) = (slow(), with_roster());
        let mut session = on_terminal(&workdir, &sandbox, &["apply", "roster.csv"]);
        session.exp_string("Apply 40 changes?").unwrap();
        session.send(answer).unwrap();
        session.flush().unwrap();
        let _ = session.send_line("");
        let shown = ended(session, 2);
        assert!(shown.contains("nothing was sent"), "{shown}");
        sandbox.received_no_mutation();
        assert_eq!(workdir.folders().len(), 0);
    }
}

#[test]
fn a_token_that_ends_too_early_is_told_of_before_the_question() {
    // For the sandbox it is always 1 June, so that it takes the token however long this lasts.
    let now = Some("2026-06-01T00:00:00Z".parse().unwrap());
    let switches = Switches { now, ..Switches::default() };
    let (sandbox, workdir) = (Sandbox::with(Options { switches, ..Options::default() }), with_roster());
    let ends = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second() + 8).unwrap();
    workdir.write("token", sandbox.fresh_token_of("maria.silva@example.com", ends).unwrap());
    let flags = ["apply", "roster.csv", "--token-file", "token", "--rate", "5/s"];
    let mut session = on_terminal(&workdir, &sandbox, &flags);
    let before = session.exp_string("Apply 40 changes?").unwrap();
    assert!(before.contains("warning: the token expires at "), "{before}");
    session.send_line("n").unwrap();
    ended(session, 2);
    sandbox.received_no_mutation();
}

#[test]
fn ctrl_c_at_the_prompt_sends_nothing_and_gives_the_cursor_back() {
    let (sandbox, workdir) = (slow(), with_roster());
    let mut session = on_terminal(&workdir, &sandbox, &["apply", "roster.csv"]);
    session.exp_string("Apply 40 changes?").unwrap();
    session.send_control('c').unwrap();
    let shown = ended(session, 130);
    assert!(shown.contains("nothing was sent"), "{shown}");
    let (hidden, back) = (shown.rfind("\u{1b}[?25l"), shown.rfind("\u{1b}[?25h"));
    assert!(hidden.is_none() || back > hidden, "the cursor is hidden: {shown:?}");
    sandbox.received_no_mutation();
    assert_eq!(workdir.folders().len(), 0);
}

#[test]
fn a_signal_from_elsewhere_at_the_prompt_gives_the_terminal_back_as_it_was() {
    let (sandbox, workdir) = (slow(), with_roster());
    let mut session = on_terminal(&workdir, &sandbox, &["apply", "roster.csv"]);
    session.exp_string("Apply 40 changes?").unwrap();
    let terminal = session.process().get_file_handle().unwrap();
    session.process_mut().signal(Signal::SIGTERM).unwrap();
    let shown = ended(session, 143);
    assert!(shown.contains("nothing was sent"), "{shown}");
    let stty = Command::new("stty").arg("-a").stdin(terminal).output().unwrap();
    let settings = String::from_utf8(stty.stdout).unwrap();
    assert!(settings.contains("icanon") && !settings.contains("-icanon"), "{settings}");
}

#[test]
fn ctrl_c_in_mid_run_drains_it() {
    let sandbox = Sandbox::with(Options { latency: Duration::from_millis(150), ..Options::default() });
    let workdir = with_roster();
    let flags = ["apply", "roster.csv", "--yes", "--concurrency", "2"];
    let mut session = on_terminal(&workdir, &sandbox, &flags);
    harness::until("the first writes", || (sandbox.audit().mutations_applied > 3).then_some(()));
    session.send_control('c').unwrap();
    let shown = ended(session, 130);
    assert!(shown.contains("resume") || shown.contains("results.csv"), "{shown}");
    let audit = sandbox.audit();
    assert!(audit.mutations_applied < 40);
    assert_eq!(audit.mutations_applied, audit.mutations_received, "what was sent was waited for");
}

#[test]
fn resume_shows_what_is_left_and_asks() {
    let (sandbox, workdir) = (Sandbox::new(), with_roster());
    let mut running = workdir.applying(&sandbox, "roster.csv").quick().args(&["--rate", "20/s"]).start();
    running.await_entries("intent", 5);
    running.signal("TERM");
    drop(running.finish().ended(143));
    let before = sandbox.audit().mutations_received;
    let mut session = on_terminal(&workdir, &sandbox, &["resume", "--rate", "none"]);
    let shown = session.exp_string("Apply ").unwrap();
    assert!(
        shown.contains(" to send\r\n")
            && !shown.contains(" 0 ")
            && shown.contains(" of 40 rows are finished.\r\n"),
        "{shown}"
    );
    session.send_line("n").unwrap();
    assert!(ended(session, 2).contains("nothing was sent"));
    assert_eq!(sandbox.audit().mutations_received, before);
    let mut session = on_terminal(&workdir, &sandbox, &["resume", "--rate", "none"]);
    session.exp_string("Apply ").unwrap();
    session.send_line("y").unwrap();
    let shown = ended(session, 0);
    assert!(shown.contains("done"), "{shown}");
    assert_eq!(sandbox.audit().mutations_applied, 40);
}

#[test]
fn nobody_is_asked_where_nothing_is_to_be_done() {
    let (sandbox, workdir) = (slow(), with_roster());
    let _ = workdir.apply(&sandbox, "roster.csv", &["--timeout", "5s"]).ended(0);
    let shown = ended(on_terminal(&workdir, &sandbox, &["apply", "roster.csv"]), 0);
    assert!(!shown.contains("Apply"), "{shown}");
    assert_eq!(sandbox.audit().mutations_received, 40);
}

#[test]
fn issues_are_shown_with_a_piece_of_the_file() {
    let (sandbox, workdir) = (slow(), Workdir::new());
    workdir.write("roster.csv", "email,role,workspace\nnew.hire@example.com,edtor,Finance\n");
    let mut command = Command::new(program());
    command.env_clear().env("TERM", "xterm-256color").current_dir(workdir.path());
    command.args(["validate", "roster.csv"]);
    let session = rexpect::session::spawn_command(command, Some(PATIENCE)).unwrap();
    let shown = ended(session, 3);
    assert!(shown.contains("roster.csv:2:22"), "{shown}");
    assert!(shown.contains("^^^^^"), "{shown}");
    assert_eq!(sandbox.audit().requests, 0);
}

#[test]
fn a_folder_of_another_user_is_shown_and_asked_for_before_anything_is_sent() {
    use std::os::unix::fs::PermissionsExt as _;
    let (sandbox, workdir) = (slow(), with_roster());
    let mut running = workdir.applying(&sandbox, "roster.csv").quick().args(&["--rate", "20/s"]).start();
    running.await_entries("intent", 5);
    running.signal("TERM");
    let folder = running.finish().ended(143).folder().to_owned();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    let requests = sandbox.audit().requests;
    let resume = ["resume", "--trust-folder", folder.to_str().unwrap()];
    let mut session = on_terminal(&workdir, &sandbox, &resume);
    let shown = session.exp_string("[y/N]").unwrap();
    for word in ["every user can write to it", sandbox.url(), "rows left", "removals left", "token from"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    assert_eq!(sandbox.audit().requests, requests, "nothing before the answer");
    session.send_line("n").unwrap();
    assert!(ended(session, 2).contains("nothing was sent"));
    assert_eq!(sandbox.audit().requests, requests);
    // What was confirmed is what is done: another journal in the meantime is none of it.
    let journal = folder.join("journal.jsonl");
    let whole = std::fs::read_to_string(&journal).unwrap();
    let mut session = on_terminal(&workdir, &sandbox, &resume);
    session.exp_string("[y/N]").unwrap();
    std::fs::write(&journal, whole.lines().next().unwrap().to_owned() + "\n").unwrap();
    session.send_line("y").unwrap();
    assert!(ended(session, 3).contains("changed since it was read"));
    assert_eq!(sandbox.audit().requests, requests);
    std::fs::write(&journal, whole).unwrap();
    let mut session = on_terminal(&workdir, &sandbox, &resume);
    session.exp_string("[y/N]").unwrap();
    session.send_line("y").unwrap();
    session.exp_string("Apply").unwrap();
    session.exp_string("[y/N]").unwrap();
    session.send_line("y").unwrap();
    drop(ended(session, 0));
    assert_eq!(sandbox.audit().mutations_applied, 40);
}

/// A sandbox whose only workspace has this label, as a file.
fn labelled(label: &str) -> String {
    let members = serde_json::json!([{ "email": "old@example.com", "role": "WORKSPACE_ADMIN", "bindings": 1,
        "membership": "member", "user_id": "u1", "username": "old@example.com", "deployment_roles": null }]);
    let workspace = serde_json::json!({ "id": "ck00000000000000000000001", "label": label, "complete": true,
        "invitations_read": true, "members": members });
    let source =
        serde_json::json!({ "target": "x", "houston_version": null, "exported_at": "2026-11-23T16:00:00Z" });
    serde_json::json!({ "export": 1, "source": source, "workspaces": [workspace] }).to_string()
}

#[test]
fn no_format_lets_a_text_from_outside_steer_the_terminal() {
    let hostile = "\u{1b}]0;x\u{7}\u{9b}5m\u{7f}\u{202e}\u{2066}\u{200f}\u{61c}::error::x";
    let workdir = Workdir::new();
    workdir.write("state.json", labelled(hostile));
    workdir.write(
        "roster.csv",
        format!("email,role,workspace,note\nann@example.com,viewer,ck00000000000000000000001,{hostile}\n"),
    );
    let sandbox = ["--sandbox", "--sandbox-state", "state.json", "--progress", "none", "--color", "never"];
    let mut calls: Vec<Vec<&str>> = vec![vec!["apply", "roster.csv", "--yes"]];
    calls.extend(["human", "csv", "json", "md"].map(|format| vec!["plan", "roster.csv", "--format", format]));
    calls.extend(
        ["human", "json"].map(|f| vec!["plan", "roster.csv", "--explain", "ann@example.com", "--format", f]),
    );
    calls.extend(["csv", "json"].map(|format| vec!["export", "--format", format]));
    calls.extend(["/dev/tty", "/dev/stdout"].map(|output| vec!["export", "--output", output]));
    calls.iter_mut().for_each(|call| call.extend(sandbox));
    for format in ["human", "json", "jsonl", "csv", "md", "junit"] {
        calls.push(vec!["report", "--color", "never", "--format", format]);
        calls.push(vec!["validate", "roster.csv", "--color", "never", "--format", format]);
    }
    for call in calls {
        // The session gives a character for every byte.
        let shown = ended(on_its_own(bare(&workdir, &call)), 0);
        let shown = shown.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let shown = String::from_utf8(shown).unwrap();
        let steers = |c: char| {
            (c.is_control() && !matches!(c, '\r' | '\n' | '\t'))
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
        };
        assert!(!shown.contains(steers), "{call:?}: {shown:?}");
    }
}

/// What a terminal shows, without its escape sequences, line by line.
fn plain(shown: &str) -> Vec<String> {
    let lines = shown.split(['\n', '\r']).map(|line| anstream::adapter::strip_str(line).to_string());
    lines.map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
}

#[test]
fn bars_fit_the_terminal_and_one_line_stays_of_each_phase() {
    for width in [40, 80, 200] {
        let (sandbox, workdir) = (slow(), with_roster());
        let mut command = bare(&workdir, &[]);
        let program = format!(
            "stty cols {width} rows 24; exec {} apply roster.csv --yes --url {}",
            program(),
            sandbox.url()
        );
        let environment: Vec<_> =
            command.get_envs().map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned))).collect();
        command = Command::new("/bin/sh");
        command.env_clear().args(["-c", &program]).current_dir(workdir.path());
        environment.into_iter().for_each(|(name, value)| {
            command.env(name, value.unwrap_or_default());
        });
        command.env("PATH", "/usr/bin:/bin").env("HOUSTON_API_TOKEN", sandbox.token());
        let shown = ended(on_its_own(command), 0);
        let lines = plain(&shown);
        let bars: Vec<_> = lines.iter().filter(|line| line.starts_with("members ")).collect();
        // A line of a bar is filled up with blanks to the width of the terminal.
        let is_full = |line: &str| line.chars().nth(width - 1).is_none_or(|last| last == ' ');
        assert!(!bars.is_empty() && bars.iter().all(|line| is_full(line)), "{lines:#?}");
        assert_eq!(
            bars.iter().any(|line| line.contains("[=") || line.contains("[>")),
            width > 60,
            "{bars:#?}"
        );
        for stays in
            ["reading workspaces: ", "planned: 40 to add", "members: 40/40 (100 %), ", "reports: written"]
        {
            let count = lines.iter().filter(|line| line.starts_with(stays)).count();
            assert_eq!(count, 1, "{stays}: {lines:#?}");
        }
        let summary = lines.iter().position(|line| line == "done").unwrap();
        assert!(lines.len() - summary <= 24, "{lines:#?}");
    }
}

#[test]
fn a_dumb_terminal_has_lines_and_a_good_one_a_link() {
    let (sandbox, workdir) = (slow(), with_roster());
    let mut command = bare(&workdir, &["apply", "roster.csv", "--yes", "--url", sandbox.url()]);
    command.env("HOUSTON_API_TOKEN", sandbox.token()).env("TERM", "dumb").env("WT_SESSION", "1");
    let shown = ended(on_its_own(command), 0);
    assert!(!shown.contains('\u{1b}') && shown.contains("members: 40/40"), "{shown:?}");
    for (no_color, has_link) in [(None, true), (Some("1"), false)] {
        let mut command = bare(&workdir, &["apply", "roster.csv", "--yes", "--url", sandbox.url()]);
        command.env("HOUSTON_API_TOKEN", sandbox.token()).env("WT_SESSION", "1");
        if let Some(value) = no_color {
            command.env("NO_COLOR", value);
        }
        let shown = ended(on_its_own(command), 0);
        assert_eq!(shown.contains("\u{1b}]8;;file:///"), has_link, "{shown:?}");
    }
}

#[test]
fn a_report_is_opened_for_a_person_and_its_path_printed_for_everyone_else() {
    use std::os::unix::fs::PermissionsExt as _;
    let (sandbox, workdir) = (Sandbox::new(), with_roster());
    let run = workdir.apply(&sandbox, "roster.csv", &["--timeout", "5s"]).ended(0);
    let page = run.folder().canonicalize().unwrap().join("report.html");
    let page = page.to_str().unwrap();
    let opener = |text: &str| {
        let path = workdir.write("xdg-open", format!("#!/bin/sh\n{text}\n"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    let heard = workdir.path().join("heard");
    let on_a_display = |display: &[(&str, &str)]| {
        let mut command = bare(&workdir, &["report", "--open"]);
        command.env("PATH", workdir.path()).env("HOUSTON_API_TOKEN", "a-token").envs(display.iter().copied());
        ended(on_its_own(command), 0)
    };
    opener("{ echo \"$#\"; echo \"$1\"; echo \"token: $HOUSTON_API_TOKEN.\"; } > heard");
    for display in [[("DISPLAY", ":0")], [("WAYLAND_DISPLAY", "wayland-0")]] {
        let shown = on_a_display(&display);
        assert!(shown.contains("opened ") && shown.contains("report.html"), "{shown}");
        assert_eq!(std::fs::read_to_string(&heard).unwrap(), format!("1\n{page}\ntoken: .\n"));
        std::fs::remove_file(&heard).unwrap();
    }
    // No display, no terminal, an opener that fails, none at all.
    let printed = format!("{page}\r\n");
    assert_eq!(on_a_display(&[]), printed);
    let path = workdir.path().to_str().unwrap();
    let piped = workdir.call(["report", "--open"]).env("DISPLAY", ":0").env("PATH", path).run().ended(0);
    assert_eq!(piped.stdout, format!("{page}\n"));
    assert!(!heard.exists());
    opener("exit 3");
    assert_eq!(on_a_display(&[("DISPLAY", ":0")]), printed);
    std::fs::remove_file(workdir.path().join("xdg-open")).unwrap();
    assert_eq!(on_a_display(&[("DISPLAY", ":0")]), printed);
    workdir.run(["report", "--open", "--verify"]).ended(2).says("--verify").began_nothing();
}

#[test]
fn a_terminal_that_becomes_narrow_in_mid_run_has_short_bars_and_whole_lines() {
    const NARROW: usize = 40;
    let options = Options { latency: Duration::from_millis(25), ..Options::default() };
    let (sandbox, workdir) = (Sandbox::with(options), Workdir::new());
    workdir.write("roster.csv", roster(400, 5));
    let sized = |columns: usize| rustix::termios::Winsize {
        ws_row: 24,
        ws_col: columns.try_into().unwrap(),
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let mut command = Command::new("/bin/sh");
    let apply =
        format!("stty cols 80 rows 24; exec {} apply roster.csv --yes --url {}", program(), sandbox.url());
    command.env_clear().args(["-c", &apply]).current_dir(workdir.path());
    command.env("TERM", "xterm-256color").env("PATH", "/usr/bin:/bin").env("HOME", workdir.path());
    command.env("HOUSTON_ONBOARD_RATE", "none").env("HOUSTON_API_TOKEN", sandbox.token());
    let mut session = on_its_own(command);
    harness::until("a third of the writes", || (sandbox.audit().mutations_applied > 130).then_some(()));
    let mut before = String::new();
    while let Some(c) = session.try_read() {
        before.push(c);
    }
    // The kernel tells the program with SIGWINCH.
    let terminal = session.process().get_file_handle().unwrap();
    rustix::termios::tcsetwinsize(&terminal, sized(NARROW)).unwrap();
    let after = ended(session, 0);

    // As a terminal shows it. A bar is whole when the next drawing begins.
    let size = |of: usize| u16::try_from(of).unwrap().try_into().unwrap();
    let bytes = |text: &str| text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<u8>>();
    let mut terminal = vt100::Parser::new(size(60), size(80), 0);
    let bars = |terminal: &mut vt100::Parser, text: &str, width: u16| {
        let mut bars: Vec<Vec<String>> = Vec::new();
        for drawing in bytes(text).split_inclusive(|&byte| byte == b'\r') {
            let rows: Vec<String> =
                terminal.screen().rows(0, width).map(|row| row.trim_end().to_owned()).collect();
            let bar =
                rows.into_iter().skip_while(|row| !row.starts_with("members ") || !row.contains("/400"));
            bars.push(bar.take_while(|row| !row.is_empty()).collect());
            terminal.process(drawing);
        }
        bars.retain(|bar| !bar.is_empty() && !bar[0].starts_with("members:"));
        bars
    };
    let wide = bars(&mut terminal, &before, 80);
    assert!(wide.iter().any(|bar| bar[0].len() > NARROW), "bars used the width: {wide:?}");
    terminal.screen_mut().set_size(size(60), size(NARROW));
    // What was on its way at that moment may still be as wide as before.
    let late = bars(&mut terminal, &after, 40).split_off(2);
    assert!(late.len() > 5, "bars were drawn afterwards: {late:?}");
    for bar in &late {
        // A line that is too long would go on in a row of its own.
        let [_, counts] = &bar[..] else { panic!("{bar:#?}") };
        assert!(counts.starts_with("added ") && bar.iter().all(|row| row.len() < NARROW), "{bar:#?}");
    }
    // Each line that stays is whole, however it is broken, and no bar is left.
    let shown = terminal.screen().contents();
    for whole in ["members: 400/400 (100 %), added ", "reports: written to onboard-runs/", "results.csv"] {
        assert_eq!(shown.lines().filter(|line| line.contains(whole)).count(), 1, "{whole}: {shown}");
    }
    assert!(!shown.contains("members 4") && !shown.contains("[="), "{shown}");
}
