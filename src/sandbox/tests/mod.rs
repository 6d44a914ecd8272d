//! The sandbox as a client sees it: over HTTP, with a minimal client.

mod faults;
mod membership;
mod protocol;
mod reading;
mod rights;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;

const DATA_PLATFORM: &str = "ckdataplatform00000000001";
const FINANCE: &str = "ckfinance0000000000000002";
const OPERATIONS: &str = "ckoperations0000000000005";
/// The system admin, who is also admin of Operations.
const ADMIN: &str = "maria.silva@example.com";
/// The only admin of Data Platform.
const LEADER: &str = "ahmed.nilsson@example.com";
/// Editor of Data Platform and of a deployment there.
const EDITOR: &str = "fatima.wagner@example.com";
/// Viewer of Data Platform, editor of Finance.
const VIEWER: &str = "pedro.park@example.com";
/// Active, member of nothing.
const STRANGER: &str = "luis.nowak@example.com";
const UNKNOWN: &str = "brand.new@example.com";

/// An answer, taken apart.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    /// Code and message of the first error.
    fn error(&self) -> (String, String) {
        let error = self.json()["errors"][0].clone();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&error["extensions"]["code"]), text(&error["message"]))
    }

    /// The data, which must have come without errors.
    fn data(&self) -> Value {
        let mut json = self.json();
        assert_eq!(json.get("errors"), None, "{json}");
        json["data"].take()
    }
}

/// A connection to a sandbox.
struct Wire(BufReader<TcpStream>);

impl Wire {
    fn to(sandbox: &Sandbox) -> Self {
        let address = sandbox.url().trim_start_matches("http://").trim_end_matches("/v1");
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(BufReader::new(stream))
    }

    fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) {
        let mut text =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            text.extend([*name, ": ", *value, "\r\n"]);
        }
        let stream = self.0.get_mut();
        stream.write_all(format!("{text}\r\n{body}").as_bytes()).unwrap();
    }

    /// The next answer, or `None` where the connection ends before it is whole.
    fn receive(&mut self) -> Option<Answer> {
        let mut headers = String::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                break;
            }
            headers.push_str(&line.to_lowercase());
        }
        let status = headers.split(' ').nth(1)?.parse().ok()?;
        let length = headers.split("content-length: ").nth(1)?.lines().next()?.trim().parse().ok()?;
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).ok()?;
        Some(Answer { status, headers, body })
    }

    fn post(&mut self, token: &str, body: &str) -> Option<Answer> {
        let headers = [("Content-Type", "application/json"), ("Authorization", token)];
        self.send("POST", "/v1", &headers, body);
        self.receive()
    }
}

fn start(profile: Profile) -> Sandbox {
    Sandbox::start(Options { profile, ..Options::default() }).unwrap()
}

fn with_model(model: Model) -> Sandbox {
    Sandbox::start(Options { model: Some(model), ..Options::default() }).unwrap()
}

fn with_switch(switch: &str) -> Sandbox {
    let mut options = Options::default();
    options.switches.set(switch).unwrap();
    Sandbox::start(options).unwrap()
}

fn with_faults(faults: &str) -> Sandbox {
    Sandbox::start(Options { faults: faults.parse().unwrap(), ..Options::default() }).unwrap()
}

/// Any request with this token.
fn ask_as(sandbox: &Sandbox, token: &str, query: &str, variables: &Value) -> Answer {
    let body = json!({ "query": query, "variables": variables }).to_string();
    Wire::to(sandbox).post(token, &body).expect("an answer")
}

/// Any request as the system admin.
fn ask(sandbox: &Sandbox, query: &str, variables: &Value) -> Answer {
    ask_as(sandbox, sandbox.token(), query, variables)
}

const ADD: &str = "mutation Add($w: Uuid, $e: String!, $r: Role!) {
  workspaceAddUser(workspaceUuid: $w, email: $e, role: $r) { id }
}";

fn add_body(workspace: &str, email: &str) -> String {
    let variables = json!({ "w": workspace, "e": email, "r": "WORKSPACE_VIEWER" });
    json!({ "query": ADD, "variables": variables }).to_string()
}

fn add(sandbox: &Sandbox, workspace: &str, email: &str, role: &str) -> Answer {
    ask(sandbox, ADD, &json!({ "w": workspace, "e": email, "r": role }))
}

/// The roles of an address in a workspace, oldest first.
fn roles(sandbox: &Sandbox, workspace: &str, email: &str) -> Vec<Role> {
    let state = sandbox.state();
    let user = state.users.iter().find(|user| user.emails.iter().any(|other| other == email));
    let Some(user) = user else { return Vec::new() };
    let here = |b: &&state::StateBinding| b.user == user.id && b.workspace.as_deref() == Some(workspace);
    state.bindings.iter().filter(here).map(|binding| binding.role).collect()
}

fn invites(sandbox: &Sandbox, workspace: &str, email: &str) -> usize {
    let here = |invite: &&state::StateInvite| {
        invite.workspace.as_deref() == Some(workspace) && invite.email == email
    };
    sandbox.state().invites.iter().filter(here).count()
}

fn id_of(sandbox: &Sandbox, email: &str) -> String {
    let state = sandbox.state();
    state.users.into_iter().find(|user| user.emails.iter().any(|other| other == email)).unwrap().id
}

fn pair(code: &str, message: &str) -> (String, String) {
    (code.to_owned(), message.to_owned())
}
