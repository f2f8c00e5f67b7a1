//! What a page says, in English: for every outcome a title, one sentence, one next step, and whose turn it is.
//!
//! Texts are templates over a closed set of placeholders, filled in one pass, so that a name that looks like a placeholder stays a
//! name. No template begins a sentence with `{app}`: where the app is not known it reads "the app".

mod causes;
#[cfg(test)]
mod document;
mod outcomes;
mod permissions;
mod template;
#[cfg(test)]
mod tests;

use http::StatusCode;

pub use self::causes::{Because, CodeFrom, watch_words, words_because};
pub use self::outcomes::{confirmed_later, not_arranged, seen_for_everybody, unopened, words};
pub use self::permissions::{exercised, permission_words};
pub use self::template::{Names, Template};
use crate::consent::outcome::{AnswerKind, Tone};
use crate::consent::roles::RoleNeeded;
use crate::consent::{Outcome, Owner};

impl Owner {
    /// The heading of the next step.
    #[must_use]
    pub fn heading(self) -> Template {
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

/// What a page says about an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// The one heading.
    pub title: Template,
    /// Where it stands, in one sentence or two.
    pub sentence: Template,
    /// What happens next.
    pub next: Template,
    /// Whose turn that is.
    pub turn: Owner,
    /// What helps where the next step does not, if anything does.
    pub hint: Option<Template>,
    /// How it looks.
    pub tone: Tone,
}

impl Words {
    /// Whether the next step asks the reader for something, such as opening the link again, whose move it is or not.
    pub(in crate::web) fn asks_reader(&self) -> bool {
        match self.turn {
            Owner::Visitor | Owner::Admin => true,
            Owner::Operator | Owner::Nobody => self.tone == Tone::Act,
            Owner::Organisation | Owner::AppOwner | Owner::Microsoft => false,
        }
    }
}

/// The roles that can approve (protocol reference §1.9), by the names Microsoft's portal gives them.
#[must_use]
pub fn roles(needed: RoleNeeded) -> &'static str {
    match needed {
        RoleNeeded::PrivilegedRoleAdministrator => "Global Administrator or Privileged Role Administrator",
        RoleNeeded::ApplicationAdministrator => {
            "Global Administrator, Privileged Role Administrator, Cloud Application Administrator or Application Administrator"
        }
    }
}

/// The HTTP status of an outcome: 200 concluded, 202 where somebody has yet to act elsewhere, 4xx where the link or the visit is at
/// fault, 503 where we are. Design, section 3.
#[must_use]
pub fn status(outcome: Outcome) -> StatusCode {
    match outcome.facts().answer {
        AnswerKind::Concluded => StatusCode::OK,
        AnswerKind::Waiting => StatusCode::ACCEPTED,
        AnswerKind::Unreadable => StatusCode::BAD_REQUEST,
        AnswerKind::Conflict => StatusCode::CONFLICT,
        AnswerKind::Gone => StatusCode::GONE,
        AnswerKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}
