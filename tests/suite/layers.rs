//! The import table of the design, held against the source: who may use whom, no circles between the
//! files of a module, and a few words that do not belong there.
//!
//! The source is parsed with `syn`; code of `#[cfg(test)]` does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, File, Item, UseTree};

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

/// Files of one module that use each other in a circle today. The list may only shrink; the two of the
/// sandbox may stay.
const KNOWN_CIRCLES: &[&[&str]] = &[
    &["sandbox::export", "sandbox::state", "sandbox::table", "sandbox::text"],
    &[
        "sandbox::accounts",
        "sandbox::deployments",
        "sandbox::installation",
        "sandbox::membership",
        "sandbox::mutations",
        "sandbox::queries",
        "sandbox::resolve",
        "sandbox::teams",
        "sandbox::workspaces",
    ],
];

/// A module by its path below the crate's root: `["engine", "worker"]`.
type Module = Vec<String>;

/// A file of `src/`, parsed.
struct Source {
    path: PathBuf,
    module: Module,
    /// Every path of ours that it uses, from the crate's root.
    uses: BTreeSet<Module>,
    /// Every path as it is written, and every macro's name with a `!`.
    words: BTreeSet<String>,
}

/// The files of `src/` outside of tests.
fn sources() -> &'static [Source] {
    static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(read_sources);
    &SOURCES
}

fn read_sources() -> Vec<Source> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&src, &mut paths);
    assert!(paths.len() > 50, "{} files", paths.len());
    let mut tests = Vec::new();
    let mut sources = Vec::new();
    for path in paths {
        let parsed = syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
        let below = path.strip_prefix(&src).unwrap().to_owned();
        let module = module_of(&below);
        tests.extend(test_modules(&parsed).into_iter().map(|name| child(&module, &name)));
        sources.push(read(below, module, &parsed));
    }
    // `#[cfg(test)] mod tests;` makes a file, and all below it, one of the tests.
    sources.retain(|source| !tests.iter().any(|test| source.module.starts_with(test)));
    sources
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

/// The module that a file is: `engine/mod.rs` is `engine`, `lib.rs` is the root.
fn module_of(path: &Path) -> Module {
    let module = match path.file_stem().and_then(|stem| stem.to_str()) {
        Some("mod" | "lib" | "main") => path.parent().unwrap().to_owned(),
        _ => path.with_extension(""),
    };
    module.components().map(|part| part.as_os_str().to_str().unwrap().to_owned()).collect()
}

fn child(module: &[String], name: &str) -> Module {
    [module, &[name.to_owned()]].concat()
}

/// The modules that exist only for tests.
fn test_modules(file: &File) -> Vec<String> {
    let modules =
        file.items.iter().filter_map(|item| if let Item::Mod(module) = item { Some(module) } else { None });
    let of_tests = modules.filter(|module| module.content.is_none() && is_for_tests(&module.attrs));
    of_tests.map(|module| module.ident.to_string()).collect()
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

fn read(path: PathBuf, module: Module, file: &File) -> Source {
    let mut reader = Reader { module: module.clone(), uses: BTreeSet::new(), words: BTreeSet::new() };
    reader.visit_file(file);
    Source { path, module, uses: reader.uses, words: reader.words }
}

/// Walks over a file and notes the paths in it.
struct Reader {
    /// The module that the walk is in.
    module: Module,
    uses: BTreeSet<Module>,
    words: BTreeSet<String>,
}

impl Reader {
    fn note(&mut self, path: &[String]) {
        self.words.insert(path.join("::"));
        let own = |up: usize| self.module[..self.module.len().saturating_sub(up)].to_vec();
        let ups = path.iter().take_while(|part| *part == "super").count();
        let used = match path.first().map(String::as_str) {
            Some("crate" | "houston_onboard") => path[1..].to_vec(),
            Some("self") => [&self.module, &path[1..]].concat(),
            Some("super") => [own(ups).as_slice(), &path[ups..]].concat(),
            _ => return,
        };
        // `pub(crate)` is a path, too.
        if !used.is_empty() {
            self.uses.insert(used);
        }
    }

    fn note_tree(&mut self, prefix: &[String], tree: &UseTree) {
        match tree {
            UseTree::Path(path) => self.note_tree(&child(prefix, &path.ident.to_string()), &path.tree),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.note_tree(prefix, tree)),
            UseTree::Name(name) if name.ident == "self" => self.note(prefix),
            UseTree::Name(name) => self.note(&child(prefix, &name.ident.to_string())),
            UseTree::Rename(name) => self.note(&child(prefix, &name.ident.to_string())),
            UseTree::Glob(_) => self.note(prefix),
        }
    }

    /// What is between the brackets of a macro is no syntax yet: paths are found word by word.
    fn note_tokens(&mut self, tokens: TokenStream) {
        let mut path = Module::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(word) if colons == 2 => path.push(word.to_string()),
                TokenTree::Ident(word) => {
                    self.note(&std::mem::replace(&mut path, vec![word.to_string()]));
                }
                TokenTree::Punct(sign) if sign.as_char() == ':' => {
                    colons += 1;
                    continue;
                }
                TokenTree::Group(group) => self.note_tokens(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => self.note(&std::mem::take(&mut path)),
            }
            colons = 0;
        }
        self.note(&path);
    }
}

