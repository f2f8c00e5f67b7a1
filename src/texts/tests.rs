//! Tests of the whole catalogue: what its files have against what the sources ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use fluent_syntax::ast;
use proc_macro2::{TokenStream, TokenTree};

use crate::consent::rights::Right;
use crate::consent::{Outcome, TenantStatus, aadsts};

/// One text of a file.
#[derive(Debug, Default)]
struct Parsed {
    /// The words, with the names of variables in braces.
    words: String,
    variables: BTreeSet<String>,
    /// Texts that this one contains.
    references: BTreeSet<String>,
}

impl Parsed {
    fn pattern(&mut self, pattern: &ast::Pattern<&str>) {
        for element in &pattern.elements {
            match element {
                ast::PatternElement::TextElement { value } => self.words.push_str(value),
                ast::PatternElement::Placeable { expression: ast::Expression::Inline(inline) } => self.inline(inline),
                ast::PatternElement::Placeable { expression: ast::Expression::Select { selector, variants } } => {
                    self.inline(selector);
                    for variant in variants {
                        self.words.push('|');
                        self.pattern(&variant.value);
                    }
                }
            }
        }
    }

    fn inline(&mut self, expression: &ast::InlineExpression<&str>) {
        match expression {
            ast::InlineExpression::VariableReference { id } => {
                self.words.push_str(&format!("{{{}}}", id.name));
                self.variables.insert(id.name.to_owned());
            }
            ast::InlineExpression::MessageReference { id, attribute: None } => {
                self.references.insert(id.name.to_owned());
            }
            other => panic!("a text has only variables and other texts: {other:?}"),
        }
    }
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// The texts of a file, such as `en/pages`. The variables of a text include those of the texts that it contains.
fn texts(file: &str) -> BTreeMap<String, Parsed> {
    let source = fs::read_to_string(root().join(format!("locales/{file}.ftl"))).unwrap();
    let resource = fluent_syntax::parser::parse(&*source).unwrap_or_else(|(_, errors)| panic!("{file}: {errors:?}"));
    let mut texts = BTreeMap::new();
    for entry in &resource.body {
        let message = match entry {
            ast::Entry::Message(message) => message,
            ast::Entry::Comment(_) | ast::Entry::GroupComment(_) | ast::Entry::ResourceComment(_) => continue,
            ast::Entry::Term(_) | ast::Entry::Junk { .. } => panic!("{file}: {entry:?}"),
        };
        let mut parsed = Parsed::default();
        parsed.pattern(message.value.as_ref().unwrap());
        assert!(message.attributes.is_empty() && texts.insert(message.id.name.to_owned(), parsed).is_none(), "{file}: {}", message.id.name);
    }
    let inner: BTreeMap<String, BTreeSet<String>> = texts.iter().map(|(key, text)| (key.clone(), text.variables.clone())).collect();
    for text in texts.values_mut() {
        text.variables.extend(text.references.iter().flat_map(|key| inner[key].clone()));
    }
    texts
}

/// The keys of a file, each with its words.
pub(crate) fn keys(file: &str) -> BTreeMap<String, String> {
    texts(file).into_iter().map(|(key, text)| (key, text.words)).collect()
}

/// A place in the sources that asks for a text: one of these keys, with these arguments.
#[derive(Debug)]
struct Use {
    place: String,
    /// The catalogue's name.
    catalogue: String,
    /// More than one where an `if` or a `match` chooses. None where the program makes the key.
    keys: Vec<String>,
    arguments: BTreeSet<String>,
}

fn literals(code: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    for token in code {
        match token {
            TokenTree::Group(group) => found.extend(literals(group.stream())),
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                found.extend(text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).map(str::to_owned));
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
    found
}

/// Each `CATALOGUE.text(…).with("argument", …)…` outside tests. In a mail, each `text(…)` asks for a text of the mails.
fn uses(place: &str, code: TokenStream, found: &mut Vec<Use>) {
    let tokens: Vec<TokenTree> = code.into_iter().collect();
    let ident = |at: Option<usize>| at.and_then(|at| tokens.get(at)).map(ToString::to_string).unwrap_or_default();
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else { continue };
        let before = |back| ident(at.checked_sub(back));
        if before(2) == "mod" && before(1) == "tests" {
            continue;
        }
        uses(place, group.stream(), found);
        let mail = place == "cli/mail.rs";
        let catalogue = if mail { "MAILS".to_owned() } else { before(3) };
        if before(1) != "text" || !catalogue.starts_with(|first: char| first.is_ascii_uppercase()) || catalogue != catalogue.to_uppercase()
        {
            continue;
        }
        let keys = literals(group.stream()).into_iter().filter(|key| !key.contains('{')).collect();
        let mut arguments = BTreeSet::new();
        let mut next = at + 1;
        while let [TokenTree::Punct(dot), TokenTree::Ident(name), TokenTree::Group(given), ..] = &tokens[next..]
            && dot.as_char() == '.'
        {
            if name == "with" {
                arguments.extend(literals(given.stream()).into_iter().next());
            }
            next += 3;
        }
        found.push(Use { place: place.to_owned(), catalogue, keys, arguments });
    }
}

fn sources(folder: &Path, found: &mut Vec<Use>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let place = path.strip_prefix(root().join("src")).unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            uses(&place, fs::read_to_string(&path).unwrap().parse().unwrap(), found);
        }
    }
}

