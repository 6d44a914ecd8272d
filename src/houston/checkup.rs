//! Questions that only a check of the installation asks: the caller's rights, what the schema
//! offers, whether mail is sent, the server's time.
//!
//! Main types: [`Rights`], [`Surface`] and [`ServerTime`]. What is not reported is unknown and not
//! a failure; nothing is judged here.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::call::{Call, ignore_unsupported, missing, required};
use super::operations as ops;
use super::profile::Surface;
use super::transport::Failure;
use super::{Caller, Fault, Houston};
use crate::model::WorkspaceId;

/// The right to change who is in which workspace, wherever.
const EVERYWHERE: &str = "system.iam.update";

/// The caller, and what they may do as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// Who.
    pub caller: Caller,
    /// Whether `permissions` has the right to change members everywhere; `None` if it is not
    /// reported.
    pub manages_all: Option<bool>,
    /// The workspaces that the caller is an admin of, by bindings of their own; `None` where
    /// bindings are not reported, as for a service account. Rights through a Team are not among
    /// them.
    pub admin_of: Option<Vec<WorkspaceId>>,
}

impl Rights {
    /// Whether the caller may add people in every workspace; `None` if unknown.
    pub fn is_everywhere(&self) -> Option<bool> {
        match (self.caller.is_system_admin, self.manages_all) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), _) | (None, Some(false)) => Some(false),
            (None, None) => None,
        }
    }
}

impl Houston {
    /// Who calls and what they may do. A refusal means that the token is dead.
    pub fn rights(&self) -> Result<Rights, Failure> {
        let asked = self.counted(|call| {
            let decoded = call.ask::<ops::Rights>(ops::rights::Variables {})?;
            let data: ops::rights::ResponseData = required(decoded, "self")?;
            Ok(rights_of(data.self_.ok_or_else(|| missing("self"))?))
        });
        match asked {
            // An older or newer server: who it is matters more than what they may do.
            Err(Failure { fault: Fault::Schema { .. } | Fault::Malformed { .. }, .. }) => {
                let caller = self.caller()?;
                Ok(Rights { caller, manages_all: None, admin_of: None })
            }
            other => other,
        }
    }

    /// What the schema offers; `None` where the server does not let itself be asked.
    pub fn surface(&self) -> Result<Option<Surface>, Failure> {
        self.counted(ask_surface)
    }

    /// Whether the installation can send mail; `None` if it does not report that.
    pub fn sends_mail(&self) -> Result<Option<bool>, Failure> {
        self.counted(|call| {
            let decoded = call.ask::<ops::Mail>(ops::mail::Variables {})?;
            if !decoded.has("appConfig") {
                return ignore_unsupported(decoded.fault()).map(|()| None);
            }
            let data: ops::mail::ResponseData = decoded.data()?;
            Ok(data.app_config.and_then(|config| config.smtp_configured))
        })
    }
}

/// What the schema offers; `None` where the server does not let itself be asked.
pub(super) fn ask_surface(call: &mut Call<'_>) -> Result<Option<Surface>, Fault> {
    let decoded = call.ask::<ops::Surface>(ops::surface::Variables {})?;
    if let Some(fault) = decoded.fault() {
        return ignore_unsupported(Some(fault)).map(|()| None);
    }
    let data: ops::surface::ResponseData = decoded.data()?;
    Ok(data.schema.and_then(surface_of))
}

fn rights_of(data: ops::rights::RightsSelf) -> Rights {
    let manages_all = data.permissions.as_ref().and_then(|permissions| grants(permissions, EVERYWHERE));
    let Some(user) = data.user else {
        let caller = Caller { user_id: None, username: None, is_system_admin: data.is_admin };
        return Rights { caller, manages_all, admin_of: None };
    };
    let is_admin = |role: Option<&str>| role == Some("WORKSPACE_ADMIN");
    let admin_of = user.role_bindings.map(|bindings| {
        let theirs = bindings.into_iter().flatten().filter(|binding| is_admin(binding.role.as_deref()));
        let ids = theirs.filter_map(|binding| WorkspaceId::new(&binding.workspace?.id?).ok());
        ids.collect()
    });
    let caller = Caller { user_id: user.id, username: user.username, is_system_admin: data.is_admin };
    // On some versions a service account is an empty user without bindings of its own.
    let admin_of = admin_of.filter(|_| caller.user_id.is_some() && caller.username.is_some());
    Rights { caller, manages_all, admin_of }
}

