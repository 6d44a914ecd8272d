//! Reads the names of roles, and explains those that are not roles of a workspace.
//!
//! Main functions: [`parse_role`] and [`parse_deployment_roles`]. Never guesses: an unknown name
//! is a complaint, not a default.

use super::email::{invisible, is_invisible};
use super::issue::{Complaint, IssueKind, nearest, quoted};
use crate::model::{Level, Role, Scope};

/// Names that exist in the hosted product only, and the role of Houston that comes nearest.
const HOSTED: [(&str, Level); 5] = [
    ("owner", Level::Admin),
    ("operator", Level::Editor),
    ("author", Level::Editor),
    ("member", Level::Viewer),
    ("accessor", Level::Viewer),
];

const KNOWN: &str = "known roles: viewer, editor, admin";

/// The role of an exact name, long or short, in any case.
pub(super) fn known_role(name: &[u8]) -> Option<Level> {
    Level::ALL.into_iter().find(|&level| {
        name.eq_ignore_ascii_case(Role::workspace(level).name().as_bytes())
            || name.eq_ignore_ascii_case(level.short_name().as_bytes())
    })
}

/// The role of a workspace with this name: `WORKSPACE_ADMIN` or `admin`, in any case.
///
/// # Errors
/// A complaint that says why it is not one and which role to use.
pub fn parse_role(text: &str) -> Result<Role, Complaint> {
    let text = text.trim();
    known_role(text.as_bytes()).map(Role::workspace).ok_or_else(|| explain(text))
}

/// A complaint about a character that cannot be seen, if the text has one.
fn unseen(text: &str) -> Option<Complaint> {
    let is_unseen = |&(_, c): &(usize, char)| is_invisible(c) && !c.is_whitespace();
    text.chars().enumerate().find(is_unseen).map(|(index, c)| invisible(text, index, c))
}

fn explain(text: &str) -> Complaint {
    if let Some(complaint) = unseen(text) {
        return complaint;
    }
    let shown = quoted(text);
    let upper = text.to_ascii_uppercase();
    let short = upper.strip_prefix("WORKSPACE_").unwrap_or(&upper);
    let hosted = HOSTED.iter().find(|(name, _)| short.eq_ignore_ascii_case(name));
    if let Some(&(_, level)) = hosted {
        return Complaint::new(
            IssueKind::HostedRole,
            format!("{shown} is a role of the hosted product; Houston has no role of that name"),
        )
        .hint(format!("use {} (`{}`)", Role::workspace(level), level.short_name()));
    }
    if upper.starts_with("ORGANIZATION_") {
        return Complaint::new(
            IssueKind::HostedRole,
            format!("{shown} is a role of the hosted product; Houston has no organizations"),
        )
        .hint(KNOWN);
    }
    if upper == "USER" || upper.starts_with("SYSTEM_") {
        return Complaint::new(
            IssueKind::OtherRole,
            format!("{shown} is a role of the whole installation, not of a workspace"),
        )
        .hint(KNOWN);
    }
    if upper.starts_with("DEPLOYMENT_") {
        return Complaint::new(
            IssueKind::OtherRole,
            format!("{shown} is a role of a deployment, not of a workspace"),
        )
        .hint(format!("put it in a column `deployment_roles`, as `release-name={upper}`; {KNOWN}"));
    }
    let names =
        Role::all(Scope::Workspace).into_iter().flat_map(|role| [role.level.short_name(), role.name()]);
    let hint = match nearest(text, names) {
        Some(name) => format!("did you mean `{name}`? {KNOWN}"),
        None => KNOWN.to_owned(),
    };
    Complaint::new(IssueKind::UnknownRole, format!("{shown} is not a role")).hint(hint)
}

/// The word for no role in a deployment.
pub const NO_ROLE: &str = "NONE";