fn all_uses() -> Vec<Use> {
    let mut found = Vec::new();
    sources(&root().join("src"), &mut found);
    found
}

/// The arguments that every text of an area gets without asking.
fn given(area: &str) -> BTreeSet<String> {
    let given: &[&str] = match area {
        "mails" => &["operator", "apps", "named", "organisation", "moment"],
        "outcomes" => &["operator", "support", "app", "resource", "resource-id"],
        "pages" | "invitation" | "letters" => &["operator", "support", "app"],
        _ => &[],
    };
    given.iter().map(ToString::to_string).collect()
}

/// The keys that the program makes, by area.
fn made() -> BTreeMap<&'static str, BTreeSet<String>> {
    let kebab = |name: &str| name.replace('_', "-");
    let mut made: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for outcome in Outcome::ALL {
        let name = kebab(outcome.name());
        made.entry("operator").or_default().insert(format!("outcome-{name}"));
        made.entry("outcomes").or_default().extend(["title", "sentence", "next"].map(|part| format!("outcome-{name}-{part}")));
    }
    let statuses = ["absent", "present_unseen", "verifier_missing", "check_refused", "unverifiable"];
    for status in statuses.map(|status| TenantStatus::named(status).unwrap()) {
        made.entry("operator").or_default().insert(format!("status-{}", kebab(status.name())));
    }
    for right in Right::ALL {
        made.entry("operator").or_default().extend(["shows", "without"].map(|kind| format!("{kind}-{}", kebab(right.name()))));
    }
    let codes = keys("en/codes");
    for entry in aadsts::everything() {
        made.entry("operator").or_default().insert(format!("operator-{}", entry.key()));
        let what = format!("what-{}", entry.key());
        let meaning = if codes.contains_key(&what) { what } else { format!("aadsts-{}", entry.code().unwrap().number()) };
        made.entry("codes").or_default().extend([meaning, format!("next-{}", entry.key())]);
    }
    for notice in [
        "root",
        "no-such-page",
        "method-not-allowed",
        "too-large",
        "unsupported-media-type",
        "not-recorded",
        "keys-unavailable",
        "nothing-arrived",
        "renewal-requested",
        "renewal-not-sent",
    ] {
        made.entry("pages").or_default().extend(["title", "sentence", "next"].map(|part| format!("notice-{notice}-{part}")));
    }
    made.entry("pages").or_default().extend(["notice-nothing-arrived-operator"].map(str::to_owned));
    // A test of `web::words` holds these.
    made.entry("permissions").or_default().extend(keys("en/permissions").into_keys());
    made
}

