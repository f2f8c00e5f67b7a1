//! Arrows never turn back: each room may use only the rooms that the map at the top of `src/lib.rs` allows. Tests inside `src` count as
//! well. Files of one room also use each other in one direction, except for the [`CIRCLES`]. Between files, tests do not count.
//!
//! The test reads the sources as tokens. A path counts if it starts with `crate`, `self`, `super` or a submodule, in a `use` or in code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A room and the other rooms that it may use. The command line and the tests may use all.
const MAY_KNOW: [(&str, &[&str]); 20] = [
    ("consent", &[]),
    ("secret", &[]),
    ("env", &[]),
    ("panics", &[]),
    ("sync", &[]),
    ("file", &[]),
    ("token", &["consent", "env", "secret"]),
    ("entra", &["consent", "env", "secret", "sync"]),
    ("config", &["consent", "entra", "secret"]),
    ("record", &["config", "consent", "env", "sync", "token"]),
    ("telemetry", &[]),
    ("texts", &["consent"]),
    ("outbox", &["consent", "record"]),
    ("aws", &["config", "consent", "env", "outbox", "secret", "sync"]),
    ("installation", &["aws", "config", "consent", "entra", "env", "outbox", "record", "secret", "sync", "token"]),
    ("expiry", &["config", "consent", "env", "installation", "record"]),
    ("approval", &["config", "consent", "entra", "env", "installation", "outbox", "panics", "record", "token"]),
    ("web", &["approval", "config", "consent", "env", "installation", "record", "texts", "token"]),
    ("lambda", &["approval", "config", "consent", "installation", "panics", "record", "web"]),
    ("serve", &["approval", "config", "consent", "entra", "env", "file", "installation", "outbox", "record", "secret", "sync", "web"]),
];

