//! The typed calls against scripted answers.

use serde_json::{Value, json};

use super::scripted::Scripted;
use super::transport::Held;
use super::*;
use crate::model::Level;
use crate::outcome::Code;

fn id() -> WorkspaceId {
    WorkspaceId::new("ck1").unwrap()
}

/// A Houston answered by a function of the operation's name.
fn houston(reply: impl Fn(&str) -> Value + Send + Sync + 'static) -> (Houston, Arc<Scripted>) {
    let scripted = Scripted::new(move |_, body| {
        Ok((200, reply(body["operationName"].as_str().unwrap_or_default()).to_string()))
    });
    let scripted = Arc::new(scripted);
    (Houston::new(Arc::clone(&scripted) as Arc<dyn Transport>), scripted)
}

fn unknown_field(name: &str) -> Value {
    json!({"errors": [{"message": format!("Cannot query field \"{name}\" on type \"Query\"."),
        "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"}}]})
}

fn denied(field: &str) -> Value {
    json!({"message": "Insufficient permissions.", "path": [field], "extensions": {"code": "INTERNAL_SERVER_ERROR"}})
}

const WITH_INVITES: Parts = Parts { invites: true, deployments: false };
const WITH_DEPLOYMENTS: Parts = Parts { invites: false, deployments: true };

fn user(id: &str, email: &str) -> Value {
    json!({"id": id, "username": email, "status": "active", "emails": [{"address": email}],
        "roleBindings": [{"role": "WORKSPACE_VIEWER", "workspace": {"id": "ck1"}}]})
}

fn ids(page: &MemberPage) -> Vec<&str> {
    page.people.iter().map(|person| person.id.as_str()).collect()
}

#[test]
fn every_document_is_named_and_asks_for_no_secret() {
    assert_eq!(documents().count(), 27 + 24);
    for (name, text) in documents() {
        let starts = [format!("query {name}"), format!("mutation {name}")];
        assert!(starts.iter().any(|start| text.starts_with(start.as_str())), "{name}");
        assert_eq!(text.matches("query ").count() + text.matches("mutation ").count(), 1, "{name}");
        for secret in ["token", "users {", "password", "apiKey"] {
            assert!(!text.contains(secret), "{name} asks for {secret}");
        }
        let constant = text.replace("user: { email: $email }", "");
        assert!(!constant.contains(": \"") && !constant.contains("true"), "{name} has a value in its text");
    }
}

#[test]
fn every_request_carries_its_name_its_document_and_its_variables() {
    let (houston, scripted) = houston(|_| json!({"data": {"workspaceAddUser": {"id": "ck1"}}}));
    let sent = houston.add_member(&id(), "a\"b@example.com", Level::Editor, Mail::Bypass).unwrap();
    assert_eq!(sent, Sent { attempts: 1 });
    houston.add_member(&id(), "c@example.com", Level::Admin, Mail::Send).unwrap();
    let log = scripted.log();
    assert_eq!(log[0]["operationName"], "AddMember");
    assert_eq!(
        log[0]["variables"],
        json!({"workspaceUuid": "ck1", "email": "a\"b@example.com", "role": "WORKSPACE_EDITOR", "bypassInvite": true})
    );
    assert_eq!(log[1]["operationName"], "AddMemberWithMail");
    assert_eq!(
        log[1]["variables"],
        json!({"workspaceUuid": "ck1", "email": "c@example.com", "role": "WORKSPACE_ADMIN"})
    );
    for body in &log {
        let (name, text) = (body["operationName"].as_str().unwrap(), body["query"].as_str().unwrap());
        assert_eq!(documents().find(|(known, _)| *known == name).unwrap().1, text);
    }
    assert!(!log[1]["query"].as_str().unwrap().contains("bypassInvite"));
}

#[test]
fn a_person_is_never_mailed_where_that_was_not_asked_for() {
    let (houston, scripted) = houston(|_| {
        json!({"errors": [{"message": "Unknown argument \"bypassInvite\" on field \"workspaceAddUser\"",
            "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"}}]})
    });
    for _ in 0..3 {
        let failure = houston.add_member(&id(), "a@example.com", Level::Viewer, Mail::Bypass).unwrap_err();
        assert!(
            matches!(failure.fault, Fault::Schema { subject: Some(ref name), .. } if name == "bypassInvite")
        );
        assert_eq!(failure.fault.code(), Code::WouldMail);
    }
    assert_eq!(scripted.names(), ["AddMember"]);
}

