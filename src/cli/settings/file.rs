//! `--config FILE`: a TOML file in which every key is the name of a flag, and every table
//! `[targets.NAME]` has the settings of one target.
//!
//! Main type: [`ConfigFile`]. Errors give the position and the kind of error, never the text: people
//! pass a `.env` file with a token by mistake. [`super`] decides what the keys mean.

use std::fs::File;
use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::model::with_ends;

/// The maximum size of a settings file.
const MAX_FILE: u64 = 1024 * 1024;
/// The table of the targets.
const TARGETS: &str = "targets";
/// A longer key is not a typo, and is not quoted.
const LONGEST_KEY: usize = 40;

/// A settings file that was read.
#[derive(Debug)]
pub struct ConfigFile {
    /// Its path.
    pub path: PathBuf,
    /// Its keys, in the order of the file.
    pub entries: Vec<Entry>,
    /// Its tables `[targets.NAME]`, in the order of the file.
    pub targets: Vec<Target>,
}

/// The settings of one target.
#[derive(Debug)]
pub struct Target {
    /// The name that `--target` chooses it by.
    pub name: String,
    /// Its keys, in the order of the file.
    pub entries: Vec<Entry>,
}

/// One key of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key; `...` if it is too long to be the name of a flag.
    pub key: String,
    /// Its position.
    pub at: Position,
    /// Its value.
    pub value: Content,
}

/// The value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// One value.
    One(Scalar),
    /// A list.
    Many(Vec<Scalar>),
    /// A table.
    Section,
    /// A date, or a list of anything but texts, numbers, yes and no.
    Other,
}

/// A text, a number, or yes or no, as it would be typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text.
    pub text: String,
    /// Whether it can mean yes or no: a number with a decimal point cannot.
    pub may_be_switch: bool,
}

/// A position in a settings file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// The character of the line, from 1.
    pub column: usize,
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.path.display(), self.line, self.column)
    }
}

/// Why a settings file cannot be read. None of these quotes the file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be opened or read.
    #[error("cannot read the settings in {}", with_ends(&.path.to_string_lossy()))]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A folder, a FIFO, a device.
    #[error("cannot read the settings in {}: not a regular file", with_ends(&.0.to_string_lossy()))]
    NotRegular(PathBuf),
    /// Too large for a settings file.
    #[error("cannot read the settings in {}: it is larger than 1 MiB", .0.display())]
    TooLarge(PathBuf),
    /// Not text.
    #[error("{0}: not UTF-8")]
    NotText(Position),
    /// A target that is not a table.
    #[error(
        "{0}: expected a table of targets: write [targets.NAME], and the settings of this target below it"
    )]
    NotATarget(Position),
    /// Not TOML.
    #[error("{at}: not TOML: {kind}")]
    NotToml {
        /// Where.
        at: Position,
        /// The kind of error; a fixed text of the parser.
        kind: String,
    },
}

impl ConfigFile {
    /// Reads a settings file.
    ///
    /// # Errors
    /// It is not a regular file, cannot be read, or is not TOML.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&bytes(path)?, path)
    }

    fn parse(bytes: &[u8], path: &Path) -> Result<Self, ConfigError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            ConfigError::NotText(position(path, &before, before.len()))
        })?;
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let document = DeTable::parse(text).map_err(|error| {
            let start = error.span().map_or(text.len(), |span: Range<usize>| span.start);
            ConfigError::NotToml { at: position(path, text, start), kind: error.message().to_owned() }
        })?;
        let source = Source { path, text };
        let targets = match document.get_ref().get(TARGETS) {
            None => Vec::new(),
            Some(value) => source.targets(value)?,
        };
        let mut entries = source.entries(document.get_ref());
        entries.retain(|entry| entry.key != TARGETS);
        Ok(Self { path: path.to_owned(), entries, targets })
    }
}

/// The text of a file, for positions in it.
struct Source<'s> {
    path: &'s Path,
    text: &'s str,
}

impl Source<'_> {
    /// The keys of a table, in the order of the file.
    fn entries(&self, table: &DeTable<'_>) -> Vec<Entry> {
        let mut keys: Vec<_> = table.iter().collect();
        keys.sort_by_key(|(key, _)| key.span().start);
        let entry = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| Entry {
            key: quotable(key.get_ref()),
            at: position(self.path, self.text, key.span().start),
            value: content(value.get_ref()),
        };
        keys.into_iter().map(entry).collect()
    }

    fn targets(&self, value: &Spanned<DeValue<'_>>) -> Result<Vec<Target>, ConfigError> {
        let no_table = |start| ConfigError::NotATarget(position(self.path, self.text, start));
        let tables = value.get_ref().as_table().ok_or_else(|| no_table(value.span().start))?;
        let mut tables: Vec<_> = tables.iter().collect();
        tables.sort_by_key(|(name, _)| name.span().start);
        let target = |(name, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
            let table = value.get_ref().as_table().ok_or_else(|| no_table(name.span().start))?;
            Ok(Target { name: quotable(name.get_ref()), entries: self.entries(table) })
        };
        tables.into_iter().map(target).collect()
    }
}

/// The content of a regular file. A FIFO or a device could block or never end.
fn bytes(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(ConfigError::NotRegular(path.to_owned()));
    }
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(ConfigError::TooLarge(path.to_owned()));
    }
    Ok(bytes)
}

