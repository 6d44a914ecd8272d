//! Checks the files of a run against the chain over its journal, byte by byte.
//!
//! Main functions: [`verify`], and [`check`] for who has no key. They read; what does not fit is named with its
//! line. What a chain proves and what it does not is in [`super::chain`].

use serde::Deserialize;

use super::chain::{AuditKey, Chain, ChainKind, Link, split};
use super::lines::RawLines;
use super::{Entry, FORMAT, Header, JournalError, digest_of};
use crate::record::folder::{JOURNAL, PLAN, ROSTER, RunFolder};

/// The end of a journal as something else than the journal has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedEnd {
    /// How many lines it has.
    pub lines: u64,
    /// The value of the chain at the last one.
    pub head: Link,
}

/// A journal in which nothing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intact {
    /// How far it goes.
    pub end: RecordedEnd,
    /// How its chain is made.
    pub kind: ChainKind,
    /// Whether that is the end that was recorded: else lines may be missing behind it.
    pub is_recorded: bool,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// It does not end with a value of the chain.
    #[error("it does not end with a value of the chain: it was changed, cut or inserted")]
    NoLink,
    /// Its value is not the one that follows.
    #[error("it does not continue the chain: it was changed or inserted, or a line before it was removed")]
    Broken,
    /// The journal has no whole line.
    #[error("it is missing: the run ended before it sent anything, or the file was cut")]
    NoLine,
    /// It was there once.
    #[error("it is missing: summary.json counts {0} lines")]
    Missing(u64),
    /// The value that was recorded is another one, or it closes nothing.
    #[error(
        "it is not the end of the run that summary.json records: the journal or summary.json was changed"
    )]
    OtherEnd,
    /// The run was over before it.
    #[error("it follows the end of the run that summary.json records, and resumes nothing: it was inserted")]
    Behind,
    /// It says itself that lines were missing.
    #[error(
        "lines before it were missing when the run was resumed: the journal was cut, or an older copy was put back"
    )]
    Lost,
    /// What stands behind the last whole line is no beginning of one.
    #[error("it is no part of a line of this journal: it was inserted")]
    NoPart,
    /// The chain should have a key.
    #[error("the chain was made without a key, so anybody can have made it")]
    NoKey,
    /// Its values fit, but it is not a header of this version.
    #[error("it is not the header of a run that this version understands")]
    NoHeader,
}

/// The files of a run cannot be verified, or do not fit together.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A line of the journal is not the one that was written.
    #[error("{JOURNAL}:{line}: {finding}")]
    Line {
        /// Which, from 1.
        line: u64,
        /// What is wrong.
        finding: Finding,
    },
    /// The chain has a key.
    #[error("the journal of this run is chained with an audit key")]
    KeyNeeded,
    /// A file cannot be read, or is not the one that the header names.
    #[error(transparent)]
    Files(#[from] JournalError),
}

/// What the first line says about how to read it, before it can be believed.
#[derive(Default, Deserialize)]
struct Claims {
    #[serde(default)]
    format: Option<u32>,
    #[serde(default)]
    target: Option<String>,
    #[serde(default)]
    chained_by: Option<ChainKind>,
}

/// Checks the journal of a run, and the roster and the plan that its header names. `recorded` is the end
/// that `summary.json` records; it must have been read before. A torn last line is none.
///
/// # Errors
/// The first line that is not the one that was written.
pub fn verify(
    folder: &RunFolder,
    key: Option<&AuditKey>,
    recorded: Option<RecordedEnd>,
) -> Result<Intact, VerifyError> {
    let (end, header) = Walk::new(Some(Chain::new(key.cloned(), None)), recorded).along(folder)?.whole()?;
    check_files(folder, &header)?;
    let is_recorded = recorded.is_some_and(|recorded| recorded.lines == end.lines);
    Ok(Intact { end, kind: header.chained_by, is_recorded })
}

