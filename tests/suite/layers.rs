//! The import table of the design, held against the source; and some words that do not belong
//! there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each module may use of ours; `cli` may use everything.
const MAY_USE: [(&str, &[&str]); 14] = [
    ("files", &[]),
    ("model", &[]),
    ("time", &[]),
    ("outcome", &["model"]),
    ("roster", &["files", "model", "outcome"]),
    ("plan", &["model", "outcome"]),
    ("houston", &["files", "model", "time", "outcome"]),
    ("present", &["model", "outcome", "time", "houston", "plan"]),
    ("event", &["model", "outcome", "plan"]),
    ("record", &["files", "model", "outcome", "event", "roster", "plan"]),
    ("engine", &["model", "time", "outcome", "event", "plan", "houston", "present", "record"]),
    ("report", &["files", "model", "outcome", "event", "plan", "roster", "record"]),
    (
        "ops",
        &[
            "files", "model", "time", "outcome", "roster", "plan", "houston", "present", "event", "record",
            "engine", "report", "sandbox",
        ],
    ),
    // The opening of files is no part of the client.
    ("sandbox", &["files"]),
];

/// The files of `src/` outside of tests: path below `src/`, source without comments, texts and
/// test modules.
fn sources() -> Vec<(PathBuf, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&src, &mut files);
    assert!(files.len() > 50, "{} files", files.len());
    let mut read: Vec<_> = files
        .iter()
        .map(|path| {
            let below = path.strip_prefix(&src).unwrap().to_owned();
            (below, code_of(&fs::read_to_string(path).unwrap()))
        })
        .collect();
    let mut tests = Vec::new();
    for (path, code) in &mut read {
        let (rest, modules) = without_tests(code);
        *code = rest;
        tests.extend(modules.into_iter().map(|module| folder_of(path).join(module)));
    }
    // `#[cfg(test)] mod tests;` makes a file, and all below it, one of the tests.
    read.retain(|(path, _)| {
        let module = module_path(path);
        !tests.iter().any(|test| module.starts_with(test))
    });
    read
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The module a file is, as a path: `engine/mod.rs` is `engine`, `lib.rs` is the root.
fn module_path(path: &Path) -> PathBuf {
    match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("mod" | "lib" | "main") => path.parent().unwrap().to_owned(),
        _ => path.with_extension(""),
    }
}

/// Where the modules that a file declares are.
fn folder_of(path: &Path) -> PathBuf {
    module_path(path)
}

/// The source with comments and the insides of texts blanked out.
fn code_of(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut code = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match chars[at] {
            '/' if chars.get(at + 1) == Some(&'/') => line_end(&chars, at),
            '/' if chars.get(at + 1) == Some(&'*') => comment_end(&chars, at),
            'r' if !follows_name(&chars, at) => raw_end(&chars, at + 1).unwrap_or(at),
            '"' => text_end(&chars, at),
            '\'' => char_end(&chars, at).unwrap_or(at),
            _ => at,
        };
        if end > at {
            code.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        } else {
            code.push(chars[at]);
            at += 1;
        }
    }
    code
}

fn line_end(chars: &[char], at: usize) -> usize {
    (at..chars.len()).find(|&place| chars[place] == '\n').unwrap_or(chars.len())
}

fn comment_end(chars: &[char], at: usize) -> usize {
    let (mut depth, mut place) = (0, at);
    while place + 1 < chars.len() {
        match (chars[place], chars[place + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                place += 1;
                continue;
            }
        }
        place += 2;
        if depth == 0 {
            return place;
        }
    }
    chars.len()
}

fn follows_name(chars: &[char], at: usize) -> bool {
    at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_') && chars[at - 1] != 'b'
}

/// The end of a raw text whose marks begin here; none if none begins.
fn raw_end(chars: &[char], at: usize) -> Option<usize> {
    let marks = chars[at..].iter().take_while(|c| **c == '#').count();
    if chars.get(at + marks) != Some(&'"') {
        return None;
    }
    let closes = |place: &usize| {
        chars[*place] == '"' && chars[*place + 1..].iter().take(marks).filter(|c| **c == '#').count() == marks
    };
    let end = (at + marks + 1..chars.len()).find(closes)?;
    Some(end + 1 + marks)
}

