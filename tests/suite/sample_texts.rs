//! The texts beside the samples for other programs, which `readme.rs` does not run: their commands parse, the
//! files they name exist, and what they set up fits the samples. `.ci/ecosystem.d` runs the rest.

#![cfg(all(feature = "sandbox", unix))]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::harness::Workdir;
use crate::harness::stage::{Block, PROGRAM, blocks, root};
use crate::harness::tools::has;

/// The texts about other programs.
pub const TEXTS: [&str; 5] = [
    "samples/airflow/README.md",
    "samples/container/README.md",
    "samples/kubernetes/README.md",
    "samples/python/README.md",
    "samples/systemd/README.md",
];

fn read(text: &str) -> String {
    fs::read_to_string(root().join(text)).unwrap()
}

/// The shell scripts that a text shows.
fn scripts(text: &str) -> Vec<String> {
    let script = |block: &Block<'_>| match block.info {
        "sh" => Some(block.lines.join("\n") + "\n"),
        "console" => Some(
            block
                .lines
                .iter()
                .filter_map(|line| line.strip_prefix("$ "))
                .fold(String::new(), |all, line| all + line + "\n"),
        ),
        _ => None,
    };
    blocks(text).iter().filter_map(script).collect()
}

/// What a text has between backticks.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter(|code| !code.is_empty() && !code.contains('\n'))
}