/// Checks a journal as far as that is possible without a key: that of a run with one is compared with its
/// recorded end only.
///
/// # Errors
/// The first line that is not the one that was written.
pub fn check(folder: &RunFolder, recorded: Option<RecordedEnd>) -> Result<(), VerifyError> {
    let walk = |chain| Walk::new(chain, recorded).along(folder).map(|_| ());
    match walk(Some(Chain::new(None, None))) {
        Err(VerifyError::KeyNeeded) => walk(None),
        checked => checked,
    }
}

/// Checks what is there of the files of a run that is to go on, and gives the recorded end if the journal does
/// not go as far.
///
/// # Errors
/// The first line that is not the one that was written.
pub fn lost(
    folder: &RunFolder,
    key: Option<&AuditKey>,
    recorded: Option<RecordedEnd>,
) -> Result<Option<RecordedEnd>, VerifyError> {
    let walk = |recorded| {
        let walked = Walk::new(Some(Chain::new(key.cloned(), None)), recorded).along(folder)?;
        Ok(check_files(folder, &walked.header)?)
    };
    match walk(recorded) {
        Err(VerifyError::Line { finding: Finding::Missing(_), .. }) => walk(None).map(|()| recorded),
        walked => walked.map(|()| None),
    }
}

/// Compares the roster and the plan in the folder with the digests in the header.
pub(super) fn check_files(folder: &RunFolder, header: &Header) -> Result<(), JournalError> {
    for (name, digest) in [(ROSTER, &header.roster_sha256), (PLAN, &header.plan_sha256)] {
        if digest_of(folder, name)? != *digest {
            return Err(JournalError::Changed { path: folder.path().join(name) });
        }
    }
    Ok(())
}

/// A walk along the chain.
struct Walk {
    /// How its values are made; none if they cannot be made again here.
    chain: Option<Chain>,
    recorded: Option<RecordedEnd>,
    header: Option<Header>,
    /// The value of the last line, and whether that line closes the journal.
    last: Option<(Link, bool)>,
    /// The first line that says that lines were missing.
    lost: Option<u64>,
}

/// Where a walk ended.
struct Walked {
    end: RecordedEnd,
    header: Header,
    lost: Option<u64>,
}

impl Walked {
    /// The end of a journal that never lost a line.
    fn whole(self) -> Result<(RecordedEnd, Header), VerifyError> {
        match self.lost {
            Some(line) => Err(VerifyError::Line { line, finding: Finding::Lost }),
            None => Ok((self.end, self.header)),
        }
    }
}

impl Walk {
    fn new(chain: Option<Chain>, recorded: Option<RecordedEnd>) -> Self {
        Self { chain, recorded, header: None, last: None, lost: None }
    }

    /// Walks from the first line to the last.
    fn along(mut self, folder: &RunFolder) -> Result<Walked, VerifyError> {
        let mut lines = RawLines::open(folder, JOURNAL)?;
        while lines.advance()? {
            let at = |finding| VerifyError::Line { line: lines.line, finding };
            if lines.line == 1 {
                self.begin(folder, lines.text())?;
            }
            self.step(lines.line, lines.text()).map_err(at)?;
        }
        let at = |finding| VerifyError::Line { line: lines.line, finding };
        self.finish(lines.line - 1, lines.text()).map_err(at)
    }

    /// Looks at what the first line says about itself.
    fn begin(&self, folder: &RunFolder, line: &[u8]) -> Result<(), VerifyError> {
        let Claims { format, target, chained_by } = serde_json::from_slice(line).unwrap_or_default();
        let path = folder.journal();
        match format {
            // A journal without a chain, not one that was changed.
            Some(format) if format < FORMAT && split(line).is_none() => {
                return Err(JournalError::Older { path, format, target }.into());
            }
            Some(_) | None => {}
        }
        let Some(chain) = &self.chain else { return Ok(()) };
        match (chain.kind(), chained_by) {
            (ChainKind::Sha256, Some(ChainKind::HmacSha256)) => Err(VerifyError::KeyNeeded),
            (ChainKind::HmacSha256, Some(ChainKind::Sha256)) => {
                Err(VerifyError::Line { line: 1, finding: Finding::NoKey })
            }
            (ChainKind::Sha256 | ChainKind::HmacSha256, _) => Ok(()),
        }
    }

