//! What an installation says about itself: its version and settings, and how people log in.
//!
//! Main functions: [`app_config`], [`auth_config`], [`provider`], the fields of these types.

use apollo_compiler::resolvers::ResolvedValue;
use apollo_compiler::response::{JsonMap, JsonValue};

use super::refused::Refused;
use super::resolve::{Context, Node, Thing, unexpected};

type Answer<'c> = Result<ResolvedValue<'c>, Refused>;

/// A field of `AppConfig`.
pub(super) fn app_config<'c>(context: &'c Context<'c>, field: &str) -> Answer<'c> {
    Ok(match field {
        "version" => ResolvedValue::leaf(context.rules.version.clone()),
        "baseDomain" => ResolvedValue::leaf("sandbox.invalid"),
        "smtpConfigured" => ResolvedValue::leaf(context.rules.people.smtp),
        "manualReleaseNames"
        | "manualNamespaceNames"
        | "configureDagDeployment"
        | "nfsMountDagDeployment"
        | "hardDeleteDeployment"
        | "triggererEnabled" => ResolvedValue::leaf(false),
        "featureFlags" => ResolvedValue::leaf(JsonValue::Object(JsonMap::new())),
        "byoUpdateRegistryHost" => ResolvedValue::leaf(""),
        _ => return Err(unexpected(field)),
    })
}

/// A field of `AuthConfig`.
pub(super) fn auth_config<'c>(context: &'c Context<'c>, field: &str) -> Answer<'c> {
    Ok(match field {
        "publicSignup" | "initialSignup" => ResolvedValue::leaf(false),
        "localEnabled" => ResolvedValue::leaf(context.rules.people.local_auth),
        "providers" => {
            let providers = usize::from(context.rules.people.sso);
            Node::objects(context, (0..providers).map(|_| Thing::AuthProvider))
        }
        _ => return Err(unexpected(field)),
    })
}

/// A field of `AuthProvider`.
pub(super) fn provider<'c>(field: &str) -> Answer<'c> {
    Ok(match field {
        "name" => ResolvedValue::leaf("okta"),
        "displayName" => ResolvedValue::leaf("Okta (sandbox)"),
        "url" => ResolvedValue::leaf("https://login.sandbox.invalid/authorize"),
        _ => return Err(unexpected(field)),
    })
}