/// The deployments and roles of a cell `release-name-or-id=DEPLOYMENT_EDITOR;...`; role names in
/// any case, empty parts ignored. `NONE` is no role: an existing one is removed.
///
/// # Errors
/// A complaint about the first part that cannot be read.
pub fn parse_deployment_roles(text: &str) -> Result<Vec<(&str, Option<Level>)>, Complaint> {
    const FORM: &str = "write `release-name=DEPLOYMENT_EDITOR`, several with `;` between them";
    let bad = |message: String| Complaint::new(IssueKind::BadDeploymentRoles, message);
    let mut roles: Vec<(&str, Option<Level>)> = Vec::new();
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        if let Some(complaint) = unseen(part) {
            return Err(complaint);
        }
        let Some((deployment, name)) = part.split_once('=') else {
            return Err(bad(format!("{} has no `=`", quoted(part))).hint(FORM));
        };
        let (deployment, name) = (deployment.trim(), name.trim());
        if deployment.is_empty() || deployment.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(bad(format!("{} names no deployment", quoted(part))).hint(FORM));
        }
        let roles_there_are = Role::all(Scope::Deployment);
        let role = roles_there_are.into_iter().find(|role| role.name().eq_ignore_ascii_case(name));
        if role.is_none() && !name.eq_ignore_ascii_case(NO_ROLE) {
            let hint = match nearest(name, roles_there_are.map(Role::name)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    "known roles: DEPLOYMENT_VIEWER, DEPLOYMENT_EDITOR, DEPLOYMENT_ADMIN, NONE".to_owned()
                }
            };
            return Err(bad(format!("{} is not a role of a deployment", quoted(name))).hint(hint));
        }
        if roles.iter().any(|&(known, _)| known == deployment) {
            return Err(bad(format!("{} is named twice", quoted(deployment))).hint("keep one role for it"));
        }
        roles.push((deployment, role.map(|role| role.level)));
    }
    Ok(roles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_read_long_or_short_in_any_case() {
        for (text, role) in [
            ("WORKSPACE_ADMIN", Level::Admin),
            ("workspace_editor", Level::Editor),
            (" Viewer ", Level::Viewer),
        ] {
            assert_eq!(parse_role(text), Ok(Role::workspace(role)));
        }
    }

    #[test]
    fn characters_that_cannot_be_seen_are_named() {
        for complaint in [
            parse_role("viewer\u{2060}").unwrap_err(),
            parse_deployment_roles("solar\u{2060}-1=DEPLOYMENT_EDITOR").unwrap_err(),
            parse_deployment_roles("solar-1=DEPLOYMENT_EDITOR\u{2060}").unwrap_err(),
        ] {
            assert_eq!(complaint.kind, IssueKind::InvisibleCharacter);
            assert!(complaint.message.contains("U+2060"), "{complaint:?}");
        }
    }

    #[test]
    fn what_is_no_role_is_explained() {
        for (text, kind, hint) in [
            ("edtor", IssueKind::UnknownRole, "did you mean `editor`?"),
            ("WORKSPACE_VEIWER", IssueKind::UnknownRole, "did you mean `WORKSPACE_VIEWER`?"),
            ("boss", IssueKind::UnknownRole, KNOWN),
            ("WORKSPACE_OWNER", IssueKind::HostedRole, "use WORKSPACE_ADMIN"),
            ("operator", IssueKind::HostedRole, "use WORKSPACE_EDITOR"),
            ("Workspace_Author", IssueKind::HostedRole, "use WORKSPACE_EDITOR"),
            ("member", IssueKind::HostedRole, "use WORKSPACE_VIEWER"),
            ("WORKSPACE_ACCESSOR", IssueKind::HostedRole, "use WORKSPACE_VIEWER"),
            ("ORGANIZATION_OWNER", IssueKind::HostedRole, KNOWN),
            ("SYSTEM_ADMIN", IssueKind::OtherRole, KNOWN),
            ("user", IssueKind::OtherRole, KNOWN),
            ("deployment_editor", IssueKind::OtherRole, "deployment_roles"),
        ] {
            let complaint = parse_role(text).unwrap_err();
            assert_eq!(complaint.kind, kind, "{text}");
            assert!(complaint.hint.as_deref().unwrap().contains(hint), "{text}: {complaint:?}");
        }
    }

    #[test]
    fn deployment_roles_are_read_part_by_part() {
        assert_eq!(
            parse_deployment_roles("a-1=DEPLOYMENT_EDITOR; b=deployment_viewer;c=none;"),
            Ok(vec![("a-1", Some(Level::Editor)), ("b", Some(Level::Viewer)), ("c", None)])
        );
        for bad in [
            "a",
            "=DEPLOYMENT_EDITOR",
            "a=EDITOR",
            "a=DEPLOYMENT_ADMIN;a=DEPLOYMENT_VIEWER",
            "a b=DEPLOYMENT_ADMIN",
        ] {
            assert_eq!(parse_deployment_roles(bad).unwrap_err().kind, IssueKind::BadDeploymentRoles, "{bad}");
        }
    }
}
