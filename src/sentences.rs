//! Files of sentences for people, by key, in the simple part of Project Fluent's syntax: `key = sentence`, and `#` before a comment.

use std::collections::HashMap;
use std::sync::OnceLock;

/// The sentences of one file, parsed on first use.
#[derive(Debug)]
pub(crate) struct Sentences {
    text: &'static str,
    by_key: OnceLock<HashMap<&'static str, &'static str>>,
}

impl Sentences {
    pub(crate) const fn of(text: &'static str) -> Self {
        Self { text, by_key: OnceLock::new() }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'static str> {
        self.by_key().get(key).copied()
    }

    pub(crate) fn by_key(&self) -> &HashMap<&'static str, &'static str> {
        self.by_key.get_or_init(|| {
            let lines = self.text.lines().filter(|line| !line.starts_with('#'));
            lines.filter_map(|line| line.split_once(" = ")).collect()
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeSet;

    use super::Sentences;

    /// Checks that a file is valid Fluent, and that our parser keeps every sentence. Returns the keys.
    pub(crate) fn checked_keys(sentences: &Sentences) -> BTreeSet<&'static str> {
        let lines = sentences.text.lines().filter(|line| !line.is_empty() && !line.starts_with("# ") && *line != "#");
        let mut seen = BTreeSet::new();
        for line in lines {
            let (key, sentence) = line.split_once(" = ").unwrap_or_else(|| panic!("{line}"));
            assert!(seen.insert(key) && !sentence.trim().is_empty() && sentence.trim() == sentence, "{line}");
            assert!(key.starts_with(|c: char| c.is_ascii_lowercase()), "{key}");
            assert!(key.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')), "{key}");
        }
        assert_eq!(seen.len(), sentences.by_key().len());
        seen
    }
}
