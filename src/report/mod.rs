//! Reporting: progress and results of a run, for people and for machines.
//!
//! Main types: [`Reporter`], which hears the events of a run as they happen, and
//! [`summary::Summary`], which is made from the run's files afterwards; [`write_files`] makes the
//! files of a run that are safe to pass on. Nothing here decides anything about a run, asks
//! Houston, or shows a text from outside that has not passed [`crate::model::printable`] (the
//! caller's own cells in the CSV files excepted, which stay as they are).

pub mod atomic;
pub mod checkup;
pub mod closing;
pub mod command_summary;
pub mod csv_file;
pub mod escape;
pub mod export;
pub mod html;
pub mod known;
pub mod last_run;
pub mod list;
pub mod log;
pub mod metrics;
pub mod notices;
pub mod plan;
mod provenance;
pub mod question;
pub mod removals;
pub mod results;
pub mod run;
pub mod schemas;
pub mod summary;
pub mod terminal;
pub mod validate;

#[cfg(test)]
pub(crate) mod fixture;

use std::borrow::Cow;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

use csv::ByteRecord;

use crate::event::Event;
use crate::record::journal::{History, PlanSource};
use std::io::{BufWriter, Write as _};

use self::atomic::WriteError;
use crate::record::folder::RunFolder;
use crate::roster::Columns;
use csv_file::CsvForm;
use results::ResultsError;
use summary::Summary;

/// Hears every event of a run, on the thread that owns the run: it must not wait.
pub trait Reporter {
    /// Something happened.
    fn event(&mut self, event: &Event<'_>);
}

/// Passes every event to several reporters.
#[derive(Default)]
pub struct Fanout<'a>(Vec<Box<dyn Reporter + 'a>>);

impl<'a> Fanout<'a> {
    /// No reporters yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more listens, after those before.
    #[must_use]
    pub fn and(mut self, reporter: impl Reporter + 'a) -> Self {
        self.0.push(Box::new(reporter));
        self
    }
}

impl Reporter for Fanout<'_> {
    fn event(&mut self, event: &Event<'_>) {
        self.0.iter_mut().for_each(|reporter| reporter.event(event));
    }
}

/// The roster of a run, read again from its copy.
#[derive(Debug)]
pub struct RosterAgain<'a, I> {
    /// Its header as the caller wrote it.
    pub header: &'a ByteRecord,
    /// How it is written.
    pub form: CsvForm,
    /// Which of them mean what.
    pub columns: Columns,
    /// Its rows, in its order, ragged and invalid ones included.
    pub rows: I,
}

/// Writes `results.csv`, `errors.csv`, `unprocessed.csv`, where they belong `removals.csv` and
/// `undo.csv`, and `summary.json` of a run, or of several that are joined, and returns the content of the last
/// one. `plan` has what was decided.
///
/// # Errors
/// When a file cannot be written, or the files would not account for every row (exit status 1).
pub fn write_files<E>(
    folder: &RunFolder,
    history: &History,
    plan: &dyn PlanSource,
    mut summary: Summary,
    roster: RosterAgain<'_, impl Iterator<Item = Result<ByteRecord, E>>>,
) -> Result<Summary, ResultsError>
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let written = results::write(folder, history, roster.header, roster.form, roster.rows)?;
    summary.check(&written)?;
    summary.undo = removals::write(folder, history, plan, roster.form)?;
    let mut draft = folder.draft(summary::FILE)?;
    draft.write_all(summary.to_json().as_bytes()).map_err(|error| WriteError::new(&draft.path(), error))?;
    draft.commit()?;
    Ok(summary)
}

/// Writes `report.html` of a run, which is the rest of its reports for people. `roster` is called more than
/// once.
///
/// # Errors
/// When it cannot be written, or the files of the run do not fit together.
pub fn write_page<'r, E, I>(
    folder: &RunFolder,
    plan: &dyn PlanSource,
    history: &History,
    summary: &Summary,
    roster: impl Fn() -> Result<RosterAgain<'r, I>, ResultsError>,
) -> Result<(), ResultsError>
where
    I: Iterator<Item = Result<ByteRecord, E>>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let draft = folder.draft(html::FILE)?;
    let path = draft.path();
    let mut out = BufWriter::with_capacity(1 << 16, draft);
    html::run::write(plan, history, summary, roster, &mut out)?;
    let draft = out.into_inner().map_err(|error| WriteError::new(&path, error.into_error()))?;
    Ok(draft.commit()?)
}

