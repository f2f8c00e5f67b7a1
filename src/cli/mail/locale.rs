//! The languages, and every sentence of the mail in each of them.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::Deserialize;

/// The sentences of one language. In each mail, the mail's own texts replace the names in braces.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MailSentences {
    pub(super) for_you: Box<str>,
    pub(super) for_name: Box<str>,
    pub(super) subject: Box<str>,
    pub(super) greeting: Box<str>,
    pub(super) asks: Box<str>,
    pub(super) what_to_do: Box<str>,
    pub(super) open_privately: Box<str>,
    pub(super) read_our_page: Box<str>,
    /// This sentence has Microsoft's own role names in the language.
    pub(super) sign_in: Box<str>,
    pub(super) accept: Box<str>,
    pub(super) pass_on: Box<str>,
    pub(super) how_to_tell: Box<str>,
    pub(super) link_begins_with: Box<str>,
    pub(super) sign_in_begins_with: Box<str>,
    pub(super) in_doubt: Box<str>,
    pub(super) works_until: Box<str>,
    pub(super) our_reference: Box<str>,
}

type Catalogue = BTreeMap<Box<str>, MailSentences>;

static CATALOGUE: LazyLock<Result<Catalogue, toml::de::Error>> = LazyLock::new(|| toml::from_str(include_str!("sentences.toml")));

/// A language in which the mail is available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Locale(pub(super) &'static MailSentences);

/// Why there are no sentences for a tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::cli) enum NoLocale {
    #[error("the languages are de, en, es, fr, it, nl and pt; a region may follow, as in de-AT")]
    UnknownLanguage,
    #[error("the sentences in this program cannot be read: {0}")]
    Unreadable(&'static toml::de::Error),
}

impl FromStr for Locale {
    type Err = NoLocale;

    /// Reads a language tag (BCP 47). Ignores everything after the language, and accepts an underscore as in `de_AT` too.
    fn from_str(tag: &str) -> Result<Self, NoLocale> {
        let language = tag.trim().split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        let catalogue = CATALOGUE.as_ref().map_err(NoLocale::Unreadable)?;
        catalogue.get(&*language).map(Self).ok_or(NoLocale::UnknownLanguage)
    }
}
