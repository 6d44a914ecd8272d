//! Questions that only a check of the installation asks: the caller's rights, what the schema
//! offers, whether mail is sent, the server's time.
//!
//! Main types: [`Rights`], [`Surface`] and [`ServerTime`]. What is not reported is unknown and not
//! a failure; nothing is judged here.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::call::{Call, ignore_unsupported, missing, required};
use super::operations as ops;
use super::profile::Surface;
use super::transport::Failure;
use super::{Caller, Fault, Houston, Version};
use crate::model::WorkspaceId;

/// From here on only a system admin changes the members of every workspace; before it, a system editor
/// does, too (houston.md 4).
const ADMINS_ONLY_SINCE: Version = Version::new(0, 30, 0);

/// The caller's role on the whole platform, as far as Houston reports it.
///
/// `isAdmin` and `permissions` say nothing: they are the same for every caller (houston.md 1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnPlatform {
    /// System admin.
    Admin,
    /// System editor.
    Editor,
    /// System viewer.
    Viewer,
    /// No role there.
    Nothing,
    /// Not system admin; more is not reported, as for a service account.
    NotAdmin,
    /// Not reported.
    Unknown,
}

/// The caller, and what they may do as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// Who.
    pub caller: Caller,
    /// Their role on the platform.
    pub on_platform: OnPlatform,
    /// The workspaces that the caller is an admin of, by bindings of their own; `None` where
    /// bindings are not reported, as for a service account. Rights through a Team are not among
    /// them.
    pub admin_of: Option<Vec<WorkspaceId>>,
}

impl Rights {
    /// Whether the caller may add people in every workspace of this version; `None` if unknown.
    pub fn adds_everywhere(&self, version: Option<Version>) -> Option<bool> {
        let are_admins_only = version.map(|version| version >= ADMINS_ONLY_SINCE);
        match self.on_platform {
            OnPlatform::Admin => Some(true),
            OnPlatform::Editor => are_admins_only.map(|only| !only),
            OnPlatform::Viewer | OnPlatform::Nothing => Some(false),
            // It may be an editor.
            OnPlatform::NotAdmin => are_admins_only.filter(|only| *only).map(|_| false),
            OnPlatform::Unknown => None,
        }
    }

    /// Whether a binding of the caller's own makes them an admin of this workspace.
    pub fn administers(&self, workspace: &WorkspaceId) -> bool {
        self.admin_of.as_ref().is_some_and(|admin_of| admin_of.contains(workspace))
    }
}

