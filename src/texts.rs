//! The catalogue of texts: every sentence that a person reads on a page, in a letter or in a mail, and the lines for the operator.
//!
//! `locales/LANGUAGE/AREA.ftl` has the sentences in the syntax of Project Fluent. A text holds no markup, and an outside value is an
//! argument, never part of a pattern. Each file is parsed on first use, so a page parses only the areas that it shows. Tests check that
//! every text exists, is used and gets its arguments; if a text is missing all the same, the reader sees its key and the log has an error.
//!
//! [`crate::web::words::Text`] renders a text of a page.

use std::borrow::Cow;
use std::sync::OnceLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};

use crate::consent::aadsts::Entry;
use crate::consent::rights::Right;
use crate::consent::{Outcome, TenantStatus};

#[cfg(test)]
pub(crate) mod tests;

/// The texts of one area in one language.
pub(crate) struct Catalogue {
    language: &'static str,
    source: &'static str,
    isolates: bool,
    bundle: OnceLock<FluentBundle<FluentResource>>,
}

impl Catalogue {
    /// Texts of a page. Each argument is between U+2068 and U+2069, which isolate its direction of writing from the text around it.
    pub(crate) const fn of_page(language: &'static str, source: &'static str) -> Self {
        Self { language, source, isolates: true, bundle: OnceLock::new() }
    }

    /// Texts of mails, and texts that programs read as well: no characters but those of text and arguments.
    pub(crate) const fn plain(language: &'static str, source: &'static str) -> Self {
        Self { language, source, isolates: false, bundle: OnceLock::new() }
    }

    pub(crate) fn language(&self) -> &'static str {
        self.language
    }

    fn bundle(&self) -> &FluentBundle<FluentResource> {
        self.bundle.get_or_init(|| {
            let resource = FluentResource::try_new(self.source.to_owned()).unwrap_or_else(|(resource, errors)| {
                tracing::error!(errors = errors.len(), "a file of texts cannot be read in full");
                resource
            });
            let mut bundle = FluentBundle::new_concurrent(self.language.parse().into_iter().collect());
            bundle.set_use_isolating(self.isolates);
            bundle.add_resource_overriding(resource);
            bundle
        })
    }

    /// Whether the catalogue has a text.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.bundle().has_message(key)
    }

    /// A text with its arguments. `None` if the catalogue lacks it.
    pub(crate) fn find<'a>(&'static self, key: &str, arguments: impl FnOnce() -> FluentArgs<'a>) -> Option<Cow<'static, str>> {
        let bundle = self.bundle();
        let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
            tracing::error!(text.key = key, "a text is missing");
            debug_assert!(false, "the text {key} is missing");
            return None;
        };
        let mut errors = Vec::new();
        // Most texts are words alone, and take no arguments.
        if pattern.elements.len() == 1 {
            let text = bundle.format_pattern(pattern, None, &mut errors);
            if errors.is_empty() {
                return Some(text);
            }
            errors.clear();
        }
        let text = bundle.format_pattern(pattern, Some(&arguments()), &mut errors);
        if !errors.is_empty() {
            tracing::error!(text.key = key, errors = errors.len(), "a text lacks an argument");
            debug_assert!(false, "the text {key} lacks an argument: {errors:?}");
        }
        Some(text)
    }
}

/// Lines for the operator: in lists, reports, records and events.
static OPERATOR: Catalogue = Catalogue::plain("en", include_str!("../locales/en/operator.ftl"));

/// A line for the operator. A missing one is its kind, which no program and no reader takes for a line.
fn line(kind: &'static str, name: &str) -> &'static str {
    match OPERATOR.find(&format!("{kind}-{}", name.replace('_', "-")), FluentArgs::new) {
        Some(Cow::Borrowed(line)) => line,
        _ => kind,
    }
}

impl Entry {
    /// One line for the operator.
    pub(crate) fn operator(self) -> &'static str {
        line("operator", self.key())
    }
}

impl Outcome {
    /// One line for the operator's list of tenants.
    pub(crate) fn msp_line(self) -> &'static str {
        line("outcome", self.name())
    }
}

impl TenantStatus {
    /// One line for the operator's list of tenants.
    pub(crate) fn line(self) -> &'static str {
        match self {
            Self::Outcome(outcome) => outcome.msp_line(),
            status => line("status", status.name()),
        }
    }
}

impl Right {
    /// What access to this part makes visible, in a few words for people.
    pub(crate) fn shows(self) -> &'static str {
        line("shows", self.name())
    }

    /// What stays hidden without access to this part, in a few words for people.
    pub(crate) fn without(self) -> &'static str {
        line("without", self.name())
    }
}