/// Whether a right is granted: as a key that is not false, or as a word of a list. The shape is not
/// known for every version; nothing, or no names at all, decides nothing.
fn grants(permissions: &serde_json::Value, right: &str) -> Option<bool> {
    use serde_json::Value;
    match permissions {
        Value::Object(map) if !map.is_empty() => {
            let is_true = |value: &Value| !matches!(value, Value::Bool(false) | Value::Null);
            Some(map.get(right).is_some_and(is_true))
        }
        Value::Array(list) if !list.is_empty() && list.iter().all(Value::is_string) => {
            Some(list.iter().any(|word| word == right))
        }
        Value::Object(_)
        | Value::Array(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_) => None,
    }
}

fn surface_of(schema: ops::surface::SurfaceSchema) -> Option<Surface> {
    let queries: Vec<String> =
        (schema.query_type?.fields?.into_iter().flatten()).filter_map(|field| field.name).collect();
    let mutations: Vec<_> = schema.mutation_type?.fields?.into_iter().flatten().collect();
    let changes = |name: &str| mutations.iter().any(|field| field.name.as_deref() == Some(name));
    let add = mutations.iter().find(|field| field.name.as_deref() == Some("workspaceAddUser"))?;
    let takes = |name: &str| {
        add.args.iter().flatten().flatten().any(|argument| argument.name.as_deref() == Some(name))
    };
    let answers = |name: &str| queries.iter().any(|field| field == name);
    Some(Surface {
        pages: answers("paginatedWorkspaceUsers"),
        system_list: answers("sysWorkspaces"),
        bypass_invite: takes("bypassInvite"),
        deployment_roles: takes("deploymentRoles"),
        upsert: changes("workspaceUpsertUserRole"),
        teams: changes("workspaceAddTeam"),
    })
}

/// What time the other side has, by the `Date` of its last answer. Cheap to clone: clones are one.
#[derive(Debug, Clone, Default)]
pub struct ServerTime(Arc<Mutex<Option<Skew>>>);

/// By how much two clocks differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skew {
    /// This machine is ahead by this much, or not at all.
    Ahead(Duration),
    /// This machine's clock is behind.
    Behind(Duration),
}

impl Skew {
    /// This machine's time against that of a server.
    pub fn of(here: SystemTime, there: SystemTime) -> Self {
        match here.duration_since(there) {
            Ok(ahead) => Self::Ahead(ahead),
            Err(error) => Self::Behind(error.duration()),
        }
    }

    /// By how much, in whatever direction.
    pub fn amount(self) -> Duration {
        match self {
            Self::Ahead(amount) | Self::Behind(amount) => amount,
        }
    }
}

