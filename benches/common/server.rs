//! The two servers to measure against, each in a process of its own: the plain one of [`plain`], and the
//! sandbox, which is the real GraphQL engine.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use houston_onboard::sandbox::{Audit, Options, Sandbox, State};

use super::plain::{self, Count, Sample};

/// The first argument of a bench that is to be a server.
pub const FLAG: &str = "--be-a-server";

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The plain one.
    Plain,
    /// The embedded Houston.
    Sandbox,
}

/// The id of a workspace.
pub fn workspace_id(place: usize) -> String {
    format!("ck35y9uf44y8l0a19cmwd{place:04}")
}

/// A server in a process of its own, which ends with this value.
pub struct Server {
    child: Child,
    port: u16,
    /// What opens it.
    pub token: String,
}

impl Server {
    /// Starts a server that takes this long for every answer, with so many workspaces.
    pub fn start(kind: Kind, latency: Duration, workspaces: usize) -> io::Result<Self> {
        Self::spawn(kind, latency, workspaces.to_string().as_ref(), "")
    }

    /// Starts a plain server with so many workers, which take this long for every answer.
    pub fn with_workers(latency: Duration, workspaces: usize, workers: usize) -> io::Result<Self> {
        Self::spawn(Kind::Plain, latency, workspaces.to_string().as_ref(), &workers.to_string())
    }

    /// Starts a sandbox with the state in this file.
    pub fn with_state(state: &Path, latency: Duration) -> io::Result<Self> {
        Self::spawn(Kind::Sandbox, latency, state.as_os_str(), "")
    }

    /// Starts a sandbox with so many workspaces in which these things go wrong.
    pub fn faulty(latency: Duration, workspaces: usize, faults: &str) -> io::Result<Self> {
        Self::spawn(Kind::Sandbox, latency, workspaces.to_string().as_ref(), faults)
    }

    /// `special` are the workers of the plain server, or the faults of the sandbox.
    fn spawn(kind: Kind, latency: Duration, content: &OsStr, special: &str) -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(FLAG)
            .arg(match kind {
                Kind::Plain => "plain",
                Kind::Sandbox => "sandbox",
            })
            .arg(latency.as_micros().to_string())
            .arg(content)
            .arg(special)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let (port, token) = line.trim().split_once(' ').ok_or(io::ErrorKind::UnexpectedEof)?;
        let port = port.parse().map_err(io::Error::other)?;
        Ok(Self { child, port, token: token.to_owned() })
    }

    /// Where it listens.
    pub fn address(&self) -> (Ipv4Addr, u16) {
        (Ipv4Addr::LOCALHOST, self.port)
    }

    /// Its GraphQL endpoint.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the plain server counted since the last call.
    pub fn count(&self) -> io::Result<Count> {
        serde_json::from_slice(&self.get("/count")?).map_err(io::Error::other)
    }

    /// What was in the plain server since the last call.
    pub fn samples(&self) -> io::Result<Vec<Sample>> {
        serde_json::from_slice(&self.get("/samples")?).map_err(io::Error::other)
    }

    /// From now on the plain server has so many workers. Gives what is in it at that moment.
    pub fn set_workers(&self, workers: usize) -> io::Result<Sample> {
        serde_json::from_slice(&self.get(&format!("/workers/{workers}"))?).map_err(io::Error::other)
    }

    /// What the sandbox counted, without its list of mutations.
    pub fn audit(&self) -> io::Result<Audit> {
        serde_json::from_slice(&self.get("/audit?entries=0")?).map_err(io::Error::other)
    }

    /// Asks for a page by GET, on a connection of its own.
    pub fn get(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(self.address())?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
        Ok(answer.split_off(end + 4))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether this process is to be a server; if so, it has been one when this returns.
pub fn serve_if_asked() -> io::Result<bool> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [flag, kind, latency, content, special] = arguments.as_slice() else { return Ok(false) };
    if flag != FLAG {
        return Ok(false);
    }
    let latency = Duration::from_micros(latency.parse().map_err(io::Error::other)?);
    match (kind.as_str(), content.parse()) {
        ("sandbox", Ok(workspaces)) => serve_sandbox(latency, empty_state(workspaces)?, special)?,
        ("sandbox", Err(_)) => {
            let state = State::read(Path::new(content)).map_err(io::Error::other)?;
            serve_sandbox(latency, state, special)?;
        }
        (_, workspaces) => {
            plain::serve(latency, workspaces.map_err(io::Error::other)?, special.parse().ok())?;
        }
    }
    Ok(true)
}

/// Says where the server is.
pub fn announce(port: u16, token: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{port} {token}")?;
    stdout.flush()
}

/// Waits until the bench has ended.
pub fn until_unwanted() {
    // That closes the pipe.
    let _ = io::stdin().read_to_end(&mut Vec::new());
}

fn empty_state(workspaces: usize) -> io::Result<State> {
    let list: Vec<_> = (0..workspaces)
        .map(|place| serde_json::json!({ "id": workspace_id(place), "label": format!("Team {place}") }))
        .collect();
    Ok(serde_json::from_value(serde_json::json!({ "workspaces": list }))?)
}

fn serve_sandbox(latency: Duration, state: State, faults: &str) -> io::Result<()> {
    let faults = faults.parse().map_err(io::Error::other)?;
    let options = Options { latency, faults, ..Options::default() };
    let sandbox = Sandbox::start_with(options, state).map_err(io::Error::other)?;
    let port = sandbox.url().trim_end_matches("/v1").rsplit(':').next().and_then(|port| port.parse().ok());
    announce(port.ok_or(io::ErrorKind::InvalidData)?, sandbox.token())?;
    until_unwanted();
    Ok(())
}