fn run(script: &str, prelude: &str, folder: &Path) -> Output {
    let mut child = Command::new("sh")
        .args(["-eu", "-s"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(format!("{prelude}\n{script}").as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn the_scripts_of_the_texts_are_valid() {
    for name in TEXTS {
        for script in scripts(&read(name)) {
            let checked = Command::new("sh").args(["-n", "-c", &script]).output().unwrap();
            assert!(checked.status.success() && checked.stderr.is_empty(), "{name}: {checked:?}\n{script}");
        }
    }
}

/// The arguments of each call of the program: by its name, as a module of Python, or as an image.
fn calls(script: &str) -> Vec<Vec<String>> {
    let script = script.replace("\\\n", " ");
    let of_line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().map(|word| word.trim_matches('\'')).collect();
        let is_program = |word: &&str| {
            matches!(*word, "houston-onboard" | "houston_onboard") || word.starts_with("houston-onboard:")
        };
        // A user and a tag may have its name as well.
        let name = words.iter().rposition(is_program)?;
        let is_tag = words[..name].last().is_some_and(|word| matches!(*word, "--tag" | "useradd"));
        (!is_tag).then(|| words[name + 1..].iter().map(|&word| word.to_owned()).collect())
    };
    let lines = script.lines().filter(|line| !line.starts_with("useradd") && !line.starts_with("install"));
    lines.filter_map(of_line).collect()
}

#[test]
fn every_call_of_the_program_in_the_texts_parses() {
    let mut parsed = 0;
    for name in TEXTS {
        let text = read(name);
        let inline = codes(&text).filter(|code| code.starts_with("houston-onboard ")).map(str::to_owned);
        for arguments in scripts(&text).into_iter().chain(inline).flat_map(|script| calls(&script)) {
            // What stands before it is parsed first; `help` has no such flag.
            let done = Command::new(PROGRAM).args(&arguments).arg("--help").output().unwrap();
            let why = String::from_utf8_lossy(&done.stderr);
            assert_eq!(done.status.code(), Some(0), "{name}: {arguments:?}: {why}");
            parsed += 1;
        }
    }
    assert!(parsed >= 4, "only {parsed} calls were found");
}

/// The paths in a text that a reader has: from the root of a clone, and from the folder of the text.
fn paths(name: &str) -> BTreeSet<PathBuf> {
    const BESIDE: [&str; 5] = [".service", ".timer", ".toml", ".yaml", ".yml"];
    let text = read(name);
    let here = root().join(name).with_file_name("");
    let scripts = scripts(&text).concat();
    let words = codes(&text).chain([&*scripts]).flat_map(str::split_whitespace);
    let path = |word: &str| {
        let word = word.trim_matches(['\'', ',', ':', ';']);
        let is_of_root = word.starts_with("samples/") || word.starts_with(".ci/");
        let is_beside = !word.contains(['/', '='])
            && BESIDE.iter().any(|end| word.len() > end.len() && word.ends_with(end));
        match () {
            () if is_of_root => Some(root().join(word)),
            () if is_beside || word.starts_with("../") || word == "Containerfile" => Some(here.join(word)),
            () => None,
        }
    };
    words.filter_map(path).collect()
}

#[test]
fn the_files_that_the_texts_name_exist() {
    let mut found = 0;
    for path in TEXTS.iter().flat_map(|name| paths(name)) {
        let exists = match path.to_str().unwrap().split_once("/*") {
            None => path.exists(),
            Some((folder, end)) => fs::read_dir(folder)
                .is_ok_and(|files| files.flatten().any(|file| file.path().to_str().unwrap().ends_with(end))),
        };
        assert!(exists, "{}", path.display());
        found += 1;
    }
    assert!(found >= 15, "only {found} paths were found");
}

/// What stands in for the commands that need root: everything is installed below `$ROOT`, whoever its owner is.
const INSTALLING: &str = r#"
useradd() { :; }
systemctl() { :; }
install() {
    options=
    while [ $# -gt 1 ]; do
        case "$1" in
            -o | -g) shift ;;
            -m) options="$options -m $2"; shift ;;
            -d) options="$options -d" ;;
            /*) command install $options "$ROOT$1" ;;
            *) files="$files $1" ;;
        esac
        shift
    done
    command install $options $files "$ROOT$1"
    files=
}
files=
"#;

#[test]
fn the_install_steps_put_every_file_where_the_units_and_cron_look_for_it() {
    let workdir = Workdir::new();
    let (folder, there) = (workdir.path(), workdir.path().join("root"));
    std::os::unix::fs::symlink(root().join("samples"), folder.join("samples")).unwrap();
    workdir.write("team.csv", "email,role,workspace\n");
    workdir.write("service-account.key", "token");
    for base in ["etc/systemd/system", "etc/cron.d", "usr/local/lib", "var/lib"] {
        fs::create_dir_all(there.join(base)).unwrap();
    }
    let steps: String = scripts(&read("samples/systemd/README.md"))
        .into_iter()
        .filter(|script| script.contains("install "))
        .collect();
    let done = run(&steps, &format!("ROOT={}\n{INSTALLING}", there.display()), folder);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));

    let installed = |path: &str| there.join(path.trim_start_matches('/'));
    let units = fs::read_dir(installed("/etc/systemd/system")).unwrap().map(|unit| unit.unwrap().path());
    let files =
        units.chain([installed("/etc/cron.d/houston-onboard"), installed("/etc/houston-onboard/sync.toml")]);
    let mut named = 0;
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let words = lines.flat_map(|line| line.split(|c: char| c.is_whitespace() || "=:\"".contains(c)));
        for path in words.filter(|word| {
            word.starts_with("/etc/houston-onboard/")
                || word.starts_with("/usr/local/lib/")
                || *word == "/var/lib/houston-onboard"
        }) {
            assert!(installed(path).exists(), "{} names {path}", file.display());
            named += 1;
        }
    }
    assert!(named >= 8, "only {named} paths were found");
}

#[test]
fn the_commands_for_kubernetes_make_what_the_pods_mount() {
    if !has("kubectl") {
        return;
    }
    let workdir = Workdir::new();
    workdir.write("team.csv", "email,role,workspace\n");
    workdir.write("service-account.key", "token");
    let script = scripts(&read("samples/kubernetes/README.md")).concat();
    let creates: Vec<&str> = script.lines().filter(|line| line.starts_with("kubectl create ")).collect();
    let inputs = read("samples/kubernetes/inputs.yaml");
    let inputs: Vec<Value> =
        inputs.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect();
    assert_eq!(creates.len(), 2);
    for (create, input) in creates.iter().zip(inputs) {
        let done = run(&format!("{create} --dry-run=client --output json"), "", workdir.path());
        assert!(done.status.success(), "{create}: {}", String::from_utf8_lossy(&done.stderr));
        let made: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!((&made["kind"], &made["metadata"]["name"]), (&input["kind"], &input["metadata"]["name"]));
        let keys = |object: &Value| object.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let data = if input["kind"] == "Secret" { "stringData" } else { "data" };
        assert_eq!(keys(&made["data"]), keys(&input[data]));
    }
}

#[test]
fn the_container_mounts_what_its_arguments_name() {
    let text = read("samples/container/README.md");
    let run = scripts(&text).into_iter().find(|script| script.contains("podman run")).unwrap();
    let mounted: Vec<&str> =
        run.split(" -v ").skip(1).filter_map(|volume| volume.split([':', ' ']).nth(1)).collect();
    let arguments = calls(&run).pop().unwrap();
    let paths: Vec<&String> = arguments.iter().filter(|argument| argument.starts_with('/')).collect();
    assert_eq!(paths, ["/roster.csv", "/token"]);
    for path in paths {
        assert!(mounted.contains(&path.as_str()), "{path} is in none of {mounted:?}");
    }
    assert!(mounted.contains(&"/runs"));
}
