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
use serde::Serialize;

pub use self::causes::{Because, CodeFrom, watch_words, words_because};
pub use self::outcomes::{approving_helps, confirmed_later, not_arranged, seen_for_everybody, unopened, words};
pub use self::permissions::{exercised, permission_words};
pub use self::template::{Names, Template};
use crate::consent::Outcome;
use crate::consent::aadsts::Mover;
use crate::consent::roles::RoleNeeded;

/// Whose turn it is, seen from the person who reads the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// Nothing is left to do.
    Nobody,
    /// The reader's.
    You,
    /// Somebody else's in the reader's organisation, such as a reviewer or whoever keeps its sign-in rules.
    Organisation,
    /// The operator's.
    Operator,
    /// The owner of the app's registration, who may be another company.
    AppOwner,
    /// Microsoft's: time has to pass.
    Microsoft,
}

impl Turn {
    /// The stable name, in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::You => "you",
            Self::Organisation => "organisation",
            Self::Operator => "operator",
            Self::AppOwner => "app_owner",
            Self::Microsoft => "microsoft",
        }
    }

    fn of(mover: Mover) -> Self {
        match mover {
            Mover::Admin | Mover::User => Self::You,
            Mover::Operator => Self::Operator,
            Mover::AppOwner => Self::AppOwner,
            Mover::Microsoft => Self::Microsoft,
        }
    }

    /// The heading of the next step.
    #[must_use]
    pub fn heading(self) -> Template {
        Template(match self {
            Self::Nobody => "Nothing left to do",
            Self::You => "Your next step",
            Self::Organisation => "Next step: somebody in your organisation",
            Self::Operator => "Next step: {operator}",
            Self::AppOwner => "Next step: the owner of the app",
            Self::Microsoft => "Next step: wait",
        })
    }
}

/// How a page looks. Only a permission that the operator forbids is cause for alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Done.
    Good,
    /// Done as far as can be seen.
    Partly,
    /// Time has to pass.
    Wait,
    /// Something to know, and no outcome.
    Note,
    /// The reader can do something about it.
    Act,
    /// The operator or this service has to do something about it.
    Ours,
    /// Something is there that must not be.
    Alarm,
}

impl Tone {
    /// The class on `<main>`.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Partly => "partly",
            Self::Wait => "wait",
            Self::Note => "note",
            Self::Act => "act",
            Self::Ours => "ours",
            Self::Alarm => "alarm",
        }
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
    pub turn: Turn,
    /// What helps where the next step does not, if anything does.
    pub hint: Option<Template>,
    /// How it looks.
    pub tone: Tone,
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
    match outcome {
        Outcome::Granted
        | Outcome::GrantedInPart
        | Outcome::GrantedInExcess
        | Outcome::GrantedUnseen
        | Outcome::Disabled
        | Outcome::NotFound
        | Outcome::Declined
        | Outcome::NotAnAdmin
        | Outcome::WrongAccount
        | Outcome::BlockedByPolicy
        | Outcome::AppMisconfigured
        | Outcome::Unknown
        | Outcome::TenantNotFound
        | Outcome::Revoked
        | Outcome::Reduced
        | Outcome::Enlarged
        | Outcome::TenantGone
        | Outcome::ReportedUnverified => StatusCode::OK,
        Outcome::Pending | Outcome::ApprovalRequested | Outcome::AwaitingConfirmation => StatusCode::ACCEPTED,
        Outcome::WrongTenant => StatusCode::CONFLICT,
        Outcome::LinkExpired | Outcome::LinkRevoked => StatusCode::GONE,
        Outcome::LinkDamaged | Outcome::Unsolicited => StatusCode::BAD_REQUEST,
        Outcome::Unavailable | Outcome::OperatorFault => StatusCode::SERVICE_UNAVAILABLE,
    }
}