#[test]
fn an_add_without_a_word_is_no_success_and_its_effect_is_unknown() {
    for (body, code) in [
        (json!({"data": {"workspaceAddUser": null}}), Code::MalformedAnswer),
        (json!({"data": {}}), Code::MalformedAnswer),
        (
            json!({"data": null, "errors": [{"message": "x", "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]}),
            Code::InternalServerError,
        ),
        (
            json!({"data": {"workspaceAddUser": null}, "errors": [{"message": "A duplicate role binding already exists",
            "path": ["workspaceAddUser"], "extensions": {"code": "BAD_USER_INPUT"}}]}),
            Code::AlreadyMember,
        ),
    ] {
        let (houston, _) = houston(move |_| body.clone());
        let failure = houston.add_member(&id(), "a@example.com", Level::Viewer, Mail::Bypass).unwrap_err();
        assert_eq!((failure.fault.code(), failure.attempts), (code, 1));
    }
}

#[test]
fn an_installation_tells_its_version_and_what_follows_from_it() {
    let (houston, scripted) = houston(|_| {
        json!({"data": {"appConfig": {"version": "2.0.0"},
            "authConfig": {"localEnabled": true, "providers": [{"name": "okta"}]}}})
    });
    let expected = Installation {
        version: Some(Version::new(2, 0, 0)),
        local_passwords: Some(true),
        sso_providers: Some(1),
        bypass_invite: Support::Yes,
        repeats: Repeats::Refused,
    };
    assert_eq!(houston.installation().unwrap(), expected);
    assert_eq!(scripted.sent(), 1);
}

#[test]
fn an_installation_is_asked_with_less_and_less() {
    let schema = |arguments: &[&str]| schema(&["self", "sysWorkspaces"], arguments);
    let ask = |version: Value, introspection: Value| {
        let (houston, scripted) = houston(move |name| match name {
            "Installation" => unknown_field("localEnabled"),
            "AppVersion" => version.clone(),
            _ => introspection.clone(),
        });
        (houston.installation().unwrap(), scripted.names())
    };
    let (found, names) = ask(json!({"data": {"appConfig": {"version": "0.25.2"}}}), Value::Null);
    assert_eq!((found.bypass_invite, found.repeats), (Support::No, Repeats::Unknown));
    assert_eq!(names, ["Installation", "AppVersion"]);
    let ignore_unsupported = json!({"data": {"appConfig": null}, "errors": [denied("appConfig")]});
    let (found, names) = ask(ignore_unsupported.clone(), schema(&["email", "bypassInvite"]));
    assert_eq!((found.version, found.bypass_invite, found.local_passwords), (None, Support::Yes, None));
    assert_eq!(names, ["Installation", "AppVersion", "Surface"]);
    assert_eq!(ask(ignore_unsupported.clone(), schema(&["email"])).0.bypass_invite, Support::No);
    assert_eq!(ask(ignore_unsupported, unknown_field("__schema")).0.bypass_invite, Support::Unknown);
}

/// The answer of a server that lets its schema be asked.
fn schema(queries: &[&str], arguments: &[&str]) -> Value {
    let named = |names: &[&str]| names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>();
    let mutations =
        json!([{"name": "x", "args": []}, {"name": "workspaceAddUser", "args": named(arguments)}]);
    json!({"data": {"__schema": {"queryType": {"fields": named(queries)}, "mutationType": {"fields": mutations}}}})
}

#[test]
fn a_document_that_the_version_or_the_schema_lacks_is_never_sent() {
    let old = || schema(&["self", "workspaces", "workspaceUsers"], &["email"]);
    let new = || schema(&["sysWorkspaces", "paginatedWorkspaceUsers"], &["email", "bypassInvite"]);
    let by_page = ["SysWorkspaces", "MemberPage", "AddMember"];
    for (version, surface, expected) in [
        (json!("2.1.0"), Value::Null, by_page.to_vec()),
        (json!("0.25.4"), Value::Null, vec!["SysWorkspaces", "AllMembers", "AddMember"]),
        (json!("0.23.9"), Value::Null, vec!["SysWorkspaces", "AllMembers"]),
        (json!("0.16.1"), Value::Null, vec!["Workspaces", "AllMembers"]),
        (Value::Null, new(), by_page.to_vec()),
        (Value::Null, old(), vec!["Workspaces", "AllMembers"]),
        (Value::Null, unknown_field("__schema"), by_page.to_vec()),
    ] {
        let sent = version.clone();
        let (houston, scripted) = houston(move |name| match name {
            "Installation" => json!({"data": {"appConfig": {"version": sent}}}),
            "Surface" => surface.clone(),
            "SysWorkspaces" => json!({"data": {"sysWorkspaces": []}}),
            "Workspaces" => json!({"data": {"workspaces": []}}),
            "MemberPage" => json!({"data": {"paginatedWorkspaceUsers": []}}),
            "AllMembers" => json!({"data": {"workspaceUsers": []}}),
            _ => json!({"data": {"workspaceAddUser": {"id": "ck1"}}}),
        });
        houston.installation().unwrap();
        houston.workspaces().unwrap();
        houston.member_page(&id(), None, Parts::default()).unwrap();
        let added = houston.add_member(&id(), "a@example.com", Level::Viewer, Mail::Bypass);
        assert_eq!(added.is_ok(), expected.contains(&"AddMember"), "{version}");
        let names: Vec<_> = scripted
            .names()
            .into_iter()
            .filter(|name| !["Installation", "Surface"].contains(&name.as_str()))
            .collect();
        assert_eq!(names, expected, "{version}");
    }
}

#[test]
fn a_server_without_pages_is_not_asked_for_pages_of_workspaces() {
    let (houston, scripted) = houston(|name| match name {
        "Installation" => json!({"data": {"appConfig": {"version": "0.29.0"}}}),
        "SysWorkspaces" => json!({"data": {"sysWorkspaces": null}, "errors": [denied("sysWorkspaces")]}),
        _ => json!({"data": {"workspaces": null}, "errors": [denied("workspaces")]}),
    });
    houston.installation().unwrap();
    assert_eq!(houston.workspaces().unwrap_err().fault.code(), Code::Denied);
    assert_eq!(scripted.names(), ["Installation", "SysWorkspaces", "Workspaces"]);
}

#[test]
fn a_dead_token_is_no_unknown_version() {
    let (houston, _) =
        houston(|_| json!({"data": null, "errors": [{"message": "AUTH_TOKEN_REFRESH_FAILED"}]}));
    assert_eq!(houston.installation().unwrap_err().fault.code(), Code::TokenInvalid);
    assert_eq!(houston.caller().unwrap_err().fault.code(), Code::TokenInvalid);
}

#[test]
fn a_service_account_has_no_user() {
    let ask = |body: Value| houston(move |_| body.clone()).0.caller();
    let caller = ask(json!({"data": {"self": {"user": {"id": "u1", "username": "Ada"}}}})).unwrap();
    assert_eq!(caller.user_id.as_deref(), Some("u1"));
    let caller = ask(json!({"data": {"self": {"user": null}}})).unwrap();
    assert_eq!(caller.user_id, None);
    let failure = ask(json!({"data": {"self": null}, "errors": [denied("self")]})).unwrap_err();
    assert_eq!(failure.fault.code(), Code::Denied);
}

#[test]
fn a_listing_steps_down_to_what_the_caller_may_see() {
    let list =
        json!([{"id": "ck1", "label": "A"}, null, {"id": "ck2", "label": null}, {"id": "ck1", "label": "A"}]);
    let found = vec![
        Workspace { id: id(), label: Some("A".into()) },
        Workspace { id: WorkspaceId::new("ck2").unwrap(), label: None },
    ];
    let answer = list.clone();
    let (one, scripted) = houston(move |_| json!({"data": {"sysWorkspaces": answer}}));
    assert_eq!(one.workspaces().unwrap(), Listing { workspaces: found.clone(), scope: Scope::System });
    assert_eq!(scripted.sent(), 1);
    let refused = json!({"data": {"sysWorkspaces": null}, "errors": [denied("sysWorkspaces")]});
    for first in [unknown_field("sysWorkspaces"), refused] {
        let list = list.clone();
        let (two, scripted) = houston(move |name| match name {
            "SysWorkspaces" => first.clone(),
            _ => json!({"data": {"workspaces": list}}),
        });
        assert_eq!(two.workspaces().unwrap(), Listing { workspaces: found.clone(), scope: Scope::Own });
        assert_eq!(scripted.names(), ["SysWorkspaces", "Workspaces"]);
    }
    let (dead, _) = houston(|name| {
        let field = if name == "SysWorkspaces" { "sysWorkspaces" } else { "workspaces" };
        json!({"data": {field: null}, "errors": [denied(field)]})
    });
    let failure = dead.workspaces().unwrap_err();
    assert_eq!((failure.fault.code(), failure.attempts), (Code::Denied, 3));
}

#[test]
fn pages_of_workspaces_may_be_counted_from_zero_or_from_one() {
    for (first, count, requests) in
        [(0, 250, 4), (1, 250, 5), (0, 3, 2), (1, 3, 3), (0, 0, 1), (1, 0, 1), (1, 100, 3)]
    {
        let scripted = Scripted::new(move |_, body| {
            let answer = match body["operationName"].as_str().unwrap() {
                "PaginatedWorkspaces" => {
                    let page = body["variables"]["pageNumber"].as_u64().unwrap().max(first) - first;
                    let numbers = (page * 100..count).take(100);
                    let list: Vec<_> =
                        numbers.map(|n| json!({"id": format!("ck{n}"), "label": "x"})).collect();
                    json!({"data": {"paginatedWorkspaces": list}})
                }
                "Workspaces" => unknown_field("workspaces"),
                _ => unknown_field("sysWorkspaces"),
            };
            Ok((200, answer.to_string()))
        });
        let scripted = Arc::new(scripted);
        let listing = Houston::new(Arc::clone(&scripted) as Arc<dyn Transport>).workspaces().unwrap();
        assert_eq!(listing.workspaces.len() as u64, count, "from {first}");
        assert_eq!(scripted.sent(), 2 + requests, "from {first}, {count}");
    }
}

#[test]
fn a_workspace_is_there_or_not_or_hidden() {
    let ask = |body: Value| houston(move |_| body.clone()).0.workspace(&id());
    let found = ask(json!({"data": {"workspace": {"id": "ck1", "label": "A"}}})).unwrap().unwrap();
    assert_eq!(found.label.as_deref(), Some("A"));
    assert_eq!(ask(json!({"data": {"workspace": null}})).unwrap(), None);
    let gone =
        json!({"data": {"workspace": null}, "errors": [{"message": "The requested resource was not found"}]});
    assert_eq!(ask(gone).unwrap(), None);
    let hidden = json!({"data": {"workspace": null}, "errors": [denied("workspace")]});
    assert_eq!(ask(hidden).unwrap_err().fault.code(), Code::Denied);
}

#[test]
fn the_first_page_brings_members_and_invitations_in_one_request() {
    let (houston, scripted) = houston(|name| {
        let people = json!([user("u1", "Ada@Example.com"), user("u2", "b@example.com")]);
        match name {
            "MemberPageWithInvites" => json!({"data": {"paginatedWorkspaceUsers": people,
                "workspaceInvites": [{"id": "i1", "email": "New@Example.com", "role": "WORKSPACE_ADMIN"},
                    {"id": "i2", "email": "old@example.com", "role": "SYSTEM_ADMIN"}]}}),
            _ => json!({"data": {"paginatedWorkspaceUsers": []}}),
        }
    });
    let page = houston.member_page(&id(), None, WITH_INVITES).unwrap();
    assert_eq!(ids(&page), ["u1", "u2"]);
    assert_eq!(page.people[0].addresses, ["ada@example.com"]);
    assert!(page.people[0].answers_to("ada@example.com"));
    assert_eq!((page.paged, page.last_id.as_deref(), page.take), (Paged::Page, Some("u2"), 100));
    let invites = page.invites.unwrap().unwrap();
    assert_eq!((invites[0].email.as_deref(), invites[0].role), (Some("new@example.com"), Some(Level::Admin)));
    assert_eq!(invites[1].role, None);
    let next = houston.member_page(&id(), Some("u2"), WITH_INVITES).unwrap();
    assert!(next.people.is_empty() && next.invites.is_none() && next.last_id.is_none());
    let log = scripted.log();
    assert_eq!(log[0]["variables"], json!({"workspaceUuid": "ck1", "cursor": "", "take": 100}));
    assert_eq!(log[1]["variables"], json!({"workspaceUuid": "ck1", "cursor": "u2", "take": 100}));
    assert_eq!(scripted.names(), ["MemberPageWithInvites", "MemberPage"]);
}

#[test]
fn only_bindings_of_workspaces_and_of_this_one_count() {
    let (houston, _) = houston(|_| {
        json!({"data": {"paginatedWorkspaceUsers": [{"id": "u1", "username": null, "status": "pending", "emails": [],
            "roleBindings": [
                {"role": "SYSTEM_ADMIN", "workspace": null},
                {"role": "WORKSPACE_ADMIN", "workspace": {"id": "ck2"}},
                {"role": "WORKSPACE_EDITOR", "workspace": {"id": "ck1"}},
                {"role": "DEPLOYMENT_ADMIN", "workspace": {"id": "ck1"}},
                {"role": "WORKSPACE_VIEWER", "workspace": {"id": "ck1"}}]}, null]}})
    });
    let page = houston.member_page(&id(), None, Parts::default()).unwrap();
    assert_eq!(page.people.len(), 1);
    assert_eq!(page.people[0].status, UserStatus::Pending);
    assert_eq!(page.people[0].bindings, [Level::Editor, Level::Viewer]);
}

#[test]
fn an_old_server_gives_the_whole_list_and_is_asked_for_pages_once() {
    let (houston, scripted) = houston(|name| match name {
        "AllMembersWithInvites" => {
            json!({"data": {"workspaceUsers": [user("u1", "a@example.com")], "workspaceInvites": []}})
        }
        "AllMembers" => json!({"data": {"workspaceUsers": [user("u1", "a@example.com")]}}),
        _ => unknown_field("paginatedWorkspaceUsers"),
    });
    for _ in 0..2 {
        let page = houston.member_page(&id(), None, WITH_INVITES).unwrap();
        assert_eq!((ids(&page), page.paged), (vec!["u1"], Paged::Whole));
        assert_eq!(page.invites, Some(Ok(Vec::new())));
    }
    assert_eq!(houston.all_members(&id(), Parts::default()).unwrap().people.len(), 1);
    let names = scripted.names();
    assert_eq!(
        names,
        ["MemberPageWithInvites", "AllMembersWithInvites", "AllMembersWithInvites", "AllMembers"]
    );
}

#[test]
fn a_server_without_a_status_is_found_out_once() {
    let (houston, scripted) = houston(|name| match name {
        "MemberPagePlainWithInvites" => {
            json!({"data": {"paginatedWorkspaceUsers": [user("u1", "a@example.com")], "workspaceInvites": []}})
        }
        "MemberPagePlain" => json!({"data": {"paginatedWorkspaceUsers": [user("u1", "a@example.com")]}}),
        "OneMemberPlain" => json!({"data": {"workspaceUser": user("u1", "a@example.com")}}),
        _ => unknown_field("status"),
    });
    let page = houston.member_page(&id(), None, WITH_INVITES).unwrap();
    assert_eq!((page.people.len(), page.invites), (1, Some(Ok(Vec::new()))));
    houston.member_page(&id(), None, Parts::default()).unwrap();
    assert!(houston.person(&id(), "a@example.com").unwrap().is_some());
    let names = scripted.names();
    assert_eq!(
        names,
        ["MemberPageWithInvites", "MemberPagePlainWithInvites", "MemberPagePlain", "OneMemberPlain"]
    );
}

#[test]
fn members_are_kept_where_invitations_are_refused() {
    let people = json!([user("u1", "a@example.com")]);
    let whole = json!({"data": {"paginatedWorkspaceUsers": people, "workspaceInvites": null},
        "errors": [denied("workspaceInvites")]});
    let hidden = json!({"data": null, "errors": [denied("workspaceInvites")]});
    for (first, requests) in [(whole, 1), (hidden, 2), (unknown_field("workspaceInvites"), 2)] {
        let people = people.clone();
        let (houston, scripted) = houston(move |name| match name {
            "MemberPageWithInvites" => first.clone(),
            _ => json!({"data": {"paginatedWorkspaceUsers": people}}),
        });
        let page = houston.member_page(&id(), None, WITH_INVITES).unwrap();
        assert_eq!(ids(&page), ["u1"]);
        assert!(page.invites.unwrap().is_err());
        assert_eq!(scripted.sent(), requests);
    }
}

#[test]
fn parts_that_cannot_be_had_are_left_out_one_by_one() {
    let all = Parts { invites: true, deployments: true };
    let joint = "MemberPageWithDeploymentsWithInvites";
    let table = [
        (unknown_field("deployment"), vec![joint, "MemberPageWithInvites"], true),
        (unknown_field("workspaceInvites"), vec![joint, "MemberPageWithDeployments"], false),
        (
            json!({"data": {"paginatedWorkspaceUsers": null, "workspaceInvites": []},
                "errors": [denied("paginatedWorkspaceUsers")]}),
            vec![joint, "MemberPageWithInvites"],
            true,
        ),
        (
            json!({"data": null, "errors": [{"message": "Insufficient permissions."}]}),
            vec![joint, "MemberPageWithDeployments", "Invites"],
            true,
        ),
    ];
    for (first, requests, has_invites) in table {
        let answer = first.clone();
        let (houston, scripted) = houston(move |name| match name {
            "MemberPageWithDeploymentsWithInvites" => answer.clone(),
            _ => {
                json!({"data": {"paginatedWorkspaceUsers": [user("u1", "a@example.com")], "workspaceInvites": []}})
            }
        });
        let page = houston.member_page(&id(), None, all).unwrap();
        assert_eq!(ids(&page), ["u1"], "{first}");
        assert_eq!(page.invites.unwrap().is_ok(), has_invites, "{first}");
        assert_eq!(scripted.names(), requests, "{first}");
        let with_deployments = requests[1].contains("Deployments");
        assert_eq!(page.people[0].deployment_roles.is_some(), with_deployments, "{first}");
    }
}

#[test]
fn an_error_without_a_path_has_both_asked_alone() {
    let (houston, scripted) = houston(|name| match name {
        "MemberPageWithInvites" => {
            json!({"data": null, "errors": [{"message": "Insufficient permissions."}]})
        }
        "Invites" => {
            json!({"data": {"workspaceInvites": [{"id": "i", "email": "a@x.org", "role": "WORKSPACE_VIEWER"}]}})
        }
        _ => json!({"data": {"paginatedWorkspaceUsers": []}}),
    });
    let page = houston.member_page(&id(), None, WITH_INVITES).unwrap();
    assert_eq!(page.invites.unwrap().unwrap().len(), 1);
    assert_eq!(scripted.names(), ["MemberPageWithInvites", "MemberPage", "Invites"]);
}

#[test]
fn members_that_are_refused_or_doubtful_are_no_list() {
    let ask = |body: Value| houston(move |_| body.clone()).0.member_page(&id(), None, Parts::default());
    let refused =
        json!({"data": {"paginatedWorkspaceUsers": null}, "errors": [denied("paginatedWorkspaceUsers")]});
    assert_eq!(ask(refused).unwrap_err().fault.code(), Code::Denied);
    assert_eq!(
        ask(json!({"data": {"paginatedWorkspaceUsers": null}})).unwrap_err().fault.code(),
        Code::MalformedAnswer
    );
    let broken = json!({"data": {"paginatedWorkspaceUsers": [user("u1", "a@x.org"), null]}, "errors": [{"message": "x",
        "path": ["paginatedWorkspaceUsers", 1], "extensions": {"code": "INTERNAL_SERVER_ERROR"}}]});
    assert_eq!(ask(broken).unwrap_err().fault.code(), Code::InternalServerError);
    let nameless = json!({"data": {"paginatedWorkspaceUsers": [{"id": null, "emails": []}]}});
    assert_eq!(ask(nameless).unwrap_err().fault.code(), Code::MalformedAnswer);
    let strange = json!({"data": {"paginatedWorkspaceUsers": {"nodes": []}}});
    assert_eq!(ask(strange).unwrap_err().fault.code(), Code::MalformedAnswer);
    // A part that the caller may not see belongs to another workspace.
    let partly = json!({"data": {"paginatedWorkspaceUsers": [user("u1", "a@x.org")]}, "errors": [{
        "message": "Insufficient permissions.", "path": ["paginatedWorkspaceUsers", 0, "roleBindings", 0, "workspace"]}]});
    assert_eq!(ask(partly).unwrap().people.len(), 1);
}

#[test]
fn a_person_is_present_or_not_found() {
    let ask = |body: Value| houston(move |_| body.clone()).0.person(&id(), "a@example.com");
    let found = ask(json!({"data": {"workspaceUser": user("u1", "A@example.com")}})).unwrap().unwrap();
    assert_eq!(found.bindings, [Level::Viewer]);
    let gone = json!({"data": {"workspaceUser": null}, "errors": [{"message": "The requested resource was not found",
        "path": ["workspaceUser"], "extensions": {"code": "RESOURCE_NOT_FOUND"}}]});
    assert_eq!(ask(gone).unwrap(), None);
    assert_eq!(ask(json!({"data": {"workspaceUser": null}})).unwrap(), None);
    assert_eq!(ask(json!({"data": {"workspaceUser": user("u2", "other@example.com")}})).unwrap(), None);
    let refused = json!({"data": {"workspaceUser": null}, "errors": [denied("workspaceUser")]});
    assert_eq!(ask(refused).unwrap_err().fault.code(), Code::Denied);
}

#[test]
fn a_failure_of_the_transport_comes_through_with_all_attempts() {
    let scripted = Scripted::new(|_, body| match body["operationName"].as_str() {
        Some("MemberPageWithInvites") => Ok((200, unknown_field("status").to_string())),
        _ => Err(Fault::no_answer(NoAnswerCause::Timeout, "")),
    });
    let failure = Houston::new(Arc::new(scripted)).member_page(&id(), None, WITH_INVITES).unwrap_err();
    assert_eq!((failure.fault.code(), failure.attempts), (Code::Timeout, 2));
}

#[test]
fn reads_for_verification_share_what_was_learnt_and_pay_nothing() {
    struct Watch;
    impl Transport for Watch {
        fn send(&self, request: &Request) -> Result<Answer, Failure> {
            assert_eq!((request.budget, request.kind), (Budget::Exempt, Kind::Read));
            Ok(Answer {
                body: br#"{"data":{"workspaceUsers":[]}}"#.to_vec(),
                status: 200,
                attempts: 1,
                held: Held::default(),
            })
        }
    }
    assert!(
        Houston::new(Arc::new(Watch))
            .for_verification()
            .all_members(&id(), Parts::default())
            .unwrap()
            .people
            .is_empty()
    );
}

const UPSERT: &str = "workspaceUpsertUserRole";
const UPDATE: &str = "workspaceUpdateUserRole";

fn unknown_mutation(name: &str) -> Value {
    json!({"errors": [{"message": format!("Cannot query field \"{name}\" on type \"Mutation\". Did you mean another?"),
        "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"}}]})
}

#[test]
fn a_role_is_set_in_one_request_with_the_address_as_it_is_spelled() {
    let (houston, scripted) = houston(|_| json!({"data": {UPSERT: "WORKSPACE_ADMIN"}}));
    let sent = houston.set_role(&id(), "Ada@Example.com", Level::Admin).unwrap();
    assert_eq!(sent, Sent { attempts: 1 });
    let log = scripted.log();
    assert_eq!(log[0]["operationName"], "UpsertRole");
    let variables = json!({"workspaceUuid": "ck1", "email": "Ada@Example.com", "role": "WORKSPACE_ADMIN"});
    assert_eq!(log[0]["variables"], variables);
}

#[test]
fn a_server_without_upsert_is_found_out_once_and_gets_the_older_mutation() {
    let (houston, scripted) = houston(|name| match name {
        "UpsertRole" => unknown_mutation(UPSERT),
        _ => json!({"data": {UPDATE: "WORKSPACE_EDITOR"}}),
    });
    let set = || houston.set_role(&id(), "a@example.com", Level::Editor).unwrap().attempts;
    assert_eq!([set(), set()], [2, 1]);
    assert_eq!(scripted.names(), ["UpsertRole", "UpdateRole", "UpdateRole"]);
    assert_eq!(scripted.log()[0]["variables"], scripted.log()[1]["variables"]);
}

#[test]
fn a_server_that_knows_neither_way_to_set_a_role_is_asked_each_once() {
    let (houston, scripted) =
        houston(|name| unknown_mutation(if name == "UpsertRole" { UPSERT } else { UPDATE }));
    let failure = houston.set_role(&id(), "a@example.com", Level::Editor).unwrap_err();
    assert!(matches!(failure.fault, Fault::Schema { subject: Some(ref name), .. } if name == UPDATE));
    assert_eq!((failure.attempts, scripted.sent()), (2, 2));
}

#[test]
fn a_role_without_an_answer_has_to_be_looked_at_and_a_refusal_had_no_effect() {
    let refused = |message: &str, code: &str| json!({"data": {UPSERT: null}, "errors": [{"message": message, "path": [UPSERT], "extensions": {"code": code}}]});
    for (body, code, effect) in [
        (json!({"data": {UPSERT: null}}), Code::MalformedAnswer, Effect::Unknown),
        (json!({"data": {}}), Code::MalformedAnswer, Effect::Unknown),
        (json!({"data": {UPSERT: "WORKSPACE_VIEWER"}}), Code::MalformedAnswer, Effect::Unknown),
        (json!({"data": {UPSERT: true}}), Code::MalformedAnswer, Effect::Unknown),
        (refused("Timed out", "INTERNAL_SERVER_ERROR"), Code::InternalServerError, Effect::Unknown),
        (
            refused("The requested resource was not found", "RESOURCE_NOT_FOUND"),
            Code::NotFound,
            Effect::Refused,
        ),
        (refused("invalid workspace role", "BAD_USER_INPUT"), Code::BadRole, Effect::Refused),
        (refused("Insufficient permissions.", "INTERNAL_SERVER_ERROR"), Code::Denied, Effect::Refused),
    ] {
        let (houston, scripted) = houston(move |_| body.clone());
        let failure = houston.set_role(&id(), "a@example.com", Level::Editor).unwrap_err();
        assert_eq!((failure.fault.code(), failure.fault.effect()), (code, effect), "{}", failure.fault);
        assert_eq!(scripted.names(), ["UpsertRole"]);
    }
}

fn refused(field: &str, message: &str, code: &str) -> Value {
    json!({"data": {field: null}, "errors": [{"message": message, "path": [field], "extensions": {"code": code}}]})
}

/// What one call makes of an answer: a word for success, or code and effect of the fault.
type Meaning = Result<&'static str, (Code, Effect)>;

fn meaning(result: Result<Removal, Failure>) -> Meaning {
    match result {
        Ok(Removal::Done { attempts: 1 }) => Ok("done"),
        Ok(Removal::NothingThere { attempts: 1 }) => Ok("nothing there"),
        Ok(removal) => panic!("{removal:?}"),
        Err(failure) => Err((failure.fault.code(), failure.fault.effect())),
    }
}

const MAINTAINER: DeploymentUser<'_> = DeploymentUser { id: Some("u1"), email: "a@example.com" };

#[test]
fn an_absent_member_is_not_a_failure() {
    type Remove = fn(&Houston) -> Result<Removal, Failure>;
    let removals: [(&str, Remove); 3] = [
        ("workspaceRemoveUser", |houston| houston.remove_member(&id(), "u1")),
        ("deleteInviteToken", |houston| houston.delete_invite("i1")),
        ("deploymentRemoveUserRole", |houston| houston.remove_deployment_role("d1", MAINTAINER)),
    ];
    let bad = "BAD_USER_INPUT";
    let internal = "INTERNAL_SERVER_ERROR";
    let rows: &[(&str, &str, Meaning)] = &[
        ("The role binding does not exist for this user", bad, Ok("nothing there")),
        ("The requested resource was not found", "RESOURCE_NOT_FOUND", Ok("nothing there")),
        ("This user does not belong to the workspace. Please add", bad, Ok("nothing there")),
        ("There are no other workspace administrators.", internal, Err((Code::LastAdmin, Effect::Refused))),
        ("Insufficient permissions.", internal, Err((Code::Denied, Effect::Refused))),
        ("Timed out", internal, Err((Code::InternalServerError, Effect::Unknown))),
    ];
    for (field, remove) in removals {
        let outcome = |body: Value| meaning(remove(&houston(move |_| body.clone()).0));
        assert_eq!(outcome(json!({"data": {field: {"id": "x"}}})), Ok("done"));
        for silence in [json!({"data": {field: null}}), json!({"data": {}})] {
            assert_eq!(outcome(silence), Err((Code::MalformedAnswer, Effect::Unknown)));
        }
        for (message, code, expected) in rows {
            assert_eq!(outcome(refused(field, message, code)), *expected, "{field}: {message}");
        }
        let (unknown, scripted) = houston(move |_| unknown_mutation(field));
        assert_eq!(meaning(remove(&unknown)), Err((Code::Schema, Effect::Refused)));
        assert_eq!(scripted.sent(), 1);
    }
}

#[test]
fn a_removal_names_an_id_and_never_nothing() {
    let (houston, scripted) = houston(|name| match name {
        "RemoveMember" => json!({"data": {"workspaceRemoveUser": {"id": "ck1"}}}),
        _ => json!({"data": {"deleteInviteToken": {"id": "i1"}}}),
    });
    houston.remove_member(&id(), "u1").unwrap();
    houston.delete_invite("i1").unwrap();
    for empty in ["", " "] {
        for result in [houston.remove_member(&id(), empty), houston.delete_invite(empty)] {
            let failure = result.unwrap_err();
            assert_eq!((failure.fault.code(), failure.attempts), (Code::RequestNotBuilt, 0));
        }
    }
    let variables: Vec<Value> = scripted.log().iter().map(|body| body["variables"].clone()).collect();
    assert_eq!(variables, [json!({"workspaceUuid": "ck1", "userUuid": "u1"}), json!({"inviteUuid": "i1"})]);
}

#[test]
fn a_workspace_is_created_at_most_once() {
    struct Watch(Scripted);
    impl Transport for Watch {
        fn send(&self, request: &Request) -> Result<Answer, Failure> {
            assert_eq!(request.kind, Kind::Once);
            self.0.send(request)
        }
    }
    let create = |reply: Result<(u16, String), Fault>| {
        let scripted = Arc::new(Watch(Scripted::new(move |_, _| reply.clone())));
        let houston = Houston::new(Arc::clone(&scripted) as Arc<dyn Transport>);
        let result = houston.create_workspace("Finance", Some("books"));
        assert_eq!(scripted.0.sent(), 1);
        assert_eq!(scripted.0.log()[0]["variables"], json!({"label": "Finance", "description": "books"}));
        result
    };
    let answered = |body: Value| create(Ok((200, body.to_string())));
    let created = answered(json!({"data": {"createWorkspace": {"id": "ck9"}}})).unwrap();
    assert_eq!(created, Created { id: WorkspaceId::new("ck9").unwrap(), attempts: 1 });
    let code = |result: Result<Created, Failure>| {
        let fault = result.unwrap_err().fault;
        (fault.code(), fault.effect())
    };
    for doubtful in [
        json!({"data": {"createWorkspace": null}}),
        json!({"data": {"createWorkspace": {"id": null}}}),
        json!({"data": {"createWorkspace": {"id": ""}}}),
    ] {
        assert_eq!(code(answered(doubtful)), (Code::MalformedAnswer, Effect::Unknown));
    }
    let account = refused("createWorkspace", "No Node for the model User", "INTERNAL_SERVER_ERROR");
    assert_eq!(code(answered(account)), (Code::InternalServerError, Effect::Unknown));
    let lost = create(Err(Fault::no_answer(NoAnswerCause::Timeout, "")));
    assert_eq!(code(lost), (Code::Timeout, Effect::Unknown));
}

fn grants() -> Vec<DeploymentGrant> {
    vec![DeploymentGrant { deployment: "d1".into(), role: Level::Editor }]
}

#[test]
fn an_add_brings_roles_in_deployments_along_and_leaves_none_out() {
    let (good, scripted) = houston(|_| json!({"data": {"workspaceAddUser": {"id": "ck1"}}}));
    for (mail, bypass) in [(Mail::Bypass, Some(true)), (Mail::Send, None)] {
        good.add_member_with(&id(), "a@example.com", Level::Viewer, mail, &grants()).unwrap();
        let body = scripted.log().pop().unwrap();
        assert_eq!(body["variables"].get("bypassInvite").and_then(Value::as_bool), bypass);
        let roles = json!([{"deploymentId": "d1", "role": "DEPLOYMENT_EDITOR"}]);
        assert_eq!(body["variables"]["deploymentRoles"], roles);
    }
    good.add_member_with(&id(), "a@example.com", Level::Viewer, Mail::Bypass, &[]).unwrap();
    let names = scripted.names();
    assert_eq!(names, ["AddMemberWithDeployments", "AddMemberWithDeploymentsAndMail", "AddMember"]);

    let unknown = |argument: &str| {
        json!({"message": format!("Unknown argument \"{argument}\" on field \"workspaceAddUser\" of type \"Mutation\"."),
            "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"}})
    };
    let unknown_type = json!({"message": "Unknown type \"DeploymentRoles\".", "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"}});
    for (errors, subject) in [
        (json!([unknown("deploymentRoles")]), "deploymentRoles"),
        (json!([unknown_type, unknown("deploymentRoles")]), "deploymentRoles"),
        (json!([unknown_type, unknown("deploymentRoles"), unknown("bypassInvite")]), "bypassInvite"),
    ] {
        let (old, scripted) = houston(move |_| json!({"errors": errors}));
        for _ in 0..2 {
            let add = old.add_member_with(&id(), "a@x.org", Level::Viewer, Mail::Bypass, &grants());
            let fault = add.unwrap_err().fault;
            assert_eq!(fault.effect(), Effect::Refused);
            let Fault::Schema { subject: Some(found), .. } = fault else { panic!("{fault:?}") };
            assert_eq!(found, subject);
        }
        assert_eq!(scripted.sent(), 1, "a known refusal costs no request");
    }
}

#[test]
fn whether_adds_take_roles_in_deployments_along_can_be_asked() {
    let ask = |names: &'static [&'static str]| {
        let (houston, scripted) = houston(move |_| schema(&["self"], names));
        let answer = [houston.adds_deployment_roles().unwrap(), houston.adds_deployment_roles().unwrap()];
        let add = houston.add_member_with(&id(), "a@x.org", Level::Viewer, Mail::Send, &grants());
        (answer, add.is_err(), scripted.sent())
    };
    assert_eq!(ask(&["email", "deploymentRoles"]), ([Support::Yes; 2], true, 3));
    assert_eq!(ask(&["email"]), ([Support::No; 2], true, 1), "nothing is sent where it would be refused");
    let (silent, _) = houston(|_| unknown_field("__schema"));
    assert_eq!(silent.adds_deployment_roles().unwrap(), Support::Unknown);
}