impl Houston {
    /// Who calls and what they may do. A refusal means that the token is dead.
    pub fn rights(&self) -> Result<Rights, Failure> {
        let is_unknown = |fault: &Fault| matches!(fault, Fault::Schema { .. } | Fault::Malformed { .. });
        let by_capabilities = self.counted(|call| {
            let decoded = call.ask::<ops::Rights>(ops::rights::Variables {})?;
            let data: ops::rights::ResponseData = required(decoded, "self")?;
            Ok(Reported::from(data.self_.ok_or_else(|| missing("self"))?).rights())
        });
        let Err(failure) = &by_capabilities else { return by_capabilities };
        if !is_unknown(&failure.fault) {
            return by_capabilities;
        }
        let by_bindings = self.counted(|call| {
            let decoded = call.ask::<ops::RightsByBindings>(ops::rights_by_bindings::Variables {})?;
            let data: ops::rights_by_bindings::ResponseData = required(decoded, "self")?;
            Ok(Reported::from(data.self_.ok_or_else(|| missing("self"))?).rights())
        });
        match by_bindings {
            // An older or newer server: who it is matters more than what they may do.
            Err(failure) if is_unknown(&failure.fault) => {
                let caller = self.caller()?;
                Ok(Rights { caller, on_platform: OnPlatform::Unknown, admin_of: None })
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

/// A role that Houston reports for the caller.
struct ReportedRole {
    name: Option<String>,
    workspace: Option<String>,
}

/// What Houston reports of the caller.
struct Reported {
    caller: Caller,
    /// The roles, in its order; `None` where they are not reported.
    roles: Option<Vec<ReportedRole>>,
    can_administer: Option<bool>,
}

macro_rules! reported {
    ($data:ty, $can_administer:expr) => {
        impl From<$data> for Reported {
            fn from(data: $data) -> Self {
                let can_administer = $can_administer(&data);
                let Some(user) = data.user else {
                    let caller = Caller { user_id: None, username: None };
                    return Self { caller, roles: None, can_administer };
                };
                let roles = user.role_bindings.map(|bindings| {
                    let known = bindings.into_iter().flatten();
                    let roles = known.map(|binding| ReportedRole {
                        name: binding.role,
                        workspace: binding.workspace.and_then(|workspace| workspace.id),
                    });
                    roles.collect()
                });
                Self { caller: Caller { user_id: user.id, username: user.username }, roles, can_administer }
            }
        }
    };
}

reported!(ops::rights::RightsSelf, |data: &ops::rights::RightsSelf| {
    data.auth_user_capabilities.as_ref().and_then(|can| can.can_sys_admin)
});
reported!(
    ops::rights_by_bindings::RightsByBindingsSelf,
    |_: &ops::rights_by_bindings::RightsByBindingsSelf| { None }
);

impl Reported {
    fn rights(self) -> Rights {
        // On some versions a service account is an empty user without bindings of its own.
        let is_user = self.caller.user_id.is_some() && self.caller.username.is_some();
        let roles = self.roles.filter(|_| is_user);
        let on_platform = match (self.can_administer, &roles) {
            (Some(true), _) => OnPlatform::Admin,
            (Some(false) | None, Some(roles)) => on_platform(roles),
            (Some(false), None) => OnPlatform::NotAdmin,
            (None, None) => OnPlatform::Unknown,
        };
        Rights { caller: self.caller, on_platform, admin_of: roles.as_deref().map(admin_of) }
    }
}

/// The strongest role on the platform: Houston looks at all of them.
fn on_platform(roles: &[ReportedRole]) -> OnPlatform {
    let has = |wanted: &str| {
        roles.iter().any(|role| role.workspace.is_none() && role.name.as_deref() == Some(wanted))
    };
    if has("SYSTEM_ADMIN") {
        OnPlatform::Admin
    } else if has("SYSTEM_EDITOR") {
        OnPlatform::Editor
    } else if has("SYSTEM_VIEWER") {
        OnPlatform::Viewer
    } else {
        OnPlatform::Nothing
    }
}

/// The workspaces whose first role, which is the one that counts, is that of an admin.
fn admin_of(roles: &[ReportedRole]) -> Vec<WorkspaceId> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for role in roles {
        let (Some(name), Some(workspace)) = (role.name.as_deref(), role.workspace.as_deref()) else {
            continue;
        };
        if name.starts_with("WORKSPACE_") && seen.insert(workspace) && name == "WORKSPACE_ADMIN" {
            found.extend(WorkspaceId::new(workspace).ok());
        }
    }
    found
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
    use super::*;
    use crate::houston::scripted::Scripted;
    use crate::outcome::Code;

    fn houston(bodies: &[&'static str]) -> Houston {
        Houston::new(Arc::new(Scripted::in_turn(bodies)))
    }

    /// An answer of `self` with these capabilities and this user.
    fn reported(can: &str, user: &str) -> Rights {
        let body =
            format!(r#"{{"data":{{"self":{{"isAdmin":true,"authUserCapabilities":{can},"user":{user}}}}}}}"#);
        houston(&[Box::leak(body.into_boxed_str())]).rights().unwrap()
    }

    #[test]
    fn the_role_on_the_platform_comes_from_bindings_and_capabilities_and_never_from_is_admin() {
        let (yes, no, none) = (r#"{"canSysAdmin":true}"#, r#"{"canSysAdmin":false}"#, "null");
        let user = |role: &str| {
            format!(
                r#"{{"id":"u","username":"me","roleBindings":[{{"role":"USER","workspace":null}},{{"role":"{role}","workspace":null}}]}}"#
            )
        };
        let husk = r#"{"id":"s","username":null,"roleBindings":[]}"#;
        for (can, user, expected) in [
            (none, user("SYSTEM_ADMIN"), OnPlatform::Admin),
            (none, user("SYSTEM_EDITOR"), OnPlatform::Editor),
            (no, user("SYSTEM_VIEWER"), OnPlatform::Viewer),
            (no, user("WORKSPACE_ADMIN"), OnPlatform::Nothing),
            (yes, user("SYSTEM_EDITOR"), OnPlatform::Admin),
            (yes, "null".to_owned(), OnPlatform::Admin),
            (no, "null".to_owned(), OnPlatform::NotAdmin),
            (no, husk.to_owned(), OnPlatform::NotAdmin),
            (none, husk.to_owned(), OnPlatform::Unknown),
            (none, "null".to_owned(), OnPlatform::Unknown),
        ] {
            assert_eq!(reported(can, &user).on_platform, expected, "{can} {user}");
        }
    }

    #[test]
    fn who_adds_everywhere_depends_on_the_version() {
        let (old, new) = (Version::parse("0.29.9"), Version::parse("0.30.0"));
        for (role, expected) in [
            (OnPlatform::Admin, [Some(true), Some(true), Some(true)]),
            (OnPlatform::Editor, [Some(true), Some(false), None]),
            (OnPlatform::Viewer, [Some(false); 3]),
            (OnPlatform::Nothing, [Some(false); 3]),
            (OnPlatform::NotAdmin, [None, Some(false), None]),
            (OnPlatform::Unknown, [None; 3]),
        ] {
            let caller = Caller { user_id: None, username: None };
            let rights = Rights { caller, on_platform: role, admin_of: None };
            assert_eq!([old, new, None].map(|version| rights.adds_everywhere(version)), expected, "{role:?}");
        }
    }

    #[test]
    fn of_several_roles_in_a_workspace_the_first_counts() {
        let user = r#"{"id":"u","username":"me","roleBindings":[
            {"role":"DEPLOYMENT_VIEWER","workspace":{"id":"w1"}},{"role":"WORKSPACE_ADMIN","workspace":{"id":"w1"}},
            {"role":"WORKSPACE_VIEWER","workspace":{"id":"w1"}},{"role":"WORKSPACE_VIEWER","workspace":{"id":"w2"}},
            {"role":"WORKSPACE_ADMIN","workspace":{"id":"w2"}},{"role":"WORKSPACE_ADMIN","workspace":null},null]}"#;
        let rights = reported("null", user);
        assert_eq!(rights.admin_of, Some(vec![WorkspaceId::new("w1").unwrap()]));
        assert_eq!(reported("null", "null").admin_of, None);
    }

    #[test]
    fn a_server_that_does_not_know_capabilities_is_asked_for_bindings_and_then_only_who_calls() {
        let schema = r#"{"errors":[{"message":"Cannot query field \"authUserCapabilities\" on type \"AuthUser\".","extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}]}"#;
        let bound = r#"{"data":{"self":{"user":{"id":"u","username":"me","roleBindings":[{"role":"SYSTEM_ADMIN","workspace":null}]}}}}"#;
        assert_eq!(houston(&[schema, bound]).rights().unwrap().on_platform, OnPlatform::Admin);
        let caller = r#"{"data":{"self":{"user":{"id":"u","username":"me"}}}}"#;
        let rights = houston(&[schema, schema, caller]).rights().unwrap();
        assert_eq!((rights.admin_of.as_ref(), rights.on_platform), (None, OnPlatform::Unknown));
        assert_eq!(rights.caller.username.as_deref(), Some("me"));
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