impl ServerTime {
    /// Takes the `Date` of an answer that came now. It has whole seconds, so half of one is the
    /// best guess of what was cut off.
    pub(super) fn note(&self, date: Option<&str>, now: SystemTime) {
        const HALF: Duration = Duration::from_millis(500);
        let there = date.and_then(|date| httpdate::parse_http_date(date).ok());
        if let Some(there) = there.and_then(|there| there.checked_add(HALF)) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Skew::of(now, there));
        }
    }

    /// How this machine's clock compares; `None` until an answer carried a time.
    pub fn skew(&self) -> Option<Skew> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::houston::scripted::Scripted;
    use crate::outcome::Code;

    fn houston(bodies: &[&'static str]) -> Houston {
        Houston::new(Arc::new(Scripted::in_turn(bodies)))
    }

    #[test]
    fn a_right_is_found_in_whatever_shape_and_silence_tells_nothing() {
        for (permissions, granted) in [
            (json!({ EVERYWHERE: true, "a": true }), Some(true)),
            (json!({ EVERYWHERE: {} }), Some(true)),
            (json!({ EVERYWHERE: false }), Some(false)),
            (json!({ "workspace.iam.update": true }), Some(false)),
            (json!([EVERYWHERE]), Some(true)),
            (json!(["a"]), Some(false)),
            (json!({}), None),
            (json!([]), None),
            (json!([1]), None),
            (json!(null), None),
            (json!("all"), None),
        ] {
            assert_eq!(grants(&permissions, EVERYWHERE), granted, "{permissions}");
        }
    }

    #[test]
    fn rights_come_from_bindings_of_the_callers_own() {
        let body = r#"{"data":{"self":{"isAdmin":false,"permissions":{"x":true},"user":{"id":"u","username":"me",
            "roleBindings":[{"role":"WORKSPACE_ADMIN","workspace":{"id":"w1"}},{"role":"WORKSPACE_VIEWER",
            "workspace":{"id":"w2"}},{"role":"WORKSPACE_ADMIN","workspace":null},null]}}}}"#;
        let rights = houston(&[body]).rights().unwrap();
        assert_eq!(rights.admin_of, Some(vec![WorkspaceId::new("w1").unwrap()]));
        assert_eq!(rights.is_everywhere(), Some(false));
        for husk in ["null", r#"{"id":"s","username":null,"roleBindings":[]}"#] {
            let body =
                format!(r#"{{"data":{{"self":{{"isAdmin":null,"permissions":null,"user":{husk}}}}}}}"#);
            let rights = houston(&[Box::leak(body.into_boxed_str())]).rights().unwrap();
            assert_eq!((rights.admin_of.as_ref(), rights.is_everywhere()), (None, None));
        }
    }

    #[test]
    fn a_server_that_does_not_know_permissions_still_tells_who_calls() {
        let schema = r#"{"errors":[{"message":"Cannot query field \"permissions\" on type \"AuthUser\".","extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}]}"#;
        let caller = r#"{"data":{"self":{"isAdmin":true,"user":{"id":"u","username":"me"}}}}"#;
        let rights = houston(&[schema, caller]).rights().unwrap();
        assert_eq!((rights.admin_of.as_ref(), rights.is_everywhere()), (None, Some(true)));
        let denied =
            r#"{"data":{"self":null},"errors":[{"message":"no","extensions":{"code":"FORBIDDEN"}}]}"#;
        assert_eq!(houston(&[denied]).rights().unwrap_err().fault.code(), Code::Denied);
    }

    #[test]
    fn what_is_not_reported_is_unknown_and_what_did_not_come_is_a_fault() {
        let refused = r#"{"errors":[{"message":"Introspection is not allowed"}]}"#;
        assert_eq!(houston(&[refused]).surface().unwrap(), None);
        assert_eq!(houston(&[r#"{"data":{"__schema":{"queryType":null}}}"#]).surface().unwrap(), None);
        let schema =
            r#"{"errors":[{"message":"Cannot query field \"smtpConfigured\" on type \"AppConfig\"."}]}"#;
        assert_eq!(houston(&[schema]).sends_mail().unwrap(), None);
        let mail = r#"{"data":{"appConfig":{"smtpConfigured":false}}}"#;
        assert_eq!(houston(&[mail]).sends_mail().unwrap(), Some(false));
        let lost = Houston::new(Arc::new(Scripted::new(|_, _| Err(Fault::cancelled()))));
        assert!(lost.surface().is_err() && lost.sends_mail().is_err() && lost.rights().is_err());
    }

    #[test]
    fn clocks_are_compared_by_the_date_of_an_answer() {
        let time = ServerTime::default();
        let now = httpdate::parse_http_date("Mon, 23 Nov 2026 15:45:00 GMT").unwrap();
        time.note(None, now);
        time.note(Some("yesterday"), now);
        assert_eq!(time.skew(), None);
        time.note(Some("Mon, 23 Nov 2026 15:44:00 GMT"), now);
        assert_eq!(time.skew(), Some(Skew::Ahead(Duration::from_millis(59_500))));
        time.clone().note(Some("Mon, 23 Nov 2026 15:46:00 GMT"), now);
        assert_eq!(time.skew(), Some(Skew::Behind(Duration::from_millis(60_500))));
    }
}