#[test]
fn a_role_in_a_deployment_is_given_and_changed_and_a_null_is_no_success() {
    type Give = fn(&Houston) -> Result<Sent, Failure>;
    let calls: [(&str, Give); 2] = [
        ("deploymentAddUserRole", |h| h.add_deployment_role("d1", MAINTAINER, Level::Admin)),
        ("deploymentUpdateUserRole", |h| h.set_deployment_role("d1", MAINTAINER, Level::Admin)),
    ];
    for (field, give) in calls {
        let ask = |body: Value| {
            let (houston, scripted) = houston(move |_| body.clone());
            let result = give(&houston).map_err(|failure| (failure.fault.code(), failure.fault.effect()));
            (result, scripted.log()[0]["variables"].clone())
        };
        let (result, variables) = ask(json!({"data": {field: {"id": "b1"}}}));
        assert_eq!(result, Ok(Sent { attempts: 1 }));
        let expected = json!({"userId": "u1", "email": "a@example.com", "deploymentId": "d1", "role": "DEPLOYMENT_ADMIN"});
        assert_eq!(variables, expected);
        let code = |body: Value| ask(body).0.unwrap_err();
        assert_eq!(code(json!({"data": {field: null}})), (Code::MalformedAnswer, Effect::Unknown));
        for (message, expected) in [
            ("A duplicate role binding already exists", Code::AlreadyMember),
            ("The role binding does not exist for this user", Code::NotAMember),
            ("This user does not belong to the workspace. Please add", Code::NotInWorkspace),
            ("invalid deployment role", Code::BadRole),
        ] {
            assert_eq!(code(refused(field, message, "BAD_USER_INPUT")), (expected, Effect::Refused));
        }
    }
}

