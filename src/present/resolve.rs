//! Which workspace a text of the roster means: an id or a label, looked up in one listing.
//!
//! Main type: [`Resolution`]. Pure: the listing is read elsewhere.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use super::names::{Known, Likeness, Looks, differs_by_case, is_like_a_part, several, similarity};
use crate::houston::{Listing, Scope};
use crate::model::WorkspaceId;

/// What a workspace text of the roster turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// The workspace at this index of the listing.
    Found(usize),
    /// It looks like an id, but the caller sees only their own workspaces: unknown, or invisible.
    Invisible(WorkspaceId),
    /// No workspace has this id or label.
    Unknown {
        /// What it has to do with names that there are.
        near: Likeness,
    },
    /// Several workspaces have this label.
    Ambiguous {
        /// Their ids.
        ids: Vec<WorkspaceId>,
    },
}

/// Looks up every text. An id wins over a label, since an id never changes.
pub fn resolve<'t>(listing: &Listing, texts: impl IntoIterator<Item = &'t str>) -> Vec<Resolution> {
    let ids: HashMap<&str, usize> = listing
        .workspaces
        .iter()
        .enumerate()
        .map(|(index, workspace)| (workspace.id.as_str(), index))
        .collect();
    let mut labels: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, workspace) in listing.workspaces.iter().enumerate() {
        if let Some(label) = workspace.label.as_deref() {
            labels.entry(label.trim()).or_default().push(index);
        }
    }
    let texts: Vec<&str> = texts.into_iter().collect();
    let names = Names {
        listing,
        texts: texts.iter().copied().collect(),
        ids: &ids,
        labels: &labels,
        looks: OnceCell::new(),
    };
    let lookup = |&text: &&str| -> Resolution {
        if let Some(&index) = ids.get(text) {
            return Resolution::Found(index);
        }
        match labels.get(text).map(Vec::as_slice) {
            Some([index]) => Resolution::Found(*index),
            Some(indexes) => Resolution::Ambiguous {
                ids: indexes.iter().map(|&index| listing.workspaces[index].id.clone()).collect(),
            },
            None => match (listing.scope, WorkspaceId::new(text)) {
                (Scope::Own, Ok(id)) if looks_like_an_id(text) => Resolution::Invisible(id),
                (Scope::Own | Scope::System, _) => Resolution::Unknown { near: names.likeness(text) },
            },
        }
    };
    texts.iter().map(lookup).collect()
}

/// What a text may be compared with.
struct Names<'n> {
    listing: &'n Listing,
    ids: &'n HashMap<&'n str, usize>,
    labels: &'n HashMap<&'n str, Vec<usize>>,
    /// The texts that are looked up, of which one may be a part of another.
    texts: HashSet<&'n str>,
    looks: OnceCell<Looks>,
}

impl Names<'_> {
    /// The existing name that this text looks like.
    fn twin(&self, text: &str) -> Option<&str> {
        let workspaces = &self.listing.workspaces;
        let labels = || workspaces.iter().filter_map(|workspace| workspace.label.as_deref().map(str::trim));
        let ids = || workspaces.iter().map(|workspace| workspace.id.as_str());
        self.looks.get_or_init(|| labels().chain(ids()).collect()).find(text)
    }

    fn likeness(&self, text: &str) -> Likeness {
        let labels = || self.labels.keys().copied();
        if let Some(twin) = self.twin(text) {
            let is_same = differs_by_case(text, twin);
            let twin = twin.to_owned();
            return if is_same { Likeness::Similar(twin) } else { Likeness::Alike(twin) };
        }
        let exists =
            |part: &str| self.ids.contains_key(part) || looks_like_an_id(part) || self.twin(part).is_some();
        let is_name = |part: &str| self.texts.contains(part) || exists(part);
        let nearest = |text: &str| nearest(text, labels());
        match several(text, &Known { exists, is_name, nearest }) {
            Some(several) => Likeness::Several(several),
            None => nearest(text)
                .filter(|label| !is_like_a_part(text, label))
                .map_or(Likeness::Nothing, Likeness::Similar),
        }
    }
}

/// Houston's ids are cuids, on some installations UUIDs (`houston.md` 6).
pub fn looks_like_an_id(text: &str) -> bool {
    let cuid = text.len() == 25
        && text.starts_with('c')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let uuid = text.len() == 36
        && text.bytes().enumerate().all(|(index, b)| match index {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        });
    cuid || uuid
}

fn nearest<'l>(text: &str, labels: impl Iterator<Item = &'l str>) -> Option<String> {
    labels
        .map(|label| (similarity(text, label), label))
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
        let near = Likeness::Similar("Finance".to_owned());
        assert_eq!(one(Scope::System, "finanse"), Resolution::Unknown { near: near.clone() });
        assert_eq!(one(Scope::Own, "finanse"), Resolution::Unknown { near });
        assert_eq!(one(Scope::System, "zzz"), Resolution::Unknown { near: Likeness::Nothing });
    }

    #[test]
    fn an_unknown_text_is_named_as_what_it_is_and_not_by_a_part_of_it() {
        let alike = Likeness::Alike("Finance".to_owned());
        for text in ["Finance\u{200D}", "Fin ance", "Finаnce"] {
            assert_eq!(one(Scope::Own, text), Resolution::Unknown { near: alike.clone() }, "{text}");
        }
        assert_eq!(
            one(Scope::System, "ck4\u{FEFF}"),
            Resolution::Unknown { near: Likeness::Alike("ck4".to_owned()) }
        );
        for text in ["Finance;Staging", "Finance, ck4", "ck4|Finance", "Finanse;Stagin", "finance & staging"]
        {
            let Resolution::Unknown { near } = one(Scope::System, text) else { panic!("{text}") };
            assert!(matches!(near, Likeness::Several(_)), "{text}: {near:?}");
            assert_eq!(near.hint().as_deref(), Some("write one row per workspace"));
        }
        for (text, is_sure) in
            [("Finance/Staging", true), ("Finance und staging", true), ("Finanse/Stagin", false)]
        {
            let Resolution::Unknown { near: Likeness::Several(several) } = one(Scope::System, text) else {
                panic!("{text}")
            };
            assert_eq!(several.is_sure, is_sure, "{text}");
        }
        assert_eq!(one(Scope::System, "Finance & Tax"), Resolution::Unknown { near: Likeness::Nothing });
        let found = resolve(&listing(Scope::System), ["Night, Day", "Night", "Day"]);
        assert!(
            matches!(&found[0], Resolution::Unknown { near: Likeness::Several(several) } if several.is_sure)
        );
    }

    #[test]
    fn an_unlisted_id_is_unknown_to_who_sees_all_and_invisible_to_others() {
        let id = WorkspaceId::new(OTHER).expect("valid");
        assert_eq!(one(Scope::System, OTHER), Resolution::Unknown { near: Likeness::Nothing });
        assert_eq!(one(Scope::Own, OTHER), Resolution::Invisible(id));
    }
}
