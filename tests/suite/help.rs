//! What is made from the definitions of the command line: the examples of help, completions, manual
//! pages; and `config show` and `version` as programs read them.
#![cfg(all(unix, feature = "sandbox"))]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::harness::stage::{PROGRAM, Served, Stage};
use crate::harness::{self, Workdir};
use houston_onboard::cli::help::examples;
use serde_json::Value;

/// The files that the examples name.
const FILES: &str = "\
```csv team.csv
email,role,workspace
amina.demir@example.com,editor,Data Platform
new.hire@example.com,admin,Marketing Analytics
```
```csv people.csv
Work Email,role,workspace
amina.demir@example.com,editor,Data Platform
```
```toml onboard.toml
rate = \"10/s\"
[targets.prod]
domain = \"example.com\"
protect = [\"*@admin.example.com\", \"root@example.com\"]
```
";

#[test]
fn every_example_of_help_works() {
    let mut stage = Stage::new(FILES);
    stage.variables = vec![("HOUSTON_API_TOKEN".to_owned(), stage.token())];
    fs::write(stage.folder.path().join("home/houston-token"), stage.token()).unwrap();
    for (what, line) in examples::ALL.iter().flat_map(|(_, examples)| *examples) {
        if let Some(arguments) = line.strip_prefix("houston-onboard sandbox ") {
            // It runs until it is stopped: whoever sees its URL and a token sees that it runs.
            let arguments = format!("sandbox {}", arguments.replace("4466", "0"));
            drop(Served::start(&arguments, 2, stage.folder.path()));
            continue;
        }
        stage.status = 0;
        let printed = stage.run(line);
        // On a terminal, the user would be asked.
        let is_question = line.contains(" apply ") && !line.contains("--yes");
        let asked = is_question && printed.contains("confirmation required");
        assert!(stage.status == if asked { 2 } else { 0 }, "{what}: {line}: {}\n{printed}", stage.status);
    }
    let folder = stage.folder.path();
    for written in
        ["members.csv", "results.csv", "houston-onboard.bash", "man1/houston-onboard-config-show.1"]
    {
        assert!(folder.join(written).metadata().unwrap().len() > 0, "{written}");
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).env_clear().output().unwrap()
}

fn stdout(arguments: &[&str]) -> String {
    let done = run(arguments);
    assert_eq!(done.status.code(), Some(0), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// Whether a tool is installed.
fn has(tool: &str) -> bool {
    let found = Command::new(tool).args(["-c", ":"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_err() {
        harness::note(&format!("skipped: {tool} is not installed"));
    }
    found.is_ok()
}

/// What a shell prints for a script; errors of the shell fail the test.
fn shell(shell: &str, folder: &Path, script: &str) -> String {
    let done = Command::new(shell).arg("-c").arg(script).current_dir(folder).output().unwrap();
    let errors = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success() && errors.is_empty(), "{shell}: {errors}");
    String::from_utf8(done.stdout).unwrap()
}

/// What the program takes after these words, the last of which is being typed.
const COMPLETED: [(&[&str], &[&str], &[&str]); 10] = [
    (&[""], &["plan", "apply", "config"], &["--help"]),
    (&["pl"], &["plan"], &["apply"]),
    (&["plan", "--pr"], &["--prune", "--protect", "--progress"], &["--plan"]),
    (&["apply", "--pl"], &["--plan"], &["--prune"]),
    (&["plan", "r.csv", "--format", ""], &["human", "json", "csv", "md"], &["junit"]),
    (&["apply", "--color", ""], &["auto", "always", "never"], &["plan"]),
    (&["config", "show", "--tok"], &["--token-file"], &["--target"]),
    (&["schema", ""], &["summary", "plan", "explain"], &["roster.csv", "elvish"]),
    (&["help", ""], &["plan", "exit-status", "roster"], &["elvish"]),
    (&["completions", ""], &["bash", "zsh", "fish", "powershell"], &["elvish"]),
];

fn folder_with_script(shell: &str) -> Workdir {
    let workdir = Workdir::new();
    workdir.write("script", stdout(&["completions", shell]));
    workdir.write("roster one.csv", "");
    workdir
}

fn check(shell: &str, typed: &[&str], offered: &str, expected: &[&str], not: &[&str]) {
    let words: Vec<&str> =
        offered.lines().map(|line| line.split(['\t', ' ']).next().unwrap_or_default()).collect();
    for word in expected {
        assert!(words.contains(word), "{shell}: {typed:?} lacks {word}: {words:?}");
    }
    for word in not {
        assert!(!words.contains(word), "{shell}: {typed:?} has {word}: {words:?}");
    }
}

#[test]
fn bash_completes_commands_flags_values_and_files() {
    if !has("bash") {
        return;
    }
    let workdir = folder_with_script("bash");
    let complete = |typed: &[&str]| {
        let words = typed.join("' '");
        let last = typed.len();
        let script = format!(
            "compopt() {{ :; }}; source ./script; COMP_WORDS=(houston-onboard '{words}'); COMP_CWORD={last}\n\
             f=$(complete -p houston-onboard); f=${{f#*-F }}; f=${{f%% *}}\n\
             $f houston-onboard \"${{COMP_WORDS[{last}]}}\" \"${{COMP_WORDS[{last}-1]}}\"\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        shell("bash", workdir.path(), &script)
    };
    for (typed, expected, not) in COMPLETED {
        check("bash", typed, &complete(typed), expected, not);
    }
    assert_eq!(complete(&["plan", "r.csv", "--token-file", "ros"]), "roster one.csv\n");
    for nothing in [&["plan", ""][..], &["plan", "ros"], &["plan", "r.csv", "--rate", ""]] {
        assert_eq!(complete(nothing), "\n", "bash completes files itself: {nothing:?}");
    }
}

#[test]
fn fish_completes_commands_flags_and_values() {
    if !has("fish") {
        return;
    }
    let workdir = folder_with_script("fish");
    for (typed, expected, not) in COMPLETED {
        let script = format!("source script; complete -C 'houston-onboard {}'", typed.join(" "));
        check("fish", typed, &shell("fish", workdir.path(), &script), expected, not);
    }
    let script = "source script; complete -C 'houston-onboard plan r.csv --token-file ros'";
    assert!(shell("fish", workdir.path(), script).contains("roster one.csv"));
}

#[test]
fn zsh_takes_the_script_and_completes_flags() {
    if !has("zsh") {
        return;
    }
    let workdir = folder_with_script("zsh");
    // The completion system works on a terminal only: one of its functions is replaced, to see what
    // it gets.
    let script = "autoload -U compinit && compinit -u -d dump && source script\n\
        (( $+functions[_houston-onboard] )) && print ${_comps[houston-onboard]}\n\
        _arguments() { print -l -- \"$@\"; return 0 }; words=(houston-onboard plan x); CURRENT=3\n\
        line=(plan); curcontext=:complete:houston-onboard: ; _houston-onboard";
    let shown = shell("zsh", workdir.path(), script);
    assert!(shown.starts_with("_houston-onboard\n"), "{shown}");
    for word in ["--config=", "_files", ":: :_houston-onboard_commands", "--help"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
}

#[test]
fn powershell_gets_a_script() {
    let script = stdout(&["completions", "powershell"]);
    assert!(script.contains("Register-ArgumentCompleter") && script.contains("'--token-file'"), "{script}");
}

#[test]
fn manual_pages_have_all_sections_and_no_warnings() {
    let workdir = Workdir::new();
    let pages = workdir.path().join("pages");
    stdout(&["man", "--out", pages.to_str().unwrap()]);
    let (has_man, has_mandoc) = (has("man"), has("mandoc"));
    let mut seen = 0;
    for entry in fs::read_dir(&pages).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for section in
            ["NAME", "SYNOPSIS", "\"GENERAL OPTIONS\"", "ENVIRONMENT", "FILES", "\"EXIT STATUS\"", "EXAMPLES"]
        {
            assert!(text.contains(&format!("\n.SH {section}\n")), "{section}: {}", path.display());
        }
        if has_man {
            let done = Command::new("man")
                .args(["-l", "--warnings"])
                .arg(&path)
                .env("LC_ALL", "C.UTF-8")
                .output()
                .unwrap();
            let warnings = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(done.status.success() && warnings.is_empty(), "{}: {warnings}", path.display());
        }
        if has_mandoc {
            let done =
                Command::new("mandoc").args(["-T", "lint", "-W", "error"]).arg(&path).output().unwrap();
            let warnings = String::from_utf8_lossy(&done.stdout).into_owned();
            assert!(done.status.success(), "{warnings}");
        }
        seen += 1;
    }
    assert_eq!(seen, examples::ALL.len(), "a page for each command");
    let page = stdout(&["man", "config", "show"]);
    assert_eq!(page, fs::read_to_string(pages.join("houston-onboard-config-show.1")).unwrap());
    assert_eq!(run(&["man", "weather"]).status.code(), Some(2));
}

#[test]
fn config_show_prints_the_source_of_every_value_and_never_a_token() {
    let workdir = Workdir::new();
    workdir.write("onboard.toml", "rate = '5/s'\n[targets.prod]\nurl = 'https://houston.example.com/v1'\n");
    let show = |arguments: &[&str]| {
        let line = ["config", "show", "--config", "onboard.toml", "--target", "prod"];
        let done = Command::new(PROGRAM)
            .args(line)
            .args(arguments)
            .env_clear()
            .env("HOUSTON_API_TOKEN", "hush.hush.hush")
            .env("HOUSTON_ONBOARD_PRUNE", "yes")
            .current_dir(workdir.path())
            .output()
            .unwrap();
        assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
        let text = String::from_utf8(done.stdout).unwrap();
        assert!(!text.contains("hush"), "{text}");
        text
    };
    let table = show(&["--limit", "3"]);
    for (name, value, source) in [
        ("token", "set by HOUSTON_API_TOKEN", "HOUSTON_API_TOKEN"),
        ("rate", "5/s", "onboard.toml:1:1"),
        ("url", "https://houston.example.com/v1", "onboard.toml:3:1 (target prod)"),
        ("prune", "true", "HOUSTON_ONBOARD_PRUNE"),
        ("limit", "3", "flag"),
        ("runs-dir", "onboard-runs", "default"),
    ] {
        let line = table.lines().find(|line| line.split(' ').next() == Some(name)).unwrap();
        assert!(line.contains(&format!(" {value} ")) && line.ends_with(&format!(" {source}")), "{line}");
    }
    let json: Value = serde_json::from_str(&show(&["--format", "json"])).unwrap();
    let of = |name: &str| {
        let settings = json["settings"].as_array().unwrap();
        settings.iter().find(|setting| setting["name"] == name).unwrap().clone()
    };
    let file = serde_json::json!({ "name": "url", "value": "https://houston.example.com/v1", "source": "file",
        "at": "onboard.toml:3:1", "target": "prod" });
    assert_eq!(of("url"), file);
    let variable = serde_json::json!({ "name": "prune", "value": true, "source": "variable",
        "variable": "HOUSTON_ONBOARD_PRUNE" });
    assert_eq!(of("prune"), variable);
    assert_eq!(of("protect"), serde_json::json!({ "name": "protect", "value": [], "source": "default" }));
    assert_eq!(of("limit"), serde_json::json!({ "name": "limit", "value": null, "source": "default" }));
}

#[test]
fn version_has_what_a_bug_report_needs() {
    let json: Value = serde_json::from_str(&stdout(&["version", "--format", "json"])).unwrap();
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json["features"], serde_json::json!(["sandbox"]));
    for key in
        ["commit", "platform", "tls", "journal_format", "summary_schema_version", "saved_plan_schema_version"]
    {
        assert!(!json[key].is_null(), "{key}: {json}");
    }
    assert!(
        stdout(&["version"]).starts_with(&format!("houston-onboard {}\ncommit ", env!("CARGO_PKG_VERSION")))
    );
    assert_eq!(stdout(&["--version"]), format!("houston-onboard {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(stdout(&["-V"]).lines().count(), 1);
}

#[test]
fn colours_of_help_are_those_that_are_wanted() {
    let is_coloured = |arguments: &[&str]| stdout(arguments).contains('\u{1b}');
    assert!(!is_coloured(&["plan", "--help"]));
    assert!(is_coloured(&["plan", "--help", "--color", "always"]));
    assert!(is_coloured(&["--color=always", "-h"]));
    let with = |name: &str, value: &str, arguments: &[&str]| {
        let done = Command::new(PROGRAM).args(arguments).env_clear().env(name, value).output().unwrap();
        done.stdout.contains(&0x1b)
    };
    assert!(with("HOUSTON_ONBOARD_COLOR", "always", &["help", "plan"]));
    assert!(with("CLICOLOR_FORCE", "1", &["plan", "-h"]));
    assert!(!with("CLICOLOR_FORCE", "1", &["plan", "-h", "--color", "never"]));
}

#[test]
fn a_saved_plan_and_a_roster_are_one_too_many() {
    let done = run(&["apply", "--plan", "p.json", "team.csv"]);
    assert_eq!(done.status.code(), Some(2));
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(
        said.starts_with("error: --plan and a roster were given: a saved plan contains its roster\n"),
        "{said}"
    );
    assert!(said.contains("drop --plan, or drop team.csv"), "{said}");
}