#[test]
fn deployments_are_listed_with_their_ids_or_not_at_all() {
    let ask = |list: Value| {
        let (houston, _) = houston(move |_| json!({"data": {"workspaceDeployments": list}}));
        houston.deployments(&id()).map_err(|failure| failure.fault.code())
    };
    let found =
        ask(json!([{"id": "d1", "label": "Ingest", "releaseName": "solar-orbit-1001"}, null])).unwrap();
    let ingest = Deployment {
        id: "d1".into(),
        label: Some("Ingest".into()),
        release_name: Some("solar-orbit-1001".into()),
    };
    assert_eq!(found, [ingest]);
    assert_eq!(ask(json!([{"id": null, "label": "Ingest"}])), Err(Code::MalformedAnswer));
    assert_eq!(ask(Value::Null), Err(Code::MalformedAnswer));
}

#[test]
fn roles_in_deployments_are_read_where_the_server_tells_them_and_asked_for_once_where_not() {
    let deployment = json!({"releaseName": "solar-orbit-1001", "workspace": {"id": "ck1"}});
    let binding = json!({"role": "DEPLOYMENT_ADMIN", "workspace": {"id": "ck1"}, "deployment": deployment});
    let (full, _) = houston(move |_| {
        let mut person = user("u1", "a@example.com");
        person["roleBindings"].as_array_mut().unwrap().push(binding.clone());
        json!({"data": {"paginatedWorkspaceUsers": [person], "workspaceUsers": [person]}})
    });
    let page = full.member_page(&id(), None, WITH_DEPLOYMENTS).unwrap();
    let all = full.all_members(&id(), WITH_DEPLOYMENTS).unwrap();
    for person in [&page.people[0], &all.people[0]] {
        let admin = InDeployment { release_name: "solar-orbit-1001".into(), role: "DEPLOYMENT_ADMIN".into() };
        assert_eq!(person.deployment_roles.as_deref(), Some([admin].as_slice()));
        assert_eq!(person.bindings, [Level::Viewer], "a role in a deployment is none in the workspace");
        assert_eq!(person.grounds(), Grounds::OwnRole);
    }

    let (bare, scripted) = houston(|name| match name {
        "MemberPageWithDeployments" => unknown_field("deployment"),
        _ => json!({"data": {"paginatedWorkspaceUsers": [user("u1", "a@example.com")]}}),
    });
    for _ in 0..2 {
        let page = bare.member_page(&id(), None, WITH_DEPLOYMENTS).unwrap();
        assert_eq!(page.people[0].deployment_roles, None);
    }
    assert_eq!(scripted.names(), ["MemberPageWithDeployments", "MemberPage", "MemberPage"]);
}

