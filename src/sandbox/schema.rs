//! The SDL of every profile, word for word, one file each under `schema/`.
//!
//! Main function: [`schema`]. It must not depend on anything of the client: tests compare the two.

use super::profile::{DeadToken, Profile};
use super::switches::Behaviour;

/// The SDL a profile serves when no switch changes it.
pub fn schema(profile: Profile) -> String {
    text(profile).to_owned()
}

fn text(profile: Profile) -> &'static str {
    match profile {
        Profile::V0_16 => include_str!("schema/0.16.graphql"),
        Profile::V0_23 => include_str!("schema/0.23.graphql"),
        Profile::V0_25 => include_str!("schema/0.25.graphql"),
        Profile::V0_28 => include_str!("schema/0.28.graphql"),
        Profile::V0_30 => include_str!("schema/0.30.graphql"),
        Profile::V1 => include_str!("schema/1.x.graphql"),
        Profile::V2 => include_str!("schema/2.x.graphql"),
    }
}

/// The SDL that is served: that of the profile with the switches that change the surface.
pub(super) fn served(rules: &Behaviour) -> String {
    let mut sdl = schema(rules.profile);
    let switches = &rules.switches;
    if !switches.deployment_roles {
        sdl = sdl.replace("    deploymentRoles: [DeploymentRoles!]\n", "");
    }
    if switches.add_user_non_null {
        sdl = sdl.replace("\n  ): Workspace\n", "\n  ): Workspace!\n");
    }
    if rules.dead_token == DeadToken::Inside {
        // There, nothing is left of an answer without a caller.
        sdl = sdl.replace("\n  self: AuthUser\n", "\n  self: AuthUser!\n");
    }
    sdl
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::super::switches::Switches;
    use super::*;
    use apollo_compiler::Schema;

    #[test]
    fn every_profile_is_a_valid_schema() {
        for profile in Profile::ALL {
            Schema::parse_and_validate(schema(profile), "schema.graphql")
                .unwrap_or_else(|error| panic!("{profile}: {error}"));
        }
    }

    #[test]
    fn profiles_differ_in_exactly_what_is_known_to_differ() {
        let has = |profile, text: &str| schema(profile).contains(text);
        for (text, since) in [
            ("paginatedWorkspaces(", Profile::V0_30),
            ("paginatedWorkspaceUsers(", Profile::V0_30),
            ("workspaceUpsertUserRole(", Profile::V0_30),
            ("bypassInvite: Boolean", Profile::V0_25),
            ("deploymentRoles: [DeploymentRoles!]", Profile::V0_23),
            ("input DeploymentRoles", Profile::V0_23),
            ("deploymentAddUserRole(", Profile::V0_23),
            ("deploymentUpdateUserRole(", Profile::V0_23),
            ("deploymentRemoveUserRole(", Profile::V0_23),
            ("sysWorkspaces", Profile::V0_23),
            ("workspaces(label: String, workspaceUuid: Uuid)", Profile::V0_23),
            ("workspaceDeployments(", Profile::V0_16),
            ("workspaceUpdateUserRole(", Profile::V0_16),
        ] {
            for profile in Profile::ALL {
                // The header comments name things too; only the definitions count.
                let sdl = schema(profile);
                let body = sdl.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
                assert_eq!(body.contains(text), profile >= since, "{text} in {profile}");
            }
        }
        assert!(has(Profile::V2, "role: Role! = WORKSPACE_VIEWER"));
        assert!(!has(Profile::V2, "Invite { id: ID!, email: String, token"));
    }

    #[test]
    fn switches_change_the_served_surface_only() {
        let serve = |switches| served(&Behaviour::new(Profile::V2, None, switches));
        let plain = serve(Switches::default());
        assert_eq!(plain, schema(Profile::V2));
        let changed = serve(Switches {
            add_user_non_null: true,
            deployment_roles: false,
            dead_token: Some(DeadToken::Inside),
            ..Switches::default()
        });
        assert!(changed.contains("  ): Workspace!"));
        assert!(changed.contains("  self: AuthUser!"));
        assert!(!changed.contains("deploymentRoles: [DeploymentRoles!]\n"));
        Schema::parse_and_validate(changed, "schema.graphql").expect("still a valid schema");
    }
}
