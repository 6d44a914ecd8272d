//! GraphQL sent by hand, as somebody does who does not use the program.

use houston_onboard::sandbox::{self, Options, Profile};
use serde_json::{Value, json};

use super::{Asked, Sandbox, relay};

/// An answer of a sandbox.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Value,
}

impl Reply {
    /// The data, which must have come without errors.
    #[track_caller]
    pub fn data(&self) -> &Value {
        assert_eq!(self.body.get("errors"), None, "{}", self.body);
        &self.body["data"]
    }

    /// Code and message of the first error.
    pub fn error(&self) -> (String, String) {
        let error = &self.body["errors"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&error["extensions"]["code"]), text(&error["message"]))
    }

    /// Whether anything failed.
    pub fn failed(&self) -> bool {
        self.body.get("errors").is_some()
    }
}

/// Sends one document with this token.
pub fn ask(sandbox: &sandbox::Sandbox, token: &str, query: &str, variables: &Value) -> Reply {
    let body = json!({ "query": query, "variables": variables }).to_string();
    let answer = relay(sandbox.url(), &Asked { head: format!("\r\nauthorization: {token}"), body });
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, body: serde_json::from_str(body).unwrap_or_else(|_| panic!("not JSON: {answer}")) }
}

/// Options of this version with these switches.
pub fn playing_as(profile: Profile, switches: &[&str]) -> Options {
    let mut options = Options { profile, ..Options::default() };
    for switch in switches {
        options.switches.set(switch).unwrap();
    }
    options
}

/// The built-in world in this version.
pub fn version(profile: Profile, switches: &[&str]) -> Sandbox {
    Sandbox::with(playing_as(profile, switches))
}
