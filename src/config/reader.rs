//! Reads a TOML document value by value, remembers the position of each, and collects all faults. (Deserialising with serde stops at the
//! first fault, and its messages repeat the value, which may be a secret.)

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use url::Url;

use super::problem::Problem;
use crate::consent::text::is_steering;
use crate::entra::cloud::is_loopback;

/// The position of a value: its full key, and its place in the file.
#[derive(Debug, Clone)]
pub(super) struct At {
    pub(super) key: String,
    offset: usize,
}

/// A value and its position.
#[derive(Debug, Clone)]
pub(super) struct Item<'t> {
    pub(super) at: At,
    pub(super) value: &'t DeValue<'t>,
}

/// A table whose keys are known.
#[derive(Debug)]
pub(super) struct Section<'t> {
    pub(super) at: At,
    /// `None` for an optional table that the file does not have.
    table: Option<&'t DeTable<'t>>,
}

/// The document's text, and the problems found so far.
pub(super) struct Reader<'t> {
    text: &'t str,
    origin: &'t Path,
    problems: Vec<Problem>,
}

impl<'t> Section<'t> {
    pub(super) fn root(table: &'t Spanned<DeTable<'t>>) -> Self {
        Self { at: At { key: String::new(), offset: 0 }, table: Some(table.get_ref()) }
    }

    pub(super) fn get(&self, key: &str) -> Option<Item<'t>> {
        let (key, value) = self.table?.get_key_value(key)?;
        Some(self.item(key, value))
    }

    /// All keys with their values, in the order of the file.
    pub(super) fn entries(&self) -> Vec<(&'t str, Item<'t>)> {
        let mut entries: Vec<_> =
            self.table.into_iter().flatten().map(|(key, value)| (key.get_ref().as_ref(), self.item(key, value))).collect();
        entries.sort_by_key(|(_, item)| item.at.offset);
        entries
    }

    fn item(&self, key: &Spanned<std::borrow::Cow<'t, str>>, value: &'t Spanned<DeValue<'t>>) -> Item<'t> {
        let name = key.get_ref();
        let bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        let name = if bare { name.to_string() } else { format!("\"{name}\"") };
        let key_in_full = if self.at.key.is_empty() { name } else { format!("{}.{name}", self.at.key) };
        Item { at: At { key: key_in_full, offset: key.span().start }, value: value.get_ref() }
    }
}