    fn step(&mut self, number: u64, line: &[u8]) -> Result<(), Finding> {
        let (content, chained) = split(line).ok_or(Finding::NoLink)?;
        if self.chain.as_mut().is_some_and(|chain| chain.extend(&content) != chained) {
            return Err(Finding::Broken);
        }
        if number == 1 {
            self.header = Some(header(line).ok_or(Finding::NoHeader)?);
        }
        if is_a(line, LOST) {
            // From here on, the recorded end is known to be another one.
            self.lost.get_or_insert(number);
            self.recorded = None;
        }
        if let Some(recorded) = self.recorded {
            let is_end = || chained == recorded.head && is_a(line, CLOSED);
            if number == recorded.lines && !is_end() {
                return Err(Finding::OtherEnd);
            }
            if number == recorded.lines + 1 && !is_a(line, RESUMED) {
                return Err(Finding::Behind);
            }
        }
        self.last = Some((chained, is_a(line, CLOSED)));
        Ok(())
    }

    /// The end of the walk: behind so many lines stands this part of one.
    fn finish(self, lines: u64, torn: &[u8]) -> Result<Walked, Finding> {
        match self.recorded {
            Some(recorded) if recorded.lines > lines => return Err(Finding::Missing(recorded.lines)),
            Some(_) | None => {}
        }
        let (Some((head, is_closed)), Some(header)) = (self.last, self.header) else {
            return Err(Finding::NoLine);
        };
        // What a crash leaves is the beginning of a line.
        let expected = if is_closed { RESUMED } else { ANY };
        let common = torn.len().min(expected.len());
        if torn[..common] != expected[..common] {
            return Err(Finding::NoPart);
        }
        Ok(Walked { end: RecordedEnd { lines, head }, header, lost: self.lost })
    }
}

/// How entries begin.
const ANY: &[u8] = b"{\"entry\":\"";
const RESUMED: &[u8] = b"{\"entry\":\"resumed\"";
const LOST: &[u8] = b"{\"entry\":\"lost\"";
const CLOSED: &[u8] = b"{\"entry\":\"closed\"";

fn is_a(line: &[u8], beginning: &[u8]) -> bool {
    line.starts_with(beginning)
}

