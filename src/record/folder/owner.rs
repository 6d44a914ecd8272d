//! Who made a folder or a file of a run, and who else can change it.
//!
//! Main types: [`User`] and [`Distrust`]. It judges owner and mode; it opens nothing.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

/// Every user may write.
const OTHERS_WRITE: u32 = 0o002;
/// The group may write.
const GROUP_WRITES: u32 = 0o020;
/// In such a folder only the owner of a file may rename or remove it.
const STICKY: u32 = 0o1000;

/// The user that this process acts as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    id: u32,
    groups: Vec<u32>,
}

/// Why something in a run's folder is not trusted: another user may have written it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// Another user made it.
    #[error("it belongs to user {owner}, not to you")]
    Foreign {
        /// The user id of its owner.
        owner: u32,
    },
    /// Every user can change it.
    #[error("every user can write to it (mode {mode:04o})")]
    OthersWrite {
        /// Its mode.
        mode: u32,
    },
    /// A group that the user is not in can change it.
    #[error("group {group}, which you are not in, can write to it (mode {mode:04o})")]
    GroupWrites {
        /// The id of the group.
        group: u32,
        /// Its mode.
        mode: u32,
    },
    /// It is a link: its target may belong to another user.
    #[error("it is a link")]
    Link,
    /// It has a second name, through which it can be changed.
    #[error("it is a hard link: it has {links} names")]
    Linked {
        /// How many names it has.
        links: u64,
    },
}

/// Owner, group, mode and number of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rights {
    pub(super) owner: u32,
    pub(super) group: u32,
    pub(super) mode: u32,
    pub(super) links: u64,
}

impl Rights {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            owner: metadata.uid(),
            group: metadata.gid(),
            mode: metadata.mode() & 0o7777,
            links: metadata.nlink(),
        }
    }

    pub(super) fn of_stat(stat: &rustix::fs::Stat) -> Self {
        Self { owner: stat.st_uid, group: stat.st_gid, mode: stat.st_mode & 0o7777, links: stat.st_nlink }
    }
}

impl User {
    /// The user of this process.
    pub(super) fn present() -> Self {
        let mut groups: Vec<u32> =
            rustix::process::getgroups().unwrap_or_default().iter().map(|group| group.as_raw()).collect();
        groups.push(rustix::process::getegid().as_raw());
        Self { id: rustix::process::geteuid().as_raw(), groups }
    }

    /// Why the folder of a run is not trusted: it must belong to the user, and only the user and the
    /// user's own groups may write to it. (Kubernetes makes volumes writable for a pod's group.)
    pub(super) fn distrust_of_folder(&self, rights: Rights) -> Option<Distrust> {
        let owner = rights.owner;
        if owner != self.id {
            return Some(Distrust::Foreign { owner });
        }
        self.written_by_others(rights)
    }

    /// Why a file of a run is not trusted: as for its folder, and it must have only one name.
    pub(super) fn distrust_of_file(&self, rights: Rights) -> Option<Distrust> {
        let links = rights.links;
        self.distrust_of_folder(rights).or((links > 1).then_some(Distrust::Linked { links }))
    }

    /// Why the folder that the runs are in is not trusted: others could replace its content. It may
    /// belong to another user.
    pub(super) fn distrust_of_runs_dir(&self, rights: Rights) -> Option<Distrust> {
        if rights.mode & STICKY != 0 { None } else { self.written_by_others(rights) }
    }

    fn written_by_others(&self, Rights { group, mode, .. }: Rights) -> Option<Distrust> {
        if mode & OTHERS_WRITE != 0 {
            Some(Distrust::OthersWrite { mode })
        } else if mode & GROUP_WRITES != 0 && !self.groups.contains(&group) {
            Some(Distrust::GroupWrites { group, mode })
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(owner: u32, group: u32, mode: u32) -> Rights {
        Rights { owner, group, mode, links: 1 }
    }

    #[test]
    fn a_folder_is_trusted_if_it_is_ones_own_and_others_cannot_write() {
        let user = User { id: 7, groups: vec![70, 71] };
        let table = [
            (rights(7, 70, 0o700), true),
            (rights(7, 70, 0o755), true),
            (rights(7, 71, 0o2770), true),
            (rights(7, 72, 0o750), true),
            (rights(7, 72, 0o770), false),
            (rights(7, 70, 0o702), false),
            (rights(7, 70, 0o1777), false),
            (rights(8, 70, 0o700), false),
            (rights(0, 70, 0o700), false),
        ];
        for (rights, trusted) in table {
            assert_eq!(user.distrust_of_folder(rights).is_none(), trusted, "{rights:?}");
            let (file, linked) = (Rights { links: 1, ..rights }, Rights { links: 2, ..rights });
            assert_eq!(user.distrust_of_file(file).is_none(), trusted, "{rights:?}");
            assert!(user.distrust_of_file(linked).is_some(), "{rights:?}");
        }
    }

    #[test]
    fn root_trusts_its_own_folders_only() {
        let root = User { id: 0, groups: vec![0] };
        assert_eq!(root.distrust_of_folder(rights(0, 0, 0o700)), None);
        assert_eq!(root.distrust_of_folder(rights(7, 0, 0o700)), Some(Distrust::Foreign { owner: 7 }));
    }

    #[test]
    fn a_folder_of_runs_that_everybody_can_write_needs_the_sticky_bit() {
        let user = User { id: 7, groups: vec![70] };
        let table = [
            (rights(7, 70, 0o755), true),
            (rights(0, 0, 0o755), true),
            (rights(8, 70, 0o770), true),
            (rights(8, 72, 0o770), false),
            (rights(7, 70, 0o777), false),
            (rights(0, 0, 0o1777), true),
            (rights(8, 72, 0o1770), true),
        ];
        for (rights, trusted) in table {
            assert_eq!(user.distrust_of_runs_dir(rights).is_none(), trusted, "{rights:?}");
        }
    }
}
