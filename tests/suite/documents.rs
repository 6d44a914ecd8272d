//! Every document of the client against the schema of every version, on paper and in runs.

#![cfg(feature = "sandbox")]

use std::collections::BTreeSet;

use crate::harness::{LABELS, MODELS, Sandbox, Workdir, roster, with_mail};
use apollo_compiler::{ExecutableDocument, Schema};
use houston_onboard::houston::documents;
use houston_onboard::sandbox::{Model, Options, Profile, schema};

/// Documents that a version does not understand, and why that is as it should be; pages of members apart.
const MISFITS: [(&str, Profile); 17] = [
    // Roles in deployments came with 0.23, `bypassInvite` with 0.25.3.
    ("AddDeploymentRole", Profile::V0_16),
    ("AddMemberWithDeployments", Profile::V0_16),
    ("AddMemberWithDeployments", Profile::V0_23),
    ("AddMemberWithDeploymentsAndMail", Profile::V0_16),
    ("RemoveDeploymentRole", Profile::V0_16),
    ("UpdateDeploymentRole", Profile::V0_16),
    // `bypassInvite` came with 0.25.3.
    ("AddMember", Profile::V0_16),
    ("AddMember", Profile::V0_23),
    // Pages came with 0.30.
    ("PaginatedWorkspaces", Profile::V0_16),
    ("PaginatedWorkspaces", Profile::V0_23),
    ("PaginatedWorkspaces", Profile::V0_25),
    ("PaginatedWorkspaces", Profile::V0_28),
    // `workspaceUpsertUserRole` came with 0.30.
    ("UpsertRole", Profile::V0_16),
    ("UpsertRole", Profile::V0_23),
    ("UpsertRole", Profile::V0_25),
    ("UpsertRole", Profile::V0_28),
    // 0.16 has no list of all workspaces.
    ("SysWorkspaces", Profile::V0_16),
];

/// Pages of members came with 0.30, whatever else they are asked with.
fn is_unknown_page(name: &str, profile: Profile) -> bool {
    name.starts_with("MemberPage") && profile < Profile::V0_30
}

#[test]
fn every_document_fits_every_schema_but_for_what_is_known() {
    let mut misfits = BTreeSet::new();
    for profile in Profile::ALL {
        let schema = Schema::parse_and_validate(schema(profile), "schema.graphql").unwrap();
        for (name, document) in documents() {
            let fits = ExecutableDocument::parse_and_validate(&schema, document, format!("{name}.graphql"));
            if is_unknown_page(name, profile) {
                assert!(fits.is_err(), "{name} and {profile}");
            } else if fits.is_err() {
                misfits.insert((name, profile));
            }
        }
    }
    assert_eq!(misfits, BTreeSet::from(MISFITS));
}

#[test]
fn every_combination_of_the_parts_of_the_members_query_is_a_document_of_its_own() {
    let roots = ["MemberPage", "AllMembers", "OneMember"];
    let is_of = |name: &str, root: &str| name.starts_with(root);
    let members: Vec<_> =
        documents().filter(|(name, _)| roots.iter().any(|root| is_of(name, root))).collect();
    for root in roots {
        assert_eq!(members.iter().filter(|(name, _)| is_of(name, root)).count(), 8, "{root}");
    }
    for (name, text) in &members {
        assert!(!text.contains('#'), "{name} has marks of the template: {text}");
        for (part, field) in [("WithInvites", "workspaceInvites"), ("WithDeployments", "releaseName")] {
            assert_eq!(text.contains(field), name.contains(part), "{name}: {text}");
        }
        assert_eq!(text.contains("status"), !name.contains("Plain"), "{name}: {text}");
        assert_eq!(text.contains("$cursor") && text.contains("$take"), is_of(name, "MemberPage"), "{name}");
    }
    let texts: BTreeSet<_> = members.iter().map(|(_, text)| text).collect();
    assert_eq!(texts.len(), members.len(), "no two are alike");
}

#[test]
fn no_document_asks_for_what_it_must_not_see() {
    for (name, document) in documents() {
        for word in ["token", "apiKey", "password"] {
            assert!(!document.contains(word), "{name} asks for {word}");
        }
    }
}

/// A roster that names workspaces by id: 0.16 lists nobody any workspace but their own.
fn by_id(rows: usize, workspaces: usize) -> String {
    let ids = ["ckdataplatform00000000001", "ckfinance0000000000000002", "ckmarketing00000000000003"];
    let labelled = roster(rows, workspaces);
    LABELS.iter().zip(ids).fold(labelled, |text, (label, id)| text.replace(label, id))
}

/// Whether a version must be told to let Houston mail: before 0.25.3 there is no other way.
fn mails(profile: Profile) -> bool {
    profile < Profile::V0_25
}

#[test]
fn every_version_and_model_gets_everybody_in() {
    for profile in Profile::ALL {
        for model in MODELS {
            let options =
                Options { profile, model: Some(model), switches: with_mail(), ..Options::default() };
            let sandbox = Sandbox::with(options);
            let workdir = Workdir::new();
            workdir.write("roster.csv", by_id(20, 3));
            let flags: &[&str] = if mails(profile) { &["--send-invites"] } else { &[] };
            let flags = [flags, &["--timeout", "5s"]].concat();
            let run = workdir.apply(&sandbox, "roster.csv", &flags).ended(0);
            assert_eq!((run.count("added"), run.count("invited")), (10, 10), "{profile} {model:?}");
            sandbox.agrees_with(&run);
            let audit = sandbox.audit();
            assert_eq!((audit.mutations_received, audit.mutations_applied), (20, 20), "{profile} {model:?}");
            assert_eq!(audit.mails > 0, mails(profile), "{profile} {model:?}");
            let again = workdir.apply(&sandbox, "roster.csv", &flags).ended(0);
            assert_eq!(sandbox.audit().mutations_received, 20, "{profile} {model:?}: {:?}", again.counts());
        }
    }
}

#[test]
fn a_server_that_tells_no_version_gets_everybody_in() {
    use houston_onboard::sandbox::{Switches, Version};
    for (profile, model) in
        [(Profile::V0_25, Model::Modern), (Profile::V1, Model::Legacy), (Profile::V2, Model::Modern)]
    {
        for introspection in [true, false] {
            let switches = Switches { version: Version::Null, introspection, ..Switches::default() };
            let sandbox =
                Sandbox::with(Options { profile, model: Some(model), switches, ..Options::default() });
            let workdir = Workdir::new();
            workdir.write("roster.csv", roster(12, 2));
            let run = workdir.apply(&sandbox, "roster.csv", &["--timeout", "5s"]).ended(0);
            assert_eq!((run.count("added"), run.count("invited")), (6, 6), "{profile} {introspection}");
            sandbox.agrees_with(&run);
        }
    }
}
