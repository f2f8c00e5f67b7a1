//! What no page, letter or mail says to an administrator. Thieves ask people to copy an address or to read out a code, so our texts never do,
//! except for the support reference, the block of details and the field of the help page.
//!
//! The tests read the texts of the goldens, which contain the pages as a browser shows them, and the English files of sentences.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Words of our trade, of alarm and of blame.
const WORDS: [&str; 7] = ["tenant", "service principal", "claim", "drift", "must", "urgent", "failed"];
/// What thieves ask people to do.
const ASKS: [&str; 8] = ["copy", "paste", "drag", "read out", "retype", "dictate", "send us", "tell us"];
/// What thieves want.
const WANTED: [&str; 4] = ["address", "link", "token", "code"];

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Every text that an administrator may read, one block each.
fn texts() -> BTreeSet<String> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["tests/it/golden/texts", "locales/en"] {
        files_below(&project.join(folder), &mut files);
    }
    let mut texts = BTreeSet::new();
    for file in files {
        let is_golden = file.starts_with(project.join("tests"));
        // The operator reads these.
        if file.ends_with("operator.ftl") {
            continue;
        }
        let text = fs::read_to_string(&file).unwrap();
        texts.extend(text.lines().filter_map(|line| if is_golden { of_golden(line) } else { of_catalogue(line) }));
    }
    texts
}

/// A line of a golden: a block of a page, or a field of its JSON. The operator reads some of the fields.
fn of_golden(line: &str) -> Option<String> {
    let field = line.split(": ").next()?.rsplit('.').next()?;
    // The block of details has the name of the outcome.
    let is_name = line.contains('_') && !line.contains(' ') || line.starts_with("Outcome: ");
    (!line.starts_with("== ") && !is_name && !["summary", "for_operator"].contains(&field)).then(|| line.to_owned())
}

/// A sentence of a file, without its key and its variables.
fn of_catalogue(line: &str) -> Option<String> {
    if line.starts_with('#') || line.starts_with("operator-") {
        return None;
    }
    let sentence = line.split_once(" = ").map_or(line, |(_, sentence)| sentence);
    let mut text = String::new();
    let mut depth = 0_u32;
    for letter in sentence.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 => text.push(letter),
            _ => {}
        }
    }
    Some(text)
}

/// Whether the text has the word or its plural. A word may consist of several.
fn has(text: &str, word: &str) -> bool {
    let plain: String = text.to_lowercase().chars().map(|letter| if letter.is_alphanumeric() { letter } else { ' ' }).collect();
    let spaced = format!(" {} ", plain.split_whitespace().collect::<Vec<_>>().join(" "));
    spaced.contains(&format!(" {word} ")) || spaced.contains(&format!(" {word}s "))
}

/// The sentences of a block.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(['.', '?', '!', ';']).map(str::trim)
}

#[test]
fn no_text_asks_for_an_address_or_a_code_or_alarms() {
    let texts = texts();
    assert!(texts.len() > 800, "{}", texts.len());
    let mut found = BTreeSet::new();
    for text in &texts {
        assert!(!text.to_lowercase().contains("verified by microsoft"), "{text}");
        for sentence in sentences(text) {
            for word in WORDS.into_iter().filter(|word| has(sentence, word)) {
                found.insert((word, sentence));
            }
            let wanted = WANTED.iter().any(|wanted| has(sentence, wanted));
            for asks in ASKS.into_iter().filter(|asks| wanted && has(sentence, asks)) {
                found.insert((asks, sentence));
            }
        }
    }
    assert!(found.is_empty(), "no page and no mail says this: {found:#?}");
}