impl<'t> Item<'t> {
    /// The elements of an array. `None` for every other kind.
    pub(super) fn elements(&self) -> Option<Vec<Item<'t>>> {
        let array = self.value.as_array()?;
        let element = |(index, value): (usize, &'t Spanned<DeValue<'t>>)| Item {
            at: At { key: format!("{}[{index}]", self.at.key), offset: value.span().start },
            value: value.get_ref(),
        };
        Some(array.iter().enumerate().map(element).collect())
    }

    fn kind(&self) -> &'static str {
        match self.value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        }
    }
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str, origin: &'t Path) -> Self {
        Self { text, origin, problems: Vec::new() }
    }

    /// Reports a fault of a value.
    pub(super) fn refuse(&mut self, at: &At, what: impl AsRef<str>, remedy: impl AsRef<str>) {
        self.refuse_at(at.offset, &at.key, what.as_ref(), remedy.as_ref());
    }

    /// Reports a fault of a value, and returns `None` for it.
    pub(super) fn fail<T>(&mut self, at: &At, what: impl AsRef<str>, remedy: impl AsRef<str>) -> Option<T> {
        self.refuse(at, what, remedy);
        None
    }

    /// Returns the parsed value, or reports the fault.
    pub(super) fn accept<T>(&mut self, at: &At, parsed: Result<T, ValueFault>) -> Option<T> {
        parsed.map_err(|(what, remedy)| self.refuse(at, what, remedy)).ok()
    }

    /// As [`Self::accept`], for the value of an environment variable.
    pub(super) fn accept_variable<T>(&mut self, name: &str, parsed: Result<T, ValueFault>) -> Option<T> {
        let origin = format!("environment variable {name}");
        parsed.map_err(|(what, remedy)| self.problems.push(Problem::new(&origin, None, "", what, remedy))).ok()
    }

    /// The value of a required key.
    pub(super) fn required(&mut self, section: &Section<'t>, key: &str, remedy: impl AsRef<str>) -> Option<Item<'t>> {
        let item = section.get(key);
        if item.is_none() {
            self.missing(section, key, remedy);
        }
        item
    }

    /// Reports a missing key, at the table where it belongs.
    fn missing(&mut self, section: &Section<'_>, key: &str, remedy: impl AsRef<str>) {
        let full = if section.at.key.is_empty() { key.to_owned() } else { format!("{}.{key}", section.at.key) };
        self.refuse_at(section.at.offset, &full, "it is missing", remedy.as_ref());
    }

    pub(super) fn refuse_at(&mut self, offset: usize, key: &str, what: &str, remedy: &str) {
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        self.problems.push(Problem::new(&self.origin.to_string_lossy(), Some(line), key, what, remedy));
    }

    pub(super) fn problem_count(&self) -> usize {
        self.problems.len()
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// A relative path starts at the configuration's folder.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.origin.parent().unwrap_or(Path::new("")).join(path)
    }

    /// A table with these keys and no others.
    pub(super) fn section(&mut self, item: &Item<'t>, known: &[&str]) -> Option<Section<'t>> {
        let section = self.table(item)?;
        self.refuse_unknown_keys(&section, known);
        Some(section)
    }

    /// An optional table with these keys and no others. The result is an empty table if the file does not have it.
    pub(super) fn optional_section(&mut self, root: &Section<'t>, key: &str, known: &[&str]) -> Option<Section<'t>> {
        match root.get(key) {
            Some(item) => self.section(&item, known),
            None => Some(Section { at: At { key: key.to_owned(), offset: 0 }, table: None }),
        }
    }

    /// The elements of a list.
    pub(super) fn list(&mut self, item: &Item<'t>, what: &str, remedy: &str) -> Option<Vec<Item<'t>>> {
        let elements = item.elements();
        if elements.is_none() {
            self.refuse(&item.at, what, remedy);
        }
        elements
    }

    /// A table with arbitrary keys.
    pub(super) fn table(&mut self, item: &Item<'t>) -> Option<Section<'t>> {
        let DeValue::Table(table) = item.value else {
            let what = format!("it is {}, and a table belongs here", item.kind());
            return self.fail(&item.at, what, "see consent.example.toml for its keys");
        };
        Some(Section { at: item.at.clone(), table: Some(table) })
    }

    pub(super) fn refuse_unknown_keys(&mut self, section: &Section<'t>, known: &[&str]) {
        for (key, item) in section.entries() {
            if known.contains(&key) {
                continue;
            }
            let remedy = closest_or(key, known, || format!("remove it; the keys here are {}", known.join(", ")));
            self.refuse(&item.at, "this key is not known", remedy);
        }
    }

    /// A text of 1 to `most` characters. A refusal does not repeat the value, because it may be a pasted secret.
    pub(super) fn text(&mut self, item: &Item<'t>, most: usize) -> Option<&'t str> {
        let DeValue::String(text) = item.value else {
            let what = format!("it is {}, and a text belongs here", item.kind());
            return self.fail(&item.at, what, "write a text in double quotes");
        };
        let text = text.trim();
        if text.is_empty() {
            self.fail(&item.at, "it is empty", "write a text, or remove the key where it may be left out")
        } else if text.chars().nth(most).is_some() {
            self.fail(&item.at, format!("it has more than {most} characters"), "shorten it")
        } else if text.chars().any(is_steering) {
            self.fail(&item.at, "it has a line break, a control or an invisible character", "type the text again by hand, on one line")
        } else {
            Some(text)
        }
    }

    /// A text under a required key.
    pub(super) fn required_text(&mut self, section: &Section<'t>, key: &str, most: usize, remedy: &str) -> Option<&'t str> {
        let item = self.required(section, key, remedy)?;
        self.text(&item, most)
    }

    /// One of a few words; without the key, the first word. The second part of each choice is the word's value in the program.
    pub(super) fn choice<T: Copy>(&mut self, section: &Section<'t>, key: &str, choices: &[(&str, T)], default: T) -> Option<T> {
        let Some(item) = section.get(key) else { return Some(default) };
        let text = self.text(&item, 64)?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| format!("{word:?}")).collect();
            self.refuse(&item.at, "this is none of the words that it takes", format!("write {}", words.join(" or ")));
        }
        found
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, section: &Section<'t>, key: &str, default: bool) -> Option<bool> {
        let Some(item) = section.get(key) else { return Some(default) };
        let DeValue::Boolean(flag) = item.value else {
            let what = format!("it is {}, and true or false belongs here", item.kind());
            return self.fail(&item.at, what, "write true or false, without quotes");
        };
        Some(*flag)
    }

    /// A duration such as `90s`, `15m`, `2h` or `30d`, within bounds.
    pub(super) fn duration(
        &mut self,
        section: &Section<'t>,
        key: &str,
        default: Duration,
        bounds: std::ops::RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let Some(item) = section.get(key) else { return Some(default) };
        self.duration_of(&item, bounds)
    }

    /// Like [`Self::duration`], for a value that exists.
    pub(super) fn duration_of(&mut self, item: &Item<'t>, bounds: std::ops::RangeInclusive<Duration>) -> Option<Duration> {
        let text = self.text(item, 32)?;
        let Some(duration) = parse_duration(text) else {
            return self.fail(&item.at, "it is not a duration", "write a number and a unit: \"90s\", \"15m\", \"2h\" or \"30d\"");
        };
        if bounds.contains(&duration) {
            return Some(duration);
        }
        let (least, most) = (show_duration(*bounds.start()), show_duration(*bounds.end()));
        let what = if duration > *bounds.end() { format!("it is longer than {most}") } else { format!("it is shorter than {least}") };
        self.fail(&item.at, what, format!("write a duration from {least} to {most}"))
    }

    /// Parses an address with [`address`] or [`base_address`].
    pub(super) fn address(&mut self, item: &Item<'t>, parse: fn(&str) -> Result<Url, ValueFault>) -> Option<Url> {
        let text = self.text(item, LONGEST_ADDRESS)?;
        self.accept(&item.at, parse(text))
    }
}

/// The content of a file that may not be large.
pub(super) fn read_small(path: &Path, largest: u64) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    std::fs::File::open(path)?.take(largest + 1).read_to_end(&mut content)?;
    if u64::try_from(content.len()).is_ok_and(|length| length > largest) {
        return Err(std::io::Error::other(format!("it has more than {} KiB", largest / 1024)));
    }
    Ok(content)
}

/// The fault, and its remedy.
pub(super) type ValueFault = (&'static str, &'static str);

/// Longest address in characters: it becomes part of links that must fit into mails.
const LONGEST_ADDRESS: usize = 300;

/// Parses a base for paths: an address as for [`address`], without query and fragment. A trailing slash is removed.
pub(super) fn base_address(text: &str) -> Result<Url, ValueFault> {
    let mut url = address(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(("it has a query or a fragment", "remove everything from the '?' or '#' on"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Parses an address with https, or with http on a loopback host, and without user information.
pub(super) fn address(text: &str) -> Result<Url, ValueFault> {
    if text.chars().nth(LONGEST_ADDRESS).is_some() {
        return Err(("it has more than 300 characters", "shorten it"));
    }
    long_address(text)
}

/// Like [`address`], but for any length.
pub(super) fn long_address(text: &str) -> Result<Url, ValueFault> {
    let not_an_address = ("it is not an address", "write the whole address, such as https://consent.example.com/prod");
    let url = Url::parse(text).map_err(|_| not_an_address)?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err(("it is http, and would travel unprotected", "write https://; http is for loopback hosts only")),
        _ => return Err(not_an_address),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(("it carries a user name or a password", "remove everything up to the '@'"));
    }
    Ok(url)
}

const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Reads a duration such as `90s`, `15m`, `2h` or `30d`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    let (_, seconds) = *UNITS.iter().find(|(unit, _)| text.ends_with(*unit))?;
    let digits = text.get(..text.len() - 1)?;
    // `u64::from_str` would accept a plus sign.
    let number: u64 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    number.checked_mul(seconds).map(Duration::from_secs)
}

pub(super) fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let unit = UNITS.iter().find(|(_, length)| seconds >= *length && seconds.is_multiple_of(*length));
    unit.map_or_else(|| "0s".into(), |(unit, length)| format!("{}{unit}", seconds / length))
}

/// Asks whether the writer meant a known word, or says something else if none is close.
pub(crate) fn closest_or(word: &str, known: &[&str], otherwise: impl FnOnce() -> String) -> String {
    closest(word, known).map_or_else(otherwise, |meant| format!("did you mean {meant:?}?"))
}

/// The known word that a wrong word probably means. The two differ in at most two letters, and in fewer than half of the wrong word's
/// letters.
fn closest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    // A key can have any length, and the comparison is quadratic.
    if word.len() > 64 {
        return None;
    }
    let distances = known.iter().map(|candidate| (strsim::levenshtein(word, candidate), *candidate));
    let (distance, candidate) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= 2 && distance * 2 < candidate.len()).then_some(candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit_and_nothing_else() {
        for (text, seconds) in [("0s", 0), ("90s", 90), ("15m", 900), ("2h", 7_200), ("30d", 2_592_000)] {
            assert_eq!(parse_duration(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "2", "h", "+2h", "-2h", "2 h", "2H", "1.5h", "2hours", "99999999999999999999d", "213503982334602d", "２h", "2é"] {
            assert_eq!(parse_duration(bad), None, "{bad:?}");
        }
        assert_eq!(
            [0, 60, 90, 86_400, 97_200].map(|seconds| show_duration(Duration::from_secs(seconds))),
            ["0s", "1m", "90s", "1d", "27h"]
        );
    }

    #[test]
    fn a_wrong_word_leads_to_the_known_one() {
        assert_eq!(closest("tikcet", &["receipt", "ticket"]), Some("ticket"));
        assert_eq!(closest("zzz", &["ip", "id"]), None);
    }
}
