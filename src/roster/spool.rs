//! Files without a name, for input that can be read only once.
//!
//! Main function: [`spool_file`]. It knows where such a file may be created, and nothing of its
//! content.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The folder that stands in for one of temporary files, for the whole process.
static STAND_IN: OnceLock<PathBuf> = OnceLock::new();

/// Names the folder in which files are kept where the one for temporary files (`TMPDIR`, `/tmp`)
/// cannot be used; it is the working folder otherwise. The first one that is named holds.
pub fn spool_instead_in(folder: &Path) {
    STAND_IN.get_or_init(|| folder.to_owned());
}

/// A new file for its owner only, already unlinked: the system deletes it when it is closed.
///
/// # Errors
/// If no folder takes it.
pub fn spool_file() -> io::Result<File> {
    let temporary = std::env::temp_dir();
    // An empty variable is none.
    let temporary = if temporary.as_os_str().is_empty() { Path::new("/tmp") } else { &temporary };
    let stand_in = STAND_IN.get().map_or(Path::new("."), PathBuf::as_path);
    nameless(temporary).or_else(|error| nameless_in_new(stand_in).map_err(|_| error))
}

/// The same in a folder that may have to be created, and is then removed again.
fn nameless_in_new(folder: &Path) -> io::Result<File> {
    let made: Vec<&Path> =
        folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let file = nameless(folder);
    for folder in made {
        // Another process may have come to use it.
        let _ = fs::remove_dir(folder);
    }
    file
}

fn nameless(folder: &Path) -> io::Result<File> {
    let name = format!(".houston-onboard-{}-{:016x}", std::process::id(), fastrand::u64(..));
    let path = folder.join(name);
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_file_is_private_and_its_folder_is_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let file = nameless(dir.path()).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        nameless_in_new(&dir.path().join("runs/of/today")).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "what was created is removed");
        fs::create_dir(dir.path().join("runs")).unwrap();
        nameless_in_new(&dir.path().join("runs")).unwrap();
        assert!(dir.path().join("runs").is_dir(), "what was there stays");
    }
}
