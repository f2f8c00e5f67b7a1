//! Arrows never turn back: which module may know which, as the map at the top of `src/lib.rs` says. What tests inside `src` use counts as well.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module and those that it may know beside itself. The command line and the tests may know all.
const MAY_KNOW: [(&str, &[&str]); 17] = [
    ("consent", &[]),
    ("secret", &[]),
    ("world", &[]),
    ("panics", &[]),
    ("link", &["consent", "secret", "world"]),
    ("entra", &["consent", "secret", "world"]),
    ("verify", &["consent", "entra", "secret", "world"]),
    ("config", &["consent", "entra", "secret"]),
    ("record", &["config", "consent", "link", "world"]),
    ("telemetry", &[]),
    ("outbox", &["consent", "record"]),
    ("site", &["aws", "config", "consent", "entra", "link", "outbox", "record", "secret", "verify", "world"]),
    ("expiry", &["config", "consent", "record", "site"]),
    ("approval", &["config", "consent", "link", "outbox", "panics", "record", "site", "verify", "world"]),
    ("web", &["approval", "config", "consent", "link", "record", "site", "world"]),
    ("aws", &["config", "consent", "outbox", "secret", "world"]),
    (FRONT, &["approval", "config", "consent", "panics", "site", "web"]),
];

/// Of `aws`, what Lambda calls. It stands above the site; the clients, which the site is made of, stand below.
const FRONT: &str = "aws front";
const FRONT_FILES: [&str; 4] = ["aws/batch.rs", "aws/event.rs", "aws/event/", "aws/lambda.rs"];

fn module_of(place: &str) -> &str {
    if FRONT_FILES.iter().any(|file| place.starts_with(file)) { FRONT } else { place.split('/').next().unwrap().trim_end_matches(".rs") }
}

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

/// The modules that a line of code names.
fn named(line: &str) -> Vec<&str> {
    let is_of_name = |c: char| c.is_alphanumeric() || c == '_';
    let code = line.split("//").next().unwrap_or_default();
    let name = |path: &str| path.find(|c| !is_of_name(c)).unwrap_or(path.len());
    let mut names = Vec::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => names.push(&rest[..name(rest)]),
            Some(list) => {
                let (list, _) = list.split_once('}').unwrap_or_else(|| panic!("a list over several lines: {line}"));
                names.extend(list.split(',').map(str::trim).map(|path| &path[..name(path)]));
            }
        }
    }
    names
}

#[test]
fn no_module_knows_one_that_builds_on_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let may_know: BTreeMap<_, BTreeSet<_>> = MAY_KNOW.iter().map(|(module, known)| (*module, known.iter().copied().collect())).collect();
    let mut paths = Vec::new();
    sources(&src, &mut paths);
    let mut seen = BTreeMap::<String, BTreeSet<String>>::new();
    for path in paths {
        let place = path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
        let module = module_of(&place);
        if ["bin", "cli", "lib"].contains(&module) {
            continue;
        }
        let known = may_know.get(module).unwrap_or_else(|| panic!("{module} is not in the map"));
        for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            for other in named(line).into_iter().filter(|other| *other != module) {
                assert!(known.contains(other), "{place}:{}: {module} may not know {other}: {line}", number + 1);
                seen.entry(module.to_owned()).or_default().insert(other.to_owned());
            }
        }
    }
    for (module, known) in may_know {
        let used = seen.get(module).cloned().unwrap_or_default();
        assert_eq!(used.iter().map(String::as_str).collect::<BTreeSet<_>>(), known, "{module} does not use what it may know");
    }
}

#[test]
fn approval_knows_no_http_type() {
    let mut paths = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/approval"), &mut paths);
    assert!(!paths.is_empty());
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("http::") && !text.contains("aws_"), "{}", path.display());
    }
}