#[test]
fn who_is_a_member_by_more_or_less_than_a_role_of_their_own_is_known() {
    let grounds = |bindings: Value| {
        let person = json!({"id": "u1", "username": null, "emails": [], "roleBindings": bindings});
        let (houston, _) = houston(move |_| json!({"data": {"workspaceUsers": [person]}}));
        houston.all_members(&id(), Parts::default()).unwrap().people[0].grounds()
    };
    let here = |role: &str| json!({"role": role, "workspace": {"id": "ck1"}});
    let viewer = here("WORKSPACE_VIEWER");
    assert_eq!(grounds(json!([viewer])), Grounds::OwnRole);
    let beside = [
        json!({"role": "SYSTEM_ADMIN", "workspace": null}),
        json!({"role": "USER", "workspace": null}),
        here("DEPLOYMENT_ADMIN"),
        json!({"role": "AUDITOR", "workspace": {"id": "ck2"}}),
    ];
    for harmless in beside {
        assert_eq!(grounds(json!([viewer, harmless])), Grounds::OwnRole, "{harmless}");
        assert_eq!(grounds(json!([harmless])), Grounds::Elsewhere, "{harmless}");
    }
    for strange in
        [here("AUDITOR"), here("WORKSPACE_AUDITOR"), json!({"role": null, "workspace": {"id": "ck1"}})]
    {
        assert_eq!(grounds(json!([viewer, strange])), Grounds::Elsewhere, "{strange}");
    }
    assert_eq!(grounds(json!([])), Grounds::Elsewhere);
    assert_eq!(grounds(Value::Null), Grounds::Hidden);
}

