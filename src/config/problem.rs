//! The faults of a configuration: all at once, each with its remedy.

use crate::consent::DisplayText;

/// One fault. Shows keys, ids and addresses from the file if they help, but never a faulty value that may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file or the environment variable with the fault.
    pub(crate) origin: Box<str>,
    /// The line in the file, counted from 1.
    pub line: Option<usize>,
    /// The key, such as `apps[0].verified_by`. Empty for the file as a whole.
    pub key: Box<str>,
    /// The fault, as a sentence.
    pub what: Box<str>,
    /// What the operator should do.
    pub remedy: Box<str>,
}

/// Longest part of a problem, in characters. Keys come from the file and can have any length.
const LONGEST_PART: usize = 400;

impl Problem {
    pub(super) fn new(origin: &str, line: Option<usize>, key: &str, what: &str, remedy: &str) -> Self {
        // A terminal shows keys and ids, so they must not contain control characters.
        let readable = |text: &str| DisplayText::bounded(text, LONGEST_PART).map_or_else(|| "".into(), |text| text.as_str().into());
        Self { origin: readable(origin), line, key: readable(key), what: readable(what), remedy: readable(remedy) }
    }

    /// The place and the fault, without the remedy.
    pub(crate) fn fault(&self) -> String {
        let line = self.line.map(|line| format!(":{line}")).unwrap_or_default();
        let key = if self.key.is_empty() { String::new() } else { format!(": {}", self.key) };
        format!("{}{line}{key}: {}.", self.origin, self.what)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} Remedy: {}", self.fault(), self.remedy)
    }
}

/// Why loading gave no [`Config`](super::Config).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

/// Most faults that an error shows. A file of a completely different kind has a fault in every line, and people do not read more than this.
const MOST_SHOWN: usize = 25;

impl ConfigError {
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.line);
        Self { problems }
    }

    /// Every fault, in the order of the lines.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, problem) in self.problems.iter().take(MOST_SHOWN).enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        match self.problems.len().checked_sub(MOST_SHOWN) {
            Some(more) if more > 0 => write!(f, "\nand {more} more"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}