fn text_end(chars: &[char], at: usize) -> usize {
    let mut place = at + 1;
    while place < chars.len() && chars[place] != '"' {
        place += if chars[place] == '\\' { 2 } else { 1 };
    }
    (place + 1).min(chars.len())
}

/// The end of a character; none for a lifetime.
fn char_end(chars: &[char], at: usize) -> Option<usize> {
    if chars.get(at + 1) == Some(&'\\') {
        return (at + 3..chars.len()).find(|&place| chars[place] == '\'').map(|place| place + 1);
    }
    (chars.get(at + 2) == Some(&'\'')).then_some(at + 3)
}

/// The code without what is for tests only, and the names of such modules in files of their own.
fn without_tests(code: &str) -> (String, Vec<String>) {
    const MARK: &str = "#[cfg(test)]";
    let (mut rest, mut modules, mut left) = (String::new(), Vec::new(), code);
    while let Some(at) = left.find(MARK) {
        rest.push_str(&left[..at]);
        let item = &left[at + MARK.len()..];
        let end = item_end(item);
        let words: Vec<&str> = item[..end].trim_end_matches(';').split_whitespace().collect();
        if let Some(place) = words.iter().position(|word| *word == "mod")
            && item[..end].ends_with(';')
        {
            modules.push(words[place + 1].to_owned());
        }
        left = &item[end..];
    }
    rest.push_str(left);
    (rest, modules)
}

/// The end of the item that begins here: its semicolon, or the brace that closes its first one.
fn item_end(item: &str) -> usize {
    let mut depth = 0_u32;
    for (at, c) in item.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    item.len()
}

/// A word or a mark of the code.
fn tokens(code: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut tokens = Vec::new();
    let mut left = code.trim_start();
    while let Some(first) = left.chars().next() {
        let length = if is_word(first) {
            left.find(|c| !is_word(c)).unwrap_or(left.len())
        } else if left.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        tokens.push(&left[..length]);
        left = left[length..].trim_start();
    }
    tokens
}

/// What a file uses of ours: every path from the root of the crate, also through `super`.
fn uses(path: &Path, code: &str) -> BTreeSet<String> {
    let depth = module_path(path).components().count();
    let tokens = tokens(code);
    let mut found = BTreeSet::new();
    for at in 0..tokens.len() {
        let begins = at == 0 || tokens[at - 1] != "::";
        let mut from = at + 1;
        let is_root = match tokens[at] {
            "crate" | "houston_onboard" => begins && tokens.get(at + 1) == Some(&"::"),
            "super" if begins => {
                let mut steps = 1;
                while tokens.get(from) == Some(&"::") && tokens.get(from + 1) == Some(&"super") {
                    (steps, from) = (steps + 1, from + 2);
                }
                steps >= depth && tokens.get(from) == Some(&"::")
            }
            _ => false,
        };
        if is_root && tokens[at.saturating_sub(1)] != "$" {
            follow(&tokens, from + 1, "", &mut found);
        }
    }
    found
}

/// Follows a tree of paths that begins here; says where it ends.
fn follow(tokens: &[&str], mut at: usize, prefix: &str, found: &mut BTreeSet<String>) -> usize {
    let mut path = prefix.to_owned();
    loop {
        match tokens.get(at) {
            Some(&"{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| *token != "}") {
                    at = match tokens[at] {
                        "," => at + 1,
                        _ => follow(tokens, at, &path, found),
                    };
                }
                return at + 1;
            }
            Some(word) => {
                if *word != "self" && *word != "*" {
                    path = if path.is_empty() { (*word).to_owned() } else { format!("{path}::{word}") };
                }
                at += 1;
            }
            None => return at,
        }
        if tokens.get(at) != Some(&"::") {
            found.insert(path);
            return if tokens.get(at) == Some(&"as") { at + 2 } else { at };
        }
        at += 1;
    }
}