/// Keys that the program looks for and does not need.
fn may_be(area: &str) -> BTreeSet<String> {
    let mut may_be = BTreeSet::new();
    if area == "outcomes" {
        may_be.extend(Outcome::ALL.iter().map(|outcome| format!("outcome-{}-hint", outcome.name().replace('_', "-"))));
        for (end, variants) in [("-title", &["already"][..]), ("-sentence", &["already", "unopened"]), ("-next", &["soon", "forbidden"])] {
            let keys = keys("en/outcomes").into_keys().filter(|key| key.ends_with(end));
            may_be.extend(keys.flat_map(|key| variants.iter().map(move |variant| format!("{key}-{variant}"))));
        }
    }
    may_be
}

const AREAS: [&str; 8] = ["codes", "invitation", "letters", "mails", "operator", "outcomes", "pages", "permissions"];

#[test]
fn every_text_exists_and_every_text_is_used() {
    let (uses, made) = (all_uses(), made());
    for area in AREAS {
        let texts = texts(&format!("en/{area}"));
        let asked = uses.iter().filter(|used| used.catalogue == area.to_uppercase()).flat_map(|used| used.keys.clone());
        let made = made.get(area).cloned().unwrap_or_default();
        let contained = texts.values().flat_map(|text| text.references.clone());
        let used: BTreeSet<String> = asked.chain(made).chain(contained).collect();
        let existing: BTreeSet<String> = texts.keys().cloned().collect();
        let missing: Vec<_> = used.difference(&existing).collect();
        assert!(missing.is_empty(), "{area}: no text has these keys: {missing:?}");
        let may_be = may_be(area);
        let unused: Vec<_> = existing.difference(&used).filter(|key| !may_be.contains(*key)).collect();
        assert!(unused.is_empty(), "{area}: no program uses these texts: {unused:?}");
    }
    assert!(uses.iter().all(|used| AREAS.contains(&&*used.catalogue.to_lowercase())), "each catalogue is an area");
    assert!(uses.len() > 150, "{}", uses.len());
}

#[test]
fn every_text_gets_the_arguments_that_it_has() {
    for used in all_uses() {
        let area = used.catalogue.to_lowercase();
        let texts = texts(&format!("en/{area}"));
        let asked: Vec<&Parsed> = used.keys.iter().map(|key| &texts[key]).collect();
        for text in &asked {
            let gets: BTreeSet<String> = used.arguments.union(&given(&area)).cloned().collect();
            assert!(text.variables.is_subset(&gets), "{}: {:?} of {:?} needs more than {gets:?}", used.place, text.variables, used.keys);
        }
        for argument in &used.arguments {
            assert!(asked.iter().any(|text| text.variables.contains(argument)), "{}: {:?} has no {argument}", used.place, used.keys);
        }
    }
    for (area, keys) in made() {
        let texts = texts(&format!("en/{area}"));
        for key in keys.iter().chain(&may_be(area)).filter_map(|key| texts.get(key)) {
            assert!(key.variables.is_subset(&given(area)), "{area}: {key:?}");
        }
    }
}

#[test]
fn every_language_has_the_texts_and_arguments_of_english() {
    let shape = |file: &str| texts(file).into_iter().map(|(key, text)| (key, text.variables)).collect::<Vec<_>>();
    let mut languages = 0;
    for entry in fs::read_dir(root().join("locales")).unwrap() {
        let language = entry.unwrap().file_name().into_string().unwrap();
        for file in fs::read_dir(root().join("locales").join(&language)).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|end| end == "ftl") {
                let area = path.file_stem().unwrap().to_str().unwrap();
                assert!(AREAS.contains(&area), "{area}");
                assert_eq!(shape(&format!("{language}/{area}")), shape(&format!("en/{area}")), "{language}/{area}");
            }
        }
        assert!(root().join(format!("locales/{language}/mails.ftl")).is_file(), "{language}");
        languages += 1;
    }
    assert_eq!(languages, 7);
}

#[test]
fn a_text_holds_no_markup_and_no_mark_of_isolation() {
    for area in AREAS {
        for (key, words) in keys(&format!("en/{area}")) {
            let without = words.replace(|c: char| c.is_alphanumeric() || " .,;:'\"()/?#*`_=|{}-\n\u{a0}“”".contains(c), "");
            assert!(without.is_empty(), "{area}: {key} has {without:?}");
        }
    }
}