fn header(line: &[u8]) -> Option<Header> {
    match serde_json::from_slice(line) {
        Ok(Entry::Header(header)) if header.format == FORMAT => Some(*header),
        Ok(_) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Instant;

    use sha2::{Digest as _, Sha256};

    use super::super::tests::{intent, keyed_run, outcome, run};
    use super::super::{Actor, History, Journal};
    use super::*;
    use crate::model::{ItemId, Strain};
    use crate::outcome::Status;
    use crate::record::hexadecimal::hexadecimal;

    fn closed() -> Entry {
        Entry::Closed {
            stopped: None,
            code: None,
            detail: None,
            requests: 1,
            at_least: false,
            strain: Strain::default(),
            at_ms: 9,
        }
    }

    fn resumed() -> Entry {
        let (tool_version, at) = ("0.1.0".to_owned(), jiff::Timestamp::UNIX_EPOCH);
        let (houston_version, actor, approved_by) = (None, Actor::default(), None);
        Entry::Resumed { leg: 2, at, tool_version, houston_version, actor, approved_by, at_ms: 9 }
    }

    fn whole() -> Vec<Entry> {
        vec![intent(0, 1), outcome(0, Status::Added), closed()]
    }

    fn key() -> AuditKey {
        AuditKey::new(b"the key of an auditor")
    }

    /// The line that is named, and what is wrong with it.
    fn finding(result: Result<Intact, VerifyError>) -> (u64, Finding) {
        match result {
            Err(VerifyError::Line { line, finding }) => (line, finding),
            other => panic!("{other:?}"),
        }
    }

    /// Writes other bytes, and verifies them.
    fn changed(
        folder: &RunFolder,
        key: Option<&AuditKey>,
        recorded: Option<RecordedEnd>,
        bytes: &[u8],
    ) -> Result<Intact, VerifyError> {
        fs::write(folder.journal(), bytes).expect("written");
        verify(folder, key, recorded)
    }

    fn end(folder: &RunFolder) -> RecordedEnd {
        History::read(folder).expect("readable").end().expect("closed")
    }

    /// The number of the line in which a byte is.
    fn line_of(bytes: &[u8], at: usize) -> u64 {
        bytes[..at].split(|&byte| byte == b'\n').count() as u64
    }

    #[test]
    fn a_chain_can_be_recomputed_without_this_program() {
        let (_dir, folder) = run(&whole());
        let mut chain = String::new();
        for line in fs::read_to_string(folder.journal()).expect("readable").lines() {
            let mut entry: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(line).expect("JSON");
            let value = entry.remove("chain").expect("a value");
            let body = line.replacen(&format!(",\"chain\":{value}"), "", 1);
            assert_eq!(serde_json::from_str::<serde_json::Map<_, _>>(&body).expect("JSON"), entry);
            chain = hexadecimal(&Sha256::digest(format!("{chain}{body}")));
            assert_eq!(value, chain.as_str());
        }
        assert_eq!(end(&folder).head.as_str(), chain);
    }

    #[test]
    fn a_run_as_it_was_written_is_intact() {
        for key in [None, Some(key())] {
            let (_dir, folder) = keyed_run(key.clone(), &whole());
            let end = end(&folder);
            assert_eq!(end.lines, 4);
            let intact = verify(&folder, key.as_ref(), Some(end)).expect("intact");
            assert_eq!((intact.end, intact.is_recorded), (end, true));
            assert_eq!(intact.kind == ChainKind::HmacSha256, key.is_some());
        }
    }

    #[test]
    fn every_flipped_byte_is_named_by_its_line() {
        for key in [None, Some(key())] {
            let (_dir, folder) = keyed_run(key.clone(), &whole());
            let (whole, end) = (fs::read(folder.journal()).expect("readable"), end(&folder));
            for (at, mask) in (0..whole.len()).flat_map(|at| [(at, 1), (at, 0x20), (at, 0x80)]) {
                let mut bytes = whole.clone();
                bytes[at] ^= mask;
                let line = finding(changed(&folder, key.as_ref(), Some(end), &bytes)).0;
                assert_eq!(line, line_of(&whole, at), "byte {at} with {mask}");
            }
        }
    }

    #[test]
    fn every_cut_is_named_by_the_first_line_that_is_missing() {
        let (_dir, folder) = run(&whole());
        let (whole, end) = (fs::read(folder.journal()).expect("readable"), end(&folder));
        for cut in 0..whole.len() {
            let line = finding(changed(&folder, None, Some(end), &whole[..cut])).0;
            assert_eq!(line, line_of(&whole, cut), "cut at {cut}");
        }
        // Without the end that is recorded, a journal that was cut at the border of a line is a shorter one.
        for cut in (0..whole.len()).filter(|&cut| cut > 0 && whole[cut - 1] == b'\n') {
            let intact = changed(&folder, None, None, &whole[..cut]).expect("a shorter journal");
            assert!(!intact.is_recorded);
        }
    }

    #[test]
    fn a_line_that_is_removed_inserted_or_moved_is_named() {
        let (_dir, folder) = run(&whole());
        let text = fs::read_to_string(folder.journal()).expect("readable");
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let of = |picked: &[usize]| picked.iter().map(|&at| lines[at]).collect::<String>();
        for (picked, line) in [
            (&[1, 2, 3][..], 1),
            (&[0, 2, 3], 2),
            (&[0, 1, 3], 3),
            (&[0, 0, 1, 2, 3], 2),
            (&[0, 1, 1, 2, 3], 3),
            (&[0, 2, 1, 3], 2),
            (&[0, 1, 2, 3, 3], 5),
        ] {
            let found = finding(changed(&folder, None, None, of(picked).as_bytes()));
            assert_eq!(found, (line, Finding::Broken), "{picked:?}");
        }
    }

    #[test]
    fn a_journal_that_was_lengthened_is_named_by_the_first_line_too_many() {
        let (_dir, folder) = run(&whole());
        let (whole, end) = (fs::read(folder.journal()).expect("readable"), end(&folder));
        let with = |more: &[u8]| [&whole[..], more].concat();
        for more in [&b"\n"[..], b"{}\n", &whole] {
            assert_eq!(finding(changed(&folder, None, Some(end), &with(more))).0, 5);
        }
        for more in [&b"x"[..], b"{\"entry\":\"outcome\"", b"\0\0\0"] {
            assert_eq!(finding(changed(&folder, None, Some(end), &with(more))), (5, Finding::NoPart));
        }
        // What a leg leaves that died as it began.
        changed(&folder, None, Some(end), &with(b"{\"entry\":\"resu")).expect("torn");
        // Whoever can write the folder can continue a chain without a key, but not behind its recorded end.
        fs::write(folder.journal(), &whole).expect("written");
        let history = History::read(&folder).expect("readable");
        let mut journal = Journal::append(&folder, &history, Instant::now()).expect("opened");
        journal.note(&outcome(3, Status::Added));
        journal.commit().expect("written");
        drop(journal);
        assert_eq!(finding(verify(&folder, None, Some(end))), (5, Finding::Behind));
    }

    #[test]
    fn a_run_that_was_resumed_is_compared_with_the_end_before() {
        let (_dir, folder) = run(&whole());
        let before = end(&folder);
        let history = History::read(&folder).expect("readable");
        let mut journal = Journal::append(&folder, &history, Instant::now()).expect("opened");
        journal.note(&resumed());
        journal.note(&Entry::Released { item: ItemId::from_index(0), at_ms: 10 });
        journal.commit().expect("written");
        let intact = verify(&folder, None, Some(before)).expect("it goes on");
        assert_eq!((intact.end.lines, intact.is_recorded), (6, false));
        let text = fs::read_to_string(folder.journal()).expect("readable");
        let other = RecordedEnd { head: intact.end.head, ..before };
        assert_eq!(finding(verify(&folder, None, Some(other))), (4, Finding::OtherEnd));
        let torn = changed(&folder, None, Some(before), &text.as_bytes()[..text.len() - 7]).expect("torn");
        assert_eq!(torn.end.lines, 5);
    }

    #[test]
    fn a_run_that_was_cut_anywhere_goes_on_with_the_same_chain() {
        let (_dir, folder) = run(&whole());
        let whole = fs::read(folder.journal()).expect("readable");
        let header = whole.iter().position(|&byte| byte == b'\n').expect("a header") + 1;
        for cut in header..=whole.len() {
            fs::write(folder.journal(), &whole[..cut]).expect("written");
            let history = History::read(&folder).expect("readable");
            let mut journal = Journal::append(&folder, &history, Instant::now()).expect("opened");
            journal.note(&resumed());
            journal.commit().expect("written");
            drop(journal);
            let intact = verify(&folder, None, None).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            assert_eq!(intact.end.lines, line_of(&whole, cut), "cut at {cut}");
        }
    }

    #[test]
    fn a_journal_that_was_cut_has_no_end_where_nothing_closes_it() {
        for key in [None, Some(key())] {
            let (_dir, folder) = keyed_run(key.clone(), &whole());
            let text = fs::read_to_string(folder.journal()).expect("readable");
            let cut: String = text.split_inclusive('\n').take(3).collect();
            let (_, head) =
                split(cut.split_inclusive('\n').next_back().expect("a line").as_bytes()).expect("a value");
            let recorded = RecordedEnd { lines: 3, head };
            let found = finding(changed(&folder, key.as_ref(), Some(recorded), cut.as_bytes()));
            assert_eq!(found, (3, Finding::OtherEnd));
        }
    }

    #[test]
    fn a_journal_that_was_cut_goes_on_as_often_as_needed_and_is_never_whole_again() {
        let (_dir, folder) = run(&whole());
        let (text, end) = (fs::read_to_string(folder.journal()).expect("readable"), end(&folder));
        let cut: String = text.split_inclusive('\n').take(2).collect();
        fs::write(folder.journal(), cut).expect("written");
        assert_eq!(lost(&folder, None, Some(end)).expect("intact"), Some(end));
        let history = History::read(&folder).expect("readable");
        let mut journal = Journal::append(&folder, &history, Instant::now()).expect("opened");
        journal.note(&Entry::Lost { lines: end.lines, head: end.head.to_string(), at_ms: 9 });
        [resumed(), outcome(0, Status::Added), closed()].iter().for_each(|entry| journal.note(entry));
        journal.commit().expect("written");
        drop(journal);
        for recorded in [Some(end), None, History::read(&folder).expect("readable").end()] {
            assert_eq!(finding(verify(&folder, None, recorded)), (3, Finding::Lost));
            assert_eq!(lost(&folder, None, recorded).expect("intact"), None);
            check(&folder, recorded).expect("its reports can be made again: the journal keeps the evidence");
        }
        let changed = fs::read_to_string(folder.journal()).expect("readable").replace("added", "unchanged");
        fs::write(folder.journal(), changed).expect("written");
        assert!(lost(&folder, None, Some(end)).is_err());
    }

    #[test]
    fn without_its_key_a_journal_is_compared_with_its_recorded_end() {
        let (_dir, folder) = keyed_run(Some(key()), &whole());
        let (text, end) = (fs::read_to_string(folder.journal()).expect("readable"), end(&folder));
        let checked = |text: &str| {
            fs::write(folder.journal(), text).expect("written");
            check(&folder, Some(end)).map_err(|error| match error {
                VerifyError::Line { line, .. } => line,
                VerifyError::KeyNeeded | VerifyError::Files(_) => panic!("{error}"),
            })
        };
        assert_eq!(checked(&text), Ok(()));
        let cut: String = text.split_inclusive('\n').take(3).collect();
        assert_eq!(checked(&cut), Err(4));
        let other = text.replace(end.head.as_str(), &"0".repeat(64));
        assert_eq!(checked(&other), Err(4));
    }

    #[test]
    fn without_a_key_a_chain_is_checked_whole() {
        let (_dir, folder) = run(&whole());
        let end = end(&folder);
        check(&folder, Some(end)).expect("intact");
        let text = fs::read_to_string(folder.journal()).expect("readable");
        fs::write(folder.journal(), text.replace("added", "unchanged")).expect("written");
        assert!(matches!(check(&folder, None), Err(VerifyError::Line { line: 3, finding: Finding::Broken })));
    }

    #[test]
    fn the_key_must_be_the_one_of_the_run() {
        let (_dir, folder) = keyed_run(Some(key()), &whole());
        assert!(matches!(verify(&folder, None, None), Err(VerifyError::KeyNeeded)));
        let other = AuditKey::new(b"the key of someone else");
        assert_eq!(finding(verify(&folder, Some(&other), None)), (1, Finding::Broken));
        let (_dir, folder) = run(&whole());
        assert_eq!(finding(verify(&folder, Some(&key()), None)), (1, Finding::NoKey));
        let written = fs::read_to_string(folder.journal()).expect("readable");
        assert!(!written.contains("the key"), "it is never written");
    }

    #[test]
    fn the_roster_and_the_plan_belong_to_the_run() {
        for name in [ROSTER, PLAN] {
            let (_dir, folder) = run(&whole());
            fs::write(folder.path().join(name), "other\n").expect("written");
            let error = verify(&folder, None, None).expect_err("another file").to_string();
            assert!(
                error.ends_with(&format!("{name} is not the file that this run started with")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_journal_from_before_there_was_a_chain_is_older_and_not_changed() {
        let (_dir, folder) = run(&[]);
        let old = b"{\"entry\":\"header\",\"format\":4,\"run\":\"x\"}\n";
        let error = changed(&folder, None, None, old).expect_err("older");
        assert!(matches!(error, VerifyError::Files(JournalError::Older { format: 4, .. })), "{error}");
    }
}