fn is_allowed(module: &str, path: &str) -> bool {
    let below = |allowed: &str| {
        path.strip_prefix(allowed).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    if below(module) {
        return true;
    }
    match MAY_USE.iter().find(|(name, _)| *name == module) {
        Some((_, allowed)) => allowed.iter().any(|allowed| below(allowed)),
        None => module == "cli" || (module.is_empty() && below("cli")),
    }
}

#[test]
fn every_module_uses_only_what_the_design_allows() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, code) in sources() {
        let module = module_path(&path);
        let module = module
            .components()
            .next()
            .map_or(String::new(), |first| first.as_os_str().to_string_lossy().into_owned());
        for used in uses(&path, &code) {
            seen.insert((module.clone(), used.split("::").next().unwrap().to_owned()));
            if !is_allowed(&module, &used) {
                wrong.push(format!("{} uses {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // The reading of the source works: these uses are the bones of the program.
    for (module, used) in [
        ("", "cli"),
        ("cli", "engine"),
        ("engine", "houston"),
        ("present", "plan"),
        ("report", "record"),
        ("ops", "engine"),
        ("roster", "model"),
    ] {
        assert!(seen.contains(&(module.to_owned(), used.to_owned())), "{module} uses {used}");
    }
}

#[test]
fn every_module_of_the_table_exists() {
    for (module, _) in MAY_USE {
        let at = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(module);
        assert!(at.is_dir() || at.with_extension("rs").is_file(), "{module}");
    }
}

#[test]
fn one_place_waits() {
    for (path, code) in sources() {
        let flat = tokens(&code).concat();
        // The sandbox plays the other side; its waits are those of its own runtime.
        if path != Path::new("time.rs") {
            assert!(!flat.contains("thread::sleep"), "{} sleeps", path.display());
            assert!(!flat.contains("park_timeout"), "{} sleeps", path.display());
        }
        if flat.contains("time::sleep") {
            assert!(path.starts_with("sandbox"), "{} sleeps", path.display());
        }
    }
}

#[test]
fn nothing_is_printed_past_the_command_line_and_nothing_is_left_to_do() {
    for (path, code) in sources() {
        let tokens = tokens(&code);
        for pair in tokens.windows(2) {
            let name = pair[0];
            let banned = ["print", "println", "eprint", "eprintln", "dbg", "todo", "unimplemented"];
            assert!(!(pair[1] == "!" && banned.contains(&name)), "{} has {name}!", path.display());
        }
    }
}

#[test]
fn nothing_at_the_top_level_but_what_belongs_there() {
    const NAMES: [&str; 9] = [
        "Cargo.toml",
        "Cargo.lock",
        "src",
        "samples",
        "tests",
        "benches",
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
    ];
    // What building and a first run leave behind.
    const IGNORED: [&str; 2] = ["target", "onboard-runs"];
    for entry in fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let known = NAMES.contains(&name.as_str()) || IGNORED.contains(&name.as_str());
        assert!(known || name.starts_with('.'), "{name} does not belong at the top level");
    }
}

#[test]
fn the_reading_of_the_source_is_not_fooled() {
    let source = r##"
        // use crate::cli;
        /* use /* nested */ crate::cli; */
        use crate::{model::{Email, self}, time::Clock as C, engine::*};
        const TEXT: &str = "crate::cli"; const RAW: &str = r#"crate::report "quoted" "#;
        fn f<'a>(c: char) -> bool { c == '"' || c == '\'' || crate::plan::decide(c) }
        #[cfg(test)]
        #[allow(x)]
        mod tests { use crate::cli; fn g() { crate::roster::x(); } }
        #[cfg(test)]
        mod more;
        fn h() { super::super::sandbox::start(); super::near() }
    "##;
    let (code, modules) = without_tests(&code_of(source));
    assert_eq!(modules, ["more"]);
    let found = uses(Path::new("houston/http.rs"), &code);
    let expected = ["engine", "model", "model::Email", "plan::decide", "sandbox::start", "time::Clock"]
        .map(str::to_owned);
    assert_eq!(found, BTreeSet::from(expected));
}