#[test]
fn an_address_is_given_back_as_the_server_spells_it() {
    let (houston, _) = houston(|_| {
        json!({"data": {"workspaceUsers": [{"id": "u1", "username": "Ada", "emails": [{"address": "ada@x.org"},
            {"address": "Ada.L@Example.com"}], "roleBindings": []}, {"id": "u2", "username": "Bo", "roleBindings": [],
            "emails": [{"address": "Bo@Example.com"}]}, {"id": "u3", "username": "c", "emails": []}]}})
    });
    let people = houston.all_members(&id(), Parts::default()).unwrap().people;
    assert_eq!(people[0].spelled("ada@x.org"), "ada@x.org");
    assert_eq!(people[0].spelled("ada.l@example.com"), "Ada.L@Example.com");
    assert_eq!(people[1].spelled("bo@example.com"), "Bo@Example.com");
    assert_eq!(people[1].spelled("bo"), "Bo@Example.com", "a user name stands for the first address");
    assert_eq!(people[2].spelled("c"), "c");
}

#[test]
fn an_invitation_tells_its_age_where_asked() {
    let invite =
        |at: Value| json!({"id": "i1", "email": "a@x.org", "role": "WORKSPACE_EDITOR", "createdAt": at});
    let (dated, scripted) = houston(
        move |_| json!({"data": {"workspaceInvites": [invite("2026-01-15T09:30:00.000Z".into()), invite("soon".into())]}}),
    );
    let found = dated.dated_invites(&id()).unwrap();
    assert_eq!(found[0].created_at, Some("2026-01-15T09:30:00Z".parse().unwrap()));
    assert_eq!((found[1].created_at, found[1].id.as_str(), found[1].role), (None, "i1", Some(Level::Editor)));
    assert_eq!(scripted.names(), ["DatedInvites"]);
    let (old, scripted) = houston(|name| match name {
        "DatedInvites" => unknown_field("createdAt"),
        _ => {
            json!({"data": {"workspaceInvites": [{"id": "i1", "email": "a@x.org", "role": "WORKSPACE_EDITOR"}]}})
        }
    });
    assert_eq!(old.dated_invites(&id()).unwrap()[0].created_at, None);
    assert_eq!(scripted.names(), ["DatedInvites", "Invites"]);
}

