//! The chain over the journal of a run, for those who check it: the key that may seal it, and whether a run
//! is as it was written.
//!
//! Main functions: [`open_key`] and [`verify_run`]. They read; a key is never shown.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::failure::Failure;
use super::finish::broken;
use super::notices::Notices;
use crate::files::{Links, open_regular, read_at_most, read_input};
use crate::houston::token::{Exposure, exposure, is_writable_by_all};
use crate::outcome::ExitStatus;
use crate::record::folder::RunFolder;
use crate::record::journal::{
    AuditKey, Entry, History, Intact, Journal, JournalError, RecordedEnd, VerifyError, check, lost, verify,
};
use crate::report::notices::{Notice, ReportNotice};
use crate::report::summary;

/// No key has more bytes.
const LONGEST: u64 = 4096;
/// A shorter key could be guessed.
const SHORTEST: usize = 16;

/// The file of an audit key cannot be used.
#[derive(Debug, thiserror::Error)]
enum KeyError {
    #[error("cannot read the audit key in {}", .path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("every user of this machine can write the audit key in {}", .path.display())]
    Writable { path: PathBuf },
    #[error("the audit key in {} has fewer than {SHORTEST} bytes", .path.display())]
    Short { path: PathBuf },
}

/// Reads an audit key: the content of a file without line breaks at its end.
///
/// # Errors
/// The file cannot be read, is writable by every user, or too short (2).
pub fn open_key(path: &Path, notices: &Notices) -> Result<AuditKey, Failure> {
    let key = read_key(path).map_err(|error| {
        let failure = Failure::new(ExitStatus::Usage, error).about(&["audit-key-file"]);
        failure.hint("make one with `head -c 32 /dev/urandom | base64`, in a file that only you can read")
    })?;
    if let Some(exposure) = exposure(path) {
        let how = match exposure {
            Exposure::Readable => "read",
            Exposure::Replaceable => "replace",
        };
        notices.give(&Notice::AuditKey { path, how });
    }
    Ok(key)
}

fn read_key(path: &Path) -> Result<AuditKey, KeyError> {
    let path_of = || path.to_owned();
    let failed = |source| KeyError::Unreadable { path: path_of(), source };
    let bytes = match open_regular(path, Links::Follow) {
        Ok(file) if is_writable_by_all(&file.metadata().map_err(failed)?) => {
            return Err(KeyError::Writable { path: path_of() });
        }
        Ok(file) => read_at_most(file, LONGEST),
        // The shell may have handed over a pipe.
        Err(_) => read_input(path, LONGEST),
    };
    let bytes = bytes.map_err(failed)?;
    let end = bytes.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    if end < SHORTEST {
        return Err(KeyError::Short { path: path_of() });
    }
    Ok(AuditKey::new(&bytes[..end]))
}

/// A run that was checked.
pub struct Verified {
    /// What its journal is.
    pub intact: Intact,
}

impl Verified {
    /// The result in one line.
    pub fn line(&self) -> String {
        let RecordedEnd { lines, head } = self.intact.end;
        let lines = if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") };
        let recorded = if self.intact.is_recorded { ", and so does the end in summary.json" } else { "" };
        format!(
            "journal.jsonl: {lines}, chain intact, head {head}; roster.csv and plan.jsonl match{recorded}"
        )
    }

    /// What was not proved, as sentences.
    pub fn limits(&self) -> Vec<&'static str> {
        let cut =
            "summary.json has no record of this end: lines that were cut off behind it would not be noticed";
        let anybody = "the chain has no key: who can write the folder can also make a new chain. Keep the head elsewhere, or use --audit-key-file";
        let is_keyed = match self.intact.kind {
            crate::record::journal::ChainKind::Sha256 => false,
            crate::record::journal::ChainKind::HmacSha256 => true,
        };
        let all = [(!self.intact.is_recorded, cut), (!is_keyed, anybody)];
        all.into_iter().filter_map(|(holds, text)| holds.then_some(text)).collect()
    }
}

/// Checks that the files of a run are those that it wrote.
///
/// # Errors
/// They are not (3), or the key is missing (2).
pub fn verify_run(folder: &RunFolder, key: Option<&AuditKey>) -> Result<Verified, Failure> {
    // Before the journal: a run that ends in between has a longer one.
    let recorded = summary::recorded_end(folder);
    match verify(folder, key, recorded) {
        Ok(intact) => Ok(Verified { intact }),
        Err(error) => Err(refused(folder, error)),
    }
}

/// Refuses to continue a run whose journal is not as it was written. One that ends before the end in summary.json
/// is continued, and says so from then on: what is missing is read from Houston again.
///
/// # Errors
/// As [`verify_run`], or that cannot be written (1).
pub fn admit(
    folder: &RunFolder,
    history: &History,
    key: Option<&AuditKey>,
    notices: &Notices,
) -> Result<(), Failure> {
    let recorded = summary::recorded_end(folder);
    let lost = lost(folder, key, recorded).map_err(|error| refused(folder, error))?;
    let Some(RecordedEnd { lines, head }) = lost else { return Ok(()) };
    notices.give(&Notice::Report(ReportNotice::Lost {
        run: folder.id(),
        lines,
        left: history.journal.lines,
    }));
    let noted = || -> Result<(), JournalError> {
        let mut journal = Journal::append_with(key.cloned(), folder, history, Instant::now())?;
        let at_ms = journal.at_ms(Instant::now());
        journal.note(&Entry::Lost { lines, head: head.to_string(), at_ms });
        journal.commit()
    };
    noted().map_err(|error| Failure::new(ExitStatus::Internal, error))
}

/// Checks the journal of a run, without a key, before anything is made of it.
///
/// # Errors
/// It is not as it was written (3).
pub fn check_journal(folder: &RunFolder) -> Result<(), Failure> {
    let recorded = summary::recorded_end(folder);
    check(folder, recorded).map_err(|error| refused(folder, error))
}

fn refused(folder: &RunFolder, error: VerifyError) -> Failure {
    match error {
        VerifyError::Files(error) => broken(folder, error),
        VerifyError::KeyNeeded => Failure::new(ExitStatus::Usage, error)
            .about(&["audit-key-file"])
            .hint("pass the key that the run began with: --audit-key-file FILE"),
        VerifyError::Line { line, .. } => {
            let key = if line == 1 {
                "; with --audit-key-file, check also that it is the key of this run"
            } else {
                ""
            };
            Failure::new(ExitStatus::BadInput, error).hint(format!(
                "this is not the journal that the run wrote: compare it with a copy, and do not rely on the reports of this run{key}"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_key_is_long_enough_private_and_without_the_end_of_its_line() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("key");
        let read = |bytes: &[u8]| {
            fs::write(&path, bytes).expect("written");
            read_key(&path)
        };
        assert!(matches!(read(b"fifteen bytes..\n"), Err(KeyError::Short { .. })));
        assert!(matches!(read(&[b'k'; 5000]), Err(KeyError::Unreadable { .. })));
        read(b"sixteen bytes...\r\n").expect("a key");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("changed");
            assert!(matches!(read_key(&path), Err(KeyError::Writable { .. })));
        }
        let error = read_key(&dir.path().join("none")).expect_err("no file").to_string();
        assert!(error.starts_with("cannot read the audit key in "), "{error}");
    }
}