impl<'a> Visit<'a> for Reader {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the enum of syn may grow")]
    fn visit_item(&mut self, item: &'a Item) {
        let attributes = match item {
            Item::Const(item) => &item.attrs,
            Item::Enum(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Macro(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Static(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            Item::Trait(item) => &item.attrs,
            Item::Type(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            other => return visit::visit_item(self, other),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'a syn::ItemMod) {
        self.module.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.module.pop();
    }

    fn visit_impl_item_fn(&mut self, function: &'a syn::ImplItemFn) {
        if !is_for_tests(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_use(&mut self, item: &'a syn::ItemUse) {
        self.note_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let path_words: Module = path.segments.iter().map(|part| part.ident.to_string()).collect();
        self.note(&path_words);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'a syn::Macro) {
        if let Some(name) = call.path.segments.last() {
            self.words.insert(format!("{}!", name.ident));
        }
        self.note_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

fn is_allowed(module: &str, path: &[String]) -> bool {
    let used = path.first().map_or("", String::as_str);
    if used == module {
        return true;
    }
    match MAY_USE.iter().find(|(name, _)| *name == module) {
        Some((_, allowed)) => allowed.contains(&used),
        None => module == "cli" || (module.is_empty() && used == "cli"),
    }
}

#[test]
fn every_module_uses_only_what_the_design_allows() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for source in sources() {
        let module = source.module.first().cloned().unwrap_or_default();
        for used in &source.uses {
            seen.insert((module.clone(), used.first().cloned().unwrap_or_default()));
            if !is_allowed(&module, used) {
                wrong.push(format!("{} uses {}", source.path.display(), used.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // The reading of the source works: these uses are the bones of the program.
    for (module, used) in [
        ("", "cli"),
        ("cli", "ops"),
        ("ops", "engine"),
        ("engine", "houston"),
        ("present", "plan"),
        ("report", "record"),
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

/// The files that each file uses, but for those above it.
fn imports(sources: &[Source]) -> BTreeMap<Module, BTreeSet<Module>> {
    let files: BTreeSet<&Module> = sources.iter().map(|source| &source.module).collect();
    let file_of =
        |path: &Module| (1..=path.len()).rev().map(|end| path[..end].to_vec()).find(|m| files.contains(m));
    let used = |source: &Source| {
        let files = source.uses.iter().filter_map(file_of);
        files.filter(|file| !source.module.starts_with(file)).collect()
    };
    sources.iter().map(|source| (source.module.clone(), used(source))).collect()
}

/// Everything that can be reached from a file.
fn reachable(imports: &BTreeMap<Module, BTreeSet<Module>>, from: &Module) -> BTreeSet<Module> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        open.extend(imports[file].iter().filter(|next| found.insert((*next).clone())));
    }
    found
}

/// The groups of files in which each uses all others, if through some of them.
fn circles(sources: &[Source]) -> BTreeSet<BTreeSet<String>> {
    let imports = imports(sources);
    let reach: BTreeMap<&Module, _> = imports.keys().map(|file| (file, reachable(&imports, file))).collect();
    let circle = |file: &Module| {
        let both = reach[file].iter().filter(|other| reach[*other].contains(file));
        both.map(|file| file.join("::")).collect::<BTreeSet<_>>()
    };
    imports.keys().map(circle).filter(|circle| !circle.is_empty()).collect()
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let known = |circle: &&[&str]| circle.iter().map(|file| (*file).to_owned()).collect();
    let known: BTreeSet<BTreeSet<String>> = KNOWN_CIRCLES.iter().map(known).collect();
    assert_eq!(circles(sources()), known);
}

#[test]
fn a_circle_is_found() {
    let file = |module: &str, uses: &str| {
        let parsed = syn::parse_str(uses).unwrap();
        let module: Module = module.split("::").map(str::to_owned).collect();
        read(PathBuf::new(), module, &parsed)
    };
    let sources = [
        file("a", "mod b; mod c; mod d; use self::b::f;"),
        file("a::b", "use super::c::{self, X}; use super::Y;"),
        file("a::c", "fn f() { vec![super::d::g()]; }"),
        file("a::d", "#[cfg(test)] mod tests { use crate::a; } fn g() -> super::b::Z { 1 }"),
        file("a::e", "use super::d;"),
    ];
    let found = circles(&sources);
    assert_eq!(found, [BTreeSet::from(["a::b", "a::c", "a::d"].map(str::to_owned))].into());
}

#[test]
fn one_place_waits() {
    for source in sources() {
        let has = |end: &str| source.words.iter().any(|word| word.ends_with(end));
        let path = source.path.display();
        // The sandbox plays the other side; its waits are those of its own runtime.
        if source.module != ["time"] {
            assert!(!has("thread::sleep") && !has("park_timeout"), "{path} sleeps");
        }
        assert!(!has("time::sleep") || source.module[0] == "sandbox", "{path} sleeps");
    }
}

#[test]
fn nothing_is_printed_past_the_command_line_and_nothing_is_left_to_do() {
    for source in sources() {
        for banned in ["print", "println", "eprint", "eprintln", "dbg", "todo", "unimplemented"] {
            assert!(!source.words.contains(&format!("{banned}!")), "{} has {banned}!", source.path.display());
        }
    }
}

#[test]
fn what_a_command_does_sees_no_flag_and_prints_nothing() {
    for source in sources().iter().filter(|source| source.module.first().is_some_and(|name| name == "ops")) {
        let is_banned = |word: &&String| {
            word.split("::").any(|part| ["clap", "anstream", "stdout", "stderr"].contains(&part))
        };
        let found: Vec<_> = source.words.iter().filter(is_banned).collect();
        assert!(found.is_empty(), "{} uses {found:?}", source.path.display());
    }
}

#[test]
fn every_code_with_its_advice_is_one_that_the_program_emits() {
    // These read codes and make none.
    let readers = ["outcome", "report", "record/saved_plan.rs", "sandbox"];
    let makes = |source: &&Source| !readers.iter().any(|reader| source.path.starts_with(reader));
    let words = sources().iter().filter(makes).flat_map(|source| &source.words);
    let made: BTreeSet<&str> = words.filter_map(|word| word.strip_prefix("Code::")).collect();
    let unused: Vec<String> = (houston_onboard::outcome::Code::KNOWN.iter())
        .map(|code| format!("{code:?}"))
        .filter(|name| !made.contains(name.as_str()))
        .collect();
    assert!(unused.is_empty(), "nothing emits {unused:?}");
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
        fn h() { super::super::sandbox::start(); super::near(); println!("{}", crate::files::open(1)) }
    "##;
    let parsed = syn::parse_file(source).unwrap();
    assert_eq!(test_modules(&parsed), ["more"]);
    let found = read(PathBuf::new(), module_of(Path::new("houston/http.rs")), &parsed);
    let expected = [
        "engine",
        "files::open",
        "houston::near",
        "model",
        "model::Email",
        "plan::decide",
        "sandbox::start",
        "time::Clock",
    ];
    let uses: Vec<String> = found.uses.iter().map(|path| path.join("::")).collect();
    assert_eq!(uses, expected);
    assert!(found.words.contains("println!"));
}