fn room_of(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// Circles between the files of one room that are still allowed. Add none.
const CIRCLES: &[&[&str]] = &[];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// A path from the crate's root, without `crate`, such as `["web", "pages"]`.
type Segments = Vec<String>;

/// A path that a file names.
struct Named {
    path: Segments,
    in_test: bool,
}

/// The word of a token; empty for a group.
fn word(token: Option<&TokenTree>) -> String {
    token.filter(|token| !matches!(token, TokenTree::Group(_))).map(ToString::to_string).unwrap_or_default()
}

/// The sources of one crate.
#[derive(Default)]
struct Sources {
    /// The file of each module, as a path below the folder of sources.
    files: BTreeMap<Segments, String>,
    named: BTreeMap<String, Vec<Named>>,
    /// For each module and each name that it imports, the imported path. A path continues through these, so that a re-export leads to the
    /// file behind it.
    imports: BTreeMap<Segments, Segments>,
    /// Modules that are compiled only for tests.
    tests: BTreeSet<Segments>,
}

impl Sources {
    fn read(folder: &Path) -> Self {
        let mut paths = Vec::new();
        sources(folder, &mut paths);
        let file = |path: &Path| path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        Self::of(paths.iter().map(|path| (file(path), fs::read_to_string(path).unwrap())))
    }

    fn of(texts: impl Iterator<Item = (String, String)>) -> Self {
        let module =
            |file: &str| file.trim_end_matches(".rs").split('/').filter(|part| !["lib", "mod"].contains(part)).map(str::to_owned).collect();
        let texts: Vec<(Segments, String, String)> = texts.map(|(file, text)| (module(&file), file, text)).collect();
        let files = texts.iter().map(|(module, file, _)| (module.clone(), file.clone())).collect();
        let mut sources = Self { files, ..Self::default() };
        for (module, file, text) in texts {
            sources.named.insert(file.clone(), Vec::new());
            sources.walk(&file, &module, text.parse().unwrap(), false);
        }
        sources
    }

    /// Notes each path in the code of a module. The module is a file, or a block in a file.
    fn walk(&mut self, file: &str, module: &[String], code: TokenStream, in_test: bool) {
        let tokens: Vec<TokenTree> = code.into_iter().collect();
        let mut item_is_test = in_test;
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let before = word(at.checked_sub(1).and_then(|before| tokens.get(before)));
            at += 1;
            match token {
                TokenTree::Group(group) => {
                    let attribute = before == "#";
                    item_is_test |= attribute && group.to_string().replace(' ', "") == "[cfg(test)]";
                    self.walk(file, module, group.stream(), item_is_test);
                    if group.delimiter() == Delimiter::Brace {
                        item_is_test = in_test;
                    }
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => item_is_test = in_test,
                TokenTree::Ident(name) if name == "mod" => {
                    let inner = [module, &[word(tokens.get(at))]].concat();
                    if item_is_test {
                        self.tests.insert(inner.clone());
                    }
                    if let Some(TokenTree::Group(block)) = tokens.get(at + 1) {
                        self.walk(file, &inner, block.stream(), item_is_test);
                        item_is_test = in_test;
                        at += 2;
                    }
                }
                // `use<'a>` in a type names no path.
                TokenTree::Ident(name) if name == "use" && word(tokens.get(at)) != "<" => {
                    let end = (at..tokens.len()).find(|end| word(tokens.get(*end)) == ";").unwrap();
                    self.import(file, module, &[], &tokens[at..end], item_is_test);
                    at = end;
                }
                TokenTree::Ident(name) if before != ":" => {
                    let mut path = vec![name.to_string()];
                    while let [TokenTree::Punct(one), TokenTree::Punct(two), TokenTree::Ident(next), ..] = &tokens[at..]
                        && (one.as_char(), two.as_char()) == (':', ':')
                    {
                        path.push(next.to_string());
                        at += 3;
                    }
                    if path.len() > 1 {
                        self.note(file, module, &path, item_is_test);
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }

    /// Notes the paths in a tree of a `use`. `above` is the path that leads to the tree.
    fn import(&mut self, file: &str, module: &[String], above: &[String], tree: &[TokenTree], in_test: bool) {
        let mut path = above.to_vec();
        let mut alias = None;
        for (at, token) in tree.iter().enumerate() {
            match token {
                TokenTree::Group(list) => {
                    let list: Vec<TokenTree> = list.stream().into_iter().collect();
                    for part in list.split(|token| word(Some(token)) == ",").filter(|part| !part.is_empty()) {
                        self.import(file, module, &path, part, in_test);
                    }
                    return;
                }
                TokenTree::Ident(name) if name == "as" => {
                    alias = Some(word(tree.get(at + 1)));
                    break;
                }
                // In a list, `self` means the path above the list.
                TokenTree::Ident(name) if name != "self" || path.is_empty() => path.push(name.to_string()),
                TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
        if let Some(path) = self.note(file, module, &path, in_test)
            && let Some(name) = alias.or_else(|| path.last().cloned())
        {
            self.imports.insert([module, &[name]].concat(), path);
        }
    }

    /// Notes a path if it leads into this crate. Returns the path from the crate's root.
    fn note(&mut self, file: &str, module: &[String], path: &[String], in_test: bool) -> Option<Segments> {
        let (first, rest) = path.split_first()?;
        let (mut absolute, mut rest) = match first.as_str() {
            "crate" => (Vec::new(), rest),
            "self" => (module.to_vec(), rest),
            "super" => (module.split_last()?.1.to_vec(), rest),
            _ if self.files.contains_key(&[module, &path[..1]].concat()) => (module.to_vec(), path),
            _ => return None,
        };
        while let Some((_, below)) = rest.split_first().filter(|(word, _)| *word == "super") {
            absolute.pop();
            rest = below;
        }
        absolute.extend_from_slice(rest);
        self.named.get_mut(file).unwrap().push(Named { path: absolute.clone(), in_test });
        Some(absolute)
    }

    /// The file that contains the item behind a path.
    fn file_of(&self, path: &[String]) -> &str {
        let mut path = path.to_vec();
        for _ in 0..16 {
            let known = (0..=path.len()).rev().find(|length| self.files.contains_key(&path[..*length])).unwrap();
            match path.get(..=known).and_then(|name| self.imports.get(name)) {
                Some(origin) => path = [origin, &path[known + 1..]].concat(),
                None => return &self.files[&path[..known]],
            }
        }
        panic!("{path:?} leads in a circle of re-exports");
    }

    /// For each file outside of tests, the files of its own room that it uses. A file's use of its own submodules does not count, because
    /// Rust's privacy lets the submodules use the file as well.
    fn neighbours(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let is_test = |module: &[String]| (0..=module.len()).any(|length| self.tests.contains(&module[..length]));
        let mut known = BTreeMap::<&str, BTreeSet<&str>>::new();
        for file in self.files.iter().filter(|(module, _)| !is_test(module)).map(|(_, file)| file.as_str()) {
            let below = file.strip_suffix("mod.rs").map_or_else(|| file.replace(".rs", "/"), str::to_owned);
            let others = self.named[file].iter().filter(|named| !named.in_test).map(|named| self.file_of(&named.path));
            known.insert(
                file,
                others.filter(|other| *other != file && room_of(other) == room_of(file) && !other.starts_with(&below)).collect(),
            );
        }
        known
    }
}

/// All nodes that a path leads to from this node.
fn reached<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = graph[from].iter().copied().collect();
    while let Some(node) = next.pop() {
        if reached.insert(node) {
            next.extend(graph.get(node).into_iter().flatten());
        }
    }
    reached
}

/// The largest sets of nodes in which each node leads to each other node.
fn circles<'a>(graph: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<BTreeSet<&'a str>> {
    let from: BTreeMap<&str, BTreeSet<&str>> = graph.keys().map(|node| (*node, reached(graph, node))).collect();
    let leads = |one: &str, two: &str| from.get(one).is_some_and(|reached| reached.contains(two));
    let on_circles = from.keys().copied().filter(|node| leads(node, node));
    on_circles.map(|node| from[node].iter().copied().filter(|other| leads(other, node)).collect()).collect()
}

#[test]
fn no_module_knows_one_that_builds_on_it() {
    let sources = Sources::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let may_know: BTreeMap<_, BTreeSet<_>> = MAY_KNOW.iter().map(|(module, known)| (*module, known.iter().copied().collect())).collect();
    assert_eq!(circles(&may_know), BTreeSet::new());
    let mut seen = BTreeMap::<&str, BTreeSet<&str>>::new();
    for (file, named) in &sources.named {
        let module = room_of(file);
        if ["bin", "cli", "lib"].contains(&module) {
            continue;
        }
        let known = may_know.get(module).unwrap_or_else(|| panic!("{module} is not in the map"));
        for path in named.iter().map(|named| &named.path) {
            let other = path.first().map_or("lib", String::as_str);
            if other != room_of(file) {
                assert!(known.contains(other), "{file}: {module} may not know {other}: {}", path.join("::"));
                seen.entry(module).or_default().insert(other);
            }
        }
    }
    for (module, known) in may_know {
        assert_eq!(seen.remove(module).unwrap_or_default(), known, "{module} does not use what it may know");
    }
}

#[test]
fn files_of_one_module_know_each_other_in_one_direction() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (folder, allowed) in [("src", CIRCLES), ("crates/sandbox/src", &[])] {
        let sources = Sources::read(&root.join(folder));
        let known = sources.neighbours();
        let found = circles(&known);
        let allowed = allowed.iter().map(|circle| circle.iter().copied().collect()).collect();
        let new: Vec<_> = found.difference(&allowed).collect();
        let gone: Vec<_> = allowed.difference(&found).collect();
        assert!(
            new.is_empty() && gone.is_empty(),
            "{folder}: circles that are not in the list: {new:#?}, listed ones that are gone: {gone:#?}"
        );
    }
}

#[test]
fn a_path_is_found_however_it_is_spelled() {
    let files = [
        ("lib.rs", "pub mod a; mod b;"),
        ("b.rs", "pub struct B;"),
        ("a/mod.rs", "mod one; mod two; #[cfg(test)] mod tests; pub use self::one::{One as First, inner::{self}}; pub struct Own;"),
        (
            "a/one.rs",
            "// crate::b::InAComment\nconst TEXT: &str = \"crate::b::B\"; fn f<'a>() -> impl use<'a> Fn() { log!({ super::two::f() }) }",
        ),
        (
            "a/two.rs",
            "use super::First;\npub fn f() {} mod deep { use super::super::Own; } #[cfg(test)] mod tests { use super::super::tests::x; }",
        ),
        ("a/tests.rs", "use crate::{b::B, a::{one, two}};"),
    ];
    let sources = Sources::of(files.into_iter().map(|(file, text)| (file.to_owned(), text.to_owned())));
    let named = |file: &str| sources.named[file].iter().map(|named| named.path.join("::")).collect::<Vec<_>>();
    assert_eq!(named("a/mod.rs"), ["a::one::One", "a::one::inner"]);
    assert_eq!(named("a/one.rs"), ["a::two::f"]);
    assert_eq!(named("a/two.rs"), ["a::First", "a::Own", "a::tests::x"]);
    assert_eq!(named("a/tests.rs"), ["b::B", "a::one", "a::two"]);
    let known = sources.neighbours();
    assert_eq!(known["a/two.rs"], BTreeSet::from(["a/mod.rs", "a/one.rs"]));
    assert_eq!(circles(&known), BTreeSet::from([BTreeSet::from(["a/one.rs", "a/two.rs"])]));
}

#[test]
fn approval_knows_no_http_type() {
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/approval")).unwrap();
    let texts: Vec<_> = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    assert!(!texts.is_empty() && texts.iter().all(|text| !text.contains("http::") && !text.contains("aws_")));
}

/// The word after `struct`, `enum`, `trait` or `type` at the start of a line; an associated type is indented.
fn defined_type(line: &str) -> Option<&str> {
    let line = match line.strip_prefix("pub") {
        Some(rest) => rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).map_or(rest, |(_, rest)| rest).trim_start(),
        None => line,
    };
    let rest = ["struct ", "enum ", "trait ", "type "].iter().find_map(|kind| line.strip_prefix(kind))?;
    rest.split(|c: char| !c.is_alphanumeric()).next()
}

#[test]
fn no_type_name_stands_for_two_things() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut homes = BTreeMap::<String, BTreeSet<PathBuf>>::new();
    for file in files.into_iter().filter(|file| !file.ends_with("tests.rs")) {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        for name in code.lines().filter_map(defined_type) {
            homes.entry(name.to_owned()).or_default().insert(file.clone());
        }
    }
    assert!(homes.len() > 300, "{} types were found", homes.len());
    homes.retain(|_, files| files.len() > 1);
    assert!(homes.is_empty(), "{homes:#?}");
}

/// Strings of `consent` that are no sentences for people: names in records, and lists of words that the rules read.
const NO_SENTENCES: [&str; 5] = [
    "any permission for all users",
    "operator_fault, of the credential",
    "operator_fault, once other versions of the credential were tried",
    "unknown resource",
    "unknown resource",
];

/// The strings in which a lower-case word follows another, outside tests. Attributes (the texts of errors) and assertions do not count.
fn sentences(code: TokenStream, found: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = code.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let before = |back| word(at.checked_sub(back).and_then(|before| tokens.get(before)));
        match token {
            TokenTree::Group(_)
                if before(1) == "#" || (before(1) == "!" && before(2) == "#") || (before(2) == "mod" && before(1) == "tests") => {}
            TokenTree::Group(_) if before(1) == "!" && ["assert", "panic"].contains(&&*before(2)) => {}
            // The table of the words with which names of permissions begin.
            TokenTree::Group(group) if before(1) == "&" && group.to_string().contains("mailboxconfigitem") => {}
            TokenTree::Group(group) => sentences(group.stream(), found),
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                let is_lower = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
                let words: Vec<&str> = text.split(' ').map(|word| word.trim_matches(['"', '.', ',', ':', ';'])).collect();
                if words.windows(2).any(|pair| pair.iter().all(|word| is_lower(word))) {
                    found.push(text.trim_matches('"').to_owned());
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}

#[test]
fn consent_has_no_sentence_for_people() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/consent"), &mut files);
    let mut found = Vec::new();
    for file in files {
        sentences(fs::read_to_string(file).unwrap().parse().unwrap(), &mut found);
    }
    found.sort_unstable();
    assert_eq!(found, NO_SENTENCES);
}
