//! The credentials of the sandbox: JWT-like tokens that no real Houston would take.
//!
//! Main type: [`Tokens`]. A token is a real JWT in shape (three parts, claims `uuid`, `iat`,
//! `exp`); its signature is a checksum that anyone can make, so it protects nothing.

use std::fmt::Write as _;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::state::{Role, Status};
use super::world::{Scope, User, World};

/// The system service account's key in the built-in state.
pub const SERVICE_ACCOUNT_KEY: &str = "5a0db0c5000000000000000000000001";

const HEADER: &str = r#"{"alg":"none-sandbox-only","typ":"JWT"}"#;
/// 1 January 2026.
const ISSUED: i64 = 1_767_225_600;
/// 1 January 2100.
const FAR_AWAY: i64 = 4_102_444_800;
/// 2 January 2026: long over.
const OVER: i64 = ISSUED + 86_400;

/// Credentials for the sandbox, one for each kind of caller. They are made from the users of the
/// state; if the state has no user of a kind, the token belongs to no user (dead).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// A user who is system admin.
    pub system_admin: String,
    /// A service account that is system admin: 32 hexadecimal characters, no expiry.
    pub service_account: String,
    /// A user who is system viewer.
    pub system_viewer: String,
    /// A user without a system role who is admin of a workspace (of "Data Platform", built-in).
    pub workspace_admin: String,
    /// A user whose best role is editor of a workspace.
    pub workspace_editor: String,
    /// A user whose best role is viewer of a workspace (of "Finance", built-in).
    pub workspace_viewer: String,
    /// The system admin's token of yesterday.
    pub expired: String,
}

impl Tokens {
    pub(super) fn of(world: &World) -> Self {
        let first = |role: Role| {
            let best = |user: &User| best_role(user) == Some(role);
            world.users.iter().find(|user| user.status == Status::Active && best(user))
        };
        let token = |role| lasting(first(role).map_or("nobody", |user| user.id.as_str()));
        let account = world.accounts.iter().find(|account| account.role == Role::SystemAdmin);
        let admin = first(Role::SystemAdmin).map_or("nobody", |user| user.id.as_str());
        Self {
            system_admin: token(Role::SystemAdmin),
            service_account: account.map_or_else(|| "0".repeat(32), |account| account.api_key.clone()),
            system_viewer: token(Role::SystemViewer),
            workspace_admin: token(Role::WorkspaceAdmin),
            workspace_editor: token(Role::WorkspaceEditor),
            workspace_viewer: token(Role::WorkspaceViewer),
            expired: mint(admin, ISSUED, OVER),
        }
    }

    /// The tokens with what they may do; those without a user are left out.
    pub fn described(&self) -> Vec<(&str, &'static str)> {
        let Self {
            system_admin,
            service_account,
            system_viewer,
            workspace_admin,
            workspace_editor,
            workspace_viewer,
            expired,
        } = self;
        let dead = lasting("nobody");
        [
            (system_admin, "system admin, a user"),
            (service_account, "system admin, a service account"),
            (system_viewer, "system viewer"),
            (workspace_admin, "admin of one workspace"),
            (workspace_editor, "editor, may not add"),
            (workspace_viewer, "viewer, may not add"),
            (expired, "expired"),
        ]
        .into_iter()
        .filter(|(token, _)| **token != dead)
        .map(|(token, may)| (token.as_str(), may))
        .collect()
    }
}

/// The strongest system role, else the strongest workspace role.
fn best_role(user: &User) -> Option<Role> {
    let held = |scope: &dyn Fn(Scope) -> bool| {
        user.bindings
            .iter()
            .filter(|binding| scope(binding.scope))
            .map(|binding| binding.role)
            .min_by_key(|role| Role::ALL.iter().position(|other| other == role))
    };
    held(&|scope| scope == Scope::System).or_else(|| held(&|scope| matches!(scope, Scope::Workspace(_))))
}

/// What a token claims.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Claims {
    pub(super) uuid: String,
    pub(super) iat: i64,
    pub(super) exp: i64,
}

/// A token for this user.
pub(super) fn mint(user: &str, iat: i64, exp: i64) -> String {
    let claims = serde_json::json!({ "uuid": user, "iat": iat, "exp": exp });
    let signed = format!("{}.{}", encode(HEADER.as_bytes()), encode(claims.to_string().as_bytes()));
    let signature = signature(&signed);
    format!("{signed}.{signature}")
}

/// A token for this user that does not run out.
pub(super) fn lasting(user: &str) -> String {
    mint(user, ISSUED, FAR_AWAY)
}

/// A token for this user that is newer than those of [`Tokens`].
pub(super) fn fresh(user: &str, exp: i64) -> String {
    mint(user, ISSUED + 1, exp)
}

/// Whether a token is as old as those of [`Tokens`].
pub(super) fn is_of_old(claims: &Claims) -> bool {
    claims.iat <= ISSUED
}

/// What a token claims, if its signature is ours; expired or not.
pub(super) fn read(token: &str) -> Option<Claims> {
    let (signed, given) = token.rsplit_once('.')?;
    if given != signature(signed) {
        return None;
    }
    serde_json::from_slice(&decode(signed.split_once('.')?.1)?).ok()
}

fn signature(signed: &str) -> String {
    let digest = Sha256::digest(format!("the sandbox signs {signed}"));
    digest[..8].iter().fold("sandbox-only-".to_owned(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64 for URLs, without padding.
fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = (0..3).fold(0_u32, |sum, at| sum << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        for digit in 0..=chunk.len() {
            let index = (group >> (18 - 6 * digit)) & 63;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0_u32, 0);
    for digit in text.bytes() {
        let value = ALPHABET.iter().position(|other| *other == digit)?;
        bits = (bits << 6 | u32::try_from(value).ok()?) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from((bits >> held) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::super::profile::Model;
    use super::super::state::State;
    use super::*;

    fn built_in() -> Tokens {
        Tokens::of(&World::new(&State::default(), Model::Modern, 1, None).unwrap())
    }

    #[test]
    fn the_built_in_tokens_never_change() {
        let tokens = built_in();
        assert_eq!(tokens.service_account, SERVICE_ACCOUNT_KEY);
        assert_eq!(tokens, built_in());
        let claims = read(&tokens.system_admin).unwrap();
        assert_eq!(
            claims,
            Claims { uuid: "ckbxi6kpe4wioavdow35rotwv".to_owned(), iat: ISSUED, exp: FAR_AWAY }
        );
        assert_eq!(read(&tokens.expired).unwrap().exp, OVER);
    }

    #[test]
    fn a_token_has_three_parts_and_does_not_survive_tampering() {
        for length in 0..40 {
            let user = "u".repeat(length);
            let token = mint(&user, 1, 2);
            assert_eq!(token.split('.').count(), 3);
            assert_eq!(read(&token).unwrap().uuid, user);
            assert_eq!(read(&format!("{token}x")), None);
        }
        assert_eq!(read("no.token.here"), None);
        assert_eq!(read(""), None);
    }
}
