//! What is wrong with a configuration: all of it at once, each with the way out.

use crate::consent::DisplayText;

/// One thing that is wrong. Shows keys, ids and addresses from the file where they help, and never a secret: whatever stands
/// in the place of a secret is not repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, or the environment variable, that said it.
    pub origin: Box<str>,
    /// The line in the file, counted from 1.
    pub line: Option<usize>,
    /// The key, such as `apps[0].verified_by`. Empty for the file as a whole.
    pub key: Box<str>,
    /// What is wrong.
    pub what: Box<str>,
    /// What to do about it.
    pub remedy: Box<str>,
}

/// Longest part of a problem, in characters. Keys come from the file and could be of any length.
const LONGEST_PART: usize = 400;

impl Problem {
    pub(super) fn new(origin: &str, line: Option<usize>, key: &str, what: &str, remedy: &str) -> Self {
        // Keys and ids are repeated on a terminal, so they must not steer it.
        let readable = |text: &str| DisplayText::bounded(text, LONGEST_PART).map_or_else(|| "".into(), |text| text.as_str().into());
        Self { origin: readable(origin), line, key: readable(key), what: readable(what), remedy: readable(remedy) }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.origin)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}. Remedy: {}", self.what, self.remedy)
    }
}

/// Why there is no [`Config`](super::Config).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

/// A file of another kind altogether has something wrong in every line; nobody reads more than this.
const MOST_SHOWN: usize = 25;

impl ConfigError {
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.line);
        Self { problems }
    }

    /// Everything that was found wrong, in the order of the lines.
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
