//! Finds the run that a user names: by id, by the beginning of an id, by its folder, or the latest.
//!
//! Main function: [`find`]. It looks at names and owners only; what is in a run is
//! [`crate::record::journal`]'s.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use super::{Distrust, FolderError, ROSTER, RunFolder, Runs};

/// The word for the newest run.
pub const LATEST: &str = "latest";
/// So many bytes of an id are the second in which the run began.
const SECOND: usize = 16;
/// How many candidates an error lists.
const CANDIDATES: usize = 10;

/// There is no run that was certainly meant. The texts may hold what a user typed and names of
/// folders: they are cleaned where they are shown.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The folder of the runs does not exist.
    #[error("there are no runs: the folder {runs_dir} does not exist")]
    NoFolder {
        /// Where they would be.
        runs_dir: String,
    },
    /// The folder of the runs has none.
    #[error("there are no runs in {runs_dir}")]
    NoRuns {
        /// Where they would be.
        runs_dir: String,
    },
    /// No run is called so.
    #[error("no run in {runs_dir} has an id that begins with `{run}`")]
    Unknown {
        /// What was asked for.
        run: String,
        /// Where it would be.
        runs_dir: String,
    },
    /// Several runs begin so.
    #[error("{} runs begin with `{run}`: {}", candidates.len(), some(candidates))]
    Ambiguous {
        /// What was asked for.
        run: String,
        /// Their ids, the newest first.
        candidates: Vec<String>,
    },
    /// The latest run may not be the user's own, and an older one is not what was meant.
    #[error("refusing the latest run, {run}: {why}")]
    LatestDistrusted {
        /// Its id.
        run: String,
        /// Why not.
        why: Distrust,
    },
    /// A path leads elsewhere.
    #[error("{path} is not a run folder: it has no journal, no plan and no roster")]
    NotARun {
        /// What was asked for.
        path: String,
    },
    /// The folder of the runs cannot be read.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// The run that `run` means: an id below `runs_dir`, the only one that begins with it, or
/// [`LATEST`]; failing these, and for everything that is more than a name (`./x`, `a/b`), the
/// folder at that path. A name never leads out of `runs_dir`, and [`LATEST`] never to a run that may
/// not be the user's own.
///
/// # Errors
/// If there is no such run, or more than one, or the latest one is not the user's own.
pub fn find(runs_dir: &Path, run: &str) -> Result<RunFolder, FindError> {
    let path = Path::new(run);
    if !is_name(path) && !run.is_empty() {
        return at(path).ok_or_else(|| FindError::NotARun { path: run.to_owned() });
    }
    let (exists, mut runs) = match Runs::open(runs_dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => (false, Vec::new()),
        opened => (true, opened?.list()?),
    };
    let no_runs = || {
        let runs_dir = runs_dir.display().to_string();
        if exists { FindError::NoRuns { runs_dir } } else { FindError::NoFolder { runs_dir } }
    };
    runs.retain(|folder| is_id(folder.id()) || folder.is_run());
    if run == LATEST {
        let latest = runs.into_iter().find(|folder| is_id(folder.id()));
        let latest = latest.ok_or_else(no_runs)?;
        return match latest.distrust() {
            None => Ok(latest),
            Some(why) => Err(FindError::LatestDistrusted { run: latest.id().to_owned(), why }),
        };
    }
    if let Some(exact) = runs.iter().find(|folder| folder.id() == run && !run.is_empty()) {
        return Ok(exact.clone());
    }
    let none_at_all = runs.is_empty();
    runs.retain(|folder| !run.is_empty() && folder.id().starts_with(run));
    match (runs.len(), runs.pop()) {
        (1, Some(only)) => Ok(only),
        (_, Some(oldest)) => {
            runs.push(oldest);
            let candidates = runs.iter().map(|folder| folder.id().to_owned()).collect();
            Err(FindError::Ambiguous { run: run.to_owned(), candidates })
        }
        (_, None) => at(path).ok_or_else(|| {
            if none_at_all {
                no_runs()
            } else {
                FindError::Unknown { run: run.to_owned(), runs_dir: runs_dir.display().to_string() }
            }
        }),
    }
}

/// What folders are sorted by, so that a later run compares as greater. An id has the second in
/// which its run began; within a second, the run whose roster was copied later is the later one.
pub(super) fn age(folder: &RunFolder) -> (bool, String, Option<SystemTime>, PathBuf) {
    let id = folder.id();
    let second = if is_id(id) { &id[..SECOND] } else { id };
    (is_id(id), second.to_owned(), folder.modified(ROSTER), folder.path().to_owned())
}

/// Whether a path is one plain name, which says nothing of where.
fn is_name(path: &Path) -> bool {
    let mut parts = path.components();
    let first = parts.next();
    matches!(first, Some(Component::Normal(name)) if name == path.as_os_str()) && parts.next().is_none()
}

/// The run whose folder this is.
fn at(path: &Path) -> Option<RunFolder> {
    // `.` and `x/..` have a name too, only not one that can be read off them.
    let named = if path.file_name().is_some() { path.to_owned() } else { path.canonicalize().ok()? };
    RunFolder::open(named).ok().filter(RunFolder::is_run)
}

/// Whether a name has the form of [`super::new_id`].
pub(in crate::record) fn is_id(name: &str) -> bool {
    let form = |(place, byte): (usize, u8)| match place {
        8 => byte == b'T',
        15 => byte == b'Z',
        16 => byte == b'-',
        0..15 => byte.is_ascii_digit(),
        _ => byte.is_ascii_lowercase() || byte.is_ascii_digit(),
    };
    name.len() == 21 && name.bytes().enumerate().all(form)
}