#[test]
fn who_may_have_other_addresses_is_known_and_so_is_who_cannot_sign_in() {
    let ann = json!({"address": "ann@example.com"});
    for (emails, username, hides) in [
        (json!([ann]), json!("ann"), false),
        (json!([ann]), Value::Null, false),
        (json!([]), json!("ann@example.com"), false),
        (json!([]), json!("ann"), true),
        (json!([]), Value::Null, true),
        (Value::Null, json!("ann@example.com"), true),
        (json!([ann, null]), json!("ann@example.com"), true),
        (json!([ann, {"address": null}]), json!("ann"), true),
        (json!([ann, {"address": " "}]), json!("ann"), true),
    ] {
        let person = json!({"id": "u1", "username": username, "emails": emails, "roleBindings": []});
        let (houston, _) = houston(move |_| json!({"data": {"workspaceUsers": [person, null]}}));
        let all = houston.all_members(&id(), Parts::default()).unwrap();
        assert_eq!(all.people[0].hides_addresses, hides, "{emails} {username}");
        assert_eq!(all.unread, 1, "an entry without a name may be anyone");
    }
    for (status, expected) in [
        (json!("active"), UserStatus::Active),
        (json!("Pending"), UserStatus::Pending),
        (json!("banned"), UserStatus::Disabled),
        (json!("inactive"), UserStatus::Disabled),
        (json!("suspended"), UserStatus::Disabled),
        (Value::Null, UserStatus::Active),
    ] {
        let mut person = user("u1", "ann@example.com");
        person["status"] = status.clone();
        let (houston, _) = houston(move |_| json!({"data": {"workspaceUsers": [person]}}));
        assert_eq!(
            houston.all_members(&id(), Parts::default()).unwrap().people[0].status,
            expected,
            "{status}"
        );
    }
}
