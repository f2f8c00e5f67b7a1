//! The page of a notice: an answer without an outcome.

use http::{Method, StatusCode};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::{Branding, PageMarks, next_section, shell, verdict};
use crate::consent::outcome::Tone;
use crate::consent::{Outcome, Owner};
use crate::web::words::Template;

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
}

struct NoticeWords {
    name: &'static str,
    status: StatusCode,
    tone: Tone,
    turn: Owner,
    title: &'static str,
    sentence: &'static str,
    next: &'static str,
    for_operator: Option<&'static str>,
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
            | Self::KeysUnavailable(_) => None,
        }
    }

    fn words(self) -> NoticeWords {
        let words = |name, status, tone, turn, title, sentence, next| NoticeWords {
            name,
            status,
            tone,
            turn,
            title,
            sentence,
            next,
            for_operator: None,
        };
        let unsolicited = Outcome::Unsolicited.facts();
        let open_again = "If {operator} sent you a link, please open it again from the original message.";
        match self {
            Self::Root => words(
                "root",
                StatusCode::OK,
                Tone::Note,
                Owner::Visitor,
                "Approvals for {operator}",
                "When an administrator approves an app of {operator} at Microsoft, the browser comes back to this address. We then ask Microsoft whether the approval is there, and show where it stands.",
                open_again,
            ),
            Self::NoSuchPage => words(
                "no_such_page",
                StatusCode::NOT_FOUND,
                Tone::Note,
                Owner::Visitor,
                "There is no page at this address",
                "The address may be cut short or mistyped.",
                open_again,
            ),
            Self::MethodNotAllowed(_) => words(
                "method_not_allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                Tone::Note,
                Owner::Visitor,
                "This address cannot be used in this way",
                "Something other than a browser opening a link asked for this page. Nothing was changed.",
                open_again,
            ),
            Self::TooLarge => words(
                "too_large",
                StatusCode::PAYLOAD_TOO_LARGE,
                Tone::Act,
                Owner::Visitor,
                "More arrived than we can read",
                "What came to this address is larger than any answer from Microsoft. A program on the way may have added to it.",
                open_again,
            ),
            Self::UnsupportedMediaType => words(
                "unsupported_media_type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                Tone::Note,
                Owner::Visitor,
                "This kind of content cannot be read here",
                "Something other than a form sent by a browser came to this address. Nothing was changed.",
                open_again,
            ),
            Self::NotRecorded(_) => words(
                "not_recorded",
                StatusCode::SERVICE_UNAVAILABLE,
                Tone::Ours,
                Owner::Visitor,
                "Please reload this page in a few minutes",
                "This is not your doing: at the moment we cannot record your visit, so we say nothing about it. What you did at Microsoft is not lost by that.",
                "Wait a few minutes and reload this page. If it stays like this, please tell {operator}: {support}.",
            ),
            Self::KeysUnavailable(_) => words(
                "keys_unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                Tone::Ours,
                Owner::Visitor,
                "Please reload this page in a few minutes",
                "This is not your doing: at the moment we cannot read what we need to open the link. What you did at Microsoft is not lost by that.",
                "Wait a few minutes and reload this page. If it stays like this, please tell {operator}: {support}.",
            ),
            Self::NothingArrived => NoticeWords {
                for_operator: Some(
                    "If the answer stood behind a # in the address, it never reached the server. The redirect address has to be registered in the app registration for the platform Web, not for Single-page application.",
                ),
                ..words(
                    "nothing_arrived",
                    StatusCode::BAD_REQUEST,
                    unsolicited.tone,
                    unsolicited.owner,
                    "No answer from Microsoft came with this visit",
                    "This page shows the result after Microsoft's approval page, and the address it was opened with holds no answer.",
                    "If {operator} sent you a link, please open that link again from the original message.",
                )
            },
        }
    }
}

/// The page of a notice.
#[must_use]
pub fn notice(branding: Branding<'_>, notice: Notice<'_>) -> Markup {
    let words = notice.words();
    let names = branding.names();
    let title = Template(words.title);
    let body = html! {
        (verdict(words.tone, title, names, None))
        p.lead { (Template(words.sentence).fill(names)) }
        (next_section(words.turn, Template(words.next), None, None, names))
        @if let Some(hint) = words.for_operator {
            details {
                summary { (Template("For {operator}").fill(names)) }
                p { (hint) }
            }
        }
    };
    let outcome = notice.outcome();
    let marks = PageMarks { outcome, notice: outcome.is_none().then_some(words.name), ..PageMarks::default() };
    shell(branding, title, names, marks, words.tone, &body)
}

/// The page of a notice as JSON.
#[must_use]
pub fn notice_json(branding: Branding<'_>, notice: Notice<'_>) -> Value {
    let words = notice.words();
    let names = branding.names();
    json!({
        "outcome": notice.outcome(),
        "notice": words.name,
        "title": Template(words.title).plain(names),
        "sentence": Template(words.sentence).plain(names),
        "next_step": Template(words.next).plain(names),
        "turn": words.turn.name(),
        "for_operator": words.for_operator,
        "operator": branding.operator,
        "support": branding.support,
        "privacy_url": branding.privacy_url,
    })
}
