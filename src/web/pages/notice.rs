//! The page of a notice: an answer without an outcome.

use http::{Method, StatusCode};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::{Branding, PageMarks, next_section, shell, verdict};
use crate::consent::outcome::Tone;
use crate::consent::{Outcome, Owner};
use crate::web::words::{PAGES, PageText};

/// An answer without an outcome: the requested page does not exist, or the request is unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice<'a> {
    /// The base address: explains what this service is.
    Root,
    /// 404.
    NoSuchPage,
    /// 405, with the methods of the `Allow` header.
    MethodNotAllowed(&'a [Method]),
    /// 413.
    TooLarge,
    /// 415.
    UnsupportedMediaType,
    /// 503: the visit cannot be recorded now, so the program did nothing. Contains the seconds for `Retry-After`.
    NotRecorded(u32),
    /// 503: the signing keys cannot be read now. Contains the seconds for `Retry-After`.
    KeysUnavailable(u32),
    /// 400 and outcome `unsolicited`: a callback without parameters. They may be in a fragment, which browsers never send to a server
    /// (S40).
    NothingArrived,
    /// The request for another link has gone to the operator.
    RenewalRequested,
    /// 503: the request could not be sent. Contains the seconds for `Retry-After`.
    RenewalNotSent(u32),
}

struct NoticeWords {
    name: &'static str,
    status: StatusCode,
    tone: Tone,
    turn: Owner,
}

impl Notice<'_> {
    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        self.words().status
    }

    /// The outcome in `data-outcome` and JSON, if the notice has one.
    #[must_use]
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            Self::NothingArrived => Some(Outcome::Unsolicited),
            Self::Root
            | Self::NoSuchPage
            | Self::MethodNotAllowed(_)
            | Self::TooLarge
            | Self::UnsupportedMediaType
            | Self::NotRecorded(_)
            | Self::KeysUnavailable(_)
            | Self::RenewalRequested
            | Self::RenewalNotSent(_) => None,
        }
    }

    fn words(self) -> NoticeWords {
        let words = |name, status, tone| NoticeWords { name, status, tone, turn: Owner::Visitor };
        match self {
            Self::Root => words("root", StatusCode::OK, Tone::Note),
            Self::NoSuchPage => words("no_such_page", StatusCode::NOT_FOUND, Tone::Note),
            Self::MethodNotAllowed(_) => words("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED, Tone::Note),
            Self::TooLarge => words("too_large", StatusCode::PAYLOAD_TOO_LARGE, Tone::Act),
            Self::UnsupportedMediaType => words("unsupported_media_type", StatusCode::UNSUPPORTED_MEDIA_TYPE, Tone::Note),
            Self::NotRecorded(_) => words("not_recorded", StatusCode::SERVICE_UNAVAILABLE, Tone::Ours),
            Self::KeysUnavailable(_) => words("keys_unavailable", StatusCode::SERVICE_UNAVAILABLE, Tone::Ours),
            Self::RenewalRequested => NoticeWords { turn: Owner::Operator, ..words("renewal_requested", StatusCode::OK, Tone::Wait) },
            Self::RenewalNotSent(_) => words("renewal_not_sent", StatusCode::SERVICE_UNAVAILABLE, Tone::Ours),
            Self::NothingArrived => {
                let facts = Outcome::Unsolicited.facts();
                NoticeWords { turn: facts.owner, ..words("nothing_arrived", StatusCode::BAD_REQUEST, facts.tone) }
            }
        }
    }
}

impl NoticeWords {
    fn text(&self, part: &str) -> PageText<'static> {
        let name = self.name.replace('_', "-");
        PAGES.text(format!("notice-{name}-{part}"))
    }

    /// The text for the operator, who reads it in a notice about the app's registration.
    fn for_operator(&self) -> Option<PageText<'static>> {
        (self.name == "nothing_arrived").then(|| self.text("operator"))
    }
}

/// The page of a notice.
#[must_use]
pub fn notice(branding: Branding<'_>, notice: Notice<'_>) -> Markup {
    let words = notice.words();
    let names = branding.names();
    let title = words.text("title");
    let body = html! {
        (verdict(words.tone, &title, names, None))
        p.lead { (words.text("sentence").fill(names)) }
        (next_section(words.turn, &words.turn.heading(), &words.text("next"), None, None, names))
        @if let Some(hint) = words.for_operator() {
            details {
                summary { span { (PAGES.text("notice-for-operator").fill(names)) } }
                p { (hint) }
            }
        }
    };
    let outcome = notice.outcome();
    let marks = PageMarks { outcome, notice: outcome.is_none().then_some(words.name), ..PageMarks::default() };
    shell(branding, &title, names, marks, words.tone, &body)
}

/// The page of a notice as JSON.
#[must_use]
pub fn notice_json(branding: Branding<'_>, notice: Notice<'_>) -> Value {
    let words = notice.words();
    let names = branding.names();
    json!({
        "outcome": notice.outcome(),
        "notice": words.name,
        "title": words.text("title").plain(names),
        "sentence": words.text("sentence").plain(names),
        "next_step": words.text("next").plain(names),
        "turn": words.turn.name(),
        "for_operator": words.for_operator().map(|hint| hint.plain(names)),
        "operator": branding.operator,
        "support": branding.support,
        "privacy_url": branding.privacy_url,
    })
}