fn some(candidates: &[String]) -> String {
    let mut text = candidates.iter().take(CANDIDATES).cloned().collect::<Vec<_>>().join(", ");
    if candidates.len() > CANDIDATES {
        text.push_str(", ...");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;

    const RUNS: [&str; 4] =
        ["20261123T154500Z-k3f9", "20261123T154500Z-k3g2", "20261124T010203Z-aaaa", "20251231T235959Z-zzzz"];

    /// A folder with runs, a foreign folder, one without a run in it and a file.
    fn runs() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for name in RUNS.into_iter().chain(["renamed", "zzz-foreign", ".probe-1"]) {
            fs::create_dir(dir.path().join(name)).expect("created");
        }
        fs::write(dir.path().join("renamed/journal.jsonl"), "").expect("written");
        fs::write(dir.path().join("20270101T000000Z-file"), "").expect("written");
        dir
    }

    fn id_of(dir: &tempfile::TempDir, run: &str) -> String {
        let folder = find(dir.path(), run).unwrap_or_else(|error| panic!("{run}: {error}"));
        assert_eq!(folder.path().parent(), Some(dir.path()));
        folder.id().to_owned()
    }

    #[test]
    fn a_run_is_found_by_id_by_prefix_and_as_the_latest() {
        let dir = runs();
        for run in RUNS {
            assert_eq!(id_of(&dir, run), run);
        }
        assert_eq!(id_of(&dir, "20261123T154500Z-k3g"), RUNS[1]);
        assert_eq!(id_of(&dir, "2025"), RUNS[3]);
        assert_eq!(id_of(&dir, "ren"), "renamed");
        assert_eq!(id_of(&dir, LATEST), RUNS[2]);
    }

    #[test]
    fn a_prefix_of_several_lists_them() {
        let dir = runs();
        let error = find(dir.path(), "20261123").expect_err("two begin so");
        assert_eq!(
            error.to_string(),
            "2 runs begin with `20261123`: 20261123T154500Z-k3g2, 20261123T154500Z-k3f9"
        );
    }

    #[test]
    fn a_path_is_followed_only_where_it_looks_like_one() {
        let dir = runs();
        let path = dir.path().join("renamed");
        let text = path.to_str().expect("text");
        assert_eq!(find(Path::new("nowhere"), text).expect("a path").path(), path);
        let around = format!("{text}/../renamed/.");
        assert_eq!(find(dir.path(), &around).expect("a path").id(), "renamed");
        let upwards = format!("{text}/x/../..");
        fs::create_dir(path.join("x")).expect("created");
        fs::write(dir.path().join("plan.jsonl"), "").expect("written");
        let id = dir.path().canonicalize().expect("there");
        assert_eq!(find(dir.path(), &format!("{upwards}/.")).expect("a run").path(), id);
        // A name is looked up below the folder of the runs, and nowhere else.
        for run in ["../renamed", "..", ".", "./renamed", "zzz-foreign/", "/"] {
            let found = find(&dir.path().join("20261124T010203Z-aaaa"), run);
            assert!(matches!(found, Err(FindError::NotARun { .. })), "{run}: {found:?}");
        }
    }

    #[test]
    fn what_is_not_there_is_told_from_nothing_at_all() {
        let dir = runs();
        for run in ["", "zzz-foreign", "2027", "LATEST", ".probe-1", "k3f9"] {
            assert!(matches!(find(dir.path(), run), Err(FindError::Unknown { .. })), "{run}");
        }
        let empty = tempfile::tempdir().expect("a temporary folder");
        for run in [LATEST, "2026", ""] {
            for folder in [empty.path().to_owned(), empty.path().join("missing")] {
                let error = find(&folder, run).expect_err("there are none");
                assert_eq!(error.to_string().contains("does not exist"), !folder.exists(), "{run}: {error}");
                assert!(error.to_string().starts_with("there are no runs"), "{run}: {error}");
            }
        }
        let file = dir.path().join("20270101T000000Z-file");
        assert!(matches!(find(&file, LATEST), Err(FindError::Folder(_))));
    }

    #[test]
    fn the_newest_run_is_listed_first_and_what_is_none_last() {
        let dir = runs();
        let listed = Runs::open(dir.path()).and_then(|runs| runs.list()).expect("readable");
        let ids: Vec<_> = listed.iter().map(RunFolder::id).collect();
        assert_eq!(ids, [RUNS[2], RUNS[1], RUNS[0], RUNS[3], "zzz-foreign", "renamed"]);
    }

    #[test]
    fn of_two_runs_of_one_second_the_one_that_began_later_is_the_latest() {
        for later in [0, 1] {
            let dir = runs();
            for (place, run) in RUNS[..2].iter().enumerate() {
                let roster = fs::File::create(dir.path().join(run).join("roster.csv")).expect("created");
                let age = std::time::Duration::from_millis(if place == later { 5 } else { 4 });
                roster.set_modified(SystemTime::UNIX_EPOCH + age).expect("changed");
            }
            fs::remove_dir(dir.path().join(RUNS[2])).expect("removed");
            assert_eq!(id_of(&dir, LATEST), RUNS[later]);
        }
    }

    #[test]
    fn ids_have_the_form_that_new_runs_get() {
        for _ in 0..100 {
            assert!(is_id(&super::super::new_id(jiff::Timestamp::now())));
        }
        for name in ["", "latest", "20261123T154500Z-k3f", "20261123T154500Z-k3f9x", "20261123 154500Z-k3f9"]
        {
            assert!(!is_id(name), "{name}");
        }
    }

    #[test]
    fn no_name_leads_out_of_the_folder_of_the_runs() {
        let dir = runs();
        let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
        proptest!(config, |(run in "[^/\0]{0,24}")| {
            if let Ok(folder) = find(dir.path(), &run) {
                prop_assert_eq!(folder.path().parent(), Some(dir.path()));
            }
        });
    }
}
