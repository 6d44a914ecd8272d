//! How many people may be removed, and who never is.
//!
//! Main type: [`Limits`]. It compares limits; what they hold back is decided by the guards of a plan.

use crate::plan::guard::{Caps, OnGuard};
use crate::plan::protect::union;
use crate::record::journal::{Prune, RunSettings};

/// The limits of removals, as far as they are given.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// How many people may be removed in all.
    pub max_remove: Option<u64>,
    /// Which share of the people may be removed.
    pub max_remove_percent: Option<u8>,
    /// Patterns of people who are neither removed nor demoted.
    pub protect: Vec<String>,
    /// What happens if more would be removed.
    pub on_guard: Option<OnGuard>,
}

impl Limits {
    /// The caps, with the defaults where nothing is given.
    pub fn caps(&self) -> Caps {
        let usual = Caps::default();
        Caps {
            people: self.max_remove.unwrap_or(usual.people),
            percent: self.max_remove_percent.unwrap_or(usual.percent),
        }
    }

    /// What happens where there are too many removals.
    pub fn on_guard(&self) -> OnGuard {
        self.on_guard.unwrap_or_default()
    }

    /// The stricter of both, one by one; a person is protected if either protects them. A limit that one
    /// side does not set comes from the other.
    #[must_use]
    pub fn stricter(&self, other: &Self) -> Self {
        Self {
            max_remove: stricter(self.max_remove, other.max_remove),
            max_remove_percent: stricter(self.max_remove_percent, other.max_remove_percent),
            protect: union([&self.protect[..], &other.protect]),
            on_guard: stricter(self.on_guard, other.on_guard),
        }
    }

    /// The same with the defaults for limits that are not set.
    #[must_use]
    pub fn with_defaults(&self) -> Self {
        let Caps { people, percent } = self.caps();
        Self {
            max_remove: Some(people),
            max_remove_percent: Some(percent),
            protect: self.protect.clone(),
            on_guard: Some(self.on_guard.unwrap_or_default()),
        }
    }

    /// The settings of a run under these limits and no others. Where no one is demoted, the patterns
    /// have no effect.
    #[must_use]
    pub fn bind(&self, settings: &RunSettings) -> RunSettings {
        let prune = settings.prune.is_some().then(|| Prune {
            caps: self.caps(),
            on_guard: self.on_guard(),
            protect: self.protect.clone(),
        });
        let protect = if settings.changes_members() { self.protect.clone() } else { Vec::new() };
        RunSettings { prune, protect, ..settings.clone() }
    }
}

/// The lower of two values, or the only one.
fn stricter<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    [one, other].into_iter().flatten().min()
}

impl From<&RunSettings> for Limits {
    /// The limits of a run; without removals they only protect from demotions.
    fn from(settings: &RunSettings) -> Self {
        let prune = settings.prune.as_ref();
        Self {
            max_remove: prune.map(|prune| prune.caps.people),
            max_remove_percent: prune.map(|prune| prune.caps.percent),
            protect: settings.protected(),
            on_guard: prune.map(|prune| prune.on_guard),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(people: Option<u64>, percent: Option<u8>, protect: &[&str], skip: Option<bool>) -> Limits {
        let on_guard = |skip| if skip { OnGuard::SkipRemovals } else { OnGuard::Stop };
        Limits {
            max_remove: people,
            max_remove_percent: percent,
            protect: protect.iter().map(|&pattern| pattern.to_owned()).collect(),
            on_guard: skip.map(on_guard),
        }
    }

    #[test]
    fn the_stricter_limit_wins_one_by_one_and_protected_people_add_up() {
        let plan = limits(Some(50), Some(5), &["a*"], Some(true));
        for (site, people, percent, protect, on_guard) in [
            (Limits::default(), 50, 5, &["a*"][..], OnGuard::SkipRemovals),
            (limits(Some(3), Some(90), &["b*", "a*"], None), 3, 5, &["a*", "b*"], OnGuard::SkipRemovals),
            (limits(Some(99), None, &[], Some(false)), 50, 5, &["a*"], OnGuard::Stop),
        ] {
            for both in [plan.stricter(&site), site.stricter(&plan)] {
                assert_eq!(both.caps(), Caps { people, percent });
                assert_eq!(both.on_guard(), on_guard);
                assert_eq!(both.protect.len(), protect.len());
                assert!(protect.iter().all(|&pattern| both.protect.iter().any(|one| one == pattern)));
            }
        }
        let strict = limits(Some(50), Some(50), &[], Some(true)).stricter(&Limits::default().with_defaults());
        assert_eq!((strict.caps(), strict.on_guard()), (Caps::default(), OnGuard::Stop));
    }
}
