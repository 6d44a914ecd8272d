//! A folder to run the commands of a text in, as a reader would: a sandbox stands for each
//! installation that the text names.
//!
//! Main type: [`Stage`].

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_houston-onboard");
/// The installation of the README.
pub const INSTALLATION: &str = "https://houston.example.com/v1";

/// Who is in the installation to move from.
const OLD_INSTALLATION: &str = "email,role,workspace,deployment_roles,label,membership,note\n\
    amina.demir@old.example.com,WORKSPACE_ADMIN,ckoldplatform00000000001a,,Data Platform,member,\n\
    jose.horvat@old.example.com,WORKSPACE_VIEWER,ckoldplatform00000000001a,,Data Platform,member,\n\
    moved.person@old.example.com,WORKSPACE_EDITOR,ckoldresearch00000000001a,,Research,member,\n";

/// `cargo run` is the program that has been built already; the other commands of cargo, which would
/// build it again, do nothing.
const CARGO: &str = r#"cargo() { case "$1" in run) while [ "$1" != -- ]; do shift; done; shift; houston-onboard "$@";; esac; }"#;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A fenced block: what stands after the fence, and the lines between.
pub struct Block<'r> {
    pub info: &'r str,
    pub lines: Vec<&'r str>,
}

pub fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => blocks.push(block),
            (Some(info), None) => open = Some(Block { info, lines: Vec::new() }),
            (None, Some(mut block)) => {
                block.lines.push(line);
                open = Some(block);
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block has no end");
    blocks
}

/// A sandbox in a process of its own, which ends with this value.
pub struct Served {
    process: Child,
    url: String,
    token: String,
    greeting: String,
}

impl Served {
    /// Starts one, and reads its greeting: the part before the first empty line, of so many lines at
    /// most.
    pub fn start(arguments: &str, most: usize, folder: &Path) -> Self {
        let mut process = Command::new(PROGRAM)
            .args(arguments.split_whitespace())
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut greeting: Vec<String> = Vec::new();
        for line in lines.take(most).map_while(Result::ok).take_while(|line| !line.is_empty()) {
            // Of an installation with few people, this is the last line before it is asked something.
            let is_last = line.ends_with("(expired)");
            greeting.push(line);
            if is_last {
                break;
            }
        }
        Self {
            process,
            url: word(&greeting[0], "url: "),
            token: word(&greeting[1], "token: "),
            greeting: greeting.join("\n") + "\n",
        }
    }
}

fn word(line: &str, name: &str) -> String {
    let rest = line.strip_prefix(name).unwrap_or_else(|| panic!("no `{name}` in `{line}`"));
    rest.split(' ').next().unwrap_or_default().to_owned()
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A folder to run the commands in.
pub struct Stage {
    pub folder: tempfile::TempDir,
    /// The files that the text shows.
    files: Vec<PathBuf>,
    installation: Served,
    /// The installation to move from.
    old: Served,
    /// The sandboxes that commands of the text started, and the addresses they have there.
    served: Vec<(Served, String)>,
    pub status: i32,
    /// More variables of the commands; `export` adds some.
    pub variables: Vec<(String, String)>,
}

impl Stage {
    pub fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("home")).unwrap();
        std::os::unix::fs::symlink(root().join("samples"), folder.path().join("samples")).unwrap();
        let mut files = Vec::new();
        for block in blocks(text) {
            if let Some((_, file)) = block.info.split_once(' ') {
                let file = folder.path().join(file);
                fs::write(&file, block.lines.join("\n") + "\n").unwrap();
                files.push(file);
            }
        }
        let state = folder.path().join("home/old.csv");
        fs::write(&state, OLD_INSTALLATION).unwrap();
        let old = format!("sandbox --latency 0ms --port 0 --profile 0.28 --state {}", state.display());
        let old = Served::start(&old, 2, folder.path());
        fs::write(folder.path().join("home/old-token"), &old.token).unwrap();
        Self {
            old,
            installation: Served::start("sandbox --latency 0ms --port 0", 8, folder.path()),
            folder,
            files,
            served: Vec::new(),
            status: 0,
            variables: Vec::new(),
        }
    }

    /// The token of the installation.
    pub fn token(&self) -> String {
        self.installation.token.clone()
    }

    /// What a command prints, to both streams, in the words of the text.
    pub fn run(&mut self, command: &str) -> String {
        if command.starts_with("houston-onboard sandbox ") {
            let port =
                command.split_once("--port ").map(|(_, rest)| rest.split(' ').next().unwrap_or_default());
            let address = format!("http://127.0.0.1:{}", port.unwrap());
            let arguments = command.trim_start_matches("houston-onboard ").replace(port.unwrap(), "0");
            let served = Served::start(&arguments, 8, self.folder.path());
            for file in &self.files {
                let text = fs::read_to_string(file).unwrap();
                fs::write(file, text.replace(&address, served.url.trim_end_matches("/v1"))).unwrap();
            }
            let greeting = served.greeting.replace(served.url.trim_end_matches("/v1"), &address);
            self.served.push((served, address));
            return greeting;
        }
        let mut script = command.replace("--domain example.com", &format!("--url {}", self.installation.url));
        script = script.replace("--domain old.example.com", &format!("--url {}", self.old.url));
        for (served, address) in &self.served {
            script = script.replace(address, served.url.trim_end_matches("/v1"));
        }
        if let Some(variables) = script.strip_prefix("export ") {
            let pairs = variables.split(' ').map(|pair| pair.split_once('=').expect("NAME=VALUE"));
            self.variables.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
            return String::new();
        }
        let bin = Path::new(PROGRAM).parent().unwrap().display();
        let path = format!("{bin}:{}", std::env::var("PATH").unwrap_or_default());
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!("exec 2>&1\n{CARGO}\n(exit {})\n{script}", self.status))
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.folder.path().join("home"))
            .env("HOUSTON_ONBOARD_PROGRESS", "none")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // What would be pasted: a token.
        let mut stdin = child.stdin.take().unwrap();
        let _ = writeln!(stdin, "{}", self.installation.token);
        drop(stdin);
        let done = child.wait_with_output().unwrap();
        self.status = done.status.code().unwrap_or(-1);
        let mut printed =
            String::from_utf8(done.stdout).unwrap().replace(&self.installation.url, INSTALLATION);
        for (served, address) in &self.served {
            printed = printed.replace(served.url.trim_end_matches("/v1"), address);
        }
        printed
    }
}