/// A duration as people say it: `0.4s`, `42s`, `3m 12s`, `2h 05m`.
fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) if s < 10 => format!("{s}.{}s", duration.subsec_millis() / 100),
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m {s:02}s"),
        (h, m, _) => format!("{h}h {m:02}m"),
    }
}

/// A path as one word of a command line, quoted where a shell would otherwise take it apart.
pub(crate) fn shell_word(path: &Path) -> String {
    // A word that begins with a dash would be parsed as a flag.
    let is_like_a_flag = path.as_os_str().as_encoded_bytes().starts_with(b"-");
    let path = if is_like_a_flag { Cow::Owned(Path::new(".").join(path)) } else { Cow::Borrowed(path) };
    match path.to_str() {
        Some(text) => crate::model::shell_word(text).into_owned(),
        None => crate::model::spelled_out(path.as_os_str().as_encoded_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Tally;
    use std::cell::RefCell;

    struct Counter<'a>(&'a RefCell<Vec<&'static str>>, &'static str);

    impl Reporter for Counter<'_> {
        fn event(&mut self, _: &Event<'_>) {
            self.0.borrow_mut().push(self.1);
        }
    }

    #[test]
    fn every_reporter_hears_everything_in_order() {
        let heard = RefCell::new(Vec::new());
        let mut all = Fanout::new().and(Counter(&heard, "first")).and(Counter(&heard, "second"));
        all.event(&Event::ReadingFinished);
        all.event(&Event::Finished { tally: Tally::default() });
        assert_eq!(*heard.borrow(), ["first", "second", "first", "second"]);
    }

    #[test]
    fn the_files_of_a_run_are_private_and_agree() {
        let fixture = fixture::Fixture::new();
        let header = fixture::roster_header();
        let write = || {
            let (folder, history) = (&fixture.folder, &fixture.history);
            let summary = Summary::new(history, folder.path(), Some(4));
            write_files(folder, history, folder, summary, fixture::roster(&header)).expect("written")
        };
        let written = write();
        assert_eq!(written.counts, fixture.history.tally());
        for name in [results::RESULTS, results::ERRORS, results::UNPROCESSED, summary::FILE] {
            let text = fixture.read(name);
            assert!(!text.is_empty() && !text.contains('\u{1b}'), "{name}");
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                let file = std::fs::metadata(fixture.folder.path().join(name)).expect("exists");
                assert_eq!(file.permissions().mode() & 0o777, 0o600, "{name}");
            }
        }
        let results = fixture.read(results::RESULTS);
        for status in crate::outcome::Status::ALL {
            assert!(results.contains(&format!(";{status};")), "{status}");
        }
        // Making the reports of a run again changes nothing.
        write();
        assert_eq!(fixture.read(results::RESULTS), results);
    }

    #[test]
    fn durations_read_as_people_say_them() {
        let table = [
            (0, "0.0s"),
            (449, "0.4s"),
            (9_999, "9.9s"),
            (10_000, "10s"),
            (192_000, "3m 12s"),
            (3_600_000, "1h 00m"),
            (90_061_000, "25h 01m"),
        ];
        for (millis, text) in table {
            assert_eq!(spoken(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn a_path_stays_one_word_of_a_command() {
        assert_eq!(
            shell_word(Path::new("onboard-runs/20261123T154500Z-k3f9")),
            "onboard-runs/20261123T154500Z-k3f9"
        );
        assert_eq!(shell_word(Path::new("my runs/it's")), "'my runs/it'\\''s'");
        assert_eq!(shell_word(Path::new("$(id)")), "'$(id)'");
        assert_eq!(shell_word(Path::new("-runs/x")), "./-runs/x");
        assert_eq!(shell_word(Path::new("-runs\n/x")), "$'./-runs\\n/x'");
        #[cfg(unix)]
        {
            use std::os::unix::ffi::OsStrExt as _;
            let path = Path::new(std::ffi::OsStr::from_bytes(b"runs\xff/it's"));
            assert_eq!(shell_word(path), "$'runs\\xff/it\\'s'");
        }
    }
}
