//! The words of a page: for each outcome a title, one sentence, one next step, and its owner. The words themselves are in `locales`.

mod causes;
mod codes;
#[cfg(test)]
mod document;
mod outcomes;
mod permissions;
#[cfg(test)]
mod tests;
mod text;

use http::StatusCode;

pub use self::causes::CodeFrom;
pub(crate) use self::causes::{Because, watch_words, words_because};
pub(crate) use self::outcomes::{already, confirmed_later, not_arranged, seen_for_everybody, unopened, words};
pub(crate) use self::permissions::permission_words;
pub(in crate::web) use self::text::{Argument, INVITATION, LETTERS, OUTCOMES, PAGES};
pub(crate) use self::text::{Names, PageText};
use crate::consent::outcome::{AnswerKind, Tone};
use crate::consent::roles::RoleNeeded;
use crate::consent::{Outcome, Owner};

impl Owner {
    /// The heading of the next step.
    pub(crate) fn heading(self) -> PageText<'static> {
        OUTCOMES.text(match self {
            Self::Nobody => "turn-nobody",
            Self::Visitor | Self::Admin => "turn-you",
            Self::Organisation => "turn-organisation",
            Self::Operator => "turn-operator",
            Self::AppOwner => "turn-app-owner",
            Self::Microsoft => "turn-microsoft",
        })
    }
}

/// The text of a page for an outcome.
#[derive(Clone)]
pub(crate) struct Words {
    /// The page's only heading.
    pub(crate) title: PageText<'static>,
    /// The state, in one or two sentences.
    pub(crate) sentence: PageText<'static>,
    /// What happens next.
    pub(crate) next: PageText<'static>,
    /// The owner of the next step.
    pub(crate) turn: Owner,
    /// Advice in case the next step does not help.
    pub(crate) hint: Option<PageText<'static>>,
    /// Selects colour and icon.
    pub(crate) tone: Tone,
}

impl Words {
    /// The heading of the next step.
    pub(in crate::web) fn heading(&self) -> PageText<'static> {
        if self.asks_reader() { Owner::Visitor.heading() } else { self.turn.heading() }
    }

    /// Whether the next step asks the reader to act, such as to open the link again, even if another party owns the step.
    pub(in crate::web) fn asks_reader(&self) -> bool {
        match self.turn {
            Owner::Visitor | Owner::Admin => true,
            Owner::Operator | Owner::Nobody | Owner::Microsoft => self.tone == Tone::Act,
            Owner::Organisation | Owner::AppOwner => false,
        }
    }
}

/// The roles that can approve (protocol reference §1.9), by their names in Microsoft's portal.
pub(crate) fn roles(needed: RoleNeeded) -> PageText<'static> {
    PAGES.text(match needed {
        RoleNeeded::PrivilegedRoleAdministrator => "roles-high",
        RoleNeeded::ApplicationAdministrator => "roles-any",
    })
}

/// The HTTP status of an outcome: 200 for a conclusion, 202 if another party must still act, 4xx if the link or the visit is at fault, 503
/// if this service or Microsoft is at fault.
pub(crate) fn status(outcome: Outcome) -> StatusCode {
    match outcome.facts().answer {
        AnswerKind::Concluded => StatusCode::OK,
        AnswerKind::Waiting => StatusCode::ACCEPTED,
        AnswerKind::Unreadable => StatusCode::BAD_REQUEST,
        AnswerKind::Conflict => StatusCode::CONFLICT,
        AnswerKind::Gone => StatusCode::GONE,
        AnswerKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}
