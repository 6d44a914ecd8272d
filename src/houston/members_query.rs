//! The query for members of a workspace: one template, from which every combination of its parts is
//! rendered once per process.
//!
//! Main type: [`MembersQuery`]. Values travel as variables only, so that every request of a combination
//! carries the same text. Which combination a server understands is decided in `members`.

use std::sync::LazyLock;

use graphql_client::QueryBody;
use serde::Serialize;

use super::operations::members;
use crate::model::WorkspaceId;

/// Which list, or which person, a query asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Root {
    /// One page of the members.
    Page,
    /// All members.
    Whole,
    /// The person with an address.
    One,
}

/// What a query for members asks for; each combination is a constant document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct MembersQuery {
    /// The person it asks for.
    pub(super) root: Root,
    /// Whether it asks for the pending invitations too.
    pub(super) invites: bool,
    /// Whether it asks for the deployments of role bindings.
    pub(super) deployments: bool,
    /// Whether it asks for the status of users.
    pub(super) status: bool,
}

/// A combination as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Document {
    /// The name of its operation.
    pub(super) name: String,
    /// Its text.
    pub(super) text: String,
}

/// The values of a query: only those that its document declares.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Variables<'v> {
    workspace_uuid: &'v str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'v str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    take: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'v str>,
}

static DOCUMENTS: LazyLock<Vec<Document>> =
    LazyLock::new(|| MembersQuery::all().map(MembersQuery::render).collect());

impl Root {
    const ALL: [Self; 3] = [Self::Page, Self::Whole, Self::One];

    /// The root field of its answer.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Page => "paginatedWorkspaceUsers",
            Self::Whole => "workspaceUsers",
            Self::One => "workspaceUser",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Page => "MemberPage",
            Self::Whole => "AllMembers",
            Self::One => "OneMember",
        }
    }

    /// The mark of its lines.
    fn mark(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Whole => "whole",
            Self::One => "one",
        }
    }
}

impl MembersQuery {
    /// Every combination.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..Root::ALL.len() * 8).map(|index| Self {
            root: Root::ALL[index / 8],
            invites: index & 4 != 0,
            deployments: index & 2 != 0,
            status: index & 1 != 0,
        })
    }

    fn index(self) -> usize {
        let parts = [(self.invites, 4), (self.deployments, 2), (self.status, 1)];
        self.root as usize * 8
            + parts.iter().map(|&(is_asked, bit)| if is_asked { bit } else { 0 }).sum::<usize>()
    }

    /// The document of this combination.
    pub(super) fn document(self) -> &'static Document {
        &DOCUMENTS[self.index()]
    }

    fn render(self) -> Document {
        let parts =
            [("Plain", !self.status), ("WithDeployments", self.deployments), ("WithInvites", self.invites)];
        let parts = parts.into_iter().filter_map(|(part, is_there)| is_there.then_some(part));
        let name: String = [self.root.name()].into_iter().chain(parts).collect();
        let marks = [("invites", self.invites), ("deployments", self.deployments), ("status", self.status)];
        let is_sent = |mark: &str| mark == self.root.mark() || marks.contains(&(mark, true));
        let line = |line: &str| match line.split_once('#') {
            None => Some(format!("{line}\n")),
            Some((line, mark)) => is_sent(mark.trim()).then(|| format!("{}\n", line.trim_end())),
        };
        let text: String = members::QUERY.lines().filter_map(line).collect();
        Document { text: text.replacen(members::OPERATION_NAME, &name, 1), name }
    }

    /// The JSON body of a request for a page after this cursor, for the whole list, or for the
    /// person with this address.
    pub(super) fn body(self, workspace: &WorkspaceId, value: &str) -> Vec<u8> {
        let (cursor, email) = match self.root {
            Root::Page => (Some(value), None),
            Root::Whole => (None, None),
            Root::One => (None, Some(value)),
        };
        let take = cursor.map(|_| super::PAGE_SIZE);
        let variables = Variables { workspace_uuid: workspace.as_str(), cursor, take, email };
        let Document { name, text } = self.document();
        let body = QueryBody { variables, query: text, operation_name: name };
        serde_json::to_vec(&body).expect("strings and numbers become JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_combination_has_the_document_that_was_rendered_for_it() {
        for query in MembersQuery::all() {
            assert_eq!(*query.document(), query.render(), "{query:?}");
        }
        let smallest = MembersQuery { root: Root::Whole, invites: false, deployments: false, status: false };
        let expected = "query AllMembersPlain(\n  $workspaceUuid: Uuid!\n) {\n  workspaceUsers(workspaceUuid: $workspaceUuid) { ...Person }\n}\n\n\
            fragment Person on User {\n  id\n  username\n  emails { address }\n  roleBindings {\n    role\n    workspace { id }\n  }\n}\n";
        assert_eq!(smallest.document().text, expected);
    }

    #[test]
    fn only_what_the_document_declares_is_among_the_variables() {
        let workspace = WorkspaceId::new("ck1").unwrap();
        for query in MembersQuery::all() {
            let body: serde_json::Value = serde_json::from_slice(&query.body(&workspace, "v")).unwrap();
            let text = body["query"].as_str().unwrap();
            let declared: Vec<_> = ["workspaceUuid", "cursor", "take", "email"]
                .into_iter()
                .filter(|name| text.contains(&format!("${name}: ")))
                .collect();
            let mut sent: Vec<_> =
                body["variables"].as_object().unwrap().keys().map(String::as_str).collect();
            sent.sort_by_key(|name| declared.iter().position(|known| known == name));
            assert_eq!(sent, declared, "{query:?}");
        }
    }
}
