//! The languages of the mail.

use std::borrow::Cow;
use std::str::FromStr;

use fluent_bundle::FluentArgs;
use fluent_langneg::{NegotiationStrategy, convert_vec_str_to_langids_lossy, negotiate_languages};

use crate::texts::Catalogue;

macro_rules! mails {
    ($($language:literal)+) => {
        [$(Catalogue::plain($language, include_str!(concat!("../../../locales/", $language, "/mails.ftl")))),+]
    };
}

static MAILS: [Catalogue; 7] = mails!("de" "en" "es" "fr" "it" "nl" "pt");

/// A language in which the mail is available: its place in [`MAILS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Locale(usize);

/// There is no mail in this language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the languages are de, en, es, fr, it, nl and pt; a region may follow, as in de-AT")]
pub(in crate::cli) struct UnknownLanguage;

impl Locale {
    /// The language, such as `de`.
    pub(super) fn language(self) -> &'static str {
        MAILS.get(self.0).map(Catalogue::language).unwrap_or_default()
    }

    pub(super) fn text<'a>(self, key: &'static str, arguments: impl FnOnce() -> FluentArgs<'a>) -> Cow<'static, str> {
        MAILS.get(self.0).and_then(|mails| mails.find(key, arguments)).unwrap_or(Cow::Borrowed(key))
    }
}

impl FromStr for Locale {
    type Err = UnknownLanguage;

    /// Reads a language tag (BCP 47), or one with an underscore as in `de_AT`. Each region of a known language gets that language.
    fn from_str(tag: &str) -> Result<Self, UnknownLanguage> {
        let available = convert_vec_str_to_langids_lossy(MAILS.iter().map(Catalogue::language));
        let asked = convert_vec_str_to_langids_lossy([tag.trim()]);
        let found = negotiate_languages(&asked, &available, None, NegotiationStrategy::Lookup);
        let found = found.first().and_then(|found| available.iter().position(|one| one == *found));
        found.map(Self).ok_or(UnknownLanguage)
    }
}