fn position(path: &Path, text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    Position {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

fn quotable(key: &str) -> String {
    if key.chars().count() <= LONGEST_KEY { key.to_owned() } else { String::from("...") }
}

fn content(value: &DeValue<'_>) -> Content {
    if value.is_table() {
        return Content::Section;
    }
    let content = match value.as_array() {
        Some(items) => {
            let scalars: Option<Vec<_>> = items.iter().map(|item| scalar(item.get_ref())).collect();
            scalars.map(Content::Many)
        }
        None => scalar(value).map(Content::One),
    };
    content.unwrap_or(Content::Other)
}

/// A value as it would be typed.
fn scalar(value: &DeValue<'_>) -> Option<Scalar> {
    let (text, may_be_switch) = match value {
        DeValue::String(text) => (text.clone().into_owned(), true),
        DeValue::Integer(number) => {
            let digits = number.as_str();
            let number = i128::from_str_radix(digits, number.radix());
            (number.map_or_else(|_| digits.to_owned(), |number| number.to_string()), true)
        }
        DeValue::Float(number) => (number.as_str().to_owned(), false),
        DeValue::Boolean(switch) => (switch.to_string(), true),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => return None,
    };
    Some(Scalar { text, may_be_switch })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Entry>, ConfigError> {
        ConfigFile::parse(text.as_bytes(), Path::new("onboard.toml")).map(|file| file.entries)
    }

    #[test]
    fn keys_have_a_position_and_values_are_as_typed() {
        let text =
            "\u{FEFF}# settings\r\nrate = '5/s'\r\n  retries = 0x10\nprune = true\ncolumn = ['a=b', 'c=d']\n";
        let entries = parse(text).unwrap();
        let shown: Vec<_> = entries.iter().map(|entry| format!("{} {}", entry.at, entry.key)).collect();
        let expected = [
            "onboard.toml:2:1 rate",
            "onboard.toml:3:3 retries",
            "onboard.toml:4:1 prune",
            "onboard.toml:5:1 column",
        ];
        assert_eq!(shown, expected);
        let one = |text: &str| Content::One(Scalar { text: text.to_owned(), may_be_switch: true });
        assert_eq!(entries[0].value, one("5/s"));
        assert_eq!(entries[1].value, one("16"));
        assert_eq!(entries[2].value, one("true"));
        assert!(matches!(&entries[3].value, Content::Many(items) if items.len() == 2));
        for other in ["a = 2026-01-01", "a = [[1]]"] {
            assert_eq!(parse(other).unwrap()[0].value, Content::Other, "{other}");
        }
        for section in ["a = {b = 1}", "[a]\nb = 1", "a.b = 1"] {
            assert_eq!(parse(section).unwrap()[0].value, Content::Section, "{section}");
        }
    }

    #[test]
    fn a_target_has_keys_of_its_own() {
        let text =
            "rate = '5/s'\n[targets.prod]\nurl = 'a'\ntargets = 1\n[targets.\"test 1\"]\nx = { y = 1 }\n";
        let file = ConfigFile::parse(text.as_bytes(), Path::new("s.toml")).unwrap();
        assert_eq!(file.entries.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), ["rate"]);
        let targets: Vec<_> = file.targets.iter().map(|target| target.name.as_str()).collect();
        assert_eq!(targets, ["prod", "test 1"]);
        let at: Vec<_> = file.targets[0].entries.iter().map(|entry| entry.at.to_string()).collect();
        assert_eq!(at, ["s.toml:3:1", "s.toml:4:1"]);
        assert_eq!(file.targets[1].entries[0].value, Content::Section);
        for (text, at) in [("targets = 1", "s.toml:1:11"), ("\n[targets]\n a = 1", "s.toml:3:2")] {
            let error = ConfigFile::parse(text.as_bytes(), Path::new("s.toml")).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{at}: expected a table")), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_no_toml_is_described_by_position_and_never_by_its_text() {
        for (text, at) in [
            ("HOUSTON_API_TOKEN=hush.hush.hush\n", "onboard.toml:1:19: not TOML: "),
            ("# x\nexport TOKEN=hush\n", "onboard.toml:2:"),
            ("token: hush\n", "onboard.toml:1:"),
            ("hush", "onboard.toml:1:"),
            ("a = 1\nurl = \"hush\n", "onboard.toml:2:"),
            ("hush = 'x'\nhush = 'y'\n", "onboard.toml:2:1: not TOML: duplicate key"),
            ("a = hush\r\n", "onboard.toml:1:5: not TOML: "),
            ("{\"token\": \"hush\"}", "onboard.toml:1:1: not TOML: "),
            ("a = \"\\hush\"", "onboard.toml:1:"),
        ] {
            let error = parse(text).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.starts_with(at), "{text:?}: {shown}");
            assert!(!shown.contains("hush"), "{shown}");
        }
        let error = ConfigFile::parse(b"a = 1\nb = '\xFFhush'", Path::new("s.toml")).unwrap_err();
        assert_eq!(error.to_string(), "s.toml:2:6: not UTF-8");
        assert_eq!(parse("aTextThatIsMuchTooLongToBeTheNameOfAnyFlag = 1").unwrap()[0].key, "...");
    }

    #[test]
    fn only_a_regular_file_of_limited_size_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |path: &Path| ConfigFile::read(path).unwrap_err();
        assert_eq!(refused(Path::new(" ")).to_string(), "cannot read the settings in ` `");
        assert!(matches!(refused(folder.path()), ConfigError::NotRegular(_)));
        assert!(matches!(refused(&folder.path().join("none")), ConfigError::Read { .. }));
        #[cfg(unix)]
        assert!(matches!(refused(Path::new("/dev/zero")), ConfigError::NotRegular(_)));
        let large = folder.path().join("large.toml");
        File::create(&large).unwrap().set_len(MAX_FILE + 1).unwrap();
        assert!(matches!(refused(&large), ConfigError::TooLarge(_)));
    }
}
