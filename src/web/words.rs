//! The text of a page, in English: for each outcome a title, one sentence, one next step, and its owner.
//!
//! Texts are templates with a closed set of placeholders. One pass fills them, so a name that looks like a placeholder stays a name. No
//! template begins a sentence with `{app}`, because for an unknown app `{app}` becomes "the app".

mod causes;
#[cfg(test)]
mod document;
mod outcomes;
mod permissions;
mod template;
#[cfg(test)]
mod tests;

use http::StatusCode;

pub use self::causes::CodeFrom;
pub(crate) use self::causes::{Because, watch_words, words_because};
pub(crate) use self::outcomes::{confirmed_later, not_arranged, seen_for_everybody, unopened, words};
pub(crate) use self::permissions::{exercised, permission_words};
pub(crate) use self::template::{Names, Template};
use crate::consent::outcome::{AnswerKind, Tone};
use crate::consent::roles::RoleNeeded;
use crate::consent::{Outcome, Owner};

impl Owner {
    /// The heading of the next step.
    pub(crate) fn heading(self) -> Template {
        Template(match self {
            Self::Nobody => "Nothing left to do",
            Self::Visitor | Self::Admin => "Your next step",
            Self::Organisation => "Next step: somebody in your organisation",
            Self::Operator => "Next step: {operator}",
            Self::AppOwner => "Next step: the owner of the app",
            Self::Microsoft => "Next step: wait",
        })
    }
}

/// The text of a page for an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Words {
    /// The page's only heading.
    pub(crate) title: Template,
    /// The state, in one or two sentences.
    pub(crate) sentence: Template,
    /// What happens next.
    pub(crate) next: Template,
    /// The owner of the next step.
    pub(crate) turn: Owner,
    /// Advice in case the next step does not help.
    pub(crate) hint: Option<Template>,
    /// Selects colour and icon.
    pub(crate) tone: Tone,
}

impl Words {
    /// Whether the next step asks the reader to act, such as to open the link again, even if another party owns the step.
    pub(in crate::web) fn asks_reader(&self) -> bool {
        match self.turn {
            Owner::Visitor | Owner::Admin => true,
            Owner::Operator | Owner::Nobody => self.tone == Tone::Act,
            Owner::Organisation | Owner::AppOwner | Owner::Microsoft => false,
        }
    }
}

/// The roles that can approve (protocol reference §1.9), by their names in Microsoft's portal.
pub(crate) fn roles(needed: RoleNeeded) -> &'static str {
    match needed {
        RoleNeeded::PrivilegedRoleAdministrator => "Global Administrator or Privileged Role Administrator",
        RoleNeeded::ApplicationAdministrator => {
            "Global Administrator, Privileged Role Administrator, Cloud Application Administrator or Application Administrator"
        }
    }
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
