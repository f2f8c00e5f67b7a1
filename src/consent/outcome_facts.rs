//! The kinds of facts that [`super::Outcome::facts`] lists for every outcome.

use serde::Serialize;

use super::owner::Owner;

/// What a ticket system does with an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Somebody has to act: open a ticket.
    Open,
    /// Worth a line in an open ticket.
    Update,
    /// Done: close it.
    Close,
}

/// How long after the callback another check can change an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanChange {
    /// No check changes it.
    Never,
    /// As long as a replica may lag: [`super::outcome::PROVISIONAL`].
    TwentyMinutes,
    /// Until [`super::outcome::GIVE_UP`].
    ADay,
}

/// The kind of answer that a browser gets. `web` maps it to an HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerKind {
    /// There is a result.
    Concluded,
    /// Another person or Microsoft has yet to act.
    Waiting,
    /// The request carries no ticket that can be read.
    Unreadable,
    /// The callback contradicts its ticket.
    Conflict,
    /// The link no longer works.
    Gone,
    /// The fault is ours or Microsoft's.
    Unavailable,
}

/// How an outcome looks, the least pressing first. Only a permission that the operator forbids is cause for alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// Done.
    Good,
    /// Done as far as can be seen.
    Partly,
    /// The reader can do something about it.
    Act,
    /// The operator or this service has to do something about it.
    Ours,
    /// Time has to pass.
    Wait,
    /// Something to know, and no outcome.
    Note,
    /// A permission is there that must not be.
    Alarm,
}

impl Tone {
    /// The class in the style sheets.
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Partly => "partly",
            Self::Act => "act",
            Self::Ours => "ours",
            Self::Wait => "wait",
            Self::Note => "note",
            Self::Alarm => "alarm",
        }
    }
}

/// How much of a tenant-wide approval Microsoft showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// Every required permission.
    Complete,
    /// Some required permissions.
    InPart,
    /// As much as our rights let us see.
    AsFarAsVisible,
    /// None so far.
    NotSeen,
    /// None, and a request for it is open.
    Requested,
    /// None any more.
    Withdrawn,
    /// The app is disabled, so that an approval does not count.
    SwitchedOff,
    /// The check showed nothing about it.
    Unknown,
}

/// What is true of an outcome wherever it is shown. Its texts are looked up by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutcomeFacts {
    /// What a ticket system does with it.
    pub severity: Severity,
    /// Whose move it is.
    pub owner: Owner,
    /// How long another check can change it.
    pub can_change: CanChange,
    /// How a browser is answered.
    pub answer: AnswerKind,
    /// How it looks.
    pub tone: Tone,
    /// How much of the approval was seen.
    pub approval: Approval,
    /// Whether approving at Microsoft, once or once more, can still help.
    pub approving_helps: bool,
}
