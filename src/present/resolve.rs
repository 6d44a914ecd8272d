//! Which workspace a text of the roster means: an id or a label, looked up in one listing.
//!
//! Main type: [`Resolution`]. Pure: the listing is read elsewhere.

use std::collections::HashMap;

use crate::houston::{Listing, Scope};
use crate::model::WorkspaceId;

/// What a workspace text of the roster turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// The workspace at this place of the listing.
    Found(usize),
    /// It looks like an id, but the caller sees only their own workspaces: unknown, or invisible.
    Invisible(WorkspaceId),
    /// No workspace has this id or label; the most similar label, if one is close.
    Unknown {
        /// A label to suggest.
        near: Option<String>,
    },
    /// Several workspaces have this label.
    Ambiguous {
        /// Their ids.
        ids: Vec<WorkspaceId>,
    },
}

/// Looks every text up. An id wins over a label, since nobody can change an id.
pub fn resolve<'t>(listing: &Listing, texts: impl IntoIterator<Item = &'t str>) -> Vec<Resolution> {
    let ids: HashMap<&str, usize> = listing
        .workspaces
        .iter()
        .enumerate()
        .map(|(place, workspace)| (workspace.id.as_str(), place))
        .collect();
    let mut labels: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, workspace) in listing.workspaces.iter().enumerate() {
        if let Some(label) = workspace.label.as_deref() {
            labels.entry(label.trim()).or_default().push(place);
        }
    }
    let lookup = |text: &str| -> Resolution {
        if let Some(&place) = ids.get(text) {
            return Resolution::Found(place);
        }
        match labels.get(text).map(Vec::as_slice) {
            Some([place]) => Resolution::Found(*place),
            Some(places) => Resolution::Ambiguous {
                ids: places.iter().map(|&place| listing.workspaces[place].id.clone()).collect(),
            },
            None => not_listed(listing.scope, text, labels.keys().copied()),
        }
    };
    texts.into_iter().map(lookup).collect()
}

fn not_listed<'l>(scope: Scope, text: &str, labels: impl Iterator<Item = &'l str>) -> Resolution {
    match (scope, WorkspaceId::new(text)) {
        (Scope::Own, Ok(id)) if looks_like_an_id(text) => Resolution::Invisible(id),
        (Scope::Own | Scope::System, _) => Resolution::Unknown { near: nearest(text, labels) },
    }
}

/// Houston's ids are cuids, and in places UUIDs (`houston.md` 6).
pub fn looks_like_an_id(text: &str) -> bool {
    let cuid = text.len() == 25
        && text.starts_with('c')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let uuid = text.len() == 36
        && text.bytes().enumerate().all(|(place, b)| match place {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        });
    cuid || uuid
}

fn nearest<'l>(text: &str, labels: impl Iterator<Item = &'l str>) -> Option<String> {
    let wanted = text.to_lowercase();
    labels
        .map(|label| (strsim::jaro_winkler(&wanted, &label.to_lowercase()), label))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|(a, x), (b, y)| a.total_cmp(b).then_with(|| y.cmp(x)))
        .map(|(_, label)| label.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::houston::Workspace;

    const OTHER: &str = "ck35y9uf44y8l0a19cmwd1x8x";

    fn listing(scope: Scope) -> Listing {
        let workspace = |id: &str, label: Option<&str>| Workspace {
            id: WorkspaceId::new(id).expect("valid"),
            label: label.map(str::to_owned),
        };
        let workspaces = vec![
            workspace("ck1", Some("Finance")),
            workspace("ck2", Some("Staging")),
            workspace("ck3", Some("Staging")),
            workspace("ck4", None),
            workspace("ck5", Some("ck1")),
        ];
        Listing { workspaces, scope }
    }

    fn one(scope: Scope, text: &str) -> Resolution {
        resolve(&listing(scope), [text]).remove(0)
    }

    #[test]
    fn ids_and_labels_are_found_and_an_id_wins() {
        assert_eq!(one(Scope::System, "ck4"), Resolution::Found(3));
        assert_eq!(one(Scope::System, "Finance"), Resolution::Found(0));
        assert_eq!(one(Scope::System, "ck1"), Resolution::Found(0));
    }

    #[test]
    fn an_ambiguous_label_lists_the_ids() {
        let ids = ["ck2", "ck3"].map(|id| WorkspaceId::new(id).expect("valid")).to_vec();
        assert_eq!(one(Scope::System, "Staging"), Resolution::Ambiguous { ids });
    }

    #[test]
    fn an_unknown_label_comes_with_the_nearest_one() {
        let near = Some("Finance".to_owned());
        assert_eq!(one(Scope::System, "finanse"), Resolution::Unknown { near: near.clone() });
        assert_eq!(one(Scope::Own, "finanse"), Resolution::Unknown { near });
        assert_eq!(one(Scope::System, "zzz"), Resolution::Unknown { near: None });
    }

    #[test]
    fn an_unlisted_id_is_unknown_to_who_sees_all_and_invisible_to_others() {
        let id = WorkspaceId::new(OTHER).expect("valid");
        assert_eq!(one(Scope::System, OTHER), Resolution::Unknown { near: None });
        assert_eq!(one(Scope::Own, OTHER), Resolution::Invisible(id));
    }
}
